"""Model node: shows a model the conversation as far as it fits, and passes its answer on."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.spec import ModelConfig, PromptSpec
from engine.graph.templates import compile_template
from engine.memory.context import ContextItem, ContextSelection
from engine.message import Message, MessageKind
from engine.models.caller import ModelRound
from engine.models.protocol import ChatMessage, ChatRequest
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.entry import check_schema
from engine.nodes.json_values import parse_json
from engine.nodes.notes import words_of
from engine.nodes.templates import fill, scope_of


class _TooLong(EngineError):
    """The backend counted more tokens than the window holds; the next request must fit into `window` tokens."""

    def __init__(self, error: EngineError, window: int) -> None:
        super().__init__(error.error_class, error.code, error.message, remedy=error.remedy, attempt=error.attempt)
        self.window = window


class ModelNode:
    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._own = PromptSpec(id="own", system=config.system_prompt, output_schema=config.output_schema)

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """Ask the model; once more with a changed request after an unusable answer or an overflow of its window.

        Raises:
            EngineError: the call failed for good.
        """
        try:
            return await self._ask(ctx, message)
        except _TooLong as error:
            return await self._ask(ctx, message, limit=error.window)
        except EngineError as error:
            if error.error_class is not ErrorClass.INVALID_OUTPUT:
                raise
            correction = f"Your last answer was not usable: {error.message}"
        return await self._ask(ctx, message, correction)

    async def _ask(
        self, ctx: NodeContext, message: Message, correction: str = "", *, limit: int | None = None
    ) -> Outcome:
        config = self._config
        model = ctx.resolve(config.model)
        window = ctx.window_of(model)
        reserve = min(config.max_tokens, window // 2)
        prompt = self._prompt(ctx)
        asked = await self._asked(ctx, message, prompt)
        selection = self._select(ctx, message, ctx.selection(model, window=limit), prompt, asked, correction)
        pruned = selection.prune(reserve)
        if pruned is not None:
            ctx.emit(pruned.event(selection.key))
        ctx.emit(selection.measured(reserve))
        request = ChatRequest(
            model=model,
            messages=to_messages(selection.visible()),
            max_tokens=reserve,
            window=window,
            temperature=config.temperature,
            schema=prompt.output_schema,
        )
        try:
            answer = await ctx.chat(request, fallbacks=self._fallbacks(ctx), stream=config.stream)
        except EngineError as error:
            if error.error_class is not ErrorClass.CONTEXT_OVERFLOW or all(item.pinned for item in selection):
                raise
            ctx.observe(selection, selection.total * 2)  # the estimate was far off, and the next one will be better
            raise _TooLong(error, selection.total - 1 + reserve) from error
        if answer.exact and answer.model == model:
            ctx.observe(selection, answer.prompt_tokens)
            ctx.emit(selection.measured(reserve, reported=answer.prompt_tokens))
        if prompt.output_schema is not None:
            check_schema(_json_of(answer.text), prompt.output_schema, "The answer", ErrorClass.INVALID_OUTPUT)
        return Outcome(content=answer.text, data=_payload(ctx, answer))

    def _fallbacks(self, ctx: NodeContext) -> list[str]:
        """The fallback models that are installed: one that is not is no reason not to ask the first."""
        found = []
        for name in self._config.fallback_models:
            with contextlib.suppress(EngineError):
                found.append(ctx.resolve(name))
        return found

    def _prompt(self, ctx: NodeContext) -> PromptSpec:
        """The prompt that the node names, with the node's own schema where it has one; else what the node says."""
        if self._config.prompt_id is None:
            return self._own
        prompt = ctx.graph.prompts[self._config.prompt_id]
        own = self._config.output_schema
        return prompt if own is None else prompt.model_copy(update={"output_schema": own})

    async def _asked(self, ctx: NodeContext, message: Message, prompt: PromptSpec) -> str:
        """What stands for the question.

        Raises:
            EngineError: the prompt's template cannot be filled.
        """
        question = _question(ctx, message)
        if prompt is self._own:
            return question
        return await fill(compile_template(prompt.user), scope_of(ctx, message, question))

    def _select(
        self,
        ctx: NodeContext,
        message: Message,
        selection: ContextSelection,
        prompt: PromptSpec,
        asked: str,
        correction: str,
    ) -> ContextSelection:
        system = prompt.system.strip()
        if prompt.output_schema is not None:
            schema = json.dumps(prompt.output_schema, ensure_ascii=False)
            system = f"{system}\nAnswer with JSON that fulfils this schema: {schema}".strip()
        if system:
            selection.add(MessageKind.SYSTEM, "system", system, pinned=True)
        for example in prompt.examples:
            selection.add(MessageKind.SYSTEM, "user", example.user, pinned=True)
            selection.add(MessageKind.SYSTEM, "assistant", example.assistant, pinned=True)
        for role, content in ctx.history:
            selection.add(MessageKind.HISTORY, "assistant" if role == "assistant" else "user", content)
        for upstream in self._upstream(ctx, message, prompt):
            selection.add(MessageKind.UPSTREAM, "user", upstream)
        selection.add(MessageKind.QUESTION, "user", asked, pinned=True)
        for note in ctx.notes:
            selection.add(MessageKind.NOTE, "user", words_of(note), pinned=True)
        if correction:
            selection.add(MessageKind.NOTE, "user", correction, pinned=True)
        return selection

    def _upstream(self, ctx: NodeContext, message: Message, prompt: PromptSpec) -> list[str]:
        """Outputs of other nodes that the model sees besides the question."""
        if self._config.input is not None:
            outputs = (ctx.output_of(node) for node in self._config.input)
            return [output.content for output in outputs if output is not None]
        if "content" in compile_template(prompt.user).names:  # it is there already
            return []
        made_here = message.path and message.content not in (ctx.question, _question(ctx, message))
        return [message.content] if made_here else []


def _question(ctx: NodeContext, message: Message) -> str:
    """The question; a router that took a command off it says so in its payload."""
    asked = message.data.get("asked")
    return asked if isinstance(asked, str) and asked else ctx.question


def to_messages(items: list[ContextItem]) -> tuple[ChatMessage, ...]:
    """The messages of a selection; neighbours of one role are joined, as chat templates want turns to alternate."""
    messages: list[ChatMessage] = []
    for item in items:
        if messages and messages[-1].role == item.role:
            messages[-1] = ChatMessage(item.role, f"{messages[-1].content}\n\n{item.text}")
        else:
            messages.append(ChatMessage(item.role, item.text))
    return tuple(messages)


def _payload(ctx: NodeContext, answer: ModelRound) -> dict[str, Any]:
    return {"finish": answer.finish, "model": answer.model, "answered_by": ctx.path}


def _json_of(text: str) -> Any:
    """The JSON value of an answer, a surrounding code fence taken off.

    Raises:
        EngineError: invalid_output when it is none.
    """
    body = text.strip()
    if body.startswith("```") and body.endswith("```"):
        body = body.removesuffix("```").split("\n", 1)[-1]
    return parse_json(
        body,
        code="answer_not_json",
        message="The answer is not JSON.",
        remedy="Raise max_tokens, or use a model that follows schemas.",
    )
