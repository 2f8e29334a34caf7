"""A grant never lands on the wrong account, whatever is sent to the doors."""

from __future__ import annotations

import asyncio
import secrets
from urllib.parse import urlencode

import pytest

from evergrant import vault
from evergrant.errors import ConsentRefused
from evergrant.ports.things import HandshakeStep
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.rules.secrecy import Secret, digest
from tests.rooms.conftest import PUBLIC_URL, SUPPORT, Reception, onward

SHOP = "A1SHOPSHOPSHOP"
OTHER = "A2OTHEROTHER22"


def random_secret() -> str:
    return secrets.token_urlsafe(32)


# --- forged ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": None}, "state_missing"),
        ({"state": ""}, "state_missing"),
        ({"state": "r" * 43}, "state_unknown"),
        ({"state": "../../etc/passwd"}, "state_unknown"),
        ({"state": "x" * 9000}, "state_unknown"),
        ({"state": "\0" * 43}, "state_unknown"),
        ({"spapi_oauth_code": None}, "code_missing"),
        ({"spapi_oauth_code": ""}, "code_missing"),
        ({"spapi_oauth_code": "a b\r\nX: y"}, "code_missing"),
        ({"selling_partner_id": None}, "selling_partner_missing"),
        ({"selling_partner_id": ""}, "selling_partner_missing"),
        ({"selling_partner_id": "<script>"}, "selling_partner_missing"),
        ({"selling_partner_id": "A" * 500}, "selling_partner_missing"),
        ({"error": "access_denied"}, "declined"),
        ({"error": "server_error"}, "amazon_error"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_forged_callback_asks_nobody_and_stores_nothing(
    reception: Reception, changes: dict[str, str | None], reason: str
) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP, **changes)
    refused = await reception.refused(trip, query)
    assert refused.reason == reason
    assert reception.nothing_stored(account)
    assert reception.lwa.calls == []
    (report,) = reception.reports(reference=refused.reference)
    assert report.reason == reason


async def test_parameters_that_come_twice_say_nothing(reception: Reception) -> None:
    account = await reception.add_account()
    for name in ("state", "spapi_oauth_code", "selling_partner_id"):
        trip = await reception.begin(account)
        query = await reception.callback(trip, account, SHOP)
        value = {"state": trip.state}.get(name, OTHER)
        refused = await reception.refused(trip, f"{query}&{urlencode({name: value})}")
        assert refused.reason.endswith("_missing")
    assert reception.nothing_stored(account)
    assert reception.lwa.calls == []


