"""Picture -> views -> mesh -> GLB, on one screen. Every step reads what the step before left in the folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from svdmv import __version__
from svdmv.core import Asset, InputError, ViewSet
from svdmv.io.run_folder import (
    OUTPUTS,
    check_settings,
    finished,
    peak_memory_mb,
    prepared_folder,
    versions,
)

if TYPE_CHECKING:
    from svdmv.diffusion.model import SvdMv

Report = Callable[[str, int, int], None]
POOR_MATCH_DB = 15.0  # foreground PSNR below which the mesh does not show what the picture shows
TURNTABLE_VIEWS, TURNTABLE_PX, TURNTABLE_FPS = 42, 256, 21
ORBIT_FPS = 7


@dataclass(frozen=True)
class RunSettings:
    """Everything that decides what a run makes. None = the checkpoint's own value.

    elevation: degrees, or "auto". guidance: text as Guidance.parse reads it. faces, texture_size: of the mesh.
    """

    elevation: float | str = "auto"
    seed: int = 0
    model: str = "svdmv-mini"
    steps: int | None = None
    guidance: str | None = None
    sampler: str | None = None
    foreground_ratio: float | None = None
    segmenter: str = "auto"
    method: str = "auto"
    texture_size: int = 1024
    faces: int = 10_000
    device: str = "auto"
    dtype: str = "fp32"


@dataclass(frozen=True)
class RunResult:
    """One picture's outcome. notes: what the user should know; figures: what provenance.json holds."""

    picture: Path
    folder: Path
    notes: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)


class Stages:
    """Seconds and peak memory of each stage of one run."""

    def __init__(self, report: Report | None) -> None:
        self.rows: dict[str, dict[str, float]] = {}
        self._report = report
        self._began = time.perf_counter()

    def begin(self, name: str) -> None:
        """Say which stage starts."""
        self._began = time.perf_counter()
        self.progress(name, 0, 1)

    def progress(self, name: str, done: int, total: int) -> None:
        """Say how far it is."""
        if self._report is not None:
            self._report(name, done, total)

    def end(self, name: str) -> None:
        """Write down what it took."""
        seconds = round(time.perf_counter() - self._began, 3)
        self.rows[name] = {"seconds": seconds, "peak_memory_mb": round(peak_memory_mb(), 1)}
        self.progress(name, 1, 1)


def run_picture(
    picture: Path | str,
    out: Path | str,
    settings: RunSettings | None = None,
    *,
    mode: str = "new",
    model: SvdMv | None = None,
    report: Report | None = None,
) -> RunResult:
    """One picture to a folder with views, cameras, videos, mesh, preview and provenance.

    Args:
        picture: any file that read_picture takes.
        out: the folder; new or empty with mode "new"; "overwrite" replaces our files in it; "resume" keeps the stages
            that are there and does the rest (the settings must be the same).
        model: a loaded checkpoint; None loads settings.model.
        report: called with (stage, done, total).

    Returns:
        What was made, with the notes of every stage.

    Raises:
        SvdmvError: bad picture, setting, checkpoint or folder, in one block; nothing half-written is left.
    """
    chosen, source, stages = settings or RunSettings(), Path(picture), Stages(report)
    folder = prepared_folder(Path(out), mode)
    if mode == "resume" and (done := finished(folder)) is not None:
        check_settings(folder, done["settings"], source, chosen)
        return RunResult(source, folder, ("already complete: nothing to do",), done)

    views, notes, model = _views_stage(source, folder, chosen, model, stages)
    asset, mesh_notes, match = _mesh_stage(folder, views, chosen, stages)
    _pictures_stage(folder, views, asset, stages)
    notes = [*notes, *mesh_notes]
    figures = {
        "svdmv": __version__,
        "versions": versions(),
        "settings": asdict(chosen),
        **dict(views.provenance),
        "mesh": asset.provenance.get("asset", {}),
        "photo_consistency": match,
        "notes": notes,
        "stages": stages.rows,
        "seconds": round(sum(r["seconds"] for r in stages.rows.values()), 2),
        "peak_memory_mb": round(peak_memory_mb(), 1),
        "files": list(OUTPUTS),
    }
    from svdmv.io.atomic import write_json

    write_json(folder / "provenance.json", figures)
    return RunResult(source, folder, tuple(notes), figures)


