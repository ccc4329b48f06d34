"""OBJ, PLY and STL -> Asset, through trimesh. These formats declare no axes and no unit: both are taken as they are."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.core import Asset, InputError, Material, Mesh, require, vertex_normals


def asset_from_plain_mesh(path: Path) -> tuple[Asset, list[str]]:
    """Read .obj, .ply or .stl, and notes on what was left out.

    uvs are turned from the formats' bottom-left origin to glTF's top-left. Vertex colours are taken as sRGB.

    Raises:
        InputError: no triangles, or vertices that are not finite.
    """
    trimesh = require("trimesh", None, "reading OBJ, PLY and STL")
    notes = _checked_files(path) if path.suffix.lower() == ".obj" else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's remarks on damaged numbers: they are checked below
        scene = trimesh.load_scene(str(path), process=False, skip_materials=False)
        placed = [(scene.geometry[name], matrix) for matrix, name in _placements(scene)]
    meshes = [(g, m) for g, m in placed if isinstance(g, trimesh.Trimesh) and len(g.faces)]
    if len(meshes) < len(placed):
        notes.append("points, lines or empty parts are left out")
    if not meshes:
        raise InputError(
            "The model holds no triangles",
            where=path,
            seen=f"{len(placed)} parts",
            expected="a triangle mesh",
            next_step="export the model as triangles",
            status="empty",
        )
    for geometry, _ in meshes:
        finite = np.isfinite(np.asarray(geometry.vertices)).all(1)
        if not finite.all():
            seen = f"{int((~finite).sum())} of {len(finite)} vertices"
            raise InputError("Vertices of the model are not finite", where=path, seen=seen, expected="finite numbers")
        if geometry.faces.min() < 0 or geometry.faces.max() >= len(finite):
            seen = f"indices {geometry.faces.min()} .. {geometry.faces.max()} of {len(finite)} vertices"
            raise InputError("A face names a vertex that is not there", where=path, seen=seen, expected="valid indices")
    asset = _joined(meshes, _has_normals(path), notes)
    if path.suffix.lower() == ".obj" and asset.mesh.colors is None and len(_arguments(path, "v")[0].split()) >= 6:
        notes.append("vertex colours beside a material are left out")
    return asset, notes


def _placements(scene: Any) -> list[tuple[NDArray[np.float64], str]]:
    return [(np.asarray(scene.graph[node][0], np.float64), scene.graph[node][1]) for node in scene.graph.nodes_geometry]


def _checked_files(path: Path) -> list[str]:
    """Notes on .mtl files, and on colour textures of materials that no face uses, which are not beside an .obj.

    Raises:
        InputError: a colour texture in use is absent or no picture (status missing_texture).
    """
    notes, used = [], set(_arguments(path, "usemtl"))
    for library in _arguments(path, "mtllib"):
        if not (path.parent / library).is_file():
            notes.append(f"{library} is not there")
            continue
        material = ""
        for line in (path.parent / library).read_text(encoding="utf-8", errors="replace").splitlines():
            keyword, _, rest = line.strip().partition(" ")
            if keyword.lower() == "newmtl":
                material = rest.strip()
            elif keyword.lower() == "map_kd" and rest.strip():
                name = rest.split()[-1]
                reason = _unreadable((path.parent / library).parent / name)
                if reason and material in used:
                    raise InputError(
                        "A texture of the model is missing or damaged",
                        where=path,
                        seen=f"{name[:120]}: {reason}",
                        expected=f"a picture where {library} says",
                        next_step=f"put {Path(name).name[:120]} there, or take its line out of {library}",
                        status="missing_texture",
                    )
                notes += [f"{name} is {reason}"] if reason else []
    return notes


def _unreadable(picture: Path) -> str:
    """Why a picture cannot be read; empty when it can."""
    if not picture.is_file():
        return "not there"
    try:
        with warnings.catch_warnings(), Image.open(picture) as image:
            warnings.simplefilter("ignore")
            image.load()
    except Exception as error:  # decoders report damage in any way
        return f"damaged: {error}"
    return ""


def _arguments(path: Path, keyword: str) -> list[str]:
    """What stands behind `keyword` on the lines of a text file."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.strip()[len(keyword) :].strip() for line in lines if line.strip().lower().startswith(keyword + " ")]


