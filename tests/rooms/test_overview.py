"""The gallery: the list, who needs somebody, one account's line and way, filters by name."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evergrant.errors import Conflict, InvalidInput, NotAllowed, NotFound
from evergrant.overview import AccountQuery, AccountSort, Overview
from evergrant.overview.queries import MOST_WORDS
from evergrant.overview.saved import MOST_FILTERS
from evergrant.ports import things as t
from evergrant.ports.watched import Notice
from evergrant.rules import ids
from evergrant.rules.attention import Need, Of, Weight
from evergrant.rules.flags import Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD, PartnerKind, Region, VendorKind
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import (
    RIGHTS_OF_ROLE,
    SYSTEM,
    Caller,
    CallerKind,
    Right,
    Role,
    command_line,
)
from evergrant.rules.way import Stage
from evergrant.testing.clock import FakeClock
from evergrant.testing.store import MemoryStore
from tests.edges.boards_town import DAY, HOUR, NOW, Town, base, crowded, make

NOBODY = Caller(kind=CallerKind.API_KEY, id="key_1", name="no rights")


def operator(number: int = 1, role: Role = Role.SUPPORT) -> Caller:
    return Caller(
        kind=CallerKind.OPERATOR,
        id=make(ids.Kind.OPERATOR, number),
        name="Grace",
        rights=RIGHTS_OF_ROLE[role],
    )


class Gallery:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock(NOW)
        self.overview = Overview(self.store, self.clock, marketplaces=STANDARD)

    async def fill(self, town: Town) -> Gallery:
        async with self.store.transaction() as tx:
            await town.into(tx)
        return self


@pytest.fixture
async def gallery() -> Gallery:
    return await Gallery().fill(crowded(seed=5, accounts=130))


async def small(**authorizations: dict[str, Any]) -> Gallery:
    """Accounts by their names, each with so much of its authorization."""
    town = base()
    for number, (name, values) in enumerate(authorizations.items()):
        account = {k: values.pop(k) for k in list(values) if k in t.Account.__dataclass_fields__
                   and k not in t.Authorization.__dataclass_fields__}  # fmt: skip
        own = make(ids.Kind.ACCOUNT, number)
        town.add("accounts", dataclasses.replace(an_account(own, name), **account))
        town.add("authorizations", an_authorization(own, number, **values))
    return await Gallery().fill(town)


def an_account(own: str, name: str) -> t.Account:
    return t.Account(
        id=own,
        name=name,
        partner_kind=PartnerKind.SELLER,
        client_email="anna@shop.example",
        application_id=make(ids.Kind.APPLICATION, 0),
        client_instance_id=make(ids.Kind.INSTANCE, 0),
        region=Region.EU,
        home_marketplace="DE",
        merchant_token="A1SELLER",
        created_at=NOW - 30 * DAY,
        changed_at=NOW - 30 * DAY,
    )


def an_authorization(own: str, number: int, **values: Any) -> t.Authorization:
    return t.Authorization(
        **{
            "id": make(ids.Kind.AUTHORIZATION, number),
            "account_id": own,
            "application_id": make(ids.Kind.APPLICATION, 0),
            "region": Region.EU,
            "state": State.ACTIVE,
            "granted_at": NOW - 30 * DAY,
            "term_ends_at": NOW + 335 * DAY,
            "changed_at": NOW - 30 * DAY,
            **values,
        }
    )


# --- the list -------------------------------------------------------------------------------------


async def test_pages_of_fifty_with_a_total(gallery: Gallery) -> None:
    seen: list[str] = []
    for number in (1, 2, 3):
        page = await gallery.overview.accounts(AccountQuery(page=number), by=SYSTEM)
        assert page.total == 130
        assert page.pages == 3
        assert (page.first, page.last) == ((1, 50), (51, 100), (101, 130))[number - 1]
        assert len(page.rows) == page.last - page.first + 1
        seen += [row.id for row in page.rows]
    assert len(set(seen)) == 130
    assert page.counts.all == 130
    names = [name.lower() for name in (row.name for row in page.rows) if name.isascii()]
    assert names == sorted(names)


async def test_a_page_behind_the_last_is_the_last(gallery: Gallery) -> None:
    page = await gallery.overview.accounts(AccountQuery(page=9), by=SYSTEM)
    assert page.query.page == 3
    assert page.last == 130


async def test_nothing_found_is_an_empty_page(gallery: Gallery) -> None:
    page = await gallery.overview.accounts(AccountQuery(text="nobody at all"), by=SYSTEM)
    assert (page.rows, page.total, page.first, page.last, page.pages) == ((), 0, 0, 0, 1)


async def test_the_total_is_that_of_what_is_asked(gallery: Gallery) -> None:
    for query in (
        AccountQuery(states=frozenset({State.LAPSED})),
        AccountQuery(states=frozenset({State.LAPSED, State.ACTIVE})),
        AccountQuery(needing=True),
        AccountQuery(needing=True, states=frozenset({State.ACTIVE})),
        AccountQuery(need=Need.NO_MERCHANT_TOKEN),
        AccountQuery(text="heron"),
        AccountQuery(partner_kind=PartnerKind.VENDOR, flag_off=Flag.SHIP_ORDERS),
        AccountQuery(ends_within=30),
    ):
        page = await gallery.overview.accounts(dataclasses.replace(query, size=200), by=SYSTEM)
        assert page.total == len(page.rows) > 0, query
        for row in page.rows:
            assert not query.states or row.state in query.states
            assert not query.needing or any(badge.counts for badge in row.badges)
            assert query.need is None or query.need in {badge.need for badge in row.badges}
            assert query.flag_off is None or row.flags[query.flag_off] is not True
            assert query.ends_within is None or row.state is State.ACTIVE


async def test_counts_for_the_tabs_leave_state_and_needs_out(gallery: Gallery) -> None:
    whole = await gallery.overview.accounts(AccountQuery(), by=SYSTEM)
    narrowed = await gallery.overview.accounts(
        AccountQuery(states=frozenset({State.CLOSED}), needing=True), by=SYSTEM
    )
    assert narrowed.counts == whole.counts
    vendors = await gallery.overview.accounts(
        AccountQuery(partner_kind=PartnerKind.VENDOR), by=SYSTEM
    )
    assert vendors.counts.all == vendors.total < whole.total
    assert sum(whole.counts.by_state.values()) == 130
    assert 0 < whole.counts.needing <= sum(whole.counts.by_need.values())


async def test_a_row_says_it_all() -> None:
    gallery = await small(
        Heron={
            "term_ends_at": NOW + 5 * DAY,
            "selling_partner_id": "A1SELLER",
            "checked_at": NOW - HOUR,
            "changed_at": NOW - DAY,
            "flags": {Flag.UPDATE_PRICE: False},
        }
    )
    row = await gallery.overview.account(make(ids.Kind.ACCOUNT, 0), by=SYSTEM)
    assert row.country == "Germany"
    assert row.application_name == "Connector"
    assert row.instance_name == "ERP 0"
    assert row.status.weight is Weight.BAD
    assert row.status.words == "Authorized until 6 July 2026, which is in 5 days."
    assert row.days_left == 5
    assert row.next_reminder_at == datetime(2026, 7, 4, tzinfo=UTC)
    assert row.flags[Flag.UPDATE_PRICE] is False
    assert row.flags[Flag.UPDATE_STOCK] is True
    assert [badge.need for badge in row.badges] == [Need.TERM_URGENT]
    assert row.changed_at == NOW - DAY
    assert row.checked_at == NOW - HOUR
    assert (row.waiting, row.in_flight, row.last_call_at) == (0, 0, None)


async def test_switches_that_amazon_does_not_have_are_none() -> None:
    gallery = await small(
        Vendor={
            "partner_kind": PartnerKind.VENDOR,
            "vendor_kind": VendorKind.RETAIL,
            "merchant_token": "",
            "vendor_codes": ("ABCDE",),
        }
    )
    row = await gallery.overview.account(make(ids.Kind.ACCOUNT, 0), by=SYSTEM)
    assert row.flags[Flag.UPDATE_STOCK] is None
    assert row.badges == ()
    assert row.vendor_codes == ("ABCDE",)


async def test_rows_by_their_ids_and_every_row(gallery: Gallery) -> None:
    query = AccountQuery(sort=AccountSort.CHANGED, descending=True)
    every = [row async for row in gallery.overview.every(query, by=SYSTEM)]
    assert len(every) == 130
    assert [row.changed_at for row in every] == sorted(
        (row.changed_at for row in every), reverse=True
    )
    asked = [every[3].id, "acc_unknown", every[1].id]
    found = await gallery.overview.rows(asked, by=SYSTEM)
    assert [row.id for row in found] == [every[3].id, every[1].id]
    assert await gallery.overview.rows([], by=SYSTEM) == []
    with pytest.raises(InvalidInput):
        await gallery.overview.rows(["acc"] * 501, by=SYSTEM)


@pytest.mark.parametrize("size", [0, 201])
async def test_sizes_are_bounded(gallery: Gallery, size: int) -> None:
    with pytest.raises(InvalidInput):
        await gallery.overview.accounts(AccountQuery(size=size), by=SYSTEM)
    with pytest.raises(InvalidInput):
        await gallery.overview.needing(by=SYSTEM, limit=size * 10)


# --- who may, and whose ---------------------------------------------------------------------------


async def test_without_the_right_nothing_is_shown(gallery: Gallery) -> None:
    overview, own = gallery.overview, make(ids.Kind.ACCOUNT, 0)
    for verb in (
        overview.accounts(AccountQuery(), by=NOBODY),
        overview.account(own, by=NOBODY),
        overview.rows([own], by=NOBODY),
        overview.needing(by=NOBODY),
        overview.terms(by=NOBODY),
        overview.health(by=NOBODY),
        overview.way(own, by=NOBODY),
        overview.saved_filters(by=NOBODY),
        overview.save_filter("x", "", by=NOBODY),
        overview.drop_filter("flt_1", by=NOBODY),
    ):
        with pytest.raises(NotAllowed):
            await verb
    with pytest.raises(NotAllowed):
        async for _ in overview.every(AccountQuery(), by=NOBODY):
            pass


def bound(**within: Any) -> Caller:
    return Caller(kind=CallerKind.API_KEY, id="key_2", rights=frozenset({Right.READ}), **within)


async def test_a_caller_sees_its_own_accounts_and_nothing_of_the_house(gallery: Gallery) -> None:
    own = make(ids.Kind.ACCOUNT, 3)
    other = make(ids.Kind.ACCOUNT, 4)
    by = bound(account_ids=frozenset({own}))
    page = await gallery.overview.accounts(AccountQuery(), by=by)
    assert [row.id for row in page.rows] == [own]
    assert page.counts.all == 1
    for verb in (gallery.overview.account(other, by=by), gallery.overview.way(other, by=by)):
        with pytest.raises(NotFound):
            await verb
    assert await gallery.overview.rows([other], by=by) == []
    needing = await gallery.overview.needing(by=by)
    assert {line.id for line in needing.lines} <= {own}
    terms = await gallery.overview.terms(by=by)
    assert terms.secrets == 0
    with pytest.raises(NotAllowed):
        await gallery.overview.health(by=by)


async def test_an_instance_sees_its_accounts_and_its_own_webhooks(gallery: Gallery) -> None:
    instance = make(ids.Kind.INSTANCE, 1)
    by = bound(client_instance_id=instance)
    page = await gallery.overview.accounts(AccountQuery(size=200), by=by)
    assert {row.client_instance_id for row in page.rows} == {instance}
    needing = await gallery.overview.needing(by=by, limit=500)
    others = [line for line in needing.lines if line.of is not Of.ACCOUNT]
    assert [(line.of, line.id, line.badge.need) for line in others] == [
        (Of.INSTANCE, instance, Need.INSTANCE_SILENT)
    ]
    assert others[0].accounts == page.total


# --- who needs somebody ---------------------------------------------------------------------------


async def test_the_worst_first_with_what_is_of_no_account() -> None:
    gallery = await small(
        Fine={},
        Lapsed={"state": State.LAPSED, "term_ends_at": NOW - DAY},
        Revoked={"state": State.REVOKED, "refused_at": NOW - DAY},
        Due={"term_ends_at": NOW + 20 * DAY},
        Tokenless={"merchant_token": ""},
    )
    async with gallery.store.transaction() as tx:
        for number, (kind, subject, application_id) in enumerate(
            (
                (NoticeKind.EVENTS_UNDELIVERED, make(ids.Kind.INSTANCE, 0), None),
                (NoticeKind.LETTER_UNDELIVERED, "operators", None),
                (NoticeKind.QUEUE_TROUBLE, make(ids.Kind.APPLICATION, 0),
                 make(ids.Kind.APPLICATION, 0)),
                (NoticeKind.SECRET_DEAD, make(ids.Kind.APPLICATION, 3),
                 make(ids.Kind.APPLICATION, 3)),
            )
        ):  # fmt: skip
            await tx.notices.add(
                Notice(
                    id=make(ids.Kind.NOTICE, number),
                    kind=kind,
                    subject=subject,
                    application_id=application_id,
                    message="it hangs there",
                    first_at=NOW,
                    last_at=NOW,
                )
            )
    found = await gallery.overview.needing(by=SYSTEM)
    assert [(line.name, line.badge.need) for line in found.lines] == [
        ("Dead", Need.APPLICATION_REFUSED),
        ("Revoked", Need.REVOKED),
        ("Lapsed", Need.LAPSED),
        ("ERP 0", Need.INSTANCE_SILENT),
        ("élan", Need.SECRET_ENDING),
        ("", Need.LETTERS_BOUNCED),
        ("Connector", Need.QUEUE_TROUBLE),
    ]
    # Who is reminded by mail needs nobody yet, and who has no merchant token nobody at all.
    assert found.total == 7
    assert found.accounts == 2
    dead = found.lines[0]
    # What the application's row tells and what hangs on the board are one line, each said once.
    assert [badge.need for badge in dead.badges] == [Need.APPLICATION_REFUSED, Need.SECRET_DEAD]
    assert dead.of is Of.APPLICATION
    assert found.lines[6].accounts == 3  # those of it that work
    assert found.lines[1].row is not None
    assert found.lines[1].row.name == "Revoked"
    first = await gallery.overview.needing(by=SYSTEM, limit=2)
    assert [line.name for line in first.lines] == ["Dead", "Revoked"]
    assert first.total == 7


# --- one account's way ----------------------------------------------------------------------------


async def test_the_way_names_those_who_did_it() -> None:
    gallery = await small(Heron={"state": State.AWAITING, "term_ends_at": None})
    own = make(ids.Kind.ACCOUNT, 0)
    grace = operator()
    callers = (
        (str(grace), "Grace"),
        ("operator:opr_gone", "a former operator"),
        ("api_key:key_1", "API key Shop"),
        ("api_key:key_gone", "a former API key"),
        (str(command_line("root")), "root (command line)"),
        ("partner", "the selling partner"),
        ("system", "Evergrant"),
        ("something else", "something else"),
    )
    async with gallery.store.transaction() as tx:
        await tx.operators.add(
            t.Operator(
                id=grace.id,
                name="Grace",
                email="grace@house.example",
                role=Role.SUPPORT,
                password_hash="",
                created_at=NOW,
            )
        )
        await tx.api_keys.add(
            t.ApiKey(
                id="key_1", name="Shop", digest="d", rights=frozenset({Right.READ}), created_at=NOW
            )
        )
        for number, (caller, _) in enumerate(callers):
            await tx.journal.append(
                t.JournalLine(
                    at=NOW + timedelta(minutes=number),
                    caller=caller,
                    verb="invitation.made",
                    subject="inv_1",
                    account_id=own,
                )
            )
    way = await gallery.overview.way(own, by=SYSTEM)
    made = [step.who for step in way.steps if step.stage is Stage.LINK_MADE and step.at]
    assert made == [name for _, name in callers]
    assert way.next == "Send the link, or copy it."
    with pytest.raises(NotFound):
        await gallery.overview.way("acc_unknown", by=SYSTEM)


# --- filters by name ------------------------------------------------------------------------------


async def with_operators(*numbers: int) -> Gallery:
    gallery = Gallery()
    async with gallery.store.transaction() as tx:
        for number in numbers:
            caller = operator(number)
            await tx.operators.add(
                t.Operator(
                    id=caller.id,
                    name=caller.name,
                    email=f"{number}@house.example",
                    role=Role.SUPPORT,
                    password_hash="",
                    created_at=NOW,
                )
            )
    return gallery


async def test_a_filter_is_kept_as_it_is_understood() -> None:
    gallery = await with_operators(1)
    by = operator(1, Role.AUDITOR)
    kept = await gallery.overview.save_filter(
        "  To   renew ", "?state=active&ends=30&page=7&nonsense=1&sort=-ends", by=by
    )
    assert kept.name == "To renew"
    assert kept.query == "state=active&ends=30&sort=-ends"
    again = await gallery.overview.save_filter("To renew", "state=lapsed", by=by)
    assert again.id == kept.id
    await gallery.overview.save_filter("all", "", by=by)
    found = await gallery.overview.saved_filters(by=by)
    assert [(one.name, one.query) for one in found] == [("all", ""), ("To renew", "state=lapsed")]


async def test_a_filter_is_its_makers_alone() -> None:
    gallery = await with_operators(1, 2)
    mine = await gallery.overview.save_filter("Mine", "q=x", by=operator(1))
    assert await gallery.overview.saved_filters(by=operator(2)) == []
    for stranger in (operator(2), SYSTEM):
        with pytest.raises(NotFound):
            await gallery.overview.drop_filter(mine.id, by=stranger)
    await gallery.overview.save_filter("Mine", "q=y", by=operator(2))
    await gallery.overview.drop_filter(mine.id, by=operator(1))
    assert await gallery.overview.saved_filters(by=operator(1)) == []
    with pytest.raises(NotFound):
        await gallery.overview.drop_filter(mine.id, by=operator(1))


async def test_filters_are_for_operators_and_bounded() -> None:
    gallery = await with_operators(1)
    assert await gallery.overview.saved_filters(by=SYSTEM) == []
    with pytest.raises(NotAllowed):
        await gallery.overview.save_filter("x", "", by=SYSTEM)
    for name, query in (("", "q=x"), ("x" * 61, ""), ("x", "q=" + "x" * 1000)):
        with pytest.raises(InvalidInput):
            await gallery.overview.save_filter(name, query, by=operator(1))
    for number in range(MOST_FILTERS):
        await gallery.overview.save_filter(f"{number}", "", by=operator(1))
    with pytest.raises(Conflict):
        await gallery.overview.save_filter("one more", "", by=operator(1))
    await gallery.overview.save_filter("7", "q=x", by=operator(1))


# --- queries --------------------------------------------------------------------------------------

QUERIES = [
    AccountQuery(),
    AccountQuery(text="Müller & Söhne", page=3),
    AccountQuery(states=frozenset({State.ACTIVE, State.LAPSED}), sort=AccountSort.ENDS),
    AccountQuery(partner_kind=PartnerKind.VENDOR, vendor_kind=VendorKind.DIRECT_FULFILLMENT),
    AccountQuery(region=Region.FE, application_id="app_1", client_instance_id="ins_1"),
    AccountQuery(flag_off=Flag.UPDATE_STOCK, ends_within=0, descending=True),
    AccountQuery(needing=True, sort=AccountSort.NEEDS),
    AccountQuery(need=Need.BOUNCED, sort=AccountSort.CHANGED, descending=True),
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.address())
def test_a_query_is_read_back_from_its_address(query: AccountQuery) -> None:
    assert AccountQuery.of_address(query.address()) == query
    assert AccountQuery.read(query.values()) == query


@pytest.mark.parametrize(
    "address",
    [
        "state=nonsense",
        "page=0&page=-1",
        "page=x&ends=soon&sort=nothing&needs=whatever",
        "kind=&region=mars&off=everything&vendor=1",
        "ends=%E0%A4%A&page=99999999999999",
        "page=²",
    ],
)
def test_what_is_not_understood_is_left_out(address: str) -> None:
    query = AccountQuery.of_address(address)
    assert not query.is_narrowed
    assert 1 <= query.page <= 100_000


def test_another_question_begins_at_its_first_page() -> None:
    query = AccountQuery(page=7, text="x")
    assert query.but(needing=True).page == 1
    assert query.but(page=2).page == 2
    assert query.is_narrowed
    assert not AccountQuery(sort=AccountSort.ENDS, descending=True, page=2).is_narrowed
    assert len(AccountQuery(text=" ".join(map(str, range(99)))).words) == MOST_WORDS
