"""Terms that are over: each at its instant, once, with all that follows, however many at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from evergrant.errors import GrantLapsed
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.terms import GRANT_TERM
from tests.rooms.watch_ground import Town

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENDS = START + GRANT_TERM
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)


@pytest.fixture
async def town() -> Town:
    return await Town().open()


async def test_the_end_and_all_that_follows(town: Town) -> None:
    account = await town.account(granted_at=START)
    await town.at(ENDS - MICROSECOND)
    assert (await town.authorization(account)).state is State.ACTIVE
    assert [one.kind for one in await town.board(account)] == [NoticeKind.TERM_ENDING]
    await town.at(ENDS)
    await town.at(ENDS)
    lapsed = await town.authorization(account)
    assert (lapsed.state, lapsed.changed_at) == (State.LAPSED, ENDS)
    (event,) = await town.told(account, "authorization.lapsed")
    assert (event.facts["state"], event.at) == ("lapsed", ENDS)
    (notice,) = await town.board(account)
    assert (notice.kind, notice.times) == (NoticeKind.TERM_OVER, 1)
    assert notice.message == "The year was over on 2 March 2027."
    assert (notice.subject, notice.application_id) == (lapsed.id, town.application_id)
    (line,) = await town.journal("authorization.lapsed")
    assert (line.account_id, line.facts["before"], line.facts["after"]) == (
        account,
        "active",
        "lapsed",
    )
    with pytest.raises(GrantLapsed):
        await town.desk.tokens.mint(account, by=SYSTEM)


async def test_a_renewal_brings_it_back_and_takes_the_notice_down(town: Town) -> None:
    account = await town.account(granted_at=START)
    await town.at(ENDS + 3 * DAY)
    await town.renew(account, town.fakes.clock.now())
    back = await town.authorization(account)
    assert (back.state, back.term_ends_at) == (State.ACTIVE, ENDS + 3 * DAY + GRANT_TERM)
    assert await town.board(account) == []
    await town.at(ENDS + 4 * DAY)
    assert (await town.authorization(account)).state is State.ACTIVE
    await town.at(ENDS + 3 * DAY + GRANT_TERM)
    assert len(await town.told(account, "authorization.lapsed")) == 2, "once a year"


async def test_many_in_one_minute_are_worked_in_rounds(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.watch.rounds.ROUND", 3)
    monkeypatch.setattr("evergrant.watch.rounds.MOST_ROUNDS", 4)
    accounts = [await town.account(granted_at=START) for _ in range(14)]
    town.fakes.clock.set(ENDS)
    first = await town.desk.watch.sweep()
    assert first.terms_ended == 12, "four rounds of three; the rest waits a minute"
    second = await town.desk.watch.sweep()
    assert second.terms_ended == 2
    assert (await town.desk.watch.sweep()).terms_ended == 0
    for account in accounts:
        assert len(await town.told(account, "authorization.lapsed")) == 1


async def test_one_that_breaks_keeps_no_other_active(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = [await town.account(granted_at=START) for _ in range(2)]
    held = await town.authorization(broken)
    monkeypatch.setattr("evergrant.watch.rounds.log", SimpleNamespace(exception=_unheard))
    drop = town.desk.vault.drop

    async def breaking(tx: Any, name: str) -> Any:
        if held.id in name:
            raise LookupError(name)
        return await drop(tx, name)

    monkeypatch.setattr(town.desk.vault, "drop", breaking)
    town.fakes.clock.set(ENDS)
    with pytest.raises(LookupError):
        await town.desk.watch.sweep()
    assert (await town.authorization(sound)).state is State.LAPSED
    assert await town.authorization(broken) == held, "nothing half done"
    assert await town.told(broken, "authorization.lapsed") == []
    monkeypatch.undo()
    assert (await town.desk.watch.sweep()).terms_ended == 1


def _unheard(said: str, *, work: str) -> None:
    """A traceback in colours takes its time."""


async def test_several_processes_end_each_term_once(town: Town) -> None:
    other = town.another()
    accounts = [await town.account(granted_at=START) for _ in range(10)]
    town.fakes.clock.set(ENDS)
    rounds = await asyncio.gather(*(one.watch.sweep() for one in (town.desk, other, other)))
    assert sum(swept.terms_ended for swept in rounds) == len(accounts)
    for account in accounts:
        assert len(await town.told(account, "authorization.lapsed")) == 1
        assert [one.times for one in await town.board(account)] == [1]


async def test_a_self_authorization_and_an_undated_grant_never_lapse(town: Town) -> None:
    private = await town.application("private")
    accounts = [
        await town.account(granted_at=START, application_id=private),
        await town.account(granted_at=None),
    ]
    await town.at(ENDS + 1000 * DAY)
    for account in accounts:
        assert (await town.authorization(account)).state is State.ACTIVE
