"""Paints of procedural shapes: palettes, patterns, labels, faces. Colours are sRGB in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Material
from svdmv.io.colour import linear_from_srgb

Color = NDArray[np.float64]
Mask = NDArray[np.float64]
Rng = np.random.Generator

PALETTES = [
    "e63946 f1faee a8dadc 457b9d 1d3557", "264653 2a9d8f e9c46a f4a261 e76f51", "ffcdb2 ffb4a2 e5989b b5838d 6d6875",
    "606c38 283618 fefae0 dda15e bc6c25", "8ecae6 219ebc 023047 ffb703 fb8500", "cdb4db ffc8dd ffafcc bde0fe a2d2ff",
    "003049 d62828 f77f00 fcbf49 eae2b7", "f72585 7209b7 3a0ca3 4361ee 4cc9f0", "ef476f ffd166 06d6a0 118ab2 073b4c",
    "5f0f40 9a031e fb8b24 e36414 0f4c5c", "ccd5ae e9edc9 fefae0 faedcd d4a373", "d8f3dc 95d5b2 52b788 2d6a4f 1b4332",
    "fff1e6 ff595e ffca3a 8ac926 1982c4", "2b2d42 8d99ae edf2f4 ef233c d90429", "f4f1de e07a5f 3d405b 81b29a f2cc8f",
    "33415c 5c677d 7d8597 e2e8f0 f26419", "fdf0d5 c1121f 780000 669bbc 003049", "edede9 d6ccc2 f5ebe0 a98467 6c584c",
    "ffbe0b fb5607 ff006e 8338ec 3a86ff", "0b132b 1c2541 3a506b 5bc0be f0f7ee", "a3b18a 588157 3a5a40 dad7cd e9c46a",
    "fefefe f9dc5c 3185fc e84855 403233", "70d6ff ff70a6 ff9770 ffd670 e9ff70", "582f0e 936639 c2a878 f1e3c6 414833",
]  # fmt: skip
WHITE, BLACK = np.array([0.96, 0.95, 0.93]), np.array([0.07, 0.07, 0.08])
WORDS = ["OATS", "TEA", "SOAP", "MILK", "RICE", "SALT", "JAM", "PLUM", "NUTS", "CORN", "HONEY", "LEMON", "ZAP", "STAR"]
WORDS += ["MOON", "HELLO", "FUN", "KIKO", "MINT", "TOFU"]

_FONT = {
    "A": "0E11111F111111", "B": "1E11111E11111E", "C": "0E11101010110E", "D": "1E11111111111E", "E": "1F10101E10101F",
    "F": "1F10101E101010", "G": "0E11101711110E", "H": "1111111F111111", "I": "0E04040404040E", "J": "0702020202120C",
    "K": "11121418141211", "L": "1010101010101F", "M": "111B1515111111", "N": "11191513111111", "O": "0E11111111110E",
    "P": "1E11111E101010", "R": "1E11111E141211", "S": "0F10100E01011E", "T": "1F040404040404", "U": "1111111111110E",
    "V": "11111111110A04", "X": "11110A040A1111", "Y": "11110A04040404", "Z": "1F01020408101F", "0": "0E11131519110E",
    "1": "040C040404040E", "2": "0E11010204081F", "3": "1F02040201110E", "4": "02060A121F0202", "5": "1F101E0101110E",
    "6": "0608101E11110E", "7": "1F010204080808", "8": "0E11110E11110E", "9": "0E11110F01020C",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Paint:
    """One surface finish: a flat colour, or a picture (H, W, 3) of sRGB in [0, 1]."""

    color: Color
    picture: NDArray[np.float64] | None = None
    roughness: float = 0.7
    metallic: float = 0.0

    def material(self, name: str) -> Material:
        """As a glTF material."""
        rgba, factor = None, (1.0, 1.0, 1.0, 1.0)
        if self.picture is None:
            red, green, blue = (round(float(c), 5) for c in linear_from_srgb(np.round(self.color * 255) / 255))
            factor = (red, green, blue, 1.0)
        else:
            rgb = np.round(np.clip(self.picture, 0, 1) * 255).astype(np.uint8)
            rgba = np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255, np.uint8)], -1)
        return Material(name, factor, rgba, self.metallic, self.roughness)


def hexed(text: str) -> Color:
    """sRGB of six hexadecimal digits."""
    return np.array([int(text[i : i + 2], 16) / 255 for i in (0, 2, 4)])


def palette(rng: Rng) -> list[Color]:
    """Five colours that go together, in random order, each a little off."""
    chosen = PALETTES[int(rng.integers(len(PALETTES)))].split()
    order = rng.permutation(len(chosen))
    return [np.clip(hexed(chosen[i]) + rng.uniform(-0.03, 0.03, 3), 0.03, 0.97) for i in order]


def lightness(color: Color) -> float:
    """Rough brightness of an sRGB colour, 0 .. 1."""
    return float(color @ np.array([0.3, 0.59, 0.11]))


def contrasting(color: Color, choices: list[Color]) -> Color:
    """The choice that stands out most against a colour."""
    return max(choices, key=lambda c: float(np.abs(c - color).sum()) + abs(lightness(c) - lightness(color)))


def finish(rng: Rng) -> float:
    """A roughness: mostly matte and satin, sometimes glossy."""
    return float(round(rng.choice([0.9, 0.75, 0.6, 0.45, 0.3, 0.2], p=[0.25, 0.25, 0.2, 0.15, 0.1, 0.05]), 3))


def flat(color: Color, rng: Rng | None = None, roughness: float = 0.7) -> Paint:
    """One colour all over; the roughness drawn when an rng is given."""
    return Paint(color, None, roughness if rng is None else finish(rng))


def metal(rng: Rng) -> Paint:
    """Steel, gold, copper or brass."""
    tint = hexed(str(rng.choice(["c8ccd0", "e0b868", "d89478", "d8c080", "9aa0a8"])))
    return Paint(tint, None, float(rng.uniform(0.25, 0.5)), 1.0)


class Canvas:
    """A picture in the making over u (right) and v (down) in [0, 1]; `aspect` = width of the surface over height."""

    def __init__(self, color: Color, width: int = 256, height: int = 256, aspect: float = 1.0) -> None:
        self.rgb = np.broadcast_to(color, (height, width, 3)).astype(np.float64)
        self.u, self.v = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        self.aspect = aspect

    def add(self, mask: NDArray[Any], color: Color) -> Canvas:
        """Lay a colour over where the mask is 1."""
        self.rgb = self.rgb * (1 - mask[..., None]) + np.asarray(color) * mask[..., None]
        return self

    def paint(self, roughness: float = 0.7, metallic: float = 0.0) -> Paint:
        """The finished picture as a Paint."""
        return Paint(self.rgb.mean((0, 1)), self.rgb, roughness, metallic)

    def edge(self, distance: NDArray[np.float64]) -> Mask:
        """1 inside (distance < 0, in units of v), 0 outside, soft over about one texel."""
        mask: Mask = np.clip(0.5 - distance * self.rgb.shape[0], 0, 1)
        return mask

    def disc(self, u: float, v: float, radius: float, stretch: float = 1.0) -> Mask:
        """A disc, round on the surface; `stretch` makes it wider than high."""
        du = np.abs(self.u - u)
        return self.edge(np.hypot(du * self.aspect / stretch, self.v - v) - radius)

    def rectangle(self, u0: float, v0: float, u1: float, v1: float, corner: float = 0.0) -> Mask:
        """A rectangle with rounded corners."""
        du = (np.abs(self.u - (u0 + u1) / 2) - (u1 - u0) / 2) * self.aspect + corner
        dv = np.abs(self.v - (v0 + v1) / 2) - (v1 - v0) / 2 + corner
        outside = np.hypot(np.maximum(du, 0), np.maximum(dv, 0)) + np.minimum(np.maximum(du, dv), 0)
        return self.edge(outside - corner)

    def stripes(self, count: int, share: float = 0.5, direction: str = "around") -> Mask:
        """`count` stripes: around (along u), up (along v), or spiral; `share` of the surface covered."""
        t = {"around": self.v, "up": self.u, "spiral": self.u + self.v}[direction] * count
        distance = np.abs(t - np.floor(t) - 0.5) - share / 2
        return self.edge(distance / count)

    def checks(self, columns: int, rows: int) -> Mask:
        """A chess board."""
        return ((np.floor(self.u * columns) + np.floor(self.v * rows)) % 2).astype(np.float64)

    def dots(self, columns: int, rows: int, size: float = 0.3) -> Mask:
        """Rows of dots, every second row shifted by half; size: radius as a share of the row height."""
        row = np.floor(self.v * rows)
        x = self.u * columns + 0.5 * (row % 2)
        dx = (x - np.floor(x) - 0.5) / columns * self.aspect
        dy = (self.v * rows - row - 0.5) / rows
        return self.edge(np.hypot(dx, dy) - size / rows)

    def spots(self, rng: Rng, count: int, low: float, high: float) -> Mask:
        """Irregular spots at random places; repeats in u."""
        mask = np.zeros_like(self.u)
        for _ in range(count):
            u, v, r = rng.uniform(), rng.uniform(0.05, 0.95), rng.uniform(low, high)
            du = np.abs(self.u - u)
            du = np.minimum(du, 1 - du) * self.aspect
            angle = np.arctan2(self.v - v, du)
            wave = 1 + 0.25 * np.sin(angle * rng.integers(2, 5) + rng.uniform(0, 6))
            mask = np.maximum(mask, self.edge(np.hypot(du, self.v - v) - r * wave))
        return mask

    def noise(self, rng: Rng, cells: int, octaves: int = 3) -> Mask:
        """Smooth value noise in [0, 1], repeating in u (Perlin 1985 in spirit)."""
        total, weight = np.zeros_like(self.u), 0.0
        for octave in range(octaves):
            n = cells * 2**octave
            lattice = rng.uniform(size=(n + 1, n))
            x, y = self.u * n, self.v * n
            i, j = np.floor(x).astype(int) % n, np.minimum(np.floor(y).astype(int), n - 1)
            fx, fy = x - np.floor(x), y - j
            fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
            upper = lattice[j, i] * (1 - fx) + lattice[j, (i + 1) % n] * fx
            lower = lattice[j + 1, i] * (1 - fx) + lattice[j + 1, (i + 1) % n] * fx
            total += (upper * (1 - fy) + lower * fy) * 0.5**octave
            weight += 0.5**octave
        return np.asarray(total / weight)

    def text(self, word: str, u: float, v: float, height: float) -> Mask:
        """A word in capitals, centred at (u, v); height of the letters in v."""
        bits = np.zeros((7, 6 * len(word) - 1))
        for k, letter in enumerate(word):
            for row in range(7):
                value = int(_FONT[letter][2 * row : 2 * row + 2], 16)
                bits[row, 6 * k : 6 * k + 5] = [(value >> (4 - b)) & 1 for b in range(5)]
        cell = height / 7
        x = np.floor((self.u - u) * self.aspect / cell + bits.shape[1] / 2).astype(int)
        y = np.floor((self.v - v) / cell + 3.5).astype(int)
        inside = (x >= 0) & (x < bits.shape[1]) & (y >= 0) & (y < 7)
        return np.where(inside, bits[np.clip(y, 0, 6), np.clip(x, 0, bits.shape[1] - 1)], 0)

    def star(self, u: float, v: float, radius: float, points: int = 5, depth: float = 0.5) -> Mask:
        """A star, or with depth near 0.9 a flower-like wheel."""
        du, dv = (self.u - u) * self.aspect, self.v - v
        angle = (np.arctan2(du, -dv) * points / (2 * np.pi)) % 1
        rim = radius * (depth + (1 - depth) * np.abs(2 * angle - 1))
        return self.edge((np.hypot(du, dv) - rim) * 0.7)

    def heart(self, u: float, v: float, size: float) -> Mask:
        """A heart about 2 size wide."""
        x, y = (self.u - u) * self.aspect / size, -(self.v - v) / size + 0.2
        return self.edge((x * x + (y - 0.75 * np.sqrt(np.abs(x))) ** 2 - 1) * 0.3 * size)


def motif(canvas: Canvas, rng: Rng, u: float, v: float, size: float, colors: list[Color]) -> None:
    """A drawing of about `size` radius: star, heart, disc with ring, word, sun or smiling face."""
    ink, second = colors[0], colors[1]
    kind = rng.integers(6)
    if kind == 0:
        canvas.add(canvas.star(u, v, size, int(rng.integers(4, 8)), 0.45), ink)
    elif kind == 1:
        canvas.add(canvas.heart(u, v, 0.8 * size), ink)
    elif kind == 2:
        canvas.add(canvas.disc(u, v, size), ink).add(canvas.disc(u, v, 0.7 * size), second)
        canvas.add(canvas.disc(u, v, 0.4 * size), ink)
    elif kind == 3:
        word = str(rng.choice(WORDS))
        canvas.add(canvas.text(word, u, v, min(size, 2.4 * size / len(word))), ink)
    elif kind == 4:
        canvas.add(canvas.star(u, v, size, 12, 0.65), ink).add(canvas.disc(u, v, 0.5 * size), second)
    else:
        canvas.add(canvas.disc(u, v, size), ink)
        face(canvas, u, v, 0.8 * size, second)


def face(canvas: Canvas, u: float, v: float, size: float, ink: Color, mouth: Color | None = None) -> None:
    """Two eyes and a smile, about 2 size wide."""
    side = 0.42 * size / canvas.aspect
    for s in (-side, side):
        canvas.add(canvas.disc(u + s, v - 0.15 * size, 0.17 * size, 0.85), ink)
    smile = canvas.disc(u, v + 0.12 * size, 0.5 * size) * (1 - canvas.disc(u, v - 0.02 * size, 0.5 * size))
    canvas.add(smile * (canvas.v > v + 0.2 * size), ink if mouth is None else mouth)


def pattern(rng: Rng, colors: list[Color], aspect: float = 3.0, *, roughness: float | None = None) -> Paint:
    """A pattern for a surface that goes round: stripes, dots, checks, spots, waves, gradient, glaze, or a drawing."""
    width = 256
    canvas = Canvas(colors[0], width, 256, aspect)
    ink = contrasting(colors[0], colors[1:])
    third = colors[2]
    kind = rng.integers(9)
    columns = max(4, round(aspect * int(rng.integers(3, 6))))
    if kind == 0:
        canvas.add(canvas.stripes(int(rng.integers(3, 8)), float(rng.uniform(0.25, 0.6))), ink)
    elif kind == 1:
        canvas.add(canvas.stripes(int(rng.integers(3, 8)) * 2, float(rng.uniform(0.3, 0.6)), "up"), ink)
    elif kind == 2:
        rows = max(2, round(columns / aspect))
        canvas.add(canvas.dots(columns, rows, float(rng.uniform(0.22, 0.36))), ink)
    elif kind == 3:
        rows = int(rng.integers(3, 7))
        canvas.add(canvas.checks(2 * max(2, round(rows * aspect / 2)), rows), ink)
    elif kind == 4:
        canvas.add(canvas.spots(rng, int(rng.integers(10, 22)), 0.04, 0.11), ink)
    elif kind == 5:
        t = np.clip(canvas.v * 1.4 - 0.2, 0, 1)
        canvas.add(t * t * (3 - 2 * t), ink)
    elif kind == 6:
        wave = canvas.v + 0.06 * np.sin(2 * np.pi * canvas.u * rng.integers(3, 8))
        level = float(rng.uniform(0.3, 0.6))
        canvas.add(canvas.edge(wave - level), ink).add(canvas.edge(np.abs(wave - level - 0.06) - 0.02), third)
    elif kind == 7:
        canvas.add(np.clip((canvas.noise(rng, 6) - 0.35) * 3, 0, 1), ink)
    else:
        for band in (0.08, 0.92):
            canvas.add(canvas.rectangle(0, band - 0.03, 1, band + 0.03), ink)
        motif(canvas, rng, 0.5, 0.5, 0.24, [ink, third])
        if rng.uniform() < 0.5:
            motif(canvas, rng, 0.0, 0.5, 0.18, [third, ink])
    return canvas.paint(finish(rng) if roughness is None else roughness)


def wood(rng: Rng) -> Paint:
    """Grain along v in a brown."""
    base = hexed(str(rng.choice(["b98b5a", "8a5a3b", "d2ac7b", "6e4a32", "a9744f"])))
    canvas = Canvas(base, 128, 128)
    rings = np.sin(2 * np.pi * (canvas.u * 9 + 1.2 * canvas.noise(rng, 3)))
    canvas.add(np.clip(rings, 0, 1) * 0.35, base * 0.7)
    return canvas.paint(float(rng.uniform(0.5, 0.85)))


def dice(rng: Rng, share: float) -> bool:
    """True with probability `share`."""
    return bool(rng.uniform() < share)


def pick(rng: Rng, choices: list[Any]) -> Any:
    """One of a list."""
    return choices[int(rng.integers(len(choices)))]
