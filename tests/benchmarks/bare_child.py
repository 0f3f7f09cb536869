"""The child process of an engine's embedded model, asked by plain httpx with the same request."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from engine.models.embedded import EmbeddedBackend
from engine.run.engine import Engine
from tests.benchmarks.model_graphs import QUESTION, SYSTEM


@dataclass(frozen=True, slots=True)
class Answered:
    """How long one answer took."""

    seconds: float
    first_s: float
    """Seconds until the first text."""
    tokens: int

    @property
    def per_second(self) -> float:
        return self.tokens / self.seconds


class BareChild:
    """What every client of the child does: send the request, split the answer into events, read each event's text."""

    def __init__(self, address: str, key: str, http: httpx.AsyncClient) -> None:
        self._url = f"{address}/v1/chat/completions"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._http = http

    async def ask(self, tokens: int, question: str = QUESTION) -> Answered:
        """One answer; the request is that of `model_graphs.asking`."""
        body = {
            "model": "smollm2:135m",
            "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": tokens,
            "temperature": 0.0,
            "seed": 1,
        }
        start = time.perf_counter()
        first = written = 0.0
        async with self._http.stream("POST", self._url, json=body, headers=self._headers) as response:
            assert response.status_code == 200, await response.aread()
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                event: dict[str, Any] = json.loads(line[6:])
                if not first and any(choice["delta"].get("content") for choice in event["choices"]):
                    first = time.perf_counter()
                written = (event.get("usage") or {}).get("completion_tokens", written)
        return Answered(time.perf_counter() - start, first - start, int(written))


@asynccontextmanager
async def bare_child(eng: Engine) -> AsyncIterator[BareChild]:
    """The child of an engine whose embedded model runs; one connection for each request, as the engine does it, for
    the server drops connections that are used again."""
    backend = await eng.backend()
    assert isinstance(backend, EmbeddedBackend)
    supervisor = backend._children.supervisor(backend.model_name, "chat")
    assert supervisor is not None
    process = (await supervisor.generation()).process
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(trust_env=False, verify=False, limits=limits, timeout=60.0) as http:
        yield BareChild(process.address, process.settings.api_key, http)
