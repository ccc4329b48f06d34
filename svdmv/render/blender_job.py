"""Draws one job with Blender's Cycles. A program of its own: it is run by Blender, or by a Python that has bpy, and is
never imported by the package.

    blender -b --factory-startup -P blender_job.py -- job.json
    PYTHON_WITH_BPY blender_job.py job.json

job.json: model (GLB), light (.hdr), out (folder), samples, noise_threshold, denoise, threads, seed, exposure_stops,
shading (pbr or matte), width, height, cameras [{matrix (4 x 4, Blender's world, OpenGL's axes), lens_mm, shift [x, y],
aspect [x, y], clip [near, far], border [left, right, bottom, top] in shares of the picture, or null}]. Writes
out/000.png ..., 8-bit RGBA with straight alpha, and out/report.json. Every setting of Blender's that changes pixels in
silence is pinned: view transform, dither, clamps, glossy filter, pixel filter, adaptive sampling, seed.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path = [path for path in sys.path if Path(path or ".").resolve() != HERE]  # its cycles.py would hide Cycles

import bpy  # noqa: E402
from mathutils import Matrix  # noqa: E402

SENSOR_MM = 36.0


def peak_memory_mb() -> float:
    """Highest resident memory since this program began; that of `getrusage` begins at its parent's."""
    status = Path("/proc/self/status")
    if status.is_file():
        rows = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines())
        return int(rows["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_seconds() -> float:
    """CPU time of this process and its threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def set_up_world(scene: Any, light: str) -> None:
    """The light map around everything."""
    world = bpy.data.worlds.new("light")
    scene.world = world
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    nodes.clear()
    texture = nodes.new("ShaderNodeTexEnvironment")
    texture.image = bpy.data.images.load(light)
    background, output = nodes.new("ShaderNodeBackground"), nodes.new("ShaderNodeOutputWorld")
    links.new(texture.outputs["Color"], background.inputs["Color"])
    links.new(background.outputs["Background"], output.inputs["Surface"])


def set_up_render(scene: Any, job: dict[str, Any]) -> None:
    """Cycles on the CPU, every setting said."""
    scene.render.engine = "CYCLES"
    cycles, render = scene.cycles, scene.render
    cycles.device, cycles.samples, cycles.seed = "CPU", job["samples"], job["seed"]
    cycles.use_adaptive_sampling = job["noise_threshold"] > 0
    cycles.adaptive_threshold, cycles.adaptive_min_samples = job["noise_threshold"], 0
    cycles.use_denoising = job["denoise"]
    if job["denoise"]:
        cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.sample_clamp_direct = cycles.sample_clamp_indirect = 0.0
    cycles.blur_glossy = 0.0
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 12, 8, 8
    cycles.transparent_max_bounces = 24
    cycles.pixel_filter_type, cycles.filter_width = "BLACKMAN_HARRIS", 1.5
    render.resolution_x, render.resolution_y, render.resolution_percentage = job["width"], job["height"], 100
    render.film_transparent = True
    render.dither_intensity = 0.0
    render.use_persistent_data = True
    render.threads_mode, render.threads = "FIXED", job["threads"]
    settings = render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth, settings.compression = "PNG", "RGBA", "8", 15
    scene.display_settings.display_device = "sRGB"
    scene.view_settings.view_transform, scene.view_settings.look = "Standard", "None"
    scene.view_settings.exposure, scene.view_settings.gamma = job["exposure_stops"], 1.0


def make_matte() -> None:
    """Base colour times light: no coat, no metal."""
    for material in bpy.data.materials:
        for node in material.node_tree.nodes if material.use_nodes else ():
            if node.type == "BSDF_PRINCIPLED":
                level = "Specular IOR Level" if "Specular IOR Level" in node.inputs else "Specular"
                for name in (level, "Metallic"):
                    for link in list(node.inputs[name].links):
                        material.node_tree.links.remove(link)
                    node.inputs[name].default_value = 0.0


def main(path: Path) -> None:
    """Draw every camera of the job."""
    job = json.loads(path.read_text("utf-8"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.import_scene.gltf(filepath=job["model"])
    if job["shading"] == "matte":
        make_matte()
    set_up_world(scene, job["light"])
    set_up_render(scene, job)
    data = bpy.data.cameras.new("camera")
    data.sensor_fit, data.sensor_width = "HORIZONTAL", SENSOR_MM
    camera = bpy.data.objects.new("camera", data)
    scene.collection.objects.link(camera)
    scene.camera = camera
    out, loaded, seconds = Path(job["out"]), cpu_seconds(), []
    for number, row in enumerate(job["cameras"]):
        before = cpu_seconds()
        data.lens = row["lens_mm"]
        data.shift_x, data.shift_y = row["shift"]
        scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = row["aspect"]
        camera.matrix_world = Matrix(row["matrix"])
        data.clip_start, data.clip_end = row["clip"]
        scene.render.use_border = row["border"] is not None
        if row["border"] is not None:
            borders = ("border_min_x", "border_max_x", "border_min_y", "border_max_y")
            for name, value in zip(borders, row["border"], strict=True):
                setattr(scene.render, name, value)
        scene.render.filepath = str(out / f"{number:03d}.png")
        bpy.ops.render.render(write_still=True)
        seconds.append(cpu_seconds() - before)
        sys.stdout.write(f"\nVIEW {number + 1}\n")
        sys.stdout.flush()
    report = {"blender": bpy.app.version_string, "load_cpu_s": loaded, "view_cpu_s": seconds}
    report["peak_memory_mb"] = peak_memory_mb()
    (out / "report.json").write_text(json.dumps(report), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[sys.argv.index("--") + 1] if "--" in sys.argv else sys.argv[1]))
