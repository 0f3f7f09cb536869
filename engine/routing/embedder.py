"""Embeddings of questions, and of the examples that routes are learnt from: which model makes them, what is known."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from engine.errors import EngineError, ErrorClass
from engine.models.protocol import ModelInfo
from engine.routing.classifier import EmbeddingClassifier, learn_embeddings
from engine.routing.examples import Examples, beginning
from engine.routing.regression import Matrix
from engine.routing.shipped_vectors import ShippedVectors, shipped_vectors, text_key
from engine.routing.vector_file import FILE_NAME, VectorFile

Vector = tuple[float, ...]

BATCH = 4
"""Utterances in one request: a question that comes meanwhile waits for so many, not for all."""
QUESTION_S = 5.0
"""Seconds that the embedding of a question may take; the child that makes it may have to start."""
KEPT_QUESTIONS = 64
"""Questions whose embeddings are kept: one that is asked again, or is corrected, needs no other."""
MAX_VECTORS = 20_000
"""Embeddings of examples that are kept in memory, of all graphs."""


_WARMING = "warming up"


class Source(Protocol):
    """What makes embeddings."""

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text.

        Raises:
            EngineError: it cannot.
        """
        ...


def choose_embedder(installed: Iterable[ModelInfo], shipped: Iterable[str]) -> ModelInfo | None:
    """The model that makes the embeddings: one whose embeddings of the shipped utterances are here, else one that was
    made for it, else any that can; None where none can."""
    able = [model for model in installed if "embed" in model.capabilities]
    known = set(shipped)
    return min(able, key=lambda model: (model.digest not in known, "chat" in model.capabilities), default=None)


