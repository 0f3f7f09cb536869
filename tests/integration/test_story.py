"""The whole story in a real terminal, on the real embedded model, from the first question to the export."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.cli_process import Home
from tests.integration.test_bad_days_cockpit import ask, flat, kill_children, leave, shown
from tests.integration.test_cli_terminal import OpenTerminal, home, open_terminal

__all__ = ["home", "open_terminal"]

pytestmark = [pytest.mark.terminal, pytest.mark.embedded, pytest.mark.timeout(400)]

POEM = "Write a long poem about the sea, with very many verses."


def writes(screen: str) -> bool:
    """Whether the graph shows a model that writes."""
    return re.search("▶[^│\n]*tok", screen) is not None


def recovered(screen: str) -> bool:
    """Whether the breakers pane shows that all are closed."""
    pane = screen.partition("3 Breakers")[2].partition("4 Memory")[0]
    return re.search(r"\d closed", pane) is not None and not any(
        word in pane for word in ("OPEN", "half-open", "not closed")
    )


def test_ask_watch_cancel_fail_recover_replay_fork_export_and_quit(
    home: Home, open_terminal: OpenTerminal, tmp_path: Path
) -> None:
    home.variables |= {
        "TINYLLM_BACKEND": "embedded",
        "TINYLLM_GRAPH": "quick",
        "TINYLLM_RETRY__ATTEMPTS": "1",
        "TINYLLM_BREAKER__FAILURE_THRESHOLD": "1",
        "TINYLLM_BREAKER__SUCCESS_THRESHOLD": "1",
        "TINYLLM_BREAKER__COOLDOWN_S": "8",
    }
    terminal = open_terminal()
    terminal.until(lambda screen: "enter ask it" in screen and "smollm2:135m" in screen)  # the first start
    terminal.press("Escape")
    terminal.until(lambda screen: "Ask a question" in screen and "enter ask it" not in screen)

    ask(terminal, "What is the capital of France?")
    terminal.until(lambda screen: "Paris" in screen and "#1 committed" in screen)

    ask(terminal, POEM)
    terminal.until(lambda screen: "#2 executing" in screen and writes(screen))
    terminal.press("Escape")
    shown(terminal, "partial answer", "cancelled")
    terminal.until(lambda screen: "#2 rolled back" in screen)

    ask(terminal, "Now a long story about the rain.")
    terminal.until(lambda screen: "#3 executing" in screen and writes(screen))
    kill_children(home.folder)
    terminal.until(lambda screen: "#3 rolled back" in screen and "OPEN" in screen and " left" in screen)

    terminal.until(lambda screen: "OPEN" in screen and " left" not in screen)  # the cooldown is over
    ask(terminal, "What is the capital of Italy?")
    terminal.until(lambda screen: "#4 committed" in screen and recovered(screen))

    terminal.press("C-r")
    terminal.until(lambda screen: "Past transactions" in screen and "#4" in screen and "#1" in screen)
    terminal.press("Enter")
    terminal.until(lambda screen: "REPLAY #4" in screen and "Rome" in screen)
    terminal.press("Home")
    terminal.until(lambda screen: "REPLAY #4 · 0/" in screen and "Rome" not in screen)
    terminal.press("]")
    terminal.until(lambda screen: "REPLAY #4 · 1/" in screen)

    terminal.press("f")
    terminal.until(lambda screen: "Fork #4" in screen and "begin" in screen)
    terminal.press("Enter")
    terminal.until(lambda screen: "fork of #4" in screen and "#5 · committed" in flat(screen))

    terminal.type(f"/export md {tmp_path / 'story.md'}")
    terminal.press("Enter")
    terminal.until(lambda _screen: (tmp_path / "story.md").exists())
    leave(terminal)

    assert "capital of France?" in (tmp_path / "story.md").read_text(encoding="utf-8")
    rows = {row["number"]: row for row in home.transactions()}
    assert [rows[n]["status"] for n in range(1, 6)] == [
        "committed", "rolled_back", "rolled_back", "committed", "committed",
    ]  # fmt: skip
    assert rows[2]["reason"] == "cancelled"
    changes = [event["body"] for event in home.events(3) + home.events(4) if event["kind"] == "breaker_changed"]
    states: dict[str, list[str]] = {}
    for change in changes:
        states.setdefault(change["breaker"]["key"], [change["previous"]]).append(change["breaker"]["state"])
    assert states
    assert all(each == ["closed", "open", "half_open", "closed"] for each in states.values()), states
