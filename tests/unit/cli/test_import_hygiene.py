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
