"""The engine with the real embedded model: a whole run through the public face."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.run.engine import Engine
from engine.view import fold
from tests.graphs import one_model
from tests.running import run_in

pytestmark = pytest.mark.embedded


@pytest.fixture
async def eng(tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine.open(tmp_path, backend="embedded") as opened:
        yield opened


async def test_the_shipped_graph_is_answered_and_every_fold_is_the_same(eng: Engine) -> None:
    graph = engine.load_graph("multi_domain")
    ran = await run_in(eng, graph, "What is the capital of France?")
    assert ran.result.status == "committed", ran.result.error
    assert ran.result.text.strip()
    assert ran.result.backend == "embedded"
    assert ran.result.usage.completion_tokens > 0
    assert ran.all(ev.RouteDecided)[0].route == "general"
    assert ran.all(ev.ModelDelta), "it streams"
    assert await eng.view(ran.result.transaction) == ran.view == fold(await eng.events(ran.result.transaction))


async def test_a_cancelled_answer_keeps_its_partial_text_and_frees_the_model(eng: Engine) -> None:
    run = eng.start(one_model(max_tokens=400), "Tell me a very long story about a river.")
    text = ""
    async for event in run.events():
        if isinstance(event.body, ev.ModelDelta) and not text:
            text = event.body.text
            run.cancel()
    result = await run.result()
    assert result.cancelled
    assert result.text.startswith(text)
    assert (await eng.view(run.transaction)).answer == result.text
    async with asyncio.timeout(60):
        again = await run_in(eng, one_model(max_tokens=8), "Say hello.")
    assert again.result.text
