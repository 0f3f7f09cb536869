"""Jump mode, and the palette: everything can be reached by a letter, by a key, and by its words."""

from __future__ import annotations

from pathlib import Path

from rich.cells import cell_len
from textual.geometry import Offset, Region

from engine.view import View
from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, ask, screen_text, until
from tinyllm_tui.commands import COMMANDS, entries
from tinyllm_tui.jump_targets import LETTERS, Target, labelled
from tinyllm_tui.keymap import KEYS, Scope
from tinyllm_tui.screens.jump import JumpScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.screens.transactions import TransactionsScreen
from tinyllm_tui.widgets.status import BackendState, action_at, status_line
from tinyllm_tui.words import UNICODE, plain

LIVE: tuple[Scope, ...] = (
    "app", "everywhere", "cockpit", "prompt", "panes", "graph", "breakers", "timeline", "memory", "sidebar",
    "inspector",
)  # fmt: skip


def target(x: int, y: int, key: str = "") -> Target:
    return Target(Region(x, y, 10, 3), lambda: None, key)


def test_labels_stand_on_the_screen_and_not_on_each_other_and_expected_keys_come_first() -> None:
    targets = [target(0, 0, "1"), target(38, 11, "p"), target(0, 0), target(0, 0, "1"), *(target(5, 5),) * 40]
    labels = labelled(targets, 40, 12)
    assert labels["1"][1] is targets[0]
    assert labels["p"][0] == Offset(37, 11)
    assert labels["a"][1] is targets[2]
    assert labels["a"][0] != labels["1"][0]
    assert all(0 <= place.x <= 37 and 0 <= place.y < 12 for place, _ in labels.values())
    assert len(labels) == len(LETTERS) - 1 + 2  # the letters ran out


def test_a_click_on_the_status_line_opens_what_it_is_about() -> None:
    backend = BackendState("ready", "ollama", "模型:7b")
    line = status_line("多域", backend, View(status="executing", number=7), 7, 100, 100, UNICODE)
    text = plain(line)
    assert cell_len(text) == 100
    there = {words: action_at(line, cell_len(text[: text.index(words)])) for words in ("模型", "多域", "#7", "tinyllm")}
    assert there == {
        "模型": "open('models')", "多域": "write('/graph ')", "#7": "open('transactions')", "tinyllm": "open('models')",
    }  # fmt: skip
    assert action_at(line, cell_len(text[: text.index("多域") + 2]) + 8) == ""


async def test_a_click_on_a_title_goes_to_the_pane_and_a_double_click_zooms_it(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.click("#frame-timeline", offset=(4, 0))
        await until(pilot, lambda: app.screen.focused is app._cockpit.board.timeline)
        assert not app.screen.has_class("-zoomed")
        await pilot.click("#frame-graph", offset=(4, 0), times=2)
        await until(pilot, lambda: app.screen.has_class("-zoomed"))
        await until(pilot, lambda: app.screen.focused is app._cockpit.board.graph)
        await pilot.click("#status", offset=(118, 0))
        await until(pilot, lambda: isinstance(app.screen, TransactionsScreen))


async def test_every_key_of_the_cockpit_is_in_the_palette_and_a_letter_leads_everywhere(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy)
        there = entries(app.screen, app.keys)
        actions = {entry.action for entry in there}
        missing = [key.id for scope in LIVE for key in KEYS[scope] if key.action not in actions]
        assert missing == ["app.palette", "sidebar.open"]  # the palette itself, and enter in a list
        assert {command.action for command in COMMANDS} <= actions
        assert any(entry.words == "In the graph (t)" for entry in there)

        await pilot.press("ctrl+p", *"turn the drawing")
        await until(pilot, lambda: "In the graph (t)" in screen_text(app))
        await pilot.pause(0.5)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.focused is app._cockpit.board.graph)

        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, JumpScreen) and " p " in screen_text(app))
        await pilot.press("p")
        await until(pilot, lambda: app.prompt.has_focus)
        await pilot.resize_terminal(40, 12)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, JumpScreen))
        await pilot.press("5")  # which is not in sight: its tab has the label
        await until(pilot, lambda: app.screen.focused is app._cockpit.board.timeline)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, JumpScreen))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app._cockpit)

        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, JumpScreen))
        await pilot.press("t")  # the transaction on the status line
        await until(pilot, lambda: isinstance(app.screen, TransactionsScreen) and "#1" in screen_text(app))
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, JumpScreen))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, TransactionsScreen) and app.screen.focused is not None)
        app.show_live()
        app.past.open("tx-1")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen))
        actions = {entry.action for entry in entries(app.screen, app.keys)}
        assert [key.id for key in KEYS["replay"] if key.action not in actions] == []
        assert "new_session" not in actions  # there is none in a replay
