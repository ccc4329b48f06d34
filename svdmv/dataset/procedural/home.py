"""Things of the house: baskets, cages, sofas, beds, shelves, ladders, umbrellas, frames, brooms, racks."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.finishes import any_metal, finished, leathery, woven
from svdmv.dataset.procedural.forms import (
    Part,
    arc,
    ball,
    both_sides,
    grid_surface,
    lathe,
    limb,
    rounded_box,
    superquadric,
    tube,
)
from svdmv.dataset.procedural.freeforms import gadget, pot
from svdmv.dataset.procedural.lofts import drum, torus
from svdmv.dataset.procedural.paints import (
    BLACK,
    WHITE,
    Canvas,
    Paint,
    Rng,
    contrasting,
    dice,
    flat,
    hexed,
    motif,
    palette,
    pattern,
    pick,
    wood,
)
from svdmv.dataset.procedural.prints import fitted, invented_name, lettering
from svdmv.dataset.procedural.wares import side


def basket(rng: Rng) -> list[Part]:
    """A basket of woven rods or wire, with a handle and perhaps balls in it."""
    colors = palette(rng)
    rod = pick(rng, [flat(hexed("b8864c"), None, 0.9), any_metal(rng), flat(colors[0], None, 0.5)])
    low, high, h = rng.uniform(0.28, 0.4), rng.uniform(0.4, 0.55), rng.uniform(0.3, 0.6)
    count, rows = int(rng.integers(14, 24)), int(rng.integers(5, 10))
    parts = [drum(low, 0.03, 0.01).painted(rod)]
    for k in range(count):
        a = 2 * np.pi * k / count
        foot, rim = (
            np.array([low * np.sin(a), 0.02, low * np.cos(a)]),
            np.array([high * np.sin(a), h, high * np.cos(a)]),
        )
        parts.append(limb(foot, rim, 0.014, 0.014, segments=8).painted(rod))
    t = np.linspace(0, 2 * np.pi, 8 * count + 1)
    for j in range(rows):
        s = (j + 0.5) / rows
        r = low + (high - low) * s + 0.02 * np.sin(count / 2 * t + np.pi * j)
        path = np.stack([r * np.sin(t), np.full(len(t), h * s), r * np.cos(t)], 1)
        parts.append(tube(path, 0.4 * h / rows, segments=6, round_ends=False).painted(rod))
    parts.append(torus(high, 0.03, 44, 10).moved(0, h, 0).painted(rod))
    if dice(rng, 0.6):
        parts.append(tube(arc((0, h, 0), high, rng.uniform(0.3, 0.55), 0, 180, 24), 0.028).painted(rod))
    for _ in range(int(rng.integers(0, 6))):
        a, d, size = rng.uniform(0, 6.28), rng.uniform(0, 0.24), rng.uniform(0.1, 0.16)
        parts.append(
            ball(size)
            .moved(d * np.sin(a), 0.75 * h + 0.3 * size, d * np.cos(a))
            .painted(finished(flat(pick(rng, colors), rng), rng))
        )
    return parts


def cage(rng: Rng) -> list[Part]:
    """A cage or dome of thin wires with a door, a swing and something inside."""
    colors, wire = palette(rng), any_metal(rng)
    r, h, bars = rng.uniform(0.32, 0.42), rng.uniform(0.4, 0.7), int(rng.integers(14, 24))
    parts = [drum(1.08 * r, 0.08, 0.02).painted(finished(flat(colors[0], rng), rng))]
    for k in range(bars):
        a = 2 * np.pi * k / bars
        line = [(r * np.sin(a), 0.06, r * np.cos(a)), (r * np.sin(a), h, r * np.cos(a))]
        line += [
            (r * np.cos(b) * np.sin(a), h + r * np.sin(b), r * np.cos(b) * np.cos(a))
            for b in np.radians([25, 50, 72, 88])
        ]
        parts.append(tube(line, 0.01, segments=6, round_ends=False).painted(wire))
    parts += [torus(r, 0.014, 44, 8).moved(0, y, 0).painted(wire) for y in (0.5 * h, h)]
    parts.append(torus(0.07, 0.015, 20, 8).turned("x", 90).moved(0, h + r + 0.07, 0).painted(wire))
    thing = ball(0.5 * r).scaled(1, rng.uniform(0.7, 1.3), 1).moved(0, 0.06 + 0.5 * r, 0)
    parts.append(thing.painted(pattern(rng, colors[1:] + colors[:1], 2.0)))
    parts += [rounded_box(0.12, 0.015, 0.012, 0.006).moved(0.02, 0.5 * h, r + 0.005).painted(flat(colors[1], rng))]
    return parts


def sofa(rng: Rng) -> list[Part]:
    """A sofa or bench with cushions, one of them askew; cloth or leather."""
    colors = palette(rng)
    w, d, seat = rng.uniform(0.5, 0.95), rng.uniform(0.3, 0.4), rng.uniform(0.22, 0.3)
    cloth: Paint = pick(rng, [woven, leathery])(flat(colors[0], None, 0.9), rng)
    fat = rng.uniform(0.05, 0.12)
    parts = [rounded_box(w, 0.12, d, 0.04).moved(0, seat, 0).painted(cloth)]
    parts.append(
        rounded_box(w, rng.uniform(0.25, 0.36), 0.09, 0.07).turned("x", -8).moved(0, seat + 0.3, -d).painted(cloth)
    )
    parts += both_sides(rounded_box(fat, 0.2, d, min(fat, 0.07)).moved(w, seat + 0.12, 0).painted(cloth))
    count = int(rng.integers(1, 4))
    for k in range(count):
        x = (2 * k + 1 - count) * w / count
        parts.append(rounded_box(0.94 * w / count, 0.07, 0.92 * d, 0.06).moved(x, seat + 0.17, 0.03).painted(cloth))
    for _ in range(int(rng.integers(0, 4))):
        pillow = superquadric(0.17, 0.16, 0.07, north=0.5, east=0.5).turned("x", -20).turned("z", rng.uniform(-25, 25))
        parts.append(
            pillow.moved(rng.uniform(-0.8, 0.8) * w, seat + 0.36, -0.5 * d).painted(
                woven(pattern(rng, colors[1:] + colors[:1], 2.0), rng)
            )
        )
    leg = wood(rng) if dice(rng, 0.6) else any_metal(rng)
    for z in (0.85 * d, -0.85 * d):
        parts += both_sides(limb((0.9 * w, seat - 0.08, z), (0.93 * w, 0.02, z), 0.035, 0.025).painted(leg))
    return parts


def bed(rng: Rng) -> list[Part]:
    """A bed with a blanket in waves, pillows, head board to the back."""
    colors = palette(rng)
    x, z = rng.uniform(0.35, 0.6), 0.75
    frame = finished(wood(rng) if dice(rng, 0.6) else flat(colors[0], rng), rng)
    parts = [rounded_box(x, 0.06, z, 0.02).moved(0, 0.2, 0).painted(frame)]
    parts.append(rounded_box(x, rng.uniform(0.25, 0.45), 0.04, 0.03).moved(0, 0.4, -z).painted(frame))
    parts.append(rounded_box(x, rng.uniform(0.08, 0.2), 0.035, 0.03).moved(0, 0.26, z).painted(frame))
    parts.append(rounded_box(0.96 * x, 0.09, 0.96 * z, 0.05).moved(0, 0.32, 0).painted(flat(WHITE, None, 0.95)))
    s, t = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 40))
    drop = -0.16 * np.clip((np.abs(s) - 0.86) * 7, 0, 1)
    height = 0.425 + 0.012 * np.sin(9 * s + 3 * t) + 0.01 * np.sin(13 * t + 2 * s) + drop
    points = np.stack([1.03 * x * s, height, 0.25 * z - 0.72 * z * t], -1)
    blanket = grid_surface(points, np.stack([(s + 1) / 2, (t + 1) / 2], -1))
    parts.append(blanket.painted(woven(pattern(rng, colors[1:] + colors[:1], x / z), rng)))
    for k in (1, -1) if x > 0.45 else (0,):
        parts.append(
            superquadric(0.2, 0.09, 0.14, north=0.5, east=0.5)
            .moved(0.45 * x * k, 0.47, -0.7 * z)
            .painted(flat(pick(rng, [WHITE, colors[3]]), None, 0.95))
        )
    for s_ in (0.9, -0.9):
        parts += both_sides(limb((0.9 * x, 0.2, s_ * z), (0.9 * x, 0.03, s_ * z), 0.04, 0.035).painted(frame))
    return parts


def shelf(rng: Rng) -> list[Part]:
    """A bookcase or rack, open at the front, with books, balls and odd things."""
    colors = palette(rng)
    x, z, rows = rng.uniform(0.3, 0.55), rng.uniform(0.14, 0.2), int(rng.integers(2, 5))
    pitch = rng.uniform(0.3, 0.4)
    plank = finished(wood(rng) if dice(rng, 0.7) else flat(colors[0], rng), rng)
    parts = [rounded_box(x, 0.018, z, 0.008).moved(0, k * pitch + 0.05, 0).painted(plank) for k in range(rows + 1)]
    parts += both_sides(
        rounded_box(0.02, rows * pitch / 2 + 0.06, z, 0.008).moved(x, rows * pitch / 2 + 0.04, 0).painted(plank)
    )
    if dice(rng, 0.7):
        parts.append(rounded_box(x, rows * pitch / 2, 0.01, 0.005).moved(0, rows * pitch / 2 + 0.05, -z).painted(plank))
    for k in range(rows):
        left, y = -x + 0.05, k * pitch + 0.07
        while left < x - 0.1:
            if dice(rng, 0.75):
                wide, tall = rng.uniform(0.025, 0.06), rng.uniform(0.5, 0.85) * pitch
                spine = Canvas(pick(rng, palette(rng)), 96, 64, 1.5 * wide / tall)
                spine.add(spine.rectangle(*side("front", (0, 0.15, 1, 0.25))), WHITE * 0.9)
                book = rounded_box(wide / 2, tall / 2, rng.uniform(0.6, 0.85) * z, 0.006)
                parts.append(book.moved(left + wide / 2, y + tall / 2, 0.1 * z).painted(spine.paint(0.6)))
                left += wide + 0.004
            else:
                r = rng.uniform(0.06, 0.1)
                parts.append(
                    superquadric(r, r, min(r, z), north=rng.uniform(0.4, 1))
                    .moved(left + r, y + r, 0)
                    .painted(flat(pick(rng, colors), rng))
                )
                left += 2 * r + 0.04
    return parts


def ladder(rng: Rng) -> list[Part]:
    """A step ladder, trestle table, drying rack or easel."""
    colors, tilt = palette(rng), rng.uniform(12, 26)
    paint = pick(rng, [wood(rng), any_metal(rng), flat(colors[0], rng)])
    h, w, rungs = rng.uniform(0.9, 1.4), rng.uniform(0.22, 0.32), int(rng.integers(3, 8))
    frame = both_sides(limb((0.85 * w, h, 0), (w, 0, 0), 0.035, 0.035).painted(paint))
    steps = [
        rounded_box(w, 0.02, rng.uniform(0.03, 0.09), 0.008).moved(0, h * (k + 0.6) / rungs, 0.02).painted(paint)
        for k in range(rungs)
    ]
    parts = [p.moved(0, -h, 0).turned("x", -tilt).moved(0, h, 0) for p in [*frame, *steps]]
    parts += [p.moved(0, -h, 0).turned("x", tilt).moved(0, h, 0) for p in frame]
    parts.append(rounded_box(w, 0.03, 0.12, 0.015).moved(0, h, 0).painted(flat(colors[1], rng)))
    if dice(rng, 0.4):
        picture = Canvas(hexed("f4ecd8"), 192, 128, 1.5)
        for _ in range(4):
            box = side("front")
            motif(
                picture,
                rng,
                rng.uniform(box[0] + 0.08, box[2] - 0.08),
                rng.uniform(0.12, 0.38),
                0.1,
                [pick(rng, colors), pick(rng, colors)],
            )
        board = (
            rounded_box(0.4, 0.3, 0.015, 0.008)
            .turned("x", -tilt)
            .moved(0, 0.55 * h, np.tan(np.radians(tilt)) * 0.45 * h + 0.1)
        )
        parts.append(board.painted(picture.paint(0.8)))
    return parts


def umbrella(rng: Rng) -> list[Part]:
    """An open umbrella or parasol: panels between ribs, thin stick, hook; or a mushroom lamp."""
    colors, sides = palette(rng), int(rng.integers(6, 11))
    a, t = np.meshgrid(np.linspace(-np.pi, np.pi, 8 * sides + 1), np.linspace(1, 0.02, 14))
    sag = 1 - 0.07 * np.sin(sides * a / 2) ** 2 * t
    r = 0.75 * t * sag
    y = 1.25 - 0.42 * t**2 + 0.03 * np.sin(sides * a / 2) ** 2 * t
    canvas = Canvas(colors[0], 8 * sides * 4, 96, 4.0)
    odd = (np.floor(canvas.u * sides) % 2) > 0
    canvas.add(odd * (0.0 if dice(rng, 0.3) else 1.0), colors[1])
    canvas.add(canvas.rectangle(0, 0.86, 1, 0.92), contrasting(colors[0], colors))
    points = np.stack([r * np.sin(a), y, r * np.cos(a)], -1)
    uvs = np.stack([(a / np.pi + 1) / 2, t], -1)
    outside = grid_surface(points, uvs).painted(canvas.paint(0.9))
    inside = grid_surface(points[::-1] - np.array([0, 0.008, 0]), uvs[::-1]).painted(flat(colors[0] * 0.7, None, 0.95))
    stick = any_metal(rng) if dice(rng, 0.5) else wood(rng)
    parts = [outside, inside, limb((0, 0.1, 0), (0, 1.35, 0), 0.018, 0.014).painted(stick)]
    hook = arc((0.07, 0.12, 0), 0.07, 0.08, 180, 360, 10)
    parts.append(tube(hook, 0.028).painted(flat(colors[2], rng)))
    for k in range(sides):
        b = -np.pi + 2 * np.pi * k / sides
        tip = (0.74 * np.sin(b), 0.82, 0.74 * np.cos(b))
        parts.append(tube([(0, 0.85, 0), (0.4 * np.sin(b), 1.1, 0.4 * np.cos(b))], 0.006, segments=6).painted(stick))
        parts.append(ball(0.018, 8, 6).moved(*tip).painted(stick))
    lean = rng.uniform(-35, 35)
    return [p.turned("z", lean).turned("x", 0.4 * lean) for p in parts]


def frame(rng: Rng) -> list[Part]:
    """A picture, mirror, clock face or sign in a frame on a stand."""
    colors = palette(rng)
    x, y = rng.uniform(0.3, 0.55), rng.uniform(0.3, 0.55)
    edge = finished(wood(rng) if dice(rng, 0.5) else any_metal(rng), rng)
    picture = Canvas(colors[0], 288, 192, 1.5 * x / y)
    sky = side("front")
    picture.add(picture.rectangle(*side("front", (0, rng.uniform(0.4, 0.7), 1, 1))), colors[1])
    for _ in range(int(rng.integers(2, 6))):
        motif(
            picture,
            rng,
            rng.uniform(sky[0], sky[2]),
            rng.uniform(0.08, 0.42),
            rng.uniform(0.04, 0.14),
            [pick(rng, colors), pick(rng, colors)],
        )
    if dice(rng, 0.3):
        word = invented_name(rng)
        picture.add(lettering(picture, word, 1 / 6, 0.42, fitted(word, 0.28 * picture.aspect, 0.1)), WHITE)
    parts = [rounded_box(x, y, 0.015, 0.01).painted(picture.paint(0.4))]
    t = rng.uniform(0.03, 0.08)
    parts += both_sides(rounded_box(t, y + t, 0.045, 0.015).moved(x, 0, 0.005).painted(edge))
    parts += [rounded_box(x + t, t, 0.044, 0.015).moved(0, s * y, 0.005).painted(edge) for s in (1, -1)]
    lean = rng.uniform(8, 18)
    parts = [p.moved(0, y + t, 0).turned("x", -lean) for p in parts]
    parts.append(
        limb((0, 1.2 * y, -0.02 - 1.2 * y * np.tan(np.radians(lean))), (0, 0.02, -0.5 * y - 0.1), 0.025, 0.025).painted(
            edge
        )
    )
    return parts


def broom(rng: Rng) -> list[Part]:
    """A broom, mop, rake or plunger."""
    colors = palette(rng)
    h = rng.uniform(1.0, 1.5)
    stick = wood(rng) if dice(rng, 0.6) else flat(colors[0], rng)
    parts = [limb((0, 0.25, 0), (0, h, 0), 0.03, 0.028).painted(stick)]
    kind = rng.integers(4)
    if kind == 0:
        hair = Canvas(hexed(pick(rng, ["d8b868", "4878a8", "c84840"])), 96, 96, 3.0)
        hair.add(hair.stripes(40, 0.35, "up"), hair.rgb[0, 0] * 0.65)
        parts.append(rounded_box(0.3, 0.035, 0.07, 0.02).moved(0, 0.3, 0).painted(flat(colors[1], rng)))
        parts.append(rounded_box(0.34, 0.14, 0.08, 0.03, top=(0.84, 0.7)).moved(0, 0.14, 0).painted(hair.paint(0.95)))
    elif kind == 1:
        thread = flat(hexed("f0ece0"), None, 0.95)
        for _ in range(36):
            a, r = rng.uniform(0, 6.283), rng.uniform(0.12, 0.34)
            parts.append(
                tube(
                    [
                        (0, 0.34, 0),
                        (0.5 * r * np.sin(a), 0.28, 0.5 * r * np.cos(a)),
                        (r * np.sin(a), 0.03, r * np.cos(a)),
                    ],
                    0.022,
                    segments=6,
                ).painted(thread)
            )
        parts.append(drum(0.07, 0.12, 0.03).moved(0, 0.28, 0).painted(flat(colors[1], rng)))
    elif kind == 2:
        steel = any_metal(rng)
        parts.append(rounded_box(0.32, 0.025, 0.03, 0.012).moved(0, 0.26, 0).painted(steel))
        parts += [
            tube([(x, 0.25, 0), (x, 0.1, 0.02), (x, 0.03, 0.09)], 0.014, segments=8).painted(steel)
            for x in np.linspace(-0.3, 0.3, 9)
        ]
    else:
        cup = [(0, 0.3), (0.06, 0.3), (0.08, 0.24), (0.22, 0.12), (0.25, 0.0), (0.22, 0.0), (0.18, 0.1), (0, 0.22)]
        parts.append(lathe(cup[::-1], 32).painted(flat(pick(rng, [hexed("b83c28"), BLACK]), None, 0.6)))
    if dice(rng, 0.6):
        parts.append(torus(0.03, 0.015, 18, 8).moved(0, h + 0.01, 0).painted(flat(colors[2], rng)))
    lean = rng.uniform(-30, 30)
    return [p.turned("z", lean) for p in parts]


def laid_table(rng: Rng) -> list[Part]:
    """A small table with invented things on it."""
    colors = palette(rng)
    h, r = rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.6)
    paint = finished(wood(rng) if dice(rng, 0.6) else flat(colors[0], rng), rng)
    round_top = dice(rng, 0.5)
    top = (
        drum(r, 0.05, 0.02, 44).moved(0, h, 0)
        if round_top
        else rounded_box(r, 0.03, 0.75 * r, 0.02).moved(0, h + 0.02, 0)
    )
    parts = [top.painted(paint)]
    if round_top and dice(rng, 0.5):
        parts += [
            lathe(
                [(0, 0), (0.3, 0), (0.3, 0.03), (0.07, 0.09), (0.05, 0.5 * h), (0.1, h), (0, h)], 30, smooth=1
            ).painted(paint)
        ]
    else:
        for z in (0.5 * r, -0.5 * r):
            parts += both_sides(limb((0.6 * r, h, z), (0.7 * r, 0.02, 1.15 * z), 0.035, 0.025).painted(paint))
    for k in range(int(rng.integers(1, 4))):
        thing = pick(rng, [pot, gadget])(rng)
        low = min(float(p.vertices[:, 1].min()) for p in thing)
        high = max(float(np.abs(p.vertices).max()) for p in thing)
        s = 0.3 / max(high, 0.3)
        x, z = [(-0.25, 0.1), (0.25, 0.05), (0.0, -0.2)][k]
        parts += [p.moved(0, -low, 0).scaled(s).moved(x, h + 0.05, z) for p in thing]
    return parts
