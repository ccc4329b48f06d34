"""Does a prediction follow another convention? Turn, direction, elevation, size: searched and told, never applied.

Every combination is tried on small pictures: a score against all pairs of views is two matrix products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.bench.metrics import FloatArray, over_background
from svdmv.bench.references import LitObject, reference_views
from svdmv.bench.resize import resized_rgba
from svdmv.bench.suite import Suite, SuiteObject, Track
from svdmv.core import SvdmvError, ViewSet

SCALES = (1.0, 0.7, 0.8, 0.9, 1.1, 1.25, 1.4)
ELEVATION_STEPS_DEG = (-30.0, -20.0, -10.0, 10.0, 20.0, 30.0)
SIZE_PX = 64  # the search is done on small pictures
SUSPICIOUS_DB = 1.0
TELLING_DB = 20.0  # an orbit that is nearer than this to itself run backwards cannot tell the direction
MAJORITY = 0.6
MISPLACED_DB = 3.0


@dataclass(frozen=True)
class Alignment:
    """What would fit best; scores are object PSNR in dB on pictures of 64 px, the input view left out, at most 60.

    Attributes:
        shift: views to turn the prediction by. flipped: its orbit runs the other way.
        elevation_deg: how much higher than asked the prediction seems to be seen from.
        scale: to apply to its pictures in the plane.
        as_is_db, best_db: the prediction as it is, and under the best combination.
        reversed_db: with its orbit run backwards and nothing else changed.
        telling: whether the true orbit differs from itself run backwards, so that its direction can be measured.
        elevations_deg: the other elevations that were searched.
        misplaced: (predicted view, true view) that belong to each other and to no other by 3 dB, though their numbers
            differ; only where no turn or direction explains it.
    """

    shift: int
    flipped: bool
    elevation_deg: float
    scale: float
    as_is_db: float
    best_db: float
    reversed_db: float
    telling: bool
    elevations_deg: tuple[float, ...] = field(default=())
    misplaced: tuple[tuple[int, int], ...] = field(default=())

    @property
    def gain_db(self) -> float:
        """Of the best combination over the prediction as it is."""
        return self.best_db - self.as_is_db

    @property
    def offset(self) -> tuple[int, bool, float, float]:
        """Shift, flipped, elevation, scale."""
        return self.shift, self.flipped, self.elevation_deg, self.scale

    @property
    def suspicious(self) -> bool:
        """Whether another convention explains the truth better by a margin."""
        return self.gain_db > SUSPICIOUS_DB and self.offset != (0, False, 0.0, 1.0)

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self) | {"gain_db": self.gain_db, "suspicious": self.suspicious}


def searched_alignment(
    prediction: ViewSet, truth: ViewSet, input_view: int = 0, others: Mapping[float, ViewSet] | None = None
) -> Alignment:
    """Search all turns, both directions, sizes, and the elevations of `others`, in every combination.

    Only for orbits of equal steps: a turn by one view means the same everywhere. The input view is left out.

    Args:
        prediction, truth: N views each.
        others: offset in degrees -> the true orbit seen from that much higher, N views each; see `elevation_ladder`.
    """
    ladder = {0.0: truth, **(others or {})}
    small = _small(prediction.rgba_u8())
    true = {offset: _small(views.rgba_u8()) for offset, views in ladder.items()}
    count = len(truth)
    kept = np.arange(count) != input_view
    best, best_offset, as_is, backwards = -np.inf, (0, False, 0.0, 1.0), 0.0, 0.0
    for elevation in sorted(true, key=abs):
        for scale in SCALES:
            table = _scores_of_pairs(_scaled(small, scale), true[elevation])
            for flipped in (False, True):
                for shift in range(count):
                    rows = _order(count, input_view, flipped, shift)
                    score = float(table[rows, np.arange(count)][kept].mean())
                    if (elevation, scale, shift) == (0.0, 1.0, 0):
                        as_is, backwards = (as_is, score) if flipped else (score, backwards)
                    if score > best + 1e-9:
                        best, best_offset = score, (shift, flipped, elevation, scale)
    swapped = _misplaced(_scores_of_pairs(small, true[0.0]), input_view) if best_offset[:2] == (0, False) else ()
    own = _scores_of_pairs(true[0.0], true[0.0])[_order(count, input_view, True, 0), np.arange(count)][kept].mean()
    searched = tuple(sorted(others or {}))
    return Alignment(*best_offset, as_is, best, backwards, bool(own < TELLING_DB), searched, swapped)


def elevation_ladder(
    suite: Suite,
    item: SuiteObject,
    track: Track,
    data: Path | None,
    cache: Path | None,
    lit: LitObject | None = None,
) -> dict[float, ViewSet]:
    """Offset in degrees -> the true orbit from that much higher or lower, small; empty without the object's file."""
    tracks = {
        step: replace(
            track,
            name=f"{track.name}{step:+g}",
            elevations_deg=tuple(e + step for e in track.elevations_deg),
        )
        for step in ELEVATION_STEPS_DEG
        if max(abs(e + step) for e in track.elevations_deg) <= 85
    }
    small = replace(suite, tracks=tuple(tracks.values()), size_px=min(SIZE_PX, suite.size_px), supersampling=2)
    try:
        views = reference_views(small, item, data, cache, lit)
    except SvdmvError:
        return {}
    return {step: views[one.name] for step, one in tracks.items()}


