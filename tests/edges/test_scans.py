"""What the clock tower looks for, on the store in memory and on PostgreSQL."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergrant import vault
from evergrant.adapters.store import open_store
from evergrant.ports import things as t
from evergrant.ports.store import Store, Transaction
from evergrant.ports.traded import OrderSweep
from evergrant.ports.watched import Reminder, ReminderKind, WindowReached
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.testing.store import MemoryStore
from tests.searching import cases

NOW = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
DAYS = (30, 23, 16, 9, 2, 0)
DAY = timedelta(days=1)
YEAR = 365 * DAY
ADDED = NOW - timedelta(days=100)

APPLICATIONS = {
    "app_public": (ApplicationKind.PUBLIC, None),
    "app_own": (ApplicationKind.PUBLIC, (60, 5, 1)),
    "app_none": (ApplicationKind.PUBLIC, ()),
    "app_private": (ApplicationKind.PRIVATE, None),
    "app_private_none": (ApplicationKind.PRIVATE, ()),
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One authorization, as far as the scans look at it."""

    ends_at: datetime | None = None
    state: State = State.ACTIVE
    application_id: str = "app_public"
    granted_at: datetime | None = ADDED
    granted: bool = True
    added_at: datetime = ADDED


async def furnish(tx: Transaction) -> None:
    for name, (kind, days) in APPLICATIONS.items():
        await tx.applications.add(
            t.Application(
                id=name,
                name=name,
                kind=kind,
                partner_kinds=frozenset({PartnerKind.SELLER}),
                status=ApplicationStatus.PUBLISHED,
                application_id=f"amzn1.sp.solution.{name}",
                reminder_days=days,
                created_at=NOW,
                changed_at=NOW,
            )
        )
    await tx.instances.add(t.ClientInstance(id="ins_1", name="ERP", created_at=NOW, changed_at=NOW))


async def add(tx: Transaction, name: str, row: Row) -> None:
    await tx.accounts.add(
        t.Account(
            id=f"acc_{name}",
            name=name,
            partner_kind=PartnerKind.SELLER,
            client_email="heron@partner.example",
            application_id=row.application_id,
            client_instance_id="ins_1",
            region=Region.EU,
            home_marketplace="DE",
            created_at=NOW,
            changed_at=NOW,
        )
    )
    authorization = t.Authorization(
        id=f"aut_{name}",
        account_id=f"acc_{name}",
        application_id=row.application_id,
        region=Region.EU,
        state=row.state,
        granted_at=row.granted_at,
        term_ends_at=row.ends_at,
        changed_at=NOW,
    )
    await tx.authorizations.add(authorization)
    if row.granted:
        await tx.grants.add(
            t.Grant(
                id=f"grt_{name}",
                authorization_id=authorization.id,
                source=t.GrantSource.CONSENT,
                selling_partner_id=name,
                granted_at=row.granted_at,
                term_ends_at=row.ends_at,
                created_at=row.added_at,
            )
        )
        await tx.authorizations.change(authorization.id, grant_id=f"grt_{name}")


def told(name: str, ends_at: datetime, days: int, kind: ReminderKind = ReminderKind.TERM) -> Any:
    return Reminder(
        id=f"rem_{name}/{ends_at.isoformat()}/{days}/{kind}",
        kind=kind,
        subject=f"aut_{name}",
        account_id=f"acc_{name}",
        ends_at=ends_at,
        days=days,
        at=NOW,
    )


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        store: Store = MemoryStore()
    else:
        store = await open_store(request.getfixturevalue("database_url"))
    async with store.transaction() as tx:
        await furnish(tx)
    yield store
    await store.close()


async def fill(store: Store, **rows: Row) -> None:
    async with store.transaction() as tx:
        for name, row in rows.items():
            await add(tx, name, row)


async def tell(store: Store, *lines: Reminder) -> None:
    async with store.transaction() as tx:
        for line in lines:
            await tx.reminders.add(line)


async def reached(
    store: Store, now: datetime = NOW, days: Sequence[int] = DAYS, limit: int = 100
) -> list[WindowReached]:
    async with store.transaction() as tx:
        return await tx.scans.windows_reached(now, days, limit=limit)


