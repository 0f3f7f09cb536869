"""Writes the embeddings of the shipped graphs' utterances, made with the bundled model, and what is learnt from them:

    uv run python -m tests.routing.embeddings

To be run after the utterances, the way in which texts are given to the model, or the model have changed. Vectors that
are there already stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from engine.config import EmbeddedConfig
from engine.graph.shipped import shipped_folder
from engine.models.embedded import EmbeddedBackend
from engine.models.protocol import ModelInfo
from engine.routing.classifier import EmbeddingClassifier
from engine.routing.embedder import Embedder
from engine.routing.examples import Examples, texts_hash, utterances_in
from engine.routing.regression import Matrix
from engine.routing.shipped_vectors import (
    FOLDER,
    ShippedVectors,
    document_of,
    pack,
    shipped_vectors,
    text_key,
    unpack,
)
from tests.routing.material import VECTORS, development_set, development_vectors, shipped_examples

BATCH = 16


async def write() -> None:
    """Write the file of the bundled model, and the one of the development set."""
    backend = EmbeddedBackend(EmbeddedConfig(), emit=lambda _: None)
    try:
        model = (await backend.models())[0]
        sets = shipped_examples()
        shipped = shipped_vectors().get(model.digest, ShippedVectors())
        vectors = await made(backend, model, sets, shipped)
        measured = development_vectors() if VECTORS.exists() else ShippedVectors()
        known = measured if measured.digest == model.digest else ShippedVectors()
        development = await made(backend, model, [tuple(development_set())], known)
    finally:
        await backend.aclose()
    shipped = ShippedVectors(model.digest, vectors, learnt(model, backend, sets, vectors))
    file = shipped_folder() / FOLDER / f"{model.name.replace(':', '-')}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(document_of(shipped, model.name), "utf-8")
    VECTORS.write_text(document_of(ShippedVectors(model.digest, development), model.name), "utf-8")


async def made(
    backend: EmbeddedBackend, model: ModelInfo, sets: Iterable[Examples], known: ShippedVectors
) -> dict[str, tuple[float, ...]]:
    """The vectors of all examples; those that are known stay."""
    texts = given(Embedder(model, backend), sets)
    vectors = {key: vector for key, vector in known.vectors.items() if key in texts}
    missing = [key for key in texts if key not in vectors]
    for start in range(0, len(missing), BATCH):
        keys = missing[start : start + BATCH]
        answers = await backend.embed(model.name, [texts[key] for key in keys])
        # learnt from what is written, which is rounded
        vectors.update((key, unpack(pack(vector))) for key, vector in zip(keys, answers, strict=True))
        print(f"{start + len(keys)} of {len(missing)}")
    return vectors


def given(embedder: Embedder, sets: Iterable[Examples]) -> dict[str, str]:
    """Hash -> text as the model is given it, of all examples."""
    texts = [embedder.framed(example.text) for examples in sets for example in examples]
    return {text_key(text): text for text in texts}


def learnt(
    model: ModelInfo, backend: EmbeddedBackend, sets: Iterable[Examples], vectors: dict[str, tuple[float, ...]]
) -> dict[str, Matrix]:
    """Hash of the utterances' texts -> factor of their classifier."""
    embedder = Embedder(model, backend)
    found: dict[str, Matrix] = {}
    for examples in sets:
        own = [vectors[text_key(embedder.framed(example.text))] for example in examples]
        found[texts_hash(utterances_in(examples))] = EmbeddingClassifier(examples, own).factor
    return found


if __name__ == "__main__":
    asyncio.run(write())
