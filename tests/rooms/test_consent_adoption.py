"""Refresh tokens that were made elsewhere and are pasted here."""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime, timedelta

import pytest

from evergrant import vault
from evergrant.errors import (
    AccountClosed,
    AmazonUnavailable,
    ApplicationIncomplete,
    ApplicationRefused,
    Conflict,
    GrantRefused,
    InvalidInput,
)
from evergrant.ports.things import Account, GrantSource
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import Region
from evergrant.rules.secrecy import Secret
from tests.rooms.conftest import BOSS, Reception

SHOP = "A1SHOPSHOPSHOP"
OTHER = "A2OTHEROTHER22"


async def made(reception: Reception, account: Account, shop: str = SHOP) -> Secret:
    reception.tick()
    client_id = await reception.client_id(account.application_id)
    return reception.lwa.grant(client_id, shop)


async def test_a_pasted_refresh_token_is_tried_first(reception: Reception) -> None:
    reception.sells(SHOP)
    account = await reception.add_account()
    pasted = await made(reception, account)
    view = await reception.consent.adopt(
        account.id, Secret(f"  {pasted.reveal()}\n"), by=BOSS, selling_partner_id=SHOP
    )
    assert view.authorization.state is State.ACTIVE
    assert view.authorization.selling_partner_id == SHOP
    assert view.authorization.granted_at is None
    assert view.authorization.term_ends_at is None, "nobody knows when it was made"
    assert {row.country_code for row in view.participations} == {"DE", "FR"}
    (grant,) = reception.grants(account)
    assert grant.source is GrantSource.ADOPTED
    assert await reception.sealed(vault.refresh_token(grant.id)) == pasted.reveal()
    assert await reception.sealed(vault.access_token(view.authorization.id))
    assert reception.lwa.count("refresh") == 1
    assert pasted.reveal() not in reception.written_down()


async def test_the_day_of_the_grant_gives_the_end_of_its_term(reception: Reception) -> None:
    account = await reception.add_account()
    granted_at = reception.clock.now() - timedelta(days=65)
    view = await reception.consent.adopt(
        account.id, await made(reception, account), by=BOSS, granted_at=granted_at
    )
    assert view.authorization.granted_at == granted_at
    assert view.authorization.term_ends_at == granted_at + timedelta(days=365)


async def test_a_private_application_states_no_end(reception: Reception) -> None:
    private = await reception.add_application(kind=ApplicationKind.PRIVATE)
    account = await reception.add_account(application=private)
    view = await reception.consent.adopt(
        account.id,
        await made(reception, account),
        by=BOSS,
        granted_at=reception.clock.now() - timedelta(days=900),
    )
    assert view.authorization.state is State.ACTIVE
    assert view.authorization.term_ends_at is None


async def test_a_refresh_token_that_lwa_replaces(reception: Reception) -> None:
    account = await reception.add_account()
    pasted = await made(reception, account)
    fresh = reception.lwa.swap_refresh_token(pasted)
    await reception.consent.adopt(account.id, pasted, by=BOSS)
    (grant,) = reception.grants(account)
    assert await reception.sealed(vault.refresh_token(grant.id)) == fresh.reveal()


async def test_what_lwa_refuses_is_not_stored(reception: Reception) -> None:
    account = await reception.add_account()
    with pytest.raises(GrantRefused) as caught:
        await reception.consent.adopt(account.id, Secret("Atzr|" + secrets.token_hex(30)), by=BOSS)
    assert "User may have revoked" in caught.value.reason
    assert reception.nothing_stored(account)
    assert "authorization.adoption_refused" in reception.verbs(account)


@pytest.mark.parametrize(
    "error", [AmazonUnavailable, lambda: ApplicationRefused("invalid_client")], ids=["away", "no"]
)
async def test_weather_stores_nothing(reception: Reception, error: type[Exception]) -> None:
    account = await reception.add_account()
    pasted = await made(reception, account)
    reception.lwa.fail(error)  # type: ignore[arg-type]
    with pytest.raises((AmazonUnavailable, ApplicationRefused)):
        await reception.consent.adopt(account.id, pasted, by=BOSS)
    assert reception.nothing_stored(account)


