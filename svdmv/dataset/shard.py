"""The pure function of a data set: objects and rules in, the bytes of a shard out.

A shard is a tar in webdataset's layout. A sample is one orbit: KEY.json and a picture a view, KEY.000.qoi ...
An object's samples are one run of tar blocks, so a shard is its objects' runs in order and 1,024 zero bytes. Equal
input gives equal bytes, whoever renders it, in any order and after any number of attempts.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, Material, Mesh, Orbit, SvdmvError
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.objects import asset_from_location
from svdmv.dataset.recorded import is_recorded, recorded_orbit, recorded_sha256
from svdmv.dataset.rejects import REJECTED_STATUSES, RejectedError, RejectRules, require_good_views, require_texture
from svdmv.dataset.sampling import OrbitRule, drawn_orbit, fitting_radius, turned_about_y

SAMPLE_FORMAT = "svdmv-sample-1"
TAR_END = bytes(1024)


@dataclass(frozen=True)
class ObjectResult:
    """What became of one object.

    Attributes:
        status: "rendered", "rejected" or "failed". reason: one word; detail: one line. Both empty when rendered.
        data: the object's run of tar blocks, empty unless rendered.
        samples: one row an orbit: key, orbit, offset and length in `data`, crc32, sha256 and what was drawn.
        source_sha256: of the model file; of the location's text for an object made by code.
    """

    status: str
    reason: str = ""
    detail: str = ""
    data: bytes = b""
    samples: tuple[dict[str, Any], ...] = ()
    source_sha256: str = ""


def rendered_object(item: ObjectSource, rule: OrbitRule, rejects: RejectRules, seed: int) -> ObjectResult:
    """All orbits of one object, or why there are none. Raises nothing but OSError, for a disk that is full."""
    digest = ""
    try:
        digest = source_sha256(item, rejects)
        blocks: list[bytes] = []
        rows: list[dict[str, Any]] = []
        for facts, rgba in _orbits(item, rule, rejects, seed):
            facts |= {
                "uid": item.id,
                "orbit": len(rows),
                "seed": seed,
                "licence": item.licence,
                "attribution": item.attribution,
                "source": item.source,
                "source_sha256": digest,
            }
            block, row = sample_blocks(facts, rgba, rule)
            rows.append({**row, "offset": sum(map(len, blocks))})
            blocks.append(block)
    except MemoryError:
        return ObjectResult("failed", "oom", "MemoryError", source_sha256=digest)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return _failure(error, digest)
    return ObjectResult("rendered", data=b"".join(blocks), samples=tuple(rows), source_sha256=digest)


def shard_bytes(
    items: Sequence[ObjectSource], rule: OrbitRule, rejects: RejectRules, seed: int
) -> tuple[bytes, list[ObjectResult]]:
    """The shard of some objects and what became of each: what every engine has to come to."""
    results = [rendered_object(item, rule, rejects, seed) for item in items]
    return b"".join(result.data for result in results) + TAR_END, results


def warm_up(rule: OrbitRule) -> None:
    """Render next to nothing, so that compiling and loading of kernels is not on the first object's clock.

    Raises as `render_views` does for a rule that names no renderer, light or shading.
    """
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    mesh = Mesh(vertices, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32))
    views = _views(Asset(mesh, (Material(),)), Orbit.static(10, 1), replace(rule, size=16, width=0), rule.lights[0])
    require_good_views(views, RejectRules(0.0, 1.0, 255, 0.0, 0.0, False))
    picture_bytes(views[0], rule.codec)


def sample_key(uid: str, orbit: int) -> str:
    """Name of a sample's files up to the first dot: the id where it is plain, else its first letters and a hash."""
    plain = uid if re.fullmatch(r"[A-Za-z0-9_-]{1,80}", uid) else ""
    tame = re.sub(r"[^A-Za-z0-9_-]", "_", uid)[:40]
    return f"{plain or f'{tame}-{hashlib.sha256(uid.encode()).hexdigest()[:12]}'}-o{orbit:02d}"


def source_sha256(item: ObjectSource, rejects: RejectRules) -> str:
    """Hash of the model file, or of the location of an object without one. Raises RejectedError: too large a file."""
    if is_recorded(item.location):
        return recorded_sha256(item.location)
    path = Path(item.location)
    if not path.is_file():
        return hashlib.sha256(item.location.encode()).hexdigest()
    if path.stat().st_size > rejects.largest_file_mb * 1e6:
        raise RejectedError(
            "The object is left out",
            seen=f"{path.stat().st_size / 1e6:.1f} MB",
            expected=f"at most {rejects.largest_file_mb} MB",
            status="too_large",
        )
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def picture_bytes(rgba: NDArray[np.uint8], codec: str) -> bytes:
    """A file of one view (S, S, 4) uint8."""
    from PIL import Image

    from svdmv.io.qoi import qoi_from_rgba

    if codec == "qoi":
        return qoi_from_rgba(rgba)
    out = io.BytesIO()
    options: dict[str, Any] = {"quality": 95, "method": 4} if codec == "webp" else {"compress_level": 6}
    Image.fromarray(rgba).save(out, codec.upper(), **options)
    return out.getvalue()


