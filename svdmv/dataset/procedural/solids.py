"""What is done to closed surfaces: cut away, hollowed, refined, given relief, bent as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import DataError
from svdmv.core.mesh import vertex_normals
from svdmv.dataset.procedural.forms import Part, Points, joined
from svdmv.dataset.procedural.paints import Paint, Rng

Height = Callable[[Points, Points], NDArray[np.float64]]  # (V, 3) places, (V, 2) uvs -> (V,) heights
_SNAP = 2.0**20


def carved(body: Part, cutters: Sequence[Part], inside: Paint) -> list[Part]:
    """A closed body without what closed cutters fill: the rest in the body's paint, the cut faces in `inside`.

    Raises DataError: a surface is not closed, or nothing is left.
    """
    import manifold3d

    solids = [_solid(manifold3d, part) for part in (body, *cutters)]
    rest = solids[0]
    for solid in solids[1:]:
        rest = rest - solid
    mesh = rest.to_mesh()
    if rest.is_empty() or not len(mesh.tri_verts):
        raise DataError("A cut leaves nothing of a shape", where="carved", seen="no volume", expected="some")
    own = solids[0].to_mesh().run_original_id[0]
    values = np.asarray(mesh.vert_properties, np.float64)
    faces = np.asarray(mesh.tri_verts, np.int64)
    starts = np.asarray(mesh.run_index, np.int64) // 3
    of_body = np.zeros(len(faces), bool)
    for run, low, high in zip(mesh.run_original_id, starts[:-1], starts[1:], strict=True):
        of_body[low:high] = run == own
    pieces = []
    for mine, paint in ((of_body, body.paint), (~of_body, inside)):
        if mine.any():
            used, index = np.unique(faces[mine], return_inverse=True)
            pieces.append(Part(values[used, :3], index.reshape(-1, 3), np.clip(values[used, 3:5], 0, 1), paint))
    return pieces


def _solid(manifold3d: Any, part: Part) -> Any:
    places = np.round(part.vertices * _SNAP) / _SNAP
    mesh = manifold3d.Mesh(
        np.hstack([places, part.uvs]).astype(np.float32), np.ascontiguousarray(part.faces, np.uint32)
    )
    mesh.merge()
    solid = manifold3d.Manifold(mesh)
    if solid.status() != manifold3d.Error.NoError:
        raise DataError("A form is not closed", where="carved", seen=solid.status(), expected="a closed surface")
    return solid


def refined(part: Part, rounds: int = 1) -> Part:
    """Every face in four, edges halved; places and uvs in between."""
    for _ in range(rounds):
        faces = part.faces
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
        unique, index = np.unique(edges, axis=0, return_inverse=True)
        ab, bc, ca = (index.reshape(3, -1) + len(part.vertices)).astype(np.int64)
        a, b, c = faces.T
        quarters = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
        part = replace(
            part,
            vertices=np.concatenate([part.vertices, part.vertices[unique].mean(1)]),
            uvs=np.concatenate([part.uvs, part.uvs[unique].mean(1)]),
            faces=quarters,
        )
    return part


def raised(part: Part, height: Height) -> Part:
    """Every vertex moved along its normal by `height`; vertices at one place move together, so seams stay shut."""
    places, index = np.unique(np.round(part.vertices * _SNAP), axis=0, return_inverse=True)
    index = index.reshape(-1)
    normals = vertex_normals(places / _SNAP, index[part.faces]).astype(np.float64)
    count = np.bincount(index, minlength=len(places))
    level = np.bincount(index, height(part.vertices, part.uvs), len(places)) / np.maximum(count, 1)
    return replace(part, vertices=part.vertices + (normals * level[:, None])[index])


def lumps(rng: Rng, size: float, octaves: int = 3) -> Callable[[Points], NDArray[np.float64]]:
    """Smooth random field over space, about -1 .. 1: plane waves of random directions, bumps about `size` wide."""
    bands = []
    for octave in range(octaves):
        directions = rng.normal(size=(10, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        waves = directions * (np.pi / size) * 1.9**octave * rng.uniform(0.7, 1.3, (10, 1))
        bands.append((waves, rng.uniform(0, 2 * np.pi, 10), 0.55**octave))
    total = sum(weight for _, _, weight in bands)

    def field(places: Points) -> NDArray[np.float64]:
        values = sum(np.sin(places @ waves.T + phases).sum(1) / 3.2 * w for waves, phases, w in bands)
        return np.asarray(values / total)

    return field


def bumps(field: Callable[[Points], NDArray[np.float64]], depth: float) -> Height:
    """A field over space as a height of `depth`."""
    return lambda places, _: np.asarray(depth * field(places))


def ribs(count: int, depth: float, axis: int = 0, sharp: float = 1.0) -> Height:
    """Flutes along the surface: a wave over u (axis 0) or v (axis 1); `sharp` above 1 narrows the ridges."""

    def height(_: Points, uvs: Points) -> NDArray[np.float64]:
        wave = 0.5 + 0.5 * np.cos(2 * np.pi * count * uvs[:, axis])
        return np.asarray(depth * wave**sharp)

    return height


def warped(parts: Sequence[Part], rng: Rng, amount: float = 1.0) -> list[Part]:
    """A whole object bent out of its usual proportions: stretched, tapered, leaned, twisted a little."""
    places = joined(parts).vertices
    low, size = places.min(0), np.maximum(np.ptp(places, axis=0), 1e-6)
    stretch = 1 + amount * rng.uniform(-0.16, 0.2, 3)
    taper, lean = amount * rng.uniform(-0.14, 0.14), amount * rng.uniform(-0.1, 0.1, 2)
    twist = np.radians(amount * rng.uniform(-12, 12)) if rng.uniform() < 0.35 else 0.0

    def curve(points: Points) -> Points:
        t = (points[:, 1] - low[1]) / size[1]
        out = points * stretch
        out[:, [0, 2]] *= (1 + taper * (t - 0.5))[:, None]
        out[:, [0, 2]] += lean * (size[1] * t**2)[:, None]
        c, s = np.cos(twist * (t - 0.5)), np.sin(twist * (t - 0.5))
        x, z = out[:, 0].copy(), out[:, 2].copy()
        out[:, 0], out[:, 2] = c * x + s * z, c * z - s * x
        return out

    return [part.bent(curve) for part in parts]
