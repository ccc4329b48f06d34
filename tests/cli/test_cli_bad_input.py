"""Bad input: one clear block on stderr, the documented exit code, no traceback, nothing left behind.

What is said is kept in tests/snapshots/cli, a file a group of cases (SVDMV_UPDATE_SNAPSHOTS=1 writes them).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from quick_runs import QUICK_OPTIONS, digests, draw_picture

from svdmv.diffusion.checkpoint import BUILT_IN
from svdmv.io.meshes import write_asset

SNAPSHOTS = Path(__file__).resolve().parent.parent / "snapshots" / "cli"
Call = Callable[..., int]
Case = tuple[str, Sequence[str | Path]]
Refused = Callable[[str, Sequence[Case]], None]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder on a machine without saliency networks."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in ("HOME", "U2NET_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("SVDMV_WEIGHTS", raising=False)
    return here


@pytest.fixture
def refused(call: Call, capsys: pytest.CaptureFixture[str], bare: Path) -> Refused:
    """Run each case in the current folder: refused with exit code 2, in a block, and the folder stays as it was."""

    def check(group: str, cases: Sequence[Case]) -> None:
        said = []
        for name, words in cases:
            before = digests(bare), sorted(bare.rglob("*"))
            assert call(*words) == 2, name
            out, text = capsys.readouterr()
            assert (digests(bare), sorted(bare.rglob("*"))) == before, name
            assert out == "", name
            assert re.match(r"Error: [A-Z-][^\n]+\n(  (where|seen|expected|next): +\S[^\n]*\n)+\Z", text), text
            assert "\n  next: " in text, f"{name} does not say what to do: {text}"
            assert "\n  expected: " in text, f"{name} does not say what would be right: {text}"
            assert not re.search(r"Traceback|Errno|Exception|object at 0x|None\b", text), text
            said.append(f"# {name}\n{text}")
        result = "\n".join(said).replace(str(bare.parent), "TMP").replace("hull, quick", "hull")
        path = SNAPSHOTS / f"{group}.txt"
        if os.environ.get("SVDMV_UPDATE_SNAPSHOTS"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(result, "utf-8")
        assert result == path.read_text("utf-8")

    return check


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises this size and holds one row of nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(8))) + chunk(b"IEND", b"")


def test_pictures(bare: Path, egg: Path, refused: Refused) -> None:
    whole = egg.read_bytes()
    files = {
        "text.jpg": b"hello",
        "empty.png": b"",
        "cut off.png": whole[: len(whole) // 2],
        "none.png": png_header(0, 0),
        "bomb.png": png_header(30_000, 30_000),
    }
    for name, data in files.items():
        (bare / name).write_bytes(data)
    for name, picture in {
        "dot.png": np.full((1, 1, 3), 9, np.uint8),
        "clear.png": np.zeros((64, 64, 4), np.uint8),
        "white.png": np.full((64, 64, 3), 255, np.uint8),
        "speck.png": np.pad(np.zeros((2, 2, 3), np.uint8), ((40, 40), (40, 40), (0, 0)), constant_values=255),
    }.items():
        Image.fromarray(picture).save(bare / name)
    (bare / "nothing").mkdir()
    names = ["missing.png", *files, "dot.png", "clear.png", "white.png", "speck.png", "nothing"]
    refused("pictures", [(name, ("run", name, "-o", "out")) for name in names])


def test_settings(bare: Path, egg: Path, refused: Refused) -> None:
    shutil.copy(egg, bare / "egg.png")
    values = [
        ("--elevation", "120"), ("--elevation", "60"), ("--elevation", "nan"), ("--elevation", "abc"),
        ("--elevation", ""), ("--seed", "x"), ("--seed", "-1"), ("--seed", "1.5"), ("--seed", str(2**70)),
        ("--guidance", "strong"), ("--guidance", "-3"), ("--guidance", "nan"), ("--guidance", "linear:1"),
        ("--sampler", "magic"), ("--segmenter", "scissors"), ("--method", "wish"), ("--foreground-ratio", "0"),
        ("--foreground-ratio", "nan"), ("--texture-size", "0"), ("--texture-size", "1e3"), ("--faces", "0"),
        ("--faces", "many"), ("--device", "abacus"),
    ]  # fmt: skip
    refused("settings", [(f"{option} {v}", ("run", "egg.png", "-o", "out", option, v)) for option, v in values])


def test_steps(bare: Path, egg: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    """What to do next is the checkpoint's own number."""
    shutil.copy(egg, bare / "egg.png")
    for value in ("0", "-1", "1001", "few"):
        assert call("run", "egg.png", "-o", "out", "--steps", value) == 2
        said = capsys.readouterr().err
        assert said.startswith("Error: ")
        assert f"seen:     {value}\n" in said
        assert "next:     --steps " in said
        assert not Path("out").exists()


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_device_that_is_not_there(
    egg: Path, bare: Path, call: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert call("run", egg, "-o", "out", "--device", name) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: The device is not on this machine\n")
    assert f"seen:     {name}\n  expected: one of cpu\n  next:     --device auto" in said
    assert not Path("out").exists()


def test_folders(bare: Path, egg: Path, quick_run: Path, refused: Refused) -> None:
    shutil.copy(egg, bare / "egg.png")
    (bare / "full").mkdir()
    for k in range(6):
        (bare / "full" / f"letter {k}.txt").write_text("mine")
    (bare / "file.glb").write_text("mine")
    shutil.copytree(quick_run, bare / "done")
    cases = [
        ("not empty", ("run", "egg.png", "-o", "full")),
        ("a file", ("run", "egg.png", "-o", "file.glb")),
        ("below a file", ("run", "egg.png", "-o", "file.glb/out")),
        ("a name that is too long", ("run", "egg.png", "-o", "x" * 300)),
        ("both ways", ("run", "egg.png", "-o", "done", "--resume", "--overwrite")),
        ("resumed with another seed", ("run", "egg.png", "-o", "done", "--resume", *QUICK_OPTIONS, "--seed", "4")),
        ("resumed without the picture", ("run", "gone.png", "-o", "done", "--resume", *QUICK_OPTIONS)),
        ("overwritten by itself", ("run", "done/views/000.png", "-o", "done", "--overwrite", *QUICK_OPTIONS)),
    ]
    refused("folders", cases)


def test_other_commands(bare: Path, egg: Path, quick_run: Path, refused: Refused) -> None:
    from svdmv.dataset.shapes import shape_from_seed

    shutil.copy(egg, bare / "egg.png")
    (bare / "broken.glb").write_bytes(b"glTF no more")
    (bare / "empty").mkdir()
    (bare / "damaged").mkdir()
    (bare / "damaged" / "transforms.json").write_text("hello")
    shutil.copytree(quick_run / "views", bare / "lost" / "views")
    shutil.copy(quick_run / "transforms.json", bare / "lost")
    (bare / "lost" / "views" / "004.png").unlink()
    shutil.copytree(quick_run, bare / "run")
    write_asset(bare / "mug.glb", shape_from_seed(4, "mug"))
    cases: list[Case] = [
        ("generate: missing picture", ("generate", "gone.png", "-o", "out")),
        ("generate: folder in use", ("generate", "egg.png", "-o", "run")),
        ("generate: elevation", ("generate", "egg.png", "-o", "out", "--elevation", "-80")),
        ("generate: its own input", ("generate", "run/views/000.png", "-o", "run", "--overwrite", "--steps", "1")),
        ("reconstruct: missing folder", ("reconstruct", "gone", "-o", "out")),
        ("reconstruct: no views", ("reconstruct", "empty", "-o", "out")),
        ("reconstruct: damaged cameras", ("reconstruct", "damaged", "-o", "out")),
        ("reconstruct: a view is lost", ("reconstruct", "lost", "-o", "out")),
        ("reconstruct: unknown method", ("reconstruct", "run", "-o", "out", "--method", "wish")),
        ("reconstruct: no faces", ("reconstruct", "run", "-o", "out", "--faces", "3")),
        ("reconstruct: into its own folder", ("reconstruct", "run", "-o", "run", "--overwrite")),
        ("render: missing model", ("render", "gone.glb", "-o", "out")),
        ("render: broken model", ("render", "broken.glb", "-o", "out")),
        ("render: a picture", ("render", "egg.png", "-o", "out")),
        ("render: size", ("render", "mug.glb", "-o", "out", "--size", "3")),
        ("render: views", ("render", "mug.glb", "-o", "out", "--views", "none")),
        ("render: light", ("render", "mug.glb", "-o", "out", "--hdri", "gone.hdr")),
        ("render: folder in use", ("render", "mug.glb", "-o", "run")),
        ("export: nothing to do", ("export", "mug.glb")),
        ("export: missing model", ("export", "gone.glb", "--check")),
        ("export: broken model", ("export", "broken.glb", "--check")),
        ("export: unknown format", ("export", "mug.glb", "-o", "mug.doc")),
        ("export: file in use", ("export", "mug.glb", "-o", "mug.glb")),
    ]
    refused("commands", cases)


@pytest.mark.parametrize(
    "words",
    [
        ("bogus",), ("run",), ("run", "a.png"), ("run", "a.png", "-o"), ("run", "a.png", "-o", "out", "--bogus"),
        ("run", "a.png", "-o", "out", "--resum"), ("render", "a.glb", "-o", "out", "--orbit", "spiral"), ("--bogus",),
    ],
)  # fmt: skip
def test_usage(words: Sequence[str], bare: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    """The parser's own words differ between its versions, the block does not."""
    assert call(*words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.match(r"Error: [^\n]+\n  where:    svdmv[ \w]*\n  seen:     svdmv ", said.err)
    assert re.search(r"\n  next:     svdmv (\w+ )?(-h|--help)\n\Z", said.err)
    assert list(bare.iterdir()) == []


def edited(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the tensors of a safetensors file."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def test_weights(bare: Path, egg: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3; a pickle is never opened."""
    import torch

    def run(model: str) -> str:
        assert call("run", egg, "-o", "out", "--model", model) == 3
        said = capsys.readouterr()
        assert said.out == ""
        assert re.match(r"Error: [A-Z][^\n]+\n(  (where|seen|expected|next): +\S[^\n]*\n)+\Z", said.err), said.err
        assert not Path("out").exists()
        return said.err

    assert run("no-such-model") == (
        "Error: The model is not known\n  where:    --model\n  seen:     no-such-model\n"
        "  expected: svdmv-mini, a folder, or a hub id OWNER/NAME\n  next:     svdmv list\n"
    )
    (bare / "model.ckpt").write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    assert "The file is no checkpoint" in run("model.ckpt")
    copy = Path(shutil.copytree(BUILT_IN["svdmv-mini"], bare / "copy"))
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    edited(weights, lambda tensors: tensors[min(tensors)].fill_(float("nan")))
    assert "not finite" in run("copy")
    weights.write_bytes(whole)
    edited(weights, lambda tensors: tensors.update({min(tensors): torch.zeros(3, 1, 4)}))
    assert "another layout" in run("copy")
    weights.write_bytes(whole[: len(whole) // 2])
    assert "A weight file cannot be read" in run("copy")
    weights.unlink()
    weights.with_suffix(".bin").write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    assert "safetensors" in run("copy")
    assert not (bare / "opened").exists()
    (copy / "svdmv.json").write_text(json.dumps({"name": 5}))
    run("copy")


def test_a_name_with_blanks_and_umlauts(bare: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    """Works."""
    picture = draw_picture(bare / "mein schönes Bild 猫.png")
    assert call("run", picture, "-o", "aus gabe ß", *QUICK_OPTIONS) == 0
    said = capsys.readouterr()
    assert "mein schönes Bild 猫.png -> " in said.out
    assert said.err == ""
    record = json.loads((bare / "aus gabe ß" / "provenance.json").read_text("utf-8"))
    assert record["input"]["name"] == picture.name


def test_a_bug_is_called_a_bug(
    egg: Path, bare: Path, call: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from svdmv import batch

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a slip")

    monkeypatch.setattr(batch, "run_picture", broken)
    assert call("run", egg, "-o", "out") == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "This is a bug of svdmv" in said


@pytest.mark.parametrize(
    ("error", "code", "words"), [(KeyboardInterrupt(), 130, "stopped"), (MemoryError(), 2, "Memory")]
)
def test_stopped_and_out_of_memory(
    egg: Path,
    bare: Path,
    call: Call,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    words: str,
) -> None:
    from svdmv import batch

    def stop(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(batch, "run_picture", stop)
    assert call("run", egg, "-o", "out") == code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
