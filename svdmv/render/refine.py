"""More points of light where light changes within a face: at contacts, in creases, along the edges of shadows.

Light lives on vertices and is linear between them. Where the two ends of an edge differ, the light of its middle is
traced; where that is not the mean of the ends, the edge is halved, and its halves are looked at again. What rays hit
stays the scene as it was baked, so no bounce is worked out anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.render.bake import Bake, Tracer, baked_with_tracer
from svdmv.render.light import Light
from svdmv.render.scene import Scene, welded
from svdmv.render.split import edges_of, split_faces

Floats = NDArray[np.float32]

NUM_ROUNDS = 4
LEAST_EDGE = 0.006  # of the radius, of a half: about 1.5 pixels of 576 when the object fills the picture
LEAST_CHANGE = 0.03  # between the ends of an edge, in encoded brightness: where it is less, nothing is traced
LEAST_ERROR = 0.012  # of the mean of the ends against the middle: where it is less, nothing is halved
LARGE_CHANGE = 0.2  # between the ends, from which on the middle is not asked
MAX_NEW_VERTICES = 40_000


def baked_and_refined(scene: Scene, light: Light, *, with_probes: bool) -> tuple[Scene, Bake]:
    """The scene with edges halved where its light asks for it, and its light (bake.bake) with that of the vertices so
    made.

    Duplicates of an edge (at a seam of the texture or a sharp crease) are halved together, so no gap opens.
    """
    grown = _Grown(scene, *baked_with_tracer(scene, light, with_probes=with_probes))
    for _ in range(NUM_ROUNDS):
        if not grown.halve_edges():
            break
    return grown.scene(), grown.bake()


class _Grown:
    """A scene and its light while edges are halved. Vertices and points are appended, none is moved."""

    def __init__(self, scene: Scene, baked: Bake, tracer: Tracer, hit: NDArray[np.int32]) -> None:
        self._base, self._tracer = scene, tracer
        self._names = [
            name for name in ("vertices", "normals", "uvs", "colors", "tangents") if len(getattr(scene, name))
        ]
        self._columns = np.hstack([getattr(scene, name).astype(np.float64) for name in self._names])
        self._faces = scene.faces.astype(np.int64)
        self._parents = np.arange(len(scene.faces))
        self._place, self._num_places = welded(scene.vertices)
        self._point_of = baked.point_of.astype(np.int64)
        self._light, self._leans, self._hits = [baked.light], [baked.leans], [hit]
        self._brightness = np.sqrt(baked.light)
        self._first_new = 0

    def halve_edges(self) -> bool:
        """One round over the edges that the last one made; False when there was nothing to halve."""
        count = len(self._columns)
        room = len(self._base.vertices) + MAX_NEW_VERTICES - count
        fresh = np.nonzero(self._faces.max(1) >= self._first_new)[0]
        a, b, edge_of = edges_of(self._faces[fresh], count)
        shown = np.zeros(len(a), np.float32)
        np.maximum.at(shown, edge_of, self._tracer.shown[self._parents[fresh], None])
        change = self._change(a, b) * shown
        length = np.linalg.norm(self._columns[a, :3] - self._columns[b, :3], axis=1)
        asked = (length > 2 * LEAST_EDGE * self._base.radius) & (change > LEAST_CHANGE) & (b >= self._first_new)
        twins, num_twins = self._twins(a, b)
        asked = _any_of(twins, num_twins, asked)
        chosen = np.nonzero(asked)[0]
        if not len(chosen) or room <= 0:
            return False
        if len(chosen) > room:
            order = np.argsort(-change[chosen], kind="stable")[:room]
            chosen = np.sort(chosen[order])
        a, b = a[chosen], b[chosen]
        middles = self._middles(a, b)
        points, normals, hit, light = self._lit(a, b, middles)
        brightness = np.sqrt(light)
        error = np.zeros(len(chosen), np.float32)
        for side in range(2):
            mean = self._brightness[self._point_of[side, a]] + self._brightness[self._point_of[side, b]]
            error = np.maximum(error, np.abs(mean / 2 - brightness[points[side]]).max(1))
        halved = (error * shown[chosen] > LEAST_ERROR) | (change[chosen] > LARGE_CHANGE)
        halved = _any_of(twins[chosen], num_twins, halved)
        kept = chosen[halved]
        if not len(kept):
            return False
        new = np.full(len(edge_of) * 3, -1)
        new[kept] = count + np.arange(len(kept))
        cut, owners = split_faces(self._faces[fresh], new[edge_of], self._parents[fresh])
        whole = np.ones(len(self._faces), bool)
        whole[fresh] = False
        self._faces = np.concatenate([self._faces[whole], cut])
        self._parents = np.concatenate([self._parents[whole], owners])
        self._columns = np.concatenate([self._columns, middles[halved]])
        ranks = np.unique(twins[kept], return_inverse=True)[1]
        self._place = np.concatenate([self._place, self._num_places + ranks])
        self._num_places += int(ranks.max()) + 1
        lit, numbers = np.unique(points[:, halved], return_inverse=True)
        self._point_of = np.concatenate([self._point_of, numbers.reshape(2, -1) + len(self._brightness)], 1)
        self._brightness = np.concatenate([self._brightness, brightness[lit]])
        hit, normals = hit[lit], normals[lit]
        self._light.append(light[lit])
        self._leans.append(self._tracer.leans(hit, normals))
        self._hits.append(hit)
        self._first_new = count
        return True

    def _change(self, a: NDArray[Any], b: NDArray[Any]) -> Floats:
        """(E,) how much the brightness differs between the ends, on the side where it differs most."""
        front, back = (
            np.abs(self._brightness[p[a]] - self._brightness[p[b]]).max(1)
            for p in (self._point_of[0], self._point_of[1])
        )
        return np.asarray(np.maximum(front, back))

    def _twins(self, a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
        """(E,) the same number for edges at the same place, and how many numbers there are."""
        ends = np.sort(self._place[np.stack([a, b])], axis=0)
        keys, index = np.unique(ends[0] * self._num_places + ends[1], return_inverse=True)
        return index, len(keys)

    def _middles(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
        """Columns of the vertices halfway, normals at length 1."""
        out = (self._columns[a] + self._columns[b]) / 2
        out[:, 3:6] /= np.maximum(np.linalg.norm(out[:, 3:6], axis=1, keepdims=True), 1e-12)
        return np.asarray(out)

    def _lit(
        self, a: NDArray[Any], b: NDArray[Any], middles: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], Floats, NDArray[np.int32], Floats]:
        """points (2, E) of the middles among those traced for them; of these the normals, hits and light."""
        key = np.hstack([middles[:, :3], np.round(middles[:, 3:6] * 64)])
        group, count = welded(key)
        first = np.zeros(count, np.int64)
        first[group[::-1]] = np.arange(len(group))[::-1]
        both = np.zeros(count, bool)
        apart = self._point_of[0] != self._point_of[1]
        np.logical_or.at(both, group, apart[a] & apart[b])
        back = np.arange(count)
        back[both] = count + np.arange(both.sum())
        positions = middles[first, :3].astype(np.float32)
        normals = middles[first, 3:6].astype(np.float32)
        positions = np.ascontiguousarray(np.concatenate([positions, positions[both]]))
        normals = np.ascontiguousarray(np.concatenate([normals, -normals[both]]))
        hit = self._tracer.hits(positions, normals)
        return np.stack([group, back[group]]), normals, hit, self._tracer.light(hit, normals)

    def scene(self) -> Scene:
        """The scene as it is now."""
        base, parents = self._base, self._parents
        parts = np.split(self._columns, np.cumsum([getattr(base, n).shape[1] for n in self._names])[:-1], axis=1)
        arrays: dict[str, Any] = {
            name: np.ascontiguousarray(part, getattr(base, name).dtype)
            for name, part in zip(self._names, parts, strict=True)
        }
        u, v = (arrays["uvs"][self._faces, k].astype(np.float64) for k in range(2))
        areas = np.abs((u[:, 1] - u[:, 0]) * (v[:, 2] - v[:, 0]) - (v[:, 1] - v[:, 0]) * (u[:, 2] - u[:, 0]))
        materials = base.face_materials[parents]
        return replace(
            base,
            **arrays,
            faces=np.ascontiguousarray(self._faces, np.int32),
            face_materials=materials,
            face_sides=base.face_sides[parents],
            face_mirrors=base.face_mirrors[parents],
            face_texels=areas * base.texels.rows[base.texels.first_rows[materials], 1:].prod(1),
        )

    def bake(self) -> Bake:
        """The light as it is now."""
        return Bake(
            self._point_of.astype(np.int32),
            np.concatenate(self._light),
            np.concatenate(self._leans),
            self._tracer.probes(self._hits),
            self._tracer.num_rays,
        )


def _any_of(group: NDArray[np.int64], count: int, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) True for all members of a group when it is True for one."""
    return np.asarray(np.bincount(group, values, count)[group] > 0)
