"""What is drawn for an orbit - path, light, turns, exposure - as a function of (uid, orbit, seed) and nothing else.

Every number comes from its own hash, so neither the order of draws nor the version of a random generator matters.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError, Orbit

KINDS = ("static", "dynamic")
CODECS = ("qoi", "png", "webp")


@dataclass(frozen=True)
class OrbitRule:
    """How objects become orbits.

    Attributes:
        kind: "static": equal steps at one elevation; "dynamic": SV3D's wandering path (SV3D App. B).
        size: height of a view, pixels. width: likewise, at least as much; 0 = square.
        num_views: views that are stored; SV3D renders 84 and trains on every fourth from any start.
        orbits_per_object: how often an object is drawn anew.
        elevation_range_deg: of view 0 (SVD paper 4.5).
        normalisation: "unit_box" or "bounding_sphere", applied to all roots of the file together.
        fill: share of the half frame that the object reaches in its widest view, when `radius` is 0.
        radius: camera distance in world units; 0 fits it to each object and path.
        object_yaw_range_deg: the object is turned about +Y before view 0; light_yaw_range_deg: the light likewise.
        lights: names of environments or .hdr files; a repeated name is drawn more often.
        exposure_range_stops: the picture is exposed 2^stops times as long, in linear light.
        supersampling, shading, renderer: as `render_views` takes them.
        codec: "qoi" (lossless, fastest to read), "png", "webp" (quality 95, smallest).
    """

    kind: str = "static"
    size: int = 576
    width: int = 0
    num_views: int = 21
    orbits_per_object: int = 2
    elevation_range_deg: tuple[float, float] = (-5.0, 30.0)
    fov_y_deg: float = 33.8
    normalisation: str = "unit_box"
    fill: float = 0.9
    radius: float = 0.0
    object_yaw_range_deg: tuple[float, float] = (0.0, 360.0)
    light_yaw_range_deg: tuple[float, float] = (0.0, 360.0)
    lights: tuple[str, ...] = ("studio", "sky", "overcast", "sun")
    exposure_range_stops: tuple[float, float] = (-0.5, 0.5)
    supersampling: int = 2
    shading: str = "pbr"
    renderer: str = "raster"
    codec: str = "qoi"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) and isinstance(value, Sequence):
                object.__setattr__(self, field.name, tuple(value))
        ranges = (self.elevation_range_deg, self.object_yaw_range_deg, self.light_yaw_range_deg)
        checks = [
            ("kind", self.kind, self.kind in KINDS, " or ".join(KINDS)),
            ("codec", self.codec, self.codec in CODECS, " or ".join(CODECS)),
            ("normalisation", self.normalisation, self.normalisation in ("unit_box", "bounding_sphere"), "unit_box"),
            ("size", self.size, 8 <= self.size <= 4096, "8 to 4096 pixels"),
            ("width", self.width, self.width == 0 or self.size <= self.width <= 4096, "0, or size to 4096 pixels"),
            ("num_views", self.num_views, 1 <= self.num_views <= 1000, "1 to 1000"),
            ("orbits_per_object", self.orbits_per_object, 1 <= self.orbits_per_object <= 100, "1 to 100"),
            ("fill", self.fill, 0 < self.fill <= 1, "above 0, at most 1"),
            ("radius", self.radius, self.radius >= 0, "0 (fitted) or more"),
            ("lights", self.lights, len(self.lights) > 0, "at least one light"),
            ("elevation_range_deg", self.elevation_range_deg, max(map(abs, ranges[0])) < 90, "-90 to 90"),
            *[("range", pair, pair[0] <= pair[1], "low, high") for pair in (*ranges, self.exposure_range_stops)],
        ]
        for name, seen, good, expected in checks:
            if not good:
                raise ConfigError("A rule of the orbits is out of range", where=name, seen=seen, expected=expected)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a view, pixels."""
        return self.size, self.width or self.size


