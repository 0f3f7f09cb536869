"""Lanes as text: the cells of each row of a lane for a stretch of time, and the scale above them.

A bar has two steps in each cell. A marker stands in the cell of its moment, over the bar; where several meet, the one
that matters most is shown: an error is never hidden.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from engine.view import NodeState
from tinyllm_tui.lanes import RUN, Interval, Lane, Marker, Window
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import MARK_TONES, NODE_TONES, Glyphs, Line, Span, Tone, cut, duration

Cell = tuple[str, Tone]
_BLANK: Cell = (" ", "text")
_STEPS = (1, 2, 2.5, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds between two numbers of the scale, beside their tenths, hundredths and thousandths."""
_QUEUED, _TAKEN_BACK, _RUN, _FAILED, _RUNNING = 1, 2, 3, 4, 5
"""What may fill half a cell; the highest is shown."""
_TONES: dict[int, Tone] = {
    _QUEUED: "queued", _TAKEN_BACK: "taken_back", _RUN: "run", _FAILED: "lane_failed", _RUNNING: "lane_running"
}  # fmt: skip
_NAME = 18
"""Columns of the names, at most."""


@dataclass(frozen=True, slots=True)
class Bars:
    """The characters of bars: whole cells, and the halves of a solid one."""

    run: str
    left: str
    right: str
    queued: str
    taken_back: str
    thread: str
    playhead: str
    tick: str
    below: str
    """Begins the row of a further attempt."""

    @staticmethod
    def of(signs: Glyphs) -> Bars:
        """Those that go with `signs`."""
        return _ASCII if signs.bar == "|" else _UNICODE


_UNICODE = Bars("━", "╸", "╺", "┄", "╍", "─", "│", "╵", "↳")
_ASCII = Bars("=", "=", "=", ".", "~", "-", "|", "'", "`")


@dataclass(frozen=True, slots=True)
class Look:
    """How lanes are drawn."""

    window: Window
    label: int
    """Columns of the names, with the space after them."""
    signs: Glyphs
    now_ms: float
    """Where bars end that go on."""
    playhead_ms: float | None = None
    """The moment of a replay; what comes after it is drawn faint."""
    selected: str | None = None
    """Name of the selected lane."""


