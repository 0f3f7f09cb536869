"""Burr: a `Graph` of actions; a fan-out is a `MapActions`, whose sub-applications run under `asyncio.gather`.

An application carries one run's state, so each run needs its own: these are built before the clock starts.
https://burr.apache.org/concepts/parallelism
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import pairwise
from typing import Any

from burr.core import Application, ApplicationBuilder, Graph, GraphBuilder, State, action
from burr.core.parallelism import MapActions, RunnableGraph

from tests.benchmarks.peers.contender import QUESTION, Contender, Once, Scenario


@action(reads=["text"], writes=["text"])
def _strip(state: State) -> State:
    return state.update(text=state["text"].strip())


@action(reads=["text"], writes=["text"])
async def _strip_async(state: State) -> State:
    return state.update(text=state["text"].strip())


class _Fan(MapActions):
    def __init__(self, branches: list[RunnableGraph]) -> None:
        super().__init__()
        self._branches = branches

    @property
    def reads(self) -> list[str]:
        return ["text"]

    @property
    def writes(self) -> list[str]:
        return ["text"]

    def is_async(self) -> bool:
        return True

    def actions(self, state: State, context: Any, inputs: Any) -> Iterator[RunnableGraph]:
        yield from self._branches

    async def reduce(self, state: State, states: AsyncIterator[State]) -> State:
        return state.update(text="\n".join([each["text"] async for each in states]))


def contenders(label: str, scenario: Scenario) -> list[Contender]:
    built = "applications built before the clock starts"
    if scenario.kind == "fan-out":
        graph = GraphBuilder().with_actions(fan=_Fan(_branches(scenario.size))).build()
        how = f"`arun`, `MapActions`; {built}, those of the branches are part of a run"
        return [Contender(label, "coroutines", how, True, scenario, _asynchronous(graph, "fan", "fan"))]
    first, last = "n0", f"n{scenario.size - 1}"
    at_once, waiting = _chain(scenario.size, _strip), _chain(scenario.size, _strip_async)
    return [
        Contender(label, "functions", f"`run`; {built}", False, scenario, _synchronous(at_once, first, last)),
        Contender(label, "coroutines", f"`arun`; {built}", True, scenario, _asynchronous(waiting, first, last)),
    ]


def _chain(size: int, node: Any) -> Graph:
    names = [f"n{number}" for number in range(size)]
    return GraphBuilder().with_actions(**dict.fromkeys(names, node)).with_transitions(*pairwise(names)).build()


def _branches(size: int) -> list[RunnableGraph]:
    graphs = [GraphBuilder().with_actions(**{f"n{number}": _strip_async}).build() for number in range(size)]
    return [RunnableGraph(graph, f"n{number}", [f"n{number}"]) for number, graph in enumerate(graphs)]


def _builder(graph: Graph, first: str) -> ApplicationBuilder:
    return ApplicationBuilder().with_graph(graph).with_entrypoint(first).with_state(text=QUESTION)


def _synchronous(graph: Graph, first: str, last: str) -> Callable[[int], Awaitable[Once]]:
    async def prepare(times: int) -> Once:
        applications: list[Application] = [_builder(graph, first).build() for _ in range(times)]

        async def once() -> str:
            _, _, state = applications.pop().run(halt_after=[last])
            return state["text"]

        return once

    return prepare


def _asynchronous(graph: Graph, first: str, last: str) -> Callable[[int], Awaitable[Once]]:
    async def prepare(times: int) -> Once:
        applications: list[Application] = [await _builder(graph, first).abuild() for _ in range(times)]

        async def once() -> str:
            _, _, state = await applications.pop().arun(halt_after=[last])
            return state["text"]

        return once

    return prepare
