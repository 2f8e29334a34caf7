"""What is kept no longer goes, with all that names it; what is still of use stays."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from evergrant import vault
from evergrant.adapters.store import open_store
from evergrant.bounces import Bounces
from evergrant.errors import ConsentRefused, InvalidInput
from evergrant.outbox import put_event
from evergrant.ports.amazon import ReportedParticipation
from evergrant.ports.store import Store
from evergrant.ports.things import (
    CallCount,
    HandshakeStep,
    InvitationState,
    JournalLine,
    OutboxItem,
    OutboxKind,
    OutboxState,
    SupportReport,
)
from evergrant.ports.watched import Notice, Reminder, ReminderKind
from evergrant.rotation import Turned
from evergrant.rules import ids, terms
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.settings import Watching
from evergrant.testing.store import MemoryStore
from evergrant.testing.watched import MemoryScans
from evergrant.watch import Watch, retention
from evergrant.watch.farewells import drop_superseded, forget_closed
from evergrant.watch.retention import Purged, purge, purge_journal
from tests.rooms.conftest import BOSS, Reception

SHOP = "A2HERON"
DAY = timedelta(days=1)


@pytest.fixture(params=["memory", "postgres"])
async def here(request: pytest.FixtureRequest) -> AsyncIterator[Reception]:
    store: Store = MemoryStore()
    if request.param == "postgres":
        store = await open_store(request.getfixturevalue("database_url"))
    reception = Reception(store=cast("MemoryStore", store))
    reception.instance = await reception.add_instance()
    reception.application = await reception.add_application()
    reception.sells(SHOP)
    yield reception
    await store.close()


@pytest.fixture
async def quick(reception: Reception) -> Reception:
    """Where PostgreSQL would prove nothing more."""
    reception.sells(SHOP)
    return reception


class Locksmith:
    """Its own tests are elsewhere."""

    async def tell_ends(self) -> Turned:
        return Turned()

    async def round(self) -> Turned:
        return Turned()


def tower(here: Reception) -> Watch:
    rooms: dict[str, Any] = {
        "store": here.store,
        "clock": here.clock,
        "vault": here.vault,
        "consent": here.another(),
        "tokens": None,  # no look is owed here
        "rotations": Locksmith(),
        "bounces": Bounces(here.store, here.clock),
        "bell": here.bell,
        "house": here.house,
        "watching": Watching(reminder_days=()),
    }
    return Watch(**rooms)


async def rows(here: Reception, shelf: str, **equal: Any) -> list[Any]:
    async with here.store.transaction() as tx:
        found: list[Any] = await getattr(tx, shelf).all(**equal)
    return found


async def lines(here: Reception) -> list[Any]:
    async with here.store.transaction() as tx:
        return await tx.journal.read(limit=500)


async def report(here: Reception, **wishes: Any) -> SupportReport:
    made = SupportReport(
        id=here.id(ids.Kind.REPORT),
        reference=ids.reference(secrets.token_bytes(5)),
        at=here.clock.now(),
        reason="lost",
        blame="us",
        **wishes,
    )
    async with here.store.transaction() as tx:
        await tx.reports.add(made)
    return made


async def item(here: Reception, state: OutboxState, ended: timedelta | None) -> OutboxItem:
    now = here.clock.now()
    made = OutboxItem(
        id=here.id(ids.Kind.OUTBOX),
        kind=OutboxKind.WEBHOOK,
        topic="authorization.granted",
        subject="aut_1",
        to="ins_1",
        state=state,
        next_at=now,
        created_at=now - timedelta(days=900),
        ended_at=None if ended is None else now - ended,
    )
    async with here.store.transaction() as tx:
        await tx.outbox.add(made)
    return made


def later(here: Reception, span: timedelta) -> None:
    here.clock.move(seconds=span.total_seconds())


async def test_nothing_to_do_is_not_worth_a_line(here: Reception) -> None:
    account = await here.add_account()
    await here.connect(account, SHOP)
    before = await lines(here)
    assert await purge(here.store, here.clock.now()) == Purged()
    assert await lines(here) == before


async def test_attempts_of_a_quarter_ago_go_and_their_grants_stay(here: Reception) -> None:
    account = await here.add_account()
    await here.connect(account, SHOP)
    left = await here.begin(account)  # never came back from Amazon
    (grant,) = await rows(here, "grants")
    assert grant.handshake_id
    later(here, terms.HANDSHAKES_KEPT - timedelta(minutes=1))
    assert (await purge(here.store, here.clock.now())).handshakes == 0
    young = await here.begin(account)
    later(here, timedelta(minutes=2))
    purged = await purge(here.store, here.clock.now())
    assert purged.handshakes == 2
    assert [one.id for one in await rows(here, "handshakes")] == [young.departure.handshake_id]
    (kept,) = await rows(here, "grants")
    assert (kept.id, kept.handshake_id) == (grant.id, None)
    (granted,) = [line for line in await lines(here) if line.verb == "authorization.granted"]
    assert granted.facts["handshake_id"] == grant.handshake_id, "the journal knows for ever"
    line = (await lines(here))[-1]
    assert (line.verb, line.caller, line.account_id) == ("records.purged", "system", None)
    assert line.facts == {"handshakes": 2, "events": 1}
    # Whoever comes back after all that gets a page, and no handshake is needed for it.
    with pytest.raises(ConsentRefused):
        await here.consent.accept(await here.callback(left, account, SHOP), left.browser)
    later(here, timedelta(minutes=-1))
    arrived = await here.connect(account, SHOP)
    assert arrived.renewal


async def test_an_exchange_under_way_is_the_receptions_however_old(here: Reception) -> None:
    account = await here.add_account()
    trip = await here.begin(account)
    async with here.store.transaction() as tx:
        await tx.handshakes.change(
            trip.departure.handshake_id, step=HandshakeStep.SPENT, spent_at=here.clock.now()
        )
    later(here, terms.HANDSHAKES_KEPT + DAY)
    assert (await purge(here.store, here.clock.now())).handshakes == 0
    await here.consent.lose_stale(here.clock.now())
    assert (await purge(here.store, here.clock.now())).handshakes == 1
    (told,) = await rows(here, "reports")
    assert (told.reason, told.handshake_id) == ("lost", None)


async def test_reports_go_when_they_are_solved_or_very_old(here: Reception) -> None:
    solved = await report(here)
    later(here, DAY)
    open_one = await report(here)
    later(here, DAY)
    await here.consent.resolve(solved.reference, by=BOSS)
    later(here, terms.SOLVED_REPORTS_KEPT)
    assert (await purge(here.store, here.clock.now())).reports == 0
    later(here, timedelta(seconds=1))
    assert (await purge(here.store, here.clock.now())).reports == 1
    assert [one.id for one in await rows(here, "reports")] == [open_one.id]
    here.clock.set(open_one.at + terms.REPORTS_KEPT)
    assert (await purge(here.store, here.clock.now())).reports == 0
    later(here, timedelta(seconds=1))
    assert (await purge(here.store, here.clock.now())).reports == 1


async def test_reports_outlive_the_attempt_that_they_tell_of(here: Reception) -> None:
    account = await here.add_account()
    trip = await here.begin(account)
    await here.refused(trip, await here.callback(trip, account, SHOP, spapi_oauth_code="ANmadeup"))
    (before,) = await rows(here, "reports")
    assert before.handshake_id == trip.departure.handshake_id
    later(here, terms.HANDSHAKES_KEPT + DAY)
    assert (await purge(here.store, here.clock.now())).handshakes == 1
    (after,) = await rows(here, "reports")
    assert after.handshake_id is None
    assert after.facts == before.facts


async def test_what_was_delivered_goes_after_a_month(here: Reception) -> None:
    second = timedelta(seconds=1)
    gone = [
        await item(here, OutboxState.SENT, terms.SENT_KEPT + second),
        await item(here, OutboxState.FAILED, terms.UNDELIVERED_KEPT + second),
    ]
    kept = [
        await item(here, OutboxState.SENT, terms.SENT_KEPT - second),
        await item(here, OutboxState.FAILED, terms.UNDELIVERED_KEPT - second),
        await item(here, OutboxState.WAITING, None),
    ]
    assert (await purge(here.store, here.clock.now())).outbox_items == len(gone)
    assert [one.id for one in await rows(here, "outbox")] == [one.id for one in kept]


async def test_counts_of_calls_go_after_a_quarter_and_without_a_line(here: Reception) -> None:
    def count(hour_at: datetime) -> CallCount:
        return CallCount(
            id=f"acc_1/orders.v0.getOrders/{hour_at:%Y-%m-%dT%H}",
            account_id="acc_1",
            operation="orders.v0.getOrders",
            hour_at=hour_at,
            calls=1,
            last_at=hour_at,
        )

    hour = here.clock.now().replace(minute=0, second=0, microsecond=0)
    here.clock.set(hour)
    old, kept = (
        count(hour - terms.CALL_COUNTS_KEPT - timedelta(hours=1)),
        count(hour - terms.CALL_COUNTS_KEPT),
    )
    async with here.store.transaction() as tx:
        await tx.call_counts.add_up([old, kept])
    purged = await purge(here.store, here.clock.now())
    assert (purged.call_counts, purged.rows) == (1, 1)
    assert await rows(here, "call_counts") == [kept]
    assert await lines(here) == []


async def test_a_batch_at_a_time(here: Reception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    for _ in range(4):
        await item(here, OutboxState.SENT, terms.SENT_KEPT + DAY)
    await item(here, OutboxState.FAILED, terms.UNDELIVERED_KEPT + DAY)
    assert (await purge(here.store, here.clock.now())).outbox_items == 3
    assert (await purge(here.store, here.clock.now())).outbox_items == 2
    assert [line.facts["outbox_items"] for line in await lines(here)] == [3, 2]


async def test_two_towers_purge_each_row_once(here: Reception) -> None:
    account = await here.add_account()
    for _ in range(10):
        await here.begin(account)
        await item(here, OutboxState.SENT, terms.SENT_KEPT + DAY)
    later(here, terms.HANDSHAKES_KEPT + DAY)
    purged = await asyncio.gather(*(purge(here.store, here.clock.now()) for _ in range(3)))
    assert sum(one.handshakes for one in purged) == 10
    assert sum(one.outbox_items for one in purged) == 10
    assert (
        sum(line.facts["handshakes"] for line in await lines(here) if "purged" in line.verb) == 10
    )


async def test_the_tower_purges_once_an_hour(here: Reception) -> None:
    watch = tower(here)
    await item(here, OutboxState.SENT, terms.SENT_KEPT + DAY)
    assert (await watch.sweep()).rows_purged == 1
    await item(here, OutboxState.SENT, terms.SENT_KEPT + DAY)
    later(here, timedelta(minutes=59))
    assert (await watch.sweep()).rows_purged == 0
    later(here, timedelta(minutes=1))
    assert (await watch.sweep()).rows_purged == 1


async def test_no_sealed_link_outlives_its_use(here: Reception) -> None:
    """Spent and withdrawn ones go with the fact, expired ones with the tower's next look."""
    account = await here.add_account()
    watch = tower(here)

    async def links() -> set[str]:
        return {one.id for one in await rows(here, "safe") if "link" in one.id}

    def link_of(invitation: Any) -> str:
        return vault.invitation_link(invitation.id)

    await here.consent.invite(account.id, by=BOSS)
    later(here, DAY)
    second = await here.consent.invite(account.id, by=BOSS)
    assert await links() == {link_of(second)}, "the first was withdrawn"
    await here.connect(account, SHOP)
    assert {one.state for one in await rows(here, "invitations")} == {
        InvitationState.SPENT,
        InvitationState.WITHDRAWN,
    }
    assert await links() == set()
    later(here, DAY)
    third = await here.consent.invite(account.id, by=BOSS)
    await here.consent.decline(
        (await here.consent.link(account.id, by=BOSS)).reveal().rpartition("/")[2]
    )
    assert await links() == set()
    later(here, DAY)
    fourth = await here.consent.invite(account.id, by=BOSS)
    assert fourth.id != third.id
    here.clock.set(fourth.expires_at + timedelta(hours=1, seconds=1))
    await watch.sweep()
    assert await links() == set(), "too old to open anything"


