"""The lanes of a timeline: what each node did when, as a fold of a view; and the stretch of time that is looked at."""

from __future__ import annotations

import re
from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from engine.view import Mark, NodeState, TimelineEntry, View, VisitView

IntervalKind = Literal["queued", "run", "taken_back"]
"""Waiting for a slot or for the next attempt; running; run, but taken back by a retry."""

RUN = ""
"""Path of the lane of the run itself: its begin and end, checkpoints, breakers."""
MAX_ROWS = 5
"""Rows of one lane; what would be stacked higher shares the last one."""
RUN_MARKS = frozenset({"checkpoint", "commit", "rollback", "breaker", "resumed", "fork"})
"""Marks that belong to the run, whichever node they name."""
_PRIORITY: dict[Mark, int] = {
    "error": 14, "rollback": 13, "commit": 12, "breaker": 11, "undone": 10, "rewind": 9, "prune": 8, "checkpoint": 7,
    "resumed": 6, "fork": 5, "warn": 4, "ok": 3, "start": 2,
}  # fmt: skip
"""Which marker is shown where several stand in one cell; other marks make none."""
_REBUILDS = frozenset({"rewind", "rollback", "fork"})
"""Marks of entries with which visits change that are not their own."""
_ENDS = frozenset({"ok", "error", "warn"})
"""Marks of ends: where the next attempt begins at the same moment, they belong to the one before."""
_VISIT = re.compile(r"#\d+")
_REVISIONS = count(1)


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of a visit. Times are milliseconds of the transaction; `end_ms` is None while it goes on."""

    kind: IntervalKind
    start_ms: int
    end_ms: int | None
    row: int
    state: NodeState
    """That of its visit; `failed` for an attempt that failed."""


@dataclass(frozen=True, slots=True, order=True)
class Marker:
    """Something that happened at one moment."""

    t_ms: int
    index: int
    """Of its entry in the view's timeline."""
    row: int
    mark: Mark = field(compare=False)

    @property
    def priority(self) -> int:
        return _PRIORITY[self.mark]


@dataclass(slots=True)
class Lane:
    """One node, or the run. What ran in several visits of an outer one (`loop#1/draft`, `loop#2/draft`) is one lane."""

    name: str
    """Its path without the numbers of outer visits."""
    path: str
    """The path of the node that ran in it last."""
    intervals: list[Interval] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    rows: int = 1
    """How many rows it needs."""
    revision: int = 0
    """Another one after every change; never that of another lane."""
    _visits: list[tuple[str, VisitView]] = field(default_factory=list)
    _done: int = 0
    """Visits, from the first on, that will not change any more."""
    _kept: int = 0
    """Intervals of those."""
    _ends: list[float] = field(default_factory=list)
    """When each row becomes free, after those."""
    _taken_back: dict[str, int] = field(default_factory=dict)
    """Path -> how many of its visits, of those, a retry took back."""

    @property
    def depth(self) -> int:
        """In how many other nodes it runs."""
        return self.name.count("/")

    @property
    def open(self) -> bool:
        """Whether something in it goes on."""
        return any(each.end_ms is None for each in self.intervals[self._kept :])

    def row_at(self, t_ms: int, *, begins: bool) -> int:
        """The row of what began at `t_ms`, or else of what went on or ended then."""
        for interval in reversed(self.intervals):
            if interval.start_ms <= t_ms and (
                begins or interval.start_ms < t_ms or interval.start_ms == interval.end_ms
            ):
                return interval.row
        return 0

    def add(self, path: str, visit: VisitView) -> None:
        self.path = path
        self._visits.append((path, visit))

    def build(self, ended: EndOf) -> None:
        """Make the intervals of visits that may have changed."""
        del self.intervals[self._kept :]
        ends, taken_back = list(self._ends), dict(self._taken_back)
        settled = True
        for number, (path, visit) in enumerate(self._visits[self._done :], self._done):
            end = ended(visit)
            for interval in _stacked(visit, end, ends, taken_back.get(path, 0)):
                self.intervals.append(interval)
                self.rows = max(self.rows, interval.row + 1)
            if visit.rewound:
                taken_back[path] = taken_back.get(path, 0) + 1
            settled = settled and end is not None
            if settled:
                self._done, self._kept = number + 1, len(self.intervals)
                self._ends, self._taken_back = list(ends), dict(taken_back)
        self.revision = next(_REVISIONS)


