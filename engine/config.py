"""Engine configuration: plain values, validated. Reading files and the environment is the caller's business."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

BackendName = Literal["auto", "ollama", "openai", "embedded"]
Durability = Literal["grouped", "strict"]
Priority = Literal["interactive", "graph", "evaluation"]
"""Whose model calls go first: those that a person waits for, those of other runs, those of evaluations."""
FallbackStrategy = Literal["sequential", "fastest", "load_balanced"]
"""In which order a model and its fallbacks are asked."""


class BreakerConfig(BaseModel):
    """Limits of every circuit breaker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    failure_threshold: int = Field(default=3, ge=1, description="consecutive failures that open a breaker")
    cooldown_s: float = Field(default=60.0, gt=0, description="seconds that an open breaker refuses calls")
    success_threshold: int = Field(default=2, ge=1, description="successes that close a half-open breaker")
    max_probes: int = Field(default=2, ge=1, description="concurrent trial calls while half-open")


class RetryConfig(BaseModel):
    """Retry of a failed call: full jitter between 0 and min(cap, base * 2**n)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempts: int = Field(default=3, ge=1, le=20, description="attempts in all, the first included")
    base_s: float = Field(default=0.5, ge=0, description="seconds; the first back-off's upper bound")
    cap_s: float = Field(default=30.0, ge=0, description="seconds; no back-off is longer")


class EmbeddedConfig(BaseModel):
    """The embedded llama.cpp model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_path: Path | None = Field(default=None, description="a GGUF file; default: the bundled SmolLM2-135M")
    window: int = Field(default=4096, ge=512, description="context window in tokens, per request")
    slots: int = Field(default=2, ge=1, le=16, description="requests answered at the same time")
    threads: int | None = Field(default=None, ge=1, description="generation threads; default: cores - 1")
    models_dir: Path | None = Field(
        default=None, description="folder of GGUF files, each a model; default: `models` in the data folder"
    )
    memory_mb: int | None = Field(
        default=None,
        ge=64,
        description="MB that loaded models may take together, as estimated; the least recently used goes for another. "
        "Default: 70 % of the machine's memory",
    )
    hub: str = Field(default="https://huggingface.co", description="address from which `hf:owner/repo/file` is fetched")


class ContextConfig(BaseModel):
    """What a model is given of what was said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    oversize: Literal["cut", "refuse"] = Field(
        default="cut",
        description="what becomes of a message that is larger than the model's window. cut: its head and tail stay, "
        "and a mark between them says how much was left out; refuse: an error, and where it is history it goes",
    )
    summaries: bool = Field(
        default=True,
        description="whether a summary stands in place of messages that no longer fit the model's window, where a "
        "model of at least a billion parameters answers for @summariser; that costs a model call",
    )


class EndpointConfig(BaseModel):
    """A further server that answers, beside the backend."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["ollama", "openai"] = Field(description="which protocol it speaks")
    address: str = Field(min_length=1, description="as `ollama_host` or `openai_base_url`")
    api_key: str = ""
    concurrency: int | None = Field(
        default=None, ge=1, le=256, description="calls at a time per model; default: 1 for ollama, 4 for openai"
    )


class MemoryConfig(BaseModel):
    """Long-term memory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="whether runs recall what is remembered")
    recall: int = Field(default=5, ge=0, le=50, description="memories that a run recalls at most")
    max_tokens: int = Field(default=400, ge=1, description="estimated tokens that they may have together")
    half_life_days: float = Field(
        default=90.0, gt=0, description="days without use after which a memory that is not pinned counts half"
    )
    max_items: int = Field(
        default=100_000, ge=1, description="memories kept; the least recently used that are not pinned go first"
    )


class EngineConfig(BaseModel):
    """Everything that `engine.open` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: BackendName = Field(
        default="auto", description="auto: Ollama where it answers with a chat model, else embedded"
    )
    model: str | None = Field(default=None, description="one model for every role")
    roles: dict[str, str] = Field(default_factory=dict, description="role (without @) -> model name")
    ollama_host: str = Field(default="", description="as OLLAMA_HOST; default http://127.0.0.1:11434")
    ollama_api_key: str = ""
    ollama_keep_alive: str = Field(
        default="",
        description="how long Ollama keeps a model loaded after a call, such as 10m or -1 (for good); default: its own",
    )
    openai_base_url: str = Field(default="", description="such as http://127.0.0.1:8080/v1")
    openai_api_key: str = ""
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="calls at a time per model of the backend, others wait; default: the embedded slots, 1 for ollama,"
        " 4 for openai",
    )
    endpoints: list[EndpointConfig] = Field(
        default_factory=list,
        description="further servers, each with kind (ollama or openai), address, api_key and concurrency; a model that"
        " several have is asked at the least busy of them",
    )
    embedded: EmbeddedConfig = EmbeddedConfig()
    window: int = Field(default=8192, ge=512, description="context window asked of Ollama, at most the model's own")
    context: ContextConfig = ContextConfig()
    breaker: BreakerConfig = BreakerConfig()
    retry: RetryConfig = RetryConfig()
    cache_ttl_s: float = Field(
        default=3600.0, gt=0, description="seconds that answers of nodes with `cache` are kept, in memory"
    )
    cache_max_mb: int = Field(default=32, ge=1, description="MB of such answers; the least recently used go first")
    memory: MemoryConfig = MemoryConfig()
    run_timeout_s: float = Field(default=300.0, gt=0, description="deadline of a whole run, in seconds")
    max_steps: int = Field(default=200, ge=1, description="node visits after which a run is stopped")
    checkpoint_every: int = Field(default=5, ge=1, description="node visits between two checkpoints")
    workspace: Path | None = Field(
        default=None, description="folder that file tools may look at, and change where a person allows it"
    )
    recovery: Literal["resume", "roll_back", "leave"] = Field(
        default="resume",
        description="what happens at start-up to runs that were interrupted: resume goes on with those that are young"
        " enough, and rolls back the others; leave keeps the young ones for another start",
    )
    resume_within_s: float = Field(
        default=3600.0, ge=0, description="seconds; an interrupted run that began longer ago is not gone on with"
    )
    keep_transactions: int = Field(default=2000, ge=1, description="finished transactions kept in the store")
    max_size_mb: int = Field(
        default=500, ge=1, description="size of the store in MB above which the oldest transactions are removed"
    )
    durability: Durability = Field(
        default="grouped",
        description="grouped: begins and ends of runs are on disk before they are shown, all else within 100 ms; "
        "strict: everything is on disk before it is shown",
    )


def with_models_folder(config: EngineConfig, data_dir: Path | None) -> EngineConfig:
    """The configuration with the folder of models where it names none: `models` in the data folder, if there is one."""
    if data_dir is None or config.embedded.models_dir is not None:
        return config
    embedded = config.embedded.model_copy(update={"models_dir": data_dir / "models"})
    return config.model_copy(update={"embedded": embedded})
