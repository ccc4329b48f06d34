"""Open cavities, which no silhouette shows: found by colours that contradict a lid over them.

A hull closes every bowl and mug with a lid. Colours give it away: from two cameras one place of the lid shows two
places of the wall behind it. The walls tried instead have an even thickness, as thrown, cast and moulded vessels do;
the thickness under which pictures predict each other best is taken. Where no camera looks, that wall is a guess.

Photo-consistency as evidence of shape: K. Kutulakos and S. Seitz, A theory of shape by space carving, IJCV 38(3), 2000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ViewSet
from svdmv.geometry.cameras import projection_matrices
from svdmv.geometry.field import Lattice, redistanced, resampled
from svdmv.geometry.raster import depth_maps, sampled_bilinear
from svdmv.geometry.surface import surface_from_field
from svdmv.reconstruct.sdf_alignment import pooled, pooled_camera

WORK_PX = 128
THICKNESSES = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 17.0)  # lattice steps
FLOORS = (0.25, 0.5, 0.7, 0.8, 0.87, 0.94)  # of the way from the deepest place to the rim, where a filling may end
WORTH = 0.002  # mean colour error over all pixels of the object that walls must take away
LOWERED, LOWERED_SHARE = (2.0, 4.0, 7.0, 11.0, 16.0), 0.7  # lattice steps; of the gain by walls that a lid may reach
FILLED_GAIN = 1.1  # a floor above the wall's own must explain so much more
NEIGHBOURS = 6  # views that a picture is compared with
SOLID = 0.98  # cover from which a pixel's colour is believed
LEAST_DEPTH_STEPS = 2.0  # a pixel tells lid from wall where they lie so far apart
SAME_STEPS = 2.5  # a view shows a place that lies no farther behind its first surface
SEEN_STEPS, SEEN_SHARE = 1.5, 0.4  # of lattice steps, of the wall: how deep in it a place still counts as seen
AROUND_STEPS = 3.0  # of lattice steps: so far beyond the wall nothing moves either where no view looks
LEAST_TILT = 0.05  # sine of the angle from which a camera looks into an opening
LEVEL = 0.94  # cosine of the angle between up and the lattice from which columns stand upright
LEAST_PIXELS, LEAST_GAIN, MOST_LEFT = 80, 0.005, 0.65  # pixels, mean colour error that goes, share of it that may stay
MOST_PARTS = 4

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cavities:
    """field (nx, ny, nz) float32 on the lattice, world units: distance to what is open, negative inside of it.
    unseen (nx, ny, nz) float32: 1 in and before the wall where no view looks, else 0.
    thickness: of the walls, world units. share_left: of the colour contradiction of the lids.
    """

    lattice: Lattice
    field: Float32Array
    unseen: Float32Array
    thickness: float
    share_left: float

    def held(self, lattice: Lattice) -> NDArray[np.bool_]:
        """Points of another lattice around those walls that no view shows: nothing but the guess is known there."""
        spread = resampled(self.unseen[..., None], self.lattice, lattice)[..., 0]
        held: NDArray[np.bool_] = spread > 0.5
        return held

    def carved(self, field: Float32Array, lattice: Lattice) -> Float32Array:
        """`field` of a solid on another lattice with the cavities taken out."""
        opening = resampled(self.field[..., None], self.lattice, lattice)[..., 0]
        carved: Float32Array = np.maximum(field, -opening).astype(np.float32)
        return carved


def cavities_of(
    field: Float32Array, lattice: Lattice, views: ViewSet, used: Sequence[int], up: Float64Array
) -> Cavities | None:
    """Open cavities of a solid whose silhouettes are those of the views; None where colours ask for none.

    Args:
        field: (nx, ny, nz) float32, world units, negative inside.
        views: with alpha. used: indices of those that take part.
        up: (3,) unit vector; cavities open upward or downward.
    """
    axis = int(np.abs(up).argmax())
    if abs(up[axis]) < LEVEL:
        return None
    search = _Search(redistanced(field, lattice.step), lattice, _Witnesses(views, used))
    best: Cavities | None = None
    for side in (1, -1):
        above = [-side * float(views.cameras[i].world_from_camera[:3, 2] @ up) for i in used]
        if max(above) > LEAST_TILT:
            found = search.along(axis, side * int(np.sign(up[axis])))
            best = found if best is None or (found is not None and found.share_left < best.share_left) else best
    return best


@dataclass(frozen=True)
class _Trial:
    """What colours say of one shape against the lid: pixels asked, their summed error before and after."""

    pixels: int
    before: float
    after: float

    @property
    def gain(self) -> float:
        return self.before - self.after

    def convinces(self) -> bool:
        """Enough pixels, and most of their contradiction gone."""
        return (
            self.pixels >= LEAST_PIXELS
            and self.gain >= LEAST_GAIN * self.pixels
            and self.after <= MOST_LEFT * self.before
        )


class _Search:
    """The best wall along one direction."""

    def __init__(self, solid: Float32Array, lattice: Lattice, witnesses: _Witnesses) -> None:
        self.solid, self.lattice, self.witnesses = solid, lattice, witnesses
        self.lid = witnesses.depths(solid, lattice)

    def along(self, axis: int, sign: int) -> Cavities | None:
        step = self.lattice.step
        deepest = -float(self.solid.min()) / step
        tried: list[tuple[float, float, float]] = []  # gain, thickness, floor
        for thickness in (t for t in THICKNESSES if t < deepest):
            tried.append((self._trial(self._opening(axis, sign, thickness, 0.0)).gain, thickness, 0.0))
        if not tried or max(tried)[0] <= 0:
            return None
        for floor in FLOORS:
            thickness = max(tried)[1]
            tried.append((self._trial(self._opening(axis, sign, thickness, floor)).gain, thickness, floor))
        deep = max(row for row in tried if row[2] == 0)
        gain, thickness, floor = max(tried)
        if gain <= FILLED_GAIN * deep[0]:  # what nobody sees is taken for empty
            gain, thickness, floor = deep
        if gain < WORTH * self.witnesses.pixels or self._lowered_gain(axis, sign) > LOWERED_SHARE * gain:
            return None
        for finer in (thickness - 0.5, thickness + 0.5):
            other = self._trial(self._opening(axis, sign, finer, floor)).gain
            gain, thickness = max((gain, thickness), (other, finer))
        return self._convincing(self._opening(axis, sign, thickness, floor), thickness * step)

    def _opening(self, axis: int, sign: int, thickness: float, floor: float) -> Float32Array:
        """What is taken away: all that is deeper than the wall, and the columns above it; negative inside."""
        core = np.moveaxis(self.solid, axis, 0)[::sign] + np.float32(thickness * self.lattice.step)
        columns = np.minimum.accumulate(core, 0)
        if floor > 0:
            levels = np.flatnonzero((core < 0).any((1, 2)))
            rim = np.flatnonzero((np.moveaxis(self.solid, axis, 0)[::sign] < 0).any((1, 2)))[-1]
            height = levels[0] + floor * (rim - levels[0])
            below = (height - np.arange(len(core), dtype=np.float32)) * np.float32(self.lattice.step)
            columns = np.maximum(columns, below[:, None, None])
        return np.ascontiguousarray(np.moveaxis(columns[::sign], 0, axis), np.float32)

    def _lowered_gain(self, axis: int, sign: int) -> float:
        """What a lid without walls explains that only stands too high, as roofs of hulls do."""
        solid = np.moveaxis(self.solid, axis, 0)[::sign]
        heights = np.arange(len(solid), dtype=np.float32)[:, None, None] * np.float32(self.lattice.step)
        top = heights[np.flatnonzero((solid < 0).any((1, 2)))[-1]]
        gains = []
        for steps in LOWERED:
            cut = np.broadcast_to(top - np.float32(steps * self.lattice.step) - heights, solid.shape)
            gains.append(self._trial(np.ascontiguousarray(np.moveaxis(cut[::sign], 0, axis))).gain)
        return max(gains)

    def _trial(self, opening: Float32Array) -> _Trial:
        shape = np.maximum(self.solid, -opening)
        return self.witnesses.trial(self.lid, self.witnesses.depths(shape, self.lattice), self.lattice.step)

    def _convincing(self, opening: Float32Array, thickness: float) -> Cavities | None:
        """The parts of an opening that colours ask for, each by itself."""
        from scipy.ndimage import binary_dilation, label

        labels, _ = label(opening < 0)
        sizes = np.bincount(labels.ravel())[1:]
        kept = np.full(opening.shape, np.float32(np.abs(opening).max()), np.float32)
        before, after = 0.0, 0.0
        for part in 1 + np.argsort(-sizes, kind="stable")[:MOST_PARTS]:
            near = binary_dilation(labels == part, iterations=3) & ((labels == part) | (opening >= 0))
            alone = np.where(near, opening, np.maximum(opening, np.float32(self.lattice.step)))
            trial = self._trial(alone)
            if trial.convinces():
                kept = np.minimum(kept, alone)
                before, after = before + trial.before, after + trial.after
        return (
            Cavities(self.lattice, kept, self._unseen(kept, thickness), thickness, after / before) if before else None
        )

    def _unseen(self, opening: Float32Array, thickness: float) -> Float32Array:
        from svdmv.geometry._raster_kernels import seen_kernel

        inner = np.flatnonzero(opening.reshape(-1) < thickness + AROUND_STEPS * self.lattice.step)
        fronts = self.witnesses.depths(np.maximum(self.solid, -opening), self.lattice)
        seen = np.zeros(len(inner), np.bool_)
        points = np.ascontiguousarray(self.lattice.points().reshape(-1, 3)[inner])
        slack = min(SEEN_STEPS * self.lattice.step, SEEN_SHARE * thickness)
        seen_kernel(points, projection_matrices(self.witnesses.cameras), fronts, slack, True, seen)
        unseen = np.zeros(opening.size, np.float32)
        unseen[inner[~seen]] = 1
        return unseen.reshape(opening.shape)


class _Witnesses:
    """The views, pooled, and who stands near whom."""

    def __init__(self, views: ViewSet, used: Sequence[int]) -> None:
        assert views.alphas is not None
        width, height = views.size
        pool = max(1, round(max(width, height) / WORK_PX))
        wide, high = width // pool, height // pool
        scale = np.float32(255.0 if views.images.dtype == np.uint8 else 1.0)
        size = wide * pool, high * pool
        self.cameras = [pooled_camera(views.cameras[i], *size, pool) for i in used]
        self.pictures = []
        for i in used:
            alpha = np.asarray(views.alphas[i], np.float32)[..., None] / scale
            whole = np.concatenate([np.asarray(views.images[i], np.float32) / scale * alpha, alpha], 2)
            self.pictures.append(pooled(whole, *size, pool))
        self.pixels = sum(int((picture[..., 3] > SOLID).sum()) for picture in self.pictures)
        toward = np.stack([camera.world_from_camera[:3, 2] for camera in self.cameras])
        alike = toward @ toward.T
        np.fill_diagonal(alike, -2)
        self.near = np.argsort(-alike, 1, kind="stable")[:, : min(NEIGHBOURS, len(used) - 1)]

    def depths(self, field: Float32Array, lattice: Lattice) -> Float32Array:
        """(N, H, W) of the surface of a field; inf where nothing is."""
        return depth_maps(*surface_from_field(field, lattice), self.cameras)

    def trial(self, one: Float32Array, two: Float32Array, step: float) -> _Trial:
        """How well views predict each other over surface `one` and over `two` behind it, where both can be asked."""
        pixels, before, after = 0, 0.0, 0.0
        for row in range(len(self.cameras)):
            known = np.isfinite(one[row]) & np.isfinite(two[row]) & (self.pictures[row][..., 3] > SOLID)
            y, x = np.nonzero(known)
            apart = two[row][y, x] - one[row][y, x] > LEAST_DEPTH_STEPS * step
            y, x = y[apart], x[apart]
            first, second = (self._errors(row, depths, y, x, SAME_STEPS * step) for depths in (one, two))
            both = np.isfinite(first) & np.isfinite(second)
            pixels += int(both.sum())
            before, after = before + float(first[both].sum()), after + float(second[both].sum())
        return _Trial(pixels, before, after)

    def _errors(
        self, row: int, depths: Float32Array, y: NDArray[np.intp], x: NDArray[np.intp], slack: float
    ) -> Float64Array:
        """(M,) mean difference in colour to the near views that see the same places; NaN where none does."""
        points = self.cameras[row].unproject(np.stack([x + 0.5, y + 0.5], 1), depths[row][y, x])
        own = self.pictures[row][y, x, :3]
        total, count = np.zeros(len(x)), np.zeros(len(x), np.int64)
        for other in self.near[row]:
            pixels, depth = self.cameras[other].project(points)
            width, height = self.cameras[other].width, self.cameras[other].height
            inside = (depth > 0) & (pixels >= 0).all(1) & (pixels < (width, height)).all(1)
            at = np.where(inside[:, None], pixels, 0).astype(np.int64)
            shown = sampled_bilinear(self.pictures[other], at + (pixels - at) * inside[:, None])
            sees = inside & (np.abs(depths[other][at[:, 1], at[:, 0]] - depth) < slack) & (shown[:, 3] > SOLID)
            total[sees] += np.abs(shown[sees, :3] - own[sees]).mean(1)
            count[sees] += 1
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)
