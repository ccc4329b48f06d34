"""Typed settings of `svdmv train`, composed by Hydra from configs/ and KEY=VALUE overrides."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svdmv.core import ConfigError
from svdmv.dataset.renders import OrbitRendering
from svdmv.train.autoencoder import AutoencoderTraining
from svdmv.train.finetune import Finetuning
from svdmv.train.networks import AutoencoderShape, ImageEncoderShape, UNetShape

SECTIONS = (
    "rendering",
    "autoencoder_shape",
    "autoencoder",
    "unet_shape",
    "image_encoder_shape",
    "finetuning",
    "recipe",
)


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
    """

    data_dir: str = "../shared/data/train"
    weights_dir: str = "../shared/data/weights"
    out: str = "outputs/mini"
    checkpoint: str = "outputs/mini/checkpoint"
    minutes: float = 1e6
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


def configs_folder() -> Path:
    """configs/ beside the package in a checkout, inside it in an installation."""
    package = Path(__file__).parent.parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def train_config(overrides: Sequence[str]) -> TrainConfig:
    """Compose and check. Raises ConfigError: unknown key (with the nearest name), wrong type, bad syntax."""
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    ConfigStore.instance().store(name="train_schema", node=writable_schema())
    try:
        with initialize_config_dir(str(configs_folder().resolve()), version_base="1.3"):
            made = OmegaConf.to_object(compose("train", overrides=list(overrides)))
    except (HydraException, OmegaConfBaseException) as error:
        raise _config_error(error, overrides) from error
    assert isinstance(made, TrainConfig)
    return made


def writable_schema() -> Any:
    """The typed schema; OmegaConf takes frozen dataclasses for read-only settings, which overrides could not change."""
    from omegaconf import OmegaConf

    schema = OmegaConf.structured(TrainConfig)
    OmegaConf.set_readonly(schema, False)
    for name in SECTIONS:
        OmegaConf.set_readonly(schema[name], False)
    return schema


def _config_error(error: Exception, overrides: Sequence[str]) -> ConfigError:
    text = " ".join(f"{error} {error.__cause__ or ''}".split())
    known = known_keys()
    for override in overrides:
        key = override.split("=")[0].lstrip("+~")
        if key not in known and key not in ("experiment", *SECTIONS):
            near = difflib.get_close_matches(key, known, 1, 0.4)
            return ConfigError(
                "A training setting is unknown",
                where=override,
                seen=key,
                expected=f"{near[0]}?" if near else "a setting of configs/train.yaml",
                next_step=f"svdmv train {near[0]}=..." if near else "svdmv train --help",
            )
    return ConfigError(
        "A training setting cannot be used",
        where=" ".join(overrides) or "configs/",
        seen=re.sub(r"full_key.*", "", text)[:240],
        expected="KEY=VALUE of the right type",
        next_step="svdmv train --help",
    )


def known_keys() -> list[str]:
    """Every setting by its dotted name."""
    from dataclasses import fields, is_dataclass

    def walk(value: Any, head: str) -> list[str]:
        names: list[str] = []
        for item in fields(value):
            inner = getattr(value, item.name)
            name = f"{head}{item.name}"
            names += walk(inner, name + ".") if is_dataclass(inner) else [name]
        return names

    return walk(TrainConfig(), "")
