"""An answer as it grows: finished blocks as Markdown, and below them the latest and the one that is being written."""

from __future__ import annotations

from functools import lru_cache

from markdown_it import MarkdownIt
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import MountError, Widget
from textual.widgets import Markdown

from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.chat.draft import Draft, draft_lines, finished_until
from tinyllm_tui.words import ASCII, UNICODE, Glyphs

STEP = 4
"""Rows by which an answer grows while it is written: each growth arranges the whole screen anew."""
AT_ONCE = 12
"""Rows of finished blocks that become Markdown together: each time its new widgets are styled and all is arranged."""


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    # without HTML (which Textual would leave out silently) and without guessing links in a model's text
    return MarkdownIt("gfm-like", {"html": False, "linkify": False})


class Document(Markdown):
    """Markdown of a model: nothing in it opens anything by itself."""

    def __init__(self, signs: Glyphs) -> None:
        super().__init__(parser_factory=_parser, open_links=False)
        if signs is ASCII:
            self.BULLETS = [f"{signs.bullet} "]

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:  # noqa: ARG002
        # Textual asks for a second layout of the screen after each that changed a size: of no use to what never scrolls
        return super()._size_updated(size, virtual_size, container_size, layout=False)

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        event.stop()
        self.app.notify(one_line(event.href, 300), title="Link written by the model (not opened)", markup=False)


class Answer(Vertical):
    """Shows any text that it is told, by the least change from what it shows; a text that is taken back too."""

    DEFAULT_CSS = """
    Answer { height: auto; overflow: hidden; padding: 0 1 0 2; background: transparent; }
    Answer.-empty { display: none; }
    Answer > Document { padding: 0; margin: 0; background: transparent; }
    Answer > Draft { display: none; }
    Answer.-writing > Draft { display: block; }
    Answer MarkdownFence { overflow: hidden hidden; }
    Answer MarkdownFence > Label { width: 1fr; text-wrap: wrap; }
    """

    def __init__(self, signs: Glyphs = UNICODE) -> None:
        super().__init__(classes="-empty")
        self._document = Document(signs)
        self._draft = Draft(signs)
        self._wanted = ""
        self._finished = False
        self._shown = ""
        """What the document shows."""
        self._ready = False
        self._busy = False
        self._rows = 0
        """Height while it is written."""

    def compose(self) -> ComposeResult:
        yield self._document
        yield self._draft

    def on_mount(self) -> None:
        self._ready = True
        self._catch_up()
        self.screen.screen_layout_refresh_signal.subscribe(self, self._laid_out, immediate=True)

    def _laid_out(self, _screen: Screen[object]) -> None:
        """All was arranged, blocks of Markdown too: that their sizes are known now is no reason to do it again."""
        if self.has_class("-writing"):
            for block in self._document.walk_children(Widget):
                block._layout_required = False  # noqa: SLF001 - see Document

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:  # noqa: ARG002
        # one layout is enough: see Document
        return super()._size_updated(size, virtual_size, container_size, layout=False)

    def write(self, text: str, *, finished: bool) -> None:
        """Show `text`; once it is finished, as Markdown to its end."""
        if (text, finished) != (self._wanted, self._finished):
            self._wanted, self._finished = text, finished
            if not self._ready:  # later it would mean to style all blocks of the answer once more
                self.set_class(not text, "-empty")
            self._catch_up()

    @property
    def settled(self) -> bool:
        """Whether everything that it was told stands in it."""
        return self._ready and not self._busy and self._shown == self._wanted[: self._document_end()]

    @property
    def document(self) -> Document:
        """Where the finished blocks stand."""
        return self._document

    def _document_end(self) -> int:
        """How much of the text belongs into the document."""
        if self._finished:
            return len(self._wanted)
        before = len(self._shown) if self._wanted.startswith(self._shown) else 0
        end = finished_until(self._wanted, before)
        few = len(draft_lines(self._wanted[before:end], self._draft_width)) < AT_ONCE
        return before if few else end

    @property
    def _draft_width(self) -> int:
        return max(self._draft.size.width, 20)

    def _catch_up(self) -> None:
        if self._busy or not self._ready:
            return
        end = self._document_end()
        if self._wanted[:end] == self._shown:
            self._show_draft(end)
        else:
            self._busy = True
            self.run_worker(self._write_document(), group="write")

    async def _write_document(self) -> None:
        """Append what is finished, or begin anew where the text was taken back; one writer at a time."""
        try:
            while self._document.is_attached:
                end = self._document_end()
                text = self._wanted[:end]
                if text == self._shown:
                    break
                # together, so that no frame has a block twice or not at all
                with self.app.batch_update():
                    if not text.startswith(self._shown):
                        await self._document.update("")
                        self._shown = ""
                    # never `update(text)`: what is appended after it would replace the last block of `text` where that
                    # has more than one line (Textual 8.2.8 takes its last line for its first)
                    added = text[len(self._shown) :]
                    if added.strip():  # room for it beforehand, so that one layout does for both
                        self._make_room(len(draft_lines(added, self._draft_width)) + 1)
                    await self._document.append(added)
                    self._shown = text
                    self._show_draft(end)
        except MountError:
            if self._document.is_attached:
                raise
            return  # it was taken off the screen meanwhile
        finally:
            self._busy = False
        if self.is_attached:
            self._show_draft(self._document_end())
            self.call_after_refresh(self._make_room)

    def _show_draft(self, end: int) -> None:
        self.set_class(not self._wanted, "-empty")
        writing = bool(self._wanted) and not self._finished
        self.set_class(writing, "-writing")
        self._draft.show(self._wanted[end:])
        if writing:
            self._make_room()
        elif self._rows:
            self._rows = 0
            self.styles.height = "auto"

    def _make_room(self, more: int = 0) -> None:
        """Be as high as document, draft and `more` rows together, in steps, and never lower than before."""
        if not self.has_class("-writing") or self.size.height not in (0, self._rows):
            return  # a growth is on its way
        # and an empty row above the line that says how it goes
        needed = self._document.outer_size.height + max(self._draft.count(), more) + 1
        if needed > self._rows:
            self._rows = -(-needed // STEP) * STEP
            self.styles.height = self._rows
