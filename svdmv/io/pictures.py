"""Any picture file -> upright 8-bit sRGB with straight alpha, or one clear refusal."""

from __future__ import annotations

import hashlib
import io
import math
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.core import DataError, InputError
from svdmv.core.arrays import checked_array
from svdmv.io.atomic import input_error_from_os_error, write_bytes
from svdmv.io.picture_colour import rgba_from_any_mode, srgb_from_profile
from svdmv.io.picture_kinds import readable_formats, refusal_of_unreadable

DEFAULT_MAX_PIXELS = 178_956_970  # twice Pillow's warning level: above it Pillow itself refuses
DEFAULT_MAX_SIDE_PX = 4096
MIN_SIDE_PX = 8
_BAND_PIXELS = 2**24
_TURN_FROM_EXIF = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture as the rest of the house sees it.

    Attributes:
        rgba: (H, W, 4) uint8, sRGB-encoded, straight alpha, upright.
        has_alpha: True when some pixel is not fully opaque; a file whose alpha is 255 everywhere has none.
        notes: what was done to the file that a user may want to know ("first of 8 frames", "reduced from ...").
        sha256: hex digest of the file's bytes.
        path: the file.
    """

    rgba: NDArray[np.uint8]
    has_alpha: bool
    notes: tuple[str, ...]
    sha256: str
    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "rgba", checked_array(self.rgba, "Picture.rgba", (None, None, 4), np.uint8))


def read_picture(
    path: Path | str,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_side_px: int = DEFAULT_MAX_SIDE_PX,
    min_side_px: int = MIN_SIDE_PX,
) -> Picture:
    """Read a picture file of any common kind.

    EXIF turns, CMYK, 16-bit, palette, grey, 1-bit, float, transparency of every kind and ICC profiles end as 8-bit sRGB
    with straight alpha; of an animation the first frame is taken. Each such step that loses something is in `notes`.

    Args:
        path: PNG, JPEG, WebP, GIF, TIFF, BMP, PPM, ICO, JPEG 2000, and AVIF where Pillow was built with it.
        max_pixels: pictures with more pixels are refused before they are decoded (Pillow's own limit, twice
            Image.MAX_IMAGE_PIXELS, holds as well).
        max_side_px: longer pictures are reduced by a whole factor (colour weighted by alpha).
        min_side_px: smaller pictures are refused.

    Raises:
        InputError: the file is absent, not a picture, damaged, too large or too small.
    """
    path = Path(path)
    data = _bytes_of(path)
    rgba, notes = rgba_from_bytes(data, path, max_pixels=max_pixels, max_side_px=max_side_px, min_side_px=min_side_px)
    return Picture(rgba, bool((rgba[..., 3] < 255).any()), notes, hashlib.sha256(data).hexdigest(), path)


def rgba_from_bytes(
    data: bytes,
    where: Path | str,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_side_px: int = DEFAULT_MAX_SIDE_PX,
    min_side_px: int = 1,
    as_stored: bool = False,
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """(H, W, 4) uint8 sRGB with straight alpha, and notes, of a picture file held in memory; see `read_picture`.

    `where` names the source in errors. `as_stored` leaves out EXIF turns and ICC profiles, as glTF textures want it.
    Raises InputError.
    """
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            image = Image.open(io.BytesIO(data), formats=readable_formats())
        except Image.DecompressionBombError as error:
            raise _too_large(where, _pixels_refused(error), max_pixels) from error
        except Exception as error:  # decoders raise anything on damaged bytes
            raise refusal_of_unreadable(data, where, error) from error
        width, height = image.size
        if width * height > max_pixels:
            raise _too_large(where, f"{width}x{height} px", max_pixels)
        if min(width, height) < min_side_px:
            raise InputError(
                "The picture is too small",
                where=where,
                seen=f"{width}x{height} px",
                expected=f"at least {min_side_px}x{min_side_px} px",
                next_step="use a larger version of the picture",
            )
        try:
            upright = _upright_rgba(image, max_side_px, as_stored, notes)
        except InputError as error:
            raise InputError(error.what, where=where, seen=error.seen, expected=error.expected) from error
        except Image.DecompressionBombError as error:
            raise _too_large(where, _pixels_refused(error), max_pixels) from error
        except MemoryError as error:
            raise _too_large(where, f"{width}x{height} px, out of memory", max_pixels) from error
        except Exception as error:  # decoders raise anything on damaged bytes
            raise InputError(
                "The picture is damaged",
                where=where,
                seen=f"{image.format}, {width}x{height} px: {error}",
                expected="a complete picture file",
                next_step="download or export the picture again",
            ) from error
    notes += [str(w.message) for w in caught if not issubclass(w.category, Image.DecompressionBombWarning)]
    return upright, tuple(dict.fromkeys(notes))


def read_png_rgba(path: Path | str) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 of an 8-bit PNG, value by value as stored (no turning, no profile). Raises InputError."""
    path = Path(path)
    data = _bytes_of(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                return np.asarray(image.convert("RGBA"), np.uint8)
        except Exception as error:  # decoders raise anything on damaged bytes
            raise refusal_of_unreadable(data, path, error) from error


def png_bytes(array: NDArray[np.uint8]) -> bytes:
    """A PNG file of (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA uint8; equal arrays give equal bytes.

    Raises:
        DataError: another shape or type, or no pixel.
    """
    array = np.asarray(array)
    if (
        array.dtype != np.uint8
        or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)))
        or not array.size
    ):
        raise DataError(
            "A PNG cannot hold this array",
            where="png_bytes",
            seen=f"{array.dtype} {array.shape}",
            expected="uint8 of shape (H, W), (H, W, 3) or (H, W, 4), not empty",
        )
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def write_png(path: Path | str, array: NDArray[np.uint8]) -> None:
    """Write (H, W), (H, W, 3) or (H, W, 4) uint8 sRGB as PNG, whole or not at all. Raises DataError, InputError."""
    write_bytes(path, png_bytes(array))


