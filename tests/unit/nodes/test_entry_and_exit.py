from __future__ import annotations

from typing import Any

import pytest

import engine
from engine.config import ContextConfig, EngineConfig
from engine.errors import EngineError, ErrorClass
from tests.graphs import chain, make_graph, node, one_model
from tests.running import ask
from tests.scripted_backend import ScriptedBackend, model

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 18}}, "required": ["age"]}


def entry(**config: Any) -> engine.GraphSpec:
    return make_graph([node("start", "entry", **config), node("end", "exit")], [("start", "end")])


async def test_without_requirements_every_question_passes() -> None:
    assert (await ask(entry(), "")).result.text == ""


@pytest.mark.parametrize(
    ("question", "inputs", "missing"),
    [
        ("Why?", {"name": "Ada"}, ""),
        ("Why?", {}, "name"),
        ("Why?", {"name": ""}, "name"),
        ("Why?", {"name": None}, "name"),
        ("", {"name": "Ada"}, "question"),
        ("Why?", {"name": 0}, ""),
        ("Why?", {"name": False}, ""),
    ],
)
async def test_required_fields_must_be_there_and_not_empty(question: str, inputs: dict[str, Any], missing: str) -> None:
    ran = await ask(entry(required_fields=["question", "name"]), question, inputs=inputs)
    if not missing:
        assert ran.result.status == "committed"
        return
    assert ran.result.status == "rolled_back"
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("input_missing", "start")
    assert repr(missing) in ran.result.error.message
    assert repr(missing) in ran.result.error.remedy


@pytest.mark.parametrize(
    ("inputs", "place"), [({"age": 18}, None), ({"age": 17}, "age"), ({"age": "18"}, "age"), ({}, "")]
)
async def test_the_input_schema_is_enforced(inputs: dict[str, Any], place: str | None) -> None:
    ran = await ask(entry(input_schema=SCHEMA), inputs=inputs)
    if place is None:
        assert ran.result.status == "committed"
        return
    assert ran.result.error is not None
    assert ran.result.error.error_class is ErrorClass.INVALID_REQUEST
    assert ran.result.error.code == "schema_violated"
    if place:
        assert f"at {place}" in ran.result.error.message


async def test_inputs_are_fields_of_the_message() -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("t", "transform", operation="template", template="{{ data.name }}"),
            node("end", "exit"),
        ],
        [("start", "t", 'data.name == "Ada"'), ("t", "end")],
    )
    assert (await ask(graph, inputs={"name": "Ada"})).result.text == "Ada"


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, b"x"])
async def test_inputs_that_are_no_json_are_refused_at_once(value: object) -> None:
    async with engine.open() as eng:
        with pytest.raises(EngineError) as caught:
            eng.start(entry(), "Why?", inputs={"name": value})
        assert caught.value.code == "inputs_not_json"


REFUSE = EngineConfig(context=ContextConfig(oversize="refuse"))


async def test_a_question_longer_than_every_window_is_refused_with_a_remedy(scripted: ScriptedBackend) -> None:
    scripted.installed = [model(window=1000)]
    ran = await ask(one_model(max_tokens=100), "word " * 1000, config=REFUSE)
    assert ran.result.error is not None
    assert ran.result.error.code == "question_too_long"
    assert "Shorten" in ran.result.error.remedy
    assert scripted.requests == []


CUT = [node("in", "entry"), node("cut", "transform", operation="truncate", length=4), node("m", "model", prompt_id="p")]
CUTTING = {
    "id": "graph.cutting",
    "nodes": [*CUT, node("out", "exit")],
    "edges": [{"from_node": a, "to_node": b} for a, b in (("in", "cut"), ("cut", "m"), ("m", "out"))],
    "prompts": {"p": {"id": "p", "user": "{{ content }}"}},
}


async def test_a_long_question_is_taken_where_the_graph_or_one_inside_it_cuts_it(scripted: ScriptedBackend) -> None:
    scripted.installed = [model(window=1000)]
    whole = engine.GraphSpec.model_validate(CUTTING)
    around = make_graph(
        [node("start", "entry"), node("sub", "subgraph", graph_id="cutting"), node("end", "exit")],
        [("start", "sub"), ("sub", "end")],
        graphs={"cutting": CUTTING},
    )
    for graph in (whole, around):
        assert (await ask(graph, "word " * 1000)).result.error is None
    assert [request.messages[-1].content for request in scripted.requests] == ["word", "word"]


async def test_a_question_of_a_megabyte_is_refused_before_anything_is_spent(scripted: ScriptedBackend) -> None:
    ran = await ask(one_model(), "x" * 1_000_000, config=REFUSE)
    assert ran.result.error is not None
    assert ran.result.error.error_class is ErrorClass.CONTEXT_OVERFLOW
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("status", "transaction", "exit_status"),
    [("success", "committed", "success"), ("fallback", "committed", "fallback"), ("error", "rolled_back", "error")],
)
async def test_the_status_of_the_exit_decides_on_the_transaction(
    status: str, transaction: str, exit_status: str
) -> None:
    ran = await ask(chain(exit_config={"status": status}), "hello")
    assert (ran.result.status, ran.result.exit, ran.result.text) == (transaction, exit_status, "hello")
    assert (ran.result.error is None) == (status != "error")
    if status == "error":
        assert ran.result.reason == "exit_error"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"age": 20}', ""),
        ('{"age": 3}', "schema_violated"),
        ("twenty", "answer_not_json"),
        ("[" * 100_000, "answer_not_json"),
        ('{"age": NaN}', "answer_not_json"),
    ],
)
async def test_the_output_schema_of_an_exit_is_enforced(text: str, code: str) -> None:
    ran = await ask(chain(exit_config={"output_schema": SCHEMA}), text)
    assert (ran.result.error.code if ran.result.error else "") == code
    assert (ran.result.status == "committed") == (code == "")
