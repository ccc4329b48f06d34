"""Two processes give what one gives; uneven batches are refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from team_run import main
from tiny_training import AUTOENCODER, state_of, tiny_model, write_store

from svdmv.core import ConfigError
from svdmv.train.dealt_out import deal_out
from svdmv.train.networks import new_autoencoder
from svdmv.train.parallel import ALONE, Team
from svdmv.train.state import Average
from svdmv.train.states import States


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_two_processes_train_the_same_weights_as_one(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    write_store(tmp_path / "store")
    env = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    line = [sys.executable, str(Path(__file__).parent / "team_run.py"), str(tmp_path / "store"), str(tmp_path / "two")]
    team = [
        subprocess.Popen(line, env=env | {"RANK": str(rank)}, stderr=subprocess.PIPE, text=True) for rank in range(2)
    ]
    main(tmp_path / "store", tmp_path / "one")
    for process in team:
        _, error = process.communicate(timeout=1800)
        assert process.returncode == 0, error[-2000:]
    model = tiny_model()
    starts = {
        "auto": new_autoencoder(AUTOENCODER, 0).state_dict(),
        "fine": {f"unet.{n}": t for n, t in model.unet.state_dict().items()},
    }
    for stage, start in starts.items():
        places = [tmp_path / n / stage for n in ("one", "two")]
        one, two = (load_file(state_of(p) if stage == "fine" else p / "state.safetensors") for p in places)
        apart = sum(float((one[f"model.{n}"] - two[f"model.{n}"]).square().sum()) for n in start)
        moved = sum(float((one[f"model.{n}"] - t).square().sum()) for n, t in start.items())
        assert moved > 1e-3, "nothing was trained"
        assert apart < 1e-3 * moved, "Adam turns the rounding of gradients near zero into steps; no more than that"
    average = {n.removeprefix("average.unet."): t for n, t in one.items() if n.startswith("average.unet.")}
    dealt = load_file(tmp_path / "two" / "zero3.safetensors")
    moved = sum(float((t - model.unet.state_dict()[n]).square().sum()) for n, t in average.items())
    apart = sum(float((t - dealt[n]).square().sum()) for n, t in average.items())
    assert moved > 1e-3
    assert apart < 1e-3 * moved, "the weights of a process alone"
    again = load_file(tmp_path / "two" / "zero2.safetensors")
    assert all(torch.equal(again[n], t) for n, t in dealt.items()), "zero2, stopped after a step and gone on"
    (state,) = (tmp_path / "two" / "zero2" / "states").iterdir()
    assert {p.name for p in state.iterdir()} == {"rank-0000.safetensors", "rank-0001.safetensors", "complete.json"}
    with pytest.raises(ConfigError, match="another number of processes"):
        States(tmp_path / "two" / "zero2", {}).load(
            model.unet, torch.optim.AdamW(model.unet.parameters()), Average(model.unet, 0.9)
        )


def test_rows_cover_the_batch_once() -> None:
    rows = [range(12)[Team(rank, 3).rows(12)] for rank in range(3)]
    assert [n for part in rows for n in part] == list(range(12))
    with pytest.raises(ConfigError, match="a multiple of 3"):
        Team(0, 3).rows(10)


def test_one_process_has_nobody_to_deal_to() -> None:
    with pytest.raises(ConfigError, match="torchrun"):
        deal_out(tiny_model(), ALONE, "zero3", "cpu")
