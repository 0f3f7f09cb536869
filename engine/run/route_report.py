"""What a router says of a question, and how often it is right: nothing is recorded, and no answer is made."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from engine import events as ev
from engine.bus import EventBus
from engine.config import BreakerConfig
from engine.errors import EngineError, ErrorClass
from engine.graph.routers import Router, with_inner
from engine.graph.spec import EdgeSpec, GraphSpec, NodeSpec
from engine.health.registry import BreakerRegistry
from engine.routing.embedder import Embedder
from engine.routing.examples import LEARNING, Example, examples_of
from engine.run.connection import Connection
from engine.run.driver import Asked, Driver
from engine.run.plan import make_plan
from engine.run.run import Run
from engine.store.log import EventLog

_STARTS = 6
"""Times that a first embedding is waited for: a model may have to be loaded by a machine that is busy."""

MakeDriver = Callable[[EventLog, BreakerRegistry], Driver]
"""Gives what drives a run whose events go to a log of its own."""


async def explain(router: Router, graph: GraphSpec, question: str, make_driver: MakeDriver) -> ev.RouteDecided:
    """Let a router decide, in a run of its own that ends where it sends the question.

    Args:
        router: one of the graph's, or of its sub-graphs.
        graph: the graph.
        question: what the router is given.
        make_driver: see there.

    Raises:
        EngineError: there is no backend, or the router fails.
    """
    bus = EventBus()
    log = EventLog(bus, None)
    driver = make_driver(log, BreakerRegistry(BreakerConfig(), emit=lambda body: _drop(log.append(body))))
    tx = uuid.uuid4().hex

    async def kept(_tx: str, after: int) -> list[ev.Event]:
        return log.kept(tx, after=after)

    plan = make_plan(alone(router, graph))
    result = await driver.drive(Run(tx, 0, bus, kept), Asked(plan, question, None, {}))
    decided = [event.body for event in log.kept(tx) if isinstance(event.body, ev.RouteDecided)]
    if decided:
        return decided[-1]
    error = result.error
    if error is None:
        raise EngineError(ErrorClass.INTERNAL, "no_decision", "The router decided nothing.")
    raise EngineError(error.error_class, error.code, error.message, remedy=error.remedy, node=error.node)


def _drop(_event: ev.Event) -> None:
    """Nobody waits for it."""


def examples_in(taught: Sequence[ev.Taught]) -> list[Example]:
    """Corrections as examples."""
    return [Example(each.question, frozenset(each.labels)) for each in taught]


def alone(router: Router, graph: GraphSpec) -> GraphSpec:
    """A graph of the same id in which the router sends every question to an exit."""
    around = next(each for each in with_inner(graph) if each.id == router.graph_id)
    own = next(node for node in around.nodes if node.id == router.node)
    config = router.config
    named = [*(route.target for route in config.routes), *(route.target for route in config.compound_routes)]
    if config.default_route is not None and config.default_route not in router.names:
        named.append(config.default_route)
    targets = [name for name in dict.fromkeys(named) if name != own.id]
    start = "start"
    while start in targets or start == own.id:
        start += "_"
    nodes = [{"id": start, "type": "entry"}, *({"id": name, "type": "exit"} for name in targets)]
    return GraphSpec(
        id=around.id,
        nodes=[*map(NodeSpec.model_validate, nodes), own],
        edges=[
            EdgeSpec(from_node=start, to_node=own.id),
            *(EdgeSpec(from_node=own.id, to_node=name) for name in targets),
        ],
        prompts=around.prompts,
        allow_cycles=True,
    )


async def _started(embedder: Embedder) -> None:
    """Wait until what makes the embeddings is started: its time is no part of a question's.

    Raises:
        EngineError: it makes none.
    """
    for left in reversed(range(_STARTS)):
        try:
            await embedder.vector("Hello")
        except EngineError as error:
            if error.error_class is not ErrorClass.TIMEOUT or not left:
                raise
        else:
            return


async def ready_embedder(
    router: Router, graph: GraphSpec, corrections: Sequence[Example], connection: Connection
) -> Embedder | None:
    """What makes the embeddings for a router, once it has those of the examples; None where none does.

    Raises:
        EngineError: there is no backend, or it cannot be asked.
    """
    if router.config.method not in LEARNING:
        return None
    embedder = await (await connection.get()).embedder(graph)
    if embedder is not None:
        await _started(embedder)
        if await embedder.classifier(examples_of(router.config, corrections)) is None:
            await embedder.ready()
    return embedder
