"""Every benchmark still runs, in its short form, and comes to figures. How large they are is not tested here."""

from __future__ import annotations

import math

import pytest

from tests.benchmarks import report
from tests.benchmarks.measure import Figure, alternate, spread
from tests.benchmarks.suite import BENCHMARKS, load


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark_comes_to_figures(name: str) -> None:
    figures = load(name)(True)
    assert any(figure.budget is not None for figure in figures)
    for figure in figures:
        assert figure.measured.count >= 1
        assert math.isfinite(figure.value)
        assert figure.how
        assert figure.baseline is None or (figure.baseline.median > 0 and figure.against)


def test_samples_are_taken_in_turns_after_a_warm_up() -> None:
    taken: list[str] = []

    def take(name: str, value: float) -> float:
        taken.append(name)
        return value

    first, second = alternate(2, lambda: take("a", 1.0), lambda: take("b", 2.0))
    assert (first, second) == ([1.0, 1.0], [2.0, 2.0])
    assert taken == ["b", "a", "a", "b", "b", "a"]  # the first two are the warm-up


def test_report_names_budget_figure_spread_baseline_and_ratio() -> None:
    samples = [3e-6 + n * 1e-7 for n in range(100)]
    figure = Figure("a thing", "us", spread(samples), "so and so", 5e-6, spread([2e-6]), "nothing", "p95")
    page = report.markdown([figure])
    assert "| a thing | <= 5.00 us | p95 12.5 us (median 7.95 us) |" in page
    assert "| 5.48 us to 10.4 us, n=100 |" in page
    assert "(median 2.00 us): nothing | 4.0 | **no** | so and so |" in page
