"""How the cockpit draws when its terminal is a page: as Textual's web driver does, and it ends with its server."""

from __future__ import annotations

import contextlib

from textual.drivers.web_driver import WebDriver


class ServedDriver(WebDriver):
    """Textual's own would go on for ever, unseen, when the server was killed."""

    def run_input_thread(self) -> None:
        super().run_input_thread()
        if not self.exit_event.is_set():
            with contextlib.suppress(RuntimeError):  # the loop has ended just now
                self._loop.call_soon_threadsafe(self._app.exit)

    def write(self, data: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            super().write(data)

    def write_meta(self, data: dict[str, object]) -> None:
        with contextlib.suppress(BrokenPipeError):
            super().write_meta(data)
