"""Recall from long-term memory: by words, and ranked anew by embeddings that are there."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from pathlib import Path

from engine.memory.long_term import CANDIDATES, NEW_VECTORS, Embed, LongTermMemory, Vector
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
        plain = [await _taken(database, LongTermMemory(90), question, None) for question in questions]
        ranked = [await _ranked(database, question) for question in questions]
    finally:
        await database.close()
    how = f"a question of 8 words over {size:,} memories of 16 words, wall time, {rounds} questions"
    return [
        Figure("recall, by words", "ms", spread(plain), how, budget=0.05, statistic="p95"),
        Figure(
            "recall, ranked anew by embeddings", "ms", spread(ranked),
            f"{how}; the embeddings of up to {CANDIDATES} hits are there, that of the question takes no time",
            budget=0.15, statistic="p95",
        ),
    ]  # fmt: skip


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
