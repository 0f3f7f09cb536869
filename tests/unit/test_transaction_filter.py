"""The filter of past transactions: what it takes, what it suggests, and what it says of what means nothing."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from engine.events import Usage
from engine.store.rows import ParentRow, TransactionRow
from tinyllm_tui.transaction_filter import completions, moment_of, read_filter

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def row(**changes: object) -> TransactionRow:
    whole = TransactionRow(
        7, "tx-7", "committed", "s-1", "graph.multi_domain", "What is the capital of France?", "Paris", "success", "",
        "", "ollama", round((NOW - timedelta(hours=5)).timestamp() * 1000), 900, 20, Usage(),
    )  # fmt: skip
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("", True),
        ("paris capital", True),
        ("paris london", False),
        ('"capital of france"', True),
        ('"france capital"', False),
        ("status:committed", True),
        ("status:rolled_back,committed", True),
        ("STATUS:rolled-back", False),
        ("status:roll", False),
        ("status:fallback", False),
        ("graph:multi", True),
        ("graph:quick", False),
        ("since:1d before:1h", True),
        ("since:4h", False),
        ("since:today", True),
        ("before:yesterday", False),
        ("since:2026-11-30T06:59", True),
        ("is:fork", False),
        ("is:here", True),
        ("session:s-1", True),
        ("status: since: paris", True),
        ("#7", True),
    ],
)
def test_every_part_of_a_filter_has_to_hold(text: str, taken: bool) -> None:
    found = read_filter(text, NOW)
    assert not found.problems
    assert found.takes(row()) is taken


def test_marks_and_the_way_it_ended_are_found() -> None:
    fork = row(parent=ParentRow("p", 3, 9, kept=True), origin="imported", exit="fallback")
    assert all(read_filter(each, NOW).takes(fork) for each in ("is:fork", "is:imported", "status:fallback", "imported"))
    assert not read_filter("is:here", NOW).takes(fork)
    assert read_filter("status:interrupted", NOW).takes(row(status="interrupted"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stauts:committed", "did you mean status:?"),
        ("colour:red", "There is no colour:. There are status:, graph:"),
        ("status:lost", "status:lost is none of committed, rolled_back"),
        ("since:soon", "since:soon is no time: write 2d"),
        ("since:0.5d", "is no time"),
        ("is:blue", "is:blue is none of fork"),
    ],
)
def test_a_part_that_means_nothing_is_told_and_does_not_count(text: str, said: str) -> None:
    found = read_filter(text, NOW)
    assert said in found.problems[0]
    assert found.takes(row())


@pytest.mark.parametrize(
    ("text", "hours"), [("2d", 48), ("30m", 0.5), ("1 w", 168), ("today", 12), ("yesterday", 36), ("2026-11-29", 36)]
)
def test_times_count_from_now_or_from_midnight(text: str, hours: float) -> None:
    assert moment_of(text, NOW) == NOW - timedelta(hours=hours)


def test_the_last_part_is_completed_by_names_values_and_graphs() -> None:
    assert completions("paris st", []) == ["paris status:"]
    assert completions("status:ro", []) == ["status:rolled_back"]
    assert completions("status:committed,f", []) == ["status:committed,fallback"]
    assert completions("graph:q", ["quick", "multi_domain"]) == ["graph:quick"]
    assert completions("xyz", []) == []
    assert completions("", []) == []