def generate_folder(
    picture: Path, folder: Path, settings: RunSettings, *, model: SvdMv | None = None, stages: Stages | None = None
) -> tuple[ViewSet, list[str]]:
    """The first half: frame the picture, draw the orbit, save views/ and transforms.json. Returns views and notes."""
    from svdmv.diffusion.checkpoint import load_checkpoint
    from svdmv.diffusion.device import resolved_device
    from svdmv.diffusion.generate import Sampling, generate_views
    from svdmv.diffusion.guidance import Guidance
    from svdmv.io.pictures import read_picture
    from svdmv.io.views import save_views
    from svdmv.subject import estimate_elevation, frame_subject

    clock = stages or Stages(None)
    clock.begin("load model")
    sampling = Sampling(
        seed=settings.seed,
        num_steps=settings.steps,
        sampler=settings.sampler,
        guidance=None if settings.guidance is None else Guidance.parse(settings.guidance),
    )
    if model is None:
        model = load_checkpoint(settings.model, device=resolved_device(settings.device), dtype=settings.dtype)
    clock.end("load model")

    clock.begin("frame")
    seen = read_picture(picture)
    ratio = settings.foreground_ratio or model.info.framing.foreground_ratio
    framed = frame_subject(seen, size=model.info.image_size, foreground_ratio=ratio, segmenter=settings.segmenter)
    notes = [*seen.notes, *framed.notes]
    if settings.elevation == "auto":
        estimate = estimate_elevation(framed.rgba)
        elevation, how = estimate.degrees, {"how": estimate.how, "error_deg": estimate.error_deg}
        notes.append(
            f"elevation {estimate.how}: {estimate.degrees:g} degrees, +-{estimate.error_deg:g}; "
            "give --elevation when you know it"
        )
    else:
        elevation, how = float(settings.elevation), {"how": "given", "error_deg": 0.0}
    clock.end("frame")

    clock.begin("generate")
    sampling = Sampling(**{**sampling.__dict__, "elevation_deg": elevation}).resolved(model.info)
    made = generate_views(model, [framed.rgba], sampling, report=lambda i, n: clock.progress("generate", i, n))[0]
    story = {
        **dict(made.provenance),
        "elevation": {"degrees": elevation, **how},
        "framing": asdict(model.info.framing),
        "input": {
            "name": picture.name,
            "sha256": seen.sha256,
            "segmenter": framed.segmenter,
            "crop_box_px": list(framed.crop_box_px),
            "scale": framed.scale,
            "foreground_ratio": ratio,
        },
        "settings": asdict(settings),
        "generate_notes": notes,
        "trained_on": model.info.trained_on,
    }
    save_views(ViewSet(made.images, made.cameras, made.alphas, orbit=made.orbit, provenance=story), folder)
    clock.end("generate")
    return made, notes


def _views_stage(
    source: Path, folder: Path, settings: RunSettings, model: SvdMv | None, stages: Stages
) -> tuple[ViewSet, list[str], SvdMv | None]:
    from svdmv.io.views import load_views

    if (folder / "transforms.json").is_file():
        views = load_views(folder)
        check_settings(
            folder, views.provenance.get("settings", {}), source, settings, views.provenance.get("input", {})
        )
    else:
        generate_folder(source, folder, settings, model=model, stages=stages)
        views = load_views(folder)
    return views, list(views.provenance.get("generate_notes", [])), model


def _mesh_stage(
    folder: Path, views: ViewSet, settings: RunSettings, stages: Stages
) -> tuple[Asset, list[str], dict[str, Any]]:
    from svdmv.io.gltf import write_glb
    from svdmv.io.meshes import read_asset

    path = folder / "mesh.glb"
    if not path.is_file():
        stages.begin("reconstruct")
        asset = asset_from_views(views, settings)
        match = photo_consistency(asset, views)
        asset = Asset(
            asset.mesh, asset.materials, asset.face_materials, {**asset.provenance, "photo_consistency": match}
        )
        write_glb(path, asset)
        stages.end("reconstruct")
    asset = read_asset(path)  # what later stages show is what the file holds
    match = dict(asset.provenance.get("photo_consistency", {}))
    notes = [*asset.provenance.get("reconstruct_notes", []), *asset.provenance.get("asset", {}).get("notes", [])]
    if not match.get("ok", False):
        notes.append(
            f"the mesh does not match the picture: {match.get('foreground_psnr_db')} dB on the object from the "
            f"input camera, expected {POOR_MATCH_DB:g} or more; look at preview.png"
        )
    return asset, notes, match


