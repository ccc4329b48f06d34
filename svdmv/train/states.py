"""The saved states of a run: a folder a state, a file a process, and a marker that is written last.

    states/00000500/rank-0000.safetensors ... complete.json

A state without its marker was never finished: the one before it is taken. One whose files have another size than its
marker says is damaged and refused. A state says what it was trained with; a run with other data or settings is refused,
the difference shown.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from svdmv.core import CheckpointError, ConfigError
from svdmv.io.atomic import remove_leftovers, write_json
from svdmv.train.parallel import ALONE, Team
from svdmv.train.settings import FREE_TO_CHANGE
from svdmv.train.state import Average, load_state, save_state

MARKER = "complete.json"
OLD_FILE = "state.safetensors"  # one file beside the curve, as runs wrote it before


@dataclass
class States:
    """States of one run below `folder`.

    Attributes:
        told: what the run is trained with: settings of the loop, data, start weights. kept: how many states stay.
        dealt_out: whether every process holds and saves a part (zero2, zero3) and not the whole.
        accept_changes: go on although `told` differs from what the state was trained with.
    """

    folder: Path
    told: Mapping[str, Any]
    team: Team = ALONE
    dealt_out: bool = False
    kept: int = 1
    accept_changes: bool = False

    def newest(self) -> Path | None:
        """The last finished state: its folder, or the one file of an older layout.

        Raises CheckpointError: a state was finished and has lost or changed files since.
        """
        for place in sorted((self.folder / "states").glob("[0-9]*"), reverse=True):
            if self._finished(place):
                return place
            if (place / MARKER).is_file():
                raise CheckpointError(
                    "A saved state is damaged",
                    where=place,
                    seen="files that its marker does not describe",
                    expected="the files that were written",
                    next_step=f"rm -r {place} to begin at the state before it, or anew",
                )
        old = self.folder / OLD_FILE
        return old if old.is_file() else None

    def save(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, average: Average, step: int, extra: dict[str, Any]
    ) -> None:
        """Write the state of `step`; every process of the team calls it. Raises InputError: the disk refuses."""
        place = self.folder / "states" / f"{step:08d}"
        if self.team.writes:
            place.mkdir(parents=True, exist_ok=True)
            remove_leftovers(place)
            (place / MARKER).unlink(missing_ok=True)
        self.team.wait()
        if self.team.writes or self.dealt_out:
            save_state(place / self._file_name(self.team.rank), model, optimizer, average, step, extra)
        self.team.wait()
        if not self.team.writes:
            return
        files = {name: (place / name).stat().st_size for name in map(self._file_name, range(self._parts()))}
        write_json(place / MARKER, {"step": step, "files": files, "told": dict(self.told)})
        for old in sorted((self.folder / "states").glob("[0-9]*")):
            if old.name not in self._kept_names(place.name):
                shutil.rmtree(old)
        (self.folder / OLD_FILE).unlink(missing_ok=True)

    def load(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, average: Average
    ) -> tuple[int, dict[str, Any]] | None:
        """Put the newest state back; its step and extra, or None where there is none.

        Raises CheckpointError: damaged, or of another model. ConfigError: trained with other settings or data.
        """
        place = self.newest()
        if place is None:
            return None
        if place.is_file():
            return load_state(place, model, optimizer, average)
        marker = json.loads((place / MARKER).read_text("utf-8"))
        self._require_alike(marker, place)
        return load_state(place / self._file_name(self.team.rank * self.dealt_out), model, optimizer, average)

    def _require_alike(self, marker: dict[str, Any], place: Path) -> None:
        if len(marker["files"]) != self._parts():
            raise ConfigError(
                "The state was saved by another number of processes",
                where=place,
                seen=f"{self._parts()} processes",
                expected=f"{len(marker['files'])}, each of which holds a part",
                next_step=f"torchrun --nproc-per-node {len(marker['files'])} -m svdmv train ...",
            )
        changed = differences(marker["told"], json.loads(json.dumps(dict(self.told))))
        if changed and not self.accept_changes:
            raise ConfigError(
                "The run was begun with other settings or data",
                where=place,
                seen="; ".join(changed)[:600],
                expected="what it was begun with",
                next_step="the old settings, another out folder, or accept_changes=true",
            )

    def _parts(self) -> int:
        return self.team.count if self.dealt_out else 1

    def _kept_names(self, newest: str) -> list[str]:
        finished = [p.name for p in (self.folder / "states").glob("[0-9]*") if self._finished(p) and p.name <= newest]
        return sorted(finished)[-self.kept :]

    @staticmethod
    def _file_name(rank: int) -> str:
        return f"rank-{rank:04d}.safetensors"

    @staticmethod
    def _finished(place: Path) -> bool:
        try:
            files = json.loads((place / MARKER).read_text("utf-8"))["files"]
            return all((place / name).stat().st_size == size for name, size in files.items())
        except (OSError, ValueError, KeyError, AttributeError):
            return False


def differences(there: Mapping[str, Any], here: Mapping[str, Any], head: str = "") -> list[str]:
    """What differs between two tables of settings, where both know the setting, as "name: A there, B asked for"."""
    out = []
    for name in sorted(there.keys() & here.keys() - set(FREE_TO_CHANGE)):
        one, two = there[name], here[name]
        if isinstance(one, dict) and isinstance(two, dict):
            out += differences(one, two, f"{head}{name}.")
        elif one != two:
            out.append(f"{head}{name}: {one} there, {two} asked for")
    return out
