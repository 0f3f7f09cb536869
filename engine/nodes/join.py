"""Join: waits for branches that run in parallel, and makes one message of what they bring."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.conditions import Condition, compile_condition
from engine.graph.spec import JoinConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome

_WANT_ALL = frozenset({"all", "majority_vote", "best_score"})
"""Modes that want every branch: one that is missing makes the answer a partial one."""


class JoinNode:
    """`ready` says when it need not wait any longer; `decide` makes the message."""

    def __init__(self, config: JoinConfig) -> None:
        self._config = config
        self._success: Condition | None = compile_condition(config.success) if config.success else None

    @property
    def cancels_siblings(self) -> bool:
        return self._config.cancel_siblings

    def ready(self, size: int, arrived: Sequence[Message], dead: int) -> bool | None:
        """Whether the join is satisfied (True), never can be (False), or has to wait (None).

        Args:
            size: number of branches.
            arrived: messages that arrived, in order of arrival.
            dead: branches that ended without arriving.
        """
        left = size - len(arrived) - dead
        match self._config.mode:
            case "any":
                return True if arrived else None if left else False
            case "first_success":
                return True if any(map(self._succeeded, arrived)) else None if left else False
            case "quorum":
                wanted = self._config.quorum or size
                return True if len(arrived) >= wanted else None if len(arrived) + left >= wanted else False
            case "majority_vote" if len(arrived) * 2 > size and _votes(arrived)[0][1] * 2 > size:
                return True
            case _:
                if dead and self._config.on_dead == "fail":
                    return False
                return None if left else bool(arrived)

    def decide(self, ctx: NodeContext, message: Message) -> Outcome:  # noqa: ARG002 - what it joins is in the context
        """The joined message.

        Raises:
            EngineError: join_unsatisfied when too many branches ended without arriving.
        """
        arrived = list(ctx.joined)
        dead = ctx.dead
        if self.ready(ctx.branches, arrived, dead) is not True:
            raise self._unsatisfied(ctx.branches, len(arrived), dead)
        counts = {"joined": len(arrived), "dead": dead, "partial": dead > 0 and self._config.mode in _WANT_ALL}
        winner = self._winner(arrived)
        if winner is not None:
            return Outcome(content=winner.content, data={**winner.data, **counts})
        text = self._config.separator.join(found.content for found in arrived)
        merged: dict[str, Any] = {}
        for found in arrived:
            merged.update(found.data)
        return Outcome(content=text, data={**merged, **counts, "answers": [found.content for found in arrived]})

    def _unsatisfied(self, branches: int, arrived: int, dead: int) -> EngineError:
        remedy = "Look at what the branches came to, or let the join wait for fewer of them (mode, quorum)."
        if self._config.mode in _WANT_ALL and self._config.on_dead == "fail":
            remedy = "Look at the branches' errors, or let the join do without them (on_dead: degrade)."
        return EngineError(
            ErrorClass.INVALID_OUTPUT,
            "join_unsatisfied",
            f"The join ({self._config.mode}) cannot be satisfied: of its branches ({branches}) {arrived} arrived and "
            f"{dead} ended before.",
            remedy=remedy,
        )

    def _winner(self, arrived: Sequence[Message]) -> Message | None:
        """The one message that goes on; None where all of them do."""
        match self._config.mode:
            case "any":
                return arrived[0]
            case "first_success":
                return next(found for found in arrived if self._succeeded(found))
            case "majority_vote":
                favourite = _votes(arrived)[0][0]
                return next(found for found in arrived if _ballot(found) == favourite)
            case "best_score":
                return self._best(arrived)
            case _:
                return None

    def _best(self, arrived: Sequence[Message]) -> Message:
        """The message with the highest score, the earliest branch among equals; those without a number come last."""
        scored = [(score, found) for found in arrived if (score := _score(found.data, self._config.score)) is not None]
        if not scored:
            raise EngineError(
                ErrorClass.INVALID_OUTPUT,
                "no_score",
                f"No branch brought a number at {self._config.score!r}.",
                remedy="Let the branches put one there, or correct `score` in the join.",
            )
        return max(scored, key=lambda each: each[0])[1]

    def _succeeded(self, message: Message) -> bool:
        if self._success is None:
            return bool(message.content.strip())
        return self._success.evaluate({**message.data, "data": message.data, "content": message.content})


def _ballot(message: Message) -> str:
    """What counts as the same answer: the text without case and surrounding or repeated blanks."""
    return " ".join(message.content.casefold().split())


def _votes(arrived: Sequence[Message]) -> list[tuple[str, int]]:
    """(ballot, votes), most votes first; among equals the earliest in the order of `arrived`."""
    return Counter(map(_ballot, arrived)).most_common()


def _score(data: Mapping[str, Any], path: str) -> int | float | None:
    here: Any = data
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    if not isinstance(here, int | float) or isinstance(here, bool):
        return None
    return None if isinstance(here, float) and math.isnan(here) else here
