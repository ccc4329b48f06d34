"""Typed settings of `svdmv data build|check|stats|latents`, composed by Hydra from configs/data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from svdmv.core import ConfigError
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.rejects import RejectRules
from svdmv.dataset.sampling import OrbitRule
from svdmv.dataset.workers import Limits
from svdmv.io.settings import composed_settings


@dataclass(frozen=True)
class EngineSettings:
    """name: local, ray or slurm. workers: processes on this machine, 0 = one a core. address: of a Ray cluster; empty
    starts one here. cpus_per_shard: cores that Ray keeps for a shard, one child process each."""

    name: str = "local"
    workers: int = 0
    address: str = ""
    cpus_per_shard: int = 1


@dataclass(frozen=True)
class BuildSettings:
    """All of a build.

    out: the data set's folder. sources: kind -> its options, as in `sources.procedural.count=100`; several are joined.
    licences: "CC0,CC-BY", "any", or empty for each source's own rule. split: train, validation, test, or empty.
    limit: objects of each source, 0 = all. retry: reasons of failed objects that are tried again. minutes: begin no
    object afterwards; the same command goes on.
    """

    out: str = "outputs/data"
    sources: dict[str, Any] = field(default_factory=dict)
    licences: str = ""
    split: str = ""
    limit: int = 0
    seed: int = 0
    objects_per_shard: int = 64
    retry: list[str] = field(default_factory=list)
    minutes: float = 1e9
    orbits: OrbitRule = field(default_factory=OrbitRule)
    rejects: RejectRules = field(default_factory=RejectRules)
    limits: Limits = field(default_factory=Limits)
    engine: EngineSettings = field(default_factory=EngineSettings)


@dataclass(frozen=True)
class CheckSettings:
    """data: the folder. pictures: also decode every picture."""

    data: str = "outputs/data"
    pictures: bool = True


@dataclass(frozen=True)
class StatsSettings:
    """data: the folder. out: an HTML page; empty = stats.html in the folder."""

    data: str = "outputs/data"
    out: str = ""


@dataclass(frozen=True)
class LatentSettings:
    """data: the folder. model: checkpoint whose autoencoder and CLIP encode (as `svdmv run --model` takes it).

    out: the cache; empty = latents/HASH in the data set's folder, HASH of the weights. device: auto, cpu, cuda or mps.
    dtype: fp32, bf16 or fp16. chunk: views that are encoded at a time. minutes: begin no shard afterwards; the same
    command goes on.
    """

    data: str = "outputs/data"
    model: str = "svdmv-mini"
    out: str = ""
    device: str = "auto"
    dtype: str = "fp32"
    chunk: int = 4
    minutes: float = 1e9


def latent_settings(overrides: Sequence[str]) -> LatentSettings:
    """Compose and check. Raises ConfigError."""
    made = composed_settings(LatentSettings, "data", "latents", overrides, command="svdmv data latents")
    if made.chunk < 1:
        raise ConfigError("A setting is out of range", where="chunk", seen=made.chunk, expected="1 or more")
    return made


def build_settings(overrides: Sequence[str]) -> BuildSettings:
    """Compose and check. Raises ConfigError."""
    return composed_settings(
        BuildSettings, "data", "build", overrides, command="svdmv data build", open_keys=("sources",)
    )


def check_settings(overrides: Sequence[str]) -> CheckSettings:
    """Compose and check. Raises ConfigError."""
    return composed_settings(CheckSettings, "data", "check", overrides, command="svdmv data check")


def stats_settings(overrides: Sequence[str]) -> StatsSettings:
    """Compose and check. Raises ConfigError."""
    return composed_settings(StatsSettings, "data", "stats", overrides, command="svdmv data stats")


def chosen_objects(settings: BuildSettings) -> list[ObjectSource]:
    """The objects of all sources that the settings name, in the order of their names.

    Raises ConfigError: no source, an unknown kind or option. InputError, DataError: from the source.
    """
    from svdmv.dataset.sources import SOURCES, object_sources_from

    if not settings.sources:
        raise ConfigError(
            "No source of objects is named",
            where="sources",
            seen="nothing",
            expected="a kind of " + ", ".join(SOURCES),
            next_step="svdmv data build sources.procedural.count=100",
        )
    found: list[ObjectSource] = []
    for kind in sorted(settings.sources):
        options = settings.sources[kind]
        if not isinstance(options, dict):
            raise ConfigError(
                "A source of objects takes options",
                where=f"sources.{kind}",
                seen=options,
                expected="sources.KIND.OPTION=VALUE",
                next_step="svdmv data build sources.procedural.count=100",
            )
        common = {"licences": settings.licences, "split": settings.split, "limit": settings.limit}
        found += object_sources_from(kind, **{**{name: value or None for name, value in common.items()}, **options})
    return found
