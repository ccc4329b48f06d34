"""Things to eat: cakes with a slice out, rings, burgers, cheese, pizza, melons, loaves, ice."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import Part, ball, extruded, lathe, limb, rounded_box, superquadric, tube
from svdmv.dataset.procedural.lofts import drum, torus
from svdmv.dataset.procedural.paints import WHITE, Canvas, Paint, Rng, dice, flat, hexed, palette, pick
from svdmv.dataset.procedural.solids import bumps, carved, lumps, raised, refined

SPONGE, CREAM, CHOCOLATE = hexed("e0b070"), hexed("fbf4e6"), hexed("5a3018")


def _plate(rng: Rng, r: float) -> Part:
    canvas = Canvas(WHITE, 128, 128, 3.0)
    canvas.add(canvas.rectangle(0, 0.3, 1, 0.36), pick(rng, palette(rng)))
    return lathe([(0, 0), (0.6 * r, 0), (r, 0.06), (r, 0.08), (0.6 * r, 0.03), (0, 0.03)], 44).painted(
        canvas.paint(0.2)
    )


def _layers(rng: Rng, colors: list[np.ndarray]) -> Paint:
    """What a knife lays open: layers of sponge and cream, over the places of the wedge's faces."""
    canvas = Canvas(pick(rng, [SPONGE, CHOCOLATE, colors[0]]), 64, 128)
    count = int(rng.integers(1, 4))
    for k in range(count):
        v = (k + 1) / (count + 1)
        canvas.add(canvas.rectangle(0, v - 0.06, 1, v + 0.06), pick(rng, [CREAM, colors[1]]))
    canvas.add(np.clip((canvas.noise(rng, 24) - 0.6) * 4, 0, 0.5), canvas.rgb[0, 0] * 0.7)
    return canvas.paint(0.9)


def _wedge(angle_deg: float, radius: float, height: float, layers: Paint) -> Part:
    """A prism of a circle's slice around +Z; v runs down its sides."""
    half = np.radians(angle_deg / 2)
    a = np.linspace(-half, half, 9)
    ring = np.concatenate([[(0.0, 0.0)], np.stack([radius * np.sin(a), radius * np.cos(a)], 1)])
    n = len(ring)
    from svdmv.dataset.procedural.forms import lofted

    rings = np.stack([np.column_stack([ring[:, 0], np.full(n, y), ring[:, 1]]) for y in (-0.01, height)])[:, ::-1]
    part = lofted(rings[:, ::-1])
    v = 1 - np.clip(part.vertices[:, 1] / height, 0, 1)
    return Part(part.vertices, part.faces, np.column_stack([part.uvs[:, 0], v]), layers)


def cake(rng: Rng) -> list[Part]:
    """A cake in one to three tiers with a slice cut out to the front, icing, fruit, candles."""
    colors = palette(rng)
    icing = Canvas(pick(rng, [CREAM, CHOCOLATE, colors[0], hexed("f4a8b8")]), 192, 96, 5.0)
    wave = 0.32 + 0.1 * np.sin(2 * np.pi * icing.u * rng.integers(6, 14))
    icing.add(icing.edge(icing.v - wave) * (icing.v > 0.02), pick(rng, [WHITE, CHOCOLATE, colors[1]]))
    parts, y, r = [_plate(rng, 0.72)], 0.04, 0.55
    open_deg = rng.uniform(30, 70) if dice(rng, 0.7) else 0.0
    for tier in range(int(rng.integers(1, 4))):
        h = rng.uniform(0.2, 0.34)
        body = drum(r, h, 0.03, 56).painted(icing.paint(0.6))
        if open_deg:
            wedge = _wedge(open_deg, 2 * r, 2 * h, _layers(rng, colors)).moved(0, -0.5 * h, 0)
            layers = _layers(rng, colors)
            pieces = carved(body, [wedge], layers)
        else:
            pieces = [body]
        parts += [p.moved(0, y, 0) for p in pieces]
        for k in range(int(rng.integers(5, 12))):
            a = 2 * np.pi * k / 11
            if open_deg and np.cos(a) > np.cos(np.radians(open_deg / 2 + 8)):
                continue
            parts.append(
                ball(0.045, 14, 9)
                .moved(0.8 * r * np.sin(a), y + h + 0.02, 0.8 * r * np.cos(a))
                .painted(flat(colors[2], None, 0.3))
            )
        y, r = y + h, r * rng.uniform(0.55, 0.75)
        if tier == 0 and dice(rng, 0.4):
            break
    for k in range(int(rng.integers(0, 4))):
        x = 0.14 * (k - 1)
        candle = Canvas(colors[3], 48, 48)
        candle.add(candle.stripes(4, 0.4, "spiral"), WHITE)
        parts += [
            drum(0.025, 0.2, 0.005, 14).moved(x, y - 0.01, -0.08).painted(candle.paint(0.5)),
            ball(0.025, 12, 8).scaled(1, 1.8, 1).moved(x, y + 0.24, -0.08).painted(flat(hexed("f8c040"), None, 0.4)),
        ]
    return parts


