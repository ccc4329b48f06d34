"""A store of a few small orbits and networks of a few thousand parameters, for tests of the training loops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from svdmv.dataset.orbits import OrbitStore
from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.model import SvdMv
from svdmv.train.finetune import Loop
from svdmv.train.networks import (
    AutoencoderShape,
    ImageEncoderShape,
    UNetShape,
    new_autoencoder,
    new_image_encoder,
    new_unet,
)
from svdmv.train.settings import Finetuning
from svdmv.train.store_batches import LatentOrbits, StoreBatches

SIZE, VIEWS, LATENT = 16, 5, 4
ENCODER = ImageEncoderShape(width=32, layers=1, heads=2, patch=8, image_size=SIZE)
UNET = UNetShape(channels=(32, 64), layers=1, head_channels=16, id_width=16, num_ids=4, token_width=16)
AUTOENCODER = AutoencoderShape((32, 32, 32), layers=1, latent_channels=LATENT, image_channels=4, image_size=SIZE)


def orbits_of(count: int, views: int = VIEWS, size: int = SIZE) -> NDArray[np.uint8]:
    """(N, V, S, S, 4): a coloured dot that goes round a disc, with another colour and radius for each object."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] + 0.5 - size / 2
    out = np.zeros((count, views, size, size, 4), np.uint8)
    for orbit in out:
        radius, disc, dot = rng.uniform(0.3, 0.45) * size, rng.integers(0, 256, 3), rng.integers(0, 256, 3)
        for view, rgba in enumerate(orbit):
            angle = 2 * np.pi * view / views
            near = np.hypot(x - radius * 0.7 * np.sin(angle), y + size * 0.1 * np.cos(angle)) < size * 0.15
            rgba[..., :3] = np.where(near[..., None], dot, disc)
            rgba[..., 3] = 255 * (np.hypot(x, y) < radius)
    return out


def write_store(folder: Path, count: int = 4) -> OrbitStore:
    """The store on disk; the objects' ids all fall on the training side of the split."""
    images = orbits_of(count)
    np.save(folder / "orbits.npy", images)
    rows = [{"id": f"toy-{n}", "elevation_deg": 5.0 * n, "light": "none"} for n in range(count)]
    (folder / "index.json").write_text(json.dumps({"orbits": rows}), "utf-8")
    store = OrbitStore.open(folder)
    assert len(store.split(0.03)[0]) == count
    return store


def random_latents(store: OrbitStore, rounds: int = 2, seed: int = 0) -> LatentOrbits:
    """Unit-variance latents that no encoder made; the second round is mirrored."""
    shape = (rounds, len(store), VIEWS, LATENT, 4, 4)
    variants = np.zeros((rounds, len(store), 4), np.int8)
    variants[..., :3] = (0, 1, 2)
    variants[1::2, :, 3] = 1
    return LatentOrbits(np.random.default_rng(seed).normal(size=shape).astype(np.float16), variants)


def tiny_model(seed: int = 0) -> SvdMv:
    """Fresh networks; the same seed gives the same weights."""
    info = CheckpointInfo("toy", "none", image_size=SIZE, image_channels=4, num_views=VIEWS, clip_size=SIZE)
    return SvdMv(
        new_unet(UNET, LATENT, 4, VIEWS, seed),
        new_autoencoder(AUTOENCODER, seed),
        new_image_encoder(ENCODER, UNET.token_width, seed),
        info,
    )


def same_weights(one: torch.nn.Module, two: torch.nn.Module) -> bool:
    """Bit for bit."""
    other = two.state_dict()
    return all(torch.equal(tensor, other[name]) for name, tensor in one.state_dict().items())


def batches_of(store: OrbitStore, settings: Finetuning, latents: LatentOrbits | None = None) -> StoreBatches:
    """Batches of all orbits of a store on the training side, unscaled."""
    used = random_latents(store) if latents is None else latents
    return StoreBatches(store, used, store.split(0.03)[0], settings.batch, 1.0, settings.seed)


def looped(**options: Any) -> Loop:
    """Ten minutes in single precision, unless told otherwise."""
    return Loop(**({"minutes": 10, "bf16": False} | options))


def state_of(folder: Path) -> Path:
    """The file of the last state of a run by one process."""
    return sorted((folder / "states").glob("*"))[-1] / "rank-0000.safetensors"


class ToyUNet(torch.nn.Module):
    """Two layers in the UNet's place, for tests of the loop around it: a step costs next to nothing."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv_in = torch.nn.Conv2d(2 * LATENT, LATENT, 3, padding=1)
        self.told = torch.nn.Linear(5, LATENT)

    def forward(self, joined: Tensor, level: Tensor, tokens: Tensor, ids: Tensor, widths: Any) -> Tensor:
        told = self.told(torch.cat([ids / 100, level[:, None]], 1))
        return self.conv_in(joined.flatten(0, 1)).unflatten(0, joined.shape[:2]) + told[:, None, :, None, None]


def toy_model(seed: int = 0) -> SvdMv:
    """tiny_model with ToyUNet."""
    with torch.random.fork_rng(devices=[]):
        model = tiny_model(seed)
        model.unet = model.call = ToyUNet(seed)
    return model


def toy_loop(model: SvdMv, **options: Any) -> Loop:
    """`looped` that trains the UNet alone."""
    return looped(trained=torch.nn.ModuleDict({"unet": model.unet}), **options)
