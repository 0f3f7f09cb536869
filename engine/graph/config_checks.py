"""Checks of a node's config that need more than its form: references, conditions, schemas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from engine.errors import ConfigurationError
from engine.graph.conditions import CHECKS, JUDGE, SCOPE_NAMES, compile_condition
from engine.graph.inner_configs import AgentConfig
from engine.graph.json_schema import flaw_of
from engine.graph.problems import Location, Problem, choose_from, shorten
from engine.graph.spec import (
    EntryConfig,
    ExitConfig,
    GateConfig,
    ModelConfig,
    NodeSpec,
    RouterConfig,
    ToolConfig,
    TransformConfig,
)
from engine.graph.tool_checks import OwnTools, check_model_tools, check_tool_config, check_tools
from engine.graph.transform_checks import check_transform

_JUDGED = ("llm", "hybrid")
"""Modes of gates that ask a judge."""
_OF_GATES = {"checks": (CHECKS, ("checks", "hybrid")), "judge": (JUDGE, _JUDGED)}
"""First part of a name -> what may follow it, and the modes of gates in which it is known."""
_AFTER_GATES = {
    "checks": "Ask for it in a condition of a gate with `mode: checks`.",
    "judge": "Ask for it in a condition of a gate with `mode: llm`; after the gate it is `data.judge`.",
}


def check_config(node: NodeSpec, at: Location, roles: frozenset[str] | None, own: OwnTools) -> Iterator[Problem]:
    """The problems of one node's config.

    Args:
        node: the node.
        at: location of its config.
        roles: known roles without `@`; None: references to roles are not checked.
        own: tools that there are beside the built-in ones.
    """
    match node.config:
        case RouterConfig() as config:
            yield from _model(config.model, (*at, "model"), node, roles)
            yield from _router(config, at, node)
        case ModelConfig() | AgentConfig() as config:
            if isinstance(config, ModelConfig):
                yield from check_model_tools(config, at, node, own)
            else:
                yield from check_tools(config.tool_ids, at, node, own)
            yield from _model(config.model, (*at, "model"), node, roles)
            for index, name in enumerate(config.fallback_models):
                yield from _model(name, (*at, "fallback_models", index), node, roles)
            yield from check_schema(config.output_schema, (*at, "output_schema"), f"node `{node.id}`")
        case GateConfig() as config:
            yield from _judge(config, at, node, roles)
            for index, condition in enumerate(config.conditions):
                place = (*at, "conditions", index, "expression")
                yield from check_condition(condition.expression, place, f"node `{node.id}`", config.mode)
        case ToolConfig() as config:
            yield from check_tool_config(config, at, node, own)
        case TransformConfig() as config:
            yield from check_transform(config, at, node)
        case EntryConfig() as config:
            yield from check_schema(config.input_schema, (*at, "input_schema"), f"node `{node.id}`")
        case ExitConfig() as config:
            yield from check_schema(config.output_schema, (*at, "output_schema"), f"node `{node.id}`")


def check_condition(text: str, at: Location, owner: str, mode: str = "") -> Iterator[Problem]:
    """The problems of one condition.

    Args:
        text: the condition.
        at: its location.
        owner: whose it is, in words.
        mode: of the gate whose it is; empty elsewhere.
    """
    try:
        condition = compile_condition(text)
    except ConfigurationError as exc:
        yield _problem(at, f"In {owner}: {exc.message}", exc.remedy)
        return
    for name in sorted(condition.names):
        first, _, rest = name.partition(".")
        words = f"In {owner}: the condition `{shorten(text)}` mentions"
        if first not in SCOPE_NAMES:
            remedy = f"{choose_from(name, SCOPE_NAMES, limit=20)} A field of the message is written `data.{first}`."
            yield _problem(at, f"{words} the unknown field `{shorten(name)}`.", remedy)
        elif first in _OF_GATES:
            yield from _of_a_gate(first, rest, mode, words, at)


def _of_a_gate(first: str, rest: str, mode: str, words: str, at: Location) -> Iterator[Problem]:
    """The problems of `checks.name` and `judge.name`, which are known in gates of some modes."""
    known, modes = _OF_GATES[first]
    name = shorten(f"{first}.{rest}" if rest else first)
    if mode not in modes:
        what = "no checks are run" if first == "checks" else "no judge is asked"
        remedy = f"Set `mode: {modes[0]}` in the gate." if mode else _AFTER_GATES[first]
        yield _problem(at, f"{words} `{name}`, but {what} here.", remedy)
    elif rest not in known:
        what = "check" if first == "checks" else "field of the judge"
        yield _problem(at, f"{words} the unknown {what} `{name}`.", choose_from(name, [f"{first}.{n}" for n in known]))


def _problem(location: Location, message: str, remedy: str) -> Problem:
    return Problem("", 0, 0, message, remedy, location)


def _known(name: str, known: Iterable[str], at: Location, node: NodeSpec, field: str, what: str) -> Iterator[Problem]:
    names = list(known)
    if name not in names:
        message = (
            f"The field `{field}` of node `{node.id}` names the {what} `{shorten(name)}`, but there is no such {what}."
        )
        yield _problem(at, message, choose_from(name, names))


def _model(reference: str, at: Location, node: NodeSpec, roles: frozenset[str] | None) -> Iterator[Problem]:
    name = reference.strip()
    if not name or name == "@":
        message = f"The node `{node.id}` names no model."
        yield _problem(at, message, "Write a role such as `@general`, or the name of a model.")
    elif name.startswith("@") and roles is not None and name[1:] not in roles:
        message = f"The node `{node.id}` uses the role `{shorten(name)}`, but there is no such role."
        yield _problem(at, message, choose_from(name, [f"@{role}" for role in roles]))


def _judge(config: GateConfig, at: Location, node: NodeSpec, roles: frozenset[str] | None) -> Iterator[Problem]:
    """The problems of the fields that say how a gate's judge grades."""
    if config.mode in _JUDGED:
        yield from _model(config.model, (*at, "model"), node, roles)
        return
    for name in ("model", "prompt_id", "pass_score"):
        if getattr(config, name) != GateConfig.model_fields[name].default:
            message = f"The gate `{node.id}` has a `{name}`, but in mode {config.mode} it asks no judge."
            yield _problem((*at, name), message, "Set `mode: llm` or `mode: hybrid`, or remove it.")


