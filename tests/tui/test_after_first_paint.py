"""What is made ready when the first paint is there."""

from __future__ import annotations

import subprocess
import sys

CODE = """
from tinyllm_tui.after_first_paint import prepare_code
import time
from textual.highlight import highlight
def cpu(work):
    start = time.process_time()
    work()
    return time.process_time() - start
first = cpu(prepare_code)
later = cpu(lambda: highlight("def f(): return 1", language="python"))
print(first, later)
"""


def test_the_first_block_of_code_of_an_answer_finds_its_highlighter_ready() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=120)
    first, later = map(float, done.stdout.split())
    assert later < first / 4
