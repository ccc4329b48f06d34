"""Picture -> views -> mesh -> GLB, on one screen. Every step reads what the step before left in the folder."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from svdmv import __version__
from svdmv.core import Asset, ConfigError, InputError, Orbit, SvdmvError, ViewSet
from svdmv.io.run_folder import (
    DETAIL_NAME,
    ORIGIN_NAME,
    OUTPUTS,
    check_same_run,
    detail_in,
    finished,
    output_folder,
    recorded_run,
    save_run_views,
    versions,
    views_are_whole,
)
from svdmv.io.stages import Report, Stages
from svdmv.render.match import notes_of_asset, with_match

if TYPE_CHECKING:
    from svdmv.asset import BakedAsset
    from svdmv.diffusion.model import SvdMv
    from svdmv.reconstruct import Reconstruction

TURNTABLE_VIEWS, TURNTABLE_PX, TURNTABLE_FPS = 42, 256, 21
ORBIT_PX, ORBIT_FPS = 256, 7
DETAIL_PX = 1024  # largest side of the framed picture that the texture is baked from
MODES = ("new", "overwrite", "resume")


@dataclass(frozen=True)
class RunSettings:
    """Everything that decides what a run makes. None = the checkpoint's own value.

    elevation: degrees, or "auto". orbit: static, or sine or dynamic where the checkpoint can. guidance: text as
    Guidance.parse reads it. fast: half the steps, of a second-order sampler. faces, texture_size: of the mesh.

    Raises:
        ConfigError: a value is out of range. Names and what depends on the checkpoint are checked when a run begins.
    """

    elevation: float | str = "auto"
    seed: int = 0
    model: str = "svdmv-mini"
    steps: int | None = None
    guidance: str | None = None
    sampler: str | None = None
    orbit: str = "static"
    fast: bool = False
    foreground_ratio: float | None = None
    segmenter: str = "auto"
    method: str = "auto"
    texture_size: int = 1024
    faces: int = 10_000
    device: str = "auto"
    dtype: str = "fp32"

    def __post_init__(self) -> None:
        if self.elevation != "auto":
            _check("elevation", self.elevation, -90, 90, "degrees above the horizon, or auto", 10)
        if self.foreground_ratio is not None:
            _check("foreground-ratio", self.foreground_ratio, 0.1, 1, "of the frame", 0.8)
        _check("texture-size", self.texture_size, 16, 8192, "texels", 1024)
        _check("faces", self.faces, 20, 2_000_000, "faces", 10_000)


def _check(option: str, value: object, low: float, high: float, unit: str, usual: float) -> None:
    if not (isinstance(value, int | float) and math.isfinite(value) and low <= value <= high):
        raise ConfigError(
            f"--{option} is out of range",
            where=f"--{option}",
            seen=f"{value:g}" if isinstance(value, float) else value,
            expected=f"{low:g} .. {high:.10g} {unit}",
            next_step=f"--{option} {usual:g}",
        )


@dataclass(frozen=True)
class RunResult:
    """One picture's outcome. notes: what the user should know; figures: what provenance.json holds."""

    picture: Path
    folder: Path
    notes: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)


def run_picture(
    picture: Path | str,
    out: Path | str,
    settings: RunSettings | None = None,
    *,
    mode: str = "new",
    model: SvdMv | Callable[[], SvdMv] | None = None,
    report: Report | None = None,
) -> RunResult:
    """One picture to a folder with views, cameras, videos, mesh, preview and provenance.

    Args:
        picture: any file that read_picture takes.
        out: the folder; new or empty with mode "new"; "overwrite" replaces our files in it; "resume" keeps the files
            that are there and makes the rest (picture and settings must be the same).
        model: a loaded checkpoint, or a function that loads it; None loads settings.model when it is needed.
        report: called with (stage, done, total).

    Returns:
        What was made, with the notes of every stage.

    Raises:
        SvdmvError: bad picture, setting, checkpoint or folder, in one block; nothing half-written is left.
    """
    chosen, source, stages = settings or RunSettings(), Path(picture), Stages(report)
    check_mode(mode)
    with output_folder(out, mode) as folder:
        if mode == "resume" and (before := recorded_run(folder)) is not None:
            check_same_run(folder, before, source, asdict(chosen))
            if (done := finished(folder)) is not None:
                return RunResult(source, folder, ("already complete: nothing to do",), done)
            fresh = False
        else:
            fresh = True  # what cannot be told to belong to this run is not kept
        from svdmv.diffusion.device import torch_threads_kept

        check_names(chosen)
        if fresh or not views_are_whole(folder):
            views, detail = views_from_picture(source, chosen, model=model, stages=stages)
            with stages.stage("generate"):
                save_run_views(views, detail, folder, spared=source, clear=fresh)
        with torch_threads_kept():  # so that a picture after this one comes out as it does alone
            return _finish(source, folder, chosen, stages)


