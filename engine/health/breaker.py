"""CircuitBreaker: stops calling what keeps failing, and finds out with a few probes when it works again.

The pattern is Michael Nygard's (Release It!, 2nd edition, 2018, chapter 5). Closed: calls pass, consecutive failures
are counted. Open: calls are refused for a cooldown. Half-open: a few probes pass; enough successes close the breaker,
one failure opens it again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Literal

from engine.config import BreakerConfig
from engine.errors import BreakerOpen
from engine.events import Body, BreakerChanged, BreakerScope, BreakerSnapshot, BreakerStateName

ForceMode = Literal["open", "closed", "disabled", "auto"]

RECENT = 20
"""Calls that `BreakerSnapshot.recent` remembers."""

ERROR_TEXT = 300
"""Characters of the last error that are kept."""

_FORCED: dict[ForceMode, BreakerStateName] = {"open": "forced_open", "disabled": "disabled"}


class Permit:
    """Leave to make one call, and the duty to say how it went. Only the first report counts.

    It remembers the breaker's generation: a report about a call that began before the last change of state is ignored.
    """

    __slots__ = ("_breaker", "_generation", "_pending")

    def __init__(self, breaker: CircuitBreaker, generation: int) -> None:
        self._breaker = breaker
        self._generation = generation
        self._pending = True

    def success(self) -> None:
        """The call worked."""
        if self._pending:
            self._pending = False
            self._breaker._succeeded(self, self._generation)  # noqa: SLF001  (one concept in two classes)

    def failure(self, error_text: str = "") -> None:
        """The call failed in a way that speaks against what is called."""
        if self._pending:
            self._pending = False
            self._breaker._failed(self._generation, error_text)  # noqa: SLF001

    def cancelled(self) -> None:
        """The call came to nothing that says anything about what is called: it counts neither way."""
        if self._pending:
            self._pending = False
            self._breaker._release(self)  # noqa: SLF001


class CircuitBreaker:
    """One circuit breaker, for use on one event loop: no method awaits, so every transition is atomic.

    Args:
        key: `endpoint model` or `graph_id/path`.
        scope: what the key names.
        config: thresholds and times.
        now: monotonic seconds; decides.
        wall_ms: Unix time in milliseconds; for display and across restarts.
        emit: takes a `BreakerChanged` after every change of the state, of a count or of what the last calls tell.
    """

    __slots__ = (
        "_config",
        "_emit",
        "_failures",
        "_generation",
        "_last_error",
        "_leases",
        "_now",
        "_recent",
        "_state",
        "_successes",
        "_until",
        "_until_ms",
        "_wall_ms",
        "key",
        "scope",
    )

    def __init__(
        self,
        key: str,
        scope: BreakerScope,
        config: BreakerConfig,
        *,
        now: Callable[[], float],
        wall_ms: Callable[[], int],
        emit: Callable[[Body], None],
    ) -> None:
        self.key = key
        self.scope: BreakerScope = scope
        self._config = config
        self._now = now
        self._wall_ms = wall_ms
        self._emit = emit
        self._state: BreakerStateName = "closed"
        self._generation = 0
        self._failures = 0
        self._successes = 0
        self._until = 0.0
        self._until_ms: int | None = None
        self._leases: dict[Permit, float] = {}
        self._last_error = ""
        self._recent: deque[str] = deque(maxlen=RECENT)

    @property
    def state(self) -> BreakerStateName:
        """The state as of the last call: an open breaker becomes half-open with its first probe, not by time alone."""
        return self._state

    def acquire(self) -> Permit:
        """Leave to make one call.

        Raises:
            BreakerOpen: not now; `retry_after` says in how many seconds it may be tried again (None: not by itself).
        """
        state = self._state
        if state == "closed" or state == "disabled":
            return Permit(self, self._generation)
        if state == "forced_open":
            raise self._by_hand()
        now = self._now()
        if state == "open":
            if now < self._until:
                raise BreakerOpen(self.key, self._until - now)
            return self._first_probe(now)
        return self._next_probe(now)

    def available(self) -> bool:
        """Whether `acquire` would give leave now; takes nothing and changes nothing."""
        if self._state in ("closed", "disabled"):
            return True
        if self._state == "open":
            return self._now() >= self._until
        return self._state == "half_open" and len(self._live(self._now())) < self._config.max_probes

    def force(self, mode: ForceMode) -> None:
        """Set the state by hand.

        `open` refuses every call and `disabled` lets every call pass, both until further notice; `closed` starts afresh
        at once; `auto` ends `open` and `disabled` with a fresh start, and changes nothing otherwise.
        """
        if mode == "auto" and self._state not in ("forced_open", "disabled"):
            return
        self._failures = 0
        self._enter(_FORCED.get(mode, "closed"))

    def snapshot(self) -> BreakerSnapshot:
        """The whole state as a value."""
        return BreakerSnapshot(
            key=self.key,
            scope=self.scope,
            state=self._state,
            failures=self._failures,
            successes=self._successes,
            until_ms=self._until_ms,
            last_error=self._last_error,
            recent="".join(self._recent),
        )

    def restore(self, snapshot: BreakerSnapshot) -> None:
        """Take over the state of an earlier process; nothing is emitted.

        What is left of a cooldown goes by the wall clock, clamped to between none and a whole one, so a clock that was
        set back does not prolong it. Probes of the earlier process are gone, hence no slot is taken.
        """
        config = self._config
        self._generation += 1
        self._leases.clear()
        self._state = snapshot.state
        most = config.failure_threshold - 1 if snapshot.state == "closed" else config.failure_threshold
        self._failures = min(max(snapshot.failures, 0), most)
        self._successes = min(max(snapshot.successes, 0), config.success_threshold - 1)
        self._last_error = snapshot.last_error
        self._recent.clear()
        self._recent.extend(mark for mark in snapshot.recent if mark in ".x")
        self._until_ms = None
        if snapshot.state == "open":
            left = ((snapshot.until_ms or 0) - self._wall_ms()) / 1000
            self._cool_down(min(max(left, 0.0), config.cooldown_s))

    # -- how calls went -----------------------------------------------------------------------------------------------

    def _succeeded(self, permit: Permit, generation: int) -> None:
        if generation != self._generation:
            return
        among_failures = "x" in self._recent
        self._recent.append(".")
        if self._state == "closed":
            self._failures = 0
            if among_failures:  # good calls are many, and say nothing new while all of the last ones were good
                self._changed("closed")
        elif self._state == "half_open":
            self._release(permit)
            self._successes += 1
            if self._successes < self._config.success_threshold:
                self._changed("half_open")
            else:
                self._failures = 0
                self._enter("closed")

    def _failed(self, generation: int, error_text: str) -> None:
        if generation != self._generation:
            return
        self._recent.append("x")
        self._last_error = error_text[:ERROR_TEXT]
        if self._state == "closed":
            self._failures += 1
            if self._failures < self._config.failure_threshold:
                self._changed("closed")
            else:
                self._enter("open")
        elif self._state == "half_open":
            self._enter("open")

    def _release(self, permit: Permit) -> None:
        self._leases.pop(permit, None)

    # -- transitions --------------------------------------------------------------------------------------------------

    def _first_probe(self, now: float) -> Permit:
        permit = Permit(self, self._generation + 1)
        self._enter("half_open", probe=permit, now=now)
        return permit

    def _next_probe(self, now: float) -> Permit:
        leases = self._leases = self._live(now)
        if len(leases) >= self._config.max_probes:
            raise self._probing(min(leases.values()) - now)
        permit = Permit(self, self._generation)
        leases[permit] = now + self._config.cooldown_s
        return permit

    def _live(self, now: float) -> dict[Permit, float]:
        # a lease that ran out belongs to a hung probe: its slot is free again, its report still counts if it ever comes
        return {probe: until for probe, until in self._leases.items() if until > now}

    def _enter(self, state: BreakerStateName, *, probe: Permit | None = None, now: float = 0.0) -> None:
        previous, self._state = self._state, state
        self._generation += 1
        self._successes = 0
        self._leases.clear()
        self._until_ms = None
        if state == "open":
            self._cool_down(self._config.cooldown_s)
        if probe is not None:
            self._leases[probe] = now + self._config.cooldown_s
        self._changed(previous)

    def _cool_down(self, seconds: float) -> None:
        self._until = self._now() + seconds
        self._until_ms = self._wall_ms() + math.ceil(seconds * 1000)

    def _changed(self, previous: BreakerStateName) -> None:
        self._emit(BreakerChanged(self.snapshot(), previous))

    # -- refusals -----------------------------------------------------------------------------------------------------

    def _by_hand(self) -> BreakerOpen:
        error = BreakerOpen(self.key, 0.0)
        error.retry_after = None  # no time ends it
        error.message = f"The circuit breaker {self.key} was opened by hand."
        error.remedy = "Select it in the breakers pane of the cockpit, and press a: it is left to itself again."
        return error

    def _probing(self, lease_left: float) -> BreakerOpen:
        error = BreakerOpen(self.key, lease_left)
        error.message = f"The circuit breaker {self.key} is half-open and its trial calls are under way."
        error.remedy = "Try again when they have ended."
        return error
