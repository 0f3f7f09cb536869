"""Theme files."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import spec
from tinyllm_tui import themes
from tinyllm_tui.app import CockpitApp

SHIPPED, PROBLEMS = themes.load_themes([themes.shipped_folder()])


def test_the_shipped_themes_have_no_problems() -> None:
    assert not PROBLEMS
    assert themes.DEFAULT in {theme.name for theme in SHIPPED}


def test_a_theme_of_the_person_wins_by_name(tmp_path: Path) -> None:
    text = (themes.shipped_folder() / "tinyllm-dark.yaml").read_text().replace("#4fd1c5", "#ff00ff")
    (tmp_path / "mine.yaml").write_text(text)
    found, problems = themes.load_themes([themes.shipped_folder(), tmp_path])
    assert not problems
    assert next(theme for theme in found if theme.name == "tinyllm-dark").accent == "#ff00ff"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("accent:", "akzent:", "colors."),
        ('"#0e1116"', '"#nope"', "colors.background"),
        ('border: "#4fd1c5"', 'border: "red; color: blue"', "variables"),
        ('"bold"', '"blink fast"', "variables"),
        ("name: tinyllm-dark", "name: ../x", "name"),
    ],
)
def test_a_mistake_is_named_with_the_file_and_the_place(old: str, new: str, told: str, tmp_path: Path) -> None:
    text = (themes.shipped_folder() / "tinyllm-dark.yaml").read_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        themes.read_theme(path)
    assert "mine.yaml" in caught.value.message
    assert told in caught.value.message
    assert caught.value.remedy


def test_no_folder_is_no_problem(tmp_path: Path) -> None:
    assert themes.load_themes([tmp_path / "none"]) == ([], [])


async def test_a_file_that_changes_is_shown_at_once_and_a_broken_one_is_one_toast_and_stays(tmp_path: Path) -> None:
    text = (themes.shipped_folder() / "tinyllm-dark.yaml").read_text().replace("name: tinyllm-dark", "name: mine")
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    app = CockpitApp(ScriptedEngine().open, "g", theme="mine", load_graph=spec, user_themes=tmp_path)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        drawn = app.chat.styles.scrollbar_color_active.hex.lower()
        assert drawn == "#4fd1c5"
        file.write_text(text.replace("#4fd1c5", "#ff00ff"))
        await app.theme_choice.look()
        await pilot.pause()
        assert app.chat.styles.scrollbar_color_active.hex.lower() == "#ff00ff"
        file.write_text(text.replace("accent:", "akzent:"))
        await app.theme_choice.look()
        await app.theme_choice.look()
        await pilot.pause()
        assert [toast.title for toast in app._notifications] == ["Theme"]
        assert app.current_theme.accent == "#ff00ff"
        file.unlink()
        await app.theme_choice.look()
        assert app.theme == themes.DEFAULT
        assert "mine" not in app.theme_choice.names
