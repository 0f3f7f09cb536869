"""Ollama over its native HTTP API: the OpenAI-compatible one ignores the window.

Protocol: https://docs.ollama.com/api (streaming, errors, chat, tags, ps, show, pull, delete, embed, version).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from engine.errors import EngineError
from engine.events import BackendChanged, Body
from engine.models import ollama_wire as wire
from engine.models.address import normalise_host
from engine.models.answer import check_prompt_fitted
from engine.models.naming import full_name
from engine.models.protocol import ChatRequest, Chunk, Health, ModelInfo, PullProgress
from engine.models.transport import CHAT_TIMEOUT_S, CONTROL_TIMEOUT_S, Stream, Transport, parse_line, vectors

__all__ = ["OllamaBackend", "normalise_host"]

_SHOW_AT_ONCE = 4
_MODELS_AT_MOST = 200
"""Models of which capabilities are asked; the list may be longer."""
_COMPARE_S = 1.0
"""Seconds that the end of an answer waits to learn how much context the model got."""
_LESS_REMEDY = "Set `window` to what the server gives, or let it load fewer models at a time."
_REMEDY = "Start it with `ollama serve`, or correct OLLAMA_HOST."


class OllamaBackend:
    """An Ollama server.

    Args:
        host: any form of OLLAMA_HOST; empty for the default.
        api_key: for a server behind a proxy that asks for one.
        window: context window in tokens to ask for; a request gets this or the model's own, whichever is smaller.
        keep_alive: how long a model stays loaded after a request, such as `10m` or `-1`; empty for the server's own.
        emit: takes a `BackendChanged` where the server gives a model less context than it was asked for.
        silence_s: seconds without a byte after which an answer counts as hung.
    """

    kind = "ollama"

    def __init__(
        self,
        host: str = "",
        *,
        api_key: str = "",
        window: int = 8192,
        keep_alive: str = "",
        emit: Callable[[Body], None] | None = None,
        silence_s: float = CHAT_TIMEOUT_S,
    ) -> None:
        self.endpoint = normalise_host(host)
        self._window = window
        self._keep_alive = wire.keep_alive_of(keep_alive) if keep_alive.strip() else None
        self._emit = emit
        self._silence_s = silence_s
        self._http = Transport(self.endpoint, service="Ollama", remedy=_REMEDY, api_key=api_key)
        self._shown: dict[str, ModelInfo] = {}
        self._granted: dict[tuple[str, int], int] = {}
        """(model, window asked for) -> window that the server allocated."""

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """Stream an answer; the window sent is never more than the model's own."""
        info = await self._known(request.model)
        window = min(request.window, info.window or request.window)
        think = "thinking" in info.capabilities
        body = wire.chat_body(request, window, think=think, keep_alive=self._keep_alive)
        calls = 0
        async with (
            self._http.stream("POST", f"{self.endpoint}/api/chat", body, timeout=self._silence_s) as stream,
            aclosing(self._objects(stream, request.model, wire.is_chat_line)) as objects,
        ):
            async for line in objects:
                chunk = wire.chat_chunk(line, calls)
                calls += len(chunk.tool_calls)
                if line.get("done") is True:
                    break
                if chunk.text or chunk.thinking or chunk.tool_calls:
                    yield chunk
            else:
                raise wire.protocol_error("stream_cut", "Ollama's answer ended before it was complete.")
        done = wire.done_of(line, calls)
        check_prompt_fitted(done, window)
        await self._compare_window(request.model, window)
        yield replace(chunk, done=done)

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text, made with the same window as chats: another one would reload the model."""
        if not texts:
            return []
        info = await self._known(model)
        body: dict[str, Any] = {"model": model, "input": list(texts), "truncate": False}
        body["options"] = {"num_ctx": min(self._window, info.window or self._window)}
        if self._keep_alive is not None:
            body["keep_alive"] = self._keep_alive
        data = await self._json("POST", "/api/embed", body, model=model, timeout=CHAT_TIMEOUT_S)
        return vectors(data.get("embeddings"), len(texts))

    async def load(self, model: str) -> None:
        """Load a model with the window that requests have: to /api/chat, a conversation without messages means that."""
        info = await self._known(model)
        options = {"num_ctx": min(self._window, info.window or self._window)}
        body: dict[str, Any] = {"model": model, "messages": [], "stream": False, "options": options}
        if self._keep_alive is not None:
            body["keep_alive"] = self._keep_alive
        await self._json("POST", "/api/chat", body, model=model, timeout=CHAT_TIMEOUT_S)

    async def models(self) -> list[ModelInfo]:
        """The models on this machine; models that Ollama would send to its cloud are left out."""
        tags, running = await self._json("GET", "/api/tags"), await self._running()
        entries = wire.entries(tags, self.endpoint)
        gate = asyncio.Semaphore(_SHOW_AT_ONCE)

        async def complete(listed: ModelInfo) -> ModelInfo:
            known = self._shown.get(full_name(listed.name))
            if known is None or known.digest != listed.digest:
                async with gate:
                    known = await self._show_listed(listed)
            return wire.with_loaded(known, listed.name, loaded=full_name(listed.name) in running)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(complete(entry)) for entry in entries[:_MODELS_AT_MOST]]
        return [task.result() for task in tasks] + entries[_MODELS_AT_MOST:]

    async def show(self, model: str) -> ModelInfo:
        """One model with the window that a request gets and its capabilities."""
        return await self._show(model, self._shown.get(full_name(model)))

    async def pull(self, model: str) -> AsyncGenerator[PullProgress, None]:
        """Fetch a model from Ollama's registry."""
        self._shown.pop(full_name(model), None)
        async with (
            self._http.stream("POST", f"{self.endpoint}/api/pull", {"model": model, "stream": True}) as stream,
            aclosing(self._objects(stream, model, wire.is_pull_line)) as objects,
        ):
            async for line in objects:
                progress = wire.progress(line)
                yield progress
                if progress.status == "success":
                    return
        raise wire.protocol_error("pull_cut", f"The download of {model} ended before it was complete.")

    async def delete(self, model: str) -> None:
        """Remove a model from the machine of the server."""
        answer = await self._http.call("DELETE", f"{self.endpoint}/api/delete", {"model": model})
        if answer.status != 200:
            raise wire.http_error(answer, self.endpoint, model)
        self._shown.pop(full_name(model), None)
        for key in [key for key in self._granted if key[0] == full_name(model)]:
            del self._granted[key]

    async def health(self) -> Health:
        """Whether an Ollama answers at the address, which version, and which models got less context than asked for."""
        try:
            data = await self._json("GET", "/api/version")
            version = data.get("version")
            if not isinstance(version, str):
                raise wire.wrong_endpoint(self.endpoint)
        except EngineError as exc:
            return Health(ok=False, detail=exc.message, remedy=exc.remedy)
        less = [_less(*key, granted) for key, granted in self._granted.items() if granted < key[1]]
        detail = " ".join([f"Ollama {version[:40]} at {self.endpoint}.", *less])
        return Health(ok=True, detail=detail, remedy=_LESS_REMEDY if less else "", version=version[:40])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # -- requests ------------------------------------------------------------------------------------------------------

    async def _json(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        model: str = "",
        timeout: float = CONTROL_TIMEOUT_S,
    ) -> dict[str, Any]:
        answer = await self._http.call(method, self.endpoint + path, body, timeout=timeout)
        data = answer.json()
        if answer.status != 200:
            raise wire.http_error(answer, self.endpoint, model)
        if not isinstance(data, dict):
            raise wire.wrong_endpoint(self.endpoint)
        return data

    async def _objects(
        self, stream: Stream, model: str, ours: Callable[[Mapping[str, Any]], bool]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The JSON objects of an NDJSON answer; `ours` says of the first whether Ollama may have sent it."""
        if stream.status != 200:
            raise wire.http_error(await stream.answer(), self.endpoint, model)
        if stream.content_type not in {"application/x-ndjson", "application/json"}:
            raise wire.wrong_endpoint(self.endpoint)
        first = True
        async with aclosing(stream.lines()) as lines:
            async for line in lines:
                if not line.strip():
                    continue
                data = parse_line(line)
                if first and self._foreign(stream, line, data, ours):
                    raise wire.wrong_endpoint(self.endpoint)
                if data is None:
                    raise wire.protocol_error("bad_line", "Ollama sent a line that is no JSON object.")
                if "error" in data:
                    raise wire.line_error(data)
                first = False
                yield data

    @staticmethod
    def _foreign(
        stream: Stream, line: bytes, data: Mapping[str, Any] | None, ours: Callable[[Mapping[str, Any]], bool]
    ) -> bool:
        """Whether the first line of an answer shows that something other than Ollama sent it."""
        if data is not None:
            return not ours(data)
        # Ollama's streams are NDJSON: JSON of several lines, and pages of text, are other services'
        return stream.content_type == "application/json" or line.lstrip().startswith(b"<")

    async def _known(self, model: str) -> ModelInfo:
        return self._shown.get(full_name(model)) or await self.show(model)

    async def _show(self, model: str, listed: ModelInfo | None) -> ModelInfo:
        data = await self._json("POST", "/api/show", {"model": model}, model=model)
        info = wire.shown(model, data, self._window)
        granted = self._granted.get((full_name(model), info.window or 0))
        info = info if granted is None else wire.with_window(info, granted)
        info = info if listed is None else wire.with_listed(info, listed)
        self._shown[full_name(model)] = info
        return info

    async def _show_listed(self, listed: ModelInfo) -> ModelInfo:
        """What the server tells of a listed model; the list's own words where it tells nothing."""
        try:
            return await self._show(listed.name, listed)
        except EngineError:
            return listed

    async def _running(self, timeout: float = CONTROL_TIMEOUT_S) -> dict[str, int | None]:
        """Loaded model -> its allocated window; empty on servers too old to say."""
        answer = await self._http.call("GET", f"{self.endpoint}/api/ps", timeout=timeout)
        return wire.running(answer.json()) if answer.status == 200 else {}

    async def _compare_window(self, model: str, asked: int) -> None:
        """Ask once per model and window whether the server allocated what was asked for; a smaller one counts."""
        key = (full_name(model), asked)
        if key in self._granted:
            return
        try:
            allocated = (await self._running(_COMPARE_S)).get(key[0])
        except EngineError:
            return  # the answer is complete; this was only a question about the next one
        self._granted[key] = asked if allocated is None else min(asked, allocated)
        if self._granted[key] == asked:
            return
        if key[0] in self._shown:
            self._shown[key[0]] = wire.with_window(self._shown[key[0]], self._granted[key])
        if self._emit is not None:
            detail = _less(*key, self._granted[key])
            self._emit(BackendChanged(self.endpoint, self.kind, "ready", detail, _LESS_REMEDY))


def _less(model: str, asked: int, granted: int) -> str:
    return f"{model} got a context of {granted} tokens where {asked} were asked for."
