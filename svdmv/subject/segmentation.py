"""Ways to tell a subject from its background, by name, and the choice of the best that is there."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from svdmv.core import CheckpointError, ConfigError, InputError, MissingDependency


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A coarse mask of the subject.

    Attributes:
        mask: (H, W) float32 in [0, 1], 1 = subject.
        name: what made it ("u2netp", "grabcut" ...).
        edge_error_px: how far the mask's edge may lie from the picture's; 0 = the mask is exact, and so are the
            colours under it.
        notes: sentences for the user.
    """

    mask: NDArray[np.float32]
    name: str
    edge_error_px: int
    notes: tuple[str, ...] = ()


Segmenter = Callable[[NDArray[np.uint8], Path | None], Segmentation]

SEGMENTERS: Mapping[str, str] = MappingProxyType(
    {
        "alpha": "svdmv.subject.cutout:segment_by_alpha",
        "onnx": "svdmv.subject.saliency:segment_by_best_model",
        "u2netp": "svdmv.subject.saliency:segment_by_u2netp",
        "rembg": "svdmv.subject.rembg_models:segment_by_rembg",
        "border_key": "svdmv.subject.border_key:segment_by_border_colour",
        "grabcut": "svdmv.subject.grabcut:segment_by_grabcut",
    }
)
AUTO_ORDER = ("onnx", "rembg", "border_key", "grabcut")


class BackgroundNotEven(InputError):  # noqa: N818 - a finding about the picture, named as such
    """The border of the picture is not of one colour, so colour alone cannot find the background."""


def segmenter_by_name(name: str) -> Segmenter:
    """The function behind a name in SEGMENTERS, or the saliency network in a file `*.onnx`.

    Raises:
        ConfigError: neither a known name nor the path of an .onnx file.
    """
    if name.endswith(".onnx"):
        from svdmv.subject.saliency import segment_by_model

        return lambda rgba, _: segment_by_model(rgba[..., :3], Path(name).expanduser())
    if name not in SEGMENTERS:
        raise ConfigError(
            "There is no such segmenter",
            where="segmenter",
            seen=name,
            expected="auto, " + ", ".join(SEGMENTERS) + ", or the path of an .onnx file",
            next_step="svdmv list",
        )
    module, function = SEGMENTERS[name].split(":")
    found: Segmenter = getattr(importlib.import_module(module), function)
    return found


def best_segmentation(rgba: NDArray[np.uint8], weights: Path | None) -> Segmentation:
    """The mask by the best means that this machine has: a saliency network, rembg, the border's colour, GrabCut.

    Args:
        rgba: (H, W, 4) uint8 sRGB; its alpha is not looked at.
        weights: folder (or .onnx file) to look in first for a saliency network.

    Raises:
        InputError: a segmenter ran and found nothing.
        MissingDependency: nothing here can do it.
    """
    reasons: list[str] = []
    for name in AUTO_ORDER:
        try:
            found = segmenter_by_name(name)(rgba, weights)
        except (MissingDependency, CheckpointError, BackgroundNotEven) as error:
            reasons.append(f"{name}: {error.what}")
            continue
        return found
    raise MissingDependency(
        "The background cannot be removed: no segmenter is available for this picture",
        where="segmenter auto",
        seen="; ".join(reasons),
        expected="a picture with transparency, an even background, or a saliency network",
        next_step='pip install "svdmv[matting]" && rembg d u2netp',
    )
