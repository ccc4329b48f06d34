"""Recorded orbits: the frames of a curated clip or of a video of MVImgNet as a sample beside the renders.

No frame is taken twice, mirrored or made up, and none is replaced: a video that has too few is left out as "short".
Locations are `frames:FOLDER` (a clip kept by svdmv data curate) and `mvimgnet:ROOT/CLASS/INSTANCE`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, DataError, InputError
from svdmv.dataset.licences import UNKNOWN, spdx_from_text
from svdmv.dataset.mvimgnet import LICENCE, mvimgnet_video, mvimgnet_videos, mvimgnet_views
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.rejects import RejectRules, require_good_frames
from svdmv.dataset.sampling import OrbitRule
from svdmv.dataset.videos import Clip, ObjectVideo, frames_of, picture_files

SCHEMES = ("frames", "mvimgnet")


def is_recorded(location: str) -> bool:
    """True for the location of a video, false for that of an object to render."""
    return location.partition(":")[0] in SCHEMES


def sources_from_curated(folder: str | Path, licence: str = UNKNOWN, attribution: str = "") -> list[ObjectSource]:
    """The clips that `svdmv data curate` kept in `folder`, by id.

    A video says nothing about rights: `licence` is recorded for all of them and stays "unknown" when not given.

    Raises:
        InputError: no curation in the folder. DataError: it is damaged, kept nothing, or wrote no frames.
    """
    path, spelt = Path(folder) / "clips.jsonl", spdx_from_text(licence)
    if not path.is_file():
        raise InputError("There is no curation in the folder", where=folder, seen="no clips.jsonl",
                         expected="an output of svdmv data curate",
                         next_step=f"svdmv data curate videos=FOLDER out={folder}")  # fmt: skip
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        kept = sorted((row["id"], row["video"]) for row in rows if row["status"] == "kept")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("The list of clips cannot be read", where=path, seen=error, expected="rows of clips",
                        next_step="run svdmv data curate again") from error  # fmt: skip
    without = [name for name, _ in kept if not (Path(folder) / "frames" / name / "frames.json").is_file()]
    if not kept or without:
        raise DataError(
            "The curation has no frames to make shards of",
            where=folder,
            seen=f"{len(rows)} clips, {len(kept)} kept, {len(without)} of them without frames",
            expected="at least one clip, and frames of each",
            next_step="run svdmv data curate again with num_frames above 0, or with weaker filters",
        )
    return [ObjectSource(name, f"frames:{Path(folder) / 'frames' / name}", spelt, attribution, video)
            for name, video in kept]  # fmt: skip


def sources_from_mvimgnet(folder: str | Path) -> list[ObjectSource]:
    """Every video below a root of MVImgNet, under its own terms of use. Raises InputError, as `mvimgnet_videos`."""
    return [
        ObjectSource(f"mvimgnet-{video.id.replace('/', '-')}", f"mvimgnet:{video.folder}", LICENCE,
                     "MVImgNet (Yu et al. 2023)", f"MVImgNet {video.id}, {video.category}")
        for video in mvimgnet_videos(folder)
    ]  # fmt: skip


def recorded_sha256(location: str) -> str:
    """Hash over the names and bytes of a video's frames, and of its cameras where it has some."""
    scheme, _, place = location.partition(":")
    folder = Path(place) / "images" if scheme == "mvimgnet" else Path(place)
    model = Path(place) / "sparse" / "0"
    digest = hashlib.sha256()
    for path in [*(picture_files(folder) if folder.is_dir() else ()), *sorted(model.glob("*.bin"))]:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def recorded_orbit(location: str, rule: OrbitRule, rejects: RejectRules) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Facts and views (N, height, width, 4) uint8 of a video, alpha 255; the middle of each frame is kept.

    Angles, radius, light and exposure are None: nobody knows them. `cameras` holds K and world_from_camera of each
    view (COLMAP's own world and scale) where the video has them, of the frames as they are kept.

    Raises:
        InputError: status "short": fewer frames than the rule wants; pictures that cannot be read.
        DataError: a damaged COLMAP model. RejectedError: see `require_good_frames`.
    """
    scheme, _, place = location.partition(":")
    height, width = rule.shape
    cameras: tuple[Camera, ...] | None = None
    told: Mapping[str, Any] = {}
    if scheme == "mvimgnet":
        frames, views = mvimgnet_views(mvimgnet_video(Path(place)), rule.num_views)
        if views is not None:
            cameras, told = views.cameras, views.provenance
    else:
        frames = _curated_frames(Path(place), rule.num_views)
    pictures, window = covering(frames, height, width)
    rgba = np.concatenate([pictures, np.full((*pictures.shape[:3], 1), 255, np.uint8)], -1)
    require_good_frames(rgba, rejects)
    unknown = dict.fromkeys(
        ("azimuths_deg", "elevations_deg", "radius", "fov_y_deg", "light", "light_yaw_deg", "object_yaw_deg",
         "exposure_stops")
    )  # fmt: skip
    facts = {
        "kind": "video",
        "size": rule.size,
        "width": width,
        "codec": rule.codec,
        "coverage": [1.0] * len(rgba),
        "cameras": None if cameras is None else [_camera_facts(c, window) for c in cameras],
        "frames": told.get("frames"),
        "turned_ccw_deg": told.get("turned_ccw_deg", 0),
    }
    return {**unknown, **facts}, rgba


def covering(frames: NDArray[np.uint8], height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Frames (N, H, W, 3) scaled until they cover height x width, and their middle cut out.

    Returns:
        (N, height, width, 3) uint8, and the matrix (3, 3) that takes pixels of the frames to pixels of the result.
    """
    from PIL import Image

    full_height, full_width = frames.shape[1:3]
    cut_height = min(full_height, full_width * height / width)
    cut_width = cut_height * width / height
    left, top = (full_width - cut_width) / 2, (full_height - cut_height) / 2
    box = (left, top, left + cut_width, top + cut_height)
    out = np.stack(
        [np.asarray(Image.fromarray(f).resize((width, height), Image.Resampling.LANCZOS, box=box)) for f in frames]
    )
    scale = width / cut_width
    return out, np.array([[scale, 0, -left * scale], [0, scale, -top * scale], [0, 0, 1.0]])


def _curated_frames(folder: Path, count: int) -> NDArray[np.uint8]:
    """`count` of the frames of a kept clip, evenly by number: they lie evenly along its way."""
    there = len(picture_files(folder)) if folder.is_dir() else 0
    if there < count:
        raise InputError("The clip has too few frames", where=folder, seen=there, expected=f"at least {count}",
                         next_step="run svdmv data curate with num_frames as large", status="short")  # fmt: skip
    chosen = np.round(np.linspace(0, there - 1, count)).astype(int).tolist()
    return frames_of(Clip(ObjectVideo(folder.name, folder), 0, there), chosen)


def _camera_facts(camera: Camera, window: NDArray[np.float64]) -> dict[str, Any]:
    return {"K": (window @ camera.K).tolist(), "world_from_camera": camera.world_from_camera.tolist()}
