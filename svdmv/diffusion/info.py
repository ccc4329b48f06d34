"""What a checkpoint says about itself. Foreign habits are fields here, not ifs elsewhere."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from svdmv.core import CheckpointError
from svdmv.core.orbit import DEFAULT_FOV_Y_DEG, UNIT_BOX_RADIUS
from svdmv.diffusion.guidance import Guidance

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
    autoencoder carries alpha. assumed: names of fields that no publication or file states.
    """

    name: str
    licence: str
    image_size: int = 576
    image_channels: int = 3
    num_views: int = 21
    input_view_index: int = 0
    azimuth_sign: int = 1
    ids: tuple[str, ...] = ("fps", "motion_bucket", "noise_aug", "elevation")
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
            unknown = set(values) - known
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
            for name in ("ids", "elevation_range_deg", "assumed"):
                if name in made:
                    made[name] = tuple(made[name])
            return cls(**made)
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                "The checkpoint's settings cannot be read",
                where=where,
                seen=error,
                expected="the fields of CheckpointInfo",
            ) from error

    @classmethod
    def read(cls, folder: Path) -> CheckpointInfo:
        """From FOLDER/svdmv.json."""
        path = folder / INFO_FILE
        try:
            values = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(
                "The checkpoint's settings cannot be read", where=path, seen=error, expected="a JSON file"
            ) from error
        return cls.from_dict(values, str(path))
