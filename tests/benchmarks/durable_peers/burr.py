"""Burr with `SQLitePersister` and `AsyncSQLitePersister`: the whole state is saved after each step.

An application carries one run's state, so each run needs its own: building it is part of a run here, for it writes too.
https://burr.apache.org/concepts/state-persistence
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from burr.core import ApplicationBuilder, Condition, Graph, GraphBuilder, State, action
from burr.core.persistence import SQLitePersister
from burr.integrations.persisters.b_aiosqlite import AsyncSQLitePersister

from tests.benchmarks.durable_peers.contender import (
    ANSWER,
    QUESTION,
    Contender,
    Stored,
    Timed,
    described,
    settings_text,
)
from tests.benchmarks.growing import message


@action(reads=["text"], writes=["text"])
def _strip(state: State) -> State:
    return state.update(text=state["text"].strip())


@action(reads=["text"], writes=["text"])
async def _strip_async(state: State) -> State:
    return state.update(text=state["text"].strip())


@action(reads=["messages"], writes=["messages"])
def _grow(state: State) -> State:
    return state.append(messages=message(len(state["messages"]) + 1))


@action(reads=["messages"], writes=["messages"])
async def _grow_async(state: State) -> State:
    return state.append(messages=message(len(state["messages"]) + 1))


@action(reads=["messages"], writes=[])
def _end(state: State) -> State:
    return state


def contenders(label: str) -> list[Contender]:
    how = "the state is saved after each step, before the next one begins; applications are built while the clock runs"
    return [
        Contender(label, "SQLitePersister", f"`run`; {how}", "strict", _opened),
        Contender(label, "AsyncSQLitePersister", f"`arun`; {how}", "strict", _opened_async),
    ]


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[Stored]:
    with SQLitePersister.from_values(f"{folder / 'burr.sqlite'}") as persister:
        persister.initialize()
        yield _Stored(persister, waiting=False)


@asynccontextmanager
async def _opened_async(folder: Path) -> AsyncIterator[Stored]:
    async with AsyncSQLitePersister.from_values(f"{folder / 'burr.sqlite'}") as persister:
        await persister.initialize()
        yield _Stored(persister, waiting=True)


class _Stored(Timed):
    def __init__(self, persister: Any, *, waiting: bool) -> None:
        self._persister = persister
        self._waiting = waiting
        self._chains: dict[int, Graph] = {}

    async def prepare(self, size: int) -> None:
        if size not in self._chains:
            names = [f"n{number}" for number in range(size)]
            node = _strip_async if self._waiting else _strip
            builder = GraphBuilder().with_actions(**dict.fromkeys(names, node))
            self._chains[size] = builder.with_transitions(*pairwise(names)).build()

    async def run_chain(self, size: int) -> None:
        await self.prepare(size)
        state = await self._state(self._chains[size], "n0", f"n{size - 1}", {"text": QUESTION})
        assert state["text"] == ANSWER

    async def run_growing(self, steps: int) -> None:
        again = Condition(["messages"], lambda state: len(state["messages"]) < steps, name=f"fewer than {steps}")
        builder = GraphBuilder().with_actions(n=_grow_async if self._waiting else _grow, end=_end)
        graph = builder.with_transitions(("n", "n", again), ("n", "end")).build()
        state = await self._state(graph, "n", "end", {"messages": []})
        assert state["messages"][-1] == message(steps)

    async def _state(self, graph: Graph, first: str, last: str, begin: dict[str, Any]) -> State:
        builder = ApplicationBuilder().with_graph(graph).with_entrypoint(first).with_state(**begin)
        builder = builder.with_identifiers(app_id=uuid.uuid4().hex).with_state_persister(self._persister)
        if self._waiting:
            _, _, state = await (await builder.abuild()).arun(halt_after=[last])
        else:
            _, _, state = builder.build().run(halt_after=[last])
        return state

    async def settings(self) -> str:
        if not self._waiting:
            return described(self._persister.connection)
        found = [
            list(await self._persister.connection.execute_fetchall(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous")
        ]
        return settings_text(*(rows[0][0] for rows in found))
