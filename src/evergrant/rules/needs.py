"""The needs that a thing can have, in falling urgency, and what helps against each.

Answers for: the table: gravity, what it is about, the words on its badge, the action beside it; and
which notices are which need. Does not answer for: which of them hold (``attention``), or for where
an action is done (the doors).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from evergrant.rules.notices import NoticeKind

__all__ = [
    "ACTIONS",
    "DUE",
    "NEEDS",
    "OF_HOUSE",
    "OF_NOTICE",
    "REFUSED_SHOWN",
    "REPORTS_SHOWN",
    "SECRET_URGENT",
    "SILENT_AFTER",
    "URGENT",
    "Action",
    "ActionWords",
    "Need",
    "NeedFacts",
    "Of",
    "Weight",
    "place",
]

#: The weekly reminders have begun, and the last two of them are out.
DUE = timedelta(days=30)
URGENT = timedelta(days=9)
#: Of a client secret: two weeks, as `terms.secret_phase` has it.
SECRET_URGENT = timedelta(days=14)
#: A link that did not lead to consent for so long: a call helps more than a further mail.
SILENT_AFTER = timedelta(days=3)
#: A failed consent is somebody's work for so long, if no later one succeeded.
REPORTS_SHOWN = timedelta(days=14)
#: What Amazon refused within this time is shown beside the account.
REFUSED_SHOWN = timedelta(hours=24)


class Weight(StrEnum):
    """How a badge looks."""

    BAD = "bad"  # needs somebody now
    WARM = "warm"  # needs somebody soon
    QUIET = "quiet"  # worth knowing
    GOOD = "good"


class Of(StrEnum):
    """What a need is about: where it has to be seen to."""

    ACCOUNT = "account"
    APPLICATION = "application"  # all of its accounts feel it, none of them is marked
    INSTANCE = "instance"
    HOUSE = "house"


class Need(StrEnum):
    """Worst first: their order here is that of every list."""

    APPLICATION_REFUSED = "application_refused"
    SECRET_DEAD = "secret_dead"  # noqa: S105
    ROTATION_STUCK = "rotation_stuck"
    REVOKED = "revoked"
    LAPSED = "lapsed"
    UNCERTAIN = "uncertain"
    DENIED = "denied"
    TERM_URGENT = "term_urgent"
    INSTANCE_SILENT = "instance_silent"
    SECRET_ENDING = "secret_ending"  # noqa: S105
    BOUNCED = "bounced"
    CONSENT_FAILED = "consent_failed"
    RENEWAL_FAILED = "renewal_failed"
    ROLE_LOST = "role_lost"
    NO_SELLER_ID = "no_seller_id"
    REFUSED_LINES = "refused_lines"
    FEED_STUCK = "feed_stuck"
    LETTERS_BOUNCED = "letters_bounced"
    QUEUE_TROUBLE = "queue_trouble"
    SUSPENDED = "suspended"
    LEFT = "left"
    LINK_OVER = "link_over"
    LINK_SILENT = "link_silent"
    NOT_INVITED = "not_invited"
    TERM_DUE = "term_due"
    ORDERS_LACK = "orders_lack"
    UNDATED = "undated"
    FINDING = "finding"
    NOTIFICATIONS_TROUBLE = "notifications_trouble"
    AGED = "aged"
    PAUSED = "paused"
    NO_MERCHANT_TOKEN = "no_merchant_token"  # noqa: S105


class Action(StrEnum):
    """The one thing that helps. Doors know where each of them is done."""

    RENEW = "renew"
    SEND_LINK = "send_link"
    ADOPT = "adopt"
    CALL = "call"
    CORRECT_EMAIL = "correct_email"
    ADD_SELLER_ID = "add_seller_id"
    TELL_DAY = "tell_day"
    DECIDE = "decide"
    LOOK_AT_LINES = "look_at_lines"
    LOOK_AT_RUN = "look_at_run"
    LOOK_AT_REPORT = "look_at_report"
    LOOK_AT_ACCOUNT = "look_at_account"
    ADD_ROLE = "add_role"
    RESUME = "resume"
    ROTATE_SECRET = "rotate_secret"  # noqa: S105
    LOOK_AT_APPLICATION = "look_at_application"
    LOOK_AT_INSTANCE = "look_at_instance"
    LOOK_AT_MAIL = "look_at_mail"


@dataclass(frozen=True, slots=True)
class ActionWords:
    """``label`` stands on the button; ``what`` says in a sentence what it does."""

    label: str
    what: str


@dataclass(frozen=True, slots=True)
class NeedFacts:
    """``counts``: whether it makes a thing one that needs somebody, or is only shown beside it."""

    weight: Weight
    of: Of
    title: str
    action: Action
    counts: bool = True


_A = Action
# fmt: off
ACTIONS: Mapping[Action, ActionWords] = MappingProxyType({
    _A.RENEW: ActionWords("Renew", "Mails the selling partner a link to authorize again."),
    _A.SEND_LINK: ActionWords("Send link", "Mails the selling partner a fresh link."),
    _A.ADOPT: ActionWords("Adopt", "Takes over a refresh token from Amazon's own console."),
    _A.CALL: ActionWords("Go through it by phone",
        "Opens the consent while the selling partner is on the phone."),
    _A.CORRECT_EMAIL: ActionWords("Correct the e-mail", "Then the link can be sent again."),
    _A.ADD_SELLER_ID: ActionWords("Add it", "Where it is found is said beside the field."),
    _A.TELL_DAY: ActionWords("Note the day", "Then reminders go out in time."),
    _A.DECIDE: ActionWords("Decide", "Say what became of each line; nothing is sent twice."),
    _A.LOOK_AT_LINES: ActionWords("See the lines", "Amazon's words stand with each of them."),
    _A.LOOK_AT_RUN: ActionWords("See the run", "How far it came, and what Amazon last said."),
    _A.LOOK_AT_REPORT: ActionWords("See the report", "What happened, and what helps."),
    _A.LOOK_AT_ACCOUNT: ActionWords("Look", "All that is known of the account."),
    _A.ADD_ROLE: ActionWords("See what is missing",
        "Add the role in Amazon's console; then the selling partner authorizes again."),
    _A.RESUME: ActionWords("Resume", "What waits goes on."),
    _A.ROTATE_SECRET: ActionWords("Rotate the secret", "A fresh client secret takes its place."),
    _A.LOOK_AT_APPLICATION: ActionWords("See the application", "Its credentials and its queue."),
    _A.LOOK_AT_INSTANCE: ActionWords("See its webhooks", "What it answered, and what waits."),
    _A.LOOK_AT_MAIL: ActionWords("See the mail", "What could not be delivered, and why."),
})


def _bad(title: str, action: Action, of: Of = Of.ACCOUNT) -> NeedFacts:
    return NeedFacts(Weight.BAD, of, title, action)


def _warm(title: str, action: Action, of: Of = Of.ACCOUNT, *, counts: bool = True) -> NeedFacts:
    return NeedFacts(Weight.WARM, of, title, action, counts)


def _quiet(title: str, action: Action, of: Of = Of.ACCOUNT, *, counts: bool = True) -> NeedFacts:
    return NeedFacts(Weight.QUIET, of, title, action, counts)


_N, _APP = Need, Of.APPLICATION
NEEDS: Mapping[Need, NeedFacts] = MappingProxyType({
    _N.APPLICATION_REFUSED: _bad("Amazon refuses the application", _A.LOOK_AT_APPLICATION, _APP),
    _N.SECRET_DEAD: _bad("Client secret is over", _A.ROTATE_SECRET, _APP),
    _N.ROTATION_STUCK: _bad("Rotation of the secret is stuck", _A.ROTATE_SECRET, _APP),
    _N.REVOKED: _bad("Revoked", _A.RENEW),
    _N.LAPSED: _bad("Lapsed", _A.RENEW),
    _N.UNCERTAIN: _bad("Outcome unknown", _A.DECIDE),
    _N.DENIED: _bad("Amazon denies it", _A.ADD_ROLE),
    _N.TERM_URGENT: _bad("Ends soon", _A.RENEW),
    _N.INSTANCE_SILENT: _bad("Webhooks fail", _A.LOOK_AT_INSTANCE, Of.INSTANCE),
    _N.SECRET_ENDING: _bad("Client secret ends soon", _A.ROTATE_SECRET, _APP),
    _N.BOUNCED: _bad("Mail did not arrive", _A.CORRECT_EMAIL),
    _N.CONSENT_FAILED: _warm("Consent failed", _A.LOOK_AT_REPORT),
    _N.RENEWAL_FAILED: _warm("Renewal did not work", _A.RENEW),
    _N.ROLE_LOST: _warm("Role is missing", _A.ADD_ROLE),
    _N.NO_SELLER_ID: _warm("Seller id is missing", _A.ADD_SELLER_ID),
    _N.REFUSED_LINES: _warm("Lines refused", _A.LOOK_AT_LINES),
    _N.FEED_STUCK: _warm("Feed is stuck", _A.LOOK_AT_RUN),
    _N.LETTERS_BOUNCED: _warm("Mail to operators did not arrive", _A.LOOK_AT_MAIL, Of.HOUSE),
    _N.QUEUE_TROUBLE: _warm("Queue cannot be read", _A.LOOK_AT_APPLICATION, _APP),
    _N.SUSPENDED: _warm("Listings suspended", _A.LOOK_AT_ACCOUNT),
    _N.LEFT: _warm("Left a marketplace", _A.LOOK_AT_ACCOUNT),
    _N.LINK_OVER: _warm("Link is over", _A.SEND_LINK),
    _N.LINK_SILENT: _warm("No answer to the link", _A.CALL),
    _N.NOT_INVITED: _warm("No link sent yet", _A.SEND_LINK),
    # The renewal mails go out by themselves; a person is needed for who does not heed them.
    _N.TERM_DUE: _warm("To be renewed", _A.RENEW, counts=False),
    _N.ORDERS_LACK: _warm("Orders come without a role", _A.ADD_ROLE),
    _N.UNDATED: _warm("End unknown", _A.TELL_DAY),
    _N.FINDING: _warm("First look found something", _A.LOOK_AT_ACCOUNT),
    _N.NOTIFICATIONS_TROUBLE: _warm("Notifications do not arrive", _A.LOOK_AT_APPLICATION, _APP),
    _N.AGED: _quiet("A year old", _A.ADOPT),
    _N.PAUSED: _quiet("Paused", _A.RESUME, counts=False),
    _N.NO_MERCHANT_TOKEN: _quiet("No merchant token", _A.ADD_SELLER_ID, counts=False),
})
# fmt: on

#: What hangs on the notice board about an account, as a need. The kinds that are left out are told
#: by the state of the authorization, whether somebody has settled the notice or not.
OF_NOTICE: Mapping[NoticeKind, Need] = MappingProxyType(
    {
        NoticeKind.FEED_UNCERTAIN: Need.UNCERTAIN,
        NoticeKind.FEED_DENIED: Need.DENIED,
        NoticeKind.LETTER_UNDELIVERED: Need.BOUNCED,
        NoticeKind.RENEWAL_FAILED: Need.RENEWAL_FAILED,
        NoticeKind.ROLE_LOST: Need.ROLE_LOST,
        NoticeKind.FEED_REFUSED_ALL: Need.REFUSED_LINES,
        NoticeKind.FEED_STUCK: Need.FEED_STUCK,
        NoticeKind.LISTINGS_SUSPENDED: Need.SUSPENDED,
        NoticeKind.MARKETPLACE_LEFT: Need.LEFT,
        NoticeKind.TERM_BELIEVED: Need.AGED,
    }
)
#: What hangs there and is about no account.
OF_HOUSE: Mapping[NoticeKind, Need] = MappingProxyType(
    {
        NoticeKind.APPLICATION_REFUSED: Need.APPLICATION_REFUSED,
        NoticeKind.SECRET_DEAD: Need.SECRET_DEAD,
        NoticeKind.SECRET_ENDING: Need.SECRET_ENDING,
        NoticeKind.ROTATION_STUCK: Need.ROTATION_STUCK,
        NoticeKind.QUEUE_TROUBLE: Need.QUEUE_TROUBLE,
        NoticeKind.NOTIFICATIONS_TROUBLE: Need.NOTIFICATIONS_TROUBLE,
        NoticeKind.EVENTS_UNDELIVERED: Need.INSTANCE_SILENT,
        NoticeKind.LETTER_UNDELIVERED: Need.LETTERS_BOUNCED,
    }
)

_PLACES: Mapping[Need, int] = MappingProxyType({need: at for at, need in enumerate(Need)})


def place(need: Need) -> int:
    """Where it stands among all, the worst being 0."""
    return _PLACES[need]


def _assert_complete() -> None:
    missing = set(Need) - set(NEEDS) or set(Action) - set(ACTIONS)
    if missing:
        raise AssertionError(f"no words for {sorted(missing)}")


_assert_complete()
