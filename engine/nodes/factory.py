"""The node types: from a specification to the node that runs it."""

from __future__ import annotations

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
from engine.nodes.context import AsyncNode, InlineNode
from engine.nodes.entry import EntryNode
from engine.nodes.exit import ExitNode
from engine.nodes.fanout import FanoutNode
from engine.nodes.gate import GateNode
from engine.nodes.join import JoinNode
from engine.nodes.model import ModelNode
from engine.nodes.router import RouterNode
from engine.nodes.tool import ToolNode
from engine.nodes.transform import make_transform_async, make_transform_inline
from engine.tools.registry import ToolRegistry

_TOOLS = ToolRegistry()


def make_inline(spec: NodeSpec, back: frozenset[str]) -> InlineNode | None:
    """The node, where its type decides at once; `back` are the targets of a gate that are retries."""
    config = spec.config
    if isinstance(config, EntryConfig):
        return EntryNode(config)
    if isinstance(config, ExitConfig):
        return ExitNode(config)
    if isinstance(config, GateConfig):
        return GateNode(config, back)
    if isinstance(config, FanoutConfig):
        return FanoutNode(config)
    if isinstance(config, JoinConfig):
        return JoinNode(config)
    if isinstance(config, RouterConfig | ModelConfig | ToolConfig):
        return None
    return make_transform_inline(config)


def make_async(spec: NodeSpec) -> AsyncNode | None:
    """The node, where its type waits for something."""
    config = spec.config
    if isinstance(config, RouterConfig):
        return RouterNode(config)
    if isinstance(config, ModelConfig):
        return ModelNode(config)
    if isinstance(config, ToolConfig):
        return ToolNode(config, _TOOLS)
    if isinstance(config, TransformConfig):
        return make_transform_async(config)
    return None
