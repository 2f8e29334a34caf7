"""Which accounts need somebody, why, and the one thing that helps.

Answers for: the table of needs in falling urgency, each with its gravity, the words on its badge
and the action beside it; and which of them hold for an account, from what is known of it. Does not
answer for: finding that out (the store's boards), or for where an action is done (the doors).

The store decides the same conditions in SQL, to sort and count very many accounts; one suite of
tests runs over both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from evergrant.rules import order_sweeps
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.notices import NoticeKind
from evergrant.rules.order_sweeps import Lack
from evergrant.rules.reminders import day_words, left_words

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
    "AccountSigns",
    "Action",
    "ActionWords",
    "Badge",
    "LetterFate",
    "LinkSigns",
    "Need",
    "NeedFacts",
    "NoticeSigns",
    "Of",
    "Weight",
    "badge_of_notice",
    "badges",
    "badges_of_application",
    "needs_somebody",
    "place",
    "worst",
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


def _warm(title: str, action: Action, of: Of = Of.ACCOUNT) -> NeedFacts:
    return NeedFacts(Weight.WARM, of, title, action)


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
    _N.TERM_DUE: _warm("To be renewed", _A.RENEW),
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


# --- what is known of an account -----------------------------------------------------------------


class LetterFate(StrEnum):
    """What became of the mail that carries a link."""

    NONE = "none"  # it was made to be copied; nobody mailed it
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSigns:
    """The newest link. ``works``: it is neither spent, nor withdrawn, nor too old."""

    made_at: datetime
    expires_at: datetime
    open: bool
    opened_at: datetime | None = None
    letter: LetterFate = LetterFate.NONE
    letter_error: str = ""
    mailed_at: datetime | None = None

    def works(self, now: datetime) -> bool:
        return self.open and now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSigns:
    """One open notice about the account. ``subject``: the run, say."""

    id: str
    kind: NoticeKind
    subject: str
    message: str
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSigns:
    """Everything by which it is judged whether an account needs somebody."""

    state: State
    partner_kind: PartnerKind
    private: bool = False  # its application has no consent page
    client_email: str = ""
    merchant_token: str = ""
    vendor_codes: tuple[str, ...] = ()
    selling_partner_id: str = ""
    has_grant: bool = False
    granted_at: datetime | None = None
    term_ends_at: datetime | None = None
    refused_at: datetime | None = None
    refused_reason: str = ""
    finding: str = ""
    first_refused_at: datetime | None = None  # a second look decides
    probe_doubt: str = ""  # what the last probe found and the next has to confirm
    look_due_at: datetime | None = None  # the first look at its grant is still owed
    link: LinkSigns | None = None
    notices: tuple[NoticeSigns, ...] = ()
    uncertain: int = 0  # changes of which nobody knows what became
    uncertain_run_id: str = ""
    refused_lines: int = 0  # within REFUSED_SHOWN
    refused_run_id: str = ""
    report_reference: str = ""  # of the newest unsolved one within REPORTS_SHOWN
    report_at: datetime | None = None
    sweep_lacks: str = ""  # a word of `order_sweeps.Lack`
    paused_at: datetime | None = None
    paused_by: str = ""
    application_id: str = ""
    application_trouble: str = ""
    application_trouble_since: datetime | None = None
    secret_expires_at: datetime | None = None
    instance_id: str = ""
    instance_silent_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """One need as it is shown: ``words`` on the badge, ``why`` in a sentence or two, and the one
    ``action`` beside it. ``subject``: the run, report, application or instance that the action is
    about; empty where it is about the account itself."""

    need: Need
    weight: Weight
    words: str
    why: str
    action: Action
    label: str
    subject: str = ""
    since: datetime | None = None

    @property
    def counts(self) -> bool:
        """Whether it makes the account one that needs somebody."""
        facts = NEEDS[self.need]
        return facts.counts and facts.of is Of.ACCOUNT


# --- the badges ----------------------------------------------------------------------------------


def badges(signs: AccountSigns, now: datetime) -> tuple[Badge, ...]:
    """Every need that holds, the worst first, each once."""
    found: dict[Need, Badge] = {}
    for badge in _found(signs, now):
        found.setdefault(badge.need, badge)
    return tuple(found[need] for need in sorted(found, key=place))


def worst(shown: Iterable[Badge]) -> Badge | None:
    """The worst of those that make the account one that needs somebody."""
    return next((badge for badge in shown if badge.counts), None)


def needs_somebody(shown: Iterable[Badge]) -> bool:
    return worst(shown) is not None


def badges_of_application(
    *, id: str, trouble: str, trouble_since: datetime | None, secret_expires_at: datetime | None,
    now: datetime,
) -> tuple[Badge, ...]:  # fmt: skip
    """What stands against an application, and so against all of its accounts."""
    found = []
    if trouble:
        why = f"Amazon's sign-in service says of the application: {_sentence(trouble)}"
        found.append(_badge(Need.APPLICATION_REFUSED, why, subject=id, since=trouble_since))
    if secret_expires_at is not None and secret_expires_at <= now:
        why = f"Its client secret ended {_day(secret_expires_at, now)}; all its accounts are down."
        found.append(_badge(Need.SECRET_DEAD, why, subject=id, since=secret_expires_at))
    elif secret_expires_at is not None and secret_expires_at <= now + SECRET_URGENT:
        why = f"Its client secret ends {_day(secret_expires_at, now)}; then its accounts are down."
        words = f"Client secret ends {_day(secret_expires_at, now)}"
        found.append(_badge(Need.SECRET_ENDING, why, words=words, subject=id))
    return tuple(found)


def badge_of_notice(need: Need, message: str, since: datetime, *, subject: str = "") -> Badge:
    """Of what hangs on the notice board about no account."""
    return _badge(need, _sentence(message), subject=subject, since=since)


def _found(signs: AccountSigns, now: datetime) -> Iterator[Badge]:
    if signs.uncertain:
        yield _uncertain(signs)
    if signs.state is State.CLOSED:
        # Nothing else of it is anybody's work.
        yield from (one for one in _of_notices(signs) if one.need is Need.UNCERTAIN)
        return
    yield from _of_state[signs.state](signs, now)
    yield from _of_notices(signs)
    if signs.state is State.ACTIVE:
        yield from _of_orders(signs)
    if signs.refused_lines:
        yield _badge(
            Need.REFUSED_LINES,
            f"Amazon refused {_lines(signs.refused_lines)} in the last 24 hours.",
            words=f"{_lines(signs.refused_lines)} refused",
            subject=signs.refused_run_id,
        )
    if signs.report_at is not None and signs.state is not State.ACTIVE:
        yield _badge(
            Need.CONSENT_FAILED,
            f"The selling partner tried {_day(signs.report_at, now)} and did not get through.",
            subject=signs.report_reference,
            since=signs.report_at,
        )
    if signs.paused_at is not None:
        yield _badge(
            Need.PAUSED,
            f"{signs.paused_by or 'Somebody'} paused its work {_day(signs.paused_at, now)}.",
            since=signs.paused_at,
        )
    yield from _of_ids(signs)
    yield from badges_of_application(
        id=signs.application_id,
        trouble=signs.application_trouble,
        trouble_since=signs.application_trouble_since,
        secret_expires_at=signs.secret_expires_at,
        now=now,
    )
    if signs.instance_silent_since is not None:
        yield _badge(
            Need.INSTANCE_SILENT,
            "Its client instance does not take its events; they wait or can be sent again.",
            subject=signs.instance_id,
            since=signs.instance_silent_since,
        )


def _awaiting(signs: AccountSigns, now: datetime) -> Iterator[Badge]:
    link = signs.link
    if signs.private:
        yield _badge(
            Need.NOT_INVITED,
            "Its application is private: authorize it in Amazon's own console and paste the "
            "refresh token.",
            words="Not adopted yet",
            action=Action.ADOPT,
        )
    elif link is None:
        yield _badge(Need.NOT_INVITED, "The selling partner has not been asked yet.")
    elif not link.works(now):
        yield _badge(
            Need.LINK_OVER,
            f"The link of {_date(link.made_at)} does not work any more.",
            since=min(link.expires_at, now),
        )
    elif link.made_at <= now - SILENT_AFTER:
        read = "was opened" if link.opened_at else "was not opened yet"
        yield _badge(
            Need.LINK_SILENT,
            f"The link of {_date(link.made_at)} {read}; a call helps more than a further mail.",
            words=f"No answer since {_date(link.made_at)}",
            since=link.made_at,
        )


def _active(signs: AccountSigns, now: datetime) -> Iterator[Badge]:
    ends_at = signs.term_ends_at
    if ends_at is not None and ends_at <= now + DUE:
        need = Need.TERM_URGENT if ends_at <= now + URGENT else Need.TERM_DUE
        over = ends_at <= now
        yield _badge(
            need,
            f"The authorization {'ended' if over else 'ends'} {_day(ends_at, now)}; "
            f"{_renewal(signs, now)}",
            words=f"{'Ended' if over else 'Ends'} {_day(ends_at, now)}",
            action=Action.ADOPT if signs.private else Action.RENEW,
            since=ends_at,
        )
    elif ends_at is None and (signs.granted_at is None or not signs.private):
        yield _badge(
            Need.UNDATED,
            "Amazon does not tell when it ends, and nobody knows when it was given.",
        )
    if signs.finding:
        yield _badge(Need.FINDING, _sentence(signs.finding))


def _lapsed(signs: AccountSigns, now: datetime) -> Iterator[Badge]:
    ends_at = signs.term_ends_at
    when = f" {_day(ends_at, now)}" if ends_at is not None else ""
    yield _badge(
        Need.LAPSED,
        f"The authorization lapsed{when}; nothing goes on until it is renewed. "
        f"{_sentence(_renewal(signs, now))}",
        words=f"Lapsed{when}",
        action=Action.ADOPT if signs.private else Action.RENEW,
        since=ends_at,
    )


def _revoked(signs: AccountSigns, now: datetime) -> Iterator[Badge]:
    when = f" {_day(signs.refused_at, now)}" if signs.refused_at is not None else ""
    said = f" It said: {_sentence(signs.refused_reason)}" if signs.refused_reason else ""
    yield _badge(
        Need.REVOKED,
        f"Amazon refused the authorization{when}.{said} {_sentence(_renewal(signs, now))}",
        words=f"Revoked{when}",
        action=Action.ADOPT if signs.private else Action.RENEW,
        since=signs.refused_at,
    )


_of_state: Mapping[State, Callable[[AccountSigns, datetime], Iterator[Badge]]] = {
    State.AWAITING: _awaiting,
    State.ACTIVE: _active,
    State.LAPSED: _lapsed,
    State.REVOKED: _revoked,
}


def _renewal(signs: AccountSigns, now: datetime) -> str:
    """How far its renewal is, as the rest of a sentence."""
    link = signs.link
    if signs.private:
        return "authorize it again in Amazon's own console."
    if link is None or not link.works(now):
        return "no link is on its way."
    if link.opened_at is not None:
        return f"the link was opened {_day(link.opened_at, now)}."
    if link.letter is LetterFate.SENT and link.mailed_at is not None:
        return f"the link was mailed {_day(link.mailed_at, now)} and was not opened yet."
    if link.letter is LetterFate.FAILED:
        return "the mail with the link did not arrive."
    if link.letter is LetterFate.WAITING:
        return "the mail with the link is about to leave."
    return "a link was made and not mailed."


def _of_notices(signs: AccountSigns) -> Iterator[Badge]:
    for notice in signs.notices:
        need = OF_NOTICE.get(notice.kind)
        if need is not None:
            yield _badge(
                need, _sentence(notice.message), subject=_subject(notice), since=notice.first_at
            )


def _subject(notice: NoticeSigns) -> str:
    """Where the action leads: runs have pages of their own."""
    return notice.subject if notice.subject.startswith("run_") else ""


def _uncertain(signs: AccountSigns) -> Badge:
    one = signs.uncertain == 1
    return _badge(
        Need.UNCERTAIN,
        f"Nobody can tell whether Amazon did {_changes(signs.uncertain)}; "
        f"{'it is' if one else 'they are'} not sent again by itself.",
        words=f"{_changes(signs.uncertain)} uncertain",
        subject=signs.uncertain_run_id,
    )


def _of_orders(signs: AccountSigns) -> Iterator[Badge]:
    if not signs.sweep_lacks:
        return
    lack = Lack(signs.sweep_lacks)
    yield _badge(
        Need.NO_SELLER_ID if lack.stops else Need.ORDERS_LACK,
        order_sweeps.why(signs.sweep_lacks),
        words={
            Lack.MERCHANT_TOKEN: "Merchant token is missing",
            Lack.VENDOR_CODE: "Vendor code is missing",
        }.get(lack),
    )


def _of_ids(signs: AccountSigns) -> Iterator[Badge]:
    """A merchant token is recommended: by it a grant of another shop is noticed at once."""
    if signs.partner_kind is PartnerKind.SELLER and not signs.merchant_token:
        yield _badge(
            Need.NO_MERCHANT_TOKEN,
            "With the merchant token, a consent of another shop is noticed at once.",
        )
    elif signs.partner_kind is PartnerKind.VENDOR and not signs.vendor_codes:
        yield _badge(
            Need.NO_MERCHANT_TOKEN,
            "Feeds and orders of a vendor need a vendor code.",
            words="No vendor code",
        )


def _badge(
    need: Need,
    why: str,
    *,
    words: str | None = None,
    action: Action | None = None,
    subject: str = "",
    since: datetime | None = None,
) -> Badge:
    facts = NEEDS[need]
    action = action or facts.action
    return Badge(
        need=need,
        weight=facts.weight,
        words=words or facts.title,
        why=why,
        action=action,
        label=ACTIONS[action].label,
        subject=subject,
        since=since,
    )


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count:,} lines"


def _changes(count: int) -> str:
    return "1 change" if count == 1 else f"{count:,} changes"


def _day(at: datetime, now: datetime) -> str:
    """``in 9 days``, ``tomorrow``, ``today``, ``3 days ago``."""
    days = (at.astimezone(UTC).date() - now.astimezone(UTC).date()).days
    return left_words(days)


def _date(at: datetime) -> str:
    return day_words(at)


def _sentence(text: str) -> str:
    """Amazon's and our own short texts, as one that begins and ends as sentences do."""
    text = text.strip()
    if not text:
        return ""
    return f"{text[:1].upper()}{text[1:]}{'' if text[-1] in '.!?' else '.'}"


def _assert_complete() -> None:
    missing = set(Need) - set(NEEDS) or set(Action) - set(ACTIONS)
    if missing:
        raise AssertionError(f"no words for {sorted(missing)}")


_assert_complete()
