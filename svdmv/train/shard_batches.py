"""Batches out of training shards or out of a cache of their latents, in the order of the loader, by step number.

Clip k of step s is sample s * batch + k of an endless sequence of shuffled epochs: a run that is stopped anywhere goes
on with the very clips that would have come. Frames stand in the checkpoint's own order.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from svdmv.core import ConfigError, DataError
from svdmv.dataset.latents import LatentCache, encode_dataset, encoder_name
from svdmv.dataset.loader import OrbitLoader, OrbitSample
from svdmv.dataset.manifest import Manifest
from svdmv.dataset.splits import mark_of
from svdmv.diffusion.conditioning import image_tokens
from svdmv.diffusion.generate import frame_order
from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.model import SvdMv
from svdmv.train.loss import Batch

POSED = ("elevation", "polar", "azimuth")


@dataclass(frozen=True)
class ShardData:
    """Where the clips come from.

    Attributes:
        folder: output of `svdmv data build`. cache: folder of latents made from it, filled when it is not there; empty:
            encode while training. held_out_share: objects kept from training, by hash of their name, to validate on.
        workers: threads that read ahead. encode_chunk: views that go through the autoencoder at once. seed: of order.
    """

    folder: str = "data/orbits"
    cache: str = ""
    held_out_share: float = 0.01
    workers: int = 2
    encode_chunk: int = 4
    seed: int = 0


def loaders_of(
    data: ShardData, info: CheckpointInfo, *, whole_orbits: bool = False
) -> tuple[OrbitLoader, OrbitLoader | None]:
    """Readers of the training objects and of those that are held out, or None where there are none.

    whole_orbits: all stored views of a sample and not the checkpoint's number of them.

    Raises DataError: no data set, or one without cameras for a model that is told them. ConfigError: another size.
    """
    manifest = Manifest.open(Path(data.folder))
    if manifest.shape != (info.image_size, info.image_size):
        raise ConfigError(
            "The data has another picture size than the model",
            where=data.folder,
            seen=f"{manifest.shape[1]}x{manifest.shape[0]}",
            expected=f"{info.image_size}x{info.image_size}",
            next_step=f"svdmv data build ... rule.size={info.image_size}, or model.image_size={manifest.shape[0]}",
        )
    blind = [s["key"] for s in manifest.samples if s.get("elevation_deg") is None]
    if blind and set(info.ids) & set(POSED):
        raise DataError(
            "The model is told cameras that the data does not know",
            where=data.folder,
            seen=f"{len(blind)} samples without elevation, first {blind[0]}",
            expected="rendered orbits",
            next_step="svdmv train experiment=svd_mv_mvimgnet, which is told none",
        )
    names = {s["uid"] for s in manifest.samples}
    held = frozenset(name for name in names if mark_of(name) < data.held_out_share)
    stored = manifest.rule["num_views"]
    views = 0 if whole_orbits or stored == info.num_views else info.num_views
    common: dict[str, Any] = {"seed": data.seed, "num_views": views}
    training = OrbitLoader(Path(data.folder), uids=frozenset(names - held), **common)
    return training, OrbitLoader(Path(data.folder), uids=held, shuffle=False, **common) if held else None


def view_of_frame(info: CheckpointInfo) -> NDArray[np.int64]:
    """(F,) for each frame of the checkpoint, the view of our orbit that it shows."""
    return np.argsort(frame_order(info))


def pixels_of(views: NDArray[np.uint8]) -> Tensor:
    """(V, 3, H, W) float32 in [-1, 1] from (V, H, W, 3) uint8."""
    return torch.from_numpy(np.ascontiguousarray(views.transpose(0, 3, 1, 2))).float() / 127.5 - 1


@torch.no_grad()
def encoded_views(model: SvdMv, pixels: Tensor, chunk: int) -> Tensor:
    """(V, C, h, w) posterior means, unscaled, on the autoencoder's device."""
    place = next(model.vae.parameters())
    parts = [model.vae.encode(p.to(place.device, place.dtype)).latent_dist.mode() for p in torch.split(pixels, chunk)]
    return torch.cat(parts).float()


