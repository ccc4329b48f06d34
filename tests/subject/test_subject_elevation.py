"""The elevation estimate says what it is."""

from __future__ import annotations

import numpy as np
import pytest

from svdmv.core import ConfigError
from svdmv.subject import estimate_elevation


def test_assumed_elevation_is_ten_degrees_and_its_error_spans_the_trained_range() -> None:
    estimate = estimate_elevation(np.zeros((64, 64, 4), np.uint8))
    assert (estimate.degrees, estimate.how) == (10.0, "assumed")
    assert estimate.degrees - estimate.error_deg <= -5
    assert estimate.degrees + estimate.error_deg >= 30


def test_unknown_estimator_is_refused_with_the_known_names() -> None:
    with pytest.raises(ConfigError, match="assumed"):
        estimate_elevation(np.zeros((64, 64, 4), np.uint8), how="guess")
