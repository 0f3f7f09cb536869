"""How well a router finds the labels of questions whose labels are known: its cascade without the model stage."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.graph.spec import RouterConfig
from engine.nodes.route_rules import match_rule
from engine.routing.embedder import Embedder
from engine.routing.examples import LEARNING, Example, Examples, examples_of
from engine.routing.judging import judge, labels_of

BINS = 10
"""Of the calibration error: equally wide bins of the best score."""
CONFIDENT_SHARE = 0.8
"""Of the questions: how many of them count as the most confident."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What the cascade said of one question."""

    true: frozenset[str]
    found: tuple[str, ...]
    """Best first; the default route's label where nothing was found."""
    best: str
    """The label with the best score; empty where there is none."""
    confidence: float
    """Score of the best label, 0 to 1."""
    stage: str
    ms: float


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """Of one label, over all questions."""

    precision: float
    recall: float
    f1: float
    questions: int
    """That have the label."""


@dataclass(frozen=True, slots=True)
class RoutingFigures:
    """Shares are 0 to 1; a share of nothing is 0."""

    questions: int
    accuracy: float
    """Of questions with one label: those for which it is the best."""
    extra: float
    """Of questions with one label: those that got a wrong one beside or instead of it."""
    all_found: float
    """Of questions with several labels: those for which all were found."""
    exact: float
    """Of all questions: those that got exactly their labels."""
    micro_f1: float
    macro_f1: float
    labels: dict[str, LabelFigures]
    confusion: dict[tuple[str, str], int]
    """(true labels joined with `+`, found ones) -> questions."""
    calibration_error: float
    """Expected calibration error of the best score (Naeini, Cooper and Hauskrecht 2015)."""
    confident_right: float
    """Of the 80 % with the highest scores: those whose best label is right."""
    median_ms: float
    p95_ms: float
    stages: dict[str, float]
    """Stage -> share of the questions that it decided."""


async def evaluate(
    config: RouterConfig,
    questions: Sequence[Example],
    embedder: Embedder | None,
    *,
    corrections: Sequence[Example] = (),
    now_ns: Callable[[], int] = time.perf_counter_ns,
) -> RoutingFigures:
    """Measure a router: rules and classifier, as its `method` says; no model is asked.

    Args:
        config: the router's.
        questions: at least one; with the labels that they should get.
        embedder: what makes embeddings; None for words alone.
        corrections: what people said; learnt with the utterances.
        now_ns: a clock in nanoseconds.
    """
    examples = examples_of(config, corrections)
    decided = []
    for question in questions:
        started = now_ns()
        found, scores, stage = await _decide(config, examples, question.text, embedder)
        best = max(scores, key=lambda label: scores[label], default="")
        ms = (now_ns() - started) / 1e6
        decided.append(Decided(question.labels, found, best, scores.get(best, 0.0), stage, ms))
    return figures_of(decided)


async def _decide(
    config: RouterConfig, examples: Examples, question: str, embedder: Embedder | None
) -> tuple[tuple[str, ...], dict[str, float], str]:
    """(labels, scores, stage)."""
    match = match_rule(config.routes, question) if config.method != "model" else None
    if match is not None:
        return (match.route,), {match.route: 1.0}, "rule"
    scores: dict[str, float] = {}
    if config.method in LEARNING:
        judged = await judge(examples, question, embedder)
        scores = judged.scores
        found = labels_of(judged, config.confidence_threshold, config.max_labels if config.multi_label else 1)
        if found:
            return tuple(found), scores, judged.stage
    default = tuple(route.name for route in config.routes if route.name == config.default_route)
    return default, scores, "default"


def figures_of(decided: Sequence[Decided]) -> RoutingFigures:
    """The figures of decisions, at least one."""
    single = [each for each in decided if len(each.true) == 1]
    several = [each for each in decided if len(each.true) > 1]
    names = dict.fromkeys(label for each in decided for label in (*sorted(each.true), *each.found))
    labels = {name: _of_label(name, decided) for name in names}
    common = sum(len(each.true.intersection(each.found)) for each in decided)
    told = sum(len(each.true) + len(each.found) for each in decided)
    confident = sorted(decided, key=lambda each: -each.confidence)[: int(len(decided) * CONFIDENT_SHARE)]
    times = sorted(each.ms for each in decided)
    return RoutingFigures(
        questions=len(decided),
        accuracy=_share([(each.best or "".join(each.found[:1])) in each.true for each in single]),
        extra=_share([not each.true.issuperset(each.found) for each in single]),
        all_found=_share([each.true.issubset(each.found) for each in several]),
        exact=_share([each.true == set(each.found) for each in decided]),
        micro_f1=2 * common / told if told else 0.0,
        macro_f1=statistics.fmean(each.f1 for each in labels.values()) if labels else 0.0,
        labels=labels,
        confusion=dict(Counter(("+".join(sorted(each.true)), "+".join(sorted(each.found))) for each in decided)),
        calibration_error=_calibration_error(decided),
        confident_right=_share([each.best in each.true for each in confident]),
        median_ms=statistics.median(times),
        p95_ms=times[min(len(times) - 1, int(len(times) * 0.95))],
        stages={stage: count / len(decided) for stage, count in Counter(each.stage for each in decided).items()},
    )


def _of_label(name: str, decided: Sequence[Decided]) -> LabelFigures:
    true = sum(name in each.true for each in decided)
    found = sum(name in each.found for each in decided)
    right = sum(name in each.true and name in each.found for each in decided)
    return LabelFigures(
        precision=right / found if found else 0.0,
        recall=right / true if true else 0.0,
        f1=2 * right / (true + found) if true + found else 0.0,
        questions=true,
    )


def _calibration_error(decided: Sequence[Decided]) -> float:
    bins: dict[int, list[Decided]] = {}
    for each in decided:
        if each.best:
            bins.setdefault(min(int(each.confidence * BINS), BINS - 1), []).append(each)
    # of each bin: |share that is right - mean confidence|, weighed by its questions
    gaps = (abs(sum((each.best in each.true) - each.confidence for each in inside)) for inside in bins.values())
    return sum(gaps) / max(sum(map(len, bins.values())), 1)


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else 0.0
