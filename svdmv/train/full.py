"""`svdmv train` of the full model: start weights, shards, a memory plan, the loop, a checkpoint folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from svdmv.core import ConfigError, InputError
from svdmv.dataset.latents import LatentCache
from svdmv.dataset.loader import OrbitLoader
from svdmv.diffusion.checkpoint import save_checkpoint
from svdmv.diffusion.device import resolved_device
from svdmv.diffusion.info import CheckpointInfo, Framing
from svdmv.diffusion.interpolation import make_interpolating, save_interpolator
from svdmv.diffusion.model import SvdMv
from svdmv.io.atomic import write_json
from svdmv.train.dealt_out import PARALLEL, deal_out, gathered_unet
from svdmv.train.finetune import BatchSource, Loop, Watch, finetune
from svdmv.train.interpolate import BetweenBatches, BetweenValidation, between_loss
from svdmv.train.lora import Lora, add_adapters, merge_adapters, save_adapters
from svdmv.train.memory import MemoryPlan, memory_plan, memory_there
from svdmv.train.parallel import Team, team_from_environment
from svdmv.train.settings import Finetuning
from svdmv.train.shard_batches import ShardBatches, ShardData, filled_cache, loaders_of
from svdmv.train.starts import StartModel, started_model
from svdmv.train.state import trained_parameters
from svdmv.train.validation import Validation, Watching, board_writer

SHARD_MB = 5000
Report = Callable[[str, int, int], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Hardware:
    """device: auto, cuda, cpu. precision: bf16 (products; sums and noise levels stay in fp32) or fp32. parallel: data
    (every process holds all weights), zero2 or zero3 (weights and moments dealt out), by torchrun. memory_gb: of one
    device, 0 = ask it. threads: of the CPU, 0 = torch's own choice.
    """

    device: str = "auto"
    precision: str = "bf16"
    parallel: str = "data"
    memory_gb: float = 0.0
    threads: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("precision", ("bf16", "fp32")), ("parallel", PARALLEL)):
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    "A setting of the hardware is unknown",
                    where=f"hardware.{name}",
                    seen=getattr(self, name),
                    expected=", ".join(allowed),
                )


@dataclass(frozen=True)
class FullTraining:
    """All of it. interpolate: train the network that draws views between views. out: the working folder, where a
    stopped run goes on. checkpoint: where the finished folder goes, OUT/checkpoint when empty. minutes: stop after so
    many. accept_changes: go on although the saved state was made with other settings.
    """

    model: StartModel = field(default_factory=StartModel)
    data: ShardData = field(default_factory=ShardData)
    finetuning: Finetuning = field(default_factory=Finetuning)
    lora: Lora = field(default_factory=Lora)
    interpolate: bool = False
    watching: Watching = field(default_factory=Watching)
    hardware: Hardware = field(default_factory=Hardware)
    out: str = "outputs/train"
    checkpoint: str = ""
    minutes: float = 1e6
    accept_changes: bool = False

    def __post_init__(self) -> None:
        special = "lora.rank" if self.lora.rank else "interpolate" if self.interpolate else ""
        clash = "hardware.parallel" if self.hardware.parallel != "data" else "data.cache" if self.interpolate else ""
        if special and (clash == "hardware.parallel" or (clash and self.data.cache)):
            raise ConfigError(
                "Two settings do not go together",
                where=f"{special}, {clash}",
                seen=f"{special} and {clash}={self.hardware.parallel if 'hard' in clash else self.data.cache}",
                expected=f"without {clash}",
            )

    @property
    def folder(self) -> Path:
        """Of the finished checkpoint."""
        return Path(self.checkpoint) if self.checkpoint else Path(self.out) / "checkpoint"


def train_full(config: FullTraining, report: Report | None = None, say: Say | None = None) -> bool:
    """Run the recipe for config.minutes; True when the checkpoint is written. `say` gets lines for people.

    Raises: any SvdmvError; before the first step where memory, disk, data or settings cannot do.
    """
    began, out, hardware = time.monotonic(), Path(config.out), config.hardware
    device = resolved_device(hardware.device)
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
    model = started_model(config.model)
    training, held = loaders_of(config.data, model.info, whole_orbits=config.interpolate)
    model.info = told_by_data(model.info, training)
    if config.lora.rank:
        add_adapters(model.unet, config.lora, config.finetuning.seed)
    if config.interpolate:
        make_interpolating(model.unet)
    trained = nn.ModuleDict({"unet": model.unet})
    team = team_from_environment(device)
    plan = memory_plan(model, config.finetuning, team.count, hardware.parallel, hardware.precision)
    if say is not None and team.writes:
        say(plan.text())
    plan.require(hardware.memory_gb or memory_there(device))
    require_disk(out, plan)

    def left() -> float:
        return config.minutes - (time.monotonic() - began) / 60

    def staged(stage: str) -> Callable[[int, int], None]:
        return lambda done, total: report(stage, done, total) if report is not None else None

    for network in (model.vae, model.image_encoder):
        network.to(device)
    if not _cached(model, training, config, team, left(), report):
        return False
    cache = LatentCache.open(Path(config.data.cache)) if config.data.cache else None
    source = _source(model, training, cache, config)
    if hardware.parallel != "data":
        deal_out(model, team, hardware.parallel, device)
    done = finetune(
        model,
        source,
        config.finetuning,
        out,
        Loop(
            left(),
            device,
            bf16=hardware.precision == "bf16",
            trained=trained,
            team=team,
            dealt_out=hardware.parallel != "data",
            told={"model": asdict(config.model), "lora": asdict(config.lora), "start": model.info.sha256},
            accept_changes=config.accept_changes,
            watch=_watch(config, held, out),
            loss=between_loss if config.interpolate else None,
            log=board_writer(out / "tensorboard") if config.watching.tensorboard and team.writes else None,
            report=staged("finetune"),
        ),
    )
    if done:
        _save(model, config, team)
    return done


def told_by_data(info: CheckpointInfo, loader: OrbitLoader) -> CheckpointInfo:
    """The checkpoint's framing and origin as the data says them."""
    rule, head = loader.manifest.rule, loader.manifest.head
    framing = Framing(
        "bounding_sphere" if rule["normalisation"] == "bounding_sphere" else "unit_box",
        rule["radius"] or info.framing.radius,
        rule["fov_y_deg"],
        rule["fill"],
    )
    origin = f"{len(loader)} orbits of data set {head['plan'][:16]}; begun from {info.name}"
    return replace(info, framing=framing, trained_on=origin)


