"""Things without a name: bodies put together, cut and furnished by rules, so that no two seeds are alike."""

from __future__ import annotations

import numpy as np

from svdmv.core import DataError
from svdmv.dataset.procedural.finishes import any_metal, finished
from svdmv.dataset.procedural.forms import (
    Part,
    arc,
    ball,
    both_sides,
    extruded,
    joined,
    limb,
    lofted,
    rounded_box,
    superquadric,
    tube,
)
from svdmv.dataset.procedural.lofts import (
    drum,
    loft_body,
    met,
    random_body,
    random_outline,
    section,
    torus,
    wheel_of,
    with_relief,
)
from svdmv.dataset.procedural.paints import (
    BLACK,
    Canvas,
    Color,
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


def skin(rng: Rng, colors: list[Color], aspect: float = 2.0) -> Paint:
    """A paint for a whole body: plain, patterned, wood or metal."""
    kind = rng.uniform()
    if kind < 0.45:
        return flat(colors[0], rng)
    if kind < 0.75:
        return pattern(rng, colors, aspect)
    return wood(rng) if kind < 0.88 else any_metal(rng)


def cut(rng: Rng, body: Part, inside: Paint) -> list[Part]:
    """A body with holes, a slot, a slice or a hollow; as it was where the cut would leave nothing."""
    low, high = body.vertices.min(0), body.vertices.max(0)
    size, middle = high - low, (low + high) / 2
    kind, cutters = rng.integers(5), []
    if kind == 0:  # drilled through to the front
        for _ in range(int(rng.integers(1, 5))):
            hole = drum(rng.uniform(0.06, 0.16) * size[:2].min(), 4 * size[2], 0.001, 24).moved(0, -2 * size[2], 0)
            x, y = rng.uniform(-0.28, 0.28) * size[0], rng.uniform(-0.28, 0.28) * size[1]
            cutters.append(hole.turned("x", 90).moved(middle[0] + x, middle[1] + y, middle[2]))
    elif kind == 1:  # hollow from above
        cup = superquadric(
            0.36 * size[0], 0.8 * size[1], 0.36 * size[2], north=0.5, east=rng.uniform(0.3, 1), segments=32
        )
        cutters.append(cup.moved(middle[0], high[1] + 0.1 * size[1], middle[2]))
    elif kind == 2:  # a window to the front
        w, h = rng.uniform(0.2, 0.36) * size[0], rng.uniform(0.15, 0.3) * size[1]
        box = rounded_box(w, h, size[2], 0.03 * size.max())
        cutters.append(box.moved(middle[0], middle[1] + rng.uniform(-0.1, 0.15) * size[1], high[2] + 0.45 * size[2]))
    elif kind == 3:  # a slice off one side
        slab = rounded_box(2 * size[0], 2 * size[1], 2 * size[2], 0.01)
        turned = slab.moved(2 * size[0] + rng.uniform(0.18, 0.34) * size[0], 0, 0).turned("z", rng.uniform(-50, 50))
        cutters.append(turned.turned("y", rng.uniform(-60, 20)).moved(*middle))
    else:  # scooped by balls
        for _ in range(int(rng.integers(2, 6))):
            way = rng.normal(size=3)
            way /= np.linalg.norm(way)
            scoop = ball(rng.uniform(0.14, 0.3) * size.min(), 24, 16)
            cutters.append(scoop.moved(*(middle + 0.5 * size * way)))
    try:
        return carved(body, cutters, inside)
    except DataError:
        return [body]


def front_panel(rng: Rng, z: float, y: float, wide: float, tall: float, colors: list[Color]) -> list[Part]:
    """Screen, knobs, buttons and a grille on a plate that looks to +Z."""
    plate = Canvas(colors[1], 192, 192, wide / tall)
    ink = contrasting(colors[1], colors)
    rows = int(rng.integers(2, 6))
    if dice(rng, 0.6):
        u0 = pick(rng, [0.06, 0.4])
        plate.add(
            plate.rectangle(u0, 0.08, u0 + 0.54, 0.5, 0.03), hexed(pick(rng, ["203040", "9cc8a0", "101418", "4080c0"]))
        )
        number = str(rng.integers(10, 999))
        plate.add(lettering(plate, number, u0 + 0.27, 0.29, fitted(number, 0.4 * plate.aspect, 0.26)), hexed("e8f4e0"))
    for k in range(rows):
        plate.add(plate.rectangle(0.08, 0.6 + 0.07 * k, 0.4, 0.62 + 0.07 * k), ink)
    word = invented_name(rng, 6)
    plate.add(lettering(plate, word, 0.7, 0.9, fitted(word, 0.4 * plate.aspect, 0.1)), ink)
    parts = [rounded_box(wide / 2, tall / 2, 0.02, 0.015).moved(0, y, z).painted(_front_of_box(plate))]
    knob = flat(contrasting(colors[1], [*colors, BLACK]), rng) if dice(rng, 0.6) else any_metal(rng)
    for k in range(int(rng.integers(1, 5))):
        r = rng.uniform(0.05, 0.1) * min(wide, tall)
        x, dy = wide * rng.uniform(0.02, 0.4), tall * (rng.uniform(-0.3, 0.05) - 0.02 * k)
        stub = drum(r, rng.uniform(0.02, 0.06), 0.01, 20).turned("x", 90)
        parts.append(stub.moved(x, y + dy, z + 0.015).painted(knob))
    return parts


def _front_of_box(canvas: Canvas) -> Paint:
    """A picture brought to the front cell of a rounded box; the other sides take its first colour."""
    height, width = canvas.rgb.shape[:2]
    whole = np.broadcast_to(canvas.rgb[-1, -1], (2 * height, 3 * width, 3)).copy()
    whole[:height, :width] = canvas.rgb
    return Paint(canvas.rgb.mean((0, 1)), whole, 0.5)


def furnish(rng: Rng, body: list[Part], colors: list[Color]) -> list[Part]:
    """What is stuck on: panel, handle, legs, wheels, antennas, fins, dome, rings, spout, eyes."""
    whole = joined(body).vertices
    low, high = whole.min(0), whole.max(0)
    size, middle = high - low, (low + high) / 2
    second, third = flat(colors[1], rng), any_metal(rng) if dice(rng, 0.4) else flat(colors[2], rng)
    parts: list[Part] = []
    around = 1.2 * float(np.linalg.norm(size))
    if dice(rng, 0.45):
        spot = met(body, np.array([middle[0], middle[1], high[2] + around]), np.array([0, 0, -1.0]))
        if spot is not None:
            wide, tall = size[0] * rng.uniform(0.45, 0.7), size[1] * rng.uniform(0.3, 0.55)
            parts += [p.moved(middle[0]) for p in front_panel(rng, spot[2] + 0.01, middle[1], wide, tall, colors)]
    if dice(rng, 0.35):
        top = met(body, np.array([middle[0], high[1] + around, middle[2]]), np.array([0, -1.0, 0]))
        if top is not None:
            reach = size[0] * rng.uniform(0.25, 0.4)
            grip = tube(arc((0, 0, 0), reach, rng.uniform(0.15, 0.35), 0, 180, 18), rng.uniform(0.025, 0.05))
            parts.append(grip.turned("y", pick(rng, [0, 90])).moved(top[0], top[1] - 0.03, top[2]).painted(third))
    lift = 0.0
    if dice(rng, 0.3):
        centre = np.array([middle[0], 0, middle[2]])
        lift, count, thick = rng.uniform(0.15, 0.5), int(rng.integers(3, 5)), rng.uniform(0.02, 0.045)
        for k in range(count):
            a = np.pi / 4 + 2 * np.pi * k / count
            foot = np.array([0.48 * size[0] * np.sin(a), low[1] - lift, 0.48 * size[2] * np.cos(a)])
            hip = np.array([0.3 * size[0] * np.sin(a), low[1] + 0.3 * size[1], 0.3 * size[2] * np.cos(a)])
            parts.append(limb(hip + centre, foot + centre, 1.3 * thick, thick).painted(third))
    elif dice(rng, 0.3):
        r = rng.uniform(0.1, 0.2)
        for z in (0.34 * size[2], -0.34 * size[2]):
            rim = wheel_of(r, 0.07).moved(0.5 * size[0], low[1] + 0.5 * r, z)
            hub = wheel_of(0.5 * r, 0.08).moved(0.5 * size[0], low[1] + 0.5 * r, z)
            parts += [
                p.moved(middle[0], 0, middle[2])
                for p in (*both_sides(rim.painted(flat(BLACK, None, 0.9))), *both_sides(hub.painted(third)))
            ]
    for _ in range(int(rng.integers(0, 4))):
        way = np.array([rng.normal(), abs(rng.normal()) + 0.3, rng.normal()])
        way /= np.linalg.norm(way)
        spot = met(body, middle + way * around, -way)
        if spot is None:
            continue
        kind = rng.integers(5)
        if kind == 0:
            tip = spot + way * rng.uniform(0.15, 0.5)
            parts += [
                limb(spot - 0.05 * way, tip, 0.018, 0.012).painted(third),
                ball(rng.uniform(0.03, 0.06), 14, 8).moved(*tip).painted(second),
            ]
        elif kind == 1:
            parts.append(
                superquadric(0.03, rng.uniform(0.15, 0.3), rng.uniform(0.08, 0.2), north=0.7, segments=16, rings=10)
                .moved(*spot)
                .painted(second)
            )
        elif kind == 2:
            parts.append(
                superquadric(*rng.uniform(0.08, 0.2, 3), north=rng.uniform(0.3, 1))
                .moved(*spot)
                .painted(finished(second, rng))
            )
        elif kind == 3:
            mouth = spot + way * 0.25 + np.array([0, 0.12, 0])
            parts.append(tube([spot - 0.08 * way, spot + 0.1 * way, mouth], [0.07, 0.055, 0.04]).painted(second))
        else:
            parts.append(torus(rng.uniform(0.1, 0.2), 0.03).turned("x", 90).moved(*spot).painted(third))
    if dice(rng, 0.25):
        for x in (0.16, -0.16):
            spot = met(
                body,
                np.array([middle[0] + x * size[0], middle[1] + 0.2 * size[1], high[2] + around]),
                np.array([0, 0, -1.0]),
            )
            if spot is not None:
                canvas = Canvas(hexed("f4f2ee"), 48, 48, 2.0)
                canvas.add(canvas.disc(0.5, 0.5, 0.24), BLACK)
                parts.append(ball(0.07 * size[:2].min() + 0.02, 18, 12).moved(*spot).painted(canvas.paint(0.25)))
    if dice(rng, 0.3):
        t = rng.uniform(0.15, 0.85)
        waist = whole[np.abs(whole[:, 1] - low[1] - t * size[1]) < 0.15 * size[1]]
        if len(waist):
            r = float(np.abs(waist[:, [0, 2]] - middle[[0, 2]]).max())
            parts.append(torus(0.96 * r, 0.035, 44).moved(middle[0], low[1] + t * size[1], middle[2]).painted(second))
    return parts


def gadget(rng: Rng) -> list[Part]:
    """One to three bodies, cut, in relief, furnished: an appliance or toy that nobody has seen."""
    colors = palette(rng)
    parts, top = [], 0.0
    inside = flat(contrasting(colors[0], colors[1:]), rng)
    for k in range(int(rng.choice([1, 1, 2, 3]))):
        body = random_body(rng).scaled(0.75**k)
        if dice(rng, 0.25):
            body = with_relief(body, rng)
        paint = finished(skin(rng, colors[k:] + colors[:k]), rng)
        body = body.moved(rng.uniform(-0.1, 0.1) * k, top - 0.04 * k, rng.uniform(-0.1, 0.1) * k).painted(paint)
        top = float(body.vertices[:, 1].max())
        parts += cut(rng, body, inside) if dice(rng, 0.45) else [body]
    return parts + furnish(rng, parts, colors)


def pot(rng: Rng) -> list[Part]:
    """A vessel of any section, twisted or lobed, with relief, handles or a lid."""
    colors = palette(rng)
    height = rng.uniform(0.5, 1.3)
    body = loft_body(rng, height=height, wall=0.05).painted(finished(pattern(rng, colors, 2.5), rng, 0.8))
    parts = [body]
    if dice(rng, 0.35):
        side = met(parts, np.array([3.0, 0.6 * height, 0]), np.array([-1.0, 0, 0]))
        if side is not None:
            ear = tube(arc((side[0] - 0.02, 0.55 * height, 0), 0.2, 0.28 * height, -85, 85), rng.uniform(0.03, 0.05))
            parts += (
                both_sides(ear.painted(flat(colors[1], rng))) if dice(rng, 0.5) else [ear.painted(flat(colors[1], rng))]
            )
    if dice(rng, 0.3):
        rim = body.vertices[body.vertices[:, 1] > 0.97 * height]
        r, (x, z) = float(np.abs(rim[:, [0, 2]] - rim[:, [0, 2]].mean(0)).max()), rim[:, [0, 2]].mean(0)
        lid = [drum(1.04 * r, 0.06, 0.03).moved(x, height, z), ball(0.08).moved(x, height + 0.1, z)]
        parts += [p.painted(flat(colors[2], rng)) for p in lid]
    return parts


def sculpture(rng: Rng) -> list[Part]:
    """Abstract: a twisted loft, a pierced block or a knot, on a plinth."""
    colors = palette(rng)
    paint = finished(skin(rng, colors), rng, 0.8)
    inside = flat(contrasting(paint.color, colors[1:]), rng)
    kind = rng.integers(4)
    if kind == 0:
        parts = [with_relief(loft_body(rng, height=1.2), rng).painted(paint)]
    elif kind == 1:
        block = random_body(rng).painted(paint)
        for _ in range(2):
            solids = cut(rng, block, inside) if len(block.faces) < 6000 else [block]
            block = joined(solids).painted(paint) if len(solids) > 1 else solids[0]
        parts = [block]
    elif kind == 2:
        t = np.linspace(0, 2 * np.pi, 161)
        p, q = pick(rng, [(2, 3), (3, 2), (2, 5), (3, 4)])
        r = 0.36 + 0.14 * np.cos(q * t)
        path = np.stack([r * np.cos(p * t), 0.55 + r * np.sin(p * t), 0.16 * np.sin(q * t)], 1)
        parts = [tube(path, rng.uniform(0.045, 0.075), round_ends=False).painted(paint)]
    else:
        rings, turn = [], rng.uniform(20, 90)
        shape = section(rng, 32)
        for t in np.linspace(0, 1, 30):
            a = np.radians(turn * np.sin(3 * t))
            r = 0.14 + 0.16 * np.sin(np.pi * t) * (1 + 0.4 * np.sin(7 * t))
            x, z = np.cos(a) * shape[:, 0] - np.sin(a) * shape[:, 1], np.sin(a) * shape[:, 0] + np.cos(a) * shape[:, 1]
            rings.append(np.column_stack([r * x + 0.22 * np.sin(5 * t), np.full(32, 1.2 * t), -r * z]))
        parts = [lofted(np.stack(rings)).painted(paint)]
    lift = 0.16 - float(joined(parts).vertices[:, 1].min())
    base = (
        rounded_box(0.42, 0.09, 0.36, 0.02)
        .moved(0, 0.09, 0)
        .painted(finished(wood(rng) if dice(rng, 0.5) else flat(colors[2], rng), rng))
    )
    return [*(p.moved(0, lift, 0) for p in parts), base]


def carving(rng: Rng) -> list[Part]:
    """A board with a shape cut through it, on feet or lying: sign, puzzle piece, stencil."""
    colors = palette(rng)
    outer = extruded(random_outline(rng) * rng.uniform(1.4, 2.0), rng.uniform(0.1, 0.3), 0.02)
    hole = extruded(random_outline(rng) * rng.uniform(0.5, 0.8), 1.0, 0.002).moved(
        rng.uniform(-0.12, 0.12), rng.uniform(-0.12, 0.12)
    )
    inside = flat(contrasting(colors[0], colors[1:]), rng)
    paint = finished(pick(rng, [wood(rng), pattern(rng, colors, 2.0), flat(colors[0], rng)]), rng)
    parts = carved(outer.painted(paint), [hole], inside)
    low = float(joined(parts).vertices[:, 1].min())
    foot = rounded_box(0.4, 0.05, 0.22, 0.02).moved(0, low, 0).painted(flat(colors[1], rng))
    return [*parts, foot]
