"""ContextSelection: the messages that one model call sees, counted as they come and pruned before they overflow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import filterfalse, groupby
from operator import attrgetter
from typing import Literal

from engine.errors import EngineError, ErrorClass
from engine.events import ContextMeasured
from engine.memory.item import ContextItem
from engine.memory.oversize import LEAST_TOKENS, even_limit, shortened
from engine.memory.pruned import Cut, Pruned
from engine.memory.ranking import going_order
from engine.memory.summary import LEAST_ROOM, MOST_TOKENS
from engine.message import MessageKind, Role, estimate_tokens
from engine.models.tokens import TEMPLATE_TOKENS

FACTOR_MIN = 0.5
FACTOR_MAX = 4.0
"""Bounds of the correction: bytes / 4 is hardly ever off by more; a report beyond them is taken for a wrong one."""

_KIND_OF: Callable[[ContextItem], MessageKind] = attrgetter("kind")
_TOKENS_OF: Callable[[ContextItem], int] = attrgetter("tokens")
_PINNED_OF: Callable[[ContextItem], bool] = attrgetter("pinned")

Oversize = Literal["cut", "refuse"]

_WHOLE = frozenset({MessageKind.SYSTEM})
"""Kinds that are never cut: half an instruction is another instruction."""


class ContextSelection:
    """The visible messages of one (path, model), append-only, with totals kept at O(1) per message.

    The room for the prompt is `window - max_tokens`: what the model may write is never promised to the prompt. `prune`
    is called before each request. Over `high` of that room it hides messages until `low` of it is reached, so that the
    prompt's beginning (and with it the server's prompt cache) stays the same for many requests. After it,
    `total + max_tokens <= window`. The order of going is that of `engine.memory.ranking`.

    A message that is larger than its room is cut where `oversize` is `cut`: its head and tail stay, with a mark between
    them. The pinned ones (never the instructions) are cut evenly where they do not fit together; another one where it
    could not stay even alone, to half of what the pinned ones leave.

    Args:
        key: `path model`, as events name the selection.
        window: the model's real context window in tokens.
        high: share of the room at which pruning begins.
        low: share of the room at which it ends.
        factor: correction of the estimates that an earlier selection of the same key has learnt.
        oversize: what becomes of messages that are larger than their room: `cut`, or `refuse`: pinned ones are an
            error, and others go as a whole.
    """

    __slots__ = (
        "_factor",
        "_hidden",
        "_high",
        "_items",
        "_kinds",
        "_largest",
        "_low",
        "_next",
        "_originals",
        "_oversize",
        "_pinned",
        "_raw",
        "_window",
        "key",
    )

    def __init__(
        self,
        key: str,
        window: int,
        *,
        high: float = 0.8,
        low: float = 0.6,
        factor: float = 1.0,
        oversize: Oversize = "cut",
    ) -> None:
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
        self._originals: dict[int, ContextItem] = {}
        self._kinds: dict[MessageKind, int] = {}
        self._largest = 0
        self._raw = 0
        self._pinned = 0
        self._factor = factor
        self._oversize = oversize
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

    def originals(self) -> list[ContextItem]:
        """The visible messages that were cut, as they were added."""
        return list(self._originals.values())

    def add(self, kind: MessageKind, role: Role, text: str, *, pinned: bool = False, source: str = "") -> ContextItem:
        """Append a message. O(1) apart from counting the text's bytes."""
        tokens = estimate_tokens(text) + TEMPLATE_TOKENS
        number = self._next
        self._next = number + 1
        item = ContextItem(number, kind, role, text, tokens, pinned, source)
        self._items.append(item)
        self._raw += tokens
        if tokens > self._largest:
            self._largest = tokens
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

    @property
    def shrinks(self) -> bool:
        """Whether there is anything that could go, or be cut."""
        return any(not item.pinned or self._can_cut(item) for item in self._items)

    def prune(self, max_tokens: int, reason: str = "") -> Pruned | None:
        """Hide and cut messages where needed for a request that may answer with `max_tokens` tokens.

        Pinned messages stay. O(1) where nothing is to be done; else it grows with the number of messages.

        Returns:
            What was hidden and cut, or None.

        Raises:
            EngineError: CONTEXT_OVERFLOW, when the pinned messages alone leave no room, and must not or cannot be cut;
                nothing is hidden then.
        """
        room = self._window - max_tokens
        before = self.total
        over = self._corrected(self._pinned) > room
        cuts = self._cut_pinned(room) if over else []
        if over and not cuts:
            raise self._overflow(max_tokens)
        going: list[ContextItem] = []
        ranks: list[int] = []
        if self.total > self._high * room and self._raw != self._pinned:
            free = max(self._raw_for(self._low * room) - self._pinned, 0)
            cuts += self._cut_others(free)
            chosen, ranks = self._choose(self._low * room, free)
            going = self._hide(chosen)
        if not cuts and not going:
            return None
        gone = {item.id for item in going}
        return Pruned(
            reason=reason or self._reason(room, cut_pinned=over, going=bool(going)),
            tokens_before=before,
            tokens_after=self.total,
            window=self._window,
            factor=self._factor,
            gone=tuple(going),
            cut=tuple(each for each in cuts if each.item.id not in gone),
            ranks=tuple(ranks),
        )

    def summary_room(self, max_tokens: int) -> int:
        """Estimated tokens that a summary of what went may have, so that it sets off no further pruning; 0 where there
        is no room for one."""
        limit = self._raw_for(self._high * (self._window - max_tokens))
        free = limit - self._raw - TEMPLATE_TOKENS
        return min(free // LEAST_ROOM * LEAST_ROOM, MOST_TOKENS)  # in steps, so that nearly the same is asked the same

    def put_summary(self, pruned: Pruned, text: str) -> ContextItem:
        """Put a summary where the oldest of the messages stood that went; it may go itself later.

        Args:
            pruned: a pruning of this selection in which messages went.
            text: of at most `summary_room` estimated tokens.
        """
        summary = MessageKind.SUMMARY
        first = min(item.id for item in pruned.gone)
        later = (index for index, item in enumerate(self._items) if item.id > first and item.kind is not summary)
        index = next(later, len(self._items))
        item = self.add(summary, "user", text)
        self._items.insert(index, self._items.pop())
        return item

    def measured(self, max_tokens: int, *, reported: int | None = None) -> ContextMeasured:
        """The event that says how full the selection is; `reported` is the backend's own count, where it is known."""
        return ContextMeasured(
            selection=self.key,
            tokens=self.total,
            window=self._window,
            messages=len(self._items),
            by_kind=self.by_kind,
            reserved=max_tokens,
            pinned=self._corrected(self._pinned),
            reported=reported,
            factor=self._factor,
        )

    def _corrected(self, raw: int) -> int:
        return math.ceil(raw * self._factor)

    def _raw_for(self, corrected: float) -> int:
        """The most estimated tokens that are at most `corrected` ones."""
        raw = int(corrected / self._factor)
        while raw > 0 and self._corrected(raw) > corrected:  # the division may have been rounded up
            raw -= 1
        return raw

    def _reason(self, room: int, *, cut_pinned: bool, going: bool) -> str:
        mark = f"over {self._high:.0%} of the {room} tokens that the window leaves for the prompt"
        if not cut_pinned:
            return mark
        larger = f"what must stay is larger than the {room} tokens that the window leaves for the prompt"
        return f"{larger}; all else goes" if going else larger

    def _can_cut(self, item: ContextItem) -> bool:
        """Instructions stay whole, and so do calls of tools: half a call is none."""
        if self._oversize != "cut" or item.kind in _WHOLE or item.tokens <= LEAST_TOKENS + TEMPLATE_TOKENS:
            return False
        return item.kind is not MessageKind.TOOL or item.role != "assistant"

    def _cut_pinned(self, room: int) -> list[Cut]:
        """Cut the pinned messages evenly to `high` of the room; none where that would leave too little of them."""
        large = [item for item in self._items if item.pinned and self._can_cut(item)]
        left = self._raw_for(self._high * room) - self._pinned + sum(item.tokens for item in large)
        limit = even_limit([item.tokens for item in large], left) if large else 0
        if limit < LEAST_TOKENS + TEMPLATE_TOKENS:
            return []
        return self._replace({item.id: limit for item in large if item.tokens > limit})

    def _cut_others(self, free: int) -> list[Cut]:
        """Cut each message that could not stay even if it were the only one that is not pinned."""
        limit = free // 2
        if limit < LEAST_TOKENS + TEMPLATE_TOKENS or self._largest <= free:
            return []
        return self._replace(
            {item.id: limit for item in self._items if item.tokens > free and not item.pinned and self._can_cut(item)}
        )

    def _replace(self, limits: dict[int, int]) -> list[Cut]:
        """Put what is left of the messages into their places; `limits`: id -> tokens, the template's share included."""
        cuts: list[Cut] = []
        for index, item in enumerate(self._items) if limits else ():
            limit = limits.get(item.id)
            if limit is None:
                continue
            text, left_out = shortened(item.text, limit - TEMPLATE_TOKENS)
            tokens = estimate_tokens(text) + TEMPLATE_TOKENS
            self._items[index] = item._replace(text=text, tokens=tokens)
            self._count(item.kind, tokens - item.tokens)
            if item.pinned:
                self._pinned += tokens - item.tokens
            self._originals[item.id] = item
            cuts.append(Cut(item, tokens, left_out))
        return cuts

    def _count(self, kind: MessageKind, tokens: int) -> None:
        """Add `tokens` to the totals."""
        self._raw += tokens
        self._kinds[kind] += tokens
        if not self._kinds[kind]:
            del self._kinds[kind]

    def _choose(self, target: float, free: int) -> tuple[list[ContextItem], list[int]]:
        """The unpinned messages to hide until the corrected total is at most `target`, in the order of their going; and
        the rank of each."""
        over, going, ranks = self._raw - self._raw_for(target), list[ContextItem](), list[int]()
        unpinned = list(filterfalse(_PINNED_OF, self._items))
        for rank, group in going_order(unpinned, self._asked(), free, over):
            if over <= 0:
                break
            going += group
            ranks += [rank] * len(group)
            over -= sum(map(_TOKENS_OF, group))
        return going, ranks

    def _asked(self) -> str:
        """The visible questions; they stand near the end."""
        question, texts = MessageKind.QUESTION, list[str]()
        left = self._kinds.get(question, 0)
        for item in reversed(self._items):
            if not left:
                break
            if item.kind is question:
                left -= item.tokens
                texts.append(item.text)
        return "\n".join(reversed(texts))

    def _hide(self, going: list[ContextItem]) -> list[ContextItem]:
        """Take messages out of the visible ones; returns them as they were added."""
        gone = {item.id for item in going}
        self._items = [item for item in self._items if item[0] not in gone]
        for kind, tokens in _by_kind(going).items():
            self._count(kind, -tokens)
        whole = [self._originals.pop(item.id, item) for item in going] if self._originals else going
        self._hidden.extend(whole)
        return whole

    def _overflow(self, max_tokens: int) -> EngineError:
        pinned = self._corrected(self._pinned)
        return EngineError(
            ErrorClass.CONTEXT_OVERFLOW,
            "context_overflow",
            f"The question with its instructions is about {pinned} tokens; the model's window is {self._window}, "
            f"of which {max_tokens} are kept free for the answer.",
            remedy="Shorten the question, lower max_tokens of the node, or use a model with a larger window.",
        )


def _by_kind(items: Iterable[ContextItem]) -> dict[MessageKind, int]:
    """Tokens of each kind."""
    sums: dict[MessageKind, int] = {}
    for kind, run in groupby(items, _KIND_OF):  # the hash of an enum's member takes longer than to compare neighbours
        sums[kind] = sums.get(kind, 0) + sum(map(_TOKENS_OF, run))
    return sums
