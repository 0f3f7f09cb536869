"""The part of the live cockpit that talks: sending, commands, asking again, sessions and memories."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from textual import work
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import OptionList

from engine.errors import EngineError, classify
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.board_screen import BoardScreen
from tinyllm_tui.slash import SlashCommands
from tinyllm_tui.slash_text import without_escape
from tinyllm_tui.widgets.board import Frame
from tinyllm_tui.widgets.chat.prompt import Prompt
from tinyllm_tui.widgets.sessions_pane import SessionsPane

if TYPE_CHECKING:
    from tinyllm_tui.widgets.chat.footer import AnswerFooter
    from tinyllm_tui.widgets.chat.history import PastTurn

WAITS = "One question at a time, esc cancels"
_NOT_IN_NAMES = re.compile(r"[^\w-]+")


class ConversationScreen(BoardScreen):
    """What the prompt and its commands do."""

    def on_mount(self) -> None:
        self._slash = SlashCommands(self)
        self._looking = False
        if self.board.prompt is not None:
            self.board.prompt.complete_with(self._slash.complete, self.cockpit.signs)

    @property
    def _prompt(self) -> Prompt:
        assert self.board.prompt is not None  # noqa: S101 - the live board has one
        return self.board.prompt

    # -- sending -----------------------------------------------------------------------------------------------------

    def on_text_area_changed(self) -> None:
        """Keep the draft. Where a command begins, read the names that may follow it."""
        self.cockpit.drafts.keep()
        slash = self._prompt.text.startswith("/")
        if slash and not self._looking:
            self.run_worker(self._look(), group="slash names", exclusive=True, exit_on_error=False)
        self._looking = slash

    async def _look(self) -> None:
        await self._slash.look()
        self._prompt.suggest()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A click on a suggestion."""
        event.stop()
        self._prompt.accept()

    def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        event.stop()
        if self._slash.take(event.question, event.shown):
            return
        question, shown = without_escape(event.question), without_escape(event.shown)
        edited = self.cockpit.conversation.editing
        if edited is not None:
            self.leave_edit()
            self._work(self._resend(edited, question, shown))
        elif self.cockpit.conversation.busy:
            self.give_back(event.shown)
            self._title_prompt(WAITS)  # a toast would cover what is kept
        else:
            self.cockpit.conversation.ask(question, shown)

    def on_prompt_paged(self, event: Prompt.Paged) -> None:
        """Read in the conversation without leaving the prompt."""
        event.stop()
        chat = self.board.chat
        if event.step < 0:
            chat.action_page_up()
        elif event.step > 0:
            chat.action_page_down()
        else:
            chat.action_bottom()

    async def _resend(self, turn: PastTurn, question: str, shown: str) -> None:
        if not await self.cockpit.conversation.resend(turn, question, shown):
            self.give_back(shown)

    def give_back(self, shown: str) -> None:
        """What was sent was not taken: it stands in the prompt again."""
        self._prompt.give_back(shown)

    def _work(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something that may be refused; why is said."""

        async def said() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends here as a message and not as a traceback
                known = classify(error)
                words = one_line(f"{known.message} {known.remedy}".strip(), 600)
                self.notify(words, severity="error", markup=False)

        self.run_worker(said(), group="conversation", exit_on_error=False)

    def action_write(self, text: str) -> None:
        """Begin a command in the prompt."""
        self.action_prompt()
        self._prompt.write(text)

    def action_again(self) -> None:
        """Ask the selected question, else the latest, once more."""
        self._work(self.cockpit.conversation.again(self.board.chat.selected))

    def action_edit_question(self) -> None:
        """Put the selected question, else the latest, into the prompt; what is sent then is asked in its place."""
        conversation = self.cockpit.conversation
        if conversation.busy:
            self.notify("A run goes on; Esc cancels it.", severity="warning")
        elif conversation.begin_edit(self.board.chat.selected) and conversation.editing is not None:
            self._prompt.begin_edit(conversation.editing.question)
            self._mark_editing()
            self.action_prompt()
        else:
            self.notify("There is no question to edit yet.", severity="warning")

    def leave_edit(self) -> bool:
        """Stop editing a question; the draft from before it is back. False where none is edited."""
        if self.cockpit.conversation.editing is None:
            return False
        self.cockpit.conversation.editing = None
        self._prompt.leave_edit()
        self._mark_editing()
        return True

    def _mark_editing(self) -> None:
        self._title_prompt(_editing_words(self.cockpit.conversation.editing))

    def _title_prompt(self, words: str) -> None:
        """Say something on the frame of the prompt."""
        frame = self._prompt.parent
        if isinstance(frame, Widget):
            frame.border_title = words

    def name_session(self) -> None:
        """Say on the frame of the chat which session this is."""
        session = self.cockpit.conversation.session
        self.query_one("#frame-chat", Frame).summarise("" if session is None else session.name)

    # -- sessions ----------------------------------------------------------------------------------------------------

    def action_new_session(self) -> None:
        self.begin_anew("")

    def begin_anew(self, name: str) -> None:
        """An empty conversation; the session begins with the next question."""
        if self.cockpit.conversation.begin_anew(name):
            self.cockpit.life.show_nothing()
            self.board.chat.forget()
            self.action_prompt()
        else:
            self.notify("A run goes on; Esc cancels it.", severity="warning")

    def action_sessions(self) -> None:
        from tinyllm_tui.screens.sessions import SessionsScreen

        self.app.push_screen(SessionsScreen())

    def action_sidebar(self) -> None:
        """Show the sessions beside the panes and go there, or hide them."""
        self._sidebar = not self.has_class("-sidebar")
        self.arrange_sides(self.size)
        if self._sidebar:
            self.call_after_refresh(self.set_focus, self.query_one(SessionsPane))
        elif self.query_one(SessionsPane).has_focus:
            self.action_prompt()

    def arrange_sides(self, size: Size) -> None:
        """As on every board; sessions that come into sight are read."""
        shown = self.has_class("-sidebar")
        super().arrange_sides(size)
        if not shown:
            self.list_sessions()

    def list_sessions(self) -> None:
        """Read the sessions that stand beside the panes, where these are shown."""
        if self.has_class("-sidebar"):
            self._list_sessions()

    # decorated: a coroutine given to `run_worker` is left unawaited where the next one comes before it begins
    @work(group="sessions", exclusive=True, exit_on_error=False)
    async def _list_sessions(self) -> None:
        with contextlib.suppress(EngineError):  # the list of sessions says what is wrong; this one only stays as it is
            rows = await (await self.cockpit.opened()).sessions()
            session = self.cockpit.conversation.session
            current = "" if session is None else session.id
            self.query_one(SessionsPane).show([row for row in rows if row.messages or row.id == current], current)

    def on_sessions_pane_chosen(self, event: SessionsPane.Chosen) -> None:
        self._work(self._go_on_with(event.session))

    async def _go_on_with(self, session: str) -> None:
        current = self.cockpit.conversation.session
        if (current is not None and current.id == session) or await self.cockpit.conversation.resume(session):
            self._leave_sidebar()

    def on_sessions_pane_new(self) -> None:
        self._leave_sidebar()
        self.begin_anew("")

    def on_sessions_pane_left(self) -> None:
        self._leave_sidebar()

    def _leave_sidebar(self) -> None:
        """To the prompt; where the sessions took the place of the panes these are back."""
        if self.has_class("-narrow"):
            self._sidebar = None
            self.arrange_sides(self.size)
        self.action_prompt()

    def action_export(self) -> None:
        self._work(self.export_to("md", ""))

    async def export_to(self, form: str, name: str) -> None:
        """Write this session to a file.

        Raises:
            EngineError: it has not begun, or the file is there already or cannot be written.
        """
        from tinyllm_tui.cli.transfer import write_lines

        row = self.cockpit.conversation.begun()
        engine = await self.cockpit.opened()
        document: Literal["markdown", "json"] = "json" if form == "json" else "markdown"
        text = await engine.export_session(row.id, document)
        file = _file_of(name, row.name, form)
        await write_lines(_as_bytes(text), file, force=False)
        self.notify(one_line(f"This session is in {file}.", 300), markup=False)

    # -- memories ----------------------------------------------------------------------------------------------------

    def action_memories(self) -> None:
        self.open_memories("")

    def open_memories(self, words: str, chosen: int | None = None) -> None:
        """The memories, of which those that the latest answer was told come first."""
        from tinyllm_tui.screens.memories import MemoriesScreen

        self.app.push_screen(MemoriesScreen(self.cockpit.live.view.recalled, words, chosen))

    def on_answer_footer_memory_opened(self, event: AnswerFooter.MemoryOpened) -> None:
        event.stop()
        self.open_memories("", event.number)

    # -- graphs ------------------------------------------------------------------------------------------------------

    def graph_names(self) -> list[str]:
        """Graphs that can be named: the person's own, and the shipped ones."""
        from engine.graph.shipped import shipped_graphs

        return sorted({*self.cockpit.own_graphs(), *shipped_graphs()})

    async def choose_graph(self, name: str) -> None:
        """Let another graph answer from the next question on.

        Raises:
            EngineError: there is no such graph, or it is none; the one before stays.
        """
        own = self.cockpit.own_graphs().get(name)
        await self.cockpit.graph_choice.choose(name if own is None else str(own))


def _editing_words(turn: PastTurn | None) -> str:
    """What stands on the frame of the prompt while a question is edited."""
    if turn is None:
        return ""
    return f"edit {f'#{turn.number} ' if turn.number is not None else ''}and send again, esc leaves"


def _file_of(name: str, session: str, form: str) -> Path:
    """The file that is named; else one in the current folder, called after the session."""
    stem = _NOT_IN_NAMES.sub("-", session).strip("-") or "session"
    return (Path(name).expanduser() if name else Path(f"{stem}.{form}")).absolute()


async def _as_bytes(text: str) -> AsyncIterator[bytes]:
    for line in text.splitlines(keepends=True):
        yield line.encode()
