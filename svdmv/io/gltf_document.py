"""The container of a glTF 2.0 model: JSON, buffers, accessors, images. Nothing is trusted: every size is checked first.

Source: Khronos glTF 2.0 specification, sections 3.6 (binary data), 3.8 (images) and 4 (GLB).
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from svdmv.core import InputError
from svdmv.io.atomic import translated_os_errors
from svdmv.io.ktx2 import KTX2_MAGIC, rgba_from_ktx2
from svdmv.io.meshopt import MESHOPT_NAMES, bytes_from_meshopt
from svdmv.io.pictures import rgba_from_bytes

Bytes = bytes | memoryview
DEFAULT_MAX_TEXTURE_PX = 8192
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_MAX_ELEMENTS = 200_000_000  # an accessor without a buffer costs no file bytes, so its size needs a bound of its own
_JSON_CHUNK, _BIN_CHUNK = 0x4E4F534A, 0x004E4942


@dataclass(frozen=True, eq=False)
class GltfDocument:
    """A parsed glTF file.

    Attributes:
        path: the file.
        tree: the JSON object.
        binary: the GLB's BIN chunk, or None.
        max_texture_px: pictures with a longer side are reduced by a whole factor.
        notes: what was left out or changed, added to while reading.
    """

    path: Path
    tree: dict[str, Any]
    binary: Bytes | None
    max_texture_px: int = DEFAULT_MAX_TEXTURE_PX
    notes: list[str] = field(default_factory=list)
    _buffers: dict[int, Bytes] = field(default_factory=dict)
    _unpacked: dict[int, bytes] = field(default_factory=dict)
    _images: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The top-level array `name`; empty when absent."""
        rows = self.tree.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self.refusal("The model's JSON is not laid out as glTF", f"{name!r} is not a list of objects")
        return rows

    def row(self, name: str, index: Any) -> dict[str, Any]:
        """Row `index` of the top-level array `name`. Raises InputError."""
        rows = self.rows(name)
        if not isinstance(index, int) or not 0 <= index < len(rows):
            raise self.refusal("The model refers to a part that is not there", f"{name}[{index}] of {len(rows)}")
        return rows[index]

    def refusal(self, what: str, seen: object, next_step: str | None = None, status: str = "load_error") -> InputError:
        """An InputError about this file."""
        step = next_step or "export the model again; check it at https://github.khronos.org/glTF-Validator"
        return InputError(
            what, where=self.path, seen=seen, expected="a valid glTF 2.0 model", next_step=step, status=status
        )

    def accessor(self, index: Any) -> NDArray[Any]:
        """(count, width) read-only values of an accessor in its stored type; normalised integers come as float64.

        Raises:
            InputError: the accessor reaches beyond its buffer, or is of an unknown type.
        """
        row = self.row("accessors", index)
        dtype, width = _COMPONENTS.get(row.get("componentType", 0)), _WIDTHS.get(row.get("type", ""))
        count = row.get("count")
        if dtype is None or width is None or not isinstance(count, int) or count < 0:
            raise self.refusal("An accessor of the model has an unknown type", f"accessors[{index}]: {row}")
        if "bufferView" in row:
            values = self._strided(row["bufferView"], row.get("byteOffset", 0), dtype, width, count)
        elif count * width <= _MAX_ELEMENTS:
            values = np.zeros((count, width), dtype)
        else:
            raise self.refusal("An accessor of the model is too large", f"accessors[{index}]: {count} elements")
        if "sparse" in row:
            values = self._with_sparse(values, row["sparse"], dtype, width)
        return self.converted(values, index)

    def converted(self, values: NDArray[Any], index: Any) -> NDArray[Any]:
        """Stored values of accessor `index` as they are meant: normalised integers become float64 in -1 .. 1."""
        row = self.row("accessors", index)
        if not row.get("normalized", False) or values.dtype.kind not in "iu":
            return values
        limit = float(np.iinfo(np.dtype(_COMPONENTS[row["componentType"]])).max)
        return np.maximum(values.astype(np.float64) / limit, -1.0)

    def image(self, index: Any) -> NDArray[np.uint8]:
        """(H, W, 4) uint8 of an image, decoded once. Raises InputError."""
        row = self.row("images", index)
        if index not in self._images:
            where = f"{self.path}, images[{index}] ({row.get('name') or row.get('mimeType') or 'unnamed'})"
            try:
                if "bufferView" in row:
                    data = bytes(self.view_bytes(row["bufferView"]))
                else:
                    data = bytes(self._uri_bytes(row.get("uri"), f"images[{index}]"))
                self._images[index], notes = self._decoded(data, where)
            except InputError as error:
                if error.status == InputError.status:
                    error.status = "missing_texture"
                raise
            self.notes.extend(f"texture {index}: {note}" for note in notes)
        return self._images[index]

    def _decoded(self, data: bytes, where: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        if data.startswith(KTX2_MAGIC):
            return rgba_from_ktx2(data, where, max_side_px=self.max_texture_px)
        return rgba_from_bytes(data, where, max_side_px=self.max_texture_px, as_stored=True)

    def _with_sparse(self, values: NDArray[Any], sparse: dict[str, Any], dtype: str, width: int) -> NDArray[Any]:
        count, at, new = sparse["count"], sparse["indices"], sparse["values"]
        index_type = _COMPONENTS[at["componentType"]]
        indices = self._strided(at["bufferView"], at.get("byteOffset", 0), index_type, 1, count)[:, 0]
        if len(indices) and int(indices.max()) >= len(values):
            raise self.refusal("A sparse accessor of the model reaches too far", f"{indices.max()} of {len(values)}")
        out = values.copy()
        out[indices] = self._strided(new["bufferView"], new.get("byteOffset", 0), dtype, width, count)
        return out

    def _strided(self, view_index: Any, offset: int, dtype: str, width: int, count: int) -> NDArray[Any]:
        view, data = self.row("bufferViews", view_index), self.view_bytes(view_index)
        size = np.dtype(dtype).itemsize * width
        stride = view.get("byteStride", size)
        needed = offset + (count - 1) * stride + size if count else 0
        if offset < 0 or stride < size or needed > len(data):
            seen = f"bufferViews[{view_index}]: {count} elements need {needed} bytes of {len(data)}"
            raise self.refusal("The model's data is shorter than it says", seen)
        if not count:
            return np.zeros((0, width), dtype)
        return np.ndarray((count, width), dtype, data, offset, (stride, np.dtype(dtype).itemsize))

    def view_bytes(self, index: Any) -> Bytes:
        """The bytes of a bufferView, decompressed where meshopt packed them. Raises InputError."""
        view = self.row("bufferViews", index)
        packed = next((view["extensions"][n] for n in MESHOPT_NAMES if n in view.get("extensions", {})), None)
        if packed is None:
            return self._slice(view)
        if index not in self._unpacked:
            try:
                self._unpacked[index] = bytes_from_meshopt(bytes(self._slice(packed)), packed)
            except ValueError as error:
                seen = f"bufferViews[{index}]: {error}"
                raise self.refusal("The model's meshopt compression cannot be decoded", seen) from error
        return self._unpacked[index]

    def _slice(self, view: dict[str, Any]) -> Bytes:
        data = self._buffer(view["buffer"])
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if start < 0 or length < 0 or start + length > len(data):
            seen = f"a bufferView of bytes {start} .. {start + length} in a buffer of {len(data)}"
            raise self.refusal("The model's data is shorter than it says", seen)
        return memoryview(data)[start : start + length]

    def _buffer(self, index: Any) -> Bytes:
        row = self.row("buffers", index)
        if index not in self._buffers:
            if "uri" in row:
                self._buffers[index] = self._uri_bytes(row["uri"], f"buffers[{index}]")
            elif self.binary is not None and index == 0:
                self._buffers[index] = self.binary
            else:
                raise self.refusal("The model's binary chunk is missing", f"buffers[{index}] without uri")
        return self._buffers[index]

    def _uri_bytes(self, uri: Any, what: str) -> bytes:
        """The bytes of a data URI, or of a file in the model's own folder or below; nothing else is opened."""
        if not isinstance(uri, str):
            raise self.refusal("A part of the model has no data", f"{what}: uri {uri!r}")
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=True)
            except (binascii.Error, ValueError) as error:
                raise self.refusal("Data inside the model cannot be decoded", f"{what}: {error}") from error
        if "://" in uri or uri.startswith("//"):
            step = "download that file beside the model and name it without a server"
            raise self.refusal("The model refers to the network, which is not opened", f"{what}: {uri[:120]}", step)
        folder = self.path.parent.resolve()
        target = (folder / unquote(uri)).resolve()
        if not target.is_relative_to(folder):
            step = "put the file into the model's folder"
            raise self.refusal("The model refers to a file outside its folder", f"{what}: {uri[:120]}", step)
        if not target.is_file():
            raise self.refusal(
                "The model refers to a file that is not there", f"{what}: {uri[:120]}", f"put {uri[:120]} beside it"
            )
        with translated_os_errors(target):
            return target.read_bytes()


