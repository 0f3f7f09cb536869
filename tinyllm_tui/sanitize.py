"""The trust boundary of the terminal: text of people, models, tools and files becomes text that cannot command it.

Textual and rich pass control characters through; a terminal obeys them: it moves the cursor, sets titles, makes links.
"""

from __future__ import annotations

import re

_TAB_STOP = 4

_BAD = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f"  # C0 without the newline, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction controls: text reads differently from what it says
    "\u200d\u2028\u2029\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"  # invisible tag characters
    "\ud800-\udfff]"
)
"""Anything that needs work; its absence is the fast path."""

_SEQUENCES = re.compile(
    # strings with a terminator: OSC (titles, links, clipboard), DCS, SOS, PM, APC. The payload excludes every
    # introducer, so that a text of introducers without terminators is scanned in linear time.
    "(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\\\|\x9c)"
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement, modes
    "|\x1b[ -/]+[0-~]"  # nF: character sets
    "|\x1b[0-~]"  # two-character sequences, and introducers that are never ended
)

_PICTURES = "\u2190-\u2bff\U0001f000-\U0001faff"
_DROPPED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
    # joiners that join no pictures: rich takes no room for what stands behind one, terminals do
    f"|(?<![{_PICTURES}\ufe0f])\u200d|\u200d(?![{_PICTURES}])"
)
_BREAKS = re.compile("\r\n?|[\x85\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def sanitize(text: str) -> str:
    """`text` without anything that a terminal would obey.

    Escape sequences (also C1 forms), other control characters, direction controls and stray joiners are removed, every
    line break becomes a newline, tabs are expanded, lone surrogates become U+FFFD. Linear time; harmless text is
    returned as it is.
    """
    if _BAD.search(text) is None:
        return text
    if "\x1b" in text or not text.isascii():
        text = _SEQUENCES.sub("", text)
    text = _BREAKS.sub("\n", text)
    text = _DROPPED.sub("", text)
    text = _SURROGATES.sub("\ufffd", text)
    return text.expandtabs(_TAB_STOP) if "\t" in text else text


def one_line(text: str, limit: int = 400) -> str:
    """`text` sanitised and put on one line of at most `limit` characters, cut with an ellipsis."""
    line = " ".join(sanitize(text[: limit * 8]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
