"""Asset -> GLB (binary glTF 2.0): one node, one mesh, one primitive a material; equal assets give equal bytes.

Source: Khronos glTF 2.0 specification. Provenance goes into asset.extras under the key "svdmv".
"""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv import __version__
from svdmv.core import Asset, DataError, Material
from svdmv.core.tangents import gltf_tangents
from svdmv.io.atomic import write_bytes
from svdmv.io.colour import linear_from_srgb
from svdmv.io.gltf_reader import PROVENANCE_KEY
from svdmv.io.pictures import png_bytes

TextureFormat = Literal["png", "jpeg"]

_FLOAT, _USHORT, _UINT = 5126, 5123, 5125
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP, _REPEAT = 9729, 9987, 33071, 10497
_LARGEST_FILE = 2**32 - 1


def write_glb(path: Path | str, asset: Asset, *, texture_format: TextureFormat = "png") -> None:
    """Write `asset` as a GLB whose node is named after the file, whole or not at all; see `glb_bytes`.

    Raises:
        DataError: the asset cannot be held by a GLB.
        InputError: the system refuses to write.
    """
    write_bytes(path, glb_bytes(asset, name=Path(path).stem, texture_format=texture_format))


def glb_bytes(asset: Asset, *, name: str = "object", texture_format: TextureFormat = "png") -> bytes:
    """The bytes of a GLB of `asset`.

    Args:
        asset: at least one face; a textured material needs uvs.
        name: of the node and the mesh.
        texture_format: "png" keeps every value; "jpeg" (quality 92) is smaller. Pictures with alpha and normal maps
            are always PNG.

    Raises:
        DataError: no face, a texture without uvs, provenance that JSON cannot hold, or more than 4 GB.
    """
    mesh = asset.mesh
    if not len(mesh.faces):
        raise DataError("An empty mesh cannot be written", where="glb_bytes", seen="0 faces", expected="1 or more")
    writer = _Writer(asset, texture_format)
    attributes = {"POSITION": writer.vertex_accessor(mesh.vertices, bounds=True)}
    if mesh.normals is not None:
        attributes["NORMAL"] = writer.vertex_accessor(_unit(mesh.normals))
    if mesh.uvs is not None:
        attributes["TEXCOORD_0"] = writer.vertex_accessor(mesh.uvs)
    bumpy = any(material.normal_linear is not None for material in asset.materials)
    if bumpy and mesh.normals is not None and mesh.uvs is not None:
        frame = gltf_tangents(mesh.vertices, mesh.faces, _unit(mesh.normals), mesh.uvs)
        attributes["TANGENT"] = writer.vertex_accessor(frame)
    if mesh.colors is not None:
        rgba = np.full((len(mesh.colors), 4), 65535, np.uint16)
        rgba[:, :3] = np.round(linear_from_srgb(mesh.colors / 255.0) * 65535.0)
        attributes["COLOR_0"] = writer.vertex_accessor(rgba)
    owners = asset.material_of_faces()
    primitives = []
    for index in range(len(asset.materials)):
        faces = mesh.faces[owners == index]
        material = writer.material(asset.materials[index])
        if len(faces):
            primitives.append(
                {"attributes": attributes, "indices": writer.index_accessor(faces), "material": material, "mode": 4}
            )
    return writer.finished(name, primitives, dict(asset.provenance))


