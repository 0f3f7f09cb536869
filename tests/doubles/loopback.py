"""A small HTTP/1.1 server on loopback, in a thread, that streams what a handler gives it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Recorded:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any
    """Parsed JSON; None where there was none."""


@dataclass
class Response:
    """What is sent back; `blocks` are sent one by one as chunks of a chunked body."""

    blocks: Iterable[bytes] = ()
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    """Close the connection without the end of the body."""


def json_response(data: Any, status: int = 200, **headers: str) -> Response:
    return Response([json.dumps(data).encode()], status, "application/json; charset=utf-8", headers)


class Loopback:
    """Runs from construction until `close()`; also a context manager."""

    def __init__(self, respond: Callable[[Recorded], Response], *, port: int = 0) -> None:
        self.requests: list[Recorded] = []
        self.gone = threading.Event()
        """Set once a client closed its connection before the end of an answer."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def _serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                raw = self.rfile.read(length) if length else b""
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Recorded(self.command, self.path, headers, json.loads(raw) if raw else None)
                outer.requests.append(request)
                response = respond(request)
                try:
                    self._send(response)
                except OSError:
                    outer.gone.set()
                    self.close_connection = True

            def _send(self, response: Response) -> None:
                self.send_response(response.status)
                self.send_header("Content-Type", response.content_type)
                self.send_header("Transfer-Encoding", "chunked")
                for name, value in response.headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                for block in response.blocks:
                    if block:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
                        self.wfile.flush()
                if response.cut:
                    self.close_connection = True
                    return
                self.wfile.write(b"0\r\n\r\n")
                self.wfile.flush()

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # a client that resets its connection is part of the tests

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Such as `http://127.0.0.1:40123`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Loopback:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
