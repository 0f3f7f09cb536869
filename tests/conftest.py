"""Fixtures of all tests."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.scripted_backend import ScriptedBackend
from tests.windows import Windows

settings.register_profile(
    "short",
    deadline=None,  # the machine is shared: time says nothing about the code
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)
settings.load_profile("short")

for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)  # where tests are run with them, they would hide the sizes of the terminals made here

WINDOWS = Windows()
WINDOWS.watch()


@pytest.fixture(autouse=True)
def every_request_fits_its_window(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the test in which a server counted more tokens than the window leaves beside the answer; unless its server
    is a double that is meant to (`overflows`)."""
    WINDOWS.over.clear()
    yield
    over, expected = list(WINDOWS.over), request.node.get_closest_marker("overflows") is not None
    assert expected or not over, "\n".join(over)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> ScriptedBackend:
    """The backend of every engine that this test opens."""
    backend = ScriptedBackend()
    backend.install(monkeypatch)
    return backend


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once: the jitter of the back-off is always its lower bound, 0."""
    monkeypatch.setattr(random.Random, "uniform", lambda _self, low, _high: low)


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fails when the test leaves a task behind."""
    before = asyncio.all_tasks()
    yield
    left: set[asyncio.Task[Any]] = asyncio.all_tasks() - before - {asyncio.current_task()}  # type: ignore[arg-type]
    assert not left
