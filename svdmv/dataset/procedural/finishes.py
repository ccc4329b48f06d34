"""Finishes: paints with relief, changing gloss, worn metal, glow. Maps as in glTF: roughness in G, metallic in B."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Material
from svdmv.dataset.procedural.paints import Canvas, Color, Paint, Rng, hexed, pick
from svdmv.io.colour import linear_from_srgb

Field = NDArray[np.float64]
_SIZE = 192


@dataclass(frozen=True, eq=False)
class Finish(Paint):
    """A paint with maps of its own size (H, W): gloss and metal in [0, 1], relief in texels of height, glow an sRGB
    colour or picture."""

    roughness_map: Field | None = None
    metallic_map: Field | None = None
    relief: Field | None = None
    glow: Color | None = None

    def material(self, name: str) -> Material:
        """As a glTF material with its maps."""
        made = super().material(name)
        if self.roughness_map is not None or self.metallic_map is not None:
            some = self.roughness_map if self.roughness_map is not None else self.metallic_map
            assert some is not None
            rough = np.broadcast_to(self.roughness if self.roughness_map is None else self.roughness_map, some.shape)
            metal = np.broadcast_to(self.metallic if self.metallic_map is None else self.metallic_map, some.shape)
            packed = np.stack([np.ones(some.shape), rough, metal], -1)
            made = replace(made, metallic_roughness_linear=_bytes(packed), roughness=1.0, metallic=1.0)
        if self.relief is not None:
            made = replace(made, normal_linear=_bytes(normals_from_relief(self.relief) * 0.5 + 0.5))
        if self.glow is not None:
            red, green, blue = (round(float(c), 5) for c in linear_from_srgb(np.round(self.glow * 255) / 255))
            made = replace(made, emissive_factor_linear=(red, green, blue))
        return made


def _bytes(values: Field) -> NDArray[np.uint8]:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


def normals_from_relief(height: Field) -> Field:
    """(H, W, 3) unit tangent-space normals, x to +u and y to -v, of a height in texels that repeats in u."""
    du = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) / 2
    dv = np.gradient(height, axis=0)
    normals = np.stack([-du, dv, np.ones_like(height)], -1)
    return np.asarray(normals / np.linalg.norm(normals, axis=-1, keepdims=True))


def _canvas(paint: Paint) -> Canvas:
    """A canvas of the size of the paint's picture."""
    if paint.picture is None:
        return Canvas(paint.color, _SIZE, _SIZE)
    canvas = Canvas(paint.color, paint.picture.shape[1], paint.picture.shape[0])
    canvas.rgb = paint.picture
    return canvas


def _made(paint: Paint, canvas: Canvas | None, **maps: object) -> Finish:
    values = {"color": paint.color, "picture": paint.picture, "roughness": paint.roughness, "metallic": paint.metallic}
    if canvas is not None:
        values |= {"picture": canvas.rgb, "color": canvas.rgb.mean((0, 1))}
    return Finish(**(values | maps))  # type: ignore[arg-type]


def grained(paint: Paint, rng: Rng) -> Finish:
    """Moulded plastic: a fine grain."""
    canvas = _canvas(paint)
    fine = rng.normal(size=canvas.u.shape)
    rough = np.clip(paint.roughness + 0.08 * (canvas.noise(rng, 8) - 0.5), 0.15, 1)
    return _made(paint, None, roughness_map=rough, relief=0.12 * fine)


def woven(paint: Paint, rng: Rng) -> Finish:
    """Cloth: threads over and under."""
    canvas, count = _canvas(paint), int(rng.integers(18, 40))
    up, across = np.sin(2 * np.pi * count * canvas.u), np.sin(2 * np.pi * count * canvas.v)
    thread = np.maximum(up * np.sign(across), across * -np.sign(up))
    canvas.rgb = np.clip(canvas.rgb * (0.9 + 0.1 * thread[..., None]), 0, 1)
    return _made(paint, canvas, roughness=0.95, metallic=0.0, relief=0.5 * thread)


def leathery(paint: Paint, rng: Rng) -> Finish:
    """Leather: soft cells with creases between them."""
    canvas, cells = _canvas(paint), int(rng.integers(9, 18))
    wrinkle = np.abs(canvas.noise(rng, cells, 2) - 0.5) * 2
    crease = np.clip(wrinkle * 3, 0, 1)
    canvas.rgb = np.clip(canvas.rgb * (0.82 + 0.18 * crease[..., None]), 0, 1)
    return _made(paint, canvas, roughness_map=np.clip(0.75 - 0.25 * crease, 0, 1), metallic=0.0, relief=1.6 * crease)


