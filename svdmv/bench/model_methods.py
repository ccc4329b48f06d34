"""Checkpoints of this project as a method."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np

from svdmv.bench.machine import code_sha256
from svdmv.bench.mesh_scores import reconstructed_asset, views_of_mesh
from svdmv.bench.methods import Method, Task
from svdmv.bench.resize import resized_rgba
from svdmv.core import Asset, Camera, ConfigError, ViewSet
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.diffusion.generate import Sampling, generate_views
from svdmv.diffusion.guidance import Guidance
from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.model import SvdMv
from svdmv.geometry.raster import depth_maps

FIT_ROUNDS, FIT_PX = 3, 128


@lru_cache(maxsize=1)
def loaded_checkpoint(model: str, device: str) -> SvdMv:
    """A checkpoint, read once for the methods of a run. Raises what `load_checkpoint` raises."""
    return load_checkpoint(model, device=device)


def checkpoint(
    model: str = "svdmv-mini", steps: str = "", guidance: str = "", device: str = "cpu", through: str = ""
) -> Method:
    """A checkpoint by id or path, sampled as it recommends unless told otherwise; views get the suite's size.

    through: "mesh" for suites whose cameras the checkpoint does not draw: the input is framed as it was trained, its
    own orbit drawn and made into a mesh, the mesh brought to the size and place of the input's silhouette and rendered
    from the suite's cameras. The row is then named MODEL-mesh.

    Raises ConfigError: the suite's cameras are not those that the checkpoint draws, and through is not "mesh".
    """
    if through not in ("", "mesh"):
        raise ConfigError("The way through is unknown", where="through", seen=through, expected="mesh, or nothing")
    loaded = loaded_checkpoint(model, device)
    info = loaded.info
    chosen = Guidance.parse(guidance) if guidance else None
    num_steps = int(steps) if steps else None

    def drawn(framed: np.ndarray, task: Task) -> ViewSet:
        sampling = Sampling(task.track.elevation_deg, task.seed, num_steps, chosen)
        return generate_views(loaded, [framed], sampling)[0]

    def predict(task: Task) -> ViewSet:
        if not drawable(task, info):
            raise ConfigError(
                "The checkpoint cannot draw this suite's cameras",
                where=f"suite {task.suite.name}, track {task.track.name}",
                seen=f"{len(task.track.azimuths_deg)} views, lens {task.suite.fov_y_deg:g} degrees",
                expected=f"{info.num_views} equal steps at one elevation, lens {info.framing.fov_y_deg:g} degrees",
                next_step="through=mesh, or a suite with the checkpoint's own cameras, for example suite=mini",
            )
        made = drawn(resized_rgba(task.input_rgba[None], info.image_size)[0], task)
        return task.views(resized_rgba(made.rgba_u8(), task.suite.size_px))

    def predict_through_mesh(task: Task) -> ViewSet:
        asset = reconstructed_asset(drawn(_framed(task.input_rgba, info), task))
        placed = placed_on_input(asset, task.input_rgba, task.truth.cameras[task.track.input_view])
        return views_of_mesh(placed, task.truth.cameras, task.suite, "unlit")

    settings = Sampling(0.0, 0, num_steps, chosen).resolved(info).as_dict()
    facts = {"model": info.name, "weights_sha256": info.sha256, "licence": info.licence, "sampling": settings}
    identity = json.dumps([info.sha256, settings, device, through and code_sha256()], sort_keys=True)
    if through:
        facts["cameras"] = "its own orbit, made into a mesh, placed on the input's silhouette, rendered"
        return Method(
            f"{info.name}-mesh", predict_through_mesh, "model", stochastic=True, facts=facts, identity=identity
        )
    return Method(info.name, predict, "model", stochastic=True, facts=facts, identity=identity)


def drawable(task: Task, info: CheckpointInfo) -> bool:
    """Whether the track is the orbit that the checkpoint draws."""
    steps = np.arange(info.num_views) * 360.0 / info.num_views
    same = len(task.track.azimuths_deg) == info.num_views and bool(np.allclose(task.track.azimuths_deg, steps))
    level = float(np.ptp(task.track.elevations_deg)) < 1e-6 and task.track.input_view == 0
    return same and level and abs(task.suite.fov_y_deg - info.framing.fov_y_deg) < 0.05


def placed_on_input(asset: Asset, input_rgba: np.ndarray, camera: Camera) -> Asset:
    """The asset scaled and shifted across the line of sight until its outline covers the input's alpha best (IoU).

    Not by the boxes of both: where a thin part is lost, its box is another one and the whole object would be moved.
    """
    camera = camera.resized(FIT_PX, FIT_PX)
    target = resized_rgba(input_rgba[None], FIT_PX)[0, ..., 3] / 255.0
    center = camera.project(np.zeros((1, 3)))[0][0]
    if target.sum() < 1:
        return asset
    for _ in range(FIT_ROUNDS):
        shown = np.isfinite(depth_maps(asset.mesh.vertices, asset.mesh.faces, [camera])[0]).astype(np.float64)
        if shown.sum() < 1:
            return asset
        scale, moved = _covering(shown, target, center)
        shift = camera.world_from_camera[:3, :2] @ (moved * np.linalg.norm(camera.position) / camera.K[0, 0])
        matrix = np.diag([scale, scale, scale, 1.0])
        matrix[:3, 3] = shift
        asset = Asset(asset.mesh.transformed(matrix), asset.materials, asset.face_materials, asset.provenance)
    return asset


def _covering(shown: np.ndarray, target: np.ndarray, center: np.ndarray) -> tuple[float, np.ndarray]:
    """Scale about `center` and shift (x, y in pixels) of one mask (H, W) that give the highest IoU with the other."""
    from scipy.ndimage import affine_transform, center_of_mass
    from scipy.optimize import minimize

    middle = center[::-1] - 0.5  # rows, columns of pixel centres
    places = [np.array(center_of_mass(mask)) - middle for mask in (shown, target)]
    start = np.sqrt(target.sum() / shown.sum())

    def missed(change: np.ndarray) -> float:
        scale = start * np.exp(change[0])
        moved = places[1] - scale * places[0] + FIT_PX * change[1:]
        mask = affine_transform(shown, np.eye(2) / scale, middle - (middle + moved) / scale, order=1)
        return 1.0 - float(np.minimum(mask, target).sum() / np.maximum(mask, target).sum())

    simplex = np.vstack([np.zeros(3), np.eye(3) * 0.05])
    found = minimize(missed, np.zeros(3), method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 1e-4})
    scale = float(start * np.exp(found.x[0]))
    return scale, (places[1] - scale * places[0] + FIT_PX * found.x[1:])[::-1]


def _framed(rgba: np.ndarray, info: CheckpointInfo) -> np.ndarray:
    """As the checkpoint's training held it: the subject's box centred, its longer side a share of the picture."""
    from pathlib import Path

    from svdmv.io.pictures import Picture
    from svdmv.subject import frame_subject

    picture = Picture(rgba, True, (), "", Path("input.png"))
    return frame_subject(picture, size=info.image_size, foreground_ratio=info.framing.foreground_ratio).rgba
