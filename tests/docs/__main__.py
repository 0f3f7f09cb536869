"""Write the generated parts of the documents: `uv run python -m tests.docs`."""

from __future__ import annotations

from tests.docs.graph_reference import GRAPHS_MD, with_reference
from tests.docs.keys_reference import KEYS_MD, page
from tests.docs.themes_reference import THEMES_MD, with_variables

GRAPHS_MD.write_text(with_reference(GRAPHS_MD.read_text("utf-8")), "utf-8")
KEYS_MD.write_text(page(), "utf-8")
THEMES_MD.write_text(with_variables(THEMES_MD.read_text("utf-8")), "utf-8")
