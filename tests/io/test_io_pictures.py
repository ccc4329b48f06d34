"""Any picture in: right side up, right colours, right alpha; or one refusal."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from svdmv.core import DataError, InputError
from svdmv.io import pictures
from svdmv.io.pictures import png_bytes, read_picture, read_png_rgba, rgba_from_bytes, write_png

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "pictures"
RED, GREEN, BLUE, GREY = (200, 30, 20), (10, 180, 40), (20, 40, 220), (120, 120, 120)


def quadrants(size: int = 32) -> np.ndarray:
    """(size, size, 3): red top left, green top right, blue bottom left, grey bottom right."""
    out = np.zeros((size, size, 3), np.uint8)
    half = size // 2
    out[:half, :half], out[:half, half:], out[half:, :half], out[half:, half:] = RED, GREEN, BLUE, GREY
    return out


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def read(data: bytes, **options: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    return rgba_from_bytes(data, "test", **options)


def test_png_writing_and_reading_keeps_every_value(tmp_path: Path):
    rng = np.random.default_rng(0)
    for shape in ((5, 7), (5, 7, 3), (5, 7, 4), (1, 1, 4)):
        array = rng.integers(0, 256, shape).astype(np.uint8)
        write_png(tmp_path / "x.png", array)
        back = read_png_rgba(tmp_path / "x.png")
        if len(shape) == 2:
            array = np.repeat(array[..., None], 3, 2)
        np.testing.assert_array_equal(back[..., : array.shape[2]], array)
        assert back.shape[2] == 4
        if array.shape[2] == 3:
            assert (back[..., 3] == 255).all()
    assert png_bytes(array) == png_bytes(array.copy())


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 2), np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_png_refuses_other_arrays(bad: np.ndarray):
    with pytest.raises(DataError):
        png_bytes(bad)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_of_every_kind(orientation: int):
    """Stored so that the tag's turn shows the quadrants upright (EXIF 2.3, tag 274)."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = Image.fromarray(quadrants(32)[:, :24])
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[274] = orientation
    rgba, _ = read(saved(stored, "PNG", exif=exif))
    np.testing.assert_array_equal(rgba[..., :3], np.asarray(upright))


def test_textures_are_taken_as_stored():
    exif = Image.Exif()
    exif[274] = 6
    rgba, _ = read(saved(Image.fromarray(quadrants()), "PNG", exif=exif), as_stored=True)
    np.testing.assert_array_equal(rgba[..., :3], quadrants())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "PPM", "GIF"])
def test_lossless_kinds_keep_their_pixels(kind: str):
    options = {"WEBP": {"lossless": True}}.get(kind, {})
    rgba, notes = read(saved(Image.fromarray(quadrants()), kind, **options))
    np.testing.assert_array_equal(rgba[..., :3], quadrants())
    assert (rgba[..., 3] == 255).all()
    assert notes == ()


def test_grey_one_bit_and_grey_with_alpha():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    rgba, _ = read(saved(Image.fromarray(grey), "PNG"))
    np.testing.assert_array_equal(rgba[..., 0], grey)
    rgba, _ = read(saved(Image.fromarray(grey).convert("1", dither=Image.Dither.NONE), "PNG"))
    np.testing.assert_array_equal(np.unique(rgba[..., :3]), [0, 255])
    two = np.dstack([grey, grey[::-1]])
    channels = [Image.fromarray(two[..., i].copy()) for i in range(2)]
    rgba, _ = read(saved(Image.merge("LA", channels), "PNG"))
    np.testing.assert_array_equal(rgba[..., 3], two[..., 1])
    np.testing.assert_array_equal(rgba[..., 2], two[..., 0])


def test_sixteen_bits_end_as_the_upper_eight_rounded():
    values = np.array([[0, 257, 128 * 257, 65535, 65535 - 100, 100, 1000, 40000]] * 8, np.uint16)
    rgba, _ = read(saved(Image.fromarray(values), "PNG"))
    np.testing.assert_array_equal(rgba[0, :, 0], np.round(values[0] / 257))


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((0.0, 0.5, 1.0), (0, 128, 255)),  # 0 .. 1
        ((0.0, 100.0, 255.0), (0, 100, 255)),  # 0 .. 255
        ((-1.0, 0.0, 1.0), (0, 128, 255)),  # stretched
        ((3.0, 3.0, 3.0), (3, 3, 3)),
    ],
)
def test_float_tiff(values: tuple[float, ...], shown: tuple[int, ...]):
    array = np.repeat(np.array([values], np.float32), 8, 0).repeat(4, 1)
    rgba, notes = read(saved(Image.fromarray(array), "TIFF"))
    np.testing.assert_array_equal(rgba[0, ::4, 1], shown)
    assert "grey values" in notes[0]


