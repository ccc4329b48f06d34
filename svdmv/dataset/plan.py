"""The plan of a build: which objects, by which rule, in which shards; written once, and what an output belongs to."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from svdmv.core import ConfigError, DataError, InputError
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.rejects import RejectRules
from svdmv.dataset.sampling import OrbitRule, share_of
from svdmv.io.atomic import translated_os_errors, write_json

PLAN_FORMAT = "svdmv-plan-1"
PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class Plan:
    """Objects in the order of the shards (mixed by hash of their ids), the rules, the seed, objects a shard.

    Two plans with the same `digest` give the same shards; where model files lie is not part of it.
    """

    items: tuple[ObjectSource, ...]
    rule: OrbitRule
    rejects: RejectRules
    seed: int
    objects_per_shard: int

    @classmethod
    def made(
        cls, items: Sequence[ObjectSource], rule: OrbitRule, rejects: RejectRules, seed: int, objects_per_shard: int
    ) -> Self:
        """The plan of some objects. Raises DataError: no object, or an id twice; ConfigError: an empty shard."""
        names = [item.id for item in items]
        if not names:
            raise DataError("The list of objects is empty", where="sources", seen="0 objects", expected="1 or more")
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})[:3]
            raise DataError("Ids of objects come twice", where="sources", seen=twice, expected="every id once")
        if objects_per_shard < 1:
            raise ConfigError(
                "A shard holds nothing", where="objects_per_shard", seen=objects_per_shard, expected=">= 1"
            )
        mixed = sorted(items, key=lambda item: (share_of(item.id, 0, seed, "place"), item.id))
        return cls(tuple(mixed), rule, rejects, seed, objects_per_shard)

    @property
    def num_shards(self) -> int:
        """How many shards."""
        return -(-len(self.items) // self.objects_per_shard)

    def shard(self, number: int) -> tuple[ObjectSource, ...]:
        """Objects of a shard, in order."""
        return self.items[number * self.objects_per_shard : (number + 1) * self.objects_per_shard]

    @cached_property
    def digest(self) -> str:
        """sha256 of all that decides the bytes and the manifest."""
        told = self.as_json()
        for row in told["objects"]:
            del row["location"]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "format": PLAN_FORMAT,
            "seed": self.seed,
            "objects_per_shard": self.objects_per_shard,
            "rule": asdict(self.rule),
            "rejects": asdict(self.rejects),
            "objects": [asdict(item) for item in self.items],
        }

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The plan of an output. Raises DataError: absent, damaged, or of another version."""
        path = folder / PLAN_FILE
        try:
            told = json.loads(path.read_text("utf-8"))
            if told.get("format") != PLAN_FORMAT:
                raise DataError(
                    "The plan is of another version", where=path, seen=told.get("format"), expected=PLAN_FORMAT
                )
            rule = OrbitRule(**told["rule"])
            items = tuple(ObjectSource(**row) for row in told["objects"])
            rejects = RejectRules(**told["rejects"])
            return cls(items, rule, rejects, told["seed"], told["objects_per_shard"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                "There is no readable plan",
                where=path,
                seen=error,
                expected="an output of svdmv data build",
                next_step="svdmv data build out=FOLDER",
            ) from error

    def keep(self, folder: Path) -> None:
        """Write the plan to an output, or see that it is the one the output was begun with.

        Raises ConfigError: the output belongs to another plan. InputError: the disk refuses.
        """
        if (folder / PLAN_FILE).exists():
            there = Plan.open(folder)
            if there.digest != self.digest:
                raise ConfigError(
                    "The output was begun with other objects or settings",
                    where=folder / PLAN_FILE,
                    seen=_difference(there, self),
                    expected="the same objects, rules and seed",
                    next_step="choose another out=FOLDER, or the settings that this folder was begun with",
                )
            if there == self:
                return
        write_json(folder / PLAN_FILE, self.as_json())


@contextmanager
def only_run(path: Path, *, shared: bool = False, wait: bool = False) -> Iterator[None]:
    """Hold a lock on `path` that dies with this process; several may hold it `shared`; `wait` until it is free.

    Raises InputError: another run holds it, or the system refuses.
    """
    import fcntl

    with translated_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise InputError(
                "Another run is at work on this output",
                where=path,
                seen="a lock that is held",
                expected="one run at a time",
                next_step="wait for the other run to end, or choose another out=FOLDER",
            ) from error
        yield


def _difference(there: Plan, asked: Plan) -> str:
    old, new = there.as_json(), asked.as_json()
    parts = [
        f"{group}.{key}: {old[group][key]} there, {new[group][key]} asked for"
        for group in ("rule", "rejects")
        for key in new[group]
        if json.dumps(old[group].get(key)) != json.dumps(new[group][key])
    ]
    parts += [f"{k}: {old[k]} there, {new[k]} asked for" for k in ("seed", "objects_per_shard") if old[k] != new[k]]
    if {i.id for i in there.items} != {i.id for i in asked.items}:
        parts.append(f"{len(there.items)} objects there, {len(asked.items)} asked for")
    return "; ".join(parts)[:400] or "other licences or sources of objects"