def brushed(paint: Paint, rng: Rng) -> Finish:
    """Metal with fine lines around."""
    canvas = _canvas(paint)
    lines = np.repeat(rng.normal(size=(canvas.u.shape[0], 1)), canvas.u.shape[1], 1)
    rough = np.clip(0.34 + 0.06 * lines + 0.1 * (canvas.noise(rng, 4) - 0.5), 0.18, 0.8)
    return _made(paint, None, metallic=1.0, roughness_map=rough, relief=0.1 * lines)


def worn(paint: Paint, rng: Rng) -> Finish:
    """Painted metal, chipped to steel or rust in places."""
    canvas = _canvas(paint)
    field = canvas.noise(rng, 5, 5)
    chipped = np.clip((field - rng.uniform(0.6, 0.68)) * 30, 0, 1)
    rust = rng.uniform() < 0.5
    under = hexed("7a4a2c") * (0.7 + 0.6 * canvas.noise(rng, 16)[..., None]) if rust else hexed("b4b8bc")
    canvas.rgb = np.clip(canvas.rgb * (1 - chipped[..., None]) + under * chipped[..., None], 0, 1)
    bare = 0.0 if rust else 1.0
    rough = paint.roughness * (1 - chipped) + (0.9 if rust else 0.4) * chipped
    return _made(
        paint,
        canvas,
        roughness_map=rough,
        metallic_map=paint.metallic * (1 - chipped) + bare * chipped,
        relief=-0.9 * chipped,
    )


def glazed(paint: Paint, rng: Rng) -> Finish:
    """Ceramic: glossy, colour pooling, small pits."""
    canvas = _canvas(paint)
    pool = canvas.noise(rng, 4, 3)
    canvas.rgb = np.clip(canvas.rgb * (0.85 + 0.3 * pool[..., None]), 0, 1)
    specks = (rng.uniform(size=canvas.u.shape) < 0.004) * rng.uniform(0.2, 0.8)
    canvas.rgb = canvas.rgb * (1 - specks[..., None])
    return _made(
        paint, canvas, roughness=float(rng.uniform(0.12, 0.3)), metallic=0.0, relief=0.8 * canvas.noise(rng, 9)
    )


def stony(paint: Paint, rng: Rng) -> Finish:
    """Stone, clay, concrete: rough, mottled."""
    canvas = _canvas(paint)
    mottle = canvas.noise(rng, 10, 4)
    canvas.rgb = np.clip(canvas.rgb * (0.75 + 0.5 * mottle[..., None]), 0, 1)
    return _made(paint, canvas, roughness=0.92, metallic=0.0, relief=3.0 * mottle + 0.1 * rng.normal(size=mottle.shape))


def pearly(paint: Paint, rng: Rng) -> Finish:
    """Car paint and satin: half metal, smooth."""
    return _made(paint, None, metallic=float(rng.uniform(0.3, 0.7)), roughness=float(rng.uniform(0.22, 0.4)))


def hammered(paint: Paint, rng: Rng) -> Finish:
    """Beaten metal: dents side by side."""
    canvas, rows = _canvas(paint), int(rng.integers(10, 20))
    row = np.floor(canvas.v * rows)
    x = canvas.u * rows * 2 + 0.5 * (row % 2)
    dent = np.hypot(x - np.floor(x) - 0.5, (canvas.v * rows - row - 0.5))
    return _made(paint, None, metallic=1.0, roughness=float(rng.uniform(0.25, 0.4)), relief=5.0 * np.minimum(dent, 0.5))


_SOFT = [woven, leathery, grained]
_HARD = [grained, glazed, pearly, worn, stony, grained]
_METAL = [brushed, worn, hammered]


def finished(paint: Paint, rng: Rng, share: float = 0.6, *, soft: bool = False) -> Paint:
    """A paint turned into a finish that suits it (of cloth and skin where `soft`), with probability `share`."""
    drawn, which = rng.uniform(), rng.uniform()
    if drawn > share or isinstance(paint, Finish):
        return paint
    table = _METAL if paint.metallic > 0.5 else _SOFT if soft or paint.roughness > 0.84 else _HARD
    return table[int(which * len(table))](paint, rng)


def any_metal(rng: Rng) -> Paint:
    """Steel, gold, copper, brass, dark iron, anodised colours; plain, brushed or hammered."""
    tints = ["c8ccd0", "e0b868", "d89478", "d8c080", "9aa0a8", "55585e", "a8c4e0", "e0a8b0", "b0d8b8"]
    base = Paint(hexed(str(pick(rng, tints))), None, float(rng.uniform(0.2, 0.5)), 1.0)
    return finished(base, rng, 0.5)
