"""What a session is called that nobody named."""

from __future__ import annotations

from tinyllm_tui.sanitize import one_line

NAME_SHOWN = 60
"""Characters of a question that name its session."""


def session_name(question: str) -> str:
    """The name of a session that begins with `question`: its beginning, on one line, up to the end of a word."""
    words = one_line(question, 4 * NAME_SHOWN)
    if len(words) <= NAME_SHOWN:
        return words
    return words[: NAME_SHOWN + 1].rpartition(" ")[0] or words[:NAME_SHOWN]
