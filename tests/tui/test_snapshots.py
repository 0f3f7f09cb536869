"""Pictures of every screen and state. `TINYLLM_SNAPSHOTS=update` writes them anew; what changed is read in the diff.

Text grids, one file a state, and not the SVG files that pytest-textual-snapshot compares: those of all states and sizes
are over 10 MB, and nobody reads their differences.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.screen import Screen

import tinyllm_tui.screens
from tests.tui.snapshots.grid import written
from tests.tui.snapshots.pictured import STATES, THEMES, pictures_of

PICTURES = Path(__file__).parent / "snapshots" / "pictures"
_SHOWN = 80
"""Lines of a difference that a failure shows."""
_MOST_BYTES = 3_000_000
"""Of all pictures together."""


@pytest.mark.parametrize("name", STATES)
async def test_a_screen_looks_as_it_did(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = PICTURES / f"{name}.txt"
    now = written(name, await pictures_of(STATES[name], tmp_path, monkeypatch), THEMES)
    if os.environ.get("TINYLLM_SNAPSHOTS") == "update":
        file.parent.mkdir(exist_ok=True)
        file.write_text(now, encoding="utf-8")
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    changes = list(difflib.unified_diff(before.split("\n"), now.split("\n"), "before", "now", lineterm="", n=1))
    assert not changes, "\n".join(
        [
            *changes[:_SHOWN],
            f"({len(changes)} lines) If it is meant: TINYLLM_SNAPSHOTS=update uv run pytest {__file__} -k {name}",
        ]
    )


def screens() -> Iterator[type[Screen[object]]]:
    """Every screen of the cockpit that can be shown."""
    for module in pkgutil.iter_modules(tinyllm_tui.screens.__path__, "tinyllm_tui.screens."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, Screen) and found.__module__ == module.name and not found.__subclasses__():
                yield found


def test_there_are_pictures_of_every_screen() -> None:
    pictured = {state.screen for state in STATES.values()}
    missing = [screen.__name__ for screen in screens() if screen not in pictured]
    assert not missing, f"No state in tests/tui/snapshots/states.py shows {', '.join(missing)}."


def test_the_pictures_are_those_of_the_states_and_not_large() -> None:
    files = list(PICTURES.glob("*.txt"))
    assert {file.stem for file in files} == set(STATES)
    assert sum(file.stat().st_size for file in files) < _MOST_BYTES
