"""`models pull|rm|show|use` of the program, against servers that speak the documented protocols."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.fake_ollama import FakeModel, FakeOllama, Reply
from tests.doubles.fake_openai import FakeOpenAI
from tests.doubles.file_server import FileServer
from tests.integration.cli_process import LIMIT_S, Home
from tests.unit.models.test_gguf import PAIRS, gguf

CONTENT = gguf(*PAIRS) + bytes(20_000_000)


@pytest.fixture
def ollama() -> Iterator[FakeOllama]:
    with FakeOllama([FakeModel("qwen2.5:3b"), FakeModel("qwen2.5-coder:7b", parameter_size="7.6B")]) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, ollama: FakeOllama) -> Home:
    return Home(tmp_path, {"OLLAMA_HOST": ollama.address, "TINYLLM_BACKEND": "ollama"})


@pytest.fixture
def hub() -> Iterator[FileServer]:
    server = FileServer(CONTENT)
    yield server
    server.close()


@pytest.fixture
def embedded(tmp_path: Path, hub: FileServer) -> Home:
    return Home(tmp_path, {"TINYLLM_BACKEND": "embedded", "TINYLLM_EMBEDDED__HUB": hub.address})


def config_of(home: Home) -> Path:
    return home.folder / "config" / "tinyllm-tui" / "config.yaml"


# -- pull ------------------------------------------------------------------------------------------------------------


def test_a_model_of_ollamas_library_is_fetched_with_lines_at_every_tenth(home: Home) -> None:
    done = home.call("models", "pull", "qwen2.5:1.5b")
    assert (done.status, done.out) == (
        0,
        "Fetched qwen2.5:1.5b. `tinyllm-tui models use qwen2.5:1.5b` lets it answer.\n",
    )
    assert done.err.splitlines()[0] == "pulling manifest"
    assert "40 % of 1 KB" in done.err
    assert done.err.splitlines()[-1] == "success"
    assert "qwen2.5:1.5b" in home.call("models", "list").out


def test_the_steps_of_a_pull_are_lines_of_json(home: Home) -> None:
    steps = [json.loads(line) for line in home.call("models", "pull", "--json", "qwen2.5:1.5b").out.splitlines()]
    assert steps[0] == {"status": "pulling manifest", "completed": 0, "total": 0}
    assert {"completed": 400, "total": 1000}.items() <= steps[2].items()
    assert steps[-1] == {"status": "done", "model": "qwen2.5:1.5b"}


@pytest.mark.embedded
def test_a_file_is_fetched_shown_and_removed(embedded: Home, hub: FileServer) -> None:
    done = embedded.call("models", "pull", "hf:owner/repo/new.Q4_0.gguf")
    assert done.status == 0, done.err
    assert done.out.startswith("Fetched new.Q4_0 for the embedded backend.")
    percents = [line for line in done.err.splitlines() if line.startswith("fetching: ")]
    assert 8 <= len(percents) <= 12
    assert "done, checksum right" in done.err
    shown = embedded.call("models", "show", "new.Q4_0").out
    assert str(embedded.folder / "data" / "tinyllm-tui" / "models" / "new.Q4_0.gguf") in shown
    assert "when it is loaded" in shown
    assert json.loads(embedded.call("models", "show", "--json", "new.Q4_0").out)["size_bytes"] == len(CONTENT)
    assert embedded.call("models", "rm", "new.Q4_0", "--yes").out == "Removed new.Q4_0.\n"
    assert "new.Q4_0" not in embedded.call("models", "list").out


def test_ctrl_c_keeps_what_was_fetched_and_the_same_command_goes_on_with_it(embedded: Home, hub: FileServer) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def pause(sent: int) -> None:
        if sent > 1_500_000 and not go_on.is_set():
            reached.set()
            go_on.wait(LIMIT_S)

    hub.on_block = pause
    process = embedded.start("models", "pull", "hf:owner/repo/new.gguf", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert reached.wait(LIMIT_S)
        folder = embedded.folder / "data" / "tinyllm-tui" / "models"
        while not sum(file.stat().st_size for file in folder.iterdir() if "part" in file.name) > 1_000_000:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LIMIT_S)
    finally:
        go_on.set()
    assert process.returncode == 130
    assert b"Cancelled. The same command goes on with hf:owner/repo/new.gguf where it stopped." in err
    assert b"Traceback" not in err
    assert not (folder / "new.gguf").exists()
    done = embedded.call("models", "pull", "hf:owner/repo/new.gguf")
    assert done.status == 0, done.err
    assert done.err.startswith("resuming:")
    assert (folder / "new.gguf").read_bytes() == CONTENT


def test_on_a_terminal_there_is_one_line_that_becomes_a_bar(embedded: Home) -> None:
    master, slave = pty.openpty()
    process = embedded.start("models", "pull", "hf:owner/repo/new.gguf", stdout=slave, stderr=slave, stdin=slave)
    os.close(slave)
    seen = b""
    try:
        while piece := os.read(master, 65536):
            seen += piece
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(master)
    assert process.wait(LIMIT_S) == 0
    text = seen.decode()
    assert "100 %" in text
    assert "20 MB" in text
    assert text.count("\r\n") == 2, text  # the bar, and what was fetched


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("hf:owner/repo/page.gguf", "Remedy: "),
        ("http://127.0.0.1:9/x.gguf", "cannot be reached"),
        ("hf:owner", "Give `hf:owner/repo/file.gguf`"),
        ("not-a-file", "Give `hf:owner/repo/file.gguf`"),
    ],
)
def test_what_cannot_be_fetched_is_one_message_with_a_remedy(
    embedded: Home, hub: FileServer, source: str, words: str
) -> None:
    hub.answers["/owner/repo/resolve/main/page.gguf"] = (200, "text/html", b"<html>")
    done = embedded.call("models", "pull", source)
    assert done.status == 1
    assert words in done.err
    assert done.err.count("Error: ") == done.err.count("Remedy: ") == 1


def test_a_server_of_which_models_cannot_be_fetched_says_how_to(tmp_path: Path) -> None:
    with FakeOpenAI() as server:
        home = Home(tmp_path, {"TINYLLM_BACKEND": "openai", "TINYLLM_OPENAI_BASE_URL": server.base_url})
        for command in (("pull", "x"), ("rm", "m", "--yes")):
            done = home.call("models", *command)
            assert done.status == 1
            assert "Remedy: " in done.err


def test_an_error_line_inside_a_pull_is_the_message(home: Home, ollama: FakeOllama) -> None:
    line = b'{"status":"pulling manifest"}\n{"error":"pull model manifest: file does not exist"}\n'
    ollama.faults["/api/pull"] = Reply(body=line)
    done = home.call("models", "pull", "nope")
    assert done.status == 1
    assert "file does not exist" in done.err


# -- rm and show -----------------------------------------------------------------------------------------------------


def test_without_a_terminal_a_model_is_removed_only_with_yes(home: Home, ollama: FakeOllama) -> None:
    done = home.call("models", "rm", "qwen2.5:3b", stdin="y\n")
    assert done.status == 1
    assert "Remedy: Add --yes" in done.err
    assert "It answers for @router" in done.err
    assert len(ollama.models) == 2
    assert home.call("models", "rm", "qwen2.5:3b", "--yes").status == 0
    assert [model.name for model in ollama.models] == ["qwen2.5-coder:7b"]


@pytest.mark.parametrize(
    ("typed", "left", "status"), [(b"\n", 2, 1), (b"n\n", 2, 1), (b"y\n", 1, 0), (b"\x03", 2, 130)]
)
def test_on_a_terminal_enter_keeps_the_model(
    home: Home, ollama: FakeOllama, typed: bytes, left: int, status: int
) -> None:
    master, slave = pty.openpty()
    process = home.start(
        "models", "rm", "qwen2.5:3b", stdout=slave, stderr=slave, stdin=slave, start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # the terminal becomes that of the session
    )  # fmt: skip
    os.close(slave)
    seen = b""
    try:
        while b"[y/N]" not in seen:
            seen += os.read(master, 65536)
        assert _ended(process, master, typed) == status
    finally:
        os.close(master)
    assert len(ollama.models) == left


def _ended(process: subprocess.Popen[bytes], master: int, typed: bytes) -> int:
    """The exit status after `typed`, which is typed once; Ctrl+C again every 5 s, as a person would.

    Python's `input` looks for signals before it waits and after it was interrupted: a Ctrl+C that comes in the
    millisecond between the two wakes nothing.
    """
    deadline = time.monotonic() + LIMIT_S
    while True:
        os.write(master, typed)
        try:
            return process.wait(5 if typed == b"\x03" else LIMIT_S)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline or typed != b"\x03":
                raise


def test_a_model_that_is_not_there_is_named_with_those_that_are(home: Home) -> None:
    for command in (("show", "qwen"), ("rm", "qwen", "--yes"), ("use", "qwen")):
        done = home.call("models", *command)
        assert done.status == 1
        assert "The model 'qwen' is not installed." in done.err
        assert "qwen2.5:3b" in done.err


def test_show_says_where_a_model_is_and_for_what_it_answers(home: Home, ollama: FakeOllama) -> None:
    ollama.loaded["qwen2.5-coder:7b"] = 8192
    shown = home.call("models", "show", "qwen2.5-coder:7b").out
    for words in (
        ollama.address,
        "T2 (workers)",
        "8192 tokens",
        "chat, json_schema, tools",
        "loaded        yes",
        "@code",
    ):
        assert words in shown
    row = json.loads(home.call("models", "show", "--json", "qwen2.5-coder:7b").out)
    assert (row["endpoints"], row["loaded"], row["path"]) == ([ollama.address], True, None)
    assert "code" in row["roles"]


def test_models_of_several_endpoints_are_listed_with_theirs(home: Home, ollama: FakeOllama) -> None:
    with FakeOpenAI() as other:
        endpoints = json.dumps([{"kind": "openai", "address": other.base_url}])
        home.variables["TINYLLM_ENDPOINTS"] = endpoints
        rows = {row["name"]: row["endpoints"] for row in json.loads(home.call("models", "list", "--json").out)}
        assert rows["qwen2.5:3b"] == [ollama.address]
        assert len(rows["m"]) == 1
        assert "ENDPOINT" in home.call("models", "list").out
    assert "ENDPOINT" not in Home(home.folder, home.variables | {"TINYLLM_ENDPOINTS": "[]"}).call("models", "list").out


# -- use -------------------------------------------------------------------------------------------------------------


def test_a_model_is_used_for_a_role_for_every_role_and_left_to_the_program_again(home: Home) -> None:
    def answering() -> dict[str, str]:
        return {row["role"]: row["model"] for row in json.loads(home.call("models", "tiers", "--json").out)["roles"]}

    before = answering()
    done = home.call("models", "use", "@code", "qwen2.5:3b")
    assert done.out == f"Written to {config_of(home)}: qwen2.5:3b answers for @code.\n"
    assert answering() == before | {"code": "qwen2.5:3b"}
    home.call("models", "use", "qwen2.5-coder:7b")
    assert set(answering().values()) == {"qwen2.5-coder:7b"}
    home.call("models", "use", "judge", "qwen2.5:3b")
    assert answering() == dict.fromkeys(before, "qwen2.5-coder:7b") | {"judge": "qwen2.5:3b"}
    home.call("models", "use", "judge", "--auto")
    home.call("models", "use", "--auto")
    assert answering() == before


def test_the_persons_file_keeps_everything_else(home: Home) -> None:
    file = config_of(home)
    file.parent.mkdir(parents=True)
    file.write_text("# mine\ngraph: quick  # fast\nroles:\n  math: qwen2.5:3b # sums\n")
    assert home.call("models", "use", "code", "qwen2.5:3b").status == 0
    text = '# mine\ngraph: quick  # fast\nroles:\n  math: qwen2.5:3b # sums\n  code: "qwen2.5:3b"\n'
    assert file.read_text() == text
    done = home.call("models", "use", "code", "absent")
    assert done.status == 1
    assert file.read_text() == text


def test_a_variable_that_goes_before_the_file_is_named(home: Home) -> None:
    home.variables["TINYLLM_MODEL"] = "qwen2.5-coder:7b"
    done = home.call("models", "use", "qwen2.5:3b")
    assert done.status == 0
    assert "Note: qwen2.5-coder:7b answers all the same" in done.err


@pytest.mark.parametrize(
    "arguments", [[], ["code"], ["@judge"], ["kode", "qwen2.5:3b"], ["a", "b", "c"], ["code", "qwen2.5:3b", "--auto"]]
)
def test_what_is_not_clear_is_wrong_usage(home: Home, arguments: list[str]) -> None:
    done = home.call("models", "use", *arguments)
    assert done.status == 2
    assert "Error: " in done.err
    assert not config_of(home).exists()


@pytest.mark.parametrize("command", [("use",), ("use", "code"), ("pull",), ("rm", "--yes"), ("show",)])
def test_an_empty_name_is_wrong_usage_and_writes_nothing(home: Home, command: tuple[str, ...]) -> None:
    done = home.call("models", *command, "")
    assert done.status == 2, done.err
    assert "empty" in done.err
    assert not config_of(home).exists()


def test_a_removed_model_that_a_role_is_set_to_is_told_with_what_undoes_it(home: Home, ollama: FakeOllama) -> None:
    home.call("models", "use", "code", "qwen2.5:3b")
    done = home.call("models", "rm", "--yes", "--json", "qwen2.5:3b")
    assert json.loads(done.out) == {"status": "removed", "model": "qwen2.5:3b", "still_set": ["code"]}
    assert "@code is still set to qwen2.5:3b: `tinyllm-tui models use code --auto`" in done.err
    failed = home.call("run", "--graph", "quick", "hi", "--model", "qwen2.5:3b")
    assert failed.status == 1
    assert "`model`" in failed.err
    home.call("models", "use", "qwen2.5-coder:7b")
    done = home.call("models", "rm", "--yes", "qwen2.5-coder:7b")
    assert "Every role is still set to qwen2.5-coder:7b: `tinyllm-tui models use --auto`" in done.err
