"""Tools and approvals: what every tool may do now, and what was asked of the person lately."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from engine.errors import EngineError
from engine.store.approvals import ApprovalRow
from engine.tools.facts import ToolFacts
from tinyllm_tui.approval_text import exactly
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.widgets.chat.history import local_time
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.row_list import RowList
from tinyllm_tui.words import Glyphs, Line, Span, Tone, cut, short_duration, wrapped

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

_LATELY = 100
_ASKED = "Asked lately, the newest first. A yes for a host counts until its run ends."
_PERMISSIONS: dict[str, tuple[str, Tone]] = {
    "auto": ("allowed", "ok"),
    "ask_host": ("asks once per host", "warn"),
    "ask_call": ("asks every call", "warn"),
    "deny": ("denied", "error"),
}
_EFFECTS: dict[str, Tone] = {"pure": "dim", "reversible": "warn", "irreversible": "error"}


def tool_line(tool: ToolFacts, width: int, signs: Glyphs) -> Line:
    """One tool: its id, effect, what holds now, and what it does."""
    words, tone = _PERMISSIONS[tool.permission]
    sign = signs.bad if tool.problem else {"ok": signs.nodes["ok"], "warn": "?"}.get(tone, signs.bad)
    name = 14 if width < 60 else 18
    spans: list[Span] = [(f"{sign} ", "dim" if tool.problem else tone), (_column(tool.id, name, signs), "strong")]
    if width >= 60:
        spans.append((f"{tool.effect:<14}", _EFFECTS[tool.effect]))
    spans.append((_column(words, 20, signs), tone))
    room = width - sum(cell_len(text) for text, _ in spans)
    spans.append((cut(one_line(tool.problem or tool.description), room, signs.ellipsis), "dim"))
    return tuple(span for span in spans if span[0])


def asked_line(row: ApprovalRow, width: int, signs: Glyphs) -> Line:
    """One request: its run, when, the answer, who asked, with which arguments."""
    sign, tone, answer = _answer(row, signs)
    spans: list[Span] = [(f"#{row.number:<5}", "primary"), (f"{sign} ", tone), (_column(answer, 10, signs), tone)]
    if width >= 80:
        spans.append((f"{local_time(row.asked_ms)}  ", "dim"))
    spans.append((_column(row.tool or f"({row.path})", 14, signs), "strong"))
    room = width - sum(cell_len(text) for text, _ in spans)
    asked = exactly(row.arguments.replace("\n", " ")) or one_line(row.question)
    spans.append((cut(asked, room, signs.ellipsis), "text"))
    return tuple(spans)


def _answer(row: ApprovalRow, signs: Glyphs) -> tuple[str, Tone, str]:
    if row.answer == "yes":
        return signs.nodes["ok"], "ok", "yes, host" if row.scope == "host" else "yes"
    if row.answer == "no":
        return signs.bad, "error", "no" if row.by == "person" else f"no: {row.by}"
    return signs.nodes["waiting"], "warn", "no answer"


def _column(text: str, width: int, signs: Glyphs) -> str:
    shown = cut(one_line(text, 200), width - 1, signs.ellipsis)
    return shown + " " * (width - cell_len(shown))


def tool_details(tool: ToolFacts) -> list[Span]:
    """Everything that is known of a tool, a paragraph each."""
    kind = "built in" if tool.built_in else "registered by whoever opened the engine"
    facts = f"{kind}; {tool.effect}; {_PERMISSIONS[tool.permission][0]}; ends after {tool.timeout_s:g} s"
    return [(sanitize(tool.description), "text"), (facts, "dim"), (one_line(tool.problem), "warn")]


def asked_details(row: ApprovalRow) -> list[Span]:
    """Everything that is known of a request, a paragraph each; the arguments as they were, made visible."""
    waited = f" after {short_duration(row.waited_ms)}" if row.answer else ""
    by = f" by {row.by}" if row.by else ""
    scope = ", for every call to this host in its run" if row.scope == "host" else ""
    said = f"{row.answer or 'no answer'}{by}{waited}{scope}"
    host = f"; host {one_line(row.host, 100)}" if row.host else ""
    return [
        (sanitize(row.question).strip(), "text"),
        (f"{one_line(row.path, 100)}; {row.effect}{host}; {said}. {one_line(row.reason, 200)}".strip(), "dim"),
        (exactly(_indented(row.arguments)) if row.arguments else sanitize(row.text), "strong"),
    ]


def _indented(arguments: str) -> str:
    """JSON on several lines; text that was cut is no JSON, and stays as it is."""
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False, indent=2)
    except ValueError:
        return arguments


class ToolsScreen(SafeScreen):
    """A list of tools, below it one of requests; what is selected is shown in full at the bottom."""

    CSS_PATH = "tools.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("tools", "everywhere", without=("tools.open",)))

    def __init__(self) -> None:
        super().__init__()
        self._tools: list[ToolFacts] = []
        self._asked: list[ApprovalRow] = []
        self._rows: list[ToolFacts | ApprovalRow | str] = ["Looking for the tools."]

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        self._title = Static(" Tools and approvals", id="tools-title", markup=False)
        self._list = RowList(self.cockpit.signs, id="tools-list")
        self._details = LineView(id="tools-details")
        yield from (self._title, self._list, self._details)
        yield Footer()

    def on_mount(self) -> None:
        self._list.focus()
        self.run_worker(self._read(), group="read", exclusive=True, exit_on_error=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    async def _read(self) -> None:
        asked: list[str | ApprovalRow] = []
        try:
            engine = await self.cockpit.opened()
            self._tools = await engine.tools()
            self._asked = await engine.approvals(_LATELY)
            asked = [*self._asked] or ["Nothing was asked of you yet."]
        except EngineError as error:
            asked = [one_line(f"{error.message} {error.remedy}", 600)]
        self._rows = [
            *self._tools,
            "",
            _ASKED,
            *asked,
        ]
        self._draw()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        rows, signs = self._rows, self.cockpit.signs
        choices = [place for place, row in enumerate(rows) if not isinstance(row, str)]
        self._list.show(len(rows), self._line, choices=choices)
        asks = sum(tool.permission in ("ask_call", "ask_host") for tool in self._tools)
        requests = "1 request" if len(self._asked) == 1 else f"{len(self._asked)} requests"
        counts = f"{len(self._tools)} tools {signs.dot} {asks} ask first {signs.dot} {requests}"
        self._title.update(Content(f" Tools and approvals {signs.dot} {counts}"))
        self._show_details()

    def _line(self, place: int, width: int) -> Line:
        row, signs = self._rows[place], self.cockpit.signs
        if isinstance(row, str):
            return ((cut(row, width, signs.ellipsis), "title" if row == _ASKED else "dim"),)
        return tool_line(row, width, signs) if isinstance(row, ToolFacts) else asked_line(row, width, signs)

    def _show_details(self) -> None:
        at = self._list.selected
        row = None if at is None else self._rows[at]
        if isinstance(row, ToolFacts):
            parts = tool_details(row)
        else:
            parts = asked_details(row) if isinstance(row, ApprovalRow) else []

        def make(width: int) -> list[Line]:
            lines: list[Line] = []
            for text, tone in parts:
                for each in text.split("\n") if text else ():
                    lines += wrapped(((each, tone),), max(width, 10))
            return lines

        self._details.make_lines(make)

    def footer_words(self, action: str, words: str) -> str:
        """What Enter does with the selected row: requests lead to their runs, tools to what is said of them below."""
        if action != "open" or self._list.selected is None:
            return words
        return "replay" if isinstance(self._rows[self._list.selected], ApprovalRow) else "details"

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._show_details()
        self.refresh_bindings()

    def on_row_list_opened(self, event: RowList.Opened) -> None:
        event.stop()
        row = self._rows[event.row]
        if isinstance(row, ApprovalRow):
            self.cockpit.past.open(row.tx)
        else:
            self._details.focus()

    def action_leave(self) -> None:
        if self._details.has_focus:
            self._list.focus()
        else:
            self.dismiss()
