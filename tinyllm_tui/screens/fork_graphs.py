"""With which graph a fork goes on: as recorded, as its files are now, a revision that ran here, or another one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine.errors import EngineError
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import Glyphs, cut

if TYPE_CHECKING:
    from engine.graph.spec import GraphSpec
    from engine.store.rows import RevisionRow
    from tinyllm_tui.app import CockpitApp

HASH_SHOWN = 12
"""Digits of a revision's hash, as `graph history` shows them."""
_REVISIONS = 20
"""Revisions that can be chosen; others are named by their hash."""


@dataclass(frozen=True, slots=True)
class GraphChoice:
    """One graph with which a fork can go on."""

    kind: Literal["recorded", "now", "revision"]
    words: str
    graph: GraphSpec | None = None
    """Of `now`."""
    hash: str = ""
    """Of a revision."""


async def graph_choices(app: CockpitApp, graph_id: str, recorded: str) -> list[GraphChoice]:
    """What can be chosen, the graph that was recorded first.

    Args:
        app: knows the graph that the next question uses, and the store.
        graph_id: the id of the recorded graph.
        recorded: its hash.
    """
    now = await _as_it_is_now(app, graph_id)
    current = "" if now is None else now.content_hash()
    same = ", as it is now" if current == recorded else ""
    found = [GraphChoice("recorded", f"as recorded ({recorded[:HASH_SHOWN]}{same})")]
    if now is not None and not same:
        found.append(GraphChoice("now", f"as it is now ({current[:HASH_SHOWN]}, version {now.version})", now))
    rows: Sequence[RevisionRow] = ()
    with contextlib.suppress(EngineError):  # there is no store, or an older one: what is left can still be chosen
        rows = await (await app.opened()).graph_history(graph_id)
    others = [row for row in rows if row.hash not in (recorded, current)]
    return found + [GraphChoice("revision", _revision_words(row), hash=row.hash) for row in others[:_REVISIONS]]


async def _as_it_is_now(app: CockpitApp, graph_id: str) -> GraphSpec | None:
    """None where its files are gone or broken."""
    if app.upcoming is not None and app.upcoming.graph.id == graph_id:
        return app.upcoming.graph
    try:
        found = await asyncio.to_thread(app.load_graph, graph_id.removeprefix("graph."))
    except EngineError:
        return None
    return found if found.id == graph_id else None


def _revision_words(row: RevisionRow) -> str:
    used = datetime.fromtimestamp(row.last_used_ms / 1000).astimezone().strftime("%d %b %H:%M")
    runs = "1 run" if row.runs == 1 else f"{row.runs} runs"
    return f"revision {row.hash[:HASH_SHOWN]} (version {row.version}, {runs}, last {used})"


async def named_graph(app: CockpitApp, name: str) -> GraphSpec:
    """The graph with this name, in this file, or the recorded revision whose hash begins so.

    Raises:
        EngineError: there is none such, or it is wrong.
    """
    from engine.store.queries import HASH_PREFIX

    try:
        return await asyncio.to_thread(app.load_graph, name)
    except EngineError as error:
        if error.code != "unknown_graph" or not HASH_PREFIX.fullmatch(name):
            raise
        return await (await app.opened()).graph_revision(name)


class GraphChoices(OptionList):
    """A list of graphs, of which one is chosen: up and down choose, and a sign says which it is."""

    def __init__(self, recorded: str, signs: Glyphs) -> None:
        super().__init__(id="fork-graphs", markup=False, compact=True)
        self._signs = signs
        self._choices = [GraphChoice("recorded", f"as recorded ({recorded[:HASH_SHOWN]})")]

    def on_mount(self) -> None:
        self.offer(self._choices)

    @property
    def choice(self) -> GraphChoice:
        return self._choices[self.highlighted or 0]

    def offer(self, choices: list[GraphChoice]) -> None:
        """Replace what can be chosen; the first one is."""
        self._choices = choices
        self.clear_options()
        self.add_options(Option(self._line(choice, n == 0)) for n, choice in enumerate(choices))
        self.highlighted = 0

    def watch_highlighted(self, highlighted: int | None) -> None:
        super().watch_highlighted(highlighted)
        self._mark(highlighted or 0)

    def on_resize(self) -> None:
        self._mark(self.highlighted or 0)
        self.refresh(layout=True)  # rows that were wrapped before are cut to one line now

    def _mark(self, chosen: int) -> None:
        for n in range(min(self.option_count, len(self._choices))):
            self.replace_option_prompt_at_index(n, self._line(self._choices[n], n == chosen))

    def _line(self, choice: GraphChoice, chosen: bool) -> Content:
        sign = self._signs.breakers["closed" if chosen else "open"]
        width = max(self.scrollable_content_region.width - 2, 10)
        return Content(cut(f"{sign} {one_line(choice.words, 100)}", width, self._signs.ellipsis))
