"""Packed goods as shops sell them: boxes, tubes, pouches, tins, jars, spray cans, cards, printed all round."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import (
    BOX_CELLS,
    Part,
    arc,
    both_sides,
    extruded,
    lathe,
    limb,
    lofted,
    rounded_box,
    superquadric,
    tube,
)
from svdmv.dataset.procedural.lofts import drum
from svdmv.dataset.procedural.paints import (
    BLACK,
    WHITE,
    Canvas,
    Color,
    Paint,
    Rng,
    contrasting,
    dice,
    finish,
    flat,
    hexed,
    palette,
    pick,
)
from svdmv.dataset.procedural.prints import bar_code, fitted, invented_name, label, lettering, small_print, table

Box = tuple[float, float, float, float]


def side(name: str, inner: Box = (0, 0, 1, 1)) -> Box:
    """A part of one side of a rounded box, in the coordinates of its texture."""
    c, r = BOX_CELLS[name]
    u0, v0, u1, v1 = inner
    return (c + u0) / 3, (r + v0) / 2, (c + u1) / 3, (r + v1) / 2


def printed_box(rng: Rng, x: float, y: float, z: float, colors: list[Color]) -> Paint:
    """Print for a box of half sizes x, y, z: two faces, figures, small print, bar code. Letters keep their shape."""
    canvas = Canvas(colors[0], 480, 320, 1.5 * x / y)
    label(canvas, rng, side("front"), colors)
    label(canvas, rng, side("back", (0, 0, 1, 0.55)), colors)
    canvas.add(canvas.rectangle(*side("back", (0, 0.55, 1, 1))), colors[0])
    ink = contrasting(colors[0], [BLACK, WHITE])
    small_print(canvas, rng, side("back", (0.08, 0.6, 0.92, 0.95)), ink, 5)
    canvas.aspect = 1.5 * z / y
    for name in ("left", "right"):
        band = side(name, (0, 0, 1, 0.3))
        canvas.add(canvas.rectangle(*band), colors[2])
        word = invented_name(rng)
        u, v = (band[0] + band[2]) / 2, (band[1] + band[3]) / 2
        canvas.add(
            lettering(canvas, word, u, v, fitted(word, 0.26 * canvas.aspect, 0.06)),
            contrasting(colors[2], [WHITE, BLACK]),
        )
    table(canvas, rng, side("left", (0.12, 0.36, 0.88, 0.72)))
    bar_code(canvas, rng, side("left", (0.2, 0.78, 0.8, 0.94)))
    small_print(canvas, rng, side("right", (0.12, 0.4, 0.88, 0.9)), ink)
    canvas.aspect = 1.5 * x / z
    label(canvas, rng, side("top"), colors)
    return canvas.paint(finish(rng))


def packet(rng: Rng) -> list[Part]:
    """A printed carton: upright, flat or cubic, closed, open or with a hanger."""
    colors = palette(rng)
    x, y, z = rng.uniform(0.25, 0.6), rng.uniform(0.2, 0.7), rng.uniform(0.06, 0.35)
    parts = [rounded_box(x, y, z, 0.01).moved(0, y, 0).painted(printed_box(rng, x, y, z, colors))]
    kind = rng.integers(4)
    card = flat(hexed("c8b090"), None, 0.9)
    if kind == 0:  # open lid
        flap = rounded_box(x, 0.006, z, 0.005).moved(0, 0, z).turned("x", -rng.uniform(30, 110)).moved(0, 2 * y, -z)
        parts.append(flap.painted(card))
    elif kind == 1:
        hanger = extruded([(-x, 0), (x, 0), (0.5 * x, 0.18), (-0.5 * x, 0.18)], 0.012, 0.004)
        parts.append(hanger.moved(0, 2 * y - 0.01, -z + 0.01).painted(flat(colors[0], None, 0.6)))
    return parts


def squeeze_tube(rng: Rng) -> list[Part]:
    """A tube of paste or cream standing on its cap, flat at the top."""
    colors = palette(rng)
    r, h = rng.uniform(0.16, 0.26), rng.uniform(0.8, 1.2)
    a = -np.pi + np.arange(36) * 2 * np.pi / 36
    rings = []
    for t in np.linspace(0, 1, 14):
        flatness = t**1.6
        x, z = r * (1 + 0.45 * flatness), max(r * (1 - flatness), 0.012)
        rings.append(np.column_stack([x * np.sin(a), np.full(36, 0.2 + h * t), z * np.cos(a)]))
    canvas = Canvas(colors[0], 320, 256, 2 * np.pi * r / h)
    label(canvas, rng, (0.3, 0.1, 0.7, 0.88), colors)
    small_print(canvas, rng, (0.03, 0.2, 0.2, 0.7), contrasting(colors[0], [BLACK, WHITE]))
    bar_code(canvas, rng, (0.82, 0.5, 0.96, 0.7))
    cap = lathe([(0, 0), (0.72 * r, 0), (0.78 * r, 0.03), (0.7 * r, 0.22), (0, 0.22)], 28)
    return [lofted(np.stack(rings)).painted(canvas.paint(0.35)), cap.painted(flat(colors[2], rng))]


def pouch(rng: Rng) -> list[Part]:
    """A filled bag of crisps or coffee: pillow between two seams, printed."""
    colors = palette(rng)
    w, h, fat = rng.uniform(0.35, 0.5), rng.uniform(0.45, 0.65), rng.uniform(0.12, 0.22)
    n = 28
    s, t = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n))
    bulge = np.clip((1 - s**4) * (1 - np.abs(t) ** 3), 0, 1) ** 0.6
    wrinkle = 0.012 * np.sin(17 * s + rng.uniform(0, 6)) * np.abs(t) ** 3
    u, v = (s + 1) / 2, (1 - t) / 2
    from svdmv.dataset.procedural.forms import grid_surface

    parts = []
    for sign in (1.0, -1.0):
        canvas = Canvas(colors[0], 256, 256, w / h)
        label(canvas, rng, (0.06, 0.1, 0.94, 0.9), colors)
        if sign < 0:
            small_print(canvas, rng, (0.15, 0.55, 0.85, 0.85), contrasting(colors[0], [BLACK, WHITE]), 6)
        canvas.add(canvas.rectangle(0, 0, 1, 0.05), hexed("d0d0d4")).add(
            canvas.rectangle(0, 0.95, 1, 1), hexed("d0d0d4")
        )
        points = np.stack(
            [sign * w * s * (1 - 0.06 * bulge), h * (t + 1), sign * (fat * bulge + wrinkle * bulge) + 0 * s], -1
        )
        parts.append(grid_surface(points, np.stack([u, v], -1)).painted(canvas.paint(float(pick(rng, [0.3, 0.5])))))
    return parts


def spray_can(rng: Rng) -> list[Part]:
    """A can with a dome and a nozzle that points to the front."""
    colors = palette(rng)
    r, h = rng.uniform(0.18, 0.26), rng.uniform(0.75, 1.1)
    canvas = Canvas(colors[0], 384, 256, 2 * np.pi * r / h)
    label(canvas, rng, (0.3, 0.06, 0.7, 0.94), colors)
    table(canvas, rng, (0.02, 0.3, 0.14, 0.7))
    bar_code(canvas, rng, (0.82, 0.5, 0.96, 0.7))
    steel = Paint(hexed("c4c8cc"), None, 0.3, 1.0)
    dome = [
        (r + 0.01, h),
        (r + 0.012, h + 0.03),
        (0.8 * r, h + 0.1),
        (0.35 * r, h + 0.16),
        (0.34 * r, h + 0.2),
        (0, h + 0.2),
    ]
    parts = [
        lathe([(0, 0), (r, 0), (r + 0.012, 0.02), (r, 0.04)], 40).painted(steel),
        lathe([(r, 0.04), (r, h)], 40).painted(canvas.paint(0.35)),
        lathe([(r, h), *dome], 40).painted(steel),
    ]
    if dice(rng, 0.5):
        parts.append(drum(0.5 * r, 0.16, 0.03).moved(0, h + 0.18, 0).painted(flat(colors[2], rng)))
        parts.append(limb((0, h + 0.27, 0), (0, h + 0.27, 0.55 * r), 0.02, 0.016).painted(flat(BLACK)))
    else:
        parts.append(drum(0.95 * r, 0.3, 0.06).moved(0, h + 0.04, 0).painted(flat(colors[2], rng)))
    return parts


def jar(rng: Rng) -> list[Part]:
    """A glass of jam or spice: contents, label, lid."""
    colors = palette(rng)
    r, h = rng.uniform(0.26, 0.42), rng.uniform(0.4, 0.8)
    inside = Canvas(hexed(pick(rng, ["8a1c2c", "c8862c", "5a7a2c", "3a2418", "e8d8a8", "b83c1c"])), 192, 96, 4)
    inside.add(inside.spots(rng, 40, 0.015, 0.05), inside.rgb[0, 0] * 0.6)
    wall = [(0, 0), (0.9 * r, 0), (r, 0.05), (r, 0.82 * h), (0.86 * r, 0.93 * h), (0.86 * r, h), (0, h)]
    canvas = Canvas(colors[1], 320, 160, 2 * np.pi * r / (0.55 * h))
    label(canvas, rng, (0.3, 0.0, 0.7, 1.0), [WHITE if dice(rng, 0.5) else colors[1], *colors])
    small_print(canvas, rng, (0.02, 0.2, 0.24, 0.8), contrasting(colors[1], [WHITE, BLACK]), 6)
    lid = lathe(
        [
            (0, h - 0.02),
            (0.92 * r, h - 0.02),
            (0.94 * r, h + 0.02),
            (0.93 * r, h + 0.12),
            (0.86 * r, h + 0.14),
            (0, h + 0.14),
        ],
        44,
    )
    top = Canvas(colors[2], 96, 96, 2.0)
    top.add(top.checks(24, 12) if dice(rng, 0.4) else top.stripes(3, 0.4), WHITE)
    return [
        lathe(wall, 44, smooth=1).painted(inside.paint(0.15)),
        lathe([(r + 0.005, 0.16 * h), (r + 0.005, 0.72 * h)], 44).painted(canvas.paint(0.6)),
        lid.painted(top.paint(0.4) if dice(rng, 0.6) else Paint(hexed("d8c080"), None, 0.35, 1.0)),
    ]


def hanging_card(rng: Rng) -> list[Part]:
    """A thing in a bubble on a printed card."""
    colors = palette(rng)
    w, h = rng.uniform(0.3, 0.42), rng.uniform(0.45, 0.65)
    canvas = Canvas(colors[0], 384, 256, 1.5 * w / h)
    label(canvas, rng, side("front"), colors)
    small_print(canvas, rng, side("back", (0.1, 0.1, 0.9, 0.7)), contrasting(colors[0], [WHITE, BLACK]), 10)
    bar_code(canvas, rng, side("back", (0.3, 0.78, 0.7, 0.92)))
    parts = [rounded_box(w, h, 0.012, 0.01).moved(0, h, 0).painted(canvas.paint(0.4))]
    inside = flat(colors[3], rng)
    kind = rng.integers(3)
    for k in range(int(rng.integers(1, 4))):
        x = (k - 1) * 0.18 if kind == 2 else 0.0
        thing = [
            superquadric(0.12, 0.2, 0.08, north=0.4),
            drum(0.1, 0.3, 0.03).moved(0, -0.15, 0),
            limb((0, -0.25, 0), (0, 0.25, 0), 0.05, 0.03),
        ][kind]
        parts.append(thing.moved(x, 0.62 * h, 0.1).painted(inside))
    back = rounded_box(0.62 * w, 0.36 * h, 0.02, 0.015).moved(0, 0.62 * h, 0.02).painted(flat(WHITE, None, 0.2))
    return [*parts, back]


def bag(rng: Rng) -> list[Part]:
    """A shopping or hand bag with two handles, printed or leather."""
    colors = palette(rng)
    x, y, z = rng.uniform(0.35, 0.5), rng.uniform(0.35, 0.6), rng.uniform(0.1, 0.22)
    body = rounded_box(x, y, z, 0.03, top=(rng.uniform(0.8, 1.05), rng.uniform(0.3, 0.9))).moved(0, y, 0)
    from svdmv.dataset.procedural.finishes import leathery, woven

    if dice(rng, 0.5):
        parts = [body.painted(printed_box(rng, x, y, z, colors))]
    else:
        parts = [body.painted(pick(rng, [leathery, woven])(flat(colors[0], None, 0.9), rng))]
        buckle = rounded_box(0.05, 0.07, 0.02, 0.015).moved(0, 1.4 * y, 0.8 * z)
        flap = (
            rounded_box(0.98 * x, 0.3 * y, 0.012, 0.01)
            .moved(0, 1.72 * y, 0.7 * z)
            .painted(leathery(flat(colors[1], None, 0.8), rng))
        )
        parts += [flap, buckle.painted(Paint(hexed("d8c080"), None, 0.3, 1.0))]
    strap = flat(colors[2], None, 0.8)
    handle = tube(arc((0, 2 * y - 0.03, 0), 0.5 * x, rng.uniform(0.2, 0.45), 0, 180, 20), 0.025, flat=1.6)
    for sign in (1, -1):
        parts.append(handle.moved(0, 0, sign * 0.4 * z).painted(strap))
    return parts


def suitcase(rng: Rng) -> list[Part]:
    """A case on wheels with ribs, stickers to come, and a pull-out handle."""
    colors = palette(rng)
    x, y, z = rng.uniform(0.3, 0.42), rng.uniform(0.45, 0.65), rng.uniform(0.14, 0.22)
    shell = flat(colors[0], None, float(pick(rng, [0.25, 0.4, 0.7])))
    parts = [rounded_box(x, y, z, 0.07).moved(0, y + 0.08, 0).painted(shell)]
    for k in np.linspace(-0.7, 0.7, int(rng.integers(3, 8))):
        parts.append(rounded_box(0.02, 0.86 * y, z + 0.012, 0.012).moved(k * x, y + 0.08, 0).painted(shell))
    zip_ = flat(contrasting(colors[0], [BLACK, WHITE]), None, 0.6)
    parts.append(rounded_box(x + 0.004, y + 0.004, 0.015, 0.01).moved(0, y + 0.08, 0).painted(zip_))
    pole = flat(hexed("9a9ea4"), None, 0.3)
    top = 2 * y + 0.05 + rng.uniform(0.15, 0.5)
    parts += both_sides(limb((0.5 * x, 2 * y, -0.6 * z), (0.5 * x, top, -0.6 * z), 0.018, 0.018).painted(pole))
    parts.append(
        limb((-0.5 * x, top, -0.6 * z), (0.5 * x, top, -0.6 * z), 0.035, 0.035).painted(flat(BLACK, None, 0.6))
    )
    for s in (1, -1):
        wheel = drum(0.06, 0.05, 0.012).moved(0, -0.025, 0).turned("z", 90).moved(0.75 * x, 0.05, s * 0.6 * z)
        parts += both_sides(wheel.painted(flat(BLACK, None, 0.8)))
    return parts
