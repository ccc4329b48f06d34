"""What a finished data set says of itself: a manifest of its samples, its objects, their authors, where it comes from.

manifest.jsonl: a head (format, plan, rule, shards with their hashes), then a line a sample with its place in a shard.
objects.jsonl: a line an object of the plan: rendered, rejected or failed, with reason, licence and source's hash.
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from svdmv.core import DataError
from svdmv.dataset.licences import write_attributions
from svdmv.io.atomic import write_json, write_text

if TYPE_CHECKING:
    from svdmv.dataset.plan import Plan

MANIFEST_FORMAT = "svdmv-orbits-1"
MANIFEST_FILE = "manifest.jsonl"
OBJECTS_FILE = "objects.jsonl"


@dataclass(frozen=True)
class Manifest:
    """The manifest of a data set. head: the first line; samples: the others, in the order of the shards."""

    folder: Path
    head: dict[str, Any]
    samples: tuple[dict[str, Any], ...]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read it. Raises DataError: absent, damaged, of another version, or not as long as it says."""
        path = folder / MANIFEST_FILE
        try:
            with path.open(encoding="utf-8") as file:
                head = json.loads(file.readline())
                if head["format"] != MANIFEST_FORMAT:
                    raise DataError(
                        "The manifest is of another version",
                        where=path,
                        seen=head["format"],
                        expected=MANIFEST_FORMAT,
                        next_step="build the data again with this version of svdmv",
                    )
                samples = tuple(json.loads(line) for line in file)
            if len(samples) != head["num_samples"]:
                raise ValueError(f"{len(samples)} samples where the head says {head['num_samples']}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                "There is no readable data set",
                where=path,
                seen=error,
                expected="a finished output of svdmv data build",
                next_step="svdmv data build out=FOLDER",
            ) from error
        return cls(folder, head, samples)

    @property
    def rule(self) -> dict[str, Any]:
        """Fields of the OrbitRule that the orbits were rendered by."""
        rule: dict[str, Any] = self.head["rule"]
        return rule

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the pictures, pixels."""
        return self.rule["size"], self.rule.get("width") or self.rule["size"]

    def shard_paths(self) -> tuple[Path, ...]:
        """The tars, by number."""
        return tuple(self.folder / row["file"] for row in self.head["shards"])


def shard_name(number: int) -> str:
    """Path of a shard inside its data set."""
    return f"shards/{number:05d}.tar"


def write_manifest(
    plan: Plan, folder: Path, rows: dict[str, dict[str, Any]], shards: dict[int, tuple[str, int]]
) -> None:
    """Write all four files; the manifest comes last and says that the data set is whole. What is there and equal stays.

    Everything but provenance.json is the same for every run of a plan. Raises InputError: the disk refuses.
    """
    objects, samples = [], []
    for number in range(plan.num_shards):
        start = 0
        for item in plan.shard(number):
            row = rows[item.id]
            names = ("status", "reason", "detail", "source_sha256")
            objects.append({"uid": item.id, "shard": number, **{n: row[n] or "" for n in names}, **_rights(item)})
            for sample in row["samples"]:
                licence = {"licence": item.licence, "shard": number}
                samples.append({**sample, **licence, "offset": start + sample["offset"]})
            start += row["part_bytes"] or 0
    head = {
        "format": MANIFEST_FORMAT,
        "plan": plan.digest,
        "seed": plan.seed,
        "rule": asdict(plan.rule),
        "num_objects": sum(row["status"] == "rendered" for row in objects),
        "num_samples": len(samples),
        "shards": [
            {"file": shard_name(n), "sha256": shards[n][0], "bytes": shards[n][1]} for n in range(plan.num_shards)
        ],
    }
    used = {row["uid"] for row in objects if row["status"] == "rendered"}
    text = _lines([head, *samples])
    if _is(folder / MANIFEST_FILE, text):
        return
    write_text(folder / OBJECTS_FILE, _lines(objects))
    write_attributions(folder / "ATTRIBUTION.md", [item for item in plan.items if item.id in used])
    write_json(folder / "provenance.json", _provenance(plan, rows))
    write_text(folder / MANIFEST_FILE, text)


def _rights(item: Any) -> dict[str, str]:
    return {"licence": item.licence, "attribution": item.attribution, "source": item.source}


def _provenance(plan: Plan, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    import svdmv

    return {
        "made_by": f"svdmv {svdmv.__version__} data build",
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": plan.digest,
        "python": platform.python_version(),
        "machine": platform.platform(),
        "cpu_seconds": round(sum(row["cpu_s"] or 0 for row in rows.values()), 1),
        "most_memory_mb": max((row["rss_mb"] or 0 for row in rows.values()), default=0),
    }


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _is(path: Path, text: str) -> bool:
    try:
        return path.read_text("utf-8") == text
    except OSError:
        return False
