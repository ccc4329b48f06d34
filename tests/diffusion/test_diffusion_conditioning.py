"""What the network is told: the token, the latent, the ids, and what is left of them in the null branch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_checkpoints import SVD_SCALING, stock_pipeline
from torch import Tensor

from svdmv.core import ConfigError
from svdmv.diffusion.conditioning import Condition, clip_pixels, condition_latents, id_rows, image_tokens
from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.model import SvdMv

INFO = CheckpointInfo("test", "none", fps_id=6, motion_bucket_id=127)


def pictures(count: int, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    """Smooth random colour in [-1, 1]."""
    coarse = torch.randn(count, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True).tanh()


def test_condition_latent_is_not_scaled_and_the_target_is(model: SvdMv) -> None:
    """A repeated picture without noise: the ratio of the two is 1 / 0.18215 = 5.49."""
    pixels = pictures(2)
    condition = condition_latents(model.vae, pixels, torch.zeros(2), None)
    target = model.latents_from_pixels(pixels)
    assert (condition.std() / target.std()).item() == pytest.approx(5.49, abs=0.01)
    torch.testing.assert_close(condition * SVD_SCALING, target)


def test_condition_latent_equals_that_of_the_stock_pipeline(model: SvdMv, parts: dict[str, Any]) -> None:
    pixels = pictures(1)
    theirs = stock_pipeline(parts)._encode_vae_image(pixels, "cpu", 1, False)
    torch.testing.assert_close(condition_latents(model.vae, pixels, torch.zeros(1), None), theirs, atol=1e-6, rtol=0)


def test_condition_latent_is_the_mean_of_the_posterior(model: SvdMv) -> None:
    """Two encodes are identical, and a sample of the posterior would not be."""
    pixels = pictures(1)
    one, two = (condition_latents(model.vae, pixels, torch.zeros(1), None) for _ in range(2))
    assert torch.equal(one, two)
    posterior = model.vae.encode(pixels).latent_dist
    assert torch.equal(one, posterior.mean)
    assert not torch.allclose(one, posterior.sample(torch.Generator().manual_seed(0)))


def test_noise_is_added_to_pixels_with_a_strength_of_each_clip(model: SvdMv) -> None:
    pixels, strength = pictures(2), torch.tensor([0.0, 0.5])
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(1))
    noisy = condition_latents(model.vae, pixels, strength, noise)
    clean = condition_latents(model.vae, pixels, torch.zeros(2), None)
    by_hand = condition_latents(model.vae, pixels[1:] + 0.5 * noise[1:], torch.zeros(1), None)
    torch.testing.assert_close(noisy[:1], clean[:1], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(noisy[1:], by_hand, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(noisy[1:], clean[1:], atol=1e-2)


def test_pictures_are_left_alone(model: SvdMv) -> None:
    pixels = pictures(2)
    noise, kept = torch.ones_like(pixels), pixels.clone()
    condition_latents(model.vae, pixels, torch.tensor([0.3, 0.4]), noise)
    image_tokens(model.image_encoder, pixels, 224)
    assert torch.equal(pixels, kept)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (576, 576), (300, 500), (224, 224), (64, 448)])
def test_token_equals_that_of_the_stock_pipeline(model: SvdMv, parts: dict[str, Any], height: int, width: int) -> None:
    """Preprocessing, resize and encoder against diffusers' `_encode_image`, up- and down-scaled, squashed."""
    from PIL import Image

    rng = np.random.default_rng(2)
    picture = Image.fromarray(rng.integers(0, 256, (height // 4, width // 4, 3), np.uint8))
    array = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
    theirs = stock_pipeline(parts)._encode_image(Image.fromarray(array), "cpu", 1, False)
    pixels = torch.from_numpy(array.astype(np.float32) / 255 * 2 - 1).permute(2, 0, 1)[None]
    ours = image_tokens(model.image_encoder, pixels, 224)
    assert ours.shape == theirs.shape == (1, 1, 16)
    assert torch.cosine_similarity(ours, theirs, -1).item() > 0.999
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-3)


def test_resize_follows_the_rule_of_svd() -> None:
    """Pixels themselves, against diffusers' own antialiased resize: blur, then bicubic with aligned corners."""
    from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import _resize_with_antialiasing

    for height, width in ((576, 576), (64, 900), (300, 500)):
        pixels = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(3)) * 2 - 1
        plain = _resize_with_antialiasing(pixels, (224, 224))
        mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).reshape(1, 3, 1, 1)
        std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).reshape(1, 3, 1, 1)
        torch.testing.assert_close(clip_pixels(pixels, 224) * std + mean, (plain + 1) / 2, atol=2e-5, rtol=0)


