"""A picture -> the subject cut out of it, still in the picture's own pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.core import InputError
from svdmv.io.pictures import Picture
from svdmv.subject.border_key import distance_from_background
from svdmv.subject.matting import refined_alpha, subject_colors
from svdmv.subject.resampling import reduced
from svdmv.subject.segmentation import Segmentation, Segmenter, best_segmentation, segmenter_by_name
from svdmv.subject.silhouette import soft_box, without_specks

LEAST_TRANSPARENT_SHARE = 0.005  # rounded corners of a screenshot stay below, a cut-out trimmed to its box above
PART_OF_LARGEST = 0.08  # parts of a coarse mask smaller than this are taken for clutter
SPECK_OF_LARGEST = 0.002  # parts of a cut-out smaller than this are taken for dust
FULL_ALPHA = 200  # a cut-out whose densest alpha stays below was saved half transparent
COVERS_EVERYTHING = 0.985
ZOOM_BELOW = 0.7  # a subject smaller than this share of the picture is looked at a second time, from near
ZOOM_MARGIN = 0.2
ZOOM_AGREEMENT = 0.7
SURE = 0.9  # where a mask is less sure than this, an even background may overrule it
SAME_COLOUR = 6.0  # 8-bit levels


@dataclass(frozen=True, eq=False)
class Cutout:
    """The subject in (part of) the picture.

    Attributes:
        rgba: (h, w, 4) uint8 sRGB, straight alpha.
        left, top: where its corner lies in the picture, picture pixels.
        factor: its pixels per picture pixel.
        segmenter: what made the alpha.
        notes: sentences for the user.
    """

    rgba: NDArray[np.uint8]
    left: float
    top: float
    factor: float
    segmenter: str
    notes: tuple[str, ...]


def has_cutout_alpha(rgba: NDArray[np.uint8]) -> bool:
    """True when the alpha separates something from something: not all one value, and at least 0.5 % of the picture
    at most half opaque."""
    alpha = rgba[..., 3]
    densest = int(alpha.max())
    return bool(densest > alpha.min() and (alpha <= densest // 2).mean() >= LEAST_TRANSPARENT_SHARE)


def segment_by_alpha(rgba: NDArray[np.uint8], weights: Path | None = None) -> Segmentation:
    """The picture's own alpha, scaled up where it was saved half transparent as a whole, without specks of dust.

    Args:
        rgba: (H, W, 4) uint8 sRGB, straight alpha.
        weights: unused; segmenters share one signature.

    Raises:
        InputError: the alpha is the same everywhere.
    """
    alpha = rgba[..., 3]
    densest = int(alpha.max())
    if densest == 0:
        raise InputError(
            "The picture is fully transparent",
            where="alpha channel",
            seen="alpha 0 in every pixel",
            expected="an object with alpha above 0",
            next_step="export the picture again with the object visible",
        )
    if densest == int(alpha.min()):
        raise InputError(
            "The picture's alpha does not cut anything out",
            where="alpha channel",
            seen=f"alpha {densest} in every pixel",
            expected="0 around the object",
            next_step="leave the choice of segmenter on auto",
        )
    notes = []
    soft = (alpha / 255).astype(np.float32)
    if densest < FULL_ALPHA:
        soft = (alpha / densest).astype(np.float32)
        notes.append(f"the picture is nowhere more opaque than {densest / 255:.0%}; its alpha was scaled up")
    soft, _, removed = without_specks(soft, SPECK_OF_LARGEST)
    if removed:
        notes.append(f"{removed} speck{'s' * (removed > 1)} beside the subject removed")
    return Segmentation(soft, "alpha", 0, tuple(notes))


def cut_out(picture: Picture, segmenter: str, weights: Path | None, work_px: int) -> Cutout:
    """Separate the subject from its background.

    Args:
        picture: any picture.
        segmenter: "auto" (the file's alpha where it has one, else the best there is), a name in SEGMENTERS, or the path
            of an .onnx file.
        weights: folder or .onnx file where saliency networks are looked for first.
        work_px: pictures without alpha are worked on with at most this many pixels along the longer side.

    Raises:
        InputError: nothing there, or nothing but subject.
        MissingDependency, CheckpointError, ConfigError: the segmenter cannot be had.
    """
    rgba = picture.rgba
    if segmenter == "alpha" or (segmenter == "auto" and (has_cutout_alpha(rgba) or not rgba[..., 3].any())):
        found = segment_by_alpha(rgba)
        whole = rgba.copy()
        whole[..., 3] = np.rint(found.mask * 255)
        return Cutout(whole, 0.0, 0.0, 1.0, found.name, found.notes)
    notes: tuple[str, ...] = ()
    if picture.has_alpha:
        rgba = _over_white(rgba)
        notes = ("the file's transparency was laid on white",)
    if np.ptp(rgba[..., :3], axis=(0, 1)).max() < 8:
        raise _nothing_seen(picture, "the whole picture is one flat colour")
    segment = best_segmentation if segmenter == "auto" else segmenter_by_name(segmenter)
    result = _cut_by_mask(picture, rgba, segment, weights, work_px)
    return Cutout(result.rgba, result.left, result.top, result.factor, result.segmenter, notes + result.notes)


def _cut_by_mask(
    picture: Picture, rgba: NDArray[np.uint8], segment: Segmenter, weights: Path | None, work_px: int
) -> Cutout:
    """Coarse mask of the whole picture, a second look from near where the subject is small, then fine edges."""
    height, width = rgba.shape[:2]
    left, top = 0, 0
    work, factor = reduced(rgba, work_px)
    found = segment(work, weights)
    mask, num_parts = _main_parts(picture, found.mask)
    box = soft_box(mask)
    assert box is not None  # _main_parts raised otherwise
    if max(box[2] - box[0], box[3] - box[1]) < ZOOM_BELOW * max(work.shape[:2]):
        margin = ZOOM_MARGIN * max(box[2] - box[0], box[3] - box[1])
        x0, y0 = (max(int((edge - margin) / factor), 0) for edge in box[:2])
        x1, y1 = (int((edge + margin) / factor) + 1 for edge in box[2:])
        near, near_factor = reduced(rgba[y0:y1, x0:x1], work_px)
        coarse = _mask_of_part(mask, (x0, y0, min(x1, width), min(y1, height)), factor, near.shape)
        closer = _second_look(near, segment, weights, coarse)
        mask = coarse if closer is None else closer.mask
        error_px = found.edge_error_px * near_factor / factor if closer is None else closer.edge_error_px
        left, top, work, factor = x0, y0, near, near_factor
    else:
        error_px = found.edge_error_px
    rgb = np.ascontiguousarray(work[..., :3])
    alpha = refined_alpha(rgb, mask, max(round(error_px), 2))
    alpha[_seen_through(rgb, mask)] = 0
    alpha, num_parts, _ = without_specks(alpha, PART_OF_LARGEST)
    notes = found.notes + ((f"{num_parts} separate objects kept",) if num_parts > 1 else ())
    colors = subject_colors(rgb, alpha)
    cut = np.concatenate([colors, np.rint(alpha * 255).astype(np.uint8)[..., None]], -1)
    return Cutout(cut, float(left), float(top), factor, found.name, notes)


def _main_parts(picture: Picture, mask: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """The mask without clutter, and its number of parts. Raises InputError when it is empty or covers everything."""
    share = float((mask >= 0.5).mean())
    if share == 0:
        raise _nothing_seen(picture, "no pixel stands out from the background")
    if share > COVERS_EVERYTHING:
        raise _nothing_seen(picture, f"{share:.0%} of the picture was taken for the object")
    cleaned, num_parts, _ = without_specks(mask, PART_OF_LARGEST)
    return cleaned, num_parts


def _seen_through(rgb: NDArray[np.uint8], mask: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(H, W) bool: pixels of an even background's very colour of which the mask is not sure, and whole enclosed regions
    of that colour (the inside of a ring, a handle) of which it is not sure on the average."""
    from scipy import ndimage

    even = distance_from_background(rgb)
    if even is None:
        return np.zeros(mask.shape, bool)
    same = even[0] < SAME_COLOUR
    labels, count = ndimage.label(same)
    sureness = np.bincount(labels.ravel(), mask.ravel(), count + 1) / np.maximum(np.bincount(labels.ravel()), 1)
    sureness[np.unique(labels[even[2]])] = 1.0
    return np.asarray(same & ((mask < SURE) | (sureness[labels] < SURE)), bool)


def _second_look(
    near: NDArray[np.uint8], segment: Segmenter, weights: Path | None, coarse: NDArray[np.float32]
) -> Segmentation | None:
    """Segment the enlarged part; None when that finds something else than the first look did."""
    try:
        found = segment(near, weights)
    except InputError:
        return None
    cleaned, _, _ = without_specks(found.mask, PART_OF_LARGEST)
    a, b = cleaned >= 0.5, coarse >= 0.5
    agreement = (a & b).sum() / max((a | b).sum(), 1)
    if agreement < ZOOM_AGREEMENT:
        return None
    return Segmentation(cleaned, found.name, found.edge_error_px, found.notes)


def _mask_of_part(
    mask: NDArray[np.float32], box: tuple[int, int, int, int], factor: float, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """The part of a mask under a box given in picture pixels, resized to (h, w) of `shape`."""
    x0, y0, x1, y1 = (edge * factor for edge in box)
    picture = Image.fromarray(mask)
    limits = (x0, y0, min(x1, mask.shape[1]), min(y1, mask.shape[0]))
    part = picture.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=limits)
    return np.asarray(part, np.float32).clip(0, 1)


def _over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture on white, opaque."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    flat = np.full_like(rgba, 255)
    flat[..., :3] = np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha))
    return flat


def _nothing_seen(picture: Picture, seen: str) -> InputError:
    return InputError(
        "Nothing stands in front of the background",
        where=picture.path,
        seen=seen,
        expected="one object before a background",
        next_step="cut the object out yourself and save it as PNG with transparency",
    )
