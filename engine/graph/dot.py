"""A graph in the DOT language of Graphviz (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from engine.graph.spec import GraphSpec, NodeSpec
from engine.graph.topology import drawn_links

_SHAPES = {
    "entry": "oval",
    "exit": "oval",
    "router": "diamond",
    "gate": "hexagon",
    "model": "box",
    "transform": "parallelogram",
    "fanout": "triangle",
    "join": "invtriangle",
}
"""Node type -> shape (https://graphviz.org/doc/info/shapes.html); other types are rounded boxes."""


def to_dot(spec: GraphSpec) -> str:
    """The graph as DOT text; every label is quoted, and nodes are named n0, n1 ... in the order of the file."""
    names = {node.id: f"n{index}" for index, node in enumerate(spec.nodes)}
    lines = [f"digraph {quote(spec.title)} {{", "    rankdir=TB;"]
    lines += [f"    {names[node.id]} [{_attributes(node)}];" for node in spec.nodes]
    for link in drawn_links(spec):
        label = f" [label={quote(link.label)}]" if link.label else ""
        lines.append(f"    {names[link.source]} -> {names[link.target]}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def quote(text: str, *more: str) -> str:
    """Lines of text as one quoted DOT string, without control characters; a backslash stands for itself."""
    return '"' + r"\n".join(_escaped(line) for line in (text, *more)) + '"'


def _escaped(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    # `&` begins an HTML entity in every DOT string, quoted or not
    return " ".join(printable.split()).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')


def _attributes(node: NodeSpec) -> str:
    detail = getattr(node.config, "model", "")
    label = quote(node.title, detail) if detail else quote(node.title)
    shape = _SHAPES.get(node.type)
    return f"shape={shape}, label={label}" if shape else f"shape=box, style=rounded, label={label}"
