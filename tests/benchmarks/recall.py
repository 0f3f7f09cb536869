"""Recall from long-term memory: by words, and ranked anew by embeddings that are there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from engine.memory.long_term import CANDIDATES, NEW_VECTORS, Embed, LongTermMemory, Vector, words_of
from engine.store.database import Database
from engine.store.words import MEMORIES, take_up
from tests.benchmarks.measure import Figure, spread

WORDS = 5000
DIMENSIONS = 576
"""Of the bundled model's embeddings."""
_FILL = """
INSERT INTO memories (kind, content, created_ms, edited_ms, used_ms)
SELECT 'note', value, 1, 1, 1 FROM json_each(?)
"""


def run(short: bool) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_figures(Path(folder), 2000 if short else 100_000, 3 if short else 60))


async def _figures(folder: Path, size: int, rounds: int) -> list[Figure]:
    database = await Database.open(folder)
    chance = random.Random(1)
    vocabulary = [f"word{number}x" for number in range(WORDS)]
    weights = [1 / (rank + 10) for rank in range(WORDS)]  # as words are spread in texts (Zipf)

    def text(length: int) -> str:
        return " ".join(chance.choices(vocabulary, weights, k=length))

    try:
        for start in range(0, size, 5000):
            batch = [f"{text(16)} {number}" for number in range(start, min(start + 5000, size))]
            await database.write(_FILL, (json.dumps(batch),))
        await take_up(database, MEMORIES)
        questions = [text(8) for _ in range(rounds)]
        plain, bare = await _in_turns(
            questions,
            lambda question: _taken(database, LongTermMemory(90), question, None),
            lambda question: _bare(database.path, question),
        )
        ranked, unranked = await _in_turns(
            questions,
            lambda question: _ranked(database, question),
            lambda question: _taken(database, LongTermMemory(90), question, None),
        )
    finally:
        await database.close()
    how = f"a question of 8 words over {size:,} memories of 16 words, wall time, {rounds} questions"
    return [
        Figure(
            "recall, by words", "ms", spread(plain), how, 0.05, spread(bare),
            f"`sqlite3`, in a thread: the {CANDIDATES} best by BM25 of all rows with one of the words", "p95",
        ),
        Figure(
            "recall, ranked anew by embeddings", "ms", spread(ranked),
            f"{how}; the embeddings of up to {CANDIDATES} hits are there, that of the question takes no time",
            0.15, spread(unranked), "recall by words", "p95",
        ),
    ]  # fmt: skip


async def _in_turns(questions: Sequence[str], *takes: Callable[[str], Awaitable[float]]) -> list[list[float]]:
    """Seconds of each for all questions, in reversed order every other time; the first question warms up."""
    samples: list[list[float]] = [[] for _ in takes]
    for number, question in enumerate((questions[0], *questions)):
        for index in sorted(range(len(takes)), reverse=bool(number % 2)):
            seconds = await takes[index](question)
            if number:
                samples[index].append(seconds)
    return samples


async def _bare(path: Path, question: str) -> float:
    start = time.perf_counter()
    await asyncio.to_thread(_bare_search, path, " OR ".join(f'"{word}"' for word in words_of(question)))
    return time.perf_counter() - start


def _bare_search(path: Path, query: str) -> list[object]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        sql = "SELECT rowid, content FROM memories_words WHERE memories_words MATCH ? ORDER BY rank LIMIT ?"
        return connection.execute(sql, (query, CANDIDATES)).fetchall()


async def _taken(database: Database, memory: LongTermMemory, question: str, embed: Embed | None) -> float:
    start = time.perf_counter()
    await memory.recall(database, question, limit=5, max_tokens=400, now_ms=2, embed=embed)
    return time.perf_counter() - start


async def _ranked(database: Database, question: str) -> float:
    chance = random.Random(question)

    async def embed(_: str) -> Vector:
        return tuple(chance.random() for _ in range(DIMENSIONS))

    asked = await embed(question)

    async def ready(text: str) -> Vector:
        return asked if text == question else await embed(text)

    memory = LongTermMemory(90)
    for _ in range(CANDIDATES // NEW_VECTORS + 1):  # each makes a part of them
        await _taken(database, memory, question, ready)
    return await _taken(database, memory, question, ready)
