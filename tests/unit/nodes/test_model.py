from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.errors import ErrorClass
from engine.models.protocol import ChatRequest, Chunk, Done
from engine.nodes.conversation import to_messages
from engine.view import fold
from tests.graphs import chain, make_graph, node, one_model
from tests.running import Ran, ask, run_in
from tests.scripted_backend import ScriptedBackend, fault, model, system_of, text_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


def request_hashes(ran: Ran) -> list[str]:
    return [body.request_hash for body in ran.all(ev.ModelStarted)]


async def test_the_question_and_the_system_prompt_are_sent(scripted: ScriptedBackend) -> None:
    await ask(one_model(system_prompt="Be brief."), "Why is the sky blue?")
    (request,) = scripted.requests
    assert [(m.role, m.content) for m in request.messages] == [
        ("system", "Be brief."),
        ("user", "Why is the sky blue?"),
    ]
    await ask(one_model(), "Why?")
    assert [m.role for m in scripted.requests[-1].messages] == ["user"]


@pytest.mark.parametrize("name", ["small", "big"])
async def test_the_model_is_the_one_that_is_named(scripted: ScriptedBackend, name: str) -> None:
    scripted.installed = [model("small"), model("big", parameters_b=8, window=9999)]
    ran = await ask(one_model(model=name))
    assert scripted.requests[0].model == ran.result.model == name
    assert ran.view.models == {name: name}


async def test_a_role_is_resolved_to_what_is_installed(scripted: ScriptedBackend) -> None:
    scripted.installed = [model("general", parameters_b=3), model("coder", parameters_b=3)]
    await ask(one_model(model="@code"))
    assert scripted.requests[0].model == "coder"


async def test_a_model_that_is_not_installed_is_a_failed_run_with_a_remedy(scripted: ScriptedBackend) -> None:
    ran = await ask(one_model(model="llama:70b"))
    assert ran.result.error is not None
    assert ran.result.error.code == "model_not_found"
    assert "llama:70b" in ran.result.error.remedy
    assert scripted.requests == []


@pytest.mark.parametrize(("temperature", "max_tokens"), [(0.0, 10), (1.5, 99)])
async def test_temperature_and_max_tokens_are_sent(
    scripted: ScriptedBackend, temperature: float, max_tokens: int
) -> None:
    await ask(one_model(temperature=temperature, max_tokens=max_tokens))
    assert (scripted.requests[0].temperature, scripted.requests[0].max_tokens) == (temperature, max_tokens)


async def test_the_window_is_the_models_and_half_of_it_is_the_most_an_answer_may_take(
    scripted: ScriptedBackend,
) -> None:
    scripted.installed = [model(window=1000)]
    await ask(one_model(max_tokens=5000))
    assert (scripted.requests[0].window, scripted.requests[0].max_tokens) == (1000, 500)


@pytest.mark.parametrize("stream", [True, False])
async def test_stream_decides_whether_the_text_is_shown_while_it_grows(scripted: ScriptedBackend, stream: bool) -> None:
    scripted.answers(["Hello"])
    ran = await ask(one_model(stream=stream))
    assert [body.stream for body in ran.all(ev.ModelStarted)] == [stream]
    shown = []
    for index in range(len(ran.events)):
        view = fold(ran.events[:index])
        shown.append(view.answer)
        if ran.events[index].kind == "node_finished" and view.answer:
            break
    assert ("Hello" in shown[: ran.kinds.index("node_finished", 4) + 1]) == stream
    assert ran.view.answer == "Hello"


def two_upstream(**config: Any) -> engine.GraphSpec:
    return make_graph(
        [
            node("start", "entry"),
            node("first", "transform", operation="template", template="FIRST"),
            node("second", "transform", operation="template", template="SECOND"),
            node("m", "model", **config),
            node("end", "exit"),
        ],
        [("start", "first"), ("first", "second"), ("second", "m"), ("m", "end")],
    )


@pytest.mark.parametrize(
    ("config", "seen"),
    [
        ({}, {"SECOND"}),
        ({"input": ["first"]}, {"FIRST"}),
        ({"input": ["first", "second"]}, {"FIRST", "SECOND"}),
        ({"input": []}, set()),
    ],
)
async def test_input_chooses_which_upstream_outputs_are_seen(
    scripted: ScriptedBackend, config: dict[str, Any], seen: set[str]
) -> None:
    await ask(two_upstream(**config), "the question")
    text = text_of(scripted.requests[0])
    assert {word for word in ("FIRST", "SECOND") if word in text} == seen
    assert text.count("the question") == 1


