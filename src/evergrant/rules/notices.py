"""What can be on the notice board: each kind with its gravity, its title, and what to do.

Answers for: the list. Does not answer for: when one is put up or settled (the rooms).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["KINDS", "Gravity", "KindOfNotice", "NoticeKind"]


class Gravity(StrEnum):
    """In falling urgency."""

    ERROR = "error"  # something does not work
    WARNING = "warning"  # something will not work, or not safely
    NOTE = "note"  # worth knowing


class NoticeKind(StrEnum):
    TERM_ENDING = "term_ending"
    TERM_OVER = "term_over"
    TERM_BELIEVED = "term_believed"
    TERM_UNKNOWN = "term_unknown"
    GRANT_REFUSED = "grant_refused"
    RENEWAL_FAILED = "renewal_failed"
    LETTER_UNDELIVERED = "letter_undelivered"
    EVENTS_UNDELIVERED = "events_undelivered"
    SECRET_ENDING = "secret_ending"  # noqa: S105
    SECRET_DEAD = "secret_dead"  # noqa: S105
    APPLICATION_REFUSED = "application_refused"
    ROTATION_STUCK = "rotation_stuck"
    QUEUE_TROUBLE = "queue_trouble"
    NOTIFICATIONS_TROUBLE = "notifications_trouble"
    MARKETPLACE_LEFT = "marketplace_left"
    LISTINGS_SUSPENDED = "listings_suspended"
    ROLE_LOST = "role_lost"
    FEED_STUCK = "feed_stuck"
    FEED_UNCERTAIN = "feed_uncertain"
    FEED_REFUSED_ALL = "feed_refused_all"
    FEED_DENIED = "feed_denied"


@dataclass(frozen=True, slots=True)
class KindOfNotice:
    gravity: Gravity
    title: str
    hint: str


_E, _W, _N = Gravity.ERROR, Gravity.WARNING, Gravity.NOTE

# fmt: off
KINDS: Mapping[NoticeKind, KindOfNotice] = MappingProxyType({
    NoticeKind.TERM_ENDING: KindOfNotice(_W, "An authorization ends soon",
        "The client has the renewal link by mail; send it again (`evergrant account invite`), or "
        "call."),
    NoticeKind.TERM_OVER: KindOfNotice(_E, "An authorization has lapsed",
        "Nothing of this account goes on until the selling partner renews. Send the link "
        "(`evergrant account invite`), or call."),
    NoticeKind.TERM_BELIEVED: KindOfNotice(_N, "A self-authorization is a year old",
        "Amazon states no end for it; that it may end is our belief. Authorize the application "
        "again in Amazon's console at a quiet hour and adopt the new refresh token: "
        "`evergrant account adopt`."),
    NoticeKind.TERM_UNKNOWN: KindOfNotice(_N, "Nobody knows when an authorization ends",
        "Amazon does not tell. Ask the client when they authorized and note the day "
        "(`evergrant account granted`), or have them renew with the link: then it is known."),
    NoticeKind.GRANT_REFUSED: KindOfNotice(_E, "Amazon refuses an authorization",
        "The selling partner took it back, or Amazon did. Send the link "
        "(`evergrant account invite`); they authorize anew."),
    NoticeKind.RENEWAL_FAILED: KindOfNotice(_W, "A renewal did not work",
        "The former grant is in force again. Look into the report, then send the link again."),
    NoticeKind.LETTER_UNDELIVERED: KindOfNotice(_W, "A mail did not arrive",
        "To a client: correct the client e-mail (`evergrant account change --email`), then send "
        "the link again (`evergrant account invite`). To operators: correct "
        "EVERGRANT_OPERATORS_EMAIL, and read here what the mail would have said."),
    NoticeKind.EVENTS_UNDELIVERED: KindOfNotice(_W, "A client instance does not take its events",
        "Look at its webhook URL and its log, then try it: `evergrant instance test`. What it "
        "missed can be sent again (`evergrant events resend`) or read with `GET /v1/events`."),
    NoticeKind.SECRET_ENDING: KindOfNotice(_W, "A client secret ends soon",
        "Rotate it: `evergrant app rotate-secret`."),
    NoticeKind.SECRET_DEAD: KindOfNotice(_E, "A client secret is over",
        "All accounts of the application are down. Rotate it in Amazon's console, then "
        "`evergrant app rotate-secret`."),
    NoticeKind.APPLICATION_REFUSED: KindOfNotice(_E, "Amazon refuses an application",
        "All its accounts are down, and none of them is at fault. Check its client id and client "
        "secret in Amazon's console; a new secret goes in with `evergrant app rotate-secret`."),
    NoticeKind.ROTATION_STUCK: KindOfNotice(_E, "A rotation of a client secret is stuck",
        "See `evergrant app rotation`; the working secret is not touched. Paste the new one from "
        "Amazon's console."),
    NoticeKind.QUEUE_TROUBLE: KindOfNotice(_W, "The queue of an application cannot be read",
        "Check role ARN, access key, secret key and queue URL of its integration credentials."),
    NoticeKind.NOTIFICATIONS_TROUBLE: KindOfNotice(
        _W, "Notifications of an application do not arrive",
        "Nothing is lost: feeds, orders and reports are looked for without them, only later. Check "
        "the notifications queue URL of the application's integration credentials, its AWS keys "
        "and the policy of the queue."),
    NoticeKind.MARKETPLACE_LEFT: KindOfNotice(_W, "An account has left a marketplace",
        "Ask the client whether that was meant."),
    NoticeKind.LISTINGS_SUSPENDED: KindOfNotice(_W, "Listings of an account are suspended",
        "Amazon did that; the client has to settle it in Seller Central."),
    NoticeKind.ROLE_LOST: KindOfNotice(_W, "Amazon denies an account what it allowed before",
        "A role is missing, or was added to the application after this grant: then the selling "
        "partner has to authorize again."),
    NoticeKind.FEED_STUCK: KindOfNotice(_W, "Amazon is not done with a feed for hours",
        "Nothing more of its kind is sent for the account meanwhile; only stock that is sold out "
        "goes on, listing by listing. A feed that hangs can be freed by Seller Support alone: open "
        "a case with the feed's id."),
    NoticeKind.FEED_UNCERTAIN: KindOfNotice(_E, "Nobody can tell whether Amazon did something",
        "It is not sent again by itself, because it must not happen twice. Look at the orders in "
        "Seller Central, then decide: `evergrant feeds show` names the changes of the run."),
    NoticeKind.FEED_REFUSED_ALL: KindOfNotice(_W, "Amazon refused every change of a run",
        "Most likely the program that hands them in has a mistake. Amazon's words stand with each "
        "change: `evergrant feeds show`."),
    NoticeKind.FEED_DENIED: KindOfNotice(_E, "Amazon does not let an account do something",
        "A role is missing in the application, or the account is not enrolled. The changes wait "
        "and are tried each hour; nothing is lost. Add the role in Amazon's console; then the "
        "selling partner has to authorize again (`evergrant account invite`)."),
})
# fmt: on


def _assert_complete() -> None:
    missing = set(NoticeKind) - set(KINDS)
    if missing:
        raise AssertionError(f"no words for {sorted(missing)}")


_assert_complete()
