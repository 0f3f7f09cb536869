"""Keys that the person changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, screen_text, until
from tests.tui.test_fork import adds
from tinyllm_tui.keymap import KEYS
from tinyllm_tui.keymap_choice import PRESETS, keymap
from tinyllm_tui.screens.help import HelpScreen, help_lines
from tinyllm_tui.words import plain


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_names_bindings_that_there_are_and_none_of_its_keys_is_taken(preset: str) -> None:
    known = {key.id for keys in KEYS.values() for key in keys}
    assert set(PRESETS[preset]) <= known  # type: ignore[index]
    assert not keymap(preset, {}).problems  # type: ignore[arg-type]


def test_ids_of_bindings_are_unique() -> None:
    ids = [key.id for keys in KEYS.values() for key in keys]
    assert len(ids) == len(set(ids))


def test_a_change_counts_over_the_preset() -> None:
    chosen = keymap("vim", {"graph.up": "w, ctrl+u"})
    assert not chosen.problems
    assert chosen.keys["graph.up"] == "w,ctrl+u"
    assert chosen.keys["graph.down"] == "down,j"


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"chat.cpoy": "x"}, "did you mean chat.copy?"),
        ({"chat.copy": ""}, "has no key"),
        ({"chat.copy": "ctrl+ctrl"}, "is no key"),
        ({"chat.copy": "hyper+"}, "is no key"),
        ({"chat.copy": "\x1b[2J"}, "is no key"),
        ({"prompt.send": "s"}, "could not be typed"),
        ({"app.quit": "q"}, "could not be typed"),
        ({"app.quit": "?"}, "could not be typed"),
        ({"graph.up": "down"}, "is both graph.up and graph.down"),
        ({"chat.copy": "f1"}, "is both"),
    ],
)
def test_a_mistake_is_said_with_its_remedy(own: dict[str, str], said: str) -> None:
    (problem,) = keymap("default", own).problems
    assert said in problem
    assert "\x1b" not in problem


def test_the_help_shows_the_keys_that_count() -> None:
    chosen = keymap("default", {"chat.copy": "ctrl+y", "replay.go": ":"})
    lines = [plain(line) for line in help_lines(100, keymap=chosen)]
    assert any(line.split()[0] == "^y" and "copy the latest answer" in line for line in lines if line.strip())
    assert any(line.split()[0] == ":" and "go to an event" in line for line in lines if line.strip())


@pytest.mark.parametrize("width", [30, 36, 84])
def test_the_help_begins_with_what_counts_here_and_its_filter_looks_at_keys_words_and_places(width: int) -> None:
    lines = [plain(line) for line in help_lines(width, here=("timeline", "cockpit"))]
    titles = [line for line in lines if line and not line.startswith(" ")]
    assert titles[:2] == ["In the timeline, here", "Cockpit, here"]
    assert len(titles) == len(KEYS) + 2  # words of the prompt, and signs
    assert all(cell_len(line) <= width for line in lines)
    found = [plain(line).strip() for line in help_lines(width, words="TIMELINE zoom")]
    assert found[0] == "In the timeline"
    assert all(line.startswith(("+", "-", "0", "zoom", "In")) or "zoom" in " ".join(found) for line in found)
    assert plain(help_lines(width, words="no such thing")[0]) == "No key does that."


async def test_a_changed_key_works_and_the_old_one_does_not(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(adds), tmp_path, keys=keymap("default", {"app.help": "f2"}))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f1")
        await pilot.pause()
        assert not isinstance(app.screen, HelpScreen)
        await pilot.press("f2")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        await until(pilot, lambda: "In the prompt, here" in screen_text(app))
        await pilot.press("slash", *"mark right", "enter")
        await until(pilot, lambda: "right route" not in screen_text(app) and "Saying which" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "In the prompt, here" in screen_text(app))
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(app.screen, HelpScreen))


async def test_what_is_wrong_with_keys_is_said_at_the_start(tmp_path: Path) -> None:
    chosen = keymap("default", {"chat.cpoy": "x", "nope": "y"})
    app = app_of(ScriptedEngine(adds), tmp_path, keys=chosen)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.pause()
        (toast,) = [each for each in app._notifications if each.title == "Keys"]
        assert "did you mean chat.copy?" in toast.message
        assert "And 1 more" in toast.message
