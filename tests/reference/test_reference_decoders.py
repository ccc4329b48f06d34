"""Compiled decoders of meshopt, BasisLZ and UASTC against plain ones: streams of other encoders and made-up ones."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from slow_etc1s import slice_by_the_book
from slow_meshopt import attributes_by_the_book, indices_by_the_book, triangles_by_the_book
from slow_uastc import block_by_the_book

from svdmv.io._etc1s_kernels import decode_slice
from svdmv.io._meshopt_kernels import decode_attributes, decode_indices, decode_triangles
from svdmv.io.etc1s import codebook_from_bytes
from svdmv.io.uastc import MODES, rgba_from_uastc

FOLDER = Path(__file__).resolve().parents[1] / "io"
STREAMS: list[dict[str, Any]] = json.loads((FOLDER / "meshopt_vectors.json").read_text())["vectors"]
PICTURES: list[dict[str, Any]] = json.loads((FOLDER / "ktx2_vectors.json").read_text())["vectors"]


@pytest.mark.parametrize("vector", STREAMS, ids=lambda v: v["name"])
def test_meshopt_streams(vector: dict[str, Any]) -> None:
    data, count, stride = base64.b64decode(vector["encoded"]), vector["count"], vector["byteStride"]
    stream = np.frombuffer(data, np.uint8)
    if vector["mode"] == "ATTRIBUTES":
        out = np.zeros((count, stride), np.uint8)
        assert decode_attributes(stream, stride, out) == len(data)
        assert out.tobytes() == attributes_by_the_book(data, stride, count)
    else:
        triangles = vector["mode"] == "TRIANGLES"
        indices = np.zeros(count, np.uint32)
        assert (decode_triangles if triangles else decode_indices)(stream, indices) == len(data)
        assert indices.tolist() == (triangles_by_the_book if triangles else indices_by_the_book)(data, count)


def test_meshopt_bytes_drawn_at_random_where_they_are_whole() -> None:
    """Codes of every width and channel mode that encoders seldom write: both read the same out of any whole stream."""
    rng = np.random.default_rng(7)
    for _ in range(40):
        stride, count = int(rng.choice([4, 8, 12])), int(rng.integers(1, 40))
        modes = rng.choice([0, 1, 2, 0x52], stride // 4).astype(np.uint8).tobytes()
        tail = bytes(max(24 - stride - len(modes), 0)) + rng.integers(0, 256, stride).astype(np.uint8).tobytes() + modes
        body = rng.integers(0, 256, 4000).astype(np.uint8).tobytes()
        out = np.zeros((count, stride), np.uint8)
        expected = attributes_by_the_book(b"\xa1" + body + tail, stride, count)
        lengths = [n for n in range(len(body)) if _decoded(b"\xa1" + body[:n] + tail, stride, out)][:1]
        assert lengths
        assert out.tobytes() == expected


def _decoded(data: bytes, stride: int, out: np.ndarray) -> bool:
    return int(decode_attributes(np.frombuffer(data, np.uint8), stride, out)) == len(data)


@pytest.mark.parametrize("vector", PICTURES, ids=lambda v: v["name"])
def test_slices_of_ktx2(vector: dict[str, Any]) -> None:
    data = base64.b64decode(vector["ktx2"])
    width, height = struct.unpack_from("<2I", data, 20)
    shared_at, shared_length = struct.unpack_from("<2Q", data, 64)
    shared = data[shared_at : shared_at + shared_length]
    book = codebook_from_bytes(shared)
    start, _, _ = struct.unpack_from("<3Q", data, 80)
    _, at, length, *_ = struct.unpack_from("<5I", shared, 20)
    part = data[start + at : start + at + length]
    down, across = -(-height // 4), -(-width // 4)
    endpoints, selectors = np.zeros((down, across), np.int32), np.zeros((down, across), np.int32)
    sizes = (len(book.colors), len(book.selectors), book.history_size)
    assert decode_slice(np.frombuffer(part + bytes(8), np.uint8), book.tables, *sizes, endpoints, selectors)
    slow = slice_by_the_book(part + bytes(8), list(book.tables), *sizes, down, across)
    assert (endpoints.tolist(), selectors.tolist()) == slow


def test_uastc_blocks_drawn_at_random() -> None:
    """Every mode, and every pattern of those that have one; what the plain decoder refuses is refused."""
    rng = np.random.default_rng(3)
    refused = 0
    for code, size, hints, kind, *_ in MODES:
        for number in range(32 if kind >= 0 else 3):
            bits = int.from_bytes(rng.bytes(16), "little") >> size << size | code
            if kind >= 0:
                at, width = size + hints, 4 if kind == 1 else 5
                bits = bits & ~((2**width - 1) << at) | number % 2**width << at
            block = bits.to_bytes(16, "little")
            try:
                expected = block_by_the_book(block)
            except ValueError:
                refused += 1
                with pytest.raises(ValueError, match="block 0 is not UASTC"):
                    rgba_from_uastc(block, 4, 4)
                continue
            assert rgba_from_uastc(block, 4, 4).reshape(16, 4).tolist() == expected
    assert refused == 4 * 2 + 2 * 5 + 13
    with pytest.raises(ValueError, match="is not UASTC"):
        rgba_from_uastc(b"\x45" + bytes(15), 4, 4)
