"""LPIPS: the published package's answers, and what any distance must obey."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from svdmv.core import CheckpointError
from svdmv.diffusion.perceptual import Lpips, lpips_weights_path


@pytest.fixture(scope="module")
def lpips(shared_data: Path) -> Lpips:
    path = shared_data / "weights" / "lpips" / "lpips_alex_fp32.safetensors"
    if not path.is_file():
        pytest.skip("LPIPS weights (../shared/data/weights/lpips) are not on this machine")
    return Lpips("alex", path)


def random_pair() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(42)
    return tuple(torch.rand(2, 3, 100, 100, generator=g) * 2 - 1 for _ in range(2))  # type: ignore[return-value]


def test_known_answers_of_the_package(lpips: Lpips) -> None:
    assert lpips(*random_pair()).tolist() == pytest.approx([0.131169, 0.141963], abs=2e-6)


def test_equal_pictures_are_at_distance_zero_and_the_order_does_not_matter(lpips: Lpips) -> None:
    a, b = random_pair()
    assert lpips(a, a).abs().max().item() == 0
    torch.testing.assert_close(lpips(a, b), lpips(b, a))


def test_distance_grows_with_noise_and_stays_in_range(lpips: Lpips) -> None:
    a, b = random_pair()
    smooth = torch.nn.functional.avg_pool2d(a, 9, 1, 4)
    near, far = lpips(smooth, smooth + 0.05 * b), lpips(smooth, smooth + 0.5 * b)
    assert bool((near > 0).all())
    assert bool((far > 2 * near).all())
    assert bool((far < 1.5).all())


def test_frozen_and_differentiable_in_the_picture(lpips: Lpips) -> None:
    a, b = random_pair()
    with torch.enable_grad():
        a.requires_grad_(True)
        lpips(a, b).sum().backward()
    assert a.grad is not None
    assert a.grad.abs().max() > 0
    assert not any(p.requires_grad for p in lpips.parameters())


def test_weights_are_found_by_the_variable_or_named_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SVDMV_WEIGHTS", raising=False)
    with pytest.raises(CheckpointError, match="SVDMV_WEIGHTS"):
        lpips_weights_path()
    (tmp_path / "lpips").mkdir()
    (tmp_path / "lpips" / "lpips_alex_fp32.safetensors").touch()
    for folder in (tmp_path, tmp_path / "lpips"):
        monkeypatch.setenv("SVDMV_WEIGHTS", str(folder))
        assert lpips_weights_path() == tmp_path / "lpips" / "lpips_alex_fp32.safetensors"
