"""Looks up what each item of the review list is about, and whether somebody signed just that.

Answers for: the values of every item, never a secret among them; the machine's word where it
decides; and for signing what is there now. Does not answer for: the list (``rules.reviews``), or
for keeping signatures (the sign-off book).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from evergrant.checks import kinds
from evergrant.checks.contents import astray
from evergrant.checks.watching import HEARD, took_events
from evergrant.errors import Conflict, NotFound
from evergrant.rules import reviews as rules
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.notices import NoticeKind
from evergrant.rules.reviews import ITEMS, About, ReviewItem, ReviewState
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
#: Of one process, not of the house: they differ between servers, workers and shells.
_OF_A_PROCESS = frozenset(
    f"EVERGRANT_{name}"
    for name in (
        *("HOST", "PORT", "ROLE", "WORKER_CONCURRENCY", "DATABASE_POOL", "HOME"),
        *("GATEWAY_PORT", "DECIDE_PORT", "OUTCOMES_PORT", "LOG_FORMAT", "LOG_LEVEL"),
        *("MAILBOX_PORT", "METRICS_ACCOUNTS"),
    )
)


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
class _Thing:
    """What one item is about, with the values to look at."""

    item: ReviewItem
    looked_at: Mapping[str, Any]
    subject: str = ""
    name: str = ""
    says: str = ""  # empty: the machine finds nothing wrong


async def items_of(desk: Desk, settings: Settings) -> list[Reviewed]:
    """The whole list as it stands, in its order, applications and instances by their age. Raises
    StoreUnavailable."""
    return await _listed(desk, settings, await astray(desk))


async def _listed(
    desk: Desk, settings: Settings, apart: Mapping[str, Sequence[str]]
) -> list[Reviewed]:
    now = desk.clock.now()
    signed = await desk.reviews.signed(by=SYSTEM)
    things = await _things(desk, settings, apart)
    order = list(ITEMS)
    things.sort(key=lambda thing: (order.index(thing.item.name), thing.subject))
    return [_reviewed(thing, signed, now) for thing in things]


async def item_of(desk: Desk, settings: Settings, item: str, subject: str = "") -> Reviewed:
    """One of them. Raises NotFound, StoreUnavailable."""
    # Looking through all accounts takes long, and a single item alone needs it.
    apart = await astray(desk) if item == _CREDENTIALS else {}
    return _the_one(await _listed(desk, settings, apart), item, subject)


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

    need_everywhere(by, Right.MANAGE)
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


def _reviewed(thing: _Thing, signed: Mapping[str, Review], now: datetime) -> Reviewed:
    item = thing.item
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
        state=rules.state_of(item, now, digest=digest, signature=signature, passed=not thing.says),
        says=thing.says,
        looked_at=thing.looked_at,
        digest=digest,
        signed_by=review.name if review else "",
        signed_as=review.by if review else "",
        signed_at=review.at if review else None,
        note=review.note if review else "",
    )


# --- what is looked at ----------------------------------------------------------------------------


async def _things(
    desk: Desk, settings: Settings, apart: Mapping[str, Sequence[str]]
) -> list[_Thing]:
    async with desk.store.transaction() as tx:
        applications = await tx.applications.all()
        credentials = {row.id: row for row in await tx.credentials.all()}
        instances = await tx.instances.all()
    found = [_Thing(item=ITEMS[name], looked_at=values) for name, values in _of_house(settings)]
    found.append(_reminders(settings, applications))
    found.append(
        _Thing(
            item=ITEMS["key-ring-copy"], looked_at={"key_ids": sorted(await desk.vault.key_ids())}
        )
    )
    found.append(await _operators(desk))
    shared = _shared(credentials)
    for application in applications:
        own = credentials.get(application.id)
        says = _incomplete(own, apart.get(application.id, ()), shared)
        found += _of_application(application, own, says, settings)
    for instance in instances:
        found += await _of_instance(desk, instance)
    return found


def _of_house(settings: Settings) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield (
        "local-settings",
        {one.name: one.value for one in settings.shown if one.name not in _OF_A_PROCESS},
    )
    yield (
        "mail-relay",
        {
            "relay": "set" if settings.smtp_url else "development mailbox",
            "mail_from": settings.mail_from,
            "house_name": settings.house_name,
            "support_email": settings.support_email,
            "operators_email": settings.house.operators,
        },
    )
    yield "backups", {"database": "PostgreSQL of yours" if settings.database_url else "embedded"}


def _reminders(settings: Settings, applications: Sequence[Application]) -> _Thing:
    own = {one.id: list(one.reminder_days) for one in applications if one.reminder_days is not None}
    return _Thing(
        item=ITEMS["reminder-windows"],
        looked_at={
            "days": list(settings.reminder_days),
            "of_applications": own,
            "operators_email": settings.house.operators,
        },
    )


async def _operators(desk: Desk) -> _Thing:
    powerful = {Right.MANAGE, Right.PERSONAL_DATA}
    now = desk.clock.now()
    async with desk.store.transaction() as tx:
        people = await tx.operators.all(disabled_at=None)
        keys = await tx.api_keys.all(revoked_at=None)
    return _Thing(
        item=ITEMS["operators"],
        looked_at={
            "operators": {one.id: [one.name, one.email, one.role] for one in people},
            "api_keys": {
                one.id: [one.name, sorted(one.rights & powerful)]
                for one in keys
                if one.rights & powerful and (one.expires_at is None or one.expires_at > now)
            },
        },
    )


def _of_application(
    application: Application, own: IntegrationCredentials | None, says: str, settings: Settings
) -> Iterator[_Thing]:
    # As they have to stand at Amazon, whether the house tells them or they follow from its address.
    consents = application.kind is not ApplicationKind.PRIVATE
    whose = {"subject": application.id, "name": application.name}
    yield _Thing(
        item=ITEMS[_CREDENTIALS],
        looked_at={
            "lwa_client_id": own.lwa_client_id if own else "",
            "secret_set": bool(own and own.secret_set),
            "secret_expires_at": own.secret_expires_at if own else None,
        },
        says=says,
        **whose,
    )
    yield _Thing(
        item=ITEMS["registration"],
        looked_at={
            "application_id": application.application_id,
            "lwa_client_id": own.lwa_client_id if own else "",
            "kind": application.kind,
            "status": application.status,
            "partner_kinds": application.partner_kinds,
            "developer_name": application.developer_name,
            "developer_id": application.developer_id,
            "login_uri": application.login_uri or (settings.login_uri if consents else ""),
            "redirect_uri": application.redirect_uri or (settings.redirect_uri if consents else ""),
        },
        **whose,
    )
    yield _Thing(
        item=ITEMS["secret-rotation"],
        looked_at={
            "queue_url": own.queue_url if own else "",
            "role_arn": own.role_arn if own else "",
            "access_key_hint": own.access_key_hint if own else "",
        },
        **whose,
    )


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


async def _of_instance(desk: Desk, instance: ClientInstance) -> list[_Thing]:
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
    whose: dict[str, str] = {"subject": instance.id, "name": instance.name}
    return [
        _Thing(
            item=ITEMS["instance-answers"],
            looked_at={
                "accounts": accounts,
                "last_seen_at": instance.last_seen_at,
                "took_events": took,
            },
            says=says,
            **whose,
        ),
        _Thing(
            item=ITEMS["instance-webhooks"],
            looked_at={
                "base_url": instance.base_url,
                "return_url": instance.return_url,
                "webhook_url": instance.webhook_url,
                "signing_secret_made_at": instance.signing_secret_made_at,
            },
            **whose,
        ),
    ]
