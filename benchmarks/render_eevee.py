"""What a view costs Blender's EEVEE where there is no GPU: software OpenGL, CPU seconds of the first view and of more.

    SVDMV_BLENDER=PYTHON_WITH_BPY python benchmarks/render_eevee.py MODEL.glb [--size 144] [--samples 16]

The model under one sun, orthogonal view. The first view also compiles shaders; what is quoted is the later ones. EEVEE
is made for a GPU, so this is no figure of EEVEE's speed; it says what it is worth on the machines that render here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

VIEWS = 3


def draw(model: str, size: int, samples: int) -> None:
    """In Blender's Python: CPU seconds of each view, as one line."""
    import bpy

    def cpu_s() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.import_scene.gltf(filepath=model)
    bpy.ops.object.light_add(type="SUN")
    bpy.ops.object.camera_add(location=(0, -2, 0), rotation=(1.5708, 0, 0))
    scene.camera = bpy.context.object
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 1.0
    names = [item.identifier for item in scene.render.bl_rna.properties["engine"].enum_items_static_ui]
    scene.render.engine = next((n for n in ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE") if n in names), "BLENDER_EEVEE_NEXT")
    scene.eevee.taa_render_samples = samples
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.film_transparent = True
    scene.render.filepath = os.environ["EEVEE_PICTURE"]
    seconds = []
    for _ in range(VIEWS):
        began = cpu_s()
        bpy.ops.render.render(write_still=True)
        seconds.append(round(cpu_s() - began, 2))
    print(
        "RESULT "
        + json.dumps({"blender": bpy.app.version_string, "engine": scene.render.engine, "view_cpu_s": seconds})
    )


def main() -> None:
    """Run Blender and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--size", type=int, default=144)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--result", type=Path, default=Path("benchmarks/results/render_eevee.json"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        draw(str(given.model), given.size, given.samples)
        return
    import tempfile
    from importlib.metadata import version

    from svdmv.io.atomic import write_json
    from svdmv.io.meshes import normalised, read_asset, write_asset

    with tempfile.TemporaryDirectory() as name:
        model, picture = Path(name) / "model.glb", Path(name) / "view.png"
        write_asset(model, normalised(read_asset(given.model), rule="bounding_sphere")[0])
        words = [os.environ["SVDMV_BLENDER"], __file__, str(model), "--size", str(given.size), "--samples"]
        told = subprocess.run(
            [*words, str(given.samples), "--inside"],
            check=True, capture_output=True, text=True, env={**os.environ, "EEVEE_PICTURE": str(picture)},
        ).stdout  # fmt: skip
        made = json.loads(next(line[7:] for line in told.splitlines() if line.startswith("RESULT ")))
        drawn = picture.read_bytes()
    later = sum(made["view_cpu_s"][1:]) / (VIEWS - 1)
    pixels = given.size**2
    result = {
        "what": "CPU seconds of a view by EEVEE on software OpenGL, without a GPU",
        **made,
        "model": given.model.stem,
        "size_px": given.size,
        "samples": given.samples,
        "later_view_cpu_s": round(later, 2),
        "orbit_of_21_views_of_576_px_cpu_s_by_pixels": round(later * 21 * 576**2 / pixels),
        "picture_bytes": len(drawn),
        "command": f"python benchmarks/render_eevee.py MODEL.glb --size {given.size} --samples {given.samples}",
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "versions": {"svdmv": version("svdmv")},
    }
    write_json(given.result, result)
    print(json.dumps(result))


if __name__ == "__main__":
    sys.exit(main())
