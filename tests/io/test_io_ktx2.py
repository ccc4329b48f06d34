"""KTX2 with BasisLZ and UASTC: pixels of an independent decoder, mip levels, files that are damaged or of another
kind."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from svdmv.core import InputError
from svdmv.io.ktx2 import rgba_from_ktx2

DATA = json.loads((Path(__file__).parent / "ktx2_vectors.json").read_text())
VECTORS: list[dict[str, Any]] = DATA["vectors"]
UASTC: list[dict[str, Any]] = DATA["uastc"]


def pixels_of(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA"))


@pytest.mark.parametrize("vector", [*VECTORS, *UASTC], ids=lambda v: v["name"])
def test_pictures_decode_as_their_makers_library_does(vector: dict[str, Any]) -> None:
    for png in vector["levels"]:
        expected = pixels_of(png)
        found, notes = rgba_from_ktx2(base64.b64decode(vector["ktx2"]), "x.ktx2", max_side_px=max(expected.shape))
        np.testing.assert_array_equal(found, expected)
        assert bool(notes) == (png is not vector["levels"][0])


def test_a_file_without_small_levels_is_reduced() -> None:
    data = base64.b64decode(VECTORS[0]["ktx2"])
    found, notes = rgba_from_ktx2(data, "x.ktx2", max_side_px=20)
    height, width = pixels_of(VECTORS[0]["levels"][0]).shape[:2]
    assert found.shape == ((height + 1) // 2, (width + 1) // 2, 4)
    assert notes == (f"reduced from {width}x{height} to {found.shape[1]}x{found.shape[0]} px",)


def repacked(data: bytes, scheme: int, level: bytes) -> bytes:
    """A KTX2 file of one level with that level packed by a scheme."""
    at, length = struct.unpack_from("<2Q", data, 80)
    out = bytearray(data[:at] + level)
    struct.pack_into("<I", out, 44, scheme)
    struct.pack_into("<3Q", out, 80, at, len(level), length)
    return bytes(out)


@pytest.mark.parametrize("scheme", [2, 3])
def test_uastc_that_is_packed_decodes_to_the_same_pixels(scheme: int) -> None:
    zstandard = pytest.importorskip("zstandard", reason="the extra ktx2 is not installed") if scheme == 2 else None
    data = base64.b64decode(UASTC[1]["ktx2"])
    at, length = struct.unpack_from("<2Q", data, 80)
    blocks = data[at : at + length]
    packed = zstandard.ZstdCompressor().compress(blocks) if zstandard else zlib.compress(blocks)
    found, _ = rgba_from_ktx2(repacked(data, scheme, packed), "x.ktx2", max_side_px=64)
    np.testing.assert_array_equal(found, pixels_of(UASTC[1]["levels"][0]))
    for broken in (packed[: len(packed) // 2], b"no such stream", packed[:-40] + bytes(40)):
        with pytest.raises(InputError, match="damaged"):
            rgba_from_ktx2(repacked(data, scheme, broken), "x.ktx2", max_side_px=64)


def test_other_kinds_are_refused_by_name() -> None:
    data = bytearray(base64.b64decode(UASTC[1]["ktx2"]))
    data[struct.unpack_from("<I", data, 48)[0] + 12] = 162  # ASTC
    with pytest.raises(InputError, match="not decoded") as caught:
        rgba_from_ktx2(bytes(data), "x.ktx2", max_side_px=64)
    assert caught.value.status == "unsupported:KHR_texture_basisu"
    assert caught.value.seen == "colour model 162, supercompression 0"


def test_damaged_files_end_in_an_error_or_in_other_pixels() -> None:
    rng = np.random.default_rng(0)
    for vector in [*VECTORS, *UASTC]:
        data = base64.b64decode(vector["ktx2"])
        with pytest.raises(InputError):
            rgba_from_ktx2(data[: len(data) // 2], "x.ktx2", max_side_px=64)
        for _ in range(25):
            broken = bytearray(data)
            for place in rng.integers(104, len(data), 3):
                broken[place] = rng.integers(256)
            try:
                found, _ = rgba_from_ktx2(bytes(broken), "x.ktx2", max_side_px=64)
            except InputError:
                continue
            assert found.dtype == np.uint8


def test_absurd_sizes_are_refused_before_memory_is_taken() -> None:
    data = bytearray(base64.b64decode(VECTORS[0]["ktx2"]))
    data[20:28] = (2**31 - 1).to_bytes(4, "little") * 2
    with pytest.raises(InputError, match="damaged"):
        rgba_from_ktx2(bytes(data), "x.ktx2", max_side_px=64)
