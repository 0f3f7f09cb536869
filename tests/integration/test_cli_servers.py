"""The command line with model servers, played by doubles that speak their documented protocols."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.fake_ollama import FakeModel, FakeOllama, Reply
from tests.doubles.fake_openai import DONE, FakeOpenAI, chunk, usage
from tests.integration.cli_process import Home


@pytest.fixture
def ollama() -> Iterator[FakeOllama]:
    with FakeOllama([FakeModel("qwen2.5:3b"), FakeModel("qwen2.5-coder:7b", parameter_size="7.6B")]) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, ollama: FakeOllama) -> Home:
    variables = {"OLLAMA_HOST": ollama.address, "TINYLLM_GRAPH": "quick", "TINYLLM_BACKEND": "ollama"}
    return Home(tmp_path, variables)


def test_auto_takes_an_ollama_that_answers(home: Home, ollama: FakeOllama) -> None:
    home.variables["TINYLLM_BACKEND"] = "auto"
    ollama.script(Reply("Paris."))
    said = json.loads(home.call("run", "--json", "What is the capital of France?").out)
    assert (said["text"], said["backend"], said["model"]) == ("Paris.", "ollama", "qwen2.5:3b")
    assert ollama.chats[0]["options"]["num_ctx"] == 8192


def test_models_and_tiers_are_those_of_the_server(home: Home) -> None:
    rows = {row["name"]: row for row in json.loads(home.call("models", "list", "--json").out)}
    assert set(rows) == {"qwen2.5:3b", "qwen2.5-coder:7b"}
    assert rows["qwen2.5-coder:7b"]["tier"] == "T2"
    told = json.loads(home.call("models", "tiers", "--json").out)
    assert told["backend"] == "ollama"
    assert {row["role"]: row["model"] for row in told["roles"]}["code"] == "qwen2.5-coder:7b"
    assert "qwen2.5-coder:7b" in home.call("models", "tiers").out
    assert "qwen2.5:3b" in home.call("models", "list").out


def test_a_model_and_a_role_can_be_named(home: Home, ollama: FakeOllama) -> None:
    ollama.script(Reply("a"), Reply("b"))
    said = json.loads(home.call("run", "--json", "--model", "qwen2.5-coder:7b", "hi").out)
    assert said["model"] == "qwen2.5-coder:7b"
    home.variables["TINYLLM_ROLES__GENERAL"] = "qwen2.5-coder:7b"
    assert json.loads(home.call("run", "--json", "hi").out)["model"] == "qwen2.5-coder:7b"


def test_hostile_model_text_reaches_a_pipe_as_it_is_and_json_escaped(home: Home, ollama: FakeOllama) -> None:
    text = "red \x1b[31m [/nope] end"
    ollama.script(Reply(text), Reply(text))
    assert home.call("run", "hi").out == text + "\n"
    done = home.call("run", "--json", "hi")
    assert "\x1b" not in done.out
    assert json.loads(done.out)["text"] == text


def test_the_doctor_is_content_with_an_ollama(home: Home, ollama: FakeOllama) -> None:
    done = home.call("doctor")
    assert done.status == 0, done.out
    assert f"{ollama.address} has qwen2.5:3b, qwen2.5-coder:7b" in done.out.replace("\n", " ")


def test_an_ollama_without_models_is_told_with_what_to_fetch(tmp_path: Path) -> None:
    with FakeOllama([]) as server:
        home = Home(tmp_path, {"OLLAMA_HOST": server.address})
        done = home.call("run", "--backend", "ollama", "hi")
        assert done.status == 1
        assert "has no model" in done.err
        assert "ollama pull" in done.err
        checks = {check["name"]: check for check in json.loads(home.call("doctor", "--json").out)["checks"]}
        assert checks["ollama"]["status"] == "info"
        assert "ollama pull" in checks["ollama"]["remedy"]


def test_a_server_that_speaks_openais_protocol_answers(tmp_path: Path) -> None:
    with FakeOpenAI() as server:
        server.chat = [chunk({"content": "Paris."}), chunk({}, "stop"), usage(12, 2), DONE]
        home = Home(tmp_path, {"TINYLLM_OPENAI_BASE_URL": server.base_url, "TINYLLM_GRAPH": "quick"})
        said = json.loads(home.call("run", "--backend", "openai", "--json", "hi").out)
        assert (said["status"], said["backend"], said["model"]) == ("committed", "openai", "m")
        assert (said["text"], said["usage"]["prompt_tokens"]) == ("Paris.", 12)
        assert home.call("doctor", "--backend", "openai").status == 0
