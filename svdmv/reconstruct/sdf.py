"""A signed-distance grid fitted to masks, colours and, where they are given, normals and depths, by volume rendering.

Starts from the visual hull. Views that disagree are first brought nearer to each other against a coarse fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError, DataError, DeviceError, Mesh, ViewSet, require
from svdmv.geometry.field import Lattice, denoised_field, resampled
from svdmv.geometry.raster import depth_maps
from svdmv.geometry.silhouette import mask_distance
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import without_floaters
from svdmv.reconstruct.caps import up_axis
from svdmv.reconstruct.cavities import Cavities, cavities_of
from svdmv.reconstruct.consensus import silhouette_ious
from svdmv.reconstruct.hull import HullStart, hull_on_lattice, hull_start, mended
from svdmv.reconstruct.mending import joined_field
from svdmv.reconstruct.result import Reconstruction
from svdmv.reconstruct.sdf_alignment import Alignment, aligned_views
from svdmv.reconstruct.sdf_depth import depth_carved
from svdmv.reconstruct.sdf_fit import FitSettings, FittedField, Report, Starter, fit_field
from svdmv.reconstruct.sdf_progress import Progress
from svdmv.reconstruct.sdf_rays import rays_from_views
from svdmv.reconstruct.silhouettes import Silhouettes

RESOLUTION = 128
CAVITY_RESOLUTION, CAVITY_STEPS = 96, 1.5  # steps of the first level then, times those of the second
LEAST_RESOLUTION = 32
VOXEL_PX = 0.75  # no finer than so many pixels of the views
AGREE_IOU = 0.965  # masks that agree so well with their hull need no alignment
STIFF_IOU = 0.88  # below it a free surface follows the disagreement: voxels grow and the surface stiffens
VOXEL_STIFF_PX = 1.25
STIFF: dict[str, Any] = {"plate": 15.0, "area": 8.0}
RIM_PX = 1.5  # outlines that lie farther apart are another part's
DENOISE_VOXELS, DENOISE_DISAGREEING_VOXELS, DENOISE_STIFF_VOXELS = 0.8, 1.0, 1.2


def reconstruct_sdf(
    views: ViewSet,
    *,
    resolution: int | Literal["auto"] = "auto",
    steps: tuple[int, int, int] = (120, 120, 100),
    align: bool | Literal["auto"] = "auto",
    rounds: int = 1,
    move_cameras: bool = True,
    drop: int | Literal["auto"] = "auto",
    flatten: float = 0.8,
    denoise: float | Literal["auto"] = "auto",
    input_view: int | None = 0,
    trust: float = 6.0,
    use_normals: bool = True,
    use_depths: bool = True,
    open_cavities: bool = True,
    seed: int = 0,
    state: Path | str | None = None,
    device: str = "cpu",
    report: Report | None = None,
    **fit: Any,
) -> Reconstruction:
    """A closed mesh with vertex colours, by fitting; the same bits for the same views, settings and seed.

    Args:
        views: N pictures with alpha; 2 or more directions of view. Normals and depths are used where they are given.
        resolution: lattice points along the longest side of the object, 32 .. 384; "auto" = 128, or as many as the
            pixels of the views hold.
        steps: of the three levels, from coarse to fine.
        align: bring views nearer to each other after two levels; "auto" = when their silhouettes disagree.
        rounds: of alignment.
        move_cameras: alignment may move cameras; else it only bends pictures.
        drop, flatten: as for the hull, of the start.
        denoise: width of the smoothing of the final field, voxels; 0 = none; "auto" = 0.8, more when views disagree.
        input_view: the view that is a true picture: it stays as it is and counts fully; None = all are alike.
        trust: how many other views the true picture outweighs where views disagree.
        use_normals, use_depths: False = as if the views had none.
        open_cavities: look for bowls and mugs where colours contradict a lid, if views agree and have no depths.
        seed: of the choice of rays.
        state: a file that holds the fit so far; a stopped fit goes on from it to the same end. Removed when done.
        device: "cpu", or "cuda" or "mps", where torch does the fit.
        report: called with ("fit", done, total).
        fit: fields of `FitSettings`.

    Raises:
        ConfigError: a setting is out of range.
        DataError: no alpha, nothing to see, one side only, or nothing left of the object.
        DeviceError: the device is not there.
        InputError: `state` cannot be read or written, or belongs to other views or settings.
    """
    settings = _checked(views, resolution, steps, rounds, denoise, drop, flatten, trust, input_view, fit, seed)
    device = _device(device)
    if not use_normals:
        views = replace(views, normals=None)
    if not use_depths:
        views = replace(views, depths=None)
    begun = mended(hull_start(views, drop=drop, align=align is not False, input_view=input_view, resolution=RESOLUTION))
    used, notes = begun.silhouettes.used, list(begun.notes)
    stiff = begun.vote.mean_iou < STIFF_IOU
    if stiff:
        settings = replace(settings, **{name: value for name, value in STIFF.items() if name not in fit})
    points = _resolution(begun, VOXEL_STIFF_PX if stiff else VOXEL_PX) if resolution == "auto" else resolution
    levels = tuple((max(LEAST_RESOLUTION, round(points / k)), n) for k, n in zip((8 / 3, 1.6, 1), steps, strict=True))
    settings = replace(settings, levels=levels)
    disagree = align is True or (align == "auto" and begun.vote.strict_iou < AGREE_IOU)
    trusts = np.where(begun.silhouettes.trusted, trust if disagree else 1.0, 1.0)
    cavities = None if disagree or views.depths is not None or not open_cavities else _cavities(begun, flatten)
    if cavities is not None:  # a voxel of the first level is thicker than such walls
        settings = replace(settings, levels=((levels[1][0], round(CAVITY_STEPS * levels[1][1])), levels[2]))
        notes.append(
            f"colours show an open cavity with walls {cavities.thickness:.3f} thick; where no view looks, they go on so"
        )
    progress = Progress(
        state, views, settings, (disagree, rounds, move_cameras, flatten, drop, input_view, trust), report
    )
    plan = _Plan(settings, flatten, rounds if disagree else 0, move_cameras, trusts, device, cavities)
    field, final, alignments = _fitted(begun, plan, progress)
    notes += _alignment_notes(alignments, used)
    if denoise == "auto":
        denoise = DENOISE_STIFF_VOXELS if stiff else (DENOISE_DISAGREEING_VOXELS if disagree else DENOISE_VOXELS)
    mesh, removed, joints = _mesh(field, float(denoise), begun, level=views.depths is None)
    notes += joints
    if removed:
        notes.append(f"{removed} small or inner parts removed")
    if views.normals is not None or views.depths is not None:
        given = " and ".join(n for n, a in (("normals", views.normals), ("depths", views.depths)) if a is not None)
        notes.append(f"{given} that came with the views were used")
    ious = silhouette_ious(mesh.vertices, mesh.faces, begun.silhouettes.cameras, begun.silhouettes.masks)
    figures = _figures(views, begun, field, alignments, cavities, ious, progress)
    progress.finish()
    return Reconstruction(mesh, "sdf", "called directly", final, tuple(notes), figures)


@dataclass(frozen=True, eq=False)
class _Plan:
    settings: FitSettings
    flatten: float
    rounds: int
    move_cameras: bool
    trusts: NDArray[np.float64]
    device: str
    cavities: Cavities | None


def _cavities(begun: HullStart, flatten: float) -> Cavities | None:
    used = begun.silhouettes.used
    lattice = Lattice.around(begun.vote.low, begun.vote.high, CAVITY_RESOLUTION)
    hull = hull_on_lattice(begun, lattice, flatten)
    return cavities_of(hull, lattice, begun.views, used, up_axis([begun.views.cameras[i] for i in used]))


def _fitted(begun: HullStart, plan: _Plan, progress: Progress) -> tuple[FittedField, ViewSet, list[Alignment]]:
    """The fit; with rounds of alignment after the levels before the last."""
    used, trusted, views = begun.silhouettes.used, begun.silhouettes.trusted, begun.views
    settings, rounds = plan.settings, plan.rounds

    def start(lattice: Lattice) -> NDArray[np.float32]:
        hull = hull_on_lattice(begun, lattice, plan.flatten)
        solid = hull if plan.cavities is None else plan.cavities.carved(hull, lattice)
        return depth_carved(solid, lattice, views, used)

    def fit(stage: int, levels: tuple[tuple[int, int], ...], first: Starter, weights: Any) -> FittedField:
        rays = rays_from_views(views, used, seed=settings.seed)
        chosen = replace(settings, levels=levels, average=settings.average if stage == rounds else 0.0)
        return progress.run(
            stage,
            rounds + 1,
            lambda state, keep, report: fit_field(
                rays,
                begun.vote.low,
                begun.vote.high,
                first,
                chosen,
                view_weights=weights,
                state=state,
                keep=keep,
                report=report,
                device=plan.device,
                held=None if plan.cavities is None else plan.cavities.held,
            ),
        )

    if not rounds:
        return fit(0, settings.levels, start, plan.trusts), views, []
    alignments: list[Alignment] = []
    field = fit(0, settings.levels[:-1], start, plan.trusts)
    for k in range(rounds):
        alignments.append(aligned_views(views, used, trusted, field, move_cameras=plan.move_cameras))
        views = alignments[-1].views
        levels = settings.levels[1:] if k == rounds - 1 else settings.levels[1:-1]
        field = fit(k + 1, levels, partial(_on_other, field), alignments[-1].weights * plan.trusts)
    return field, views, alignments


def _on_other(field: FittedField, lattice: Lattice) -> NDArray[np.float32]:
    return resampled(field.phi[..., None], field.lattice, lattice)[..., 0]


def _mesh(field: FittedField, denoise: float, begun: HullStart, *, level: bool) -> tuple[Mesh, int, tuple[str, ...]]:
    phi = denoised_field(field.phi, denoise) if denoise > 0 else field.phi
    if level:
        phi = phi + np.float32(_beyond(phi, field.lattice, begun.silhouettes))
    joints: tuple[str, ...] = ()
    if begun.mends is not None:
        phi, joints = joined_field(phi, field.lattice, begun.silhouettes, begun.vote)
    vertices, faces = surface_from_field(phi, field.lattice)
    if not len(faces):
        raise DataError(
            "The fit left nothing of the object",
            where="reconstruct_sdf",
            seen="an empty surface",
            expected="views that show one object from their cameras",
            next_step='look at the views, or use method="hull"',
        )
    vertices, faces, removed = without_floaters(vertices, faces)
    return Mesh(vertices.astype(np.float32), faces, colors=_colors(field, vertices)), removed, joints


def _beyond(phi: NDArray[np.float32], lattice: Lattice, silhouettes: Silhouettes) -> float:
    """How far the surface's outlines lie outside those of the masks on average, world units; negative inside them.

    Fit and smoothing leave a round shape a fraction of a pixel too small; the level of the field takes that back.
    """
    vertices, faces = surface_from_field(phi, lattice)
    if not len(faces):
        return 0.0
    depths = depth_maps(vertices, faces, silhouettes.cameras)
    total, count = 0.0, 0
    for depth, distance, camera in zip(depths, silhouettes.distances, silhouettes.cameras, strict=True):
        shown = np.isfinite(depth)
        rim = np.abs(distance) < RIM_PX
        if not shown.any() or not rim.any():
            continue
        apart = distance[rim] - mask_distance(shown.astype(np.float32))[rim]
        near = np.abs(apart) < RIM_PX
        px = float(np.median(depth[shown])) / float(camera.K[1, 1])
        total, count = total + px * float(apart[near].sum()), count + int(near.sum())
    return total / count if count else 0.0


def _colors(field: FittedField, vertices: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(V, 3) uint8 sRGB: the grid's colour at each vertex."""
    from scipy.ndimage import map_coordinates

    places = ((vertices - np.array(field.lattice.low)) / field.lattice.step).T
    colors = np.stack([map_coordinates(field.colors[..., c], places, order=1, mode="nearest") for c in range(3)], 1)
    rounded: NDArray[np.uint8] = np.round(255 * np.clip(colors, 0, 1)).astype(np.uint8)
    return rounded


