"""How children share threads and memory; their processes are replaced by ones that never finish to start."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.config import EmbeddedConfig
from engine.models import embedded_children
from engine.models.embedded_children import Children, Purpose
from engine.models.embedded_process import ChildSettings, EmbeddedProcess
from engine.models.embedded_supervisor import Timing
from engine.models.gguf import read_header
from engine.models.model_files import ModelFile, bundled_model


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[ChildSettings]:
    """The settings of every child that was to start, on a machine of 8 cores."""
    settings: list[ChildSettings] = []

    async def launch(given: ChildSettings) -> EmbeddedProcess:
        settings.append(given)
        never: asyncio.Future[EmbeddedProcess] = asyncio.get_running_loop().create_future()
        return await never

    monkeypatch.setattr(EmbeddedProcess, "launch", launch)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    return settings


def model(name: str) -> ModelFile:
    path = bundled_model()
    assert path is not None
    return ModelFile(name, replace(read_header(path), path=Path(path)), "folder")


@asynccontextmanager
async def children(**config: int) -> AsyncIterator[Callable[..., asyncio.Task[None]]]:
    made = Children(EmbeddedConfig(window=512, **config), announce=lambda *_: None, timing=Timing())  # type: ignore[arg-type]

    async def use(name: str, purpose: Purpose) -> None:
        async with made.use(model(name), purpose):
            raise AssertionError("it never starts")

    tasks: list[asyncio.Task[None]] = []

    def begin(name: str, purpose: Purpose = "chat") -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(use(name, purpose)))
        return tasks[-1]

    try:
        yield begin
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await made.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - threads set no events
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(("platform", "embedder"), [("linux", 8), ("darwin", 4)])
async def test_chat_models_share_the_cores_and_leave_one_to_the_rest(
    launched: list[ChildSettings],
    no_task_left: None,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    embedder: int,
) -> None:
    monkeypatch.setattr(embedded_children, "sys", SimpleNamespace(platform=platform))
    async with children() as begin:
        for number, (name, purpose) in enumerate((("one", "chat"), ("two", "chat"), ("one", "embed")), start=1):
            begin(name, purpose)
            await until(lambda number=number: len(launched) == number)  # type: ignore[misc]
        assert [(child.threads, child.batch_threads) for child in launched] == [
            (7, 8),
            (3, 4),
            (embedder, embedder),
        ]
        assert [(child.embedding, child.pooling, child.slots) for child in launched] == [
            (False, "", 2),
            (False, "", 2),
            (True, "last", 1),
        ]


async def test_the_configured_threads_count_for_every_chat_model(launched: list[ChildSettings]) -> None:
    async with children(threads=5, slots=3) as begin:
        begin("one")
        begin("two")
        await until(lambda: len(launched) == 2)
        assert [(child.threads, child.slots) for child in launched] == [(5, 3), (5, 3)]


async def test_a_model_made_for_embeddings_pools_as_its_file_says(launched: list[ChildSettings]) -> None:
    async with children() as begin:
        begin("nomic-embed-text", "embed")
        await until(lambda: len(launched) == 1)
        assert (launched[0].embedding, launched[0].pooling) == (True, "")


async def test_whoever_stops_waiting_for_room_lets_the_next_one_in(launched: list[ChildSettings]) -> None:
    async with children(memory_mb=400) as begin:
        first = begin("one")
        await until(lambda: len(launched) == 1)
        second = begin("two")
        third = begin("three")
        await asyncio.sleep(0.05)
        assert len(launched) == 1, "there is room for one"
        second.cancel()
        first.cancel()
        await until(lambda: len(launched) == 2)
        assert launched[1].alias == "three"
        assert not third.done()
