"""Conditions: the small expression language on edges and in gates, parsed once and compiled to closures.

    ==  !=  <  <=  >  >=  in  not in  and  or  not  len(x)   dotted.paths   1  2.5  "text"  [1, 2]  true  false  null

The text is parsed by `ast` and only a whitelist of its nodes is accepted; nothing is ever evaluated by Python itself.
A name that is not there and a comparison of unlike types are errors, never silently false.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.graph.problems import shorten

MAX_LENGTH = 1000
"""Characters of a condition."""
MAX_DEPTH = 24
"""Levels of nesting."""

SCOPE_NAMES = frozenset(
    {
        "content", "question", "route", "routes", "compound_route", "domains", "scores", "data", "vars", "retries",
        "max_retries", "checks", "judge", "status", "error",
    }
)  # fmt: skip
"""Names (or first parts of dotted names) that a condition may mention; what else is in a message is `data.name`."""

CHECKS = frozenset({"ok", "not_empty", "not_cut_off", "not_echo", "not_repetitive", "code_parses", "numbers_agree"})
"""Names under `checks.`; `checks.ok` is true when all others are."""

JUDGE = frozenset({"score", "passed", "reason", "available"})
"""Names under `judge.`."""

_HELP = "Use == != < <= > >= in, not in, and, or, not, len(x), dotted names and plain values."

_Scope = Mapping[str, Any]
_Closure = Callable[[_Scope], Any]
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_ORDERINGS: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition."""

    text: str
    names: frozenset[str]
    """The dotted names that it mentions."""
    _closure: _Closure

    def evaluate(self, scope: Mapping[str, Any]) -> bool:
        """Whether the condition is true for these values; dotted names go through nested mappings.

        Raises:
            EngineError: class CONFIGURATION, code `condition_failed`: a name is not in scope, or types do not fit.
        """
        try:
            return _truth(self._closure(scope), self.text)
        except _Failed as exc:
            reason = str(exc)
        except RecursionError:
            reason = "the values are nested too deeply"
        message = f"The condition `{shorten(self.text, 120)}` cannot be decided: {reason}."
        raise EngineError(ErrorClass.CONFIGURATION, "condition_failed", message, remedy="Correct it in the graph.")


class _Failed(Exception):
    """A condition cannot be decided for these values."""


