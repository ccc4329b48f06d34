"""Toys: bricks, blocks, rings, dice, dinosaurs, trains of blocks, drums, puzzles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from svdmv.dataset.procedural.creatures import coat, eyes
from svdmv.dataset.procedural.finishes import finished
from svdmv.dataset.procedural.forms import (
    Part,
    ball,
    both_sides,
    extruded,
    lathe,
    limb,
    rounded_box,
    superquadric,
    tube,
)
from svdmv.dataset.procedural.lofts import drum, torus, wheel_of
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
    pick,
    wood,
)
from svdmv.dataset.procedural.prints import invented_name, lettering
from svdmv.dataset.procedural.solids import carved
from svdmv.dataset.procedural.wares import side


def bricks(rng: Rng) -> list[Part]:
    """Building bricks with studs, stacked askew into a wall, tower or creature."""
    colors, parts, unit = palette(rng), [], 0.16
    heights = np.zeros((8, 8))
    gloss = float(pick(rng, [0.25, 0.4, 0.6]))
    for _ in range(int(rng.integers(5, 15))):
        nx, nz = pick(rng, [(2, 2), (1, 2), (4, 2), (2, 1), (3, 2), (1, 1)])
        if dice(rng, 0.5):
            nx, nz = nz, nx
        i, j = int(rng.integers(1, 8 - nx)), int(rng.integers(2, 8 - nz))
        level = heights[i : i + nx, j : j + nz].max()
        heights[i : i + nx, j : j + nz] = level + 1
        x, z, y = (i + nx / 2 - 4) * unit, (j + nz / 2 - 4) * unit, level * 0.19
        paint = flat(pick(rng, colors), None, gloss)
        parts.append(
            rounded_box(nx * unit / 2 - 0.003, 0.095, nz * unit / 2 - 0.003, 0.006)
            .moved(x, y + 0.095, z)
            .painted(paint)
        )
        for a in range(nx):
            for b in range(nz):
                stud = drum(0.05, 0.035, 0.008, 16).moved(
                    x + (a - nx / 2 + 0.5) * unit, y + 0.188, z + (b - nz / 2 + 0.5) * unit
                )
                parts.append(stud.painted(paint))
    return parts


def blocks(rng: Rng) -> list[Part]:
    """Wooden blocks with letters and drawings, in a heap or on a cart."""
    colors, parts = palette(rng), []
    places = [(-0.3, 0.2, 0), (0.3, 0.2, 0.05), (0.0, 0.62, 0), (0.32, 0.62, 0), (0, 1.04, 0)][
        : int(rng.integers(2, 6))
    ]
    for x, y, z in places:
        tone = pick(rng, [hexed("d8b888"), *colors])
        canvas = Canvas(tone, 240, 160, 1.5)
        for name in ("front", "right", "back", "left", "top"):
            box = side(name, (0.1, 0.1, 0.9, 0.9))
            ink = pick(rng, colors)
            canvas.add(canvas.rectangle(*box, 0.02), contrasting(ink, [WHITE, hexed("f4e8d0"), BLACK * 3]))
            u, v = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            if dice(rng, 0.6):
                canvas.add(lettering(canvas, invented_name(rng)[0], u, v, 0.24, weight=0.22), ink)
            else:
                motif(canvas, rng, u, v, 0.14, [ink, pick(rng, colors)])
        parts.append(
            rounded_box(0.2, 0.2, 0.2, 0.025)
            .turned("y", rng.uniform(-20, 20))
            .moved(x, y, z)
            .painted(canvas.paint(0.7))
        )
    if dice(rng, 0.4):
        parts = [p.moved(0, 0.16, 0) for p in parts]
        parts.append(rounded_box(0.6, 0.05, 0.28, 0.02).moved(0, 0.12, 0).painted(wood(rng)))
        for z in (0.26, -0.26):
            parts += both_sides(wheel_of(0.12, 0.06).turned("y", 90).moved(0.4, 0.1, z).painted(flat(colors[1], rng)))
    return parts


def stacking_rings(rng: Rng) -> list[Part]:
    """Rings on a pole, large to small or as they came, a ball on top."""
    colors, y = palette(rng), 0.1
    parts = [drum(0.45, 0.1, 0.04).painted(wood(rng) if dice(rng, 0.5) else flat(colors[0], rng))]
    sizes = np.sort(rng.uniform(0.22, 0.45, int(rng.integers(3, 7))))[::-1]
    if dice(rng, 0.3):
        rng.shuffle(sizes)
    for k, r in enumerate(sizes):
        thick = rng.uniform(0.07, 0.12)
        parts.append(
            torus(r - thick + 0.05, thick)
            .moved(rng.uniform(-0.02, 0.02), y + thick, 0)
            .painted(finished(flat(colors[(k + 1) % 5], rng), rng, 0.3))
        )
        y += 1.8 * thick
    parts.append(limb((0, 0, 0), (0, y + 0.06, 0), 0.06, 0.05).painted(wood(rng)))
    canvas = Canvas(colors[1], 96, 96, 2.0)
    if dice(rng, 0.6):
        from svdmv.dataset.procedural.paints import face

        face(canvas, 0.5, 0.5, 0.25, BLACK)
    return [*parts, ball(0.15).moved(0, y + 0.16, 0).painted(canvas.paint(0.5))]


def die(rng: Rng) -> list[Part]:
    """A die with drilled pips, or two."""
    parts = []
    spots = {1: [(0, 0)], 2: [(-1, -1), (1, 1)], 3: [(-1, -1), (0, 0), (1, 1)], 4: [(-1, -1), (1, 1), (-1, 1), (1, -1)]}
    spots |= {5: [*spots[4], (0, 0)], 6: [*spots[4], (-1, 0), (1, 0)]}
    frames = {1: ("y", 0), 6: ("y", 180), 2: ("x", -90), 5: ("x", 90), 3: ("y", 90), 4: ("y", -90)}
    for k in range(int(rng.integers(1, 3))):
        colors = palette(rng)
        cutters = []
        for number, (axis, degrees) in frames.items():
            for a, b in spots[number]:
                cutters.append(ball(0.075, 16, 10).moved(0.22 * a, 0.22 * b, 0.43).turned(axis, degrees))
        ink = flat(contrasting(colors[0], [WHITE, BLACK, colors[1]]), None, 0.4)
        cube = carved(
            rounded_box(0.4, 0.4, 0.4, rng.uniform(0.03, 0.14)).painted(flat(colors[0], None, 0.25)), cutters, ink
        )
        turn = rng.uniform(-40, 40)
        parts += [p.turned("y", turn).moved(0.95 * k, 0.4, -0.3 * k) for p in cube]
    return parts


def dinosaur(rng: Rng) -> list[Part]:
    """A dinosaur or dragon, head to +Z: long neck and tail, plates, horns, two or four legs, perhaps wings."""
    colors = palette(rng)
    base = colors[0]
    hide = finished(coat(rng, base, 3.0), rng, 0.5)
    plain, light = flat(base, None, 0.8), flat(np.clip(base * 0.5 + 0.5, 0, 1), None, 0.8)
    upright = dice(rng, 0.45)
    neck = rng.uniform(0.2, 0.8)
    hip = 0.55 if upright else 0.42
    spine = np.array(
        [
            (0, hip * 0.45, -1.25),
            (0, hip * 0.8, -0.75),
            (0, hip, -0.25),
            (0, hip + 0.08, 0.2),
            (0, hip + 0.25 + 0.6 * neck, 0.45),
            (0, hip + 0.35 + neck, 0.55),
        ]
    )
    fat = rng.uniform(0.2, 0.3)
    radii = [0.03, 0.1, fat, 0.85 * fat, 0.45 * fat, 0.4 * fat]
    t = np.linspace(0, 5, 30)
    path = np.stack([np.interp(t, np.arange(6), spine[:, k]) for k in range(3)], 1)
    for _ in range(3):
        path[1:-1] = 0.25 * path[:-2] + 0.5 * path[1:-1] + 0.25 * path[2:]
    path[:, 0] += 0.12 * np.sin(np.linspace(0, 4, 30)) * np.linspace(1, 0, 30)
    parts = [tube(path, np.interp(t, np.arange(6), radii), segments=22).painted(hide)]
    head = path[-1] + np.array([0, 0.03, 0.1])
    s = rng.uniform(0.15, 0.22)
    parts.append(superquadric(0.8 * s, 0.75 * s, 1.1 * s).moved(*head).painted(plain))
    jaw = rng.uniform(0.7, 1.4) * s
    parts.append(superquadric(0.62 * s, 0.32 * s, jaw).moved(0, head[1] - 0.08 * s, head[2] + 0.9 * s).painted(plain))
    parts.append(
        superquadric(0.55 * s, 0.2 * s, 0.9 * jaw).moved(0, head[1] - 0.45 * s, head[2] + 0.75 * s).painted(light)
    )
    parts += eyes(0.62 * s, head[1] + 0.38 * s, head[2] + 0.5 * s, 0.24 * s)
    legs = [(-0.28, 0.15)] if upright else [(-0.32, 0.12), (0.22, 0.1)]
    for z, thick in legs:
        parts += both_sides(
            limb((0.6 * fat, hip - 0.1, z), (0.75 * fat, 0.08, z + 0.06), 1.2 * thick, 0.8 * thick).painted(hide)
        )
        parts += both_sides(
            superquadric(0.11, 0.06, 0.17, segments=16, rings=8).moved(0.75 * fat, 0.06, z + 0.12).painted(light)
        )
    if upright:
        parts += both_sides(
            tube(
                [(0.7 * fat, hip + 0.12, 0.25), (0.9 * fat, hip - 0.05, 0.42), (0.8 * fat, hip - 0.08, 0.56)],
                [0.07, 0.05, 0.03],
            ).painted(plain)
        )
    kind = rng.integers(4)
    spike = flat(colors[1], None, 0.6)
    if kind < 2:
        for k in range(3, 27, 2 if kind else 3):
            size = (0.05 + 0.14 * np.sin(np.pi * k / 29)) * (1.0 if kind else 1.3)
            plate = lathe([(0, 0), (0.5 * size, 0), (0, 1.3 * size)], 12).scaled(0.35 if kind == 0 else 0.8, 1, 1)
            r = float(np.interp(t[k], np.arange(6), radii))
            parts.append(plate.moved(path[k, 0], path[k, 1] + 0.9 * r, path[k, 2]).painted(spike))
    elif kind == 2:
        frill = superquadric(1.5 * s, 1.4 * s, 0.2 * s).moved(0, head[1] + 0.5 * s, head[2] - 0.5 * s)
        horn = limb(
            (0.4 * s, head[1] + 0.5 * s, head[2] + 0.5 * s),
            (0.5 * s, head[1] + 1.2 * s, head[2] + 1.4 * s),
            0.2 * s,
            0.03,
        )
        parts += [frill.painted(spike), *both_sides(horn.painted(light))]
    else:
        wing = extruded(
            [(0, 0), (0.25, 0.35), (0.85, 0.45), (0.7, 0.1), (0.5, 0.14), (0.4, -0.08), (0.2, 0.0)], 0.03, 0.008
        )
        parts += both_sides(wing.turned("y", 25).moved(0.5 * fat, hip + 0.15, -0.05).painted(spike))
    return parts


def play_drum(rng: Rng) -> list[Part]:
    """A drum with a skin, hoops, zigzag ropes and sticks."""
    colors = palette(rng)
    r, h = rng.uniform(0.4, 0.55), rng.uniform(0.35, 0.8)
    canvas = Canvas(colors[0], 256, 96, 2 * np.pi * r / h)
    motif(canvas, rng, 0.5, 0.5, 0.3, [colors[1], colors[2]])
    parts = [drum(r, h, 0.01, 48).painted(canvas.paint(0.4))]
    hoop, rope = flat(colors[1], None, 0.4), flat(hexed("f0e8d0"), None, 0.9)
    parts += [torus(r + 0.01, 0.03, 48).moved(0, y, 0).painted(hoop) for y in (0.05, h - 0.05)]
    count = int(rng.integers(8, 16))
    a = np.arange(2 * count + 1) * np.pi / count
    zigzag = np.stack(
        [(r + 0.02) * np.sin(a), np.where(np.arange(len(a)) % 2 == 0, 0.06, h - 0.06), (r + 0.02) * np.cos(a)], 1
    )
    for p, q in pairwise(zigzag):
        parts.append(limb(p, q, 0.01, 0.01, segments=6).painted(rope))
    parts.append(drum(0.95 * r, 0.01, 0.003, 40).moved(0, h, 0).painted(flat(hexed("f4ecd8"), None, 0.8)))
    for k in range(2):
        stick = [limb((-0.5, 0, 0), (0.45, 0, 0), 0.022, 0.018), ball(0.05, 14, 8).moved(0.48, 0, 0)]
        parts += [p.turned("z", 6).turned("y", 30 + 50 * k).moved(0, h + 0.06, 0).painted(wood(rng)) for p in stick]
    return parts


def play_ball(rng: Rng) -> list[Part]:
    """A ball with panels, stripes or bumps, on a ring or a stand, or a globe."""
    colors, r = palette(rng), 0.45
    canvas = Canvas(colors[0], 384, 192, 2.0)
    kind = rng.integers(4)
    if kind == 0:
        canvas.add(canvas.stripes(int(rng.integers(4, 9)), 0.5, "up"), colors[1]).add(
            canvas.rectangle(0, 0.46, 1, 0.54), WHITE
        )
    elif kind == 1:
        canvas.add(np.clip((canvas.noise(rng, 5, 5) - 0.52) * 40, 0, 1), colors[1])
        canvas.add((canvas.v < 0.12) * 1.0, WHITE).add((canvas.v > 0.9) * 1.0, WHITE)
    elif kind == 2:
        canvas.add(canvas.star(0.5, 0.5, 0.3), colors[1]).add(canvas.star(0.0, 0.5, 0.3), colors[2]).add(
            canvas.star(1.0, 0.5, 0.3), colors[2]
        )
    else:
        cells = np.sin(canvas.u * 10 * np.pi) * np.sin(canvas.v * 5 * np.pi)
        canvas.add(np.clip(cells * 20, 0, 1), colors[1]).add(canvas.edge(np.abs(cells) * 0.05 - 0.004), BLACK)
    sphere = superquadric(r, r, r, segments=48, rings=32).painted(
        finished(canvas.paint(float(pick(rng, [0.2, 0.5, 0.9]))), rng, 0.4)
    )
    tilt = rng.uniform(-35, 35)
    parts = [sphere.turned("z", tilt).moved(0, r + 0.12, 0)]
    if kind == 1 or dice(rng, 0.3):
        from svdmv.dataset.procedural.finishes import any_metal
        from svdmv.dataset.procedural.forms import arc

        steel = any_metal(rng)
        parts = [p.moved(0, 0.2, 0) for p in parts]
        parts.append(
            tube(arc((0, 0, 0), 0.52, 0.52, -90, 90, 24), 0.025).turned("z", tilt).moved(0, r + 0.32, 0).painted(steel)
        )
        parts += [
            limb((0, 0.05, 0), (0, 0.27, 0), 0.03, 0.025).painted(steel),
            drum(0.28, 0.06, 0.02).painted(wood(rng)),
        ]
    else:
        parts.append(torus(0.28, 0.06).moved(0, 0.06, 0).painted(flat(colors[3], rng)))
    return parts


def chess_piece(rng: Rng) -> list[Part]:
    """A king, queen, bishop, rook, pawn or knight of turned wood or stone."""
    from svdmv.dataset.procedural.finishes import stony

    tone = pick(rng, [hexed("e8d8b8"), hexed("2a2220"), hexed("7a1c1c"), *palette(rng)])
    paint: Paint = pick(rng, [flat(tone, None, 0.3), stony(flat(tone), rng), wood(rng)])
    h = rng.uniform(0.8, 1.2)
    foot = [
        (0, 0),
        (0.34, 0),
        (0.36, 0.04),
        (0.34, 0.1),
        (0.26, 0.14),
        (0.22, 0.2),
        (0.15, 0.32),
        (0.11, 0.6 * h),
        (0.2, 0.68 * h),
        (0.21, 0.71 * h),
        (0.12, 0.74 * h),
    ]
    kind = rng.integers(5)
    if kind == 0:
        return [
            lathe([*foot, (0.16, 0.86 * h), (0.1, 0.98 * h), (0, h)], 40).painted(paint),
            ball(0.05).moved(0, 1.02 * h, 0).painted(paint),
        ]
    if kind == 1:
        body = lathe([*foot, (0.18, 0.8 * h), (0.2, h), (0.0, h)], 40).painted(paint)
        gaps = [rounded_box(0.04, 0.08, 0.5, 0.004).moved(0, h, 0).turned("y", a) for a in (0, 60, 120)]
        return carved(body, [*gaps, drum(0.13, 0.3, 0.003, 30).moved(0, 0.9 * h, 0)], paint)
    if kind == 2:
        return [lathe([*foot, (0, 0.75 * h)], 40).painted(paint), ball(0.17).moved(0, 0.86 * h, 0).painted(paint)]
    if kind == 3:
        body = lathe([*foot, (0.15, 0.8 * h), (0.19, 0.98 * h), (0.1, h), (0, h)], 40).painted(paint)
        cross = [rounded_box(0.03, 0.12, 0.03, 0.008), rounded_box(0.08, 0.03, 0.03, 0.008)]
        return [body, *(p.moved(0, h + 0.12, 0).painted(paint) for p in cross)]
    base = lathe([*foot[:7], (0, 0.36)], 40).painted(paint)
    horse = [
        (-0.12, 0.3),
        (0.16, 0.3),
        (0.18, 0.55),
        (0.06, 0.6),
        (0.28, 0.62),
        (0.32, 0.72),
        (0.14, 0.9),
        (0.08, 1.0),
        (0.02, 0.92),
        (-0.1, 0.85),
        (-0.2, 0.6),
    ]
    return [base, extruded(horse, 0.2, 0.04).turned("y", -90).painted(paint)]
