"""Renewals: what is in force while nobody knows yet whether the new grant works, and the links that
bring people here. Reception and mint on one store, as in one house."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from evergrant import notices, vault
from evergrant.errors import AmazonUnavailable, ConsentRefused, GrantRefused, StoreUnavailable
from evergrant.ports.things import (
    Account,
    ClientInstance,
    GrantSource,
    HandshakeStep,
)
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.secrecy import Secret
from evergrant.rules.topics import EVENTS
from evergrant.tokens import AccessToken, Tokens
from tests.rooms.conftest import BOSS, Reception, Trip

SHOP = "A1SHOPSHOPSHOP"


@pytest.fixture
def mint(reception: Reception) -> Tokens:
    return a_mint(reception)


def a_mint(reception: Reception) -> Tokens:
    """Of one more process."""
    return Tokens(
        store=reception.store,
        clock=reception.clock,
        vault=reception.vault,
        registry=reception.registry,
        lwa=reception.lwa,
        bell=reception.bell,
        selling_partner_api=reception.api,
        remember_s=0.0,
        sleep=lambda _: asyncio.sleep(0),
    )


@pytest.fixture
async def instance(reception: Reception) -> ClientInstance:
    return await reception.add_instance(webhook_url="https://erp.example/hook")


@pytest.fixture
async def account(reception: Reception, instance: ClientInstance) -> Account:
    """Connected, and its grant passed a call."""
    reception.sells(SHOP)
    made = await reception.add_account(instance=instance)
    await reception.connect(made, SHOP)
    return made


async def renewed_unproven(reception: Reception, account: Account) -> Secret:
    """Renewed, and nobody answered the first call; gives the new refresh token."""
    reception.clock.move(days=340)
    reception.api.fail(AmazonUnavailable)
    assert (await reception.connect(account, SHOP)).connected
    reception.api.clear()
    reception.clock.move(hours=2)  # the access token that came with it is over
    return Secret(await kept(reception, -1, account) or "")


async def kept(reception: Reception, place: int, account: Account) -> str | None:
    """The refresh token of this grant of the account, as it lies in the safe."""
    return await reception.sealed(vault.refresh_token(reception.grants(account)[place].id))


def board(reception: Reception) -> set[NoticeKind]:
    return {notice.kind for notice in reception.rows("notices", settled_at=None)}


def topics(reception: Reception) -> list[str]:
    return [item.topic for item in reception.outbox() if item.topic in EVENTS]


async def minted(mint: Tokens, account: Account) -> AccessToken:
    return await mint.mint(account.id, by=SYSTEM)


# --- the former grant ----------------------------------------------------------------------------


async def test_a_renewal_that_amazon_refuses_before_it_passed_gives_way(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    former_ends_at = reception.authorization(account).term_ends_at
    new = await renewed_unproven(reception, account)
    reception.lwa.revoke(new)
    token = await minted(mint, account)

    old_grant, new_grant = reception.grants(account)
    after = reception.authorization(account)
    assert token.grant_id == after.grant_id == old_grant.id
    assert (after.state, after.term_ends_at) == (State.ACTIVE, former_ends_at)
    assert (after.refused_reason, after.first_refused_at) == ("", None)
    assert after.look_due_at == reception.clock.now(), "it is looked at anew"
    assert old_grant.superseded_at is None
    assert new_grant.superseded_at == reception.clock.now()
    assert await kept(reception, 0, account) is not None
    assert await kept(reception, 1, account) is None
    assert board(reception) == {NoticeKind.RENEWAL_FAILED}
    assert topics(reception)[-2:] == ["authorization.renewed", "authorization.failed"]
    facts = reception.outbox("authorization.failed")[-1].facts
    assert facts["state"] == "active"
    report = await reception.consent.report(facts["reference"], by=BOSS)
    assert (report.reason, report.account_id) == ("renewal_refused", account.id)
    assert "invalid grant parameter" in facts["amazon_reason"]
    assert "authorization.grant_restored" in reception.verbs(account)
    assert "Atzr|" not in reception.written_down()
    # Amazon was asked twice about the new one and once about the old one; all processes follow.
    assert (await minted(a_mint(reception), account)).value == token.value

    # A second renewal works, and what went wrong is over.
    reception.clock.move(days=1)
    await reception.connect(account, SHOP)
    assert board(reception) == set()
    assert [await kept(reception, place, account) is None for place in range(3)] == [
        True,
        True,
        False,
    ]


async def test_every_process_follows_what_is_in_force(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    """What another process remembers is believed for a second, and then is of no use."""
    at_s = 1000.0
    there = Tokens(
        store=reception.store,
        clock=reception.clock,
        vault=reception.vault,
        registry=reception.registry,
        lwa=reception.lwa,
        bell=reception.bell,
        monotonic=lambda: at_s,
    )
    first = await minted(there, account)
    reception.api.fail(AmazonUnavailable)
    await reception.connect(account, SHOP)
    reception.api.clear()
    at_s += 1.1
    renewed = await minted(there, account)
    assert renewed.grant_id == reception.grants(account)[1].id
    assert renewed.value != first.value
    reception.lwa.revoke(Secret(await kept(reception, 1, account) or ""))
    restored = await mint.look_again(account.id, by=SYSTEM)
    at_s += 1.1
    assert there.at_hand(account.id, by=SYSTEM) is None
    assert (await minted(there, account)).value == restored.value
    assert restored.grant_id == reception.grants(account)[0].id


async def test_a_former_grant_that_is_over_by_our_clock_has_no_known_end(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    new = await renewed_unproven(reception, account)
    reception.clock.move(days=60)
    reception.lwa.revoke(new)
    await minted(mint, account)
    after = reception.authorization(account)
    assert (after.state, after.granted_at, after.term_ends_at) == (State.ACTIVE, None, None)
    assert board(reception) == {NoticeKind.RENEWAL_FAILED, NoticeKind.TERM_UNKNOWN}


async def test_after_the_new_one_passed_nothing_brings_the_old_one_back(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    reception.clock.move(days=340)
    await reception.connect(account, SHOP)
    assert await kept(reception, 0, account) is None
    new = Secret(await kept(reception, 1, account) or "")
    reception.clock.move(hours=2)
    reception.lwa.revoke(new)
    asked = reception.lwa.count("refresh")
    with pytest.raises(GrantRefused):
        await minted(mint, account)
    assert reception.lwa.count("refresh") - asked == 2
    assert reception.authorization(account).state is State.REVOKED
    assert board(reception) == {NoticeKind.GRANT_REFUSED}


async def test_both_grants_are_kept_while_amazon_refuses_both(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    await renewed_unproven(reception, account)
    reception.lwa.revoke(SHOP)
    with pytest.raises(GrantRefused):
        await minted(mint, account)
    after = reception.authorization(account)
    assert (after.state, after.grant_id) == (State.REVOKED, reception.grants(account)[1].id)
    assert await kept(reception, 0, account) is not None
    assert await kept(reception, 1, account) is not None
    # Amazon reinstates what it refused: whichever of them, it is found.
    old = Secret(await kept(reception, 0, account) or "")
    reception.lwa.reinstate(old)
    token = await mint.look_again(account.id, by=SYSTEM)
    assert token.grant_id == reception.grants(account)[0].id
    assert reception.authorization(account).state is State.ACTIVE
    assert board(reception) == {NoticeKind.RENEWAL_FAILED}


async def test_weather_at_the_former_grant_decides_nothing(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    new = await renewed_unproven(reception, account)
    reception.lwa.revoke(new)
    said = iter([GrantRefused("no"), GrantRefused("no"), *(AmazonUnavailable() for _ in range(3))])
    reception.lwa.fail(lambda: next(said), times=5)
    with pytest.raises(GrantRefused):
        await minted(mint, account)
    seen = reception.authorization(account)
    assert (seen.state, seen.grant_id) == (State.ACTIVE, reception.grants(account)[1].id)
    assert await kept(reception, 0, account) is not None
    assert (await minted(a_mint(reception), account)).grant_id == reception.grants(account)[0].id


async def test_a_second_renewal_is_never_undone_by_what_became_of_the_first(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    new = await renewed_unproven(reception, account)
    reception.lwa.revoke(new)
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    asked = reception.lwa.count("refresh")
    answer = reception.lwa.refresh

    async def renewed_meanwhile(client: object, refresh_token: Secret) -> object:
        if reception.lwa.count("refresh") - asked == 2:
            # LWA is asked about the former grant, and now the partner consents once more.
            await reception.consent.accept(query, trip.browser)
        return await answer(client, refresh_token)  # type: ignore[arg-type]

    reception.lwa.refresh = renewed_meanwhile  # type: ignore[method-assign,assignment]
    token = await minted(mint, account)
    newest = reception.grants(account)[2]
    assert token.grant_id == reception.authorization(account).grant_id == newest.id
    assert "authorization.grant_restored" not in reception.verbs(account)


async def test_the_year_counts_from_the_renewal_and_the_board_is_cleared(
    reception: Reception, account: Account
) -> None:
    authorization = reception.authorization(account)
    about = (
        *(NoticeKind.TERM_ENDING, NoticeKind.TERM_OVER, NoticeKind.TERM_BELIEVED),
        *(NoticeKind.TERM_UNKNOWN, NoticeKind.GRANT_REFUSED, NoticeKind.RENEWAL_FAILED),
    )
    async with reception.store.transaction() as tx:
        for kind in (*about, NoticeKind.LETTER_UNDELIVERED):
            await notices.put(
                tx, now=reception.clock.now(), kind=kind, subject=authorization.id, message="-"
            )
    reception.clock.move(days=350)
    await reception.connect(account, SHOP)
    renewed_at = reception.clock.now()
    assert reception.authorization(account).term_ends_at == renewed_at + timedelta(days=365)
    assert board(reception) == {NoticeKind.LETTER_UNDELIVERED}


@pytest.mark.parametrize("state", [State.LAPSED, State.REVOKED])
async def test_what_is_dead_comes_back_by_a_consent(
    reception: Reception, account: Account, mint: Tokens, state: State
) -> None:
    async with reception.store.transaction() as tx:
        await tx.authorizations.change(reception.authorization(account).id, state=state)
    await reception.connect(account, SHOP)
    assert reception.authorization(account).state is State.ACTIVE
    assert topics(reception) == ["authorization.granted", "authorization.renewed"]
    assert (await minted(mint, account)).grant_id == reception.grants(account)[1].id


async def test_a_pasted_refresh_token_renews_as_well(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    client_id = await reception.client_id(account.application_id)
    reception.api.fail(AmazonUnavailable)
    pasted = reception.lwa.grant(client_id, SHOP)
    reception.tick()
    await reception.consent.adopt(
        account.id, pasted, by=BOSS, granted_at=reception.clock.now(), selling_partner_id=SHOP
    )
    (item,) = reception.outbox("authorization.renewed")
    assert item.facts["source"] == GrantSource.ADOPTED.value
    reception.lwa.revoke(pasted)
    reception.clock.move(hours=2)
    assert (await minted(mint, account)).grant_id == reception.grants(account)[0].id


async def test_a_grant_of_nobody_knows_whom_does_not_come_back(
    reception: Reception, instance: ClientInstance, mint: Tokens
) -> None:
    """A consent has said whose the account is; a refresh token that was pasted before has not."""
    account = await reception.add_account(instance=instance)
    pasted = reception.lwa.grant(await reception.client_id(account.application_id), "A9ANYBODY")
    await reception.consent.adopt(account.id, pasted, by=BOSS)
    new = await renewed_unproven(reception, account)
    assert await kept(reception, 0, account) is not None
    reception.lwa.revoke(new)
    with pytest.raises(GrantRefused):
        await minted(mint, account)
    assert reception.authorization(account).state is State.REVOKED


async def test_a_refresh_token_that_was_pasted_over_does_not_come_back(
    reception: Reception, instance: ClientInstance, mint: Tokens
) -> None:
    """It may have been pasted over because it was another shop's: neither says whose it is."""
    account = await reception.add_account(instance=instance)
    client_id = await reception.client_id(account.application_id)
    reception.api.fail(AmazonUnavailable)
    await reception.consent.adopt(
        account.id, reception.lwa.grant(client_id, "A9WRONGSHOP"), by=BOSS
    )
    reception.tick()
    right = reception.lwa.grant(client_id, SHOP)
    await reception.consent.adopt(account.id, right, by=BOSS)
    reception.lwa.revoke(right)
    reception.clock.move(hours=2)
    with pytest.raises(GrantRefused):
        await minted(mint, account)
    assert reception.authorization(account).state is State.REVOKED


