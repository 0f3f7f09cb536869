"""The shipped graph `debate`: three drafts in parallel, the best by its score."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import engine
from engine import events as ev
from tests.running import Ran, ask
from tests.scripted_backend import ScriptedBackend, fault, model

QUESTION = "Why is the sky blue over mountains?"


def drafts(scripted: ScriptedBackend, *by_seed: Any, grades: dict[str, int] | None = None) -> None:
    """The drafts with seeds 1, 2 and 3, each of which waits for the others, and the grades that a judge gives them."""
    met = asyncio.Event()

    def script(request: Any) -> list[Any]:
        if request.seed is None:
            grade = next(grade for text, grade in (grades or {}).items() if f"> {text}" in request.messages[-1].content)
            return [json.dumps({"reason": "So.", "score": grade})]
        if len(scripted.requests) == 3:
            met.set()
        return [met, by_seed[request.seed - 1]]

    scripted.script = script


async def debate() -> Ran:
    return await ask(engine.load_graph("debate"), QUESTION)


async def test_the_draft_with_the_best_grade_wins(scripted: ScriptedBackend) -> None:
    scripted.installed = [model(parameters_b=7.0)]
    drafts(scripted, "Physics.", "Scattered light.", "A lake in the air.", grades={"Ph": 5, "Sc": 9, "A ": 2})
    ran = await debate()
    assert (ran.result.text, ran.result.exit, scripted.most_open) == ("Scattered light.", "success", 3)
    assert sorted(body.score for body in ran.all(ev.GateDecided) if body.score is not None) == [0.2, 0.5, 0.9]
    written = [request for request in scripted.requests if request.seed is not None]
    assert len({request.temperature for request in written}) == len({request.seed for request in written}) == 3


async def test_without_a_model_that_can_judge_the_first_draft_that_passes_the_checks_wins(
    scripted: ScriptedBackend,
) -> None:
    drafts(scripted, "over and over it is so " * 20, "Scattered light.", "A lake in the air.")
    ran = await debate()
    assert (ran.result.text, ran.result.exit) == ("Scattered light.", "success")
    assert len(scripted.requests) == 3


async def test_where_no_draft_passes_the_checks_the_first_one_is_the_best_effort(scripted: ScriptedBackend) -> None:
    drafts(scripted, *("over and over it is so " * count for count in (20, 30, 40)))
    ran = await debate()
    assert (ran.result.status, ran.result.exit) == ("committed", "fallback")
    assert ran.result.text.count("over and over") == 20


async def test_a_draft_that_fails_is_done_without(scripted: ScriptedBackend) -> None:
    drafts(scripted, fault(), "It is blue.", fault())
    ran = await debate()
    assert (ran.result.text, ran.result.data["dead"], ran.result.data["partial"]) == ("It is blue.", 2, True)