def _router(config: RouterConfig, at: Location, node: NodeSpec) -> Iterator[Problem]:
    names: list[str] = []
    for index, route in enumerate(config.routes):
        if route.name in names:
            message = f"The node `{node.id}` has two routes named `{shorten(route.name)}`."
            yield _problem((*at, "routes", index, "name"), message, "Give every route a name of its own.")
        names.append(route.name)
    for index, compound in enumerate(config.compound_routes):
        place = (*at, "compound_routes", index)
        for ordinal, domain in enumerate(compound.domains):
            yield from _known(domain, names, (*place, "domains", ordinal), node, "compound_routes", "route")
        if len(set(compound.domains)) < 2:
            message = f"A compound route of node `{node.id}` names one route only."
            yield _problem((*place, "domains"), message, "Name two or more different routes.")
        elif config.max_labels < len(set(compound.domains)):
            message = f"The compound route `{' + '.join(compound.domains)}` of node `{node.id}` can never be taken."
            remedy = f"Set `max_labels` to {len(set(compound.domains))} or more."
            yield _problem((*at, "max_labels"), message, remedy)
    if config.compound_routes and not config.multi_label:
        message = f"The compound routes of node `{node.id}` can never be taken: it finds one label only."
        yield _problem((*at, "compound_routes"), message, "Set `multi_label: true`, or remove them.")


def check_schema(schema: dict[str, Any] | None, at: Location, owner: str) -> Iterator[Problem]:
    """The problems of a JSON Schema.

    Args:
        schema: the schema, where there is one.
        at: its location.
        owner: whose it is, in words.
    """
    if schema is None:
        return
    flaw = flaw_of(schema)
    if flaw is not None:
        yield _problem((*at, *flaw.at), f"The `{at[-1]}` of {owner} {flaw.problem}.", flaw.remedy)
