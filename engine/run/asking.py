"""Asking a person: every request for approval of one run, logged with its answer, outside of every time limit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from engine import events as ev
from engine.graph.problems import shorten
from engine.message import replace_surrogates
from engine.run.limit import waiting_for_a_person
from engine.tools.policy import Approval, ApprovalRequest, Approver

MAX_LOGGED = 16_384
"""Characters of a request's question, text and arguments that its event carries, each."""
MAX_TEXT = 1_000_000
"""Characters of a text that a person may send on; what a filled template may have too."""


class Asking:
    """Asks the person of one run, and remembers what they answered.

    Args:
        emit: logs and publishes an event.
        approver: who can ask a person; None means that nobody can, which means no.
        recall: (path, visit, step, hash of the arguments) -> the event of an answer before an interruption.
    """

    def __init__(
        self,
        emit: Callable[[ev.Body], object],
        approver: Approver | None,
        recall: Callable[[str, int, int, str], object] = lambda *_: None,
    ) -> None:
        self._emit = emit
        self._approver = approver
        self._recall = recall
        self._answers: dict[tuple[str, int, int], Approval] = {}
        """(path, visit, step) -> the answer, so that a visit that is tried again does not ask again."""

    async def ask(self, path: str, visit: int, step: int, request: ApprovalRequest) -> Approval:
        """Ask, once for each step of a visit; a further attempt of the same visit gets the same answer.

        Args:
            path: the node that asks.
            visit: its visit.
            step: ordinal of the operation in the visit.
            request: what is asked; an attempt that asks something else at this step asks anew.
        """
        place = (path, visit, step)
        earlier = self._answers.get(place)
        if earlier is not None and earlier.arguments_hash == request.arguments_hash:
            return earlier
        recorded = self._recall(path, visit, step, request.arguments_hash)
        if isinstance(recorded, ev.ApprovalAnswered):
            return _approval(recorded)
        asked = replace(request, node=path)
        self._emit(_event(path, visit, step, asked))
        loop = asyncio.get_running_loop()
        since = loop.time()

        def answered(approval: Approval, by: ev.AnsweredBy) -> None:
            waited = round((loop.time() - since) * 1000)
            self._emit(_answer(path, visit, step, approval, by, waited))

        try:
            with waiting_for_a_person():
                approval = _checked(asked, await self._answer_of(asked))
        except asyncio.CancelledError:
            answered(_no(asked, ""), "cancelled")
            raise
        self._answers[place] = approval
        answered(approval, approval.by)
        return approval

    async def _answer_of(self, request: ApprovalRequest) -> Approval:
        if self._approver is None:
            return _no(request, "There is no person here to ask.")
        try:
            return await self._approver.ask(request)
        except Exception as exc:  # noqa: BLE001 - whatever keeps it from asking, nobody said yes
            return _no(request, f"The question could not be put to them ({shorten(exc, 120)}).")


def _approval(body: ev.ApprovalAnswered) -> Approval:
    by: Literal["person", "nobody"] = "person" if body.by == "person" else "nobody"
    return Approval(body.allowed, body.arguments_hash, body.scope, body.reason, body.text, by)


def _no(request: ApprovalRequest, reason: str) -> Approval:
    return Approval(False, request.arguments_hash, reason=reason, by="nobody")


def _checked(request: ApprovalRequest, approval: Approval) -> Approval:
    """The answer, as far as it is one to this request."""
    if approval.arguments_hash != request.arguments_hash:
        return Approval(False, request.arguments_hash, reason="The answer was about something else.")
    reason = replace_surrogates(approval.reason)
    text = approval.text if approval.allowed and request.editable else None
    if text is not None:
        text = replace_surrogates(text)[:MAX_TEXT]
    return replace(approval, reason=reason, text=None if text == request.text else text)


def _event(path: str, visit: int, step: int, request: ApprovalRequest) -> ev.ApprovalAsked:
    arguments = json.dumps(dict(request.arguments), ensure_ascii=False) if request.tool else ""
    logged = {"question": request.description, "text": request.text, "arguments": arguments}
    return ev.ApprovalAsked(
        path=path,
        visit=visit,
        step=step,
        tool=request.tool,
        arguments_hash=request.arguments_hash,
        effect=request.effect,
        host=request.host,
        editable=request.editable,
        cut=any(len(text) > MAX_LOGGED for text in logged.values()),
        **{name: text[:MAX_LOGGED] for name, text in logged.items()},
    )


def _answer(
    path: str, visit: int, step: int, approval: Approval, by: ev.AnsweredBy, waited_ms: int
) -> ev.ApprovalAnswered:
    return ev.ApprovalAnswered(
        path=path,
        visit=visit,
        step=step,
        allowed=approval.allowed,
        by=by,
        arguments_hash=approval.arguments_hash,
        reason=approval.reason,
        scope=approval.scope if approval.allowed else "call",
        text=approval.text,
        waited_ms=waited_ms,
    )
