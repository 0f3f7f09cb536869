"""A server of one file on loopback, as a hub and its storage answer: a redirect with checksum and size, byte ranges.

Header names of the hub: https://huggingface.co/docs/huggingface_hub (`X-Linked-ETag`, `X-Linked-Size`); ranges:
RFC 9110, sections 13.1.5 and 14.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FileServer:
    """`/owner/repo/resolve/main/<anything>` redirects to `/storage`; `/storage` and every other path send the file."""

    content: bytes
    etag: str | None = '"v1"'
    ranges: bool = True
    """Whether `Range` is looked at."""
    lengths: bool = True
    """Whether `Content-Length` is sent."""
    cuts: list[int] = field(default_factory=list)
    """Bytes after which the connections are cut, one connection after the other; then no more."""
    linked_sha256: str | None = None
    """What the redirect says of the file; by default the truth."""
    location: str = "/storage"
    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    """Path -> (status, content type, body) that is sent instead of the file."""
    on_block: Callable[[int], None] = lambda _sent: None
    """Called after each block of a body with the bytes sent so far."""

    def __post_init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        """(path, headers with names in lower case) of every request."""
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def of_file(self) -> list[dict[str, str]]:
        """Headers of the requests that asked for the file itself."""
        return [headers for path, headers in self.requests if "/resolve/" not in path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        pass  # a client that leaves is part of the tests


def _handler(outer: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            outer.requests.append((self.path, headers))
            self.close_connection = True
            if self.path in outer.answers:
                self._fixed(*outer.answers[self.path])
            elif "/resolve/" in self.path:
                self._redirect()
            else:
                self._file(headers)

        def _fixed(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _redirect(self) -> None:
            self.send_response(302)
            self.send_header("Location", outer.location)
            self.send_header("X-Linked-ETag", f'"{outer.linked_sha256 or outer.sha256}"')
            self.send_header("X-Linked-Size", str(len(outer.content)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _file(self, headers: dict[str, str]) -> None:
            wanted = re.fullmatch(r"bytes=(\d+)-", headers.get("range", "")) if outer.ranges else None
            if "if-range" in headers and headers["if-range"] != outer.etag:
                wanted = None
            start, total = int(wanted[1]) if wanted else 0, len(outer.content)
            if wanted and start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if wanted else 200)
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            if outer.etag:
                self.send_header("ETag", outer.etag)
            if outer.lengths:
                self.send_header("Content-Length", str(total - start))
            self.end_headers()
            body = outer.content[start:]
            if outer.cuts:
                body = body[: outer.cuts.pop(0)]
            for at in range(0, len(body), 65536):
                self.wfile.write(body[at : at + 65536])
                outer.on_block(at + 65536)

    return Handler
