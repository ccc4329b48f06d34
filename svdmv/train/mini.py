"""From 3D models to a checkpoint: render, autoencoder, latents, finetuning, export; each stage goes on where it was."""

from __future__ import annotations

import hashlib
import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from svdmv.core import ConfigError, DataError
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.orbits import OrbitStore
from svdmv.dataset.renders import assemble, render_parts
from svdmv.diffusion.checkpoint import load_checkpoint, save_checkpoint
from svdmv.diffusion.device import resolved_device
from svdmv.diffusion.guidance import Guidance
from svdmv.diffusion.info import CheckpointInfo, Framing
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.perceptual import Lpips
from svdmv.diffusion.shortcuts import use_one_token_attention
from svdmv.io.atomic import whole_file, write_json
from svdmv.train.ablation import run_ablation
from svdmv.train.autoencoder import measure_autoencoder, train_autoencoder
from svdmv.train.config import TrainConfig
from svdmv.train.finetune import Loop, finetune
from svdmv.train.grown import begin_from, begun_autoencoder
from svdmv.train.networks import new_image_encoder, new_unet
from svdmv.train.parallel import ALONE, Team, team_from_environment
from svdmv.train.store_batches import LatentOrbits, StoreBatches, encode_orbits, variants_of

Report = Callable[[str, int, int], None]
TRAINED_ON = (
    "919 openly licensed models (KayKit, Kenney: CC0; gazebo_models: CC-BY 3.0; aws-robotics: MIT-0; Khronos samples: "
    "CC0, CC-BY; and others, see data/train_objects.json) and 360 shapes made by code; rendered by svdmv"
)


def object_sources(config: TrainConfig) -> list[ObjectSource]:
    """The models of data_dir/manifest.json, plain beside it or unpacked from its .tar.xz into out/models, then the
    procedural shapes.

    Raises DataError: manifest or a model is missing, or a model's hash differs from the manifest's.
    """
    data, models = Path(config.data_dir), Path(config.out) / "models"
    try:
        rows = json.loads((data / "manifest.json").read_text("utf-8"))["objects"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            "The list of training models cannot be read",
            where=data / "manifest.json",
            seen=error,
            expected="a manifest with objects",
            next_step="svdmv train data_dir=FOLDER",
        ) from error
    models.mkdir(parents=True, exist_ok=True)
    if not all((data / row["file"]).is_file() or (models / row["file"]).is_file() for row in rows):
        for archive in sorted(data.glob("*.tar.xz")):
            with tarfile.open(archive) as tar:
                tar.extractall(models, filter="data")
    items = []
    for row in rows:
        path = data / row["file"] if (data / row["file"]).is_file() else models / row["file"]
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            raise DataError(
                "A training model is missing or differs",
                where=path,
                seen="absent or another hash",
                expected=f"sha256 {row['sha256'][:16]}...",
                next_step="fetch the data again",
            )
        items.append(
            ObjectSource(row["id"], str(path), row["licence"], row.get("attribution", ""), row.get("source", ""))
        )
    items += [
        ObjectSource(f"shape-{seed:05d}", f"shape:{seed}", "Apache-2.0", "svdmv", "svdmv/dataset/shapes.py")
        for seed in range(config.recipe.num_shapes)
    ]
    return items


def train_mini(config: TrainConfig, report: Report | None = None) -> bool:
    """Run the recipe for config.minutes; True when the checkpoint is written."""
    began, out = time.monotonic(), Path(config.out)
    device = resolved_device(config.device)
    team = team_from_environment(device)
    settings = config.finetuning
    if settings.num_steps == 0 and not config.start:
        raise ConfigError(
            "A network of random weights cannot be left as it is",
            where="finetuning.num_steps",
            seen="0, and no start",
            expected="steps, or a checkpoint to begin from",
            next_step="svdmv train ... finetuning.num_steps=6000, or start=CHECKPOINT",
        )
    begun = begun_model(config, device, team, report)
    if begun is None:
        return False
    model, store = begun
    if settings.num_steps:
        latents = _latents(model, store, config, out, device, team, _staged(report, "encode"))
        train, _ = store.split(0.03)
        scaling = float(model.vae.config.scaling_factor)
        source = StoreBatches(store, latents, train, settings.batch, scaling, settings.seed)
        left = config.minutes - (time.monotonic() - began) / 60
        loop = Loop(left, device, team=team, accept_changes=config.accept_changes, report=_staged(report, "finetune"))
        if not finetune(model, source, settings, out / "finetuning", loop):
            return False
    if not team.writes:
        return True
    save_checkpoint(model, Path(config.checkpoint), overwrite=True)
    figures = measure_autoencoder(load_checkpoint(config.checkpoint).vae, store)
    write_json(out / "trained.json", {"autoencoder": figures, "orbits": len(store), "device": device})
    return True


def train_ablation(config: TrainConfig, report: Report | None = None) -> Path | None:
    """Priors compared on svdmv-mini's network and data (see run_ablation); the figure, or None when time is spent."""
    device = resolved_device(config.device)
    prepared = prepared_latents(config, device, ALONE, report)
    if prepared is None:
        return None
    model, store, latents = prepared
    return run_ablation(
        lambda: new_model(config, model.vae),
        store,
        latents,
        config.finetuning,
        Path(config.out) / "ablation",
        device=device,
        report=report,
    )


