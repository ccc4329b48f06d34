"""Read a data set for training: shuffled, split over workers, in an order that can be taken up anywhere.

The order of an epoch is a function of (seed, epoch): shards are shuffled, and the samples of a few shards at a time.
Sample number i belongs to reader i modulo the count of readers. So the state of a reader is two numbers, and a resumed
run sees the very samples that the undisturbed one would have seen.

Nothing is replaced: a sample that cannot be read is an error, or, where a bound allows some, a counted and named gap.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError, DataError
from svdmv.core.require import require
from svdmv.dataset.check import decoded_picture, members_of
from svdmv.dataset.latents import LatentCache
from svdmv.dataset.manifest import Manifest
from svdmv.dataset.sampling import share_of

Background = Literal["none", "white", "random"] | tuple[int, int, int]


@dataclass(frozen=True)
class OrbitSample:
    """One orbit as it is read.

    Attributes:
        key, uid, orbit: which one. views: their numbers in the stored orbit, first the input view.
        pixels: (V, H, W, 4) uint8 sRGB with straight alpha; (V, H, W, 3) over a background.
        azimuths_deg, elevations_deg: (V,) float64; azimuth 0 at the first view, elevations absolute; NaN where nobody
            knows them (videos).
        facts: the sample's JSON: radius, field of view, light, licence ...
        arrays: of the loader's cache, by name, (V, ...) one row a view; empty without a cache. `pixels` then holds the
            first view alone.
    """

    key: str
    uid: str
    orbit: int
    views: tuple[int, ...]
    pixels: NDArray[np.uint8]
    azimuths_deg: NDArray[np.float64]
    elevations_deg: NDArray[np.float64]
    facts: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


@dataclass
class OrbitLoader:
    """An endless or one-epoch stream of OrbitSample from an output of `svdmv data build`.

    Attributes:
        folder: the data set.
        shuffle: False gives the order of the shards. seed: of the order, the starts and the backgrounds.
        shuffle_shards: samples are mixed among so many shards at a time: many mix better, few read more locally.
        reader, num_readers: this reader takes every num_readers-th sample. Give rank and world size; `torch_dataset`
            splits further over the workers of a DataLoader.
        num_views: views of a sample, 0 = all; they are evenly spaced from a start that is drawn for each sample and
            epoch (SV3D: every fourth of 84 from any start), or from view 0 when `random_start` is False.
        background: "none" keeps alpha; "white", "random" (one colour a sample) or (r, g, b) mix it in, in sRGB.
        max_unreadable: how many samples an epoch may miss; beyond that, and always at 0, DataError.
        uids: read only orbits of these objects (a split); None = all.
        latents: folder of a cache that `svdmv data latents` made of this data set: its arrays come with each sample,
            for the views that are chosen, and only the first view's picture is decoded.
        unreadable: key -> reason, of all samples missed so far.
    """

    folder: Path
    shuffle: bool = True
    seed: int = 0
    shuffle_shards: int = 8
    reader: int = 0
    num_readers: int = 1
    num_views: int = 0
    random_start: bool = True
    background: Background = "white"
    max_unreadable: int = 0
    uids: frozenset[str] | None = None
    latents: Path | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    epoch: int = 0
    position: int = 0

    def __post_init__(self) -> None:
        self.manifest = Manifest.open(Path(self.folder))
        self._samples = [s for s in self.manifest.samples if self.uids is None or s["uid"] in self.uids]
        self._files: dict[tuple[int, int], int] = {}
        self._cache = None if self.latents is None else _cache_of(Path(self.latents), self.manifest)
        stored = self.manifest.rule["num_views"]
        if self.uids is not None:
            unknown = sorted(self.uids - {s["uid"] for s in self._samples})
            if unknown:
                raise DataError(
                    "Objects are not in the data set",
                    where=self.folder,
                    seen=f"{len(unknown)}: {unknown[:3]}",
                    expected="uids of objects.jsonl that are rendered",
                )
        checks = [
            ("reader", self.reader, 0 <= self.reader < self.num_readers, f"0 to {self.num_readers - 1}"),
            ("num_views", self.num_views, self.num_views == 0 or (self.num_views > 0 and stored % self.num_views == 0),
             f"a divisor of the {stored} views that are stored"),
            ("samples", len(self._samples), len(self._samples) > 0, "at least one orbit"),
            ("shuffle_shards", self.shuffle_shards, self.shuffle_shards > 0, "1 or more"),
            ("background", self.background, isinstance(self.background, tuple) or self.background in
             ("none", "white", "random"), "none, white, random or (r, g, b)"),
        ]  # fmt: skip
        for name, seen, good, expected in checks:
            if not good:
                raise ConfigError("A setting of the loader is out of range", where=name, seen=seen, expected=expected)

    def __len__(self) -> int:
        """Samples of an epoch for this reader."""
        return len(range(self.reader, len(self._samples), self.num_readers))

    def order(self, epoch: int) -> list[int]:
        """Numbers of all samples, of all readers, in the order of an epoch."""
        if not self.shuffle:
            return list(range(len(self._samples)))
        marks = [share_of(s["key"], epoch, self.seed, "sample") for s in self._samples]
        shards = sorted({s["shard"] for s in self._samples})
        shards.sort(key=lambda n: share_of(str(n), epoch, self.seed, "shard"))
        group = {shard: place // self.shuffle_shards for place, shard in enumerate(shards)}
        return sorted(range(len(marks)), key=lambda i: (group[self._samples[i]["shard"]], marks[i]))

    def epoch_samples(self) -> Iterator[OrbitSample]:
        """The rest of this reader's epoch; the next epoch is up when it ends."""
        for number in self._epoch_numbers():
            sample = self._read_or_miss(number)
            if sample is not None:
                yield sample

    def epoch_rows(self) -> Iterator[dict[str, Any]]:
        """The same as rows of the manifest, nothing read."""
        for number in self._epoch_numbers():
            yield self._samples[number]

    def _epoch_numbers(self) -> Iterator[int]:
        mine = self.order(self.epoch)[self.reader :: self.num_readers]
        while self.position < len(mine):
            number = mine[self.position]
            self.position += 1
            yield number
        self.epoch, self.position = self.epoch + 1, 0

    def __iter__(self) -> Iterator[OrbitSample]:
        """Epoch after epoch, without end."""
        while True:
            missed = len(self.unreadable)
            read = 0
            for sample in self.epoch_samples():
                read += 1
                yield sample
            if read == 0 and len(self.unreadable) > missed:
                raise DataError("No sample of an epoch can be read", where=self.folder, seen=f"{len(self.unreadable)}")

    def state(self) -> dict[str, Any]:
        """Where this reader is, as JSON values: for the next `resume`."""
        return {"plan": self.manifest.head["plan"], "seed": self.seed, "epoch": self.epoch, "position": self.position,
                "num_readers": self.num_readers, "unreadable": dict(self.unreadable)}  # fmt: skip

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken. Raises ConfigError: it is of other data, another seed or split of readers."""
        mine = self.state()
        for name in ("plan", "seed", "num_readers"):
            if state.get(name) != mine[name]:
                raise ConfigError(
                    "The state is of another loader",
                    where=name,
                    seen=state.get(name),
                    expected=str(mine[name]),
                    next_step="resume with the data, seed and count of readers that the state was taken with",
                )
        self.epoch, self.position = int(state["epoch"]), int(state["position"])
        self.unreadable = dict(state["unreadable"])

    def sample(self, number: int) -> OrbitSample:
        """Read sample `number` of the manifest, with the start and background of this epoch.

        Raises DataError: its bytes differ from those that were written, or do not decode.
        """
        row = self._samples[number]
        block = self._block(row)
        if zlib.crc32(block) != row["crc32"]:
            raise DataError("A sample is damaged", where=row["key"], seen="another checksum", expected="whole bytes",
                            next_step=f"svdmv data check data={self.folder}")  # fmt: skip
        (_, text), *pictures = members_of(block)
        facts = json.loads(text)
        views = self._views(row["key"], len(pictures))
        arrays = {} if self._cache is None else self._cache[row["key"]]
        shown = views[:1] if arrays else views
        rgba = np.empty((len(shown), *self.manifest.shape, 4), np.uint8)
        for out, view in zip(rgba, shown, strict=True):
            decoded_picture(*pictures[view], out=out)
        azimuths = _angles(facts["azimuths_deg"], views)
        return OrbitSample(
            key=row["key"],
            uid=row["uid"],
            orbit=row["orbit"],
            views=views,
            pixels=self._mixed(rgba, row["key"]),
            azimuths_deg=(azimuths - azimuths[0]) % 360.0,
            elevations_deg=_angles(facts["elevations_deg"], views),
            facts=facts,
            arrays={name: value[list(views)] for name, value in arrays.items()},
        )

    def _read_or_miss(self, number: int) -> OrbitSample | None:
        row = self._samples[number]
        try:
            return self.sample(number)
        except (DataError, OSError, ValueError, KeyError) as error:
            self.unreadable[row["key"]] = " ".join(str(error).split())[:200]
            if len(self.unreadable) > self.max_unreadable:
                raise DataError(
                    "Samples cannot be read",
                    where=self.folder,
                    seen=f"{len(self.unreadable)}: " + ", ".join(list(self.unreadable)[:5]),
                    expected=f"at most {self.max_unreadable} (max_unreadable)",
                    next_step=f"svdmv data check data={self.folder}",
                ) from error
            return None

    def _views(self, key: str, stored: int) -> tuple[int, ...]:
        count = self.num_views or stored
        moved = self.random_start and count < stored
        start = int(share_of(key, self.epoch, self.seed, "start") * stored) if moved else 0
        return tuple((start + k * (stored // count)) % stored for k in range(count))

    def _mixed(self, rgba: NDArray[np.uint8], key: str) -> NDArray[np.uint8]:
        if self.background == "none":
            return rgba
        if self.background == "white":
            colour = (255, 255, 255)
        elif self.background == "random":
            red, green, blue = (int(share_of(key, self.epoch, self.seed, f"background {c}") * 256) for c in "rgb")
            colour = (red, green, blue)
        else:
            colour = self.background
        from svdmv.dataset._mixing import mix_kernel

        out = np.empty((*rgba.shape[:-1], 3), np.uint8)
        mix_kernel(rgba.reshape(-1, 4), np.array(colour, np.uint8), out.reshape(-1, 3))
        return out

    def _block(self, row: Mapping[str, Any]) -> bytes:
        """Bytes of a sample's run of tar blocks; files stay open, for each process its own."""
        place = (os.getpid(), int(row["shard"]))
        if place not in self._files:
            self._files[place] = os.open(self.manifest.shard_paths()[row["shard"]], os.O_RDONLY)
        return os.pread(self._files[place], row["length"], row["offset"])


