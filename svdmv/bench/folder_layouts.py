"""How other programs lay out the views they make: order of frames, which views are there, where the input view stands.

Each reader returns one picture (RGBA, straight alpha) a camera of the track, None where there is none. The cameras that
each program draws, and the commands that run it, are in docs/guide/baselines.md; sources are the repositories named
there, at the commits named in svdmv.bench.foreign.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.bench.methods import Task
from svdmv.core import DataError
from svdmv.diffusion.generate import straight_from_decoded
from svdmv.io.pictures import read_picture
from svdmv.io.video import read_video
from svdmv.io.views import load_views

Rgba = NDArray[np.uint8]
Reader = Callable[[Path, Task], list[Rgba | None]]
MOST_FOV_DEG, MOST_APART_DEG = 0.05, 0.5
WONDER3D_VIEWS = ("front", "front_right", "right", "back", "left", "front_left")


def cut_from_white(rgb: NDArray[np.uint8]) -> Rgba:
    """(H, W, 4) of an opaque picture (H, W, 3) on white."""
    color, alpha = straight_from_decoded((rgb[None] / 255).astype(np.float32))
    return np.round(np.concatenate([color[0], alpha[0][..., None]], -1) * 255).clip(0, 255).astype(np.uint8)


def _read(path: Path) -> Rgba:
    """RGBA of a picture; opaque ones on white get their alpha from the white."""
    picture = read_picture(path)
    return picture.rgba if picture.has_alpha else cut_from_white(picture.rgba[..., :3])


def _absent(root: Path, task: Task, expected: str) -> DataError:
    return DataError("An object has no predictions", where=root / task.object_name, seen="nothing", expected=expected)


def _home(root: Path, task: Task) -> Path:
    """FOLDER/OBJECT/TRACK where it is there, FOLDER/OBJECT otherwise. Raises DataError: neither."""
    for path in (root / task.object_name / task.track.name, root / task.object_name):
        if path.is_dir():
            return path
    raise _absent(root, task, "a folder an object")


def _file(root: Path, task: Task, *names: str) -> Path:
    """The first that is there of OBJECT/TRACK/NAME, OBJECT/NAME and OBJECT.SUFFIX. Raises DataError: none."""
    for name in names:
        for path in (root / task.object_name / task.track.name / name, root / task.object_name / name):
            if path.is_file():
                return path
        beside = root / f"{task.object_name}{Path(name).suffix}"
        if beside.is_file():
            return beside
    raise _absent(root, task, " or ".join([f"{task.object_name}/{n}" for n in names]))


def _numbered(root: Path, task: Task) -> list[Rgba | None]:
    """NNN.png (any number of digits) in the track's order, in the folder or in views/ below it.

    Raises DataError: more pictures than views, two of one number, or a transforms.json of other cameras beside them.
    """
    home = _home(root, task)
    _check_cameras(home, task)
    home = home / "views" if (home / "views").is_dir() else home
    pictures = [p for p in sorted(home.iterdir()) if p.suffix.lower() in (".png", ".jpg", ".webp") and p.stem.isdigit()]
    found = {int(p.stem): p for p in pictures}
    if len(found) < len(pictures):
        raise DataError(
            "Two predicted views have one number",
            where=home,
            seen=", ".join(p.name for p in pictures if found[int(p.stem)] != p),
            expected="one picture a view",
        )
    count = len(task.track.azimuths_deg)
    extra = [n for n in found if n >= count]
    if extra:
        raise DataError(
            "There are more predicted views than cameras",
            where=home,
            seen=found[extra[0]].name,
            expected=f"{count} views",
        )
    return [_read(found[n]) if n in found else None for n in range(count)]


def _check_cameras(folder: Path, task: Task) -> None:
    """Where the views came with cameras, these must be the suite's: another lens shifts parallax unseen."""
    if not (folder / "transforms.json").is_file():
        return
    given = load_views(folder).cameras
    if len(given) != len(task.truth):
        return  # the count is told by the pictures
    for n, (theirs, ours) in enumerate(zip(given, task.truth.cameras, strict=True)):
        cosine = float(theirs.world_from_camera[:3, 2] @ ours.world_from_camera[:3, 2])
        apart = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
        if abs(theirs.fov_y_deg - ours.fov_y_deg) > MOST_FOV_DEG or apart > MOST_APART_DEG:
            raise DataError(
                "Predicted views were made with other cameras",
                where=folder / "transforms.json",
                seen=f"view {n}: lens {theirs.fov_y_deg:.2f} degrees, looking {apart:.1f} degrees past the suite's",
                expected=f"lens {ours.fov_y_deg:.2f} degrees, the suite's directions",
                next_step="a suite with these cameras; or remove transforms.json to score the pictures as they are",
            )


