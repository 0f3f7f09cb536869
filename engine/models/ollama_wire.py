"""What goes over the wire to and from Ollama: pure functions between its JSON and our values.

Shapes: https://docs.ollama.com/api. Only the status and the field `error` describe a failure there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.events import FinishReason
from engine.message import replace_surrogates
from engine.models.naming import full_name, looks_like_embedder, parameters_in_name, parameters_of
from engine.models.protocol import Capability, ChatMessage, ChatRequest, Chunk, Done, ModelInfo, PullProgress, ToolCall
from engine.models.transport import (
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

_NANOSECONDS = 1e-6
_CAPABILITIES: dict[str, Capability] = {
    "completion": "chat",
    "embedding": "embed",
    "tools": "tools",
    "thinking": "thinking",
    "vision": "vision",
}
# Ollama reports too long a prompt by status and text alone: these are the texts of its servers (server/prompt.go,
# runner/ollamarunner, llm/server.go) and of the llama.cpp server that it runs.
_TOO_LONG = re.compile(r"context (?:length|size|window)|exceed_context_size_error|prompt too long", re.IGNORECASE)
# The reasons with which Ollama ends a stream whose model was (un)loaded in place of answering (server/routes.go).
_NO_ANSWER = frozenset({"load", "unload"})
_SECONDS = re.compile(r"-?\d{1,9}")
_DURATION = re.compile(r"-?(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+")  # Go's time.ParseDuration
_TOO_LONG_STATUS = frozenset({400, 413, 500})


# -- requests ---------------------------------------------------------------------------------------------------------


def keep_alive_of(text: str) -> str | int:
    """How long a model stays loaded, as Ollama reads it: seconds as a number, or a duration such as `10m`.

    Raises:
        ConfigurationError: it is neither.
    """
    value = text.strip()
    if _SECONDS.fullmatch(value):
        return int(value)  # as a text, Ollama would miss the unit
    if not _DURATION.fullmatch(value):
        raise ConfigurationError(
            "invalid_keep_alive",
            f"ollama_keep_alive is no duration: {text[:100]!r}.",
            remedy="Set it to something like 10m, 24h, 0 (unload at once) or -1 (keep).",
        )
    return value


def chat_body(request: ChatRequest, window: int, *, think: bool, keep_alive: str | int | None = None) -> dict[str, Any]:
    """The body of /api/chat. `truncate` and `shift` are off: what does not fit is refused, never cut silently."""
    options: dict[str, Any] = {
        "num_ctx": window,
        "num_predict": request.max_tokens,
        "temperature": request.temperature,
    }
    if request.seed is not None:
        options["seed"] = request.seed
    if request.stop:
        options["stop"] = list(request.stop)
    messages = request.messages if request.schema is None else _with_schema(request.messages, request.schema)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": _messages(messages),
        "stream": True,
        "truncate": False,
        "shift": False,
        "options": options,
    }
    if request.schema is not None:
        body["format"] = request.schema
    if request.tools:
        body["tools"] = list(request.tools)
    if request.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    if keep_alive is not None:
        body["keep_alive"] = keep_alive
    if think:  # any value, even false, is an error for a model without the capability
        body["think"] = request.schema is None  # thinking before a short structured answer would eat its token limit
    return body


def _with_schema(messages: tuple[ChatMessage, ...], schema: Mapping[str, Any]) -> tuple[ChatMessage, ...]:
    """The schema joins the system message too: `format` binds the grammar, but the model never sees it."""
    text = f"Answer with JSON that fits this JSON Schema:\n{json.dumps(schema, ensure_ascii=False)}"
    if messages and messages[0].role == "system":
        return (replace(messages[0], content=f"{messages[0].content}\n\n{text}"), *messages[1:])
    return (ChatMessage("system", text), *messages)


def _messages(messages: tuple[ChatMessage, ...]) -> list[dict[str, Any]]:
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    return [_message(message, names) for message in messages]


def _message(message: ChatMessage, names: Mapping[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.thinking:
        data["thinking"] = message.thinking
    if message.tool_calls:
        data["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": call.arguments}} for call in message.tool_calls
        ]
    if message.tool_call_id:
        data["tool_call_id"] = message.tool_call_id
        data["tool_name"] = names.get(message.tool_call_id, "")
    return data


# -- answers ----------------------------------------------------------------------------------------------------------


def chat_chunk(line: Mapping[str, Any], calls_before: int) -> Chunk:
    """One line of /api/chat."""
    if not isinstance(line.get("done", False), bool):
        raise wrong_type("done")
    if line.get("message") is None and line.get("done") is not True:
        raise protocol_error("bad_line", "Ollama sent a line without a message.")
    message = object_field(line, "message")
    calls = list_field(message, "tool_calls")
    return Chunk(
        text=replace_surrogates(text_field(message, "content")),
        thinking=replace_surrogates(text_field(message, "thinking")),
        tool_calls=tuple(_tool_call(call, calls_before + n) for n, call in enumerate(calls, start=1)),
        logprobs=logprobs_of(list_field(line, "logprobs")),
    )


def is_chat_line(line: Mapping[str, Any]) -> bool:
    """Whether a line has any field of an answer of /api/chat; what has none is another service's."""
    return bool(line.keys() & {"model", "message", "done"}) or isinstance(line.get("error"), str)


