from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ConfigurationError
from engine.models.embedded import bundled_model
from engine.models.gguf import read_header


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(*pairs: bytes, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs)) + b"".join(pairs)


PAIRS = (
    text("general.architecture") + struct.pack("<I", 8) + text("qwen2"),
    text("general.tags") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b"),
    text("general.numbers") + struct.pack("<IIQ", 9, 4, 3) + b"\0" * 12,
    text("general.size_label") + struct.pack("<I", 8) + text("3B"),
    text("qwen2.context_length") + struct.pack("<II", 4, 32768),
    text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2**40),
)


def test_a_header_tells_architecture_parameters_and_window(tmp_path: Path) -> None:
    path = tmp_path / "some-model.Q4_K_M.gguf"
    path.write_bytes(gguf(*PAIRS))
    header = read_header(path)
    assert (header.architecture, header.parameters_b, header.context_length) == ("qwen2", 3.0, 32768)
    assert (header.quantization, header.size_bytes) == ("Q4_K_M", path.stat().st_size)


def test_the_bundled_model_is_what_it_should_be() -> None:
    path = bundled_model()
    assert path is not None
    header = read_header(path)
    assert (header.architecture, header.context_length, header.quantization) == ("llama", 8192, "Q4_1")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.one_of(st.binary(max_size=120), st.integers(0, 400).map(lambda cut: gguf(*PAIRS)[8:cut])))
def test_a_damaged_header_is_read_as_far_as_it_goes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + data)
    assert read_header(path).size_bytes == 8 + len(data)


@pytest.mark.parametrize("data", [b"", b"GGU", b"PK\x03\x04 a zip file", b"<html>"])
def test_a_file_that_is_no_gguf_is_refused_with_a_remedy(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError) as caught:
        read_header(path)
    assert caught.value.code == "not_gguf"
    assert "embedded.model_path" in caught.value.remedy


def test_an_absent_file_and_a_folder_are_refused_each_in_its_way(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no model file"):
        read_header(tmp_path / "absent.gguf")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_header(tmp_path)