def _squares(path: Path, count: int) -> list[Rgba | None]:
    """A strip of `count` squares side by side. Raises DataError: another shape."""
    rgb = read_picture(path).rgba[..., :3]
    side = rgb.shape[0]
    if rgb.shape[1] != count * side:
        raise DataError(
            "The strip has the wrong shape", where=path, seen=f"{rgb.shape[1]}x{side}", expected=f"{count} squares"
        )
    return [cut_from_white(rgb[:, k * side : (k + 1) * side]) for k in range(count)]


def _syncdreamer(root: Path, task: Task) -> list[Rgba | None]:
    """SyncDreamer's generate.py: OUTPUT/0.png, 16 views on white from azimuth 0 on; the first sample, not the best."""
    return _squares(_file(root, task, "0.png"), 16)


def _eschernet(root: Path, task: Task) -> list[Rgba | None]:
    """EscherNet's eval_eschernet.py: OBJECT/0.png, always 25 views on white, the input's pose first.

    A track of fewer cameras is repeated to 25 (svdmv bench inputs does so); what is beyond it is dropped.
    """
    return _squares(_file(root, task, "0.png"), 25)[: len(task.track.azimuths_deg)]


def _tiles(root: Path, task: Task) -> list[Rgba | None]:
    """Zero123++: OBJECT.png, three rows of two tiles, reading order; view 0 of the track is the input.

    Its background is grey: pictures must have been cut out (RGBA), or the grey would be scored as object.
    """
    path = _file(root, task, "output.png")
    picture = read_picture(path)
    height, width = picture.rgba.shape[:2]
    if not picture.has_alpha or height * 2 != width * 3:
        raise DataError(
            "The tiles cannot be read",
            where=path,
            seen=f"{width}x{height}, {'with' if picture.has_alpha else 'without'} alpha",
            expected="two columns of three square tiles, cut out from their grey background",
            next_step="rembg p IN OUT, or its own matting, before scoring",
        )
    side = width // 2
    tiles = [picture.rgba[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(3) for c in range(2)]
    return [None, *tiles]


def _sv3d(root: Path, task: Task) -> list[Rgba | None]:
    """SV3D's simple_video_sample.py: 000000.mp4 of 21 frames on white; the last frame is the input view."""
    path = _file(root, task, "000000.mp4")
    frames, _ = read_video(path)
    count = len(task.track.azimuths_deg)
    if len(frames) != count:
        raise DataError("The video has the wrong number of frames", where=path, seen=len(frames), expected=str(count))
    views = [cut_from_white(frame) for frame in frames]
    return [views[-1], *views[:-1]]


def _wonder3d(root: Path, task: Task) -> list[Rgba | None]:
    """Wonder3D's test_mvdiffusion_seq.py: OBJECT/masked_colors/rgb_000_VIEW.png, six orthographic views.

    Raises DataError: the suite has a lens; against perspective views PSNR has no meaning.
    """
    if task.suite.fov_y_deg > 2:
        raise DataError(
            "Wonder3D draws orthographic views in the input camera's frame",
            where="layout=wonder3d",
            seen=f"suite {task.suite.name} with a lens of {task.suite.fov_y_deg:g} degrees",
            expected="nearly parallel cameras",
            next_step="--suite gso34-wonder3d",
        )
    home = _home(root, task) / "masked_colors"
    paths = [home / f"rgb_000_{view}.png" for view in WONDER3D_VIEWS]
    if not any(path.is_file() for path in paths):
        raise _absent(root, task, "masked_colors/rgb_000_front.png and five others")
    return [_read(path) if path.is_file() else None for path in paths]


LAYOUTS: dict[str, Reader] = {
    "svdmv": _numbered,
    "zero123": _numbered,
    "zero123xl": _numbered,
    "stable_zero123": _numbered,
    "syncdreamer": _syncdreamer,
    "zero123plus": _tiles,
    "eschernet": _eschernet,
    "sv3d": _sv3d,
    "wonder3d": _wonder3d,
}
