"""The graph specification: what a graph file says, as validated values.

Field names are those of existing files for graph-based local orchestration, so such a file loads unchanged.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, JsonValue, field_validator

from engine.config import FallbackStrategy
from engine.events import ExitStatus
from engine.graph.fields import Identifier, NodeConfig, NodeId, Strict
from engine.graph.inner_configs import AgentConfig, ApprovalConfig, LoopConfig, SubgraphConfig, TimeoutConfig


class EntryConfig(NodeConfig):
    """Where a run begins: takes the question and its inputs, and refuses what is missing or has the wrong form."""

    required_fields: list[str] = Field(
        default_factory=list, description="input fields that must be there and not empty"
    )
    input_schema: dict[str, JsonValue] | None = Field(default=None, description="JSON Schema of the input, enforced")


class ExitConfig(NodeConfig):
    """Where a run ends: the text that reaches it is the answer."""

    status: ExitStatus = Field(default="success", description="success and fallback commit, error rolls back")
    output_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema that the answer, parsed as JSON, must fulfil"
    )


class RouteSpec(Strict):
    name: Identifier = Field(description="what the route is called; conditions see it as `route`")
    description: str = Field(default="", description="what belongs to it, for the reader and for the model stage")
    target: NodeId = Field(description="node that its questions go to")
    priority: int = Field(default=0, description="among several labels the highest wins")
    domains: list[str] = Field(
        default_factory=list,
        description="words that name the subject: a question that begins with `/word` goes here. Two words switch on"
        " built-in rules: `fence` for questions with a code fence, `arithmetic` for those that are only arithmetic",
    )
    utterances: list[str] = Field(
        default_factory=list, description="example questions, 5 or more, to learn the route from"
    )


class CompoundRouteSpec(Strict):
    domains: list[str] = Field(min_length=2, description="names of the routes that must all be found")
    target: NodeId = Field(description="node that such questions go to")
    priority: int = Field(default=0, description="among several compound routes the highest wins")
    utterances: list[str] = Field(
        default_factory=list, description="example questions that belong to all of the routes"
    )


class RouterConfig(NodeConfig):
    """Finds what a question is about, and sends it to the node for that: by explicit rules, by a classifier that is
    learnt from the routes' `utterances` (by embeddings, or by words where no model makes them), by a capable model, and
    else to the default route."""

    model: str = Field(default="@router", description="model or role for the model stage")
    prompt_id: str | None = Field(
        default=None,
        description="model stage: name of the prompt, as in model nodes; its template may also mention `routes`, a list"
        " with `name` and `description` of each; default: the program's own words",
    )
    routes: list[RouteSpec] = Field(min_length=1, description="where questions can go")
    compound_routes: list[CompoundRouteSpec] = Field(
        default_factory=list, description="routes for questions that are about several things at once; they win"
    )
    default_route: NodeId | None = Field(default=None, description="name of a route, or a node id, when nothing fits")
    confidence_threshold: float = Field(default=0.5, ge=0, le=1, description="score from which a label counts as found")
    multi_label: bool = Field(default=False, description="true: a question may have several labels")
    max_labels: int = Field(default=3, ge=1, description="multi_label: at most so many, those with the best scores")
    fanout_enabled: bool = Field(
        default=False,
        description="with several labels and no compound route for them: all their routes at once, in parallel",
    )
    margin: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="the classifier is sure when the best score is so much over `confidence_threshold`, and, without"
        " multi_label, so much over the second; where it is not, a capable model is asked, if there is one",
    )
    method: Literal["auto", "rules", "embedding", "model"] = Field(
        default="auto",
        description="auto: rules, then the classifier, then a capable model where that is not sure, then the default"
        " route. rules, embedding (rules and classifier) and model: without the others",
    )


class ModelConfig(NodeConfig):
    """Asks a language model: it sees the system text, the session's earlier messages as far as they fit, the outputs
    it is wired to, and the question."""

    model: str = Field(default="@general", description="a model name, or a role such as `@code`")
    prompt_id: str | None = Field(
        default=None,
        description="name of a prompt, or `name@1.0.0` for one version of it: from `prompts` of the graph, from the"
        " folder `prompts` beside the graph's file, or a shipped one; instead of `system_prompt`",
    )
    system_prompt: str = Field(default="", description="what the model is told before the question")
    temperature: float = Field(default=0.0, ge=0, le=2, description="0: always the likeliest word; more: more varied")
    max_tokens: int = Field(default=512, ge=1, le=131_072, description="tokens of the longest answer")
    seed: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="same seed, same text, where the backend keeps to it"
    )
    stream: bool = Field(default=True, description="false: the text is shown when it is whole")
    tools_enabled: bool = Field(default=False, description="true: the model may call the tools of `tool_ids`")
    tool_ids: list[Identifier] = Field(
        default_factory=list, description="tools_enabled (needed): the tools it may call; the few that fit are offered"
    )
    max_tool_rounds: int = Field(
        default=3, ge=1, le=20, description="tools_enabled: rounds of tool calls before it has to answer"
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
    cache: bool = Field(
        default=False,
        description="true: the same request to the same model has the answer that it had before, for a while; only"
        " with temperature 0 or a seed, and without tools",
    )
    output_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema of the answer, enforced; default: the prompt's, where it has one"
    )
    input: list[NodeId] | None = Field(
        default=None,
        description="nodes whose outputs it sees besides the question; default: the message that reached it",
    )


class GateConditionSpec(Strict):
    expression: str = Field(description="condition; the first true one decides")
    target: NodeId = Field(description="node to go to; one that leads back to the gate is a retry")


class GateConfig(NodeConfig):
    """Decides where a message goes on to. A target that leads back to the gate is a retry: the run goes back to before
    that node, with the gate's reason in the next prompts."""

    mode: Literal["expression", "checks", "llm", "hybrid"] = Field(
        default="expression",
        description="checks: run the programmatic checks first; `checks.*` is then known. llm: a judge grades the"
        " answer; `judge.score` (0 to 1), `judge.passed`, `judge.reason` and `judge.available` are then known, and"
        " after the gate as `data.judge`. hybrid: the checks, and the judge for what passes them; for the rest"
        " `judge.score` is 0 and `judge.passed` false. A judge that fails, or whose grade cannot be read, refuses"
        " nothing: `judge.available` is then false, `judge.passed` true, `judge.score` 1. In hybrid a role that comes"
        " to a model below a billion parameters, which has written the answer itself, is not asked, and not available",
    )
    model: str = Field(default="@judge", description="llm, hybrid: model or role that judges")
    prompt_id: str | None = Field(
        default=None,
        description="llm, hybrid: name of the judge's prompt; default: the prompt `judge`, which is shipped. The values"
        " in its template are quoted: each line of `question` and `content` begins with `> `. Its output_schema, where"
        " it has one, must have a number `score`, whose maximum is the best grade (else 10)",
    )
    pass_score: float = Field(
        default=0.6, ge=0, le=1, description="llm, hybrid: score from which `judge.passed` is true; 0 to 1"
    )
    conditions: list[GateConditionSpec] = Field(default_factory=list, description="looked at in this order")
    default_target: NodeId | None = Field(default=None, description="where to go when no condition is true")
    max_retries: int = Field(default=2, ge=0, le=20, description="how often the gate may send the run back")
    escalate: bool = Field(
        default=False,
        description="true: each retry asks the next better models: a role comes to the smallest installed model of the"
        " next higher tier, or where there is none to the next bigger one. Models that are named stay, and so do roles"
        " when one model is set for all of them",
    )


