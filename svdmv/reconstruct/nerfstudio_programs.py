"""nerfstudio's programs in an environment of their own: where they are, how they are run, what they say when they fail.

nerfstudio pins numpy below 2 and old torchvision, so it is never imported here (https://docs.nerf.studio).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from svdmv.core import MissingDependency, SvdmvError

ENVIRONMENT_VARIABLE = "SVDMV_NERFSTUDIO"
PROGRAMS = ("ns-train", "ns-export")
LINES_KEPT = 12
_PROGRESS = re.compile(r"(\d+) \(\s*\d+\.\d+%\)")
Report = Callable[[str, int, int], None]


class ProgramFailed(SvdmvError):  # noqa: N818 - a finding about another program
    """A program of nerfstudio's ended badly; `seen` holds its last lines."""


def default_environment() -> Path:
    """Where scripts/setup_nerfstudio makes the environment: $XDG_CACHE_HOME/svdmv/nerfstudio."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "svdmv" / "nerfstudio"


def nerfstudio_folder() -> Path:
    """The folder of the environment that holds ns-train and ns-export.

    Raises:
        MissingDependency: neither $SVDMV_NERFSTUDIO nor the default folder has them.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    folder = Path(named).expanduser() if named else default_environment()
    absent = [name for name in PROGRAMS if not _program(folder, name).is_file()]
    if absent:
        raise MissingDependency(
            "nerfstudio is not there",
            where=f"${ENVIRONMENT_VARIABLE}" if named else "nerfstudio's environment",
            seen=f"no {' and no '.join(absent)} in {folder / _scripts()}",
            expected="an environment with nerfstudio 1.1.5",
            next_step=f"scripts/setup_nerfstudio {folder}"
            if not named
            else f"scripts/setup_nerfstudio FOLDER && export {ENVIRONMENT_VARIABLE}=FOLDER",
        )
    return folder


def nerfstudio_version(folder: Path) -> str:
    """What the environment has installed, from its metadata alone; "" when that cannot be told."""
    found = [
        *folder.glob("lib/python*/site-packages/nerfstudio-*.dist-info"),
        *folder.glob("Lib/site-packages/nerfstudio-*.dist-info"),
    ]
    return found[0].name.removeprefix("nerfstudio-").removesuffix(".dist-info") if found else ""


def nerfstudio_health() -> tuple[str, str]:
    """State and detail for `svdmv doctor`: ok, or absent with what is missing and how to get it."""
    try:
        folder = nerfstudio_folder()
    except MissingDependency as error:
        return "absent", f"{error.seen}; {error.next_step}"
    version = nerfstudio_version(folder)
    weights = [*(folder / "torch_home").rglob("alexnet-*.pth")]
    if not weights:
        return "absent", f"{folder} lacks torch_home: training would download; scripts/setup_nerfstudio {folder}"
    return "ok", f"{version or 'unknown version'} in {folder}"


def run_program(
    folder: Path,
    name: str,
    arguments: Sequence[str],
    *,
    log: Path,
    stage: str,
    report: Report | None = None,
    steps: int = 0,
) -> None:
    """Run ns-train or ns-export; its output goes to `log`, its steps to `report`.

    The environment's own torch_home is used, where scripts/setup_nerfstudio has put what nerfstudio would download, and
    checkpoints that were written a moment ago are allowed to load (they hold more than tensors).

    Raises:
        ProgramFailed: the program ended badly or cannot be started. Interrupting ends the program first.
    """
    environment = os.environ | {
        "PATH": f"{folder / _scripts()}{os.pathsep}{os.environ.get('PATH', '')}",
        "TORCH_HOME": str(folder / "torch_home"),
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "200",
    }
    for variable in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        environment.pop(variable, None)
    command = [str(_program(folder, name)), *arguments]
    last: deque[str] = deque(maxlen=LINES_KEPT)
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise _failure(name, str(error), log) from error
    assert process.stdout is not None
    try:
        with log.open("a", encoding="utf-8") as file, process.stdout:
            file.write(" ".join(command) + "\n")
            for line in process.stdout:
                file.write(line)
                if plain := re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).strip():
                    last.append(plain)
                if report is not None and steps and (found := _PROGRESS.search(line)):
                    report(stage, min(int(found[1]), steps), steps)
        code = process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if code:
        raise _failure(name, f"exit code {code}: " + " | ".join(last)[-600:], log)


def _failure(name: str, seen: str, log: Path) -> ProgramFailed:
    return ProgramFailed(
        f"nerfstudio's {name} failed",
        where=log,
        seen=seen,
        expected="a run to the end",
        next_step="read the log; svdmv doctor tells whether the environment is whole",
    )


def _scripts() -> str:
    return "Scripts" if sys.platform == "win32" else "bin"


def _program(folder: Path, name: str) -> Path:
    return folder / _scripts() / (f"{name}.exe" if sys.platform == "win32" else name)
