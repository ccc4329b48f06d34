"""What unwrapping and baking cost, and what is left of the input picture when the other views are spoiled.

    python benchmarks/asset_bake.py --models FOLDER --names Dino_3 Nintendo_Mario_Action_Figure -o FILE

Each model is rendered from 21 views of 256 px, elevation 15; its visual hull is simplified to 20,000 faces. CPU seconds
are of this process and its threads, compilation excluded. "true": baked from the renders; "spoiled": all views but the
input view spoiled as in recon_spoil.py (in the plane). PSNR is on the object, the asset rendered from the input camera
against the input picture.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from recon_spoil import spoiled_2d

from svdmv.asset.bake import baked_texture
from svdmv.asset.cleanup import cleaned_mesh
from svdmv.core import Asset, Material, Mesh, Orbit, ViewSet, vertex_normals
from svdmv.geometry.atlas import atlas_stretch, unwrapped
from svdmv.geometry.raster import texel_map
from svdmv.io.atomic import write_json
from svdmv.io.meshes import normalised, read_asset
from svdmv.reconstruct import reconstruct_mesh
from svdmv.render import render_views
from svdmv.render.match import photo_consistency

FACES, VIEW_PX, ELEVATION_DEG, INPUT_WEIGHT = 20_000, 256, 15.0, 10.0
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """What it gives, CPU seconds and wall seconds."""
    cpu, wall = os.times(), time.perf_counter()
    made = work()
    after = os.times()
    return made, after.user + after.system - cpu.user - cpu.system, time.perf_counter() - wall


def measured(path: Path, sizes: list[int]) -> dict[str, Any]:
    """One model's row."""
    truth, _ = normalised(read_asset(path))
    orbit = Orbit.static(ELEVATION_DEG)
    drawn = render_views(truth, orbit.cameras(VIEW_PX, VIEW_PX), orbit=orbit, with_geometry=False)
    views = ViewSet(drawn.images, drawn.cameras, drawn.alphas, orbit=orbit)
    mesh, _ = cleaned_mesh(reconstruct_mesh(views, method="hull").mesh, faces=FACES)
    normals = vertex_normals(mesh.vertices, mesh.faces)
    atlas, cpu, wall = timed(lambda: unwrapped(mesh.vertices, mesh.faces, texture_size=1024))
    uvs = atlas.uvs[atlas.faces]
    layers = texel_map(uvs, 1024, 1024, gutter=0).layers
    stretch = atlas_stretch(mesh.vertices, mesh.faces, uvs)
    row: dict[str, Any] = {
        "name": path.stem,
        "faces": len(mesh.faces),
        "unwrap_cpu_s": round(cpu, 2),
        "unwrap_wall_s": round(wall, 2),
        "charts": atlas.charts,
        "stretch": round(stretch.mean, 3),
        "worst_shear": round(stretch.worst_shear, 2),
        "overlap_share": round(float((layers > 1).sum() / (layers > 0).sum()), 5),
        "covered_share": round(float((layers > 0).mean()), 3),
    }
    first = np.arange(len(views)) == 0
    weights = np.where(first, INPUT_WEIGHT, 1.0)

    def baked(shown: ViewSet, size: int) -> Any:
        return baked_texture(
            mesh.vertices, mesh.faces, normals, uvs, shown, size=size, view_weights=weights, true_views=first,
            anchors=first,
        )  # fmt: skip

    baked(views, 64)  # compiles
    for size in sizes:
        _, cpu, wall = timed(lambda size=size: baked(views, size))
        row[f"bake_{size}_cpu_s"], row[f"bake_{size}_wall_s"] = round(cpu, 2), round(wall, 2)
    spoiled = spoiled_2d(views, seed=0)
    images, alphas = spoiled.images.copy(), np.array(spoiled.alphas)
    rgba = views.rgba_u8()[0].astype(np.float32) / 255
    images[0], alphas[0] = rgba[..., :3], rgba[..., 3]
    for name, shown in (("true", views), ("spoiled", ViewSet(images, views.cameras, alphas))):
        texture = baked(shown, 1024)
        final = Mesh(mesh.vertices[atlas.source], atlas.faces, normals[atlas.source], atlas.uvs)
        asset = Asset(final, (Material(base_color_srgb=texture.base_color_srgb),))
        row[f"input_psnr_db_{name}"] = photo_consistency(asset, views)["foreground_psnr_db"]
    row["input_psnr_loss_db"] = round(row["input_psnr_db_true"] - row["input_psnr_db_spoiled"], 2)
    return row


def main() -> int:
    """Measure, summarise, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--names", nargs="+", required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1024])
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for name in options.names:
        rows.append(measured(options.models / f"{name}.glb", options.sizes))
        print(rows[-1], flush=True)
    numbers = [key for key, value in rows[0].items() if isinstance(value, int | float)]
    write_json(
        options.output,
        {
            "what": "unwrapping and baking: cost, and the input picture kept when other views are spoiled",
            "command": "python benchmarks/asset_bake.py --models FOLDER --names ... -o FILE",
            "date": datetime.now(UTC).date().isoformat(),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("svdmv", "numpy", "numba", "xatlas", "embreex")},
            "cores": os.cpu_count(),
            "busy": "other programs ran: wall times are not of a free machine",
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "median": {key: statistics.median(row[key] for row in rows) for key in numbers},
            "rows": rows,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
