"""Turned things: mugs, vases, bottles, bowls, bells, teapots, lamps, trophies."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import Part, arc, ball, both_sides, lathe, limb, rounded_box, tube
from svdmv.dataset.procedural.garden import apple, flower
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


def goblet(rng: Rng) -> list[Part]:
    """A cup on a stem with two ears: a trophy on a plinth with a plate."""

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
