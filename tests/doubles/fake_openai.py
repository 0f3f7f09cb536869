"""A scriptable OpenAI-compatible server on loopback.

The shapes are those of OpenAI's streaming chat completions (https://platform.openai.com/docs/api-reference/chat-streaming)
and, for `/props`, `/health`, `timings` and the error objects, of the server in llama.cpp (tools/server/README.md),
recorded from a running one.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from tests.doubles.loopback import Loopback, Recorded, Response, json_response


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **rest: Any) -> bytes:
    """One event of a streamed answer."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    data = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps({**data, **rest}, ensure_ascii=False)}\n\n".encode()


def usage(prompt: int, completion: int, **rest: Any) -> bytes:
    """The extra event with the counts and no choice."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return chunk(choices=[], usage=counts, **rest)


DONE = b"data: [DONE]\n\n"
MODELS = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "x"}]}


class FakeOpenAI:
    """The server; `answers` maps a path to its response; the chats are answered by `chats` in turn, then by `chat`."""

    def __init__(self) -> None:
        self.answers: dict[str, Response] = {}
        self.chat: Sequence[bytes] | Response = ()
        self.chats: deque[Sequence[bytes] | Response] = deque()
        self._server = Loopback(self._respond)

    @property
    def base_url(self) -> str:
        return f"{self._server.address}/v1"

    @property
    def requests(self) -> list[Recorded]:
        return self._server.requests

    @property
    def gone(self) -> Any:
        return self._server.gone

    def _respond(self, request: Recorded) -> Response:
        if request.path in self.answers:
            return self.answers[request.path]
        if request.path == "/v1/chat/completions":
            chat = self.chats.popleft() if self.chats else self.chat
            return chat if isinstance(chat, Response) else Response(chat, content_type="text/event-stream")
        if request.path == "/v1/models":
            return json_response(MODELS)
        return json_response({"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}, 404)

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> FakeOpenAI:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
