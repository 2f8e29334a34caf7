"""Fixtures that several doors' tests share."""

import importlib.util
import sys

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from tests.doors.cli_house import (
    amazon,
    bare,
    cli,
    connected,
    house,
    migrated,
    stocked,
    stocks,
    with_account,
)

__all__ = [
    "amazon",
    "bare",
    "cli",
    "connected",
    "house",
    "migrated",
    "quick",
    "stocked",
    "stocks",
    "with_account",
]

# For each request the client looks for a library of another kind of loops; the machine's folders
# need not be searched each time where there is none.
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]

#: As slow as it has to be for passwords that are made up at run time. What is in force is proved
#: with the rooms, and by the processes and browsers of the journeys.
QUICK = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=64)])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PasswordHash, "recommended", lambda: QUICK)
