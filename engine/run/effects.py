"""Effects: what tools of a run changed outside the program, and the order in which it is taken back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine import events as ev
from engine.tools.protocol import Intent


@dataclass(frozen=True, slots=True)
class Effect:
    """A call whose intent is on disk: it may have happened."""

    path: str
    visit: int
    step: int
    intent: Intent
    seq: int
    """Sequence number of the intent's event."""
    done: int = 0
    """Sequence number of the outcome's event; 0 where it has none."""

    @property
    def stays(self) -> bool:
        """Whether it cannot be taken back."""
        return self.intent.effect == "irreversible"

    def is_in(self, path: str, visit: int) -> bool:
        """Whether it is one of a visit, or of a visit inside that one."""
        return (self.path, self.visit) == (path, visit) or self.path.startswith(f"{path}#{visit}/")

    def visit_in(self, prefix: str) -> tuple[str, int]:
        """(node, visit): the visit that it belongs to, as seen from where paths begin with `prefix`."""
        first, inner, _ = self.path[len(prefix) :].partition("/")
        node, _, number = first.partition("#")
        return (node, int(number)) if inner else (first, self.visit)


@dataclass(slots=True)
class Effects:
    """The effects of a run that stand; folded from events."""

    standing: dict[str, Effect] = field(default_factory=dict)
    """Id of the call -> effect."""
    stuck: dict[str, str] = field(default_factory=dict)
    """Id of the call -> why it could not be taken back."""

    def intended(self, body: ev.EffectIntended, seq: int) -> None:
        intent = Intent(body.call, body.tool, body.effect, body.arguments, body.arguments_hash, body.undo)
        self.standing[body.call] = Effect(body.path, body.visit, body.step, intent, seq)

    def finished(self, body: ev.OpFinished, seq: int) -> None:
        if body.error is None:
            for call, effect in self.standing.items():
                if (effect.path, effect.visit, effect.step) == (body.path, body.visit, body.step) and not effect.done:
                    self.standing[call] = replace(effect, done=seq)

    def compensating(self, body: ev.Compensating) -> None:
        """It is on its way back: whether it stands is not known any more."""
        effect = self.standing.get(body.call)
        if effect is not None:
            self.standing[body.call] = replace(effect, done=0)

    def compensated(self, body: ev.Compensated) -> None:
        if body.error is None:
            self.standing.pop(body.call, None)
            self.stuck.pop(body.call, None)
        else:
            self.stuck[body.call] = f"{body.tool}: {body.error.message}"

    def inside(self, path: str, visit: int) -> list[Effect]:
        """Those of a visit, and of the visits inside it, in the order in which they are taken back."""
        return [each for each in self.to_take_back() if each.is_in(path, visit)] if self.standing else []

    def to_take_back(self, *, since: int = 0, within: str = "") -> list[Effect]:
        """Those to be taken back, in this order: calls without an outcome, then outcomes from the last to the first.

        Args:
            since: only those whose intent has at least this sequence number.
            within: only those of nodes whose paths begin so.
        """
        found = [each for each in self.standing.values() if each.seq >= since and each.path.startswith(within)]
        return sorted(found, key=lambda each: (each.done == 0, each.done or each.seq), reverse=True)

    def left(self) -> tuple[str, ...]:
        """What stands when a run has to end without taking anything back, in words."""
        return tuple(
            f"{each.intent.tool}: the store refused to record the end of the run" for each in self.to_take_back()
        )

    def unfinished(self) -> list[Effect]:
        """Calls without an outcome: whether they happened is not known."""
        return [each for each in self.to_take_back() if not each.done]

    def at(self, path: str, visit: int, step: int) -> list[Effect]:
        """Those of one operation."""
        return [each for each in self.to_take_back() if (each.path, each.visit, each.step) == (path, visit, step)]
