"""Theme files."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from tinyllm_tui import themes

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
