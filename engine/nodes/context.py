"""NodeContext: what a node sees of the run that it is part of. `engine.run` implements it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.events import Body, Recalled, Retry, Summariser, Summary, Taught
from engine.graph.spec import GraphSpec
from engine.memory.context import ContextSelection, Oversize
from engine.message import Message
from engine.models.caller import ModelRound
from engine.models.protocol import Capability, ChatRequest
from engine.routing.embedder import Embedder
from engine.tools.policy import Approval, ApprovalRequest
from engine.tools.protocol import ToolContext


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a visit comes to. Nodes return outcomes; they never raise into the scheduler."""

    content: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Payload of the message that goes on; added to what the node received."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] | None = None
    """Nodes to go on to, chosen by the node itself (router, gate); None: by the edges."""
    rewind_to: str | None = None
    """Node to run again (a gate's retry)."""
    retry: Retry | None = None
    branches: tuple[tuple[str, str, Mapping[str, Any]], ...] | None = None
    """(target, content, added data) of branches that are to run in parallel (fan-out over a list)."""
    exits: bool = False
    """The run ends here with this message."""


class TimeLimit(Protocol):
    """A time limit that does not count the time in which a person is asked."""

    def expired(self) -> bool:
        """Whether it ended the work."""

    @property
    def left(self) -> float:
        """Seconds until it ends the work; negative when they are over."""


class NodeContext(Protocol):
    """The run, as one visit of one node sees it."""

    path: str
    visit: int

    @property
    def graph(self) -> GraphSpec: ...

    @property
    def question(self) -> str: ...

    @property
    def history(self) -> Sequence[tuple[str, str]]:
        """(role, content) of the session's earlier messages."""

    @property
    def corrections(self) -> Sequence[Taught]:
        """What people said about the routes of questions at this router, the oldest first; as recorded when the run
        began. A route that it names may be gone from the graph since."""

    @property
    def recalled(self) -> Sequence[Recalled]:
        """Long-term memories that a model is told of, the best first; as recorded when the run began."""

    @property
    def embedder(self) -> Embedder | None:
        """What makes the embeddings that routes are learnt from; None where no installed model makes any."""

    @property
    def inputs(self) -> Mapping[str, Any]: ...

    @property
    def variables(self) -> Mapping[str, Any]: ...

    @property
    def notes(self) -> Sequence[Retry]:
        """What the retries so far asked to be changed, oldest first."""

    def emit(self, body: Body) -> None:
        """Log and publish an event."""

    @property
    def joined(self) -> Sequence[Message]:
        """At a join: the messages that arrived, in order of their branches; the one message where no scope is open."""

    @property
    def dead(self) -> int:
        """At a join: branches that ended without arriving."""

    @property
    def branches(self) -> int:
        """At a join: branches that began; 1 where no scope is open."""

    def output_of(self, node: str) -> Message | None:
        """The latest output of a node that was not taken back."""

    def retries_of(self, gate: str) -> int:
        """How often that gate sent the run back."""

    @property
    def can_escalate(self) -> bool:
        """Whether some role of the run would come to a better model, were it resolved one step higher."""

    def resolve(self, reference: str) -> str:
        """The model that answers a reference such as `@math`, as recorded when the run began; after escalating retries
        so many steps higher.

        Raises:
            EngineError: nothing that is installed fits.
        """

    def window_of(self, model: str) -> int:
        """The model's context window in tokens."""

    def capable(self, model: str) -> bool:
        """Whether the model is good enough to be asked for decisions (more than a billion parameters)."""

    def supports(self, model: str, capability: Capability) -> bool:
        """Whether the model has a capability, as its backend tells."""

    @property
    def largest_window(self) -> int:
        """The largest window of the models that this run uses, in tokens; 0 when it uses none."""

    @property
    def oversize(self) -> Oversize:
        """What becomes of messages that are larger than a model's window."""

    def available(self, node: str) -> bool:
        """Whether that node's circuit breaker lets a call pass."""

    def selection(self, model: str, *, window: int | None = None) -> ContextSelection:
        """An empty context selection for this node and a model, with the correction that the run has learnt.

        Args:
            model: the model.
            window: in tokens; default: the model's own.
        """

    def observe(self, selection: ContextSelection, reported: int) -> None:
        """Learn from the backend's count of the prompt's tokens, for this selection and later ones of its key."""

    async def chat(self, request: ChatRequest, *, fallbacks: Sequence[str] = (), stream: bool = True) -> ModelRound:
        """Ask a model: an operation, with retries, breakers and events.

        Raises:
            EngineError: the call failed for good.
        """

    @property
    def summariser(self) -> Summariser | None:
        """The model that writes summaries of what is pruned, as recorded when the run began; None where there is
        none."""

    async def summary(self, request: ChatRequest) -> Summary:
        """What the summariser writes, or why it wrote nothing; what the run has recorded is not asked for again."""

    @property
    def tools(self) -> ToolContext:
        """What the tools of this run may use; its approver asks through `ask`, so that every answer is logged."""

    async def ask(self, request: ApprovalRequest) -> Approval:
        """Ask a person, once: an operation. Their thinking time counts against no deadline. No where nobody can be
        asked."""

    def time_limit(self, milliseconds: int) -> AbstractAsyncContextManager[TimeLimit]:
        """A time limit around what this visit does; a person's thinking time pushes it back. Raises TimeoutError."""

    async def run_node(self, node: str, message: Message) -> Message:
        """Run an inner node inside this visit, with its breaker, retries and time limit; the message that it made.

        Raises:
            EngineError: it failed.
        """

    async def run_graph(self, graph: str, question: str, inputs: Mapping[str, Any]) -> Message:
        """Run a sub-graph inside this visit; its answer, with `exit` (`success` or `fallback`) in the data.

        Args:
            graph: its name in `graphs` of the graph.
            question: what it is asked.
            inputs: further fields for its entry node.

        Raises:
            EngineError: it failed, or ended at an error exit.
        """

    async def op(self, name: str, arguments: Mapping[str, Any], call: Callable[[], Awaitable[Any]]) -> Any:
        """Take a non-deterministic result: intent and outcome are logged. The result must be JSON."""

    def position(self) -> Mapping[str, int]:
        """How far this visit has come with inner nodes, for `take_back_since`."""

    async def take_back_since(self, position: Mapping[str, int]) -> None:
        """Take back what tools of inner nodes changed since; for a node that goes on without what these came to."""


class InlineNode(Protocol):
    """A node that decides at once. Made once per plan; keeps no state between visits."""

    def decide(self, ctx: NodeContext, message: Message) -> Outcome:
        """The outcome, without waiting for anything.

        Raises:
            EngineError: the node failed.
        """


class AsyncNode(Protocol):
    """A node that waits for something. Made once per plan; keeps no state between visits."""

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """The outcome.

        Raises:
            EngineError: the node failed.
        """
