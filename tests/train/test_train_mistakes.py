"""Mistakes of public training code, each with the test that fails when it comes back, and a loss curve that is kept.

The list is docs/guide/training.md's; here are the tests that no other file has.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_shards import SIZE, VIEWS, write_shards, write_svd
from tiny_training import LATENT, looped

from svdmv.core import CheckpointError
from svdmv.diffusion.generate import Sampling, _ids
from svdmv.train.finetune import finetune
from svdmv.train.loss import Batch, Draws
from svdmv.train.settings import Finetuning
from svdmv.train.shard_batches import ShardBatches, ShardData, loaders_of
from svdmv.train.starts import StartModel, started_model
from svdmv.train.validation import orbit_figures

GOLDEN = Path(__file__).parent / "golden_loss.json"
STEPS = Finetuning(
    num_steps=8, batch=2, learning_rate=1e-3, schedule="constant", warmup_steps=1, p_mean=1.0, p_std=1.6, save_every=99
)


def losses(folder: Path, settings: Finetuning, until: int = 8) -> list[float]:
    """Means over two steps each, of the whole way from shards to the loss, in single precision."""
    if not (folder / "svd").is_dir():
        write_svd(folder / "svd")
        write_shards(folder / "data")
    model = started_model(StartModel(weights=str(folder / "svd"), num_views=VIEWS, image_size=SIZE))
    source = ShardBatches(
        loaders_of(ShardData(str(folder / "data"), held_out_share=0.2), model.info)[0], model, settings.batch
    )
    rows: list[float] = []

    class Enough(Exception):  # noqa: N818 - a signal
        """Seen what was wanted."""

    def log(row: dict[str, float]) -> None:
        rows.append(row["loss"])
        if row["step"] >= until:
            raise Enough

    trained = torch.nn.ModuleDict({"unet": model.unet})
    with pytest.raises(Enough):
        finetune(model, source, settings, folder / "run", looped(trained=trained, curve_every=2, log=log))
    return rows


def test_the_loss_curve_is_the_one_that_is_kept_and_changes_are_seen(tmp_path: Path) -> None:
    kept = json.loads(GOLDEN.read_text("utf-8"))["losses"]
    assert losses(tmp_path, STEPS) == pytest.approx(kept, rel=2e-4)
    for changed in (replace(STEPS, p_mean=1.1), replace(STEPS, noise_aug_log_mean=-1.0), replace(STEPS, seed=3)):
        assert losses(tmp_path, changed, 2)[0] != pytest.approx(kept[0], rel=2e-4)


def test_noise_levels_stay_in_single_precision_under_half_precision() -> None:
    batch = Batch(torch.zeros(2, VIEWS, LATENT, 4, 4), torch.zeros(2, 3, SIZE, SIZE), torch.zeros(2))
    with torch.autocast("cpu", torch.bfloat16):
        draws = Draws.of(batch, 20000, replace(STEPS, dropout=0.5), torch.Generator().manual_seed(0))
    assert draws.sigma.dtype == draws.strength.dtype == torch.float32
    assert float(draws.sigma.min()) > 0
    assert len(draws.sigma.unique()) > 10_000


def test_training_and_sampling_tell_the_same_ids(tmp_path: Path) -> None:
    """fps is not 7 in the one and 6 in the other; the elevation has one unit."""
    from svdmv.diffusion.conditioning import id_rows

    write_svd(tmp_path / "svd")
    info = started_model(StartModel(weights=str(tmp_path / "svd"), num_views=VIEWS, image_size=SIZE)).info
    trained = id_rows(info, torch.tensor([12.0]), torch.tensor([0.02]))
    sampled = _ids(info, Sampling(elevation_deg=12.0), torch.tensor([0.02]))
    assert torch.equal(trained, sampled)
    assert trained[0, :2].tolist() == [6.0, 127.0]


def test_an_orbit_that_stands_still_is_seen() -> None:
    truth = torch.rand(VIEWS, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1

    class Encoder(torch.nn.Linear):
        """Some embedding."""

        dtype = torch.float32

        def forward(self, pixels: torch.Tensor) -> object:
            return type("Out", (), {"image_embeds": super().forward(pixels.flatten(1))})

    info = type("Info", (), {"clip_size": SIZE})
    model = type("Model", (), {"image_encoder": Encoder(3 * SIZE * SIZE, 4), "info": info})()
    still = orbit_figures(model, truth[:1].expand_as(truth), truth, None)
    assert still["motion"] == 0
    moving = orbit_figures(model, truth, truth, None)
    assert moving["motion"] == pytest.approx(1)
    assert moving["clip_s"] == pytest.approx(1)
    assert moving["psnr"] == pytest.approx(100)
    darker = orbit_figures(model, truth - 0.2, truth, None)
    assert darker["psnr"] == pytest.approx(20, abs=0.01), "0.1 of the range from black to white"


def test_every_mistake_in_the_guide_has_tests_that_exist(repository: Path) -> None:
    guide = (repository / "docs" / "guide" / "training.md").read_text("utf-8")
    rows = re.findall(r"^\| .* \| (`.*`) \|$", guide[guide.index("## Mistakes") :], re.M)
    assert len(rows) == 25
    for row in rows:
        names = re.findall(r"`(tests/\S+?\.py)::(test_\w+)`", row)
        assert names, row
        for path, test in names:
            assert f"def {test}(" in (repository / path).read_text("utf-8"), f"{path}::{test}"


def test_a_state_of_another_network_is_refused(tmp_path: Path) -> None:
    """Another architecture under the same folder."""
    from tiny_training import batches_of, tiny_model, toy_loop, toy_model, write_store

    store, settings = write_store(tmp_path), replace(STEPS, num_steps=1)
    first, second = toy_model(), tiny_model()
    assert finetune(first, batches_of(store, settings), settings, tmp_path / "run", toy_loop(first))
    with pytest.raises(CheckpointError, match="another model"):
        finetune(second, batches_of(store, settings), settings, tmp_path / "run", toy_loop(second))
