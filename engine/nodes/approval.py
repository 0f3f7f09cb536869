"""Approval node: asks a person whether, and with which text, the run goes on."""

from __future__ import annotations

from engine.errors import EngineError, ErrorClass
from engine.graph.inner_configs import ApprovalConfig
from engine.graph.spec import hash_of
from engine.graph.templates import compile_template
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.templates import fill, scope_of
from engine.tools.policy import Approval, ApprovalRequest


class ApprovalNode:
    """Asked once in each visit. Where nobody can be asked the answer is no."""

    def __init__(self, config: ApprovalConfig) -> None:
        self._config = config
        self._prompt = compile_template(config.prompt)

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """What the person sends on: the message, or their own words for it where they may change it; in the data
        `approved` and `approved_by` (`person` or `nobody`).

        Raises:
            EngineError: TOOL_REFUSED `rejected`, for a no where there is no `rejected_target`; or the prompt cannot be
                filled.
        """
        question = await fill(self._prompt, scope_of(ctx, message))
        request = ApprovalRequest(
            tool="",
            description=question,
            effect="pure",
            arguments={},
            arguments_hash=hash_of([ctx.path, question, message.content]),
            text=message.content,
            editable=self._config.editable,
        )
        approval = await ctx.ask(request)
        data = {"approved": approval.allowed, "approved_by": approval.by}
        if approval.allowed:
            content = message.content if approval.text is None else approval.text
            return Outcome(content=content, data=data, targets=_only(self._config.approved_target))
        if self._config.rejected_target is None:
            raise _rejected(approval)
        return Outcome(content=message.content, data=data, targets=_only(self._config.rejected_target))


def _only(target: str | None) -> tuple[str, ...] | None:
    return None if target is None else (target,)


def _rejected(approval: Approval) -> EngineError:
    if approval.by == "nobody":
        message = f"This needs a person's yes, and nobody could be asked. {approval.reason}"
        remedy = "Run it in a terminal, where a person can answer, or give the node a rejected_target."
    else:
        message = f"A person said no. {approval.reason}"
        remedy = "Ask differently, or give the node a rejected_target if a no is to lead somewhere."
    return EngineError(ErrorClass.TOOL_REFUSED, "rejected", message.strip(), remedy=remedy)
