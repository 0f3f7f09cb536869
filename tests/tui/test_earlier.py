"""A long conversation in the chat pane: what is mounted of it, and what stays in its place when more is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from textual.app import ComposeResult
from textual.pilot import Pilot

from tests.tui.test_cockpit import screen_text, until
from tinyllm_tui.themed_app import ThemedApp
from tinyllm_tui.widgets.chat import transcript
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
        return [each.turn.question for each in self.pane.query(Exchange)]

    @property
    def blank(self) -> bool:
        """Whether a row of the screen belongs to a turn that is not mounted."""
        top, rows = self.pane.scroll_y, self.pane.size.height
        return any(
            each.region.overlaps(self.pane.region)
            for each in self.pane.query(transcript.Spacer)
            if each.size.height and top < self.pane.max_scroll_y + rows
        )


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
    before: object = None
    while before != (before := (app.mounted, app.pane.scroll_y)):
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
        monkeypatch.setattr(transcript, "LOOK_S", 3600.0)  # it looks when it is told to
        top = app.pane._above.size.height + 3
        app.pane.scroll_to(y=top, animate=False)
        await pilot.pause()
        seen, before = text_rows(app), app.mounted
        app.pane._look()
        frames = []
        while app.mounted == before or not all(answer.settled for answer in app.pane.query(Answer)):
            await pilot.pause(0.01)
            frames.append(text_rows(app))
        await pilot.pause()
        assert any("Question" in row for row in seen)
        assert {*map(tuple, frames), tuple(text_rows(app))} == {tuple(seen)}, "no frame shows anything else"
        assert app.mounted[0] != before[0]


async def test_every_turn_of_a_long_session_can_be_scrolled_to_and_few_are_mounted() -> None:
    app = Chat()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, turns(1000))
        app.pane.focus()
        await pilot.press("home")
        await until(pilot, lambda: "Question 0?" in screen_text(app))
        await quiet(pilot, app)
        assert app.mounted[0] == "Question 0?"
        assert app.pane.scroll_y == 0
        for share in (0.25, 0.5, 0.93):
            app.pane.scroll_to(y=round(app.pane.max_scroll_y * share), animate=False)
            await quiet(pilot, app)
            first, *others, last = app.mounted
            assert not app.blank
            assert last == "Question 999?", "the latest turn stays mounted"
            assert [first, *others] == [f"Question {n + int(first[9:-1])}?" for n in range(len(others) + 1)]
            assert len(app.mounted) <= 30
            assert abs(int(first[9:-1]) / 1000 - share) < 0.1, "the scroll bar tells where one is"
        await pilot.press("end")
        await quiet(pilot, app)
        assert "Answer 999 " in screen_text(app)


async def test_who_goes_to_the_top_is_there_although_turns_above_turn_out_to_be_higher() -> None:
    app = Chat()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, turns(200))
        app.pane.scroll_to(y=12, animate=False)
        await until(pilot, lambda: app.mounted[0] == "Question 0?")
        app.pane.scroll_to(y=0, animate=False)
        await quiet(pilot, app)
        assert app.pane.scroll_y == 0
        assert "Question 0?" in screen_text(app)


async def test_what_was_asked_here_goes_and_comes_back_as_it_was() -> None:
    app = Chat()
    async with app.run_test(size=(80, 24)) as pilot:
        first = app.pane.begin("short", "What was pasted in full")
        first.refuse("No such model.", "Fetch it.")
        await opened(pilot, app, turns(1))
        for n in range(30):
            app.pane.begin(f"More {n}").refuse("No.", "")
        await quiet(pilot, app)
        assert "What was pasted in full" not in app.mounted
        app.pane.scroll_to(y=0, animate=False)
        await quiet(pilot, app)
        assert app.mounted[:2] == ["Question 0?", "What was pasted in full"]
        assert "No such model." in screen_text(app)
        assert "short" in screen_text(app)
        app.pane.begin("And now?")
        await until(pilot, lambda: app.pane.scroll_y == app.pane.max_scroll_y and "And now?" in screen_text(app))
        await quiet(pilot, app)
        assert app.mounted[-2:] == ["More 29", "And now?"]
        assert not app.blank


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
