"""glTF 2.0 -> Asset: the default scene, every node's transform applied, all triangles in one mesh.

Animations, morph targets and skins are left at rest (noted). Compression that needs a decoder (Draco, meshopt, KTX2) is
refused by name. Source: Khronos glTF 2.0 specification, sections 3.5 (nodes), 3.7 (meshes), 3.9 (materials).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, Material, Mesh, vertex_normals
from svdmv.io.colour import srgb_u8_from_linear
from svdmv.io.gltf_document import GltfDocument
from svdmv.io.gltf_materials import UvChoice, material_from_row, uv_choice

PROVENANCE_KEY = "svdmv"
_UNDERSTOOD = {"KHR_mesh_quantization", "KHR_texture_transform", "EXT_mesh_gpu_instancing", "EXT_texture_webp"}
_NEED_DECODER = {
    "KHR_draco_mesh_compression": "Draco compression",
    "EXT_meshopt_compression": "meshopt compression",
    "KHR_meshopt_compression": "meshopt compression",
    "KHR_texture_basisu": "KTX2 (Basis Universal) textures",
}
_TRIANGLES, _STRIP, _FAN = 4, 5, 6


def asset_from_document(document: GltfDocument) -> tuple[Asset, list[str]]:
    """The default scene of `document` as one asset in world axes, and notes on what was left out.

    Provenance is what a GLB of ours carries in its extras, else empty.

    Raises:
        InputError: no triangles, an unknown required extension, or data that contradicts itself.
    """
    _check_extensions(document)
    notes: list[str] = []
    pieces: list[_Piece] = []
    for node, world_from_node in _placed_nodes(document, notes):
        for matrix in _instances(document, node, world_from_node):
            placement = len(pieces)
            for primitive in document.row("meshes", node["mesh"]).get("primitives", []):
                piece = _piece(document, primitive, matrix, notes)
                if piece is not None:
                    piece.key = (placement, *piece.key)
                    pieces.append(piece)
        if "skin" in node:
            notes.append("skins are not applied: shown as modelled")
    if not pieces:
        raise document.refusal(
            "The model's scene holds no triangles",
            f"{len(document.rows('meshes'))} meshes, {len(document.rows('nodes'))} nodes",
            "export the visible objects as triangles, in the default scene",
        )
    if document.rows("animations"):
        notes.append("animations are not played: shown at rest")
    return _joined(document, pieces, notes), list(dict.fromkeys(notes))


class _Piece:
    """One primitive in world axes."""

    def __init__(self, vertices: NDArray[np.float64], faces: NDArray[np.int64], material: int | None) -> None:
        self.vertices, self.faces, self.material = vertices, faces, material
        self.key: tuple[Any, ...] = ()  # equal for primitives of one placement that share all their vertex data
        self.normals: NDArray[np.float64] | None = None
        self.uvs: NDArray[np.float64] | None = None
        self.colors: NDArray[np.uint8] | None = None


def _check_extensions(document: GltfDocument) -> None:
    for name in document.tree.get("extensionsRequired", []):
        if name in _NEED_DECODER:
            raise document.refusal(
                f"The model uses {_NEED_DECODER[name]}, which is not decoded here",
                name,
                "save it without compression (Blender: export glTF with Compression off, textures as PNG or JPEG)",
            )
        if name not in _UNDERSTOOD and not name.startswith("KHR_materials_") and name != "KHR_lights_punctual":
            raise document.refusal("The model requires an extension that is not known here", name)


def _placed_nodes(document: GltfDocument, notes: list[str]) -> list[tuple[dict[str, Any], NDArray[np.float64]]]:
    """Nodes with a mesh in the default scene and their (4, 4) world_from_node."""
    nodes, scenes = document.rows("nodes"), document.rows("scenes")
    if scenes:
        roots = document.row("scenes", document.tree.get("scene", 0)).get("nodes", [])
    else:
        children = {child for node in nodes for child in node.get("children", [])}
        roots = [i for i in range(len(nodes)) if i not in children]
        notes.append("the file names no scene: all its nodes are shown")
    placed, seen = [], set()
    stack = [(index, np.eye(4)) for index in reversed(roots)]
    while stack:
        index, parent = stack.pop()
        if index in seen:
            raise document.refusal("The model's nodes form a circle", f"nodes[{index}] is met twice")
        seen.add(index)
        node = document.row("nodes", index)
        world = parent @ _local_matrix(document, node)
        stack += [(child, world) for child in reversed(node.get("children", []))]
        if "mesh" in node:
            placed.append((node, world))
    return placed


def _local_matrix(document: GltfDocument, node: dict[str, Any]) -> NDArray[np.float64]:
    if "matrix" in node:
        matrix = np.asarray(node["matrix"], np.float64).reshape(4, 4).T
    else:
        matrix = matrix_from_trs(
            node.get("translation", (0, 0, 0)), node.get("rotation", (0, 0, 0, 1)), node.get("scale", (1, 1, 1))
        )
    if not np.isfinite(matrix).all():
        raise document.refusal("A node's transform is not finite", f"node {node.get('name', '')!r}")
    return matrix


def matrix_from_trs(translation: Any, rotation_xyzw: Any, scale: Any) -> NDArray[np.float64]:
    """(4, 4): scale, then turn by the quaternion (x, y, z, w), then shift (glTF 2.0, 3.5.3)."""
    x, y, z, w = np.asarray(rotation_xyzw, np.float64) / max(float(np.linalg.norm(rotation_xyzw)), 1e-12)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.asarray(scale, np.float64)
    matrix[:3, 3] = translation
    return matrix


def _instances(document: GltfDocument, node: dict[str, Any], world: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The node's matrix, or one a copy with EXT_mesh_gpu_instancing."""
    attributes = node.get("extensions", {}).get("EXT_mesh_gpu_instancing", {}).get("attributes")
    if not attributes:
        return [world]
    columns = {
        name: document.accessor(attributes[name]) for name in ("TRANSLATION", "ROTATION", "SCALE") if name in attributes
    }
    count = min((len(c) for c in columns.values()), default=1)
    rest = {"TRANSLATION": (0, 0, 0), "ROTATION": (0, 0, 0, 1), "SCALE": (1, 1, 1)}
    return [
        world @ matrix_from_trs(*(columns[name][i] if name in columns else rest[name] for name in rest))
        for i in range(count)
    ]


