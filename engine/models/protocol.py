"""What a model backend is: the protocol that Ollama, OpenAI-compatible servers and the embedded model all fulfil."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from engine.events import FinishReason
from engine.message import Role


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Role
    content: str
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request to a model; every backend streams it.

    `window` and `max_tokens` are in tokens and always sent: a backend that is not told them truncates silently.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    max_tokens: int
    window: int
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    """JSON Schema that the answer must fulfil; enforced by the backend where it can."""
    tools: tuple[dict[str, Any], ...] = ()
    logprobs: int | None = None
    """Alternatives to tell per token, with their log-probabilities; None: no log-probabilities at all."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How likely a token was, as a natural logarithm, and what else might have stood there."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()
    """(token, log-probability), the likeliest first."""


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a stream; counts are None where the backend gives none."""

    finish: FinishReason
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_ms: float | None = None
    eval_ms: float | None = None
    load_ms: float | None = None
    """Of loading the model; next to nothing where it was loaded."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a streamed answer. The last chunk of every complete stream carries `done`."""

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    done: Done | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of the tokens of this piece, where they were asked for."""


Capability = Literal["chat", "embed", "tools", "thinking", "json_schema", "vision"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """An installed model, as far as the backend tells."""

    name: str
    size_bytes: int | None = None
    parameters_b: float | None = None
    """Parameters in billions."""
    quantization: str = ""
    family: str = ""
    digest: str = ""
    window: int | None = None
    """Context window in tokens that a request really gets."""
    capabilities: frozenset[Capability] = field(default_factory=frozenset)
    loaded: bool = False
    path: Path | None = None
    """Of its file, where it is on this machine and known."""


@dataclass(frozen=True, slots=True)
class PullProgress:
    status: str
    completed: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    ok: bool
    detail: str
    """One sentence: version, or what is wrong."""
    remedy: str = ""
    version: str = ""


@runtime_checkable
class LoadsModels(Protocol):
    """A backend that can bring a model into memory before anything is asked of it."""

    async def load(self, model: str) -> None:
        """Load a model, with the window that requests will have.

        Raises:
            EngineError: it cannot be loaded.
        """
        ...


@runtime_checkable
class ModelBackend(Protocol):
    """A server (or child process) that runs models.

    All methods raise `EngineError` (see `engine.errors` for the classes) and nothing else but `CancelledError`.
    Closing the iterator of `chat` closes the connection, which stops the generation.
    """

    kind: str
    """ollama, openai or embedded."""
    endpoint: str
    """Address, or `embedded`; names the endpoint in events and breaker keys."""

    def chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Stream the answer; ends with a chunk that carries `done`, or raises."""
        ...

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text."""
        ...

    async def models(self) -> list[ModelInfo]:
        """The installed models."""
        ...

    async def show(self, model: str) -> ModelInfo:
        """One model with its window and capabilities."""
        ...

    def pull(self, model: str) -> AsyncIterator[PullProgress]:
        """Fetch a model."""
        ...

    async def delete(self, model: str) -> None:
        """Remove a model from the disk."""
        ...

    async def health(self) -> Health:
        """Whether the backend can answer now; never raises for a dead backend."""
        ...

    async def aclose(self) -> None:
        """Release connections and end child processes."""
        ...