def _bytes_of(path: Path) -> bytes:
    """The bytes of a regular file. Raises InputError."""
    try:
        if not path.exists():
            raise InputError(
                "The picture is not there",
                where=path,
                expected="the path of a picture file",
                next_step="check the spelling of the path",
            )
        if not path.is_file():
            raise InputError(
                "This is not a file",
                where=path,
                seen="a folder" if path.is_dir() else "a device or pipe",
                expected="the path of a picture file",
            )
        return path.read_bytes()
    except OSError as error:
        raise input_error_from_os_error(error, path) from error
    except ValueError as error:  # a zero byte in the name
        raise InputError("The path cannot be used", where=repr(str(path)), seen=error) from error


def _pixels_refused(error: Image.DecompressionBombError) -> str:
    """The number in Pillow's own refusal."""
    found = re.search(r"\((\d+) pixels\)", str(error))
    return f"{int(found[1]):,} pixels" if found else str(error)


def _too_large(where: Path | str, seen: str, max_pixels: int) -> InputError:
    return InputError(
        "The picture is too large",
        where=where,
        seen=seen,
        expected=f"at most {max_pixels:,} pixels",
        next_step="scale the picture down (4096 px a side is more than enough)",
    )


def _upright_rgba(image: Image.Image, max_side_px: int, as_stored: bool, notes: list[str]) -> NDArray[np.uint8]:
    """Decode, turn, reduce, bring to sRGB. Works in bands so that a large picture is never held twice."""
    original_size = image.size
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        notes.append(f"first of {frames} frames or pages taken")
    if image.format in ("JPEG", "MPO") and max(image.size) > max_side_px:
        image.draft(image.mode, (max_side_px, max_side_px))
    image.load()
    profile = None if as_stored else image.info.get("icc_profile")
    turn = None if as_stored else _TURN_FROM_EXIF.get(image.getexif().get(0x0112, 1))
    width, height = image.size
    factor = math.ceil(max(width, height) / max_side_px)
    rows = factor * max(1, _BAND_PIXELS // (width * factor))
    out = Image.new("RGBA", (math.ceil(width / factor), math.ceil(height / factor)))
    value_range = image.getextrema() if image.mode in ("F", "I") else None
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(height, top + rows)))
        rgba = rgba_from_any_mode(band, value_range, profile, notes)
        if profile and band.mode not in ("CMYK", "LAB"):
            rgba = srgb_from_profile(rgba, profile, notes, grey=band.mode[0] in "1LIF")
        if factor > 1:
            rgba = rgba.convert("RGBa").reduce(factor).convert("RGBA")
        out.paste(rgba, (0, top // factor))
    if turn is not None:
        out = out.transpose(turn)
    if out.size not in (original_size, original_size[::-1]):
        notes.append(f"reduced from {original_size[0]}x{original_size[1]} to {out.width}x{out.height} px")
    return np.asarray(out, np.uint8)
