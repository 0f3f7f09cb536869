"""The cockpit app: wiring only."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.filter import Monochrome, NoColor
from textual.notifications import SeverityLevel
from textual.scrollbar import ScrollBar

from tinyllm_tui import themes
from tinyllm_tui.approvals import Approvals
from tinyllm_tui.attention import Attention
from tinyllm_tui.backend_watch import BackendWatch
from tinyllm_tui.bookmarks import Bookmarks
from tinyllm_tui.clipboard import copy_to_system
from tinyllm_tui.commands import CockpitCommands, scopes_of
from tinyllm_tui.comparing import Comparing
from tinyllm_tui.conversation import Conversation
from tinyllm_tui.draft_keeper import DraftKeeper
from tinyllm_tui.engine_life import EngineLife
from tinyllm_tui.engine_port import CockpitEngine, LoadGraph, OpenEngine
from tinyllm_tui.exports import Exports
from tinyllm_tui.face_config import NotifyConfig
from tinyllm_tui.graph_choice import GraphChoice
from tinyllm_tui.graph_watch import Revision
from tinyllm_tui.keymap import bindings, restore_alt_digits
from tinyllm_tui.keymap_choice import DEFAULT_KEYS, Keymap
from tinyllm_tui.live import FRAME, Live
from tinyllm_tui.offers import Offers
from tinyllm_tui.opener import Opener
from tinyllm_tui.past import PastRuns
from tinyllm_tui.pulls import Pulls
from tinyllm_tui.run_watch import RunWatch
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.screens.cockpit import CockpitScreen
from tinyllm_tui.stylesheet import KeepingStylesheet
from tinyllm_tui.theme_choice import ThemeChoice
from tinyllm_tui.themed_app import ThemedApp
from tinyllm_tui.widgets.chat.pane import ChatPane
from tinyllm_tui.widgets.chat.prompt import Prompt
from tinyllm_tui.widgets.graph_view import drawn
from tinyllm_tui.widgets.lines import PlainScrollBar, ThinScrollBar
from tinyllm_tui.widgets.status import BackendState
from tinyllm_tui.words import glyphs

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel
    from textual.screen import Screen

    from engine.graph.spec import GraphSpec
    from tinyllm_tui.alerts import Alerts
    from tinyllm_tui.face_config import AlertRule
    from tinyllm_tui.settings_desk import SettingsDesk

_LOW = 20
"""Rows below which there is room for one toast alone."""


def _load_graph(name: str) -> GraphSpec:
    import engine

    return engine.load_graph(name)


class CockpitApp(ThemedApp):
    """The cockpit.

    Args:
        open_engine: makes the context manager of the engine; entered after the first paint, left when the app ends.
        graph_name: a shipped graph or a file.
        theme: name of a theme.
        ascii_only: draw with ASCII characters alone.
        load_graph: replaces `engine.load_graph`.
        pause: replaces `asyncio.sleep` between two looks at the graph's files.
        user_themes: where the person's themes are; default: `themes` in the configuration folder.
        user_graphs: where the person's graphs are.
        session: id or name of the session to go on with; default: the one that was used last.
        fresh: begin a new session instead.
        keys: the keys that the person changed.
        replay: a run to open first: the file of an exported one, or the number or id of one that is here.
        desk: the settings of this start, and changing them; None: they cannot be changed.
        first_run: whether the person is shown what was found, and one question to try.
        alerts: bounds of which the person wants to be told.
    """

    TITLE = "tinyllm"
    CSS_PATH = "app.tcss"
    COMMANDS: ClassVar = {CockpitCommands}
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("app"))
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(
        self,
        open_engine: OpenEngine,
        graph_name: str,
        theme: str = themes.DEFAULT,
        ascii_only: bool = False,
        *,
        load_graph: LoadGraph | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        user_themes: Path | None = None,
        user_graphs: Path | None = None,
        session: str | None = None,
        fresh: bool = False,
        keys: Keymap = DEFAULT_KEYS,
        replay: str = "",
        desk: SettingsDesk | None = None,
        first_run: bool = False,
        alerts: Sequence[AlertRule] = (),
    ) -> None:
        super().__init__()
        self.stylesheet = KeepingStylesheet(variables=self.get_css_variables())
        restore_alt_digits()
        ScrollBar.renderer = PlainScrollBar if ascii_only else ThinScrollBar
        if self.no_color:  # Textual would draw in shades of grey, which are colours too
            self._filters = [each for each in self._filters if not isinstance(each, Monochrome)]
            self._filters.append(NoColor())
        self.ascii_only = ascii_only
        self.set_class(ascii_only, "-ascii")
        self.signs = glyphs(ascii_only)
        self.keys = keys
        self.set_keymap(dict(keys.keys))
        self.desk = desk
        self._first_run = first_run
        self.breaker_limits = None if desk is None else desk.loaded.settings.breaker
        told = NotifyConfig(how="off") if desk is None else desk.loaded.settings.notify
        titled = desk is not None and desk.loaded.settings.title
        self.attention = Attention(self._to_terminal, self.signs, title=titled, notify=told)
        self.backend_state = BackendState()
        self.backend_watch = BackendWatch(self.backend_state, self.notice)
        self.conversation = Conversation(self)
        self.drafts = DraftKeeper(self)
        self.approvals = Approvals(self, self.signs)
        self.past = PastRuns(self)
        self.pulls = Pulls(self)
        self.offers = Offers(self)
        self.opener = Opener(self)
        self.bookmarks = Bookmarks(None)
        self.comparing = Comparing(self)
        self.exports = Exports(self)
        self.run_watch = RunWatch(self, alerts)
        self.life = EngineLife(self, open_engine, session=session, fresh=fresh, replay=replay)
        self.load_graph = load_graph or _load_graph
        self.graph_choice = GraphChoice(self, graph_name, self.load_graph, pause)
        self.theme_choice = ThemeChoice(self, theme, user_themes or themes.user_folder())
        self._user_graphs = user_graphs
        self._told_problem = ""
        self._busy = False
        self._cockpit = CockpitScreen()
        self._welcome: Screen[None] | None = None

    # -- what screens read -------------------------------------------------------------------------------------------

    @property
    def live(self) -> Live:
        """What the live panes show."""
        return self.life.live

    @property
    def engine(self) -> CockpitEngine | None:
        """The engine, once it is open."""
        return self.life.engine

    async def opened(self) -> CockpitEngine:
        """The open engine, once it is there.

        Raises:
            EngineError: it cannot be opened.
        """
        return await self.life.opened()

    @property
    def number(self) -> int | None:
        """Number of the transaction that is shown; None where it has none."""
        return self.live.view.number or None

    @property
    def recorded(self) -> bool:
        """Whether runs are written to the database; false where it belongs to another process."""
        return self.engine is None or not self.engine.read_only

    @property
    def upcoming(self) -> Revision | None:
        """The graph that the next run uses."""
        return self.graph_choice.revision

    @property
    def graph_shown(self) -> str:
        """Title of the graph that is drawn: the run's own, else the one that the next run uses."""
        graph = drawn(self.live.view, self.upcoming).graph
        return str(graph.get("name") or graph.get("id") or self.graph_choice.title)

    @property
    def chat(self) -> ChatPane:
        return self._cockpit.board.chat

    @property
    def prompt(self) -> Prompt:
        """Where questions are typed."""
        prompt = self._cockpit.board.prompt
        assert prompt is not None  # noqa: S101 - the live board has one
        return prompt

    @property
    def banner(self) -> tuple[str, str]:
        """(message, kind) of what is wrong now, and is not said below the latest question already."""
        failure = self.life.failure or (self.graph_choice.error if self.upcoming is None else None)
        if failure is not None:
            return f"{failure.message} {failure.remedy}".strip(), "error"
        offline = self.backend_state
        if offline.status == "offline" and not self.chat.says(offline.detail, offline.remedy):
            return f"{offline.detail} {offline.remedy}".strip(), "error"
        if self.live.view.paused:
            return f"The run waits: {self.live.view.paused}", "warning"
        if self._store_problem:  # a run that begins or ends just now waits for it and cannot say so in an event
            return f"Nothing can be recorded now, and runs wait for it: {self._store_problem}", "warning"
        return "", "error"

    @property
    def _store_problem(self) -> str:
        return "" if self.engine is None else self.engine.store_problem

    @property
    def waiting_for(self) -> str:
        return "opening the engine" if self.engine is None else f"waiting for the model ({self.backend_state.status})"

    @property
    def leaving(self) -> bool:
        """Whether the app is about to end, so that what still runs is rolled back."""
        return self.life.leaving

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    # -- life --------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.theme_choice.read()
        self._tell_of_keys()
        self.push_screen(self._cockpit)
        if self._first_run:
            from tinyllm_tui.screens.first_run import FirstRunScreen

            self._welcome = FirstRunScreen()
            self.push_screen(self._welcome)
        self.set_interval(FRAME, self._tick)
        self.call_after_refresh(self.life.begin)
        self.run_worker(self.theme_choice.watch(), group="themes", exclusive=True, exit_on_error=False)

    def on_app_focus(self) -> None:
        self.attention.focused = True

    def on_app_blur(self) -> None:
        self.attention.focused = False

    def _to_terminal(self, sequence: str) -> None:
        """Write what is no part of the screen."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    def use_keys(self, keys: Keymap) -> None:
        """Other keys from now on."""
        self.keys = keys
        self.set_keymap(dict(keys.keys))
        self._tell_of_keys()

    def _tell_of_keys(self) -> None:
        """Say what of the person's keys cannot count."""
        if self.keys.problems:
            more = f" And {len(self.keys.problems) - 1} more: tinyllm-tui keys." if len(self.keys.problems) > 1 else ""
            self.notify(f"{self.keys.problems[0]}{more}", title="Keys", severity="warning", timeout=15, markup=False)

    async def on_unmount(self) -> None:
        self.life.leave()
        await self.drafts.close()
        await self.life.closed()

    def own_graphs(self) -> dict[str, Path]:
        """Name -> file of the person's own graphs."""
        from engine.graph.shipped import graphs_in

        return {} if self._user_graphs is None else graphs_in(self._user_graphs)

    def meet_backend(self) -> None:
        """Make the graph's models ready, and say which they are."""
        if self.engine is not None:
            self.run_worker(self._meet_backend(self.engine), group="backend", exclusive=True, exit_on_error=False)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Say something in a toast; the logs keep it. Its words may come from anywhere, and are never markup."""
        del markup
        words = sanitize(message)
        self.run_watch.said(words, title, severity)
        if self.size.height < _LOW:
            self.clear_notifications()  # they would cover most of the pane
        super().notify(words, title=one_line(title), severity=severity, timeout=timeout, markup=False)

    @property
    def alerts(self) -> Alerts:
        """The alerts, and which of them are raised."""
        return self.run_watch.alerts

    def withdraw(self, title: str) -> None:
        """Take back what was said under `title`."""
        for earlier in [each for each in self._notifications if each.title == title]:
            self._unnotify(earlier)

    async def _meet_backend(self, engine: CockpitEngine) -> None:
        await self.backend_watch.meet(engine, self.upcoming.graph if self.upcoming is not None else None)
        self.draw()

    def notice(self, words: str) -> None:
        """Something that the engine noticed and the person should know."""
        self.notify(words, severity="warning", timeout=15, markup=False)

    def warm(self) -> None:
        """Load the models of the graph that will answer: a question is being typed."""
        if self.engine is not None and self.upcoming is not None:
            self.engine.warm(self.upcoming.graph)

    def _tick(self) -> None:
        if self.life.pump is not None:
            live = self.live
            cooling = any(b.state == "open" for b in live.breakers.values())
            told, self._told_problem = self._told_problem, self._store_problem
            ended = self._busy and not self.conversation.busy  # which changes what is possible
            self._busy = self.conversation.busy
            moving = self._busy or ended or self.pulls.busy or cooling or told != self._told_problem
            self.life.pump.tick(moving=moving)
        elif self.conversation.busy:
            self.draw()

    def draw(self) -> None:
        """Draw what changed; a cockpit behind another screen is drawn when it comes back."""
        if not self.screen_stack:
            return  # on its way out: a breaker that cools down, or a run that ends, wants to be drawn still
        self._take_backend()
        self.attention.see(self.live.view)
        self.backend_state.pull = self.pulls.mark
        self.backend_state.alerts = self.run_watch.mark
        if self._cockpit_seen:
            self._cockpit.flush()

    @property
    def _cockpit_seen(self) -> bool:
        """Whether nothing stands over the cockpit, or only what lets it be seen while it goes on."""
        return self.screen in (self._cockpit, self._welcome) or self.approvals.over(self._cockpit)

    def _take_backend(self) -> None:
        if self.engine is not None:
            self.backend_watch.tell(self.engine)
        if self.backend_watch.take(self.live.backend):
            self.meet_backend()

    # -- actions -----------------------------------------------------------------------------------------------------

    def action_help(self) -> None:
        from tinyllm_tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.signs, self.keys, scopes_of(self.screen)))

    def action_open_run(self) -> None:
        """Replay an exported run from its file."""
        self.past.ask_for_file()

    def action_command_palette(self) -> None:
        """Textual's palette, with words of our own above it."""
        from textual.command import CommandPalette

        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder="Search every command", id="--command-palette"))

    def action_jump(self) -> None:
        """Go to something in sight by a letter."""
        from tinyllm_tui.screens.jump import JumpScreen, jump

        if not isinstance(self.screen, JumpScreen):
            jump(self.screen)

    def cancel_run(self) -> bool:
        """Cancel what is being answered, and say so; false when nothing is."""
        words = self.conversation.cancel()
        if words:
            self.notify(words)
        return bool(words)

    def copy_to_clipboard(self, text: str) -> None:
        """Copy through the terminal (OSC 52), and through the system's clipboard where there is one."""
        super().copy_to_clipboard(text)
        self.run_worker(copy_to_system(text, os.environ), group="clipboard", exclusive=True, exit_on_error=False)

    def action_interrupt(self) -> None:
        """Ctrl+C, in the place of Textual's own advice."""
        if not self.cancel_run():
            self.notify("Nothing is being answered. Ctrl+Q quits.")

    def models_changed(self) -> None:
        """A model came or went, or another one was chosen: say which models the graph has now."""
        self.meet_backend()
        from tinyllm_tui.screens.models import ModelsScreen

        for screen in self.screen_stack:
            if isinstance(screen, ModelsScreen):
                screen.look()

    def show_live(self) -> None:
        """Leave every screen above the live panes."""
        while self.screen is not self._cockpit:
            self.pop_screen()

    def action_use_theme(self, name: str) -> None:
        self.theme = name

    def action_next_theme(self) -> None:
        """The next of our themes and the person's own."""
        self.theme_choice.next()
