"""A turn that is asked again or changed takes the place of the earlier one in its session; the log keeps both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.run.engine import Engine
from engine.store.deep_check import examine
from engine.view import fold
from tests.graphs import chain, gated, one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tests.unit.store.rig import FILE

ECHO = chain()
"""Its answer is the question."""
REFUSED = gated(expression='content == "never"', max_retries=1)


@pytest.fixture(params=["stored", "in memory"])
async def eng(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine.open(tmp_path if request.param == "stored" else None) as opened:
        yield opened


async def said(eng: Engine, session: str) -> list[str]:
    return [row.content for row in await eng.session_history(session) if row.role == "user"]


async def test_it_stands_where_the_earlier_one_stood_and_is_found_instead_of_it(eng: Engine) -> None:
    session = (await eng.create_session("zoo")).id
    await run_in(eng, ECHO, "lions", session=session)
    wrong = await run_in(eng, ECHO, "quokkas", session=session)
    await run_in(eng, ECHO, "zebras", session=session)
    assert len(await eng.search_sessions("quokkas")) == 2
    run = eng.start(ECHO, "wombats", session=session, replaces=wrong.result.transaction)
    assert (await run.result()).status == "committed"
    assert await said(eng, session) == ["lions", "wombats", "zebras"]
    assert [role for role, _, _ in await eng.session_messages(session)] == ["user", "assistant"] * 3
    assert (await eng.session(session)).messages == 6
    assert await eng.search_sessions("quokkas") == []
    assert {hit.tx for hit in await eng.search_sessions("wombats")} == {run.transaction}
    assert "quokkas" not in await eng.export_session(session)
    assert (await eng.view(wrong.result.transaction)).question == "quokkas", "the log keeps it"


async def test_one_that_is_rolled_back_leaves_the_earlier_one_in_its_place(
    eng: Engine, scripted: ScriptedBackend
) -> None:
    del scripted
    session = (await eng.create_session("zoo")).id
    first = await run_in(eng, ECHO, "lions", session=session)
    run = eng.start(REFUSED, "wombats", session=session, replaces=first.result.transaction)
    assert (await run.result()).status == "rolled_back"
    assert await said(eng, session) == ["lions"]


async def test_the_models_are_not_told_of_the_turn_whose_place_it_takes(eng: Engine, scripted: ScriptedBackend) -> None:
    del scripted
    session = (await eng.create_session("zoo")).id
    await run_in(eng, ECHO, "lions", session=session)
    second = await run_in(eng, ECHO, "quokkas", session=session)
    run = eng.start(one_model(), "wombats", session=session, replaces=second.result.transaction)
    await run.result()
    (begin,) = [event.body for event in await eng.events(run.transaction) if isinstance(event.body, ev.Begin)]
    assert begin.history == (("user", "lions"), ("assistant", "lions"))
    later = await run_in(eng, one_model(), "and?", session=session)
    (begin,) = later.all(ev.Begin)
    assert [content for role, content in begin.history if role == "user"] == ["lions", "wombats"]


async def test_a_fork_that_replaces_does_so_after_a_failure_and_after_another_one(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    del scripted
    async with engine.open(tmp_path) as eng:
        session = (await eng.create_session("zoo")).id
        first = await run_in(eng, ECHO, "lions", session=session)
        failed = await eng.fork(first.result.transaction, at=1, graph=REFUSED, session=session, replace=True)
        assert (await failed.result()).status == "rolled_back"
        assert await said(eng, session) == ["lions"]
        second = await eng.fork(failed.transaction, at=1, question="tigers", graph=ECHO, session=session, replace=True)
        await second.result()
        assert await said(eng, session) == ["tigers"]
        third = await eng.fork(second.transaction, at=1, question="bears", session=session, replace=True)
        await third.result()
        assert await said(eng, session) == ["bears"]
        assert await eng.search_sessions("tigers") == []
        assert len(await eng.transactions()) == 4
        assert await eng.view(third.transaction) == fold(await eng.events(third.transaction))
    report = examine(tmp_path / FILE)
    assert report.sound, report.problems


async def test_in_another_session_nothing_is_replaced(tmp_path: Path) -> None:
    async with engine.open(tmp_path) as eng:
        one, other = (await eng.create_session("one")).id, (await eng.create_session("other")).id
        first = await run_in(eng, ECHO, "lions", session=one)
        fork = await eng.fork(first.result.transaction, at=1, question="tigers", session=other, replace=True)
        await fork.result()
        assert (await said(eng, one), await said(eng, other)) == (["lions"], ["tigers"])
    assert examine(tmp_path / FILE).sound