TransformOp = Literal[
    "upper", "lower", "strip", "truncate", "json_extract", "json_wrap", "json_parse", "json_stringify",
    "regex_extract", "regex_replace", "template", "split", "join",
]  # fmt: skip


class TransformConfig(NodeConfig):
    """Changes a text, or makes data of it, without a model. Each operation takes only the fields that name it."""

    operation: TransformOp = Field(
        description="upper, lower, strip: the text in capitals, in small letters, without white space around it."
        " truncate: its beginning. json_extract: a part of it, as JSON. json_wrap: an object with the text in it."
        " json_parse: the text stays, and its JSON value is `data.json` from here on. json_stringify: a part of the"
        " payload as JSON text. regex_extract: what a pattern finds. regex_replace: the text with what a pattern finds"
        " replaced. template: a text with values filled in. split: the text stays, and its pieces are `data.items`."
        " join: the texts of a list in the payload as one text"
    )
    length: int | None = Field(
        default=None,
        ge=1,
        description="truncate (needed): characters kept. split: characters of the longest piece; neighbouring parts are"
        " put together up to it, and longer ones are cut; default: every part is a piece",
    )
    template: str | None = Field(
        default=None,
        max_length=20_000,
        description="template (needed): a Jinja2 template that may mention `content`, `question`, `data` and `vars`",
    )
    path: str | None = Field(
        default=None,
        description="dotted path, with numbers for the elements of lists. json_extract (needed): in the text."
        " json_stringify, join: in the payload; default `json` and `items`",
    )
    key: str | None = Field(default=None, min_length=1, description="json_wrap (needed): name of the field")
    indent: int | None = Field(
        default=None, ge=1, le=8, description="json_stringify: spaces for each level; default: all on one line"
    )
    separator: str | None = Field(
        default=None, description="split (not empty), join: what stands between the pieces; default: an empty line"
    )
    pattern: str | None = Field(
        default=None,
        max_length=500,
        description="regex_extract, regex_replace (needed): a regular expression, without recursion; `^` and `$` match"
        " at lines",
    )
    ignore_case: bool = Field(
        default=False, description="regex_extract, regex_replace: capital and small letters are the same"
    )
    group: int | str | None = Field(
        default=None,
        description="regex_extract: number or name of the group that is taken; default: the first one, or all that was"
        " found where the pattern has no groups",
    )
    replacement: str | None = Field(
        default=None,
        max_length=10_000,
        description="regex_replace: `\\1` and `\\g<name>` stand for groups; default: empty",
    )
    default: str | None = Field(
        default=None,
        description="json_extract, regex_extract: the text when nothing is found; default: the node fails",
    )


