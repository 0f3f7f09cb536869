"""Structured answers of the real embedded model: a grammar made of the schema, and what cannot be made one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field

import engine
from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.run.engine import Engine

pytestmark = pytest.mark.embedded


class Capital(BaseModel):
    country: Literal["France", "Italy"]
    large: bool
    letters: int = Field(ge=0, le=20)


UNFIT = {"type": "object", "properties": {"word": {"type": "string", "pattern": "^(?=a)b$"}}, "required": ["word"]}
"""Nothing matches this pattern; llama.cpp cannot make a grammar of it, and answers without one."""


@pytest.fixture
async def eng(tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine.open(tmp_path, backend="embedded") as opened:
        yield opened


async def test_the_smallest_model_gives_a_valid_object_under_a_grammar(eng: Engine) -> None:
    capital = await eng.structured("Paris is the capital of which country?", Capital, max_tokens=64)
    assert isinstance(capital, Capital)
    (row,) = await eng.transactions()
    finished = [event.body for event in await eng.events(row.tx) if isinstance(event.body, ev.ModelFinished)]
    assert len(finished) == 1, "valid at once: the grammar allows nothing else"


async def test_an_object_that_is_cut_off_is_invalid_output_and_says_so(eng: Engine) -> None:
    with pytest.raises(EngineError) as caught:
        await eng.structured("Paris is the capital of which country?", Capital, max_tokens=4)
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.INVALID_OUTPUT, "answer_cut_off")


async def test_what_the_grammar_leaves_open_is_checked_all_the_same(eng: Engine) -> None:
    with pytest.raises(EngineError) as caught:
        await eng.structured("Say the word: bread.", UNFIT, max_tokens=32)
    assert caught.value.error_class is ErrorClass.INVALID_OUTPUT
    (row,) = await eng.transactions()
    finished = [event.body for event in await eng.events(row.tx) if isinstance(event.body, ev.ModelFinished)]
    assert len(finished) == 2
