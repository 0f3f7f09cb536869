"""The settings screen, the themes, and the screen of the first start."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Key
from textual.widgets import Input

from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import SIZES, app_of, screen_text, until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.cockpit import CockpitScreen
from tinyllm_tui.screens.first_run import FirstRunScreen
from tinyllm_tui.screens.settings import SettingsScreen
from tinyllm_tui.screens.themes import ThemesScreen
from tinyllm_tui.settings import load
from tinyllm_tui.settings_desk import SettingsDesk

FILE = "# mine\ntheme: tinyllm-dark  # at night\n"


def app_with(tmp_path: Path, **options: object) -> CockpitApp:
    file = tmp_path / "config.yaml"
    file.write_text(FILE)
    return app_of(ScriptedEngine(), tmp_path, desk=SettingsDesk(load(config_file=file), {}, file), **options)


def told(app: CockpitApp) -> str:
    return " ".join(str(toast.message) for toast in app._notifications)


def grounds(app: CockpitApp, row: int) -> set[str]:
    """The colours behind a row of the screen, as it is drawn."""
    strip = app.screen._compositor.render_strips()[row]
    return {segment.style.bgcolor.name for segment in strip if segment.style and segment.style.bgcolor}


async def test_a_setting_is_found_refused_corrected_written_and_reset(tmp_path: Path) -> None:
    app = app_with(tmp_path)
    file = tmp_path / "config.yaml"
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await pilot.press("escape", "comma")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        screen = app.screen
        assert isinstance(screen, SettingsScreen)
        await pilot.press("slash", *"cooldown", "enter")
        await until(pilot, lambda: screen.selected is not None and screen.selected.name == "breaker.cooldown_s")
        assert "Seconds that an open breaker refuses calls." in screen_text(app)
        assert "Default: 60." in screen_text(app)
        await pilot.press("enter")
        app.screen.query_one("#settings-field", Input).value = "-1"
        await until(pilot, lambda: "greater than 0" in screen_text(app))
        await pilot.press("enter")
        assert file.read_text() == FILE
        app.screen.query_one("#settings-field", Input).value = "7"
        await pilot.press("enter")
        await until(pilot, lambda: "cooldown_s is 7, from the next start on" in told(app))
        assert file.read_text() == f"{FILE}breaker:\n  cooldown_s: 7\n"
        assert "config.yaml" in screen_text(app)
        await pilot.press("d")
        await until(pilot, lambda: "cooldown_s is the default" in told(app))
        assert "cooldown_s" not in file.read_text()
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen))


async def test_what_can_counts_at_once(tmp_path: Path) -> None:
    app = app_with(tmp_path)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        app.opener.open("settings")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        await pilot.press("slash", *"keys.preset", "enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, ChoiceScreen))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "keys.preset is vim." in told(app))
        assert app.keys.keys["graph.up"] == "up,k"
        await pilot.press("slash", *["backspace"] * 11, *"title", "enter", "enter")
        await until(pilot, lambda: "title is off." in told(app))


async def test_themes_are_shown_as_they_are_selected_and_kept_where_wanted(tmp_path: Path) -> None:
    app = app_with(tmp_path)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        app.opener.open("themes")
        await until(pilot, lambda: isinstance(app.screen, ThemesScreen))
        await pilot.press("down")
        await until(pilot, lambda: app.theme == "tinyllm-light" and grounds(app, 3) <= {"#fdfcf9", "#f6f5f1"})
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen))
        assert app.theme == "tinyllm-dark"
        app.opener.open("themes")
        await until(pilot, lambda: isinstance(app.screen, ThemesScreen))
        await pilot.press("up", "s")
        await until(pilot, lambda: "is the theme of every start" in told(app))
        assert app.theme == "tinyllm-contrast"
        assert (tmp_path / "config.yaml").read_text() == FILE.replace("tinyllm-dark", '"tinyllm-contrast"')


@pytest.mark.parametrize("size", SIZES)
async def test_the_first_start_says_what_was_found_and_asks_one_question(size: tuple[int, int], tmp_path: Path) -> None:
    app = app_with(tmp_path, first_run=True)
    async with app.run_test(size=size) as pilot:
        assert isinstance(app.screen, FirstRunScreen)
        await until(pilot, lambda: "smollm2" in screen_text(app))
        assert "What is the capital of France?" in screen_text(app)
        cockpit = app.screen_stack[-2]
        await until(pilot, lambda: "starting" not in cockpit._compositor.render_strips()[0].text)
        assert cockpit.focused is None
        if size == (40, 12):
            await pilot.click("#first-question")
        else:
            await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen) and "Paris" in app.live.view.answer)


async def test_who_types_at_the_first_start_types_into_the_prompt(tmp_path: Path) -> None:
    app = app_with(tmp_path, first_run=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"why")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen))
        assert app.prompt.text == "why"


async def test_keys_that_come_before_a_screen_has_left_leave_it_alone(tmp_path: Path) -> None:
    app = app_with(tmp_path, first_run=True)
    async with app.run_test(size=(80, 24)) as pilot:
        for character in "why":
            app.screen.post_message(Key(character, character))
        await until(pilot, lambda: app.prompt.text == "why")
        app.opener.open("settings")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        settings = app.screen
        settings.call_later(settings.run_action, "leave")
        settings.call_later(settings.run_action, "leave")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen))
        await pilot.pause()
        assert isinstance(app.screen, CockpitScreen)


@pytest.mark.parametrize("size", SIZES)
async def test_settings_are_drawn_at_every_size(size: tuple[int, int], tmp_path: Path) -> None:
    app = app_with(tmp_path)
    async with app.run_test(size=size) as pilot:
        app.opener.open("settings")
        when = "counts from the next start on"
        await until(pilot, lambda: when in " ".join(screen_text(app).split()))
        assert isinstance(app.screen, SettingsScreen)
        assert "multi_domain" in screen_text(app)
