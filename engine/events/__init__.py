"""The closed set of event types and their JSON codec.

A run is a list of events. Bodies are frozen dataclasses, one per kind; `Event` is the envelope. Times ending in `_ms`
are milliseconds. Adding a field with a default keeps `V`; any other change of a body raises its `V` and needs an
upgrade in the codec.

Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.events.approvals import ApprovalAnswered, ApprovalAsked
    from engine.events.codec import BODIES, checksum, decode, encode
    from engine.events.engine_stream import (
        BackendChanged,
        BreakerChanged,
        ContextMeasured,
        ContextPruned,
        PrunedMessage,
        PruneRank,
    )
    from engine.events.envelope import (
        AnsweredBy,
        Body,
        BreakerScope,
        BreakerStateName,
        Event,
        ExitStatus,
        FinishReason,
        NodeOutcome,
        Sync,
    )
    from engine.events.nodes import (
        BranchEnded,
        Degraded,
        EdgeTaken,
        GateDecided,
        JoinDecided,
        MessageAdded,
        NodeFinished,
        NodeStarted,
        RouteDecided,
        ScopeOpened,
        SubgraphOpened,
    )
    from engine.events.operations import (
        AttemptAbandoned,
        AttemptFailed,
        Compensated,
        Compensating,
        EffectIntended,
        ModelDelta,
        ModelFinished,
        ModelStarted,
        OpFinished,
        OpStarted,
    )
    from engine.events.transactions import (
        TERMINAL,
        Begin,
        Checkpoint,
        Committed,
        Paused,
        Resumed,
        Rewound,
        RolledBack,
        RollingBack,
        Unpaused,
    )
    from engine.events.usage import Usage
    from engine.events.values import (
        Activation,
        AskedTool,
        BreakerSnapshot,
        Fork,
        ForkedMessage,
        Recalled,
        Retry,
        RunSnapshot,
        Scope,
        Summariser,
        Summary,
        Taught,
        Token,
    )

_NAMES = {
    "engine.events.approvals": (
        "ApprovalAnswered",
        "ApprovalAsked",
    ),
    "engine.events.codec": (
        "BODIES",
        "checksum",
        "decode",
        "encode",
    ),
    "engine.events.engine_stream": (
        "BackendChanged",
        "BreakerChanged",
        "ContextMeasured",
        "ContextPruned",
        "PrunedMessage",
        "PruneRank",
    ),
    "engine.events.envelope": (
        "AnsweredBy",
        "Body",
        "BreakerScope",
        "BreakerStateName",
        "Event",
        "ExitStatus",
        "FinishReason",
        "NodeOutcome",
        "Sync",
    ),
    "engine.events.nodes": (
        "BranchEnded",
        "Degraded",
        "EdgeTaken",
        "GateDecided",
        "JoinDecided",
        "MessageAdded",
        "NodeFinished",
        "NodeStarted",
        "RouteDecided",
        "ScopeOpened",
        "SubgraphOpened",
    ),
    "engine.events.operations": (
        "AttemptAbandoned",
        "AttemptFailed",
        "Compensated",
        "Compensating",
        "EffectIntended",
        "ModelDelta",
        "ModelFinished",
        "ModelStarted",
        "OpFinished",
        "OpStarted",
    ),
    "engine.events.transactions": (
        "TERMINAL",
        "Begin",
        "Checkpoint",
        "Committed",
        "Paused",
        "Resumed",
        "Rewound",
        "RolledBack",
        "RollingBack",
        "Unpaused",
    ),
    "engine.events.usage": ("Usage",),
    "engine.events.values": (
        "Activation",
        "AskedTool",
        "BreakerSnapshot",
        "Fork",
        "ForkedMessage",
        "Recalled",
        "Retry",
        "RunSnapshot",
        "Scope",
        "Summariser",
        "Summary",
        "Taught",
        "Token",
    ),
}
"""Module -> what is found in it."""

__all__ = [
    "BODIES",
    "TERMINAL",
    "Activation",
    "AnsweredBy",
    "ApprovalAnswered",
    "ApprovalAsked",
    "AskedTool",
    "AttemptAbandoned",
    "AttemptFailed",
    "BackendChanged",
    "Begin",
    "Body",
    "BranchEnded",
    "BreakerChanged",
    "BreakerScope",
    "BreakerSnapshot",
    "BreakerStateName",
    "Checkpoint",
    "Committed",
    "Compensated",
    "Compensating",
    "ContextMeasured",
    "ContextPruned",
    "Degraded",
    "EdgeTaken",
    "EffectIntended",
    "Event",
    "ExitStatus",
    "FinishReason",
    "Fork",
    "ForkedMessage",
    "GateDecided",
    "JoinDecided",
    "MessageAdded",
    "ModelDelta",
    "ModelFinished",
    "ModelStarted",
    "NodeFinished",
    "NodeOutcome",
    "NodeStarted",
    "OpFinished",
    "OpStarted",
    "Paused",
    "PruneRank",
    "PrunedMessage",
    "Recalled",
    "Resumed",
    "Retry",
    "Rewound",
    "RolledBack",
    "RollingBack",
    "RouteDecided",
    "RunSnapshot",
    "Scope",
    "ScopeOpened",
    "SubgraphOpened",
    "Summariser",
    "Summary",
    "Sync",
    "Taught",
    "Token",
    "Unpaused",
    "Usage",
    "checksum",
    "decode",
    "encode",
]


def __getattr__(name: str) -> Any:
    for module, names in _NAMES.items():
        if name in names:
            found = import_module(module)
            globals().update({each: getattr(found, each) for each in names})
            return globals()[name]
    raise AttributeError(f"module 'engine.events' has no attribute {name!r}")
