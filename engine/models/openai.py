"""OpenAI-compatible servers (llama.cpp, vLLM, LM Studio ...): capabilities are probed, never brands."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.models import openai_models as told
from engine.models import openai_wire as wire
from engine.models.address import normalise_base_url
from engine.models.answer import check_prompt_fitted
from engine.models.naming import same_model
from engine.models.protocol import ChatRequest, Chunk, Health, ModelInfo, PullProgress
from engine.models.transport import (
    BODY_LIMIT,
    CHAT_TIMEOUT_S,
    CONTROL_TIMEOUT_S,
    Stream,
    Transport,
    parse_line,
    vectors,
)

_DONE = b"[DONE]"


class OpenAIBackend:
    """A server that speaks OpenAI's chat protocol.

    Args:
        base_url: such as `http://127.0.0.1:8080/v1`.
        api_key: bearer token; empty for none.
        kind: what events call it.
        endpoint: what events and breaker keys call the address; the address itself by default.
        keepalive: whether connections are used again.
        silence_s: seconds without a byte after which an answer counts as hung.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str = "",
        kind: str = "openai",
        endpoint: str | None = None,
        keepalive: bool = True,
        silence_s: float = CHAT_TIMEOUT_S,
    ) -> None:
        self._silence_s = silence_s
        self._base = normalise_base_url(base_url)
        self._root = self._base.removesuffix("/v1")
        self.kind = kind
        self.endpoint = self._base if endpoint is None else endpoint
        self._server = f"The server at {self._base}" if endpoint is None else f"The {endpoint} model server"
        self._http = Transport(
            self._base,
            service="The model server",
            remedy="Start it, or correct openai_base_url.",
            api_key=api_key,
            keepalive=keepalive,
        )

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """Stream an answer."""
        fold = wire.ChatStream()
        url = f"{self._base}/chat/completions"
        async with self._http.stream("POST", url, wire.chat_body(request), timeout=self._silence_s) as stream:
            await self._expect_events(stream, request.model)
            async with aclosing(stream.lines()) as lines, aclosing(wire.events(lines, self._server)) as events:
                complete = False
                async for data in events:
                    if data.strip() == _DONE:
                        complete = True
                        break
                    event = self._event(data)
                    if not fold.chunks and not wire.is_chat_event(event):
                        raise wire.wrong_endpoint(self._server)
                    chunk = fold.feed(event)
                    if chunk.text or chunk.thinking:
                        yield chunk
        if not complete and fold.finish is None:
            raise wire.protocol_error("stream_cut", "The model server's answer ended before it was complete.")
        last = fold.end()
        if last.done is not None:
            check_prompt_fitted(last.done, request.window)
        yield last

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text."""
        if not texts:
            return []
        body = {"model": model, "input": list(texts), "encoding_format": "float"}
        data = await self._json("POST", f"{self._base}/embeddings", body, model=model, timeout=CHAT_TIMEOUT_S)
        listed = data.get("data")
        rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
        if all(isinstance(row.get("index"), int) for row in rows):
            rows.sort(key=lambda row: int(row["index"]))
        return vectors([row.get("embedding") for row in rows], len(texts))

    async def models(self) -> list[ModelInfo]:
        """The models that the server offers."""
        data = await self._json("GET", f"{self._base}/models")
        props = await self._props()
        facts = {} if props else told.facts_of(await self._optional("GET", "/api/v0/models"))
        return told.models(data, props, self._server, facts)

    async def count_prompt(self, request: ChatRequest) -> int | None:
        """Tokens of a request's prompt by the server's own tokenizer and template; None where it has none to ask.

        llama.cpp fills the template (/apply-template) and counts a text (/tokenize); vLLM's /tokenize takes messages.
        """
        body = wire.template_body(request)
        filled = await self._optional("POST", "/apply-template", body)
        if isinstance(filled, dict) and isinstance(filled.get("prompt"), str):
            body = {"content": filled["prompt"], "add_special": True, "parse_special": True}
        return told.tokens_of(await self._optional("POST", "/tokenize", body))

    async def show(self, model: str) -> ModelInfo:
        """One model with its window, where the server tells it."""
        found = await self.models()
        for info in found:
            if same_model(info.name, model):
                return info
        raise EngineError(
            ErrorClass.NOT_FOUND,
            "model_not_found",
            f"{self._server} does not have the model {model!r}.",
            remedy=f"It has: {', '.join(info.name for info in found[:10]) or 'none'}.",
        )

    def pull(self, model: str) -> AsyncIterator[PullProgress]:
        """Not part of the protocol: always refused."""
        raise ConfigurationError(
            "pull_unsupported",
            f"{self._server} cannot fetch models, so not {model!r} either.",
            remedy="Start that server with the model, or use Ollama.",
        )

    async def delete(self, model: str) -> None:
        """Not part of the protocol: always refused."""
        raise ConfigurationError(
            "delete_unsupported",
            f"{self._server} cannot remove models, so not {model!r} either.",
            remedy="Remove its file where that server runs.",
        )

    async def health(self) -> Health:
        """Whether the server answers and has a model; how many of its slots are busy where it tells."""
        try:
            answer = await self._http.call("GET", f"{self._root}/health")
            if answer.status == 503:  # llama.cpp while it loads its model
                return Health(ok=False, detail=f"{self._server} is still loading.", remedy="Wait a moment.")
            listed = told.models(await self._json("GET", f"{self._base}/models"), {}, self._server)
        except EngineError as exc:
            return Health(ok=False, detail=exc.message, remedy=exc.remedy)
        if not listed:
            return Health(ok=False, detail=f"{self._server} has no model.", remedy="Start it with one.")
        names = ", ".join(info.name for info in listed[:3])
        slots = told.busy_slots(await self._optional("GET", "/slots"))
        busy = f" {slots[0]} of {slots[1]} slots are busy." if slots else ""
        return Health(ok=True, detail=f"OpenAI-compatible server at {self._base} with {names}.{busy}")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _json(
        self,
        method: str,
        url: str,
        body: dict[str, Any] | None = None,
        *,
        model: str = "",
        timeout: float = CONTROL_TIMEOUT_S,
    ) -> dict[str, Any]:
        answer = await self._http.call(method, url, body, timeout=timeout)
        if answer.status != 200:
            raise wire.http_error(answer, self._server, model)
        data = answer.json()
        if not isinstance(data, dict):
            raise wire.wrong_endpoint(self._server)
        return data

    async def _props(self) -> dict[str, Any]:
        """llama.cpp's properties; empty where the server has none."""
        data = await self._optional("GET", "/props")
        return data if isinstance(data, dict) else {}

    async def _optional(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON at a path that only some servers have; None where it is not there, or does not answer."""
        try:
            answer = await self._http.call(method, self._root + path, body)
        except EngineError:
            return None
        return answer.json() if answer.status == 200 else None

    async def _expect_events(self, stream: Stream, model: str) -> None:
        """Raise unless the answer is a stream of events."""
        if stream.status != 200:
            raise wire.http_error(await stream.answer(), self._server, model)
        if stream.content_type == "text/event-stream":
            return
        answer = await stream.answer(BODY_LIMIT)
        fields = wire.error_fields(answer.json())
        raise wire.wrong_endpoint(self._server) if fields is None else wire.stream_error(fields)

    def _event(self, data: bytes) -> dict[str, Any]:
        parsed = parse_line(data)
        if parsed is None:
            raise wire.protocol_error("bad_event", "The model server sent an event that is no JSON object.")
        if (fields := wire.error_fields(parsed)) is not None:
            raise wire.stream_error(fields)
        return parsed
