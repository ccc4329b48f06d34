"""One framed picture in, an orbit out: seeds, sizes, order of the views, refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from svdmv.core import CheckpointError, ConfigError, InputError, Orbit, SvdmvError
from svdmv.diffusion.checkpoint import load_checkpoint, save_checkpoint
from svdmv.diffusion.generate import (
    Sampling,
    frame_order,
    generate_views,
    orbit_of,
    pixels_from_framed,
    sample_latents,
    start_noise,
)
from svdmv.diffusion.guidance import Guidance
from svdmv.diffusion.info import Framing
from svdmv.diffusion.model import SvdMv

SHORT = Sampling(num_steps=2, seed=7)


def framed_picture(seed: int = 0, size: int = 32) -> NDArray[np.uint8]:
    """A coloured disc with a soft edge."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] + 0.5 - size / 2
    rgba = np.empty((size, size, 4), np.uint8)
    rgba[..., :3] = rng.integers(0, 256, 3)
    rgba[..., 3] = np.clip((size / 3 - np.hypot(x, y)) * 255, 0, 255)
    return rgba


def resolved(model: SvdMv, **changes: object) -> Sampling:
    return replace(SHORT, **changes).resolved(model.info)


@pytest.fixture(scope="module")
def few_views(model: SvdMv) -> SvdMv:
    """The same networks drawing five views, quicker."""
    return replace(model, info=replace(model.info, num_views=5))


def test_an_orbit_of_the_checkpoint_s_views(model: SvdMv) -> None:
    picture, steps = framed_picture(), []
    views = generate_views(model, [picture], SHORT, report=lambda n, of: steps.append((n, of)))[0]
    assert views.images.shape == (21, 32, 32, 3)
    assert views.alphas is not None
    assert views.alphas.shape == (21, 32, 32)
    assert views.images.dtype == np.float32
    assert steps == [(1, 2), (2, 2)]
    assert views.images[1:].std() > 0.01
    assert views.provenance["weights_sha256"] == model.info.sha256
    assert views.provenance["sampling"]["seed"] == 7


def test_view_zero_is_the_framed_input(few_views: SvdMv) -> None:
    pictures = [framed_picture(1), framed_picture(2)]
    for views, picture in zip(generate_views(few_views, pictures, SHORT), pictures, strict=True):
        np.testing.assert_array_equal(views.rgba_u8()[0], picture)
    unpasted = replace(few_views, info=replace(few_views.info, paste_input_view=False))
    views = generate_views(unpasted, pictures[:1], SHORT)[0]
    assert np.abs(views.rgba_u8()[0].astype(int) - pictures[0]).max() > 20


def test_cameras_stand_on_the_checkpoint_s_orbit(few_views: SvdMv) -> None:
    framing = Framing("bounding_sphere", 1.75, 33.8, 0.8)
    other = replace(few_views, info=replace(few_views.info, framing=framing))
    views = generate_views(other, [framed_picture()], replace(SHORT, elevation_deg=20.0))[0]
    expected = Orbit.static(20.0, 5, radius=1.75, fov_y_deg=33.8)
    assert views.orbit is not None
    np.testing.assert_allclose(views.orbit.azimuths_deg, [0, 72, 144, 216, 288])
    np.testing.assert_allclose(views.orbit.elevations_deg, 20)
    for camera, by_hand in zip(views.cameras, expected.cameras(32, 32), strict=True):
        np.testing.assert_allclose(camera.world_from_camera, by_hand.world_from_camera)
        np.testing.assert_allclose(camera.K, by_hand.K)
    eye = views.cameras[1].world_from_camera[:3, 3]
    e, a = math.radians(20), math.radians(72)
    np.testing.assert_allclose(
        eye, 1.75 * np.array([math.cos(e) * math.sin(a), math.sin(e), math.cos(e) * math.cos(a)])
    )


