"""What a result says about where it was made: revision and content of the code, processor, memory, GPUs."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import svdmv

PACKAGE = Path(svdmv.__file__).parent


def git_revision(package: Path = PACKAGE) -> str:
    """Commit of the checkout that the package lies in, "+changes" behind it when its files differ; else "unknown"."""
    root = package.parent
    if not (root / ".git").exists():
        return "unknown"
    try:
        head, status = (
            subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=30, check=True)
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", package.name, "configs"))
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head.stdout.strip() + ("+changes" if status.stdout.strip() else "")


def hardware() -> dict[str, Any]:
    """processor, cores that may be used, memory_gb of the machine, gpus by name."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpus = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return {
        "processor": processor_name(),
        "cores": cores,
        "memory_gb": memory_gb(),
        "gpus": gpus,
    }


def processor_name() -> str:
    """As Linux tells it, else what the platform says."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def memory_gb() -> float | None:
    """Of the machine; None where the system does not tell."""
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    except (OSError, ValueError, AttributeError):
        return None


def key_of(said: Mapping[str, Any]) -> str:
    """A name for the content of a JSON tree."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


@cache
def code_sha256(parts: tuple[str, ...] = ()) -> str:
    """Of the package's sources, or of some of its rooms and files."""
    found = hashlib.sha256()
    for part in parts or (".",):
        path = PACKAGE / part
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            found.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()
