"""Guidance: a scale for each view, and what scale 1 means."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from svdmv.core import ConfigError
from svdmv.diffusion.guidance import Guidance, guided


def test_triangle_of_sv3d() -> None:
    scales = Guidance("triangle", 1.0, 2.5).scales(21)
    assert scales[:3].tolist() == pytest.approx([1, 1.15, 1.3])
    assert scales[10].item() == scales[11].item() == pytest.approx(2.5)
    assert scales[-1].item() == pytest.approx(1.15), "view 20 is a neighbour of the input view"
    torch.testing.assert_close(scales[1:], scales[1:].flip(0))


def test_triangle_turns_with_the_input_view() -> None:
    triangle = Guidance("triangle", 1.0, 2.5)
    torch.testing.assert_close(triangle.scales(21, 20), triangle.scales(21).roll(-1))
    torch.testing.assert_close(triangle.scales(8, 3), triangle.scales(8).roll(3))


def test_linear_and_constant() -> None:
    torch.testing.assert_close(Guidance("linear", 1.0, 3.0).scales(5), torch.tensor([1, 1.5, 2, 2.5, 3]))
    torch.testing.assert_close(Guidance("constant", 1.0, 2.0).scales(3), torch.full((3,), 2.0))
    assert Guidance("triangle", 1.0, 2.0).scales(1).tolist() == [1.0]


def conditional(x: Tensor, sigma: Tensor) -> Tensor:
    return x + 1


def unconditional(x: Tensor, sigma: Tensor) -> Tensor:
    return x - 1


def test_each_view_has_its_own_scale() -> None:
    """B, F, C, h, w all different: a scale on the wrong axis would not broadcast or would land elsewhere."""
    out = guided(conditional, unconditional, torch.tensor([1.0, 0.0, 2.0]))(torch.zeros(2, 3, 4, 5, 6), torch.ones(2))
    assert out.shape == (2, 3, 4, 5, 6)
    for view, value in enumerate([1.0, -1.0, 3.0]):
        assert bool((out[:, view] == value).all())


def test_scale_one_is_the_conditional_branch_alone() -> None:
    def never(x: Tensor, sigma: Tensor) -> Tensor:
        raise AssertionError("the unconditional branch is not needed")

    x = torch.randn(1, 4, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    out = guided(conditional, never, torch.ones(4))(x, torch.ones(1))
    assert torch.equal(out, conditional(x, torch.ones(1)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2", Guidance("constant", 2, 2)),
        ("constant:1.5", Guidance("constant", 1.5, 1.5)),
        ("linear:1:3", Guidance("linear", 1, 3)),
        ("triangle:1:2.5", Guidance("triangle", 1, 2.5)),
    ],
)
def test_texts(text: str, expected: Guidance) -> None:
    assert Guidance.parse(text) == expected


@pytest.mark.parametrize("text", ["", "much", "linear", "linear:1", "triangle:1:2:3", "nan", "-1", "inf", "saw:1:2"])
def test_texts_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ConfigError, match="uidance"):
        Guidance.parse(text)
