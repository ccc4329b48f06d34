"""Folders of views that any program made, as a method: nothing of that program is imported.

`layout` says how the folder is made. Foreign layouts carry the convention of their repository: order of frames, sign of
the azimuth, which views are there. Sources: the public code of each, as named below.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.bench.methods import Method, Task
from svdmv.bench.resize import resized_rgba
from svdmv.core import ConfigError, DataError, ViewSet
from svdmv.diffusion.generate import straight_from_decoded
from svdmv.io.pictures import read_picture
from svdmv.io.video import read_video

Rgba = NDArray[np.uint8]
Reader = Callable[[Path, Task], list[Rgba | None]]


def folder(views: str = "", layout: str = "svdmv", name: str = "") -> Method:
    """Views from disk. views: the folder; layout: a name of LAYOUTS; name: of the row (else the folder's).

    Raises ConfigError: no folder, or an unknown layout.
    """
    root = Path(views)
    if not views or not root.is_dir():
        raise ConfigError(
            "The folder of predictions is not there",
            where="views",
            seen=views or "nothing",
            expected="a folder with one folder or file an object",
            next_step="views=FOLDER",
        )
    if layout not in LAYOUTS:
        raise ConfigError("The layout is unknown", where="layout", seen=layout, expected=", ".join(LAYOUTS))
    reader = LAYOUTS[layout]

    def predict(task: Task) -> ViewSet:
        found = reader(root, task)
        missing = [n for n, view in enumerate(found) if view is None and n != task.track.input_view]
        if missing:
            raise DataError(
                "Predicted views are missing",
                where=root / task.object_name,
                seen=f"views {', '.join(map(str, missing[:6]))} of {len(found)}",
                expected="all of the track's views",
            )
        size = task.suite.size_px
        rgba = [task.input_rgba if v is None else resized_rgba(_square(v, root)[None], size)[0] for v in found]
        return task.views(np.stack(rgba))

    return Method(name or root.name, predict, "model", facts={"layout": layout, "folder": root.name})


def _square(view: Rgba, where: Path) -> Rgba:
    if view.shape[0] != view.shape[1]:
        raise DataError(
            "A predicted view is not square", where=where, seen=f"{view.shape[1]}x{view.shape[0]}", expected="square"
        )
    return view


def _read(path: Path) -> Rgba:
    """RGBA of a picture; opaque ones on white get their alpha from the white."""
    picture = read_picture(path)
    return picture.rgba if picture.has_alpha else cut_from_white(picture.rgba[..., :3])


def cut_from_white(rgb: NDArray[np.uint8]) -> Rgba:
    """(H, W, 4) of an opaque picture (H, W, 3) on white."""
    color, alpha = straight_from_decoded((rgb[None] / 255).astype(np.float32))
    return np.round(np.concatenate([color[0], alpha[0][..., None]], -1) * 255).clip(0, 255).astype(np.uint8)


def _home(root: Path, task: Task) -> Path:
    """FOLDER/OBJECT/TRACK where it is there, FOLDER/OBJECT otherwise. Raises DataError: neither."""
    for path in (root / task.object_name / task.track.name, root / task.object_name):
        if path.is_dir():
            return path
    raise DataError(
        "An object has no predictions",
        where=root / task.object_name,
        seen="no such folder",
        expected="a folder an object",
    )


def _numbered(root: Path, task: Task, first: int = 0) -> list[Rgba | None]:
    """NNN.png (any number of digits) in the track's order, in the folder or in views/ below it; counted from `first`.

    Raises DataError: more pictures than views.
    """
    home = _home(root, task)
    home = home / "views" if (home / "views").is_dir() else home
    found = {
        int(p.stem): p for p in home.iterdir() if p.suffix.lower() in (".png", ".jpg", ".webp") and p.stem.isdigit()
    }
    count = len(task.track.azimuths_deg)
    extra = [n for n in found if not first <= n < first + count]
    if extra:
        raise DataError(
            "There are more predicted views than cameras",
            where=home,
            seen=found[extra[0]].name,
            expected=f"{count} views",
        )
    return [_read(found[n]) if (n := first + k) in found else None for k in range(count)]


def _strip(root: Path, task: Task) -> list[Rgba | None]:
    """SyncDreamer: OBJECT.png or OBJECT/0.png, 16 views side by side, RGB on white (generate.py of its repository)."""
    path = next((p for p in (root / f"{task.object_name}.png", root / task.object_name / "0.png") if p.is_file()), None)
    if path is None:
        raise DataError(
            "An object has no predictions", where=root, seen=task.object_name, expected="OBJECT.png, a strip"
        )
    rgb = read_picture(path).rgba[..., :3]
    side = rgb.shape[0]
    if rgb.shape[1] != 16 * side:
        raise DataError(
            "The strip has the wrong shape", where=path, seen=f"{rgb.shape[1]}x{side}", expected="16 squares"
        )
    return [cut_from_white(rgb[:, k * side : (k + 1) * side]) for k in range(16)]


def _tiles(root: Path, task: Task) -> list[Rgba | None]:
    """Zero123++: OBJECT.png, three rows of two tiles, reading order (its README); view 0 of the track is the input.

    Its background is grey: pictures must have been cut out (RGBA), or the grey would be scored as object.
    """
    path = root / f"{task.object_name}.png"
    if not path.is_file():
        raise DataError(
            "An object has no predictions", where=path, seen="no such file", expected="OBJECT.png, six tiles"
        )
    picture = read_picture(path)
    height, width = picture.rgba.shape[:2]
    if not picture.has_alpha or height * 2 != width * 3:
        raise DataError(
            "The tiles cannot be read",
            where=path,
            seen=f"{width}x{height}, {'with' if picture.has_alpha else 'without'} alpha",
            expected="two columns of three square tiles, cut out from their grey background",
            next_step="rembg p IN OUT, or its own segmentation, before scoring",
        )
    side = width // 2
    tiles = [picture.rgba[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(3) for c in range(2)]
    return [None, *tiles]


def _sv3d(root: Path, task: Task) -> list[Rgba | None]:
    """SV3D: OBJECT.mp4 of 21 frames on white; the last frame is the input view (sampling script of its repository)."""
    path = root / f"{task.object_name}.mp4"
    if not path.is_file():
        raise DataError("An object has no predictions", where=path, seen="no such file", expected="OBJECT.mp4")
    frames, _ = read_video(path)
    count = len(task.track.azimuths_deg)
    if len(frames) != count:
        raise DataError("The video has the wrong number of frames", where=path, seen=len(frames), expected=str(count))
    views = [cut_from_white(frame) for frame in frames]
    return [views[-1], *views[:-1]]


def _orthographic(root: Path, task: Task) -> list[Rgba | None]:
    raise ConfigError(
        "Wonder3D draws orthographic views in the input camera's frame",
        where="layout=wonder3d",
        seen=f"suite {task.suite.name} with a lens of {task.suite.fov_y_deg:g} degrees",
        expected="a suite of orthographic cameras; PSNR against perspective views has no meaning",
        next_step="score its mesh instead",
    )


LAYOUTS: dict[str, Reader] = {
    "svdmv": _numbered,
    "zero123": _numbered,
    "zero123xl": _numbered,
    "stable_zero123": _numbered,
    "syncdreamer": _strip,
    "zero123plus": _tiles,
    "eschernet": _numbered,
    "sv3d": _sv3d,
    "wonder3d": _orthographic,
}
