"""A suite is data: objects, cameras, size, lens, framing, background, renderer and metrics, named, versioned, hashed.

Shipped suites are configs/suite/NAME.yaml; any YAML file of the same form is one, and may be `like` a shipped one.
Every field that a paper fixed stands in `published` with its source, every other one in `ours` with the reason.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from svdmv.core import ConfigError, InputError, Orbit
from svdmv.core.require import require
from svdmv.io.settings import configs_folder

FORMAT = 1
BACKGROUNDS = {"white": 1.0, "grey": 0.5, "black": 0.0}
FRAMINGS = ("unit_box", "bounding_sphere")


@dataclass(frozen=True)
class SuiteObject:
    """One object. source: a file below the data root, or shape:SEED, shape2:SEED. sha256: of the file; empty when the
    publisher's copy may differ. turn_deg: rotation about +Y before anything else,
    counter-clockwise from above.
    """

    name: str
    source: str
    sha256: str = ""
    turn_deg: float = 0.0


@dataclass(frozen=True)
class Track:
    """One set of cameras: the input view is row `input_view`. Azimuths and elevations in degrees, one each a view."""

    name: str
    azimuths_deg: tuple[float, ...]
    elevations_deg: tuple[float, ...]
    input_view: int = 0

    def orbit(self, radius: float, fov_y_deg: float) -> Orbit:
        """Its cameras' orbit."""
        return Orbit(np.array(self.azimuths_deg), np.array(self.elevations_deg), radius, fov_y_deg)

    @property
    def elevation_deg(self) -> float:
        """Of the input view."""
        return self.elevations_deg[self.input_view]


@dataclass(frozen=True)
class Suite:
    """The protocol of a benchmark. size_px: square pictures. radius: of the orbit, in units of `framing`.

    metrics: names of svdmv.bench.metrics. input_view_counted: whether the view that methods are given is scored.
    """

    name: str
    version: int
    title: str
    objects: tuple[SuiteObject, ...]
    tracks: tuple[Track, ...]
    size_px: int
    radius: float
    fov_y_deg: float
    framing: Literal["unit_box", "bounding_sphere"] = "unit_box"
    background: str = "white"
    light: str = "studio"
    renderer: str = "raster"
    supersampling: int = 3
    metrics: tuple[str, ...] = ("psnr", "psnr_object", "ssim", "lpips_alex", "iou")
    input_view_counted: bool = False
    averaging: str = "view, object"
    published: Mapping[str, str] = field(default_factory=dict)
    ours: Mapping[str, str] = field(default_factory=dict)
    data: str = ""
    attribution: str = ""

    @property
    def sha256(self) -> str:
        """Of everything that changes a score: titles, notes and sources of choices do not."""
        said = {k: v for k, v in asdict(self).items() if k not in ("title", "published", "ours", "data", "attribution")}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def orbit(self, track: Track) -> Orbit:
        """The track's cameras around an object of this suite."""
        return track.orbit(self.radius, self.fov_y_deg)


def suites_folder() -> Path:
    """configs/suite."""
    return configs_folder() / "suite"


def suite_names() -> list[str]:
    """Names of the shipped suites."""
    return sorted(path.stem for path in suites_folder().glob("*.yaml"))


def load_suite(name: str) -> Suite:
    """A shipped suite by name, or any YAML file by path. Raises ConfigError: unknown; InputError: not a suite."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else suites_folder() / f"{name}.yaml"
    if not path.is_file():
        near = difflib.get_close_matches(name, suite_names(), 1, 0.4)
        raise ConfigError(
            "The suite is unknown",
            where="suite",
            seen=name,
            expected=", ".join(suite_names()),
            next_step=f"suite={near[0]}" if near else "svdmv bench list",
        )
    return suite_from_tree(_tree(path), path)


def _tree(path: Path) -> Any:
    """The YAML of a suite; `like: NAME` takes what it does not say from a shipped suite."""
    yaml = require("yaml", None, "reading suites")
    try:
        tree = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError("The suite cannot be read", where=path, seen=" ".join(str(error).split())[:200]) from error
    if isinstance(tree, dict) and "like" in tree:
        base = suites_folder() / f"{tree.pop('like')}.yaml"
        if base == path or not base.is_file():
            raise InputError(
                "The suite is like one that is not there", where=path, seen=base.stem, expected=", ".join(suite_names())
            )
        return {**_tree(base), **tree}
    return tree


def suite_from_tree(tree: Any, where: Path) -> Suite:
    """Check and build. Raises InputError naming the first key that is wrong."""

    def wrong(key: str, seen: object, expected: str) -> InputError:
        return InputError("The suite is damaged", where=where, seen=f"{key}: {seen}", expected=expected)

    if not isinstance(tree, dict):
        raise wrong("(whole file)", type(tree).__name__, "a mapping")
    known = {f.name for f in fields(Suite)} | {"format"}
    for key in tree:
        if key not in known:
            near = difflib.get_close_matches(str(key), sorted(known), 1, 0.4)
            raise wrong(str(key), "unknown key", f"{near[0]}?" if near else "a key of Suite")
    if tree.get("format") != FORMAT:
        raise wrong("format", tree.get("format"), str(FORMAT))
    values = {k: v for k, v in tree.items() if k != "format"}
    try:
        values["objects"] = tuple(SuiteObject(**row) for row in tree.get("objects") or ())
        values["tracks"] = tuple(_track(row) for row in tree["tracks"])
        values["metrics"] = tuple(tree.get("metrics", Suite.metrics))
        suite = Suite(**values)
    except (TypeError, KeyError, ValueError) as error:
        raise wrong("objects, tracks or a missing key", error, "the form of configs/suite/mini.yaml") from error
    for key, options in (("background", tuple(BACKGROUNDS)), ("framing", FRAMINGS)):
        if getattr(suite, key) not in options:
            raise wrong(key, getattr(suite, key), ", ".join(options))
    if not suite.tracks:
        raise wrong("tracks", "none", "one or more")
    for kind, rows in (("objects", suite.objects), ("tracks", suite.tracks)):
        names = [row.name for row in rows]
        if len(set(names)) < len(names):
            raise wrong(kind, "a name twice", "different names")
    return suite


def _track(row: Mapping[str, Any]) -> Track:
    """Rows are listed (azimuths_deg, elevations_deg) or a static orbit (static: elevation, views: count)."""
    if "static" in row:
        count = int(row.get("views", 21))
        return Track(str(row["name"]), tuple(n * 360.0 / count for n in range(count)), (float(row["static"]),) * count)
    if "dynamic" in row:
        orbit = Orbit.dynamic(float(row["dynamic"]), int(row["seed"]), int(row.get("views", 21)))
        return Track(str(row["name"]), tuple(orbit.azimuths_deg.tolist()), tuple(orbit.elevations_deg.tolist()))
    azimuths, elevations = row["azimuths_deg"], row["elevations_deg"]
    if len(azimuths) != len(elevations):
        raise ValueError(f"track {row['name']}: {len(azimuths)} azimuths, {len(elevations)} elevations")
    return Track(
        str(row["name"]),
        tuple(float(a) for a in azimuths),
        tuple(float(e) for e in elevations),
        int(row.get("input_view", 0)),
    )
