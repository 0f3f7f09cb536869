"""The header of a GGUF model file: enough to say what it is before it is loaded.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ConfigurationError
from engine.models.gguf_tensors import whole_size
from engine.models.naming import parameters_in_name, parameters_of

MAGIC = b"GGUF"
_READ = 1024 * 1024
"""Bytes read at the beginning, and at the end: the facts come before the tokenizer's tables, which are long."""
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_QUANTIZATION = re.compile(r"(?<![A-Za-z0-9])((?:I?Q|TQ)\d[0-9A-Z_]*|B?F16|F32|MXFP4)(?![A-Za-z0-9])", re.IGNORECASE)
_REMEDY = (
    "Correct the path in `embedded.model_path` (TINYLLM_EMBEDDED__MODEL_PATH) to that of a readable GGUF file, "
    "or leave it out to use the bundled model."
)

CUT_OFF = "model_file_cut_off"
"""Code of the error of `read_header` for a file that lacks its end."""
FILE_PROBLEMS = frozenset({"model_file_absent", "model_file_unreadable", "not_gguf", CUT_OFF})
"""Codes of the errors of `read_header`: the file is not what the path promised."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a model file says of itself."""

    path: Path
    size_bytes: int
    architecture: str = ""
    parameters_b: float | None = None
    """Parameters in billions."""
    context_length: int | None = None
    """Context window in tokens that the model was trained for."""
    quantization: str = ""
    kv_bytes_per_token: int | None = None
    """Bytes of the KV cache for one token of context; None where the header does not tell."""
    digest: str = ""
    """Tells files apart: SHA-256 of the first and the last megabyte and the size; the whole would take seconds."""


def read_header(path: Path) -> GgufHeader:
    """Read the header of a model file. Blocking; reads at most 2 MB, and once the whole header (at most 64 MB).

    Raises:
        ConfigurationError: the file is absent, unreadable, no GGUF, or cut off.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_READ)
            size = file.seek(0, 2)
            file.seek(max(0, size - _READ))
            digest = hashlib.sha256(b"%d\n" % size + data + file.read(_READ)).hexdigest()
        needed = whole_size(path, size, path.stat().st_mtime_ns) if data[:4] == MAGIC else None
    except FileNotFoundError:
        raise ConfigurationError("model_file_absent", f"There is no model file at {path}.", remedy=_REMEDY) from None
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise ConfigurationError(
            "model_file_unreadable", f"The model file {path} cannot be read: {reason}.", remedy=_REMEDY
        ) from exc
    if data[:4] != MAGIC:
        raise ConfigurationError("not_gguf", f"{path} is not a GGUF model file.", remedy=_REMEDY)
    if needed is not None and needed > size:
        raise _cut_off(path, size, needed)
    facts = _facts(data)
    architecture = _string(facts.get("general.architecture"))
    length = facts.get(f"{architecture}.context_length")
    match = _QUANTIZATION.search(path.stem)
    return GgufHeader(
        path,
        size,
        architecture,
        parameters_of(_string(facts.get("general.size_label"))) or parameters_in_name(path.stem),
        length if isinstance(length, int) and length > 0 else None,
        match[1].upper() if match else "",
        _kv_bytes_per_token(facts, architecture),
        digest,
    )


def _cut_off(path: Path, size: int, needed: int) -> ConfigurationError:
    # one byte more stands for a file that ends within its header, which does not say how long the file is
    of_whole = f"of {needed / 1e6:.1f} MB" if needed > size + 1 else "and ends within its header"
    return ConfigurationError(
        CUT_OFF,
        f"The model file {path} is cut off: it has {size / 1e6:.1f} MB {of_whole}.",
        remedy="Pull it again (`models pull`), or name another file where `embedded.model_path` names it.",
    )


def _kv_bytes_per_token(facts: dict[str, Any], architecture: str) -> int | None:
    """Layers x key-value heads x (length of a key + length of a value) x 2 bytes; llama.cpp keeps 16-bit floats.

    Source: llama.cpp, `llama_kv_cache` with `n_embd_k_gqa` and `n_embd_v_gqa`; keys of the header as in the format's
    document. Where the heads differ from layer to layer the header has a list, and all heads are counted.
    """

    def number(key: str) -> int:
        value = facts.get(f"{architecture}.{key}")
        return value if type(value) is int and 0 < value < 2**31 else 0

    layers, heads = number("block_count"), number("attention.head_count")
    of_head = number("embedding_length") // heads if heads else 0
    kv_heads = number("attention.head_count_kv") or heads
    length = (number("attention.key_length") or of_head) + (number("attention.value_length") or of_head)
    return layers * kv_heads * length * 2 or None


def _string(value: Any) -> str:
    return value[:100] if isinstance(value, str) else ""


def _facts(data: bytes) -> dict[str, Any]:
    """The key-value pairs before the tokenizer's; as far as they are whole."""
    facts: dict[str, Any] = {}
    try:
        version, _, pairs = struct.unpack_from("<IQQ", data, 4)
        if version not in {2, 3}:
            return facts
        offset = 24
        for _ in range(min(pairs, 1000)):
            key, offset = _take_string(data, offset)
            if key.startswith("tokenizer."):
                break
            (kind,) = struct.unpack_from("<I", data, offset)
            facts[key], offset = _take_value(data, offset + 4, kind)
    except (struct.error, ValueError, KeyError, OverflowError, RecursionError):
        return facts  # cut or damaged: loading it will say how
    return facts


def _take_string(data: bytes, offset: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", data, offset)
    end = offset + 8 + length
    if end > len(data):
        raise ValueError("cut")
    return data[offset + 8 : end].decode("utf-8", "replace"), end


def _take_value(data: bytes, offset: int, kind: int) -> tuple[Any, int]:
    if kind == _STRING:
        return _take_string(data, offset)
    if kind == _ARRAY:
        return None, _after_array(data, offset)
    layout = "<" + _FORMATS[kind]
    (value,) = struct.unpack_from(layout, data, offset)
    return value, offset + struct.calcsize(layout)


def _after_array(data: bytes, offset: int) -> int:
    kind, length = struct.unpack_from("<IQ", data, offset)
    offset += 12
    if kind in _FORMATS:
        return int(offset + length * struct.calcsize("<" + _FORMATS[kind]))
    for _ in range(length):  # ends at the latest where the data do
        _, offset = _take_value(data, offset, kind)
    return offset
