"""svdmv data under bad input: one block, the documented exit code, nothing lost, and the run can be continued."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from svdmv.dataset.plan import only_run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dataset"))

from hub_stand_in import annotation, write_hub

Call = Callable[..., int]
Capture = pytest.CaptureFixture[str]
CUBE = """\
v -1 -1 -1 1 0 0\nv 1 -1 -1 0 1 0\nv 1 1 -1 0 0 1\nv -1 1 -1 1 1 0
v -1 -1 1 0 1 1\nv 1 -1 1 1 0 1\nv 1 1 1 1 1 1\nv -1 1 1 0.2 0.3 0.4
f 1 4 3 2\nf 5 6 7 8\nf 1 2 6 5\nf 4 8 7 3\nf 1 5 8 4\nf 2 3 7 6
"""


def build_words(models: Path, out: Path) -> list[str]:
    return ["data", "build", "preset=small", f"sources.folder.folder={models}", "sources.folder.licence=CC0-1.0",
            f"out={out}", "orbits.size=16", "orbits.shading=unlit", "orbits.num_views=4", "orbits.orbits_per_object=1",
            "engine.workers=1"]  # fmt: skip


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "cube.obj").write_text(CUBE)
    return tmp_path / "models"


def files_of(folder: Path) -> dict[str, bytes]:
    names = ("manifest.jsonl", "objects.jsonl", "ATTRIBUTION.md", "shards/00000.tar")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["bild"], "build?"),
        (["build", "sedd=3"], "seed?"),
        (["build", "orbits.sise=3"], "orbits.size?"),
        (["build", "sources.procedurl.count=3"], "procedural?"),
        (["build", "sources.procedural.cont=3"], "count?"),
        (["build", "engine.name=rya", "sources.procedural.count=2"], "local or ray or slurm"),
        (["check", "daat=nowhere"], "data?"),
        (["latents", "modle=x"], "model?"),
        (["build", "preset=statik"], "statik"),
        (["build", "limits.seconds=soon"], "limits.seconds"),
        (["build", "orbits.size=3"], "8 to 4096"),
        (["build", "sources.procedural=3"], "sources.KIND.OPTION=VALUE"),
        (["build", "sources.procedural.count=many"], "wrong type"),
        (["build", "sources.folder.folder=3"], "wrong type"),
        (["build"], "No source of objects is named"),
        (["build", "sources.procedural.count=0"], "no such procedural objects"),
        (["build", "sources.procedural.count=2", "licences=CC-BY-NC"], "No object is left"),
        (["build", "sources.procedural.count=2", "engine.name=slurm"], "no task of a Slurm array"),
        (["build", "sources.folder.folder=."], "holds no model"),
        (["curate", "videos=."], "holds no video"),
        (["build", "sources.folder.folder=nowhere"], "folder of objects is not there"),
        (["build", "sources.manifest.folder=nowhere"], "folder of objects is not there"),
        (["build", "sources.gso.folder=nowhere"], "folder of objects is not there"),
        (["build", "sources.mvimgnet.folder=nowhere"], "folder of MVImgNet is not there"),
        (["build", "sources.curated.folder=nowhere"], "no curation in the folder"),
        (["build", "sources.objaverse.root=nowhere"], "not on this disk"),
        (["curate", "videos=nowhere"], "folder of videos is not there"),
        (["check", "data=nowhere"], "There is no readable data set"),
        (["stats", "data=nowhere"], "There is no readable data set"),
        (["latents", "data=nowhere"], "There is no readable data set"),
    ],
)
def test_words_and_roots_that_are_wrong(
    words: list[str], told: str, tmp_path: Path, call: Call, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Misspelt, out of range, missing or empty: one block, code 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert call("data", *words) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert told in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_uid_is_named(tmp_path: Path, call: Call, capsys: Capture) -> None:
    pytest.importorskip("objaverse", reason='needs objaverse: pip install ".[data]"')
    write_hub(tmp_path / "hub", {"aaaa": annotation("aaaa")}, {"mug": ["aaaa"]})
    (tmp_path / "uids.txt").write_text("aaaa\nbbbb\n")
    words = ["data", "build", f"sources.objaverse.root={tmp_path / 'hub'}", f"out={tmp_path / 'out'}"]
    assert call(*words, f"sources.objaverse.uids={tmp_path / 'uids.txt'}") == 2
    assert "1 unknown: bbbb" in capsys.readouterr().err
    assert call(*words, "sources.objaverse.licences=CC0") == 2
    assert "No object is left" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_builds_that_cannot_go_on_go_on_afterwards(
    models: Path, tmp_path: Path, call: Call, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room, another run at work, half a shard, a manifest of another version: each is told, and mended by the same
    command, with the same bytes."""
    out = tmp_path / "out"
    words = build_words(models, out)
    with monkeypatch.context() as full:
        full.setattr("svdmv.dataset.build.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1))
        assert call(*words) == 2
        assert "no room" in capsys.readouterr().err
    assert call(*words) == 0
    whole = files_of(out)

    with only_run(out / "run.lock"):
        assert call(*words) == 2
        assert "Another run is at work" in capsys.readouterr().err
    assert call(*words) == 0
    assert files_of(out) == whole

    tar = out / "shards" / "00000.tar"
    tar.write_bytes(whole["shards/00000.tar"][:700])
    assert call("data", "check", f"data={out}") == 4
    assert call(*words) == 0
    assert call("data", "check", f"data={out}") == 0
    assert files_of(out) == whole

    head, *rest = whole["manifest.jsonl"].decode().splitlines(keepends=True)
    old = json.dumps({**json.loads(head), "format": "svdmv-orbits-0"}) + "\n" + "".join(rest)
    (out / "manifest.jsonl").write_text(old)
    capsys.readouterr()
    for action in ("check", "stats", "latents"):
        assert call("data", action, f"data={out}") == 2
        assert "manifest is of another version" in capsys.readouterr().err
    assert (out / "manifest.jsonl").read_text() == old
    assert call(*words) == 0
    assert files_of(out) == whole
