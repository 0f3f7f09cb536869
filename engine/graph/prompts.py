"""Prompts: versioned texts for models, kept in files of their own and taken into a graph when it is loaded.

A loaded graph carries the prompts that its nodes name, so that what a run was asked is in its `begin` event and in
the hash of its graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from engine.graph.config_checks import check_schema
from engine.graph.files import read_file
from engine.graph.problems import GraphError, Location, Problem, choose_from, shorten
from engine.graph.schema_errors import schema_problems
from engine.graph.shipped import graphs_in
from engine.graph.spec import GraphSpec, ModelConfig, PromptSpec
from engine.graph.templates import template_problems

PROMPTS = "prompts"
"""Name of the folder of prompts in a folder of graphs."""


def prompt_ids(spec: GraphSpec) -> Iterator[tuple[Location, str]]:
    """Where nodes name prompts, and which."""
    for index, node in enumerate(spec.nodes):
        if isinstance(node.config, ModelConfig) and node.config.prompt_id is not None:
            yield ("nodes", index, "config", "prompt_id"), node.config.prompt_id


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
    for message, remedy in template_problems(prompt.user):
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
    unused = unused and all(name in spec.prompts for _, name in used)  # else the one that is meant is misspelt
    for location, name in used:
        node = spec.nodes[int(location[1])]
        if name not in spec.prompts:
            message = f"The node `{node.id}` uses the prompt `{shorten(name)}`, but there is no such prompt."
            yield Problem("", 0, 0, message, choose_from(name, names), location)
        if isinstance(node.config, ModelConfig) and node.config.system_prompt.strip():
            message = f"The node `{node.id}` has a `prompt_id` and a `system_prompt`."
            yield Problem("", 0, 0, message, "Remove one of them.", (*location[:-1], "system_prompt"))
    for name, prompt in spec.prompts.items():
        yield from check_prompt(prompt, ("prompts", name), name)
        if unused and name not in [each for _, each in used]:
            message = f"No node uses the prompt `{shorten(name)}`."
            yield Problem("", 0, 0, message, "Name it in a `prompt_id`, or remove it.", ("prompts", name))