def test_twice_gives_the_same_bits_and_another_seed_does_not(few_views: SvdMv) -> None:
    pixels = pixels_from_framed(framed_picture(), 3)
    one, two = (sample_latents(few_views, pixels, resolved(few_views)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.allclose(one, sample_latents(few_views, pixels, resolved(few_views, seed=8)), atol=1e-2)


def test_global_random_state_neither_matters_nor_changes(few_views: SvdMv) -> None:
    pixels = pixels_from_framed(framed_picture(), 3)
    torch.manual_seed(1)
    one = sample_latents(few_views, pixels, resolved(few_views))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(one, sample_latents(few_views, pixels, resolved(few_views)))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_picture_s_result_does_not_depend_on_the_batch(few_views: SvdMv) -> None:
    """Picture k of a batch equals the picture alone with seed + k, bit for bit."""
    pixels, steps = torch.cat([pixels_from_framed(framed_picture(s), 3) for s in (1, 2, 3)]), []
    together = sample_latents(few_views, pixels, resolved(few_views), lambda n, of: steps.append((n, of)))
    assert steps == [(n, 6) for n in range(1, 7)]
    for k in range(3):
        alone = sample_latents(few_views, pixels[k : k + 1], resolved(few_views, seed=7 + k))
        assert torch.equal(together[k : k + 1], alone)


def test_one_pass_and_two_passes_draw_the_same(few_views: SvdMv, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small clips run both branches of the guidance at once, large ones one after the other."""
    passes, pixels = [], pixels_from_framed(framed_picture(), 3)
    hook = few_views.unet.conv_in.register_forward_hook(lambda m, a, out: passes.append(len(out)))
    one = sample_latents(few_views, pixels, resolved(few_views))
    monkeypatch.setattr("svdmv.diffusion.generate.SMALL_CLIP", 0)
    two = sample_latents(few_views, pixels, resolved(few_views))
    hook.remove()
    assert passes == [10, 10, 5, 5, 5, 5]
    torch.testing.assert_close(one, two, atol=2e-3, rtol=1e-3)


def test_start_noise_has_the_scheduler_s_deviation(model: SvdMv) -> None:
    """sqrt(1 + 700^2), not multiplied twice; five seeds are 6,720 draws."""
    noise = torch.cat([start_noise(model, seed, 700.0) for seed in range(5)])
    assert noise.shape == (5, 21, 4, 4, 4)
    assert noise.std().item() == pytest.approx(700, rel=0.02)
    assert not torch.equal(noise[0], noise[1])


def test_elevation_reaches_the_network(few_views: SvdMv, tmp_path: Path) -> None:
    """Not in a freshly widened network; as soon as the new columns are not zero."""
    pixels = pixels_from_framed(framed_picture(), 3)
    low, high = (sample_latents(few_views, pixels, resolved(few_views, elevation_deg=e)) for e in (-5.0, 30.0))
    torch.testing.assert_close(low, high, atol=0, rtol=0)
    save_checkpoint(few_views, tmp_path / "tuned", half=False)
    tuned = load_checkpoint(str(tmp_path / "tuned"))
    tuned.unet.add_embedding.linear_1.weight[:, 96:] = 0.5
    low, high = (sample_latents(tuned, pixels, resolved(tuned, elevation_deg=e)) for e in (-5.0, 30.0))
    assert (low - high).abs().max() > 1e-3


def test_the_input_view_reaches_every_view(few_views: SvdMv) -> None:
    one, two = (
        sample_latents(few_views, pixels_from_framed(framed_picture(s), 3), resolved(few_views)) for s in (1, 2)
    )
    assert bool(((one - two).abs().amax((0, 2, 3, 4)) > 1e-3).all())


def test_scale_one_needs_half_the_passes(few_views: SvdMv) -> None:
    passes = []
    hook = few_views.unet.conv_in.register_forward_hook(lambda *_: passes.append(1))
    pixels = pixels_from_framed(framed_picture(), 3)
    sample_latents(few_views, pixels, resolved(few_views, guidance=Guidance("constant", 1, 1)))
    hook.remove()
    assert len(passes) == 2


@pytest.mark.parametrize(
    ("index", "sign", "order"),
    [(0, 1, [0, 1, 2, 3, 4]), (0, -1, [0, 4, 3, 2, 1]), (4, 1, [4, 0, 1, 2, 3]), (4, -1, [4, 3, 2, 1, 0])],
)
def test_foreign_orders_of_frames(few_views: SvdMv, index: int, sign: int, order: list[int]) -> None:
    """SV3D lists the input view last; a checkpoint may turn the other way."""
    assert frame_order(replace(few_views.info, input_view_index=index, azimuth_sign=sign)) == order


def test_frames_are_decoded_in_the_model_s_order_and_then_sorted(few_views: SvdMv) -> None:
    """The temporal decoder mixes neighbours: the frames of both checkpoints are the same, only their places differ."""
    plain = Guidance("constant", 2, 2)
    ours = replace(few_views, info=replace(few_views.info, paste_input_view=False))
    last = replace(ours, info=replace(ours.info, input_view_index=4, azimuth_sign=-1))
    sampling = replace(SHORT, guidance=plain)
    here, there = (generate_views(m, [framed_picture()], sampling)[0] for m in (ours, last))
    np.testing.assert_allclose(here.images[[4, 3, 2, 1, 0]], there.images, atol=1e-6)


def test_the_decode_chunk_changes_pixels_and_is_recorded(few_views: SvdMv) -> None:
    made = [generate_views(few_views, [framed_picture()], replace(SHORT, decode_chunk=chunk))[0] for chunk in (1, 5)]
    assert np.abs(made[0].images - made[1].images).max() > 1e-5
    assert [views.provenance["sampling"]["decode_chunk"] for views in made] == [1, 5]


def test_white_background_and_alpha_of_the_pixels_told_to_the_model() -> None:
    picture = framed_picture(3)
    pixels = pixels_from_framed(picture, 4)
    assert pixels.shape == (1, 4, 32, 32)
    assert pixels[0, :, 0, 0].tolist() == [1, 1, 1, -1]
    centre = pixels[0, :, 16, 16].numpy()
    np.testing.assert_allclose(centre, [*(picture[16, 16, :3] / 127.5 - 1), 1], atol=1e-6)
    torch.testing.assert_close(pixels[:, :3], pixels_from_framed(picture, 3))


def test_nothing_in_nothing_out(few_views: SvdMv) -> None:
    assert generate_views(few_views, [], SHORT) == []


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("elevation_too_high", {"elevation_deg": 120.0}),
        ("elevation_nan", {"elevation_deg": float("nan")}),
        ("no_steps", {"num_steps": 0}),
        ("too_many_steps", {"num_steps": 100_000}),
        ("negative_seed", {"seed": -1}),
        ("seed_no_integer", {"seed": 1.5}),
        ("unknown_sampler", {"sampler": "magic"}),
        ("noise_aug_out_of_range", {"noise_aug": -0.1}),
        ("no_decode_chunk", {"decode_chunk": 0}),
    ],
)
def test_settings_out_of_range_are_refused_before_any_work(
    few_views: SvdMv, same_block: Callable[[str, SvdmvError], None], name: str, changes: dict[str, object]
) -> None:
    with pytest.raises(ConfigError) as caught:
        generate_views(few_views, [framed_picture()], replace(SHORT, **changes))
    same_block(f"sampling_{name}", caught.value)


def test_the_elevation_s_refusal_names_the_range(few_views: SvdMv) -> None:
    with pytest.raises(ConfigError, match=r"-5 \.\. 30 degrees"):
        Sampling(elevation_deg=31.0).resolved(few_views.info)
    for edge in (-5.0, 30.0):
        assert Sampling(elevation_deg=edge).resolved(few_views.info).elevation_deg == edge


def test_fast_is_half_the_steps_unless_told_else(few_views: SvdMv) -> None:
    info = replace(few_views.info, num_steps=7, sampler="euler")
    fast = Sampling(fast=True).resolved(info)
    assert (fast.num_steps, fast.sampler) == (4, "euler")
    told = Sampling(num_steps=9, sampler="heun", fast=True).resolved(info)
    assert (told.num_steps, told.sampler) == (9, "heun")
    assert Sampling(fast=True).resolved(replace(info, num_steps=1)).num_steps == 1


@pytest.mark.parametrize("shape", [(33, 32, 4), (32, 32, 3), (64, 64, 4)])
def test_another_size_is_refused(few_views: SvdMv, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="another size"):
        generate_views(few_views, [framed_picture(), np.zeros(shape, np.uint8)], SHORT)
    with pytest.raises(InputError, match="float32"):
        generate_views(few_views, [np.zeros((32, 32, 4), np.float32)], SHORT)


def test_values_that_are_not_finite_are_an_error(svd_folder: Path) -> None:
    broken = load_checkpoint(str(svd_folder))
    broken.unet.conv_out.bias[0] = float("nan")
    broken.info = replace(broken.info, num_views=3)
    with pytest.raises(CheckpointError, match="not finite"):
        generate_views(broken, [framed_picture()], SHORT)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_draws_nearly_the_same(svd_folder: Path, few_views: SvdMv, dtype: str) -> None:
    half = load_checkpoint(str(svd_folder), dtype=dtype)
    half.info = few_views.info
    pixels = pixels_from_framed(framed_picture(), 3)
    full = sample_latents(few_views, pixels, resolved(few_views))
    near = sample_latents(half, pixels, resolved(few_views))
    assert near.dtype == torch.float32
    assert ((near - full).norm() / full.norm()).item() < 0.1


def test_orbit_of_the_checkpoint(model: SvdMv) -> None:
    orbit = orbit_of(model.info, Sampling(12.5))
    assert orbit.num_views == 21
    assert orbit.is_static
    assert orbit.azimuths_deg[1] == pytest.approx(360 / 21)
