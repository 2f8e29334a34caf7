"""Which accounts need somebody, why, and the one thing that helps.

Answers for: which needs hold for an account, from what is known of it, and the reason that stands
with each. Does not answer for: the table of needs (``needs``, whose words are here too, so that one
import does), or for finding out what is known (the store's boards).

The store decides the same conditions in SQL, to sort and count very many accounts; one suite of
tests runs over both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from evergrant.rules import order_sweeps
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.needs import (
    ACTIONS,
    DUE,
    NEEDS,
    OF_HOUSE,
    OF_NOTICE,
    REFUSED_SHOWN,
    REPORTS_SHOWN,
    SECRET_URGENT,
    SILENT_AFTER,
    URGENT,
    Action,
    ActionWords,
    Need,
    NeedFacts,
    Of,
    Weight,
    place,
)
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
