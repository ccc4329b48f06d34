"""Light maps in files: Radiance .hdr, read and written, and OpenEXR .exr, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import InputError, require

MAX_PIXELS = 64_000_000
Floats = NDArray[np.float32]


def read_hdr(path: Path) -> Floats:
    """A Radiance picture (.hdr, RGBE; flat or run-length coded) as (H, W, 3) float32 linear radiance.

    Source: G. Ward, "Real Pixels", Graphics Gems II, 1991, and the Radiance file format notes.

    Raises:
        InputError: the file is missing, cut off, damaged, larger than MAX_PIXELS, or of another layout.
    """

    def refuse(seen: object, expected: str) -> InputError:
        return _refusal(path, seen, expected)

    try:
        data = path.read_bytes()
    except OSError as error:
        raise refuse(error.strerror or error, "a readable .hdr file") from error
    if not data.startswith((b"#?RADIANCE", b"#?RGBE")):
        raise refuse(data[:16], "a Radiance file that starts with #?RADIANCE or #?RGBE")
    head, separator, rest = data.partition(b"\n\n")
    line, newline, body = rest.partition(b"\n")
    if b"FORMAT=32-bit_rle_xyze" in head:
        raise refuse("FORMAT=32-bit_rle_xyze", "FORMAT=32-bit_rle_rgbe")
    words = line.split()
    if not separator or not newline or len(words) != 4 or words[0] != b"-Y" or words[2] != b"+X":
        raise refuse(line[:40], "a size line -Y HEIGHT +X WIDTH")
    try:
        height, width = int(words[1]), int(words[3])
    except ValueError as error:
        raise refuse(line[:40], "whole numbers in the size line") from error
    if not (height > 0 and width > 0 and height * width <= MAX_PIXELS):
        raise refuse(f"{width}x{height}", f"between 1 and {MAX_PIXELS} pixels")
    try:
        rgbe = _rgbe_rows(np.frombuffer(body, np.uint8), height, width)
    except (IndexError, ValueError) as error:
        raise refuse(f"{len(body)} bytes of pixels that end early or do not fit", "whole scan lines") from error
    exponent = rgbe[..., 3:].astype(np.int32)
    scale = np.where(exponent > 0, np.exp2((exponent - 136).astype(np.float32)), np.float32(0))
    return np.ascontiguousarray(rgbe[..., :3].astype(np.float32) * scale, np.float32)


def hdr_bytes(radiance: NDArray[Any]) -> bytes:
    """A flat Radiance file of (H, W, 3) linear radiance: 8 bits a colour under a shared exponent, 0.4 % at worst."""
    largest = np.maximum(np.asarray(radiance, np.float64).max(2), 1e-32)
    exponent = np.frexp(largest)[1]
    mantissa = np.clip(np.rint(radiance / np.exp2(exponent.astype(np.float64) - 8)[..., None]), 0, 255)
    rgbe = np.concatenate([mantissa, (exponent + 128)[..., None]], -1).astype(np.uint8)
    rgbe[largest < 1e-30] = 0
    head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {rgbe.shape[0]} +X {rgbe.shape[1]}\n"
    return head.encode("ascii") + rgbe.tobytes()


def read_exr(path: Path) -> Floats:
    """An OpenEXR picture (.exr) as (H, W, 3) float32 linear radiance: its first part's R, G, B, or Y for grey.

    Values below zero, which filters leave behind, become zero.

    Raises:
        InputError: the file is missing, damaged, larger than MAX_PIXELS, has no such channels, or holds values that are
            not finite.
        MissingDependency: OpenEXR is not installed.
    """
    openexr = require("OpenEXR", "exr", "Reading .exr lights")
    if not path.is_file():
        raise _refusal(path, "no such file", "a readable .exr file")
    try:
        with openexr.File(str(path), header_only=True) as file:
            low, high = file.header()["dataWindow"]
        height, width = int(high[1]) - int(low[1]) + 1, int(high[0]) - int(low[0]) + 1
        if not (height > 0 and width > 0 and height * width <= MAX_PIXELS):
            raise _refusal(path, f"{width}x{height}", f"between 1 and {MAX_PIXELS} pixels")
        with openexr.File(str(path), separate_channels=True) as file:
            planes = {name: np.asarray(c.pixels, np.float32) for name, c in file.channels().items()}
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise _refusal(path, error, "a whole .exr file") from error
    names = ("R", "G", "B") if {"R", "G", "B"} <= set(planes) else ("Y", "Y", "Y")
    if names[0] not in planes or any(planes[name].shape != (height, width) for name in names):
        raise _refusal(path, "channels " + ", ".join(sorted(planes)), "channels R, G, B or Y")
    radiance = np.stack([planes[name] for name in names], -1)
    if not np.isfinite(radiance).all():
        raise _refusal(path, f"{int((~np.isfinite(radiance)).sum())} values that are not finite", "finite radiance")
    return np.maximum(radiance, np.float32(0))


def _refusal(path: Path, seen: object, expected: str) -> InputError:
    return InputError(
        "This light file cannot be read",
        where=path,
        seen=seen,
        expected=expected,
        next_step="use another .hdr or .exr file, or a light that `svdmv list` names",
    )


def _rgbe_rows(body: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """(height, width, 4) bytes of flat or run-length coded scan lines. Raises IndexError or ValueError when cut off."""
    coded = 8 <= width <= 32767 and len(body) >= 4 and body[0] == 2 and body[1] == 2 and body[2] < 128
    if not coded:
        return body[: height * width * 4].reshape(height, width, 4)
    out = np.empty((height, 4, width), np.uint8)
    at = 0
    for row in out:
        if body[at] != 2 or body[at + 1] != 2 or (int(body[at + 2]) << 8 | int(body[at + 3])) != width:
            raise ValueError("scan line does not start with its width")
        at += 4
        for channel in row:
            x = 0
            while x < width:
                count = int(body[at])
                if count > 128:
                    count -= 128
                    if x + count > width:
                        raise ValueError("run longer than the scan line")
                    channel[x : x + count] = body[at + 1]
                    at += 2
                else:
                    if count == 0 or x + count > width:
                        raise ValueError("run longer than the scan line")
                    channel[x : x + count] = body[at + 1 : at + 1 + count]
                    at += 1 + count
                x += count
    return np.ascontiguousarray(out.transpose(0, 2, 1))
