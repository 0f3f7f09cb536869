"""The page of themes: its table of variables, from the program."""

from __future__ import annotations

from pathlib import Path

from tinyllm_tui.domain_colours import VARIABLES

THEMES_MD = Path(__file__).parents[2] / "docs" / "themes.md"
_MARKER = "<!-- Made from the program by `uv run python -m tests.docs`; not written by hand. -->"


def with_variables(document: str) -> str:
    """The document with everything after the marker made anew."""
    rows = [f"| `{each.name}` | {each.words} | {each.value} | {each.use} |" for each in VARIABLES]
    head = "| Variable | Colours | In a theme that does not say | Is |\n|---|---|---|---|"
    return "\n".join([document.partition(_MARKER)[0] + _MARKER, "", head, *rows]) + "\n"
