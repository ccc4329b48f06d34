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
from svdmv.core.errors import EXIT_BAD_INPUT, EXIT_OK, EXIT_PARTIAL
from svdmv.io.stages import Report
from svdmv.pipeline import RunResult, RunSettings, check_mode, run_picture

if TYPE_CHECKING:
    from svdmv.diffusion.model import SvdMv

NOT_PICTURES = (".json", ".txt", ".md", ".csv", ".mp4", ".glb", ".yaml", ".yml")


@dataclass(frozen=True)
class RunSummary:
    """Outcomes of several pictures: every picture is a named row, finished or failed.

    ignored: what lay in a folder of pictures and was not taken for a picture by its name.
    """

    results: tuple[RunResult, ...]
    failures: tuple[tuple[Path, SvdmvError], ...]
    ignored: tuple[Path, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when all finished, 4 when some failed, the errors' own code (2 when they differ) when nothing finished."""
        codes = {error.exit_code for _, error in self.failures}
        if not codes:
            return EXIT_OK
        if self.results:
            return EXIT_PARTIAL
        return codes.pop() if len(codes) == 1 else EXIT_BAD_INPUT

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
        rows += [{"picture": str(path), "status": "failed", **error_as_dict(error)} for path, error in self.failures]
        return {"exit_code": self.exit_code, "pictures": rows, "ignored": [str(path) for path in self.ignored]}

    def text(self) -> str:
        """For people: a line a picture that finished, its notes below, then what was ignored."""
        lines = []
        for r in self.results:
            seconds = r.figures.get("seconds", 0)
            lines.append(
                f"{r.picture.name} -> {r.folder / 'mesh.glb'}  ({seconds:.0f} s, look at {r.folder / 'preview.png'})"
            )
            lines += [f"  note: {note}" for note in r.notes]
        if self.ignored:
            names = ", ".join(path.name for path in self.ignored[:4])
            more = f" and {len(self.ignored) - 4} more" if len(self.ignored) > 4 else ""
            lines.append(f"ignored, no pictures by name: {names}{more}")
        return "".join(f"{line}\n" for line in lines)

    def failure_text(self) -> str:
        """For people: a line a picture that failed, and the count. Empty where one picture was all there was."""
        if len(self.results) + len(self.failures) < 2:
            return ""
        lines = [f"FAILED {path.name}: {reason(error)}" for path, error in self.failures]
        if self.failures:
            lines.append(f"{len(self.results)} finished, {len(self.failures)} failed")
        return "".join(f"{line}\n" for line in lines)


def reason(error: SvdmvError) -> str:
    """An error on one line, without its place."""
    parts = (("seen", error.seen), ("expected", error.expected), ("next", error.next_step))
    said = "; ".join(f"{name}: {text}" for name, text in parts if text)
    return " ".join(f"{error.what} ({said})".split()) if said else error.what


def error_as_dict(error: SvdmvError) -> dict[str, Any]:
    """JSON form of an error: its sentence, its parts and its exit code."""
    parts = {name: getattr(error, name) for name in ("what", "where", "seen", "expected", "next_step")}
    return {"reason": reason(error), **parts, "exit_code": error.exit_code}


def run_pictures(
    pictures: Sequence[Path | str],
    out: Path | str,
    settings: RunSettings | None = None,
    *,
    mode: str = "new",
    report: Report | None = None,
) -> RunSummary:
    """Several pictures, or folders of pictures: OUT/<stem>/ each (OUT itself for a single picture).

    The checkpoint is loaded once, when the first picture needs it. A bad picture is a named failure and the others go
    on; wrong settings, weights or devices that stop the first picture stop the run: they would stop every picture.

    Raises:
        SvdmvError: no picture given, or a setting, checkpoint or device that no picture could be made with.
    """
    chosen, root = settings or RunSettings(), Path(out)
    check_mode(mode)
    found, ignored, whole = expanded([Path(p) for p in pictures])
    folders = [root] if whole else [root / name for name in folder_names(found)]
    loaded: list[SvdMv] = []

    def model() -> SvdMv:
        from svdmv.diffusion.checkpoint import load_checkpoint
        from svdmv.diffusion.device import resolved_device

        if not loaded:
            loaded.append(load_checkpoint(chosen.model, device=resolved_device(chosen.device), dtype=chosen.dtype))
        return loaded[0]

    results: list[RunResult] = []
    failures: list[tuple[Path, SvdmvError]] = []
    for number, (path, folder) in enumerate(zip(found, folders, strict=True), 1):
        tell = _counted(report, f"{number}/{len(found)} {path.name}: ") if report and len(found) > 1 else report
        try:
            results.append(run_picture(path, folder, chosen, mode=mode, model=model, report=tell))
        except SvdmvError as error:
            if not results and isinstance(error, CheckpointError | ConfigError | DeviceError | MissingDependency):
                raise
            failures.append((path, error))
    return RunSummary(tuple(results), tuple(failures), tuple(ignored))


def _counted(report: Report, prefix: str) -> Report:
    return lambda stage, done, total: report(prefix + stage, done, total)


def expanded(paths: list[Path]) -> tuple[list[Path], list[Path], bool]:
    """Pictures in order, folders replaced by the files in them; what was left out there; whether it is one picture
    given as a file. Raises InputError when there is none.
    """
    found: list[Path] = []
    ignored: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [p for p in sorted(path.iterdir()) if not p.name.startswith(".")]
            taken = [p for p in inside if p.is_file() and p.suffix.lower() not in NOT_PICTURES]
            found += taken
            ignored += [p for p in inside if p not in taken]
        else:
            found.append(path)
    if not found:
        raise InputError(
            "There is no picture to work on",
            where=", ".join(map(str, paths)) or "command line",
            seen="a folder without pictures" if paths else "no file",
            expected="at least one picture",
            next_step="svdmv run PICTURE -o OUT",
        )
    return found, ignored, len(paths) == 1 and not paths[0].is_dir()


def folder_names(pictures: list[Path]) -> list[str]:
    """A folder name for each picture: its stem, numbered where stems repeat (upper and lower case alike)."""
    names: list[str] = []
    taken: set[str] = set()
    for path in pictures:
        stem, count = path.stem or "picture", 2
        name = stem
        while name.casefold() in taken:
            name, count = f"{stem}-{count}", count + 1
        taken.add(name.casefold())
        names.append(name)
    return names
