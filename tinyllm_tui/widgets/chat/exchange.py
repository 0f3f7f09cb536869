"""One question and its answer."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.widgets import Static

from engine.view import AttemptView, View
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.widgets.chat.answer import Answer, Document
from tinyllm_tui.widgets.chat.folded import Folded, thinking_words
from tinyllm_tui.widgets.chat.footer import AnswerFooter, footer_lines, interruption_words, partial_words
from tinyllm_tui.widgets.chat.history import PastTurn, local_time
from tinyllm_tui.widgets.chat.taken_back import taken_back
from tinyllm_tui.widgets.op_lines import trace_lines
from tinyllm_tui.widgets.recalled_lines import recalled_lines
from tinyllm_tui.words import Glyphs, Line, answer_attempt, parent_words

QUESTION_SHOWN = 1_500
QUESTION_LINES = 8
"""What is drawn of a question that is longer, until it is unfolded."""
ANSWER_SHOWN = 40_000
"""Characters that are drawn; copying takes everything."""


def shortened(text: str, limit: int, ellipsis: str) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}{ellipsis}\n({len(text):,} characters)"


def brief_question(text: str, ellipsis: str) -> str:
    """The beginning of a question, or all of it where it is short; without anything that a terminal would obey."""
    lines = sanitize(text[: QUESTION_SHOWN + 1]).split("\n")
    if len(lines) <= QUESTION_LINES + 1 and len(text) <= QUESTION_SHOWN:
        return "\n".join(lines)
    brief = "\n".join(lines[:QUESTION_LINES])
    return f"{brief[:QUESTION_SHOWN]}{ellipsis}"


def size_words(text: str) -> str:
    """How long a text is: `214 lines, 8,123 characters`."""
    lines = text.count("\n") + 1
    return f"{lines:,} line{'' if lines == 1 else 's'}, {len(text):,} characters"


def thinking_attempt(view: View) -> AttemptView | None:
    """The model call whose thinking is shown: of the answer, else the latest that thought."""
    attempt = answer_attempt(view)
    if attempt is not None and attempt.thinking:
        return attempt
    if view.finished:
        return None
    running = [node.last for node in view.nodes.values() if node.state == "running" and node.last is not None]
    latest = [visit.attempts[-1] for visit in running if visit.attempts]
    return next((each for each in latest if each.thinking), None)


class Exchange(Vertical):
    """A question, the answer as it grows, and how it went. Everything is a function of (view, now).

    Args:
        question: in full.
        signs: which of them are drawn.
        shown: the question as it was typed, with tokens for large pastes; default: as it is.
    """

    DEFAULT_CSS = """
    Exchange { height: auto; padding: 0 1 0 0; border-left: blank; }
    Exchange.-selected { border-left: heavy $accent; }
    Exchange > .exchange--question {
        color: $foreground; padding: 0 1; margin: 0 0 1 0; background: $panel; border-left: outer $primary;
    }
    Exchange > .exchange--mark { display: none; color: $accent; padding: 0 2; margin: 0 0 1 0; height: auto; }
    Exchange.-resumed > .exchange--question { margin: 0; }
    Exchange.-resumed > .exchange--mark { display: block; }
    Exchange.-folds > .exchange--question { margin: 0; }
    Exchange.-partial > Answer { border-left: outer $warning; padding-left: 1; }
    Exchange.-undone > Answer { opacity: 75%; }
    """

    class Selected(Message):
        """A click on it."""

        def __init__(self, exchange: Exchange) -> None:
            super().__init__()
            self.exchange = exchange

    class Grown(Message):
        """There is more to read in it."""

    def __init__(self, question: str, signs: Glyphs, *, shown: str | None = None) -> None:
        super().__init__()
        self._whole = sanitize(shortened(question, ANSWER_SHOWN, signs.ellipsis))
        self._brief = brief_question(question if shown is None else shown, signs.ellipsis)
        self._signs = signs
        self._turn = PastTurn(question, "", "", None, 0, committed=False)
        self._words = Static(Content(self._brief), markup=False, classes="exchange--question")
        self._question_fold: Folded | None = None
        self._mark = Static("", markup=False, classes="exchange--mark")
        self._marked = ""
        self._thought = Folded(signs)
        self._thought.display = False
        self._refused: list[Folded] = []
        """What gates took back, the oldest first."""
        self._answer = Answer(signs)
        self._footer = AnswerFooter()
        self.answer_text = ""
        """The whole answer so far, as it may be copied."""
        self.origin = ""
        """Where the run comes from; default: as its view knows it."""
        self.failure = ("", "")
        """Why there is no answer, and the remedy, as they are said below it."""
        self.recorded = True
        """False once it is known that the database belongs to another process."""

    @classmethod
    def of_past(cls, turn: PastTurn, signs: Glyphs, *, shown: str | None = None) -> Exchange:
        """A turn of an earlier conversation: what its session keeps of it."""
        exchange = cls(turn.question, signs, shown=shown)
        exchange._turn = turn
        exchange.answer_text = sanitize(turn.answer)
        exchange._answer.write(shortened(exchange.answer_text, ANSWER_SHOWN, signs.ellipsis), finished=True)
        if turn.refused[0]:
            exchange.refuse(*turn.refused)
            return exchange
        asked = local_time(turn.asked_ms) if turn.committed or turn.asked_ms else ""
        facts = [f"#{turn.number}" if turn.number is not None else "", asked]
        words = f" {signs.dot} ".join(each for each in facts if each)
        sign = signs.nodes["ok"] if turn.committed else signs.dot
        exchange._footer.show([((f"{sign} ", "faint"), (words, "faint"))])
        return exchange

    def compose(self) -> ComposeResult:
        yield self._words
        if self._brief != self._whole:
            self.add_class("-folds")
            self._question_fold = Folded(self._signs, body=False)
            self._question_fold.show(f"the whole question: {size_words(self._turn.question)}", "")
            yield self._question_fold
        yield self._mark
        yield self._thought
        yield from self._refused
        yield self._answer
        yield self._footer

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:  # noqa: ARG002
        # one layout is enough: see Document
        return super()._size_updated(size, virtual_size, container_size, layout=False)

    @property
    def turn(self) -> PastTurn:
        """What is known of it, as it is kept while it is not mounted."""
        return replace(self._turn, answer=self.answer_text)

    @property
    def settled(self) -> bool:
        """Whether it is drawn to its end."""
        return self._answer.settled

    @property
    def document(self) -> Document:
        """Where the finished part of the answer stands."""
        return self._answer.document

    @property
    def question_words(self) -> Static:
        """Where the question stands."""
        return self._words

    def on_click(self, event: Click) -> None:
        # a text that was selected with the mouse ends with a click too
        if event.chain == 1 and not self.screen.selections:
            self.post_message(self.Selected(self))

    @property
    def foldable(self) -> bool:
        """Whether anything in it can be unfolded or folded."""
        return bool(self._folds)

    @property
    def _folds(self) -> list[Folded]:
        folds = [] if self._question_fold is None else [self._question_fold]
        return [*folds, *(each for each in (self._thought, *self._refused) if each.display)]

    def unfold(self) -> None:
        """Unfold all that is folded; fold all where nothing is."""
        folds = self._folds
        opened = all(each.unfolded for each in folds)
        for each in folds:
            if each.unfolded == opened:
                each.toggle()

    def on_folded_toggled(self, event: Folded.Toggled) -> None:
        event.stop()
        if event.folded is self._question_fold:
            self._words.update(Content(self._whole if event.folded.unfolded else self._brief))

    def show(self, view: View, number: int | None, now_ms: float) -> None:
        """Bring the exchange up to `view`."""
        before = len(self.answer_text)
        self.answer_text = sanitize(view.answer)
        self._turn = replace(
            self._turn, tx=view.tx, number=number, asked_ms=view.started_wall_ms, committed=view.status == "committed"
        )
        failed = view.status == "rolled_back" and view.error is not None and view.reason != "cancelled"
        self.failure = (view.error.message, view.error.remedy) if failed and view.error is not None else ("", "")
        self._show_thinking(view)
        self._show_taken_back(view)
        self._answer.write(shortened(self.answer_text, ANSWER_SHOWN, self._signs.ellipsis), finished=view.finished)
        self._footer.show(
            footer_lines(view, number, now_ms, self._signs, recorded=self.recorded),
            lambda width: [
                *recalled_lines(view, width, self._signs),
                *trace_lines(view, now_ms, width, self._signs),
            ],
            [item.id for item in view.recalled],
        )
        self.mark("; ".join(words for words in (self.origin or parent_words(view), interruption_words(view)) if words))
        undone = view.status == "rolled_back" and bool(view.answer)
        self.set_class(undone, "-undone")
        self.set_class(undone or (view.status == "committed" and bool(partial_words(view))), "-partial")
        if len(self.answer_text) > before:
            self.post_message(self.Grown())

    def _show_thinking(self, view: View) -> None:
        """One line for what the model that answers thought before, or thinks now."""
        attempt = thinking_attempt(view)
        self._thought.display = attempt is not None
        if attempt is None:
            return
        going_on = attempt.finished_ms is None and not attempt.text
        self._thought.show(thinking_words(attempt.thinking, going_on=going_on), attempt.thinking)

    def _show_taken_back(self, view: View) -> None:
        """One line for each answer that a gate sent back, so that no text goes without a word."""
        found = taken_back(view, self._signs)
        for fold in self._refused:
            fold.display = False  # a replay goes back, too
        for number, each in enumerate(found):
            if number == len(self._refused):
                fold = Folded(self._signs)
                self._refused.append(fold)
                if self._answer.is_attached:
                    self.mount(fold, before=self._answer)
            self._refused[number].display = True
            self._refused[number].show(each.words, each.draft)

    def mark(self, words: str) -> None:
        """Say `words` below the question; nothing where they are empty."""
        if words != self._marked:
            self._marked = words
            self._mark.update(f"{self._signs.marks['resumed']} {words}")
            self.set_class(bool(words), "-resumed")

    def wait_for(self, what: str, now_ms: float) -> None:
        """Before there is a run: say what is waited for."""
        spin = self._signs.spinner[int(now_ms / 100) % len(self._signs.spinner)]
        self._footer.show([((f"{spin} ", "running"), (what, "dim"))])

    def refuse(self, message: str, remedy: str) -> None:
        """The question became no run."""
        self._turn = replace(self._turn, refused=(message, remedy))
        self.failure = message, remedy
        lines: list[Line] = [((f"{self._signs.bad} ", "error"), (one_line(message), "error"))]
        if remedy:
            lines.append(((f"  {one_line(remedy)}", "text"),))
        self._footer.show(lines)
