"""Closed surfaces that procedural shapes are put together from: turned, swept, extruded, rounded.

Axes as everywhere: +Y up, +Z to the front, lengths in units of the shape (it is normalised later). Texture coordinates
have their origin at the top left; round forms show u = 0.5 to the front and u grows to the viewer's right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from svdmv.dataset.procedural.paints import Paint

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """A surface with one paint: vertices (V, 3), faces (F, 3) counter-clockwise from outside, uvs (V, 2)."""

    vertices: Points
    faces: NDArray[np.int64]
    uvs: Points
    paint: Paint | None = None

    def painted(self, paint: Paint) -> Part:
        """The same surface under another paint."""
        return replace(self, paint=paint)

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Part:
        """Shifted."""
        return replace(self, vertices=self.vertices + np.array([x, y, z]))

    def scaled(self, x: float, y: float | None = None, z: float | None = None) -> Part:
        """Stretched along the axes by positive factors; one factor stands for all three."""
        factors = np.array([x, x if y is None else y, x if z is None else z])
        return replace(self, vertices=self.vertices * factors)

    def turned(self, axis: str, degrees: float) -> Part:
        """Turned counter-clockwise around the x, y or z axis (seen from its positive end)."""
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        matrix = np.eye(3)
        matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
        return replace(self, vertices=self.vertices @ matrix.T)

    def mirrored(self) -> Part:
        """The other hand of it: x turned into -x."""
        return replace(self, vertices=self.vertices * np.array([-1.0, 1, 1]), faces=self.faces[:, ::-1])

    def bent(self, curve: Any) -> Part:
        """Every vertex moved by `curve`, a function of (V, 3) to (V, 3) that keeps insides inside."""
        return replace(self, vertices=np.asarray(curve(self.vertices), np.float64))


def both_sides(part: Part) -> list[Part]:
    """A part and its mirror image."""
    return [part, part.mirrored()]


def grid_surface(points: Points, uvs: Points) -> Part:
    """Faces over a grid (N, M, 3), outside where rows x columns turn right-handed; faces without area are left out."""
    n, m = points.shape[:2]
    index = np.arange(n * m).reshape(n, m)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    flat = points.reshape(-1, 3)
    corners = flat[faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return Part(flat, faces[areas > 1e-12], uvs.reshape(-1, 2))


def lathe(profile: ArrayLike, segments: int = 40, *, smooth: int = 0) -> Part:
    """Turned around +Y. profile: (N, 2) radius and height, from the bottom up on the outside (and down again inside).

    smooth: rounds of corner cutting on the profile (Chaikin 1974), end points kept.
    """
    line = np.asarray(profile, np.float64)
    for _ in range(smooth):
        inner = np.stack([0.75 * line[:-1] + 0.25 * line[1:], 0.25 * line[:-1] + 0.75 * line[1:]], 1).reshape(-1, 2)
        line = np.concatenate([line[:1], inner, line[-1:]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    azimuth = np.linspace(-np.pi, np.pi, segments + 1)
    sine, cosine = np.sin(azimuth), np.cos(azimuth)
    sine[[0, -1]], cosine[[0, -1]] = 0.0, -1.0  # the seam closes exactly
    r, y = line[:, :1], line[:, 1:]
    points = np.stack([r * sine, np.broadcast_to(y, (len(line), segments + 1)), r * cosine], -1)
    u = np.broadcast_to(np.arange(segments + 1) / segments, points.shape[:2])
    v = np.broadcast_to((1 - length / length[-1])[:, None], points.shape[:2])
    return grid_surface(points, np.stack([u, v], -1))


def superquadric(
    x: float, y: float, z: float, *, north: float = 1.0, east: float = 1.0, segments: int = 28, rings: int = 16
) -> Part:
    """Half axes x, y, z. Exponents: 1 round, towards 0 square, 2 diamond, above pinched (Barr 1981)."""
    el = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)[:, None]
    az = np.linspace(-np.pi, np.pi, segments + 1)[None]

    def power(value: Any, exponent: float) -> Any:
        value = np.where(np.abs(value) < 1e-12, 0, value)
        return np.sign(value) * np.abs(value) ** exponent

    c, s = power(np.cos(el), north), power(np.sin(el), north)
    points = np.stack(np.broadcast_arrays(x * c * power(np.sin(az), east), y * s, z * c * power(np.cos(az), east)), -1)
    u = np.broadcast_to(np.arange(segments + 1) / segments, points.shape[:2])
    v = np.broadcast_to((1 - np.arange(rings + 1) / rings)[:, None], points.shape[:2])
    return grid_surface(points, np.stack([u, v], -1))


def ball(radius: float, segments: int = 24, rings: int = 14) -> Part:
    """A sphere."""
    return superquadric(radius, radius, radius, segments=segments, rings=rings)


def tube(path: ArrayLike, radii: ArrayLike, *, segments: int = 14, flat: float = 1.0, round_ends: bool = True) -> Part:
    """Swept round section along path (N, 3) with radii (N,) or one; `flat` squeezes the section sideways."""
    line = np.asarray(path, np.float64)
    r = np.broadcast_to(np.asarray(radii, np.float64), (len(line),))
    tangents = np.gradient(line, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    if round_ends:
        angle = np.radians([0, 25, 50, 72])
        start = line[0] - tangents[0] * (r[0] * np.cos(angle))[:, None]
        end = line[-1] + tangents[-1] * (r[-1] * np.cos(angle))[::-1, None]
        line = np.concatenate([start, line, end])
        r = np.concatenate([r[0] * np.sin(angle), r, (r[-1] * np.sin(angle))[::-1]])
        tangents = np.concatenate([np.repeat(tangents[:1], 4, 0), tangents, np.repeat(tangents[-1:], 4, 0)])
    else:
        line = np.concatenate([line[:1], line, line[-1:]])
        r = np.concatenate([[0], r, [0]])
        tangents = np.concatenate([tangents[:1], tangents, tangents[-1:]])
    helper = np.eye(3)[np.argmin(np.abs(tangents[0]))]
    side = np.cross(helper, tangents[0])
    angles = np.linspace(0, 2 * np.pi, segments + 1)
    cosine, sine = np.cos(angles), np.sin(angles)
    cosine[-1], sine[-1] = cosine[0], sine[0]
    rings = []
    for point, tangent, radius in zip(line, tangents, r, strict=True):
        side = side - tangent * (side @ tangent)
        side /= np.linalg.norm(side)
        other = np.cross(tangent, side)
        rings.append(point + radius * (side * cosine[:, None] + other * sine[:, None] * flat))
    u = np.broadcast_to(np.arange(segments + 1) / segments, (len(line), segments + 1))
    v = np.broadcast_to((1 - np.arange(len(line)) / (len(line) - 1))[:, None], u.shape)
    return grid_surface(np.stack(rings), np.stack([u, v], -1))


def limb(start: ArrayLike, end: ArrayLike, start_radius: float, end_radius: float, *, segments: int = 14) -> Part:
    """A rounded stick from start to end."""
    t = np.linspace(0, 1, 5)[:, None]
    path = np.asarray(start, np.float64) * (1 - t) + np.asarray(end, np.float64) * t
    return tube(path, np.linspace(start_radius, end_radius, 5), segments=segments)


def arc(
    centre: ArrayLike, radius_1: float, radius_2: float, start_deg: float, end_deg: float, count: int = 14
) -> Points:
    """Points (count, 3) of an ellipse in the x-y plane around centre."""
    a = np.radians(np.linspace(start_deg, end_deg, count))
    return np.asarray(centre, np.float64) + np.stack([radius_1 * np.cos(a), radius_2 * np.sin(a), np.zeros(count)], 1)


BOX_CELLS = {"front": (0, 0), "right": (1, 0), "back": (2, 0), "left": (0, 1), "top": (1, 1), "bottom": (2, 1)}
_BOX_AXES = {
    "front": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "right": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    "back": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "left": ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
    "top": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "bottom": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
}  # right, up, outward, seen from outside


def rounded_box(x: float, y: float, z: float, corner: float = 0.05, *, top: tuple[float, float] = (1.0, 1.0)) -> Part:
    """Half sizes x, y, z, corner radius, and the scale (x, z) of the top against the bottom (1 = upright).

    Texture: 3 x 2 cells (BOX_CELLS: column, row), each one side upright as seen from outside.
    """
    half = np.array([x, y, z], np.float64)
    r = min(corner, 0.98 * half.min())
    inner = half - r
    turns = np.tan(np.radians([45.0, 30.0, 15.0, 0.0]))
    parts = []
    for name, (right, up, out) in _BOX_AXES.items():
        frame = np.array([right, up, out], np.float64)
        size = np.abs(frame @ inner)
        s, t = (np.concatenate([-size[k] - r * turns, size[k] + r * turns[::-1]]) for k in range(2))
        grid = np.stack(np.broadcast_arrays(s[None, :], t[:, None], size[2] + r), -1)
        core = np.clip(grid, -size, size)
        away = grid - core
        local = core + r * away / np.linalg.norm(away, axis=-1, keepdims=True)
        column, row = BOX_CELLS[name]
        full = size[:2] + r
        u = (column + 0.5 + 0.485 * (local[..., 0] / full[0])) / 3
        v = (row + 0.5 - 0.485 * (local[..., 1] / full[1])) / 2
        parts.append(grid_surface(local @ frame, np.stack([u, v], -1)))
    box = joined(parts)
    share = (box.vertices[:, 1:2] / half[1] + 1) / 2
    factors = np.hstack([1 + (top[0] - 1) * share, np.ones_like(share), 1 + (top[1] - 1) * share])
    return replace(box, vertices=box.vertices * factors)


def extruded(outline: ArrayLike, depth: float, bevel: float = 0.02) -> Part:
    """An outline (N, 2) in x-y without holes, either way round, given thickness along z with a bevelled rim.

    Texture: the front fills u 0 .. 0.45, the back 0.5 .. 0.95 (upright seen from behind), the rim the rest.
    """
    line = np.asarray(outline, np.float64)
    x, y = line.T
    if (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() < 0:
        line = line[::-1]
    low, size = line.min(0), np.ptp(line, axis=0)
    before, after = np.roll(line, 1, 0), np.roll(line, -1, 0)

    def normal(edge: Points) -> Points:
        length = np.maximum(np.linalg.norm(edge, axis=1, keepdims=True), 1e-12)
        return np.asarray(np.stack([edge[:, 1], -edge[:, 0]], 1) / length)

    outward = normal(line - before) + normal(after - line)
    outward /= np.maximum((outward**2).sum(1, keepdims=True) / 2, 0.35)
    inset = line - bevel * outward
    triangles = ear_clipped(inset)
    h = depth / 2

    def cap(sign: float) -> Part:
        place = (inset - low) / size
        u = 0.45 * place[:, 0] if sign > 0 else 0.95 - 0.45 * place[:, 0]
        points = np.column_stack([inset, np.full(len(inset), sign * h)])
        return Part(points, triangles if sign > 0 else triangles[:, ::-1], np.column_stack([u, 1 - place[:, 1]]))

    rings = [(inset, -h), (line, -h + bevel), (line, h - bevel), (inset, h)]
    points = np.stack([np.column_stack([ring, np.full(len(ring), z)]) for ring, z in rings], 0)
    points = np.concatenate([points, points[:, :1]], 1)
    u, v = np.broadcast_to([[0.96], [0.97], [0.98], [0.99]], points.shape[:2]), np.full(points.shape[:2], 0.5)
    return joined([cap(1.0), cap(-1.0), grid_surface(points, np.stack([u, v], -1))])


def ear_clipped(outline: Points) -> NDArray[np.int64]:
    """Triangles (N - 2, 3) of a simple counter-clockwise polygon (N, 2), by cutting ears (Meisters 1975)."""
    left = list(range(len(outline)))
    triangles: list[list[int]] = []

    def cross(o: int, a: int, b: int) -> float:
        p, q = outline[a] - outline[o], outline[b] - outline[o]
        return float(p[0] * q[1] - p[1] * q[0])

    def is_ear(i: int, j: int, k: int) -> bool:
        if cross(i, j, k) <= 0:
            return False
        others = (p for p in left if p not in (i, j, k))
        return not any(cross(i, j, p) >= 0 and cross(j, k, p) >= 0 and cross(k, i, p) >= 0 for p in others)

    while len(left) > 3:
        corners = [[left[n - 1], left[n], left[(n + 1) % len(left)]] for n in range(len(left))]
        ear = next((n for n, corner in enumerate(corners) if is_ear(*corner)), 0)
        triangles.append(corners[ear])
        del left[ear]
    return np.array([*triangles, left], np.int64)


def lofted(rings: Points) -> Part:
    """A skin over rings (N, M, 3) of points, each ring closed and counter-clockwise seen from the last ring's side;
    both ends are closed by a fan around their middle. u runs round the ring, v from the last ring to the first."""
    first, last = rings[:1].mean(1, keepdims=True), rings[-1:].mean(1, keepdims=True)
    m = rings.shape[1]
    full = np.concatenate([np.repeat(first, m, 1), rings, np.repeat(last, m, 1)])
    full = np.concatenate([full, full[:, :1]], 1)
    u = np.broadcast_to(np.arange(m + 1) / m, full.shape[:2])
    v = np.broadcast_to((1 - np.arange(len(full)) / (len(full) - 1))[:, None], full.shape[:2])
    return grid_surface(full, np.stack([u, v], -1))


def joined(parts: Sequence[Part]) -> Part:
    """Several surfaces as one part; the first one's paint."""
    starts = np.cumsum([0, *(len(p.vertices) for p in parts[:-1])])
    return Part(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate([p.faces + s for p, s in zip(parts, starts, strict=True)]),
        np.concatenate([p.uvs for p in parts]),
        parts[0].paint,
    )
