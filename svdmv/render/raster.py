"""The first renderer: z-buffer, light baked on the surface, reflections by look-up or by rays. CPU, no noise, same
bytes each time.

prepare() does all that does not depend on the camera; render() is cheap and may be called for any number of cameras.
Limits: a face that reaches behind the near plane (1/1000 of the object's radius before the eye) is left out whole;
blended surfaces do not bend light, and shadows through them are all or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, Camera, ConfigError, Orbit, ViewSet
from svdmv.render.bake import Bake
from svdmv.render.light import ROUGHNESS_LEVELS, Light, light_from, reflectance_table
from svdmv.render.pixels import filter_weights, parts_of, srgb_steps
from svdmv.render.refine import baked_and_refined
from svdmv.render.reflection import ray_rows, ray_scene, traced_light
from svdmv.render.scene import Scene, scene_from_asset

Shading = Literal["pbr", "matte", "unlit", "final"]
SHADINGS: tuple[str, ...] = ("pbr", "matte", "unlit", "final")
LOD_BIAS, FINE_LOD_BIAS = -0.5, -1.0  # mip levels finer than a pixel, for one sample a pixel and for several
MAX_SUPERSAMPLING = 8
MAX_LAYERS = 24  # blended surfaces behind one another that are mixed
LEAST_ALPHA = 0.002  # below it a blended sample is not there
GLOSSY_ROUGHNESS = 0.25  # pbr: below it reflections are traced, above they come from the probes
FINAL_ROUGHNESS = 1.01


@dataclass(frozen=True, eq=False)
class Prepared:
    """An asset with its light, ready for any camera. `light` and `baked` are None when unlit; `embree` is None when no
    sample is smooth enough for a reflection ray (roughness below `most_rough`)."""

    scene: Scene
    shading: Shading
    light: Light | None
    baked: Bake | None
    embree: Any
    most_rough: float


@dataclass(frozen=True, eq=False)
class Rendering:
    """One view: rgba (H, W, 4) uint8 sRGB straight alpha. At pixel centres, None when not asked for: depth (H, W)
    float32 along +Z, inf where nothing is; normal (H, W, 3) float32 world and position (H, W, 3) float32 world, 0 where
    nothing is; albedo (H, W, 3) uint8 sRGB base colour; mask (H, W) bool, True where a surface is."""

    rgba: NDArray[np.uint8]
    depth: NDArray[np.float32] | None = None
    normal: NDArray[np.float32] | None = None
    position: NDArray[np.float32] | None = None
    albedo: NDArray[np.uint8] | None = None
    mask: NDArray[np.bool_] | None = None


def prepare(asset: Asset, light: str | Path | NDArray[Any] = "studio", *, shading: Shading = "pbr") -> Prepared:
    """Lay the asset out and bake its light, once for all cameras.

    Args:
        asset: any scale and place; light comes from infinitely far, fixed to the world.
        light: a name in environment.ENVIRONMENTS, a .hdr or .exr file, or a map (H, W, 3) of linear radiance.
        shading: pbr (glTF metallic-roughness), final (the same with a reflection ray for every sample), matte (base
            colour times light), unlit (base colour).

    Raises:
        ConfigError: no such shading. InputError: no such light. DataError: no face has an area.
    """
    if shading not in SHADINGS:
        raise ConfigError("Unknown shading", where="shading", seen=shading, expected=" or ".join(SHADINGS))
    if shading == "unlit":
        return Prepared(scene_from_asset(asset, max_edge=np.inf, with_normal_maps=False), shading, None, None, None, 0)
    scene, ready = scene_from_asset(asset), light_from(light)
    scene, baked = baked_and_refined(scene, ready, with_probes=shading != "matte")
    most_rough = {"matte": 0.0, "pbr": GLOSSY_ROUGHNESS, "final": FINAL_ROUGHNESS}[shading]
    smoothest = float(scene.texels.values[:, 3].min()) / 65535
    embree = ray_scene(scene.vertices[scene.faces]) if smoothest < most_rough else None
    return Prepared(scene, shading, ready, baked, embree, most_rough)


def render(
    prepared: Prepared,
    camera: Camera,
    *,
    supersampling: int = 2,
    exposure_stops: float = 0.0,
    with_geometry: bool = True,
    with_surface: bool = False,
) -> Rendering:
    """One view with supersampling^2 samples a pixel, Blackman-Harris filter 3 px wide.

    Args:
        exposure_stops: linear light is multiplied by 2^stops before it is encoded.
        with_geometry: depth and normal. with_surface: position, albedo and mask. All describe the nearest surface at
            the pixel's centre; blended ones count where their picture's alpha is at least 0.5.

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
    screen = projected(scene, camera)
    face_rows = mip_rows(scene, screen, LOD_BIAS if ss == 1 else FINE_LOD_BIAS)
    rgba = np.zeros((camera.height, camera.width, 4), np.uint8)
    weights, reach = filter_weights(ss)
    for part in parts_of(screen, camera.width, camera.height, ss):
        samples = np.zeros((*part.sample_shape(ss), 4), np.float32)
        _draw(prepared, camera, part.screen(screen, ss), face_rows, ss, samples)
        kernels.resolve(
            samples, weights, reach, ss, part.top, part.left, part.first, part.last, 2.0**exposure_stops, *srgb_steps(),
            rgba,
        )  # fmt: skip
    if not (with_geometry or with_surface):
        return Rendering(rgba)
    return _with_maps(rgba, scene, camera, screen, face_rows, with_geometry, with_surface)


