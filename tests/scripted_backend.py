"""A model backend that answers by script, in memory: it stands in for a network server, so that what the engine does
with answers, delays and faults can be tested without one. The real parts around it (store, breakers, retry, caller,
executor) are the engine's own; the servers' wire protocols are tested in tests/unit/models.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from engine.config import EngineConfig
from engine.errors import EngineError, ErrorClass
from engine.events import BackendChanged, Body
from engine.models.protocol import Capability, ChatRequest, Chunk, Done, Health, ModelInfo, PullProgress, ToolCall
from engine.models.tokens import prompt_tokens

Step = str | Chunk | BaseException | asyncio.Event
"""Text to send, a chunk to send as it is, an error to raise, or an event to wait for."""
Script = Callable[[ChatRequest], Sequence[Step]]

CHAT: frozenset[Capability] = frozenset({"chat", "json_schema"})
WITH_TOOLS: frozenset[Capability] = frozenset({"chat", "tools", "json_schema"})


def model(
    name: str = "small", *, window: int = 4096, parameters_b: float = 0.5, capabilities: frozenset[Capability] = CHAT
) -> ModelInfo:
    return ModelInfo(name, parameters_b=parameters_b, window=window, capabilities=capabilities, digest=f"sha256:{name}")


def tool_model(name: str = "able", **fields: Any) -> ModelInfo:
    """A model that is good enough to be asked for decisions, and calls tools in its backend's own form."""
    return model(name, parameters_b=7.0, capabilities=WITH_TOOLS, **fields)


def form_model(name: str = "able", **fields: Any) -> ModelInfo:
    """A model that is as good, and knows no tool calls."""
    return model(name, parameters_b=7.0, capabilities=frozenset({"chat", "json_schema"}), **fields)


def call(name: str, **arguments: Any) -> Chunk:
    """A tool call as a backend understood it."""
    return Chunk(tool_calls=(ToolCall("from_the_server", name, arguments),))


def fault(error_class: ErrorClass = ErrorClass.INVALID_REQUEST, code: str = "scripted") -> EngineError:
    """A failure as a real backend raises it."""
    return EngineError(error_class, code, f"The scripted server failed ({error_class.value}).", remedy="None needed.")


def system_of(request: ChatRequest) -> str:
    return next((m.content for m in request.messages if m.role == "system"), "")


def text_of(request: ChatRequest) -> str:
    """All that the request says besides the system prompt."""
    return "\n".join(m.content for m in request.messages if m.role != "system")


class ScriptedBackend:
    """Answers each request by `script`, a function of the request; by default with `Answer to: <last message>`."""

    kind = "scripted"
    endpoint = "scripted"

    def __init__(self, script: Script | None = None, models: Sequence[ModelInfo] = ()) -> None:
        self.script: Script = script or (lambda request: [f"Answer to: {request.messages[-1].content[:200]}"])
        self.installed = list(models) or [model()]
        self.requests: list[ChatRequest] = []
        self.open_streams = 0
        """Streams that were begun and not closed yet."""
        self.most_open = 0
        self.closed = False
        self.busy = asyncio.Event()
        """Set when a stream waits for an event of its script."""
        self.refuse: EngineError | None = None
        """Raised instead of naming the models."""

    def answers(self, *scripts: Sequence[Step]) -> None:
        """Answer the calls in turn; the last script is used for all further calls."""
        left = list(scripts)
        self.script = lambda _request: left.pop(0) if len(left) > 1 else left[0]

    def answers_by_system(self, **scripts: Sequence[Step] | Script) -> None:
        """Answer by the first word of the system prompt; `other` for the rest."""

        def choose(request: ChatRequest) -> Sequence[Step]:
            word = (system_of(request).split() or ["other"])[0]
            found = scripts.get(word, scripts.get("other", ["ok"]))
            return found(request) if callable(found) else found

        self.script = choose

    async def chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        self.requests.append(request)
        self.open_streams += 1
        self.most_open = max(self.most_open, self.open_streams)
        try:
            written = 0
            for step in self.script(request):
                await asyncio.sleep(0)  # as with a network, others have their turn between two pieces
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, asyncio.Event):
                    self.busy.set()
                    await step.wait()
                    continue
                chunk = Chunk(step) if isinstance(step, str) else step
                written += 1
                yield chunk
                if chunk.done is not None:
                    return
            yield Chunk(done=Done("stop", prompt_tokens(request), written))
        finally:
            self.open_streams -= 1

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        raise fault(ErrorClass.NOT_FOUND)

    async def models(self) -> list[ModelInfo]:
        if self.refuse is not None:
            raise self.refuse
        return list(self.installed)

    async def show(self, model: str) -> ModelInfo:
        return next(info for info in self.installed if info.name == model)

    async def pull(self, model: str) -> AsyncIterator[PullProgress]:
        raise fault(ErrorClass.NOT_FOUND)
        yield PullProgress("")

    async def health(self) -> Health:
        return Health(ok=True, detail="scripted")

    async def aclose(self) -> None:
        self.closed = True

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make engines of this process find this backend."""

        async def choose(config: EngineConfig, *, emit: Callable[[Body], None]) -> Any:
            if self.refuse is not None:
                raise self.refuse
            emit(BackendChanged(self.endpoint, self.kind, "ready", "Scripted."))
            return self

        monkeypatch.setattr("engine.run.connection.choose_backend", choose)
