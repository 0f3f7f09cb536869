"""The regression: its leave-one-out scores, and that its probabilities mean what they say."""

from __future__ import annotations

import math
import random

import pytest

from engine.routing.regression import LEAST_SLOPE, Fit, calibrate, fit_all, inverse_factor, sigmoid


def gram_of(points: list[list[float]]) -> list[list[float]]:
    return [[sum(a * b for a, b in zip(x, y, strict=True)) for y in points] for x in points]


def fitted(gram: list[list[float]], targets: list[bool], ridge: float) -> Fit:
    (fit,) = fit_all(inverse_factor(gram, ridge), [targets])
    return fit


def solved(matrix: list[list[float]], values: list[float]) -> list[float]:
    """matrix^-1 values, by Gauss-Jordan elimination."""
    rows = [[*row, value] for row, value in zip(matrix, values, strict=True)]
    for at in range(len(rows)):
        pivot = max(range(at, len(rows)), key=lambda row: abs(rows[row][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        rows[at] = [value / rows[at][at] for value in rows[at]]
        for other in range(len(rows)):
            if other != at:
                rows[other] = [a - rows[other][at] * b for a, b in zip(rows[other], rows[at], strict=True)]
    return [row[-1] for row in rows]


@pytest.fixture
def points() -> list[list[float]]:
    rng = random.Random(7)
    return [[rng.gauss(0, 1) for _ in range(5)] for _ in range(12)]


def test_duals_solve_the_regularised_least_squares(points: list[list[float]]) -> None:
    gram, targets = gram_of(points), [at % 3 == 0 for at in range(12)]
    fit = fitted(gram, targets, 0.5)
    ridged = [[value + (0.5 if i == j else 0.0) for j, value in enumerate(row)] for i, row in enumerate(gram)]
    mean = sum(targets) / 12
    assert fit.duals == pytest.approx(solved(ridged, [2 * (target - mean) for target in targets]), rel=1e-9)


def test_what_stands_right_of_the_diagonal_is_not_looked_at(points: list[list[float]]) -> None:
    gram, targets = gram_of(points), [at < 5 for at in range(12)]
    lower = [row[: at + 1] for at, row in enumerate(gram)]
    assert fitted(lower, targets, 0.5) == fitted(gram, targets, 0.5)


def test_examples_that_are_added_change_no_row_that_was_there(points: list[list[float]]) -> None:
    gram = gram_of(points)
    whole = inverse_factor(gram, 0.5)
    for known in (0, 1, 7, 12):
        assert inverse_factor(gram[known:], 0.5, whole[:known]) == whole


def test_slope_and_offset_are_fitted_to_scores_that_were_held_out(points: list[list[float]]) -> None:
    gram, targets = gram_of(points), [at % 2 == 0 for at in range(12)]
    fit = fitted(gram, targets, 0.5)
    values = [2 * (target - 0.5) for target in targets]
    held_out = []
    for left in range(12):
        rest = [at for at in range(12) if at != left]
        small = [[gram[i][j] + (0.5 if i == j else 0.0) for j in rest] for i in rest]
        duals = solved(small, [values[at] for at in rest])
        held_out.append(sum(dual * gram[left][at] for dual, at in zip(duals, rest, strict=True)))
    assert (fit.slope, fit.offset) == pytest.approx(calibrate(held_out, targets), rel=1e-6)


def test_calibration_finds_the_logistic_function_that_made_the_targets() -> None:
    rng = random.Random(3)
    scores = [rng.uniform(-2, 2) for _ in range(4000)]
    targets = [rng.random() < sigmoid(3 * score - 0.5) for score in scores]
    assert calibrate(scores, targets) == pytest.approx((3, -0.5), abs=0.3)


def test_a_higher_score_never_makes_a_label_less_likely() -> None:
    slope, _ = calibrate([1.0] * 20 + [-1.0] * 20, [False] * 20 + [True] * 20)
    assert slope == LEAST_SLOPE


@pytest.mark.parametrize("targets", [[True] * 4, [False] * 4, [True, False, False, False]])
def test_calibration_stays_finite_however_odd_the_examples_are(targets: list[bool]) -> None:
    for scores in ([0.0] * 4, [1e6, -1e6, 1e6, -1e6], [1e-300] * 4):
        assert all(math.isfinite(value) for value in calibrate(scores, targets))


def test_equal_examples_are_no_failure() -> None:
    fit = fitted([[1.0] * 6] * 6, [True] * 3 + [False] * 3, 1e-12)
    assert all(map(math.isfinite, fit.duals))
