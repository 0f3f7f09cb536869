"""The cockpit on the scripted engine, in real time: `uv run python -m tests.tui.demo [fails] [light] [ascii]`."""

from __future__ import annotations

import sys

from tests.tui.scripted_engine import ScriptedEngine, answers, fails
from tinyllm_tui.app import CockpitApp


def main() -> None:
    script = fails if "fails" in sys.argv else answers
    engine = ScriptedEngine(script, scale=1.0)
    theme = "tinyllm-light" if "light" in sys.argv else "tinyllm-dark"
    CockpitApp(engine.open, "multi_domain", theme=theme, ascii_only="ascii" in sys.argv).run()


if __name__ == "__main__":
    main()
