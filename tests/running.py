"""Running a graph in a test, through the public face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from engine.run.result import Result
from engine.tools.policy import Approver
from engine.view import View, fold

B = TypeVar("B", bound=ev.Body)


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that has ended."""

    result: Result
    events: list[ev.Event]

    def all(self, kind: type[B]) -> list[B]:
        """The bodies of one kind, in order."""
        return [event.body for event in self.events if isinstance(event.body, kind)]

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    @property
    def view(self) -> View:
        return fold(self.events)

    def visited(self) -> list[str]:
        """Nodes in the order of their starts."""
        return [body.path for body in self.all(ev.NodeStarted)]


async def run_in(
    eng: Engine,
    graph: GraphSpec,
    question: str = "Why?",
    *,
    session: str | None = None,
    inputs: Any = None,
    approver: Approver | None = None,
) -> Ran:
    """Run a graph to its end and collect every event; the stream must be whole."""
    run = eng.start(graph, question, session=session, inputs=inputs, approver=approver)
    events = [event async for event in run.events()]
    result = await run.result()
    assert [event.seq for event in events if event.tx] == list(range(1, 1 + sum(1 for e in events if e.tx)))
    assert isinstance(events[-1].body, ev.TERMINAL), "every stream ends with a terminal event"
    assert result.transaction == run.transaction
    return Ran(result, events)


async def ask(
    graph: GraphSpec,
    question: str = "Why?",
    *,
    data_dir: Path | None = None,
    config: EngineConfig | None = None,
    inputs: Mapping[str, Any] | None = None,
    approver: Approver | None = None,
) -> Ran:
    """Run a graph in an engine of its own; without `data_dir` nothing is stored."""
    async with engine.open(data_dir, config=config) as eng:
        return await run_in(eng, graph, question, inputs=inputs, approver=approver)
