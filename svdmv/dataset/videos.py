"""Object videos: files and folders of ordered pictures, their clips between cuts, and 21 frames along the path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import InputError, require
from svdmv.core.orbit import DEFAULT_NUM_VIEWS
from svdmv.dataset.video_scores import MOTION_FPS, evenly_along, motion_steps
from svdmv.io.video_clips import VideoIndex, each_frame, frames_at, video_index

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".ppm", ".bmp")
# Frames a second and threshold of each pass: hard cuts at full rate, then slower changes that only show between frames
# farther apart. SVD uses three rates and does not publish its values (App. C); these are ours.
CASCADE: tuple[tuple[float, float], ...] = ((0.0, 27.0), (6.0, 27.0), (2.0, 27.0))
CUT_SIDE_PX = 120


@dataclass(frozen=True)
class ObjectVideo:
    """A video file, or a folder of pictures in the order of their names; id is a safe file name."""

    id: str
    path: Path

    @property
    def is_folder(self) -> bool:
        """True for a folder of pictures."""
        return self.path.is_dir()


@dataclass(frozen=True)
class Clip:
    """Frames start .. stop - 1 of a video, without a cut inside; `start` is a key frame of a file."""

    video: ObjectVideo
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def id(self) -> str:
        """The video's id with the frames."""
        return f"{self.video.id}@{self.start:06d}-{self.stop:06d}"


def videos_in(folder: Path | str) -> list[ObjectVideo]:
    """Every video file below a folder, and every folder that holds pictures themselves (two or more), by path.

    Raises InputError: no folder, or nothing in it.
    """
    from svdmv.dataset.folders import id_from_path

    root = Path(folder)
    if not root.is_dir():
        raise InputError(
            "The folder of videos is not there", where=root, expected="a folder", next_step="videos=FOLDER"
        )
    files = [p for p in sorted(root.rglob("*")) if p.is_file()]
    paths = {p for p in files if p.suffix.lower() in VIDEO_SUFFIXES}
    pictured = [p.parent for p in files if p.suffix.lower() in PICTURE_SUFFIXES]
    paths |= {p for p in set(pictured) if pictured.count(p) > 1}
    if not paths:
        raise InputError(
            "The folder holds no video",
            where=root,
            seen=f"{len(files)} files",
            expected="files ending in " + ", ".join(VIDEO_SUFFIXES) + ", or folders of pictures",
        )
    return [ObjectVideo(id_from_path(p.relative_to(root).as_posix()), p) for p in sorted(paths)]


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the numbers in their names."""

    def key(path: Path) -> list[Any]:
        return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", path.name)]

    return sorted((p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES), key=key)


def cuts_in(
    frames: Iterable[NDArray[np.uint8]], fps: float, cascade: Sequence[tuple[float, float]] = CASCADE
) -> list[int]:
    """Frames at which a new shot begins, by a cascade of PySceneDetect's detectors over several frame rates.

    At full rate a change of content is a cut; at slower rates, where motion changes much as well, only one that stands
    out among its neighbours (the adaptive detector).

    Args:
        frames: every frame in order, (H, W, 3) uint8, small ones suffice. fps: their rate.
        cascade: (rate, threshold) of each pass; rate 0 = every frame. A cut of a slower pass within one of its steps of
            a cut already found is the same cut.

    Raises MissingDependency: scenedetect is not installed.
    """
    detectors = require("scenedetect.detectors", "data", "cut detection")
    common = require("scenedetect.common", "data", "cut detection")
    strides = [max(1, round(fps / rate)) if rate > 0 else 1 for rate, _ in cascade]
    passes = [
        detectors.ContentDetector(threshold=threshold, min_scene_len=1)
        if rate == 0
        else detectors.AdaptiveDetector(min_content_val=threshold, min_scene_len=3)
        for rate, threshold in cascade
    ]
    found: list[list[int]] = [[] for _ in cascade]
    for n, frame in enumerate(frames):
        bgr = np.ascontiguousarray(frame[..., ::-1])
        for k, stride in enumerate(strides):
            if n % stride == 0:
                at = common.FrameTimecode(n // stride, fps / stride)
                found[k] += [stride * cut.frame_num for cut in passes[k].process_frame(at, bgr)]
    merged: list[int] = []
    for stride, cuts in sorted(zip(strides, found, strict=True), key=lambda item: item[0]):
        merged += [cut for cut in cuts if cut > 0 and all(abs(cut - known) > stride for known in merged)]
    return sorted(merged)


def clips_of(video: ObjectVideo, *, min_frames: int = DEFAULT_NUM_VIEWS) -> tuple[list[Clip], list[Clip]]:
    """The clips of a video between its cuts, and those that are shorter than `min_frames`.

    A clip of a file begins at the first key frame at or after its cut, so that it can be cut out without coding it
    anew. A folder of pictures is one clip: photos taken far apart are no cuts. Raises InputError, MissingDependency.
    """
    if video.is_folder:
        clip = Clip(video, 0, len(picture_files(video.path)))
        return ([clip], []) if len(clip) >= min_frames else ([], [clip])
    index = video_index(video.path)
    cuts = cuts_in(each_frame(video.path, short_side_px=CUT_SIDE_PX), index.fps)
    long: list[Clip] = []
    short: list[Clip] = []
    for start, stop in snapped(cuts, index.keyframes, len(index)):
        (long if stop - start >= min_frames else short).append(Clip(video, start, stop))
    return long, short


def snapped(cuts: Sequence[int], keyframes: Sequence[int] | NDArray[np.int64], count: int) -> list[tuple[int, int]]:
    """Spans (start, stop) between cuts, each begun at the first key frame at or after its cut; spans without a key
    frame are left out, since nothing can be decoded from within them alone."""
    keys = np.asarray(keyframes)
    spans = []
    for cut, stop in zip([0, *cuts], [*cuts, count], strict=True):
        later = keys[keys >= cut]
        if len(later) and later[0] < stop:
            spans.append((int(later[0]), int(stop)))
    return spans


def frames_of(clip: Clip, numbers: Sequence[int], *, short_side_px: int | None = None) -> NDArray[np.uint8]:
    """(N, H, W, 3) uint8 sRGB of frames counted from the clip's start. Pictures of a folder must be of one size."""
    wanted = [clip.start + int(n) for n in numbers]
    if not clip.video.is_folder:
        return frames_at(_index(clip), wanted, short_side_px=short_side_px)
    from PIL import Image

    from svdmv.io.pictures import read_picture

    files, pictures = picture_files(clip.video.path), []
    for n in wanted:
        rgb = read_picture(files[n]).rgba[..., :3]
        if short_side_px is not None and min(rgb.shape[:2]) > short_side_px:
            scale = short_side_px / min(rgb.shape[:2])
            size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
            rgb = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))
        pictures.append(rgb)
    sizes = {p.shape for p in pictures}
    if len(sizes) > 1:
        raise InputError(
            "The pictures of a folder differ in size",
            where=clip.video.path,
            seen=f"{len(sizes)} sizes",
            expected="one size, as one camera takes them",
        )
    return np.stack(pictures)


