"""An asset laid out for the renderer: flat vertex arrays, one buffer of texels with a mip table per material."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, DataError, Material
from svdmv.io.colour import linear_from_srgb

Floats = NDArray[np.float32]

CREASE_DEG = 45.0
MAX_TEXELS = 6_000_000
MIN_AREA = 1e-12  # of a face, doubled, over the square of the largest extent: below, its normal is noise
MIN_MIP_SIZE = 4
_LINEAR_OF_BYTE = linear_from_srgb(np.arange(256) / 255).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Scene:
    """What the kernels read.

    Attributes:
        vertices: (V, 3) float64 world; normals (V, 3) float32 unit; uvs (V, 2) float32, glTF origin.
        colors: (V, 3) float32 linear vertex colours, or (0, 3) for none.
        faces: (F, 3) int32; face_materials (F,) int32; face_cutoffs (F,) float32, alpha below which a sample is
            left out, 0 = never.
        face_sides: (F,) int8, +1 where the winding agrees with the normals, else -1.
        face_texels: (F,) float64, texels of the finest level that the face covers, doubled.
        texels: (T, 6 or 9) float32: linear RGB, roughness, metallic, alpha, and emissive RGB where any is.
        mip_rows: (R, 3) int64: offset, height, width of each mip level; first_rows (M,), num_levels (M,) by material.
        radius: half the diagonal of the bounding box, world units.
    """

    vertices: NDArray[np.float64]
    normals: Floats
    uvs: Floats
    colors: Floats
    faces: NDArray[np.int32]
    face_materials: NDArray[np.int32]
    face_cutoffs: Floats
    face_sides: NDArray[np.int8]
    face_texels: NDArray[np.float64]
    texels: Floats
    mip_rows: NDArray[np.int64]
    first_rows: NDArray[np.int64]
    num_levels: NDArray[np.int64]
    radius: float


def scene_from_asset(asset: Asset, *, max_edge: float = 0.1, max_vertices: int = 24_000) -> Scene:
    """The Scene of an asset. Faces without area are left out; missing normals are computed, sharp above 45 degrees;
    edges longer than `max_edge` times the radius are halved while the count of vertices stays below `max_vertices`,
    because light is stored on vertices. BLEND materials are cut out at alpha 0.5 of their texture.

    Raises:
        DataError: no face has an area.
    """
    mesh = asset.mesh
    positions = mesh.vertices.astype(np.float64)
    corners = positions[mesh.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    extent = float(np.ptp(corners.reshape(-1, 3), axis=0).max()) if len(corners) else 0.0
    keep = np.linalg.norm(cross, axis=1) > MIN_AREA * extent**2
    if not keep.any():
        raise DataError(
            "There is nothing to render",
            where="Asset.mesh",
            seen=f"{len(mesh.faces)} faces, none with an area",
            expected="at least one triangle with an area",
        )
    faces, face_materials, cross = mesh.faces[keep], asset.material_of_faces()[keep], cross[keep]
    used = positions[faces].reshape(-1, 3)
    radius = float(np.linalg.norm(np.ptp(used, axis=0)) / 2)

    uvs = np.zeros((len(positions), 2), np.float32) if mesh.uvs is None else mesh.uvs
    colors = np.ones((0, 3), np.float32) if mesh.colors is None else _LINEAR_OF_BYTE[mesh.colors]
    if mesh.normals is None:
        source, faces, normals = creased(mesh.vertices, faces)
        positions, uvs, colors = positions[source], uvs[source], colors[source] if len(colors) else colors
    else:
        normals = mesh.normals.astype(np.float64)
    normals = _unit_normals(normals, faces, cross)
    attributes = np.hstack([normals, uvs, colors if len(colors) else np.zeros((len(uvs), 0))])
    positions, attributes, faces, parents = split_long_edges(
        positions, attributes, faces, max_edge * radius, max_vertices
    )
    normals = attributes[:, :3]
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    cross = cross[parents]
    agrees = np.einsum("fi,fi->f", cross, normals[faces].sum(1)) >= 0
    texels, mip_rows, first_rows, num_levels = _texel_buffer(asset.materials)
    cutoffs = np.array([_cutoff(m) for m in asset.materials], np.float32)
    face_materials = face_materials[parents]
    a, b, c = (attributes[faces[:, k], 3:5] for k in range(3))
    uv_areas = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    return Scene(
        vertices=np.ascontiguousarray(positions),
        normals=np.ascontiguousarray(normals, np.float32),
        uvs=np.ascontiguousarray(attributes[:, 3:5], np.float32),
        colors=np.ascontiguousarray(attributes[:, 5:] if len(colors) else np.zeros((0, 3)), np.float32),
        faces=np.ascontiguousarray(faces, np.int32),
        face_materials=np.ascontiguousarray(face_materials, np.int32),
        face_cutoffs=cutoffs[face_materials],
        face_sides=np.where(agrees, 1, -1).astype(np.int8),
        face_texels=uv_areas * mip_rows[first_rows[face_materials], 1:].prod(1),
        texels=texels,
        mip_rows=mip_rows,
        first_rows=first_rows,
        num_levels=num_levels,
        radius=radius,
    )


def welded(points: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """For each row of (N, D) the number of its first equal row's group, and how many groups there are."""
    rows = np.ascontiguousarray(points) + 0.0  # -0 equals 0
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).reshape(-1)
    _, index = np.unique(keys, return_inverse=True)
    return index.reshape(-1), int(index.max()) + 1


