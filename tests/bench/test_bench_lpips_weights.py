"""LPIPS from what torch and the lpips package have left on a machine: stand-ins of their layouts, never imported."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
import torch

from svdmv.bench import lpips_weights
from svdmv.bench.network_metrics import lpips_alex
from svdmv.core import CheckpointError
from svdmv.diffusion.perceptual import Lpips

SHAPES = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """A trunk as torchvision saves it, classifier and all, and heads as the package has them; returns both."""
    monkeypatch.delenv("SVDMV_WEIGHTS", raising=False)
    monkeypatch.delitem(sys.modules, "lpips", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("SVDMV_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    g = torch.Generator().manual_seed(0)
    trunk = {"classifier.6.bias": torch.zeros(3)}
    heads = {}
    for layer, (index, (out, into, side)) in enumerate(SHAPES.items()):
        trunk[f"features.{index}.weight"] = torch.randn(out, into, side, side, generator=g) / (into * side**2) ** 0.5
        trunk[f"features.{index}.bias"] = torch.randn(out, generator=g) / 10
        heads[f"lin{layer}.model.1.weight"] = torch.rand(1, out, 1, 1, generator=g)
    package, kept = tmp_path / "site" / "lpips", tmp_path / "torch" / "hub" / "checkpoints"
    (package / "weights" / "v0.1").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('the package must not be imported')")
    torch.save(heads, package / "weights" / "v0.1" / "alex.pth")
    kept.mkdir(parents=True)
    torch.save(trunk, kept / "trunk.pth")
    name = f"alexnet-owt-{hashlib.sha256((kept / 'trunk.pth').read_bytes()).hexdigest()[:8]}.pth"
    (kept / "trunk.pth").rename(kept / name)
    monkeypatch.setitem(lpips_weights.TRUNK_FILES, "alex", name)
    return trunk | heads


def test_the_caches_make_one_file_that_the_metric_takes(machine: dict[str, torch.Tensor]) -> None:
    path = lpips_weights.weights_path("alex")
    network = Lpips("alex", path)
    torch.testing.assert_close(network.get_buffer("features_3_weight"), machine["features.3.weight"])
    torch.testing.assert_close(network.get_buffer("lin4_weight"), machine["lin4.model.1.weight"])
    assert network.sha256[:12] in lpips_alex().detail
    made = path.stat().st_mtime_ns
    assert lpips_weights.weights_path("alex").stat().st_mtime_ns == made, "put together once"


def test_a_damaged_trunk_is_told(machine: dict[str, torch.Tensor], tmp_path: Path) -> None:
    trunk = tmp_path / "torch" / "hub" / "checkpoints" / lpips_weights.TRUNK_FILES["alex"]
    trunk.write_bytes(trunk.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="torch's cache is damaged"):
        lpips_weights.weights_path("alex")


def test_without_either_the_message_names_both_ways(machine: dict[str, torch.Tensor]) -> None:
    with pytest.raises(CheckpointError, match="not at hand") as caught:
        lpips_weights.weights_path("vgg")
    for words in (
        "lpips_vgg_fp32.safetensors",
        "vgg16-397923af.pth",
        "export SVDMV_WEIGHTS",
        "load_state_dict_from_url",
    ):
        assert words in caught.value.block()
