"""BackendWatch: what the status line says of a backend that fails, recovers, or was passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import EngineError, ErrorClass, ErrorInfo
from engine.events import BackendChanged, BreakerSnapshot
from engine.models.protocol import Health
from tests.waiting import until
from tinyllm_tui.backend_watch import BackendWatch
from tinyllm_tui.widgets.status import BackendState


class Engine:
    """The part of an engine that is asked, with an Ollama behind it."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.ok = True
        self.looks = 0
        self.error: EngineError | None = None

    async def backend(self) -> Any:
        if self.error is not None:
            raise self.error
        return SimpleNamespace(kind="ollama", health=self.health)

    async def health(self) -> Health:
        self.looks += 1
        return Health(True, "Well.") if self.ok else Health(False, "It cannot be reached.", "Start it.")

    async def models(self) -> list[Any]:
        return []


def snapshot(recent: str) -> BreakerSnapshot:
    return BreakerSnapshot("e m", "endpoint", "closed", 1, 0, None, "x", recent)


def watching() -> tuple[BackendState, Any, list[str], BackendWatch]:
    told: list[str] = []
    state = BackendState()
    return state, Engine(), told, BackendWatch(state, told.append)


def test_what_the_engine_notices_later_is_told_once() -> None:
    _, engine, told, watch = watching()
    engine.notices.append("The database was moved aside.")
    watch.tell(engine)
    engine.notices.append("The embedded model answers instead.")
    watch.tell(engine)
    watch.tell(engine)
    assert told == ["The database was moved aside.", "The embedded model answers instead."]


async def test_a_backend_that_comes_back_by_way_of_starting_is_met_again() -> None:
    state, engine, _, watch = watching()
    engine.error = EngineError(ErrorClass.CONNECTION, "x", "Gone.", remedy="Start it.")
    await watch.meet(engine, None)
    assert (state.status, state.detail, state.remedy) == ("offline", "Gone.", "Start it.")
    assert not watch.take(BackendChanged("embedded", "embedded", "starting"))
    ready = BackendChanged("embedded", "embedded", "ready")
    assert watch.take(ready)
    assert not watch.take(ready)
    engine.error = None
    await watch.meet(engine, None)
    assert (state.status, state.name) == ("ready", "ollama")
    assert not watch.take(BackendChanged("embedded", "embedded", "restarting"))
    assert not watch.take(BackendChanged("embedded", "embedded", "ready")), "its models are known"


async def test_a_server_whose_last_call_failed_is_asked_until_it_answers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyllm_tui.backend_watch.LOOK_EVERY_S", 0.001)
    state, engine, _, watch = watching()
    await watch.meet(engine, None)
    breakers: list[Sequence[BreakerSnapshot]] = [[snapshot("x.")]]
    errors: list[ErrorInfo | None] = [None]
    drawn: list[str] = []
    following = asyncio.create_task(
        watch.follow(engine, lambda: breakers[0], lambda: errors[0], lambda: drawn.append(state.status))
    )
    try:
        await asyncio.sleep(0.02)
        assert engine.looks == 0, "its last call worked"
        engine.ok, breakers[0] = False, [snapshot(".x")]
        await until(lambda: drawn == ["offline"])
        assert (state.detail, state.remedy) == ("It cannot be reached.", "Start it.")
        engine.ok = True
        await until(lambda: drawn == ["offline", "ready"])
        assert state.name == "ollama"
        breakers[0], looks = [snapshot("x.")], engine.looks
        errors[0] = ErrorInfo(ErrorClass.TIMEOUT, "timeout", "It took too long.")
        await asyncio.sleep(0.02)
        assert engine.looks <= looks + 1, "that it was slow says nothing of the connection"
        engine.ok, errors[0] = False, ErrorInfo(ErrorClass.CONNECTION, "connect_failed", "It cannot be reached.")
        await until(lambda: drawn == ["offline", "ready", "offline"])
    finally:
        following.cancel()
