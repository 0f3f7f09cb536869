"""Changing settings in a person's configuration file: the lines that must change do, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.errors import ConfigurationError
from engine.graph.problems import GraphError
from engine.graph.source import read_yaml

Setting = tuple[str, ...]
"""Where a setting stands: `("model",)`, or `("roles", "code")` in a section."""
Changes = Mapping[Setting, Any]
"""Setting -> its new value, as JSON has it; None takes it out, so that its default counts."""


def change_file(path: Path, changes: Changes, *, new: str = "") -> None:
    """Change settings in a file, in one step. Comments, order and every other line stay as they are.

    Args:
        path: of the file; where there is none, it is made, private to the person.
        changes: what to change.
        new: what a file that is made begins with.

    Raises:
        ConfigurationError: the file cannot be read or written, or not be changed without touching other lines.
    """
    target = Path(os.path.realpath(path))  # a link to a file elsewhere stays one
    try:
        text = target.read_bytes().decode()
    except FileNotFoundError:
        text = new
    except UnicodeDecodeError as error:
        raise _unchangeable(path, changes) from error
    except OSError as error:
        raise _unwritable(path, error) from error
    changed = changed_text(text, changes, path)
    try:
        _replace(target, changed)
    except OSError as error:
        raise _unwritable(path, error) from error


def changed_text(text: str, changes: Changes, path: Path) -> str:
    """The text of a configuration file with other settings.

    Raises:
        ConfigurationError: it is written in a way in which they cannot be changed alone.
    """
    wanted = _expected(_data(text, path, changes), changes)
    for setting, value in changes.items():
        try:
            text = _changed(text, setting, value)
        except (yaml.YAMLError, ValueError) as error:
            raise _unchangeable(path, changes) from error
    read = _data(text, path, changes)
    if (_plain(read) or {}) != (_plain(wanted) or {}):  # whatever YAML can do: what counts is what is read again
        raise _unchangeable(path, changes)
    return text


# -- one setting -----------------------------------------------------------------------------------------------------


def _changed(text: str, setting: Setting, value: Any) -> str:
    """The text with one setting changed.

    Raises:
        ValueError: it cannot be.
    """
    name, *inner = setting
    pair = _pair(_root(text), name)
    if not inner:
        return _with_pair(text, pair, name, value, indent="", after=_commented(text, name, 0, len(text)))
    if pair is None:
        return text if value is None else _at_end(text, f"{name}:\n  {_line(inner[0], value)}")
    if isinstance(pair[1], yaml.MappingNode) and not pair[1].flow_style:
        return _in_block(text, pair[1], inner[0], value)
    return _in_other(text, *pair, inner[0], value)


def _in_block(text: str, section: yaml.MappingNode, name: str, value: Any) -> str:
    first = section.value[0][0].start_mark
    start, end = section.start_mark.index, section.end_mark.index
    after = _commented(text, name, start, end, indented=True) or _line_end(text, section.value[-1][1].end_mark.index)
    return _with_pair(text, _pair(section, name), name, value, indent=" " * first.column, after=after)


def _in_other(text: str, key: yaml.Node, section: yaml.Node, name: str, value: Any) -> str:
    """A setting of a section that is empty, or written in braces."""
    start, end = section.start_mark.index, section.end_mark.index
    if isinstance(section, yaml.MappingNode):
        if "#" in text[start:end]:
            raise ValueError("a comment would be lost")
        values = {part.value: each.value for part, each in section.value} | {name: value}
        kept = {part: each for part, each in values.items() if each is not None}
        return f"{text[:start]}{json.dumps(kept, ensure_ascii=False)}{text[end:]}"
    if value is None:
        return text
    head = f"{text[: key.end_mark.index]}:"
    text = head + text[end:]
    after = _commented(text, name, *_indented(text, len(head)), indented=True) or _line_end(text, len(head))
    return _inserted(text, after, f"  {_line(name, value)}")


def _with_pair(
    text: str,
    pair: tuple[yaml.Node, yaml.Node] | None,
    name: str,
    value: Any,
    *,
    indent: str,
    after: int | None,
) -> str:
    """A line `name: value` replaced, added or taken out.

    Args:
        text: of the file.
        pair: the nodes of the line, where there is one.
        name: of the setting.
        value: new; None takes the line out.
        indent: of a new line.
        after: the end of the line that a new one follows; None: the end of the text.
    """
    if pair is None:
        if value is None:
            return text
        line = f"{indent}{_line(name, value)}"
        return _at_end(text, line) if after is None else _inserted(text, after, line)
    start, end = pair[0].start_mark.index, _value_end(text, pair)
    if value is not None:
        return f"{text[:start]}{_line(name, value)}{text[end:]}"
    line_end = _line_end(text, end)
    if text[end:line_end].strip():  # the person's remark stays
        return f"{text[:start]}#{text[start:]}"
    return text[: text.rfind("\n", 0, start) + 1] + text[line_end + 1 :]


def _value_end(text: str, pair: tuple[yaml.Node, yaml.Node]) -> int:
    """Where a value ends; one on lines of its own ends with the last of its parts.

    Raises:
        ValueError: there are comments in it, which would be lost.
    """
    last = pair[1]
    while isinstance(last, yaml.CollectionNode) and not last.flow_style and last.value:
        last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]
    end = int(last.end_mark.index)
    if last is not pair[1] and "#" in text[pair[0].end_mark.index : end]:
        raise ValueError("a comment would be lost")
    return end


def _line(name: str, value: Any) -> str:
    return f"{name}: {json.dumps(value, ensure_ascii=False)}"


def _root(text: str) -> yaml.MappingNode | None:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return None
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ValueError("no lines of `name: value`")
    return root


def _pair(section: yaml.MappingNode | None, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    pairs = [] if section is None else section.value
    return next(((key, value) for key, value in pairs if key.value == name), None)


def _commented(text: str, name: str, start: int, end: int, *, indented: bool = False) -> int | None:
    """The end of the line between two places in which a setting is commented out."""
    indent = r"[ \t]+" if indented else ""
    found = re.compile(rf"^{indent}# ?{re.escape(name)}:", re.MULTILINE).search(text, start, end)
    return None if found is None else _line_end(text, found.end())


def _indented(text: str, index: int) -> tuple[int, int]:
    """(begin, end) of the indented comments below a line: they belong to the section that it opens."""
    begin = _line_end(text, index) + 1
    inside = re.compile(r"(?:[ \t]*\r?\n|[ \t]+#[^\n]*(?:\n|\Z))*").match(text, begin)
    return begin, begin if inside is None else inside.end()


def _line_end(text: str, index: int) -> int:
    """The index of the line break at the end of a line, or the end of the text."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found


