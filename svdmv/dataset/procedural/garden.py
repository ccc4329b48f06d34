"""Things that grow or are eaten: flowers, pots with plants, sweets, fruit, mushrooms."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import Part, ball, lathe, limb, superquadric, tube
from svdmv.dataset.procedural.paints import BLACK, WHITE, Canvas, Rng, dice, face, flat, hexed, palette, pattern, pick


def flower(rng: Rng, centre: np.ndarray, size: float, color: np.ndarray) -> list[Part]:
    """Petals round a yellow middle, open to the front."""
    count = int(rng.integers(5, 8))
    petal = (
        superquadric(0.36 * size, 0.6 * size, 0.13 * size, segments=12, rings=8)
        .moved(y=0.6 * size)
        .painted(flat(color, None, 0.7))
    )
    petals = [petal.turned("z", 360 * k / count) for k in range(count)]
    heart = superquadric(0.36 * size, 0.36 * size, 0.25 * size, segments=12, rings=8).painted(
        flat(hexed("f2c14e"), None, 0.8)
    )
    return [p.turned("x", -25).moved(*centre) for p in [*petals, heart]]


def plant(rng: Rng) -> list[Part]:
    """A pot with a cactus, a fan of leaves, or a small tree."""
    colors = palette(rng)
    top, h = 0.42, rng.uniform(0.4, 0.55)
    pot = [
        (0, 0),
        (0.28, 0),
        (0.3, 0.02),
        (top - 0.02, h - 0.1),
        (top + 0.03, h - 0.1),
        (top + 0.03, h),
        (top - 0.03, h),
        (top - 0.05, h - 0.06),
        (0, h - 0.05),
    ]
    parts = [
        lathe(pot, 36).painted(pattern(rng, colors, 3.0)),
        lathe([(top - 0.04, h - 0.07), (0, h - 0.02)], 24).painted(flat(hexed("4a3325"), None, 0.95)),
    ]
    green = hexed(pick(rng, ["4f8a3c", "2f6b46", "7aa850", "3f7d5a"]))
    kind = rng.integers(3)
    if kind == 0:
        canvas = Canvas(green, 128, 128, 2.0)
        canvas.add(canvas.stripes(14, 0.3, "up"), green * 0.7).add(canvas.dots(14, 10, 0.12), WHITE)
        skin = canvas.paint(0.8)
        body = rng.uniform(0.45, 0.8)
        parts.append(superquadric(0.2, body, 0.2).moved(y=h + body * 0.75).painted(skin))
        for side in (1, -1)[: int(rng.integers(1, 3))]:
            y = h + body * rng.uniform(0.6, 1.0)
            path = [
                (side * 0.1, y, 0),
                (side * 0.34, y, 0),
                (side * 0.4, y + 0.06, 0),
                (side * 0.4, y + rng.uniform(0.2, 0.4), 0),
            ]
            parts.append(tube(path, 0.085).painted(skin))
        parts += flower(rng, np.array([0.05, h + body * 1.72, 0.08]), 0.14, colors[1])
    elif kind == 1:
        leaf = Canvas(green, 64, 128)
        leaf.add(leaf.rectangle(0.46, 0, 0.54, 1), green * 1.35)
        count, length = int(rng.integers(7, 12)), rng.uniform(0.5, 0.85)
        for k in range(count):
            lean = 15 + 45 * ((k * 0.618) % 1)
            blade = superquadric(0.11, length / 2, 0.02, segments=14, rings=12).moved(y=length / 2)
            blade = blade.painted(leaf.paint(0.6)).turned("x", lean).turned("y", 360 * k / count + rng.uniform(-10, 10))
            parts.append(blade.moved(y=h - 0.06))
    else:
        trunk = rng.uniform(0.35, 0.6)
        parts.append(limb((0, h - 0.1, 0), (0, h + trunk, 0), 0.05, 0.035).painted(flat(hexed("6b4a2e"), None, 0.9)))
        crown = Canvas(green, 128, 128, 2)
        crown.add(np.clip((crown.noise(rng, 10) - 0.45) * 4, 0, 1), green * 0.65)
        crown.add(crown.spots(rng, int(rng.integers(0, 14)), 0.02, 0.035), colors[2])
        for x, y, z, r in [
            (0, 0.2, 0, 0.38),
            (0.2, 0.05, 0.1, 0.26),
            (-0.22, 0.1, 0.0, 0.28),
            (0.02, 0.45, -0.05, 0.25),
        ]:
            parts.append(ball(r * rng.uniform(0.9, 1.1)).moved(x, h + trunk + y, z).painted(crown.paint(0.9)))
    return parts


def sweet(rng: Rng) -> list[Part]:
    """A cupcake or an ice cream with sprinkles and a cherry."""
    colors = palette(rng)
    cream = pick(rng, [hexed("ffd6e0"), hexed("fff3d6"), hexed("d6f0e0"), hexed("8a5a3b"), colors[0]])
    canvas = Canvas(cream, 256, 128, 2.5)
    for color in colors[1:4]:
        canvas.add(canvas.spots(rng, 16, 0.012, 0.02), color)
    paint = canvas.paint(0.6)
    if dice(rng, 0.5):
        cup = Canvas(colors[1], 256, 32, 6)
        cup.add(cup.stripes(24, 0.5, "up"), colors[1] * 0.75)
        parts = [lathe([(0, 0), (0.3, 0), (0.44, 0.4), (0.4, 0.41), (0, 0.41)], 40).painted(cup.paint(0.8))]
        y, top = 0.4, 0.4
    else:
        wafer = Canvas(hexed("d8a15c"), 128, 128, 1.5)
        lines = np.maximum(wafer.stripes(10, 0.2, "spiral"), wafer.stripes(10, 0.2, "spiral")[:, ::-1])
        wafer.add(lines, hexed("a8703a"))
        parts = [lathe([(0.0, 0), (0.05, 0.02), (0.36, 0.95), (0.37, 1.0), (0, 1.0)], 36).painted(wafer.paint(0.8))]
        y, top = 0.98, 0.38
    for k, r in enumerate((top, top * 0.8, top * 0.55)[: int(rng.integers(1, 4))]):
        parts.append(
            superquadric(r * 1.08, r * 0.62, r * 1.08).moved(rng.uniform(-0.03, 0.03), y + r * 0.35, 0).painted(paint)
        )
        y += r * (0.75 if k < 2 else 0.5)
    parts.append(ball(0.1).moved(0.04, y + 0.1, 0.03).painted(flat(hexed("c81e3a"), None, 0.2)))
    parts.append(
        tube([(0.04, y + 0.18, 0.03), (0.07, y + 0.3, 0.03), (0.14, y + 0.4, 0.02)], 0.012).painted(
            flat(hexed("4a6b2a"), None, 0.8)
        )
    )
    if dice(rng, 0.4):
        parts.append(
            limb((-0.15, y - 0.15, -0.05), (-0.36, y + 0.35, -0.12), 0.035, 0.035).painted(pattern(rng, colors, 0.5))
        )
    return parts


def apple(rng: Rng) -> list[Part]:
    """An apple, pear, orange, pumpkin or aubergine, with stalk and leaf."""
    kind = rng.integers(5)
    color = hexed(["c8262c", "b9c248", "f08a24", "e8761e", "5a2a62"][kind])
    second = hexed(["e8c04a", "d8a040", "f4a040", "c85a12", "3a1a44"][kind])
    canvas = Canvas(color, 128, 128, 2)
    if kind < 3:
        canvas.add(np.clip((canvas.noise(rng, 4) - 0.4) * 2, 0, 0.8), second)
    elif kind == 3:
        canvas.add(canvas.stripes(10, 0.25, "up"), second)
    shapes = [
        [(0, 0.08), (0.16, 0.0), (0.4, 0.16), (0.5, 0.5), (0.4, 0.82), (0.18, 0.9), (0, 0.78)],
        [(0, 0.02), (0.3, 0.0), (0.46, 0.3), (0.4, 0.6), (0.2, 0.95), (0.14, 1.1), (0, 1.12)],
        [(0, 0.0), (0.3, 0.02), (0.5, 0.45), (0.3, 0.88), (0, 0.9)],
        [(0, 0.1), (0.2, 0.0), (0.5, 0.1), (0.62, 0.36), (0.5, 0.62), (0.2, 0.7), (0, 0.6)],
        [(0, 0.0), (0.26, 0.04), (0.36, 0.35), (0.28, 0.7), (0.17, 1.1), (0, 1.2)],
    ]
    skin = lathe(shapes[kind], 40, smooth=3).painted(canvas.paint(float(pick(rng, [0.25, 0.4, 0.6]))))
    if kind == 3:

        def ribs(v: np.ndarray) -> np.ndarray:
            angle = np.arctan2(v[:, 0], v[:, 2])
            swell = 1 + 0.07 * np.cos(10 * angle)
            return np.column_stack([v[:, 0] * swell, v[:, 1], v[:, 2] * swell])

        skin = skin.bent(ribs)
    top = max(y for _, y in shapes[kind]) - 0.08
    parts = [
        skin,
        tube([(0, top - 0.06, 0), (0.02, top + 0.1, 0), (0.08, top + 0.22, 0)], [0.035, 0.025, 0.03]).painted(
            flat(hexed("5b4020"), None, 0.9)
        ),
    ]
    if dice(rng, 0.7):
        leaf = (
            superquadric(0.17, 0.02, 0.08, segments=12, rings=8)
            .moved(0.18)
            .turned("z", 25)
            .turned("y", rng.uniform(-60, 60))
        )
        parts.append(leaf.moved(y=top + 0.08).painted(flat(hexed("4f8a3c"), None, 0.6)))
    return parts


def mushroom(rng: Rng) -> list[Part]:
    """A toadstool, sometimes with a face on the stem and smaller ones beside it."""
    colors = palette(rng)
    cap = Canvas(pick(rng, [hexed("c8262c"), hexed("a9744f"), colors[0]]), 256, 128, 3)
    cap.add(cap.spots(rng, 22, 0.05, 0.1), WHITE)
    stem_paint = Canvas(WHITE, 128, 128, 2.2)
    if dice(rng, 0.5):
        face(stem_paint, 0.5, 0.45, 0.22, BLACK)
    gills = flat(WHITE * 0.85, None, 0.9)

    def one(scale: float) -> list[Part]:
        h, r = rng.uniform(0.5, 0.8), rng.uniform(0.45, 0.65)
        stem = lathe([(0, 0), (0.26, 0), (0.24, 0.1), (0.16, h * 0.6), (0.17, h + 0.05)], 28, smooth=2)
        dome = lathe(
            [(r * 0.96, h), (r, h + 0.04), (r * 0.9, h + 0.25), (r * 0.5, h + 0.45), (0, h + 0.5)], 36, smooth=2
        )
        under = lathe([(0, h + 0.03), (r * 0.96, h)], 36)
        return [
            q.scaled(scale)
            for q in (stem.painted(stem_paint.paint(0.8)), dome.painted(cap.paint(0.4)), under.painted(gills))
        ]

    parts = one(1.0)
    for side in (1, -1)[: int(rng.integers(0, 3))]:
        parts += [
            q.moved(side * rng.uniform(0.4, 0.6), 0, rng.uniform(-0.2, 0.25)) for q in one(rng.uniform(0.35, 0.6))
        ]
    return parts
