"""Light baked once per object and shared by every view: deterministic and free of noise.

Every point shoots one ray per light cell of its upper hemisphere, the SAME directions for all points, so errors are
smooth, not grainy. A ray that escapes brings the cell's light (sky, soft shadow and ambient occlusion at once); a ray
that hits brings the radiosity of the face side hit, iterated without new rays: all diffuse bounces. The same hits give
each point a small octahedral probe for reflections: the share of a lobe's light that gets through, and the object's
own light that fills the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.io.colour import linear_from_srgb
from svdmv.render.light import Light, ggx_lobe
from svdmv.render.reflection import LIFT, ray_scene
from svdmv.render.scene import Scene, welded

Floats = NDArray[np.float32]

NUM_BOUNCES = 4
MAX_POINTS = 40_000
RAYS_AT_ONCE = 1_000_000
CASTS_SHADOW = 0.5  # mean alpha from which on a face stops light


@dataclass(frozen=True, eq=False)
class Bake:
    """Light at points of the surface.

    Attributes:
        point_of: (2, V) int32, the point of each vertex of the scene seen from the front [0] and from the back [1].
        light: (P, 3) float32 irradiance / pi: what a white matte surface sends back, linear.
        leans: (P, 3) float32 mean direction of that light, 1 along the normal; (0, 3) without a normal map.
        probes: (P, 2, texels, 4) float32: share of the map's light seen, then RGB of the object seen; two roughnesses.
            One point only when they were not asked for.
        num_rays: how many rays were traced.
    """

    point_of: NDArray[np.int32]
    light: Floats
    leans: Floats
    probes: Floats
    num_rays: int


def bake(scene: Scene, light: Light, *, with_probes: bool) -> Bake:
    """Trace, gather and bounce. A face lets light through when its mean alpha is below CASTS_SHADOW."""
    baked, tracer, hit = baked_with_tracer(scene, light, with_probes=with_probes)
    return replace(baked, probes=tracer.probes([hit]))


def baked_with_tracer(scene: Scene, light: Light, *, with_probes: bool) -> tuple[Bake, Tracer, NDArray[np.int32]]:
    """bake but for its probes, what finds the light of more points afterwards, and the hits of these points."""
    from svdmv.render._bake_kernels import gather

    point_of, positions, normals = _points(scene)
    albedo, emission, alpha = _mean_material(scene)
    tracer = Tracer(scene, light, np.nonzero(alpha >= CASTS_SHADOW)[0].astype(np.int32), with_probes)
    tracer.shown = np.sqrt(albedo.max(1))
    hit = tracer.hits(positions, normals)
    point_light = np.zeros((len(positions), 3), np.float32)
    radiosity = np.repeat(emission, 2, 0)
    for bounce in range(NUM_BOUNCES + 1):
        gather(hit, normals, *tracer.cells, radiosity, point_light)
        if bounce < NUM_BOUNCES or with_probes:
            for side in range(2):
                radiosity[side::2] = emission + albedo * point_light[point_of[side][scene.faces]].mean(1)
    tracer.radiosity = radiosity
    no_probes = np.zeros((0, 0, 0, 4), np.float32)
    return Bake(point_of, point_light, tracer.leans(hit, normals), no_probes, tracer.num_rays), tracer, hit


class Tracer:
    """Rays of points over their hemispheres, and the light, leans and probes that follow from what they hit.

    Attributes:
        radiosity: (2F, 3) float32 what each face side of the scene sends out; set once the bounces are done.
        shown: (F,) float32 how bright light of 1 shows on each face, as encoded.
        num_rays: how many rays were traced so far.
    """

    def __init__(self, scene: Scene, light: Light, solid: NDArray[np.int32], with_probes: bool) -> None:
        """Only the faces `solid` are there to be hit."""
        corners = scene.vertices[scene.faces]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) * scene.face_sides[:, None]
        self._face_normals = across.astype(np.float32)
        self._embree: Any = ray_scene(corners[solid]) if len(solid) else None
        self._solid = solid if len(solid) < len(corners) else None
        self._light, self._lift, self._with_probes = light, LIFT * scene.radius, with_probes
        self._with_leans = scene.texels.normal_at >= 0
        self.cells = light.cell_directions, light.cell_energies, light.cell_solid_angles
        self.radiosity = np.zeros((2 * len(scene.faces), 3), np.float32)
        self.shown = np.ones(len(scene.faces), np.float32)
        self.num_rays = 0

    def hits(self, positions: Floats, normals: Floats) -> NDArray[np.int32]:
        """hit[p, c]: 2 * face + side hit (0 front, 1 back), -1 escaped, -2 below the horizon."""
        from svdmv.render._bake_kernels import hemisphere_rays, note_hits

        directions = self._light.cell_directions
        hit = np.empty((len(positions), len(directions)), np.int32)
        step = max(1, RAYS_AT_ONCE // len(directions))
        starts, rays = (np.empty((min(step, len(positions)) * len(directions), 3), np.float32) for _ in range(2))
        for first in range(0, len(positions), step):
            last = min(first + step, len(positions))
            count = hemisphere_rays(positions, normals, directions, self._lift, first, last, starts, rays)
            met = np.full(count, -1, np.int32)
            if self._embree is not None:
                met = self._embree.run(starts[:count], rays[:count])
                met = met if self._solid is None else np.where(met < 0, np.int32(-1), self._solid[met])
            note_hits(met, self._face_normals, normals, directions, first, last, hit)
            self.num_rays += count
        return hit

    def light(self, hit: NDArray[np.int32], normals: Floats) -> Floats:
        """(P, 3) light of points, as in Bake."""
        from svdmv.render._bake_kernels import gather

        out = np.empty((len(hit), 3), np.float32)
        gather(hit, normals, *self.cells, self.radiosity, out)
        return out

    def leans(self, hit: NDArray[np.int32], normals: Floats) -> Floats:
        """(P, 3) as in Bake, (0, 3) without a normal map."""
        from svdmv.render._bake_kernels import lean_of_light

        out = np.zeros((len(hit) if self._with_leans else 0, 3), np.float32)
        if len(out):
            lean_of_light(hit, normals, *self.cells, self.radiosity, out)
        return out

    def probes(self, hits: list[NDArray[np.int32]]) -> Floats:
        """(P, 2, texels, 4) as in Bake, of the points of several calls of `hits`, in order. The list is emptied on the
        way: hits and probes are a worker's largest arrays."""
        from svdmv.render._shading import PROBE_SIZE

        empty = np.zeros((1, 2, PROBE_SIZE**2, 4), np.float32)
        return _probes(hits, self._light, self.radiosity) if self._with_probes else empty


