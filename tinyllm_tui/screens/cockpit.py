"""The live cockpit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize, ScreenResume

from engine.errors import EngineError
from engine.view import View
from tinyllm_tui.jump_targets import Target
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.conversation_screen import ConversationScreen
from tinyllm_tui.widgets.board import Board, Moment, Tabs
from tinyllm_tui.widgets.breakers import LIMITS, BreakersPane
from tinyllm_tui.widgets.chat.pane import ChatPane, Remark
from tinyllm_tui.widgets.chat.prompt import Prompt
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.sessions_pane import SessionsPane
from tinyllm_tui.widgets.status import Banner, StatusLine


class CockpitScreen(ConversationScreen):
    """Chat and panes of the run that goes on."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("cockpit", "panes", "everywhere"))

    def compose(self) -> ComposeResult:
        self.take_size()
        app = self.cockpit
        self.board = Board(app.signs, ascii_only=app.ascii_only, prompt=True)
        self.board.breakers.limits = app.breaker_limits or LIMITS
        self._status_line = StatusLine(id="status")
        self._banner = Banner(id="banner")
        self._possible: object = None
        """What the footer depends on, as it was when that was drawn."""
        yield self._status_line
        yield self._banner
        yield Tabs(app.signs)
        with Horizontal(id="body"):
            with Vertical(id="sidebar", classes="frame") as frame:
                frame.border_title = "Sessions"
                yield SessionsPane(app.signs, id="sessions")
            yield self.board
        yield Footer()

    def on_mount(self) -> None:
        self.board.chat.keys = self.cockpit.keys
        self.board.chat.read_view = self._past_view
        self._begin_in_prompt()
        self.flush()

    def _begin_in_prompt(self) -> None:
        """Nothing behind the dialog of the first start looks as if it took the keys."""
        if self.is_active and self.focused is None:
            self.action_prompt()

    def on_resize(self, _event: Resize) -> None:
        self.call_after_refresh(self.flush)

    async def _past_view(self, tx: str) -> View:
        return await (await self.cockpit.opened()).view(tx)

    def moment(self) -> Moment:
        app = self.cockpit
        live = app.live
        return Moment(live.view, live.breakers, app.number, app.wall_ms(), app.upcoming, live.stands)

    def footer_words(self, action: str, words: str) -> str:
        """As on every board; Esc is named after what it does now, and questions are asked again where there is one."""
        app = self.cockpit
        if action == "leave":
            return self._leave_words()
        if action == "fork":
            return words if app.live.view.finished and app.number is not None else ""
        if action == "parent":
            return words if app.live.view.parent is not None else ""
        if action in ("again", "edit_question"):
            return words if app.conversation.asked and not app.conversation.busy else ""
        if action == "open_found":
            return words if app.past.found else ""
        return super().footer_words(action, words)

    def _leave_words(self) -> str:
        if self.cockpit.conversation.busy:
            return "cancel"
        if self.cockpit.conversation.editing:
            return "leave the edit"
        if self.has_class("-zoomed"):
            return "all panes"
        prompt = self.board.prompt
        return "panes" if prompt is not None and self.focused is prompt else ""  # `has_focus` follows a moment later

    def _see_what_is_possible(self) -> None:
        """Draw the footer anew where something became possible, or is not any more."""
        talk, view, found = self.cockpit.conversation, self.cockpit.live.view, self.cockpit.past.found
        now = (
            talk.busy, talk.editing, bool(talk.asked), talk.session, bool(found), view.tx, view.status,
        )  # fmt: skip
        if now != self._possible:
            self._possible = now
            self._mark_editing()
            self.query_one(Footer).look()
            self.list_sessions()

    def flush(self) -> None:
        """Draw everything that changed."""
        if not self.is_mounted or not self._status_line.is_attached:
            return  # not there yet, or the app is on its way out
        app = self.cockpit
        live, moment = app.live, self.moment()
        with app.batch_update():
            self._status_line.show(
                app.graph_shown,
                app.backend_state,
                live.view,
                app.number,
                moment.elapsed_ms,
                app.signs,
                recorded=app.recorded,
                broken=app.graph_choice.broken,
            )
            self._banner.say(*app.banner)
            self.board.show(moment, conversation=False)
            app.conversation.show(moment)
            self.name_session()
            self._see_what_is_possible()

    def on_screen_resume(self, _event: ScreenResume) -> None:
        self._begin_in_prompt()
        self.call_after_refresh(self.flush)
        self.list_sessions()

    def jump_targets(self) -> Iterator[Target]:
        """As on every board, and the parts of the status line."""
        yield from super().jump_targets()
        yield from self._status_line.jump_targets(partial(self.call_next, self.run_action))

    async def on_status_line_clicked(self, event: StatusLine.Clicked) -> None:
        await self.run_action(event.action)

    def on_prompt_begun(self, event: Prompt.Begun) -> None:
        event.stop()
        self.cockpit.warm()

    def on_remark_opened(self, event: Remark.Opened) -> None:
        self.cockpit.past.open(event.tx)

    def on_breakers_pane_forced(self, event: BreakersPane.Forced) -> None:
        """Set a breaker as the person says; the pane shows what came of it, as of every change."""
        engine = self.cockpit.engine
        if engine is None:
            return
        try:
            engine.force_breaker(event.key, event.mode)
        except EngineError as error:
            self.notify(one_line(f"{error.message} {error.remedy}", 600), severity="error", markup=False)

    def action_leave(self) -> None:
        """Cancel the run; else leave an edited question, the zoom, or the prompt, so that plain keys work.

        It never leads into the prompt, which would swallow the plain keys that follow.
        """
        prompt = self.board.prompt
        if self.cockpit.cancel_run() or self.leave_edit():
            return
        if self.has_class("-zoomed"):
            self.action_zoom()
        elif prompt is not None and prompt.has_focus:
            self.set_focus(self.board.chat)

    def action_fork(self) -> None:
        """Fork the selected answer, else the latest, from its beginning."""
        chosen = self.board.chat.selected
        view = self.cockpit.live.view
        tx, number = (view.tx, self.cockpit.number) if chosen is None else (chosen.tx, chosen.number)
        if chosen is None and not view.finished:
            self.notify("There is no answer to fork yet.", severity="warning")
        elif number is None or (chosen is not None and not self.cockpit.recorded):
            self.notify("This answer is not recorded, so it cannot be forked.", severity="warning")
        elif self.cockpit.conversation.busy and tx == view.tx:
            self.notify("This answer is still being written; Esc cancels it.", severity="warning")
        else:
            self.run_worker(self.cockpit.offers.fork_of(tx), group="fork", exclusive=True, exit_on_error=False)

    def on_chat_pane_opened(self, event: ChatPane.Opened) -> None:
        """Replay the selected message."""
        if event.turn.tx and event.turn.number is not None:
            self.cockpit.past.open(event.turn.tx)
        else:
            self.notify("This message is not recorded, so it cannot be replayed.", severity="warning")

    def action_parent(self) -> None:
        """Replay the run of which the latest answer is a fork."""
        view = self.cockpit.live.view
        if view.parent is None:
            self.notify("This run is no fork.", severity="warning")
        elif self.cockpit.number is None:
            self.notify(f"It is a fork of #{view.parent[0]}, which ^r lists.", severity="warning")
        else:
            self.cockpit.past.open_parent_of(view.tx)

    def action_open_found(self) -> None:
        self.cockpit.past.open_found()
