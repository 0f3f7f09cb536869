"""The model server of the soak test, a process of its own: it answers well, but for a share of all kinds of faults.

`python -m tests.faults.soak_server --seed 1` prints its address, and serves until its stdin ends. What it is like is
set and told at `/soak`. Half of the faults come one by one, the others as outages, in which every request meets one:
only so do circuit breakers open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.hostile_cases import cases
from tests.faults.hostile_dialects import MODEL, OLLAMA, good
from tests.faults.hostile_server import HostileServer, Step, whole

MODELS = (MODEL, "m:3b")
OUTAGE = 80
"""Requests of an outage: enough for three calls in a row with their retries, while others are under way."""
OUTAGE_S = 1.5
"""Seconds after which an outage ends anyway: open breakers let few requests pass."""
HEAVY = 0.02
"""Share of the lines and answers over the bound that are really sent: each is some 10 MB."""


@dataclass
class Temper:
    """How the server is at the moment."""

    faults: float = 0.0
    """Share of the requests that meet a fault."""
    dice: random.Random = field(default_factory=random.Random)
    met: Counter[str] = field(default_factory=Counter)
    """Class of the fault, `accepted` or `fine` -> requests."""
    outage: str = ""
    """Class of the fault that every request meets now."""
    outage_left: int = 0
    """Requests."""
    outage_until: float = 0.0
    until_outage: int = 0
    """Requests until the next one."""

    def __post_init__(self) -> None:
        named = [(case.error.value if case.error else "accepted", case) for case in cases(OLLAMA) if not case.nowhere]
        self.until_outage = 600
        self._kinds = list(dict.fromkeys(kind for kind, _ in named))
        self._cases = {kind: [case for each, case in named if each == kind] for kind in self._kinds}

    def steps(self, body: dict[str, Any]) -> Sequence[Step]:
        """What the next request meets."""
        if self._out():
            kind, steps = self._fault(self.outage)
        elif self.dice.random() < self.faults / 2:
            kind, steps = self._fault(self.dice.choice(self._kinds))
        else:
            kind, steps = "fine", good(OLLAMA, self._answer(body))
        self.met[kind] += 1
        return steps

    def _out(self) -> bool:
        """Whether there is an outage at the moment."""
        if not self.faults:
            return False
        now = time.monotonic()
        if self.outage_left and now < self.outage_until:
            self.outage_left -= 1
            return True
        self.outage_left = 0
        self.until_outage -= 1
        if self.until_outage < 0:
            self.until_outage = round(OUTAGE / (self.faults / 2))
            self.outage = self.dice.choice(["server", "protocol", "overloaded"])
            self.outage_left, self.outage_until = OUTAGE, now + OUTAGE_S
        return False

    def _fault(self, kind: str) -> tuple[str, Sequence[Step]]:
        if kind == "resource" and self.dice.random() > HEAVY:
            return self._fault("server")
        case = self.dice.choice(self._cases[kind])
        return kind, case.steps() if callable(case.steps) else case.steps

    def _answer(self, body: dict[str, Any]) -> Sequence[str]:
        """What is said where nothing is wrong: by chance, as models do."""
        if body.get("format"):
            asked = body["format"]["properties"]
            if "labels" in asked:
                return ('{"labels": ["', self.dice.choice(asked["labels"]["items"]["enum"]), '"]}')
            return ('{"verdict": "', self.dice.choice(["good", "good", "bad"]), '", "n": ', f"{self._number()}", "}")
        return ("this ", "is ", f"{self._number()}")

    def _number(self) -> int:
        return self.dice.randrange(10**6)


class Script(list[Sequence[Step]]):
    """Stands for the script of a server: always one entry, made for the request that has just come."""

    def __init__(self, temper: Temper, server: HostileServer) -> None:
        super().__init__([()])
        self._temper = temper
        self._server = server

    def __getitem__(self, _: Any) -> Any:
        return self._temper.steps(self._server.requests.pop())


def others(temper: Temper, server: HostileServer, method: str, path: str, body: Any) -> bytes:
    """What is answered beside chats: as an Ollama with two models, and the state of this server."""
    if path == "/soak":
        temper.faults = body.get("faults", temper.faults)
        return whole(200, {"met": temper.met, "open": server.open, "busy": server.busy})
    if path == "/api/tags":
        details = {"family": "x", "parameter_size": "1B", "quantization_level": "Q4_0"}
        return whole(200, {"models": [{"name": n, "digest": n, "size": 1, "details": details} for n in MODELS]})
    return OLLAMA.others(method, path, body)


async def serve(seed: int) -> None:
    temper = Temper(dice=random.Random(seed))
    async with HostileServer(OLLAMA.path, OLLAMA.others) as server:
        server.others = lambda method, path, body: others(temper, server, method, path, body)
        server.script = Script(temper, server)
        print(server.address, flush=True)
        await asyncio.to_thread(sys.stdin.read)


def told(address: str, **changes: Any) -> dict[str, Any]:
    """Set and ask what the server is like; blocks for a moment, and needs no event loop."""
    host, _, port = address.removeprefix("http://").partition(":")
    body = json.dumps(changes).encode()
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"POST /soak HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += connection.recv(65536)
    found: dict[str, Any] = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])
    return found | {"open": found["open"] - 1, "busy": found["busy"] - 1}  # without this one


def main() -> None:
    parser = argparse.ArgumentParser(description="The model server of the soak test.")
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(serve(parser.parse_args().seed))


if __name__ == "__main__":
    main()
