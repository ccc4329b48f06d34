"""Typed settings of `svdmv bench run`: KEY=VALUE, unknown keys refused with the nearest name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdmv.bench.methods import ALWAYS, WHERE_AT_HAND, Method, method_from_name
from svdmv.bench.metrics import Metric, metric_from_name
from svdmv.bench.plan import RunPlan
from svdmv.bench.references import cache_folder
from svdmv.bench.suite import BACKGROUNDS, load_suite
from svdmv.core import ConfigError, SvdmvError
from svdmv.io.settings import composed_settings

OPTION_OF = {  # which option goes to which method
    "svdmv": ("model", "steps", "guidance", "device", "through"),
    "folder": ("views", "layout", "name", "align", "mesh_light"),
    "mean_orbit": ("store",),
    "nearest_orbit": ("store",),
    "reference_vae": ("model", "device"),
}


@dataclass
class BenchConfig:
    """suite: name or file. method: one or several names, comma between. output: folder of the run.

    data: folder of the suite's objects. store: training orbits; adds mean_orbit and nearest_orbit. model, steps,
    guidance, device, through: of svdmv. views, layout, name, align, mesh_light: of folder. meshes: whether views are
    made into meshes and these scored. metrics: instead of the suite's, comma between. backgrounds: comma between, the
    first is tabled. limit: first so many objects. cache: folder of what can be taken again, none = no cache. trivial:
    whether the rows that are always there are run. device: one, or several with a comma between. workers: processes,
    0 = one a device. engine: local, or ray with the address of its cluster.
    """

    suite: str = "mini"
    method: str = "svdmv"
    output: str = ""
    data: str = ""
    store: str = ""
    model: str = "svdmv-mini"
    steps: str = ""
    guidance: str = ""
    device: str = "cpu"
    through: str = ""
    views: str = ""
    layout: str = "auto"
    align: str = "none"
    mesh_light: str = "unlit"
    name: str = ""
    metrics: str = ""
    backgrounds: str = "white"
    seeds: int = 1
    limit: int = 0
    cache: str = ""
    trivial: bool = True
    meshes: bool = False
    workers: int = 0
    engine: str = "local"
    address: str = ""


def bench_config(overrides: Sequence[str]) -> BenchConfig:
    """Raises ConfigError: unknown key, wrong type, not KEY=VALUE. A comma in a value is the value's own."""
    quoted = [f"{key}={value!r}" if "," in value else o for o in overrides for key, _, value in [o.partition("=")]]
    return composed_settings(BenchConfig, "bench", "bench", quoted, command="svdmv bench run")


def plan_from_config(config: BenchConfig) -> RunPlan:
    """The plan; its `absent` tells why metrics of the suite are left out (their weights are not at hand).

    Raises ConfigError: an unknown name, or a suite without objects; whatever methods raise while they load.
    """
    suite = load_suite(config.suite)
    if not suite.objects:
        raise ConfigError(
            "The suite has no objects of its own",
            where=suite.name,
            seen="an empty list",
            expected=suite.data,
            next_step="suite=FILE.yaml, a copy with objects",
        )
    backgrounds = tuple(config.backgrounds.split(","))
    for background in backgrounds:
        if background not in BACKGROUNDS:
            raise ConfigError(
                "The background is unknown", where="backgrounds", seen=background, expected=", ".join(BACKGROUNDS)
            )
    metrics: list[Metric] = []
    absent: dict[str, str] = {}
    for name in config.metrics.split(",") if config.metrics else suite.metrics:
        try:
            metrics.append(metric_from_name(name))
        except ConfigError:
            raise
        except SvdmvError as error:
            if config.metrics:
                raise
            absent[name] = f"{error.what}: {error.seen}; needs {error.expected}"
    names = config.method.split(",")
    not_run: dict[str, str] = {}
    if config.trivial:
        for name in (*ALWAYS, *WHERE_AT_HAND):
            why = "" if name in ALWAYS else _lacking(name, config, names)
            if why:
                not_run[name] = why
            elif name not in names:
                names.append(name)
    methods = _methods(config, names)
    cache = None if config.cache == "none" else Path(config.cache) if config.cache else cache_folder()
    if config.seeds < 1:
        raise ConfigError("The number of seeds is out of range", where="seeds", seen=config.seeds, expected="1 or more")
    return RunPlan(
        suite,
        methods,
        tuple(metrics),
        config.seeds,
        backgrounds,
        Path(config.data) if config.data else None,
        cache,
        config.limit or None,
        config.meshes,
        absent,
        config.device,
        not_run,
    )


def _lacking(name: str, config: BenchConfig, names: Sequence[str]) -> str:
    """Why a row that stands beside every model where it can be had is not run; empty when it is."""
    if name in names:
        return ""
    if name == "reference_vae":
        return "" if "svdmv" in names else "needs a checkpoint, method=svdmv or method=reference_vae"
    return "" if config.store else "needs training orbits, store=FOLDER or --store FOLDER"


def _methods(config: BenchConfig, names: Sequence[str]) -> tuple[Method, ...]:
    made = []
    for name in names:
        keys: Any = OPTION_OF.get(name, ())
        made.append(method_from_name(name, {k: str(getattr(config, k)) for k in keys if getattr(config, k) != ""}))
    if len({m.name for m in made}) < len(made):
        raise ConfigError(
            "Two methods have one name",
            where="method",
            seen=", ".join(m.name for m in made),
            expected="different names",
        )
    return tuple(made)
