"""True views of a suite's objects, rendered by this project and cached by content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.bench.machine import code_sha256, key_of
from svdmv.bench.suite import Suite, SuiteObject, Track
from svdmv.core import Asset, Camera, DataError, InputError, ViewSet
from svdmv.dataset.objects import SHAPE_SCHEMES, asset_from_location
from svdmv.io.atomic import translated_os_errors, whole_folder
from svdmv.io.meshes import normalised, read_asset
from svdmv.io.views import load_views, save_views
from svdmv.render import render_views
from svdmv.render.raster import Prepared, prepare, render

Pictures = NDArray[np.uint8]
RENDERING = ("core", "geometry", "io", "render")  # rooms whose code decides the pictures


def cache_folder() -> Path:
    """SVDMV_CACHE/bench, or ~/.cache/svdmv/bench."""
    root = os.environ.get("SVDMV_CACHE") or Path.home() / ".cache" / "svdmv"
    return Path(root) / "bench"


def object_asset(suite: Suite, item: SuiteObject, data: Path | None) -> Asset:
    """The object of a row, turned and normalised as the suite says.

    Raises:
        InputError: no data root is given, or the file is not there (with where to get it).
        DataError: the file differs from the one that the suite names.
    """
    if _is_shape(item):
        asset = asset_from_location(item.source)
    else:
        check_object(suite, item, data)
        assert data is not None
        asset = read_asset(data / item.source)
    return normalised(_turned(asset, item.turn_deg), rule=suite.framing)[0]


def check_object(suite: Suite, item: SuiteObject, data: Path | None, cache: Path | None = None) -> None:
    """Raise InputError when the object's file is not there, DataError when it is another one than the suite names.

    cache: with all of the object's reference views in it, the file may be absent.
    """
    if _is_shape(item):
        return
    if data is None or not (data / item.source).is_file():
        if cache is not None and item.sha256:
            keys = [reference_key(suite, item, track, data) for track in suite.tracks]
            if all((cache / key / "transforms.json").is_file() for key in keys):
                return
        raise InputError(
            "An object of the suite is not at hand",
            where=item.source if data is None else data / item.source,
            seen="no data folder was named" if data is None else "no such file",
            expected=suite.data or "the suite's objects in one folder",
            next_step=f"svdmv bench run suite={suite.name} ... data=FOLDER",
        )
    found = _sha256_of(data / item.source)
    if item.sha256 and found != item.sha256:
        raise DataError(
            "An object of the suite differs from the one it names",
            where=data / item.source,
            seen=f"sha256 {found[:16]}...",
            expected=f"sha256 {item.sha256[:16]}...",
            next_step="fetch the suite's objects again",
        )


def check_any_object(suite: Suite, items: Sequence[SuiteObject], data: Path | None, cache: Path | None) -> None:
    """Raise InputError, which says where the suite's objects are had, when not one of them is at hand."""
    if any(_is_shape(item) or (data is not None and (data / item.source).is_file()) for item in items):
        return
    told: InputError | None = None
    for item in items:
        try:
            return check_object(suite, item, data, cache)
        except InputError as error:
            told = told or error
    if told is not None:
        raise told


def _is_shape(item: SuiteObject) -> bool:
    return item.source.partition(":")[0] in SHAPE_SCHEMES


def _sha256_of(path: Path) -> str:
    with translated_os_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _turned(asset: Asset, degrees: float) -> Asset:
    """Rotated about +Y, counter-clockwise seen from above."""
    if degrees == 0:
        return asset
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    mesh = asset.mesh
    normals = None if mesh.normals is None else (mesh.normals @ rotation.T).astype(np.float32)
    turned = replace(mesh, vertices=(mesh.vertices @ rotation.T).astype(np.float32), normals=normals)
    return replace(asset, mesh=turned)


def reference_key(suite: Suite, item: SuiteObject, track: Track, data: Path | None) -> str:
    """Name of the cache entry: a hash of everything that changes the pictures, the renderer's code among it."""
    content = item.sha256
    if not content and not _is_shape(item) and data is not None and (data / item.source).is_file():
        content = _sha256_of(data / item.source)
    said = {
        "object": [item.source, content, item.turn_deg],
        "track": [track.azimuths_deg, track.elevations_deg],
        "suite": [suite.size_px, suite.radius, suite.fov_y_deg, suite.framing, suite.light, suite.renderer],
        "supersampling": suite.supersampling,
        "renderer": code_sha256(RENDERING),
    }
    return key_of(said)


@dataclass
class LitObject:
    """An object of a suite, read and lit once, drawn by any cameras; the pictures are those of `render_views`."""

    suite: Suite
    item: SuiteObject
    data: Path | None

    @cached_property
    def asset(self) -> Asset:
        """Turned and normalised as the suite says. Raises what `object_asset` raises."""
        return object_asset(self.suite, self.item, self.data)

    @cached_property
    def _prepared(self) -> Prepared:
        return prepare(self.asset, self.suite.light)

    def views(self, cameras: Sequence[Camera], supersampling: int) -> tuple[Pictures, Pictures]:
        """(N, H, W, 3) and alpha (N, H, W), uint8, by the suite's renderer."""
        if self.suite.renderer == "raster":
            drawn = [
                render(self._prepared, camera, supersampling=supersampling, with_geometry=False).rgba
                for camera in cameras
            ]
            rgba = np.stack(drawn)
            return np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])
        views = render_views(
            self.asset,
            cameras,
            light=self.suite.light,
            renderer=self.suite.renderer,
            supersampling=supersampling,
            with_geometry=False,
        )
        assert views.alphas is not None
        return views.images, views.alphas


def reference_views(
    suite: Suite, item: SuiteObject, data: Path | None, cache: Path | None, lit: LitObject | None = None
) -> dict[str, ViewSet]:
    """Reference views of one object, by track's name; RGBA on the suite's cameras. What is not cached is rendered.

    lit: the same object under the same light, where it is at hand.
    """
    out: dict[str, ViewSet] = {}
    missing: list[Track] = []
    for track in suite.tracks:
        folder = None if cache is None else cache / reference_key(suite, item, track, data)
        if folder is not None and (folder / "transforms.json").is_file():
            out[track.name] = load_views(folder)
        else:
            missing.append(track)
    if missing:
        cameras = [c for track in missing for c in suite.orbit(track).cameras(suite.size_px, suite.size_px)]
        images, alphas = (lit or LitObject(suite, item, data)).views(cameras, suite.supersampling)
        start = 0
        for track in missing:
            part = slice(start, start + len(track.azimuths_deg))
            start = part.stop
            made = ViewSet(images[part], tuple(cameras[part]), alphas[part], orbit=suite.orbit(track))
            if cache is not None:
                keep_views(made, cache / reference_key(suite, item, track, data))
            out[track.name] = made
    return {track.name: out[track.name] for track in suite.tracks}


def keep_views(views: ViewSet, folder: Path) -> None:
    """Put views into a cache whole. Another run may put the same there at the same time."""
    try:
        with whole_folder(folder, overwrite=True) as temporary:
            save_views(views, temporary)
    except InputError:
        if not (folder / "transforms.json").is_file():
            raise
