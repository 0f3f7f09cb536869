"""The proof of the one idea: whoever folds the events of a run, and whenever, sees the same.

Graphs, answers, faults and cancellations are generated; the store is a real SQLite file, the models are scripted. For
every transaction these folds are equal: of a live subscriber; of a subscriber so slow that its ring overruns, which
re-reads from the store; of the run's own stream; of `Engine.view`; and of another process that opens the file
afterwards.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import engine
from engine import events as ev
from engine.bus import Lagged, Subscription
from engine.config import BreakerConfig, EngineConfig
from engine.errors import ErrorClass
from engine.graph.spec import GraphSpec
from engine.models.protocol import ChatRequest, Chunk, Done
from engine.run.engine import Engine
from engine.run.state import RunState
from engine.run.state import apply as decide
from engine.run.transaction import Transaction
from engine.view import View, apply, fold
from tests.graphs import make_graph, node
from tests.scripted_backend import ScriptedBackend, Step, fault, model

OTHER_PROCESS = """
import asyncio, dataclasses, json, sys
import engine

async def main():
    async with engine.open(sys.argv[1]) as eng:
        for row in await eng.transactions(limit=10_000):
            view = await eng.view(row.tx)
            view.edges = {" -> ".join(key): edge for key, edge in view.edges.items()}
            print(json.dumps([row.tx, repr(await eng.view(row.tx)), dataclasses.asdict(view)]))

asyncio.run(main())
"""


@dataclass
class Case:
    """One generated run."""

    graph: GraphSpec
    answers: list[list[str]]
    """Steps of the model calls in turn: text, or the name of a fault."""
    cancel_at: int | None
    """Number of events after which the run is cancelled."""
    question: str
    max_steps: int


# -- what is generated -------------------------------------------------------------------------------------------------

FAULTS = {
    "!cut": ErrorClass.PROTOCOL,
    "!auth": ErrorClass.AUTH,
    "!busy": ErrorClass.OVERLOADED,
    "!long": ErrorClass.CONTEXT_OVERFLOW,
}
PIECES = st.sampled_from(
    [
        "good",
        "bad ",
        "\x1b[31m",
        "ünï",
        "\ud83d",
        "{}",
        "",
        "!cut",
        "!auth",
        "!busy",
        "!long",
        "!cut off",
        "!wait",
        "!wait",
    ]
)


@st.composite
def graphs(draw: st.DrawFn) -> GraphSpec:
    """entry -> a router or a split -> branches of transforms and models -> a gate that may send it back -> exits."""
    branches = draw(st.integers(1, 3))
    nodes = [node("start", "entry")]
    edges: list[Any] = []
    names = [f"m{i}" for i in range(branches)]
    if draw(st.booleans()):
        nodes.append(
            node(
                "router",
                "router",
                method=draw(st.sampled_from(["auto", "rules", "model"])),
                routes=[{"name": name, "target": name, "domains": ["arithmetic"]} for name in names],
                default_route=names[-1],
            )
        )
        edges += [("start", "router"), *(("router", name) for name in names)]
    else:
        edges += [("start", name) for name in names]
    for name in names:
        kind = draw(st.sampled_from(["model", "quiet model", "careful model", "transform"]))
        if kind == "transform":
            operation = draw(st.sampled_from(["upper", "json_parse", "strip"]))
            nodes.append(node(name, "transform", operation=operation))
        else:
            nodes.append(
                node(
                    name,
                    "model",
                    stream=kind != "quiet model",
                    retry={"attempts": 2, "base_delay_ms": 0} if kind == "careful model" else None,
                    fallback_models=["spare"] if kind == "careful model" else [],
                )
            )
        handles = draw(st.booleans())
        edges.append((name, "gate"))
        if handles:
            edges.append((name, "worst", 'status == "failed"'))
    back = draw(st.sampled_from([*names, *(["router"] if len(nodes) > len(names) + 1 else [])]))
    checked = draw(st.booleans())
    nodes += [
        node(
            "gate",
            "gate",
            mode="checks" if checked else "expression",
            conditions=[
                {"expression": "checks.ok" if checked else 'content == "good"', "target": "best"},
                {"expression": "retries < max_retries", "target": back},
            ],
            default_target=draw(st.sampled_from(["best", "worst", back])),
            max_retries=draw(st.integers(0, 2)),
        ),
        node("best", "exit", status=draw(st.sampled_from(["success", "fallback", "error"]))),
        node("worst", "exit", status=draw(st.sampled_from(["fallback", "error"]))),
    ]
    edges += [("gate", "best"), ("gate", back), ("gate", "worst")]
    targets = {"best", back, nodes[-3]["config"]["default_target"]}
    edges = [edge for edge in edges if edge[0] != "gate" or edge[1] in targets]
    return make_graph(nodes, edges, valid=False)


CASES = st.builds(
    Case,
    graphs(),
    st.lists(st.lists(PIECES, max_size=4), min_size=1, max_size=6),
    st.none() | st.integers(5, 25),
    st.sampled_from(["Why?", "2 + 2", '{"a": "\\ud800"}', "\ud83d lone", "word " * 500]),
    st.sampled_from([6, 30, 30]),
)


def steps(pieces: list[str]) -> list[Step]:
    made: list[Step] = []
    for piece in pieces:
        if piece in FAULTS:
            made.append(fault(FAULTS[piece]))
        elif piece == "!wait":
            waited = asyncio.Event()
            asyncio.get_running_loop().call_later(0.01, waited.set)
            made.append(waited)
        elif piece == "!cut off":
            made.append(Chunk(done=Done("length", None, None)))
        else:
            made.append(piece)
    return made


# -- who folds ---------------------------------------------------------------------------------------------------------


@dataclass
class Folder:
    """A subscriber of the whole bus that folds one view per transaction, as the cockpit does."""

    eng: Engine
    subscription: Subscription
    pause_s: float
    views: dict[str, View] = field(default_factory=dict)
    lags: int = 0

    async def run(self) -> None:
        while await self.subscription.wait():
            batch = self.subscription.drain(None if self.pause_s else 8)
            for item in batch:
                if isinstance(item, Lagged):
                    self.lags += 1
                    await self.reread()
                else:
                    self.take(item)
            if self.pause_s:
                await asyncio.sleep(self.pause_s)

    def take(self, event: ev.Event) -> None:
        if isinstance(event.body, ev.Begin) and event.tx is not None and event.tx not in self.views:
            self.views[event.tx] = View()
        for tx, view in self.views.items():
            if event.tx in (None, tx) and event.gseq > view.gseq:
                apply(view, event)

    async def reread(self) -> None:
        """Who lagged re-reads from the store what it missed, transactions that it never saw included."""
        for row in await self.eng.transactions(limit=10_000):
            self.views.setdefault(row.tx, View())
        for tx, view in self.views.items():
            if not view.finished:
                self.views[tx] = await self.eng.view(tx)


def comparable(view: View) -> Any:
    """The view as JSON gives it: what another process can say of it."""
    plain = dataclasses.asdict(view)
    plain["edges"] = {" -> ".join(key): edge for key, edge in plain["edges"].items()}
    return json.loads(json.dumps(plain))


async def drive(eng: Engine, case: Case, backend: ScriptedBackend) -> tuple[str, View, RunState]:
    """Run one case; gives the fold of the run's own stream."""
    left = [steps(pieces) for pieces in case.answers]

    def script(request: ChatRequest) -> list[Step]:
        return left.pop(0) if left else ["good"]

    backend.script = script
    eng.config = eng.config.model_copy(update={"max_steps": case.max_steps})
    run = eng.start(case.graph, case.question)
    view, state, count = View(), RunState(), 0
    async for event in run.events():
        apply(view, event)
        decide(state, event)
        count += 1
        if count == case.cancel_at:
            run.cancel()
    await run.result()
    return run.transaction, view, state


