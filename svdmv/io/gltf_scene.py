"""The tree of a glTF model: which meshes stand where, how many times, and how skins bend them at rest.

Source: Khronos glTF 2.0 specification, sections 3.5 (scenes, nodes) and 3.7.3 (skins); EXT_mesh_gpu_instancing;
KHR_node_visibility.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.io.gltf_document import GltfDocument

Matrices = NDArray[np.float64]
_NO_TURN = {"TRANSLATION": (0, 0, 0), "ROTATION": (0, 0, 0, 1), "SCALE": (1, 1, 1)}


@dataclass(frozen=True, eq=False)
class Placement:
    """One appearance of a mesh.

    Attributes:
        mesh: row of the mesh.
        world_from_mesh: (4, 4) float64; the identity for a skinned mesh.
        joints: (J, 4, 4) world_from_bind of each joint of the skin, or None.
        weights: of the morph targets.
        name: of the node, for messages.
    """

    mesh: int
    world_from_mesh: Matrices
    joints: Matrices | None
    weights: tuple[float, ...]
    name: str


def placements(document: GltfDocument) -> list[Placement]:
    """All appearances of meshes in the default scene, at rest. Raises InputError."""
    worlds = _worlds_of_scene(document)
    found = []
    for index, world in worlds.items():
        node = document.row("nodes", index)
        if "mesh" not in node:
            continue
        mesh = document.row("meshes", node["mesh"])
        weights = tuple(float(w) for w in node.get("weights", mesh.get("weights", ())))
        joints = _joints(document, node["skin"], worlds) if "skin" in node else None
        name = str(node.get("name", index))
        for matrix in _instances(document, node, world):
            bent = np.eye(4) if joints is not None else matrix
            found.append(Placement(node["mesh"], bent, joints, weights, name))
    return found


def _roots(document: GltfDocument) -> list[int]:
    nodes, scenes = document.rows("nodes"), document.rows("scenes")
    if scenes:
        return list(document.row("scenes", document.tree.get("scene", 0)).get("nodes", []))
    children = {child for node in nodes for child in node.get("children", [])}
    document.notes.append("the file names no scene: all its nodes are shown")
    return [i for i in range(len(nodes)) if i not in children]


def _worlds_of_scene(document: GltfDocument) -> dict[int, Matrices]:
    """world_from_node of each shown node of the default scene, in the order of the file's tree."""
    worlds: dict[int, Matrices] = {}
    stack = [(index, np.eye(4)) for index in reversed(_roots(document))]
    while stack:
        index, parent = stack.pop()
        node = document.row("nodes", index)
        if index in worlds:
            raise document.refusal("The model's nodes form a circle", f"nodes[{index}] is met twice")
        worlds[index] = parent @ local_matrix(document, node)
        if node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible", True) is False:
            document.notes.append("hidden nodes are left out")
            del worlds[index]
            continue
        stack += [(child, worlds[index]) for child in reversed(node.get("children", []))]
    return worlds


def local_matrix(document: GltfDocument, node: dict[str, Any]) -> Matrices:
    """(4, 4) parent_from_node. Raises InputError when it is not finite."""
    if "matrix" in node:
        matrix = np.asarray(node["matrix"], np.float64).reshape(4, 4).T
    else:
        matrix = matrix_from_trs(*(node.get(key.lower(), rest) for key, rest in _NO_TURN.items()))
    if not np.isfinite(matrix).all():
        raise document.refusal("A node's transform is not finite", f"node {node.get('name', '')!r}")
    return matrix


def matrix_from_trs(translation: Any, rotation_xyzw: Any, scale: Any) -> Matrices:
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


def _instances(document: GltfDocument, node: dict[str, Any], world: Matrices) -> list[Matrices]:
    """The node's matrix, or one a copy with EXT_mesh_gpu_instancing."""
    attributes = node.get("extensions", {}).get("EXT_mesh_gpu_instancing", {}).get("attributes", {})
    columns = {name: document.accessor(attributes[name]) for name in _NO_TURN if name in attributes}
    if not columns:
        return [world]
    if any(not np.isfinite(column).all() for column in columns.values()):
        raise document.refusal("An instance's transform is not finite", f"node {node.get('name', '')!r}")
    count = min(len(column) for column in columns.values())
    return [
        world @ matrix_from_trs(*(columns[name][i] if name in columns else rest for name, rest in _NO_TURN.items()))
        for i in range(count)
    ]


def _joints(document: GltfDocument, index: Any, worlds: dict[int, Matrices]) -> Matrices:
    """(J, 4, 4): each joint's place in the world times its inverse bind matrix."""
    skin = document.row("skins", index)
    numbers = skin.get("joints", [])
    if not numbers:
        raise document.refusal("A skin of the model has no joints", f"skins[{index}]")
    places = np.stack([_world_of(document, number, worlds) for number in numbers])
    if "inverseBindMatrices" not in skin:
        return places
    bind = document.accessor(skin["inverseBindMatrices"]).astype(np.float64)
    if bind.shape[1] != 16 or len(bind) < len(places) or not np.isfinite(bind).all():
        raise document.refusal("A skin's bind matrices are damaged", f"skins[{index}]: {bind.shape}")
    matrices: Matrices = places @ bind[: len(places)].reshape(-1, 4, 4).transpose(0, 2, 1)
    return matrices


def _world_of(document: GltfDocument, index: Any, worlds: dict[int, Matrices]) -> Matrices:
    """world_from_node of any node, also of one outside the default scene."""
    if index in worlds:
        return worlds[index]
    parents = {child: i for i, node in enumerate(document.rows("nodes")) for child in node.get("children", [])}
    matrix, seen = np.eye(4), set[int]()
    at = index
    while at is not None and at not in worlds:
        if at in seen:
            raise document.refusal("The model's nodes form a circle", f"nodes[{at}] is met twice")
        seen.add(at)
        matrix = local_matrix(document, document.row("nodes", at)) @ matrix
        at = parents.get(at)
    return matrix if at is None else worlds[at] @ matrix