# --- what the watch keeps -----------------------------------------------------------------------


async def test_events_settled_notices_and_old_lines_of_the_ledger(here: Reception) -> None:
    account = await here.add_account()
    (authorization,) = await rows(here, "authorizations", account_id=account.id)
    now, second = here.clock.now(), timedelta(seconds=1)

    def line(kind: ReminderKind, ended: timedelta) -> Reminder:
        return Reminder(
            id=here.id(ids.Kind.REMINDER),
            kind=kind,
            subject=f"{authorization.id}{kind}",
            ends_at=now - ended,
            days=0,
            at=now - ended,
        )

    def notice(subject: str, settled: timedelta | None) -> Notice:
        return Notice(
            id=here.id(ids.Kind.NOTICE),
            kind=NoticeKind.TERM_ENDING,
            subject=subject,
            message="It ends soon.",
            first_at=now - timedelta(days=900),
            last_at=now - timedelta(days=900),
            settled_at=None if settled is None else now - settled,
        )

    kept_lines = [
        line(ReminderKind.TERM, terms.REMINDERS_KEPT - DAY),
        line(ReminderKind.UNDATED, timedelta(days=900)),
    ]
    kept_notices = [
        notice("open", None),
        notice("young", terms.SETTLED_NOTICES_KEPT - DAY),
    ]
    async with here.store.transaction() as tx:
        for reminder in (*kept_lines, line(ReminderKind.AGE, terms.REMINDERS_KEPT + second)):
            await tx.reminders.add(reminder)
        for one in (*kept_notices, notice("old", terms.SETTLED_NOTICES_KEPT + second)):
            await tx.notices.add(one)
        for age in (terms.EVENTS_KEPT - DAY, terms.EVENTS_KEPT + second):
            await put_event(
                tx,
                now=now - age,
                topic="authorization.lapsed",
                account=account,
                authorization=authorization,
            )
    purged = await purge(here.store, here.clock.now())
    assert (purged.events, purged.notices, purged.reminders) == (1, 1, 1)
    assert {one.id for one in await rows(here, "reminders")} == {one.id for one in kept_lines}
    assert {one.id for one in await rows(here, "notices")} == {one.id for one in kept_notices}
    async with here.store.transaction() as tx:
        (event,) = await tx.events.read()
    assert event.at == now - terms.EVENTS_KEPT + DAY
    assert (await lines(here))[-1].facts == {"events": 1, "notices": 1, "reminders": 1}


