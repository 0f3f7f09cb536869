"""One model call as lines: what was asked as it was sent, what came back, and where its time went."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from engine.view import AttemptView
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.words import Glyphs, Line, Span, Tone, short_duration, speed, wrapped

ROWS = 300
"""Rows of one text that are shown."""
TEXT = 20_000
"""Characters of one text that are looked at."""
WHOLE = 1_000_000
"""A width from which on nothing is cut: lines that are copied, not shown."""
_BAR = 40
"""Columns of the bar of a call's time, at most."""


def attempt_lines(attempt: AttemptView, now_ms: float, width: int, signs: Glyphs) -> Iterator[Line]:
    """The model call `attempt`; `now_ms` is in the transaction's time."""
    words = [attempt.model, f"attempt {attempt.attempt}" if attempt.attempt > 1 else ""]
    words += [f"{attempt.prompt_tokens} tokens in" if attempt.prompt_tokens else "", f"{attempt.tokens} out"]
    words += [speed(attempt, now_ms), f"finish {attempt.finish}" if attempt.finish else ""]
    words += ["answer from the cache" if attempt.cached else ""]
    yield from fact("model", _joined(words, signs), width)
    yield from _timing(attempt, now_ms, width, signs)
    options = [f"temperature {attempt.temperature:g}" if attempt.temperature else ""]
    options += [f"at most {attempt.max_tokens} tokens" if attempt.max_tokens else ""]
    options += [f"seed {attempt.seed}" if attempt.seed is not None else ""]
    options += [f"tools {', '.join(attempt.tools)}" if attempt.tools else ""]
    if any(options):
        yield from fact("asked with", _joined(options, signs), width)
    for role, content in attempt.messages:
        yield from text_lines(role, content, width, "dim")
    yield from text_lines("thinking", attempt.thinking, width, "dim")
    yield from text_lines("answer", attempt.text, width)
    for call in attempt.tool_calls:
        yield from fact("asks for", f"{call.name} {call.arguments}", width)
    if attempt.error is not None:
        yield from fact("error", attempt.error.message, width, "error")


def _timing(attempt: AttemptView, now_ms: float, width: int, signs: Glyphs) -> Iterator[Line]:
    """Where the time went: in the queue, until the first token, and writing; a bar shows the shares."""
    took = now_ms - attempt.started_ms if attempt.finished_ms is None else attempt.duration_ms
    total = max(took, 0) + attempt.queued_ms
    words = [f"queued {short_duration(attempt.queued_ms)}" if attempt.queued_ms else ""]
    words += [f"first token after {short_duration(attempt.first_token_ms)}" if attempt.first_token_ms else ""]
    words += [
        f"total {short_duration(total)}" if attempt.finished_ms is not None else f"so far {short_duration(total)}"
    ]
    yield from fact("time", _joined(words, signs), width)
    room = min(width - 4, _BAR)
    if room < 8 or total <= 0 or width >= WHOLE:
        return
    queued = round(room * attempt.queued_ms / total)
    silent = not attempt.first_token_ms and (attempt.finished_ms is None or attempt.error is not None)
    first = max(took, 0) if silent else min(attempt.first_token_ms, max(took, 0))
    waiting = min(round(room * first / total), room - queued)
    bar: tuple[Span, ...] = (
        ("    ", "text"),
        (signs.dot * queued, "faint"),
        (signs.empty * waiting, "dim" if attempt.error is None else "error"),
        (signs.full * (room - queued - waiting), "primary" if attempt.error is None else "error"),
    )
    yield tuple(span for span in bar if span[0])


def _joined(words: list[str], signs: Glyphs) -> str:
    return f" {signs.dot} ".join(word for word in words if word)


def fact(name: str, text: str, width: int, tone: Tone = "text") -> Iterator[Line]:
    """`name text`, on as many rows as it takes."""
    label = f"  {one_line(name, 40)} "
    yield from wrapped(((label, "faint"), (one_line(text), tone)), width, indent=4)


def text_lines(name: str, text: str, width: int, tone: Tone = "text") -> tuple[Line, ...]:
    """A text of several lines under its name; cut where it is very long, unless `width` is `WHOLE`."""
    return _text(name, text, width, tone) if text.strip() else ()


@lru_cache(maxsize=128)
def _text(name: str, text: str, width: int, tone: Tone) -> tuple[Line, ...]:
    """Cached: what was asked does not change while an answer is written."""
    whole = width >= WHOLE
    shown = sanitize(text if whole else text[:TEXT]).strip("\n").split("\n")
    lines: list[Line] = [((f"  {one_line(name, 40)}", "faint"),)]
    rows = [row for line in shown for row in wrapped(((line, tone),), max(width - 4, 8))]
    lines += [(("    ", "text"), *row) for row in (rows if whole else rows[:ROWS])]
    if not whole and (len(rows) > ROWS or len(text) > TEXT):
        lines += wrapped(((f"    ({len(text):,} characters; y copies all)", "faint"),), width)
    return tuple(lines)
