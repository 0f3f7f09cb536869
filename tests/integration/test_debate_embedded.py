"""The shipped graph `debate` on the real embedded model."""

from __future__ import annotations

from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.view import fold
from tests.running import run_in

pytestmark = pytest.mark.embedded


async def test_three_drafts_overlap_and_the_best_is_the_answer(tmp_path: Path) -> None:
    async with engine.open(tmp_path, backend="embedded") as eng:
        ran = await run_in(eng, engine.load_graph("debate"), "What is the capital of France?")
        stored = await eng.events(ran.result.transaction)
    assert ran.result.status == "committed", ran.result.error
    order = [type(event.body) for event in ran.events if isinstance(event.body, ev.ModelStarted | ev.ModelFinished)]
    assert order[:2] == [ev.ModelStarted] * 2, "the second is asked before the first has answered"
    drafts = {body.path: body.text for body in ran.all(ev.ModelFinished)}
    scored = [body.data["json"] for body in ran.all(ev.NodeFinished) if body.path == "scored"]
    best = max(each["score"] for each in scored)
    assert ran.result.text in [each["answer"] for each in scored if each["score"] == best]
    assert ran.result.text in {text.strip() for text in drafts.values()}
    assert ran.result.text
    assert (ran.result.data["joined"], ran.result.data["dead"]) == (3, 0)
    assert fold(stored) == ran.view
