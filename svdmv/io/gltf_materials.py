"""glTF materials -> Material, and which texture coordinates they use.

Source: Khronos glTF 2.0 specification, section 3.9; KHR_texture_transform; KHR_materials_pbrSpecularGlossiness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Material
from svdmv.io.gltf_document import GltfDocument

_SPEC_GLOSS = "KHR_materials_pbrSpecularGlossiness"


@dataclass(frozen=True, eq=False)
class UvChoice:
    """Which TEXCOORD_n a material reads, and the (3, 3) matrix that places it."""

    texcoord: int
    matrix: NDArray[np.float64]

    def same_as(self, other: UvChoice) -> bool:
        """True when both read the same coordinates."""
        return self.texcoord == other.texcoord and np.array_equal(self.matrix, other.matrix)


def uv_choice(document: GltfDocument, material_index: int | None) -> UvChoice:
    """The coordinates of the material's first texture, base colour before the others."""
    if material_index is None:
        return UvChoice(0, np.eye(3))
    infos = _texture_infos(document.row("materials", material_index))
    return next((_choice_of(info) for info in infos.values() if info is not None), UvChoice(0, np.eye(3)))


def material_from_row(document: GltfDocument, index: int | None, notes: list[str]) -> Material:
    """Material `index` of the document with its textures decoded; None = glTF's default material.

    Raises:
        InputError: a texture is missing, damaged or of a kind that is not decoded.
    """
    if index is None:
        return Material(name="default", metallic=1.0, roughness=1.0)
    row = document.row("materials", index)
    pbr, extensions = row.get("pbrMetallicRoughness", {}), row.get("extensions", {})
    infos = _texture_infos(row)
    wanted = uv_choice(document, index)
    factor = pbr.get("baseColorFactor", (1.0, 1.0, 1.0, 1.0))
    metallic, roughness = pbr.get("metallicFactor", 1.0), pbr.get("roughnessFactor", 1.0)
    if _SPEC_GLOSS in extensions:
        gloss = extensions[_SPEC_GLOSS]
        factor = gloss.get("diffuseFactor", (1.0, 1.0, 1.0, 1.0))
        metallic, roughness = 0.0, 1.0 - gloss.get("glossinessFactor", 1.0)
        notes.append("specular-glossiness material: specular colour left out")
    if "KHR_materials_unlit" in extensions:
        metallic, roughness = 0.0, 1.0
        notes.append("unlit material: shaded as a rough surface")
    others = set(extensions) - {_SPEC_GLOSS, "KHR_materials_unlit", "KHR_materials_emissive_strength"}
    notes += [f"{name} is left out" for name in sorted(others)]
    strength = extensions.get("KHR_materials_emissive_strength", {}).get("emissiveStrength", 1.0)
    emissive = tuple(float(v) * float(strength) for v in row.get("emissiveFactor", (0.0, 0.0, 0.0)))

    def texture(kind: str) -> NDArray[np.uint8] | None:
        info = infos[kind]
        if info is None:
            return None
        if not _choice_of(info).same_as(wanted):
            notes.append(f"{kind} texture on a second set of coordinates is left out")
            return None
        return document.image(_image_index(document, info["index"]))

    base = texture("base colour")
    rough, normal, glow = (texture(k) for k in ("metallic-roughness", "normal", "emissive"))
    mode = row.get("alphaMode", "OPAQUE")
    return Material(
        name=str(row.get("name", f"material_{index}")),
        base_color_factor_linear=_floats(document, factor, 4),
        base_color_srgb=base,
        metallic=float(metallic),
        roughness=float(roughness),
        metallic_roughness_linear=None if rough is None else rough[..., :3],
        normal_linear=None if normal is None else normal[..., :3],
        emissive_factor_linear=_floats(document, emissive, 3),
        emissive_srgb=None if glow is None else glow[..., :3],
        alpha_mode=mode if mode in ("MASK", "BLEND") else "OPAQUE",
        alpha_cutoff=float(row.get("alphaCutoff", 0.5)),
        double_sided=bool(row.get("doubleSided", False)),
    )


def _floats(document: GltfDocument, values: Any, count: int) -> Any:
    numbers = tuple(float(v) for v in values)
    if len(numbers) != count or not all(math.isfinite(v) for v in numbers):
        raise document.refusal("A material's factor is damaged", values)
    return numbers


def _texture_infos(row: dict[str, Any]) -> dict[str, dict[str, Any] | None]:
    pbr = row.get("pbrMetallicRoughness", {})
    gloss = row.get("extensions", {}).get(_SPEC_GLOSS)
    return {
        "base colour": pbr.get("baseColorTexture") if gloss is None else gloss.get("diffuseTexture"),
        "metallic-roughness": pbr.get("metallicRoughnessTexture") if gloss is None else None,
        "normal": row.get("normalTexture"),
        "emissive": row.get("emissiveTexture"),
    }


def _choice_of(info: dict[str, Any]) -> UvChoice:
    transform = info.get("extensions", {}).get("KHR_texture_transform", {})
    turn = float(transform.get("rotation", 0.0))
    c, s = math.cos(turn), math.sin(turn)
    (sx, sy), (tx, ty) = transform.get("scale", (1.0, 1.0)), transform.get("offset", (0.0, 0.0))
    matrix = np.array([[c * sx, s * sy, tx], [-s * sx, c * sy, ty], [0.0, 0.0, 1.0]])
    return UvChoice(int(transform.get("texCoord", info.get("texCoord", 0))), matrix + 0.0)  # no negative zeros


def _image_index(document: GltfDocument, texture_index: Any) -> Any:
    texture = document.row("textures", texture_index)
    webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
    source = webp.get("source", texture.get("source"))
    if source is None:
        raise document.refusal(
            "A texture of the model is of a kind that is not decoded here",
            ", ".join(texture.get("extensions", {})) or f"textures[{texture_index}] without a source",
            "save the model with PNG or JPEG textures",
        )
    return source
