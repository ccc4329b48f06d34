"""Splits by hash: an item's side depends on its name alone, so it never changes when a list grows or is reordered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from svdmv.core import ConfigError

OBJECT_SHARES: Mapping[str, float] = {"train": 0.98, "validation": 0.01, "test": 0.01}
MVIMGNET_SHARES: Mapping[str, float] = {"train": 200_000 / 200_900, "test": 900 / 200_900}  # SVD paper 4.5


def mark_of(name: str) -> float:
    """A number in [0, 1) drawn from the first 32 bits of the name's sha256."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32


def split_of(name: str, shares: Mapping[str, float] = OBJECT_SHARES) -> str:
    """The split that a name falls into.

    Args:
        name: uid of the object or video; parts of one thing (its orbits, frames) share their thing's name.
        shares: split -> share of all, adding up to 1. Held-out splits take the lowest marks, in the order given, and
            the first split the rest: the same names are held out by every list of shares with the same tail.

    Raises:
        ConfigError: shares are negative or do not add up to 1.
    """
    if not shares or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise ConfigError(
            "The shares of a split do not add up", where="shares", seen=dict(shares), expected="a sum of 1"
        )
    mark, bound = mark_of(name), 0.0
    first, *others = shares
    for split in others:
        bound += shares[split]
        if mark < bound:
            return split
    return first
