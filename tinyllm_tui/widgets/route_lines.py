"""A router's decision as lines: the route, every label's score, the stage that decided, the nearest utterances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from engine.events import RouteDecided
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import UNICODE, Glyphs, Line, Span, cut, short_duration, wrapped

_LABELS = 40
"""Scores that are shown; the best ones."""
_LABEL = 24
_BAR = 24
"""Columns of a label's name, and of the bar of its score, at most."""


def route_lines(route: RouteDecided, width: int, signs: Glyphs = UNICODE) -> Iterator[Line]:
    """What a router decided and why, in at most `width` columns."""
    why = f" ({route.reason})" if route.reason else ""
    yield from _fact("route", f"{route.route} by {route.stage}{why}, to {route.target}", width)
    yield from _scores(route, width, signs)
    if route.nearest:
        yield (("  nearest utterances", "faint"),)
        for text, similarity, labels in route.nearest:
            head = f"    {similarity:5.2f} {cut(one_line(labels, 80), _LABEL, signs.ellipsis)}  "
            said = cut(one_line(text, 400), max(width - cell_len(head), 8), signs.ellipsis)
            yield ((cut(head, width), "dim"), (said, "text")) if cell_len(head) + 8 <= width else ((said, "text"),)
    if route.stages:
        stages = (f"{one_line(name, 40)} {short_duration(micros / 1000)}" for name, micros in route.stages)
        yield from _fact("asked", f" {signs.dot} ".join(stages), width)
    if route.note:
        yield from _fact("note", route.note, width)


def _scores(route: RouteDecided, width: int, signs: Glyphs) -> Iterator[Line]:
    """One line for each label: a sign where it was found, its name, a bar and the figure."""
    best = sorted(route.scores.items(), key=lambda each: -each[1])[:_LABELS]
    if not best:
        return
    yield (("  scores", "faint"),)
    longest = min(max(cell_len(one_line(name, 80)) for name, _ in best), _LABEL, max(width // 2, 4))
    room = min(width - longest - 12, _BAR)
    for name, score in best:
        found = name in route.labels
        label = cut(one_line(name, 80), longest, signs.ellipsis)
        sign: Span = (f"  {signs.nodes['ok']} ", "ok") if found else ("    ", "text")
        spans: Sequence[Span] = (
            sign,
            (label + " " * (longest - cell_len(label) + 1), "strong" if found else "text"),
            *(_bar(score, room, signs, found=found) if room >= 4 else ()),
            (f" {score:.2f}", "strong" if found else "dim"),
        )
        yield tuple(spans)


def _bar(score: float, room: int, signs: Glyphs, *, found: bool) -> tuple[Span, Span]:
    filled = round(max(0.0, min(score, 1.0)) * room)
    return (signs.full * filled, "ok" if found else "primary"), (signs.empty * (room - filled), "faint")


def _fact(name: str, text: str, width: int) -> Iterator[Line]:
    yield from wrapped(((f"  {name} ", "faint"), (one_line(text), "text")), width, indent=4)
