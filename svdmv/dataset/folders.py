"""Objects on this disk: a manifest folder, any folder of models, Google Scanned Objects as they are unpacked."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.core import Asset, DataError, InputError
from svdmv.dataset.licences import UNKNOWN, spdx_from_text
from svdmv.dataset.object_source import ObjectSource
from svdmv.io.atomic import translated_os_errors

MANIFEST_FORMAT = "svdmv-objects-1"
MODEL_SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".dae")
GSO_LICENCE, GSO_AUTHOR = "CC-BY-4.0", "Google Research, Google Scanned Objects (Downs et al. 2022)"
_Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


def sources_from_manifest(folder: str | Path, unpack_to: str | Path | None = None) -> list[ObjectSource]:
    """The models of folder/manifest.json: rows with id (or name), file, sha256, licence, attribution, source.

    Args:
        folder: holds manifest.json, and the files themselves or .tar.xz archives of them.
        unpack_to: where archives are unpacked when files are not in `folder`.

    Raises:
        InputError: no folder, or no permission.
        DataError: the manifest is damaged or of another version, a file is missing or differs from its hash.
    """
    folder = _existing(folder)
    rows = _manifest_rows(folder / "manifest.json")
    places = [folder] if unpack_to is None else [folder, Path(unpack_to)]
    absent = [row["file"] for row in rows if not any((place / row["file"]).is_file() for place in places)]
    archives = sorted(folder.glob("*.tar.xz"))
    if absent and archives and unpack_to is not None:
        Path(unpack_to).mkdir(parents=True, exist_ok=True)
        for archive in archives:
            with translated_os_errors(archive), tarfile.open(archive) as tar:
                tar.extractall(unpack_to, filter="data")
    elif absent and archives:
        raise DataError(
            "The models are still packed",
            where=folder,
            seen=f"{len(archives)} archives, {len(absent)} models not beside them",
            expected="a folder to unpack them to",
            next_step="give the source unpack_to=FOLDER",
        )
    found = []
    for row in rows:
        path = next((place / row["file"] for place in places if (place / row["file"]).is_file()), None)
        if path is None or hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            raise DataError(
                "A model of the manifest is missing or differs",
                where=row["file"] if path is None else path,
                seen="absent" if path is None else "another hash",
                expected=f"sha256 {str(row['sha256'])[:16]}...",
                next_step="fetch the data again",
            )
        licence = spdx_from_text(row["licence"])
        found.append(ObjectSource(row["id"], str(path), licence, row.get("attribution", ""), row.get("source", "")))
    return found


def sources_from_folder(
    folder: str | Path, licence: str = UNKNOWN, attribution: str = "", suffixes: Sequence[str] = MODEL_SUFFIXES
) -> list[ObjectSource]:
    """Every model below a folder, sorted by path; the id is the path with `__` for the separators.

    A folder says nothing about rights: `licence` is recorded for all of it, and stays "unknown" when not given.
    Buffers and textures beside a .gltf or .obj are no models of their own. Raises InputError: no folder or no model.
    """
    folder = _existing(folder)
    spelt = spdx_from_text(licence)
    with translated_os_errors(folder):
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
    if not paths:
        raise InputError(
            "The folder holds no model", where=folder, seen="0 files", expected="files ending in " + ", ".join(suffixes)
        )
    found = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        found.append(ObjectSource(id_from_path(name), str(path), spelt, attribution, name))
    return found


def sources_from_gso(folder: str | Path) -> list[ObjectSource]:
    """Google Scanned Objects: a folder an object, each with meshes/model.obj and materials/textures/texture.png.

    Objects are CC-BY 4.0, Google LLC. A folder without its mesh is an error, since a half-unpacked set would quietly
    be a smaller one. Raises InputError.
    """
    folder = _existing(folder)
    with translated_os_errors(folder):
        objects = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    broken = [p.name for p in objects if not (p / "meshes" / "model.obj").is_file()]
    if broken or not objects:
        raise InputError(
            "These are not the folders of Google Scanned Objects",
            where=folder,
            seen=f"{len(broken)} of {len(objects)} without meshes/model.obj: {', '.join(broken[:3])}",
            expected="NAME/meshes/model.obj and NAME/materials/textures/texture.png",
            next_step="unpack each NAME.zip into a folder NAME",
        )
    source = "https://app.gazebosim.org/GoogleResearch/fuel/models/"
    return [ObjectSource(id_from_path(p.name), f"gso:{p}", GSO_LICENCE, GSO_AUTHOR, source + p.name) for p in objects]


def asset_from_gso(folder: Path) -> Asset:
    """One object of Google Scanned Objects with its texture, turned from Z up to Y up; metres.

    model.mtl names texture.png, which lies in another folder: both are brought together for the reader.
    Raises InputError: mesh or texture is missing or damaged.
    """
    from svdmv.io.meshes import read_asset

    mesh, texture = folder / "meshes" / "model.obj", folder / "materials" / "textures" / "texture.png"
    for path in (mesh, texture):
        if not path.is_file():
            raise InputError("A file of the object is missing", where=path, expected="an unpacked NAME.zip")
    with tempfile.TemporaryDirectory(prefix="svdmv-gso-") as together:
        with translated_os_errors(folder):
            for path in [*mesh.parent.iterdir(), texture]:
                if path.is_file():
                    shutil.copy(path, Path(together) / path.name)
        asset = read_asset(Path(together) / "model.obj")
    provenance = {"source": {"file": folder.name, "sha256": hashlib.sha256(mesh.read_bytes()).hexdigest()}}
    return replace(asset, mesh=asset.mesh.transformed(_Y_UP_FROM_Z_UP), provenance=provenance)


def id_from_path(name: str) -> str:
    """An id that is a safe file name: `__` for separators; a changed name gets eight digits of its hash."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name.replace("/", "__")).lstrip(".") or "_"
    return plain if plain == name.replace("/", "__") else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _existing(folder: str | Path) -> Path:
    path = Path(folder)
    if not path.is_dir():
        raise InputError(
            "The folder of objects is not there",
            where=path,
            seen="a file" if path.exists() else "nothing",
            expected="a folder",
            next_step="check the spelling of the path",
        )
    return path


def _manifest_rows(path: Path) -> list[dict[str, Any]]:
    try:
        manifest = json.loads(path.read_text("utf-8"))
        version, rows = manifest["format"], manifest["objects"]
        named = [{**row, "id": row.get("id") or row["name"]} for row in rows]
        for row in named:
            _ = (row["file"], row["sha256"], row["licence"])
            inside = Path(row["file"])
            if inside.is_absolute() or ".." in inside.parts:
                raise ValueError(f"a file outside the folder: {row['file']}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            "The manifest of objects cannot be read",
            where=path,
            seen=f"{type(error).__name__}: {error}",
            expected="JSON with format and objects (id, file, sha256, licence)",
        ) from error
    if version != MANIFEST_FORMAT:
        raise DataError("The manifest is of another version", where=path, seen=version, expected=MANIFEST_FORMAT)
    return named
