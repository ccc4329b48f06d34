"""An asset: a mesh with its materials and its story. What a GLB file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from svdmv.core.arrays import checked_array
from svdmv.core.errors import DataError
from svdmv.core.mesh import Mesh


@dataclass(frozen=True, eq=False)
class Material:
    """glTF 2.0 metallic-roughness material.

    Attributes:
        base_color_factor_linear: RGBA factors, linear.
        base_color_srgb: (H, W, 4) uint8 sRGB with straight alpha, or None.
        metallic, roughness: factors in [0, 1].
        metallic_roughness_linear: (H, W, 3) uint8, G = roughness, B = metallic; or None.
        normal_linear: (H, W, 3) uint8 tangent-space normal map, or None.
        emissive_factor_linear: RGB.
        emissive_srgb: (H, W, 3) uint8 or None.
        alpha_mode, alpha_cutoff, double_sided, name: as in glTF.
        unlit: shows its base colour whatever the light (KHR_materials_unlit).
    """

    name: str = "material"
    base_color_factor_linear: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    base_color_srgb: NDArray[np.uint8] | None = None
    metallic: float = 0.0
    roughness: float = 0.8
    metallic_roughness_linear: NDArray[np.uint8] | None = None
    normal_linear: NDArray[np.uint8] | None = None
    emissive_factor_linear: tuple[float, float, float] = (0.0, 0.0, 0.0)
    emissive_srgb: NDArray[np.uint8] | None = None
    alpha_mode: Literal["OPAQUE", "MASK", "BLEND"] = "OPAQUE"
    alpha_cutoff: float = 0.5
    double_sided: bool = False
    unlit: bool = False

    def __post_init__(self) -> None:
        for name, channels in (
            ("base_color_srgb", 4),
            ("metallic_roughness_linear", 3),
            ("normal_linear", 3),
            ("emissive_srgb", 3),
        ):
            value = getattr(self, name)
            if value is not None:
                array = checked_array(value, f"Material.{name}", (None, None, channels), np.uint8)
                object.__setattr__(self, name, array)


@dataclass(frozen=True, eq=False)
class Asset:
    """A mesh, the material of each face, and where it comes from.

    Attributes:
        mesh: the triangles; `uvs` and `colors` belong to it.
        materials: at least one.
        face_materials: (F,) int32 index into materials; None = all faces use materials[0].
        provenance: JSON values only; written into the GLB's extras.
    """

    mesh: Mesh
    materials: tuple[Material, ...] = (Material(),)
    face_materials: NDArray[np.int32] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.materials:
            raise DataError("An asset needs a material", where="Asset.materials", seen="0", expected="1 or more")
        if self.face_materials is not None:
            index = checked_array(self.face_materials, "Asset.face_materials", (len(self.mesh.faces),), np.int32)
            if len(index) and (index.min() < 0 or index.max() >= len(self.materials)):
                raise DataError(
                    "A face names a material that is not there",
                    where="Asset.face_materials",
                    seen=f"{index.min()} .. {index.max()}",
                    expected=f"0 .. {len(self.materials) - 1}",
                )
            object.__setattr__(self, "face_materials", index)

    def material_of_faces(self) -> NDArray[np.int32]:
        """(F,) int32: the material index of each face."""
        return np.zeros(len(self.mesh.faces), np.int32) if self.face_materials is None else self.face_materials
