"""Several embedded models, really running: loaded and unloaded by memory, embedding, fetched and removed."""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.config import EmbeddedConfig
from engine.errors import EngineError, ErrorClass
from engine.events import BackendChanged, Body
from engine.models.embedded import EmbeddedBackend, bundled_model
from engine.models.embedded_memory import estimated_bytes
from engine.models.embedded_supervisor import Timing
from engine.models.gguf import read_header
from engine.models.protocol import ChatMessage, ChatRequest, Chunk
from tests.doubles.file_server import FileServer
from tests.unit.models.test_gguf import PAIRS, gguf

pytestmark = pytest.mark.embedded

WINDOW = 512


def bundled() -> Path:
    path = bundled_model()
    assert path is not None
    return path


def memory_for(chats: int, embedders: int = 0) -> int:
    """MB in which so many children of the bundled model fit, and no more."""
    header = read_header(bundled())
    chat = estimated_bytes(header, WINDOW, 1, prompt_cache=True)
    embedder = estimated_bytes(header, WINDOW, 1, prompt_cache=False)
    return math.ceil((chats * chat + embedders * embedder) / 1e6)


class Rig:
    """A backend with copies of the bundled model, and what it said."""

    def __init__(self, folder: Path, *names: str, memory_mb: int | None = None, timing: Timing | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / f"{name}.gguf").symlink_to(bundled())
        self.config = EmbeddedConfig(window=WINDOW, slots=1, models_dir=folder, memory_mb=memory_mb)
        self.heard: list[BackendChanged] = []
        self.backend = EmbeddedBackend(self.config, emit=self._hear, timing=timing)

    def _hear(self, body: Body) -> None:
        assert isinstance(body, BackendChanged)
        self.heard.append(body)

    def ask(
        self, model: str, text: str = "What is the capital of France?", max_tokens: int = 3
    ) -> AsyncIterator[Chunk]:
        messages = (ChatMessage("user", text),)
        return self.backend.chat(ChatRequest(model, messages, max_tokens=max_tokens, window=WINDOW))

    async def answer(self, model: str) -> str:
        return "".join([chunk.text async for chunk in self.ask(model)])

    async def loaded(self) -> set[str]:
        return {info.name for info in await self.backend.models() if info.loaded}

    async def children(self) -> set[tuple[str, str]]:
        return {(child.model, child.purpose) for child in (await self.backend.memory()).children}


@asynccontextmanager
async def rig(
    folder: Path, *names: str, memory_mb: int | None = None, timing: Timing | None = None
) -> AsyncIterator[Rig]:
    made = Rig(folder, *names, memory_mb=memory_mb, timing=timing)
    try:
        yield made
    finally:
        await made.backend.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - processes set no events
            await asyncio.sleep(0.01)


async def test_every_file_answers_by_its_name_and_the_longest_unused_makes_room(tmp_path: Path) -> None:
    async with rig(tmp_path, "one", "two", memory_mb=memory_for(2)) as embedded:
        assert await embedded.loaded() == set()
        assert await embedded.answer("one")
        assert await embedded.answer("two")
        assert await embedded.loaded() == {"one", "two"}
        assert await embedded.answer("one")
        assert await embedded.answer("smollm2:135m")
        assert await embedded.loaded() == {"one", "smollm2:135m"}
        assert any("two was unloaded to make room for smollm2:135m" in event.detail for event in embedded.heard)
        assert {event.status for event in embedded.heard} == {"starting", "ready"}
        use = await embedded.backend.memory()
        assert use.bound_bytes == memory_for(2) * 10**6
        for child in use.children:
            assert child.pid is not None
            assert child.resident_bytes is None or 50e6 < child.resident_bytes < 2 * child.estimated_bytes


