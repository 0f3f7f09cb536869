"""A long conversation with the real embedded model in a small window: it never overflows, and what it forgets it says.

`TINYLLM_FAULTS=long` is the long form: 200 turns with longer answers instead of 30.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.config import EmbeddedConfig, EngineConfig
from engine.run.engine import Engine
from engine.view import fold
from tests.graphs import one_model
from tests.running import Ran, run_in

LONG = os.environ.get("TINYLLM_FAULTS") == "long"
TURNS, MAX_TOKENS, PRUNINGS = (200, 96, 150) if LONG else (30, 12, 3)
WINDOW = 2048

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(TURNS * 60)]

TOPICS = (
    "The red fox is the largest of the true foxes and one of the most widely spread members of the order Carnivora. ",
    "Dampfmaschinen wandeln Wärmeenergie in Bewegung um; James Watt verbesserte ihren Wirkungsgrad erheblich. ",
    "3.14159265358979323846264338327950288419716939937 ",
    "def fibonacci(n: int) -> int: return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)\n",
    "日本の首都は東京であり、世界でも有数の大都市である。",
    '{"id": 17, "tags": ["a", "b"], "value": null, "url": "https://example.org/?q=1&r=%20"} ',
)
"""Texts that tokenise well, badly, and very badly."""


@dataclass
class Story:
    """What was seen of a conversation."""

    sent: list[ev.ModelStarted] = field(default_factory=list)
    answered: list[ev.ModelFinished] = field(default_factory=list)
    refused: list[ev.AttemptFailed] = field(default_factory=list)
    pruned: list[ev.ContextPruned] = field(default_factory=list)

    def add(self, ran: Ran) -> None:
        self.sent += ran.all(ev.ModelStarted)
        self.answered += ran.all(ev.ModelFinished)
        self.refused += ran.all(ev.AttemptFailed)
        self.pruned += ran.all(ev.ContextPruned)


@pytest.fixture
async def eng(tmp_path: Path) -> AsyncIterator[Engine]:
    config = EngineConfig(backend="embedded", embedded=EmbeddedConfig(window=WINDOW, slots=1))
    async with engine.open(tmp_path, config=config) as opened:
        yield opened


def question(turn: int) -> str:
    """Mostly short ones; now and then one that is as large as a third of the window."""
    if turn % 29 == 28:
        return f"Turn {turn}. {TOPICS[0] * 20}What is this about?"
    return f"Turn {turn}. {TOPICS[turn % len(TOPICS)]}What is this about?"


async def test_no_request_of_a_long_conversation_overflows_the_window_and_what_went_is_told(eng: Engine) -> None:
    graph = one_model(max_tokens=MAX_TOKENS, system_prompt="Answer in one short sentence.")
    session = (await eng.create_session("long")).id
    story = Story()
    for turn in range(TURNS):
        ran = await run_in(eng, graph, question(turn), session=session)
        assert ran.result.status == "committed", (turn, ran.result.error)
        story.add(ran)
    assert len(await eng.session_history(session)) == 2 * TURNS, "what a model is no longer told is not lost"
    assert not story.refused, "a request that overflows is sent to no server"
    assert len(story.sent) == len(story.answered) == TURNS
    for sent, answered in zip(story.sent, story.answered, strict=True):
        assert answered.exact, "the counts are the server's own"
        assert answered.prompt_tokens + sent.max_tokens <= sent.window == WINDOW
    assert len(story.pruned) >= PRUNINGS
    assert all(each.tokens_after < each.tokens_before and each.removed for each in story.pruned)
    assert await eng.view(ran.result.transaction) == ran.view == fold(await eng.events(ran.result.transaction))
