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
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from operator import attrgetter

from engine.events import PruneRank
from engine.memory.item import ContextItem
from engine.message import MessageKind

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
_TOKENS_OF: Callable[[ContextItem], int] = attrgetter("tokens")

RANK_NAMES: tuple[PruneRank, ...] = ("earlier", "referred", "recent", "made", "last")
"""Rank -> its name in events."""


def going_order(
    items: Sequence[ContextItem], question: str, room: int, over: int = 0
) -> Iterator[tuple[int, list[ContextItem]]]:
    """All messages that may go, in the order of their going: each time those that go together, and their rank.

    Time grows with the number of messages alone, and mostly with that of those that are asked for.

    Args:
        items: messages that are not pinned, in order of insertion.
        question: what is asked now.
        room: tokens for these messages, in the measure of `ContextItem.tokens`.
        over: tokens that have to go in any case: the oldest exchanges within them come at once, as one.
    """
    history = MessageKind.HISTORY  # to look a member up takes longer than all else that is done with each message
    earlier = [item for item in items if item.kind is history]
    others = _by_rank([item for item in items if item.kind is not history] if len(earlier) < len(items) else [])
    words = _words(question)
    upto = list(accumulate(map(_TOKENS_OF, earlier), initial=0))  # tokens before each of them
    recent = _begin_of_recent(earlier, upto, room * RECENT_SHARE)
    looked = _begin_of_looked_at(earlier, recent) if words else recent
    rest, referred = _referred(list(_exchanges(earlier[looked:recent])), words)
    referred = sorted(referred + others.get(_REFERRED, []), key=lambda group: group[0].id)
    sure = _begin_of_unsure(earlier, upto, looked, over)
    for rank, groups in (
        (_REST, chain([earlier[:sure]] if sure else [], _exchanges(earlier[sure:looked]), rest)),
        (_REFERRED, referred),
        (_RECENT, _exchanges(earlier[recent:])),
        (_MADE, others.get(_MADE, [])),
        (_LAST, others.get(_LAST, [])),
    ):
        for group in groups:
            yield rank, group


def _exchanges(history: Iterable[ContextItem]) -> Iterator[list[ContextItem]]:
    """Questions of the history, each with its answers, which cannot stay without it."""
    group: list[ContextItem] = []
    for item in history:
        if group and item.role == "user":
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _by_rank(items: Iterable[ContextItem]) -> dict[int, list[list[ContextItem]]]:
    """All but the history; the result of a tool cannot stay without its call."""
    ranks: dict[int, list[list[ContextItem]]] = {}
    call: list[ContextItem] | None = None
    for item in items:
        if call is not None and item.kind is MessageKind.TOOL and item.role == "tool":
            call.append(item)
            continue
        group = [item]
        ranks.setdefault(_RANK[item.kind], []).append(group)
        if item.kind is MessageKind.TOOL:
            call = group
    return ranks


def _begin_of_unsure(history: Sequence[ContextItem], upto: Sequence[int], end: int, over: int) -> int:
    """Where the exchanges before `end` begin of which not all have to go: those before have at most `over` tokens."""
    index = min(bisect_right(upto, over) - 1, end)
    while index > 0 and index < len(history) and history[index].role != "user":
        index -= 1
    return index


def _begin_of_recent(history: Sequence[ContextItem], upto: Sequence[int], left: float) -> int:
    """Where the newest exchanges begin that have at most `left` tokens together."""
    index = bisect_left(upto, upto[-1] - left)
    while 0 < index < len(history) and history[index].role != "user":
        index += 1
    return index


def _begin_of_looked_at(history: Sequence[ContextItem], end: int) -> int:
    """Where the exchanges before `end` begin that are searched for the question's words."""
    begin = end
    for index in range(end - 1, max(end - LOOKED_AT, 0) - 1, -1):
        if not index or history[index].role == "user":
            begin = index
    return begin


def _referred(
    groups: Sequence[list[ContextItem]], words: Sequence[str]
) -> tuple[list[list[ContextItem]], list[list[ContextItem]]]:
    """The exchanges that the question does not refer to, and those that it does."""
    most = max(1, int(len(groups) * RARE))
    texts = ["\n".join([item.text[:MOST_CHARACTERS] for item in group]).lower() for group in groups]
    named: set[int] = set()
    for word in words:
        holding = [index for index, text in enumerate(texts) if word in text]
        if len(holding) > most * 4:  # even as a part of words it is common: not worth a closer look
            continue
        holding = [index for index in holding if _holds(texts[index], word)]
        if len(holding) <= most:
            named.update(holding)
    rest = [group for index, group in enumerate(groups) if index not in named]
    return rest, [groups[index] for index in sorted(named)]


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
