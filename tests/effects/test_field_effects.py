"""Every field does something: two values of it give two different runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.effects.case import Case
from tests.effects.fields import all_fields
from tests.effects.registry import CASES
from tests.effects.stage import Stage


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_a_field_does_what_it_says(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stage = Stage(monkeypatch, tmp_path)
    for value, expected in case.outcomes:
        assert case.see(await stage.play(case, value)) == expected, f"{case.id} = {value!r}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_compares_values_that_come_to_something_else(case: Case) -> None:
    values = [value for value, _ in case.outcomes]
    seen = [outcome for _, outcome in case.outcomes]
    assert len(values) >= 2
    for each in (values, seen):
        assert all(each[i] != each[j] for i in range(len(each)) for j in range(i)), f"{case.id}: {each}"


def without_case(cases: Iterable[Case]) -> list[str]:
    """The fields of graph files for which there is no case."""
    return sorted(".".join(each) for each in all_fields() - {(case.owner, case.field) for case in cases})


def test_every_field_has_a_case() -> None:
    missing = without_case(CASES)
    assert not missing, f"no two values give different runs for: {', '.join(missing)}"


@pytest.mark.parametrize("name", ["model.temperature", "join.retry", "RetrySpec.attempts", "GraphSpec.protected"])
def test_a_field_without_a_case_is_named(name: str) -> None:
    assert without_case(case for case in CASES if f"{case.owner}.{case.field}" != name) == [name]


def test_no_case_is_of_a_field_that_is_not_there() -> None:
    assert not {(case.owner, case.field) for case in CASES} - all_fields()


def test_ids_of_cases_are_unique() -> None:
    assert [name for name, count in Counter(case.id for case in CASES).items() if count > 1] == []
