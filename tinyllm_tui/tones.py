"""How a tone is drawn: the theme variable that each has."""

from __future__ import annotations

from typing import get_args

from tinyllm_tui.words import Tone

TONES: tuple[Tone, ...] = get_args(Tone)

_OWN: dict[Tone, str] = {
    "text": "foreground",
    "strong": "foreground",
    "title": "accent",
    "dim": "text-dim",
    "faint": "text-faint",
    "info": "primary",
    "ok": "success",
    "warn": "warning",
    "running": "accent",
    "run": "lane-run",
    "queued": "lane-queued",
    "taken_back": "lane-taken-back",
    "start": "marker-start",
    "mark_error": "marker-error",
    "checkpoint": "marker-checkpoint",
    "commit": "marker-commit",
    "rollback": "marker-rollback",
    "breaker": "marker-breaker",
    "prune": "marker-prune",
    "rewind": "marker-rewind",
    "undone": "marker-compensation",
    "fork": "marker-fork",
    "added": "diff-added",
    "removed": "diff-removed",
    "changed": "diff-changed",
}
_BOLD = frozenset({"strong", "title", "running", "node_running", "lane_running"})
_BLOCKS = frozenset({"code", "inline"})
"""Drawn by the widget that writes answers, which gives them a ground too."""


def variable(tone: Tone) -> str:
    """Name of the theme variable that colours a tone."""
    return _OWN.get(tone, tone.replace("_", "-"))


def tone_css() -> str:
    """Rules for the component class of every tone."""
    return "\n".join(
        f"& > .tone--{tone} {{ color: ${variable(tone)};{' text-style: bold;' if tone in _BOLD else ''} }}"
        for tone in TONES
        if tone not in _BLOCKS
    )
