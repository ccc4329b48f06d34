"""One primitive of a glTF mesh -> triangles in world axes, at rest: morph targets and skins applied.

Source: Khronos glTF 2.0 specification, sections 3.7.2 (geometry, morph targets) and 3.7.3 (skins).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.io.colour import srgb_u8_from_linear
from svdmv.io.gltf_document import GltfDocument
from svdmv.io.gltf_draco import DRACO_NAME, draco_from_primitive
from svdmv.io.gltf_materials import Slot, slots_of_material
from svdmv.io.gltf_scene import Matrices, Placement
from svdmv.io.pieces import Floats, Piece

_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_MODES = {0: "points", 1: "lines", 2: "lines", 3: "lines"}
_CHUNK = 500_000  # vertices bent by a skin at a time


def piece_from_primitive(document: GltfDocument, primitive: dict[str, Any], placement: Placement) -> Piece | None:
    """The triangles of a primitive where `placement` puts them; None, and a note, when it has none.

    Raises:
        InputError: data that contradicts itself, or positions that are not finite.
    """
    mode = primitive.get("mode", _TRIANGLES)
    if mode not in (_TRIANGLES, _STRIP, _FAN):
        document.notes.append(f"{_MODES.get(mode, f'primitives of mode {mode}')} are left out")
        return None
    if "POSITION" not in primitive["attributes"]:
        document.notes.append("a primitive without positions is left out")
        return None
    data = _VertexData(document, primitive, placement.weights)
    local = data.values("POSITION", 3)
    if local is None or not np.isfinite(local).all():
        count = 0 if local is None else int((~np.isfinite(local)).any(1).sum())
        seen = "no vectors of three" if local is None else f"{count} of {len(local)} vertices"
        raise document.refusal("Vertices of the model are not finite", seen)
    faces = _triangles(_checked(document, data.corners(len(local)), len(local)), _TRIANGLES if data.draco else mode)
    normals = data.values("NORMAL", 3)
    if normals is not None and (normals.shape != local.shape or not np.isfinite(normals).all()):
        document.notes.append("stored normals are damaged: computed anew")
        normals = None
    vertices, normals, mirrored = _placed(document, data, placement, local, normals)
    if mirrored:
        faces = np.ascontiguousarray(faces[:, ::-1])
    material = primitive.get("material")
    slots = slots_of_material(document, material)
    first = next(iter(slots.values()), Slot())
    key = (data.key(), first.texcoord, first.matrix.tobytes())
    uvs = _uvs(document, data, first, len(local))
    others = {name: slot for name, slot in slots.items() if not slot.same_coordinates(first)}
    read = {name: _uvs(document, data, slot, len(local)) for name, slot in others.items()}
    other_uvs = {name: found for name, found in read.items() if found is not None}
    return Piece(vertices, faces, material, key, normals, uvs, _colors(document, data, material), other_uvs)


class _VertexData:
    """A primitive's attributes, from Draco or accessors, with its morph targets at the given weights."""

    def __init__(self, document: GltfDocument, primitive: dict[str, Any], weights: tuple[float, ...]) -> None:
        self._document, self._primitive = document, primitive
        self.draco = draco_from_primitive(document, primitive)
        targets = primitive.get("targets", [])
        self._targets = [(t, w) for t, w in zip(targets, weights, strict=False) if w]

    def key(self) -> tuple[Any, ...]:
        """What decides the vertices, to find primitives that share them."""
        packed = self._primitive.get("extensions", {}).get(DRACO_NAME, {}).get("bufferView")
        moved = tuple((*sorted(target.items()), weight) for target, weight in self._targets)
        return (*sorted(self._primitive["attributes"].items()), packed, moved)

    def names(self) -> list[str]:
        """Names of the attributes that are there."""
        return list(self._primitive["attributes"])

    def values(self, name: str, width: int) -> Floats | None:
        """(V, width) floats of an attribute, or None when it is absent or of another width."""
        if name not in self._primitive["attributes"]:
            return None
        found = None if self.draco is None else self.draco[1].get(name)
        stored = self._document.accessor(self._primitive["attributes"][name]) if found is None else found
        if stored.shape[1] != width:
            return None
        values = stored if stored.dtype.kind == "f" else stored.astype(np.float64)
        for target, weight in self._targets:
            if name in target:
                step = self._document.accessor(target[name])
                if step.shape != values.shape:
                    raise self._document.refusal("A morph target of the model is damaged", f"{name}: {step.shape}")
                values = values.astype(np.float64) + weight * step.astype(np.float64)
        return values

    def corners(self, count: int) -> NDArray[Any]:
        """(C,) vertex numbers of the corners."""
        if self.draco is not None:
            return self.draco[0]
        if "indices" not in self._primitive:
            return np.arange(count, dtype=np.int32)
        return self._document.accessor(self._primitive["indices"])[:, 0]


def _checked(document: GltfDocument, corners: NDArray[Any], count: int) -> NDArray[np.int32]:
    if len(corners) and (int(corners.min()) < 0 or int(corners.max()) >= count):
        raise document.refusal(
            "A face of the model names a vertex that is not there", f"index {corners.max()} of {count} vertices"
        )
    return corners.astype(np.int32)


def _triangles(corners: NDArray[np.int32], mode: int) -> NDArray[np.int32]:
    """(F, 3) corners of a triangle list, strip or fan, all counter-clockwise."""
    if mode == _TRIANGLES:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    if len(corners) < 3:
        return np.zeros((0, 3), np.int32)
    i = np.arange(len(corners) - 2)
    if mode == _FAN:
        return np.stack([corners[i + 1], corners[i + 2], np.full(len(i), corners[0])], 1)
    odd = i % 2
    return np.stack([corners[i], corners[i + 1 + odd], corners[i + 2 - odd]], 1)


