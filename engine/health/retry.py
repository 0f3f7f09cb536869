"""Retry: how long to wait before the same request is sent again, and how many repetitions an endpoint is given."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter.

    The formula is that of Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015:
    `sleep = random_between(0, min(cap, base * 2 ** attempt))`, with the attempts counted from 0.
    """

    attempts: int
    """Attempts in all, the first included."""
    base_s: float
    """Seconds; upper bound of the first wait."""
    cap_s: float
    """Seconds; upper bound of every wait, those that a server asks for included."""

    def bound(self, attempt: int) -> float:
        """Longest wait in seconds after the failure of attempt number `attempt`, counted from 1."""
        # beyond 2**60 the cap has long won, and float overflow would raise
        return min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 60))

    def delay(
        self, attempt: int, retry_after: float | None, rng: random.Random, left: float = math.inf
    ) -> float | None:
        """Seconds to wait after the failure of attempt number `attempt`, or None where it is not to be repeated.

        Args:
            attempt: counted from 1.
            retry_after: seconds that the server asked for; waited at least, up to `cap_s`: who is told to come back in
                an hour has an answer to give before.
            rng: source of the jitter.
            left: seconds left until the deadline; there is no retry that would begin at or after it.
        """
        if attempt >= self.attempts:
            return None
        wait = rng.uniform(0.0, self.bound(attempt))
        if retry_after is not None and retry_after > wait:
            wait = max(wait, min(retry_after, self.cap_s))
        return wait if wait < left else None


class RetryBudget:
    """A token bucket that keeps retries from multiplying the load on an endpoint that is in trouble anyway.

    In the manner of Finagle's `RetryBudget`: it begins full; each call deposits `ratio` of a token, up to `floor`; each
    retry withdraws one. So `n` calls have at most `floor + ratio * n` retries.

    Args:
        ratio: share of the calls that may be repeated in the long run.
        floor: retries that are there without any calls before.
    """

    __slots__ = ("_floor", "_ratio", "_tokens")

    def __init__(self, ratio: float = 0.2, floor: float = 10.0) -> None:
        self._ratio = ratio
        self._floor = floor
        self._tokens = floor

    @property
    def tokens(self) -> float:
        """Retries that are there now."""
        return self._tokens

    def called(self) -> None:
        """A call (not a retry) is made."""
        self._tokens = min(self._tokens + self._ratio, self._floor)

    def take(self) -> bool:
        """Take one retry; False where none is left."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