def ring_cake(rng: Rng) -> list[Part]:
    """Doughnuts or bagels with icing and sprinkles, standing or lying, one or three."""
    parts = []
    for k in range(int(pick(rng, [1, 1, 3]))):
        colors, r, t = palette(rng), 0.36, rng.uniform(0.14, 0.19)
        dough = (
            torus(r, t, 44, 20)
            .scaled(1, 0.85, 1)
            .painted(flat(hexed(pick(rng, ["c88a48", "a86830", "e0b478"])), None, 0.8))
        )
        field = lumps(rng, 0.3)
        top = torus(r, 1.04 * t, 60, 24).scaled(1, 0.88, 1)
        low = top.vertices[:, 1] < 0.15 * t * field(top.vertices)
        squeezed = top.vertices * np.where(low[:, None], 0.97, 1.0)
        inks = [flat(c, None, 0.4) for c in colors]
        ring = [
            dough,
            Part(
                squeezed, top.faces, top.uvs, flat(pick(rng, [CHOCOLATE, hexed("f4a8c0"), WHITE, colors[0]]), None, 0.3)
            ),
        ]
        for _ in range(int(rng.integers(10, 30))):
            a, b = rng.uniform(0, 6.283), rng.uniform(-0.9, 0.9)
            spot = np.array([(r + t * np.sin(b)) * np.sin(a), 0.93 * t * np.cos(b), (r + t * np.sin(b)) * np.cos(a)])
            way = np.array([np.cos(3 * a), 0.2, np.sin(3 * a)]) * 0.03
            ring.append(limb(spot - way, spot + way, 0.012, 0.012, segments=8).painted(pick(rng, inks)))
        lift = pick(rng, [0, 0, 75])
        parts += [
            p.turned("x", lift).moved(0.5 * (k % 2), 0.15 + 0.28 * k + (0.4 if lift else 0), 0.1 * k) for p in ring
        ]
    return parts


def burger(rng: Rng) -> list[Part]:
    """Bun, leaves, meat, cheese, tomato in any number and order."""
    bun = Canvas(hexed("c88838"), 128, 96, 3.0)
    bun.add(bun.spots(rng, 50, 0.008, 0.014) * (bun.v < 0.55), hexed("f8ecc8"))
    r = 0.5
    parts = [drum(r, 0.14, 0.06).painted(flat(hexed("d8a050"), None, 0.8))]
    y = 0.14
    for _ in range(int(rng.integers(2, 7))):
        kind = rng.integers(5)
        if kind == 0:
            parts.append(
                raised(refined(drum(0.98 * r, 0.12, 0.05)), bumps(lumps(rng, 0.12), 0.015))
                .moved(0, y, 0)
                .painted(flat(hexed("5a3420"), None, 0.85))
            )
            y += 0.12
        elif kind == 1:
            slab = rounded_box(0.86 * r, 0.02, 0.86 * r, 0.01).turned("y", rng.uniform(0, 90))
            parts.append(slab.moved(0, y + 0.02, 0).painted(flat(hexed("f4b430"), None, 0.4)))
            y += 0.035
        elif kind == 2:
            frill = lathe([(0, 0), (1.12 * r, 0.0), (1.12 * r, 0.03), (0, 0.03)], 64)
            a = np.arctan2(frill.vertices[:, 0], frill.vertices[:, 2])
            wave = 0.04 * np.sin(11 * a) * (np.hypot(frill.vertices[:, 0], frill.vertices[:, 2]) > r)
            parts.append(
                Part(
                    frill.vertices + np.column_stack([0 * a, wave, 0 * a]),
                    frill.faces,
                    frill.uvs,
                    flat(hexed("78b040"), None, 0.7),
                ).moved(0, y, 0)
            )
            y += 0.035
        elif kind == 3:
            for x in (0.2, -0.22):
                parts.append(
                    drum(0.26, 0.05, 0.02).moved(x, y, 0.08 * np.sign(x)).painted(flat(hexed("c83020"), None, 0.35))
                )
            y += 0.05
        else:
            parts.append(torus(0.3, 0.03).moved(0, y + 0.02, 0).painted(flat(hexed("e8d8e8"), None, 0.5)))
            y += 0.03
    parts.append(
        lathe(
            [(0, y), (1.02 * r, y), (1.05 * r, y + 0.05), (0.95 * r, y + 0.2), (0.5 * r, y + 0.32), (0, y + 0.34)],
            44,
            smooth=2,
        ).painted(bun.paint(0.5))
    )
    if dice(rng, 0.4):
        parts += [
            limb((0, y, 0), (0, y + 0.6, 0), 0.012, 0.01).painted(flat(hexed("d8b888"))),
            ball(0.05, 14, 9).moved(0, y + 0.6, 0).painted(flat(pick(rng, palette(rng)), None, 0.4)),
        ]
    return parts