async def names(
    store: Store, now: datetime = NOW, days: Sequence[int] = DAYS, limit: int = 100
) -> dict[str, int]:
    """Name and window, in the order of the scan."""
    found = await reached(store, now, days, limit)
    return {window.authorization_id.removeprefix("aut_"): window.days for window in found}


# --- terms -------------------------------------------------------------------------------------


async def test_a_window_tells_all_that_the_letter_needs(store: Store) -> None:
    ends_at = NOW + 23 * DAY
    await fill(store, a=Row(ends_at))
    assert await reached(store) == [
        WindowReached(
            kind=ReminderKind.TERM,
            authorization_id="aut_a",
            account_id="acc_a",
            application_id="app_public",
            ends_at=ends_at,
            days=23,
        )
    ]


async def test_only_the_newest_window_counts(store: Store) -> None:
    ends = {"a": 31, "b": 30, "c": 29, "d": 23, "e": 22, "f": 10, "g": 2, "h": 1, "i": 0, "j": -30}
    await fill(store, **{name: Row(NOW + days * DAY) for name, days in ends.items()})
    assert await names(store) == {
        "j": 0,
        "i": 0,
        "h": 2,
        "g": 2,
        "f": 16,
        "e": 23,
        "d": 23,
        "c": 30,
        "b": 30,
    }


@pytest.mark.parametrize(
    ("ends_at", "first"),
    [
        # The first instant at which the window of 30 days is open.
        (datetime(2026, 7, 31, 0, 0, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)),
        (datetime(2026, 7, 31, 23, 59, 59, 999999, UTC), datetime(2026, 7, 1, tzinfo=UTC)),
        (datetime(2026, 8, 1, 0, 0, tzinfo=UTC), datetime(2026, 7, 2, tzinfo=UTC)),
        # Over the end of a year, through a leap day, and where Europe changes its clocks.
        (datetime(2027, 1, 15, 12, tzinfo=UTC), datetime(2026, 12, 16, tzinfo=UTC)),
        (datetime(2028, 3, 20, 7, tzinfo=UTC), datetime(2028, 2, 19, tzinfo=UTC)),
        (datetime(2027, 3, 20, 7, tzinfo=UTC), datetime(2027, 2, 18, tzinfo=UTC)),
        (datetime(2026, 4, 10, 23, 30, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC)),
    ],
)
async def test_a_window_opens_at_midnight_utc(
    store: Store, ends_at: datetime, first: datetime
) -> None:
    await fill(store, a=Row(ends_at))
    assert await names(store, first - timedelta(microseconds=1)) == {}
    assert await names(store, first) == {"a": 30}
    tokyo = timezone(timedelta(hours=9))
    assert await names(store, first.astimezone(tokyo)) == {"a": 30}


async def test_on_the_day_itself_the_window_is_open_before_and_after_the_hour(store: Store) -> None:
    ends_at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    await fill(store, a=Row(ends_at))
    midnight = datetime.combine(ends_at, time(), UTC)
    assert await names(store, midnight - timedelta(seconds=1)) == {"a": 2}
    assert await names(store, midnight) == {"a": 0}
    assert await names(store, ends_at + timedelta(hours=11)) == {"a": 0}


@pytest.mark.parametrize("state", State)
async def test_every_state(store: Store, state: State) -> None:
    await fill(store, a=Row(NOW + DAY, state), b=Row(NOW - DAY, state))
    expected = {"b": 0, "a": 2} if state in (State.ACTIVE, State.LAPSED) else {}
    assert await names(store) == expected


async def test_an_end_is_news_for_thirty_days(store: Store) -> None:
    ends_at = NOW - 30 * DAY
    await fill(store, a=Row(ends_at, State.LAPSED))
    assert await names(store) == {"a": 0}
    assert await names(store, NOW + timedelta(microseconds=1)) == {}


async def test_a_lapsed_one_whose_end_was_not_told_is_told(store: Store) -> None:
    ends_at = NOW - 3 * DAY
    await fill(store, a=Row(ends_at, State.LAPSED), b=Row(ends_at, State.LAPSED))
    await tell(store, *(told("a", ends_at, days) for days in DAYS))
    await tell(store, *(told("b", ends_at, days) for days in DAYS if days))
    assert await names(store) == {"b": 0}


