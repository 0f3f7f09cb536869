"""Pruned: what a pruning of a context selection did, and the event that says so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from engine.events import ContextPruned, PrunedMessage, PruneRank, Summary
from engine.memory.item import ContextItem
from engine.memory.ranking import RANK_NAMES

LISTED = 500
"""Messages that went which an event names, the newest ones; a selection that lost more says how many."""
COPIED = 20_000
"""Characters of a message that an event carries where its text is nowhere else among the events."""


class Cut(NamedTuple):
    """A message that was larger than its room."""

    item: ContextItem
    """As it was."""
    tokens: int
    """Estimated tokens of what is left of it."""
    left_out: int
    """Characters."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a pruning did; tokens are corrected ones."""

    reason: str
    tokens_before: int
    tokens_after: int
    window: int
    factor: float
    gone: tuple[ContextItem, ...]
    """Messages that went, in the order of their going."""
    cut: tuple[Cut, ...] = ()
    """Messages that stayed in part."""
    ranks: tuple[int, ...] = ()
    """For each of `gone`: its rank in the order of going, see `engine.memory.ranking`."""
    summary: Summary | None = None
    """What stands in place of `gone`; None where nobody was asked for it."""

    @property
    def removed(self) -> tuple[str, ...]:
        """One line for each message that was cut, and for the newest that went: kind, tokens, beginning of the text."""
        cuts = (
            f"{self._line(each.item)} (cut to {self._corrected(each.tokens)}: {each.left_out:,} characters left out)"
            for each in self.cut
        )
        return (*cuts, *map(self._line, self.gone[-LISTED:]))

    def event(self, selection: str) -> ContextPruned:
        """The event that says so; texts that other events have are named, not repeated."""
        messages = (
            *(self._message(each.item, each.left_out) for each in self.cut),
            *(
                self._message(item, rank=RANK_NAMES[rank])
                for item, rank in zip(self.gone[-LISTED:], self.ranks[-LISTED:], strict=True)
            ),
        )
        return ContextPruned(
            selection, self.reason, self.tokens_before, self.tokens_after, self.window, self.removed,
            messages=messages, unlisted=max(len(self.gone) - LISTED, 0), summary=self.summary,
        )  # fmt: skip

    def _message(self, item: ContextItem, left_out: int = 0, rank: PruneRank | Literal[""] = "") -> PrunedMessage:
        text = "" if item.source else item.text[:COPIED]
        tokens = self._corrected(item.tokens)
        return PrunedMessage(item.kind.value, item.role, tokens, len(item.text), left_out, item.source, text, rank)

    def _line(self, item: ContextItem) -> str:
        start = " ".join(item.text[:240].split())
        shown = start if len(start) <= 60 else f"{start[:59]}…"
        return f"{item.kind.value}, {self._corrected(item.tokens)} tokens: {shown}"

    def _corrected(self, raw: int) -> int:
        return math.ceil(raw * self.factor)
