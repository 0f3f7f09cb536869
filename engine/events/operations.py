"""Events of what visits do: tools, effects and model calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from engine.errors import ErrorInfo
from engine.events.envelope import Body, FinishReason, Sync
from engine.events.values import AskedTool


@dataclass(frozen=True, slots=True)
class OpStarted(Body):
    KIND: ClassVar[str] = "op_started"
    path: str
    visit: int
    step: int
    """Ordinal of the operation in the visit, from 1."""
    op: str
    args_hash: str
    effect: Literal["pure", "reversible", "irreversible"] = "pure"
    attempt: int = 1
    arguments: str = ""
    """As JSON text, cut where it is long; for people."""


@dataclass(frozen=True, slots=True)
class OpFinished(Body):
    KIND: ClassVar[str] = "op_finished"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    op: str
    result: Any = None
    error: ErrorInfo | None = None
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class EffectIntended(Body):
    """A tool is about to change something outside the program; on disk before it does."""

    KIND: ClassVar[str] = "effect_intended"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    call: str
    """Unique id of the call; names its undo copies."""
    tool: str
    effect: Literal["reversible", "irreversible"]
    arguments: dict[str, Any]
    arguments_hash: str
    undo: dict[str, Any] | None = None
    """What taking it back needs, beside the copies."""


@dataclass(frozen=True, slots=True)
class Compensating(Body):
    """An effect is about to be taken back."""

    KIND: ClassVar[str] = "compensating"
    path: str
    visit: int
    call: str
    tool: str


@dataclass(frozen=True, slots=True)
class Compensated(Body):
    """An effect was taken back, or could not be."""

    KIND: ClassVar[str] = "compensated"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    call: str
    tool: str
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class ModelStarted(Body):
    """One attempt of a model call; the request as it was sent."""

    KIND: ClassVar[str] = "model_started"
    path: str
    visit: int
    step: int
    attempt: int
    model: str
    endpoint: str
    request_hash: str
    """Digest of model, messages and options: two attempts with the same hash are the same request."""
    messages: tuple[tuple[str, str], ...] = ()
    """(role, content), as sent; only with the first attempt and whenever they changed."""
    window: int = 0
    max_tokens: int = 0
    temperature: float = 0.0
    stream: bool = True
    """False where the node asked that its text is shown only when it is whole."""
    seed: int | None = None
    tools: tuple[str, ...] = ()
    """Names of the tools that the model could call."""
    queued_ms: int = 0
    """Milliseconds that the attempt waited for a free slot before it began."""
    shared: bool = False
    """Another run asked the same at the same time: what it gets is the answer here too."""


@dataclass(frozen=True, slots=True)
class ModelDelta(Body):
    KIND: ClassVar[str] = "model_delta"
    path: str
    visit: int
    step: int
    attempt: int
    offset: int
    """Position of `text` in the answer, in characters."""
    text: str
    thinking: bool = False
    tokens: int = 0
    """Chunks received so far: about the tokens generated."""


@dataclass(frozen=True, slots=True)
class ModelFinished(Body):
    KIND: ClassVar[str] = "model_finished"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    attempt: int
    model: str
    text: str
    """The full text; overwrites what deltas built."""
    finish: FinishReason
    prompt_tokens: int
    completion_tokens: int
    exact: bool = True
    """Whether the counts are the backend's own."""
    duration_ms: int = 0
    first_token_ms: int = 0
    thinking: str = ""
    tool_calls: tuple[AskedTool, ...] = ()
    """Those that the backend understood; what a model printed as text is in the text."""
    cached: bool = False
    """Nothing was generated: the same request had been answered before. The counts are of that time."""
    load_ms: int | None = None
    """Of loading the model, as the backend measured it; None where it does not tell, as for the next two."""
    prompt_ms: int | None = None
    """Of reading the prompt."""
    eval_ms: int | None = None
    """Of writing the answer; with `completion_tokens` the model's own speed."""


@dataclass(frozen=True, slots=True)
class AttemptFailed(Body):
    """One attempt of a model call failed; text that it had shown is taken back unless the run ends with it."""

    KIND: ClassVar[str] = "attempt_failed"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    attempt: int
    model: str
    error: ErrorInfo
    retry_in_ms: int | None = None
    """None: there is no further attempt with this model."""
    fallback: str = ""
    """The model that is tried instead."""
    escalates: bool = False
    """Whether that is a better one, to which the role is raised."""
    partial: str = ""
    """Text received before the failure."""


@dataclass(frozen=True, slots=True)
class AttemptAbandoned(Body):
    """An attempt of a model call was lost in an interruption; text that it had shown is taken back."""

    KIND: ClassVar[str] = "attempt_abandoned"
    path: str
    visit: int
    step: int
    attempt: int
