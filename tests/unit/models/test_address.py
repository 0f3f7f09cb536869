from __future__ import annotations

import pytest

from engine.errors import ConfigurationError
from engine.models.address import normalise_base_url, normalise_host


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", "http://127.0.0.1:11434"),
        ("   ", "http://127.0.0.1:11434"),
        ('"192.168.1.5"', "http://192.168.1.5:11434"),
        (" 'box:8080' ", "http://box:8080"),
        ("example.com", "http://example.com:11434"),
        ("http://example.com", "http://example.com:80"),
        ("HTTPS://Example.com/", "https://example.com:443"),
        ("https://example.com:8443/", "https://example.com:8443"),
        ("https://example.com/ollama/", "https://example.com:443/ollama"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000"),
        ("::", "http://[::1]:11434"),
        ("[::]:9000", "http://[::1]:9000"),
        ("::1", "http://[::1]:11434"),
        ("[fe80::1]", "http://[fe80::1]:11434"),
        (":1234", "http://127.0.0.1:1234"),
        ("http://0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("box:", "http://box:11434"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(text: str, address: str) -> None:
    assert normalise_host(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "ftp://box",
        "box:notaport",
        "box:0",
        "box:70000",
        "[::1",
        "http://[::1]x",
        "a b",
        "http://u:p@box",
        "box?x=1",
        "1:2:z",
    ],
)
def test_a_wrong_ollama_host_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        normalise_host(text)
    assert caught.value.code == "invalid_address"
    assert "OLLAMA_HOST" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
        ("https://box/api/v1", "https://box/api/v1"),
        ("[::1]:8080", "http://[::1]:8080/v1"),
    ],
)
def test_a_base_url_gets_what_is_missing(text: str, address: str) -> None:
    assert normalise_base_url(text) == address


@pytest.mark.parametrize(
    "text", ["", "ftp://box/v1", "http://box:99999", "http://", "http://u:p@box/v1", "http://b/v1?x=1", "http://a b"]
)
def test_a_wrong_base_url_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ConfigurationError, match="openai_base_url"):
        normalise_base_url(text)
