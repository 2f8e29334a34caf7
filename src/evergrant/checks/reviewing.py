"""Looks up what each item of the review list is about, and whether somebody signed just that.

Answers for: the machine's word where it decides, and for signing what is there now. Does not answer
for: the list (``rules.reviews``), the values that a person looks at (``looked_at``), or for keeping
signatures (the sign-off book).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from evergrant.checks import kinds
from evergrant.checks.contents import astray
from evergrant.checks.watching import HEARD, took_events
from evergrant.errors import Conflict, NotFound
from evergrant.looked_at import LookedAt, Thing
from evergrant.rules import reviews as rules
from evergrant.rules.notices import NoticeKind
from evergrant.rules.reviews import ITEMS, About, ReviewState
from evergrant.rules.rights import SYSTEM, Right

if TYPE_CHECKING:
    from evergrant.checks.kinds import Finding
    from evergrant.desk import Desk
    from evergrant.ports.things import Application, ClientInstance, IntegrationCredentials
    from evergrant.ports.watched import Review
    from evergrant.rules.rights import Caller
    from evergrant.settings import Settings

__all__ = ["Reviewed", "item_of", "items_of", "sign_off", "unsettled"]

_CREDENTIALS = "integration-credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """One item of the list, of one thing, as it stands. ``says``: what is wrong, where the machine
    decides."""

    item: str
    title: str
    about: About
    look: str
    subject: str = ""
    subject_name: str = ""
    by_machine: bool
    state: ReviewState
    says: str = ""
    looked_at: Mapping[str, Any]
    digest: str
    signed_by: str = ""  # the person's name
    signed_as: str = ""  # the caller as the journal writes it
    signed_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What one item is about. ``says``: what the machine finds wrong; empty: nothing."""

    thing: Thing
    says: str = ""


async def items_of(
    desk: Desk,
    settings: Settings,
    *,
    apart: Mapping[str, Sequence[str]] | None = None,
    instances: Collection[str] | None = None,
) -> list[Reviewed]:
    """The whole list as it stands, in its order, applications and instances by their age.
    ``apart``: as `contents.astray` gives it; None: all accounts are looked through. ``instances``:
    whether they answer is looked up of these alone, the others pass; None: of all of them. Raises
    StoreUnavailable."""
    found = await astray(desk) if apart is None else apart
    return await _listed(desk, settings, found, instances)


async def _listed(
    desk: Desk,
    settings: Settings,
    apart: Mapping[str, Sequence[str]],
    instances: Collection[str] | None = None,
) -> list[Reviewed]:
    now = desk.clock.now()
    signed = await desk.reviews.signed(by=SYSTEM)
    judged = [_Judged(thing=thing) for thing in await _looking(desk, settings).all()]
    judged += await _by_machine(desk, apart, instances)
    order = list(ITEMS)
    judged.sort(key=lambda one: (order.index(one.thing.item.name), one.thing.subject))
    return [_reviewed(one, signed, now) for one in judged]


def _looking(desk: Desk, settings: Settings) -> LookedAt:
    return LookedAt(desk.store, desk.clock, desk.vault, settings.house_values)


async def item_of(desk: Desk, settings: Settings, item: str, subject: str = "") -> Reviewed:
    """One of them. Raises NotFound, StoreUnavailable."""
    # Looking through all accounts takes long, and a single item alone needs it.
    apart = await astray(desk) if item == _CREDENTIALS else {}
    return _the_one(await _listed(desk, settings, apart, {subject}), item, subject)


async def sign_off(
    desk: Desk,
    settings: Settings,
    item: str,
    *,
    by: Caller,
    subject: str = "",
    name: str = "",
    note: str = "",
    digest: str | None = None,
) -> Reviewed:
    """Signs what is there now. ``digest``: of what the person saw; when it is another by now,
    nothing is signed. Raises as ``desk.reviews.sign``, and Conflict for the digest."""
    from evergrant.intake import need_everywhere

    need_everywhere(by, Right.SIGN_OFF)
    found = await item_of(desk, settings, item, subject)
    if digest is not None and digest != found.digest:
        raise Conflict(
            "What you looked at has changed since.",
            hint="Look at it again, then sign what is there now.",
        )
    review = await desk.reviews.sign(
        item, found.looked_at, by=by, subject=subject, name=name, note=note
    )
    if review.digest != found.digest:
        raise AssertionError("signed something else than was looked at")
    return await item_of(desk, settings, item, subject)


def unsettled(items: Sequence[Reviewed]) -> Iterator[Finding]:
    """The findings that the list gives rise to."""
    waiting: dict[str, int] = defaultdict(int)
    for one in items:
        if one.state is ReviewState.WAITING:
            waiting[one.item] += 1
        elif one.state in (ReviewState.STALE, ReviewState.EXPIRED):
            named = f" of {one.subject_name}" if one.subject_name else ""
            why = "it changed" if one.state is ReviewState.STALE else "that was long ago"
            yield kinds.REVIEW_STALE(
                f"{one.item}{named}: {one.signed_by} signed on {one.signed_at:%Y-%m-%d}; {why}.",
                subject=rules.key_of(one.item, one.subject),
            )
    if waiting:
        told = ", ".join(
            item if number == 1 else f"{item} ({number})" for item, number in waiting.items()
        )
        yield kinds.REVIEWS_OPEN(f"{sum(waiting.values())}: {told}.")


