"""The breakers pane: a function of the breakers and the moment."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from engine.events import BreakerSnapshot
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import UNICODE, Glyphs, Line, Span, Tone, cut, duration, wrapped

_WORDS = {
    "closed": "closed",
    "open": "OPEN",
    "half_open": "half-open",
    "forced_open": "forced open",
    "disabled": "disabled",
}
_TONES: dict[str, Tone] = {
    "closed": "ok",
    "open": "error",
    "half_open": "warn",
    "forced_open": "error",
    "disabled": "dim",
}
_ORDER = {"open": 0, "forced_open": 0, "half_open": 1, "disabled": 2, "closed": 3}

EMPTY = (
    "All closed: no call has failed.",
    "Three failures in a row open a breaker: its calls fail at once, for 60 s and until two trials succeed.",
)


def breaker_lines(
    breakers: Mapping[str, BreakerSnapshot], now_ms: int, width: int, signs: Glyphs = UNICODE
) -> list[Line]:
    """One block for each breaker, the worst first; `now_ms` is Unix time and moves the countdown."""
    if not breakers:
        lines = wrapped(((f"{signs.breakers['closed']} ", "ok"), (EMPTY[0], "dim")), width)
        lines += [((row, "faint"),) for row in textwrap.wrap(EMPTY[1], max(width, 20))]
        return lines
    result: list[Line] = []
    for breaker in sorted(breakers.values(), key=lambda b: (_ORDER[b.state], b.key)):
        result += _block(breaker, now_ms, width, signs)
    return result


def _block(breaker: BreakerSnapshot, now_ms: int, width: int, signs: Glyphs) -> list[Line]:
    tone = _TONES[breaker.state]
    words = _WORDS[breaker.state]
    if breaker.state == "open" and breaker.until_ms is not None:
        left = breaker.until_ms - now_ms
        words += f" {duration(left)} left" if left > 0 else " · next call is a trial"
    elif breaker.state == "half_open":
        words += f" {breaker.successes}/2 trials"
    elif breaker.failures:
        words += f" {breaker.failures} failed in a row"
    key = cut(one_line(breaker.key), max(width - len(words) - 4, 8), signs.ellipsis)
    words = cut(words, width - len(key) - 3, signs.ellipsis)
    pad = " " * max(width - len(key) - len(words) - 2, 1)
    block: list[Line] = [((f"{signs.breakers[breaker.state]} ", tone), (key, "strong"), (pad, "text"), (words, tone))]
    recent = breaker.recent[-20:]
    if recent:
        spans: list[Span] = [("  ", "text")]
        spans += [(signs.good, "ok") if call == "." else (signs.bad, "error") for call in recent]
        spans.append((f"  last {len(recent)} calls" if len(recent) > 1 else "  last call", "faint"))
        block.append(tuple(spans))
    if breaker.last_error:
        block.append((("  ", "text"), (cut(one_line(breaker.last_error), max(width - 2, 8), signs.ellipsis), "dim")))
    return block


def breakers_summary(breakers: Mapping[str, BreakerSnapshot]) -> str:
    """What stands in the pane's border."""
    unwell = sum(b.state in ("open", "half_open", "forced_open") for b in breakers.values())
    if not breakers:
        return ""
    return f"{unwell} of {len(breakers)} not closed" if unwell else f"{len(breakers)} closed"


class BreakersPane(LineView):
    """Circuit breakers with their countdowns."""

    def show(self, breakers: Mapping[str, BreakerSnapshot], now_ms: int, signs: Glyphs) -> None:
        self.make_lines(lambda width: breaker_lines(breakers, now_ms, width, signs))
