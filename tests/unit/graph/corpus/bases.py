"""The valid graphs that the corpus breaks: every shipped one, and those of the folder `bases`, which together use every
node type and every field."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from engine.graph.shipped import graphs_in, shipped_folder
from engine.graph.source import read_yaml

_FOLDER = Path(__file__).parent / "bases"
_EXAMPLES = 2
"""Of a router's many example questions so many are kept: more of them say nothing more, and take long to read."""


@dataclass(frozen=True)
class Base:
    """A valid graph as plain values."""

    name: str
    data: dict[str, Any]
    folder: Path
    """Where it is from: prompts are looked for beside it."""

    @property
    def own(self) -> bool:
        """Whether it was written for the corpus."""
        return self.folder == _FOLDER

    @property
    def nodes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.data["nodes"]
        return found

    @property
    def edges(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.data.get("edges", [])
        return found

    def ids(self, *types: str) -> list[str]:
        """Ids of the nodes of some types; of all nodes where none is given."""
        return [node["id"] for node in self.nodes if not types or node["type"] in types]


@cache
def bases() -> tuple[Base, ...]:
    """All of them, in a fixed order. The small ones come first: of mutations that are alike the first ones are kept."""
    own = [Base(name, _data(file), _FOLDER) for name, file in graphs_in(_FOLDER).items()]
    shipped = [Base(name, _data(file), shipped_folder()) for name, file in graphs_in(shipped_folder()).items()]
    return (*own, *shipped)


def base(name: str) -> Base:
    return next(each for each in bases() if each.name == name)


def _data(file: Path) -> dict[str, Any]:
    document = read_yaml(file.read_text("utf-8"), file.name)
    assert isinstance(document.data, dict), file
    assert not document.problems, file
    for node in document.data["nodes"]:
        config = node.get("config") or {}
        for route in (*config.get("routes", ()), *config.get("compound_routes", ())):
            if "utterances" in route:
                del route["utterances"][_EXAMPLES:]
    return document.data


def write(data: Any) -> str:
    """Values as YAML, one value a line, in their order."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the same text, in a tenth of the time
    text: str = yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return text