class _Writer:
    """Collects the JSON rows and the binary chunk."""

    def __init__(self, asset: Asset, texture_format: TextureFormat) -> None:
        self._uvs = asset.mesh.uvs
        self._texture_format = texture_format
        self._chunk = bytearray()
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._texture_of_bytes: dict[bytes, int] = {}
        self._extensions: set[str] = set()

    def _add(self, name: str, row: dict[str, Any]) -> int:
        self._rows.setdefault(name, []).append(row)
        return len(self._rows[name]) - 1

    def _view(self, data: bytes, **extra: int) -> int:
        self._chunk += b"\0" * (-len(self._chunk) % 4)
        row = {"buffer": 0, "byteOffset": len(self._chunk), "byteLength": len(data), **extra}
        self._chunk += data
        return self._add("bufferViews", row)

    def vertex_accessor(self, values: NDArray[Any], *, bounds: bool = False) -> int:
        """An accessor of float32 or normalised uint16 rows."""
        is_float = values.dtype == np.float32
        row: dict[str, Any] = {
            "bufferView": self._view(values.astype(values.dtype.newbyteorder("<")).tobytes(), target=_ARRAY_BUFFER),
            "componentType": _FLOAT if is_float else _USHORT,
            "count": len(values),
            "type": f"VEC{values.shape[1]}",
        }
        if not is_float:
            row["normalized"] = True
        if bounds:
            row["min"] = [float(v) for v in values.min(0)]
            row["max"] = [float(v) for v in values.max(0)]
        return self._add("accessors", row)

    def index_accessor(self, faces: NDArray[np.int32]) -> int:
        """An accessor of corners: 16 bits where they suffice (65535 is reserved)."""
        corners = faces.reshape(-1)
        small = int(corners.max()) < 65535
        data = corners.astype("<u2" if small else "<u4").tobytes()
        row = {
            "bufferView": self._view(data, target=_ELEMENT_ARRAY_BUFFER),
            "componentType": _USHORT if small else _UINT,
            "count": len(corners),
            "type": "SCALAR",
            "min": [int(corners.min())],
            "max": [int(corners.max())],
        }
        return self._add("accessors", row)

    def material(self, material: Material) -> int:
        """A metallic-roughness material."""
        pbr: dict[str, Any] = {
            "baseColorFactor": [float(v) for v in material.base_color_factor_linear],
            "metallicFactor": float(material.metallic),
            "roughnessFactor": float(material.roughness),
        }
        row: dict[str, Any] = {"name": material.name, "pbrMetallicRoughness": pbr}
        if material.base_color_srgb is not None:
            pbr["baseColorTexture"] = self._texture(material.base_color_srgb)
        if material.metallic_roughness_linear is not None:
            pbr["metallicRoughnessTexture"] = self._texture(material.metallic_roughness_linear)
        if material.normal_linear is not None:
            row["normalTexture"] = self._texture(material.normal_linear, exact=True)
        if material.emissive_srgb is not None:
            row["emissiveTexture"] = self._texture(material.emissive_srgb)
        strength = max(1.0, *material.emissive_factor_linear)
        if any(material.emissive_factor_linear):
            row["emissiveFactor"] = [float(v) / strength for v in material.emissive_factor_linear]
        if strength > 1.0:
            row["extensions"] = {"KHR_materials_emissive_strength": {"emissiveStrength": float(strength)}}
            self._extensions.add("KHR_materials_emissive_strength")
        if material.unlit:
            row.setdefault("extensions", {})["KHR_materials_unlit"] = {}
            self._extensions.add("KHR_materials_unlit")
        if material.alpha_mode != "OPAQUE":
            row["alphaMode"] = material.alpha_mode
        if material.alpha_mode == "MASK":
            row["alphaCutoff"] = float(material.alpha_cutoff)
        if material.double_sided:
            row["doubleSided"] = True
        return self._add("materials", row)

    def _texture(self, pixels: NDArray[np.uint8], *, exact: bool = False) -> dict[str, int]:
        if self._uvs is None:
            raise DataError(
                "A textured material needs texture coordinates",
                where="Asset.materials",
                seen="Mesh.uvs is None",
                expected="uvs, or a material without textures",
            )
        has_alpha = pixels.shape[2] == 4 and bool((pixels[..., 3] < 255).any())
        pixels = pixels if has_alpha else pixels[..., :3]
        as_jpeg = self._texture_format == "jpeg" and not exact and not has_alpha
        data = _jpeg_bytes(pixels) if as_jpeg else png_bytes(pixels)
        if data not in self._texture_of_bytes:
            mime = "image/jpeg" if as_jpeg else "image/png"
            source = self._add("images", {"bufferView": self._view(data), "mimeType": mime})
            if "samplers" not in self._rows:
                inside = bool((self._uvs >= 0).all() and (self._uvs <= 1).all())
                wrap = _CLAMP if inside else _REPEAT
                filters = {"magFilter": _LINEAR, "minFilter": _LINEAR_MIPMAP_LINEAR}
                self._add("samplers", {**filters, "wrapS": wrap, "wrapT": wrap})
            self._texture_of_bytes[data] = self._add("textures", {"sampler": 0, "source": source})
        return {"index": self._texture_of_bytes[data]}

    def finished(self, name: str, primitives: list[dict[str, Any]], provenance: dict[str, Any]) -> bytes:
        """Header, JSON chunk and binary chunk."""
        self._chunk += b"\0" * (-len(self._chunk) % 4)
        about: dict[str, Any] = {"version": "2.0", "generator": f"svdmv {__version__}"}
        if provenance:
            about["extras"] = {PROVENANCE_KEY: provenance}
        tree: dict[str, Any] = {"asset": about}
        if self._extensions:
            tree["extensionsUsed"] = sorted(self._extensions)
        tree |= {
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "name": name}],
            "meshes": [{"name": name, "primitives": primitives}],
            **self._rows,
            "buffers": [{"byteLength": len(self._chunk)}],
        }
        try:
            text = json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
        except (TypeError, ValueError) as error:
            raise DataError(
                "The asset holds values that JSON cannot hold",
                where="Asset.provenance",
                seen=error,
                expected="text, finite numbers, lists and mappings",
            ) from error
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(self._chunk)
        if total > _LARGEST_FILE:
            raise DataError(
                "The asset is too large for a GLB", where="glb_bytes", seen=f"{total:,} bytes", expected="below 4 GiB"
            )
        head = struct.pack("<4sIIII", b"glTF", 2, total, len(text), 0x4E4F534A)
        return b"".join([head, text, struct.pack("<II", len(self._chunk), 0x004E4942), bytes(self._chunk)])


def _unit(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit vectors: those that are one stay as they are, zeros (vertices without a face) become +Y."""
    length = np.linalg.norm(normals.astype(np.float64), axis=1, keepdims=True)
    fixed = np.where(length > 1e-12, normals / np.maximum(length, 1e-12), (0.0, 1.0, 0.0))
    return np.where(np.abs(length - 1) < 1e-5, normals, fixed).astype(np.float32)


def _jpeg_bytes(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()
