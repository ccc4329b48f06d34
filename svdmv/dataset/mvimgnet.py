"""MVImgNet's folders: ROOT/CLASS/INSTANCE/{images/*.jpg, sparse/0/{cameras,images,points3D}.bin}, class names in
ROOT/mvimgnet_category.txt. Its frames may be used for research under terms of its own; nothing of it is handed on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, DataError, InputError, ViewSet
from svdmv.core.orbit import DEFAULT_NUM_VIEWS
from svdmv.dataset.splits import MVIMGNET_SHARES, split_of
from svdmv.dataset.video_scores import evenly_along, motion_steps
from svdmv.dataset.videos import picture_files
from svdmv.io.colmap import read_colmap

LICENCE = "LicenseRef-MVImgNet-Terms-of-Use"
_QUARTER_TURN = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # new camera axes from the old


@dataclass(frozen=True)
class MvImgNetVideo:
    """One video: id CLASS/INSTANCE, its pictures in the order of their numbers, its COLMAP model if there is one."""

    id: str
    category: str
    folder: Path
    frames: tuple[Path, ...]
    model: Path | None

    def split(self, shares: Mapping[str, float] = MVIMGNET_SHARES) -> str:
        """train or test by hash of the id: about 200,000 to 900 over the whole set (SVD paper 4.5)."""
        return split_of(self.id, shares)


def mvimgnet_videos(root: Path | str) -> list[MvImgNetVideo]:
    """Every video below ROOT, by class and instance. One without pictures is an error, one without cameras is listed
    without them: nothing is replaced by another.

    Raises InputError: no folder, no video, or a video without pictures.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError("The folder of MVImgNet is not there", where=root, expected="ROOT/CLASS/INSTANCE/images")
    names = category_names(root)
    found = [_video(images.parent, names) for images in sorted(root.glob("*/*/images"))]
    if not found:
        raise InputError(
            "This is not MVImgNet's layout", where=root, seen="no */*/images", expected="ROOT/CLASS/INSTANCE/images"
        )
    return found


def mvimgnet_video(folder: Path) -> MvImgNetVideo:
    """The video of one folder ROOT/CLASS/INSTANCE. Raises InputError: it has no pictures."""
    return _video(folder, category_names(folder.parent.parent))


def category_names(root: Path) -> dict[str, str]:
    """Class label -> name of ROOT/mvimgnet_category.txt ("LABEL,NAME" or "LABEL NAME" a line); {} without the file."""
    path = root / "mvimgnet_category.txt"
    if not path.is_file():
        return {}
    rows = (re.split(r"[,:\t ]+", line.strip(), maxsplit=1) for line in path.read_text("utf-8").splitlines())
    return {row[0]: row[1].strip() for row in rows if len(row) == 2}


def mvimgnet_views(
    video: MvImgNetVideo, count: int = DEFAULT_NUM_VIEWS, *, landscape: bool = True, short_side_px: int | None = None
) -> tuple[NDArray[np.uint8], ViewSet | None]:
    """`count` pictures evenly spaced along the camera's way, and with cameras as a ViewSet where the video has them.

    Args:
        count: the way is that of the camera centres, or of the optical flow where there are none.
        landscape: pictures taken upright are turned by 90 degrees, counter-clockwise, with their cameras; the paper
            turns them too and does not say which way (SVD paper 4.5).
        short_side_px: pictures and cameras made smaller.

    Returns:
        (N, H, W, 3) uint8, and the ViewSet in COLMAP's own world and scale (no gravity, not a full orbit), provenance
        naming the video, the turn and the lens distortion that was left in; or None.

    Raises:
        InputError: fewer pictures than asked for (status "short"), or pictures of several sizes.
        DataError: the COLMAP model is damaged, or does not know `count` of the pictures.
    """
    from svdmv.dataset.videos import Clip, ObjectVideo, frames_of

    clip = Clip(ObjectVideo(video.id.replace("/", "__"), video.frames[0].parent), 0, len(video.frames))
    places = list(range(len(video.frames)))
    cameras: dict[str, Camera] = {}
    distortion = 0.0
    if video.model is not None:
        model = read_colmap(video.model)
        cameras, distortion = model.cameras, model.distortion
        places = [n for n in places if video.frames[n].name in cameras]
    if len(places) < count:
        raise InputError(
            "The video has too few pictures",
            where=video.folder,
            seen=f"{len(places)}{' with cameras' if cameras else ''} of {len(video.frames)}",
            expected=f"at least {count}; none is taken twice or mirrored",
            status="short",
        )
    if cameras:
        centres = np.stack([cameras[video.frames[n].name].world_from_camera[:3, 3] for n in places])
        steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    else:
        steps = motion_steps(frames_of(clip, places, short_side_px=160))
    chosen = [places[n] for n in evenly_along(steps, count)]
    pictures = frames_of(clip, chosen, short_side_px=short_side_px)
    turned = landscape and pictures.shape[1] > pictures.shape[2]
    if turned:
        pictures = np.ascontiguousarray(np.rot90(pictures, 1, axes=(1, 2)))
    if not cameras:
        return pictures, None
    made = [_fitted(cameras[video.frames[n].name], pictures.shape[1:3], turned, video) for n in chosen]
    provenance = {
        "source": {"dataset": "MVImgNet", "video": video.id, "category": video.category, "licence": LICENCE},
        "frames": [video.frames[n].name for n in chosen],
        "turned_ccw_deg": 90 if turned else 0,
        "lens_distortion_left_in": distortion,
    }
    return pictures, ViewSet(pictures, tuple(made), provenance=provenance)


def turned_camera(camera: Camera) -> Camera:
    """The camera of a picture that was turned by 90 degrees counter-clockwise (numpy.rot90): pixel (x, y) goes to
    (y, width - x)."""
    K = np.eye(3)
    K[0, 0], K[1, 1] = camera.K[1, 1], camera.K[0, 0]
    K[0, 2], K[1, 2] = camera.K[1, 2], camera.width - camera.K[0, 2]
    return Camera(K, camera.world_from_camera @ _QUARTER_TURN.T, camera.height, camera.width)


def _video(folder: Path, names: Mapping[str, str]) -> MvImgNetVideo:
    images, model, label = folder / "images", folder / "sparse" / "0", folder.parent.name
    frames = tuple(picture_files(images)) if images.is_dir() else ()
    if not frames:
        raise InputError(
            "A video of MVImgNet has no pictures",
            where=images,
            seen="0 files",
            expected="its frames",
            next_step="unpack its archive again, or remove the folder",
        )
    whole = all((model / name).is_file() for name in ("cameras.bin", "images.bin"))
    return MvImgNetVideo(f"{label}/{folder.name}", names.get(label, label), folder, frames, model if whole else None)


def _fitted(camera: Camera, size: tuple[int, ...], turned: bool, video: MvImgNetVideo) -> Camera:
    """The camera for pictures of `size` (height, width): turned, then scaled. Raises DataError: another aspect."""
    if turned:
        camera = turned_camera(camera)
    height, width = size
    sx, sy = width / camera.width, height / camera.height
    if abs(sx / sy - 1) > 0.02:
        raise DataError(
            "Pictures and cameras of a video differ in shape",
            where=video.folder,
            seen=f"pictures {width}x{height} px, cameras {camera.width}x{camera.height} px",
            expected="one aspect",
        )
    return replace(camera, K=np.diag([sx, sy, 1.0]) @ camera.K, width=width, height=height)