@dataclass(frozen=True)
class OrbitDraw:
    """What one orbit got. Angles in degrees; `orbit` has radius 1 until it is fitted to the object."""

    light: str
    exposure_stops: float
    object_yaw_deg: float
    light_yaw_deg: float
    orbit: Orbit


def share_of(uid: str, orbit: int, seed: int, what: str) -> float:
    """A number in [0, 1) that belongs to this (uid, orbit, seed) and to the name of the thing drawn."""
    return int.from_bytes(_digest(uid, orbit, seed, what)[:6], "big") / 2**48


def drawn_orbit(uid: str, orbit: int, seed: int, rule: OrbitRule) -> OrbitDraw:
    """Light, exposure, turns and path of the object's orbit number `orbit`. Values are rounded to 1e-4, so that what a
    manifest says is what was rendered."""

    def between(what: str, low: float, high: float) -> float:
        return round(low + share_of(uid, orbit, seed, what) * (high - low), 4)

    elevation = between("elevation", *rule.elevation_range_deg)
    radius = rule.radius or 1.0
    if rule.kind == "static":
        path = Orbit.static(elevation, rule.num_views, radius=radius, fov_y_deg=rule.fov_y_deg)
    else:
        path_seed = int.from_bytes(_digest(uid, orbit, seed, "path")[:4], "big")
        path = Orbit.dynamic(elevation, path_seed, rule.num_views, radius=radius, fov_y_deg=rule.fov_y_deg)
        path = Orbit(path.azimuths_deg.round(4), path.elevations_deg.round(4), radius, rule.fov_y_deg)
    return OrbitDraw(
        light=rule.lights[int(share_of(uid, orbit, seed, "light") * len(rule.lights))],
        exposure_stops=between("exposure", *rule.exposure_range_stops),
        object_yaw_deg=between("object_yaw", *rule.object_yaw_range_deg),
        light_yaw_deg=between("light_yaw", *rule.light_yaw_range_deg),
        orbit=path,
    )


def fitting_radius(points: NDArray[np.floating], orbit: Orbit, fill: float) -> float:
    """The least distance from which all points stay within `fill` of the half frame in every view of the orbit.

    Seen from direction d at distance r, a point p lies at depth r - p.d and at p.s off the axis, s across: it stays
    inside while |p.s| <= fill tan(fov / 2) (r - p.d), which gives r for every point, view and side at once.

    Args:
        points: (P, 3) world units, around the origin.
        orbit: its directions and lens; its radius is not used.
        fill: share of the half frame, in (0, 1].

    Returns:
        World units, rounded up to 1e-4; never inside the sphere around the points.
    """
    slope = fill * math.tan(math.radians(orbit.fov_y_deg) / 2)
    least = 1.02 * float(np.sqrt((points.astype(np.float64) ** 2).sum(1).max()))
    poses = [camera.world_from_camera for camera in orbit.cameras(2, 2)]
    axes = np.stack([pose[:3, :3] for pose in poses])  # columns: right, down, forward
    for start in range(0, len(points), 65536):
        local = np.einsum("pk,vkc->vpc", points[start : start + 65536].astype(np.float64), axes)
        needed = np.abs(local[..., :2]).max(-1) / slope - local[..., 2]
        least = max(least, float(needed.max()))
    return math.ceil(least * 1e4) / 1e4


def turned_about_y(yaw_deg: float) -> NDArray[np.float64]:
    """(4, 4) rotation about +Y, counter-clockwise seen from above: +Z goes to +X at 90 degrees."""
    c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    return np.array([[c, 0, s, 0], [0, 1, 0, 0], [-s, 0, c, 0], [0, 0, 0, 1]])


def _digest(uid: str, orbit: int, seed: int, what: str) -> bytes:
    return hashlib.sha256(f"svdmv-orbit-1\0{seed}\0{orbit}\0{what}\0{uid}".encode()).digest()
