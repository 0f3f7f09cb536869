"""Classifiers: learn labels from examples, by embeddings or, without any model, by words and character n-grams."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from types import MappingProxyType
from typing import Generic, TypeVar

from engine.routing.examples import (
    Example,
    Examples,
    beginning,
    content_hash,
    labels_in,
    texts_hash,
    utterances_in,
)
from engine.routing.regression import Fit, Matrix, fit_all, inverse_factor
from engine.routing.text_features import (
    Vector,
    frequency_of_unseen,
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
_KEPT = 8
"""Classifiers of each kind that are kept."""

V = TypeVar("V")


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

    Vectors are centred by the mean of the utterances and brought to unit length: what all questions have in common,
    most of an embedding, says nothing.

    Args:
        examples: at least one.
        vectors: the embedding of each example, all of one width.
        factor: `factor` of a classifier of the same utterances, or its first rows, where there was one.
        before: another one with embeddings of the same model; what it shares with this one is not worked out again.
    """

    def __init__(
        self,
        examples: Examples,
        vectors: Sequence[Sequence[float]],
        factor: Matrix = (),
        before: EmbeddingClassifier | None = None,
    ) -> None:
        self.examples = examples
        same = 0 if before is None else shared(before.examples, examples)
        if before is None or not same or same < len(factor):
            same, self.mean = 0, _mean(_centre_of(examples, vectors))
            self.units: list[list[float]] = []
        else:
            self.mean, self.units, factor = before.mean, before.units[:same], before.factor[:same]
        self.units = [*self.units, *map(self._unit, vectors[same:])]
        self.factor: Matrix = inverse_factor(_gram(self.units, len(factor)), EMBEDDING_RIDGE, factor)
        """All that training takes from the texts, see `regression`."""
        self._fits = _fits(examples, self.factor)
        columns = list(zip(*self.units, strict=True))
        self._weights = {
            label: [sum(map(mul, fit.duals, column)) for column in columns] for label, fit in self._fits.items()
        }

    def judge(self, vector: Sequence[float]) -> Judgement:
        """What a question with this embedding is about.

        Raises:
            ValueError: the embedding has another width than those of the examples.
        """
        if len(vector) != len(self.mean):
            raise ValueError(f"An embedding of width {len(self.mean)} is needed, not of {len(vector)}.")
        unit = self._unit(vector)
        scores = {
            label: fit.probability(sum(map(mul, unit, self._weights[label]))) for label, fit in self._fits.items()
        }
        likeness = (sum(map(mul, unit, other)) for other in self.units)
        return Judgement(scores, _nearest(self.examples, likeness))

    def _unit(self, vector: Sequence[float]) -> list[float]:
        centred = [value - mean for value, mean in zip(vector, self.mean, strict=True)]
        length = math.sqrt(sum(map(mul, centred, centred)))
        return [value / length for value in centred] if length else centred


class WordClassifier:
    """Learnt from words and character n-grams. Immutable; safe to use from several threads.

    How rare a feature is comes from the utterances; one that only what a person taught has is as rare as can be.

    Args:
        examples: may be none.
        before: another one; what it shares with this one is not worked out again.
    """

    def __init__(self, examples: Examples, before: WordClassifier | None = None) -> None:
        self.examples = examples
        same = 0 if before is None else shared(before.examples, examples)
        counted = [text_features(example.text) for example in examples[same:]]
        vectors, factor = ([], ()) if before is None else (before.vectors[:same], before.factor[:same])
        self.rarity: dict[str, float] = (
            before.rarity if before and same else inverse_document_frequency(_centre_of(examples, counted))
        )
        own = len(utterances_in(examples))
        unseen = frequency_of_unseen(own)
        rarity = {name: self.rarity.get(name, unseen) for features in counted for name in features}
        self.vectors: list[Vector] = [*vectors, *(weighted(features, rarity) for features in counted)]
        self._idf = {**{name: unseen for vector in self.vectors[own:] for name in vector}, **self.rarity}
        self.factor: Matrix = inverse_factor(sparse_gram(self.vectors, same), WORD_RIDGE, factor)
        self._fits = _fits(examples, self.factor)

    def scores(self, text: str) -> dict[str, float]:
        """Label -> probability (0 to 1) that the text has it; labels are independent of each other."""
        return self._scores(self._likeness(text))

    def judge(self, text: str) -> Judgement:
        """What a question is about."""
        likeness = self._likeness(text)
        return Judgement(self._scores(likeness), _nearest(self.examples, likeness))

    def _likeness(self, text: str) -> list[float]:
        """The cosine of a text to each example."""
        vector = weighted(text_features(beginning(text)), self._idf)
        return [sum(value * other[name] for name, value in vector.items() if name in other) for other in self.vectors]

    def _scores(self, likeness: Sequence[float]) -> dict[str, float]:
        return {label: fit.probability(sum(map(mul, fit.duals, likeness))) for label, fit in self._fits.items()}


