"""LangGraph with `SqliteSaver` and `AsyncSqliteSaver`, with `durability` `async` (its default) and `sync`.

https://docs.langchain.com/oss/python/langgraph/durable-execution
"""

from __future__ import annotations

import operator
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

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

_PROMISES = {
    "async": "a step is written while the next one runs",
    "sync": "a step is written before the next one begins",
}


class _Line(TypedDict):
    text: str


class _List(TypedDict):
    messages: Annotated[list[str], operator.add]


def _strip(state: _Line) -> dict[str, Any]:
    return {"text": state["text"].strip()}


async def _strip_async(state: _Line) -> dict[str, Any]:
    return {"text": state["text"].strip()}


def _grow(state: _List) -> dict[str, Any]:
    return {"messages": [message(len(state["messages"]) + 1)]}


async def _grow_async(state: _List) -> dict[str, Any]:
    return _grow(state)


def contenders(label: str) -> list[Contender]:
    return [
        Contender(
            label,
            f"{saver}, `{durability}`",
            f"`{'invoke' if saver == 'SqliteSaver' else 'ainvoke'}(durability={durability!r})`: {promise}",
            "strict" if durability == "sync" else "grouped",
            partial(opened, durability),
        )
        for saver, opened in (("SqliteSaver", _opened), ("AsyncSqliteSaver", _opened_async))
        for durability, promise in _PROMISES.items()
    ]


@asynccontextmanager
async def _opened(durability: str, folder: Path) -> AsyncIterator[Stored]:
    with SqliteSaver.from_conn_string(f"{folder / 'checkpoints.sqlite'}") as saver:
        yield _Stored(saver, durability, waiting=False)


@asynccontextmanager
async def _opened_async(durability: str, folder: Path) -> AsyncIterator[Stored]:
    async with AsyncSqliteSaver.from_conn_string(f"{folder / 'checkpoints.sqlite'}") as saver:
        yield _Stored(saver, durability, waiting=True)


class _Stored(Timed):
    def __init__(self, saver: Any, durability: str, *, waiting: bool) -> None:
        self._saver = saver
        self._durability = durability
        self._waiting = waiting
        self._chains: dict[int, Any] = {}

    async def prepare(self, size: int) -> None:
        if size not in self._chains:
            graph = StateGraph(_Line)
            names = [f"n{number}" for number in range(size)]
            for name in names:
                graph.add_node(name, _strip_async if self._waiting else _strip)
            for source, target in pairwise([START, *names, END]):
                graph.add_edge(source, target)
            self._chains[size] = graph.compile(checkpointer=self._saver)

    async def run_chain(self, size: int) -> None:
        await self.prepare(size)
        assert (await self._state(self._chains[size], {"text": QUESTION}, size))["text"] == ANSWER

    async def run_growing(self, steps: int) -> None:
        graph = StateGraph(_List)
        graph.add_node("n", _grow_async if self._waiting else _grow)
        graph.add_edge(START, "n")
        graph.add_conditional_edges("n", lambda state: "n" if len(state["messages"]) < steps else END, ["n", END])
        compiled = graph.compile(checkpointer=self._saver)
        assert (await self._state(compiled, {"messages": []}, steps))["messages"][-1] == message(steps)

    async def _state(self, graph: Any, begin: dict[str, Any], steps: int) -> dict[str, Any]:
        config = {"recursion_limit": steps + 10, "configurable": {"thread_id": uuid.uuid4().hex}}
        if self._waiting:
            return await graph.ainvoke(begin, config, durability=self._durability)
        return graph.invoke(begin, config, durability=self._durability)

    async def settings(self) -> str:
        if not self._waiting:
            return described(self._saver.conn)
        found = [
            list(await self._saver.conn.execute_fetchall(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")
        ]
        return settings_text(*(rows[0][0] for rows in found))
