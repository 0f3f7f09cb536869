"""Alerts: bounds on what the latest runs came to, looked at whenever a run ends; each crossing is told once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import EngineError
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import short_duration

if TYPE_CHECKING:
    from engine.store.figures import Figures, PartFigures
    from engine.store.samples import Samples
    from tinyllm_tui.engine_port import CockpitEngine
    from tinyllm_tui.face_config import AlertRule

Tell = Callable[[str, str], None]
"""(title, words)"""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule sees now."""

    rule: AlertRule
    value: float | None
    """None where too little is known."""
    runs: int
    """Runs that it is known of."""

    @property
    def crossed(self) -> bool:
        """Whether the bound is crossed; never where too little is known."""
        if self.value is None:
            return False
        if self.rule.above is not None:
            return self.value > self.rule.above
        return self.rule.below is not None and self.value < self.rule.below

    @property
    def words(self) -> str:
        """`commit rate 60 % of 20 runs, below 80 %`."""
        rule = self.rule
        name = rule.metric.removesuffix("_ms").removesuffix("_per_s").replace("_", " ")
        of = " ".join(filter(None, (rule.graph, rule.node, rule.model)))
        side, bound = ("above", rule.above) if rule.above is not None else ("below", rule.below)
        value = "not known yet" if self.value is None else amount(rule.metric, self.value)
        runs = f"{self.runs} {'run' if self.runs == 1 else 'runs'}"
        relation = side if self.crossed else f"alert {side}"
        return one_line(
            f"{of + ': ' if of else ''}{name} {value} of {runs}, {relation} {amount(rule.metric, bound or 0)}"
        )


def amount(metric: str, value: float) -> str:
    """A value of a metric with its unit."""
    if metric.endswith("_rate"):
        return f"{value * 100:.0f} %"
    return short_duration(value) if metric.endswith("_ms") else f"{value:.1f} tok/s"


def graph_id(name: str) -> str:
    """The id of a graph that is named with or without `graph.` in front."""
    return name if name.startswith("graph.") else f"graph.{name}"


def reading(rule: AlertRule, samples: Samples) -> Reading:
    """What a rule makes of samples that were read for its graph and number of runs."""
    from engine.store.figures import figures  # comes after the first paint

    found = figures(samples)
    if not rule.node and not rule.model:
        value, runs = _of_runs(rule.metric, found), found.runs
    else:
        parts = found.nodes if rule.node else found.models
        part = next((part for part in parts if part.name == (rule.node or rule.model)), None)
        value, runs = (None, 0) if part is None else (_of_part(rule.metric, part), part.runs)
    return Reading(rule, value if runs >= rule.min_runs else None, runs)


def _of_runs(metric: str, found: Figures) -> float | None:
    counts = {
        "success_rate": found.succeeded,
        "commit_rate": found.committed,
        "failure_rate": found.failed,
        "fallback_rate": found.fallbacks,
        "breaker_rate": found.tripped,
    }
    if metric in counts:
        return found.rate(counts[metric])
    if metric == "cache_rate":
        return found.cached / found.calls if found.calls else None
    if metric == "tokens_per_s":
        return found.speed.p50 if found.speed else None
    if metric == "first_token_p95_ms":
        known = [model.first_token.p95 for model in found.models if model.first_token]
        return max(known, default=None)
    return None if found.duration is None else getattr(found.duration, metric.removesuffix("_ms"))


def _of_part(metric: str, part: PartFigures) -> float | None:
    if metric == "failure_rate":
        return part.failed / part.count if part.count else None
    if metric == "cache_rate":
        return part.cached / part.count if part.count else None
    if metric == "tokens_per_s":
        return part.speed.p50 if part.speed else None
    if metric == "first_token_p95_ms":
        return part.first_token.p95 if part.first_token else None
    return None if part.duration is None else getattr(part.duration, metric.removesuffix("_ms"))


async def readings(engine: CockpitEngine, rules: Sequence[AlertRule]) -> list[Reading]:
    """What each rule sees now; rules that look at the same runs share one read.

    Raises:
        EngineError: the store cannot be read.
    """
    read: dict[tuple[int, str], Samples] = {}
    for rule in rules:
        key = (rule.last, rule.graph)
        if key not in read:
            read[key] = await engine.samples(rule.last, graph_id(rule.graph) if rule.graph else None)
    return [reading(rule, read[rule.last, rule.graph]) for rule in rules]


class Alerts:
    """The rules of a cockpit, and which of them are crossed.

    Args:
        rules: of the configuration.
        tell: says that a bound was crossed.
        withdraw: takes back what was said under a title.
        note: keeps what is told nobody: that a value is within its bound again, or was outside at the start.
    """

    def __init__(self, rules: Iterable[AlertRule], tell: Tell, withdraw: Callable[[str], None], note: Tell) -> None:
        self.rules = tuple(rules)
        self.readings: list[Reading] = []
        """The latest of each rule."""
        self._tell, self._withdraw, self._note = tell, withdraw, note
        self._raised: set[str] = set()

    @property
    def raised(self) -> int:
        """How many are crossed."""
        return len(self._raised)

    async def look(self, engine: CockpitEngine, *, silently: bool = False) -> None:
        """Look at the latest runs; what cannot be read changes nothing. `silently`: what is crossed is not told."""
        try:
            self.readings = await readings(engine, self.rules) if self.rules else []
        except EngineError:
            return
        for each in self.readings:
            name, title = each.rule.name, f"Alert: {one_line(each.rule.name, 60)}"
            if each.crossed and name not in self._raised:
                self._raised.add(name)
                (self._note if silently else self._tell)(title, each.words)
            elif not each.crossed and name in self._raised:
                self._raised.discard(name)
                self._withdraw(title)
                self._note(title, f"over: {each.words}")
