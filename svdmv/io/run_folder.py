"""The folder of one run: what belongs in it, when it may be used, whether its settings are the same."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import InputError, ViewSet
from svdmv.io.atomic import remove_leftovers, translated_os_errors
from svdmv.io.transforms import OWN_KEY

DETAIL_NAME = "input.png"  # the framed picture with all its pixels
ORIGIN_NAME = "texture_origin.png"
OUTPUTS = (
    "views",
    DETAIL_NAME,
    "transforms.json",
    "orbit.mp4",
    "turntable.mp4",
    "mesh.glb",
    ORIGIN_NAME,
    "preview.png",
    "provenance.json",
)
VIEW_OUTPUTS = ("views", DETAIL_NAME, "geometry.npz", "transforms.json", "provenance.json")
NOT_DECISIVE = ("device",)  # settings that may differ between a run and its resumption


@contextmanager
def output_folder(out: Path | str, mode: str = "new") -> Iterator[Path]:
    """`out`, made when absent; taken away again when the block fails before anything is in it.

    Nothing that was there is touched but what a killed run left half-done: see `clear_outputs`.

    Args:
        out: a folder.
        mode: "new" refuses a folder that holds anything; "overwrite" and "resume" take it as it is.

    Raises:
        InputError: the folder cannot be used or made.
    """
    folder = Path(out)
    with translated_os_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(
                "The output is a file, not a folder",
                where=folder,
                seen="a file",
                expected="a folder, or a name that is free",
                next_step=f"-o {folder.with_suffix('').name or 'out'}-out, or another name",
            )
        made = _absent(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, folder / "views"):
            if place.is_dir():
                remove_leftovers(place)
        present = sorted(p.name for p in folder.iterdir())
    if mode == "new" and present:
        raise InputError(
            "The output folder is not empty",
            where=folder,
            seen=", ".join(present[:4]) + (f" and {len(present) - 4} more" if len(present) > 4 else ""),
            expected="a new or empty folder",
            next_step="--overwrite to begin anew, or another -o (svdmv run: --resume to go on)",
        )
    try:
        yield folder
    except BaseException:
        for path in made:
            with suppress(OSError):
                path.rmdir()
        raise


def _absent(folder: Path) -> list[Path]:
    """`folder` and the folders above it that are not there, deepest first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def clear_outputs(folder: Path, names: Sequence[str] = OUTPUTS, *, spared: Path | None = None) -> None:
    """Remove earlier outputs of these names, the last first: provenance.json marks a folder as complete.

    Raises InputError: `spared` (the input) is one of them, or the system refuses.
    """
    if spared is not None and any(spared.resolve().is_relative_to((folder / name).resolve()) for name in names):
        raise InputError(
            "The input is one of the files to be replaced",
            where=spared,
            seen=f"--overwrite with -o {folder}",
            expected="an input outside the output folder",
            next_step="another -o",
        )
    with translated_os_errors(folder):
        for name in reversed(names):
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def save_run_views(
    views: ViewSet,
    detail: NDArray[np.uint8],
    folder: Path,
    *,
    clear: bool,
    spared: Path | None = None,
    outputs: Sequence[str] = OUTPUTS,
) -> None:
    """Write picture, views and cameras; with `clear`, earlier `outputs` in the folder go first, but not `spared`."""
    from svdmv.io.pictures import write_png
    from svdmv.io.views import save_views

    if clear:
        clear_outputs(folder, outputs, spared=spared)
    write_png(folder / DETAIL_NAME, detail)
    save_views(views, folder)


def views_are_whole(folder: Path) -> bool:
    """Whether transforms.json and every picture it names are there."""
    tree = _table(folder / "transforms.json")
    frames = tree.get("frames") or []
    detail = tree.get(OWN_KEY, {}).get("provenance", {}).get("input", {}).get("detail")
    names = [*(frame["file_path"] for frame in frames), *([DETAIL_NAME] if detail == DETAIL_NAME else [])]
    return bool(frames) and all((folder / name).is_file() for name in names)


def detail_in(folder: Path, views: ViewSet) -> NDArray[np.uint8] | None:
    """The framed picture beside views that were generated from it, (D, D, 4) uint8; None where there is none.

    Raises InputError: the views name it and it is missing, damaged, or smaller than they are.
    """
    name = views.provenance.get("input", {}).get("detail")
    if name != DETAIL_NAME:
        return None
    from svdmv.io.pictures import rgba_from_bytes

    path = folder / DETAIL_NAME
    with translated_os_errors(path):
        rgba, _ = rgba_from_bytes(path.read_bytes(), path, max_side_px=16384, as_stored=True)
    width, height = views.size
    if rgba.shape[0] != rgba.shape[1] or width != height or len(rgba) < width:
        raise InputError(
            "The framed picture does not belong to its views",
            where=path,
            seen=f"{rgba.shape[1]}x{rgba.shape[0]} px",
            expected=f"a square of at least {width} px",
            next_step="make the views again, with --overwrite",
        )
    return rgba


def finished(folder: Path) -> dict[str, Any] | None:
    """The provenance of a complete run, or None when something is missing."""
    record = _table(folder / "provenance.json")
    whole = "settings" in record and all((folder / name).exists() for name in OUTPUTS) and views_are_whole(folder)
    return record if whole else None


def recorded_run(folder: Path) -> dict[str, Any] | None:
    """What an earlier run in `folder` wrote about itself ("settings", "input" ...), or None when it cannot be told."""
    for record in (
        _table(folder / "provenance.json"),
        _table(folder / "transforms.json").get(OWN_KEY, {}).get("provenance", {}),
    ):
        if "settings" in record and "input" in record:
            return dict(record)
    return None


def check_same_run(folder: Path, before: Mapping[str, Any], source: Path, settings: Mapping[str, Any]) -> None:
    """Raise InputError when the folder was made with other settings or from another picture."""
    old = before["settings"]
    changed = [f"{k} {old.get(k)} -> {v}" for k, v in settings.items() if k not in NOT_DECISIVE and old.get(k) != v]
    with translated_os_errors(source):
        sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    if before["input"].get("sha256") != sha256:
        changed.insert(0, f"picture {before['input'].get('name')} -> {source.name} (other content)")
    if changed:
        raise InputError(
            "The folder was made with other settings",
            where=folder,
            seen="; ".join(changed)[:300],
            expected="the same picture and settings as before",
            next_step="--overwrite to begin anew, or another -o",
        )


def _table(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty when there is none."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def versions() -> dict[str, str]:
    """Versions of what decides the result."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("torch", "diffusers", "transformers", "numpy", "numba", "scikit-image", "xatlas", "manifold3d"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
