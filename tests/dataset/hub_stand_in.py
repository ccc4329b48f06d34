"""A stand-in of Objaverse's hub: its file layout in a folder, served on loopback with faults on request."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

GROUPS = ("000-000", "000-001")


def glb(text: str) -> bytes:
    """Bytes with the head of a GLB file."""
    body = text.encode().ljust(16)
    return b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body


def annotation(uid: str, **changes: Any) -> dict[str, Any]:
    """Metadata of one object, as Objaverse 1.0 has it."""
    base: dict[str, Any] = {
        "uid": uid,
        "name": f"Thing {uid}",
        "viewerUrl": f"https://sketchfab.com/3d-models/{uid}",
        "license": "by",
        "animationCount": 0,
        "isAgeRestricted": False,
        "faceCount": 900,
        "user": {"username": "ann", "displayName": "Ann Other"},
        "archives": {"glb": {"faceCount": 1000, "size": 28}},
    }
    return base | changes


def write_hub(folder: Path, objects: dict[str, dict[str, Any]], lvis: dict[str, list[str]]) -> dict[str, bytes]:
    """Write the layout of objaverse 0.1.7 and return uid -> bytes of its GLB."""
    uids, files = sorted(objects), {}
    groups = {uid: GROUPS[n % 2] for n, uid in enumerate(uids)}
    paths = {uid: f"glbs/{groups[uid]}/{uid}.glb" for uid in uids}
    (folder / "metadata").mkdir(parents=True)
    for group in GROUPS:
        rows = {uid: objects[uid] for uid in uids if groups[uid] == group}
        (folder / "metadata" / f"{group}.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    (folder / "object-paths.json.gz").write_bytes(gzip.compress(json.dumps(paths).encode()))
    (folder / "lvis-annotations.json.gz").write_bytes(gzip.compress(json.dumps(lvis).encode()))
    for uid, path in paths.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        files[uid] = glb(uid)
        (folder / path).write_bytes(files[uid])
    return files


class Hub:
    """faults: path -> a list of what happens on its next requests: "503", "404", "cut", "hang", "wrong". asked:
    every path that was asked for, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.address = ""


@contextmanager
def served(folder: Path) -> Iterator[Hub]:
    """The folder over HTTP on loopback; the hash header is on a redirect, as the hub has it."""
    hub = Hub(folder)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Quiet: the tests read `asked`."""

        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            if not path.startswith("store/"):
                hub.asked.append(path)
                data = (folder / path).read_bytes() if (folder / path).is_file() else None
                if data is None:
                    self.send_error(404)
                    return
                fault = hub.faults[path].pop(0) if hub.faults.get(path) else ""
                if fault in ("503", "404"):
                    self.send_error(int(fault))
                    return
                digest = "0" * 64 if fault == "wrong" else hashlib.sha256(data).hexdigest()
                self.send_response(302)
                self.send_header("X-Linked-Etag", f'"{digest}"')
                self.send_header("Location", f"/store/{fault or 'whole'}/{path}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            _, fault, name = path.split("/", 2)
            data = (folder / name).read_bytes()
            if fault == "hang":
                time.sleep(1.5)
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if fault == "cut" else data)

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that hangs up is part of the tests: nothing on stderr, where other tests look."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
