"""Transforms between a text and a list of its pieces."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import EngineError, ErrorClass
from engine.graph.problems import shorten
from engine.graph.spec import TransformConfig
from engine.message import Message
from engine.nodes.context import Outcome
from engine.nodes.paths import dotted, text_of

MAX_PIECES = 10_000
MAX_JOINED = 1_000_000
"""Characters: as long as a filled template may be."""

_PARAGRAPH = "\n\n"


def split(config: TransformConfig, message: Message) -> Outcome:
    """The text as it is; its pieces, without blank ones, are `data.items` from here on.

    Raises:
        EngineError: invalid_output, code `too_many_pieces`.
    """
    separator = config.separator or _PARAGRAPH
    parts = [part for part in message.content.split(separator, MAX_PIECES + 1) if part.strip()]
    items = parts if config.length is None else list(_packed(parts, separator, config.length))
    if len(items) > MAX_PIECES:
        raise EngineError(
            ErrorClass.INVALID_OUTPUT,
            "too_many_pieces",
            f"The text falls into more than {MAX_PIECES:,} pieces.",
            remedy="Set a larger `length`, or split at something rarer.",
        )
    return Outcome(content=message.content, data={"items": items})


def _packed(parts: list[str], separator: str, length: int) -> Iterator[str]:
    """Pieces of at most `length` characters: neighbours put together while they fit, longer parts cut."""
    piece = ""
    for part in parts:
        if piece and len(piece) + len(separator) + len(part) <= length:
            piece += separator + part
            continue
        if piece:
            yield piece
        whole = len(part) - len(part) % length if len(part) > length else 0
        yield from (part[start : start + length] for start in range(0, whole, length))
        piece = part[whole:]
    if piece:
        yield piece


def join(config: TransformConfig, message: Message) -> Outcome:
    """The elements of the list at the path of the payload, with the separator between them.

    Raises:
        EngineError: invalid_output, codes `nothing_at_path`, `not_a_list`, `joined_too_long`.
    """
    path = config.path or "items"
    items = dotted(message.data, path)
    if not isinstance(items, list | tuple):
        raise EngineError(
            ErrorClass.INVALID_OUTPUT,
            "not_a_list",
            f"`data.{shorten(path)}` is no list, so its elements cannot be joined.",
            remedy="Correct the path in the graph.",
        )
    separator = _PARAGRAPH if config.separator is None else config.separator
    texts = [text_of(item) for item in items]
    if sum(map(len, texts)) + len(separator) * len(texts) > MAX_JOINED:
        raise EngineError(
            ErrorClass.INVALID_OUTPUT,
            "joined_too_long",
            f"The joined text would be longer than {MAX_JOINED:,} characters.",
            remedy="Join less, or truncate the pieces before.",
        )
    return Outcome(content=separator.join(texts))