def _tool_call(data: Any, ordinal: int) -> ToolCall:
    if not isinstance(data, dict):
        raise wrong_type("tool_calls")
    function = data.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise EngineError(ErrorClass.INVALID_OUTPUT, "bad_tool_call", "The model's tool call has no name or arguments.")
    given = data.get("id")
    return ToolCall(given if isinstance(given, str) and given else f"call_{ordinal}", name, arguments)


def done_of(line: Mapping[str, Any], calls: int) -> Done:
    """The end of a stream, from its last line; durations come in nanoseconds, and counts are optional.

    Raises:
        EngineError: SERVER where the model was unloaded before it was through; PROTOCOL for wrong types.
    """
    reason = text_field(line, "done_reason")
    if reason in _NO_ANSWER:
        raise EngineError(ErrorClass.SERVER, "model_unloaded", "Ollama unloaded the model before it was through.")
    finish: FinishReason = "tool_calls" if calls else "length" if reason == "length" else "stop"
    return Done(
        finish,
        prompt_tokens=count_field(line, "prompt_eval_count"),
        completion_tokens=count_field(line, "eval_count"),
        prompt_ms=milliseconds(line.get("prompt_eval_duration"), _NANOSECONDS),
        eval_ms=milliseconds(line.get("eval_duration"), _NANOSECONDS),
        load_ms=milliseconds(line.get("load_duration"), _NANOSECONDS),
    )


def is_pull_line(line: Mapping[str, Any]) -> bool:
    """Whether a line has any field of an answer of /api/pull."""
    return isinstance(line.get("status"), str) or isinstance(line.get("error"), str)


def progress(line: Mapping[str, Any]) -> PullProgress:
    """One line of /api/pull."""
    total = count(line.get("total")) or 0
    return PullProgress(_text(line.get("status"))[:200], min(count(line.get("completed")) or 0, total), total)


# -- models -----------------------------------------------------------------------------------------------------------


def entries(tags: Mapping[str, Any], endpoint: str) -> list[ModelInfo]:
    """The local models of /api/tags; those with a `remote_host` run elsewhere and are left out."""
    listed = tags.get("models")
    if listed is None and "models" in tags:
        return []
    if not isinstance(listed, list):
        raise wrong_endpoint(endpoint)
    return [_entry(data) for data in listed if isinstance(data, dict) and _name(data) and not data.get("remote_host")]


def _name(data: Mapping[str, Any]) -> str:
    name = data.get("name") or data.get("model")
    return replace_surrogates(name)[:300] if isinstance(name, str) else ""


def _entry(data: Mapping[str, Any]) -> ModelInfo:
    name = _name(data)
    details = data.get("details")
    return _described(
        ModelInfo(name, size_bytes=count(data.get("size")), digest=_text(data.get("digest"))[:100]),
        details if isinstance(details, dict) else {},
        None,
    )


def _described(info: ModelInfo, details: Mapping[str, Any], capabilities: Any) -> ModelInfo:
    family = _text(details.get("family"))[:60]
    return replace(
        info,
        parameters_b=parameters_of(_text(details.get("parameter_size"))[:40]) or parameters_in_name(info.name),
        quantization=_text(details.get("quantization_level"))[:40],
        family=family,
        capabilities=_capabilities(capabilities, info.name, family),
    )


