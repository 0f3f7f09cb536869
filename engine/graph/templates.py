"""Templates: texts with `{{ names }}` that are filled in when a run reaches them.

Most templates only mention values. They are recognised here and filled at once; what uses more of the language
(`{% for %}`, filters, sums) is Jinja2 and is rendered by `engine.graph.jinja` in a process of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.graph.problems import choose_from, shorten

if TYPE_CHECKING:
    from jinja2 import nodes

NAMES = ("content", "question", "data", "vars")
"""What a template may mention: the text of the message, the person's question, the message's payload, and the run's
variables."""
ROUTES = "routes"
"""What the template of a router's prompt may mention besides: its routes."""

MAX_LENGTH = 20_000
"""Characters of a template."""

_TOKEN = re.compile(
    r"\{\{\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)\s*\}\}"  # only names a value
    r"|(?P<rich>\{\{|\{%|\{#)"
)
_SINGLE = re.compile(r"(?<!\{)\{(content|question|(?:data|vars)(?:\.[A-Za-z0-9_]+)+)\}(?!\})")
"""A name in single braces: likely meant to be filled in."""
_WHOLE_TEXTS = ("content", "question")


@dataclass(frozen=True, slots=True)
class Template:
    """A template, ready to be filled."""

    source: str
    pieces: tuple[str, ...]
    """Where it only names values: text and dotted names in turn, beginning and ending with text."""
    names: frozenset[str]
    """The first parts of the names that it mentions."""
    rich: bool
    """It uses more of the language."""


@lru_cache(maxsize=256)
def compile_template(source: str) -> Template:
    """A template; one with problems (see `template_problems`) fails when it is filled."""
    pieces: list[str] = []
    end = 0
    for match in _TOKEN.finditer(source):
        if match["rich"]:
            return Template(source, (), _names_in(source), rich=True)
        pieces += (source[end : match.start()], match["name"])
        end = match.end()
    pieces.append(source[end:])
    return Template(source, tuple(pieces), frozenset(name.partition(".")[0] for name in pieces[1::2]), rich=False)


def template_problems(source: str, known: Sequence[str] = NAMES) -> Iterator[tuple[str, str]]:
    """(what is wrong, remedy) for everything that is wrong with a template, as predicates of `the template`.

    Args:
        source: the template.
        known: what it may mention.
    """
    if len(source) > MAX_LENGTH:
        yield f"is longer than {MAX_LENGTH:,} characters", "Shorten it."
        return
    template = compile_template(source)
    if template.rich:
        yield from _rich_problems(source, known)
    else:
        for name in template.pieces[1::2]:
            yield from _name_problems(name, known)
        for text in template.pieces[::2]:
            yield from _brace_problems(text)


def _brace_problems(text: str) -> Iterator[tuple[str, str]]:
    for match in _SINGLE.finditer(text):
        yield (
            f"has `{match[0]}` in single braces, which is plain text",
            f"Write `{{{{ {match[1]} }}}}`, or `{{{{ '{match[0]}' }}}}` for the braces themselves.",
        )


def _name_problems(dotted: str, known: Sequence[str]) -> Iterator[tuple[str, str]]:
    name, _, rest = dotted.partition(".")
    if name not in known:
        yield f"mentions the unknown name `{shorten(dotted)}`", _choose_name(dotted, known)
    elif rest and name in _WHOLE_TEXTS:
        yield f"mentions `{shorten(dotted)}`, but `{name}` is a text", f"Write `{{{{ {name} }}}}`."


def _choose_name(name: str, known: Sequence[str]) -> str:
    return f"{choose_from(name, known)} A field of the message is written `data.{shorten(name.partition('.')[0])}`."


def _parse(source: str) -> nodes.Template:
    """Parsed only, never compiled: compiling evaluates constant expressions, however large."""
    from engine.graph.jinja import make_environment

    return make_environment().parse(source)


def _names_in(source: str) -> frozenset[str]:
    from jinja2 import TemplateError, nodes

    try:
        tree = _parse(source)
        used = {each.name for each in tree.find_all(nodes.Name) if each.ctx == "load"}
    except (TemplateError, RecursionError):
        return frozenset()
    return frozenset(used) & {*NAMES, ROUTES}


def _rich_problems(source: str, known: Sequence[str]) -> Iterator[tuple[str, str]]:
    from jinja2 import TemplateSyntaxError

    try:
        yield from _tree_problems(_parse(source), known)
    except TemplateSyntaxError as exc:
        yield (
            f"is no Jinja2 template: line {exc.lineno}: {shorten(exc.message or 'not understood', 100)}",
            "Correct it.",
        )
    except RecursionError:
        yield "is nested too deeply", "Nest less."


def _tree_problems(tree: nodes.Template, known: Sequence[str]) -> Iterator[tuple[str, str]]:
    from jinja2 import nodes

    from engine.graph.jinja import make_environment

    environment = make_environment()
    foreign = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport, nodes.Block, nodes.Macro, nodes.CallBlock)
    for statement in tree.find_all(foreign):
        word = type(statement).__name__.lower()
        yield (
            f"uses `{word}` in line {statement.lineno}",
            "Templates have no parts of their own and no other templates.",
        )
    for kind, there in ((nodes.Filter, environment.filters), (nodes.Test, environment.tests)):
        for each in tree.find_all(kind):
            if each.name not in there:
                word = kind.__name__.lower()
                yield f"uses the unknown {word} `{shorten(each.name)}`", choose_from(each.name, there)
    for part in tree.find_all(nodes.TemplateData):
        yield from _brace_problems(part.data)
    names = list(tree.find_all(nodes.Name))
    stored = {each.name for each in names if each.ctx != "load"} | {"loop"} | set(environment.globals)
    for name in dict.fromkeys(each.name for each in names if each.ctx == "load"):
        if name not in stored and name not in known:
            yield f"mentions the unknown name `{shorten(name)}`", _choose_name(name, known)
