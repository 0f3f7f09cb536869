"""Messages that are larger than their room: what is kept of them, and how large each may be."""

from __future__ import annotations

from collections.abc import Sequence

from engine.message import estimate_tokens

LEAST_TOKENS = 24
"""No message is cut to fewer: what is left would say nothing."""
_MARK = "\n[... {left:,} characters left out ...]\n"
_MARK_BYTES = 48


def shortened(text: str, tokens: int) -> tuple[str, int]:
    """The head and the tail of a text, with a mark between them that says how many characters were left out.

    Args:
        text: the text.
        tokens: estimated tokens that the result may have, its mark included; at least `LEAST_TOKENS` are taken.

    Returns:
        The text, unchanged where it fits, and the number of characters left out.
    """
    tokens = max(tokens, LEAST_TOKENS)
    if estimate_tokens(text) <= tokens:
        return text, 0
    half = (tokens * 4 - _MARK_BYTES) // 2  # bytes: the measure of the estimate
    head = text[:half].encode("utf-8", "replace")[:half].decode("utf-8", "ignore")
    tail = text[-half:].encode("utf-8", "replace")[-half:].decode("utf-8", "ignore")
    left = len(text) - len(head) - len(tail)
    return f"{head}{_MARK.format(left=left)}{tail}", left


def even_limit(sizes: Sequence[int], room: int) -> int:
    """The largest limit such that sizes cut to it fit together: the small ones stay, the large ones share what is left.

    Args:
        sizes: of all, not empty.
        room: for all of them.
    """
    ordered = sorted(sizes)
    for index, size in enumerate(ordered):
        if size * (len(ordered) - index) > room:
            return room // (len(ordered) - index)
        room -= size
    return ordered[-1]
