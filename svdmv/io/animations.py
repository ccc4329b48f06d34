"""Frames -> a moving picture: MP4, or GIF and WebP where the background may be clear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.core import DataError, InputError
from svdmv.io.atomic import whole_file
from svdmv.io.video import write_video

ANIMATION_SUFFIXES = (".mp4", ".gif", ".webp")


def write_animation(path: Path | str, frames: NDArray[np.uint8], fps: float, *, transparent: bool = False) -> None:
    """Write an endless animation (.gif, .webp) or a video (.mp4), whole or not at all.

    Args:
        frames: (N, H, W, 4) uint8 sRGB, straight alpha.
        fps: frames a second. GIF counts in hundredths of a second: the rate is rounded to them.
        transparent: keep alpha (WebP all of it, GIF clear or not); otherwise white shows behind.

    Raises:
        DataError: another shape or type.
        InputError: another suffix, an MP4 that should be transparent, or the system refuses to write.
    """
    path, frames = Path(path), np.asarray(frames)
    if frames.ndim != 4 or frames.shape[3] != 4 or frames.dtype != np.uint8 or not frames.size or not 0 < fps <= 100:
        raise DataError(
            "These frames cannot be written as an animation",
            where="write_animation",
            seen=f"{frames.dtype} {frames.shape}, {fps} frames a second",
            expected="uint8 (N, H, W, 4), N >= 1, 0 < fps <= 100",
        )
    suffix = path.suffix.lower()
    if suffix not in ANIMATION_SUFFIXES or (transparent and suffix == ".mp4"):
        raise InputError(
            "A clear background needs a GIF or a WebP" if transparent else "The suffix names no animation",
            where=path,
            seen=suffix or "no suffix",
            expected=".webp or .gif" if transparent else ", ".join(ANIMATION_SUFFIXES),
            next_step=f"-o {path.with_suffix('.webp').name}",
        )
    if not transparent:
        alpha = frames[..., 3:].astype(np.float32) / 255
        solid = np.round(frames[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
        if suffix == ".mp4":
            write_video(path, solid, fps)
            return
        pictures = [Image.fromarray(frame) for frame in solid]
    elif suffix == ".gif":
        pictures = [_clear_palette(frame) for frame in frames]
    else:
        pictures = [Image.fromarray(frame) for frame in frames]
    more = {"quality": 90, "method": 4} if suffix == ".webp" else {"disposal": 2, "optimize": False}
    with whole_file(path) as temporary:
        pictures[0].save(
            temporary,
            suffix[1:].upper(),
            save_all=True,
            append_images=pictures[1:],
            duration=round(1000 / fps),
            loop=0,
            **more,
        )


def _clear_palette(frame: NDArray[np.uint8]) -> Image.Image:
    """A palette picture of 255 colours whose last is clear where alpha is below one half."""
    indexed = Image.fromarray(frame[..., :3]).quantize(255, dither=Image.Dither.NONE)
    pixels = np.array(indexed)
    pixels[frame[..., 3] < 128] = 255
    picture = Image.frombytes("P", indexed.size, pixels.tobytes())
    picture.putpalette([*(indexed.getpalette() or [])[: 3 * 255], 255, 255, 255])
    picture.info["transparency"] = 255
    return picture
