"""The replay: its scrubber, stops, speed, bookmarks and what each step changed; the live run meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.tui.scripted_engine import ScriptedEngine, fails
from tests.tui.test_cockpit import app_of, ask, spec, text_of, until
from tinyllm_tui.bookmarks import FILE_NAME
from tinyllm_tui.screens.node_details import NodeScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.screens.replay_banner import SPEEDS, replay_line, speed_words
from tinyllm_tui.screens.transactions import TransactionsScreen
from tinyllm_tui.widgets.scrub_bar import ScrubBar
from tinyllm_tui.words import ASCII, plain


async def test_stops_bookmarks_differences_and_the_mouse_lead_through_a_run(tmp_path: Path) -> None:
    engine = ScriptedEngine(fails)
    engine.data_dir = tmp_path
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "#1 " in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen))
        screen = app.screen
        assert isinstance(screen, ReplayScreen)
        head = screen.playhead
        await pilot.press("home")
        await pilot.resize_terminal(100, 40)
        await pilot.press("n")
        await until(pilot, lambda: head.position == head.errors[0] and "router" in text_of(app))
        await pilot.press("n", "d")
        await until(pilot, lambda: "model call: The model server's answer broke off." in text_of(app))
        await pilot.press("b")
        await until(pilot, lambda: screen._bookmarks == [head.errors[1]])
        assert (tmp_path / FILE_NAME).exists()
        await pilot.press("N", "right_parenthesis")
        await until(pilot, lambda: head.position == head.errors[1])
        await pilot.press("right_parenthesis")
        await until(pilot, lambda: "Nothing is marked after this." in text_of(app))
        bar = screen.query_one(ScrubBar)
        await pilot.mouse_down(bar, offset=(0, 0))
        await until(pilot, lambda: head.position == 0)
        await pilot.hover(bar, offset=(bar.size.width - 1, 0))
        await until(pilot, lambda: head.ended)
        await pilot.mouse_up(bar, offset=(60, 0))
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, NodeScreen))
        await pilot.press("escape", "less_than_sign", "less_than_sign")
        await until(pilot, lambda: "1/4x" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, TransactionsScreen) and "⚑ 1" in text_of(app))


async def test_the_live_run_goes_on_behind_a_replay_and_is_as_it_was_when_that_is_left(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(160, 40)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy)
        engine.pace.hold = asyncio.Event()
        await pilot.press(*"again", "enter")
        await until(pilot, lambda: app.live.view.status == "executing" and app.live.tx == "tx-2")
        row = await engine.transaction("1")
        screen = ReplayScreen(row, await engine.events(row.tx))
        await app.push_screen(screen)
        await until(pilot, lambda: "● live: answering" in text_of(app))
        await pilot.press("home", "n", "right_curly_bracket", "d", "left_square_bracket", "end")
        await until(pilot, lambda: screen.playhead.ended)
        assert app.live.tx == "tx-2"
        assert app.live.view.status == "executing"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app._cockpit)
        engine.pace.hold.set()
        await until(pilot, lambda: not app.conversation.busy and "#2 · committed" in text_of(app))
        assert app.live.view == await engine.view("tx-2")


async def test_the_banner_tells_what_matters_at_every_width() -> None:
    engine = ScriptedEngine()
    async with engine.open():
        await engine.start(spec(), "what?").result()
        row = await engine.transaction("1")
        screen = ReplayScreen(row, await engine.events(row.tx))
    screen.playhead.seek(3)
    for width in (40, 60, 80, 120):
        line = replay_line(
            row, screen.playhead, playing=True, speed=0.25, live="@ live: answering", width=width, signs=ASCII,
            file="\x1b[2Jrun.jsonl",
        )  # fmt: skip
        words = plain(line)
        assert words.startswith(" > REPLAY #1 - 3/")
        assert words.rstrip().endswith("live: answering")
        assert "\x1b" not in words
    assert "1/4x" in words
    assert "file run.jsonl, read only" in words
    assert [speed_words(speed) for speed in SPEEDS] == ["1/8x", "1/4x", "1/2x", "1x", "2x", "4x", "8x"]
