"""Does a mesh show what the picture shows? It is rendered from the picture's camera and compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from svdmv.core import Asset, ViewSet

POOR_MATCH_DB = 15.0  # foreground PSNR below which the mesh does not show what the picture shows
POOR_MATCH_IOU = 0.85  # overlap of silhouettes below which parts are missing or too many


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
        "psnr_db": round(float(psnr), 2),
        "foreground_psnr_db": round(float(on_object), 2),
        "iou": round(iou, 4),
        "ok": bool(on_object >= POOR_MATCH_DB and iou >= POOR_MATCH_IOU),
        "expected_foreground_psnr_db": POOR_MATCH_DB,
        "expected_iou": POOR_MATCH_IOU,
    }


def with_match(asset: Asset, views: ViewSet) -> Asset:
    """The asset, its provenance saying how well it shows view 0."""
    return replace(asset, provenance={**asset.provenance, "photo_consistency": photo_consistency(asset, views)})


def notes_of_asset(asset: Asset) -> list[str]:
    """What a user should know about a mesh made here; first of all whether it shows what the picture shows."""
    story = asset.provenance
    match = story.get("photo_consistency", {})
    notes = [*story.get("reconstruct_notes", []), *story.get("asset", {}).get("notes", [])]
    if not match.get("ok", False):
        notes.insert(
            0,
            f"the mesh does not match the picture: from the input camera {match.get('foreground_psnr_db')} dB on the "
            f"object and a silhouette overlap of {match.get('iou')}, expected {POOR_MATCH_DB:g} dB and "
            f"{POOR_MATCH_IOU:g} or more; look at the pictures before you use it",
        )
    return notes