def _resolution(begun: HullStart, voxel_px: float) -> int:
    """As fine as voxels of so many pixels, at most 128."""
    size = float((begun.vote.high - begun.vote.low).max())
    middle = (begun.vote.low + begun.vote.high) / 2
    spans = []
    for camera in (begun.views.cameras[i] for i in begun.silhouettes.used):
        depth = float(camera.project(middle[None])[1][0])
        spans.append(size * float(camera.K[1, 1]) / max(depth, 1e-9))
    return int(np.clip(np.median(spans) / voxel_px, LEAST_RESOLUTION, RESOLUTION))


def _alignment_notes(alignments: list[Alignment], used: tuple[int, ...]) -> list[str]:
    if not alignments:
        return []
    last = alignments[-1]
    text = (
        f"the views disagree: {len(alignments)} round{'s' * (len(alignments) > 1)} of alignment bent the pictures by "
        f"{float(np.median(last.moved_px)):.1f} px (median of the views)"
    )
    if last.turned_deg.any():
        text += f" and turned cameras by up to {float(last.turned_deg.max()):.1f} degrees"
    text += f"; against the fit {alignments[0].psnr_db[0]:.1f} -> {last.psnr_db[1]:.1f} dB"
    low = [str(used[i]) for i in np.flatnonzero(last.weights < 0.7)]
    return [text, *([f"views that still differ count less: {', '.join(low)}"] if low else [])]


