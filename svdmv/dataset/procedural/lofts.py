"""Bodies drawn at random: outlines, lofts with changing sections, rings, drums, and where a surface can be met."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from svdmv.dataset.procedural.forms import Part, Points, extruded, joined, lathe, lofted, rounded_box, superquadric
from svdmv.dataset.procedural.paints import Rng, dice
from svdmv.dataset.procedural.solids import lumps, raised, refined, ribs
from svdmv.dataset.procedural.stickers import first_hits


def torus(radius: float, thick: float, segments: int = 36, sides: int = 12) -> Part:
    """A ring around +Y."""
    a = np.radians(np.linspace(-90, 270, sides + 1))
    profile = np.stack([radius + thick * np.cos(a), thick * np.sin(a)], 1)
    profile[-1] = profile[0]
    return lathe(profile, segments)


def drum(radius: float, height: float, bevel: float = 0.02, segments: int = 36) -> Part:
    """A cylinder on y = 0 with rounded edges."""
    r, h, b = radius, height, min(bevel, 0.45 * height, 0.45 * radius)
    return lathe(
        [
            (0, 0),
            (r - b, 0),
            (r - 0.3 * b, 0.3 * b),
            (r, b),
            (r, h - b),
            (r - 0.3 * b, h - 0.3 * b),
            (r - b, h),
            (0, h),
        ],
        segments,
    )


def wheel_of(radius: float, width: float) -> Part:
    """A drum that rolls along z, its middle at the origin."""
    return drum(radius, width, 0.25 * width).moved(0, -width / 2, 0).turned("z", 90)


def random_outline(rng: Rng, count: int = 40) -> Points:
    """A closed smooth or cornered outline (N, 2) about 1 across, counter-clockwise, no crossing."""
    if dice(rng, 0.4):
        corners = int(rng.integers(3, 9))
        a = (np.arange(corners) + rng.uniform(-0.25, 0.25, corners)) * 2 * np.pi / corners
        r = rng.uniform(0.32, 0.55, corners)
        points = np.stack([r * np.cos(a), r * np.sin(a)], 1)
        for _ in range(int(rng.integers(0, 3))):
            after = np.roll(points, -1, 0)
            points = np.stack([0.8 * points + 0.2 * after, 0.2 * points + 0.8 * after], 1).reshape(-1, 2)
        return points
    a = np.arange(count) * 2 * np.pi / count
    r = np.full(count, 0.42)
    for k in range(2, 6):
        r += rng.uniform(0, 0.16 / k) * np.cos(k * a + rng.uniform(0, 6.3))
    return np.asarray(np.stack([r * np.cos(a) * rng.uniform(0.7, 1.3), r * np.sin(a)], 1))


def section(rng: Rng, count: int) -> Points:
    """A cross-section (count, 2) around a circle of radius 1: round, rounded square, lobed or oval."""
    a = np.arange(count) * 2 * np.pi / count
    lobes, square = int(rng.integers(3, 9)), rng.uniform(0.25, 1.0)
    if dice(rng, 0.35):
        x, z = (np.sign(f) * np.abs(f) ** square for f in (np.cos(a), np.sin(a)))
        return np.asarray(np.stack([x, z], 1))
    r = 1 + (rng.uniform(0.03, 0.16) * np.cos(lobes * a) if dice(rng, 0.5) else 0 * a)
    return np.asarray(np.stack([r * np.cos(a), r * np.sin(a) * rng.uniform(0.7, 1.0)], 1))


def random_profile(rng: Rng, knots: int = 5) -> NDArray[np.float64]:
    """Radii of a body from foot to top, smooth between knots; 24 values in 0.1 .. 0.55."""
    t = np.linspace(0, 1, 24)
    values = rng.uniform(0.16, 0.55, knots)
    smooth = np.interp(t, np.linspace(0, 1, knots), values)
    for _ in range(4):
        smooth[1:-1] = 0.25 * smooth[:-2] + 0.5 * smooth[1:-1] + 0.25 * smooth[2:]
    return smooth


def loft_body(rng: Rng, *, height: float = 1.0, wall: float = 0.0) -> Part:
    """A loft on y = 0 with random profile, section and twist; `wall` above 0 makes it a vessel, open at the top."""
    radii, count = random_profile(rng, int(rng.integers(3, 7))), 40
    base, other = section(rng, count), section(rng, count)
    twist = np.radians(rng.uniform(-120, 120)) if dice(rng, 0.4) else 0.0
    blend = dice(rng, 0.5)
    lean = rng.uniform(-0.12, 0.12, 2) if dice(rng, 0.3) else np.zeros(2)

    def ring(t: float, radius: float) -> Points:
        shape = base * (1 - t) + other * t if blend else base
        c, s = np.cos(twist * t), np.sin(twist * t)
        x, z = radius * (c * shape[:, 0] - s * shape[:, 1]), radius * (s * shape[:, 0] + c * shape[:, 1])
        return np.column_stack([x + lean[0] * t * t, np.full(count, height * t), -z + lean[1] * t * t])

    t = np.linspace(0, 1, len(radii))
    rings = [ring(0.0, 0.93 * radii[0]), *(ring(k, r) for k, r in zip(t, radii, strict=True))]
    if wall > 0:
        inner = [(k, max(r - wall, 0.3 * r)) for k, r in zip(t, radii, strict=True) if k > 0.08][::-1]
        rings += [ring(k, r) for k, r in inner]
    else:
        rings += [ring(1.0, 0.93 * radii[-1])]
    return lofted(np.stack(rings))


def random_body(rng: Rng) -> Part:
    """One closed body about 1 in size, standing on y = 0: box, drum, blob, loft, cut-out or diamond."""
    kind = rng.integers(6)
    x, y, z = rng.uniform(0.22, 0.5), rng.uniform(0.22, 0.6), rng.uniform(0.18, 0.45)
    if kind == 0:
        top = (rng.uniform(0.6, 1.1), rng.uniform(0.6, 1.1)) if dice(rng, 0.5) else (1.0, 1.0)
        return rounded_box(x, y, z, rng.uniform(0.01, 0.9) * min(x, y, z), top=top).moved(0, y, 0)
    if kind == 1:
        body = drum(x, 2 * y, rng.uniform(0.01, 0.12))
        return body if dice(rng, 0.6) else body.moved(0, -y, 0).turned(str(rng.choice(["x", "z"])), 90).moved(0, x, 0)
    if kind == 2:
        north, east = rng.uniform(0.25, 1.3), rng.uniform(0.25, 1.3)
        return superquadric(x, y, z, north=north, east=east, segments=40, rings=24).moved(0, y, 0)
    if kind == 3:
        return loft_body(rng, height=2 * y)
    if kind == 4:
        outline = random_outline(rng) * np.array([2 * x, 2 * y])
        flat = extruded(outline, rng.uniform(0.15, 0.6), 0.025)
        return flat.moved(0, -float(flat.vertices[:, 1].min()), 0)
    body = superquadric(x, y, z, north=rng.uniform(1.0, 2.0), east=rng.uniform(0.5, 1.6), segments=32, rings=20)
    return body.moved(0, y, 0)


def with_relief(part: Part, rng: Rng) -> Part:
    """The surface as real relief: flutes, rings, bumps or a rough skin."""
    kind = rng.integers(4)
    if kind == 0:
        return raised(refined(part), ribs(int(rng.integers(6, 18)), rng.uniform(0.015, 0.04), 0, rng.uniform(0.6, 3)))
    if kind == 1:
        return raised(refined(part), ribs(int(rng.integers(3, 10)), rng.uniform(0.015, 0.04), 1, rng.uniform(0.6, 3)))
    field, depth = lumps(rng, rng.uniform(0.12, 0.4)), rng.uniform(0.015, 0.05)
    if kind == 2:
        return raised(refined(part), lambda places, uvs: depth * field(places))
    return raised(refined(part), lambda places, uvs: -depth * np.abs(field(places)))


def met(parts: Sequence[Part], origin: Points, direction: Points) -> Points | None:
    """Where a ray from `origin` first meets the parts, or None."""
    body = joined(parts)
    direction = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    distance, _ = first_hits(body.vertices, body.faces, np.asarray(origin, np.float64)[None], direction)
    return None if not np.isfinite(distance[0]) else np.asarray(origin + direction * distance[0])