@pytest.mark.parametrize(
    ("pasted", "more", "field"),
    [
        ("", {}, "refresh_token"),
        ("   ", {}, "refresh_token"),
        ("Atzr|a b", {}, "refresh_token"),
        ("Atzr|ä", {}, "refresh_token"),
        ("Atzr|" + "x" * 5000, {}, "refresh_token"),
        ("Atza|an-access-token", {}, "refresh_token"),
        ("amzn1.oa2-cs.v1.00", {}, "refresh_token"),
        ("Atzr|x", {"selling_partner_id": "<script>"}, "selling_partner_id"),
        ("Atzr|x", {"granted_at": datetime(2026, 1, 1)}, "granted_at"),  # noqa: DTZ001
        ("Atzr|x", {"granted_at": datetime.fromisoformat("2030-01-01T00:00Z")}, "granted_at"),
        ("Atzr|x", {"granted_at": datetime.fromisoformat("2024-01-01T00:00Z")}, "granted_at"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_bad_input_is_told_and_amazon_is_not_asked(
    reception: Reception, pasted: str, more: dict[str, str], field: str
) -> None:
    account = await reception.add_account()
    with pytest.raises(InvalidInput) as caught:
        await reception.consent.adopt(account.id, Secret(pasted), by=BOSS, **more)  # type: ignore[arg-type]
    assert [flaw.field for flaw in caught.value.flaws] == [field]
    assert reception.lwa.calls == []
    assert pasted.strip() not in str(caught.value) or not pasted.strip()


# --- never on the wrong account ----------------------------------------------------------------


async def test_one_refresh_token_for_two_accounts_is_found_out(reception: Reception) -> None:
    """Pasted into the wrong form: nothing but the refresh token itself tells."""
    first = await reception.add_account()
    second = await reception.add_account(region=Region.NA, home_marketplace="US")
    pasted = await made(reception, first)
    await reception.consent.adopt(first.id, pasted, by=BOSS)
    with pytest.raises(Conflict):
        await reception.consent.adopt(second.id, pasted, by=BOSS)
    assert reception.nothing_stored(second)
    # for its own account once more is fine
    await reception.consent.adopt(first.id, pasted, by=BOSS)


async def test_one_refresh_token_for_two_accounts_at_once(reception: Reception) -> None:
    accounts = [await reception.add_account() for _ in range(4)]
    pasted = await made(reception, accounts[0])
    with reception.lwa.hold():
        tasks = [
            asyncio.create_task(reception.consent.adopt(account.id, pasted, by=BOSS))
            for account in accounts
        ]
        for _ in range(500):  # whoever can come as far as LWA is there by then
            await asyncio.sleep(0)
        assert reception.lwa.count("refresh") == 1
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(end, Conflict) for end in ended) == 3
    states = [reception.authorization(account).state for account in accounts]
    assert states.count(State.ACTIVE) == 1


async def test_it_is_found_out_among_many(reception: Reception) -> None:
    accounts = [await reception.add_account() for _ in range(8)]
    tokens = [await made(reception, account, f"A{n}SHOP") for n, account in enumerate(accounts)]
    for account, pasted in zip(accounts, tokens, strict=True):
        await reception.consent.adopt(account.id, pasted, by=BOSS)
    late = await reception.add_account()
    for pasted in tokens:
        with pytest.raises(Conflict):
            await reception.consent.adopt(late.id, pasted, by=BOSS)
    assert reception.nothing_stored(late)


async def test_an_older_refresh_token_of_another_account_is_found_out(
    reception: Reception,
) -> None:
    owner, late = await reception.add_account(), await reception.add_account()
    older, newer = await made(reception, owner), await made(reception, owner)
    for pasted in (older, newer):
        await reception.consent.adopt(owner.id, pasted, by=BOSS)
    with pytest.raises(Conflict):
        await reception.consent.adopt(late.id, older, by=BOSS)
    assert reception.nothing_stored(late)


async def test_an_account_may_take_the_place_of_a_closed_one(reception: Reception) -> None:
    former, successor = await reception.add_account(), await reception.add_account()
    pasted = await made(reception, former)
    await reception.consent.adopt(former.id, pasted, by=BOSS)
    await reception.accounts.close(former.id, by=BOSS)
    await reception.consent.adopt(successor.id, pasted, by=BOSS)
    assert reception.authorization(successor).state is State.ACTIVE


async def test_another_selling_partner_than_is_known(reception: Reception) -> None:
    expecting = await reception.add_account(merchant_token=SHOP)
    connected = await reception.add_account()
    await reception.connect(connected, OTHER)
    third = await reception.add_account()
    for account, shop in ((expecting, OTHER), (connected, SHOP), (third, OTHER)):
        before = reception.authorization(account)
        pasted = await made(reception, account, shop)
        with pytest.raises(Conflict) as caught:
            await reception.consent.adopt(account.id, pasted, by=BOSS, selling_partner_id=shop)
        assert caught.value.hint
        assert reception.authorization(account) == before
    assert reception.lwa.count("refresh") == 0


async def test_two_accounts_adopt_one_selling_partner_at_once(reception: Reception) -> None:
    accounts = [await reception.add_account() for _ in range(2)]
    tokens = [await made(reception, account) for account in accounts]
    ended = await asyncio.gather(
        *(
            reception.consent.adopt(account.id, pasted, by=BOSS, selling_partner_id=SHOP)
            for account, pasted in zip(accounts, tokens, strict=True)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(end, Conflict) for end in ended) == 1
    states = sorted(reception.authorization(account).state for account in accounts)
    assert states == [State.ACTIVE, State.AWAITING]


async def test_adopting_keeps_the_selling_partner_that_is_known(reception: Reception) -> None:
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    await reception.consent.adopt(account.id, await made(reception, account), by=BOSS)
    assert reception.authorization(account).selling_partner_id == SHOP
    assert [grant.source for grant in reception.grants(account)] == [
        GrantSource.CONSENT,
        GrantSource.ADOPTED,
    ]


async def test_closed_and_incomplete(reception: Reception) -> None:
    closed = await reception.add_account()
    pasted = await made(reception, closed)
    async with reception.store.transaction() as tx:
        await tx.authorizations.change(reception.authorization(closed).id, state=State.CLOSED)
    with pytest.raises(AccountClosed):
        await reception.consent.adopt(closed.id, pasted, by=BOSS)
    incomplete = await reception.add_application(complete=False)
    account = await reception.add_account(application=incomplete)
    with pytest.raises(ApplicationIncomplete):
        await reception.consent.adopt(account.id, pasted, by=BOSS)
    assert reception.lwa.calls == []
