"""A cache of what a frozen encoder makes of a data set: latents of the views, embeddings of the input view.

One safetensors file a shard, KEY/NAME -> array, written whole, so that a stopped run goes on. The encoder is a function
given by the caller and is named by a hash: a cache of other weights, views or background is refused, never mixed in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError, DataError
from svdmv.io.atomic import whole_file, write_json

if TYPE_CHECKING:
    from svdmv.dataset.loader import OrbitLoader, OrbitSample

CACHE_FORMAT = "svdmv-latents-1"
Encode = Callable[["OrbitSample"], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class LatentCache:
    """An encoded data set. places: key -> file; head: format, plan, encoder and names of the arrays."""

    folder: Path
    head: dict[str, Any]
    places: dict[str, Path]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Raises DataError: absent, unfinished, damaged or of another version."""
        path = folder / "index.json"
        try:
            head = json.loads(path.read_text("utf-8"))
            if head["format"] != CACHE_FORMAT:
                raise ValueError(f"format {head['format']}")
            places = {key: folder / name for name, keys in head["files"].items() for key in keys}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                "There is no finished cache of latents",
                where=path,
                seen=error,
                expected=f"an index of {CACHE_FORMAT}",
                next_step="encode the data again; it goes on where it was",
            ) from error
        return cls(folder, head, places)

    def __getitem__(self, key: str) -> dict[str, NDArray[Any]]:
        """Arrays of a sample by name, read from disk. Raises DataError: unknown key, or a damaged file."""
        if key not in self.places:
            raise DataError("The cache does not hold this sample", where=self.folder, seen=key, expected="a known key")
        return _read(self.places[key], [f"{key}/{name}" for name in self.head["arrays"]])


def encode_dataset(
    loader: OrbitLoader,
    encode: Encode,
    encoder: str,
    folder: Path,
    *,
    minutes: float = 1e9,
    report: Callable[[str, int, int], None] | None = None,
) -> bool:
    """Encode every sample once, in the order of the shards; True when all are there.

    Args:
        loader: what is encoded: its views, background and epoch; shuffle and split do not matter.
        encode: a sample -> arrays by name (say latents (V, C, h, w) float16 and embedding (D,) float16), the same
            names each time.
        encoder: what tells encoders apart, as the hash of their weights; the cache belongs to it.
        folder: the cache. minutes: begin no shard afterwards; the next call goes on.

    Raises:
        ConfigError: the cache is of another encoder, data set, or choice of views.
        DataError: a sample cannot be read. InputError: the disk refuses.
    """
    import time

    from svdmv.io.atomic import remove_leftovers

    numpy_files = _safetensors()
    began = time.monotonic()
    told = {"format": CACHE_FORMAT, "plan": loader.manifest.head["plan"], "encoder": encoder, **_choice(loader)}
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    _keep_settings(folder / "settings.json", told)
    by_shard: dict[int, list[int]] = {}
    rows = (
        loader.manifest.samples
        if loader.uids is None
        else [s for s in loader.manifest.samples if s["uid"] in loader.uids]
    )
    for number, row in enumerate(rows):
        by_shard.setdefault(row["shard"], []).append(number)
    files: dict[str, list[str]] = {}
    names: list[str] = []
    for done, (shard, numbers) in enumerate(sorted(by_shard.items())):
        target = folder / f"{shard:05d}.safetensors"
        keys = [rows[n]["key"] for n in numbers]
        if not target.is_file():
            if time.monotonic() - began > minutes * 60:
                return False
            arrays: dict[str, NDArray[Any]] = {}
            for number in numbers:
                for name, value in encode(loader.sample(number)).items():
                    arrays[f"{rows[number]['key']}/{name}"] = np.ascontiguousarray(value)
            with whole_file(target) as temporary:
                temporary.write_bytes(numpy_files.save(arrays, {"encoder": encoder}))
        files[target.name] = keys
        names = names or sorted(k.removeprefix(f"{keys[0]}/") for k in _keys(target) if k.startswith(f"{keys[0]}/"))
        if report is not None:
            report("encode", done + 1, len(by_shard))
    write_json(folder / "index.json", {**told, "arrays": names, "files": files})
    return True


def encoder_name(weights: Mapping[str, NDArray[Any]], **settings: Any) -> str:
    """A name for an encoder: sha256 over its arrays, in the order of their names, and its settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name in sorted(weights):
        digest.update(f"{name} {weights[name].dtype} {weights[name].shape}".encode())
        digest.update(np.ascontiguousarray(weights[name]).tobytes())
    return digest.hexdigest()


def encoded_samples(cache: LatentCache, loader: OrbitLoader) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """The rest of the loader's epoch as keys and cached arrays, in the loader's order and split, no picture read."""
    for row in loader.epoch_rows():
        yield row["key"], cache[row["key"]]


def _choice(loader: OrbitLoader) -> dict[str, Any]:
    return {"num_views": loader.num_views, "random_start": loader.random_start and loader.num_views > 0,
            "background": list(loader.background) if isinstance(loader.background, tuple) else loader.background,
            "seed": loader.seed, "epoch": loader.epoch}  # fmt: skip


def _keep_settings(path: Path, told: dict[str, Any]) -> None:
    if path.is_file():
        there = json.loads(path.read_text("utf-8"))
        other = [f"{k}: {there.get(k)} there, {told[k]} asked for" for k in told if there.get(k) != told[k]]
        if other:
            raise ConfigError(
                "The cache is of other data or another encoder",
                where=path,
                seen="; ".join(other)[:300],
                expected="the settings that the cache was begun with",
                next_step="choose another folder",
            )
        return
    write_json(path, told)


def _read(path: Path, names: list[str]) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            return {name.rpartition("/")[2]: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise DataError(
            "A file of the cache is damaged",
            where=path,
            seen=error,
            expected="whole arrays",
            next_step="remove the file and encode again",
        ) from error


def _keys(path: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            return list(file.keys())
    except (OSError, SafetensorError) as error:
        raise DataError("A file of the cache is damaged", where=path, seen=error, expected="whole arrays",
                        next_step="remove the file and encode again") from error  # fmt: skip


def _safetensors() -> Any:
    import safetensors.numpy

    return safetensors.numpy