@lru_cache(maxsize=1024)
def compile_condition(text: str) -> Condition:
    """Compile a condition.

    Args:
        text: at most `MAX_LENGTH` characters.

    Raises:
        ConfigurationError: code `condition_invalid`: the text is not in the language of conditions.
    """
    source = text.strip()
    if not source:
        raise _invalid(text, "it is empty")
    if len(source) > MAX_LENGTH:
        raise _invalid(text, f"it is longer than {MAX_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice about `1 is 1` or "\d" is not for the author of a graph
            tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        reason = exc.msg if isinstance(exc, SyntaxError) else str(exc)
        raise _invalid(text, shorten(reason or "it is not an expression", 100)) from None
    compiler = _Compiler(source)
    closure = compiler.compile(tree.body, 0)
    return Condition(source, frozenset(compiler.names), closure)


def _invalid(text: str, reason: str) -> ConfigurationError:
    message = f"The condition `{shorten(text, 80)}` is not valid: {reason}."
    return ConfigurationError("condition_invalid", message, remedy=_HELP)


class _Compiler:
    def __init__(self, text: str) -> None:
        self._text = text
        self.names: set[str] = set()

    def compile(self, node: ast.expr, depth: int) -> _Closure:
        if depth > MAX_DEPTH:
            raise _invalid(self._text, f"it is nested more than {MAX_DEPTH} levels deep")
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return lambda _scope: value
            case ast.Name(id=name) if name in _WORDS:
                word = _WORDS[name]
                return lambda _scope: word
            case ast.Name() | ast.Attribute():
                return self._name(node)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                parts = [self.compile(item, depth + 1) for item in items]
                return lambda scope: [part(scope) for part in parts]
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner, words = self.compile(operand, depth + 1), self._words(operand)
                return lambda scope: not _truth(inner(scope), words)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if not isinstance(
                number, bool
            ):
                return lambda _scope: -number
            case ast.BoolOp(op=op, values=values):
                return self._bool(isinstance(op, ast.And), values, depth)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                return self._compare(left, ops, comparators, depth)
            case ast.Call(func=ast.Name(id="len"), args=[argument], keywords=[]) if not isinstance(
                argument, ast.Starred
            ):
                counted = self.compile(argument, depth + 1)
                return lambda scope: _length(counted(scope))
        raise _invalid(self._text, f"`{shorten(self._words(node), 40)}` is not allowed")

    def _words(self, node: ast.expr) -> str:
        return ast.get_source_segment(self._text, node) or self._text

    def _name(self, node: ast.Name | ast.Attribute) -> _Closure:
        parts: list[str] = []
        current: ast.expr = node
        while isinstance(current, ast.Attribute):
            parts.append(current.attr)
            current = current.value
        if not isinstance(current, ast.Name):
            raise _invalid(self._text, "a dot may follow only a name")
        parts.append(current.id)
        parts.reverse()
        dotted = ".".join(parts)
        self.names.add(dotted)
        if len(parts) == 1:
            return lambda scope: _item(scope, dotted, dotted)
        return lambda scope: _walk(scope, parts, dotted)

    def _bool(self, is_and: bool, values: list[ast.expr], depth: int) -> _Closure:
        parts = [(self.compile(value, depth + 1), self._words(value)) for value in values]
        decisive = not is_and

        def decide(scope: _Scope) -> bool:
            for part, text in parts:
                if _truth(part(scope), text) is decisive:
                    return decisive
            return is_and

        return decide

    def _compare(self, left: ast.expr, ops: list[ast.cmpop], comparators: list[ast.expr], depth: int) -> _Closure:
        first = self.compile(left, depth + 1)
        rest = [
            (self._operator(op), self.compile(right, depth + 1)) for op, right in zip(ops, comparators, strict=True)
        ]

        def compare(scope: _Scope) -> bool:
            value = first(scope)
            for relation, right in rest:
                other = right(scope)
                if not relation(value, other):
                    return False
                value = other
            return True

        return compare

    def _operator(self, op: ast.cmpop) -> Callable[[Any, Any], bool]:
        match op:
            case ast.Eq():
                return _equal
            case ast.NotEq():
                return lambda a, b: not _equal(a, b)
            case ast.In():
                return _contains
            case ast.NotIn():
                return lambda a, b: not _contains(a, b)
        if type(op) in _ORDERINGS:
            sign, relation = _ORDERINGS[type(op)]
            return lambda a, b: _ordered(a, b, sign, relation)
        raise _invalid(self._text, "`is` is not allowed; use ==")


def _kind(value: Any) -> str:
    """The type of a value in the words of the language; booleans are no numbers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list | tuple):
        return "a list"
    return "a mapping" if isinstance(value, Mapping) else type(value).__name__


def _truth(value: Any, text: str) -> bool:
    if isinstance(value, bool):
        return value
    kind = _kind(value)
    hint = " (write `len(...) > 0` or `... != null`)" if kind in ("a text", "a list", "a mapping", "null") else ""
    raise _Failed(f"`{shorten(text)}` is {kind}, not true or false{hint}")


def _item(scope: Any, part: str, dotted: str) -> Any:
    if not isinstance(scope, Mapping):
        raise _Failed(f"`{shorten(dotted)}` asks for a field of {_kind(scope)}")
    try:
        return scope[part]
    except KeyError:
        raise _Failed(f"there is no `{shorten(dotted)}`") from None


def _walk(scope: Any, parts: list[str], dotted: str) -> Any:
    for part in parts:
        scope = _item(scope, part, dotted)
    return scope


def _length(value: Any) -> int:
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise _Failed(f"len() of {_kind(value)}")


def _equal(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    kind, other = _kind(a), _kind(b)
    if kind != other:
        raise _Failed(f"{kind} is compared with {other}")
    if kind == "a list":
        return list(a) == list(b)  # a tuple in the data and a list in the text are the same thing
    return bool(a == b)


def _ordered(a: Any, b: Any, sign: str, relation: Callable[[Any, Any], bool]) -> bool:
    kind, other = _kind(a), _kind(b)
    if kind != other or kind not in ("a number", "a text"):
        raise _Failed(f"`{sign}` between {kind} and {other}")
    return relation(a, b)


def _contains(needle: Any, haystack: Any) -> bool:
    kind, where = _kind(needle), _kind(haystack)
    if where in ("a text", "a mapping") and kind == "a text":
        return needle in haystack
    if where != "a list":
        raise _Failed(f"`in` between {kind} and {where}")
    kinds = {_kind(each) for each in haystack}
    if kinds and kind not in kinds and "null" not in (kinds | {kind}):
        raise _Failed(f"{kind} is looked for in a list of {' and '.join(sorted(kinds))}")
    return any(_kind(each) == kind and _equal(needle, each) for each in haystack)
