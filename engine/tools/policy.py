"""Approval policy: whether a tool call may run, decided by rules and, where they say so, by a person.

Every verdict is a `Decision`, a value to be logged. What a person approves is one exact set of arguments, named by its
hash; where nobody can be asked, the answer is no.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from engine.errors import EngineError, ErrorClass
from engine.tools.effect import Effect, Permission

DecidedBy = Literal["rule", "person", "earlier_approval", "nobody"]
Scope = Literal["call", "host"]


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What a person is asked: exactly this call."""

    tool: str
    description: str
    effect: Effect
    arguments: Mapping[str, Any]
    """The validated arguments, plain JSON."""
    arguments_hash: str
    """SHA-256 of the tool's id and the arguments; the answer must repeat it."""
    host: str = ""
    """What an approval for longer than this call would be about; empty where only this call can be approved."""
    node: str = ""
    """Path of the node on whose behalf it is asked; the run fills it in."""
    text: str = ""
    """Where an approval node asks (`tool` is empty then): what goes on with a yes."""
    editable: bool = False
    """Whether the person may change `text`."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's answer."""

    allowed: bool
    arguments_hash: str
    """That of the request which was shown."""
    scope: Scope = "call"
    """host: the same tool may use the same host without asking again."""
    reason: str = ""
    text: str | None = None
    """The text that is to go on, where the person changed it; only of editable requests."""
    by: Literal["person", "nobody"] = "person"
    """nobody: no person could be asked, and so the answer is no."""


class Approver(Protocol):
    """Something that can ask a person. Enter alone must never mean yes."""

    async def ask(self, request: ApprovalRequest) -> Approval:
        """The person's answer; waits as long as they think."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call may run, and why; plain values, to be logged."""

    tool: str
    allowed: bool
    permission: Permission
    by: DecidedBy
    reason: str
    arguments_hash: str
    host: str = ""
    scope: Scope = "call"


@dataclass(slots=True)
class ApprovalPolicy:
    """The rules of one person for one run or session.

    `overrides` go before a tool's own permission. `hosts` are the (tool, host) pairs that a person approved; it grows
    by their answers and may be carried over to a later run. Whatever they say, what cannot be taken back is asked for
    call by call, or denied.
    """

    overrides: Mapping[str, Permission] = field(default_factory=dict)
    hosts: set[tuple[str, str]] = field(default_factory=set)

    def permission(self, tool: str, default: Permission) -> Permission:
        """What holds for a tool, by its id."""
        return self.overrides.get(tool, default)

    async def decide(self, request: ApprovalRequest, default: Permission, approver: Approver | None) -> Decision:
        """Decide one call.

        Args:
            request: the call.
            default: the tool's own permission.
            approver: who can ask a person; None means that nobody can, which means no.
        """
        permission = self.permission(request.tool, default)
        if request.effect == "irreversible" and permission != "deny":
            permission = "ask_call"
        if permission == "auto":
            return _decision(request, permission, True, "rule", "The policy allows it.")
        if permission == "deny":
            return _decision(request, permission, False, "rule", "The policy forbids it.")
        by_host = permission == "ask_host" and bool(request.host)
        if by_host and (request.tool, request.host) in self.hosts:
            return _decision(request, permission, True, "earlier_approval", f"{request.host} was approved before.")
        if approver is None:
            return _decision(request, permission, False, "nobody", "It needs a person's yes, and nobody can be asked.")
        approval = await approver.ask(request)
        if approval.arguments_hash != request.arguments_hash:
            return _decision(request, permission, False, "person", "The answer was about other arguments.")
        if not approval.allowed:
            return _decision(request, permission, False, approval.by, approval.reason or "A person said no.")
        scope: Scope = "host" if by_host and approval.scope == "host" else "call"
        if scope == "host":
            self.hosts.add((request.tool, request.host))
        return _decision(request, permission, True, "person", approval.reason or "A person said yes.", scope)


def _decision(
    request: ApprovalRequest, permission: Permission, allowed: bool, by: DecidedBy, reason: str, scope: Scope = "call"
) -> Decision:
    return Decision(request.tool, allowed, permission, by, reason, request.arguments_hash, request.host, scope)


def refused(decision: Decision) -> EngineError:
    """The error of a call that was not allowed."""
    remedies = {
        "rule": "Change the tool's permission in the settings if it should run.",
        "nobody": "Run it where a person can answer.",
    }
    return EngineError(
        ErrorClass.TOOL_REFUSED,
        "tool_refused",
        f"The tool {decision.tool} did not run. {decision.reason}",
        remedy=remedies.get(decision.by, ""),
    )
