"""QOI pictures come back bit for bit, are what other programs read, and damage is told."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image
from slow_qoi import pixels_by_the_book

from svdmv.core import DataError
from svdmv.io.qoi import qoi_from_rgba, rgba_from_qoi


def picture(kind: str) -> np.ndarray:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:37, :53]
    if kind == "noise":
        return rng.integers(0, 256, (37, 53, 4), np.uint8)
    if kind == "slopes":
        return np.stack([x * 3, y * 5, x + y, np.full_like(x, 255)], -1).astype(np.uint8)
    if kind == "small steps":
        return (rng.integers(-9, 10, (37, 53, 4)).cumsum(1) % 256).astype(np.uint8)
    if kind == "empty":
        return np.zeros((37, 53, 4), np.uint8)
    disc = (x - 26) ** 2 + (y - 18) ** 2 < 200
    return np.where(disc[..., None], rng.integers(0, 4, (37, 53, 4)) * 60 + 70, 0).astype(np.uint8)


KINDS = ["noise", "slopes", "small steps", "empty", "disc"]


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_and_two_independent_readers(kind: str) -> None:
    rgba = picture(kind)
    data = qoi_from_rgba(rgba)
    assert np.array_equal(rgba_from_qoi(data), rgba)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), rgba)
    assert pixels_by_the_book(data, 37 * 53) == [tuple(p) for p in rgba.reshape(-1, 4).tolist()]


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_another_writer_are_read(kind: str) -> None:
    out = io.BytesIO()
    Image.fromarray(picture(kind)).save(out, "QOI")
    assert np.array_equal(rgba_from_qoi(out.getvalue()), picture(kind))


def test_into_an_array_that_is_there() -> None:
    out = np.full((2, 37, 53, 4), 7, np.uint8)
    assert rgba_from_qoi(qoi_from_rgba(picture("disc")), out[1]) is not None
    assert np.array_equal(out[1], picture("disc"))
    assert (out[0] == 7).all()
    with pytest.raises(DataError, match="53x37 px where 37x53 were expected"):
        rgba_from_qoi(qoi_from_rgba(picture("disc")), np.empty((53, 37, 4), np.uint8))


def test_one_chunk_of_each_kind_by_hand() -> None:
    """Black (run), a small step, a luma step, an index, plain RGB, RGBA; bytes worked out from the specification."""
    pixels = [(0, 0, 0, 255), (1, 255, 0, 255), (6, 4, 2, 255), (1, 255, 0, 255), (99, 4, 250, 255), (9, 9, 9, 9)]
    chunks = bytes([0xC0, 0x40 | 3 << 4 | 1 << 2 | 2, 0x80 | 5 + 32, (0 + 8) << 4 | (-3 + 8),
                    (1 * 3 + 255 * 5 + 255 * 11) % 64, 0xFE, 99, 4, 250, 0xFF, 9, 9, 9, 9])  # fmt: skip
    rgba = np.array(pixels, np.uint8).reshape(1, 6, 4)
    header = struct.pack(">4sIIBB", b"qoif", 6, 1, 4, 0)
    assert qoi_from_rgba(rgba) == header + chunks + b"\0\0\0\0\0\0\0\1"


@pytest.mark.parametrize("cut", [0, 10, 14, 30, -9, -1])
def test_a_file_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(DataError, match="The QOI picture is damaged"):
        rgba_from_qoi(qoi_from_rgba(picture("disc"))[:cut])


def test_other_files_and_trailing_bytes_are_refused() -> None:
    data = qoi_from_rgba(picture("slopes"))
    for wrong in (b"PNG!" + data[4:], data + b"\0", data[:4] + bytes(4) + data[8:], data[:4] + b"\xff" * 8 + data[12:]):
        with pytest.raises(DataError, match="The QOI picture is damaged"):
            rgba_from_qoi(wrong)