# -- schemas -----------------------------------------------------------------------------------------------------------


async def test_the_output_schema_is_in_the_prompt_and_in_the_request(scripted: ScriptedBackend) -> None:
    scripted.answers(['{"city": "Paris"}'])
    ran = await ask(one_model(output_schema=SCHEMA, system_prompt="Answer."))
    assert scripted.requests[0].schema == SCHEMA
    assert '"city"' in system_of(scripted.requests[0])
    assert system_of(scripted.requests[0]).startswith("Answer.")
    assert ran.result.text == '{"city": "Paris"}'


@pytest.mark.parametrize("first", ["Paris.", '{"town": "Paris"}', '{"city": 1}', "", "[" * 5000, '{"city": "Par'])
async def test_an_unusable_answer_is_asked_for_once_more_with_the_reason(scripted: ScriptedBackend, first: str) -> None:
    scripted.answers([first], ['```json\n{"city": "Paris"}\n```'])
    ran = await ask(one_model(output_schema=SCHEMA))
    assert ran.result.status == "committed", ran.result.error
    assert len(scripted.requests) == 2
    assert "not usable" in text_of(scripted.requests[1])
    assert len(set(request_hashes(ran))) == 2


async def test_a_second_unusable_answer_is_a_failure(scripted: ScriptedBackend) -> None:
    scripted.answers(["no"], ["still no"], ['{"city": "Paris"}'])
    ran = await ask(one_model(output_schema=SCHEMA))
    assert len(scripted.requests) == 2
    assert ran.result.error is not None
    assert ran.result.error.error_class is ErrorClass.INVALID_OUTPUT


async def test_an_empty_answer_is_asked_for_once_more(scripted: ScriptedBackend) -> None:
    scripted.answers([""], ["something"])
    ran = await ask(one_model())
    assert (ran.result.text, len(scripted.requests)) == ("something", 2)
    assert len(set(request_hashes(ran))) == 2


# -- windows -----------------------------------------------------------------------------------------------------------


async def talk(eng: Any, scripted: ScriptedBackend, session: str, turns: int) -> None:
    for turn in range(turns):
        scripted.answers([f"answer {turn} " + "blah " * 60])
        await run_in(eng, one_model(max_tokens=100), f"question {turn}?", session=session)