def _finish(source: Path, folder: Path, settings: RunSettings, stages: Stages) -> RunResult:
    """The second half: mesh, videos, preview and provenance of the views in the folder, as far as they are missing."""
    from svdmv.io.atomic import write_json
    from svdmv.io.views import load_views

    try:
        views = load_views(folder)
        asset, mesh_notes, match = _mesh_stage(folder, views, settings, stages)
        _pictures_stage(folder, views, asset, stages)
        story = dict(views.provenance)
        notes = [*mesh_notes, *story.pop("generate_notes", [])]
        figures = {
            "svdmv": __version__,
            "versions": versions(),
            **story,
            "settings": asdict(settings),
            "mesh": asset.provenance.get("asset", {}),
            "photo_consistency": match,
            "notes": notes,
            "stages": stages.rows,
            "seconds": stages.seconds,
            "peak_memory_mb": stages.peak_memory_mb,
            "files": list(OUTPUTS),
        }
        write_json(folder / "provenance.json", figures)
    except SvdmvError as error:
        go_on = "the same command with --resume then goes on from the views"
        facts = {"where": error.where, "seen": error.seen, "expected": error.expected}
        raise type(error)(error.what, **facts, next_step="; ".join(filter(None, (error.next_step, go_on)))) from error
    return RunResult(source, folder, tuple(notes), figures)


def check_mode(mode: str) -> None:
    """Raise ConfigError unless new, overwrite or resume."""
    if mode not in MODES:
        raise ConfigError("The mode is not known", where="mode", seen=mode, expected=", ".join(MODES))


def check_names(settings: RunSettings) -> None:
    """Refuse an unknown guidance, segmenter, method, device or number format before any work. Raises SvdmvError."""
    from svdmv.diffusion.checkpoint import torch_dtype
    from svdmv.diffusion.device import resolved_device
    from svdmv.diffusion.guidance import Guidance
    from svdmv.reconstruct.door import reconstruction_methods
    from svdmv.subject.segmentation import segmenter_by_name

    if settings.guidance is not None:
        Guidance.parse(settings.guidance)
    if settings.segmenter != "auto":
        segmenter_by_name(settings.segmenter)
    if settings.method not in (methods := ["auto", *sorted(reconstruction_methods())]):
        raise ConfigError(
            "There is no such reconstruction method",
            where="--method",
            seen=settings.method,
            expected=", ".join(methods),
            next_step="svdmv list",
        )
    resolved_device(settings.device)
    torch_dtype(settings.dtype)


def views_from_picture(
    picture: Path | str,
    settings: RunSettings,
    *,
    model: SvdMv | Callable[[], SvdMv] | None = None,
    stages: Stages | None = None,
) -> tuple[ViewSet, NDArray[np.uint8]]:
    """The first half: read and frame the picture, draw its orbit; notes and story in the views' provenance.

    Also returns the framed picture itself, (D, D, 4) uint8: view 0 with all the pixels that the picture has.
    """
    from svdmv.diffusion.checkpoint import load_checkpoint
    from svdmv.diffusion.device import resolved_device
    from svdmv.diffusion.generate import Sampling, generate_views
    from svdmv.diffusion.guidance import Guidance
    from svdmv.io.pictures import read_picture
    from svdmv.subject import estimate_elevation, frame_subject

    clock, path = stages or Stages(), Path(picture)
    with clock.stage("frame"):
        seen = read_picture(path)
    with clock.stage("load model"):
        if model is None:
            model = load_checkpoint(settings.model, device=resolved_device(settings.device), dtype=settings.dtype)
        elif callable(model):
            model = model()
    given = None if settings.elevation == "auto" else float(settings.elevation)
    sampling = Sampling(
        elevation_deg=model.info.elevation_range_deg[0] if given is None else given,
        seed=settings.seed,
        num_steps=settings.steps,
        sampler=settings.sampler,
        orbit=settings.orbit,
        fast=settings.fast,
        guidance=None if settings.guidance is None else Guidance.parse(settings.guidance),
    ).resolved(model.info)
    with clock.stage("frame"):
        ratio = settings.foreground_ratio or model.info.framing.foreground_ratio
        framed = frame_subject(
            seen,
            size=model.info.image_size,
            foreground_ratio=ratio,
            segmenter=settings.segmenter,
            detail_px=DETAIL_PX,
        )
        notes = [*seen.notes, *framed.notes]
        elevation: dict[str, Any] = {"degrees": given, "how": "given", "error_deg": 0.0}
        if given is None:
            guess = estimate_elevation(framed.rgba)
            elevation = {"degrees": guess.degrees, "how": guess.how, "error_deg": guess.error_deg}
            notes.append(
                f"elevation {guess.how}: {guess.degrees:g} degrees, +-{guess.error_deg:g}; "
                "give --elevation when you know it"
            )
    with clock.stage("generate"):
        sampling = replace(sampling, elevation_deg=elevation["degrees"])
        made = generate_views(model, [framed.rgba], sampling, report=lambda i, n: clock.progress("generate", i, n))[0]
    story = {
        **made.provenance,
        "elevation": elevation,
        "framing": asdict(model.info.framing),
        "input": {
            "name": path.name,
            "sha256": seen.sha256,
            "segmenter": framed.segmenter,
            "crop_box_px": list(framed.crop_box_px),
            "scale": framed.scale,
            "foreground_ratio": ratio,
            "detail": DETAIL_NAME,
        },
        "settings": asdict(settings),
        "generate_notes": notes,
        "trained_on": model.info.trained_on,
    }
    return replace(made, provenance=story), framed.detail


