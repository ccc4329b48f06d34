"""Model files <-> Asset: glTF by our own reader and writer, OBJ, PLY and STL beside it; and the unit of the world."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, DataError, InputError, SvdmvError
from svdmv.io.atomic import translated_os_errors
from svdmv.io.gltf_document import DEFAULT_MAX_TEXTURE_PX, document_from_bytes
from svdmv.io.gltf_reader import asset_from_document

MESH_SUFFIXES = (".glb", ".gltf", ".dae", ".obj", ".ply", ".stl")
_CHUNK = 500_000  # faces looked at together
EXPORTERS = {
    ".glb": "svdmv.io.gltf:write_glb",
    ".obj": "svdmv.io.mesh_writers:write_obj",
    ".ply": "svdmv.io.mesh_writers:write_ply",
    ".stl": "svdmv.io.mesh_writers:write_stl",
    ".usdz": "svdmv.io.usdz:write_usdz",
}


def read_asset(path: Path | str, *, max_texture_px: int = DEFAULT_MAX_TEXTURE_PX) -> Asset:
    """Read a model: all nodes' transforms applied, all triangles in one mesh, +Y up, uvs from the top left.

    Args:
        path: .glb, .gltf, .dae, .obj (with its .mtl), .ply or .stl. The last three declare no axes: taken as they are.
        max_texture_px: pictures with a longer side are reduced by a whole factor, which is noted.

    Returns:
        Asset in the file's own unit (.dae: metres). Provenance is what a GLB of ours carries; for another file it names
        the file, its sha256 and in "notes" what was left out.

    Raises:
        InputError: the file is absent, damaged, empty or too large, a picture of it is missing, or it needs what is not
            decoded here; `load_status` gives the reason in one word.
        MissingDependency: the decoder is in an extra that is not installed.
    """
    path = Path(path)
    data = _bytes_of(path)
    try:
        with np.errstate(all="ignore"):  # what overflows is found as numbers that are not finite
            asset, notes = _asset_of(path, data, max_texture_px)
            _check_surface(asset, path)
    except DataError as error:
        raise InputError(
            f"The model is damaged: {error.what}",
            where=path,
            seen=error.seen,
            expected=error.expected,
            next_step="export the model again",
        ) from error
    except SvdmvError:
        raise
    except MemoryError as error:
        raise InputError(
            "The model does not fit into memory",
            where=path,
            seen=f"{len(data):,} bytes",
            expected="a model that fits",
            next_step="simplify the model or make its textures smaller",
            status="oom",
        ) from error
    except Exception as error:  # a damaged file contradicts itself in ways that no list of checks foresees
        raise InputError(
            "The model is damaged",
            where=path,
            seen=f"{type(error).__name__}: {error}",
            expected="a complete model file",
            next_step="export the model again",
        ) from error
    if asset.provenance:
        return asset
    source = {"file": path.name, "sha256": hashlib.sha256(data).hexdigest(), "notes": notes}
    return replace(asset, provenance={"source": source})


def _asset_of(path: Path, data: bytes, max_texture_px: int) -> tuple[Asset, list[str]]:
    suffix = path.suffix.lower()
    if data[:4] == b"glTF" or suffix in (".glb", ".gltf"):
        return asset_from_document(document_from_bytes(data, path, max_texture_px))
    if suffix == ".dae":
        from svdmv.io.collada import asset_from_collada

        return asset_from_collada(data, path, max_texture_px)
    if suffix in MESH_SUFFIXES:
        from svdmv.io.plain_meshes import asset_from_plain_mesh

        return asset_from_plain_mesh(path)
    raise InputError(
        "This is not a model that can be read",
        where=path,
        seen=f"suffix {suffix!r}",
        expected="one of " + ", ".join(MESH_SUFFIXES),
        next_step="export the model as GLB",
        status=f"unsupported:{suffix}",
    )


def write_asset(path: Path | str, asset: Asset) -> None:
    """Write `asset` in the format of the path's suffix, whole or not at all.

    Args:
        path: ends in a key of EXPORTERS, or in the name of an entry point of the group "svdmv.exporters".
        asset: written in its own unit, +Y up. Only .glb keeps everything, provenance included.

    Raises:
        InputError: the suffix is unknown or the system refuses to write.
        DataError: the asset is empty.
    """
    suffix = Path(path).suffix.lower()
    added = {entry.name: entry.value for entry in entry_points(group="svdmv.exporters")}
    known = {**added, **EXPORTERS}
    if suffix not in known:
        raise InputError(
            "The suffix names no format that can be written",
            where=path,
            seen=suffix or "no suffix",
            expected="one of " + ", ".join(sorted(known)),
            next_step=f"-o {Path(path).with_suffix('.glb')}",
        )
    module, _, function = known[suffix].partition(":")
    getattr(importlib.import_module(module), function)(path, asset)


def normalised(
    asset: Asset, rule: Literal["unit_box", "bounding_sphere"] = "unit_box"
) -> tuple[Asset, NDArray[np.float64]]:
    """The asset in the world's unit, and the (4, 4) matrix unit_from_file that took it there.

    Args:
        asset: any size, any place.
        rule: "unit_box": the bounding box's longest side becomes 1 and its centre the origin;
            "bounding_sphere": the bounding box's centre becomes the origin and the farthest vertex lies at 0.5.

    Raises:
        InputError: the mesh has no extent, or `rule` is unknown.
    """
    mesh = asset.mesh
    used = np.zeros(len(mesh.vertices), bool)
    used[mesh.faces.reshape(-1)] = True
    points = mesh.vertices[used].astype(np.float64)
    low, high = (points.min(0), points.max(0)) if len(points) else (np.zeros(3), np.zeros(3))
    centre = (low + high) / 2
    if rule == "unit_box":
        extent = float((high - low).max())
    elif rule == "bounding_sphere":
        extent = 2.0 * float(np.linalg.norm(points - centre, axis=1).max()) if len(points) else 0.0
    else:
        raise InputError("Unknown rule of size", where="rule", seen=rule, expected="unit_box or bounding_sphere")
    if not (extent > 0 and np.isfinite(1.0 / extent)):
        raise InputError(
            "The model has no extent",
            where="normalised",
            seen=f"box {low.tolist()} .. {high.tolist()}",
            expected="vertices at different places",
            status="degenerate",
        )
    matrix = np.diag([1 / extent, 1 / extent, 1 / extent, 1.0])
    matrix[:3, 3] = -centre / extent
    return replace(asset, mesh=mesh.transformed(matrix)), matrix


def require_thickness(asset: Asset, least: float = 1e-3) -> None:
    """Refuse an asset that is a plate or a line: of its bounding box's sides the shortest is below `least` times the
    longest. Whole scenes need no such check; objects for training do.

    Raises:
        InputError: status flat.
    """
    sides = np.ptp(asset.mesh.bounds.astype(np.float64), axis=0)
    if sides.min() < least * sides.max():
        raise InputError(
            "The model is flat",
            where="require_thickness",
            seen=f"sides {', '.join(f'{s:.3g}' for s in sides)}",
            expected=f"a shortest side of at least {least:g} of the longest",
            status="flat",
        )


def _bytes_of(path: Path) -> bytes:
    if path.is_dir():
        raise InputError("A folder stands where a model was expected", where=path, expected="the path of a file")
    with translated_os_errors(path):
        return path.read_bytes()


def _check_surface(asset: Asset, path: Path) -> None:
    """Refuse a model whose faces have no area. Raises InputError."""
    faces, vertices = asset.mesh.faces, asset.mesh.vertices
    for start in range(0, len(faces), _CHUNK):
        corners = vertices[faces[start : start + _CHUNK]].astype(np.float64)
        if np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).any():
            return
    raise InputError(
        "The model has no surface",
        where=path,
        seen=f"{len(faces)} faces, total area 0",
        expected="at least one triangle with area",
        next_step="export the model again, as triangles",
        status="degenerate",
    )
