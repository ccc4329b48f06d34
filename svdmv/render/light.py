"""A light map made ready for shading: blurred for every roughness, and cut into cells for the light bake.

The work depends on the map alone, so it is kept in memory and in the user's cache folder
(XDG_CACHE_HOME/svdmv/light-*.npz, plain arrays, named by a hash of the map).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.render.environment import environment_map, map_directions, resampled

Floats = NDArray[np.float32]

ROUGHNESS_LEVELS = np.array([0.0, 0.1, 0.17, 0.25, 0.35, 0.5, 0.7, 1.0], np.float32)
LEVEL_HEIGHT = 128
NUM_CELLS = 128
MAX_SHARP_HEIGHT = 512
CACHE_VERSION = "2"


@dataclass(frozen=True, eq=False)
class Light:
    """A map, ready for use.

    Attributes:
        levels: (L, 128, 256, 3) float32, the map blurred by the GGX lobe of each of ROUGHNESS_LEVELS.
        sharp: (H, 2H, 3) float32, the map itself at 128 to 512 rows: what mirrors show.
        cell_directions: (C, 3) float32 unit vectors; the sphere is cut into C cells around them.
        cell_energies: (C, 3) float32, radiance times solid angle, summed over each cell.
        cell_solid_angles: (C,) float32 steradians; they sum to 4 pi.
    """

    levels: Floats
    sharp: Floats
    cell_directions: Floats
    cell_energies: Floats
    cell_solid_angles: Floats


_MEMORY: dict[str, Light] = {}
_MEMORY_SIZE = 2  # about 5 MB each; reading one back takes a few milliseconds


def light_from(source: str | Path | NDArray[Any]) -> Light:
    """The Light of a name, a .hdr file or a map (see environment_map), from memory or the cache where it is known."""
    environment = environment_map(source)
    digest = hashlib.sha256(f"{CACHE_VERSION} {environment.shape} {NUM_CELLS} {LEVEL_HEIGHT}".encode())
    digest.update(environment.tobytes())
    key = digest.hexdigest()[:32]
    if key in _MEMORY:
        return _MEMORY[key]
    path = cache_folder() / f"light-{key}.npz"
    light = _read(path)
    if light is None:
        light = Light(prefiltered(environment), _sharp(environment), *light_cells(environment))
        _write(path, light)
    if len(_MEMORY) >= _MEMORY_SIZE:
        _MEMORY.pop(next(iter(_MEMORY)))
    _MEMORY[key] = light
    return light


def cache_folder() -> Path:
    """Where prepared lights are kept: XDG_CACHE_HOME/svdmv, else ~/.cache/svdmv."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "svdmv"


def _read(path: Path) -> Light | None:
    """The cached light, or None when there is none or the file is damaged (it is then made anew)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = ("levels", "sharp", "directions", "energies", "solid_angles")
            light = Light(*(arrays[name] for name in names))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if light.sharp.ndim != 3 or light.sharp.shape[2] != 3:
        return None
    whole = light.levels.shape == (len(ROUGHNESS_LEVELS), LEVEL_HEIGHT, 2 * LEVEL_HEIGHT, 3)
    return light if whole and len(light.cell_directions) == NUM_CELLS else None


def _write(path: Path, light: Light) -> None:
    """Keep a light on disk, whole or not at all. A cache that cannot be written costs time only, so it may fail."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(
                    file,
                    levels=light.levels,
                    sharp=light.sharp,
                    directions=light.cell_directions,
                    energies=light.cell_energies,
                    solid_angles=light.cell_solid_angles,
                )
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)


def ggx_lobe(cosines: NDArray[Any], roughness: float) -> NDArray[Any]:
    """Weights of a GGX lobe seen along its own axis (n = v = r): D(h) (n.l), not normalised; alpha = roughness^2.

    Source: B. Karis, "Real Shading in Unreal Engine 4", SIGGRAPH 2013 course notes.
    """
    alpha_squared = max(roughness, 1e-3) ** 4
    half_squared = (1 + cosines) / 2
    lobe: NDArray[Any] = np.maximum(cosines, 0) / (half_squared * (alpha_squared - 1) + 1) ** 2
    return lobe


def zonal_blur(image: Floats, roughness: float) -> Floats:
    """The map (H, 2H, 3) convolved with the lobe on the sphere: exact on the grid, one FFT a pair of rows."""
    height, width = image.shape[:2]
    elevation = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    turn = np.cos(2 * np.pi * np.arange(width) / width)
    spectrum = np.fft.rfft(image, axis=1)
    area = np.cos(elevation)
    out = np.zeros_like(spectrum)
    for i in range(height):
        cosines = np.sin(elevation[i]) * np.sin(elevation)[:, None]
        cosines = cosines + np.cos(elevation[i]) * np.cos(elevation)[:, None] * turn
        kernel = ggx_lobe(cosines, roughness) * area[:, None]
        out[i] = np.einsum("jf,jfc->fc", np.fft.rfft(kernel, axis=1) / kernel.sum(), spectrum)
    return np.asarray(np.fft.irfft(out, width, axis=1), np.float32)


