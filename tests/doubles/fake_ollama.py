"""A scriptable Ollama on loopback.

The shapes are those of Ollama's documentation, https://docs.ollama.com/api (version, tags, ps, show, chat, embed, pull,
streaming, errors), and of the messages in its sources (server/routes.go, server/prompt.go): durations in nanoseconds,
NDJSON streams, `{"error": "..."}` with a status before a stream and as a line inside one, `truncate: false` answered
with 400 where a prompt does not fit and silently cut otherwise, a default window of 4096.

In a test:

    with FakeOllama() as server:
        server.script(Reply("Paris."))
        OllamaBackend(server.address) ...
        assert server.chats[0]["options"]["num_ctx"] == 8192

As a process: `python -m tests.doubles.fake_ollama --port 0 --models qwen2.5:3b` prints its address and serves until its
stdin ends.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.doubles.loopback import Loopback, Recorded, Response, json_response

DEFAULT_WINDOW = 4096
"""Tokens; what a request without num_ctx gets on a machine without a large GPU."""
_STAMP = "2026-01-01T00:00:00.000000Z"
OMIT = -1
"""As a token count: the server leaves the field out."""


@dataclass(frozen=True)
class FakeModel:
    name: str
    parameter_size: str = "3.1B"
    context_length: int = 32768
    capabilities: tuple[str, ...] | None = ("completion", "tools")
    """None: an old server that does not tell."""
    family: str = "qwen2"
    quantization: str = "Q4_K_M"
    size: int = 1_929_912_432
    remote_host: str = ""
    """Not empty: a model that runs in Ollama's cloud."""

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def details(self) -> dict[str, Any]:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": self.parameter_size,
            "quantization_level": self.quantization,
        }


@dataclass
class Reply:
    """One scripted answer."""

    text: str = ""
    thinking: str = ""
    tool_calls: Sequence[dict[str, Any]] = ()
    done_reason: str = "stop"
    prompt_tokens: int | None = None
    """None: counted; OMIT: left out."""
    completion_tokens: int | None = None
    end: Literal["done", "silent", "cut"] = "done"
    """`silent` ends the body without a line `done`, `cut` closes the connection inside the body."""
    error: str = ""
    """A line `{"error": ...}` after the text, in place of the end."""
    hold: threading.Event | None = None
    """After the text, wait for it (at most 30 s) before the end."""
    delay_s: float = 0.0
    """Between two chunks."""
    status: int = 200
    body: bytes | None = None
    """Sent as it is, with `status` and `content_type`."""
    content_type: str = "application/x-ndjson"
    headers: dict[str, str] = field(default_factory=dict)


