"""Tools that look at files of the workspace."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import ClassVar

from pydantic import BaseModel, Field

from engine.errors import EngineError, ErrorClass
from engine.graph.problems import shorten
from engine.message import replace_surrogates
from engine.tools.effect import Effect, Permission
from engine.tools.file_changes import FilePath, workspace_of
from engine.tools.patterns import compile_literal, compile_pattern, searching
from engine.tools.protocol import Arguments, Result, ToolContext
from engine.tools.threads import Stop, in_thread
from engine.tools.workspace import Entry, Workspace

MAX_SEARCHED_BYTES = 50_000_000
"""Bytes that one search reads."""
MAX_LINE = 300
"""Characters of a line that are searched and shown."""

FolderPath = Field(default=".", min_length=1, max_length=1000, description="folder in the workspace")
Glob = Field(default="*", max_length=200, description="names to look at, such as *.md")


class _FileRead:
    effect: ClassVar[Effect] = "pure"
    permission: ClassVar[Permission] = "auto"
    timeout_s = 20.0


class FileReadArguments(Arguments):
    path: str = FilePath
    first_line: int = Field(default=1, ge=1, description="first line to give back")
    lines: int = Field(default=500, ge=1, le=5000, description="how many lines at most")


class FileReadResult(Result):
    path: str
    text: str
    first_line: int
    last_line: int = Field(description="last line that is in the text; 0 where there is none")
    total_lines: int
    more: bool = Field(description="whether something was left out")

    def as_text(self) -> str:
        note = (
            f"\n[{self.path}: lines {self.first_line} to {self.last_line} of {self.total_lines}]" if self.more else ""
        )
        return self.text + note


class FileReadTool(_FileRead):
    id = "file_read"
    description = "Reads a text file of the workspace, or some of its lines."
    Input: ClassVar[type[BaseModel]] = FileReadArguments
    Output: ClassVar[type[BaseModel]] = FileReadResult
    max_characters = 30_000

    async def run(self, arguments: FileReadArguments, context: ToolContext) -> FileReadResult:
        """The text.

        Raises:
            EngineError: NOT_FOUND; INVALID_REQUEST, code `not_text`; RESOURCE for a file above the limit.
        """
        workspace = workspace_of(context)
        return await in_thread(lambda _stop: self._read(workspace, arguments))

    def _read(self, workspace: Workspace, arguments: FileReadArguments) -> FileReadResult:
        text = _text_of(workspace.read(arguments.path)[0])
        if text is None:
            message = f"{shorten(arguments.path)} is no text file."
            raise EngineError(ErrorClass.INVALID_REQUEST, "not_text", message, remedy="Choose a text file.")
        lines = text.splitlines(keepends=True)
        start = min(arguments.first_line - 1, len(lines))
        shown, room = [], self.max_characters
        for line in lines[start : start + arguments.lines]:
            shown.append(line[:room])
            room -= len(line)
            if room <= 0:
                break
        last = start + len(shown)
        return FileReadResult(
            path=workspace.normal(arguments.path),
            text="".join(shown),
            first_line=arguments.first_line,
            last_line=last if shown else 0,
            total_lines=len(lines),
            more=start > 0 or last < len(lines) or room < 0,
        )


def _text_of(content: bytes) -> str | None:
    """The text of a file; None where it is binary. Bytes that are no UTF-8 become U+FFFD."""
    if b"\0" in content[:8192]:
        return None
    return replace_surrogates(content.decode("utf-8", "replace"))


class FileListArguments(Arguments):
    path: str = FolderPath
    recursive: bool = Field(default=False, description="true: also what is in the folders below")
    glob: str = Glob
    limit: int = Field(default=200, ge=1, le=1000)


class FileEntry(Result):
    path: str
    kind: str = Field(description="file, folder, link or other")
    size: int = Field(description="bytes, of files")

    def as_text(self) -> str:
        return f"{self.path}/" if self.kind == "folder" else f"{self.path} ({self.size} bytes)"


class FileListResult(Result):
    entries: list[FileEntry]
    more: bool = Field(description="whether there are more than the limit")

    def as_text(self) -> str:
        lines = [each.as_text() for each in self.entries]
        return "\n".join([*lines, "[and more]"] if self.more else lines) or "[nothing]"


class FileListTool(_FileRead):
    id = "file_list"
    description = "Lists the files and folders in a folder of the workspace."
    Input: ClassVar[type[BaseModel]] = FileListArguments
    Output: ClassVar[type[BaseModel]] = FileListResult

    async def run(self, arguments: FileListArguments, context: ToolContext) -> FileListResult:
        workspace = workspace_of(context)
        return await in_thread(lambda stop: self._list(workspace, arguments, stop))

    def _list(self, workspace: Workspace, arguments: FileListArguments, stop: Stop) -> FileListResult:
        entries: list[FileEntry] = []
        for entry in workspace.walk(arguments.path, recursive=arguments.recursive, check=stop.check):
            if not _named_like(entry, arguments.glob):
                continue
            if len(entries) == arguments.limit:
                return FileListResult(entries=entries, more=True)
            entries.append(FileEntry(path=_shown(entry.path), kind=entry.kind, size=entry.size))
        return FileListResult(entries=entries, more=False)


def _named_like(entry: Entry, glob: str) -> bool:
    return fnmatchcase(entry.path.rpartition("/")[2], glob)


def _shown(path: str) -> str:
    """A path as text: a name that is no UTF-8 cannot be given back by a model anyway."""
    return replace_surrogates(path)


class FileSearchArguments(Arguments):
    text: str = Field(min_length=1, max_length=500, description="what to look for")
    path: str = FolderPath
    glob: str = Glob
    regex: bool = Field(default=False, description="true: the text is a regular expression")
    ignore_case: bool = True
    limit: int = Field(default=50, ge=1, le=200)


class FileMatch(Result):
    path: str
    line: int
    text: str


class FileSearchResult(Result):
    matches: list[FileMatch]
    files_searched: int
    more: bool = Field(description="whether the search ended before everything was looked at")

    def as_text(self) -> str:
        lines = [f"{each.path}:{each.line}: {each.text}" for each in self.matches]
        return "\n".join([*lines, "[and more]"] if self.more else lines) or "[nothing found]"


class FileSearchTool(_FileRead):
    id = "file_search"
    description = "Searches the text files of the workspace for a text or a regular expression, line by line."
    Input: ClassVar[type[BaseModel]] = FileSearchArguments
    Output: ClassVar[type[BaseModel]] = FileSearchResult

    async def run(self, arguments: FileSearchArguments, context: ToolContext) -> FileSearchResult:
        """The matching lines, of which the first `MAX_LINE` characters are searched.

        Raises:
            EngineError: INVALID_REQUEST for a pattern that cannot be used; RESOURCE for one that takes too long.
        """
        workspace = workspace_of(context)
        compiled = compile_pattern if arguments.regex else compile_literal
        pattern = compiled(arguments.text, ignore_case=arguments.ignore_case)

        def work(stop: Stop) -> FileSearchResult:
            matches: list[FileMatch] = []
            files, budget = 0, MAX_SEARCHED_BYTES
            with searching(pattern, stop) as search:
                for entry in workspace.walk(arguments.path, recursive=True, check=stop.check):
                    if entry.kind != "file" or not _named_like(entry, arguments.glob):
                        continue
                    budget -= entry.size
                    if budget < 0:
                        return FileSearchResult(matches=matches, files_searched=files, more=True)
                    files += 1
                    for number, line in enumerate(_lines(workspace, entry), 1):
                        if search(line[:MAX_LINE]):
                            if len(matches) == arguments.limit:
                                return FileSearchResult(matches=matches, files_searched=files, more=True)
                            shown = line[:MAX_LINE].strip()
                            matches.append(FileMatch(path=_shown(entry.path), line=number, text=shown))
            return FileSearchResult(matches=matches, files_searched=files, more=False)

        return await in_thread(work)


def _lines(workspace: Workspace, entry: Entry) -> list[str]:
    """The lines of a file; none where it cannot be read, is too large, or is no text."""
    try:
        content, _ = workspace.read(entry.path)
    except EngineError:
        return []
    return (_text_of(content) or "").splitlines()
