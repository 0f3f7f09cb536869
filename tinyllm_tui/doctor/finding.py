"""Finding: what one check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.errors import classify

Status = Literal["ok", "info", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    status: Status
    """info: worth knowing; warn: something is less than it could be; fail: a question cannot be answered."""
    detail: str
    remedy: str = ""


def broken(name: str, error: Exception, status: Status = "fail") -> Finding:
    """The finding that a check came to an error."""
    info = classify(error).info()
    return Finding(name, status, info.message, info.remedy or "Mend what the message names, and run `doctor` again.")
