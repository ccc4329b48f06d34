"""Which renders are not worth training on, each with a reason of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, Orbit, SvdmvError

REJECTED_STATUSES = ("empty", "flat", "degenerate", "missing_texture", "untextured", "too_large", "licence", "small",
                     "large", "border", "black", "one_colour", "repeated_views")  # fmt: skip


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
    """

    least_coverage: float = 0.01
    most_coverage: float = 0.9
    border_alpha: int = 16
    least_brightness: float = 4.0
    least_colour_deviation: float = 2.0
    refuse_repeated_views: bool = True
    refuse_untextured: bool = False
    largest_file_mb: float = 200.0


def require_good_views(rgba: NDArray[np.uint8], rules: RejectRules, orbit: Orbit) -> None:
    """Raises RejectedError for the first rule that the views (N, S, S, 4) uint8, straight alpha, do not keep."""
    alpha = rgba[..., 3]
    coverage = (alpha > 127).reshape(len(rgba), -1).mean(1)
    least, most = int(coverage.argmin()), int(coverage.argmax())
    if coverage[least] < rules.least_coverage:
        raise _rejected("small", f"view {least} covers {coverage[least]:.4f}", f"at least {rules.least_coverage}")
    if coverage[most] > rules.most_coverage:
        raise _rejected("large", f"view {most} covers {coverage[most]:.3f}", f"at most {rules.most_coverage}")
    edges = np.stack([alpha[:, 0].max(1), alpha[:, -1].max(1), alpha[..., 0].max(1), alpha[..., -1].max(1)]).max(0)
    if edges.max() > rules.border_alpha:
        seen = f"alpha {edges.max()} on the edge of view {edges.argmax()}"
        raise _rejected("border", seen, f"at most {rules.border_alpha}")
    colours = rgba[..., :3][alpha > 127].astype(np.float32)
    brightness, deviation = float(colours.mean()), float(colours.std(0).max())
    if brightness < rules.least_brightness:
        raise _rejected("black", f"mean colour {brightness:.1f} of 255", f"at least {rules.least_brightness}")
    if deviation < rules.least_colour_deviation:
        raise _rejected("one_colour", f"deviation {deviation:.2f} of 255", f"at least {rules.least_colour_deviation}")
    distinct = len({view.tobytes() for view in rgba})
    if rules.refuse_repeated_views and distinct < orbit.num_views:
        raise _rejected("repeated_views", f"{distinct} different views", f"{orbit.num_views}")


def require_texture(asset: Asset) -> None:
    """Raises RejectedError "untextured" for an object of one plain colour."""
    plain = asset.mesh.colors is None and all(m.base_color_srgb is None for m in asset.materials)
    if plain and len({m.base_color_factor_linear for m in asset.materials}) <= 1:
        raise _rejected("untextured", "one colour, no texture", "textures, vertex colours or several materials")


def _rejected(status: str, seen: str, expected: str) -> RejectedError:
    return RejectedError("The object is left out", seen=seen, expected=expected, status=status)
