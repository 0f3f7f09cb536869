"""A long conversation in the chat pane: what is mounted of it, and what stays in its place when more is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from textual.app import ComposeResult
from textual.pilot import Pilot

from tests.tui.test_cockpit import screen_text, until
from tinyllm_tui.themed_app import ThemedApp
from tinyllm_tui.widgets.chat import pane
from tinyllm_tui.widgets.chat.answer import Answer
from tinyllm_tui.widgets.chat.exchange import Exchange
from tinyllm_tui.widgets.chat.history import PastTurn
from tinyllm_tui.widgets.chat.pane import ChatPane

SIZES = [(80, 24), (40, 12), (120, 40)]


class Chat(ThemedApp):
    def compose(self) -> ComposeResult:
        yield ChatPane(id="chat")

    @property
    def pane(self) -> ChatPane:
        return self.query_one(ChatPane)

    @property
    def mounted(self) -> list[str]:
        """The questions that are mounted, from the top."""
        return [each._question for each in self.pane.query(Exchange)]


def turns(count: int) -> list[PastTurn]:
    return [
        PastTurn(f"Question {n}?", f"Answer {n} " + "with words " * (n % 9) + "\n\n- one\n- two", f"t{n}", n, 0)
        for n in range(count)
    ]


def text_rows(app: Chat) -> list[str]:
    """What stands on the screen, without the scroll bar."""
    return [row[:-1].rstrip() for row in screen_text(app).split("\n")]


async def quiet(pilot: Pilot[None], app: Chat) -> None:
    """Until nothing more is mounted by itself."""
    await until(pilot, lambda: not app.pane._looking and all(answer.settled for answer in app.pane.query(Answer)))
    await pilot.pause()


async def opened(pilot: Pilot[None], app: Chat, history: Sequence[PastTurn]) -> None:
    app.pane.open_history(history)
    await until(pilot, lambda: f"Answer {len(history) - 1} " in screen_text(app))
    await quiet(pilot, app)


@pytest.mark.parametrize("size", SIZES)
async def test_only_what_is_near_the_screen_is_mounted_of_a_long_session(size: tuple[int, int]) -> None:
    app = Chat()
    async with app.run_test(size=size) as pilot:
        await opened(pilot, app, turns(5000))
        assert 2 <= len(app.mounted) <= 20
        assert app.mounted == [f"Question {n}?" for n in range(5000 - len(app.mounted), 5000)]
        assert app.pane.scroll_y == app.pane.max_scroll_y
        assert app.pane.max_scroll_y >= app.pane.size.height, "there is a screen to scroll up to"


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_read_keeps_its_place_while_more_is_mounted_above_it(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Chat()
    async with app.run_test(size=size) as pilot:
        await opened(pilot, app, turns(5000))
        monkeypatch.setattr(pane, "LOOK_S", 3600.0)  # it looks when it is told to
        app.pane.scroll_to(y=3, animate=False)
        await pilot.pause()
        seen, before = text_rows(app), len(app.mounted)
        app.pane._look_above()
        frames = []
        while len(app.mounted) == before or not all(answer.settled for answer in app.pane.query(Answer)):
            await pilot.pause(0.01)
            frames.append(text_rows(app))
        await pilot.pause()
        assert any("Question" in row for row in seen)
        assert {*map(tuple, frames), tuple(text_rows(app))} == {tuple(seen)}, "no frame shows anything else"
        assert app.pane.scroll_y > 3


async def test_scrolling_up_leads_to_the_first_question() -> None:
    app = Chat()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, turns(40))
        app.pane.focus()
        while app.mounted[0] != "Question 0?" or app.pane.scroll_y > 0:
            app.pane.scroll_to(y=0, animate=False)
            await quiet(pilot, app)
        assert app.mounted == [f"Question {n}?" for n in range(40)]
        assert "Question 0?" in screen_text(app)
        assert "earlier questions" not in screen_text(app)


async def test_keys_scroll_up_and_mount_more() -> None:
    app = Chat()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, turns(40))
        before = len(app.mounted)
        app.pane.focus()
        await pilot.press("home")
        await until(pilot, lambda: len(app.mounted) > before)
        await quiet(pilot, app)
        assert app.pane.scroll_y > 0, "what was at the top is still read"


async def test_no_more_are_mounted_than_may_be_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pane, "MOST", 12)
    app = Chat()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, turns(5000))
        for _ in range(6):
            app.pane.scroll_to(y=0, animate=False)
            await quiet(pilot, app)
        assert len(app.mounted) == 12
        assert "4,988 earlier questions above" in screen_text(app)


async def test_a_new_question_is_at_the_end_and_what_scrolling_had_mounted_can_be_mounted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pane, "KEPT", 3)
    app = Chat()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, turns(30))
        app.pane.scroll_to(y=0, animate=False)
        await quiet(pilot, app)
        with monkeypatch.context() as meanwhile:  # nothing more is mounted before it is looked at
            meanwhile.setattr(ChatPane, "_mount_above", lambda _pane: None)
            app.pane.begin("And now?")
            await until(pilot, lambda: app.mounted == ["Question 28?", "Question 29?", "And now?"])
            await pilot.pause()
            assert app.pane.scroll_y == app.pane.max_scroll_y
        app.pane.scroll_to(y=0, animate=False)
        app.pane._look_above()
        await until(pilot, lambda: len(app.mounted) > 3)
        await quiet(pilot, app)
        assert app.mounted[-4:] == ["Question 27?", "Question 28?", "Question 29?", "And now?"]


async def test_a_conversation_that_is_forgotten_leaves_nothing_above() -> None:
    app = Chat()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, turns(500))
        app.pane.forget()
        await until(pilot, lambda: "Ask, and watch" in screen_text(app))
        assert app.mounted == []
        assert "earlier questions" not in screen_text(app)
        await opened(pilot, app, turns(3))
        assert app.mounted == ["Question 0?", "Question 1?", "Question 2?"]


async def test_a_conversation_can_be_forgotten_at_any_moment_while_it_is_being_mounted() -> None:
    app = Chat()
    async with app.run_test(size=(80, 24)) as pilot:
        for moment in range(80):
            app.pane.open_history(turns(20))
            for _ in range(moment):
                await asyncio.sleep(0)
            app.pane.forget()
        await opened(pilot, app, turns(3))
        assert app.mounted == ["Question 0?", "Question 1?", "Question 2?"]
