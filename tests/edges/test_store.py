"""The contract of ``ports.store``, on the store in memory and on PostgreSQL."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from evergrant.adapters.store import open_store
from evergrant.errors import Misconfigured, StoreUnavailable
from evergrant.ports import boards as b
from evergrant.ports import signed_in as o
from evergrant.ports import store as ports
from evergrant.ports import things as t
from evergrant.ports import traded as d
from evergrant.ports import watched as w
from evergrant.ports.store import AlreadyThere, Store, Transaction
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.feedruns import Path, RunStep
from evergrant.rules.flags import ALL_ON, Flag
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region, VendorKind
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import Right, Role
from evergrant.testing.store import KINDS, MemoryStore

NOW = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)

APPLICATION = t.Application(
    id="app_1",
    name="Northwind",
    kind=ApplicationKind.PUBLIC,
    partner_kinds=frozenset({PartnerKind.SELLER, PartnerKind.VENDOR}),
    status=ApplicationStatus.PUBLISHED,
    application_id="amzn1.sp.solution.1",
    beta_for_vendors=False,
    reminder_days=(30, 7, 0),
    created_at=NOW,
    changed_at=NOW,
)
CREDENTIALS = t.IntegrationCredentials(
    id="app_1",
    lwa_client_id="client",
    secret_expires_at=NOW,
    notifications_queue_url="https://sqs.eu-west-1.amazonaws.example/1/notifications",
    changed_at=NOW,
)
INSTANCE = t.ClientInstance(id="ins_1", name="ERP", created_at=NOW, changed_at=NOW)
ACCOUNT = t.Account(
    id="acc_1",
    name="Heron Books",
    partner_kind=PartnerKind.VENDOR,
    vendor_kind=VendorKind.RETAIL,
    client_email="heron@partner.example",
    application_id="app_1",
    client_instance_id="ins_1",
    region=Region.EU,
    home_marketplace="DE",
    vendor_codes=("HERO1", "HERO2"),
    flags={**ALL_ON, Flag.UPDATE_STOCK: False},
    created_at=NOW,
    changed_at=NOW,
)
AUTHORIZATION = t.Authorization(
    id="aut_1",
    account_id="acc_1",
    application_id="app_1",
    region=Region.EU,
    state=State.AWAITING,
    changed_at=NOW,
)
INVITATION = t.Invitation(
    id="inv_1",
    account_id="acc_1",
    link_digest="d" * 64,
    email="heron@partner.example",
    language="de",
    state=t.InvitationState.OPEN,
    created_at=NOW,
    expires_at=NOW + timedelta(days=14),
)
HANDSHAKE = t.Handshake(
    id="hsk_1",
    invitation_id="inv_1",
    account_id="acc_1",
    application_id="app_1",
    step=t.HandshakeStep.BEGUN,
    state_digest="s" * 64,
    browser_digest="b" * 64,
    consent_origin="https://sellercentral.amazon.de",
    redirect_uri="https://connect.example/callback",
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=10),
)
GRANT = t.Grant(
    id="grt_1",
    authorization_id="aut_1",
    source=t.GrantSource.CONSENT,
    selling_partner_id="A1",
    granted_at=NOW,
    term_ends_at=NOW + timedelta(days=365),
    handshake_id="hsk_1",
    created_at=NOW,
)
PARTICIPATION = t.Participation(
    id="acc_1/M1",
    account_id="acc_1",
    marketplace_id="M1",
    country_code="DE",
    name="Amazon.de",
    participating=True,
    suspended=False,
    seen_at=NOW,
)
OUTBOX = t.OutboxItem(
    id="out_1",
    kind=t.OutboxKind.WEBHOOK,
    topic="authorization.granted",
    subject="aut_1",
    to="ins_1",
    account_id="acc_1",
    facts={"state": "active", "nested": {"list": [1, 2.5, None, True, "ü"]}},
    next_at=NOW,
    created_at=NOW,
)
REPORT = t.SupportReport(
    id="rep_1",
    reference="EG-1",
    at=NOW,
    reason="state_expired",
    blame="partner",
    account_id="acc_1",
    handshake_id="hsk_1",
    facts={"a": 1},
)
OPERATOR = t.Operator(
    id="opr_1",
    name="Ada",
    email="ada@house.example",
    role=Role.ADMIN,
    password_hash="hash",
    created_at=NOW,
)
OPERATOR_SESSION = o.OperatorSession(
    id="ses_1",
    operator_id="opr_1",
    secret_digest="s" * 64,
    method=o.SignInMethod.PASSWORD,
    proved_at=NOW,
    address="198.51.100.7",
    origin="198.51.100.7",
    agent="Browser",
    created_at=NOW,
    seen_at=NOW,
    ends_at=NOW + timedelta(days=7),
)
OPERATOR_INVITATION = o.OperatorInvitation(
    id="oin_1",
    name="Bea",
    email="bea@house.example",
    role=Role.SUPPORT,
    link_digest="l" * 64,
    invited_by="Ada",
    created_at=NOW,
    expires_at=NOW + timedelta(days=7),
)
RECOVERY_CODE = o.RecoveryCode(id="r" * 64, operator_id="opr_1", created_at=NOW)
SIGN_IN_COUNT = o.SignInCount(id="factor:opr_1", failures=3, tried_at=NOW)
SAVED_FILTER = b.SavedFilter(
    id="opr_1/ending",
    operator_id="opr_1",
    name="ending",
    query="ends=30",
    created_at=NOW,
    changed_at=NOW,
)
API_KEY = t.ApiKey(
    id="key_1",
    name="ERP",
    digest="k" * 64,
    rights=frozenset({Right.READ, Right.WRITE}),
    client_instance_id="ins_1",
    account_ids=frozenset({"acc_1", "acc_2"}),
    created_at=NOW,
)
CONNECTION_KEY = t.ConnectionKey(
    id="con_1", account_id="acc_1", name="sdk", digest="c" * 64, created_at=NOW
)
PLAN_OVERRIDE = t.PlanOverride(
    id="sellers.getMarketplaceParticipations/app_1/acc_1",
    operation="sellers.getMarketplaceParticipations",
    application_id="app_1",
    account_id="acc_1",
    rate_per_s=0.016,
    burst=15,
    created_at=NOW,
    changed_at=NOW,
)
HOUR = datetime(2026, 3, 2, 9, tzinfo=UTC)
CALL_COUNT = t.CallCount(
    id="acc_1/feeds.createFeed/2026-03-02T09",
    account_id="acc_1",
    operation="feeds.createFeed",
    hour_at=HOUR,
    calls=3,
    waits=1,
    waited_ms=2500,
    errors={"QuotaExceeded": 1},
    last_at=NOW,
)
REMINDER = w.Reminder(
    id="rem_1",
    kind=w.ReminderKind.TERM,
    subject="aut_1",
    account_id="acc_1",
    ends_at=NOW + timedelta(days=30),
    days=30,
    at=NOW,
    outbox_id="out_1",
)
NOTICE = w.Notice(
    id="not_1",
    kind=NoticeKind.TERM_ENDING,
    subject="aut_1",
    account_id="acc_1",
    application_id="app_1",
    message="It ends.",
    facts={"days_left": 30},
    first_at=NOW,
    last_at=NOW,
)
ROTATION = w.Rotation(
    id="rot_1",
    application_id="app_1",
    source=w.RotationSource.ASKED,
    step=w.RotationStep.ASKING,
    asked_at=NOW,
    created_at=NOW,
    changed_at=NOW,
)
REVIEW = w.Review(
    id="settings/app_1",
    item="settings",
    subject="app_1",
    digest="d" * 64,
    by="operator:opr_1",
    name="Ada",
    at=NOW,
)
INTAKE = d.Intake(
    id="int_1",
    account_id="acc_1",
    caller="key:key_1",
    source="api",
    key_digest="i" * 64,
    lines=3,
    taken=2,
    refused=1,
    answer={"lines": [{"line": 2, "code": "quantity", "message": "It has to be a number."}]},
    created_at=NOW,
)
FEED_RUN = d.FeedRun(
    id="run_1",
    account_id="acc_1",
    application_id="app_1",
    region=Region.EU,
    path=Path.LISTINGS_FEED,
    marketplace_id="M1",
    step=RunStep.PLANNED,
    changes=2,
    next_at=NOW,
    facts={"messages": 2},
    created_at=NOW,
    changed_at=NOW,
)
WORK = d.AccountWork(
    id="acc_1", due_at=NOW, waits={"stock": {"word": "later"}}, version=3, changed_at=NOW
)
ORDER = d.Order(
    id="acc_1/302-1",
    account_id="acc_1",
    client_instance_id="ins_1",
    order_id="302-1",
    kind=d.OrderKind.SELLER,
    marketplace_id="M1",
    body={"items": [{"sku": "S1", "price": "9.90"}]},
    personal=True,
    position=1,
    created_at=NOW,
    changed_at=NOW,
)
ORDER_SWEEP = d.OrderSweep(id="acc_1", bound_at=NOW, due_at=NOW, changed_at=NOW)
AMAZON_REPORT = d.AmazonReport(
    id="arp_1",
    account_id="acc_1",
    report_type="GET_MERCHANT_LISTINGS_ALL_DATA",
    marketplace_ids=("M1", "M2"),
    options={"custom": "true"},
    step=d.AmazonReportStep.PLANNED,
    next_at=NOW,
    created_at=NOW,
    changed_at=NOW,
)
SUBSCRIPTION = d.Subscription(
    id="acc_1/ORDER_CHANGE",
    account_id="acc_1",
    application_id="app_1",
    region=Region.EU,
    notification_type="ORDER_CHANGE",
    created_at=NOW,
    changed_at=NOW,
)
SEALED = t.SealedSecret(
    id="grant/grt_1/refresh_token", key_id="k1", ciphertext=b"\x00\xff", sealed_at=NOW
)

#: One thing for every shelf, in an order in which they can be added.
EVERYTHING: dict[str, Any] = {
    "applications": APPLICATION,
    "credentials": CREDENTIALS,
    "instances": INSTANCE,
    "accounts": ACCOUNT,
    "authorizations": AUTHORIZATION,
    "invitations": INVITATION,
    "handshakes": HANDSHAKE,
    "grants": GRANT,
    "participations": PARTICIPATION,
    "outbox": OUTBOX,
    "reports": REPORT,
    "operators": OPERATOR,
    "operator_sessions": OPERATOR_SESSION,
    "operator_invitations": OPERATOR_INVITATION,
    "recovery_codes": RECOVERY_CODE,
    "sign_in_counts": SIGN_IN_COUNT,
    "saved_filters": SAVED_FILTER,
    "api_keys": API_KEY,
    "connection_keys": CONNECTION_KEY,
    "plan_overrides": PLAN_OVERRIDE,
    "call_counts": CALL_COUNT,
    "reminders": REMINDER,
    "notices": NOTICE,
    "rotations": ROTATION,
    "reviews": REVIEW,
    "intakes": INTAKE,
    "feed_runs": FEED_RUN,
    "work": WORK,
    "orders": ORDER,
    "order_sweeps": ORDER_SWEEP,
    "amazon_reports": AMAZON_REPORT,
    "subscriptions": SUBSCRIPTION,
    "safe": SEALED,
}


@pytest.fixture(params=["memory", "postgres"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Store, Store]]:
    """One store, seen by two processes."""
    if request.param == "memory":
        memory = MemoryStore()
        yield memory, memory
        return
    url = request.getfixturevalue("database_url")
    one, other = await open_store(url), await open_store(url)
    yield one, other
    await one.close()
    await other.close()


@pytest.fixture
async def store(stores: tuple[Store, Store]) -> Store:
    return stores[0]


async def fill(store: Store, *names: str) -> None:
    async with store.transaction() as tx:
        for name in names or EVERYTHING:
            await getattr(tx, name).add(EVERYTHING[name])


def account(number: int, **values: Any) -> t.Account:
    values = {"id": f"acc_{number:03}", "name": f"Shop {number}", **values}
    return dataclasses.replace(ACCOUNT, **values)


def test_everything_has_an_example() -> None:
    # Changes are no plain shelf: ``test_store_changes``.
    assert {*EVERYTHING, "changes"} == set(KINDS)


# --- what goes in comes out --------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERYTHING)
async def test_a_thing_comes_back_as_it_was(store: Store, name: str) -> None:
    await fill(store)
    thing = EVERYTHING[name]
    async with store.transaction() as tx:
        shelf = getattr(tx, name)
        assert await shelf.get(thing.id) == thing
        assert await shelf.all() == [thing]
        assert await shelf.count() == 1
        assert await shelf.get("unknown") is None


async def test_types_survive(store: Store) -> None:
    await fill(store)
    async with store.transaction() as tx:
        found = await tx.accounts.get("acc_1")
        assert found is not None
        assert type(found.partner_kind) is PartnerKind
        assert type(found.vendor_codes) is tuple
        assert {type(flag) for flag in found.flags} == {Flag}
        key = await tx.api_keys.get("key_1")
        assert key is not None
        assert type(key.rights) is frozenset
        assert {type(right) for right in key.rights} == {Right}
        sealed = await tx.safe.get(SEALED.id)
        assert sealed is not None
        assert type(sealed.ciphertext) is bytes
        assert sealed.sealed_at.tzinfo is UTC


async def test_instants_come_back_in_utc(store: Store) -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    async with store.transaction() as tx:
        await tx.instances.add(dataclasses.replace(INSTANCE, created_at=tokyo))
        found = await tx.instances.get("ins_1")
        assert found is not None
        assert found.created_at == NOW
        assert found.created_at.tzinfo is UTC


async def test_text_that_no_database_takes_is_made_storable(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.instances.add(dataclasses.replace(INSTANCE, name="a\0b\udc80c"))
        found = await tx.instances.get("ins_1")
        assert found is not None
        assert found.name.startswith("a\N{REPLACEMENT CHARACTER}b")
        assert "\0" not in found.name
        assert await tx.instances.get("ins\0") is None


async def test_odd_text_in_facts(store: Store) -> None:
    await fill(store)
    async with store.transaction() as tx:
        changed = await tx.outbox.change("out_1", facts={"q\0": "\0", "t": (1, 2)})
        assert changed is not None
        assert changed.facts == {
            "q\N{REPLACEMENT CHARACTER}": "\N{REPLACEMENT CHARACTER}",
            "t": [1, 2],
        }


@pytest.mark.parametrize(
    "values",
    [
        {"name": 1},
        {"name": None},
        {"created_at": NOW.replace(tzinfo=None)},
        {"region": "eu"},
        {"flags": {"update_stock": True}},
        {"flags": {Flag.UPDATE_STOCK: 1}},
        {"vendor_codes": ["HERO1"]},
        {"vendor_codes": (1,)},
        {"oauth_began": 1},
    ],
)
async def test_values_of_the_wrong_type_are_refused(store: Store, values: dict[str, Any]) -> None:
    await fill(store, "applications", "instances")
    async with store.transaction() as tx:
        with pytest.raises(TypeError):
            await tx.accounts.add(dataclasses.replace(ACCOUNT, **values))
        await tx.accounts.add(ACCOUNT)
        with pytest.raises(TypeError):
            await tx.accounts.change("acc_1", **values)
        with pytest.raises(TypeError):
            await tx.accounts.all(**values if "name" not in values else {"name": 1})


async def test_facts_are_json_or_nothing(store: Store) -> None:
    async with store.transaction() as tx:
        with pytest.raises(TypeError):
            await tx.outbox.add(dataclasses.replace(OUTBOX, account_id=None, facts={"x": object()}))
        with pytest.raises(ValueError):
            await tx.outbox.add(dataclasses.replace(OUTBOX, account_id=None, facts={"x": math.nan}))


async def test_names_of_no_field_are_refused(store: Store) -> None:
    async with store.transaction() as tx:
        with pytest.raises(TypeError):
            await tx.accounts.all(colour="red")
        with pytest.raises(TypeError):
            await tx.accounts.change("acc_1", colour="red")
        with pytest.raises(TypeError):
            await tx.accounts.change("acc_1", id="acc_2")
        with pytest.raises(TypeError):
            await tx.accounts.add(INSTANCE)  # type: ignore[arg-type]


@pytest.mark.parametrize("example", [API_KEY, CONNECTION_KEY])
async def test_a_key_names_the_one_that_takes_its_place(store: Store, example: Any) -> None:
    await fill(store)
    name = "api_keys" if example is API_KEY else "connection_keys"
    new = dataclasses.replace(example, id=example.id + "2", digest="n" * 64)
    own = dataclasses.replace(new, id=example.id + "3", digest="o" * 64, replaced_by=new.id + "x")
    async with store.transaction() as tx:
        shelf = getattr(tx, name)
        await shelf.add(new)
        assert await shelf.change(example.id, {"replaced_by": None}, replaced_by=new.id) is not None
        assert await shelf.change(example.id, {"replaced_by": None}, replaced_by=None) is None
        # A row may name itself, if nobody else.
        await shelf.put(dataclasses.replace(own, replaced_by=own.id))
        assert await shelf.drop(own.id)
    for verb, asked, values in (
        ("add", own, {}),
        ("change", example.id, {"replaced_by": "nowhere"}),
        ("drop", new.id, {}),
    ):
        with pytest.raises(LookupError):
            async with store.transaction() as tx:
                await getattr(getattr(tx, name), verb)(asked, **values)


async def test_connection_keys_are_found_by_digest_and_by_id(store: Store) -> None:
    await fill(store)
    assert await store.quick.connection_key(CONNECTION_KEY.digest) == CONNECTION_KEY
    assert await store.quick.connection_key_of_id(CONNECTION_KEY.id) == CONNECTION_KEY
    for odd in (CONNECTION_KEY.digest, "", "con_\0", "\ud800"):
        assert await store.quick.connection_key_of_id(odd) is None
    assert await store.quick.connection_key(CONNECTION_KEY.id) is None


# --- filters and order -------------------------------------------------------------------------


async def test_filters(store: Store) -> None:
    await fill(store, "applications", "instances")
    async with store.transaction() as tx:
        for number, began_at in enumerate((None, NOW, NOW + timedelta(days=1))):
            region = Region.EU if number else Region.NA
            await tx.accounts.add(account(number, oauth_began_at=began_at, region=region))

        async def ids(**filters: Any) -> list[str]:
            found = await tx.accounts.all(**filters)
            assert await tx.accounts.count(**filters) == len(found)
            return [row.id for row in found]

        assert await ids(region=Region.EU) == ["acc_001", "acc_002"]
        assert await ids(region=[Region.EU, Region.NA]) == ["acc_000", "acc_001", "acc_002"]
        assert await ids(region=frozenset({Region.FE})) == []
        assert await ids(region=()) == []
        assert await ids(oauth_began_at=None) == ["acc_000"]
        assert await ids(oauth_began_at=(None, NOW)) == ["acc_000", "acc_001"]
        assert await ids(oauth_began_at=[None]) == ["acc_000"]
        assert await ids(before=("oauth_began_at", NOW)) == []
        assert await ids(before=("oauth_began_at", NOW + timedelta(microseconds=1))) == ["acc_001"]
        assert await ids(before=("oauth_began_at", NOW + timedelta(days=9)), name="Shop 2") == [
            "acc_002"
        ]


async def test_rows_come_in_the_order_of_their_ids(store: Store) -> None:
    await fill(store, "applications", "instances")
    made = ["acc_b", "acc_B", "acc_a", "acc_~", "acc_-", "acc_10", "acc_9"]
    async with store.transaction() as tx:
        for number, key in enumerate(made):
            await tx.accounts.add(account(number, id=key))
        expected = sorted(made)
        assert [row.id for row in await tx.accounts.all()] == expected
        assert [row.id for row in await tx.accounts.all(limit=2)] == expected[:2]
        assert [row.id for row in await tx.accounts.all(after="acc_B", limit=2)] == [
            "acc_a",
            "acc_b",
        ]
        newest = [row.id for row in await tx.accounts.all(newest_first=True)]
        assert newest == expected[::-1]
        assert [
            row.id for row in await tx.accounts.all(newest_first=True, after="acc_b", limit=2)
        ] == ["acc_a", "acc_B"]
        assert [
            row.id for row in await tx.accounts.all(newest_first=True, name="Shop 2", limit=5)
        ] == ["acc_a"]
        assert await tx.accounts.all(newest_first=True, after="acc_-") == []
        assert await tx.accounts.all(limit=0) == []
        assert await tx.accounts.all(after="\0") == []


async def test_one(store: Store) -> None:
    await fill(store, "applications", "instances")
    async with store.transaction() as tx:
        assert await tx.accounts.one(name="Shop 1") is None
        await tx.accounts.add(account(1))
        await tx.accounts.add(account(2))
        assert await tx.accounts.one(name="Shop 1") == account(1)
        with pytest.raises(LookupError):
            await tx.accounts.one(region=Region.EU)


# --- changes -----------------------------------------------------------------------------------


async def test_more_values_than_a_statement_has_parameters(store: Store) -> None:
    await fill(store, "applications", "instances", "accounts")
    many = [f"acc_x{number}" for number in range(70_000)]
    days = [NOW + timedelta(minutes=number + 1) for number in range(70_000)]
    asked: dict[str, Any] = {
        "id": [*many, ACCOUNT.id],
        "created_at": [*days, None, ACCOUNT.created_at],
    }
    async with store.transaction() as tx:
        assert [one.id for one in await tx.accounts.all(**asked)] == [ACCOUNT.id]
        assert await tx.accounts.count(**asked) == 1
        assert await tx.accounts.all(id=many) == []
        assert await tx.accounts.count(region=[ACCOUNT.region] * 70_000) == 1
        assert await tx.accounts.change_all([*many, ACCOUNT.id], name="Heron") == 1
        assert await tx.accounts.drop_all(many) == 0


async def test_put_adds_and_replaces(store: Store) -> None:
    newer = dataclasses.replace(SEALED, key_id="k2", ciphertext=b"2")
    async with store.transaction() as tx:
        await tx.safe.put(SEALED)
        await tx.safe.put(newer)
        assert await tx.safe.all() == [newer]


async def test_change_gives_the_changed_row(store: Store) -> None:
    await fill(store)
    async with store.transaction() as tx:
        changed = await tx.authorizations.change(
            "aut_1", {"state": State.AWAITING, "version": 0}, state=State.ACTIVE, version=1
        )
        assert changed == dataclasses.replace(AUTHORIZATION, state=State.ACTIVE, version=1)
        assert await tx.authorizations.get("aut_1") == changed


async def test_many_rows_change_at_once_where_they_are_as_expected(store: Store) -> None:
    async with store.transaction() as tx:
        for number, name in enumerate(("old", "new", "old", "old")):
            await tx.instances.add(
                dataclasses.replace(INSTANCE, id=f"ins_{number}", name=f"{number}", base_url=name)
            )
        asked = ["ins_0", "ins_1", "ins_2", "ins_9"]
        assert await tx.instances.change_all(asked, {"base_url": "old"}, base_url="told") == 2
        assert await tx.instances.change_all([], base_url="nobody") == 0
        assert [one.base_url for one in await tx.instances.all()] == ["told", "new", "told", "old"]
        with pytest.raises(TypeError):
            await tx.instances.change_all(asked, id="ins_7")


async def test_change_does_nothing_when_the_expectation_fails(store: Store) -> None:
    await fill(store)
    async with store.transaction() as tx:
        change = tx.authorizations.change
        assert await change("aut_1", {"state": State.ACTIVE}, version=1) is None
        assert await change("aut_1", {"grant_id": "grt_1"}, version=1) is None
        assert await change("aut_2", version=1) is None
        assert await tx.authorizations.get("aut_1") == AUTHORIZATION
        either = {"state": [State.AWAITING, State.ACTIVE], "grant_id": None}
        assert (await change("aut_1", either, version=1)) is not None
        assert (await change("aut_1", {"version": 1})) is not None
        assert (await change("aut_1", {"version": 2})) is None


async def test_drop(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.safe.put(SEALED)
        assert await tx.safe.drop(SEALED.id)
        assert not await tx.safe.drop(SEALED.id)
        assert await tx.safe.get(SEALED.id) is None


async def test_many_rows_are_dropped_at_once(store: Store) -> None:
    await fill(store, "applications", "instances")
    async with store.transaction() as tx:
        for number in range(5):
            await tx.accounts.add(account(number))
        gone = ["acc_003", "acc_001", "acc_001", "unknown"]
        assert await tx.accounts.drop_all(gone) == 2
        assert await tx.accounts.drop_all([]) == 0
        assert [row.id for row in await tx.accounts.all()] == ["acc_000", "acc_002", "acc_004"]
        await tx.authorizations.add(dataclasses.replace(AUTHORIZATION, account_id="acc_002"))
    with pytest.raises(LookupError):
        async with store.transaction() as tx:
            await tx.accounts.drop_all(["acc_000", "acc_002"])
    async with store.transaction() as tx:
        assert await tx.accounts.count() == 3


async def test_rows_hold_on_to_each_other(store: Store) -> None:
    await fill(store)
    with pytest.raises(LookupError):
        async with store.transaction() as tx:
            await tx.accounts.drop("acc_1")
    with pytest.raises(LookupError):
        async with store.transaction() as tx:
            await tx.accounts.add(account(2, application_id="app_unknown"))
    with pytest.raises(LookupError):
        async with store.transaction() as tx:
            await tx.authorizations.change("aut_1", grant_id="grt_unknown")


# --- unique keys -------------------------------------------------------------------------------


async def _same_name(tx: Transaction) -> None:
    await tx.accounts.add(account(2, name=ACCOUNT.name))


async def _same_account(tx: Transaction) -> None:
    await tx.authorizations.add(dataclasses.replace(AUTHORIZATION, id="aut_2"))


async def _same_amazon_id(tx: Transaction) -> None:
    await tx.applications.add(dataclasses.replace(APPLICATION, id="app_2", name="Other"))


async def _same_application_name(tx: Transaction) -> None:
    await tx.applications.add(
        dataclasses.replace(APPLICATION, id="app_2", application_id="amzn1.sp.solution.2")
    )


async def _same_instance_name(tx: Transaction) -> None:
    await tx.instances.put(dataclasses.replace(INSTANCE, id="ins_2"))


async def _same_email(tx: Transaction) -> None:
    await tx.operators.add(dataclasses.replace(OPERATOR, id="opr_2"))


async def _same_partner(tx: Transaction) -> None:
    await tx.authorizations.change("aut_1", state=State.ACTIVE, selling_partner_id="A1")
    await tx.accounts.add(account(2))
    second = dataclasses.replace(AUTHORIZATION, id="aut_2", account_id="acc_002")
    await tx.authorizations.add(dataclasses.replace(second, selling_partner_id="A1"))
    await tx.authorizations.change("aut_2", state=State.LAPSED)


async def _same_subject(tx: Transaction) -> None:
    await tx.operators.change("opr_1", sso_subject="issuer ada")
    other = dataclasses.replace(OPERATOR, id="opr_2", email="bob@house.example")
    await tx.operators.add(other)
    await tx.operators.change("opr_2", sso_subject="issuer ada")


async def _two_open_invitations(tx: Transaction) -> None:
    await tx.operator_invitations.change("oin_1", withdrawn_at=NOW)
    other = dataclasses.replace(OPERATOR_INVITATION, id="oin_2", link_digest="m" * 64)
    await tx.operator_invitations.add(other)
    await tx.operator_invitations.change("oin_1", withdrawn_at=None)


async def _same_filter_name(tx: Transaction) -> None:
    await tx.saved_filters.add(dataclasses.replace(SAVED_FILTER, id="opr_1/other"))


async def _same_window(tx: Transaction) -> None:
    await tx.reminders.add(dataclasses.replace(REMINDER, id="rem_2"))


async def _two_open_notices(tx: Transaction) -> None:
    await tx.notices.change("not_1", settled_at=NOW)
    await tx.notices.add(dataclasses.replace(NOTICE, id="not_2"))
    await tx.notices.change("not_1", settled_at=None)


async def _two_open_rotations(tx: Transaction) -> None:
    await tx.rotations.change("rot_1", ended_at=NOW)
    await tx.rotations.add(dataclasses.replace(ROTATION, id="rot_2"))
    await tx.rotations.put(ROTATION)


async def _same_key_of_a_caller(tx: Transaction) -> None:
    await tx.intakes.add(dataclasses.replace(INTAKE, id="int_2", key_digest=None))
    await tx.intakes.add(dataclasses.replace(INTAKE, id="int_3", key_digest=None))
    await tx.intakes.add(dataclasses.replace(INTAKE, id="int_4"))


@pytest.mark.parametrize(
    ("key", "breach"),
    [
        (ports.ONE_ACCOUNT_PER_NAME, _same_name),
        (ports.ONE_AUTHORIZATION_PER_ACCOUNT, _same_account),
        (ports.ONE_APPLICATION_PER_AMAZON_ID, _same_amazon_id),
        (ports.ONE_APPLICATION_PER_NAME, _same_application_name),
        (ports.ONE_INSTANCE_PER_NAME, _same_instance_name),
        (ports.ONE_OPERATOR_PER_EMAIL, _same_email),
        (ports.ONE_OPERATOR_PER_SUBJECT, _same_subject),
        (ports.ONE_OPEN_INVITATION_PER_EMAIL, _two_open_invitations),
        (ports.ONE_FILTER_PER_NAME, _same_filter_name),
        (ports.ONE_HOLDER_PER_SELLING_PARTNER, _same_partner),
        (ports.ONE_REMINDER_PER_WINDOW, _same_window),
        (ports.ONE_OPEN_NOTICE, _two_open_notices),
        (ports.ONE_OPEN_ROTATION, _two_open_rotations),
        (ports.ONE_INTAKE_PER_KEY, _same_key_of_a_caller),
    ],
)
async def test_unique_keys_refuse_by_name(store: Store, key: str, breach: Any) -> None:
    await fill(store)
    async with store.transaction() as tx:
        with pytest.raises(AlreadyThere) as refused:
            await breach(tx)
        assert refused.value.constraint == key
        # The transaction stays usable, and what it does later is kept.
        await tx.accounts.change("acc_1", notes="still here")
    async with store.transaction() as tx:
        kept = await tx.accounts.get("acc_1")
        assert kept is not None
        assert kept.notes == "still here"


def test_every_planned_key_is_tried() -> None:
    tried = test_unique_keys_refuse_by_name.pytestmark[0].args[1]
    assert {key for key, _ in tried} == set(ports.UNIQUE_KEYS)


async def test_an_id_is_there_once(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.safe.add(SEALED)
        with pytest.raises(AlreadyThere) as refused:
            await tx.safe.add(dataclasses.replace(SEALED, key_id="k2"))
        assert refused.value.constraint == "safe_pkey"
        assert await tx.safe.all() == [SEALED]


@pytest.mark.parametrize("state", [State.AWAITING, State.REVOKED, State.CLOSED])
async def test_only_living_authorizations_hold_their_partner(store: Store, state: State) -> None:
    await fill(store)
    async with store.transaction() as tx:
        await tx.authorizations.change("aut_1", state=State.ACTIVE, selling_partner_id="A1")
        await tx.accounts.add(account(2))
        second = dataclasses.replace(AUTHORIZATION, id="aut_2", account_id="acc_002", state=state)
        await tx.authorizations.add(dataclasses.replace(second, selling_partner_id="A1"))
        # Another region is another relation, and nobody holds the partner without a name.
        await tx.authorizations.change("aut_2", state=State.ACTIVE, region=Region.FE)
        await tx.authorizations.change("aut_1", selling_partner_id="")
        await tx.authorizations.change("aut_2", region=Region.EU, selling_partner_id="")


# --- transactions ------------------------------------------------------------------------------


async def test_an_error_rolls_everything_back(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with store.transaction() as tx:
            await tx.safe.put(SEALED)
            await tx.journal.append(_line("a"))
            raise ZeroDivisionError
    async with store.transaction() as tx:
        assert await tx.safe.all() == []
        assert await tx.journal.read() == []


async def test_cancelling_rolls_back(store: Store) -> None:
    inside = asyncio.Event()

    async def write() -> None:
        async with store.transaction() as tx:
            await tx.safe.put(SEALED)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.transaction() as tx:
        assert await tx.safe.all() == []


async def test_a_transaction_is_over_at_its_end(store: Store) -> None:
    async with store.transaction() as tx:
        pass
    with pytest.raises(RuntimeError):
        await tx.safe.get("x")
    with pytest.raises(RuntimeError):
        await tx.journal.read()


async def test_many_callers_change_one_row_and_one_wins(stores: tuple[Store, Store]) -> None:
    await fill(stores[0])

    async def spend(number: int) -> bool:
        async with stores[number % 2].transaction() as tx:
            step = t.HandshakeStep
            expected = {"step": [step.BEGUN, step.LOGGED_IN]}
            won = await tx.handshakes.change(
                "hsk_1", expected, step=step.SPENT, outcome=str(number)
            )
            return won is not None

    won = await asyncio.gather(*(spend(number) for number in range(12)))
    assert sum(won) == 1
    async with stores[1].transaction() as tx:
        spent = await tx.handshakes.get("hsk_1")
        assert spent is not None
        assert spent.outcome == str(won.index(True))


async def test_counting_by_expectation_loses_nothing(stores: tuple[Store, Store]) -> None:
    await fill(stores[0])

    async def count_up(store: Store) -> None:
        while True:
            async with store.transaction() as tx:
                row = await tx.authorizations.get("aut_1")
                assert row is not None
                expected = {"version": row.version}
                if await tx.authorizations.change("aut_1", expected, version=row.version + 1):
                    return

    await asyncio.gather(*(count_up(stores[number % 2]) for number in range(16)))
    async with stores[0].transaction() as tx:
        row = await tx.authorizations.get("aut_1")
        assert row is not None
        assert row.version == 16


async def test_two_race_for_a_unique_key(stores: tuple[Store, Store]) -> None:
    await fill(stores[0])
    async with stores[0].transaction() as tx:
        for number in (2, 3):
            await tx.accounts.add(account(number))
            await tx.authorizations.add(
                dataclasses.replace(
                    AUTHORIZATION, id=f"aut_{number}", account_id=f"acc_{number:03}"
                )
            )

    async def claim(store: Store, authorization_id: str) -> str:
        async with store.transaction() as tx:
            try:
                await tx.authorizations.change(
                    authorization_id, state=State.ACTIVE, selling_partner_id="A1"
                )
            except AlreadyThere as refused:
                return refused.constraint
            return "won"

    ends = await asyncio.gather(claim(stores[0], "aut_2"), claim(stores[1], "aut_3"))
    assert sorted(ends) == [ports.ONE_HOLDER_PER_SELLING_PARTNER, "won"]

    async def add(store: Store, number: int) -> str:
        async with store.transaction() as tx:
            try:
                await tx.accounts.add(account(number, name="Wanted by two"))
            except AlreadyThere as refused:
                return refused.constraint
            return "won"

    ends = await asyncio.gather(add(stores[0], 4), add(stores[1], 5))
    assert sorted(ends) == [ports.ONE_ACCOUNT_PER_NAME, "won"]


# --- the journal -------------------------------------------------------------------------------


def _line(verb: str, **values: Any) -> t.JournalLine:
    return t.JournalLine(at=NOW, caller="system", verb=verb, subject="acc_1", **values)


async def test_the_journal_reads_forward_and_backward(store: Store) -> None:
    async with store.transaction() as tx:
        for number in range(5):
            kept = None if number % 2 else "acc_1"
            await tx.journal.append(_line(f"verb.{number}", account_id=kept, facts={"n": number}))
    async with store.transaction() as tx:
        lines = await tx.journal.read()
        assert [line.facts["n"] for line in lines] == [0, 1, 2, 3, 4]
        numbers = [line.id for line in lines]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > 0

        async def read(**wishes: Any) -> list[int]:
            return [line.facts["n"] for line in await tx.journal.read(**wishes)]

        assert await read(newest_first=True, limit=2) == [4, 3]
        assert await read(newest_first=True, after=numbers[3]) == [2, 1, 0]
        assert await read(after=numbers[3]) == [4]
        assert await read(account_id="acc_1") == [0, 2, 4]
        assert await read(verb="verb.3") == [3]
        assert await read(subject="acc_2") == []
        assert lines[0] == dataclasses.replace(
            _line("verb.0", account_id="acc_1", facts={"n": 0}), id=numbers[0]
        )


async def test_the_journal_by_person_and_time(store: Store) -> None:
    async with store.transaction() as tx:
        for number in range(4):
            await tx.journal.append(
                t.JournalLine(
                    at=NOW + timedelta(hours=number),
                    caller=f"operator:opr_{number % 2}",
                    verb="account.changed",
                    subject="acc_1",
                    facts={"n": number},
                )
            )

        async def read(**wishes: Any) -> list[int]:
            return [line.facts["n"] for line in await tx.journal.read(**wishes)]

        assert await read(caller="operator:opr_1") == [1, 3]
        assert await read(caller="operator:opr") == []
        assert await read(since=NOW + timedelta(hours=1)) == [1, 2, 3]
        assert await read(until=NOW + timedelta(hours=1)) == [0]
        assert await read(
            since=NOW + timedelta(hours=1), until=NOW + timedelta(hours=3), newest_first=True
        ) == [2, 1]
        assert await read(caller="operator:opr_0", since=NOW + timedelta(microseconds=1)) == [2]


async def test_the_newest_lines_of_certain_days_come_by_instants_page_after_page(
    store: Store,
) -> None:
    """Transactions end in another order than they began: instants are not in the order of ids."""
    hours = [0, 3, 1, 2, 2, 9, 5]
    async with store.transaction() as tx:
        for number, hour in enumerate(hours):
            line = _line(f"verb.{number}", facts={"n": number})
            at = NOW + timedelta(hours=hour)
            await tx.journal.append(dataclasses.replace(line, at=at))

        async def pages(**wishes: Any) -> list[int]:
            found: list[t.JournalLine] = []
            while page := await tx.journal.read(
                newest_first=True, limit=2, after=found[-1].id if found else 0, **wishes
            ):
                found += page
            return [line.facts["n"] for line in found]

        assert await pages(until=NOW + timedelta(hours=9)) == [6, 1, 4, 3, 2, 0]
        assert await pages(since=NOW + timedelta(hours=2)) == [5, 6, 1, 4, 3]
        within: dict[str, Any] = {
            "since": NOW + timedelta(hours=1),
            "until": NOW + timedelta(hours=3),
        }
        assert await pages(**within) == [4, 3, 2]
        assert await pages(**within, verb="verb.3") == [3]
        assert await pages() == [6, 5, 4, 3, 2, 1, 0]
        # Behind a line that was never there: what has a lesser id.
        newest = (await tx.journal.read(newest_first=True, limit=1))[0]
        far = await tx.journal.read(newest_first=True, after=newest.id + 100, **within)
        assert [line.facts["n"] for line in far] == [4, 3, 2]


@pytest.mark.parametrize(
    "statement", ["UPDATE journal SET verb = 'x'", "DELETE FROM journal", "TRUNCATE journal"]
)
async def test_the_database_itself_keeps_the_journal(database_url: str, statement: Any) -> None:
    store = await open_store(database_url)
    async with store.transaction() as tx:
        await tx.journal.append(_line("kept"))
    await store.close()
    with psycopg.connect(database_url) as connection:
        with pytest.raises(psycopg.errors.IntegrityError, match="append-only"):
            connection.execute(statement)
        connection.rollback()
        assert connection.execute("SELECT verb FROM journal").fetchall() == [("kept",)]


async def test_the_journal_forgets_what_is_older_than_it_is_told_and_than_a_year(
    store: Store,
) -> None:
    today = datetime.now(UTC)
    ages = {"ancient": 900, "old": 500, "year": 370, "young": 360, "new": 0}
    async with store.transaction() as tx:
        for verb, days in ages.items():
            line = _line(verb)
            await tx.journal.append(dataclasses.replace(line, at=today - timedelta(days=days)))

    async def left() -> list[str]:
        async with store.transaction() as tx:
            return [line.verb for line in await tx.journal.read()]

    async with store.transaction() as tx:
        assert await tx.journal.purge(today - timedelta(days=901)) == 0
        assert await tx.journal.purge(today - timedelta(days=600)) == 1
        assert [line.verb for line in await tx.journal.read(limit=2)] == ["old", "year"]
    assert await left() == ["old", "year", "young", "new"]

    async def change_ones_mind() -> None:
        async with store.transaction() as tx:
            assert await tx.journal.purge(today) == 2
            raise LookupError

    with pytest.raises(LookupError):
        await change_ones_mind()
    assert await left() == ["old", "year", "young", "new"]
    async with store.transaction() as tx:
        assert await tx.journal.purge(today + timedelta(days=9), limit=1) == 1
        assert await tx.journal.purge(today + timedelta(days=9)) == 1
        assert await tx.journal.purge(today + timedelta(days=9)) == 0
    assert await left() == ["young", "new"]


async def test_nothing_but_the_purge_gets_through_and_never_to_the_last_year(
    database_url: str,
) -> None:
    store = await open_store(database_url)
    today = datetime.now(UTC)
    async with store.transaction() as tx:
        for verb, days in (("old", 500), ("young", 360)):
            line = _line(verb)
            await tx.journal.append(dataclasses.replace(line, at=today - timedelta(days=days)))
    await store.close()
    forged = "SELECT set_config('evergrant.journal_purge', pg_current_xact_id()::text, true)"
    with psycopg.connect(database_url) as connection:
        for before, statement in (
            ("", "DELETE FROM journal WHERE verb = 'old'"),
            ("SELECT journal_purge('-infinity', 10)", "DELETE FROM journal WHERE verb = 'old'"),
            ("SELECT set_config('evergrant.journal_purge', 'x', true)", "DELETE FROM journal"),
            (forged, "DELETE FROM journal WHERE verb = 'young'"),
            (forged, "UPDATE journal SET at = 'epoch'"),
            (forged, "TRUNCATE journal"),
        ):
            if before:
                connection.execute(before)
            with pytest.raises(psycopg.errors.IntegrityError, match="append-only"):
                connection.execute(statement)
            connection.rollback()
        connection.execute("SET timezone TO 'Pacific/Kiritimati'")
        purged = connection.execute("SELECT journal_purge('infinity', 10)").fetchone()
        assert purged == (1,)
        assert connection.execute("SELECT verb FROM journal").fetchall() == [("young",)]


# --- locks -------------------------------------------------------------------------------------


async def test_one_holder_per_name(stores: tuple[Store, Store]) -> None:
    inside, most = 0, 0

    async def hold(number: int) -> None:
        nonlocal inside, most
        async with stores[number % 2].exclusive("mint/aut_1"):
            inside += 1
            most = max(most, inside)
            async with stores[number % 2].transaction() as tx:
                await tx.safe.count()
            inside -= 1

    await asyncio.gather(*(hold(number) for number in range(30)))
    assert most == 1


async def test_other_names_do_not_wait(stores: tuple[Store, Store]) -> None:
    async with stores[0].exclusive("a"), stores[1].exclusive("b"), stores[0].exclusive("c"):
        pass


async def test_a_lock_is_free_again_after_an_error(stores: tuple[Store, Store]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with stores[0].exclusive("a"):
            raise ZeroDivisionError
    async with asyncio.timeout(60), stores[1].exclusive("a"):
        pass


async def test_who_gives_up_waiting_leaves_no_trace(stores: tuple[Store, Store]) -> None:
    async with stores[0].exclusive("a"):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), stores[1].exclusive("a"):
                    pytest.fail("two holders")
    async with asyncio.timeout(60), stores[1].exclusive("a"):
        pass


async def test_many_wait_for_one_name_on_one_connection(database_url: str) -> None:
    """Fifty callers of one cold account must not take fifty connections."""
    store = await open_store(database_url, locks=2)
    held: list[int] = []

    async def hold() -> None:
        async with store.exclusive("a"):
            with psycopg.connect(database_url) as connection:
                name = (
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE application_name = %s AND datname = current_database()"
                )
                row = connection.execute(name, ("evergrant locks",)).fetchone()
            held.append(row[0] if row else 0)

    await asyncio.gather(*(hold() for _ in range(50)))
    await store.close()
    assert len(held) == 50
    assert max(held) == 1


async def test_a_lock_goes_with_its_connection(database_url: str) -> None:
    one, other = await open_store(database_url), await open_store(database_url)
    async with one.exclusive("a"):
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'evergrant locks' AND datname = current_database()"
            )
        async with asyncio.timeout(60), other.exclusive("a"):
            pass
    # Leaving a lock whose connection died is no error, and the next one is a living one.
    async with one.exclusive("a"):
        pass
    await one.close()
    await other.close()


HOLD = """
import asyncio, sys
from evergrant.adapters.store import open_store
async def hold():
    store = await open_store(sys.argv[1])
    async with store.exclusive("mint/aut_1"):
        print("held", flush=True)
        await asyncio.Event().wait()
