"""Health, logs, tools and alerts in the cockpit, and the filtered list of many transactions."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Input

import engine
from engine.config import EngineConfig
from engine.events import BreakerSnapshot
from engine.run.engine import Engine
from engine.store.approvals import ApprovalRow
from engine.store.figures import figures
from engine.store.samples import Samples
from tests.recorded_runs import record
from tests.tui.scripted_engine import ScriptedEngine, fails
from tests.tui.test_cockpit import app_of, ask, screen_text, spec, text_of, until
from tests.unit.test_alerts import rule, runs
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.health_lines import health_rows
from tinyllm_tui.screens.health import HealthScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.screens.transactions import TransactionsScreen
from tinyllm_tui.themes import domain_variables
from tinyllm_tui.widgets.row_list import RowList
from tinyllm_tui.words import ASCII, UNICODE, Glyphs, Line, plain


@pytest.mark.parametrize("signs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [36, 76, 116, 196])
def test_the_screen_says_the_same_at_every_width_and_no_line_is_too_long(signs: Glyphs, width: int) -> None:
    rows = health_rows(figures(runs("..fx" * 30)), [], signs)
    text = "\n".join(plain(row.draw(width)) for row in rows)
    assert max(len(plain(row.draw(width))) for row in rows) <= width
    for words in ("success", "50 %", "breaker opened", "p50 100 ms", "Nodes", "a/work", "Models", "No rules"):
        assert words in text
    if signs is ASCII:
        assert text.isascii()


async def test_figures_of_a_real_store_lead_to_runs_and_from_there_to_replays(tmp_path: Path) -> None:
    await record(tmp_path / "data", 620)
    nowhere = EngineConfig(backend="ollama", ollama_host="http://127.0.0.1:9")

    def open_engine() -> AbstractAsyncContextManager[Engine]:
        return engine.open(data_dir=tmp_path / "data", config=nowhere)

    alerts = [rule(name="slow", metric="p95_ms", above=500)]
    app = CockpitApp(open_engine, "g", load_graph=spec, user_themes=tmp_path, alerts=alerts)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "! 1 alert" in text_of(app))
        await pilot.press("escape", "H")
        await until(pilot, lambda: "Models" in text_of(app) and "! slow" in text_of(app))
        assert "last 100 runs" in text_of(app)
        await pilot.press("w")
        await until(pilot, lambda: "graph multi_domain" in text_of(app) and "quick/code" not in text_of(app))
        await pilot.press("m", "n")
        await until(pilot, lambda: "m model qwen2.5:3b" in text_of(app) and "last 500 runs" in text_of(app))
        await until(pilot, lambda: "339 runs, 16 stopped" in text_of(app))
        await pilot.press("end", "enter")
        await until(pilot, lambda: "Health · model" in text_of(app) and "failed 3 of 3" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HealthScreen))
        await pilot.press("escape")
        await until(pilot, lambda: "last 500 runs" in text_of(app))
        await pilot.press("home", "enter")
        await until(pilot, lambda: isinstance(app.screen, TransactionsScreen) and " of 620" in text_of(app))
        assert "status:committed graph:multi_domain" in text_of(app)
        field = app.screen.query_one(Input)
        await pilot.press("1", "3")
        await until(pilot, lambda: field.value == "graph:multi_domain status:rolled_back")
        await pilot.press("end", "s")
        await until(pilot, lambda: "slowest first" in text_of(app) and "committed  2" in text_of(app))
        await pilot.press("slash", *" stats:x")
        await until(pilot, lambda: "did you mean status:?" in text_of(app))


async def test_a_run_that_crosses_a_bound_is_told_once_and_toasts_that_are_gone_are_in_the_logs(tmp_path: Path) -> None:
    scripted = ScriptedEngine(fails)
    app = app_of(scripted, tmp_path, alerts=[rule(name="failing", metric="failure_rate", above=0.3)])
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: bool(app.alerts.readings))
        scripted.sampled = runs("xx")
        await ask(pilot)
        await until(pilot, lambda: app.alerts.raised == 1)
        told = [toast for toast in app._notifications if toast.title == "Alert: failing"]
        assert len(told) == 1
        await until(pilot, lambda: "! 1 alert" in text_of(app))
        scripted.sampled = Samples(runs("....").runs)
        await pilot.press(*"more", "enter")
        await until(pilot, lambda: app.alerts.raised == 0)
        assert not [toast for toast in app._notifications if toast.title == "Alert: failing"]
        await pilot.press("escape", "L")
        await until(pilot, lambda: "Alert: failing: failure rate 100 %" in text_of(app))
        scripted.breaker(BreakerSnapshot("late m", "endpoint", "open"), "closed")
        await until(pilot, lambda: "breaker late m: closed -> open" in text_of(app))
        await pilot.press("slash", *"alert", "enter")
        await until(pilot, lambda: "breaker late" not in text_of(app) and "over: failure rate" in text_of(app))


async def test_tools_say_what_holds_and_requests_their_exact_arguments_made_harmless(tmp_path: Path) -> None:
    scripted = ScriptedEngine()
    evil = '{"path": "a\\u202eb\x1b[2J", "text": "[/nope]"}'
    scripted.asked = [
        ApprovalRow(7, "tx-7", 0, "save", "file_write", "Writes a file.", "", evil, "reversible", "", "no", "person")
    ]
    app = app_of(scripted, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.engine is not None)
        await pilot.press("escape", "T")
        await until(pilot, lambda: "17 tools" in text_of(app) and "asks every call" in text_of(app))
        await until(pilot, lambda: "enter details" in text_of(app).splitlines()[-1])
        await pilot.press("end")
        await until(pilot, lambda: "enter replay" in text_of(app).splitlines()[-1])
        await until(pilot, lambda: "\\u202e" in text_of(app) and "no by person" in text_of(app))
        assert "\\u001b[2J" in text_of(app)
        assert "[/nope]" in text_of(app)


@pytest.mark.parametrize("size", [(40, 12), (80, 24)])
async def test_an_empty_store_says_what_to_do(size: tuple[int, int], tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=size) as pilot:
        await pilot.press("escape", "H")
        await until(pilot, lambda: "No run has finished here yet." in text_of(app))


class OneList(App[None]):
    """An app that has nothing but a list."""

    def compose(self) -> ComposeResult:
        yield RowList(UNICODE)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return domain_variables(vars(self.current_theme))


async def test_a_list_of_any_length_draws_what_is_in_sight_alone() -> None:
    app = OneList()
    drawn: list[int] = []

    def draw(row: int, _width: int) -> Line:
        drawn.append(row)
        return ((f"row {row}", "text"),)

    async with app.run_test(size=(80, 24)) as pilot:
        rows = app.query_one(RowList)
        rows.show(100_000, draw)
        rows.focus()
        await pilot.press("end")
        await until(pilot, lambda: "❯ row 99999" in screen_text(app))
        await pilot.press("pageup", "up")
        assert rows.selected == 99_999 - 24
        assert len(set(drawn)) < 150
