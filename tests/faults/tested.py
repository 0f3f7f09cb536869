"""Suites whose code stands in their tests: runs a test file, and says of each of its sentences whether it held."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
PATIENCE_S = 900.0


@dataclass
class Figures:
    """What came of it."""

    tests: int = 0
    failed: int = 0
    skipped: int = 0
    sentences: dict[str, str] = field(default_factory=dict)
    """What each test says -> whether it held."""
    seen: dict[str, str] = field(default_factory=dict)
    """What tests recorded with `record_property`."""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def measure(files: Iterable[str]) -> Figures:
    """Run test files of this folder, named without their endings.

    Raises:
        RuntimeError: they could not be run.
    """
    began = time.monotonic()
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.xml"
        paths = [f"{HERE / file}.py" for file in files]
        options = ["-n", "0", "-q", "-p", "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={result}"]
        command = [sys.executable, "-m", "pytest", *options, *paths]
        done = subprocess.run(
            command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        if not result.exists():
            raise RuntimeError(f"The tests did not run: {done.stdout.strip()[-300:]}")
        take_in(figures, ElementTree.parse(result).getroot())
    figures.seconds = round(time.monotonic() - began, 1)
    return figures


def take_in(figures: Figures, result: ElementTree.Element) -> None:
    """The cases of a result in JUnit's form."""
    for case in result.iter("testcase"):
        sentence = case.get("name", "").removeprefix("test_").replace("_", " ")
        failure = next((each for kind in ("failure", "error") for each in case.iter(kind)), None)
        skipped = case.find("skipped")
        figures.tests += 1
        figures.failed += failure is not None
        figures.skipped += skipped is not None
        held = "held"
        if failure is not None:
            held = "DID NOT HOLD"
            figures.problems.append(f"{sentence}: {failure.get('message', '')[:300]}")
        elif skipped is not None:
            held = f"not tried: {skipped.get('message', '')}"
        figures.sentences[sentence] = held
        for each in case.iter("property"):
            figures.seen[each.get("name", "")] = each.get("value", "")
