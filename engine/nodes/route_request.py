"""What a router asks its model: the instructions, the routes, and as much of the question as is looked at."""

from __future__ import annotations

import json
from typing import Any

from engine.graph.spec import RouterConfig
from engine.graph.templates import ROUTES, compile_template
from engine.memory.context import ContextSelection
from engine.memory.oversize import shortened
from engine.message import Message, MessageKind
from engine.models.caller import ModelRound
from engine.models.protocol import ChatRequest
from engine.nodes.context import NodeContext
from engine.nodes.conversation import to_messages
from engine.nodes.notes import words_of
from engine.nodes.templates import fill, scope_of

MODEL_TOKENS = 64
"""Tokens that the model may answer with: an object with a few labels."""
ASKED_TOKENS = 500
"""Estimated tokens of a question that the model sees: its head and its tail, with a mark between them."""


class LabelRequest:
    """A request for the labels of a question, made to fit the model's window as a model node's is.

    Args:
        ctx: the router's visit.
        config: the router's.
        model: which is asked.
    """

    def __init__(self, ctx: NodeContext, config: RouterConfig, model: str) -> None:
        self._ctx = ctx
        self._config = config
        self._model = model
        self._selection: ContextSelection = ctx.selection(model)
        self._reserve = min(MODEL_TOKENS, ctx.window_of(model) // 2)

    async def fill(self, message: Message) -> None:
        """Take up what is said to the model.

        Args:
            message: what reached the router.

        Raises:
            EngineError: the template of the prompt cannot be filled.
        """
        question, _ = shortened(message.content, ASKED_TOKENS)
        selection = self._selection
        if self._config.prompt_id:
            asked = await self._begin_by_prompt(message, question)
        else:
            selection.add(MessageKind.SYSTEM, "system", self._own_words(), pinned=True)
            asked = question
        source = "question" if asked == self._ctx.question else ""
        selection.add(MessageKind.QUESTION, "user", asked, pinned=True, source=source)
        for note in self._ctx.notes:
            selection.add(MessageKind.NOTE, "user", words_of(note), pinned=True)

    async def ask(self) -> ModelRound:
        """The model's answer; what does not fit its window is cut before, and events say so.

        Raises:
            EngineError: the instructions alone are too long, or the call failed for good.
        """
        ctx, selection = self._ctx, self._selection
        pruned = selection.prune(self._reserve)
        if pruned is not None:
            ctx.emit(pruned.event(selection.key))
        ctx.emit(selection.measured(self._reserve))
        request = ChatRequest(
            model=self._model,
            messages=to_messages(selection.visible(), {}),
            max_tokens=self._reserve,
            window=selection.window,
            schema=self._schema(),
        )
        answer = await ctx.chat(request, stream=False)
        if answer.exact and answer.model == self._model:
            ctx.observe(selection, answer.prompt_tokens)
            ctx.emit(selection.measured(self._reserve, reported=answer.prompt_tokens))
        return answer

    def _own_words(self) -> str:
        described = "\n".join(f"- {route.name}: {route.description or route.name}" for route in self._config.routes)
        return f"Choose the labels that fit the user's question. Labels:\n{described}\nAnswer with JSON only."

    async def _begin_by_prompt(self, message: Message, question: str) -> str:
        """Add the instructions and examples of the graph's own prompt; what stands for the question."""
        config, selection = self._config, self._selection
        prompt = self._ctx.graph.prompts[config.prompt_id or ""]
        form = f"Answer with JSON that fulfils this schema: {json.dumps(self._schema(), ensure_ascii=False)}"
        selection.add(MessageKind.SYSTEM, "system", f"{prompt.system.strip()}\n{form}".strip(), pinned=True)
        for example in prompt.examples:
            selection.add(MessageKind.SYSTEM, "user", example.user, pinned=True)
            selection.add(MessageKind.SYSTEM, "assistant", example.assistant, pinned=True)
        routes = [{"name": route.name, "description": route.description} for route in config.routes]
        scope = {**scope_of(self._ctx, message, question), "content": question, ROUTES: routes}
        return await fill(compile_template(prompt.user), scope)

    def _schema(self) -> dict[str, Any]:
        config = self._config
        most = config.max_labels if config.multi_label else 1
        names = {"type": "string", "enum": [route.name for route in config.routes]}
        return {
            "type": "object",
            "properties": {"labels": {"type": "array", "items": names, "minItems": 1, "maxItems": most}},
            "required": ["labels"],
            "additionalProperties": False,
        }
