"""The health screen as lines: rates, times, alerts, nodes and models; pure functions of figures and a width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.store.figures import Figures, PartFigures, PartRun, Spread
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.sparkline import buckets, sparkline
from tinyllm_tui.words import Glyphs, Line, Span, Tone, cut, short_duration

if TYPE_CHECKING:
    from engine.store.samples import RunSample
    from tinyllm_tui.alerts import Reading

NARROW, WIDE = 62, 104
"""Columns from which on a table has more columns."""
_BAR = 10
_SPARK = 24


@dataclass(frozen=True, slots=True)
class HealthRow:
    """One line of the screen, and where it leads."""

    draw: Callable[[int], Line]
    """Draws it in so many columns."""
    part: PartFigures | None = None
    """The node or model whose runs it leads to."""
    words: str = ""
    """The filter of transactions that it leads to."""

    @property
    def leads(self) -> bool:
        return self.part is not None or bool(self.words)


def health_rows(found: Figures, alerts: Sequence[Reading], signs: Glyphs, graph: str = "") -> list[HealthRow]:
    """All lines of the screen.

    Args:
        found: the figures.
        alerts: what the rules of the configuration see now.
        signs: the characters to draw with.
        graph: name of the graph that was chosen; nodes then need not say theirs.
    """
    rows = [_heading("Runs"), *_rates(found, signs, graph), *_times(found, signs)]
    rows += [_text("", signs), _heading("Alerts"), *_alerts(alerts, signs)]
    for title, parts in (("Nodes", found.nodes), ("Models", found.models)):
        rows += [_text("", signs), _header(title)]
        rows += [_part_row(part, signs, named=not graph) for part in parts]
        if not parts:
            rows.append(_text("none ran", signs))
    return rows


def _heading(words: str) -> HealthRow:
    return HealthRow(lambda _width: ((words, "title"),))


def _text(words: str, signs: Glyphs) -> HealthRow:
    return HealthRow(lambda width: ((cut(words, width, signs.ellipsis), "dim"),))


# -- rates and times -------------------------------------------------------------------------------------------------


def _rates(found: Figures, signs: Glyphs, graph: str) -> list[HealthRow]:
    of_graph = f" graph:{graph}" if graph else ""

    def share(words: str, tone: Tone, part: int, true: Callable[[RunSample], bool], filter_: str) -> HealthRow:
        series = [1.0 if true(run) else 0.0 for run in found.history]
        rate = found.rate(part) or 0.0
        text = f"{part} of {found.runs} runs"
        return _rate_row(words, tone, rate, text, series, signs, f"{filter_}{of_graph}" if filter_ else "")

    rows = [
        share("success", "ok", found.succeeded, lambda run: run.exit == "success", "status:committed"),
        share("committed", "ok", found.committed, lambda run: run.status == "committed", "status:committed"),
        share("fallback", "warn", found.fallbacks, lambda run: run.exit == "fallback", "status:fallback"),
        share("rolled back", "error", found.failed, lambda run: run.status != "committed", "status:rolled_back"),
        share("breaker opened", "breaker", found.tripped, lambda run: run.opened > 0, ""),
    ]
    cached = found.cached / found.calls if found.calls else 0.0
    rows.append(_rate_row("cache hits", "info", cached, f"{found.cached} of {found.calls} calls", [], signs, ""))
    return rows


def _rate_row(
    words: str, tone: Tone, rate: float, text: str, series: Sequence[float], signs: Glyphs, filter_: str
) -> HealthRow:
    def draw(width: int) -> Line:
        full = round(rate * _BAR)
        bar = signs.full * full + signs.empty * (_BAR - full) + "  " if width >= NARROW else ""
        spans: list[Span] = [(f"{words:<15}", "text"), (bar, tone), (f"{rate * 100:>4.0f} %  ", "strong")]
        short = text.replace(" of ", "/").partition(" ")[0]
        spans.append((f"{text:<18}" if width >= NARROW else f"{short:<10}", "dim"))
        room = min(width - sum(len(each) for each, _ in spans) - 1, 2 * _SPARK)
        if room >= 8 and series:
            values = buckets(series, room, mean=True)
            spans.append((" " + sparkline(values, signs.spark, 1.0), tone))
        return _cut(spans, width, signs)

    return HealthRow(draw, words=filter_)


def _times(found: Figures, signs: Glyphs) -> list[HealthRow]:
    def draw(width: int) -> Line:
        words = _spread_words(found.duration, short_duration)
        series = [float(run.duration_ms) if run.status == "committed" else None for run in found.history]
        spans: list[Span] = [
            (f"{'a whole run':<15}", "text"),
            (words, "strong"),
        ]
        room = min(width - sum(len(each) for each, _ in spans) - 2, 2 * _SPARK)
        if room >= 8:
            spans.append(("  " + sparkline(buckets(series, room), signs.spark), "run"))
        return _cut(spans, width, signs)

    speed = "not known yet"
    if found.speed is not None:
        # a percentile of speeds counts from the fast end, which surprises: p95 would be less than p50
        speed = f"p50 {found.speed.p50:.1f}  slowest 5 % {found.speed.p95:.1f}  slowest 1 % {found.speed.p99:.1f}"
    return [
        HealthRow(draw),
        HealthRow(lambda width: _cut([(f"{'tokens/s':<15}", "text"), (speed, "strong")], width, signs)),
    ]


def _spread_words(spread: Spread | None, write: Callable[[float], str]) -> str:
    if spread is None:
        return "not known yet"
    return f"p50 {write(spread.p50)}  p95 {write(spread.p95)}  p99 {write(spread.p99)}"


# -- alerts ----------------------------------------------------------------------------------------------------------


def _alerts(alerts: Sequence[Reading], signs: Glyphs) -> list[HealthRow]:
    if not alerts:
        return [_text("No rules: `alerts` in config.yaml says what you want to be told of.", signs)]
    return [_alert_row(each, signs) for each in sorted(alerts, key=lambda each: not each.crossed)]


def _alert_row(each: Reading, signs: Glyphs) -> HealthRow:
    sign, tone = (signs.marks["warn"], "warn") if each.crossed else (signs.nodes["ok"], "ok")
    name = one_line(each.rule.name, 60)
    spans: list[Span] = [(f"{sign} ", tone), (name, "strong"), (f"  {each.words}", "text" if each.crossed else "dim")]  # type: ignore[list-item]
    return HealthRow(lambda width: _cut(spans, width, signs))


# -- nodes and models ------------------------------------------------------------------------------------------------


def _columns(width: int) -> list[tuple[str, int]]:
    """(heading, columns) of a table beside its names."""
    if width >= WIDE:
        return [("runs", 6), ("failed", 8), ("p50", 9), ("p95", 9), ("p99", 9), ("ttft p95", 10), ("tok/s", 8),
                ("cached", 8)]  # fmt: skip
    if width >= NARROW:
        return [("runs", 6), ("failed", 8), ("p50", 9), ("p95", 9), ("tok/s", 7)]
    return [("failed", 7), ("p95", 9)]


def _header(title: str) -> HealthRow:
    def draw(width: int) -> Line:
        columns = _columns(width)
        heads = "".join(f"{name:>{size}}" for name, size in columns)
        name = _name_width(width, columns)
        return ((f"{title:<{name}}", "title"), (heads, "dim"))

    return HealthRow(draw)


def _name_width(width: int, columns: Sequence[tuple[str, int]]) -> int:
    spark = _SPARK + 2 if width >= WIDE else 10 if width >= NARROW else 0
    return max(width - sum(size for _, size in columns) - spark, 8)


def _part_row(part: PartFigures, signs: Glyphs, *, named: bool) -> HealthRow:
    cells = {
        "runs": str(part.runs),
        "failed": f"{part.failed} {signs.bad}" if part.failed else "0",
        "p50": _cell(part.duration, "p50"),
        "p95": _cell(part.duration, "p95"),
        "p99": _cell(part.duration, "p99"),
        "ttft p95": _cell(part.first_token, "p95"),
        "tok/s": f"{part.speed.p50:.1f}" if part.speed else "-",
        "cached": str(part.cached),
    }
    graph = f"{part.graph.removeprefix('graph.')}/" if named and part.graph else ""
    words = one_line(f"{graph}{part.name}", 200)

    def draw(width: int) -> Line:
        columns = _columns(width)
        name = _name_width(width, columns)
        shown = cut(words, name - 1, signs.ellipsis)
        spans: list[Span] = [(shown + " " * (name - _cells(shown)), "text")]
        for column, size in columns:
            tone: Tone = "error" if column == "failed" and part.failed else "strong" if column == "p95" else "dim"
            spans.append((f"{cells[column]:>{size}}", tone))
        room = width - name - sum(size for _, size in columns) - 2
        if room >= 6:
            spans.append(("  " + sparkline(buckets(part.series, room), signs.spark), "run"))
        return _cut(spans, width, signs)

    return HealthRow(draw, part=part)


def _cell(spread: Spread | None, name: str) -> str:
    return "-" if spread is None else short_duration(getattr(spread, name))


def run_line(each: PartRun, width: int, signs: Glyphs) -> Line:
    """One run in the list of a node or model."""
    run = each.run
    sign, tone = (signs.nodes["failed"], "error") if each.failed else (signs.nodes["ok"], "ok")
    how = f"failed {each.failed} of {each.count}" if each.failed else f"{each.count} ended well"
    spans: list[Span] = [(f"#{run.number:<6}", "primary"), (f"{sign} ", tone)]  # type: ignore[list-item]
    took = short_duration(each.duration_ms) if each.duration_ms else "-"
    spans.append((f"{took:>8}  ", "strong"))
    if width >= NARROW:
        spans += [(f"{how:<18}", "dim"), (f"{run.status.replace('_', ' '):<12}", "dim")]
    spans.append((one_line(run.question, 300), "text"))
    return _cut(spans, width, signs)


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _cut(spans: Sequence[Span], width: int, signs: Glyphs) -> Line:
    """As many of the pieces as there is room for, the last of them cut."""
    left, kept = width, list[Span]()
    for text, tone in spans:
        if left <= 0:
            break
        shown = cut(text, left, signs.ellipsis)
        kept.append((shown, tone))
        left -= _cells(shown)
    return tuple(kept)
