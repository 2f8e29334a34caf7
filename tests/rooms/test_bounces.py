"""The returns table: what is said of letters after they left, and who believes it."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from evergrant.bounces import SILENCE, BounceOutcome
from evergrant.errors import Conflict, InvalidInput, NotAllowed, NotFound
from evergrant.ports.things import OutboxItem, OutboxKind, OutboxState
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right
from tests.rooms.letters_ground import LetterHouse, message_id, report

NO_SUCH_USER = "550 5.1.1 no such user"


@pytest.fixture
async def house() -> LetterHouse:
    return await LetterHouse().open()


@pytest.fixture
async def letter(house: LetterHouse) -> OutboxItem:
    """A reminder that the relay took."""
    account_id = await house.account()
    sent = await house.sent(await house.ending(account_id))
    house.fakes.clock.move(minutes=5)
    return sent


async def verbs(house: LetterHouse) -> list[str]:
    async with house.fakes.store.transaction() as tx:
        lines = await tx.journal.read(limit=100)
    return [line.verb for line in lines if line.verb.startswith("letter.")]


@pytest.mark.parametrize("door", ["report", "webhook"])
async def test_a_letter_that_came_back_is_a_finding(
    house: LetterHouse, letter: OutboxItem, door: str
) -> None:
    bounces = house.desk.bounces
    told = await (
        bounces.take_report(report(letter), by=SYSTEM)
        if door == "report"
        else bounces.take(message_id(letter), NO_SUCH_USER, permanent=True, by=SYSTEM)
    )
    assert told.outcome is BounceOutcome.NOT_ARRIVED
    assert told.item.state is OutboxState.FAILED
    assert NO_SUCH_USER in (await house.item(letter.id)).last_error
    (notice,) = await house.notices()
    assert notice.kind is NoticeKind.LETTER_UNDELIVERED
    assert (notice.subject, notice.account_id) == (letter.account_id, letter.account_id)
    assert NO_SUCH_USER in notice.message
    # What the operators' daily letter says of it.
    assert notice.facts["to"] == "shop@heron.example"
    assert notice.facts["topic"] == "authorization_ending"
    assert NO_SUCH_USER in notice.facts["error"]
    assert await verbs(house) == ["letter.sent", "letter.bounced"]


async def test_a_repeat_changes_nothing(house: LetterHouse, letter: OutboxItem) -> None:
    await house.desk.bounces.take_report(report(letter), by=SYSTEM)
    before = (await house.item(letter.id), await house.notices(), await verbs(house))
    again = await house.desk.bounces.take_report(report(letter), by=SYSTEM)
    assert again.outcome is BounceOutcome.KNOWN
    late = await house.desk.bounces.take(letter.id, "again", permanent=True, by=SYSTEM)
    assert late.outcome is BounceOutcome.KNOWN
    assert (await house.item(letter.id), await house.notices(), await verbs(house)) == before


async def test_a_letter_that_is_late_is_noted_once(house: LetterHouse, letter: OutboxItem) -> None:
    bounces = house.desk.bounces
    for outcome in (BounceOutcome.DELAYED, BounceOutcome.KNOWN):
        told = await bounces.take_report(report(letter, action="delayed"), by=SYSTEM)
        assert told.outcome is outcome
    told = await bounces.take(letter.id, "greylisted", permanent=False, by=SYSTEM)
    assert told.outcome is BounceOutcome.KNOWN
    assert (await house.item(letter.id)).state is OutboxState.SENT
    assert not await house.notices()
    assert await verbs(house) == ["letter.sent", "letter.delayed"]
    told = await bounces.take_report(report(letter), by=SYSTEM)
    assert told.outcome is BounceOutcome.NOT_ARRIVED, "and it may still come back"


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
async def test_good_news_changes_nothing(
    house: LetterHouse, letter: OutboxItem, action: str
) -> None:
    told = await house.desk.bounces.take_report(report(letter, action=action), by=SYSTEM)
    assert told.outcome is BounceOutcome.ARRIVED
    assert (await house.item(letter.id)).state is OutboxState.SENT
    assert not await house.notices()


async def test_a_report_about_somebody_else_is_not_believed(
    house: LetterHouse, letter: OutboxItem
) -> None:
    with pytest.raises(Conflict, match="another recipient"):
        await house.desk.bounces.take_report(report(letter, to="a@b.example"), by=SYSTEM)
    assert (await house.item(letter.id)).state is OutboxState.SENT
    told = await house.desk.bounces.take_report(report(letter, to="SHOP@Heron.example"), by=SYSTEM)
    assert told.outcome is BounceOutcome.NOT_ARRIVED


async def test_what_is_about_no_letter_of_ours_is_told_as_such(
    house: LetterHouse, letter: OutboxItem
) -> None:
    bounces = house.desk.bounces
    unknown = report(letter).replace(letter.id.encode(), letter.id[:-4].encode() + b"0000")
    with pytest.raises(NotFound, match="no letter of this house"):
        await bounces.take_report(unknown, by=SYSTEM)
    with pytest.raises(NotFound):
        await bounces.take(f"{letter.id[:-4]}0000", "", permanent=True, by=SYSTEM)
    with pytest.raises(InvalidInput) as caught:
        await bounces.take("<0100018b@email.amazonses.com>", "", permanent=True, by=SYSTEM)
    assert caught.value.flaws[0].field == "message_id"
    with pytest.raises(InvalidInput, match="no recipient"):
        await bounces.take_report(b"Subject: Out of office\n\nI am away", by=SYSTEM)
    async with house.fakes.store.transaction() as tx:
        webhooks = await tx.outbox.all(kind=OutboxKind.WEBHOOK)
    assert webhooks
    for item in webhooks:
        with pytest.raises(NotFound):
            await bounces.take(item.id, "", permanent=True, by=SYSTEM)


async def test_a_letter_that_never_left_cannot_come_back(house: LetterHouse) -> None:
    item = await house.ending(await house.account())
    with pytest.raises(Conflict, match="not left"):
        await house.desk.bounces.take(item.id, "", permanent=True, by=SYSTEM)
    assert (await house.sent(item)).state is OutboxState.SENT


async def test_a_report_may_be_faster_than_the_note_that_it_was_sent(house: LetterHouse) -> None:
    """The process dies between handing the letter over and writing that down."""
    item = await house.ending(await house.account())
    async with house.fakes.store.transaction() as tx:
        await tx.outbox.change(item.id, attempts=1)
    told = await house.desk.bounces.take_report(report(item), by=SYSTEM)
    assert told.outcome is BounceOutcome.NOT_ARRIVED
    house.fakes.clock.move(hours=1)
    assert (await house.desk.post.deliver(item.id)).state is OutboxState.FAILED
    assert not house.fakes.mail.letters, "and it is not sent again"


async def test_words_from_outside_are_one_line_without_secrets(
    house: LetterHouse, letter: OutboxItem
) -> None:
    leaked = f"Atzr|{secrets.token_hex(40)}"
    told = await house.desk.bounces.take(
        letter.id, f"no\r\nsuch\tuser {leaked} {'x' * 5000}", permanent=True, by=SYSTEM
    )
    assert "\n" not in told.reason
    assert len(told.reason) <= 500
    assert leaked not in str((await house.item(letter.id), await house.notices(), told))


@pytest.mark.parametrize(
    "caller",
    [
        Caller(kind=CallerKind.API_KEY, rights=frozenset(Right) - {Right.WRITE}),
        Caller(kind=CallerKind.API_KEY, rights=frozenset(Right), client_instance_id="ins_1"),
        Caller(kind=CallerKind.API_KEY, rights=frozenset(Right), account_ids=frozenset({"a"})),
    ],
    ids=["no write", "one instance", "one account"],
)
async def test_who_may_tell(house: LetterHouse, letter: OutboxItem, caller: Caller) -> None:
    with pytest.raises(NotAllowed):
        await house.desk.bounces.take(letter.id, "", permanent=True, by=caller)
    with pytest.raises(NotAllowed):
        await house.desk.bounces.take_report(report(letter), by=caller)
    assert (await house.item(letter.id)).state is OutboxState.SENT


# --- letters that the relay gives up ------------------------------------------------------------


async def test_a_letter_that_the_relay_refuses_hangs_on_the_board(house: LetterHouse) -> None:
    account_id = await house.account()
    house.fakes.mail.refuse("shop@heron.example")
    await house.desk.post.deliver((await house.ending(account_id)).id)
    (notice,) = await house.notices()
    assert notice.subject == account_id
    assert notice.facts["heard_from"] == "relay"
    assert "no such user" in notice.facts["error"]
    assert not house.fakes.mail.letters, "operators read of it in their daily letter"


async def test_letters_to_operators_that_fail_are_no_secret(house: LetterHouse) -> None:
    row = await house.row(await house.account())
    house.fakes.mail.refuse("dev-support@northwind.example")
    await house.desk.post.deliver((await house.digest(ending=[row])).id)
    (notice,) = await house.notices()
    assert (notice.subject, notice.account_id) == ("operators", None)
    async with house.fakes.store.transaction() as tx:
        assert not await tx.outbox.all(topic="letter_undeliverable"), "which would fail as well"
    house.fakes.mail.refused.clear()
    house.fakes.clock.move(days=1)
    await house.sent(await house.digest(ending=[row]))
    assert await house.desk.bounces.settle_arrived() == 1


# --- the notice comes down ------------------------------------------------------------------------


async def bounced(house: LetterHouse, letter: OutboxItem) -> None:
    await house.desk.bounces.take_report(report(letter), by=SYSTEM)
    assert len(await house.notices()) == 1
    assert await house.desk.bounces.settle_arrived() == 0


async def test_a_later_letter_that_nobody_sends_back_settles_it(
    house: LetterHouse, letter: OutboxItem
) -> None:
    await bounced(house, letter)
    house.fakes.clock.move(days=7)
    account_id = letter.account_id or ""
    await house.sent(await house.ending(account_id))
    house.fakes.clock.move(SILENCE - timedelta(minutes=1))
    assert await house.desk.bounces.settle_arrived() == 0, "it may yet come back"
    house.fakes.clock.move(minutes=1)
    assert await house.desk.bounces.settle_arrived() == 1
    assert await house.notices() == []
    assert await house.desk.bounces.settle_arrived() == 0


async def test_a_later_letter_that_comes_back_too_settles_nothing(
    house: LetterHouse, letter: OutboxItem
) -> None:
    await bounced(house, letter)
    for _ in range(3):
        house.fakes.clock.move(days=7)
        later = await house.sent(await house.ending(letter.account_id or ""))
        house.fakes.clock.move(minutes=1)
        await house.desk.bounces.take_report(report(later), by=SYSTEM)
        house.fakes.clock.move(days=3)
        assert await house.desk.bounces.settle_arrived() == 0
    (notice,) = await house.notices()
    assert notice.times == 4, "one notice, not four"


async def test_a_letter_of_another_account_settles_nothing(
    house: LetterHouse, letter: OutboxItem
) -> None:
    await bounced(house, letter)
    other = await house.account("Kestrel", client_email="kestrel@shop.example")
    house.fakes.clock.move(days=7)
    await house.sent(await house.ending(other))
    house.fakes.clock.move(days=7)
    assert await house.desk.bounces.settle_arrived() == 0


async def test_a_corrected_address_settles_it(house: LetterHouse, letter: OutboxItem) -> None:
    await bounced(house, letter)
    account_id = letter.account_id or ""
    await house.desk.accounts.change(account_id, {"notes": "called them"}, by=SYSTEM)
    assert await house.desk.bounces.settle_arrived() == 0
    change = {"client_email": "office@heron.example"}
    await house.desk.accounts.change(account_id, change, by=SYSTEM)
    assert await house.desk.bounces.settle_arrived() == 1


async def test_a_closed_account_settles_it(house: LetterHouse, letter: OutboxItem) -> None:
    await bounced(house, letter)
    await house.desk.accounts.close(letter.account_id or "", by=SYSTEM)
    assert await house.notices() == []


async def test_the_clock_tower_takes_it_down(house: LetterHouse, letter: OutboxItem) -> None:
    await bounced(house, letter)
    change = {"client_email": "office@heron.example"}
    await house.desk.accounts.change(letter.account_id or "", change, by=SYSTEM)
    assert (await house.desk.watch.sweep()).letters_settled == 1
    assert await house.notices() == []
