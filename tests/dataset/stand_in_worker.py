"""A worker that draws discs instead of rendering, and does what it is told to do wrong: `fault:KIND` as location."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.rejects import RejectRules
from svdmv.dataset.sampling import OrbitRule, drawn_orbit
from svdmv.dataset.shard import ObjectResult, sample_blocks
from svdmv.dataset.worker import serve

COMMAND = (sys.executable, str(Path(__file__).resolve()))
RULE = OrbitRule(size=16, num_views=4, orbits_per_object=2)


def discs(item: ObjectSource, orbit: int, rule: OrbitRule) -> np.ndarray:
    """(N, S, S, 4) uint8: a disc a view, its colour and size drawn from the id; straight alpha."""
    seed = hashlib.sha256(f"{item.id} {orbit}".encode()).digest()
    rng = np.random.default_rng(list(seed))
    y, x = np.mgrid[: rule.size, : rule.size] + 0.5 - rule.size / 2
    rgba = np.zeros((rule.num_views, rule.size, rule.size, 4), np.uint8)
    for view in rgba:
        inside = x**2 + y**2 < (rule.size * rng.uniform(0.2, 0.45)) ** 2
        view[inside, :3] = rng.integers(0, 256, (int(inside.sum()), 3))
        view[inside, 3] = rng.integers(1, 256, int(inside.sum()))
    return rgba


def drawn_object(item: ObjectSource, rule: OrbitRule, rejects: RejectRules, seed: int) -> ObjectResult:
    """All orbits of an object, or the fault that its location asks for."""
    scheme, _, rest = item.location.partition(":")
    if scheme == "fault":
        commit(rest)
    if scheme == "reject":
        return ObjectResult("rejected", rest, "told to", source_sha256="0")
    blocks, rows = [], []
    for number in range(rule.orbits_per_object):
        draw = drawn_orbit(item.id, number, seed, rule)
        facts = {
            "uid": item.id,
            "orbit": number,
            "azimuths_deg": draw.orbit.azimuths_deg.tolist(),
            "elevations_deg": draw.orbit.elevations_deg.tolist(),
            "radius": draw.orbit.radius,
            "light": draw.light,
            "light_yaw_deg": draw.light_yaw_deg,
            "object_yaw_deg": draw.object_yaw_deg,
            "exposure_stops": draw.exposure_stops,
            "coverage": [0.5],
        }
        block, row = sample_blocks(facts, discs(item, number, rule), rule)
        rows.append({**row, "offset": sum(map(len, blocks))})
        blocks.append(block)
    return ObjectResult("rendered", data=b"".join(blocks), samples=tuple(rows), source_sha256="0")


def commit(fault: str) -> None:
    """Do what goes wrong. With a path (`once:PATH`) only while that file is absent; it is made first."""
    kind, _, marker = fault.partition(":")
    if kind == "disk":
        if not Path(marker).exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return
    if kind == "broken":
        if not Path(marker).exists():
            os._exit(9)
        return
    if marker:
        if Path(marker).exists():
            return
        Path(marker).write_text("done")
    if kind == "segfault":
        ctypes.string_at(0)
    elif kind == "hang":
        time.sleep(600)
    elif kind == "busy":
        while True:
            hashlib.sha256(bytes(1000))
    elif kind == "memory":
        np.ones(20_000_000_000 // 8)
    elif kind == "exit":
        os._exit(7)
    elif kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "driver":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)


def guarded(item: ObjectSource, rule: OrbitRule, rejects: RejectRules, seed: int) -> ObjectResult:
    """As the real function: memory that cannot be had is an end, not a crash."""
    try:
        return drawn_object(item, rule, rejects, seed)
    except MemoryError:
        return ObjectResult("failed", "oom", "MemoryError", source_sha256="0")


if __name__ == "__main__":
    serve(guarded, None)