def label_width(lanes: Sequence[Lane], width: int) -> int:
    """Columns for the names in a pane of `width` columns, with the space after them."""
    longest = max((cell_len(_name(lane)) for lane in lanes), default=0)
    return min(longest, _NAME, max(width // 4, 4)) + 3


def lane_lines(lane: Lane, look: Look, state: Cell, only: Container[int] | None = None) -> list[Line]:
    """The rows of a lane, each as wide as the names and the window.

    Args:
        lane: what is drawn.
        look: how.
        state: sign and tone of what its node is doing.
        only: indexes of the entries whose markers are shown; None: all.
    """
    rows = []
    for row in range(lane.rows):
        cells = _bars([each for each in lane.intervals if each.row == row], look)
        if lane.name == RUN:
            cells = _thread(look)
        marked = _put_markers(cells, lane, row, look, only)
        if look.playhead_ms is not None:
            cells = _with_playhead(cells, marked, look)
        rows.append((*_label(lane, row, look, state), *_spans(cells)))
    return rows


def scale_line(look: Look) -> Line:
    """The times above the lanes: a number at every round moment that has room for one, and that of the playhead."""
    window, bars = look.window, Bars.of(look.signs)
    cells: list[Cell] = [_BLANK] * window.cells
    left, head = _playhead_words(look)
    for at, moment in scale_moments(window):
        column, words = window.column(at), bars.tick + moment
        apart = not head or column + len(words) < left or column > left + len(head)
        if column + len(words) <= window.cells and apart:
            cells[column : column + len(words)] = [(each, "faint") for each in words]
    cells[left : left + len(head)] = [(each, "title") for each in head]
    return ((" " * look.label, "text"), *_spans(cells))


def _playhead_words(look: Look) -> tuple[int, str]:
    """Where the moment of a replay is written on the scale, and how; the line of the playhead goes through it."""
    cells = look.window.cells
    column = -1 if look.playhead_ms is None else look.window.column(look.playhead_ms)
    if look.playhead_ms is None or not 0 <= column < cells:
        return 0, ""
    line, words = Bars.of(look.signs).playhead, duration(look.playhead_ms)
    if column + len(words) < cells:
        return column, line + words
    return (column - len(words), words + line) if column >= len(words) else (column, line)


def scale_moments(window: Window) -> Iterator[tuple[float, str]]:
    """The round moments of a stretch of time, and how they are written; as many as have room beside each other."""
    step = _step(window)
    number = -(-window.start_ms // step)
    while (at := number * step) <= window.start_ms + window.span_ms:
        yield at, _moment(at, step)
        number += 1


def marker_at(lane: Lane, row: int, column: int, window: Window, only: Container[int] | None = None) -> Marker | None:
    """The marker that is shown in a cell; None where there is none."""
    shown = [each for each in _in_window(lane, window) if each.row == row and window.column(each.t_ms) == column]
    return max((each for each in shown if only is None or each.index in only), key=_grave, default=None)


def _grave(marker: Marker) -> tuple[int, int]:
    return marker.priority, marker.index


def _in_window(lane: Lane, window: Window) -> list[Marker]:
    first = bisect_left(lane.markers, window.start_ms, key=lambda marker: marker.t_ms)
    last = bisect_left(lane.markers, window.start_ms + window.span_ms + 1, key=lambda marker: marker.t_ms)
    return lane.markers[first:last]


def _bars(intervals: Sequence[Interval], look: Look) -> list[Cell]:
    """The cells of one row: what fills each half of a cell decides its character."""
    window = look.window
    halves = bytearray(2 * window.cells + 2)
    scale = 2 * window.cells / window.span_ms
    for interval in intervals:
        end = look.now_ms if interval.end_ms is None else interval.end_ms
        first = max(int((interval.start_ms - window.start_ms) * scale), 0)
        last = min(max(round((end - window.start_ms) * scale), first + 1), 2 * window.cells)
        if first >= 2 * window.cells or end < window.start_ms:
            continue
        fill = _fill(interval)
        if fill <= _QUEUED:  # whole cells: a dim half beside a solid one would make that longer than it was
            first, last = first - first % 2, last + last % 2
        if not any(halves[first:last]):
            halves[first:last] = bytes([fill]) * (last - first)
        else:
            for half in range(first, last):
                halves[half] = max(halves[half], fill)
    cells = [_cell(halves[2 * n], halves[2 * n + 1], Bars.of(look.signs)) for n in range(window.cells)]
    _say_time(cells, intervals, look)
    return cells


def _fill(interval: Interval) -> int:
    if interval.kind == "queued":
        return _QUEUED
    if interval.kind == "taken_back":
        return _TAKEN_BACK
    if interval.end_ms is None:
        return _RUNNING
    return _FAILED if interval.state == "failed" else _RUN


def _cell(left: int, right: int, bars: Bars) -> Cell:
    most = max(left, right)
    if not most:
        return _BLANK
    if most == _QUEUED:
        return bars.queued, "queued"
    if most == _TAKEN_BACK:
        return bars.taken_back, "taken_back"
    solid = (left > _QUEUED, right > _QUEUED)
    return (bars.run if all(solid) else bars.left if solid[0] else bars.right), _TONES[most]


def _say_time(cells: list[Cell], intervals: Sequence[Interval], look: Look) -> None:
    """How long the last visit took, or has taken, after its bar where there is room."""
    if not intervals:
        return
    last = intervals[-1]
    end = look.now_ms if last.end_ms is None else last.end_ms
    first = last.start_ms
    for each in reversed(intervals):  # the parts of one visit follow each other without a gap
        if each.end_ms not in (first, last.end_ms):
            break
        first = each.start_ms
    words = duration(end - first)
    column = look.window.column(end) + 2
    crossed = look.playhead_ms is not None and 0 <= look.window.column(look.playhead_ms) - column < len(words)
    room = column > 0 and column + len(words) <= look.window.cells and not crossed
    if room and all(cell == _BLANK for cell in cells[column:]):
        cells[column : column + len(words)] = [(each, "faint") for each in words]


def _thread(look: Look) -> list[Cell]:
    """The lane of the run: a thin line as far as it went."""
    last = look.window.column(look.now_ms)
    bar = Bars.of(look.signs).thread
    return [(bar, "faint") if column <= last else _BLANK for column in range(look.window.cells)]


def _put_markers(cells: list[Cell], lane: Lane, row: int, look: Look, only: Container[int] | None) -> Container[int]:
    """Put the markers of a row into its cells; returns which cells those are."""
    best: dict[int, Marker] = {}
    for marker in _in_window(lane, look.window):
        if marker.row != row or (only is not None and marker.index not in only):
            continue
        column = look.window.column(marker.t_ms)
        if 0 <= column < len(cells) and (column not in best or _grave(marker) > _grave(best[column])):
            best[column] = marker
    for column, marker in best.items():
        cells[column] = (look.signs.marks[marker.mark], MARK_TONES[marker.mark])
    return best.keys()


def _with_playhead(cells: list[Cell], marked: Container[int], look: Look) -> list[Cell]:
    """The cells with the playhead, which covers no marker; those after it are faint."""
    column = look.window.column(look.playhead_ms or 0)
    shown: list[Cell] = [cell if n <= column else (cell[0], "faint") for n, cell in enumerate(cells)]
    if 0 <= column < len(cells) and column not in marked:
        shown[column] = (Bars.of(look.signs).playhead, "title")
    return shown


def _label(lane: Lane, row: int, look: Look, state: Cell) -> tuple[Span, ...]:
    signs, room = look.signs, look.label - 3
    chosen = lane.name == look.selected
    if row:
        return ((set_cell_size(f"  {' ' * lane.depth}{Bars.of(signs).below}{row + 1}", look.label), "faint"),)
    name = set_cell_size(cut(_name(lane), room, signs.ellipsis), room)
    sign: Span = (signs.prompt, "title") if chosen else state
    return sign, (" ", "text"), (f"{name} ", "title" if chosen else "dim" if lane.name == RUN else "text")


def _name(lane: Lane) -> str:
    """How a lane is called: the node itself, set in where it runs inside another."""
    return f"{' ' * lane.depth}{one_line(lane.name.rpartition('/')[2], 80)}" if lane.name != RUN else "run"


def lane_state(state: NodeState | None, signs: Glyphs) -> Cell:
    """Sign and tone of what a lane's node is doing; none for the lane of the run."""
    return (" ", "text") if state is None else (signs.nodes[state], NODE_TONES[state])


def _spans(cells: Sequence[Cell]) -> tuple[Span, ...]:
    """Cells of one tone joined."""
    spans: list[Span] = []
    for text, tone in cells:
        if spans and spans[-1][1] == tone:
            spans[-1] = (spans[-1][0] + text, tone)
        else:
            spans.append((text, tone))
    return tuple(spans)


def _step(window: Window) -> float:
    """Milliseconds between two numbers of the scale, so that they stand apart."""
    least = window.span_ms * 11 / max(window.cells, 1)
    for scale in (1, 10, 100):
        for seconds in (1, 2, 5):
            if seconds * scale >= least:
                return seconds * scale
    return next((1000 * seconds for seconds in _STEPS if 1000 * seconds >= least), least)


def _moment(ms: float, step: float) -> str:
    """A number of the scale."""
    if step < 100:
        return f"{ms / 1000:.3f}s"
    if ms < 60_000:
        return f"{ms / 1000:.1f}s" if step % 1000 else f"{ms / 1000:.0f}s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    if minutes < 60:
        return f"{minutes}m{seconds:02d}s" if step < 60_000 else f"{minutes}m"
    return f"{minutes // 60}h{minutes % 60:02d}m"
