"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from svdmv.core import InputError, Orbit, ViewSet
from svdmv.io import atomic
from svdmv.io.atomic import remove_leftovers, whole_file, whole_folder, write_bytes, write_json, write_text
from svdmv.io.views import load_views, save_views


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_bytes_text_and_json_come_back(tmp_path: Path):
    write_bytes(tmp_path / "a" / "b" / "x.bin", b"\0\xff")
    write_text(tmp_path / "y.txt", "ü\n猫\n")
    write_json(tmp_path / "z.json", {"pi": 0.1 + 0.2, "ü": [1, None, True]})
    assert contents(tmp_path) == {
        "a/b/x.bin": b"\0\xff",
        "y.txt": "ü\n猫\n".encode(),
        "z.json": b'{\n  "pi": 0.30000000000000004,\n  "\xc3\xbc": [\n    1,\n    null,\n    true\n  ]\n}\n',
    }


def test_nan_is_no_json(tmp_path: Path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "z.json", {"a": float("nan")})
    assert contents(tmp_path) == {}


def test_an_error_inside_the_block_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    write_text(tmp_path / "x.txt", "old")

    def write_half() -> None:
        with whole_file(tmp_path / "x.txt") as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_half()
    assert contents(tmp_path) == {"x.txt": b"old"}


def test_the_temporary_file_keeps_the_suffix_and_stands_beside_the_target(tmp_path: Path):
    with whole_file(tmp_path / "clip.mp4") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".mp4"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"x")
    assert contents(tmp_path) == {"clip.mp4": b"x"}


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "No space left"),
        (errno.EACCES, "No permission"),
        (errno.EROFS, "read-only"),
        (errno.ENAMETOOLONG, "too long"),
        (errno.EISDIR, "folder stands where a file"),
        (errno.EDQUOT, "quota"),
        (errno.EBADMSG, "system refused"),
    ],
)
@pytest.mark.parametrize("place", ["replace", "fsync"])
def test_system_errors_become_one_block_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str, place: str
):
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    write_text(tmp_path / "x.txt", "old")
    monkeypatch.setattr(atomic.os, place, refuse)
    with pytest.raises(InputError, match=sentence) as caught:
        write_text(tmp_path / "x.txt", "new")
    monkeypatch.undo()
    assert caught.value.where == str(tmp_path / "x.txt")
    assert contents(tmp_path) == {"x.txt": b"old"}
    assert os.listdir(tmp_path) == ["x.txt"]


def test_real_refusals_of_the_system(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    for path, sentence in (
        (tmp_path / "folder", "folder stands where a file"),
        (tmp_path / ("n" * 300), "too long"),
        (tmp_path / "file" / "below", "file stands where a folder|path is taken"),
    ):
        with pytest.raises(InputError, match=sentence):
            write_text(path, "x")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_names_as_long_as_the_system_allows_can_be_written(tmp_path: Path):
    write_text(tmp_path / ("n" * 251 + ".txt"), "x")
    assert len(os.listdir(tmp_path)) == 1


def test_a_full_disk_is_told_as_such():
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with pytest.raises(InputError, match="No space left"), atomic.translated_os_errors("out.bin"):
        Path("/dev/full").write_bytes(b"x")


def test_errors_without_a_number_pass_as_they_are():
    with pytest.raises(OSError, match="codec"), atomic.translated_os_errors("x"):
        raise OSError("codec says no")


def test_a_folder_appears_whole(tmp_path: Path):
    with whole_folder(tmp_path / "out") as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "x").write_bytes(b"1")
        assert not (tmp_path / "out").exists()
    assert contents(tmp_path) == {"out/sub/x": b"1"}


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_bytes(b"old")
    with pytest.raises(InputError, match="not empty"), whole_folder(tmp_path / "out"):
        pytest.fail("the block must not run")

    def write_half() -> None:
        with whole_folder(tmp_path / "out", overwrite=True) as temporary:
            (temporary / "x").write_bytes(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert contents(tmp_path) == {"out/x": b"old"}
    with whole_folder(tmp_path / "out", overwrite=True) as temporary:
        (temporary / "x").write_bytes(b"new")
    assert contents(tmp_path) == {"out/x": b"new"}


@pytest.mark.parametrize("failing_call", [1, 2])
def test_no_rename_that_fails_loses_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_call: int):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_bytes(b"old")
    calls, real = [], os.replace

    def sometimes(source: str, target: str) -> None:
        calls.append(source)
        if len(calls) == failing_call:
            raise OSError(errno.EACCES, "no")
        real(source, target)

    monkeypatch.setattr(atomic.os, "replace", sometimes)
    with pytest.raises(InputError, match="No permission"), whole_folder(tmp_path / "out", overwrite=True) as temporary:
        (temporary / "x").write_bytes(b"new")
    assert contents(tmp_path) == {"out/x": b"old"}


def test_leftovers_of_killed_runs_are_removed_and_nothing_else(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("x")
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / f"{atomic.TEMPORARY_PREFIX}1-ab.png").write_text("x")
    (tmp_path / f"{atomic.TEMPORARY_PREFIX}1-cd").mkdir()
    (tmp_path / f"{atomic.TEMPORARY_PREFIX}1-cd" / "x").write_text("x")
    assert len(remove_leftovers(tmp_path)) == 2
    assert sorted(os.listdir(tmp_path)) == [".hidden", "mine.txt"]


def test_views_that_fail_at_any_write_never_look_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The n-th flush to the disk fails, for every n: then the folder holds complete views or says there are none."""
    orbit = Orbit.static(0, 3)
    views = ViewSet(np.full((3, 4, 4, 3), 9, np.uint8), orbit.cameras(4, 4), orbit=orbit)
    real, count = os.fsync, 0
    limit = 0

    def failing(handle: int) -> None:
        nonlocal count
        count += 1
        if count == limit:
            raise OSError(errno.ENOSPC, "full")
        real(handle)

    monkeypatch.setattr(atomic.os, "fsync", failing)
    finished, reasons = False, set()
    while not finished:
        limit, count = limit + 1, 0
        folder = tmp_path / str(limit)
        try:
            save_views(views, folder)
            finished = True
        except InputError as error:
            reasons.add(error.what)
        assert not [n for n in os.listdir(folder) if n.startswith(atomic.TEMPORARY_PREFIX)]
        if (folder / "transforms.json").exists():
            assert (load_views(folder).images == 9).all()
    assert limit > 5
    assert reasons == {"No space left to write the file"}


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is a matter of POSIX systems")
def test_a_killed_writer_leaves_only_what_can_be_removed(tmp_path: Path):
    code = (
        "import os, signal, sys; from svdmv.io.atomic import whole_file\n"
        "with whole_file(sys.argv[1]) as path:\n"
        "    path.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.bin")], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "x.bin").exists()
    assert len(remove_leftovers(tmp_path)) == 1
    assert os.listdir(tmp_path) == []
