"""StreamedAnswer: the text of one attempt, put together from chunks, with deltas coalesced to 10 Hz."""

from __future__ import annotations

import json
from collections.abc import Iterator

from engine.errors import EngineError, ErrorClass
from engine.message import replace_surrogates
from engine.models.protocol import Chunk, Done, ToolCall

DELTA_INTERVAL_S = 0.1
"""Seconds between two deltas: coalesced before they are numbered, so bus and store see the same events."""

MAX_ANSWER_BYTES = 1_000_000
"""UTF-8 bytes of text and thinking together, tool calls as JSON included; more is a model that runs away."""


class TextChannel:
    """A growing text whose pieces may cut a surrogate pair in two."""

    __slots__ = ("_flushed", "_held", "_pieces", "size")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._held = ""
        self._flushed = (0, 0)
        self.size = 0
        """UTF-8 bytes so far."""

    def push(self, piece: str) -> None:
        """Append a piece; a high surrogate at its end is held back until its other half comes."""
        if self._held:
            piece, self._held = self._held + piece, ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            piece, self._held = piece[:-1], piece[-1]
        if piece:
            self._append(replace_surrogates(piece))

    def take(self) -> tuple[int, str]:
        """(offset in characters, text) since the last `take`."""
        pieces, offset = self._flushed
        fresh = "".join(self._pieces[pieces:])
        self._flushed = (len(self._pieces), offset + len(fresh))
        return offset, fresh

    def text(self) -> str:
        """Everything so far."""
        return "".join(self._pieces) + replace_surrogates(self._held)

    def _append(self, piece: str) -> None:
        self._pieces.append(piece)
        self.size += len(piece) if piece.isascii() else len(piece.encode())


class StreamedAnswer:
    """What came of one attempt so far.

    Args:
        started: seconds on the caller's clock at which the attempt began.
    """

    __slots__ = ("_call_bytes", "_due", "_started", "chunks", "done", "first_at", "text", "thinking", "tool_calls")

    def __init__(self, started: float) -> None:
        self._started = started
        self._due = started
        self.text = TextChannel()
        self.thinking = TextChannel()
        self.tool_calls: list[ToolCall] = []
        self._call_bytes = 0
        self.done: Done | None = None
        self.chunks = 0
        """Chunks with content so far: about the tokens generated."""
        self.first_at: float | None = None
        """When the first content came."""

    def add(self, chunk: Chunk, now: float) -> None:
        """Take in one chunk.

        Raises:
            EngineError: RESOURCE, when the answer is longer than `MAX_ANSWER_BYTES`.
        """
        if chunk.text or chunk.thinking or chunk.tool_calls:
            self.chunks += 1
            if self.first_at is None:
                self.first_at = now
        self.text.push(chunk.text)
        self.thinking.push(chunk.thinking)
        for call in chunk.tool_calls:
            self.tool_calls.append(call)
            self._call_bytes += len(json.dumps([call.id, call.name, call.arguments]))
        self.done = chunk.done
        if self.text.size + self.thinking.size + self._call_bytes > MAX_ANSWER_BYTES:
            raise answer_too_long()

    def deltas(self, now: float) -> Iterator[tuple[int, str, bool]]:
        """(offset in characters, text, whether it is thinking) to show now: nothing until 100 ms after the last."""
        if now < self._due:
            return
        for channel, thinking in ((self.thinking, True), (self.text, False)):
            offset, fresh = channel.take()
            if fresh:
                self._due = now + DELTA_INTERVAL_S
                yield offset, fresh, thinking

    def ms(self, now: float) -> int:
        """Milliseconds from the attempt's start to `now`."""
        return round((now - self._started) * 1000)

    def complete(self, max_tokens: int) -> Done:
        """The end of the stream.

        Raises:
            EngineError: PROTOCOL, when it ended without saying so; INVALID_OUTPUT, when there is nothing in it.
        """
        if self.done is None:
            raise EngineError(
                ErrorClass.PROTOCOL, "stream_cut", "The model's answer broke off before its end.", remedy="Try again."
            )
        if not self.tool_calls and not self.text.text().strip():
            raise _empty(self, max_tokens)
        return self.done


def answer_too_long() -> EngineError:
    """A model that does not end."""
    return EngineError(
        ErrorClass.RESOURCE,
        "answer_too_long",
        f"The model wrote more than {MAX_ANSWER_BYTES // 1000} KB and was stopped.",
        remedy="Lower max_tokens of the node, or use another model.",
    )


def check_prompt_fitted(done: Done, window: int) -> None:
    """A prompt that fills its whole window was cut by the server, or left no room for the answer.

    Raises:
        EngineError: CONTEXT_OVERFLOW, when the server counted `window` tokens or more in the prompt.
    """
    if done.prompt_tokens is not None and done.prompt_tokens >= window:
        raise EngineError(
            ErrorClass.CONTEXT_OVERFLOW,
            "context_overflow",
            f"The prompt filled the model's context window ({done.prompt_tokens} tokens of {window}).",
            remedy="Shorten the question, or use a model with a larger window.",
        )


def _empty(answer: StreamedAnswer, max_tokens: int) -> EngineError:
    if answer.done is not None and answer.done.finish == "length" and answer.thinking.size:
        message = f"The model spent all of its {max_tokens} tokens on thinking and gave no answer."
        remedy = "Raise max_tokens of the node, or use a model that does not think."
    else:
        message, remedy = "The model gave an empty answer.", "Put the question in other words, or use a larger model."
    return EngineError(ErrorClass.INVALID_OUTPUT, "empty_answer", message, remedy=remedy)
