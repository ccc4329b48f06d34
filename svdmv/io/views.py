"""View folders <-> ViewSet: views/000.png ..., transforms.json, and depth and normals where there are any."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import InputError, ViewSet
from svdmv.io.atomic import translated_os_errors, whole_file, whole_folder, write_json
from svdmv.io.pictures import rgba_from_bytes
from svdmv.io.quick_png import quick_png_bytes
from svdmv.io.transforms import OWN_KEY, frames_from_transforms, orbit_from_transforms, transforms_from_cameras

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
    """Read a view folder of ours, or any folder with a transforms.json of nerfstudio, instant-ngp or NeRF.

    Args:
        folder: the folder, or a transforms file in it (transforms_train.json ...). Its world is taken as +Z up.

    Returns:
        ViewSet in our axes, frames in the numeric order of their names, 8 bits. For foreign folders alphas are None
        unless a picture has alpha or a frame names a mask, and provenance["notes"] says what was left out.

    Raises:
        InputError: a file is absent or damaged, pictures differ in size, or the cameras cannot be used.
        DataError: the parts of a folder of ours contradict each other.
    """
    folder = Path(folder)
    path = folder if folder.suffix == ".json" else folder / TRANSFORMS_NAME
    folder = path.parent
    if folder.is_dir() and not path.exists():
        raise InputError(
            "The folder is no view folder",
            where=folder,
            seen=f"no {path.name} in it",
            expected=f"{path.name} with the cameras, and the pictures that it names",
            next_step="svdmv generate PICTURE -o FOLDER makes one",
        )
    tree = _tree(path)
    notes: list[str] = []
    pictures: dict[str, NDArray[np.uint8]] = {}
    rows = tree.get("frames")
    for row in rows if isinstance(rows, list) else []:
        name = row.get("file_path") if isinstance(row, dict) else None
        if isinstance(name, str) and name not in pictures:
            pictures[name] = _picture(folder, name)
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
    frames = frames_from_transforms(tree, path, sizes, notes)
    rgba = np.stack([pictures[frame.file_path] for frame in frames])
    masks = [_picture(folder, frame.mask_path)[..., 0] if frame.mask_path else None for frame in frames]
    for i, mask in enumerate(masks):
        if mask is not None:
            if mask.shape != rgba.shape[1:3]:
                raise InputError("A mask differs in size from its picture", where=path, seen=frames[i].mask_path)
            rgba[i, ..., 3] = np.minimum(rgba[i, ..., 3], mask)
    own = tree.get(OWN_KEY)
    if isinstance(own, dict):
        has_alpha, provenance = bool(own.get("alpha")), own.get("provenance", {})
        geometry = _geometry(folder / GEOMETRY_NAME)
    else:
        has_alpha, geometry = bool((rgba[..., 3] < 255).any()), {}
        provenance = {"source": {"file": path.name, "notes": list(dict.fromkeys(notes))}}
    return ViewSet(
        rgba[..., :3],
        tuple(frame.camera for frame in frames),
        alphas=rgba[..., 3] if has_alpha else None,
        **geometry,
        orbit=orbit_from_transforms(tree),
        provenance=provenance,
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
