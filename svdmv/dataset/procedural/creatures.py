"""Toy animals that look to +Z: four-legged beasts, birds, fish, bears."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.figures import hat
from svdmv.dataset.procedural.forms import Part, ball, both_sides, lathe, limb, superquadric, tube
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
    lightness,
    palette,
    pattern,
    pick,
)

FURS = ["c98f54", "8a5a3b", "e8e2d6", "5a5a60", "f0b45a", "d8d0c4", "3a3230", "e58a3c", "b8a48c", "9ab0c0", "f2b8b8"]


def eyes(x: float, y: float, z: float, size: float, *, lid: Paint | None = None) -> list[Part]:
    """Two balls with dark pupils that look to +Z."""
    canvas = Canvas(WHITE, 64, 64, 2.0)
    canvas.add(canvas.disc(0.5, 0.5, 0.26), BLACK).add(canvas.disc(0.46, 0.42, 0.06), WHITE)
    parts = both_sides(ball(size, 16, 10).moved(x, y, z).painted(canvas.paint(0.25)))
    if lid is not None:
        cover = superquadric(size * 1.12, size * 0.6, size * 1.08, segments=14, rings=8)
        parts += both_sides(cover.moved(x, y + size * 0.75, z - size * 0.15).painted(lid))
    return parts


def coat(rng: Rng, base: np.ndarray, aspect: float = 2.0) -> Paint:
    """Fur: plain with a light belly, striped, patched or spotted."""
    canvas = Canvas(base, 192, 128, aspect)
    mark = pick(rng, [BLACK * 2, hexed("5b3a22"), WHITE, base * 0.55])
    kind = rng.integers(4)
    if kind == 1:
        wave = canvas.u * rng.integers(8, 13) + 0.3 * np.sin(9 * canvas.v)
        canvas.add(np.clip(np.sin(2 * np.pi * wave) * 4 - 1.5, 0, 1) * (canvas.v < 0.72), mark)
    elif kind == 2:
        canvas.add(canvas.spots(rng, 9, 0.1, 0.2), mark)
    elif kind == 3:
        canvas.add(canvas.spots(rng, 30, 0.03, 0.055), mark)
    canvas.add(np.clip((canvas.v - 0.74) * 12, 0, 1), np.clip(base * 0.4 + WHITE * 0.6, 0, 1))
    return canvas.paint(float(pick(rng, [0.9, 0.8, 0.6])))


def beast(rng: Rng) -> list[Part]:
    """A four-legged animal: cat, dog, pig, cow, giraffe, elephant and what lies between."""
    base = hexed(pick(rng, FURS)) if dice(rng, 0.6) else pick(rng, palette(rng))
    fur, dark = coat(rng, base), flat(base * 0.55, None, 0.8)
    plain = flat(base, None, 0.85)
    length, width, height = rng.uniform(0.45, 0.7), rng.uniform(0.24, 0.36), rng.uniform(0.24, 0.36)
    legs, neck = rng.uniform(0.3, 0.7), pick(rng, [0.05, 0.15, 0.25, 0.7])
    y = legs + height * 0.75
    head_size = rng.uniform(0.22, 0.32)
    head = np.array([0, y + height * 0.45 + neck + head_size * 0.3, length * 0.85 + neck * 0.35 + head_size * 0.35])
    parts = [superquadric(width, height, length, north=rng.uniform(0.75, 1)).moved(0, y, 0).painted(fur)]
    thick = rng.uniform(0.07, 0.12)
    for z in (length * 0.62, -length * 0.62):
        parts += both_sides(
            limb((width * 0.6, y - height * 0.3, z), (width * 0.66, thick, z), thick * 1.25, thick).painted(plain)
        )
        parts += both_sides(
            superquadric(thick * 1.15, thick * 0.7, thick * 1.4, segments=14, rings=8)
            .moved(width * 0.66, thick * 0.65, z + 0.03)
            .painted(dark)
        )
    parts.append(limb((0, y + height * 0.2, length * 0.66), head, width * 0.62, head_size * 0.62).painted(fur))
    skull = superquadric(head_size, head_size * 0.9, head_size * 0.98)
    parts.append(skull.moved(*head).painted(plain))
    snout_size = rng.uniform(0.35, 0.6) * head_size
    nose = head + np.array([0, -head_size * 0.28, head_size * 0.85])
    light = flat(np.clip(base * 0.5 + WHITE * 0.5, 0, 1), None, 0.8)
    if dice(rng, 0.12):  # a trunk
        path = [
            head + np.array([0, -0.05, head_size * 0.8]),
            nose + np.array([0, -0.2, 0.12]),
            nose + np.array([0, -0.5, 0.2]),
            nose + np.array([0, -0.62, 0.4]),
        ]
        parts.append(tube(path, [0.12, 0.1, 0.075, 0.06]).painted(plain))
    else:
        muzzle = superquadric(snout_size * 1.05, snout_size * 0.8, snout_size * rng.uniform(0.8, 1.6))
        parts.append(muzzle.moved(*nose).painted(light))
        tip = superquadric(snout_size * 0.42, snout_size * 0.3, snout_size * 0.25, segments=14, rings=8)
        parts.append(
            tip.moved(0, nose[1] + snout_size * 0.35, parts[-1].vertices[:, 2].max()).painted(flat(BLACK, None, 0.3))
        )
    parts += eyes(head_size * 0.5, head[1] + head_size * 0.25, head[2] + head_size * 0.68, head_size * 0.24)
    parts += ears(rng, head, head_size, plain, dark)
    tail_end = (rng.uniform(-0.1, 0.1), y + rng.uniform(-0.1, 0.6), -length - rng.uniform(0.2, 0.4))
    bend = (0, y + height * 0.3, -length - 0.15)
    parts.append(
        tube(
            [(0, y + height * 0.3, -length * 0.85), bend, tail_end], [0.06, 0.05, pick(rng, [0.03, 0.05, 0.09])]
        ).painted(fur)
    )
    if dice(rng, 0.4):
        collar = lathe([(head_size * 0.72, -0.03), (head_size * 0.78, 0), (head_size * 0.72, 0.03)], 28)
        tag = flat(pick(rng, palette(rng)), None, 0.5)
        parts.append(collar.painted(tag).turned("x", 35).moved(*(head - (0, head_size * 0.8, head_size * 0.35))))
    return parts


def ears(rng: Rng, head: np.ndarray, size: float, fur: Paint, dark: Paint) -> list[Part]:
    """Round, pointed, long or hanging ears, sometimes horns."""
    kind = rng.integers(4)
    if kind == 0:
        ear = superquadric(size * 0.4, size * 0.4, size * 0.14, segments=16, rings=10).moved(size * 0.68, size * 0.8, 0)
    elif kind == 1:
        ear = (
            lathe([(0, 0), (size * 0.36, 0), (0, size * 0.85)], 20)
            .scaled(1, 1, 0.5)
            .turned("z", -18)
            .moved(size * 0.5, size * 0.6, 0)
        )
    elif kind == 2:
        ear = (
            superquadric(size * 0.24, size * 0.9, size * 0.14, segments=16, rings=12)
            .turned("z", -14)
            .moved(size * 0.42, size * 1.5, 0)
        )
    else:
        ear = (
            superquadric(size * 0.16, size * 0.6, size * 0.34, segments=16, rings=12)
            .turned("z", 16)
            .moved(size * 1.0, size * 0.1, 0)
        )
    parts = both_sides(ear.painted(fur if dice(rng, 0.6) else dark))
    if dice(rng, 0.15):
        horn = tube(
            [(size * 0.3, size * 0.8, 0), (size * 0.6, size * 1.1, 0), (size * 0.62, size * 1.5, 0.04)],
            [0.05, 0.04, 0.015],
        )
        parts += both_sides(horn.painted(flat(hexed("e8dcc0"), None, 0.5)))
    return [p.moved(*head) for p in parts]


def bird(rng: Rng) -> list[Part]:
    """A duck, chick, owl or penguin: body, head, beak, wings, feet."""
    colors = palette(rng)
    base = pick(rng, [hexed("f2c14e"), WHITE, hexed("3a4a5a"), hexed("8a5a3b"), colors[0]])
    belly = Canvas(base, 192, 128, 2)
    belly.add(belly.disc(0.5, 0.55, 0.34, 1.1), WHITE if lightness(base) < 0.75 else np.clip(base * 0.8 + 0.1, 0, 1))
    tall = rng.uniform(0.4, 0.62)
    body = superquadric(0.4, tall, 0.42).moved(0, tall + 0.1, 0).painted(belly.paint(0.8))
    head_y, r = 2 * tall + 0.12, rng.uniform(0.26, 0.34)
    parts = [body, ball(r).moved(0, head_y, 0.1).painted(flat(base if dice(rng, 0.6) else colors[1], None, 0.8))]
    orange = flat(hexed(pick(rng, ["f08a24", "e86a1e", "d8b030", "2c2c30"])), None, 0.5)
    if dice(rng, 0.5):
        beak = superquadric(r * 0.5, r * 0.16, r * 0.55).moved(0, head_y - r * 0.12, 0.1 + r * 1.15)
    else:
        beak = lathe([(0, 0), (r * 0.28, 0), (0, r * 0.7)], 20).turned("x", 90).moved(0, head_y - 0.02, 0.08 + r)
    parts += [beak.painted(orange), *eyes(r * 0.42, head_y + r * 0.22, 0.1 + r * 0.78, r * 0.22)]
    wing = superquadric(0.08, 0.3, 0.2, segments=16, rings=12).turned("z", rng.uniform(8, 40)).turned("x", -15)
    parts += both_sides(
        wing.moved(0.42, tall + 0.16, -0.02).painted(flat(contrasting(base, [base * 0.7, colors[1]]), None, 0.8))
    )
    parts += both_sides(superquadric(0.13, 0.05, 0.2, segments=16, rings=8).moved(0.17, 0.05, 0.14).painted(orange))
    parts.append(
        superquadric(0.14, 0.06, 0.24, segments=16, rings=8)
        .turned("x", 30)
        .moved(0, tall * 0.75, -0.5)
        .painted(flat(base * 0.85))
    )
    if dice(rng, 0.4):
        parts += hat(rng, head_y + r * 0.8, 0.1, r * 0.75, colors)
    return parts


def fish(rng: Rng) -> list[Part]:
    """A fish, head to +Z."""
    colors = palette(rng)
    skin = Canvas(colors[0], 192, 192, 1.0)
    kind = rng.integers(3)
    if kind == 0:
        skin.add(skin.stripes(int(rng.integers(4, 8)), 0.4), contrasting(colors[0], colors[1:]))
    elif kind == 1:
        skin.add(skin.dots(14, 14, 0.3), colors[0] * 0.75)
    else:
        skin.add(skin.spots(rng, 14, 0.04, 0.1), contrasting(colors[0], colors[1:]))
    skin.add(skin.rectangle(0, 0, 1, 0.2), np.clip(colors[1], 0, 1))
    profile = [(0, -0.7), (0.12, -0.66), (0.28, -0.3), (0.4, 0.15), (0.3, 0.52), (0.14, 0.68), (0, 0.72)]
    body = lathe(profile, 32, smooth=2).painted(skin.paint(0.35)).turned("x", 90).scaled(0.62, 1.15, 1.0)
    fin = flat(contrasting(colors[0], colors[1:]), rng)
    parts = [body, *eyes(0.17, 0.12, 0.46, 0.085)]
    tail = superquadric(0.03, 0.34, 0.13, segments=14, rings=12)
    parts += [tail.turned("x", s * 32).moved(0, s * 0.2, -0.86).painted(fin) for s in (1, -1)]
    parts.append(
        superquadric(0.03, 0.26, 0.3, segments=14, rings=12).turned("x", -15).moved(0, 0.42, -0.05).painted(fin)
    )
    parts += both_sides(
        superquadric(0.22, 0.03, 0.13, segments=14, rings=10).turned("z", -30).moved(0.34, -0.12, 0.12).painted(fin)
    )
    parts.append(
        superquadric(0.1, 0.05, 0.06, segments=14, rings=8)
        .moved(0, -0.06, 0.7)
        .painted(flat(hexed("e07a6a"), None, 0.5))
    )
    lift = rng.uniform(0.0, 1.0)
    return parts if lift < 0.6 else [p.turned("x", -20) for p in parts]


def teddy(rng: Rng) -> list[Part]:
    """A sitting bear or rabbit with a bow tie or a bib."""
    base = hexed(pick(rng, FURS))
    colors = palette(rng)
    fur = Canvas(base, 96, 96, 2)
    fur.add(np.clip((fur.noise(rng, 20) - 0.5) * 2, 0, 0.4), base * 0.75)
    coat_paint, light = fur.paint(0.95), flat(np.clip(base * 0.5 + WHITE * 0.5, 0, 1), None, 0.9)
    belly = Canvas(base, 128, 128, 2)
    belly.add(belly.disc(0.5, 0.55, 0.27, 1.1), light.color)
    parts = [superquadric(0.36, 0.4, 0.32).moved(0, 0.4, 0).painted(belly.paint(0.95))]
    r, y = rng.uniform(0.3, 0.36), 1.0
    parts += [superquadric(r, r * 0.92, r * 0.92).moved(0, y, 0.03).painted(coat_paint)]
    parts += [superquadric(r * 0.46, r * 0.36, r * 0.4).moved(0, y - r * 0.26, r * 0.85).painted(light)]
    parts += [
        superquadric(r * 0.2, r * 0.14, r * 0.12, segments=14, rings=8)
        .moved(0, y - r * 0.1, r * 1.25)
        .painted(flat(BLACK, None, 0.3))
    ]
    parts += both_sides(ball(r * 0.13, 14, 8).moved(r * 0.4, y + r * 0.16, r * 0.86).painted(flat(BLACK, None, 0.2)))
    parts += ears(rng, np.array([0, y, 0.03]), r, coat_paint, light)
    parts += both_sides(limb((0.3, 0.62, 0.05), (0.46, 0.3, 0.26), 0.12, 0.1).painted(coat_paint))
    parts += both_sides(limb((0.2, 0.16, 0.1), (0.32, 0.14, 0.5), 0.15, 0.13).painted(coat_paint))
    parts += both_sides(superquadric(0.13, 0.15, 0.05).moved(0.33, 0.15, 0.6).painted(light))
    bow = superquadric(0.14, 0.1, 0.05, segments=16, rings=10).moved(0.14, 0.72, 0.32)
    if dice(rng, 0.7):
        paint = pattern(rng, colors, 1.5)
        parts += [*both_sides(bow.painted(paint)), ball(0.055, 12, 8).moved(0, 0.72, 0.36).painted(paint)]
    return parts
