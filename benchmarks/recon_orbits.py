"""Orbits that svdmv-mini draws of 20 pictures, lifted to meshes as `svdmv run` does it; the worst three are shown.

    python benchmarks/recon_orbits.py ../shared/data/pictures

`views_iou` is the mean overlap of the mesh's silhouette with the views' masks, `input_iou` and `input_psnr_db` that of
the finished asset with the input picture from the input camera, `parts` the connected parts of the mesh. The worst are
those with the least `views_iou`: the orbits that agree least with any object. Their sheet shows, for each, views that
the model drew above the mesh from the same sides, in clay; the input pictures are not ours to show.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.core import Asset, Material, Mesh, ViewSet
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.geometry.topology import closed_after_merging, face_components, merged_by_position
from svdmv.io.atomic import write_json
from svdmv.pipeline import RunSettings, baked_from_views, views_from_picture
from svdmv.reconstruct import Reconstruction
from svdmv.render import render_views
from svdmv.render.contact import grid
from svdmv.render.match import photo_consistency

PICTURES = (
    "dreamgaussian_catstatue_rgba.png", "instantmesh_bird.jpg", "instantmesh_cake.jpg", "instantmesh_chair_armed.png",
    "instantmesh_earphone.jpg", "instantmesh_robot.jpg", "instantmesh_sword.png", "openlrm_hydrant.jpg",
    "openlrm_mailbox.jpg", "rembg_animal-1.jpg", "rembg_car-2.jpg", "scikit-image_chelsea.jpg",
    "syncdreamer_backpack.png", "syncdreamer_drum.png", "syncdreamer_oil.png", "syncdreamer_toaster.png",
    "triposr_flamingo.png", "triposr_horse.png", "unique3d_bag.jpg", "wonder3d_owl.png",
)  # fmt: skip
SETTINGS = RunSettings(elevation=10.0, texture_size=512)
WORST, SHOWN_VIEWS, SIDE_PX = 3, (2, 6, 11, 15, 19), 128
CLAY = Material(name="clay", base_color_factor_linear=(0.5, 0.5, 0.55, 1.0))


def lifted(views: ViewSet, detail: NDArray[np.uint8]) -> tuple[dict[str, Any], Mesh]:
    """Figures of one orbit and its mesh."""
    kept: list[Reconstruction] = []
    asset = baked_from_views(views, SETTINGS, detail, beside=kept.append).asset
    match = photo_consistency(asset, views)
    corners, faces = merged_by_position(asset.mesh.vertices, asset.mesh.faces)
    row = {
        "method": kept[0].method,
        "views_iou": round(float(kept[0].figures["mean_mask_iou"]), 4),
        "strict_iou": kept[0].figures["strict_mask_iou"],
        "input_iou": match["iou"],
        "input_psnr_db": match["foreground_psnr_db"],
        "parts": int(face_components(faces, len(corners)).max()) + 1,
        "closed": closed_after_merging(asset.mesh.vertices, asset.mesh.faces),
        "notes": list(kept[0].notes),
    }
    return row, asset.mesh


def strip(views: ViewSet, mesh: Mesh) -> NDArray[np.uint8]:
    """Views that the model drew, and below them the mesh from their sides."""
    chosen = [i % len(views) for i in SHOWN_VIEWS]
    cameras = [views.cameras[i].resized(SIDE_PX, SIDE_PX) for i in chosen]
    clay = render_views(Asset(mesh, (CLAY,)), cameras, shading="matte", supersampling=3, with_geometry=False)
    drawn = (views.on_background()[chosen] * 255).round().astype(np.uint8)
    return grid([*drawn, *(clay.on_background() * 255).round().astype(np.uint8)], len(chosen), SIDE_PX)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("benchmarks/results/recon_orbits.json"))
    parser.add_argument("--sheet", type=Path, default=Path("docs/images/worst_orbits.jpg"))
    given = parser.parse_args()
    model = load_checkpoint(SETTINGS.model, device="cpu", dtype=SETTINGS.dtype)
    rows: list[dict[str, Any]] = []
    strips: dict[str, NDArray[np.uint8]] = {}
    for name in PICTURES:
        views, detail = views_from_picture(given.folder / name, SETTINGS, model=model)
        begun = time.process_time()
        figures, mesh = lifted(views, detail)
        rows.append({"picture": name, **figures, "lift_cpu_s": round(time.process_time() - begun, 2)})
        strips[name] = strip(views, mesh)
        print(rows[-1], flush=True)
    worst = sorted(rows, key=lambda row: float(row["views_iou"]))[:WORST]
    numbers = ("views_iou", "input_iou", "input_psnr_db", "parts", "lift_cpu_s")
    write_json(
        given.out,
        {
            "what": "orbits of svdmv-mini lifted to meshes",
            "command": "python benchmarks/recon_orbits.py FOLDER",
            "date": datetime.now(UTC).date().isoformat(),
            "versions": {
                "python": platform.python_version(),
                **{n: version(n) for n in ("svdmv", "torch", "numpy", "numba", "xatlas")},
            },
            "hardware": f"{platform.machine()}, {os.cpu_count()} cores shared with other work, no GPU",
            "model": {"name": SETTINGS.model, "weights_sha256": views.provenance["weights_sha256"]},
            "medians": {n: round(float(np.median([row[n] for row in rows])), 4) for n in numbers},
            "in_one_part": sum(row["parts"] == 1 for row in rows),
            "closed": sum(row["closed"] for row in rows),
            "worst": [row["picture"] for row in worst],
            "rows": rows,
        },
    )
    Image.fromarray(np.concatenate([strips[row["picture"]] for row in worst])).save(given.sheet, quality=82)


if __name__ == "__main__":
    main()
