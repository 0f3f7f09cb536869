"""The timeline pane, driven by keys and the mouse, live and in a replay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from textual.app import App, ComposeResult
from textual.events import Key, MouseScrollUp
from textual.pilot import Pilot
from textual.scrollbar import ScrollBar

from engine import events as ev
from engine.store.rows import TransactionRow
from engine.view import View, fold
from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, ask, screen_text, text_of, until
from tests.tui.timeline_runs import BUSY, BUSY_NODES, MODEL, Timed, busy, events_of, finished, made_up, started, view_of
from tinyllm_tui import themes
from tinyllm_tui.screens.node_details import NodeScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.themed_app import ThemedApp
from tinyllm_tui.widgets.lines import PlainScrollBar
from tinyllm_tui.widgets.selection import NodeSelected
from tinyllm_tui.widgets.timeline import TimelinePane
from tinyllm_tui.words import ASCII, UNICODE


class PaneApp(ThemedApp):
    """The pane alone."""

    def __init__(
        self, view: View, *, now: float | None = None, whole: View | None = None, ascii_only: bool = False
    ) -> None:
        super().__init__()
        self.view, self.now, self.whole = view, now, whole
        self.signs = ASCII if ascii_only else UNICODE
        self.told: list[str] = []
        self.opened: list[str] = []
        self.sought: list[float] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.domain_variables(vars(self.current_theme))

    def compose(self) -> ComposeResult:
        yield TimelinePane(id="timeline")

    def on_mount(self) -> None:
        self.pane.focus()
        self.call_after_refresh(self.show)

    @property
    def pane(self) -> TimelinePane:
        return self.query_one(TimelinePane)

    def show(self) -> None:
        self.pane.show(self.view, self.signs, self.now, self.whole)

    def on_node_selected(self, event: NodeSelected) -> None:
        self.told.append(event.path)

    def on_timeline_pane_node_opened(self, event: TimelinePane.NodeOpened) -> None:
        self.opened.append(event.path)

    def on_timeline_pane_seek_to(self, event: TimelinePane.SeekTo) -> None:
        self.sought.append(event.at)


def rows_of(app: App[Any]) -> list[str]:
    return [line.rstrip() for line in screen_text(app).splitlines()]


@asynccontextmanager
async def shown(
    view: View, size: tuple[int, int] = (100, 40), **options: Any
) -> AsyncIterator[tuple[PaneApp, Pilot[None]]]:
    app = PaneApp(view, **options)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.pane.count() > 1)
        yield app, pilot


def busy_view(position: int | None = None) -> View:
    return fold(events_of(BUSY, *BUSY_NODES)[:position])


async def test_lanes_stand_above_the_list_and_take_half_of_the_height_at_most() -> None:
    async with shown(busy_view(), (100, 20)) as (app, pilot):
        rows = rows_of(app)
        rule = next(n for n, row in enumerate(rows) if row.startswith("─"))
        assert rule == 10
        assert "committed (success)" in rows[-1]
        await pilot.resize_terminal(100, 7)
        await until(pilot, lambda: not any(row.startswith("─") for row in rows_of(app)))
        assert "committed (success)" in rows_of(app)[-1]


async def test_v_shows_lanes_alone_then_the_list_alone_then_both() -> None:
    async with shown(busy_view(), (100, 30)) as (app, pilot):
        both = rows_of(app)
        await pilot.press("v")
        assert "committed (success)" not in screen_text(app)
        assert any("polish" in row for row in rows_of(app))
        await pilot.press("v")
        assert not any("━" in row for row in rows_of(app))
        assert "committed (success)" in screen_text(app)
        await pilot.press("v")
        assert rows_of(app) == both


async def test_in_a_pane_too_small_for_both_v_changes_between_them() -> None:
    async with shown(busy_view(), (60, 6)) as (app, pilot):
        assert "committed (success)" in screen_text(app)
        await pilot.press("v")
        assert "━" in screen_text(app)
        await pilot.press("v")
        assert "committed (success)" in screen_text(app)
        await pilot.press("v")
        assert "━" in screen_text(app)


async def test_plus_and_minus_zoom_around_the_selection_and_0_shows_all_again() -> None:
    async with shown(busy_view()) as (app, pilot):
        pane = app.pane
        full = pane.window
        await pilot.press("up")
        entry = pane.entry
        assert entry is not None
        await pilot.press("plus")
        half = pane.window
        assert half.span_ms == full.span_ms / 2
        assert half.start_ms <= entry.t_ms <= half.start_ms + half.span_ms
        assert "0 fits" in screen_text(app)
        await pilot.press("equals_sign")
        assert pane.window.span_ms == full.span_ms / 4
        await pilot.press("minus")
        assert pane.window.span_ms == half.span_ms
        await pilot.press("0")
        assert pane.window == full
        await pilot.press("minus")
        assert pane.window == full


async def test_zooming_in_has_an_end() -> None:
    async with shown(busy_view()) as (app, pilot):
        await pilot.press(*["plus"] * 30)
        assert app.pane.window.span_ms == 10


async def test_left_and_right_pan_by_an_eighth_and_with_shift_by_a_page_and_stop_at_the_ends() -> None:
    async with shown(busy_view()) as (app, pilot):
        pane = app.pane
        end = pane.window.span_ms
        await pilot.press("plus", "plus", "plus")
        start, span = pane.window.start_ms, pane.window.span_ms
        await pilot.press("left")
        assert pane.window.start_ms == pytest.approx(start - span / 8)
        await pilot.press("right", "right")
        assert pane.window.start_ms == pytest.approx(start + span / 8)
        await pilot.press("shift+left")
        assert pane.window.start_ms == pytest.approx(start + span / 8 - 0.9 * span)
        await pilot.press(*["shift+left"] * 9)
        assert pane.window.start_ms == 0
        await pilot.press(*["shift+right"] * 19)
        assert pane.window.start_ms + span == pytest.approx(end)


async def test_up_and_down_select_events_tell_their_nodes_and_after_the_last_the_list_follows_again() -> None:
    async with shown(busy_view()) as (app, pilot):
        pane = app.pane
        await pilot.press("up")
        assert pane.entry is not None
        assert pane.entry.kind == "committed"
        await pilot.press("up", "up")
        assert pane.entry.kind == "node_started"
        assert pane.selected == "answer"
        assert any(row.startswith("❯") and "started" in row for row in rows_of(app))
        await pilot.press("down", "down", "down")
        assert not any(row.startswith("❯") and "started" in row for row in rows_of(app))
        await until(pilot, lambda: app.told == ["answer"] * 5)


async def test_shift_with_up_and_down_selects_lanes_and_lanes_alone_need_no_shift() -> None:
    async with shown(busy_view()) as (app, pilot):
        pane = app.pane
        await pilot.press("shift+down", "shift+down", "shift+down")
        assert pane.selected == "router"
        assert any(row.startswith("❯ router") for row in rows_of(app))
        await pilot.press("shift+up")
        assert pane.selected == "start"
        await pilot.press("v", "down", "down")
        assert pane.selected == "code"
        await pilot.press("up")
        assert pane.selected == "router"
        await until(pilot, lambda: app.told == ["start", "router", "start", "router", "code", "router"])


async def test_enter_opens_the_selected_node_and_without_one_is_not_taken() -> None:
    async with shown(busy_view()) as (app, pilot):
        await pilot.press("enter")
        assert app.opened == []
        app.pane.select_node("math")
        await pilot.press("enter")
        await until(pilot, lambda: app.opened == ["math"])


async def test_a_selection_from_outside_is_shown_and_not_told_again() -> None:
    async with shown(busy_view(), (100, 24)) as (app, pilot):
        app.pane.select_node("router")
        await until(pilot, lambda: any(row.startswith("❯ router") for row in rows_of(app)))
        assert any("0.18s" in row and "ok in" in row for row in rows_of(app))
        app.pane.select_node("nothing that ran")
        await pilot.pause()
        assert app.pane.selected == ""
        assert app.told == []


async def test_slash_filters_lanes_and_events_and_escape_clears() -> None:
    async with shown(busy_view()) as (app, pilot):
        pane = app.pane
        await pilot.press("slash", *"CODE brok")
        assert pane.filtered == "CODE brok"
        rows = rows_of(app)
        assert any("/CODE brok_ 2 of 39, esc clears" in row for row in rows)
        assert [row.split()[1] for row in rows if row and row[0] in "✓▶"] == ["code"]
        assert sum("broke off" in row for row in rows) == 2
        await pilot.press("backspace")
        assert pane.filtered == "CODE bro"
        await pilot.press("enter")
        assert "/CODE bro 2 of 39" in screen_text(app)
        await pilot.press("v")
        assert pane.filtered == "CODE bro"
        await pilot.press("v", "v", "escape")
        assert pane.filtered == ""
        assert any("polish" in row for row in rows_of(app))


@pytest.mark.parametrize(("words", "kept"), [("checkpoint", 2), ("math", 4), ("node_started", 11), ("nowhere", 0)])
async def test_the_filter_looks_at_kind_node_and_text_and_says_how_many_there_are(words: str, kept: int) -> None:
    async with shown(busy_view()) as (app, pilot):
        await pilot.press("slash", *words)
        assert f"/{words}_ {kept} of 39" in screen_text(app)
        assert ("Nothing that happened has these words." in screen_text(app)) == (kept == 0)


async def test_characters_of_a_filter_are_not_keys_and_ctrl_u_empties_it() -> None:
    async with shown(busy_view()) as (app, pilot):
        span = app.pane.window.span_ms
        await pilot.press("slash", "v", "0", "plus", "slash")
        assert app.pane.filtered == "v0+/"
        assert app.pane.window.span_ms == span
        await pilot.press("ctrl+u")
        assert app.pane.filtered == ""
        await pilot.press("escape", "plus")
        assert app.pane.window.span_ms == span / 2


async def test_what_is_typed_at_once_after_slash_is_a_filter() -> None:
    async with shown(busy_view()) as (app, pilot):
        for key in "/v0":
            app.post_message(Key("slash" if key == "/" else key, key))
        await until(pilot, lambda: app.pane.filtered == "v0")


async def test_new_events_join_a_filtered_list() -> None:
    view = busy_view(20)
    async with shown(view) as (app, pilot):
        await pilot.press("slash", *"checkpoint", "enter")
        assert "/checkpoint 0 of" in screen_text(app)
        app.view = busy_view()
        app.show()
        await until(pilot, lambda: "/checkpoint 2 of 39" in screen_text(app))


async def test_a_click_on_a_lane_a_marker_or_an_event_selects_it() -> None:
    async with shown(busy_view()) as (app, pilot):
        pane = app.pane
        rows = rows_of(app)
        code = next(n for n, row in enumerate(rows) if row.startswith("✓ code"))
        await pilot.click(pane, offset=(2, code))
        assert (pane.selected, pane.entry) == ("code", None)
        await pilot.click(pane, offset=(rows[code].index("✗"), code))
        assert pane.entry is not None
        assert pane.entry.kind == "attempt_failed"
        rows = rows_of(app)
        checkpoint = next(n for n, row in enumerate(rows) if "attempt 2" in row)
        await pilot.click(pane, offset=(20, checkpoint))
        assert pane.entry.text == f"model {MODEL}, attempt 2"
        assert app.sought == []


async def test_ctrl_and_the_wheel_zoom_at_the_mouse() -> None:
    async with shown(busy_view()) as (app, pilot):
        pane = app.pane
        before = pane.window
        x = 60
        at = before.time(x - pane._label)
        pane.post_message(
            MouseScrollUp(pane, x, 4, 0, -1, 0, shift=False, meta=False, ctrl=True, screen_x=x, screen_y=4, style=None)
        )
        await until(pilot, lambda: pane.window.span_ms == before.span_ms / 2)
        assert abs(pane.window.column(at) - (x - pane._label)) <= 1


async def test_in_a_replay_a_click_in_the_lanes_asks_for_that_moment_and_the_list_ends_at_the_playhead() -> None:
    async with shown(busy_view(20), now=1400.0, whole=busy_view()) as (app, pilot):
        assert "1.40s" in rows_of(app)[0]
        assert "committed" not in screen_text(app)
        assert any(row.startswith("· polish") for row in rows_of(app)), "it has not run yet"
        pane = app.pane
        column = pane._label + pane.window.column(3000)
        await pilot.click(pane, offset=(column, 0))
        await pilot.click(pane, offset=(column, 4))
        await until(pilot, lambda: len(app.sought) == 2)
        assert all(pane.window.column(at - 1) == pane.window.column(3000) for at in app.sought)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (40, 12), (20, 9), (12, 3)])
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_hostile_and_wide_names_and_texts_stay_in_their_columns(
    size: tuple[int, int], ascii_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ascii_only:
        monkeypatch.setattr(ScrollBar, "renderer", PlainScrollBar)
    names = ["[/nope]", "\x1b]0;owned\x07x", "[@click=app.quit]y", "‮evil" if not ascii_only else "evil"]
    names += [] if ascii_only else ["写作写作写作写作", "e\u0301\u0301\u0301", "👩‍💻"]
    run: list[tuple[int, ev.Body]] = []
    for n, name in enumerate(names):
        run += [(n * 100, started(name)), (n * 100 + 80, finished(name, outcome="failed"))]
    run.append((900, ev.Paused("[bold]\x1b[2J", "[/]")))
    async with shown(view_of(cast("Timed", run)), size, ascii_only=ascii_only) as (app, pilot):
        for keys in (("slash", "[", "/"), ("escape",), ("v",), ("plus",), ("v",)):
            await pilot.press(*keys)
            for strip in app.screen._compositor.render_strips():
                assert strip.cell_length == size[0]
                assert not set(strip.text) & set("\x1b\x07‮")
                assert not ascii_only or strip.text.isascii()


async def test_ten_thousand_events_are_taken_in_piece_by_piece() -> None:
    bodies: list[tuple[int, ev.Body]] = []
    for n in range(5000):
        bodies += [(n * 10, started(f"n{n % 20}", visit=n)), (n * 10 + 9, finished(f"n{n % 20}", visit=n))]
    view = view_of(bodies)
    async with shown(view) as (app, pilot):
        pane = app.pane
        lanes = {each.name: each.revision for each in pane._lanes.drawn.lanes}
        app.view.timeline.append(view.timeline[-1])
        app.show()
        await pilot.pause()
        changed = {each.name for each in pane._lanes.drawn.lanes if each.revision != lanes[each.name]}
        assert changed == {"n19"}
        await pilot.press("slash", *"n7 started")
        assert "250 of 10002" in screen_text(app)


# -- in the cockpit ----------------------------------------------------------------------------------------------------


async def test_a_run_draws_its_lanes_while_it_goes_on_and_selections_are_shared_with_the_graph(tmp_path: Path) -> None:
    engine = ScriptedEngine(busy)
    app = app_of(engine, tmp_path, load_graph=made_up)
    async with app.run_test(size=(200, 60), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed (success)" in text_of(app))
        board = app._cockpit.board
        await pilot.press("alt+5")
        await until(pilot, lambda: board.timeline.has_focus)
        await pilot.press("up", "up", "up")
        await until(pilot, lambda: board.graph.selected == board.timeline.selected == "answer")
        await pilot.press("shift+up")
        await until(pilot, lambda: board.graph.selected == "check")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, NodeScreen))
        await pilot.press("escape", "alt+2")
        await until(pilot, lambda: board.graph.has_focus)
        await pilot.press("up")
        await until(pilot, lambda: board.timeline.selected == board.graph.selected != "check")


async def test_a_click_in_the_lanes_moves_the_playhead_of_a_replay(tmp_path: Path) -> None:
    engine = ScriptedEngine(busy, scale=0.01)
    app = app_of(engine, tmp_path, load_graph=made_up)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed (success)" in text_of(app))
        rows: list[TransactionRow] = await engine.transactions()
        app.push_screen(ReplayScreen(rows[0], events_of(BUSY, *BUSY_NODES)))
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "REPLAY" in text_of(app))
        replay = app.screen
        assert isinstance(replay, ReplayScreen)
        await pilot.press("alt+5", "z")
        pane = replay.board.timeline
        await until(pilot, lambda: pane.has_focus and pane.size.width > 90)
        column = pane._label + pane.window.column(1200)
        await pilot.click(pane, offset=(column, 0))
        await until(pilot, lambda: replay.playhead.t_ms == 1100)  # the latest event until then
        assert "committed (success)" not in text_of(app)
        await pilot.click(pane, offset=(pane.size.width - 1, 0))
        await asyncio.sleep(0)
        await pilot.press("end")
        await until(pilot, lambda: "committed (success)" in text_of(app))
