"""Traces: the steps of a run as aligned lines, from its events."""

from __future__ import annotations

from collections.abc import Callable

from engine import events as ev
from engine.run.result import Result
from engine.view import TimelineEntry, View, apply
from tinyllm_tui.cli.output import one_line
from tinyllm_tui.widgets.recalled_lines import recalled_trace
from tinyllm_tui.widgets.route_lines import route_lines
from tinyllm_tui.words import ASCII, plain

_INDENT = " " * 12
_WIDTH = 108
"""Columns of what stands below a step."""
_SIGNS = {
    "info": " ",
    "start": ">",
    "ok": "+",
    "error": "x",
    "warn": "!",
    "checkpoint": "=",
    "commit": "*",
    "rollback": "<",
    "rewind": "<",
    "prune": "-",
    "breaker": "!",
    "fork": "Y",
    "resumed": ">",
    "undone": "<",
}


def timeline_line(entry: TimelineEntry, width: int) -> str:
    """One line: seconds since the begin, sign, node, what happened."""
    node = f"{one_line(entry.node, width):<{width}}"
    return f"{entry.t_ms / 1000:9.3f} s  {_SIGNS[entry.mark]} {node}  {one_line(entry.text)}"


def node_width(view: View) -> int:
    """Cells that the names of the nodes take."""
    return min(max((len(path) for path in view.nodes), default=8), 32)


def usage_text(usage: ev.Usage) -> str:
    """Token counts in words."""
    calls = f"{usage.model_calls} model call{'' if usage.model_calls == 1 else 's'}"
    about = "" if usage.exact else " (estimated)"
    return f"{calls}, {usage.prompt_tokens} prompt + {usage.completion_tokens} completion tokens{about}"


def models_used(view: View) -> list[str]:
    """The models that were asked, in the order of their first request."""
    attempts = [attempt for node in view.nodes.values() for visit in node.visits for attempt in visit.attempts]
    return list(dict.fromkeys(attempt.model for attempt in sorted(attempts, key=lambda a: a.started_ms)))


class Trace:
    """Prints what happens in a run, line by line.

    Args:
        write: prints one line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._view = View()
        self._printed = 0

    def feed(self, event: ev.Event) -> None:
        """Take the next event of the run."""
        apply(self._view, event)
        if isinstance(event.body, ev.Begin):
            graph = event.body.graph
            self._write(
                f"graph {graph.get('id', '')} {graph.get('version', '')} on {event.body.backend or 'no backend'}"
            )
        width = node_width(self._view)
        for entry in self._view.timeline[self._printed :]:
            self._write(timeline_line(entry, width))
        self._printed = len(self._view.timeline)
        if isinstance(event.body, ev.Begin):
            for item in event.body.recalled:
                self._write(_INDENT + recalled_trace(item))
        if isinstance(event.body, ev.RouteDecided):
            for line in route_lines(event.body, _WIDTH, ASCII):
                self._write(_INDENT + plain(line))

    def finish(self, result: Result) -> None:
        """The run is over."""
        seconds = self._view.t_ms / 1000
        how = f"exit {result.exit}" if result.status == "committed" else result.reason
        self._write(f"transaction #{result.number} {result.transaction} {result.status} ({how}) in {seconds:.3f} s")
        self._write(f"models {', '.join(models_used(self._view)) or 'none'}; {usage_text(result.usage)}")