def creased(
    vertices: NDArray[Any], faces: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Normals of a mesh (V, 3), (F, 3): smooth where faces meet at less than CREASE_DEG, sharp above.

    Vertices at the same place count as one, whatever their other attributes.

    Returns:
        source (W,) the vertex each new vertex comes from, faces (F, 3) into the new vertices, unit normals (W, 3).
    """
    from svdmv.render._kernels import corner_normals

    corners = np.asarray(vertices, np.float64)[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    place, count = welded(vertices)
    corner_place = place[faces].reshape(-1)
    order = np.argsort(corner_place, kind="stable")
    starts = np.searchsorted(corner_place[order], np.arange(count + 1))
    min_cosine = float(np.cos(np.radians(CREASE_DEG)))
    normals = corner_normals(faces, cross, starts, order, min_cosine).reshape(-1, 3)
    source = faces.reshape(-1).astype(np.int64)
    index, count = welded(np.hstack([source[:, None].astype(np.float64), np.round(normals * 4096)]))
    first = np.zeros(count, np.int64)
    first[index[::-1]] = np.arange(len(index))[::-1]
    return source[first], index.reshape(-1, 3), normals[first]


def _unit_normals(normals: NDArray[Any], faces: NDArray[Any], cross: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit normals (V, 3) float64; where one is missing (length 0) the sum of its faces' normals."""
    out = np.asarray(normals, np.float64)
    length = np.linalg.norm(out, axis=1, keepdims=True)
    if (length < 1e-6).any():
        computed = np.zeros_like(out)
        for k in range(3):
            np.add.at(computed, faces[:, k], cross)
        out = np.where(length < 1e-6, computed, out)
        length = np.linalg.norm(out, axis=1, keepdims=True)
        out = np.where(length < 1e-30, np.array([0.0, 1.0, 0.0]), out)
        length = np.where(length < 1e-30, 1.0, length)
    return np.asarray(out / length)


def split_long_edges(
    positions: NDArray[np.float64],
    attributes: NDArray[Any],
    faces: NDArray[Any],
    max_edge: float,
    max_vertices: int,
    rounds: int = 7,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[Any], NDArray[np.int64]]:
    """Halve edges longer than `max_edge` without T-junctions; both faces of an edge see the same new vertex.

    A round that would pass `max_vertices` is done with a longer limit, or not at all.

    Returns:
        positions, attributes, faces, and the face of the input that each face comes from.
    """
    faces = faces.astype(np.int64)
    parents = np.arange(len(faces))
    for _ in range(rounds):
        pairs = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        keys, edge_of = np.unique(pairs[:, 0] * len(positions) + pairs[:, 1], return_inverse=True)
        a, b = keys // len(positions), keys % len(positions)
        length = np.sqrt(((positions[a] - positions[b]) ** 2).sum(1))
        room = max_vertices - len(positions)
        limit = max_edge
        if (length > limit).sum() > room:
            limit = np.inf if room <= 0 else max(limit, float(np.partition(length, -room)[-room]))
        split = length > limit
        if not split.any():
            break
        new = np.full(len(keys), -1)
        new[split] = len(positions) + np.arange(split.sum())
        a, b = a[split], b[split]
        positions = np.concatenate([positions, (positions[a] + positions[b]) / 2])
        attributes = np.concatenate([attributes, (attributes[a] + attributes[b]) / 2])
        faces, parents = _split_faces(faces, new[edge_of.reshape(-1, 3)], parents)
    return positions, attributes, faces, parents


def _split_faces(
    faces: NDArray[np.int64], middles: NDArray[np.int64], parents: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Faces cut at the middles (F, 3) of their edges 01, 12, 20 (-1 = whole): into 1, 2, 3 or 4."""
    number = (middles >= 0).sum(1)
    parts, owners = [faces[number == 0]], [parents[number == 0]]

    def turned(chosen: NDArray[np.bool_], first: NDArray[Any]) -> tuple[NDArray[np.int64], ...]:
        order = (first[:, None] + np.arange(3)) % 3
        f = np.take_along_axis(faces[chosen], order, 1)
        m = np.take_along_axis(middles[chosen], order, 1)
        return (*f.T, *m.T)

    one = number == 1
    a, b, c, ab, _, _ = turned(one, np.argmax(middles[one] >= 0, 1))
    two = number == 2
    d, e, f, de, ef, _ = turned(two, (np.argmax(middles[two] < 0, 1) + 1) % 3)
    three = number == 3
    g, h, i, gh, hi, ig = turned(three, np.zeros(three.sum(), np.int64))
    for chosen, triangles in (
        (one, ((a, ab, c), (ab, b, c))),
        (two, ((de, e, ef), (d, de, ef), (d, ef, f))),
        (three, ((g, gh, ig), (gh, h, hi), (ig, hi, i), (gh, hi, ig))),
    ):
        for triangle in triangles:
            parts.append(np.stack(triangle, 1))
            owners.append(parents[chosen])
    return np.concatenate(parts), np.concatenate(owners)


def _cutoff(material: Material) -> float:
    """Alpha below which a sample of this material is left out; 0 where its alpha never falls below."""
    if material.alpha_mode == "OPAQUE":
        return 0.0
    factor = material.base_color_factor_linear[3] if material.alpha_mode == "MASK" else 1.0
    cutoff = material.alpha_cutoff if material.alpha_mode == "MASK" else 0.5
    lowest = 1.0 if material.base_color_srgb is None else float(material.base_color_srgb[..., 3].min()) / 255
    return 0.0 if lowest * factor >= cutoff else cutoff


def _texel_buffer(
    materials: tuple[Material, ...],
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """All materials' texels and mips in one buffer: texels, mip rows, first row and number of levels by material."""
    emissive = any(max(m.emissive_factor_linear) > 0 for m in materials)
    total = sum(np.prod(_texture_size(m)) for m in materials)
    shrink = max(1.0, float(np.sqrt(total / MAX_TEXELS)))
    levels: list[Floats] = []
    first_rows, num_levels = [], []
    for material in materials:
        chain = _mips(_texels(material, emissive, shrink))
        first_rows.append(len(levels))
        num_levels.append(len(chain))
        levels += chain
    sizes = np.array([level.shape[:2] for level in levels], np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes.prod(1))[:-1]])
    texels = np.concatenate([level.reshape(-1, level.shape[2]) for level in levels])
    return texels, np.column_stack([offsets, sizes]), np.array(first_rows, np.int64), np.array(num_levels, np.int64)


