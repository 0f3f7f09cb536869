"""Texts that are written to hurt a reader: to fill its memory, to keep it busy, to make it run something.

Run as a file it reads each of them with little memory, and writes what came of it as JSON, one line a text.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path

GRAPH = """\
id: graph.hostile
nodes:
  - {id: start, type: entry}
  - {id: work, type: transform, config: {operation: upper}}
  - {id: answer, type: exit}
edges:
  - {from_node: start, to_node: work}
  - {from_node: work, to_node: answer}
"""
SPARE = 160 << 20
"""Bytes of address space beyond those that the reader has when it begins."""


def _node(extra: str) -> str:
    return GRAPH.replace("operation: upper", f"operation: upper, {extra}")


def _many(count: int) -> str:
    return "".join(f"  - {{from_node: n{number}, to_node: m{number}}}\n" for number in range(count))


HOSTILE: dict[str, tuple[str, str]] = {
    "brackets": ("[" * 100_000, "more than 64 levels"),
    "braces": ("{" * 100_000, "more than 64 levels"),
    "brackets in a value": (_node("length: " + "[" * 50_000), "more than 64 levels"),
    "items in items": ("- " * 100_000, "more than 64 levels"),
    "complex keys": ("? " * 50_000, "more than 64 levels"),
    "mappings in mappings": ("".join(" " * n + "a:\n" for n in range(400)), "more than 64 levels"),
    "alias bomb": (
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
        "more than",
    ),
    "aliases in a row": ("a: &a [x]\nb: [" + "*a, " * 5_000 + "]\n", "more than 16 aliases"),
    "alias of itself": (GRAPH + "metadata: &m {a: *m}\n", "contains itself"),
    "aliases of each other": (GRAPH + "metadata: {a: &a [*b], b: &b [*a]}\n", "undefined alias"),
    "merge of itself": (GRAPH + "metadata: &m {<<: *m}\n", "contains itself"),
    "values": ("[" + "a, " * 200_000 + "]", "more than 10,000 values"),
    "a megabyte of text": (GRAPH + "description: " + "x" * 1_000_000 + "\n", "larger than 1 MB"),
    "a megabyte of blanks": (" " * 1_000_001, "larger than 1 MB"),
    "almost a megabyte of dots": (GRAPH + "version: " + "1." * 450_000 + "1\n", "`version`"),
    "almost a megabyte of quotes": (GRAPH + "description: '" + "''" * 450_000 + "\n", "not YAML"),
    "almost a megabyte of anchors": ("&a " * 300_000, "not YAML"),
    "almost a megabyte of tags": ("!x " * 300_000, "not YAML"),
    "almost a megabyte of comments": ("# x\n" * 240_000, "It is empty"),
    "almost a megabyte of lines": (GRAPH + "description: |\n" + "  x\n" * 240_000 + "nmae: x\n", "no field `nmae`"),
    "almost a megabyte of documents": ("---\n" * 240_000, "not YAML"),
    "a long anchor": (GRAPH + "a: &" + "x" * 400_000 + " 1\n", "no field `a`"),
    "an object of Python": (GRAPH + "metadata: {a: !!python/object/apply:os.system [id]}\n", "has no meaning"),
    "a name of Python": (GRAPH + "metadata: {a: !!python/name:os.system ''}\n", "has no meaning"),
    "a module of Python": (GRAPH + "metadata: !!python/module:os ''\n", "has no meaning"),
    "a new tag": ("%TAG ! tag:yaml.org,2002:python/\n--- !object:os.system {}\n", "has no meaning"),
    "binary": (GRAPH + "metadata: {a: !!binary aGVsbG8=}\n", "has no meaning"),
    "a set": (GRAPH + "metadata: !!set {a, b}\n", "has no meaning"),
    "NUL": (GRAPH + "name: a\0b\n", "U+0000 is not allowed"),
    "escape": (GRAPH + "name: \x1b[2J\n", "U+001B is not allowed"),
    "a lone surrogate": (GRAPH + "name: \ud800\n", "U+D800 is not allowed"),
    "a non-character": (GRAPH + "name: \uffff\n", "U+FFFF is not allowed"),
    "an escaped escape in a name": (GRAPH.replace("work", '"\\e[31mwork"'), "cannot be"),
    "an escaped line feed in a name": (GRAPH.replace("work", '"wo\\nrk"'), "cannot be"),
    "an escaped surrogate": (GRAPH.replace("work", '"wo\\ud800rk"'), "cannot be"),
    "control characters in a key": (GRAPH + '"na\\e\\x07me\\u202e": x\n', "no field"),
    "a very long key": (GRAPH + '"' + "k" * 900_000 + '": x\n', "not YAML"),
    "a long key": (GRAPH + '"' + "k" * 1_000 + '": x\n', "no field"),
    "a very long type": (GRAPH.replace("type: exit", "type: " + "exit" * 200_000), "cannot be"),
    "a very long id": (GRAPH.replace("id: work", "id: " + "w" * 500_000), "at most 120 characters"),
    "a huge whole number": (_node("timeout_ms: " + "9" * 400_000), "whole number"),
    "a huge exponent": (_node("timeout_ms: 1e99"), "whole number"),
    "a negative zero": (_node("timeout_ms: -0"), "at least 1"),
    "an infinity": (GRAPH.replace("to_node: work", "to_node: work, weight: .inf"), "must be a number"),
    "a hexadecimal number": (_node("timeout_ms: 0xff"), "whole number"),
    "a date": (GRAPH + "version: 2024-01-01\n", "cannot be `2024-01-01`"),
    "a broken escape": (GRAPH + 'name: "\\U99999999"\n', "not YAML"),
    "a broken directive": ("%YAML 9999999999999999999.1\n---\n" + GRAPH, "not YAML"),
    "a block with a huge indent": (GRAPH + "name: |9999\n", "not YAML"),
    "tabs": (GRAPH.replace("  -", "\t-"), "'\\t' that cannot start"),
    "two documents": (GRAPH + "---\n" + GRAPH, "second document"),
    "no mapping": ("- a\n- b\n", "no graph"),
    "a text": ("just some words", "no graph"),
    "a number": ("5", "no graph"),
    "nothing": ("", "It is empty"),
    "null": ("null", "It is empty"),
    "blanks": ("  \n\n  \n", "It is empty"),
    "no nodes": ("id: x\nnodes: []\n", "at least 1"),
    "a node of null": ("id: x\nnodes: [null]\n", "must be a mapping"),
    "a thousand unknown fields": (GRAPH + "".join(f"field{n}: 1\n" for n in range(1000)), "no field"),
    "a thousand unknown nodes": (GRAPH + _many(1000), "no such node"),
    "a thousand wrong values": (GRAPH + f"entry_points: [{'5, ' * 1000}]\n", "must be a text"),
    "a key that is a list": (GRAPH + "[a, b]: c\n", "A key must be a text"),
    "a key that is a mapping": (GRAPH + "{a: b}: c\n", "A key must be a text"),
    "keys twice a hundred times": (GRAPH + "name: x\n" * 100, "is there twice"),
    "a deep JSON Schema": (
        GRAPH.replace(
            "type: entry", "type: entry, config: {input_schema: " + "{not: " * 50 + "{type: x}" + "}" * 50 + "}"
        ),
        "no valid JSON Schema",
    ),
    "a schema that refers to itself": (
        GRAPH.replace("type: entry", "type: entry, config: {input_schema: {$ref: 'file:///etc/passwd'}}"),
        "a schema elsewhere",
    ),
    "a pattern that fills the memory": (
        GRAPH.replace("operation: upper", "operation: regex_extract, pattern: '((a{999}){999}){999}'"),
        "repeats something too often",
    ),
    "a pattern of many repeats": (
        GRAPH.replace("operation: upper", "operation: regex_extract, pattern: '" + "a{99}" * 90 + "'"),
        "repeats something too often",
    ),
    "a template that fills the memory": (
        GRAPH.replace("operation: upper", "operation: template, template: \"{{ 'x' * 99999999999 + nobody }}\""),
        "unknown name `nobody`",
    ),
    "a template of brackets": (
        GRAPH.replace("operation: upper", 'operation: template, template: "{{ ' + "[" * 9000 + ' }}"'),
        "The template",
    ),
    "a condition of brackets": (
        GRAPH.replace("to_node: answer", 'to_node: answer, condition: "' + "(" * 990 + '"'),
        "is not valid",
    ),
    "a condition of nots": (
        GRAPH.replace("to_node: answer", 'to_node: answer, condition: "' + "not " * 240 + 'true"'),
        "is not valid",
    ),
    "a condition of signs": (
        GRAPH.replace("to_node: answer", 'to_node: answer, condition: "' + "-" * 900 + '1 > 0"'),
        "The condition",
    ),
    "a condition of a power": (
        GRAPH.replace("to_node: answer", 'to_node: answer, condition: "9 ** 9 ** 9 ** 9 > 0"'),
        "is not allowed",
    ),
}
"""What it is -> (the text, words of the message)."""

MANY = {
    "an escaped escape in a name": "the name is not allowed at any of the three places",
    "an escaped line feed in a name": "the same",
    "an escaped surrogate": "the same",
    "a thousand unknown fields": "each is a mistake of its own; not all of them are told",
    "a thousand unknown nodes": "the same",
    "a thousand wrong values": "the same",
    "keys twice a hundred times": "each is a mistake of its own",
}
"""Texts that have several problems -> why that is right."""


def read(text: str) -> dict[str, object]:
    """What comes of reading a text: the problems of a GraphError, or the name of what was raised instead."""
    from engine.graph.loader import parse_graph
    from engine.graph.problems import GraphError

    began = time.process_time()
    try:
        parse_graph(text, "bad.yaml")
    except GraphError as error:
        problems = [(problem.line, problem.message, problem.remedy) for problem in error.problems]
        return {"problems": problems, "error": str(error), "cpu": time.process_time() - began}
    except BaseException as error:
        return {"raised": f"{type(error).__name__}: {str(error)[:200]}"}
    return {"raised": "nothing: it was accepted"}


def highest_resident() -> int:
    """Bytes of this program's largest resident set. On Linux `ru_maxrss` would begin with what the process had that
    started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)[1]) * 1024  # type: ignore[index]


def main() -> None:
    read(GRAPH.replace("upper", "uper"))  # everything is imported
    read(HOSTILE["a template of brackets"][0])
    read(HOSTILE["a pattern of many repeats"][0])
    read(HOSTILE["a deep JSON Schema"][0])
    size = Path("/proc/self/statm")
    if size.exists():  # else the peak alone is looked at
        used = int(size.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + SPARE, used + SPARE))
    for name, (text, _) in HOSTILE.items():
        print(json.dumps([name, read(text)]), flush=True)
    peak = highest_resident()
    print(json.dumps(["", {"peak": peak}]))


if __name__ == "__main__":
    sys.setrecursionlimit(1000)
    main()
