"""Loading graphs: from a name or a file to a validated specification, or to one clear error."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.graph.files import read_file
from engine.graph.problems import GraphError, Location, Problem, choose_from, shorten
from engine.graph.prompts import PROMPTS, available_prompts, with_prompts
from engine.graph.schema_errors import schema_problems
from engine.graph.shipped import SUFFIXES, graphs_in, shipped_folder, shipped_graphs
from engine.graph.spec import GraphSpec
from engine.graph.subgraphs import MAX_DEPTH, circle, mapped, too_deep, with_graphs
from engine.graph.validation import STANDARD_NAMES, Names, validate

if TYPE_CHECKING:
    from engine.graph.source import Document

_PREFIX = "graph."


def load_graph(
    path_or_name: str | Path, *, search: Sequence[Path] = (), names: Names | None = STANDARD_NAMES
) -> GraphSpec:
    """Load and validate a graph.

    Args:
        path_or_name: a file (a `Path`, or a text that contains `/` or ends in `.yaml` or `.yml`), else the name of a
            graph in one of the `search` folders or of a shipped one: `multi_domain` or `graph.multi_domain`; else a
            file of that name in the current folder.
        search: folders looked in before the shipped graphs.
        names: what a graph may refer to; None: references to roles are not checked.

    Raises:
        GraphError: there is no such graph, or it is wrong. The message says where and what to do.
    """
    path = path_or_name if isinstance(path_or_name, Path) else find_graph(path_or_name, search)
    return _load(path, _Around(tuple(search), names))


@dataclass(frozen=True, slots=True)
class _Around:
    """Where a graph is looked for."""

    search: tuple[Path, ...]
    names: Names | None
    within: tuple[str, ...] = ()
    """Files of the graphs that it is part of."""


def _load(path: Path, around: _Around) -> GraphSpec:
    within = (*around.within, str(path))
    if str(path) in around.within:
        raise circle(within[within.index(str(path)) :])
    if len(within) > MAX_DEPTH:
        raise too_deep(str(path))
    return _parse(read_file(path), str(path), (path.parent, *around.search), replace(around, within=within))


def available_graphs(search: Sequence[Path] = ()) -> dict[str, Path]:
    """Name -> file of the graphs that `load_graph` knows by name; earlier folders hide later ones."""
    found = shipped_graphs()
    for folder in reversed(search):
        found |= graphs_in(folder)
    return found


def parse_graph(
    text: str, source: str = "", *, names: Names | None = STANDARD_NAMES, search: Sequence[Path] = ()
) -> GraphSpec:
    """Parse and validate the YAML text of a graph.

    Args:
        text: the YAML text.
        source: what messages call it; usually the path of the file.
        names: what a graph may refer to; None: references to roles are not checked.
        search: folders of graphs, looked in (and in their folders `prompts`) before the shipped ones.

    Raises:
        GraphError: the text is no valid graph; all problems are listed.
    """
    return _parse(text, source, tuple(search), _Around(tuple(search), names))


def _parse(text: str, source: str, folders: tuple[Path, ...], around: _Around) -> GraphSpec:
    from engine.graph.source import read_yaml  # yaml is imported when the first graph is read, not with the engine

    document = read_yaml(text, source)
    problems = list(document.problems)
    spec: GraphSpec | None = None
    if not isinstance(document.data, dict):
        problems += [] if problems else [_no_mapping(document.data, source)]
    else:
        spec, wrong = _specification(document.data)
        wrong = [each for each in wrong if not _unread(each.location, document)]
        if spec is not None and not problems:
            files = available_prompts([*(folder / PROMPTS for folder in (*folders, shipped_folder()))])
            spec, broken, unloaded = _completed(spec, files, folders, around)
            problems += broken
            wrong = unloaded if broken or unloaded else validate(spec, around.names, prompts=files)
        problems += _located(wrong, document, source)
    if spec is None or problems:
        raise GraphError(sorted(problems, key=lambda problem: (problem.line, problem.column)))
    return spec


def _completed(
    spec: GraphSpec, files: Mapping[str, Path], folders: tuple[Path, ...], around: _Around
) -> tuple[GraphSpec, list[Problem], list[Problem]]:
    """The graph with what its nodes name in other files; problems of prompt files, and those of sub-graphs."""
    broken: list[Problem] = []

    def complete(inside: GraphSpec) -> tuple[GraphSpec, list[Problem]]:
        inside, wrong = mapped(inside, complete)
        inside, unreadable = with_prompts(inside, files)
        broken.extend(unreadable)
        inside, unloaded = with_graphs(inside, lambda name: _load(find_graph(name, folders), around))
        return inside, [*wrong, *unloaded]

    spec, unloaded = complete(spec)
    return spec, broken, unloaded


def placed(problems: Sequence[Problem], path: Path) -> list[Problem]:
    """Problems of a valid graph with file, line and column, in their order; what stands in no file has the beginning.

    Raises:
        GraphError: the file cannot be read any more.
    """
    from engine.graph.source import read_yaml

    return _located(problems, read_yaml(read_file(path), str(path)), str(path)) if problems else []


def _unread(location: Location, document: Document) -> bool:
    """Whether the value there could not be read, which is said already."""
    return any(location[: len(problem.location)] == problem.location for problem in document.problems)


def _specification(data: dict[str, Any]) -> tuple[GraphSpec | None, list[Problem]]:
    from pydantic import ValidationError

    try:
        return GraphSpec.model_validate(data), []
    except ValidationError as exc:
        return None, schema_problems(exc, data)


def _located(problems: Sequence[Problem], document: Document, source: str) -> list[Problem]:
    """The problems with file, line and column, each once."""
    located = []
    for problem in problems:
        place = document.place_of(problem.location)
        located.append(replace(problem, file=source, line=place.line, column=place.column))
    return list(dict.fromkeys(located))


def _no_mapping(data: Any, source: str) -> Problem:
    what = (
        "It is empty." if data is None else "It is no graph: the top level must be fields such as `id:` and `nodes:`."
    )
    return Problem(source, 1, 1, what, "Begin with a copy of a shipped graph, such as `quick`.")


def find_graph(name: str, search: Sequence[Path] = ()) -> Path:
    """The file that `load_graph` reads for `name`; whether a file that is given as a path exists is not looked at.

    Raises:
        GraphError: there is no graph of that name.
    """
    if "/" in name or "\\" in name or name.endswith(SUFFIXES):
        return Path(name)
    known = available_graphs(search)
    found = known.get(name) or known.get(name.removeprefix(_PREFIX))
    if found is None and os.path.isfile(name):  # noqa: PTH113 - false, where `Path` raises, for what cannot be a name
        return Path(name)
    if found is None:
        message = f"There is no graph named `{shorten(name)}`."
        listed = choose_from(name.removeprefix(_PREFIX), known)
        remedy = f"{listed} The graphs are: {', '.join(known)}." if listed.startswith("Did") else listed
        problem = Problem("", 0, 0, message, f"{remedy} A file is given as a path, such as ./my.yaml.")
        raise GraphError([problem], code="unknown_graph")
    return found