async def test_the_journal_goes_by_the_months_of_the_setting_alone(quick: Reception) -> None:
    today = datetime.now(UTC)
    quick.clock.set(today)
    async with quick.store.transaction() as tx:
        for verb, days in (("ancient", 900), ("old", 500), ("young", 300)):
            await tx.journal.append(
                JournalLine(
                    at=today - timedelta(days=days), caller="system", verb=verb, subject="x"
                )
            )
    assert await purge_journal(quick.store, today, None) == 0
    assert await purge_journal(quick.store, today, 24) == 1
    verbs = [line.verb for line in await lines(quick)]
    assert verbs == ["old", "young", "journal.purged"]
    told = (await lines(quick))[-1]
    assert (told.caller, told.facts["lines"], told.facts["months"]) == ("system", 1, 24)
    assert await purge_journal(quick.store, today, 24) == 0
    assert await purge_journal(quick.store, today + timedelta(days=9000), 12) == 1, "its own clock"
    assert [line.verb for line in await lines(quick)][:1] == ["young"]


async def test_a_replaced_refresh_token_that_no_look_dropped_goes_after_a_month(
    quick: Reception,
) -> None:
    account = await quick.add_account()
    await quick.connect(account, SHOP)
    quick.api.fail()  # no look proves the next one
    await quick.connect(account, SHOP)
    first, second = await rows(quick, "grants")
    later(quick, terms.SUPERSEDED_KEPT)
    assert await drop_superseded(quick.store, quick.clock.now()) == 0
    later(quick, DAY)
    assert await drop_superseded(quick.store, quick.clock.now()) == 1
    assert await quick.sealed(vault.refresh_token(first.id)) is None
    assert await quick.sealed(vault.refresh_token(second.id)) is not None
    assert await drop_superseded(quick.store, quick.clock.now()) == 0
    dropped = [line for line in await lines(quick) if line.verb == "refresh_tokens.dropped"]
    assert [line.facts for line in dropped] == [{"superseded": 1}]


