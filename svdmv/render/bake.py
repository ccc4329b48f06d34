"""Light baked once per object and shared by every view: deterministic and free of noise.

Every point shoots one ray per light cell of its upper hemisphere, the SAME directions for all points, so errors are
smooth, not grainy. A ray that escapes brings the cell's light (sky, soft shadow and ambient occlusion at once); a ray
that hits brings the radiosity of the face side hit, iterated without new rays: all diffuse bounces. The same hits give
each point a small octahedral probe for reflections: the share of a lobe's light that gets through, and the object's
own light that fills the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    from svdmv.render._bake_kernels import gather, lean_of_light
    from svdmv.render._shading import PROBE_SIZE

    point_of, positions, normals = _points(scene)
    albedo, emission, alpha = _mean_material(scene)
    solid = np.nonzero(alpha >= CASTS_SHADOW)[0].astype(np.int32)
    hit, num_rays = _trace(scene, solid, positions, normals, light.cell_directions)
    point_light = np.zeros((len(positions), 3), np.float32)
    radiosity = np.repeat(emission, 2, 0)
    cells = light.cell_directions, light.cell_energies, light.cell_solid_angles
    for bounce in range(NUM_BOUNCES + 1):
        gather(hit, normals, *cells, radiosity, point_light)
        if bounce < NUM_BOUNCES or with_probes:
            for side in range(2):
                radiosity[side::2] = emission + albedo * point_light[point_of[side][scene.faces]].mean(1)
    leans = np.zeros((len(positions) if scene.texels.normal_at >= 0 else 0, 3), np.float32)
    if len(leans):
        lean_of_light(hit, normals, *cells, radiosity, leans)
    empty = np.zeros((1, 2, PROBE_SIZE**2, 4), np.float32)
    probes = _probes(hit, light, radiosity) if with_probes else empty
    return Bake(point_of, point_light, leans, probes, num_rays)


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


def _trace(
    scene: Scene, solid: NDArray[np.int32], positions: Floats, normals: Floats, directions: Floats
) -> tuple[NDArray[np.int32], int]:
    """hit[p, c]: 2 * face + side hit (0 front, 1 back), -1 escaped, -2 below the horizon; and how many rays it took.
    Only the faces `solid` are there to be hit."""
    from svdmv.render._bake_kernels import hemisphere_rays, note_hits

    hit = np.empty((len(positions), len(directions)), np.int32)
    corners = scene.vertices[scene.faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) * scene.face_sides[:, None]
    face_normals = face_normals.astype(np.float32)
    embree: Any = ray_scene(corners[solid]) if len(solid) else None
    step = max(1, RAYS_AT_ONCE // len(directions))
    starts, rays = (np.empty((min(step, len(positions)) * len(directions), 3), np.float32) for _ in range(2))
    total = 0
    for first in range(0, len(positions), step):
        last = min(first + step, len(positions))
        lift = LIFT * scene.radius
        count = hemisphere_rays(positions, normals, directions, lift, first, last, starts, rays)
        met = np.full(count, -1, np.int32) if embree is None else embree.run(starts[:count], rays[:count])
        met = np.where(met < 0, np.int32(-1), solid[met]) if len(solid) < len(corners) and len(solid) else met
        note_hits(met, face_normals, normals, directions, first, last, hit)
        total += count
    return hit, total


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
    albedo, emission, alpha = values[:, :3], np.zeros((len(values), 3), np.float32), values[:, 5]
    if len(scene.colors):
        albedo = albedo * scene.colors[scene.faces].mean(1)
    if texels.emission_at >= 0:
        emission = values[:, texels.emission_at : texels.emission_at + 3] * np.float32(texels.emission_scale)
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


def _probes(hit: NDArray[np.int32], light: Light, radiosity: Floats) -> Floats:
    """(P, 2, texels, 4) as in Bake."""
    from svdmv.render._bake_kernels import probes_from_hits
    from svdmv.render._shading import PROBE_ROUGHNESS, PROBE_SIZE

    target = octahedral_directions(PROBE_SIZE)
    cosines = np.clip(light.cell_directions.astype(np.float64) @ target.T, -1, 1)
    lobes = np.stack([ggx_lobe(cosines, float(roughness)) + 1e-6 for roughness in PROBE_ROUGHNESS])
    shine = (lobes * light.cell_energies.mean(1)[:, None]).astype(np.float32)
    area = (lobes * light.cell_solid_angles[:, None]).astype(np.float32)
    out = np.empty((len(hit), len(lobes), len(target), 4), np.float32)
    probes_from_hits(hit, shine, area, radiosity, out)
    return out