def _figures(
    views: ViewSet,
    begun: HullStart,
    field: FittedField,
    alignments: list[Alignment],
    cavities: Cavities | None,
    ious: NDArray[np.float64],
    progress: Progress,
) -> dict[str, Any]:
    per_view: list[float | None] = [None] * len(views)
    for index, iou in zip(begun.silhouettes.used, ious, strict=True):
        per_view[index] = round(float(iou), 5)
    color, mask = progress.last_loss
    return {
        "mask_iou": per_view,
        "mean_mask_iou": round(float(ious.mean()), 5),
        "strict_mask_iou": round(begun.vote.strict_iou, 5),
        "dropped_views": begun.vote.drop,
        "masks_grown_px": begun.vote.grow_px,
        "lattice_shape": list(field.lattice.shape),
        "lattice_step": field.lattice.step,
        "color_loss": round(color, 6),
        "mask_loss": round(mask, 6),
        "cavities": None if cavities is None else {"thickness": cavities.thickness, "share_left": cavities.share_left},
        "alignment": [
            {
                "psnr_db": [round(p, 3) for p in a.psnr_db],
                "moved_px": [round(float(m), 3) for m in a.moved_px],
                "turned_deg": [round(float(t), 3) for t in a.turned_deg],
                "view_weights": [round(float(w), 3) for w in a.weights],
            }
            for a in alignments
        ],
    }


