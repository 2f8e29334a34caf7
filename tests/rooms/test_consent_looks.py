"""The first look at an account: owed from the grant on, made once, made later when need be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from evergrant import vault
from evergrant.consent import looks
from evergrant.errors import (
    AmazonUnavailable,
    ApplicationRefused,
    CallDenied,
    GrantRefused,
    StoreUnavailable,
)
from evergrant.ports.things import Account, Authorization
from evergrant.rules.cadence import LOOK
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.testing.selling_partner_api import EXPIRED
from evergrant.tokens import Tokens
from tests.rooms.conftest import BOSS, Reception

SHOP = "A2HERON"
ENOUGH = len(LOOK) + 1  # calls that are made before anybody gives up


@dataclass(frozen=True)
class Round:
    looks_made: int


class Tower:
    """A worker's, on the same store, with a mint of its own: as far as it sees to looks."""

    def __init__(self, reception: Reception) -> None:
        self.consent = reception.another()
        self.tokens = Tokens(
            store=reception.store,
            clock=reception.clock,
            vault=reception.vault,
            registry=reception.registry,
            lwa=reception.lwa,
            bell=reception.bell,
        )

    async def sweep(self) -> Round:
        return Round(await self.consent.look_where_due(self.access_token))

    async def access_token(self, account_id: str) -> Secret:
        return (await self.tokens.mint(account_id, by=SYSTEM)).value


def tower(reception: Reception) -> Tower:
    return Tower(reception)


