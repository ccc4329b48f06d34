"""Any picture -> the subject alone, centred on a square, at the size that the network was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError, InputError
from svdmv.io.pictures import Picture
from svdmv.subject.cutout import Cutout, cut_out
from svdmv.subject.resampling import resample_window
from svdmv.subject.silhouette import sides_cut_off, soft_box

LEAST_SUBJECT_PX = 8
SOFT_ABOVE = 1.5  # enlarged by more than this, the subject looks soft and the notes say so
LEAST_WORK_PX = 512  # pictures without alpha are worked on at this size, or at twice the frame's
ALREADY_FRAMED = 0.01  # a picture of the right size whose window is off by less than this share is left as it is


@dataclass(frozen=True, eq=False)
class FramedSubject:
    """A subject ready for the network.

    Attributes:
        rgba: (S, S, 4) uint8 sRGB, straight alpha; white under zero alpha.
        segmenter: what separated it from its background ("alpha", "u2netp", "grabcut" ...).
        notes: sentences for the user: what was assumed, cut off, enlarged.
        crop_box_px: (left, top, right, bottom) of the frame in picture pixels; may reach outside the picture.
        scale: framed pixels per picture pixel.
        detail: (D, D, 4) uint8: the same frame with more of the picture's pixels, D at least S.
    """

    rgba: NDArray[np.uint8]
    segmenter: str
    notes: tuple[str, ...]
    crop_box_px: tuple[float, float, float, float]
    scale: float
    detail: NDArray[np.uint8]


def frame_subject(
    picture: Picture,
    *,
    size: int,
    foreground_ratio: float,
    segmenter: str = "auto",
    weights_dir: Path | str | None = None,
    detail_px: int = 0,
) -> FramedSubject:
    """Cut the subject out, centre its box on a square, scale its longer side to a share of the frame (as SV3D's
    image_frame_ratio does).

    Args:
        picture: any picture.
        size: side of the result, pixels.
        foreground_ratio: longer side of the subject's box over `size`, in (0, 1].
        segmenter: "auto" (the file's alpha where it has one, else the best there is), a name in SEGMENTERS, or the path
            of an .onnx file.
        weights_dir: folder or .onnx file where saliency networks are looked for first.
        detail_px: largest side of `detail`; the picture's own pixels are never enlarged for it.

    Returns:
        The framed subject. Framing it again changes nothing.

    Raises:
        ConfigError: size, ratio or segmenter out of range.
        InputError: fully transparent, nothing in front of the background, nothing but subject, subject of a few pixels.
        MissingDependency, CheckpointError: the segmenter asked for cannot be had.
    """
    if not (isinstance(size, int) and size >= LEAST_SUBJECT_PX):
        raise ConfigError(
            "The size of the framed picture is out of range",
            where="size",
            seen=size,
            expected=f"a whole number of at least {LEAST_SUBJECT_PX}",
        )
    if not 0 < foreground_ratio <= 1:
        raise ConfigError(
            "The foreground ratio is out of range",
            where="foreground_ratio",
            seen=foreground_ratio,
            expected="above 0, at most 1",
            next_step="--foreground-ratio 0.85",
        )
    weights = None if weights_dir is None else Path(weights_dir).expanduser()
    try:
        cut = cut_out(picture, segmenter, weights, max(LEAST_WORK_PX, 2 * size))
    except InputError as error:
        raise InputError(
            error.what, where=picture.path, seen=error.seen, expected=error.expected, next_step=error.next_step
        ) from error
    return _framed(cut, picture, size, foreground_ratio, detail_px)


def _framed(cut: Cutout, picture: Picture, size: int, foreground_ratio: float, detail_px: int) -> FramedSubject:
    alpha = (cut.rgba[..., 3] / 255).astype(np.float32)
    box = soft_box(alpha)
    longer = 0.0 if box is None else max(box[2] - box[0], box[3] - box[1])
    if box is None or longer < LEAST_SUBJECT_PX * cut.factor:
        width, height = (0.0, 0.0) if box is None else ((box[2] - box[0]), (box[3] - box[1]))
        raise InputError(
            "The subject is too small",
            where=picture.path,
            seen=f"{width / cut.factor:.0f}x{height / cut.factor:.0f} px of the picture's "
            f"{picture.rgba.shape[1]}x{picture.rgba.shape[0]}",
            expected=f"at least {LEAST_SUBJECT_PX} px along its longer side",
            next_step="use a larger picture of the object",
        )
    side = longer / foreground_ratio
    left, top = (box[0] + box[2] - side) / 2, (box[1] + box[3] - side) / 2
    tolerance = ALREADY_FRAMED * size
    framed_already = cut.rgba.shape[:2] == (size, size) and (
        max(abs(left), abs(top), abs(left + side - size), abs(top + side - size)) <= tolerance
    )
    if framed_already:
        left, top, side = 0.0, 0.0, float(size)
    rgba = resample_window(cut.rgba, left, top, side, size)
    larger = max(min(detail_px, int(side)), size)
    scale = size / side * cut.factor
    origin_x, origin_y, side_px = cut.left + left / cut.factor, cut.top + top / cut.factor, side / cut.factor
    return FramedSubject(
        rgba,
        cut.segmenter,
        cut.notes + _notes_on_frame(alpha, cut, picture, scale),
        (origin_x, origin_y, origin_x + side_px, origin_y + side_px),
        scale,
        rgba if larger == size else resample_window(cut.rgba, left, top, side, larger),
    )


def _notes_on_frame(alpha: NDArray[np.float32], cut: Cutout, picture: Picture, scale: float) -> tuple[str, ...]:
    """What a user should know about where the subject stood and how large it was."""
    height, width = picture.rgba.shape[:2]
    bottom, right = cut.top + alpha.shape[0] / cut.factor, cut.left + alpha.shape[1] / cut.factor
    on_border = {"left": cut.left < 1, "top": cut.top < 1, "right": right > width - 1, "bottom": bottom > height - 1}
    sides = [side for side in sides_cut_off(alpha) if on_border[side]]
    notes = []
    if sides:
        notes.append(f"the subject is cut off at the picture's border ({', '.join(sides)}); that side will be guessed")
    if scale > SOFT_ABOVE:
        notes.append(f"the subject is small in its picture; it was enlarged {scale:.1f} times and looks soft")
    return tuple(notes)