def cheese(rng: Rng) -> list[Part]:
    """A wedge or wheel of cheese with holes, on a board, with a knife or a mouse hole."""
    rind, flesh = hexed(pick(rng, ["e0a830", "c84020", "e8d8a8"])), hexed(pick(rng, ["f8d868", "f4e8b0", "f0b848"]))
    angle, h = rng.uniform(35, 300), rng.uniform(0.25, 0.45)
    half = np.radians(angle / 2)
    a = np.linspace(-half, half, 30)
    outline = np.concatenate([[(0.0, 0.0)], np.stack([0.6 * np.sin(a), 0.6 * np.cos(a)], 1)])
    body = extruded(outline, h, 0.02).turned("x", -90).turned("y", rng.uniform(-60, 60)).moved(0, h / 2 + 0.05, 0)
    holes = []
    for _ in range(int(rng.integers(4, 12))):
        b, d = rng.uniform(0, 6.283), rng.uniform(0.1, 0.6)
        holes.append(
            ball(rng.uniform(0.04, 0.1), 16, 10).moved(d * np.sin(b), 0.05 + h * rng.uniform(0.1, 1.0), d * np.cos(b))
        )
    parts = carved(body.painted(flat(flesh, None, 0.6)), holes, flat(flesh * 0.86, None, 0.7))
    board = Canvas(hexed("a87848"), 96, 96)
    board.add(np.clip(np.sin(60 * board.u + 4 * board.noise(rng, 3)), 0, 1) * 0.3, hexed("6a4420"))
    parts.append(rounded_box(0.75, 0.03, 0.6, 0.02).moved(0, 0.03, 0).painted(board.paint(0.7)))
    parts.append(drum(0.12, 0.1, 0.02).moved(0.58, 0.05, 0.38).painted(flat(rind, None, 0.5)))
    return parts