class ToolConfig(NodeConfig):
    tool_id: Identifier = Field(
        description="a tool, such as `calculator`; one that changes files asks a person for each call"
    )
    input_mapping: dict[str, str] = Field(
        default_factory=dict,
        description="argument of the tool -> dotted path: `content`, `question`, `data.name` or `vars.name`; every"
        " argument that the tool needs",
    )
    output_field: Identifier = Field(default="result", description="field of the data that gets the tool's output")
    continue_on_error: bool = Field(
        default=False, description="true: when the tool fails, what came goes on, with `data.tool_error`"
    )


class FanoutConfig(NodeConfig):
    """Begins branches that run in parallel; a `join` puts them together again."""

    targets: list[NodeId] = Field(min_length=1, description="nodes that run in parallel, one branch each")
    over: str | None = Field(
        default=None,
        description="dotted path of a list in the message's data: one branch per item and target; a list at the top of"
        " the data (`items`) does not go into the branches itself",
    )
    max_branches: int = Field(default=32, ge=1, le=1000, description="more branches than this are refused")


JoinMode = Literal["all", "any", "quorum", "first_success", "majority_vote", "best_score"]


class JoinConfig(NodeConfig):
    """Waits for the branches of a fan-out (or of a router with `fanout_enabled`), and makes one message of them.
    The only node that waits: every other runs once for each message that reaches it."""

    mode: JoinMode = Field(default="all", description="which branches it waits for, and what it makes of them")
    quorum: int | None = Field(default=None, ge=1, description="quorum: branches that must arrive")
    on_dead: Literal["fail", "degrade"] = Field(
        default="fail", description="all, majority_vote, best_score: what a branch that failed means"
    )
    success: str | None = Field(
        default=None, description="first_success: condition that an arrival must fulfil; default: it is not empty"
    )
    score: str = Field(default="score", description="best_score: dotted path of the number in the message's data")
    separator: str = Field(default="\n\n", description="stands between the texts of several branches")
    cancel_siblings: bool = Field(default=True, description="branches that are not needed any more are cancelled")


AnyConfig = (
    EntryConfig
    | ExitConfig
    | RouterConfig
    | ModelConfig
    | GateConfig
    | TransformConfig
    | FanoutConfig
    | JoinConfig
    | ToolConfig
    | LoopConfig
    | TimeoutConfig
    | SubgraphConfig
    | ApprovalConfig
    | AgentConfig
)

CONFIGS: dict[str, type[NodeConfig]] = {
    "entry": EntryConfig,
    "exit": ExitConfig,
    "router": RouterConfig,
    "model": ModelConfig,
    "gate": GateConfig,
    "transform": TransformConfig,
    "fanout": FanoutConfig,
    "join": JoinConfig,
    "tool": ToolConfig,
    "loop": LoopConfig,
    "timeout": TimeoutConfig,
    "subgraph": SubgraphConfig,
    "approval": ApprovalConfig,
    "agent": AgentConfig,
}
"""Node type -> its config model."""

NodeType = Literal[
    "entry", "exit", "router", "model", "gate", "transform", "fanout", "join", "tool",
    "loop", "timeout", "subgraph", "approval", "agent",
]  # fmt: skip


