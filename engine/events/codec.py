"""The JSON codec of events."""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from engine.events.approvals import ApprovalAnswered, ApprovalAsked
from engine.events.engine_stream import BackendChanged, BreakerChanged, ContextMeasured, ContextPruned
from engine.events.envelope import Body
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

BODIES: dict[str, type[Body]] = {
    cls.KIND: cls
    for cls in (
        BreakerChanged,
        BackendChanged,
        Begin,
        Checkpoint,
        Rewound,
        Resumed,
        RollingBack,
        RolledBack,
        Committed,
        Paused,
        Unpaused,
        NodeStarted,
        NodeFinished,
        EdgeTaken,
        MessageAdded,
        ScopeOpened,
        BranchEnded,
        JoinDecided,
        SubgraphOpened,
        Degraded,
        RouteDecided,
        GateDecided,
        OpStarted,
        OpFinished,
        EffectIntended,
        Compensating,
        Compensated,
        ModelStarted,
        ModelDelta,
        ModelFinished,
        AttemptFailed,
        AttemptAbandoned,
        ApprovalAsked,
        ApprovalAnswered,
        ContextMeasured,
        ContextPruned,
    )
}


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(BODIES[kind])


def encode(body: Body) -> str:
    """The body as JSON text."""
    return _adapter(body.KIND).dump_json(body).decode()


def decode(kind: str, version: int, text: str) -> Body:
    """The body that `encode` wrote.

    Raises:
        ValueError: unknown kind, a version from a newer program, or text that does not fit the kind.
    """
    cls = BODIES.get(kind)
    if cls is None:
        raise ValueError(f"unknown event kind {kind!r}: written by a newer version")
    if version > cls.V:
        raise ValueError(f"event {kind!r} has version {version}, this program reads up to {cls.V}")
    body: Body = _adapter(kind).validate_json(text)
    return body


def checksum(gseq: int, tx: str | None, seq: int, kind: str, text: str) -> int:
    """CRC-32 of a stored event row: finds a damaged row, is no protection against intent."""
    return zlib.crc32(f"{gseq}|{tx or ''}|{seq}|{kind}|{text}".encode())
