"""Who is let in to a served cockpit."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tinyllm_tui.serve.guard import Guard, is_loopback

TOKEN = "abc"


def asked(path: str = f"/?token={TOKEN}", host: str = "127.0.0.1:8000", **headers: str) -> web.Request:
    return make_mocked_request("GET", path, headers={"Host": host, **headers})


def refusal(request: web.Request, bound: str = "127.0.0.1") -> str:
    return Guard(TOKEN, bound).refusal(request)


def test_the_printed_address_is_let_in_by_every_name_of_this_machine() -> None:
    for host in ("127.0.0.1:8000", "localhost:8000", "[::1]:8000"):
        assert refusal(asked(host=host)) == ""
        assert refusal(asked(host=host, Origin=f"http://{host}")) == ""


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=abcd", "/?token=%C3%A9", "/ws", "/static/js/textual.js"])
def test_without_the_token_nothing_is_given(path: str) -> None:
    assert "token" in refusal(asked(path))


def test_the_cookie_stands_for_the_token_on_its_port_alone() -> None:
    assert refusal(asked("/ws", Cookie=f"tinyllm-8000={TOKEN}")) == ""
    assert refusal(asked("/ws", Cookie=f"tinyllm-8001={TOKEN}")) != ""
    assert refusal(asked("/ws", Cookie="tinyllm-8000=other")) != ""


def test_a_foreign_name_that_points_here_is_refused() -> None:
    assert "address" in refusal(asked(host="rebound.example:8000"))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9000", "http://localhost:8000"])
def test_a_page_of_another_site_is_refused_even_with_the_token(origin: str) -> None:
    assert "other sites" in refusal(asked("/ws", Origin=origin, Cookie=f"tinyllm-8000={TOKEN}"))


def test_where_other_machines_reach_it_any_name_will_do_but_not_without_the_token() -> None:
    assert refusal(asked(host="box.lan:8000"), bound="0.0.0.0") == ""
    assert "token" in refusal(asked("/", host="box.lan:8000"), bound="0.0.0.0")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("box", False)],
)
def test_loopback_addresses_are_told_from_others(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
