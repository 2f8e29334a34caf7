"""What is still wanted before a session opens anything, and what a second factor looks like.

Answers for: the steps of signing in, which codes of the clock are good at an instant, the shape of
recovery codes, and reading what people type. Does not answer for: making codes of the clock (a
library does, RFC 6238), or for keeping anything.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = [
    "RECOVERY_CODES",
    "STEP_S",
    "ClockCode",
    "RecoveryText",
    "Step",
    "clock_steps",
    "read_code",
    "recovery_code",
    "recovery_id",
    "step_wanted",
]

#: RFC 6238: a code for each half minute.
STEP_S = 30
#: So many are made at a time; older ones are worth nothing from then on.
RECOVERY_CODES = 10

# Crockford's base 32, as ids are written in: nobody misreads one on paper.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RECOVERY = re.compile(rf"[{_ALPHABET}]{{20}}")
_MISREAD = str.maketrans({"o": "0", "i": "1", "l": "1"})


class Step(StrEnum):
    """What is still wanted before a session opens anything."""

    NOTHING = "nothing"
    SECOND_FACTOR = "second_factor"  # one is set, and was not shown yet
    ENROL = "enrol"  # one is required, and none is set


def step_wanted(*, trusted: bool, proved: bool, has_factor: bool, required: bool) -> Step:
    """``trusted``: the house's identity provider has seen to it."""
    if trusted:
        return Step.NOTHING
    if has_factor:
        return Step.NOTHING if proved else Step.SECOND_FACTOR
    return Step.ENROL if required else Step.NOTHING


@dataclass(frozen=True, slots=True)
class ClockCode:
    digits: str


@dataclass(frozen=True, slots=True)
class RecoveryText:
    body: str


def read_code(typed: str) -> ClockCode | RecoveryText | None:
    """What somebody typed, blanks and dashes and all; None: neither can look like that."""
    text = re.sub(r"[\s\-]", "", typed[:100]).lower()
    if re.fullmatch(r"[0-9]{6}", text):
        return ClockCode(text)
    body = text.translate(_MISREAD)
    return RecoveryText(body) if _RECOVERY.fullmatch(body) else None


def clock_steps(now: datetime, spent: int) -> list[int]:
    """The half minutes whose codes are good: this one, the one before, the one after. None up to
    ``spent``, the one whose code was accepted last: each code is good once."""
    current = int(now.timestamp()) // STEP_S
    return [step for step in (current, current - 1, current + 1) if step > spent]


def recovery_code(entropy: bytes) -> str:
    """100 random bits (of 13 bytes) in four groups of five: ``k7m2p-9xq4r-0vd3s-tt81b``."""
    if len(entropy) != 13:
        raise ValueError("a recovery code takes exactly 13 bytes of entropy")
    number = int.from_bytes(entropy) & ((1 << 100) - 1)
    body = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(95, -1, -5))
    return "-".join(body[at : at + 5] for at in range(0, 20, 5))


def recovery_id(operator_id: str, body: str) -> str:
    """Under this a recovery code is kept: its digest, which differs for each operator. Nobody
    guesses 100 bits, so no slow hash is needed."""
    return hashlib.sha256(f"{operator_id}:{body}".encode()).hexdigest()