def sampled(clip: Clip, per_second: float = MOTION_FPS) -> list[int]:
    """Frames of a clip at about `per_second`, counted from its start; every picture of a folder."""
    if clip.video.is_folder:
        return list(range(len(clip)))
    index = _index(clip)
    stride = max(1, round(index.fps / per_second))
    return list(range(0, len(clip), stride)) if len(clip) > stride else [0, len(clip) - 1]


def orbit_frames(
    clip: Clip,
    count: int = DEFAULT_NUM_VIEWS,
    *,
    flow: Callable[[NDArray[np.uint8]], NDArray[np.float64]] = motion_steps,
) -> NDArray[np.int64]:
    """(count,) int64: frames of a clip equally spaced along the way that the picture moves, counted from its start.

    The way is the optical flow between up to 8 * count frames; a turntable that stops or a hand that hurries does not
    bunch them. Raises InputError: the clip is shorter than `count`.
    """
    total = len(clip)
    if total < count:
        raise InputError("The clip is too short", where=clip.id, seen=f"{total} frames", expected=f"at least {count}")
    looked = np.unique(np.round(np.linspace(0, total - 1, min(total, 8 * count))).astype(np.int64))
    steps = flow(frames_of(clip, looked.tolist(), short_side_px=160))
    return np.asarray(looked[evenly_along(steps, count)], np.int64)


_INDICES: dict[Path, VideoIndex] = {}


def _index(clip: Clip) -> VideoIndex:
    """The index of the clip's video; the last one is kept, since clips come video by video."""
    path = clip.video.path
    if path not in _INDICES:
        _INDICES.clear()
        _INDICES[path] = video_index(path)
    return _INDICES[path]
