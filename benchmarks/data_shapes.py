"""What the generators of shapes give: seconds, faces, paints and maps of many seeds, and how many seeds fail.

python benchmarks/data_shapes.py [--count 400] [--first 5000] [--result benchmarks/results/data_shapes.json]
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from svdmv import __version__
from svdmv.dataset.shapes import VERSIONS, drawn_kind, shape_from_seed
from svdmv.io.atomic import write_json


def main() -> None:
    """Run, print and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--first", type=int, default=5000)
    parser.add_argument("--conditions", default="nothing else of weight ran")
    parser.add_argument("--result", type=Path, default=Path("benchmarks/results/data_shapes.json"))
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.count)
    shape_from_seed(0, version=2)  # imports do not count
    versions = {str(version): figures(version, seeds) for version in VERSIONS}
    for version, row in versions.items():
        print(version, row)
    result = {
        "benchmark": "data_shapes",
        "svdmv": __version__,
        "seeds": [seeds[0], seeds[-1]],
        "machine": f"{platform.processor() or platform.machine()}, one core",
        "numpy": np.__version__,
        "conditions": given.conditions,
        "versions": versions,
    }
    write_json(given.result, result)


def figures(version: int, seeds: range) -> dict[str, Any]:
    """CPU seconds, faces, materials and maps of one generator's objects; every failing seed by name."""
    seconds, faces, paints, mapped, failed = [], [], [], 0, {}
    for seed in seeds:
        began = time.process_time()
        try:
            asset = shape_from_seed(seed, version=version)
        except Exception as error:  # the count of failures is what is measured
            failed[str(seed)] = f"{type(error).__name__}: {error}"
            continue
        seconds.append(time.process_time() - began)
        faces.append(len(asset.mesh.faces))
        paints.append(len(asset.materials))
        mapped += any(m.normal_linear is not None or m.metallic_roughness_linear is not None for m in asset.materials)
    return {
        "objects": len(seconds),
        "failed": failed,
        "kinds": len({drawn_kind(seed, version) for seed in seeds}),
        "cpu_s": {"median": round(float(np.median(seconds)), 3), "max": round(max(seconds), 2)},
        "faces": {"median": int(np.median(faces)), "max": max(faces)},
        "materials": {"median": int(np.median(paints)), "max": max(paints)},
        "with_normal_or_metal_maps": round(mapped / max(len(seconds), 1), 3),
    }


if __name__ == "__main__":
    main()
