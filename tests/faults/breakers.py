"""Circuit breakers: random steps against a reference, and crowds before half-open ones; `--steps 1000000 --crowds 50`.

A crowd is 1,000 callers at once, before a breaker alone and before the real caller and pool. Some of their calls fail,
are cancelled or hang, so that leases end and results come late.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from dataclasses import asdict, dataclass, field

from engine.config import BreakerConfig
from engine.errors import BreakerOpen
from engine.events import Body, BreakerChanged, BreakerSnapshot
from engine.health.breaker import CircuitBreaker, Permit
from tests.faults.breakers_crowd import CALLERS, Crowd, before_a_breaker, before_the_pool
from tests.faults.breakers_reference import COOLDOWN_S, Reference
from tests.unit.health.clock import Clock

HOUR_S = 3600
MODES = ("open", "closed", "disabled", "auto", "auto", "auto")


@dataclass
class Figures:
    """What came of it."""

    steps: int = 0
    """Random steps, after each of which the breaker was compared with the reference."""
    calls: int = 0
    refused: int = 0
    late: int = 0
    """Results from before a change, which must count for nothing."""
    cancelled: int = 0
    hung_probes: int = 0
    """Probes that did not end within their lease."""
    set_back: int = 0
    """Times that the wall clock was set back an hour."""
    forced: int = 0
    """Times that a person set the breaker."""
    restarts: int = 0
    """Times that another process took over what was stored."""
    states: dict[str, int] = field(default_factory=dict)
    """State -> times that the breaker came to it."""
    crowds: int = 0
    """Crowds of 1,000 callers before a half-open breaker."""
    crowd_calls: int = 0
    """Calls of them that were let through."""
    crowd_refused: int = 0
    half_open: int = 0
    """Times that a breaker before a crowd was half-open."""
    most_probes: int = 0
    """Probes at the same time, before a breaker alone."""
    most_probes_of_the_pool: int = 0
    """The same through the real caller and pool."""
    differences: int = 0
    """Steps after which the breaker was not as the reference."""
    too_many_probes: int = 0
    stuck: int = 0
    """Breakers that did not come out of half-open."""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = asdict(self)
        states, problems = told.pop("states"), told.pop("problems")
        lines = [f"{name.replace('_', ' '):<28} {value}" for name, value in told.items()]
        return "\n".join(lines + [f"  to {state:<23} {count}" for state, count in sorted(states.items())] + problems)

    def wrong(self, text: str) -> None:
        """A difference; the first ones are told."""
        self.differences += 1
        if len(self.problems) < 20:
            self.problems.append(text)


class Walk:
    """Random steps, each on the breaker and on the reference."""

    def __init__(self, rng: random.Random, figures: Figures) -> None:
        self._rng = rng
        self._figures = figures
        self._clock = Clock()
        self._reference = Reference()
        self._running: dict[int, Permit] = {}
        self._stored: BreakerSnapshot | None = None
        self._said = 0
        self._mood = 0.5
        """Share of the calls that fail."""
        self._breaker = self._new()

    def walk(self, steps: int) -> None:
        """Make so many steps."""
        for number in range(steps):
            if number % 100 == 0:
                self._mood = self._rng.choice([0.05, 0.5, 0.95])  # what is called is well, unsteady or down for a while
            what = self._step()
            self._figures.steps += 1
            for difference in self._differences():
                self._figures.wrong(f"step {number} ({what}): {difference}")

    def _step(self) -> str:
        draw = self._rng.random()
        if draw < 0.42:
            return self._begin()
        if draw < 0.84 and self._running:
            return self._end()
        if draw < 0.95:
            return self._wait()
        if draw < 0.97:
            self._clock.wall -= HOUR_S * 1000
            self._figures.set_back += 1
            return "the wall clock is set back"
        if draw < 0.99:
            return self._force()
        return self._restart()

    def _begin(self) -> str:
        now = self._clock.now()
        expected = self._reference.refusal(now)
        available = self._breaker.available()
        if available is not (expected == 0.0):
            self._figures.wrong(f"available() is {available}, refused for {expected}")
        call = self._figures.calls
        try:
            self._running[call] = self._breaker.acquire()
        except BreakerOpen as refusal:
            self._figures.refused += 1
            if expected == 0.0 or not _near(refusal.retry_after, expected, 1e-6):
                self._figures.wrong(f"refused for {refusal.retry_after}, expected {expected}")
            return "refused"
        self._figures.calls += 1
        if expected != 0.0:
            self._figures.wrong(f"let through what was to be refused for {expected}")
            self._running.pop(call).cancelled()
            return "let through"
        self._reference.begin(call, now)
        return "begin"

    def _end(self) -> str:
        call = self._rng.choice(sorted(self._running))
        permit = self._running.pop(call)
        how = self._rng.choices(["cancelled", "failure", "success"], [0.1, 0.9 * self._mood, 0.9 - 0.9 * self._mood])[0]
        now = self._clock.now()
        hung = now - self._reference.leases.get(call, now) >= COOLDOWN_S
        counted = self._reference.end(call, how, now, self._clock.wall_ms())
        permit.failure("x") if how == "failure" else getattr(permit, how)()
        permit.failure("reported twice")
        self._figures.cancelled += how == "cancelled"
        self._figures.late += not counted
        self._figures.hung_probes += counted and hung
        return how

    def _wait(self) -> str:
        seconds = self._rng.choice([1, 5, 20, 59, 60, 61, round(self._rng.expovariate(1 / 20), 3)])
        self._clock.advance(seconds)
        return f"wait {seconds} s"

    def _force(self) -> str:
        mode = self._rng.choice(MODES)
        self._breaker.force(mode)  # type: ignore[arg-type]
        self._reference.force(mode)
        self._figures.forced += 1
        return f"force {mode}"

    def _restart(self) -> str:
        """The process ends with all its calls; another one, with a clock of its own, takes over what was stored."""
        self._clock.advance(self._rng.choice([0, 1, 30, 90]))
        self._clock.seconds = self._rng.uniform(0, 1e5)
        old, self._running, self._said = self._running, {}, 0
        self._breaker = self._new()
        if self._stored is not None:
            self._breaker.restore(self._stored)
        self._reference.restart(self._clock.now(), self._clock.wall_ms())
        for permit in old.values():
            permit.failure("from an earlier life")
        self._said = 0
        self._figures.restarts += 1
        return "restart"

    def _new(self) -> CircuitBreaker:
        def emit(body: Body) -> None:
            if not alive():
                return  # an earlier process says nothing any more
            assert isinstance(body, BreakerChanged)
            self._stored, self._said = body.breaker, self._said + 1
            if body.previous != body.breaker.state:
                state = body.breaker.state
                self._figures.states[state] = self._figures.states.get(state, 0) + 1

        def alive() -> bool:
            return self._breaker is made

        made = CircuitBreaker(
            "k", "endpoint", BreakerConfig(), now=self._clock.now, wall_ms=self._clock.wall_ms, emit=emit
        )
        return made

    def _differences(self) -> list[str]:
        shot, reference = self._breaker.snapshot(), self._reference
        found = []
        expected = asdict(reference.shown)
        for name, value in expected.items():
            real = getattr(shot, name)
            if not (_near(real, value, 1) if name == "until_ms" else real == value):
                found.append(f"{name} is {real!r}, expected {value!r}")
        if self._said != reference.said:
            found.append(f"{self._said} events, expected {reference.said}")
        return found


def _near(found: float | None, expected: float | None, tolerance: float) -> bool:
    if found is None or expected is None:
        return found is expected
    return abs(found - expected) <= tolerance


def measure(steps: int = 20_000, crowds: int = 4, *, seed: int = 1) -> Figures:
    """Walk so many steps in several walks, and let so many crowds come before half-open breakers of both kinds."""
    figures, began = Figures(), time.monotonic()
    rng = random.Random(seed)
    for first in range(0, steps, 5000):
        Walk(random.Random(rng.random()), figures).walk(min(5000, steps - first))
    for _ in range(crowds):
        alone = asyncio.run(before_a_breaker(random.Random(rng.random())))
        pool = asyncio.run(before_the_pool(random.Random(rng.random())))
        figures.most_probes = max(figures.most_probes, alone.most_probes)
        figures.most_probes_of_the_pool = max(figures.most_probes_of_the_pool, pool.most_probes)
        for crowd in (alone, pool):
            _add(figures, crowd)
    figures.seconds = round(time.monotonic() - began, 1)
    return figures


def _add(figures: Figures, crowd: Crowd) -> None:
    figures.crowds += 1
    figures.crowd_calls += crowd.calls
    figures.crowd_refused += crowd.refused
    figures.half_open += crowd.half_open
    figures.too_many_probes += crowd.too_many
    figures.stuck += crowd.stuck
    if crowd.too_many or crowd.stuck:
        figures.problems.append(f"{crowd.most_probes} probes at once, {CALLERS} callers; stuck: {crowd.stuck}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(";")[0])
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--crowds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = measure(options.steps, options.crowds, seed=options.seed)
    print(figures)
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
