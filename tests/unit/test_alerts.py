"""Alerts: what a rule reads, when a crossing is told, and rules that make no sense."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from engine.errors import EngineError, ErrorClass
from engine.store.samples import CallSample, RunSample, Samples, VisitSample
from tinyllm_tui.alerts import Alerts, reading
from tinyllm_tui.face_config import AlertRule


def runs(ends: str, took: int = 100) -> Samples:
    """Runs that ended well (`.`), with a fallback (`f`), or badly (`x`), each with one visit and one call."""
    found, visits, calls = [], [], []
    for number, end in enumerate(ends, 1):
        status, exit_ = ("rolled_back", None) if end == "x" else ("committed", "fallback" if end == "f" else "success")
        reason = "failed" if end == "x" else ""
        found.append(RunSample(number, f"tx-{number}", "graph.a", status, exit_, reason, "?", 0, took, int(end == "x")))
        visits.append(VisitSample(number, "graph.a", "work", "failed" if end == "x" else "ok", took))
        calls.append(CallSample(number, "graph.a", "work", "m", end == "x", False, False, 2000, 1000, 20))
    return Samples(tuple(found), tuple(visits), tuple(calls))


def rule(**fields: Any) -> AlertRule:
    return AlertRule.model_validate({"name": "r", "min_runs": 1, **fields})


@pytest.mark.parametrize(
    ("fields", "value", "crossed"),
    [
        ({"metric": "commit_rate", "below": 0.8}, 0.75, True),
        ({"metric": "success_rate", "below": 0.5}, 0.5, False),
        ({"metric": "failure_rate", "above": 0.2}, 0.25, True),
        ({"metric": "fallback_rate", "above": 0.25}, 0.25, False),
        ({"metric": "breaker_rate", "above": 0.1}, 0.25, True),
        ({"metric": "cache_rate", "below": 0.1}, 0.0, True),
        ({"metric": "p95_ms", "above": 50}, 100, True),
        ({"metric": "failure_rate", "above": 0.2, "node": "work"}, 0.25, True),
        ({"metric": "p50_ms", "above": 1000, "model": "m"}, 2000, True),
        ({"metric": "first_token_p95_ms", "above": 1500, "model": "m"}, 1000, False),
        ({"metric": "tokens_per_s", "below": 30, "model": "m"}, 20, True),
        ({"metric": "tokens_per_s", "below": 30}, 20, True),
        ({"metric": "p50_ms", "above": 1, "node": "other"}, None, False),
        ({"metric": "p50_ms", "above": 1, "min_runs": 5}, None, False),
    ],
)
def test_a_rule_reads_its_metric_of_runs_of_a_node_or_of_a_model(
    fields: dict[str, Any], value: float | None, crossed: bool
) -> None:
    found = reading(rule(**fields), runs("..fx"))
    assert found.value == value
    assert found.crossed is crossed
    assert found.words


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"metric": "commit_rate"}, "one of `above` and `below`"),
        ({"metric": "commit_rate", "above": 1, "below": 0}, "one of `above` and `below`"),
        ({"metric": "commit_rate", "below": 80}, "a share from 0 to 1"),
        ({"metric": "p95_ms", "above": 5, "node": "a", "model": "b"}, "not of both"),
        ({"metric": "breaker_rate", "above": 0.5, "model": "b"}, "is of whole runs"),
        ({"metric": "p95_ms", "above": 5, "last": 3, "min_runs": 4}, "never counts"),
        ({"metric": "p96_ms", "above": 5}, "p95_ms"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_the_reason(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        rule(**fields)


class Told:
    """An engine with samples, and everything that the alerts do."""

    def __init__(self) -> None:
        self.samples_now: Samples | None = runs("....")
        self.asked: list[tuple[int, str | None]] = []
        self.log: list[str] = []

    async def samples(self, last: int, graph: str | None = None) -> Samples:
        self.asked.append((last, graph))
        if self.samples_now is None:
            raise EngineError(ErrorClass.RESOURCE, "store", "The disk is gone.")
        return self.samples_now

    def alerts(self, *rules: AlertRule) -> Alerts:
        return Alerts(
            rules,
            lambda title, words: self.log.append(f"tell {title}: {words}"),
            lambda title: self.log.append(f"withdraw {title}"),
            lambda title, words: self.log.append(f"note {title}: {words}"),
        )


async def test_a_crossing_is_told_once_and_withdrawn_when_it_is_over() -> None:
    told = Told()
    alerts = told.alerts(rule(metric="failure_rate", above=0.3, graph="a"))
    for ends in ("....", "..xx", ".xxx", "...x", "xxxx"):
        told.samples_now = runs(ends)
        await alerts.look(told)  # type: ignore[arg-type]
    assert [line.partition(":")[0] for line in told.log] == [
        "tell Alert", "withdraw Alert", "note Alert", "tell Alert",
    ]  # fmt: skip
    assert "a: failure rate 50 % of 4 runs, above 30 %" in told.log[0]
    assert alerts.raised == 1
    assert set(told.asked) == {(20, "graph.a")}


async def test_at_the_start_nothing_is_told_and_a_store_that_cannot_be_read_changes_nothing() -> None:
    told = Told()
    told.samples_now = runs("xxxx")
    alerts = told.alerts(rule(metric="failure_rate", above=0.3), rule(name="s", metric="p50_ms", above=1e6))
    await alerts.look(told, silently=True)  # type: ignore[arg-type]
    assert [line.split()[0] for line in told.log] == ["note"]
    assert len(told.asked) == 1, "two rules about the same runs read them once"
    told.samples_now = None
    await alerts.look(told)  # type: ignore[arg-type]
    assert alerts.raised == 1
