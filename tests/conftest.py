"""Fixtures of all tests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.scripted_backend import ScriptedBackend

settings.register_profile(
    "short",
    deadline=None,  # the machine is shared: time says nothing about the code
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)
settings.load_profile("short")


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