async def test_what_stands_in_the_ledger_is_not_reached_again(store: Store) -> None:
    ends_at = NOW + 20 * DAY
    await fill(store, a=Row(ends_at), b=Row(ends_at))
    await tell(store, told("a", ends_at, 23))
    assert await names(store) == {"b": 23}
    # An older window that was never told is not told belatedly.
    assert await names(store, NOW + 3 * DAY) == {"b": 23}
    assert await names(store, NOW + 4 * DAY) == {"a": 16, "b": 16}


async def test_only_the_very_line_counts(store: Store) -> None:
    """Same subject, but of an earlier term, of another window, of another kind."""
    ends_at = NOW + 20 * DAY
    await fill(store, a=Row(ends_at))
    await tell(
        store,
        told("a", ends_at - YEAR, 23),
        told("a", ends_at - timedelta(microseconds=1), 23),
        told("a", ends_at, 30),
        told("a", ends_at, 23, ReminderKind.AGE),
    )
    assert await names(store) == {"a": 23}
    await tell(store, told("a", ends_at, 23))
    assert await names(store) == {}


async def test_an_application_has_days_of_its_own(store: Store) -> None:
    ends = {"a": 61, "b": 60, "c": 6, "d": 5, "e": 1, "f": 0, "g": -20}
    await fill(
        store,
        **{name: Row(NOW + days * DAY, State.ACTIVE, "app_own") for name, days in ends.items()},
    )
    expected = {"g": 1, "f": 1, "e": 1, "d": 5, "c": 60, "b": 60}
    assert await names(store) == expected
    assert await names(store, days=()) == expected


async def test_no_days_no_reminders(store: Store) -> None:
    silent = Row(NOW + DAY, State.ACTIVE, "app_none")
    await fill(store, a=silent, b=dataclasses.replace(silent, application_id="app_public"))
    assert await names(store) == {"b": 2}
    assert await names(store, days=()) == {}


async def test_order_and_number_of_days_do_not_matter(store: Store) -> None:
    await fill(store, a=Row(NOW + 8 * DAY))
    assert await names(store, days=(9, 0, 30, 9)) == {"a": 9}


async def test_in_the_order_of_ends_then_of_ids(store: Store) -> None:
    soon, later = NOW + DAY, NOW + 2 * DAY
    await fill(store, b=Row(later), a=Row(later), z=Row(soon), y=Row(soon))
    assert list(await names(store)) == ["y", "z", "a", "b"]
    assert list(await names(store, limit=3)) == ["y", "z", "a"]


# --- self-authorizations, and grants without a date ---------------------------------------------


def private(age: timedelta, **values: Any) -> Row:
    return Row(None, State.ACTIVE, "app_private", NOW - age, **values)


async def test_a_self_authorization_is_reminded_of_by_its_age(store: Store) -> None:
    ages = {"a": 334, "b": 335, "c": 364, "d": 365, "e": 395, "f": 396}
    await fill(store, **{name: private(days * DAY) for name, days in ages.items()})
    found = await reached(store)
    assert [(one.kind, one.authorization_id, one.days) for one in found] == [
        (ReminderKind.AGE, "aut_e", 0),
        (ReminderKind.AGE, "aut_d", 0),
        (ReminderKind.AGE, "aut_c", 30),
        (ReminderKind.AGE, "aut_b", 30),
    ]
    assert found[1].ends_at == NOW
    await tell(store, told("d", NOW, 0, ReminderKind.AGE))
    assert list(await names(store)) == ["e", "c", "b"]
    # Its two windows are not those of the letters to clients.
    assert await names(store, days=(300, 3)) == {"e": 0, "c": 30, "b": 30}


@pytest.mark.parametrize("state", [state for state in State if state is not State.ACTIVE])
async def test_age_and_missing_dates_matter_while_active(store: Store, state: State) -> None:
    await fill(
        store,
        a=dataclasses.replace(private(YEAR), state=state),
        b=Row(None, state, granted_at=None),
    )
    assert await names(store) == {}


