"""What goes wrong in the middle: refused codes, bad weather, dead processes, a database away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from evergrant import letters, vault
from evergrant.errors import (
    AmazonUnavailable,
    ApplicationRefused,
    ConsentRefused,
    EvergrantError,
    SealBroken,
    StoreUnavailable,
    Throttled,
    UnreadableAnswer,
)
from evergrant.ports.amazon import TokenAnswer
from evergrant.ports.store import Transaction
from evergrant.ports.things import HandshakeStep, InvitationState
from evergrant.rules.lifecycle import State
from evergrant.rules.secrecy import Secret
from tests.rooms.conftest import BOSS, SUPPORT, Reception

SHOP = "A1SHOPSHOPSHOP"


def unsent() -> AmazonUnavailable:
    return AmazonUnavailable("No connection.", facts={"sent": False})


# --- the exchange fails ------------------------------------------------------------------------


async def test_a_code_that_is_refused(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    refused = await reception.refused(
        trip, await reception.callback(trip, account, SHOP, spapi_oauth_code="ANmadeup")
    )
    assert refused.reason == "code_refused"
    assert reception.lwa.count("exchange_code") == 1
    assert reception.nothing_stored(account)
    (handshake,) = reception.handshakes(account)
    assert handshake.step is HandshakeStep.FAILED
    assert handshake.outcome == "code_refused"
    assert handshake.reference == refused.reference
    (report,) = reception.reports()
    assert report.facts["said"] == "The request has an invalid grant parameter : code"
    assert report.facts["account_name"] == account.name
    assert "ANmadeup" not in reception.written_down()
    (item,) = reception.outbox("support_report")
    assert item.to == SUPPORT
    assert item.id in reception.bell.rung
    # the same letter serves for the next attempt
    assert await reception.consent.way_back(handshake.id, trip.browser) is not None
    assert (await reception.connect(account, SHOP)).connected


async def test_a_code_older_than_five_minutes(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    reception.clock.move(minutes=6)
    assert (await reception.refused(trip, query)).reason == "code_refused"
    assert reception.nothing_stored(account)


@pytest.mark.parametrize(
    ("failure", "reason", "blame"),
    [
        (AmazonUnavailable, "amazon_unavailable", "amazon"),
        (Throttled, "amazon_unavailable", "amazon"),
        (UnreadableAnswer, "amazon_unavailable", "amazon"),
        (
            lambda: ApplicationRefused("invalid_client", "Client authentication failed"),
            "application_refused",
            "application",
        ),
    ],
    ids=["unavailable", "throttled", "unreadable", "invalid_client"],
)
async def test_weather_during_the_exchange(
    reception: Reception, failure: Callable[[], EvergrantError], reason: str, blame: str
) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    reception.lwa.fail(failure, times=1)
    refused = await reception.refused(trip, query)
    assert (refused.reason, refused.facts["blame"]) == (reason, blame)
    assert reception.lwa.count("exchange_code") == 1, "LWA may have seen the code"
    assert reception.nothing_stored(account)
    again = await reception.refused(trip, query)
    assert (again.reason, again.reference) == (refused.reason, refused.reference)
    assert reception.lwa.count("exchange_code") == 1
    with pytest.raises(ConsentRefused):
        await reception.consent.outcome(trip.departure.handshake_id, trip.browser)
    assert (await reception.connect(account, SHOP)).connected


async def test_one_more_try_when_nothing_was_sent(reception: Reception) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    reception.lwa.fail(unsent, times=1)
    query = await reception.callback(trip, account, SHOP)
    assert (await reception.consent.accept(query, trip.browser)).connected
    assert reception.lwa.count("exchange_code") == 2
    second = await reception.begin(account)
    reception.lwa.fail(unsent)
    refused = await reception.refused(second, await reception.callback(second, account, SHOP))
    assert refused.reason == "amazon_unavailable"
    assert reception.lwa.count("exchange_code") == 4, "one more try, not many"


async def test_a_refused_application_is_noted_and_no_account_is_marked(
    reception: Reception,
) -> None:
    account = await reception.add_account()
    await reception.connect(account, SHOP)
    before = reception.authorization(account)
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    reception.lwa.fail(lambda: ApplicationRefused("invalid_client"), times=1)
    await reception.refused(trip, query)
    assert reception.authorization(account) == before
    assert "application.trouble_began" in reception.verbs()
    await reception.connect(account, SHOP)
    assert "application.trouble_ended" in reception.verbs()


async def test_a_fault_of_our_own_is_told_at_once(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise SealBroken

    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    monkeypatch.setattr(reception.registry, "lwa_client", broken)
    refused = await reception.refused(trip, query)
    assert (refused.reason, refused.facts["blame"]) == ("seal_broken", "us")
    again = await reception.refused(trip, query)
    assert (again.reason, again.reference) == (refused.reason, refused.reference)
    assert again.facts["blame"] == "us"
    assert reception.lwa.calls == []


async def test_an_answer_without_a_refresh_token(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def half(*_: Any) -> TokenAnswer:
        return TokenAnswer(access_token=Secret("Atza|x"), expires_in_s=3600)

    account = await reception.add_account()
    trip = await reception.begin(account)
    monkeypatch.setattr(reception.lwa, "exchange_code", half)
    refused = await reception.refused(trip, await reception.callback(trip, account, SHOP))
    assert refused.reason == "amazon_unavailable"
    assert reception.nothing_stored(account)


async def test_a_fresh_link_is_ready_when_the_old_one_is_over(reception: Reception) -> None:
    account = await reception.add_account()
    link = await reception.link(account)
    reception.clock.move(days=13, hours=23, minutes=55)
    trip = await reception.begin(account)
    reception.clock.move(minutes=6)
    with pytest.raises(ConsentRefused):
        await reception.consent.open(link)
    query = await reception.callback(trip, account, SHOP, spapi_oauth_code="ANmadeup")
    await reception.refused(trip, query)
    again = await reception.consent.way_back(trip.departure.handshake_id, trip.browser)
    assert again is not None
    assert not again.reveal().endswith(link)
    assert reception.outbox("invitation") == [], "nobody is written to by a machine"


async def test_no_support_address_means_no_letter_but_a_report() -> None:
    reception = Reception(support_email="")
    reception.instance = await reception.add_instance()
    reception.application = await reception.add_application()
    account = await reception.add_account()
    trip = await reception.begin(account)
    await reception.refused(
        trip, await reception.callback(trip, account, SHOP, spapi_oauth_code="ANmadeup")
    )
    assert len(reception.reports()) == 1
    assert reception.outbox() == []


# --- the browser goes away ---------------------------------------------------------------------


async def test_a_browser_that_hangs_up_does_not_take_the_grant_with_it(
    reception: Reception,
) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    with reception.lwa.hold():
        request = asyncio.create_task(reception.consent.accept(query, trip.browser))
        await reception.exchanging(1)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        waiting = await reception.consent.accept(query, trip.browser)
        assert not waiting.connected
    for _ in range(1000):
        if reception.authorization(account).state is State.ACTIVE:
            break
        await asyncio.sleep(0)
    arrived = await reception.consent.outcome(trip.departure.handshake_id, trip.browser)
    assert arrived.connected


# --- the process dies --------------------------------------------------------------------------


async def crash_in_exchange(reception: Reception, account: Any) -> Any:
    """LWA did its work; the process dies before anything is stored."""
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    with reception.lwa.hold():
        request = asyncio.create_task(reception.consent.accept(query, trip.browser))
        await reception.exchanging(1)
        (finishing,) = reception.consent._arrivals._finishing
        finishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    reception.consent = reception.another()
    return trip, query


async def test_a_process_that_dies_between_exchange_and_commit(reception: Reception) -> None:
    account = await reception.add_account()
    await reception.consent.invite(account.id, by=BOSS)
    trip, query = await crash_in_exchange(reception, account)
    assert reception.nothing_stored(account)
    waiting = await reception.consent.accept(query, trip.browser)
    assert not waiting.connected, "nobody can know yet whether it is merely slow"
    reception.clock.move(minutes=5)
    assert await reception.consent.lose_stale(reception.clock.now()) == []

    reception.clock.move(seconds=1)
    now = reception.clock.now()
    lost = await reception.consent.lose_stale(now)
    assert [one.id for one in lost] == [trip.departure.handshake_id]
    assert lost[0].step is HandshakeStep.LOST
    assert await reception.consent.lose_stale(now) == [], "told once"
    assert "handshake.lost" in reception.verbs(account)
    (report,) = reception.reports(reason="lost")
    assert report.account_id == account.id
    assert report.blame == "us"
    assert lost[0].reference == report.reference

    (item,) = reception.outbox("authorization_interrupted")
    assert item.to == SUPPORT
    assert item.id in reception.bell.rung
    known = await reception.consent.letter_facts(item)
    assert known is not None
    assert known.link is not None
    facts = {**known.facts, "link": known.link.reveal()}
    words = letters.render(item.topic, item.language, facts)
    assert known.link.reveal() in words.text
    assert account.name in words.text
    assert report.reference in words.text
    assert len(reception.outbox("invitation")) == 1, "the partner is not mailed by a machine"

    refused = await reception.refused(trip, query)
    assert (refused.reason, refused.reference) == ("lost", report.reference)
    assert reception.lwa.count("exchange_code") == 1, "no second exchange was tried"

    # the fresh link works
    opened = await reception.consent.open(known.link.reveal().rpartition("/")[2])
    assert opened.account_id == account.id
    assert (await reception.connect(account, SHOP)).connected


async def test_several_clock_towers_lose_it_once(reception: Reception) -> None:
    account = await reception.add_account()
    await crash_in_exchange(reception, account)
    reception.clock.move(minutes=6)
    towers = [reception.another() for _ in range(3)]
    found = await asyncio.gather(*(one.lose_stale(reception.clock.now()) for one in towers))
    assert sum(map(len, found)) == 1
    assert reception.verbs(account).count("handshake.lost") == 1
    assert len(reception.outbox("authorization_interrupted")) == 1


async def test_a_lost_handshake_of_an_account_closed_meanwhile(reception: Reception) -> None:
    account = await reception.add_account()
    await crash_in_exchange(reception, account)
    async with reception.store.transaction() as tx:
        await tx.authorizations.change(reception.authorization(account).id, state=State.CLOSED)
    reception.clock.move(minutes=6)
    assert len(await reception.consent.lose_stale(reception.clock.now())) == 1
    assert reception.outbox("authorization_interrupted") == []


async def test_a_lost_link_near_its_end_is_replaced(reception: Reception) -> None:
    account = await reception.add_account()
    await reception.link(account)
    reception.clock.move(days=12)
    await crash_in_exchange(reception, account)
    reception.clock.move(minutes=6)
    await reception.consent.lose_stale(reception.clock.now())
    old, fresh = reception.invitations(account)
    assert old.state is InvitationState.WITHDRAWN
    assert fresh.state is InvitationState.OPEN
    assert fresh.expires_at == reception.clock.now() + timedelta(days=14)


async def test_a_handshake_given_up_is_not_finished_behind_our_back(
    reception: Reception,
) -> None:
    """The exchange took longer than anybody waits: it was called lost, and stays so."""
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    with reception.lwa.hold():
        request = asyncio.create_task(reception.consent.accept(query, trip.browser))
        await reception.exchanging(1)
        reception.clock.move(minutes=4)
        assert await reception.consent.lose_stale(reception.clock.now()) == []
        reception.clock.move(minutes=0.5)
        await reception.consent.lose_stale(reception.clock.now() + timedelta(minutes=2))
    with pytest.raises(ConsentRefused) as caught:
        await request
    assert caught.value.reason in ("lost", "code_refused")
    assert reception.nothing_stored(account)


# --- the database goes away --------------------------------------------------------------------


class Outage:
    """The store's next commits fail; with ``after`` the commit itself went through unseen."""

    def __init__(self, reception: Reception, times: int, *, after: bool = False) -> None:
        self.left = times
        self.after = after
        self.reception = reception
        self.real = reception.store.transaction

    def transaction(self) -> Any:
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        fails = self.left > 0
        self.left -= 1
        if fails and not self.after:
            raise StoreUnavailable
        async with self.real() as tx:
            yield tx
        if fails:
            raise StoreUnavailable