def pizza(rng: Rng) -> list[Part]:
    """A pizza, pie or tart, whole, less a slice, or a single slice."""
    parts = []
    top = Canvas(hexed(pick(rng, ["e8b848", "d8502c", "f0d898"])), 256, 128, 6.0)
    top.add(np.clip((top.noise(rng, 14) - 0.5) * 4, 0, 0.7), hexed("c84828"))
    crust = hexed("c88a48")
    angle = pick(rng, [360.0, 300.0, 60.0])
    half = np.radians(angle / 2)
    base = drum(0.58, 0.05, 0.015, 60).painted(top.paint(0.6))
    pieces = [base, torus(0.57, 0.055, 60).moved(0, 0.05, 0).painted(flat(crust, None, 0.85))]
    if angle < 360:
        blade = _wedge(360 - angle if angle > 180 else 180, 3.0, 1.0, flat(SPONGE, None, 0.9))
        cutters = (
            [blade.moved(0, -0.4, 0)]
            if angle > 180
            else [
                blade.turned("y", 90 + angle / 2).moved(0, -0.4, 0),
                blade.turned("y", -90 - angle / 2).moved(0, -0.4, 0),
            ]
        )
        turn = 180.0 if angle > 180 else 0.0
        cut_ones = []
        for piece in pieces:
            cut_ones += carved(piece, [c.turned("y", turn) for c in cutters], flat(SPONGE, None, 0.9))
        pieces = cut_ones
    parts += pieces
    for _ in range(int(rng.integers(6, 26))):
        a = rng.uniform(-half, half) * 0.9
        d = rng.uniform(0.1, 0.46)
        if angle == 60 and abs(d * np.sin(abs(a) - half)) < 0.05:
            continue
        x, z = d * np.sin(a), d * np.cos(a)
        kind = rng.integers(4)
        if kind == 0:
            parts.append(drum(0.07, 0.02, 0.008, 20).moved(x, 0.045, z).painted(flat(hexed("a82c1c"), None, 0.5)))
        elif kind == 1:
            parts.append(torus(0.035, 0.016, 18, 8).moved(x, 0.06, z).painted(flat(hexed("2a2a20"), None, 0.4)))
        elif kind == 2:
            parts.append(
                superquadric(0.06, 0.012, 0.035, segments=14, rings=8)
                .turned("y", rng.uniform(0, 180))
                .moved(x, 0.06, z)
                .painted(flat(hexed("3f8a34"), None, 0.7))
            )
        else:
            parts.append(
                superquadric(0.06, 0.025, 0.05, segments=14, rings=8)
                .moved(x, 0.05, z)
                .painted(flat(hexed("f8f0d8"), None, 0.5))
            )
    lean = rng.uniform(0, 50)
    return [p.turned("x", lean) for p in parts]


def melon(rng: Rng) -> list[Part]:
    """A melon, orange or avocado, whole or cut so that the inside is seen from the front."""
    rind, flesh, seed = pick(
        rng,
        [
            ("3f7a34", "e84848", "201810"),
            ("e88820", "f8b048", "f8e0a8"),
            ("c8b060", "f0a868", "e8d090"),
            ("4a5a24", "d8e088", "6a3c1c"),
        ],
    )
    skin = Canvas(hexed(rind), 192, 96, 2.0)
    skin.add(np.clip(np.sin(2 * np.pi * (8 * skin.u + 0.4 * skin.noise(rng, 6))) * 3, 0, 1) * 0.6, hexed(rind) * 0.6)
    inner = Canvas(hexed(flesh), 128, 128)
    inner.add(np.clip((inner.noise(rng, 8) - 0.5) * 3, 0, 0.4), WHITE)
    x, y = rng.uniform(0.4, 0.6), rng.uniform(0.36, 0.5)
    body = superquadric(x, y, y, segments=48, rings=32).painted(skin.paint(0.4))
    if dice(rng, 0.2):
        return [
            body.moved(0, y, 0),
            limb((0, 2 * y - 0.02, 0), (0.05, 2 * y + 0.12, 0), 0.03, 0.02).painted(flat(hexed("6a5030"))),
        ]
    slab = rounded_box(2, 2, 1, 0.005).moved(0, 0, 1 + rng.uniform(-0.1, 0.2) * y)
    parts = carved(body, [slab.turned("x", -rng.uniform(0, 45))], inner.paint(0.5))
    face = max(parts, key=lambda p: p.vertices[:, 2].max() if p.paint is parts[-1].paint else -9)
    middle = face.vertices.mean(0)
    for k in range(int(rng.integers(5, 14))):
        a = 2 * np.pi * k / 13
        spot = middle + np.array([0.5 * x * np.cos(a), 0.5 * y * np.sin(a), 0])
        parts.append(
            superquadric(0.02, 0.035, 0.02, segments=10, rings=6)
            .moved(
                spot[0],
                spot[1],
                np.interp(spot[1], np.sort(face.vertices[:, 1]), face.vertices[np.argsort(face.vertices[:, 1]), 2]),
            )
            .painted(flat(hexed(seed), None, 0.3))
        )
    return [p.moved(0, y, 0) for p in parts]


