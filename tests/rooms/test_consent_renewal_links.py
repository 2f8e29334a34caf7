"""How people come back to an account that ended, or is about to: links, and Amazon's own button."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from evergrant.consent import NeedsProof, Onward
from evergrant.errors import ConsentRefused
from evergrant.ports.things import Account, InvitationState
from evergrant.rules.applications import ApplicationKind
from evergrant.rules.lifecycle import State
from tests.rooms.conftest import BOSS, Reception, Trip, query_of

SHOP = "A1SHOPSHOPSHOP"


@pytest.fixture
async def account(reception: Reception) -> Account:
    """Connected, and its grant passed a call."""
    reception.sells(SHOP)
    instance = await reception.add_instance(webhook_url="https://erp.example/hook")
    made = await reception.add_account(instance=instance)
    await reception.connect(made, SHOP)
    return made


# --- begun at Amazon: "Re-authorize" ----------------------------------------------------------


STATES = [State.ACTIVE, State.LAPSED, State.REVOKED]


async def became(reception: Reception, account: Account, state: State) -> None:
    async with reception.store.transaction() as tx:
        await tx.authorizations.change(reception.authorization(account).id, state=state)


@pytest.mark.parametrize("leg", [True, False], ids=["by the log-in leg", "directly"])
@pytest.mark.parametrize("state", STATES)
async def test_who_pressed_our_button_goes_through_without_a_stop(
    reception: Reception, account: Account, state: State, leg: bool
) -> None:
    """Signed in with us, as far as one can be; then Re-authorize at Amazon, or its consent page."""
    await became(reception, account, state)
    trip = await reception.begin(account)
    if leg:
        step = await reception.consent.log_in(reception.log_in_query(account, SHOP), trip.browser)
        assert isinstance(step, Onward)
        assert query_of(step.location)["state"] == trip.state
    query = await reception.callback(trip, account, SHOP)
    assert (await reception.consent.accept(query, trip.browser)).renewal
    assert reception.authorization(account).state is State.ACTIVE
    assert reception.outbox("authorization.renewed")


@pytest.mark.parametrize("state", STATES)
async def test_who_comes_cold_is_one_letter_away(
    reception: Reception, account: Account, state: State
) -> None:
    await became(reception, account, state)
    reception.clock.move(days=2)
    step = await reception.consent.log_in(reception.log_in_query(account, SHOP), None)
    assert isinstance(step, NeedsProof)
    (item,) = reception.outbox("renewal")
    facts = await reception.consent.letter_facts(item)
    assert facts is not None
    assert facts.link is not None
    trip = Trip(await reception.consent.begin(facts.link.reveal().rpartition("/")[2], None))
    query = await reception.callback(trip, account, SHOP)
    assert (await reception.consent.accept(query, trip.browser)).renewal
    assert reception.authorization(account).state is State.ACTIVE


async def test_a_reminder_of_the_same_day_is_letter_enough(
    reception: Reception, account: Account
) -> None:
    """Whoever was reminded this morning and presses Re-authorize at Amazon has the link."""
    async with reception.store.transaction() as tx:
        await reception.consent.put_renewal_letter(
            tx, account.id, now=reception.clock.now(), topic="authorization_ending", facts={}
        )
    await reception.consent.log_in(reception.log_in_query(account, SHOP), None)
    assert reception.outbox("renewal") == []
    reception.clock.move(days=1, seconds=1)
    await reception.consent.log_in(reception.log_in_query(account, SHOP), None)
    assert len(reception.outbox("renewal")) == 1


@pytest.mark.parametrize("state", STATES)
async def test_another_shop_is_stopped_before_amazon_connects_it(
    reception: Reception, account: Account, state: State
) -> None:
    await became(reception, account, state)
    before = reception.authorization(account)
    trip = await reception.begin(account)
    with pytest.raises(ConsentRefused) as refused:
        await reception.consent.log_in(
            reception.log_in_query(account, "A2OTHEROTHER"), trip.browser
        )
    assert refused.value.reason == "wrong_selling_partner"
    assert reception.authorization(account) == before
    # The same browser, signed in as the right one, goes on.
    again = await reception.consent.log_in(reception.log_in_query(account, SHOP), trip.browser)
    assert isinstance(again, Onward)
    query = await reception.callback(trip, account, SHOP)
    assert (await reception.consent.accept(query, trip.browser)).connected


# --- links -------------------------------------------------------------------------------------


async def test_a_renewal_link_is_the_open_one_or_a_fresh_one(
    reception: Reception, account: Account
) -> None:
    made = len(reception.invitations(account))
    link = await reception.consent.renewal_link(account.id)
    assert link is not None
    assert (await reception.consent.open(link.reveal().rpartition("/")[2])).renewal
    for _ in range(20):
        assert await reception.consent.renewal_link(account.id) == link
    assert len(reception.invitations(account)) == made + 1
    assert not reception.outbox("renewal"), "nobody is mailed"
    assert link.reveal() not in reception.written_down()


async def test_many_at_once_are_given_one_fresh_link(
    reception: Reception, account: Account
) -> None:
    made = len(reception.invitations(account))
    other = reception.another()
    links = await asyncio.gather(
        *(room.renewal_link(account.id) for room in (reception.consent, other) for _ in range(10))
    )
    assert len({link.reveal() for link in links if link}) == 1
    assert None not in links
    assert len(reception.invitations(account)) == made + 1


async def test_a_fresh_link_is_made_once_in_a_fortnight(
    reception: Reception, account: Account
) -> None:
    link = await reception.consent.renewal_link(account.id)
    assert link is not None
    await reception.consent.decline(link.reveal().rpartition("/")[2])
    assert await reception.consent.renewal_link(account.id) is None
    reception.clock.move(days=13)
    assert await reception.consent.renewal_link(account.id) is None
    reception.clock.move(days=1, seconds=1)
    assert await reception.consent.renewal_link(account.id) is not None


async def test_an_e_mail_that_was_corrected_gets_a_link_of_its_own(
    reception: Reception, account: Account
) -> None:
    """The former address keeps nothing that opens, and the new one need not wait a fortnight."""
    await reception.consent.invite(account.id, by=BOSS)
    (waiting,) = reception.outbox("renewal")
    before = await reception.consent.renewal_link(account.id)
    assert before is not None
    await reception.accounts.change(account.id, {"client_email": "new-owner@shop.example"}, by=BOSS)
    assert await reception.consent.letter_facts(waiting) is None, "it would reach the former one"
    with pytest.raises(ConsentRefused):
        await reception.consent.open(before.reveal().rpartition("/")[2])
    reception.tick()
    after = await reception.consent.renewal_link(account.id)
    assert after is not None
    assert after != before
    assert reception.invitations(account)[-1].email == "new-owner@shop.example"


async def test_a_link_that_was_used_makes_room_for_the_next(
    reception: Reception, account: Account
) -> None:
    link = await reception.consent.renewal_link(account.id)
    assert link is not None
    trip = Trip(await reception.consent.begin(link.reveal().rpartition("/")[2], None))
    query = await reception.callback(trip, account, SHOP)
    await reception.consent.accept(query, trip.browser)
    assert reception.invitations(account)[-1].state is InvitationState.SPENT
    assert await reception.consent.renewal_link(account.id) is not None


async def closed(reception: Reception, account: Account) -> None:
    await reception.accounts.close(account.id, by=BOSS)


async def private(reception: Reception, account: Account) -> None:
    async with reception.store.transaction() as tx:
        await tx.applications.change(account.application_id, kind=ApplicationKind.PRIVATE)


async def incomplete(reception: Reception, account: Account) -> None:
    async with reception.store.transaction() as tx:
        await tx.credentials.change(account.application_id, secret_set=False)


@pytest.mark.parametrize("why", [closed, private, incomplete])
async def test_where_nobody_can_renew_there_is_neither_link_nor_letter(
    reception: Reception, account: Account, why: Callable[[Reception, Account], object]
) -> None:
    made = reception.invitations(account)
    await why(reception, account)  # type: ignore[misc]
    assert await reception.consent.renewal_link(account.id) is None
    assert await reception.consent.renewal_link("acc_unknown") is None
    async with reception.store.transaction() as tx:
        item = await reception.consent.put_renewal_letter(
            tx, account.id, now=reception.clock.now(), topic="authorization_ending", facts={}
        )
    assert item is None
    assert [one.id for one in reception.invitations(account)] == [one.id for one in made]


async def test_letters_about_one_end_share_a_link_while_it_lives_long_enough(
    reception: Reception, account: Account
) -> None:
    async def letter() -> str:
        async with reception.store.transaction() as tx:
            item = await reception.consent.put_renewal_letter(
                tx,
                account.id,
                now=reception.clock.now(),
                topic="authorization_ending",
                facts={"days_left": 30, "over": False},
            )
        assert item is not None
        assert (item.topic, item.to) == ("authorization_ending", account.client_email)
        assert item.facts["days_left"] == 30
        return item.subject

    first = await letter()
    reception.clock.move(days=5)
    assert await letter() == first
    reception.clock.move(days=2)
    second = await letter()
    assert second != first, "it would be over before the next letter comes"
    shown = await reception.consent.renewal_link(account.id)
    assert shown is not None
    opened = await reception.consent.open(shown.reveal().rpartition("/")[2])
    assert opened.invitation_id == second
