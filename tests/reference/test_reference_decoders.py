"""Compiled decoders of meshopt and BasisLZ against plain ones, on streams of other encoders and on made-up ones."""

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

from svdmv.io._etc1s_kernels import decode_slice
from svdmv.io._meshopt_kernels import decode_attributes, decode_indices, decode_triangles
from svdmv.io.etc1s import codebook_from_bytes

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
