"""The day of a grant that somebody has to tell, and what follows from it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from evergrant.adapters.store import open_store
from evergrant.errors import AccountClosed, Conflict, InvalidInput, NotAllowed, NotFound
from evergrant.ports.things import GrantSource
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right
from evergrant.rules.terms import GRANT_TERM
from evergrant.testing.desk import Fakes
from evergrant.testing.store import MemoryStore
from evergrant.watch import dates
from tests.rooms.watch_ground import Town

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GIVEN = START - 100 * DAY
UNKNOWN = "Nobody knows when it ends, so nobody can be reminded in time."


@pytest.fixture
async def town() -> Town:
    return await Town().open()


@pytest.fixture
async def account(town: Town) -> str:
    account = await town.account(granted_at=None)
    await town.desk.watch.sweep()
    assert await town.board(account, NoticeKind.TERM_UNKNOWN)
    return account


async def outlook(town: Town, account: str) -> Any:
    own = await town.authorization(account)
    return (await town.desk.watch.outlooks([own]))[own.id]


async def test_the_term_follows_from_the_day(town: Town, account: str) -> None:
    assert (await outlook(town, account)).words == UNKNOWN
    before = await town.authorization(account)
    dated = await town.desk.watch.note_granted_at(account, GIVEN, by=SYSTEM)
    assert (dated.granted_at, dated.term_ends_at) == (GIVEN, GIVEN + GRANT_TERM)
    assert dated.version == before.version + 1
    assert await town.authorization(account) == dated
    assert await town.board(account) == []
    async with town.fakes.store.transaction() as tx:
        (grant,) = await tx.grants.all(authorization_id=dated.id)
    assert (grant.granted_at, grant.term_ends_at) == (GIVEN, GIVEN + GRANT_TERM)
    (line,) = await town.journal("authorization.dated")
    assert (line.caller, line.account_id) == ("system", account)
    assert line.facts["was"] == {"granted_at": None, "term_ends_at": None}
    found = await outlook(town, account)
    assert found.next_reminder_at == (GIVEN + GRANT_TERM - 30 * DAY).replace(hour=0)


async def test_reminders_follow(town: Town, account: str) -> None:
    await town.desk.watch.note_granted_at(account, GIVEN, by=SYSTEM)
    await town.sail(GIVEN + GRANT_TERM + DAY)
    assert [left for _, left, _ in await town.letters(account)] == [30, 23, 16, 9, 2, 0]
    assert (await town.authorization(account)).state is State.LAPSED


async def test_a_day_that_is_nearly_a_year_back_is_told_at_once(town: Town, account: str) -> None:
    at = town.fakes.clock.now() - GRANT_TERM + 3 * DAY
    await town.desk.watch.note_granted_at(account, at, by=SYSTEM)
    await town.desk.watch.sweep()
    assert [left for _, left, _ in await town.letters(account)] == [3]


async def test_telling_it_twice_changes_nothing(town: Town, account: str) -> None:
    first = await town.desk.watch.note_granted_at(account, GIVEN, by=SYSTEM)
    assert await town.desk.watch.note_granted_at(account, GIVEN, by=SYSTEM) == first
    assert len(await town.journal("authorization.dated")) == 1


async def test_a_day_that_was_told_wrongly_is_corrected(town: Town) -> None:
    account = await town.account(granted_at=GIVEN)
    corrected = await town.desk.watch.note_granted_at(account, GIVEN + DAY, by=SYSTEM)
    assert corrected.term_ends_at == GIVEN + DAY + GRANT_TERM


async def test_a_self_authorization_has_an_age_and_no_term(town: Town) -> None:
    private = await town.application("private")
    account = await town.account(granted_at=None, application_id=private)
    await town.desk.watch.sweep()
    long_ago = START - 900 * DAY
    dated = await town.desk.watch.note_granted_at(account, long_ago, by=SYSTEM)
    assert (dated.granted_at, dated.term_ends_at) == (long_ago, None)
    assert await town.board(account) == []
    assert (await outlook(town, account)).words.startswith("Authorized since ")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (START + 2 * DAY, "lies in the future"),
        (START - GRANT_TERM, "365 days back"),
        (datetime(2019, 1, 1, tzinfo=UTC), "nothing to grant"),
        (datetime(2026, 2, 1), "time zone"),  # noqa: DTZ001 - that is what is wrong with it
    ],
)
async def test_days_that_cannot_be(town: Town, account: str, told: datetime, words: str) -> None:
    before = await town.authorization(account)
    with pytest.raises(InvalidInput) as refused:
        await town.desk.watch.note_granted_at(account, told, by=SYSTEM)
    (flaw,) = refused.value.flaws
    assert flaw.field == "granted_at"
    assert words in flaw.message
    assert await town.authorization(account) == before


async def test_today_as_it_is_written_east_of_us_is_now(town: Town, account: str) -> None:
    dated = await town.desk.watch.note_granted_at(
        account, town.fakes.clock.now() + timedelta(hours=10), by=SYSTEM
    )
    assert dated.granted_at == town.fakes.clock.now()


async def test_a_consent_that_was_given_here_has_its_day(town: Town) -> None:
    account = await town.account(granted_at=GIVEN)
    async with town.fakes.store.transaction() as tx:
        own = await tx.authorizations.one(account_id=account)
        assert own is not None
        assert own.grant_id is not None
        await tx.grants.change(own.grant_id, source=GrantSource.CONSENT)
    with pytest.raises(Conflict, match="Its day is known"):
        await town.desk.watch.note_granted_at(account, GIVEN + DAY, by=SYSTEM)
    async with town.fakes.store.transaction() as tx:
        # Amazon went on accepting it after its term: nobody knows since when.
        await tx.authorizations.change(own.id, granted_at=None, term_ends_at=None)
    dated = await town.desk.watch.note_granted_at(account, GIVEN + DAY, by=SYSTEM)
    assert dated.term_ends_at == GIVEN + DAY + GRANT_TERM


@pytest.mark.parametrize("state", [State.AWAITING, State.LAPSED, State.REVOKED])
async def test_only_a_grant_in_force_has_a_day(town: Town, account: str, state: State) -> None:
    own = await town.authorization(account)
    async with town.fakes.store.transaction() as tx:
        await tx.authorizations.change(own.id, state=state)
    with pytest.raises(Conflict, match="no grant in force"):
        await town.desk.watch.note_granted_at(account, GIVEN, by=SYSTEM)


async def test_closed_is_closed(town: Town, account: str) -> None:
    await town.desk.accounts.close(account, by=SYSTEM)
    with pytest.raises(AccountClosed):
        await town.desk.watch.note_granted_at(account, GIVEN, by=SYSTEM)


async def test_who_may(town: Town, account: str) -> None:
    reader = Caller(kind=CallerKind.API_KEY, id="key_1", rights=frozenset({Right.READ}))
    with pytest.raises(NotAllowed):
        await town.desk.watch.note_granted_at(account, GIVEN, by=reader)
    with pytest.raises(NotFound):
        await town.desk.watch.note_granted_at("acc_unknown", GIVEN, by=SYSTEM)


async def test_of_two_at_once_one_is_told_to_look_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read before either writes."""
    store = await open_store(database_url)
    try:
        town = await Town(Fakes(store=cast("MemoryStore", store))).open()
        account = await town.account(granted_at=None)
        both = asyncio.Barrier(2)
        read = dates._datable

        async def reading(*given: Any) -> Any:
            found = await read(*given)
            await both.wait()
            return found

        monkeypatch.setattr(dates, "_datable", reading)
        ends = await asyncio.gather(
            *(
                town.desk.watch.note_granted_at(account, GIVEN + days * DAY, by=SYSTEM)
                for days in (0, 1)
            ),
            return_exceptions=True,
        )
        (refused,) = [end for end in ends if isinstance(end, BaseException)]
        assert isinstance(refused, Conflict)
        (done,) = [end for end in ends if not isinstance(end, BaseException)]
        assert await town.authorization(account) == done
        assert len(await town.journal("authorization.dated")) == 1
    finally:
        await store.close()


async def test_nothing_to_look_at_is_no_question(town: Town) -> None:
    assert await town.desk.watch.outlooks([]) == {}
