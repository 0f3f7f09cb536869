"""The loop of a model with tools: it asks for calls, sees the results, and so on until it answers.

Three ways, by what the model can do: calls in the backend's own form; a choice that a schema enforces; and for the
smallest models, which choose badly, rules that call a tool before the model is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.errors import EngineError, ErrorClass
from engine.message import Message
from engine.models.caller import ModelRound
from engine.models.protocol import ChatMessage, ToolCall
from engine.nodes.conversation import Conversation
from engine.nodes.number_check import number_problem
from engine.nodes.tool_calls import Call, calls_in, printed_calls
from engine.nodes.tool_choice import Offer, calls_asked, offer_for
from engine.nodes.tool_results import marked, said_plainly
from engine.nodes.tool_rules import python_blocks
from engine.nodes.tool_schema import choice_in, choice_schema, instructions
from engine.nodes.toolbox import Result, Toolbox

MOST_CALLS = 8
"""Calls of one round that are made; the model is told about the others."""
MOST_IDLE = 2
"""Rounds without a call that could be made, after which the model has to answer: the first one and a second try."""

CALCULATOR = "calculator"
CODE = "code"
"""The tool that runs Python."""
_OWN_FAULTS = (
    "SyntaxError:",
    "IndentationError:",
    "ZeroDivisionError:",
    "IndexError:",
    "KeyError:",
    "UnboundLocalError:",
)
"""Errors that are the code's own; others may only say that the sandbox lacks something."""

Stopped = Literal["answered", "steps", "budget"]
"""Why a loop ended: the model answered by itself, had no steps left, or no tokens."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a loop."""

    steps: int
    """Model calls; the last one has to answer."""
    tokens: int | None = None
    """Tokens of all calls together, prompts included; then it has to answer."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How a loop ended."""

    answer: ModelRound
    stopped: Stopped


async def converse(conversation: Conversation, toolbox: Toolbox, limits: Limits) -> Answered:
    """Let the model work with tools until it answers.

    Raises:
        EngineError: a model call failed for good. What goes wrong with a tool is told to the model.
    """
    loop = _Loop(conversation, toolbox, limits)
    if not toolbox.tools:
        return Answered(await conversation.answer(), "answered")
    if not conversation.ctx.capable(conversation.model):
        return await loop.by_rule()
    offer = await offer_for(conversation.ctx, toolbox, conversation.asked, conversation.window)
    if not offer.names:
        return Answered(await conversation.answer(), "answered")
    if conversation.ctx.supports(conversation.model, "tools"):
        return await loop.with_calls(offer)
    return await loop.with_schema(offer)


