"""What letters say at the moment of delivery, and which have become pointless by then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evergrant import notices
from evergrant.errors import ApplicationRefused
from evergrant.letters import tongue
from evergrant.ports.things import OutboxItem, OutboxState
from evergrant.ports.watched import Rotation, RotationSource, RotationStep
from evergrant.rules.lifecycle import State
from evergrant.rules.notices import NoticeKind
from evergrant.rules.rights import SYSTEM
from evergrant.testing.desk import HOUSE, desk
from tests.rooms.letters_ground import LetterHouse

OPERATORS = "dev-support@northwind.example"
REFUSED = ApplicationRefused(error="invalid_client", reason="Client authentication failed")


@pytest.fixture
async def house() -> LetterHouse:
    return await LetterHouse().open()


async def facts(house: LetterHouse, item: OutboxItem) -> dict[str, Any]:
    known = await house.desk.consent.letter_facts(item)
    assert known is not None
    return dict(known.facts)


async def set_authorization(house: LetterHouse, account_id: str, **values: Any) -> None:
    found = await house.authorization(account_id)
    async with house.fakes.store.transaction() as tx:
        await tx.authorizations.change(found.id, **values)


# --- the letter about an end ----------------------------------------------------------------------


async def test_the_letter_about_an_end(house: LetterHouse) -> None:
    account_id = await house.account()
    house.fakes.clock.move(days=342)
    item = await house.ending(account_id)
    assert "connect/" not in repr(item), "no link lies in the outbox"
    await house.sent(item)
    (letter,) = house.fakes.mail.to("shop@heron.example")
    ends_at = (await house.authorization(account_id)).term_ends_at
    assert ends_at is not None
    assert letter.subject == (
        "Heron Books: your Amazon permission for Northwind Commerce Software ends on "
        f"{tongue('en').day(ends_at)}"
    )
    link = (await house.desk.consent.link(account_id, by=SYSTEM)).reveal()
    assert link in letter.text.splitlines()
    assert f'href="{link}"' in letter.html
    assert letter.headers["Reply-To"] == OPERATORS


@pytest.mark.parametrize(
    ("late", "days_left", "over"),
    [
        (timedelta(), 2, False),
        (timedelta(days=1), 1, False),
        (timedelta(days=1, hours=15), 0, False),
        (timedelta(days=2), 0, True),
        (timedelta(days=9), 0, True),
    ],
)
async def test_a_letter_that_was_held_up_says_what_is_so_by_then(
    house: LetterHouse, late: timedelta, days_left: int, over: bool
) -> None:
    account_id = await house.account()
    house.fakes.clock.move(days=363)
    item = await house.ending(account_id, days_left=2)
    house.fakes.clock.move(late)
    told = await facts(house, item)
    assert (told["days_left"], told["over"]) == (days_left, over)


async def test_what_amazon_ended_early_is_over(house: LetterHouse) -> None:
    account_id = await house.account()
    house.fakes.clock.move(days=364)
    item = await house.ending(account_id)
    await set_authorization(house, account_id, state=State.LAPSED)
    assert (await facts(house, item))["over"] is True


async def renewed(house: LetterHouse, account_id: str) -> None:
    house.fakes.clock.move(days=1)
    await house.renew(account_id)


async def closed(house: LetterHouse, account_id: str) -> None:
    await house.desk.accounts.close(account_id, by=SYSTEM)


async def revoked(house: LetterHouse, account_id: str) -> None:
    await set_authorization(house, account_id, state=State.REVOKED)


async def term_moved(house: LetterHouse, account_id: str) -> None:
    ends_at = (await house.authorization(account_id)).term_ends_at
    assert ends_at is not None
    await set_authorization(house, account_id, term_ends_at=ends_at + timedelta(days=40))


async def mailed_again(house: LetterHouse, account_id: str) -> None:
    await house.desk.consent.invite(account_id, by=SYSTEM)


POINTLESS = [renewed, closed, revoked, term_moved, mailed_again]


@pytest.mark.parametrize("meanwhile", POINTLESS)
async def test_a_letter_that_is_pointless_by_then_is_dropped(
    house: LetterHouse, meanwhile: Any
) -> None:
    account_id = await house.account()
    house.fakes.clock.move(days=340)
    item = await house.ending(account_id)
    await meanwhile(house, account_id)
    ended = await house.desk.post.deliver(item.id)
    assert ended.state is OutboxState.FAILED
    assert "pointless" in ended.last_error
    assert not house.fakes.mail.letters
    assert not await house.notices(), "nothing is wrong with the address"


# --- the operators' digest ------------------------------------------------------------------------


async def test_the_digest_opens_its_links_at_delivery(house: LetterHouse) -> None:
    first = await house.account("Heron Books", client_email="heron@shop.example")
    second = await house.account("Kestrel", client_email="kestrel@shop.example")
    house.fakes.clock.move(days=356)
    item = await house.digest(ending=[await house.row(first), await house.row(second)])
    assert "connect/" not in repr(item)
    await house.sent(item)
    (letter,) = house.fakes.mail.to(OPERATORS)
    assert letter.subject.endswith("2 matters to see to")
    for account_id in (first, second):
        link = (await house.desk.consent.link(account_id, by=SYSTEM)).reveal()
        assert link in letter.text
        assert f'href="{link}"' in letter.html
    assert "in 9 days" in letter.text
    async with house.fakes.store.transaction() as tx:
        assert "connect/" not in repr(await tx.outbox.all())


@pytest.mark.parametrize("meanwhile", POINTLESS[:-1])
async def test_rows_that_settled_themselves_are_left_out(
    house: LetterHouse, meanwhile: Any
) -> None:
    stays = await house.account("Heron Books", client_email="heron@shop.example")
    goes = await house.account("Kestrel", client_email="kestrel@shop.example")
    house.fakes.clock.move(days=340)
    item = await house.digest(ending=[await house.row(stays), await house.row(goes)])
    alone = await house.digest(ending=[await house.row(goes)])
    await meanwhile(house, goes)
    assert [row["account_id"] for row in (await facts(house, item))["ending"].rows] == [stays]
    assert await house.desk.consent.letter_facts(alone) is None


async def test_each_table_keeps_what_is_still_so(house: LetterHouse) -> None:
    account_id = await house.account()
    row = await house.row(account_id)
    item = await house.digest(lapsed=[row], undated=[row | {"ends_at": None}], believed=[row])
    told = await facts(house, item)
    assert not told["lapsed"].rows, "it has not lapsed, or came back"
    assert not told["undated"].rows, "its day is known by now"
    assert told["believed"].rows
    assert told["believed"].rows[0]["link"] is None, "a private application has no consent page"
    await set_authorization(house, account_id, state=State.LAPSED)
    assert (await facts(house, item))["lapsed"].rows
    await set_authorization(house, account_id, state=State.ACTIVE, granted_at=None)
    assert (await facts(house, item))["undated"].rows
    house.fakes.clock.move(days=1)
    await house.renew(account_id)
    assert await house.desk.consent.letter_facts(item) is None


async def test_a_secret_that_was_rotated_is_left_out(house: LetterHouse) -> None:
    ends_at = house.now + timedelta(days=14)
    async with house.fakes.store.transaction() as tx:
        await tx.credentials.change(house.application_id, secret_expires_at=ends_at)
    row = {
        "application_id": house.application_id,
        "application_name": "Northwind Connect",
        "ends_at": ends_at.isoformat(),
        "days_left": 14,
    }
    lost = {"to": "a@b.example", "topic": "renewal", "error": "550"}
    item = await house.digest(secrets=[row], undelivered=[lost])
    assert (await facts(house, item))["matters"] == 2
    async with house.fakes.store.transaction() as tx:
        later = ends_at + timedelta(days=180)
        await tx.credentials.change(house.application_id, secret_expires_at=later)
    assert (await facts(house, item))["matters"] == 1


async def test_a_secret_that_ends_early_by_a_stuck_rotation_is_told(house: LetterHouse) -> None:
    ends_at = house.now + timedelta(days=3)
    rotation = Rotation(
        id="rot_1",
        application_id=house.application_id,
        source=RotationSource.ASKED,
        step=RotationStep.ASKING,
        created_at=house.now,
        changed_at=house.now,
    )
    async with house.fakes.store.transaction() as tx:
        known = ends_at + timedelta(days=20)
        await tx.credentials.change(house.application_id, secret_expires_at=known)
        await tx.rotations.add(rotation)
    row = {
        "application_id": house.application_id,
        "application_name": "Northwind Connect",
        "ends_at": ends_at.isoformat(),
        "days_left": 3,
    }
    item = await house.digest(secrets=[row])
    assert len((await facts(house, item))["secrets"].rows) == 1
    async with house.fakes.store.transaction() as tx:
        await tx.rotations.change("rot_1", ended_at=house.now)
    assert await house.desk.consent.letter_facts(item) is None


async def test_what_has_lapsed_says_whom_to_write_to(house: LetterHouse) -> None:
    account_id = await house.account(client_email="heron@shop.example")
    await set_authorization(house, account_id, state=State.LAPSED)
    item = await house.digest(lapsed=[await house.row(account_id) | {"letter_to": ""}])
    (row,) = (await facts(house, item))["lapsed"].rows
    assert row["letter_to"] == "heron@shop.example"
    await house.sent(item)
    (letter,) = house.fakes.mail.to(OPERATORS)
    assert "(heron@shop.example)" in letter.text
    assert "heron@shop.example" in letter.html


async def test_what_ended_before_the_letter_left_stands_with_what_is_over(
    house: LetterHouse,
) -> None:
    account_id = await house.account()
    ends_at = house.now + timedelta(days=2)
    await set_authorization(house, account_id, term_ends_at=ends_at)
    async with house.fakes.store.transaction() as tx:
        await tx.credentials.change(house.application_id, secret_expires_at=ends_at)
    secret = {
        "application_id": house.application_id,
        "application_name": "Northwind Connect",
        "ends_at": ends_at.isoformat(),
        "days_left": 2,
    }
    item = await house.digest(ending=[await house.row(account_id)], secrets=[secret])
    told = await facts(house, item)
    assert [len(told[name].rows) for name in ("ending", "lapsed")] == [1, 0]
    assert [len(told[name].rows) for name in ("secrets", "secrets_over")] == [1, 0]
    house.fakes.clock.move(days=5)
    told = await facts(house, item)
    assert [len(told[name].rows) for name in ("ending", "lapsed")] == [0, 1]
    assert [len(told[name].rows) for name in ("secrets", "secrets_over")] == [0, 1]
    assert told["matters"] == 2
    await house.sent(item)
    (letter,) = house.fakes.mail.to(OPERATORS)
    assert "3 days ago" in letter.text
    for part in (letter.text, letter.html):
        assert "END SOON" not in part.upper()


async def test_a_refusal_is_told_while_it_hangs(house: LetterHouse) -> None:
    account_id = await house.account(client_email="heron@shop.example")
    await set_authorization(house, account_id, state=State.REVOKED)
    own = await house.authorization(account_id)
    async with house.fakes.store.transaction() as tx:
        kind = NoticeKind.GRANT_REFUSED
        await notices.put(
            tx, now=house.now, kind=kind, subject=own.id, message="No.", account_id=account_id
        )
        (notice,) = await tx.notices.all(kind=kind)
    row = await house.row(account_id)
    told = {"notice_id": notice.id, "refused_at": house.now.isoformat(), "amazon_said": "No."}
    item = await house.digest(refused=[row | told | {"letter_to": ""}])
    (shown,) = (await facts(house, item))["refused"].rows
    assert (shown["letter_to"], shown["days_left"]) == ("heron@shop.example", 0)
    assert shown["link"] is not None
    await set_authorization(house, account_id, state=State.ACTIVE)
    assert await house.desk.consent.letter_facts(item) is None
    await set_authorization(house, account_id, state=State.REVOKED)
    await house.desk.notices.settle(notice.id, by=SYSTEM)
    assert await house.desk.consent.letter_facts(item) is None


async def test_the_board_is_told_as_it_hangs_the_urgent_first(house: LetterHouse) -> None:
    async with house.fakes.store.transaction() as tx:
        for number in range(120):
            kind = NoticeKind.ROTATION_STUCK if number == 110 else NoticeKind.QUEUE_TROUBLE
            await notices.put(tx, now=house.now, kind=kind, subject=f"app_{number}", message="x")
        hanging = await tx.notices.all()
        await notices.put(
            tx, now=house.now, kind=NoticeKind.ROTATION_STUCK, subject="app_110", message="y"
        )
    item = await house.digest(board=[{"notice_id": one.id} for one in hanging])
    told = (await facts(house, item))["board"]
    assert (len(told.rows), told.left_out) == (100, 20)
    assert (told.rows[0]["kind"], told.rows[0]["message"]) == ("rotation_stuck", "y")


async def test_operators_read_their_own_language(house: LetterHouse) -> None:
    account_id = await house.account()
    house.fakes.clock.move(days=340)
    item = await house.digest(ending=[await house.row(account_id)])
    house.desk = desk(house.fakes, house=replace(HOUSE, operators_language="de"))
    await house.sent(item)
    await house.desk.registry.note_application_trouble(house.application_id, REFUSED)
    async with house.fakes.store.transaction() as tx:
        (incident,) = await tx.outbox.all(topic="secret_incident")
    await house.sent(incident)
    ending = await house.ending(account_id)
    await house.sent(ending)
    (client,) = house.fakes.mail.to("shop@heron.example")
    digest, trouble = house.fakes.mail.to(OPERATORS)
    assert "Verbindungen" in digest.subject
    assert "Amazon lehnt die Anwendung" in trouble.subject
    assert "your Amazon permission" in client.subject, "a client has a language of their own"


async def test_no_more_links_are_made_than_are_shown(house: LetterHouse) -> None:
    account_id = await house.account()
    row = await house.row(account_id)
    told = (await facts(house, await house.digest(ending=[row] * 300)))["ending"]
    assert (len(told.rows), told.left_out) == (100, 200)
    assert len(await house.desk.consent.invitations(account_id, by=SYSTEM)) == 1


# --- the incident of an application ---------------------------------------------------------------


async def test_an_incident_is_told_as_one_of_the_application(house: LetterHouse) -> None:
    for number in range(3):
        await house.account(f"Shop {number}", client_email=f"shop{number}@shop.example")
    await house.desk.registry.note_application_trouble(house.application_id, REFUSED)
    async with house.fakes.store.transaction() as tx:
        (item,) = await tx.outbox.all(topic="secret_incident")
    await house.sent(item)
    (letter,) = house.fakes.mail.letters
    assert letter.to == OPERATORS
    assert "Northwind Connect" in letter.subject
    for part in (letter.text, letter.html):
        assert "Accounts that stand still: 3" in part
        assert "invalid_client: Client authentication failed" in part
        assert f"evergrant app rotate-secret {house.application_id}" in part


async def test_an_incident_that_is_over_is_no_letter(house: LetterHouse) -> None:
    await house.desk.registry.note_application_trouble(house.application_id, REFUSED)
    await house.desk.registry.note_application_trouble(house.application_id, None)
    async with house.fakes.store.transaction() as tx:
        (item,) = await tx.outbox.all(topic="secret_incident")
    assert (await house.desk.post.deliver(item.id)).state is OutboxState.FAILED
    assert not house.fakes.mail.letters
