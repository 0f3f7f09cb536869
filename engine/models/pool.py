"""Pool: the endpoints of an engine, which of them has which model, and how busy and how quick each model is."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.health.breaker import CircuitBreaker
from engine.health.registry import BreakerRegistry
from engine.health.retry import RetryBudget
from engine.models.admission import Admission, Place
from engine.models.protocol import ModelBackend

RECENT_CALLS = 20
"""Answers of a model whose times are remembered."""


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """A backend, and how much is asked of it at a time."""

    backend: ModelBackend
    concurrency: int = 1
    """Attempts at the same time per model."""
    budget: RetryBudget = field(default_factory=RetryBudget)

    @property
    def name(self) -> str:
        return self.backend.endpoint


class Pool:
    """The endpoints of an engine.

    Args:
        endpoints: at least one; the first is the one that is meant where only one can be.
        breakers: a breaker for each `endpoint model`.
        now: monotonic seconds.
    """

    def __init__(
        self, endpoints: Sequence[Endpoint], breakers: BreakerRegistry, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.endpoints = tuple(endpoints)
        self._by_name = {endpoint.name: endpoint for endpoint in self.endpoints}
        self._breakers = breakers
        self._now = now
        self._admissions: dict[str, Admission] = {}
        self._times: dict[str, deque[int]] = {}

    @property
    def first(self) -> ModelBackend:
        """The backend that is meant where only one can be."""
        return self.endpoints[0].backend

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name."""
        return self._by_name[name]

    def having(self, model: str) -> Sequence[Endpoint]:  # noqa: ARG002 - one endpoint has what it is asked for
        """The endpoints that have a model."""
        return self.endpoints

    def breaker(self, endpoint: str, model: str) -> CircuitBreaker:
        """The circuit breaker of a model at an endpoint."""
        return self._breakers.get(f"{endpoint} {model}", "endpoint")

    def admission(self, model: str) -> Admission:
        """The queue before a model."""
        found = self._admissions.get(model)
        if found is None:
            found = self._admissions[model] = Admission(self._places(model), self._now)
        return found

    def _places(self, model: str) -> list[Place]:
        return [
            Place(endpoint.name, endpoint.concurrency, self.breaker(endpoint.name, model).available)
            for endpoint in self.having(model)
        ]

    def took(self, model: str, milliseconds: int) -> None:
        """Remember how long an answer of a model took."""
        self._times.setdefault(model, deque(maxlen=RECENT_CALLS)).append(milliseconds)

    def median_ms(self, model: str) -> float | None:
        """Median time of a model's recent answers in milliseconds; None before its first."""
        times = self._times.get(model)
        return statistics.median(times) if times else None

    async def aclose(self) -> None:
        """Close every backend."""
        for endpoint in self.endpoints:
            await endpoint.backend.aclose()
