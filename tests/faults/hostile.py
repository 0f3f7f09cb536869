"""A hostile model server: `uv run python -m tests.faults.hostile --rounds 100`.

Every case of the table of errors, in both dialects and in random order, through the real clients and the real caller:
its class, its retries and their waits, the text that is taken back, the breaker, and what is left over.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from engine.config import BreakerConfig, RetryConfig
from engine.errors import EngineError, ErrorClass
from engine.events import AttemptFailed, Body, ModelDelta, ModelFinished
from engine.health.registry import BreakerRegistry
from engine.models.caller import CallOptions, CallSite, ModelCaller, ModelRound
from engine.models.pool import Endpoint, Pool
from engine.models.protocol import ChatMessage, ChatRequest, ModelBackend
from tests.faults import hostile_once
from tests.faults.hostile_breaker import ReferenceBreaker
from tests.faults.hostile_cases import NO_NAME, NO_ROUTE, REFUSED, Case, cases
from tests.faults.hostile_dialects import MODEL, OLLAMA, OPENAI, TEXT, WINDOW, Dialect, good
from tests.faults.hostile_server import HostileServer
from tests.unit.health.clock import Clock
from tests.waiting import until

AT_ONCE = 10
"""Rounds at the same time: most of their time is silence."""
SILENCE_S = 1.5
"""More than a busy machine takes to answer, since a try that is to succeed has no longer than that either."""
ATTEMPTS = 3
NAME = "hostile.invalid"
MULTICAST = "224.0.0.1"
"""No TCP connection has a route there, whatever the machine's routes are."""


@dataclass
class Figures:
    """What came of it."""

    cases: int = 0
    """Calls whose class, retries, waits, text, events and breaker were compared with the table."""
    as_in_table: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    """Class of the failure, or `accepted` -> cases."""
    once_changed: int = 0
    """Runs of a graph in which the request was repeated once, changed."""
    refused_by_breakers: int = 0
    """Calls that an open breaker refused, all of them foretold."""
    longest_second_s: float = 0.0
    """The longest call with a deadline of one second."""
    left_tasks: int = 0
    left_connections: int = 0
    left_children: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = asdict(self)
        rows, problems = told.pop("rows"), told.pop("problems")
        told["longest_second_s"], told["seconds"] = round(self.longest_second_s, 2), round(self.seconds, 1)
        lines = [f"{name.replace('_', ' '):<24} {value}" for name, value in told.items()]
        return "\n".join(lines + [f"  {row:<22} {count}" for row, count in sorted(rows.items())] + problems[:40])


@dataclass
class Outcome:
    """What one call did."""

    error: EngineError | None
    answer: ModelRound | None
    cancelled: bool
    events: list[Body]
    slept: list[float]
    seconds: float

    @property
    def error_class(self) -> ErrorClass | None:
        if self.cancelled:
            return ErrorClass.CANCELLED
        return None if self.error is None else self.error.error_class