def require_disk(out: Path, plan: MemoryPlan) -> None:
    """Room for two states, since the old one goes when the new one is whole. Raises InputError."""
    there = next(p for p in (out, *out.resolve().parents) if p.exists())
    free = shutil.disk_usage(there).free / 1e9
    if free < 2 * plan.state_gb:
        raise InputError(
            "The disk has no room for the states of this training",
            where=out,
            seen=f"{free:.1f} GB free",
            expected=f"{2 * plan.state_gb:.1f} GB: two states of {plan.state_gb:.1f} GB",
            next_step="free some space, or out=FOLDER on a larger disk",
        )


def _cached(
    model: SvdMv, loader: OrbitLoader, config: FullTraining, team: Team, minutes: float, report: Report | None
) -> bool:
    filled = True
    if config.data.cache and team.writes:
        filled = filled_cache(model, loader, config.data, minutes=minutes, report=report)
    return not team.any(not filled)


def _watch(config: FullTraining, held: OrbitLoader | None, out: Path) -> Watch | None:
    if not config.watching.every or held is None:
        return None
    look = Validation(held, config.watching, out / "samples").look
    if config.interpolate:
        look = BetweenValidation(held, config.watching.orbits, config.watching.num_steps).look
    return Watch(look, config.watching.every)


def _source(model: SvdMv, loader: OrbitLoader, cache: LatentCache | None, config: FullTraining) -> BatchSource:
    size, data = config.finetuning.batch, config.data
    if config.interpolate:
        return BetweenBatches(loader, model, size, data.seed, data.encode_chunk)
    return ShardBatches(loader, model, size, cache, data.workers, data.encode_chunk)


def _save(model: SvdMv, config: FullTraining, team: Team) -> None:
    """The averaged weights as a checkpoint folder; adapters beside it, and merged."""
    unet: Any = gathered_unet(model) if model.call is not None else model.unet
    if not team.writes:
        return
    folder = config.folder
    if config.lora.rank:
        save_adapters(unet, Path(config.out) / "adapters.safetensors")
        merge_adapters(unet)
    if config.interpolate:
        save_interpolator(model, folder, max_shard_mb=SHARD_MB, overwrite=True)
        return
    save_checkpoint(
        SvdMv(unet, model.vae, model.image_encoder, model.info), folder, max_shard_mb=SHARD_MB, overwrite=True
    )
    count = sum(p.numel() for p in trained_parameters(nn.ModuleDict({"unet": unet})).values())
    write_json(Path(config.out) / "trained.json", {"settings": asdict(config), "trained_parameters": count})
