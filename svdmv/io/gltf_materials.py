"""glTF materials -> Material, and which pictures and texture coordinates they use.

Source: Khronos glTF 2.0 specification, section 3.9; KHR_texture_transform; KHR_materials_unlit, _emissive_strength and
_pbrSpecularGlossiness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Material
from svdmv.io.gltf_document import GltfDocument
from svdmv.io.specular_glossiness import metallic_roughness_from_specular_glossiness

_SPEC_GLOSS, _UNLIT, _STRENGTH = (
    "KHR_materials_pbrSpecularGlossiness",
    "KHR_materials_unlit",
    "KHR_materials_emissive_strength",
)
_SOURCES = ("EXT_texture_webp", "EXT_texture_avif", "KHR_texture_basisu")
_REPEAT = 10497


@dataclass(frozen=True, eq=False)
class Slot:
    """One texture of a material: its picture, how it goes on at its edges, and which coordinates it reads.

    Attributes:
        texture: row of the texture, or None.
        texcoord: n of TEXCOORD_n; matrix (3, 3) float64 places the coordinates.
        wraps: glTF's numbers for u and v.
    """

    texture: int | None = None
    texcoord: int = 0
    matrix: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    wraps: tuple[int, int] = (_REPEAT, _REPEAT)

    def same_coordinates(self, other: Slot) -> bool:
        """True when both read the same coordinates."""
        return self.texcoord == other.texcoord and np.array_equal(self.matrix, other.matrix)


def slots_of_material(document: GltfDocument, index: int | None) -> dict[str, Slot]:
    """The textures of a material that is shown, base colour first. Raises InputError."""
    if index is None:
        return {}
    row = document.row("materials", index)
    pbr, gloss = row.get("pbrMetallicRoughness", {}), row.get("extensions", {}).get(_SPEC_GLOSS)
    infos = {
        "base colour": pbr.get("baseColorTexture") if gloss is None else gloss.get("diffuseTexture"),
        "metallic-roughness": pbr.get("metallicRoughnessTexture") if gloss is None else None,
        "specular-glossiness": None if gloss is None else gloss.get("specularGlossinessTexture"),
        "normal": row.get("normalTexture"),
        "emissive": row.get("emissiveTexture"),
    }
    return {name: _slot(document, info) for name, info in infos.items() if info is not None}


def _slot(document: GltfDocument, info: dict[str, Any]) -> Slot:
    transform = info.get("extensions", {}).get("KHR_texture_transform", {})
    turn = float(transform.get("rotation", 0.0))
    c, s = math.cos(turn), math.sin(turn)
    (sx, sy), (tx, ty) = transform.get("scale", (1.0, 1.0)), transform.get("offset", (0.0, 0.0))
    matrix = np.array([[c * sx, s * sy, tx], [-s * sx, c * sy, ty], [0.0, 0.0, 1.0]]) + 0.0  # no negative zeros
    texture = document.row("textures", info["index"])
    sampler = document.row("samplers", texture["sampler"]) if "sampler" in texture else {}
    wraps = (sampler.get("wrapS", _REPEAT), sampler.get("wrapT", _REPEAT))
    return Slot(info["index"], int(transform.get("texCoord", info.get("texCoord", 0))), matrix, wraps)


def picture_of_slot(document: GltfDocument, slot: Slot) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 of a texture; of several encodings the first that every reader knows. Raises InputError."""
    texture = document.row("textures", slot.texture)
    extensions = texture.get("extensions", {})
    kinds = [extensions[name]["source"] for name in _SOURCES if "source" in extensions.get(name, {})]
    source = texture.get("source", kinds[0] if kinds else None)
    if source is None:
        name = next(iter(extensions), None)
        raise document.refusal(
            "A texture of the model is of a kind that is not decoded here",
            name or f"textures[{slot.texture}] without a source",
            "save the model with PNG or JPEG textures",
            status=f"unsupported:{name}" if name else "missing_texture",
        )
    return document.image(source)


def material_from_row(document: GltfDocument, index: int | None, pictures: dict[str, NDArray[np.uint8]]) -> Material:
    """Material `index` with its pictures by the names of `slots_of_material`; None = glTF's default material.

    Raises:
        InputError: a factor is damaged.
    """
    if index is None:
        return Material(name="default", metallic=1.0, roughness=1.0)
    row = document.row("materials", index)
    pbr, extensions = row.get("pbrMetallicRoughness", {}), row.get("extensions", {})
    others = set(extensions) - {_SPEC_GLOSS, _UNLIT, _STRENGTH}
    document.notes.extend(f"{name} is left out" for name in sorted(others))
    strength = float(extensions.get(_STRENGTH, {}).get("emissiveStrength", 1.0))
    emissive = tuple(float(v) * strength for v in row.get("emissiveFactor", (0.0, 0.0, 0.0)))
    base, rough = pictures.get("base colour"), pictures.get("metallic-roughness")
    factor = _floats(document, pbr.get("baseColorFactor", (1.0, 1.0, 1.0, 1.0)), 4)
    metallic, roughness = float(pbr.get("metallicFactor", 1.0)), float(pbr.get("roughnessFactor", 1.0))
    if _SPEC_GLOSS in extensions:
        gloss = extensions[_SPEC_GLOSS]
        converted = metallic_roughness_from_specular_glossiness(
            _floats(document, gloss.get("diffuseFactor", (1.0, 1.0, 1.0, 1.0)), 4),
            _floats(document, gloss.get("specularFactor", (1.0, 1.0, 1.0)), 3),
            float(gloss.get("glossinessFactor", 1.0)),
            base,
            pictures.get("specular-glossiness"),
        )
        factor, metallic, roughness, base, rough = converted
        document.notes.append("specular-glossiness material: converted to metallic-roughness")
    unlit = _UNLIT in extensions
    if unlit:
        metallic, roughness = 0.0, 1.0
    normal, glow = pictures.get("normal"), pictures.get("emissive")
    if "occlusionTexture" in row:
        document.notes.append("an occlusion map is left out: renderers here find occlusion themselves")
    if normal is not None:
        normal = _scaled_normals(normal[..., :3], float(row["normalTexture"].get("scale", 1.0)))
    mode = row.get("alphaMode", "OPAQUE")
    return Material(
        name=str(row.get("name", f"material_{index}")),
        base_color_factor_linear=factor,
        base_color_srgb=base,
        metallic=metallic,
        roughness=roughness,
        metallic_roughness_linear=None if rough is None else rough[..., :3],
        normal_linear=normal,
        emissive_factor_linear=_floats(document, emissive, 3),
        emissive_srgb=None if glow is None else glow[..., :3],
        alpha_mode=mode if mode in ("MASK", "BLEND") else "OPAQUE",
        alpha_cutoff=float(row.get("alphaCutoff", 0.5)),
        double_sided=bool(row.get("doubleSided", False)),
        unlit=unlit,
    )


def _scaled_normals(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: a normal map with x and y times `scale`, of unit length again (glTF 2.0, 3.9.3)."""
    if scale == 1:
        return picture
    vectors = (picture.astype(np.float32) * (2 / 255) - 1) * np.array([scale, scale, 1], np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
    return np.asarray(np.round((vectors + 1) * 127.5), np.uint8)


def _floats(document: GltfDocument, values: Any, count: int) -> Any:
    numbers = tuple(float(v) for v in values)
    if len(numbers) != count or not all(math.isfinite(v) for v in numbers):
        raise document.refusal("A material's factor is damaged", values)
    return numbers