def render_views(
    asset: Asset,
    cameras: Sequence[Camera],
    *,
    orbit: Orbit | None = None,
    light: str | Path | NDArray[Any] = "studio",
    supersampling: int = 2,
    shading: Shading = "pbr",
    exposure_stops: float = 0.0,
    with_geometry: bool = True,
    with_surface: bool = False,
    report: Callable[[str, int, int], None] | None = None,
) -> ViewSet:
    """All views of an asset; see svdmv.render.render_views."""
    say = report or (lambda stage, done, total: None)
    say("light", 0, len(cameras))
    prepared = prepare(asset, light, shading=shading)
    views = []
    for camera in cameras:
        views.append(
            render(
                prepared,
                camera,
                supersampling=supersampling,
                exposure_stops=exposure_stops,
                with_geometry=with_geometry,
                with_surface=with_surface,
            )
        )
        say("views", len(views), len(cameras))
    del prepared  # hundreds of megabytes that need not lie beside two copies of the pictures

    def stacked(name: str) -> NDArray[Any] | None:
        rows = [row for view in views if (row := getattr(view, name)) is not None]
        return np.stack(rows) if rows else None

    rgba = np.stack([v.rgba for v in views])
    return ViewSet(
        images=np.ascontiguousarray(rgba[..., :3]),
        alphas=np.ascontiguousarray(rgba[..., 3]),
        cameras=tuple(cameras),
        depths=stacked("depth"),
        normals=stacked("normal"),
        positions=stacked("position"),
        albedos=stacked("albedo"),
        masks=stacked("mask"),
        orbit=orbit,
        provenance={
            "renderer": "raster",
            "light": light if isinstance(light, str) else str(light) if isinstance(light, Path) else "array",
            "shading": shading,
            "supersampling": supersampling,
            "exposure_stops": exposure_stops,
        },
    )


def projected(scene: Scene, camera: Camera) -> NDArray[np.float64]:
    """(V, 3): x, y in pixels and 1 / depth; (0, 0, -1) behind the near plane."""
    pose = camera.camera_from_world
    local = (scene.vertices @ pose[:3, :3].T + pose[:3, 3]) @ camera.K.T
    depth = local[:, 2]
    visible = depth > 1e-3 * scene.radius
    inverse = np.where(visible, 1 / np.where(visible, depth, 1), -1.0)
    screen = np.column_stack([local[:, :2] * inverse[:, None], inverse])
    screen[~visible, :2] = 0
    return np.ascontiguousarray(screen)


def mip_rows(scene: Scene, screen: NDArray[np.float64], bias: float) -> NDArray[np.int64]:
    """(F,) the row of the mip table whose texels are about as large as a pixel, or finer; screen in pixels."""
    from svdmv.render._kernels import choose_mips

    out = np.empty(len(scene.faces), np.int64)
    table = scene.texels
    choose_mips(
        screen,
        scene.faces,
        scene.face_texels,
        scene.face_materials,
        table.first_rows,
        table.num_levels,
        bias,
        out,
    )
    return out


def surface_of(scene: Scene, screen: NDArray[np.float64], face_rows: NDArray[np.int64]) -> Any:
    """The scene as the kernels take it; screen in samples."""
    from svdmv.render._surface import Surface

    t = scene.texels
    return Surface(
        screen, scene.faces, scene.face_sides, scene.face_mirrors, face_rows, scene.face_opacities, scene.face_unlit,
        scene.vertices, scene.normals, scene.tangents, scene.uvs, scene.colors, t.values, t.rows, t.emission_at,
        t.normal_at, t.emission_scale,
    )  # fmt: skip


