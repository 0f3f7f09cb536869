"""Visit: one node's view of the run, the implementation of `NodeContext`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine import events as ev
from engine.errors import EngineError, classify
from engine.graph.spec import GraphSpec, hash_of
from engine.memory.context import ContextSelection
from engine.message import Message
from engine.models.caller import CallSite, ModelRound
from engine.models.protocol import ChatRequest

if TYPE_CHECKING:
    from engine.run.executor import Executor


class Visit:
    """One visit of one node."""

    __slots__ = ("_activation", "_run", "_step", "path", "visit")

    def __init__(self, run: Executor, activation: ev.Activation) -> None:
        self._run = run
        self._step = 0
        self._activation = activation
        self.path = activation.node
        self.visit = activation.visit

    # -- what a node may look at -------------------------------------------------------------------------------------

    @property
    def graph(self) -> GraphSpec:
        return self._run.plan.graph

    @property
    def question(self) -> str:
        return self._run.tx.state.messages[1].content

    @property
    def inputs(self) -> Mapping[str, Any]:
        return self._run.tx.state.messages[1].data

    @property
    def history(self) -> Sequence[tuple[str, str]]:
        return self._run.services.history

    @property
    def variables(self) -> Mapping[str, Any]:
        return self._run.tx.state.variables

    @property
    def notes(self) -> Sequence[ev.Retry]:
        return self._run.tx.state.notes

    @property
    def joined(self) -> Sequence[Message]:
        state, activation = self._run.tx.state, self._activation
        numbers = activation.inputs if activation.size else (activation.message,)
        return [state.messages[number] for number in numbers]

    @property
    def dead(self) -> int:
        return self._activation.dead

    @property
    def branches(self) -> int:
        return self._activation.size or 1

    def output_of(self, node: str) -> Message | None:
        state = self._run.tx.state
        number = state.outputs.get(node)
        return None if number is None else state.messages[number]

    def retries_of(self, gate: str) -> int:
        return self._run.tx.state.retries.get(gate, 0)

    def available(self, node: str) -> bool:
        return self._run.available(node)

    # -- models ------------------------------------------------------------------------------------------------------

    def resolve(self, reference: str) -> str:
        return self._run.services.resolve(reference)

    def window_of(self, model: str) -> int:
        return self._run.services.window_of(model)

    @property
    def largest_window(self) -> int:
        return self._run.services.largest_window

    def capable(self, model: str) -> bool:
        return model in self._run.services.capable

    def selection(self, model: str, *, window: int | None = None) -> ContextSelection:
        key = f"{self.path} {model}"
        return ContextSelection(key, window or self.window_of(model), factor=self._run.factors.get(key, 1.0))

    def observe(self, selection: ContextSelection, reported: int) -> None:
        self._run.factors[selection.key] = selection.observe(reported)

    async def chat(self, request: ChatRequest, *, fallbacks: Sequence[str] = (), stream: bool = True) -> ModelRound:
        self._step += 1
        return await self._run.chat(
            request, CallSite(self.path, self.visit, self._step), fallbacks=fallbacks, stream=stream
        )

    # -- operations --------------------------------------------------------------------------------------------------

    def emit(self, body: ev.Body) -> None:
        self._run.tx.emit(body)

    async def op(self, name: str, arguments: Mapping[str, Any], call: Callable[[], Awaitable[Any]]) -> Any:
        self._step += 1
        step = self._step
        self.emit(ev.OpStarted(self.path, self.visit, step, name, hash_of(dict(arguments))))
        try:
            result = await call()
        except BaseException as exc:
            info = classify(exc).info(node=self.path)
            self.emit(ev.OpFinished(self.path, self.visit, step, name, error=info))
            raise
        self.emit(ev.OpFinished(self.path, self.visit, step, name, result))
        return result


def failed(exc: BaseException, path: str) -> EngineError:
    """Any exception as an `EngineError` that names the node."""
    error = classify(exc)
    if not error.node:
        error.node = path
    return error
