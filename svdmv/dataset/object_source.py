"""What a data set is made from: one object, where it lies and whose it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ObjectSource:
    """One object: `location` is a model file or what else `objects.asset_from_location` knows."""

    id: str
    location: str
    licence: str
    attribution: str = ""
    source: str = ""
