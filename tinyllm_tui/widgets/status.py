"""The line at the top (what runs where, how it is going) and the banner below it (what is wrong, and the remedy)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from rich.cells import cell_len
from textual.events import Click
from textual.geometry import Region
from textual.message import Message
from textual.widgets import Static

from engine.view import View
from tinyllm_tui.jump_targets import WIDTH, Target
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import Glyphs, Line, Span, Tone, cut, duration, parent_words

_BACKEND: dict[str, Tone] = {"starting": "warn", "ready": "ok", "restarting": "warn", "offline": "error"}


@dataclass(slots=True)
class BackendState:
    """What is known of the backend that answers."""

    status: str = "starting"
    """starting, ready, restarting or offline."""
    name: str = ""
    """ollama, openai or embedded."""
    model: str = ""
    note: str = ""
    """What a person should know of the model."""
    short_note: str = ""
    """The same in a word or two, for where there is no room."""
    detail: str = ""
    remedy: str = ""
    alerts: str = ""
    """How many alerts are raised; empty where none is."""
    pull: str = ""
    """How far the model is that is being fetched; empty where none is."""


NOT_RECORDED = "not recorded"
_BROKEN = ("graph file broken: old revision in use", "graph file broken")
"""What is said of an edit that is not taken: where there is room, and else."""


def status_line(
    graph: str,
    backend: BackendState,
    view: View,
    number: int | None,
    now_ms: float,
    width: int,
    signs: Glyphs,
    *,
    recorded: bool = True,
    broken: bool = False,
) -> Line:
    """Name, backend, model and graph; on the right the transaction. Parts are dropped where it is narrow.

    What is not as it should be is said as long as it lasts, at any width: that the database is another process's (not
    `recorded`), and that the graph's files are `broken`, so that an earlier revision of them is in use.
    """
    right = _transaction(
        view, number, now_ms, signs, "committed" if recorded else "answered", _fork(view, width, signs)
    )
    right_width = sum(cell_len(text) for text, _ in right)
    sign = {"ready": signs.breakers["closed"], "offline": signs.bad}.get(backend.status, signs.breakers["half_open"])
    words = backend.status if backend.status != "ready" or not backend.name else backend.name
    spans: list[Span] = [(f" {signs.marks['checkpoint']} ", "accent"), ("tinyllm", "title")]
    room = width - right_width - 11
    unrecorded = "" if recorded else f" {signs.bad} {NOT_RECORDED}"
    if unrecorded:
        spans.append((unrecorded, "warn"))
        room -= cell_len(unrecorded)
    if broken:
        long, short = (f" {signs.bad} {each}" for each in _BROKEN)
        warning = long if room - cell_len(long) >= 30 else short
        spans.append((warning, "warn"))
        room -= cell_len(warning)
    if backend.alerts:
        alerts = f" {signs.marks['warn']} {backend.alerts}"
        spans.append((alerts, "warn"))
        room -= cell_len(alerts)
    if backend.pull:
        fetching = f" {signs.marks['imported']} {backend.pull}"
        spans.append((fetching, "accent"))
        room -= cell_len(fetching)
    title = f"  {signs.bar} {one_line(graph, 40)}"
    notes = [f" {signs.dot} {note}" for note in (backend.note, backend.short_note) if note]
    model = f" {signs.dot} {one_line(backend.model, 60)}" if backend.model else ""
    # where it is narrow: first the warning shrinks to a word, then the graph's name goes, then the model's is cut
    rest = room - 4 - cell_len(words)
    notes = [note for note in notes if cell_len(model) + cell_len(note) + cell_len(title) <= rest] or notes[-1:]
    model = cut(model, max(rest - sum(cell_len(note) for note in notes[:1]), 8), signs.ellipsis)
    parts: tuple[Span, ...] = (
        (f"  {sign} ", _BACKEND.get(backend.status, "dim")),
        (words, "text" if backend.status == "ready" else _BACKEND.get(backend.status, "dim")),
        (model, "text"),
        *((note, "warn") for note in notes[:1]),
        (title, "dim"),
    )
    for text, tone in parts:
        if text and cell_len(text) <= room:
            spans.append((text, tone))
            room -= cell_len(text)
    spans.append((" " * (max(room, 0) + 1), "text"))
    return (*spans, *right)


def _fork(view: View, width: int, signs: Glyphs) -> str:
    """Of which run it is a fork, in as many words as there is room for."""
    if view.parent is None or width < 60:
        return ""
    words = parent_words(view) if width >= 100 else f"#{view.parent[0]}"
    return f"{signs.marks['fork']} {words} {signs.dot} "


def _transaction(view: View, number: int | None, now_ms: float, signs: Glyphs, ended: str, fork: str) -> list[Span]:
    name = (f"#{number} " if number is not None else "") + fork
    if view.status == "created":
        return [("no run yet ", "faint")]
    if view.paused:
        return [(f"{name}! paused ", "warn")]
    if view.approvals:
        return [(f"{signs.nodes['waiting']} {name}", "warn"), ("you are asked ", "warn")]
    if view.status == "executing":
        spin = signs.spinner[int(now_ms / 100) % len(signs.spinner)]
        return [(f"{spin} {name}", "running"), (f"executing {duration(now_ms)} ", "text")]
    if view.status == "rolling_back":
        return [(f"{signs.back} {name}rolling back ", "warn")]
    if view.status == "committed":
        return [(f"{signs.nodes['ok']} {name}", "ok"), (f"{ended} {duration(view.t_ms)} ", "text")]
    return [(f"{signs.nodes['failed']} {name}", "error"), (f"rolled back {duration(view.t_ms)} ", "text")]


_JUMPS = {"open('models')": "m", "write('/graph ')": "g", "open('transactions')": "t"}
"""What a click on the line can do, and the letter of jump mode for it."""


def action_at(line: Line, column: int) -> str:
    """What a click on the line does: its run, its graph, or what answers; empty where nothing stands."""
    gap = max((n for n, (text, _) in enumerate(line) if not text.strip()), default=len(line))
    end = 0
    for n, (text, tone) in enumerate(line):
        end += cell_len(text)
        if column < end and n != gap:
            if n > gap:
                return "open('transactions')"
            return "write('/graph ')" if n == gap - 1 and tone == "dim" else "open('models')"
        if column < end:
            break
    return ""


class StatusLine(LineView, can_focus=False):
    """One line, drawn from (backend, view, now). A click on a part opens what it is about."""

    class Clicked(Message):
        """`action` is run on the screen."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def jump_targets(self, run: Callable[[str], object]) -> Iterator[Target]:
        """Its parts, where they begin or where nothing stands before them; `run` is given what a click would do."""
        at = [action_at(self.line_at(0), column) for column in range(self.size.width if self.count() else 0)]
        for action, key in _JUMPS.items():
            if action in at:
                x = at.index(action)
                free = x >= WIDTH and not any(at[x - WIDTH : x])
                yield Target(Region(self.region.x + x - free * WIDTH, self.region.y, 1, 1), partial(run, action), key)

    def on_click(self, event: Click) -> None:
        action = action_at(self.line_at(0), event.x) if self.count() else ""
        if action:
            self.post_message(self.Clicked(action))

    def show(
        self,
        graph: str,
        backend: BackendState,
        view: View,
        number: int | None,
        now_ms: float,
        signs: Glyphs,
        *,
        recorded: bool = True,
        broken: bool = False,
    ) -> None:
        self.make_lines(
            lambda width: [
                status_line(graph, backend, view, number, now_ms, width, signs, recorded=recorded, broken=broken)
            ]
        )


class Banner(Static):
    """A message that stays until it is no longer true; hidden when there is none."""

    DEFAULT_CSS = """
    Banner { display: none; height: auto; max-height: 4; padding: 0 1; }
    Banner.-shown { display: block; }
    Banner.-error { background: $banner-error; color: $foreground; }
    Banner.-warning { background: $banner-warning; color: $foreground; }
    Banner.-replay { background: $banner-replay; color: $foreground; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, markup=False)
        self.words = ""

    def say(self, message: str, kind: str = "error") -> None:
        """Show `message`; an empty one hides the banner. `kind` is error, warning or replay."""
        words = cut(one_line(message, 600), 600)
        if words != self.words:
            self.words = words
            self.update(words)
        self.set_class(bool(words), "-shown")
        for name in ("error", "warning", "replay"):
            self.set_class(name == kind, f"-{name}")