def sample_blocks(facts: dict[str, Any], rgba: NDArray[np.uint8], rule: OrbitRule) -> tuple[bytes, dict[str, Any]]:
    """Tar blocks of one orbit and its row for the manifest.

    facts: of the orbit, JSON values; they become KEY.json. rgba: its views (N, H, W, 4) uint8.
    """
    key = sample_key(facts["uid"], facts["orbit"])
    text = json.dumps({"format": SAMPLE_FORMAT, **facts}, ensure_ascii=False, allow_nan=False, sort_keys=True)
    members = [(f"{key}.json", text.encode())]
    members += [(f"{key}.{n:03d}.{rule.codec}", picture_bytes(view, rule.codec)) for n, view in enumerate(rgba)]
    block = tar_blocks(members)
    shown = ("uid", "orbit", "light", "light_yaw_deg", "object_yaw_deg", "exposure_stops", "radius")
    row = {
        "key": key,
        **{name: facts[name] for name in shown},
        "elevation_deg": (facts["elevations_deg"] or [None])[0],
        "coverage": [min(facts["coverage"]), max(facts["coverage"])],
        "length": len(block),
        "crc32": zlib.crc32(block),
        "sha256": hashlib.sha256(block).hexdigest(),
    }
    return block, row


def tar_blocks(members: Sequence[tuple[str, bytes]]) -> bytes:
    """Members as tar blocks without the end mark: no times, owners or modes of this machine."""
    out = []
    for name, data in members:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o644
        out += [info.tobuf(tarfile.USTAR_FORMAT), data, bytes(-len(data) % 512)]
    return b"".join(out)


def _orbits(
    item: ObjectSource, rule: OrbitRule, rejects: RejectRules, seed: int
) -> Iterator[tuple[dict[str, Any], NDArray[np.uint8]]]:
    """Facts and views of every orbit of an object, or of the one that a video is."""
    if is_recorded(item.location):
        yield recorded_orbit(item.location, rule, rejects)
        return
    asset, unit_from_file = _prepared(item, rule, rejects)
    told = {"unit_from_file": unit_from_file.tolist(), "normalisation": rule.normalisation}
    for orbit in range(rule.orbits_per_object):
        facts, rgba = _rendered_orbit(asset, item.id, orbit, rule, rejects, seed)
        yield {**facts, **told}, rgba


def _prepared(item: ObjectSource, rule: OrbitRule, rejects: RejectRules) -> tuple[Asset, NDArray[np.float64]]:
    from svdmv.io.meshes import normalised, require_thickness

    asset = asset_from_location(item.location)
    if rejects.least_thickness > 0:
        require_thickness(asset, rejects.least_thickness)
    if rejects.refuse_untextured:
        require_texture(asset)
    return normalised(asset, rule="bounding_sphere" if rule.normalisation == "bounding_sphere" else "unit_box")


def _rendered_orbit(
    asset: Asset, uid: str, number: int, rule: OrbitRule, rejects: RejectRules, seed: int
) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Facts and views (N, H, W, 4) of one orbit. The light is fixed to the world, so object and cameras turn in it."""
    draw = drawn_orbit(uid, number, seed, rule)
    orbit = draw.orbit
    if not rule.radius:
        posed = asset.mesh.transformed(turned_about_y(draw.object_yaw_deg))
        used = posed.vertices[np.unique(posed.faces)]
        fill = min(rule.fill, 1 - 4 / rule.size)  # the pixel filter reaches 1.5 pixels beyond the outline
        orbit = replace(orbit, radius=fitting_radius(used, orbit, fill))
    turned = Orbit(orbit.azimuths_deg + draw.light_yaw_deg, orbit.elevations_deg, orbit.radius, orbit.fov_y_deg)
    mesh = asset.mesh.transformed(turned_about_y(draw.object_yaw_deg + draw.light_yaw_deg))
    rgba = _views(replace(asset, mesh=mesh), turned, rule, draw.light, draw.exposure_stops)
    coverage = require_good_views(rgba, rejects)
    return {
        "kind": rule.kind,
        "azimuths_deg": orbit.azimuths_deg.tolist(),
        "elevations_deg": orbit.elevations_deg.tolist(),
        "radius": orbit.radius,
        "fov_y_deg": orbit.fov_y_deg,
        "size": rule.size,
        "width": rule.shape[1],
        "codec": rule.codec,
        "light": draw.light,
        "light_yaw_deg": draw.light_yaw_deg,
        "object_yaw_deg": draw.object_yaw_deg,
        "exposure_stops": draw.exposure_stops,
        "renderer": rule.renderer,
        "shading": rule.shading,
        "coverage": [round(float(c), 4) for c in coverage],
    }, rgba


def _views(asset: Asset, orbit: Orbit, rule: OrbitRule, light: str, exposure_stops: float = 0.0) -> NDArray[np.uint8]:
    """(N, H, W, 4) uint8 straight alpha."""
    from svdmv.render import render_views

    views = render_views(
        asset,
        orbit.cameras(rule.shape[1], rule.shape[0]),
        light=light if "." not in light else Path(light),
        supersampling=rule.supersampling,
        shading=rule.shading,  # type: ignore[arg-type]
        renderer=rule.renderer,
        exposure_stops=exposure_stops,
        with_geometry=False,
    )
    return views.rgba_u8()


def _failure(error: Exception, digest: str) -> ObjectResult:
    from svdmv.io.load_status import load_status

    if not isinstance(error, SvdmvError):
        return ObjectResult("failed", "crash", f"{type(error).__name__}: {error}"[:300], source_sha256=digest)
    reason = load_status(error)
    status = "rejected" if reason in REJECTED_STATUSES else "failed"
    return ObjectResult(status, reason, error.one_line()[:300], source_sha256=digest)
