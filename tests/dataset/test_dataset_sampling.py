"""What is drawn for an orbit: from (uid, orbit, seed) alone, within bounds; distances that fit; turns and exposure."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest

from svdmv.core import ConfigError, Orbit
from svdmv.dataset.sampling import OrbitRule, drawn_orbit, fitting_radius, share_of, turned_about_y

RULE = OrbitRule()


def test_a_draw_is_fixed_for_all_time() -> None:
    """Data sets of years ago have to come out again: these numbers may never change."""
    draw = drawn_orbit("teapot", 1, 7, RULE)
    told = (draw.light, draw.exposure_stops, draw.object_yaw_deg, draw.light_yaw_deg, draw.orbit.elevations_deg[0])
    digest = hashlib.sha256(b"svdmv-orbit-1\x007\x001\x00elevation\x00teapot").hexdigest()
    assert share_of("teapot", 1, 7, "elevation") == int(digest[:12], 16) / 2**48
    assert told == ("sun", 0.2269, 116.0526, 189.0484, 13.7163)


def test_each_of_uid_orbit_and_seed_changes_every_number() -> None:
    def numbers(uid: str, orbit: int, seed: int) -> tuple[float, ...]:
        draw = drawn_orbit(uid, orbit, seed, RULE)
        return (draw.exposure_stops, draw.object_yaw_deg, draw.light_yaw_deg, float(draw.orbit.elevations_deg[0]))

    first = numbers("a", 0, 0)
    assert numbers("a", 0, 0) == first
    for other in (numbers("b", 0, 0), numbers("a", 1, 0), numbers("a", 0, 1)):
        assert all(x != y for x, y in zip(first, other, strict=True))


def test_draws_fill_their_ranges_evenly() -> None:
    draws = [drawn_orbit(f"o{n}", 0, 0, RULE) for n in range(800)]
    for values, (low, high) in (
        ([d.orbit.elevations_deg[0] for d in draws], RULE.elevation_range_deg),
        ([d.exposure_stops for d in draws], RULE.exposure_range_stops),
        ([d.object_yaw_deg for d in draws], RULE.object_yaw_range_deg),
        ([d.light_yaw_deg for d in draws], RULE.light_yaw_range_deg),
    ):
        scaled = np.sort((np.array(values) - low) / (high - low))
        assert np.abs(scaled - np.linspace(0, 1, 800)).max() < 0.06  # Kolmogorov-Smirnov at far beyond 1 %
    counts = {light: sum(d.light == light for d in draws) for light in RULE.lights}
    assert min(counts.values()) > 150


def test_dynamic_paths_close_on_their_start_and_go_around_once() -> None:
    draw = drawn_orbit("a", 0, 0, replace(RULE, kind="dynamic", num_views=84))
    orbit = draw.orbit
    assert orbit.azimuths_deg[0] == 0
    assert orbit.azimuths_deg[-1] < 360
    assert (np.diff(orbit.azimuths_deg) >= 0).all()
    assert -5 <= orbit.elevations_deg[0] <= 30
    assert np.ptp(orbit.elevations_deg) > 1
    assert np.abs(np.diff(orbit.elevations_deg, append=orbit.elevations_deg[0])).max() < 12
    assert np.array_equal(drawn_orbit("a", 0, 0, replace(RULE, kind="dynamic", num_views=84)).orbit.azimuths_deg,
                          orbit.azimuths_deg)  # fmt: skip


def test_distance_of_a_point_by_hand() -> None:
    """A point 0.5 to the right of a camera at elevation 0: 0.5 / (fill tan(fov / 2)); half as far up counts as much."""
    orbit = Orbit(np.array([0.0]), np.array([0.0]), 1.0, 33.8)
    expected = 0.5 / (0.9 * math.tan(math.radians(16.9)))
    assert fitting_radius(np.array([[0.5, 0, 0]]), orbit, 0.9) == pytest.approx(expected, abs=1.1e-4)
    assert fitting_radius(np.array([[0, -0.5, 0]]), orbit, 0.9) == pytest.approx(expected, abs=1.1e-4)
    assert fitting_radius(np.array([[0.5, 0, 0.2]]), orbit, 0.9) == pytest.approx(expected + 0.2, abs=1.1e-4)
    assert fitting_radius(np.array([[0, 0, 0.5]]), orbit, 0.9) == pytest.approx(0.51, abs=1.1e-4)


@pytest.mark.parametrize("fill", [0.5, 0.9, 1.0])
def test_all_points_stay_inside_and_one_touches(fill: float) -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(-0.5, 0.5, (400, 3)) * (1, 0.4, 0.7)
    orbit = drawn_orbit("a", 0, 0, replace(RULE, kind="dynamic")).orbit
    fitted = replace(orbit, radius=fitting_radius(points, orbit, fill))
    reach = 0.0
    for camera in fitted.cameras(100, 100):
        pose = camera.camera_from_world
        local = (points @ pose[:3, :3].T + pose[:3, 3]) @ camera.K.T
        reach = max(reach, float(np.abs(local[:, :2] / local[:, 2:] - 50).max() / 50))
    assert fill - 1e-3 < reach <= fill + 1e-9


def test_turning_takes_the_front_to_the_right_as_azimuth_counts() -> None:
    assert turned_about_y(90)[:3, :3] @ (0, 0, 1) == pytest.approx((1, 0, 0))
    eye = Orbit(np.array([30.0]), np.array([0.0]), 1.0).positions()[0]
    assert turned_about_y(30)[:3, :3] @ (0, 0, 1) == pytest.approx(eye)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"kind": "spiral"}, "kind"),
        ({"codec": "jpeg"}, "codec"),
        ({"size": 4}, "size"),
        ({"lights": ()}, "lights"),
        ({"elevation_range_deg": (-5.0, 90.0)}, "elevation"),
        ({"exposure_range_stops": (1.0, 0.0)}, "range"),
        ({"fill": 0.0}, "fill"),
    ],
)
def test_rules_out_of_range_are_refused(wrong: dict[str, object], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        OrbitRule(**wrong)  # type: ignore[arg-type]
