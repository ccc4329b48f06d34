"""Tools and kitchen gear: thin, long, handled things."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.finishes import any_metal, brushed, finished
from svdmv.dataset.procedural.forms import (
    Part,
    arc,
    ball,
    both_sides,
    extruded,
    lathe,
    limb,
    rounded_box,
    superquadric,
    tube,
)
from svdmv.dataset.procedural.lofts import drum, loft_body, torus
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
    palette,
    pattern,
    pick,
    wood,
)
from svdmv.dataset.procedural.prints import fitted, invented_name, lettering
from svdmv.dataset.procedural.solids import carved


def grip(rng: Rng, length: float, radius: float) -> list[Part]:
    """A handle along +Y from the origin: turned wood, rubber with rings, or a wrapped stick."""
    colors = palette(rng)
    if dice(rng, 0.4):
        body = lathe(
            [
                (0, 0),
                (0.8 * radius, 0.01),
                (radius, 0.1 * length),
                (0.7 * radius, 0.6 * length),
                (0.85 * radius, length),
                (0, length),
            ],
            22,
            smooth=2,
        )
        return [body.painted(finished(wood(rng), rng, 0.3))]
    core = flat(colors[0], None, 0.7)
    parts = [limb((0, radius, 0), (0, length - radius, 0), radius, 0.85 * radius).painted(core)]
    rings = flat(contrasting(colors[0], [BLACK, *colors[1:]]), None, 0.9)
    for t in np.linspace(0.15, 0.6, int(rng.integers(2, 8))):
        parts.append(torus(0.96 * radius, 0.14 * radius, 20, 8).moved(0, t * length, 0).painted(rings))
    return parts


def hammer(rng: Rng) -> list[Part]:
    """A hammer, mallet or axe; the head looks to +X and the print to +Z."""
    h, steel = rng.uniform(0.9, 1.3), any_metal(rng)
    parts = grip(rng, h, rng.uniform(0.05, 0.075))
    kind = rng.integers(3)
    if kind == 0:
        head = lathe([(0, -0.24), (0.1, -0.24), (0.11, -0.2), (0.085, -0.14), (0.1, 0.1), (0, 0.1)], 22).turned("z", 90)
        claw = tube([(0.05, 0, 0), (0.22, 0.02, 0), (0.36, -0.1, 0)], [0.08, 0.06, 0.015], flat=1.4)
        parts += [head.moved(0, h, 0).painted(steel), claw.moved(0, h, 0).painted(steel)]
    elif kind == 1:
        block = rounded_box(0.26, 0.16, 0.15, rng.uniform(0.02, 0.08)).moved(0, h, 0)
        parts.append(block.painted(pick(rng, [wood(rng), flat(BLACK, None, 0.9), steel])))
    else:
        blade = [(-0.1, 0.12), (0.05, 0.14), (0.34, 0.3), (0.38, 0.0), (0.34, -0.28), (0.05, -0.12), (-0.1, -0.12)]
        parts.append(extruded(blade, 0.09, 0.03).moved(0, h - 0.06, 0).painted(steel))
    return parts


def driver(rng: Rng) -> list[Part]:
    """A screwdriver, chisel, brush or ladle standing on its end."""
    h = rng.uniform(0.35, 0.55)
    parts, steel = grip(rng, h, rng.uniform(0.07, 0.12)), any_metal(rng)
    kind, colors = rng.integers(4), palette(rng)
    if kind == 0:
        parts.append(limb((0, h - 0.02, 0), (0, h + 0.6, 0), 0.03, 0.028).painted(steel))
        parts.append(rounded_box(0.045, 0.05, 0.012, 0.006).moved(0, h + 0.62, 0).painted(steel))
    elif kind == 1:
        parts.append(rounded_box(0.1, 0.12, 0.05, 0.02).moved(0, h + 0.08, 0).painted(steel))
        hair = Canvas(hexed(pick(rng, ["d8c8a0", "3a3230", "f0ead8"])), 64, 64)
        hair.add(hair.stripes(24, 0.3, "up"), hair.rgb[0, 0] * 0.7)
        parts.append(
            rounded_box(0.11, 0.17, 0.05, 0.03, top=(1.25, 0.6)).moved(0, h + 0.34, 0).painted(hair.paint(0.95))
        )
    elif kind == 2:
        parts.append(limb((0, h - 0.02, 0), (0, h + 0.55, 0), 0.025, 0.022).painted(steel))
        bowl = superquadric(0.17, 0.19, 0.1).moved(0, h + 0.66, 0)
        scoop = superquadric(0.14, 0.16, 0.1).moved(0, h + 0.66, 0.05)
        parts += carved(bowl.painted(steel), [scoop], steel)
    else:
        parts.append(limb((0, h - 0.02, 0), (0, h + 0.4, 0), 0.03, 0.028).painted(steel))
        paddle = extruded([(-0.13, 0), (0.13, 0), (0.16, 0.36), (-0.16, 0.36)], 0.03, 0.008).moved(0, h + 0.36, 0)
        slots = [rounded_box(0.015, 0.11, 0.2, 0.004).moved(x, h + 0.55, 0) for x in (-0.07, 0, 0.07)]
        parts += carved(paddle.painted(flat(colors[0], rng)), slots, flat(colors[0] * 0.7))
    return parts


def pan(rng: Rng) -> list[Part]:
    """A pan, pot or wok with one long or two short handles, sometimes with an egg or a lid."""
    colors, r, h = palette(rng), rng.uniform(0.4, 0.55), rng.uniform(0.12, 0.5)
    outer = any_metal(rng) if dice(rng, 0.5) else finished(flat(colors[0], None, 0.4), rng)
    w = 0.03
    body = lathe([(0, 0), (0.82 * r, 0), (r, 0.4 * h), (r, h), (r - w, h), (r - w, 0.45 * h), (0.8 * r, w), (0, w)], 48)
    parts = [body.painted(outer)]
    inside = flat(hexed("2a2a2c"), None, 0.35)
    parts.append(drum(0.78 * r, 0.012, 0.004, 40).moved(0, w, 0).painted(inside))
    black = flat(BLACK, None, 0.6)
    if dice(rng, 0.6):
        end = r + rng.uniform(0.5, 0.8)
        parts.append(
            tube(
                [(r - 0.02, 0.8 * h, 0), (r + 0.2, 0.9 * h, 0), (end, h + 0.05, 0)], [0.03, 0.035, 0.045], flat=0.6
            ).painted(black)
        )
    else:
        ear = tube(arc((r, 0.75 * h, 0), 0.12, 0.1, -70, 70, 10), 0.025).turned("x", 90).moved(0, 0.75 * h, 0.75 * h)
        parts += both_sides(ear.moved(0, 0, -0.75 * h).painted(black))
    what = rng.integers(3)
    if what == 0:
        white = superquadric(0.26, 0.025, 0.22, east=0.8).moved(0.05, w + 0.02, 0.02).painted(flat(WHITE, None, 0.3))
        yolk = superquadric(0.09, 0.06, 0.09).moved(0.08, w + 0.04, 0.05).painted(flat(hexed("f0a820"), None, 0.25))
        parts += [white, yolk]
    elif what == 1:
        lid = lathe([(0, h), (r, h), (r + 0.01, h + 0.02), (0.6 * r, h + 0.1), (0, h + 0.13)], 44, smooth=1)
        parts += [lid.painted(outer), ball(0.06).moved(0, h + 0.17, 0).painted(black)]
    return parts


def kettle(rng: Rng) -> list[Part]:
    """A kettle or watering can: body, bent spout, arched handle."""
    colors = palette(rng)
    h = rng.uniform(0.5, 0.8)
    body = loft_body(rng, height=h)
    paint = (
        brushed(Paint(hexed("c4c8cc"), None, 0.3, 1.0), rng)
        if dice(rng, 0.4)
        else finished(pattern(rng, colors, 3.0), rng)
    )
    width = float(body.vertices[:, 0].max())
    rose = dice(rng, 0.4)
    tip = (width + 0.45, h * rng.uniform(0.85, 1.15), 0)
    parts = [
        body.painted(paint),
        tube([(0.6 * width, 0.3 * h, 0), (width + 0.15, 0.5 * h, 0), tip], [0.1, 0.065, 0.045]).painted(paint),
    ]
    if rose:
        parts.append(
            lathe([(0, 0), (0.04, 0), (0.13, 0.12), (0.13, 0.14), (0, 0.16)], 24)
            .turned("z", -55)
            .moved(*tip)
            .painted(paint)
        )
    black = flat(contrasting(paint.color, [BLACK, *colors]), rng)
    parts.append(tube(arc((0, 0.85 * h, 0), 0.8 * width, rng.uniform(0.3, 0.5), 10, 170, 20), 0.035).painted(black))
    parts += [
        drum(0.5 * width, 0.05, 0.02).moved(0, h - 0.01, 0).painted(black),
        ball(0.06).moved(0, h + 0.07, 0).painted(black),
    ]
    return parts


def scissors(rng: Rng) -> list[Part]:
    """Scissors or pliers, opened, standing on their loops."""
    colors, steel = palette(rng), any_metal(rng)
    angle = rng.uniform(6, 26)
    blade = extruded([(-0.05, 0), (0.05, 0), (0.035, 0.5), (-0.03, 0.62)], 0.03, 0.008)
    handle = flat(colors[0], None, 0.5)
    loop = torus(0.15, 0.04, 26, 10).scaled(1, 1, 1.25).turned("x", 90).moved(0.12, -0.45, 0)
    shank = limb((0, 0, 0), (0.08, -0.3, 0), 0.04, 0.045)
    half = [blade.painted(steel), loop.painted(handle), shank.painted(handle)]
    parts = [p.turned("z", -angle).moved(0, 0.7, 0.016) for p in half]
    parts += [p.mirrored().turned("z", angle).moved(0, 0.7, -0.016) for p in half]
    return [*parts, drum(0.035, 0.09, 0.01, 18).turned("x", 90).moved(0, 0.7, -0.045).painted(steel)]


def spanner(rng: Rng) -> list[Part]:
    """A key for nuts, a door key or a bottle opener: flat metal with cut-outs and a stamped name."""
    steel, inside = any_metal(rng), flat(hexed("4a4c50"), None, 0.5)
    length = rng.uniform(0.8, 1.2)
    canvas = Canvas(steel.color, 192, 96, 2 * length)
    word = invented_name(rng, 6)
    canvas.add(lettering(canvas, word, 0.17, 0.5, fitted(word, 0.4, 0.3)), steel.color * 0.5)
    bar = rounded_box(0.07, length / 2, 0.03, 0.02).moved(0, length / 2, 0).painted(steel)
    parts = [bar]
    for y, r, kind in (
        (0.0, rng.uniform(0.13, 0.2), rng.integers(3)),
        (length, rng.uniform(0.12, 0.2), rng.integers(3)),
    ):
        disc = drum(r, 0.09, 0.015, 30).turned("x", 90).moved(0, y, -0.045).painted(steel)
        if kind == 0:
            hole = drum(0.6 * r, 1.0, 0.001, 6).turned("x", 90).moved(0, y, -0.5)
        elif kind == 1:
            hole = rounded_box(0.45 * r, r, 0.3, 0.01).moved(0, y + (0.9 * r if y else -0.9 * r), 0)
        else:
            hole = drum(0.5 * r, 1.0, 0.001, 28).turned("x", 90).moved(0, y, -0.5)
        parts += carved(disc, [hole], inside)
    lean = rng.uniform(-25, 25)
    return [p.turned("z", lean) for p in parts]


def flashlight(rng: Rng) -> list[Part]:
    """A torch that shines to +Z, with rings on its barrel and a switch."""
    colors = palette(rng)
    r, length = rng.uniform(0.1, 0.15), rng.uniform(0.6, 0.9)
    shell = any_metal(rng) if dice(rng, 0.5) else flat(colors[0], rng)
    head = rng.uniform(1.3, 2.0) * r
    profile = [
        (0, 0),
        (r, 0),
        (r, length),
        (head, length + 0.15),
        (head, length + 0.3),
        (0.85 * head, length + 0.3),
        (0.3 * head, length + 0.2),
        (0, length + 0.2),
    ]
    from svdmv.dataset.procedural.finishes import Finish

    lamp = Finish(hexed("fff4d8"), None, 0.2, 0.0, glow=hexed("f8e8b8"))
    parts = [
        lathe(profile, 36).painted(shell),
        drum(0.82 * head, 0.012, 0.004).moved(0, length + 0.285, 0).painted(lamp),
    ]
    for t in np.linspace(0.15, 0.7, 7):
        parts.append(torus(r, 0.012, 28, 8).moved(0, t * length, 0).painted(flat(BLACK, None, 0.8)))
    parts = [p.turned("x", 90) for p in parts]
    parts.append(rounded_box(0.04, 0.03, 0.09, 0.015).moved(0, r, 0.8 * length).painted(flat(colors[1], rng)))
    return [p.moved(0, head, 0) for p in parts]
