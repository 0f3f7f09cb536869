"""The embedded model's child process: start it, keep the end of what it says, and end it without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from engine.errors import EngineError, ErrorClass
from engine.models.transport import parse_json

CHILD = Path(__file__).with_name("embedded_child.py")
START_TIMEOUT_S = 300.0
"""Seconds: a large model is read from a slow disk."""
SPINS = "1000"
"""Rounds (some microseconds) for which a thread of an embedder waits busily for the others (GOMP_SPINCOUNT of libgomp).
Without a bound, threads that wait take the core from the one that is waited for as soon as an answer is made beside
it: ten times slower."""
_TAIL = 4096
"""Bytes kept of what native code prints."""


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """What the child is told, by stdin and never by its arguments, which every user of the machine can read."""

    path: str
    alias: str
    window: int
    """Tokens for each slot."""
    slots: int
    threads: int
    batch_threads: int
    api_key: str
    embedding: bool = False
    """Whether it makes embeddings."""
    pooling: Literal["", "last"] = ""
    """How one vector is made of those of all tokens; empty: as the model file says."""
    prompt_cache_mb: int = 0
    remedy: str = ""
    """What a person does about a file that cannot be loaded; of no use to the child."""


class EmbeddedProcess:
    """A running child."""

    def __init__(self, process: asyncio.subprocess.Process, settings: ChildSettings) -> None:
        self._process = process
        self.settings = settings
        self._tail = bytearray()
        self._reader = asyncio.create_task(self._read_stderr())
        self.address = ""

    @classmethod
    async def launch(cls, settings: ChildSettings) -> EmbeddedProcess:
        """Start a child and wait until its model is loaded.

        Raises:
            EngineError: RESOURCE `embedded_load_failed` where the child says why it cannot load the model, CONNECTION
                where it ends or stays silent.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                # -P and a file, not -m: a folder `engine` where the person happens to be must not be run
                *(sys.executable, "-P", str(CHILD)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # the terminal's Ctrl+C is for the parent alone
                env={"GOMP_SPINCOUNT": SPINS, **os.environ} if settings.embedding else None,
            )
        except OSError as exc:
            raise EngineError(
                ErrorClass.RESOURCE, "embedded_spawn_failed", f"The embedded model's process cannot be started: {exc}."
            ) from exc
        child = cls(process, settings)
        try:
            child.address = await child._started()
        except BaseException:
            await child.kill()
            raise
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> None:
        """Wait until the child has ended."""
        await self._process.wait()

    async def kill(self) -> None:
        """End the child at once; afterwards it is neither running nor a zombie."""
        # not Process.kill(): it looks first whether the child has ended, and takes its status away from the event loop,
        # which then warns of a child that it does not know. The group is the child's own: `start_new_session`
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.alive:
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        await self._reader

    def death(self) -> EngineError:
        """Why the child is no longer there."""
        code = self._process.returncode
        how = f"status {code}"
        if code is not None and code < 0:
            how = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        words = self._tail.decode("utf-8", "replace").strip().splitlines()
        said = f" Its last words: {words[-1][:300]}" if words else ""
        return EngineError(ErrorClass.CONNECTION, "embedded_died", f"The embedded model's process ended ({how}).{said}")

    async def _started(self) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:  # pragma: no cover - both were asked for
            raise EngineError(ErrorClass.INTERNAL, "no_pipes", "The embedded model's process has no pipes.")
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                with contextlib.suppress(ConnectionError):  # a dead child is seen when it is read from
                    stdin.write(json.dumps(asdict(self.settings)).encode() + b"\n")
                    await stdin.drain()
                line = await stdout.readline()
        except (TimeoutError, ValueError):
            raise EngineError(
                ErrorClass.CONNECTION, "embedded_silent", "The embedded model's process did not report that it runs."
            ) from None
        answer = parse_json(line)
        if isinstance(answer, dict) and isinstance(answer.get("address"), str):
            return str(answer["address"])
        if isinstance(answer, dict) and "error" in answer:
            raise EngineError(
                ErrorClass.RESOURCE,
                "embedded_load_failed",
                f"The embedded model cannot be loaded: {str(answer['error'])[:500].rstrip('.')}.",
                remedy=f"Check the file {self.settings.path}: {self.settings.remedy}",
            )
        await self._process.wait()
        await self._reader
        raise self.death()

    async def _read_stderr(self) -> None:
        stderr = self._process.stderr
        while stderr is not None and (block := await stderr.read(4096)):
            self._tail += block
            del self._tail[:-_TAIL]
