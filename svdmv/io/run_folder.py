"""The folder of one run: what belongs in it, when it may be used, whether its settings are the same."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from svdmv.core import InputError
from svdmv.io.atomic import remove_leftovers, translated_os_errors

OUTPUTS = ("views", "transforms.json", "orbit.mp4", "turntable.mp4", "mesh.glb", "preview.png", "provenance.json")
NOT_DECISIVE = ("device",)  # settings that may differ between a run and its resumption


def prepared_folder(out: Path, mode: str) -> Path:
    """`out`, made or cleared as `mode` ("new", "overwrite", "resume") says.

    Raises InputError: it holds files in mode "new", is a file, or cannot be made.
    """
    with translated_os_errors(out):
        if out.exists() and not out.is_dir():
            raise InputError(
                "The output is a file, not a folder",
                where=out,
                seen="a file",
                expected="a folder",
                next_step="choose another -o",
            )
        out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(out)
        if (out / "views").is_dir():
            remove_leftovers(out / "views")
        present = sorted(p.name for p in out.iterdir())
        if mode == "new" and present:
            raise InputError(
                "The output folder is not empty",
                where=out,
                seen=", ".join(present[:4]),
                expected="a new or empty folder",
                next_step="add --resume to go on, or --overwrite to begin anew",
            )
        if mode == "overwrite":
            for name in reversed(OUTPUTS):  # provenance first: it marks a folder as complete
                path = out / name
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
    return out


def finished(folder: Path) -> dict[str, Any] | None:
    """The provenance of a complete run, or None when something is missing."""
    path = folder / "provenance.json"
    if not all((folder / name).exists() for name in OUTPUTS):
        return None
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) and "settings" in values else None


def check_settings(
    folder: Path, before: dict[str, Any], source: Path, settings: Any, before_input: dict[str, Any] | None = None
) -> None:
    """Raise InputError when the folder was made with other settings or from another picture."""
    now = asdict(settings)
    changed = [f"{k} {before.get(k)!r} -> {now[k]!r}" for k in now if k not in NOT_DECISIVE and before.get(k) != now[k]]
    if before_input is None:
        record = json.loads((folder / "provenance.json").read_text("utf-8"))
        before_input = record.get("input", {})
    with translated_os_errors(source):
        sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    if before_input.get("sha256") != sha256:
        changed.append(f"picture {before_input.get('name')} -> {source.name} (other content)")
    if changed:
        raise InputError(
            "The folder was made with other settings",
            where=folder,
            seen="; ".join(changed)[:300],
            expected="the same settings and picture as before",
            next_step="--overwrite, or another -o",
        )


def peak_memory_mb() -> float:
    """Highest resident memory of this process so far, in MB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


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


def discard_if_empty(folder: Path) -> None:
    """Remove a folder that a failed run made and left empty."""
    import contextlib

    with contextlib.suppress(OSError):
        folder.rmdir()
