"""A fit that says how far it is, and that can be stopped and continued."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.core import InputError, ViewSet
from svdmv.geometry.field import Lattice
from svdmv.reconstruct.sdf_fit import FitSettings, FitState, FittedField, Report

Keep = Callable[[FitState], None]
Fit = Callable[[FitState, Keep, Report], FittedField]


class Progress:
    """Runs the stages of a fit one after the other; what a file holds of an earlier, stopped run is not done again.

    Args:
        path: the file; None = nothing is kept.
        views, settings, more: what the file's content must belong to.
        report: called with ("fit", done, total).

    Raises:
        InputError: the file cannot be read, or belongs to other views or settings.
    """

    def __init__(
        self, path: Path | str | None, views: ViewSet, settings: FitSettings, more: Any, report: Report | None
    ) -> None:
        self._path = None if path is None else Path(path)
        self._report = report
        self._fingerprint = _fingerprint(views, settings, more) if path is not None else ""
        self._done: list[FittedField] = []
        self._state: FitState | None = None
        self.last_loss = (float("nan"), float("nan"))
        if self._path is not None and self._path.exists():
            self._read(self._path)

    def run(self, stage: int, stages: int, fit: Fit) -> FittedField:
        """The result of a stage: from the file, or by `fit`, which goes on from the file's state."""
        if stage < len(self._done):
            return self._done[stage]
        state = self._state or FitState()
        self._state = None

        def keep(now: FitState) -> None:
            if self._path is not None:
                self._write(self._path, now)

        def say(what: str, done: int, total: int) -> None:
            if self._report is not None:
                self._report(what, stage * total + done, stages * total)

        field = fit(state, keep, say)
        self.last_loss = state.losses[-1] if state.losses else self.last_loss
        self._done.append(field)
        return field

    def finish(self) -> None:
        """The file has done its work."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self, path: Path, state: FitState) -> None:
        from svdmv.io.atomic import write_bytes

        arrays: dict[str, Any] = {
            "fingerprint": np.array(self._fingerprint),
            "place": np.array([state.level, state.segment]),
            "losses": np.array(state.losses).reshape(-1, 2),
        }
        for k, field in enumerate([*self._done, state.now]):
            if field is not None:
                arrays |= {f"phi{k}": field.phi, f"colors{k}": field.colors, f"low{k}": np.array(field.lattice.low)}
                arrays[f"step{k}"] = np.array(field.lattice.step)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_bytes(path, buffer.getvalue())

    def _read(self, path: Path) -> None:
        from svdmv.io.atomic import translated_os_errors

        try:
            with translated_os_errors(path), np.load(path, allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
            same = str(arrays["fingerprint"]) == self._fingerprint
            fields = [_field(arrays, k) for k in range(sum(name.startswith("phi") for name in arrays))]
            level, segment = (int(n) for n in arrays["place"])
            losses = [(float(a), float(b)) for a, b in arrays["losses"]]
        except (ValueError, KeyError, EOFError, OSError) as error:
            raise InputError(
                "The state of a fit cannot be read",
                where=path,
                seen=str(error),
                expected="a file that a stopped fit left",
                next_step=f"delete {path} to begin anew",
            ) from error
        if not same:
            raise InputError(
                "The state belongs to another fit",
                where=path,
                seen="other views or settings",
                expected="the views and settings it was made with",
                next_step=f"delete {path} to begin anew",
            )
        self._done = fields[:-1]
        self._state = FitState(level, segment, fields[-1], losses)


def _field(arrays: dict[str, Any], k: int) -> FittedField:
    phi = arrays[f"phi{k}"]
    low = arrays[f"low{k}"]
    lattice = Lattice((float(low[0]), float(low[1]), float(low[2])), float(arrays[f"step{k}"]), phi.shape)
    return FittedField(lattice, phi, arrays[f"colors{k}"])


def _fingerprint(views: ViewSet, settings: FitSettings, more: Any) -> str:
    digest = hashlib.sha256(json.dumps([asdict(settings), more], sort_keys=True, default=str).encode())
    for array in (views.images, views.alphas, views.normals, views.depths):
        if array is not None:
            digest.update(np.ascontiguousarray(array).tobytes())
    for camera in views.cameras:
        digest.update(camera.K.tobytes() + camera.world_from_camera.tobytes())
    return digest.hexdigest()