class Round:
    """All cases of one dialect, one after the other, with one clock and one set of breakers."""

    def __init__(self, say: Dialect, rng: random.Random, figures: Figures) -> None:
        self.say = say
        self.rng = rng
        self.figures = figures
        self.clock = Clock()
        self.breakers = BreakerRegistry(
            BreakerConfig(), now=self.clock.now, wall_ms=self.clock.wall_ms, emit=lambda _: None
        )
        self.expected: dict[str, ReferenceBreaker] = {}
        self.server = HostileServer(say.path, say.others)

    async def run(self) -> None:
        """Play every case, those that are retried once with a server that recovers and once with one that does not."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.server)
            backends = await self._backends(stack)
            plays = [(case, forever) for case in cases(self.say) for forever in _ways(case)]
            self.rng.shuffle(plays)
            for case, forever in plays:
                await self._play(case, forever, backends[case.nowhere or ("silent" if case.silent else "")])
        await self._none_left("closed")
        self.figures.left_connections += self.server.open

    async def _backends(self, stack: AsyncExitStack) -> dict[str, ModelBackend]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            closed = listener.getsockname()[1]
        addresses = {
            "": self.server.address,
            REFUSED: f"http://127.0.0.1:{closed}",
            NO_NAME: f"http://{NAME}:1",
            NO_ROUTE: f"http://{MULTICAST}:1",
        }
        found = {name: self.say.backend(address) for name, address in addresses.items()}
        found["silent"] = self.say.backend(self.server.address, silence_s=SILENCE_S)
        for backend in found.values():
            stack.push_async_callback(backend.aclose)
        await self._acquainted(found[""], found["silent"])
        return found

    async def _acquainted(self, *backends: ModelBackend) -> None:
        # what a client asks about a model once is not part of any case
        self.server.script = [good(self.say)]
        for backend in backends:
            async for _ in backend.chat(_request()):
                pass

    async def _play(self, case: Case, forever: bool, backend: ModelBackend) -> None:
        name = f"{self.say.name}: {case.name}{' (lasting)' if forever else ''}"
        reference = self.expected.setdefault(backend.endpoint, ReferenceBreaker())
        if reference.refuses(self.clock.now()):
            await self._refused(name, backend)
            self.clock.advance(reference.until - self.clock.now() + self.rng.random())
            reference.refuses(self.clock.now())
        steps = case.steps() if callable(case.steps) else case.steps
        self.server.script = [steps] if forever or not case.retried else [steps, good(self.say)]
        self.server.requests.clear()
        outcome = await self._call(case, backend)
        error = case.error if forever or not case.retried or case.nowhere else None
        reference.ended(error, self.clock.now())
        wrong = [*_compare(case, outcome, error), *self._compare_server(case, outcome), *self._compare_breaker(backend)]
        if not await self._none_left(name):
            wrong.append("a request is still under way")
        self.figures.cases += 1
        row = "accepted" if case.error is None else case.error.value
        self.figures.rows[row] = self.figures.rows.get(row, 0) + 1
        self.figures.as_in_table += not wrong
        if case.deadline:
            self.figures.longest_second_s = max(self.figures.longest_second_s, outcome.seconds)
        self.figures.problems += [f"{name}: {each}" for each in wrong]

    async def _refused(self, name: str, backend: ModelBackend) -> None:
        """An open breaker lets nothing pass."""
        self.server.requests.clear()
        outcome = await self._call(Case(name), backend)
        if outcome.error_class is not ErrorClass.BREAKER_OPEN or self.server.requests:
            self.figures.problems.append(f"{name}: an open breaker let a call pass: {outcome.error}")
        self.figures.refused_by_breakers += 1

    async def _call(self, case: Case, backend: ModelBackend) -> Outcome:
        events: list[Body] = []
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            self.clock.advance(seconds)

        # a pool for each call: a retry budget that runs out has its own tests
        pool = Pool([Endpoint(backend)], self.breakers, emit=events.append, now=self.clock.now)
        caller = ModelCaller(pool, RetryConfig(attempts=ATTEMPTS), now=self.clock.now, sleep=sleep, rng=self.rng)
        self.server.reached.clear()
        deadline = self.clock.now() + 1.0 if case.deadline else None
        task = asyncio.create_task(
            caller.call(
                _request(), site=CallSite("n", 1, 1), emit=events.append, options=CallOptions(deadline=deadline)
            )
        )
        begun = time.monotonic()
        if case.cancel:
            await self._cancel_when_silent(case, task, events)
        error, answer = None, None
        try:
            answer = await task
        except EngineError as exc:
            error = exc
        except asyncio.CancelledError:
            pass
        return Outcome(error, answer, task.cancelled(), events, slept, time.monotonic() - begun)

    async def _cancel_when_silent(self, case: Case, task: asyncio.Task[ModelRound], events: Sequence[Body]) -> None:
        await self.server.reached.wait()
        for _ in range(20):  # what was sent may still be on its way
            await asyncio.sleep(0.002)
        task.cancel()

    def _compare_server(self, case: Case, outcome: Outcome) -> Iterator[str]:
        attempts = len([event for event in outcome.events if isinstance(event, AttemptFailed | ModelFinished)])
        if not case.nowhere and len(self.server.requests) != attempts:
            yield f"{len(self.server.requests)} requests for {attempts} attempts"

    def _compare_breaker(self, backend: ModelBackend) -> Iterator[str]:
        shot = self.breakers.get(f"{backend.endpoint} {MODEL}", "endpoint").snapshot()
        reference = self.expected[backend.endpoint]
        found, foretold = (shot.state, shot.successes), (reference.state, reference.successes)
        if found != foretold or (shot.state == "closed" and shot.failures != reference.failures):
            yield f"breaker is {found} with {shot.failures} failures, foretold {reference}"

    async def _none_left(self, name: str) -> bool:
        """Whether the server sees all requests ended."""
        try:
            await until(lambda: self.server.busy == 0 and (name != "closed" or self.server.open == 0), 5.0)
        except TimeoutError:
            return False
        return True


def _request() -> ChatRequest:
    messages = (ChatMessage("system", "Be short."), ChatMessage("user", "Wie lang ist der Fluß?"))
    return ChatRequest(MODEL, messages, max_tokens=64, window=WINDOW)


def _ways(case: Case) -> list[bool]:
    """Whether the server never recovers: what is not retried is played once, without a server there is but one way."""
    if not case.retried:
        return [False]
    return [True] if case.nowhere else [False, True] if case.lasts else [False]


def _compare(case: Case, outcome: Outcome, error: ErrorClass | None) -> Iterator[str]:
    """What of a call is not as the table says."""
    if outcome.error_class is not error:
        yield f"ended with {outcome.error_class} ({outcome.error}), expected {error}"
        return
    if error is None and case.error is None:
        yield from _compare_answer(case.text, case.finish, outcome)
    elif error is None:
        yield from _compare_answer(TEXT, "stop", outcome)
    if outcome.error is not None and not (outcome.error.message and _remedied(outcome.error)):
        yield f"no remedy in {outcome.error!r}"
    failed = [event for event in outcome.events if isinstance(event, AttemptFailed)]
    yield from _compare_attempts(case, failed, error)
    yield from _compare_waits(case, failed, outcome.slept)
    yield from _compare_shown(outcome.events)
    if case.deadline and outcome.seconds > 3.0:
        yield f"a deadline of 1 s took {outcome.seconds:.1f} s"


def _compare_answer(text: str, finish: str, outcome: Outcome) -> Iterator[str]:
    answer = outcome.answer
    if answer is None or (answer.text, answer.finish) != (text, finish):
        yield f"answered {answer!r}, expected {text!r} with {finish}"


def _compare_attempts(case: Case, failed: Sequence[AttemptFailed], error: ErrorClass | None) -> Iterator[str]:
    expected = 0 if case.error is None else 1 if not case.retried or error is None else ATTEMPTS
    if len(failed) != expected:
        yield f"{len(failed)} failed attempts, expected {expected}"
    for number, event in enumerate(failed, start=1):
        if (event.error.error_class, event.attempt) != (case.error, number):
            yield f"attempt {number} is {event.attempt} and failed as {event.error}, expected {case.error}"
        if case.shown is not None and event.partial != case.shown:
            yield f"attempt {number} takes back {event.partial[:80]!r}, expected {case.shown[:80]!r}"


def _compare_waits(case: Case, failed: Sequence[AttemptFailed], slept: Sequence[float]) -> Iterator[str]:
    announced = [event.retry_in_ms for event in failed if event.retry_in_ms is not None]
    if announced != [round(seconds * 1000) for seconds in slept]:
        yield f"waits {slept} are not those announced: {announced}"
    if slept and not case.wait[0] <= slept[0] <= case.wait[1]:
        yield f"first wait {slept[0]:.2f} s, expected {case.wait}"


def _compare_shown(events: Sequence[Body]) -> Iterator[str]:
    """Deltas of an attempt build a beginning of its text, and none comes after it has failed."""
    shown: dict[int, str] = {}
    over = 0
    for event in events:
        if isinstance(event, ModelDelta):
            if event.attempt <= over or event.offset != len(shown.get(event.attempt, "")):
                yield f"a stray delta of attempt {event.attempt} at {event.offset}"
            shown[event.attempt] = shown.get(event.attempt, "") + event.text
        elif isinstance(event, AttemptFailed | ModelFinished):
            over = event.attempt
            text = event.partial if isinstance(event, AttemptFailed) else event.text
            if not text.startswith(shown.get(over, "")):
                yield f"attempt {over} showed what it does not take back"


def _remedied(error: EngineError) -> bool:
    """Whether a person is told what to do, where there is something to do."""
    by_hand = {ErrorClass.CONNECTION, ErrorClass.AUTH, ErrorClass.NOT_FOUND, ErrorClass.CONFIGURATION}
    return bool(error.remedy) or error.error_class not in by_hand


@contextmanager
def _resolver() -> Iterator[None]:
    """Names end in .invalid have no address (RFC 6761); a machine's resolver may think about it for long."""
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **rest: Any) -> Any:
        if host in {NAME, NAME.encode()}:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **rest)

    with mock.patch("socket.getaddrinfo", resolve):
        yield


