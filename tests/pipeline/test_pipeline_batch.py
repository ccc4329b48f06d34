"""Several pictures: each ends as a named row, the good ones finish, and none depends on its company."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from quick_runs import QUICK, QUICK_OPTIONS, digests, draw_picture

from svdmv.batch import expanded, folder_names
from svdmv.core import InputError
from svdmv.pipeline import RunSettings, run_picture

Call = Callable[..., int]
ROW = {"picture", "status", "folder", "notes", "seconds", "peak_memory_mb", "photo_consistency"}
FAILED_ROW = {"picture", "status", "reason", "what", "where", "seen", "expected", "next_step", "exit_code"}


@pytest.fixture
def pictures(egg: Path, tmp_path: Path) -> Path:
    """A folder: two pictures of one stem, a bad one, things that are no pictures."""
    folder = tmp_path / "some pictures ö"
    folder.mkdir()
    shutil.copy(egg, folder / "egg.png")
    draw_picture(folder / "Egg.tif", tilt=0.3)
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (folder / "list.txt").write_text("not a picture")
    (folder / "more").mkdir()
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def test_one_bad_among_good(
    pictures: Path, quick_run: Path, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call("run", pictures, "-o", out, *QUICK_OPTIONS) == 4
    said = capsys.readouterr()
    assert "Egg.tif -> " in said.out
    assert "egg.png -> " in said.out
    assert "ignored, no pictures by name: list.txt, more\n" in said.out
    assert said.err.startswith("FAILED bad.jpg: ")
    assert "next: " in said.err
    assert said.err.endswith("2 finished, 1 failed\n")
    assert sorted(p.name for p in out.iterdir()) == ["Egg", "egg-2"]
    assert digests(out / "egg-2") == digests(quick_run)  # alone or in company

    assert call("run", pictures, "-o", out, "--resume", "--json", *QUICK_OPTIONS) == 4
    said = capsys.readouterr()
    values = json.loads(said.out)
    assert set(values) == {"exit_code", "pictures", "ignored"}
    assert values["exit_code"] == 4
    assert [row["status"] for row in values["pictures"]] == ["ok", "ok", "failed"]
    assert [set(row) for row in values["pictures"]] == [ROW, ROW, FAILED_ROW]
    assert values["pictures"][2]["exit_code"] == 2
    assert [row["notes"] for row in values["pictures"][:2]] == [["already complete: nothing to do"]] * 2
    assert [Path(name).name for name in values["ignored"]] == ["list.txt", "more"]
    assert digests(out / "egg-2") == digests(quick_run)


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_all_bad(tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str], quiet: tuple[str, ...]) -> None:
    """Nothing finished: that is no partial result."""
    (tmp_path / "text.png").write_text("hello")
    assert call("run", tmp_path / "text.png", tmp_path / "none.png", "-o", tmp_path / "out", *quiet) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "FAILED text.png: " in said.err
    assert "FAILED none.png: The picture is not there" in said.err
    assert "0 finished, 2 failed" in said.err
    assert not (tmp_path / "out").exists()


def test_one_bad_picture_as_json(tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", tmp_path / "none.png", "-o", tmp_path / "out", "--json") == 2
    said = capsys.readouterr()
    values = json.loads(said.out)
    assert values["exit_code"] == 2
    assert set(values["pictures"][0]) == FAILED_ROW
    assert said.err.startswith("Error: The picture is not there")


def test_a_wrong_setting_as_json(egg: Path, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", egg, "-o", tmp_path / "out", "--json", "--faces", "0") == 2
    values = json.loads(capsys.readouterr().out)
    assert (values["exit_code"], values["pictures"]) == (2, [])
    assert values["error"]["where"] == "--faces"


def test_quiet_says_nothing_on_success(
    quick_run: Path, egg: Path, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(quick_run, tmp_path / "out")
    assert call("run", egg, "-o", copy, "--resume", "--quiet", *QUICK_OPTIONS) == 0
    assert capsys.readouterr() == ("", "")


def test_a_wrong_setting_stops_a_run_over_many_at_once(
    egg: Path, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", egg, egg, egg, "-o", tmp_path / "out", "--elevation", "60", *QUICK_OPTIONS) == 2
    said = capsys.readouterr().err
    assert said.count("elevation") >= 1
    assert said.startswith("Error: ")
    assert not (tmp_path / "out").exists()


def test_names_of_folders() -> None:
    names = ["a.png", "b/a.jpg", "A.webp", "a-2.png", "x.tar.png", "ü ß.png"]
    assert folder_names([Path(n) for n in names]) == ["a", "a-2", "A-3", "a-2-2", "x.tar", "ü ß"]


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "only.txt").write_text("")
    with pytest.raises(InputError, match="no picture"):
        expanded([tmp_path])


def test_a_folder_is_many_even_with_one_picture(egg: Path) -> None:
    assert expanded([egg.parent]) == ([egg], [], False)
    assert expanded([egg]) == ([egg], [], True)
    assert expanded([egg, egg]) == ([egg, egg], [], False)


def test_the_number_of_threads_of_torch_is_its_own(egg: Path, quick_run: Path, tmp_path: Path) -> None:
    """numba resets the number that both share; then the second picture of a run would differ from the same alone."""
    import torch

    assert torch.get_num_threads() == 1
    (Path(shutil.copytree(quick_run, tmp_path / "out")) / "mesh.glb").unlink()
    run_picture(egg, tmp_path / "out", RunSettings(**QUICK), mode="resume")
    assert torch.get_num_threads() == 1
