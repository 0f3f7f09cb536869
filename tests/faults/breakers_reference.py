"""A second circuit breaker, as plain as possible: what the one of the engine must show after each step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

THRESHOLD, COOLDOWN_S, SUCCESSES, PROBES, RECENT = 3, 60.0, 2, 2, 20


@dataclass
class Shown:
    """What a breaker shows of itself."""

    state: str = "closed"
    failures: int = 0
    successes: int = 0
    until_ms: int | None = None
    recent: str = ""


@dataclass
class Reference:
    """Calls are known by numbers; times are given with each step."""

    shown: Shown = field(default_factory=Shown)
    stored: Shown | None = None
    """As it was when it last had something to say: what a restart finds."""
    said: int = 0
    epoch: int = 0
    open_until: float = 0.0
    epoch_of: dict[int, int] = field(default_factory=dict)
    """Call under way -> the epoch in which it began."""
    leases: dict[int, float] = field(default_factory=dict)
    """Probe of this epoch -> when it began."""

    def live(self, now: float) -> list[float]:
        """When the probes began that hold a place."""
        return [began for began in self.leases.values() if now - began < COOLDOWN_S]

    def refusal(self, now: float) -> float | None:
        """Seconds for which a call would be refused; 0: it would not; None: nothing but a person ends it."""
        if self.shown.state == "forced_open":
            return None
        if self.shown.state == "open":
            return max(self.open_until - now, 0.0)
        if self.shown.state == "half_open" and len(self.live(now)) >= PROBES:
            return min(self.live(now)) + COOLDOWN_S - now
        return 0.0

    def begin(self, call: int, now: float) -> None:
        """A call begins that is not refused."""
        if self.shown.state == "open":
            self._change("half_open")
        if self.shown.state == "half_open":
            self.leases[call] = now
        self.epoch_of[call] = self.epoch

    def end(self, call: int, how: str, now: float, wall_ms: int) -> bool:
        """A call ends; whether that says anything."""
        if self.epoch_of.pop(call) != self.epoch:
            return False
        if how == "cancelled":
            self.leases.pop(call, None)
        else:
            self._counts(call, how, now, wall_ms)
        return True

    def force(self, mode: str) -> None:
        """A person sets it."""
        if mode == "auto" and self.shown.state not in ("forced_open", "disabled"):
            return
        self.shown.failures = 0
        self._change({"open": "forced_open", "disabled": "disabled"}.get(mode, "closed"))

    def restart(self, now: float, wall_ms: int) -> None:
        """Another process takes over what is stored; calls of this one are gone."""
        self.shown = replace(self.stored) if self.stored is not None else Shown()
        self.epoch_of, self.leases, self.said = {}, {}, 0
        self.epoch += 1
        if self.shown.state == "open":
            left_ms = min(max((self.shown.until_ms or 0) - wall_ms, 0), int(COOLDOWN_S * 1000))
            self.open_until, self.shown.until_ms = now + left_ms / 1000, wall_ms + left_ms

    def _counts(self, call: int, how: str, now: float, wall_ms: int) -> None:
        shown = self.shown
        news = how == "failure" or "x" in shown.recent or shown.state == "half_open"
        shown.recent = (shown.recent + ("x" if how == "failure" else "."))[-RECENT:]
        match shown.state, how:
            case "closed", "failure":
                shown.failures += 1
                if shown.failures == THRESHOLD:
                    return self._open(now, wall_ms)
            case "closed", "success":
                shown.failures = 0
            case "half_open", "failure":
                return self._open(now, wall_ms)
            case "half_open", "success":
                self.leases.pop(call, None)
                shown.successes += 1
                if shown.successes == SUCCESSES:
                    shown.failures = 0
                    return self._change("closed")
        if news and shown.state != "disabled":
            self._say()
        return None

    def _open(self, now: float, wall_ms: int) -> None:
        self.open_until = now + COOLDOWN_S
        self._change("open", wall_ms + int(COOLDOWN_S * 1000))

    def _change(self, state: str, until_ms: int | None = None) -> None:
        self.epoch += 1
        self.leases = {}
        self.shown.state, self.shown.successes, self.shown.until_ms = state, 0, until_ms
        self._say()

    def _say(self) -> None:
        self.said += 1
        self.stored = replace(self.shown)
