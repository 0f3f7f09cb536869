"""Settings that count as soon as they are changed: what each of them does to the cockpit that is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from tinyllm_tui.keymap_choice import keymap
from tinyllm_tui.settings import Settings

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp


async def _theme(app: CockpitApp, settings: Settings) -> None:
    if settings.theme in app.available_themes:
        app.theme = settings.theme


async def _graph(app: CockpitApp, settings: Settings) -> None:
    own = app.own_graphs().get(settings.graph)
    await app.graph_choice.choose(settings.graph if own is None else str(own))


async def _model(app: CockpitApp, settings: Settings) -> None:
    await (await app.opened()).use(settings.model)
    app.models_changed()


async def _keys(app: CockpitApp, settings: Settings) -> None:
    app.use_keys(keymap(settings.keys.preset, settings.keys.map))


async def _attention(app: CockpitApp, settings: Settings) -> None:
    app.attention.configure(title=settings.title, notify=settings.notify)


AT_ONCE: Mapping[str, Callable[[CockpitApp, Settings], Awaitable[None]]] = {
    "theme": _theme,
    "graph": _graph,
    "model": _model,
    "keys.preset": _keys,
    "keys.map": _keys,
    "title": _attention,
    "notify.how": _attention,
    "notify.after_s": _attention,
}
"""Name of a setting -> takes over what the settings say now. All others count from the next start on."""
