"""A program in a pseudo-terminal, as seen by whoever sits before it; and a line over which it is told what to do."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks import bytecode

COLUMNS, LINES = 120, 40
PATIENCE_S = 60.0
"""How long a program may take to show what is waited for."""


class Terminal:
    """Runs `python -m MODULE ARGUMENTS` on a terminal of 120x40 cells that takes every byte at once."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], pass_fds: Sequence[int] = ()) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=slave, stdout=slave, stderr=slave,
            env={**bytecode.environment(), "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
            pass_fds=pass_fds, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._tail = b""
        self._wanted: bytes | None = None
        self._seen_at = 0.0
        self._seen = threading.Event()
        self._stop_read, self._stop_write = os.pipe()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._stop_read], [], [])
            if self._stop_read in ready:
                return
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            now = time.perf_counter()
            self._tail = (self._tail + data)[-200_000:]
            wanted = self._wanted
            if wanted is not None and wanted in self._tail:
                self._wanted, self._seen_at = None, now
                self._seen.set()

    def expect(self, text: str, typed: str = "") -> float:
        """Type, and wait until `text` is shown; seconds between the two. `text` must not have been shown before.

        Raises:
            TimeoutError: it is not shown within the patience.
        """
        self._seen.clear()
        if typed:
            self._tail = b""
        self._wanted = text.encode()
        start = time.perf_counter()
        if typed:
            os.write(self._master, typed.encode())
        elif self._wanted is not None and self._wanted in self._tail:
            return 0.0
        if not self._seen.wait(PATIENCE_S):
            raise TimeoutError(f"{text!r} was not shown; the end of what was: {self._tail[-400:]!r}")
        return self._seen_at - start

    def wait(self) -> int:
        """Wait for the program's end; its status."""
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        """End the program where it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.write(self._stop_write, b"x")
        self._reader.join()
        for descriptor in (self._master, self._stop_read, self._stop_write):
            os.close(descriptor)


class Stage(Terminal):
    """A program of `tests.benchmarks.stage`, which does what it is told over a socket."""

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(
            ["tests.benchmarks.stage", program, str(theirs.fileno())], environment, pass_fds=[theirs.fileno()]
        )
        theirs.close()
        ours.settimeout(PATIENCE_S)
        self._socket = ours
        self._answers = ours.makefile("r", encoding="utf-8")

    def begin(self, do: str, **arguments: Any) -> None:
        """Tell it what to do, without waiting for the answer."""
        self._socket.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")

    def answer(self) -> dict[str, Any]:
        """What it says about the latest order.

        Raises:
            RuntimeError: it ended instead.
        """
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"the program ended; the end of its output: {self._tail[-2000:]!r}")
        found: dict[str, Any] = json.loads(line)
        return found

    def tell(self, do: str, **arguments: Any) -> dict[str, Any]:
        self.begin(do, **arguments)
        return self.answer()

    def close(self) -> None:
        self._answers.close()
        self._socket.close()
        super().close()


@contextmanager
def own_folders() -> Iterator[dict[str, str]]:
    """Environment with data, configuration and home folders of its own, as after a first start."""
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "config" / "tinyllm-tui"
        configuration.mkdir(parents=True)
        (configuration / "config.yaml").touch()
        yield {
            "HOME": folder,
            "XDG_CONFIG_HOME": str(Path(folder) / "config"),
            "XDG_DATA_HOME": str(Path(folder) / "data"),
            "TINYLLM_DATA_DIR": str(Path(folder) / "store"),
        }


@contextmanager
def stages(*programs: str) -> Iterator[list[Stage]]:
    """Several programs of the stage at the same time, ready for orders."""
    with own_folders() as environment, contextlib.ExitStack() as stack:
        running = [stack.enter_context(contextlib.closing(Stage(program, environment))) for program in programs]
        for stage in running:
            stage.tell("ready")
        yield running
