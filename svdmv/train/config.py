"""Typed settings of `svdmv train`, composed by Hydra from configs/ and KEY=VALUE overrides."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

from svdmv.core import ConfigError
from svdmv.dataset.renders import OrbitRendering
from svdmv.io.settings import composed_settings, configs_folder
from svdmv.train.autoencoder import AutoencoderTraining
from svdmv.train.full import FullTraining
from svdmv.train.networks import AutoencoderShape, ImageEncoderShape, UNetShape
from svdmv.train.settings import Finetuning


@dataclass(frozen=True)
class Recipe:
    """What the checkpoint is called and how it is sampled.

    num_shapes: procedural objects beside the models. encode_rounds: variants (mirrored, recoloured) of every orbit.
    foreground_ratio: framing of pictures. Guidance as `svdmv run --guidance` takes it.
    """

    name: str = "svdmv-mini"
    licence: str = "Apache-2.0"
    num_shapes: int = 360
    encode_rounds: int = 1
    encode_seed: int = 3
    network_seed: int = 0
    foreground_ratio: float = 0.8
    sigma_min: float = 0.01
    sigma_max: float = 80.0
    num_steps: int = 12
    guidance: str = "triangle:1:1.5"
    decode_chunk: int = 21


@dataclass(frozen=True)
class TrainConfig:
    """All of it. data_dir: folder with manifest.json and model files (or .tar.xz of them). out: the working folder,
    where a stopped run goes on. weights_dir: folder with LPIPS weights; empty = train without that term.
    minutes: stop after so many and go on with the next call. checkpoint: where the finished folder goes.
    start: a checkpoint of the same networks, or of half the picture size, to begin from; empty = random weights.
    accept_changes: go on although the saved state was made with other settings.
    """

    data_dir: str = "../shared/data/train"
    weights_dir: str = "../shared/data/weights"
    out: str = "outputs/mini"
    checkpoint: str = "outputs/mini/checkpoint"
    start: str = ""
    minutes: float = 1e6
    accept_changes: bool = False
    device: str = "auto"
    threads: int = 0
    workers: int = 2
    recipe: Recipe = field(default_factory=Recipe)
    rendering: OrbitRendering = field(default_factory=OrbitRendering)
    autoencoder_shape: AutoencoderShape = field(default_factory=AutoencoderShape)
    autoencoder: AutoencoderTraining = field(default_factory=AutoencoderTraining)
    unet_shape: UNetShape = field(default_factory=UNetShape)
    image_encoder_shape: ImageEncoderShape = field(default_factory=ImageEncoderShape)
    finetuning: Finetuning = field(default_factory=Finetuning)


def train_config(overrides: Sequence[str]) -> TrainConfig:
    """Compose and check. Raises ConfigError: unknown key (with the nearest name), wrong type, bad syntax."""
    return composed_settings(TrainConfig, "", "train", overrides, command="svdmv train")


def full_config(overrides: Sequence[str]) -> FullTraining:
    """The same for the full model."""
    return composed_settings(FullTraining, "", "train_full", overrides, command="svdmv train")


def settings_of(overrides: Sequence[str]) -> TrainConfig | FullTraining:
    """Settings of the experiment that `overrides` name: of svdmv-mini from nothing, or of the full model, whose file
    has a section `model`.

    Raises ConfigError: no such experiment (with the nearest name), or as the others.
    """
    name = next((o.partition("=")[2] for o in reversed(overrides) if o.startswith("experiment=")), "mini")
    files = {path.stem: path for path in (configs_folder() / "experiment").glob("*.yaml")}
    if name not in files:
        near = difflib.get_close_matches(name, files, 1, 0.4)
        raise ConfigError(
            "The experiment is unknown",
            where=f"experiment={name}",
            seen=name,
            expected=", ".join(sorted(files)),
            next_step=f"svdmv train experiment={near[0] if near else 'mini'}",
        )
    full = any(line.startswith("model:") for line in files[name].read_text("utf-8").splitlines())
    return full_config(overrides) if full else train_config(overrides)
