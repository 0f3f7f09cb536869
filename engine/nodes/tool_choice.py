"""Which of a node's tools are offered to a model for a question, and which ones a question calls for by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.models.tokens import json_tokens
from engine.nodes.context import NodeContext
from engine.nodes.tool_calls import Call
from engine.nodes.tool_examples import EXAMPLES
from engine.nodes.tool_rules import calls_by_rule
from engine.nodes.toolbox import Toolbox
from engine.routing.classifier import word_classifier
from engine.tools.protocol import Tool, definition

MOST_OFFERED = 5
"""Among more tools than this, models choose badly."""
DEFINITIONS_SHARE = 0.25
"""Share of the window that definitions of tools may take."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Tools that a model may choose from."""

    definitions: tuple[dict[str, Any], ...]
    names: tuple[str, ...]


async def offer_for(ctx: NodeContext, toolbox: Toolbox, question: str, window: int) -> Offer:
    """The tools to offer for a question: all of a few, else the likeliest, as far as they fit into the window.

    Raises:
        EngineError: the choice could not be logged.
    """
    names = list(toolbox.tools)
    if len(names) > MOST_OFFERED:
        scores = await likelihoods(ctx, toolbox.tools, question)
        best = sorted(names, key=lambda name: -scores.get(name, 0.0))[:MOST_OFFERED]
        names = [name for name in names if name in best]
    definitions: list[dict[str, Any]] = []
    room = window * DEFINITIONS_SHARE
    for name in names:
        each = definition(toolbox.tools[name])
        room -= json_tokens([each])
        if room < 0:
            break
        definitions.append(each)
    return Offer(tuple(definitions), tuple(names[: len(definitions)]))


async def calls_asked(ctx: NodeContext, toolbox: Toolbox, *texts: str) -> list[Call]:
    """The calls that a question certainly asks for, found by rule, without those that were made; none where no rule
    is sure.

    Where rules of several tools apply to one text, the classifier chooses among them.

    Args:
        ctx: the visit.
        toolbox: its tools.
        texts: ways in which the question is put; the first that rules find something in counts.

    Raises:
        EngineError: the choice could not be logged.
    """
    for text in dict.fromkeys(texts):
        by_rule = {name: [c for c in calls_by_rule(name, text) if not toolbox.knows(name, c)] for name in toolbox.tools}
        found = {name: calls for name, calls in by_rule.items() if calls}
        if not found:
            continue
        chosen = next(iter(found))
        if len(found) > 1:
            scores = await likelihoods(ctx, {name: toolbox.tools[name] for name in found}, text)
            chosen = max(found, key=lambda name: scores.get(name, 0.0))
        return [Call(chosen, arguments) for arguments in found[chosen]]
    return []


async def likelihoods(ctx: NodeContext, tools: Mapping[str, Tool], question: str) -> dict[str, float]:
    """Tool id -> probability (0 to 1) that it answers the question: an operation.

    Learnt from the tools' example questions and descriptions, as the router learns its routes.
    """
    examples = {name: [*EXAMPLES.get(name, ()), tool.description] for name, tool in tools.items()}

    async def classify() -> dict[str, float]:
        # the first call of a graph trains: too long for the event loop
        return await asyncio.to_thread(lambda: word_classifier(examples).scores(question))

    scores: dict[str, float] = await ctx.op("choose tools", {"question": question, "tools": sorted(tools)}, classify)
    return scores
