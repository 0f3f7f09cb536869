"""The selected row of a list has a sign."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.content import Content
from textual.widgets.option_list import Option

from tests.tui.test_cockpit import text_of
from tinyllm_tui.widgets.marked_list import MarkedList
from tinyllm_tui.words import ASCII


class _ListApp(App[None]):
    def compose(self) -> ComposeResult:
        yield MarkedList(*(Option(Content(words)) for words in ("keep it where it is", "remove")), signs=ASCII)


async def test_the_first_line_of_the_selected_row_has_a_sign_and_no_other_line_has() -> None:
    app = _ListApp()
    async with app.run_test(size=(18, 6)) as pilot:

        def marks() -> list[bool]:
            return [">" in line for line in text_of(app).split("\n") if line.strip(" │▊▎▔▁")]

        await pilot.press("home")
        assert marks() == [True, False, False]
        await pilot.press("down")
        assert marks() == [False, False, True]