def _has_normals(path: Path) -> bool:
    data = path.read_bytes()
    return {".obj": b"\nvn " in data, ".ply": b" nx\n" in data[:4096]}.get(path.suffix.lower(), False)


def _joined(meshes: list[tuple[Any, NDArray[np.float64]]], keep_normals: bool, notes: list[str]) -> Asset:
    vertices, faces, normals, materials = [], [], [], []
    uvs: list[Any] = []
    colors: list[Any] = []
    for geometry, matrix in meshes:
        linear, corners = matrix[:3, :3], np.asarray(geometry.faces, np.int64)
        placed = np.asarray(geometry.vertices, np.float64) @ linear.T + matrix[:3, 3]
        corners = corners[:, ::-1] if np.linalg.det(linear) < 0 else corners
        vertices.append(placed)
        faces.append(corners)
        if keep_normals:
            turned = np.asarray(geometry.vertex_normals, np.float64) @ np.linalg.inv(linear)
            length = np.linalg.norm(turned, axis=1, keepdims=True)
            normals.append(np.where(length > 0.5, turned / np.maximum(length, 1e-12), vertex_normals(placed, corners)))
        visual = geometry.visual
        uv = getattr(visual, "uv", None)
        if uv is not None and np.shape(uv) == (len(placed), 2) and np.isfinite(uv).all():
            flipped = np.asarray(uv, np.float64).copy()
            flipped[:, 1] = 1.0 - flipped[:, 1]
            uvs.append(flipped)
        else:
            uvs.append(None)
        has_colors = visual.kind == "vertex"
        colors.append(np.asarray(visual.vertex_colors)[:, :3].astype(np.uint8) if has_colors else None)
        if visual.kind == "face":
            notes.append("colours per face are left out")
        materials.append(_material(getattr(visual, "material", None)))
    offsets = np.cumsum([0] + [len(v) for v in vertices])
    sizes = [len(v) for v in vertices]
    mesh = Mesh(
        np.concatenate(vertices).astype(np.float32),
        np.concatenate([f + o for f, o in zip(faces, offsets, strict=False)]).astype(np.int32),
        np.concatenate(normals).astype(np.float32) if keep_normals else None,
        _filled(uvs, sizes, (2,), 0, np.float32),
        _filled(colors, sizes, (3,), 255, np.uint8),
    )
    index = np.concatenate([np.full(len(f), i, np.int32) for i, f in enumerate(faces)])
    return Asset(mesh, tuple(materials), index if len(materials) > 1 else None)


def _filled(parts: list[Any], sizes: list[int], shape: tuple[int, ...], value: int, dtype: Any) -> Any:
    """The parts as one array, absent ones filled with `value`; None when all are absent."""
    if all(part is None for part in parts):
        return None
    rows = [np.full((n, *shape), value) if p is None else p for p, n in zip(parts, sizes, strict=True)]
    return np.concatenate(rows).astype(dtype)


def _material(found: Any) -> Material:
    """A trimesh material (of an .mtl file) as ours: diffuse colour and texture; the rest of .mtl is left out."""
    if found is None:
        return Material()
    from svdmv.io.colour import linear_from_srgb

    image = getattr(found, "image", None) or getattr(found, "baseColorTexture", None)
    colour = getattr(found, "diffuse", None)
    colour = getattr(found, "baseColorFactor", None) if colour is None else colour
    rgba = np.full(4, 255) if colour is None else np.asarray(colour)
    r, g, b = (float(v) for v in linear_from_srgb(rgba[:3] / 255.0))
    if image is not None:  # .mtl: a texture stands in place of the diffuse colour in the programs that write it
        r = g = b = 1.0
    texture = None if image is None else np.asarray(image.convert("RGBA"), np.uint8)
    return Material(str(getattr(found, "name", None) or "material"), (r, g, b, float(rgba[3]) / 255.0), texture)
