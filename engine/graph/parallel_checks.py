"""Checks of what runs in parallel: fan-outs, joins, and whether a join can ever get what it waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from engine.graph.conditions import compile_condition
from engine.graph.config_checks import check_condition
from engine.graph.meeting import meeting_point
from engine.graph.problems import Location, Problem, shorten
from engine.graph.spec import FanoutConfig, GateConfig, GraphSpec, JoinConfig, NodeSpec, RouterConfig
from engine.graph.topology import reachable

_USED_BY = {
    "quorum": ("quorum",),
    "success": ("first_success",),
    "score": ("best_score",),
    "separator": ("all", "quorum"),
    "on_dead": ("all", "majority_vote", "best_score"),
}
"""Field of a join -> the modes that look at it."""

_OF_A_MESSAGE = ("content", "data", "route", "routes", "compound_route", "domains", "scores")
"""What the `success` of a join may mention: it sees a message, and nothing of the run."""

_Following = Mapping[str, tuple[str, ...]]


def check_parallel_config(node: NodeSpec, at: Location) -> Iterator[Problem]:
    """The problems of one node's config by itself; `at` is its location."""
    match node.config:
        case FanoutConfig() as config:
            yield from _fanout(config, at, node)
        case JoinConfig() as config:
            yield from _join(config, at, node)
        case RouterConfig(fanout_enabled=True) as config:
            if not config.multi_label:
                message = f"The node `{node.id}` never fans out: it finds one label only."
                remedy = "Set `multi_label: true`, or remove `fanout_enabled`."
                yield _problem((*at, "fanout_enabled"), message, remedy)
            elif config.max_labels < 2:
                message = f"The node `{node.id}` never fans out: it keeps one label only."
                yield _problem((*at, "max_labels"), message, "Set `max_labels` to 2 or more.")


def _problem(location: Location, message: str, remedy: str) -> Problem:
    return Problem("", 0, 0, message, remedy, location)


def _fanout(config: FanoutConfig, at: Location, node: NodeSpec) -> Iterator[Problem]:
    for index, target in enumerate(config.targets):
        if target in config.targets[:index]:
            message = f"The fan-out `{node.id}` lists the target `{target}` twice."
            yield _problem((*at, "targets", index), message, "Remove one of them; `over` repeats a branch.")
    if len(config.targets) > config.max_branches:
        message = (
            f"The fan-out `{node.id}` has {len(config.targets)} targets, but begins {config.max_branches} branches"
        )
        yield _problem((*at, "max_branches"), f"{message} at most.", f"Set it to {len(config.targets)} or more.")
    if config.over is not None:
        yield from _path(config.over, (*at, "over"), node)


def _join(config: JoinConfig, at: Location, node: NodeSpec) -> Iterator[Problem]:
    if config.mode == "quorum" and config.quorum is None:
        message = f"The join `{node.id}` does not say how many branches it waits for."
        yield _problem((*at, "mode"), message, "Add `quorum:` with their number, or set `mode: all`.")
    for field, modes in _USED_BY.items():
        if config.mode not in modes and getattr(config, field) != JoinConfig.model_fields[field].default:
            message = f"The mode `{config.mode}` of the join `{node.id}` does not use the field `{field}`."
            listed = " or ".join(f"`mode: {mode}`" for mode in modes)
            yield _problem((*at, field), message, f"Remove it, or set {listed}.")
    if config.mode == "best_score":
        yield from _path(config.score, (*at, "score"), node)
    if config.success is not None:
        yield from _success(config.success, (*at, "success"), node)


def _path(path: str, at: Location, node: NodeSpec) -> Iterator[Problem]:
    if not all(part.strip() for part in path.split(".")):
        message = f"The path `{shorten(path)}` of node `{node.id}` is empty or has an empty part."
        yield _problem(at, message, "Write names with single dots between them, such as json.parts.")


