"""Find any damage of a data set: every shard, every member, every picture, against the manifest."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import DataError
from svdmv.dataset.manifest import OBJECTS_FILE, Manifest
from svdmv.dataset.shard import SAMPLE_FORMAT, TAR_END

BLOCK = 512


@dataclass(frozen=True)
class Damage:
    """where: shard, shard:key or shard:member; what: one line."""

    where: str
    what: str


@dataclass(frozen=True)
class CheckReport:
    """How much was read, and all that is wrong; no damage means whole."""

    shards: int
    samples: int
    members: int
    bytes: int
    damages: tuple[Damage, ...]


def check_dataset(
    folder: Path, *, pictures: bool = True, report: Callable[[str, int, int], None] | None = None
) -> CheckReport:
    """Read all of a data set and name what is damaged, missing or of no one.

    Args:
        folder: output of a build. pictures: also decode every picture and look at its size.

    Raises:
        DataError: there is no manifest, or it is damaged or of another version.
    """
    manifest = Manifest.open(folder)
    damages = list(_object_damages(manifest))
    by_shard: dict[int, list[dict[str, Any]]] = {n: [] for n in range(len(manifest.head["shards"]))}
    for sample in manifest.samples:
        by_shard[sample["shard"]].append(sample)
    members = size = 0
    for number, path in enumerate(manifest.shard_paths()):
        if report is not None:
            report("read", number, len(by_shard))
        try:
            data = path.read_bytes()
        except OSError as error:
            damages.append(Damage(path.name, f"cannot be read: {error.strerror}"))
            continue
        size += len(data)
        known = manifest.head["shards"][number]
        if len(data) != known["bytes"] or hashlib.sha256(data).hexdigest() != known["sha256"]:
            damages.append(Damage(path.name, f"{len(data)} bytes, other than the {known['bytes']} that were written"))
        if data[-len(TAR_END) :] != TAR_END:
            damages.append(Damage(path.name, "does not end as a tar does"))
        for sample in by_shard[number]:
            members += _check_sample(data, sample, manifest, path.name, pictures, damages)
    there = {p.name for p in (folder / "shards").glob("*")} - {p.name for p in manifest.shard_paths()}
    damages += [Damage(name, "a file that is in no manifest") for name in sorted(there)]
    return CheckReport(len(by_shard), len(manifest.samples), members, size, tuple(damages))


def members_of(block: bytes | memoryview) -> list[tuple[str, bytes]]:
    """Names and bytes of the members in tar blocks. Raises DataError: they are no tar, or are cut short."""
    members, at = [], 0
    data = bytes(block)
    while at < len(data):
        header = data[at : at + BLOCK]
        total = sum(header[:148]) + 8 * 32 + sum(header[156:])
        try:
            size, written = int(header[124:135], 8), int(header[148:154], 8)
        except ValueError:
            size, written = -1, -1
        if size < 0 or written != total or at + BLOCK + size > len(data):
            raise DataError("A sample is damaged", where=f"byte {at}", seen="no tar header", expected="a whole member")
        name = header[:100].rstrip(b"\0").decode()
        if header[345:500].strip(b"\0"):
            name = header[345:500].rstrip(b"\0").decode() + "/" + name
        members.append((name, data[at + BLOCK : at + BLOCK + size]))
        at += BLOCK + -(-size // BLOCK) * BLOCK
    return members


def decoded_picture(name: str, data: bytes, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """(S, S, 4) uint8 of a member. Raises DataError: it does not decode."""
    from svdmv.io.qoi import rgba_from_qoi

    if name.endswith(".qoi"):
        return rgba_from_qoi(data, out)
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            pixels = np.asarray(picture.convert("RGBA"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError("A picture does not decode", where=name, seen=error, expected="a whole picture") from error
    if out is None:
        return pixels
    if out.shape != pixels.shape:
        raise DataError("A picture has another size", where=name, seen=pixels.shape, expected=str(out.shape))
    out[:] = pixels
    return out


def _check_sample(
    data: bytes, sample: dict[str, Any], manifest: Manifest, shard: str, pictures: bool, damages: list[Damage]
) -> int:
    """Look at one orbit; how many members it has."""
    place, rule = f"{shard}:{sample['key']}", manifest.rule
    block = data[sample["offset"] : sample["offset"] + sample["length"]]
    whole = hashlib.sha256(block).hexdigest() == sample["sha256"]
    if not whole:
        damages.append(Damage(place, "other bytes than were written"))
    try:
        members = members_of(block)
    except (DataError, UnicodeDecodeError) as error:
        damages.append(Damage(place, f"the tar is broken: {error}".splitlines()[0]))
        return 0
    expected = [f"{sample['key']}.json"]
    expected += [f"{sample['key']}.{n:03d}.{rule['codec']}" for n in range(rule["num_views"])]
    if [name for name, _ in members] != expected:
        damages.append(Damage(place, f"members {[n for n, _ in members][:3]} ..., other than {expected[:2]} ..."))
    shape = (*manifest.shape, 4)
    for name, content in members:
        try:
            if name.endswith(".json"):
                facts = json.loads(content)
                if facts["format"] != SAMPLE_FORMAT or facts["uid"] != sample["uid"]:
                    damages.append(Damage(f"{shard}:{name}", f"of {facts['format']}, {facts['uid']}"))
            elif pictures and decoded_picture(name, content).shape != shape:
                damages.append(Damage(f"{shard}:{name}", "a picture of another size"))
        except (DataError, ValueError, KeyError, TypeError) as error:
            damages.append(Damage(f"{shard}:{name}", " ".join(str(error).split())[:200]))
    return len(members)


def _object_damages(manifest: Manifest) -> Iterator[Damage]:
    """objects.jsonl and the manifest have to name the same rendered objects."""
    path = manifest.folder / OBJECTS_FILE
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        rendered = {row["uid"] for row in rows if row["status"] == "rendered"}
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield Damage(OBJECTS_FILE, f"cannot be read: {error}")
        return
    used = {sample["uid"] for sample in manifest.samples}
    for uid in sorted(rendered ^ used):
        yield Damage(OBJECTS_FILE, f"{uid} is in {'no sample' if uid in rendered else 'the manifest alone'}")
    keys = [sample["key"] for sample in manifest.samples]
    for key in sorted({key for key in keys if keys.count(key) > 1} if len(set(keys)) < len(keys) else ()):
        yield Damage("manifest.jsonl", f"{key} comes twice")
