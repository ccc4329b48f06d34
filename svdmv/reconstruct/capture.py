"""Views from anywhere made ready for the methods: masks where they have none, the object at the origin and of size 1.

A method sees the object as the renderer would show it; what it returns is taken back to the world of the views.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, InputError, MissingDependency, SvdmvError, ViewSet
from svdmv.geometry.cameras import camera_positions, nearest_point_to_rays
from svdmv.reconstruct.result import Reconstruction

NEAR_UNIT = (0.4, 2.5)  # an object between these sizes, and this near the origin, is left as it is
NEAR_ORIGIN = 0.25
LEAST_SEPARATION = 0.78  # share of the variance that lies between Otsu's classes; 0.75 for evenly spread levels
LEAST_CONTRAST = 60.0  # 8-bit levels between the object's and the backdrop's medians
LARGEST_BORDER_SHARE = 0.4  # of the border that may be as bright as the object (it is cut off, or stands on something)
DARK_SHARE = 0.22  # of the way from backdrop to object that a pixel must reach; the object's shadows are dark too
CLOSING_SHARE, HOLE_SHARE = 0.012, 0.01  # of the shorter side; of the object's area
_MEASURED: Mapping[str, Any] = {"align": False, "input_view": None}
LEAST_PART_SHARE = 0.05  # smaller parts than this share of the largest are lamps and glints


@dataclass(frozen=True, eq=False)
class PreparedViews:
    """views: with alpha, about the origin. world_from_unit: (4, 4) similarity back. notes: what was done. defaults:
    settings of a method that measured cameras ask for: they stay where they are, and none is above others."""

    views: ViewSet
    world_from_unit: NDArray[np.float64]
    notes: tuple[str, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def restored(self, result: Reconstruction) -> Reconstruction:
        """A method's result in the world that the views came in."""
        figures: dict[str, Any] = dict(result.figures)
        if np.array_equal(self.world_from_unit, np.eye(4)):
            return replace(result, notes=(*self.notes, *result.notes))
        figures["world_from_unit"] = self.world_from_unit.tolist()
        return replace(
            result,
            mesh=result.mesh.transformed(self.world_from_unit),
            views=transformed_views(result.views, self.world_from_unit),
            notes=(*self.notes, *result.notes),
            figures=figures,
        )


def prepared_views(views: ViewSet) -> PreparedViews:
    """Masks and unit frame for views from anywhere; views of ours pass as they are.

    Raises:
        InputError: the views have no alpha, and no means here can tell the object from the background.
    """
    masked, notes = masked_views(views)
    if masked.orbit is not None:
        return PreparedViews(masked, np.eye(4), notes)
    centre, size = object_place(masked)
    if NEAR_UNIT[0] < size < NEAR_UNIT[1] and np.linalg.norm(centre) < NEAR_ORIGIN:
        return PreparedViews(masked, np.eye(4), notes, _MEASURED)
    world_from_unit = np.diag([size, size, size, 1.0])
    world_from_unit[:3, 3] = centre
    said = f"object of size {size:.3g} found at {np.round(centre, 4).tolist()}; fitted at the origin and brought back"
    inside = transformed_views(masked, np.linalg.inv(world_from_unit))
    return PreparedViews(inside, world_from_unit, (*notes, said), _MEASURED)


def transformed_views(views: ViewSet, matrix: NDArray[np.float64]) -> ViewSet:
    """The same pictures in another world: (4, 4) similarity new_from_old; depths and positions follow."""
    scale = float(np.cbrt(np.linalg.det(matrix[:3, :3])))
    cameras = []
    for camera in views.cameras:
        pose = matrix @ camera.world_from_camera
        pose[:3, :3] /= scale
        cameras.append(Camera(camera.K, pose, camera.width, camera.height))
    turn = matrix[:3, :3] / scale
    changes: dict[str, Any] = {"cameras": tuple(cameras), "orbit": None}
    if views.depths is not None:
        changes["depths"] = (views.depths * scale).astype(np.float32)
    if views.normals is not None:
        changes["normals"] = (views.normals @ turn.T).astype(np.float32)
    if views.positions is not None:
        seen = views.positions.any(-1, keepdims=True)
        moved = views.positions @ matrix[:3, :3].T + matrix[:3, 3]
        changes["positions"] = np.where(seen, moved, 0).astype(np.float32)
    return replace(views, **changes)


