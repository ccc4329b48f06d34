"""Blender's Cycles behind the same door: a separate program that is called, never imported.

SVDMV_BLENDER names the program: Blender itself, or a Python that has the bpy package in an environment of its own.
Without it `blender` is looked for on the PATH. Depths, normals and other maps come from the rasteriser, whose cameras
are the same to a fraction of a pixel.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, Camera, ConfigError, MissingDependency, Orbit, SvdmvError, ViewSet
from svdmv.io.meshes import write_asset
from svdmv.io.pictures import read_png_rgba
from svdmv.render.environment import environment_map
from svdmv.render.light_files import hdr_bytes
from svdmv.render.scene import creased

PROGRAM_VARIABLE = "SVDMV_BLENDER"
SAMPLES_PER_SQUARE = 64
SENSOR_MM = 36.0
BORDER_PX = 3
BLENDER_FROM_WORLD = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


def render_views(
    asset: Asset,
    cameras: Sequence[Camera],
    *,
    orbit: Orbit | None = None,
    light: str | Path | NDArray[Any] = "studio",
    supersampling: int = 2,
    shading: str = "pbr",
    exposure_stops: float = 0.0,
    with_geometry: bool = True,
    with_surface: bool = False,
    report: Callable[[str, int, int], None] | None = None,
    samples: int | None = None,
    denoise: bool = True,
    threads: int = 0,
    seed: int = 0,
    noise_threshold: float = 0.0,
) -> ViewSet:
    """All views of an asset by Cycles; arguments as in svdmv.render.render_views, and

    Args:
        shading: pbr, final (the same) or matte.
        samples: paths a pixel; None = SAMPLES_PER_SQUARE supersampling^2.
        denoise: Open Image Denoise after each view. threads: 0 = all cores.
        noise_threshold: Cycles' own measure of what is left of the noise, at which it stops a pixel before `samples`;
            0 = never.

    Raises:
        MissingDependency: no Blender is found. ConfigError: unlit shading. SvdmvError: Blender failed; its last words.
    """
    command = blender_command()
    if shading not in ("pbr", "final", "matte"):
        raise ConfigError("Cycles does not know this shading", where="shading", seen=shading, expected="pbr or matte")
    say = report or (lambda stage, done, total: None)
    say("load", 0, len(cameras))
    with tempfile.TemporaryDirectory(prefix="svdmv-cycles-") as name:
        folder = Path(name)
        write_asset(folder / "model.glb", with_normals(asset))
        (folder / "light.hdr").write_bytes(hdr_bytes(environment_map(light)))
        count = samples or SAMPLES_PER_SQUARE * supersampling**2
        job = {
            "model": str(folder / "model.glb"),
            "light": str(folder / "light.hdr"),
            "out": str(folder),
            "samples": count,
            "denoise": denoise,
            "threads": threads or os.cpu_count() or 1,
            "seed": seed,
            "noise_threshold": noise_threshold,
            "exposure_stops": exposure_stops,
            "shading": "matte" if shading == "matte" else "pbr",
            "width": cameras[0].width,
            "height": cameras[0].height,
            "cameras": [
                blender_camera(camera) | {"border": border_of(camera, asset.mesh.vertices)} for camera in cameras
            ],
        }
        (folder / "job.json").write_text(json.dumps(job), "utf-8")
        _run([*command, str(folder / "job.json")], lambda done: say("views", done, len(cameras)))
        rgba = np.stack([read_png_rgba(folder / f"{n:03d}.png") for n in range(len(cameras))])
        told = json.loads((folder / "report.json").read_text("utf-8"))
    views = ViewSet(
        images=np.ascontiguousarray(rgba[..., :3]),
        alphas=np.ascontiguousarray(rgba[..., 3]),
        cameras=tuple(cameras),
        orbit=orbit,
        provenance={
            "renderer": "cycles",
            "light": light if isinstance(light, str) else str(light) if isinstance(light, Path) else "array",
            "shading": shading,
            "exposure_stops": exposure_stops,
            "samples": count,
            "denoise": denoise,
            "noise_threshold": noise_threshold,
            **told,
        },
    )
    return with_maps(views, asset, with_geometry, with_surface)


def with_maps(views: ViewSet, asset: Asset, with_geometry: bool, with_surface: bool) -> ViewSet:
    """The views with the rasteriser's depths, normals and other maps, where they are wanted."""
    from svdmv.render import raster

    if not (with_geometry or with_surface):
        return views
    found = raster.render_views(
        asset,
        views.cameras,
        supersampling=1,
        shading="unlit",
        with_geometry=with_geometry,
        with_surface=with_surface,
    )
    names = ("depths", "normals", "positions", "albedos", "masks")
    return replace(views, **{name: getattr(found, name) for name in names})


