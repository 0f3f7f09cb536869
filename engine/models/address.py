"""Addresses of model servers, as people write them."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from engine.errors import ConfigurationError

OLLAMA_PORT = 11434
_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*)://")
_FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f\\<>\"'`{}|^]")


def normalise_host(text: str) -> str:
    """The address that a value of OLLAMA_HOST means, such as `http://127.0.0.1:11434`.

    Follows Ollama (envconfig, `OLLAMA_HOST`): quotes and spaces around it go; without a scheme the port is 11434, with
    `http://` 80, with `https://` 443; `0.0.0.0` and `::` (to listen everywhere) mean the loopback for a client.

    Raises:
        ConfigurationError: it is no address.
    """
    value = text.strip().strip("\"'").strip()
    match = _SCHEME.match(value)
    scheme = match[1].lower() if match else "http"
    port = {"http": 80, "https": 443}.get(scheme) if match else OLLAMA_PORT
    rest = value[match.end() :] if match else value
    if port is None:
        raise _invalid("OLLAMA_HOST", text, f"the scheme {scheme}:// is not http or https")
    if _FORBIDDEN.search(rest) or "?" in rest or "#" in rest or "@" in rest:
        raise _invalid("OLLAMA_HOST", text, "it contains characters that no address has")
    hostport, slash, path = rest.partition("/")
    host, given = _split_port(hostport, text)
    path = f"/{path}".rstrip("/") if slash else ""
    return f"{scheme}://{_connectable(host)}:{port if given is None else given}{path}"


def _split_port(hostport: str, text: str) -> tuple[str, int | None]:
    """Host without brackets, and the port where there is one."""
    if hostport.startswith("["):
        host, bracket, after = hostport[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise _invalid("OLLAMA_HOST", text, "its brackets do not match")
        port_text = after[1:]
    elif hostport.count(":") > 1:  # an IPv6 address without brackets has no port
        host, port_text = hostport, ""
    else:
        host, _, port_text = hostport.partition(":")
    if not port_text:
        return host, None
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 and 0 < int(port_text) < 65536):
        raise _invalid("OLLAMA_HOST", text, f"{port_text!r} is no port")
    return host, int(port_text)


def _connectable(host: str) -> str:
    if not host:
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if ":" in host:
            raise _invalid("OLLAMA_HOST", host, "it is no IPv6 address") from None
        return host.lower()
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return str(address) if address.version == 4 else f"[{address}]"


def normalise_base_url(text: str) -> str:
    """The base address of an OpenAI-compatible server; `http://` and `/v1` are added where they are missing.

    Raises:
        ConfigurationError: it is no address.
    """
    value = text.strip().strip("\"'").strip()
    if not value:
        raise _invalid("openai_base_url", text, "it is empty")
    if "://" not in value:
        value = f"http://{value}"
    try:
        parts = urlsplit(value)
        port = parts.port  # reading it validates it
    except ValueError as exc:
        raise _invalid("openai_base_url", text, str(exc)) from None
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or port == 0:
        raise _invalid("openai_base_url", text, "it is no http or https address")
    if _FORBIDDEN.search(value) or parts.query or parts.fragment or parts.username is not None:
        raise _invalid("openai_base_url", text, "it contains more than scheme, host, port and path")
    return f"{parts.scheme.lower()}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}"


def _invalid(setting: str, text: str, why: str) -> ConfigurationError:
    example = "http://127.0.0.1:11434" if setting == "OLLAMA_HOST" else "http://127.0.0.1:8080/v1"
    return ConfigurationError(
        "invalid_address",
        f"{setting} is not a usable address: {text[:200]!r} ({why}).",
        remedy=f"Set {setting} to something like {example}.",
    )
