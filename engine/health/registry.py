"""BreakerRegistry: all circuit breakers of an engine, by key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from engine.config import BreakerConfig
from engine.errors import EngineError, ErrorClass
from engine.events import Body, BreakerScope, BreakerSnapshot
from engine.health.breaker import CircuitBreaker, ForceMode


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000


class BreakerRegistry:
    """Makes each breaker when it is first asked for; all share one configuration, clocks and event sink.

    Args:
        config: limits of every breaker.
        now: monotonic seconds.
        wall_ms: Unix time in milliseconds.
        emit: takes the `BreakerChanged` events.
    """

    __slots__ = ("_breakers", "_config", "_emit", "_now", "_wall_ms")

    def __init__(
        self,
        config: BreakerConfig,
        *,
        now: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = _unix_ms,
        emit: Callable[[Body], None],
    ) -> None:
        self._config = config
        self._now = now
        self._wall_ms = wall_ms
        self._emit = emit
        self._breakers: dict[str, CircuitBreaker] = {}

    def get(self, key: str, scope: BreakerScope) -> CircuitBreaker:
        """The breaker of that key; a new one is closed. `scope` matters when it is made."""
        breaker = self._breakers.get(key)
        if breaker is None:
            breaker = CircuitBreaker(key, scope, self._config, now=self._now, wall_ms=self._wall_ms, emit=self._emit)
            self._breakers[key] = breaker
        return breaker

    def available(self, key: str) -> bool:
        """Whether the breaker of that key would let a call pass; one that there is not yet would."""
        breaker = self._breakers.get(key)
        return breaker is None or breaker.available()

    def snapshots(self, *, graph: str | None = None) -> tuple[BreakerSnapshot, ...]:
        """All breakers, sorted by key; with `graph` those of its nodes and of the endpoints."""
        keys = sorted(self._breakers)
        if graph is not None:
            prefix = f"{graph}/"
            keys = [key for key in keys if key.startswith(prefix) or self._breakers[key].scope == "endpoint"]
        return tuple(self._breakers[key].snapshot() for key in keys)

    def restore(self, snapshots: Iterable[BreakerSnapshot]) -> None:
        """Take over the breakers of an earlier process, as `CircuitBreaker.restore` says."""
        for snapshot in snapshots:
            self.get(snapshot.key, snapshot.scope).restore(snapshot)

    def force(self, key: str, mode: ForceMode) -> None:
        """Set one breaker by hand, as `CircuitBreaker.force` says.

        Raises:
            EngineError: NOT_FOUND, when there is no breaker of that key.
        """
        breaker = self._breakers.get(key)
        if breaker is None:
            known = ", ".join(sorted(self._breakers)) or "none yet"
            raise EngineError(
                ErrorClass.NOT_FOUND,
                "unknown_breaker",
                f"There is no circuit breaker {key!r}.",
                remedy=f"Known ones: {known}.",
            )
        breaker.force(mode)
