"""Grown and weathered things: rocks, trees, cacti, shells, busts, bones, islands."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.finishes import stony
from svdmv.dataset.procedural.forms import (
    Part,
    Points,
    ball,
    both_sides,
    grid_surface,
    lathe,
    limb,
    rounded_box,
    superquadric,
    tube,
)
from svdmv.dataset.procedural.lofts import drum
from svdmv.dataset.procedural.paints import WHITE, Canvas, Paint, Rng, dice, flat, hexed, palette, pattern, pick
from svdmv.dataset.procedural.solids import Height, bumps, lumps, raised, ribs


def rock(rng: Rng) -> list[Part]:
    """A boulder, crystal cluster or pile of stones with height-field skin and moss on top."""
    parts = []
    tone = hexed(pick(rng, ["8a8680", "6a5c50", "a89478", "5a6068", "b87858"]))
    if dice(rng, 0.3):
        gem = Paint(pick(rng, palette(rng)), None, 0.15)
        for _ in range(int(rng.integers(4, 9))):
            h, r = rng.uniform(0.3, 0.9), rng.uniform(0.07, 0.16)
            shard = lathe([(0, 0), (r, 0), (1.05 * r, 0.7 * h), (0, h)], 6)
            parts.append(shard.turned("x", rng.uniform(-40, 40)).turned("z", rng.uniform(-40, 40)).painted(gem))
        base = superquadric(0.4, 0.14, 0.36, segments=48, rings=24)
        return [*parts, raised(base, bumps(lumps(rng, 0.15), 0.05)).painted(stony(flat(tone), rng))]
    for k in range(int(pick(rng, [1, 1, 2, 4]))):
        size = rng.uniform(0.35, 0.55, 3) * 0.7**k
        wide, fine = lumps(rng, 0.5, 2), lumps(rng, 0.12, 3)
        body = superquadric(*size, north=rng.uniform(0.5, 1), east=rng.uniform(0.5, 1), segments=72, rings=44)
        body = raised(raised(body, bumps(wide, 0.22 * size.min())), bumps(fine, 0.05 * size.min()))
        canvas = Canvas(tone * rng.uniform(0.8, 1.2), 160, 160, 2.0)
        if dice(rng, 0.5):
            canvas.add(np.clip((canvas.noise(rng, 7, 4) - 0.35 - 0.6 * canvas.v) * 6, 0, 0.9), hexed("5a7a34"))
        a = 2.4 * k
        parts.append(
            body.moved(0.5 * k**0.5 * np.sin(a), 0.8 * size[1], 0.5 * k**0.5 * np.cos(a)).painted(
                stony(canvas.paint(0.95), rng)
            )
        )
    return parts


def tree(rng: Rng) -> list[Part]:
    """A tree: branching trunk with crowns of leaves, a fir, a palm or a bare one; on a patch of ground."""
    bark = Canvas(hexed(pick(rng, ["6a4a30", "8a7a68", "4a3828"])), 64, 96, 0.5)
    bark.add(bark.stripes(14, 0.3, "up") * bark.noise(rng, 6), bark.rgb[0, 0] * 0.5)
    trunk = bark.paint(0.95)
    green = hexed(pick(rng, ["4f8a3c", "2f6a3a", "7a9a3a", "c87830", "d8a0b0"]))
    parts: list[Part] = [superquadric(0.4, 0.05, 0.36).moved(0, 0.0, 0).painted(flat(hexed("6a8a4a"), None, 0.95))]
    kind = rng.integers(4)
    h = rng.uniform(0.7, 1.1)
    if kind == 0:
        parts.append(limb((0, 0, 0), (0, 0.4, 0), 0.08, 0.06).painted(trunk))
        y, r, count = 0.3, rng.uniform(0.38, 0.5), int(rng.integers(3, 6))
        for k in range(count):
            cone = lathe([(0, 0.02), (r, 0), (r * 0.97, 0.03), (0.05, 0.42), (0, 0.43)], 40)
            jag = raised(cone, _teeth(int(rng.integers(7, 13))))
            parts.append(jag.moved(0, y, 0).painted(flat(green * (1 - 0.06 * k), None, 0.95)))
            y, r = y + 0.24, 0.76 * r
        return parts
    if kind == 1:
        path = [(0, 0, 0), (0.05, 0.4 * h, 0.02), (rng.uniform(-0.2, 0.25), 1.1 * h, 0.05)]
        parts.append(tube(path, [0.08, 0.06, 0.045]).painted(trunk))
        top = np.array(path[-1])
        for k in range(int(rng.integers(6, 11))):
            a = 2.4 * k
            out = np.array([np.sin(a), 0, np.cos(a)])
            leaf = tube(
                [top, top + 0.25 * out + (0, 0.1, 0), top + 0.55 * out - (0, 0.1, 0)], [0.02, 0.07, 0.01], flat=0.25
            )
            parts.append(leaf.painted(flat(green, None, 0.7)))
        return parts

    def grow(start: Points, way: Points, length: float, thick: float, depth: int) -> None:
        end = start + way * length
        parts.append(limb(start, end, thick, 0.7 * thick, segments=10).painted(trunk))
        if depth == 0:
            if kind == 2:
                crown = superquadric(*rng.uniform(0.16, 0.3, 3), segments=30, rings=18)
                field = lumps(rng, 0.12)
                parts.append(
                    raised(crown, bumps(field, 0.04))
                    .moved(*end)
                    .painted(flat(green * rng.uniform(0.85, 1.15), None, 0.95))
                )
            return
        for _ in range(int(rng.integers(2, 4))):
            turn = way + rng.normal(size=3) * 0.55
            turn[1] = abs(turn[1]) + 0.2
            grow(end, turn / np.linalg.norm(turn), 0.68 * length, 0.62 * thick, depth - 1)

    grow(np.zeros(3), np.array([0.0, 1, 0]), 0.45 * h, 0.09, 2)
    return parts


def _teeth(count: int) -> Height:
    """Waves at the lower rim of a skirt of branches."""
    wave = ribs(count, 0.05)
    return lambda places, uvs: np.asarray(wave(places, uvs) * (places[:, 1] < 0.1))


def cactus(rng: Rng) -> list[Part]:
    """A ribbed cactus with arms, spines and flowers in a pot."""
    colors = palette(rng)
    green = flat(hexed(pick(rng, ["4a8a4a", "6a9a5a", "3a7a5a"])), None, 0.8)
    r, h, count = rng.uniform(0.16, 0.3), rng.uniform(0.4, 1.0), int(rng.integers(8, 15))
    column = lathe(
        [(0, 0), (0.9 * r, 0.02), (r, 0.3 * h), (0.95 * r, 0.8 * h), (0.5 * r, h), (0, 1.03 * h)], 8 * count, smooth=2
    )
    parts = [raised(column, ribs(count, 0.28 * r)).moved(0, 0.3, 0).painted(green)]
    for s in (1, -1)[: int(rng.integers(0, 3))]:
        y = 0.3 + h * rng.uniform(0.3, 0.6)
        arm = tube(
            [(0.6 * r * s, y, 0), (1.9 * r * s, y + 0.02, 0), (2.0 * r * s, y + rng.uniform(0.2, 0.4), 0)],
            [0.4 * r, 0.42 * r, 0.36 * r],
        )
        parts.append(arm.painted(green))
    needle = flat(hexed("e8dcc0"), None, 0.7)
    for _ in range(40):
        a, y = rng.uniform(0, 6.283), rng.uniform(0.1, 0.9)
        out = np.array([np.sin(a), 0.2, np.cos(a)])
        spot = np.array([1.08 * r * np.sin(a), 0.3 + y * h, 1.08 * r * np.cos(a)])
        parts.append(limb(spot, spot + 0.07 * out, 0.006, 0.002, segments=5).painted(needle))
    if dice(rng, 0.6):
        for k in range(6):
            petal = superquadric(0.035, 0.02, 0.08, segments=12, rings=8).moved(0, 0, 0.07).turned("y", 60 * k)
            parts.append(petal.moved(0, 0.32 + 1.03 * h, 0).painted(flat(colors[1], None, 0.6)))
        parts.append(ball(0.04, 12, 8).moved(0, 0.34 + 1.03 * h, 0).painted(flat(hexed("f0c030"))))
    vessel = [(0, 0), (0.26, 0), (0.36, 0.32), (0.4, 0.32), (0.4, 0.38), (0.34, 0.38), (0.32, 0.33), (0, 0.32)]
    parts.append(lathe(vessel, 40).painted(pattern(rng, colors, 3.0)))
    return parts


def shell(rng: Rng) -> list[Part]:
    """A snail shell or conch: a tube that winds and widens, with ribs."""
    turns, grow, lift = rng.uniform(3.0, 5.0), rng.uniform(0.08, 0.16), rng.uniform(0.0, 1.8)
    ratio = np.exp(2 * np.pi * grow)  # of one turn to the next; the tube is as thick as makes them touch
    t = np.linspace(0, 1, 140)
    angle = 2 * np.pi * turns * t
    size = np.exp(grow * (angle - angle[-1])) * 0.5
    path = np.stack([size * np.cos(angle), lift * (0.5 - size), size * np.sin(angle)], 1)
    ribs_ = 1 + 0.07 * np.cos(angle * rng.integers(6, 16))
    canvas = Canvas(hexed(pick(rng, ["f0dcc0", "d8a888", "e8c8d0", "b89870"])), 128, 256, 0.4)
    canvas.add(canvas.stripes(int(rng.integers(8, 30)), 0.35), canvas.rgb[0, 0] * 0.7)
    body = tube(path, 1.12 * (ratio - 1) / (ratio + 1) * size * ribs_, segments=26, round_ends=False).painted(
        canvas.paint(0.35)
    )
    parts = [body.turned("x", 90 if lift < 0.6 else rng.uniform(-60, 60))]
    low = float(parts[0].vertices[:, 1].min())
    if dice(rng, 0.35) and lift < 0.6:
        skin = flat(hexed(pick(rng, ["c8a878", "a8b868"])), None, 0.6)
        foot = superquadric(0.62, 0.08, 0.14).moved(0.1, low - 0.02, 0).painted(skin)
        neck = tube([(0.5, low, 0), (0.72, low + 0.12, 0), (0.76, low + 0.35, 0)], [0.1, 0.1, 0.08]).painted(skin)
        parts += [foot, neck]
        for z in (0.07, -0.07):
            parts += [
                limb((0.76, low + 0.38, z), (0.86, low + 0.56, 1.8 * z), 0.018, 0.014).painted(skin),
                ball(0.03, 10, 8).moved(0.86, low + 0.57, 1.8 * z).painted(flat(hexed("201c18"))),
            ]
    return parts


def bust(rng: Rng) -> list[Part]:
    """A head and shoulders on a base: nose, brows, ears, hair or helmet; clay, stone or painted."""
    colors = palette(rng)
    stone = dice(rng, 0.5)
    skin: Paint = (
        stony(flat(hexed(pick(rng, ["d8d0c0", "a86848", "6a6864", "c8a070"]))), rng)
        if stone
        else flat(hexed(pick(rng, ["f0c8a0", "c89068", "8a5a3c", "5a3a28"])), None, 0.7)
    )
    ink: Paint = skin if stone else flat(colors[0], rng)
    w, tall = rng.uniform(0.2, 0.26), rng.uniform(0.27, 0.33)
    y = 0.85
    skull = superquadric(w, tall, 1.08 * w, north=0.95, segments=48, rings=36)
    jaw = rng.uniform(0.6, 0.95)

    def face_of(places: Points) -> Points:
        out = places.copy()
        low = np.clip(-out[:, 1] / tall, 0, 1)
        out[:, 0] *= 1 - (1 - jaw) * low**1.5
        front = np.clip(out[:, 2] / w, 0, 1)
        for s in (1, -1):
            socket = np.exp(
                -(((out[:, 0] - s * 0.4 * w) / (0.24 * w)) ** 2 + ((out[:, 1] - 0.1 * tall) / (0.16 * tall)) ** 2)
            )
            out[:, 2] -= 0.14 * w * socket * front
        return out

    parts = [skull.bent(face_of).moved(0, y, 0).painted(skin)]
    nose = rng.uniform(0.16, 0.28) * w
    parts.append(
        limb((0, y + 0.12 * tall, 1.0 * w), (0, y - 0.15 * tall, 1.05 * w + 1.2 * nose), 0.5 * nose, nose).painted(skin)
    )
    lips = flat(hexed("b86058"), None, 0.5) if not stone else skin
    parts.append(superquadric(0.32 * w, 0.06 * w, 0.1 * w).moved(0, y - 0.45 * tall, 0.92 * w).painted(lips))
    for s in (1, -1):
        white = ball(0.15 * w, 16, 10).moved(s * 0.4 * w, y + 0.1 * tall, 0.84 * w)
        parts.append(white.painted(skin if stone else flat(WHITE, None, 0.25)))
        if not stone:
            parts.append(
                ball(0.07 * w, 12, 8)
                .moved(s * 0.4 * w, y + 0.1 * tall, 0.965 * w)
                .painted(flat(hexed("201810"), None, 0.2))
            )
        parts.append(
            limb(
                (s * 0.2 * w, y + 0.28 * tall, 0.96 * w), (s * 0.62 * w, y + 0.3 * tall, 0.78 * w), 0.05 * w, 0.04 * w
            ).painted(ink)
        )
    parts += both_sides(superquadric(0.06 * w, 0.24 * w, 0.14 * w).moved(0.97 * w, y, 0).painted(skin))
    kind = rng.integers(4)
    if kind == 0:
        hair = superquadric(1.08 * w, 0.75 * tall, 1.1 * w, segments=48, rings=28)
        hair = raised(hair, bumps(lumps(rng, 0.08), 0.03))
        parts.append(hair.moved(0, y + 0.48 * tall, -0.18 * w).painted(ink))
    elif kind == 1:
        for _ in range(26):
            a, b = rng.uniform(0, 6.283), rng.uniform(0.35, 1.5)
            way = np.array([np.cos(b) * np.sin(a), np.sin(b), np.cos(b) * np.cos(a)])
            if way[2] < 0.75:
                parts.append(
                    ball(0.28 * w, 14, 9)
                    .moved(*(np.array([0, y + 0.1 * tall, -0.05]) + way * (w, tall, w)))
                    .painted(ink)
                )
    elif kind == 2:
        parts.append(
            lathe([(1.12 * w, 0), (1.14 * w, 0.04), (1.0 * w, 0.6 * tall), (0, 0.85 * tall)], 40, smooth=1)
            .moved(0, y + 0.3 * tall, 0)
            .painted(Paint(hexed("c8a050"), None, 0.35, 1.0))
        )
        parts.append(superquadric(0.03, 0.16, 0.24).moved(0, y + 1.15 * tall, -0.05).painted(flat(colors[1], rng)))
    parts.append(limb((0, 0.45, 0), (0, y - 0.5 * tall, 0), 0.6 * w, 0.5 * w).painted(skin))
    parts.append(superquadric(0.46, 0.2, 0.22, north=0.8).moved(0, 0.36, 0).painted(ink))
    parts.append(drum(0.26, 0.2, 0.03).painted(stony(flat(hexed("6a6460")), rng)))
    return parts


def island(rng: Rng) -> list[Part]:
    """A piece of land as a height field: hills, water, houses or trees; square or round."""
    n, field, fine = 64, lumps(rng, rng.uniform(0.3, 0.7), 3), lumps(rng, 0.08, 2)
    s, t = np.meshgrid(np.linspace(-0.6, 0.6, n), np.linspace(0.6, -0.6, n))
    places = np.stack([s, 0 * s, t], -1).reshape(-1, 3)
    height = (0.28 * field(places) + 0.03 * fine(places)).reshape(n, n)
    edge = np.clip((0.6 - np.maximum(np.abs(s), np.abs(t))) * 8, 0, 1)
    height = (height + 0.12 - 0.25 * (np.hypot(s, t) / 0.6) ** 2) * edge
    level = float(np.quantile(height, rng.uniform(0.2, 0.5)))
    tones = [hexed(c) for c in ("c8b078", "6a9a48", "4a7a3a", "8a8078", "f0f0f4")]
    bounds = level + np.array([0.0, 0.03, 0.12, 0.22, 0.3])
    canvas = Canvas(tones[0], n, n)
    for bound, tone in zip(bounds, tones, strict=True):
        canvas.add((height > bound) * 1.0, tone)
    ground = np.stack([s, 0.3 + height, t], -1)
    u = np.stack([(s / 1.2 + 0.5), (t / 1.2 + 0.5)], -1)
    canvas.rgb = canvas.rgb[::-1]
    surface = grid_surface(ground, np.stack([u[..., 0], u[..., 1]], -1)).painted(canvas.paint(0.95))
    earth = flat(hexed(pick(rng, ["6a4c34", "8a8478"])), None, 0.95)
    parts = [surface, rounded_box(0.6, 0.15, 0.6, 0.01).moved(0, 0.147, 0).painted(earth)]
    parts.append(
        rounded_box(0.595, (0.3 + level) / 2, 0.595, 0.005)
        .moved(0, (0.3 + level) / 2, 0)
        .painted(flat(hexed("3a7ab0"), None, 0.12))
    )
    roof, wall = flat(pick(rng, palette(rng)), None, 0.8), flat(hexed("f0e8d8"), None, 0.9)
    for _ in range(int(rng.integers(3, 14))):
        i, j = rng.integers(6, n - 6, 2)
        if height[i, j] < level + 0.01:
            continue
        x, y, z = ground[i, j]
        if dice(rng, 0.35):
            parts += [
                rounded_box(0.035, 0.035, 0.035, 0.003).moved(x, y + 0.03, z).painted(wall),
                lathe([(0, 0), (0.06, 0), (0, 0.06)], 4).turned("y", 45).moved(x, y + 0.06, z).painted(roof),
            ]
        else:
            parts += [
                limb((x, y, z), (x, y + 0.05, z), 0.01, 0.01, segments=6).painted(flat(hexed("6a4a30"))),
                lathe([(0, 0), (0.035, 0), (0, 0.12)], 12)
                .moved(x, y + 0.04, z)
                .painted(flat(hexed("2f6a3a"), None, 0.95)),
            ]
    return parts
