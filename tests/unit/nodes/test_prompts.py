"""What a prompt changes about what a model is asked."""

from __future__ import annotations

from typing import Any

import pytest

from engine import events as ev
from engine.graph.spec import GraphSpec
from tests.graphs import make_graph, node
from tests.running import ask
from tests.scripted_backend import ScriptedBackend, system_of, text_of

SCHEMA = {"type": "object", "required": ["city"]}


def prompted(prompt: dict[str, Any], **config: Any) -> GraphSpec:
    return make_graph(
        [
            node("start", "entry"),
            node("first", "transform", operation="template", template="FIRST"),
            node("m", "model", prompt_id="p", **config),
            node("end", "exit"),
        ],
        [("start", "first"), ("first", "m"), ("m", "end")],
        prompts={"p": {"id": "p", **prompt}},
    )


async def asked(scripted: ScriptedBackend, graph: GraphSpec, inputs: Any = None) -> list[tuple[str, str]]:
    ran = await ask(graph, "Why?", inputs=inputs)
    assert ran.result.status == "committed", ran.result.error
    return [(message.role, message.content) for message in scripted.requests[-1].messages]


@pytest.mark.parametrize("system", ["Be brief.", "Be long."])
async def test_the_system_text_is_sent(scripted: ScriptedBackend, system: str) -> None:
    assert await asked(scripted, prompted({"system": system}, input=[])) == [("system", system), ("user", "Why?")]


@pytest.mark.parametrize(
    ("user", "sent"),
    [
        ("{{ question }}", "FIRST\n\nWhy?"),
        ("Answer: {{ question }}", "FIRST\n\nAnswer: Why?"),
        ("{{ question }} with {{ content }}", "Why? with FIRST"),
        ("{{ question }} with {{ content | lower }}", "Why? with first"),
        ("{{ question }} in {{ data.place }}", "FIRST\n\nWhy? in Rome"),
    ],
)
async def test_the_user_template_stands_for_the_question(scripted: ScriptedBackend, user: str, sent: str) -> None:
    assert await asked(scripted, prompted({"user": user}), {"place": "Rome"}) == [("user", sent)]


async def test_an_explicit_input_is_shown_besides_the_template(scripted: ScriptedBackend) -> None:
    graph = prompted({"user": "{{ content }}: {{ question }}"}, input=["first"])
    assert await asked(scripted, graph) == [("user", "FIRST\n\nFIRST: Why?")]


async def test_examples_are_earlier_turns(scripted: ScriptedBackend) -> None:
    examples = [{"user": "1 + 1?", "assistant": "2"}, {"user": "2 + 2?", "assistant": "4"}]
    assert await asked(scripted, prompted({"system": "Sum.", "examples": examples}, input=[])) == [
        ("system", "Sum."),
        ("user", "1 + 1?"),
        ("assistant", "2"),
        ("user", "2 + 2?"),
        ("assistant", "4"),
        ("user", "Why?"),
    ]


async def test_the_schema_is_enforced(scripted: ScriptedBackend) -> None:
    scripted.answers(["Paris"], ['{"city": "Paris"}'])
    ran = await ask(prompted({"output_schema": SCHEMA}))
    assert ran.result.text == '{"city": "Paris"}'
    assert scripted.requests[0].schema == SCHEMA
    assert '"city"' in system_of(scripted.requests[0])
    assert "not usable" in text_of(scripted.requests[1])


async def test_the_schema_of_the_node_wins(scripted: ScriptedBackend) -> None:
    scripted.answers(['{"town": "Paris"}'])
    own = {"type": "object", "required": ["town"]}
    ran = await ask(prompted({"output_schema": SCHEMA, "system": "Go."}, output_schema=own))
    assert ran.result.text == '{"town": "Paris"}'
    assert scripted.requests[0].schema == own
    assert system_of(scripted.requests[0]).startswith("Go.")


async def test_a_template_that_cannot_be_filled_fails_the_node(scripted: ScriptedBackend) -> None:
    ran = await ask(prompted({"user": "{{ data.nothing }}"}))
    assert ran.result.error is not None
    assert ran.result.error.code == "nothing_at_path"
    assert scripted.requests == []


async def test_the_begin_event_carries_the_prompts(scripted: ScriptedBackend) -> None:
    ran = await ask(prompted({"system": "Be brief.", "version": "3.1.4"}))
    (begin,) = ran.all(ev.Begin)
    assert begin.graph["prompts"]["p"]["system"] == "Be brief."
    assert begin.graph["prompts"]["p"]["version"] == "3.1.4"
    changed = await ask(prompted({"system": "Be long.", "version": "3.1.4"}))
    assert changed.all(ev.Begin)[0].graph_hash != begin.graph_hash
