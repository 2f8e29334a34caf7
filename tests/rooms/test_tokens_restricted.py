"""Restricted data tokens. First: never one for another; then races, limits, and Amazon's words."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import evergrant
from evergrant import vault as safe
from evergrant.adapters.store import open_store
from evergrant.errors import (
    AccountClosed,
    AmazonUnavailable,
    CallDenied,
    InvalidInput,
    NotAllowed,
    NotFound,
    OverLimit,
    StoreUnavailable,
    Throttled,
)
from evergrant.ports.amazon import Hears
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import STANDARD, Region
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right
from evergrant.rules.secrecy import Secret
from evergrant.testing.selling_partner_api import EXPIRED, LACKING
from evergrant.tokens import RestrictedDataToken, Tokens
from evergrant.tokens.restricted import resource
from tests.rooms.mint_ground import Ground, Held, until

READER = Caller(
    kind=CallerKind.API_KEY,
    id="key_1",
    rights=frozenset({Right.AMAZON_READ, Right.PERSONAL_DATA}),
)
WRITER = dataclasses.replace(
    READER, rights=frozenset({Right.AMAZON_WRITE, Right.PERSONAL_DATA}), id="key_2"
)
ADDRESS = "/orders/v0/orders/902-1/address"
ORDERS = "/orders/v0/orders"
DOCUMENT = "/reports/2021-06-30/documents/amzn1.1"
LIFE_S = 3600


class Permits:
    """Leave to ask Amazon for a restricted data token, counted."""

    def __init__(self) -> None:
        self.taken = 0
        self.heard: list[int] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Hears:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.taken += 1
        return lambda answer: self.heard.append(answer.status)


@pytest.fixture
def ground() -> Ground:
    return Ground()


@pytest.fixture
async def held(ground: Ground) -> Held:
    return await ground.account(await ground.application(), await ground.instance())


async def restricted(
    ground: Ground,
    held: Held,
    path: str = ADDRESS,
    *elements: str,
    method: str = "GET",
    process: Tokens | None = None,
    by: Caller = READER,
    permit: Permits | None = None,
    **how: Any,
) -> RestrictedDataToken:
    return await (process or ground.here).restricted(
        held.account_id,
        method,
        path,
        frozenset(elements),
        by=by,
        permit=permit or Permits(),
        **how,
    )


def asked(ground: Ground) -> int:
    return ground.api.count("restricted_data_token")


# --- never one for another --------------------------------------------------------------------


async def test_each_account_region_and_application_has_its_own(ground: Ground) -> None:
    instance = await ground.instance()
    shops = {}
    for name in ("one", "two"):
        application = await ground.application()
        for region in (Region.EU, Region.NA, Region.FE):
            shops[name, region] = await ground.account(
                application,
                instance,
                region=region,
                selling_partner_id="ASAMESELLER",
                about=f"{name} {region}",
            )
    for process in (ground.here, ground.there):
        for (name, region), shop in shops.items():
            token = await restricted(ground, shop, process=process)
            issued = ground.api.issued(token.value)
            assert issued is not None
            assert issued.about == f"{name} {region}"
            assert issued.endpoint == STANDARD.endpoint(region)
            assert (token.account_id, token.region) == (shop.account_id, region)
    assert asked(ground) == len(shops)


async def test_one_operation_is_never_served_by_the_token_of_another(
    ground: Ground, held: Held
) -> None:
    wishes: list[tuple[str, str, frozenset[str]]] = [
        ("GET", ADDRESS, frozenset()),
        ("GET", "/orders/v0/orders/902-1/buyerInfo", frozenset()),
        ("GET", "/mfn/v0/shipments/1", frozenset()),
        ("DELETE", "/mfn/v0/shipments/1", frozenset()),
        ("POST", "/mfn/v0/shipments", frozenset()),
        ("GET", DOCUMENT, frozenset()),
        ("GET", DOCUMENT + "2", frozenset()),
        ("GET", ORDERS, frozenset()),
        ("GET", ORDERS, frozenset({"buyerInfo"})),
        ("GET", ORDERS, frozenset({"shippingAddress"})),
        ("GET", ORDERS, frozenset({"buyerInfo", "shippingAddress"})),
        ("GET", ORDERS + "/902-1", frozenset({"buyerInfo"})),
    ]
    seen = set()
    for _ in range(2):
        for method, path, elements in wishes:
            token = await ground.here.restricted(
                held.account_id, method, path, elements, by=SYSTEM, permit=Permits()
            )
            issued = ground.api.issued(token.value)
            assert issued is not None
            ((got_method, got_path, got_elements),) = issued.resources
            assert got_method == method
            assert frozenset(got_elements) == elements == token.data_elements
            assert got_path == token.path
            assert resource(method, path, elements).path == got_path
            seen.add(token.value.reveal())
    assert len(seen) == asked(ground) == len(wishes)


async def test_a_fresh_grant_never_gets_what_the_old_one_had(ground: Ground, held: Held) -> None:
    application = (await ground.authorization(held)).application_id
    old = await restricted(ground, held)
    fresh = await ground.grant(
        held.account_id, held.authorization_id, application, about="after renewal"
    )
    # The process still believes in the old standing, and is put right by the access token.
    ground.clock.move(seconds=LIFE_S)
    token = await restricted(ground, held)
    issued = ground.api.issued(token.value)
    assert issued is not None
    assert issued.about == "after renewal"
    assert token.grant_id == fresh.grant_id != old.grant_id
    ground.watch.at_s += 2
    assert (await restricted(ground, held)).value == token.value
    assert asked(ground) == 2


async def test_a_living_one_of_an_old_grant_is_no_longer_served(ground: Ground, held: Held) -> None:
    application = (await ground.authorization(held)).application_id
    old = await restricted(ground, held)
    await ground.grant(held.account_id, held.authorization_id, application, about="renewed")
    async with ground.store.transaction() as tx:
        await tx.safe.drop(safe.access_token(held.authorization_id))  # as the reception does
    ground.watch.at_s += 2
    for process in (ground.here, ground.there):
        token = await restricted(ground, held, process=process)
        assert token.value != old.value
        issued = ground.api.issued(token.value)
        assert issued is not None
        assert issued.about == "renewed"
    assert asked(ground) == 2


@pytest.mark.parametrize("what", ["region", "application_id"])
async def test_a_living_one_of_another_region_or_application_is_not_served(
    ground: Ground, held: Held, what: str
) -> None:
    old = await restricted(ground, held)
    moved: Any = Region.NA if what == "region" else await ground.application()
    async with ground.store.transaction() as tx:
        await tx.authorizations.change(held.authorization_id, expecting=None, **{what: moved})
    ground.watch.at_s += 2
    for process in (ground.here, ground.there):
        assert process.restricted_at_hand(held.account_id, "GET", ADDRESS, by=READER) is None
    room = ground.here._restricted
    standing = await ground.store.quick.standing(held.account_id)
    assert room is not None
    assert standing is not None
    wanted = resource("GET", ADDRESS, frozenset())
    assert room.held(standing, wanted) is None
    assert await room._at_rest(standing, wanted) is None
    before = dataclasses.replace(
        standing, application_id=old.application_id, region=old.region, grant_id=old.grant_id
    )
    assert room.held(before, wanted) is old


async def test_a_row_that_was_moved_by_hand_does_not_open(ground: Ground, held: Held) -> None:
    other = await ground.account(
        (await ground.authorization(held)).application_id, await ground.instance()
    )
    await restricted(ground, held)
    await restricted(ground, other)
    async with ground.store.transaction() as tx:
        rows = [row for row in await tx.safe.all(limit=100) if "/restricted_data_token/" in row.id]
        mine, others = sorted(rows, key=lambda row: held.authorization_id not in row.id)
        await tx.safe.put(dataclasses.replace(others, id=mine.id))
    token = await restricted(ground, held, process=ground.there)
    issued = ground.api.issued(token.value)
    assert issued is not None
    assert issued.about == held.about
    assert asked(ground) == 3


# --- one serves many --------------------------------------------------------------------------


async def test_a_generic_path_serves_every_order_in_every_process(
    ground: Ground, held: Held
) -> None:
    tokens = [
        await restricted(ground, held, f"/orders/v0/orders/{number}/address", process=process)
        for number in range(20)
        for process in (ground.here, ground.there)
    ]
    assert len({token.value.reveal() for token in tokens}) == 1
    assert asked(ground) == 1
    issued = ground.api.issued(tokens[0].value)
    assert issued is not None
    assert issued.resources == (("GET", "/orders/v0/orders/{orderId}/address", ()),)


async def test_a_document_of_a_report_has_its_own_and_leaves_no_row(
    ground: Ground, held: Held
) -> None:
    one = await restricted(ground, held, DOCUMENT)
    assert (await restricted(ground, held, DOCUMENT)).value == one.value
    assert (await restricted(ground, held, DOCUMENT + "x")).value != one.value
    issued = ground.api.issued(one.value)
    assert issued is not None
    assert issued.resources == (("GET", DOCUMENT, ()),)
    async with ground.store.transaction() as tx:
        assert [row.id for row in await tx.safe.all(limit=100) if "restricted" in row.id] == []


async def test_elements_are_named_in_amazons_order_and_only_where_it_knows_any(
    ground: Ground, held: Held
) -> None:
    token = await restricted(ground, held, ORDERS, "shippingAddress", "buyerInfo")
    issued = ground.api.issued(token.value)
    assert issued is not None
    assert issued.resources == (("GET", ORDERS, ("buyerInfo", "shippingAddress")),)
    plain = await restricted(ground, held, ADDRESS, "buyerInfo")
    assert plain.data_elements == frozenset()
    assert plain.value == (await restricted(ground, held)).value


async def test_a_herd_costs_one_call_and_one_permit(ground: Ground, held: Held) -> None:
    permit = Permits()
    with ground.api.hold():
        herd = [asyncio.create_task(restricted(ground, held, permit=permit)) for _ in range(50)]
        await until("Amazon to be asked", lambda: asked(ground) == 1)
    tokens = await asyncio.gather(*herd)
    assert len({token.value.reveal() for token in tokens}) == 1
    assert (asked(ground), permit.taken) == (1, 1)


async def test_two_processes_at_once_cost_one_call(ground: Ground, held: Held) -> None:
    with ground.api.hold():
        herd = [
            asyncio.create_task(restricted(ground, held, process=process))
            for process in (ground.here, ground.there)
            for _ in range(10)
        ]
        await until("Amazon to be asked", lambda: asked(ground) == 1)
    assert len({token.value.reveal() for token in await asyncio.gather(*herd)}) == 1
    assert asked(ground) == 1


async def test_one_who_leaves_does_not_take_it_away_from_the_others(
    ground: Ground, held: Held
) -> None:
    with ground.api.hold():
        first = asyncio.create_task(restricted(ground, held))
        second = asyncio.create_task(restricted(ground, held))
        await until("Amazon to be asked", lambda: asked(ground) == 1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert (await second).account_id == held.account_id
    assert asked(ground) == 1


async def test_the_memory_is_bounded(ground: Ground, held: Held) -> None:
    room = ground.here._restricted
    assert room is not None
    room._most = 10
    for number in range(30):
        await restricted(ground, held, f"{DOCUMENT}.{number}")
    assert len(room) == 10


# --- time -------------------------------------------------------------------------------------


async def test_it_is_served_for_as_long_as_it_is_needed_and_no_longer(
    ground: Ground, held: Held
) -> None:
    first = await restricted(ground, held)
    ground.clock.move(seconds=LIFE_S - 200)
    assert (await restricted(ground, held)).value == first.value
    longer = await restricted(ground, held, min_ttl_s=1000)
    assert longer.value != first.value
    ground.clock.move(seconds=LIFE_S)
    for process in (ground.here, ground.there):
        token = await restricted(ground, held, process=process)
        assert token.expires_at > ground.clock.now()
    assert asked(ground) == 3


async def test_one_that_amazon_no_longer_takes_is_not_given_again(
    ground: Ground, held: Held
) -> None:
    refused = await restricted(ground, held)
    fresh = await restricted(ground, held, instead_of=refused.value)
    assert fresh.value != refused.value
    assert (await restricted(ground, held)).value == fresh.value
    assert (await restricted(ground, held, process=ground.there)).value == fresh.value


async def test_an_access_token_that_amazon_calls_expired_is_replaced_once(
    ground: Ground, held: Held
) -> None:
    stale = await ground.here.mint(held.account_id, by=SYSTEM)
    ground.api.disown(stale.value)
    permit = Permits()
    token = await restricted(ground, held, permit=permit)
    assert token.account_id == held.account_id
    assert (asked(ground), permit.taken) == (2, 2)


async def test_an_access_token_that_stays_refused_is_told_after_two(
    ground: Ground, held: Held
) -> None:
    ground.api.fail(lambda: CallDenied(403, "Unauthorized", "Access is denied.", EXPIRED))
    with pytest.raises(CallDenied) as caught:
        await restricted(ground, held)
    assert caught.value.details == EXPIRED
    assert asked(ground) == 2


# --- permits ----------------------------------------------------------------------------------


async def test_amazon_is_not_asked_without_a_permit(ground: Ground, held: Held) -> None:
    permit = Permits()
    permit.failure = OverLimit(retry_after_s=3)
    with pytest.raises(OverLimit) as caught:
        await restricted(ground, held, permit=permit)
    assert caught.value.retry_after_s == 3
    assert asked(ground) == 0
    permit.failure = None
    await restricted(ground, held, permit=permit)
    assert (asked(ground), permit.taken) == (1, 1)


async def test_the_impatience_of_one_is_not_that_of_the_others(ground: Ground, held: Held) -> None:
    impatient, patient = Permits(), Permits()
    impatient.gate.clear()
    impatient.failure = OverLimit(retry_after_s=3)
    first = asyncio.create_task(restricted(ground, held, permit=impatient))
    second = asyncio.create_task(restricted(ground, held, permit=patient))
    await asyncio.sleep(0)
    impatient.gate.set()
    with pytest.raises(OverLimit):
        await first
    assert (await second).account_id == held.account_id
    assert (asked(ground), patient.taken) == (1, 1)


async def test_one_that_is_at_hand_takes_no_permit(ground: Ground, held: Held) -> None:
    permit = Permits()
    await restricted(ground, held, permit=permit)
    await restricted(ground, held, permit=permit)
    await restricted(ground, held, permit=permit, process=ground.there)
    assert permit.taken == 1


# --- at hand ----------------------------------------------------------------------------------


async def test_at_hand_says_none_until_it_lies_there(ground: Ground, held: Held) -> None:
    def at_hand(by: Caller = READER, path: str = ADDRESS, **how: Any) -> Any:
        return ground.here.restricted_at_hand(held.account_id, "GET", path, by=by, **how)

    assert at_hand() is None
    token = await restricted(ground, held)
    assert at_hand() is token
    assert at_hand(path="/orders/v0/orders/903-2/address") is token
    assert at_hand(path="/orders/v0/orders/902-1/buyerInfo") is None
    assert at_hand(WRITER) is None
    assert at_hand(dataclasses.replace(READER, rights=frozenset({Right.AMAZON_READ}))) is None
    assert at_hand(dataclasses.replace(READER, client_instance_id="ins_other")) is None
    assert at_hand(dataclasses.replace(READER, account_ids=frozenset({"acc_other"}))) is None
    assert at_hand(dataclasses.replace(READER, account_ids=frozenset({held.account_id}))) is token
    assert at_hand(min_ttl_s=3540) is token
    ground.clock.move(seconds=1)
    assert at_hand(min_ttl_s=3540) is None
    ground.watch.at_s += 2
    assert at_hand() is None


# --- who may ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rights",
    [
        frozenset(),
        frozenset({Right.ACCESS_TOKENS}),
        frozenset({Right.AMAZON_READ}),
        frozenset({Right.PERSONAL_DATA}),
        frozenset({Right.AMAZON_WRITE, Right.PERSONAL_DATA}),
        frozenset(Right) - {Right.PERSONAL_DATA},
        frozenset(Right) - {Right.AMAZON_READ},
    ],
)
async def test_it_takes_both_rights(ground: Ground, held: Held, rights: frozenset[Right]) -> None:
    await restricted(ground, held)
    with pytest.raises(NotAllowed):
        await restricted(ground, held, by=dataclasses.replace(READER, rights=rights))


async def test_an_operation_that_writes_takes_the_right_to_write(
    ground: Ground, held: Held
) -> None:
    label = "/mfn/v0/shipments"
    with pytest.raises(NotAllowed):
        await restricted(ground, held, label, method="POST")
    assert (await restricted(ground, held, label, method="POST", by=WRITER)).method == "POST"


@pytest.mark.parametrize("what", ["instance", "accounts"])
async def test_an_account_out_of_reach_is_not_there(ground: Ground, held: Held, what: str) -> None:
    stranger = (
        dataclasses.replace(READER, client_instance_id=await ground.instance())
        if what == "instance"
        else dataclasses.replace(READER, account_ids=frozenset({"acc_other"}))
    )
    await restricted(ground, held)
    with pytest.raises(NotFound):
        await restricted(ground, held, by=stranger)
    with pytest.raises(NotFound):
        await ground.here.restricted("acc_none", "GET", ADDRESS, by=READER, permit=Permits())
    assert asked(ground) == 1


async def test_a_closed_account_gets_none_though_one_lies_there(ground: Ground, held: Held) -> None:
    await restricted(ground, held)
    async with ground.store.transaction() as tx:
        await tx.authorizations.change(held.authorization_id, state=State.CLOSED)
    ground.watch.at_s += 2
    for process in (ground.here, ground.there):
        with pytest.raises(AccountClosed):
            await restricted(ground, held, process=process)
    assert asked(ground) == 1


@pytest.mark.parametrize(
    ("method", "path", "elements"),
    [
        ("GET", "/sellers/v1/marketplaceParticipations", ()),
        ("GET", "/orders/2026-01-01/orders", ("buyerInfo",)),
        ("GET", "/nobody/knows", ()),
        ("PUT", ADDRESS, ()),
        ("GET", "/orders/v0/orders/1%2Faddress", ()),
        ("GET", ORDERS, ("everything",)),
        ("GET", ORDERS, ("buyerInfo", "Buyerinfo")),
    ],
)
async def test_what_amazon_gives_none_for_is_refused_before_it_is_asked(
    ground: Ground, held: Held, method: str, path: str, elements: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidInput):
        await restricted(ground, held, path, *elements, method=method)
    assert asked(ground) == 0
    assert ground.lwa.count() == 0


@pytest.mark.parametrize("min_ttl_s", [-1, 3541])
async def test_a_span_out_of_range_is_refused(ground: Ground, held: Held, min_ttl_s: int) -> None:
    with pytest.raises(InvalidInput):
        await restricted(ground, held, min_ttl_s=min_ttl_s)


# --- what Amazon says -------------------------------------------------------------------------


async def test_a_role_that_is_missing_is_told_in_amazons_words(ground: Ground, held: Held) -> None:
    ground.api.withhold(held.about, "shippingAddress")
    with pytest.raises(CallDenied) as caught:
        await restricted(ground, held, ORDERS, "shippingAddress", "buyerInfo")
    assert caught.value.status == 400
    assert f"{LACKING}: [shippingAddress]" in str(caught.value)
    assert asked(ground) == 1
    await restricted(ground, held, ORDERS, "buyerInfo")


@pytest.mark.parametrize("failure", [AmazonUnavailable, Throttled])
async def test_weather_is_told_and_the_next_one_asks_again(
    ground: Ground, held: Held, failure: Any
) -> None:
    ground.api.fail(failure, times=1)
    permit = Permits()
    with pytest.raises(failure):
        await restricted(ground, held, permit=permit)
    assert permit.heard == ([429] if failure is Throttled else []), "answers only"
    assert (await restricted(ground, held, permit=permit)).account_id == held.account_id
    assert permit.heard[-1] == 200


async def test_what_cannot_be_shared_is_good_all_the_same(
    ground: Ground, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = ground.vault.put

    async def broken(tx: Any, name: str, *args: Any, **more: Any) -> None:
        if "/restricted_data_token/" in name:
            raise StoreUnavailable
        await put(tx, name, *args, **more)

    monkeypatch.setattr(ground.vault, "put", broken)
    token = await restricted(ground, held)
    assert (await restricted(ground, held)).value == token.value


async def test_a_row_of_a_key_that_is_gone_is_made_again(ground: Ground, held: Held) -> None:
    await restricted(ground, held)
    async with ground.store.transaction() as tx:
        (row,) = [row for row in await tx.safe.all(limit=100) if "restricted" in row.id]
        await tx.safe.change(row.id, ciphertext=secrets.token_bytes(64))
    await restricted(ground, held, process=ground.there)
    assert asked(ground) == 2


async def test_nothing_of_it_is_shown(ground: Ground, held: Held) -> None:
    token = await restricted(ground, held)
    assert token.value.reveal() not in repr(token)
    async with ground.store.transaction() as tx:
        rows = await tx.safe.all(limit=100)
    plain = token.value.reveal().encode()
    assert all(plain not in row.ciphertext for row in rows)
    (row,) = [row for row in rows if "restricted" in row.id]
    assert row.id.startswith(safe.restricted_data_token(held.authorization_id, ""))


async def test_closing_ends_what_is_under_way(ground: Ground, held: Held) -> None:
    with ground.api.hold():
        waiting = asyncio.create_task(restricted(ground, held))
        await until("Amazon to be asked", lambda: asked(ground) == 1)
        await ground.here.close(within_s=0)
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(ended, BaseException)


# --- access tokens for calls ------------------------------------------------------------------

CALLING = dataclasses.replace(READER, rights=frozenset({Right.AMAZON_READ}))


async def test_who_may_call_may_not_have_an_access_token(ground: Ground, held: Held) -> None:
    with pytest.raises(NotAllowed):
        await ground.here.mint(held.account_id, by=CALLING)
    token = await ground.here.mint(held.account_id, by=CALLING, for_call=Right.AMAZON_READ)
    assert ground.here.at_hand(held.account_id, by=CALLING) is None
    at_hand = ground.here.at_hand(held.account_id, by=CALLING, for_call=Right.AMAZON_READ)
    assert at_hand is not None
    assert at_hand.value == token.value


async def test_who_may_have_an_access_token_may_not_therefore_call(
    ground: Ground, held: Held
) -> None:
    receiver = dataclasses.replace(READER, rights=frozenset({Right.ACCESS_TOKENS}))
    await ground.here.mint(held.account_id, by=receiver)
    for right in (Right.AMAZON_READ, Right.AMAZON_WRITE):
        with pytest.raises(NotAllowed):
            await ground.here.mint(held.account_id, by=receiver, for_call=right)
        assert ground.here.at_hand(held.account_id, by=receiver, for_call=right) is None
    with pytest.raises(NotAllowed):
        await ground.here.mint(held.account_id, by=CALLING, for_call=Right.AMAZON_WRITE)


@pytest.mark.parametrize("right", sorted(set(Right) - {Right.AMAZON_READ, Right.AMAZON_WRITE}))
async def test_no_other_right_opens_the_mint(ground: Ground, held: Held, right: Right) -> None:
    """A slip in the gate must not turn the right to read accounts into one to have tokens."""
    everything = dataclasses.replace(READER, rights=frozenset(Right))
    await ground.here.mint(held.account_id, by=everything)
    with pytest.raises(ValueError, match="no right to call Amazon"):
        await ground.here.mint(held.account_id, by=everything, for_call=right)
    with pytest.raises(ValueError, match="no right to call Amazon"):
        ground.here.at_hand(held.account_id, by=everything, for_call=right)


async def test_the_reach_is_the_same_for_calls(ground: Ground, held: Held) -> None:
    await ground.here.mint(held.account_id, by=SYSTEM)
    for bound in (
        dataclasses.replace(CALLING, client_instance_id="ins_other"),
        dataclasses.replace(CALLING, account_ids=frozenset({"acc_other"})),
    ):
        with pytest.raises(NotFound):
            await ground.here.mint(held.account_id, by=bound, for_call=Right.AMAZON_READ)
        assert ground.here.at_hand(held.account_id, by=bound, for_call=Right.AMAZON_READ) is None
    own = dataclasses.replace(CALLING, account_ids=frozenset({held.account_id}))
    assert ground.here.at_hand(held.account_id, by=own, for_call=Right.AMAZON_READ) is not None


async def test_grantless_tokens_are_for_callers_who_are_bound_to_nothing(ground: Ground) -> None:
    application = await ground.application()
    scope = "sellingpartnerapi::notifications"
    with pytest.raises(NotAllowed):
        await ground.here.grantless(application, scope, by=CALLING)
    token = await ground.here.grantless(application, scope, by=CALLING, for_call=Right.AMAZON_READ)
    assert token.application_id == application
    for bound in (
        dataclasses.replace(CALLING, client_instance_id="ins_1"),
        dataclasses.replace(CALLING, account_ids=frozenset({"acc_1"})),
    ):
        with pytest.raises(NotAllowed):
            await ground.here.grantless(application, scope, by=bound, for_call=Right.AMAZON_READ)
    writer = dataclasses.replace(CALLING, rights=frozenset({Right.AMAZON_WRITE}))
    with pytest.raises(NotAllowed):
        await ground.here.grantless(
            application,
            "sellingpartnerapi::client_credential:rotation",
            by=writer,
            for_call=Right.AMAZON_WRITE,
        )


def test_only_the_gate_asks_in_the_name_of_a_program() -> None:
    """What comes back for ``for_call`` goes to Amazon; a door would hand it out."""
    asking = []
    source = Path(evergrant.__file__).parent
    for file in sorted(source.rglob("*.py")):
        room = file.relative_to(source).parts[0]
        if room in {"calls", "tokens"}:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (
                any(keyword.arg == "for_call" for keyword in node.keywords)
                or (
                    isinstance(node.func, ast.Attribute)
                    and node.func.attr in {"restricted", "restricted_at_hand"}
                    and "tokens" in ast.unparse(node.func.value)
                )
            ):
                asking.append(f"{file}:{node.lineno}")
    assert asking == []


# --- where it counts --------------------------------------------------------------------------


@pytest.fixture
async def on_postgres(database_url: str) -> AsyncIterator[Ground]:
    here = await open_store(database_url, connections=4)
    there = await open_store(database_url, connections=4)
    try:
        yield Ground(here, there)
    finally:
        await here.close()
        await there.close()


async def test_two_processes_on_postgres_cost_one_call(on_postgres: Ground) -> None:
    ground = on_postgres
    held = await ground.account(await ground.application(), await ground.instance())
    tokens = await asyncio.gather(
        *(
            restricted(ground, held, f"/orders/v0/orders/{number}/address", process=process)
            for process in (ground.here, ground.there)
            for number in range(25)
        )
    )
    assert len({token.value.reveal() for token in tokens}) == 1
    assert asked(ground) == 1
    assert isinstance(tokens[0].value, Secret)
