"""What the command line loads before it knows what is asked."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("textual", "rich", "httpx", "pydantic", "pydantic_settings", "yaml", "aiosqlite", "asyncio", "engine")


def loaded_by(code: str) -> set[str]:
    program = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    loaded = loaded_by("import tinyllm_tui.cli")
    assert "click" in loaded
    assert sorted(name for name in HEAVY if name in loaded - {"asyncio"}) == []


def test_the_version_is_printed_without_anything_heavy() -> None:
    code = """
from tinyllm_tui.cli import main
try:
    main(["--version"])
except SystemExit as end:
    assert end.code == 0
"""
    assert not {"textual", "httpx", "engine.run", "pydantic"} & loaded_by(code)


def test_the_settings_load_neither_terminal_nor_network_libraries() -> None:
    assert not {"textual", "httpx", "aiosqlite", "engine.run"} & loaded_by("import tinyllm_tui.settings")


def test_a_run_loads_no_terminal_library() -> None:
    code = "import tinyllm_tui.plain, engine\nengine.open\nimport tinyllm_tui.cli.trace, tinyllm_tui.cli.answer"
    assert "textual" not in loaded_by(code)


AFTER_THE_FIRST_PAINT = (
    "httpx", "aiosqlite", "jsonschema", "jinja2", "markdown_it", "pygments", "pydantic_monty", "regex", "xllamacpp",
    "aiohttp", "textual_serve", "sqlite3", "engine.run.engine", "engine.run.result", "engine.graph.loader",
    "engine.graph.spec", "engine.store", "engine.events.codec", "engine.events.nodes", "engine.events.operations",
    "engine.events.transactions", "engine.events.values", "engine.view.folding", "engine.tools.policy",
    "tinyllm_tui.pump", "tinyllm_tui.reports", "tinyllm_tui.cli.run", "tinyllm_tui.screens.replay",
    "tinyllm_tui.screens.transactions", "tinyllm_tui.screens.models", "tinyllm_tui.screens.sessions",
    "tinyllm_tui.screens.memories", "tinyllm_tui.screens.fork", "tinyllm_tui.screens.help",
    "tinyllm_tui.widgets.chat.exchange", "tinyllm_tui.widgets.node_lines",
)  # fmt: skip
"""Large, and needed by nobody before the panes are there: import them where they are used."""


def test_what_the_first_paint_needs_leaves_out_what_comes_after_it() -> None:
    loaded = loaded_by(
        """
import asyncio, tinyllm_tui.cli.cockpit, tinyllm_tui.settings
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.keymap_choice import keymap
app = CockpitApp(lambda: None, "multi_domain", keys=keymap("default", {}))
app.life.begin = lambda: None
async def paint():
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        app.chat.refresh()
        await pilot.pause()
asyncio.run(paint())
"""
    )
    assert "tinyllm_tui.widgets.timeline" in loaded
    assert sorted(name for name in AFTER_THE_FIRST_PAINT if name in loaded) == []
