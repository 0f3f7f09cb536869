"""An answer as it grows: drafts, finished blocks, and texts that are taken back."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Markdown

from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, ask, text_of, until
from tinyllm_tui.themed_app import ThemedApp
from tinyllm_tui.widgets.chat.answer import Answer
from tinyllm_tui.widgets.chat.draft import draft_lines, finished_until
from tinyllm_tui.words import plain

TEXT = (
    "Reversing a **string** takes a slice with a step of minus one, which walks from the end to the beginning.\n\n"
    "Here it is:\n```python\ndef reverse(text):\n    return text[::-1]\n\n\nprint(reverse('abc'))\n```\n\n"
    "1. The step is `-1`\n2. and so it goes backwards\n\n   as far as there is text.\n3. Done.\n\n"
    "## Notes\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quoted\n> on two lines\n\n- one\n- two\n\n"
    "The end of it, on one more line that is long enough to be wrapped where the pane has sixty columns."
)


class AnswerApp(ThemedApp):
    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Answer()

    @property
    def answer(self) -> Answer:
        return self.query_one(Answer)


def screen_of(app: App[None]) -> str:
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


async def shown(pilot: Pilot[None]) -> str:
    """The screen when nothing is left to be done."""
    for _ in range(6):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
    return screen_of(pilot.app)


async def written(pieces: list[str], *, finished: bool = True, before: str = "") -> str:
    """The screen after a text was written by pieces."""
    app = AnswerApp()
    async with app.run_test(size=(60, 70)) as pilot:
        if before:
            app.answer.write(before, finished=False)
            await shown(pilot)
        for text in accumulate(pieces):
            app.answer.write(text, finished=False)
            await shown(pilot)
        app.answer.write("".join(pieces), finished=finished)
        return await shown(pilot)


@pytest.mark.parametrize("size", [7, 40, 150])
async def test_an_answer_written_by_pieces_ends_as_the_one_written_at_once(size: int) -> None:
    pieces = [TEXT[n : n + size] for n in range(0, len(TEXT), size)]
    at_once = await written([TEXT])
    for words in ("Reversing a string", "Here it is:", "print(reverse('abc'))", "as far as", "Notes", "on two lines"):
        assert words in at_once
    assert await written(pieces) == at_once


async def test_an_answer_that_is_being_written_shows_all_of_its_text() -> None:
    app = AnswerApp()
    async with app.run_test(size=(60, 70)) as pilot:
        for end in range(0, len(TEXT), 45):
            app.answer.write(TEXT[:end], finished=False)
            screen = await shown(pilot)
            for word in ("Reversing", "backwards", "def reverse(text):", "Notes", "quoted"):
                assert (word in screen) == (word in TEXT[:end])


async def test_a_text_that_is_taken_back_leaves_nothing_behind() -> None:
    assert await written(["Another answer.\n\nIn two parts."], before=TEXT[:400]) == await written(
        ["Another answer.\n\nIn two parts."]
    )
    empty = await written([""])
    assert await written([""], before=TEXT[:400]) == empty
    assert not empty.strip()


async def test_while_it_is_written_an_answer_never_gets_lower_and_grows_in_steps() -> None:
    app = AnswerApp()
    heights: list[int] = []
    async with app.run_test(size=(60, 70)) as pilot:
        for end in range(5, len(TEXT), 10):
            app.answer.write(TEXT[:end], finished=False)
            await shown(pilot)
            heights.append(app.answer.size.height)
        assert heights == sorted(heights)
        assert len(set(heights)) <= heights[-1] // 4
        assert app.query_one(Markdown).source.startswith("Reversing")


@given(st.lists(st.sampled_from(["word ", "\n", "\n\n", "```", "~~~\n", "```py\n", "- item\n", "  "]), max_size=20))
def test_what_is_finished_stays_finished_and_no_fence_is_cut(parts: list[str]) -> None:
    end = 0
    for text in accumulate(parts):
        following = finished_until(text, end)
        assert end <= following <= len(text)
        # found from where it was left off, or from the start: the same
        assert following == finished_until(text)
        end = following


def test_a_block_ends_with_a_blank_line_with_its_fence_or_where_a_fence_begins() -> None:
    assert finished_until("one\ntwo") == 0
    assert finished_until("one\n\ntwo") == len("one\n\n")
    assert finished_until("one\n```py\n\nx = 1\n\n") == len("one\n")
    assert finished_until("```\na\n```\nb") == len("```\na\n```\n")


def test_a_draft_looks_like_the_markdown_that_it_becomes() -> None:
    assert draft_lines("so **bold** and `code`, **unfin", 60) == [
        (
            ("so ", "text"),
            ("bold", "strong"),
            (" and ", "text"),
            ("code", "inline"),
            (", ", "text"),
            ("unfin", "strong"),
        )
    ]
    assert [plain(row).rstrip() for row in draft_lines("- aaa bbb ccc\n- d\n2. e", 9)] == [
        "• aaa",
        "  bbb ccc",
        "• d",
        " 2. e",
    ]
    assert [plain(row).rstrip() for row in draft_lines("```py\nx = 1", 20)] == ["", "  x = 1", ""]
    assert [plain(row) for row in draft_lines("2 ** 3\nis 8", 20)] == ["2 ** 3 is 8"]
    assert [plain(row) for row in draft_lines("2 * 3 * 4 is *24*", 20)] == ["2 * 3 * 4 is 24"]
    blocks = "one\nline\n\n\ntwo:\n- a\n\n- b\n\n## C\nthree\n```\nx\n```\nfour"
    assert [plain(row).rstrip() for row in draft_lines(blocks, 20)] == [
        "one line", "", "two:", "", "• a", "• b", "", "C", "", "three", "", "", "  x", "", "", "four",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [(120, 40), (60, 30)])
async def test_long_lines_of_code_are_shown_whole(size: tuple[int, int], tmp_path: Path) -> None:
    words = [f"word_{n:02}" for n in range(30)]
    engine = ScriptedEngine(answer=f"```python\ncall({', '.join(words)})\n```\n")
    app = app_of(engine, tmp_path)
    async with app.run_test(size=size, notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and all(word in text_of(app) for word in words))


def test_long_lines_of_code_are_wrapped_while_they_are_written() -> None:
    words = [f"word_{n:02}" for n in range(30)]
    rows = [plain(row) for row in draft_lines(f"```\n    {' '.join(words)}", 40)]
    assert all(len(row) == 40 for row in rows)
    assert rows[1].startswith("      word_00")
    assert " ".join(" ".join(rows).split()) == " ".join(words)
