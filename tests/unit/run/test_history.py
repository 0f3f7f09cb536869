"""What a run is told of its session: nothing is left out silently."""

from __future__ import annotations

from pathlib import Path

import engine
from engine import events as ev
from engine.config import ContextConfig, EngineConfig
from engine.message import estimate_tokens
from engine.run.history import latest_turns
from tests.graphs import one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend, model, text_of

SMALL = "word " * 8
"""10 tokens."""


def exchange(tx: int, question: str = SMALL, answer: str = SMALL) -> list[tuple[str, str, str]]:
    return [("user", question, f"tx{tx}"), ("assistant", answer, f"tx{tx}")]


def test_a_session_that_fits_is_told_whole_and_in_order() -> None:
    said = [*exchange(1, "a", "b"), *exchange(2, "c", "d")]
    turns, left_out = latest_turns(said, 1000, "cut")
    assert turns == (("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    assert left_out == 0


def test_the_newest_exchanges_are_told_whole_and_the_others_are_counted() -> None:
    said = [message for tx in range(10) for message in exchange(tx)]
    turns, left_out = latest_turns(said, 50, "cut")
    assert (len(turns), left_out) == (4, 16), "two exchanges of 20 tokens, and no answer without its question"
    assert turns[0][0] == "user"


def test_a_message_larger_than_its_room_is_cut_visibly_and_hides_nothing_before_it() -> None:
    said = [*exchange(1), *exchange(2, answer="start " + "x" * 8000 + " end"), *exchange(3)]
    turns, left_out = latest_turns(said, 400, "cut")
    assert (len(turns), left_out) == (6, 0)
    cut = turns[3][1]
    assert cut.startswith("start ")
    assert cut.endswith(" end")
    assert "characters left out" in cut
    assert sum(estimate_tokens(content) for _, content in turns) <= 400


def test_with_refuse_an_exchange_that_is_too_large_goes_as_a_whole_and_older_ones_are_told() -> None:
    said = [*exchange(1, "older", "yes"), *exchange(2, answer="x" * 8000), *exchange(3)]
    turns, left_out = latest_turns(said, 400, "refuse")
    assert turns[:2] == (("user", "older"), ("assistant", "yes"))
    assert (len(turns), left_out) == (4, 2)


def test_nothing_but_huge_messages_is_told_in_part() -> None:
    said = [message for tx in range(3) for message in exchange(tx, "q" * 9000, "a" * 9000)]
    turns, left_out = latest_turns(said, 400, "cut")
    assert [role for role, _ in turns] == ["user", "assistant", "user", "assistant"]
    assert left_out == 2


async def told(tmp_path: Path, scripted: ScriptedBackend, config: EngineConfig | None = None) -> ev.Begin:
    """What the third question of a session begins with, when the second answer was far larger than the window."""
    scripted.installed = [model(window=600)]
    graph = one_model(max_tokens=100)
    async with engine.open(tmp_path, config=config) as eng:
        session = (await eng.create_session()).id
        for question, answer in (("Is the quokka shy?", "Not at all."), ("Tell me more.", "blah " * 3000)):
            scripted.answers([answer])
            await run_in(eng, graph, question, session=session)
        scripted.answers(["last"])
        ran = await run_in(eng, graph, "And now?", session=session)
        fork = await eng.fork(ran.result.transaction)
        begun = [event.body async for event in fork.events() if isinstance(event.body, ev.Begin)]
    (begin,) = ran.all(ev.Begin)
    assert (begun[0].history, begun[0].history_left_out) == (begin.history, begin.history_left_out)
    assert ran.view.history_left_out == begin.history_left_out
    assert any("are not told" in entry.text for entry in ran.view.timeline) == bool(begin.history_left_out)
    return begin


async def test_a_huge_answer_does_not_hide_what_was_said_before_it(tmp_path: Path, scripted: ScriptedBackend) -> None:
    begin = await told(tmp_path, scripted)
    assert [content for _, content in begin.history[:2]] == ["Is the quokka shy?", "Not at all."]
    assert "characters left out" in begin.history[3][1]
    assert begin.history_left_out == 0
    assert "Not at all." in text_of(scripted.requests[2])


async def test_what_is_refused_is_counted_in_the_event(tmp_path: Path, scripted: ScriptedBackend) -> None:
    config = EngineConfig(context=ContextConfig(oversize="refuse"))
    begin = await told(tmp_path, scripted, config)
    assert [content for _, content in begin.history] == ["Is the quokka shy?", "Not at all."]
    assert begin.history_left_out == 2
