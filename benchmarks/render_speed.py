"""Where the rasteriser's time goes, and how far each stage is from its floor.

    python benchmarks/render_speed.py MODEL[:SHADING[:ROUGHNESS]] ... -o benchmarks/results/render_speed.json

Draws 21 views of 576 px with 2 x 2 samples of each model (a GLB, or shape-SEED-KIND for a procedural one) in CPU
seconds, after a first view that is not counted. SHADING: matte, pbr, final; ROUGHNESS makes it bare metal. Floors:
Embree alone on the same rays; one pass over the samples' memory; zlib's run-length packer alone on the same rows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.core import Asset, Orbit
from svdmv.io.atomic import write_json

NUM_VIEWS, SIZE_PX, SUPERSAMPLING = 21, 576, 2
COUNTED = {
    "svdmv.render._bake_kernels": ("hemisphere_rays", "note_hits", "gather", "probes_from_hits"),
    "svdmv.render._kernels": ("choose_mips", "rasterise", "resolve"),
    "svdmv.render._coverage": ("outline_cells", "cover_cells", "thin_out"),
    "svdmv.render._shading": ("shade",),
    "svdmv.render._reflection": ("reflection_rays", "light_of_rays", "smooth_light"),
}


class Clock:
    """CPU seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.rays = 0

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time added to `name`."""

        def call(*words: Any, **options: Any) -> Any:
            began = time.process_time()
            result = work(*words, **options)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - began
            return result

        return call


class CountedRays:
    """An Embree scene that counts its rays and their time."""

    def __init__(self, embree: Any, clock: Clock) -> None:
        self._run, self._clock = clock.timed("embree", embree.run), clock

    def run(self, starts: Any, rays: Any, **options: Any) -> Any:
        """As EmbreeScene.run."""
        self._clock.rays += len(starts)
        return self._run(starts, rays, **options)


def asset_of(name: str, roughness: float | None) -> Asset:
    """The model in a sphere of radius 0.5, as shipped or as metal."""
    from svdmv.dataset.shapes import shape_from_seed
    from svdmv.io.meshes import normalised, read_asset

    if name.startswith("shape-"):
        _, seed, kind = name.split("-")
        asset = shape_from_seed(int(seed), kind)
    else:
        asset = read_asset(name)
    if roughness is not None:
        changed = {"metallic": 1.0, "roughness": roughness, "metallic_roughness_linear": None}
        asset = replace(asset, materials=tuple(replace(m, **changed) for m in asset.materials))
    return normalised(asset, rule="bounding_sphere")[0]


def measured(name: str, shading: str, roughness: float | None) -> dict[str, Any]:
    """One orbit, stage by stage."""
    import importlib

    from svdmv.io.quick_png import quick_png_bytes
    from svdmv.render import bake, raster, refine, reflection

    clock, cameras = Clock(), Orbit.static(15.0, NUM_VIEWS, radius=1.75).cameras(SIZE_PX, SIZE_PX)
    raster.render(raster.prepare(asset_of(name, roughness), "studio", shading=shading), cameras[0])
    kept: list[Any] = [(refine._Grown, "halve_edges", refine._Grown.halve_edges)]
    refine._Grown.halve_edges = clock.timed("refine", refine._Grown.halve_edges)
    for module_name, functions in COUNTED.items():
        module = importlib.import_module(module_name)
        for function in functions:
            kept.append((module, function, getattr(module, function)))
            setattr(module, function, clock.timed(function, getattr(module, function)))
    plain = reflection.ray_scene
    for module in (bake, raster):
        kept.append((module, "ray_scene", plain))
        module.ray_scene = lambda corners: CountedRays(clock.timed("build BVH", plain)(corners), clock)
    try:
        whole = time.process_time()
        asset = clock.timed("load", asset_of)(name, roughness)
        prepared = clock.timed("prepare", raster.prepare)(asset, "studio", shading=shading)
        views = clock.timed("views", lambda: [raster.render(prepared, c, with_geometry=False).rgba for c in cameras])()
        files = clock.timed("png", lambda: [quick_png_bytes(view) for view in views])()
        whole = time.process_time() - whole
    finally:
        for module, function, before in kept:
            setattr(module, function, before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    samples = int(sum((view[..., 3] > 0).sum() for view in views)) * SUPERSAMPLING**2
    buffer = np.ones((samples, 4), np.float32)
    began = time.process_time()
    buffer *= np.float32(0.5)
    memory = time.process_time() - began
    rows = [np.diff(view.reshape(SIZE_PX, -1), axis=0, prepend=np.uint8(0)).tobytes() for view in views]
    began = time.process_time()
    for row in rows:
        packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
        packer.compress(row)
        packer.flush()
    packing = time.process_time() - began
    return {
        "model": Path(name).name,
        "shading": shading,
        "metal_of_roughness": roughness,
        "faces": len(prepared.scene.faces),
        "orbit_cpu_s": round(whole, 2),
        "stages_s": {stage: round(s, 3) for stage, s in clock.seconds.items()},
        "rays": clock.rays,
        "million_rays_per_s_of_embree": round(clock.rays / max(clock.seconds.get("embree", 0), 1e-9) / 1e6, 2),
        "covered_samples": samples,
        "ns_per_sample": {
            stage: round(clock.seconds[stage] / samples * 1e9, 1)
            for stage in (
                "rasterise", "cover_cells", "shade", "resolve", "reflection_rays", "light_of_rays", "smooth_light",
            )
            if stage in clock.seconds
        },
        "floor_s": {"embree": round(clock.seconds.get("embree", 0.0), 3), "memory": round(memory, 3),
                    "png": round(packing, 3)},
        "png_mb": round(sum(map(len, files)) / 1e6, 3),
        "peak_memory_mb": round(peak),
    }  # fmt: skip


def main() -> int:
    """Measure every model and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--remark", default="", help="what else the machine was doing")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for text in options.models:
        name, shading, roughness = [*text.split(":"), "", ""][:3]
        rows.append(measured(name, shading or "pbr", float(roughness) if roughness else None))
        print(json.dumps(rows[-1]), flush=True)
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    result = {
        "what": "CPU seconds of a 21-view orbit of 576 px, stage by stage, and floors",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "rows": rows,
        "hardware": {"cpu": names[0] if names else platform.processor(), "load": os.getloadavg()[0]},
        "versions": {n: version(n) for n in ("svdmv", "numpy", "numba", "embreex")},
        "remark": options.remark,
    }
    write_json(options.output, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