def object_place(views: ViewSet) -> tuple[NDArray[np.float64], float]:
    """Centre (3,) and longest extent of what the masks show, world units; from their boxes alone, to about 20 %."""
    rays, extents = [], []
    alphas = views.rgba_u8()[..., 3]
    for alpha, camera in zip(alphas, views.cameras, strict=True):
        rows, columns = np.flatnonzero((alpha > 127).any(1)), np.flatnonzero((alpha > 127).any(0))
        if not len(rows):
            continue
        middle = np.array([(columns[0] + columns[-1] + 1) / 2, (rows[0] + rows[-1] + 1) / 2])
        ray = camera.unproject(middle[None], np.ones(1))[0] - camera.position
        focal = np.sqrt(camera.K[0, 0] * camera.K[1, 1])
        rays.append((camera, ray, max(columns[-1] - columns[0], rows[-1] - rows[0]) / focal))
    if not rays:
        return np.zeros(3), 1.0
    positions = camera_positions([camera for camera, _, _ in rays])
    centre = nearest_point_to_rays(positions, np.stack([ray for _, ray, _ in rays]))
    for camera, _, share in rays:
        depth = float(camera.project(centre[None])[1][0])
        if depth > 0:
            extents.append(share * depth)
    size = float(np.median(extents)) if extents else 0.0
    return (centre, size) if size > 0 and np.isfinite(centre).all() else (np.zeros(3), 1.0)


def masked_views(views: ViewSet) -> tuple[ViewSet, tuple[str, ...]]:
    """The views with alpha: their own, that of a dark backdrop shared by all, or what svdmv.subject finds in each.

    Raises:
        InputError: no means here can tell the object from the background.
    """
    if views.alphas is not None:
        return views, ()
    pictures = views.rgba_u8()
    alphas = _backdrop_masks(pictures[..., :3])
    if alphas is not None:
        note = "the views have no alpha: the object was told from the dark backdrop by its brightness"
    else:
        alphas, note = _subject_masks(pictures)
    scaled = alphas if views.images.dtype == np.uint8 else (alphas / np.float32(255)).astype(np.float32)
    return replace(views, alphas=scaled), (note,)


def _backdrop_masks(images: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """(N, H, W) uint8 masks of something bright before something dark, None when the views are not like that."""
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    light = images.max(-1)
    sample = light[:, ::4, ::4].astype(np.float32)
    if sample.min() == sample.max():
        return None
    level = float(threshold_otsu(sample))
    bright = sample > level
    share = float(bright.mean())
    between = share * (1 - share) * (float(sample[bright].mean()) - float(sample[~bright].mean())) ** 2
    typical = float(np.median(sample[bright]))
    if between < LEAST_SEPARATION * float(sample.var()) or typical - np.median(sample[~bright]) < LEAST_CONTRAST:
        return None
    border = np.ones(light.shape[1:], bool)
    border[2:-2, 2:-2] = False
    if np.median([(view[border] > level).mean() for view in light]) > LARGEST_BORDER_SHARE:
        return None
    width = 2 * max(1, round(CLOSING_SHARE * min(light.shape[1:]))) + 1
    masks = np.zeros(light.shape, np.uint8)
    for i, view in enumerate(light):
        dark = float(np.median(view[view <= level])) if (view <= level).any() else 0.0
        found = (view > dark + DARK_SHARE * (typical - dark)).astype(np.uint8)
        closed = ndimage.minimum_filter(ndimage.maximum_filter(found, width), width, mode="nearest") > 0
        labels, _ = ndimage.label(~closed)
        areas = np.bincount(labels.ravel())
        small = areas < HOLE_SHARE * closed.sum()
        small[0] = False
        parts, _ = ndimage.label(closed | small[labels])
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        whole = (sizes >= LEAST_PART_SHARE * sizes.max())[parts] & (parts > 0)
        masks[i] = np.round(255 * ndimage.gaussian_filter(whole.astype(np.float32), 0.7))
    return masks


def _subject_masks(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], str]:
    from svdmv.subject.segmentation import best_segmentation

    masks = np.zeros(pictures.shape[:3], np.uint8)
    names: dict[str, int] = {}
    for i, picture in enumerate(pictures):
        try:
            found = best_segmentation(picture, None)
        except SvdmvError as error:
            raise InputError(
                "The views have no alpha, and the object cannot be told from the background",
                where=f"view {i} of {len(pictures)}",
                seen=error.one_line(),
                expected="pictures with transparency, mask_path in transforms.json, or an even background",
                next_step=error.next_step if isinstance(error, MissingDependency) else "save the views as RGBA",
            ) from error
        masks[i] = np.round(np.clip(found.mask, 0, 1) * 255)
        names[found.name] = names.get(found.name, 0) + 1
    told = ", ".join(f"{name} ({count})" for name, count in names.items())
    return masks, f"the views have no alpha: the object was cut out by {told}; look whether the masks are right"
