"""Hot reload: notices that the files of a graph changed, and validates them; what runs use is taken from here.

A broken edit changes nothing but what is said: the revision before it stays until the files are whole again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError, classify
from engine.graph.problems import GraphError, Problem
from engine.graph.shipped import graphs_in, shipped_folder
from tinyllm_tui.engine_port import LoadGraph

if TYPE_CHECKING:
    from engine.graph.spec import GraphSpec

PERIOD_S = 1.0
"""Seconds between two looks at the files."""
SETTLING_S = 0.25
"""Seconds to the next look after a change was seen that is perhaps still being written."""
_STEADY = 2
"""Looks in which a changed file must be the same."""
_GONE = 5
"""Looks in which a file must be missing: some editors remove a file and write it anew."""
_DIGESTED = 2_000_000
"""Bytes of a broken file that are compared: more than a graph may have."""

_State = tuple[int, int, int, int]
"""(modified, changed, size, inode): an edit alters one of them, also one that keeps size and time of modification."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A valid graph, as it was read."""

    graph: GraphSpec
    form: Mapping[str, Any]
    """Its JSON form."""
    key: str
    """Its content hash."""

    @property
    def short(self) -> str:
        """The beginning of the hash, as people read it."""
        return self.key[:6]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the person should know of the graph's files. Its words are not sanitised."""

    words: str
    revision: Revision | None = None
    """What the next run uses from now on."""
    error: EngineError | None = None
    """What is wrong with the files."""