class FakeOllama:
    """The server; runs from construction until `close()`.

    Args:
        models: installed models, as `FakeModel` or by name (parameters are then read from the tag).
        answer: what to say where nothing is scripted; by default a sentence that repeats the question.
        port: 0 for any.
    """

    def __init__(
        self,
        models: Sequence[FakeModel | str] = ("qwen2.5:3b",),
        *,
        answer: Callable[[dict[str, Any]], Reply] | None = None,
        port: int = 0,
    ) -> None:
        self.models = [model_named(model) if isinstance(model, str) else model for model in models]
        self.loaded: dict[str, int] = {}
        """Model -> allocated window in tokens."""
        self.allocate_at_most = 2**31
        """Tokens; a server that allocates less than it was asked for."""
        self.faults: dict[str, Reply] = {}
        """Path -> what it answers instead of its own answer, until removed."""
        self._answer = answer or _repeat
        self._script: deque[Reply] = deque()
        self._held: list[threading.Event] = []
        self._server = Loopback(self._respond, port=port)

    @property
    def address(self) -> str:
        return self._server.address

    @property
    def requests(self) -> list[Recorded]:
        return self._server.requests

    @property
    def chats(self) -> list[dict[str, Any]]:
        """Bodies of all /api/chat requests."""
        return [request.body for request in self.requests if request.path == "/api/chat"]

    @property
    def gone(self) -> threading.Event:
        """Set once a client closed its connection before the end of an answer."""
        return self._server.gone

    def script(self, *replies: Reply) -> None:
        """Answers for the next /api/chat requests, in order."""
        self._script.extend(replies)
        self._held += [reply.hold for reply in replies if reply.hold is not None]

    def close(self) -> None:
        for event in self._held:
            event.set()
        self._server.close()

    def __enter__(self) -> FakeOllama:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- routes --------------------------------------------------------------------------------------------------------

    def _respond(self, request: Recorded) -> Response:
        fault = self.faults.get(request.path)
        if fault is not None:
            return _raw(fault)
        match request.method, request.path:
            case "GET", "/":
                return Response([b"Ollama is running"], content_type="text/plain; charset=utf-8")
            case "GET", "/api/version":
                return json_response({"version": "0.12.6"})
            case "GET", "/api/tags":
                return json_response({"models": [self._listed(model) for model in self.models]})
            case "GET", "/api/ps":
                return json_response({"models": [self._running(name) for name in self.loaded]})
            case "POST", "/api/show":
                return self._show(request.body)
            case "POST", "/api/chat":
                return self._chat(request.body)
            case "POST", "/api/embed":
                return self._embed(request.body)
            case "POST", "/api/pull":
                return self._pull(request.body)
            case "DELETE", "/api/delete":
                return self._delete(request.body)
        return Response([b"404 page not found"], 404, "text/plain")

    def _find(self, body: dict[str, Any]) -> FakeModel | None:
        wanted = _tagged(body.get("model", ""))
        return next((model for model in self.models if _tagged(model.name) == wanted), None)

    def _listed(self, model: FakeModel) -> dict[str, Any]:
        data = {
            "name": _tagged(model.name),
            "model": _tagged(model.name),
            "modified_at": _STAMP,
            "size": model.size,
            "digest": model.digest,
            "details": model.details,
        }
        return data | ({"remote_host": model.remote_host, "remote_model": model.name} if model.remote_host else {})

    def _running(self, name: str) -> dict[str, Any]:
        return {"name": name, "model": name, "size": 1, "expires_at": _STAMP, "context_length": self.loaded[name]}

    def _show(self, body: dict[str, Any]) -> Response:
        model = self._find(body)
        if model is None:
            return _missing(body)
        data: dict[str, Any] = {
            "modelfile": "",
            "template": "{{ .Prompt }}",
            "details": model.details,
            "model_info": {
                "general.architecture": model.family,
                f"{model.family}.context_length": model.context_length,
            },
            "modified_at": _STAMP,
        }
        return json_response(data if model.capabilities is None else data | {"capabilities": list(model.capabilities)})

    def _chat(self, body: dict[str, Any]) -> Response:
        model = self._find(body)
        if model is None:
            return _missing(body)
        can = model.capabilities or ("completion",)
        for asked, needed, word in (
            (True, "completion", "chat"),
            ("think" in body, "thinking", "thinking"),
            (bool(body.get("tools")), "tools", "tools"),
        ):
            if asked and needed not in can:
                return json_response({"error": f'"{model.name}" does not support {word}'}, 400)
        window = min(body.get("options", {}).get("num_ctx", DEFAULT_WINDOW), model.context_length)
        window = min(window, self.allocate_at_most)
        self.loaded[_tagged(model.name)] = window
        tokens = sum(len(str(message.get("content", "")).encode()) // 4 + 4 for message in body["messages"])
        if tokens > window and body.get("truncate", True) is False:
            text = f"prompt too long; exceeded max context length by {tokens - window} tokens"
            return json_response({"error": text}, 400)
        reply = self._script.popleft() if self._script else self._answer(body)
        if reply.status != 200 or reply.body is not None:
            return _raw(reply)
        stream = _stream(model, reply, min(tokens, window), logprobs=bool(body.get("logprobs")))
        return Response(stream, content_type=reply.content_type, cut=reply.end == "cut")

    def _embed(self, body: dict[str, Any]) -> Response:
        model = self._find(body)
        if model is None:
            return _missing(body)
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        vectors = [[byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:8]] for text in texts]
        return json_response({"model": model.name, "embeddings": vectors, "total_duration": 1_000_000})

    def _delete(self, body: dict[str, Any]) -> Response:
        model = self._find(body)
        if model is None:
            return _missing(body)
        self.models.remove(model)
        return Response([b""])

    def _pull(self, body: dict[str, Any]) -> Response:
        model = model_named(body["model"])
        layer = {"status": f"pulling {model.digest[:12]}", "digest": f"sha256:{model.digest}", "total": 1000}
        lines = [
            {"status": "pulling manifest"},
            layer,
            layer | {"completed": 400},
            layer | {"completed": 1000},
            {"status": "verifying sha256 digest"},
            {"status": "success"},
        ]
        self.models.append(model)
        return Response([_line(line) for line in lines], content_type="application/x-ndjson")


