"""A graph as a Mermaid flowchart."""

from __future__ import annotations

from engine.graph.spec import GraphSpec, NodeSpec
from engine.graph.topology import drawn_links

_SHAPES = {
    "entry": ("([", "])"),
    "exit": ("([", "])"),
    "router": ("{", "}"),
    "gate": ("{{", "}}"),
    "model": ("[", "]"),
    "transform": ("[/", "/]"),
    "fanout": ("[/", "\\]"),
    "join": ("[\\", "/]"),
}
"""Node type -> brackets around its label: https://mermaid.js.org/syntax/flowchart.html#node-shapes"""
_ROUNDED = ("(", ")")

_ESCAPES = {ord(char): f"#{ord(char)};" for char in '"#&<>`\\|{}[]()'}
"""Entity codes for characters that mean something to Mermaid or to HTML."""


def to_mermaid(spec: GraphSpec) -> str:
    """The graph as Mermaid text; every label is escaped, and nodes are named n0, n1 ... in the order of the file."""
    names = {node.id: f"n{index}" for index, node in enumerate(spec.nodes)}
    lines = ["flowchart TD"]
    lines += [f"    {names[node.id]}{_node(node)}" for node in spec.nodes]
    for link in drawn_links(spec):
        label = f'|"{escape(link.label)}"|' if link.label else ""
        lines.append(f"    {names[link.source]} -->{label} {names[link.target]}")
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """`text` as a label: on one line, without control characters, special characters as entity codes."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split()).translate(_ESCAPES)


def _node(node: NodeSpec) -> str:
    opening, closing = _SHAPES.get(node.type, _ROUNDED)
    detail = getattr(node.config, "model", "")
    label = escape(node.title) + (f"<br/>{escape(detail)}" if detail else "")
    return f'{opening}"{label}"{closing}'