def _success(text: str, at: Location, node: NodeSpec) -> Iterator[Problem]:
    found = list(check_condition(text, at, f"node `{node.id}`"))
    yield from found
    if found:
        return
    for name in sorted(compile_condition(text).names):
        if name.partition(".")[0] not in _OF_A_MESSAGE:
            message = f"In node `{node.id}`: the condition `{shorten(text)}` mentions `{shorten(name)}`, which is not"
            known = ", ".join(f"`{each}`" for each in _OF_A_MESSAGE)
            yield _problem(at, f"{message} known of a message that arrives.", f"Choose from {known}.")


def check_meetings(spec: GraphSpec, following: _Following) -> Iterator[Problem]:
    """Joins that can never be satisfied, and fan-outs without a join of their own.

    Args:
        spec: a graph whose references are sound.
        following: node -> the nodes that it can lead to.
    """
    position = {node.id: index for index, node in enumerate(spec.nodes)}
    joins = {node.id: node.config for node in spec.nodes if isinstance(node.config, JoinConfig)}
    fanouts = {node.id: node.config for node in spec.nodes if isinstance(node.config, FanoutConfig)}
    begins = {name: config.targets for name, config in fanouts.items()}
    meetings = {name: meeting_point(following, joins, targets, begins) for name, targets in begins.items()}
    missed: set[str] = set()
    for name, config in fanouts.items():
        meeting = meetings[name]
        if meeting is None:
            for join, problem in _missed(name, config, joins, following, position):
                missed.add(join)
                yield problem
            continue
        for other, met in meetings.items():
            inside = other != name and met == meeting and name in _before(meeting, fanouts[other].targets, following)
            if inside and joins[meeting].mode != "any":
                message = f"The fan-out `{name}` runs in a branch of `{other}`, and both come together at `{meeting}`:"
                place = ("nodes", position[name], "config", "targets")
                remedy = f"Give `{name}` a join of its own before `{meeting}`."
                yield _problem(place, f"{message} only its first branch would count there.", remedy)
    for name, joining in joins.items():
        if joining.quorum is not None and joining.mode == "quorum" and name not in missed:
            most = _most(name, spec, following, meetings)
            if joining.quorum > most:
                message = f"The join `{name}` can never be satisfied: it waits for {joining.quorum} branches, and"
                place = ("nodes", position[name], "config", "quorum")
                yield _problem(place, f"{message} at most {most} come together there.", f"Set it to {most} or less.")


def _before(join: str, starts: list[str], following: _Following) -> frozenset[str]:
    """What branches can reach without going through their join."""
    return reachable(starts, {**following, join: ()})


def _missed(
    name: str, config: FanoutConfig, joins: Mapping[str, JoinConfig], following: _Following, position: dict[str, int]
) -> Iterator[tuple[str, Problem]]:
    """A join that some branches of a fan-out can reach, and others not: they do not come together there."""
    reach = {target: reachable([target], following) for target in config.targets}
    for join, what in joins.items():
        there = [target for target in config.targets if join in reach[target]]
        if len(there) > 1 and what.mode not in ("any", "first_success"):
            others = ", ".join(f"`{target}`" for target in config.targets if target not in there)
            message = (
                f"The join `{join}` can never be satisfied: only {len(there)} of the {len(config.targets)} branches"
            )
            message += f" of `{name}` can reach it, not {others}."
            remedy = f"Lead {others} to it as well, or remove that from the targets of `{name}`."
            yield join, _problem(("nodes", position[join]), message, remedy)
            return


def _most(join: str, spec: GraphSpec, following: _Following, meetings: Mapping[str, str | None]) -> int:
    """How many branches can come together at a join: at most so many."""
    backwards: dict[str, list[str]] = {}
    for source, targets in following.items():
        for target in targets:
            backwards.setdefault(target, []).append(source)
    leading = reachable([join], backwards)
    edges = Counter(edge.from_node for edge in spec.edges if edge.to_node in leading)
    most = 1
    for node in spec.nodes:
        match node.config:
            case FanoutConfig() as config if meetings[node.id] == join:
                most = max(most, len(config.targets) if config.over is None else config.max_branches)
            case RouterConfig(fanout_enabled=True) as config:
                routed = {route.target for route in config.routes if route.target in leading}
                most = max(most, min(len(routed), config.max_labels))
            case FanoutConfig() | RouterConfig() | GateConfig():
                pass
            case _:
                most = max(most, edges[node.id])
    return most