def test_clip_statistics_belong_to_grey() -> None:
    """A grey picture of CLIP's mean becomes 0, one standard deviation more becomes 1."""
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).reshape(1, 3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).reshape(1, 3, 1, 1)
    for value, expected in ((mean, 0.0), (mean + std, 1.0)):
        out = clip_pixels((value * 2 - 1).expand(1, 3, 40, 30), 16)
        torch.testing.assert_close(out, torch.full((1, 3, 16, 16), expected), atol=1e-5, rtol=0)


def test_alpha_does_not_reach_the_image_encoder(model: SvdMv) -> None:
    pixels = pictures(1)
    with_alpha = torch.cat([pixels, torch.full((1, 1, 32, 32), -1.0)], 1)
    assert torch.equal(
        image_tokens(model.image_encoder, pixels, 224), image_tokens(model.image_encoder, with_alpha, 224)
    )


def test_null_drops_token_and_latent_together_and_keeps_the_ids() -> None:
    condition = Condition(torch.ones(3, 1, 4), torch.ones(3, 4, 2, 2), torch.arange(12.0).reshape(3, 4))
    dropped = condition.dropped(torch.tensor([True, False, True]))
    assert dropped.tokens.abs().sum((1, 2)).tolist() == [0, 4, 0]
    assert dropped.latents.abs().sum((1, 2, 3)).tolist() == [0, 16, 0]
    assert torch.equal(dropped.ids, condition.ids)
    null = condition.null()
    assert not null.tokens.any()
    assert not null.latents.any()
    assert torch.equal(null.ids, condition.ids)
    assert condition.tokens.all()
    assert condition.latents.all()


def test_dropping_keeps_half_precision() -> None:
    condition = Condition(torch.ones(1, 1, 4, dtype=torch.bfloat16), torch.ones(1, 4, 2, 2), torch.ones(1, 4))
    assert condition.null().tokens.dtype == torch.bfloat16
    assert condition.null().latents.dtype == torch.float32


def test_ids_stand_in_the_order_of_the_checkpoint_with_a_row_a_clip() -> None:
    """Two clips with different strengths get different rows; fps stands as the checkpoint's id, not reduced again."""
    rows = id_rows(INFO, torch.tensor([-5.0, 30.0]), torch.tensor([0.02, 0.3]))
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows, torch.tensor([[6, 127, 0.02, -5], [6, 127, 0.3, 30]]))
    turned = replace(INFO, ids=("elevation", "noise_aug"), elevation_unit="rad")
    torch.testing.assert_close(
        id_rows(turned, torch.tensor([30.0]), torch.tensor([0.1])), torch.tensor([[math.pi / 6, 0.1]])
    )


def test_three_ids_equal_those_of_the_stock_pipeline(parts: dict[str, Any]) -> None:
    """diffusers takes the user's 7 frames a second and feeds 6; our id is what is fed."""
    theirs = stock_pipeline(parts)._get_add_time_ids(7 - 1, 127, 0.02, torch.float32, 1, 1, False)
    ours = id_rows(replace(INFO, ids=INFO.ids[:3]), torch.tensor([10.0]), torch.tensor([0.02]))
    torch.testing.assert_close(ours, theirs)


def test_ids_of_each_view() -> None:
    """SV3D's ids: polar and azimuth in radians, azimuth in the checkpoint's direction."""
    info = replace(INFO, ids=("polar", "azimuth", "noise_aug"), elevation_unit="rad", azimuth_sign=-1)
    elevations, azimuths = torch.tensor([[0.0, 30.0]]), torch.tensor([[0.0, 90.0]])
    rows = id_rows(info, elevations, torch.tensor([0.5]), azimuths)
    expected = torch.tensor([[[math.pi / 2, 0, 0.5], [math.pi / 3, 1.5 * math.pi, 0.5]]])
    torch.testing.assert_close(rows, expected)


def test_unknown_ids_are_refused() -> None:
    with pytest.raises(ConfigError, match="zoom"):
        id_rows(replace(INFO, ids=("zoom",)), torch.zeros(1), torch.zeros(1))
    with pytest.raises(ConfigError, match="azimuth"):
        id_rows(replace(INFO, ids=("azimuth",)), torch.zeros(1), torch.zeros(1))