def with_normals(asset: Asset) -> Asset:
    """The asset with the vertex normals that the rasteriser would give it: sharp above the crease angle."""
    mesh = asset.mesh
    if mesh.normals is not None:
        return asset
    source, faces, normals = creased(mesh.vertices, mesh.faces)
    uvs = None if mesh.uvs is None else mesh.uvs[source]
    colors = None if mesh.colors is None else mesh.colors[source]
    parts = replace(
        mesh,
        vertices=mesh.vertices[source],
        faces=faces.astype(np.int32),
        normals=normals.astype(np.float32),
        uvs=uvs,
        colors=colors,
    )
    return replace(asset, mesh=parts)


def blender_camera(camera: Camera) -> dict[str, Any]:
    """A camera as blender_job.py takes it: pose in Blender's world, lens in millimetres, shifts of the principal point
    in widths, pixel aspect."""
    K, width, height = camera.K, camera.width, camera.height
    pose = BLENDER_FROM_WORLD @ camera.world_from_camera @ np.diag([1.0, -1.0, -1.0, 1.0])
    tall = K[0, 0] / K[1, 1]  # Blender's pixels are this much taller than wide
    distance = float(np.linalg.norm(camera.position))
    return {
        "matrix": pose.tolist(),
        "lens_mm": K[0, 0] * SENSOR_MM / width,
        "shift": [(width / 2 - K[0, 2]) / width, (K[1, 2] - height / 2) / width * tall],
        "aspect": [max(1.0, 1 / tall), max(1.0, tall)],
        "clip": [1e-3 * max(distance, 1.0), 1e3 * max(distance, 1.0)],
    }


def border_of(camera: Camera, vertices: NDArray[Any]) -> list[float] | None:
    """Left, right, bottom, top of what vertices (V, 3) can cover, as shares of the picture, filter included: the rest
    is empty and need not be sampled. None when a vertex is not before the camera."""
    pose = camera.camera_from_world
    local = (np.asarray(vertices, np.float64) @ pose[:3, :3].T + pose[:3, 3]) @ camera.K.T
    if not len(local) or local[:, 2].min() <= 1e-6:
        return None
    size = np.array([camera.width, camera.height])
    places = local[:, :2] / local[:, 2:]
    low = np.clip(np.floor(places.min(0)) - BORDER_PX, 0, size) / size
    high = np.clip(np.ceil(places.max(0)) + BORDER_PX, 0, size) / size
    return [float(low[0]), float(high[0]), float(1 - high[1]), float(1 - low[1])] if (high > low).all() else None


def blender_command() -> list[str]:
    """The words before the job's file. Raises MissingDependency when there is no Blender."""
    script = str(Path(__file__).with_name("blender_job.py"))
    program = os.environ.get(PROGRAM_VARIABLE) or shutil.which("blender")
    if not program or shutil.which(program) is None:
        raise MissingDependency(
            "Cycles needs Blender, a program of its own",
            where=PROGRAM_VARIABLE,
            seen=program or "not set, and no blender on the PATH",
            expected="the path of blender, or of a Python with the bpy package",
            next_step=f"python3.11 -m venv B && B/bin/pip install bpy, then set {PROGRAM_VARIABLE}=B/bin/python",
        )
    if "python" in Path(program).name:
        return [program, script]
    return [program, "-b", "--factory-startup", "-P", script, "--"]


def _run(command: list[str], progress: Callable[[int], None]) -> None:
    """Run Blender to its end, telling of finished views."""
    last: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("VIEW "):
                progress(int(line.split()[1]))
            elif line.strip():
                last = [*last[-4:], line.strip()]
    if process.returncode:
        raise SvdmvError(
            "Blender failed",
            where=command[0],
            seen=f"exit code {process.returncode}: " + " | ".join(last),
            expected="Blender 4.2 or newer with Cycles",
            next_step="run the command by hand: " + " ".join(command[:-1]) + " job.json",
        )
