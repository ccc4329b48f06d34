"""Where objects come from: a table of kinds, each a function that gives a list of ObjectSource."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from svdmv.core import ConfigError, DataError
from svdmv.dataset.licences import checked_licences, licence_allowed
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.splits import MVIMGNET_SHARES, OBJECT_SHARES, split_of

SOURCES: dict[str, str] = {
    "manifest": "svdmv.dataset.folders:sources_from_manifest",
    "folder": "svdmv.dataset.folders:sources_from_folder",
    "gso": "svdmv.dataset.folders:sources_from_gso",
    "procedural": "svdmv.dataset.objects:sources_from_seeds",
    "objaverse": "svdmv.dataset.objaverse:sources_from_objaverse",
    "objaverse_xl": "svdmv.dataset.objaverse_xl:sources_from_objaverse_xl",
    "curated": "svdmv.dataset.recorded:sources_from_curated",
    "mvimgnet": "svdmv.dataset.recorded:sources_from_mvimgnet",
}
SHARES: dict[str, Mapping[str, float]] = {"mvimgnet": MVIMGNET_SHARES}
_PLAIN: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "Path": (Path,),
    "None": (type(None),),
}


def object_sources_from(
    kind: str,
    /,
    *,
    licences: Sequence[str] | str | None = None,
    split: str | None = None,
    shares: Mapping[str, float] | None = None,
    limit: int | None = None,
    **options: Any,
) -> list[ObjectSource]:
    """The objects of one kind of source, in an order that does not change.

    Args:
        kind: a name in SOURCES, or of an entry point in the group "svdmv.sources".
        licences: names or families ("CC0,CC-BY") that are allowed; None leaves the source's own rule (Objaverse: CC0
            and CC-BY; manifests and folders: what they list), "any" allows all that are known.
        split: "train", "validation" or "test" by hash of the id; None gives all.
        shares: see `split_of`; None takes those of SHARES for the kind, OBJECT_SHARES for others.
        limit: at most so many, from the front.
        options: of the source's own function.

    Raises:
        ConfigError: unknown kind, option or split.
        InputError, DataError, MissingDependency: from the source; also DataError when nothing is left or an id comes
            twice.
    """
    function = _resolved(kind)
    shares = shares or SHARES.get(kind, OBJECT_SHARES)
    known = inspect.signature(function).parameters
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.4)
            raise ConfigError(
                "A source of objects does not have this option",
                where=kind,
                seen=name,
                expected=f"{near[0]}?" if near else "one of " + ", ".join(known),
            )
        if not _fits(options[name], str(known[name].annotation)):
            raise ConfigError(
                "An option of a source has the wrong type",
                where=f"{kind}.{name}",
                seen=repr(options[name]),
                expected=str(known[name].annotation),
            )
    common = {"licences": licences, "split": split, "shares": shares, "limit": limit}
    options.update({name: value for name, value in common.items() if value is not None and name in known})
    missing = [n for n, p in known.items() if p.default is p.empty and n not in options]
    if missing:
        raise ConfigError(
            "A source of objects needs an option", where=kind, seen="nothing", expected=", ".join(missing)
        )
    if split is not None and split not in shares:
        raise ConfigError("Unknown split", where=kind, seen=split, expected=" or ".join(shares))
    found: list[ObjectSource] = function(**options)
    twice = [name for name, count in Counter(item.id for item in found).items() if count > 1]
    if twice:
        raise DataError("Ids of objects come twice", where=kind, seen=twice[:3], expected="every id once")
    allowed = checked_licences(licences)
    kept = found if licences is None else [item for item in found if licence_allowed(item.licence, allowed)]
    kept = [item for item in kept if split is None or split_of(item.id, shares) == split]
    if not kept:
        raise DataError(
            "No object is left",
            where=kind,
            seen=f"{len(found)} found; licences {licences or 'as listed'}, split {split or 'all'}",
            expected="at least one object",
            next_step="widen the licences, the split or the filters",
        )
    return kept[:limit]


def _fits(value: Any, annotation: str) -> bool:
    """False when the annotation, as it is written, names plain types only and the value is of none of them."""
    names = [part.strip() for part in annotation.split("|")]
    return any(name not in _PLAIN or isinstance(value, _PLAIN[name]) for name in names)


def _resolved(kind: str) -> Any:
    if kind in SOURCES:
        module, _, function = SOURCES[kind].partition(":")
        return getattr(importlib.import_module(module), function)
    added = entry_points(group="svdmv.sources")
    if kind in added.names:
        return added[kind].load()
    known = [*SOURCES, *sorted(added.names)]
    near = difflib.get_close_matches(kind, known, 1, 0.4)
    raise ConfigError(
        "Unknown source of objects",
        where="source",
        seen=kind,
        expected=f"{near[0]}?" if near else "one of " + ", ".join(known),
    )
