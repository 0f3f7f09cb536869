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
@given(
    data=st.one_of(
        st.binary(min_size=8, max_size=112).map(lambda tail: bytes(8) + tail),  # no tensor is promised
        st.integers(24, 400).map(lambda cut: gguf(*PAIRS)[8:cut]),
    )
)
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


def tensor(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def whole(*tensors: bytes, data: int, alignment: int = 32) -> bytes:
    """A file with tensors, of whose data there are so many bytes."""
    pairs = (
        text("general.architecture") + struct.pack("<I", 8) + text("qwen2"),
        text("general.alignment") + struct.pack("<II", 4, alignment),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 200_000) + text("token") * 200_000,
    )
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join((*pairs, *tensors))
    return head + bytes(-len(head) % alignment + data)


F32, Q4_K = 0, 12
TENSORS = (tensor("a", (256, 2), Q4_K, 0), tensor("b", (8,), F32, 320))
"""288 bytes, and 32 bytes that begin at 320."""


def test_a_file_that_ends_before_its_last_tensor_is_refused_with_both_sizes(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(whole(*TENSORS, data=352))
    assert read_header(path).architecture == "qwen2"
    content = path.read_bytes()
    for missing in (1, 32, 300):
        path.write_bytes(content[:-missing])
        with pytest.raises(ConfigurationError, match=r"is cut off: it has 2\.6 MB") as caught:
            read_header(path)
        assert "models pull" in caught.value.remedy
    path.write_bytes(content[:1_500_000])
    with pytest.raises(ConfigurationError, match="ends within its header"):
        read_header(path)


def test_the_alignment_of_the_header_counts_for_where_its_tensors_begin(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(whole(*TENSORS, data=352, alignment=4096))
    assert read_header(path).architecture == "qwen2"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ConfigurationError, match="cut off"):
        read_header(path)


def test_a_file_with_a_kind_of_tensor_that_is_not_known_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(whole(tensor("a", (256, 2), 99, 0), TENSORS[1], data=0))
    assert read_header(path).architecture == "qwen2"


def test_the_bundled_model_ends_where_its_header_says(tmp_path: Path) -> None:
    bundled = bundled_model()
    assert bundled is not None
    path = tmp_path / "half.gguf"
    with bundled.open("rb") as file:
        path.write_bytes(file.read(3_000_000))
    with pytest.raises(ConfigurationError, match=rf"it has 3\.0 MB of {bundled.stat().st_size / 1e6:.1f} MB"):
        read_header(path)
