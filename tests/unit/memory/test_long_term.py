"""Recall: by words, by embeddings, with age, within bounds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from engine.errors import EngineError, ErrorClass
from engine.memory import long_term
from engine.memory.long_term import Embed, Found, LongTermMemory, Vector, cosine, words_of
from engine.message import estimate_tokens
from engine.store import memories as stored
from engine.store import rare_words
from engine.store.database import Database
from engine.store.memories import Memory

DAY_MS = 86_400_000
FILL = """
INSERT INTO memories (kind, content, created_ms, edited_ms, used_ms) SELECT 'note', value, 0, 0, 0 FROM json_each(?)
"""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path)
    yield opened
    await opened.close()


async def keep(database: Database, *texts: str, wall_ms: int = 0) -> list[int]:
    return [await stored.add(database, Memory("note", text), wall_ms, most=1000) for text in texts]


async def recall(
    database: Database, question: str, *, now_ms: int = 0, embed: Embed | None = None, limit: int = 5, tokens: int = 400
) -> Found:
    memory = LongTermMemory(half_life_days=90)
    return await memory.recall(database, question, limit=limit, max_tokens=tokens, now_ms=now_ms, embed=embed)


def texts(found: Found) -> list[str]:
    return [item.text for item in found.items]


async def test_what_has_the_questions_words_is_recalled_and_nothing_else(database: Database) -> None:
    await keep(database, "My dogs are called Rex and Bo.", "The river that I like is the Elbe.", "I am what I am.")
    found = await recall(database, "What is my dog called?")
    assert texts(found) == ["My dogs are called Rex and Bo."]
    assert found.items[0].how == "words"
    assert found.note == "no installed model makes embeddings"


@pytest.mark.parametrize("question", ["", "?!", "What is it, and who are you?", '"', "NEAR(", "* OR ^"])
async def test_a_question_without_a_telling_word_recalls_nothing(database: Database, question: str) -> None:
    await keep(database, "What it is, and who you are.", "near and far")
    assert texts(await recall(database, question, now_ms=0)) in ([], ["near and far"] if "NEAR" in question else [])


async def test_one_word_in_common_of_many_is_not_enough(database: Database) -> None:
    await keep(database, "The heating in the green house of my landlord is repaired on Monday mornings only.")
    question = "Write a poem on a green tortoise that walks slowly through deserts, mountains, valleys, towns, castles"
    assert texts(await recall(database, question)) == []


async def test_the_right_memory_is_recalled_among_many_that_share_its_common_words(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rare_words, "MOST_RANKED", 50)
    things = ["cat", "dog", "car", "house", "garden", "bike"]
    others = [f"The name of my {things[n % 6]} in the year {n} was name{n}." for n in range(600)]
    await database.write(FILL, (json.dumps(["My dog likes tuna.", *others[:300]]),))
    await database.write(FILL, (json.dumps(["The boat that I had was the Arabella.", *others[300:]]),))
    assert texts(await recall(database, "What was the name of my boat?"))[0] == "The boat that I had was the Arabella."
    assert texts(await recall(database, "Which dog likes tuna?"))[0] == "My dog likes tuna."
    assert texts(await recall(database, "What was the name of my dog in the year 7?"))[0] == others[7]


async def test_accents_case_and_plurals_make_no_difference(database: Database) -> None:
    await keep(database, "Les CAFÉS préférés: Dôme, Flore", "한국어 수업은 월요일")
    assert texts(await recall(database, "prefere cafe")) == ["Les CAFÉS préférés: Dôme, Flore"]
    assert texts(await recall(database, "수업은?")) == ["한국어 수업은 월요일"]
    assert words_of("Glasses, buses and glass") == ["glasse", "buse", "glass"]


def directions(**angles: Vector) -> Embed:
    """Embeddings by the last word of a text."""

    async def embed(text: str) -> Vector:
        return angles[text.split()[-1].strip("?.").lower()]

    return embed


async def test_embeddings_rank_the_hits_of_the_words_anew(database: Database) -> None:
    await keep(database, "My cat drinks water", "My cat drinks milk", "My cat drinks wine")
    by_words = await recall(database, "What does the cat drinks question")
    embed = directions(question=(1.0, 0.0), water=(0.0, 1.0), milk=(1.0, 0.1), wine=(0.5, 0.5))
    found = await recall(database, "What does the cat drinks question", embed=embed)
    assert [text.split()[-1] for text in texts(found)] == ["milk", "wine", "water"]
    assert {item.how for item in found.items} == {"embedding"}
    assert found.note == ""
    assert len({item.score for item in by_words.items}) == 1, "by words they are all alike"


async def test_where_embeddings_fail_words_do_and_it_is_said(database: Database) -> None:
    await keep(database, "My cat drinks water", "My cat drinks milk")

    async def failing(_: str) -> Vector:
        raise EngineError(ErrorClass.RESOURCE, "gone", "The embedder is gone.")

    found = await recall(database, "cat drinks", embed=failing)
    assert len(found.items) == 2
    assert {item.how for item in found.items} == {"words"}
    assert found.note == "The embedder is gone."


async def test_embeddings_that_take_too_long_are_not_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_term, "EMBEDDING_S", 0.0)
    await keep(database, "My cat drinks water", "My cat drinks milk")

    async def never(_: str) -> Vector:
        await asyncio.Event().wait()
        raise AssertionError

    found = await recall(database, "cat drinks", embed=never)
    assert [item.how for item in found.items] == ["words", "words"]
    assert "not made within" in found.note


async def test_an_embedding_of_a_memory_is_made_once(database: Database) -> None:
    await keep(database, "My cat drinks water", "My cat drinks milk")
    asked: list[str] = []

    async def embed(text: str) -> Vector:
        asked.append(text)
        return (1.0, float(len(text)))

    memory = LongTermMemory(90)
    for _ in range(2):
        await memory.recall(database, "cat", limit=5, max_tokens=400, now_ms=0, embed=embed, embedder="one")
    assert sorted(asked) == ["My cat drinks milk", "My cat drinks water", "cat", "cat"]
    await memory.recall(database, "cat", limit=5, max_tokens=400, now_ms=0, embed=embed, embedder="another")
    assert len(asked) == 7, "another model's embeddings are others"


async def test_a_memory_counts_half_after_the_half_life_and_fades_in_the_end(database: Database) -> None:
    await keep(database, "My cat drinks milk")
    scores = []
    for days in (0, 90, 180, 90 * 5):
        found = await recall(database, "cat milk", now_ms=days * DAY_MS)
        scores.append(found.items[0].score if found.items else None)
    assert scores == [1.0, 0.5, 0.25, None]


async def test_use_and_change_keep_a_memory_fresh_and_a_pinned_one_does_not_age(database: Database) -> None:
    used, edited, pinned = await keep(database, "cat one", "cat two", "cat three")
    await stored.mark_used(database, [used], 90 * DAY_MS)
    await stored.edit(database, edited, "cat four", 180 * DAY_MS)
    await stored.pin(database, pinned, pinned=True)
    found = await recall(database, "cat", now_ms=180 * DAY_MS)
    assert {item.id: item.score for item in found.items} == {used: 0.5, edited: 1.0, pinned: 1.0}


async def test_no_more_are_recalled_than_are_asked_for_nor_than_fit(database: Database) -> None:
    await keep(database, *(f"cat {number} " + "x" * 300 for number in range(9)))
    assert len((await recall(database, "cat", limit=2)).items) == 2
    assert (await recall(database, "cat", limit=0)).items == ()
    found = await recall(database, "cat", limit=9, tokens=200)
    assert sum(estimate_tokens(text) for text in texts(found)) <= 200
    assert [text.endswith("…") for text in texts(found)] == [False, False, True]


@pytest.mark.parametrize(
    ("pair", "expected"), [(((1.0, 0.0), (2.0, 0.0)), 1.0), (((1.0,), (1.0, 2.0)), 0.0), (((0.0,), (1.0,)), 0.0)]
)
def test_the_cosine_of_what_cannot_be_compared_is_0(pair: Sequence[Vector], expected: float) -> None:
    assert cosine(*pair) == expected