async def grant_without_look(
    reception: Reception, monkeypatch: pytest.MonkeyPatch, **wishes: Any
) -> Account:
    """The process dies between the grant's commit and the first call."""

    async def dies(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    account = await reception.add_account(**wishes)
    with monkeypatch.context() as patch:
        patch.setattr(reception.consent._looks, "after_grant", dies)
        with pytest.raises(asyncio.CancelledError):
            await reception.connect(account, SHOP)
    assert reception.authorization(account).state is State.ACTIVE
    assert reception.api.calls == []
    return account


def marketplaces(reception: Reception, account: Account) -> set[str]:
    return {row.country_code for row in reception.rows("participations", account_id=account.id)}


def owed(reception: Reception, account: Account) -> tuple[Any, int]:
    row: Authorization = reception.authorization(account)
    return row.look_due_at, row.looks


async def test_a_look_that_passed_is_owed_no_more(reception: Reception) -> None:
    reception.sells(SHOP)
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    assert owed(reception, account) == (None, 0)
    reception.clock.move(days=30)
    assert (await tower(reception).sweep()).looks_made == 0
    assert reception.api.count() == 1


async def test_a_process_that_dies_between_grant_and_look(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception.sells(SHOP)
    account = await grant_without_look(reception, monkeypatch)
    assert owed(reception, account)[0] is not None, "committed with the grant"
    reception.clock.move(seconds=59)
    assert (await tower(reception).sweep()).looks_made == 0, "it may still be at it"
    asked = reception.lwa.count("refresh")
    reception.clock.move(seconds=1)
    assert (await tower(reception).sweep()).looks_made == 1
    assert marketplaces(reception, account) == {"DE", "FR"}
    assert owed(reception, account) == (None, 0)
    assert reception.lwa.count("refresh") == asked, "the access token of the consent still lives"
    assert (await tower(reception).sweep()).looks_made == 0


async def test_an_access_token_that_is_over_by_then_is_replaced(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception.sells(SHOP)
    account = await grant_without_look(reception, monkeypatch)
    reception.clock.move(hours=5)
    assert (await tower(reception).sweep()).looks_made == 1
    assert marketplaces(reception, account) == {"DE", "FR"}
    assert reception.lwa.count("refresh") == 1


async def test_an_adopted_grant_heals_as_well(reception: Reception) -> None:
    reception.sells(SHOP)
    reception.api.fail(times=1)
    account = await reception.add_account()
    pasted = reception.lwa.grant(await reception.client_id(account.application_id), SHOP)
    await reception.consent.adopt(account.id, pasted, by=BOSS)
    assert marketplaces(reception, account) == set()
    reception.clock.move(seconds=LOOK[0].total_seconds())
    assert (await tower(reception).sweep()).looks_made == 1
    assert marketplaces(reception, account) == {"DE", "FR"}


async def test_a_vendor_is_probed_later(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception.api.vendor(SHOP)
    account = await grant_without_look(reception, monkeypatch, partner_kind=PartnerKind.VENDOR)
    reception.clock.move(minutes=1)
    assert (await tower(reception).sweep()).looks_made == 1
    assert reception.api.count("probe_vendor", SHOP) == 1
    assert owed(reception, account) == (None, 0)


async def test_what_was_denied_is_not_asked_again(reception: Reception) -> None:
    account = await reception.add_account()  # Amazon knows no participations of this shop
    await reception.connect(account, SHOP)
    assert "denied" in reception.authorization(account).finding
    assert owed(reception, account) == (None, 0)
    reception.clock.move(days=1)
    assert (await tower(reception).sweep()).looks_made == 0


async def test_a_refused_access_token_says_nothing_of_the_account(reception: Reception) -> None:
    reception.sells(SHOP)
    reception.api.fail(lambda: CallDenied(403, "Unauthorized", "", EXPIRED), times=1)
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    reception.clock.move(hours=2)
    assert (await tower(reception).sweep()).looks_made == 1
    assert reception.authorization(account).finding == ""


async def test_weather_is_climbed_rung_by_rung_and_then_given_up_in_the_open(
    reception: Reception,
) -> None:
    reception.sells(SHOP)
    reception.api.fail()
    account = await reception.add_account()
    arrived = await reception.connect(account, SHOP)
    assert "no answer" in arrived.finding
    watch = tower(reception)
    for tries, rung in enumerate(LOOK, start=1):
        assert owed(reception, account) == (reception.clock.now() + rung, tries)
        reception.clock.move(seconds=(rung - timedelta(milliseconds=1)).total_seconds())
        assert (await watch.sweep()).looks_made == 0
        reception.clock.move(milliseconds=1)
        assert (await watch.sweep()).looks_made == 1
    assert reception.api.count() == ENOUGH
    assert owed(reception, account) == (None, 0)
    finding = reception.authorization(account).finding
    assert f"{ENOUGH} first calls got no answer" in finding
    assert reception.verbs(account).count("authorization.look_given_up") == 1
    reception.clock.move(days=400)
    assert (await watch.sweep()).looks_made == 0


async def test_weather_at_the_mint_is_weather_too(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception.sells(SHOP)
    account = await grant_without_look(reception, monkeypatch)
    reception.clock.move(hours=2)
    reception.lwa.fail(lambda: ApplicationRefused("invalid_client"))
    assert (await tower(reception).sweep()).looks_made == 0
    assert owed(reception, account) == (reception.clock.now() + LOOK[0], 1)
    assert "no answer" in reception.authorization(account).finding
    reception.lwa.clear()
    reception.clock.move(seconds=LOOK[0].total_seconds())
    assert (await tower(reception).sweep()).looks_made == 1
    assert reception.authorization(account).finding == ""


async def test_a_grant_that_died_meanwhile_is_looked_at_when_it_comes_back(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception.sells(SHOP)
    account = await grant_without_look(reception, monkeypatch)
    reception.clock.move(hours=2)
    reception.lwa.fail(lambda: GrantRefused("revoked"))
    assert (await tower(reception).sweep()).looks_made == 0
    assert reception.authorization(account).state is State.REVOKED
    reception.clock.move(days=1)
    calls = len(reception.lwa.calls)
    assert (await tower(reception).sweep()).looks_made == 0
    assert len(reception.lwa.calls) == calls, "nobody asks for a dead grant"
    reception.lwa.clear()
    async with reception.store.transaction() as tx:
        await tx.authorizations.change(
            reception.authorization(account).id, state=State.ACTIVE, refused_reason=""
        )
    assert (await tower(reception).sweep()).looks_made == 1
    assert marketplaces(reception, account) == {"DE", "FR"}


async def test_several_towers_make_each_look_once(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception.sells(SHOP)
    await grant_without_look(reception, monkeypatch)
    reception.clock.move(minutes=2)
    rounds = await asyncio.gather(*(tower(reception).sweep() for _ in range(4)))
    assert sum(swept.looks_made for swept in rounds) == 1
    assert reception.api.count() == 1


async def test_who_comes_late_to_its_own_grant_makes_no_second_call(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that stored the grant slept for a minute, and the clock tower is at it."""
    reception.sells(SHOP)
    account = await grant_without_look(reception, monkeypatch)
    reception.clock.move(minutes=2)

    async def meanwhile(account_id: str) -> Secret:
        access_token = await reception.sealed(
            vault.access_token(reception.authorization(account).id)
        )
        assert access_token
        await reception.consent.after_grant(account_id, Secret(access_token))
        assert reception.api.count() == 0
        return Secret(access_token)

    assert await reception.another().look_where_due(meanwhile) == 1
    assert reception.api.count() == 1


async def test_a_process_that_dies_with_each_look_comes_to_the_ladders_end(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await grant_without_look(reception, monkeypatch)
    watch = tower(reception)

    async def dies(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(reception.api, "participations", dies)
    for tries in range(1, ENOUGH + 1):
        reception.clock.move(minutes=5)
        with pytest.raises(asyncio.CancelledError):
            await watch.sweep()
        assert owed(reception, account)[1] == tries
    reception.clock.move(minutes=5)
    await watch.sweep()
    assert owed(reception, account) == (None, 0)
    assert "never came to an end" in reception.authorization(account).finding
    assert reception.verbs(account).count("authorization.look_given_up") == 1


async def test_a_look_at_a_grant_that_was_replaced_meanwhile_writes_nothing_down(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception.sells(SHOP)
    account = await reception.add_account()
    participations = reception.api.participations

    async def renewed_meanwhile(*given: Any) -> Any:
        monkeypatch.setattr(reception.api, "participations", participations)
        found = await participations(*given)
        reception.api.fail(times=1)
        await reception.connect(account, SHOP)
        return found

    monkeypatch.setattr(reception.api, "participations", renewed_meanwhile)
    await reception.connect(account, SHOP)
    first, second = reception.grants(account)
    assert reception.authorization(account).grant_id == second.id
    assert owed(reception, account)[0] is not None, "the newer grant was not looked at yet"
    assert await reception.sealed(vault.refresh_token(first.id)), "kept until the newer one passed"
    reception.clock.move(seconds=LOOK[0].total_seconds())
    assert (await tower(reception).sweep()).looks_made == 1
    assert await reception.sealed(vault.refresh_token(first.id)) is None
    assert owed(reception, account) == (None, 0)


async def test_one_account_that_breaks_keeps_no_other_waiting(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception.sells(SHOP)
    broken = await grant_without_look(reception, monkeypatch)

    async def breaks(account_id: str) -> Secret:
        raise StoreUnavailable if account_id == broken.id else AmazonUnavailable

    reception.clock.move(minutes=1)
    with pytest.raises(StoreUnavailable):
        await reception.consent.look_where_due(breaks)
    assert owed(reception, broken)[1] == 1
    reception.clock.move(minutes=5)
    assert (await tower(reception).sweep()).looks_made == 1


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        (PartnerKind.SELLER, "sellers.v1.getMarketplaceParticipations"),
        (PartnerKind.VENDOR, "vendor.orders.v1.getPurchaseOrdersStatus"),
    ],
)
async def test_a_look_is_made_with_a_permit_and_tells_the_gate_how_it_ended(
    reception: Reception, kind: PartnerKind, operation: str
) -> None:
    reception.sells(SHOP)
    reception.api.vendor(SHOP)
    account = await reception.add_account(partner_kind=kind)
    await reception.connect(account, SHOP)
    place = (operation, account.id, account.application_id, "eu")
    assert reception.permits.given == [(*place, looks.PERMIT_PATIENCE_S)]
    assert reception.permits.heard == [200]


async def test_a_look_that_was_denied_is_told_to_the_gate(reception: Reception) -> None:
    account = await reception.add_account()  # and sells nowhere
    await reception.connect(account, SHOP)
    assert reception.permits.heard == [403]


async def test_a_look_without_a_permit_is_made_later_by_itself(reception: Reception) -> None:
    reception.sells(SHOP)
    reception.permits.spent_for_s = 63.0
    account = await reception.add_account()
    arrived = await reception.connect(account, SHOP)
    assert arrived.account_id == account.id, "the partner is through; a look is no part of it"
    now = reception.clock.now()
    row = reception.authorization(account)
    assert row.state is State.ACTIVE
    assert (row.look_due_at, row.looks) == (now + timedelta(seconds=63), 0)
    assert f"soon after {now + timedelta(seconds=63):%Y-%m-%d %H:%M:%S} UTC" in row.finding
    assert reception.api.count() == 0
    reception.clock.move(seconds=62)
    assert (await tower(reception).sweep()).looks_made == 0, "not due yet"
    reception.clock.move(seconds=1)
    reception.permits.spent_for_s = None
    assert (await tower(reception).sweep()).looks_made == 1
    assert reception.permits.given[-1][-1] == looks.PERMIT_PATIENCE_OF_TOWER_S
    assert owed(reception, account) == (None, 0)
    assert reception.authorization(account).finding == ""


async def test_an_adoption_without_a_permit_for_its_look_is_an_adoption(
    reception: Reception,
) -> None:
    reception.sells(SHOP)
    reception.permits.spent_for_s = 40.0
    account = await reception.add_account()
    pasted = reception.lwa.grant(await reception.client_id(account.application_id), SHOP)
    view = await reception.consent.adopt(account.id, pasted, by=BOSS)
    assert view.authorization.state is State.ACTIVE
    assert "It is made without anybody's doing soon after" in view.authorization.finding
    assert owed(reception, account) == (reception.clock.now() + timedelta(seconds=40), 0)


async def test_calls_that_were_not_made_never_make_anybody_give_up(reception: Reception) -> None:
    reception.sells(SHOP)
    reception.permits.spent_for_s = 60.0
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    for _ in range(ENOUGH + 1):
        reception.clock.move(minutes=1)
        assert (await tower(reception).sweep()).looks_made == 0
        assert owed(reception, account) == (reception.clock.now() + timedelta(minutes=1), 0)
    assert reception.api.count() == 0
