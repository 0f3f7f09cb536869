"""Updates of the screen: every cell as Textual would paint it, and in partial updates only those that changed."""

from __future__ import annotations

import random

from textual._compositor import Compositor
from textual.app import App, ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.geometry import Region
from textual.strip import Strip
from textual.widgets import Static

from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.screens.lean_compositor import LeanCompositor

WIDTH, HEIGHT = 60, 20


class Leaving(Static):
    """Has its place in the picture, and nothing to draw any more."""

    def render_lines(self, crop: Region) -> list[Strip]:
        return [Strip([], 0) for _ in crop.line_range]


class Layered(SafeScreen):
    CSS = """
    Layered { layers: below above; }
    #float { layer: above; width: 17; height: 5; offset: 21 6; border: round red; background: blue 50%; }
    #leaving { layer: above; width: 9; height: 3; offset: 44 2; }
    #line { dock: top; height: 1; background: green; }
    VerticalScroll { width: 1fr; border: solid white; }
    """

    def compose(self) -> ComposeResult:
        yield Static("a line", id="line")
        with Horizontal():
            for name in ("left", "right"):
                with VerticalScroll():
                    yield Static(f"{name} text of some words 漢字 and more\n" * 40, markup=False)
        yield Static("in front", id="float")
        yield Leaving(id="leaving")


class LayeredApp(App[None]):
    def on_mount(self) -> None:
        self.push_screen(Layered())


async def test_all_cells_or_those_that_changed_and_no_other_are_painted_as_textual_paints_them() -> None:
    app = LayeredApp()
    chance = random.Random(3)
    async with app.run_test(size=(WIDTH, HEIGHT)) as pilot:
        await pilot.pause()
        compositor = app.screen._compositor
        assert isinstance(compositor, LeanCompositor)
        rows = Compositor._render_chops(compositor, Region(0, 0, WIDTH, HEIGHT), lambda _y: True)
        whole = [Strip.join(row.values()) for row in rows]
        for lean, row in zip(compositor.render_strips(), whole, strict=True):
            assert _cells(lean) == _cells(row)
        for _ in range(40):
            changed = {_region(chance) for _ in range(chance.randint(1, 4))}
            compositor._dirty_regions = set(changed)
            update = compositor.render_partial_update()
            assert update is not None
            painted = {}
            for y, (pieces, ends) in enumerate(zip(update.chops, update.chop_ends, strict=True)):
                for (x, strip), end in zip(pieces.items(), ends, strict=True):
                    assert strip is not None
                    assert strip.cell_length == end - x
                    assert _cells(strip) == _cells(whole[y].crop(x, end))
                    painted.update({(column, y): True for column in range(x, end)})
            inside = {(x, y) for each in changed for y in each.line_range for x in each.column_range}
            assert painted.keys() == {(x, y) for x, y in inside if x < WIDTH and y < HEIGHT}
        compositor._dirty_regions = set()
        assert compositor.render_partial_update() is None


def _region(chance: random.Random) -> Region:
    return Region(
        chance.randrange(WIDTH), chance.randrange(HEIGHT), chance.randint(1, WIDTH // 2), chance.randint(1, HEIGHT // 2)
    )


def _cells(strip: Strip) -> list[tuple[str, object]]:
    """Text and style, however they are cut into segments."""
    return [(character, segment.style) for segment in strip for character in segment.text]
