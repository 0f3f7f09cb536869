"""What stands beside the panes: the sessions, and the inspector of the selected node."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, ask, screen_text, until
from tinyllm_tui.screens.node_details import NodeScreen
from tinyllm_tui.widgets.board import Board
from tinyllm_tui.widgets.inspector import NodeInspector
from tinyllm_tui.widgets.sessions_pane import SessionsPane


async def test_the_inspector_follows_the_run_then_the_selection_and_gives_way_where_there_is_no_room(
    tmp_path: Path,
) -> None:
    engine = ScriptedEngine()
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(200, 60)) as pilot:
        board, inspector = app.screen.query_one(Board), app.screen.query_one(NodeInspector)
        await ask(pilot)
        await until(pilot, lambda: "6 Inspector general" in screen_text(app))
        await until(pilot, lambda: "612 tokens" in screen_text(app) or inspector.path == "general")
        engine.pace.hold.set()
        await until(pilot, lambda: not app.conversation.busy)
        await pilot.press("alt+2", "up")
        await until(pilot, lambda: board.graph.selected != "" and inspector.path == board.graph.selected)
        chosen = inspector.path
        await pilot.press("6")
        await until(pilot, lambda: inspector.has_focus)

        await pilot.press("2")
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: not inspector.is_on_screen)
        assert "5 Timeline" in screen_text(app)
        await pilot.press("f8")
        await until(pilot, lambda: inspector.is_on_screen)
        assert "5 Timeline" not in screen_text(app)
        await pilot.press("5")  # the pane that it hides is shown when one goes there
        await until(pilot, lambda: "5 Timeline" in screen_text(app) and not inspector.is_on_screen)

        await pilot.resize_terminal(40, 12)
        await pilot.press("f8")
        await until(pilot, lambda: isinstance(app.screen, NodeScreen))
        assert chosen in screen_text(app)
        assert app.screen_stack[1].query_one(NodeInspector) is inspector  # nothing was mounted again


async def test_sessions_stand_beside_the_panes_and_a_choice_goes_on_with_one(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(170, 40)) as pilot:
        pane = app.screen.query_one(SessionsPane)
        await ask(pilot, "first?")
        await until(pilot, lambda: not app.conversation.busy and "▶ first?" in screen_text(app))
        await pilot.press("ctrl+n")
        await until(pilot, lambda: "▶ + new session" in screen_text(app))
        await ask(pilot, "second?")
        await until(pilot, lambda: not app.conversation.busy and "▶ second?" in screen_text(app))
        session = app.conversation.session

        await pilot.press("ctrl+b")
        await until(pilot, lambda: not pane.is_on_screen)
        await pilot.press("ctrl+b")
        await until(pilot, lambda: pane.has_focus and pane.highlighted == 1)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.conversation.session not in (None, session))
        assert app.conversation.session is not None
        assert app.conversation.session.name == "first?"
        await until(pilot, lambda: app.prompt.has_focus)

        await pilot.resize_terminal(40, 12)  # there they take the place of the panes, until one is chosen
        await until(pilot, lambda: not pane.is_on_screen or pane.size.width > 30)
        if not pane.is_on_screen:
            await pilot.press("ctrl+b")
        await until(pilot, lambda: pane.is_on_screen)
        pane.focus()
        await pilot.press("home", "enter")
        await until(pilot, lambda: app.conversation.session is None and not pane.is_on_screen)
        await until(pilot, lambda: app.prompt.has_focus)


async def test_sessions_that_a_wider_window_brings_into_sight_are_the_present_ones(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "first?")
        await until(pilot, lambda: not app.conversation.busy)
        await pilot.resize_terminal(170, 40)
        await until(pilot, lambda: "▶ first?" in screen_text(app))


async def test_what_is_typed_goes_on_into_the_prompt_whatever_size_the_window_gets(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(40, 12)) as pilot:
        await until(pilot, lambda: app.prompt.has_focus)
        for width, height in ((170, 45), (40, 12), (200, 60), (80, 24)):
            await pilot.resize_terminal(width, height)
            await pilot.press("a")
        await until(pilot, lambda: app.prompt.text == "aaaa")
        assert app.prompt.has_focus
