"""Two programs that call for the same account at once: each on its own, then through the gateway.

Answers for: what the demo shows of Amazon's limits, counted at the emulator. Does not answer for:
being a benchmark (``bench``).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from demo.house import lever
from demo.stage import Emulator

PATH = "/sellers/v1/marketplaceParticipations"
OPERATION = "getMarketplaceParticipations"
#: Evergrant's name for it.
NAME = f"sellers.v1.{OPERATION}"
#: Enough to run dry within the demo, and soon there again.
PLAN = {"operation": OPERATION, "rate": 5, "burst": 5}
PROGRAMS = 2
CALLS = 10


@dataclass(frozen=True)
class Rush:
    answered: int
    refused: int  # 429s that Amazon gave
    seconds: float


def rush(emulator: Emulator, base_url: str, headers: Mapping[str, str]) -> Rush:
    """Both programs make all their calls as fast as they are let."""
    before = _throttles(emulator)
    statuses: list[int] = []

    def program() -> None:
        with httpx2.Client(base_url=base_url, timeout=60, trust_env=False) as http:
            statuses.extend(http.get(PATH, headers=dict(headers)).status_code for _ in range(CALLS))

    began = time.monotonic()
    threads = [threading.Thread(target=program) for _ in range(PROGRAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Rush(
        answered=Counter(statuses)[200],
        refused=_throttles(emulator) - before,
        seconds=time.monotonic() - began,
    )


def narrow(emulator: Emulator) -> None:
    """Amazon's limit for this operation becomes one that a demo can reach."""
    lever(emulator, "PUT", "/limits", {"enforced": True})
    lever(emulator, "PUT", "/limits/plan", PLAN)
    fill(emulator)


def fill(emulator: Emulator) -> None:
    """The next rush begins as the one before did."""
    lever(emulator, "POST", "/limits/fill", {"operation": OPERATION})


def _throttles(emulator: Emulator) -> int:
    told = lever(emulator, "GET", "/history/count", operation=OPERATION, status="429")
    return int(told["count"])
