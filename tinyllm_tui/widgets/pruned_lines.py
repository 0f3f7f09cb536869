"""What a pruning took out, as words and lines: why each message went, and its whole text."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, get_character_cell_size

from engine.events import PrunedMessage
from engine.view import PruneView, View, pruned_text
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.words import UNICODE, Glyphs, Line, count, cut, duration, filled, wrapped

_WHY = {
    "earlier": "earlier in the conversation: that goes first, the oldest first",
    "referred": "the question may refer to it: that goes after the rest of what was said",
    "recent": "among the newest exchanges: they go last of what was said",
    "made": "made by this run: that goes after all that was said earlier",
    "last": "an instruction that is not pinned: that goes last",
}
_SHORT = {
    "earlier": "earlier",
    "referred": "referred to",
    "recent": "recent",
    "made": "of the run",
    "last": "unpinned",
}


def prune_head(prune: PruneView, number: int, of: int, signs: Glyphs = UNICODE) -> str:
    """Which pruning it is: when, of what, how much, and why."""
    gone = len(prune.removed) + prune.unlisted
    facts = (
        f"pruning {number} of {of}",
        duration(prune.t_ms),
        f"{gone} {'message' if gone == 1 else 'messages'}",
        f"{count(prune.tokens_before)} to {count(prune.tokens_after)} tokens",
    )
    why = f"\nwhy: {one_line(prune.reason, 300)}" if prune.reason else ""
    return f"{f' {signs.dot} '.join(facts)}{why}\nfrom: {one_line(prune.selection, 80)}"


def rows_of(view: View, prune: PruneView, width: int, signs: Glyphs = UNICODE) -> list[str]:
    """One row for each message that was cut or went; the last may say how many more there were."""
    if prune.messages:
        rows = [_row(view, prune, message, width, signs) for message in prune.messages]
    else:
        rows = [cut(one_line(line), width, signs.ellipsis) for line in prune.removed]
    if prune.unlisted:
        rows.append(cut(f"and {prune.unlisted:,} older ones", width, signs.ellipsis))
    return rows


def _row(view: View, prune: PruneView, message: PrunedMessage, width: int, signs: Glyphs) -> str:
    """Kind, tokens, rank where there is room, beginning of the text."""
    kind = one_line(message.kind, 20) if message.kind != "history" else one_line(message.role, 20)
    rank = "cut" if message.left_out else _SHORT.get(message.rank, "")
    head = f"{filled(kind, 9, signs.ellipsis)} {count(message.tokens):>4}  " + (f"{rank:<11} " if width >= 50 else "")
    found = pruned_text(view, prune, message)
    return cut(head + one_line(found.text[:400] or found.problem), width, signs.ellipsis)


def message_lines(view: View, prune: PruneView, at: int, width: int, signs: Glyphs = UNICODE) -> list[Line]:
    """All that is known of the message in row `at` of `rows_of`: facts, why it went, and its whole text."""
    if at < len(prune.messages):
        return [*_facts(prune.messages[at], width, signs), *_text(view, prune, prune.messages[at], width)]
    if at < len(prune.removed) and not prune.messages:
        said = sanitize(prune.removed[at])
        why = "This run was recorded by an earlier version, which kept no more than this line."
        return [*wrapped(((said, "text"),), width), (), *wrapped(((why, "warn"),), width)]
    older = f"{prune.unlisted:,} more messages went. They are older than those above; their texts are not named."
    return wrapped(((older, "warn"),), width)


def _facts(message: PrunedMessage, width: int, signs: Glyphs) -> Iterator[Line]:
    facts = [one_line(message.kind, 40), one_line(message.role, 20), f"{message.tokens:,} tokens"]
    facts += [f"{message.characters:,} characters"]
    yield from wrapped(((f" {signs.dot} ".join(facts), "strong"),), width)
    why = _WHY.get(message.rank, "why it and no other is not recorded")
    if message.left_out:
        why = f"cut: {message.left_out:,} characters of its middle were left out; here it is whole"
    yield from wrapped(((why, "dim"),), width)
    yield ()


def _text(view: View, prune: PruneView, message: PrunedMessage, width: int) -> Iterator[Line]:
    found = pruned_text(view, prune, message)
    if found.problem:
        yield from wrapped(((f"Its text cannot be had. {one_line(found.problem, 300)}", "warn"),), width)
        return
    if not found.text:
        yield (("It is empty.", "faint"),)
    for row in text_rows(sanitize(found.text), width):
        yield ((row, "text"),)
    if found.missing:
        yield ()
        words = f"Here its record ends: {found.missing:,} more characters were not recorded."
        yield from wrapped(((words, "warn"),), width)


def text_rows(text: str, width: int) -> Iterator[str]:
    """`text` in rows of at most `width` columns, broken at spaces where there are any. Time grows with its length."""
    for line in text.split("\n"):
        yield from _broken(line, max(width, 2))


def _broken(line: str, width: int) -> Iterator[str]:
    if line.isascii():
        start = 0
        while len(line) - start > width:
            space = line.rfind(" ", start + 1, start + width + 1)
            end = space if space > 0 else start + width
            yield line[start:end]
            start = end + (space > 0)
        yield line[start:]
        return
    if cell_len(line) <= width:
        yield line
        return
    start = used = 0
    space = 0
    for index, character in enumerate(line):
        size = get_character_cell_size(character)
        if used + size > width:
            end = space or index
            yield line[start:end]
            start = end + (1 if space else 0)
            used = cell_len(line[start:index])
            space = 0
        if character == " " and index > start:
            space = index
        used += size
    yield line[start:]
