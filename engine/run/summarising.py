"""Summarising: which model writes summaries, and what it wrote for a run."""

from __future__ import annotations

from collections.abc import Mapping

from engine import events as ev
from engine.config import EngineConfig, RetryConfig
from engine.errors import EngineError, ErrorClass
from engine.message import replace_surrogates
from engine.models.call_record import request_hash
from engine.models.caller import CallOptions, CallSite, ModelRound
from engine.models.catalogue import find, parameters_b, resolve
from engine.models.protocol import ChatRequest
from engine.run.frame import Frame
from engine.run.limit import time_left, within
from engine.run.resolution import CAPABLE_B, ModelDirectory
from engine.store.database import StoreError

ROLE = "@summariser"
SUMMARY_S = 60.0
"""Seconds after which a run goes on without a summary; half of the time that the visit has left, where that is less."""


async def resolve_summariser(
    directory: ModelDirectory, config: EngineConfig, windows: Mapping[str, int] | None = None
) -> ev.Summariser:
    """The model that answers for @summariser, if it is large enough. None is loaded for the sake of its window.

    Args:
        directory: what is installed.
        config: what the settings say.
        windows: model -> window in tokens, of the models that are known already.

    Raises:
        EngineError: not_found: none is; or the backend cannot be asked.
    """
    installed = await directory.installed()
    name = resolve(ROLE, installed, overrides=config.roles, only=config.model).model
    info = find(name, installed)
    size = parameters_b(info)
    if size is None or size < CAPABLE_B:
        shown = "of unknown size" if size is None else f"of {size * 1000:.0f} million parameters"
        raise EngineError(
            ErrorClass.NOT_FOUND,
            "no_summariser",
            f"Summaries are written by a model of at least a billion parameters; {ROLE} comes to {name}, {shown}.",
            remedy="Install a larger model (with Ollama: `ollama pull qwen2.5:3b`), or name one with "
            "`tinyllm-tui models use summariser MODEL`.",
        )
    window = (windows or {}).get(name) or info.window or (await directory.show(name)).window or config.window
    return ev.Summariser(name, window)


async def summary_of(frame: Frame, request: ChatRequest, site: CallSite) -> ev.Summary:
    """What the summariser writes; what the run has recorded of the same request is not asked for again.

    Raises:
        StoreError: the store does not take the events of the call.
    """
    digest = request_hash(request)
    known = frame.tx.state.summaries.get(digest)
    if known is not None:
        return known
    text = problem = ""
    seconds = max(min(SUMMARY_S, time_left() / 2), 0.0)
    try:
        async with within(seconds) as limit:
            answer = frame.recorded(site, digest) or await _asked(frame, request, site)
            text = replace_surrogates(answer.text).strip()
            problem = "" if text else "it wrote nothing"
    except TimeoutError:
        if not limit.expired():
            raise
        problem = f"it took longer than {seconds:.0f} s"
    except StoreError:
        raise
    except EngineError as error:
        problem = error.message
    return ev.Summary(request.model, text, problem=problem, request_hash=digest)


async def _asked(frame: Frame, request: ChatRequest, site: CallSite) -> ModelRound:
    """One attempt, in its window alone: a summary is worth no more."""
    caller = frame.services.caller
    if caller is None:
        raise EngineError(ErrorClass.NOT_FOUND, "no_backend", "There is no model to ask.", remedy="Start a backend.")
    options = CallOptions(
        stream=False,
        retry=RetryConfig(attempts=1),
        priority=frame.services.priority,
        deadline=frame.limits.deadline,
        run=frame.tx.tx,
    )
    return await caller.call(request, site=site, emit=frame.emit, options=options)
