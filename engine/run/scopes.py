"""A scope while its branches run: what has arrived at its join and what has ended, each counted once, in O(1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

from engine import events as ev
from engine.message import Message


@dataclass(slots=True)
class OpenScope:
    """The deciding fold's working copy of an `ev.Scope`."""

    join: str
    size: int
    outer: tuple[ev.Token, ...] = ()
    arrived: dict[int, int] = field(default_factory=dict)
    """Branch -> message id, in order of arrival."""
    dead: dict[int, None] = field(default_factory=dict)
    """Branches that ended without reaching the join, in order."""
    decided: bool = False
    cancelled: frozenset[int] = frozenset()

    def awaits(self, branch: int) -> bool:
        """Whether the branch has neither arrived nor ended."""
        return branch not in self.arrived and branch not in self.dead

    def frozen(self) -> ev.Scope:
        """As it stands in a snapshot."""
        return ev.Scope(
            self.join,
            self.size,
            self.outer,
            tuple(self.arrived.items()),
            tuple(self.dead),
            self.decided,
            tuple(sorted(self.cancelled)),
        )

    @classmethod
    def of(cls, scope: ev.Scope) -> OpenScope:
        """The working copy of what stands in a snapshot."""
        return cls(
            scope.join,
            scope.size,
            scope.outer,
            dict(scope.arrived),
            dict.fromkeys(scope.dead),
            scope.decided,
            frozenset(scope.cancelled),
        )


class Arrived(Sequence[Message]):
    """The messages that arrived, in order of arrival; looked up only when a join reads them."""

    def __init__(self, scope: OpenScope, messages: Mapping[int, Message]) -> None:
        self._ids = scope.arrived
        self._messages = messages

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | Sequence[Message]:
        return [self._messages[number] for number in self._ids.values()][index]

    def __iter__(self) -> Iterator[Message]:
        return (self._messages[number] for number in self._ids.values())


def in_branch_order(scope: OpenScope) -> tuple[int, ...]:
    """Ids of the messages that arrived, in order of their branches."""
    return tuple(message for _, message in sorted(scope.arrived.items()))


def pending(scope: OpenScope) -> tuple[int, ...]:
    """Branches that have neither arrived nor ended."""
    return tuple(branch for branch in range(scope.size) if scope.awaits(branch))