class EndOf:
    """Tells when a visit ended: some are cut off by a retry or by the end of the run, and have no end of their own."""

    def __init__(self, view: View, rewinds: Sequence[int]) -> None:
        self._view, self._rewinds = view, rewinds

    def __call__(self, visit: VisitView) -> int | None:
        if visit.finished_ms is not None:
            return max(visit.finished_ms, visit.started_ms)
        if visit.rewound:
            after = bisect_right(self._rewinds, visit.started_ms - 1)
            return self._rewinds[after] if after < len(self._rewinds) else visit.started_ms
        return max(self._view.t_ms, visit.started_ms) if self._view.finished else None


def _stacked(visit: VisitView, end: int | None, ends: list[float], base: int) -> list[Interval]:
    """The intervals of a visit: attempts one below the other, from the first row on that is free; marks them as taken.

    Args:
        visit: the visit.
        end: when it ended; None while it goes on.
        ends: when each row becomes free; changed.
        base: the row to begin with: how many visits of the node a retry took back before.
    """
    parts = list(_parts(visit, end))
    height = max(part.row for part in parts) + 1
    row = min(base, MAX_ROWS - 1)
    while row < MAX_ROWS - 1 and any(until > visit.started_ms for until in ends[row : row + height]):
        row += 1
    top = min(row + height, MAX_ROWS)
    ends += [0.0] * (top - len(ends))
    for each in range(row, top):
        ends[each] = float("inf") if end is None else end
    return [
        Interval(part.kind, part.start_ms, part.end_ms, min(row + part.row, MAX_ROWS - 1), part.state) for part in parts
    ]


def _parts(visit: VisitView, end: int | None) -> Iterator[Interval]:
    """The parts of a visit from its start to its end, with rows counted from its first attempt on."""
    points = sorted(_points(visit), key=lambda point: point[0])
    done: IntervalKind = "taken_back" if visit.rewound else "run"
    if end == visit.started_ms:
        yield Interval(done, end, end, 0, visit.state)
        return
    for number, (start, queued, row, failed) in enumerate(points):
        last = number == len(points) - 1
        until = end if last else points[number + 1][0]
        if end is not None:
            start, until = min(start, end), end if until is None else min(until, end)
        if until is not None and until <= start:
            continue  # nothing of it can be seen
        state: NodeState = "failed" if failed or (last and visit.state == "failed") else visit.state
        yield Interval("queued" if queued else done, start, until, row, state)


def _points(visit: VisitView) -> Iterator[tuple[int, bool, int, bool]]:
    """(when, queued, row, failed) of every change in a visit."""
    yield visit.started_ms, False, 0, False
    for number, restart in enumerate(visit.restarts_ms, 1):
        yield restart, False, number, False
    for call in visit.attempts:
        tries = bisect_right(visit.restarts_ms, call.started_ms)
        row = tries + call.attempt - 1
        if call.queued_ms:
            yield max(call.started_ms - call.queued_ms, visit.started_ms), True, row, False
        yield call.started_ms, False, row, call.error is not None
        if call.error is not None and call.finished_ms is not None:
            yield call.finished_ms, True, row, True


