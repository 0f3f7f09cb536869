"""One question and its answer."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Size
from textual.widgets import Static

from engine.view import View
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.widgets.chat.answer import Answer
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import UNICODE, Glyphs, Line, Span, answer_attempt, count, duration, speed, wrapped

QUESTION_SHOWN = 1_500
ANSWER_SHOWN = 40_000
"""Characters that are drawn; copying takes everything."""


def shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}…\n({len(text):,} characters)"


def footer_lines(view: View, number: int | None, now_ms: float, signs: Glyphs = UNICODE) -> list[Line]:
    """What stands below an answer; `now_ms` is in the transaction's time."""
    if not view.finished:
        return [_progress(view, now_ms, signs)]
    lines = [_facts(view, number, signs)]
    if view.status == "rolled_back":
        error = view.error
        if view.answer:
            lines.append((("  partial answer: shown, but kept neither in the session nor in memory", "faint"),))
        if error is not None and view.reason != "cancelled":
            lines.append(((f"  {one_line(error.message)}", "error"),))
            if error.remedy:
                lines.append(((f"  {one_line(error.remedy)}", "text"),))
    elif view.exit == "fallback":
        lines.append((("  fallback: the best there was, though the quality gate refused it", "warn"),))
    return lines


def _facts(view: View, number: int | None, signs: Glyphs) -> Line:
    attempt = answer_attempt(view)
    status: Span
    if view.status == "committed":
        status = (f"{signs.nodes['ok']} ", "warn" if view.exit == "fallback" else "ok")
    elif view.reason == "cancelled":
        status = (f"{signs.nodes['cancelled']} ", "warn")
    else:
        status = (f"{signs.nodes['failed']} ", "error")
    words = [view.answered_by or view.answer_node]
    if attempt is not None:
        words += [one_line(attempt.model, 60), f"{count(attempt.tokens)} tokens", speed(attempt, view.t_ms)]
    words += [duration(view.t_ms), f"#{number}" if number is not None else ""]
    ended = view.status.replace("_", " ")
    words.append(ended if not view.reason else f"{ended}: {view.reason.replace('_', ' ')}")
    return (status, (f" {signs.dot} ".join(word for word in words if word), "dim"))


def _progress(view: View, now_ms: float, signs: Glyphs) -> Line:
    spin = signs.spinner[int(now_ms / 100) % len(signs.spinner)]
    running = [path for path, node in view.nodes.items() if node.state == "running"]
    where = ", ".join(running) or "starting"
    attempt = answer_attempt(view) if view.answer else None
    words = [where, f"try {attempt.attempt}" if attempt and attempt.attempt > 1 else "", speed(attempt, now_ms)]
    words += [duration(now_ms), f"retry {view.retries}" if view.retries else "", view.paused]
    return ((f"{spin} ", "running"), (f" {signs.dot} ".join(one_line(word, 120) for word in words if word), "dim"))


class AnswerFooter(LineView, can_focus=False):
    """The line below an answer, wrapped at the width there is."""

    DEFAULT_CSS = "AnswerFooter { height: auto; margin: 0 0 1 2; overflow: hidden; }"

    def __init__(self) -> None:
        super().__init__(classes="exchange--footer")

    def show(self, lines: list[Line]) -> None:
        self.make_lines(lambda width: [row for line in lines for row in wrapped(line, width or 80, indent=2)])

    def set_lines(self, lines: Sequence[Line]) -> None:
        super().set_lines(lines)
        self.styles.height = max(len(lines), 1)


class Exchange(Vertical):
    """A question, the answer as it grows, and how it went. Everything is a function of (view, now)."""

    DEFAULT_CSS = """
    Exchange { height: auto; padding: 0 1 0 0; }
    Exchange > .exchange--question {
        color: $foreground; padding: 0 1; margin: 0 0 1 0; background: $panel; border-left: outer $primary;
    }
    Exchange.-partial > Answer { opacity: 75%; border-left: outer $warning; padding-left: 1; }
    """

    def __init__(self, question: str, signs: Glyphs) -> None:
        super().__init__()
        self._question = sanitize(shortened(question, QUESTION_SHOWN))
        self._signs = signs
        self._answer = Answer()
        self._footer = AnswerFooter()
        self.answer_text = ""
        """The whole answer so far, as it may be copied."""

    def compose(self) -> ComposeResult:
        yield Static(Content(self._question), markup=False, classes="exchange--question")
        yield self._answer
        yield self._footer

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:  # noqa: ARG002
        # one layout is enough: see Document
        return super()._size_updated(size, virtual_size, container_size, layout=False)

    def show(self, view: View, number: int | None, now_ms: float) -> None:
        """Bring the exchange up to `view`."""
        self.answer_text = sanitize(view.answer)
        self._answer.write(shortened(self.answer_text, ANSWER_SHOWN), finished=view.finished)
        self._footer.show(footer_lines(view, number, now_ms, self._signs))
        self.set_class(view.status == "rolled_back" and bool(view.answer), "-partial")

    def wait_for(self, what: str, now_ms: float) -> None:
        """Before there is a run: say what is waited for."""
        spin = self._signs.spinner[int(now_ms / 100) % len(self._signs.spinner)]
        self._footer.show([((f"{spin} ", "running"), (what, "dim"))])

    def refuse(self, message: str, remedy: str) -> None:
        """The question became no run."""
        lines: list[Line] = [((f"{self._signs.bad} ", "error"), (one_line(message), "error"))]
        if remedy:
            lines.append(((f"  {one_line(remedy)}", "text"),))
        self._footer.show(lines)