def prepared_latents(
    config: TrainConfig, device: str, team: Team, report: Report | None = None
) -> tuple[SvdMv, OrbitStore, LatentOrbits] | None:
    """`begun_model` and the latents of its orbits; None when time is spent."""
    begun = begun_model(config, device, team, report)
    if begun is None:
        return None
    told = _staged(report, "encode")
    return *begun, _latents(*begun, config, Path(config.out), device, team, told)


def begun_model(
    config: TrainConfig, device: str, team: Team, report: Report | None = None
) -> tuple[SvdMv, OrbitStore] | None:
    """A trained autoencoder with the start's networks around it, or fresh ones, and the rendered orbits; None when
    time is spent.
    """
    began, out = time.monotonic(), Path(config.out)
    if config.threads:
        torch.set_num_threads(config.threads)

    def left() -> float:
        return config.minutes - (time.monotonic() - began) / 60

    store_folder = out / "store"
    rendered = True
    if team.writes and not (store_folder / "index.json").is_file():
        items = object_sources(config)
        told = _staged(report, "render")
        rendered = render_parts(
            items, config.rendering, store_folder, workers=config.workers, minutes=left(), report=told
        )
        if rendered:
            assemble(items, config.rendering, store_folder)
    if team.any(not rendered):
        return None
    store = OrbitStore.open(store_folder)
    start = load_checkpoint(config.start) if config.start else None
    vae, kept_latents = begun_autoencoder(config.autoencoder_shape, config.recipe.network_seed, start)
    if not train_autoencoder(
        vae,
        store,
        config.autoencoder,
        out / "autoencoder",
        lpips=_lpips(config),
        minutes=left(),
        kept_latents=kept_latents,
        device=device,
        team=team,
        report=_staged(report, "autoencoder"),
    ):
        return None
    model = new_model(config, vae)
    if start is not None:
        begin_from(model, start)
    return model, store


def _staged(report: Report | None, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: report(stage, done, total) if report is not None else None


def new_model(config: TrainConfig, vae: Any) -> SvdMv:
    """Fresh UNet and image encoder around a trained autoencoder, with the recipe's settings."""
    recipe, rule, shape = config.recipe, config.rendering, config.autoencoder_shape
    side = shape.image_size // 2 ** (len(shape.channels) - 1)
    info = CheckpointInfo(
        name=recipe.name,
        licence=recipe.licence,
        image_size=shape.image_size,
        image_channels=shape.image_channels,
        num_views=rule.num_views,
        elevation_range_deg=(rule.elevation_range_deg[0], rule.elevation_range_deg[1]),
        framing=Framing("bounding_sphere", rule.radius, rule.fov_y_deg, recipe.foreground_ratio),
        sigma_min=recipe.sigma_min,
        sigma_max=recipe.sigma_max,
        num_steps=recipe.num_steps,
        guidance=Guidance.parse(recipe.guidance),
        decode_chunk=recipe.decode_chunk,
        calibrate_color=True,
        clip_size=config.image_encoder_shape.image_size,
        trained_on=TRAINED_ON,
    )
    unet = new_unet(config.unet_shape, shape.latent_channels, side, rule.num_views, recipe.network_seed)
    use_one_token_attention(unet)
    encoder = new_image_encoder(config.image_encoder_shape, config.unet_shape.token_width, recipe.network_seed)
    return SvdMv(unet, vae, encoder, info)


def _lpips(config: TrainConfig) -> Lpips | None:
    if not config.weights_dir or config.autoencoder.lpips_weight == 0:
        return None
    for folder in (Path(config.weights_dir), Path(config.weights_dir) / "lpips"):
        if (folder / "lpips_alex_fp32.safetensors").is_file():
            return Lpips("alex", folder / "lpips_alex_fp32.safetensors")
    raise DataError(
        "The LPIPS weights are missing",
        where=config.weights_dir,
        seen="no lpips_alex_fp32.safetensors",
        expected="the weights of LPIPS v0.1",
        next_step="svdmv train weights_dir=FOLDER, or weights_dir=''",
    )


def _latents(
    model: SvdMv,
    store: OrbitStore,
    config: TrainConfig,
    out: Path,
    device: str,
    team: Team,
    report: Callable[[int, int], None],
) -> LatentOrbits:
    """Latents of every orbit; every process of the team encodes its share, the first one joins them."""
    path, part = out / "latents.npy", out / f"latents.part{team.rank}of{team.count}.npy"
    variants = variants_of(len(store), config.recipe.encode_rounds, config.recipe.encode_seed)
    if team.any(not path.is_file()):
        model.vae.to(device).eval()
        mine = np.arange(team.rank, len(store), team.count)
        if not part.is_file():
            made = encode_orbits(model, store, variants, mine, device=device, report=report)
            with whole_file(part) as temporary, temporary.open("wb") as file:
                np.save(file, made)
        team.wait()
        if team.writes:
            parts = [
                np.load(out / f"latents.part{r}of{team.count}.npy", mmap_mode="r", allow_pickle=False)
                for r in range(team.count)
            ]
            joined = np.empty((len(variants), len(store), *parts[0].shape[2:]), np.float16)
            for rank, rows in enumerate(parts):
                joined[:, rank :: team.count] = rows
            with whole_file(path) as temporary, temporary.open("wb") as file:
                np.save(file, joined)
        team.wait()
        part.unlink(missing_ok=True)
    return LatentOrbits(np.load(path, mmap_mode="r", allow_pickle=False), variants)
