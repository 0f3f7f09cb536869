"""Features of a text without any model: its words, pairs of words and character n-grams, weighted by TF-IDF."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

Vector = dict[str, float]
"""Feature -> value, of unit length."""

SHORTEST, LONGEST = 2, 5
"""Lengths of the character n-grams; the blanks around a word count."""

_WORD = re.compile(r"\w+|[^\w\s]+")
_DIGITS = re.compile(r"\d+")
_LONGEST_WORD = 40
"""Characters of a word that are looked at."""


def text_features(text: str) -> Counter[str]:
    """Feature -> how often. Every number counts as the same one, so that word problems look alike."""
    words = [word[:_LONGEST_WORD] for word in _WORD.findall(_DIGITS.sub("0", text.lower()))]
    found: Counter[str] = Counter()
    for word in words:
        found["w " + word] += 1
        padded = f" {word} "
        for size in range(SHORTEST, LONGEST + 1):
            found.update(padded[start : start + size] for start in range(len(padded) - size + 1))
    found.update(f"p {first} {second}" for first, second in pairwise(words))
    return found


def inverse_document_frequency(documents: Sequence[Iterable[str]]) -> dict[str, float]:
    """Smoothed: ln((1 + n) / (1 + df)) + 1, of n documents."""
    seen = Counter(name for document in documents for name in document)
    total = 1 + len(documents)
    return {name: math.log(total / (1 + count)) + 1 for name, count in seen.items()}


def frequency_of_unseen(documents: int) -> float:
    """The inverse document frequency of what occurs in none of so many documents."""
    return math.log(1 + documents) + 1


def weighted(features: Mapping[str, int], idf: Mapping[str, float]) -> Vector:
    """TF-IDF with sublinear term frequency, of unit length; features that were never learnt are left out."""
    vector = {name: (1 + math.log(count)) * idf[name] for name, count in features.items() if name in idf}
    length = math.sqrt(sum(value * value for value in vector.values()))
    return {name: value / length for name, value in vector.items()} if length else {}


def sparse_gram(vectors: Sequence[Vector], start: int = 0) -> list[list[float]]:
    """Products of each text from `start` on with all before it and itself, by an inverted index: only features that two
    texts share cost anything."""
    gram = []
    index: dict[str, list[tuple[int, float]]] = {name: [] for vector in vectors[start:] for name in vector}
    for row, vector in enumerate(vectors):
        for name in vector.keys() & index.keys():
            index[name].append((row, vector[name]))
        if row >= start:
            products = [0.0] * (row + 1)
            for name, value in vector.items():
                for other, other_value in index[name]:
                    products[other] += value * other_value
            gram.append(products)
    return gram
