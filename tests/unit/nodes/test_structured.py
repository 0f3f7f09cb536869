"""A schema or a pydantic model in, a value that fulfils it out, whatever the model wrote around it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator

import engine
from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.models.answered import ModelRound
from engine.models.protocol import Chunk, Done
from engine.nodes.structured import MAX_QUOTED, MAX_TRIED, correction, read_answer, values_in
from tests.graphs import one_model
from tests.running import ask
from tests.scripted_backend import ScriptedBackend, Step, text_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
PARIS = {"city": "Paris"}


def answered(text: str, finish: Any = "stop") -> ModelRound:
    return ModelRound(text, "", (), finish, 1, 7, True, "m", "e", 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        '{"city": "Paris"}',
        '\n {"city": "Paris"}\n',
        '```json\n{"city": "Paris"}\n```',
        '```\n{"city": "Paris"}```',
        'Sure! Here it is:\n```json\n{"city": "Paris"}\n```\nAnything else?',
        'The answer is {"city": "Paris"}, as you know.',
        "{'city': 'Paris'}",
        '{"city": "Paris",}',
        'I see {braces} and [brackets] first. {"city": "Paris"}',
        'It is {"city": "Paris"}. Once more: {"city": "Paris"}',
        'Not {"town": "Paris"} but {"city": "Paris"}',
        '{"city": "Paris"} and then [',
        '{"note": 1}\n{"city": "Paris"}',
    ],
)
def test_the_value_is_found_whatever_is_around_it(text: str) -> None:
    assert read_answer(answered(text), SCHEMA) == PARIS


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Paris.", "answer_not_json"),
        ("", "answer_not_json"),
        ('{"city": NaN}', "answer_not_json"),
        ('{"city": 1}', "schema_violated"),
        ('{"city": "Paris", "river": "Seine"}', "schema_violated"),
        ('{"people": 3}', "schema_violated"),
        ('[{"city": "Paris"}]', "schema_violated"),
        ('"Paris"', "schema_violated"),
        ('{"city": "Paris"} or {"city": "Rome"}', "answer_ambiguous"),
        ('{"answer": {"city": "Paris"}, "more": ', "answer_not_json"),
        ("[" * 1_000_000, "answer_not_json"),
        ('{"city":' * 120_000, "answer_not_json"),
        ("[" * 500_000 + "]" * 500_000, "answer_not_json"),
        ('{"' + '\\"' * 400_000, "answer_not_json"),
        ("{" + "{} " * 300_000, "answer_not_json"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_does_not_fulfil_the_schema_is_invalid_output(text: str, code: str) -> None:
    with pytest.raises(EngineError) as caught:
        read_answer(answered(text), SCHEMA)
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.INVALID_OUTPUT, code)


def test_an_answer_that_was_cut_off_says_so_and_its_parts_are_no_answer() -> None:
    lax = {"type": "object"}
    with pytest.raises(EngineError, match="cut off after 7 tokens") as caught:
        read_answer(answered('{"first": {"city": "Paris"}, "second": {"city": "Ro', "length"), lax)
    assert caught.value.code == "answer_cut_off"
    assert "max_tokens" in caught.value.remedy
    assert read_answer(answered('{"city": "Paris"} It is on the Sei', "length"), lax) == PARIS


def test_values_are_looked_for_in_a_bounded_number_of_places() -> None:
    assert list(values_in("{x} " * MAX_TRIED + '{"city": "Paris"}')) == []
    assert list(values_in("{x} " * (MAX_TRIED - 1) + '{"city": "Paris"}')) == [PARIS]


def test_what_is_quoted_of_a_bad_answer_is_bounded_and_each_line_is_marked() -> None:
    error = EngineError(ErrorClass.INVALID_OUTPUT, "schema_violated", "It has no city.")
    lines = correction(error, "first\n" + "x" * 5000 + "\nlast").splitlines()
    assert lines[0] == "Your last answer was not usable: It has no city."
    assert lines[2] == "> first"
    assert all(line.startswith("> ") for line in lines[2:-1])
    assert len("\n".join(lines)) < MAX_QUOTED + 200


# -- in a run ----------------------------------------------------------------------------------------------------------


async def test_the_answer_of_a_node_is_the_value_alone_and_its_data_has_it(scripted: ScriptedBackend) -> None:
    scripted.answers(['Sure:\n```json\n{"city": "Paris"}\n```'])
    ran = await ask(one_model(output_schema=SCHEMA))
    assert json.loads(ran.result.text) == PARIS
    assert ran.result.data["json"] == PARIS
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    ("first", "quoted"),
    [
        (['{"city": 1}'], ["at city: 1 is not of type 'string'", '> {"city": 1}']),
        (['{"city": "P', Chunk(done=Done("length", 5, 9))], ["cut off after 9 tokens", '> {"city": "P']),
        (["Paris!"], ["not JSON", "> Paris!"]),
    ],
)
async def test_the_second_request_quotes_the_error_and_the_answer(
    scripted: ScriptedBackend, first: list[Step], quoted: list[str]
) -> None:
    scripted.answers(first, ['{"city": "Paris"}'])
    ran = await ask(one_model(output_schema=SCHEMA))
    assert ran.result.data["json"] == PARIS
    assert [words for words in quoted if words not in text_of(scripted.requests[1])] == []
    assert len(ran.all(ev.ModelFinished)) == 2, "both are recorded"


async def test_a_schema_that_cannot_be_followed_is_no_fault_of_the_model(scripted: ScriptedBackend) -> None:
    scripted.answers(['{"city": "' + "a" * 3000 + '!"}'])
    schema = {"type": "object", "properties": {"city": {"pattern": "^(a|aa)+$"}}}
    ran = await ask(one_model(output_schema=schema))
    assert ran.result.error is not None
    assert (ran.result.error.error_class, len(scripted.requests)) == (ErrorClass.CONFIGURATION, 1)


# -- as a library ------------------------------------------------------------------------------------------------------


class Trip(BaseModel):
    city: str
    day: datetime.date
    people: int = Field(default=1, ge=1)

    @field_validator("city")
    @classmethod
    def known(cls, city: str) -> str:
        if city != "Paris":
            raise ValueError("only Paris is served")
        return city


TRIP = '{"city": "Paris", "day": "2026-05-01"}'


async def test_a_pydantic_model_comes_back_and_the_question_is_a_transaction(
    scripted: ScriptedBackend, tmp_path: Path
) -> None:
    scripted.answers([f"Here: {TRIP}"])
    async with engine.open(tmp_path) as eng:
        trip = await eng.structured("Book it.", Trip, system_prompt="Be exact.", max_tokens=50)
        (row,) = await eng.transactions()
    assert trip == Trip(city="Paris", day=datetime.date(2026, 5, 1))
    assert row.status == "committed"
    assert scripted.requests[0].schema == Trip.model_json_schema()
    assert scripted.requests[0].max_tokens == 50


async def test_a_schema_gives_a_json_value(scripted: ScriptedBackend) -> None:
    scripted.answers(["[1, 2]"])
    async with engine.open() as eng:
        assert await eng.structured("Which?", {"type": "array"}, model="small") == [1, 2]


async def test_a_rule_that_only_pydantic_knows_is_quoted_in_one_more_run(scripted: ScriptedBackend) -> None:
    scripted.answers(['{"city": "Rome", "day": "2026-05-01"}'], [TRIP])
    async with engine.open() as eng:
        assert (await eng.structured("Book it.", Trip)).city == "Paris"
    assert "at city: Value error, only Paris is served" in text_of(scripted.requests[1])
    assert '> {"city": "Rome"' in text_of(scripted.requests[1])


@pytest.mark.parametrize(
    "answers", [["no"], ['{"city": "Rome", "day": "2026-05-01"}'], ['{"city": "Paris", "day": "someday"}']]
)
async def test_a_second_wrong_answer_is_invalid_output(scripted: ScriptedBackend, answers: list[str]) -> None:
    scripted.answers(answers)
    async with engine.open() as eng:
        with pytest.raises(EngineError) as caught:
            await eng.structured("Book it.", Trip)
    assert caught.value.error_class is ErrorClass.INVALID_OUTPUT
    assert len(scripted.requests) == 2


async def test_the_model_is_asked_again_once_and_not_once_for_each_kind_of_error(scripted: ScriptedBackend) -> None:
    scripted.answers(["no"], ['{"city": "Rome", "day": "2026-05-01"}'], [TRIP])
    async with engine.open() as eng:
        with pytest.raises(EngineError, match="only Paris is served"):
            await eng.structured("Book it.", Trip)


@pytest.mark.parametrize(
    ("form", "config", "code"),
    [
        ({"$ref": "http://127.0.0.1:1/"}, {}, "bad_schema"),
        ({"pattern": "((a{999}){999}){999}"}, {}, "bad_schema"),
        ({"type": "object"}, {"colour": "red"}, "bad_config"),
        ({"type": "object"}, {"max_tokens": -1}, "bad_config"),
    ],
)
async def test_what_cannot_be_asked_is_refused_before_anything_runs(
    scripted: ScriptedBackend, form: dict[str, Any], config: dict[str, Any], code: str
) -> None:
    async with engine.open() as eng:
        with pytest.raises(EngineError) as caught:
            await eng.structured("Why?", form, **config)
    assert (caught.value.code, scripted.requests) == (code, [])


async def test_what_one_form_fails_at_trips_no_breaker_for_another(scripted: ScriptedBackend) -> None:
    scripted.answers(["no"])
    async with engine.open() as eng:
        for _ in range(3):
            with pytest.raises(EngineError):
                await eng.structured("Book it.", Trip)
        with pytest.raises(EngineError) as tripped:
            await eng.structured("Book it.", Trip)
        scripted.answers(["[1, 2]"])
        assert await eng.structured("Which?", {"type": "array"}) == [1, 2]
    assert tripped.value.error_class is ErrorClass.BREAKER_OPEN