def _mesh_stage(
    folder: Path, views: ViewSet, settings: RunSettings, stages: Stages
) -> tuple[Asset, list[str], dict[str, Any]]:
    from svdmv.asset import picture_from_origin
    from svdmv.io.gltf import write_glb
    from svdmv.io.meshes import read_asset
    from svdmv.io.pictures import write_png

    path, origin = folder / "mesh.glb", folder / ORIGIN_NAME
    if not (path.is_file() and origin.is_file()):
        with stages.stage("reconstruct"):
            made = baked_from_views(views, settings, detail_in(folder, views))
            if not origin.is_file():
                write_png(origin, picture_from_origin(made.origin))
            if not path.is_file():
                write_glb(path, with_match(made.asset, views))
    asset = read_asset(path)  # what later stages show is what the file holds
    return asset, notes_of_asset(asset), dict(asset.provenance.get("photo_consistency", {}))


def baked_from_views(
    views: ViewSet,
    settings: RunSettings,
    detail: NDArray[np.uint8] | None = None,
    *,
    report: Report | None = None,
    beside: Callable[[Reconstruction], None] | None = None,
    relief: bool = False,
) -> BakedAsset:
    """Views with alpha -> textured asset in the world of their cameras, the story in its provenance, and its origins.

    `detail`: view 0 with more pixels (D, D, 4) uint8, for the texture. `report`: of methods that take long. `beside`:
    called with the reconstruction, for what it brings beside the mesh. `relief`: with a normal map.
    """
    from svdmv.asset import baked_asset
    from svdmv.reconstruct import reconstruct_mesh

    made = reconstruct_mesh(views, method=settings.method, report=report)
    if beside is not None:
        beside(made)
    low, high = made.mesh.bounds
    story = {
        **{k: v for k, v in dict(views.provenance).items() if k != "generate_notes"},
        "generator": f"svdmv {__version__}",
        "method": made.method,
        "why": made.why,
        "reconstruct_notes": list(made.notes),
        "longest_side": round(float((high - low).max()), 6),
    }
    return baked_asset(
        made.mesh,
        made.views,
        faces=settings.faces,
        texture_size=settings.texture_size,
        provenance=story,
        generated="weights_sha256" in views.provenance,
        detail=detail,
        relief=relief,
    )


def _pictures_stage(folder: Path, views: ViewSet, asset: Asset, stages: Stages) -> None:
    from svdmv.asset.origin import with_base_color
    from svdmv.io.pictures import read_png_rgba, write_png
    from svdmv.io.video import write_video
    from svdmv.render import render_views
    from svdmv.render.contact import enlarged, preview_sheet

    orbit, turntable, preview = views.orbit, folder / "turntable.mp4", folder / "preview.png"
    if orbit is None:
        raise InputError(
            "These views carry no orbit",
            where=folder / "transforms.json",
            seen="no svdmv.orbit",
            expected="views made by svdmv",
            next_step="svdmv reconstruct for foreign views",
        )
    if not (folder / "orbit.mp4").is_file():
        with stages.stage("orbit video"):
            write_video(folder / "orbit.mp4", enlarged(_on_white_u8(views), ORBIT_PX), ORBIT_FPS)
    if turntable.is_file() and preview.is_file():
        return
    with stages.stage("turntable"):
        ring = Orbit.static(
            float(orbit.elevations_deg[0]), TURNTABLE_VIEWS, radius=orbit.radius, fov_y_deg=orbit.fov_y_deg
        )
        cameras = ring.cameras(TURNTABLE_PX, TURNTABLE_PX)
        frames = _on_white_u8(render_views(asset, cameras, shading="unlit", with_geometry=False))
        if not turntable.is_file():
            write_video(turntable, frames, TURNTABLE_FPS)
        if not preview.is_file():
            quarters = [frames[round(k * TURNTABLE_VIEWS / 4)] for k in range(4)]
            origins = with_base_color(asset, read_png_rgba(folder / ORIGIN_NAME))
            sides = _on_white_u8(render_views(origins, cameras[:: TURNTABLE_VIEWS // 4][:4], shading="unlit"))
            write_png(preview, preview_sheet(views, quarters, detail=detail_in(folder, views), origins=list(sides)))


def _on_white_u8(views: ViewSet) -> NDArray[np.uint8]:
    """(N, H, W, 3) uint8."""
    return (views.on_background() * 255).round().astype(np.uint8)
