"""Killed at any moment: only whole files are left, and --resume ends with the bytes of an undisturbed run."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from quick_runs import OUTPUTS, QUICK, QUICK_OPTIONS, digests, draw_picture

from svdmv.core import InputError
from svdmv.io.atomic import TEMPORARY_PREFIX
from svdmv.io.video import read_video
from svdmv.io.views import load_views
from svdmv.pipeline import RunSettings, run_picture

SETTINGS = RunSettings(**QUICK)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # as the fixtures ask of torch in this process
ORDER = (
    *("input.png", "views", "transforms.json"),
    *("texture_origin.png", "mesh.glb", "orbit.mp4", "turntable.mp4", "preview.png", "provenance.json"),
)
Call = Callable[..., int]


def check_whole(folder: Path) -> None:
    """Every file below the folder decodes, but those whose name says that they are unfinished."""
    for path in folder.rglob("*"):
        if any(part.startswith(TEMPORARY_PREFIX) for part in path.relative_to(folder).parts) or path.is_dir():
            continue
        if path.suffix == ".png":
            Image.open(path).load()
        elif path.suffix == ".json":
            json.loads(path.read_text("utf-8"))
        elif path.suffix == ".mp4":
            assert len(read_video(path)[0]) in (21, 42)
        else:
            assert path.suffix == ".glb", path
            assert len(trimesh.load(io.BytesIO(path.read_bytes()), file_type="glb", force="mesh").faces) > 0
    if (folder / "transforms.json").exists():
        assert len(load_views(folder)) == 21
    if (folder / "provenance.json").exists():
        assert sorted(p.name for p in folder.iterdir()) == OUTPUTS


# A process without threads that forks one child for every line it reads: `n out` resumes the run in `out` and is killed
# with SIGKILL just before its n-th rename.
DYING_RUNS = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from quick_runs import QUICK
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.pipeline import RunSettings, run_picture
from svdmv.reconstruct.door import METHODS

METHODS["quick"] = "quick_runs:reconstruct_quick"
model, rename, seen = load_checkpoint("svdmv-mini"), os.replace, 0
for line in sys.stdin:
    last, out = line.strip().split(" ", 1)
    child = os.fork()
    if child == 0:
        def deadly(source, target):
            global seen
            seen += 1
            if seen == int(last):
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target)
        os.replace = deadly
        run_picture(sys.argv[1], out, RunSettings(**QUICK), mode="resume", model=model)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_killed_before_every_rename(egg: Path, quick_run: Path, tmp_path: Path, repository: Path) -> None:
    """Each child goes on where the one before it died, finishes one file more, and is killed at the next."""
    out = tmp_path / "out"
    places = os.pathsep.join([str(repository), str(repository / "tests" / "reference")])
    with subprocess.Popen(
        [sys.executable, "-c", DYING_RUNS, str(egg)],
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": places},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def run_and_die(at_rename: int) -> bool:
            print(at_rename, out, file=server.stdin, flush=True)
            code = int(server.stdout.readline())
            assert code in (0, -signal.SIGKILL)
            return code != 0

        for at_rename, whole in zip((1, 2, 3, 4, 2, 2, 2, 2, 2), range(9), strict=True):
            assert run_and_die(at_rename)
            check_whole(out)
            names = {p.name for p in out.iterdir()}
            assert {n for n in names if not n.startswith(TEMPORARY_PREFIX)} == set(ORDER[:whole])
            assert len(names) == whole + 1
        assert not run_and_die(2)
        server.stdin.close()
    assert digests(out) == digests(quick_run)


def test_killed_from_outside(egg: Path, tmp_path: Path) -> None:
    """The real command, killed while it waits, computes or writes; then finished and compared."""
    options = [*QUICK_OPTIONS[:-2], "--method", "hull"]
    out, clock = tmp_path / "out", np.random.default_rng(5)
    environment = {**os.environ, **ONE_THREAD}
    for sign in ("", "transforms.json"):
        process = subprocess.Popen(
            [sys.executable, "-m", "svdmv", "run", str(egg), "-o", str(out), "--resume", "--quiet", *options],
            env=environment,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 240
        while not (out / sign).exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(clock.uniform(0, 1))
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        assert (process.returncode, said) == (-signal.SIGKILL, b"")
        check_whole(out)
    settings = RunSettings(**{**QUICK, "method": "hull"})
    resumed = run_picture(egg, out, settings, mode="resume")
    assert not [p for p in out.rglob("*") if p.name.startswith(TEMPORARY_PREFIX)]
    assert digests(out) == digests(run_picture(egg, tmp_path / "undisturbed", settings).folder)
    assert "generate" not in resumed.figures["stages"]


@pytest.fixture
def copy(quick_run: Path, tmp_path: Path) -> Path:
    """A finished folder of the test's own."""
    return Path(shutil.copytree(quick_run, tmp_path / "out"))


