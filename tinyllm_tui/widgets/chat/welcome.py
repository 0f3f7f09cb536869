"""What stands in a conversation before anything was asked."""

from __future__ import annotations

from textual.content import Content

_ABOUT = (
    "A graph of small language models answers, on this machine alone. The panes show every step: which specialist the "
    "router picked, what it was given to read, how fast it writes, what failed and was tried again."
)
_TRY = ("What is the capital of France?", "Who wrote Hamlet?", "/code reverse a string in Python")


def welcome() -> Content:
    """What stands in an empty conversation."""
    return Content.assemble(
        ("Ask, and watch the answer being made.\n\n", "bold $accent"),
        (f"{_ABOUT}\n\n", "$text-dim"),
        ("Try\n", "bold"),
        ("".join(f"  {question}\n" for question in _TRY) + "\n", "$primary"),
        ("Keys\n", "bold"),
        ("  F1 help   ^r replay a past run   ^p every command\n", "$text-dim"),
        ("  esc leaves the prompt; then 1-5 choose a pane, enter returns", "$text-dim"),
    )
