"""LangGraph: a compiled `StateGraph`; a fan-out is edges from START, a join is an edge from a list of nodes.

https://docs.langchain.com/oss/python/langgraph/graph-api-control-flow
"""

from __future__ import annotations

import operator
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

from tests.benchmarks.peers.contender import QUESTION, Contender, Scenario, always


class _Line(TypedDict):
    text: str


class _Wide(TypedDict):
    text: str
    answers: Annotated[list[str], operator.add]


def _strip(state: _Line) -> dict[str, Any]:
    return {"text": state["text"].strip()}


async def _strip_async(state: _Line) -> dict[str, Any]:
    return {"text": state["text"].strip()}


async def _branch(state: _Wide) -> dict[str, Any]:
    return {"answers": [state["text"].strip()]}


async def _join(state: _Wide) -> dict[str, Any]:
    return {"text": "\n".join(state["answers"])}


def contenders(label: str, scenario: Scenario) -> list[Contender]:
    config = {"recursion_limit": scenario.size + 10}
    found = []

    async def asynchronous() -> str:
        return (await waiting.ainvoke({"text": QUESTION}, config))["text"]

    if scenario.kind == "chain":
        at_once, waiting = _chain(scenario.size, _strip), _chain(scenario.size, _strip_async)

        async def synchronous() -> str:
            return at_once.invoke({"text": QUESTION}, config)["text"]

        found.append(Contender(label, "functions", "`invoke`", False, scenario, always(synchronous)))
    else:
        waiting = _fan(scenario.size)
    found.append(Contender(label, "coroutines", "`ainvoke`", True, scenario, always(asynchronous)))
    return found


def _chain(size: int, node: Any) -> Any:
    graph = StateGraph(_Line)
    names = [f"n{number}" for number in range(size)]
    for name in names:
        graph.add_node(name, node)
    for source, target in pairwise([START, *names, END]):
        graph.add_edge(source, target)
    return graph.compile()


def _fan(size: int) -> Any:
    graph = StateGraph(_Wide)
    names = [f"n{number}" for number in range(size)]
    graph.add_node("join", _join)
    for name in names:
        graph.add_node(name, _branch)
        graph.add_edge(START, name)
    graph.add_edge(names, "join")
    graph.add_edge("join", END)
    return graph.compile()
