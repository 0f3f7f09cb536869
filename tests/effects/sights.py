"""What is looked at in a run."""

from __future__ import annotations

from typing import Any

from engine import events as ev
from tests.effects.case import Seen
from tests.scripted_backend import system_of


def answer(seen: Seen) -> str:
    """The answer, `error <code>` of a run that failed, or `refused <field>` of a graph that cannot run."""
    if seen.problems:
        return f"refused {seen.problems[0].location[-1]}"
    error = seen.ran.result.error
    return seen.ran.result.text if error is None else f"error {error.code}"


def exit_of(seen: Seen) -> str:
    """The exit at which it ended, or the error."""
    committed = seen.ran.all(ev.Committed)
    return committed[0].exit_node if committed else answer(seen)


def data(*names: str) -> Any:
    """These fields of the answer's data, as far as they are there."""
    return lambda seen: {name: seen.ran.result.data[name] for name in names if name in seen.ran.result.data}


def calls(seen: Seen) -> int:
    """How often a model was asked."""
    return len(seen.requests)


def models_asked(seen: Seen) -> list[str]:
    return [request.model for request in seen.requests]


def system(seen: Seen) -> str:
    """What the model was told first."""
    return system_of(seen.requests[0])


def told(seen: Seen) -> list[tuple[str, str]]:
    """(role, content) of all that the model was told in the last call."""
    return [(message.role, message.content) for message in seen.requests[-1].messages]


def attempts(seen: Seen) -> list[int]:
    """The attempts of the first visit of `x`."""
    return [body.attempt for body in seen.ran.all(ev.NodeStarted) if body.path == "x" and body.visit == 1]


def begun(seen: Seen) -> dict[str, Any]:
    """The graph as the `begin` event has it."""
    return seen.ran.all(ev.Begin)[0].graph


def route(seen: Seen) -> str:
    return seen.ran.all(ev.RouteDecided)[0].route


def visited(seen: Seen) -> list[str]:
    return seen.ran.visited()
