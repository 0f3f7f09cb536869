"""What the live cockpit and a replay have in common: a board of panes, and the keys that move between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.events import DescendantFocus, Resize
from textual.geometry import Region, Size
from textual.widget import Widget

from tinyllm_tui.jump_targets import Target, focusable
from tinyllm_tui.sanitize import sanitize
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.widgets.board import INSPECTOR, Board, Frame, Moment, Tabs
from tinyllm_tui.widgets.chat.code_blocks import CodeBlock, code_blocks
from tinyllm_tui.widgets.graph_view import GraphPane
from tinyllm_tui.widgets.memory import MemoryPane
from tinyllm_tui.widgets.routed import last_decision
from tinyllm_tui.widgets.selection import NodeSelected
from tinyllm_tui.widgets.timeline import TimelinePane

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp


_WIDE, _TALL = 160, 30
"""Columns and rows from which on there is room beside the panes, as below."""


class BoardScreen(SafeScreen):
    """A screen with a board. Widths: narrow below 100 columns, wide from 160; short below 30 rows."""

    CSS_PATH = "board_screen.tcss"
    # not annotated as class variables, because Textual's base class does not declare them so
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (_WIDE, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (_TALL, "-tall")]  # noqa: RUF012
    AUTO_FOCUS = "#prompt"

    board: Board
    _inspector: bool | None = None
    """Whether the person wants the inspector; None: where there is room for it."""
    _sidebar: bool | None = None
    """The same of the sessions."""

    def take_size(self) -> None:
        """Take on the classes of the terminal's size, before anything is mounted.

        Textual does so with the first resize, but after it has arranged, styled and drawn a first frame without them.
        """
        size = self.app.size
        wide = max(each for each in self.HORIZONTAL_BREAKPOINTS if each[0] <= size.width)
        high = max(each for each in self.VERTICAL_BREAKPOINTS if each[0] <= size.height)
        self.add_class(wide[1], high[1])

    def moment(self) -> Moment:
        """What the board shows now."""
        raise NotImplementedError

    @property
    def cockpit(self) -> CockpitApp:
        """The app, by its own type."""
        return cast("CockpitApp", self.app)

    def footer_words(self, action: str, words: str) -> str:
        """What the footer says of an action; empty where it would do nothing now."""
        if action == "zoom":
            return "all panes" if self.has_class("-zoomed") else words
        if action == "copy_answer":
            latest = self.board.chat.latest
            return words if latest is not None and latest.answer_text else ""
        if action == "correct_route":
            return words if last_decision(self.moment().view) is not None else ""
        return words

    def reach(self, widget: Widget) -> None:
        """As everywhere; a pane that is not in sight is shown."""
        frame = next((node for node in widget.ancestors if isinstance(node, Frame)), None)
        if frame is None:
            super().reach(widget)
        else:
            self.action_pane(frame.number)

    def jump_targets(self) -> Iterable[Target]:
        """Panes by their numbers, the prompt, and what is above and beside them."""
        tabs = self.query_one(Tabs)
        known: list[Widget] = [frame for frame in self.board.query(Frame) if frame.is_on_screen]
        for frame in known:
            if isinstance(frame, Frame) and not tabs.display:
                yield Target(_on_border(frame), partial(self.action_pane, frame.number), str(frame.number))
        yield from tabs.jump_targets(self.action_pane)
        prompt = self.board.prompt
        if prompt is not None and prompt.is_on_screen:
            known.append(prompt)
            around = prompt.parent
            yield Target(_on_border(around if isinstance(around, Widget) else prompt), self.action_prompt, "p")
        for target in focusable(self):
            if not any(each.region.contains_region(target.region) for each in known):
                yield target

    def on_resize(self, _event: Resize) -> None:
        self.arrange_sides(self.size)

    def arrange_sides(self, size: Size) -> None:
        """Show or hide what stands beside the panes: as the person wants it, else where there is room."""
        wide, tall = size.width >= _WIDE, size.height >= _TALL
        self.set_class(wide and tall if self._inspector is None else self._inspector, "-inspector")
        self.set_class(wide if self._sidebar is None else self._sidebar, "-sidebar")
        self.set_class(self._sidebar is True, "-asked")

    def action_inspector(self) -> None:
        """Show the inspector or hide it; where one pane fits it is a screen of its own."""
        if self.has_class("-narrow"):
            self.inspect(self.board.inspected(self.moment()))
            return
        self._inspector = not self.has_class("-inspector")
        self.arrange_sides(self.size)
        if not self._inspector and self.board.current == INSPECTOR:
            self.action_pane(2)
        self.call_after_refresh(self.draw_again)

    def draw_again(self) -> None:
        """Bring the panes up to now: one of them was hidden."""
        self.board.show(self.moment(), conversation=False)

    def inspect(self, path: str) -> None:
        """Show what a node did."""
        from tinyllm_tui.screens.node_details import NodeScreen

        if path:
            self.app.push_screen(NodeScreen(path, self.moment, self.cockpit.signs))
        else:
            self.notify("No node is selected, and none has run yet.", severity="warning")

    def action_pane(self, number: int) -> None:
        if number == INSPECTOR:
            if self.has_class("-narrow"):
                self.action_inspector()
                return
            if not self.has_class("-inspector"):
                self.action_inspector()
        self.board.choose(number)
        self.query_one(Tabs).choose(number)
        # a pane that was hidden until now takes the focus only once it is displayed
        self.call_after_refresh(self.set_focus, self.board.pane(number))

    def action_next_pane(self, step: int) -> None:
        """The next stop: the prompt, then the panes by number."""
        stops = [0, 1, 2, 3, 4, 5] if self.board.prompt is not None else [1, 2, 3, 4, 5]
        if self.has_class("-inspector") and not self.has_class("-narrow"):
            stops.append(INSPECTOR)
        here = 0 if self.board.prompt is not None and self.board.prompt.has_focus else self.board.current
        following = stops[(stops.index(here) + step) % len(stops)]
        if following == 0:
            self.action_prompt()
        else:
            self.action_pane(following)

    def action_prompt(self) -> None:
        if self.board.prompt is not None:
            self.board.choose(1)
            self.query_one(Tabs).choose(1)
            self.call_after_refresh(self.set_focus, self.board.prompt)

    def action_open(self, name: str) -> None:
        """A screen beside the panes."""
        self.cockpit.opener.open(name)

    def action_compare(self) -> None:
        """Choose two runs to compare."""
        self.cockpit.comparing.choose()

    def action_export_run(self) -> None:
        """Write the run that is shown to a file."""
        tx = self.moment().view.tx
        if tx:
            self.cockpit.exports.offer(tx)
        else:
            self.notify("No run is shown yet.", severity="warning")

    def action_scroll(self, step: int) -> None:
        """Scroll the pane that has the focus, with the keys of a preset too."""
        if self.focused is not None:
            self.focused.scroll_relative(y=step, animate=False)

    def action_zoom(self) -> None:
        self.toggle_class("-zoomed")
        self.refresh_bindings()

    def action_copy_answer(self) -> None:
        """Copy the selected answer, else the latest."""
        turn = self.board.chat.message
        if turn is None or not turn.answer:
            self.notify("There is no answer to copy yet.", severity="warning")
            return
        self.copy(turn.answer, "The answer")

    def copy(self, text: str, what: str) -> None:
        """Put a text into the clipboard, and say so; `what` begins the sentence."""
        self.app.copy_to_clipboard(text)
        self.notify(f"{what} is in the clipboard.")

    def copy_question(self) -> None:
        """Copy the selected question, else the latest."""
        turn = self.board.chat.message
        if turn is None or not turn.question:
            self.notify("There is no question to copy yet.", severity="warning")
        else:
            self.copy(sanitize(turn.question), "The question")

    def action_search_chat(self) -> None:
        """Begin a search in the conversation."""
        self.action_pane(1)
        self.call_after_refresh(self.board.chat.action_search)

    def action_unfold(self) -> None:
        """Unfold what is folded in the selected message, else the latest."""
        if not self.board.chat.check_action("unfold", ()):
            self.notify("Nothing is folded in this message.", severity="warning")
        else:
            self.board.chat.action_unfold()

    def action_copy_code(self) -> None:
        """Copy a code block of the selected answer, else the latest; of several the person chooses."""
        turn = self.board.chat.message
        blocks = code_blocks(turn.answer) if turn is not None else []
        if not blocks:
            self.notify("There is no code block in this answer.", severity="warning")
        elif len(blocks) == 1:
            self.copy(blocks[0].code, "The code block")
        else:
            self._choose_code(blocks)

    def _choose_code(self, blocks: Sequence[CodeBlock]) -> None:
        from tinyllm_tui.screens.choice import ChoiceScreen

        def chosen(answer: str | None) -> None:
            if answer is not None:
                self.copy(blocks[int(answer)].code, f"Code block {int(answer) + 1}")

        answers = [(str(n), block.words) for n, block in enumerate(blocks)]
        self.app.push_screen(ChoiceScreen("Copy a code block", "Which one?", answers), chosen)

    def on_chat_bar_pressed(self) -> None:
        """A click on the line below the chat leads to what is new."""
        self.board.chat.action_bottom()

    def action_correct_route(self) -> None:
        """Say which route was right for the question that is shown."""
        self.cockpit.offers.correction(self.moment().view)

    def on_tabs_chosen(self, event: Tabs.Chosen) -> None:
        self.action_pane(event.number)

    def on_frame_titled(self, event: Frame.Titled) -> None:
        self.action_pane(event.number)
        if event.zoom:
            self.action_zoom()

    def on_node_selected(self, event: NodeSelected) -> None:
        """Graph and timeline show the same selection."""
        self.board.select_node(event.path, event.by)
        if self.has_class("-inspector"):
            self.draw_again()

    def on_graph_pane_node_opened(self, event: GraphPane.NodeOpened) -> None:
        """What a node of the graph did."""
        self.inspect(event.path)

    def on_timeline_pane_node_opened(self, event: TimelinePane.NodeOpened) -> None:
        """What a node of the timeline did."""
        self.inspect(event.path)

    def on_memory_pane_prune_opened(self, event: MemoryPane.PruneOpened) -> None:
        """What a pruning took out of a context."""
        from tinyllm_tui.screens.pruned import PrunedScreen

        self.app.push_screen(PrunedScreen(self.moment().view, event.prune, self.cockpit.signs))

    def action_pruned(self) -> None:
        """What the latest pruning took out."""
        if self.board.memory.prunes:
            self.board.memory.action_open_pruned()
        else:
            self.notify("Nothing was pruned.", severity="warning")

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """The pane that has the focus is the current one, however it came to it (a click, for one)."""
        for node in event.widget.ancestors:
            if isinstance(node, Frame) and node.number != self.board.current:
                self.board.choose(node.number)
                self.query_one(Tabs).choose(node.number)


def _on_border(frame: Widget) -> Region:
    """Where a label covers a border and no words."""
    return Region(frame.region.x + 1, frame.region.y, 1, 1)