async def test_no_days_no_reminders_by_age_either(store: Store) -> None:
    await fill(store, a=dataclasses.replace(private(YEAR), application_id="app_private_none"))
    assert await names(store) == {}
    await fill(store, b=private(YEAR))
    assert await names(store, days=()) == {}


async def test_a_public_application_has_no_age(store: Store) -> None:
    await fill(store, a=dataclasses.replace(private(YEAR), application_id="app_public"))
    assert await names(store) == {}


@pytest.mark.parametrize("application", APPLICATIONS)
async def test_a_grant_without_a_date_is_asked_for_once(store: Store, application: str) -> None:
    """However old, and whatever the days: it is a question, not a reminder."""
    first = NOW - 3 * YEAR
    row = Row(None, State.ACTIVE, application, None, added_at=first)
    await fill(store, a=row)
    assert await reached(store, days=()) == [
        WindowReached(
            kind=ReminderKind.UNDATED,
            authorization_id="aut_a",
            account_id="acc_a",
            application_id=application,
            ends_at=first,
            days=0,
        )
    ]
    await tell(store, told("a", first, 0, ReminderKind.UNDATED))
    assert await reached(store) == []
    # Another grant without a date is another question.
    async with store.transaction() as tx:
        grant = await tx.grants.get("grt_a")
        assert grant is not None
        await tx.grants.add(dataclasses.replace(grant, id="grt_b", created_at=NOW))
        await tx.authorizations.change("aut_a", grant_id="grt_b")
    assert [window.ends_at for window in await reached(store)] == [NOW]


async def test_a_known_end_leaves_nothing_to_ask(store: Store) -> None:
    await fill(store, a=Row(NOW + 90 * DAY, granted_at=None), b=Row(None, granted=False))
    assert await names(store) == {}


# --- closed accounts ----------------------------------------------------------------------------


async def closed(store: Store, before: datetime = NOW + DAY, limit: int = 10) -> list[str]:
    async with store.transaction() as tx:
        return await tx.scans.closed_since(before, limit=limit)


@pytest.mark.parametrize("state", State)
async def test_closed_are_those_that_are_closed(store: Store, state: State) -> None:
    await fill(store, a=Row(state=state))
    assert await closed(store) == (["acc_a"] if state is State.CLOSED else [])


async def test_closed_for_long_enough(store: Store) -> None:
    await fill(store, a=Row(state=State.CLOSED))
    assert await closed(store, NOW) == []
    assert await closed(store, NOW + timedelta(microseconds=1)) == ["acc_a"]


async def test_nothing_is_left_to_remove(store: Store) -> None:
    await fill(store, a=Row(state=State.CLOSED))
    async with store.transaction() as tx:
        await tx.accounts.change("acc_a", client_email="")
    assert await closed(store) == []
    async with store.transaction() as tx:
        await tx.accounts.change("acc_a", notes="Ask for Jo.")
    assert await closed(store) == ["acc_a"]
    sealed = t.SealedSecret(
        id=vault.refresh_token("grt_a"), key_id="k", ciphertext=b"", sealed_at=NOW
    )
    async with store.transaction() as tx:
        await tx.accounts.change("acc_a", notes="")
        await tx.safe.add(sealed)
    assert await closed(store) == ["acc_a"]
    async with store.transaction() as tx:
        await tx.safe.drop(sealed.id)
        await tx.safe.add(dataclasses.replace(sealed, id=vault.refresh_token("grt_other")))
    assert await closed(store) == []


async def test_a_grant_that_was_superseded_counts_too(store: Store) -> None:
    await fill(store, a=Row(state=State.CLOSED))
    async with store.transaction() as tx:
        await tx.accounts.change("acc_a", client_email="")
        await tx.authorizations.change("aut_a", grant_id=None)
        await tx.safe.add(
            t.SealedSecret(
                id=vault.refresh_token("grt_a"), key_id="k", ciphertext=b"", sealed_at=NOW
            )
        )
    assert await closed(store) == ["acc_a"]


