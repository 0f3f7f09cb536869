"""The two languages of the hostile server: what Ollama and OpenAI-compatible servers send, as far as a chat goes.

Shapes: https://docs.ollama.com/api (chat, errors, show, tags, ps) and the texts in Ollama's sources (server/routes.go);
https://platform.openai.com/docs/api-reference/chat-streaming, and llama.cpp's tools/server/README.md for its errors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from engine.models.ollama import OllamaBackend
from engine.models.openai import OpenAIBackend
from engine.models.protocol import ModelBackend
from tests.faults.hostile_server import LAST, chunk, head, whole

PIECES = ("Der ", "Fluß ist ", "länger, ", "als man ", "denkt 🦊.")
TEXT = "".join(PIECES)
WINDOW = 2048
MODEL = "m:1b"


class Dialect(Protocol):
    """How one kind of server speaks."""

    name: str
    path: str
    """Of the chat."""
    stream_type: str
    """Media type of a streamed answer."""

    def backend(self, address: str, **options: Any) -> ModelBackend:
        """A client of the engine for the server at an address."""
        ...

    def config(self, address: str) -> dict[str, Any]:
        """Settings that make an engine use the server."""
        ...

    def others(self, method: str, path: str, body: Any) -> bytes:
        """The answer to a request that is no chat."""
        ...

    def token(self, text: str, **fields: Any) -> bytes:
        """A piece of the answer; `fields` are laid over the object."""
        ...

    def raw(self, data: bytes) -> bytes:
        """Anything as a piece of the stream."""
        ...

    def done(self, *, finish: str = "stop", prompt: Any = 11, tokens: Any = 5, **fields: Any) -> bytes:
        """The end of the stream."""
        ...

    def error(self, text: str) -> bytes:
        """An error inside a stream."""
        ...

    def refusal(self, text: str, **fields: Any) -> dict[str, Any]:
        """The body of an answer with an error status."""
        ...

    def wrong_types(self) -> Sequence[bytes]:
        """Pieces of which one field has a wrong type."""
        ...


def good(dialect: Dialect, text: Sequence[str] = PIECES, **end: Any) -> tuple[bytes, ...]:
    """A complete answer."""
    tokens = [chunk(dialect.token(piece)) for piece in text]
    return (head(content_type=dialect.stream_type), *tokens, chunk(dialect.done(**end)), LAST)


class Ollama:
    """Ollama's own API."""

    name = "ollama"
    path = "/api/chat"
    stream_type = "application/x-ndjson"

    def backend(self, address: str, **options: Any) -> ModelBackend:
        return OllamaBackend(address, window=WINDOW, **options)

    def config(self, address: str) -> dict[str, Any]:
        return {"backend": "ollama", "ollama_host": address, "window": WINDOW}

    def others(self, method: str, path: str, body: Any) -> bytes:
        details = {"family": "x", "parameter_size": "1B", "quantization_level": "Q4_0"}
        match path:
            case "/api/show":
                facts = {"x.context_length": 32768}
                return whole(200, {"details": details, "model_info": facts, "capabilities": ["completion", "tools"]})
            case "/api/ps":
                return whole(200, {"models": [{"name": MODEL, "context_length": WINDOW}]})
            case "/api/tags":
                return whole(200, {"models": [{"name": MODEL, "digest": "d", "size": 1, "details": details}]})
            case "/api/version":
                return whole(200, {"version": "0.12.6"})
        return whole(404, b"404 page not found", "text/plain")

    def token(self, text: str, **fields: Any) -> bytes:
        message = {"role": "assistant", "content": text}
        return self.raw(
            json.dumps({"model": MODEL, "message": message, "done": False} | fields, ensure_ascii=False).encode()
        )

    def raw(self, data: bytes) -> bytes:
        return data + b"\n"

    def done(self, *, finish: str = "stop", prompt: Any = 11, tokens: Any = 5, **fields: Any) -> bytes:
        counts = {"prompt_eval_count": prompt, "eval_count": tokens, "eval_duration": 52_479_709}
        return self.token("", done=True, done_reason=finish, **counts, **fields)

    def error(self, text: str) -> bytes:
        return self.raw(json.dumps({"error": text}).encode())

    def refusal(self, text: str, **_: Any) -> dict[str, Any]:
        return {"error": text}

    def wrong_types(self) -> Sequence[bytes]:
        call = {"role": "assistant", "content": "", "tool_calls": [3]}
        return (
            self.token("", message="text"),
            self.token("", message=None),
            self.token("", message={"content": 3}),
            self.token("", message={"content": ["text"]}),
            self.token("", message={"content": "", "thinking": {}}),
            self.token("", message={"content": "", "tool_calls": "none"}),
            self.token("", message=call),
            self.token("", done="yes"),
            self.done(prompt="many"),
            self.done(finish=3),  # type: ignore[arg-type]
            self.raw(b"[]"),
            self.raw(b"7"),
        )


class OpenAI:
    """Chat completions as server-sent events."""

    name = "openai"
    path = "/v1/chat/completions"
    stream_type = "text/event-stream"

    def backend(self, address: str, **options: Any) -> ModelBackend:
        return OpenAIBackend(f"{address}/v1", **options)

    def config(self, address: str) -> dict[str, Any]:
        return {"backend": "openai", "openai_base_url": f"{address}/v1", "window": WINDOW}

    def others(self, method: str, path: str, body: Any) -> bytes:
        if path == "/v1/models":
            return whole(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": WINDOW}]})
        return whole(404, {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}})

    def token(self, text: str, **fields: Any) -> bytes:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        data = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": MODEL, "choices": [choice]} | fields
        return self.raw(json.dumps(data, ensure_ascii=False).encode())

    def raw(self, data: bytes) -> bytes:
        return b"data: " + data + b"\n\n"

    def done(self, *, finish: str = "stop", prompt: Any = 11, tokens: Any = 5, **fields: Any) -> bytes:
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
        usage = {"prompt_tokens": prompt, "completion_tokens": tokens}
        return self.token("", **last, **fields) + self.token("", choices=[], usage=usage) + self.raw(b"[DONE]")

    def error(self, text: str) -> bytes:
        return self.raw(json.dumps({"error": {"message": text, "type": "server_error", "code": 500}}).encode())

    def refusal(self, text: str, **fields: Any) -> dict[str, Any]:
        return {"error": {"message": text, "type": "invalid_request_error", **fields}}

    def wrong_types(self) -> Sequence[bytes]:
        def delta(**fields: Any) -> bytes:
            return self.token("", choices=[{"index": 0, "delta": fields, "finish_reason": None}])

        return (
            self.token("", choices="none"),
            self.token("", choices=["text"]),
            self.token("", choices=[{"delta": "text"}]),
            self.token("", choices=[{"delta": {}, "finish_reason": 3}]),
            delta(content=3),
            delta(content="", reasoning_content={}),
            delta(tool_calls="none"),
            delta(tool_calls=[3]),
            delta(tool_calls=[{"index": "first"}]),
            delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": {}}}]),
            self.token("", choices=[], usage="much"),
            self.done(prompt="many"),
            self.raw(b"[]"),
            self.raw(b"7"),
        )


OLLAMA, OPENAI = Ollama(), OpenAI()