def test_float_tiff_with_nan_is_refused():
    array = np.ones((8, 8), np.float32)
    array[0, 0] = np.nan
    with pytest.raises(InputError, match="not finite"):
        read(saved(Image.fromarray(array), "TIFF"))


def test_palette_with_and_without_transparency():
    paletted = Image.fromarray(quadrants()).quantize(4)
    rgba, _ = read(saved(paletted, "PNG"))
    np.testing.assert_array_equal(rgba[..., :3], quadrants())
    index = paletted.getpixel((0, 0))
    rgba, _ = read(saved(paletted, "PNG", transparency=index))
    assert (rgba[:16, :16, 3] == 0).all()
    assert (rgba[16:, 16:, 3] == 255).all()


def test_a_colour_key_becomes_alpha():
    rgba, _ = read(saved(Image.fromarray(quadrants()), "PNG", transparency=RED))
    assert (rgba[:16, :16, 3] == 0).all()
    assert (rgba[16:, :16, 3] == 255).all()


def test_cmyk_jpeg_of_both_polarities_shows_the_colours():
    """Pillow writes Adobe's inverted CMYK; white paper must come out white, not black."""
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    rgba, notes = read(saved(white, "JPEG"))
    assert rgba[..., :3].min() > 250
    assert "CMYK" in notes[0]
    cyan, _ = read(saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "TIFF"))
    assert cyan[0, 0, 0] < 60
    assert cyan[0, 0, 2] > 150


def test_icc_profiles_are_applied_and_bad_ones_noted():
    plain = Image.fromarray(quadrants())
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgba, notes = read(saved(plain, "PNG", icc_profile=srgb))
    np.testing.assert_array_equal(rgba[..., :3], quadrants())
    assert notes == ()
    rgba, notes = read(saved(plain, "PNG", icc_profile=b"no profile at all" * 20))
    np.testing.assert_array_equal(rgba[..., :3], quadrants())
    assert "not usable" in notes[0]


def wide_gamut_profile() -> bytes:
    """An sRGB profile with the red and green columns exchanged and another name: a visible, exact change."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", data, 128)[0]
    places = {bytes(data[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    data[places[b"rXYZ"] : places[b"rXYZ"] + 4], data[places[b"gXYZ"] : places[b"gXYZ"] + 4] = b"gXYZ", b"rXYZ"
    return bytes(data).replace(b"s\0R\0G\0B", b"x\0R\0G\0B").replace(b"sRGB built-in", b"xRGB built-in")


def test_a_profile_that_swaps_red_and_green_is_undone():
    plain = Image.fromarray(quadrants())
    rgba, notes = read(saved(plain, "PNG", icc_profile=wide_gamut_profile()))
    assert "converted from ICC profile" in notes[0]
    np.testing.assert_allclose(rgba[..., :3].astype(int), quadrants()[..., [1, 0, 2]], atol=3)
    with_alpha = plain.copy()
    with_alpha.putalpha(Image.new("L", plain.size, 90))
    rgba, _ = read(saved(with_alpha, "PNG", icc_profile=wide_gamut_profile()))
    assert (rgba[..., 3] == 90).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_taken_and_noted(kind: str):
    frames = [Image.new("RGB", (16, 16), c) for c in (RED, GREEN, BLUE)]
    rgba, notes = read(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
    np.testing.assert_allclose(rgba[0, 0, :3].astype(int), RED, atol=8)
    assert notes == ("first of 3 frames or pages taken",)


def test_large_pictures_are_reduced_with_colour_weighted_by_alpha():
    array = np.zeros((64, 64, 4), np.uint8)
    array[:, ::2] = (200, 100, 50, 255)  # every second column transparent black
    rgba, notes = read(saved(Image.fromarray(array), "PNG"), max_side_px=32)
    assert rgba.shape == (32, 32, 4)
    np.testing.assert_allclose(rgba[5, 5].astype(int), (200, 100, 50, 128), atol=2)
    assert notes == ("reduced from 64x64 to 32x32 px",)


def test_bands_give_the_same_picture_as_one_piece(monkeypatch: pytest.MonkeyPatch):
    array = np.random.default_rng(1).integers(0, 256, (61, 47, 4)).astype(np.uint8)
    data = saved(Image.fromarray(array), "PNG")
    whole, _ = read(data, max_side_px=21)
    monkeypatch.setattr(pictures, "_BAND_PIXELS", 47 * 4)
    banded, _ = read(data, max_side_px=21)
    np.testing.assert_array_equal(banded, whole)
    full, _ = read(data)
    np.testing.assert_array_equal(full, array)


def test_large_jpegs_are_reduced():
    rgba, notes = read(saved(Image.fromarray(quadrants(256)), "JPEG"), max_side_px=64)
    assert rgba.shape == (64, 64, 4)
    np.testing.assert_allclose(rgba[8, 8, :3].astype(int), RED, atol=6)
    assert "reduced from 256x256" in notes[0]


def bomb(width: int, height: int) -> bytes:
    """A valid PNG header of any size and next to no data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize(("size", "limit"), [((30000, 30000), None), ((12000, 12000), 10**6), ((100, 100), 9999)])
