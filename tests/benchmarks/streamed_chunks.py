"""What reading a streamed answer costs per chunk: the bytes alone, the client, and the whole stack up to the events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import httpx

import engine
from engine.config import EngineConfig
from engine.models.ollama import OllamaBackend
from engine.models.openai import OpenAIBackend
from engine.models.protocol import ChatMessage, ChatRequest, ModelBackend
from engine.run.engine import Engine
from tests.benchmarks.measure import Figure, alternate_async, spread
from tests.benchmarks.model_graphs import QUESTION, SYSTEM, asking
from tests.benchmarks.stream_server import CHUNKS, MODEL, WORD, streaming

TOKENS = 4000
"""That may be written; the server does not count."""


def run(short: bool) -> list[Figure]:
    rounds, chunks = (2, 200) if short else (11, CHUNKS)
    with streaming(chunks) as address:
        return [
            figure
            for dialect in ("ollama", "openai")
            for figure in asyncio.run(_figures(dialect, address, rounds, chunks))
        ]


async def _figures(dialect: str, address: str, rounds: int, chunks: int) -> list[Figure]:
    ollama = dialect == "ollama"
    url = f"{address}/api/chat" if ollama else f"{address}/v1/chat/completions"
    config = EngineConfig(backend="ollama", ollama_host=address)
    if not ollama:
        config = EngineConfig(backend="openai", openai_base_url=f"{address}/v1")
    backend: ModelBackend = OllamaBackend(address) if ollama else OpenAIBackend(f"{address}/v1")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(backend.aclose)
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        eng = await stack.enter_async_context(engine.open(config=config))

        def each(read: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[float]]:
            return lambda: _cpu_per_chunk(read, chunks)

        sockets, raw, client, whole = await alternate_async(
            rounds,
            each(lambda: _read_by_asyncio(url, chunks)),
            each(lambda: _read_by_httpx(http, url, chunks)),
            each(lambda: _read_by_client(backend, chunks)),
            each(lambda: _read_by_engine(eng, chunks)),
        )
    name = "Ollama, NDJSON" if ollama else "OpenAI, server-sent events"
    how = (
        f"CPU time of this process / {chunks:,} chunks of one answer; the server, another process, sends each by itself"
    )
    return [
        Figure(
            f"streamed chunk ({name}): the client, chunks parsed and checked", "us", spread(client), how,
            None, spread(raw), "the same bytes read by httpx and thrown away",
        ),
        Figure(
            f"streamed chunk ({name}): the whole stack, from `start` to the result", "us", spread(whole),
            f"{how}; parsed, put together, deltas at 10 Hz as events, the rest of the run included",
            None, spread(raw), "the same bytes read by httpx and thrown away",
        ),
        Figure(
            f"streamed chunk ({name}): the bytes alone, read by httpx", "us", spread(raw), how,
            None, spread(sockets), "the same read by `asyncio.open_connection`",
        ),
    ]  # fmt: skip


async def _cpu_per_chunk(read: Callable[[], Awaitable[None]], chunks: int) -> float:
    start = time.process_time()
    await read()
    return (time.process_time() - start) / chunks


async def _read_by_asyncio(url: str, chunks: int) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    request = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
    )
    writer.write(request.encode())
    size, end = 0, b""
    while not end.endswith(b"0\r\n\r\n"):
        block = await reader.read(2**16)
        assert block, "the answer broke off"
        size += len(block)
        end = (end + block)[-5:]
    writer.close()
    assert size > chunks * len(WORD)


async def _read_by_httpx(http: httpx.AsyncClient, url: str, chunks: int) -> None:
    size = 0
    async with http.stream("POST", url, json={}) as response:
        async for block in response.aiter_raw():
            size += len(block)
    assert size > chunks * len(WORD)


async def _read_by_client(backend: ModelBackend, chunks: int) -> None:
    messages = (ChatMessage("system", SYSTEM), ChatMessage("user", QUESTION))
    request = ChatRequest(MODEL, messages, max_tokens=TOKENS, window=8192)
    texts = 0
    async for chunk in backend.chat(request):
        texts += bool(chunk.text)
    assert texts == chunks


async def _read_by_engine(eng: Engine, chunks: int) -> None:
    result = await eng.start(asking(TOKENS), QUESTION).result()
    assert result.status == "committed", result
    assert len(result.text.strip()) == chunks * len(WORD) - 1
