"""A tiny orbit store for every test, and one thread."""

from __future__ import annotations

import pytest
import torch
from tiny_training import write_store

from svdmv.dataset.orbits import OrbitStore


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tiny tensors gain nothing from threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> OrbitStore:
    """Four orbits of five views, memory-mapped."""
    return write_store(tmp_path_factory.mktemp("store"))