def _capabilities(told: Any, name: str, family: str) -> frozenset[Capability]:
    if isinstance(told, list):
        found = {_CAPABILITIES[word] for word in told if isinstance(word, str) and word in _CAPABILITIES}
    else:  # servers before 0.6.4 say nothing
        found = {"embed"} if looks_like_embedder(name, family) else {"chat"}
    return frozenset(found | {"json_schema"} if "chat" in found else found)


def shown(name: str, data: Mapping[str, Any], window: int) -> ModelInfo:
    """A model from /api/show; its window is `window`, or the model's own where that is smaller."""
    details = data.get("details")
    info = _described(ModelInfo(name), details if isinstance(details, dict) else {}, data.get("capabilities"))
    facts = data.get("model_info")
    facts = facts if isinstance(facts, dict) else {}
    own = next((count(value) for key, value in facts.items() if key.endswith(".context_length")), None)
    parameters = count(facts.get("general.parameter_count"))
    return replace(
        info,
        window=min(window, own) if own else window,
        parameters_b=round(parameters / 1e9, 6) if parameters else info.parameters_b,
    )


def with_listed(info: ModelInfo, listed: ModelInfo) -> ModelInfo:
    """What only the list of models tells joins what `show` tells."""
    return replace(info, size_bytes=listed.size_bytes, digest=listed.digest)


def with_window(info: ModelInfo, window: int) -> ModelInfo:
    return replace(info, window=window)


def with_loaded(info: ModelInfo, name: str, *, loaded: bool) -> ModelInfo:
    return replace(info, name=name, loaded=loaded)


def running(data: Any) -> dict[str, int | None]:
    """Loaded model (with its tag) -> allocated window, from /api/ps."""
    listed = data.get("models") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        return {}
    return {
        full_name(_name(entry)): count(entry.get("context_length")) or None
        for entry in listed
        if isinstance(entry, dict) and _name(entry)
    }


# -- failures ---------------------------------------------------------------------------------------------------------


def http_error(answer: Answer, endpoint: str, model: str) -> EngineError:
    """An answer with an error status. Ollama's own has the form `{"error": "..."}`; anything else is not Ollama."""
    data = answer.json()
    text = data.get("error") if isinstance(data, dict) else None
    if not isinstance(text, str):
        if answer.status < 500 and answer.status not in {401, 403, 408, 429}:
            return wrong_endpoint(endpoint)
        return refusal(answer, "Ollama", "", remedy=_remedy(answer.status))
    if answer.status in _TOO_LONG_STATUS and _TOO_LONG.search(text):
        return context_overflow(text)
    if answer.status == 404 and model:
        return EngineError(
            ErrorClass.NOT_FOUND,
            "model_not_found",
            f"Ollama does not have the model {model!r}.",
            remedy=f"Fetch it with `ollama pull {model}`, or name a model that is there.",
        )
    return refusal(answer, "Ollama", replace_surrogates(text), remedy=_remedy(answer.status))


def _remedy(status: int) -> str:
    return "Set OLLAMA_API_KEY to a valid key." if status in {401, 403} else ""


def line_error(data: Mapping[str, Any]) -> EngineError:
    """An `{"error": ...}` line inside an answer with status 200."""
    text = _text(data.get("error"))[:500] or "unknown"
    if _TOO_LONG.search(text):
        return context_overflow(text)
    return EngineError(ErrorClass.SERVER, "error_in_stream", f"Ollama reported an error: {text.rstrip('.')}.")


def context_overflow(text: str) -> EngineError:
    return EngineError(
        ErrorClass.CONTEXT_OVERFLOW,
        "context_overflow",
        f"The prompt does not fit into the model's context window ({text[:200]}).",
        remedy="Shorten the question, or raise `window`.",
    )


def wrong_endpoint(endpoint: str) -> EngineError:
    return EngineError(
        ErrorClass.CONFIGURATION,
        "wrong_endpoint",
        f"What answers at {endpoint} is not Ollama.",
        remedy="Correct OLLAMA_HOST; Ollama listens at http://127.0.0.1:11434 unless told otherwise.",
    )


def protocol_error(code: str, message: str) -> EngineError:
    return EngineError(ErrorClass.PROTOCOL, code, message)


def _text(value: Any) -> str:
    return replace_surrogates(value) if isinstance(value, str) else ""
