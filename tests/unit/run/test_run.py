"""The handle of a run: its events, its result, its session, and engines that are opened and closed around it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.bus import Lagged
from engine.config import EngineConfig
from engine.errors import EngineError, ErrorClass
from engine.run import engine as face
from engine.run.engine import Engine
from engine.store.database import StoreError
from engine.view import fold
from tests.graphs import chain, gated, make_graph, node, one_model
from tests.running import ask, run_in
from tests.scripted_backend import ScriptedBackend, fault, model, text_of
from tests.waiting import until


async def slowly(run: engine.Run) -> list[ev.Event]:
    """Read a run's events so slowly that the ring overruns."""
    events = []
    async for event in run.events():
        events.append(event)
        await asyncio.sleep(0.002)
    return events


@pytest.mark.parametrize("stored", [True, False])
async def test_a_reader_that_is_slower_than_its_ring_misses_nothing(
    tmp_path: Path, scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    monkeypatch.setattr("engine.run.run.RING", 2)
    scripted.answers(["bad"], ["bad"], ["good"])
    lags = []
    original = Lagged.__init__
    monkeypatch.setattr(Lagged, "__init__", lambda self, *args: (lags.append(args), original(self, *args))[1])
    async with engine.open(tmp_path if stored else None) as eng:
        everything = eng.bus.subscribe(size=10_000)
        run = eng.start(gated(), "Why?")
        events = await slowly(run)
        assert lags, "the ring was overrun indeed"
        published = [e for e in everything.drain() if isinstance(e, ev.Event)]
        first, last = events[0].gseq, events[-1].gseq
        assert events == [e for e in published if first <= e.gseq <= last and e.tx in (None, run.transaction)]
        assert events == await eng.events(run.transaction)
        assert (events[0].kind, events[-1].kind) == ("begin", "committed")


async def test_events_read_after_the_end_are_all_there(tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path) as eng:
        run = eng.start(one_model(), "Why?")
        await run.result()
        events = [event async for event in run.events()]
        assert events == await eng.events(run.transaction)


async def test_who_waits_for_the_result_may_give_up_without_ending_the_run(scripted: ScriptedBackend) -> None:
    go_on = asyncio.Event()
    scripted.answers([go_on, "done"])
    async with engine.open() as eng:
        run = eng.start(one_model(), "Why?")
        waiting = asyncio.create_task(run.result())
        await scripted.busy.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        go_on.set()
        assert (await run.result()).text == "done"


async def test_runs_go_on_side_by_side_with_streams_of_their_own(tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path) as eng:
        ran = await asyncio.gather(*(run_in(eng, one_model(), f"question {i}?") for i in range(5)))
        assert [r.result.text for r in ran] == [f"Answer to: question {i}?" for i in range(5)]
        assert sorted(r.result.number for r in ran) == [1, 2, 3, 4, 5]
        for each in ran:
            assert each.events == await eng.events(each.result.transaction)
            assert {event.tx for event in each.events} <= {None, each.result.transaction}


async def test_a_view_of_a_running_run_has_what_was_published(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.answers(["part", asyncio.Event()])
    async with engine.open(tmp_path) as eng:
        everything = eng.bus.subscribe(size=10_000)
        run = eng.start(one_model(), "Why?")
        await scripted.busy.wait()
        live = fold(e for e in everything.drain() if isinstance(e, ev.Event))
        assert live.answer == "part"
        assert await eng.view(run.transaction) == live
        run.cancel()


async def test_a_view_can_be_had_as_of_any_event(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"], ["good"])
    async with engine.open(tmp_path) as eng:
        ran = await run_in(eng, gated())
        last = ran.events[-1].seq
        for upto in (0, 1, last // 2, last, last + 5):
            expected = [e for e in ran.events if e.tx and e.seq <= upto]
            inside = [e for e in ran.events if expected and e.gseq <= expected[-1].gseq]
            view = await eng.view(ran.result.transaction, upto=upto)
            assert [line.seq for line in view.timeline if line.seq] == [
                line.seq for line in fold(inside).timeline if line.seq
            ]
            assert view.t_ms == fold(inside).t_ms


# -- sessions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [True, False])
async def test_what_was_said_in_a_session_reaches_the_next_request(
    tmp_path: Path, scripted: ScriptedBackend, stored: bool
) -> None:
    async with engine.open(tmp_path if stored else None) as eng:
        session, other = (await eng.create_session("a")).id, (await eng.create_session("b")).id
        await run_in(eng, one_model(), "My name is Ada.", session=session)
        ran = await run_in(eng, one_model(), "What is my name?", session=session)
        assert [(m.role, m.content) for m in scripted.requests[-1].messages] == [
            ("user", "My name is Ada."),
            ("assistant", "Answer to: My name is Ada."),
            ("user", "What is my name?"),
        ]
        assert ran.view.history == (("user", "My name is Ada."), ("assistant", "Answer to: My name is Ada."))
        await run_in(eng, one_model(), "And now?", session=other)
        assert "Ada" not in text_of(scripted.requests[-1])
        await run_in(eng, one_model(), "And now?")
        assert "Ada" not in text_of(scripted.requests[-1])
        assert len(await eng.session_messages(session)) == 4


async def test_a_session_outlives_the_process(tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path) as eng:
        session = (await eng.create_session("a \ud800 name")).id
        await run_in(eng, one_model(), "My name is Ada.", session=session)
    async with engine.open(tmp_path) as eng:
        (row,) = await eng.sessions()
        assert (row.id, row.name, row.messages) == (session, "a \ufffd name", 2)
        await run_in(eng, one_model(), "What is my name?", session=session)
        assert "Ada" in text_of(scripted.requests[-1])
        assert [row.number for row in await eng.transactions(session=session)] == [2, 1]


async def test_the_history_of_a_long_session_is_bounded_by_the_window(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    scripted.installed = [model(window=600)]
    scripted.answers(["word " * 100])
    async with engine.open(tmp_path) as eng:
        session = (await eng.create_session()).id
        for turn in range(12):
            ran = await run_in(eng, one_model(max_tokens=50), f"question {turn}?", session=session)
        begin = ran.events[0].body
        assert isinstance(begin, ev.Begin)
        tokens = sum(len(content) / 4 for _, content in begin.history)
        assert 500 < tokens < 800, "a quarter more than the window, to be pruned"
        assert begin.history[-2][1] == "question 10?", "the latest are kept"
        request = scripted.requests[-1]
        assert sum(len(m.content) for m in request.messages) / 4 + request.max_tokens < request.window


async def test_an_unknown_session_is_a_failed_run_with_a_remedy(tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path) as eng:
        ran = await run_in(eng, one_model(), session="nobody")
        assert ran.result.error is not None
        assert (ran.result.error.code, scripted.requests) == ("session_not_found", [])
        with pytest.raises(EngineError) as caught:
            await eng.session_messages("nobody")
        assert caught.value.error_class is ErrorClass.NOT_FOUND


# -- the engine around it ----------------------------------------------------------------------------------------------


async def test_numbers_go_on_in_the_next_process(tmp_path: Path) -> None:
    for expected in (1, 2):
        async with engine.open(tmp_path) as eng:
            ran = await run_in(eng, chain())
            assert ran.result.number == expected
            assert (await eng.transaction(f"#{expected}")).tx == ran.result.transaction
            assert (await eng.transaction(ran.result.transaction[:8])).number == expected


async def test_old_transactions_are_removed_at_the_next_start(tmp_path: Path) -> None:
    async with engine.open(tmp_path) as eng:
        for _ in range(5):
            await run_in(eng, chain())
    async with engine.open(tmp_path, config=EngineConfig(keep_transactions=2)) as eng:
        async with asyncio.timeout(10):
            while len(await eng.transactions()) > 2:  # noqa: ASYNC110 - the task for it is the engine's own
                await asyncio.sleep(0.01)
        assert [row.number for row in await eng.transactions()] == [5, 4]


async def test_a_second_engine_runs_without_recording_and_says_so(tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path) as first, engine.open(tmp_path) as second:
        await run_in(first, one_model(), "first")
        assert (first.read_only, second.read_only) == (False, True)
        assert "reading only" in second.notices[0]
        ran = await run_in(second, one_model(), "second")
        assert (ran.result.status, ran.result.number) == ("committed", 0)
        assert await second.view(ran.result.transaction) == ran.view
        (row,) = await second.transactions()
        assert row.question == "first"
        assert (await second.view(row.tx)).answer == "Answer to: first"
        session = (await second.create_session("mine")).id
        await run_in(second, one_model(), "in memory", session=session)
        assert [content for _, content, _ in await second.session_messages(session)] == [
            "in memory",
            "Answer to: in memory",
        ]


async def test_without_a_store_nothing_is_listed_and_lookups_say_why() -> None:
    async with engine.open() as eng:
        ran = await run_in(eng, chain())
        assert await eng.transactions() == []
        assert await eng.sessions() == []
        assert (eng.read_only, eng.data_dir) == (False, None)
        assert await eng.view(ran.result.transaction) == ran.view
        with pytest.raises(EngineError, match="no store"):
            await eng.transaction("1")


async def test_opening_is_refused_with_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    before = asyncio.all_tasks()
    with pytest.raises(StoreError) as caught:
        async with engine.open(tmp_path / "file"):
            pytest.fail("it must not open")
    assert "--data-dir" in caught.value.remedy
    assert asyncio.all_tasks() == before


@pytest.mark.usefixtures("no_task_left")
async def test_an_error_in_the_body_closes_the_engine_all_the_same(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.answers([asyncio.Event()])
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - what is raised inside is the point
        async with engine.open(tmp_path) as eng:
            run = eng.start(one_model(), "Why?")
            await scripted.busy.wait()
            raise ZeroDivisionError
    assert (await run.result()).reason == "interrupted"
    assert scripted.closed


async def test_closing_ends_the_readers_of_the_bus() -> None:
    async with engine.open() as eng:
        subscription = eng.bus.subscribe()
        reader = asyncio.create_task(collect(subscription))
        await run_in(eng, chain())
    events = await reader
    assert events[-1].kind == "committed" or events[-1].tx is None


async def collect(subscription: Any) -> list[Any]:
    return [item async for item in subscription]


async def test_a_graph_can_be_made_ready_before_the_first_question(scripted: ScriptedBackend) -> None:
    scripted.refuse = fault(ErrorClass.CONFIGURATION, "no_backend")
    async with engine.open() as eng:
        everything = eng.bus.subscribe()
        with pytest.raises(EngineError) as caught:
            await eng.prepare(one_model())
        assert (caught.value.code, caught.value.remedy) == ("no_backend", "None needed.")
        (told,) = everything.drain()
        assert isinstance(told, ev.Event)
        assert isinstance(told.body, ev.BackendChanged)
        assert (told.body.status, told.body.remedy) == ("offline", "None needed.")
        with pytest.raises(EngineError):
            await eng.models()
        scripted.refuse = None
        await eng.prepare(one_model())
        await eng.prepare(chain())
        assert scripted.requests == []


async def test_the_models_are_those_of_the_backend(scripted: ScriptedBackend) -> None:
    async with engine.open() as eng:
        assert await eng.backend() is scripted
        assert [info.name for info in await eng.models()] == ["small"]


async def test_a_graph_without_models_needs_no_backend(scripted: ScriptedBackend) -> None:
    scripted.refuse = RuntimeError("must not be asked")  # type: ignore[assignment]
    ran = await ask(chain(node("t", "transform", operation="upper")), "hello")
    assert (ran.result.text, ran.result.backend) == ("HELLO", "")


async def test_a_graph_that_is_used_again_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = face.make_plan
    monkeypatch.setattr(face, "make_plan", lambda graph: (made.append(graph.id), original(graph))[1])
    async with engine.open() as eng:
        await run_in(eng, chain())
        await run_in(eng, chain())
        assert len(made) == 1
        for number in range(70):
            eng._plan(chain(id=f"graph.g{number}"))
        assert len(eng._plans) <= 64


async def test_a_condition_that_does_not_parse_is_refused_at_the_start() -> None:
    graph = make_graph([node("start", "entry"), node("end", "exit")], [("start", "end", "content ==")], valid=False)
    async with engine.open() as eng:
        with pytest.raises(engine.ConfigurationError):
            eng.start(graph, "Why?")


async def test_breakers_can_be_forced_and_unknown_ones_are_named(scripted: ScriptedBackend) -> None:
    async with engine.open() as eng:
        await run_in(eng, one_model())
        keys = [breaker.key for breaker in eng.breakers()]
        assert keys == sorted(keys)
        assert set(keys) == {"graph.test/m", "scripted small"}
        eng.force_breaker("scripted small", "open")
        ran = await run_in(eng, one_model())
        assert ran.result.error is not None
        assert ran.result.error.error_class is ErrorClass.BREAKER_OPEN
        with pytest.raises(EngineError):
            eng.force_breaker("nobody", "open")


async def test_the_engine_is_quick_to_open_whatever_the_backend_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    async def hang(*_args: Any, **_keywords: Any) -> Any:
        await never.wait()

    monkeypatch.setattr("engine.run.connection.choose_backend", hang)
    async with engine.open(tmp_path) as eng:
        assert isinstance(eng, Engine)
        assert (await run_in(eng, chain())).result.status == "committed"
        run = eng.start(one_model(), "Why?")
        await until(lambda: not run.done)
        run.cancel()
        assert (await run.result()).cancelled, "even while the backend is looked for"
