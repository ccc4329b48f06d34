"""What the full model starts from: step 0 computes what the start computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_shards import SIZE, VIEWS, write_image_model, write_svd
from tiny_training import same_weights

from svdmv.core import CheckpointError, ConfigError
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.diffusion.unet import run_unet
from svdmv.train.lora import Lora, add_adapters, merge_adapters
from svdmv.train.starts import StartModel, is_temporal, started_model, with_ids

G = torch.Generator().manual_seed(0)
SAMPLE, TOKENS = torch.randn(2, VIEWS, 8, 4, 4, generator=G), torch.randn(2, 1, 16, generator=G)
LEVEL = torch.tensor([0.3, -0.5])


@pytest.fixture(scope="module")
def svd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_svd(tmp_path_factory.mktemp("svd") / "svd")


def start(svd: Path, **changes: Any) -> StartModel:
    return StartModel(weights=str(svd), num_views=VIEWS, image_size=SIZE, **changes)


def frames(unet: Any, ids: torch.Tensor, widths: tuple[int, ...] = ()) -> torch.Tensor:
    with torch.no_grad():
        return run_unet(unet, SAMPLE, LEVEL, TOKENS, ids, widths)


def svd_frames(svd: Path) -> torch.Tensor:
    """Of the untouched network: fps 6, motion bucket 127, strength 0.1, and an elevation that has no weights."""
    return frames(load_checkpoint(str(svd)).unet, torch.tensor([[6.0, 127.0, 0.1, 0.0]] * 2))


def test_ids_that_go_away_leave_their_effect_and_new_ones_have_none(svd: Path) -> None:
    """SV3D's vectors: fps and motion bucket are folded into the bias, polar angle and azimuth have zero weights."""
    truth = svd_frames(svd)
    u = started_model(start(svd, ids=("noise_aug",), id_widths=(16,))).unet
    torch.testing.assert_close(frames(u, torch.tensor([[0.1]] * 2), (16,)), truth, atol=1e-5, rtol=1e-5)
    p = started_model(start(svd, ids=("noise_aug", "polar", "azimuth"), id_widths=(16, 32, 32)))
    rows = torch.stack([torch.full((2, VIEWS), 0.1), torch.rand(2, VIEWS), torch.rand(2, VIEWS)], -1)
    torch.testing.assert_close(frames(p.unet, rows, (16, 32, 32)), truth, atol=1e-5, rtol=1e-5)
    assert p.unet.config.projection_class_embeddings_input_dim == 80
    none = started_model(start(svd, ids=("fps", "motion_bucket", "noise_aug")))
    torch.testing.assert_close(frames(none.unet, torch.tensor([[6.0, 127.0, 0.1]] * 2)), truth, atol=1e-5, rtol=1e-5)


def test_an_id_with_weights_is_not_thrown_away_and_widths_stay(svd: Path) -> None:
    model = started_model(start(svd))
    torch.nn.init.ones_(model.unet.add_embedding.linear_1.weight)
    with pytest.raises(ConfigError, match="elevation"):
        with_ids(model.unet, model.info, replace(model.info, ids=("noise_aug",)))
    with pytest.raises(ConfigError, match="32 columns"):
        started_model(start(svd, ids=("noise_aug",), id_widths=(32,)))


def test_the_image_prior_draws_every_view_as_the_image_model_does(svd: Path, tmp_path: Path) -> None:
    """Temporal layers without effect: each view is what the image UNet makes of its four noisy channels."""
    from diffusers import UNet2DConditionModel

    image = UNet2DConditionModel.from_pretrained(write_image_model(tmp_path / "sd21") / "unet").eval()
    made = started_model(start(svd, prior="image", image_prior=str(tmp_path / "sd21"))).unet.eval()
    out = frames(made, torch.tensor([[6.0, 127.0, 0.1, 20.0]] * 2))
    with torch.no_grad():
        for clip in range(2):
            for view in range(VIEWS):
                true = image(SAMPLE[clip, view, None, :4], LEVEL[clip], TOKENS[clip, None]).sample[0]
                # some layers of the video network normalise with 1e-6 where the image network has 1e-5
                torch.testing.assert_close(out[clip, view], true, atol=1e-3, rtol=0)
    loss = run_unet(made, SAMPLE, LEVEL, TOKENS, torch.tensor([[6.0, 127.0, 0.1, 20.0]] * 2)).square().mean()
    torch.autograd.backward(loss)
    asleep = [n for n, p in made.named_parameters() if is_temporal(n) and p.grad is not None and bool(p.grad.any())]
    assert any("temporal_res_block.conv2" in n for n in asleep), "the silent ends learn from the first step"
    assert any("attn1.to_out" in n for n in asleep)


def test_another_image_model_is_refused(svd: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="UNet2DConditionModel"):
        started_model(start(svd, prior="image", image_prior=str(svd)))
    with pytest.raises(ConfigError, match="image_prior"):
        start(svd, prior="image")
    with pytest.raises(ConfigError, match="video, image, none"):
        start(svd, prior="text")


def test_no_prior_is_random_and_repeatable_with_the_autoencoder_of_the_start(svd: Path) -> None:
    one, two, other = (started_model(start(svd, prior="none", seed=seed)) for seed in (1, 1, 2))
    video = started_model(start(svd))
    assert same_weights(one.unet, two.unet)
    assert not same_weights(one.unet, other.unet)
    assert not same_weights(one.unet, video.unet)
    assert same_weights(one.vae, video.vae)


def test_adapters_sit_on_temporal_attention_start_without_effect_and_merge(svd: Path) -> None:
    pytest.importorskip("peft", reason="the extra train is not installed")
    truth, ids = svd_frames(svd), torch.tensor([[6.0, 127.0, 0.1, 0.0]] * 2)
    unet = started_model(start(svd)).unet
    before = {n for n, _ in unet.named_parameters()}
    add_adapters(unet, Lora(rank=16, motion="zoom"), seed=0)
    learning = [n for n, p in unet.named_parameters() if p.requires_grad]
    assert learning
    assert all("temporal_transformer_blocks" in n and ".lora_" in n for n in learning)
    assert {p.shape[0] for n, p in unet.named_parameters() if "lora_A" in n} == {16}
    torch.testing.assert_close(frames(unet, ids), truth, atol=1e-6, rtol=1e-6)
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if "lora_B" in name:
                parameter.normal_(generator=torch.Generator().manual_seed(len(name)))
    adapted = frames(unet, ids)
    assert float((adapted - truth).abs().max()) > 1e-3
    merge_adapters(unet)
    assert {n for n, _ in unet.named_parameters()} == before
    torch.testing.assert_close(frames(unet, ids), adapted, atol=1e-5, rtol=1e-5)
