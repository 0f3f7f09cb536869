"""The smallest graph that asks a model, and what is asked."""

from __future__ import annotations

from engine.graph.spec import EdgeSpec, GraphSpec, ModelConfig, NodeSpec

QUESTION = "Tell me a very long story about a river."
"""To which the bundled model writes for as long as it may."""
SYSTEM = "You are a teller of stories."


def asking(tokens: int) -> GraphSpec:
    """entry -> a model that writes `tokens` tokens at most -> exit."""
    config = ModelConfig(system_prompt=SYSTEM, seed=1, max_tokens=tokens, temperature=0.0)
    return GraphSpec(
        id="graph.asking",
        nodes=[
            NodeSpec(id="start", type="entry"),
            NodeSpec(id="teller", type="model", config=config),
            NodeSpec(id="end", type="exit"),
        ],
        edges=[EdgeSpec(from_node="start", to_node="teller"), EdgeSpec(from_node="teller", to_node="end")],
    )
