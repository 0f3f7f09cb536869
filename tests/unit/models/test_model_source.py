"""What a person writes for a model file, as an address and a safe name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigurationError, EngineError
from engine.models.model_source import is_source, parse_source

HUB = "https://hub.example/"
SHA = "ab" * 32


def test_a_hub_name_is_the_hubs_address_of_that_file() -> None:
    source = parse_source("hf:owner/Some.Repo-GGUF/sub folder/model.Q4_K_M.gguf", hub=HUB)
    assert source.url == "https://hub.example/owner/Some.Repo-GGUF/resolve/main/sub%20folder/model.Q4_K_M.gguf"
    assert (source.file_name, source.model_name, source.sha256) == ("model.Q4_K_M.gguf", "model.Q4_K_M", "")


def test_an_address_keeps_its_query_and_shows_it_to_nobody() -> None:
    source = parse_source(f"https://me:secret@host:8443/a/b.GGUF?key=hidden#sha256={SHA.upper()}", hub=HUB)
    assert source.url == "https://me:secret@host:8443/a/b.GGUF?key=hidden"
    assert (source.file_name, source.sha256) == ("b.gguf", SHA)
    assert source.shown == "https://host:8443/a/b.GGUF"


@pytest.mark.parametrize(
    "text",
    [
        "hf:owner/file.gguf",
        "hf:../repo/file.gguf",
        "hf:owner/../file.gguf",
        "hf:owner/repo/../../file.gguf",
        "hf:owner/repo//file.gguf",
        "ftp://host/file.gguf",
        "file:///etc/passwd.gguf",
        "https:///file.gguf",
        "https://host:port/file.gguf",
        "https://host/file.bin",
        "https://host/.gguf",
        "https://host/...gguf",
        "https://host/",
        "https://host/a.gguf#sha256=abc",
        "https://host/a.gguf#md5=abc",
        "https://host/a\nb.gguf",
        "qwen2.5:3b",
        "",
    ],
)
def test_what_is_no_source_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_source(text, hub=HUB)
    assert caught.value.code == "invalid_model_source"
    assert "hf:owner/repo/file.gguf" in caught.value.remedy


def test_one_part_of_a_split_model_is_refused_with_a_way_out() -> None:
    with pytest.raises(ConfigurationError, match="one part") as caught:
        parse_source("hf:o/r/big-00001-of-00003.gguf", hub=HUB)
    assert "llama-gguf-split --merge" in caught.value.remedy


@pytest.mark.parametrize(
    "path", ["..%2F..%2Fetc%2Fx.gguf", "..\\..\\x.gguf", "a/b/%2e%2e/x.gguf", "-x.gguf", ".x.gguf"]
)
def test_no_name_leaves_the_folder(path: str) -> None:
    assert parse_source(f"https://host/{path}", hub=HUB).file_name == "x.gguf"


@given(st.text(max_size=300))
def test_every_name_that_is_accepted_is_plain(text: str) -> None:
    try:
        name = parse_source(f"https://host/{text}.gguf", hub=HUB).file_name
    except EngineError:
        return
    assert re.fullmatch(r"[A-Za-z0-9_+][A-Za-z0-9._+-]*\.gguf", name)
    assert len(name) <= 150


def test_a_source_is_told_from_a_name() -> None:
    assert [is_source(text) for text in ("HF:a/b/c.gguf", " https://x", "http://x", "qwen2.5:3b", "hf.co/a/b")] == [
        *(True, True, True, False, False)
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("qwen2.5:3b", "a name of Ollama's library"),
        ("http://127.0.0.1:9/", "does not end with the name of a file"),
        ("../x", "is no http"),
    ],
)
def test_what_is_no_source_is_told_for_what_it_looks_like(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        parse_source(text, hub="https://hub.invalid")
    assert "hf:owner/repo/file.gguf" in caught.value.remedy
