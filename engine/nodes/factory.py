"""The node types: from a specification to the node that runs it."""

from __future__ import annotations

from engine.graph.inner_configs import AgentConfig, ApprovalConfig, LoopConfig, SubgraphConfig, TimeoutConfig
from engine.graph.spec import (
    EntryConfig,
    ExitConfig,
    FanoutConfig,
    GateConfig,
    JoinConfig,
    ModelConfig,
    NodeSpec,
    RouterConfig,
    ToolConfig,
    TransformConfig,
)
from engine.nodes.agent import AgentNode
from engine.nodes.approval import ApprovalNode
from engine.nodes.context import AsyncNode, InlineNode
from engine.nodes.entry import EntryNode
from engine.nodes.exit import ExitNode
from engine.nodes.fanout import FanoutNode
from engine.nodes.gate import JUDGED, GateNode, JudgingGateNode
from engine.nodes.join import JoinNode
from engine.nodes.loop import LoopNode
from engine.nodes.model import ModelNode
from engine.nodes.router import RouterNode
from engine.nodes.subgraph import SubgraphNode
from engine.nodes.timeout import TimeoutNode
from engine.nodes.tool import ToolNode
from engine.nodes.transform import make_transform_async, make_transform_inline


def make_inline(spec: NodeSpec, back: frozenset[str]) -> InlineNode | None:
    """The node, where its type decides at once; `back` are the targets of a gate that are retries."""
    match spec.config:
        case EntryConfig() as config:
            return EntryNode(config)
        case ExitConfig() as config:
            return ExitNode(config)
        case GateConfig() as config if config.mode not in JUDGED:
            return GateNode(config, back)
        case FanoutConfig() as config:
            return FanoutNode(config)
        case JoinConfig() as config:
            return JoinNode(config)
        case TransformConfig() as config:
            return make_transform_inline(config)
        case _:
            return None


def make_async(spec: NodeSpec, back: frozenset[str]) -> AsyncNode:
    """The node, where its type waits for something; `back` are the targets of a gate that are retries."""
    match spec.config:
        case GateConfig() as config:
            return JudgingGateNode(config, back)
        case RouterConfig() as config:
            return RouterNode(config)
        case ModelConfig() as config:
            return ModelNode(config)
        case ToolConfig() as config:
            return ToolNode(config)
        case AgentConfig() as config:
            return AgentNode(config)
        case LoopConfig() as config:
            return LoopNode(config)
        case TimeoutConfig() as config:
            return TimeoutNode(config)
        case SubgraphConfig() as config:
            return SubgraphNode(config)
        case ApprovalConfig() as config:
            return ApprovalNode(config)
        case TransformConfig() as config if (node := make_transform_async(config)) is not None:
            return node
        case _:
            raise AssertionError(f"no node for {spec.type}")
