"""Fixtures of the tests that run the whole way: import what a conftest needs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from quick_runs import QUICK, draw_picture

from svdmv.cli.main import main
from svdmv.pipeline import RunSettings, run_picture

Call = Callable[..., int]


@pytest.fixture(scope="session", autouse=True)
def quick_house() -> Iterator[None]:
    """The method `quick` has a name, svdmv-mini is read once, and one thread gives one result."""
    import torch

    from svdmv.diffusion import checkpoint
    from svdmv.reconstruct.door import METHODS

    torch.set_num_threads(1)
    read, kept = checkpoint.load_checkpoint, {}

    @functools.wraps(read)
    def read_once(model: str, **options: Any) -> Any:
        key = (model, *sorted(options.items()))
        if model not in checkpoint.BUILT_IN:
            return read(model, **options)
        if key not in kept:
            kept[key] = read(model, **options)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "load_checkpoint", read_once)
        patch.setitem(METHODS, "quick", "quick_runs:reconstruct_quick")
        yield


@pytest.fixture(scope="session")
def egg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cut-out picture in three colours."""
    return draw_picture(tmp_path_factory.mktemp("pictures") / "egg.png")


@pytest.fixture(scope="session")
def quick_run(egg: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run with the settings QUICK. Not to be changed by a test."""
    return run_picture(egg, tmp_path_factory.mktemp("quick") / "out", RunSettings(**QUICK)).folder


@pytest.fixture
def call() -> Call:
    """The command line in this process; gives its exit code."""

    def run(*words: str | Path) -> int:
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        return int(stop.value.code or 0)

    return run
