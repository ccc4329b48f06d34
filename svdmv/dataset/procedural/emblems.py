"""Solids on a foot: letters, stars, gears, hearts; and towers of superquadrics."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import Part, extruded, lathe, limb, rounded_box, superquadric
from svdmv.dataset.procedural.paints import (
    Canvas,
    Rng,
    contrasting,
    dice,
    finish,
    flat,
    lightness,
    metal,
    motif,
    palette,
    pattern,
    pick,
    wood,
)

_Point = tuple[float, float]
_STROKES: dict[str, list[tuple[_Point, _Point]]] = {
    "A": [((0, 0), (1, 2)), ((2, 0), (1, 2)), ((0.45, 0.8), (1.55, 0.8))],
    "E": [((0, 0), (0, 2)), ((0, 0), (1.5, 0)), ((0, 1), (1.2, 1)), ((0, 2), (1.5, 2))],
    "F": [((0, 0), (0, 2)), ((0, 1), (1.1, 1)), ((0, 2), (1.5, 2))],
    "H": [((0, 0), (0, 2)), ((1.5, 0), (1.5, 2)), ((0, 1), (1.5, 1))],
    "K": [((0, 0), (0, 2)), ((0, 0.9), (1.4, 2)), ((0.35, 1.1), (1.5, 0))],
    "L": [((0, 0), (0, 2)), ((0, 0), (1.4, 0))],
    "M": [((0, 0), (0, 2)), ((0, 2), (1, 0.8)), ((1, 0.8), (2, 2)), ((2, 2), (2, 0))],
    "N": [((0, 0), (0, 2)), ((0, 2), (1.5, 0)), ((1.5, 0), (1.5, 2))],
    "R": [
        ((0, 0), (0, 2)),
        ((0, 2), (1.3, 1.85)),
        ((1.3, 1.85), (1.3, 1.15)),
        ((1.3, 1.15), (0, 1)),
        ((0.4, 1), (1.4, 0)),
    ],
    "T": [((1, 0), (1, 2)), ((0, 2), (2, 2))],
    "Z": [((0, 2), (1.5, 2)), ((1.5, 2), (0, 0)), ((0, 0), (1.5, 0))],
    "4": [((1.1, 0), (1.1, 2)), ((1.1, 2), (0, 0.7)), ((0, 0.7), (1.6, 0.7))],
    "7": [((0, 2), (1.4, 2)), ((1.4, 2), (0.5, 0))],
}


def letter(rng: Rng) -> list[Part]:
    """A solid letter or digit on a foot, painted."""
    colors = palette(rng)
    strokes = _STROKES[str(pick(rng, sorted(_STROKES)))]
    paint = pattern(rng, colors, 1.0) if dice(rng, 0.5) else flat(colors[0], rng)
    width, depth, scale = rng.uniform(0.12, 0.2), rng.uniform(0.12, 0.25), 0.55
    middle = (max(p[0] for s in strokes for p in s)) / 2
    parts = []
    for k, (start, end) in enumerate(strokes):
        a = (np.array(start) - (middle, 0)) * scale
        b = (np.array(end) - (middle, 0)) * scale
        d = b - a
        bar = rounded_box(float(np.linalg.norm(d)) / 2 + width * 0.7, width * 0.7, depth - 0.002 * k, 0.03)
        bar = bar.turned("z", float(np.degrees(np.arctan2(d[1], d[0]))))
        parts.append(bar.moved((a[0] + b[0]) / 2, (a[1] + b[1]) / 2 + 0.2, 0).painted(paint))
    base = rounded_box(0.7, 0.06, 0.34, 0.03).painted(
        flat(contrasting(paint.color, colors), rng) if dice(rng, 0.6) else wood(rng)
    )
    return [*parts, base]


def _wheel_outline(rng: Rng) -> np.ndarray:
    """A gear, a star, a flower or a heart, counter-clockwise, about 0.6 in radius."""
    kind = rng.integers(4)
    if kind == 0:
        teeth = int(rng.integers(8, 15))
        t = np.arange(teeth * 4.0)
        radius = np.where((t % 4 == 1) | (t % 4 == 2), 0.6, 0.47)
        angle = (t + 0.25 * ((t % 4 == 1) * 1.0 - (t % 4 == 2) * 1.0)) * 2 * np.pi / len(t)
    elif kind == 1:
        points = int(rng.integers(5, 9))
        t = np.arange(points * 2.0)
        radius, angle = np.where(t % 2 == 0, 0.62, rng.uniform(0.25, 0.42)), t * np.pi / points + np.pi / 2
    elif kind == 2:
        petals = int(rng.integers(5, 9))
        angle = np.linspace(0, 2 * np.pi, petals * 10, endpoint=False)
        radius = 0.42 + 0.18 * np.abs(np.cos(angle * petals / 2))
    else:
        t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        x = 16 * np.sin(t) ** 3
        y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
        return np.column_stack([x, y])[::-1] / 26
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def medal(rng: Rng) -> list[Part]:
    """A gear, star, flower or heart as a solid: on a stick, on a foot, or two in a row."""
    colors = palette(rng)
    canvas = Canvas(colors[0], 256, 128, 2.2)
    ink = contrasting(colors[0], colors[1:])
    motif(canvas, rng, 0.225, 0.5, 0.2, [ink, colors[2]])
    motif(canvas, rng, 0.725, 0.5, 0.2, [colors[2], ink])
    shine = metal(rng) if dice(rng, 0.25) else canvas.paint(finish(rng))
    outline = _wheel_outline(rng)
    plate = extruded(outline, rng.uniform(0.16, 0.34), 0.03)
    lift = 0.62 + rng.uniform(0.1, 0.5)
    parts = [plate.moved(0, lift, 0).painted(shine)]
    if dice(rng, 0.5):
        second = extruded(_wheel_outline(rng) * rng.uniform(0.45, 0.65), 0.2, 0.02)
        parts.append(second.moved(0, lift, 0.24).painted(flat(ink, rng)))
    parts.append(limb((0, 0.05, 0), (0, lift, 0), 0.05, 0.05).painted(wood(rng) if dice(rng, 0.5) else metal(rng)))
    parts.append(lathe([(0, 0), (0.34, 0), (0.34, 0.06), (0.1, 0.12), (0, 0.12)], 32).painted(flat(colors[3], rng)))
    return parts


def jumble(rng: Rng) -> list[Part]:
    """A toy tower of superquadrics under loud patterns: shapes that are no thing at all."""
    colors = palette(rng)
    parts, y = [], 0.0
    for _ in range(int(rng.integers(2, 6))):
        size = rng.uniform(0.2, 0.5, 3)
        form = superquadric(
            *size,
            north=float(pick(rng, [0.25, 0.6, 1.0, 1.6])),
            east=float(pick(rng, [0.25, 0.6, 1.0, 1.6])),
            segments=36,
            rings=22,
        )
        order = rng.permutation(5)
        paint = pattern(rng, [colors[i] for i in order], 2.0)
        shift = rng.uniform(-0.18, 0.18, 2)
        turn = rng.uniform(-30, 30)
        parts.append(form.turned("z", float(turn)).moved(shift[0], y + size[1], shift[1]).painted(paint))
        y += size[1] * rng.uniform(1.4, 1.9)
        if dice(rng, 0.5):
            knob = superquadric(*rng.uniform(0.08, 0.18, 3), north=0.6).moved(
                pick(rng, [-1, 1]) * size[0] * 1.05, y - size[1] * 0.6, rng.uniform(0, 0.2)
            )
            parts.append(knob.painted(metal(rng) if lightness(paint.color) < 0.4 else flat(colors[1], rng)))
    return parts
