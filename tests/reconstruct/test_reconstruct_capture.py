"""Views from anywhere: masks where there are none, objects of any place and size fitted about the origin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analytic_shapes import box, smooth_colors, views_of

from svdmv.core import InputError, ViewSet
from svdmv.geometry.topology import signed_volumes
from svdmv.reconstruct import reconstruct_mesh
from svdmv.reconstruct.capture import masked_views, object_place, prepared_views, transformed_views

TURN = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # x -> y -> z -> x


def similarity(scale: float, shift: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = scale * TURN, shift
    return matrix


@pytest.fixture(scope="module")
def views() -> ViewSet:
    return views_of(box(0.3, 0.2, 0.25), size=48)


def dark_photos(views: ViewSet, noise: float = 4.0) -> ViewSet:
    """The same object before a dark, noisy backdrop, without alpha."""
    shown = views.on_background(0.0) * 0.7 + 0.3 * views.rgba_u8()[..., 3:] / 255
    random = np.random.default_rng(3).normal(8, noise, shown.shape)
    return ViewSet(np.clip(shown * 255 + random, 0, 255).astype(np.uint8), views.cameras)


def test_another_world_shows_the_same_pictures(views: ViewSet) -> None:
    matrix = similarity(3.0, (1, 2, 3))
    moved = transformed_views(replace(views, positions=np.ones((*views.images.shape[:3], 3), np.float32)), matrix)
    points = np.random.default_rng(0).uniform(-0.4, 0.4, (20, 3))
    there = points @ matrix[:3, :3].T + matrix[:3, 3]
    for old, new in zip(views.cameras, moved.cameras, strict=True):
        np.testing.assert_allclose(new.project(there)[0], old.project(points)[0], atol=1e-9)
        np.testing.assert_allclose(new.project(there)[1], 3 * old.project(points)[1])
    np.testing.assert_allclose(moved.positions[0, 0, 0], [4, 5, 6])  # 3 (1, 1, 1) + (1, 2, 3)


def test_the_place_of_an_object_is_found_from_its_masks(views: ViewSet) -> None:
    centre, size = object_place(transformed_views(views, similarity(0.1, (5, -4, 2))))
    np.testing.assert_allclose(centre, [5, -4, 2], atol=0.01)
    assert size == pytest.approx(0.06, rel=0.35)  # the longest side is 0.06, seen obliquely up to its diagonal


def test_a_far_small_object_is_fitted_at_the_origin_and_brought_back(views: ViewSet) -> None:
    matrix = similarity(0.05, (10, 20, -30))
    ours = reconstruct_mesh(replace(views, orbit=None), method="hull", resolution=48)
    theirs = reconstruct_mesh(transformed_views(views, matrix), method="hull", resolution=48)
    np.testing.assert_allclose(theirs.mesh.bounds.mean(0), [10, 20, -30], atol=0.001)
    sizes = [np.ptp(result.mesh.bounds, axis=0) for result in (ours, theirs)]
    np.testing.assert_allclose(sizes[1], 0.05 * sizes[0][[2, 0, 1]], rtol=0.03)
    volumes = [signed_volumes(r.mesh.vertices - r.mesh.bounds.mean(0), r.mesh.faces).sum() for r in (ours, theirs)]
    assert volumes[1] == pytest.approx(0.05**3 * volumes[0], rel=0.05)
    assert any("brought back" in note for note in theirs.notes)
    np.testing.assert_allclose(
        theirs.views.cameras[0].position, matrix[:3, :3] @ views.cameras[0].position + matrix[:3, 3]
    )


def test_views_of_ours_are_left_alone(views: ViewSet) -> None:
    assert views.orbit is not None
    prepared = prepared_views(views)
    assert prepared.views is views
    assert prepared.notes == ()
    assert prepared.defaults == {}
    foreign = prepared_views(replace(views, orbit=None))
    np.testing.assert_array_equal(foreign.world_from_unit, np.eye(4))
    assert foreign.defaults == {"align": False, "input_view": None}


def test_masks_before_a_dark_backdrop(views: ViewSet) -> None:
    photos = dark_photos(views)
    masked, notes = masked_views(photos)
    assert "dark backdrop" in notes[0]
    assert masked.alphas is not None
    truth, found = views.rgba_u8()[..., 3] > 127, masked.alphas > 127
    assert (truth & found).sum() / (truth | found).sum() > 0.97
    floats, _ = masked_views(replace(photos, images=(photos.images / np.float32(255)).astype(np.float32)))
    assert floats.alphas is not None
    assert floats.alphas.dtype == np.float32
    np.testing.assert_allclose(floats.alphas, masked.alphas / 255, atol=1e-6)


def test_lamps_and_shadows_do_not_change_the_masks(views: ViewSet) -> None:
    photos = dark_photos(views)
    spoiled = photos.images.copy()
    spoiled[:, 1:4, 1:4] = 250
    inside = views.rgba_u8()[0, ..., 3] > 0
    rows, columns = (round(float(a.mean())) for a in np.nonzero(inside))
    spoiled[0, rows : rows + 2, columns : columns + 2] = 0
    plain, changed = (masked_views(replace(photos, images=i))[0].alphas for i in (photos.images, spoiled))
    np.testing.assert_array_equal(plain, changed)


def test_views_before_an_even_bright_backdrop_go_by_the_segmenters(
    views: ViewSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SVDMV_WEIGHTS", "U2NET_HOME", "REMBG_HOME"):
        monkeypatch.setenv(name, "/nonexistent")
    photos = ViewSet((views.on_background(1.0) * 255).astype(np.uint8), views.cameras)
    masked, notes = masked_views(photos)
    assert "border_key (21)" in notes[0]
    assert masked.alphas is not None
    assert 0.05 < (masked.alphas > 127).mean() < 0.5


def test_views_without_any_way_to_a_mask_are_refused(views: ViewSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(picture: np.ndarray, weights: None) -> None:
        raise InputError("found nothing")

    monkeypatch.setattr("svdmv.subject.segmentation.best_segmentation", nothing)
    noise = np.random.default_rng(1).integers(0, 255, views.images.shape, np.uint8)
    with pytest.raises(InputError, match="cannot be told from the background"):
        masked_views(ViewSet(noise, views.cameras))
    with pytest.raises(InputError, match="cannot be told"):
        masked_views(ViewSet(np.zeros_like(views.images), views.cameras))


def test_colours_of_a_photo_set_end_on_the_mesh(views: ViewSet) -> None:
    made = reconstruct_mesh(dark_photos(views, noise=1.0), resolution=40)
    assert made.mesh.colors is not None
    expected = 255 * (0.7 * smooth_colors(made.mesh.vertices.astype(np.float64)) + 0.3) + 8
    assert np.median(np.abs(made.mesh.colors - np.clip(expected, 0, 255))) < 12
    assert made.views.alphas is not None
