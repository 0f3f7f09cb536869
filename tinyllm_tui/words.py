"""How numbers and states are written: one way everywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len, set_cell_size

from engine.view import AttemptView, NodeState, NodeView, View

if TYPE_CHECKING:
    from engine.events import GateDecided

Tone = Literal[
    "text", "dim", "faint", "strong", "title", "accent", "primary", "info", "ok", "warn", "error", "running",
    "code", "inline",
    "node_idle", "node_running", "node_waiting", "node_ok", "node_failed", "node_skipped", "node_cancelled",
    "edge_taken", "edge_idle",
    "breaker_closed", "breaker_open", "breaker_half_open", "breaker_forced_open", "breaker_disabled",
    "memory_system", "memory_question", "memory_history", "memory_upstream", "memory_note", "memory_recalled",
    "memory_tool", "memory_summary",
    "run", "lane_running", "lane_failed", "queued", "taken_back",
    "start", "mark_error", "checkpoint", "commit", "rollback", "breaker", "prune", "rewind", "undone", "fork",
    "added", "removed", "changed",
]  # fmt: skip
"""What a piece of text means; the theme says how it looks."""

Span = tuple[str, Tone]
Line = tuple[Span, ...]
"""One line of a pane: pieces of text with their meaning. Outside text in it is already sanitised."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Signs that stand beside every colour, so that no state is told by colour alone."""

    nodes: dict[NodeState, str]
    marks: dict[str, str]
    breakers: dict[str, str]
    good: str
    bad: str
    full: str
    empty: str
    limit: str
    dot: str
    bar: str
    prompt: str
    spinner: str
    ellipsis: str
    result: str
    play: str
    stop: str
    back: str
    spark: str
    """Heights of a sparkline, the lowest first."""
    folded: str
    unfolded: str
    below: str
    bullet: str


UNICODE = Glyphs(
    nodes={"idle": "·", "running": "▶", "waiting": "?", "ok": "✓", "failed": "✗", "skipped": "–", "cancelled": "◼"},
    marks={
        "info": "·", "start": "▷", "ok": "✓", "error": "✗", "warn": "!", "checkpoint": "◆", "commit": "●",
        "rollback": "◀", "rewind": "↺", "prune": "▾", "breaker": "◐",
        "resumed": "»", "fork": "┣", "undone": "↶", "imported": "↓", "recalled": "❖", "bookmark": "⚑", "differs": "≠",
    },
    breakers={"closed": "●", "open": "○", "half_open": "◐", "forced_open": "⊘", "disabled": "–"},
    good="▮", bad="✗", full="█", empty="░", limit="│", dot="·", bar="│", prompt="❯", spinner="◐◓◑◒", ellipsis="…",
    result="→", play="▶", stop="◼", back="◀", folded="▸", unfolded="▾", below="↓", bullet="•", spark="▁▂▃▄▅▆▇█",
)  # fmt: skip

ASCII = Glyphs(
    nodes={"idle": ".", "running": ">", "waiting": "?", "ok": "+", "failed": "x", "skipped": "-", "cancelled": "#"},
    marks={
        "info": ".", "start": ">", "ok": "+", "error": "x", "warn": "!", "checkpoint": "*", "commit": "@",
        "rollback": "<", "rewind": "^", "prune": "v", "breaker": "%",
        "resumed": "&", "fork": "Y", "undone": "u", "imported": "i", "recalled": "m", "bookmark": "B", "differs": "!",
    },
    breakers={"closed": "@", "open": "o", "half_open": "%", "forced_open": "0", "disabled": "-"},
    good=".", bad="x", full="#", empty="-", limit="|", dot="-", bar="|", prompt=">", spinner="|/-\\", ellipsis="~",
    result="->", play=">", stop="#", back="<", folded="+", unfolded="-", below="v", bullet="*", spark="_.-=+*#@",
)  # fmt: skip

NODE_TONES: dict[NodeState, Tone] = {
    "idle": "node_idle",
    "running": "node_running",
    "waiting": "node_waiting",
    "ok": "node_ok",
    "failed": "node_failed",
    "skipped": "node_skipped",
    "cancelled": "node_cancelled",
}

MARK_TONES: dict[str, Tone] = {
    "info": "dim",
    "start": "start",
    "ok": "node_ok",
    "error": "mark_error",
    "warn": "warn",
    "checkpoint": "checkpoint",
    "commit": "commit",
    "rollback": "rollback",
    "rewind": "rewind",
    "prune": "prune",
    "breaker": "breaker",
    "resumed": "fork",
    "fork": "fork",
    "undone": "undone",
    "imported": "fork",
}


_WORDS = re.compile(r"\s+|\S+(?: [·-](?= ))?")


def glyphs(ascii_only: bool) -> Glyphs:
    return ASCII if ascii_only else UNICODE


def duration(ms: float) -> str:
    """`0.34s`, `12.3s`, `2m05s`, `1h03m`."""
    seconds = max(ms, 0) / 1000
    if seconds < 10:
        return f"{seconds:.2f}s"
    if seconds < 60:
        return f"{seconds:.1f}s"
    if seconds < 3600:
        return f"{int(seconds) // 60}m{int(seconds) % 60:02d}s"
    return f"{int(seconds) // 3600}h{int(seconds) % 3600 // 60:02d}m"


