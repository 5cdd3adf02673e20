"""A web server on this machine that gives files whole or in parts, and fails as it is told."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any


class Served:
    """What is served, how it is to fail, and what was asked for.

    Attributes:
        home: the server's address.
        files: content by path, such as ``/000.tar``.
        refused: by path, the answers to give before the right one: a status, or ``"cut"`` to
            promise everything, send half and hang up.
        dropped: by path, how often to hang up on whoever asks for the size.
        ranges: whether parts are given.
        asked: how often each path was asked for by GET.
        sent: bytes of content sent.
    """

    def __init__(self) -> None:
        self.home = ""
        self.files: dict[str, bytes] = {}
        self.refused: dict[str, list[int | str]] = {}
        self.dropped = Counter[str]()
        self.ranges = True
        self.asked = Counter[str]()
        self.sent = 0
        self.lock = threading.Lock()


@contextlib.contextmanager
def served() -> Iterator[Served]:
    """Serve until the end of the block."""
    known = Served()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            if self.dropping():
                return
            found = known.files.get(self.path)
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()

        def dropping(self) -> bool:
            with known.lock:
                known.dropped[self.path] -= 1
                self.close_connection = known.dropped[self.path] >= 0
            return self.close_connection

        def do_GET(self) -> None:
            if "Range" not in self.headers and self.dropping():
                return
            with known.lock:
                known.asked[self.path] += 1
                left = known.refused.get(self.path)
                failing = left.pop(0) if left else None
            data, status = known.files.get(self.path, b""), 200
            if self.path not in known.files:
                status = 404
            elif isinstance(failing, int):
                data, status = b"", failing
            part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if part and status == 200 and known.ranges:
                whole = len(data)
                data, status = data[int(part[1]) : int(part[2]) + 1], 206
            self.send_response(status)
            if status == 206 and part:
                self.send_header("Content-Range", f"bytes {part[1]}-{part[2]}/{whole}")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if failing == "cut":
                data = data[: len(data) // 2]
                self.close_connection = True
            with known.lock:
                known.sent += len(data)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    known.home = f"http://127.0.0.1:{running.server_address[1]}"
    try:
        yield known
    finally:
        running.shutdown()
        thread.join()
        running.server_close()
