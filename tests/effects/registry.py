"""All cases."""

from __future__ import annotations

from tests.effects import (
    of_approval,
    of_entry,
    of_every_node,
    of_exit,
    of_gate,
    of_graph,
    of_inner,
    of_model,
    of_parallel,
    of_router,
    of_tool,
    of_transform,
)
from tests.effects.case import Case

CASES: tuple[Case, ...] = (
    *of_every_node.CASES,
    *of_entry.CASES,
    *of_exit.CASES,
    *of_transform.CASES,
    *of_tool.CASES,
    *of_parallel.CASES,
    *of_inner.CASES,
    *of_approval.CASES,
    *of_model.CASES,
    *of_gate.CASES,
    *of_router.CASES,
    *of_graph.CASES,
)
