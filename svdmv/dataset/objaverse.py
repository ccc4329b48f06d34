"""Objaverse 1.0 through the `objaverse` package: metadata, LVIS categories and file layout are its own; the choice by
licence, size and animation, and the downloads with retry, time-out, checksum and ledger are ours.

ROOT/object-paths.json.gz, ROOT/lvis-annotations.json.gz, ROOT/metadata/NNN-NNN.json.gz, ROOT/glbs/NNN-NNN/UID.glb
(objaverse 0.1.7; ROOT is ~/.objaverse/hf-objaverse-v1 by default).
"""

from __future__ import annotations

import gzip
import io
import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdmv.core import DataError, InputError, require
from svdmv.dataset.downloads import Download, DownloadLedger, Patience, fetch, fetch_all
from svdmv.dataset.licences import FREE, checked_licences, licence_allowed, spdx_from_text, write_attributions
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.splits import OBJECT_SHARES, split_of

HUB = "https://huggingface.co/datasets/allenai/objaverse/resolve/main/"
HOME = Path("~/.objaverse/hf-objaverse-v1")
LEDGER, ATTRIBUTION = "svdmv-ledger.sqlite", "ATTRIBUTION.md"


@dataclass(frozen=True)
class ObjectFilter:
    """Which objects are wanted; each rule has its own reason in the ledger. Faces and bytes are those of the metadata's
    GLB archive; an object that does not state them passes."""

    licences: tuple[str, ...] | None = FREE
    min_faces: int = 0
    max_faces: int = 500_000
    max_bytes: int = 100_000_000
    animated: bool = False
    age_restricted: bool = False

    def refusal(self, annotation: Mapping[str, Any]) -> str | None:
        """Why an annotation is not wanted, or None."""
        licence = spdx_from_text(annotation.get("license"))
        glb = (annotation.get("archives") or {}).get("glb") or {}
        faces, size = glb.get("faceCount") or annotation.get("faceCount"), glb.get("size")
        if not licence_allowed(licence, self.licences):
            return f"licence: {licence}"
        if annotation.get("animationCount") and not self.animated:
            return f"animated: {annotation['animationCount']} animations"
        if annotation.get("isAgeRestricted") and not self.age_restricted:
            return "age_restricted"
        if faces is not None and not self.min_faces <= faces <= self.max_faces:
            return f"faces: {faces}, wanted {self.min_faces} to {self.max_faces}"
        if size is not None and size > self.max_bytes:
            return f"bytes: {size}, wanted at most {self.max_bytes}"
        return None


def sources_from_objaverse(
    root: str | Path = HOME,
    uids: Sequence[str] | str | Path | None = None,
    categories: Sequence[str] | str | None = None,
    licences: Sequence[str] | str | None = FREE,
    min_faces: int = 0,
    max_faces: int = 500_000,
    max_bytes: int = 100_000_000,
    animated: bool = False,
    age_restricted: bool = False,
    split: str | None = None,
    shares: Mapping[str, float] = OBJECT_SHARES,
    limit: int | None = None,
    download: bool = False,
    workers: int = 8,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    hub: str = HUB,
    checksums: Mapping[str, str] | None = None,
    report: Callable[[str, int, int], None] | None = None,
) -> list[ObjectSource]:
    """The objects that pass every filter, in the order of their uids.

    Args:
        root: the package's folder.
        uids: those to choose from: a list, or a file with one a line; None takes all.
        categories: LVIS names ("mug", "teapot"); None takes objects of any or no category.
        licences, min_faces, max_faces, max_bytes, animated, age_restricted: see ObjectFilter.
        split, shares: see `split_of`. limit: at most so many, the first by uid after all other rules.
        download: fetch missing files; False refuses when one is missing.
        hub: where files come from. checksums: uid -> sha256 where it is known (Objaverse-XL lists them).

    Returns:
        One source an object. An object whose download failed is among them with the place where its file should be:
        whoever renders the list finds it missing and says so; the reason is in ROOT/svdmv-ledger.sqlite, with the
        objects that a filter refused. ROOT/ATTRIBUTION.md names every author.

    Raises:
        MissingDependency: the package is not installed.
        InputError: an unknown uid or category, no network, files missing without `download`.
        DataError: a file of the metadata is damaged.
    """
    package = require("objaverse", "data", "Objaverse")
    root = Path(root).expanduser()
    rule = ObjectFilter(checked_licences(licences), min_faces, max_faces, max_bytes, animated, age_restricted)
    tables = _Tables(package, root, hub, download, patience)
    paths = tables.object_paths()
    wanted = _chosen(uids, categories, paths, tables)
    if split is not None:
        wanted = [uid for uid in wanted if split_of(uid, shares) == split]
    annotations = tables.annotations(wanted, paths)
    ledger, refused, kept = DownloadLedger(root / LEDGER), [], []
    for uid in wanted:
        reason = rule.refusal(annotations[uid])
        if reason is None:
            kept.append(uid)
        else:
            licence = spdx_from_text(annotations[uid].get("license"))
            refused.append({"id": uid, "status": "rejected", "reason": reason, "licence": licence})
    kept = kept[:limit]
    found = [_source(uid, root / paths[uid], annotations[uid]) for uid in kept]
    _bring(found, {uid: hub + paths[uid] for uid in kept}, ledger, download, workers, patience, checksums or {}, report)
    ledger.write(refused)
    write_attributions(root / ATTRIBUTION, found)
    return found


def glb_fault(path: Path) -> str | None:
    """What is wrong with a GLB file by its first 12 bytes (glTF 2.0, 4.4), or None."""
    with path.open("rb") as file:
        head = file.read(12)
    if len(head) < 12 or head[:4] != b"glTF":
        return f"load_error: not a GLB file, begins with {head[:8]!r}"
    length = struct.unpack("<I", head[8:])[0]
    here = path.stat().st_size
    return None if length == here else f"load_error: truncated, {here} of {length} bytes"


