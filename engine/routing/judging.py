"""What the examples say of a question: by embeddings where there are any, else by words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import EngineError
from engine.routing.classifier import Judgement, Neighbour, learn_words
from engine.routing.embedder import Embedder
from engine.routing.examples import Examples, beginning, labels_in

FURTHER_BY_WORDS = 0.3
"""Where words alone decide: part of the way from the threshold to 1 at which labels beside the best begin to count."""
_SHOWN = 200
"""Characters of an example that are told with a decision."""


@dataclass(slots=True)
class Judged:
    """The scores of a question's labels, and how they were found."""

    stage: str = ""
    """`embedding` or `words`; empty where there are no scores."""
    scores: dict[str, float] = field(default_factory=dict)
    """Label -> probability, rounded to 4 digits."""
    nearest: list[Neighbour] = field(default_factory=list)
    micros: list[tuple[str, int]] = field(default_factory=list)
    """(stage, microseconds) of each that was tried."""
    note: str = ""
    """Why there are no scores, or why words alone decided."""

    def as_json(self) -> dict[str, Any]:
        """For the log."""
        return {
            "stage": self.stage,
            "scores": self.scores,
            "nearest": [[each.text, list(each.labels), each.similarity] for each in self.nearest],
            "micros": [list(each) for each in self.micros],
            "note": self.note,
        }

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> Judged:
        """What `as_json` made."""
        nearest = [Neighbour(text, tuple(labels), similarity) for text, labels, similarity in found["nearest"]]
        micros = [(stage, micros) for stage, micros in found["micros"]]
        return Judged(found["stage"], dict(found["scores"]), nearest, micros, found["note"])

    def take(self, stage: str, judgement: Judgement) -> None:
        self.stage = stage
        self.scores = {label: round(score, 4) for label, score in judgement.scores.items()}
        self.nearest = [Neighbour(each.text[:_SHOWN], each.labels, each.similarity) for each in judgement.nearest]


async def judge(
    examples: Examples,
    question: str,
    embedder: Embedder | None,
    now_ns: Callable[[], int] = time.perf_counter_ns,
) -> Judged:
    """The scores of every label for a question; none for an empty one, or where fewer than two labels have examples.

    Never fails: where embeddings cannot be made, words decide, and the note says why.
    """
    judged = Judged()
    text = beginning(question)
    if not text or len(labels_in(examples)) < 2:
        judged.note = "fewer than two routes have utterances" if text else "the question is empty"
        return judged
    started = now_ns()
    if embedder is None:
        judged.note = "no installed model makes embeddings"
    else:
        await _by_embedding(judged, examples, text, embedder)
        judged.micros.append(("embedding", (now_ns() - started) // 1000))
    if not judged.stage:
        started = now_ns()
        # the first question of a graph trains: too long for the event loop
        judged.take("words", await asyncio.to_thread(lambda: learn_words(examples).judge(text)))
        judged.micros.append(("words", (now_ns() - started) // 1000))
    return judged


async def _by_embedding(judged: Judged, examples: Examples, text: str, embedder: Embedder) -> None:
    try:
        classifier = await embedder.classifier(examples)
        if classifier is None:
            judged.note = f"{embedder.model} is still making the embeddings of the utterances"
            if embedder.failure is not None:
                judged.note = f"the utterances have no embeddings: {embedder.failure.message}"
            return
        vector = await embedder.vector(text)
        judged.take("embedding", await asyncio.to_thread(classifier.judge, vector))
    except EngineError as error:
        judged.note = f"the question has no embedding: {error.message}"
    except ValueError:
        judged.note = f"{embedder.model} makes other embeddings than before"


def labels_of(judged: Judged, threshold: float, most: int) -> list[str]:
    """The labels that a question has, best first, at most so many.

    Where words alone decided, one beside the best needs more than the threshold: shared words are weak evidence for
    that a question is about two things.
    """
    found = over(judged.scores, threshold, most)
    further = threshold + FURTHER_BY_WORDS * (1 - threshold) if judged.stage == "words" else threshold
    return [label for at, label in enumerate(found) if not at or judged.scores[label] >= further]


def over(scores: Mapping[str, float], threshold: float, most: int) -> list[str]:
    """The labels with scores from the threshold on, best first, at most so many."""
    found = [label for label, score in scores.items() if score >= threshold]
    return sorted(found, key=lambda label: -scores[label])[:most]


def is_sure(scores: Mapping[str, float], threshold: float, margin: float, *, several: bool) -> bool:
    """Whether scores are clear enough to decide by.

    Args:
        scores: label -> probability.
        threshold: from which a label counts as found.
        margin: least distance of the best label from the threshold, and where only one label counts, from the second.
        several: whether a question may have several labels.
    """
    best: Sequence[float] = sorted(scores.values(), reverse=True)
    if not best or best[0] < threshold:
        return False
    if several or len(best) < 2:
        return best[0] >= min(threshold + margin, 1.0)
    return best[0] >= min(threshold + margin, 1.0) and best[0] - best[1] >= margin
