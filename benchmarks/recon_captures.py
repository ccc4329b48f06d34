"""Real photos with measured cameras lifted to a radiance field and a mesh; PSNR at photos that were held out.

    python benchmarks/recon_captures.py ../shared/data/multiview -o benchmarks/results/recon_captures.json --look FOLDER

Every eighth photo is held out. Figures are over the object's pixels (mask of the held-out photo) and over the whole
masked picture on black.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, Camera, Material, Mesh, ViewSet
from svdmv.geometry.field import Lattice
from svdmv.io.atomic import write_json
from svdmv.io.pictures import write_png
from svdmv.io.views import load_views
from svdmv.reconstruct import reconstruct_mesh
from svdmv.reconstruct.capture import masked_views, prepared_views
from svdmv.reconstruct.hull import hull_on_lattice, hull_start
from svdmv.reconstruct.nerf import HULL_MARGIN_CELLS, drawn_views, field_surface, fitted_field
from svdmv.reconstruct.nerf_fit import NerfSettings
from svdmv.render import render_views

SETS = {"temple_sparse_ring": 2, "dino_sparse_ring": 2, "temple_ring": 2, "skull/colmap": 3}  # and how much smaller
HELD_OUT_EVERY = 8


def main() -> int:
    """Every set that is asked for; figures of sets measured before stay in the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--look", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    rows: dict[str, Any] = {}
    if given.output.is_file():
        rows = json.loads(given.output.read_text("utf-8"))["rows"]
    for name in given.sets:
        views = smaller(masked_views(load_views(given.folder / name))[0], SETS[name])
        rows[name], picture = measured(views, given.steps)
        write_png(given.look / f"capture_{name.partition('/')[0]}.png", picture)
        print(name, json.dumps(rows[name]), flush=True)
        value = {
            "what": "held-out photos of real captures",
            "command": f"python benchmarks/recon_captures.py FOLDER --steps {given.steps} -o OUT --look FOLDER",
            "date": datetime.now(UTC).date().isoformat(),
            "held_out": f"every {HELD_OUT_EVERY}th photo",
            "rows": rows,
            "hardware": {"machine": platform.machine(), "cores": os.cpu_count(), "system": platform.system()},
            "versions": {name: version(name) for name in ("torch", "numpy", "numba")},
        }
        write_json(given.output, value)
    return 0


def measured(views: ViewSet, steps: int) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Figures of one capture, and a sheet: held-out photos, the field's pictures, the meshes'."""
    import torch

    held = list(range(HELD_OUT_EVERY // 2, len(views), HELD_OUT_EVERY))
    used = [i for i in range(len(views)) if i not in held]
    prepared = prepared_views(views)  # one frame for both, from masks and cameras alone
    training, truth = prepared.views.subset(used), prepared.views.subset(held)
    began = cpu_s()
    start = hull_start(training, drop="auto", align=False, input_view=None, resolution=128)
    lattice = Lattice.around(start.vote.low, start.vote.high, 128)
    occupied = hull_on_lattice(start, lattice, 0.0) < HULL_MARGIN_CELLS * lattice.step
    fit = fitted_field(training, lattice, occupied, NerfSettings(steps, exposure=True), torch.device("cpu"))
    vertices, faces, _ = field_surface(fit)
    field_s = cpu_s() - began
    print(f"field fitted: {field_s:.0f} CPU seconds", flush=True)
    cameras = list(truth.cameras)
    shown = {"nerf": drawn_views(fit, cameras)}
    figures: dict[str, Any] = {"photos": len(views), "held_out": held, "size_px": list(views.size)}
    figures["nerf"] = {
        "cpu_s": round(field_s, 1),
        "steps": steps,
        "mesh_faces": len(faces),
        **psnr(shown["nerf"], truth),
    }
    for method in ("hull", "sdf"):
        began = cpu_s()
        made = reconstruct_mesh(training, method=method)
        took = cpu_s() - began
        shown[method] = mesh_views(made.mesh, cameras)
        figures[method] = {"cpu_s": round(took, 1), "mesh_faces": len(made.mesh.faces), **psnr(shown[method], truth)}
    shape = mesh_views(Mesh(vertices.astype(np.float32), faces), cameras, shading="matte")
    rows = [np.where(truth.rgba_u8()[..., 3:] > 127, truth.images, truth.images // 3)]
    rows += [on_black(v) for v in [*shown.values(), shape]]
    step = max(1, views.size[0] // 320)
    picture = np.concatenate([np.concatenate([p[::step, ::step] for p in row[:4]], 1) for row in rows], 0)
    return figures, picture


def mesh_views(mesh: Mesh, cameras: list[Camera], shading: Any = "unlit") -> ViewSet:
    """What a mesh with vertex colours shows."""
    return render_views(Asset(mesh, (Material(),)), cameras, shading=shading, with_geometry=False)


def psnr(shown: ViewSet, truth: ViewSet) -> dict[str, float]:
    """Mean over the held-out photos, dB, and the overlap of silhouettes."""
    ours, theirs = on_black(shown) / 255.0, on_black(truth) / 255.0
    masks = truth.rgba_u8()[..., 3] > 127
    solid = shown.rgba_u8()[..., 3] > 127
    error = ((ours - theirs) ** 2).mean(-1)
    inside = [-10 * np.log10(max(float(e[m].mean()), 1e-10)) for e, m in zip(error, masks, strict=True)]
    whole = [-10 * np.log10(max(float(e.mean()), 1e-10)) for e in error]
    ious = [(a & b).sum() / max((a | b).sum(), 1) for a, b in zip(masks, solid, strict=True)]
    return {
        "object_psnr_db": round(float(np.mean(inside)), 2),
        "whole_psnr_db": round(float(np.mean(whole)), 2),
        "mask_iou": round(float(np.mean(ious)), 4),
    }


def on_black(views: ViewSet) -> NDArray[np.uint8]:
    """(N, H, W, 3) uint8."""
    return np.round(views.on_background(0.0) * 255).astype(np.uint8)


def smaller(views: ViewSet, factor: int) -> ViewSet:
    """Pictures and masks averaged over blocks of `factor` pixels."""
    if factor == 1:
        return views
    rgba = views.rgba_u8()
    count, height, width = rgba.shape[0], rgba.shape[1] // factor, rgba.shape[2] // factor
    blocks = rgba[:, : height * factor, : width * factor].reshape(count, height, factor, width, factor, 4)
    means = np.round(blocks.mean((2, 4))).astype(np.uint8)
    cameras = tuple(camera.resized(width, height) for camera in views.cameras)
    return ViewSet(means[..., :3], cameras, means[..., 3], provenance=views.provenance)


def cpu_s() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    raise SystemExit(main())
