"""Transforms by a regular expression, in a thread: matching gives up the interpreter lock and has a time limit.

(m) Catastrophic patterns over half a megabyte leave the loop running, with gaps that are those of an idle loop.
"""

from __future__ import annotations

import regex

from engine.errors import EngineError, ErrorClass
from engine.graph.patterns import compile_pattern
from engine.graph.problems import shorten
from engine.graph.spec import TransformConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.tools.patterns import matches
from engine.tools.threads import Stop, in_thread

SECONDS = 1.0
"""Time for all searching of one visit. A thread cannot be killed, so a cancelled visit waits for it."""
MAX_FOUND = 1000
"""Matches that are kept."""
MAX_REPLACED = 1_000_000
"""Characters of a text with replacements."""


class RegexNode:
    def __init__(self, config: TransformConfig) -> None:
        self._config = config
        self._pattern = compile_pattern(config.pattern or "", ignore_case=config.ignore_case)
        self._seconds = SECONDS if config.timeout_ms is None else min(SECONDS, config.timeout_ms / 1000)

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:  # noqa: ARG002
        """The transformed message.

        Raises:
            EngineError: INVALID_OUTPUT `nothing_found`; RESOURCE `pattern_timeout`, `text_too_long`; CONFIGURATION
                `bad_replacement`.
        """
        work = self._extract if self._config.operation == "regex_extract" else self._replace
        return await in_thread(lambda stop: work(message.content, stop))

    def _extract(self, text: str, stop: Stop) -> Outcome:
        """The first match; all of them are `data.items`, and the named groups of the first `data.groups`."""
        group = self._config.group if self._config.group is not None else min(self._pattern.groups, 1)
        items: list[str] = []
        groups: dict[str, str] = {}
        for match in matches(self._pattern, text, stop, self._seconds):
            groups = groups if items else {name: value or "" for name, value in match.groupdict().items()}
            items.append(match[group] or "")
            if len(items) == MAX_FOUND:
                break
        if not items and self._config.default is None:
            raise EngineError(
                ErrorClass.INVALID_OUTPUT,
                "nothing_found",
                f"The pattern `{shorten(self._config.pattern)}` finds nothing in the text.",
                remedy="Set a `default`, or add an edge with the condition `status == 'failed'`.",
            )
        content = items[0] if items else self._config.default or ""
        return Outcome(content=content, data={"items": items, "groups": groups})

    def _replace(self, text: str, stop: Stop) -> Outcome:
        template = self._config.replacement or ""
        pieces: list[str] = []
        end = length = 0
        for match in matches(self._pattern, text, stop, self._seconds):
            # every reference may be as long as the match, so this is known before anything is built
            worst = len(template) + template.count("\\") * len(match[0])
            if length + worst + match.start() - end > MAX_REPLACED:
                raise _too_long()
            pieces += (text[end : match.start()], _expanded(match, template))
            length += len(pieces[-2]) + len(pieces[-1])
            end = match.end()
        if length + len(text) - end > MAX_REPLACED:
            raise _too_long()
        return Outcome(content="".join((*pieces, text[end:])))


def _expanded(match: regex.Match[str], template: str) -> str:
    try:
        return match.expand(template)
    except (regex.error, IndexError, KeyError, ValueError, OverflowError) as exc:
        raise EngineError(
            ErrorClass.CONFIGURATION,
            "bad_replacement",
            f"The replacement `{shorten(template)}` cannot be used: {shorten(exc, 100)}.",
            remedy="Refer to groups that the pattern has, and write \\\\ for a backslash.",
        ) from None


def _too_long() -> EngineError:
    message = f"The text would have more than {MAX_REPLACED:,} characters."
    return EngineError(ErrorClass.RESOURCE, "text_too_long", message, remedy="Replace fewer, or with less.")