asyncio.run(hold())
"""


async def test_a_lock_goes_with_its_process(database_url: str) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, database_url, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    store = await open_store(database_url)
    waiting = asyncio.create_task(_hold_once(store))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.2)
    holder.kill()
    await holder.communicate()
    await asyncio.wait_for(waiting, 60)
    await store.close()


async def _hold_once(store: Store) -> None:
    async with store.exclusive("mint/aut_1"):
        return


async def test_patience_with_a_lock_ends(database_url: str) -> None:
    one = await open_store(database_url)
    other = await open_store(database_url, patience_s=0.2)
    async with one.exclusive("a"):
        with pytest.raises(StoreUnavailable):
            async with other.exclusive("a"):
                pytest.fail("two holders")
    await one.close()
    await other.close()


# --- quick reads -------------------------------------------------------------------------------


async def test_quick_reads(store: Store) -> None:
    await fill(store)
    quick = store.quick
    assert await quick.sealed(SEALED.id) == SEALED
    assert await quick.api_key("key_1") == API_KEY
    assert await quick.connection_key("c" * 64) == CONNECTION_KEY
    assert await quick.signed_in("s" * 64) == (OPERATOR_SESSION, OPERATOR)
    assert await quick.standing("acc_1") == t.Standing(
        account_id="acc_1",
        client_instance_id="ins_1",
        authorization_id="aut_1",
        application_id="app_1",
        partner_kind=PartnerKind.VENDOR,
        region=Region.EU,
        state=State.AWAITING,
        grant_id=None,
        term_ends_at=None,
        refused_reason="",
    )


@pytest.mark.parametrize("wanted", ["unknown", "", "\0", "acc_1\0"])
async def test_quick_reads_of_what_is_not_there(store: Store, wanted: str) -> None:
    await fill(store)
    quick = store.quick
    found = [
        await quick.standing(wanted),
        await quick.sealed(wanted),
        await quick.api_key(wanted),
        await quick.connection_key(wanted),
        await quick.signed_in(wanted),
    ]
    assert found == [None] * len(found)


async def test_quick_reads_see_only_what_is_committed(stores: tuple[Store, Store]) -> None:
    async with stores[0].transaction() as tx:
        await tx.safe.put(SEALED)
        assert await stores[1].quick.sealed(SEALED.id) is None
    assert await stores[1].quick.sealed(SEALED.id) == SEALED


# --- trouble -----------------------------------------------------------------------------------


async def test_lost_connections_are_replaced(database_url: str) -> None:
    store = await open_store(database_url, connections=3)
    await fill(store)
    await asyncio.gather(*(store.quick.sealed(SEALED.id) for _ in range(20)))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert await store.quick.sealed(SEALED.id) == SEALED
    async with store.transaction() as tx:
        assert await tx.safe.count() == 1
    await store.ping()
    await store.close()


async def test_a_database_that_is_gone_is_unavailable(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evergrant.adapters.store.postgres import PostgresStore

    monkeypatch.setattr(PostgresStore, "PATIENCE_S", 0.3)
    store = await open_store(database_url)
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    elsewhere = psycopg.conninfo.make_conninfo(database_url, dbname="postgres")
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    with pytest.raises(StoreUnavailable):
        async with store.transaction() as tx:
            await tx.safe.count()
    with pytest.raises(StoreUnavailable):
        await store.quick.sealed("x")
    with pytest.raises(StoreUnavailable):
        await store.ping()
    with pytest.raises(StoreUnavailable):
        async with store.exclusive("a"):
            pytest.fail("a lock of nothing")
    await store.close()


async def test_nobody_listens(tmp_path: Any) -> None:
    with pytest.raises(StoreUnavailable, match="No such file"):
        await open_store(f"postgresql://postgres@/evergrant?host={tmp_path}")


@pytest.mark.parametrize("url", ["mysql://x/y", "", "postgresql://[broken", "nonsense"])
async def test_bad_addresses_name_the_setting_and_not_the_address(url: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        await open_store(url)
    assert refused.value.setting == "EVERGRANT_DATABASE_URL"
    assert url not in str(refused.value) or not url


async def test_a_database_without_tables_says_what_to_do(empty_database_url: str) -> None:
    store = await open_store(empty_database_url)
    with pytest.raises(StoreUnavailable) as refused:
        async with store.transaction() as tx:
            await tx.safe.count()
    assert "migrate" in (refused.value.hint or "")
    await store.close()


async def test_options_of_the_address_are_kept(database_url: str) -> None:
    url = psycopg.conninfo.make_conninfo(
        database_url, options="-c application_name=mine -c timezone=Asia/Tokyo"
    )
    store = await open_store(url)
    await fill(store)
    async with store.transaction() as tx:
        found = await tx.safe.get(SEALED.id)
        assert found is not None
        assert found.sealed_at.tzinfo is UTC
    async with store.exclusive("a"):
        pass
    await store.close()


async def test_a_stuck_transaction_stops_nobody_for_ever(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evergrant.adapters.store import postgres

    monkeypatch.setattr(postgres, "LOCK_TIMEOUT", "100ms")
    one, other = await open_store(database_url), await open_store(database_url)
    await fill(one)
    async with one.transaction() as tx:
        await tx.authorizations.change("aut_1", version=1)
        with pytest.raises(StoreUnavailable, match="try again"):
            async with other.transaction() as late:
                await late.authorizations.change("aut_1", version=2)
    await one.close()
    await other.close()


async def test_of_two_that_wait_for_each_other_one_is_told(database_url: str) -> None:
    store = await open_store(database_url)
    await fill(store)
    both_are_inside = asyncio.Barrier(2)

    async def change(first: str, second: str) -> str:
        try:
            async with store.transaction() as tx:
                await tx.accounts.change(first, notes=first)
                await both_are_inside.wait()
                await tx.accounts.change(second, notes=first)
        except StoreUnavailable as unavailable:
            return str(unavailable)
        return "done"

    async with store.transaction() as tx:
        await tx.accounts.add(account(2))
    ends = await asyncio.gather(change("acc_1", "acc_002"), change("acc_002", "acc_1"))
    assert sorted(end == "done" for end in ends) == [False, True]
    assert any("try again" in end for end in ends)
    await store.close()


async def test_values_stay_out_of_errors(database_url: str) -> None:
    """An error of the driver may end up in a log; what was to be stored must not."""
    store = await open_store(database_url)
    private = "heron@partner.example"
    with pytest.raises(Exception) as broken:
        async with store.transaction() as tx:
            await tx.authorizations.add(
                dataclasses.replace(AUTHORIZATION, version=2**40, refused_reason=private)
            )
    assert private not in str(broken.value)
    await store.close()


async def test_the_store_in_memory_points_at_mistakes_that_would_hang() -> None:
    store = MemoryStore()
    store.patience_s = 0.05
    async with store.transaction():
        with pytest.raises(RuntimeError, match="inside a transaction"):
            async with store.transaction():
                pytest.fail("two at once")
        with pytest.raises(RuntimeError, match="lock first"):
            async with store.exclusive("a"):
                pytest.fail("a lock inside")
    async with store.exclusive("a"):
        with pytest.raises(RuntimeError, match="Waited"):
            async with store.exclusive("a"):
                pytest.fail("two holders")


async def test_a_store_in_memory_can_be_down() -> None:
    store = MemoryStore()
    store.down = True
    with pytest.raises(StoreUnavailable):
        await store.ping()
    with pytest.raises(StoreUnavailable):
        async with store.transaction():
            pytest.fail("it is down")
