"""Mutations of what nodes are told: names of models, prompts and tools, conditions, schemas, and the fields of each
type of node that go together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from engine.graph.transform_checks import _FIELDS as TRANSFORM_FIELDS
from tests.unit.graph.corpus.bases import Base
from tests.unit.graph.corpus.broken import Broken, Location, append, both, misspelt, put, remove
from tests.unit.graph.corpus.spots import Spot, spots

_BAD_CONDITIONS: tuple[tuple[str, str, str], ...] = (
    ("len(content", "is not valid", "Use =="),
    ("contentt == 'x'", "the unknown field `contentt`", "`content`"),
    ("open('x') == 1", "is not allowed", "Use =="),
    ("content is null", "use ==", "Use =="),
    ("content = 'x'", "is not valid", "Use =="),
    ("", "it is empty", "Use =="),
    ("   ", "it is empty", "Use =="),
    ("content == '" + "x" * 1000 + "'", "it is longer than 1000 characters", "Use =="),
    ("not " * 40 + "true", "nested more than 24 levels", "Use =="),
    ("(" * 300 + "1" + ")" * 300, "is not valid", "Use =="),
    ("content.__class__.x() == 1", "is not allowed", "Use =="),
    ("[x for x in routes] == routes", "is not allowed", "Use =="),
    ("lambda: 1", "is not allowed", "Use =="),
    ("data['x'] == 1", "is not allowed", "Use =="),
    ("1 + 1 == 2", "is not allowed", "Use =="),
    ("content == 1; question", "is not valid", "Use =="),
    ("content ==\0 1", "is not valid", "Use =="),
)
_BAD_TEMPLATES: tuple[tuple[str, str, str], ...] = (
    ("{{ contentt }}", "unknown name `contentt`", "`content`"),
    ("{{ content.text }}", "`content` is a text", "{{ content }}"),
    ("{content}", "single braces", "{{ content }}"),
    ("{{ content", "no Jinja2 template", "Correct it"),
    ("{% for x in data.xs %}", "no Jinja2 template", "Correct it"),
    ("{{ content | uper }}", "unknown filter `uper`", "`upper`"),
    ("{% if content is strin %}{% endif %}", "unknown test `strin`", "`string`"),
    ("{% include 'x' %}", "uses `include`", "no other templates"),
    ("{% import 'os' as os %}", "uses `import`", "no other templates"),
    ("{% macro m() %}{% endmacro %}", "uses `macro`", "no parts of their own"),
    ("{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}", "nested too deeply", "Nest less"),
    ("{% " + "if 1 %}{% " * 500 + "endif %}", "nested too deeply", "Nest less"),
)
_BAD_PATTERNS: tuple[tuple[str, str], ...] = (
    ("(unclosed", "missing )"),
    ("[unclosed", "unterminated character set"),
    ("*x", "nothing to repeat"),
    ("(?R)", "recursion"),
    ("(?1)(a)", "recursion"),
    ("(?&name)", "recursion"),
    ("(?x) a { 999 }", "the flag x"),
    ("((a{999}){999}){999}", "repeats something too often"),
    ("a{9999999}", "repeats something too often"),
    ("(?P<1>a)", "cannot be used"),
    (r"\p{NoSuchProperty}", "cannot be used"),
    ("(?P<a>x)(?P=b)", "cannot be used"),
)
_BAD_SCHEMAS: tuple[tuple[Any, Location, str, str], ...] = (
    ({"type": "objekt"}, ("type",), "no valid JSON Schema", "Correct the schema"),
    ({"type": "object", "required": "name"}, ("required",), "no valid JSON Schema", "Correct the schema"),
    ({"items": {"minimum": "x"}}, ("items", "minimum"), "no valid JSON Schema", "Correct the schema"),
    ({"$ref": "http://example.org/schema"}, (), "a schema elsewhere", "$defs"),
    ({"properties": {"a": {"$ref": "other.json#/a"}}}, (), "a schema elsewhere", "$defs"),
    ({"pattern": "("}, ("pattern",), "no valid JSON Schema", "Correct the schema"),
)
"""A schema, where it is wrong, words of the message and of the remedy."""


def mutations(base: Base) -> Iterator[Broken]:
    """The mutations of a graph."""
    seen: Counter[Any] = Counter()
    for spot in spots(base.data):
        seen[spot.field] += 1
        if seen[spot.field] <= 2:
            yield from _texts(base, spot, first=seen[spot.field] == 1)
    for index, node in enumerate(base.nodes):
        make = _BY_TYPE.get(node["type"])
        if make is not None and "config" in node:
            yield from make(base, node, ("nodes", index, "config"))
    yield from _prompts(base)


def _texts(base: Base, spot: Spot, *, first: bool) -> Iterator[Broken]:
    """Texts in a language of their own: references, conditions, templates, patterns, schemas."""
    words: tuple[str, ...]
    place, few = spot.place, slice(None) if base.name in ("everything", "inner") and first else slice(2)
    match spot.name:
        case "model":
            yield Broken(base, "unknown role", place, put(place, "@generall"), ("no such role",), ("`@general`",))
            yield Broken(base, "no model", place, put(place, ""), ("names no model",), ("@general",))
            yield Broken(base, "no model", place, put(place, "@"), ("names no model",), ("@general",), "at")
        case "fallback_models":
            edit = put((*place, 0), "@workerr")
            yield Broken(base, "unknown role", (*place, 0), edit, ("no such role",), ("`@worker`",))
        case "prompt_id":
            for wrong in (misspelt(spot.value), f"{spot.value}@9.9.9"):
                words = (f"`{wrong}`", "no such prompt")
                yield Broken(base, "unknown prompt", place, put(place, wrong), words, (spot.value,), wrong)
        case "graph_id":
            wrong = misspelt(spot.value)
            words = (f"runs the graph `{wrong}`", "no such graph")
            yield Broken(base, "unknown graph", place, put(place, wrong), words, (spot.value,))
        case "tool_ids":
            wrong = misspelt(spot.value[0])
            words = (f"names the tool `{wrong}`", "no such tool")
            yield Broken(base, "unknown tool", (*place, 0), put((*place, 0), wrong), words, (spot.value[0],))
            words = (f"names the tool `{spot.value[0]}` twice",)
            edit = append(place, spot.value[0])
            yield Broken(base, "tool twice", (*place, len(spot.value)), edit, words, ("Remove one",))
        case "tool_id":
            wrong = misspelt(spot.value)
            words = (f"`{wrong}`", "no such tool")
            yield Broken(base, "unknown tool", place, put(place, wrong), words, (spot.value,))
        case "condition" | "expression" | "success":
            for number, (text, said, remedy) in enumerate(_BAD_CONDITIONS[few]):
                yield Broken(base, "bad condition", place, put(place, text), (said,), (remedy,), str(number))
        case "template" | "user" | "prompt" if spot.model.__name__ != "ExampleSpec":
            for number, (text, said, remedy) in enumerate(_BAD_TEMPLATES):
                yield Broken(base, "bad template", place, put(place, text), (said,), (remedy,), str(number))
        case "pattern":
            for number, (text, said) in enumerate(_BAD_PATTERNS):
                edits = [put(place, text)]
                if spot.place[:-1] and "group" in base.nodes[int(place[1])]["config"]:
                    edits.append(remove((*place[:-1], "group")))
                yield Broken(base, "bad pattern", place, both(*edits), (said,), ("Correct it",), str(number))
        case "input_schema" | "output_schema":
            for number, (schema, inside, said, remedy) in enumerate(_BAD_SCHEMAS[few]):
                edit = put(place, schema)
                yield Broken(base, "bad schema", (*place, *inside), edit, (said,), (remedy,), str(number))


def _prompts(base: Base) -> Iterator[Broken]:
    words: tuple[str, ...]
    place: Location
    if "prompts" in base.data:
        place = ("prompts", "unused")
        edit = put(place, {"id": "unused", "system": "x"})
        yield Broken(base, "unused prompt", place, edit, ("No node uses the prompt `unused`",), ("or remove it",))
    for name, prompt in base.data.get("prompts", {}).items():
        place = ("prompts", name, "id")
        edit = put(place, misspelt(prompt["id"]))
        words = (f"The prompt called `{name}`", f"has the id `{misspelt(prompt['id'])}`")
        yield Broken(base, "prompt under another name", place, edit, words, ("or correct it",))
    for index, node in enumerate(base.nodes):
        if "prompt_id" in (node.get("config") or {}) and node["type"] == "model":
            place = ("nodes", index, "config", "system_prompt")
            words = (f"`{node['id']}` has a `prompt_id` and a `system_prompt`",)
            yield Broken(base, "two prompts", place, put(place, "x"), words, ("Remove one of them",))


def _router(base: Base, node: dict[str, Any], at: Location) -> Iterator[Broken]:
    config, name = node["config"], node["id"]
    wrong = "no_such_route"
    words: tuple[str, ...] = (f"The `default_route` of node `{name}`", f"`{wrong}`")
    yield Broken(base, "unknown route", (*at, "default_route"), put((*at, "default_route"), wrong), words)
    first = config["routes"][0]["name"]
    place: Location = (*at, "routes", len(config["routes"]), "name")
    edit = append((*at, "routes"), {**config["routes"][0]})
    yield Broken(base, "route twice", place, edit, (f"two routes named `{first}`",), ("a name of its own",))
    if "compound_routes" not in config:
        return
    place = (*at, "compound_routes", 0, "domains")
    words = (f"`{misspelt(first)}`", "no such route")
    yield Broken(base, "unknown route", (*place, 0), put((*place, 0), misspelt(first)), words, (f"`{first}`",))
    edit = put(place, [first, first])
    yield Broken(base, "compound of one route", place, edit, ("names one route only",), ("two or more",))
    edit = put((*at, "max_labels"), 1)
    if not config.get("fanout_enabled"):
        words = ("can never be taken", f"`{name}`")
        yield Broken(base, "too few labels", (*at, "max_labels"), edit, words, ("`max_labels` to 2 or more",))
        words = ("can never be taken", "one label only")
        edit = put((*at, "multi_label"), False)
        yield Broken(base, "one label only", (*at, "compound_routes"), edit, words, ("multi_label: true",))


def _transform(base: Base, node: dict[str, Any], at: Location) -> Iterator[Broken]:
    operation, name = node["config"]["operation"], node["id"]
    needed, optional = TRANSFORM_FIELDS.get(operation, ((), ()))
    for field in needed:
        others = [each for each in ("group",) if each in node["config"] and field == "pattern"]
        edit = remove((*at, field), *((*at, each) for each in others))
        words: tuple[str, ...] = (f"`{operation}` of node `{name}` needs the field `{field}`",)
        yield Broken(base, "missing field of an operation", (*at, "operation"), edit, words, (f"`{field}:`",), name)
    surplus = {"length": 5, "key": "k", "default": "d", "replacement": "r", "path": "a.b", "separator": ","}
    for field, value in list(surplus.items())[:4]:
        if field not in (*needed, *optional):
            words = (f"`{operation}` of node `{name}` does not use the field `{field}`",)
            place = (*at, field)
            yield Broken(base, "field of another operation", place, put(place, value), words, ("Remove it",))
    for path in ("a..b", ".", ""):
        if "path" in node["config"]:
            words = (f"of node `{name}` has an empty part",)
            place = (*at, "path")
            yield Broken(base, "bad path", place, put(place, path), words, ("single dots",), path or "none")
    if operation == "split":
        words = (f"The separator of node `{name}` is empty",)
        yield Broken(base, "empty separator", (*at, "separator"), put((*at, "separator"), ""), words, ("leave it out",))
    if "group" in node["config"]:
        place = (*at, "group")
        yield Broken(base, "unknown group", place, put(place, 7), ("no group 7: it has 2",), ("or 0",), "number")
        yield Broken(base, "unknown group", place, put(place, -1), ("no group -1",), ("or 0",), "negative")
        yield Broken(base, "unknown group", place, put(place, "leftt"), ("no group named `leftt`",), (), "name")


def _join(base: Base, node: dict[str, Any], at: Location) -> Iterator[Broken]:
    config, name = node["config"], node["id"]
    mode = config["mode"]
    only = {
        "quorum": (1, ("quorum",)), "success": ("data.ok == true", ("first_success",)), "score": ("x", ("best_score",)),
        "separator": ("+", ("all", "quorum")), "on_dead": ("degrade", ("all", "majority_vote", "best_score")),
    }  # fmt: skip
    for field, (value, modes) in only.items():
        if mode not in modes:
            words: tuple[str, ...] = (f"`{mode}` of the join `{name}` does not use the field `{field}`",)
            remedy = (f"`mode: {modes[0]}`",)
            yield Broken(base, "field of another mode", (*at, field), put((*at, field), value), words, remedy)
    if mode == "quorum":
        words = (f"The join `{name}` does not say how many",)
        yield Broken(base, "no quorum", (*at, "mode"), remove((*at, "quorum")), words, ("Add `quorum:`",))
        words = (f"The join `{name}` can never be satisfied", "waits for 9 branches")
        yield Broken(base, "unsatisfiable join", (*at, "quorum"), put((*at, "quorum"), 9), words, ("or less",))
    if mode == "first_success":
        words = ("not known of a message that arrives",)
        edit = put((*at, "success"), "retries == 1")
        yield Broken(base, "bad condition", (*at, "success"), edit, words, ("`content`",), "of a message")
    if mode == "best_score":
        words = (f"of node `{name}` is empty or has an empty part",)
        yield Broken(base, "bad path", (*at, "score"), put((*at, "score"), "a..b"), words, ("single dots",))
    yield from _led_away(base, node)


def _led_away(base: Base, node: dict[str, Any]) -> Iterator[Broken]:
    """One of the branches of a fan-out of three leads to the exit, and not to its join any more."""
    exit_ = base.ids("exit")[0]
    leading = [index for index, edge in enumerate(base.edges) if edge["to_node"] == node["id"]]
    if len(leading) < 3:
        return
    for index in leading:
        words = (f"The join `{node['id']}` can never be satisfied", f"not `{base.edges[index]['from_node']}`")
        place = ("nodes", base.ids().index(node["id"]))
        edit = put(("edges", index, "to_node"), exit_)
        label = base.edges[index]["from_node"]
        yield Broken(base, "unsatisfiable join", place, edit, words, ("as well, or remove that",), label)


def _fanout(base: Base, node: dict[str, Any], at: Location) -> Iterator[Broken]:
    targets, name = node["config"]["targets"], node["id"]
    words: tuple[str, ...] = (f"The fan-out `{name}` lists the target `{targets[0]}` twice",)
    place = (*at, "targets", len(targets))
    yield Broken(base, "target twice", place, append((*at, "targets"), targets[0]), words, ("Remove one",))
    if len(targets) > 1 and not any(target in base.ids("fanout") for target in targets):
        words = (f"has {len(targets)} targets, but begins {len(targets) - 1}",)
        place = (*at, "max_branches")
        remedy = (f"{len(targets)} or more",)
        yield Broken(base, "too few branches", place, put(place, len(targets) - 1), words, remedy)
    if "over" in node["config"]:
        words = (f"of node `{name}` is empty or has an empty part",)
        yield Broken(base, "bad path", (*at, "over"), put((*at, "over"), "json..parts"), words, ("single dots",))
    for inner in targets:
        if inner in base.ids("fanout") and "inner_best" in base.ids():
            ends = [index for index, edge in enumerate(base.edges) if edge["to_node"] == "inner_best"]
            edits = [put(("edges", index, "to_node"), "outer_first") for index in ends]
            own = next(index for index, edge in enumerate(base.edges) if edge["from_node"] == "inner_best")
            edits += [remove(("edges", own)), remove(("nodes", base.ids().index("inner_best")))]
            words = (f"The fan-out `{inner}` runs in a branch of `{name}`", "both come together at `outer_first`")
            place = ("nodes", base.ids().index(inner), "config", "targets")
            yield Broken(base, "join of two fan-outs", place, both(*edits), words, ("a join of its own",))


def _tool(base: Base, node: dict[str, Any], at: Location) -> Iterator[Broken]:
    place = (*at, "tool_id")
    for tool in ("shell", "__import__"):
        words: tuple[str, ...] = (f"names the tool `{tool}`", "no such tool")
        yield Broken(base, "unknown tool", place, put(place, tool), words, (), tool)
    inside = (*at, "input_mapping")
    argument = next(iter(node["config"]["input_mapping"]))
    wrong = misspelt(argument)
    words = (f"of node `{node['id']}` has no argument `{wrong}`",)
    edit = put(inside, {wrong: "content"})
    yield Broken(base, "unknown argument", (*inside, wrong), edit, words, (f"`{argument}`",))
    words = (f"of node `{node['id']}` needs the argument `{argument}`",)
    yield Broken(base, "missing argument", place, remove(inside), words, (f"`{argument}: content`",))
    inside = (*inside, argument)
    for path, said in (("nobody.knows", "does not begin"), ("12*7", "does not begin"), ("content.x", "is a text")):
        words = (f"The path `{path}` of node `{node['id']}`", said)
        yield Broken(base, "bad path", inside, put(inside, path), words, ("`content`",), path)


def _model(base: Base, node: dict[str, Any], at: Location) -> Iterator[Broken]:
    place = (*at, "tools_enabled")
    if "tool_ids" in node["config"]:
        words: tuple[str, ...] = (f"`{node['id']}` has `tools_enabled`, but no tools",)
        edit = both(remove((*at, "tool_ids")), put(place, True))
        yield Broken(base, "no tools", place, edit, words, ("Add `tool_ids:`",))
    else:
        words = ("`max_tool_rounds`", "does nothing without tools")
        edit = put((*at, "max_tool_rounds"), 2)
        yield Broken(base, "tools not enabled", (*at, "max_tool_rounds"), edit, words, ("tools_enabled: true",))


def _gate(base: Base, node: dict[str, Any], at: Location) -> Iterator[Broken]:
    if node["config"].get("mode", "expression") in ("expression", "checks"):
        for field, value in (("model", "@code"), ("prompt_id", "x"), ("pass_score", 0.9)):
            words: tuple[str, ...] = (f"The gate `{node['id']}` has a `{field}`", "asks no judge")
            place = (*at, field)
            yield Broken(base, "judge that is not asked", place, put(place, value), words, ("`mode: llm`",))
    place = (*at, "conditions", 0, "expression")
    names = {"checks": "judge.passed", "llm": "checks.ok", "expression": "checks.ok"}
    text = names.get(node["config"].get("mode", "expression"))
    if text is None or not node["config"].get("conditions"):
        return
    words = (f"mentions `{text}`", "here")
    yield Broken(base, "condition of another mode", place, put(place, text), words, ("`mode: ",), text)


_BY_TYPE: dict[str, Callable[[Base, dict[str, Any], Location], Iterator[Broken]]] = {
    "router": _router,
    "transform": _transform,
    "join": _join,
    "fanout": _fanout,
    "tool": _tool,
    "model": _model,
    "gate": _gate,
}
"""Type of node -> mutations of its config."""