def _children() -> set[str]:
    return {pid for file in Path(f"/proc/{os.getpid()}/task").glob("*/children") for pid in file.read_text().split()}


async def measure(rounds: int, *, seed: int) -> Figures:
    """Play all cases in both dialects so many times."""
    figures, begun = Figures(), time.monotonic()
    tasks, children = asyncio.all_tasks(), _children()
    rng = random.Random(seed)
    with _resolver():
        for first in range(0, rounds, AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for _ in range(min(AT_ONCE, rounds - first)):
                    group.create_task(_both(random.Random(rng.random()), figures))
    left = await _left_over(tasks)
    figures.left_tasks = len(left)
    figures.problems += [f"left over: {task!r}" for task in left]
    figures.left_children = len(_children() - children)
    figures.seconds = time.monotonic() - begun
    return figures


async def _left_over(before: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    def left() -> list[asyncio.Task[Any]]:
        return [task for task in asyncio.all_tasks() - before if not task.done()]

    with suppress(TimeoutError):
        await until(lambda: not left(), 2.0)
    return left()


async def _both(rng: random.Random, figures: Figures) -> None:
    for say in rng.sample([OLLAMA, OPENAI], 2):
        await Round(say, rng, figures).run()
        found = await hostile_once.play(say, rng)
        figures.once_changed += found.runs
        figures.problems += found.problems


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = asyncio.run(measure(options.rounds, seed=options.seed))
    print(figures)
    return 1 if figures.problems or figures.left_tasks or figures.left_connections or figures.left_children else 0


if __name__ == "__main__":
    sys.exit(main())
