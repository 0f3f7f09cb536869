"""Where a model file is fetched from: `hf:owner/repo/file.gguf` or an http(s) address, with an optional checksum."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from engine.errors import ConfigurationError
from engine.message import replace_surrogates
from engine.models.naming import is_library_name

SUFFIX = ".gguf"
SPLIT = re.compile(r"-\d{5}-of-\d{5}$")
"""End of the stem of one part of a model that is cut into several files."""
_HUB = "hf:"
_HUB_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
_NAME_LIMIT = 150
"""Characters of a file name, the suffix included; the names of its companions must fit into 255 bytes too."""
_REMEDY = "Give `hf:owner/repo/file.gguf`, or an http(s) address that ends in .gguf; `#sha256=...` may follow."


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model file that can be fetched."""

    url: str
    """Without a fragment."""
    file_name: str
    """What it is called here: letters, digits, `.`, `_`, `+` and `-`, never a path."""
    sha256: str = ""
    """64 hexadecimal digits in lower case that the whole file must have; empty where none were given."""

    @property
    def model_name(self) -> str:
        """What the model is called once it is here."""
        return self.file_name[: -len(SUFFIX)]

    @property
    def shown(self) -> str:
        """The address for people: without a password, and without a query, which may hold a key."""
        return shown_url(self.url)


def is_source(text: str) -> bool:
    """Whether a name means a file to fetch, and no model of a server's own library."""
    return text.strip().lower().startswith((_HUB, "http://", "https://"))


def parse_source(text: str, *, hub: str) -> ModelSource:
    """What a person wrote, as an address.

    Args:
        text: `hf:owner/repo/file.gguf` or an http(s) address; `#sha256=<64 digits>` may follow.
        hub: address of the hub; files are at `{hub}/{owner}/{repo}/resolve/main/{file}`
            (https://huggingface.co/docs/huggingface_hub/guides/download).

    Raises:
        ConfigurationError: it is neither.
    """
    place, _, fragment = replace_surrogates(text.strip()).partition("#")
    sha256 = _checksum(fragment)
    if place.lower().startswith(_HUB):
        place = _hub_address(place[len(_HUB) :], hub)
    parts = _address(place)
    url = urlunsplit(parts._replace(fragment=""))
    return ModelSource(url, _file_name(unquote(parts.path)), sha256)


def shown_url(url: str) -> str:
    """An address without what may be secret in it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"[:300]


def _checksum(fragment: str) -> str:
    if not fragment:
        return ""
    name, _, digits = fragment.partition("=")
    if name.lower() != "sha256" or not _SHA256.fullmatch(digits):
        raise _invalid("What follows `#` must be `sha256=` and 64 hexadecimal digits")
    return digits.lower()


def _hub_address(path: str, hub: str) -> str:
    owner, _, rest = path.strip("/").partition("/")
    repo, _, file = rest.partition("/")
    segments = file.split("/")
    if not (_HUB_PART.fullmatch(owner) and _HUB_PART.fullmatch(repo)) or {"", ".", ".."} & set(segments):
        raise _invalid(f"{_HUB}{path[:200]} names no file of a repository")
    return f"{hub.strip().rstrip('/')}/{owner}/{repo}/resolve/main/{quote(file)}"


def _address(text: str) -> SplitResult:
    parts: SplitResult | None
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        parts = None
    if is_library_name(text):
        raise _invalid(f"{text[:200]!r} is a name of Ollama's library, and Ollama is not what answers here")
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or not text.isprintable():
        raise _invalid(f"{text[:200]!r} is no http(s) address")
    return parts


def _file_name(path: str) -> str:
    """A safe name from the end of a path that somebody else chose."""
    last = path.replace("\\", "/").rpartition("/")[2]
    if not last:
        raise _invalid("The address does not end with the name of a file")
    stem, suffix = last[: -len(SUFFIX)], last[-len(SUFFIX) :]
    if suffix.lower() != SUFFIX:
        raise _invalid(f"{last[:100]!r} is not the name of a GGUF file")
    safe = _UNSAFE.sub("-", stem).strip(".-")[: _NAME_LIMIT - len(SUFFIX)]
    if not safe:
        raise _invalid(f"{last[:100]!r} has no name that a file could have")
    if SPLIT.search(safe):
        raise ConfigurationError(
            "split_model",
            f"{safe}{SUFFIX} is one part of a model that is cut into several files, which is not supported.",
            remedy="Take a model that is one file, or join the parts (llama-gguf-split --merge) and name the result in "
            "`embedded.model_path`.",
        )
    return safe + SUFFIX


def _invalid(what: str) -> ConfigurationError:
    return ConfigurationError("invalid_model_source", f"{what}.", remedy=_REMEDY)
