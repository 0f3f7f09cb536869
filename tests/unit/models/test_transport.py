from __future__ import annotations

import itertools
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.models.transport import Transport, parse_json, split_lines
from tests.doubles.loopback import Loopback, Response, json_response


async def _blocks(*blocks: bytes) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


def _transport(address: str) -> Transport:
    return Transport(address, service="The server", remedy="Start it.")


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
async def test_lines_do_not_depend_on_how_the_bytes_arrive(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(data)]
    blocks = [data[a:b] for a, b in itertools.pairwise(edges)]
    expected = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    if not data or data.endswith(b"\n"):
        expected.pop()
    assert [line async for line in split_lines(_blocks(*blocks))] == expected


async def test_unicode_line_separators_do_not_split_a_line() -> None:
    data = '{"a": "x\u0085y\u2028z"}\n'.encode()
    assert [line async for line in split_lines(_blocks(data))] == [data[:-1]]


async def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(EngineError) as caught:
        async for _ in split_lines(_blocks(*[b"x" * 600] * 3), limit=1024):
            pass
    assert caught.value.error_class is ErrorClass.RESOURCE


async def test_a_long_line_with_an_end_is_refused_too() -> None:
    with pytest.raises(EngineError) as caught:
        async for _ in split_lines(_blocks(b"x" * 2000 + b"\n"), limit=1024):
            pass
    assert caught.value.error_class is ErrorClass.RESOURCE


def test_hostile_json_is_no_json() -> None:
    assert parse_json(b"[" * 100_000) is None
    assert parse_json(b"{") is None
    assert parse_json(b'{"a": "\xff"}') == {"a": "\ufffd"}


async def test_an_answer_over_the_limit_is_refused() -> None:
    with Loopback(lambda _: Response([b"x" * 1000] * 20)) as server:
        transport = _transport(server.address)
        with pytest.raises(EngineError) as caught:
            await transport.call("GET", f"{server.address}/", limit=5000)
        await transport.aclose()
    assert caught.value.code == "answer_too_long"


async def test_a_proxy_of_the_environment_is_not_used_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Loopback(lambda _: json_response({"ok": True})) as server:
        transport = _transport(server.address)
        assert (await transport.call("GET", f"{server.address}/")).json() == {"ok": True}
        await transport.aclose()


async def test_an_unreachable_server_is_named_with_its_remedy() -> None:
    with Loopback(lambda _: Response()) as server:
        address = server.address
    transport = _transport(address)
    with pytest.raises(EngineError) as caught:
        await transport.call("GET", f"{address}/")
    assert caught.value.error_class is ErrorClass.CONNECTION
    assert address in caught.value.message
    assert caught.value.remedy == "Start it."
    await transport.aclose()


async def test_a_silent_server_is_a_timeout() -> None:
    release = threading.Event()

    def wait() -> Iterator[bytes]:
        release.wait(10)
        yield b"{}"

    with Loopback(lambda _: Response(wait())) as server:
        transport = _transport(server.address)
        with pytest.raises(EngineError) as caught:
            await transport.call("GET", f"{server.address}/", timeout=0.05)
        release.set()
        await transport.aclose()
    assert caught.value.error_class is ErrorClass.TIMEOUT


async def test_a_server_that_drips_is_a_timeout() -> None:
    release = threading.Event()

    def drip() -> Iterator[bytes]:
        while not release.wait(0.01):
            yield b" "

    with Loopback(lambda _: Response(drip())) as server:
        transport = _transport(server.address)
        with pytest.raises(EngineError) as caught:
            await transport.call("GET", f"{server.address}/", timeout=0.2)
        release.set()
        await transport.aclose()
    assert caught.value.error_class is ErrorClass.TIMEOUT


async def test_a_closed_transport_refuses_requests() -> None:
    transport = _transport("http://127.0.0.1:1")
    await transport.aclose()
    with pytest.raises(EngineError, match="closed"):
        await transport.call("GET", "http://127.0.0.1:1/")


@pytest.mark.parametrize("key", ["a\nb", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(ConfigurationError):
        Transport("http://127.0.0.1:1", service="x", remedy="", api_key=key)
