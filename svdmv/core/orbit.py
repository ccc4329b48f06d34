"""An orbit: where the cameras stand around the object. Azimuth counter-clockwise from above, elevation up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from svdmv.core.arrays import checked_array
from svdmv.core.camera import Camera, Float64Array
from svdmv.core.errors import DataError

DEFAULT_FOV_Y_DEG = 33.8  # SV3D App. B
DEFAULT_NUM_VIEWS = 21  # SVD paper 4.5
UNIT_BOX_RADIUS = math.sqrt(3) / 2 / math.sin(math.radians(DEFAULT_FOV_Y_DEG) / 2)  # the ball around a unit cube fits


@dataclass(frozen=True, eq=False)
class Orbit:
    """Camera positions on a sphere around the origin, view 0 first.

    Attributes:
        azimuths_deg: (N,) float64 degrees, relative to the input view, counter-clockwise seen from above
            (the camera goes to its own right): 0 = +Z, 90 = +X.
        elevations_deg: (N,) float64 degrees, absolute, positive = camera above; strictly between -90 and 90.
        radius: distance from the origin, world units.
        fov_y_deg: vertical field of view, degrees.

    Raises:
        DataError: lengths differ, an elevation reaches a pole, radius or field of view out of range.
    """

    azimuths_deg: Float64Array
    elevations_deg: Float64Array
    radius: float = UNIT_BOX_RADIUS
    fov_y_deg: float = DEFAULT_FOV_Y_DEG

    def __post_init__(self) -> None:
        azimuths = checked_array(self.azimuths_deg, "Orbit.azimuths_deg", (None,), np.float64)
        object.__setattr__(self, "azimuths_deg", azimuths)
        elevations = checked_array(self.elevations_deg, "Orbit.elevations_deg", (len(azimuths),), np.float64)
        object.__setattr__(self, "elevations_deg", elevations)
        if len(azimuths) == 0:
            raise DataError("An orbit needs at least one view", where="Orbit", seen="0 views", expected="1 or more")
        if np.abs(elevations).max() >= 90:
            raise DataError(
                "An orbit cannot stand on a pole",
                where="Orbit.elevations_deg",
                seen=f"{elevations[np.abs(elevations).argmax()]:g} degrees",
                expected="elevations between -90 and 90, both excluded",
            )
        if not (self.radius > 0 and math.isfinite(self.radius) and 0 < self.fov_y_deg < 180):
            raise DataError(
                "Orbit radius or field of view is out of range",
                where="Orbit",
                seen=f"radius {self.radius}, fov {self.fov_y_deg}",
                expected="radius > 0, 0 < fov < 180",
            )

    @classmethod
    def static(
        cls,
        elevation_deg: float,
        num_views: int = DEFAULT_NUM_VIEWS,
        *,
        radius: float = UNIT_BOX_RADIUS,
        fov_y_deg: float = DEFAULT_FOV_Y_DEG,
        start_deg: float = 0.0,
    ) -> Self:
        """SVD-MV's orbit: equal steps of 360/N, one elevation, view 0 = the input view (SVD paper 4.5)."""
        azimuths = start_deg + np.arange(num_views, dtype=np.float64) * (360.0 / max(num_views, 1))
        return cls(azimuths, np.full(num_views, float(elevation_deg)), radius, fov_y_deg)

    @classmethod
    def sine(
        cls,
        elevation_deg: float,
        amplitude_deg: float = 30.0,
        num_views: int = DEFAULT_NUM_VIEWS,
        *,
        radius: float = UNIT_BOX_RADIUS,
        fov_y_deg: float = DEFAULT_FOV_Y_DEG,
    ) -> Self:
        """Equal azimuth steps, elevation swings once around the start: e + A sin(azimuth) (SV3D Table 8, Sine-30)."""
        azimuths = np.arange(num_views, dtype=np.float64) * (360.0 / max(num_views, 1))
        elevations = np.asarray(elevation_deg + amplitude_deg * np.sin(np.radians(azimuths)), np.float64)
        return cls(azimuths, elevations.clip(-89, 89), radius, fov_y_deg)

    @classmethod
    def dynamic(
        cls,
        elevation_deg: float,
        seed: int,
        num_views: int = DEFAULT_NUM_VIEWS,
        *,
        radius: float = UNIT_BOX_RADIUS,
        fov_y_deg: float = DEFAULT_FOV_Y_DEG,
    ) -> Self:
        """Random path that closes on the input view: azimuth noise, elevation a sum of sinusoids with whole periods
        1..5, amplitude 0.5..10 degrees and random phase, clipped at 89 (SV3D App. B). View 0 is exactly the input view.
        """
        rng = np.random.default_rng(seed)
        step = 360.0 / max(num_views, 1)
        base = np.arange(num_views) * step
        azimuths = base + np.concatenate([[0.0], rng.uniform(-0.5, 0.5, num_views - 1) * step])
        periods = np.arange(1, 6)
        amplitudes, phases = rng.uniform(0.5, 10.0, 5), rng.uniform(0, 2 * np.pi, 5)
        wave = (amplitudes[:, None] * np.sin(np.radians(base)[None] * periods[:, None] + phases[:, None])).sum(0)
        elevations = np.asarray(elevation_deg + wave - wave[0], np.float64)
        return cls(azimuths, elevations.clip(-89, 89), radius, fov_y_deg)

    @property
    def num_views(self) -> int:
        """How many cameras."""
        return len(self.azimuths_deg)

    @property
    def is_static(self) -> bool:
        """True when all views share one elevation and the azimuth steps are equal."""
        steps = np.diff(self.azimuths_deg)
        return bool(np.ptp(self.elevations_deg) < 1e-9 and (len(steps) == 0 or np.ptp(steps) < 1e-6))

    def positions(self) -> Float64Array:
        """(N, 3) float64 eyes: radius * (cos e sin a, sin e, cos e cos a)."""
        a, e = np.radians(self.azimuths_deg), np.radians(self.elevations_deg)
        return self.radius * np.stack([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)], 1)

    def cameras(self, width: int, height: int) -> tuple[Camera, ...]:
        """One camera a view, looking at the origin without roll."""
        return tuple(Camera.looking_at(p, (0, 0, 0), self.fov_y_deg, width, height) for p in self.positions())

    def subset(self, indices: list[int]) -> Self:
        """The orbit of some of its views, in the order given."""
        return type(self)(self.azimuths_deg[indices], self.elevations_deg[indices], self.radius, self.fov_y_deg)
