"""Decals: flat prints laid onto whatever surface an object shows, so that fronts and backs differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from svdmv.dataset.procedural.forms import Part, Points, grid_surface, joined
from svdmv.dataset.procedural.paints import BLACK, WHITE, Canvas, Color, Rng, contrasting, dice, motif, pick
from svdmv.dataset.procedural.prints import bar_code, fitted, invented_name, label, lettering

_CELLS = 9
_LIFT = 0.004


def first_hits(
    vertices: Points, faces: NDArray[np.int64], origins: Points, direction: Points
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distance to the first face along one direction from each origin (inf for none), and the face (Moeller and
    Trumbore 1997)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    e1, e2 = b - a, c - a
    p = np.cross(direction, e2)
    det = np.einsum("fi,fi->f", e1, p)
    good = np.abs(det) > 1e-14
    inverse = np.where(good, 1 / np.where(good, det, 1), 0)
    distance, face = np.full(len(origins), np.inf), np.full(len(origins), -1, np.int64)
    for n, origin in enumerate(origins):
        t = origin - a
        u = np.einsum("fi,fi->f", t, p) * inverse
        q = np.cross(t, e1)
        v = (q @ direction) * inverse
        d = np.einsum("fi,fi->f", e2, q) * inverse
        d = np.where(good & (u >= 0) & (v >= 0) & (u + v <= 1) & (d > 0), d, np.inf)
        face[n] = int(d.argmin())
        distance[n] = d[face[n]]
    return distance, face


def sticker(rng: Rng, parts: Sequence[Part], colors: list[Color], azimuth_deg: float, tries: int = 5) -> list[Part]:
    """A print on the side that looks to `azimuth_deg` (0 = front), or nothing where no even place is found."""
    body = joined(parts)
    low, high = body.vertices.min(0), body.vertices.max(0)
    a = np.radians(azimuth_deg)
    out, right, up = np.array([np.sin(a), 0, np.cos(a)]), np.array([np.cos(a), 0, -np.sin(a)]), np.array([0, 1.0, 0])
    reach = float(np.linalg.norm(high - low))
    wide = reach * rng.uniform(0.1, 0.24)
    tall = wide * rng.uniform(0.5, 1.2)
    steps = np.linspace(-0.5, 0.5, _CELLS)
    middle, width = (low + high) / 2, float(np.ptp(body.vertices @ right))
    for _ in range(tries):
        place = middle + right * rng.uniform(-0.28, 0.28) * width + up * rng.uniform(-0.35, 0.3) * (high - low)[1]
        grid = place + right * (steps * wide)[None, :, None] - up * (steps * tall)[:, None, None]
        origins = (grid + out * reach).reshape(-1, 3)
        along = ((body.vertices - place) @ right)[body.faces]
        mine = body.faces[(along.max(1) > -wide) & (along.min(1) < wide)]
        if not len(mine):
            continue
        distance, face = first_hits(body.vertices, mine, origins, -out)
        if not np.isfinite(distance).all():
            continue
        depth = distance.reshape(_CELLS, _CELLS)
        corners = body.vertices[mine[face]]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        step = max(np.abs(np.diff(depth, axis=0)).max(), np.abs(np.diff(depth, axis=1)).max())
        if (normals @ out).min() < 0.35 or step > 1.5 * wide / (_CELLS - 1):
            continue
        points = (origins - out * distance[:, None] + (normals + out) * _LIFT).reshape(_CELLS, _CELLS, 3)
        u, v = np.meshgrid((steps + 0.5), (steps + 0.5))
        surface = grid_surface(points[::-1], np.stack([u, v], -1)[::-1])
        return [surface.painted(_print(rng, colors, wide / tall).paint(float(rng.uniform(0.3, 0.8))))]
    return []


def _print(rng: Rng, colors: list[Color], aspect: float) -> Canvas:
    ground = pick(rng, [WHITE, BLACK * 2, *colors])
    canvas = Canvas(ground, 160, 160, aspect)
    kind = rng.integers(5)
    ink = contrasting(ground, [*colors, WHITE, BLACK])
    if kind == 0:
        label(canvas, rng, (0, 0, 1, 1), [ground, *colors])
    elif kind == 1:
        word = invented_name(rng, 5)
        size = fitted(word, 0.85 * aspect, 0.6)
        canvas.add(lettering(canvas, word, 0.5, 0.5, size, weight=rng.uniform(0.14, 0.3)), ink)
    elif kind == 2:
        number = str(rng.integers(1, 100))
        canvas.add(canvas.disc(0.5, 0.5, 0.46 * min(1.0, aspect)), ink)
        canvas.add(lettering(canvas, number, 0.5, 0.5, fitted(number, 0.55 * aspect, 0.5), weight=0.2), ground)
    elif kind == 3:
        motif(canvas, rng, 0.5, 0.5, 0.4 * min(1.0, aspect), [ink, pick(rng, colors)])
    else:
        bar_code(canvas, rng, (0.04, 0.05, 0.96, 0.8))
        canvas.add(lettering(canvas, str(rng.integers(1000, 99999)), 0.5, 0.9, fitted("88888", 0.8 * aspect, 0.1)), ink)
    if dice(rng, 0.4):
        frame = canvas.rectangle(0, 0, 1, 1) * (1 - canvas.rectangle(0.04, 0.04, 0.96, 0.96, 0.03))
        canvas.add(frame, ink)
    return canvas
