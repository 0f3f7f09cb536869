"""Conversation: what one visit and its model say to each other, made to fit the model's window for each request."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.spec import PromptSpec
from engine.memory.context import ContextSelection
from engine.memory.item import ContextItem
from engine.message import Message, MessageKind
from engine.models.caller import ModelRound
from engine.models.protocol import Capability, ChatMessage, ChatRequest
from engine.models.tokens import json_tokens
from engine.nodes.context import NodeContext
from engine.nodes.prompting import Prompting, question_of
from engine.nodes.pruning import pruned_for
from engine.nodes.structured import as_text, correction, read_answer


@dataclass(slots=True)
class Turn:
    """Messages that stay or go together: a remark, or a tool call with its results."""

    kind: MessageKind
    messages: tuple[ChatMessage, ...]
    pinned: bool


class Conversation:
    """One visit's conversation with its model.

    What is added is seen by every later request, until it is pruned: a tool's results are pinned until a later round
    has seen them.
    """

    def __init__(
        self, ctx: NodeContext, message: Message, prompting: Prompting, prompt: PromptSpec, asked: str
    ) -> None:
        self.ctx = ctx
        self.question = question_of(ctx, message)
        self.asked = asked
        """What stands for the question."""
        self.model = ctx.resolve(prompting.config.model)
        self.window = ctx.window_of(self.model)
        self.schema = prompt.output_schema
        self.calls = 0
        """Model calls so far."""
        self.tokens = 0
        """Tokens of all of them, prompts included."""
        self._message = message
        self._prompting = prompting
        self._prompt = prompt
        self._turns: list[Turn] = []
        self._said = ""
        """What the model wrote last; empty where its last call failed."""

    @staticmethod
    async def begin(ctx: NodeContext, message: Message, prompting: Prompting) -> Conversation:
        """The conversation up to the question.

        Raises:
            EngineError: no model fits, or the prompt's template cannot be filled.
        """
        prompt = prompting.prompt(ctx)
        return Conversation(ctx, message, prompting, prompt, await prompting.asked(ctx, message, prompt))

    def note(self, text: str) -> Turn:
        """Add a remark of the engine."""
        turn = Turn(MessageKind.NOTE, (ChatMessage("user", text),), pinned=True)
        self._turns.append(turn)
        return turn

    def retract(self, turn: Turn) -> None:
        """Take back a remark that holds no longer."""
        self._turns = [each for each in self._turns if each is not turn]

    def tool_exchange(self, *messages: ChatMessage) -> None:
        """Add a tool call with its results; results that the model has answered to may be pruned from now on."""
        for turn in self._turns:
            if turn.kind is MessageKind.TOOL:
                turn.pinned = False
        self._turns.append(Turn(MessageKind.TOOL, messages, pinned=True))

    def tool_result(self, text: str) -> None:
        """Add the result of a tool that was called without the model's asking; it stays."""
        self._turns.append(Turn(MessageKind.TOOL, (ChatMessage("user", text),), pinned=True))

    async def answer(self) -> ModelRound:
        """The model's answer, without tools; asked once more where the first is not usable.

        Raises:
            EngineError: the call failed for good, or the second answer is not usable either.
        """
        try:
            return self.usable(await self.ask(schema=self.schema))
        except EngineError as error:
            self.correct(error)
        return self.usable(await self.ask(schema=self.schema))

    def correct(self, error: EngineError) -> None:
        """Tell the model what is wrong with its answer.

        Raises:
            EngineError: `error` itself, when it is not the answer's fault.
        """
        if error.error_class is not ErrorClass.INVALID_OUTPUT:
            raise error
        self.note(correction(error, self._said))

    def usable(self, answer: ModelRound) -> ModelRound:
        """The answer; where there is a schema, its text is the JSON that fulfils it, and nothing else.

        Raises:
            EngineError: invalid_output when it does not fulfil it.
        """
        if self.schema is None:
            return answer
        return replace(answer, text=as_text(answer, read_answer(answer, self.schema)))

    async def ask(
        self, *, tools: Sequence[dict[str, Any]] = (), schema: dict[str, Any] | None = None, stream: bool = True
    ) -> ModelRound:
        """Ask the model with everything that was said; once more with less where its window overflows all the same.

        Args:
            tools: definitions of the tools that it may call.
            schema: of the answer.
            stream: False where the text is no answer to be shown.

        Raises:
            EngineError: the call failed for good.
        """
        try:
            return await self._request(tools, schema, stream)
        except _TooLong as error:
            return await self._request(tools, schema, stream, limit=min(error.window, self.window))

    async def _request(
        self, tools: Sequence[dict[str, Any]], schema: dict[str, Any] | None, stream: bool, *, limit: int | None = None
    ) -> ModelRound:
        ctx, config = self.ctx, self._prompting.config
        selection = ctx.selection(self.model, window=limit)
        special = self._fill(selection)
        reserve = min(config.max_tokens, self.window // 2)
        definitions = json_tokens(tools)  # they stand in the prompt too, and are no messages
        await pruned_for(ctx, selection, reserve + definitions)
        ctx.emit(selection.measured(reserve + definitions))
        request = ChatRequest(
            model=self.model,
            messages=to_messages(selection.visible(), special),
            max_tokens=reserve,
            window=self.window,
            temperature=config.temperature,
            seed=config.seed,
            schema=schema,
            tools=tuple(tools),
        )
        fallbacks = self._fallbacks("tools" if tools else "chat")
        self.calls += 1
        self._said = ""
        try:
            answer = await ctx.chat(request, fallbacks=fallbacks, stream=stream and self._prompting.stream)
        except EngineError as error:
            if error.error_class is not ErrorClass.CONTEXT_OVERFLOW or not selection.shrinks:
                raise
            ctx.observe(selection, selection.total * 2)  # the estimate was far off, and the next one will be better
            raise _TooLong(error, selection.total - 1 + reserve + definitions) from error
        self._said = answer.text
        self.tokens += answer.prompt_tokens + answer.completion_tokens
        if answer.exact and answer.model == self.model:
            reported = max(answer.prompt_tokens - definitions, 1)
            ctx.observe(selection, reported)
            ctx.emit(selection.measured(reserve + definitions, reported=reported))
        return answer

    def _fill(self, selection: ContextSelection) -> dict[int, ChatMessage]:
        """Everything that was said, in order; (item -> its message) for those that are more than a text."""
        self._prompting.begin(self.ctx, self._message, selection, self._prompt, self.asked)
        special = {}
        for turn in self._turns:
            for message in turn.messages:
                item = selection.add(turn.kind, message.role, _counted(message), pinned=turn.pinned)
                if message.tool_calls or message.tool_call_id:
                    special[item.id] = message
        return special

    def _fallbacks(self, needed: Capability) -> list[str]:
        """The fallback models that are installed and can do what is needed: one that is not is no reason not to ask
        the first."""
        found = []
        for name in self._prompting.config.fallback_models:
            with contextlib.suppress(EngineError):
                model = self.ctx.resolve(name)
                if needed == "chat" or self.ctx.supports(model, needed):
                    found.append(model)
        return found


class _TooLong(EngineError):
    """The backend counted more tokens than the window holds; the next request must fit into `window` tokens."""

    def __init__(self, error: EngineError, window: int) -> None:
        super().__init__(error.error_class, error.code, error.message, remedy=error.remedy, attempt=error.attempt)
        self.window = window


def _counted(message: ChatMessage) -> str:
    """The text that a message is counted by: its calls are part of the prompt too."""
    calls = [f"{call.name} {json.dumps(call.arguments, ensure_ascii=False)}" for call in message.tool_calls]
    return "\n".join(filter(None, (message.content, *calls)))


def to_messages(items: Sequence[ContextItem], special: dict[int, ChatMessage]) -> tuple[ChatMessage, ...]:
    """The messages of a selection; neighbours of one role are joined, as chat templates want turns to alternate.

    Args:
        items: what is visible.
        special: item -> its message, for tool calls and their results; these stand alone.
    """
    messages: list[ChatMessage] = []
    joins = False
    for item in items:
        message = special.get(item.id)
        if message is not None:  # its text, where it is a tool's result, may have been cut
            messages.append(message if message.tool_calls else replace(message, content=item.text))
        elif joins and messages[-1].role == item.role:
            messages[-1] = ChatMessage(item.role, f"{messages[-1].content}\n\n{item.text}")
        else:
            messages.append(ChatMessage(item.role, item.text))
        joins = message is None
    return tuple(messages)