# --- accounts that were closed --------------------------------------------------------------------


async def test_a_month_after_closing_nothing_personal_is_left(here: Reception) -> None:
    account = await here.add_account(client_email="jane.doe@heron.example", notes="Jane, Fridays")
    other = await here.add_account(client_email="kept@partner.example")
    here.api.participate(
        SHOP,
        [
            ReportedParticipation(
                marketplace_id="A1PA6795UKMFR9",
                country_code="DE",
                name="Amazon.de",
                store_name="Jane Doe Books",
                participating=True,
            )
        ],
    )
    await here.consent.invite(account.id, by=BOSS)
    await here.connect(account, SHOP)
    trip = await here.begin(account)
    await here.refused(trip, await here.callback(trip, account, SHOP, spapi_oauth_code="ANmadeup"))
    for one in await rows(here, "outbox"):
        async with here.store.transaction() as tx:
            await tx.outbox.change(
                one.id, state=OutboxState.FAILED, ended_at=here.clock.now() + 25 * DAY
            )
    await here.accounts.close(account.id, by=BOSS)
    later(here, terms.CLOSED_KEPT)
    assert await forget_closed(here.store, here.clock.now()) == 0
    later(here, timedelta(seconds=1))
    assert await forget_closed(here.store, here.clock.now()) == 1
    async with here.store.transaction() as tx:
        for shelf in ("accounts", "invitations", "participations", "outbox", "reports", "notices"):
            found = repr(await getattr(tx, shelf).all())
            assert "jane" not in found.lower(), shelf
        (kept,) = await tx.accounts.all(id=[other.id])
        assert {one.browser_digest for one in await tx.handshakes.all()} == {""}
        tokens = [one.id for one in await tx.safe.all() if "token" in one.id or "link" in one.id]
        assert tokens == []
    assert kept.client_email == "kept@partner.example"
    (told,) = [line for line in await lines(here) if line.verb == "account.personal_data_purged"]
    assert (told.account_id, told.facts["refresh_tokens"]) == (account.id, 1)
    assert "jane" not in repr(told).lower()
    assert await forget_closed(here.store, here.clock.now()) == 0, "once"


