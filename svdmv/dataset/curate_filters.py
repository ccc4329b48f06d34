"""Which clips are kept: absolute rules and shares of the lowest scores, each with its own reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from svdmv.core import ConfigError
from svdmv.dataset.video_scores import TEXT_SHARE

SCORES = ("motion", "sharpness", "text", "network")


@dataclass(frozen=True)
class ClipRow:
    """One clip of the curation, or a video that could not be read (then `error` says why and nothing is scored).

    motion: mean flow at 2 frames a second, in short sides. sharpness: median of the frames. text: share of the picture,
    the largest of three frames. network: score of a user's network. None = not measured. reasons: why it is dropped.
    """

    id: str
    video: str
    start: int = 0
    stop: int = 0
    fps: float = 0.0
    motion: float | None = None
    sharpness: float | None = None
    text: float | None = None
    network: float | None = None
    error: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """kept, dropped or failed."""
        return "failed" if self.error else "dropped" if self.reasons else "kept"


@dataclass(frozen=True)
class FilterRule:
    """min_frames: shorter clips are dropped. max_text: share of the picture (7 %: SVD paper, App. C).

    least_motion, least_sharpness, least_network: share of all clips that is dropped from the low end of each score.
    SVD kept thresholds of 25 % for motion and for aesthetics after comparing 12.5, 25 and 50 % (App. E.2.2); it had no
    rule for blur. still: motion below which nothing moves at all, whatever the shares say.
    """

    min_frames: int = 21
    max_text: float = TEXT_SHARE
    least_motion: float = 0.25
    least_sharpness: float = 0.125
    least_network: float = 0.25
    still: float = 0.0005

    def __post_init__(self) -> None:
        for name in ("least_motion", "least_sharpness", "least_network", "max_text"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError("A share is out of range", where=f"filters.{name}", seen=value, expected="0 to 1")
        if self.min_frames < 2:
            raise ConfigError("A clip needs frames", where="filters.min_frames", seen=self.min_frames, expected=">= 2")


def lowest_share(values: Mapping[str, float], share: float) -> set[str]:
    """The names of the lowest `share` of the values: floor(share * count) of them, ties by name."""
    ordered = sorted(values, key=lambda name: (values[name], name))
    return set(ordered[: math.floor(share * len(ordered) + 1e-9)])


def threshold_of(values: Sequence[float], share: float) -> float | None:
    """The lowest value that is kept when the lowest `share` is dropped; None when nothing is dropped."""
    count = math.floor(share * len(values) + 1e-9)
    return sorted(values)[count] if 0 < count < len(values) else None


def filtered(rows: Sequence[ClipRow], rule: FilterRule) -> list[ClipRow]:
    """The rows with every reason to drop them. Shares are taken of all clips that have the score."""
    shares = {"motion": rule.least_motion, "sharpness": rule.least_sharpness, "network": rule.least_network}
    low = {
        score: lowest_share({r.id: float(getattr(r, score)) for r in rows if getattr(r, score) is not None}, share)
        for score, share in shares.items()
    }
    out = []
    for row in rows:
        reasons = []
        if not row.error:
            if row.stop - row.start < rule.min_frames:
                reasons.append(f"too_short: {row.stop - row.start} frames of {rule.min_frames}")
            if row.motion is not None and row.motion < rule.still:
                reasons.append(f"still: motion {row.motion:.5f}")
            if row.text is not None and row.text > rule.max_text:
                reasons.append(f"text: {100 * row.text:.1f} % of the picture")
            for score, share in shares.items():
                if row.id in low[score]:
                    reasons.append(f"least_{score}: among the lowest {100 * share:g} %")
        out.append(replace(row, reasons=tuple(reasons)))
    return out


def counts_by_reason(rows: Sequence[ClipRow]) -> dict[str, int]:
    """First word of each reason -> how many clips have it, most frequent first; a clip may have several."""
    counts: dict[str, int] = {}
    for row in rows:
        for word in {reason.split(":")[0] for reason in row.reasons}:
            counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def row_from_json(values: Mapping[str, Any]) -> ClipRow:
    """A row as it was written; raises TypeError for keys that are not known."""
    return ClipRow(**{**values, "reasons": tuple(values.get("reasons", ()))})
