"""Model node: shows a model the conversation as far as it fits, lets it call tools, and passes its answer on."""

from __future__ import annotations

from engine.graph.spec import ModelConfig
from engine.message import Message
from engine.models.caller import ModelRound
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.conversation import Conversation
from engine.nodes.prompting import Prompting
from engine.nodes.structured import payload
from engine.nodes.tool_loop import Limits, converse
from engine.nodes.toolbox import Toolbox, with_used


class ModelNode:
    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._prompting = Prompting(config)

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """Ask the model; once more with a changed request after an unusable answer or an overflow of its window.

        Raises:
            EngineError: the call failed for good.
        """
        config = self._config
        conversation = await Conversation.begin(ctx, message, self._prompting)
        if not config.tools_enabled:
            return _outcome(conversation, await conversation.answer())
        toolbox = Toolbox(ctx, config.tool_ids, conversation.window)
        ended = await converse(conversation, toolbox, Limits(config.max_tool_rounds + 1))
        outcome = _outcome(conversation, ended.answer)
        return Outcome(outcome.content, {**outcome.data, **with_used(message, toolbox.used)})


def _outcome(conversation: Conversation, answer: ModelRound) -> Outcome:
    said = {"finish": answer.finish, "model": answer.model, "answered_by": conversation.ctx.path}
    return Outcome(answer.text, {**said, **payload(answer, conversation.schema)})
