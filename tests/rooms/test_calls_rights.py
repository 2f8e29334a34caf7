"""Who may make which call: everything is refused before Amazon is asked."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

from evergrant.calls import Again, Asked, Calls, Leave
from evergrant.errors import (
    AccountClosed,
    EvergrantError,
    GrantLapsed,
    GrantRefused,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotYetAuthorized,
    OverLimit,
)
from evergrant.rules.applications import NOTIFICATIONS_SCOPE, ROTATION_SCOPE
from evergrant.rules.lifecycle import State
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right, command_line
from tests.rooms.gate_ground import PATH, PROGRAM, SELLERS, GateGround
from tests.rooms.mint_ground import Held

ORDER = "/orders/v0/orders/123-1234567-1234567"
ADDRESS = f"{ORDER}/address"
NEW_ORDERS = "/orders/2026-01-01/orders"
DOCUMENT = "/reports/2021-06-30/documents/doc-1"
SKU = "/listings/2021-08-01/items/A2SELLER/SKU-1"
DESTINATIONS = "/notifications/v1/destinations"
ROTATION = "/applications/2023-11-30/clientSecret"
TOKENS = "/tokens/2021-03-01/restrictedDataToken"
UNKNOWN = "/something/v9/new"


def holding(*rights: Right, **bound: object) -> Caller:
    return Caller(kind=CallerKind.API_KEY, id="key_9", rights=frozenset(rights), **bound)  # type: ignore[arg-type]


@pytest.fixture
async def ground() -> AsyncIterator[GateGround]:
    ground = GateGround()
    yield ground
    await ground.close()


@pytest.fixture
async def shop(ground: GateGround) -> Held:
    return await ground.shop()


def untouched(ground: GateGround) -> bool:
    """Neither Amazon nor the budgets were asked for anything."""
    return not ground.api.calls and not ground.lwa.calls and not ground.budgets.wishes


async def refused(ground: GateGround, asked: Asked, by: Caller) -> EvergrantError:
    """Also by the way that is at hand."""
    assert ground.calls.admit_at_hand(asked, by=by) is None
    with pytest.raises(EvergrantError) as caught:
        await ground.calls.admit(asked, by=by)
    return caught.value


# --- tenancy ------------------------------------------------------------------------------------


async def strangers(ground: GateGround, shop: Held) -> list[Caller]:
    """Callers with every right that do not reach this shop."""
    everything = frozenset(Right)
    other = await ground.shop()
    async with ground.store.transaction() as tx:
        account = await tx.accounts.get(shop.account_id)
        beside = await tx.accounts.get(other.account_id)
    assert account is not None
    assert beside is not None
    bounds: tuple[dict[str, Any], ...] = (
        {"client_instance_id": beside.client_instance_id},
        {"client_instance_id": "ins_made_up"},
        {"account_ids": frozenset({other.account_id})},
        {"account_ids": frozenset()},
        {
            "client_instance_id": account.client_instance_id,
            "account_ids": frozenset({other.account_id}),
        },
        {
            "client_instance_id": beside.client_instance_id,
            "account_ids": frozenset({shop.account_id}),
        },
    )
    return [dataclasses.replace(PROGRAM, rights=everything, **bound) for bound in bounds]


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("path", [PATH, ADDRESS, UNKNOWN, DESTINATIONS, DOCUMENT])
async def test_no_verb_reaches_another_tenants_account(
    ground: GateGround, shop: Held, path: str, warm: bool
) -> None:
    if warm:
        # It lies in memory, and so do its tokens and its hand.
        for one in (PATH, ADDRESS, UNKNOWN):
            await ground.calls.admit(ground.asked(shop, one), by=PROGRAM)
        await ground.calls.admit(ground.asked(shop, DESTINATIONS), by=PROGRAM)
    leave = await ground.calls.admit(ground.asked(shop), by=PROGRAM)
    callers = await strangers(ground, shop)
    calls, lwa_calls = len(ground.api.calls), len(ground.lwa.calls)
    wishes = len(ground.budgets.wishes)
    for by in callers:
        error = await refused(ground, ground.asked(shop, path), by)
        assert isinstance(error, NotFound)
        assert shop.account_id not in str(error)
        with pytest.raises(NotFound):
            await ground.calls.send(shop.account_id, "GET", path, by=by)
        with pytest.raises(NotFound):
            await ground.calls.refuse_unless_served(shop.account_id, by=by)
        for how in (Again(), Again(fresh_access_token=True), Again(restricted=True)):
            with pytest.raises(NotFound):
                await ground.calls.again(leave, how, by=by)
    assert (len(ground.api.calls), len(ground.lwa.calls)) == (calls, lwa_calls)
    assert len(ground.budgets.wishes) == wishes


async def test_an_account_that_is_not_there_is_refused_in_the_same_words(
    ground: GateGround, shop: Held
) -> None:
    [stranger, *_] = await strangers(ground, shop)
    nobodys = await refused(ground, ground.asked("acc_made_up"), PROGRAM)
    anothers = await refused(ground, ground.asked(shop), stranger)
    assert (type(nobodys), str(nobodys)) == (type(anothers), str(anothers))


async def test_bound_callers_reach_what_they_are_bound_to(ground: GateGround, shop: Held) -> None:
    async with ground.store.transaction() as tx:
        account = await tx.accounts.get(shop.account_id)
    assert account is not None
    for bound in (
        {"client_instance_id": account.client_instance_id},
        {"account_ids": frozenset({shop.account_id})},
        {
            "client_instance_id": account.client_instance_id,
            "account_ids": frozenset({shop.account_id, "acc_other"}),
        },
    ):
        by = dataclasses.replace(PROGRAM, **bound)
        leave = await ground.calls.admit(ground.asked(shop), by=by)
        assert leave.account_id == shop.account_id


async def test_every_call_is_made_with_its_own_accounts_token(ground: GateGround) -> None:
    shops = [await ground.shop() for _ in range(3)]
    for _ in range(2):
        for shop in shops:
            for path in (PATH, ADDRESS):
                leave = await ground.calls.admit(ground.asked(shop, path), by=PROGRAM)
                assert about(ground, leave) == shop.about
                assert leave.shares[0].bucket.split("/")[1] == shop.account_id


def about(ground: GateGround, leave: Leave) -> str:
    if leave.restricted:
        issued = ground.api.issued(leave.access_token)
        assert issued is not None
        return issued.about
    token = ground.lwa.issued(leave.access_token)
    assert token is not None
    return token.about


# --- rights -------------------------------------------------------------------------------------

READ, WRITE, PERSONAL = Right.AMAZON_READ, Right.AMAZON_WRITE, Right.PERSONAL_DATA
ALL_BUT = {right: frozenset(Right) - {right} for right in Right}


@pytest.mark.parametrize(
    ("method", "path", "query", "elements", "needed"),
    [
        ("GET", PATH, "", None, {READ}),
        ("HEAD", PATH, "", None, {READ}),
        ("GET", SELLERS, "", None, {READ}),
        ("PUT", SKU, "", None, {WRITE}),
        ("PATCH", SKU, "", None, {WRITE}),
        ("DELETE", SKU, "", None, {WRITE}),
        ("GET", ORDER, "", None, {READ}),
        ("GET", ORDER, "", {"buyerInfo"}, {READ, PERSONAL}),
        ("GET", ADDRESS, "", None, {READ, PERSONAL}),
        ("GET", NEW_ORDERS, "createdAfter=2026-01-01", None, {READ}),
        ("GET", NEW_ORDERS, "includedData=BUYER", None, {READ, PERSONAL}),
        ("GET", NEW_ORDERS, "includedData=PROMOTION%2CRECIPIENT", None, {READ, PERSONAL}),
        ("GET", DOCUMENT, "", None, {READ}),
        ("GET", UNKNOWN, "", None, {READ, PERSONAL}),
        ("POST", UNKNOWN, "", None, {WRITE, PERSONAL}),
    ],
)
async def test_each_call_takes_exactly_its_rights(
    ground: GateGround,
    shop: Held,
    method: str,
    path: str,
    query: str,
    elements: set[str] | None,
    needed: set[Right],
) -> None:
    named = frozenset(elements) if elements else None
    asked = ground.asked(shop, path, method, query=query, data_elements=named)
    for right in needed:
        error = await refused(ground, asked, holding(*ALL_BUT[right]))
        assert isinstance(error, NotAllowed)
        assert right.value in (error.hint or "")
    assert untouched(ground)
    leave = await ground.time.result(ground.calls.admit(asked, by=holding(*needed)))
    assert leave.account_id == shop.account_id


@pytest.mark.parametrize("path", [PATH, ADDRESS, UNKNOWN, DOCUMENT, DESTINATIONS])
async def test_who_may_have_access_tokens_may_not_therefore_call(
    ground: GateGround, shop: Held, path: str
) -> None:
    by = holding(*(frozenset(Right) - {READ, WRITE}))
    assert isinstance(await refused(ground, ground.asked(shop, path), by), NotAllowed)
    assert untouched(ground)


async def test_who_may_call_gets_no_access_token(ground: GateGround, shop: Held) -> None:
    with pytest.raises(NotAllowed):
        await ground.one.tokens.mint(shop.account_id, by=PROGRAM)


@pytest.mark.parametrize("by", [SYSTEM, command_line("root")], ids=str)
async def test_the_house_itself_may_call_everything(
    ground: GateGround, shop: Held, by: Caller
) -> None:
    for path in (PATH, ADDRESS, UNKNOWN, DESTINATIONS):
        assert await ground.calls.admit(ground.asked(shop, path), by=by)
    assert await ground.calls.admit(ground.asked(shop, ROTATION, "POST"), by=by)


async def test_no_restricted_data_token_leaves_the_house(ground: GateGround, shop: Held) -> None:
    error = await refused(ground, ground.asked(shop, TOKENS, "POST"), SYSTEM)
    assert isinstance(error, NotAllowed)
    with pytest.raises(NotAllowed):
        await ground.calls.send(shop.account_id, "POST", TOKENS, body=b"{}", by=SYSTEM)
    assert untouched(ground)


async def test_repeating_looks_at_rights_again(ground: GateGround, shop: Held) -> None:
    leave = await ground.calls.admit(ground.asked(shop, DOCUMENT), by=PROGRAM)
    asked, wishes = len(ground.api.calls), len(ground.budgets.wishes)
    with pytest.raises(NotAllowed):
        await ground.calls.again(leave, Again(restricted=True), by=holding(READ))
    with pytest.raises(NotAllowed):
        await ground.calls.again(leave, Again(), by=holding(PERSONAL))
    assert (len(ground.api.calls), len(ground.budgets.wishes)) == (asked, wishes)


# --- personal data ------------------------------------------------------------------------------


async def test_an_operation_that_needs_one_gets_a_restricted_data_token(
    ground: GateGround, shop: Held
) -> None:
    leave = await ground.calls.admit(ground.asked(shop, ADDRESS), by=PROGRAM)
    assert leave.restricted
    issued = ground.api.issued(leave.access_token)
    assert issued is not None
    assert issued.about == shop.about
    [(method, path, elements)] = issued.resources
    assert (method, path, elements) == ("GET", "/orders/v0/orders/{orderId}/address", ())
    # It is kept, and its own limit was respected.
    again = await ground.calls.admit(ground.asked(shop, ADDRESS), by=PROGRAM)
    assert again.access_token == leave.access_token
    drawn = [wish.shares[0].bucket.rpartition("/")[2] for wish in ground.budgets.wishes]
    assert drawn.count("tokens.2021-03-01.createRestrictedDataToken") == 1


async def test_once_it_is_known_it_lies_at_hand(ground: GateGround, shop: Held) -> None:
    await ground.plan("orders.v0.getOrderAddress", 5_000.0, 5_000)
    asked = ground.asked(shop, ADDRESS)
    for _ in range(4):
        await ground.time.result(ground.calls.admit(asked, by=PROGRAM))
    leave = ground.calls.admit_at_hand(asked, by=PROGRAM)
    assert leave is not None
    assert leave.restricted
    assert about(ground, leave) == shop.about
    assert ground.calls.admit_at_hand(asked, by=holding(READ)) is None


@pytest.mark.parametrize(
    ("method", "path", "query", "operation"),
    [
        ("GET", NEW_ORDERS, "includedData=BUYER", "orders.2026-01-01.searchOrders"),
        ("GET", UNKNOWN, "", "unknown.GET"),
        ("PUT", SKU, "", "listings.2021-08-01.putListingsItem"),
    ],
)
async def test_what_lies_at_hand_is_not_for_everybody(
    ground: GateGround, shop: Held, method: str, path: str, query: str, operation: str
) -> None:
    await ground.plan(operation, 5_000.0, 5_000)
    await ground.plan(operation, 5_000.0, 5_000, of_application=True)
    asked = ground.asked(shop, path, method, query=query)
    for _ in range(4):
        await ground.calls.admit(asked, by=PROGRAM)
    assert ground.calls.admit_at_hand(asked, by=PROGRAM) is not None
    assert ground.calls.admit_at_hand(asked, by=holding(READ)) is None
    for stranger in await strangers(ground, shop):
        assert ground.calls.admit_at_hand(asked, by=stranger) is None


async def test_no_restricted_data_token_lies_at_hand_for_a_program(
    ground: GateGround, shop: Held
) -> None:
    operation = "tokens.2021-03-01.createRestrictedDataToken"
    await ground.plan(operation, 5_000.0, 5_000)
    await ground.plan("reports.2021-06-30.getReportDocument", 40.0, 40)
    for number in range(4):
        leave = await ground.calls.admit(ground.asked(shop, f"{DOCUMENT}{number}"), by=PROGRAM)
        await ground.calls.again(leave, Again(restricted=True), by=PROGRAM)
    lines = [line for line in ground.calls._permits._lines.values() if line.hand.held]
    assert [line.shares[0].bucket.rpartition("/")[2] for line in lines] == [operation]
    assert ground.calls.admit_at_hand(ground.asked(shop, TOKENS, "POST"), by=SYSTEM) is None


async def test_a_document_that_was_named_goes_with_a_restricted_data_token_at_once(
    ground: GateGround, shop: Held
) -> None:
    """nginx reads no answers, and so makes no second try with one."""
    path = f"{DOCUMENT}1"
    plain = await ground.calls.admit(ground.asked(shop, path), by=PROGRAM)
    assert not plain.restricted
    named = ground.asked(shop, path, data_elements=frozenset())
    assert (await ground.calls.admit(named, by=PROGRAM)).restricted
    with pytest.raises(NotAllowed):
        await ground.calls.admit(named, by=holding(READ))
    assert not (await ground.calls.admit(ground.asked(shop, path), by=holding(READ))).restricted


async def test_data_elements_are_those_that_were_named(ground: GateGround, shop: Held) -> None:
    plain = await ground.calls.admit(ground.asked(shop, ORDER), by=PROGRAM)
    assert not plain.restricted
    named = frozenset({"shippingAddress", "buyerInfo"})
    leave = await ground.calls.admit(ground.asked(shop, ORDER, data_elements=named), by=PROGRAM)
    issued = ground.api.issued(leave.access_token)
    assert issued is not None
    assert set(issued.resources[0][2]) == named
    less = await ground.calls.admit(
        ground.asked(shop, ORDER, data_elements=frozenset({"buyerInfo"})), by=PROGRAM
    )
    assert less.access_token != leave.access_token


async def test_data_elements_that_do_not_exist_are_refused(ground: GateGround, shop: Held) -> None:
    asked = ground.asked(shop, ORDER, data_elements=frozenset({"buyerInfo", "shoeSize"}))
    error = await refused(ground, asked, PROGRAM)
    assert isinstance(error, InvalidInput)
    assert [flaw.field for flaw in error.flaws] == ["data_elements"]
    assert untouched(ground)


async def test_data_elements_of_an_operation_that_has_none_mean_nothing(
    ground: GateGround, shop: Held
) -> None:
    asked = ground.asked(shop, PATH, data_elements=frozenset({"buyerInfo"}))
    leave = await ground.calls.admit(asked, by=holding(READ))
    assert not leave.restricted


async def test_what_the_restricted_data_token_costs_is_not_more_than_its_limit(
    ground: GateGround,
) -> None:
    """A burst of ten, then one a second: a document each, so each needs one of its own."""
    shop = await ground.shop()
    await ground.plan("reports.2021-06-30.getReportDocument", 40.0, 40)
    leaves, refused_for = 0, set[str]()
    for number in range(14):
        asked = ground.asked(shop, f"{DOCUMENT}{number}", ready_to_wait_s=0.0)
        plain = await ground.time.result(ground.calls.admit(asked, by=PROGRAM))
        out = ground.budgets.taken
        try:
            await ground.calls.again(plain, Again(restricted=True), by=PROGRAM)
            leaves += 1
        except OverLimit as over:
            refused_for.add(str(over.facts["operation"]))
            await ground.time.settle()
            assert ground.budgets.taken == out  # its own permit went back
    assert refused_for == {"tokens.2021-03-01.createRestrictedDataToken"}
    assert 8 <= leaves <= 10
    assert ground.api.count("restricted_data_token") == leaves


# --- lifecycle ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (State.AWAITING, NotYetAuthorized),
        (State.LAPSED, GrantLapsed),
        (State.REVOKED, GrantRefused),
        (State.CLOSED, AccountClosed),
    ],
)
@pytest.mark.parametrize("path", [PATH, ADDRESS])
async def test_an_account_that_is_not_served_costs_no_permit(
    ground: GateGround, state: State, error: type[EvergrantError], path: str
) -> None:
    shop = await ground.shop(state=state)
    found = await refused(ground, ground.asked(shop, path), PROGRAM)
    assert isinstance(found, error)
    assert untouched(ground)


async def test_what_happens_while_a_call_waits_counts(ground: GateGround, shop: Held) -> None:
    await ground.plan("reports.2021-06-30.getReport", 0.5, 1)
    await ground.time.result(ground.calls.admit(ground.asked(shop), by=PROGRAM))
    waiting = ground.calls.admit(ground.asked(shop, ready_to_wait_s=5.0), by=PROGRAM)
    task = asyncio.ensure_future(waiting)
    await ground.time.settle()
    async with ground.store.transaction() as tx:
        await tx.authorizations.change(shop.authorization_id, state=State.CLOSED)
    with pytest.raises(AccountClosed):
        await ground.time.result(task)
    await ground.time.settle()
    assert ground.budgets.taken == 1
    assert ground.api.calls == []


# --- the order of refusals ------------------------------------------------------------------------


async def test_refusals_come_in_their_order(ground: GateGround) -> None:
    closed = await ground.shop(state=State.CLOSED)
    [stranger, *_] = await strangers(ground, closed)
    nobody = holding()
    reader = holding(READ)
    assert isinstance(await refused(ground, ground.asked(closed, "x"), stranger), InvalidInput)
    assert isinstance(await refused(ground, ground.asked(closed), stranger), NotFound)
    assert isinstance(await refused(ground, ground.asked(closed), nobody), NotAllowed)
    assert isinstance(await refused(ground, ground.asked(closed, ADDRESS), reader), NotAllowed)
    assert isinstance(await refused(ground, ground.asked(closed), reader), AccountClosed)
    with pytest.raises(NotFound):
        await ground.calls.refuse_unless_served(closed.account_id, by=stranger)
    with pytest.raises(AccountClosed):
        await ground.calls.refuse_unless_served(closed.account_id, by=nobody)
    assert untouched(ground)


# --- grantless operations -------------------------------------------------------------------------


async def test_a_grantless_operation_gets_the_applications_token(
    ground: GateGround, shop: Held
) -> None:
    leave = await ground.calls.admit(ground.asked(shop, DESTINATIONS), by=PROGRAM)
    assert about(ground, leave) == NOTIFICATIONS_SCOPE
    assert not leave.restricted
    [share] = leave.shares
    assert share.bucket == f"{leave.application_id}/*/*/notifications.v1.getDestinations"
    assert leave.endpoint == "https://sellingpartnerapi-eu.amazon.com"
    twin = await ground.account(leave.application_id, await ground.instance())
    same = await ground.calls.admit(ground.asked(twin, DESTINATIONS), by=PROGRAM)
    assert same.shares == leave.shares
    assert same.access_token == leave.access_token


async def test_it_needs_no_grant(ground: GateGround) -> None:
    shop = await ground.shop(state=State.AWAITING)
    leave = await ground.calls.admit(ground.asked(shop, DESTINATIONS), by=PROGRAM)
    assert about(ground, leave) == NOTIFICATIONS_SCOPE


async def test_it_concerns_all_tenants_so_bound_callers_are_refused(
    ground: GateGround, shop: Held
) -> None:
    async with ground.store.transaction() as tx:
        account = await tx.accounts.get(shop.account_id)
    assert account is not None
    for bound in (
        {"client_instance_id": account.client_instance_id},
        {"account_ids": frozenset({shop.account_id})},
    ):
        by = holding(*Right, **bound)
        for method, path in (("GET", DESTINATIONS), ("POST", ROTATION)):
            error = await refused(ground, ground.asked(shop, path, method), by)
            assert isinstance(error, NotAllowed)
    assert untouched(ground)


async def test_to_rotate_the_client_secret_takes_manage(ground: GateGround, shop: Held) -> None:
    asked = ground.asked(shop, ROTATION, "POST")
    error = await refused(ground, asked, holding(*ALL_BUT[Right.MANAGE]))
    assert isinstance(error, NotAllowed)
    assert untouched(ground)
    leave = await ground.calls.admit(asked, by=holding(WRITE, Right.MANAGE))
    assert about(ground, leave) == ROTATION_SCOPE


@pytest.mark.parametrize("wait_s", [float("nan"), float("inf"), -1.0])
async def test_a_wait_is_a_number_of_seconds(ground: GateGround, shop: Held, wait_s: float) -> None:
    asked = ground.asked(shop, ready_to_wait_s=wait_s)
    error = await refused(ground, asked, PROGRAM)
    assert isinstance(error, InvalidInput)
    assert untouched(ground)


def test_the_verbs_are_these() -> None:
    """Whoever adds one adds it to the tests of tenancy."""
    verbs = {name for name in vars(Calls) if not name.startswith("_")}
    assert verbs == {
        "admit", "admit_at_hand", "again", "close", "give_back", "judge", "refuse_unless_served",
        "send", "tell",
    }  # fmt: skip
