"""Small tools and partners for tests of the tool machinery."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from engine.tools.effect import Effect, Permission
from engine.tools.policy import Approval, ApprovalRequest, Decision
from engine.tools.protocol import Arguments, Intent, Reconciliation, Result, ToolContext
from engine.tools.registry import ToolRegistry
from engine.tools.workspace import Workspace


class EchoArguments(Arguments):
    text: str
    times: int = 1


class EchoResult(Result):
    text: str
    items: list[str] = Field(default_factory=list)


class EchoTool:
    """Does what a test wants, and notes that it ran."""

    id = "echo"
    description = "Repeats a text."
    Input: type[BaseModel] = EchoArguments
    Output: type[BaseModel] = EchoResult

    def __init__(
        self,
        work: Callable[[EchoArguments], Any] | None = None,
        *,
        effect: Effect = "pure",
        permission: Permission = "auto",
        timeout_s: float = 5.0,
        host: str | None = None,
    ) -> None:
        self.work = work
        self.effect: Effect = effect
        self.permission: Permission = permission
        self.timeout_s = timeout_s
        self.ran: list[EchoArguments] = []
        if host is not None:
            self.host = lambda _arguments: host

    async def run(self, arguments: EchoArguments, context: ToolContext) -> EchoResult:
        self.ran.append(arguments)
        if self.work is not None:
            made = self.work(arguments)
            return await made if asyncio.iscoroutine(made) else made
        return EchoResult(text=arguments.text * arguments.times)


class SendTool(EchoTool):
    """An irreversible tool whose world can be asked."""

    def __init__(self, answer: Reconciliation | Exception, **options: Any) -> None:
        super().__init__(effect="irreversible", **options)
        self.answer = answer

    async def reconcile(self, intent: Intent, context: ToolContext) -> Reconciliation:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class ListJournal:
    steps: list[Decision | Intent] = field(default_factory=list)

    async def decided(self, decision: Decision) -> None:
        self.steps.append(decision)

    async def prepared(self, intent: Intent) -> None:
        self.steps.append(intent)

    @property
    def intents(self) -> list[Intent]:
        return [step for step in self.steps if isinstance(step, Intent)]


@dataclass
class Person:
    """An approver with an answer ready."""

    allowed: bool = True
    scope: Any = "call"
    hash_of_another: str = ""
    asked: list[ApprovalRequest] = field(default_factory=list)

    async def ask(self, request: ApprovalRequest) -> Approval:
        self.asked.append(request)
        return Approval(self.allowed, self.hash_of_another or request.arguments_hash, self.scope)


def file_context(base: Path, **fields: Any) -> ToolContext:
    """A context with a workspace and an undo folder beside it, and a person who says yes."""
    root = base / "workspace"
    root.mkdir(exist_ok=True)
    return ToolContext(workspace=Workspace(root), undo_dir=base / "undo", approver=Person(), **fields)


TOOLS = ToolRegistry()
