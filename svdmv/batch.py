"""Many pictures in one run: every picture ends as a named row, finished or failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svdmv.core import (
    CheckpointError,
    ConfigError,
    DeviceError,
    InputError,
    MissingDependency,
    SvdmvError,
)
from svdmv.core.errors import EXIT_OK, EXIT_PARTIAL
from svdmv.io.run_folder import discard_if_empty, prepared_folder
from svdmv.pipeline import Report, RunResult, RunSettings, run_picture

if TYPE_CHECKING:
    from svdmv.diffusion.model import SvdMv

NOT_PICTURES = (".json", ".txt", ".md", ".csv", ".mp4", ".glb", ".yaml", ".yml")


@dataclass(frozen=True)
class RunSummary:
    """Outcomes of several pictures: every picture is a named row, finished or failed."""

    results: tuple[RunResult, ...]
    failures: tuple[tuple[Path, SvdmvError], ...]

    @property
    def exit_code(self) -> int:
        """0 when all finished, 4 when some failed, the error's own code when nothing finished."""
        if not self.failures:
            return EXIT_OK
        return EXIT_PARTIAL if self.results or len(self.failures) > 1 else self.failures[0][1].exit_code

    @property
    def only_error(self) -> SvdmvError | None:
        """The error of a run over one picture."""
        return self.failures[0][1] if len(self.failures) == 1 and not self.results else None

    def as_dict(self) -> dict[str, Any]:
        """JSON form: one row a picture."""
        rows: list[dict[str, Any]] = [
            {
                "picture": str(r.picture),
                "status": "ok",
                "folder": str(r.folder),
                "notes": list(r.notes),
                "seconds": r.figures.get("seconds"),
                "peak_memory_mb": r.figures.get("peak_memory_mb"),
                "photo_consistency": r.figures.get("photo_consistency"),
            }
            for r in self.results
        ]
        rows += [
            {"picture": str(path), "status": "failed", "reason": error.one_line(), "exit_code": error.exit_code}
            for path, error in self.failures
        ]
        return {"exit_code": self.exit_code, "pictures": rows}

    def text(self) -> str:
        """For people: a line a picture, its notes below, failures last."""
        lines = []
        for r in self.results:
            seconds = r.figures.get("seconds", 0)
            lines.append(
                f"{r.picture.name} -> {r.folder / 'mesh.glb'}  ({seconds:.0f} s, look at {r.folder / 'preview.png'})"
            )
            lines += [f"  note: {note}" for note in r.notes]
        if self.only_error is None:
            lines += [f"{path.name} FAILED: {error.one_line()}" for path, error in self.failures]
        if len(self.results) + len(self.failures) > 1:
            lines.append(f"{len(self.results)} finished, {len(self.failures)} failed")
        return "\n".join(lines) + ("\n" if lines else "")


def run_pictures(
    pictures: Sequence[Path | str],
    out: Path | str,
    settings: RunSettings | None = None,
    *,
    mode: str = "new",
    report: Report | None = None,
) -> RunSummary:
    """Several pictures, or folders of pictures: OUT/<stem>/ each (OUT itself for a single picture).

    The checkpoint is loaded once. A bad picture is a named failure and the others go on; wrong settings, weights or
    devices stop the run, because they would stop every picture.

    Raises:
        SvdmvError: no picture given, or a setting, checkpoint or device that no picture could be made with.
    """
    from svdmv.diffusion.checkpoint import load_checkpoint
    from svdmv.diffusion.device import resolved_device

    chosen, root = settings or RunSettings(), Path(out)
    found, whole = expanded([Path(p) for p in pictures])
    folders = {0: root} if whole else {i: root / name for i, name in enumerate(folder_names(found))}
    model: SvdMv | None = None
    results: list[RunResult] = []
    failures: list[tuple[Path, SvdmvError]] = []
    for number, path in enumerate(found):
        try:
            if model is None and not (mode == "resume" and (folders[number] / "transforms.json").is_file()):
                prepared_folder(folders[number], mode)
                model = load_checkpoint(chosen.model, device=resolved_device(chosen.device), dtype=chosen.dtype)
            results.append(run_picture(path, folders[number], chosen, mode=mode, model=model, report=report))
        except (CheckpointError, ConfigError, DeviceError, MissingDependency):
            raise
        except SvdmvError as error:
            failures.append((path, error))
            discard_if_empty(folders[number])
    return RunSummary(tuple(results), tuple(failures))


def expanded(paths: list[Path]) -> tuple[list[Path], bool]:
    """Pictures in order, folders replaced by the files in them; and whether it is one picture given as a file."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
            found += [p for p in inside if p.suffix.lower() not in NOT_PICTURES]
        else:
            found.append(path)
    if not found:
        raise InputError(
            "There is no picture to work on",
            where=", ".join(map(str, paths)) or "command line",
            seen="no file",
            expected="at least one picture",
            next_step="svdmv run PICTURE -o OUT",
        )
    return found, len(paths) == 1 and not paths[0].is_dir()


def folder_names(pictures: list[Path]) -> list[str]:
    """A folder name for each picture: its stem, numbered where stems repeat."""
    names: list[str] = []
    for path in pictures:
        stem, count = path.stem or "picture", 2
        name = stem
        while name in names:
            name, count = f"{stem}-{count}", count + 1
        names.append(name)
    return names
