"""Bad days of the cockpit in a real terminal: no Ollama, one without models, one that dies, a child that is killed.

Whatever happens, keys answer, the help opens, what is wrong and its remedy stand on the screen, and the next question
is answered once there is something that answers.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.models.embedded_supervisor import TRY_AGAIN_S
from tests.doubles.fake_ollama import FakeOllama, model_named
from tests.integration.cli_process import Home
from tests.integration.test_cli_terminal import Terminal

pytestmark = [pytest.mark.terminal, pytest.mark.timeout(400)]

KILLS = 3
EVERY_S = 5.0
"""Seconds between two kills of the embedded child."""


@pytest.fixture
def cockpit(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    opened: list[Terminal] = []

    settings = tmp_path / "config" / "tinyllm-tui" / "config.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("theme: tinyllm-dark\n")  # else it is the first start, which has a dialog of its own

    def start(**variables: str) -> Terminal:
        opened.append(Terminal(Home(tmp_path, {"TINYLLM_GRAPH": "quick", **variables})))
        opened[-1].until(lambda screen: "Ask a question" in screen)
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def shown(terminal: Terminal, *words: str) -> str:
    """Wait until all words are on the screen, wherever its lines are broken."""
    return terminal.until(lambda screen: all(word in flat(screen) for word in words))


def flat(screen: str) -> str:
    """The left half, then the right one, with borders and line ends taken out: texts are broken at any word."""
    halves = [re.split("[│╮╯][│╭╰]", line, maxsplit=1) for line in screen.splitlines()]
    text = " ".join([half[0] for half in halves] + [half[1] for half in halves if len(half) > 1])
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


def ask(terminal: Terminal, question: str) -> None:
    terminal.type(question)
    terminal.until(lambda screen: question in screen)
    terminal.press("Enter")


def still_usable(terminal: Terminal) -> None:
    """Keys answer, the help opens and closes, and a question can be typed."""
    terminal.press("F1")
    terminal.until(lambda screen: "esc close" in screen)
    terminal.press("Escape")
    terminal.until(lambda screen: "esc close" not in screen)
    terminal.type("typed")
    terminal.until(lambda screen: "typed" in screen)
    terminal.press("BSpace", "BSpace", "BSpace", "BSpace", "BSpace")
    terminal.until(lambda screen: "Ask a question" in screen)


def leave(terminal: Terminal) -> None:
    terminal.press("C-q")
    left = terminal.until(lambda screen: "ENDED" in screen)
    assert "ENDED 0" in left
    assert "Traceback" not in left


@pytest.mark.embedded
def test_with_a_dead_ollama_the_cockpit_says_that_the_embedded_model_answers_instead(
    cockpit: Callable[..., Terminal],
) -> None:
    terminal = cockpit()
    shown(terminal, "cannot be reached at", "127.0.0.1:9", "embedded model answers instead")
    still_usable(terminal)
    ask(terminal, "What is the capital of France?")
    shown(terminal, "Paris", "committed")
    leave(terminal)


def test_with_a_dead_ollama_that_was_asked_for_the_remedy_stays_until_it_is_started(
    cockpit: Callable[..., Terminal],
) -> None:
    with FakeOllama() as server:
        address = server.address
    terminal = cockpit(OLLAMA_HOST=address, TINYLLM_BACKEND="ollama")
    shown(terminal, "offline", "Ollama cannot be reached", "ollama serve")
    ask(terminal, "Hello?")
    shown(terminal, "rolled back", "Ollama cannot be reached")
    still_usable(terminal)
    with FakeOllama(port=int(address.rpartition(":")[2])):
        ask(terminal, "And now?")
        shown(terminal, "was asked: And now?", "committed", "ollama · qwen2.5:3b")
        leave(terminal)


def test_with_an_ollama_without_models_the_cockpit_names_the_command_that_fetches_one(
    cockpit: Callable[..., Terminal],
) -> None:
    with FakeOllama(models=()) as server:
        terminal = cockpit(OLLAMA_HOST=server.address, TINYLLM_BACKEND="ollama")
        shown(terminal, "offline", "has no model that answers questions", "ollama pull qwen2.5:3b")
        ask(terminal, "Hello?")
        shown(terminal, "rolled back")
        still_usable(terminal)
        server.models.append(model_named("qwen2.5:3b"))
        ask(terminal, "And now?")
        shown(terminal, "was asked: And now?", "committed", "ollama · qwen2.5:3b")
        leave(terminal)


def test_when_ollama_dies_while_it_answers_the_cockpit_says_so_until_it_is_back(
    cockpit: Callable[..., Terminal],
) -> None:
    ollama = ollama_process(0)
    address = ollama.stdout.readline().strip()  # type: ignore[union-attr]
    again = None
    try:
        terminal = cockpit(OLLAMA_HOST=address, TINYLLM_BACKEND="ollama")
        shown(terminal, "ollama · qwen2.5:3b")
        ask(terminal, "Tell me a long story about the sea.")
        shown(terminal, "The fake model")
        ollama.kill()
        ollama.wait()
        shown(terminal, "offline", "Ollama cannot be reached", "ollama serve", "rolled back", "1 failed in a row")
        still_usable(terminal)
        again = ollama_process(int(address.rpartition(":")[2]))
        terminal.until(lambda screen: "offline" not in screen and "ollama · qwen2.5:3b" in screen)
        ask(terminal, "And now?")
        shown(terminal, "committed")
        leave(terminal)
    finally:
        for process in (ollama, again):
            if process is not None:
                process.kill()
                process.communicate()


def ollama_process(port: int) -> subprocess.Popen[str]:
    """A fake Ollama that writes slowly, and can be killed."""
    command = [sys.executable, "-m", "tests.doubles.fake_ollama", "--port", f"{port}", "--delay", "0.3"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.embedded
def test_with_the_embedded_child_killed_every_five_seconds_the_cockpit_stays_usable_and_answers_afterwards(
    cockpit: Callable[..., Terminal], tmp_path: Path
) -> None:
    terminal = cockpit(TINYLLM_BACKEND="embedded")
    shown(terminal, "smollm2:135m")
    for number in range(KILLS):
        kill_children(tmp_path)
        began = time.monotonic()
        if number == 0:
            ask(terminal, "What is the capital of France?")
        still_usable(terminal)
        time.sleep(max(EVERY_S - (time.monotonic() - began), 0.0))
    terminal.until(lambda screen: "#1 committed" in screen or "#1 rolled back" in screen)
    if "offline" in terminal.screen:
        shown(terminal, "ended 3 times in a row", f"Once {TRY_AGAIN_S:.0f} s have passed a question starts it again")
        time.sleep(TRY_AGAIN_S + 1)
    ask(terminal, "What is the capital of Italy?")
    shown(terminal, "#2 committed", "embedded · smollm2:135m")
    leave(terminal)


def kill_children(home: Path) -> None:
    """Kill the embedded children of the program that has this home: none other is touched."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = [int(each.name) for each in Path("/proc").glob("[0-9]*") if is_child(int(each.name), home)]
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        if found:
            return
        time.sleep(0.2)
    raise AssertionError("there is no embedded child")


def is_child(pid: int, home: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
        variables = Path(f"/proc/{parent}/environ").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return False  # it has ended meanwhile, or is none of ours
    return b"embedded_child" in command and f"HOME={home}".encode() in variables
