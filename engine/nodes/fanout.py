"""Fan-out: begins branches that run in parallel, one for each target, or one for each item of a list and target."""

from __future__ import annotations

import json
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.spec import FanoutConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.paths import dotted


class FanoutNode:
    def __init__(self, config: FanoutConfig) -> None:
        self._config = config

    def decide(self, ctx: NodeContext, message: Message) -> Outcome:  # noqa: ARG002 - one shape for all nodes
        """The branches.

        Raises:
            EngineError: invalid_output when there is no list at `over`; budget_exhausted for too many branches.
        """
        items = self._items(message)
        count = len(self._config.targets) * (1 if items is None else len(items))
        if count > self._config.max_branches:
            raise EngineError(
                ErrorClass.BUDGET_EXHAUSTED,
                "too_many_branches",
                f"The fan-out would begin {count} branches; {self._config.max_branches} are allowed.",
                remedy="Raise max_branches, or split the work into larger pieces.",
            )
        branches: tuple[tuple[str, str, dict[str, Any]], ...]
        if items is None:
            branches = tuple((target, message.content, {}) for target in self._config.targets)
        else:
            # with the whole list in every branch the log would grow with the square of its length
            without = {} if "." in (self._config.over or "") else {str(self._config.over): None}
            branches = tuple(
                (
                    target,
                    item if isinstance(item, str) else json.dumps(item, ensure_ascii=False),
                    {**without, "item": number},
                )
                for number, item in enumerate(items)
                for target in self._config.targets
            )
        return Outcome(content=message.content, branches=branches)

    def _items(self, message: Message) -> list[Any] | None:
        if self._config.over is None:
            return None
        try:
            found = dotted(message.data, self._config.over)
        except EngineError:
            found = None
        if not isinstance(found, list) or not found:
            raise EngineError(
                ErrorClass.INVALID_OUTPUT,
                "nothing_to_fan_out",
                f"There is no list with anything in it at {self._config.over!r}.",
                remedy="Let the node before it make a list there, for instance with a transform.",
            )
        return found
