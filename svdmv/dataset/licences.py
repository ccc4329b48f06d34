"""Licences of objects: one spelling, which are allowed, and the file that names every author."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from svdmv.core import ConfigError
from svdmv.dataset.object_source import ObjectSource
from svdmv.io.atomic import write_text

FREE = ("CC0", "CC-BY")  # may be used for anything, CC-BY with the author's name
UNKNOWN = "unknown"
_OBJAVERSE = {  # per-object field `license` of Objaverse 1.0, as on its dataset card; Sketchfab's CC terms are 4.0
    "by": "CC-BY-4.0",
    "cc0": "CC0-1.0",
    "by-sa": "CC-BY-SA-4.0",
    "by-nd": "CC-BY-ND-4.0",
    "by-nc": "CC-BY-NC-4.0",
    "by-nc-sa": "CC-BY-NC-SA-4.0",
    "by-nc-nd": "CC-BY-NC-ND-4.0",
}
_SOFTWARE = {"mit license": "MIT", "mit": "MIT", "mit-0": "MIT-0", "apache license 2.0": "Apache-2.0"}
_CC_WORDS = (
    (r"no\W*deriv|\bnd\b", "ND"),
    (r"non\W*commercial|\bnc\b", "NC"),
    (r"share\W*alike|\bsa\b", "SA"),
    (r"attribution|\bby\b", "BY"),
)


def spdx_from_text(text: str | None) -> str:
    """One spelling for a licence's name: an SPDX identifier where the words allow it, "unknown" for none.

    Several licences in one text, or words that are not understood, stay as they are: nothing is guessed, and such a
    text is in no list of allowed licences.

    Example:
        >>> spdx_from_text("by"), spdx_from_text("Creative Commons - Attribution - Non-Commercial"), spdx_from_text("")
        ('CC-BY-4.0', 'CC-BY-NC-4.0', 'unknown')
    """
    plain = " ".join((text or "").split())
    low = plain.lower()
    if not plain or low in ("none", "null", "unknown", "nan"):
        return UNKNOWN
    if low in _OBJAVERSE or low in _SOFTWARE:
        return _OBJAVERSE.get(low) or _SOFTWARE[low]
    if not low.startswith("http") and re.search(r";|,| or |\bsee\b|/", low):
        return plain
    if re.search(r"\bcc[- ]?0\b|public domain dedication|publicdomain/zero", low):
        return "CC0-1.0"
    if re.search(r"creative commons|\bcc[- ]|creativecommons\.org", low):
        words = [name for pattern, name in _CC_WORDS if re.search(pattern, low)]
        if "BY" in words:
            version = re.search(r"\b([1-4]\.\d)\b", low)
            parts = ["BY", *[w for w in ("NC", "SA", "ND") if w in words]]
            return f"CC-{'-'.join(parts)}-{version[1] if version else '4.0'}"
    return plain


def licence_allowed(licence: str, allowed: Sequence[str] | None) -> bool:
    """True when the licence is in the list, or is a version of a family in it ("CC-BY" holds CC-BY-4.0 and not
    CC-BY-NC-4.0); None allows all but those that are unknown."""
    spelt = spdx_from_text(licence)
    if spelt == UNKNOWN:
        return False
    if allowed is None:
        return True
    return any(spelt == name or re.fullmatch(re.escape(name) + r"-\d[\d.]*", spelt) for name in allowed)


def checked_licences(allowed: Sequence[str] | str | None) -> tuple[str, ...] | None:
    """A list of licences as options give it ("CC0,CC-BY", or a sequence; "any" and None stand for all that are known).

    Raises ConfigError for an empty list.
    """
    if allowed is None or allowed == "any":
        return None
    names = allowed.split(",") if isinstance(allowed, str) else list(allowed)
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise ConfigError(
            "The list of allowed licences is empty",
            where="licences",
            seen=allowed,
            expected='names such as CC0,CC-BY, or "any"',
        )
    return tuple(names)


def write_attributions(path: Path | str, items: Sequence[ObjectSource]) -> None:
    """A text that names every object with author, licence and source, sorted by licence and id, to be handed on with
    whatever is made from the objects. Whole or not at all; raises InputError.
    """
    ordered = sorted(items, key=lambda item: (item.licence, item.id))
    groups: dict[str, list[str]] = {}
    for item in ordered:
        tail = " | ".join(
            " ".join(part.split()) for part in (item.attribution or "author not named", item.source) if part
        )
        groups.setdefault(item.licence, []).append(f"- {item.id} | {tail}")
    lines = ["# Objects, their authors and licences", "", f"{len(items)} objects."]
    for licence, rows in groups.items():
        lines += ["", f"## {licence} ({len(rows)})", "", *rows]
    write_text(path, "\n".join(lines) + "\n")
