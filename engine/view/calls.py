"""What nodes did in the view: operations, effects, model calls, questions to a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import events as ev
from engine.errors import ErrorClass
from engine.message import brief_json
from engine.view.shared import attempt_of, count_asks, line, took, visit_of
from engine.view.values import SHOWN_RESULT, ApprovalView, AttemptView, Mark, OpView, View

QUEUED_SAID_MS = 100
"""Waits in the queue that are at least so long are said."""


def _op_started(view: View, event: ev.Event, body: ev.OpStarted) -> None:
    visit = visit_of(view, body.path, body.visit)
    if visit is not None:
        visit.ops.append(OpView(body.step, body.op, event.t_ms, body.arguments))


def _op_finished(view: View, event: ev.Event, body: ev.OpFinished) -> None:
    visit = visit_of(view, body.path, body.visit)
    op = next((op for op in reversed(visit.ops) if op.step == body.step), None) if visit is not None else None
    if op is None:
        return
    op.finished_ms, op.error = event.t_ms, body.error
    text = body.result.get("text") if isinstance(body.result, dict) else None
    op.result = text[:SHOWN_RESULT] if isinstance(text, str) else brief_json(body.result, SHOWN_RESULT)
    if body.error is not None:
        op.result = ""
    if op.tool:
        said = body.error.message if body.error is not None else " ".join(op.result[:200].split())
        mark: Mark = "info" if body.error is None else "warn"
        line(view, event, mark, body.path, f"{op.op} {op.arguments[:80]}".rstrip() + f": {said[:120]}")


def _effect_intended(view: View, event: ev.Event, body: ev.EffectIntended) -> None:
    word = "cannot" if body.effect == "irreversible" else "can"
    line(view, event, "info", body.path, f"{body.tool}: what it changes {word} be taken back")


def _compensated(view: View, event: ev.Event, body: ev.Compensated) -> None:
    if body.error is None:
        view.stuck.pop(body.call, None)
        line(view, event, "undone", body.path, f"{body.tool}: taken back")
    else:
        view.stuck[body.call] = f"{body.tool}: {body.error.message}"
        impossible = body.error.error_class == ErrorClass.TOOL_REFUSED
        how = "CANNOT be taken back" if impossible else "NOT taken back, for that failed"
        line(view, event, "error", body.path, f"{body.tool}: {how}: {body.error.message}")
    view.uncompensated = tuple(view.stuck.values())


def _model_started(view: View, event: ev.Event, body: ev.ModelStarted) -> None:
    visit = visit_of(view, body.path, body.visit)
    if visit is None:
        return
    messages = body.messages or (visit.attempts[-1].messages if visit.attempts else ())
    visit.attempts.append(
        AttemptView(
            step=body.step,
            attempt=body.attempt,
            model=body.model,
            endpoint=body.endpoint,
            started_ms=event.t_ms,
            messages=messages,
            stream=body.stream,
            temperature=body.temperature,
            max_tokens=body.max_tokens,
            seed=body.seed,
            tools=body.tools,
            queued_ms=body.queued_ms,
        )
    )
    again = f", attempt {body.attempt}" if body.attempt > 1 else ""
    queued = f", after {body.queued_ms} ms in the queue" if body.queued_ms >= QUEUED_SAID_MS else ""
    shared = ", shared with another run" if body.shared else ""
    line(view, event, "info", body.path, f"model {body.model}{again}{queued}{shared}")


def _model_delta(view: View, event: ev.Event, body: ev.ModelDelta) -> None:  # noqa: ARG001 - one shape for all handlers
    attempt = attempt_of(visit_of(view, body.path, body.visit), body.step, body.attempt)
    if attempt is None:
        return
    attempt.tokens = body.tokens
    if body.thinking:
        attempt.thinking = attempt.thinking[: body.offset] + body.text
        return
    attempt.text = attempt.text[: body.offset] + body.text
    if attempt.stream:
        view.answer, view.answer_node, view.answer_model = attempt.text, body.path, attempt.model


def _model_finished(view: View, event: ev.Event, body: ev.ModelFinished) -> None:
    attempt = attempt_of(visit_of(view, body.path, body.visit), body.step, body.attempt)
    if attempt is None:
        return
    attempt.text, attempt.thinking, attempt.finish = body.text, body.thinking, body.finish
    attempt.tokens, attempt.prompt_tokens = body.completion_tokens, body.prompt_tokens
    attempt.finished_ms, attempt.duration_ms = event.t_ms, body.duration_ms
    attempt.first_token_ms, attempt.tool_calls = body.first_token_ms, body.tool_calls
    if attempt.stream:
        view.answer, view.answer_node, view.answer_model = body.text, body.path, body.model
    attempt.cached = body.cached
    cut = ", cut off" if body.finish == "length" else ""
    how = "from the cache" if body.cached else f"in {took(body.duration_ms)}"
    line(view, event, "info", body.path, f"{body.model}: {body.completion_tokens} tokens {how}{cut}")


def _attempt_failed(view: View, event: ev.Event, body: ev.AttemptFailed) -> None:
    visit = visit_of(view, body.path, body.visit)
    attempt = attempt_of(visit, body.step, body.attempt)
    if attempt is not None:
        attempt.error, attempt.finished_ms, attempt.text = body.error, event.t_ms, body.partial
    goes_on = body.retry_in_ms is not None or body.fallback
    if goes_on and view.answer_node == body.path:
        view.answer = ""
    elif body.partial and (attempt is None or attempt.stream):
        view.answer, view.answer_node, view.answer_model = body.partial, body.path, body.model
    if body.retry_in_ms is not None:
        then = f"; again in {took(body.retry_in_ms)}"
    else:
        how = "escalates" if body.escalates else "falls back"
        then = f"; {how} to {body.fallback}" if body.fallback else ""
    line(view, event, "error", body.path, f"{body.model}: {body.error.message}{then}")


def _approval_asked(view: View, event: ev.Event, body: ev.ApprovalAsked) -> None:
    view.approvals.append(ApprovalView(body, event.t_ms))
    count_asks(view)
    what = f"may the tool {body.tool} run? {body.arguments}" if body.tool else body.question
    line(view, event, "warn", body.path, f"a person is asked: {what}")


def _approval_answered(view: View, event: ev.Event, body: ev.ApprovalAnswered) -> None:
    place = (body.path, body.visit, body.step)
    view.approvals = [each for each in view.approvals if (each.asked.path, each.asked.visit, each.asked.step) != place]
    count_asks(view)
    words = {"person": "a person said", "nobody": "nobody could be asked:", "cancelled": "nobody answered any more:"}
    said = f"{words[body.by]} {'yes' if body.allowed else 'no'}"
    if body.scope == "host":
        said += ", for this host"
    if body.text is not None:
        said += ", and changed the text"
    reason = f": {body.reason}" if body.reason else ""
    line(view, event, "ok" if body.allowed else "warn", body.path, f"{said}{reason}")


HANDLERS: dict[type[ev.Body], Callable[[View, ev.Event, Any], None]] = {
    ev.OpStarted: _op_started,
    ev.OpFinished: _op_finished,
    ev.EffectIntended: _effect_intended,
    ev.Compensated: _compensated,
    ev.ModelStarted: _model_started,
    ev.ModelDelta: _model_delta,
    ev.ModelFinished: _model_finished,
    ev.AttemptFailed: _attempt_failed,
    ev.ApprovalAsked: _approval_asked,
    ev.ApprovalAnswered: _approval_answered,
}