async def test_who_the_account_is_says_not_whose_a_pasted_refresh_token_is(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    """Pasted for an account whose shop is known, and nobody said that it is that shop's."""
    client_id = await reception.client_id(account.application_id)
    reception.tick()
    stray = reception.lwa.grant(client_id, "A9WRONGSHOP")
    reception.api.fail(AmazonUnavailable)
    await reception.consent.adopt(account.id, stray, by=BOSS)
    assert reception.authorization(account).selling_partner_id == SHOP
    new = await renewed_unproven(reception, account)
    reception.lwa.revoke(new)
    asked = await minted(mint, account)
    assert asked.grant_id == reception.grants(account)[0].id, "the last that was surely of the shop"
    assert asked.grant_id != reception.grants(account)[1].id


async def test_a_former_grant_that_another_account_holds_by_now_does_not_come_back(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    """While this one was closed, its former refresh token was pasted for another account. Both
    open, one would be served with what the other was given."""
    new = await renewed_unproven(reception, account)
    former = Secret(await kept(reception, 0, account) or "")
    await reception.accounts.close(account.id, by=BOSS)
    other = await reception.add_account()
    reception.tick()
    await reception.consent.adopt(other.id, former, by=BOSS)
    await reception.accounts.reopen(account.id, by=BOSS)
    reception.lwa.revoke(new)
    reception.clock.move(hours=2)
    with pytest.raises(GrantRefused):
        await minted(mint, account)
    assert reception.authorization(account).state is not State.ACTIVE
    assert (await minted(mint, other)).account_id == other.id


async def test_the_same_refresh_token_again_is_no_former_grant(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    """Amazon does not say whether a renewal gives another one."""
    same = Secret(await kept(reception, 0, account) or "")
    reception.api.fail(AmazonUnavailable)
    reception.tick()
    await reception.consent.adopt(account.id, same, by=BOSS, selling_partner_id=SHOP)
    reception.lwa.revoke(same)
    reception.clock.move(hours=2)
    asked = reception.lwa.count("refresh")
    with pytest.raises(GrantRefused):
        await minted(mint, account)
    assert reception.lwa.count("refresh") - asked == 2
    reception.lwa.reinstate(same)
    reception.api.clear()
    token = await mint.look_again(account.id, by=SYSTEM)
    assert token.grant_id == reception.grants(account)[1].id

    async def access_token(_: str) -> Secret:
        return token.value

    assert await reception.consent.look_where_due(access_token) == 1
    assert await kept(reception, 0, account) is None
    assert await kept(reception, 1, account) == same.reveal()


# --- races and interruptions -----------------------------------------------------------------


async def test_two_renewals_at_once_leave_the_unproven_one_its_predecessors(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    """Both exchange; the first look of the one says nothing of the other."""
    trips: list[tuple[Trip, str]] = []
    link = await reception.link(account)
    for _ in range(2):
        trip = Trip(await reception.consent.begin(link, None))
        trips.append((trip, await reception.callback(trip, account, SHOP)))
    with reception.lwa.hold():
        accepting = [
            asyncio.create_task(reception.consent.accept(query, trip.browser))
            for trip, query in trips
        ]
        await reception.exchanging(3)
    ended = await asyncio.gather(*accepting)
    assert all(one.connected for one in ended)
    grants = reception.grants(account)
    in_force = reception.authorization(account).grant_id
    assert [grant.superseded_at is None for grant in grants].count(True) == 1
    assert await reception.sealed(vault.refresh_token(in_force or "")) is not None
    assert {handshake.step for handshake in reception.handshakes(account)} == {HandshakeStep.DONE}
    assert (await minted(mint, account)).grant_id == in_force
    assert topics(reception).count("authorization.renewed") == 2


async def test_a_look_of_a_grant_that_was_replaced_proves_nothing(
    reception: Reception, account: Account
) -> None:
    reception.api.fail(AmazonUnavailable)
    await reception.connect(account, SHOP)
    second = reception.grants(account)[1]
    await reception.connect(account, SHOP)
    reception.api.clear()
    looks = reception.consent._looks
    async with reception.store.transaction() as tx:
        await tx.authorizations.change(reception.authorization(account).id, looks=0)
    token = Secret(
        await reception.sealed(vault.access_token(reception.authorization(account).id)) or ""
    )
    await looks.after_grant(account.id, token, grant_id=second.id)
    assert [await kept(reception, place, account) is None for place in range(3)] == [False] * 3
    await looks.after_grant(account.id, token, grant_id=reception.grants(account)[2].id)
    assert [await kept(reception, place, account) is None for place in range(3)] == [
        True,
        True,
        False,
    ]


async def test_a_refresh_in_flight_ends_with_the_token_of_the_renewal(
    reception: Reception, account: Account, mint: Tokens
) -> None:
    reception.clock.move(hours=2)
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    answer = reception.lwa.refresh

    async def slow(client: object, refresh_token: Secret) -> object:
        reception.lwa.refresh = answer  # type: ignore[method-assign]
        told = await answer(client, refresh_token)  # type: ignore[arg-type]
        await reception.consent.accept(query, trip.browser)
        return told

    reception.lwa.refresh = slow  # type: ignore[method-assign,assignment]
    token = await minted(mint, account)
    assert token.grant_id == reception.grants(account)[1].id
    sealed = await reception.sealed(vault.access_token(reception.authorization(account).id))
    assert sealed == token.value.reveal()


@pytest.mark.parametrize("state", [State.LAPSED, State.REVOKED, State.ACTIVE])
async def test_what_moves_the_account_during_the_exchange_is_overtaken_by_the_renewal(
    reception: Reception, account: Account, state: State
) -> None:
    """The sweep that ends terms, a refusal that the mint heard, an operator's change."""
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    seen = reception.authorization(account)
    with reception.lwa.hold():
        accepting = asyncio.create_task(reception.consent.accept(query, trip.browser))
        await reception.exchanging(2)
        async with reception.store.transaction() as tx:
            await tx.authorizations.change(seen.id, state=state, version=seen.version + 1)
    assert (await accepting).connected
    after = reception.authorization(account)
    assert (after.state, after.version) == (State.ACTIVE, seen.version + 2)
    assert after.grant_id == reception.grants(account)[1].id


async def test_a_process_that_dies_with_the_answer_leaves_the_former_grant_in_force(
    reception: Reception,
    account: Account,
    mint: Tokens,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = reception.authorization(account)
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)

    async def dies(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as dying:
        dying.setattr(reception.consent._grants, "store", dies)
        with pytest.raises(StoreUnavailable):
            await reception.consent.accept(query, trip.browser)
    assert reception.authorization(account) == before
    assert len(reception.grants(account)) == 1
    reception.clock.move(minutes=6)
    (lost,) = await reception.consent.lose_stale(reception.clock.now())
    assert lost.step is HandshakeStep.LOST
    assert (await minted(mint, account)).grant_id == before.grant_id
    failed = reception.outbox("authorization.failed")[-1]
    assert (failed.facts["reason"], failed.facts["renewal"]) == ("lost", True)
    assert failed.facts["reference"] == lost.reference
    assert failed.id in reception.bell.rung
    assert await reception.consent.renewal_link(account.id) is not None


# --- failed, and told --------------------------------------------------------------------------


async def test_a_renewal_by_another_shop_is_told_and_changes_nothing(
    reception: Reception, account: Account
) -> None:
    before = reception.authorization(account)
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, "A2OTHEROTHER")
    refused = await reception.refused(trip, query)
    assert refused.reason == "wrong_selling_partner"
    assert reception.authorization(account) == before
    facts = reception.outbox("authorization.failed")[-1].facts
    assert (facts["reference"], facts["renewal"]) == (refused.reference, True)
    assert facts["reason"] == "wrong_selling_partner"
    assert reception.lwa.count("exchange_code") == 1, "the first consent alone"


async def test_the_same_trouble_is_one_event_and_a_way_is_none(
    reception: Reception, account: Account
) -> None:
    """Pages are loaded again; whoever comes cold from Amazon has failed at nothing."""
    with suppress(ConsentRefused):
        await reception.consent.log_in(reception.log_in_query(account, SHOP), None)
    assert reception.reports(reason="proof_needed")
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, "A2OTHEROTHER")
    for _ in range(3):
        await reception.refused(trip, query)
    assert topics(reception).count("authorization.failed") == 1
