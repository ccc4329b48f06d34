"""A signed-distance grid with colours, fitted to rays: volume rendering with NeuS weights, coarse to fine.

Source: P. Wang et al., NeuS: learning neural implicit surfaces by volume rendering, NeurIPS 2021, equations 10 to 13;
grid, hand-written gradients, band-limited Adam and energies are this project's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError
from svdmv.geometry.field import Lattice, redistanced, resampled
from svdmv.reconstruct.sdf_rays import Rays

CHUNKS = 4  # gradients of a batch are summed in so many parts, on any machine
SEGMENT = 40  # steps between two looks at where the surface is
BAND = 6.0  # voxels around the surface that move
REACH = 12.0  # voxels around it whose distance is kept true
COLORS_FIRST = 15  # steps of the first level in which only colours change

Float32Array = NDArray[np.float32]
Starter = Callable[[Lattice], Float32Array]
Holder = Callable[[Lattice], NDArray[np.bool_]]
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class FitSettings:
    """How the fit goes.

    Attributes:
        levels: (lattice points along the longest side, steps) from coarse to fine.
        batch: rays a step.
        mask, normals, depths: weights of the terms beside colour.
        eikonal, area, plate: weights of the energies that keep the field a distance, the surface small, and smooth.
        rate, color_rate: steps of Adam; `rate` in voxels.
        sharpness: width of the rendered surface at the start and end of a level, voxels.
        average: share of the last level's steps whose mean is the result.
        seed: of the choice of rays.
    """

    levels: tuple[tuple[int, int], ...] = ((48, 120), (80, 120), (128, 100))
    batch: int = 8192
    mask: float = 4.0
    normals: float = 0.3
    depths: float = 0.3
    eikonal: float = 10.0
    area: float = 5.0
    plate: float = 5.0
    rate: float = 0.15
    color_rate: float = 0.05
    sharpness: tuple[float, float] = (0.25, 0.12)
    average: float = 0.3
    seed: int = 0

    def check(self) -> None:
        """Raise ConfigError where a value is out of range."""
        rows: list[tuple[str, Any, float, float]] = [
            ("batch", self.batch, 1, 1e6),
            ("rate", self.rate, 0, 1),
            ("color_rate", self.color_rate, 0, 1),
            ("average", self.average, 0, 1),
        ]
        rows += [(name, getattr(self, name), 0, 1e4) for name in ("mask", "normals", "depths")]
        rows += [(name, getattr(self, name), 0, 1e4) for name in ("eikonal", "area", "plate")]
        pair = self.sharpness if isinstance(self.sharpness, tuple | list) else (self.sharpness,)
        rows += [("sharpness", value if len(pair) == 2 else None, 0.02, 3) for value in pair]
        for name, value, low, high in rows:
            if not (isinstance(value, int | float) and low <= value <= high):
                raise ConfigError(
                    f"The fit's {name} is out of range", where=name, seen=value, expected=f"{low:g} .. {high:g}"
                )


@dataclass(frozen=True, eq=False)
class FittedField:
    """phi (nx, ny, nz) float32, world units, negative inside; colors (nx, ny, nz, 3) float32 sRGB in [0, 1]."""

    lattice: Lattice
    phi: Float32Array
    colors: Float32Array


@dataclass(eq=False)
class FitState:
    """A fit that can be stopped between segments and continued to the same bits.

    Attributes:
        level, segment: what comes next.
        now: the field so far; None before the first level.
        losses: mean colour and mask terms at the end of each segment done.
    """

    level: int = 0
    segment: int = 0
    now: FittedField | None = None
    losses: list[tuple[float, float]] = field(default_factory=list)


def segments_of(steps: int) -> list[int]:
    """Lengths of a level's segments."""
    return [min(SEGMENT, steps - at) for at in range(0, steps, SEGMENT)]


def fit_field(
    rays: Rays,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    start: Starter,
    settings: FitSettings,
    *,
    view_weights: NDArray[np.floating] | None = None,
    state: FitState | None = None,
    keep: Callable[[FitState], None] | None = None,
    report: Report | None = None,
    device: str = "cpu",
    held: Holder | None = None,
) -> FittedField:
    """Fit a field to rays.

    Args:
        low, high: (3,) box around the object, world units.
        start: lattice -> field (nx, ny, nz), called once for the first level.
        view_weights: (N,) how much each view counts; None = all alike.
        state: where to go on; None = from the start.
        keep: called with the state after each segment.
        report: called with ("fit", done, total) in steps.
        device: "cpu" = the compiled loops; "cuda", "mps" or another of torch's = torch.
        held: lattice -> (nx, ny, nz) bool, voxels that stay as they begin; None = none.
    """
    state = state or FitState()
    weights = np.ones(len(rays.eyes)) if view_weights is None else np.asarray(view_weights, np.float64)
    total = sum(steps for _, steps in settings.levels)
    for level in range(state.level, len(settings.levels)):
        points, steps = settings.levels[level]
        lattice = Lattice.around(low, high, points)
        if state.segment == 0:
            state.now = _on_level(state.now, lattice, start)
        assert state.now is not None
        fitter = _Fitter(rays, state.now, settings, weights, device, held)
        lengths = segments_of(steps)
        for segment in range(state.segment, len(lengths)):
            done = sum(s for _, s in settings.levels[:level]) + sum(lengths[:segment])
            if report is not None:
                report("fit", done, total)
            first = sum(lengths[:segment])
            last_level = level == len(settings.levels) - 1
            loss = fitter.run(level, segment, first, lengths[segment], steps, averaging=last_level)
            state.losses.append(loss)
            state.level, state.segment = level, segment + 1
            if keep is not None:
                keep(state)
        state.level, state.segment = level + 1, 0
    if report is not None:
        report("fit", total, total)
    assert state.now is not None
    return state.now


