"""A compositor that renders no more than the cells that changed.

Textual 8.2 renders every widget in the rectangle around all changes: a status line at the top and a timeline at the
bottom mean the whole screen, ten times a second. Containers are drawn below what covers them, and each row is cut
wherever a widget begins or ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region
from textual.strip import Strip

Spans = list[tuple[int, int]]
"""Columns of a row from, until."""


class LeanCompositor(Compositor):
    """Goes through the widgets from front to back until every changed cell is drawn."""

    def render_partial_update(self) -> ChopsUpdate | None:
        screen = self.size.region
        changed = {region for each in self._dirty_regions if (region := each.intersection(screen))}
        self._dirty_regions.clear()
        spans = list(self._regions_to_spans(changed))
        if not spans:
            return None
        missing: dict[int, Spans] = {}
        for y, first, last in spans:
            missing.setdefault(y, []).append((first, last))
        pieces, ends = self._draw(missing)
        chops: Sequence[Mapping[int, Strip | None]] = pieces
        return ChopsUpdate(chops, spans, ends)

    def _render_chops(self, crop: Region, is_rendered_line: Callable[[int], bool]) -> list[dict[int, Strip]]:
        """The pieces of each row from left to right, for updates of the whole screen."""
        pieces, _ends = self._draw({y: [crop.column_span] for y in crop.line_range if is_rendered_line(y)})
        return [dict(sorted(row.items())) for row in pieces]

    def _draw(self, missing: dict[int, Spans]) -> tuple[list[dict[int, Strip]], list[list[int]]]:
        """Draw what is `missing`: of each row of the screen its pieces by their first columns, and where they end."""
        pieces: list[dict[int, Strip]] = [{} for _ in range(self.size.height)]
        ends: list[list[int]] = [[] for _ in pieces]
        for widget, (region, clip) in self.visible_widgets.items():
            place = region.intersection(clip)
            rows = [y for y in place.line_range if y in missing and _meet(missing[y], place)]
            if not rows:
                continue
            box = Region(place.x, rows[0], place.width, rows[-1] - rows[0] + 1)
            strips = widget.render_lines(box.translate(-region.offset))
            for y in rows:
                strip = strips[y - box.y]
                if strip.cell_length < place.width:  # a widget that is being removed: what is behind it is seen
                    continue
                drawn, rest = _divide(missing[y], place)
                for first, last in drawn:
                    pieces[y][first] = strip.crop(first - place.x, last - place.x)
                    ends[y].append(last)
                if rest:
                    missing[y] = rest
                else:
                    del missing[y]
            if not missing:
                break
        return pieces, ends


def _meet(spans: Spans, place: Region) -> bool:
    left, right = place.column_span
    return any(first < right and last > left for first, last in spans)


def _divide(spans: Spans, place: Region) -> tuple[Spans, Spans]:
    """What of `spans` lies in the columns of `place`, and what is left of them."""
    left, right = place.column_span
    inside: Spans = []
    rest: Spans = []
    for first, last in spans:
        if first < right and last > left:
            inside.append((max(first, left), min(last, right)))
            rest += [each for each in ((first, left), (right, last)) if each[0] < each[1]]
        else:
            rest.append((first, last))
    return inside, rest
