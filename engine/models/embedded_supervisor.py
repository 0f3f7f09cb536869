"""The supervisor of one child: starts it with the first request, watches its health, and starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from engine.errors import EngineError, ErrorClass
from engine.models.embedded_process import ChildSettings, EmbeddedProcess
from engine.models.openai import OpenAIBackend
from engine.models.protocol import ModelInfo

QUICK_DEATH_S = 30.0
"""Seconds; a child that ends sooner has died quickly."""
QUICK_DEATHS = 3
"""Quick deaths in a row after which the supervisor gives up."""
TRY_AGAIN_S = 30.0
"""Seconds after giving up from which a request starts the child again."""
_BACKOFF_S = 0.25

Status = Literal["starting", "ready", "restarting", "offline"]
Announce = Callable[[Status, str, str], None]
"""Status, what is to say, and the remedy."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a child is looked at, and the clock; seconds."""

    health_every_s: float = 5.0
    health_timeout_s: float = 10.0
    health_failures: int = 2
    """Checks without an answer, one after the other, after which the child counts as hung. One alone says nothing:
    this process itself may have been stopped meanwhile."""
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    """For the back-off before a restart."""
    now: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """One life of a child: its process and the client that speaks to it."""

    process: EmbeddedProcess
    client: OpenAIBackend
    shown: ModelInfo
    """What the child says of its model."""


class Supervisor:
    """One child and its successors.

    While it starts or restarts, requests wait; when it dies or hangs, the request that it was answering fails with a
    retryable error, and the next one waits for its successor.

    Args:
        name: of the model, for people.
        settings: makes the settings of a child from its key; called in a thread, for every start anew.
        announce: hears of every change.
        timing: when it is looked at.
    """

    def __init__(
        self, name: str, settings: Callable[[str], ChildSettings], *, announce: Announce, timing: Timing
    ) -> None:
        self._name = name
        self._settings = settings
        self._announce = announce
        self._timing = timing
        self._process: EmbeddedProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._current: asyncio.Future[Generation | EngineError] | None = None
        """The child that answers, or why there is none; pending while it (re)starts."""
        self._gave_up_at = 0.0
        self._closed = False

    @property
    def process(self) -> EmbeddedProcess | None:
        """The running child; None where none runs."""
        return self._process if self._process is not None and self._process.alive else None

    @property
    def loaded(self) -> bool:
        """Whether a child runs or is about to."""
        return self._task is not None and not self._task.done()

    @property
    def ready(self) -> bool:
        """Whether a child answers."""
        return self._current is not None and self._current.done() and isinstance(self._current.result(), Generation)

    @property
    def failure(self) -> EngineError | None:
        """Why it was given up; None where it was not."""
        if self._current is None or not self._current.done():
            return None
        outcome = self._current.result()
        return outcome if isinstance(outcome, EngineError) else None

    async def generation(self) -> Generation:
        """The child that answers now; waits while there is none.

        Raises:
            EngineError: the supervisor gave up, or was closed.
        """
        while True:
            if self._closed:
                raise closed()
            given_up = self._task is not None and self._task.done()
            if self._task is None or (given_up and self._timing.now() - self._gave_up_at >= TRY_AGAIN_S):
                self._current = asyncio.get_running_loop().create_future()
                self._task = asyncio.create_task(self._supervise(), name=f"supervisor of {self._name}")
            if self._current is None:  # pragma: no cover - set with the task
                raise closed()
            outcome = await asyncio.shield(self._current)
            if isinstance(outcome, EngineError):
                raise EngineError(outcome.error_class, outcome.code, outcome.message, remedy=outcome.remedy)
            if outcome.process.alive:
                return outcome
            await asyncio.sleep(0)  # the supervisor is about to learn of the death

    async def aclose(self) -> None:
        """End the child at once (a graceful end would wait for running answers)."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._process is not None:
            await self._process.kill()

    async def _supervise(self) -> None:
        deaths = 0
        status: Status = "starting"
        reason = f"Loading {self._name}."
        try:
            while True:
                self._announce(status, reason, "")
                if deaths:
                    await self._timing.sleep(_BACKOFF_S * 2 ** (deaths - 1))
                began = self._timing.now()
                try:
                    failure = await self._live()
                except EngineError as exc:
                    failure = exc
                deaths = 1 if self._timing.now() - began >= QUICK_DEATH_S else deaths + 1
                if not failure.retryable or deaths >= QUICK_DEATHS:
                    self._give_up(failure, deaths)
                    return
                status, reason = "restarting", failure.message
        finally:
            if self._current is not None and not self._current.done():
                self._current.set_result(closed())

    async def _live(self) -> EngineError:
        """One life of a child, from its start to its death, which is returned."""
        key = secrets.token_urlsafe(32)
        self._process = process = await EmbeddedProcess.launch(await asyncio.to_thread(self._settings, key))
        client = OpenAIBackend(
            process.address, api_key=key, kind="embedded", endpoint="embedded", keepalive=False
        )  # keep-alive off: llama.cpp closes connections that it has promised to keep
        try:
            shown = await client.show(self._name)  # also the proof that it serves
            self._announce("ready", f"{self._name}, {process.settings.slots} x {shown.window} tokens.", "")
            if self._current is not None:
                self._current.set_result(Generation(process, client, shown))
            return await self._death(process, client)
        finally:
            if self._current is not None and self._current.done():  # from here on requests wait for the successor
                self._current = asyncio.get_running_loop().create_future()
            await process.kill()
            await client.aclose()

    async def _death(self, process: EmbeddedProcess, client: OpenAIBackend) -> EngineError:
        """Wait until the child has ended, or hangs; then kill it."""
        watch = asyncio.create_task(self._until_hung(client), name=f"health of {self._name}")
        ended = asyncio.create_task(process.wait(), name=f"end of {self._name}")
        try:
            await asyncio.wait([watch, ended], return_when=asyncio.FIRST_COMPLETED)
            if not watch.done():
                return process.death()
            await process.kill()
            await ended
            return EngineError(
                ErrorClass.CONNECTION, "embedded_hung", "The embedded model's process did not answer any more."
            )
        finally:
            for task in (watch, ended):
                task.cancel()
            await asyncio.gather(watch, ended, return_exceptions=True)

    async def _until_hung(self, client: OpenAIBackend) -> None:
        """Ask for the child's health until it fails to answer several times; its HTTP threads answer while it works."""
        failures = 0
        while failures < self._timing.health_failures:
            await asyncio.sleep(self._timing.health_every_s)
            well = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timing.health_timeout_s):
                    well = (await client.health()).ok
            failures = 0 if well else failures + 1

    def _give_up(self, failure: EngineError, deaths: int) -> None:
        self._gave_up_at = self._timing.now()
        final = failure
        if failure.retryable:
            final = EngineError(
                ErrorClass.RESOURCE,
                "embedded_gave_up",
                f"The embedded model ended {deaths} times in a row. {failure.message}",
                remedy="Free some memory, or name another model in `embedded.model_path`. "
                f"Once {TRY_AGAIN_S:.0f} s have passed a question starts it again.",
            )
        if self._current is not None and not self._current.done():
            self._current.set_result(final)
        self._announce("offline", final.message, final.remedy)


def closed() -> EngineError:
    """What a request hears of a child that was ended on purpose."""
    return EngineError(ErrorClass.CONNECTION, "backend_closed", "The embedded model was closed.")
