"""Classifiers: learn labels from examples, by embeddings or, without any model, by words and character n-grams."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul
from types import MappingProxyType

from engine.routing.examples import Example, Examples, beginning, content_hash, labels_in
from engine.routing.regression import Fit, fit_all
from engine.routing.text_features import (
    Vector,
    inverse_document_frequency,
    sparse_gram,
    text_features,
    weighted,
)

EMBEDDING_RIDGE = 0.2
WORD_RIDGE = 0.3
"""Weights of the L2 penalties: words are sparser, and say less each."""
NEAREST = 3
"""Examples that are told with a decision."""
_KEPT = 16
"""Classifiers of embeddings that are kept."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An example that is like a question."""

    text: str
    labels: tuple[str, ...]
    similarity: float
    """Cosine, -1 to 1."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a classifier says of a question."""

    scores: dict[str, float]
    """Label -> probability (0 to 1); labels are independent of each other."""
    nearest: tuple[Neighbour, ...]
    """The most alike first."""


class EmbeddingClassifier:
    """Learnt from the embeddings of examples. Immutable; safe to use from several threads.

    Vectors are centred by the mean of the examples and brought to unit length: what all questions have in common, most
    of an embedding, says nothing.

    Args:
        examples: at least one.
        vectors: the embedding of each example, all of one width.
        fits: label -> its regression, where that was learnt from the same before.
    """

    def __init__(
        self, examples: Examples, vectors: Sequence[Sequence[float]], fits: Mapping[str, Fit] | None = None
    ) -> None:
        self._examples = examples
        self._mean = [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]
        self._units = [self._unit(vector) for vector in vectors]
        self.fits = fits or _fits(examples, _lower_gram(self._units), EMBEDDING_RIDGE)
        self._weights = {label: self._combined(fit) for label, fit in self.fits.items()}

    def judge(self, vector: Sequence[float]) -> Judgement:
        """What a question with this embedding is about.

        Raises:
            ValueError: the embedding has another width than those of the examples.
        """
        if len(vector) != len(self._mean):
            raise ValueError(f"An embedding of width {len(self._mean)} is needed, not of {len(vector)}.")
        unit = self._unit(vector)
        scores = {label: fit.probability(sum(map(mul, unit, self._weights[label]))) for label, fit in self.fits.items()}
        likeness = (sum(map(mul, unit, other)) for other in self._units)
        return Judgement(scores, _nearest(self._examples, likeness))

    def _unit(self, vector: Sequence[float]) -> list[float]:
        centred = [value - mean for value, mean in zip(vector, self._mean, strict=True)]
        length = math.sqrt(sum(map(mul, centred, centred)))
        return [value / length for value in centred] if length else centred

    def _combined(self, fit: Fit) -> list[float]:
        weights = [0.0] * len(self._mean)
        for dual, unit in zip(fit.duals, self._units, strict=True):
            weights = [weight + dual * value for weight, value in zip(weights, unit, strict=True)]
        return weights


class WordClassifier:
    """Learnt from words and character n-grams. Immutable; safe to use from several threads."""

    def __init__(self, examples: Examples) -> None:
        self._examples = examples
        counted = [text_features(example.text) for example in examples]
        self._idf = inverse_document_frequency(counted)
        self._vectors = [weighted(features, self._idf) for features in counted]
        self._fits = _fits(examples, sparse_gram(self._vectors), WORD_RIDGE)
        self._weights = {label: self._combined(fit) for label, fit in self._fits.items()}

    def scores(self, text: str) -> dict[str, float]:
        """Label -> probability (0 to 1) that the text has it; labels are independent of each other."""
        return self._scores(self._vector(text))

    def judge(self, text: str) -> Judgement:
        """What a question is about."""
        vector = self._vector(text)
        likeness = (
            sum(value * other[name] for name, value in vector.items() if name in other) for other in self._vectors
        )
        return Judgement(self._scores(vector), _nearest(self._examples, likeness))

    def _vector(self, text: str) -> Vector:
        return weighted(text_features(beginning(text)), self._idf)

    def _scores(self, vector: Vector) -> dict[str, float]:
        return {
            label: fit.probability(sum(value * self._weights[label].get(name, 0.0) for name, value in vector.items()))
            for label, fit in self._fits.items()
        }

    def _combined(self, fit: Fit) -> dict[str, float]:
        weights: dict[str, float] = {}
        for dual, vector in zip(fit.duals, self._vectors, strict=True):
            for name, value in vector.items():
                weights[name] = weights.get(name, 0.0) + dual * value
        return weights


@lru_cache(maxsize=32)
def learn_words(examples: Examples) -> WordClassifier:
    """The classifier for these examples; at once when they were learnt before."""
    return WordClassifier(examples)


def word_classifier(texts: Mapping[str, Iterable[str]]) -> WordClassifier:
    """A classifier learnt from label -> texts; a text under several labels has all of them."""
    found: dict[str, set[str]] = {}
    for label, each in texts.items():
        for text in each:
            found.setdefault(beginning(text), set()).add(label)
    return learn_words(tuple(Example(text, frozenset(labels)) for text, labels in found.items()))


class _Learnt:
    """Classifiers by content of the examples and digest of the model; the least recently used ones go."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], EmbeddingClassifier] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str], learn: Callable[[], EmbeddingClassifier]) -> EmbeddingClassifier:
        with self._lock:  # two runs that need the same one learn it once
            found = self._kept.get(key)
            if found is None:
                found = self._kept[key] = learn()
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return found


_LEARNT = _Learnt()


def learn_embeddings(
    examples: Examples,
    vectors: Sequence[Sequence[float]],
    digest: str,
    fits: Mapping[str, Mapping[str, Fit]] = MappingProxyType({}),
) -> EmbeddingClassifier:
    """The classifier for these examples; at once when they were learnt before.

    Args:
        examples: at least one.
        vectors: the embedding of each.
        digest: of the model that made them; where it is not known, its name.
        fits: hash of examples -> regressions that were learnt from them before, with the same model.
    """
    content = content_hash(examples)
    return _LEARNT.get((content, digest), lambda: EmbeddingClassifier(examples, vectors, fits.get(content)))


def _fits(examples: Examples, gram: Sequence[Sequence[float]], ridge: float) -> dict[str, Fit]:
    labels = labels_in(examples)
    targets = [[label in example.labels for example in examples] for label in labels]
    return dict(zip(labels, fit_all(gram, targets, ridge), strict=True))


def _lower_gram(vectors: Sequence[Sequence[float]]) -> list[list[float]]:
    """Products of all pairs; rows end at the diagonal."""
    return [[sum(map(mul, row, other)) for other in vectors[: at + 1]] for at, row in enumerate(vectors)]


def _nearest(examples: Examples, likeness: Iterable[float]) -> tuple[Neighbour, ...]:
    ranked = sorted(zip(likeness, examples, strict=True), key=lambda each: -each[0])[:NEAREST]
    return tuple(
        Neighbour(example.text, tuple(sorted(example.labels)), round(similarity, 4)) for similarity, example in ranked
    )
