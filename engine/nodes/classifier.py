"""The routing classifier: learns labels from example questions, in milliseconds and without a model.

Features are words, pairs of words and character 4-grams within words (every number counts as the same one, so that word
problems look alike), weighted by TF-IDF and L2-normalised. One logistic regression per label (one-vs-rest), in its dual
form: with some hundred examples the Gram matrix is small, and a step of gradient descent is one product with it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import mul

from engine.graph.spec import RouterConfig

MAX_CHARACTERS = 550
"""Only so much of a question is looked at."""

NGRAM = 4
"""Characters; the blanks around a word count."""
STEPS = 20
"""Steps of gradient descent; more change no decision."""
RATE = 2.0
MAX_LOGIT = 40.0
"""Beyond it a probability is 0 or 1 in floating point."""
DECAY = 0.02
"""L2 regularisation: what a dual variable loses in a step."""

_WORD = re.compile(r"\w+|[^\w\s]+")
_DIGITS = re.compile(r"\d+")

Examples = tuple[tuple[str, tuple[str, ...]], ...]
"""(label, texts) in order: what a classifier is learnt from, hashable."""


def routing_examples(config: RouterConfig) -> dict[str, list[str]]:
    """Route -> its utterances, with those of the compound routes that it is part of; empty lists are left out.

    A text that stands under several routes is an example of a question with several labels.
    """
    examples = {route.name: list(route.utterances) for route in config.routes}
    for compound in config.compound_routes:
        for name in compound.domains:
            examples.get(name, []).extend(compound.utterances)
    return {name: texts for name, texts in examples.items() if texts}


@dataclass(frozen=True, slots=True)
class Classifier:
    """A trained classifier. Immutable; safe to use from several threads."""

    _idf: Mapping[str, float]
    _weights: Mapping[str, Mapping[str, float]]
    """Label -> feature -> weight."""
    _biases: Mapping[str, float]

    @staticmethod
    def train(examples: Mapping[str, Sequence[str]]) -> Classifier:
        """Learn from examples; the same examples give the same classifier, at once when they were learnt before.

        Args:
            examples: label -> texts; a text under several labels has all of them.
        """
        return _train(tuple((label, tuple(texts)) for label, texts in examples.items()))

    def scores(self, text: str) -> dict[str, float]:
        """Label -> probability (0 to 1) that the text has it; labels are independent of each other."""
        vector = _vector(_features(text), self._idf)
        return {
            label: _sigmoid(self._biases[label] + sum(weights.get(name, 0.0) * value for name, value in vector.items()))
            for label, weights in self._weights.items()
        }


@lru_cache(maxsize=32)
def _train(examples: Examples) -> Classifier:
    texts: dict[str, set[str]] = {}
    for label, each in examples:
        for text in each:
            texts.setdefault(text, set()).add(label)
    counted = [_features(text) for text in texts]
    idf = _inverse_document_frequency(counted)
    vectors = [_vector(features, idf) for features in counted]
    gram = _gram(vectors)
    weights: dict[str, dict[str, float]] = {}
    biases: dict[str, float] = {}
    for label, _ in examples:
        targets = [1.0 if label in labels else 0.0 for labels in texts.values()]
        duals, biases[label] = _fit(gram, targets)
        weights[label] = _combine(duals, vectors)
    return Classifier(idf, weights, biases)


def _features(text: str) -> Counter[str]:
    words = _WORD.findall(_DIGITS.sub("0", text[:MAX_CHARACTERS].lower()))
    found: Counter[str] = Counter()
    for word in words:
        found["w " + word] += 1
        padded = f" {word} "
        found.update(padded[start : start + NGRAM] for start in range(len(padded) - NGRAM + 1))
    for first, second in pairwise(words):
        found[f"p {first} {second}"] += 1
    return found


def _inverse_document_frequency(documents: Sequence[Iterable[str]]) -> dict[str, float]:
    """Smoothed: ln((1 + n) / (1 + df)) + 1."""
    seen = Counter(name for document in documents for name in document)
    total = 1 + len(documents)
    return {name: math.log(total / (1 + count)) + 1 for name, count in seen.items()}


def _vector(features: Mapping[str, int], idf: Mapping[str, float]) -> dict[str, float]:
    """TF-IDF with sublinear term frequency, of unit length; features that were never learnt are left out."""
    vector = {name: (1 + math.log(count)) * idf[name] for name, count in features.items() if name in idf}
    length = math.sqrt(sum(value * value for value in vector.values()))
    return {name: value / length for name, value in vector.items()} if length else {}


def _gram(vectors: Sequence[Mapping[str, float]]) -> list[list[float]]:
    """Products of all pairs, by an inverted index: only features that two texts share cost anything."""
    size = len(vectors)
    gram = [[0.0] * size for _ in range(size)]
    index: dict[str, list[tuple[int, float]]] = {}
    for row, vector in enumerate(vectors):
        products = gram[row]
        for name, value in vector.items():
            postings = index.setdefault(name, [])
            postings.append((row, value))
            for other, other_value in postings:
                products[other] += value * other_value
    for row in range(size):
        for other in range(row):
            gram[other][row] = gram[row][other]
    return gram


def _fit(gram: Sequence[Sequence[float]], targets: Sequence[float]) -> tuple[list[float], float]:
    """Logistic regression by gradient descent on the dual variables; rare labels weigh as much as frequent ones.

    Returns:
        (dual variable of each example, bias).
    """
    positives = sum(targets)
    size = len(targets)
    if not positives:
        return [0.0] * size, -MAX_LOGIT  # what was never shown is never found
    share = {1.0: size / (2 * positives), 0.0: size / (2 * max(size - positives, 1))}
    duals, bias = [0.0] * size, 0.0
    for _ in range(STEPS):
        errors = [
            share[target] * (target - _sigmoid(sum(map(mul, row, duals)) + bias))
            for row, target in zip(gram, targets, strict=True)
        ]
        duals = [dual * (1 - DECAY) + RATE * error for dual, error in zip(duals, errors, strict=True)]
        bias += RATE * sum(errors) / size
    return duals, bias


def _combine(duals: Sequence[float], vectors: Sequence[Mapping[str, float]]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for dual, vector in zip(duals, vectors, strict=True):
        for name, value in vector.items():
            weights[name] = weights.get(name, 0.0) + dual * value
    return weights


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-max(-MAX_LOGIT, min(MAX_LOGIT, value))))
