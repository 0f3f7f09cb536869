"""The routers of a graph: where they are, and which of their routes a person may name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.errors import EngineError, ErrorClass
from engine.graph.inner_configs import SubgraphConfig
from engine.graph.problems import nearest, shorten
from engine.graph.spec import GraphSpec, RouterConfig


@dataclass(frozen=True, slots=True)
class Router:
    """A router and the graph that it belongs to."""

    graph_id: str
    node: str
    config: RouterConfig

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its routes."""
        return tuple(route.name for route in self.config.routes)

    @property
    def most(self) -> int:
        """Labels that a question may have."""
        return self.config.max_labels if self.config.multi_label else 1


def routers(graph: GraphSpec) -> list[Router]:
    """The routers of a graph, then those of its sub-graphs; each once."""
    found = {(each.graph_id, each.node): each for spec in with_inner(graph) for each in _own(spec)}
    return list(found.values())


def with_inner(graph: GraphSpec) -> Iterator[GraphSpec]:
    """The graph, and all graphs inside it."""
    yield graph
    for inner in graph.graphs.values():
        yield from with_inner(inner)


def _own(spec: GraphSpec) -> Iterator[Router]:
    for node in spec.nodes:
        if isinstance(node.config, RouterConfig):
            yield Router(spec.id, node.id, node.config)


def router_at(graph: GraphSpec, path: str | None = None) -> Router:
    """The router at a path as events have it (`router`, `sub#1/router`); without a path the only one that there is.

    Raises:
        EngineError: not_found: there is none, or without a path there are several.
    """
    every = routers(graph)
    if path is None:
        if len(every) == 1:
            return every[0]
        names = ", ".join(f"`{each.node}`" for each in every)
        message = f"The graph {graph.id} has several routers: {names}." if every else f"{graph.id} has no router."
        remedy = "Name one of them (--router)." if every else "Name a graph that has one."
        raise EngineError(ErrorClass.NOT_FOUND, "router_not_found", message, remedy=remedy)
    spec = graph
    *around, name = path.split("/")
    for each in around:
        node = next((node for node in spec.nodes if node.id == each.partition("#")[0]), None)
        if node is not None and isinstance(node.config, SubgraphConfig):
            spec = spec.graphs.get(node.config.graph_id, spec)
    found = next((each for each in _own(spec) if each.node == name), None)
    if found is None:
        known = ", ".join(f"`{each.node}`" for each in every) or "none"
        raise EngineError(
            ErrorClass.NOT_FOUND,
            "router_not_found",
            f"The graph {graph.id} has no router `{shorten(path)}`.",
            remedy=f"Its routers: {known}.",
        )
    return found


def check_labels(router: Router, labels: Sequence[str]) -> tuple[str, ...]:
    """The labels, each once, if a question at this router may have them.

    Raises:
        EngineError: invalid_request: there are none or too many, or one is no route.
    """
    named = tuple(dict.fromkeys(labels))
    for label in named:
        if label not in router.names:
            near = nearest(label, router.names)
            listed = ", ".join(router.names)
            raise _refused(
                f"The router `{router.node}` of {router.graph_id} has no route `{shorten(label)}`.",
                f"Did you mean `{near}`? Its routes: {listed}." if near else f"Its routes: {listed}.",
            )
    if not named:
        raise _refused("No route is named.", f"Name one of {', '.join(router.names)}.")
    if len(named) > router.most:
        many = "one route" if router.most == 1 else f"{router.most} routes"
        raise _refused(
            f"A question has at most {many} at the router `{router.node}`, not {len(named)}.",
            "Name fewer, or raise `max_labels` of the router (with `multi_label: true`).",
        )
    return named


def _refused(message: str, remedy: str) -> EngineError:
    return EngineError(ErrorClass.INVALID_REQUEST, "route_refused", message, remedy=remedy)
