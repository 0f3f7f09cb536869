"""Folding events into a view."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from engine import events as ev
from engine.view import calls, health, nodes, transactions
from engine.view.values import View

_HANDLERS: dict[type[ev.Body], Callable[[View, ev.Event, Any], None]] = {
    **transactions.HANDLERS,
    **nodes.HANDLERS,
    **calls.HANDLERS,
    **health.HANDLERS,
}


def fold(events: Iterable[ev.Event]) -> View:
    """The view after `events`."""
    view = View()
    for event in events:
        apply(view, event)
    return view


def apply(view: View, event: ev.Event) -> View:
    """Fold one event into `view` (changed in place, and returned).

    Events of the engine stream count from the transaction's begin to its end: before and after that they are
    ignored, so that
    a live subscriber and a later reader see the same.
    """
    if event.tx is None:
        if view.status == "created" or view.finished:
            return view
    else:
        view.t_ms = event.t_ms
    view.gseq = event.gseq
    view.events += 1
    handler = _HANDLERS.get(type(event.body))
    if handler is not None:
        handler(view, event, event.body)
    return view
