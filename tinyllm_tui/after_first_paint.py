"""What is large and not needed for the first paint; done in a thread when that is there."""

from __future__ import annotations

from importlib import import_module


def import_the_rest() -> None:
    """Import Markdown and its parser, the pump, and the engine's runs and store."""
    import_module("tinyllm_tui.widgets.chat.exchange")
    import_module("tinyllm_tui.pump")
    import_module("engine.run.engine")


def prepare_code() -> None:
    """Make the highlighter ready: else the first block of code in an answer stops the screen for a while."""
    from textual.highlight import highlight

    highlight("pass", language="python")
