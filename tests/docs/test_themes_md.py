"""docs/themes.md says which variables a theme has."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.docs.themes_reference import THEMES_MD, with_variables
from tinyllm_tui import themes

TEXT = THEMES_MD.read_text("utf-8")


def test_the_table_is_not_stale() -> None:
    assert with_variables(TEXT) == TEXT, "run: uv run python -m tests.docs"


def test_every_shipped_theme_is_named() -> None:
    shipped, _ = themes.load_themes([themes.shipped_folder()])
    assert all(f"| `{theme.name}` |" in TEXT for theme in shipped)


def test_the_example_is_a_theme(tmp_path: Path) -> None:
    example = TEXT.split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(example)["name"] == "mine"
    file = tmp_path / "mine.yaml"
    file.write_text(example)
    assert themes.read_theme(file).name == "mine"
