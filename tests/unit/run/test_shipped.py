"""What the shipped graphs do when their models behave in ways that the embedded model cannot be made to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import engine
from engine import events as ev
from engine.models.protocol import ChatRequest, Chunk, Done
from tests.running import Ran, ask
from tests.scripted_backend import ScriptedBackend, call, fault, form_model, model, system_of, text_of, tool_model


def is_judge(request: ChatRequest) -> bool:
    return system_of(request).startswith("You grade")


def verdict(score: int) -> list[Any]:
    return [json.dumps({"reason": "Too vague.", "score": score})]


CUT_OFF = [Chunk("And so on", done=Done("length", 10, 10))]


# -- self_check --------------------------------------------------------------------------------------------------------


async def self_check(scripted: ScriptedBackend, grades: list[int], revised: list[Any]) -> Ran:
    scripted.installed = [model(parameters_b=7.0)]
    left = [verdict(grade) for grade in grades]

    def script(request: ChatRequest) -> list[Any]:
        if is_judge(request):
            return left.pop(0)
        return revised.pop(0) if "not good enough" in text_of(request) else ["A draft."]

    scripted.script = script
    return await ask(engine.load_graph("self_check"), "Why?")


async def test_a_draft_that_the_judge_likes_is_the_answer(scripted: ScriptedBackend) -> None:
    ran = await self_check(scripted, [8], [])
    assert (ran.result.text, ran.result.exit, "revise" in ran.visited()) == ("A draft.", "success", False)


async def test_a_draft_is_revised_with_the_reason_until_the_judge_is_content(scripted: ScriptedBackend) -> None:
    ran = await self_check(scripted, [3, 4, 9], [["Better."], ["Best."]])
    assert (ran.result.text, ran.result.exit) == ("Best.", "success")
    revisions = [text_of(request) for request in scripted.requests if "not good enough" in text_of(request)]
    assert [text.count("Too vague") for text in revisions] == [1, 2]
    assert all("A draft." in text for text in revisions)


async def test_a_judge_that_is_never_content_gets_the_last_revision_as_the_best_effort(
    scripted: ScriptedBackend,
) -> None:
    ran = await self_check(scripted, [3, 3, 3], [["Better."], ["Best."]])
    assert (ran.result.text, ran.result.status, ran.result.exit) == ("Best.", "committed", "fallback")


async def test_a_revision_that_fails_leaves_the_draft(scripted: ScriptedBackend) -> None:
    ran = await self_check(scripted, [3], [[fault()]])
    assert (ran.result.text, ran.result.status, ran.result.exit) == ("A draft.", "committed", "fallback")


# -- map_reduce --------------------------------------------------------------------------------------------------------


def summariser(scripted: ScriptedBackend, summary: str, broken: str = "\0") -> None:
    def script(request: ChatRequest) -> list[Any]:
        if "Notes on the parts" in text_of(request):
            return ["All in all."]
        return [fault()] if broken in text_of(request) else [summary]

    scripted.script = script


def pieces(ran: Ran) -> int:
    return ran.visited().count("summarise")


async def test_a_text_longer_than_the_window_is_summarised_piece_by_piece(scripted: ScriptedBackend) -> None:
    scripted.installed = [model(window=1000)]
    summariser(scripted, "A piece.")
    text = "\n".join(f"{number:04} " + "x" * 90 for number in range(100))
    ran = await ask(engine.load_graph("map_reduce"), text)
    assert (ran.result.text, ran.result.exit, pieces(ran)) == ("All in all.", "success", 6)
    asked = "\n".join(text_of(request) for request in scripted.requests)
    assert all(f"{number:04} " in asked for number in range(100)), "nothing is lost"
    assert "A piece.\n\nA piece." in text_of(scripted.requests[-1])


async def test_summaries_that_are_long_themselves_are_summarised_again(scripted: ScriptedBackend) -> None:
    summariser(scripted, "A piece. " + "y" * 500)
    ran = await ask(engine.load_graph("map_reduce"), ("z" * 99 + "\n") * 400)
    assert (ran.result.text, ran.visited().count("split")) == ("All in all.", 2)


async def test_a_piece_that_fails_makes_the_summary_a_partial_one(scripted: ScriptedBackend) -> None:
    summariser(scripted, "A piece.", broken="0050 ")
    text = "\n".join(f"{number:04} " + "x" * 90 for number in range(100))
    ran = await ask(engine.load_graph("map_reduce"), text)
    assert (ran.result.text, ran.result.status, ran.result.exit) == ("All in all.", "committed", "fallback")
    assert (ran.result.data["partial"], ran.result.data["dead"]) == (True, 1)


async def test_pieces_that_take_too_long_are_left_out(scripted: ScriptedBackend) -> None:
    never = asyncio.Event()

    def script(request: ChatRequest) -> list[Any]:
        return (
            [never] if "0050 " in text_of(request) else ["All in all." if "Notes" in text_of(request) else "A piece."]
        )

    scripted.script = script
    document = engine.load_graph("map_reduce").model_dump(mode="json")
    (piece,) = [node for node in document["nodes"] if node["id"] == "summarise"]
    assert 0 < piece["config"]["timeout_ms"] < 300_000, "the run's own deadline would roll everything back"
    piece["config"]["timeout_ms"] = 500
    text = "\n".join(f"{number:04} " + "x" * 90 for number in range(100))
    ran = await ask(engine.GraphSpec.model_validate(document), text)
    assert (ran.result.text, ran.result.exit, ran.result.data["dead"]) == ("All in all.", "fallback", 1)


async def test_a_summary_of_summaries_that_is_no_good_gives_way_to_the_summaries(scripted: ScriptedBackend) -> None:
    def script(request: ChatRequest) -> list[Any]:
        return list(CUT_OFF) if "Notes on the parts" in text_of(request) else ["A piece."]

    scripted.script = script
    ran = await ask(engine.load_graph("map_reduce"), "x" * 3000)
    assert (ran.result.text, ran.result.exit) == ("A piece.\n\nA piece.", "fallback")


# -- tool_math ---------------------------------------------------------------------------------------------------------


async def test_a_number_that_the_model_gets_wrong_is_given_as_an_equation(scripted: ScriptedBackend) -> None:
    scripted.answers(["It is 85."])
    ran = await ask(engine.load_graph("tool_math"), "What is 12*7?")
    assert (ran.result.text, ran.result.exit) == ("12*7 = 84", "success")


async def test_a_number_that_is_rounded_is_not_called_equal(scripted: ScriptedBackend) -> None:
    scripted.answers(["It is 0.33."], ["It is five."])
    answers = [(await ask(engine.load_graph("tool_math"), question)).result.text for question in ("1/3", "1/3")]
    assert answers == ["1/3 ≈ 0.3333333333333333"] * 2


async def test_a_number_in_other_words_is_given_as_an_equation(scripted: ScriptedBackend) -> None:
    scripted.answers(["It is eighty-four."])
    assert (await ask(engine.load_graph("tool_math"), "What is 12*7?")).result.text == "12*7 = 84"


async def test_the_number_is_there_even_when_the_model_fails(scripted: ScriptedBackend) -> None:
    scripted.answers([fault()])
    ran = await ask(engine.load_graph("tool_math"), "What is 12*7?")
    assert (ran.result.text, ran.result.exit) == ("12*7 = 84", "success")


async def test_a_model_that_calls_the_calculator_for_a_word_problem_is_believed(scripted: ScriptedBackend) -> None:
    scripted.installed = [tool_model()]
    scripted.answers([call("calculator", expression="3*12")], ["There are 36 eggs."])
    ran = await ask(engine.load_graph("tool_math"), "If 3 boxes hold 12 eggs each, how many eggs are there?")
    assert (ran.result.text, ran.result.exit) == ("There are 36 eggs.", "success")


async def test_a_model_that_calculates_by_itself_is_not_believed(scripted: ScriptedBackend) -> None:
    scripted.installed = [tool_model()]
    scripted.answers(["There are 36 eggs."])
    ran = await ask(engine.load_graph("tool_math"), "If 3 boxes hold 12 eggs each, how many eggs are there?")
    assert ran.result.exit == "fallback"
    assert ran.result.text.startswith("No calculation was found")
    assert ran.result.text.endswith("nothing has checked: There are 36 eggs.")


# -- agent, simple_qa --------------------------------------------------------------------------------------------------


async def test_an_agent_that_never_answers_is_answered_for_without_tools(scripted: ScriptedBackend) -> None:
    scripted.installed = [form_model()]
    calls = '{"tool": "calculator", "arguments": {"expression": "1+1"}}'
    scripted.script = lambda request: ["Two."] if system_of(request).startswith("Answer the question") else [calls]
    ran = await ask(engine.load_graph("agent"), "What is 1 + 1?")
    assert (ran.result.text, ran.result.exit) == ("Two.", "success"), ran.result.error
    assert "alone" in ran.visited()


async def test_the_words_of_an_agent_that_chose_its_tools_stay_as_they_are(scripted: ScriptedBackend) -> None:
    scripted.installed = [tool_model()]
    scripted.answers([call("text_stats", text="a b c")], ["Three words."])
    ran = await ask(engine.load_graph("agent"), 'How many words are in "a b c"?')
    assert (ran.result.text, ran.result.exit) == ("Three words.", "success")


async def test_an_answer_that_fails_the_checks_is_asked_for_once_more_of_a_better_model(
    scripted: ScriptedBackend,
) -> None:
    scripted.installed = [model("qwen2.5:3b", parameters_b=3.1), model("qwen2.5:7b", parameters_b=7.6)]
    config = engine.EngineConfig(roles={"general": "qwen2.5:3b"})
    scripted.script = lambda request: ["Because."] if request.model == "qwen2.5:7b" else list(CUT_OFF)
    ran = await ask(engine.load_graph("simple_qa"), "Why?", config=config)
    assert [request.model for request in scripted.requests] == ["qwen2.5:3b", "qwen2.5:7b"], ran.all(ev.GateDecided)
    assert (ran.result.text, ran.result.exit) == ("Because.", "success")
