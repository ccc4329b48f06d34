"""Curves of runs as one picture, the ablation in small, and TensorBoard's files."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import VIEWS, random_latents, tiny_model, write_store

from svdmv.cli.main import main
from svdmv.core import InputError
from svdmv.dataset.orbits import OrbitStore
from svdmv.train.ablation import PriorClips, run_ablation
from svdmv.train.report import curves_svg, read_run, write_report
from svdmv.train.settings import Finetuning
from svdmv.train.store_batches import StoreBatches
from svdmv.train.validation import board_writer


def run_folder(folder: Path, rise: float) -> Path:
    folder.mkdir()
    rows = [{"step": n, "loss": 1 / n, "norm": 1.0} for n in (1, 2, 3)]
    (folder / "curve.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    looks = [{"step": n, "psnr": 10 + rise * n} for n in (1, 2, 3)] + [{"step": 3, "psnr": 20 + rise}]
    (folder / "validation.jsonl").write_text("".join(json.dumps(r) + "\n" for r in looks))
    return folder


def test_runs_are_lines_in_panels_and_a_step_done_twice_counts_once(tmp_path: Path) -> None:
    one, two = run_folder(tmp_path / "one", 1), run_folder(tmp_path / "two<&>", 2)
    assert read_run(one)["psnr"] == [(1, 11), (2, 12), (3, 21)]
    svg = curves_svg({"one": read_run(one), "two<&>": read_run(two)})
    root = ElementTree.fromstring(svg)
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 4, "two runs, loss and PSNR"
    ends = [line.attrib["points"].split() for line in lines]
    assert all(len(points) == 3 for points in ends)
    heights = [[float(p.split(",")[1]) for p in points] for points in ends]
    assert heights[0] == sorted(heights[0]), "a loss that falls goes down the page"
    assert heights[2] == sorted(heights[2], reverse=True)
    assert heights[3][-1] < heights[2][-1], "22 dB is above 21 dB"


def test_the_command_writes_pages_and_refuses_what_is_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_folder(tmp_path / "one", 1)
    for name in ("curves.html", "curves.svg"):
        with pytest.raises(SystemExit) as left:
            main(["train", "report", str(run), "-o", str(tmp_path / name)])
        assert left.value.code == 0
        assert "<polyline" in (tmp_path / name).read_text("utf-8")
    capsys.readouterr()
    for words in (["report", str(tmp_path)], ["report"], ["report", str(run), "-o", str(tmp_path / "a.pdf")]):
        with pytest.raises(SystemExit) as left:
            main(["train", *words])
        assert left.value.code == 2
        assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["train", "experiment=svd_mv_objaverse", "-o", "there"])
    assert left.value.code == 2
    assert "out=there" in capsys.readouterr().err
    (run / "curve.jsonl").write_text("no json\n")
    with pytest.raises(InputError, match="cannot be read"):
        write_report([run], tmp_path / "b.svg")


def test_priors_are_clips_of_other_ways_and_of_none(store: OrbitStore) -> None:
    latents = random_latents(store, rounds=1)
    latents.latents[:] = np.arange(VIEWS)[None, None, :, None, None, None]
    orbits = StoreBatches(store, latents, np.arange(4), 4, 1.0, 0)
    seen = set()
    for step in range(8):
        plain = orbits.batch(step, slice(0, 4)).targets[:, :, 0, 0, 0]
        still = PriorClips(orbits, "image").batch(step, slice(0, 4)).targets[:, :, 0, 0, 0]
        assert torch.equal(still, plain[:, :1].expand(-1, VIEWS))
        moving = PriorClips(orbits, "video").batch(step, slice(0, 4)).targets[:, :, 0, 0, 0]
        assert torch.equal(moving[:, 0], plain[:, 0])
        seen |= {int(n) for n in (moving[:, 1] - moving[:, 0]) % VIEWS}
        part = PriorClips(orbits, "video").batch(step, slice(2, 4)).targets[:, :, 0, 0, 0]
        assert torch.equal(part, moving[2:]), "rows of a process are rows of the batch"
    assert seen == {1, 2, 3, 4}, "two to four views on, either way, of five"


def test_the_ablation_runs_from_one_call(tmp_path: Path) -> None:
    store = write_store(tmp_path)
    held = replace(store, ids=("a", "b", "toy-2", "toy-3"))
    ids = [name for name in (f"x{n}" for n in range(400)) if replace(held, ids=(name,) * 4).split(0.1)[1].size]
    store = replace(store, ids=("toy-0", "toy-1", "toy-2", ids[0]))
    settings = Finetuning(num_steps=1, batch=2, warmup_steps=1)
    figure = run_ablation(
        tiny_model, store, random_latents(store), settings, tmp_path / "out", looks=1, sampler_steps=1, bf16=False
    )
    assert figure.read_text("utf-8").count("<polyline") >= 3
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "prior_video", "prior_image", "video", "image", "none", "ablation.svg",
    }  # fmt: skip


def test_tensorboard_gets_the_rows(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra train is not installed")
    write = board_writer(tmp_path)
    write({"step": 1, "loss": 2.0})
    assert next(p.name for p in tmp_path.iterdir()).startswith("events.out.tfevents")
