"""Recall with the embeddings of the real embedded model: they rank what shares words with the question."""

from __future__ import annotations

from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.memory import long_term
from engine.routing import embedder
from tests.graphs import one_model
from tests.running import run_in

pytestmark = pytest.mark.embedded

NOTES = (
    "Our cat sleeps on the kitchen shelf.",
    "The neighbours' cat sleeps in the barn.",
    "A cat once sat on the cellar shelf.",
    "Backups run on Sundays at four.",
)


async def test_a_run_is_told_what_fits_its_question_ranked_by_embeddings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ((long_term, "EMBEDDING_S"), (embedder, "QUESTION_S")):
        monkeypatch.setattr(*limit, 120.0)  # the model is loaded first, and the machine may be busy
    async with engine.open(tmp_path, backend="embedded") as eng:
        for note in NOTES:
            await eng.remember(note)
        ran = await run_in(eng, one_model(max_tokens=4), "Which cat sleeps on the kitchen shelf?")
        assert ran.result.status == "committed", ran.result.error
        (begin,) = ran.all(ev.Begin)
        told = begin.recalled
        assert [each.text for each in told] == [NOTES[0], NOTES[2], NOTES[1]], "its words and its meaning"
        assert {each.how for each in told} == {"embedding"}
        assert NOTES[3] not in {each.text for each in told}, "what shares no word is not found"
        used = {row.text: row.uses for row in await eng.memories()}
        assert used[NOTES[0]] == 1
        assert used[NOTES[3]] == 0