def _points(scene: Scene) -> tuple[NDArray[np.int32], Floats, Floats]:
    """point_of (2, V), positions (P, 3), unit normals (P, 3): equal vertices share a point, near ones where they are
    many; surfaces whose inside can be seen (open or inside out) get a second point with the opposite normal."""
    vertices, normals = scene.vertices, scene.normals.astype(np.float64)
    key = np.hstack([vertices, np.round(normals * 64)])
    group, count = welded(key)
    cells = 256
    while count > MAX_POINTS:
        place = np.round(vertices / scene.radius * cells)
        group, count = welded(np.hstack([place, np.round(normals * 1.5)]))
        cells = cells * 3 // 4
    positions = np.empty((count, 3))
    positions[group[::-1]] = vertices[::-1]  # the first member: a mean could lie below a bent surface
    mean = np.stack([np.bincount(group, normals[:, i], count) for i in range(3)], 1)
    mean = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    both = np.zeros(count, bool)
    np.logical_or.at(both, group, _inside_visible(scene))
    back = np.arange(count)
    back[both] = count + np.arange(both.sum())
    point_of = np.stack([group, back[group]]).astype(np.int32)
    positions = np.concatenate([positions, positions[both]])
    mean = np.concatenate([mean, -mean[both]])
    return point_of, np.ascontiguousarray(positions, np.float32), np.ascontiguousarray(mean, np.float32)


