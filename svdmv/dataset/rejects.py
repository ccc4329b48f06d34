"""Which renders are not worth training on, each with a reason of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, SvdmvError

REJECTED_STATUSES = ("empty", "flat", "degenerate", "missing_texture", "untextured", "too_large", "licence", "small",
                     "large", "border", "black", "one_colour", "repeated_views", "short")  # fmt: skip


class RejectedError(SvdmvError):
    """An object that can be read and is left out by a rule; `status` names the rule."""


@dataclass(frozen=True)
class RejectRules:
    """Bounds that every view of an object has to keep. A rule is switched off by the value in brackets.

    Attributes:
        least_coverage: share of the picture, alpha above one half: below is "small" [0].
        most_coverage: above is "large" [1].
        border_alpha: alpha of 255 that a pixel on the picture's edge may have: above is "border" [255].
        least_brightness: mean of the object's colours over all views, of 255: below is "black" [0].
        least_colour_deviation: standard deviation of the object's colours over all views, of 255: below is
            "one_colour" [0].
        refuse_repeated_views: "repeated_views" when two views are the same bytes, as of a renderer that stood still.
        refuse_untextured: "untextured" when one colour without texture or vertex colours covers the whole object.
        largest_file_mb: "too_large" above; a bound on what a reader has to hold.
        least_thickness: least side of the bounding box over its longest: below is "flat" [0].
    """

    least_coverage: float = 0.01
    most_coverage: float = 0.9
    border_alpha: int = 16
    least_brightness: float = 4.0
    least_colour_deviation: float = 2.0
    refuse_repeated_views: bool = True
    refuse_untextured: bool = False
    largest_file_mb: float = 200.0
    least_thickness: float = 1e-3


def require_good_views(rgba: NDArray[np.uint8], rules: RejectRules) -> NDArray[np.float64]:
    """(N,) float64: share of each view (N, H, W, 4) uint8, straight alpha, that the object covers.

    Raises RejectedError for the first rule that the views do not keep.
    """
    counts = _counted(rgba)
    coverage: NDArray[np.float64] = counts[:, 0] / (rgba.shape[1] * rgba.shape[2])
    edges = counts[:, 1]
    least, most = int(coverage.argmin()), int(coverage.argmax())
    if coverage[least] < rules.least_coverage:
        raise _rejected("small", f"view {least} covers {coverage[least]:.4f}", f"at least {rules.least_coverage}")
    if coverage[most] > rules.most_coverage:
        raise _rejected("large", f"view {most} covers {coverage[most]:.3f}", f"at most {rules.most_coverage}")
    if edges.max() > rules.border_alpha:
        seen = f"alpha {edges.max()} on the edge of view {edges.argmax()}"
        raise _rejected("border", seen, f"at most {rules.border_alpha}")
    _require_colours(rgba, counts, rules)
    return coverage


def require_good_frames(rgba: NDArray[np.uint8], rules: RejectRules) -> None:
    """The rules for frames of a video (N, H, W, 4), which have no outline: "black", "one_colour", "repeated_views".

    Raises RejectedError.
    """
    _require_colours(rgba, _counted(rgba), rules)


def require_texture(asset: Asset) -> None:
    """Raises RejectedError "untextured" for an object of one plain colour."""
    plain = asset.mesh.colors is None and all(m.base_color_srgb is None for m in asset.materials)
    if plain and len({m.base_color_factor_linear for m in asset.materials}) <= 1:
        raise _rejected("untextured", "one colour, no texture", "textures, vertex colours or several materials")


def _counted(rgba: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(N, 8): see `count_kernel`."""
    from svdmv.dataset._view_kernels import count_kernel

    counts = np.zeros((len(rgba), 8), np.int64)
    count_kernel(np.ascontiguousarray(rgba), counts)
    return counts


def _require_colours(rgba: NDArray[np.uint8], counts: NDArray[np.int64], rules: RejectRules) -> None:
    pixels, _, *rest = counts.sum(0).tolist()
    means = np.array(rest[:3]) / max(pixels, 1)
    brightness = float(means.mean())
    deviation = float(np.sqrt(np.maximum(np.array(rest[3:]) / max(pixels, 1) - means**2, 0)).max())
    if brightness < rules.least_brightness:
        raise _rejected("black", f"mean colour {brightness:.1f} of 255", f"at least {rules.least_brightness}")
    if deviation < rules.least_colour_deviation:
        raise _rejected("one_colour", f"deviation {deviation:.2f} of 255", f"at least {rules.least_colour_deviation}")
    distinct = len({view.tobytes() for view in rgba})
    if rules.refuse_repeated_views and distinct < len(rgba):
        raise _rejected("repeated_views", f"{distinct} different views", f"{len(rgba)}")


def _rejected(status: str, seen: str, expected: str) -> RejectedError:
    return RejectedError("The object is left out", seen=seen, expected=expected, status=status)
