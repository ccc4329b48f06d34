"""Which method suits a set of views: the fit where their silhouettes agree well enough, else the hull."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from svdmv.core import SvdmvError, ViewSet
from svdmv.reconstruct.hull import hull_start

ENOUGH_IOU = 0.88  # spoiled views of one object reach 0.91; views that each show another shape stay below
VOTE_RESOLUTION = 40


def method_for_views(views: ViewSet, defaults: Mapping[str, Any]) -> tuple[str, str]:
    """Name of a method and one sentence why.

    Args:
        views: with alpha, prepared.
        defaults: settings `align` and `input_view` that the views ask for.
    """
    align, input_view = defaults.get("align", True), defaults.get("input_view", 0)
    try:
        start = hull_start(views, drop="auto", align=align, input_view=input_view, resolution=VOTE_RESOLUTION)
    except SvdmvError:  # the hull says best what is missing
        return "hull", "the views hold no common silhouette to start a fit from"
    iou = start.vote.mean_iou
    if iou >= ENOUGH_IOU:
        return (
            "sdf",
            f"the silhouettes agree (mean mask IoU {iou:.2f}), so a fit to the pictures finds more than a hull",
        )
    return (
        "hull",
        f"the silhouettes disagree (mean mask IoU {iou:.2f}): a fit would follow the disagreement, a hull does not",
    )
