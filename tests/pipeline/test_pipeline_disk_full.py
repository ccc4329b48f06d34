"""The disk fills up at any write: one block, exit code 2, only whole files, and --resume finishes."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from quick_runs import QUICK_OPTIONS, digests
from test_pipeline_resume import ORDER, check_whole

from svdmv.io.atomic import TEMPORARY_PREFIX

Call = Callable[..., int]


def full_after(monkeypatch: pytest.MonkeyPatch, count: int) -> list[int]:
    """Every flush to the disk after the first `count` fails for want of space; the list counts them."""
    flush, seen = os.fsync, [0]

    def refuse(handle: Any) -> None:
        seen[0] += 1
        if seen[0] > count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    return seen


def test_nothing_is_left_when_the_first_write_fails(
    egg: Path, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full_after(monkeypatch, 0)
    assert call("run", egg, "-o", tmp_path / "new" / "out", *QUICK_OPTIONS) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: No space left to write the file")
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("missing_from", "flushes"),
    [
        *[(0, 1), (0, 5), (0, 21), (0, 23), (0, 24), (3, 0), (3, 1), (4, 0), (4, 1)],
        *[(5, 0), (5, 1), (6, 0), (6, 1), (7, 0), (7, 1)],
    ],
)
def test_full_at_any_write(
    egg: Path,
    quick_run: Path,
    tmp_path: Path,
    call: Call,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    missing_from: int,
    flushes: int,
) -> None:
    """The folder holds what comes before ORDER[missing_from]; then that many flushes succeed."""
    out = tmp_path / "out"
    out.mkdir()
    for name in ORDER[:missing_from]:
        source = quick_run / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, out / name)
    with monkeypatch.context() as patch:
        seen = full_after(patch, flushes)
        assert call("run", egg, "-o", out, "--resume", *QUICK_OPTIONS) == 2
        assert seen[0] > flushes
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Error: No space left to write the file\n  where:    ")
    assert "free some space" in said.err
    assert ("--resume" in said.err) == (missing_from > 0)  # from then on there is something to go on from
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith(TEMPORARY_PREFIX)]
    if out.exists():
        check_whole(out)
    assert not (out / "provenance.json").exists() or flushes == 1
    if missing_from >= 6:
        assert call("run", egg, "-o", out, "--resume", "--quiet", *QUICK_OPTIONS) == 0
        assert digests(out) == digests(quick_run)


def test_a_full_cache_folder_is_not_our_bug(
    egg: Path, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other packages write caches; their refusal is a block too."""
    from svdmv import batch

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "cache.bin")

    monkeypatch.setattr(batch, "run_picture", full)
    assert call("run", egg, "-o", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "No space left" in said
    assert "cache.bin" in said
    assert "Traceback" not in said
