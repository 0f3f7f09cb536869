"""The programs that are measured from outside: the cockpit on a scripted engine, and a bare Textual app beside it.

`python -m tests.benchmarks.stage cockpit|bare DESCRIPTOR`; orders come as JSON lines over that socket, answers go back.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Markdown, TextArea

from engine import events as ev
from tests.benchmarks.material import answer_text, storm_bodies
from tests.tui.scripted_engine import ScriptedEngine, ScriptedRun
from tinyllm_tui.app import CockpitApp

TOKENS_PER_S, CHARACTERS_PER_TOKEN, HZ = 60, 4.2, 10
"""A stream of 60 tok/s, coalesced to 10 Hz as the engine does it: 6 tokens, about 25 characters, every 100 ms."""
_MODEL = "smollm2:135m"


class Theatre(Protocol):
    """What can be measured. Each gives (CPU seconds, wall seconds) of the time it was about."""

    async def ready(self) -> None: ...

    async def stream(self, seconds: float) -> tuple[float, float]: ...

    async def events(self, rate: float, seconds: float) -> tuple[float, float]:
        """A stream, and beside it `rate` other events a second."""
        ...


class CockpitTheatre:
    """The cockpit, on runs whose events come at a given pace."""

    def __init__(self) -> None:
        self.engine = ScriptedEngine(self._script)
        self.app = CockpitApp(self.engine.open, "multi_domain")
        self._do: tuple[str, float, float] = ("stream", 0.0, 0.0)
        self._spent = (0.0, 0.0)

    async def ready(self) -> None:
        gc.freeze()  # as the program does when it opens its engine
        await self.app.life.ready()
        await asyncio.sleep(0.3)  # the first frame with the graph in it

    async def stream(self, seconds: float) -> tuple[float, float]:
        return await self._play("stream", 0.0, seconds)

    async def events(self, rate: float, seconds: float) -> tuple[float, float]:
        return await self._play("events", rate, seconds)

    async def _play(self, what: str, rate: float, seconds: float) -> tuple[float, float]:
        self._do = (what, rate, seconds)
        assert self.app.conversation.ask("Go on.", "Go on.")
        while self.app.conversation.busy:  # noqa: ASYNC110 - the cockpit has no event for the last frame
            await asyncio.sleep(0.05)
        return self._spent

    async def _script(self, run: ScriptedRun) -> None:
        what, rate, seconds = self._do
        run.begin()
        cpu, wall = time.process_time(), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._streaming(run, seconds))
            if what == "events":
                group.create_task(self._storm(run, rate, seconds))
        self._spent = (time.process_time() - cpu, time.perf_counter() - wall)
        run.emit(ev.Committed(exit="success", exit_node="answer", text="Done."))

    async def _storm(self, run: ScriptedRun, rate: float, seconds: float) -> None:
        sent = 0
        async for count in _ticks(rate, seconds):
            for body in storm_bodies(sent, count):
                run.emit(body)
            sent += count

    async def _streaming(self, run: ScriptedRun, seconds: float) -> None:
        run.emit(ev.NodeStarted(path="general", visit=1, message=1))
        run.emit(
            ev.ModelStarted(
                path="general", visit=1, step=1, attempt=1, model=_MODEL, endpoint="embedded", request_hash="0"
            )
        )
        shown, tokens = 0, 0
        async for piece in _pieces(seconds):
            tokens += TOKENS_PER_S // HZ
            run.emit(ev.ModelDelta(path="general", visit=1, step=1, attempt=1, offset=shown, text=piece, tokens=tokens))
            shown += len(piece)


class BareApp(App[None]):
    """The least that shows text as it comes and takes keys."""

    def compose(self) -> ComposeResult:
        yield TextArea(id="keys", soft_wrap=True, show_line_numbers=False, compact=True)
        with VerticalScroll():
            yield Markdown(id="text")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).anchor()
        self.query_one(TextArea).focus()


class BareTheatre:
    """The same deeds on the bare app."""

    def __init__(self) -> None:
        self.app = BareApp()

    async def ready(self) -> None:
        await asyncio.sleep(0.3)

    async def stream(self, seconds: float) -> tuple[float, float]:
        text = self.app.query_one(Markdown)
        await text.update("")
        cpu, wall = time.process_time(), time.perf_counter()
        async for piece in _pieces(seconds):
            await text.append(piece)
        return time.process_time() - cpu, time.perf_counter() - wall

    async def events(self, rate: float, seconds: float) -> tuple[float, float]:
        await asyncio.sleep(seconds)
        return 0.0, seconds


async def _ticks(rate: float, seconds: float) -> AsyncIterator[int]:
    """How many events are due, every 5 ms, so that `rate` a second come whatever the loop is doing."""
    start, sent = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        due = int(elapsed * rate)
        yield due - sent
        sent = due
        await asyncio.sleep(0.005)


async def _pieces(seconds: float) -> AsyncIterator[str]:
    """Coalesced deltas of a streaming answer, ten a second."""
    size = round(TOKENS_PER_S * CHARACTERS_PER_TOKEN / HZ)
    count = round(seconds * HZ)
    text = answer_text(size * count)
    start = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, start + (number + 1) / HZ - time.perf_counter()))
        yield text[number * size : (number + 1) * size]


async def _idle(seconds: float) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    return time.process_time() - cpu, time.perf_counter() - wall


async def _obey(theatre: Theatre, app: App[None], descriptor: int) -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    with app._context():  # widgets are asked from outside of the app's own tasks
        while line := await reader.readline():
            order: dict[str, Any] = json.loads(line)
            cpu, wall = await _done(theatre, order.pop("do"), order)
            writer.write(json.dumps({"cpu": cpu, "wall": wall}).encode() + b"\n")
            await writer.drain()


async def _done(theatre: Theatre, do: str, order: dict[str, Any]) -> tuple[float, float]:
    if do == "ready":
        await theatre.ready()
        return 0.0, 0.0
    if do == "stream":
        return await theatre.stream(**order)
    if do == "events":
        return await theatre.events(**order)
    return await _idle(**order)


async def _main(program: str, descriptor: int) -> None:
    theatre = CockpitTheatre() if program == "cockpit" else BareTheatre()
    app = theatre.app
    async with asyncio.TaskGroup() as group:
        orders = group.create_task(_obey(theatre, app, descriptor))
        await app.run_async()
        orders.cancel()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
