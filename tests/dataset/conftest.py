"""Small data sets, drawn by the stand-in worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_objects import objects, plan_of
from stand_in_worker import COMMAND

from svdmv.dataset.build import build


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten objects, twenty orbits, four shards. Not to be changed: copy it. Made before tests with short time limits,
    so that kernels are compiled by then.
    """
    folder = tmp_path_factory.mktemp("drawn") / "data"
    assert build(plan_of(objects(10)), folder, command=COMMAND).complete
    return folder
