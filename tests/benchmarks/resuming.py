"""Opening a session of 10,000 messages in the cockpit: the headless app on the real engine and its store."""

from __future__ import annotations

import asyncio
import gc
import json
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import engine
from engine.run.engine import open as open_engine
from engine.store.database import FILE_NAME, Database
from tests.benchmarks.measure import Figure, alternate_async, spread
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.widgets.chat.answer import Answer

MESSAGES = 10_000
FEW = 20
_FILL = """
INSERT INTO messages (session, tx, role, content, created_ms)
SELECT ?1, 'tx' || (key / 2), CASE key % 2 WHEN 0 THEN 'user' ELSE 'assistant' END, value, key FROM json_each(?2)
"""
_SIZE = (120, 40)


def run(short: bool) -> list[Figure]:
    count, rounds = (200, 1) if short else (MESSAGES, 9)
    gc.freeze()  # as `tinyllm-tui` does it
    try:
        with tempfile.TemporaryDirectory() as folder:
            return asyncio.run(_figures(Path(folder), count, rounds))
    finally:
        gc.unfreeze()


def _last(count: int) -> str:
    return f"the end of {count}"


async def _fill(folder: Path, count: int) -> None:
    """A session of so many messages, named after that number: each answer is a paragraph and a list."""
    database = await Database.open(folder)
    name = str(count)
    await database.write(
        "INSERT INTO sessions (id, name, created_ms, updated_ms) VALUES (?1, ?1, 0, 0) RETURNING id", (name,)
    )
    texts = [
        f"Answer {n}: {'some words of it ' * 12}\n\n- one *point*\n- another `point`\n" if n % 2 else f"Question {n}?"
        for n in range(count)
    ]
    texts[-1] = f"{texts[-1]}\n{_last(count)}"
    await database.write(_FILL, (name, json.dumps(texts)))
    await database.close()


async def _figures(folder: Path, count: int, rounds: int) -> list[Figure]:
    for size in (FEW, count):
        await _fill(folder, size)
    config = engine.EngineConfig(backend="ollama", ollama_host="http://127.0.0.1:9")
    app = CockpitApp(lambda: open_engine(folder, config=config), "multi_domain")
    async with app.run_test(size=_SIZE):
        await app.life.ready()

        def opening(size: int, clock: Callable[[], float]) -> Callable[[], Awaitable[float]]:
            async def take() -> float:
                await _emptied(app)
                start = clock()
                await app.conversation.resume(str(size))
                await _painted(app, _last(size))
                return clock() - start

            return take

        async def bare() -> float:
            start = time.perf_counter()
            rows = await asyncio.to_thread(_bare_read, folder / FILE_NAME, str(count))
            assert len(rows) == count
            return time.perf_counter() - start

        wall = time.perf_counter
        many, few, cpu, read = await alternate_async(
            rounds, opening(count, wall), opening(FEW, wall), opening(count, time.process_time), bare
        )
    how = f"the headless app of {_SIZE[0]}x{_SIZE[1]}, from the order until the last answer is drawn"
    return [
        Figure(
            f"session of {count:,} messages, opened in the cockpit",
            "ms", spread(many), f"wall time in {how}", 0.300, spread(read), "its rows read with `sqlite3`, in a thread",
        ),
        Figure(f"session of {count:,} messages, opened, CPU", "ms", spread(cpu), "CPU time of the same, all threads"),
        Figure(
            f"session of {count:,} messages, opened, against one of {FEW}",
            "x", spread([m / f for m, f in zip(many, few, strict=True)]), "ratio of the two wall times, round by round",
        ),
    ]  # fmt: skip


async def _emptied(app: CockpitApp) -> None:
    app.conversation.begin_anew()
    app.chat.forget()
    await asyncio.sleep(0.3)  # what was shown before is gone, and nothing of it is drawn any more


async def _painted(app: CockpitApp, words: str) -> None:
    """Wait until a text stands on the screen as it would be sent to the terminal."""
    while True:
        latest = app.chat.latest
        # to draw the whole screen takes long itself: only once the answer is there
        written = latest is not None and all(answer.settled for answer in latest.query(Answer))
        if written and any(words in strip.text for strip in app.screen._compositor.render_strips()):
            return
        await asyncio.sleep(0.002)


def _bare_read(path: Path, session: str) -> list[object]:
    connection = sqlite3.connect(path)
    try:
        query = "SELECT role, content, tx, created_ms FROM messages WHERE session = ? ORDER BY id"
        return connection.execute(query, (session,)).fetchall()
    finally:
        connection.close()
