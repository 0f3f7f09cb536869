"""The blank Textual app: what any first paint costs at least."""

from __future__ import annotations

from textual.app import App

if __name__ == "__main__":
    App[None]().run()
