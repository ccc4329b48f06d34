"""Views that disagree brought nearer to each other: each against the picture that a coarse fit to all of them shows.

What a small move of the camera explains goes into the camera; the rest bends the picture. Views that still differ more
than others count less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, ViewSet
from svdmv.geometry.cameras import camera_positions
from svdmv.reconstruct.sdf_fit import FittedField
from svdmv.reconstruct.sdf_flow import displacement
from svdmv.reconstruct.sdf_rays import unit_directions

WORK_PX = 144  # pictures are compared at about this size, pooled
LIMIT_SHARE = 0.04  # of the side: no place moves farther
GAINS = (0.8, 1.25)  # of a view's contrast
MOVE_PRIOR = 0.02  # expected size of a camera's move: radians around the object, radii along
ALIKE = 60.0  # neighbouring pixels whose displacements tell the same
LEAST_WEIGHT = 0.25

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Alignment:
    """views: with pictures bent and cameras moved. weights: (M,) of the used views. moved_px: root mean square of the
    displacement of each used view on the object, pixels. turned_deg: (M,) of the cameras. psnr_db: (2,) of the used
    views against the fit's picture, before and after.
    """

    views: ViewSet
    weights: Float64Array
    moved_px: Float64Array
    turned_deg: Float64Array
    psnr_db: tuple[float, float]


def rendered_field(field: FittedField, cameras: Sequence[Camera]) -> Float32Array:
    """(N, H, W, 5) float32: colour times cover, cover, and depth along the ray times cover, world units."""
    from svdmv.reconstruct._sdf_kernels import picture_kernel

    lattice, step = field.lattice, field.lattice.step
    width, height = cameras[0].width, cameras[0].height
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], 1)
    direction = np.concatenate([unit_directions(camera, pixels) for camera in cameras]).astype(np.float32)
    view = np.repeat(np.arange(len(cameras), dtype=np.int32), len(pixels))
    eyes = (camera_positions(cameras) - np.array(lattice.low)) / step
    out = np.zeros((len(view), 5), np.float32)
    picture_kernel(
        field.phi.reshape(-1), field.colors.reshape(-1, 3), lattice.shape, eyes, step, view, direction,
        1 / (0.2 * step), out,
    )  # fmt: skip
    out[:, 4] *= np.float32(step)
    return out.reshape(len(cameras), height, width, 5)


def aligned_views(
    views: ViewSet, used: Sequence[int], trusted: NDArray[np.bool_], field: FittedField, *, move_cameras: bool = True
) -> Alignment:
    """The used views moved toward the picture of `field`; trusted ones stay as they are and count fully.

    Args:
        views: with alpha. used: indices of the views that take part. trusted: (M,) of them.
        move_cameras: let cameras take what they can explain; else pictures take it all.
    """
    assert views.alphas is not None
    scale = np.float32(255.0 if views.images.dtype == np.uint8 else 1.0)
    images, alphas, cameras = views.images.copy(), views.alphas.copy(), list(views.cameras)
    normals = None if views.normals is None else views.normals.copy()
    depths = None if views.depths is None else views.depths.copy()
    pool = max(1, round(max(views.size) / WORK_PX))
    width, height = views.size[0] // pool * pool, views.size[1] // pool * pool
    small = [pooled_camera(cameras[i], width, height, pool) for i in used]
    shown = rendered_field(field, small)
    middle = _middle(field)
    moved, turned, errors = np.zeros(len(used)), np.zeros(len(used)), np.zeros((2, len(used)))
    for row, index in enumerate(used):
        alpha = np.asarray(views.alphas[index], np.float32) / scale
        full = np.concatenate(
            [np.asarray(views.images[index], np.float32) / scale * alpha[..., None], alpha[..., None]], 2
        )
        wanted = np.ascontiguousarray(shown[row, ..., :4])
        if trusted[row] or wanted[..., 3].max() < 0.5:
            source = pooled(full, width, height, pool)
            errors[:, row] = _error(source, wanted)
            continue
        errors[0, row] = _error(pooled(full, width, height, pool), wanted)
        full = _matched_colors(full, pooled(full, width, height, pool), wanted)
        source = pooled(full, width, height, pool)
        limit = LIMIT_SHARE * max(views.size) / pool
        d: Float32Array = np.clip(displacement(source, wanted, _near(source, wanted)), -limit, limit)
        errors[1, row] = _error(_bent(source, d), wanted)
        on_object = wanted[..., 3] > 0.5
        moved[row] = pool * float(np.sqrt((d[on_object] ** 2).sum(-1).mean()))
        if move_cameras:
            depth = shown[row, ..., 4] / np.maximum(shown[row, ..., 3], 1e-6)
            camera, explained = _moved_camera(small[row], d, depth, on_object, middle)
            turned[row] = _turn_deg(camera, small[row])
            cameras[index] = replace(cameras[index], world_from_camera=camera.world_from_camera)
            d = d - explained
        whole = _enlarged(d, *views.size, pool)
        bent = np.clip(_bent(full, whole), 0, 1)
        if normals is not None:
            normals[index] = _bent_normals(normals[index], whole)
        if depths is not None:
            depths[index] = _bent_depth(depths[index], whole)
        straight: Float32Array = np.clip(bent[..., :3] / np.maximum(bent[..., 3:], 1e-3), 0, 1)
        images[index] = _as(views.images.dtype, straight)
        alphas[index] = _as(views.images.dtype, bent[..., 3])
    after = errors[1]
    weights = np.clip(2 / (1 + after / max(float(np.median(after)), 1e-9)), LEAST_WEIGHT, 1)
    weights[trusted] = 1
    changed = replace(
        views,
        images=images,
        alphas=alphas,
        cameras=tuple(cameras),
        orbit=None,
        normals=normals,
        depths=depths,
        positions=None,
        albedos=None,
        masks=None,
    )
    psnr = tuple(float(-10 * np.log10(max(e.mean(), 1e-10))) for e in errors)
    return Alignment(changed, weights, moved, turned, (psnr[0], psnr[1]))


def _as(dtype: np.dtype[np.generic], values: NDArray[np.floating]) -> NDArray[np.generic]:
    return np.round(values * 255).astype(np.uint8) if dtype == np.uint8 else values.astype(np.float32)


def pooled_camera(camera: Camera, width: int, height: int, pool: int) -> Camera:
    """The camera of a picture cut to width x height and then pooled."""
    return Camera(camera.K, camera.world_from_camera, width, height).resized(width // pool, height // pool)


def pooled(picture: Float32Array, width: int, height: int, pool: int) -> Float32Array:
    """The picture cut to width x height (multiples of `pool`), means of pool x pool pixels."""
    cut = picture[:height, :width]
    mean: Float32Array = cut.reshape(height // pool, pool, width // pool, pool, -1).mean((1, 3), dtype=np.float32)
    return mean


def _enlarged(d: Float32Array, width: int, height: int, pool: int) -> Float32Array:
    """The displacement of a pooled picture at every pixel of the whole one, in its pixels."""
    from svdmv.geometry.raster import sampled_bilinear

    if pool == 1:
        return d
    y, x = np.mgrid[0:height, 0:width]
    places = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], 1) / pool
    large: Float32Array = (pool * sampled_bilinear(d, places)).reshape(height, width, 2)
    return large


def _bent(picture: Float32Array, d: Float32Array) -> Float32Array:
    """picture(x + d(x))."""
    from svdmv.geometry.raster import sampled_bilinear

    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    places = np.stack([x.ravel() + 0.5 + d[..., 0].ravel(), y.ravel() + 0.5 + d[..., 1].ravel()], 1)
    return sampled_bilinear(picture, places).reshape(picture.shape)


def _bent_normals(normals: Float32Array, d: Float32Array) -> Float32Array:
    """normals(x + d(x)), unit again; 0 where they are unknown nearby."""
    bent = _bent(normals, d)
    length = np.linalg.norm(bent, axis=-1, keepdims=True)
    unit: Float32Array = np.where(length > 0.5, bent / np.maximum(length, 0.5), 0).astype(np.float32)
    return unit


def _bent_depth(depth: Float32Array, d: Float32Array) -> Float32Array:
    """depth(x + d(x)) of the nearest pixel: depths of two surfaces are not mixed."""
    height, width = depth.shape
    y, x = np.mgrid[0:height, 0:width]
    rows = np.clip(np.round(y + d[..., 1]).astype(np.int64), 0, height - 1)
    columns = np.clip(np.round(x + d[..., 0]).astype(np.int64), 0, width - 1)
    bent: Float32Array = depth[rows, columns]
    return bent


def _error(one: Float32Array, two: Float32Array) -> float:
    """Mean square of the difference where either shows the object."""
    either = (one[..., 3] > 0.02) | (two[..., 3] > 0.02)
    return float(((one - two)[either] ** 2).mean()) if either.any() else 0.0


def _near(one: Float32Array, two: Float32Array) -> Float32Array:
    from scipy.ndimage import gaussian_filter

    near: Float32Array = (gaussian_filter(np.maximum(one[..., 3], two[..., 3]), 3) > 0.02).astype(np.float32)
    return near


def _matched_colors(full: Float32Array, small: Float32Array, wanted: Float32Array) -> Float32Array:
    """`full` with mean and contrast of each channel as `wanted` has them where both are solid."""
    both = (small[..., 3] > 0.95) & (wanted[..., 3] > 0.95)
    if both.sum() < 100:
        return full
    out = full.copy()
    for c in range(3):
        have, want = small[both][:, c], wanted[both][:, c]
        gain = float(np.clip(want.std() / (have.std() + 1e-3), *GAINS))
        out[..., c] = (full[..., c] - have.mean() * full[..., 3]) * gain + want.mean() * full[..., 3]
    return np.clip(out, 0, 1)


def _middle(field: FittedField) -> Float64Array:
    """Middle of the solid part, world units."""
    solid = np.argwhere(field.phi < 0)
    if not len(solid):
        solid = np.array([[0, 0, 0], np.array(field.phi.shape) - 1])
    middle: Float64Array = np.array(field.lattice.low) + field.lattice.step * (solid.min(0) + solid.max(0)) / 2
    return middle


def _moved_camera(
    camera: Camera, d: Float32Array, depth: NDArray[np.floating], on_object: NDArray[np.bool_], middle: Float64Array
) -> tuple[Camera, Float32Array]:
    """The camera moved by what explains most of d, and that displacement (H, W, 2) for every pixel.

    The object moves before the camera by a small turn about `middle` and a shift; its share of the picture's motion is
    linear in the six numbers. A prior keeps them small.
    """
    height, width = on_object.shape
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], 1)
    along = np.where(on_object, depth, float(np.median(depth[on_object]))).ravel()
    rays = unit_directions(camera, pixels) @ camera.world_from_camera[:3, :3]
    points = rays * along[:, None]  # camera axes
    centre = camera.camera_from_world[:3, :3] @ middle + camera.camera_from_world[:3, 3]
    size = float(np.linalg.norm(points[on_object.ravel()] - centre, axis=1).max())
    jacobian = _motion(camera, points, centre, size)
    chosen = on_object.ravel()
    rows = jacobian[chosen].reshape(-1, 6)
    right = d.reshape(-1, 2)[chosen].reshape(-1).astype(np.float64)
    spread = max(float(np.median(np.abs(right))), 0.1)
    prior = (spread / MOVE_PRIOR) ** 2 * np.eye(6)
    six: Float64Array = np.zeros(6)
    for _ in range(3):
        weight = 1 / (ALIKE * (1 + ((rows @ six - right) / (2 * spread)) ** 2))
        system = (rows * weight[:, None]).T @ rows
        six = np.asarray(np.linalg.solve(system + prior, (rows * weight[:, None]).T @ right), np.float64)
    explained = (jacobian @ six).reshape(height, width, 2).astype(np.float32)
    turn = _rotation(six[:3])
    local = np.eye(4)  # new camera coordinates of a point: turn about the centre, then shift
    local[:3, :3] = turn
    local[:3, 3] = centre - turn @ centre + size * six[3:]
    pose = camera.world_from_camera @ np.linalg.inv(local)
    return replace(camera, world_from_camera=pose), explained


def _motion(camera: Camera, points: Float64Array, centre: Float64Array, size: float) -> Float64Array:
    """(M, 2, 6): motion of the pixel of each point (camera axes) per radian about `centre` and per `size` of shift."""
    X, Y, Z = points.T
    arm = points - centre
    zero = np.zeros_like(X)
    turns = np.stack(
        [
            np.stack([zero, -arm[:, 2], arm[:, 1]], 1),
            np.stack([arm[:, 2], zero, -arm[:, 0]], 1),
            np.stack([-arm[:, 1], arm[:, 0], zero], 1),
        ],
        2,
    )
    shifts = np.broadcast_to(size * np.eye(3), turns.shape)
    moves = np.concatenate([turns, shifts], 2)
    fx, fy = camera.K[0, 0], camera.K[1, 1]
    lens = np.stack([np.stack([fx / Z, zero, -fx * X / Z**2], 1), np.stack([zero, fy / Z, -fy * Y / Z**2], 1)], 1)
    motion: Float64Array = lens @ moves
    return motion


def _rotation(turn: Float64Array) -> Float64Array:
    from scipy.spatial.transform import Rotation

    matrix: Float64Array = Rotation.from_rotvec(turn).as_matrix()
    return matrix


def _turn_deg(one: Camera, two: Camera) -> float:
    between = one.world_from_camera[:3, :3].T @ two.world_from_camera[:3, :3]
    return float(np.degrees(np.arccos(np.clip((np.trace(between) - 1) / 2, -1, 1))))
