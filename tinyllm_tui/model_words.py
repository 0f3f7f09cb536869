"""How models are described, and the course of fetching one: the same on the command line, in the cockpit and in the
doctor."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import Glyphs, cut, duration

if TYPE_CHECKING:
    from engine.config import EmbeddedConfig
    from engine.models.protocol import ModelInfo, PullProgress

RECENT_S = 5.0
"""Seconds of which the rate is told."""
_BAR = 24
"""Columns of a bar at most."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A model that is worth fetching where there is only a toy."""

    source: str
    """As `models pull` takes it."""
    title: str
    size_bytes: int
    """Of the file on the hub."""


SUGGESTED = (
    Suggestion("hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF/qwen2.5-1.5b-instruct-q4_k_m.gguf", "Qwen2.5 1.5B", 1_117_320_736),
    Suggestion(
        "hf:bartowski/Llama-3.2-3B-Instruct-GGUF/Llama-3.2-3B-Instruct-Q4_K_M.gguf", "Llama 3.2 3B", 2_019_377_600
    ),
)
TOY = "SmolLM2 135M is a toy: it shows how things work, and answers simply."


def is_toy(installed: list[ModelInfo]) -> bool:
    """Whether no model is installed that is better than the bundled one."""
    sizes = [model.parameters_b for model in installed]
    return bool(sizes) and all(size is not None and size < 0.2 for size in sizes)


def file_size(bytes_: float | None) -> str:
    """`145 MB`, `1.9 GB`, as model files are told: 1 GB is 10^9 bytes; `-` where it is not known."""
    if bytes_ is None:
        return "-"
    if bytes_ < 1e6:
        return f"{bytes_ / 1e3:.0f} KB"
    return f"{bytes_ / 1e6:.0f} MB" if bytes_ < 999.5e6 else f"{bytes_ / 1e9:.1f} GB"


def memory_when_loaded(info: ModelInfo, config: EmbeddedConfig) -> int | None:
    """Bytes that an embedded model is estimated to take to answer; None for those that a server loads. Blocking."""
    if info.path is None:
        return None
    from engine.models.embedded_memory import estimated_bytes
    from engine.models.gguf import read_header

    answers = "chat" in info.capabilities
    slots = config.slots if answers else 1
    return estimated_bytes(read_header(info.path), info.window or config.window, slots, prompt_cache=answers)


class PullMeter:
    """How far fetching a model is, and how fast it goes.

    Args:
        now: a monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._samples: deque[tuple[float, int]] = deque()
        self.status = "connecting"
        """What the backend says; harmless, one line."""
        self.completed = 0
        self.total = 0
        """Bytes of what is being fetched now; 0 where it is not known."""

    def take(self, step: PullProgress) -> None:
        """Note a step; another file, or another thing that is done with it, begins afresh."""
        status = one_line(step.status, 200)
        if step.total != self.total or step.completed < self.completed or status != self.status:
            self._samples.clear()
        self.status, self.completed, self.total = status, max(step.completed, 0), max(step.total, 0)
        now = self._now()
        self._samples.append((now, self.completed))
        while now - self._samples[0][0] > RECENT_S:
            self._samples.popleft()

    @property
    def share(self) -> float | None:
        """0 to 1; None where the whole is not known."""
        return min(self.completed / self.total, 1.0) if self.total else None

    @property
    def rate(self) -> float:
        """Bytes per second of the latest seconds; 0 where nothing can be said yet."""
        if len(self._samples) < 2:
            return 0.0
        (begun, before), (ended, after) = self._samples[0], self._samples[-1]
        return (after - before) / (ended - begun) if ended - begun >= 0.2 else 0.0

    @property
    def amount(self) -> str:
        """`624 MB of 1.4 GB`; empty where nothing is counted."""
        if not self.total:
            return file_size(self.completed) if self.completed else ""
        return f"{file_size(self.completed)} of {file_size(self.total)}"

    @property
    def pace(self) -> str:
        """`12 MB/s, 1m05s left`; empty where nothing can be said yet."""
        rate = self.rate
        if rate <= 0:
            return ""
        left = f", {duration(1000 * (self.total - self.completed) / rate)} left" if self.total > self.completed else ""
        return f"{file_size(rate)}/s{left}"


def pull_line(meter: PullMeter, width: int, signs: Glyphs) -> str:
    """A bar, and what can be said beside it, in at most `width` columns; where it is narrow, the pace goes first."""
    share = meter.share
    head = ""
    if share is not None:
        length = max(min(_BAR, width // 4), 4)
        full = int(share * length)
        head = f"{signs.full * full}{signs.empty * (length - full)} {int(share * 100):3d} %"
    facts = [part for part in (head, meter.amount, meter.pace) if part]
    while len(facts) > 1 and len("  ".join(facts)) + 12 > width:
        facts.pop()
    room = width - len("  ".join(facts)) - 2
    status = cut(meter.status, max(room, 8), signs.ellipsis)
    return cut("  ".join([*facts, status]), width, signs.ellipsis)