def _device(name: str) -> str:
    """The name, once torch has the device; "cpu" needs no torch."""
    if name == "cpu":
        return name
    if name.partition(":")[0] not in ("cuda", "mps"):
        raise ConfigError("The fit knows no such device", where="device", seen=name, expected="cpu, cuda or mps")
    torch = require("torch", None, "a fit on the graphics card")
    there = torch.cuda.is_available() if name.startswith("cuda") else torch.backends.mps.is_available()
    if not there:
        raise DeviceError(
            "The device is not there",
            where="device",
            seen=name,
            expected="a device of this machine",
            next_step='device="cpu"',
        )
    return name


def _checked(
    views: ViewSet,
    resolution: int | str,
    steps: tuple[int, int, int],
    rounds: int,
    denoise: float | str,
    drop: int | str,
    flatten: float,
    trust: float,
    input_view: int | None,
    fit: dict[str, Any],
    seed: int,
) -> FitSettings:
    last = len(views) - 1
    fine = isinstance(resolution, int) and LEAST_RESOLUTION <= resolution <= 384
    counts = isinstance(steps, tuple | list) and len(steps) == 3 and all(isinstance(n, int) and n >= 1 for n in steps)
    smooth = isinstance(denoise, int | float) and 0 <= denoise <= 4
    known = [name for name in FitSettings.__dataclass_fields__ if name not in ("levels", "seed")]
    strange = [name for name in fit if name not in known]
    rows = [
        ("resolution", resolution, resolution == "auto" or fine, f'"auto", or {LEAST_RESOLUTION} .. 384'),
        ("steps", steps, counts, "three numbers of steps, 1 or more"),
        ("rounds", rounds, isinstance(rounds, int) and 1 <= rounds <= 5, "1 .. 5"),
        ("denoise", denoise, denoise == "auto" or smooth, '"auto", or 0 .. 4 voxels'),
        ("input_view", input_view, input_view is None or 0 <= input_view <= last, f"0 .. {last}, or None"),
        ("drop", drop, drop == "auto" or (isinstance(drop, int) and 0 <= drop <= last), f'"auto", or 0 .. {last}'),
        ("flatten", flatten, isinstance(flatten, int | float) and 0 <= flatten <= 1, "0 .. 1"),
        ("trust", trust, isinstance(trust, int | float) and 0 < trust <= 100, "above 0, at most 100"),
        ("seed", seed, isinstance(seed, int) and seed >= 0, "0 or more"),
        ("setting", ", ".join(strange), not strange, f"one of {', '.join(known)}"),
    ]
    for name, value, good, expected in rows:
        if not good:
            raise ConfigError(f"The fit's {name} is unknown or out of range", where=name, seen=value, expected=expected)
    made = FitSettings(**fit, seed=seed)
    made.check()
    return made
