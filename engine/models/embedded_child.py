"""The child process that runs the embedded model. Run as a file, never imported: it needs nothing of the engine.

It reads one JSON line with its parameters from stdin, prints one JSON line (`address` or `error`) to stdout, and then
waits for the end of stdin: so it ends with its parent, however that ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any


def _parameters(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = {settings["alias"]}
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["window"] * settings["slots"]
    params.kv_unified = False  # otherwise one long request could take the window of the others
    params.cpuparams.n_threads = settings["threads"]
    params.cpuparams_batch.n_threads = settings["batch_threads"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings["api_key"]]
    params.cors_origins = "http://127.0.0.1"  # the default reflects any web page's origin
    params.ui = False
    params.endpoint_slots = False  # it would show the prompts of other requests
    params.cache_ram_mib = settings["prompt_cache_mb"]  # the default lets the prompt cache grow to 8 GB
    params.verbosity = -1
    if settings["embedding"]:
        _embed(params, settings)
    return params


def _embed(params: Any, settings: dict[str, Any]) -> None:
    """Make embeddings, not answers."""
    import xllamacpp

    params.embedding = True
    params.embd_normalize = -1  # as the model makes them: whoever wants unit length divides
    if settings["pooling"] == "last":  # a model that answers says everything in its last token
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
    else:
        # a model made for it (BERT) looks at all tokens at once: a text must fit into one batch
        params.n_batch = params.n_ubatch = settings["window"]


def _end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends, where it can: a process that hangs in native code does not
    see the end of stdin. Source: prctl(2), PR_SET_PDEATHSIG."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main() -> None:
    """Serve until stdin ends."""
    _end_with_parent()
    # native code prints where it likes: what it prints to stdout goes to stderr, so that stdout is ours alone
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    line = sys.stdin.buffer.readline()
    if not line:
        return
    try:
        import xllamacpp

        server = xllamacpp.Server(_parameters(json.loads(line)))
        answer = {"address": server.listening_address}
    except Exception as exc:  # noqa: BLE001 - whatever it is, the parent reports it
        answer = {"error": str(exc)[:2000] or type(exc).__name__}
    out.write(json.dumps(answer) + "\n")
    out.flush()
    while "error" not in answer and sys.stdin.buffer.read(4096):
        pass


if __name__ == "__main__":
    try:
        main()
    finally:
        # whatever ended it, also that the parent is gone and nobody reads the answer: a graceful end of the interpreter
        # would wait for the server, for ever
        os._exit(0)
