"""Light baked once per object and shared by every view: deterministic and free of noise.

Every point shoots one ray per light cell of its upper hemisphere, the SAME directions for all points, so errors are
smooth, not grainy. A ray that escapes brings the cell's light (sky, soft shadow and ambient occlusion at once); a ray
that hits brings the radiosity of the face side hit, iterated without new rays: all diffuse bounces. The same hits give
each point a small octahedral probe for reflections: the share of a lobe's light that gets through, and the object's
own light that fills the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import require
from svdmv.render.light import Light, ggx_lobe
from svdmv.render.scene import Scene, welded

Floats = NDArray[np.float32]

NUM_BOUNCES = 4
MAX_POINTS = 40_000
RAYS_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class Bake:
    """Light at points of the surface.

    Attributes:
        point_of: (2, V) int32, the point of each vertex of the scene seen from the front [0] and from the back [1].
        light: (P, 3) float32 irradiance / pi: what a white matte surface sends back, linear.
        probes: (P, 2, texels, 4) float32: share of the map's light seen, then RGB of the object seen; two roughnesses.
            One point only when they were not asked for.
    """

    point_of: NDArray[np.int32]
    light: Floats
    probes: Floats


def bake(scene: Scene, light: Light, *, with_probes: bool) -> Bake:
    """Trace, gather and bounce. Faces count as opaque, also where their texture is cut out."""
    from svdmv.render._shading import PROBE_SIZE, gather

    point_of, positions, normals = _points(scene)
    hit = _trace(scene, positions, normals, light.cell_directions)
    albedo = _mean_albedo(scene)
    point_light = np.zeros((len(positions), 3), np.float32)
    radiosity = np.zeros((2 * len(scene.faces), 3), np.float32)
    cells = light.cell_directions, light.cell_energies, light.cell_solid_angles
    for bounce in range(NUM_BOUNCES + 1):
        gather(hit, normals, *cells, radiosity, point_light)
        if bounce < NUM_BOUNCES or with_probes:
            for side in range(2):
                radiosity[side::2] = albedo * point_light[point_of[side][scene.faces]].mean(1)
    empty = np.zeros((1, 2, PROBE_SIZE**2, 4), np.float32)
    probes = _probes(hit, light, radiosity) if with_probes else empty
    return Bake(point_of, point_light, probes)


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


def _trace(scene: Scene, positions: Floats, normals: Floats, directions: Floats) -> NDArray[np.int32]:
    """hit[p, c]: 2 * face + side hit (0 front, 1 back), -1 escaped, -2 below the horizon (not shot)."""
    rtcore_scene = require("embreex.rtcore_scene", None, "ray tracing for the light bake")
    mesh_construction = require("embreex.mesh_construction", None, "ray tracing for the light bake")
    embree = rtcore_scene.EmbreeScene(robust=False)
    corners = scene.vertices[scene.faces]
    mesh_construction.TriangleMesh(embree, np.ascontiguousarray(corners, np.float32))
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) * scene.face_sides[:, None]
    face_normals = face_normals.astype(np.float32)
    hit = np.full((len(positions), len(directions)), -2, np.int32)
    origins = positions + normals * np.float32(3e-4 * scene.radius)
    chunks = max(1, len(positions) * len(directions) // (2 * RAYS_AT_ONCE))
    for part in np.array_split(np.arange(len(positions)), chunks):
        p, c = np.nonzero(normals[part] @ directions.T > 0)
        p += part[0]
        rays = np.ascontiguousarray(directions[c])
        face = embree.run(np.ascontiguousarray(origins[p]), rays)
        side = np.einsum("ri,ri->r", rays, face_normals[np.maximum(face, 0)]) > 0
        hit[p, c] = np.where(face < 0, -1, 2 * face + side)
    return hit


def _mean_albedo(scene: Scene) -> Floats:
    """(F, 3) linear base colour of each face, from a coarse mip at its middle; stands for all that it sends on."""
    level = np.minimum(3, scene.num_levels - 1)
    rows = scene.mip_rows[(scene.first_rows + level)[scene.face_materials]]
    centre = scene.uvs[scene.faces].mean(1)
    x = np.floor(centre[:, 0] * rows[:, 2]).astype(np.int64) % rows[:, 2]
    y = np.floor(centre[:, 1] * rows[:, 1]).astype(np.int64) % rows[:, 1]
    albedo = scene.texels[rows[:, 0] + y * rows[:, 2] + x, :3]
    if len(scene.colors):
        albedo = albedo * scene.colors[scene.faces].mean(1)
    return np.minimum(albedo, np.float32(0.95))


def octahedral_directions(size: int) -> NDArray[np.float64]:
    """(size^2, 3) unit directions of the texel centres of an octahedral map (Cigolle et al., JCGT 2014)."""
    x, y = np.meshgrid(*[(np.arange(size) + 0.5) / size * 2 - 1] * 2)
    z = 1 - abs(x) - abs(y)
    x, y = np.where(z < 0, (1 - abs(y)) * np.sign(x), x), np.where(z < 0, (1 - abs(x)) * np.sign(y), y)
    d = np.stack([x, y, z], -1).reshape(-1, 3)
    return np.asarray(d / np.linalg.norm(d, axis=1, keepdims=True))


def _probes(hit: NDArray[np.int32], light: Light, radiosity: Floats) -> Floats:
    """(P, 2, texels, 4) as in Bake."""
    from svdmv.render._shading import PROBE_ROUGHNESS, PROBE_SIZE, probes_from_hits

    target = octahedral_directions(PROBE_SIZE)
    cosines = np.clip(light.cell_directions.astype(np.float64) @ target.T, -1, 1)
    lobes = np.stack([ggx_lobe(cosines, float(roughness)) + 1e-6 for roughness in PROBE_ROUGHNESS])
    shine = (lobes * light.cell_energies.mean(1)[:, None]).astype(np.float32)
    area = (lobes * light.cell_solid_angles[:, None]).astype(np.float32)
    out = np.empty((len(hit), len(lobes), len(target), 4), np.float32)
    probes_from_hits(hit, shine, area, radiosity, out)
    return out
