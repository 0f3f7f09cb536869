"""People who answer requests for approval by script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.tools.policy import Approval, ApprovalRequest

Answer = Callable[[ApprovalRequest], Approval]


def yes(request: ApprovalRequest, *, text: str | None = None) -> Approval:
    return Approval(True, request.arguments_hash, text=text)


def no(request: ApprovalRequest) -> Approval:
    return Approval(False, request.arguments_hash, reason="Not today.")


class Person:
    """Answers every request in the same way, at once or when the test says so."""

    def __init__(self, answer: Answer = yes) -> None:
        self.answer = answer
        self.asked: list[ApprovalRequest] = []
        self.thinking = 0
        """Requests that wait for the answer."""
        self.hold: asyncio.Event | None = None
        """Where set, answers come when it is set."""

    async def ask(self, request: ApprovalRequest) -> Approval:
        self.asked.append(request)
        self.thinking += 1
        try:
            if self.hold is not None:
                await self.hold.wait()
            return self.answer(request)
        finally:
            self.thinking -= 1
