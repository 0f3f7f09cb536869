from __future__ import annotations

import pytest

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.models.catalogue import ROLES, Tier, can_chat, next_better, resolve, tier_of
from engine.models.protocol import ModelInfo

CHAT = frozenset({"chat"})
EMBEDDER = ModelInfo("nomic-embed-text:latest", parameters_b=0.137, capabilities=frozenset({"embed"}))


def model(name: str, billions: float | None = None) -> ModelInfo:
    return ModelInfo(name, parameters_b=billions, capabilities=CHAT)


FULL = [
    model("qwen2.5:0.5b", 0.5),
    model("llama3.2:1b", 1.2),
    model("qwen2.5:3b", 3.1),
    model("qwen2.5-coder:3b", 3.1),
    model("qwen2.5-coder:7b", 7.6),
    model("qwen2-math:1.5b", 1.5),
    model("llama3.1:8b", 8.0),
    model("qwen2.5:14b", 14.8),
    EMBEDDER,
]


@pytest.mark.parametrize(
    ("info", "tier"),
    [
        (model("a", 0.135), Tier.ROUTER),
        (model("a", 1.99), Tier.ROUTER),
        (model("a", 2.0), Tier.SPECIALIST),
        (model("a", 7.6), Tier.WORKER),
        (model("a", 13.0), Tier.JUDGE),
        (model("a:70b"), Tier.JUDGE),
        (ModelInfo("a", size_bytes=4_700_000_000), Tier.WORKER),
        (model("mystery"), Tier.SPECIALIST),
    ],
)
def test_the_tier_follows_from_the_parameters(info: ModelInfo, tier: Tier) -> None:
    assert tier_of(info) is tier


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("@router", "llama3.2:1b"),
        ("@code", "qwen2.5-coder:3b"),
        ("@math", "qwen2-math:1.5b"),
        ("@general", "qwen2.5:3b"),
        ("@worker", "llama3.1:8b"),
        ("@judge", "qwen2.5:14b"),
    ],
)
def test_a_role_takes_the_model_made_for_it_else_the_nearest_tier(role: str, name: str) -> None:
    resolution = resolve(role, FULL, overrides={})
    assert (resolution.role, resolution.model) == (role[1:], name)
    assert resolution.why


@pytest.mark.parametrize("role", ROLES)
def test_one_model_answers_for_every_role(role: str) -> None:
    resolution = resolve(f"@{role}", [model("smollm2:135m", 0.135), EMBEDDER], overrides={})
    assert (resolution.model, resolution.tier) == ("smollm2:135m", Tier.ROUTER)


def test_a_resolution_does_not_depend_on_the_order_of_the_list() -> None:
    for role in ROLES:
        names = {resolve(f"@{role}", models, overrides={}).model for models in (FULL, FULL[::-1])}
        assert len(names) == 1


def test_a_model_trained_for_another_thing_is_taken_last() -> None:
    installed = [model("qwen2.5-coder:3b", 3.1), model("llama3.1:8b", 8.0)]
    assert resolve("@general", installed, overrides={}).model == "llama3.1:8b"


def test_an_override_names_the_model_of_its_role_alone() -> None:
    overrides = {"code": "llama3.1:8b"}
    assert resolve("@code", FULL, overrides=overrides).model == "llama3.1:8b"
    assert resolve("@general", FULL, overrides=overrides).model == "qwen2.5:3b"


def test_the_one_model_goes_before_everything_but_concrete_names() -> None:
    for role in ROLES:
        assert resolve(f"@{role}", FULL, overrides={"code": "qwen2.5:3b"}, only="llama3.2:1b").model == "llama3.2:1b"
    assert resolve("qwen2.5:3b", FULL, overrides={}, only="llama3.2:1b").model == "qwen2.5:3b"


def test_a_concrete_name_without_tag_means_latest() -> None:
    installed = [model("phi3:latest"), model("phi3:14b")]
    assert resolve("phi3", installed, overrides={}).model == "phi3:latest"
    assert resolve("PHI3:14b", installed, overrides={}).model == "phi3:14b"


