"""glTF 2.0 -> Asset: the default scene at rest, every transform applied, all triangles in one mesh.

Morph targets stand at their default weights and skins in the pose of their nodes; animations are not played (noted).
Draco, meshopt, quantised data, KTX2 and WebP textures are decoded. Source: Khronos glTF 2.0 specification.
"""

from __future__ import annotations

import numpy as np

from svdmv.core import Asset
from svdmv.io.gltf_document import GltfDocument
from svdmv.io.gltf_draco import DRACO_NAME
from svdmv.io.gltf_materials import material_from_row
from svdmv.io.gltf_primitives import piece_from_primitive
from svdmv.io.gltf_scene import placements
from svdmv.io.gltf_textures import pictures_of_material
from svdmv.io.meshopt import MESHOPT_NAMES
from svdmv.io.pieces import Piece, mesh_from_pieces

PROVENANCE_KEY = "svdmv"
MAX_FACES = 100_000_000
_UNDERSTOOD = {
    "KHR_mesh_quantization",
    "KHR_texture_transform",
    "KHR_texture_basisu",
    "EXT_texture_webp",
    "EXT_texture_avif",
    "EXT_mesh_gpu_instancing",
    "KHR_node_visibility",
    "KHR_lights_punctual",
    "KHR_animation_pointer",
    "KHR_xmp_json_ld",
    "EXT_mesh_manifold",
    DRACO_NAME,
    *MESHOPT_NAMES,
}


def asset_from_document(document: GltfDocument) -> tuple[Asset, list[str]]:
    """The default scene of `document` as one asset in world axes, and notes on what was left out.

    Provenance is what a GLB of ours carries in its extras, else empty.

    Raises:
        InputError: no triangles, an unknown required extension, or data that contradicts itself.
        MissingDependency: a decoder of an extra is not installed.
    """
    for name in document.tree.get("extensionsRequired", []):
        if name not in _UNDERSTOOD and not name.startswith("KHR_materials_"):
            step = f"export the model without {name}"
            what = "The model requires an extension that is not known here"
            raise document.refusal(what, name, step, status=f"unsupported:{name}")
    pieces = _pieces(document)
    if not pieces:
        raise _no_triangles(document)
    if document.rows("animations"):
        document.notes.append("animations are not played: shown at rest")
    asset = _joined(document, pieces)
    return asset, list(dict.fromkeys(document.notes))


def _pieces(document: GltfDocument) -> list[Piece]:
    pieces: list[Piece] = []
    total = 0
    for number, placement in enumerate(placements(document)):
        for primitive in document.row("meshes", placement.mesh).get("primitives", []):
            piece = piece_from_primitive(document, primitive, placement)
            if piece is None or not len(piece.faces):
                continue
            total += len(piece.faces)
            if total > MAX_FACES:
                seen = f"more than {MAX_FACES:,} triangles, instances counted"
                raise document.refusal("The model is too large", seen, "simplify the model first", status="oom")
            piece.key = (number, *piece.key)
            pieces.append(piece)
    return pieces


def _no_triangles(document: GltfDocument) -> Exception:
    scenes, shown = document.rows("scenes"), document.tree.get("scene", 0)
    others = [i for i, scene in enumerate(scenes) if i != shown and scene.get("nodes")]
    if scenes and others and not scenes[shown].get("nodes"):
        return document.refusal(
            f"The model's default scene is empty; its objects are in scene {others[0]}",
            f"scene {shown} of {len(scenes)} has no nodes",
            "make the scene with the object the default one and export again",
            status="empty",
        )
    kinds = [note for note in dict.fromkeys(document.notes) if note.endswith("left out")]
    return document.refusal(
        "The model's scene holds no triangles",
        "; ".join([f"{len(document.rows('meshes'))} meshes, {len(document.rows('nodes'))} nodes", *kinds]),
        "export the visible objects as triangles, in the default scene",
        status="empty",
    )


def _joined(document: GltfDocument, pieces: list[Piece]) -> Asset:
    used = list(dict.fromkeys(piece.material for piece in pieces))
    materials = []
    for index in used:
        pictures = pictures_of_material(document, index, [p for p in pieces if p.material == index])
        materials.append(material_from_row(document, index, pictures))
    mesh, owners = mesh_from_pieces(pieces)
    numbers = {material: number for number, material in enumerate(used)}
    face_materials = np.repeat(
        np.array([numbers[piece.material] for piece, _ in owners], np.int32), [count for _, count in owners]
    )
    extras = document.tree["asset"].get("extras")
    provenance = extras.get(PROVENANCE_KEY, {}) if isinstance(extras, dict) else {}
    return Asset(mesh, tuple(materials), face_materials if len(used) > 1 else None, provenance)
