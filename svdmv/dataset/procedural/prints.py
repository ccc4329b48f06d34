"""Print: letters of strokes, invented names, labels, bar codes, tables. Nothing here is anyone's mark."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from svdmv.dataset.procedural.paints import BLACK, WHITE, Canvas, Color, Mask, Rng, contrasting, dice, motif, pick

_GLYPHS = {
    "A": "002640 1333", "B": "00063645443303 3342413000", "C": "4536160501103041", "D": "00062644422000",
    "E": "46060040 0333", "F": "460600 0333", "G": "45361605011030414323", "H": "0006 4046 0343", "I": "2026 1030 1636",
    "J": "4641301001", "K": "0006 460340", "L": "060040", "M": "0006234640", "N": "00064046",
    "O": "163645413010010516", "P": "00063645443303", "Q": "163645413010010516 2240", "R": "00063645443303 2340",
    "S": "453616050413334241301001", "T": "2026 0646", "U": "060110304146", "V": "062046", "W": "0610233046",
    "X": "0046 0640", "Y": "062346 2320", "Z": "06460040", "0": "163645413010010516 1234", "1": "152620 1030",
    "2": "05163645440040", "3": "05163645443313 334241301001", "4": "30360242", "5": "460603334241301001",
    "6": "4536160501103041423303", "7": "064610", "8": "163645443313040516 1302011030414233",
    "9": "0110304145361605041343",
}  # fmt: skip
_STARTS = [*"BCDFGHJKLMNPRSTVWZ", "BR", "CL", "DR", "FL", "GR", "KR", "PL", "ST", "TR"]
_MIDDLES, _ENDS = ["A", "E", "I", "O", "U"], ["X", "L", "N", "R", "S", "T"]


def invented_name(rng: Rng, longest: int = 8) -> str:
    """A word that nobody means: one to three syllables, capitals."""
    word = ""
    for _ in range(int(rng.integers(1, 4))):
        word += pick(rng, _STARTS) + pick(rng, _MIDDLES)
    if dice(rng, 0.4):
        word += pick(rng, _ENDS)
    return word[:longest]


def lettering(
    canvas: Canvas, word: str, u: float, v: float, height: float, *, weight: float = 0.16, slant: float = 0.0
) -> Mask:
    """A word of strokes, centred at (u, v), `height` in units of v; `weight` is the stroke over the height."""
    mask = np.zeros(canvas.u.shape)
    reach = (0.5 * width_of(word) + 0.5 * abs(slant) + weight) * height
    wide, tall = reach / canvas.aspect, (0.5 + weight) * height
    window = _window(canvas, u - wide, v - tall, u + wide, v + tall)
    x = (canvas.u[window] - u) * canvas.aspect / height
    y = (v - canvas.v[window]) / height + 0.5
    x = x - slant * (y - 0.5)
    pitch, nearest = 0.92, np.full(x.shape, 9.0)
    left = -0.5 * (pitch * len(word) - (pitch - 2 / 3))
    for letter in word:
        for line in _GLYPHS.get(letter, "").split():
            points = [(left + int(line[i]) / 6, int(line[i + 1]) / 6) for i in range(0, len(line), 2)]
            for (x0, y0), (x1, y1) in pairwise(points):
                dx, dy = x1 - x0, y1 - y0
                t = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
                nearest = np.minimum(nearest, np.hypot(x - x0 - t * dx, y - y0 - t * dy))
        left += pitch
    mask[window] = canvas.edge((nearest - weight / 2) * height)
    return mask


def _window(canvas: Canvas, u0: float, v0: float, u1: float, v1: float) -> tuple[slice, slice]:
    """The texels of a rectangle, those at its rim included."""
    rows, columns = canvas.u.shape
    low, high = np.clip(np.floor([v0 * rows, v1 * rows + 1]), 0, rows).astype(int)
    left, right = np.clip(np.floor([u0 * columns, u1 * columns + 1]), 0, columns).astype(int)
    return slice(low, high), slice(left, right)


def fill(canvas: Canvas, box: tuple[float, float, float, float], color: Color) -> None:
    """A plain rectangle, its rim as soft as a texel; quick, for the many small ones of a print."""
    u0, v0, u1, v1 = box
    window = _window(canvas, *box)
    rows, columns = canvas.u.shape
    across = np.clip(0.5 - (np.abs(canvas.u[window] - (u0 + u1) / 2) - (u1 - u0) / 2) * columns, 0, 1)
    down = np.clip(0.5 - (np.abs(canvas.v[window] - (v0 + v1) / 2) - (v1 - v0) / 2) * rows, 0, 1)
    mask = (across * down)[..., None]
    if not canvas.rgb.flags.writeable:
        canvas.rgb = canvas.rgb.copy()
    canvas.rgb[window] = canvas.rgb[window] * (1 - mask) + np.asarray(color) * mask


def width_of(word: str) -> float:
    """Width of a word in units of its height."""
    return 0.92 * len(word) - 0.25


def fitted(word: str, width: float, height: float) -> float:
    """The letter height at which a word fits into width x height (both in units of v)."""
    return min(height, width / max(width_of(word), 0.5))


def label(canvas: Canvas, rng: Rng, box: tuple[float, float, float, float], colors: list[Color]) -> None:
    """A product label in box (u0, v0, u1, v1): ground, band, name, drawing, small print, sometimes a badge."""
    u0, v0, u1, v1 = box
    w, h = (u1 - u0) * canvas.aspect, v1 - v0
    cu = (u0 + u1) / 2
    ground, ink = colors[0], contrasting(colors[0], [*colors[1:], WHITE, BLACK])
    second = colors[2]
    fill(canvas, box, ground)
    style = int(rng.integers(5))
    if style == 0:
        canvas.add(canvas.rectangle(u0, v0, u1, v0 + 0.34 * h), second)
    elif style == 1:
        slope = (canvas.v - v0) / h + 0.5 * (canvas.u - u0) / max(u1 - u0, 1e-6) - rng.uniform(0.5, 0.9)
        canvas.add(canvas.edge(slope * h) * canvas.rectangle(*box), second)
    elif style == 2:
        canvas.add(canvas.disc(cu, v0 + 0.62 * h, 0.36 * min(w, h)), second)
    elif style == 3:
        canvas.add(
            canvas.stripes(int(rng.integers(6, 14)), 0.3, pick(rng, ["up", "around"])) * canvas.rectangle(*box), second
        )
    name = invented_name(rng)
    size = fitted(name, 0.86 * w, rng.uniform(0.16, 0.3) * h)
    place = v0 + 0.2 * h
    under = canvas.rgb[
        np.clip(int(place * canvas.rgb.shape[0]), 0, canvas.rgb.shape[0] - 1),
        np.clip(int(cu * canvas.rgb.shape[1]), 0, canvas.rgb.shape[1] - 1),
    ]
    letters = contrasting(under, [WHITE, BLACK, *colors])
    weight, slant = rng.uniform(0.12, 0.26), pick(rng, [0.0, 0.0, 0.2])
    canvas.add(lettering(canvas, name, cu, place, size, weight=weight, slant=slant), letters)
    motif(canvas, rng, cu, v0 + 0.62 * h, 0.2 * min(w, h), [ink, colors[3]])
    word = invented_name(rng)
    canvas.add(
        lettering(canvas, word, cu, v0 + 0.9 * h, fitted(word, 0.5 * w, 0.07 * h)), contrasting(ground, [BLACK, WHITE])
    )
    if dice(rng, 0.4):
        badge = u1 - 0.14 * (u1 - u0)
        canvas.add(canvas.star(badge, v0 + 0.42 * h, 0.1 * min(w, h), 14, 0.8), colors[1])
        canvas.add(
            lettering(canvas, str(rng.integers(2, 99)), badge, v0 + 0.42 * h, 0.07 * min(w, h)),
            contrasting(colors[1], [WHITE, BLACK]),
        )


def small_print(canvas: Canvas, rng: Rng, box: tuple[float, float, float, float], ink: Color, rows: int = 8) -> None:
    """Lines of text too small to read."""
    u0, v0, u1, v1 = box
    half = 0.22 * (v1 - v0) / rows
    for k in range(rows):
        v = v0 + (k + 0.5) * (v1 - v0) / rows
        u, end = u0, u0 + (u1 - u0) * rng.uniform(0.55, 1.0)
        while u < end:
            long = (u1 - u0) * rng.uniform(0.05, 0.18)
            fill(canvas, (u, v - half, min(u + long, end), v + half), ink)
            u += long + 0.025 * (u1 - u0)


def bar_code(canvas: Canvas, rng: Rng, box: tuple[float, float, float, float]) -> None:
    """Bars on white."""
    u0, v0, u1, v1 = box
    fill(canvas, box, WHITE)
    u, step = u0 + 0.06 * (u1 - u0), (u1 - u0) * 0.022
    while u < u1 - 0.08 * (u1 - u0):
        wide = step * rng.integers(1, 4)
        fill(canvas, (u, v0 + 0.1 * (v1 - v0), u + wide, v1 - 0.1 * (v1 - v0)), BLACK)
        u += wide + step * rng.integers(1, 3)


def table(canvas: Canvas, rng: Rng, box: tuple[float, float, float, float]) -> None:
    """A framed table of figures."""
    u0, v0, u1, v1 = box
    fill(canvas, box, BLACK)
    pad_u, pad_v, half = 0.03 * (u1 - u0), 0.02 * (v1 - v0), 0.02 * (v1 - v0)
    fill(canvas, (u0 + pad_u, v0 + pad_v, u1 - pad_u, v1 - pad_v), WHITE)
    for k in range(7):
        v = v0 + (k + 0.7) * (v1 - v0) / 7.4
        fill(canvas, (u0 + 2 * pad_u, v - half, u0 + (u1 - u0) * rng.uniform(0.3, 0.65), v + half), BLACK)
        fill(canvas, (u1 - (u1 - u0) * rng.uniform(0.12, 0.25), v - half, u1 - 2 * pad_u, v + half), BLACK)