def _cache_of(folder: Path, manifest: Manifest) -> LatentCache:
    """A cache of all views of this very data set. Raises DataError: no cache; ConfigError: of something else."""
    cache = LatentCache.open(folder)
    for name, expected in (("plan", manifest.head["plan"]), ("num_views", 0)):
        if cache.head.get(name) != expected:
            raise ConfigError(
                "The cache is of another data set, or of some of its views only",
                where=folder / "index.json",
                seen=f"{name} {cache.head.get(name)}",
                expected=f"{name} {expected}",
                next_step=f"svdmv data latents data={manifest.folder}",
            )
    return cache


def _angles(values: Sequence[float] | None, views: Sequence[int]) -> NDArray[np.float64]:
    return np.full(len(views), np.nan) if values is None else np.array(values, np.float64)[list(views)]


def torch_dataset(loader: OrbitLoader, *, batch_size: int = 1, batches_done: int = 0) -> Any:
    """The loader as an endless torch IterableDataset; the workers of a DataLoader each take their share.

    A DataLoader copies the loader into its workers, so its place is told by the count of batches that it has given:
    `batches_done` of `batch_size` makes a new DataLoader with as many workers give the batches that would have come.

    Raises MissingDependency: torch does not import.
    """
    data = require("torch.utils.data", None, "A torch data set")

    class OrbitDataset(data.IterableDataset):  # type: ignore[name-defined]
        """Dictionaries: pixels (V, H, W, C) uint8, azimuths_deg and elevations_deg (V,) float64, key; the cache's
        arrays by name."""

        def __iter__(self) -> Iterator[dict[str, Any]]:
            info = data.get_worker_info()
            workers, worker = (1, 0) if info is None else (info.num_workers, info.id)
            worker = (worker + batches_done) % workers
            mine = replace(
                loader,
                reader=loader.reader + loader.num_readers * worker,
                num_readers=loader.num_readers * workers,
                unreadable={},
            )
            given = len(range(worker, batches_done, workers)) * batch_size
            mine.epoch = loader.epoch + given // max(len(mine), 1)
            mine.position = given % max(len(mine), 1)
            for sample in mine:
                yield {
                    "key": sample.key,
                    "pixels": sample.pixels,
                    "azimuths_deg": sample.azimuths_deg,
                    "elevations_deg": sample.elevations_deg,
                    **sample.arrays,
                }

    return OrbitDataset()
