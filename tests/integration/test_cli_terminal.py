"""The installed program in a real terminal, under tmux, on the real embedded model."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.cli_process import Home

pytestmark = [pytest.mark.terminal, pytest.mark.embedded]

LIMIT_S = 90


class Terminal:
    """A tmux server of its own with one window, in which a shell runs the program and then says how it ended."""

    def __init__(self, home: Home, *arguments: str) -> None:
        self._name = f"tinyllm-{uuid.uuid4().hex[:12]}"
        self._home = home
        program = Path(sys.executable).with_name("tinyllm-tui")
        command = f"{shlex.join([str(program), *arguments])}; echo ENDED $?; sleep 600"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", "-s", "main", command)

    def tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._name, *arguments],
            env=self._home.environment | {"TERM": "xterm-256color", "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return done.stdout

    @property
    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "main")

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-t", "main", "-l", text)

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "main", *keys)

    def resize(self, columns: int, lines: int) -> None:
        self.tmux("resize-window", "-t", "main", "-x", str(columns), "-y", str(lines))

    def until(self, condition: Callable[[str], bool]) -> str:
        """Wait until the screen fulfils a condition; the screen."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            screen = self.screen
            if condition(screen):
                return screen
            time.sleep(0.1)
        raise AssertionError(f"the screen never came to it:\n{self.screen}")

    def close(self) -> None:
        self.tmux("kill-server")


OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def open_terminal(home: Home) -> Iterator[OpenTerminal]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(home, *arguments))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def test_the_cockpit_comes_up_answers_survives_a_resize_and_leaves(home: Home, open_terminal: OpenTerminal) -> None:
    home.variables |= {"COLUMNS": "80", "LINES": "24"}  # some programs pass on sizes that are not, or no longer, true
    terminal = open_terminal()
    terminal.until(lambda screen: "Ask a question" in screen and "Graph" in screen)
    terminal.type("What is the capital of France?")
    terminal.until(lambda screen: "capital of France?" in screen)
    terminal.press("Enter")
    terminal.until(lambda screen: "Paris" in screen and "committed" in screen)
    terminal.resize(40, 12)
    terminal.until(lambda screen: max(map(len, screen.splitlines())) <= 40 and "Chat" in screen)
    terminal.resize(120, 40)
    terminal.until(lambda screen: "Paris" in screen and "Timeline" in screen)
    terminal.press("C-q")
    left = terminal.until(lambda screen: "ENDED" in screen)
    assert "ENDED 0" in left
    assert "Traceback" not in left
    (row,) = home.transactions()
    assert (row["status"], row["question"]) == ("committed", "What is the capital of France?")
    assert "Paris" in row["answer"]


def test_a_plain_chat_prompts_on_a_terminal_and_ctrl_c_ends_only_the_answer(
    home: Home, open_terminal: OpenTerminal
) -> None:
    terminal = open_terminal("chat", "--plain", "--graph", "quick")
    terminal.until(lambda screen: screen.startswith(">"))
    terminal.type("Write a long poem about the sea, with many verses.")
    terminal.press("Enter")
    terminal.until(lambda screen: len(screen.split()) > 25)  # some of the poem
    terminal.press("C-c")
    terminal.until(lambda screen: "Cancelled" in screen and screen.rstrip().endswith(">"))
    terminal.type("What is the capital of France?")
    terminal.press("Enter")
    terminal.until(lambda screen: "Paris" in screen and screen.rstrip().endswith(">"))
    terminal.press("C-d")
    assert "ENDED 0" in terminal.until(lambda screen: "ENDED" in screen)
    second, first = home.transactions()
    assert (first["reason"], second["status"]) == ("cancelled", "committed")


def test_a_run_on_a_terminal_shows_the_answer_and_the_trace_on_lines_of_their_own(open_terminal: OpenTerminal) -> None:
    terminal = open_terminal("run", "--trace", "What is the capital of France?")
    screen = terminal.until(lambda screen: "ENDED" in screen)
    assert "ENDED 0" in screen
    lines = [line for line in screen.splitlines() if "Paris" in line]
    assert lines
    assert not any("ok in" in line for line in lines)
    assert "transaction #1" in screen
