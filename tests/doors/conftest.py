"""Fixtures that several doors' tests share."""

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from tests.doors.cli_house import (
    amazon,
    bare,
    cli,
    connected,
    house,
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
    "quick",
    "stocked",
    "stocks",
    "with_account",
]

#: As slow as it has to be for passwords that are made up at run time. What is in force is proved
#: with the rooms, and by the processes and browsers of the journeys.
QUICK = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=64)])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PasswordHash, "recommended", lambda: QUICK)
