"""Resuming: a run that was interrupted anywhere ends as if it had not been, and repeats no finished work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.bus import EventBus
from engine.config import EngineConfig
from engine.graph.spec import GraphSpec
from engine.models.protocol import ChatRequest
from engine.run.engine import Engine
from engine.run.state import RunState, apply
from engine.store.database import Database
from engine.store.log import EventLog
from engine.view import fold
from tests.approvers import Person, yes
from tests.graphs import chain, gated, make_graph, node
from tests.interruption import Watched, leave
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend, Step, text_of


def branches() -> GraphSpec:
    return make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["a", "b", "c"]),
            node("a", "model", system_prompt="a"),
            node("b", "model", system_prompt="b"),
            node("c", "transform", operation="upper"),
            node("all", "join", separator="|"),
            node("last", "model", system_prompt="last"),
            node("end", "exit"),
        ],
        [("start", "fan"), ("a", "all"), ("b", "all"), ("c", "all"), ("all", "last"), ("last", "end")],
    )


def inner() -> GraphSpec:
    return make_graph(
        [
            node("start", "entry"),
            node("again", "loop", body=["m", "limit"], max_iterations=2),
            node("m", "model"),
            node("limit", "timeout", inner_node="sub", timeout_ms=60_000),
            node("sub", "subgraph", graph_id="inside"),
            node("calc", "tool", tool_id="calculator", input_mapping={"expression": "data.sum"}),
            node("end", "exit"),
        ],
        [("start", "again"), ("again", "calc"), ("calc", "end")],
        graphs={"inside": gated().model_dump(mode="json")},
    )


def first_wins() -> GraphSpec:
    return make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["a", "b"]),
            node("a", "model", system_prompt="a"),
            node("b", "model", system_prompt="b"),
            node("first", "join", mode="any"),
            node("up", "transform", operation="upper"),
            node("end", "exit"),
        ],
        [("start", "fan"), ("a", "first"), ("b", "first"), ("first", "up"), ("up", "end")],
    )


GRAPHS = {
    "a chain": chain(node("a", "model"), node("up", "transform", operation="upper"), node("b", "model")),
    "branches": branches(),
    "a retry": gated(),
    "inner nodes": inner(),
    "a question to a person": chain(node("ok", "approval", prompt="Really?"), node("b", "model")),
}


def script(request: ChatRequest) -> list[Step]:
    """An answer that depends on the request alone, so that an answer which is asked for again is the same."""
    if "refused" in text_of(request):
        return ["go", "od"]
    return ["answer ", f"{len(text_of(request))}"]


@dataclass
class Whole:
    """A run that was not interrupted."""

    events: list[ev.Event]
    text: str
    cuts: list[int] = field(default_factory=list)
    """Lengths of the log that a crash can leave."""


async def whole_run(graph: GraphSpec, folder: Path) -> Whole:
    watched = Watched()
    with watched.watching():
        async with engine.open(folder) as eng:
            ran = await run_in(eng, graph, "why?", inputs={"sum": "6*7"}, approver=Person(yes))
    assert ran.result.status == "committed", ran.result.error
    return Whole(watched.events, ran.result.text, watched.cuts)


@asynccontextmanager
async def opened_again(folder: Path, **config: Any) -> AsyncIterator[Engine]:
    async with engine.open(folder, config=EngineConfig(**config), approver=Person(yes)) as eng:
        yield eng


def calls_left(events: list[ev.Event]) -> int:
    """Model calls that had been answered."""
    return sum(isinstance(event.body, ev.ModelFinished) for event in events)


@pytest.mark.parametrize("name", GRAPHS)
async def test_a_run_that_is_interrupted_anywhere_ends_as_if_it_had_not_been(
    name: str, tmp_path: Path, scripted: ScriptedBackend
) -> None:
    scripted.script = script
    whole = await whole_run(GRAPHS[name], tmp_path / "whole")
    needed = len(scripted.requests)
    assert len(whole.cuts) >= 8
    for cut in whole.cuts:
        left = whole.events[:cut]
        await leave(left, tmp_path / f"{cut}")
        scripted.requests.clear()
        async with opened_again(tmp_path / f"{cut}") as eng:
            assert eng.recovered == ()
            (run,) = eng.resumed
            events = [event async for event in run.events()]
            result = await run.result()
            stored = await eng.events(run.transaction)
        assert (result.status, result.text) == ("committed", whole.text), f"after {left[-1]}"
        assert len(scripted.requests) == needed - calls_left(left), f"no answered call is repeated after {left[-1]}"
        own = [event for event in events if event.tx is not None]
        answered = [event for event in left if isinstance(event.body, ev.ApprovalAnswered)]
        asked_anew = [event for event in own[cut:] if isinstance(event.body, ev.ApprovalAsked)]
        assert not (answered and asked_anew), "a person is not asked what they have answered"
        assert [event.seq for event in own] == list(range(1, len(own) + 1))
        assert [event.kind for event in own].count("resumed") == 1
        assert fold(events) == fold(stored)


async def test_what_a_join_does_not_need_any_more_is_not_begun_again(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(a=["quick"], b=["slow"])
    whole = await whole_run(first_wins(), tmp_path / "whole")
    for cut in whole.cuts:
        await leave(whole.events[:cut], tmp_path / f"{cut}")
        async with opened_again(tmp_path / f"{cut}") as eng:
            result = await eng.resumed[0].result()
        assert (result.status, result.text) in {("committed", "QUICK"), ("committed", "SLOW")}


async def test_the_clock_and_the_usage_of_a_resumed_run_go_on(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.script = script
    whole = await whole_run(GRAPHS["a chain"], tmp_path / "whole")
    cut = next(n for n in whole.cuts if calls_left(whole.events[:n]) == 1)
    await leave(whole.events[:cut], tmp_path / "cut")
    async with opened_again(tmp_path / "cut") as eng:
        run = eng.resumed[0]
        result = await run.result()
        events = await eng.events(run.transaction)
        row = await eng.transaction(run.transaction)
    assert result.usage.model_calls == row.usage.model_calls == 2
    times = [event.t_ms for event in events if event.tx]
    assert times == sorted(times)


async def test_a_call_that_was_lost_takes_its_text_back(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.script = script
    whole = await whole_run(GRAPHS["a chain"], tmp_path / "whole")
    cut = next(n for n in whole.cuts if isinstance(whole.events[n - 1].body, ev.ModelStarted))
    await leave(whole.events[:cut], tmp_path / "cut")
    async with opened_again(tmp_path / "cut") as eng:
        await eng.resumed[0].result()
        events = await eng.events(eng.resumed[0].transaction)
    abandoned = [event.body for event in events if isinstance(event.body, ev.AttemptAbandoned)]
    assert [(body.path, body.step, body.attempt) for body in abandoned] == [("a", 1, 1)]
    visit = fold(events).nodes["a"].visits[0]
    assert (visit.state, visit.attempt, len(visit.attempts)) == ("ok", 2, 2)


async def test_a_retry_after_an_interruption_still_goes_back(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.script = script
    whole = await whole_run(gated(), tmp_path / "whole")
    cut = next(n for n in whole.cuts if isinstance(whole.events[n - 1].body, ev.ModelFinished))
    await leave(whole.events[:cut], tmp_path / "cut")
    async with opened_again(tmp_path / "cut") as eng:
        await eng.resumed[0].result()
        events = await eng.events(eng.resumed[0].transaction)
    (rewound,) = [event.body for event in events if isinstance(event.body, ev.Rewound)]
    assert rewound.excluded[0] <= cut < rewound.excluded[1], "what came before the interruption is taken back as well"


async def test_an_old_run_is_rolled_back(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.script = script
    whole = await whole_run(GRAPHS["a chain"], tmp_path / "whole")
    await leave(whole.events[:5], tmp_path / "cut")
    async with opened_again(tmp_path / "cut", resume_within_s=0) as eng:
        (row,) = eng.recovered
        assert (row.status, row.reason, eng.resumed) == ("rolled_back", "interrupted", ())


async def test_a_run_that_is_left_alone_can_be_gone_on_with_later(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.script = script
    whole = await whole_run(GRAPHS["a chain"], tmp_path / "whole")
    await leave(whole.events[:5], tmp_path / "cut")
    async with opened_again(tmp_path / "cut", recovery="leave") as eng:
        assert (eng.recovered, eng.resumed) == ((), ())
        assert [row.tx for row in eng.left] == [whole.events[0].tx]
        assert (await eng.transactions())[0].status == "executing"
    async with opened_again(tmp_path / "cut", recovery="leave", resume_within_s=0) as eng:
        assert (len(eng.recovered), eng.left) == (1, ()), "what is too old is rolled back all the same"


async def test_what_was_left_alone_goes_on(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.script = script
    whole = await whole_run(GRAPHS["a chain"], tmp_path / "whole")
    await leave(whole.events[:5], tmp_path / "cut")
    async with opened_again(tmp_path / "cut", recovery="leave"):
        pass
    async with opened_again(tmp_path / "cut") as eng:
        assert (await eng.resumed[0].result()).status == "committed"


async def test_a_model_that_is_gone_ends_the_run_with_a_remedy(tmp_path: Path, scripted: ScriptedBackend) -> None:
    from tests.scripted_backend import model

    scripted.script = script
    whole = await whole_run(GRAPHS["a chain"], tmp_path / "whole")
    await leave(whole.events[:5], tmp_path / "cut")
    scripted.installed = [model("another")]
    async with opened_again(tmp_path / "cut") as eng:
        result = await eng.resumed[0].result()
    assert result.status == "rolled_back"
    assert result.error is not None
    assert result.error.remedy


async def test_the_deciding_state_of_a_resumed_run_is_the_fold_of_its_log(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    scripted.script = script
    whole = await whole_run(GRAPHS["inner nodes"], tmp_path / "whole")
    cut = whole.cuts[len(whole.cuts) // 2]
    await leave(whole.events[:cut], tmp_path / "cut")
    async with opened_again(tmp_path / "cut") as eng:
        await eng.resumed[0].result()
        events = await eng.events(eng.resumed[0].transaction)
    state = RunState()
    for event in events:
        apply(state, event)
    assert state.terminal
    assert state.usage.model_calls == sum(isinstance(event.body, ev.ModelFinished) for event in events)


async def test_a_block_is_written_whole(tmp_path: Path) -> None:
    """A fan-out of more branches than one commit has rows is still one step of the log."""
    database = await Database.open(tmp_path)
    log = EventLog(EventBus(), database)
    stream = log.stream("t")
    sizes: list[int] = []
    insert = database.insert_events

    async def counted(rows: str) -> None:
        import json

        sizes.append(len(json.loads(rows)))
        await insert(rows)

    database.insert_events = counted  # type: ignore[method-assign]
    log.append(ev.Paused("alone"), stream)
    with log.block():
        for _ in range(700):
            log.append(ev.Paused("together"), stream)
    log.append(ev.Paused("alone"), stream)
    writer = asyncio.create_task(log.write_forever())
    await log.flush()
    log.close()
    await writer
    await database.close()
    assert sum(sizes) == 702
    assert 1 + 700 in sizes or 700 in sizes


async def test_what_other_runs_did_meanwhile_is_not_in_the_timeline(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.script = script
    whole = await whole_run(GRAPHS["a chain"], tmp_path / "whole")
    await leave(whole.events[:5], tmp_path / "cut")
    for _ in range(2):
        async with opened_again(tmp_path / "cut", recovery="leave") as eng:
            assert (await run_in(eng, GRAPHS["a chain"])).result.status == "committed"
    async with opened_again(tmp_path / "cut") as eng:
        (run,) = eng.resumed
        assert (await run.result()).status == "committed"
        timeline = (await eng.view(run.transaction)).timeline
    resumed = next(i for i, entry in enumerate(timeline) if entry.kind == "resumed")
    assert all(entry.seq for entry in timeline[:resumed])
