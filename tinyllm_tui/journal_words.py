"""What events tell the journal, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import events as ev

if TYPE_CHECKING:
    from tinyllm_tui.journal import Severity


def words_of(body: ev.Body) -> tuple[Severity, str] | None:
    """(severity, words) of what an event tells; None for the steps of a run, which its timeline has."""
    match body:
        case ev.BreakerChanged(breaker, previous) if breaker.state != previous:
            why = f" ({breaker.last_error})" if breaker.last_error and breaker.state == "open" else ""
            bad = breaker.state in ("open", "forced_open")
            return "warning" if bad else "information", f"breaker {breaker.key}: {previous} -> {breaker.state}{why}"
        case ev.BackendChanged():
            bad = body.status in ("offline", "restarting")
            words = f"{body.endpoint}: {body.status} {body.detail} {body.remedy}"
            return "warning" if bad else "information", words
        case ev.Begin():
            return "information", f"begins on {body.graph.get('id', 'a graph')}: {body.question[:200]}"
        case ev.Committed():
            fallback = body.exit == "fallback"
            return "warning" if fallback else "information", f"committed ({body.exit})"
        case ev.RolledBack():
            why = f": {body.error.message} {body.error.remedy}" if body.error is not None else ""
            return "warning", f"rolled back ({body.reason}){why}"
        case ev.AttemptFailed():
            then = f", then {body.fallback}" if body.fallback else ""
            return "warning", f"{body.path}: attempt {body.attempt} of {body.model} failed: {body.error.message}{then}"
        case ev.Degraded():
            return "warning", f"{body.path}: goes on without it ({body.code})"
        case ev.Paused():
            return "warning", f"waits: {body.reason} {body.remedy}"
        case ev.Resumed():
            return "information", f"goes on: {body.reason}"
        case ev.ApprovalAsked():
            return "information", f"{body.path}: asks whether {body.tool or 'the answer'} may go on"
        case ev.ApprovalAnswered():
            return "information", f"{body.path}: answered {'yes' if body.allowed else 'no'} by {body.by}"
        case ev.Compensated() if body.error is not None:
            return "error", f"{body.path}: {body.tool} could not be taken back: {body.error.message}"
    return None