async def test_a_query_of_megabytes_is_not_read(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    refused = await reception.refused(trip, f"{query}&x={'y' * 1_000_000}")
    assert refused.reason == "state_missing"
    assert reception.nothing_stored(account)


# --- another browser ------------------------------------------------------------------------


@pytest.mark.parametrize("browser", [None, "", "x", "r" * 43])
async def test_another_browser_cannot_finish_it(reception: Reception, browser: str | None) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    refused = await reception.refused(trip, query, browser)
    assert refused.reason == "other_browser"
    assert refused.facts["handshake_id"] is None
    assert refused.facts["account_id"] is None
    assert reception.nothing_stored(account)
    assert reception.lwa.calls == []
    # and the right one still can: a stranger's try must not break it
    assert (await reception.consent.accept(query, trip.browser)).connected


async def test_another_browser_learns_no_outcome(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    arrived = await reception.consent.accept(query, trip.browser)
    for browser in (None, random_secret()):
        with pytest.raises(ConsentRefused) as caught:
            await reception.consent.outcome(arrived.handshake_id, browser)
        assert caught.value.reason == "other_browser"
        assert account.name not in repr(caught.value.facts)
        assert await reception.consent.way_back(arrived.handshake_id, browser) is None


async def test_another_browser_with_a_finished_callback_is_written_down(
    reception: Reception,
) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    await reception.consent.accept(query, trip.browser)
    refused = await reception.refused(trip, query, random_secret())
    assert refused.reason == "other_browser"
    (report,) = reception.reports(reference=refused.reference)
    assert report.account_id == account.id
    assert reception.lwa.count("exchange_code") == 1


# --- swapped, replayed, expired --------------------------------------------------------------


async def test_swapped_states_connect_nobody_wrongly(reception: Reception) -> None:
    mine, theirs = await reception.add_account(), await reception.add_account()
    my_trip, their_trip = await reception.begin(mine), await reception.begin(theirs)
    query = await reception.callback(my_trip, mine, SHOP, state=their_trip.state)
    refused = await reception.refused(my_trip, query)
    assert refused.reason == "other_browser"
    assert reception.nothing_stored(mine)
    assert reception.nothing_stored(theirs)
    assert reception.lwa.calls == []


async def test_a_state_is_of_use_once(reception: Reception) -> None:
    reception.sells(SHOP)
    account = await reception.add_account()
    trip = await reception.begin(account)
    first = await reception.consent.accept(
        await reception.callback(trip, account, SHOP), trip.browser
    )
    assert first.connected
    # the same state with another code, of another shop even: shows the outcome, exchanges nothing
    again = await reception.consent.accept(
        await reception.callback(trip, account, OTHER), trip.browser
    )
    assert again == first
    assert reception.lwa.count("exchange_code") == 1
    assert reception.authorization(account).selling_partner_id == SHOP
    assert len(reception.grants(account)) == 1


async def test_two_requests_at_once_exchange_once(reception: Reception) -> None:
    reception.sells(SHOP)
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    rooms = [reception.consent, reception.another(), reception.another()]
    arrived = await asyncio.gather(*(room.accept(query, trip.browser) for room in rooms))
    assert reception.lwa.count("exchange_code") == 1
    assert sorted(one.connected for one in arrived) == [False, False, True]
    later = await reception.consent.outcome(arrived[0].handshake_id, trip.browser)
    assert later.connected
    assert len(reception.grants(account)) == 1


@pytest.mark.parametrize("minutes", [10, 11, 60])
async def test_an_expired_state_is_refused(reception: Reception, minutes: int) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    reception.clock.move(minutes=minutes)
    refused = await reception.refused(trip, query)
    assert refused.reason == "state_expired"
    assert reception.nothing_stored(account)
    assert reception.lwa.calls == []
    again = await reception.refused(trip, query)
    assert (again.reason, again.reference) == (refused.reason, refused.reference)


# --- the wrong shop --------------------------------------------------------------------------


async def test_a_merchant_token_that_differs(reception: Reception) -> None:
    account = await reception.add_account(merchant_token=SHOP)
    trip = await reception.begin(account)
    refused = await reception.refused(trip, await reception.callback(trip, account, OTHER))
    assert refused.reason == "wrong_selling_partner"
    assert reception.nothing_stored(account)
    assert reception.lwa.calls == []
    (report,) = reception.reports(reference=refused.reference)
    assert report.facts["selling_partner_reported"] == OTHER
    assert report.facts["merchant_token"] == SHOP
    # the letter still works, with the right shop
    assert (await reception.connect(account, SHOP)).connected


@pytest.mark.parametrize("became", [State.ACTIVE, State.LAPSED, State.REVOKED, State.AWAITING])
async def test_a_shop_that_differs_from_the_one_before(reception: Reception, became: State) -> None:
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    async with reception.store.transaction() as tx:
        await tx.authorizations.change(reception.authorization(account).id, state=became)
    before = reception.authorization(account)
    safe = dict(reception.store.rows["safe"])
    trip = await reception.begin(account)
    refused = await reception.refused(trip, await reception.callback(trip, account, OTHER))
    assert refused.reason == "wrong_selling_partner"
    assert reception.authorization(account) == before
    assert len(reception.grants(account)) == 1
    kept = {name: row for name, row in reception.store.rows["safe"].items() if name in safe}
    assert kept == safe
    assert reception.lwa.count("exchange_code") == 1


async def test_a_shop_that_another_account_holds(reception: Reception) -> None:
    first, second = await reception.add_account(), await reception.add_account()
    await reception.connect(first, SHOP)
    trip = await reception.begin(second)
    refused = await reception.refused(trip, await reception.callback(trip, second, SHOP))
    assert refused.reason == "already_connected"
    assert reception.nothing_stored(second)
    assert reception.lwa.count("exchange_code") == 1


async def test_one_shop_in_two_regions_and_two_applications_is_fine(reception: Reception) -> None:
    other = await reception.add_application()
    for wishes in (
        {},
        {"region": Region.NA, "home_marketplace": "US"},
        {"application": other},
    ):
        account = await reception.add_account(**wishes)
        assert (await reception.connect(account, SHOP)).connected


async def test_two_accounts_race_for_one_shop(reception: Reception) -> None:
    """Both callbacks are believed before either grant is stored; the unique key decides."""
    accounts = [await reception.add_account() for _ in range(2)]
    trips = [await reception.begin(account) for account in accounts]
    queries = [
        await reception.callback(trip, account, SHOP)
        for trip, account in zip(trips, accounts, strict=True)
    ]
    with reception.lwa.hold():
        tasks = [
            asyncio.create_task(reception.consent.accept(query, trip.browser))
            for query, trip in zip(queries, trips, strict=True)
        ]
        await reception.exchanging(2)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [end for end in ended if isinstance(end, ConsentRefused)]
    assert [one.reason for one in refused] == ["already_connected"]
    states = sorted(reception.authorization(account).state for account in accounts)
    assert states == [State.ACTIVE, State.AWAITING]
    loser = next(a for a in accounts if reception.authorization(a).state is State.AWAITING)
    assert reception.nothing_stored(loser)
    (handshake,) = reception.handshakes(loser)
    assert handshake.step is HandshakeStep.FAILED
    assert handshake.reference == refused[0].reference


async def test_the_unique_key_decides_where_the_first_look_missed_it(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sees_nobody(*_: object) -> bool:
        return False

    first, second = await reception.add_account(), await reception.add_account()
    await reception.connect(first, SHOP)
    monkeypatch.setattr(reception.consent._grants, "held_by_other", sees_nobody)
    trip = await reception.begin(second)
    refused = await reception.refused(trip, await reception.callback(trip, second, SHOP))
    assert refused.reason == "already_connected"
    assert reception.nothing_stored(second)


async def test_two_browsers_race_for_one_account_with_two_shops(reception: Reception) -> None:
    """The link was passed on; two people consent at once with different shops. One wins whole."""
    account = await reception.add_account()
    trips = [await reception.begin(account) for _ in range(2)]
    queries = [
        await reception.callback(trip, account, shop)
        for trip, shop in zip(trips, (SHOP, OTHER), strict=True)
    ]
    with reception.lwa.hold():
        tasks = [
            asyncio.create_task(reception.consent.accept(query, trip.browser))
            for query, trip in zip(queries, trips, strict=True)
        ]
        await reception.exchanging(2)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [end for end in ended if isinstance(end, ConsentRefused)]
    assert [one.reason for one in refused] == ["wrong_selling_partner"]
    authorization = reception.authorization(account)
    (grant,) = reception.grants(account)
    assert authorization.selling_partner_id == grant.selling_partner_id
    access_token = await reception.sealed(vault.access_token(authorization.id))
    assert access_token is not None
    issued = reception.lwa.issued(Secret(access_token))
    assert issued is not None
    assert issued.about == authorization.selling_partner_id


async def test_two_browsers_race_for_one_account_with_one_shop(reception: Reception) -> None:
    account = await reception.add_account()
    trips = [await reception.begin(account) for _ in range(3)]
    queries = [await reception.callback(trip, account, SHOP) for trip in trips]
    with reception.lwa.hold():
        tasks = [
            asyncio.create_task(reception.consent.accept(query, trip.browser))
            for query, trip in zip(queries, trips, strict=True)
        ]
        await reception.exchanging(3)
    assert all(one.connected for one in await asyncio.gather(*tasks))
    grants = reception.grants(account)
    authorization = reception.authorization(account)
    assert len(grants) == 3
    assert [g.id for g in grants if g.superseded_at is None] == [authorization.grant_id]
    assert authorization.version == 3


async def test_an_account_that_is_closed_meanwhile(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    with reception.lwa.hold():
        task = asyncio.create_task(reception.consent.accept(query, trip.browser))
        await reception.exchanging(1)
        async with reception.store.transaction() as tx:
            await tx.authorizations.change(reception.authorization(account).id, state=State.CLOSED)
    with pytest.raises(ConsentRefused) as caught:
        await task
    assert caught.value.reason == "account_closed"
    assert reception.authorization(account).state is State.CLOSED
    assert not reception.grants(account)


# --- the log-in leg ---------------------------------------------------------------------------


async def test_the_callback_names_another_shop_than_the_log_in_leg(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    await reception.consent.log_in(reception.log_in_query(account, SHOP), trip.browser)
    refused = await reception.refused(trip, await reception.callback(trip, account, OTHER))
    assert refused.reason == "selling_partner_changed"
    assert reception.nothing_stored(account)
    assert reception.lwa.calls == []


EVIL = [
    "https://evil.example/apps/authorize/confirm/x",
    "//evil.example/apps/authorize/confirm/x",
    "/\\evil.example/apps/authorize/confirm/x",
    "https:/evil.example/apps/authorize/confirm/x",
    "https://sellercentral.amazon.com@evil.example/apps/authorize/confirm/x",
    "https://sellercentral.amazon.com.evil.example/apps/authorize/confirm/x",
    "https://sellercentral.amazon.com:8443/apps/authorize/confirm/x",
    "https://evil.example#https://sellercentral.amazon.com/apps/authorize/confirm/x",
    "javascript:alert(1)",
    "data:text/html,x",
    "http://sellercentral.amazon.com/apps/authorize/confirm/x",
    "\thttps://evil.example/apps/authorize/confirm/x",
    "https://sellercentral.amazon.com%2eevil.example/apps/authorize/confirm/x",
    "https://sellercentral-europe.amazon.com/gp/sign-out",
    "https://[evil/apps/authorize/confirm/x",
    "",
]


@pytest.mark.parametrize("uri", EVIL)
@pytest.mark.parametrize("warm", [True, False])
async def test_the_log_in_leg_leads_to_amazon_only(
    reception: Reception, uri: str, warm: bool
) -> None:
    account = await reception.add_account(merchant_token=SHOP)
    trip = await reception.begin(account)
    query = reception.log_in_query(account, SHOP, amazon_callback_uri=uri)
    with pytest.raises(ConsentRefused) as caught:
        await reception.consent.log_in(query, trip.browser if warm else None)
    assert caught.value.reason in ("callback_uri_foreign", "callback_uri_missing")
    assert reception.outbox("invitation") == []
    (handshake,) = reception.handshakes(account)
    assert handshake.step is HandshakeStep.BEGUN
    # a forged call must not break the real consent
    query = await reception.callback(trip, account, SHOP)
    assert (await reception.consent.accept(query, trip.browser)).connected


async def test_the_log_in_leg_of_another_application(reception: Reception) -> None:
    account, other = await reception.add_account(), await reception.add_application()
    trip = await reception.begin(account)
    with pytest.raises(ConsentRefused) as caught:
        await reception.consent.log_in(reception.log_in_query(other, SHOP), trip.browser)
    assert caught.value.reason == "callback_uri_other_application"


async def test_two_accounts_begun_in_one_browser_are_not_guessed(reception: Reception) -> None:
    first = await reception.add_account()
    second = await reception.add_account()
    trip = await reception.begin(first)
    second_trip = await reception.begin(second, trip.browser)
    assert second_trip.browser == trip.browser
    with pytest.raises(ConsentRefused) as caught:
        await reception.consent.log_in(reception.log_in_query(first, SHOP), trip.browser)
    assert caught.value.reason == "several_at_once"
    (report,) = reception.reports(reference=caught.value.reference)
    assert first.name in report.facts["accounts"]
    assert second.name in report.facts["accounts"]
    # directly at the callback the state says which it is
    query = await reception.callback(trip, first, SHOP)
    assert (await reception.consent.accept(query, trip.browser)).account_id == first.id
    assert reception.nothing_stored(second)


async def test_a_known_shop_tells_two_accounts_of_one_browser_apart(reception: Reception) -> None:
    expecting = await reception.add_account(merchant_token=SHOP)
    other = await reception.add_account()
    trip = await reception.begin(expecting)
    await reception.begin(other, trip.browser)
    step = onward(
        await reception.consent.log_in(reception.log_in_query(expecting, SHOP), trip.browser)
    )
    (handshake,) = reception.handshakes(expecting)
    assert step.handshake_id == handshake.id
    # a shop that the first account cannot be leaves the other
    step = onward(
        await reception.consent.log_in(reception.log_in_query(other, OTHER), trip.browser)
    )
    (handshake,) = reception.handshakes(other)
    assert step.handshake_id == handshake.id


async def test_an_expired_attempt_for_another_account_leaves_no_doubt(
    reception: Reception,
) -> None:
    """Ten minutes later Amazon itself no longer lets that one end."""
    abandoned, wanted = await reception.add_account(), await reception.add_account()
    trip = await reception.begin(abandoned)
    reception.clock.move(minutes=10)
    await reception.begin(wanted, trip.browser)
    step = onward(
        await reception.consent.log_in(reception.log_in_query(wanted, SHOP), trip.browser)
    )
    (handshake,) = reception.handshakes(wanted)
    assert step.handshake_id == handshake.id


async def test_two_shops_in_one_handshake_are_refused(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    await reception.consent.log_in(reception.log_in_query(account, SHOP), trip.browser)
    with pytest.raises(ConsentRefused) as caught:
        await reception.consent.log_in(reception.log_in_query(account, OTHER), trip.browser)
    assert caught.value.reason == "selling_partner_changed"
    # pressing the button again begins anew, with whichever shop comes now
    again = await reception.begin(account, trip.browser)
    await reception.consent.log_in(reception.log_in_query(account, OTHER), trip.browser)
    query = await reception.callback(again, account, OTHER)
    assert (await reception.consent.accept(query, trip.browser)).connected


async def test_an_expired_handshake_is_not_sent_on(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    reception.clock.move(minutes=11)
    with pytest.raises(ConsentRefused) as caught:
        await reception.consent.log_in(reception.log_in_query(account, SHOP), trip.browser)
    assert caught.value.reason == "state_expired"


@pytest.mark.parametrize("amazon_state", ["", "a b", "a\r\nLocation: x", "a#b", "a" * 9000, "ä"])
async def test_a_broken_amazon_state(reception: Reception, amazon_state: str) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = reception.log_in_query(account, SHOP, amazon_state=amazon_state)
    with pytest.raises(ConsentRefused) as caught:
        await reception.consent.log_in(query, trip.browser)
    assert caught.value.reason == "amazon_state_missing"


# --- what lies about afterwards ---------------------------------------------------------------


async def test_no_secret_is_written_down(reception: Reception) -> None:
    reception.instance = await reception.add_instance(webhook_url="https://erp.example/hook")
    account = await reception.add_account()
    link = await reception.link(account)
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    code = dict(part.split("=") for part in query.split("&"))["spapi_oauth_code"]
    await reception.consent.log_in(reception.log_in_query(account, SHOP), trip.browser)
    await reception.refused(trip, query, random_secret())
    await reception.consent.accept(query, trip.browser)
    failed = await reception.begin(account)
    await reception.refused(failed, await reception.callback(failed, account, OTHER))
    (grant,) = reception.grants(account)
    refresh_token = await reception.sealed(vault.refresh_token(grant.id))
    access_token = await reception.sealed(vault.access_token(reception.authorization(account).id))
    told = reception.written_down()
    for secret in (link, trip.state, trip.browser, code, refresh_token, access_token):
        assert secret
        assert secret not in told
    assert digest(trip.state) in told, "the search searches the right place"


async def test_a_flood_of_made_up_callbacks_fills_nothing(reception: Reception) -> None:
    for _ in range(200):
        with pytest.raises(ConsentRefused) as caught:
            await reception.consent.accept(urlencode({"state": random_secret()}), None)
        assert caught.value.reference
        reception.clock.move(seconds=1)
    assert 1 <= len(reception.reports()) <= 20
    assert len(reception.outbox("support_report")) == 1
    assert {item.to for item in reception.outbox()} == {SUPPORT}


async def test_a_vendor_group_is_held_to_its_code(reception: Reception) -> None:
    account = await reception.add_account(partner_kind=PartnerKind.VENDOR)
    reception.api.vendor("VGRP1")
    assert (await reception.connect(account, "VGRP1")).connected
    trip = await reception.begin(account)
    refused = await reception.refused(trip, await reception.callback(trip, account, "VGRP2"))
    assert refused.reason == "wrong_selling_partner"


async def test_the_redirect_uri_of_the_consent_is_that_of_the_exchange(
    reception: Reception,
) -> None:
    """LWA holds the code against it; the fake refuses when they differ."""
    own = await reception.add_application(redirect_uri=f"{PUBLIC_URL}/callback")
    account = await reception.add_account(application=own)
    assert (await reception.connect(account, SHOP)).connected
