"""One way to run one graph, ready to be measured."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

QUESTION = " hello "
"""What every run is asked; each node strips it."""
ANSWER = "hello"

Once = Callable[[], Awaitable[str]]
"""One run; returns its answer."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A graph that every contender runs."""

    kind: Literal["chain", "fan-out"]
    size: int
    """Trivial nodes one after the other, or branches side by side with a node that joins their texts by newlines."""

    @property
    def unit(self) -> str:
        return "node" if self.kind == "chain" else "branch"

    @property
    def answer(self) -> str:
        return ANSWER if self.kind == "chain" else "\n".join([ANSWER] * self.size)


@dataclass(frozen=True, slots=True)
class Contender:
    """An engine with a scenario's graph, compiled."""

    label: str
    """Name and version of the engine."""
    way: str
    """Which of its ways this is."""
    how: str
    waiting: bool
    """Whether its nodes may wait (coroutines), or decide at once (plain functions)."""
    scenario: Scenario
    prepare: Callable[[int], Awaitable[Once]]
    """Called before the clock starts, with the number of runs that follow."""

    async def cpu_of_run(self, times: int) -> float:
        """CPU seconds of one run, all threads, from `times` runs in a row."""
        once = await self.prepare(times)
        start = time.process_time()
        answers = [await once() for _ in range(times)]
        seconds = time.process_time() - start
        assert set(answers) == {self.scenario.answer}, f"{self.label} answered {answers[0][:200]!r}"
        return seconds / times


def always(once: Once) -> Callable[[int], Awaitable[Once]]:
    """Nothing has to be prepared: the compiled graph is used for every run."""

    async def prepare(_times: int) -> Once:
        return once

    return prepare
