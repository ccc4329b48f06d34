"""Folders that any program made, views or meshes, as a method: nothing of that program is imported.

`layout` says how the folder is made: a name of svdmv.bench.folder_layouts, or meshes, one an object.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from svdmv.bench.folder_layouts import LAYOUTS
from svdmv.bench.mesh_scores import aligned_to, mesh_protocol, views_of_mesh
from svdmv.bench.methods import Method, Task
from svdmv.bench.resize import resized_rgba
from svdmv.core import Asset, ConfigError, DataError, ViewSet
from svdmv.io.meshes import read_asset

MESH_SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl")


def folder(
    views: str = "", layout: str = "auto", name: str = "", align: str = "none", mesh_light: str = "unlit"
) -> Method:
    """Views or meshes from disk.

    Args:
        views: the folder. layout: a name of LAYOUTS, meshes, or auto (meshes where they lie there, svdmv otherwise).
        name: of the row; else the folder's.
        align, mesh_light: rules for meshes, see svdmv.bench.mesh_scores.

    Raises ConfigError: no folder, or an unknown layout or rule.
    """
    root = Path(views)
    if not views or not root.is_dir():
        raise ConfigError(
            "The folder of predictions is not there",
            where="views",
            seen=views or "nothing",
            expected="a folder with one folder or file an object",
            next_step="views=FOLDER",
        )
    if layout == "auto":
        layout = "meshes" if any(p.suffix.lower() in MESH_SUFFIXES for p in root.glob("*")) else "svdmv"
        layout = "meshes" if any(root.glob("*/mesh.glb")) else layout
    if layout == "meshes":
        return _meshes(root, name or root.name, align, mesh_light)
    if layout not in LAYOUTS:
        raise ConfigError(
            "The layout is unknown", where="layout", seen=layout, expected=", ".join([*LAYOUTS, "meshes", "auto"])
        )
    reader = LAYOUTS[layout]

    def predict(task: Task) -> ViewSet:
        found = reader(root, task)
        missing = [n for n, view in enumerate(found) if view is None and n != task.track.input_view]
        if missing:
            raise DataError(
                "Predicted views are missing",
                where=root / task.object_name,
                seen=f"views {', '.join(map(str, missing[:6]))} of {len(found)}",
                expected="all of the track's views",
            )
        sizes = {v.shape[:2] for v in found if v is not None}
        if len(sizes) > 1 or any(height != width for height, width in sizes):
            raise DataError(
                "Predicted views are not square and of one size",
                where=root / task.object_name,
                seen=", ".join(f"{width}x{height}" for height, width in sorted(sizes)),
                expected="square pictures of one size",
            )
        size = task.suite.size_px
        rgba = [task.input_rgba if v is None else resized_rgba(v[None], size)[0] for v in found]
        return task.views(np.stack(rgba))

    return Method(name or root.name, predict, "model", facts={"layout": layout, "folder": root.name})


def _meshes(root: Path, name: str, align: str, light: str) -> Method:
    rules = mesh_protocol(align, light)

    def mesh(task: Task) -> tuple[Asset, dict[str, float]]:
        asset = read_asset(_mesh_path(root, task.object_name))
        return aligned_to(asset, task.true_object.asset, align) if align != "none" else (asset, {})

    def predict(task: Task) -> ViewSet:
        return views_of_mesh(mesh(task)[0], task.truth.cameras, task.suite, light)

    facts = {"layout": "meshes", "folder": root.name, "meshes": rules}
    return Method(name, predict, "model", knows_truth=align != "none", facts=facts, mesh=mesh)


def _mesh_path(root: Path, name: str) -> Path:
    """FOLDER/OBJECT.glb (or another format), or FOLDER/OBJECT/mesh.glb. Raises DataError: none, or several."""
    found = [root / f"{name}{suffix}" for suffix in MESH_SUFFIXES] + [root / name / "mesh.glb"]
    found = [path for path in found if path.is_file()]
    if len(found) != 1:
        raise DataError(
            "An object has no mesh" if not found else "An object has several meshes",
            where=root,
            seen=", ".join(p.name for p in found) or name,
            expected=f"{name}.glb, or {name}/mesh.glb",
        )
    return found[0]