async def test_reopening_afterwards_asks_for_an_email_and_a_new_consent(quick: Reception) -> None:
    account = await quick.add_account()
    await quick.connect(account, SHOP)
    await quick.accounts.close(account.id, by=BOSS)
    later(quick, terms.CLOSED_KEPT + DAY)
    await forget_closed(quick.store, quick.clock.now())
    with pytest.raises(InvalidInput):
        await quick.accounts.reopen(account.id, by=BOSS)
    await quick.accounts.change(account.id, {"client_email": "new@heron.example"}, by=BOSS)
    view = await quick.accounts.reopen(account.id, by=BOSS)
    assert (view.authorization.state, view.authorization.grant_id) == (State.AWAITING, None)
    await quick.consent.invite(account.id, by=BOSS)
    arrived = await quick.connect(view.account, SHOP)
    assert arrived.finding == ""
    (row,) = await rows(quick, "authorizations", account_id=account.id)
    assert row.state is State.ACTIVE


async def test_who_was_reopened_in_time_keeps_everything(quick: Reception) -> None:
    account = await quick.add_account()
    await quick.connect(account, SHOP)
    await quick.accounts.close(account.id, by=BOSS)
    later(quick, terms.CLOSED_KEPT - DAY)
    await quick.accounts.reopen(account.id, by=BOSS)
    later(quick, 2 * DAY)
    assert await forget_closed(quick.store, quick.clock.now()) == 0
    (kept,) = await rows(quick, "accounts")
    assert kept.client_email == account.client_email


async def test_two_towers_forget_an_account_once(here: Reception) -> None:
    account = await here.add_account()
    await here.connect(account, SHOP)
    await here.accounts.close(account.id, by=BOSS)
    later(here, terms.CLOSED_KEPT + DAY)
    ends = await asyncio.gather(*(forget_closed(here.store, here.clock.now()) for _ in range(3)))
    assert sum(ends) == 1
    told = [line for line in await lines(here) if line.verb == "account.personal_data_purged"]
    assert len(told) == 1


async def test_a_tower_that_comes_late_forgets_nothing_again(
    quick: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one was done between this one's look and its turn."""
    account = await quick.add_account()
    await quick.connect(account, SHOP)
    await quick.accounts.close(account.id, by=BOSS)
    later(quick, terms.CLOSED_KEPT + DAY)
    assert await forget_closed(quick.store, quick.clock.now()) == 1

    async def as_before(scans: object, before: object, *, limit: int) -> list[str]:
        return [account.id]

    monkeypatch.setattr(MemoryScans, "closed_since", as_before)
    assert await forget_closed(quick.store, quick.clock.now()) == 0
    told = [line for line in await lines(quick) if line.verb == "account.personal_data_purged"]
    assert len(told) == 1


async def test_the_tower_does_all_of_it(quick: Reception) -> None:
    account = await quick.add_account()
    await quick.connect(account, SHOP)
    await quick.accounts.close(account.id, by=BOSS)
    later(quick, terms.CLOSED_KEPT + DAY)
    assert (await tower(quick).sweep()).rows_purged >= 1
    (left,) = await rows(quick, "accounts")
    assert left.client_email == ""