def lighting_of(light: Light | None, baked: Bake | None) -> Any:
    """Light as the kernels take it; placeholders when there is none."""
    from svdmv.render._shading import Lighting

    if light is None or baked is None:
        empty = np.zeros((2, 2, 4, 3), np.float32)
        return Lighting(
            np.zeros((2, 1), np.int32), empty[0, 0], empty[0, 0, :0], np.zeros((1, 2, 1, 4), np.float32), empty,
            empty[:1], ROUGHNESS_LEVELS, empty[0],
        )  # fmt: skip
    return Lighting(
        baked.point_of, baked.light, baked.leans, baked.probes, light.levels, light.sharp[None], ROUGHNESS_LEVELS,
        reflectance_table(),
    )  # fmt: skip


def _draw(
    prepared: Prepared,
    camera: Camera,
    screen: NDArray[np.float64],
    face_rows: NDArray[np.int64],
    ss: int,
    samples: NDArray[np.float32],
) -> None:
    """Fill samples (h, w, 4), which are 0, with linear premultiplied light: blended layers from the nearest on, peeled
    off one by one (Everitt 2001), then what is opaque. Outlines are finer than the samples where nothing is blended."""
    from svdmv.render import _coverage, _kernels, _shading

    scene = prepared.scene
    surface, lighting = surface_of(scene, screen, face_rows), lighting_of(prepared.light, prepared.baked)
    mode = {"unlit": _shading.UNLIT, "matte": _shading.MATTE}.get(prepared.shading, _shading.PBR)
    texturing = (scene.uvs, scene.texels.values, scene.texels.rows, face_rows)
    shape = samples.shape[:2]
    ids, nearest = np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
    blended = scene.face_opacities >= 0
    none, untraced = np.zeros((0, 0), np.float32), np.zeros((0, 0, 3), np.float32)
    _kernels.rasterise(screen, scene.faces, ~blended, scene.face_cutoffs, *texturing, none, ids, nearest)
    if blended.any():
        ceiling, least = none, np.full(len(scene.faces), LEAST_ALPHA, np.float32)
        for _ in range(MAX_LAYERS):
            layer, depths = np.full(shape, -1, np.int32), nearest.copy()
            if not _kernels.rasterise(screen, scene.faces, blended, least, *texturing, ceiling, layer, depths):
                break
            _shading.shade(mode, ss, layer, surface, lighting, camera.position, untraced, samples)
            ceiling = np.where(layer >= 0, depths * np.float32(1 - 1e-6), np.float32(0))
    cells, covered = np.empty(0, np.int64), np.empty(0, np.int32)
    if not blended.any():
        cells, rank = np.empty(ids.size, np.int64), np.empty(shape, np.int32)
        cells = cells[: _coverage.outline_cells(ids, rank, cells)]
        covered = np.zeros(len(cells), np.int32)
        _coverage.cover_cells(screen, scene.faces, scene.face_cutoffs, *texturing, rank, covered, ids, nearest)
    incoming = untraced
    if prepared.embree is not None:
        incoming = traced_light(
            prepared.embree,
            surface,
            lighting,
            ids,
            nearest,
            camera.position,
            ray_rows(scene, camera, float(np.linalg.norm(camera.position - scene.vertices.mean(0)))),
            radius=scene.radius,
            most_rough=prepared.most_rough,
            sparse=ss > 1,
        )
    _shading.shade(mode, ss, ids, surface, lighting, camera.position, incoming, samples)
    _coverage.thin_out(samples, cells, covered)


def _with_maps(
    rgba: NDArray[np.uint8],
    scene: Scene,
    camera: Camera,
    screen: NDArray[np.float64],
    face_rows: NDArray[np.int64],
    with_geometry: bool,
    with_surface: bool,
) -> Rendering:
    """The view with what lies at its pixel centres."""
    from svdmv.render import _kernels, _shading

    size = (camera.height, camera.width)
    ids, nearest = np.full(size, -1, np.int32), np.zeros(size, np.float32)
    everything, none = np.ones(len(scene.faces), np.bool_), np.zeros((0, 0), np.float32)
    texturing = (scene.face_cutoffs, scene.uvs, scene.texels.values, scene.texels.rows, face_rows)
    _kernels.rasterise(screen, scene.faces, everything, *texturing, none, ids, nearest)
    shape, empty = (*size, 3), (0, *size[1:], 3)
    normal = np.zeros(shape if with_geometry else empty, np.float32)
    position, linear = (np.zeros(shape if with_surface else empty, np.float32) for _ in range(2))
    _shading.surface_maps(ids, surface_of(scene, screen, face_rows), camera.position, normal, position, linear)
    depth = np.where(nearest > 0, 1 / np.where(nearest > 0, nearest, 1), np.inf).astype(np.float32)
    albedo = np.searchsorted(srgb_steps()[0], linear, side="right").astype(np.uint8)
    return Rendering(
        rgba,
        depth=depth if with_geometry else None,
        normal=normal if with_geometry else None,
        position=position if with_surface else None,
        albedo=albedo if with_surface else None,
        mask=ids >= 0 if with_surface else None,
    )
