"""Fixtures for tests that need a server; import the names that you use into a conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doubles.fake_ollama import FakeOllama
from tests.doubles.fake_openai import FakeOpenAI


@pytest.fixture
def fake_ollama() -> Iterator[FakeOllama]:
    """An Ollama with the one model qwen2.5:3b."""
    with FakeOllama() as server:
        yield server


@pytest.fixture
def fake_openai() -> Iterator[FakeOpenAI]:
    """An OpenAI-compatible server with the one model m."""
    with FakeOpenAI() as server:
        yield server
