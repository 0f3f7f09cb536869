"""In what order the messages of a selection go when it is pruned.

First what was said earlier (history, what was recalled, summaries), then what this run made (outputs of other nodes,
tools, notes), last what nobody pinned of the instructions. Of what was said earlier, as long as there is anything else:

1. first the rest, the oldest first;
2. then what the question refers to: exchanges that share a rare word with it, what was recalled for it, and summaries;
3. last the recent: the newest exchanges, up to half of the room that is left for messages that are not pinned.

A word is rare when few of the exchanges that are looked at hold it (`RARE`), so that `what` and `the` refer to nothing.
A question goes together with its answers, a tool call with its results.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from engine.message import MessageKind

if TYPE_CHECKING:
    from engine.memory.context import ContextItem

RECENT_SHARE = 0.5
"""Share of the room for what is not pinned that the newest exchanges have before those that are referred to."""
RARE = 0.25
"""Share of the exchanges that may hold a word that refers to one; one exchange always may."""
LOOKED_AT = 400
"""Messages of the history, the newest before the recent ones, that are searched for the question's words; and what is
older goes as the rest does. It keeps the time of a pruning in bounds."""
MOST_WORDS = 12
"""Words of the question that are searched for: the longest ones."""
MOST_CHARACTERS = 2000
"""Characters of a message, and of a question, that are looked at."""

_REST, _REFERRED, _RECENT, _MADE, _LAST = range(5)
_RANK = {
    MessageKind.HISTORY: _REST,
    MessageKind.RECALLED: _REFERRED,
    MessageKind.SUMMARY: _REFERRED,
    MessageKind.UPSTREAM: _MADE,
    MessageKind.TOOL: _MADE,
    MessageKind.NOTE: _MADE,
    MessageKind.QUESTION: _LAST,
    MessageKind.SYSTEM: _LAST,
}
_WORD = re.compile(r"\w{3,}")


class Group:
    """Messages that go together. No dataclass: thousands are made at a time."""

    __slots__ = ("items", "rank", "tokens")

    def __init__(self, item: ContextItem, rank: int) -> None:
        self.items = [item]
        self.tokens = item.tokens
        self.rank = rank
        """The lowest goes first; within a rank the oldest."""


def going_order(items: Iterable[ContextItem], question: str, room: int) -> list[Group]:
    """All groups of messages that may go, in the order of their going.

    Time grows with the number of messages alone.

    Args:
        items: messages that are not pinned, in order of insertion.
        question: what is asked now.
        room: tokens for these messages, in the measure of `ContextItem.tokens`.
    """
    groups = _groups(items)
    earlier = [group for group in groups if group.rank == _REST]
    _rank_earlier(earlier, question, room)
    groups.sort(key=lambda group: group.rank)  # stable: the oldest first
    return groups


def _groups(items: Iterable[ContextItem]) -> list[Group]:
    groups: list[Group] = []
    open_groups: dict[MessageKind, Group] = {}
    group: Group | None = None
    last: MessageKind | None = None
    rank = _REST
    for item in items:
        kind, role = item.kind, item.role
        if kind is not last:  # the hash of an enum's member takes longer than all else here
            if last is not None and group is not None:
                open_groups[last] = group
            group, last, rank = open_groups.get(kind), kind, _RANK[kind]
        # an answer of the history, or the result of a tool call, cannot stay without what came before it
        goes_on = role != "user" if kind is MessageKind.HISTORY else kind is MessageKind.TOOL and role == "tool"
        if group is not None and goes_on:
            group.items.append(item)
            group.tokens += item.tokens
            continue
        group = Group(item, rank)
        groups.append(group)
    return groups


def _rank_earlier(groups: Sequence[Group], question: str, room: int) -> None:
    """Mark the recent exchanges, and those that the question refers to."""
    left = room * RECENT_SHARE
    older = len(groups)
    while older and groups[older - 1].tokens <= left:
        older -= 1
        left -= groups[older].tokens
        groups[older].rank = _RECENT
    words = _words(question)
    if not words:
        return
    looked: list[Group] = []
    count = 0
    for group in reversed(groups[:older]):
        count += len(group.items)
        if count > LOOKED_AT:
            break
        looked.append(group)
    most = max(1, int(len(looked) * RARE))
    texts = ["\n".join([item.text[:MOST_CHARACTERS] for item in group.items]).lower() for group in looked]
    for word in words:
        holding = [index for index, text in enumerate(texts) if word in text]
        if len(holding) > most * 4:  # even as a part of words it is common: not worth a closer look
            continue
        holding = [index for index in holding if _holds(texts[index], word)]
        if len(holding) <= most:
            for index in holding:
                looked[index].rank = _REFERRED


def _words(question: str) -> list[str]:
    """The words that could refer to something: the longest, of equals the first."""
    words = dict.fromkeys(_WORD.findall(question[:MOST_CHARACTERS].lower()))
    return sorted(words, key=len, reverse=True)[:MOST_WORDS]


def _holds(text: str, word: str) -> bool:
    """Whether it stands in the text as a word, not only as a part of one."""
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not (start and _joins(text[start - 1])) and not (end < len(text) and _joins(text[end])):
            return True
        start = text.find(word, end)
    return False


def _joins(character: str) -> bool:
    return character.isalnum() or character == "_"
