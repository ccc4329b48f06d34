"""Light from far away: latitude-longitude maps, made by formula or read from .hdr and .exr files.

Convention: row 0 is straight up (+Y); u = 0.5 + atan2(z, x) / (2 pi) and v = acos(y) / pi give the place of a world
direction in [0, 1]^2. The middle of the map looks along +X, and u grows to the right for an eye inside. It equals
Blender's after its glTF import, which turns (x, y, z) into (x, -z, y). Values are linear RGB radiance.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import InputError
from svdmv.render.light_files import read_exr, read_hdr

MAP_HEIGHT = 256
Floats = NDArray[np.float32]


def map_directions(height: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit directions (height, 2 height, 3) of a map's pixel centres and their solid angles (height, 2 height)."""
    elevation = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    longitude = ((np.arange(2 * height) + 0.5) / (2 * height) - 0.5) * 2 * np.pi
    flat = np.cos(elevation)[:, None]
    directions = np.stack(
        np.broadcast_arrays(flat * np.cos(longitude), np.sin(elevation)[:, None], flat * np.sin(longitude)), -1
    )
    edges = np.sin((0.5 - np.arange(height + 1) / height) * np.pi)
    solid = (edges[:-1] - edges[1:]) * (np.pi / height)
    return directions, np.broadcast_to(solid[:, None], (height, 2 * height))


def irradiance_over_pi(environment: Floats, normals: NDArray[Any]) -> NDArray[np.float64]:
    """(N, 3) what a white matte point with each of the normals (N, 3) sends back when nothing stands in the way."""
    height = 64
    small = resampled(environment, height).reshape(-1, 3)
    directions, solid = map_directions(height)
    cosines = np.maximum(np.asarray(normals, np.float64) @ directions.reshape(-1, 3).T, 0) * solid.reshape(-1)
    result: NDArray[np.float64] = cosines @ small / cosines.sum(1, keepdims=True)
    return result


def resampled(image: NDArray[Any], height: int) -> Floats:
    """A map of any size, brought to (height, 2 height, 3) by exact area averages."""
    out = np.asarray(image, np.float64)
    for axis, target in ((0, height), (1, 2 * height)):
        size = out.shape[axis]
        if size == target:
            continue
        total = np.concatenate([np.zeros_like(out.take([0], axis)), np.cumsum(out, axis)], axis)
        edges = np.arange(target + 1) * (size / target)
        lower = np.minimum(edges.astype(np.int64), size - 1)
        shape = [1, 1, 1]
        shape[axis] = target + 1
        part = (edges - lower).reshape(shape)
        at_edges = total.take(lower, axis) * (1 - part) + total.take(lower + 1, axis) * part
        out = np.diff(at_edges, axis=axis) * (target / size)
    return np.ascontiguousarray(out, np.float32)


def _soft_box(directions: NDArray[np.float64], azimuth_deg: float, elevation_deg: float, size_deg: float) -> Any:
    """A round light with a soft rim: 1 inside, 0 outside `size_deg` (radius); azimuth as in Orbit (0 = +Z, 90 = +X)."""
    a, e = np.radians(azimuth_deg), np.radians(elevation_deg)
    centre = np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
    angle = np.degrees(np.arccos(np.clip(directions @ centre, -1, 1)))
    t = np.clip((size_deg - angle) / (0.3 * size_deg), 0, 1)
    return (t * t * (3 - 2 * t))[..., None]


def _studio(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bright even room: a large soft box above in front, fills at both sides and behind, a floor that gives back."""
    up = d[..., 1:2]
    room = 0.62 + 0.08 * np.clip(up, 0, 1) - 0.05 * np.clip(-up, 0, 1)
    light = 1.45 * _soft_box(d, -25, 48, 38) + 0.7 * _soft_box(d, 75, 25, 30) + 0.55 * _soft_box(d, 180, 40, 34)
    return np.asarray((room + light) * np.array([1.0, 0.995, 0.985]))


def _sky(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clear sky with a large hazy sun over a light ground."""
    up = d[..., 1:2]
    sky = np.array([0.62, 0.78, 1.0]) * (0.75 + 0.5 * (1 - np.clip(up, 0, 1)) ** 3)
    ground = np.array([0.42, 0.39, 0.35]) * (1 + 0.2 * np.clip(-up, 0, 1))
    blend = np.clip(up * 12 + 0.5, 0, 1)
    return np.asarray(sky * blend + ground * (1 - blend) + 6.0 * np.array([1.0, 0.92, 0.8]) * _soft_box(d, 35, 50, 18))


def _overcast(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard overcast sky (CIE 1955): luminance (1 + 2 sin elevation) / 3, over a grey ground."""
    up = d[..., 1:2]
    blend = np.clip(up * 12 + 0.5, 0, 1)
    return np.asarray(np.ones(3) * ((1 + 2 * np.clip(up, 0, 1)) / 3 * blend + 0.45 * (1 - blend)))


def _sun(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """Low warm sun from the left front, blue shade: hard shadows."""
    up = d[..., 1:2]
    room = np.array([0.30, 0.36, 0.46]) * (0.9 + 0.5 * np.clip(up, -0.6, 1))
    return np.asarray(room + 150.0 * np.array([1.0, 0.88, 0.7]) * _soft_box(d, -40, 38, 4.5))


def _uniform(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same white from everywhere: ambient occlusion only."""
    return np.ones_like(d)


WHITE_LEVEL_LINEAR = 0.69  # what a white matte ball shows on average: 0.85 after the sRGB curve
ENVIRONMENTS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "studio": _studio,
    "sky": _sky,
    "overcast": _overcast,
    "sun": _sun,
    "uniform": _uniform,
}


def environment_map(light: str | Path | NDArray[Any]) -> Floats:
    """The map (H, 2H, 3) float32, linear radiance, of a name in ENVIRONMENTS, a file, or an array of that form.

    Maps made by name are scaled so that a white matte ball shows WHITE_LEVEL_LINEAR on average.

    Raises:
        InputError: no such name or file, or the array is not such a map.
        MissingDependency: a .exr file, and OpenEXR is not installed.
    """
    if isinstance(light, np.ndarray):
        if light.ndim != 3 or light.shape[2] != 3 or not np.isfinite(light).all() or light.min() < 0:
            raise InputError(
                "This is not a light map",
                where="light",
                seen=f"shape {light.shape}",
                expected="(H, W, 3) finite linear radiance, not negative",
            )
        return np.ascontiguousarray(light, np.float32)
    if str(light) in ENVIRONMENTS:
        directions, solid = map_directions(MAP_HEIGHT)
        radiance = ENVIRONMENTS[str(light)](directions)
        mean = (radiance.mean(2) * solid).sum() / solid.sum()
        return np.asarray(radiance * (WHITE_LEVEL_LINEAR / mean), np.float32)
    reader = {".hdr": read_hdr, ".exr": read_exr}.get(Path(light).suffix.lower())
    if reader is None:
        raise InputError(
            "Unknown light",
            where="light",
            seen=light,
            expected="one of " + ", ".join(ENVIRONMENTS) + ", or a .hdr or .exr file",
        )
    return reader(Path(light))
