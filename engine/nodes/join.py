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
                wanted = self._config.quorum or size // 2 + 1
                return True if len(arrived) >= wanted else None if len(arrived) + left >= wanted else False
            case "majority_vote" if arrived and _votes(arrived)[0][1] * 2 > size:
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
        if self.ready(len(arrived) + dead, arrived, dead) is not True:
            raise EngineError(
                ErrorClass.INVALID_OUTPUT,
                "join_unsatisfied",
                f"Of {len(arrived) + dead} branches {dead} ended without an answer; the join ({self._config.mode}) "
                "cannot be satisfied.",
                remedy="Look at the branches' errors, or let the join degrade (on_dead: degrade).",
            )
        counts = {"joined": len(arrived), "dead": dead, "partial": dead > 0}
        winner = self._winner(arrived)
        if winner is not None:
            return Outcome(content=winner.content, data={**winner.data, **counts})
        text = self._config.separator.join(found.content for found in arrived)
        merged: dict[str, Any] = {}
        for found in arrived:
            merged.update(found.data)
        return Outcome(content=text, data={**merged, **counts, "answers": [found.content for found in arrived]})

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
                return max(arrived, key=lambda found: _score(found.data, self._config.score))
            case _:
                return None

    def _succeeded(self, message: Message) -> bool:
        if self._success is None:
            return bool(message.content.strip())
        return self._success.evaluate({**message.data, "data": message.data, "content": message.content})


def _ballot(message: Message) -> str:
    """What counts as the same answer: the text without case and surrounding or repeated blanks."""
    return " ".join(message.content.casefold().split())


def _votes(arrived: Sequence[Message]) -> list[tuple[str, int]]:
    """(ballot, votes), most votes first; among equals the earliest arrival."""
    return Counter(map(_ballot, arrived)).most_common()


def _score(data: Mapping[str, Any], path: str) -> float:
    here: Any = data
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return float(here) if isinstance(here, int | float) and not isinstance(here, bool) else -math.inf
