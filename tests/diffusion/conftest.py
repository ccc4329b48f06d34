"""Tiny random checkpoints, one thread, and the texts of errors kept as snapshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_checkpoints import stock_pipeline, tiny_parts

from svdmv.core import SvdmvError
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.diffusion.model import SvdMv

SNAPSHOTS = Path(__file__).resolve().parent.parent / "snapshots" / "diffusion"


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tiny tensors gain nothing from threads."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_gradients() -> Any:
    """Inference only; a test that differentiates turns gradients on again."""
    with torch.no_grad():
        yield


@pytest.fixture(scope="session")
def parts() -> dict[str, Any]:
    """Three tiny random networks with SVD's layout. Not to be changed by a test."""
    return tiny_parts()


@pytest.fixture(scope="session")
def svd_folder(parts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, as diffusers' pipeline saves it. Not to be changed by a test: see svd_copy."""
    folder = tmp_path_factory.mktemp("hub") / "tiny-svd"
    stock_pipeline(parts).save_pretrained(folder)
    return folder


@pytest.fixture
def svd_copy(svd_folder: Path, tmp_path: Path) -> Path:
    """A folder of the test's own, to be damaged."""
    return Path(shutil.copytree(svd_folder, tmp_path / "tiny-svd"))


@pytest.fixture(scope="session")
def model(svd_folder: Path) -> SvdMv:
    """The folder, loaded and widened. Not to be changed by a test."""
    return load_checkpoint(str(svd_folder))


@pytest.fixture
def same_block(tmp_path: Path) -> Callable[[str, SvdmvError], None]:
    """Compare an error's block with tests/snapshots/diffusion/NAME.txt (SVDMV_UPDATE_SNAPSHOTS=1 writes it)."""

    def check(name: str, error: SvdmvError) -> None:
        text = error.block().replace(str(tmp_path), "TMP") + "\n"
        path = SNAPSHOTS / f"{name}.txt"
        if os.environ.get("SVDMV_UPDATE_SNAPSHOTS"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        assert text == path.read_text("utf-8")
        assert "\n  next:" in text, "every error of a checkpoint says what to do next"

    return check
