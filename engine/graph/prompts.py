"""Prompts: versioned texts for models, kept in files of their own and taken into a graph when it is loaded.

A loaded graph carries the prompts that its nodes name, so that what a run was asked is in its `begin` event and in
the hash of its graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from engine.graph.config_checks import check_schema
from engine.graph.fields import NodeConfig
from engine.graph.files import read_file
from engine.graph.inner_configs import AgentConfig
from engine.graph.problems import GraphError, Location, Problem, choose_from, shorten
from engine.graph.schema_errors import schema_problems
from engine.graph.shipped import graphs_in
from engine.graph.spec import GateConfig, GraphSpec, ModelConfig, NodeSpec, PromptSpec, RouterConfig
from engine.graph.templates import NAMES, ROUTES, compile_template, template_problems

PROMPTS = "prompts"
"""Name of the folder of prompts in a folder of graphs."""
JUDGE_PROMPT = "judge"
"""What gates that ask a judge use where they name no prompt."""


def prompt_ids(spec: GraphSpec) -> Iterator[tuple[Location, str]]:
    """Where nodes name prompts, and which."""
    for index, node in enumerate(spec.nodes):
        name = _prompt_of(node.config)
        if name is not None:
            yield ("nodes", index, "config", "prompt_id"), name


def _prompt_of(config: NodeConfig) -> str | None:
    if isinstance(config, GateConfig):
        return config.prompt_id or JUDGE_PROMPT if config.mode in ("llm", "hybrid") else None
    return config.prompt_id if isinstance(config, ModelConfig | RouterConfig | AgentConfig) else None


def available_prompts(folders: Sequence[Path]) -> dict[str, Path]:
    """Name -> file of the prompts in some folders; earlier folders hide later ones."""
    found: dict[str, Path] = {}
    for folder in reversed(folders):
        found |= graphs_in(folder)
    return found


def with_prompts(spec: GraphSpec, files: Mapping[str, Path]) -> tuple[GraphSpec, list[Problem]]:
    """The graph with the prompts that its nodes name and it does not have, and what is wrong with their files.

    A name that no file has is left out: validation says so.
    """
    found = dict(spec.prompts)
    problems: list[Problem] = []
    for _, name in prompt_ids(spec):
        base, at, version = name.partition("@")
        file = files.get(name) or files.get(base)
        if name in found or file is None:
            continue
        try:
            prompt = load_prompt(file)
        except GraphError as error:
            problems += error.problems
            continue
        if not at or prompt.version == version:
            found[name] = prompt
    return spec.model_copy(update={"prompts": found}), list(dict.fromkeys(problems))


def load_prompt(file: Path) -> PromptSpec:
    """Read and check a prompt's file.

    Raises:
        GraphError: it is no prompt; all problems are listed, with line and column.
    """
    return parse_prompt(read_file(file), str(file), file.stem)


def parse_prompt(text: str, source: str, name: str) -> PromptSpec:
    """Parse and check the YAML text of a prompt.

    Args:
        text: the YAML text.
        source: what messages call it; usually the path of the file.
        name: the id that it must have, or `id@version`.

    Raises:
        GraphError: the text is no valid prompt; all problems are listed.
    """
    from pydantic import ValidationError

    from engine.graph.source import read_yaml

    document = read_yaml(text, source)
    problems = list(document.problems)
    prompt: PromptSpec | None = None
    if isinstance(document.data, dict):
        try:
            prompt = PromptSpec.model_validate(document.data)
            wrong = list(check_prompt(prompt, (), name))
        except ValidationError as exc:
            wrong = schema_problems(exc, document.data, PromptSpec)
    else:
        wrong = [Problem("", 0, 0, "It is no prompt.", "Write fields such as `id:` and `system:`.")]
    for problem in wrong:
        place = document.place_of(problem.location)
        problems.append(replace(problem, file=source, line=place.line, column=place.column))
    if prompt is None or problems:
        raise GraphError(problems, code="prompt_invalid")
    return prompt


def check_prompt(prompt: PromptSpec, at: Location, name: str) -> Iterator[Problem]:
    """The problems of one prompt.

    Args:
        prompt: the prompt.
        at: its location.
        name: what it is called: its id, or `id@version`.
    """
    if name not in (prompt.id, prompt.title):
        message = f"The prompt called `{shorten(name)}` has the id `{shorten(prompt.id)}`, version {prompt.version}."
        yield Problem("", 0, 0, message, f"Call it `{prompt.id}` or `{prompt.title}`, or correct it.", (*at, "id"))
    for message, remedy in template_problems(prompt.user, (*NAMES, ROUTES)):
        yield Problem("", 0, 0, f"The template of prompt `{prompt.id}` {message}.", remedy, (*at, "user"))
    yield from check_schema(prompt.output_schema, (*at, "output_schema"), f"prompt `{prompt.id}`")


def check_prompts(spec: GraphSpec, known: Iterable[str], *, unused: bool = True) -> Iterator[Problem]:
    """The problems of a graph's prompts and of the names that its nodes give.

    Args:
        spec: the graph, with the prompts that were found.
        known: names of all prompts that there are, for remedies.
        unused: prompts that no node uses are a problem.
    """
    names = [*spec.prompts, *known]
    used = list(prompt_ids(spec))
    wrong = {name: list(check_prompt(prompt, ("prompts", name), name)) for name, prompt in spec.prompts.items()}
    unused = unused and all(name in spec.prompts for _, name in used)  # else the one that is meant is misspelt
    for location, name in used:
        node = spec.nodes[int(location[1])]
        if name not in spec.prompts:
            if isinstance(node.config, GateConfig) and node.config.prompt_id is None:
                continue  # a graph that no file was read for: the shipped one is taken
            message = f"The node `{node.id}` uses the prompt `{shorten(name)}`, but there is no such prompt."
            base = name.partition("@")[0]  # the prompt may be there in another version
            remedy = f"Did you mean `{base}`?" if base in names else choose_from(name, names)
            yield Problem("", 0, 0, message, remedy, location)
        elif not wrong[name]:
            yield from _check_use(node, location, spec.prompts[name])
        if isinstance(node.config, ModelConfig | AgentConfig) and node.config.system_prompt.strip():
            message = f"The node `{node.id}` has a `prompt_id` and a `system_prompt`."
            yield Problem("", 0, 0, message, "Remove one of them.", (*location[:-1], "system_prompt"))
    for name, problems in wrong.items():
        yield from problems
        if unused and name not in [each for _, each in used]:
            message = f"No node uses the prompt `{shorten(name)}`."
            yield Problem("", 0, 0, message, "Name it in a `prompt_id`, or remove it.", ("prompts", name))


def _check_use(node: NodeSpec, at: Location, prompt: PromptSpec) -> Iterator[Problem]:
    """The problems of a prompt in the node that uses it."""
    use = f"The node `{node.id}` uses the prompt `{shorten(prompt.title)}`"
    schema = prompt.output_schema
    if isinstance(node.config, RouterConfig):
        if schema is not None:
            message = f"{use}, which has an `output_schema`, but a router has its own: the names of its routes."
            yield Problem("", 0, 0, message, "Remove it from the prompt.", at)
    elif ROUTES in compile_template(prompt.user).names:
        message = f"{use}, whose template mentions `{ROUTES}`, which only routers know."
        yield Problem("", 0, 0, message, "Name another prompt, or correct it.", at)
    if isinstance(node.config, GateConfig) and schema is not None:
        fields = schema.get("properties")
        if not isinstance(fields, dict) or "score" not in fields:
            message = f"{use} for its judge, but the `output_schema` of that has no `score`."
            yield Problem("", 0, 0, message, "Add the number `score` to its properties, or remove the schema.", at)
