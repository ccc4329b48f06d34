"""Which threshold to take: people compare clips from different ranges of a score, ranges get Elo ratings, and the
ranges that lose are dropped (the LVD way, SVD paper App. E.2.2, with ranges of a score in place of whole models)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from svdmv.core import DataError

NUM_RANGES = 8  # of an eighth each, so that 12.5, 25 and 50 % are thresholds
START, STEP = 1000.0, 24.0  # Elo 1978: usual rating at the start, points at stake in a comparison
MARGIN = 20.0  # a range is dropped when it rates so much below the mean of those above it
ORDERS = 50  # replays of the votes in random order: one order alone decides too much
CHOICES = ("left", "right", "equal")


@dataclass(frozen=True)
class Pair:
    """Two clips to compare and the ranges (0 = lowest) of the score that they come from."""

    left: str
    right: str
    left_range: int
    right_range: int


def ranges_of(values: Mapping[str, float], num_ranges: int = NUM_RANGES) -> dict[str, int]:
    """Name -> range of equal count, 0 the lowest; ties by name."""
    ordered = sorted(values, key=lambda name: (values[name], name))
    return {name: n * num_ranges // len(ordered) for n, name in enumerate(ordered)}


def preference_pairs(values: Mapping[str, float], count: int, seed: int = 0) -> list[Pair]:
    """`count` comparisons of clips from different ranges, every pair of ranges as often as the others, sides drawn.

    Raises DataError: fewer than two clips.
    """
    if len(values) < 2:
        raise DataError(
            "There is nothing to compare", where="preferences", seen=len(values), expected="2 clips or more"
        )
    ranges = ranges_of(values)
    members: dict[int, list[str]] = {}
    for name, number in ranges.items():
        members.setdefault(number, []).append(name)
    rng = np.random.default_rng([seed, len(values)])
    numbers = sorted(members)
    matches = [(a, b) for a in numbers for b in numbers if a < b]
    pairs = []
    for k in range(count):
        if k % len(matches) == 0:
            rng.shuffle(matches)
        a, b = (int(n) for n in matches[k % len(matches)])
        sides = [(str(rng.choice(members[n])), n) for n in ((a, b) if rng.uniform() < 0.5 else (b, a))]
        pairs.append(Pair(sides[0][0], sides[1][0], sides[0][1], sides[1][1]))
    return pairs


def elo_ratings(matches: Sequence[tuple[int, int, float]], num_ranges: int = NUM_RANGES, seed: int = 0) -> list[float]:
    """Ratings of the ranges from (left, right, score of the left: 1 won, 0 lost, 0.5 equal), averaged over orders."""
    rng, total = np.random.default_rng(seed), np.zeros(num_ranges)
    for _ in range(ORDERS):
        ratings = np.full(num_ranges, START)
        for n in rng.permutation(len(matches)):
            left, right, won = matches[n]
            expected = 1 / (1 + 10 ** ((ratings[right] - ratings[left]) / 400))
            ratings[left] += STEP * (won - expected)
            ratings[right] -= STEP * (won - expected)
        total += ratings
    return [float(r) for r in total / ORDERS]


def share_from_ratings(ratings: Sequence[float], margin: float = MARGIN, most: float = 0.5) -> float:
    """The share to drop: ranges from the lowest up while each rates at least `margin` below the mean of those above."""
    dropped = 0
    while dropped + 1 <= most * len(ratings) and ratings[dropped] < np.mean(ratings[dropped + 1 :]) - margin:
        dropped += 1
    return dropped / len(ratings)


@dataclass(frozen=True)
class Verdict:
    """What the votes say of one score: ratings of its ranges, lowest first, and the share to drop."""

    score: str
    votes: int
    ratings: tuple[float, ...]
    share: float


def verdict_from_votes(path: Path | str) -> Verdict:
    """Read the file that the preference page saves. Raises DataError: damaged, another version, or without a vote."""
    path = Path(path)
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["format"] != "svdmv-votes-1":
            raise ValueError(f"format {values['format']}")
        worth = {"left": 1.0, "right": 0.0, "equal": 0.5}
        matches = [
            (int(v["left_range"]), int(v["right_range"]), worth[v["choice"]])
            for v in values["votes"]
            if 0 <= int(v["left_range"]) < NUM_RANGES and 0 <= int(v["right_range"]) < NUM_RANGES
        ]
        score = str(values["score"])
        if len(matches) != len(values["votes"]) or not matches:
            raise ValueError(f"{len(matches)} usable votes of {len(values['votes'])}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "The votes cannot be read",
            where=path,
            seen=f"{type(error).__name__}: {error}",
            expected="votes.json as the preference page saves it",
            next_step="open preferences.html, compare, and press Save",
        ) from error
    ratings = elo_ratings(matches)
    return Verdict(score, len(matches), tuple(ratings), share_from_ratings(ratings))
