"""One-vs-rest logistic regression in its dual form: all that it needs of the examples are their products.

The direction is that of one Newton step of the logistic loss from zero, which is regularised least squares: one
Cholesky factor serves all labels, and what each example would have scored had it not been learnt from is exact and
free. Slope and offset of the logistic function are then fitted to these leave-one-out scores, so that probabilities
mean what they say for questions that were never seen.

Sources: exact leave-one-out values of least squares, Rasmussen and Williams, Gaussian Processes for Machine Learning,
section 5.4.2; calibration, Platt 1999 with the targets and the Newton iteration of Lin, Lin and Weng 2007.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

Matrix = Sequence[Sequence[float]]

PRIOR_SLOPE, PRIOR_OFFSET = 4.0, -1.0
"""What is believed of the logistic function before anything was learnt: a text that is like nothing has no label."""
PRIOR_WEIGHT = 0.3
"""Precision of that belief; some ten examples outweigh it."""
LEAST_SLOPE = 2.0
"""A higher score never makes a label less likely, however odd the examples are."""
MOST_OFFSET = -0.5
"""A text that is like no example has no label, however many examples have it."""
_TINY = 1e-6
"""Of the ridge; what rounding leaves at the least of a pivot."""
_STEPS = 50
_ENOUGH = 1e-6
_MAX_LOGIT = 40.0
"""Beyond it a probability is 0 or 1 in floating point."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The regression of one label: probability = sigmoid(slope * sum(duals * products) + offset)."""

    duals: tuple[float, ...]
    slope: float
    offset: float

    def probability(self, score: float) -> float:
        """The probability of the label for a score, the sum of duals times products."""
        return sigmoid(self.slope * score + self.offset)


def inverse_factor(gram: Matrix, ridge: float, known: Matrix = ()) -> list[Sequence[float]]:
    """L^-1, lower triangular, where L L' = gram + ridge I (Cholesky, by bordering); rows end at the diagonal.

    An example that is added at the end adds a row and changes no other: n^2 multiplications, not n^3.

    Args:
        gram: products of each example with all before it and itself, positive semi-definite; what stands right of the
            diagonal is not looked at. The rows of the known ones are left out.
        ridge: weight of the L2 penalty, over 0.
        known: the rows of the first examples.
    """
    rows = list(known)
    columns = _columns(rows)
    for at, products in enumerate(gram, len(rows)):
        solved = [sum(map(mul, row, products)) for row in rows]
        rest = products[at] + ridge - sum(map(mul, solved, solved))
        pivot = math.sqrt(max(rest, ridge * _TINY))
        row = [-sum(map(mul, column, solved[start:])) / pivot for start, column in enumerate(columns)]
        row.append(1 / pivot)
        columns.append([])
        for column, value in zip(columns, row, strict=True):
            column.append(value)
        rows.append(row)
    return rows


def fit_all(factor: Matrix, targets: Sequence[Sequence[bool]]) -> list[Fit]:
    """Fit one regression for each label.

    Args:
        factor: of n examples, as `inverse_factor` makes it.
        targets: for each label, whether each of the n examples has it.
    """
    columns = _columns(factor)
    diagonal = [sum(map(mul, column, column)) for column in columns]
    return [_fit(factor, columns, diagonal, each) for each in targets]


def _fit(factor: Matrix, columns: Matrix, diagonal: Sequence[float], targets: Sequence[bool]) -> Fit:
    """Args: diagonal: of (gram + ridge I)^-1."""
    mean = sum(targets) / len(targets)
    # of mean zero: without any likeness the score is 0 however many examples the label has
    values = [2.0 * (target - mean) for target in targets]
    half = [sum(map(mul, row, values)) for row in factor]
    duals = [sum(map(mul, column, half[at:])) for at, column in enumerate(columns)]
    held_out = [value - dual / own for value, dual, own in zip(values, duals, diagonal, strict=True)]
    return Fit(tuple(duals), *calibrate(held_out, targets))


def _columns(factor: Matrix) -> list[list[float]]:
    """The columns of a lower triangular matrix; each begins at the diagonal."""
    size = len(factor)
    padded = ([*row, *[0.0] * (size - len(row))] for row in factor)
    return [list(column[at:]) for at, column in enumerate(zip(*padded, strict=True))]


def calibrate(scores: Sequence[float], targets: Sequence[bool]) -> tuple[float, float]:
    """(slope, offset) of the logistic function that tells how likely a score means a label: maximum a posteriori.

    Newton's method with step halving on the cross-entropy with Platt's targets, which are never 0 or 1, and a Gaussian
    belief about slope and offset.
    """
    positives = sum(targets)
    high, low = (positives + 1) / (positives + 2), 1 / (len(targets) - positives + 2)
    wanted = [high if target else low for target in targets]
    slope, offset = PRIOR_SLOPE, PRIOR_OFFSET
    loss = _loss(scores, wanted, slope, offset)
    for _ in range(_STEPS):
        step = _newton_step(scores, wanted, slope, offset)
        size = 1.0
        while size > _ENOUGH:
            tried = slope + size * step[0], offset + size * step[1]
            better = _loss(scores, wanted, *tried)
            if better <= loss:
                break
            size /= 2
        else:
            break
        gained, loss = loss - better, better
        slope, offset = tried
        if gained < _ENOUGH:
            break
    return max(slope, LEAST_SLOPE), min(offset, MOST_OFFSET)


def _newton_step(scores: Sequence[float], wanted: Sequence[float], slope: float, offset: float) -> tuple[float, float]:
    by_slope = -PRIOR_WEIGHT * (slope - PRIOR_SLOPE)
    by_offset = -PRIOR_WEIGHT * (offset - PRIOR_OFFSET)
    both_slope, both, both_offset = PRIOR_WEIGHT, 0.0, PRIOR_WEIGHT
    for score, target in zip(scores, wanted, strict=True):
        probability = sigmoid(slope * score + offset)
        error, weight = target - probability, probability * (1 - probability)
        by_slope += error * score
        by_offset += error
        both_slope += weight * score * score
        both += weight * score
        both_offset += weight
    determinant = both_slope * both_offset - both * both
    return (
        (by_slope * both_offset - by_offset * both) / determinant,
        (by_offset * both_slope - by_slope * both) / determinant,
    )


def _loss(scores: Sequence[float], wanted: Sequence[float], slope: float, offset: float) -> float:
    believed = PRIOR_WEIGHT / 2 * ((slope - PRIOR_SLOPE) ** 2 + (offset - PRIOR_OFFSET) ** 2)
    return believed + sum(
        _softplus(slope * score + offset) - target * (slope * score + offset)
        for score, target in zip(scores, wanted, strict=True)
    )


def _softplus(value: float) -> float:
    """ln(1 + e^value) without overflow."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def sigmoid(value: float) -> float:
    """1 / (1 + e^-value) without overflow."""
    return 1 / (1 + math.exp(-max(-_MAX_LOGIT, min(_MAX_LOGIT, value))))
