"""Lines of the journal as people read them.

Answers for: who, what and about whom in words, with names in place of ids where there are any, and
where to look further. Does not answer for: reading lines (`journal`), or for what was written down.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evergrant.rules import ids
from evergrant.rules.reviews import ITEMS
from evergrant.rules.rights import CallerKind

if TYPE_CHECKING:
    from evergrant.desk import Desk
    from evergrant.ports.store import Transaction
    from evergrant.ports.things import JournalLine

__all__ = ["WORDS", "ToldLine", "address_of_thing", "names_of", "told", "words_of"]

#: What each verb says, to be read behind the name of who did it.
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "account.added": "added the account",
        "account.changed": "changed the account",
        "account.closed": "closed the account",
        "account.participations_changed": "saw that the marketplaces changed",
        "account.personal_data_purged": "forgot personal data of the closed account",
        "account.reopened": "opened the account again",
        "amazon_report.adopted": "took over a report that Amazon had made already",
        "amazon_report.cancelled": "cancelled a report",
        "amazon_report.ended": "saw that Amazon ended a report",
        "amazon_report.opened": "opened a report of Amazon's",
        "amazon_report.requested": "asked Amazon for a report",
        "api_key.added": "made an API key",
        "api_key.revoked": "revoked an API key",
        "api_key.rotated": "rotated an API key",
        "application.added": "added the application",
        "application.changed": "changed the application",
        "application.credentials_set": "set integration credentials",
        "application.secret_end_told": "was told by Amazon when the client secret ends",
        "application.secret_reminded": "reminded of the end of the client secret",
        "application.lwa_silent": "got no answer from Amazon's sign-in service",
        "application.trouble_began": "saw that Amazon refuses the application",
        "application.trouble_ended": "saw that Amazon accepts the application again",
        "authorization.access_lost": "lost access to something at Amazon",
        "authorization.access_restored": "has access at Amazon again",
        "authorization.adoption_refused": "tried a refresh token that was refused",
        "authorization.dated": "noted when the account was authorized",
        "authorization.failed": "could not finish an authorization",
        "authorization.grant_restored": "put the former grant into force again",
        "authorization.granted": "connected the account",
        "authorization.lapsed": "saw the authorization lapse",
        "authorization.look_given_up": "gave up a first look at the account",
        "authorization.refresh_token_replaced": "took a newer refresh token from Amazon",
        "authorization.refused": "was refused by Amazon, and will look again",
        "authorization.reinstated": "saw that Amazon accepts the authorization again",
        "authorization.reminded": "reminded of the end of the authorization",
        "authorization.renewed": "renewed the authorization",
        "authorization.revoked": "saw that the authorization was revoked",
        "books.exported": "exported the books",
        "books.imported": "moved accounts in",
        "changes.taken": "handed in changes",
        "changes.withdrawn": "withdrew changes",
        "checks.began": "began to look at everything",
        "checks.ended": "looked at everything",
        "checks.failed": "could not look at everything",
        "connection_key.added": "made a connection key",
        "connection_key.revoked": "revoked a connection key",
        "connection_key.rotated": "rotated a connection key",
        "consent.refused": "came back from Amazon with something that cannot be believed",
        "event.resent": "sent an event again",
        "feeds.hurried": "asked for a feed run at once",
        "feeds.paused": "paused the feeds",
        "feeds.resumed": "let the feeds go on",
        "handshake.begun": "went to Amazon's consent page",
        "handshake.logged_in": "signed in at Amazon",
        "handshake.lost": "lost an attempt at consent",
        "instance.added": "added the client instance",
        "instance.changed": "changed the client instance",
        "instance.signing_secret_renewed": "renewed the signing secret",
        "instance.signing_secret_restored": "put a known signing secret into force",
        "instance.webhook_tried": "sent a test event",
        "invitation.declined": "declined the invitation",
        "invitation.link_shown": "was shown the link",
        "invitation.made": "made an invitation",
        "invitation.mailed": "asked for the invitation's mail",
        "invitation.opened": "opened the invitation",
        "journal.purged": "took the oldest lines out of the journal",
        "letter.bounced": "saw a mail come back",
        "letter.delayed": "saw a mail held up",
        "letter.dropped": "dropped a mail that had become pointless",
        "letter.failed": "gave up a mail",
        "letter.sent": "sent a mail",
        "notice.settled": "marked a notice as seen to",
        "operator.added": "added an operator",
        "operator.disabled": "disabled an operator",
        "operator.enabled": "let an operator in again",
        "operator.first_admitted": "came in as the first operator",
        "operator.invitation_accepted": "accepted the invitation",
        "operator.invitation_link_shown": "was shown an operator's invitation link",
        "operator.invitation_withdrawn": "withdrew an operator's invitation",
        "operator.invited": "invited an operator",
        "operator.locked": "locked signing in for a while",
        "operator.password_set": "set a password",
        "operator.recovery_code_used": "used a recovery code",
        "operator.recovery_codes_made": "made new recovery codes",
        "operator.refused": "refused to let somebody sign in",
        "operator.role_changed": "changed an operator's role",
        "operator.second_factor_removed": "removed a second factor",
        "operator.second_factor_set": "set up a second factor",
        "operator.session_revoked": "ended a session",
        "operator.sessions_revoked": "ended all sessions of an operator",
        "operator.signed_in": "signed in",
        "operator.signed_out": "signed out",
        "operator.single_sign_on_bound": "was recognised by single sign-on for the first time",
        "operator.single_sign_on_unbound": "disconnected single sign-on from an operator",
        "operator.unlocked": "unlocked an operator",
        "orders.personal_read": "read personal data of buyers",
        "orders.purged": "forgot old orders",
        "orders.sweep_asked": "asked to look for orders at once",
        "plan.removed": "took back a limit",
        "plan.set": "set a limit",
        "records.purged": "forgot old records",
        "refresh_tokens.dropped": "dropped refresh tokens that nobody needs",
        "report.resolved": "solved a support report",
        "review.signed": "signed",
        "review.withdrawn": "took a signature back",
        "rotation.asked": "had Amazon make a new client secret",
        "rotation.asking": "asks Amazon for a new client secret",
        "rotation.began": "began to rotate the client secret",
        "rotation.done": "finished rotating the client secret",
        "rotation.given_up": "gave up rotating the client secret",
        "rotation.in_doubt": "does not know whether Amazon made a client secret",
        "rotation.not_asked": "could not ask Amazon for a client secret",
        "rotation.nothing_happened": "found that Amazon made no client secret",
        "rotation.promoted": "put a new client secret into force",
        "rotation.received": "received a new client secret",
        "rotation.refused": "was refused a new client secret by Amazon",
        "rotation.secret_refused": "saw Amazon refuse the new client secret",
        "run.cancelled": "cancelled a feed run",
        "run.decided": "decided what became of a feed run",
        "run.failed": "could not get a feed run through",
        "run.settled": "finished a feed run",
        "run.submitted": "handed a feed to Amazon",
        "run.uncertain": "does not know whether Amazon did a feed run",
        "sign_in.locked": "locked signing in from an address for a while",
        "webhook.failed": "gave up an event that nobody took",
    }
)
_LONGEST = 2000
_WHO: Mapping[str, str] = MappingProxyType(
    {
        CallerKind.SYSTEM: "Evergrant",
        CallerKind.PARTNER: "The selling partner",
        CallerKind.API_KEY: "API key",
        CallerKind.COMMAND_LINE: "Command line",
    }
)
_PAGES: Mapping[ids.Kind, str] = MappingProxyType(
    {
        ids.Kind.APPLICATION: "/console/applications/{}",
        ids.Kind.INSTANCE: "/console/instances/{}",
        ids.Kind.ACCOUNT: "/console/accounts/{}",
        ids.Kind.FEED_RUN: "/console/feeds/runs/{}",
        ids.Kind.OPERATOR: "/console/operators/{}",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldLine:
    """``about``: a name or id; ``address``: its page, where it has one. ``facts``: pairs of words
    and what was noted, without what the line says already."""

    id: int
    at: datetime
    who: str
    caller: str
    what: str
    verb: str
    about: str
    address: str
    subject: str
    account_id: str | None
    facts: tuple[tuple[str, str], ...]


def words_of(verb: str) -> str:
    """Also of a verb that was written by another version."""
    return WORDS.get(verb) or verb.replace(".", ": ").replace("_", " ")


def address_of_thing(subject: str) -> str:
    """The page of the thing with this id; empty where it has none."""
    kind = ids.kind_of(subject)
    page = _PAGES.get(kind, "") if kind is not None else ""
    return page.format(subject)


async def names_of(desk: Desk, lines: Sequence[JournalLine]) -> dict[str, str]:
    """By id: of the things that the lines speak of, and of who wrote them, in a handful of
    statements. What is not there any more has no name."""
    wanted: set[str] = set()
    for line in lines:
        # A signature is named "item/subject".
        wanted |= {line.account_id or "", line.subject.rpartition("/")[2]}
        wanted.add(line.caller.partition(":")[2])
    by_kind: dict[ids.Kind | None, list[str]] = {}
    for one in sorted(wanted):
        by_kind.setdefault(ids.kind_of(one), []).append(one)
    found: dict[str, str] = {}
    async with desk.store.transaction() as tx:
        for kind, shelf in _shelves(tx).items():
            if kind in by_kind:
                found |= {one.id: one.name for one in await shelf.all(id=by_kind[kind])}
    return found


def told(lines: Iterable[JournalLine], names: Mapping[str, str]) -> list[ToldLine]:
    return [_told(line, names) for line in lines]


def _shelves(tx: Transaction) -> dict[ids.Kind, Any]:
    return {
        ids.Kind.ACCOUNT: tx.accounts,
        ids.Kind.APPLICATION: tx.applications,
        ids.Kind.INSTANCE: tx.instances,
        ids.Kind.OPERATOR: tx.operators,
        ids.Kind.API_KEY: tx.api_keys,
    }


def _told(line: JournalLine, names: Mapping[str, str]) -> ToldLine:
    thing = line.account_id or line.subject.rpartition("/")[2]
    return ToldLine(
        id=line.id,
        at=line.at,
        who=_who(line.caller, names),
        caller=line.caller,
        what=words_of(line.verb),
        verb=line.verb,
        about=_about(line, names.get(thing, thing)),
        address=address_of_thing(thing),
        subject=line.subject,
        account_id=line.account_id,
        facts=tuple(_facts(line.facts, hide={line.account_id})),
    )


def _about(line: JournalLine, name: str) -> str:
    """A signature is about an item of the list, of a thing or of the house as a whole."""
    item, _, subject = line.subject.rpartition("/")
    if line.verb.startswith("review."):
        known = ITEMS.get(item or subject)
        title = f"“{known.title}”" if known else item or subject
        return f"{title} of {name}" if item else title
    return "" if subject == line.verb.partition(".")[0] else name


def _who(caller: str, names: Mapping[str, str]) -> str:
    kind, _, one = caller.partition(":")
    name = names.get(one, one)
    if kind == CallerKind.OPERATOR:
        return name or "An operator"
    return " ".join(part for part in (_WHO.get(kind, kind), name) if part)


def _facts(facts: Mapping[str, Any], hide: Collection[str | None]) -> Iterable[tuple[str, str]]:
    for name, value in facts.items():
        if value in (None, "", [], {}) or (isinstance(value, str) and value in hide):
            continue
        yield name.replace("_", " "), _plainly(value)


def _plainly(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, (str, int)) for one in value):
        return ", ".join(str(one) for one in value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)[:_LONGEST]
