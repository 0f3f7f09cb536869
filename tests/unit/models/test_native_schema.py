"""Where a schema is sent for a server to enforce, and where it stands in the prompt only.

The refusals are those of real servers: llama.cpp (400, `invalid_request_error`), vLLM (422 of its web framework),
Ollama (500, `invalid JSON schema in format`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.errors import ErrorClass
from engine.models.native_schema import REST
from engine.run.engine import Engine
from tests.doubles.fake_ollama import FakeOllama, Reply
from tests.doubles.fake_openai import DONE, FakeOpenAI, chunk, usage
from tests.doubles.loopback import json_response
from tests.graphs import one_model
from tests.running import Ran, run_in
from tests.scripted_backend import ScriptedBackend, fault, model

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
GOOD = '{"city": "Paris"}'

Answer = str | tuple[int, Any]
"""A text, or a status with a body."""


class Ollama:
    """The schema is the field `format`."""

    refusal: Answer = (500, {"error": "invalid JSON schema in format"})

    def __init__(self) -> None:
        self.server = FakeOllama()
        self.config = EngineConfig(backend="ollama", ollama_host=self.server.address)

    def answers(self, *answers: Answer) -> None:
        self.server.script(
            *(
                Reply(each) if isinstance(each, str) else Reply(status=each[0], body=json.dumps(each[1]).encode())
                for each in answers
            )
        )

    @property
    def schemas(self) -> list[Any]:
        return [body.get("format") for body in self.server.chats]

    @property
    def prompts(self) -> list[str]:
        return [json.dumps(body["messages"]) for body in self.server.chats]


class OpenAI:
    """The schema is in `response_format`."""

    refusal: Answer = (
        400,
        {"error": {"code": 400, "message": "JSON schema conversion failed", "type": "invalid_request_error"}},
    )

    def __init__(self) -> None:
        self.server = FakeOpenAI()
        self.config = EngineConfig(backend="openai", openai_base_url=self.server.base_url)

    def answers(self, *answers: Answer) -> None:
        for each in answers:
            if isinstance(each, str):
                self.server.chats.append([chunk({"content": each}), chunk({}, "stop"), usage(5, 3), DONE])
            else:
                self.server.chats.append(json_response(each[1], each[0]))

    @property
    def _bodies(self) -> list[Any]:
        return [each.body for each in self.server.requests if each.path == "/v1/chat/completions"]

    @property
    def schemas(self) -> list[Any]:
        formats = (body.get("response_format") for body in self._bodies)
        return [None if each is None else each["json_schema"]["schema"] for each in formats]

    @property
    def prompts(self) -> list[str]:
        return [json.dumps(body["messages"]) for body in self._bodies]


class VLLM(OpenAI):
    refusal: Answer = (422, {"object": "error", "message": "grammar error", "type": "BadRequestError", "code": 422})


Dialect = Ollama | OpenAI


@pytest.fixture(params=[Ollama, OpenAI, VLLM])
def dialect(request: pytest.FixtureRequest, no_backoff: None) -> Iterator[Dialect]:
    found: Dialect = request.param()
    yield found
    found.server.close()


async def asked(eng: Engine) -> Ran:
    return await run_in(eng, one_model(model="@general", output_schema=SCHEMA), "Where?")


async def test_a_server_that_enforces_schemas_gets_it_and_the_prompt_has_it_too(dialect: Dialect) -> None:
    dialect.answers(GOOD)
    async with engine.open(config=dialect.config) as eng:
        ran = await asked(eng)
    assert ran.result.data["json"] == {"city": "Paris"}
    assert dialect.schemas == [SCHEMA]
    assert "city" in dialect.prompts[0]


@pytest.mark.parametrize(
    "first",
    [
        "```json\n" + GOOD + "\n```",
        "It is " + GOOD + ", I think.",
        "{'city': 'Paris',}",
    ],
)
async def test_a_server_that_ignores_the_schema_is_read_tolerantly(dialect: Dialect, first: str) -> None:
    dialect.answers(first)
    async with engine.open(config=dialect.config) as eng:
        ran = await asked(eng)
    assert ran.result.data["json"] == {"city": "Paris"}
    assert len(dialect.schemas) == 1


@pytest.mark.parametrize("first", ['{"city": 7}', '{"town": "Paris"}', "Paris", '[{"city": "Paris"}]'])
async def test_what_breaks_the_schema_is_asked_for_once_more_with_the_error(dialect: Dialect, first: str) -> None:
    dialect.answers(first, GOOD)
    async with engine.open(config=dialect.config) as eng:
        ran = await asked(eng)
    assert ran.result.data["json"] == {"city": "Paris"}
    assert "not usable" in dialect.prompts[1]


async def test_a_second_wrong_answer_is_invalid_output(dialect: Dialect) -> None:
    dialect.answers("no", "still no")
    async with engine.open(config=dialect.config) as eng:
        ran = await asked(eng)
    assert ran.result.error is not None
    assert ran.result.error.error_class is ErrorClass.INVALID_OUTPUT
    assert len(dialect.schemas) == 2


async def test_a_schema_that_a_server_refuses_stands_in_the_prompt_alone_from_then_on(dialect: Dialect) -> None:
    # a server that fails says less than one that refuses: two failures in each of two calls
    refusals, calls = (2, 2) if isinstance(dialect, Ollama) else (1, 1)
    for _ in range(calls):
        dialect.answers(*[dialect.refusal] * refusals, GOOD)
    dialect.answers(GOOD)
    async with engine.open(config=dialect.config) as eng:
        ran = [await asked(eng) for _ in range(calls + 1)]
    assert dialect.schemas == ([SCHEMA] * refusals + [None]) * calls + [None]
    assert "city" in dialect.prompts[-1]
    assert [each.result.data["json"] for each in ran] == [{"city": "Paris"}] * (calls + 1)
    assert [len(each.all(ev.AttemptFailed)) for each in ran] == [refusals] * calls + [0], "each is an event"
    assert all(body.retry_in_ms == 0 for each in ran for body in each.all(ev.AttemptFailed))


async def test_a_schema_that_was_taken_once_is_sent_however_often_the_server_fails_later(
    scripted: ScriptedBackend, no_backoff: None
) -> None:
    down = [fault(ErrorClass.SERVER)]
    scripted.answers([GOOD], down, down, [GOOD], down, down, [GOOD], [GOOD])
    async with engine.open() as eng:
        for _ in range(4):
            await asked(eng)
    assert [request.schema for request in scripted.requests] == [SCHEMA] * 8


async def test_a_server_in_trouble_that_refuses_a_schema_it_took_before_gets_it_again(
    scripted: ScriptedBackend, no_backoff: None
) -> None:
    scripted.answers([GOOD], [fault()], [GOOD], [GOOD], [fault()], [GOOD], [fault()], [GOOD], [GOOD])
    async with engine.open() as eng:
        for _ in range(6):
            await asked(eng)
    sent = [request.schema for request in scripted.requests]
    once = [SCHEMA, None]
    assert sent == [SCHEMA, *once, SCHEMA, *once, *once, None], "two calls in a row are believed"


async def test_a_refused_schema_is_tried_again_after_many_calls(scripted: ScriptedBackend, no_backoff: None) -> None:
    scripted.answers([fault()], *[[GOOD]] * (1 + REST), [GOOD])
    async with engine.open() as eng:
        for _ in range(2 + REST):
            await asked(eng)
    assert [request.schema for request in scripted.requests] == [SCHEMA, *[None] * (1 + REST), SCHEMA]


async def test_a_request_that_is_refused_without_the_schema_too_fails_and_nothing_is_remembered(
    scripted: ScriptedBackend,
) -> None:
    scripted.answers([fault()], [fault()], [GOOD])
    async with engine.open() as eng:
        failed, answered = await asked(eng), await asked(eng)
    assert failed.result.error is not None
    assert failed.result.error.error_class is ErrorClass.INVALID_REQUEST
    assert answered.result.status == "committed"
    assert [request.schema for request in scripted.requests] == [SCHEMA, None, SCHEMA]


async def test_a_server_that_fails_once_gets_the_schema_again(scripted: ScriptedBackend, no_backoff: None) -> None:
    scripted.answers([fault(ErrorClass.SERVER)], [GOOD])
    async with engine.open() as eng:
        await asked(eng)
    assert [request.schema for request in scripted.requests] == [SCHEMA, SCHEMA]


async def test_a_server_that_fails_while_it_writes_has_taken_the_schema(
    scripted: ScriptedBackend, no_backoff: None
) -> None:
    scripted.answers(["{", fault(ErrorClass.SERVER)], ["{", fault(ErrorClass.SERVER)], [GOOD])
    async with engine.open() as eng:
        await asked(eng)
    assert [request.schema for request in scripted.requests] == [SCHEMA] * 3


async def test_a_model_that_keeps_to_no_schema_as_its_server_says_gets_it_in_the_prompt(
    scripted: ScriptedBackend,
) -> None:
    scripted.installed = [model(capabilities=frozenset({"chat"}))]
    scripted.answers([GOOD])
    async with engine.open() as eng:
        ran = await asked(eng)
    assert [request.schema for request in scripted.requests] == [None]
    assert "city" in scripted.requests[0].messages[0].content
    assert ran.result.data["json"] == {"city": "Paris"}


async def test_a_refused_schema_is_remembered_for_that_schema_alone(scripted: ScriptedBackend) -> None:
    other = {**SCHEMA, "title": "other"}
    scripted.answers([fault()], [GOOD])
    async with engine.open() as eng:
        await asked(eng)
        await run_in(eng, one_model(model="@general", output_schema=other), "Where?")
    assert [request.schema for request in scripted.requests] == [SCHEMA, None, other]