async def test_history_that_does_not_fit_is_pruned_visibly(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.installed = [model(window=600)]
    async with engine.open(tmp_path) as eng:
        session = (await eng.create_session()).id
        await talk(eng, scripted, session, 8)
        scripted.answers(["the last"])
        ran = await run_in(eng, one_model(max_tokens=100, system_prompt="Be brief."), "And now?", session=session)
    (pruned,) = ran.all(ev.ContextPruned)
    assert pruned.tokens_before > pruned.tokens_after
    assert all("history" in line for line in pruned.removed)
    request = scripted.requests[-1]
    assert system_of(request) == "Be brief."
    assert request.messages[-1].content.endswith("And now?")
    assert "question 0?" not in text_of(request)
    assert request.messages[1].role == "user", "no answer without its question"
    assert ran.view.memory["m small"].prunes
    measured = ran.all(ev.ContextMeasured)
    assert measured[0].tokens + measured[0].reserved <= measured[0].window


async def test_what_the_backend_counted_corrects_the_next_estimate(scripted: ScriptedBackend) -> None:
    counts = iter([40, 60])
    scripted.script = lambda _request: ["bad", Chunk(done=Done("stop", next(counts, 80), 1))]
    graph = chain(node("m", "model"))
    ran = await ask(graph, "x" * 76)
    first, second = ran.all(ev.ContextMeasured)
    assert (first.reported, second.reported) == (None, 40)
    assert second.factor == pytest.approx(40 / first.tokens)
    assert second.tokens == 40


def too_long(request: ChatRequest) -> bool:
    return sum(len(message.content) for message in request.messages) > 800


async def test_a_window_that_overflows_all_the_same_is_asked_again_once_with_less(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    scripted.installed = [model(window=2000)]
    async with engine.open(tmp_path) as eng:
        session = (await eng.create_session()).id
        await talk(eng, scripted, session, 4)
        before = len(scripted.requests)
        scripted.script = lambda request: (
            [fault(ErrorClass.CONTEXT_OVERFLOW, "server_overflow")] if too_long(request) else ["it fits"]
        )
        ran = await run_in(eng, one_model(max_tokens=100), "And now?", session=session)
    asked = scripted.requests[before:]
    assert len(asked) == 2
    assert len(text_of(asked[1])) < len(text_of(asked[0]))
    assert ran.result.text == "it fits"
    assert ran.all(ev.ContextPruned)


async def test_an_overflow_that_nothing_can_be_taken_from_is_not_asked_again(scripted: ScriptedBackend) -> None:
    scripted.answers([fault(ErrorClass.CONTEXT_OVERFLOW, "server_overflow")])
    ran = await ask(one_model(), "A short question")
    assert len(request_hashes(ran)) == len(set(request_hashes(ran)))
    assert ran.result.error is not None
    assert ran.result.error.error_class is ErrorClass.CONTEXT_OVERFLOW


async def test_a_question_that_fits_no_window_with_its_instructions_is_refused_before_it_is_sent(
    scripted: ScriptedBackend,
) -> None:
    scripted.installed = [model(window=600)]
    ran = await ask(one_model(max_tokens=100, system_prompt="word " * 300), "word " * 250)
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("context_overflow", "m")
    assert "Shorten" in ran.result.error.remedy
    assert scripted.requests == []


# -- fallbacks ---------------------------------------------------------------------------------------------------------


async def test_a_fallback_that_is_not_installed_is_no_reason_not_to_ask(scripted: ScriptedBackend) -> None:
    ran = await ask(one_model(fallback_models=["llama:70b"]))
    assert ran.result.status == "committed"


async def test_fallbacks_are_tried_in_order_and_the_one_that_answers_is_named(
    scripted: ScriptedBackend, no_backoff: None
) -> None:
    scripted.installed = [model(name) for name in ("a", "b", "c")]
    scripted.script = lambda request: ["from c"] if request.model == "c" else [fault(ErrorClass.OVERLOADED)]
    ran = await ask(one_model(model="a", fallback_models=["missing", "b", "c"]))
    assert [body.fallback for body in ran.all(ev.AttemptFailed) if body.fallback] == ["b", "c"]
    assert (ran.result.text, ran.result.model, ran.view.answer_model) == ("from c", "c", "c")


async def test_without_fallbacks_the_failure_is_the_nodes(scripted: ScriptedBackend, no_backoff: None) -> None:
    scripted.installed = [model("a"), model("b")]
    scripted.answers([fault(ErrorClass.OVERLOADED)])
    ran = await ask(one_model(model="a"))
    assert ran.result.error is not None
    assert (ran.result.error.error_class, ran.result.error.node) == (ErrorClass.OVERLOADED, "m")
    assert {request.model for request in scripted.requests} == {"a"}


# -- text --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b]0;title\x07", "[/nope] [bold]", "\ud83d", "a\0b", "‮evil"])
async def test_any_text_of_a_model_is_logged_as_it_came_but_for_what_is_no_text(
    tmp_path: Path, scripted: ScriptedBackend, text: str
) -> None:
    from engine.message import replace_surrogates

    scripted.answers([text])
    async with engine.open(tmp_path) as eng:
        ran = await run_in(eng, one_model(), text)
        assert ran.result.text == replace_surrogates(text)
        (row,) = await eng.transactions()
        assert (row.question, row.answer) == (replace_surrogates(text), replace_surrogates(text))
        assert await eng.view(ran.result.transaction) == ran.view


def test_neighbours_of_one_role_are_joined_as_templates_want_turns_to_alternate() -> None:
    from engine.memory.context import ContextSelection
    from engine.message import MessageKind

    selection = ContextSelection("m small", 1000)
    selection.add(MessageKind.SYSTEM, "system", "s")
    selection.add(MessageKind.UPSTREAM, "user", "a")
    selection.add(MessageKind.QUESTION, "user", "b")
    assert [(m.role, m.content) for m in to_messages(selection.visible(), {})] == [("system", "s"), ("user", "a\n\nb")]
