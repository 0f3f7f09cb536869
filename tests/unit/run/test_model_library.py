"""An engine fetches model files whichever backend answers, and hands all else to its backend."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import engine
from engine.config import EmbeddedConfig, EngineConfig
from engine.errors import EngineError
from engine.models.catalogue import ROLES
from engine.models.protocol import ModelInfo
from engine.run.model_library import chosen
from tests.doubles.fake_ollama import FakeOllama
from tests.doubles.file_server import FileServer
from tests.graphs import one_model
from tests.unit.models.test_gguf import PAIRS, gguf


async def test_a_file_is_fetched_into_the_data_folder_without_any_backend(tmp_path: Path) -> None:
    server = FileServer(gguf(*PAIRS) + bytes(100_000))
    config = EngineConfig(backend="openai", embedded=EmbeddedConfig(hub=server.address))  # which has no address
    try:
        async with engine.open(tmp_path, config=config) as eng:
            steps = [step async for step in eng.library.pull("hf:o/r/new.gguf")]
            assert steps[-1].status == "done, checksum right"
        assert await asyncio.to_thread((tmp_path / "models" / "new.gguf").read_bytes) == server.content
    finally:
        server.close()


@pytest.mark.embedded
async def test_a_fetched_model_is_listed_at_once_and_gone_at_once(tmp_path: Path) -> None:
    server = FileServer(gguf(*PAIRS) + bytes(100_000))
    config = EngineConfig(backend="embedded", embedded=EmbeddedConfig(hub=server.address))

    def names(models: list[ModelInfo]) -> list[str]:
        return [info.name for info in models]

    try:
        async with engine.open(tmp_path, config=config) as eng:
            assert names(await eng.models()) == ["smollm2:135m"]
            async for _ in eng.library.pull("hf:o/r/new.gguf"):
                pass
            assert names(await eng.models()) == ["smollm2:135m", "new"]
            await eng.library.delete("new")
            assert names(await eng.models()) == ["smollm2:135m"]
            with pytest.raises(EngineError) as caught:
                await eng.library.delete("smollm2:135m")
            assert caught.value.code == "model_not_removable"
    finally:
        server.close()


async def test_a_name_is_fetched_by_the_backend(tmp_path: Path) -> None:
    with FakeOllama(["qwen2.5:3b"]) as server:
        async with engine.open(tmp_path, config=EngineConfig(backend="ollama", ollama_host=server.address)) as eng:
            steps = [step async for step in eng.library.pull("qwen2.5:1.5b")]
    assert steps[-1].status == "success"
    assert not (tmp_path / "models").exists()


async def test_a_chosen_model_answers_from_the_next_run_on(tmp_path: Path) -> None:
    graph = one_model(model="@code")
    with FakeOllama(["qwen2.5-coder:7b", "qwen2.5:3b"]) as server:
        async with engine.open(tmp_path, config=EngineConfig(backend="ollama", ollama_host=server.address)) as eng:

            async def answering() -> str:
                return (await eng.start(graph, "hi").result()).model

            assert await answering() == "qwen2.5-coder:7b"
            await eng.use("qwen2.5:3b", "code")
            assert await answering() == "qwen2.5:3b"
            await eng.use(None, "code")
            assert await answering() == "qwen2.5-coder:7b"
            await eng.use("qwen2.5:3b")
            assert await answering() == "qwen2.5:3b"
            found = {role: r.model for role, r in (await eng.roles()).items() if not isinstance(r, EngineError)}
            assert found == dict.fromkeys(ROLES, "qwen2.5:3b")
            await eng.use(None)
            assert await answering() == "qwen2.5-coder:7b"


INSTALLED = [
    ModelInfo("small", parameters_b=1.0),
    ModelInfo("large", parameters_b=30.0),
    ModelInfo("nomic-embed-text"),
]


def test_a_choice_for_one_role_leaves_the_others_as_they_were() -> None:
    config = chosen(EngineConfig(model="small"), INSTALLED, "large", "judge")
    assert config.model is None
    assert config.roles == dict.fromkeys(ROLES, "small") | {"judge": "large"}
    config = chosen(EngineConfig(roles={"code": "small"}), INSTALLED, "large", "judge")
    assert (config.model, config.roles) == (None, {"code": "small", "judge": "large"})


def test_leaving_every_role_to_the_program_forgets_every_choice() -> None:
    config = chosen(EngineConfig(model="small", roles={"code": "large"}), INSTALLED, None, None)
    assert (config.model, config.roles) == (None, {})


@pytest.mark.parametrize(
    ("model", "role", "code"),
    [
        ("absent", None, "model_not_found"),
        ("absent", "code", "model_not_found"),
        ("nomic-embed-text", None, "embedding_only"),
        ("small", "kode", "unknown_role"),
        (None, "kode", "unknown_role"),
    ],
)
def test_what_cannot_answer_is_not_chosen(model: str | None, role: str | None, code: str) -> None:
    with pytest.raises(EngineError) as caught:
        chosen(EngineConfig(), INSTALLED, model, role)
    assert caught.value.code == code
    assert caught.value.remedy
