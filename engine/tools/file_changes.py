"""Tools that change files of the workspace; every change can be undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.graph.problems import shorten
from engine.tools import file_undo
from engine.tools.effect import Effect, Permission
from engine.tools.file_undo import Change
from engine.tools.protocol import Arguments, Result, ToolContext, UndoRecord
from engine.tools.threads import Stop, in_thread
from engine.tools.workspace import Workspace, suppress_missing

FilePath = Field(min_length=1, max_length=1000, description="path in the workspace, such as notes/today.md")


def workspace_of(context: ToolContext) -> Workspace:
    """The workspace.

    Raises:
        ConfigurationError: code `no_workspace`: this run has none.
    """
    if context.workspace is None:
        remedy = "Name a folder as the workspace in the settings."
        raise ConfigurationError("no_workspace", "File tools need a workspace, and this run has none.", remedy=remedy)
    return context.workspace


class _FileChange:
    """What the changing tools share: prepare by copying, run after a last look, undo from the copies."""

    effect: ClassVar[Effect] = "reversible"
    permission: ClassVar[Permission] = "ask_call"
    timeout_s = 30.0

    async def _prepare(self, context: ToolContext, plan: Callable[[Workspace], list[Change]]) -> UndoRecord:
        workspace = workspace_of(context)
        return await in_thread(lambda _stop: file_undo.prepare(workspace, context, plan(workspace)))

    async def _change(self, context: ToolContext, change: Callable[[Workspace, Stop], None]) -> None:
        workspace, record = workspace_of(context), context.undo
        if record is None:
            raise EngineError(ErrorClass.INTERNAL, "not_prepared", "A file change was begun without its undo record.")

        def work(stop: Stop) -> None:
            file_undo.verify(workspace, record)
            stop.check()
            change(workspace, stop)

        await in_thread(work)

    async def undo(self, record: UndoRecord, context: ToolContext) -> None:
        """Put the files back; see `engine.tools.file_undo.restore`."""
        await in_thread(lambda stop: file_undo.restore(record, context, stop.check))


class FileWriteArguments(Arguments):
    path: str = FilePath
    content: str = Field(max_length=1_000_000)
    mode: Literal["create", "overwrite", "append"] = Field(
        default="create", description="create: the file must be new; overwrite: replaces it; append: adds at its end"
    )


class FileWriteResult(Result):
    path: str
    size: int = Field(description="bytes of the file now")

    def as_text(self) -> str:
        return f"Wrote {self.path} ({self.size} bytes)."


class FileWriteTool(_FileChange):
    id = "file_write"
    description = "Writes a text file in the workspace: creates, overwrites or appends."
    Input: ClassVar[type[BaseModel]] = FileWriteArguments
    Output: ClassVar[type[BaseModel]] = FileWriteResult

    async def prepare(self, arguments: FileWriteArguments, context: ToolContext) -> UndoRecord:
        """The copy of the file that will be replaced.

        Raises:
            EngineError: TOOL_REFUSED, code `file_exists`: it is there, and the mode is `create`.
        """

        def plan(workspace: Workspace) -> list[Change]:
            if arguments.mode == "create" and workspace.state(arguments.path) is not None:
                message = f"{shorten(arguments.path)} is there already."
                remedy = "Choose another name, or the mode overwrite or append."
                raise EngineError(ErrorClass.TOOL_REFUSED, "file_exists", message, remedy=remedy)
            return [Change(arguments.path, _content_after(workspace, arguments))]

        return await self._prepare(context, plan)

    async def run(self, arguments: FileWriteArguments, context: ToolContext) -> FileWriteResult:
        sizes: list[int] = []

        def change(workspace: Workspace, stop: Stop) -> None:
            before = workspace.state(arguments.path)
            content = _content_after(workspace, arguments)
            workspace.write(
                arguments.path,
                content,
                temporary=file_undo.temporary_name(context.call),
                before_change=stop.check,
                mode=None if before is None else before.mode,
                new=before is None,
            )
            sizes.append(len(content))

        await self._change(context, change)
        return FileWriteResult(path=workspace_of(context).normal(arguments.path), size=sizes[0])


def _content_after(workspace: Workspace, arguments: FileWriteArguments) -> bytes:
    added = arguments.content.encode()
    if arguments.mode != "append":
        return added
    before = b""
    with suppress_missing():
        before = workspace.read(arguments.path)[0]
    return before + added


class FileMoveArguments(Arguments):
    source: str = FilePath
    target: str = Field(min_length=1, max_length=1000, description="new path in the workspace; nothing may be there")


class FileMoveResult(Result):
    source: str
    target: str

    def as_text(self) -> str:
        return f"Moved {self.source} to {self.target}."


class FileMoveTool(_FileChange):
    id = "file_move"
    description = "Moves or renames a file within the workspace."
    Input: ClassVar[type[BaseModel]] = FileMoveArguments
    Output: ClassVar[type[BaseModel]] = FileMoveResult

    async def prepare(self, arguments: FileMoveArguments, context: ToolContext) -> UndoRecord:
        """The copy of the file.

        Raises:
            EngineError: NOT_FOUND; TOOL_REFUSED, code `file_exists`: the target is there.
        """

        def plan(workspace: Workspace) -> list[Change]:
            content, _ = workspace.read(arguments.source)
            if workspace.state(arguments.target) is not None:
                message = f"{shorten(arguments.target)} is there already."
                raise EngineError(ErrorClass.TOOL_REFUSED, "file_exists", message, remedy="Choose another name.")
            return [Change(arguments.source, None), Change(arguments.target, content)]

        return await self._prepare(context, plan)

    async def run(self, arguments: FileMoveArguments, context: ToolContext) -> FileMoveResult:
        await self._change(context, lambda workspace, _stop: workspace.move(arguments.source, arguments.target))
        workspace = workspace_of(context)
        return FileMoveResult(source=workspace.normal(arguments.source), target=workspace.normal(arguments.target))


class FileDeleteArguments(Arguments):
    path: str = FilePath


class FileDeleteResult(Result):
    path: str

    def as_text(self) -> str:
        return f"Deleted {self.path}."


class FileDeleteTool(_FileChange):
    id = "file_delete"
    description = "Deletes a file of the workspace."
    Input: ClassVar[type[BaseModel]] = FileDeleteArguments
    Output: ClassVar[type[BaseModel]] = FileDeleteResult

    async def prepare(self, arguments: FileDeleteArguments, context: ToolContext) -> UndoRecord:
        """The copy of the file.

        Raises:
            EngineError: NOT_FOUND.
        """

        def plan(workspace: Workspace) -> list[Change]:
            workspace.read(arguments.path)  # it must be there
            return [Change(arguments.path, None)]

        return await self._prepare(context, plan)

    async def run(self, arguments: FileDeleteArguments, context: ToolContext) -> FileDeleteResult:
        await self._change(context, lambda workspace, _stop: workspace.remove(arguments.path))
        return FileDeleteResult(path=workspace_of(context).normal(arguments.path))