def shared(before: Examples, examples: Examples) -> int:
    """How many of the first examples have the same texts; 0 where their graphs have other utterances, because what is
    learnt from each is then measured from another centre."""
    if utterances_in(before) != utterances_in(examples):
        return 0
    pairs = enumerate(zip(before, examples, strict=False))
    return next((at for at, (old, new) in pairs if old.text != new.text), min(len(before), len(examples)))


C = TypeVar("C", EmbeddingClassifier, WordClassifier)


class _Learnt(Generic[C]):
    """Classifiers by content of the examples and digest of the model; the least recently used ones go."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], C] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, examples: Examples, digest: str, learn: Callable[[C | None], C]) -> C:
        """The classifier; where it is not there, `learn` makes it from the most alike one of the same model."""
        key = (content_hash(examples), digest)
        with self._lock:  # two runs that need the same one learn it once
            found = self._kept.get(key)
            if found is None:
                others = [each for (_, model), each in self._kept.items() if model == digest]
                alike = max(others, key=lambda each: shared(each.examples, examples), default=None)
                found = self._kept[key] = learn(alike)
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return found


_BY_WORDS = _Learnt[WordClassifier]()
_BY_EMBEDDINGS = _Learnt[EmbeddingClassifier]()


def learn_words(examples: Examples) -> WordClassifier:
    """The classifier for these examples; at once when they were learnt before."""
    return _BY_WORDS.get(examples, "", lambda before: WordClassifier(examples, before))


def learn_embeddings(
    examples: Examples,
    vectors: Sequence[Sequence[float]],
    digest: str,
    factors: Mapping[str, Matrix] = MappingProxyType({}),
) -> EmbeddingClassifier:
    """The classifier for these examples; at once when they were learnt before, and soon when most of them were.

    Args:
        examples: at least one.
        vectors: the embedding of each.
        digest: of the model that made them; where it is not known, its name.
        factors: hash of the utterances' texts -> factor of a classifier of these alone, with the same model.
    """
    utterances = utterances_in(examples)
    factor = factors.get(texts_hash(utterances), ())
    factor = factor if len(factor) == len(utterances) else ()
    return _BY_EMBEDDINGS.get(examples, digest, lambda before: EmbeddingClassifier(examples, vectors, factor, before))


def word_classifier(texts: Mapping[str, Iterable[str]]) -> WordClassifier:
    """A classifier learnt from label -> texts; a text under several labels has all of them."""
    found: dict[str, set[str]] = {}
    for label, each in texts.items():
        for text in each:
            found.setdefault(beginning(text), set()).add(label)
    return learn_words(tuple(Example(text, frozenset(labels)) for text, labels in found.items()))


def _fits(examples: Examples, factor: Matrix) -> dict[str, Fit]:
    labels = labels_in(examples)
    targets = [[label in example.labels for example in examples] for label in labels]
    return dict(zip(labels, fit_all(factor, targets), strict=True))


def _centre_of(examples: Examples, values: Sequence[V]) -> Sequence[V]:
    """What belongs to the utterances; all of it where there are none."""
    return [value for example, value in zip(examples, values, strict=True) if not example.taught] or values


def _mean(vectors: Sequence[Sequence[float]]) -> list[float]:
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def _gram(vectors: Sequence[Sequence[float]], start: int) -> list[list[float]]:
    """Products of each vector from `start` on with all before it and itself."""
    return [[sum(map(mul, vectors[at], other)) for other in vectors[: at + 1]] for at in range(start, len(vectors))]


def _nearest(examples: Examples, likeness: Iterable[float]) -> tuple[Neighbour, ...]:
    ranked = sorted(zip(likeness, examples, strict=True), key=lambda each: -each[0])[:NEAREST]
    return tuple(
        Neighbour(example.text, tuple(sorted(example.labels)), round(similarity, 4)) for similarity, example in ranked
    )
