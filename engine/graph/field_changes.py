"""What changed between two JSON values, field by field, each named by its dotted path."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_PLAIN_KEY = re.compile(r"[\w\-]+")
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that is not as it was. Elements of a list are named by their `name`, else by their index from 0."""

    field: str
    """Dotted path, such as `config.routes.code.target`; a key that is no plain word stands in double quotes."""
    kind: Literal["added", "removed", "changed", "reordered"]
    """reordered: a list has the same elements in another order; `old` and `new` are their names."""
    old: Any = None
    """JSON; None where it was added."""
    new: Any = None
    """JSON; None where it was removed."""


def same(old: Any, new: Any) -> bool:
    """Whether two JSON values have the same canonical form (in Python `1`, `1.0` and `True` are equal)."""
    return _canonical(old) == _canonical(new)


def field_changes(old: Any, new: Any, at: str = "") -> Iterator[FieldChange]:
    """The changes from one JSON value to another; none exactly where they are the same.

    Args:
        old: the value before.
        new: the value now.
        at: dotted path of the values.
    """
    if old is _ABSENT or new is _ABSENT:
        yield from _of_one_side(old, new, at)
    elif same(old, new):
        return
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _of_mappings(old, new, at)
    elif _named(old) and _named(new):
        names = [each["name"] for each in old], [each["name"] for each in new]
        yield from _of_mappings(dict(zip(names[0], old, strict=True)), dict(zip(names[1], new, strict=True)), at)
        yield from order_change(*names, at)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, now) in enumerate(zip(old, new, strict=True)):
            yield from field_changes(before, now, f"{at}.{index}" if at else str(index))
    else:
        yield FieldChange(at, "changed", old, new)


def order_change(old: Sequence[str], new: Sequence[str], at: str) -> Iterator[FieldChange]:
    """The change of order of the names that two lists have in common, where there is one."""
    kept = set(old) & set(new)
    before, now = [each for each in old if each in kept], [each for each in new if each in kept]
    if before != now:
        yield FieldChange(at, "reordered", before, now)


def _of_one_side(old: Any, new: Any, at: str) -> Iterator[FieldChange]:
    """A value that is only there before, or only now; each field of a mapping for itself."""
    value = new if old is _ABSENT else old
    if isinstance(value, Mapping) and value:
        yield from _of_mappings({}, value, at) if old is _ABSENT else _of_mappings(value, {}, at)
    elif old is _ABSENT:
        yield FieldChange(at, "added", new=new)
    else:
        yield FieldChange(at, "removed", old=old)


def _of_mappings(old: Mapping[str, Any], new: Mapping[str, Any], at: str) -> Iterator[FieldChange]:
    for key in {**old, **new}:
        step = key if _PLAIN_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
        yield from field_changes(old.get(key, _ABSENT), new.get(key, _ABSENT), f"{at}.{step}" if at else step)


def _named(value: Any) -> bool:
    """Whether a value is a list whose elements can be told apart by their `name`."""
    if not isinstance(value, list) or not value:
        return False
    names = [each.get("name") if isinstance(each, Mapping) else None for each in value]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
