"""ContextSelection: the messages that one model call sees, counted as they come and pruned before they overflow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from engine.errors import EngineError, ErrorClass
from engine.events import ContextMeasured, ContextPruned
from engine.message import MessageKind, Role, estimate_tokens
from engine.models.tokens import TEMPLATE_TOKENS

FACTOR_MIN = 0.5
FACTOR_MAX = 4.0
"""Bounds of the correction: bytes / 4 is hardly ever off by more; a report beyond them is taken for a wrong one."""

_RANK = {
    MessageKind.HISTORY: 0,
    MessageKind.RECALLED: 0,
    MessageKind.SUMMARY: 0,
    MessageKind.UPSTREAM: 1,
    MessageKind.TOOL: 1,
    MessageKind.NOTE: 1,
    MessageKind.QUESTION: 2,
    MessageKind.SYSTEM: 2,
}
"""What goes first: what was said earlier, then what this run made, last the instructions; within a rank the oldest."""


class ContextItem(NamedTuple):
    """One message of a selection. A tuple: to make a frozen dataclass would take half of `add`'s time budget."""

    id: int
    """Ordinal in the selection, counted from 1."""
    kind: MessageKind
    role: Role
    text: str
    tokens: int
    """Estimated tokens, the template's share included, before the selection's correction."""
    pinned: bool


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a pruning did; tokens are corrected ones."""

    reason: str
    tokens_before: int
    tokens_after: int
    window: int
    removed: tuple[str, ...]
    """One line for each message that went: kind, tokens, beginning of the text."""

    def event(self, selection: str) -> ContextPruned:
        """The event that says so."""
        return ContextPruned(selection, self.reason, self.tokens_before, self.tokens_after, self.window, self.removed)


class ContextSelection:
    """The visible messages of one (path, model), append-only, with totals kept at O(1) per message.

    The room for the prompt is `window - max_tokens`: what the model may write is never promised to the prompt. `prune`
    is called before each request. Over `high` of that room it hides messages until `low` of it is reached, so that the
    prompt's beginning (and with it the server's prompt cache) stays the same for many requests. After it,
    `total + max_tokens <= window`.

    Args:
        key: `path model`, as events name the selection.
        window: the model's real context window in tokens.
        high: share of the room at which pruning begins.
        low: share of the room at which it ends.
        factor: correction of the estimates that an earlier selection of the same key has learnt.
    """

    __slots__ = (
        "_factor",
        "_hidden",
        "_high",
        "_items",
        "_kinds",
        "_low",
        "_next",
        "_pinned",
        "_raw",
        "_window",
        "key",
    )

    def __init__(self, key: str, window: int, *, high: float = 0.8, low: float = 0.6, factor: float = 1.0) -> None:
        if window < 1:
            raise ValueError("a window holds at least one token")
        if not 0 < low <= high <= 1:
            raise ValueError("0 < low <= high <= 1 is wanted")
        self.key = key
        self._window = window
        self._high = high
        self._low = low
        self._items: list[ContextItem] = []
        self._hidden: list[ContextItem] = []
        self._kinds: dict[MessageKind, int] = {}
        self._raw = 0
        self._pinned = 0
        self._factor = factor
        self._next = 1

    @property
    def window(self) -> int:
        """The model's context window in tokens."""
        return self._window

    @property
    def factor(self) -> float:
        """What estimates are multiplied by, from the last count that the backend reported."""
        return self._factor

    @property
    def total(self) -> int:
        """Corrected estimate of the visible messages' tokens. O(1)."""
        return self._corrected(self._raw)

    @property
    def by_kind(self) -> dict[str, int]:
        """Corrected tokens of the visible messages by kind; their sum is `total`."""
        shares: dict[str, int] = {}
        raw = before = 0
        for kind, tokens in self._kinds.items():
            raw += tokens
            upto = self._corrected(raw)  # rounding the running sum keeps the parts' sum equal to the whole
            shares[kind.value] = upto - before
            before = upto
        return shares

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[ContextItem]:
        return iter(self._items)

    def add(self, kind: MessageKind, role: Role, text: str, *, pinned: bool = False) -> ContextItem:
        """Append a message. O(1) apart from counting the text's bytes."""
        tokens = estimate_tokens(text) + TEMPLATE_TOKENS
        number = self._next
        self._next = number + 1
        item = ContextItem(number, kind, role, text, tokens, pinned)
        self._items.append(item)
        self._raw += tokens
        if pinned:
            self._pinned += tokens
        kinds = self._kinds
        kinds[kind] = kinds.get(kind, 0) + tokens
        return item

    def visible(self) -> list[ContextItem]:
        """The messages to send, in order of insertion."""
        return self._items.copy()

    def hidden(self) -> list[ContextItem]:
        """The messages that prunings took out of the selection, in order of insertion."""
        return sorted(self._hidden, key=lambda item: item.id)

    def observe(self, reported_prompt_tokens: int) -> float:
        """Learn from the backend's count of the messages visible now, as they were sent; returns the new factor.

        A count of 0 or less is no count and changes nothing.
        """
        if reported_prompt_tokens > 0 and self._raw:
            self._factor = min(max(reported_prompt_tokens / self._raw, FACTOR_MIN), FACTOR_MAX)
        return self._factor

    def prune(self, max_tokens: int, reason: str = "") -> Pruned | None:
        """Hide messages where needed for a request that may answer with `max_tokens` tokens.

        Pinned messages stay. History goes first, then what other nodes made; each from the oldest on, a question of the
        history together with its answer. O(1) where nothing is to be done.

        Returns:
            What was hidden, or None.

        Raises:
            EngineError: CONTEXT_OVERFLOW, when the pinned messages alone leave no room; nothing is hidden then.
        """
        room = self._window - max_tokens
        before = self.total
        if self._corrected(self._pinned) > room:
            raise self._overflow(max_tokens)
        if before <= self._high * room or self._raw == self._pinned:
            return None
        going = self._choose(self._low * room)
        gone = {item.id for item in going}
        self._items = [item for item in self._items if item.id not in gone]
        self._hidden.extend(going)
        for item in going:
            self._raw -= item.tokens
            self._kinds[item.kind] -= item.tokens
            if not self._kinds[item.kind]:
                del self._kinds[item.kind]
        return Pruned(
            reason=reason or f"over {self._high:.0%} of the {room} tokens that the window leaves for the prompt",
            tokens_before=before,
            tokens_after=self.total,
            window=self._window,
            removed=tuple(self._line(item) for item in going),
        )

    def measured(self, max_tokens: int, *, reported: int | None = None) -> ContextMeasured:
        """The event that says how full the selection is; `reported` is the backend's own count, where it is known."""
        return ContextMeasured(
            selection=self.key,
            tokens=self.total,
            window=self._window,
            messages=len(self._items),
            by_kind=self.by_kind,
            reserved=max_tokens,
            reported=reported,
            factor=self._factor,
        )

    def _corrected(self, raw: int) -> int:
        return math.ceil(raw * self._factor)

    def _choose(self, target: float) -> list[ContextItem]:
        """The unpinned messages to hide until the corrected total is at most `target`, in the order of their going."""
        order = sorted((item for item in self._items if not item.pinned), key=lambda item: (_RANK[item.kind], item.id))
        raw, going = self._raw, list[ContextItem]()
        for item in order:
            # an answer whose question is gone would open the prompt, which chat templates refuse: it goes too
            orphan = bool(going) and _answers(item, going[-1])
            if self._corrected(raw) <= target and not orphan:
                break
            going.append(item)
            raw -= item.tokens
        return going

    def _line(self, item: ContextItem) -> str:
        start = " ".join(item.text[:240].split())
        shown = start if len(start) <= 60 else f"{start[:59]}…"
        return f"{item.kind.value}, {self._corrected(item.tokens)} tokens: {shown}"

    def _overflow(self, max_tokens: int) -> EngineError:
        pinned = self._corrected(self._pinned)
        return EngineError(
            ErrorClass.CONTEXT_OVERFLOW,
            "context_overflow",
            f"The question with its instructions is about {pinned} tokens; the model's window is {self._window}, "
            f"of which {max_tokens} are kept free for the answer.",
            remedy="Shorten the question, lower max_tokens of the node, or use a model with a larger window.",
        )


def _answers(item: ContextItem, previous: ContextItem) -> bool:
    """Whether `item` is the history's answer to (or goes on from) `previous`, or the result of a tool call in it."""
    if item.kind is previous.kind is MessageKind.TOOL:
        return item.role == "tool"
    return item.kind is previous.kind is MessageKind.HISTORY and item.role != "user"
