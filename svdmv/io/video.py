"""Video files <-> frames, through av (FFmpeg)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import DataError, InputError, require
from svdmv.io.atomic import input_error_from_os_error, whole_file

_BT601, _BT709_PRIMARIES, _SRGB_CURVE, _LIMITED_RANGE = 6, 1, 13, 1  # H.264 Annex E: written so that players agree


def write_video(path: Path | str, frames: NDArray[np.uint8], fps: float) -> None:
    """Write an MP4 (H.264, yuv420p) that plays in browsers, phones and office programs; whole or not at all.

    Args:
        path: a name ending in .mp4.
        frames: (N, H, W, 3) uint8 sRGB, N >= 1. An odd width or height gets its last column or row repeated.
        fps: frames a second, positive.

    Raises:
        DataError: another shape, type or rate.
        InputError: the system refuses to write.
    """
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not frames.size or not 0 < fps <= 1000:
        raise DataError(
            "These frames cannot be written as a video",
            where="write_video",
            seen=f"{frames.dtype} {frames.shape}, {fps} frames a second",
            expected="uint8 (N, H, W, 3), N >= 1, 0 < fps <= 1000",
        )
    av = require("av", None, "writing video")
    height, width = frames.shape[1:3]
    even = ((0, height % 2), (0, width % 2), (0, 0))
    with whole_file(path) as temporary, av.open(str(temporary), "w", "mp4", options={"movflags": "faststart"}) as box:
        stream = box.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18", "preset": "medium", "bf": "0"}
        context = stream.codec_context
        context.thread_count = 1  # another number of threads gives other bytes, and machines differ in cores
        context.colorspace, context.color_primaries, context.color_trc = _BT601, _BT709_PRIMARIES, _SRGB_CURVE
        context.color_range = _LIMITED_RANGE
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.pad(pixels, even, mode="edge"), format="rgb24")
            box.mux(stream.encode(frame))
        box.mux(stream.encode(None))


def read_video(path: Path | str, *, max_frames: int = 2000) -> tuple[NDArray[np.uint8], float]:
    """Frames (N, H, W, 3) uint8 sRGB, upright, and frames a second, of any video that FFmpeg decodes.

    Raises:
        InputError: the file is absent, not a video, damaged, or has more than `max_frames` frames.
    """
    path = Path(path)
    av = require("av", None, "reading video")
    if not path.is_file():
        raise InputError("The video is not there", where=path, expected="the path of a video file")
    frames: list[NDArray[np.uint8]] = []
    try:
        with av.open(str(path)) as box:
            if not box.streams.video:
                raise not_a_video(path, "no video stream")
            stream = box.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate
            for frame in box.decode(stream):
                if len(frames) == max_frames:
                    raise InputError(
                        "The video is too long",
                        where=path,
                        seen=f"more than {max_frames} frames",
                        expected=f"at most {max_frames} frames",
                        next_step="cut the video, for example: ffmpeg -i IN.mp4 -t 10 OUT.mp4",
                    )
                frames.append(upright(frame))
    except av.FFmpegError as error:
        raise not_a_video(path, error) from error
    except OSError as error:
        raise input_error_from_os_error(error, path) from error
    if not frames or rate is None:
        raise not_a_video(path, f"{len(frames)} frames")
    return np.stack(frames), float(rate)


def upright(frame: Any, scaled: Any = None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of a decoded frame, or of its scaled copy, turned as the frame's side data says."""
    pixels: NDArray[np.uint8] = (frame if scaled is None else scaled).to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(getattr(frame, "rotation", 0) / 90)))


def not_a_video(path: Path, seen: object) -> InputError:
    """What to say of a file that does not decode."""
    return InputError(
        "The file is not a video that can be read",
        where=path,
        seen=seen,
        expected="a complete video file",
        next_step="convert it, for example: ffmpeg -i IN OUT.mp4",
    )