def _on_level(before: FittedField | None, lattice: Lattice, start: Starter) -> FittedField:
    if before is None:
        phi = np.ascontiguousarray(start(lattice), np.float32)
        return FittedField(lattice, phi, np.full((*lattice.shape, 3), 0.5, np.float32))
    phi = resampled(before.phi[..., None], before.lattice, lattice)[..., 0]
    return FittedField(lattice, np.ascontiguousarray(phi), resampled(before.colors, before.lattice, lattice))


class _Fitter:
    """One level: arrays of one lattice. Works in place on the field it is given."""

    def __init__(
        self,
        rays: Rays,
        now: FittedField,
        settings: FitSettings,
        weights: NDArray[np.float64],
        device: str,
        held: Holder | None,
    ) -> None:
        self.rays, self.settings, self.lattice = rays, settings, now.lattice
        self.h = now.lattice.step
        self.phi, self.colors = now.phi.reshape(-1), now.colors.reshape(-1, 3)
        self.eyes = (rays.eyes - np.array(now.lattice.low)) / self.h
        self.depth = rays.depth / np.float32(self.h)
        self.weights = weights
        s = settings
        self.terms = (s.mask, s.normals if rays.has_normals else 0.0, s.depths if rays.has_depths else 0.0)
        self.energies = (s.eikonal, s.area, s.plate)
        self.device = device
        self.bend = np.zeros(self.phi.size, np.float32)
        self.free = np.ones(self.phi.size, np.bool_) if held is None else ~held(now.lattice).reshape(-1)

    def run(
        self, level: int, segment: int, first: int, length: int, steps: int, *, averaging: bool
    ) -> tuple[float, float]:
        from svdmv.reconstruct import _sdf_kernels as kernels

        shape, s = self.lattice.shape, self.settings
        reach = np.inf if segment == 0 else REACH * self.h
        self.phi[:] = redistanced(self.phi.reshape(shape), self.h, reach).reshape(-1)
        rows = np.flatnonzero((np.abs(self.phi) < BAND * self.h) & self.free)
        active = np.full(self.phi.size, -1, np.int32)
        active[rows] = np.arange(len(rows), dtype=np.int32)
        if self.device != "cpu":
            return self._run_torch(rows, level, segment, first, length, steps, averaging)
        gradient = np.zeros((CHUNKS, len(rows), 4), np.float32)
        moments = np.zeros((2, len(rows), 4), np.float32)
        extra, loss = np.zeros(len(rows), np.float32), np.zeros((CHUNKS, 4))
        self.bend[:] = 0
        mean, averaged = np.zeros(len(rows)), 0
        plan = self._plan(level, segment, first, length, steps, averaging)
        for k, (chosen, sharpness, rate, counts) in enumerate(plan):
            kernels.rays_kernel(
                self.phi, self.colors, active, shape, self.eyes, self.h, self.rays.view, self.rays.direction,
                self.rays.target, self.rays.normal, self.depth, self.weights, chosen, sharpness, self.terms, gradient,
                loss,
            )  # fmt: skip
            kernels.regularise_kernel(self.phi, rows, shape, self.h, self.energies, self.bend, extra)
            kernels.step_kernel(self.phi, self.colors, rows, gradient, extra, moments, k + 1, rate, s.color_rate)
            if counts:
                mean += self.phi[rows]
                averaged += 1
        if averaged:
            self.phi[rows] = mean / averaged
        sums = loss.sum(0) / s.batch
        return float(sums[0]), float(sums[1])

    def _run_torch(
        self, rows: NDArray[np.int64], level: int, segment: int, first: int, length: int, steps: int, averaging: bool
    ) -> tuple[float, float]:
        from svdmv.reconstruct.sdf_torch import TorchGrid, run_segment

        shape = self.lattice.shape
        phi, colors = self.phi.reshape(shape), self.colors.reshape(*shape, 3)
        grid = TorchGrid(self.lattice, phi, colors, self.rays, self.weights, self.device)
        plan = self._plan(level, segment, first, length, steps, averaging)
        sums, self.phi[:], self.colors[:] = run_segment(
            grid, rows, plan, self.terms, self.energies, self.settings.color_rate
        )
        return float(sums[0]), float(sums[1])

    def _plan(
        self, level: int, segment: int, first: int, length: int, steps: int, averaging: bool
    ) -> Iterator[tuple[NDArray[np.int64], float, float, bool]]:
        """Rays, sharpness, rate of the field and whether it counts in the mean, of each step of a segment."""
        s = self.settings
        begin_mean = max(steps * (1 - s.average), first) if averaging and s.average > 0 else np.inf
        for k, chosen in enumerate(self._batches(level, segment, length)):
            x = (first + k) / max(steps - 1, 1)
            width = s.sharpness[0] * (s.sharpness[1] / s.sharpness[0]) ** x * self.h
            held = level == 0 and first + k < COLORS_FIRST
            rate = 0.0 if held else s.rate * self.h * (1 - 0.7 * x)
            yield chosen, 1 / width, rate, first + k >= begin_mean

    def _batches(self, level: int, segment: int, length: int) -> Iterator[NDArray[np.int64]]:
        """Rays without repetition until all have had their turn; from a seed of the segment alone."""
        rng = np.random.default_rng([self.settings.seed, level, segment])
        count, batch = len(self.rays.view), self.settings.batch
        order, at = rng.permutation(count), 0
        for _ in range(length):
            if at + batch > count:
                order, at = rng.permutation(count) if count >= batch else rng.integers(0, count, batch), 0
            yield order[at : at + batch]
            at += batch
