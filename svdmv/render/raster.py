"""The first renderer: z-buffer, light baked on the surface, split-sum reflections. CPU, no noise, same bytes each time.

prepare() does all that does not depend on the camera; render() is cheap and may be called for any number of cameras.
Limits: BLEND materials are cut out at alpha 0.5, not mixed; normal maps are not read; a face that reaches behind
the near plane (1/1000 of the object's radius before the eye) is left out whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, Camera, ConfigError, Orbit, ViewSet
from svdmv.render.bake import Bake, bake
from svdmv.render.light import ROUGHNESS_LEVELS, Light, light_from, reflectance_table
from svdmv.render.scene import Scene, scene_from_asset

Shading = Literal["pbr", "matte", "unlit"]
SHADINGS: tuple[str, ...] = ("unlit", "matte", "pbr")  # in the order of the kernels' numbers
FILTER_WIDTH_PX = 3.0
LOD_BIAS = -0.5
MAX_SUPERSAMPLING = 8


@dataclass(frozen=True, eq=False)
class Prepared:
    """An asset with its light, ready for any camera. `light` and `baked` are None when unlit."""

    scene: Scene
    shading: Shading
    light: Light | None
    baked: Bake | None


@dataclass(frozen=True, eq=False)
class Rendering:
    """One view: rgba (H, W, 4) uint8 sRGB straight alpha; depth (H, W) float32 along +Z, inf where nothing is, and
    normal (H, W, 3) float32 world, 0 where nothing is, both at pixel centres; None when not asked for."""

    rgba: NDArray[np.uint8]
    depth: NDArray[np.float32] | None
    normal: NDArray[np.float32] | None


def prepare(asset: Asset, light: str | Path | NDArray[Any] = "studio", *, shading: Shading = "pbr") -> Prepared:
    """Lay the asset out and bake its light, once for all cameras.

    Args:
        asset: any scale and place; light comes from infinitely far, fixed to the world.
        light: a name in environment.ENVIRONMENTS, a .hdr file, or a map (H, W, 3) of linear radiance.
        shading: pbr (glTF metallic-roughness), matte (base colour times light), unlit (base colour).

    Raises:
        ConfigError: no such shading. InputError: no such light. DataError: no face has an area.
    """
    if shading not in SHADINGS:
        raise ConfigError("Unknown shading", where="shading", seen=shading, expected=" or ".join(SHADINGS))
    if shading == "unlit":
        return Prepared(scene_from_asset(asset, max_edge=np.inf), shading, None, None)
    scene, ready = scene_from_asset(asset), light_from(light)
    return Prepared(scene, shading, ready, bake(scene, ready, with_probes=shading == "pbr"))


def render(prepared: Prepared, camera: Camera, *, supersampling: int = 2, with_geometry: bool = True) -> Rendering:
    """One view with supersampling^2 samples a pixel, Blackman-Harris filter 3 px wide.

    Raises:
        ConfigError: supersampling is not in 1 .. MAX_SUPERSAMPLING.
    """
    from svdmv.render import _kernels as kernels

    if not 1 <= supersampling <= MAX_SUPERSAMPLING:
        raise ConfigError(
            "Supersampling is out of range",
            where="supersampling",
            seen=supersampling,
            expected=f"a whole number, 1 to {MAX_SUPERSAMPLING}",
        )
    scene, ss = prepared.scene, supersampling
    screen = _projected(scene, camera)
    face_rows = np.empty(len(scene.faces), np.int64)
    kernels.choose_mips(
        screen,
        scene.faces,
        scene.face_texels,
        scene.face_materials,
        scene.first_rows,
        scene.num_levels,
        LOD_BIAS,
        face_rows,
    )
    size = (camera.height, camera.width)
    texturing = (scene.face_cutoffs, scene.uvs, scene.texels, scene.mip_rows, face_rows)

    fine = screen * np.array([ss, ss, 1.0])
    ids = np.full((size[0] * ss, size[1] * ss), -1, np.int32)
    nearest = np.zeros(ids.shape, np.float32)
    kernels.rasterise(fine, scene.faces, *texturing, ids, nearest)
    samples = np.empty((*ids.shape, 4), np.float32)
    _shade(prepared, camera, ss, ids, fine, face_rows, samples)
    rgba = np.empty((*size, 4), np.uint8)
    weights, reach = filter_weights(ss)
    kernels.resolve(samples, weights, reach, ss, rgba)
    if not with_geometry:
        return Rendering(rgba, None, None)

    if ss > 1:
        ids, nearest = np.full(size, -1, np.int32), np.zeros(size, np.float32)
        kernels.rasterise(screen, scene.faces, *texturing, ids, nearest)
    normal = np.zeros((*size, 3), np.float32)
    kernels.surface_normals(ids, screen, scene.faces, scene.vertices, scene.normals, camera.position, normal)
    depth = np.where(nearest > 0, 1 / np.where(nearest > 0, nearest, 1), np.inf).astype(np.float32)
    return Rendering(rgba, depth, normal)


def render_views(
    asset: Asset,
    cameras: Sequence[Camera],
    *,
    orbit: Orbit | None = None,
    light: str | Path | NDArray[Any] = "studio",
    supersampling: int = 2,
    shading: Shading = "pbr",
    with_geometry: bool = True,
    report: Callable[[str, int, int], None] | None = None,
) -> ViewSet:
    """All views of an asset; see svdmv.render.render_views."""
    say = report or (lambda stage, done, total: None)
    say("light", 0, len(cameras))
    prepared = prepare(asset, light, shading=shading)
    views = []
    for camera in cameras:
        views.append(render(prepared, camera, supersampling=supersampling, with_geometry=with_geometry))
        say("views", len(views), len(cameras))
    rgba = np.stack([v.rgba for v in views])
    return ViewSet(
        images=np.ascontiguousarray(rgba[..., :3]),
        alphas=np.ascontiguousarray(rgba[..., 3]),
        cameras=tuple(cameras),
        depths=np.stack([v.depth for v in views if v.depth is not None]) if with_geometry else None,
        normals=np.stack([v.normal for v in views if v.normal is not None]) if with_geometry else None,
        orbit=orbit,
        provenance={
            "renderer": "raster",
            "light": light if isinstance(light, str) else str(light) if isinstance(light, Path) else "array",
            "shading": shading,
            "supersampling": supersampling,
        },
    )


def filter_weights(ss: int) -> tuple[NDArray[np.float32], int]:
    """One axis of the Blackman-Harris pixel filter on the sample grid, summing to 1, and how many samples it starts
    before the pixel. FILTER_WIDTH_PX wide, which is Blender's "1.5"."""
    reach = int(np.ceil((FILTER_WIDTH_PX - 1) / 2 * ss))
    x = (np.arange(ss + 2 * reach) - reach + 0.5) / ss - 0.5
    t = 2 * np.pi * (x / FILTER_WIDTH_PX + 0.5)
    weights = 0.35875 - 0.48829 * np.cos(t) + 0.14128 * np.cos(2 * t) - 0.01168 * np.cos(3 * t)
    weights = np.where(abs(x) < FILTER_WIDTH_PX / 2, weights, 0)
    return (weights / weights.sum()).astype(np.float32), reach


