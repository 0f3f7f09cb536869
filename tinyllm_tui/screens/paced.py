"""A screen that shows keys first, and rests after each paint as long as the paint took.

Painting the whole cockpit takes a slow machine longer than a frame, and while it paints no key is read. Resting leaves
half of the time to keys, and to the models that run on the same cores. What has the focus, where keys show, is painted
ahead of everything else and during rests.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.screen import UPDATE_PERIOD, Screen, ScreenResultType
from textual.widget import Widget


class PacedScreen(Screen[ScreenResultType]):
    """Paints everything at a pace that the machine can keep, and what is typed at once."""

    clock: Callable[[], float] = staticmethod(time.perf_counter)
    """Seconds from any moment on."""
    _took = 0.0
    """Seconds that the last paint of everything took."""
    _rests_until = 0.0
    _ahead = False
    """What has the focus was painted, and the rest has waited for it."""

    def _on_timer_update(self) -> None:
        # called by Textual's timer, again and again until this has painted everything
        begun = self.clock()
        resting = begun < self._rests_until
        if resting or (self._took > UPDATE_PERIOD and not self._ahead):
            painted = self._paint_focused()
            if resting:
                return
            self._ahead = painted
            if painted:
                return
        super()._on_timer_update()
        ended = self.clock()
        self._took, self._ahead = ended - begun, False
        self._rests_until = ended + self._took

    def _paint_focused(self) -> bool:
        """Paint what has the focus, where it changed and keeps its place."""
        focused = self.focused
        if focused is None or focused not in self._dirty_widgets or self._waits_for_layout(focused):
            return False
        if self.app._batch_count or self is not self.app.screen:  # noqa: SLF001
            return False
        self._dirty_widgets.discard(focused)
        self._compositor.update_widgets({focused})
        self.app._display(self, self._compositor.render_partial_update())  # noqa: SLF001
        return True

    def _waits_for_layout(self, widget: Widget) -> bool:
        return any(widget in each for each in self._layout_widgets.values())
