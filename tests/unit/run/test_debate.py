"""The shipped graph `debate`: three drafts in parallel, the best by its score."""

from __future__ import annotations

import asyncio
from typing import Any

import engine
from engine import events as ev
from tests.running import ask
from tests.scripted_backend import ScriptedBackend, fault, system_of

SHORT, CAREFUL, VIVID = "Answer the question in one", "Explain the answer", "Answer the question for a curious"


def drafts(scripted: ScriptedBackend, short: Any, careful: Any, vivid: Any) -> None:
    """The three drafts; each waits for the others."""
    met = asyncio.Event()

    def script(request: Any) -> list[Any]:
        if len(scripted.requests) == 3:
            met.set()
        said = system_of(request)
        return [met, next(text for start, text in ((SHORT, short), (CAREFUL, careful), (VIVID, vivid))
                          if said.startswith(start))]  # fmt: skip

    scripted.script = script


QUESTION = "Why is the sky blue over mountains?"


async def test_the_draft_that_takes_up_the_question_and_ends_wins(scripted: ScriptedBackend) -> None:
    drafts(scripted, "Because of physics.", 'The "blue" sky over the mountains is scattered light.', "The sky over the")
    ran = await ask(engine.load_graph("debate"), QUESTION)
    assert ran.result.text == 'The "blue" sky over the mountains is scattered light.'
    assert (ran.result.status, scripted.most_open) == ("committed", 3)
    scores = [body.data["json"]["score"] for body in ran.all(ev.NodeFinished) if body.path == "scored"]
    assert sorted(scores) == [1, 2, 5]
    temperatures = {request.temperature for request in scripted.requests}
    assert len(temperatures) == 3


async def test_a_draft_that_fails_is_done_without_and_the_answer_is_marked_partial(scripted: ScriptedBackend) -> None:
    drafts(scripted, fault(), "It is blue.", fault())
    ran = await ask(engine.load_graph("debate"), QUESTION)
    assert (ran.result.text, ran.result.data["dead"], ran.result.data["partial"]) == ("It is blue.", 2, True)


async def test_equal_drafts_are_answered_with_the_first(scripted: ScriptedBackend) -> None:
    drafts(scripted, "One.", "Two.", "Three.")
    ran = await ask(engine.load_graph("debate"), QUESTION)
    assert ran.result.text == "One."
    assert ran.result.data["joined"] == 3
