"""The program as a process of its own, in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = (sys.executable, "-m", "tinyllm_tui")
LIMIT_S = 120
"""Seconds after which a test gives up waiting for the program."""


NOTICE = "Note: Ollama cannot be reached at http://127.0.0.1:9. The embedded model answers instead.\n"
"""What is said once on stderr where the backend is chosen and the OLLAMA_HOST of a home names no server."""


@dataclass
class Home:
    """An empty home, without any server in reach."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(("TINYLLM_", "OLLAMA_", "XDG_"))}
        own = {
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_DATA_HOME": str(self.folder / "data"),
            "OLLAMA_HOST": "http://127.0.0.1:9",  # the discard port, where nothing answers
            "PYTHONUNBUFFERED": "1",
        }
        return kept | own | self.variables

    def start(self, *arguments: str | bytes, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*PROGRAM, *arguments], env=self.environment, **options)

    def call(self, *arguments: str | bytes, stdin: str | bytes = b"") -> Ended:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*PROGRAM, *arguments], input=data, capture_output=True, env=self.environment, timeout=LIMIT_S, check=False
        )
        ended = Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in ended.err, ended.err
        return ended

    def transactions(self) -> list[dict[str, Any]]:
        """What the store holds, newest first."""
        found: list[dict[str, Any]] = json.loads(self.call("tx", "list", "--json").out)
        return found

    def events(self, number: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.call("tx", "events", str(number), "--json").out)
        return found


@dataclass(frozen=True)
class Ended:
    """How a call of the program ended."""

    status: int
    out: str
    err: str


def read_until(stream: Any, words: Sequence[str]) -> str:
    """Read lines until one contains all of `words`; what was read."""
    seen = ""
    for raw in stream:
        line = raw.decode()
        seen += line
        if all(word in line for word in words):
            return seen
    raise AssertionError(f"the program ended without saying {words}: {seen}")
