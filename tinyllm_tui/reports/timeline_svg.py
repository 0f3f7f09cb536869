"""The timeline of a run as an SVG picture: the lanes of the cockpit, to scale, with what each mark means on hovering.

The picture is complete in itself: no script, font or image comes from elsewhere. It follows the reader's choice of a
dark or a light scheme.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from engine.view import TimelineEntry, View
from tinyllm_tui.lanes import RUN, Lane, Lanes, Marker, Window
from tinyllm_tui.lanes_drawing import scale_moments
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import UNICODE, duration

_WIDTH, _LABEL, _ROW, _TOP, _EDGE = 1200, 190, 24, 92, 24
"""Pixels: of the picture, of the names, of a row, above the lanes, around everything."""
_SCALE_CELLS = 110
"""Cells of a pane as wide as the picture: its scale has as many numbers."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (production 2)."""
_KINDS = {"queued": "waiting", "run": "running", "taken_back": "taken back by a retry"}
_SIGNED = {
    "start": "start", "ok": "done", "error": "error", "warn": "warning", "breaker": "breaker", "prune": "pruned",
    "checkpoint": "checkpoint", "rewind": "retry", "undone": "taken back", "commit": "committed",
    "rollback": "rolled back",
}  # fmt: skip
_PALETTES = {
    "light": {
        "back": "#fbfcfe", "text": "#1f2733", "dim": "#6b7688", "line": "#dfe4ec", "run": "#2f6fd0", "good": "#1c7f48",
        "bad": "#c42b3a", "warning": "#96690a", "accent": "#0b7f77", "pruned": "#7347b8",
    },
    "dark": {
        "back": "#12161d", "text": "#d3d9e3", "dim": "#8b95a7", "line": "#2b3442", "run": "#6cb6ff", "good": "#7ee2a0",
        "bad": "#ff8087", "warning": "#e6c26a", "accent": "#4fd1c5", "pruned": "#b392f0",
    },
}  # fmt: skip
_COLOURS = """\
text {{ fill: {text}; }} .back {{ fill: {back}; }} .grid {{ stroke: {line}; }} .dim, .queued {{ fill: {dim}; }}
.run {{ fill: {run}; }} .taken_back {{ fill: none; stroke: {dim}; }} .prune {{ fill: {pruned}; }}
.ok, .commit {{ fill: {good}; }} .failed, .error, .rollback {{ fill: {bad}; }}
.warn, .breaker, .rewind, .undone {{ fill: {warning}; }} .start, .checkpoint, .resumed, .fork {{ fill: {accent}; }}
"""
_STYLE = (
    "\ntext { font: 13px 'DejaVu Sans Mono', ui-monospace, Menlo, Consolas, monospace; }\n"
    ".title { font-weight: bold; font-size: 16px; }\n.queued { opacity: 0.35; }\n"
    ".taken_back { stroke-dasharray: 3 3; }\n"
    f"{_COLOURS.format(**_PALETTES['light'])}"
    f"@media (prefers-color-scheme: dark) {{\n{_COLOURS.format(**_PALETTES['dark'])}}}\n"
)
"""Written out for both schemes: some programs that show pictures know no variables."""