class Lanes:
    """The lanes of one view; `update` takes in what is new since it was called last."""

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.end_ms = 0
        """When the latest event happened."""
        self.running = False
        self.recent = RUN
        """Name of the lane in which something happened last."""
        self._begin(View())

    @classmethod
    def of(cls, view: View) -> Lanes:
        """The lanes of a whole view."""
        lanes = cls()
        lanes.update(view)
        return lanes

    def _begin(self, view: View) -> None:
        self._timeline: list[TimelineEntry] = view.timeline
        self._seen = 0
        self._last: TimelineEntry | None = None
        self._rewinds: list[int] = []
        self._counted: dict[str, int] = {}
        self._by_name: dict[str, Lane] = {}
        self.lanes.clear()

    def lane_of(self, path: str) -> Lane | None:
        """The lane of a node's path."""
        return self._by_name.get(lane_name(path))

    def update(self, view: View) -> bool:
        """Take over what is new in `view`; true when something is."""
        timeline = view.timeline
        fewer = len(timeline) < self._seen or (self._seen and timeline[self._seen - 1] is not self._last)
        if timeline is not self._timeline or fewer:
            self._begin(view)
        ended = self.running and view.finished
        self.end_ms, self.running = max(view.t_ms, timeline[-1].t_ms if timeline else 0), not view.finished
        if len(timeline) == self._seen and not ended:
            return False
        new = timeline[self._seen :]
        if any(entry.mark in _REBUILDS for entry in new) and self._seen:
            self._begin(view)
            new = timeline
        self._rewinds += [entry.t_ms for entry in new if entry.mark == "rewind"]
        self._take(view, new)
        return True

    def _take(self, view: View, new: Sequence[TimelineEntry]) -> None:
        begins = not self._by_name
        self._lane(RUN)
        touched = {lane.name for lane in self.lanes if lane.open}
        paths = dict.fromkeys(entry.node for entry in new if entry.node in view.nodes)
        for path in dict.fromkeys((*paths, *view.nodes)) if begins else paths:
            touched |= self._visits_of(view, path)
        end = EndOf(view, self._rewinds)
        for name in touched:
            self._by_name[name].build(end)
        for index, entry in enumerate(new, self._seen):
            self._mark(index, entry)
        self._seen = len(self._timeline)
        self._last = self._timeline[-1] if self._timeline else None

    def _visits_of(self, view: View, path: str) -> set[str]:
        visits = view.nodes[path].visits
        if not visits:
            return set()
        lane = self._lane(lane_name(path))
        for visit in visits[self._counted.get(path, 0) :]:
            lane.add(path, visit)
        self._counted[path] = len(visits)
        return {lane.name}

    def _mark(self, index: int, entry: TimelineEntry) -> None:
        lane = self._by_name.get(lane_name(entry.node)) if entry.mark not in RUN_MARKS else None
        lane = lane or self._by_name[RUN]
        if lane.name:
            self.recent = lane.name
        if entry.mark in _PRIORITY:
            insort(
                lane.markers,
                Marker(entry.t_ms, index, lane.row_at(entry.t_ms, begins=entry.mark not in _ENDS), entry.mark),
            )
            lane.revision = next(_REVISIONS)

    def _lane(self, name: str) -> Lane:
        """The lane of that name; a new one comes behind the others of its outer node, else at the end."""
        lane = self._by_name.get(name)
        if lane is None:
            lane = self._by_name[name] = Lane(name, name)
            around = name.rpartition("/")[0]
            inside = [n for n, each in enumerate(self.lanes) if around and f"{each.name}/".startswith(f"{around}/")]
            self.lanes.insert(inside[-1] + 1 if inside else len(self.lanes), lane)
        return lane


def lane_name(path: str) -> str:
    """The name of a path's lane."""
    return _VISIT.sub("", path) if "/" in path else path


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of time that is drawn, in milliseconds, and on how many cells."""

    start_ms: float
    span_ms: float
    cells: int

    def column(self, t_ms: float) -> int:
        """The cell of a moment; the end of the stretch is in the last one, what lies outside has cells outside."""
        column = int((t_ms - self.start_ms) * self.cells // self.span_ms)
        return self.cells - 1 if column == self.cells and t_ms <= self.start_ms + self.span_ms else column

    def time(self, column: int) -> float:
        """The moment in the middle of a cell."""
        return self.start_ms + (column + 0.5) * self.span_ms / max(self.cells, 1)


def roomy(end_ms: float) -> float:
    """A length that holds `end_ms`, and stays the same for a while as that grows, so that drawings can be kept."""
    span = 1000.0
    while span < end_ms:
        span *= 1.25
    return span