def prefiltered(environment: Floats) -> Floats:
    """(L, 128, 256, 3): the map at each of ROUGHNESS_LEVELS; rough levels are blurred on a coarser grid."""
    levels = [resampled(environment, LEVEL_HEIGHT)]
    for roughness in ROUGHNESS_LEVELS[1:]:
        height = 128 if roughness < 0.4 else 64
        levels.append(upsampled(zonal_blur(resampled(environment, height), float(roughness)), LEVEL_HEIGHT))
    return np.ascontiguousarray(np.maximum(np.stack(levels), 0), np.float32)


def _sharp(environment: Floats) -> Floats:
    return resampled(environment, min(max(environment.shape[0], LEVEL_HEIGHT), MAX_SHARP_HEIGHT))


def upsampled(image: Floats, height: int) -> Floats:
    """Doubled until `height` rows, linear between pixel centres; wraps in longitude, holds at the poles."""
    while image.shape[0] < height:
        for axis in (0, 1):
            ends = [0 if axis == 0 else -1], [-1 if axis == 0 else 0]
            padded = np.concatenate([image.take(ends[0], axis), image, image.take(ends[1], axis)], axis)
            n = image.shape[axis]
            middle, before, after = (padded.take(range(k, n + k), axis) for k in (1, 0, 2))
            pairs = np.stack([0.75 * middle + 0.25 * before, 0.75 * middle + 0.25 * after], axis + 1)
            image = pairs.reshape([s * (2 if a == axis else 1) for a, s in enumerate(middle.shape)])
    return image


def light_cells(environment: Floats, count: int = NUM_CELLS, rounds: int = 3) -> tuple[Floats, Floats, Floats]:
    """The sphere cut into `count` cells by weighted Lloyd relaxation; half of the density follows the light.

    Returns:
        directions (C, 3), energies (C, 3), solid angles (C,), as in Light.
    """
    small = resampled(environment, 96)
    directions, solid_grid = map_directions(96)
    directions, solid, rgb = directions.reshape(-1, 3), solid_grid.reshape(-1), small.reshape(-1, 3)
    shine = rgb.mean(1) * solid
    density = 0.5 * solid / solid.sum() + 0.5 * shine / max(shine.sum(), 1e-20)
    order = np.argsort(np.arange(len(directions)) * 0.6180339887 % 1, kind="stable")  # scrambled: strata spread out
    heap = np.cumsum(density[order])
    points = directions[order[np.searchsorted(heap, (np.arange(count) + 0.5) / count * heap[-1])]]

    def totals(owner: NDArray[Any], values: NDArray[Any]) -> NDArray[np.float64]:
        return np.stack([np.bincount(owner, v, count) for v in values.T], 1)

    for _ in range(rounds):
        owner = np.argmax(directions @ points.T, 1)
        moved = totals(owner, directions * density[:, None])
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        points = np.where(norms > 1e-12, moved / np.maximum(norms, 1e-12), points)
    owner = np.argmax(directions @ points.T, 1)
    energies = totals(owner, rgb * solid[:, None])
    angles = totals(owner, solid[:, None])[:, 0]
    return points.astype(np.float32), energies.astype(np.float32), angles.astype(np.float32)


@lru_cache(maxsize=1)
def reflectance_table(size: int = 32, samples: int = 256) -> Floats:
    """(size, size, 3) float32 over (roughness, n.v): A and B of the split sum with Schlick's Fresnel term, and C, the
    share a dielectric of index 1.5 reflects with the exact Fresnel term. GGX with height-correlated Smith masking.

    Source: B. Karis 2013 as above; E. Heitz, "Understanding the Masking-Shadowing Function", JCGT 2014, eq. 99.
    """
    u1 = (np.arange(samples) + 0.5) / samples
    u2 = np.arange(samples) * 0.6180339887 % 1 * 2 * np.pi
    nv = np.linspace(1e-3, 1, size)[:, None]
    out = np.zeros((size, size, 3), np.float32)
    for i, roughness in enumerate(np.linspace(0, 1, size)):
        a2 = max(float(roughness), 0.02) ** 4
        hz = np.sqrt((1 - u1) / (1 + (a2 - 1) * u1))
        hx = np.sqrt(1 - hz * hz) * np.cos(u2)
        vh = np.clip(hx * np.sqrt(1 - nv * nv) + hz * nv, 1e-6, 1)
        nl = 2 * vh * hz - nv
        seen = nl > 0
        nl = np.where(seen, nl, 1)
        smith_v, smith_l = np.sqrt(a2 + (1 - a2) * nv * nv), np.sqrt(a2 + (1 - a2) * nl * nl)
        weight = np.where(seen, 2 * nl * nv / (nl * smith_v + nv * smith_l) * vh / (hz * nv), 0)
        schlick = (1 - vh) ** 5
        ct = np.sqrt(1 - (1 - vh * vh) / 2.25)
        exact = 0.5 * (((vh - 1.5 * ct) / (vh + 1.5 * ct)) ** 2 + ((ct - 1.5 * vh) / (ct + 1.5 * vh)) ** 2)
        out[i, :, 0] = (weight * (1 - schlick)).mean(1)
        out[i, :, 1] = (weight * schlick).mean(1)
        out[i, :, 2] = (weight * exact).mean(1)
    return out
