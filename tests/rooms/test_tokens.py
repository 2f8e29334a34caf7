"""The mint. First what must never happen, then what it may cost, then what Amazon may say."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import traceback
import tracemalloc
from collections.abc import Callable
from datetime import timedelta

import pytest

from evergrant import notices
from evergrant import vault as safe
from evergrant.errors import (
    AccountClosed,
    AmazonUnavailable,
    ApplicationIncomplete,
    ApplicationRefused,
    CallDenied,
    EvergrantError,
    GrantLapsed,
    GrantRefused,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotYetAuthorized,
    PartnerError,
    SealBroken,
    StoreUnavailable,
    Throttled,
    UnreadableAnswer,
)
from evergrant.ports.things import OutboxKind
from evergrant.rules.applications import NOTIFICATIONS_SCOPE, ROTATION_SCOPE
from evergrant.rules.lifecycle import State
from evergrant.rules.marketplaces import Region
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right
from evergrant.testing.lwa import REFUSED_GRANT
from evergrant.tokens import LONGEST_MIN_TTL_S, AccessToken
from evergrant.tokens.denials import FIRST_PAUSE_S
from tests.rooms.mint_ground import OPERATOR, PROGRAM, Ground, Held, until

HOUR = 3600


@pytest.fixture
def ground() -> Ground:
    return Ground()


@pytest.fixture
async def held(ground: Ground) -> Held:
    return await ground.account(await ground.application(), await ground.instance())


# --- never the token of another ---------------------------------------------------------------


async def test_each_account_gets_the_token_of_its_own_grant(ground: Ground) -> None:
    application, instance = await ground.application(), await ground.instance()
    shops = [await ground.account(application, instance) for _ in range(20)]
    for process in (ground.here, ground.there):
        tokens = await asyncio.gather(*(ground.mint(shop, process) for shop in shops))
        assert [ground.about(token) for token in tokens] == [shop.about for shop in shops]
        assert [token.account_id for token in tokens] == [shop.account_id for shop in shops]


async def test_one_seller_in_two_applications_and_two_regions_has_four_tokens(
    ground: Ground,
) -> None:
    instance = await ground.instance()
    shops = {}
    for name in ("one", "two"):
        application = await ground.application()
        for region in (Region.EU, Region.NA):
            shops[name, region] = await ground.account(
                application,
                instance,
                region=region,
                selling_partner_id="ASAMESELLER",
                about=f"{name} {region}",
            )
    for (name, region), shop in shops.items():
        token = await ground.mint(shop)
        assert ground.about(token) == f"{name} {region}"
        assert token.region is region
        again = ground.here.at_hand(shop.account_id, by=PROGRAM)
        assert again is not None
        assert again.value == token.value


async def test_whatever_fails_and_whoever_is_quicker_no_token_goes_astray(
    ground: Ground,
) -> None:
    dice = random.Random(20260302)
    application, instance = await ground.application(), await ground.instance()
    other = await ground.application()
    shops = [await ground.account(dice.choice([application, other]), instance) for _ in range(12)]
    troubles: list[Callable[[], EvergrantError]] = [
        AmazonUnavailable,
        UnreadableAnswer,
        lambda: GrantRefused(REFUSED_GRANT),
    ]
    served = 0
    for _ in range(40):
        ground.clock.move(seconds=dice.choice([0, 30, 1700, HOUR]))
        ground.watch.at_s += dice.choice([0, 0.4, 2, 30])
        if dice.random() < 0.5:
            ground.lwa.fail(dice.choice(troubles), times=dice.randint(1, 2))
        asked = [dice.choice(shops) for _ in range(15)]
        answers = await asyncio.gather(
            *(
                ground.mint(
                    shop,
                    dice.choice([ground.here, ground.there]),
                    min_ttl_s=dice.choice([0, 60, 2000]),
                )
                for shop in asked
            ),
            return_exceptions=True,
        )
        ground.lwa.clear()
        for shop, answer in zip(asked, answers, strict=True):
            if isinstance(answer, AccessToken):
                served += 1
                assert ground.about(answer) == shop.about
                assert answer.account_id == shop.account_id
                assert answer.expires_at > ground.clock.now()
            else:
                assert isinstance(answer, EvergrantError)
    assert served > 100, "the storm was so strong that nothing was tried"


async def test_a_sealed_token_that_was_moved_to_another_account_is_not_served(
    ground: Ground,
) -> None:
    application, instance = await ground.application(), await ground.instance()
    mine = await ground.account(application, instance)
    theirs = await ground.account(application, instance)
    await ground.mint(theirs)
    async with ground.store.transaction() as tx:
        stolen = await tx.safe.get(safe.access_token(theirs.authorization_id))
        assert stolen is not None
        await tx.safe.put(dataclasses.replace(stolen, id=safe.access_token(mine.authorization_id)))
    token = await ground.mint(mine)
    assert ground.about(token) == mine.about


async def test_a_refresh_token_that_was_moved_to_another_grant_is_never_shown_to_amazon(
    ground: Ground,
) -> None:
    application, instance = await ground.application(), await ground.instance()
    mine = await ground.account(application, instance)
    theirs = await ground.account(application, instance)
    async with ground.store.transaction() as tx:
        stolen = await tx.safe.get(safe.refresh_token(theirs.grant_id))
        assert stolen is not None
        await tx.safe.put(dataclasses.replace(stolen, id=safe.refresh_token(mine.grant_id)))
    with pytest.raises(SealBroken):
        await ground.mint(mine)
    assert ground.lwa.count() == 0


async def test_a_grant_that_is_replaced_while_amazon_thinks_leaves_nothing_behind(
    ground: Ground,
) -> None:
    application, instance = await ground.application(), await ground.instance()
    old = await ground.account(application, instance, about="old grant")
    with ground.lwa.hold():
        waiting = asyncio.create_task(ground.mint(old))
        await until("the question to Amazon", lambda: ground.lwa.count("refresh") == 1)
        new = await ground.grant(
            old.account_id, old.authorization_id, application, about="new grant"
        )
    token = await waiting
    assert ground.about(token) == "new grant"
    assert token.grant_id == new.grant_id
    for process in (ground.here, ground.there, ground.process()):
        assert ground.about(await ground.mint(old, process)) == "new grant"


async def test_after_a_renewal_the_remembered_token_is_not_used(ground: Ground) -> None:
    application, instance = await ground.application(), await ground.instance()
    held = await ground.account(application, instance, about="old grant")
    await ground.mint(held)
    await ground.grant(held.account_id, held.authorization_id, application, about="new grant")
    async with ground.store.transaction() as tx:
        await ground.vault.drop(tx, safe.access_token(held.authorization_id))
    ground.watch.at_s += 1.1
    assert ground.here.at_hand(held.account_id, by=PROGRAM) is None
    assert ground.about(await ground.mint(held)) == "new grant"


async def test_who_may_not_have_it_gets_nothing_however_warm_it_is(
    ground: Ground, held: Held
) -> None:
    await ground.mint(held)
    elsewhere = dataclasses.replace(PROGRAM, client_instance_id="ins_of_somebody_else")
    reader = dataclasses.replace(PROGRAM, rights=frozenset({Right.READ, Right.WRITE}))
    for caller, refusal in ((elsewhere, NotFound), (reader, NotAllowed)):
        assert ground.here.at_hand(held.account_id, by=caller) is None
        with pytest.raises(refusal):
            await ground.here.mint(held.account_id, by=caller)
    unknown = held.account_id[:-1] + ("0" if held.account_id[-1] != "0" else "1")
    with pytest.raises(NotFound) as missing:
        await ground.here.mint(unknown, by=PROGRAM)
    with pytest.raises(NotFound) as hidden:
        await ground.here.mint(held.account_id, by=elsewhere)
    assert str(missing.value) == str(hidden.value), "out of reach looks like not there"


async def test_a_closed_account_is_served_for_a_second_at_most(ground: Ground, held: Held) -> None:
    await ground.mint(held)
    async with ground.store.transaction() as tx:
        await tx.authorizations.change(held.authorization_id, state=State.CLOSED)
    ground.watch.at_s += 1.0
    assert ground.here.at_hand(held.account_id, by=PROGRAM) is None
    with pytest.raises(AccountClosed):
        await ground.mint(held)


async def test_an_account_that_is_closed_while_amazon_thinks_gets_nothing(
    ground: Ground, held: Held
) -> None:
    with ground.lwa.hold():
        waiting = asyncio.create_task(ground.mint(held))
        await until("the question to Amazon", lambda: ground.lwa.count() == 1)
        async with ground.store.transaction() as tx:
            await tx.authorizations.change(held.authorization_id, state=State.CLOSED)
    with pytest.raises(AccountClosed):
        await waiting
    async with ground.store.transaction() as tx:
        assert await tx.safe.get(safe.access_token(held.authorization_id)) is None


# --- what it costs ----------------------------------------------------------------------------


async def test_fifty_callers_in_two_processes_cost_one_call(ground: Ground, held: Held) -> None:
    with ground.lwa.hold():
        waiting = [
            asyncio.create_task(ground.mint(held, process))
            for process in (ground.here, ground.there)
            for _ in range(25)
        ]
        await until("the question to Amazon", lambda: ground.lwa.count() == 1)
    tokens = await asyncio.gather(*waiting)
    assert ground.lwa.count() == 1
    assert len({token.value.reveal() for token in tokens}) == 1


async def test_a_caller_that_leaves_does_not_end_the_refresh_for_the_others(
    ground: Ground, held: Held
) -> None:
    with ground.lwa.hold():
        impatient = asyncio.create_task(ground.mint(held))
        patient = asyncio.create_task(ground.mint(held))
        await until("the question to Amazon", lambda: ground.lwa.count() == 1)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
    assert ground.about(await patient) == held.about
    assert ground.lwa.count() == 1


async def test_when_every_caller_left_the_token_still_arrives(ground: Ground, held: Held) -> None:
    with ground.lwa.hold():
        only = asyncio.create_task(ground.mint(held))
        await until("the question to Amazon", lambda: ground.lwa.count() == 1)
        only.cancel()
        await asyncio.gather(only, return_exceptions=True)
    await ground.here.close()
    await ground.mint(held)
    assert ground.lwa.count() == 1


async def test_closing_waits_for_what_is_under_way_but_not_for_ever(
    ground: Ground, held: Held
) -> None:
    with ground.lwa.hold():
        waiting = asyncio.create_task(ground.mint(held))
        await until("the question to Amazon", lambda: ground.lwa.count() == 1)
        await ground.here.close(within_s=0.01)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ground.about(await ground.mint(held, ground.there)) == held.about, "the lock is free"


async def test_a_token_from_the_code_exchange_costs_no_call(ground: Ground, held: Held) -> None:
    client = await ground.registry.lwa_client((await ground.authorization(held)).application_id)
    exchanged = await ground.lwa.refresh(client, held.refresh_token)
    ground.lwa.calls.clear()
    async with ground.store.transaction() as tx:
        await ground.vault.put(
            tx,
            safe.access_token(held.authorization_id),
            exchanged.access_token,
            now=ground.clock.now(),
            expires_at=ground.clock.now() + timedelta(seconds=exchanged.expires_in_s),
        )
    token = await ground.mint(held)
    assert token.value == exchanged.access_token
    assert ground.lwa.count() == 0


async def test_accounts_read_three_times_cost_one_call_and_little_memory_each(
    ground: Ground,
) -> None:
    application, instance = await ground.application(), await ground.instance()
    shops = [await ground.account(application, instance) for _ in range(200)]
    for shop in shops:
        await ground.mint(shop, ground.there)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for shop in shops:
            await ground.mint(shop)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    await asyncio.gather(*map(ground.mint, shops))
    assert ground.lwa.count() == len(shops)
    assert 0 < after - before < 4096 * len(shops)


async def test_memory_is_bounded(ground: Ground) -> None:
    application, instance = await ground.application(), await ground.instance()
    process = ground.process(most_accounts=3)
    shops = [await ground.account(application, instance) for _ in range(6)]
    for shop in shops:
        await ground.mint(shop, process)
    at_hand = [process.at_hand(shop.account_id, by=PROGRAM) is not None for shop in shops]
    assert at_hand == [False, False, False, True, True, True]
    assert ground.about(await ground.mint(shops[0], process)) == shops[0].about
    assert ground.lwa.count() == 6, "the safe still had it"


async def test_the_hot_path_asks_the_database_once_a_second(ground: Ground, held: Held) -> None:
    await ground.mint(held)
    asked = ground.memory.memory_quick.asked
    for _ in range(100):
        await ground.mint(held)
        assert ground.here.at_hand(held.account_id, by=PROGRAM) is not None
    assert ground.memory.memory_quick.asked == asked
    ground.watch.at_s += 1.1
    await ground.mint(held)
    assert ground.memory.memory_quick.asked == asked + 1


# --- how long it lives ------------------------------------------------------------------------


@pytest.mark.parametrize("min_ttl_s", [0, 60, 600, 1800, 3200, LONGEST_MIN_TTL_S])
async def test_min_ttl_is_a_promise(ground: Ground, held: Held, min_ttl_s: int) -> None:
    warm_answers = 0
    for _ in range(80):
        token = await ground.mint(held, min_ttl_s=min_ttl_s)
        assert token.expires_at - ground.clock.now() >= timedelta(seconds=min_ttl_s + 60)
        warm = ground.here.at_hand(held.account_id, by=PROGRAM, min_ttl_s=min_ttl_s)
        if warm is not None:
            warm_answers += 1
            assert warm.expires_at - ground.clock.now() >= timedelta(seconds=min_ttl_s + 60)
        ground.clock.move(seconds=97)
        await ground.here.close()
    assert warm_answers


@pytest.mark.parametrize("min_ttl_s", [-1, LONGEST_MIN_TTL_S + 1, 10**9])
async def test_a_promise_that_nobody_can_keep_is_refused(
    ground: Ground, held: Held, min_ttl_s: int
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await ground.mint(held, min_ttl_s=min_ttl_s)
    assert refused.value.flaws[0].field == "min_ttl"
    assert ground.here.at_hand(held.account_id, by=PROGRAM, min_ttl_s=min_ttl_s) is None
    assert ground.lwa.count() == 0


async def test_who_needs_nearly_the_whole_life_does_not_refresh_at_every_call(
    ground: Ground, held: Held
) -> None:
    for _ in range(20):
        await ground.mint(held, min_ttl_s=3200)
        await ground.here.close()
        ground.clock.move(seconds=5)
    assert ground.lwa.count() == 1


async def test_callers_with_different_needs_share_a_flight_and_keep_their_promises(
    ground: Ground, held: Held
) -> None:
    await ground.mint(held)
    ground.clock.move(seconds=1800)
    fresh = ground.process()
    little, much = await asyncio.gather(
        ground.mint(held, fresh, min_ttl_s=60), ground.mint(held, fresh, min_ttl_s=3000)
    )
    assert little.expires_at - ground.clock.now() >= timedelta(seconds=120)
    assert much.expires_at - ground.clock.now() >= timedelta(seconds=3060)
    assert ground.lwa.count() == 2


async def test_amazon_gives_shorter_tokens_than_asked_for(ground: Ground, held: Held) -> None:
    ground.lwa.expires_in_s = 300
    with pytest.raises(AmazonUnavailable, match="600"):
        await ground.mint(held, min_ttl_s=600)
    assert ground.lwa.count() <= 3
    assert (await ground.mint(held, min_ttl_s=100)).account_id == held.account_id


async def test_a_refresh_ahead_lets_nobody_wait(ground: Ground, held: Held) -> None:
    first = await ground.mint(held)
    ground.clock.move(seconds=HOUR - 600)
    with ground.lwa.hold():
        for _ in range(10):
            assert (await ground.mint(held)).value == first.value
        await until("the refresh in the background", lambda: ground.lwa.count() == 2)
        assert (await ground.mint(held)).value == first.value
    await ground.here.close()
    assert (await ground.mint(held)).value != first.value
    assert ground.lwa.count() == 2


async def test_a_refresh_ahead_in_two_processes_is_one(ground: Ground, held: Held) -> None:
    await ground.mint(held, ground.here)
    await ground.mint(held, ground.there)
    ground.clock.move(seconds=HOUR - 600)
    await ground.mint(held, ground.here)
    await ground.mint(held, ground.there)
    await ground.here.close()
    await ground.there.close()
    one, other = await ground.mint(held, ground.here), await ground.mint(held, ground.there)
    assert one.value == other.value
    assert ground.lwa.count() == 2


async def test_a_token_that_amazon_no_longer_takes_is_not_given_again(
    ground: Ground, held: Held
) -> None:
    bad = await ground.mint(held)
    await ground.mint(held, ground.there)
    good = await ground.mint(held, instead_of=bad.value)
    assert good.value != bad.value
    # The other process still remembers the bad one, and finds the good one in the safe.
    assert (await ground.mint(held, ground.there, instead_of=bad.value)).value == good.value
    assert ground.lwa.count() == 2


# --- weather ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "weather", [AmazonUnavailable, Throttled, UnreadableAnswer], ids=lambda kind: kind.__name__
)
async def test_a_shower_is_waited_out(
    ground: Ground, held: Held, weather: type[EvergrantError]
) -> None:
    ground.lwa.fail(weather, times=2)
    assert ground.about(await ground.mint(held)) == held.about
    assert ground.lwa.count() == 3
    assert ground.watch.slept == [0.2, 0.8]
    assert (await ground.authorization(held)).state is State.ACTIVE


async def test_a_storm_is_told_and_not_made_worse(ground: Ground, held: Held) -> None:
    ground.lwa.fail()
    with pytest.raises(AmazonUnavailable):
        await ground.mint(held)
    tries = ground.lwa.count()
    assert tries == 3
    for _ in range(20):
        with pytest.raises(AmazonUnavailable):
            await ground.mint(held)
    assert ground.lwa.count() == tries, "nobody is sent out during the pause"
    ground.lwa.clear()
    ground.watch.at_s += 0.6
    assert ground.about(await ground.mint(held)) == held.about
    authorization = await ground.authorization(held)
    assert (authorization.state, authorization.refused_at) == (State.ACTIVE, None)
    assert await ground.outbox() == []


async def test_pauses_grow_and_stay_short(ground: Ground, held: Held) -> None:
    ground.lwa.fail()
    spans = []
    for _ in range(6):
        with pytest.raises(AmazonUnavailable):
            await ground.mint(held)
        began, asked = ground.watch.at_s, ground.lwa.count()
        while ground.lwa.count() == asked:
            ground.watch.at_s += 0.1
            with pytest.raises(AmazonUnavailable):
                await ground.mint(held)
        spans.append(ground.watch.at_s - began - sum(ground.watch.slept[-2:]))
        asked = ground.lwa.count()
    assert all(span <= 5.3 for span in spans)


async def test_retries_of_all_accounts_together_are_bounded(ground: Ground) -> None:
    application, instance = await ground.application(), await ground.instance()
    shops = [await ground.account(application, instance) for _ in range(60)]
    ground.lwa.fail()
    answers = await asyncio.gather(*map(ground.mint, shops), return_exceptions=True)
    assert all(isinstance(answer, AmazonUnavailable) for answer in answers)
    retries = ground.lwa.count() - len(shops)
    assert 0 < retries <= 20 + 2 * (sum(ground.watch.slept) + 1)
    assert retries < len(shops)


async def test_no_second_try_when_amazon_asks_for_more_patience_than_we_have(
    ground: Ground, held: Held
) -> None:
    ground.lwa.fail(lambda: Throttled(retry_after_s=30))
    with pytest.raises(Throttled) as told:
        await ground.mint(held)
    assert told.value.retry_after_s == 30
    assert ground.lwa.count() == 1


async def test_a_hanging_amazon_is_not_asked_three_times(ground: Ground, held: Held) -> None:
    def timed_out() -> AmazonUnavailable:
        ground.watch.at_s += 10
        return AmazonUnavailable("no answer within 10 seconds")

    ground.lwa.fail(timed_out)
    with pytest.raises(AmazonUnavailable):
        await ground.mint(held)
    assert ground.lwa.count() == 1


async def test_living_tokens_are_served_while_amazon_is_down(ground: Ground, held: Held) -> None:
    token = await ground.mint(held)
    ground.lwa.fail()
    ground.clock.move(seconds=HOUR - 600)
    for process in (ground.here, ground.there):
        assert (await ground.mint(held, process)).value == token.value
        await process.close()
        assert (await ground.mint(held, process)).value == token.value
    # Also for somebody who was just refused because of a longer need.
    with pytest.raises(AmazonUnavailable):
        await ground.mint(held, ground.process(), min_ttl_s=3000)
    fresh = ground.process()
    with pytest.raises(AmazonUnavailable):
        await ground.mint(held, fresh, min_ttl_s=3000)
    assert (await ground.mint(held, fresh, min_ttl_s=60)).value == token.value
    ground.clock.move(seconds=HOUR)
    with pytest.raises(AmazonUnavailable):
        await ground.mint(held)
    ground.lwa.clear()
    ground.watch.at_s += 6
    assert (await ground.mint(held)).value != token.value


# --- invalid_grant ----------------------------------------------------------------------------


async def test_a_revoked_grant_is_told_at_once_in_amazons_words(ground: Ground, held: Held) -> None:
    token = await ground.mint(held)
    ground.lwa.revoke(held.about)
    ground.clock.move(seconds=2 * HOUR)
    before = ground.lwa.count()
    with pytest.raises(GrantRefused) as told:
        await ground.mint(held)
    assert told.value.reason == REFUSED_GRANT
    assert REFUSED_GRANT in str(told.value)
    assert ground.lwa.count() - before == 2
    assert ground.watch.slept == []
    authorization = await ground.authorization(held)
    assert authorization.state is State.REVOKED
    assert authorization.refused_reason == REFUSED_GRANT
    assert authorization.refused_at == ground.clock.now()
    assert authorization.version == 1
    # And it stays told, in every process, without asking Amazon.
    for process in (ground.here, ground.there, ground.here):
        with pytest.raises(GrantRefused) as again:
            await ground.mint(held, process)
        assert again.value.reason == REFUSED_GRANT
    assert ground.lwa.count() - before == 2
    async with ground.store.transaction() as tx:
        assert await tx.safe.get(safe.access_token(held.authorization_id)) is None
    lines = [line.verb for line in await ground.diary(held.authorization_id)]
    assert lines == ["authorization.revoked"]
    [item] = await ground.outbox()
    assert (item.kind, item.topic) == (OutboxKind.WEBHOOK, "authorization.revoked")
    assert item.subject == held.authorization_id
    assert item.facts["amazon_reason"] == REFUSED_GRANT
    assert item.facts["state"] == "revoked"
    assert await ground.board() == {NoticeKind.GRANT_REFUSED}
    assert ground.bell.rung == [item.id]
    assert token.value.reveal() not in str(item)


async def test_a_herd_at_a_revoked_grant_costs_two_calls(ground: Ground, held: Held) -> None:
    ground.lwa.revoke(held.about)
    answers = await asyncio.gather(
        *(ground.mint(held, process) for process in (ground.here, ground.there) for _ in range(25)),
        return_exceptions=True,
    )
    assert all(isinstance(answer, GrantRefused) for answer in answers)
    assert ground.lwa.count() == 2
    assert len(await ground.diary(held.authorization_id)) == 1


async def test_a_refusal_that_amazon_takes_back_marks_nobody(ground: Ground, held: Held) -> None:
    ground.lwa.fail(lambda: GrantRefused(REFUSED_GRANT), times=1)
    assert ground.about(await ground.mint(held)) == held.about
    authorization = await ground.authorization(held)
    assert (authorization.state, authorization.first_refused_at) == (State.ACTIVE, None)
    assert await ground.diary(held.authorization_id) == []


async def test_a_refusal_that_was_not_confirmed_is_confirmed_by_the_next_caller(
    ground: Ground, held: Held
) -> None:
    said = iter([GrantRefused(REFUSED_GRANT), *[AmazonUnavailable() for _ in range(3)]])
    ground.lwa.fail(lambda: next(said), times=4)
    with pytest.raises(GrantRefused):
        await ground.mint(held)
    authorization = await ground.authorization(held)
    assert authorization.state is State.ACTIVE
    assert authorization.first_refused_at == ground.clock.now()
    before = ground.lwa.count()
    ground.lwa.fail(lambda: GrantRefused(REFUSED_GRANT), times=1)
    with pytest.raises(GrantRefused):
        await ground.mint(held)
    assert ground.lwa.count() - before == 1
    assert (await ground.authorization(held)).state is State.REVOKED


async def test_a_first_refusal_is_forgotten_when_amazon_accepts_again(
    ground: Ground, held: Held
) -> None:
    said = iter([GrantRefused(REFUSED_GRANT), *[AmazonUnavailable() for _ in range(3)]])
    ground.lwa.fail(lambda: next(said), times=4)
    with pytest.raises(GrantRefused):
        await ground.mint(held)
    ground.lwa.clear()
    await ground.mint(held)
    assert (await ground.authorization(held)).first_refused_at is None


async def test_a_refusal_after_the_term_is_a_lapse(ground: Ground) -> None:
    held = await ground.account(
        await ground.application(),
        await ground.instance(),
        term_ends_at=ground.clock.now() + timedelta(days=1),
    )
    ground.clock.move(days=2)
    ground.lwa.revoke(held.about)
    with pytest.raises(GrantLapsed) as told:
        await ground.mint(held)
    assert told.value.facts["amazon_reason"] == REFUSED_GRANT
    assert (await ground.authorization(held)).state is State.LAPSED
    async with ground.store.transaction() as tx:
        [notice] = await tx.notices.all()
    assert notice.message.startswith("The year was over on "), "not that somebody took it back"
    assert REFUSED_GRANT in notice.message
    [item] = await ground.outbox()
    assert item.topic == "authorization.lapsed"
    before = ground.lwa.count()
    with pytest.raises(GrantLapsed):
        await ground.mint(held)
    assert ground.lwa.count() == before


@pytest.mark.parametrize(
    ("left", "state", "kind"),
    [
        (timedelta(hours=23), State.LAPSED, NoticeKind.TERM_OVER),
        (timedelta(hours=25), State.REVOKED, NoticeKind.GRANT_REFUSED),
    ],
)
async def test_a_refusal_within_the_last_day_is_the_end_that_we_know(
    ground: Ground, left: timedelta, state: State, kind: NoticeKind
) -> None:
    """Amazon may count the year in another way than we do."""
    ends_at = ground.clock.now() + timedelta(days=30)
    application, instance = await ground.application(), await ground.instance()
    held = await ground.account(application, instance, term_ends_at=ends_at)
    ground.clock.move(seconds=(timedelta(days=30) - left).total_seconds())
    async with ground.store.transaction() as tx:
        await notices.put(
            tx,
            now=ground.clock.now(),
            kind=NoticeKind.TERM_ENDING,
            subject=held.authorization_id,
            message="soon",
        )
    ground.lwa.revoke(held.about)
    with pytest.raises(PartnerError):
        await ground.mint(held)
    assert (await ground.authorization(held)).state is state
    assert await ground.board() == {kind}, "what ends is over; what hung there is taken down"
    [item] = await ground.outbox()
    assert item.topic == f"authorization.{state.value}"


async def test_a_grant_that_was_revoked_comes_back_with_its_term(ground: Ground) -> None:
    held = await ground.account(await ground.application(), await ground.instance())
    ends_at = (await ground.authorization(held)).term_ends_at
    ground.lwa.revoke(held.about)
    with pytest.raises(GrantRefused):
        await ground.mint(held)
    ground.lwa.reinstate(held.about)
    await ground.here.look_again(held.account_id, by=OPERATOR)
    authorization = await ground.authorization(held)
    assert (authorization.state, authorization.term_ends_at) == (State.ACTIVE, ends_at)
    assert await ground.board() == set()
    assert {item.topic for item in await ground.outbox()} == {
        "authorization.revoked",
        "authorization.renewed",
    }


async def test_the_old_grant_is_refused_because_it_was_just_renewed(ground: Ground) -> None:
    application, instance = await ground.application(), await ground.instance()
    held = await ground.account(application, instance, about="old grant")
    ground.lwa.revoke("old grant")
    with ground.lwa.hold():
        waiting = asyncio.create_task(ground.mint(held))
        await until("the question to Amazon", lambda: ground.lwa.count() == 1)
        await ground.grant(held.account_id, held.authorization_id, application, about="new")
    assert ground.about(await waiting) == "new"
    assert (await ground.authorization(held)).state is State.ACTIVE
    assert await ground.outbox() == []


async def test_without_a_webhook_url_nothing_waits_in_the_outbox(ground: Ground) -> None:
    held = await ground.account(await ground.application(), await ground.instance(webhook=False))
    ground.lwa.revoke(held.about)
    with pytest.raises(GrantRefused):
        await ground.mint(held)
    assert await ground.outbox() == []
    assert (await ground.authorization(held)).state is State.REVOKED


async def test_a_dead_grant_of_one_account_leaves_the_others_alone(ground: Ground) -> None:
    application, instance = await ground.application(), await ground.instance()
    dead = await ground.account(application, instance)
    alive = await ground.account(application, instance)
    ground.lwa.revoke(dead.about)
    with pytest.raises(GrantRefused):
        await ground.mint(dead)
    assert ground.about(await ground.mint(alive)) == alive.about
    assert (await ground.registry.credentials(application, by=SYSTEM)).trouble == ""


@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        (State.AWAITING, NotYetAuthorized),
        (State.LAPSED, GrantLapsed),
        (State.REVOKED, GrantRefused),
        (State.CLOSED, AccountClosed),
    ],
)
async def test_who_cannot_be_served_costs_no_call(
    ground: Ground, state: State, refusal: type[EvergrantError]
) -> None:
    held = await ground.account(await ground.application(), await ground.instance(), state=state)
    for _ in range(3):
        with pytest.raises(refusal):
            await ground.mint(held)
    assert ground.lwa.count() == 0


async def test_who_was_refused_a_moment_ago_and_is_put_right_is_served_at_once(
    ground: Ground,
) -> None:
    application, instance = await ground.application(), await ground.instance()
    held = await ground.account(application, instance, state=State.REVOKED)
    with pytest.raises(GrantRefused):
        await ground.mint(held)
    new = await ground.grant(held.account_id, held.authorization_id, application, about="new")
    assert ground.about(await ground.mint(new)) == "new"


# --- LWA gives, and the Selling Partner API does not take -----------------------------------------


async def test_tokens_that_amazon_never_takes_are_not_fetched_at_every_call(
    ground: Ground, held: Held
) -> None:
    """A thousand calls of a program that are all answered with 403."""
    due_at = ground.clock.now() + timedelta(hours=9)
    async with ground.store.transaction() as tx:
        await tx.authorizations.change(held.authorization_id, probe_due_at=due_at)
    denied = (await ground.mint(held)).value
    for _ in range(2):
        denied = (await ground.mint(held, instead_of=denied)).value
    assert (await ground.authorization(held)).probe_due_at == due_at
    asked = ground.lwa.count()
    for _ in range(1000):
        with pytest.raises(CallDenied):
            await ground.mint(held, instead_of=denied)
        assert (await ground.mint(held)).value == denied, "who did not ask for another is served"
    assert ground.lwa.count() == asked
    assert (await ground.authorization(held)).probe_due_at == ground.clock.now()
    # After a pause LWA is asked again, and the next one is twice as long.
    ground.watch.at_s += FIRST_PAUSE_S
    denied = (await ground.mint(held, instead_of=denied)).value
    assert ground.lwa.count() == asked + 1
    ground.watch.at_s += FIRST_PAUSE_S
    with pytest.raises(CallDenied):
        await ground.mint(held, instead_of=denied)
    # And when LWA says no as well, it is known at once.
    ground.watch.at_s += FIRST_PAUSE_S
    ground.lwa.revoke(held.about)
    with pytest.raises(GrantRefused):
        await ground.mint(held, instead_of=denied)
    assert (await ground.authorization(held)).state is State.REVOKED


async def test_a_token_that_was_refused_once_is_replaced_whenever_that_happens(
    ground: Ground, held: Held
) -> None:
    denied = (await ground.mint(held)).value
    for _ in range(5):
        denied = (await ground.mint(held, instead_of=denied)).value
        ground.watch.at_s += HOUR


# --- coming back ------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.REVOKED, State.LAPSED])
async def test_a_grant_that_amazon_takes_again_is_reinstated(ground: Ground, state: State) -> None:
    held = await ground.account(
        await ground.application(),
        await ground.instance(),
        state=state,
        term_ends_at=ground.clock.now() - timedelta(days=1),
    )
    token = await ground.here.look_again(held.account_id, by=OPERATOR)
    assert ground.about(token) == held.about
    authorization = await ground.authorization(held)
    assert authorization.state is State.ACTIVE
    assert authorization.term_ends_at is None, "renewed at Amazon, nobody knows when"
    assert authorization.refused_reason == ""
    assert [line.verb for line in await ground.diary(held.authorization_id)] == [
        "authorization.reinstated"
    ]
    assert authorization.granted_at is None
    [item] = await ground.outbox()
    assert (item.topic, item.facts["source"]) == ("authorization.renewed", "reinstated")
    assert item.facts["term_ends_at"] is None
    assert await ground.board() == {NoticeKind.TERM_UNKNOWN}
    assert (await ground.mint(held)).value == token.value


async def test_looking_again_at_what_stays_dead_changes_nothing(ground: Ground) -> None:
    held = await ground.account(
        await ground.application(), await ground.instance(), state=State.REVOKED
    )
    ground.lwa.revoke(held.about)
    with pytest.raises(GrantRefused) as told:
        await ground.here.look_again(held.account_id, by=OPERATOR)
    assert told.value.reason == REFUSED_GRANT
    assert (await ground.authorization(held)).state is State.REVOKED
    assert await ground.outbox() == []


async def test_looking_again_asks_amazon_although_a_token_lives(ground: Ground, held: Held) -> None:
    first = await ground.mint(held)
    assert (await ground.here.look_again(held.account_id, by=OPERATOR)).value != first.value
    assert ground.lwa.count() == 2
    with pytest.raises(NotAllowed):
        await ground.here.look_again(held.account_id, by=PROGRAM)


async def test_a_closed_account_stays_closed(ground: Ground) -> None:
    held = await ground.account(
        await ground.application(), await ground.instance(), state=State.CLOSED
    )
    with pytest.raises(AccountClosed):
        await ground.here.look_again(held.account_id, by=OPERATOR)
    assert ground.lwa.count() == 0


@pytest.mark.parametrize("alive", [True, False])
async def test_a_reopened_account_asks_amazon_once_what_its_grant_is_worth(
    ground: Ground, held: Held, alive: bool
) -> None:
    async with ground.store.transaction() as tx:
        await tx.authorizations.change(held.authorization_id, state=State.AWAITING)
    if alive:
        assert ground.about(await ground.mint(held)) == held.about
        assert (await ground.authorization(held)).state is State.ACTIVE
        return
    ground.lwa.revoke(held.about)
    for _ in range(3):
        with pytest.raises(GrantRefused):
            await ground.mint(held)
    assert ground.lwa.count() == 2
    assert (await ground.authorization(held)).state is State.AWAITING


# --- the application --------------------------------------------------------------------------


async def test_a_dead_client_secret_is_one_incident_and_marks_no_account(
    ground: Ground,
) -> None:
    application, instance = await ground.application(), await ground.instance()
    shops = [await ground.account(application, instance) for _ in range(5)]
    ground.lwa.fail(lambda: ApplicationRefused("invalid_client", "Client authentication failed"))
    for shop in shops:
        with pytest.raises(ApplicationRefused) as told:
            await ground.mint(shop)
        assert told.value.error == "invalid_client"
        assert (await ground.authorization(shop)).state is State.ACTIVE
    assert ground.watch.slept == [], "no use in trying again"
    credentials = await ground.registry.credentials(application, by=SYSTEM)
    assert "invalid_client" in credentials.trouble
    ground.lwa.clear()
    for shop in shops:
        assert ground.about(await ground.mint(shop)) == shop.about
    assert (await ground.registry.credentials(application, by=SYSTEM)).trouble == ""
    verbs = [line.verb for line in await ground.diary(application)]
    assert verbs == ["application.trouble_began", "application.trouble_ended"]


async def test_living_tokens_are_served_while_the_application_is_refused(
    ground: Ground, held: Held
) -> None:
    token = await ground.mint(held)
    ground.lwa.fail(lambda: ApplicationRefused("invalid_client"))
    ground.clock.move(seconds=HOUR - 600)
    for _ in range(20):
        assert (await ground.mint(held)).value == token.value
        await ground.here.close()
    assert ground.lwa.count() == 2, "refreshing ahead pauses"
    ground.lwa.clear()
    ground.watch.at_s += 6
    await ground.mint(held)
    await ground.here.close()
    assert (await ground.mint(held)).value != token.value


async def test_while_an_application_is_refused_its_accounts_do_not_all_run_into_the_wall(
    ground: Ground,
) -> None:
    application, instance = await ground.application(), await ground.instance()
    shops = [await ground.account(application, instance) for _ in range(100)]
    other = await ground.account(await ground.application(), instance)
    ground.lwa.drop_secrets((await ground.registry.lwa_client(application)).lwa_client_id)
    with pytest.raises(ApplicationRefused):
        await ground.mint(shops[0])
    before = ground.lwa.count()
    answers = await asyncio.gather(
        *map(ground.mint, shops), ground.mint(other), return_exceptions=True
    )
    assert all(isinstance(answer, ApplicationRefused) for answer in answers[:-1])
    assert isinstance(answers[-1], AccessToken), "another application has its own fate"
    assert ground.lwa.count() - before <= 10


async def test_what_lacks_is_told_and_amazon_is_not_asked(ground: Ground) -> None:
    held = await ground.account(await ground.application(secret=False), await ground.instance())
    with pytest.raises(ApplicationIncomplete, match="client secret"):
        await ground.mint(held)
    assert ground.lwa.count() == 0


# --- what must not get lost, what must not be seen ---------------------------------------------


async def test_a_refresh_token_that_amazon_swaps_is_kept(ground: Ground, held: Held) -> None:
    fresh = ground.lwa.swap_refresh_token(held.about)
    await ground.mint(held)
    async with ground.store.transaction() as tx:
        kept = await ground.vault.open(tx, safe.refresh_token(held.grant_id))
    assert kept == fresh
    ground.clock.move(seconds=HOUR)
    assert ground.about(await ground.mint(held)) == held.about
    [line] = await ground.diary(held.authorization_id)
    assert line.verb == "authorization.refresh_token_replaced"
    assert fresh.reveal() not in str(line)


async def test_a_swapped_refresh_token_survives_a_database_that_stumbles(
    ground: Ground, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = ground.lwa.swap_refresh_token(held.about)
    put, stumbles = ground.vault.put, iter([True, True])

    async def stumbling(*args: object, **kwargs: object) -> None:
        if next(stumbles, False):
            raise StoreUnavailable
        await put(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ground.vault, "put", stumbling)
    await ground.mint(held)
    async with ground.store.transaction() as tx:
        assert await ground.vault.open(tx, safe.refresh_token(held.grant_id)) == fresh


async def test_a_database_that_is_away_is_our_trouble_and_passes(
    ground: Ground, held: Held
) -> None:
    ground.memory.down = True
    with pytest.raises(StoreUnavailable):
        await ground.mint(held)
    ground.memory.down = False
    assert ground.about(await ground.mint(held)) == held.about


async def test_no_error_shows_a_secret(ground: Ground, held: Held) -> None:
    token = await ground.mint(held)
    client = await ground.registry.lwa_client((await ground.authorization(held)).application_id)
    hidden = [text.reveal() for text in (token.value, held.refresh_token, client.lwa_client_secret)]
    ground.clock.move(seconds=2 * HOUR)
    troubles = [
        lambda: AmazonUnavailable(),
        lambda: ApplicationRefused("invalid_client"),
        lambda: GrantRefused(REFUSED_GRANT),
    ]
    for trouble in troubles:
        ground.watch.at_s += 60
        ground.lwa.fail(trouble)
        with pytest.raises(EvergrantError) as told:
            await ground.mint(held)
        trace = told.value.__traceback__
        assert trace is not None
        error = told.value.with_traceback(trace.tb_next)  # without this test's own variables
        shown = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
        assert "held = Held(" in shown, "variables are shown"
        assert not [text for text in hidden if text in shown]


async def test_a_mistake_in_an_errand_reaches_its_caller_and_the_next_one_is_served(
    ground: Ground, held: Held
) -> None:
    def broken() -> EvergrantError:
        raise ZeroDivisionError

    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    ground.lwa.fail(broken, times=1)
    with pytest.raises(ZeroDivisionError):
        await ground.mint(held)
    assert told, "the loop's handler hears of it as well"
    assert ground.about(await ground.mint(held)) == held.about


# --- grantless --------------------------------------------------------------------------------


async def test_grantless_tokens_are_of_one_application_and_one_scope(ground: Ground) -> None:
    one, two = await ground.application(), await ground.application()
    seen = set()
    for application in (one, two):
        for scope in (NOTIFICATIONS_SCOPE, ROTATION_SCOPE):
            tokens = [
                await process.grantless(application, scope, by=OPERATOR)
                for process in (ground.here, ground.there)
            ]
            assert tokens[0].value == tokens[1].value
            issued = ground.lwa.issued(tokens[0].value)
            assert issued is not None
            client = await ground.registry.lwa_client(application)
            assert (issued.about, issued.lwa_client_id) == (scope, client.lwa_client_id)
            seen.add(tokens[0].value.reveal())
    assert len(seen) == ground.lwa.count("grantless") == 4
    ground.clock.move(seconds=HOUR)
    await ground.here.grantless(one, NOTIFICATIONS_SCOPE, by=OPERATOR)
    assert ground.lwa.count("grantless") == 5


async def test_a_grantless_herd_costs_one_call(ground: Ground) -> None:
    application = await ground.application()
    await asyncio.gather(
        *(
            process.grantless(application, NOTIFICATIONS_SCOPE, by=OPERATOR)
            for process in (ground.here, ground.there)
            for _ in range(20)
        )
    )
    assert ground.lwa.count() == 1


async def test_who_may_have_grantless_tokens(ground: Ground) -> None:
    application = await ground.application()
    bound = dataclasses.replace(OPERATOR, client_instance_id="ins_1")
    nobody = Caller(kind=CallerKind.API_KEY)
    for caller, scope in (
        (bound, NOTIFICATIONS_SCOPE),
        (nobody, NOTIFICATIONS_SCOPE),
        (PROGRAM, ROTATION_SCOPE),
    ):
        with pytest.raises(NotAllowed):
            await ground.here.grantless(application, scope, by=caller)
    await ground.here.grantless(application, NOTIFICATIONS_SCOPE, by=PROGRAM)
    with pytest.raises(NotFound):
        await ground.here.grantless("app_nowhere", NOTIFICATIONS_SCOPE, by=OPERATOR)
    with pytest.raises(InvalidInput):
        await ground.here.grantless(application, "profile", by=OPERATOR)
    assert ground.lwa.count() == 1


async def test_a_scope_that_was_not_granted_is_no_incident(ground: Ground) -> None:
    application = await ground.application()
    ground.lwa.fail(lambda: ApplicationRefused("invalid_scope", "not approved"), times=1)
    with pytest.raises(ApplicationRefused):
        await ground.here.grantless(application, NOTIFICATIONS_SCOPE, by=OPERATOR)
    assert (await ground.registry.credentials(application, by=SYSTEM)).trouble == ""
    await ground.here.grantless(application, NOTIFICATIONS_SCOPE, by=OPERATOR)
