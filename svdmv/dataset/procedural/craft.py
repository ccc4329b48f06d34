"""Toys that fly or swim, front to +Z: aeroplanes, boats, rockets."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import (
    Part,
    ball,
    both_sides,
    extruded,
    lathe,
    limb,
    lofted,
    rounded_box,
    superquadric,
)
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
    metal,
    motif,
    palette,
)
from svdmv.dataset.procedural.panels import GLASS, boxed, windows
from svdmv.dataset.procedural.vehicles import TYRE


def plane(rng: Rng) -> list[Part]:
    """An aeroplane, nose to +Z, with a propeller or two jets."""
    colors = palette(rng)
    hull = Canvas(WHITE if dice(rng, 0.4) else colors[0], 256, 192, 0.8)
    for u in (0.25, 0.75):
        for v in np.linspace(0.28, 0.7, 8):
            hull.add(hull.disc(u + 0.02 * np.sign(0.5 - u), float(v), 0.014), GLASS)
    hull.add(hull.rectangle(0, 0.82, 1, 0.9), colors[1])
    z = np.array([1.0, 0.97, 0.88, 0.7, 0.4, -0.2, -0.6, -0.9, -1.05])
    r = np.array([0.0, 0.07, 0.13, 0.18, 0.2, 0.2, 0.15, 0.08, 0.03])
    rise = np.array([0.0, 0, 0, 0, 0, 0, 0.03, 0.09, 0.13])
    body = lathe(np.column_stack([r, z])[::-1], 28, smooth=1).painted(hull.paint(0.35)).turned("x", 90)
    body = body.bent(lambda v: v + np.column_stack([0 * v[:, 2], np.interp(v[:, 2], z[::-1], rise[::-1]), 0 * v[:, 2]]))
    wing_paint = flat(contrasting(hull.rgb[0, 0], colors[1:]), rng)
    sweep, span, wing_y = rng.uniform(-0.25, 0.0), rng.uniform(0.8, 1.1), rng.uniform(-0.12, 0.14)
    outline = np.array([(0.0, -0.2), (span, sweep - 0.14), (span, sweep + 0.06), (0.0, 0.24)])
    wing = extruded(outline, 0.05, 0.015).turned("x", 90).moved(0, wing_y, 0.15).turned("z", 3).painted(wing_paint)
    tail = extruded(np.array([(0.0, -0.1), (0.38, -0.16), (0.38, -0.02), (0.0, 0.14)]), 0.04, 0.012).turned("x", 90)
    fin = extruded(np.array([(0.0, 0.0), (0.3, 0.0), (0.1, 0.4), (-0.06, 0.4)]), 0.05, 0.015).turned("y", -90)
    parts = [
        body,
        *both_sides(wing),
        *both_sides(tail.moved(0, 0.12, -0.88).painted(wing_paint)),
        fin.moved(0, 0.14, -1.02).painted(flat(colors[1], rng)),
        superquadric(0.11, 0.09, 0.2).moved(0, 0.15, 0.52).painted(flat(GLASS, None, 0.2)),
    ]
    if dice(rng, 0.5):
        blade = superquadric(0.05, 0.3, 0.02, segments=12, rings=10).moved(y=0.28)
        parts += [blade.turned("z", 120 * k + 20).moved(0, 0, 1.02).painted(flat(TYRE)) for k in range(3)]
        parts.append(
            superquadric(0.07, 0.07, 0.1, segments=16, rings=10).moved(0, 0, 1.02).painted(flat(colors[2], None, 0.4))
        )
    else:
        jet = lathe([(0, -0.18), (0.08, -0.18), (0.1, -0.1), (0.1, 0.16), (0.08, 0.2), (0.06, 0.14), (0, 0.12)], 24)
        parts += both_sides(
            jet.turned("x", 90).moved(0.4, wing_y - 0.09, 0.2).painted(flat(hexed("9aa0a8"), None, 0.4))
        )
    return parts


def boat(rng: Rng) -> list[Part]:
    """A boat, bow to +Z: a sailing boat or a small steamer."""
    colors = palette(rng)
    rings = []
    for z in np.linspace(-0.8, 1.0, 15):
        t = (z + 0.8) / 1.8
        w = 0.36 * min(1.0, 1.35 - t) ** 0.5 * (1 - max(0, t - 0.55) ** 2 * 4.4) + 0.012
        deck, keel = 0.34 + 0.2 * max(0, t - 0.5) ** 2 * 4, 0.02 + 0.22 * max(0, t - 0.6) * 2
        a = np.linspace(0, np.pi, 13)
        rings.append(np.column_stack([w * np.cos(a), deck - (deck - keel) * np.sin(a) ** 0.7, np.full(13, z)])[::-1])
    hull = Canvas(colors[0], 64, 64)
    skin = lofted(np.array(rings)).painted(hull.paint(0.4))
    skin = skin if _volume(skin) > 0 else Part(skin.vertices, skin.faces[:, ::-1], skin.uvs, skin.paint)
    stripe = Canvas(colors[0], 128, 128)
    wave = stripe.stripes(1, 0.5, "up")
    stripe.add(wave, colors[1])
    parts = [
        Part(skin.vertices, skin.faces, np.column_stack([skin.vertices[:, 1] * 2.0, skin.uvs[:, 1]]), stripe.paint(0.4))
    ]
    if dice(rng, 0.55):
        mast = flat(hexed("8a5a3b"), None, 0.8)
        parts.append(limb((0, 0.3, 0.1), (0, 1.6, 0.1), 0.03, 0.02).painted(mast))
        sail = Canvas(WHITE if dice(rng, 0.6) else colors[2], 128, 128)
        sail.add(sail.stripes(int(rng.integers(2, 6)), 0.4), colors[1]) if dice(rng, 0.6) else motif(
            sail, rng, 0.2, 0.68, 0.12, colors
        )
        main = (
            extruded(np.array([(0.0, 0.0), (0.8, 0.02), (0.02, 1.05)]), 0.02, 0.004).turned("y", 90).moved(0, 0.5, 0.05)
        )
        jib = (
            extruded(np.array([(-0.72, 0.05), (0.0, 0.0), (-0.02, 0.85)]), 0.02, 0.004)
            .turned("y", 90)
            .moved(0, 0.45, 0.16)
        )

        def belly(v: np.ndarray) -> np.ndarray:
            out = v.copy()
            out[:, 0] += 0.12 * np.sin(np.clip((v[:, 1] - 0.45) / 1.1, 0, 1) * np.pi)
            return out

        parts += [main.bent(belly).painted(sail.paint(0.85)), jib.bent(belly).painted(flat(colors[3], None, 0.85))]
    else:
        house = boxed(WHITE)
        windows(house, 0.2, 0.55, 3)
        parts.append(rounded_box(0.2, 0.18, 0.32, 0.04).moved(0, 0.52, -0.2).painted(house.paint(0.5)))
        funnel = Canvas(colors[2], 64, 64)
        funnel.add(funnel.rectangle(0, 0.25, 1, 0.45), WHITE).add(funnel.rectangle(0, 0, 1, 0.12), BLACK)
        parts.append(
            lathe([(0, 0), (0.1, 0), (0.1, 0.4), (0, 0.4)], 24).moved(0, 0.66, -0.28).painted(funnel.paint(0.5))
        )
        parts.append(ball(0.05).moved(0.0, 0.42, 0.85).painted(flat(hexed("f2c14e"), None, 0.3)))
    deck = flat(hexed("c89a62"), None, 0.8)
    return [*parts, rounded_box(0.27, 0.02, 0.62, 0.01).moved(0, 0.33, -0.14).painted(deck)]


def _volume(part: Part) -> float:
    """Signed volume of a closed surface."""
    a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def rocket(rng: Rng) -> list[Part]:
    """A toy rocket standing on its fins, a porthole to the front."""
    colors = palette(rng)
    hull = Canvas(WHITE if dice(rng, 0.5) else colors[0], 256, 256, 1.0)
    hull.add(hull.rectangle(0, 0.0, 1, 0.24), colors[1])
    hull.add(hull.rectangle(0, 0.8, 1, 0.86), colors[1])
    for u in (0.0, 0.25, 0.75):
        motif(hull, rng, u if u else 0.98, 0.62, 0.07, [colors[2], colors[3]])
    body = lathe([(0, 0.2), (0.2, 0.2), (0.32, 0.5), (0.36, 0.85), (0.28, 1.3), (0.12, 1.65), (0, 1.75)], 40, smooth=2)
    fin_paint: Paint = flat(contrasting(hull.rgb[128, 0], colors[1:]), rng)
    fin = extruded(np.array([(0.2, 0.3), (0.62, 0.0), (0.6, 0.25), (0.3, 0.75)]), 0.06, 0.02).painted(fin_paint)
    count = int(rng.integers(3, 5))
    rim = superquadric(0.14, 0.14, 0.06, segments=24).moved(0, 1.05, 0.33).painted(metal(rng))
    glass = superquadric(0.1, 0.1, 0.06, segments=24).moved(0, 1.05, 0.355).painted(flat(hexed("5bb8e8"), None, 0.15))
    nozzle = lathe([(0, 0.12), (0.16, 0.06), (0.18, 0.06), (0.12, 0.22), (0, 0.22)], 28).painted(metal(rng))
    fins = [fin.turned("y", 360 * k / count + 90 / count) for k in range(count)]
    return [body.painted(hull.paint(0.4)), *fins, rim, glass, nozzle]
