"""How many attempts to sign in may fail, and what comes after.

Answers for: when one more attempt is let in, how long is locked, and what an address counts as.
Does not answer for: counting (the lodge does, in the database) or for what an attempt is.

An attempt is charged before the password is looked at and given back when it was right, so that a
hundred attempts at once are ten, and ninety that were not let in.

Whoever is locked waits and is counted no further: a stranger can make somebody wait for an hour at
most, and never those who are signed in already. An admin unlocks at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

__all__ = ["FORGOTTEN_AFTER", "LADDER", "MOST_FAILURES", "Tally", "Verdict", "charge", "failed",
           "origin_of", "was_right"]  # fmt: skip

MOST_FAILURES = 10
#: The first lock is for somebody who tried all old passwords one after the other. The last one
#: leaves a guesser ten attempts in an hour, for a password of twelve characters or more.
LADDER = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
)
#: Nothing failed for so long: it begins anew.
FORGOTTEN_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What is counted of one address or operator. ``tried_at`` None: never."""

    failures: int = 0
    locks: int = 0
    locked_until: datetime | None = None
    tried_at: datetime | None = None

    def is_locked(self, now: datetime) -> bool:
        return self.locked_until is not None and now < self.locked_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``tally`` is what has to be written down; ``just_locked``: it was open until now."""

    tally: Tally
    admitted: bool
    just_locked: bool = False


def charge(tally: Tally, now: datetime) -> Verdict:
    """One more attempt wants in."""
    if tally.is_locked(now):
        return Verdict(tally=tally, admitted=False)
    if tally.tried_at is not None and now - tally.tried_at >= FORGOTTEN_AFTER:
        tally = Tally()
    if tally.failures >= MOST_FAILURES:
        # So many were let in and none has said yet how it went, or their process died.
        return _locked(tally, now, admitted=False)
    charged = replace(tally, failures=tally.failures + 1, locked_until=None, tried_at=now)
    return Verdict(tally=charged, admitted=True)


def failed(tally: Tally, now: datetime) -> Verdict:
    """An attempt that was let in, and charged, was wrong."""
    if tally.is_locked(now) or tally.failures < MOST_FAILURES:
        return Verdict(tally=tally, admitted=True)
    return _locked(tally, now, admitted=True)


def was_right(tally: Tally) -> Tally:
    """The charge is given back. For what many people share, such as a network address: one right
    password must not wipe out what was guessed about others."""
    return replace(tally, failures=max(0, tally.failures - 1))


def _locked(tally: Tally, now: datetime, *, admitted: bool) -> Verdict:
    pause = LADDER[min(tally.locks, len(LADDER) - 1)]
    locked = Tally(failures=0, locks=tally.locks + 1, locked_until=now + pause, tried_at=now)
    return Verdict(tally=locked, admitted=admitted, just_locked=True)


def origin_of(address: str) -> str:
    """What counts as one address: of IPv6 the /64, which is one household or server."""
    try:
        known = ip_address(address.partition("%")[0].strip())
    except ValueError:
        return address.strip().lower()[:200]
    if known.version == 6 and known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    if known.version == 6:
        return str(ip_network(f"{known}/64", strict=False))
    return str(known)