def _the_one(items: Sequence[Reviewed], item: str, subject: str) -> Reviewed:
    if item not in ITEMS:
        raise NotFound("There is no such item on the list.", hint=f"There are: {', '.join(ITEMS)}.")
    found = next((one for one in items if (one.item, one.subject) == (item, subject)), None)
    if found is not None:
        return found
    about = ITEMS[item].about
    if about is About.HOUSE:
        raise NotFound(f"'{item}' is about the house as a whole.", hint="Name nothing else.")
    thing = "application" if about is About.APPLICATION else "client instance"
    raise NotFound(
        f"'{item}' is about one {thing}, and this is none.",
        hint=f"Name the {thing}: --of, `subject`.",
    )


def _reviewed(one: _Judged, signed: Mapping[str, Review], now: datetime) -> Reviewed:
    thing, item = one.thing, one.thing.item
    review = signed.get(rules.key_of(item.name, thing.subject))
    digest = rules.digest_of(item.name, thing.subject, thing.looked_at)
    signature = rules.Signature(digest=review.digest, at=review.at) if review else None
    return Reviewed(
        item=item.name,
        title=item.title,
        about=item.about,
        look=item.look,
        subject=thing.subject,
        subject_name=thing.name,
        by_machine=item.by_machine,
        state=rules.state_of(item, now, digest=digest, signature=signature, passed=not one.says),
        says=one.says,
        looked_at=thing.looked_at,
        digest=digest,
        signed_by=review.name if review else "",
        signed_as=review.by if review else "",
        signed_at=review.at if review else None,
        note=review.note if review else "",
    )


# --- what the machine decides ---------------------------------------------------------------------


async def _by_machine(
    desk: Desk, apart: Mapping[str, Sequence[str]], asked: Collection[str] | None
) -> list[_Judged]:
    async with desk.store.transaction() as tx:
        applications = await tx.applications.all()
        credentials = {row.id: row for row in await tx.credentials.all()}
        instances = await tx.instances.all()
    shared = _shared(credentials)
    found = []
    for application in applications:
        own = credentials.get(application.id)
        says = _incomplete(own, apart.get(application.id, ()), shared)
        found.append(_of_credentials(application, own, says))
    for instance in instances:
        wanted = asked is None or instance.id in asked
        found.append(await _of_instance(desk, instance) if wanted else _not_asked(instance))
    return found


def _of_credentials(
    application: Application, own: IntegrationCredentials | None, says: str
) -> _Judged:
    thing = Thing(
        item=ITEMS[_CREDENTIALS],
        looked_at={
            "lwa_client_id": own.lwa_client_id if own else "",
            "secret_set": bool(own and own.secret_set),
            "secret_expires_at": own.secret_expires_at if own else None,
        },
        subject=application.id,
        name=application.name,
    )
    return _Judged(thing=thing, says=says)


def _shared(credentials: Mapping[str, IntegrationCredentials]) -> frozenset[str]:
    """Client ids that more than one application has."""
    times: dict[str, int] = defaultdict(int)
    for row in credentials.values():
        times[row.lwa_client_id] += 1
    return frozenset(one for one, number in times.items() if one and number > 1)


def _incomplete(
    own: IntegrationCredentials | None, apart: Sequence[str], shared: frozenset[str]
) -> str:
    """What keeps the credentials from being complete, and the same for every account."""
    if own is None or not own.lwa_client_id:
        return "There is no client id."
    if not own.secret_set:
        return "There is no client secret."
    if own.lwa_client_id in shared:
        return "Another application has the same client id."
    queue_url = own.queue_url or own.notifications_queue_url
    aws = (own.role_arn, own.access_key_hint, own.secret_key_set, queue_url)
    if any(aws) and not all(aws[1:]):
        return "AWS credentials are there in part."
    if apart:
        more = f" and {len(apart) - 3} more" if len(apart) > 3 else ""
        return f"Authorizations of another application or region: {', '.join(apart[:3])}{more}."
    return ""


def _not_asked(instance: ClientInstance) -> _Judged:
    looked_at = {"last_seen_at": instance.last_seen_at}
    return _Judged(
        thing=Thing(
            item=ITEMS["instance-answers"],
            looked_at=looked_at,
            subject=instance.id,
            name=instance.name,
        )
    )


async def _of_instance(desk: Desk, instance: ClientInstance) -> _Judged:
    now = desk.clock.now()
    async with desk.store.transaction() as tx:
        took = await took_events(tx, instance.id, now - HEARD)
        silent = await tx.notices.one(
            kind=NoticeKind.EVENTS_UNDELIVERED, subject=instance.id, settled_at=None
        )
        accounts = await tx.accounts.count(client_instance_id=instance.id)
    called = instance.last_seen_at is not None and now - instance.last_seen_at < HEARD
    says = ""
    if silent is not None:
        says = silent.message
    elif accounts and not called and not took:
        since = "for 30 days" if instance.last_seen_at is not None else "yet"
        says = f"Nothing was heard of it {since}."
    thing = Thing(
        item=ITEMS["instance-answers"],
        looked_at={
            "accounts": accounts,
            "last_seen_at": instance.last_seen_at,
            "took_events": took,
        },
        subject=instance.id,
        name=instance.name,
    )
    return _Judged(thing=thing, says=says)