def _placed(
    document: GltfDocument, data: _VertexData, placement: Placement, local: Floats, normals: Floats | None
) -> tuple[Floats, Floats | None, bool]:
    """Vertices and normals in the world, and whether the placement mirrors."""
    if placement.joints is not None:
        bent = _bent(document, data, placement.joints, local, normals)
        if bent is not None:
            return bent
        document.notes.append("a skin without joints and weights: shown as modelled")
    linear = placement.world_from_mesh[:3, :3]
    if np.array_equal(placement.world_from_mesh, np.eye(4)):
        return local, None if normals is None else _unit(normals), False
    vertices = local @ linear.T + placement.world_from_mesh[:3, 3]
    mirrored = bool(np.linalg.det(linear) < 0)
    if normals is None or np.array_equal(linear, np.eye(3)):
        return vertices, None if normals is None else _unit(normals), mirrored
    turned = normals @ cofactors(linear[None])[0].T
    return vertices, _unit(-turned if mirrored else turned), mirrored


def _bent(
    document: GltfDocument, data: _VertexData, joints: Matrices, local: Floats, normals: Floats | None
) -> tuple[Floats, Floats | None, bool] | None:
    """Linear blend skinning; None without JOINTS_0 and WEIGHTS_0."""
    sets = [(data.values(f"JOINTS_{i}", 4), data.values(f"WEIGHTS_{i}", 4)) for i in range(len(data.names()))]
    pairs = [(j, w) for j, w in sets if j is not None and w is not None]
    if not pairs:
        return None
    numbers = np.concatenate([j for j, _ in pairs], 1).astype(np.int64)
    weights = np.concatenate([w for _, w in pairs], 1).astype(np.float64)
    if len(numbers) != len(local) or len(weights) != len(local) or not np.isfinite(weights).all():
        raise document.refusal("A skin's weights are damaged", f"{len(weights)} of {len(local)} vertices")
    used = weights != 0
    if used.any() and (numbers[used].min() < 0 or numbers[used].max() >= len(joints)):
        raise document.refusal("A skin names a joint that is not there", f"{numbers[used].max()} of {len(joints)}")
    numbers = np.where(used, numbers, 0)
    total = weights.sum(1, keepdims=True)
    weights = np.where(total > 0, weights / np.where(total > 0, total, 1), np.eye(1, weights.shape[1]))
    vertices = np.empty((len(local), 3))
    turned: Floats | None = None if normals is None else np.empty((len(local), 3))
    for start in range(0, len(local), _CHUNK):
        rows = slice(start, start + _CHUNK)
        matrices = np.einsum("vk,vkij->vij", weights[rows], joints[numbers[rows]])
        vertices[rows] = np.einsum("vij,vj->vi", matrices[:, :3, :3], local[rows]) + matrices[:, :3, 3]
        if turned is not None and normals is not None:
            turned[rows] = np.einsum("vij,vj->vi", cofactors(matrices[:, :3, :3]), normals[rows])
    mirrored = bool(np.median(np.linalg.det(joints[:, :3, :3])) < 0)
    if turned is not None:
        turned = _unit(-turned if mirrored else turned)
    return vertices, turned, mirrored


def cofactors(matrices: NDArray[Any]) -> NDArray[np.float64]:
    """(N, 3, 3) cofactor matrices: they turn normals as the inverse transpose does, flattening matrices included."""
    a, b, c = (matrices[:, :, k] for k in range(3))
    return np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], 2)


def _unit(normals: Floats) -> Floats:
    """Unit vectors; those that are one stay as they are, bit for bit."""
    length = np.linalg.norm(normals.astype(np.float64), axis=1, keepdims=True)
    if (np.abs(length - 1) < 1e-5).all():
        return normals
    return np.where(np.abs(length - 1) < 1e-5, normals, normals / np.maximum(length, 1e-300))


def _uvs(document: GltfDocument, data: _VertexData, slot: Slot, count: int) -> Floats | None:
    name = f"TEXCOORD_{slot.texcoord}"
    if name not in data.names():
        return None
    uvs = data.values(name, 2)
    if uvs is None or len(uvs) != count or not np.isfinite(uvs).all():
        seen = "no pairs" if uvs is None else f"{uvs.shape} for {count} vertices"
        raise document.refusal("Texture coordinates of the model are damaged", seen)
    if np.array_equal(slot.matrix, np.eye(3)):
        return uvs
    return uvs.astype(np.float64) @ slot.matrix[:2, :2].T + slot.matrix[:2, 2]


def _colors(document: GltfDocument, data: _VertexData, material: int | None) -> NDArray[np.uint8] | None:
    """Vertex colours as sRGB; their alpha is noted where the material would show it."""
    if "COLOR_0" not in data.names():
        return None
    colors = data.values("COLOR_0", 4)
    colors = data.values("COLOR_0", 3) if colors is None else colors
    if colors is None or not np.isfinite(colors).all():
        document.notes.append("vertex colours are damaged: left out")
        return None
    opaque = material is None or document.row("materials", material).get("alphaMode", "OPAQUE") == "OPAQUE"
    if colors.shape[1] == 4 and not opaque and (colors[:, 3] < 1).any():
        document.notes.append("the alpha of vertex colours is left out")
    return srgb_u8_from_linear(colors[:, :3])
