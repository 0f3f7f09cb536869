"""The breakers pane: a function of the breakers and the moment; in the live cockpit a person can set them by hand."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.cells import cell_len
from textual.binding import BindingType
from textual.events import Click
from textual.geometry import Region
from textual.message import Message

from engine.config import BreakerConfig
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.node_breakers import BREAKER_TONES
from tinyllm_tui.words import UNICODE, Glyphs, Line, Span, Tone, cut, duration, wrapped

if TYPE_CHECKING:
    from engine.events import BreakerSnapshot

Mode = Literal["open", "closed", "disabled", "auto"]
"""What a person can set a breaker to; `auto` ends what was set by hand."""

_WORDS = {
    "closed": "closed",
    "open": "OPEN",
    "half_open": "half-open",
    "forced_open": "forced open",
    "disabled": "disabled",
}
_ORDER = {"open": 0, "forced_open": 0, "half_open": 1, "disabled": 2, "closed": 3}

EMPTY = "All closed: no call has failed."
LIMITS = BreakerConfig()
"""Those of a configuration that says nothing else."""
KEYS_LINE = "x opens, c closes, d disables, a leaves it to itself"


def shown_breakers(breakers: Mapping[str, BreakerSnapshot], graph: str = "") -> list[BreakerSnapshot]:
    """Those that the pane shows, the worst first: endpoints, nodes of the graph, and others that are not well.

    Args:
        breakers: all, by key.
        graph: id of the graph whose nodes belong here; empty: those of every graph do.
    """
    ours = [
        breaker
        for breaker in breakers.values()
        if not graph
        or breaker.scope == "endpoint"
        or breaker.key.startswith(f"{graph}/")
        or breaker.state != "closed"
        or breaker.failures
    ]
    return sorted(ours, key=lambda b: (_ORDER[b.state], b.scope != "endpoint", b.key))


def breaker_lines(
    breakers: Sequence[BreakerSnapshot],
    now_ms: int,
    width: int,
    signs: Glyphs = UNICODE,
    *,
    selected: str = "",
    others: int = 0,
    brief: bool = False,
    limits: BreakerConfig = LIMITS,
) -> list[Line]:
    """One block for each breaker, in order.

    Args:
        breakers: what is shown.
        now_ms: Unix time; it moves the countdown.
        width: columns.
        signs: the characters to draw with.
        selected: key of the breaker that the keys act on.
        others: breakers of other graphs, all closed, that are not shown.
        brief: a line each but for the selected one, so that none hides the next where there is little room.
        limits: from which on breakers open and close.
    """
    lines: list[Line] = []
    for breaker in breakers:
        lines += block_of(breaker, now_ms, width, signs, selected=breaker.key == selected, brief=brief, limits=limits)
    if not breakers:
        lines = wrapped(((f"{signs.breakers['closed']} ", "breaker_closed"), (EMPTY, "dim")), width)
        if not brief:
            lines += [((row, "faint"),) for row in textwrap.wrap(limit_words(limits), max(width, 20))]
    if others:
        words = f"{others} of other graphs, closed"
        lines.append(((cut(f"{signs.breakers['closed']} {words}", width, signs.ellipsis), "faint"),))
    return lines


def block_of(
    breaker: BreakerSnapshot,
    now_ms: int,
    width: int,
    signs: Glyphs,
    *,
    selected: bool = False,
    brief: bool = False,
    limits: BreakerConfig = LIMITS,
) -> list[Line]:
    """A breaker's lines: what it is and how long, its last calls, its last error, and the keys where it is selected."""
    tone = BREAKER_TONES[breaker.state]
    words = state_words(breaker, now_ms, signs, limits)
    key = cut(one_line(breaker.key), max(width - len(words) - 4, 8), signs.ellipsis)
    words = cut(words, width - cell_len(key) - 3, signs.ellipsis)
    pad = " " * max(width - cell_len(key) - cell_len(words) - 2, 1)
    mark = signs.prompt if selected else signs.breakers[breaker.state]
    head: Tone = "title" if selected else "strong"
    block: list[Line] = [((f"{mark} ", head if selected else tone), (key, head), (pad, "text"), (words, tone))]
    if brief and not selected:
        return block
    recent = breaker.recent[-20:]
    if recent:
        spans: list[Span] = [("  ", "text")]
        spans += [(signs.good, "node_ok") if call == "." else (signs.bad, "node_failed") for call in recent]
        spans.append((f"  last {len(recent)} calls" if len(recent) > 1 else "  last call", "faint"))
        block.append(tuple(spans))
    if breaker.last_error:
        over = "earlier: " if breaker.state == "closed" and not breaker.failures else ""
        words = cut(over + one_line(breaker.last_error), max(width - 2, 8), signs.ellipsis)
        block.append((("  ", "text"), (words, "dim")))
    if selected:
        block.append((("  ", "text"), (cut(KEYS_LINE, max(width - 2, 8), signs.ellipsis), "faint")))
    return block


