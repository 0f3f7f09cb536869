"""The stage: plays a case with one value of its field on the real engine, in memory."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.graph.loader import load_graph
from engine.graph.problems import GraphError
from engine.graph.spec import GraphSpec
from engine.graph.validation import validate
from engine.message import Message
from engine.nodes.context import AsyncNode, InlineNode, NodeContext, Outcome
from engine.nodes.factory import make_inline
from engine.run.plan import Plan, make_plan
from tests.approvers import Person
from tests.effects.case import Case, Document, Seen, Slow
from tests.running import ask
from tests.scripted_backend import ScriptedBackend
from tests.unit.run.clock import LoopClock

TURNS = 5
"""Turns of the event loop in which a time limit that is over ends what it limits. A node that decides at once gives it
none."""


class Stage:
    """Plays cases; of one test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._folder = folder
        self._clock = LoopClock(monkeypatch)

    async def play(self, case: Case, value: Any) -> Seen:
        """What comes of one value."""
        document = case.with_value(value)
        spec = GraphSpec.model_validate(document)
        seen = Seen(document, self._folder, spec)
        if case.files:
            try:
                spec = self._read(document, case.files)
            except GraphError as error:
                return dataclasses.replace(seen, problems=error.problems)
        elif not case.unchecked and (problems := validate(spec)):
            return dataclasses.replace(seen, problems=problems)
        return await self._run(case, dataclasses.replace(seen, spec=spec))

    def _read(self, document: Document, files: Mapping[str, str]) -> GraphSpec:
        for name, text in files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        path = self._folder / "graph.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return load_graph(path)

    async def _run(self, case: Case, seen: Seen) -> Seen:
        backend = ScriptedBackend(case.script, case.models)
        backend.install(self._monkeypatch)
        back_offs: list[float] = []

        def jitter(_self: random.Random, low: float, high: float) -> float:
            back_offs.append(high)
            return high if case.longest_waits else low

        self._monkeypatch.setattr(random.Random, "uniform", jitter)
        slow = case.slow
        self._monkeypatch.setattr(
            "engine.run.engine.make_plan",
            make_plan if slow is None else lambda spec: _slowed(make_plan(spec), slow, self._clock),
        )
        person = None if case.person is None else Person(case.person)
        ran = await ask(seen.spec, case.question, inputs=case.inputs, approver=person)
        asked = () if person is None else person.asked
        return dataclasses.replace(seen, run=ran, requests=backend.requests, asked=asked, back_offs=back_offs)


def _slowed(plan: Plan, slow: Slow, clock: LoopClock) -> Plan:
    """The plan; one of its nodes takes so long that the clock is ahead when it has decided."""
    inline, tasks = dict(plan.inline), dict(plan.tasks)
    if slow.node in inline:
        inline[slow.node] = _SlowInline(inline[slow.node], slow, clock)
    else:
        at_once = make_inline(plan.specs[slow.node], frozenset()) is not None
        tasks[slow.node] = _SlowTask(tasks[slow.node], slow, clock, 0 if at_once else TURNS)
    return dataclasses.replace(plan, inline=inline, tasks=tasks)


class _SlowInline:
    def __init__(self, node: InlineNode, slow: Slow, clock: LoopClock) -> None:
        self._node, self._slow, self._clock = node, slow, clock
        self._taken = 0

    def decide(self, ctx: NodeContext, message: Message) -> Outcome:
        self._taken += 1
        if self._taken <= self._slow.times:
            self._clock.skip(self._slow.seconds)
        return self._node.decide(ctx, message)


class _SlowTask:
    def __init__(self, node: AsyncNode, slow: Slow, clock: LoopClock, turns: int) -> None:
        self._node, self._slow, self._clock, self._turns = node, slow, clock, turns
        self._taken = 0

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        self._taken += 1
        if self._taken <= self._slow.times:
            self._clock.skip(self._slow.seconds)
            for _ in range(self._turns):
                await asyncio.sleep(0)
        return await self._node.run(ctx, message)