def _logprobs(piece: str) -> list[dict[str, Any]]:
    """As in `examples/chat-logprobs.py` of Ollama's Python client."""
    top = [{"token": piece, "logprob": -0.1}, {"token": "other", "logprob": -2.5}]
    return [{"token": piece, "logprob": -0.1, "bytes": list(piece.encode()), "top_logprobs": top}]


def model_named(name: str) -> FakeModel:
    """A model with the parameters that its tag tells, and the capabilities that its name suggests."""
    match = re.search(r"(\d+(?:\.\d+)?[bm])\b", name)
    if "embed" in name:
        return FakeModel(name, "137M", 2048, ("embedding",), "nomic-bert", "F16", 274_302_450)
    return FakeModel(name, match[1].upper() if match else "3.1B")


def _tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def _missing(body: dict[str, Any]) -> Response:
    return json_response({"error": f"model '{body.get('model', '')}' not found"}, 404)


def _raw(reply: Reply) -> Response:
    return Response([reply.body or b""], reply.status, reply.content_type, reply.headers, cut=reply.end == "cut")


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode() + b"\n"


def _stream(model: FakeModel, reply: Reply, tokens: int, *, logprobs: bool) -> Iterator[bytes]:
    def line(message: dict[str, Any], **rest: Any) -> bytes:
        head = {"model": model.name, "created_at": _STAMP}
        return _line({**head, "message": {"role": "assistant", "content": "", **message}, "done": False, **rest})

    pieces = re.findall(r"\s*\S+\s*$|\s*\S+|\s+", reply.text)
    for piece in re.findall(r"\s*\S+|\s+", reply.thinking):
        yield line({"thinking": piece})
    for piece in pieces:
        if reply.delay_s:
            time.sleep(reply.delay_s)
        yield line({"content": piece}, **({"logprobs": _logprobs(piece)} if logprobs else {}))
    if reply.tool_calls:
        yield line({"tool_calls": list(reply.tool_calls)})
    if reply.hold is not None:
        for _ in range(3000):  # writes go on, so that a client that has gone is noticed
            if reply.hold.wait(0.01):
                break
            yield line({})
    if reply.error:
        yield _line({"error": reply.error})
    elif reply.end == "done":
        counts = {
            "prompt_eval_count": tokens if reply.prompt_tokens is None else reply.prompt_tokens,
            "eval_count": len(pieces) if reply.completion_tokens is None else reply.completion_tokens,
        }
        times = {"total_duration": 174_560_334, "load_duration": 101_397_084}
        times |= {"prompt_eval_duration": 13_074_791, "eval_duration": 52_479_709}
        kept = {name: value for name, value in counts.items() if value != OMIT}
        yield line({}, done=True, done_reason=reply.done_reason, **times, **kept)


def _repeat(body: dict[str, Any]) -> Reply:
    if body.get("format"):
        return Reply(json.dumps(_example(body["format"])))
    question = next((m["content"] for m in reversed(body["messages"]) if m["role"] == "user"), "")
    return Reply(f"The fake model {body['model']} was asked: {question[-500:]}")


def _example(schema: Any) -> Any:
    """The simplest value that fits a schema."""
    if not isinstance(schema, dict):
        return None
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: _example(part) for name, part in schema.get("properties", {}).items()}
        case "array":
            return []
        case "string":
            return "text"
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake Ollama for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--models", nargs="*", default=["qwen2.5:3b"])
    parser.add_argument("--delay", type=float, default=0.0, help="seconds between two chunks")
    options = parser.parse_args()

    def answer(body: dict[str, Any]) -> Reply:
        reply = _repeat(body)
        reply.delay_s = options.delay
        return reply

    with FakeOllama(options.models, answer=answer, port=options.port) as server:
        print(server.address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
