"""Import hygiene, in processes of their own: this one has everything loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

import engine


def loaded_after(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_importing_the_engine_loads_no_terminal_and_no_network() -> None:
    assert not loaded_after("import engine") & {"textual", "rich", "click", "httpx", "aiosqlite", "yaml", "pydantic"}


@pytest.mark.parametrize("module", ["engine.events", "engine.view", "engine.bus", "engine.message", "engine.errors"])
def test_what_panes_are_made_of_loads_no_network_no_store_and_no_yaml(module: str) -> None:
    assert not loaded_after(f"import {module}") & {"httpx", "aiosqlite", "yaml", "textual", "rich", "click"}


def test_the_whole_engine_is_free_of_the_cockpit() -> None:
    everything = "import engine\nfor name in engine.__all__: getattr(engine, name)"
    loaded = loaded_after(everything)
    assert "aiosqlite" in loaded
    assert not loaded & {"textual", "rich", "click", "tinyllm_tui"}


def test_every_name_that_is_exported_is_there() -> None:
    assert {"open", "load_graph", "Engine", "EngineError", "View", "Run", "Result"} <= set(engine.__all__)
    for name in engine.__all__:
        assert getattr(engine, name) is not None


def test_a_name_that_is_not_exported_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = engine.no_such_thing  # type: ignore[attr-defined]