@pytest.mark.parametrize(
    ("lost", "stages"),
    [
        (("views/007.png",), {"frame", "load model", "generate"}),
        (("transforms.json",), {"frame", "load model", "generate"}),
        (("input.png",), {"frame", "load model", "generate"}),
        (("mesh.glb",), {"reconstruct"}),
        (("texture_origin.png",), {"reconstruct"}),
        (("orbit.mp4",), {"orbit video"}),
        (("turntable.mp4",), {"turntable"}),
        (("preview.png", "provenance.json"), {"turntable"}),
        (("provenance.json",), set()),
    ],
)
def test_what_is_lost_is_made_again_and_nothing_else(
    copy: Path, quick_run: Path, egg: Path, lost: tuple[str, ...], stages: set[str]
) -> None:
    for name in lost:
        (copy / name).unlink()
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*") if p.is_file()}
    done = run_picture(egg, copy, SETTINGS, mode="resume")
    assert set(done.figures["stages"]) == stages
    written_with_views = ("input.png", "transforms.json") if "generate" in stages else ()
    assert digests(copy) == digests(quick_run)
    kept = [p for p in before if p.parent == copy and p.name not in ("provenance.json", *written_with_views)]
    assert [p.name for p in kept if p.stat().st_mtime_ns != before[p]] == []


def test_a_complete_folder_costs_nothing(copy: Path, egg: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(copy)
    code = (
        "import sys\nfrom svdmv.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print('LOADED', [m for m in ('torch', 'diffusers', 'numba') if m in sys.modules])"
    )
    words = ["run", str(egg), "-o", str(copy), "--resume", *QUICK_OPTIONS]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "already complete: nothing to do" in done.stdout
    assert "LOADED []" in done.stdout
    assert digests(copy) == before


@pytest.mark.parametrize("lost", ["", "provenance.json", "transforms.json", "mesh.glb"])
@pytest.mark.parametrize("changed", [{"seed": 1}, {"texture_size": 128}, {"elevation": 12.0}])
def test_other_settings_are_refused(copy: Path, egg: Path, lost: str, changed: dict[str, float]) -> None:
    if lost:
        (copy / lost).unlink()
    before = digests(copy)
    with pytest.raises(InputError) as caught:
        run_picture(egg, copy, RunSettings(**{**QUICK, **changed}), mode="resume")
    name, value = next(iter(changed.items()))
    assert f"{name} " in str(caught.value.seen)
    assert f"-> {value}" in str(caught.value.seen)
    assert "--overwrite" in str(caught.value.next_step)
    assert digests(copy) == before


def test_another_picture_is_refused_by_its_content(copy: Path, tmp_path: Path, egg: Path) -> None:
    other = draw_picture(tmp_path / "egg.png", tilt=0.2)
    with pytest.raises(InputError, match="other content"):
        run_picture(other, copy, SETTINGS, mode="resume")
    renamed = Path(shutil.copy(egg, tmp_path / "renamed.png"))
    assert run_picture(renamed, copy, SETTINGS, mode="resume").notes == ("already complete: nothing to do",)


def test_files_of_unknown_origin_are_not_kept(copy: Path, egg: Path, quick_run: Path) -> None:
    """Without transforms.json and provenance.json nobody knows which settings the mesh was made with."""
    for name in ("transforms.json", "provenance.json"):
        (copy / name).unlink()
    (copy / "mine.txt").write_text("keep")
    done = run_picture(egg, copy, SETTINGS, mode="resume")
    assert "reconstruct" in done.figures["stages"]
    assert (copy / "mine.txt").read_text() == "keep"
    (copy / "mine.txt").unlink()
    assert digests(copy) == digests(quick_run)


def test_overwrite_keeps_the_old_result_until_the_new_views_are_there(copy: Path, tmp_path: Path) -> None:
    before = digests(copy)
    for bad in (tmp_path / "none.png", draw_picture(tmp_path / "p" / "white.png", size=4)):
        with pytest.raises(InputError):
            run_picture(bad, copy, SETTINGS, mode="overwrite")
        assert digests(copy) == before


def test_overwrite_does_not_eat_its_input(copy: Path) -> None:
    before = digests(copy)
    with pytest.raises(InputError, match="one of the files to be replaced"):
        run_picture(copy / "views" / "000.png", copy, SETTINGS, mode="overwrite")
    assert digests(copy) == before