def _piece(
    document: GltfDocument, primitive: dict[str, Any], matrix: NDArray[np.float64], notes: list[str]
) -> _Piece | None:
    """One primitive in world axes; None for points and lines, which are noted."""
    mode = primitive.get("mode", _TRIANGLES)
    if mode not in (_TRIANGLES, _STRIP, _FAN):
        notes.append("points and lines are left out")
        return None
    attributes = primitive["attributes"]
    if "POSITION" not in attributes:
        notes.append("a primitive without positions is left out")
        return None
    local = document.accessor(attributes["POSITION"]).astype(np.float64)
    if local.shape[1] != 3 or not np.isfinite(local).all():
        count = int((~np.isfinite(local)).any(1).sum())
        raise document.refusal("Vertices of the model are not finite", f"{count} of {len(local)} vertices")
    corners = _corners(document, primitive, len(local))
    faces = _triangles(corners, mode)
    linear = matrix[:3, :3]
    determinant = np.linalg.det(linear)
    if determinant < 0:
        faces = faces[:, ::-1]
    piece = _Piece(local @ linear.T + matrix[:3, 3], faces, primitive.get("material"))
    if "NORMAL" in attributes and determinant != 0:
        normals = document.accessor(attributes["NORMAL"]).astype(np.float64)
        if normals.shape == local.shape and np.isfinite(normals).all():
            piece.normals = _turned(normals, linear)
        else:
            notes.append("stored normals are damaged: computed anew")
    if "targets" in primitive:
        notes.append("morph targets are not applied: shown at rest")
    choice = uv_choice(document, piece.material)
    name = f"TEXCOORD_{choice.texcoord}"
    if name in attributes:
        piece.uvs = _placed_uvs(document, attributes[name], choice, len(local))
    if "COLOR_0" in attributes:
        piece.colors = _colors(document, attributes["COLOR_0"], len(local), notes)
    piece.key = (*sorted(attributes.items()), name, choice.matrix.tobytes())
    return piece