async def outage_after_exchange(
    reception: Reception, monkeypatch: pytest.MonkeyPatch, times: int, *, after: bool = False
) -> None:
    exchange = reception.lwa.exchange_code

    async def then_break(*given: Any) -> TokenAnswer:
        answer = await exchange(*given)
        outage = Outage(reception, times, after=after)
        monkeypatch.setattr(reception.store, "transaction", outage.transaction)
        return answer

    monkeypatch.setattr(reception.lwa, "exchange_code", then_break)


@pytest.mark.parametrize("after", [False, True])
async def test_a_database_that_restarts_loses_no_grant(
    reception: Reception, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    await outage_after_exchange(reception, monkeypatch, 1 if after else 3, after=after)
    arrived = await reception.consent.accept(query, trip.browser)
    assert arrived.connected
    assert len(reception.grants(account)) == 1
    assert reception.authorization(account).version == 1


async def test_a_database_that_stays_away_leaves_a_handshake_to_be_lost(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await reception.add_account()
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    await outage_after_exchange(reception, monkeypatch, 4)
    with pytest.raises(StoreUnavailable):
        await reception.consent.accept(query, trip.browser)
    assert reception.nothing_stored(account)
    (handshake,) = reception.handshakes(account)
    assert handshake.step is HandshakeStep.SPENT
    reception.clock.move(minutes=6)
    assert len(await reception.consent.lose_stale(reception.clock.now())) == 1


async def test_a_commit_is_whole_or_nothing(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The safe breaks in the middle of storing: no grant, no state, no event without it."""
    instance = await reception.add_instance(webhook_url="https://erp.example/hook")
    account = await reception.add_account(instance=instance)
    trip = await reception.begin(account)
    query = await reception.callback(trip, account, SHOP)
    put = reception.vault.put

    async def breaks(tx: Transaction, name: str, *given: Any, **more: Any) -> None:
        if name == vault.access_token(reception.authorization(account).id):
            raise StoreUnavailable
        await put(tx, name, *given, **more)

    monkeypatch.setattr(reception.vault, "put", breaks)
    with pytest.raises(StoreUnavailable):
        await reception.consent.accept(query, trip.browser)
    assert reception.nothing_stored(account)
    assert reception.outbox("authorization.granted") == []
    assert "authorization.granted" not in reception.verbs()
    assert not [name for name in reception.store.rows["safe"] if "refresh_token" in name]
