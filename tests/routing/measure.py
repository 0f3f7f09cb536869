"""Measures routing on the development set: how often it is right, and how long a decision takes.

uv run python -m tests.routing.measure                       # both kinds of classifier
uv run python -m tests.routing.measure --latency 30          # the time of so many questions, idle and while answering
uv run python -m tests.routing.measure --training            # CPU time of learning, and of one correction
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from pprint import pprint
from typing import TypeVar

from engine.config import EmbeddedConfig
from engine.models.embedded import EmbeddedBackend
from engine.models.protocol import ChatMessage, ChatRequest, ModelInfo
from engine.nodes.route_evaluation import RoutingFigures, evaluate
from engine.routing.classifier import EmbeddingClassifier, WordClassifier
from engine.routing.embedder import Embedder
from engine.routing.examples import Example, examples_of
from engine.routing.judging import judge
from engine.routing.shipped_vectors import shipped_vectors, text_key
from tests.routing.material import Recorded, development_set, development_vectors, shipped_router

T = TypeVar("T")

SHORT = 60
"""Tokens; a question has fewer. Counted as four bytes each."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Of one decision, in milliseconds, with the real bundled model."""

    questions: int
    median_ms: float
    p95_ms: float
    cpu_ms: float
    """CPU time of this process and its children for each question; more than the decision's while an answer is made."""
    load: float
    """Load average of the machine at the start: processes that wanted to work, of everybody."""


@dataclass(frozen=True, slots=True)
class Training:
    """CPU time in milliseconds, for the shipped router."""

    anew_ms: float
    shipped_ms: float
    """With the factor that comes with the program."""
    correction_ms: float
    """Median of ten, each learnt after the one before."""


async def by_words() -> RoutingFigures:
    """Without any embeddings."""
    return await evaluate(shipped_router(), development_set(), None)


async def by_embeddings() -> RoutingFigures:
    """With those of the bundled model."""
    backend = EmbeddedBackend(EmbeddedConfig(), emit=lambda _: None)
    try:
        return await evaluate(shipped_router(), development_set(), await _started(backend))
    finally:
        await backend.aclose()


async def latency(count: int) -> tuple[Latency, Latency]:
    """(with nothing else to do, while an answer is made)."""
    questions = [each.text for each in development_set() if len(each.text.encode()) < SHORT * 4][: 2 * count]
    backend = EmbeddedBackend(EmbeddedConfig(), emit=lambda _: None)
    try:
        embedder = await _started(backend)
        idle = await _decisions(questions[:count], embedder)
        begun = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            answering = group.create_task(_answer(backend, begun))
            await begun.wait()
            busy = await _decisions(questions[count:], embedder)
            answering.cancel()
        return idle, busy
    finally:
        await backend.aclose()


async def _started(backend: EmbeddedBackend) -> Embedder:
    model = (await backend.models())[0]
    embedder = Embedder(model, backend, shipped_vectors()[model.digest])
    await embedder.vector("Hello")
    await embedder.classifier(examples_of(shipped_router()))
    return embedder


async def _decisions(questions: Sequence[str], embedder: Embedder) -> Latency:
    load, cpu, times = os.getloadavg()[0], _cpu_s(), []
    examples = examples_of(shipped_router())
    for question in questions:
        started = time.perf_counter()
        judged = await judge(examples, question, embedder)
        times.append((time.perf_counter() - started) * 1000)
        assert judged.stage == "embedding", judged.note
    times.sort()
    spent = (_cpu_s() - cpu) / len(times) * 1000
    return Latency(len(times), statistics.median(times), times[int(len(times) * 0.95)], spent, load)


async def _answer(backend: EmbeddedBackend, begun: asyncio.Event) -> None:
    """Make answers until cancelled."""
    model = (await backend.models())[0]
    said = (ChatMessage("user", "Tell me a very long story about a lighthouse."),)
    while True:
        async with aclosing(backend.chat(ChatRequest(model.name, said, max_tokens=1500, window=2048))) as chunks:
            async for _ in chunks:
                begun.set()


def _cpu_s() -> float:
    """Seconds of CPU that this process and its living children have used."""
    own, ticks = os.getpid(), 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[1]) == own:
            ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def training() -> tuple[Training, Training]:
    """(by embeddings, by words)."""
    measured = development_set()[:10]
    ((digest, known),) = shipped_vectors().items()
    vectors = {**known.vectors, **development_vectors().vectors}
    framed = Embedder(
        ModelInfo("any", digest=digest, capabilities=frozenset({"chat", "embed"})), Recorded(known)
    ).framed
    sets = [examples_of(shipped_router(), [*measured[:at]]) for at in range(len(measured) + 1)]

    def given(examples: Sequence[Example]) -> list[tuple[float, ...]]:
        return [vectors[text_key(framed(each.text))] for each in examples]

    (factor,) = {id(each): each for each in known.factors.values() if len(each) == len(sets[0])}.values()
    anew, _ = _timed(lambda: EmbeddingClassifier(sets[0], given(sets[0])))
    shipped, learnt = _timed(lambda: EmbeddingClassifier(sets[0], given(sets[0]), factor))
    corrections = []
    for examples in sets[1:]:
        spent, learnt = _timed(lambda each=examples, before=learnt: EmbeddingClassifier(each, given(each), (), before))
        corrections.append(spent)
    by_words, words = _timed(lambda: WordClassifier(sets[0]))
    taught = []
    for examples in sets[1:]:
        spent, words = _timed(lambda each=examples, before=words: WordClassifier(each, before))
        taught.append(spent)
    return (
        Training(anew, shipped, statistics.median(corrections)),
        Training(by_words, by_words, statistics.median(taught)),
    )


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    """(milliseconds of CPU, what was made)."""
    started = time.process_time()
    made = work()
    return (time.process_time() - started) * 1000, made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=int, metavar="N", help="time of N decisions, idle and while answering")
    parser.add_argument("--training", action="store_true", help="CPU time of learning")
    given = parser.parse_args()
    if given.latency:
        found: tuple[object, ...] = asyncio.run(latency(given.latency))
    elif given.training:
        found = training()
    else:
        found = (asyncio.run(by_words()), asyncio.run(by_embeddings()))
    for each in found:
        pprint(asdict(each))  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
