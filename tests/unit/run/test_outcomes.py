"""The table of outcomes: how a run ends, what becomes of the transaction, and what enters the session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.errors import ErrorClass
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from engine.run.run import Run
from tests.graphs import chain, gated, make_graph, node, one_model
from tests.running import Ran
from tests.scripted_backend import ScriptedBackend, Step, fault


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    graph: GraphSpec
    answer: list[Step]
    status: str
    exit: str | None
    reason: str
    error: str
    text: str
    config: EngineConfig = field(default_factory=EngineConfig)
    act: Callable[[Run], None] | None = None
    """Done when the model waits."""


HANG = "<hang>"
"""Stands for an event that never comes: events belong to one loop, so each run gets its own."""


def loop() -> GraphSpec:
    return make_graph(
        [
            node("start", "entry"),
            node("m", "model"),
            node("again", "transform", operation="strip"),
            node("end", "exit"),
        ],
        [("start", "m"), ("m", "again"), ("again", "again", "len(content) > 0"), ("again", "end", "len(content) == 0")],
    )


def fallback_gate() -> GraphSpec:
    return make_graph(
        [
            node("start", "entry"),
            node("m", "model"),
            node(
                "gate", "gate", conditions=[{"expression": "len(content) > 99", "target": "end"}], default_target="best"
            ),
            node("end", "exit"),
            node("best", "exit", status="fallback"),
        ],
        [("start", "m"), ("m", "gate"), ("gate", "end"), ("gate", "best")],
    )


ROWS = {
    "exit success": Row(one_model(), ["an answer"], "committed", "success", "", "", "an answer"),
    "exit fallback": Row(fallback_gate(), ["a poor one"], "committed", "fallback", "", "", "a poor one"),
    "exit error": Row(
        chain(node("m", "model"), exit_config={"status": "error"}),
        ["a bad one"],
        "rolled_back",
        "error",
        "exit_error",
        "exit_error",
        "a bad one",
    ),
    "gate out of retries": Row(
        gated(max_retries=1), ["bad"], "rolled_back", None, "gate_exhausted", "gate_exhausted", "bad"
    ),
    "node failure": Row(
        one_model(), ["partial", fault()], "rolled_back", None, "failed", "scripted", "partial"
    ),
    "deadline": Row(
        one_model(),
        ["partial", HANG],
        "rolled_back",
        None,
        "deadline",
        "run_deadline",
        "partial",
        EngineConfig(run_timeout_s=0.2),
    ),
    "budget": Row(
        loop(), ["an answer"], "rolled_back", None, "budget", "max_steps", "an answer", EngineConfig(max_steps=9)
    ),
    "cancel": Row(
        one_model(), ["partial", HANG], "rolled_back", None, "cancelled", "cancelled", "partial", act=Run.cancel
    ),
}  # fmt: skip


async def drive(eng: Engine, row: Row, session: str | None, scripted: ScriptedBackend) -> Ran:
    scripted.answers([asyncio.Event() if step == HANG else step for step in row.answer])
    run = eng.start(row.graph, "Why?", session=session)
    if row.act is not None:
        await scripted.busy.wait()
        row.act(run)
    events = [event async for event in run.events()]
    return Ran(await run.result(), events)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.usefixtures("no_task_left")
async def test_each_row_of_the_table(tmp_path: Path, scripted: ScriptedBackend, name: str) -> None:
    row = ROWS[name]
    async with engine.open(tmp_path, config=row.config) as eng:
        session = (await eng.create_session("mine")).id
        ran = await drive(eng, row, session, scripted)
        result = ran.result
        assert (result.status, result.exit, result.reason) == (row.status, row.exit, row.reason)
        assert (result.error.code if result.error else "") == row.error
        assert result.text == row.text

        messages = [(role, content) for role, content, _ in await eng.session_messages(session)]
        assert messages == ([("user", "Why?"), ("assistant", row.text)] if row.status == "committed" else [])

        (listed,) = await eng.transactions()
        assert (listed.status, listed.exit, listed.reason) == (row.status, row.exit, row.reason)

        view = await eng.view(run_id := result.transaction)
        assert view == ran.view
        assert view.status == row.status
        assert view.answer == row.text, "the text stays in the log, whatever became of the run"
        assert view.variables == {} or row.status == "committed"
        kinds = [event.kind for event in await eng.events(run_id) if event.tx]
        if row.status == "rolled_back":
            assert kinds[-2:] == ["rolling_back", "rolled_back"]
        else:
            assert kinds[-1] == "committed"
            assert "rolling_back" not in kinds
    assert scripted.open_streams == 0
    assert scripted.closed


async def test_a_cancelled_run_says_so(scripted: ScriptedBackend) -> None:
    scripted.answers(["partial", asyncio.Event()])
    async with engine.open() as eng:
        run = eng.start(one_model(), "Why?")
        await scripted.busy.wait()
        assert not run.done
        run.cancel()
        run.cancel()
        result = await run.result()
        assert run.done
        assert result.cancelled
        assert result.error is not None
        assert result.error.error_class is ErrorClass.CANCELLED
        run.cancel()
        assert (await run.result()) == result


async def test_a_run_that_is_cancelled_before_it_began_is_still_a_transaction(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    async with engine.open(tmp_path) as eng:
        run = eng.start(one_model(), "Why?")
        run.cancel()
        kinds = [event.kind async for event in run.events()]
        assert kinds[0] == "begin"
        assert kinds[-1] == "rolled_back"
        assert (await run.result()).cancelled
    assert scripted.requests == []


async def test_a_committed_run_cannot_be_cancelled_any_more(scripted: ScriptedBackend) -> None:
    async with engine.open() as eng:
        run = eng.start(one_model(), "Why?")
        await run.result()
        run.cancel()
        assert (await run.result()).status == "committed"


async def test_quiescence_without_an_exit_is_an_error() -> None:
    graph = make_graph(
        [node("start", "entry"), node("end", "exit")], [("start", "end", 'content == "never"')]
    )  # fmt: skip
    async with engine.open() as eng:
        result = await eng.start(graph, "Why?").result()
    assert result.error is not None
    assert (result.reason, result.error.code) == ("failed", "no_exit")


async def test_a_defect_inside_the_engine_ends_the_run_with_a_terminal_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("engine.run.executor.Executor._settle", broken)
    async with engine.open(tmp_path) as eng:
        run = eng.start(chain(), "Why?")
        kinds = [event.kind async for event in run.events()]
        result = await run.result()
    assert kinds[-1] == "rolled_back"
    assert result.error is not None
    assert (result.status, result.error.error_class) == ("rolled_back", ErrorClass.INTERNAL)
    assert "report" in result.error.remedy


async def test_the_answer_of_the_deadline_comes_within_generous_bounds(scripted: ScriptedBackend) -> None:
    scripted.answers([asyncio.Event()])
    started = asyncio.get_running_loop().time()
    async with engine.open(config=EngineConfig(run_timeout_s=1)) as eng:
        result = await eng.start(one_model(), "Why?").result()
    assert result.reason == "deadline"
    assert asyncio.get_running_loop().time() - started < 3


async def test_a_model_that_is_asked_at_the_deadline_does_not_turn_it_into_a_failure(
    scripted: ScriptedBackend,
) -> None:
    for _ in range(10):
        scripted.answers([asyncio.Event()])
        async with engine.open(config=EngineConfig(run_timeout_s=0.03)) as eng:
            result = await eng.start(one_model(), "Why?").result()
            assert result.reason == "deadline"


async def test_no_backend_is_a_failed_run_with_the_remedy(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.refuse = fault(ErrorClass.CONFIGURATION, "no_backend")
    async with engine.open(tmp_path) as eng:
        run = eng.start(one_model(), "Why?")
        events = [event async for event in run.events()]
        result = await run.result()
        assert result.error is not None
        assert (result.error.code, result.error.remedy) == ("no_backend", "None needed.")
        assert [event.kind for event in events if event.tx] == ["begin", "rolling_back", "rolled_back"]
        scripted.refuse = None
        assert (await eng.start(one_model(), "Why?").result()).status == "committed", "it is looked for again"


async def test_usage_counts_every_finished_call(scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"], ["good"])
    async with engine.open() as eng:
        result = await eng.start(gated(), "Why?").result()
    assert result.usage.model_calls == 2
    assert result.usage.prompt_tokens > 0
    assert isinstance(result.usage, ev.Usage)