def loaf(rng: Rng) -> list[Part]:
    """A loaf, roll or croissant with scored crust in real relief."""
    crust = Canvas(hexed(pick(rng, ["c08040", "a86428", "d8a050"])), 160, 160, 1.5)
    crust.add(np.clip((crust.noise(rng, 7, 4) - 0.45) * 3, 0, 0.8), hexed("f0d8a8"))
    x, y, z = rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.35), rng.uniform(0.2, 0.36)
    body = superquadric(x, y, z, north=0.8, east=rng.uniform(0.6, 1), segments=72, rings=40)
    count, field = rng.integers(3, 7), lumps(rng, 0.2)

    def score(places: np.ndarray, uvs: np.ndarray) -> np.ndarray:
        line = np.cos(np.pi * count * (places[:, 0] + 0.5 * places[:, 2]) / x)
        return np.asarray(-0.05 * (line > 0.85) * (places[:, 1] > 0.2 * y) + 0.01 * field(places))

    bread = raised(body, score)
    if dice(rng, 0.35):
        bend = bread.vertices.copy()
        bend[:, 2] += 0.8 * (bend[:, 0] / x) ** 2 * z
        bend[:, 1:] *= 1 - 0.5 * (bend[:, 0:1] / x) ** 2
        bread = Part(bend, bread.faces, bread.uvs)
    parts = [bread.painted(crust.paint(0.8)).moved(0, y, 0)]
    if dice(rng, 0.4) and x > 0.4:
        parts += [
            rounded_box(0.03, 0.8 * y, 0.85 * z, 0.02)
            .moved(x + 0.1 + 0.09 * k, 0.75 * y, 0)
            .turned("z", -6 * k)
            .painted(flat(hexed("f0dcb0"), None, 0.95))
            for k in range(int(rng.integers(1, 4)))
        ]
    return parts


def sundae(rng: Rng) -> list[Part]:
    """Scoops in a glass or bowl with sauce, wafer, straw, cherry."""
    colors = palette(rng)
    h = rng.uniform(0.3, 0.7)
    glass = [
        (0, 0),
        (0.25, 0),
        (0.26, 0.03),
        (0.06, 0.08),
        (0.05, 0.2),
        (0.2, 0.28),
        (0.36, 0.2 + h),
        (0.38, 0.22 + h),
        (0.33, 0.2 + h),
        (0, 0.34),
    ]
    parts = [lathe(glass, 44, smooth=1).painted(flat(pick(rng, [hexed("d8e8f0"), colors[0]]), None, 0.12))]
    y = 0.3 + h
    tones = [hexed(c) for c in ("f8ecc8", "6a3c20", "f4a0b0", "a8d8a0", "f8d060")]
    scoops = int(rng.integers(2, 5))
    peak = 0.24 if scoops == 4 else 0.0
    for k in range(scoops):
        place = [(0.14, 0, 0.08), (-0.15, 0, 0.02), (0.02, 0.02, -0.16), (0, 0.24, 0)][k]
        scoop = raised(superquadric(0.2, 0.19, 0.2, segments=48, rings=28), bumps(lumps(rng, 0.1), 0.018))
        parts.append(scoop.moved(place[0], y + place[1], place[2]).painted(flat(pick(rng, tones), None, 0.7)))
    sauce = superquadric(0.17, 0.05, 0.17, segments=40, rings=16)
    parts.append(
        raised(sauce, bumps(lumps(rng, 0.15), 0.05))
        .moved(0.0 if peak else 0.12, y + 0.14 + peak, 0.0 if peak else 0.08)
        .painted(flat(pick(rng, [CHOCOLATE, hexed("c82030")]), None, 0.2))
    )
    parts.append(
        ball(0.06, 16, 10)
        .moved(0.02 if peak else 0.13, y + 0.22 + peak, 0.02 if peak else 0.08)
        .painted(flat(hexed("c01828"), None, 0.2))
    )
    straw = Canvas(WHITE, 48, 48)
    straw.add(straw.stripes(8, 0.5, "spiral"), colors[1])
    if dice(rng, 0.6):
        parts.append(
            tube([(0.1, y - 0.1, -0.1), (0.24, y + 0.5, -0.18), (0.38, y + 0.62, -0.15)], 0.022).painted(
                straw.paint(0.5)
            )
        )
    if dice(rng, 0.6):
        wafer = Canvas(hexed("e0a858"), 64, 64)
        wafer.add(wafer.checks(8, 8) * 0.4, hexed("a87030"))
        parts.append(
            extruded([(-0.14, 0), (0.14, 0), (0, 0.36)], 0.025, 0.006)
            .turned("x", -20)
            .turned("z", 25)
            .moved(-0.2, y + 0.12, -0.08)
            .painted(wafer.paint(0.9))
        )
    return parts
