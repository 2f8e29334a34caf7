"""Reminders over a simulated year: each on its day, once, to those whom it concerns."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from evergrant.adapters.store import open_store
from evergrant.errors import StoreUnavailable
from evergrant.ports.watched import ReminderKind
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.reminders import TOLD_AFTER_END
from evergrant.rules.rights import SYSTEM
from evergrant.rules.terms import GRANT_TERM
from evergrant.settings import Watching
from evergrant.testing.clock import FakeClock
from evergrant.testing.desk import Fakes
from evergrant.testing.store import MemoryStore
from tests.rooms.watch_ground import Town

WEEKLY = (30, 23, 16, 9, 2, 0)
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENDS = START + GRANT_TERM
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def midnight(days: int) -> datetime:
    """At which the window of so many days opens."""
    return (ENDS - days * DAY).replace(hour=0)


def days_of(days: int) -> str:
    return f"{midnight(days):%Y-%m-%d}"


@pytest.fixture
async def town() -> Town:
    return await Town().open()


async def test_a_year_in_order(town: Town) -> None:
    """Letter, event, line of the ledger, notice: each window once, on its day, and then the end."""
    account = await town.account("Blue Heron Books", granted_at=START)
    await town.sail(midnight(31) + timedelta(hours=23), 7 * DAY)
    assert await town.letters(account) == []
    town.fakes.clock.set(midnight(31) + timedelta(hours=23))
    await town.sail(ENDS + 40 * DAY, timedelta(hours=6))
    assert await town.letters(account) == [(days_of(days), days, False) for days in WEEKLY]
    told = await town.told(account)
    assert [(one.topic, one.facts.get("days_left")) for one in told] == [
        ("authorization.granted", None),
        *(("authorization.expiring", days) for days in WEEKLY),
        ("authorization.lapsed", None),
    ]
    assert [one.at.date() for one in told[1:]] == [
        *(midnight(days).date() for days in WEEKLY),
        ENDS.date(),
    ]
    lines = await town.ledger(kind=ReminderKind.TERM)
    assert [line.days for line in lines] == [*WEEKLY, -1]
    assert {line.ends_at for line in lines} == {ENDS}
    assert all(line.outbox_id for line in lines[:-1])
    assert all(line.told_operators_at for line in lines)
    assert [one.kind for one in await town.board(account)] == [NoticeKind.TERM_OVER]
    assert len(await town.journal("authorization.reminded")) == len(WEEKLY)


async def test_a_reminder_brings_everything_with_it(town: Town) -> None:
    account = await town.account(granted_at=START)
    await town.at(midnight(9))
    (letter,) = await town.mails("authorization_ending", account)
    assert datetime.fromisoformat(letter.facts["ends_at"]) == ENDS
    (event,) = await town.told(account, "authorization.expiring")
    assert event.facts["account_id"] == account
    assert event.facts["state"] == "active"
    assert datetime.fromisoformat(event.facts["term_ends_at"]) == ENDS
    assert not [name for name in event.facts if "url" in name or "link" in name]
    (notice,) = await town.board(account)
    assert notice.kind is NoticeKind.TERM_ENDING
    assert notice.message == "It ends on 2 March 2027."
    (line,) = await town.ledger()
    assert line.outbox_id == letter.id
    async with town.fakes.store.transaction() as tx:
        webhooks = await tx.outbox.all(topic="authorization.expiring")
    assert {letter.id, *(item.id for item in webhooks)} <= set(town.fakes.bell.rung)
    await town.at(midnight(2))
    (notice,) = await town.board(account)
    assert notice.times == 2, "brought up to date, not doubled"
    assert notice.message == "It ends on 2 March 2027."
    assert "days_left" not in notice.facts, "it hangs for days"


async def test_the_link_of_each_letter_lives_until_the_next_one(town: Town) -> None:
    account = await town.account(granted_at=START)
    sent: list[tuple[datetime, datetime]] = []
    for days in WEEKLY:
        await town.at(midnight(days))
        letter = (await town.mails("authorization_ending", account))[-1]
        async with town.fakes.store.transaction() as tx:
            invitation = await tx.invitations.get(letter.subject)
        assert invitation is not None
        sent.append((letter.created_at, invitation.expires_at))
    for (_, expires_at), (next_at, _) in itertools.pairwise(sent):
        assert expires_at > next_at


async def test_the_letter_has_a_link_that_renews(town: Town) -> None:
    account = await town.account(granted_at=START, client_email="owner@heron.example")
    await town.at(midnight(2))
    (item,) = await town.mails("authorization_ending", account)
    await town.desk.post.deliver(item.id)
    (letter,) = town.fakes.mail.to("owner@heron.example")
    link = (await town.desk.consent.link(account, by=SYSTEM)).reveal()
    assert link in letter.text
    opened = await town.desk.consent.open(link.rpartition("/")[2])
    assert opened.renewal
    assert opened.account_id == account


@pytest.mark.parametrize("days", [WEEKLY, (60, 1), (14,), ()])
async def test_days_are_those_of_the_application(town: Town, days: tuple[int, ...]) -> None:
    application = await town.application(reminder_days=days)
    usual = await town.account(granted_at=START)
    account = await town.account(granted_at=START, application_id=application)
    town.fakes.clock.set(midnight(62))
    await town.sail(ENDS + 5 * DAY)
    assert [left for _, left, _ in await town.letters(account)] == list(days)
    assert [left for _, left, _ in await town.letters(usual)] == list(WEEKLY)
    assert (await town.authorization(account)).state is State.LAPSED


async def test_usual_days_are_those_of_the_settings() -> None:
    town = await Town(watching=Watching(reminder_days=(45, 5))).open()
    account = await town.account(granted_at=START)
    town.fakes.clock.set(midnight(50))
    await town.sail(ENDS + 2 * DAY)
    assert [left for _, left, _ in await town.letters(account)] == [45, 5]


# --- pauses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pause_to", "left"), [(20, 20), (5, 5), (1, 1), (0, 0)])
async def test_after_a_long_pause_there_is_one_letter(town: Town, pause_to: int, left: int) -> None:
    account = await town.account(granted_at=START)
    for _ in range(3):
        await town.at(midnight(pause_to) + MINUTE)
    assert await town.letters(account) == [(days_of(pause_to), left, False)]
    assert len(await town.told(account, "authorization.expiring")) == 1


@pytest.mark.parametrize("late", [timedelta(0), 3 * DAY, TOLD_AFTER_END])
async def test_a_pause_over_the_end_makes_a_letter_that_says_so(
    town: Town, late: timedelta
) -> None:
    account = await town.account(granted_at=START)
    for _ in range(3):
        await town.at(ENDS + late)
    assert await town.letters(account) == [(f"{ENDS + late:%Y-%m-%d}", 0, True)]
    assert [one.topic for one in await town.told(account)] == [
        "authorization.granted",
        "authorization.lapsed",
    ]
    assert [one.kind for one in await town.board(account)] == [NoticeKind.TERM_OVER]
    (digest,) = await town.digests()
    assert [row["account_id"] for row in digest.facts["lapsed"]] == [account]
    assert digest.facts["ending"] == []


async def test_what_amazon_ended_some_hours_early_is_over(town: Town) -> None:
    """The mint saw it. Nobody is told that it ends soon."""
    account = await town.account(granted_at=START)
    own = await town.authorization(account)
    async with town.fakes.store.transaction() as tx:
        await tx.authorizations.change(own.id, state=State.LAPSED)
    await town.at(midnight(0))
    assert await town.letters(account) == [(days_of(0), 0, True)]
    assert await town.told(account, "authorization.expiring") == []
    assert await town.board(account, NoticeKind.TERM_ENDING) == []


async def test_what_ended_long_ago_is_nobodys_news(town: Town) -> None:
    account = await town.account(granted_at=START)
    await town.at(ENDS + TOLD_AFTER_END + MINUTE)
    assert await town.letters(account) == []
    assert (await town.authorization(account)).state is State.LAPSED
    (digest,) = await town.digests()
    assert len(digest.facts["lapsed"]) == 1, "operators hear of what they slept through"


async def test_a_clock_that_is_set_back_tells_nothing_twice(town: Town) -> None:
    account = await town.account(granted_at=START)
    for instant in (midnight(9), midnight(16), midnight(9), midnight(9) + DAY):
        await town.at(instant)
    assert sorted([left for _, left, _ in await town.letters(account)]) == [9, 16]


# --- renewed, revoked, closed -------------------------------------------------------------------


async def test_a_renewal_stops_them_and_a_new_year_begins(town: Town) -> None:
    account = await town.account(granted_at=START)
    town.fakes.clock.set(midnight(31))
    await town.sail(midnight(16) + MINUTE)
    renewed_at = town.fakes.clock.now()
    await town.renew(account, renewed_at)
    assert await town.board(account, NoticeKind.TERM_ENDING) == []
    await town.sail(renewed_at + GRANT_TERM + DAY)
    assert [left for _, left, _ in await town.letters(account)] == [30, 23, 16, *WEEKLY]
    assert [line.ends_at for line in await town.ledger(days=30)] == [
        ENDS,
        renewed_at + GRANT_TERM,
    ]


async def test_closed_and_revoked_accounts_are_silent(town: Town) -> None:
    closed = await town.account(granted_at=START)
    revoked = await town.account(granted_at=START)
    await town.desk.accounts.close(closed, by=SYSTEM)
    async with town.fakes.store.transaction() as tx:
        own = await tx.authorizations.one(account_id=revoked)
        assert own is not None
        await tx.authorizations.change(own.id, state=State.REVOKED)
    town.fakes.clock.set(midnight(31))
    await town.sail(ENDS + 2 * DAY)
    for account in (closed, revoked):
        assert await town.letters(account) == []
        assert await town.told(account, "authorization.expiring") == []
    assert await town.ledger() == []
    assert await town.digests() == []


async def test_what_was_awaited_and_never_came_is_silent(town: Town) -> None:
    account = await town.account(granted_at=START)
    async with town.fakes.store.transaction() as tx:
        own = await tx.authorizations.one(account_id=account)
        assert own is not None
        await tx.authorizations.change(own.id, state=State.AWAITING)
    await town.at(midnight(2))
    assert await town.ledger() == []


async def _renewed(town: Town, account: str) -> None:
    await town.renew(account, town.fakes.clock.now())


async def _closed(town: Town, account: str) -> None:
    await town.desk.accounts.close(account, by=SYSTEM)


async def _dated(town: Town, account: str) -> None:
    await town.desk.watch.note_granted_at(account, START + 200 * DAY, by=SYSTEM)


@pytest.mark.parametrize("meanwhile", [_renewed, _closed, _dated])
async def test_what_changes_between_scan_and_letter_is_not_told(
    town: Town, meanwhile: Callable[[Town, str], Any]
) -> None:
    account = await town.account(granted_at=START)
    town.fakes.clock.set(midnight(9))
    store = town.fakes.store
    original = store.transaction
    seen: list[str] = []

    @asynccontextmanager
    async def transaction() -> Any:
        async with original() as tx:
            scan = tx.scans.windows_reached

            async def windows_reached(*given: Any, **named: Any) -> Any:
                found = await scan(*given, **named)
                seen.extend(one.account_id for one in found)
                return found

            tx.scans.windows_reached = windows_reached  # type: ignore[method-assign]
            yield tx
        if seen == [account]:
            seen.append("changed")
            vars(store).pop("transaction")
            await meanwhile(town, account)

    vars(store)["transaction"] = transaction
    await town.desk.watch.sweep()
    assert seen == [account, "changed"]
    assert await town.letters(account) == []
    assert await town.ledger() == []
    assert await town.board(account) == []
    assert await town.told(account, "authorization.expiring") == []


# --- beliefs and unknowns -----------------------------------------------------------------------


async def test_a_self_authorization_is_told_to_operators_alone(town: Town) -> None:
    private = await town.application("private")
    account = await town.account(granted_at=START, application_id=private)
    town.fakes.clock.set(midnight(31))
    await town.sail(ENDS + 60 * DAY)
    lines = await town.ledger()
    assert [(line.kind, line.days, line.ends_at) for line in lines] == [
        (ReminderKind.AGE, 30, ENDS),
        (ReminderKind.AGE, 0, ENDS),
    ]
    assert await town.letters(account) == []
    assert [one.topic for one in await town.told(account)] == ["authorization.granted"]
    (notice,) = await town.board(account)
    assert (notice.kind, notice.times) == (NoticeKind.TERM_BELIEVED, 2)
    assert notice.message.startswith("A year old on 2 March 2027. ")
    assert "our belief" in notice.message
    digests = await town.digests()
    assert [f"{item.created_at:%Y-%m-%d}" for item in digests] == [days_of(30), days_of(0)]
    (row,) = digests[0].facts["believed"]
    assert (row["account_id"], row["days_left"], row["letter_to"]) == (account, 30, "")
    assert (await town.authorization(account)).state is State.ACTIVE, "Amazon states no end"


async def test_whoever_wants_no_reminders_gets_none_of_age_either(town: Town) -> None:
    private = await town.application("private", reminder_days=())
    await town.account(granted_at=START, application_id=private)
    await town.at(midnight(30))
    assert await town.ledger() == []


@pytest.mark.parametrize("kind", ["public", "private"])
async def test_an_undated_grant_is_asked_for_once(town: Town, kind: str) -> None:
    application = await town.application(kind)
    account = await town.account(granted_at=None, application_id=application)
    await town.sail(START + 500 * DAY, 5 * DAY)
    (line,) = await town.ledger()
    assert (line.kind, line.days) == (ReminderKind.UNDATED, 0)
    (notice,) = await town.board(account)
    assert (notice.kind, notice.times) == (NoticeKind.TERM_UNKNOWN, 1)
    (digest,) = await town.digests()
    (row,) = digest.facts["undated"]
    assert (row["account_id"], row["ends_at"]) == (account, None)
    assert await town.letters(account) == []


# --- several processes, crashes -----------------------------------------------------------------


def _unheard(said: str, *, work: str) -> None:
    """A traceback in colours takes its time."""


async def test_two_processes_write_each_letter_once(town: Town) -> None:
    other = town.another()
    accounts = [await town.account(granted_at=START) for _ in range(12)]
    for days in WEEKLY:
        town.fakes.clock.set(midnight(days))
        rounds = await asyncio.gather(
            *(one.watch.sweep() for one in (town.desk, other, town.desk, other))
        )
        assert sum(swept.reminders_told for swept in rounds) == len(accounts)
        assert sum(swept.daily_letters for swept in rounds) == 1
    for account in accounts:
        assert [left for _, left, _ in await town.letters(account)] == list(WEEKLY)
        assert len(await town.told(account, "authorization.expiring")) == len(WEEKLY)
    assert [len(item.facts["ending"]) for item in await town.digests()] == [12] * len(WEEKLY)


async def test_two_processes_on_postgresql(database_url: str) -> None:
    first, second = await open_store(database_url), await open_store(database_url)
    try:
        clock = FakeClock(START)
        town = await Town(Fakes(clock=clock, store=cast("MemoryStore", first))).open()
        accounts = [await town.account(granted_at=START) for _ in range(8)]
        rival = Town(
            Fakes(clock=clock, store=cast("MemoryStore", second), keyring=town.fakes.keyring)
        )
        for days in (9, 2):
            clock.set(midnight(days))
            rounds = await asyncio.gather(town.desk.watch.sweep(), rival.desk.watch.sweep())
            assert sum(swept.reminders_told for swept in rounds) == len(accounts)
            assert sum(swept.daily_letters for swept in rounds) == 1
        clock.set(ENDS)
        rounds = await asyncio.gather(town.desk.watch.sweep(), rival.desk.watch.sweep())
        assert sum(swept.terms_ended for swept in rounds) == len(accounts)
        for account in accounts:
            assert len(await town.told(account, "authorization.lapsed")) == 1
            assert len(await town.letters(account)) == 3
        listed = [
            [row["account_id"] for row in item.facts[table]]
            for item, table in zip(
                await town.digests(), ("ending", "ending", "lapsed"), strict=True
            )
        ]
        assert [sorted(rows) for rows in listed] == [sorted(accounts)] * 3
    finally:
        await first.close()
        await second.close()


async def test_one_account_that_breaks_keeps_no_other_waiting(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing half done of it stays behind."""
    monkeypatch.setattr("evergrant.watch.rounds.log", SimpleNamespace(exception=_unheard))
    broken, sound = [await town.account(granted_at=START) for _ in range(2)]
    town.fakes.clock.set(midnight(9))
    put = town.desk.consent.put_renewal_letter

    async def breaking(tx: Any, account_id: str, **named: Any) -> Any:
        letter = await put(tx, account_id, **named)
        if account_id == broken:
            raise LookupError("its link does not lie in the safe")
        return letter

    monkeypatch.setattr(town.desk.consent, "put_renewal_letter", breaking)
    for _ in range(2):
        with pytest.raises(LookupError):
            await town.desk.watch.sweep()
    assert len(await town.letters(sound)) == 1
    assert await town.letters(broken) == []
    assert [line.account_id for line in await town.ledger()] == [sound]
    (digest,) = await town.digests()
    assert [row["account_id"] for row in digest.facts["ending"]] == [sound]
    monkeypatch.undo()
    await town.desk.watch.sweep()
    assert len(await town.letters(broken)) == 1
    assert len(await town.letters(sound)) == 1


