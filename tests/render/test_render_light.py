"""Lights as files and in the cache: .hdr reading, damage, prefilter, cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from svdmv.core import InputError
from svdmv.render import light as light_module
from svdmv.render.environment import environment_map, resampled
from svdmv.render.light import light_cells, light_from, prefiltered, reflectance_table
from svdmv.render.light_files import hdr_bytes, read_exr, read_hdr

HEAD = b"#?RADIANCE\n# made by hand\nFORMAT=32-bit_rle_rgbe\n\n"


def rgbe_picture(height: int, width: int) -> np.ndarray:
    """Bytes of a picture with runs and noise."""
    rng = np.random.default_rng(1)
    out = rng.integers(1, 256, (height, width, 4), np.uint8)
    out[:, : width // 2] = out[:, :1]
    out[..., 3] = rng.integers(120, 140, (height, 1))
    return out


def run_length_coded(rows: np.ndarray) -> bytes:
    """Scan lines in the new run-length coding: runs where values repeat, else single literals."""
    data = b""
    for row in rows:
        data += bytes([2, 2, len(row) >> 8, len(row) & 255])
        for channel in row.T:
            x = 0
            while x < len(channel):
                run = 1
                while x + run < len(channel) and channel[x + run] == channel[x] and run < 127:
                    run += 1
                data += bytes([128 + run, channel[x]]) if run > 2 else bytes([1, channel[x]])
                x += run if run > 2 else 1
    return data


def test_flat_and_run_length_coded_files_hold_the_same_light(tmp_path: Path) -> None:
    rows = rgbe_picture(6, 12)
    size = b"-Y 6 +X 12\n"
    (tmp_path / "flat.hdr").write_bytes(HEAD + size + rows.tobytes())
    (tmp_path / "coded.hdr").write_bytes(HEAD + size + run_length_coded(rows))
    flat, coded = read_hdr(tmp_path / "flat.hdr"), read_hdr(tmp_path / "coded.hdr")
    np.testing.assert_array_equal(flat, coded)
    exact = rows[..., :3].astype(np.float64) * 2.0 ** (rows[..., 3:].astype(np.float64) - 136)
    np.testing.assert_allclose(flat, exact, rtol=1e-6)


def test_a_known_value_is_read(tmp_path: Path) -> None:
    """(128, 64, 32) at exponent 129 is (1, 0.5, 0.25); exponent 0 is black."""
    pixels = bytes([128, 64, 32, 129, 10, 10, 10, 0])
    (tmp_path / "two.hdr").write_bytes(HEAD + b"-Y 1 +X 2\n" + pixels)
    np.testing.assert_array_equal(read_hdr(tmp_path / "two.hdr"), [[[1, 0.5, 0.25], [0, 0, 0]]])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a light",
        HEAD,
        HEAD + b"+X 4 -Y 4\n" + bytes(64),
        HEAD + b"-Y 4 +X 4\n" + bytes(60),
        HEAD + b"-Y four +X 4\n" + bytes(64),
        HEAD + b"-Y 99999 +X 99999\n" + bytes(64),
        HEAD + b"-Y 2 +X 16\n" + bytes([2, 2, 0, 16, 200]) + bytes(3),
        HEAD + b"-Y 2 +X 16\n" + bytes([2, 2, 0, 16, 250]) + bytes(90),
        HEAD.replace(b"rgbe", b"xyze") + b"-Y 4 +X 4\n" + bytes(64),
    ],
)
def test_damaged_files_are_refused_in_words(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad.hdr").write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_hdr(tmp_path / "bad.hdr")
    assert "bad.hdr" in str(caught.value)


def test_light_written_and_read_differs_by_less_than_half_a_percent(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    light = (rng.uniform(0.5, 1, (6, 12, 3)) * 10.0 ** rng.uniform(-3, 4, (6, 12, 1))).astype(np.float32)
    light[0, 0] = 0
    (tmp_path / "own.hdr").write_bytes(hdr_bytes(light))
    np.testing.assert_allclose(read_hdr(tmp_path / "own.hdr"), light, rtol=0.005)


@pytest.mark.parametrize("names", ["RGB", "Y"])
def test_exr_light_comes_back_value_by_value(tmp_path: Path, names: str) -> None:
    openexr = pytest.importorskip("OpenEXR")
    light = np.random.default_rng(0).uniform(0, 9, (8, 16, len(names))).astype(np.float32)
    light[1, 2] = -0.25  # what a sharpening filter leaves behind
    planes = {name: light[..., k].copy() for k, name in enumerate(names)}
    with openexr.File({"type": openexr.scanlineimage, "compression": openexr.ZIP_COMPRESSION}, planes) as file:
        file.write(str(tmp_path / "light.exr"))
    expected = np.broadcast_to(np.maximum(light, 0), (8, 16, 3))
    np.testing.assert_array_equal(read_exr(tmp_path / "light.exr"), expected)
    np.testing.assert_array_equal(environment_map(tmp_path / "light.exr"), expected)


def test_damaged_exr_files_are_refused_in_words(tmp_path: Path) -> None:
    openexr = pytest.importorskip("OpenEXR")
    header = {"type": openexr.scanlineimage, "compression": openexr.ZIP_COMPRESSION}
    for name, planes in (
        ("depth.exr", {"Z": np.ones((4, 8), np.float32)}),
        ("nan.exr", {c: np.full((4, 8), np.nan, np.float32) for c in "RGB"}),
        ("whole.exr", {c: np.random.default_rng(1).uniform(size=(64, 128)).astype(np.float32) for c in "RGB"}),
    ):
        with openexr.File(dict(header), planes) as file:
            file.write(str(tmp_path / name))
    (tmp_path / "cut.exr").write_bytes((tmp_path / "whole.exr").read_bytes()[:20000])
    (tmp_path / "text.exr").write_bytes(b"no picture at all, only words")
    for name in ("depth.exr", "nan.exr", "cut.exr", "text.exr", "none.exr"):
        with pytest.raises(InputError) as caught:
            read_exr(tmp_path / name)
        assert name in str(caught.value)


def test_unknown_lights_are_refused(tmp_path: Path) -> None:
    for source in ("moonlight", tmp_path / "none.hdr", np.zeros((4, 8)), np.full((4, 8, 3), np.nan)):
        with pytest.raises(InputError):
            environment_map(source)


def test_resampling_keeps_the_mean_and_is_exact_on_whole_factors() -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(size=(30, 60, 3))
    np.testing.assert_allclose(resampled(image, 10), image.reshape(10, 3, 20, 3, 3).mean((1, 3)), rtol=1e-5)
    for height in (7, 45):
        np.testing.assert_allclose(resampled(image, height).mean((0, 1)), image.mean((0, 1)), rtol=1e-4)


def test_cells_share_out_the_whole_sphere_and_all_light() -> None:
    image = environment_map("sky")
    directions, _, angles = light_cells(image)
    assert angles.sum() == pytest.approx(4 * np.pi, rel=1e-4)
    assert (angles > 0).all()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-5)
    even = light_cells(np.ones((16, 32, 3), np.float32))
    np.testing.assert_allclose(even[1], np.repeat(even[2][:, None], 3, 1), rtol=1e-4)


def test_blurring_even_light_changes_nothing() -> None:
    np.testing.assert_allclose(prefiltered(np.full((8, 16, 3), 0.7, np.float32)), 0.7, rtol=1e-4)


def test_reflectance_of_a_smooth_dielectric_is_fresnels() -> None:
    """Index 1.5 seen head on reflects 4 %; a perfect mirror everything."""
    table = reflectance_table()
    a, b, c = table[0, -1]
    assert c == pytest.approx(0.04, abs=0.002)
    assert a + b == pytest.approx(1.0, abs=0.01)
    assert (table >= 0).all()
    assert (table[..., 0] + table[..., 1] <= 1.01).all()


def test_a_light_is_read_back_from_the_cache_and_made_anew_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(light_module, "_MEMORY", {})
    rng = np.random.default_rng(0)
    image = rng.uniform(size=(8, 16, 3)).astype(np.float32)
    first = light_from(image)
    files = list((tmp_path / "svdmv").iterdir())
    assert [f.suffix for f in files] == [".npz"]

    def forbidden(environment: np.ndarray) -> np.ndarray:
        raise AssertionError("prepared again")

    with monkeypatch.context() as patch:
        patch.setattr(light_module, "prefiltered", forbidden)
        assert light_from(image) is first  # from memory
        patch.setattr(light_module, "_MEMORY", {})
        np.testing.assert_array_equal(light_from(image).levels, first.levels)  # from disk
    files[0].write_bytes(files[0].read_bytes()[:1000])
    monkeypatch.setattr(light_module, "_MEMORY", {})
    np.testing.assert_array_equal(light_from(image).levels, first.levels)
