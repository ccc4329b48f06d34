"""Folders of photos whose cameras stand in COLMAP's model or in Middlebury's *_par.txt -> frames with our cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, DataError, InputError
from svdmv.io.atomic import translated_os_errors
from svdmv.io.colmap import has_colmap, read_colmap
from svdmv.io.transforms import Frame, numeric_order

_MODEL_PLACES = ("", "sparse/0", "sparse", "colmap/sparse/0", "colmap")
_PICTURE_PLACES = ("", "images", "../images", "../../images", "../../../images")
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm")


def frames_from_capture(folder: Path, notes: list[str]) -> list[Frame] | None:
    """The frames of a folder of photos, or None when it holds no cameras that are known.

    A COLMAP model is looked for in the folder, sparse/0, sparse, colmap/sparse/0 and colmap, its photos in images/
    beside or above it; a *_par.txt in the folder, its photos beside it or in images/. Names are compared without case
    and suffix. COLMAP's world has no up: it is turned so that the mean of the cameras' up directions is +Y.
    Middlebury's world stays.

    Args:
        notes: gets a line for photos that no camera stands for, and for a world that was turned.

    Returns:
        Frames whose cameras are of the size that the file states, in the numeric order of their names.

    Raises:
        InputError: photos are absent.
        DataError: the cameras are damaged.
    """
    for place in _MODEL_PLACES:
        if has_colmap(folder / place):
            return _colmap_frames(folder / place, notes)
    tables = sorted(folder.glob("*_par.txt"))
    return _middlebury_frames(tables[0], notes) if tables else None


def cameras_from_par(text: str, size_of: dict[str, tuple[int, int]]) -> dict[str, Camera]:
    """Photo name -> camera of Middlebury's *_par.txt: a count, then name, K (9 numbers), R (9), t (3) a line.

    Source: Seitz et al., CVPR 2006, the data sets' readme: the projection is K [R t], pixels from the top-left corner.

    Args:
        size_of: width and height in pixels by name; cameras of other photos are left out.

    Raises:
        DataError: the table is damaged.
    """
    rows = [line.split() for line in text.splitlines() if line.strip()]
    found = {}
    try:
        count = int(rows[0][0])
        for name, *numbers in rows[1:]:
            values = np.array([float(v) for v in numbers])
            K, rotation, shift = values[:9].reshape(3, 3), values[9:18].reshape(3, 3), values[18:]
            if name not in size_of:
                continue
            pose = np.eye(4)
            left, _, right = np.linalg.svd(rotation)  # written with few digits
            pose[:3, :3] = (left @ right).T
            pose[:3, 3] = -pose[:3, :3] @ shift
            found[name] = Camera(K / K[2, 2], pose, *size_of[name])
        if count != len(rows) - 1:
            raise ValueError(f"{len(rows) - 1} lines, {count} promised")
    except (ValueError, IndexError, TypeError, np.linalg.LinAlgError) as error:
        raise DataError(
            "The table of cameras is damaged",
            where="*_par.txt",
            seen=f"{type(error).__name__}: {error}",
            expected="a count, then lines of a name and 21 numbers",
        ) from error
    return found


def fitted_camera(camera: Camera, size: tuple[int, int], where: Path, notes: list[str]) -> Camera:
    """The camera of a photo that was scaled to `size` (width, height in pixels) after its calibration."""
    if (camera.width, camera.height) == size:
        return camera
    if abs(camera.width * size[1] / (camera.height * size[0]) - 1) > 0.02:
        raise InputError(
            "A photo's size does not fit its camera",
            where=where,
            seen=f"photo of {size[0]}x{size[1]} px, camera of {camera.width}x{camera.height} px",
            expected="the photos that the cameras were found with, or all of them scaled",
            next_step="scale the photos without cropping or turning them",
        )
    notes.append(f"lens given for {camera.width}x{camera.height} px, scaled to {size[0]}x{size[1]} px")
    return camera.resized(*size)


def _colmap_frames(place: Path, notes: list[str]) -> list[Frame]:
    model = read_colmap(place)
    photos = _photos(place, list(model.cameras), notes, f"the COLMAP model in {place}")
    turn = _upright([camera.world_from_camera for camera in model.cameras.values()])
    notes.append(
        "the world of the COLMAP model was turned so that the cameras' mean up is +Y; scale and origin are kept"
    )
    return [
        Frame(str(photos[name]), None, _turned(camera, turn), model.distortions[name])
        for name, camera in sorted(model.cameras.items(), key=lambda item: numeric_order(item[0]))
    ]


def _middlebury_frames(table: Path, notes: list[str]) -> list[Frame]:
    from PIL import Image

    with translated_os_errors(table):
        text = table.read_text("utf-8", errors="replace")
    names = [line.split()[0] for line in text.splitlines()[1:] if line.strip()]
    photos = _photos(table.parent, names, notes, table.name, some_absent=True)
    sizes = {}
    for name, path in photos.items():
        with translated_os_errors(path), Image.open(path) as picture:
            sizes[name] = picture.size
    cameras = cameras_from_par(text, sizes)
    return [Frame(str(photos[n]), None, cameras[n]) for n in sorted(cameras, key=numeric_order)]


def _photos(
    place: Path, names: list[str], notes: list[str], cameras: str, *, some_absent: bool = False
) -> dict[str, Path]:
    """The file of each name. With `some_absent` (a table that lists more than was handed out) the rest is noted."""
    for beside in _PICTURE_PLACES:
        folder = (place / beside).resolve()
        if not folder.is_dir():
            continue
        files = (
            [p for p in folder.rglob("*") if p.suffix.lower() in _PICTURE_SUFFIXES]
            if beside
            else [p for p in folder.iterdir() if p.suffix.lower() in _PICTURE_SUFFIXES]
        )
        at = {_key(p.relative_to(folder).as_posix()): p for p in files}
        found = {name: at[_key(name)] for name in names if _key(name) in at}
        if not found:
            continue
        absent = [name for name in names if name not in found]
        if absent and not some_absent:
            break
        if absent:
            notes.append(f"{len(absent)} cameras of {cameras} have no photo here and are left out")
        if len(files) > len(found):
            notes.append(f"{len(files) - len(found)} photos in {folder.name} have no camera and are left out")
        return found
    else:
        absent = names
    raise InputError(
        "Photos that the cameras belong to are not there",
        where=place,
        seen=f"{len(absent)} of {len(names)} absent, the first: {absent[0] if absent else 'none'}",
        expected="the photos by the names in the model, in images/ beside it",
        next_step="put the photos into a folder images beside the cameras",
    )


def _key(name: str) -> str:
    return name.lower().rpartition(".")[0] or name.lower()


def _upright(poses: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(3, 3) the shortest turn that brings the mean of the cameras' up directions to +Y."""
    up = -np.mean([pose[:3, 1] for pose in poses], axis=0)
    length = float(np.linalg.norm(up))
    if length < 1e-6:
        return np.eye(3)
    up, goal = up / length, np.array([0.0, 1.0, 0.0])
    axis, cosine = np.cross(up, goal), float(up @ goal)
    if cosine < -1 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn: NDArray[np.float64] = np.eye(3) + cross + cross @ cross / (1 + cosine)
    return turn


def _turned(camera: Camera, turn: NDArray[np.float64]) -> Camera:
    pose = camera.world_from_camera.copy()
    pose[:3] = turn @ pose[:3]
    return Camera(camera.K, pose, camera.width, camera.height)
