"""Typed settings composed by Hydra from a folder of configs and KEY=VALUE overrides; unknown keys name the nearest."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from svdmv.core import ConfigError, SvdmvError

T = TypeVar("T")


def configs_folder() -> Path:
    """configs/ beside the package in a checkout, inside it in an installation."""
    package = Path(__file__).parent.parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def composed_settings(
    kind: type[T], folder: str, name: str, overrides: Sequence[str], *, command: str, open_keys: Sequence[str] = ()
) -> T:
    """Settings of type `kind`, from configs/FOLDER/NAME.yaml (which names NAME_schema first) and the overrides.

    Args:
        kind: a dataclass whose fields all have defaults, nested dataclasses included.
        command: how the user called, for the error's next step.
        open_keys: fields that are plain dictionaries, under which any key may be set.

    Raises:
        ConfigError: an unknown key (with the nearest name), a wrong type, a bad override.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    ConfigStore.instance().store(name=f"{name}_schema", node=_writable(OmegaConf.structured(kind)))
    added = [f"++{o}" if any(o.startswith(f"{key}.") for key in open_keys) else o for o in overrides]
    base = configs_folder() / folder
    try:
        with initialize_config_dir(str(base.resolve()), version_base="1.3"):
            made = OmegaConf.to_object(compose(name, overrides=added))
    except (HydraException, OmegaConfBaseException) as error:
        groups = [path.name for path in base.iterdir() if path.is_dir()]
        raise _config_error(error, overrides, [*setting_names(kind()), *groups], open_keys, command) from error
    except SvdmvError as error:
        raise ConfigError(
            error.what, where=error.where, seen=error.seen, expected=error.expected, next_step=f"{command} --help"
        ) from error
    assert isinstance(made, kind)
    return made


def setting_names(value: Any, head: str = "") -> list[str]:
    """Every setting of a dataclass by its dotted name."""
    names: list[str] = []
    for item in fields(value):
        inner = getattr(value, item.name)
        name = f"{head}{item.name}"
        names += setting_names(inner, name + ".") if is_dataclass(inner) else [name]
    return names


def _writable(schema: Any) -> Any:
    """OmegaConf takes frozen dataclasses for read-only settings, which overrides could not change."""
    from omegaconf import DictConfig, OmegaConf

    OmegaConf.set_readonly(schema, False)
    for key in schema:
        if isinstance(schema._get_node(key), DictConfig) and not OmegaConf.is_missing(schema, key):
            _writable(schema[key])
    return schema


def _config_error(
    error: Exception, overrides: Sequence[str], known: Sequence[str], open_keys: Sequence[str], command: str
) -> ConfigError:
    for override in overrides:
        if "=" not in override and not override.startswith("~"):
            return ConfigError(
                "An argument is not KEY=VALUE",
                where=command,
                seen=override,
                expected=f"{known[0]}=...",
                next_step=f"{command} --help",
            )
        key = override.split("=")[0].lstrip("+~")
        parents = {name.rsplit(".", 1)[0] for name in known if "." in name}
        if key not in known and key not in parents and not key.startswith(tuple(f"{k}." for k in open_keys)):
            near = difflib.get_close_matches(key, known, 1, 0.4) or [n for n in known if n.endswith(f".{key}")]
            return ConfigError(
                "A setting is unknown",
                where=override,
                seen=key,
                expected=f"{near[0]}?" if near else "one of " + ", ".join(known),
                next_step=f"{command} {near[0]}=..." if near else f"{command} --help",
            )
    text = " ".join(f"{error} {error.__cause__ or ''}".split())
    return ConfigError(
        "A setting cannot be used",
        where=" ".join(overrides) or "configs/",
        seen=re.sub(r"full_key.*", "", text)[:240],
        expected="KEY=VALUE of the right type",
        next_step=f"{command} --help",
    )
