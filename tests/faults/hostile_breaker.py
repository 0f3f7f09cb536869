"""A second, much simpler circuit breaker: what the breakers of the engine must show after each call, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.errors import ErrorClass

COOLDOWN_S = 60.0
SPEAKS_AGAINST = {
    ErrorClass.CONNECTION,
    ErrorClass.TIMEOUT,
    ErrorClass.RATE_LIMITED,
    ErrorClass.OVERLOADED,
    ErrorClass.SERVER,
    ErrorClass.PROTOCOL,
}
"""Failures of the endpoint; others are the request's, the person's or nobody's, and count neither way."""
ANSWERED = {None, ErrorClass.INVALID_OUTPUT}


@dataclass
class ReferenceBreaker:
    """Closed, three failures in a row: open; a minute: half-open; two successes: closed."""

    state: Literal["closed", "open", "half_open"] = "closed"
    failures: int = 0
    successes: int = 0
    until: float = 0.0

    def refuses(self, now: float) -> bool:
        """Whether a call at this moment is not made; a call that is made begins here."""
        if self.state == "open" and now < self.until:
            return True
        if self.state == "open":
            self.state, self.successes = "half_open", 0
        return False

    def ended(self, error: ErrorClass | None, now: float) -> None:
        """A call that was made has ended."""
        if error in SPEAKS_AGAINST:
            self.failures += self.state == "closed"
            if self.state == "half_open" or self.failures >= 3:
                self.state, self.failures, self.successes, self.until = "open", 3, 0, now + COOLDOWN_S
        elif error in ANSWERED:
            self.successes += self.state == "half_open"
            if self.state == "closed" or self.successes >= 2:
                self.state, self.failures, self.successes = "closed", 0, 0
