"""What a run needs from the engine around it, fixed when it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import EngineError
from engine.health.registry import BreakerRegistry
from engine.models.caller import ModelCaller
from engine.models.protocol import Capability
from engine.tools.policy import Approver
from engine.tools.protocol import ToolContext


@dataclass(frozen=True, slots=True)
class RunServices:
    """Models as resolved for this run, and the shared parts."""

    breakers: BreakerRegistry
    caller: ModelCaller | None
    models: Mapping[str, str] = field(default_factory=dict)
    """Reference in the graph -> model."""
    failures: Mapping[str, EngineError] = field(default_factory=dict)
    """Reference in the graph -> why nothing answers it."""
    windows: Mapping[str, int] = field(default_factory=dict)
    """Model -> context window in tokens."""
    capable: frozenset[str] = frozenset()
    capabilities: Mapping[str, frozenset[Capability]] = field(default_factory=dict)
    """Model -> what it can do."""
    history: tuple[tuple[str, str], ...] = ()
    tools: ToolContext = field(default_factory=ToolContext)
    approver: Approver | None = None
    """Who can ask a person; None: nobody can."""

    def resolve(self, reference: str) -> str:
        model = self.models.get(reference)
        if model is None:
            raise self.failures[reference]
        return model

    def window_of(self, model: str) -> int:
        return self.windows[model]

    @property
    def largest_window(self) -> int:
        return max(self.windows.values(), default=0)
