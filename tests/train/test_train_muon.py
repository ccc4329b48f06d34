"""The optimiser: orthogonal steps for matrices, Adam for the rest, exact resume."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from svdmv.core import ConfigError
from svdmv.train.muon import Muon, is_matrix, orthogonalised
from svdmv.train.optimizers import new_optimizer
from svdmv.train.state import Average, load_state, save_state, step_generator


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (48, 48)])
def test_orthogonalised_is_near_the_polar_factor(shape: tuple[int, int]) -> None:
    """The slow twin is U V^T of the singular value decomposition."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    made = orthogonalised(matrix[None])[0]
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.3
    assert values.max() < 1.3
    cosine = (made * (u @ vh)).sum() / (made.norm() * (u @ vh).norm())
    assert cosine > 0.97


def test_a_step_has_the_same_length_whatever_the_gradient() -> None:
    lengths = []
    for factor in (1e-4, 1.0, 1e4):
        weight = nn.Parameter(torch.zeros(32, 16, 3, 3))
        optimizer = Muon([weight], lr=0.1, weight_decay=0)
        weight.grad = factor * torch.randn(32, 16, 3, 3, generator=torch.Generator().manual_seed(1))
        optimizer.step()
        lengths.append(float(weight.detach().norm()))
    assert lengths == pytest.approx([lengths[0]] * 3, rel=1e-2)
    assert lengths[0] == pytest.approx(0.1 * 0.2 * math.sqrt(144) * math.sqrt(32), rel=0.2)


def test_what_is_no_matrix_gets_adam() -> None:
    start = torch.randn(40, generator=torch.Generator().manual_seed(2))
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    one = Muon([ours], lr=0.05, betas=(0.9, 0.99))
    two = torch.optim.Adam([theirs], lr=0.05, betas=(0.9, 0.99))
    for step in range(5):
        for parameter, optimizer in ((ours, one), (theirs, two)):
            parameter.grad = torch.randn(40, generator=step_generator(3, step))
            optimizer.step()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_which_parameters_are_matrices() -> None:
    assert is_matrix(torch.zeros(16, 2, 3, 3))
    assert not is_matrix(torch.zeros(4, 128, 3, 3))
    assert not is_matrix(torch.zeros(128, 1))
    assert not is_matrix(torch.zeros(128))


def test_a_saved_optimiser_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def made() -> tuple[nn.Module, Muon, Average]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(16, 32), nn.Linear(32, 1))
        return model, Muon(model.parameters(), lr=0.02), Average(model, 0.9)

    def run(model: nn.Module, optimizer: Muon, average: Average, steps: range) -> None:
        for step in steps:
            loss = (model(torch.randn(8, 16, generator=step_generator(1, step))) - 1).square().mean()
            torch.autograd.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            average.update(model, step)

    straight, halves, other = made(), made(), made()
    run(*straight, range(7))
    run(*halves, range(4))
    save_state(tmp_path / "s.safetensors", *halves, 4, {})
    assert load_state(tmp_path / "s.safetensors", *other)[0] == 4
    run(*other, range(4, 7))
    assert all(torch.equal(a, b) for a, b in zip(straight[0].parameters(), other[0].parameters(), strict=True))


def test_names() -> None:
    weight = [nn.Parameter(torch.zeros(16, 16))]
    assert isinstance(new_optimizer("muon", weight, 0.1, 0.01), Muon)
    assert isinstance(new_optimizer("adamw", weight, 0.1, 0.01), torch.optim.AdamW)
    with pytest.raises(ConfigError, match="adamw8bit or muon"):
        new_optimizer("sgd", weight, 0.1, 0.01)