def fold_in_another_process(folder: Path) -> dict[str, tuple[str, Any]]:
    """Transaction -> (repr of its view, its view as JSON), by a process that opens the file now."""
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
    )
    return {tx: (text, plain) for tx, text, plain in map(json.loads, done.stdout.splitlines())}


@settings(max_examples=10, phases=[Phase.generate])  # to shrink would take minutes; the cases are small
@given(st.lists(CASES, min_size=8, max_size=8))
def test_every_fold_of_the_same_events_is_the_same(cases: list[Case]) -> None:
    asyncio.run(prove(cases))


async def prove(cases: list[Case]) -> None:
    backend = ScriptedBackend(models=[model(parameters_b=3, window=700), model("spare", window=900)])
    config = EngineConfig(breaker=BreakerConfig(failure_threshold=1, cooldown_s=0.01), retry={"base_s": 0})  # type: ignore[arg-type]
    live_states: dict[str, RunState] = {}

    class Watched(Transaction):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            live_states[self.tx] = self.state

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        backend.install(patch)
        patch.setattr("engine.run.driver.Transaction", Watched)
        async with engine.open(folder, config=config) as eng:
            quick = Folder(eng, eng.bus.subscribe(size=100_000), 0)
            slow = Folder(eng, eng.bus.subscribe(size=3), 0.004)
            async with asyncio.TaskGroup() as group:
                group.create_task(quick.run())
                group.create_task(slow.run())
                streams = {}
                for case in cases:
                    # who re-reads from the store comes too late to cancel
                    patch.setattr("engine.run.run.RING", 5 if case.cancel_at is None else 4096)
                    tx, view, state = await drive(eng, case, backend)
                    streams[tx] = view
                    assert state == live_states[tx], "the deciding state is the fold of the same events"
                quick.subscription.close()
                slow.subscription.close()
            await slow.reread()
            assert slow.lags
            now = {tx: await eng.view(tx) for tx in streams}
            for tx in streams:
                stored = RunState()
                for event in await eng.events(tx):
                    decide(stored, event)
                assert stored == live_states[tx]
        assert backend.open_streams == 0
        later = await asyncio.to_thread(fold_in_another_process, Path(folder))
    for tx, view in streams.items():
        assert view.finished
        assert quick.views[tx] == view, "live"
        assert slow.views[tx] == view, "slow"
        assert now[tx] == view, "afterwards"
        text, plain = later[tx]
        assert text == repr(view), "afterwards, in another process"
        assert plain == comparable(view)
    assert set(later) == set(streams)
    for view in streams.values():
        assert fold([]) != view
