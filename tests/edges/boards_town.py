"""A town of accounts in every state of trouble, the same in every store that it is put into."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from evergrant.ports import things as t
from evergrant.ports import traded as d
from evergrant.ports import watched as w
from evergrant.ports.store import Transaction
from evergrant.rules import ids
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.changes import LANES, ChangeKind, ChangeState
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region, VendorKind
from evergrant.rules.notices import NoticeKind

NOW = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NAMES = (
    "Heron Books", "heron bikes", "Öko Haus", "Zebra GmbH & Co", "Ärzte-Bedarf Nord", "Æther",
    "Straße 7", "Łódź Toys", "東京ストア", "Ｗｉｄｅ Shop", "Ángel", "=cmd", "O'Brien",
    "Привет Мир", "Ελλάδα", "a", "Đức Coffee", "50% Off_Shop",
)  # fmt: skip


def make(kind: ids.Kind, number: int, at: datetime = NOW) -> str:
    return ids.make(kind, at, number.to_bytes(10))


@dataclass
class Town:
    """Everything that is put into a store, shelf by shelf in an order that references allow."""

    rows: dict[str, list[Any]] = field(default_factory=dict)
    lines: list[t.JournalLine] = field(default_factory=list)

    def add(self, shelf: str, thing: Any) -> Any:
        self.rows.setdefault(shelf, []).append(thing)
        return thing

    async def into(self, tx: Transaction) -> None:
        for shelf, rows in self.rows.items():
            for row in rows:
                if shelf == "changes":
                    await tx.changes.add_all([row])
                else:
                    await getattr(tx, shelf).add(row)
        for line in self.lines:
            await tx.journal.append(line)


def base() -> Town:
    """Four applications and three client instances."""
    town = Town()
    for number, kind in enumerate(
        (
            ApplicationKind.PUBLIC,
            ApplicationKind.PRIVATE,
            ApplicationKind.PUBLIC,
            ApplicationKind.PUBLIC,
        )
    ):
        town.add(
            "applications",
            t.Application(
                id=make(ids.Kind.APPLICATION, number),
                name=("Connector", "Own", "élan", "Dead")[number],
                kind=kind,
                partner_kinds=frozenset(PartnerKind),
                status=ApplicationStatus.PUBLISHED,
                application_id=f"amzn1.sp.solution.{number}",
                reminder_days=(60, 5) if number == 2 else None,
                created_at=NOW,
                changed_at=NOW,
            ),
        )
        town.add(
            "credentials",
            t.IntegrationCredentials(
                id=make(ids.Kind.APPLICATION, number),
                lwa_client_id=f"client-{number}",
                secret_set=number != 1,
                secret_expires_at=(NOW + 100 * DAY, NOW - DAY, NOW + 5 * DAY, NOW - DAY)[number],
                trouble="invalid_client" if number == 3 else "",
                trouble_since=NOW - HOUR if number == 3 else None,
                changed_at=NOW,
            ),
        )
    for number in range(3):
        town.add(
            "instances",
            t.ClientInstance(
                id=make(ids.Kind.INSTANCE, number),
                name=f"ERP {number}",
                created_at=NOW,
                changed_at=NOW,
            ),
        )
    return town


def crowded(seed: int, accounts: int) -> Town:
    """So many accounts, each with what fate gives it."""
    town, fate = base(), random.Random(seed)
    for number in range(accounts):
        _account(town, fate, number)
    silent = make(ids.Kind.INSTANCE, 1)
    town.add(
        "notices",
        w.Notice(
            id=make(ids.Kind.NOTICE, 999_999),
            kind=NoticeKind.EVENTS_UNDELIVERED,
            subject=silent,
            message="does not answer",
            first_at=NOW - HOUR,
            last_at=NOW,
        ),
    )
    order = (
        "applications", "credentials", "instances", "accounts", "authorizations", "invitations",
        "handshakes", "outbox", "reports", "call_counts", "notices", "changes", "feed_runs", "work",
        "order_sweeps",
    )  # fmt: skip
    town.rows = {shelf: town.rows[shelf] for shelf in order if shelf in town.rows}
    return town


def _account(town: Town, fate: random.Random, number: int) -> None:
    own = make(ids.Kind.ACCOUNT, number)
    vendor = fate.random() < 0.3
    kind = PartnerKind.VENDOR if vendor else PartnerKind.SELLER
    added = NOW - fate.randrange(400) * DAY
    application_id = make(ids.Kind.APPLICATION, fate.choice((0, 0, 0, 1, 2, 3)))
    instance_id = make(ids.Kind.INSTANCE, fate.randrange(3))
    region = fate.choice(tuple(Region))
    state = fate.choice(tuple(State))
    ends_at = fate.choice(
        (None, NOW + fate.randrange(365 * 24) * HOUR, NOW + fate.randrange(-5, 32) * DAY)
    )
    granted_at = None if fate.random() < 0.2 else added
    tokens = fate.choice(("", f"A{number:012}"))
    town.add(
        "accounts",
        t.Account(
            id=own,
            name=f"{fate.choice(NAMES)} {number}",
            partner_kind=kind,
            vendor_kind=fate.choice(tuple(VendorKind)) if vendor else None,
            client_email=f"{fate.choice(('anna', 'bernd'))}.{number}@shop{number % 7}.example",
            application_id=application_id,
            client_instance_id=instance_id,
            region=region,
            home_marketplace=fate.choice(("DE", "FR", "US", "JP")),
            merchant_token="" if vendor else tokens,
            vendor_codes=(f"VC{number}", "XYZ12") if vendor and tokens else (),
            flags={flag: fate.random() < 0.8 for flag in Flag if fate.random() < 0.9},
            created_at=added,
            changed_at=added + fate.randrange(10) * HOUR,
        ),
    )
    town.add(
        "authorizations",
        t.Authorization(
            id=make(ids.Kind.AUTHORIZATION, number),
            account_id=own,
            application_id=application_id,
            region=region,
            state=state,
            selling_partner_id=f"P{number:010}" if fate.random() < 0.5 else "",
            granted_at=granted_at,
            term_ends_at=ends_at,
            refused_at=NOW - DAY if state is State.REVOKED else None,
            refused_reason="said no" if fate.random() < 0.3 else "",
            finding="no marketplace" if fate.random() < 0.1 else "",
            checked_at=NOW - fate.randrange(99) * HOUR if fate.random() < 0.8 else None,
            changed_at=added + fate.randrange(10) * HOUR,
        ),
    )
    _reception(town, fate, number, own, application_id)
    _board(town, fate, number, own)
    _kitchen(town, fate, number, own, application_id, region)


def _reception(town: Town, fate: random.Random, number: int, own: str, application_id: str) -> None:
    for letter in range(fate.choice((0, 0, 1, 2))):
        made_at = NOW - fate.randrange(1, 20) * DAY
        link_id = make(ids.Kind.INVITATION, number * 10 + letter, made_at)
        town.add(
            "invitations",
            t.Invitation(
                id=link_id,
                account_id=own,
                link_digest=f"{number}-{letter}",
                email="anna@shop.example",
                language="en",
                state=fate.choice(tuple(t.InvitationState)) if fate.random() < 0.4
                else t.InvitationState.OPEN,
                created_at=made_at,
                expires_at=made_at + 14 * DAY,
                opened_at=made_at + HOUR if fate.random() < 0.5 else None,
            ),
        )  # fmt: skip
        if fate.random() < 0.7:
            _mail(town, fate, number * 10 + letter, own, link_id, made_at)
        if fate.random() < 0.3:
            town.add(
                "handshakes",
                t.Handshake(
                    id=make(ids.Kind.HANDSHAKE, number * 10 + letter, made_at),
                    invitation_id=link_id,
                    account_id=own,
                    application_id=application_id,
                    step=t.HandshakeStep.BEGUN,
                    state_digest=f"{number}-{letter}",
                    browser_digest="",
                    consent_origin="https://sellercentral.example",
                    redirect_uri="https://erp.example/callback",
                    created_at=made_at,
                    expires_at=made_at + HOUR,
                    spent_at=made_at + HOUR / 2 if fate.random() < 0.5 else None,
                ),
            )
    if fate.random() < 0.2:
        at = NOW - fate.randrange(30) * DAY
        town.add(
            "reports",
            t.SupportReport(
                id=make(ids.Kind.REPORT, number, at),
                reference=f"REF-{number}",
                at=at,
                reason="declined",
                blame="partner",
                account_id=own,
                resolved_at=NOW if fate.random() < 0.3 else None,
            ),
        )


def _mail(
    town: Town, fate: random.Random, number: int, own: str, subject: str, at: datetime
) -> None:
    state = fate.choice(tuple(t.OutboxState))
    town.add(
        "outbox",
        t.OutboxItem(
            id=make(ids.Kind.OUTBOX, number, at),
            kind=t.OutboxKind.MAIL,
            topic="invitation",
            subject=subject,
            to="anna@shop.example",
            account_id=own,
            state=state,
            next_at=at,
            last_error="550 no such user" if state is t.OutboxState.FAILED else "",
            created_at=at,
            ended_at=None if state is t.OutboxState.WAITING else NOW - fate.randrange(48) * HOUR,
        ),
    )
    if fate.random() < 0.3:
        town.add(
            "outbox",
            t.OutboxItem(
                id=make(ids.Kind.OUTBOX, 100_000 + number, at),
                kind=t.OutboxKind.WEBHOOK,
                topic="account.changed",
                subject=subject,
                to=make(ids.Kind.INSTANCE, number % 3),
                account_id=own,
                state=state,
                attempts=fate.randrange(2),
                next_at=at,
                last_error="503" if state is not t.OutboxState.SENT else "",
                created_at=NOW - fate.randrange(100) * timedelta(seconds=1),
                ended_at=None
                if state is t.OutboxState.WAITING
                else NOW - fate.randrange(48) * HOUR,
            ),
        )


_OF_ACCOUNT = [kind for kind in NoticeKind if kind is not NoticeKind.EVENTS_UNDELIVERED]


def _board(town: Town, fate: random.Random, number: int, own: str) -> None:
    for place in range(fate.choice((0, 0, 0, 1, 2))):
        kind = fate.choice(_OF_ACCOUNT)
        subject = fate.choice((own, make(ids.Kind.FEED_RUN, number)))
        if any(one.kind is kind and one.subject == subject for one in town.rows.get("notices", ())):
            continue
        town.add(
            "notices",
            w.Notice(
                id=make(ids.Kind.NOTICE, number * 10 + place, NOW - place * DAY),
                kind=kind,
                subject=subject,
                account_id=own,
                message=f"something about {number}",
                first_at=NOW - fate.randrange(9) * DAY,
                last_at=NOW,
                settled_at=NOW if fate.random() < 0.3 else None,
            ),
        )


def _kitchen(
    town: Town, fate: random.Random, number: int, own: str, application_id: str, region: Region
) -> None:
    for place in range(fate.choice((0, 0, 2, 5))):
        kind, state = fate.choice(tuple(ChangeKind)), fate.choice(tuple(ChangeState))
        town.add(
            "changes",
            d.Change(
                id=make(ids.Kind.CHANGE, number * 10 + place),
                account_id=own,
                kind=kind,
                lane=LANES[kind],
                subject=f"sku-{place}",
                key=f"{number}-{place}",
                intake_id="itk_1",
                line=1,
                state=state,
                run_id=make(ids.Kind.FEED_RUN, number * 10 + place)
                if state in (ChangeState.IN_FLIGHT, ChangeState.UNCERTAIN)
                else None,
                message_id=1,
                created_at=NOW - fate.randrange(99) * HOUR,
                settled_at=NOW - fate.randrange(40) * HOUR
                if state in (ChangeState.ACCEPTED, ChangeState.REFUSED)
                else None,
            ),
        )
    for place in range(fate.choice((0, 0, 1, 3))):
        at = NOW - fate.randrange(60) * HOUR
        sent = fate.random() < 0.7
        town.add(
            "feed_runs",
            d.FeedRun(
                id=make(ids.Kind.FEED_RUN, number * 10 + place, at),
                account_id=own,
                application_id=application_id,
                region=region,
                path=Path.PATCH,
                step=RunStep.SETTLED,
                refused=fate.choice((0, 0, 3)),
                asked_at=at if sent else None,
                submitted_at=at + HOUR if sent and fate.random() < 0.5 else None,
                created_at=at,
                changed_at=at,
                ended_at=at + HOUR if fate.random() < 0.7 else None,
            ),
        )
    if fate.random() < 0.5:
        town.add(
            "work",
            d.AccountWork(
                id=own,
                paused_at=NOW - DAY if fate.random() < 0.2 else None,
                paused_by="Grace",
                changed_at=NOW,
            ),
        )
    if fate.random() < 0.5:
        lack = fate.choice(("", "", "merchant_token", "vendor_code", "tax_data", "personal_data"))
        town.add("order_sweeps", d.OrderSweep(id=own, lacks=lack, changed_at=NOW))
    for place in range(fate.choice((0, 1, 3))):
        hour = NOW.replace(minute=0) - fate.randrange(50) * HOUR
        operation = ("getOrders", "patchListingsItem", "getFeed")[place]
        town.add(
            "call_counts",
            t.CallCount(
                id=f"{own}/{operation}/{hour:%Y-%m-%dT%H}",
                account_id=own,
                operation=operation,
                hour_at=hour,
                calls=5,
                waits=fate.randrange(2),
                waited_ms=fate.randrange(900),
                refused=fate.choice((0, 0, 1)),
                throttled=fate.choice((0, 0, 2)),
                last_at=hour + fate.randrange(60) * timedelta(minutes=1),
            ),
        )
