"""What stands below an answer: how it went, who gave it and why, what it was told and which tools it called."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.events import Click
from textual.message import Message

from engine.view import View
from tinyllm_tui.node_paths import innermost
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.recalled_lines import rows_each
from tinyllm_tui.widgets.routed import last_decision
from tinyllm_tui.words import UNICODE, Glyphs, Line, Span, answer_attempt, count, duration, speed, wrapped


def route_words(view: View, signs: Glyphs) -> str:
    """Why this specialist answered: the route, its score, the stage of the router that decided; empty without one."""
    routed = last_decision(view)
    if routed is None:
        return ""
    decision = routed.decision
    score = max((decision.scores.get(label, 0.0) for label in decision.labels), default=0.0)
    words = f"routed to {one_line(decision.route, 40)} by {one_line(decision.stage, 20)}"
    if score:
        words += f", score {score:.2f}"
    reason = one_line(decision.reason, 120)
    return f"{words} {signs.dot} {reason}" if reason else words


UNRECORDED = "answered (not recorded)"
"""An answer that is kept nowhere is not called committed."""


def footer_lines(
    view: View, number: int | None, now_ms: float, signs: Glyphs = UNICODE, *, recorded: bool = True
) -> list[Line]:
    """What stands below an answer; `now_ms` is in the transaction's time.

    `recorded`: false where the database belongs to another process, so that nothing is written to it.
    """
    if not view.finished:
        return [_progress(view, now_ms, signs)]
    lines = [_facts(view, number, signs, recorded=recorded)]
    if why := route_words(view, signs):
        lines.append(((f"  {why}", "faint"),))
    lines += [((f"  {signs.bad} could not be taken back: {one_line(each)}", "error"),) for each in view.uncompensated]
    if view.status == "rolled_back":
        error = view.error
        if view.answer:
            lines.append((("  partial answer: shown, but kept neither in the session nor in memory", "faint"),))
        if error is not None and view.reason != "cancelled":
            lines.append(((f"  {one_line(error.message)}", "error"),))
            if error.remedy:
                lines.append(((f"  {one_line(error.remedy)}", "text"),))
    elif partial := partial_words(view):
        lines.append(((f"  {partial}", "warn"),))
    return lines


def interruption_words(view: View) -> str:
    """That a later process went on with the run, and how long none had worked on it; empty where none did."""
    if not view.resumed:
        return ""
    times = "an interruption" if view.resumed == 1 else f"{view.resumed} interruptions"
    return f"{'went' if view.finished else 'goes'} on after {times} of {duration(view.away_ms)}"


def partial_words(view: View) -> str:
    """In what way a committed answer is not whole; empty where it is."""
    last = view.nodes[view.exit_node].last if view.exit_node in view.nodes else None
    data = last.data if last is not None else {}
    if data.get("partial") is not True:
        if view.exit != "fallback":
            return ""
        refused = any(visit.gate and not visit.gate.passed for node in view.nodes.values() for visit in node.visits)
        why = ", though the quality gate refused it" if refused else ""
        return f"fallback answer: the best there was{why}"
    reasons = []
    skipped = data.get("skipped")
    if isinstance(skipped, list | tuple) and skipped:
        reasons.append("skipped: " + ", ".join(one_line(str(path), 60) for path in skipped))
    if data.get("failed"):
        reasons.append(f"failed: {one_line(str(data['failed']), 60)}")
    joined, dead = data.get("joined"), data.get("dead")
    if not reasons and isinstance(joined, int) and isinstance(dead, int) and dead:
        reasons.append(f"{dead} of {joined + dead} branches ended without an answer")
    return f"partial answer ({'; '.join(reasons)})" if reasons else "partial answer"


def _facts(view: View, number: int | None, signs: Glyphs, *, recorded: bool) -> Line:
    attempt = answer_attempt(view)
    status: Span
    if view.status == "committed":
        status = (f"{signs.marks['warn']} ", "warn") if partial_words(view) else (f"{signs.nodes['ok']} ", "ok")
    elif view.reason == "cancelled":
        status = (f"{signs.nodes['cancelled']} ", "warn")
    else:
        status = (f"{signs.nodes['failed']} ", "error")
    words = [one_line(view.answered_by or view.answer_node, 60)]
    if attempt is not None:
        words += [one_line(attempt.model, 60), f"{count(attempt.tokens)} tokens", speed(attempt, view.t_ms)]
    words += [duration(view.t_ms), f"#{number}" if number is not None else ""]
    ended = UNRECORDED if view.status == "committed" and not recorded else view.status.replace("_", " ")
    words.append(ended if not view.reason else f"{ended}: {one_line(view.reason, 200).replace('_', ' ')}")
    return (status, (f" {signs.dot} ".join(word for word in words if word), "dim"))


def reading_words(view: View) -> str:
    """How much is read before a first word is written; empty as soon as a model writes, or where none reads."""
    attempts = [
        (path, node.last.attempts[-1])
        for path, node in view.nodes.items()
        if node.state == "running" and node.last is not None and node.last.attempts
    ]
    going_on = [(path, each) for path, each in attempts if each.finished_ms is None]
    if not going_on or any(each.text or each.thinking for _, each in going_on):
        return ""
    measured = [view.memory.get(f"{path} {each.model}") for path, each in going_on]
    tokens = max((each.tokens for each in measured if each is not None), default=0)
    return f"reading {tokens:,} tokens" if tokens else "reading"


def _progress(view: View, now_ms: float, signs: Glyphs) -> Line:
    spin = signs.spinner[int(now_ms / 100) % len(signs.spinner)]
    running = innermost([path for path, node in view.nodes.items() if node.state == "running"])
    where = ", ".join(running) or "starting"
    attempt = answer_attempt(view) if view.answer else None
    words = [
        where,
        "you are asked" if view.approvals else "",
        f"try {attempt.attempt}" if attempt and attempt.attempt > 1 else "",
        reading_words(view),
        speed(attempt, now_ms),
    ]
    words += [duration(now_ms), f"retry {view.retries}" if view.retries else "", view.paused]
    return ((f"{spin} ", "running"), (f" {signs.dot} ".join(one_line(word, 120) for word in words if word), "dim"))


class AnswerFooter(LineView, can_focus=False):
    """The line below an answer, wrapped at the width there is."""

    DEFAULT_CSS = "AnswerFooter { height: auto; margin: 0 0 1 2; overflow: hidden; }"

    class MemoryOpened(Message):
        """A click on a memory that was recalled."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self) -> None:
        super().__init__(classes="exchange--footer")
        self._memories: Sequence[int] = ()

    def on_click(self, event: Click) -> None:
        rows = [number for number in self._memories for _ in range(self._rows_each)]
        if event.y < len(rows):
            event.stop()
            self.post_message(self.MemoryOpened(rows[event.y]))

    @property
    def _rows_each(self) -> int:
        """Rows that each recalled memory takes."""
        return rows_each(self.scrollable_content_region.width or 80)

    def show(
        self,
        lines: list[Line],
        trace: Callable[[int], list[Line]] = lambda _width: [],
        memories: Sequence[int] = (),
    ) -> None:
        """Show `lines`, below those that `trace` makes for a width, of which the first are about `memories`."""
        self._memories = memories
        self.make_lines(
            lambda width: [
                *trace(width or 80),
                *(row for line in lines for row in wrapped(line, width or 80, indent=2)),
            ]
        )

    def set_lines(self, lines: Sequence[Line]) -> None:
        super().set_lines(lines)
        self.styles.height = max(len(lines), 1)
