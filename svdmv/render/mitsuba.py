"""Mitsuba 3 behind the same door (extra `reference`): path tracing on the CPU.

The fast variant compiles through LLVM, and a wrong LLVM ends the whole process; so it is tried once in a child process,
and the slow scalar variant takes over where the child does not come back. Depths, normals and other maps come from the
rasteriser. Mitsuba has another principled material (no multiple scattering between facets) and no Blackman-Harris
filter; a Gaussian of the same width stands for it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, Camera, ConfigError, Material, Orbit, ViewSet, require
from svdmv.render.cycles import with_maps, with_normals
from svdmv.render.environment import environment_map
from svdmv.render.pixels import srgb_steps
from svdmv.render.texels import LINEAR_OF_BYTE

SAMPLES_PER_SQUARE = 64
FILTER_DEVIATION_PX = 0.4155  # of the rasteriser's Blackman-Harris window
MAX_DEPTH = 12
_PROBE = (
    "import mitsuba as mi; mi.set_variant('llvm_ad_rgb'); import drjit as dr; print(dr.sum(dr.arange(mi.Float, 4)))"
)


def render_views(
    asset: Asset,
    cameras: Sequence[Camera],
    *,
    orbit: Orbit | None = None,
    light: str | Path | NDArray[Any] = "studio",
    supersampling: int = 2,
    shading: str = "pbr",
    exposure_stops: float = 0.0,
    with_geometry: bool = True,
    with_surface: bool = False,
    report: Callable[[str, int, int], None] | None = None,
    samples: int | None = None,
) -> ViewSet:
    """All views of an asset by Mitsuba; arguments as in svdmv.render.render_views, and

    Args:
        shading: pbr, final (the same) or matte.
        samples: paths a pixel; None = SAMPLES_PER_SQUARE supersampling^2.

    Raises:
        MissingDependency: Mitsuba is not installed. ConfigError: unlit shading, or pixels that are not square.
    """
    if shading not in ("pbr", "final", "matte"):
        raise ConfigError("Mitsuba does not know this shading", where="shading", seen=shading, expected="pbr or matte")
    mi = require("mitsuba", "reference", "The Mitsuba renderer")
    mi.set_variant(usable_variant())
    say = report or (lambda stage, done, total: None)
    say("load", 0, len(cameras))
    count = samples or SAMPLES_PER_SQUARE * supersampling**2
    scene = mi.load_dict(
        {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": MAX_DEPTH, "hide_emitters": True},
            "light": {"type": "envmap", "bitmap": mi.Bitmap(_turned(environment_map(light)))},
            **_shapes(mi, with_normals(asset), shading == "matte"),
        }
    )
    pictures = []
    for number, camera in enumerate(cameras):
        sensor = mi.load_dict(_sensor(mi, camera, count))
        linear = np.array(mi.render(scene, sensor=sensor, seed=number))
        pictures.append(_straight(linear * np.array([*[2.0**exposure_stops] * 3, 1.0], np.float32)))
        say("views", number + 1, len(cameras))
    rgba = np.stack(pictures)
    views = ViewSet(
        images=np.ascontiguousarray(rgba[..., :3]),
        alphas=np.ascontiguousarray(rgba[..., 3]),
        cameras=tuple(cameras),
        orbit=orbit,
        provenance={
            "renderer": "mitsuba",
            "version": mi.__version__,
            "variant": mi.variant(),
            "light": light if isinstance(light, str) else str(light) if isinstance(light, Path) else "array",
            "shading": shading,
            "exposure_stops": exposure_stops,
            "samples": count,
        },
    )
    return with_maps(views, asset, with_geometry, with_surface)


@lru_cache(maxsize=1)
def usable_variant() -> str:
    """ "llvm_ad_rgb" where a child process lives through it, else "scalar_rgb"."""
    done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False, timeout=120)
    return "llvm_ad_rgb" if done.returncode == 0 and "6" in done.stdout else "scalar_rgb"


def _turned(environment: NDArray[np.float32]) -> NDArray[np.float32]:
    """Our map with its middle at +X as Mitsuba's, whose u grows from -Z by way of +X."""
    return np.ascontiguousarray(np.roll(environment, -(environment.shape[1] // 4), 1))


def _sensor(mi: Any, camera: Camera, samples: int) -> dict[str, Any]:
    K, width, height = camera.K, camera.width, camera.height
    if not np.isclose(K[0, 0], K[1, 1], rtol=1e-4):
        raise ConfigError(
            "Mitsuba's camera has square pixels",
            where="Camera.K",
            seen=f"fx {K[0, 0]:g}, fy {K[1, 1]:g}",
            expected="fx = fy",
            next_step="--renderer raster",
        )
    pose = camera.world_from_camera @ np.diag([-1.0, -1.0, 1.0, 1.0])
    distance = float(np.linalg.norm(camera.position))
    return {
        "type": "perspective",
        "fov_axis": "x",
        "fov": float(np.degrees(2 * np.arctan(width / (2 * K[0, 0])))),
        "principal_point_offset_x": float(0.5 - K[0, 2] / width),
        "principal_point_offset_y": float(0.5 - K[1, 2] / height),
        "near_clip": 1e-3 * max(distance, 1.0),
        "far_clip": 1e3 * max(distance, 1.0),
        "to_world": mi.ScalarTransform4f(pose),
        "film": {
            "type": "hdrfilm",
            "width": width,
            "height": height,
            "pixel_format": "rgba",
            "component_format": "float32",
            "rfilter": {"type": "gaussian", "stddev": FILTER_DEVIATION_PX},
        },
        "sampler": {"type": "independent", "sample_count": samples},
    }


def _straight(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, 4) bytes, sRGB with straight alpha, of linear premultiplied light."""
    alpha = np.clip(linear[..., 3:], 0, 1)
    rgb = np.where(alpha > 0, linear[..., :3] / np.maximum(alpha, 1e-6), 0)
    coded = np.searchsorted(srgb_steps()[0], rgb, side="right")
    return np.concatenate([coded, np.rint(alpha * 255)], -1).astype(np.uint8)


def _shapes(mi: Any, asset: Asset, matte: bool) -> dict[str, Any]:
    """One Mitsuba mesh a material."""
    mesh, of_faces = asset.mesh, asset.material_of_faces()
    shapes: dict[str, Any] = {}
    for number, material in enumerate(asset.materials):
        faces = mesh.faces[of_faces == number]
        if not len(faces):
            continue
        used, index = np.unique(faces, return_inverse=True)
        properties = mi.Properties()
        properties["surface"] = mi.load_dict(_surface(mi, material, matte, colored=mesh.colors is not None))
        if max(material.emissive_factor_linear) > 0:
            glow = np.array(material.emissive_factor_linear, np.float32)
            picture = None if material.emissive_srgb is None else LINEAR_OF_BYTE[material.emissive_srgb] * glow
            radiance = _constant(glow) if picture is None else _texture(mi, picture)
            properties["glow"] = mi.load_dict({"type": "area", "radiance": radiance})
        shape = mi.Mesh(
            f"part {number}",
            len(used),
            len(faces),
            has_vertex_normals=True,
            has_vertex_texcoords=mesh.uvs is not None,
            props=properties,
        )
        if mesh.colors is not None:
            shape.add_attribute("vertex_color", 3, LINEAR_OF_BYTE[mesh.colors[used]].reshape(-1))
        parameters = mi.traverse(shape)
        parameters["vertex_positions"] = mesh.vertices[used].reshape(-1)
        parameters["faces"] = index.reshape(-1).astype(np.uint32)
        if mesh.normals is not None:
            parameters["vertex_normals"] = mesh.normals[used].reshape(-1)
        if mesh.uvs is not None:
            parameters["vertex_texcoords"] = mesh.uvs[used].reshape(-1)
        parameters.update()
        shapes[f"part_{number}"] = shape
    return shapes


def _surface(mi: Any, material: Material, matte: bool, colored: bool) -> dict[str, Any]:
    """The material as a Mitsuba BSDF; vertex colours count where there is no picture."""
    factor = np.array(material.base_color_factor_linear, np.float32)
    base: dict[str, Any] = _constant(factor[:3])
    if material.base_color_srgb is not None:
        base = _texture(mi, LINEAR_OF_BYTE[material.base_color_srgb[..., :3]] * factor[:3])
    elif colored:
        base = {"type": "mesh_attribute", "name": "vertex_color"}
    if matte:
        bsdf: dict[str, Any] = {"type": "diffuse", "reflectance": base}
    else:
        rough, metal = _value(material.roughness), _value(material.metallic)
        if material.metallic_roughness_linear is not None:
            planes = (material.metallic_roughness_linear / 255).astype(np.float32)
            rough = _texture(mi, planes[..., 1:2] * np.float32(material.roughness))
            metal = _texture(mi, planes[..., 2:3] * np.float32(material.metallic))
        bsdf = {"type": "principled", "base_color": base, "roughness": rough, "metallic": metal, "eta": 1.5}
    if material.normal_linear is not None:
        bumps = (material.normal_linear / 255).astype(np.float32)
        bsdf = {"type": "normalmap", "normalmap": _texture(mi, bumps), "bsdf": bsdf}
    bsdf = {"type": "twosided", "bsdf": bsdf}
    if material.alpha_mode != "OPAQUE":
        alpha = np.full((1, 1, 1), factor[3], np.float32)
        if material.base_color_srgb is not None:
            alpha = (material.base_color_srgb[..., 3:] / 255 * factor[3]).astype(np.float32)
        if material.alpha_mode == "MASK":
            alpha = (alpha >= material.alpha_cutoff).astype(np.float32)
        bsdf = {"type": "mask", "opacity": _texture(mi, alpha), "bsdf": bsdf}
    return bsdf


def _constant(rgb: NDArray[np.float32]) -> dict[str, Any]:
    return {"type": "rgb", "value": [float(v) for v in rgb]}


def _value(value: float) -> dict[str, Any]:
    return {"type": "uniform", "value": float(value)}


def _texture(mi: Any, linear: NDArray[Any]) -> dict[str, Any]:
    bitmap = mi.Bitmap(np.ascontiguousarray(linear, np.float32))
    return {"type": "bitmap", "bitmap": bitmap, "raw": True, "wrap_mode": "repeat"}
