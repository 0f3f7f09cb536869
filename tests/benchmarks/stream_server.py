"""A server on loopback that streams one long answer as fast as it can, as Ollama and as OpenAI's protocol have it.

As a program it prints its address and serves until its stdin ends, so that its work is on nobody else's account.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

MODEL = "qwen2.5:3b"
CHUNKS = 2000
"""Pieces of an answer with text in them."""
WORD = " word"
_STAMP = "2026-01-01T00:00:00.000000Z"
_DETAILS = {"format": "gguf", "family": "qwen2", "parameter_size": "3.1B", "quantization_level": "Q4_K_M"}


def ollama_lines(chunks: int) -> list[bytes]:
    """https://docs.ollama.com/api/chat"""
    head = {"model": MODEL, "created_at": _STAMP}
    piece = {**head, "message": {"role": "assistant", "content": WORD}, "done": False}
    end = {**head, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    counts = {"prompt_eval_count": 20, "eval_count": chunks, "eval_duration": 1_000_000}
    return [*[json.dumps(piece).encode() + b"\n"] * chunks, json.dumps(end | counts).encode() + b"\n"]


def openai_events(chunks: int) -> list[bytes]:
    """https://platform.openai.com/docs/api-reference/chat-streaming"""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_767_225_600, "model": MODEL}

    def event(delta: dict[str, Any], finish: str | None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return b"data: " + json.dumps({**head, "choices": choices}).encode() + b"\n\n"

    usage = {"prompt_tokens": 20, "completion_tokens": chunks, "total_tokens": chunks + 20}
    last = b"data: " + json.dumps({**head, "choices": [], "usage": usage}).encode() + b"\n\n"
    return [*[event({"content": WORD}, None)] * chunks, event({}, "stop"), last, b"data: [DONE]\n\n"]


@dataclass(frozen=True, slots=True)
class _Answer:
    content_type: str
    blocks: list[bytes]


def _answers(chunks: int) -> dict[str, _Answer]:
    """By path."""

    def whole(data: Any) -> _Answer:
        return _Answer("application/json", [json.dumps(data).encode()])

    facts = {"qwen2.context_length": 32768}
    listed = {"name": MODEL, "size": 1, "digest": "0" * 64, "details": _DETAILS}
    return {
        "/api/chat": _Answer("application/x-ndjson", ollama_lines(chunks)),
        "/api/tags": whole({"models": [listed]}),
        "/api/show": whole({"details": _DETAILS, "model_info": facts, "capabilities": ["completion"]}),
        "/api/ps": whole({"models": [{"name": MODEL, "context_length": 8192}]}),
        "/v1/chat/completions": _Answer("text/event-stream", openai_events(chunks)),
        "/v1/models": whole({"object": "list", "data": [{"id": MODEL, "object": "model"}]}),
    }


async def _serve(chunks: int) -> None:
    answers = _answers(chunks)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                _send(writer, answers.get(head.split(" ")[1]))
                await writer.drain()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


def _send(writer: asyncio.StreamWriter, answer: _Answer | None) -> None:
    if answer is None:
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n")
        return
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {answer.content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    for block in answer.blocks:  # written at once, one by one: asyncio sets TCP_NODELAY
        writer.write(b"%x\r\n%s\r\n" % (len(block), block))
    writer.write(b"0\r\n\r\n")


@contextmanager
def streaming(chunks: int) -> Iterator[str]:
    """The address of such a server, in a process of its own."""
    command = [sys.executable, "-m", __name__, str(chunks)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
