"""The views' alpha as clean signed distances on a work grid, with the reasons why a view is left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, DataError, ViewSet
from svdmv.geometry.silhouette import cleaned_mask, mask_distance, resampled_mask

WORK_PX = (256, 320)  # masks are worked on between these sizes: smaller ones grow (sub-pixel edges), larger ones shrink
SMALL_MASK_BLUR_PX = 0.5
MIN_SPREAD_DEG = 15.0


@dataclass(frozen=True, eq=False)
class Silhouettes:
    """Usable masks of a ViewSet.

    Attributes:
        used: indices of the views that take part.
        masks: (M, h, w) bool on the work grid.
        distances: (M, h, w) float32 signed, work pixels, negative inside.
        cameras: M cameras of w x h pixels.
        px_per_work_px: size of a work pixel in pixels of the views.
        trusted: (M,) views whose mask is neither dropped nor grown: the input picture's.
        notes: what was left out or cleaned.
    """

    used: tuple[int, ...]
    masks: NDArray[np.bool_]
    distances: NDArray[np.float32]
    cameras: tuple[Camera, ...]
    px_per_work_px: float
    trusted: NDArray[np.bool_]
    notes: tuple[str, ...]

    def grown_distances(self, grow_px: float) -> NDArray[np.float32]:
        """(M, h, w) float32: the distances with all but the trusted masks grown by `grow_px` pixels of the views."""
        grow = np.where(self.trusted, 0, grow_px / self.px_per_work_px).astype(np.float32)
        grown: NDArray[np.float32] = self.distances - grow[:, None, None]
        return grown


def silhouettes_from_views(views: ViewSet, input_view: int | None) -> Silhouettes:
    """Masks cleaned of specks, brought to the work grid, with distances.

    Raises:
        DataError: no alpha, no view with foreground, masks that fill every picture, or all views from one side.
    """
    if views.alphas is None:
        raise DataError(
            "The views have no alpha, and a visual hull is made of silhouettes",
            where="ViewSet.alphas",
            seen="None",
            expected="one soft mask a view",
            next_step="save the views as RGBA pictures, or remove their background first",
        )
    width, height = views.size
    grow = WORK_PX[0] / max(width, height)
    shrink = WORK_PX[1] / max(width, height)
    factor = grow if grow > 1 else min(shrink, 1.0)
    work_width, work_height = max(2, round(width * factor)), max(2, round(height * factor))
    scale = 255.0 if views.alphas.dtype == np.uint8 else 1.0
    used, masks, distances, empty, full, specks = [], [], [], [], [], 0
    for i in range(len(views)):
        alpha, removed = cleaned_mask(np.asarray(views.alphas[i], np.float32) / np.float32(scale))
        specks += removed
        if (alpha >= 0.5).all():
            full.append(i)
            continue
        work = resampled_mask(alpha, work_width, work_height, blur_px=SMALL_MASK_BLUR_PX if factor >= 1 else 0.0)
        if not (work >= 0.5).any():
            empty.append(i)
            continue
        used.append(i)
        masks.append(work >= 0.5)
        distances.append(mask_distance(work))
    _refuse_unusable(views, used, empty, full)
    notes = []
    if empty:
        notes.append(f"views without foreground left out: {_listed(empty)}")
    if full:
        notes.append(f"views whose mask fills the whole picture left out: {_listed(full)}")
    if specks:
        notes.append(f"{specks} speck{'s' * (specks > 1)} or pinhole{'s' * (specks > 1)} removed from the masks")
    cameras = tuple(views.cameras[i].resized(work_width, work_height) for i in used)
    trusted = np.array(used) == (-1 if input_view is None else input_view)
    return Silhouettes(tuple(used), np.stack(masks), np.stack(distances), cameras, 1 / factor, trusted, tuple(notes))


def _refuse_unusable(views: ViewSet, used: list[int], empty: list[int], full: list[int]) -> None:
    count = len(views)
    if not used:
        seen = f"{len(empty)} of {count} masks empty, {len(full)} fill the whole picture"
        what = "No view shows an object" if empty else "No view shows where the object ends"
        raise DataError(
            what,
            where="ViewSet.alphas",
            seen=seen,
            expected="masks with the object inside the picture",
            next_step="look at the alpha channel of the views",
        )
    spread = _spread_deg(np.stack([views.cameras[i].world_from_camera[:3, 2] for i in used]))
    if len(used) < 2 or spread < MIN_SPREAD_DEG:
        raise DataError(
            "The views look from one side only, which leaves the depth open",
            where="ViewSet.cameras",
            seen=f"{len(used)} usable of {count} views, {spread:.1f} degrees apart",
            expected=f"2 views or more with lines of sight at least {MIN_SPREAD_DEG:g} degrees apart",
            next_step="add views from other sides",
        )


def _spread_deg(directions: NDArray[np.float64]) -> float:
    """Largest angle between two lines of sight; opposite views look along the same line."""
    cosines = np.abs(directions @ directions.T)
    return float(np.degrees(np.arccos(np.clip(cosines.min(), 0, 1))))


def _listed(indices: list[int]) -> str:
    return ", ".join(str(i) for i in indices)
