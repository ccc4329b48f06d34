"""Splats in the common PLY layout: bytes by hand, and a round trip."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from svdmv.core import DataError
from svdmv.io.splats import Splats, splat_ply, splats_from_ply


def some(count: int = 5, harmonics: int = 4) -> Splats:
    random = np.random.default_rng(1)
    turns = random.normal(size=(count, 4))
    return Splats(
        random.normal(size=(count, 3)).astype(np.float32),
        (turns / np.linalg.norm(turns, axis=1, keepdims=True)).astype(np.float32),
        np.exp(random.normal(size=(count, 3)) - 4).astype(np.float32),
        random.uniform(0.05, 0.95, count).astype(np.float32),
        random.normal(size=(count, harmonics, 3)).astype(np.float32),
    )


def test_the_layout_by_hand() -> None:
    """Coefficients go red, green, blue; opacity 0.5 is logit 0; scale 1 is log 0; the quaternion begins with w."""
    harmonics = np.arange(12, dtype=np.float32).reshape(1, 4, 3)  # coefficient k of channel c is 3 k + c
    one = Splats(
        np.array([[1, 2, 3]], np.float32),
        np.array([[1, 0, 0, 0]], np.float32),
        np.ones((1, 3), np.float32),
        np.array([0.5], np.float32),
        harmonics,
    )
    head, _, body = splat_ply(one).partition(b"end_header\n")
    names = [line.split()[-1] for line in head.decode().splitlines() if line.startswith("property")]
    assert names[:9] == ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    assert names[9:18] == [f"f_rest_{i}" for i in range(9)]
    assert names[18:] == ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    values = struct.unpack("<26f", body)
    assert values == (1, 2, 3, 0, 0, 0, 0, 1, 2, 3, 6, 9, 4, 7, 10, 5, 8, 11, 0, 0, 0, 0, 1, 0, 0, 0)


@pytest.mark.parametrize("harmonics", [1, 4, 9, 16])
def test_round_trip(harmonics: int) -> None:
    before = some(harmonics=harmonics)
    after = splats_from_ply(splat_ply(before))
    for name in ("means", "rotations", "scales", "opacities", "harmonics"):
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), rtol=2e-6, atol=2e-6)


def test_none_is_a_file_too() -> None:
    assert len(splats_from_ply(splat_ply(some(0))).means) == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-4],
        lambda data: b"ply\nformat ascii 1.0\nelement vertex 1\nend_header\n1 2 3\n",
        lambda data: data.replace(b"property float rot_3", b"property float rot_9"),
        lambda data: b"",
        lambda data: data.replace(b"property float x\n", b"property double x\n"),
    ],
)
def test_damaged_files_are_refused(damage) -> None:
    with pytest.raises(DataError, match="holds no splats"):
        splats_from_ply(damage(splat_ply(some())))


def test_splats_that_do_not_agree_are_refused() -> None:
    good = some()
    with pytest.raises(DataError, match="extent"):
        Splats(good.means, good.rotations, good.scales * 0, good.opacities, good.harmonics)
    with pytest.raises(DataError, match="agree"):
        Splats(good.means, good.rotations[:2], good.scales, good.opacities, good.harmonics)
    with pytest.raises(DataError, match="agree"):
        Splats(good.means, good.rotations, good.scales, good.opacities, good.harmonics[:, :2])
    with pytest.raises(DataError, match="agree"):
        Splats(good.means * np.nan, good.rotations, good.scales, good.opacities, good.harmonics)
