"""Selecting nodes in the graph pane, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from engine import events as ev
from engine.errors import ErrorClass, ErrorInfo
from engine.view import AttemptView, NodeView, View, VisitView
from tests.tui.scripted_engine import ScriptedEngine, fails
from tests.tui.test_cockpit import app_of, ask, text_of, until
from tinyllm_tui.screens.node_details import NodeScreen
from tinyllm_tui.widgets.node_lines import node_lines
from tinyllm_tui.words import plain


async def test_arrow_keys_select_a_node_and_enter_opens_it(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed (success)" in text_of(app))
        pane = app._cockpit.board.graph
        await pilot.press("alt+2")
        await until(pilot, lambda: pane.has_focus)
        for key, node in (("down", "start"), ("down", "router"), ("down", "math"), ("right", "general")):
            await pilot.press(key)
            assert pane.selected == node
        await pilot.press("up", "up", "up", "up")
        assert pane.selected == "start"
        await pilot.press("down", "down", "right")
        await until(pilot, lambda: "❯" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, NodeScreen) and "type model" in text_of(app))
        assert "smollm2:135m" in text_of(app)
        assert "The capital of France is" in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app._cockpit)


async def test_a_click_on_a_node_selects_and_opens_it(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(fails), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "rolled back: failed" in text_of(app))
        pane = app._cockpit.board.graph
        assert pane.drawing is not None
        x, y, _, _ = pane.drawing.boxes["math"]
        left, top = pane._offset()
        await pilot.click(pane, offset=(x + left + 2, y + top))
        await until(pilot, lambda: isinstance(app.screen, NodeScreen) and "attempt 3" in text_of(app))
        assert pane.selected == "math"
        assert "Look at its log." in text_of(app)


async def test_enter_in_the_graph_without_a_selection_leads_to_the_prompt(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        board = app._cockpit.board
        await until(pilot, lambda: board.graph.drawing is not None)
        await pilot.press("alt+2")
        await until(pilot, lambda: board.graph.has_focus)
        await pilot.press("enter")
        await until(pilot, lambda: board.prompt is not None and board.prompt.has_focus)


async def test_a_node_is_opened_from_a_replay_and_before_any_run(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app._cockpit.board.graph.drawing is not None)
        await pilot.press("alt+2")
        await until(pilot, lambda: app._cockpit.board.graph.has_focus)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "It has not run yet." in text_of(app))
        await pilot.press("escape", "alt+1", "enter")
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed (success)" in text_of(app))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "capital?" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: "REPLAY #1" in text_of(app))
        await pilot.press("alt+2", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, NodeScreen) and "visit 1" in text_of(app))


def busy_view() -> View:
    attempt = AttemptView(
        1, 2, "m\x1b[31m", "e", 100, messages=(("system", "Be brief.\nAlways."), ("user", "[/nope] why?")),
        text="x" * 9_000,
        tokens=7, prompt_tokens=61, finished_ms=900, duration_ms=800, first_token_ms=40, finish="length",
        error=ErrorInfo(ErrorClass.TIMEOUT, "timeout", "It took too long.", "Wait."),
    )  # fmt: skip
    visit = VisitView(1, 100, source="router", finished_ms=900, duration_ms=800, state="failed", attempts=[attempt])
    visit.error = attempt.error
    gate = VisitView(1, 0, gate=ev.GateDecided(path="loop", visit=1, passed=False, target="a", reason="too short"))
    view = View(graph={"nodes": [{"id": "loop", "type": "loop", "config": {"body": ["draft"], "condition": None}}]})
    view.nodes = {
        "loop": NodeView("loop", "loop", "Loop", "failed", [gate, visit]),
        "loop#1/draft": NodeView("loop#1/draft", "model", "Draft", "ok", [VisitView(1, 5, duration_ms=30, state="ok")]),
        "other": NodeView("other", "model", "Other"),
    }
    return view


@pytest.mark.parametrize("width", [24, 60, 110])
def test_the_details_say_what_a_node_was_given_made_and_why_it_failed(width: int) -> None:
    lines = [plain(line) for line in node_lines(busy_view(), "loop", 1000, width)]
    assert max(cell_len(line) for line in lines) <= width
    text = " ".join(" ".join(lines).split())
    for words in ("type loop", 'body ["draft"]', "Be brief.", "[/nope] why?", "finish length", "61 tokens in"):
        assert words in text
    for words in ("It took too long.", "refused: too short", "Inside it", "9,000 characters"):
        assert words in text
    assert "\x1b" not in text
    assert "condition" not in text


def test_a_node_that_runs_inside_another_shows_its_runs_there() -> None:
    view = busy_view()
    view.nodes["loop#1/draft"].drawn = "other"
    text = " ".join(plain(line) for line in node_lines(view, "other", 1000, 80))
    assert "loop#1/draft visit 1 · ok" in text
