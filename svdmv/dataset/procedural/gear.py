"""Appliances and electronics with a clear front."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.finishes import Finish, any_metal, finished
from svdmv.dataset.procedural.forms import Part, arc, ball, both_sides, lathe, limb, rounded_box, superquadric, tube
from svdmv.dataset.procedural.freeforms import front_panel
from svdmv.dataset.procedural.lofts import drum, torus
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
)
from svdmv.dataset.procedural.prints import fitted, invented_name, lettering
from svdmv.dataset.procedural.solids import carved
from svdmv.dataset.procedural.wares import side

GLASS = hexed("182028")


def camera(rng: Rng) -> list[Part]:
    """A camera: body with leather band, lens to +Z, flash, dials."""
    colors = palette(rng)
    x, y, z = rng.uniform(0.42, 0.55), rng.uniform(0.26, 0.36), rng.uniform(0.13, 0.2)
    canvas = Canvas(colors[0] if dice(rng, 0.5) else BLACK * 2, 288, 192, 1.5 * x / y)
    for name in ("front", "back", "left", "right"):
        canvas.add(canvas.rectangle(*side(name, (0, 0.3, 1, 0.88))), BLACK * 1.6)
    word, box = invented_name(rng, 5), side("front", (0.2, 0.04, 0.8, 0.26))
    canvas.add(
        lettering(canvas, word, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, fitted(word, 0.2 * canvas.aspect, 0.06)),
        WHITE,
    )
    canvas.add(canvas.rectangle(*side("back", (0.12, 0.34, 0.7, 0.84))), hexed("5080a0"))
    parts = [rounded_box(x, y, z, 0.05).moved(0, y, 0).painted(canvas.paint(0.5))]
    steel, black = any_metal(rng), flat(BLACK, None, 0.4)
    cx, r = rng.uniform(-0.15, 0.1), rng.uniform(0.18, 0.24)
    deep = rng.uniform(0.1, 0.4)
    for k, (radius, depth) in enumerate([(r, 0.35 * deep), (0.92 * r, 0.7 * deep), (0.84 * r, deep)]):
        parts.append(
            drum(radius, depth, 0.015).turned("x", 90).moved(cx, 0.95 * y, z - 0.01).painted(steel if k % 2 else black)
        )
    glass = superquadric(0.66 * r, 0.66 * r, 0.06).moved(cx, 0.95 * y, z + deep - 0.02)
    parts.append(glass.painted(Paint(hexed(pick(rng, ["203048", "302048", "103830"])), None, 0.12)))
    parts.append(rounded_box(0.1, 0.05, 0.04, 0.02).moved(0.7 * x, 1.7 * y, z).painted(flat(WHITE, None, 0.25)))
    parts.append(drum(0.07, 0.06, 0.012).moved(-0.65 * x, 2 * y - 0.01, 0).painted(steel))
    parts.append(drum(0.045, 0.05, 0.012).moved(-0.3 * x, 2 * y - 0.01, 0.02).painted(flat(colors[1], rng)))
    if dice(rng, 0.5):
        parts.append(
            rounded_box(0.16, 0.09, 0.1, 0.03, top=(0.6, 0.7))
            .moved(cx, 2 * y + 0.04, 0)
            .painted(flat(canvas.rgb[0, 0], None, 0.5))
        )
    return parts


def phone(rng: Rng) -> list[Part]:
    """A telephone of today, a tablet, or a calculator, leaning on a stand."""
    colors = palette(rng)
    x, y = rng.uniform(0.25, 0.5), rng.uniform(0.45, 0.65)
    canvas = Canvas(colors[0], 480, 320, 1.5 * x / y)
    keys = dice(rng, 0.4)
    screen = side("front", (0.06, 0.05, 0.94, 0.34 if keys else 0.95))
    canvas.add(canvas.rectangle(*screen, 0.01), hexed(pick(rng, ["101820", "284868", "90b8a0"])))
    w, h = screen[2] - screen[0], screen[3] - screen[1]
    for i in range(4):
        for j in range(1 if keys else 5):
            u, v = screen[0] + w * (0.14 + 0.24 * i), screen[1] + h * (0.12 + 0.18 * j)
            canvas.add(
                canvas.rectangle(u - 0.08 * w, v - 0.06 * h, u + 0.08 * w, v + 0.06 * h, 0.008),
                pick(rng, [*colors, WHITE]),
            )
    parts = [rounded_box(x, y, 0.045, 0.03).painted(canvas.paint(0.2))]
    if keys:
        for i in range(4):
            for j in range(4):
                cap = rounded_box(0.17 * x, 0.08 * y, 0.03, 0.015).moved(
                    (i - 1.5) * 0.46 * x, (0.15 - 0.27 * j) * y, 0.05
                )
                parts.append(cap.painted(flat(colors[1] if i == 3 else WHITE, None, 0.5)))
    else:
        for k in range(int(rng.integers(1, 4))):
            parts.append(
                drum(0.05, 0.02, 0.006, 20)
                .turned("x", -90)
                .moved(-0.6 * x, (0.8 - 0.16 * k) * y, -0.04)
                .painted(flat(GLASS, None, 0.15))
            )
        word = invented_name(rng, 6)
        back = side("back", (0.2, 0.5, 0.8, 0.7))
        canvas.add(
            lettering(
                canvas, word, (back[0] + back[2]) / 2, (back[1] + back[3]) / 2, fitted(word, 0.2 * canvas.aspect, 0.05)
            ),
            contrasting(colors[0], [WHITE, BLACK]),
        )
        parts[0] = parts[0].painted(canvas.paint(0.2))
    parts = [p.turned("x", -18).moved(0, y + 0.05, 0.02) for p in parts]
    return [*parts, rounded_box(0.7 * x, 0.03, 0.24, 0.02).moved(0, 0.03, -0.08).painted(any_metal(rng))]


def controller(rng: Rng) -> list[Part]:
    """A game pad: two horns, sticks, a cross, coloured buttons; top to +Z and up."""
    colors = palette(rng)
    shell = flat(colors[0], None, 0.5)
    parts = [superquadric(0.5, 0.12, 0.26, north=0.7, east=0.6).painted(shell)]
    parts += both_sides(limb((0.38, 0, 0), (0.52, -0.06, 0.36), 0.15, 0.1).painted(shell))
    black = flat(BLACK, None, 0.7)
    for x, z in ((-0.3, -0.06), (-0.12, 0.1), (0.14, 0.1)):
        if dice(rng, 0.75):
            parts.append(drum(0.065, 0.09, 0.02, 22).moved(x, 0.08, z).painted(black))
            parts.append(superquadric(0.075, 0.02, 0.075).moved(x, 0.18, z).painted(black))
    for dx, dz, c in ((0.08, 0, 1), (-0.08, 0, 2), (0, 0.08, 3), (0, -0.08, 4)):
        parts.append(
            drum(0.035, 0.05, 0.012, 16).moved(0.32 + dx, 0.09, -0.06 + dz).painted(flat(colors[c], None, 0.3))
        )
    parts += [
        rounded_box(a, 0.02, b, 0.012).moved(-0.3, 0.13, -0.06).painted(black)
        for a, b in ((0.11, 0.035), (0.035, 0.11))
    ][: 2 if dice(rng, 0.6) else 0]
    parts.append(rounded_box(0.1, 0.015, 0.05, 0.01).moved(0, 0.12, -0.08).painted(flat(colors[1], rng)))
    lift = rng.uniform(20, 70)
    parts = [p.turned("x", lift) for p in parts]
    return parts


def headphones(rng: Rng) -> list[Part]:
    """Two cups under a padded arch; a marked cup and a microphone on one side."""
    colors = palette(rng)
    r, w = rng.uniform(0.42, 0.5), rng.uniform(0.14, 0.2)
    band = tube(arc((0, 0.4, 0), r, r, -5, 185, 26), 0.05, flat=1.8)
    parts = [
        band.painted(flat(colors[0], rng)),
        tube(arc((0, 0.4, 0), 0.93 * r, 0.93 * r, 40, 140, 18), 0.045, flat=2.0).painted(flat(BLACK, None, 0.95)),
    ]
    cup = superquadric(0.1, 1.25 * w, w, north=0.5).moved(r, 0.3, 0)
    pad = torus(0.8 * w, 0.055, 26, 10).scaled(1, 1, 1.2).turned("z", 90).turned("x", 90).moved(r - 0.1, 0.3, 0)
    parts += [
        *both_sides(cup.painted(finished(flat(colors[0], rng), rng))),
        *both_sides(pad.painted(flat(BLACK, None, 0.9))),
    ]
    parts += both_sides(
        drum(0.7 * w, 0.03, 0.01, 28).turned("z", -90).moved(r + 0.08, 0.3, 0).painted(flat(colors[1], rng))
    )
    if dice(rng, 0.5):
        mic = [(r, 0.2, 0), (r, 0.05, 0.2), (0.6 * r, -0.05, 0.42)]
        parts += [
            tube(mic, 0.022).painted(flat(BLACK)),
            ball(0.05, 14, 8).moved(*mic[-1]).painted(flat(BLACK, None, 0.95)),
        ]
    return parts


def toaster(rng: Rng) -> list[Part]:
    """A toaster with real slots, lever, dial and perhaps bread."""
    colors = palette(rng)
    x, y, z = rng.uniform(0.4, 0.55), rng.uniform(0.26, 0.36), rng.uniform(0.2, 0.28)
    shell = any_metal(rng) if dice(rng, 0.4) else finished(flat(colors[0], rng), rng)
    slots = [rounded_box(0.75 * x, 0.3, 0.045, 0.01).moved(0, 2 * y, s * 0.4 * z) for s in (1, -1)]
    parts = carved(
        rounded_box(x, y, z, rng.uniform(0.05, 0.16)).moved(0, y, 0).painted(shell), slots, flat(BLACK, None, 0.8)
    )
    black = flat(BLACK, None, 0.5)
    parts.append(rounded_box(0.07, 0.03, 0.04, 0.015).moved(x + 0.04, rng.uniform(0.8, 1.5) * y, 0).painted(black))
    parts.append(rounded_box(0.9 * x, 0.03, 0.9 * z, 0.02).moved(0, 0.01, 0).painted(black))
    parts += [p.moved(0.45 * x) for p in front_panel(rng, z + 0.005, y, 0.5 * x, 0.8 * y, colors)]
    if dice(rng, 0.6):
        crust = Canvas(hexed("e8b868"), 96, 96)
        crust.add(np.clip(crust.noise(rng, 6) * 1.4 - 0.3, 0, 1), hexed("a86a28"))
        for s in (1, -1)[: int(rng.integers(1, 3))]:
            parts.append(
                rounded_box(0.6 * x, 0.22, 0.035, 0.03).moved(0, 2 * y, s * 0.4 * z).painted(crust.paint(0.95))
            )
    return parts


def television(rng: Rng) -> list[Part]:
    """An old set, a monitor, an oven or a washing machine: a box whose front tells what it is."""
    colors = palette(rng)
    x, y, z = rng.uniform(0.4, 0.55), rng.uniform(0.35, 0.6), rng.uniform(0.08, 0.45)
    body = pick(rng, [flat(colors[0], rng), flat(WHITE, None, 0.4), flat(BLACK * 2, None, 0.5), any_metal(rng)])
    parts = [rounded_box(x, y, z, rng.uniform(0.02, 0.08)).moved(0, y, 0).painted(finished(body, rng, 0.3))]
    if dice(rng, 0.4):
        r = 0.62 * min(x, y)
        parts.append(torus(r, 0.05, 40).turned("x", 90).moved(0, 0.85 * y, z).painted(any_metal(rng)))
        parts.append(superquadric(0.95 * r, 0.95 * r, 0.07).moved(0, 0.85 * y, z).painted(flat(GLASS, None, 0.12)))
        parts += front_panel(rng, z + 0.005, 1.78 * y, 1.7 * x, 0.3 * y, colors)
    else:
        screen = Canvas(hexed("203040"), 160, 128, x / y)
        motif(screen, rng, 0.5, 0.55, 0.3, [colors[1], colors[2]])
        screen.add(screen.rectangle(0, 0, 1, 0.14), colors[3])
        glass = Finish(screen.rgb.mean((0, 1)), np.tile(screen.rgb, (2, 3, 1)), 0.15)
        parts.append(rounded_box(0.78 * x, 0.72 * y, 0.03, 0.02).moved(-0.12 * x, y, z).painted(glass))
        for k in range(int(rng.integers(1, 5))):
            knob = drum(0.05, 0.05, 0.012, 20).turned("x", 90).moved(0.84 * x, (1.6 - 0.3 * k) * y, z - 0.01)
            parts.append(knob.painted(any_metal(rng)))
        if dice(rng, 0.5):
            for s in (0.3, -0.2):
                parts.append(limb((0, 2 * y, 0), (s, 2 * y + 0.5, -0.05), 0.015, 0.01).painted(any_metal(rng)))
    for s in (0.7, -0.7):
        parts += both_sides(
            limb((0.75 * x, 0.02, s * z), (0.8 * x, -rng.uniform(0.05, 0.25), s * z), 0.035, 0.025).painted(flat(BLACK))
        )
    return parts


def fan(rng: Rng) -> list[Part]:
    """A fan in a cage of wires on a foot; blades to +Z."""
    colors, wire = palette(rng), any_metal(rng)
    r, y = rng.uniform(0.35, 0.45), rng.uniform(0.7, 1.0)
    parts = [torus(r, 0.02, 44, 8).turned("x", 90).moved(0, y, 0.1).painted(wire)]
    for k in range(16):
        a = 2 * np.pi * k / 16
        rim = (r * np.cos(a), y + r * np.sin(a), 0.1)
        bow = (0.5 * r * np.cos(a), y + 0.5 * r * np.sin(a), 0.19)
        parts.append(tube([(0, y, 0.2), bow, rim], 0.008, segments=6).painted(wire))
    blade = superquadric(0.09, 0.17, 0.018).turned("y", 28).moved(0, 0.2, 0)
    count = int(rng.integers(3, 6))
    parts += [blade.turned("z", 360 * k / count).moved(0, y, 0.08).painted(flat(colors[0], rng)) for k in range(count)]
    parts.append(drum(0.08, 0.14, 0.02).turned("x", 90).moved(0, y, 0.0).painted(flat(colors[1], rng)))
    parts.append(superquadric(0.12, 0.12, 0.16).moved(0, y, -0.1).painted(flat(colors[1], rng)))
    parts.append(limb((0, 0.05, -0.08), (0, y, -0.08), 0.04, 0.035).painted(wire))
    parts.append(drum(rng.uniform(0.25, 0.35), 0.06, 0.025).painted(flat(colors[1], rng)))
    return parts


def guitar(rng: Rng) -> list[Part]:
    """A guitar, violin or banjo: body with a hole, neck, frets, strings, pegs; face to +Z."""
    colors = palette(rng)
    from svdmv.dataset.procedural.forms import extruded
    from svdmv.dataset.procedural.paints import wood

    a = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waist = rng.uniform(0.1, 0.25)
    r = 0.38 + 0.06 * np.cos(a - np.pi / 2) * -1 - waist * np.exp(-((np.abs(np.sin(a)) - 0.15) ** 2) / 0.05) * 0.5
    outline = np.stack([r * np.cos(a), 1.25 * r * np.sin(a)], 1)
    face = wood(rng) if dice(rng, 0.6) else flat(colors[0], None, 0.25)
    body = extruded(outline, rng.uniform(0.08, 0.2), 0.02).moved(0, 0.5, 0)
    front = float(body.vertices[:, 2].max())
    parts = carved(
        body.painted(face),
        [drum(0.11, 0.5, 0.002, 32).turned("x", 90).moved(0, 0.58, front - 0.05)],
        flat(BLACK, None, 0.9),
    )
    dark = flat(hexed("3a2418"), None, 0.5)
    neck = rounded_box(0.045, 0.45, 0.025, 0.012).moved(0, 1.2, front + 0.005).painted(dark)
    head = rounded_box(0.07, 0.12, 0.025, 0.015).moved(0, 1.72, front - 0.01).painted(face)
    bridge = rounded_box(0.12, 0.025, 0.02, 0.008).moved(0, 0.3, front + 0.015).painted(dark)
    parts += [neck, head, bridge]
    steel = any_metal(rng)
    for k in range(4):
        x = (k - 1.5) * 0.02
        parts.append(limb((x, 0.3, front + 0.045), (x, 1.72, front + 0.04), 0.004, 0.004, segments=6).painted(steel))
        parts.append(ball(0.022, 10, 6).moved((-1) ** k * 0.09, 1.66 + 0.06 * (k // 2), front - 0.01).painted(steel))
    return parts


def lantern(rng: Rng) -> list[Part]:
    """A lantern: glowing body between two plates, bars around, ring on top."""
    colors, metal = palette(rng), any_metal(rng)
    r, h, bars = rng.uniform(0.24, 0.36), rng.uniform(0.4, 0.7), int(rng.integers(4, 9))
    glow = Finish(hexed("ffe8b0"), None, 0.3, glow=hexed(pick(rng, ["f0c060", "f0a050", "c0e0f0"])))
    parts = [drum(1.2 * r, 0.06, 0.02).painted(metal), drum(0.7 * r, h, 0.04).moved(0, 0.05, 0).painted(glow)]
    for k in range(bars):
        a = 2 * np.pi * (k + 0.5) / bars
        x, z = r * np.sin(a), r * np.cos(a)
        parts.append(limb((x, 0.03, z), (x, h + 0.06, z), 0.02, 0.02, segments=8).painted(metal))
    roof = lathe(
        [
            (0, h + 0.04),
            (1.25 * r, h + 0.04),
            (1.2 * r, h + 0.09),
            (0.4 * r, h + 0.28),
            (0.3 * r, h + 0.36),
            (0, h + 0.38),
        ],
        36,
    )
    parts += [
        roof.painted(finished(flat(colors[0], rng), rng)),
        torus(0.11, 0.02, 24, 8).turned("x", 90).moved(0, h + 0.47, 0).painted(metal),
    ]
    return parts
