"""How long things last.

Answers for: the spans that Amazon sets and the margins that we keep. Does not answer for: what
follows when a span is over (`lifecycle`) or for reminders.

Sources: 365 days per consent of a public application: Amazon's page "renew-authorizations". 180
days per client secret, first notice at 90, old secret good for 7 days after a rotation: page
"rotating-your-apps-lwa-credentials" and the official credential-rotation sample. Access tokens of
3600 s: developer guide, "connecting to the API".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from evergrant.rules.applications import ApplicationKind

__all__ = [
    "ACCESS_TOKEN_LIFE",
    "ACCESS_TOKEN_MARGIN",
    "CALL_COUNTS_KEPT",
    "CLOSED_KEPT",
    "CODE_LIFE",
    "EVENTS_KEPT",
    "GRANT_TERM",
    "HANDSHAKES_KEPT",
    "JOURNAL_KEPT_AT_LEAST",
    "LONGEST_MIN_TTL_S",
    "REFRESH_AHEAD",
    "REMINDERS_KEPT",
    "REPORTS_KEPT",
    "SECRET_NOTICE",
    "SECRET_OVERLAP",
    "SECRET_TERM",
    "SENT_KEPT",
    "SETTLED_NOTICES_KEPT",
    "SOLVED_REPORTS_KEPT",
    "SUPERSEDED_KEPT",
    "UNDELIVERED_KEPT",
    "Phase",
    "SecretPhase",
    "ahead_s",
    "grant_term_ends_at",
    "journal_kept_from",
    "phase",
    "refresh_ahead",
    "secret_ends_at",
    "secret_phase",
    "usable",
]

GRANT_TERM = timedelta(days=365)
SECRET_TERM = timedelta(days=180)
SECRET_NOTICE = timedelta(days=90)  # so long before the end Amazon begins to remind
SECRET_OVERLAP = timedelta(days=7)
CODE_LIFE = timedelta(minutes=5)
ACCESS_TOKEN_LIFE = timedelta(seconds=3600)

#: The last seconds of an access token are never handed out: clocks differ, requests travel.
ACCESS_TOKEN_MARGIN = timedelta(seconds=60)

#: With so much left we refresh in the background, before anybody has to wait (`ahead_s` says
#: what that means to a caller who needs more than a moment).
REFRESH_AHEAD = timedelta(seconds=600)

#: More cannot be promised of a token that lives 3600 s.
LONGEST_MIN_TTL_S = int((ACCESS_TOKEN_LIFE - ACCESS_TOKEN_MARGIN).total_seconds())

#: How long records are kept that nobody needs for the work itself. They hold mail addresses, names
#: of accounts and digests of browsers. What security asks for (Amazon's Data Protection Policy:
#: logs for at least 12 months) is the journal, and no line of the journal goes before that.
#: An attempt at consent: partners and support come back to it within a quarter, or not at all.
HANDSHAKES_KEPT = timedelta(days=90)
#: A mail or event that arrived: "did you get it" is asked within a month.
SENT_KEPT = timedelta(days=30)
#: One that never arrived: somebody may still have to find out why.
UNDELIVERED_KEPT = timedelta(days=90)
#: A report that was solved: long enough to be opened again when the trouble comes back.
SOLVED_REPORTS_KEPT = timedelta(days=90)
#: Any report: a whole term of a grant, and a month for the renewal that failed at its end.
REPORTS_KEPT = timedelta(days=400)
#: How often each account called what, by the hour: long enough to compare a quarter with the last.
CALL_COUNTS_KEPT = timedelta(days=90)
#: What a client instance was told: it reads on after an outage, not after a season.
EVENTS_KEPT = timedelta(days=90)
#: A notice that is settled: how often something comes back is seen within half a year.
SETTLED_NOTICES_KEPT = timedelta(days=180)
#: A line of the ledger, after the end that it tells of: the whole of the next term, and a month.
REMINDERS_KEPT = timedelta(days=400)
#: A refresh token that was replaced, when no call proved its successor: who lives on the new one
#: for a month has no use for the old one.
SUPERSEDED_KEPT = timedelta(days=30)
#: Personal data of an account that was closed, and what Amazon gave for it (Amazon's Data
#: Protection Policy: 30 days for personal data).
CLOSED_KEPT = timedelta(days=30)
#: Twelve months, none of which is shorter than it is long.
JOURNAL_KEPT_AT_LEAST = timedelta(days=366)

_REMINDED = timedelta(days=30)
_PRESSING = timedelta(days=9)


class Phase(StrEnum):
    """Where a grant stands in its term, in rising urgency."""

    UNKNOWN = "unknown"  # no end is known
    FRESH = "fresh"
    DUE = "due"  # the weekly reminders run
    URGENT = "urgent"  # nine days or less
    OVER = "over"


class SecretPhase(StrEnum):
    """Where a client secret stands in its 180 days, in rising urgency."""

    UNKNOWN = "unknown"
    OK = "ok"
    NOTICE = "notice"  # Amazon has begun to remind
    URGENT = "urgent"  # two weeks or less
    DEAD = "dead"


def grant_term_ends_at(
    granted_at: datetime | None, application_kind: ApplicationKind
) -> datetime | None:
    """The end of a grant's term, or None: no date known, or a self-authorization of a private
    application, for which Amazon states no end."""
    if granted_at is None or application_kind is ApplicationKind.PRIVATE:
        return None
    return granted_at + GRANT_TERM


def phase(now: datetime, ends_at: datetime | None) -> Phase:
    if ends_at is None:
        return Phase.UNKNOWN
    left = ends_at - now
    if left <= timedelta(0):
        return Phase.OVER
    if left <= _PRESSING:
        return Phase.URGENT
    return Phase.DUE if left <= _REMINDED else Phase.FRESH


def journal_kept_from(now: datetime, months: int | None) -> datetime | None:
    """The instant before which the journal's lines may go; None: they stay for good. Never one of
    the last twelve months."""
    if months is None:
        return None
    years, month = divmod(now.month - 1 - max(months, 12), 12)
    # Every month has a 28th day.
    then = now.replace(day=min(now.day, 28), month=month + 1, year=now.year + years)
    return min(then, now - JOURNAL_KEPT_AT_LEAST)


def secret_ends_at(created_at: datetime | None) -> datetime | None:
    return None if created_at is None else created_at + SECRET_TERM


def secret_phase(now: datetime, expires_at: datetime | None) -> SecretPhase:
    if expires_at is None:
        return SecretPhase.UNKNOWN
    left = expires_at - now
    if left <= timedelta(0):
        return SecretPhase.DEAD
    if left <= timedelta(days=14):
        return SecretPhase.URGENT
    return SecretPhase.NOTICE if left <= SECRET_NOTICE else SecretPhase.OK


def usable(now: datetime, expires_at: datetime, min_ttl_s: int = 0) -> bool:
    """Whether an access token may be handed out to somebody who needs it for ``min_ttl_s`` s."""
    return expires_at - now >= ACCESS_TOKEN_MARGIN + timedelta(seconds=min_ttl_s)


def refresh_ahead(now: datetime, expires_at: datetime, min_ttl_s: int = 0) -> bool:
    """Whether a usable access token is old enough to be replaced in the background."""
    return (expires_at - now).total_seconds() < ahead_s(min_ttl_s)


def ahead_s(min_ttl_s: int) -> int:
    """Seconds left below which a token is replaced ahead, for somebody who needs ``min_ttl_s``.

    Counted from the moment when the token gets too old for that caller. Who needs nearly the
    whole life of a token would have it replaced at every call; for them it is the last half of
    what is usable."""
    margin_s = int(ACCESS_TOKEN_MARGIN.total_seconds())
    span_s = int(REFRESH_AHEAD.total_seconds()) - margin_s
    return margin_s + min_ttl_s + min(span_s, (LONGEST_MIN_TTL_S - min_ttl_s) // 2)