async def test_closed_ones_come_in_order_and_portions(store: Store) -> None:
    row = Row(state=State.CLOSED)
    await fill(store, c=row, a=row, b=row)
    assert await closed(store, limit=2) == ["acc_a", "acc_b"]


# --- orders that nobody sweeps ------------------------------------------------------------------


async def unswept(store: Store, limit: int = 10) -> list[str]:
    async with store.transaction() as tx:
        return await tx.scans.unswept(limit=limit)


async def test_unswept_are_active_accounts_without_a_sweep_that_goes_on(store: Store) -> None:
    lapsed = Row(state=State.LAPSED)
    await fill(store, d=Row(), c=Row(), b=Row(), a=Row(), e=lapsed, f=lapsed)
    assert await unswept(store) == ["acc_a", "acc_b", "acc_c", "acc_d"]
    assert await unswept(store, limit=2) == ["acc_a", "acc_b"]
    async with store.transaction() as tx:
        await tx.order_sweeps.add(OrderSweep(id="acc_b", due_at=NOW, changed_at=NOW))
        await tx.order_sweeps.add(OrderSweep(id="acc_c", changed_at=NOW))
        await tx.order_sweeps.add(OrderSweep(id="acc_f", changed_at=NOW))
    assert await unswept(store) == ["acc_a", "acc_c", "acc_d"]


# --- both stores find the same ------------------------------------------------------------------

days_around = st.sampled_from([-31, -30, -29, -1, 0, 1, 2, 3, 5, 6, 9, 16, 29, 30, 31, 60, 61])
times_of_day = st.sampled_from(
    [timedelta(), timedelta(microseconds=1), timedelta(hours=9, minutes=30), DAY - timedelta(0, 1)]
)
instants = st.builds(
    lambda days, at: datetime(2026, 7, 1, tzinfo=UTC) + days * DAY + at, days_around, times_of_day
)
rows = st.builds(
    Row,
    ends_at=st.none() | instants,
    state=st.sampled_from([State.ACTIVE, State.ACTIVE, *State]),
    application_id=st.sampled_from(sorted(APPLICATIONS)),
    granted_at=st.none() | instants.map(lambda at: at - YEAR),
    granted=st.sampled_from([True, True, True, False]),
    added_at=instants,
)
lines = st.tuples(
    st.sampled_from([ReminderKind.TERM, ReminderKind.TERM, *ReminderKind]),
    st.sampled_from([0, 0, 1, 2, 5, 9, 30]),
)
usual = st.sampled_from([DAYS, DAYS, (), (7,), (-1, 30)])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Row], list[Reminder], datetime, Sequence[int]]:
    found = draw(st.lists(rows, min_size=1, max_size=6))
    ledger = {}
    for number, row in enumerate(found):
        for kind, days in draw(st.lists(lines, max_size=3, unique=True)):
            by_kind = {
                ReminderKind.TERM: row.ends_at,
                ReminderKind.AGE: row.granted_at and row.granted_at + YEAR,
                ReminderKind.UNDATED: row.added_at,
            }
            line = told(str(number), by_kind.get(kind) or NOW, days, kind)
            ledger[line.id] = line
    return found, list(ledger.values()), draw(instants), draw(usual)


class RolledBackError(Exception):
    pass


async def live_through(
    store: Store, world: tuple[list[Row], list[Reminder], datetime, Sequence[int]]
) -> Any:
    found, ledger, now, days = world
    answer: Any = None
    try:
        async with store.transaction() as tx:
            await furnish(tx)
            for number, row in enumerate(found):
                await add(tx, str(number), row)
            for line in ledger:
                await tx.reminders.add(line)
            answer = (
                await tx.scans.windows_reached(now, days, limit=5),
                await tx.scans.closed_since(now, limit=2),
            )
            raise RolledBackError
    except RolledBackError:
        return answer


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