def _bring(
    found: Sequence[ObjectSource],
    urls: Mapping[str, str],
    ledger: DownloadLedger,
    download: bool,
    workers: int,
    patience: Patience,
    checksums: Mapping[str, str],
    report: Callable[[str, int, int], None] | None,
) -> None:
    missing = [item.id for item in found if not Path(item.location).is_file()]
    if missing and not download:
        raise InputError(
            "Objects are not on this disk",
            where=Path(found[0].location).parents[2],
            seen=f"{len(missing)} of {len(found)} missing, the first {missing[0]}",
            expected="their GLB files, or leave to fetch them",
            next_step="give the source download=true",
        )
    items = [Download(i.id, urls[i.id], Path(i.location), checksums.get(i.id)) for i in found]
    by_id = {item.id: item.licence for item in found}
    fetch_all(items, ledger, workers=workers, patience=patience, licences=by_id, check=glb_fault, report=report)


def _source(uid: str, path: Path, annotation: Mapping[str, Any]) -> ObjectSource:
    user = annotation.get("user") or {}
    author = user.get("displayName") or user.get("username") or "author not named"
    page = annotation.get("viewerUrl") or f"https://sketchfab.com/3d-models/{uid}"
    title = f"{annotation.get('name') or uid} by {author}"
    return ObjectSource(uid, str(path), spdx_from_text(annotation.get("license")), title, page)


def _chosen(
    uids: Sequence[str] | str | Path | None,
    categories: Sequence[str] | str | None,
    paths: Mapping[str, str],
    tables: _Tables,
) -> list[str]:
    """Sorted uids. Raises InputError: one is unknown, or a category is."""
    if isinstance(uids, (str, Path)):
        try:
            uids = [line.strip() for line in Path(uids).read_text("utf-8").splitlines() if line.strip()]
        except OSError as error:
            raise InputError("The list of uids cannot be read", where=uids, seen=error) from error
    chosen = set(paths) if uids is None else {uid.removesuffix(".glb") for uid in uids}
    unknown = sorted(chosen - set(paths))
    if unknown or not chosen:
        raise InputError(
            "Objaverse does not know these uids" if unknown else "The list of uids is empty",
            where="uids",
            seen=f"{len(unknown)} unknown: {', '.join(unknown[:3])}",
            expected="uids of object-paths.json.gz",
        )
    if categories is not None:
        names = [c.strip() for c in categories.split(",")] if isinstance(categories, str) else list(categories)
        lvis = tables.categories()
        if strange := [name for name in names if name not in lvis]:
            raise InputError(
                "LVIS does not know these categories",
                where="categories",
                seen=", ".join(strange[:3]),
                expected=f"names of lvis-annotations.json.gz, such as {', '.join(sorted(lvis)[:3])}",
            )
        chosen &= {uid for name in names for uid in lvis[name]}
    return sorted(chosen)


class _Tables:
    """The package's tables, read by the package from `root`; files that are missing are fetched by us first."""

    def __init__(self, package: Any, root: Path, hub: str, download: bool, patience: Patience) -> None:
        self.package, self.root, self.hub, self.download, self.patience = package, root, hub, download, patience

    def object_paths(self) -> dict[str, str]:
        self._need("object-paths.json.gz")
        with self._reading("object-paths.json.gz"):
            paths: dict[str, str] = self.package._load_object_paths()
        return paths

    def categories(self) -> dict[str, list[str]]:
        self._need("lvis-annotations.json.gz")
        with self._reading("lvis-annotations.json.gz"):
            lvis: dict[str, list[str]] = self.package.load_lvis_annotations()
        return lvis

    def annotations(self, uids: Sequence[str], paths: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        names = sorted({f"metadata/{paths[uid].split('/')[1]}.json.gz" for uid in uids})
        for name in names:
            self._need(name)
        with self._reading(*names):
            out: dict[str, dict[str, Any]] = self.package.load_annotations(list(uids)) if uids else {}
        if absent := [uid for uid in uids if uid not in out]:
            raise DataError(
                "The metadata of Objaverse lacks objects that its table of paths names",
                where=self.root / "metadata",
                seen=f"{len(absent)}: {absent[0]}",
                expected="a row for every uid",
            )
        return out

    def _need(self, name: str) -> None:
        path = self.root / name
        if path.is_file():
            return
        if not self.download:
            raise InputError(
                "A table of Objaverse is not on this disk",
                where=path,
                expected="the folder that the objaverse package fills",
                next_step="give the source download=true, or root=FOLDER",
            )
        fetch(Download(name, self.hub + name, path), self.patience)

    @contextmanager
    def _reading(self, *names: str) -> Iterator[None]:
        """The package looks into `root` while this holds, and draws no progress bars."""
        before = self.package._VERSIONED_PATH
        self.package._VERSIONED_PATH = str(self.root)
        try:
            with redirect_stderr(io.StringIO()):
                yield
        except (gzip.BadGzipFile, EOFError, ValueError, AttributeError, KeyError, TypeError) as error:
            raise DataError(
                "A table of Objaverse is damaged",
                where=next((self.root / n for n in names if not _is_gzipped_json(self.root / n)), self.root),
                seen=f"{type(error).__name__}: {error}",
                expected="gzipped JSON",
                next_step="remove that file and fetch it again",
            ) from error
        finally:
            self.package._VERSIONED_PATH = before


def _is_gzipped_json(path: Path) -> bool:
    try:
        with gzip.open(path, "rb") as file:
            return isinstance(json.load(file), dict)
    except (OSError, EOFError, ValueError):
        return False
