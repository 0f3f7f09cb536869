"""Safe reading of YAML: bounded, without surprises in types, and with the place of every value kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from engine.graph.problems import GraphError, Location, Problem, shorten
from engine.message import replace_surrogates

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
MAX_NODES = 10_000
MAX_ALIASES = 16

_NULL, _BOOL, _INT, _FLOAT, _STR, _MAP, _SEQ = (
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "map", "seq")
)
_SCALARS = {
    _NULL: re.compile(r"^(?:null|~|)$"),
    _BOOL: re.compile(r"^(?:true|false)$"),
    _INT: re.compile(r"^-?(?:0|[1-9][0-9]{0,17})$"),
    _FLOAT: re.compile(r"^-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,2})?$"),
}


@dataclass(frozen=True, slots=True)
class Place:
    line: int
    column: int


@dataclass(slots=True)
class Document:
    """The values of a YAML text, and where each one stands."""

    data: Any
    places: dict[Location, Place] = field(default_factory=dict)
    """Where each value begins; for the value of a mapping, where its key stands."""
    problems: list[Problem] = field(default_factory=list)

    def place_of(self, location: Location) -> Place:
        """The place of a value, or of the nearest one around it that is there."""
        while location and location not in self.places:
            location = location[:-1]
        return self.places.get(location, Place(1, 1))


class _Limit(yaml.MarkedYAMLError):
    """The text is larger or deeper than a graph can be."""

    def __init__(self, message: str, mark: Any, remedy: str) -> None:
        super().__init__(None, None, message, mark)
        self.message = message
        self.remedy = remedy


class _Loader(yaml.SafeLoader):
    """A SafeLoader that stops early, and types only what looks the same to a person and to YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own protocol

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0
        self._aliases = 0
        self._deepest = 0
        self._anchored: dict[str, tuple[int, int]] = {}
        """Anchor -> (nodes, levels) that an alias of it stands for; an anchor whose node is not finished is missing."""
        self.quoted: yaml.Token | None = None
        """The latest text in quotes."""

    def scan_flow_scalar(self, style: str) -> Any:
        self.quoted = super().scan_flow_scalar(style)
        return self.quoted

    def fetch_flow_collection_start(self, token_class: Any) -> None:
        # the scanner looks ahead over open brackets in quadratic time: the depth is bounded before the parser sees it
        if self.flow_level >= MAX_DEPTH:
            raise _too_deep(self.get_mark())
        super().fetch_flow_collection_start(token_class)

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self._count_alias(event)
            return super().compose_node(parent, index)
        before, deepest = self._nodes, self._deepest
        self._count_nodes(1, event.start_mark)
        self._deepest = self._depth
        self._descend(1, event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor:
            self._anchored[event.anchor] = (self._nodes - before, self._deepest - self._depth)
        self._deepest = max(self._deepest, deepest)
        return node

    def _count_alias(self, event: yaml.AliasEvent) -> None:
        anchor = str(event.anchor)
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            remedy = "Write the repeated parts out."
            raise _Limit(f"There are more than {MAX_ALIASES} aliases (`*name`).", event.start_mark, remedy)
        if anchor in self.anchors and anchor not in self._anchored:
            raise _Limit(f"The alias `*{anchor}` contains itself.", event.start_mark, "Write it out.")
        nodes, levels = self._anchored.get(anchor, (0, 0))
        self._count_nodes(nodes, event.start_mark)
        self._descend(levels, event.start_mark)

    def _descend(self, levels: int, mark: Any) -> None:
        self._deepest = max(self._deepest, self._depth + levels)
        if self._deepest > MAX_DEPTH:
            raise _too_deep(mark)

    def _count_nodes(self, count: int, mark: Any) -> None:
        self._nodes += count
        if self._nodes > MAX_NODES:
            raise _Limit(f"There are more than {MAX_NODES:,} values.", mark, "Split the graph, or shorten its lists.")


for _tag in (_NULL, _BOOL, _INT, _FLOAT):
    _Loader.add_implicit_resolver(_tag, _SCALARS[_tag], None)


def _too_deep(mark: Any) -> _Limit:
    return _Limit(f"It is nested more than {MAX_DEPTH} levels deep.", mark, "Nest less deeply.")


def read_yaml(text: str, file: str) -> Document:
    """Read one YAML document.

    Types: `true`/`false`, `null`/`~`, plain decimal numbers; everything else (`no`, `010`, `12:30:45`) stays text.
    Duplicate keys, unknown tags and the like are in `problems` of the result.

    Args:
        text: the YAML text, at most `MAX_BYTES` characters.
        file: what messages call it.

    Raises:
        GraphError: it is no YAML, or larger, deeper or more repetitive than a graph can be.
    """
    if len(text) > MAX_BYTES:
        raise GraphError([Problem(file, 0, 0, "It is larger than 1 MB.", "Shorten it, or split the graph.")])
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as exc:
        raise GraphError([_syntax_problem(exc, file, loader.quoted if loader else None)]) from None
    except yaml.reader.ReaderError as exc:
        raise GraphError([_character_problem(exc, text, file)]) from None
    except (yaml.YAMLError, ValueError, OverflowError, LookupError, TypeError, AttributeError) as exc:
        raise GraphError([_odd_problem(exc, file, loader)]) from None
    document = Document(None)
    if root is not None:
        document.data = _Constructor(document, file).construct(root, ())
    return document


def _syntax_problem(exc: yaml.MarkedYAMLError, file: str, quoted: yaml.Token | None) -> Problem:
    problem = shorten(exc.problem or exc.context or "not understood", 120)
    mark, begun = exc.problem_mark or exc.context_mark, exc.context_mark
    if begun is not None and "end of stream" in problem:
        mark = begun  # where it begins says more than where the text ends
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    if isinstance(exc, _Limit):
        return Problem(file, line, column, exc.message, exc.remedy)
    remedy = "Check the indentation, the quotes and the brackets around this place."
    if "'\\t'" in problem:
        remedy = "Indent with spaces instead of tabs."
    elif "single document" in (exc.context or ""):
        problem, remedy = "a second document begins here", "Keep one graph in a file: remove the `---`."
    elif "undefined alias" in problem:
        remedy = "Define it with `&name` before, or put the text in quotes if it only begins with `*`."
    context = f" {shorten(exc.context, 80)}" if exc.context and "document" not in exc.context else ""
    if context and begun is not None and begun.line + 1 != line:
        context += f" from line {begun.line + 1}"
    if quoted is not None and quoted.start_mark.line + 1 < quoted.end_mark.line + 1 == line:
        remedy = f"Close the quotes that are opened on line {quoted.start_mark.line + 1}."
    return Problem(file, line, column, f"It is not YAML:{context} {problem}.".replace(": while", ", while"), remedy)


def _odd_problem(exc: Exception, file: str, loader: _Loader | None) -> Problem:
    """PyYAML lets errors of Python out of broken escapes and directives."""
    mark = loader.get_mark() if loader else None
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    remedy = f"Check the escapes (`\\`), quotes and directives (`%`) around this place ({shorten(exc)})."
    return Problem(file, line, column, "It is not YAML: something here cannot be understood.", remedy)


def _character_problem(exc: yaml.reader.ReaderError, text: str, file: str) -> Problem:
    before = text[: exc.position]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    code = exc.character if isinstance(exc.character, int) else ord(str(exc.character)[0])
    return Problem(file, line, column, f"The character U+{code:04X} is not allowed in YAML.", "Remove it.")


class _Constructor:
    """Builds plain values from YAML nodes, and notes where each one stands."""

    def __init__(self, document: Document, file: str) -> None:
        self._document = document
        self._file = file

    def construct(self, node: Node, location: Location) -> Any:
        self._document.places.setdefault(location, _place(node))
        if isinstance(node, MappingNode) and node.tag == _MAP:
            return self._mapping(node, location)
        if isinstance(node, SequenceNode) and node.tag == _SEQ:
            return [self.construct(each, (*location, index)) for index, each in enumerate(node.value)]
        if isinstance(node, ScalarNode) and (node.tag == _STR or node.tag in _SCALARS):
            return self._scalar(node, location)
        self._complain(node, location, f"The tag `{shorten(node.tag)}` has no meaning here.", "Remove the tag.")
        return None

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                remedy = "Use a text as the key, or put the value in quotes."
                self._complain(key_node, location, "A key must be a text.", remedy)
                continue
            key = replace_surrogates(key_node.value)
            inner = (*location, key)
            if key in result:
                first = self._document.place_of(inner).line
                message = f"The key `{shorten(key)}` is there twice; the first is on line {first}."
                self._complain(key_node, inner, message, "Remove or rename one of them.")
                continue
            self._document.places[inner] = _place(key_node)
            result[key] = self.construct(value_node, inner)
        return result

    def _scalar(self, node: ScalarNode, location: Location) -> Any:
        text: str = node.value
        pattern = _SCALARS.get(node.tag)
        if pattern is None:
            return replace_surrogates(text)
        if not pattern.match(text):  # only an explicit tag such as `!!int` can get here
            kind = node.tag.rpartition(":")[2]
            self._complain(node, location, f"`{shorten(text)}` is not of type {kind}.", "Remove the tag.")
            return None
        if node.tag == _NULL:
            return None
        if node.tag == _BOOL:
            return text == "true"
        return int(text) if node.tag == _INT else float(text)

    def _complain(self, node: Node, location: Location, message: str, remedy: str) -> None:
        place = _place(node)
        self._document.problems.append(Problem(self._file, place.line, place.column, message, remedy, location))


def _place(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