def alignment_summary(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Over the predictions of a method (`name` and the alignment's fields): how many another convention would fit
    better, and which way it turns.

    `commonest` is the offset most often found better by more than 1 dB, with both mean scores of those predictions;
    `convention` says that more than half of all predictions share it; `outliers` are those that another offset fits
    better by more than 3 dB, each with its own. `direction` is ours, reversed, undecided, or
    untold when no object tells.
    """
    keys = ("shift", "flipped", "elevation_deg", "scale")
    other = [tuple(a[k] for k in keys) for a in found if a["suspicious"]]
    commonest = max(sorted(set(other)), key=other.count) if other else None
    sharing = [a for a in found if a["suspicious"] and tuple(a[k] for k in keys) == commonest]
    telling = [a for a in found if a["telling"]]
    ours = sum(a["as_is_db"] > a["reversed_db"] for a in telling)
    reverse = sum(a["as_is_db"] < a["reversed_db"] for a in telling)
    direction = "untold"
    if telling:
        share = {"ours": ours / len(telling), "reversed": reverse / len(telling)}
        direction = next((name for name, value in share.items() if value > MAJORITY), "undecided")
    return {
        "searched": len(found),
        "suspicious": len(other),
        "commonest": None
        if commonest is None
        else dict(zip(keys, commonest, strict=True))
        | {key: round(float(np.mean([a[key] for a in sharing])), 6) for key in ("as_is_db", "best_db")},
        "convention": commonest is not None and len(sharing) > 0.5 * len(found),
        "direction": direction,
        "direction_told_by": len(telling),
        "direction_ours": ours,
        "direction_reversed": reverse,
        "misplaced": {a["name"]: a["misplaced"] for a in found if a.get("misplaced")},
        "outliers": {
            a["name"]: {key: a[key] for key in (*keys, "as_is_db", "best_db")}
            for a in found
            if a["suspicious"] and a["best_db"] > a["as_is_db"] + MISPLACED_DB
        },
    }


def alignment_warnings(method: str, summary: Mapping[str, Any]) -> list[str]:
    """What a reader has to be told about a method's convention; empty when all is well."""
    said = []
    if summary["convention"]:
        offset = summary["commonest"]
        said.append(
            f"{method}: convention? {_offset_words(offset)}: {offset['best_db']:.2f} dB on the object "
            f"instead of {offset['as_is_db']:.2f} (at 64 px); nothing was changed"
        )
    else:
        said += [
            f"{method}, {name}: wrongly ordered or turned? {_offset_words(own)}: {own['best_db']:.2f} dB on the object "
            f"instead of {own['as_is_db']:.2f} (at 64 px); nothing was changed"
            for name, own in summary.get("outliers", {}).items()
        ]
    if summary["direction"] == "reversed":
        said.append(
            f"{method}: turns the other way: {summary['direction_reversed']} of {summary['direction_told_by']} orbits "
            "that tell the direction fit better backwards"
        )
    for name, pairs in summary["misplaced"].items():
        listed = ", ".join(f"{made} is the true view {true}" for made, true in pairs[:4])
        said.append(f"{method}, {name}: wrongly ordered? view {listed}; nothing was changed")
    return said


def _offset_words(offset: Mapping[str, Any]) -> str:
    words = [
        f"turned by {offset['shift']} views" if offset["shift"] else "",
        "orbit run the other way" if offset["flipped"] else "",
        f"seen from {offset['elevation_deg']:+g} degrees higher" if offset["elevation_deg"] else "",
        f"pictures scaled by {offset['scale']:g}" if offset["scale"] != 1 else "",
    ]
    return ", ".join(w for w in words if w)


def _misplaced(table: FloatArray, input_view: int) -> tuple[tuple[int, int], ...]:
    """Pairs that are each other's best match and 3 dB better than the view in its own place."""
    pairs = []
    for made, true in enumerate(table.argmax(1)):
        mutual = made != true and input_view not in (made, true) and table[:, true].argmax() == made
        if mutual and table[made, true] > table[made, made] + MISPLACED_DB:
            pairs.append((made, int(true)))
    return tuple(pairs)


def _order(count: int, input_view: int, flipped: bool, shift: int) -> NDArray[np.int64]:
    """Which predicted view stands in each place."""
    places = (np.arange(count) - shift) % count
    return (2 * input_view - places) % count if flipped else places


def _scores_of_pairs(predicted: NDArray[np.uint8], true: NDArray[np.uint8]) -> FloatArray:
    """(N, N): object PSNR in dB, at most 60, of every predicted view against every true one, over white.

    Outside both silhouettes both are white, so the squared error over the union is that over the picture.
    """
    a, b = (
        1 - over_background(rgba[..., :3], rgba[..., 3]).reshape(len(rgba), -1).astype(np.float64)
        for rgba in (predicted, true)
    )
    in_a, in_b = ((rgba[..., 3] >= 128).reshape(len(rgba), -1).astype(np.float64) for rgba in (predicted, true))
    errors = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
    union = in_a.sum(1)[:, None] + in_b.sum(1) - in_a @ in_b.T
    scores: FloatArray = -10 * np.log10(np.maximum(errors / np.maximum(3 * union, 1), 1e-6))
    return scores


def _small(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return resized_rgba(rgba, SIZE_PX) if rgba.shape[1] > SIZE_PX else rgba


def _scaled(rgba: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Scaled about the centre, same frame; clear outside."""
    if scale == 1.0:
        return rgba
    size = rgba.shape[1]
    half = size / 2 / scale
    box = (size / 2 - half, size / 2 - half, size / 2 + half, size / 2 + half)
    out = np.empty_like(rgba)
    for n, view in enumerate(rgba):
        image = Image.fromarray(view).transform(
            (size, size), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR, fillcolor=(255, 255, 255, 0)
        )
        out[n] = np.asarray(image)
    return out
