"""A clock that is set forth and back: nothing is told twice, and nobody is left out in the cold."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evergrant import vault
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.watch.too_early import LOOK_EVERY
from tests.rooms.watch_ground import Town

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def town() -> Town:
    return await Town().open()


async def look(town: Town) -> None:
    """One minute of the worker."""
    await town.desk.watch.sweep()
    await town.desk.watch.probe()
    town.fakes.clock.move(minutes=1)


async def jump(town: Town, days: int, *, probed: bool = False) -> None:
    """The clock is ahead for some minutes, and set right again."""
    now = town.fakes.clock.now()
    town.fakes.clock.set(now + days * DAY)
    for _ in range(3):
        await town.desk.watch.sweep()
        if probed:
            await town.desk.watch.probe()
        town.fakes.clock.move(minutes=1)
    town.fakes.clock.set(now + 3 * MINUTE)


async def states(town: Town, accounts: list[str]) -> set[State]:
    return {(await town.authorization(one)).state for one in accounts}


@pytest.mark.parametrize("probed", [False, True])
@pytest.mark.parametrize("days", [40, 400])
async def test_what_a_wrong_clock_has_ended_is_back_within_minutes(
    town: Town, days: int, probed: bool
) -> None:
    """Also the end of the year of those that Amazon took while it seemed to be over."""
    now = town.fakes.clock.now()
    granted_at = now - 335 * DAY if days == 40 else now - 100 * DAY
    accounts = [await town.account(granted_at=granted_at) for _ in range(4)]
    ends_at = (await town.authorization(accounts[0])).term_ends_at
    await look(town)
    await jump(town, days, probed=probed)
    assert probed or await states(town, accounts) == {State.LAPSED}
    for _ in range(3):
        await look(town)
    assert await states(town, accounts) == {State.ACTIVE}
    for account in accounts:
        assert (await town.authorization(account)).term_ends_at == ends_at, "its year is as it was"
        hanging = {notice.kind for notice in await town.board(account)}
        assert not hanging & {NoticeKind.TERM_OVER, NoticeKind.TERM_UNKNOWN}
        told = await town.told(account)
        assert [one.topic for one in told][-2:] == [
            "authorization.lapsed",
            "authorization.renewed",
        ]
        assert told[-1].facts["source"] == "reinstated"
        await town.desk.tokens.mint(account, by=SYSTEM)


async def test_what_amazon_refuses_stays_and_is_asked_about_once(town: Town) -> None:
    account = await town.account(granted_at=town.fakes.clock.now() - 100 * DAY)
    lwa = town.fakes.lwa
    await look(town)
    await jump(town, 400)
    grant_id = (await town.authorization(account)).grant_id
    async with town.fakes.store.transaction() as tx:
        token = await town.desk.vault.open(tx, vault.refresh_token(grant_id or ""))
    assert token is not None
    lwa.revoke(token)
    asked = lwa.count("refresh")
    for _ in range(30):
        await look(town)
    assert await states(town, [account]) == {State.LAPSED}
    assert lwa.count("refresh") - asked == 2, "a refusal is looked at twice"
    assert not (await town.told(account, "authorization.renewed"))


async def test_what_is_over_is_left_alone(town: Town) -> None:
    """By our clock, and by one that is set back a little."""
    now = town.fakes.clock.now()
    over = await town.account(granted_at=now - 364 * DAY)
    await town.at(now + 2 * DAY)
    assert await states(town, [over]) == {State.LAPSED}
    asked = town.fakes.lwa.count("refresh")
    ends_at = (await town.authorization(over)).term_ends_at
    assert ends_at is not None
    for back in (now + 2 * DAY, ends_at - 59 * MINUTE):
        town.fakes.clock.set(back)
        await town.desk.watch.probe()
    assert town.fakes.lwa.count("refresh") == asked
    town.fakes.clock.set(ends_at + LOOK_EVERY)
    await town.desk.watch.probe()
    assert await states(town, [over]) == {State.LAPSED}


async def test_forth_and_back_by_days_doubles_no_letter(town: Town) -> None:
    now = town.fakes.clock.now()
    account = await town.account(granted_at=now - 345 * DAY)
    for days in (0, 3, -2, 9, -4, 5, -1, 12, 2, -3, 30, 6, 7):
        town.fakes.clock.set(now + days * DAY)
        await look(town)
        await look(town)
    ledger = [(line.kind, line.days, line.ends_at) for line in await town.ledger()]
    assert len(ledger) == len(set(ledger))
    told = [line for line in await town.ledger() if line.outbox_id is not None]
    assert len(await town.letters(account)) == len(told) > 3
    written_on = [item.created_at.date() for item in await town.digests()]
    assert len(written_on) == len(set(written_on)), "one daily letter a day"
