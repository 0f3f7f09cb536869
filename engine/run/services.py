"""What a run needs from the engine around it, fixed when it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.config import Priority
from engine.errors import EngineError
from engine.events import Recalled, Summariser, Taught
from engine.health.registry import BreakerRegistry
from engine.memory.context import Oversize
from engine.models.caller import ModelCaller
from engine.models.catalogue import escalated
from engine.models.protocol import Capability
from engine.routing.embedder import Embedder
from engine.tools.policy import Approver
from engine.tools.protocol import ToolContext


@dataclass(frozen=True, slots=True)
class RunServices:
    """Models as resolved for this run, and the shared parts."""

    breakers: BreakerRegistry
    caller: ModelCaller | None
    models: Mapping[str, str] = field(default_factory=dict)
    """Reference in the graph -> model; `@code+1` is the role one step higher, where a better model is installed."""
    failures: Mapping[str, EngineError] = field(default_factory=dict)
    """Reference in the graph -> why nothing answers it."""
    windows: Mapping[str, int] = field(default_factory=dict)
    """Model -> context window in tokens."""
    capable: frozenset[str] = frozenset()
    capabilities: Mapping[str, frozenset[Capability]] = field(default_factory=dict)
    """Model -> what it can do."""
    history: tuple[tuple[str, str], ...] = ()
    corrections: tuple[Taught, ...] = ()
    recalled: tuple[Recalled, ...] = ()
    """Both as recorded when the run began."""
    factors: Mapping[str, float] = field(default_factory=dict)
    """Model -> correction of the estimates of tokens with which the run begins."""
    embedder: Embedder | None = None
    """What makes the embeddings that routes are learnt from."""
    tools: ToolContext = field(default_factory=ToolContext)
    summariser: Summariser | None = None
    """What writes summaries of what is pruned; None where nothing does."""
    priority: Priority = "graph"
    """The class in which its model calls queue."""
    oversize: Oversize = "cut"
    """What becomes of messages that are larger than a model's window."""
    approver: Approver | None = None
    """Who can ask a person; None: nobody can."""

    def resolve(self, reference: str, steps_up: int = 0) -> str:
        """The model that answers a reference, for a role up to so many steps higher.

        Raises:
            EngineError: nothing that is installed fits.
        """
        for steps in range(steps_up, 0, -1):
            higher = self.models.get(escalated(reference, steps))
            if higher is not None:
                return higher
        model = self.models.get(reference)
        if model is None:
            raise self.failures[reference]
        return model

    def higher(self, reference: str, model: str, needed: Capability) -> list[str]:
        """The models that are better than `model`, step by step, for a role that comes to it now."""
        names = [reference, *(escalated(reference, step) for step in range(1, len(self.models)))]
        steps = [self.models[name] for name in names if name in self.models]
        better = steps[steps.index(model) + 1 :] if model in steps else []
        return [each for each in better if needed == "chat" or needed in self.capabilities.get(each, ())]

    def can_escalate(self, steps_up: int) -> bool:
        """Whether some role comes to another model one step above `steps_up`."""
        return any(name.endswith(escalated("", steps_up + 1)) for name in self.models if name.startswith("@"))

    def window_of(self, model: str) -> int:
        return self.windows[model]

    @property
    def largest_window(self) -> int:
        return max(self.windows.values(), default=0)
