"""Pruning before a request: what does not fit goes, a summary stands in its place where a model writes one, and one
event says both."""

from __future__ import annotations

from dataclasses import replace

from engine.events import Summary
from engine.memory.context import ContextSelection
from engine.memory.pruned import Pruned
from engine.memory.summary import said_in, summary_request, summary_tokens, told_of_summary
from engine.nodes.context import NodeContext


async def pruned_for(ctx: NodeContext, selection: ContextSelection, max_tokens: int) -> None:
    """Make a selection fit for a request that may answer with `max_tokens` tokens.

    Raises:
        EngineError: CONTEXT_OVERFLOW, when what must stay alone leaves no room. That there is no summary is no error.
    """
    pruned = selection.prune(max_tokens)
    if pruned is None:
        return
    if pruned.gone and ctx.summariser is not None:
        summary = await _summary(ctx, selection, pruned, max_tokens)
        pruned = replace(pruned, tokens_after=selection.total, summary=summary)
    ctx.emit(pruned.event(selection.key))


async def _summary(ctx: NodeContext, selection: ContextSelection, pruned: Pruned, max_tokens: int) -> Summary:
    """Have what went summarised, and put the summary in its place."""
    summariser, room = ctx.summariser, selection.summary_room(max_tokens)
    assert summariser is not None  # noqa: S101  (the caller has looked)
    if not room:
        return Summary(summariser.model, problem="what stays leaves no room for one")
    asked = summary_request(
        said_in(pruned.gone),
        model=summariser.model,
        window=summariser.window,
        max_tokens=min(summary_tokens(room), summariser.window // 4),
        factor=ctx.selection(summariser.model, window=summariser.window).factor,
    )
    if asked is None:
        return Summary(summariser.model, problem=f"its window of {summariser.window} tokens is too small")
    request, left_out = asked
    made = await ctx.summary(request)
    if not made.text:
        return made
    before = selection.total
    selection.put_summary(pruned, told_of_summary(made.text, room))
    return replace(made, tokens=selection.total - before, left_out=left_out)