def _inside_visible(scene: Scene) -> NDArray[np.bool_]:
    """(V,) True at vertices of connected parts that are not closed, or closed with normals that point inward."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    place, count = welded(scene.vertices)
    faces = place[scene.faces]
    start = faces.reshape(-1)
    end = faces[:, [1, 2, 0]].reshape(-1)
    graph = coo_matrix((np.ones(len(start), np.int8), (start, end)), shape=(count, count))
    num_parts, part_of_place = connected_components(graph, directed=False)
    part = part_of_place[faces[:, 0]]
    forward, backward = start * count + end, end * count + start
    keys, index = np.unique(np.concatenate([forward, backward]), return_inverse=True)
    balance = np.bincount(index[: len(start)], minlength=len(keys)) - np.bincount(
        index[len(start) :], minlength=len(keys)
    )
    open_edges = balance[index[: len(start)]] != 0
    is_open = np.bincount(np.repeat(part, 3), open_edges, num_parts) > 0
    corners = scene.vertices[scene.faces]
    volume = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) * scene.face_sides
    inside_out = np.bincount(part, volume, num_parts) < 0
    answer: NDArray[np.bool_] = (is_open | inside_out)[part_of_place[place]]
    return answer


def _mean_material(scene: Scene) -> tuple[Floats, Floats, Floats]:
    """Linear base colour (F, 3), which stands for all that a face sends on, emission (F, 3) and alpha (F,) of each
    face, from a coarse mip at its middle."""
    texels = scene.texels
    level = np.minimum(3, texels.num_levels - 1)
    rows = texels.rows[(texels.first_rows + level)[scene.face_materials]]
    centre = scene.uvs[scene.faces].mean(1)
    x = np.floor(centre[:, 0] * rows[:, 2]).astype(np.int64) % rows[:, 2]
    y = np.floor(centre[:, 1] * rows[:, 1]).astype(np.int64) % rows[:, 1]
    values = texels.values[rows[:, 0] + y * rows[:, 2] + x].astype(np.float32) / np.float32(65535)
    albedo = linear_from_srgb(values[:, :3]).astype(np.float32)
    emission, alpha = np.zeros((len(values), 3), np.float32), values[:, 5]
    if len(scene.colors):
        albedo = albedo * scene.colors[scene.faces].mean(1)
    if texels.emission_at >= 0:
        encoded = values[:, texels.emission_at : texels.emission_at + 3]
        emission = (linear_from_srgb(encoded) * texels.emission_scale).astype(np.float32)
    opacities, cutoffs = scene.face_opacities, scene.face_cutoffs
    alpha = np.where(opacities >= 0, alpha * opacities, np.where(cutoffs > 0, alpha >= cutoffs, True))
    return np.minimum(albedo, np.float32(0.95)), emission, alpha.astype(np.float32)


def octahedral_directions(size: int) -> NDArray[np.float64]:
    """(size^2, 3) unit directions of the texel centres of an octahedral map (Cigolle et al., JCGT 2014)."""
    x, y = np.meshgrid(*[(np.arange(size) + 0.5) / size * 2 - 1] * 2)
    z = 1 - abs(x) - abs(y)
    x, y = np.where(z < 0, (1 - abs(y)) * np.sign(x), x), np.where(z < 0, (1 - abs(x)) * np.sign(y), y)
    d = np.stack([x, y, z], -1).reshape(-1, 3)
    return np.asarray(d / np.linalg.norm(d, axis=1, keepdims=True))


def _probes(hits: list[NDArray[np.int32]], light: Light, radiosity: Floats) -> Floats:
    """(P, 2, texels, 4) as in Bake; empties the list."""
    from svdmv.render._bake_kernels import probes_from_hits
    from svdmv.render._shading import PROBE_ROUGHNESS, PROBE_SIZE

    target = octahedral_directions(PROBE_SIZE)
    cosines = np.clip(light.cell_directions.astype(np.float64) @ target.T, -1, 1)
    lobes = np.stack([ggx_lobe(cosines, float(roughness)) + 1e-6 for roughness in PROBE_ROUGHNESS])
    shine = (lobes * light.cell_energies.mean(1)[:, None]).astype(np.float32)
    area = (lobes * light.cell_solid_angles[:, None]).astype(np.float32)
    ends = np.cumsum([len(hit) for hit in hits])
    out = np.empty((ends[-1], len(lobes), len(target), 4), np.float32)
    for end in ends:
        hit = hits.pop(0)
        probes_from_hits(hit, shine, area, radiosity, out[end - len(hit) : end])
    return out
