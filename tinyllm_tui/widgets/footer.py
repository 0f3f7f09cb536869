"""The last line of a screen: what can be done now, the most important first; a click on a key presses it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rich.cells import cell_len
from textual.events import Click, MouseMove
from textual.screen import Screen

from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import Line, Span

_ALWAYS = ("app.help", "app.palette")
"""Ids of what stands at the right end: the help even where there is room for little else."""
_LATER = (
    "app.models", "app.settings", "app.sessions", "app.memories", "app.health", "app.tools", "app.logs",
    "approval.cancel", "chat.search", "app.quit",
)  # fmt: skip
"""Ids of what stands behind everything that has to do with the answer in sight."""


@runtime_checkable
class SaysWhatIsPossible(Protocol):
    """A screen on which an action has something to do at times only."""

    def footer_words(self, action: str, words: str) -> str:
        """What the footer says of an action, usually `words`; empty where it would do nothing now."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """One key, and what it does now."""

    id: str
    key: str
    """As Textual names it."""
    shown: str
    words: str
    tip: str = ""

    @property
    def width(self) -> int:
        """Columns that it takes, with a space on either side."""
        return cell_len(self.shown) + cell_len(self.words) + 3


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an offer stands: from a column up to another one, which is not its own any more."""

    start: int
    end: int
    offer: Offer


def placed(offers: Sequence[Offer], width: int) -> list[Placed]:
    """As many offers as a line has room for, whole, in their order; those that are always there at its end."""
    pinned: list[Offer] = []
    room = width
    for name in _ALWAYS:
        offer = next((each for each in offers if each.id == name), None)
        if offer is not None and offer.width <= room and (not pinned or room >= 4 * offer.width):
            pinned.append(offer)
            room -= offer.width
    found, x = list[Placed](), 0
    for offer in (each for each in offers if each.id not in _ALWAYS):
        if offer.width > room - x:
            break
        found.append(Placed(x, x + offer.width, offer))
        x += offer.width
    x = room
    for offer in pinned:
        found.append(Placed(x, x + offer.width, offer))
        x += offer.width
    return found


def footer_line(places: Iterable[Placed]) -> Line:
    """The line itself."""
    spans: list[Span] = []
    x = 0
    for place in places:
        spans.append((" " * (place.start - x + 1), "text"))
        spans += [(place.offer.shown, "title"), (f" {place.offer.words} ", "dim")]
        x = place.end
    return tuple(spans)


class Footer(LineView, can_focus=False):
    """Drawn anew when the focus moves, and when `look` is called because something became possible or impossible."""

    DEFAULT_CSS = """
    Footer { dock: bottom; height: 1; background: $footer-background; overflow: hidden; pointer: pointer; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: list[Placed] = []
        self._offers: list[Offer] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self.call_after_refresh(self.look)

    def on_unmount(self) -> None:
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _changed(self, screen: Screen[object]) -> None:
        if self.is_attached and screen is self.screen and self.app.app_focus:
            self.look()

    def look(self) -> None:
        """Find out what is possible now."""
        self._offers = self._possible()
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        self._places = placed(self._offers, self.size.width)
        self.set_lines([footer_line(self._places)])

    def _possible(self) -> list[Offer]:
        found: dict[str, Offer] = {}
        screen = self.screen
        for _node, binding, enabled, _tip in screen.active_bindings.values():
            # Textual has a binding of its own for the palette, which goes first
            name = "app.palette" if binding.action.endswith("command_palette") else binding.id or ""
            if not enabled or not (binding.show or name in _ALWAYS) or binding.action in found:
                continue
            words = binding.description if name != "app.palette" else "commands"
            if isinstance(screen, SaysWhatIsPossible):
                words = screen.footer_words(binding.action, words)
            if words:
                shown = self.app.get_key_display(binding)
                found[binding.action] = Offer(name, binding.key, shown, words, binding.tooltip)
        return sorted(found.values(), key=lambda offer: offer.id in _LATER)

    def _at(self, x: int) -> Offer | None:
        return next((place.offer for place in self._places if place.start <= x < place.end), None)

    def on_mouse_move(self, event: MouseMove) -> None:
        offer = self._at(event.x)
        self.tooltip = offer.tip if offer is not None and offer.tip != offer.words else None

    def on_click(self, event: Click) -> None:
        offer = self._at(event.x)
        if offer is not None:
            self.app.simulate_key(offer.key)