async def test_a_database_that_goes_away_is_not_asked_again_this_minute(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await town.account(granted_at=START)
    town.fakes.clock.set(midnight(9))
    asked: list[str] = []

    async def away(tx: Any, account_id: str, **named: Any) -> Any:
        asked.append(account_id)
        raise StoreUnavailable

    monkeypatch.setattr(town.desk.consent, "put_renewal_letter", away)
    with pytest.raises(StoreUnavailable):
        await town.desk.watch.sweep()
    assert len(asked) == 1
    monkeypatch.undo()
    assert (await town.desk.watch.sweep()).reminders_told == 3


async def test_a_bell_that_breaks_loses_and_doubles_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.watch.rounds.log", SimpleNamespace(exception=_unheard))
    account = await town.account(granted_at=START)
    town.fakes.clock.set(midnight(9))

    async def broken(outbox_ids: Any) -> None:
        raise LookupError("no bell")

    monkeypatch.setattr(town.fakes.bell, "ring", broken)
    with pytest.raises(LookupError):
        await town.desk.watch.sweep()
    monkeypatch.undo()
    await town.desk.watch.sweep()
    (letter,) = await town.mails("authorization_ending", account)
    assert letter.id in await town.desk.post.sweep(), "the post finds it without a bell"


async def test_many_come_in_rounds_and_those_that_break_starve_nobody(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.watch.rounds.ROUND", 2)
    monkeypatch.setattr("evergrant.watch.rounds.MOST_ROUNDS", 4)
    logged: list[str] = []
    diary = SimpleNamespace(exception=lambda said, work: logged.append(work))
    monkeypatch.setattr("evergrant.watch.rounds.log", diary)
    accounts = [await town.account(granted_at=START) for _ in range(12)]
    put = town.desk.consent.put_renewal_letter

    async def breaking(tx: Any, account_id: str, **named: Any) -> Any:
        if account_id in accounts[:3]:
            raise LookupError(account_id)
        return await put(tx, account_id, **named)

    monkeypatch.setattr(town.desk.consent, "put_renewal_letter", breaking)
    town.fakes.clock.set(midnight(9))
    told = []
    for _ in range(3):
        with pytest.raises(LookupError):
            await town.desk.watch.sweep()
        told.append(len(await town.mails("authorization_ending")))
    assert told == [5, 9, 9], "all but the three"
    assert len(logged) == 9, "each of them once a minute"
    assert all(account in logged[place] for place, account in enumerate(accounts[:3]))


async def test_the_daily_letter_waits_for_the_last_round(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.watch.rounds.ROUND", 2)
    monkeypatch.setattr("evergrant.watch.rounds.MOST_ROUNDS", 4)
    monkeypatch.setattr("evergrant.watch.ROUND", 2)
    for _ in range(9):
        await town.account(granted_at=START)
    town.fakes.clock.set(midnight(9))
    first = await town.desk.watch.sweep()
    assert (first.reminders_told, first.daily_letters) == (8, 0)
    second = await town.desk.watch.sweep()
    assert (second.reminders_told, second.daily_letters) == (1, 1)
    (digest,) = await town.digests()
    assert len(digest.facts["ending"]) == 9


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "{{ 7 * 7 }} {% raw %} %(name)s {0}",
        'O\'Hara & Söhne "GmbH" — 店 \u202egnp.exe',
        "'; DROP TABLE reminders; --",
    ],
)
async def test_hostile_names_are_names(town: Town, name: str) -> None:
    account = await town.account(granted_at=START)
    async with town.fakes.store.transaction() as tx:
        # Past the door, which takes no name that cannot be printed.
        await tx.accounts.change(account, name=name)
    await town.at(midnight(9))
    (digest,) = await town.digests()
    assert [row["account_name"] for row in digest.facts["ending"]] == [name]
    (event,) = await town.told(account, "authorization.expiring")
    assert event.facts["account_name"] == name