def document_from_bytes(data: bytes, path: Path, max_texture_px: int = DEFAULT_MAX_TEXTURE_PX) -> GltfDocument:
    """Parse a .glb or .gltf file held in memory. Raises InputError."""
    text: Bytes = data
    binary: Bytes | None = None
    if data[:4] == b"glTF":
        text, binary = _chunks(data, path)
    try:
        tree = json.loads(bytes(text).decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        kind = "an empty file" if not data else str(error)
        raise _broken("The file is not a glTF model", path, kind) from error
    if not isinstance(tree, dict) or not isinstance(tree.get("asset"), dict):
        raise _broken("The file is not a glTF model", path, "JSON without an 'asset' object")
    version = tree["asset"].get("version")
    if not str(version).startswith("2."):
        raise _broken("The model is of another glTF version", path, f"version {version}")
    return GltfDocument(path, tree, binary, max_texture_px)


def _chunks(data: bytes, path: Path) -> tuple[Bytes, Bytes | None]:
    """The JSON chunk and the first BIN chunk of a GLB."""
    if len(data) < 20:
        raise _broken("The GLB is cut off in its header", path, f"{len(data)} bytes")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise _broken("The model is of another glTF version", path, f"GLB version {version}")
    if length > len(data):
        raise _broken("The GLB is cut off", path, f"{len(data)} of {length} bytes")
    chunks: dict[int, Bytes] = {}
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<II", data, at)
        if at + 8 + size > length:
            raise _broken("The GLB is cut off in a chunk", path, f"{length - at - 8} of {size} bytes")
        chunks.setdefault(kind, memoryview(data)[at + 8 : at + 8 + size])
        at += 8 + size
    if _JSON_CHUNK not in chunks:
        raise _broken("The GLB holds no JSON chunk", path, f"{len(data)} bytes")
    return chunks[_JSON_CHUNK], chunks.get(_BIN_CHUNK)


def _broken(what: str, path: Path, seen: str) -> InputError:
    step = "download or export the model again"
    return InputError(what, where=path, seen=seen, expected="a complete glTF 2.0 file (.glb, .gltf)", next_step=step)
