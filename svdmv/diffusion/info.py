"""What a checkpoint says about itself. Foreign habits are fields here, not ifs elsewhere."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from svdmv.core import CheckpointError, ConfigError
from svdmv.core.orbit import DEFAULT_FOV_Y_DEG, UNIT_BOX_RADIUS
from svdmv.diffusion.guidance import Guidance
from svdmv.diffusion.samplers import SAMPLERS

INFO_FILE = "svdmv.json"


@dataclass(frozen=True)
class Framing:
    """How the training renders hold the object, so that pictures can be framed alike.

    rule: "unit_box" (longest side 1) or "bounding_sphere" (farthest vertex at 0.5). radius: camera distance in that
    unit. foreground_ratio: larger side of the object's box in the input view, as a share of the picture.
    """

    rule: Literal["unit_box", "bounding_sphere"] = "unit_box"
    radius: float = UNIT_BOX_RADIUS
    fov_y_deg: float = DEFAULT_FOV_Y_DEG
    foreground_ratio: float = 0.7


@dataclass(frozen=True)
class CheckpointInfo:
    """Everything needed to feed a checkpoint as it was trained.

    ids: order of the vector condition. elevation_unit: what the sinusoid of the elevation is fed with.
    azimuth_sign: +1 when view 1 is counter-clockwise from view 0 seen from above. image_channels: 4 when the
    autoencoder carries alpha. paste_input_view: view 0 is the framed input itself. calibrate_color: the colours of all
    views follow the map that takes the generated view 0 to the input. assumed: names of fields that no publication or
    file states.
    """

    name: str
    licence: str
    image_size: int = 576
    image_channels: int = 3
    num_views: int = 21
    input_view_index: int = 0
    azimuth_sign: int = 1
    ids: tuple[str, ...] = ("fps", "motion_bucket", "noise_aug", "elevation")
    id_widths: tuple[int, ...] = ()
    fps_id: float = 6.0
    motion_bucket_id: float = 127.0
    noise_aug: float = 0.02
    elevation_unit: Literal["deg", "rad"] = "deg"
    elevation_range_deg: tuple[float, float] = (-5.0, 30.0)
    framing: Framing = field(default_factory=Framing)
    sigma_min: float = 0.002
    sigma_max: float = 700.0
    rho: float = 7.0
    sampler: str = "euler"
    num_steps: int = 25
    guidance: Guidance = field(default_factory=Guidance)
    decode_chunk: int = 8
    clip_size: int = 224
    paste_input_view: bool = True
    calibrate_color: bool = False
    trained_on: str = ""
    assumed: tuple[str, ...] = ()
    sha256: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON form; `sha256` is left out, because it is measured from the weights."""
        out = asdict(self)
        out.pop("sha256")
        return out

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> CheckpointInfo:
        """Checked reading; unknown or missing fields raise CheckpointError."""
        known = {f.name for f in fields(cls)} - {"sha256"}
        try:
            unknown = set(dict(values)) - known
            if unknown:
                raise CheckpointError(
                    "A checkpoint setting is unknown",
                    where=where,
                    seen=", ".join(sorted(unknown)),
                    expected="fields of CheckpointInfo",
                    next_step="pip install -U svdmv",
                )
            made = dict(values)
            made["framing"] = Framing(**values.get("framing", {}))
            made["guidance"] = Guidance(**values.get("guidance", {}))
            for name in ("ids", "id_widths", "elevation_range_deg", "assumed"):
                if name in made:
                    made[name] = tuple(made[name])
            info = cls(**made)
            wrong = info._out_of_range()
        except (TypeError, ValueError, AttributeError, ConfigError) as error:
            raise CheckpointError(
                "The checkpoint's settings cannot be read",
                where=where,
                seen=error.seen if isinstance(error, ConfigError) else error,
                expected="the fields of CheckpointInfo",
                next_step="fetch the checkpoint again",
            ) from error
        if wrong:
            raise CheckpointError(
                "A checkpoint setting is out of range",
                where=where,
                seen=f"{wrong[0]} = {wrong[1]}",
                expected=wrong[2],
                next_step="fetch the checkpoint again",
            )
        return info

    def _widths_fit(self) -> bool:
        widths = self.id_widths
        return not widths or (len(widths) == len(self.ids) and all(w > 0 and w % 2 == 0 for w in widths))

    @property
    def ids_per_view(self) -> bool:
        """Whether every view is told its own camera, so that the orbit need not be static."""
        return "azimuth" in self.ids

    def _out_of_range(self) -> tuple[str, Any, str] | None:
        """The first setting that sampling could not work with: name, value, what it must be."""
        low, high = self.elevation_range_deg
        views, framing = self.num_views, self.framing
        rules: list[tuple[str, Any, bool, str]] = [
            (name, getattr(self, name), isinstance(getattr(self, name), int) and getattr(self, name) > 0, "1 or more")
            for name in ("image_size", "num_views", "num_steps", "decode_chunk", "clip_size")
        ]
        rules += [
            ("image_channels", self.image_channels, self.image_channels in (3, 4), "3 or 4"),
            ("id_widths", self.id_widths, self._widths_fit(), "none, or an even number for every id"),
            ("input_view_index", self.input_view_index, self.input_view_index in range(views), f"0 .. {views - 1}"),
            ("azimuth_sign", self.azimuth_sign, self.azimuth_sign in (-1, 1), "1 or -1"),
            ("elevation_unit", self.elevation_unit, self.elevation_unit in ("deg", "rad"), "deg or rad"),
            ("elevation_range_deg", self.elevation_range_deg, -90 < low <= high < 90, "low, high in (-90, 90)"),
            ("sigma_min", self.sigma_min, 0 < self.sigma_min < self.sigma_max < math.inf, "0 < sigma_min < sigma_max"),
            ("rho", self.rho, 0 < self.rho < math.inf, "more than 0"),
            ("noise_aug", self.noise_aug, 0 <= self.noise_aug <= 1, "0 .. 1"),
            ("fps_id", self.fps_id, math.isfinite(self.fps_id), "a number"),
            ("motion_bucket_id", self.motion_bucket_id, math.isfinite(self.motion_bucket_id), "a number"),
            ("sampler", self.sampler, self.sampler in SAMPLERS, ", ".join(SAMPLERS)),
            ("framing.rule", framing.rule, framing.rule in ("unit_box", "bounding_sphere"), "a known rule"),
            ("framing.radius", framing.radius, 0 < framing.radius < math.inf, "more than 0"),
            ("framing.fov_y_deg", framing.fov_y_deg, 0 < framing.fov_y_deg < 180, "between 0 and 180"),
            ("framing.foreground_ratio", framing.foreground_ratio, 0 < framing.foreground_ratio <= 1, "above 0, to 1"),
        ]
        return next(((name, value, expected) for name, value, fine, expected in rules if not fine), None)

    @classmethod
    def read(cls, folder: Path) -> CheckpointInfo:
        """From FOLDER/svdmv.json."""
        path = folder / INFO_FILE
        try:
            values = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(
                "The checkpoint's settings cannot be read",
                where=path,
                seen=error,
                expected="a JSON file",
                next_step="fetch the checkpoint again",
            ) from error
        return cls.from_dict(values, str(path))
