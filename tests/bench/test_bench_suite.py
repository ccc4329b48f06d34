"""Suites as data: shipped ones load, their hash is the protocol's, damaged ones are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from svdmv.bench.listing import listing
from svdmv.bench.metrics import METRICS
from svdmv.bench.suite import Suite, load_suite, suite_from_tree, suite_names, suites_folder
from svdmv.core import ConfigError, InputError


def tree(name: str = "mini") -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load((suites_folder() / f"{name}.yaml").read_text("utf-8"))
    return made


def built(**changes: Any) -> Suite:
    return suite_from_tree(tree() | changes, Path("changed.yaml"))


def test_every_shipped_suite_loads_under_its_own_name() -> None:
    assert {
        "mini",
        "gso34_orbit21",
        "svd-mv-paper",
        "sv3d-static",
        "sv3d-dynamic",
        "syncdreamer-30",
        "zero123plus",
    } <= set(suite_names())
    hashes = set()
    for name in suite_names():
        suite = load_suite(name)
        assert suite.name == name
        assert suite.objects or "never published" in suite.data
        hashes.add(suite.sha256)
    assert len(hashes) == len(suite_names())


def test_the_hash_follows_what_changes_scores_and_nothing_else() -> None:
    base = built().sha256
    assert built(title="another", ours={"x": "y"}).sha256 == base
    for changes in ({"size_px": 32}, {"fov_y_deg": 40.0}, {"background": "grey"}, {"light": "sun"}, {"version": 99}):
        assert built(**changes).sha256 != base, changes


def test_syncdreamers_cameras() -> None:
    """16 views at 22.5 degrees, elevation 30, lens 49.13, distance 1.5; start rotations as its scripts have them."""
    suite = load_suite("syncdreamer-30")
    np.testing.assert_allclose(suite.tracks[0].azimuths_deg, np.arange(16) * 22.5)
    assert set(suite.tracks[0].elevations_deg) == {30.0}
    assert (suite.fov_y_deg, suite.radius, suite.size_px, len(suite.objects)) == (49.13, 1.5, 256, 30)
    turns = {o.name: o.turn_deg for o in suite.objects}
    assert (turns["lion"], turns["sofa"], turns["train"], turns["sorter"], turns["hat"]) == (270, -90, 225, 112.5, 0)


def test_zero123plus_cameras() -> None:
    track = load_suite("zero123plus").tracks[0]
    assert track.azimuths_deg[1:] == (30, 90, 150, 210, 270, 330)
    assert track.elevations_deg[1:] == (20, -10, 20, -10, 20, -10)
    assert track.input_view == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": 9}, "format: 9"),
        ({"sise_px": 3}, "size_px?"),
        ({"background": "pink"}, "background: pink"),
        ({"tracks": []}, "tracks: none"),
        ({"tracks": [{"name": "a", "azimuths_deg": [0, 1], "elevations_deg": [0]}]}, "2 azimuths, 1 elevations"),
        ({"objects": [{"name": "a", "source": "shape:1"}] * 2}, "a name twice"),
        ({"objects": [{"name": "a", "sauce": "shape:1"}]}, "sauce"),
    ],
)
def test_a_damaged_suite_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        built(**changes)
    assert told in caught.value.block()


def test_an_unknown_suite_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        load_suite("mimi")
    assert "suite=mini" in caught.value.block()


def test_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: [", "utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        load_suite(str(path))


def test_the_list_keeps_names_and_words_apart() -> None:
    lines = listing().splitlines()
    for name in (*suite_names(), *METRICS):
        assert any(line.startswith(f"  {name}  ") for line in lines), name
