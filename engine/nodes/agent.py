"""Agent node: a model that works in steps with tools until it answers, within bounds."""

from __future__ import annotations

from engine.graph.inner_configs import AgentConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.conversation import Conversation
from engine.nodes.prompting import Prompting
from engine.nodes.structured import payload
from engine.nodes.tool_loop import Limits, converse
from engine.nodes.toolbox import Toolbox, with_used


class AgentNode:
    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._prompting = Prompting(config)

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """The agent's answer; the data says how it came about.

        Raises:
            EngineError: a model call failed for good.
        """
        config = self._config
        conversation = await Conversation.begin(ctx, message, self._prompting)
        toolbox = Toolbox(ctx, config.tool_ids, conversation.window)
        ended = await converse(conversation, toolbox, Limits(config.max_steps, config.budget))
        answer = ended.answer
        return Outcome(
            content=answer.text,
            data={
                "finish": answer.finish,
                "model": answer.model,
                "answered_by": ctx.path,
                "steps": conversation.calls,
                "tool_calls": len(toolbox.used),
                "stopped": ended.stopped,
                **payload(answer, conversation.schema),
                **with_used(message, toolbox.used),
            },
        )