def timeline_svg(view: View) -> str:
    """The whole timeline of `view` as one XML document, in UTF-8."""
    lanes = Lanes.of(view)
    rows = sum(lane.rows for lane in lanes.lanes)
    height = _TOP + rows * _ROW + 2 * _ROW + _EDGE
    root = ElementTree.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_WIDTH} {height}", width=str(_WIDTH),
        height=str(height), role="img",
    )  # fmt: skip
    ElementTree.SubElement(root, "title").text = _clean(f"Run #{view.number}: {view.question}", 300)
    ElementTree.SubElement(root, "style").text = _STYLE
    ElementTree.SubElement(root, "rect", {"class": "back", "width": "100%", "height": "100%"})
    window = Window(0, max(lanes.end_ms, 1), _WIDTH - _LABEL - 2 * _EDGE)
    _head(root, view, lanes)
    _scale(root, window, _TOP + rows * _ROW)
    y = _TOP
    for lane in lanes.lanes:
        _lane(root, lane, view, window, y)
        y += lane.rows * _ROW
    _legend(root, y + _ROW + _EDGE // 2)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _clean(text: str, limit: int) -> str:
    """Outside text as one line that XML can hold; the writer escapes what has a meaning in it."""
    return _NOT_XML.sub("\ufffd", one_line(text, limit))


def _text(parent: ElementTree.Element, x: float, y: float, words: str, style: str, **more: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": style, **more})
    element.text = words
    return element


def _head(root: ElementTree.Element, view: View, lanes: Lanes) -> None:
    status = view.status.replace("_", " ") + (f" ({view.exit or view.reason})" if view.exit or view.reason else "")
    graph = str(view.graph.get("name") or view.graph.get("id") or "")
    _text(root, _EDGE, 32, _clean(f"#{view.number} {view.question}", 110), "title")
    _text(root, _EDGE, 54, _clean(f"{graph}, {status}, {duration(lanes.end_ms)}", 140), "dim")


def _scale(root: ElementTree.Element, window: Window, bottom: int) -> None:
    for at, words in scale_moments(Window(0, window.span_ms, _SCALE_CELLS)):
        x = _x(at, window)
        line = {"x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": str(_TOP - 8), "y2": str(bottom), "class": "grid"}
        ElementTree.SubElement(root, "line", line)
        if x < _WIDTH - 2 * _EDGE:
            _text(root, x + 3, _TOP - 10, words, "dim")


def _lane(root: ElementTree.Element, lane: Lane, view: View, window: Window, top: int) -> None:
    name = "run" if lane.name == RUN else _clean(lane.name, 24)
    _text(root, _EDGE, top + 16, name, "dim" if lane.name == RUN else "name")
    if lane.name == RUN:
        line = {"x1": f"{_x(0, window):.1f}", "x2": f"{_x(window.span_ms, window):.1f}", "class": "grid"}
        ElementTree.SubElement(root, "line", line | {"y1": str(top + 12), "y2": str(top + 12)})
    for interval in lane.intervals:
        end = view.t_ms if interval.end_ms is None else interval.end_ms
        left, right = _x(interval.start_ms, window), _x(end, window)
        style = "failed" if interval.state == "failed" and interval.kind == "run" else interval.kind
        box = ElementTree.SubElement(
            root, "rect", {
                "class": style, "x": f"{left:.1f}", "y": str(top + interval.row * _ROW + 7), "rx": "2",
                "width": f"{max(right - left, 1):.1f}", "height": "10",
            },
        )  # fmt: skip
        words = f"{name}: {_KINDS[interval.kind]}, {duration(end - interval.start_ms)}"
        ElementTree.SubElement(box, "title").text = words
    for row in range(1, lane.rows):
        _text(root, _EDGE + 16, top + row * _ROW + 16, f"↳ {row + 1}", "dim")
    for marker in sorted(lane.markers, key=lambda each: each.priority):  # the gravest is written last, on top
        _marker(root, marker, view.timeline[marker.index], _x(marker.t_ms, window), top + marker.row * _ROW + 12)


def _marker(root: ElementTree.Element, marker: Marker, entry: TimelineEntry, x: float, y: int) -> None:
    """A sign on a spot of the background, so that it can be read on a bar too."""
    group = ElementTree.SubElement(root, "g")
    ElementTree.SubElement(group, "title").text = _said(entry)
    ElementTree.SubElement(group, "circle", {"class": "back", "cx": f"{x:.1f}", "cy": str(y), "r": "7"})
    _text(group, x, y + 5, UNICODE.marks[marker.mark], marker.mark, **{"text-anchor": "middle"})


def _said(entry: TimelineEntry) -> str:
    node = f"{entry.node}: " if entry.node else ""
    return _clean(f"{duration(entry.t_ms)} {node}{entry.text}", 300)


def _legend(root: ElementTree.Element, y: float) -> None:
    x = float(_EDGE)
    for mark, words in _SIGNED.items():
        _text(root, x, y, UNICODE.marks[mark], mark)
        _text(root, x + 16, y, words, "dim")
        x += 34 + 8 * len(words)


def _x(t_ms: float, window: Window) -> float:
    """The place of a moment, in pixels."""
    return _EDGE + _LABEL + (t_ms - window.start_ms) * window.cells / window.span_ms
