"""One turn around an asset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, ConfigError, Orbit
from svdmv.io.meshes import normalised
from svdmv.render import render_views


def turntable_frames(
    asset: Asset, *, frames: int = 42, size: int = 512, elevation_deg: float = 15.0, shading: str = "unlit"
) -> NDArray[np.uint8]:
    """(N, S, S, 4) uint8 straight alpha: the asset, of any size and anywhere, turned once before the default lens.

    Args:
        shading: as in `render_views`; "unlit" shows the texture as it is.

    Raises:
        ConfigError: a number is out of range.
    """
    for name, value, low, high in (("--frames", frames, 1, 1000), ("--size", size, 16, 4096)):
        if not low <= value <= high:
            raise ConfigError("The turntable cannot be made so", where=name, seen=value, expected=f"{low} .. {high}")
    if not -89 <= elevation_deg <= 89:
        raise ConfigError(
            "The elevation is out of range", where="--elevation", seen=elevation_deg, expected="-89 .. 89"
        )
    unit, _ = normalised(asset)
    cameras = Orbit.static(elevation_deg, frames).cameras(size, size)
    return render_views(unit, cameras, shading=shading, with_geometry=False).rgba_u8()  # type: ignore[arg-type]
