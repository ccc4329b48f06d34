"""meshopt streams: values of an independent encoder and decoder, and streams that are damaged."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from svdmv.io.meshopt import bytes_from_meshopt

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "meshopt_vectors.json").read_text())["vectors"]


def stream_of(vector: dict[str, Any]) -> bytes:
    return base64.b64decode(vector["encoded"])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_streams_decode_as_their_makers_library_does(vector: dict[str, Any]) -> None:
    """Bit for bit, filters included: the file names the library that encoded and decoded the vectors."""
    assert bytes_from_meshopt(stream_of(vector), vector) == base64.b64decode(vector["decoded"])


def test_the_vectors_cover_all_modes_filters_and_versions() -> None:
    assert {v["mode"] for v in VECTORS} == {"ATTRIBUTES", "TRIANGLES", "INDICES"}
    assert {v["filter"] for v in VECTORS} == {"NONE", "OCTAHEDRAL", "QUATERNION", "EXPONENTIAL", "COLOR"}
    assert {stream_of(v)[0] for v in VECTORS if v["mode"] == "ATTRIBUTES"} == {0xA0, 0xA1}


def test_the_specifications_own_example() -> None:
    """16 four-bit deltas, two of them explicit; the values stand in the extension's text."""
    group = bytes([0x17, 0x5F, 0xF0, 0xBC, 0x77, 0xA9, 0x21, 0x00, 0x34, 0xB5])
    deltas = [-1, -4, -3, 26, -91, 0, -6, 6, -4, -4, 5, -5, 1, -1, 0, 0]
    stream = bytes([0xA0, 0b10]) + group + bytes(3) + bytes(32)  # byte 0 of 4 varies, the others stay
    out = np.frombuffer(
        bytes_from_meshopt(stream, {"count": 16, "byteStride": 4, "mode": "ATTRIBUTES"}), np.uint8
    ).reshape(16, 4)
    np.testing.assert_array_equal(out[:, 0], np.cumsum(deltas) % 256)
    assert not out[:, 1:].any()


@pytest.mark.parametrize(
    "change",
    [
        {"count": 10**9},
        {"count": -1},
        {"count": "3"},
        {"byteStride": 6},
        {"byteStride": 512},
        {"mode": "TRIANGLES"},
        {"mode": "OTHER"},
        {"filter": "OTHER"},
        {"filter": "QUATERNION"},
    ],
)
def test_contradictions_are_refused(change: dict[str, Any]) -> None:
    vector = next(v for v in VECTORS if v["name"] == "attributes v0 40x12")
    with pytest.raises(ValueError, match=r"\w"):
        bytes_from_meshopt(stream_of(vector), {**vector, **change})


def test_damaged_streams_end_in_an_error_or_in_other_bytes() -> None:
    """Cut or changed anywhere: never more than a ValueError, and a cut is always seen."""
    rng = np.random.default_rng(0)
    for vector in VECTORS:
        data = stream_of(vector)
        for length in rng.integers(0, len(data), 6):
            with pytest.raises(ValueError, match="stream"):
                bytes_from_meshopt(data[:length], vector)
        for _ in range(20):
            broken = bytearray(data)
            for place in rng.integers(0, len(data), 3):
                broken[place] = rng.integers(256)
            try:
                out = bytes_from_meshopt(bytes(broken), vector)
            except ValueError:
                continue
            assert len(out) == vector["count"] * vector["byteStride"]
