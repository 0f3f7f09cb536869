"""The footer: what can be done now, at every width."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, ask, screen_text, until
from tinyllm_tui.widgets.footer import Footer, Offer, footer_line, placed
from tinyllm_tui.words import plain

OFFERS = [
    Offer("prompt.send", "enter", "enter", "send"),
    Offer("run.cancel", "escape", "esc", "cancel"),
    Offer("chat.fork", "f", "f", "分岐"),
    Offer("app.help", "f1", "F1", "help"),
    Offer("app.palette", "ctrl+p", "^p", "commands"),
]


@pytest.mark.parametrize("width", range(4, 80))
def test_keys_are_shown_whole_or_not_at_all_and_the_help_is_never_left_out_for_others(width: int) -> None:
    places = placed(OFFERS, width)
    line = plain(footer_line(places))
    assert cell_len(line) <= width
    shown = [place.offer for place in places]
    assert all(f"{offer.shown} {offer.words}" in line for offer in shown)
    plain_ones = [offer for offer in shown if offer.id not in ("app.help", "app.palette")]
    assert plain_ones == OFFERS[: len(plain_ones)]  # the most important ones
    if width >= OFFERS[3].width:
        assert OFFERS[3] in shown
    if width >= 70:
        assert shown == OFFERS


async def test_the_footer_says_what_is_possible_now_and_a_click_on_a_key_presses_it(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)

    def footer() -> str:
        return screen_text(app).splitlines()[-1]

    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "esc panes" in footer()
        assert "fork" not in footer()
        await ask(pilot)
        await until(pilot, lambda: "esc cancel" in footer())
        await pilot.press("alt+2")
        await until(pilot, lambda: "enter prompt" in footer())
        assert "f fork" not in footer()
        engine.pace.hold.set()
        await until(pilot, lambda: "f fork" in footer())
        await until(pilot, lambda: "e edit" in footer())
        assert "esc" not in footer()  # there is nothing to leave
        for _ in range(2):
            await pilot.click(Footer, offset=(footer().index("F10"), 0))
            await pilot.pause()
            assert ("esc all panes" in footer()) is app.screen.has_class("-zoomed")
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        assert "F1 help" in footer()