class Embedder:
    """Makes embeddings with one model, and learns classifiers from them. Belongs to one event loop.

    Examples whose embeddings are not here are embedded in the background; until then there is no classifier.

    Args:
        model: the one that makes them.
        source: what runs it.
        known: embeddings that are here from the beginning.
        file: keeps those of examples; a model whose digest is not known may be another one tomorrow, and has none.
    """

    def __init__(
        self, model: ModelInfo, source: Source, known: ShippedVectors | None = None, file: VectorFile | None = None
    ) -> None:
        self.model = model.name
        self.digest = model.digest
        self._chats = "chat" in model.capabilities
        self._source = source
        self._known = known or ShippedVectors()
        self._file = file if model.digest else None
        self._made: dict[str, Vector] = {}
        self._unsaved: dict[str, Vector] = {}
        """What is not in the file yet."""
        self._asked: OrderedDict[str, Vector] = OrderedDict()
        """The latest questions."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """What goes on in the background, by what it is for."""
        self.failure: EngineError | None = None
        """Why the latest attempt to embed examples failed."""

    async def vector(self, question: str) -> Vector:
        """The embedding of a question that is not empty.

        Raises:
            EngineError: it cannot be made, or not in time.
        """
        key = text_key(self.framed(question))
        return self._made.get(key) or self._asked.get(key) or await self._new_vector(question)

    async def _new_vector(self, question: str) -> Vector:
        given = self.framed(question)
        try:
            async with asyncio.timeout(QUESTION_S):
                vector = self._asked[text_key(given)] = (await self._embed([given]))[0]
        except TimeoutError:
            raise EngineError(
                ErrorClass.TIMEOUT, "no_embedding_in_time", f"{self.model} made no embedding within {QUESTION_S:.0f} s."
            ) from None
        while len(self._asked) > KEPT_QUESTIONS:
            self._asked.popitem(last=False)
        return vector

    async def classifier(self, examples: Examples) -> EmbeddingClassifier | None:
        """The classifier learnt from examples, where their embeddings are here.

        Those that are not are made in the background. Until then, what a person taught is left out; without one of the
        graph's own utterances there is no classifier.
        """
        given = [self.framed(example.text) for example in examples]
        vectors = [self._vector_of(text) for text in given]
        missing = [text for text, vector in zip(given, vectors, strict=True) if vector is None]
        if missing:
            self._make(missing)
        await self._save()
        pairs = list(zip(examples, vectors, strict=True))
        whole = [vector for vector in vectors if vector is not None]
        if not whole or any(vector is None and not example.taught for example, vector in pairs):
            return None
        known = tuple(example for example, vector in pairs if vector is not None)
        # too long for the event loop where it was not learnt before
        return await asyncio.to_thread(learn_embeddings, known, whole, self.digest or self.model, self._factors)

    def warm(self, sets: Sequence[Examples]) -> None:
        """Begin to learn from each set of examples, and start what makes the embeddings; in the background."""
        if _WARMING not in self._tasks:
            self._begin(_WARMING, self._warm(sets))

    async def _warm(self, sets: Sequence[Examples]) -> None:
        with contextlib.suppress(EngineError):  # the question that needs it says so
            await self._new_vector("Hello")
        for examples in sets:
            await self.classifier(examples)

    async def ready(self) -> None:
        """Wait until what is being embedded in the background is there, or failed."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values())

    async def aclose(self) -> None:
        """End what goes on in the background."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def framed(self, text: str) -> str:
        """A text as the model is given it: its beginning, as one turn of a conversation where the model is made for
        conversations (the last token then stands for what the answer will be about).

        Marks that a text brings along are broken, so that it cannot end its turn.
        """
        said = beginning(text)
        if not self._chats:
            return said
        return f"<|im_start|>user\n{said.replace('<|', '< |')}<|im_end|>\n<|im_start|>assistant\n"

    @property
    def _factors(self) -> Mapping[str, Matrix]:
        return self._known.factors

    def _vector_of(self, given: str) -> Vector | None:
        key = text_key(given)
        if key in self._known.vectors:
            return self._known.vectors[key]
        if key in self._asked:  # a question that was corrected
            self._unsaved[key] = self._made[key] = self._asked.pop(key)
        return self._made.get(key)

    def _make(self, missing: Sequence[str]) -> None:
        key = text_key(missing[0])
        if key not in self._tasks:
            self._begin(key, self._embed_all(missing))

    def _begin(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[key] = asyncio.create_task(work, name="embeddings of utterances")
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def _embed_all(self, texts: Sequence[str]) -> None:
        try:
            for start in range(0, len(texts), BATCH):
                batch = [text for text in texts[start : start + BATCH] if text_key(text) not in self._made]
                for text, vector in zip(batch, await self._embed(batch), strict=True):
                    self._unsaved[text_key(text)] = self._made[text_key(text)] = vector
                await self._save()
            self.failure = None
        except EngineError as error:
            self.failure = error  # the next question begins anew
        while len(self._made) > MAX_VECTORS:
            self._made.pop(next(iter(self._made)))

    async def load(self) -> None:
        """Take what is in the file."""
        if self._file is not None:
            self._made |= await asyncio.to_thread(self._file.read, self.digest)

    async def _save(self) -> None:
        unsaved, self._unsaved = self._unsaved, {}
        if unsaved and self._file is not None:
            await asyncio.to_thread(self._file.add, self.digest, unsaved)

    async def _embed(self, given: Sequence[str]) -> list[Vector]:
        if not given:
            return []
        return [tuple(vector) for vector in await self._source.embed(self.model, given)]


class Embeddings:
    """The embedder of an engine; another one when another model is to make the embeddings.

    Args:
        source: what runs the models.
        data_dir: folder for the file of embeddings; None: another start makes them again.
    """

    def __init__(self, source: Source, data_dir: Path | None = None) -> None:
        self._source = source
        self._file = None if data_dir is None else VectorFile(data_dir / FILE_NAME)
        self._embedder: Embedder | None = None
        self._retired: list[Embedder] = []
        self._turn = asyncio.Lock()

    async def embedder(self, installed: Sequence[ModelInfo]) -> Embedder | None:
        """What makes embeddings with one of these models; None where none can."""
        if not any("embed" in model.capabilities for model in installed):
            return None
        shipped = await asyncio.to_thread(shipped_vectors)
        model = choose_embedder(installed, shipped)
        if model is None:
            return None
        async with self._turn:
            current = self._embedder
            if current is None or (current.model, current.digest) != (model.name, model.digest):
                if current is not None:
                    self._retired.append(current)
                current = Embedder(model, self._source, shipped.get(model.digest), self._file)
                await current.load()
                self._embedder = current
            return current

    async def aclose(self) -> None:
        """End what goes on in the background."""
        for embedder in (*self._retired, self._embedder):
            if embedder is not None:
                await embedder.aclose()
