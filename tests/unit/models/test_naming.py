from __future__ import annotations

import pytest

from engine.models.naming import looks_like_embedder, parameters_in_name, parameters_of, same_model


@pytest.mark.parametrize(
    ("label", "billions"), [("3.1B", 3.1), ("134.52M", 0.13452), ("8x7B", 56.0), ("", None), ("big", None)]
)
def test_parameters_are_read_from_a_label(label: str, billions: float | None) -> None:
    assert parameters_of(label) == billions


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("qwen2.5:3b", 3.0),
        ("qwen2.5-coder:1.5b-instruct-q4_K_M", 1.5),
        ("SmolLM2-135M-Instruct.Q4_1", 0.135),
        ("mixtral:8x7b", 56.0),
        ("phi3", None),
        ("llama3.2", None),
    ],
)
def test_parameters_are_read_from_a_name(name: str, billions: float | None) -> None:
    assert parameters_in_name(name) == billions


def test_a_name_without_a_tag_means_latest() -> None:
    assert same_model("llama3", "llama3:latest")
    assert same_model("hf.co/a/B", "HF.co/a/b:latest")
    assert not same_model("qwen2.5", "qwen2.5:3b")
    assert not same_model("host:5000/m", "host:5000/m:3b")


def test_embedders_are_known_by_name_or_family() -> None:
    assert looks_like_embedder("nomic-embed-text")
    assert looks_like_embedder("all-minilm:22m")
    assert looks_like_embedder("custom", "bert")
    assert not looks_like_embedder("qwen2.5:3b", "qwen2")
    assert not looks_like_embedder("gemma3:270m", "gemma3")