def test_they_find_the_same(runner: asyncio.Runner, database_url: str) -> None:
    memory = MemoryStore()
    postgres = runner.run(open_store(database_url))

    @settings(
        max_examples=cases(30),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(worlds())
    def compare(world: Any) -> None:
        ours = runner.run(live_through(memory, world))
        assert ours == runner.run(live_through(postgres, world))

    try:
        compare()
    finally:
        runner.run(postgres.close())


# --- what ends next ----------------------------------------------------------------------------


async def ahead(store: Store, until: datetime, limit: int = 100, **within: Any) -> list[str]:
    async with store.transaction() as tx:
        return [one.id for one in await tx.scans.terms_ending(until, limit=limit, **within)]


async def test_what_ends_next_comes_in_the_order_of_the_ends(store: Store) -> None:
    await fill(
        store,
        c=Row(ends_at=NOW + 2 * DAY),
        b=Row(ends_at=NOW + 9 * DAY),
        a=Row(ends_at=NOW + 9 * DAY),
        gone=Row(ends_at=NOW + 3 * DAY, state=State.LAPSED),
        endless=Row(),
        late=Row(ends_at=NOW + 30 * DAY),
    )
    assert await ahead(store, NOW + 30 * DAY) == ["aut_c", "aut_a", "aut_b"]
    assert await ahead(store, NOW + 31 * DAY, limit=2) == ["aut_c", "aut_a"]


async def test_what_ends_next_within_reach(store: Store) -> None:
    await fill(store, a=Row(ends_at=NOW + DAY), b=Row(ends_at=NOW + 2 * DAY))
    async with store.transaction() as tx:
        await tx.instances.add(
            t.ClientInstance(id="ins_2", name="Other", created_at=NOW, changed_at=NOW)
        )
        await tx.accounts.change("acc_b", client_instance_id="ins_2")
    until = NOW + 30 * DAY
    assert await ahead(store, until, account_ids=["acc_b", "acc_x"]) == ["aut_b"]
    assert await ahead(store, until, account_ids=[]) == []
    assert await ahead(store, until, client_instance_id="ins_1") == ["aut_a"]
    both: dict[str, Any] = {"client_instance_id": "ins_2", "account_ids": frozenset({"acc_a"})}
    assert await ahead(store, until, **both) == []


async def test_what_lapsed_before_its_end(store: Store) -> None:
    await fill(
        store,
        c=Row(ends_at=NOW + 2 * DAY, state=State.LAPSED),
        b=Row(ends_at=NOW + 9 * DAY, state=State.LAPSED),
        a=Row(ends_at=NOW + 9 * DAY, state=State.LAPSED),
        refused=Row(ends_at=NOW + 3 * DAY, state=State.LAPSED),
        over=Row(ends_at=NOW, state=State.LAPSED),
        active=Row(ends_at=NOW + 4 * DAY),
        endless=Row(state=State.LAPSED),
    )
    async with store.transaction() as tx:
        await tx.authorizations.change("aut_refused", refused_at=NOW)

    async def found(limit: int) -> list[str]:
        async with store.transaction() as tx:
            return [one.id for one in await tx.scans.lapsed_before_their_end(NOW, limit=limit)]

    assert await found(10) == ["aut_c", "aut_a", "aut_b"]
    assert await found(1) == ["aut_c"]


# --- probes ------------------------------------------------------------------------------------


async def test_the_longest_overdue_probe_comes_first(store: Store) -> None:
    await fill(
        store,
        a=Row(),
        b=Row(state=State.LAPSED),
        c=Row(),
        unset=Row(),
        closed=Row(state=State.CLOSED),
        other=Row(application_id="app_own"),
    )
    due = {"a": -1, "b": -3, "c": 0, "closed": -9, "other": -9}
    async with store.transaction() as tx:
        for name, hours in due.items():
            at = NOW + timedelta(hours=hours)
            await tx.authorizations.change(f"aut_{name}", probe_due_at=at)

    async def waiting(until: datetime, limit: int = 10) -> list[str]:
        async with store.transaction() as tx:
            states = (State.ACTIVE, State.LAPSED)
            found = await tx.scans.probes_due(until, states, ["app_public"], limit=limit)
            return [one.id for one in found]

    assert await waiting(NOW) == ["aut_b", "aut_a", "aut_c"]
    assert await waiting(NOW - timedelta(microseconds=1), limit=1) == ["aut_b"]
    async with store.transaction() as tx:
        assert await tx.scans.probes_due(NOW, [State.ACTIVE], [], limit=1) == []