def limit_words(limits: BreakerConfig) -> str:
    """When breakers open and close."""
    failures, trials = limits.failure_threshold, limits.success_threshold
    opens = "One failure opens" if failures == 1 else f"{failures} failures in a row open"
    closes = "a trial succeeds" if trials == 1 else f"{trials} trials succeed"
    return f"{opens} a breaker: its calls fail at once, for {limits.cooldown_s:g} s and until {closes}."


def state_words(breaker: BreakerSnapshot, now_ms: int, signs: Glyphs = UNICODE, limits: BreakerConfig = LIMITS) -> str:
    """Its state, with what is left of a cooldown, the trials or the failures so far."""
    words = _WORDS[breaker.state]
    if breaker.state == "open" and breaker.until_ms is not None:
        left = breaker.until_ms - now_ms
        return f"{words} {duration(left)} left" if left > 0 else f"{words} {signs.dot} trial next"
    if breaker.state == "half_open":
        return f"{words} {breaker.successes}/{limits.success_threshold} trials"
    return f"{words} {breaker.failures} failed in a row" if breaker.failures else words


def breakers_summary(breakers: Mapping[str, BreakerSnapshot]) -> str:
    """What stands in the pane's border."""
    unwell = sum(b.state in ("open", "half_open", "forced_open") for b in breakers.values())
    if not breakers:
        return ""
    return f"{unwell} of {len(breakers)} not closed" if unwell else f"{len(breakers)} closed"


class BreakersPane(LineView):
    """Circuit breakers with their countdowns.

    Args:
        by_hand: whether a person can set them here; what was, in a replay, cannot be set.
    """

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("breakers"))

    class Forced(Message):
        """A person sets a breaker."""

        def __init__(self, key: str, mode: Mode) -> None:
            super().__init__()
            self.key = key
            self.mode: Mode = mode

    def __init__(self, *, id: str | None = None, by_hand: bool = False) -> None:  # noqa: A002
        super().__init__(id=id)
        self._by_hand = by_hand
        self.limits = LIMITS
        """From which on breakers open and close."""
        self._shown: list[BreakerSnapshot] = []
        self._make: Callable[[], None] = lambda: None
        self._tops: list[int] = []
        """First line of each block."""
        self.selected = ""
        """Key of the selected breaker; empty where none is."""

    def show(self, breakers: Mapping[str, BreakerSnapshot], now_ms: int, signs: Glyphs, graph: str = "") -> None:
        """Show `breakers` at `now_ms` (Unix time); `graph` is the id of the graph that is looked at."""
        self._shown = shown_breakers(breakers, graph)
        others = len(breakers) - len(self._shown)

        def make(width: int) -> list[Line]:
            lines = partial(
                breaker_lines, self._shown, now_ms, width, signs,
                selected=self.selected, others=others, limits=self.limits,
            )  # fmt: skip
            whole = lines()
            brief = len(whole) > self.size.height
            self._tops, top = [], 0
            for breaker in self._shown:
                self._tops.append(top)
                top += len(block_of(breaker, now_ms, width, signs, selected=breaker.key == self.selected, brief=brief))
            return lines(brief=True) if brief else whole

        self._make = lambda: self.make_lines(make)
        self._make()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing can be set in a replay, nor while nothing is selected."""
        if action == "force":
            return self._by_hand and self._index() is not None
        if action == "select":
            return self._by_hand and bool(self._shown)
        return super().check_action(action, parameters)

    def _index(self) -> int | None:
        return next((index for index, breaker in enumerate(self._shown) if breaker.key == self.selected), None)

    def action_select(self, step: int) -> None:
        """Select the next breaker, or the one before; the first key selects the first."""
        index = self._index()
        self._select(0 if index is None else min(max(index + step, 0), len(self._shown) - 1))

    def action_force(self, mode: Mode) -> None:
        """Set the selected breaker."""
        self.post_message(self.Forced(self.selected, mode))

    def on_click(self, event: Click) -> None:
        if not self._by_hand:
            return
        y = event.y + self.scroll_offset.y
        index = max((index for index, top in enumerate(self._tops) if top <= y), default=None)
        if index is not None and y < self.count():
            self._select(index)

    def _select(self, index: int) -> None:
        self.selected = self._shown[index].key
        self._make()
        self.refresh_bindings()
        if index < len(self._tops):
            self.scroll_to_region(Region(0, self._tops[index], 1, 4), animate=False)
