"""The difference between two graphs as lines of plain text, which need no colour: + came, - went, ~ changed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tinyllm_tui.cli.output import one_line

if TYPE_CHECKING:
    from engine.graph.diff import EdgeChange, GraphDiff, NodeChange
    from engine.graph.field_changes import FieldChange

SIGNS = {"added": "+", "removed": "-", "changed": "~", "renamed": "~", "reordered": "~"}
INDENT = "    "
SHORT = 80
"""Characters of an old and a new value together that still stand on one line."""


def diff_lines(diff: GraphDiff) -> Iterator[str]:
    """The lines of a difference, section by section; none where the graphs are equal."""
    yield from _section("graph", (line for field in diff.fields for line in _field_lines(field)))
    yield from _section("nodes", (line for node in diff.nodes for line in _node_lines(node)))
    yield from _section("edges", (line for edge in diff.edges for line in _edge_lines(edge)))
    prompts = ((each.kind, each.name, each.fields) for each in diff.prompts)
    yield from _section("prompts", (line for each in prompts for line in _item_lines(*each)))
    inner = ((f"{SIGNS[each.kind]} {one_line(each.name)} {each.version}", each.diff) for each in diff.graphs)
    yield from _section("graphs", (line for head, each in inner for line in (head, *_indented(diff_lines(each)))))


def _section(heading: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield heading
        yield from _indented(found)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (INDENT + line for line in lines)


def _node_lines(node: NodeChange) -> Iterator[str]:
    renamed = f", renamed from {node.old_id}" if node.kind == "renamed" else ""
    return _item_lines(node.kind, f"{node.id} ({node.type}){renamed}", node.fields)


def _edge_lines(edge: EdgeChange) -> Iterator[str]:
    condition = "" if edge.condition is None else f" if {edge.condition}"
    return _item_lines(edge.kind, f"{edge.from_node} -> {edge.to_node}{condition}", edge.fields)


def _item_lines(kind: str, title: str, fields: Iterable[FieldChange]) -> Iterator[str]:
    yield f"{SIGNS[kind]} {one_line(title)}"
    for field in fields:
        yield from _indented(_field_lines(field))


def _field_lines(change: FieldChange) -> Iterator[str]:
    """One line for short values; else the name, and the values or the lines of text that changed below it."""
    old, new = _json(change.old), _json(change.new)
    head = f"{SIGNS[change.kind]} {one_line(change.field)}"
    if change.kind in ("added", "removed"):
        yield f"{head}: {new if change.kind == 'added' else old}"
        return
    head += " (in another order)" if change.kind == "reordered" else ""
    if _is_text(change.old, change.new):
        yield f"{head}:"
        yield from _indented(_text_lines(change.old, change.new))
    elif len(old) + len(new) <= SHORT:
        yield f"{head}: {old} -> {new}"
    else:
        yield f"{head}:"
        yield from _indented((f"- {old}", f"+ {new}"))


def _is_text(old: Any, new: Any) -> bool:
    return isinstance(old, str) and isinstance(new, str) and "\n" in old.strip() + new.strip()


def _text_lines(old: str, new: str) -> Iterator[str]:
    """The lines that came and went, with one line around them; where only white space at the end did, all of both."""
    if old.rstrip("\n") == new.rstrip("\n"):
        yield from (f"- {_json(old)}", f"+ {_json(new)}")
        return
    found = difflib.unified_diff(old.split("\n"), new.split("\n"), n=1, lineterm="")
    for line in list(found)[2:]:
        yield "..." if line.startswith("@@") else f"{line[0]} {line[1:]}".rstrip()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
