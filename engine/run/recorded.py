"""What the operations of a visit came to, as the log says: one that runs again gets it instead of doing it twice."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from engine import events as ev
from engine.models.caller import ModelRound
from engine.models.protocol import ToolCall
from engine.run.effects import Effect

Place = tuple[str, int]
"""(path, visit)."""


@dataclass(slots=True)
class Recorded:
    """One operation: (path, visit, step) is its key; that of an attempt which failed is overwritten by the next."""

    hash: str
    """Digest of its arguments: an operation that asks for something else is another one."""
    outcome: Any = None
    """The body that says what it came to; None where it failed, or was interrupted."""
    attempt: int = 0
    """Of a model call: the attempt that is under way; 0 for none."""


@dataclass(slots=True)
class Operations:
    """The operations of visits that are under way, and what inner nodes of such visits made; folded from events."""

    steps: dict[Place, dict[int, Recorded]] = field(default_factory=dict)
    made: dict[str, dict[Place, tuple[int, int]]] = field(default_factory=dict)
    """Beginning of the paths inside a visit -> inner visit -> (message that reached it, message that it made)."""
    attempts: dict[Place, int] = field(default_factory=dict)
    """Visit that is under way -> its latest attempt."""
    received: dict[Place, int] = field(default_factory=dict)
    """Visit that is under way -> the message that reached it."""

    def recall(self, path: str, visit: int, step: int, digest: str) -> Any | None:
        """What the operation came to, where it was done before with the same arguments."""
        found = self.steps.get((path, visit), {}).get(step)
        return found.outcome if found is not None and found.hash == digest else None

    def is_begun(self, path: str, visit: int, step: int, digest: str) -> bool:
        """Whether the operation was begun with the same arguments."""
        found = self.steps.get((path, visit), {}).get(step)
        return found is not None and found.hash == digest

    def taken_back(self, effect: Effect) -> None:
        """What an operation came to, and what inner visits made of it, is true no more: its effect is taken back."""
        self.steps.get((effect.path, effect.visit), {}).pop(effect.step, None)
        for prefix, made in self.made.items():
            if effect.path.startswith(prefix):
                node, visit = effect.visit_in(prefix)
                made.pop((prefix + node, visit), None)

    def interrupted(self) -> list[tuple[str, int, int, int]]:
        """(path, visit, step, attempt) of the model calls that had not ended."""
        return [
            (*place, step, each.attempt)
            for place, steps in self.steps.items()
            for step, each in steps.items()
            if each.attempt
        ]

    def started(self, body: ev.NodeStarted) -> None:
        self.attempts[body.path, body.visit] = body.attempt
        self.received[body.path, body.visit] = body.message

    def finished(self, body: ev.NodeFinished) -> None:
        place = (body.path, body.visit)
        self.attempts.pop(place, None)
        self.steps.pop(place, None)
        if self.made:
            self.made.pop(f"{body.path}#{body.visit}/", None)

    def inner_made(self, body: ev.NodeFinished, received: int) -> None:
        """An inner node made a message of the one that reached it."""
        prefix = body.path.rpartition("/")[0] + "/"
        self.made.setdefault(prefix, {})[body.path, body.visit] = (received, body.message)

    def op_started(self, body: ev.OpStarted) -> None:
        self._at(body.path, body.visit)[body.step] = Recorded(body.args_hash)

    def op_finished(self, body: ev.OpFinished) -> None:
        found = self._at(body.path, body.visit).get(body.step)
        if found is not None and body.error is None:
            found.outcome = body

    def model_started(self, body: ev.ModelStarted) -> None:
        steps = self._at(body.path, body.visit)
        if body.attempt == 1 or body.step not in steps:  # those that follow may ask another model
            steps[body.step] = Recorded(body.request_hash)
        steps[body.step].attempt = body.attempt

    def model_ended(self, body: ev.ModelFinished | ev.AttemptFailed | ev.AttemptAbandoned) -> None:
        found = self._at(body.path, body.visit).get(body.step)
        if found is not None:
            found.attempt = 0
            found.outcome = body if isinstance(body, ev.ModelFinished) else None

    def answered(self, body: ev.ApprovalAnswered) -> None:
        if body.by != "cancelled":
            self._at(body.path, body.visit)[body.step] = Recorded(body.arguments_hash, body)

    def _at(self, path: str, visit: int) -> dict[int, Recorded]:
        return self.steps.setdefault((path, visit), {})


def round_of(body: ev.ModelFinished, endpoint: str) -> ModelRound | None:
    """An answer as it was recorded; None where not all of it was."""
    calls = []
    for asked in body.tool_calls:
        try:
            arguments = json.loads(asked.arguments)
        except ValueError:
            return None
        calls.append(ToolCall(asked.id, asked.name, arguments))
    return ModelRound(
        text=body.text,
        thinking=body.thinking,
        tool_calls=tuple(calls),
        finish=body.finish,
        prompt_tokens=body.prompt_tokens,
        completion_tokens=body.completion_tokens,
        exact=body.exact,
        model=body.model,
        endpoint=endpoint,
        duration_ms=body.duration_ms,
        attempts=body.attempt,
    )