class GraphWatch:
    """The graph named by `reference`, and its files.

    Args:
        reference: a shipped graph or a file, as `engine.load_graph` takes it.
        load: reads and validates it; called outside of the event loop.
    """

    def __init__(self, reference: str, load: LoadGraph) -> None:
        self.revision: Revision | None = None
        """The latest valid one."""
        self.error: EngineError | None = None
        """What is wrong with the files as they are; None while they are valid."""
        self._reference = reference
        self._load = load
        self._file: Path | None = None
        self._taken: dict[Path, _State] = {}
        """The files as they were when they were last read."""
        self._pending: dict[Path, tuple[_State | None, int]] = {}
        """Changed files: how they were last seen, and in how many looks."""
        self._told = ""
        """Tells what was last said to be wrong from anything else."""
        self._notices: list[Notice] = []
        """Those that nobody has taken yet: who looked may have been cancelled meanwhile."""
        self._turn = threading.Lock()

    async def read(self) -> None:
        """Read the graph for the first time; afterwards either `revision` or `error` is set."""
        await asyncio.to_thread(self._read_first)

    async def look(self, *, at_once: bool = False) -> list[Notice]:
        """Look at the files; what came of it, most often nothing.

        Args:
            at_once: do not wait until changed files have settled. What is valid is taken; what is broken may be half
                written, and is left for the next look.
        """
        await asyncio.to_thread(self._look, at_once)
        notices, self._notices = self._notices, []
        return notices

    async def follow(
        self, tell: Callable[[Notice], None], pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Look again and again, until cancelled; `pause` waits between two looks, its argument is in seconds."""
        while True:
            await pause(SETTLING_S if self._pending else PERIOD_S)
            for notice in await self.look():
                tell(notice)

    async def warnings(self) -> list[str]:
        """What the author of the graph should know, although it is valid; what comes with the program has none."""
        return await asyncio.to_thread(self._warnings)

    # -- outside of the event loop -----------------------------------------------------------------------------------

    def _read_first(self) -> None:
        # what reads graphs is large, and not needed for the first paint
        from engine.graph.loader import find_graph

        try:
            self._file = find_graph(self._reference)
        except EngineError as error:
            self.error = error
            return
        self._taken = self._states()
        try:
            self.revision = self._revision()
        except EngineError as error:
            self.error, self._told = error, self._mark(error)

    def _look(self, at_once: bool) -> None:
        with self._turn:
            notice = self._compare(at_once)
            if notice is not None:
                self._notices.append(notice)

    def _compare(self, at_once: bool) -> Notice | None:
        seen = self._states()
        changed = [path for path in {**self._taken, **seen} if seen.get(path) != self._taken.get(path)]
        if not changed:
            self._pending = {}
            return None
        if at_once:
            return self._take_if_valid(seen)
        before, self._pending = self._pending, {}
        for path in changed:
            state, looks = before.get(path, (None, 0))
            self._pending[path] = (seen.get(path), looks + 1 if state == seen.get(path) else 1)
        settled = [path for path, (state, looks) in self._pending.items() if looks >= (_STEADY if state else _GONE)]
        for path in settled:
            self._pending.pop(path)
            if path in seen:
                self._taken[path] = seen[path]
            else:
                self._taken.pop(path)
        return self._reload() if settled else None

    def _take_if_valid(self, seen: dict[Path, _State]) -> Notice | None:
        try:
            revision = self._revision()
        except EngineError:
            return None
        self._taken, self._pending = seen, {}
        return self._accept(revision)

    def _reload(self) -> Notice | None:
        try:
            revision = self._revision()
        except EngineError as error:
            return self._refuse(error)
        return self._accept(revision)

    def _accept(self, revision: Revision) -> Notice | None:
        mended, before = self.error is not None, self.revision
        self.error, self._told, self.revision = None, "", revision
        name = revision.graph.id.removeprefix("graph.")
        if before is None or before.key != revision.key:
            return Notice(f"graph {name} changed: next run uses revision {revision.short}", revision)
        if mended:
            return Notice(f"graph {name} is valid again: revision {revision.short} stays", revision)
        return None

    def _refuse(self, error: EngineError) -> Notice | None:
        mark = self._mark(error)
        self.error = error
        if mark == self._told:
            return None
        self._told = mark
        words = self._words(error)
        if self.revision is not None:
            words += f" Until it is mended, runs use revision {self.revision.short}."
        return Notice(words, error=error)

    def _revision(self) -> Revision:
        """Read the files.

        Raises:
            EngineError: they are no valid graph.
        """
        try:
            graph = self._load(self._reference)
            return Revision(graph, graph.model_dump(mode="json"), graph.content_hash())
        except Exception as error:
            raise classify(error) from error

    def _warnings(self) -> list[str]:
        if self.revision is None or self._file is None or self._file.parent == shipped_folder():
            return []
        from engine.graph.loader import placed
        from engine.routing.utterance_checks import utterance_warnings

        try:
            return [self._words_of(each) for each in placed(utterance_warnings(self.revision.graph), self._file)]
        except EngineError:
            return []  # the file is being edited; the next look takes it

    def _states(self) -> dict[Path, _State]:
        """How all files are that the graph may be made of; what is not there is left out."""
        states: dict[Path, _State] = {}
        for path in self._candidates():
            try:
                found = os.stat(path)  # noqa: PTH116 - the same as Path.stat, several times as fast
            except (OSError, ValueError):
                continue
            states[path] = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        return states

    def _candidates(self) -> Iterator[Path]:
        from engine.graph.prompts import PROMPTS

        if self._file is None:
            return
        yield self._file
        for folder in dict.fromkeys((self._file.parent, shipped_folder())):
            yield from graphs_in(folder).values()
            yield from graphs_in(folder / PROMPTS).values()

    def _mark(self, error: EngineError) -> str:
        """Tells this failure of these texts from others, so that a file that is only touched is not complained of."""
        words = str(error)
        digest = hashlib.sha256(words.encode("utf-8", "replace"))
        for path in sorted({path for path in self._candidates() if path == self._file or str(path) in words}):
            try:
                with path.open("rb") as file:
                    digest.update(file.read(_DIGESTED))
            except (OSError, ValueError):
                digest.update(b"missing")
        return digest.hexdigest()

    def _words(self, error: EngineError) -> str:
        """`file:line:column`, what is wrong and the remedy, of the first problem."""
        if not isinstance(error, GraphError):
            return str(error)
        first, *others = error.problems
        words = self._words_of(first)
        return f"{words} And {len(others)} more." if others else words

    def _words_of(self, problem: Problem) -> str:
        place = [problem.file, str(problem.line), str(problem.column)] if problem.line else [problem.file]
        words = f"{':'.join(place)}: {problem.message} {problem.remedy}".strip()
        if self._file is not None:  # files are called as in the graph's folder: whole paths would fill a toast
            words = words.replace(f"{self._file.parent}{os.sep}", "")
        return words
