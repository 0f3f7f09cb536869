"""`run` and `chat --plain` ask on a real terminal, and take nothing but the whole word yes."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.cli_process import LIMIT_S, Home

GRAPH = """
id: graph.send
nodes:
  - {id: start, type: entry}
  - {id: ask, type: approval, config: {prompt: "Send {{ content }}?", rejected_target: kept, approved_target: sent}}
  - {id: sent, type: exit}
  - {id: kept, type: exit, config: {status: fallback}}
edges:
  - {from_node: start, to_node: ask}
"""
PROMPT = "Allow? type yes: "
HINT = "Type yes to allow it, anything else refuses.\n"
ERROR_EXIT = GRAPH.replace("status: fallback", "status: error")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "send.yaml").write_text(GRAPH)
    return Home(tmp_path)


class Screen:
    """The other end of a terminal in which the program runs."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self.shown = ""

    def until(self, words: str, times: int = 1) -> None:
        """Read until `words` were shown so often."""
        end = time.monotonic() + LIMIT_S
        while self.shown.count(words) < times:
            assert self._read(end - time.monotonic()), f"{words!r} never came:\n{self.shown}"

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def end(self) -> int:
        """Wait for the program to end; its exit status."""
        while self._read(LIMIT_S):
            pass
        return self.process.wait(LIMIT_S)

    def _read(self, patience_s: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], max(patience_s, 0))
        try:
            data = os.read(self._descriptor, 65_536) if ready else b""
        except OSError:  # Linux: the last program on the terminal has ended
            data = b""
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def terminal(home: Home, *arguments: str) -> Iterator[Screen]:
    ours, theirs = pty.openpty()
    graph = str(home.folder / "send.yaml")
    process = home.start(
        *arguments, "--graph", graph, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        yield Screen(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)


def exit_of(home: Home) -> str:
    return str(home.transactions()[0]["exit"])


@pytest.mark.parametrize(
    ("typed", "exit_name"),
    [("yes\n", "success"), (" YES \n", "success"), ("\n", "fallback"), ("No\n", "fallback"), ("n\n", "fallback")],
)
def test_only_the_whole_word_yes_means_yes(typed: str, exit_name: str, home: Home) -> None:
    with terminal(home, "run", "a letter") as screen:
        screen.until(PROMPT)
        assert "The node ask wants to know:\nSend a letter?\nThe text that goes on:\na letter\n" in screen.shown
        screen.type(typed)
        assert screen.end() == 0
        assert "a letter\n" in screen.shown.partition(PROMPT)[2]
        assert HINT not in screen.shown
    assert exit_of(home) == exit_name


@pytest.mark.parametrize(
    ("second", "exit_name"), [("Yes\n", "success"), ("yes please\n", "fallback"), ("\n", "fallback")]
)
def test_another_word_is_asked_about_once_more(second: str, exit_name: str, home: Home) -> None:
    with terminal(home, "run", "a letter") as screen:
        screen.until(PROMPT)
        screen.type("y\n")
        screen.until(PROMPT, 2)
        assert HINT in screen.shown
        screen.type(second)
        assert screen.end() == 0
    assert screen.shown.count(PROMPT) == 2
    assert exit_of(home) == exit_name


def test_a_trace_leaves_the_prompt_alone_and_shows_what_led_to_it_before(home: Home) -> None:
    with terminal(home, "run", "--trace", "a letter") as screen:
        screen.until(PROMPT)
        screen.type("yes\n")
        assert screen.end() == 0
    before, _, after = screen.shown.partition(PROMPT)
    assert "a person is asked: Send a letter?" in before
    assert before.endswith("The text that goes on:\na letter\n")
    assert after.startswith("yes\n")
    assert "a person said yes" in after


def test_an_error_exit_after_a_no_names_the_answer(home: Home) -> None:
    (home.folder / "send.yaml").write_text(ERROR_EXIT)
    with terminal(home, "run", "a letter") as screen:
        screen.until(PROMPT)
        screen.type("no\n")
        assert screen.end() == 1
    assert "Remedy: The answer to the node ask was no: ask differently, or answer yes.\n" in screen.shown
    ended = home.call("run", "a letter", "--graph", str(home.folder / "send.yaml"), "--json")
    assert json.loads(ended.out)["error"]["remedy"].startswith("The node ask needs a yes, and nobody could be asked")


def test_the_end_of_the_input_means_no(home: Home) -> None:
    with terminal(home, "run", "a letter") as screen:
        screen.until(PROMPT)
        screen.type("\x04")
        assert screen.end() == 0
    assert exit_of(home) == "fallback"


def test_ctrl_c_cancels_the_run_that_asks(home: Home) -> None:
    with terminal(home, "run", "a letter") as screen:
        screen.until(PROMPT)
        os.kill(screen.process.pid, signal.SIGINT)
        assert screen.end() == 130
        assert "Cancelled" in screen.shown
        assert "Traceback" not in screen.shown
    events = home.events(1)
    (answered,) = [event for event in events if event["kind"] == "approval_answered"]
    assert "cancelled" in json.dumps(answered)


def test_a_chat_goes_on_after_the_answer(home: Home) -> None:
    with terminal(home, "chat", "--plain") as screen:
        screen.until("> ")
        screen.type("first\n")
        screen.until(PROMPT)
        screen.type("no\n")
        screen.until("fallback answer")
        screen.type("second\n")
        screen.until(PROMPT, 2)
        screen.type("yes\n")
        screen.until("> ", 3)
        screen.type("/quit\n")
        assert screen.end() == 0
    assert [row["exit"] for row in home.transactions()] == ["success", "fallback"]


def test_without_a_terminal_the_answer_is_no_and_stderr_says_so(home: Home) -> None:
    ended = home.call("run", "a letter", "--graph", str(home.folder / "send.yaml"), stdin="yes\n")
    assert ended.status == 0
    assert ended.out == "a letter\n"
    assert "Note: The node ask wants to know: Send a letter?\n" in ended.err
    assert "Remedy: Run the same command in a terminal, where you are asked.\n" in ended.err
    assert exit_of(home) == "fallback"
