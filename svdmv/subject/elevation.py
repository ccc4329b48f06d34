"""How far above the horizon the picture was taken: an estimate with an error bar, and how it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError

ASSUMED_DEG = 10.0
TRAINED_RANGE_DEG = (-5.0, 30.0)  # static orbits of SV3D App. B and of the model shipped here


@dataclass(frozen=True)
class ElevationEstimate:
    """Elevation of the camera that took a picture.

    Attributes:
        degrees: absolute elevation, positive = camera above the object.
        error_deg: the true value is expected within `degrees` -+ `error_deg`.
        how: name of the estimator; "assumed" means that the picture was not looked at.
    """

    degrees: float
    error_deg: float
    how: str


def assumed_elevation(rgba: NDArray[np.uint8]) -> ElevationEstimate:
    """The usual product-shot height, whatever the picture; the error bar spans the range that models are trained on."""
    low, high = TRAINED_RANGE_DEG
    return ElevationEstimate(ASSUMED_DEG, max(ASSUMED_DEG - low, high - ASSUMED_DEG), "assumed")


ESTIMATORS: Mapping[str, Callable[[NDArray[np.uint8]], ElevationEstimate]] = MappingProxyType(
    {"assumed": assumed_elevation}
)


def estimate_elevation(rgba: NDArray[np.uint8], *, how: str = "assumed") -> ElevationEstimate:
    """Estimate the elevation of the camera from a framed subject.

    Args:
        rgba: (S, S, 4) uint8 sRGB, straight alpha: `FramedSubject.rgba`.
        how: a name in ESTIMATORS.

    Raises:
        ConfigError: unknown name.
    """
    if how not in ESTIMATORS:
        raise ConfigError(
            "There is no such elevation estimator",
            where="estimate_elevation(how=...)",
            seen=how,
            expected=", ".join(sorted(ESTIMATORS)),
            next_step="give the elevation in degrees: --elevation 10",
        )
    return ESTIMATORS[how](rgba)
