"""Which model files there are, what they are called, and which may be removed."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from engine.config import EmbeddedConfig, EngineConfig, with_models_folder
from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.models import model_files
from engine.models.embedded_memory import PROMPT_CACHE_MB, estimated_bytes, machine_memory, memory_bound, resident_bytes
from engine.models.gguf import read_header
from engine.models.model_files import BUNDLED_NAME, ModelFile, find_model, find_models, remove_model
from tests.unit.models.test_gguf import TENSORS, gguf, text, whole


def number(key: str, value: int) -> bytes:
    return text(key) + struct.pack("<II", 4, value)


def file(path: Path, architecture: str = "qwen2", *pairs: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf(text("general.architecture") + struct.pack("<I", 8) + text(architecture), *pairs))
    return path


def names(config: EmbeddedConfig) -> list[str]:
    return [model.name for model in find_models(config)]


@pytest.fixture
def no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "bundled_model", lambda: None)


def test_every_gguf_in_the_folder_is_a_model_by_its_name(tmp_path: Path) -> None:
    for name in ("b-3b.Q4_K_M.gguf", "a.GGUF"):
        file(tmp_path / name)
    assert names(EmbeddedConfig(models_dir=tmp_path)) == [BUNDLED_NAME, "a", "b-3b.Q4_K_M"]


def test_what_is_no_model_lies_in_the_folder_without_harm(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html>")
    (tmp_path / "folder.gguf").mkdir()
    (tmp_path / "gone.gguf").symlink_to(tmp_path / "nowhere")
    file(tmp_path / ".half.gguf")
    file(tmp_path / ".model.gguf.part")
    file(tmp_path / "big-00001-of-00002.gguf")
    file(tmp_path / "eyes.gguf", "clip")
    (tmp_path / "notes.txt").write_text("x")
    assert names(EmbeddedConfig(models_dir=tmp_path)) == [BUNDLED_NAME]


def test_a_cut_off_file_is_no_model_and_as_the_configured_one_it_is_told(tmp_path: Path) -> None:
    half = tmp_path / "half-3b.gguf"
    half.write_bytes(whole(*TENSORS, data=352)[:-1])
    assert names(EmbeddedConfig(models_dir=tmp_path)) == [BUNDLED_NAME]
    with pytest.raises(ConfigurationError, match="cut off"):
        find_models(EmbeddedConfig(model_path=half))


def test_the_configured_file_is_the_default_and_goes_before_others_of_its_name(tmp_path: Path) -> None:
    mine = file(tmp_path / "mine" / "Same.gguf")
    file(tmp_path / "models" / "same.gguf")
    models = find_models(EmbeddedConfig(model_path=mine, models_dir=tmp_path / "models"))
    assert [(model.name, model.origin) for model in models] == [("Same", "configured"), (BUNDLED_NAME, "bundled")]


def test_a_configured_file_inside_the_folder_is_there_once(tmp_path: Path) -> None:
    mine = file(tmp_path / "mine.gguf")
    assert names(EmbeddedConfig(model_path=mine, models_dir=tmp_path)) == ["mine", BUNDLED_NAME]


def test_a_model_for_embeddings_is_never_the_default_while_another_can_answer(tmp_path: Path, no_bundle: None) -> None:
    file(tmp_path / "a-small.gguf", "nomic-bert")
    file(tmp_path / "z-chat.gguf")
    models = find_models(EmbeddedConfig(models_dir=tmp_path))
    assert [(model.name, model.embeds_only) for model in models] == [("z-chat", False), ("a-small", True)]


@pytest.mark.parametrize("folder", [None, "absent", "empty"])
def test_without_any_file_it_is_said_how_to_get_one(tmp_path: Path, no_bundle: None, folder: str | None) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        find_models(EmbeddedConfig(models_dir=None if folder is None else tmp_path / folder))
    assert caught.value.code == "no_model_file"
    assert "models pull" in caught.value.remedy
    assert "embedded.model_path" in caught.value.remedy


def test_a_folder_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        find_models(EmbeddedConfig(models_dir=tmp_path / "file"))
    assert "embedded.models_dir" in caught.value.remedy


def test_a_model_is_found_by_its_name_whatever_its_case_and_tag(tmp_path: Path) -> None:
    file(tmp_path / "Mine.gguf")
    config = EmbeddedConfig(models_dir=tmp_path)
    assert find_model(config, "mine:latest").path == tmp_path / "Mine.gguf"
    with pytest.raises(EngineError) as caught:
        find_model(config, "other")
    assert caught.value.error_class is ErrorClass.NOT_FOUND
    assert "smollm2:135m, Mine" in caught.value.remedy


def test_only_models_of_the_folder_are_removed(tmp_path: Path) -> None:
    mine = file(tmp_path / "mine.gguf")
    fetched = file(tmp_path / "models" / "fetched.gguf")
    config = EmbeddedConfig(model_path=mine, models_dir=tmp_path / "models")
    remove_model(find_model(config, "fetched"))
    assert not fetched.exists()
    for name in ("mine", BUNDLED_NAME):
        with pytest.raises(ConfigurationError) as caught:
            remove_model(find_model(config, name))
        assert caught.value.code == "model_not_removable"
        assert find_model(config, name).path.exists()


def test_removing_a_link_leaves_what_it_points_to(tmp_path: Path) -> None:
    target = file(tmp_path / "elsewhere" / "x.gguf")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "linked.gguf").symlink_to(target)
    remove_model(find_model(EmbeddedConfig(models_dir=tmp_path / "models"), "linked"))
    assert target.exists()


def test_the_folder_of_models_is_in_the_data_folder_unless_it_is_named(tmp_path: Path) -> None:
    assert with_models_folder(EngineConfig(), tmp_path).embedded.models_dir == tmp_path / "models"
    assert with_models_folder(EngineConfig(), None).embedded.models_dir is None
    named = EngineConfig(embedded=EmbeddedConfig(models_dir=tmp_path / "x"))
    assert with_models_folder(named, tmp_path) == named


def test_the_kv_cache_of_a_token_is_counted_from_layers_heads_and_their_lengths(tmp_path: Path) -> None:
    pairs = (
        number("llama.block_count", 30),
        number("llama.embedding_length", 576),
        number("llama.attention.head_count", 9),
        number("llama.attention.head_count_kv", 3),
    )
    header = read_header(file(tmp_path / "x.gguf", "llama", *pairs))
    assert header.kv_bytes_per_token == 30 * 3 * (64 + 64) * 2
    lengths = (number("llama.attention.key_length", 128), number("llama.attention.value_length", 96))
    header = read_header(file(tmp_path / "x.gguf", "llama", *pairs, *lengths))
    assert header.kv_bytes_per_token == 30 * 3 * (128 + 96) * 2
    assert read_header(file(tmp_path / "x.gguf", "llama", *pairs[:1])).kv_bytes_per_token is None


def test_the_estimate_is_weights_and_cache_and_what_every_child_takes(tmp_path: Path) -> None:
    bundled = model_files.bundled_model()
    assert bundled is not None
    header = read_header(bundled)
    one = estimated_bytes(header, 1024, 1, prompt_cache=False)
    assert one - header.size_bytes - 1024 * 23040 == 100_000_000
    assert estimated_bytes(header, 1024, 3, prompt_cache=True) - one == 2 * 1024 * 23040 + PROMPT_CACHE_MB * 2**20
    untold = read_header(file(tmp_path / "x.gguf"))
    assert estimated_bytes(untold, 4096, 2, prompt_cache=False) == int(untold.size_bytes * 1.5) + 100_000_000


def test_the_bound_is_the_configured_one_or_a_share_of_the_machine() -> None:
    assert memory_bound(500) == 500_000_000
    assert 0 < memory_bound(None) < machine_memory()


def test_the_memory_of_no_process_is_unknown() -> None:
    assert resident_bytes(2**22 + 1) is None


def test_a_bundled_model_tells_its_size_whatever_its_header_says() -> None:
    bundled = model_files.bundled_model()
    assert bundled is not None
    assert ModelFile("x", read_header(bundled), "bundled").parameters_b == 0.135


def test_files_that_differ_anywhere_at_their_ends_have_another_digest(tmp_path: Path) -> None:
    path = file(tmp_path / "x.gguf")
    digests = {read_header(path).digest}
    content = path.read_bytes()
    for other in (content + b"\0", content + b"\1", content + bytes(3 * 2**20), content + bytes(3 * 2**20 - 1) + b"\1"):
        path.write_bytes(other)
        digests.add(read_header(path).digest)
    assert len(digests) == 5
    assert read_header(path).digest in digests
