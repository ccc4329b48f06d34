"""View folders <-> ViewSet: views/000.png ..., transforms.json, and depth and normals where there are any.

Folders of photos with a COLMAP model or Middlebury's *_par.txt are read by the same door."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import InputError, ViewSet
from svdmv.io.atomic import translated_os_errors, whole_file, whole_folder, write_json
from svdmv.io.captures import fitted_camera, frames_from_capture
from svdmv.io.distortion import undistorted
from svdmv.io.pictures import rgba_from_bytes
from svdmv.io.quick_png import quick_png_bytes
from svdmv.io.transforms import OWN_KEY, Frame, frames_from_transforms, orbit_from_transforms, transforms_from_cameras

TRANSFORMS_NAME = "transforms.json"
VIEWS_NAME = "views"
GEOMETRY_NAME = "geometry.npz"
_LARGEST_SIDE_PX = 16384
_GEOMETRY = ("depths", "normals", "positions", "albedos", "masks")


def save_views(views: ViewSet, folder: Path | str) -> None:
    """Write views/000.png ... (RGBA, or RGB where the set has no alpha), geometry.npz (depths, world normals,
    positions, base colours, masks: those there are) and, last, transforms.json. Earlier views in `folder` are replaced.

    8-bit views come back from `load_views` bit for bit; float views are rounded to 8 bits.

    Raises:
        InputError: the system refuses to write.
        DataError: a camera has a skew.
    """
    folder = Path(folder)
    names = [f"{VIEWS_NAME}/{i:03d}.png" for i in range(len(views))]
    own: dict[str, Any] = {"alpha": views.alphas is not None, "provenance": dict(views.provenance)}
    tree = transforms_from_cameras(views.cameras, names, orbit=views.orbit, own=own)
    with translated_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / TRANSFORMS_NAME).unlink(missing_ok=True)  # its presence says that the views are complete
        (folder / GEOMETRY_NAME).unlink(missing_ok=True)
    rgba = views.rgba_u8()
    with whole_folder(folder / VIEWS_NAME, overwrite=True) as temporary:
        for i, pixels in enumerate(rgba):
            shown = pixels if views.alphas is not None else pixels[..., :3]
            (temporary / f"{i:03d}.png").write_bytes(quick_png_bytes(shown))
    geometry = {name: value for name in _GEOMETRY if (value := getattr(views, name)) is not None}
    if geometry:
        with whole_file(folder / GEOMETRY_NAME) as path:
            np.savez_compressed(path, allow_pickle=False, **geometry)
    write_json(folder / TRANSFORMS_NAME, tree)


def load_views(folder: Path | str) -> ViewSet:
    """Read a view folder of ours, any folder with a transforms.json of nerfstudio, instant-ngp or NeRF, or photos with
    a COLMAP model or a *_par.txt (see `frames_from_capture`).

    Args:
        folder: the folder, or a transforms file in it (transforms_train.json ...). Its world is taken as +Z up.
            Without a transforms.json, transforms_train.json is read when it is there.

    Returns:
        ViewSet in our axes, frames in the numeric order of their names, 8 bits. For foreign folders alphas are None
        unless a picture has alpha or a frame names a mask, lens distortion is taken out of the pictures, and
        provenance["source"]["notes"] says what was changed.

    Raises:
        InputError: a file is absent or damaged, pictures differ in size, or the cameras cannot be used.
        DataError: the parts of a folder of ours contradict each other.
    """
    folder, path, tree = _source(Path(folder))
    notes: list[str] = []
    frames: list[Frame] | None = None
    if tree is None:
        frames, tree = frames_from_capture(folder, notes), {}
        if frames is None:
            raise _no_view_folder(folder, path)
        names = [frame.file_path for frame in frames]
    else:
        rows = tree.get("frames")
        found = [row.get("file_path") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        names = list(dict.fromkeys(name for name in found if isinstance(name, str)))
    pictures = {name: _picture(folder, name) for name in names}
    sizes = {name: (pixels.shape[1], pixels.shape[0]) for name, pixels in pictures.items()}
    if len(set(sizes.values())) > 1:
        different = dict.fromkeys(sizes.values())
        raise InputError(
            "The views differ in size",
            where=path,
            seen=", ".join(f"{w}x{h}" for w, h in list(different)[:4]),
            expected="one size for all pictures",
            next_step="scale or crop the pictures to one size (and their cameras with them)",
        )
    if frames is None:
        frames = frames_from_transforms(tree, path, sizes, notes)
    frames = [replace(f, camera=fitted_camera(f.camera, sizes[f.file_path], path, notes)) for f in frames]
    rgba = np.stack([pictures.pop(frame.file_path) for frame in frames])
    masks = [_picture(folder, frame.mask_path)[..., 0] if frame.mask_path else None for frame in frames]
    for i, mask in enumerate(masks):
        if mask is not None:
            if mask.shape != rgba.shape[1:3]:
                raise InputError("A mask differs in size from its picture", where=path, seen=frames[i].mask_path)
            rgba[i, ..., 3] = np.minimum(rgba[i, ..., 3], mask)
    farthest = 0.0
    for i, frame in enumerate(frames):
        if frame.distortion:
            rgba[i], moved = undistorted(rgba[i], frame.camera, frame.distortion)
            farthest = max(farthest, moved)
    if farthest:
        notes.append(f"lens distortion taken out: pixels moved by up to {farthest:.1f} px")
    own = tree.get(OWN_KEY)
    if isinstance(own, dict):
        has_alpha, provenance = bool(own.get("alpha")), own.get("provenance", {})
        geometry = _geometry(folder / GEOMETRY_NAME)
    else:
        has_alpha, geometry = bool((rgba[..., 3] < 255).any()), {}
        provenance = {"source": {"file": path.name if tree else folder.name, "notes": list(dict.fromkeys(notes))}}
    return ViewSet(
        rgba[..., :3],
        tuple(frame.camera for frame in frames),
        alphas=rgba[..., 3] if has_alpha else None,
        **geometry,
        orbit=orbit_from_transforms(tree),
        provenance=provenance,
    )


def _source(path: Path) -> tuple[Path, Path, dict[str, Any] | None]:
    """The folder, the file that names the cameras, and its JSON object, None when no such file is there."""
    if path.suffix == ".json":
        return path.parent, path, _tree(path)
    for name in (TRANSFORMS_NAME, "transforms_train.json"):
        if (path / name).exists():
            return path, path / name, _tree(path / name)
    if not path.is_dir():
        _tree(path / TRANSFORMS_NAME)
    return path, path / TRANSFORMS_NAME, None


def _no_view_folder(folder: Path, path: Path) -> InputError:
    return InputError(
        "The folder is no view folder",
        where=folder,
        seen=f"no {path.name}, no COLMAP model, no *_par.txt in it",
        expected=f"{path.name} with the cameras, and the pictures that it names",
        next_step="svdmv generate PICTURE -o FOLDER makes one",
    )


def _tree(path: Path) -> dict[str, Any]:
    with translated_os_errors(path):
        data = path.read_bytes()
    try:
        tree = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            "The camera file is damaged", where=path, seen=error, expected="JSON", next_step="write the views again"
        ) from error
    if not isinstance(tree, dict):
        raise InputError("The camera file is no transforms.json", where=path, seen=type(tree).__name__)
    return tree


def _picture(folder: Path, name: str) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 as stored; a name without suffix means .png, as in the NeRF data sets."""
    path = folder / name
    if not path.suffix or not path.exists():
        path = next((p for p in (path, path.with_name(path.name + ".png")) if p.is_file()), path)
    with translated_os_errors(path):
        data = path.read_bytes()
    rgba, _ = rgba_from_bytes(data, path, max_side_px=_LARGEST_SIDE_PX, as_stored=True)
    return rgba


def _geometry(path: Path) -> dict[str, Any]:
    """Depths and normals of a folder of ours; empty when it has none. Never unpickles."""
    if not path.exists():
        return {}
    with translated_os_errors(path):
        data = path.read_bytes()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return {name: stored[name] for name in _GEOMETRY if name in stored.files}
    except (
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        EOFError,
        OSError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(
            "The depth file is damaged", where=path, seen=error, expected="depths and normals", next_step="render again"
        ) from error
