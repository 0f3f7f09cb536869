"""Loading the models of a graph before they are asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import engine
from engine.config import EngineConfig
from engine.errors import EngineError, ErrorClass
from engine.models.ollama import OllamaBackend
from engine.models.protocol import LoadsModels
from tests.doubles.fake_ollama import FakeModel, FakeOllama, Reply
from tests.graphs import chain, node, one_model
from tests.scripted_backend import ScriptedBackend, fault, model
from tests.waiting import until

BODY = b'{"model":"m","message":{"role":"assistant","content":""},"done_reason":"load","done":true}'
"""What Ollama says when it has loaded a model (its API documentation, "Load a model")."""


class Loader(ScriptedBackend):
    """A backend that can load models."""

    def __init__(self, hold: asyncio.Event | None = None) -> None:
        super().__init__(models=[model("small"), model("big")])
        self.loaded: list[str] = []
        self.begun = 0
        self.hold = hold
        self.fails: EngineError | None = None

    async def load(self, model: str) -> None:
        self.begun += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.fails is not None:
            raise self.fails
        self.loaded.append(model)


GRAPH = chain(
    node("a", "model", model="small", fallback_models=["other"]),
    node("b", "model", model="big"),
    node("c", "model", model="small"),
)


async def test_the_models_that_a_graph_needs_are_loaded_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Loader()
    backend.install(monkeypatch)
    async with engine.open(None) as eng:
        eng.warm(GRAPH)
        await until(lambda: len(backend.loaded) == 2)
    assert backend.loaded == ["small", "big"]
    assert backend.requests == []


async def test_what_is_under_way_is_not_begun_twice_and_ends_with_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Loader(asyncio.Event())
    backend.install(monkeypatch)
    async with engine.open(None) as eng:
        for _ in range(5):
            eng.warm(GRAPH)
        await until(lambda: backend.begun)
        eng.warm(GRAPH)
    assert (backend.begun, backend.loaded) == (1, [])
    assert len(asyncio.all_tasks()) == 1


async def test_what_goes_wrong_is_left_to_the_run_to_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    backend = Loader()
    backend.fails = fault(ErrorClass.RESOURCE)
    backend.install(monkeypatch)
    async with engine.open(tmp_path) as eng:
        eng.warm(GRAPH)
        await until(lambda: backend.begun)
        backend.refuse = fault(ErrorClass.CONNECTION)
        eng.warm(one_model(model="missing"))
        await asyncio.sleep(0)
        assert eng.notices == []


async def test_ollama_loads_a_model_with_the_window_of_its_chats() -> None:
    with FakeOllama([FakeModel("m", context_length=4096)]) as server:
        server.script(Reply(body=BODY))
        backend = OllamaBackend(server.address, window=2048)
        assert isinstance(backend, LoadsModels)
        await backend.load("m")
        await backend.aclose()
        (body,) = server.chats
        assert (body["messages"], body["options"], body["stream"]) == ([], {"num_ctx": 2048}, False)


async def test_an_engine_on_ollama_has_its_model_loaded_before_the_first_question() -> None:
    with FakeOllama([FakeModel("m")]) as server:
        server.script(Reply(body=BODY))
        async with engine.open(None, config=EngineConfig(ollama_host=server.address)) as eng:
            eng.warm(one_model(model="m"))
            await until(lambda: server.loaded)