def asset_from_views(views: ViewSet, settings: RunSettings) -> Asset:
    """Views with alpha -> textured asset in the world of their cameras; the story in its provenance."""
    from svdmv.asset import textured_asset
    from svdmv.reconstruct import reconstruct_mesh

    made = reconstruct_mesh(views, method=settings.method)
    low, high = made.mesh.bounds
    story = {
        **{k: v for k, v in dict(views.provenance).items() if k != "generate_notes"},
        "generator": f"svdmv {__version__}",
        "method": made.method,
        "why": made.why,
        "reconstruct_notes": list(made.notes),
        "longest_side": round(float((high - low).max()), 6),
    }
    return textured_asset(
        made.mesh, made.views, faces=settings.faces, texture_size=settings.texture_size, provenance=story
    )


def photo_consistency(asset: Asset, views: ViewSet) -> dict[str, Any]:
    """The asset from the input camera against view 0, on white: PSNR of picture and object (dB), IoU of silhouettes."""
    from svdmv.render import render_views

    shown = render_views(asset, views.cameras[:1], shading="unlit", supersampling=3, with_geometry=False)
    ours, theirs = shown.on_background()[0], views.on_background()[0]
    masks = [v.rgba_u8()[0, ..., 3] > 127 for v in (shown, views)]
    either, both = masks[0] | masks[1], masks[0] & masks[1]
    error = ((ours - theirs) ** 2).mean(-1)
    psnr = -10 * np.log10(max(float(error.mean()), 1e-10))
    on_object = -10 * np.log10(max(float(error[either].mean()) if either.any() else 1.0, 1e-10))
    iou = float(both.sum() / max(either.sum(), 1))
    return {
        "psnr_db": round(psnr, 2),
        "foreground_psnr_db": round(on_object, 2),
        "iou": round(iou, 4),
        "ok": bool(on_object >= POOR_MATCH_DB),
        "expected_foreground_psnr_db": POOR_MATCH_DB,
    }


def _pictures_stage(folder: Path, views: ViewSet, asset: Asset, stages: Stages) -> None:
    from svdmv.core import Orbit
    from svdmv.io.pictures import write_png
    from svdmv.io.video import write_video
    from svdmv.render import render_views
    from svdmv.render.contact import enlarged, preview_sheet

    orbit = views.orbit
    if orbit is None:
        raise InputError(
            "These views carry no orbit",
            where=folder / "transforms.json",
            seen="no svdmv.orbit",
            expected="views made by svdmv",
            next_step="svdmv reconstruct for foreign views",
        )
    if not (folder / "orbit.mp4").is_file():
        stages.begin("orbit video")
        write_video(
            folder / "orbit.mp4", enlarged((views.on_background() * 255).round().astype(np.uint8), 256), ORBIT_FPS
        )
        stages.end("orbit video")
    ring = Orbit.static(float(orbit.elevations_deg[0]), TURNTABLE_VIEWS, radius=orbit.radius, fov_y_deg=orbit.fov_y_deg)
    if not ((folder / "turntable.mp4").is_file() and (folder / "preview.png").is_file()):
        stages.begin("turntable")
        turned = render_views(asset, ring.cameras(TURNTABLE_PX, TURNTABLE_PX), shading="unlit", with_geometry=False)
        frames = (turned.on_background() * 255).round().astype(np.uint8)
        if not (folder / "turntable.mp4").is_file():
            write_video(folder / "turntable.mp4", frames, TURNTABLE_FPS)
        quarter = TURNTABLE_VIEWS / 4
        write_png(
            folder / "preview.png", preview_sheet(views, [frames[round(k * quarter) % len(frames)] for k in range(4)])
        )
        stages.end("turntable")