class _Loop:
    def __init__(self, conversation: Conversation, toolbox: Toolbox, limits: Limits) -> None:
        self._conversation = conversation
        self._toolbox = toolbox
        self._limits = limits
        self._idle = 0

    # -- calls in the backend's own form -----------------------------------------------------------------------------

    async def with_calls(self, offer: Offer) -> Answered:
        """Rounds in which the model calls tools in the form of its backend, or prints such calls as text."""
        while (stopped := self._has_to_answer()) is None:
            try:
                answer = await self._conversation.ask(tools=offer.definitions)
            except EngineError as error:
                if error.error_class is ErrorClass.INVALID_REQUEST and self._conversation.calls == 1:
                    return await self.with_schema(offer)  # a server that says so only when it is asked
                self._conversation.correct(error)
                self._idle += 1
                continue
            calls = calls_in(answer, offer.names)
            if not calls:
                return await self._settled(answer)
            results = await self._made(calls)
            self._conversation.tool_exchange(*_exchange(answer, calls, results, self._conversation.calls))
        return await self._answered_at_last(stopped, offer)

    # -- a choice that a schema enforces -----------------------------------------------------------------------------

    async def with_schema(self, offer: Offer) -> Answered:
        """Rounds in which the model fills in a form: a tool with its arguments, or the answer."""
        told = self._conversation.note(instructions(offer.definitions))
        schema = choice_schema(offer.definitions, self._conversation.schema)
        while (stopped := self._has_to_answer()) is None:
            try:
                answer = await self._conversation.ask(schema=schema, stream=False)
                choice = choice_in(answer, offer.names)
            except EngineError as error:
                self._conversation.correct(error)
                self._idle += 1
                continue
            if isinstance(choice, ModelRound):
                return await self._settled(choice)
            results = await self._made([choice])
            asked = ChatMessage("assistant", answer.text)
            self._conversation.tool_exchange(asked, ChatMessage("user", marked(choice.name, results[0].text)))
        self._conversation.retract(told)
        return await self._answered_at_last(stopped, offer)

    # -- rules -------------------------------------------------------------------------------------------------------

    async def by_rule(self) -> Answered:
        """The calls that the question certainly asks for, and then the answer of the model, which sees the results."""
        conversation, made = self._conversation, 0
        while made < max(self._limits.steps - 1, 1):
            calls = await calls_asked(conversation.ctx, self._toolbox, conversation.question, conversation.asked)
            if not calls:
                break
            made += 1
            for call in calls[:MOST_CALLS]:
                result = await self._toolbox.call(call.name, call.arguments)
                conversation.tool_result(said_plainly(call.name, result))
        answer = await conversation.answer()
        problem = await self._problem(answer)
        if problem and conversation.calls < self._limits.steps:
            conversation.note(problem)
            answer = await conversation.answer()
        return Answered(answer, "answered")

    async def _problem(self, answer: ModelRound) -> str:
        """What tools know to be wrong with an answer, and what is to be done about it; empty where nothing is sure."""
        fault = await self._fault_of_code(answer)
        if fault:
            return f"The code in your answer does not run: {fault} Correct it."
        if not number_problem(Message(0, answer.text, {"tools": self._toolbox.used})):
            return ""
        # the smallest models repeat what they are told: so they are told the answer, and not what was wrong with theirs
        return " ".join(
            f"What is {each['arguments']['expression']}? It is {each['text']}."
            for each in self._toolbox.used
            if each["tool"] == CALCULATOR and each["ok"]
        )

    async def _fault_of_code(self, answer: ModelRound) -> str:
        """What is wrong with the Python of an answer, found by running it; empty where that is not sure."""
        blocks = python_blocks(answer.text)
        if CODE not in self._toolbox.tools or len(blocks) != 1:
            return ""
        result = await self._toolbox.call(CODE, {"code": blocks[0]})
        last = result.text.strip().rpartition("\n")[2]
        return last if result.fresh and not result.ok and last.startswith(_OWN_FAULTS) else ""

    # -- what they share ---------------------------------------------------------------------------------------------

    def _has_to_answer(self) -> Stopped | None:
        """Why the next call has to answer; None while there may be tool calls."""
        if self._conversation.calls >= self._limits.steps - 1:
            return "steps"
        if self._limits.tokens is not None and self._conversation.tokens >= self._limits.tokens:
            return "budget"
        return "answered" if self._idle >= MOST_IDLE else None

    async def _made(self, calls: Sequence[Call]) -> list[Result]:
        """The results of a round's calls, made one after the other."""
        results = [await self._toolbox.call(call.name, call.arguments) for call in calls[:MOST_CALLS]]
        too_many = f"Error: only {MOST_CALLS} calls are made at once. Ask again for this one if it is needed."
        results += [Result(too_many, ok=False, fresh=False) for _ in calls[MOST_CALLS:]]
        self._idle = 0 if any(result.fresh for result in results) else self._idle + 1
        return results

    async def _settled(self, answer: ModelRound) -> Answered:
        """An answer that the model gave by itself; asked for once more where it is not usable."""
        try:
            return Answered(self._conversation.usable(answer), "answered")
        except EngineError as error:
            self._conversation.correct(error)
        return Answered(await self._conversation.answer(), "answered")

    async def _answered_at_last(self, stopped: Stopped, offer: Offer) -> Answered:
        """The answer of a model that may call no tool any more."""
        self._conversation.note("Answer the question now with what you know. No tool can be called any more.")
        answer = await self._conversation.answer()
        if answer.tool_calls or printed_calls(answer.text, offer.names):
            self._conversation.note("That is a tool call. Answer the question in words.")
            answer = await self._conversation.answer()
        if not answer.text.strip() or printed_calls(answer.text, offer.names):
            raise EngineError(
                ErrorClass.INVALID_OUTPUT,
                "no_answer",
                "The model called tools to the end and gave no answer.",
                remedy="Allow more rounds, offer fewer tools, or use another model.",
            )
        return Answered(answer, stopped)


def _exchange(answer: ModelRound, calls: Sequence[Call], results: Sequence[Result], step: int) -> list[ChatMessage]:
    """The model's calls, and a message for each result; a call that the model printed is shown as a proper one.

    The ids are our own: a backend's may repeat from one round to the next, and some chat templates insist on nine
    letters and digits.
    """
    ids = [f"call{step % 100:02}{n:03}" for n in range(len(calls))]
    pairs = list(zip(calls, results, strict=True))
    asked = tuple(ToolCall(i, call.name, result.arguments) for i, (call, result) in zip(ids, pairs, strict=True))
    text = answer.text if answer.tool_calls else ""
    first = ChatMessage("assistant", text, thinking=answer.thinking, tool_calls=asked)
    return [first, *(ChatMessage("tool", result.text, tool_call_id=i) for i, result in zip(ids, results, strict=True))]
