"""Methods that know nothing of the object's other sides: what every model has to beat."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.bench.methods import Method, Task
from svdmv.bench.resize import resized_rgba
from svdmv.core import ConfigError, ViewSet
from svdmv.dataset.orbits import OrbitStore

THUMBNAIL_PX = 16


def _repeated(task: Task) -> NDArray[np.uint8]:
    return np.repeat(task.input_rgba[None], len(task.truth), 0)


def copy() -> Method:
    """The input view everywhere."""
    return Method("copy", lambda task: task.views(_repeated(task)), "trivial", identity="1")


def mirrored_copy() -> Method:
    """The input view, mirrored where the camera stands behind (more than 90 degrees of azimuth from the input)."""

    def predict(task: Task) -> ViewSet:
        rgba = _repeated(task)
        azimuths = np.array(task.track.azimuths_deg) - task.track.azimuths_deg[task.track.input_view]
        behind = np.cos(np.radians(azimuths)) < 0
        rgba[behind] = rgba[behind][:, :, ::-1]
        return task.views(rgba)

    return Method("mirrored_copy", predict, "trivial", identity="1")


def blank() -> Method:
    """Nothing: the background."""
    return Method("blank", lambda task: task.views(np.zeros_like(_repeated(task))), "trivial", identity="1")


def _store(path: str) -> OrbitStore:
    if not path:
        raise ConfigError(
            "This method needs training orbits",
            where="store",
            seen="nothing",
            expected="an orbit store, as svdmv train leaves it in OUT/store",
            next_step="svdmv bench run ... store=outputs/mini/store",
        )
    return OrbitStore.open(Path(path))


def mean_orbit(store: str = "") -> Method:
    """Mean of all training orbits, colours weighted by alpha; every start view counts alike, so all views are equal."""
    images = _store(store).images

    @cache
    def mean() -> NDArray[np.uint8]:
        color = np.zeros((*images.shape[2:4], 3), np.float64)
        alpha = np.zeros(images.shape[2:4], np.float64)
        for orbit in images:
            a = orbit[..., 3] / 255.0
            color += (orbit[..., :3] * a[..., None]).sum(0)
            alpha += a.sum(0)
        share = 255 * alpha[..., None] / (len(images) * images.shape[1])
        rgba = np.concatenate([color / np.maximum(alpha, 1e-6)[..., None], share], -1)
        return np.round(rgba).clip(0, 255).astype(np.uint8)

    def predict(task: Task) -> ViewSet:
        return task.views(np.repeat(resized_rgba(mean()[None], task.suite.size_px), len(task.truth), 0))

    return Method("mean_orbit", predict, "trivial", facts={"store": Path(store).name, "orbits": len(images)})


def nearest_orbit(store: str = "") -> Method:
    """The training orbit, turned, whose view looks most like the input view; for equally spaced orbits."""
    images = _store(store).images

    @cache
    def thumbnails() -> NDArray[np.float32]:
        return np.stack([thumbnails_of(np.asarray(orbit)) for orbit in images])

    def predict(task: Task) -> ViewSet:
        mine = thumbnails_of(resized_rgba(task.input_rgba[None], images.shape[2]))[0]
        distance = ((thumbnails() - mine) ** 2).mean(-1)
        orbit, view = np.unravel_index(int(distance.argmin()), distance.shape)
        steps = (np.array(task.track.azimuths_deg) / 360 * images.shape[1]).round().astype(int) + int(view)
        return task.views(resized_rgba(np.asarray(images[orbit])[steps % images.shape[1]], task.suite.size_px))

    return Method("nearest_orbit", predict, "trivial", facts={"store": Path(store).name, "orbits": len(images)})


def thumbnails_of(rgba: NDArray[np.uint8], side: int = THUMBNAIL_PX) -> NDArray[np.float32]:
    """(..., side * side * 4) float32: pictures (..., H, W, 4) over white with alpha, averaged to side x side."""
    values = rgba.astype(np.float32) / 255
    alpha = values[..., 3:]
    joined = np.concatenate([values[..., :3] * alpha + (1 - alpha), alpha], -1)
    block = rgba.shape[-2] // side
    shaped = joined.reshape(*rgba.shape[:-3], side, block, side, block, 4)
    small: NDArray[np.float32] = shaped.mean((-4, -2)).reshape(*rgba.shape[:-3], -1)
    return small
