"""The language of templates: Jinja2, sandboxed and cut down to what gives the same text for the same values.

Run as a file it renders one template, within limits of time, memory and size, and needs nothing of the engine: an
expression such as `{{ 9 ** (9 ** 9) }}` cannot be interrupted, so such templates get a process that can be killed.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

CPU_SECONDS = 2
"""Processor time for one template."""
MEMORY = 512 << 20
"""Bytes of address space."""

_UNSTEADY = ("random", "urlize", "xmlattr", "pprint")
"""Filters that give another text each time, or are about HTML or Python."""


class Environment(ImmutableSandboxedEnvironment):
    """Fields of a mapping win over its methods, so that `data.items` is a field called `items` where there is one."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def make_environment() -> Environment:
    """The environment of every template: strict about names, without other templates, without HTML escapes."""
    environment = Environment(
        undefined=StrictUndefined,
        autoescape=False,  # what is made here is text for models, never a page
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=as_text,
    )
    for name in _UNSTEADY:
        environment.filters.pop(name, None)
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals = {name: environment.globals[name] for name in ("range", "dict", "namespace")}
    return environment


def as_text(value: Any) -> Any:
    """A value as it stands in a filled template: texts as they are, everything else as JSON."""
    if isinstance(value, dict | list | tuple | bool | float) or value is None:
        return json.dumps(value, ensure_ascii=False)
    return value


def render(source: str, scope: dict[str, Any], limit: int) -> dict[str, str]:
    """What a template comes to: `{"text": ...}` or `{"error": code, "message": ...}`.

    Args:
        source: the template.
        scope: the values that it may mention.
        limit: characters of the longest text.
    """
    pieces: list[str] = []
    size = 0
    try:
        for piece in make_environment().from_string(source).generate(scope):
            size += len(piece)
            if size > limit:
                return {
                    "error": "template_too_long",
                    "message": f"The filled template is longer than {limit:,} characters",
                }
            pieces.append(piece)
    except MemoryError:
        pieces.clear()
        return {"error": "template_too_long", "message": "The template uses too much memory"}
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError, AttributeError) as exc:
        return {"error": "template_failed", "message": str(exc) or type(exc).__name__}
    return {"text": "".join(pieces)}


def main() -> None:
    """Read one JSON object (`source`, `scope`, `limit`) from stdin, and write one (see `render`) to stdout."""
    asked = json.loads(sys.stdin.buffer.read())
    _limit_resources()
    answer = json.dumps(render(asked["source"], asked["scope"], asked["limit"]))
    sys.stdout.write(answer)
    sys.stdout.flush()


def _limit_resources() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # macOS does not know this one
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
