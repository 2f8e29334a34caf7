"""What a look found another way than the last one, told to everybody whom it concerns.

Answers for: the event ``account.changed``, the notices about marketplaces, listings and roles, and
the words of the finding, all in the transaction of the look. Does not answer for: looking, or for
deciding whether an answer is to be believed (`looks_again`).

A notice hangs until what it tells of is over; one that somebody settled by hand comes back with the
next change, not with the next look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from evergrant import journal, notices
from evergrant.consent.ground import Case, Ground
from evergrant.outbox import put_event
from evergrant.ports.amazon import ReportedParticipation
from evergrant.ports.store import Transaction
from evergrant.ports.things import OutboxItem
from evergrant.ports.watched import Notice
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.notices import NoticeKind
from evergrant.rules.participations import MarketplaceChanges, MarketplaceStand, in_words
from evergrant.rules.rights import SYSTEM

__all__ = ["is_lost", "missing_home", "record", "tell_access_lost", "tell_access_restored"]

TOPIC = "account.changed"
#: Where a notice keeps which marketplaces it is about: their ids, with their countries.
_MARKETPLACES = "marketplaces"


async def record(
    ground: Ground,
    tx: Transaction,
    case: Case,
    reported: Sequence[ReportedParticipation],
    now: datetime,
) -> tuple[str, list[str]]:
    """What Amazon reports takes the place of what it reported before. Gives the finding, empty when
    all is well, and outbox ids for the bell."""
    changes = await ground.accounts.record_participations(tx, case.account.id, reported, now)
    left = await _note_left(tx, case, changes, now)
    suspended = await _note_suspended(tx, case, changes, now)
    told: list[str] = []
    if changes.is_news:
        told = await _tell(
            tx,
            case,
            now,
            "marketplaces",
            [_plain(one) for one in changes.before],
            [_plain(one) for one in changes.after],
        )
    sentences = [missing_home(ground, case, reported), left, suspended]
    return " ".join(one for one in sentences if one), told


def missing_home(ground: Ground, case: Case, reported: Iterable[ReportedParticipation]) -> str:
    if case.account.partner_kind is not PartnerKind.SELLER:
        return ""
    home = ground.marketplaces.by_country(case.account.home_marketplace)
    participating = [row for row in reported if row.participating]
    if any(row.marketplace_id == home.marketplace_id for row in participating):
        return ""
    named = ", ".join(row.country_code for row in participating) or "none"
    return (
        f"Amazon does not name {home.country_code} among the marketplaces of this account "
        f"(it names: {named}). Is it the right account?"
    )


# --- marketplaces -------------------------------------------------------------------------------


async def _note_left(
    tx: Transaction, case: Case, changes: MarketplaceChanges, now: datetime
) -> str:
    """What was left stays on the board until it is joined again."""
    hanging = await _hanging(tx, case, NoticeKind.MARKETPLACE_LEFT)
    there = {one.marketplace_id for one in changes.after if one.participating}
    known = _noted(hanging)
    gone = known | {one.marketplace_id: one.label for one in changes.left}
    gone = {key: label for key, label in gone.items() if key not in there}
    names = ", ".join(sorted(gone.values()))
    message = f"{case.account.name} no longer sells in {names}."
    await _hang(tx, case, NoticeKind.MARKETPLACE_LEFT, hanging, gone, message, now)
    return f"No longer sells in {names}." if gone else ""


async def _note_suspended(
    tx: Transaction, case: Case, changes: MarketplaceChanges, now: datetime
) -> str:
    hanging = await _hanging(tx, case, NoticeKind.LISTINGS_SUSPENDED)
    held = [one for one in changes.after if one.suspended]
    names = in_words(held)
    if hanging is not None or changes.suspended:
        message = f"Amazon has suspended listings of {case.account.name} in {names}."
        marked = {one.marketplace_id: one.label for one in held}
        await _hang(tx, case, NoticeKind.LISTINGS_SUSPENDED, hanging, marked, message, now)
    return f"Listings are suspended in {names}." if held else ""


async def _hanging(tx: Transaction, case: Case, kind: NoticeKind) -> Notice | None:
    return await tx.notices.one(kind=kind, subject=case.authorization.id, settled_at=None)


def _noted(notice: Notice | None) -> dict[str, str]:
    found = notice.facts.get(_MARKETPLACES) if notice is not None else None
    return dict(found) if isinstance(found, Mapping) else {}


async def _hang(
    tx: Transaction,
    case: Case,
    kind: NoticeKind,
    hanging: Notice | None,
    marketplaces: Mapping[str, str],
    message: str,
    now: datetime,
) -> None:
    """As it is now: put up when it is another than before, taken down when nothing is left."""
    if not marketplaces:
        if hanging is not None:
            await notices.settle(tx, now=now, kinds=[kind], subject=case.authorization.id)
    elif marketplaces != _noted(hanging):
        await _put(tx, case, kind, message, now, **{_MARKETPLACES: dict(marketplaces)})


# --- roles --------------------------------------------------------------------------------------


async def is_lost(tx: Transaction, case: Case) -> bool:
    """Whether that hangs on the board."""
    return await _hanging(tx, case, NoticeKind.ROLE_LOST) is not None


async def tell_access_lost(tx: Transaction, case: Case, said: str, now: datetime) -> list[str]:
    """Amazon denies what it allowed before, though it takes the grant. Outbox ids for the bell;
    none when that is known."""
    message = f"Amazon denies {case.account.name} what it allowed before. {said}"
    fresh = await _put(tx, case, NoticeKind.ROLE_LOST, message, now, amazon_said=said)
    if not fresh:
        return []
    await _write(tx, case, now, "authorization.access_lost", amazon_said=said)
    return await _tell(tx, case, now, "access", "allowed", "denied", amazon_said=said)


async def tell_access_restored(tx: Transaction, case: Case, now: datetime) -> list[str]:
    """A look passed. Outbox ids for the bell; none when nothing had been lost."""
    settled = await notices.settle(
        tx, now=now, kinds=[NoticeKind.ROLE_LOST], subject=case.authorization.id
    )
    if not settled:
        return []
    await _write(tx, case, now, "authorization.access_restored")
    return await _tell(tx, case, now, "access", "denied", "allowed")


# --- inside -------------------------------------------------------------------------------------


async def _tell(
    tx: Transaction,
    case: Case,
    now: datetime,
    what: str,
    before: object,
    after: object,
    **more: Any,
) -> list[str]:
    item: OutboxItem | None = await put_event(
        tx,
        now=now,
        topic=TOPIC,
        account=case.account,
        authorization=case.authorization,
        changed=[what],
        before={what: before},
        after={what: after},
        **more,
    )
    return [] if item is None else [item.id]


async def _put(
    tx: Transaction, case: Case, kind: NoticeKind, message: str, now: datetime, **facts: Any
) -> bool:
    return await notices.put(
        tx,
        now=now,
        kind=kind,
        subject=case.authorization.id,
        message=message,
        account_id=case.account.id,
        application_id=case.application.id,
        **facts,
    )


async def _write(tx: Transaction, case: Case, now: datetime, verb: str, **facts: Any) -> None:
    await journal.write(
        tx,
        now=now,
        by=SYSTEM,
        verb=verb,
        subject=case.authorization.id,
        account_id=case.account.id,
        grant_id=case.authorization.grant_id,
        **facts,
    )


def _plain(one: MarketplaceStand) -> dict[str, Any]:
    return {
        "marketplace_id": one.marketplace_id,
        "country_code": one.country_code,
        "participating": one.participating,
        "suspended": one.suspended,
    }