def short_duration(ms: float) -> str:
    """`<1 ms`, `12 ms`, then as `duration`: of what most often takes no time worth seconds."""
    return "<1 ms" if ms < 1 else f"{ms:.0f} ms" if ms < 1000 else duration(ms)


def size(bytes_: float) -> str:
    """512 B, 40 KB, 2 MB: 1 KB is 1024 bytes."""
    for unit in ("B", "KB", "MB", "GB"):
        if bytes_ < 1024:
            return f"{bytes_:.0f} {unit}"
        bytes_ /= 1024
    return f"{bytes_:.1f} TB"


def count(number: int) -> str:
    """`950`, `1.2k`, `35k`."""
    if number < 1000:
        return str(number)
    return f"{number / 1000:.1f}k" if number < 10_000 else f"{number // 1000}k"


def parameters(billions: float) -> str:
    """`135M`, `3B`, `1.5B`."""
    return f"{billions * 1000:.0f}M" if billions < 1 else f"{billions:g}B"


def rate(attempt: AttemptView, now_ms: float) -> float:
    """Tokens per second of one model call: of its generation alone, once its first token is there.

    `now_ms` is in the transaction's time.
    """
    end = now_ms - attempt.started_ms if attempt.finished_ms is None else attempt.duration_ms
    elapsed = end - attempt.first_token_ms
    return attempt.tokens * 1000 / elapsed if attempt.tokens > 1 and elapsed > 100 else 0.0


def speed(attempt: AttemptView | None, now_ms: float) -> str:
    if attempt is None:
        return ""
    value = rate(attempt, now_ms)
    return f"{value:.0f} tok/s" if value >= 10 else f"{value:.1f} tok/s" if value > 0 else ""


def node_detail(node: NodeView, now_ms: float) -> str:
    """What a node is doing, or how it went, in a dozen columns."""
    visit = node.last
    if visit is None or node.state == "idle":
        return ""
    if node.asks:
        return "asks you"
    attempt = visit.attempts[-1] if visit.attempts else None
    if node.state == "running":
        tries = max(attempt.attempt if attempt else 1, visit.attempt)
        if tries > 1 and not (attempt and attempt.tokens > 1):
            return f"try {tries}"
        return speed(attempt, now_ms) or duration(now_ms - visit.started_ms)
    if node.state == "failed":
        return visit.error.code if visit.error else "failed"
    if visit.route is not None:
        return visit.route.route
    if visit.gate is not None:
        return gate_words(visit.gate)
    if node.state == "cancelled" and not visit.duration_ms:
        return speed(attempt, now_ms) or "cancelled"
    return speed(attempt, now_ms) or duration(visit.duration_ms)


def gate_words(gate: GateDecided) -> str:
    """A gate's verdict in a dozen columns, with the judge's grade where there is one."""
    verdict = f"retry {gate.retries}" if not gate.passed else "gave up" if gate.gave_up else "passed"
    return verdict if gate.score is None else f"{verdict} {gate.score:.2g}"


def answer_attempt(view: View) -> AttemptView | None:
    """The model call whose text is the answer (or was going to be)."""
    node = view.nodes.get(view.answer_node or view.answered_by)
    if node is None or node.type != "model":
        node = view.nodes.get(view.answered_by)
    visit = node.last if node else None
    return visit.attempts[-1] if visit and visit.attempts else None


def parent_words(view: View) -> str:
    """Of which run it is a fork, or that it is the same turn asked anew; empty where neither."""
    if view.parent is None:
        return ""
    number, step = view.parent
    return f"asked anew, in place of #{number}" if view.replaces and step == 1 else f"fork of #{number} at step {step}"


def model_note(billions: float | None) -> str:
    """A warning about what a very small model can do; empty for others."""
    if billions is None or billions >= 0.5:
        return ""
    return f"a {parameters(billions)} toy: simple answers"


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """`text` in at most `width` columns."""
    if width <= 0:
        return ""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + ellipsis


def filled(text: str, width: int, ellipsis: str = "…") -> str:
    """`text` in exactly `width` columns: cut, or with spaces behind it."""
    shown = cut(text, width, ellipsis)
    return shown + " " * (width - cell_len(shown))


def plain(line: Line) -> str:
    return "".join(text for text, _ in line)


def wrapped(line: Line, width: int, indent: int = 0) -> list[Line]:
    """`line` on as many rows of `width` columns as it takes, broken between words where that is possible.

    Rows after the first begin with `indent` spaces.
    """
    if sum(cell_len(text) for text, _ in line) <= width:
        return [line]
    if indent and width > 4 * indent:
        first, *rest = wrapped(line, width - indent)
        return [first, *(((" " * indent, "text"), *row) for row in rest)]
    rows: list[list[Span]] = [[]]
    used = 0
    for text, tone in line:
        for word in _WORDS.findall(text):
            size = cell_len(word)
            if used and used + size > width:
                rows.append([])
                used = 0
                if word.isspace():
                    continue
            while size > width > 0:
                piece = set_cell_size(word, width).rstrip() or word[:1]
                rows[-1].append((piece, tone))
                rows.append([])
                word = word[len(piece) :]
                size = cell_len(word)
            rows[-1].append((word, tone))
            used += size
    return [tuple(row) for row in rows if row] or [line]
