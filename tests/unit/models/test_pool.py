"""Several endpoints for one model: what they have together, and which of them is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from engine.config import BreakerConfig, EndpointConfig, EngineConfig, RetryConfig
from engine.errors import EngineError, ErrorClass
from engine.events import AttemptFailed, BackendChanged, Body, ModelStarted
from engine.health.registry import BreakerRegistry
from engine.models import endpoints as endpoints_module
from engine.models.caller import CallOptions, ModelCaller, ModelRound
from engine.models.detect import choose_backend
from engine.models.endpoints import find_endpoints
from engine.models.pool import ASK_AGAIN_S, Endpoint, Pool
from engine.models.protocol import ModelInfo
from tests.doubles.fake_ollama import FakeOllama
from tests.doubles.fake_openai import FakeOpenAI
from tests.scripted_backend import ScriptedBackend, Step, fault, model
from tests.unit.caller_rig import REQUEST, SITE, Highest
from tests.unit.health.clock import Clock


class Server(ScriptedBackend):
    """One scripted server of several."""

    def __init__(self, endpoint: str, *installed: ModelInfo, says: Sequence[Step] = ("4",)) -> None:
        super().__init__(lambda _request: says, installed or [model("tiny")])
        self.endpoint = endpoint


class Rig:
    def __init__(self, *servers: Server, concurrency: int = 1, attempts: int = 3) -> None:
        self.clock = Clock()
        self.servers = servers
        self.said: list[Body] = []
        self.events: list[Body] = []
        self.slept: list[float] = []
        self.breakers = BreakerRegistry(
            BreakerConfig(), now=self.clock.now, wall_ms=self.clock.wall_ms, emit=lambda _body: None
        )
        endpoints = [Endpoint(server, concurrency) for server in servers]
        self.pool = Pool(endpoints, self.breakers, emit=self.said.append, now=self.clock.now)
        retry = RetryConfig(attempts=attempts)
        self.caller = ModelCaller(self.pool, retry, now=self.clock.now, sleep=self.sleep, rng=Highest())

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def call(self) -> ModelRound:
        options = CallOptions()
        return await self.caller.call(REQUEST, site=SITE, emit=self.events.append, options=options)

    def asked(self) -> list[str]:
        """The endpoints of the attempts, in order."""
        return [body.endpoint for body in self.events if isinstance(body, ModelStarted)]

    def states(self) -> list[tuple[str, str]]:
        return [(body.endpoint, body.status) for body in self.said if isinstance(body, BackendChanged)]


def open_breaker(rig: Rig, endpoint: str) -> None:
    rig.breakers.get(f"{endpoint} tiny", "endpoint").force("open")


async def test_a_model_that_several_have_is_one_with_what_all_of_them_can_do() -> None:
    wide = model("tiny", window=8192, capabilities=frozenset({"chat", "tools"}))
    rig = Rig(Server("a", wide), Server("b", model("tiny:latest", window=2048), model("big")))
    tiny, big = await rig.pool.models()
    assert (tiny.name, tiny.window, tiny.capabilities) == ("tiny", 2048, {"chat"})
    assert big.name == "big"
    assert (await rig.pool.show("tiny")).window == 2048


async def test_each_endpoint_is_asked_by_its_own_name_of_the_model() -> None:
    rig = Rig(Server("a", model("other")), Server("b", model("TINY:latest")))
    await rig.pool.models()
    assert (await rig.call()).endpoint == "b"
    assert rig.servers[1].requests[0].model == "TINY:latest"
    assert [body.model for body in rig.events if isinstance(body, ModelStarted)] == ["tiny"]


async def test_calls_go_to_the_least_busy_endpoint() -> None:
    held = asyncio.Event()
    rig = Rig(*(Server(name, says=(held, "4")) for name in "abc"))
    await rig.pool.models()
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(rig.call())
            await asyncio.sleep(0)
        held.set()
    assert rig.asked() == ["a", "b", "c"]


async def test_an_endpoint_whose_breaker_is_open_is_passed_over() -> None:
    rig = Rig(Server("a"), Server("b"))
    await rig.pool.models()
    open_breaker(rig, "a")
    assert (await rig.call()).endpoint == "b"
    assert rig.asked() == ["b"]


async def test_where_all_breakers_are_open_the_call_is_refused() -> None:
    rig = Rig(Server("a"), Server("b"))
    await rig.pool.models()
    open_breaker(rig, "a")
    open_breaker(rig, "b")
    with pytest.raises(EngineError) as caught:
        await rig.call()
    assert caught.value.error_class is ErrorClass.BREAKER_OPEN


@pytest.mark.parametrize("error_class", [ErrorClass.CONNECTION, ErrorClass.NOT_FOUND, ErrorClass.AUTH])
async def test_a_failed_attempt_is_repeated_elsewhere_at_once(error_class: ErrorClass) -> None:
    rig = Rig(Server("a", says=(fault(error_class),)), Server("b"))
    await rig.pool.models()
    answer = await rig.call()
    assert (answer.endpoint, answer.attempts, rig.slept) == ("b", 2, [0.0])
    (failed,) = [body for body in rig.events if isinstance(body, AttemptFailed)]
    assert failed.retry_in_ms == 0


async def test_an_endpoint_is_blamed_for_what_failed_there_and_no_other() -> None:
    rig = Rig(Server("a", says=(fault(ErrorClass.CONNECTION),)), Server("b"))
    await rig.pool.models()
    for _ in range(3):
        await rig.call()
    assert rig.breakers.get("a tiny", "endpoint").state == "open"
    assert rig.breakers.get("b tiny", "endpoint").snapshot().failures == 0
    await rig.call()
    assert rig.asked()[-2:] == ["b", "b"]


async def test_what_is_the_requests_own_fault_is_not_tried_elsewhere() -> None:
    rig = Rig(Server("a", says=(fault(ErrorClass.INVALID_REQUEST),)), Server("b"))
    await rig.pool.models()
    with pytest.raises(EngineError):
        await rig.call()
    assert rig.asked() == ["a"]


async def test_attempts_are_counted_over_all_endpoints() -> None:
    rig = Rig(*(Server(name, says=(fault(ErrorClass.SERVER),)) for name in "ab"), attempts=3)
    await rig.pool.models()
    with pytest.raises(EngineError):
        await rig.call()
    assert sorted(rig.asked()[:2]) == ["a", "b"]
    assert len(rig.asked()) == 3


# -- dead endpoints ---------------------------------------------------------------------------------------------------


async def test_a_dead_endpoint_among_several_is_said_once_and_not_asked() -> None:
    dead, fine = Server("a"), Server("b")
    dead.refuse = fault(ErrorClass.CONNECTION)
    rig = Rig(dead, fine)
    assert [info.name for info in await rig.pool.models()] == ["tiny"]
    await rig.pool.models()
    assert rig.states() == [("a", "offline"), ("b", "ready")]
    assert rig.pool.first is fine
    assert (await rig.call()).endpoint == "b"


async def test_an_endpoint_that_comes_back_is_asked_again_after_a_while() -> None:
    dead, fine = Server("a"), Server("b")
    dead.refuse = fault(ErrorClass.CONNECTION)
    rig = Rig(dead, fine)
    await rig.pool.models()
    dead.refuse = None
    await rig.pool.models()
    assert [place.endpoint for place in rig.pool.admission("tiny").places] == ["b"]
    rig.clock.advance(ASK_AGAIN_S)
    await rig.pool.models()
    assert [place.endpoint for place in rig.pool.admission("tiny").places] == ["a", "b"]
    assert rig.states()[-1] == ("a", "ready")


async def test_where_none_answers_the_first_one_says_why() -> None:
    rig = Rig(Server("a"), Server("b"))
    for server in rig.servers:
        server.refuse = fault(ErrorClass.CONNECTION, server.endpoint)
    with pytest.raises(EngineError) as caught:
        await rig.pool.models()
    assert caught.value.code == "a"


# -- the configuration ------------------------------------------------------------------------------------------------


async def found(config: EngineConfig, events: list[Body]) -> list[tuple[str, str, int]]:
    pool = await find_endpoints(config, emit=events.append, choose=choose_backend)
    for endpoint in pool:
        await endpoint.backend.aclose()
    return [(endpoint.backend.kind, endpoint.name, endpoint.concurrency) for endpoint in pool]


async def test_servers_of_both_kinds_stand_beside_the_backend() -> None:
    with FakeOllama() as one, FakeOllama() as two, FakeOpenAI() as three:
        config = EngineConfig(
            ollama_host=one.address,
            endpoints=[
                EndpointConfig(kind="ollama", address=two.address, concurrency=2),
                EndpointConfig(kind="openai", address=three.base_url),
                EndpointConfig(kind="ollama", address=two.address, concurrency=2),
            ],
        )
        events: list[Body] = []
        assert [(kind, slots) for kind, _, slots in await found(config, events)] == [
            ("ollama", 1),
            ("ollama", 2),
            ("openai", 4),
        ]
        assert isinstance(events[-1], BackendChanged)
        assert events[-1].detail == "3 of 3 endpoints answer."


async def test_the_backend_that_is_named_again_takes_its_concurrency_from_there() -> None:
    with FakeOllama() as one:
        again = EndpointConfig(kind="ollama", address=one.address, concurrency=7)
        assert await found(EngineConfig(ollama_host=one.address, endpoints=[again]), []) == [("ollama", one.address, 7)]


async def test_the_concurrency_of_the_backend_is_a_setting() -> None:
    with FakeOllama() as one:
        assert await found(EngineConfig(ollama_host=one.address, concurrency=3), []) == [("ollama", one.address, 3)]


async def test_auto_needs_no_embedded_model_where_a_further_server_answers() -> None:
    with FakeOllama() as gone:
        pass
    with FakeOpenAI() as server:
        events: list[Body] = []
        config = EngineConfig(
            ollama_host=gone.address, endpoints=[EndpointConfig(kind="openai", address=server.base_url)]
        )
        assert [kind for kind, _, _ in await found(config, events)] == ["openai"]
        states = [body.status for body in events if isinstance(body, BackendChanged)]
        assert states == ["offline", "ready"]


async def test_a_further_server_that_is_dead_is_said_and_kept_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOllama() as gone:
        pass
    with FakeOllama() as one:
        events: list[Body] = []
        config = EngineConfig(ollama_host=one.address, endpoints=[EndpointConfig(kind="ollama", address=gone.address)])
        assert [name for _, name, _ in await found(config, events)] == [one.address, gone.address]
        assert isinstance(events[0], BackendChanged)
        assert (events[0].endpoint, events[0].status) == (gone.address, "offline")


async def test_where_nothing_answers_everything_that_was_opened_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server("a")
    server.refuse = fault(ErrorClass.CONNECTION)
    monkeypatch.setattr(endpoints_module, "further", lambda _endpoint, _config: Endpoint(server))

    async def nobody(_config: EngineConfig, *, emit: object) -> Server:
        raise fault(ErrorClass.CONFIGURATION)

    config = EngineConfig(endpoints=[EndpointConfig(kind="ollama", address="x")])
    with pytest.raises(EngineError):
        await find_endpoints(config, emit=lambda _body: None, choose=nobody)
    assert server.closed