async def test_a_busy_model_is_not_unloaded_and_who_needs_its_place_waits(tmp_path: Path) -> None:
    async with rig(tmp_path, "one", memory_mb=memory_for(1)) as embedded:
        story = embedded.ask("one", "Write a long story about the sea.", max_tokens=60)
        first = await anext(story)
        waiting = asyncio.create_task(embedded.answer("smollm2:135m"))
        rest = [chunk async for chunk in story]
        assert rest[-1].done is not None
        assert rest[-1].done.completion_tokens == 60
        assert first.text
        assert await waiting
        assert await embedded.loaded() == {"smollm2:135m"}


async def test_closing_ends_the_wait_for_room(tmp_path: Path) -> None:
    async with rig(tmp_path, "one", memory_mb=memory_for(1)) as embedded:
        story = embedded.ask("one", "Write a long story about the sea.", max_tokens=400)
        await anext(story)
        waiting = asyncio.create_task(embedded.answer("smollm2:135m"))
        await asyncio.sleep(0.1)
        await embedded.backend.aclose()
        with pytest.raises(EngineError, match="closed"):
            await waiting
        with pytest.raises(EngineError):
            await anext(story)


async def test_a_model_beyond_the_bound_is_refused_with_what_can_be_changed(tmp_path: Path) -> None:
    async with rig(tmp_path, memory_mb=memory_for(1) - 50) as embedded:
        for use in (embedded.answer("smollm2:135m"), embedded.backend.show("smollm2:135m")):
            with pytest.raises(EngineError) as caught:
                await use
            assert (caught.value.error_class, caught.value.code) == (ErrorClass.RESOURCE, "model_too_large")
            assert "embedded.memory_mb" in caught.value.remedy
        assert embedded.backend.pid is None


async def test_looking_at_a_model_unloads_no_other(tmp_path: Path) -> None:
    async with rig(tmp_path, "one", memory_mb=memory_for(1)) as embedded:
        await embedded.answer("one")
        assert (await embedded.backend.show("smollm2:135m")).window == WINDOW
        assert await embedded.loaded() == {"one"}


async def test_embeddings_come_from_a_child_of_their_own_while_the_other_answers(tmp_path: Path) -> None:
    async with rig(tmp_path) as embedded:
        story = embedded.ask("smollm2:135m", "Write a long story about the sea.", max_tokens=300)
        await anext(story)
        texts = ["Sort a list of numbers.", "Add 2 and 3.", "Sort a list of names."]
        vectors = await embedded.backend.embed("smollm2:135m", texts)
        assert await embedded.children() == {("smollm2:135m", "chat"), ("smollm2:135m", "embed")}
        assert [len(vector) for vector in vectors] == [576, 576, 576]
        assert all(math.hypot(*vector) > 2 for vector in vectors), "as the model makes them"
        assert cosine(vectors[0], vectors[2]) > cosine(vectors[0], vectors[1])
        assert (await embedded.backend.embed("smollm2:135m", texts[1:2]))[0] == pytest.approx(vectors[1], rel=1e-3)
        await story.aclose()  # type: ignore[attr-defined]


async def test_more_texts_than_one_request_takes_come_back_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.models.embedded.EMBED_BATCH", 2)
    async with rig(tmp_path) as embedded:
        texts = ["a", "b", "c", "d", "e"]
        together = await embedded.backend.embed("smollm2:135m", texts)
        assert len(together) == 5
        assert (await embedded.backend.embed("smollm2:135m", ["e"]))[0] == pytest.approx(together[4], rel=1e-3)
        assert await embedded.backend.embed("smollm2:135m", []) == []
        for wrong, expected in (("  ", ErrorClass.INVALID_REQUEST), ("word " * 900, ErrorClass.CONTEXT_OVERFLOW)):
            with pytest.raises(EngineError) as caught:
                await embedded.backend.embed("smollm2:135m", ["fine", wrong])
            assert caught.value.error_class is expected


async def test_an_embedder_that_is_killed_is_back_for_the_next_text(tmp_path: Path) -> None:
    async with rig(tmp_path) as embedded:
        await embedded.backend.embed("smollm2:135m", ["a"])
        (child,) = (await embedded.backend.memory()).children
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: len(embedded.heard) > 0)
        assert len(await embedded.backend.embed("smollm2:135m", ["a"])) == 1
        assert [event.status for event in embedded.heard] == ["ready"], "the backend answers all the while"
        assert "SIGKILL" in embedded.heard[0].detail