@dataclass
class ShardBatches:
    """A BatchSource: clips of `loader`, latents made by the model's autoencoder or taken from `cache`."""

    loader: OrbitLoader
    model: SvdMv
    size: int
    cache: LatentCache | None = None
    workers: int = 2
    encode_chunk: int = 4
    _epochs: dict[int, tuple[OrbitLoader, list[int]]] = field(default_factory=dict)
    _ahead: dict[int, Future[dict[str, Any]]] = field(default_factory=dict)
    _pool: ThreadPoolExecutor | None = None

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max(self.workers, 1), "svdmv-read")
        uids = self.loader.uids
        self._keys = [s["key"] for s in self.loader.manifest.samples if uids is None or s["uid"] in uids]

    def told(self) -> dict[str, Any]:
        """What the clips depend on."""
        state = self.loader.state()
        names = {"plan": state["plan"], "seed": state["seed"], "samples": len(self.loader)}
        encoder = None if self.cache is None else self.cache.head["encoder"]
        return {**names, "num_views": self.loader.num_views, "cache": encoder}

    def batch(self, step: int, rows: slice) -> Batch:
        """Rows of the batch of a step, latents scaled. Raises DataError: a sample cannot be read."""
        places = [step * self.size + k for k in range(*rows.indices(self.size))]
        clips = [self._taken(place) for place in places]
        for place in places:
            self._ask(place + self.size)
        info, scaling = self.model.info, float(self.model.vae.config.scaling_factor)
        turn = torch.from_numpy(view_of_frame(info))
        latents = [self._latents(clip)[turn] * scaling for clip in clips]
        elevations = torch.tensor(np.stack([c["elevations_deg"] for c in clips]), dtype=torch.float32)
        azimuths = torch.tensor(np.stack([c["azimuths_deg"] for c in clips]), dtype=torch.float32)
        tokens = [torch.from_numpy(c["embedding"]).float()[None] for c in clips if "embedding" in c]
        return Batch(
            torch.stack(latents),
            torch.cat([pixels_of(c["input"][None]) for c in clips]),
            elevations[:, turn] if info.ids_per_view else elevations[:, 0],
            azimuths[:, turn] if info.ids_per_view else None,
            torch.stack(tokens) if tokens else None,
            tuple(c["key"] for c in clips),
        )

    def _latents(self, clip: dict[str, Any]) -> Tensor:
        if "latents" in clip:
            return torch.from_numpy(clip["latents"]).float()
        return encoded_views(self.model, pixels_of(clip["pixels"]), self.encode_chunk)

    def _ask(self, place: int) -> None:
        if place not in self._ahead:
            assert self._pool is not None
            loader, numbers = self._epoch(place // len(self.loader))
            self._ahead[place] = self._pool.submit(self._read, loader, numbers[place % len(numbers)])

    def _taken(self, place: int) -> dict[str, Any]:
        self._ask(place)
        clip = self._ahead.pop(place).result()
        for old in [p for p in self._ahead if p < place]:  # after a rollback: asked for and never taken
            self._ahead.pop(old)
        return clip

    def _epoch(self, epoch: int) -> tuple[OrbitLoader, list[int]]:
        if epoch not in self._epochs:
            for old in [e for e in self._epochs if abs(e - epoch) > 1]:
                self._epochs.pop(old)
            self._epochs[epoch] = (replace(self.loader, epoch=epoch, unreadable={}), self.loader.order(epoch))
        return self._epochs[epoch]

    def _read(self, loader: OrbitLoader, number: int) -> dict[str, Any]:
        if self.cache is None:
            sample = loader.sample(number)
            return {**_facts(sample), "pixels": sample.pixels}
        key = self._keys[number]
        return {**self.cache[key], "key": key}


def _facts(sample: OrbitSample) -> dict[str, Any]:
    angles = {"azimuths_deg": sample.azimuths_deg, "elevations_deg": sample.elevations_deg}
    return {"key": sample.key, "input": sample.pixels[0], **angles}


def filled_cache(
    model: SvdMv,
    loader: OrbitLoader,
    data: ShardData,
    *,
    minutes: float,
    report: Callable[[str, int, int], None] | None = None,
) -> bool:
    """Encode the training objects into data.cache: latents of all views, embedding and pixels of the input view.

    True when all are there. A start is drawn once for each sample. Raises ConfigError: a cache of another encoder.
    """
    networks = {"vae": model.vae, "image_encoder": model.image_encoder}
    weights = {
        f"{part}.{n}": t.float().cpu().numpy() for part, net in networks.items() for n, t in net.state_dict().items()
    }

    def encode(sample: OrbitSample) -> dict[str, NDArray[Any]]:
        pixels = pixels_of(sample.pixels)
        device = next(model.image_encoder.parameters()).device
        with torch.no_grad():
            token = image_tokens(model.image_encoder, pixels[:1].to(device), model.info.clip_size)[0, 0]
        return {
            "latents": encoded_views(model, pixels, data.encode_chunk).half().cpu().numpy(),
            "embedding": token.float().cpu().numpy(),
            **{k: v for k, v in _facts(sample).items() if k != "key"},
        }

    name = encoder_name(weights, clip_size=model.info.clip_size)
    return encode_dataset(loader, encode, name, Path(data.cache), minutes=minutes, report=report)
