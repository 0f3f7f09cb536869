"""What routes are learnt from: the utterances of a graph's router, and what a person corrected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.graph.spec import GraphSpec, RouterConfig

MAX_CHARACTERS = 550
"""Only so much of a question, or of an utterance, is looked at."""

LEARNING = frozenset({"auto", "embedding"})
"""Methods of routers that learn from examples."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text and the labels that it has."""

    text: str
    labels: frozenset[str]
    taught: bool = False
    """Whether a person added it to the utterances. Such ones come last, so that what was learnt of the others stays."""


Examples = tuple[Example, ...]


def examples_of(config: RouterConfig, corrections: Sequence[Example] = ()) -> Examples:
    """The utterances of the routes and of the compound routes, each text once and with all its labels.

    Args:
        config: the router's.
        corrections: what a person said afterwards; it goes before an utterance of the same text, and a later one
            before an earlier one. Labels that are no routes of the router are left out.
    """
    known = frozenset(route.name for route in config.routes)
    found: dict[str, frozenset[str]] = {}
    groups = [([route.name], route.utterances) for route in config.routes]
    groups += [(compound.domains, compound.utterances) for compound in config.compound_routes]
    for labels, utterances in groups:
        for text in filter(None, map(beginning, utterances)):
            found[text] = found.get(text, frozenset()) | known.intersection(labels)
    own = frozenset(found)
    for correction in corrections:
        text, corrected = beginning(correction.text), correction.labels & known
        if text and corrected:
            found[text] = corrected
    return tuple(Example(text, labels, taught=text not in own) for text, labels in found.items() if labels)


def learning(graph: GraphSpec) -> list[RouterConfig]:
    """The configurations of the routers that learn from examples, those of sub-graphs included."""
    found = [node.config for node in graph.nodes if isinstance(node.config, RouterConfig)]
    for inside in graph.graphs.values():
        found += learning(inside)
    return [config for config in found if config.method in LEARNING and any(r.utterances for r in config.routes)]


def labels_in(examples: Examples) -> tuple[str, ...]:
    """The labels that occur, in the order in which they do."""
    return tuple(dict.fromkeys(label for example in examples for label in sorted(example.labels)))


def content_hash(examples: Examples) -> str:
    """Digest of the texts and their labels."""
    return _digest([[example.text, sorted(example.labels), example.taught] for example in examples])


def utterances_in(examples: Examples) -> tuple[str, ...]:
    """The texts of the graph itself."""
    return tuple(example.text for example in examples if not example.taught)


def texts_hash(texts: Sequence[str]) -> str:
    """Digest of texts, whatever their labels are."""
    return _digest(list(texts))


def _digest(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def beginning(text: str) -> str:
    """What is looked at of a text."""
    return text.strip()[:MAX_CHARACTERS].rstrip()
