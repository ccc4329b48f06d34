"""What a video holds, frames of it at chosen places, and pieces cut out without coding them anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import DataError, InputError, require
from svdmv.io.atomic import input_error_from_os_error, whole_file
from svdmv.io.video import not_a_video, upright


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """times_s: (N,) float64 when each frame is shown, rising, the first at 0; keyframes: (K,) int64 frames from which
    decoding can begin, the first 0; fps: frames a second; width, height in pixels as stored."""

    path: Path
    times_s: NDArray[np.float64]
    keyframes: NDArray[np.int64]
    fps: float
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.times_s)


def video_index(path: Path | str) -> VideoIndex:
    """Read times and key frames of a video's packets; nothing is decoded.

    Raises InputError: the file is absent, or not a video.
    """
    path = Path(path)
    av = require("av", None, "reading video")
    if not path.is_file():
        raise InputError("The video is not there", where=path, expected="the path of a video file")
    try:
        with av.open(str(path)) as box:
            if not box.streams.video:
                raise not_a_video(path, "no video stream")
            stream = box.streams.video[0]
            shown = [
                (float(packet.pts * stream.time_base), bool(packet.is_keyframe))
                for packet in box.demux(stream)
                if packet.pts is not None and packet.size and not packet.is_discard
            ]
            size = stream.codec_context.width, stream.codec_context.height
            rate = stream.average_rate or stream.guessed_rate
    except av.FFmpegError as error:
        raise not_a_video(path, error) from error
    except OSError as error:
        raise input_error_from_os_error(error, path) from error
    if not shown or not min(size):
        raise not_a_video(path, f"{len(shown)} frames of {size[0]}x{size[1]} px")
    shown.sort()
    times = np.array([t for t, _ in shown])
    keys = np.array([n for n, (_, key) in enumerate(shown) if key], np.int64)
    span = float(times[-1] - times[0])
    fps = float(rate) if rate else (len(times) - 1) / span if span > 0 else 1.0
    return VideoIndex(path, times - times[0], keys if len(keys) else np.zeros(1, np.int64), fps, *size)


def each_frame(path: Path | str, *, short_side_px: int | None = None) -> Iterator[NDArray[np.uint8]]:
    """Every frame in the order of showing, (H, W, 3) uint8 sRGB, upright; made smaller when `short_side_px` is given.

    Raises InputError: the video is absent or damaged.
    """
    path = Path(path)
    av = require("av", None, "reading video")
    try:
        with av.open(str(path)) as box:
            stream = box.streams.video[0]
            stream.thread_type = "SLICE"
            for frame in box.decode(stream):
                yield _pixels(frame, short_side_px)
    except av.FFmpegError as error:
        raise not_a_video(path, error) from error
    except (OSError, IndexError) as error:
        raise not_a_video(path, error) from error


def frames_at(index: VideoIndex, numbers: Sequence[int], *, short_side_px: int | None = None) -> NDArray[np.uint8]:
    """(N, H, W, 3) uint8 of chosen frames, in the order asked for; decoding begins at the key frame before the first.

    Raises DataError: a number the video does not have. InputError: the video ends before it says.
    """
    wanted = [int(n) for n in numbers]
    if not wanted or min(wanted) < 0 or max(wanted) >= len(index):
        raise DataError(
            "The video does not have these frames",
            where=index.path,
            seen=f"{min(wanted, default=0)} .. {max(wanted, default=0)}",
            expected=f"0 .. {len(index) - 1}",
        )
    av = require("av", None, "reading video")
    start = int(index.keyframes[np.searchsorted(index.keyframes, min(wanted), side="right") - 1])
    step = 0.5 / index.fps
    places = {round(float(index.times_s[n]) / step): n for n in set(wanted)}
    found: dict[int, NDArray[np.uint8]] = {}
    try:
        with av.open(str(index.path)) as box:
            stream = box.streams.video[0]
            stream.thread_type = "SLICE"
            first = stream.start_time or 0
            if start:
                box.seek(first + int(index.times_s[start] / stream.time_base), stream=stream, backward=True)
            for frame in box.decode(stream):
                time = float((frame.pts - first) * stream.time_base)
                number = places.get(round(time / step))
                if number is not None and abs(float(index.times_s[number]) - time) < step:
                    found[number] = _pixels(frame, short_side_px)
                if len(found) == len(places):
                    break
    except av.FFmpegError as error:
        raise not_a_video(index.path, error) from error
    if len(found) < len(places):
        raise not_a_video(index.path, f"{len(places) - len(found)} of {len(places)} frames do not decode")
    return np.stack([found[n] for n in wanted])


def copy_clip(index: VideoIndex, start: int, stop: int, path: Path | str) -> int:
    """Write frames from `start` on, up to `stop` - 1, as a video of its own, every byte of the coded pictures kept;
    whole or not at all.

    `start` must be a key frame, so that nothing is coded anew. Frames that are coded with the help of one at or behind
    `stop` cannot be kept without it: the clip then ends a few frames earlier. Returns how many frames were written.
    Raises DataError: no key frame, or an empty span.
    """
    if start not in index.keyframes or not start < stop <= len(index):
        raise DataError(
            "A clip must begin at a key frame",
            where=index.path,
            seen=f"frames {start} .. {stop}",
            expected=f"one of {index.keyframes[:8].tolist()}{' ...' if len(index.keyframes) > 8 else ''}",
        )
    av = require("av", None, "writing video")
    kind = "mp4" if Path(path).suffix.lower() in (".mp4", ".m4v", ".mov") else "matroska"
    with av.open(str(index.path)) as box, whole_file(path) as temporary:
        stream = box.streams.video[0]
        kept, whole, last = [], 0, start - 1
        for packet in box.demux(stream):
            if packet.pts is None or not packet.size:
                continue
            number = _number_of(packet, stream, index)
            if number < start:
                continue
            if number >= stop:
                break
            kept.append(packet)
            last = max(last, number)
            if last - start + 1 == len(kept):
                whole = len(kept)  # every frame so far can be decoded from what is here
        with av.open(str(temporary), "w", kind) as out:
            copied = out.add_stream_from_template(stream)
            shift = kept[0].pts
            for packet in kept[:whole]:
                packet.pts -= shift
                packet.dts = None if packet.dts is None else packet.dts - shift
                packet.stream = copied
                out.mux(packet)
    return whole


def _number_of(packet: Any, stream: Any, index: VideoIndex) -> int:
    """The frame that a packet holds, by its time."""
    time = float((packet.pts - (stream.start_time or 0)) * stream.time_base)
    return int(np.abs(index.times_s - time).argmin())


def _pixels(frame: Any, short_side_px: int | None) -> NDArray[np.uint8]:
    if short_side_px is None or min(frame.width, frame.height) <= short_side_px:
        return upright(frame)
    scale = short_side_px / min(frame.width, frame.height)
    width, height = max(2, round(frame.width * scale)), max(2, round(frame.height * scale))
    return upright(frame, frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA"))
