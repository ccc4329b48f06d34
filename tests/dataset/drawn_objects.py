"""Objects and plans for the stand-in worker."""

from __future__ import annotations

from stand_in_worker import RULE

from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.plan import Plan
from svdmv.dataset.rejects import RejectRules


def objects(count: int, **locations: str) -> list[ObjectSource]:
    """Objects `o00` ...; those named in `locations` have that location."""
    made = [ObjectSource(f"o{n:02d}", f"disc:{n}", "CC0-1.0", "nobody", "code") for n in range(count)]
    return made + [ObjectSource(name, where, "CC0-1.0", "nobody", "code") for name, where in locations.items()]


def plan_of(items: list[ObjectSource], per_shard: int = 3, seed: int = 0) -> Plan:
    """A plan with the stand-in's rule."""
    return Plan.made(items, RULE, RejectRules(), seed, per_shard)
