"""A radiance field of our own, in plain torch, started from the hull: a mesh, and pictures of its own from new sides.

Sources: B. Mildenhall et al., NeRF, ECCV 2020; see nerf_field.py for the encoding, nerf_render.py for the sampling.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, ConfigError, DataError, DeviceError, Mesh, ViewSet
from svdmv.geometry.field import Lattice, denoised_field
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import without_floaters
from svdmv.reconstruct.caps import up_axis
from svdmv.reconstruct.colors import vertex_colors
from svdmv.reconstruct.consensus import silhouette_ious
from svdmv.reconstruct.hull import hull_on_lattice, hull_start
from svdmv.reconstruct.nerf_field import FIRST_DENSITY
from svdmv.reconstruct.nerf_fit import (
    NerfFit,
    NerfSettings,
    Pixels,
    Report,
    continue_fit,
    fit_fingerprint,
    keep_fit,
)
from svdmv.reconstruct.result import Reconstruction

HULL_MARGIN_CELLS = 1.5  # the field may live so far outside the hull
SOLID_DENSITY = 0.4 * FIRST_DENSITY  # per unit length; what no ray ever reached keeps the first density and is solid
MESH_SMOOTH_CELLS = 0.5  # more would take thin legs away
NOVEL_VIEWS, NOVEL_PX = 24, 256


def reconstruct_nerf(
    views: ViewSet,
    *,
    resolution: int = 128,
    steps: int = 400,
    rays: int = 2048,
    exposure: bool = False,
    move_cameras: bool = False,
    drop: int | Literal["auto"] = "auto",
    align: bool = True,
    flatten: float = 0.8,
    input_view: int | None = 0,
    novel_views: int = NOVEL_VIEWS,
    novel_px: int = NOVEL_PX,
    seed: int = 0,
    state: Path | str | None = None,
    device: str = "auto",
    report: Report | None = None,
) -> Reconstruction:
    """A radiance field fitted to the views; its surface as a mesh, and novel views that it draws itself.

    On a CPU the same views, settings and seed give the same bits on one thread; on CUDA sums of gradients come in any
    order.

    Args:
        views: N pictures with alpha; 2 or more directions of view.
        resolution: cells along the longest side of the object, 32 .. 512.
        steps: of Adam; 400 take about a minute of one core at 128.
        rays: a step.
        exposure: fit a gain a channel for each view (photos whose exposure or light changes).
        move_cameras: fit a small turn and shift for each view (poses that are not exact).
        drop, align, flatten, input_view: of the hull that it starts from, see `reconstruct_hull`.
        novel_views: pictures to draw on a level ring around the object; 0 = none.
        novel_px: their longest side is at most this.
        seed: of the first values and of all draws.
        state: a file that a stopped fit is kept in, and continued from when it is there; removed at the end.
        device: auto, cpu or cuda.
        report: called with ("nerf", done, total).

    Returns:
        The mesh with colours from the views, `renders` with the novel views (alpha and depth), the fit's PSNR at the
        views' own pixels in `figures`.

    Raises:
        ConfigError, DeviceError: a setting cannot be used.
        DataError: no alpha, nothing to see, one side only, no hull, or nothing solid was found.
        InputError: `state` is damaged or belongs to another fit.
    """
    settings = NerfSettings(steps, rays, exposure=exposure, move_cameras=move_cameras, seed=seed)
    _check_settings(settings, resolution, novel_views, novel_px)
    chosen = _device(device)
    start = hull_start(views, drop=drop, align=align, input_view=input_view, resolution=resolution)
    lattice = Lattice.around(start.vote.low, start.vote.high, resolution)
    occupied = hull_on_lattice(start, lattice, flatten) < HULL_MARGIN_CELLS * lattice.step
    fit = fitted_field(start.views, lattice, occupied, settings, chosen, state=state, report=report)
    vertices, faces, removed = field_surface(fit)
    colors = vertex_colors(vertices, faces, start.views, tolerance=2 * lattice.step)
    silhouettes = start.silhouettes
    ious = silhouette_ious(vertices, faces, silhouettes.cameras, silhouettes.masks)
    notes = [*start.notes, *([f"{removed} small or inner parts removed"] if removed else [])]
    figures: dict[str, Any] = {
        "mean_mask_iou": round(float(ious.mean()), 5),
        "fit_psnr_db": round(-10 * math.log10(max(float(np.mean(fit.losses[-50:])), 1e-10)), 3),
        "steps": fit.step,
        "lattice_shape": list(lattice.shape),
        "lattice_step": lattice.step,
        "device": str(chosen),
    }
    if exposure:
        figures["exposure_gains"] = np.exp(fit.gains.detach().cpu().numpy()).round(4).tolist()
    if move_cameras:
        figures["largest_motion"] = float(fit.motions.detach().abs().max())
    renders = None
    if novel_views:
        renders = drawn_views(fit, novel_cameras(start.views, lattice, novel_views, novel_px))
    if state is not None:
        Path(state).unlink(missing_ok=True)
    mesh = Mesh(vertices.astype(np.float32), faces, colors=colors)
    return Reconstruction(mesh, "nerf", "called directly", start.views, tuple(notes), figures, renders=renders)


def fitted_field(
    views: ViewSet,
    lattice: Lattice,
    occupied: NDArray[np.bool_],
    settings: NerfSettings,
    device: Any,
    *,
    state: Path | str | None = None,
    report: Report | None = None,
) -> NerfFit:
    """The fit itself; arguments as in `reconstruct_nerf`."""
    pixels = Pixels(views, marked_pixels(views, lattice, occupied), device)
    fit = NerfFit(pixels, lattice, occupied, len(views), settings)
    path = None if state is None else Path(state)
    fingerprint = "" if path is None else fit_fingerprint(views, settings, occupied)
    if path is not None and path.exists():
        continue_fit(fit, path, fingerprint)
    fit.run(report, None if path is None else lambda: keep_fit(fit, path, fingerprint))
    fit.volume.believe(fit.field, forget=0.0)
    return fit


def field_surface(fit: NerfFit) -> tuple[NDArray[np.float64], NDArray[np.int32], int]:
    """Vertices, faces and the number of parts removed: the level of SOLID_DENSITY.

    Cells inside the hull that no light reached in the second half of the fit are solid: no ray says anything about
    them. So are voids that nothing outside reaches.

    Raises:
        DataError: nothing is solid.
    """
    from scipy.ndimage import label

    lattice = fit.volume.lattice
    volume = fit.volume
    density = volume.believed.double().cpu().numpy()
    unlit = volume.where.cpu().numpy()[~volume.lit[volume.where].cpu().numpy()]
    density[unlit] = np.maximum(density[unlit], FIRST_DENSITY)
    density = density.reshape(lattice.shape)
    field = np.clip(-np.log(np.maximum(density, 1e-6) / SOLID_DENSITY), -1.5, 1.5)
    regions, _ = label(np.pad(field, 1, constant_values=1.5) > 0)
    outside = regions[1:-1, 1:-1, 1:-1] == regions[0, 0, 0]
    field[~outside & (field > 0)] = -1.5
    smooth = denoised_field((field * lattice.step).astype(np.float32), MESH_SMOOTH_CELLS)
    vertices, faces = surface_from_field(smooth, lattice)
    if not len(faces):
        raise DataError(
            "The radiance field found nothing solid",
            where="reconstruct_nerf",
            seen=f"largest density {density.max():.3g}, {fit.step} steps",
            expected=f"{SOLID_DENSITY:.3g} somewhere",
            next_step="give more steps, or look whether the views show one object",
        )
    return without_floaters(vertices, faces)


def novel_cameras(views: ViewSet, lattice: Lattice, count: int, longest_px: int) -> list[Camera]:
    """A level ring around the object: the views' mean height, distance and lens, upright by the views' mean up."""
    up = up_axis(views.cameras)
    centre = np.asarray(lattice.low) + lattice.step * (np.array(lattice.shape) - 1) / 2
    ways = np.stack([camera.position for camera in views.cameras]) - centre
    distance = float(np.median(np.linalg.norm(ways, axis=1)))
    height = float(np.clip(np.median(ways @ up) / distance, -0.9, 0.9))
    first = ways[0] - up * (ways[0] @ up)
    if np.linalg.norm(first) < 1e-6 * distance:
        first = np.cross(up, np.eye(3)[int(np.argmin(np.abs(up)))])
    first = first / np.linalg.norm(first)
    side = np.cross(up, first)
    scale = min(1.0, longest_px / max(views.size))
    width, tall = (max(1, round(side_px * scale)) for side_px in views.size)
    fov = float(np.median([camera.fov_y_deg for camera in views.cameras]))
    flat = float(np.sqrt(1 - height**2))
    cameras = []
    for angle in 2 * np.pi * np.arange(count) / count:
        way = flat * (np.cos(angle) * first + np.sin(angle) * side) + height * up
        cameras.append(Camera.looking_at(centre + distance * way, centre, fov, width, tall, up=up))
    return cameras


def drawn_views(fit: NerfFit, cameras: list[Camera]) -> ViewSet:
    """What the field shows to cameras: uint8 pictures with alpha, and depth."""
    shots = [fit.volume.picture(fit.field, camera) for camera in cameras]
    pictures, alphas, depths = (np.stack([shot[k] for shot in shots]) for k in range(3))
    story = {"source": {"method": "nerf", "steps": fit.step, "notes": []}}
    return ViewSet(
        np.round(pictures * 255).astype(np.uint8),
        tuple(cameras),
        np.round(alphas * 255).astype(np.uint8),
        depths=depths.astype(np.float32),
        provenance=story,
    )


def marked_pixels(views: ViewSet, lattice: Lattice, occupied: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N, H, W) bool: pixels whose rays may meet occupied cells: where the cells' middles fall, widened by a cell."""
    from scipy.ndimage import binary_erosion, maximum_filter

    centres = lattice.points()[occupied & ~binary_erosion(occupied)]
    width, height = views.size
    marked = np.zeros((len(views), height, width), bool)
    for mark, camera in zip(marked, views.cameras, strict=True):
        pixels, depths = camera.project(centres)
        ahead = depths > 0
        if not ahead.any():
            continue
        reach = int(np.ceil(lattice.step * max(camera.K[0, 0], camera.K[1, 1]) / np.median(depths[ahead]))) + 1
        column, row = np.floor(pixels[ahead]).astype(np.int64).T
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        mark[row[inside], column[inside]] = True
        mark[:] = maximum_filter(mark, 2 * reach + 1)
    if not marked.any():
        raise DataError("No camera sees the object", where="ViewSet.cameras", expected="the object in the pictures")
    return marked


def _device(device: str) -> Any:
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError("Unknown device", where="device", seen=device, expected="auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "There is no CUDA device", where="device", seen="cuda", expected="cpu", next_step="device=cpu"
        )
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def _check_settings(settings: NerfSettings, resolution: int, novel_views: int, novel_px: int) -> None:
    rows = [
        ("resolution", resolution, 32 <= resolution <= 512, "32 .. 512"),
        ("steps", settings.steps, 1 <= settings.steps <= 1_000_000, "1 .. 1,000,000"),
        ("rays", settings.rays, 16 <= settings.rays <= 1 << 20, "16 .. 1,048,576"),
        ("novel_views", novel_views, 0 <= novel_views <= 1000, "0 .. 1000"),
        ("novel_px", novel_px, 16 <= novel_px <= 4096, "16 .. 4096"),
    ]
    for name, value, good, expected in rows:
        if not isinstance(value, int) or not good:
            raise ConfigError(f"The field's {name} is out of range", where=name, seen=value, expected=expected)