def _inserted(text: str, after: int, lines: str) -> str:
    head = text[:after].removesuffix("\r")
    mark = "\r\n" if len(head) < after else "\n"
    return f"{head}{mark}{lines.replace(chr(10), mark)}{text[len(head) :]}"


def _at_end(text: str, lines: str) -> str:
    mark = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text or text.endswith("\n") else mark
    return f"{text}{gap}{lines.replace(chr(10), mark)}{mark}"


# -- what is read again ----------------------------------------------------------------------------------------------


def _data(text: str, path: Path, changes: Changes) -> Any:
    try:
        document = read_yaml(text, str(path))
    except GraphError as error:
        raise _unchangeable(path, changes) from error
    if document.problems:
        raise _unchangeable(path, changes)
    return document.data


def _expected(data: Any, changes: Changes) -> dict[str, Any]:
    expected = dict(data) if isinstance(data, dict) else {}
    for (name, *inner), value in changes.items():
        if inner:
            section = expected.get(name)
            expected[name] = {**(section if isinstance(section, dict) else {}), inner[0]: value}
        else:
            expected[name] = value
    return expected


def _plain(values: Any) -> Any:
    """Values without those that say nothing: nulls and empty sections."""
    if not isinstance(values, dict):
        return values
    inner = {name: _plain(value) for name, value in values.items()}
    return {name: value for name, value in inner.items() if value not in (None, {})}


# -- the file --------------------------------------------------------------------------------------------------------


def _replace(target: Path, text: str) -> None:
    """Write a file whole or not at all, with the permissions that it had."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # 0600: it may hold keys
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileNotFoundError):
            Path(name).chmod(target.stat().st_mode & 0o777)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        "config_unwritable",
        f"The configuration file {path} cannot be written: {error.strerror}.",
        remedy="Check the path and its permissions, or name another file with --config.",
    )


def _unchangeable(path: Path, changes: Changes) -> ConfigurationError:
    written = "; ".join(
        f"take out {'.'.join(setting)}" if value is None else f"set {'.'.join(setting)} to {json.dumps(value)}"
        for setting, value in changes.items()
    )
    return ConfigurationError(
        "config_unchangeable",
        f"The configuration file {path} is written so that it cannot be changed without touching other lines.",
        remedy=f"Change it by hand: {written}.",
    )