def _texture_size(material: Material) -> tuple[int, int]:
    """Height, width of the largest of the material's pictures that are read; (1, 1) without any."""
    pictures = (material.base_color_srgb, material.metallic_roughness_linear, material.emissive_srgb)
    sizes = [p.shape[:2] for p in pictures if p is not None]
    return max(sizes, key=lambda s: s[0] * s[1]) if sizes else (1, 1)


def _texels(material: Material, emissive: bool, shrink: float) -> Floats:
    """(H, W, 6 or 9) linear texels of a material, factors included; larger than allowed, it is shrunk."""
    h, w = _texture_size(material)
    h, w = max(1, int(h / shrink)), max(1, int(w / shrink))
    out = np.empty((h, w, 9 if emissive else 6), np.float32)
    base = np.ones((1, 1, 4), np.float32)
    if material.base_color_srgb is not None:
        alpha = np.asarray(material.base_color_srgb[..., 3:] / 255, np.float32)
        base = np.concatenate([_LINEAR_OF_BYTE[material.base_color_srgb[..., :3]], alpha], -1)
    base = np.asarray(_resized(base, h, w) * np.array(material.base_color_factor_linear), np.float32)
    out[..., :3], out[..., 5] = base[..., :3], base[..., 3]
    out[..., 3], out[..., 4] = material.roughness, material.metallic
    if material.metallic_roughness_linear is not None:
        extra = _resized(np.asarray(material.metallic_roughness_linear / 255, np.float32), h, w)
        out[..., 3:5] *= extra[..., 1:]
    out[..., 3:5] = out[..., 3:5].clip(0, 1)
    if emissive:
        out[..., 6:] = np.array(material.emissive_factor_linear, np.float32)
        if material.emissive_srgb is not None:
            out[..., 6:] *= _resized(_LINEAR_OF_BYTE[material.emissive_srgb], h, w)
    if material.alpha_mode == "BLEND":
        out[..., 5] /= max(material.base_color_factor_linear[3], 1e-6)
    return out


def _resized(image: Floats, height: int, width: int) -> Floats:
    """A linear picture on another grid: a constant is repeated, others go through Pillow's box filter a channel."""
    if image.shape[:2] == (height, width):
        return image
    if image.shape[:2] == (1, 1):
        return np.broadcast_to(image, (height, width, image.shape[2]))
    from PIL import Image

    larger = height > image.shape[0] or width > image.shape[1]
    how = Image.Resampling.BILINEAR if larger else Image.Resampling.BOX
    channels = [Image.fromarray(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])]
    return np.stack([np.asarray(c.resize((width, height), how)) for c in channels], -1)


def _mips(image: Floats) -> list[Floats]:
    """The picture and its halvings by box average, down to MIN_MIP_SIZE on the shorter side."""
    chain = [image]
    while min(chain[-1].shape[:2]) >= 2 * MIN_MIP_SIZE:
        last = chain[-1]
        even = last[: last.shape[0] // 2 * 2, : last.shape[1] // 2 * 2]
        chain.append(
            np.asarray((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4, np.float32)
        )
    return chain
