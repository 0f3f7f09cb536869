"""The whole texts of messages that were pruned: found in the view, where they are nowhere copied."""

from __future__ import annotations

from dataclasses import dataclass

from engine import events as ev
from engine.view.values import PruneView, View


@dataclass(frozen=True, slots=True)
class PrunedText:
    """What is known of the text of a pruned message."""

    text: str = ""
    missing: int = 0
    """Characters after `text` that were not recorded."""
    problem: str = ""
    """Why there is no text; empty where there is one."""


def pruned_text(view: View, prune: PruneView, message: ev.PrunedMessage) -> PrunedText:
    """The whole text of `message`, which was pruned in `prune`, as it was before.

    It is a function of the view, so it is the same live, in a replay and from an exported run.

    Args:
        view: of the run, at any moment from the pruning on.
        prune: the pruning, of that view.
        message: one of `prune.messages`.
    """
    if message.source:
        text = _of_source(view, prune, message.source)
        if text is None:
            return PrunedText(problem=f"The record of this run does not have it ({message.source}).")
        if len(text) != message.characters:
            return PrunedText(problem=f"The record of this run has another text in its place ({message.source}).")
        return PrunedText(text)
    if message.characters and not message.text:
        return PrunedText(problem="Its text was not recorded.")
    return PrunedText(message.text, max(message.characters - len(message.text), 0))


def _of_source(view: View, prune: PruneView, source: str) -> str | None:
    """The text that a source names (see `engine.events.PrunedMessage.source`); None where it is not there."""
    kind, _, rest = source.partition(" ")
    if kind == "question" and not rest:
        return prune.question
    if kind == "history" and rest.isdecimal() and int(rest) < len(view.history):
        return view.history[int(rest)][1]
    path, _, visit = rest.rpartition(" ")
    if kind == "output" and visit.isdecimal():
        return _output(view, path, int(visit))
    return None


def _output(view: View, path: str, number: int) -> str | None:
    """What a visit made; a retry may have taken it back since, but numbers of visits are given once."""
    node = view.nodes.get(path)
    for visit in reversed(node.visits if node is not None else ()):
        if visit.visit == number and visit.finished_ms is not None:
            return visit.output
    return view.taken_over.get(f"{path} {number}")
