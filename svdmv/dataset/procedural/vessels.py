"""Turned things: mugs, vases, bottles, bowls, bells, teapots, lamps, pots with plants, sweets, fruit."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import Part, arc, ball, both_sides, lathe, limb, superquadric, tube
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
    lightness,
    metal,
    motif,
    palette,
    pattern,
    pick,
    wood,
)


def mug(rng: Rng) -> list[Part]:
    """A mug with a handle at one side, a drawing in front, sometimes a drink in it."""
    colors = palette(rng)
    h, r, belly = rng.uniform(0.8, 1.15), 0.5, rng.uniform(-0.08, 0.1)
    wall = [(0, 0), (r * 0.9, 0), (r - 0.02, 0.03), (r + belly, h * 0.5), (r, h - 0.02), (r - 0.02, h)]
    inside = [(r - 0.02, h), (r - 0.07, h - 0.02), (r + belly - 0.08, h * 0.5), (r - 0.09, 0.08), (0, 0.07)]
    outer = lathe(wall, 44, smooth=2).painted(pattern(rng, colors, 3.0))
    inner = flat(WHITE if dice(rng, 0.6) else colors[1], None, 0.4)
    grip = arc((r + belly * 0.6 - 0.02, h * 0.52, 0), 0.3, h * 0.3, 80, -80)
    handle = tube(grip, rng.uniform(0.05, 0.075), flat=rng.uniform(1.0, 1.6)).painted(flat(pick(rng, colors[:3]), rng))
    parts = [outer, lathe(inside, 44, smooth=2).painted(inner), handle]
    if dice(rng, 0.6):
        tint = hexed(pick(rng, ["3b2314", "6f4424", "b5803c", "7fb36b", "e8e0cc"]))
        parts.append(lathe([(r + belly - 0.06, h * 0.74), (0, h * 0.78)], 32).painted(flat(tint, None, 0.25)))
    return parts if dice(rng, 0.7) else [p.mirrored() if p is handle else p for p in parts]


def _profile(rng: Rng, height: float) -> list[tuple[float, float]]:
    """Foot to rim of a vase: 5 to 7 random radii with a foot and a neck."""
    count = int(rng.integers(5, 8))
    radii = rng.uniform(0.18, 0.55, count)
    radii[0] = max(radii[0], 0.25)
    radii[int(rng.integers(1, count - 2))] = rng.uniform(0.48, 0.62)
    radii[-2] = rng.uniform(0.12, 0.3)
    radii[-1] = radii[-2] + rng.uniform(0.03, 0.16)
    return [(float(r), float(y)) for r, y in zip(radii, np.linspace(0, height, count), strict=True)]


def vase(rng: Rng) -> list[Part]:
    """A vase, often with two handles or a few flowers."""
    colors = palette(rng)
    h = rng.uniform(1.0, 1.7)
    rim = _profile(rng, h)
    wall = [(0.0, 0.0), *rim]
    top_r, top_y = rim[-1]
    inside = [
        (top_r, top_y),
        (top_r - 0.03, top_y),
        (rim[-2][0] - 0.04, rim[-2][1]),
        (rim[-3][0] - 0.06, rim[-3][1]),
        (0.0, rim[-3][1] - 0.1),
    ]
    parts = [
        lathe(wall, 44, smooth=3).painted(pattern(rng, colors, 2.4)),
        lathe(inside, 44, smooth=2).painted(flat(colors[0] * 0.6, None, 0.8)),
    ]
    if dice(rng, 0.4):
        r = rim[-3][0]
        handle = tube(arc((r * 0.75, rim[-3][1] + 0.02, 0), 0.32, h * 0.16, 100, -80), 0.04)
        parts += both_sides(handle.painted(flat(colors[1], rng)))
    elif dice(rng, 0.5):
        for _ in range(int(rng.integers(1, 5))):
            lean = rng.uniform(-0.35, 0.35, 2)
            tip = np.array([lean[0], h + rng.uniform(0.35, 0.75), lean[1]])
            parts.append(limb((0, h - 0.35, 0), tip, 0.022, 0.018).painted(flat(hexed("4f8a3c"), None, 0.8)))
            parts += flower(rng, tip, rng.uniform(0.12, 0.2), pick(rng, colors))
    return parts


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


def bottle(rng: Rng) -> list[Part]:
    """A bottle or jar with a cap and a printed label."""
    colors = palette(rng)
    h, r, neck = rng.uniform(0.9, 1.4), rng.uniform(0.28, 0.42), rng.uniform(0.1, 0.2)
    body = colors[0]
    shoulder = h * rng.uniform(0.6, 0.8)
    wall = [
        (0, 0),
        (r * 0.92, 0),
        (r, 0.05),
        (r, shoulder - 0.02),
        (r, shoulder),
        (neck + 0.03, h * 0.9),
        (neck, h * 0.93),
        (neck, h),
        (0, h),
    ]
    paint = flat(body, None, float(pick(rng, [0.2, 0.35, 0.6])))
    label = Canvas(contrasting(body, [*colors[1:], WHITE]), 256, 128, 2 * np.pi * r / (shoulder * 0.66))
    ink = contrasting(label.rgb[0, 0], colors)
    label.add(label.rectangle(0, 0.04, 1, 0.09), ink).add(label.rectangle(0, 0.91, 1, 0.96), ink)
    motif(label, rng, 0.5, 0.5, 0.3, [ink, colors[2]])
    motif(label, rng, 0.0, 0.5, 0.22, [ink, colors[3]])
    low, high = shoulder * 0.14, shoulder * 0.8
    parts = [
        lathe(wall, 40, smooth=1).painted(paint),
        lathe([(r + 0.006, low), (r + 0.006, high)], 40).painted(label.paint(0.6)),
    ]
    cap_h = rng.uniform(0.08, 0.2)
    cap = [
        (0, h - 0.04),
        (neck + 0.04, h - 0.04),
        (neck + 0.045, h - 0.03),
        (neck + 0.035, h + cap_h - 0.02),
        (neck + 0.01, h + cap_h),
        (0, h + cap_h),
    ]
    parts.append(lathe(cap, 32).painted(flat(contrasting(body, colors[1:]), rng)))
    if dice(rng, 0.3):  # a pump or spray to the front
        parts.append(limb((0, h + cap_h, 0), (0, h + cap_h + 0.16, 0), 0.035, 0.035).painted(flat(WHITE, None, 0.4)))
        parts.append(
            limb((0, h + cap_h + 0.18, -0.06), (0, h + cap_h + 0.15, 0.26), 0.06, 0.035).painted(
                flat(colors[1], None, 0.4)
            )
        )
    return parts


def bowl(rng: Rng) -> list[Part]:
    """A bowl with fruit, or soup, or nothing but a pattern."""
    colors = palette(rng)
    h, r = rng.uniform(0.3, 0.5), 0.62
    foot = rng.uniform(0.22, 0.34)
    wall = [(0, 0), (foot, 0), (foot, 0.06), (foot + 0.12, 0.09), (r - 0.06, h * 0.62), (r, h)]
    inside = [(r, h), (r - 0.03, h), (r - 0.1, h * 0.6), (foot, 0.13), (0, 0.11)]
    parts = [
        lathe(wall, 44, smooth=2).painted(pattern(rng, colors, 5.0)),
        lathe(inside, 44, smooth=2).painted(pattern(rng, colors[::-1], 5.0)),
    ]
    what = rng.integers(3)
    if what == 0:
        spots = [(0.24, 0), (-0.2, 0.16), (-0.12, -0.24), (0.0, 0.02)][: int(rng.integers(2, 5))]
        for k, (x, z) in enumerate(spots):
            fruit = [q.scaled(0.42) for q in apple(rng)]
            parts += [q.turned("z", rng.uniform(-25, 25)).moved(x, h * 0.72 + (0.2 if k == 3 else 0), z) for q in fruit]
    elif what == 1:
        soup = Canvas(pick(rng, [hexed("c8442c"), hexed("e0a030"), hexed("7a9a3a")]), 128, 64, 4)
        soup.add(soup.spots(rng, 14, 0.05, 0.1), pick(rng, [hexed("f0e6c8"), hexed("3f7a34")]))
        parts.append(lathe([(r - 0.07, h * 0.78), (0, h * 0.8)], 36).painted(soup.paint(0.4)))
        parts.append(limb((0.1, h * 0.6, 0.1), (0.62, h + 0.42, -0.1), 0.03, 0.04).painted(wood(rng)))
    return parts


def bell(rng: Rng) -> list[Part]:
    """A hand bell with a turned handle."""
    colors = palette(rng)
    paint = metal(rng) if dice(rng, 0.6) else pattern(rng, colors, 3.0)
    body = [
        (0, 0.3),
        (0.4, 0.1),
        (0.52, 0),
        (0.56, 0.01),
        (0.5, 0.1),
        (0.38, 0.34),
        (0.3, 0.62),
        (0.2, 0.74),
        (0, 0.76),
    ]
    grip = [(0, 0.74), (0.06, 0.75), (0.05, 0.85), (0.11, 0.98), (0.1, 1.12), (0.05, 1.24), (0.09, 1.34), (0, 1.4)]
    return [
        lathe(body, 44, smooth=2).painted(paint),
        lathe(grip, 24, smooth=2).painted(wood(rng) if dice(rng, 0.5) else flat(colors[1], rng)),
        ball(0.1).moved(y=0.02).painted(metal(rng)),
    ]


def teapot(rng: Rng) -> list[Part]:
    """A pot with spout, handle and lid; the spout points to the right or left."""
    colors = palette(rng)
    r, h = 0.5, rng.uniform(0.6, 0.85)
    wall = [(0, 0), (r * 0.6, 0), (r * 0.75, 0.04), (r, h * 0.4), (r * 0.9, h * 0.75), (r * 0.5, h), (0, h)]
    spout = tube(
        [(r * 0.75, h * 0.25, 0), (r + 0.15, h * 0.35, 0), (r + 0.25, h * 0.7, 0), (r + 0.4, h * 0.95, 0)],
        [0.14, 0.1, 0.075, 0.06],
    )
    handle = tube(arc((-r * 0.85, h * 0.5, 0), 0.34, h * 0.34, 100, 260), 0.05)
    lid = lathe([(r * 0.52, h - 0.02), (r * 0.5, h + 0.03), (r * 0.25, h + 0.1), (0.03, h + 0.12)], 36, smooth=2)
    accent = flat(colors[1], rng)
    parts = [
        lathe(wall, 44, smooth=2).painted(pattern(rng, colors, 3.5)),
        spout.painted(flat(colors[0], None, 0.5)),
        handle.painted(accent),
        lid.painted(flat(colors[0], None, 0.5)),
        ball(0.08).moved(y=h + 0.16).painted(accent),
    ]
    return [p.mirrored() for p in parts] if dice(rng, 0.4) else parts


def lamp(rng: Rng) -> list[Part]:
    """A table lamp: foot, stem, shade."""
    colors = palette(rng)
    h, low, high = rng.uniform(0.5, 0.9), rng.uniform(0.38, 0.55), rng.uniform(0.18, 0.38)
    foot = [
        (0, 0),
        (0.3, 0),
        (0.32, 0.03),
        (0.1, 0.08),
        (0.05, 0.14),
        (rng.uniform(0.05, 0.2), h * 0.5),
        (0.04, h * 0.85),
        (0.04, h),
        (0, h),
    ]
    shade = [
        (low - 0.02, h - 0.05),
        (low, h - 0.06),
        (low, h - 0.05),
        (high, h + 0.5),
        (high - 0.02, h + 0.5),
        (low - 0.02, h - 0.05),
    ]
    return [
        lathe(foot, 36, smooth=2).painted(metal(rng) if dice(rng, 0.4) else flat(colors[0], rng)),
        lathe(shade, 40).painted(
            pattern(rng, [WHITE * 0.97 if dice(rng, 0.4) else colors[1], *colors[2:]], 4.0, roughness=0.9)
        ),
        ball(0.1).moved(y=h + 0.12).painted(flat(WHITE, None, 0.5)),
        limb((0, h, 0), (0, h + 0.3, 0), 0.02, 0.02).painted(metal(rng)),
    ]


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
            return v * np.stack([1 + 0.07 * np.cos(10 * angle)] * 3, 1) ** np.array([1, 0, 1])

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
        from svdmv.dataset.procedural.paints import face

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


def goblet(rng: Rng) -> list[Part]:
    """A cup on a stem with two ears: a trophy on a plinth with a plate."""
    from svdmv.dataset.procedural.forms import rounded_box

    colors = palette(rng)
    gold = metal(rng) if dice(rng, 0.75) else flat(colors[0], rng)
    cup = [
        (0, 0.3),
        (0.26, 0.3),
        (0.24, 0.34),
        (0.06, 0.4),
        (0.05, 0.6),
        (0.1, 0.66),
        (0.34, 0.85),
        (0.42, 1.3),
        (0.44, 1.32),
        (0.4, 1.3),
        (0.3, 0.9),
        (0, 0.75),
    ]
    plate = Canvas(flat(BLACK).color * 2, 192, 128, 2.0)
    plate.add(plate.rectangle(0.06, 0.15, 0.28, 0.38, 0.02), hexed("e0c060"))
    plate.add(plate.text(str(rng.integers(1, 10)), 1 / 6, 0.265, 0.16), BLACK)
    ears = tube(arc((0.4, 1.05, 0), 0.22, 0.2, 100, -100), 0.035).painted(gold)
    parts = [lathe(cup, 40, smooth=2).painted(gold), *both_sides(ears)]
    parts.append(rounded_box(0.28, 0.15, 0.28, 0.03, top=(0.85, 0.85)).moved(y=0.15).painted(plate.paint(finish(rng))))
    if lightness(colors[1]) > 0.3:
        band = Canvas(colors[1], 128, 32, 6)
        parts.append(lathe([(0.405, 1.0), (0.435, 1.15)], 40).painted(band.paint(0.6)))
    return parts
