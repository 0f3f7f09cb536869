"""AnswerCache: answers to requests that always have the same one, kept in memory for a while."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from engine.models.answered import ModelRound
from engine.models.call_record import request_hash
from engine.models.protocol import ChatRequest


def deterministic(request: ChatRequest) -> bool:
    """Whether the same request has the same answer: nothing is drawn by chance, or the seed is given; and no tool can
    be called, which would see another world."""
    return (request.temperature == 0.0 or request.seed is not None) and not request.tools


def cache_key(request: ChatRequest, digest: str) -> str:
    """Digest of the model's file, the messages, the options and the schema.

    Args:
        request: what is asked.
        digest: of the model's file; empty where the backend gives none, so that its name alone stands for it.
    """
    return hashlib.sha256(f"{digest} {request_hash(request)}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: ModelRound
    until: float
    size: int


class AnswerCache:
    """Exact-match cache. The least recently used answers go when it is full.

    Args:
        ttl_s: seconds that an answer is kept.
        max_bytes: of all texts together, in UTF-8.
        now: monotonic seconds.
    """

    def __init__(self, ttl_s: float, max_bytes: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._now = now
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self.size = 0
        """Bytes that are kept."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> ModelRound | None:
        """The answer that was kept under a key, where it is not too old."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= self._now():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept.answer

    def put(self, key: str, answer: ModelRound) -> None:
        """Keep an answer; one that is cut off, or larger than the whole cache, is not kept."""
        size = len(key) + len(answer.text.encode()) + len(answer.thinking.encode())
        if answer.finish != "stop" or answer.tool_calls or size > self._max_bytes:
            return
        if key in self._kept:
            self._drop(key)
        self._kept[key] = _Kept(answer, self._now() + self._ttl_s, size)
        self.size += size
        while self.size > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        self.size -= self._kept.pop(key).size
