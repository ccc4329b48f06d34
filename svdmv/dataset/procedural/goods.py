"""Things with labels and dials: cartons, tins, books, gifts, shoes, radios, clocks."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import (
    BOX_CELLS,
    Part,
    arc,
    ball,
    both_sides,
    extruded,
    lathe,
    limb,
    lofted,
    rounded_box,
    superquadric,
    tube,
)
from svdmv.dataset.procedural.paints import (
    BLACK,
    WHITE,
    WORDS,
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
    wood,
)
from svdmv.dataset.procedural.panels import boxed, on_side

FOOD = ["OATS", "TEA", "RICE", "MILK", "MINT", "SOAP", "NUTS", "CORN"]


def _printed(rng: Rng, colors: list[np.ndarray], ratio: float) -> Canvas:
    """Print for all sides of a carton: name, drawing, small text, bar code. ratio = width / height of the front."""
    canvas = Canvas(colors[0], 384, 256, 1.5 * ratio)
    ink, second = contrasting(colors[0], [*colors[1:], WHITE]), colors[2]
    name = pick(rng, FOOD)
    for side, size in (("front", 0.13), ("back", 0.09)):
        c, r = BOX_CELLS[side]
        u, v = (c + 0.5) / 3, r / 2
        on_side(canvas, side, 0, 0.0, 1, 0.34, second, 0)
        height = min(size, 0.85 * ratio * 0.5 * 7 / (6 * len(name) - 1))
        canvas.add(canvas.text(name, u, v + 0.09, height), contrasting(second, [WHITE, BLACK, ink]))
        if side == "front":
            motif(canvas, rng, u, v + 0.33, 0.11 * min(1.0, 1.4 * ratio), [ink, colors[3]])
        else:
            for k in range(6):
                on_side(canvas, side, 0.1, 0.44 + 0.08 * k, rng.uniform(0.6, 0.92), 0.475 + 0.08 * k, ink, 0)
    for side in ("left", "right"):
        on_side(canvas, side, 0, 0.0, 1, 0.34, second, 0)
        for k in range(7):
            on_side(canvas, side, 0.15, 0.42 + 0.06 * k, rng.uniform(0.5, 0.85), 0.445 + 0.06 * k, ink, 0)
    on_side(canvas, "left", 0.3, 0.82, 0.7, 0.95, WHITE, 0)
    for k in range(9):
        on_side(canvas, "left", 0.33 + 0.04 * k, 0.83, 0.345 + 0.04 * k + 0.01 * (k % 3 == 0), 0.94, BLACK, 0)
    return canvas


def carton(rng: Rng) -> list[Part]:
    """A printed carton: cereal box, milk with a gable top, or a tin."""
    colors = palette(rng)
    kind = rng.integers(3)
    if kind == 0:
        x, y, z = rng.uniform(0.32, 0.5), rng.uniform(0.45, 0.75), rng.uniform(0.12, 0.25)
        return [rounded_box(x, y, z, 0.015).moved(0, y, 0).painted(_printed(rng, colors, x / y).paint(finish(rng)))]
    if kind == 1:
        x, y = 0.34, rng.uniform(0.45, 0.62)
        roof = np.array([(-x, 0), (x, 0), (0.03, 0.34), (0.03, 0.5), (-0.03, 0.5), (-0.03, 0.34)])
        cap = lathe([(0, 0), (0.1, 0), (0.1, 0.09), (0, 0.09)], 24).turned("x", 60).moved(0, 2 * y + 0.19, 0.0)
        top = extruded(roof, 2 * x, 0.008).turned("y", 90).moved(0, 2 * y - 0.004, 0)
        print_ = _printed(rng, colors, x / y)
        return [
            rounded_box(x, y, x, 0.012).moved(0, y, 0).painted(print_.paint(0.5)),
            top.painted(flat(colors[2], None, 0.5)),
            cap.moved(0, 0, 0.22).painted(flat(colors[3], None, 0.4)),
        ]
    r, h = rng.uniform(0.32, 0.45), rng.uniform(0.5, 1.1)
    label = Canvas(colors[0], 320, 160, 2 * np.pi * r / (h * 0.84))
    ink = contrasting(colors[0], [*colors[1:], WHITE])
    label.add(label.rectangle(0, 0.0, 1, 0.28), colors[2])
    name = pick(rng, FOOD)
    for u in (0.5, 0.0, 1.0):
        label.add(
            label.text(name, u, 0.15, min(0.18, 1.0 * label.aspect / (6 * len(name)))),
            contrasting(colors[2], [WHITE, BLACK]),
        )
    motif(label, rng, 0.5, 0.63, min(0.24, 0.1 * label.aspect), [ink, colors[3]])
    for k in range(5):
        label.add(label.rectangle(0.72, 0.4 + 0.1 * k, float(rng.uniform(0.8, 0.92)), 0.44 + 0.1 * k), ink)
    steel = flat(hexed("b8bcc0"), None, 0.35)
    wall = [
        (0, 0),
        (r, 0),
        (r + 0.015, 0.02),
        (r, 0.06),
        (r, h - 0.06),
        (r + 0.015, h - 0.02),
        (r, h),
        (r - 0.03, h - 0.02),
        (0, h - 0.02),
    ]
    parts = [
        lathe(wall, 44).painted(steel),
        lathe([(r + 0.004, h * 0.08), (r + 0.004, h * 0.92)], 44).painted(label.paint(0.5)),
    ]
    if dice(rng, 0.4):
        parts.append(tube(arc((0, h, 0), 0.1, 0.05, 20, 160), 0.015).turned("x", 0).painted(metal(rng)))
    return parts


def books(rng: Rng) -> list[Part]:
    """One to four books lying on each other."""
    parts, y = [], 0.0
    for _ in range(int(rng.integers(1, 5))):
        colors = palette(rng)
        x, z, h = rng.uniform(0.42, 0.55), rng.uniform(0.55, 0.75), rng.uniform(0.06, 0.13)
        cover = boxed(colors[0], size=288)
        ink = contrasting(colors[0], [*colors[1:], WHITE])
        on_side(cover, "top", 0.08, 0.06, 0.92, 0.94, ink)
        on_side(cover, "top", 0.11, 0.085, 0.89, 0.915, colors[0])
        word = pick(rng, WORDS)
        cover.add(cover.text(word, 0.5, 0.62, 0.5 / len(word)), ink)
        motif(cover, rng, 0.5, 0.8, 0.09, [ink, colors[2]])
        on_side(cover, "left", 0.15, 0.25, 0.85, 0.75, ink)
        block = [
            rounded_box(x, h * 0.16, z, 0.012).moved(0, h * 1.84, 0).painted(cover.paint(0.6)),
            rounded_box(x, h * 0.16, z, 0.012).moved(0, h * 0.16, 0).painted(flat(colors[0], None, 0.6)),
            rounded_box(h * 0.3, h, z, 0.012).moved(-x, h, 0).painted(flat(colors[0], None, 0.6)),
            rounded_box(x - 0.03, h * 0.8, z - 0.03, 0.01).moved(0.0, h, 0).painted(flat(hexed("efe6d2"), None, 0.95)),
        ]
        turn = rng.uniform(-25, 25)
        parts += [p.turned("y", turn).moved(0, y, 0) for p in block]
        y += 2 * h
    return parts


def gift(rng: Rng) -> list[Part]:
    """A wrapped present with ribbon and bow."""
    colors = palette(rng)
    x, y, z = rng.uniform(0.4, 0.55), rng.uniform(0.3, 0.5), rng.uniform(0.35, 0.55)
    wrap = boxed(colors[0], size=288)
    ink = contrasting(colors[0], colors[1:])
    wrap.add(
        wrap.dots(24, 16, 0.28) if dice(rng, 0.5) else wrap.stripes(30, 0.4, "up"),
        np.clip(colors[0] * 0.6 + ink * 0.4, 0, 1),
    )
    ribbon = flat(ink, None, 0.4)
    w = 0.07
    parts = [
        rounded_box(x, y, z, 0.015).moved(0, y, 0).painted(wrap.paint(0.5)),
        rounded_box(x + 0.012, y + 0.012, w, 0.01).moved(0, y, 0).painted(ribbon),
        rounded_box(w, y + 0.012, z + 0.012, 0.01).moved(0, y, 0).painted(ribbon),
    ]
    for k in range(4):
        loop = tube(arc((0.16, 0.08, 0), 0.16, 0.09, 180, -170, 18), 0.03, flat=2.2, round_ends=False)
        parts.append(loop.turned("y", 45 + 90 * k).moved(0, 2 * y + 0.02, 0).painted(ribbon))
    return [*parts, ball(0.07).moved(0, 2 * y + 0.08, 0).painted(ribbon)]


def shoe(rng: Rng) -> list[Part]:
    """A sneaker or boot, toe to +Z, with sole, laces and a side mark; sometimes a pair."""
    colors = palette(rng)
    ankle = rng.uniform(0.0, 0.5)
    base, sole_color = colors[0], WHITE if dice(rng, 0.6) else colors[1]
    upper_paint = Canvas(base, 192, 192, 1.2)
    ink = contrasting(base, [*colors[1:], WHITE])
    upper_paint.add(upper_paint.rectangle(0, 0, 1, 0.2), ink)
    mark = np.abs(upper_paint.v - 0.52 - 0.5 * np.abs(upper_paint.u - 0.5)) < 0.045
    upper_paint.add(mark * ((np.abs(upper_paint.u - 0.5) > 0.14) & (np.abs(upper_paint.u - 0.5) < 0.36)), ink)

    def outline(z: np.ndarray) -> np.ndarray:
        where = [-0.62, -0.6, -0.54, -0.3, 0.0, 0.35, 0.58, 0.68]
        return np.asarray(np.interp(z, where, [0.08, 0.14, 0.19, 0.21, 0.2, 0.24, 0.17, 0.04]))

    zs = np.concatenate([np.linspace(-0.62, -0.5, 7), np.linspace(-0.4, 0.5, 9), np.linspace(0.56, 0.68, 5)])
    rings, soles = [], []
    angles = np.linspace(0, 2 * np.pi, 25)[:-1]
    for z in zs:
        top = np.interp(
            z, [-0.62, -0.5, -0.1, 0.15, 0.5, 0.68], [0.48 + ankle, 0.56 + ankle, 0.52 + ankle, 0.4, 0.26, 0.14]
        )
        half, w = (top - 0.1) / 2, float(outline(np.array(z)))
        shape = (
            np.abs(np.cos(angles)) ** 0.8 * np.sign(np.cos(angles)),
            np.abs(np.sin(angles)) ** 0.8 * np.sign(np.sin(angles)),
        )
        narrow = 1 - 0.3 * np.clip(shape[1], 0, 1) * (top > 0.3)
        rings.append(np.column_stack([w * shape[0] * narrow, 0.1 + half + half * shape[1], np.full(24, z)]))
        flat_ring = np.clip(1.6 * np.sin(angles), -1, 1)
        soles.append(np.column_stack([(w + 0.025) * shape[0], 0.07 + 0.07 * flat_ring, np.full(24, z * 1.03)]))
    parts = [
        lofted(np.array(rings)).painted(upper_paint.paint(0.8)),
        lofted(np.array(soles)).painted(flat(sole_color, None, 0.7)),
    ]
    parts.append(superquadric(0.22, 0.2, 0.21, north=0.7).moved(0, 0.26, -0.45).painted(flat(ink, None, 0.7)))
    opening = superquadric(0.12, 0.05, 0.2, segments=20, rings=10).moved(0, 0.53 + ankle, -0.3)
    parts.append(opening.painted(flat(BLACK * 2, None, 0.95)))
    for k in range(4):
        z = 0.36 - 0.1 * k
        y = float(np.interp(z, [-0.1, 0.15, 0.5], [0.52 + ankle, 0.4, 0.26])) + 0.005
        parts.append(limb((-0.1, y, z + 0.02), (0.1, y, z - 0.02), 0.018, 0.018, segments=8).painted(flat(ink)))
    if dice(rng, 0.35):
        shift = rng.uniform(-0.12, 0.12)
        return [p.moved(0.27) for p in parts] + [p.mirrored().moved(-0.27, 0, shift) for p in parts]
    return parts


def radio(rng: Rng) -> list[Part]:
    """A radio, camera, television or toaster-like box with dials to the front."""
    colors = palette(rng)
    case = wood(rng) if dice(rng, 0.3) else flat(colors[0], rng)
    x, y, z = rng.uniform(0.45, 0.65), rng.uniform(0.28, 0.42), rng.uniform(0.18, 0.26)
    parts = [rounded_box(x, y, z, float(pick(rng, [0.04, 0.1, 0.15]))).moved(0, y + 0.05, 0).painted(case)]
    grey = hexed("d8d4c8")
    kind = rng.integers(3)
    if kind == 0:
        grille = Canvas(contrasting(case.color, colors), 96, 96)
        grille.add(grille.dots(12, 12, 0.32), BLACK)
        parts.append(
            rounded_box(x * 0.42, y * 0.7, 0.02, 0.015).moved(-x * 0.42, y + 0.05, z).painted(grille.paint(0.8))
        )
        scale = boxed(grey)
        for k in range(11):
            on_side(scale, "front", 0.08 + 0.08 * k, 0.3, 0.1 + 0.08 * k, 0.7, BLACK, 0)
        on_side(scale, "front", 0.6, 0.1, 0.64, 0.9, hexed("d02020"), 0)
        parts.append(
            rounded_box(x * 0.36, y * 0.22, 0.02, 0.01).moved(x * 0.45, y * 1.4 + 0.05, z).painted(scale.paint(0.4))
        )
        for s in (0.25, 0.65):
            dial = lathe([(0, 0), (0.09, 0), (0.08, 0.06), (0, 0.06)], 24).turned("x", 90)
            parts.append(dial.moved(x * s, y * 0.6 + 0.05, z).painted(flat(BLACK * 2, None, 0.5)))
        parts.append(
            limb(
                (x * 0.8, 2 * y, -z * 0.5), (x * 0.8 + rng.uniform(-0.5, 0.3), 2 * y + 0.7, -z * 0.5), 0.015, 0.012
            ).painted(metal(rng))
        )
        parts.append(tube(arc((0, 2 * y + 0.03, 0), x * 0.6, 0.2, 0, 180, 20), 0.03).painted(flat(BLACK * 2)))
    elif kind == 1:
        ring = lathe([(0, 0), (0.24, 0), (0.24, 0.18), (0.2, 0.22), (0.17, 0.2), (0.15, 0.1), (0, 0.1)], 36).turned(
            "x", 90
        )
        off = rng.uniform(-0.1, 0.1)
        parts.append(ring.moved(off, y + 0.03, z).painted(flat(BLACK * 2, None, 0.4)))
        glass = superquadric(0.16, 0.16, 0.05).moved(off, y + 0.03, z + 0.12)
        parts.append(glass.painted(flat(hexed("3a4a8a"), None, 0.1)))
        flash = rounded_box(0.16, 0.07, 0.1, 0.02).moved(0, 2 * y + 0.1, 0)
        parts += [
            flash.painted(flat(colors[1], rng)),
            lathe([(0, 0), (0.06, 0), (0.06, 0.06), (0, 0.06)], 20).moved(x * 0.7, 2 * y + 0.04, 0).painted(metal(rng)),
        ]
        parts.append(
            rounded_box(0.07, 0.04, 0.02, 0.01)
            .moved(x * 0.7, 2 * y - 0.08, z)
            .painted(flat(hexed("f4f0e0"), None, 0.2))
        )
    else:
        screen = boxed(hexed("28343c"), size=288)
        c, r = BOX_CELLS["front"]
        screen.add(screen.v * (screen.u < 1 / 3) * (screen.v < 0.5) * 0.9, hexed("4a7a9a"))
        motif(screen, rng, (c + 0.5) / 3, (r + 0.5) / 2, 0.12, [colors[1], colors[2]])
        parts.append(
            rounded_box(x * 0.66, y * 0.78, 0.03, 0.025).moved(-x * 0.2, y + 0.05, z).painted(screen.paint(0.2))
        )
        for k in range(3):
            knob = lathe([(0, 0), (0.06, 0), (0.05, 0.05), (0, 0.05)], 20).turned("x", 90)
            parts.append(knob.moved(x * 0.74, y * (0.6 + 0.45 * k) + 0.05, z).painted(flat(pick(rng, colors), rng)))
        parts += both_sides(
            limb((0.02, 2 * y + 0.03, -0.05), (0.4, 2 * y + 0.55, -0.1), 0.014, 0.014).painted(metal(rng))
        )
        for s in (1, -1):
            parts += both_sides(
                limb((x * 0.75, 0.08, s * z * 0.6), (x * 0.8, -0.08, s * z * 0.7), 0.03, 0.02).painted(wood(rng))
            )
    return parts


def clock(rng: Rng) -> list[Part]:
    """An alarm clock with bells, or a mantel clock; the dial to the front."""
    colors = palette(rng)
    dial = Canvas(hexed("f6f2e6"), 256, 128, 2.2)
    centre = (0.225, 0.5)
    for k in range(12):
        a = 2 * np.pi * k / 12
        u, v = centre[0] + 0.36 * np.sin(a) / 2.2, centre[1] - 0.36 * np.cos(a)
        dial.add(dial.disc(u, v, 0.03 if k % 3 else 0.05), BLACK)
    for angle, length, width in ((rng.uniform(0, 6.28), 0.2, 0.03), (rng.uniform(0, 6.28), 0.3, 0.018)):
        du, dv = (dial.u - centre[0]) * 2.2, dial.v - centre[1]
        along, across = du * np.sin(angle) - dv * np.cos(angle), du * np.cos(angle) + dv * np.sin(angle)
        dial.add(((along > -0.04) & (along < length) & (np.abs(across) < width)).astype(float), BLACK)
    circle = np.column_stack([np.cos(t := np.linspace(0, 2 * np.pi, 40, endpoint=False)), np.sin(t)])
    case = flat(colors[0], rng) if dice(rng, 0.7) else metal(rng)
    plate = extruded(circle * 0.47, 0.04, 0.005).moved(0, 0.7, 0.2).painted(dial.paint(0.4))
    body = lathe([(0, -0.2), (0.48, -0.2), (0.55, -0.14), (0.55, 0.18), (0.52, 0.23), (0.47, 0.2), (0, 0.2)], 44)
    parts = [body.turned("x", 90).moved(0, 0.7, 0).painted(case), plate]
    if dice(rng, 0.65):
        bell = lathe([(0.2, 0), (0.18, 0.1), (0, 0.17)], 28, smooth=2)
        under = lathe([(0, 0), (0.2, 0)], 28)
        gong = metal(rng)
        parts += both_sides(bell.turned("z", -32).moved(0.36, 1.2, 0).painted(gong))
        parts += both_sides(under.turned("z", -32).moved(0.36, 1.2, 0).painted(gong))
        parts.append(tube(arc((0, 1.3, 0), 0.2, 0.18, 0, 180), 0.025).painted(gong))
        parts += both_sides(limb((0.3, 0.3, 0), (0.42, 0.03, 0.02), 0.05, 0.04).painted(gong))
    else:
        parts.append(rounded_box(0.62, 0.12, 0.26, 0.03).moved(0, 0.1, 0).painted(wood(rng)))
    return parts
