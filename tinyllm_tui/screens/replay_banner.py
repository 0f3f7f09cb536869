"""The banner of a replay: which run, which event, which moment, how fast."""

from __future__ import annotations

from rich.cells import cell_len

from engine.store.rows import TransactionRow
from tinyllm_tui.row_words import origin_words
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.playhead import Playhead
from tinyllm_tui.words import Glyphs, Line, Span, cut, duration

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""How many seconds of the recording go by in one second."""
NORMAL = SPEEDS.index(1.0)


def speed_words(speed: float) -> str:
    """`1/8x`, `1x`, `8x`."""
    return f"{speed:g}x" if speed >= 1 else f"1/{1 / speed:g}x"


def replay_line(
    row: TransactionRow,
    playhead: Playhead,
    *,
    playing: bool,
    speed: float,
    live: str,
    width: int,
    signs: Glyphs,
    file: str = "",
) -> Line:
    """The banner; where there is little room, what matters least is left out.

    Args:
        row: the run.
        playhead: the place in it.
        playing: whether it moves by itself.
        speed: how fast it does.
        live: what the live run does meanwhile; empty where none goes on.
        width: columns.
        signs: the characters to draw with.
        file: name of the file it was read from; empty for a run of the database.
    """
    head = f" {signs.play if playing else signs.back} REPLAY #{row.number} "
    where = f"{signs.dot} {playhead.position}/{len(playhead)} {signs.dot} +{playhead.t_ms / 1000:.1f}s "
    badge = f" {live} " if live else ""
    pace = f"{signs.dot} {speed_words(speed)} "
    end = f"of {duration(playhead.duration_ms)} "
    origin = f"file {one_line(file, 60)}, read only" if file else origin_words(row)
    spans: list[Span] = [(head, "title"), (where, "strong")]
    room = width - sum(cell_len(text) for text, _ in spans) - cell_len(badge)
    if room < 0:  # what the live run does is more than its name
        spans, room = [(head, "title"), (where.rpartition(signs.dot)[0], "strong")], 0
    for words, tone in ((pace, "accent" if playing or speed != 1 else "dim"), (end, "dim")):
        if cell_len(words) <= room:
            spans.append((words, tone))  # type: ignore[arg-type]  # both are tones
            room -= cell_len(words)
    if origin and room > 12:
        words = f"{signs.dot} {cut(origin, room - 3, signs.ellipsis)} "
        spans.append((words, "accent"))
        room -= cell_len(words)
    return (*spans, (" " * max(room, 0), "text"), (badge, "running"))