async def test_a_child_that_hangs_is_found_while_a_request_waits_and_the_next_one_is_answered(tmp_path: Path) -> None:
    timing = Timing(health_every_s=0.2, health_timeout_s=2.0)
    async with rig(tmp_path, timing=timing) as embedded:
        story = embedded.ask("smollm2:135m", "Write a long story about the sea.", max_tokens=400)
        await anext(story)
        before = embedded.backend.pid
        assert before is not None
        os.kill(before, signal.SIGSTOP)
        with pytest.raises(EngineError) as caught:
            async for _ in story:
                pass
        assert (caught.value.code, caught.value.retryable) == ("embedded_died", True)
        assert await embedded.answer("smollm2:135m")
        assert embedded.backend.pid not in {None, before}
        statuses = [event.status for event in embedded.heard]
        assert statuses == ["starting", "ready", "restarting", "ready"]
        assert "did not answer any more" in embedded.heard[2].detail


async def test_a_model_that_cannot_be_loaded_does_not_hide_one_that_answers(tmp_path: Path) -> None:
    async with rig(tmp_path) as embedded:
        (tmp_path / "broken.gguf").write_bytes(gguf(*PAIRS))
        assert await embedded.answer("smollm2:135m")
        with pytest.raises(EngineError) as caught:
            await embedded.answer("broken")
        assert caught.value.code == "embedded_load_failed"
        assert str(tmp_path / "broken.gguf") in caught.value.remedy
        assert "`models rm broken`" in caught.value.remedy
        assert "model_path" not in caught.value.remedy
        assert "offline" not in {event.status for event in embedded.heard}
        assert await embedded.loaded() == {"smollm2:135m"}


async def test_a_model_is_fetched_answers_and_is_removed(tmp_path: Path) -> None:
    server = FileServer(await asyncio.to_thread(bundled().read_bytes))
    try:
        embedded = Rig(tmp_path / "models")
        config = embedded.config.model_copy(update={"hub": server.address})
        embedded.backend = backend = EmbeddedBackend(config, emit=embedded.heard.append)  # type: ignore[arg-type]
        steps = [step async for step in backend.pull("hf:someone/small/fetched-135M.Q4_1.gguf")]
        assert steps[-1].status == "done, checksum right"
        assert steps[-1].completed == steps[-1].total == len(server.content)
        found = {info.name: info for info in await backend.models()}
        fetched = found["fetched-135M.Q4_1"]
        original = found["smollm2:135m"]
        told = (original.digest, original.window, original.parameters_b, original.capabilities)
        assert (fetched.digest, fetched.window, fetched.parameters_b, fetched.capabilities) == told
        story = embedded.ask(fetched.name, "Write a long story about the sea.", max_tokens=200)
        await anext(story)
        with pytest.raises(EngineError) as caught:
            await backend.delete(fetched.name)
        assert caught.value.code == "model_busy"
        await story.aclose()  # type: ignore[attr-defined]
        await backend.delete(fetched.name)
        assert [info.name for info in await backend.models()] == ["smollm2:135m"]
        assert await embedded.children() == set()
        with pytest.raises(EngineError) as caught:
            await embedded.answer(fetched.name)
        assert caught.value.code == "model_not_found"
    finally:
        await backend.aclose()
        server.close()


async def test_without_a_folder_nothing_can_be_fetched_and_the_setting_is_named() -> None:
    backend = EmbeddedBackend(EmbeddedConfig(), emit=lambda _: None)
    with pytest.raises(EngineError) as caught:
        await anext(backend.pull("hf:a/b/c.gguf"))
    assert "embedded.models_dir" in caught.value.remedy


def cosine(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True)) / math.hypot(*left) / math.hypot(*right)
