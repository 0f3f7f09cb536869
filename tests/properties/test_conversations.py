"""Generated conversations in a small window: what is pruned is the same live, in the store and in a replay; it is never
more than may be and never what must stay; and the session holds what committed, each turn once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import events as ev
from engine.run.engine import Engine
from engine.run.run import Run
from engine.view import View, apply, fold
from tests.graphs import one_model
from tests.scripted_backend import ScriptedBackend, fault, model

GRAPH = one_model(model="small", max_tokens=60, system_prompt="Be brief.")


@dataclass(frozen=True)
class Turn:
    """One question of a conversation."""

    question: int
    """Words of it."""
    answer: int
    """Words of the answer; 0: the model fails."""
    again: bool
    """It takes the place of the turn before it."""


TURNS = st.lists(st.builds(Turn, st.integers(1, 150), st.integers(0, 120), st.booleans()), min_size=2, max_size=8)


@settings(max_examples=25, deadline=None)
@given(st.integers(200, 800), TURNS)
async def test_what_a_conversation_prunes_is_the_same_live_stored_and_replayed(
    scripted: ScriptedBackend, window: int, turns: list[Turn]
) -> None:
    scripted.installed = [model("small", window=window, parameters_b=0.5)]
    with tempfile.TemporaryDirectory() as folder:
        lived: dict[str, View] = {}
        async with engine.open(Path(folder)) as eng:
            session = (await eng.create_session()).id
            kept = await _hold(eng, scripted, session, turns, lived)
            said = await eng.session_history(session)
        async with engine.open(Path(folder)) as later:
            for tx, view in lived.items():
                events = await later.events(tx)
                assert fold(events) == await later.view(tx) == view
                _check(events, window)
            assert await later.session_history(session) == said
            assert [row.tx for row in said] == [tx for tx in kept for _ in range(2)]
            hits = await later.search_sessions("word", limit=100)
            assert {hit.tx for hit in hits} == set(kept), "what was rolled back or replaced is found nowhere"


async def _hold(
    eng: Engine, scripted: ScriptedBackend, session: str, turns: Sequence[Turn], lived: dict[str, View]
) -> list[str]:
    """Ask everything; the transactions whose turns the session has to hold, in order."""
    kept: list[str] = []
    last: str | None = None
    for number, turn in enumerate(turns):
        question = f"turn {number} " + f"word{number} word " * turn.question
        scripted.answers([f"answer {number} word " * turn.answer] if turn.answer else [fault()])
        if turn.again and last is not None:
            run: Run = await eng.fork(last, at=1, question=question, session=session, replace=True)
        else:
            run = eng.start(GRAPH, question, session=session)
        live = View()
        async for event in run.events():
            apply(live, event)
        result = await run.result()
        lived[run.transaction] = live
        replaced = next(each.body.replaces for each in await eng.events(run.transaction) if _begins(each))
        if result.status == "committed":
            if replaced in kept:
                kept[kept.index(replaced)] = run.transaction
            else:
                kept.append(run.transaction)
        last = run.transaction
    return kept


def _begins(event: ev.Event) -> bool:
    return isinstance(event.body, ev.Begin)


def _check(events: Sequence[ev.Event], window: int) -> None:
    """Nothing that is sent is larger than the window, and nothing went that has to stay."""
    for event in events:
        body = event.body
        if isinstance(body, ev.ContextMeasured):
            assert sum(body.by_kind.values()) == body.tokens
            assert body.reported is not None or body.tokens + body.reserved <= window
        elif isinstance(body, ev.ContextPruned):
            assert body.tokens_after < body.tokens_before
            gone = [each for each in body.messages if not each.left_out]
            assert {each.kind for each in gone} <= {"history", "recalled", "summary"}
        elif isinstance(body, ev.ModelFinished):
            assert body.prompt_tokens + GRAPH.nodes[1].config.max_tokens <= window
