"""Toy vehicles on wheels, front to +Z: cars, lorries, buses, locomotives."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import (
    BOX_CELLS,
    Part,
    ball,
    both_sides,
    extruded,
    lathe,
    limb,
    rounded_box,
    superquadric,
)
from svdmv.dataset.procedural.paints import (
    BLACK,
    WHITE,
    Canvas,
    Rng,
    contrasting,
    dice,
    finish,
    flat,
    hexed,
    metal,
    motif,
    palette,
    pick,
)
from svdmv.dataset.procedural.panels import GLASS, boxed, on_side, windows

TYRE = hexed("1c1c1e")


def wheel(radius: float, width: float, hub: np.ndarray) -> Part:
    """A wheel around the x axis, its hub to +x."""
    canvas = Canvas(TYRE, 32, 128)
    canvas.add(canvas.rectangle(0, 0, 1, 0.22) + canvas.rectangle(0, 0.78, 1, 1), hub)
    canvas.add(canvas.rectangle(0, 0, 1, 0.06) + canvas.rectangle(0, 0.94, 1, 1), hub * 0.5)
    w, r = width / 2, radius
    profile = [(0, -w), (r * 0.55, -w), (r * 0.9, -w), (r, -w * 0.7), (r, w * 0.7), (r * 0.9, w), (r * 0.55, w), (0, w)]
    return lathe(profile, 28).painted(canvas.paint(0.8)).turned("z", -90)


def wheels(xs: float, zs: list[float], radius: float, width: float, hub: np.ndarray) -> list[Part]:
    """Pairs of wheels on the ground at distance xs from the middle."""
    parts: list[Part] = []
    for z in zs:
        parts += both_sides(wheel(radius, width, hub).moved(xs, radius, z))
    return parts


def sideways(outline: list[tuple[float, float]], width: float, bevel: float) -> Part:
    """A side view (z forward, y up; counter-clockwise seen from +x with the front to the left) given width along x."""
    line = np.asarray(outline, np.float64)
    return extruded(np.column_stack([-line[:, 0], line[:, 1]]), width, bevel).turned("y", 90)


def lights(x: float, y: float, front: float, back: float, size: float) -> list[Part]:
    """Two white lamps in front, two red ones behind."""
    white, red = flat(hexed("fff4cc"), None, 0.3), flat(hexed("c81e1e"), None, 0.3)
    lamp = superquadric(size, size, size * 0.4, segments=14, rings=8)
    return [*both_sides(lamp.moved(x, y, front).painted(white)), *both_sides(lamp.moved(x, y, back).painted(red))]


def car(rng: Rng) -> list[Part]:
    """A car: bonnet, cabin with windows, lamps; sometimes a stripe, number, roof sign or spoiler."""
    colors = palette(rng)
    paint, second = colors[0], contrasting(colors[0], [*colors[1:], WHITE])
    length, width, low = rng.uniform(0.75, 0.95), rng.uniform(0.36, 0.44), 0.16
    belt, bonnet = rng.uniform(0.42, 0.5), rng.uniform(0.34, 0.42)
    f, b = length, -length
    side = [
        (f - 0.04, low),
        (f, low + 0.06),
        (f - 0.02, bonnet - 0.03),
        (f - 0.1, bonnet),
        (0.32, belt),
        (b + 0.3, belt),
        (b + 0.06, belt - 0.02),
        (b, belt - 0.1),
        (b, low + 0.05),
        (b + 0.05, low),
    ]
    body = Canvas(paint, 256, 128, 2.2)
    if dice(rng, 0.5):
        body.add(body.rectangle(0, 0.42, 0.95, 0.58), second)
    if dice(rng, 0.35):
        for u in (0.22, 0.72):
            body.add(body.disc(u, 0.5, 0.2), WHITE).add(body.text(str(rng.integers(1, 10)), u, 0.5, 0.24), BLACK)
    gloss = float(pick(rng, [0.25, 0.35, 0.6]))
    cabin = boxed(paint if dice(rng, 0.6) else second)
    windows(cabin, 0.18, 0.86, 2)
    roof, start = rng.uniform(0.17, 0.24), rng.uniform(-0.25, -0.05)
    cab_length = rng.uniform(0.42, 0.55)
    parts = [
        sideways(side, 2 * width, 0.045).painted(body.paint(gloss)),
        rounded_box(width * 0.9, roof, cab_length, 0.06, top=(0.82, 0.7))
        .moved(0, belt + roof * 0.82, start)
        .painted(cabin.paint(gloss)),
        *wheels(
            width * 0.92,
            [length * 0.58, -length * 0.58],
            rng.uniform(0.18, 0.23),
            0.16,
            pick(rng, [WHITE * 0.8, second, hexed("c0c4c8")]),
        ),
        *lights(width * 0.68, bonnet - 0.1, f - 0.01, b + 0.01, 0.06),
        rounded_box(width * 0.95, 0.035, 0.03, 0.02).moved(0, low + 0.07, f).painted(flat(hexed("9aa0a8"), None, 0.4)),
        rounded_box(width * 0.95, 0.035, 0.03, 0.02).moved(0, low + 0.07, b).painted(flat(hexed("9aa0a8"), None, 0.4)),
    ]
    extra = rng.integers(4)
    y = belt + 1.75 * roof
    if extra == 0:
        sign = boxed(hexed("f2c14e"))
        sign.add(sign.text("TAXI", 1 / 6, 0.25, 0.16) + sign.text("TAXI", 5 / 6, 0.25, 0.16), BLACK)
        parts.append(rounded_box(0.16, 0.06, 0.05, 0.02).moved(0, y + 0.05, start).painted(sign.paint(0.5)))
    elif extra == 1:
        blue, red = flat(hexed("2050c8"), None, 0.2), flat(hexed("d02020"), None, 0.2)
        parts += [ball(0.06).moved(s * 0.13, y + 0.05, start).painted(p) for s, p in ((1, blue), (-1, red))]
    elif extra == 2:
        parts.append(
            rounded_box(width * 0.9, 0.015, 0.08, 0.012).moved(0, belt + 0.14, b + 0.08).painted(flat(second, rng))
        )
        parts += both_sides(
            limb((width * 0.5, belt - 0.02, b + 0.1), (width * 0.5, belt + 0.13, b + 0.08), 0.02, 0.02).painted(
                flat(BLACK)
            )
        )
    return parts


def truck(rng: Rng) -> list[Part]:
    """A lorry: cab in front; a box, a tank, a tipper with load, or a fire ladder behind."""
    colors = palette(rng)
    cab_color, load_color = colors[0], contrasting(colors[0], colors[1:])
    cab = boxed(cab_color)
    windows(cab, 0.14, 0.5, 1)
    on_side(cab, "front", 0.25, 0.62, 0.75, 0.88, hexed("9aa0a8"))
    w, z0 = 0.36, 0.62
    parts = [
        rounded_box(w, 0.36, 0.26, 0.06, top=(0.94, 0.86)).moved(0, 0.56, z0).painted(cab.paint(finish(rng))),
        rounded_box(w * 0.8, 0.06, 0.95, 0.02).moved(0, 0.22, 0).painted(flat(hexed("33363a"), None, 0.7)),
        *wheels(w * 0.92, [0.6, -0.35, -0.72], 0.19, 0.15, pick(rng, [WHITE * 0.75, load_color])),
        *lights(w * 0.72, 0.33, z0 + 0.26, -0.95, 0.05),
    ]
    kind = rng.integers(4)
    if kind == 0:
        box = boxed(load_color)
        for side in ("left", "right"):
            c, r = BOX_CELLS[side]
            motif(box, rng, (c + 0.5) / 3, (r + 0.5) / 2, 0.15, [contrasting(load_color, colors), colors[3]])
            on_side(box, side, 0, 0.84, 1, 0.93, colors[2], 0)
        on_side(box, "back", 0.06, 0.08, 0.48, 0.95, load_color * 0.85)
        on_side(box, "back", 0.52, 0.08, 0.94, 0.95, load_color * 0.85)
        parts.append(rounded_box(w, 0.4, 0.6, 0.03).moved(0, 0.7, -0.32).painted(box.paint(0.6)))
    elif kind == 1:
        band = Canvas(load_color, 128, 128, 2)
        band.add(band.stripes(3, 0.2), colors[2])
        tank = lathe([(0, -0.62), (0.26, -0.6), (0.34, -0.52), (0.34, 0.52), (0.26, 0.6), (0, 0.62)], 32)
        parts.append(tank.painted(band.paint(0.35)).turned("x", 90).moved(0, 0.62, -0.32))
        parts.append(lathe([(0.1, 0), (0.1, 0.08), (0, 0.08)], 20).moved(0, 0.94, -0.32).painted(metal(rng)))
    elif kind == 2:
        paint = flat(load_color, rng)
        for x, z, hx, hz in (
            (w - 0.02, -0.32, 0.025, 0.6),
            (-w + 0.02, -0.32, 0.025, 0.6),
            (0, 0.26, w, 0.025),
            (0, -0.9, w, 0.025),
        ):
            parts.append(rounded_box(hx, 0.22, hz, 0.015).moved(x, 0.5, z).painted(paint))
        heap = Canvas(hexed(pick(rng, ["8a6a42", "9a9a94", "d8b878", "5a3a22"])), 128, 64, 3)
        heap.add(np.clip((heap.noise(rng, 16) - 0.5) * 4, 0, 1), heap.rgb[0, 0] * 0.6)
        parts.append(superquadric(w - 0.04, 0.34, 0.58, east=0.5).moved(0, 0.5, -0.32).painted(heap.paint(0.95)))
    else:
        parts.append(rounded_box(w, 0.2, 0.6, 0.03).moved(0, 0.5, -0.32).painted(flat(cab_color, None, 0.4)))
        rail = flat(hexed("d0d4d8"), None, 0.4)
        ladder = both_sides(limb((0.1, 0, -0.75), (0.1, 0, 0.75), 0.025, 0.025))
        ladder += [limb((-0.1, 0, z), (0.1, 0, z), 0.018, 0.018) for z in np.linspace(-0.7, 0.7, 9)]
        parts += [q.painted(rail).turned("x", -rng.uniform(4, 16)).moved(0, 0.92, -0.1) for q in ladder]
    return parts


def bus(rng: Rng) -> list[Part]:
    """A bus or van with a row of windows and a coloured band, one or two decks."""
    colors = palette(rng)
    double = dice(rng, 0.3)
    h = 0.62 if double else 0.42
    canvas = boxed(colors[0], size=288)
    count = int(rng.integers(4, 7))
    if double:
        windows(canvas, 0.1, 0.34, count)
        windows(canvas, 0.52, 0.76, count)
    else:
        windows(canvas, 0.14, 0.5, count)
    band = contrasting(colors[0], colors[1:])
    for side in ("left", "right", "front", "back"):
        on_side(canvas, side, 0, 0.82 if double else 0.62, 1, 0.88 if double else 0.74, band, 0)
    on_side(canvas, "right", 0.03, 0.2, 0.13, 0.95, GLASS * 1.4)
    word = canvas.text(pick(rng, ["BUS", "ZOO", "CITY", "7", "42"]), 1 / 6, 0.04 if not double else 0.22, 0.045)
    canvas.add(word, WHITE)
    return [
        rounded_box(0.36, h, 0.95, 0.07).moved(0, h + 0.14, 0).painted(canvas.paint(float(pick(rng, [0.3, 0.5])))),
        *wheels(0.33, [0.58, -0.58], 0.17, 0.14, WHITE * 0.8),
        *lights(0.25, 0.28, 0.95, -0.95, 0.05),
        *both_sides(
            superquadric(0.03, 0.08, 0.03, segments=12, rings=8).moved(0.42, h + 0.3, 0.9).painted(flat(BLACK))
        ),
    ]


def locomotive(rng: Rng) -> list[Part]:
    """A toy steam engine: boiler to the front, cab behind."""
    colors = palette(rng)
    main, second = flat(colors[0], None, 0.4), flat(contrasting(colors[0], colors[1:]), rng)
    cab = boxed(second.color)
    for side in ("left", "right", "back", "front"):
        on_side(cab, side, 0.2, 0.12, 0.8, 0.5, GLASS)
    boiler = Canvas(colors[0], 64, 128, 0.8)
    boiler.add(boiler.stripes(3, 0.15), colors[2])
    z = [(0, -0.5), (0.27, -0.5), (0.27, 0.5), (0.24, 0.55), (0, 0.55)]
    front = Canvas(hexed("33363a"), 128, 128)
    parts = [
        lathe(z, 32).painted(boiler.paint(0.4)).turned("x", 90).moved(0, 0.55, 0.3),
        lathe([(0, 0), (0.2, 0), (0.2, 0.04), (0, 0.06)], 28)
        .painted(front.paint(0.6))
        .turned("x", 90)
        .moved(0, 0.55, 0.84),
        rounded_box(0.32, 0.36, 0.28, 0.03).moved(0, 0.68, -0.45).painted(cab.paint(0.5)),
        rounded_box(0.38, 0.03, 0.34, 0.025).moved(0, 1.06, -0.45).painted(main),
        rounded_box(0.3, 0.07, 0.85, 0.03).moved(0, 0.27, 0.0).painted(flat(hexed("33363a"), None, 0.6)),
        lathe([(0, 0), (0.07, 0), (0.07, 0.22), (0.13, 0.36), (0.1, 0.36), (0, 0.3)], 24)
        .moved(0, 0.78, 0.6)
        .painted(main),
        superquadric(0.1, 0.12, 0.1).moved(0, 0.84, 0.15).painted(metal(rng)),
        *wheels(0.29, [0.5, 0.05, -0.48], 0.17, 0.08, contrasting(TYRE, colors)),
        ball(0.07).moved(0, 0.86, 0.84).painted(flat(hexed("fff4cc"), None, 0.3)),
        extruded(np.array([(-0.3, 0.0), (0.3, 0.0), (0.2, 0.2), (-0.2, 0.2)]), 0.12, 0.02)
        .turned("x", -20)
        .moved(0, 0.06, 0.92)
        .painted(second),
    ]
    return parts