def _projected(scene: Scene, camera: Camera) -> NDArray[np.float64]:
    """(V, 3): x, y in pixels and 1 / depth; (0, 0, -1) behind the near plane."""
    pose = camera.camera_from_world
    local = (scene.vertices @ pose[:3, :3].T + pose[:3, 3]) @ camera.K.T
    depth = local[:, 2]
    visible = depth > 1e-3 * scene.radius
    inverse = np.where(visible, 1 / np.where(visible, depth, 1), -1.0)
    screen = np.column_stack([local[:, :2] * inverse[:, None], inverse])
    screen[~visible, :2] = 0
    return np.ascontiguousarray(screen)


def _shade(
    prepared: Prepared,
    camera: Camera,
    ss: int,
    ids: NDArray[np.int32],
    screen: NDArray[np.float64],
    face_rows: NDArray[np.int64],
    samples: NDArray[np.float32],
) -> None:
    """Fill samples (H ss, W ss, 4), linear and premultiplied, by the prepared shading."""
    from svdmv.render import _shading as kernels

    scene, light, baked = prepared.scene, prepared.light, prepared.baked
    if light is None or baked is None:
        levels, table = np.zeros((2, 2, 4, 3), np.float32), np.zeros((2, 2, 3), np.float32)
        baked = Bake(
            np.zeros((2, 1), np.int32),
            np.zeros((1, 3), np.float32),
            np.zeros((1, 2, kernels.PROBE_SIZE**2, 4), np.float32),
        )
    else:
        levels, table = light.levels, reflectance_table()
    kernels.shade(
        SHADINGS.index(prepared.shading), ss, ids, screen, scene.faces, scene.face_sides, scene.vertices,
        scene.normals, scene.uvs, scene.colors, baked.point_of, baked.light, baked.probes, scene.texels,
        scene.mip_rows, face_rows, levels, ROUGHNESS_LEVELS, table, camera.position, samples,
    )  # fmt: skip
