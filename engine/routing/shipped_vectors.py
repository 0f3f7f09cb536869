"""Embeddings that come with the program: those of the shipped graphs' utterances, made with the bundled model.

A file is JSON: the digest of the model that made them, vectors by a hash of the text as the model was given it, and for
each set of utterances, by its hash, what a classifier of them takes from their texts. It is written by
`python -m tests.routing.embeddings`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from engine.graph.shipped import shipped_folder
from engine.routing.regression import Matrix

FOLDER = "embeddings"
"""In the folder of shipped graphs."""


@dataclass(frozen=True, slots=True)
class ShippedVectors:
    """What is known of one model."""

    digest: str = ""
    vectors: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Hash of the text as it was given to the model -> its embedding."""
    factors: Mapping[str, Matrix] = field(default_factory=dict)
    """Hash of the utterances' texts -> rows of the inverse Cholesky factor (see `regression`)."""


def text_key(given: str) -> str:
    """The hash by which a text's vector is known."""
    return hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:24]


def pack(values: Sequence[float], code: str = "e") -> str:
    """Numbers as base64 of little-endian floats: `e` 16, `f` 32 bits each."""
    return base64.b64encode(struct.pack(f"<{len(values)}{code}", *values)).decode("ascii")


def unpack(text: str, code: str = "e") -> tuple[float, ...]:
    """The numbers that `pack` packed.

    Raises:
        ValueError: it is damaged.
    """
    data = base64.b64decode(text, validate=True)
    size = struct.calcsize(f"<{code}")
    if len(data) % size:
        raise ValueError("The length is no multiple of a number's.")
    return struct.unpack(f"<{len(data) // size}{code}", data)


def shipped_files() -> list[Path]:
    """The files that come with the program."""
    return sorted((shipped_folder() / FOLDER).glob("*.json"))


@lru_cache(maxsize=1)
def shipped_vectors() -> Mapping[str, ShippedVectors]:
    """Digest of a model -> what comes with the program for it; a file that cannot be read counts as none."""
    found = {}
    for file in shipped_files():
        try:
            read = read_vectors(file)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # the utterances are embedded anew
        found[read.digest] = read
    return found


def read_vectors(file: Path) -> ShippedVectors:
    """What a file holds.

    Raises:
        OSError: it cannot be read.
        ValueError, KeyError, TypeError, AttributeError: it is damaged.
    """
    document: dict[str, Any] = json.loads(file.read_text("utf-8"))
    factors = {texts: _triangle(unpack(packed, "f")) for texts, packed in document["factors"].items()}
    vectors = {key: unpack(packed) for key, packed in document["vectors"].items()}
    return ShippedVectors(str(document["digest"]), vectors, factors)


def _triangle(values: Sequence[float]) -> Matrix:
    """Rows of 1, 2, 3 and so on of the values.

    Raises:
        ValueError: the last one would not be whole.
    """
    size = (math.isqrt(8 * len(values) + 1) - 1) // 2
    if size * (size + 1) // 2 != len(values):
        raise ValueError("The number of values is no triangular number.")
    return [values[at * (at + 1) // 2 : (at + 1) * (at + 2) // 2] for at in range(size)]


def document_of(known: ShippedVectors, model: str) -> str:
    """The text of a file."""
    factors = {texts: pack(list(chain.from_iterable(rows)), "f") for texts, rows in known.factors.items()}
    vectors = {key: pack(vector) for key, vector in sorted(known.vectors.items())}
    document = {"model": model, "digest": known.digest, "factors": factors, "vectors": vectors}
    return json.dumps(document, indent=1) + "\n"
