"""Visit: one node's view of the run, the implementation of `NodeContext`."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from engine import events as ev
from engine.graph.spec import GraphSpec
from engine.memory.context import ContextSelection, Oversize
from engine.message import Message
from engine.models.caller import CallSite, ModelRound
from engine.models.protocol import Capability, ChatRequest
from engine.routing.embedder import Embedder
from engine.run import inner
from engine.run.compensation import take_back
from engine.run.effects import Effect
from engine.run.frame import Frame, id_of
from engine.run.limit import Limit, within
from engine.run.operation import EffectJournal, Operation
from engine.run.summarising import summary_of
from engine.tools.policy import Approval, ApprovalRequest
from engine.tools.protocol import ToolContext


class Visit:
    """One visit of one node; a further attempt of it is a new value."""

    __slots__ = ("_in_op", "_inner", "_step", "activation", "frame", "path", "visit")

    def __init__(self, frame: Frame, activation: ev.Activation) -> None:
        self.frame = frame
        self.activation = activation
        self.path = activation.node
        self.visit = activation.visit
        self._step = 0
        self._in_op = False
        self._inner: dict[str, int] = {}

    def next_inner(self, node: str) -> int:
        """The number of the next visit of an inner node; counted anew where this visit begins anew, so that what was
        recorded is found again."""
        self._inner[node] = self._inner.get(node, 0) + 1
        return self._inner[node]

    def again(self) -> Visit:
        """The same visit for its next attempt: its operations are counted from the start."""
        return Visit(self.frame, self.activation)

    def inside(self, activation: ev.Activation) -> Visit:
        """A visit of an inner node."""
        return Visit(self.frame, activation)

    # -- what a node may look at -------------------------------------------------------------------------------------

    @property
    def graph(self) -> GraphSpec:
        return self.frame.plan.graph

    @property
    def question(self) -> str:
        return self.frame.state.messages[self.frame.state.question].content

    @property
    def inputs(self) -> Mapping[str, Any]:
        return self.frame.state.messages[self.frame.state.question].data

    @property
    def history(self) -> Sequence[tuple[str, str]]:
        return self.frame.services.history

    @property
    def corrections(self) -> Sequence[ev.Taught]:
        here = (self.graph.id, id_of(self.path))
        return [each for each in self.frame.services.corrections if (each.graph, each.router) == here]

    @property
    def recalled(self) -> Sequence[ev.Recalled]:
        return self.frame.services.recalled if self.graph.memory else ()

    @property
    def embedder(self) -> Embedder | None:
        return self.frame.services.embedder

    @property
    def variables(self) -> Mapping[str, Any]:
        return self.frame.state.variables

    @property
    def notes(self) -> Sequence[ev.Retry]:
        return self.frame.state.notes

    @property
    def joined(self) -> Sequence[Message]:
        state, activation = self.frame.state, self.activation
        numbers = activation.inputs if activation.size else (activation.message,)
        return [state.messages[number] for number in numbers]

    @property
    def dead(self) -> int:
        return self.activation.dead

    @property
    def branches(self) -> int:
        return self.activation.size or 1

    def output_of(self, node: str) -> Message | None:
        state = self.frame.state
        number = state.outputs.get(self.frame.prefix + node)
        return None if number is None else state.messages[number]

    def retries_of(self, gate: str) -> int:
        return self.frame.state.retries.get(gate, 0)

    def available(self, node: str) -> bool:
        return self.frame.available(node)

    # -- models ------------------------------------------------------------------------------------------------------

    @property
    def _steps_up(self) -> int:
        """Steps by which the retries so far raise roles."""
        return sum(note.tier for note in self.notes)

    @property
    def can_escalate(self) -> bool:
        return self.frame.services.can_escalate(self._steps_up)

    def resolve(self, reference: str) -> str:
        return self.frame.services.resolve(reference, self._steps_up)

    def window_of(self, model: str) -> int:
        return self.frame.services.window_of(model)

    @property
    def largest_window(self) -> int:
        return self.frame.services.largest_window

    @property
    def oversize(self) -> Oversize:
        return self.frame.services.oversize

    def capable(self, model: str) -> bool:
        return model in self.frame.services.capable

    def supports(self, model: str, capability: Capability) -> bool:
        return capability in self.frame.services.capabilities.get(model, ())

    def selection(self, model: str, *, window: int | None = None) -> ContextSelection:
        key = f"{self.path} {model}"
        return ContextSelection(
            key,
            window or self.window_of(model),
            factor=self.frame.factors.get(key, self.frame.services.factors.get(model, 1.0)),
            oversize=self.oversize,
        )

    def observe(self, selection: ContextSelection, reported: int) -> None:
        self.frame.factors[selection.key] = selection.observe(reported)

    async def chat(self, request: ChatRequest, *, fallbacks: Sequence[str] = (), stream: bool = True) -> ModelRound:
        self._step += 1
        return await self.frame.chat(
            request, CallSite(self.path, self.visit, self._step), fallbacks=fallbacks, stream=stream
        )

    @property
    def summariser(self) -> ev.Summariser | None:
        return self.frame.services.summariser

    async def summary(self, request: ChatRequest) -> ev.Summary:
        self._step += 1  # known or not, so that a visit which begins anew counts the same
        return await summary_of(self.frame, request, CallSite(self.path, self.visit, self._step))

    # -- nodes and graphs inside ------------------------------------------------------------------------------------

    async def run_node(self, node: str, message: Message) -> Message:
        return await inner.run_node(self, node, message)

    async def run_graph(self, graph: str, question: str, inputs: Mapping[str, Any]) -> Message:
        return await inner.run_graph(self, graph, question, inputs)

    def time_limit(self, milliseconds: int) -> AbstractAsyncContextManager[Limit]:
        return within(milliseconds / 1000)

    # -- tools and people --------------------------------------------------------------------------------------------

    @property
    def tools(self) -> ToolContext:
        journal = EffectJournal(self.frame.tx, self.path, self.visit, self._step)
        return dataclasses.replace(self.frame.services.tools, approver=self, journal=journal)

    async def ask(self, request: ApprovalRequest) -> Approval:
        if (
            self._in_op
        ):  # a tool's question belongs to its call, and is not counted: where that is recalled, none is asked
            return await self.frame.asking.ask(self.path, self.visit, -self._step, request)
        self._step += 1
        return await self.frame.asking.ask(self.path, self.visit, self._step, request)

    # -- operations --------------------------------------------------------------------------------------------------

    def emit(self, body: ev.Body) -> None:
        self.frame.emit(body)

    async def op(self, name: str, arguments: Mapping[str, Any], call: Callable[[], Awaitable[Any]]) -> Any:
        self._step += 1
        operation = Operation(self, self._step, name, arguments)
        self._in_op = True
        try:
            return await operation.result(call)
        finally:
            self._in_op = False

    # -- taking back -------------------------------------------------------------------------------------------------

    @property
    def effects(self) -> Sequence[Effect]:
        """What tools changed in this visit and in those inside it, and what was not taken back."""
        return self.frame.tx.state.effects.inside(self.path, self.visit)

    def position(self) -> Mapping[str, int]:
        return dict(self._inner)

    async def take_back_since(self, position: Mapping[str, int]) -> None:
        # inner visits are told by their numbers: they are the same when this visit begins again after a crash
        await take_back(self.frame.tx, self._later_than(position), self.frame.services.tools)

    async def take_back_unreached(self) -> None:
        """Take back what an earlier attempt did beyond the point that this one, which is through, came to."""
        beyond = [each for each in self.effects if each.path == self.path and each.step > self._step]
        if f"{self.path}#{self.visit}/" not in self.frame.tx.state.frames:  # a sub-graph counts for itself
            beyond += self._later_than(self._inner)
        await take_back(self.frame.tx, beyond, self.frame.services.tools)

    def _later_than(self, position: Mapping[str, int]) -> list[Effect]:
        """Effects of inner visits with a higher number than their node has here."""
        prefix = f"{self.path}#{self.visit}/"
        later = []
        for each in self.effects:
            if each.path.startswith(prefix):
                node, number = each.visit_in(prefix)
                if number > position.get(node, 0):
                    later.append(each)
        return later
