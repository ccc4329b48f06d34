"""What holds for every test: no network, private caches, few threads, data beside the repository or a skip."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(tempfile.gettempdir()) / f"svdmv-tests-{os.getuid()}"  # stable, so that compiled kernels are kept
LOOPBACK = ("127.0.0.1", "::1", "localhost", "")


def kernels_hash() -> str:
    """Of every file with compiled code: numba's cache of a kernel does not see that a kernel it calls has changed."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "svdmv").rglob("*.py")):
        text = path.read_bytes()
        if b"njit" in text:
            digest.update(text)
    return digest.hexdigest()[:16]


THREADS = os.environ.get("OMP_NUM_THREADS") or str(min(os.cpu_count() or 1, 2))
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = THREADS  # one number for all: sums over another number of threads end in other bits
os.environ.update(
    HF_HUB_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    WANDB_MODE="disabled",
    XDG_CACHE_HOME=str(CACHE / "cache"),
    NUMBA_CACHE_DIR=str(CACHE / "numba" / kernels_hash()),
    TORCH_HOME=str(CACHE / "torch"),
    HF_HOME=str(CACHE / "huggingface"),
)


class NetworkRefusedError(RuntimeError):
    """A test reached for the network."""


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections other than loopback are refused, in every test."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if host not in LOOPBACK:
            raise NetworkRefusedError(f"a test tried to reach {address}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        check(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        check(address)
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        check((host.decode() if isinstance(host, bytes) else host or "",))
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real objects and pictures beside the repository; tests that need it skip without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real objects and pictures (../shared/data) are not on this machine")
    return folder


@pytest.fixture(scope="session")
def saliency_weights(shared_data: Path) -> Path:
    """The folder that holds u2netp.onnx."""
    folder = shared_data / "weights" / "saliency"
    if not (folder / "u2netp.onnx").is_file():
        pytest.skip("u2netp.onnx (../shared/data/weights/saliency) is not on this machine")
    return folder
