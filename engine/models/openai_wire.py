"""What goes over the wire to and from OpenAI-compatible servers: pure functions between their JSON and our values.

Shapes: https://platform.openai.com/docs/api-reference/chat-streaming, and the server documentation of llama.cpp
(tools/server/README.md: `timings`, `/props`, `exceed_context_size_error`) and vLLM (`max_model_len`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import EngineError, ErrorClass, class_of_status
from engine.events import FinishReason
from engine.message import replace_surrogates
from engine.models.answer import MAX_ANSWER_BYTES, answer_too_long
from engine.models.protocol import ChatMessage, ChatRequest, Chunk, Done, ToolCall
from engine.models.transport import (
    LINE_LIMIT,
    Answer,
    count,
    count_field,
    list_field,
    logprobs_of,
    milliseconds,
    object_field,
    refusal,
    text_field,
    wrong_type,
)

_OVERFLOW_TYPES = frozenset({"exceed_context_size_error"})  # llama.cpp, in `type`
_OVERFLOW_CODES = frozenset({"context_length_exceeded"})  # OpenAI, in `code`
_OVERFLOW_PARAMS = frozenset({"input_tokens"})  # vLLM, in `param`
_CALLS_AT_MOST = 64


# -- requests ---------------------------------------------------------------------------------------------------------


def chat_body(request: ChatRequest) -> dict[str, Any]:
    """The body of /chat/completions: always streamed, always with a limit, always with usage."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }
    if request.seed is not None:
        body["seed"] = request.seed
    if request.stop:
        body["stop"] = list(request.stop)
    if request.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": request.schema},
        }
    if request.tools:
        body["tools"] = list(request.tools)
    if request.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    return body


def template_body(request: ChatRequest) -> dict[str, Any]:
    """What of a request stands in the prompt: for llama.cpp's /apply-template and vLLM's /tokenize."""
    body: dict[str, Any] = {"model": request.model, "messages": [_message(message) for message in request.messages]}
    if request.tools:
        body["tools"] = list(request.tools)
    return body


