"""The suite's own guard: no test reaches beyond this machine, and nothing is kept in the user's folders."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest


def test_other_machines_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"192\.0\.2\.1"), socket.socket() as outward:
        outward.connect(("192.0.2.1", 80))
    with pytest.raises(RuntimeError, match=r"example\.invalid"):
        socket.getaddrinfo("example.invalid", 443)
    with pytest.raises((RuntimeError, urllib.error.URLError)):
        urllib.request.urlopen("http://example.invalid/")


def test_loopback_is_open() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname(), timeout=10) as client:
        accepted, address = server.accept()
        accepted.close()
        assert address == client.getsockname()


@pytest.mark.parametrize("name", ["XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "TORCH_HOME", "HF_HOME"])
def test_caches_lie_outside_the_users_home(name: str) -> None:
    assert not Path(os.environ[name]).is_relative_to(Path.home())


def test_hubs_are_offline() -> None:
    assert os.environ["HF_HUB_OFFLINE"] == os.environ["TRANSFORMERS_OFFLINE"] == "1"
