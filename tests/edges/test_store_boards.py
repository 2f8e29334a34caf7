"""The contract of ``ports.Boards``, on the store in memory and on PostgreSQL.

What needs somebody is decided twice, by the rules and in SQL. So a crowd of accounts in every kind
of trouble is put into both stores, and everything that is asked of one is asked of the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from evergrant.adapters.store import open_store
from evergrant.ports import boards as b
from evergrant.ports.store import AlreadyThere, Store, Transaction
from evergrant.ports.things import JournalLine, Operator
from evergrant.rules import ids, words
from evergrant.rules.attention import NEEDS, Need, badges
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region, VendorKind
from evergrant.rules.rights import Role
from evergrant.testing.store import MemoryStore
from tests.conftest import Databases
from tests.edges.boards_town import DAY, HOUR, NAMES, NOW, Town, base, crowded, make

WHOLE = b.Reach()
ACCOUNTS = 160


@pytest.fixture(scope="module")
def crowd() -> Town:
    return crowded(seed=7, accounts=ACCOUNTS)


@pytest.fixture(scope="module")
def crowd_url(postgres_server: Databases, crowd: Town) -> Iterator[str]:
    """One database with the crowd in it, for all tests that only read."""
    name = postgres_server.take_migrated()
    url = postgres_server.server.url(name)

    async def fill() -> None:
        store = await open_store(url)
        async with store.transaction() as tx:
            await crowd.into(tx)
        await store.close()

    asyncio.run(fill())
    yield url
    postgres_server.give_back(name)


@pytest.fixture(scope="module")
def memory(crowd: Town) -> MemoryStore:
    store = MemoryStore()

    async def fill() -> None:
        async with store.transaction() as tx:
            await crowd.into(tx)

    asyncio.run(fill())
    return store


@pytest.fixture
async def both(
    crowd_url: str, memory: MemoryStore
) -> AsyncIterator[tuple[Transaction, Transaction]]:
    postgres = await open_store(crowd_url)
    async with memory.transaction() as one, postgres.transaction() as other:
        yield one, other
    await postgres.close()


Both = tuple[Transaction, Transaction]
EVERYONE = b.AccountsWanted()

WISHES = [
    EVERYONE,
    *(b.AccountsWanted(states=frozenset({state})) for state in State),
    b.AccountsWanted(states=frozenset({State.ACTIVE, State.LAPSED})),
    *(b.AccountsWanted(partner_kind=kind) for kind in PartnerKind),
    *(b.AccountsWanted(vendor_kind=kind) for kind in VendorKind),
    b.AccountsWanted(region=Region.FE),
    b.AccountsWanted(application_id=make(ids.Kind.APPLICATION, 1)),
    b.AccountsWanted(client_instance_id=make(ids.Kind.INSTANCE, 2)),
    *(b.AccountsWanted(flag_off=flag) for flag in Flag),
    b.AccountsWanted(ends_until=NOW + 30 * DAY),
    b.AccountsWanted(needing=True),
    b.AccountsWanted(needing=True, states=frozenset({State.ACTIVE}), region=Region.EU),
    *(b.AccountsWanted(need=need) for need in Need),
    *(b.AccountsWanted(words=words.split(name)) for name in NAMES),
    b.AccountsWanted(words=("shop3", "anna")),
    b.AccountsWanted(words=("acc",)),
    b.AccountsWanted(words=("vc1",)),
    b.AccountsWanted(words=("xyz12", "zebra")),
    b.AccountsWanted(words=("p000000001",)),
    b.AccountsWanted(words=("nobody",)),
    b.AccountsWanted(words=("%",)),
]


async def of_both(both: Both, verb: str, *given: Any, **more: Any) -> Any:
    one, other = [await getattr(tx.boards, verb)(*given, **more) for tx in both]
    assert other == one, (verb, given, more)
    return one


async def test_the_same_accounts_are_found_and_counted(both: Both) -> None:
    for wanted in WISHES:
        await of_both(both, "account_counts", wanted, WHOLE, now=NOW)
        total = await of_both(both, "account_total", wanted, WHOLE, now=NOW)
        found = await of_both(both, "account_ids", wanted, WHOLE, now=NOW)
        assert len(found) == len(set(found)) == total, wanted


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", b.AccountSort)
async def test_the_same_order(both: Both, sort: b.AccountSort, descending: bool) -> None:
    how = {"now": NOW, "sort": sort, "descending": descending}
    whole = await of_both(both, "account_ids", EVERYONE, WHOLE, **how)
    assert len(whole) == ACCOUNTS
    pages = [
        await of_both(both, "account_ids", EVERYONE, WHOLE, **how, limit=50, offset=start)
        for start in range(0, ACCOUNTS, 50)
    ]
    assert [one for page in pages for one in page] == whole


async def test_the_same_rows_in_the_order_of_their_ids(both: Both) -> None:
    asked = await of_both(both, "account_ids", EVERYONE, WHOLE, now=NOW)
    rows = await of_both(both, "account_rows", [*asked, "acc_unknown"], WHOLE, now=NOW)
    assert [row.id for row in rows] == asked
    assert await of_both(both, "account_rows", [], WHOLE, now=NOW) == []


async def test_the_needs_in_sql_are_the_badges_of_the_rules(both: Both) -> None:
    asked = await of_both(both, "account_ids", EVERYONE, WHOLE, now=NOW)
    rows = await both[1].boards.account_rows(asked, WHOLE, now=NOW)
    shown = {row.id: {badge.need for badge in badges(row.signs, NOW)} for row in rows}
    met = set()
    for need in Need:
        found = await both[1].boards.account_ids(b.AccountsWanted(need=need), WHOLE, now=NOW)
        assert set(found) == {own for own, needs in shown.items() if need in needs}, need
        if found:
            met.add(need)
    # The crowd has everything that an account can have.
    house = {Need.ROTATION_STUCK, Need.LETTERS_BOUNCED, Need.QUEUE_TROUBLE,
             Need.NOTIFICATIONS_TROUBLE}  # fmt: skip
    assert met == set(Need) - house


async def test_worst_first_and_those_without_a_need_last(both: Both) -> None:
    for descending in (False, True):
        found = await of_both(
            both, "account_ids", EVERYONE, WHOLE,
            now=NOW, sort=b.AccountSort.NEEDS, descending=descending,
        )  # fmt: skip
        rows = await both[1].boards.account_rows(found, WHOLE, now=NOW)
        places = [
            min((list(Need).index(one.need) for one in badges(row.signs, NOW) if one.counts),
                default=None)
            for row in rows
        ]  # fmt: skip
        having = [place for place in places if place is not None]
        assert places == having + [None] * (len(places) - len(having))
        assert having == sorted(having, reverse=descending)


REACHES = [
    b.Reach(client_instance_id=make(ids.Kind.INSTANCE, 0)),
    b.Reach(account_ids=frozenset({make(ids.Kind.ACCOUNT, 3), make(ids.Kind.ACCOUNT, 4)})),
    b.Reach(account_ids=frozenset()),
    b.Reach(
        client_instance_id=make(ids.Kind.INSTANCE, 1),
        account_ids=frozenset(make(ids.Kind.ACCOUNT, number) for number in range(30)),
    ),
]


@pytest.mark.parametrize("reach", REACHES, ids=range(len(REACHES)))
async def test_nothing_beyond_the_reach(both: Both, crowd: Town, reach: b.Reach) -> None:
    within = {
        one.id
        for one in crowd.rows["accounts"]
        if reach.client_instance_id in (None, one.client_instance_id)
        and (reach.account_ids is None or one.id in reach.account_ids)
    }
    for wanted in WISHES[:30]:
        found = await of_both(both, "account_ids", wanted, reach, now=NOW)
        assert set(found) <= within
    counts = await of_both(both, "account_counts", EVERYONE, reach, now=NOW)
    assert counts.all == len(within)
    everyone = [one.id for one in crowd.rows["accounts"]]
    rows = await of_both(both, "account_rows", everyone, reach, now=NOW)
    assert {row.id for row in rows} == within
    weeks = await of_both(both, "weeks", reach, since=NOW, until=NOW + 400 * DAY, names=3)
    assert {own for week in weeks for own, _, _ in week.first} <= within
    await of_both(both, "ended_and_undated", reach)
    busy = await of_both(both, "busy", reach, since=NOW - 2 * DAY, limit=1000)
    assert {one.account_id for one in busy} <= within
    await of_both(both, "trade", reach, settled_since=NOW - DAY)
    await of_both(both, "trade", reach, settled_since=None)
    await of_both(both, "runs", reach, since=NOW - DAY)


async def test_weeks_begin_on_monday_and_name_the_nearest(both: Both) -> None:
    weeks = await of_both(both, "weeks", WHOLE, since=NOW, until=NOW + 366 * DAY, names=2)
    assert sum(week.count for week in weeks) > 20
    for week in weeks:
        assert week.begins_at.weekday() == 0
        assert len(week.first) == min(week.count, 2)
        ends = [at for _, _, at in week.first]
        assert ends == sorted(ends)
        assert all(week.begins_at <= at < week.begins_at + 7 * DAY for at in ends)


async def test_the_house_at_a_glance(both: Both, crowd: Town) -> None:
    assert await of_both(both, "ended_and_undated", WHOLE) > (0, 0)
    applications = await of_both(both, "applications", NOW)
    assert [one.name for one in applications] == ["Connector", "Dead", "élan", "Own"]
    assert {one.name: bool(one.trouble) for one in applications}["Dead"]
    mail = await of_both(both, "mail", NOW)
    assert mail.waiting and mail.sent and mail.failed and mail.last_error  # noqa: PT018
    assert await of_both(both, "webhooks", NOW)
    busy = await of_both(both, "busy", WHOLE, since=NOW - 2 * DAY, limit=7)
    assert len(busy) == 7
    met = await of_both(both, "busy", WHOLE, since=NOW - 2 * DAY, limit=1000)
    named = {(one.account_id, one.operation) for one in met}
    quiet = {
        (one.account_id, one.operation)
        for one in crowd.rows["call_counts"]
        if one.account_id and one.hour_at >= NOW - 2 * DAY
    } - named
    assert quiet
    also = [*sorted(quiet)[:3], ("acc_unknown", "nothing")]
    told = await of_both(both, "busy", WHOLE, since=NOW - 2 * DAY, limit=1000, also=also)
    assert {(one.account_id, one.operation) for one in told} == named | set(also[:3])
    assert await of_both(both, "trade", WHOLE, settled_since=NOW - DAY)
    assert await of_both(both, "trade", WHOLE, settled_since=None)
    planned, open_ones = await of_both(both, "runs", WHOLE, since=NOW - DAY)
    assert planned and open_ones  # noqa: PT018


# --- on either store -----------------------------------------------------------------------------


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    postgres = await open_store(request.getfixturevalue("database_url"))
    yield postgres
    await postgres.close()


async def only_account(store: Store) -> str:
    town = crowded(seed=3, accounts=1)
    async with store.transaction() as tx:
        await town.into(tx)
    return str(town.rows["accounts"][0].id)


async def found(store: Store, typed: str) -> list[str]:
    wanted = b.AccountsWanted(words=words.split(typed))
    async with store.transaction() as tx:
        return await tx.boards.account_ids(wanted, WHOLE, now=NOW)


async def test_accounts_are_counted_by_instance_and_by_application_at_once(both: Both) -> None:
    instances = [make(ids.Kind.INSTANCE, number) for number in range(1, 5)]
    applications = [make(ids.Kind.APPLICATION, number) for number in range(1, 5)]
    counted = await of_both(
        both, "accounts_of", instances=[*instances, "ins_of_nobody"], applications=applications
    )
    for tx in both:
        for one in instances:
            assert counted.get(one, 0) == await tx.accounts.count(client_instance_id=one)
        for one in applications:
            assert counted.get(one, 0) == await tx.accounts.count(application_id=one)
    assert sum(counted.values()) > ACCOUNTS
    assert "ins_of_nobody" not in counted
    assert await of_both(both, "accounts_of") == {}


async def test_words_follow_what_is_changed(store: Store) -> None:
    own = await only_account(store)
    assert await found(store, "Wölfchen") == []
    async with store.transaction() as tx:
        await tx.accounts.change(own, name="Wölfchen & Söhne", client_email="old@first.example")
    assert await found(store, "wolfchen SOHN") == [own]
    async with store.transaction() as tx:
        await tx.accounts.change(own, client_email="new@second.example", vendor_codes=("ZQX99",))
        authorization = await tx.authorizations.one(account_id=own)
        assert authorization is not None
        await tx.authorizations.change(authorization.id, selling_partner_id="A1PARTNER")
    assert await found(store, "zqx99 wolf second a1part") == [own]
    assert await found(store, "first") == []
    async with store.transaction() as tx:
        await tx.authorizations.change(authorization.id, selling_partner_id="")
        await tx.accounts.change(own, name="Other")
    assert await found(store, "wolf") == []
    assert await found(store, "a1part") == []
    assert await found(store, "other") == [own]


async def test_words_are_gone_when_the_transaction_is_rolled_back(store: Store) -> None:
    own = await only_account(store)
    with contextlib.suppress(RuntimeError):
        async with store.transaction() as tx:
            await tx.accounts.change(own, name="Wölfchen")
            raise RuntimeError
    assert await found(store, "wolf") == []


async def test_words_of_the_rules_are_those_of_the_database(database_url: str) -> None:
    """Every letter of the first planes, and mixtures of all."""
    fate = random.Random(1)
    letters = [chr(code) for code in (*range(1, 0xD800), *range(0xE000, 0x11000))]
    texts = ["x".join(letters[start : start + 50]) for start in range(0, len(letters), 50)]
    texts += [" ".join(fate.sample(letters, 20)) for _ in range(200)] + list(NAMES) + ["x" * 200]
    store = await open_store(database_url)
    try:
        async with store.transaction() as tx:
            connection = tx.connection  # type: ignore[attr-defined]
            for told in texts:
                rows = await connection.execute(
                    text("SELECT account_words_of(:told)"), {"told": told}
                )
                assert sorted(rows.scalars()) == sorted(words.split(told)), told
    finally:
        await store.close()


async def test_the_way_has_its_first_lines_and_the_newest(store: Store) -> None:
    own = await only_account(store)
    async with store.transaction() as tx:
        for number in range(300):
            verb = "letter.sent" if number % 2 else "other.thing"
            await tx.journal.append(
                JournalLine(
                    at=NOW + number * HOUR,
                    caller="system",
                    verb=verb,
                    subject="x",
                    account_id=own,
                    facts={"n": number},
                )
            )
        for number in range(300):
            await tx.journal.append(
                JournalLine(
                    at=NOW + (300 + number) * HOUR,
                    caller="system",
                    verb="invitation.made",
                    subject="x",
                    account_id=own,
                    facts={"n": 300 + number},
                )
            )
    async with store.transaction() as tx:
        steps = await tx.boards.steps(own, {"letter.sent", "invitation.made"})
        nothing = await tx.boards.steps("acc_unknown", {"letter.sent"})
    assert len(steps.lines) == b.MOST_LINES
    numbers = [line.facts["n"] for line in steps.lines]
    assert numbers[: b.FIRST_LINES] == list(range(1, 2 * b.FIRST_LINES, 2))
    assert numbers[b.FIRST_LINES :] == list(range(600 - b.MOST_LINES + b.FIRST_LINES, 600))
    assert nothing == b.Steps()


async def test_the_first_feed_is_the_first_that_was_sent(both: Both, crowd: Town) -> None:
    told = [
        await of_both(both, "steps", one.id, {"account.added"}) for one in crowd.rows["accounts"]
    ]
    assert any(one.first_feed_at for one in told)
    assert any(one.first_feed_at is None for one in told)
    assert any(one.handshakes for one in told)


async def test_a_filter_per_operator_and_name(store: Store) -> None:
    operators = [
        Operator(
            id=make(ids.Kind.OPERATOR, number),
            name=f"Operator {number}",
            email=f"{number}@house.example",
            role=Role.SUPPORT,
            password_hash="",
            created_at=NOW,
        )
        for number in range(2)
    ]
    kept = b.SavedFilter(
        id=make(ids.Kind.SAVED_FILTER, 1),
        operator_id=operators[0].id,
        name="Mine",
        query="state=lapsed",
        created_at=NOW,
        changed_at=NOW,
    )
    other = dataclasses.replace(
        kept, id=make(ids.Kind.SAVED_FILTER, 2), operator_id=operators[1].id
    )
    async with store.transaction() as tx:
        for operator in operators:
            await tx.operators.add(operator)
        await tx.saved_filters.add(kept)
        await tx.saved_filters.add(other)
        with pytest.raises(AlreadyThere):
            await tx.saved_filters.add(dataclasses.replace(kept, id=make(ids.Kind.SAVED_FILTER, 3)))
    async with store.transaction() as tx:
        assert await tx.saved_filters.all(operator_id=operators[0].id) == [kept]


def test_every_need_of_an_account_can_be_asked_for() -> None:
    assert {wanted.need for wanted in WISHES} >= set(Need)
    assert set(NEEDS) == set(Need)
    assert timedelta() < b.SLOW_WEBHOOK
    assert base().rows["applications"]
