"""Objaverse-XL's ids: its tables name file, source, licence and sha256. Objects of Sketchfab are those of Objaverse 1.0
and are fetched as such, with XL's checksums; others are fetched by the package with their repositories kept.

ROOT/SOURCE/SOURCE.parquet (columns fileIdentifier, source, license, fileType, sha256, metadata) and
ROOT/github/repos/OWNER/NAME/... (objaverse 0.1.7, save_repo_format="files"; ROOT is ~/.objaverse by default).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from svdmv.core import InputError, require
from svdmv.dataset.downloads import DownloadLedger, Patience
from svdmv.dataset.folders import MODEL_SUFFIXES, id_from_path
from svdmv.dataset.licences import FREE, UNKNOWN, checked_licences, licence_allowed, spdx_from_text, write_attributions
from svdmv.dataset.objaverse import ATTRIBUTION, HUB, LEDGER, sources_from_objaverse
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.splits import OBJECT_SHARES, split_of

HOME = Path("~/.objaverse")
_COLUMNS = {"fileIdentifier", "source", "license", "fileType", "sha256"}


def sources_from_objaverse_xl(
    root: str | Path = HOME,
    table: str = "github",
    licences: Sequence[str] | str | None = FREE,
    split: str | None = None,
    shares: Mapping[str, float] = OBJECT_SHARES,
    limit: int | None = None,
    download: bool = False,
    workers: int = 8,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    hub: str = HUB,
    report: Callable[[str, int, int], None] | None = None,
) -> list[ObjectSource]:
    """The objects of one of XL's tables that pass the filters, sorted by identifier.

    Args:
        root: the package's folder. table: "github" or "sketchfab" (the other two hold .stl files without colour).
        licences: of the rows; a row without a licence is never taken. Others: see `sources_from_objaverse`.

    Returns:
        One source an object; the id of a repository's file ends in digits of its address's hash. A file that vanished
        or differs from its checksum is a row of ROOT/svdmv-ledger.sqlite with its reason; it stays in the list when it
        is missing, and is left out when it differs, because a changed file was licensed by nobody we know of.

    Raises:
        MissingDependency, InputError, DataError: as `sources_from_objaverse`.
    """
    package = require("objaverse.xl", "data", "Objaverse-XL")
    root = Path(root).expanduser()
    if table not in ("github", "sketchfab"):
        raise InputError("Unknown table of Objaverse-XL", where="table", seen=table, expected="github or sketchfab")
    frame = _table(package, root, table, download)
    if table == "sketchfab":
        sums = {str(r["fileIdentifier"]).rsplit("/", 1)[-1]: str(r["sha256"]) for _, r in frame.iterrows()}
        return sources_from_objaverse(
            root / "hf-objaverse-v1",
            sorted(sums),
            licences=licences,
            split=split,
            shares=shares,
            limit=limit,
            download=download,
            workers=workers,
            patience=patience,
            hub=hub,
            checksums=sums,
            report=report,
        )
    allowed, ledger = checked_licences(licences), DownloadLedger(root / LEDGER)
    kept: list[Any] = []
    refused: list[dict[str, Any]] = []
    for _, row in frame.sort_values("fileIdentifier").iterrows():
        address, licence = str(row["fileIdentifier"]), _licence(row)
        if split is not None and split_of(address, shares) != split:
            continue
        if not licence_allowed(licence, allowed):
            refused.append({"id": address, "status": "rejected", "reason": f"licence: {licence}", "licence": licence})
        elif f".{str(row['fileType']).lower()}" not in MODEL_SUFFIXES:
            refused.append({"id": address, "status": "rejected", "reason": f"unsupported:{row['fileType']}"})
        else:
            kept.append(row)
    kept = kept[:limit]
    places = {str(row["fileIdentifier"]): _place(root, str(row["fileIdentifier"])) for row in kept}
    missing = [address for address, place in places.items() if not place.is_file()]
    if missing and not download:
        raise InputError(
            "Objects are not on this disk",
            where=root / "github" / "repos",
            seen=f"{len(missing)} of {len(places)} missing, the first {missing[0]}",
            expected="their repositories, or leave to fetch them",
            next_step="give the source download=true",
        )
    if missing:
        wanted = frame[frame["fileIdentifier"].isin(missing)]
        package.download_objects(wanted, download_dir=str(root), processes=workers, save_repo_format="files")
    found = [item for row in kept if (item := _checked(row, places[str(row["fileIdentifier"])], ledger)) is not None]
    ledger.write(refused)
    write_attributions(root / ATTRIBUTION, found)
    return found


def _table(package: Any, root: Path, table: str, download: bool) -> Any:
    path = root / table / f"{table}.parquet"
    if not path.is_file() and not download:
        raise InputError(
            "A table of Objaverse-XL is not on this disk",
            where=path,
            expected="the folder that the objaverse package fills",
            next_step="give the source download=true, or root=FOLDER",
        )
    try:
        frame = package.downloaders[table].get_annotations(download_dir=str(root))
        lacking = sorted(_COLUMNS - set(frame.columns))
    except Exception as error:  # parquet readers and the network raise anything
        raise InputError(
            "A table of Objaverse-XL cannot be read",
            where=path,
            seen=f"{type(error).__name__}: {error}"[:200],
            expected="the whole parquet file",
            next_step="remove it and fetch it again",
        ) from error
    if lacking:
        raise InputError("A table of Objaverse-XL lacks columns", where=path, seen=", ".join(lacking))
    return frame


def _licence(row: Any) -> str:
    """The row's licence; tables hold NaN where there is none."""
    return spdx_from_text(row["license"]) if isinstance(row["license"], str) else UNKNOWN


def _place(root: Path, address: str) -> Path:
    """Where the package puts https://github.com/OWNER/NAME/blob/COMMIT/PATH. Raises InputError: another address."""
    match = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+)/blob/[0-9a-f]+/(.+)", address)
    if match is None or ".." in Path(match[3]).parts:
        raise InputError(
            "This is no address of a file in a repository",
            where="fileIdentifier",
            seen=address,
            expected="https://github.com/OWNER/NAME/blob/COMMIT/PATH",
        )
    return root / "github" / "repos" / match[1] / match[2] / match[3]


def _checked(row: Any, place: Path, ledger: DownloadLedger) -> ObjectSource | None:
    """The object with its ledger row; None when the file is not the one that was listed."""
    address, licence = str(row["fileIdentifier"]), _licence(row)
    item = ObjectSource(id_from_path(address), str(place), licence, "/".join(address.split("/")[3:5]), address)
    entry: dict[str, Any] = {"id": address, "licence": licence}
    if not place.is_file():
        ledger.write([{**entry, "status": "failed", "reason": "missing: the repository or file has vanished"}])
        return item
    digest = hashlib.sha256(place.read_bytes()).hexdigest()
    entry |= {"sha256": digest, "bytes": place.stat().st_size}
    if digest != row["sha256"]:
        ledger.write([{**entry, "status": "rejected", "reason": f"modified: listed {str(row['sha256'])[:12]}"}])
        return None
    ledger.write([{**entry, "status": "ok"}])
    return item