class NodeSpec(Strict):
    id: NodeId = Field(description="what edges and targets call it; letters, digits, `_`, `-` and `.`")
    type: NodeType = Field(description="what it does")
    name: str = Field(default="", description="what people see; default: the id")
    description: str = Field(default="", description="for the reader")
    config: AnyConfig = Field(description="the fields of its type; may be left out where none is needed")

    @property
    def title(self) -> str:
        return self.name or self.id

    @field_validator("config", mode="before")
    @classmethod
    def _config_of_the_type(cls, value: object, info: Any) -> object:
        if isinstance(value, NodeConfig):
            return value
        model = CONFIGS.get(info.data.get("type", ""))
        return value if model is None else model.model_validate({} if value is None else value)

    def __init__(self, **data: Any) -> None:
        data.setdefault("config", {})
        super().__init__(**data)


class EdgeSpec(Strict):
    from_node: NodeId = Field(description="node that the message comes from")
    to_node: NodeId = Field(description="node that it goes to")
    condition: str | None = Field(default=None, description="it goes only where this is true; default: always")
    weight: float = Field(default=1.0, description="among edges with equal conditions the heaviest is taken")


class ExampleSpec(Strict):
    user: str = Field(min_length=1, description="what a person could ask")
    assistant: str = Field(min_length=1, description="the answer that is wanted")


class PromptSpec(Strict):
    """A prompt: a file in a folder `prompts`, named after its id, or an entry of `prompts` in a graph."""

    id: NodeId = Field(description="name of its file, up to an `@`")
    version: str = Field(default="1.0.0", pattern=r"^\d+\.\d+\.\d+$", description="x.y.z")
    description: str = Field(default="", description="for the reader")
    system: str = Field(default="", description="what the model is told before the question")
    user: str = Field(
        default="{{ question }}",
        min_length=1,
        max_length=20_000,
        description="Jinja2 template of what stands for the question; it may mention `content`, `question`, `data` and"
        " `vars`. One that mentions `content` takes the place of the message that reached the node",
    )
    examples: list[ExampleSpec] = Field(
        default_factory=list, max_length=50, description="shown to the model as earlier turns"
    )
    output_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema of the answer, enforced; a node's own wins"
    )

    @property
    def title(self) -> str:
        return f"{self.id}@{self.version}"


class GraphSpec(Strict):
    id: Identifier = Field(description="`graph.` and a name of your own")
    version: str = Field(default="1.0.0", pattern=r"^\d+\.\d+\.\d+$", description="x.y.z")
    name: str = Field(default="", description="what people see; default: the id")
    description: str = Field(default="", description="one sentence on when to use it")
    metadata: dict[str, JsonValue] = Field(default_factory=dict, description="anything that you want to keep with it")
    nodes: list[NodeSpec] = Field(min_length=1, description="what is done")
    edges: list[EdgeSpec] = Field(default_factory=list, description="where messages go")
    entry_points: list[NodeId] = Field(
        default_factory=list, description="the nodes of type `entry`; default: all of them"
    )
    exit_points: list[NodeId] = Field(
        default_factory=list, description="the nodes of type `exit`; default: all of them"
    )
    protected: bool = Field(default=False, description="true: the program never changes this graph on its own")
    allow_cycles: bool = Field(default=False, description="true: a way back is meant; else it is an error")
    degradation: Literal["fail_fast", "skip_failed", "fallback"] = Field(
        default="fail_fast",
        description="what a failure means that no edge handles. fail_fast: the run is rolled back. skip_failed: what"
        " reached the node goes on without it, and a branch that failed is left out of its join; an answer made so is"
        " partial, and commits as a fallback. fallback: what there is goes to `fallback_node`",
    )
    fallback_node: NodeId | None = Field(
        default=None, description="degradation fallback (needed): where failures go; `data.error` is then known there"
    )
    memory: bool = Field(
        default=True,
        description="false: its models are told of no long-term memories; in the graph that is run, nor are those of"
        " its sub-graphs",
    )
    prompts: dict[str, PromptSpec] = Field(
        default_factory=dict,
        description="prompts by the name that `prompt_id` gives; those from files are added when the graph is loaded",
    )
    graphs: dict[str, GraphSpec] = Field(
        default_factory=dict,
        description="graphs by the name that `graph_id` gives; those from files are added when the graph is loaded",
    )

    @property
    def title(self) -> str:
        return self.name or self.id

    def content_hash(self) -> str:
        """SHA-256 of the canonical JSON form: two graphs with the same hash run the same."""
        return hash_of(self.model_dump(mode="json"))


def hash_of(value: Any) -> str:
    """SHA-256 in hexadecimal of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