def test_a_model_that_is_not_installed_names_the_nearest_and_the_pull_command() -> None:
    with pytest.raises(EngineError) as caught:
        resolve("qwen2.5:7b", FULL, overrides={})
    error = caught.value
    assert error.error_class is ErrorClass.NOT_FOUND
    assert "`ollama pull qwen2.5:7b`" in error.remedy
    assert "qwen2.5:3b" in error.remedy
    assert "nomic" not in error.remedy


def test_an_override_that_is_not_installed_is_not_passed_over() -> None:
    with pytest.raises(EngineError, match="nope"):
        resolve("@code", FULL, overrides={"code": "nope"})


def test_an_embedding_model_never_answers() -> None:
    with pytest.raises(ConfigurationError, match="embeddings"):
        resolve("nomic-embed-text", FULL, overrides={})
    with pytest.raises(EngineError) as caught:
        resolve("@general", [EMBEDDER], overrides={})
    assert (caught.value.error_class, "ollama pull" in caught.value.remedy) == (ErrorClass.NOT_FOUND, True)
    assert not can_chat(ModelInfo("all-minilm:latest"))


def test_an_unknown_role_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve("@coder", FULL, overrides={})
    assert "Did you mean @code?" in caught.value.remedy
    assert "@judge" in caught.value.remedy


def test_tiers_have_names_for_people() -> None:
    assert [f"{tier} {tier.title}" for tier in Tier] == ["T0 routers", "T1 specialists", "T2 workers", "T3 judges"]


@pytest.mark.parametrize(
    ("role", "ladder"),
    [
        ("@general", ["qwen2.5:3b", "llama3.1:8b", "qwen2.5:14b"]),
        ("@code", ["qwen2.5-coder:3b", "qwen2.5-coder:7b", "qwen2.5:14b"]),
        ("@math", ["qwen2-math:1.5b", "qwen2.5:3b", "llama3.1:8b", "qwen2.5:14b"]),
        ("@judge", ["qwen2.5:14b"]),
    ],
)
def test_the_next_better_model_is_the_smallest_of_the_next_higher_tier(role: str, ladder: list[str]) -> None:
    assert climbed(role, resolve(role, FULL, overrides={}).model, FULL) == ladder


def climbed(role: str, name: str, installed: list[ModelInfo]) -> list[str]:
    found = [name]
    while (better := next_better(role, found[-1], installed)) is not None:
        found.append(better.name)
    return found


def test_in_the_highest_tier_a_bigger_model_is_a_better_one() -> None:
    assert climbed("@judge", "a", [model("a", 14), model("c", 70), model("b", 32)]) == ["a", "b", "c"]


def test_models_of_unknown_size_for_another_thing_or_without_chat_are_no_better_ones() -> None:
    others = [model("mystery"), model("llava:34b", 34), EMBEDDER, model("llama-guard:14b", 14), model("b", 1.0)]
    assert climbed("@general", "a", [model("a", 1.0), *others]) == ["a"]
    assert climbed("@general", "mystery", [*others, model("c", 8)]) == ["mystery", "c"]


def test_a_model_that_is_named_has_no_better_one() -> None:
    assert next_better("a", "a", [model("a", 1), model("b", 30)]) is None
    assert next_better("@code", "gone", [model("b", 30)]) is None


@pytest.mark.parametrize(
    ("overrides", "only", "setting", "command"),
    [
        ({"code": "gone"}, None, "`roles.code`", "`models use code --auto`"),
        ({}, "gone", "`model`", "`models use --auto`"),
    ],
)
def test_a_configured_model_that_is_gone_is_told_with_its_setting_and_what_undoes_it(
    overrides: dict[str, str], only: str | None, setting: str, command: str
) -> None:
    with pytest.raises(EngineError) as caught:
        resolve("@code", FULL, overrides=overrides, only=only)
    assert caught.value.error_class is ErrorClass.NOT_FOUND
    assert setting in caught.value.message
    assert command in caught.value.remedy


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "", "two words", "x; rm", "a/../b"])
def test_what_cannot_be_a_name_of_a_library_is_not_advised_to_be_fetched(name: str) -> None:
    with pytest.raises(EngineError) as caught:
        resolve(name, FULL, overrides={})
    assert "ollama pull" not in caught.value.remedy
    assert "qwen2.5:3b" in caught.value.remedy
