"""A sheet to look at: truth, hull, signed-distance fit, and the fit to spoiled views, in clay, a row a scan.

    python benchmarks/recon_sheet.py ../shared/data/gso_test

Views, spoiling and settings are those of recon_quality.py, whose figures the sheet goes with.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from recon_quality import ELEVATION_DEG, FACES, METHODS, ring, views_for

from svdmv.asset.cleanup import cleaned_mesh
from svdmv.core import Asset, Material, Mesh
from svdmv.io.meshes import normalised, read_asset
from svdmv.reconstruct import reconstruct_mesh
from svdmv.render import render_views
from svdmv.render.contact import grid

SCANS = ("Schleich_Lion_Action_Figure", "Kong_Puppy_Teething_Rubber_Small_Pink")
COLUMNS = (("clean", "hull"), ("clean", "sdf"), ("spoiled_2d", "sdf"), ("spoiled_3d", "sdf"))
SIDE_PX, TURN_DEG = 176, 35.0
CLAY = Material(name="clay", base_color_factor_linear=(0.5, 0.5, 0.55, 1.0))


def clay(mesh: Mesh) -> NDArray[np.uint8]:
    """(S, S, 3) of the bare shape, from beside the first view."""
    orbit = ring(ELEVATION_DEG, 1, first_deg=TURN_DEG)
    bare = Asset(Mesh(mesh.vertices, mesh.faces), (CLAY,))
    shown = render_views(bare, orbit.cameras(SIDE_PX, SIDE_PX), shading="matte", supersampling=3, with_geometry=False)
    picture: NDArray[np.uint8] = (shown.on_background()[0] * 255).round().astype(np.uint8)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/images/reconstructions.jpg"))
    parser.add_argument("--scans", default=",".join(SCANS))
    given = parser.parse_args()
    pictures = []
    for name in given.scans.split(","):
        asset, _ = normalised(read_asset(given.models / f"{name}.glb"), rule="bounding_sphere")
        pictures.append(clay(asset.mesh))
        for job, method in COLUMNS:
            made = reconstruct_mesh(views_for(asset, job, ELEVATION_DEG), **METHODS[method])
            pictures.append(clay(cleaned_mesh(made.mesh, faces=FACES)[0]))
            print(name, job, method, flush=True)
    Image.fromarray(grid(pictures, 1 + len(COLUMNS), SIDE_PX)).save(given.out, quality=82)


if __name__ == "__main__":
    main()
