"""Configs of the nodes that run something inside their own visit: loop, timeout, subgraph, approval, agent."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from engine.config import FallbackStrategy
from engine.graph.fields import Identifier, NodeConfig, NodeId

LoopMode = Literal["fixed_count", "until_success", "until_condition", "while_condition"]


class LoopConfig(NodeConfig):
    """Runs other nodes again and again: each gets what the one before it made, and the first what the last made.
    The nodes of its body have no edges of their own."""

    body: list[NodeId] = Field(min_length=1, max_length=50, description="nodes of one iteration, in this order")
    mode: LoopMode = Field(
        default="fixed_count",
        description="fixed_count: `max_iterations` times. until_success: until an iteration does not fail."
        " until_condition: until `condition` is true after an iteration. while_condition: as long as it is true before"
        " one",
    )
    condition: str | None = Field(
        default=None,
        description="until_condition, while_condition (needed): a condition over the message of the loop;"
        " `data.iteration` counts the iterations from 1",
    )
    max_iterations: int = Field(default=3, ge=1, le=1000, description="iterations; in the other modes at most so many")
    on_exhausted: Literal["error", "continue"] = Field(
        default="error",
        description="until_success, until_condition, while_condition: after `max_iterations` in vain, fail, or go on"
        " with what there is and `data.exhausted`",
    )


class TimeoutConfig(NodeConfig):
    """Gives another node a deadline, and says what is to happen when it is missed."""

    inner_node: NodeId = Field(description="the node that has to be quick; it has no edges of its own")
    timeout_ms: int = Field(ge=1, description="milliseconds for the inner node, its retries included")
    on_timeout: Literal["error", "fallback", "skip"] = Field(
        default="error",
        description="error: the node fails. fallback: `fallback_node` runs instead. skip: what came goes on; with"
        " fallback and skip `data.timed_out` is true",
    )
    fallback_node: NodeId | None = Field(
        default=None, description="fallback (needed): runs instead, without the deadline; it has no edges of its own"
    )


class SubgraphConfig(NodeConfig):
    """Runs another graph and goes on with its answer. An `error` exit of it is a failure of this node."""

    graph_id: Identifier = Field(
        description="name of the graph: from `graphs` of this one, a file beside it, or a shipped one"
    )
    question: str = Field(default="content", description="dotted path of the text that it is asked")
    input_mapping: dict[str, str] = Field(
        default_factory=dict,
        description="input field of that graph -> dotted path: `content`, `question`, `data.name` or `vars.name`",
    )


class ApprovalConfig(NodeConfig):
    """Asks a person, once. Where nobody can be asked the answer is no. Thinking time counts against no deadline."""

    prompt: str = Field(
        default="Go on with this?",
        max_length=20_000,
        description="Jinja2 template of the question to the person; it may mention `content`, `question`, `data` and"
        " `vars`",
    )
    approved_target: NodeId | None = Field(default=None, description="where a yes leads; default: along the edges")
    rejected_target: NodeId | None = Field(
        default=None, description="where a no leads; default: the node fails, and the run is rolled back"
    )
    editable: bool = Field(default=False, description="true: the person may change the text before it goes on")


class AgentConfig(NodeConfig):
    """A model that works in steps: it thinks, calls a tool, sees the result, and so on until it answers."""

    model: str = Field(default="@general", description="a model name, or a role such as `@code`")
    prompt_id: str | None = Field(default=None, description="name of a prompt, instead of `system_prompt`")
    system_prompt: str = Field(default="", description="what the model is told before the question")
    tool_ids: list[Identifier] = Field(min_length=1, description="the tools it may call; the few that fit are offered")
    temperature: float = Field(default=0.0, ge=0, le=2, description="0: always the likeliest word; more: more varied")
    seed: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="same seed, same text, where the backend keeps to it"
    )
    max_tokens: int = Field(default=512, ge=1, le=131_072, description="tokens of the longest answer of one step")
    max_steps: int = Field(
        default=6,
        ge=1,
        le=100,
        description="model calls in all; the last one has to answer, and is repeated once where that is of no use",
    )
    budget: int | None = Field(
        default=None, ge=1, description="tokens that it may use in all, prompts included; then it has to answer"
    )
    fallback_models: list[str] = Field(default_factory=list, description="asked when the model fails")
    fallback: FallbackStrategy = Field(
        default="sequential",
        description="in which order the model and `fallback_models` are asked. sequential: as they stand. fastest: by"
        " the median time of their recent answers, one that has not answered yet first. load_balanced: the least busy"
        " first",
    )
    escalate: bool = Field(
        default=False,
        description="true: when all of them fail, the next better models are asked, as a gate's `escalate` would: of a"
        " role only",
    )
    output_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema of the answer, enforced; default: the prompt's, where it has one"
    )