def test_bombs_are_refused_from_their_header(size: tuple[int, int], limit: int | None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image.Image, "crop", lambda *_: pytest.fail("decoded"))
    with pytest.raises(InputError, match="too large"):
        read(bomb(*size), **({} if limit is None else {"max_pixels": limit}))


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (1, 1), (2000, 1)])
def test_pictures_without_content_are_refused(tmp_path: Path, size: tuple[int, int]):
    (tmp_path / "x.png").write_bytes(bomb(*size))
    with pytest.raises(InputError):
        read_picture(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty file"),
        (b"<!DOCTYPE html><html><body>not found</body></html>", "web page"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40, "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + b"\0" * 40, "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42isom" + b"\0" * 40, "video"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "PostScript"),
        (b"8BPS\0\1" + b"\0" * 30, "Photoshop"),
        (b"\x76\x2f\x31\x01" + b"\0" * 30, "OpenEXR"),
        (b"glTF\2\0\0\0", "3D model"),
        (b"II*\0\x10\0\0\0CR\2\0" + b"\0" * 20, "raw file"),
        (b"\xff\xd8\xff\xe0 nothing of a picture", "JPEG"),
        (b"just words", "unknown kind"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path: Path, data: bytes, sentence: str):
    (tmp_path / "x.jpg").write_bytes(data)
    with pytest.raises(InputError, match=sentence) as caught:
        read_picture(tmp_path / "x.jpg")
    assert str(tmp_path / "x.jpg") in caught.value.block()
    assert caught.value.next_step


def test_paths_that_are_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="not there"):
        read_picture(tmp_path / "absent.png")
    with pytest.raises(InputError, match="a folder"):
        read_picture(tmp_path)
    with pytest.raises(InputError):
        read_picture("zero\0byte.png")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="device or pipe"):
        read_picture(tmp_path / "pipe")

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "x.png").write_bytes(b"x")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match="No permission"):
        read_picture(tmp_path / "x.png")


def test_a_picture_knows_its_hash_path_and_alpha(tmp_path: Path):
    path = tmp_path / "name with space, ünïcode 猫.png"
    write_png(path, quadrants())
    picture = read_picture(path)
    assert picture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert picture.path == path
    assert not picture.has_alpha
    assert picture.notes == ()
    assert not picture.rgba.flags.writeable
    opaque = np.dstack([quadrants(), np.full((32, 32), 255, np.uint8)])
    write_png(path, opaque)
    assert not read_picture(path).has_alpha
    opaque[3, 3, 3] = 254
    write_png(path, opaque)
    assert read_picture(path).has_alpha


def test_damaged_bytes_give_a_picture_or_an_input_error():
    """Cut and flipped bytes of eight kinds: never another exception, never a warning."""
    rng = np.random.default_rng(5)
    image = Image.fromarray(quadrants(24))
    kinds = ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000"]
    for kind in kinds:
        data = saved(image, kind)
        for trial in range(60):
            broken = bytearray(data)
            if trial % 2:
                del broken[int(rng.integers(1, len(data))) :]
            for _ in range(int(rng.integers(0, 6))):
                broken[int(rng.integers(0, len(broken)))] = int(rng.integers(0, 256))
            try:
                rgba, _ = read(bytes(broken), max_pixels=10**6)
            except InputError:
                continue
            assert rgba.ndim == 3


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared pictures are not here")
def test_every_shared_picture_is_read_or_refused():
    expected_refusals = {
        "empty.jpg",
        "html.jpg",
        "one_by_one.png",
        "one_pixel_high.png",
        "truncated.jpg",
        "truncated.png",
    }
    refused, shapes = {}, {}
    files = [p for p in sorted(SHARED.rglob("*")) if p.is_file() and p.suffix != ".json"]
    for path in files:
        try:
            shapes[path.name] = read_picture(path)
        except InputError as error:
            refused[path.name] = error.next_step
    assert len(files) >= 131
    assert set(refused) == expected_refusals
    assert all(refused.values())
    upright = shapes["exif_orientation_3.jpg"].rgba.astype(int)
    for number in (5, 6, 8):
        assert np.abs(shapes[f"exif_orientation_{number}.jpg"].rgba - upright).mean() < 3
    assert np.abs(shapes["cmyk.jpg"].rgba - upright).mean() < 12
    assert 20 < shapes["grey16.png"].rgba[..., :3].mean() < 250
    for name in ("rgba16.png", "palette_alpha.png", "palette_one_transparent.png", "grey_alpha.png"):
        assert shapes[name].has_alpha, name
    assert not shapes["alpha_all_opaque.png"].has_alpha