def _turned(normals: NDArray[np.float64], linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit normals after the inverse transpose of `linear`; unit vectors stay bit for bit under the identity."""
    turned = normals if np.array_equal(linear, np.eye(3)) else normals @ np.linalg.inv(linear)
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.where(np.abs(length - 1) < 1e-5, turned, turned / np.maximum(length, 1e-30))
    return unit


def _corners(document: GltfDocument, primitive: dict[str, Any], count: int) -> NDArray[np.int64]:
    if "indices" not in primitive:
        return np.arange(count)
    corners = document.accessor(primitive["indices"])[:, 0].astype(np.int64)
    if len(corners) and (corners.min() < 0 or corners.max() >= count):
        raise document.refusal(
            "A face of the model names a vertex that is not there", f"index {corners.max()} of {count} vertices"
        )
    return corners


def _triangles(corners: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    """(F, 3) corners of a triangle list, strip or fan, all counter-clockwise."""
    if mode == _TRIANGLES:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    if len(corners) < 3:
        return np.zeros((0, 3), np.int64)
    i = np.arange(len(corners) - 2)
    if mode == _FAN:
        return np.stack([corners[i + 1], corners[i + 2], np.full(len(i), corners[0])], 1)
    odd = i % 2
    return np.stack([corners[i], corners[i + 1 + odd], corners[i + 2 - odd]], 1)


def _placed_uvs(document: GltfDocument, accessor: Any, choice: UvChoice, count: int) -> NDArray[np.float64]:
    uvs = document.accessor(accessor).astype(np.float64)
    if uvs.shape != (count, 2) or not np.isfinite(uvs).all():
        raise document.refusal("Texture coordinates of the model are damaged", f"{uvs.shape} for {count} vertices")
    placed: NDArray[np.float64] = uvs @ choice.matrix[:2, :2].T + choice.matrix[:2, 2]
    return placed


def _colors(document: GltfDocument, accessor: Any, count: int, notes: list[str]) -> NDArray[np.uint8] | None:
    colors = document.accessor(accessor).astype(np.float64)
    if len(colors) != count or colors.shape[1] not in (3, 4) or not np.isfinite(colors).all():
        notes.append("vertex colours are damaged: left out")
        return None
    if colors.shape[1] == 4 and (colors[:, 3] < 1).any():
        notes.append("the alpha of vertex colours is left out")
    return srgb_u8_from_linear(colors[:, :3])


def _joined(document: GltfDocument, pieces: list[_Piece], notes: list[str]) -> Asset:
    """All pieces as one asset; what some pieces lack is filled: white colours, zero uvs, computed normals."""
    blocks: dict[tuple[Any, ...], list[_Piece]] = {}
    for piece in pieces:
        blocks.setdefault(piece.key, []).append(piece)
    heads = [block[0] for block in blocks.values()]
    pieces = [piece for block in blocks.values() for piece in block]
    offsets = dict(zip(blocks, np.cumsum([0] + [len(p.vertices) for p in heads]), strict=False))
    vertices = np.concatenate([p.vertices for p in heads])
    faces = np.concatenate([p.faces + offsets[p.key] for p in pieces])
    normals = uvs = colors = None
    if any(p.normals is not None for p in heads):
        computed = vertex_normals(vertices, faces)
        at = [offsets[p.key] for p in heads]
        normals = np.concatenate(
            [
                computed[o : o + len(p.vertices)] if p.normals is None else p.normals
                for p, o in zip(heads, at, strict=True)
            ]
        )
    if any(p.uvs is not None for p in heads):
        uvs = np.concatenate([np.zeros((len(p.vertices), 2)) if p.uvs is None else p.uvs for p in heads])
    if any(p.colors is not None for p in heads):
        colors = np.concatenate(
            [np.full((len(p.vertices), 3), 255, np.uint8) if p.colors is None else p.colors for p in heads]
        )
    used = list(dict.fromkeys(p.material for p in pieces))
    materials: tuple[Material, ...] = tuple(material_from_row(document, index, notes) for index in used)
    face_materials = np.concatenate([np.full(len(p.faces), used.index(p.material), np.int32) for p in pieces])
    mesh = Mesh(
        vertices.astype(np.float32),
        faces.astype(np.int32),
        None if normals is None else normals.astype(np.float32),
        None if uvs is None else uvs.astype(np.float32),
        colors,
    )
    extras = document.tree["asset"].get("extras")
    provenance = extras.get(PROVENANCE_KEY, {}) if isinstance(extras, dict) else {}
    return Asset(mesh, materials, face_materials if len(materials) > 1 else None, provenance)
