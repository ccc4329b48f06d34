"""svdmv render: model to view folder, and what it says when it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from svdmv.cli.main import main
from svdmv.dataset.shapes import shape_from_seed
from svdmv.io.meshes import write_asset
from svdmv.io.views import load_views


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A procedural mug as GLB."""
    path = tmp_path_factory.mktemp("model") / "a mug.glb"
    write_asset(path, shape_from_seed(4, "mug"))
    return path


def call(*words: str) -> int:
    """The exit code of the command line."""
    with pytest.raises(SystemExit) as stop:
        main(["render", *words])
    return int(stop.value.code or 0)


def test_a_model_becomes_a_view_folder(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "views"
    assert call(str(model), "-o", str(out), "--size", "32", "--views", "5", "--elevation", "20", "--quiet") == 0
    assert capsys.readouterr().out == ""
    views = load_views(out)
    assert views.size == (32, 32)
    assert len(views) == 5
    assert views.orbit is not None
    assert views.orbit.is_static
    np.testing.assert_allclose(views.orbit.elevations_deg, 20)
    assert views.alphas is not None
    assert (views.alphas > 127).mean() > 0.1
    assert views.alphas[:, [0, -1]].max() == 0  # all of it is in every picture
    record = json.loads((out / "provenance.json").read_text("utf-8"))
    assert record["settings"]["views"] == 5
    assert record["renderer"] == "raster"
    assert record["light"] == "studio"


def test_maps_and_traced_reflections_on_request(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "views"
    words = ("--size", "24", "--views", "2", "--shading", "final", "--maps", "--quiet")
    assert call(str(model), "-o", str(out), *words) == 0
    views = load_views(out)
    assert views.provenance["shading"] == "final"
    assert views.positions is not None
    assert views.albedos is not None
    assert views.masks is not None
    assert views.depths is not None
    np.testing.assert_array_equal(views.masks, np.isfinite(views.depths))
    assert views.albedos[views.masks].max() > 0


def test_the_same_command_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        words = ("--size", "24", "--views", "3", "--orbit", "dynamic", "--seed", "7", "--fit", "bounding_sphere", "-q")
        assert call(str(model), "-o", str(tmp_path / name), *words) == 0
    for k in range(3):
        a, b = ((tmp_path / name / "views" / f"{k:03d}.png").read_bytes() for name in ("a", "b"))
        assert a == b


def test_a_full_folder_is_kept_until_told_otherwise(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (str(model), "-o", str(tmp_path), "--size", "16", "--views", "2", "-q")
    (tmp_path / "mine.txt").write_text("keep")
    assert call(*words) == 2
    assert "not empty" in capsys.readouterr().err
    assert call(*words, "--overwrite") == 0
    assert (tmp_path / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--hdri", "moon"), "Unknown light"),
        (("--renderer", "nosuch"), "Unknown renderer"),
        (("--elevation", "90"), "pole"),
        (("--size", "4"), "--size"),
        (("--views", "0"), "--views"),
        (("--supersampling", "99"), "Supersampling"),
        (("--radius", "-1"), "radius"),
    ],
)
def test_bad_requests_end_in_words_and_leave_nothing(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    out = tmp_path / "out"
    assert call(str(model), "-o", str(out), "--size", "16", *words) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_missing_model_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(str(tmp_path / "none.glb"), "-o", str(tmp_path / "out")) == 2
    assert "none.glb" in capsys.readouterr().err
