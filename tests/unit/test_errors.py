from __future__ import annotations

import asyncio

import httpx
import pytest

from engine.errors import (
    RETRYABLE,
    RETRYABLE_CHANGED,
    BreakerOpen,
    ConfigurationError,
    EngineError,
    ErrorClass,
    class_of_status,
    classify,
)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ErrorClass.INVALID_REQUEST),
        (401, ErrorClass.AUTH),
        (403, ErrorClass.AUTH),
        (404, ErrorClass.NOT_FOUND),
        (408, ErrorClass.TIMEOUT),
        (422, ErrorClass.INVALID_REQUEST),
        (429, ErrorClass.RATE_LIMITED),
        (500, ErrorClass.SERVER),
        (502, ErrorClass.SERVER),
        (503, ErrorClass.OVERLOADED),
        (599, ErrorClass.SERVER),
    ],
)
def test_a_status_code_has_one_class(status: int, expected: ErrorClass) -> None:
    assert class_of_status(status) is expected


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (asyncio.CancelledError(), ErrorClass.CANCELLED),
        (TimeoutError(), ErrorClass.TIMEOUT),
        (ConnectionResetError("gone"), ErrorClass.CONNECTION),
        (MemoryError(), ErrorClass.RESOURCE),
        (OSError(28, "No space left on device"), ErrorClass.RESOURCE),
        (httpx.ReadTimeout("slow"), ErrorClass.TIMEOUT),
        (httpx.ConnectError("refused"), ErrorClass.CONNECTION),
        (httpx.ConnectTimeout("no route"), ErrorClass.CONNECTION),
        (httpx.RemoteProtocolError("cut"), ErrorClass.PROTOCOL),
        (httpx.ReadError("cut"), ErrorClass.PROTOCOL),
        (httpx.WriteError("cut"), ErrorClass.CONNECTION),
        (httpx.InvalidURL("nonsense"), ErrorClass.CONFIGURATION),
        (ZeroDivisionError("timeout, connection refused, 429"), ErrorClass.INTERNAL),
    ],
)
def test_an_exception_is_classified_by_its_type_and_not_by_its_words(exc: BaseException, expected: ErrorClass) -> None:
    error = classify(exc)
    assert error.error_class is expected
    assert error.__cause__ is exc
    assert error.message


def test_an_engine_error_is_its_own_classification() -> None:
    error = EngineError(ErrorClass.SERVER, "code", "Words.")
    assert classify(error) is error


def test_no_class_is_both_repeated_as_it_is_and_only_changed() -> None:
    assert not RETRYABLE & RETRYABLE_CHANGED
    assert EngineError(ErrorClass.OVERLOADED, "c", "m").retryable
    assert not EngineError(ErrorClass.CONTEXT_OVERFLOW, "c", "m").retryable


def test_an_error_is_shown_with_its_remedy() -> None:
    assert str(ConfigurationError("c", "It is wrong.", remedy="Correct it.")) == "It is wrong. Correct it."
    assert str(ConfigurationError("c", "It is wrong.")) == "It is wrong."


def test_an_error_as_a_value_keeps_what_it_knows_and_is_filled_with_what_it_does_not() -> None:
    error = EngineError(ErrorClass.SERVER, "c", "m", node="inner", retry_after=1.5)
    info = error.info(node="outer", attempt=2)
    assert (info.node, info.attempt, info.retry_after_ms) == ("inner", 2, 1500)
    assert EngineError(ErrorClass.SERVER, "c", "m").info(node="outer").node == "outer"


def test_an_open_breaker_says_how_long_and_never_a_negative_time() -> None:
    assert BreakerOpen("k", 12.4).retry_after == 12.4
    assert BreakerOpen("k", -3).retry_after == 0
    assert "12 s" in BreakerOpen("k", 12.4).message
