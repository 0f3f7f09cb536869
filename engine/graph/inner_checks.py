"""Checks of nodes that run others inside their visit, and of what a graph says of failures."""

from __future__ import annotations

from collections.abc import Iterator

from engine.graph.config_checks import check_condition
from engine.graph.inner_configs import LoopConfig, SubgraphConfig, TimeoutConfig
from engine.graph.path_checks import check_path
from engine.graph.problems import Location, Problem
from engine.graph.spec import GraphSpec, NodeSpec
from engine.graph.topology import Link, links

_NEVER_INSIDE = frozenset({"entry", "exit", "router", "gate", "fanout", "join"})
"""Types of nodes that say where a message goes on: inside another node there is nowhere to go."""

_WITH_CONDITION = ("until_condition", "while_condition")


def check_degradation(spec: GraphSpec) -> Iterator[Problem]:
    """What is wrong with `degradation` and `fallback_node`, where that is the id of a node."""
    if spec.degradation == "fallback" and spec.fallback_node is None:
        message = "The graph does not say where failures go."
        yield _problem(("degradation",), message, "Add `fallback_node:` with the id of a node, such as an exit.")
    elif spec.fallback_node is None:
        return
    elif spec.degradation != "fallback":
        message = f"The `fallback_node` does nothing with `degradation: {spec.degradation}`."
        yield _problem(("fallback_node",), message, "Set `degradation: fallback`, or remove it.")
    elif next(node for node in spec.nodes if node.id == spec.fallback_node).type == "entry":
        message = f"The `fallback_node` `{spec.fallback_node}` is an entry: the run would begin again."
        yield _problem(("fallback_node",), message, "Name an exit, or a node that leads to one.")


def check_inner_config(node: NodeSpec, at: Location) -> Iterator[Problem]:
    """The problems of one node's config by itself; `at` is its location."""
    match node.config:
        case LoopConfig() as config:
            yield from _loop(config, at, node)
        case TimeoutConfig() as config:
            yield from _timeout(config, at, node)
        case SubgraphConfig() as config:
            for field, path in (("question", config.question), *config.input_mapping.items()):
                place = (*at, "question") if field == "question" else (*at, "input_mapping", field)
                yield from check_path(path, place, node)


def _problem(location: Location, message: str, remedy: str) -> Problem:
    return Problem("", 0, 0, message, remedy, location)


def _loop(config: LoopConfig, at: Location, node: NodeSpec) -> Iterator[Problem]:
    if config.condition is not None and config.mode in _WITH_CONDITION:
        yield from check_condition(config.condition, (*at, "condition"), f"node `{node.id}`")
    elif config.condition is not None:
        message = f"The mode `{config.mode}` of the loop `{node.id}` does not use the field `condition`."
        yield _problem((*at, "condition"), message, "Remove it, or set `mode: until_condition`.")
    elif config.mode in _WITH_CONDITION:
        message = f"The loop `{node.id}` does not say when it is over."
        yield _problem((*at, "mode"), message, "Add `condition:`, such as data.score >= 8, or set `mode: fixed_count`.")
    if config.mode == "fixed_count" and config.on_exhausted != "error":
        message = f"The mode `fixed_count` of the loop `{node.id}` does not use the field `on_exhausted`."
        yield _problem((*at, "on_exhausted"), message, "Remove it: such a loop ends after its last iteration.")


def _timeout(config: TimeoutConfig, at: Location, node: NodeSpec) -> Iterator[Problem]:
    if config.on_timeout == "fallback" and config.fallback_node is None:
        message = f"The node `{node.id}` does not say what runs instead."
        yield _problem((*at, "on_timeout"), message, "Add `fallback_node:`, or set `on_timeout: skip`.")
    elif config.on_timeout != "fallback" and config.fallback_node is not None:
        message = f"The `fallback_node` of `{node.id}` does nothing with `on_timeout: {config.on_timeout}`."
        yield _problem((*at, "fallback_node"), message, "Set `on_timeout: fallback`, or remove it.")


def check_inner_nodes(spec: GraphSpec) -> Iterator[Problem]:
    """Nodes inside others that cannot be there: each has one owner and no way in or out of its own.

    Args:
        spec: a graph whose references are sound.
    """
    types = {node.id: node.type for node in spec.nodes}
    owners: dict[str, Link] = {}
    misplaced: set[str] = set()  # that ways lead to them is no mistake of its own
    for link in links(spec):
        if link.kind != "inner":
            continue
        kind, owner = types[link.target], owners.get(link.target)
        if kind in _NEVER_INSIDE:
            misplaced.add(link.target)
            message = f"The node `{link.target}` is of type {kind}, and cannot run inside `{link.source}`."
            yield _problem(link.location, message, "Put it into a graph of its own, and that into a node subgraph.")
        elif owner is not None:
            again = "twice" if owner.source == link.source else f"and inside `{owner.source}`"
            message = f"The node `{link.target}` runs inside `{link.source}` {again}."
            yield _problem(link.location, message, "Give each place a node of its own.")
        owners.setdefault(link.target, link)
    for name, problem in _circles(owners):
        misplaced.add(name)
        yield problem
    for link in links(spec):
        ends = (link.source, link.target)
        inside = next((name for name in ends if name in owners and name not in misplaced), None)
        if link.kind != "inner" and inside is not None:
            message = f"The node `{inside}` runs inside `{owners[inside].source}`, so nothing leads to it or from it."
            remedy = f"Remove this way, or lead it to or from `{owners[inside].source}`."
            yield _problem(link.location, message, remedy)
    if spec.fallback_node is not None and spec.fallback_node in owners:
        message = f"The `fallback_node` `{spec.fallback_node}` runs inside `{owners[spec.fallback_node].source}`."
        yield _problem(("fallback_node",), message, "Name a node outside of it.")


def _circles(owners: dict[str, Link]) -> Iterator[tuple[str, Problem]]:
    for name, link in owners.items():
        around, seen = link.source, {name}
        while around in owners and around not in seen:
            seen.add(around)
            around = owners[around].source
        if around == name and min(seen) == name:
            message = f"The node `{name}` runs inside itself."
            yield name, _problem(link.location, message, "Remove it here, or give it another place.")
            return
