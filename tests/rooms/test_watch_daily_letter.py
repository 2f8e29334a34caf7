"""The operators' daily letter: one a day at most, everything once, and none for nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evergrant import notices
from evergrant.naming import new_id
from evergrant.ports.watched import (
    Reminder,
    ReminderKind,
    Rotation,
    RotationSource,
    RotationStep,
)
from evergrant.rules import ids
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.rules.terms import GRANT_TERM
from evergrant.testing.desk import HOUSE
from evergrant.watch.daily_letter import BOARD
from tests.rooms.watch_ground import Town

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENDS = START + GRANT_TERM
DAY = timedelta(days=1)


def midnight(days: int) -> datetime:
    return (ENDS - days * DAY).replace(hour=0)


@pytest.fixture
async def town() -> Town:
    return await Town().open()


async def test_a_quiet_week_has_none(town: Town) -> None:
    await town.account(granted_at=START)
    await town.sail(START + 7 * DAY)
    assert await town.digests() == []


async def test_what_ends_is_told_with_all_that_is_needed(town: Town) -> None:
    account = await town.account("Blue Heron Books", granted_at=START, client_email="o@h.example")
    await town.at(midnight(16))
    (letter,) = await town.digests()
    assert (letter.to, letter.language, letter.account_id) == (HOUSE.operators, "en", None)
    assert letter.id in town.fakes.bell.rung
    own = await town.authorization(account)
    assert letter.facts["ending"] == [
        {
            "account_id": account,
            "account_name": "Blue Heron Books",
            "authorization_id": own.id,
            "ends_at": ENDS.isoformat(),
            "days_left": 16,
            "letter_to": "o@h.example",
        }
    ]
    assert all(not letter.facts[name] for name in letter.facts if name != "ending")
    (line,) = await town.ledger()
    assert line.told_operators_at == midnight(16)


async def test_it_is_delivered(town: Town) -> None:
    await town.account("Blue Heron Books", granted_at=START)
    await town.at(midnight(16))
    (item,) = await town.digests()
    await town.desk.post.deliver(item.id)
    (letter,) = town.fakes.mail.to(HOUSE.operators)
    assert "Blue Heron Books" in letter.text
    assert "/connect/" in letter.text


async def test_one_a_day_and_what_comes_later_waits_for_the_next(town: Town) -> None:
    first = await town.account(granted_at=START)
    later = await town.account(granted_at=START + timedelta(hours=2))
    for minute in range(3):
        await town.at(ENDS + timedelta(minutes=minute))
    await town.at(ENDS + timedelta(hours=2))
    assert (await town.authorization(later)).state is State.LAPSED
    assert len(await town.digests()) == 1
    await town.at(midnight(-1))
    today, tomorrow = await town.digests()
    assert [row["account_id"] for row in today.facts["lapsed"]] == [first]
    assert [row["account_id"] for row in today.facts["ending"]] == [later]
    assert [row["account_id"] for row in tomorrow.facts["lapsed"]] == [later]
    assert tomorrow.facts["ending"] == []
    await town.sail(ENDS + 40 * DAY)
    assert len(await town.digests()) == 2, "each lapse is told once"


async def test_what_was_renewed_meanwhile_is_no_news_and_never_will_be(town: Town) -> None:
    """The line is there, and the letter was not written in the same minute."""
    renewed, stays = [await town.account(granted_at=START) for _ in range(2)]
    await _enter(town, renewed, ENDS)
    await _enter(town, stays, ENDS)
    town.fakes.clock.set(midnight(16) - DAY)
    await town.renew(renewed, town.fakes.clock.now())
    await town.desk.watch.sweep()
    (letter,) = await town.digests()
    assert [row["account_id"] for row in letter.facts["ending"]] == [stays]
    assert all(line.told_operators_at for line in await town.ledger())


async def test_nothing_left_to_say_marks_the_lines_and_writes_no_letter(town: Town) -> None:
    account = await town.account(granted_at=START)
    await _enter(town, account, ENDS)
    await town.desk.accounts.close(account, by=SYSTEM)
    await town.at(midnight(20))
    assert await town.digests() == []
    (line,) = await town.ledger()
    assert line.told_operators_at == midnight(20)


async def _enter(town: Town, account: str, ends_at: datetime, **wishes: Any) -> None:
    own = await town.authorization(account)
    facts: dict[str, Any] = {
        "kind": ReminderKind.TERM,
        "subject": own.id,
        "account_id": account,
        "days": 77,
    }
    now = town.fakes.clock.now()
    line = Reminder(id=new_id(ids.Kind.REMINDER, now), ends_at=ends_at, at=now, **(facts | wishes))
    async with town.fakes.store.transaction() as tx:
        await tx.reminders.add(line)


async def test_secrets_that_end_are_told_by_the_lines_of_the_locksmith(town: Town) -> None:
    account = await town.account(granted_at=START)
    rotated = await town.application()
    async with town.fakes.store.transaction() as tx:
        await tx.credentials.change(town.application_id, secret_expires_at=ENDS)
        await tx.credentials.change(rotated, secret_expires_at=ENDS + 170 * DAY)
    secret = {"kind": ReminderKind.SECRET, "account_id": None}
    await _enter(town, account, ENDS, subject=rotated, **secret)
    await town.at(midnight(60))
    (letter,) = await town.digests()
    (row,) = letter.facts["secrets"]
    async with town.fakes.store.transaction() as tx:
        application = await tx.applications.get(town.application_id)
    assert application is not None
    assert row == {
        "application_id": application.id,
        "application_name": application.name,
        "ends_at": ENDS.isoformat(),
        "days_left": 60,
    }
    assert all(line.told_operators_at for line in await town.ledger())


async def test_a_rotation_that_is_stuck_may_end_a_secret_before_its_time(town: Town) -> None:
    account = await town.account(granted_at=START)
    now = town.fakes.clock.now()
    async with town.fakes.store.transaction() as tx:
        await tx.credentials.change(town.application_id, secret_expires_at=ENDS)
        await tx.rotations.add(
            Rotation(
                id=new_id(ids.Kind.ROTATION, now),
                application_id=town.application_id,
                source=RotationSource.ASKED,
                step=RotationStep.ASKED,
                created_at=now,
                changed_at=now,
            )
        )
    secret = {"kind": ReminderKind.SECRET, "account_id": None}
    await _enter(town, account, now + 7 * DAY, subject=town.application_id, **secret)
    assert await town.desk.watch._daily_letter.put(now)
    (letter,) = await town.digests()
    assert [row["days_left"] for row in letter.facts["secrets"]] == [7]


async def test_mails_that_did_not_arrive_are_told_once(town: Town) -> None:
    async def bounced(to: str) -> None:
        async with town.fakes.store.transaction() as tx:
            await notices.put(
                tx,
                now=town.fakes.clock.now(),
                kind=NoticeKind.LETTER_UNDELIVERED,
                subject=to,
                message="It did not arrive.",
                to=to,
                topic="authorization_ending",
                error="no such mailbox",
            )

    await bounced("old@heron.example")
    town.fakes.clock.move(days=2)
    await bounced("new@heron.example")
    await town.desk.watch.sweep()
    (letter,) = await town.digests()
    row = {"to": "new@heron.example", "topic": "authorization_ending", "error": "no such mailbox"}
    assert letter.facts["undelivered"] == [row]
    await town.sail(town.fakes.clock.now() + 3 * DAY)
    assert len(await town.digests()) == 1
    await bounced("new@heron.example")
    await town.desk.watch.sweep()
    assert [len(one.facts["undelivered"]) for one in await town.digests()] == [1, 1], "again"


async def test_an_end_that_the_mint_saw_first_is_told_too(town: Town) -> None:
    account = await town.account(granted_at=START)
    own = await town.authorization(account)
    town.fakes.clock.set(ENDS)
    async with town.fakes.store.transaction() as tx:
        await tx.authorizations.change(own.id, state=State.LAPSED, version=own.version + 1)
        await notices.put(
            tx,
            now=ENDS,
            kind=NoticeKind.TERM_OVER,
            subject=own.id,
            account_id=account,
            message="Amazon refuses it.",
        )
    await town.desk.watch.sweep()
    (letter,) = await town.digests()
    (row,) = letter.facts["lapsed"]
    assert (row["account_id"], row["ends_at"], row["days_left"]) == (account, ENDS.isoformat(), 0)


async def test_several_processes_write_one(town: Town) -> None:
    other = town.another()
    accounts = [await town.account(granted_at=START) for _ in range(5)]
    town.fakes.clock.set(ENDS)
    for written in (1, 0):
        rounds = await asyncio.gather(
            *(one.watch.sweep() for one in (town.desk, other, town.desk, other))
        )
        assert sum(swept.daily_letters for swept in rounds) == written
    (letter,) = await town.digests()
    assert sorted(row["account_id"] for row in letter.facts["lapsed"]) == sorted(accounts)


async def test_a_letter_that_breaks_marks_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.account(granted_at=START)
    town.fakes.clock.set(midnight(9))

    async def broken(tx: Any, *given: Any) -> Any:
        raise LookupError("no accounts")

    monkeypatch.setattr("evergrant.watch.daily_letter._of_secrets", broken)
    with pytest.raises(LookupError):
        await town.desk.watch.sweep()
    (line,) = await town.ledger()
    assert line.told_operators_at is None
    monkeypatch.undo()
    await town.desk.watch.sweep()
    (letter,) = await town.digests()
    assert len(letter.facts["ending"]) == 1


# --- what hangs on the board ----------------------------------------------------------------------


async def _refused(town: Town, account: str, said: str = "invalid_grant") -> None:
    """As the mint notes it."""
    own, now = await town.authorization(account), town.fakes.clock.now()
    async with town.fakes.store.transaction() as tx:
        await tx.authorizations.change(
            own.id, state=State.REVOKED, refused_at=now, version=own.version + 1
        )
    await _hang(town, NoticeKind.GRANT_REFUSED, own.id, account_id=account, amazon_reason=said)


async def _hang(town: Town, kind: NoticeKind, subject: str, **more: Any) -> None:
    async with town.fakes.store.transaction() as tx:
        now = town.fakes.clock.now()
        await notices.put(tx, now=now, kind=kind, subject=subject, message="Trouble.", **more)


async def _settle(town: Town, kind: NoticeKind, subject: str) -> None:
    async with town.fakes.store.transaction() as tx:
        await notices.settle(tx, now=town.fakes.clock.now(), kinds=[kind], subject=subject)


def test_every_kind_of_notice_is_told_by_some_letter() -> None:
    elsewhere = {
        NoticeKind.TERM_ENDING,
        NoticeKind.TERM_OVER,
        NoticeKind.TERM_BELIEVED,
        NoticeKind.TERM_UNKNOWN,
        NoticeKind.GRANT_REFUSED,
        NoticeKind.LETTER_UNDELIVERED,
        NoticeKind.SECRET_ENDING,
        NoticeKind.SECRET_DEAD,
        NoticeKind.APPLICATION_REFUSED,
    }
    assert elsewhere | set(BOARD) == set(NoticeKind)
    assert not elsewhere & set(BOARD)


async def test_a_refused_grant_is_told_once_on_the_same_day(town: Town) -> None:
    account = await town.account("Blue Heron Books", granted_at=START, client_email="o@h.example")
    at = START + 40 * DAY
    town.fakes.clock.set(at)
    await _refused(town, account, "The grant was taken back.")
    await town.desk.watch.sweep()
    (item,) = await town.digests()
    (row,) = item.facts["refused"]
    assert (row["account_id"], row["refused_at"]) == (account, at.isoformat())
    assert row["amazon_said"] == "The grant was taken back."
    assert item.facts["board"] == []
    await town.desk.post.deliver(item.id)
    (letter,) = town.fakes.mail.to(HOUSE.operators)
    for part in (letter.text, letter.html):
        assert "Blue Heron Books" in part
        assert "The grant was taken back." in part
        assert "o@h.example" in part
        assert "/connect/" in part
    await town.sail(at + 29 * DAY)
    assert len(await town.digests()) == 1
    await town.sail(at + 35 * DAY)
    assert await town.digests() == [], "nor again when the letter is kept no longer"


async def test_refused_again_after_a_renewal_is_news(town: Town) -> None:
    account = await town.account(granted_at=START)
    for day in (10, 20):
        town.fakes.clock.set(START + day * DAY)
        await _refused(town, account)
        await town.desk.watch.sweep()
        town.fakes.clock.move(hours=1)
        await town.renew(account, town.fakes.clock.now())
    assert [len(one.facts["refused"]) for one in await town.digests()] == [1, 1]


async def test_a_refusal_that_is_over_by_then_is_no_news(town: Town) -> None:
    account = await town.account(granted_at=START)
    town.fakes.clock.move(days=3)
    await _refused(town, account)
    await town.renew(account, town.fakes.clock.now())
    await town.desk.watch.sweep()
    assert await town.digests() == []


@pytest.mark.parametrize("kind", BOARD)
async def test_what_hangs_is_told_once_by_name(town: Town, kind: NoticeKind) -> None:
    account = await town.account("Blue Heron Books", granted_at=START)
    subject, more, name = {
        NoticeKind.EVENTS_UNDELIVERED: (town.instance_id, {}, "ERP"),
        NoticeKind.ROTATION_STUCK: (town.application_id, {}, "Connector"),
        NoticeKind.QUEUE_TROUBLE: (town.application_id, {}, "Connector"),
    }.get(kind, ((await town.authorization(account)).id, {"account_id": account}, "Blue Heron"))
    town.fakes.clock.move(days=1)
    await _hang(town, kind, subject, **more)
    await town.desk.watch.sweep()
    (item,) = await town.digests()
    facts = await town.desk.consent.letter_facts(item)
    assert facts is not None
    (row,) = facts.facts["board"].rows
    assert (row["kind"], row["message"]) == (kind.value, "Trouble.")
    assert row["name"].startswith(name)
    town.fakes.clock.move(days=1)
    await _hang(town, kind, subject, **more)
    await town.desk.watch.sweep()
    assert len(await town.digests()) == 1, "the same, counted up"
    await _settle(town, kind, subject)
    assert await town.desk.consent.letter_facts(item) is None
    await _hang(town, kind, subject, **more)
    await town.desk.watch.sweep()
    assert len(await town.digests()) == 2, "another one"


async def test_what_came_after_todays_letter_is_in_tomorrows(town: Town) -> None:
    accounts = [await town.account(granted_at=START) for _ in range(2)]
    at = START + 5 * DAY
    for minutes, account in enumerate(accounts):
        town.fakes.clock.set(at + timedelta(minutes=minutes))
        await _refused(town, account)
        await town.desk.watch.sweep()
    assert len(await town.digests()) == 1
    await town.at(at + DAY)
    told = [[row["account_id"] for row in one.facts["refused"]] for one in await town.digests()]
    assert told == [[accounts[0]], [accounts[1]]]