def _message(message: ChatMessage) -> dict[str, Any]:
    data: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.thinking:
        data["reasoning_content"] = message.thinking
    if message.tool_calls:
        data["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        data["tool_call_id"] = message.tool_call_id
    return data


# -- server-sent events -----------------------------------------------------------------------------------------------


async def events(lines: AsyncIterator[bytes], server: str) -> AsyncGenerator[bytes, None]:
    """The data of each server-sent event (WHATWG HTML, section 9.2); comments such as `: ping` are skipped.

    Some servers send failures in a field `error`, which the standard does not have: it counts as data.

    Raises:
        EngineError: CONFIGURATION where `server` sends a page of text; RESOURCE where an event has no end.
    """
    data: list[bytes] = []
    size = 0
    async for line in lines:
        if not line:
            if data:
                yield b"\n".join(data)
            data, size = [], 0
            continue
        if line.startswith(b"<"):  # no field of an event begins so
            raise wrong_endpoint(server)
        name, _, value = line.partition(b":")
        if name in {b"data", b"error"}:
            data.append(value.removeprefix(b" "))
            size += len(value) + 1
            if size > LINE_LIMIT:
                raise EngineError(ErrorClass.RESOURCE, "event_too_long", "The model server sent an event over 10 MB.")
    if data:
        yield b"\n".join(data)  # a server that closes without the last empty line


@dataclass(slots=True)
class ChatStream:
    """Folds the chunks of one streamed answer."""

    finish: FinishReason | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, Any] = field(default_factory=dict)
    chunks: int = 0
    """Taken in so far."""
    _calls: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """Index -> (id, name, arguments so far)."""
    _call_size: int = 0
    """Characters of all tool calls so far."""

    def feed(self, data: Mapping[str, Any]) -> Chunk:
        """Take one chunk in; what is to be shown of it comes back.

        Raises:
            EngineError: PROTOCOL where a field has a wrong type; RESOURCE where tool calls do not end.
        """
        self.chunks += 1
        self.usage = object_field(data, "usage") or self.usage
        self.timings = object_field(data, "timings") or self.timings
        if "choices" not in data:
            raise protocol_error("bad_event", "The model server sent an event without choices.")
        choices = list_field(data, "choices")
        choice = choices[0] if choices else {}  # none: the extra chunk with the usage
        if not isinstance(choice, dict):
            raise wrong_type("choices")
        self._finished(text_field(choice, "finish_reason"))
        delta = object_field(choice, "delta")
        for position, call in enumerate(list_field(delta, "tool_calls")):
            self._call_delta(call, position)
        thinking = text_field(delta, "reasoning_content") or text_field(delta, "reasoning")
        return Chunk(
            replace_surrogates(text_field(delta, "content")),
            replace_surrogates(thinking),
            logprobs=logprobs_of(list_field(object_field(choice, "logprobs"), "content")),
        )

    def end(self) -> Chunk:
        """The last chunk of a complete stream.

        Raises:
            EngineError: INVALID_OUTPUT where a tool call's arguments are no JSON object.
        """
        calls = tuple(self._call(index) for index in sorted(self._calls))
        finish: FinishReason = "tool_calls" if calls else self.finish or "stop"
        done = Done(
            finish,
            prompt_tokens=count_field(self.usage, "prompt_tokens"),
            completion_tokens=count_field(self.usage, "completion_tokens"),
            prompt_ms=milliseconds(self.timings.get("prompt_ms"), 1.0),
            eval_ms=milliseconds(self.timings.get("predicted_ms"), 1.0),
        )
        return Chunk(tool_calls=calls, done=done)

    def _finished(self, reason: str) -> None:
        if reason:
            self.finish = "length" if reason == "length" else "tool_calls" if reason == "tool_calls" else "stop"

    def _call_delta(self, call: Any, position: int) -> None:
        if not isinstance(call, dict):
            raise wrong_type("tool_calls")
        given = count_field(call, "index")
        index = position if given is None else given
        if index >= _CALLS_AT_MOST:
            raise EngineError(ErrorClass.INVALID_OUTPUT, "too_many_tool_calls", "The model made too many tool calls.")
        identity, name, arguments = self._calls.get(index, ("", "", ""))
        function = object_field(call, "function")
        more = replace_surrogates(text_field(function, "name"))
        piece = replace_surrogates(text_field(function, "arguments"))
        self._call_size += len(more) + len(piece)
        if self._call_size > MAX_ANSWER_BYTES:
            raise answer_too_long()
        self._calls[index] = (
            identity or replace_surrogates(text_field(call, "id")),
            name if more == name else name + more,  # some servers repeat the name with every piece
            arguments + piece,
        )

    def _call(self, index: int) -> ToolCall:
        identity, name, text = self._calls[index]
        try:
            arguments = json.loads(text or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if not name or not isinstance(arguments, dict):
            raise EngineError(
                ErrorClass.INVALID_OUTPUT, "bad_tool_call", "The model's tool call has no name or no JSON arguments."
            )
        return ToolCall(identity or f"call_{index + 1}", name, arguments)


def is_chat_event(event: Mapping[str, Any]) -> bool:
    """Whether an event has any field of a chat chunk; what has none is another service's."""
    return bool(event.keys() & {"choices", "usage"}) or event.get("object") == "chat.completion.chunk"


# -- failures ---------------------------------------------------------------------------------------------------------


def http_error(answer: Answer, server: str, model: str) -> EngineError:
    """An answer with an error status; `server` names it at the beginning of a sentence."""
    data = answer.json()
    fields = error_fields(data)
    if fields is None:
        if answer.status < 500 and answer.status not in {401, 403, 408, 429}:
            return wrong_endpoint(server)
        return refusal(answer, server, "", remedy=_remedy(answer.status))
    if _is_overflow(fields):
        return context_overflow(fields)
    if answer.status == 404 and model:
        return EngineError(
            ErrorClass.NOT_FOUND,
            "model_not_found",
            f"{server} does not have the model {model!r}.",
            remedy="Choose one that `tinyllm-tui models list` shows, or check that the address ends in /v1.",
        )
    return refusal(answer, server, _text(fields.get("message")), remedy=_remedy(answer.status))


def error_fields(data: Any) -> Mapping[str, Any] | None:
    """The fields of an error object in any of the forms in use; None where it is none."""
    if not isinstance(data, dict):
        return None
    error = data.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {"message": error}
    if data.get("object") == "error" or ("message" in data and "code" in data and "choices" not in data):
        return data
    return None


def stream_error(fields: Mapping[str, Any]) -> EngineError:
    """An error object inside an answer with status 200; its `code` is the status that it would have had.

    Without such a code, and whatever a server says of itself, it is the server's fault.
    """
    if _is_overflow(fields):
        return context_overflow(fields)
    said = _text(fields.get("message"))[:500].strip().rstrip(".") or "unknown"
    status = count(fields.get("code")) or 0
    error_class = class_of_status(status) if 400 <= status < 500 else ErrorClass.SERVER
    return EngineError(error_class, "error_in_stream", f"The model server reported an error: {said}.")


def _is_overflow(fields: Mapping[str, Any]) -> bool:
    return (
        fields.get("type") in _OVERFLOW_TYPES
        or fields.get("code") in _OVERFLOW_CODES
        or fields.get("param") in _OVERFLOW_PARAMS
    )


def context_overflow(fields: Mapping[str, Any]) -> EngineError:
    prompt, window = count(fields.get("n_prompt_tokens")), count(fields.get("n_ctx"))
    sizes = f" ({prompt} tokens of {window})" if prompt and window else ""
    return EngineError(
        ErrorClass.CONTEXT_OVERFLOW,
        "context_overflow",
        f"The prompt does not fit into the model's context window{sizes}.",
        remedy="Shorten the question, or use a model with a larger window.",
    )


def wrong_endpoint(server: str) -> EngineError:
    return EngineError(
        ErrorClass.CONFIGURATION,
        "wrong_endpoint",
        f"{server} does not speak OpenAI's protocol.",
        remedy="Correct openai_base_url; it usually ends in /v1.",
    )


def protocol_error(code: str, message: str) -> EngineError:
    return EngineError(ErrorClass.PROTOCOL, code, message)


def _remedy(status: int) -> str:
    return "Set the server's API key." if status in {401, 403} else ""


def _text(value: Any) -> str:
    return replace_surrogates(value) if isinstance(value, str) else ""
