"""Toy figures that look to +Z: people, robots, snowmen; and their hats."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import Part, ball, both_sides, lathe, limb, rounded_box, superquadric, tube
from svdmv.dataset.procedural.paints import (
    BLACK,
    WHITE,
    Canvas,
    Rng,
    contrasting,
    dice,
    face,
    finish,
    flat,
    hexed,
    metal,
    motif,
    palette,
    pattern,
    pick,
)
from svdmv.dataset.procedural.panels import boxed


def hat(rng: Rng, y: float, z: float, r: float, colors: list[np.ndarray]) -> list[Part]:
    """A top hat, a cone with a bobble, or a cap with a peak to the front."""
    kind = rng.integers(3)
    if kind == 0:
        band = Canvas(BLACK * 1.5, 64, 64)
        band.add(band.rectangle(0, 0.42, 1, 0.56), colors[0])
        return [
            lathe([(0, 0), (r * 1.35, 0), (r * 1.35, 0.03), (r * 0.85, 0.04), (r * 0.8, r * 1.2), (0, r * 1.2)], 32)
            .moved(0, y, z)
            .painted(band.paint(0.7))
        ]
    if kind == 1:
        cone = (
            lathe([(0, 0), (r, 0), (r * 0.6, r * 0.9), (0, r * 1.9)], 32)
            .moved(0, y, z)
            .painted(pattern(rng, colors, 2.0))
        )
        return [cone, ball(r * 0.25).moved(0, y + r * 1.9, z).painted(flat(WHITE, None, 0.9))]
    dome = superquadric(r * 1.05, r * 0.75, r * 1.05).moved(0, y, z).painted(flat(colors[0], None, 0.8))
    return [
        dome,
        superquadric(r * 0.7, 0.03, r * 0.6).moved(0, y + 0.03, z + r * 1.15).painted(flat(colors[1], None, 0.8)),
    ]


def figure(rng: Rng) -> list[Part]:
    """A toy person with face, hair or hat, clothes; arms down or waving."""
    colors = palette(rng)
    skin = hexed(pick(rng, ["f2c9a0", "d8a070", "a8703f", "6f4526", "f4d8c0", "f2d24e"]))
    shirt_paint = Canvas(colors[0], 192, 128, 2.2)
    if dice(rng, 0.5):
        shirt_paint.add(shirt_paint.stripes(int(rng.integers(3, 7)), 0.45), colors[1])
    else:
        motif(shirt_paint, rng, 0.5, 0.45, 0.16, [contrasting(colors[0], colors[1:]), colors[2]])
    head_paint = Canvas(skin, 192, 128, 2.0)
    face(head_paint, 0.5, 0.52, 0.22, BLACK, hexed("b03a3a"))
    hair = flat(hexed(pick(rng, ["2c2018", "6b4423", "d8a840", "b0562a", "8a8a90", "3a2a5a"])), None, 0.85)
    head_paint.add(np.clip((0.3 - head_paint.v + 0.25 * (np.abs(head_paint.u - 0.5) > 0.22)) * 30, 0, 1), hair.color)
    r, trousers = rng.uniform(0.26, 0.33), flat(contrasting(colors[0], colors[2:]), None, 0.85)
    legs, torso = rng.uniform(0.4, 0.6), rng.uniform(0.42, 0.52)
    y = legs + torso
    parts = [
        superquadric(0.28, torso * 0.62, 0.19, north=0.8)
        .moved(0, legs + torso * 0.5, 0)
        .painted(shirt_paint.paint(0.85))
    ]
    if dice(rng, 0.3):
        skirt = lathe([(0, legs * 0.45), (0.42, legs * 0.45), (0.24, y - 0.25), (0, y - 0.22)], 32).painted(
            pattern(rng, colors[1:], 3.0)
        )
        parts.append(skirt)
    parts += both_sides(limb((0.12, legs + 0.05, 0), (0.14, 0.1, 0), 0.12, 0.09).painted(trousers))
    parts += both_sides(
        superquadric(0.1, 0.075, 0.17, segments=16, rings=8).moved(0.14, 0.07, 0.06).painted(flat(colors[3], None, 0.5))
    )
    sleeve = flat(colors[0] if dice(rng, 0.6) else colors[1], None, 0.85)
    for side in (1, -1):
        up = dice(rng, 0.25)
        shoulder = np.array([side * 0.26, y - 0.12, 0])
        hand = shoulder + (
            np.array([side * 0.24, 0.4, 0.05]) if up else np.array([side * 0.16, -0.42, rng.uniform(0, 0.16)])
        )
        parts += [
            limb(shoulder, hand, 0.09, 0.07).painted(sleeve),
            ball(0.085, 14, 10).moved(*hand).painted(flat(skin, None, 0.7)),
        ]
    head_y = y + r * 0.85
    parts.append(
        superquadric(r, r * 1.05, r * 0.98, segments=36, rings=22).moved(0, head_y, 0).painted(head_paint.paint(0.7))
    )
    parts.append(ball(0.05, 12, 8).moved(0, head_y - 0.03, r).painted(flat(skin * 0.93, None, 0.7)))
    if dice(rng, 0.5):
        parts += hat(rng, head_y + r * 0.72, 0, r * 0.8, colors[1:])
    else:
        top = superquadric(r * 1.08, r * 0.62, r * 1.06).moved(0, head_y + r * 0.55, -0.04).painted(hair)
        parts.append(top)
        if dice(rng, 0.5):
            parts += both_sides(superquadric(0.1, 0.2, 0.1).moved(r * 1.05, head_y - 0.05, -0.08).painted(hair))
    return parts


def robot(rng: Rng) -> list[Part]:
    """A tin robot: boxes, dials, antenna."""

    colors = palette(rng)
    shine = metal(rng) if dice(rng, 0.3) else flat(colors[0], None, float(pick(rng, [0.3, 0.5])))
    joint = flat(hexed("50565c"), None, 0.5)
    chest = boxed(shine.color, size=288)
    chest.add(chest.rectangle(0.06, 0.12, 0.275, 0.4, 0.03), contrasting(shine.color, colors))
    for k in range(3):
        chest.add(chest.disc(0.1 + 0.068 * k, 0.2, 0.03), colors[(k + 1) % 5])
    chest.add(chest.rectangle(0.09, 0.28, 0.245, 0.31), BLACK)
    head = boxed(shine.color, size=288)
    glow = pick(rng, [hexed("ffe066"), hexed("66e0ff"), hexed("ff5a5a"), hexed("8aff7a")])
    for u in (0.105, 0.228):
        head.add(head.disc(u, 0.2, 0.06), BLACK).add(head.disc(u, 0.2, 0.04), glow)
    head.add(head.rectangle(0.08, 0.34, 0.253, 0.41), BLACK)
    for k in range(6):
        head.add(head.rectangle(0.092 + 0.028 * k, 0.35, 0.104 + 0.028 * k, 0.4), WHITE)
    legs, hx, hy = rng.uniform(0.25, 0.45), rng.uniform(0.28, 0.4), rng.uniform(0.26, 0.36)
    y = legs + hy
    sx, sy = rng.uniform(0.22, 0.3), rng.uniform(0.17, 0.24)
    top = y + hy + 0.08 + sy
    gloss = shine.roughness
    parts = [
        rounded_box(hx, hy, 0.22, 0.04, top=(rng.uniform(0.85, 1.15), 1)).moved(0, y, 0).painted(chest.paint(gloss)),
        rounded_box(sx, sy, 0.2, 0.05).moved(0, top, 0).painted(head.paint(gloss)),
        limb((0, y + hy - 0.02, 0), (0, top - sy, 0), 0.08, 0.08).painted(joint),
        limb((0, top + sy, 0), (0, top + sy + 0.2, 0), 0.02, 0.02).painted(joint),
        ball(0.06).moved(0, top + sy + 0.24, 0).painted(flat(pick(rng, colors), None, 0.3)),
        *both_sides(superquadric(0.05, 0.09, 0.09).moved(sx + 0.03, top, 0).painted(flat(colors[2], None, 0.4))),
    ]
    parts += both_sides(limb((hx * 0.5, legs + 0.05, 0), (hx * 0.5, 0.1, 0), 0.07, 0.07).painted(joint))
    parts += both_sides(
        rounded_box(0.13, 0.07, 0.2, 0.03).moved(hx * 0.52, 0.07, 0.05).painted(flat(colors[1], None, 0.5))
    )
    for side in (1, -1):
        drop = rng.uniform(-0.4, 0.15)
        elbow = (side * (hx + 0.2), y + hy * 0.6 + drop * 0.4, 0.05)
        hand = (side * (hx + 0.22), y + hy * 0.6 + drop, 0.25)
        parts += [ball(0.1).moved(side * (hx + 0.04), y + hy * 0.6, 0).painted(flat(colors[1], None, 0.5))]
        parts += [
            tube([(side * hx, y + hy * 0.6, 0), elbow, hand], 0.055).painted(joint),
            ball(0.09).moved(*hand).painted(flat(colors[2], None, 0.5)),
        ]
    return parts


def snowman(rng: Rng) -> list[Part]:
    """Balls on balls: a snow man, or a stacking toy with rings of many colours."""
    colors = palette(rng)
    if dice(rng, 0.4):
        parts, y = [limb((0, 0, 0), (0, 1.3, 0), 0.06, 0.05).painted(flat(hexed("c89a62"), None, 0.7))], 0.0
        for k, r in enumerate(np.linspace(0.52, 0.24, int(rng.integers(4, 6)))):
            parts.append(
                superquadric(float(r), 0.14, float(r), north=0.7)
                .moved(0, y + 0.13, 0)
                .painted(flat(colors[k % 5], rng))
            )
            y += 0.25
        head = Canvas(colors[-1], 128, 96, 2)
        face(head, 0.5, 0.5, 0.3, BLACK)
        return [*parts, ball(0.22).moved(0, y + 0.18, 0).painted(head.paint(finish(rng)))]
    white = flat(WHITE, None, 0.9)
    parts = [
        ball(0.5).moved(0, 0.45, 0).painted(white),
        ball(0.37).moved(0, 1.1, 0).painted(white),
        ball(0.27).moved(0, 1.6, 0).painted(white),
    ]
    carrot = (
        lathe([(0, 0), (0.07, 0), (0, 0.36)], 18)
        .turned("x", 90)
        .moved(0, 1.58, 0.24)
        .painted(flat(hexed("f08a24"), None, 0.7))
    )
    coal = [ball(0.045, 12, 8).moved(s * 0.1, 1.68, 0.235).painted(flat(BLACK)) for s in (1, -1)]
    coal += [
        ball(0.05, 12, 8)
        .moved(0, 0.98 + 0.17 * k, 0.35 + 0.02 * (1 - abs(k - 1)))
        .painted(flat(contrasting(WHITE, colors)))
        for k in range(3)
    ]
    arms = [
        tube([(s * 0.3, 1.15, 0), (s * 0.6, 1.25 + rng.uniform(-0.1, 0.2), 0.08), (s * 0.85, 1.4, 0.1)], 0.03).painted(
            flat(hexed("5b4020"))
        )
        for s in (1, -1)
    ]
    scarf = Canvas(colors[0], 128, 32, 6)
    scarf.add(scarf.stripes(12, 0.5, "up"), colors[1])
    wool = scarf.paint(0.95)
    neck = tube(
        [(0.26 * np.sin(a), 1.36, 0.26 * np.cos(a)) for a in np.linspace(0, 2 * np.pi, 25)], 0.07, round_ends=False
    ).painted(wool)
    end = rounded_box(0.07, 0.2, 0.03, 0.02).turned("x", -14).moved(0.14, 1.16, 0.36).painted(wool)
    return [*parts, carrot, *coal, *arms, neck, end, *hat(rng, 1.8, 0, 0.24, colors[2:])]
