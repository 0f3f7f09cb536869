"""The pace of painting: what is typed at once, everything else as the machine can."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual._compositor import ChopsUpdate
from textual.app import App, ComposeResult
from textual.widgets import Static

from tests.waiting import until
from tinyllm_tui.screens.hit_test import SafeScreen


class Typed(Static, can_focus=True):
    """Where keys show."""


class Halves(SafeScreen):
    CSS = "Static { height: 2; }"
    AUTO_FOCUS = "Typed"

    def compose(self) -> ComposeResult:
        yield Typed("")
        yield Static("", id="other")


class Painted(App[None]):
    """Keeps the words of each paint, and tells `told` of it."""

    def __init__(self) -> None:
        super().__init__()
        self.halves = Halves()
        self.paints: list[str] = []
        self.told: Callable[[], None] = lambda: None

    def on_mount(self) -> None:
        self.push_screen(self.halves)

    def _display(self, screen: object, renderable: object) -> None:
        if isinstance(renderable, ChopsUpdate):
            strips = [strip for row in renderable.chops for strip in row.values() if strip is not None]
            words = " ".join(" ".join(strip.text for strip in strips).split())
            if words:
                self.paints.append(words)
                self.told()

    def say(self, typed: str, other: str) -> None:
        """Change both halves, neither in its size."""
        self.halves.query_one(Typed).update(typed, layout=False)
        self.halves.query_one("#other", Static).update(other, layout=False)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock of all screens says: its last number."""
    moments = [100.0]
    monkeypatch.setattr(SafeScreen, "clock", staticmethod(lambda: moments[-1]))
    return moments


async def test_a_screen_that_rests_paints_what_is_typed_and_the_others_afterwards(now: list[float]) -> None:
    app = Painted()
    async with app.run_test() as pilot:
        await pilot.pause()
        app.halves._rests_until = 200
        app.say("a key", "an event")
        await until(lambda: "a key" in app.paints)
        app.say("another key", "an event")
        await until(lambda: "another key" in app.paints)
        assert not any("an event" in paint for paint in app.paints)
        now.append(200.0)
        await until(lambda: "an event" in app.paints[-1])


async def test_a_slow_screen_paints_what_is_typed_first_and_a_key_held_down_keeps_back_nothing(
    now: list[float],
) -> None:
    app = Painted()
    async with app.run_test() as pilot:
        await pilot.pause()
        app.halves._took, app.halves._rests_until = 1.0, 0.0
        keys = iter(f"key {number}" for number in range(1000))
        app.told = lambda: app.say(next(keys), "an event") if len(app.paints) < 9 else None
        app.say("first key", "an event")
        await until(lambda: any("an event" in paint for paint in app.paints))
        assert app.paints[0] == "first key"
        assert "an event" in app.paints[1], "the next key waits for it"


async def test_as_long_as_it_took_to_paint_it_rests(now: list[float]) -> None:
    app = Painted()
    async with app.run_test() as pilot:
        await pilot.pause()
        app.told = lambda: now.append(now[-1] + 0.25)
        app.say("a key", "an event")
        await until(lambda: bool(app.paints))
        await until(lambda: app.halves._took == 0.25)
        assert app.halves._rests_until == now[-1] + 0.25
