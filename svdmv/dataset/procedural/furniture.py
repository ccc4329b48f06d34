"""Chairs, cabinets, houses."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import Part, ball, both_sides, extruded, limb, rounded_box
from svdmv.dataset.procedural.paints import (
    WHITE,
    Canvas,
    Rng,
    contrasting,
    dice,
    flat,
    hexed,
    metal,
    palette,
    pattern,
    pick,
    wood,
)
from svdmv.dataset.procedural.panels import boxed, on_side
from svdmv.dataset.procedural.vessels import bottle, vase


def chair(rng: Rng) -> list[Part]:
    """A chair, stool or armchair, front to +Z."""
    colors = palette(rng)
    frame = wood(rng) if dice(rng, 0.6) else flat(colors[0], rng)
    seat_y, w, d = rng.uniform(0.45, 0.7), rng.uniform(0.3, 0.42), rng.uniform(0.3, 0.4)
    cushion = pattern(rng, colors[1:], 3.0, roughness=0.95)
    parts: list[Part] = []
    if dice(rng, 0.35):  # armchair
        fabric = flat(colors[0], None, 0.95)
        parts.append(rounded_box(w + 0.06, 0.16, d, 0.07).moved(0, 0.3, 0).painted(fabric))
        parts.append(rounded_box(w - 0.06, 0.09, d - 0.03, 0.06).moved(0, 0.5, 0.03).painted(cushion))
        parts += both_sides(rounded_box(0.09, 0.26, d, 0.08).moved(w + 0.05, 0.42, 0).painted(fabric))
        parts.append(rounded_box(w + 0.06, 0.36, 0.1, 0.08).turned("x", -8).moved(0, 0.74, -d + 0.02).painted(fabric))
        for z in (d - 0.08, -d + 0.08):
            parts += both_sides(limb((w, 0.16, z), (w + 0.02, 0.04, z), 0.04, 0.03).painted(frame))
        return parts
    splay = rng.uniform(0.0, 0.1)
    for z in (1, -1):
        top, foot = (w - 0.05, seat_y, z * (d - 0.05)), (w - 0.05 + splay, 0.03, z * (d - 0.05 + splay))
        parts += both_sides(limb(top, foot, 0.035, 0.03).painted(frame))
    parts.append(rounded_box(w, 0.035, d, 0.03).moved(0, seat_y, 0).painted(frame))
    if dice(rng, 0.5):
        parts.append(rounded_box(w - 0.03, 0.04, d - 0.03, 0.035).moved(0, seat_y + 0.06, 0).painted(cushion))
    if dice(rng, 0.8):
        high, lean = rng.uniform(0.45, 0.7), rng.uniform(0.03, 0.12)
        parts += both_sides(
            limb((w - 0.04, seat_y, -d + 0.04), (w - 0.04, seat_y + high, -d + 0.04 - lean), 0.035, 0.03).painted(frame)
        )
        if dice(rng, 0.5):
            for t in np.linspace(0.35, 0.95, int(rng.integers(2, 5))):
                parts.append(
                    rounded_box(w - 0.03, 0.05, 0.02, 0.02)
                    .moved(0, seat_y + high * t, -d + 0.04 - lean * t)
                    .painted(frame)
                )
        else:
            back = rounded_box(w, high * 0.35, 0.03, 0.03).moved(0, seat_y + high * 0.68, -d + 0.04 - lean * 0.7)
            parts.append(back.painted(pattern(rng, colors, 1.0)))
    return parts


def cabinet(rng: Rng) -> list[Part]:
    """A chest of drawers or cupboard with knobs; things may stand on it."""
    colors = palette(rng)
    x, y, z = rng.uniform(0.4, 0.7), rng.uniform(0.3, 0.7), rng.uniform(0.22, 0.34)
    body = wood(rng) if dice(rng, 0.6) else flat(colors[0], rng)
    front = flat(contrasting(body.color, colors[1:]), rng) if dice(rng, 0.6) else wood(rng)
    knob = metal(rng)
    parts = [rounded_box(x, y, z, 0.02).moved(0, y + 0.12, 0).painted(body)]
    for s in (1, -1):
        parts += both_sides(
            limb((x - 0.06, 0.14, s * (z - 0.06)), (x - 0.05, 0.02, s * (z - 0.05)), 0.035, 0.025).painted(body)
        )
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    for i in range(rows):
        for j in range(columns):
            hx, hy = (x - 0.03) / columns - 0.015, (y - 0.03) / rows - 0.015
            cx = (2 * j + 1 - columns) * (x - 0.03) / columns
            cy = 0.12 + y + (2 * i + 1 - rows) * (y - 0.03) / rows
            parts.append(rounded_box(hx, hy, 0.02, 0.012).moved(cx, cy, z + 0.008).painted(front))
            parts.append(ball(0.03, 12, 8).moved(cx, cy, z + 0.05).painted(knob))
    if dice(rng, 0.5):
        top = [
            p.scaled(0.32).moved(rng.uniform(-0.3, 0.3) * x, 2 * y + 0.12, 0) for p in pick(rng, [vase, bottle])(rng)
        ]
        shift = rng.uniform(-0.4, 0.4) * x
        parts += [p.moved(shift) for p in top]
    return parts


def house(rng: Rng) -> list[Part]:
    """A cottage, barn or tower with door, windows, roof and chimney."""
    colors = palette(rng)
    wall = pick(rng, [hexed("f2e8d6"), hexed("d8c0a0"), hexed("b86a50"), colors[0]])
    x, y, z = rng.uniform(0.4, 0.6), rng.uniform(0.28, 0.5), rng.uniform(0.4, 0.6)
    canvas = boxed(wall, size=288)
    if dice(rng, 0.4):
        canvas.add(canvas.stripes(40, 0.15), wall * 0.8)
    glass, frame, door = hexed("4a6a84"), WHITE, contrasting(wall, colors)
    on_side(canvas, "front", 0.4, 0.42, 0.6, 1.0, frame, 0)
    on_side(canvas, "front", 0.42, 0.45, 0.58, 1.0, door, 0)
    for side in ("front", "left", "right", "back"):
        for u in (0.08, 0.68):
            on_side(canvas, side, u, 0.22, u + 0.24, 0.66, frame, 0)
            on_side(canvas, side, u + 0.02, 0.26, u + 0.11, 0.62, glass, 0)
            on_side(canvas, side, u + 0.13, 0.26, u + 0.22, 0.62, glass, 0)
    roof_color = pick(rng, [hexed("a8442c"), hexed("4a4e58"), hexed("7a4a2a"), colors[1]])
    rise = rng.uniform(0.35, 0.6)
    gable = extruded(np.array([(-x, 0), (x, 0), (0, rise)]), 2 * z - 0.02, 0.01).painted(flat(wall, None, 0.9))
    tile = Canvas(roof_color, 96, 96)
    tile.add(tile.stripes(12, 0.2), roof_color * 0.7)
    length = float(np.hypot(x, rise)) + 0.1
    slope = np.degrees(np.arctan2(rise, x))
    panel = (
        rounded_box(length / 2, 0.03, z + 0.09, 0.015).moved(length / 2).turned("z", -slope).moved(0, rise + 0.02, 0)
    )
    parts = [rounded_box(x, y, z, 0.01).moved(0, y, 0).painted(canvas.paint(0.9)), gable.moved(0, 2 * y, 0)]
    parts += [p.moved(0, 2 * y, 0) for p in both_sides(panel.painted(tile.paint(0.85)))]
    if dice(rng, 0.7):
        brick = Canvas(hexed("9a4a38"), 64, 64)
        brick.add(brick.stripes(8, 0.15), hexed("d8c8b8"))
        side = pick(rng, [-1, 1])
        parts.append(
            rounded_box(0.07, 0.25, 0.07, 0.008)
            .moved(side * x * 0.5, 2 * y + rise * 0.8, -z * 0.3)
            .painted(brick.paint(0.95))
        )
    parts.append(rounded_box(0.14, 0.02, 0.09, 0.01).moved(0, 0.02, z + 0.08).painted(flat(hexed("9a9a94"), None, 0.9)))
    parts.append(ball(0.018, 10, 6).moved(0.05, y * 0.55, z + 0.01).painted(metal(rng)))
    if dice(rng, 0.5):
        green = flat(hexed("4f8a3c"), None, 0.95)
        parts += [
            ball(0.14).moved(s * x * 0.8, 0.1, z + 0.14).painted(green) for s in (1, -1)[: int(rng.integers(1, 3))]
        ]
    return parts
