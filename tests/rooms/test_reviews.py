"""The sign-off book: who signs what, until when it stands, and what the journal keeps of it."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from evergrant import journal
from evergrant.desk import Desk
from evergrant.errors import Conflict, InvalidInput, NotAllowed, NotFound
from evergrant.registry import NewApplication, NewInstance
from evergrant.rules.reviews import ITEMS
from evergrant.rules.rights import SYSTEM, Caller, CallerKind, Right, command_line
from evergrant.rules.secrecy import Secret
from evergrant.testing.desk import Fakes
from evergrant.testing.desk import desk as desk_on

SHELL = command_line("root")
KEY = Caller(
    kind=CallerKind.API_KEY, id="key_1", name="go-live script", rights=frozenset({Right.MANAGE})
)
VALUES = {"EVERGRANT_PUBLIC_URL": "https://connect.northwind.example", "days": [30, 7]}
DAY = timedelta(days=1)


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def desk(fakes: Fakes) -> Desk:
    return desk_on(fakes)


async def application(desk: Desk) -> str:
    text = secrets.token_hex(16)
    added = await desk.registry.add_application(
        NewApplication(
            name=f"Connector {text[:4]}",
            application_id="amzn1.sp.solution."
            f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}",
        ),
        by=SYSTEM,
    )
    return added.id


async def test_somebody_signs_and_it_stands_for_these_values_alone(
    desk: Desk, fakes: Fakes
) -> None:
    assert not await desk.reviews.is_signed("local-settings", looked_at=VALUES)
    review = await desk.reviews.sign(
        "local-settings", VALUES, by=SHELL, name=" Ada Lovelace ", note=" all of them "
    )
    assert (review.name, review.by, review.note) == (
        "Ada Lovelace",
        "command_line:root",
        "all of them",
    )
    assert review.at == fakes.clock.now()
    assert await desk.reviews.is_signed("local-settings", looked_at=VALUES)
    assert await desk.reviews.is_signed("local-settings", looked_at=dict(reversed(VALUES.items())))
    assert not await desk.reviews.is_signed("local-settings", looked_at=VALUES | {"days": [30]})
    assert not await desk.reviews.is_signed("mail-relay", looked_at=VALUES)
    fakes.clock.move(days=5000)
    assert await desk.reviews.is_signed("local-settings", looked_at=VALUES)


async def test_signing_again_replaces_and_the_journal_keeps_both(desk: Desk, fakes: Fakes) -> None:
    await desk.reviews.sign("operators", VALUES, by=SHELL, name="Ada")
    fakes.clock.move(days=1)
    await desk.reviews.sign("operators", VALUES | {"more": 1}, by=KEY)
    (review,) = (await desk.reviews.signed(by=SYSTEM)).values()
    assert review.name == "go-live script"
    taken = await desk.reviews.withdraw("operators", by=SHELL, note="too early")
    assert taken == review
    assert await desk.reviews.signed(by=SYSTEM) == {}
    lines = await journal.read(desk.store, SYSTEM, subject="operators", newest_first=False)
    assert [line.verb for line in lines] == ["review.signed", "review.signed", "review.withdrawn"]
    assert [line.caller for line in lines] == [
        "command_line:root",
        "api_key:key_1",
        "command_line:root",
    ]
    assert lines[0].facts["name"] == "Ada"
    assert lines[0].facts["looked_at"] == VALUES
    assert lines[2].facts["note"] == "too early"


async def test_some_signatures_grow_old(desk: Desk, fakes: Fakes) -> None:
    lasts = ITEMS["backups"].lasts
    assert lasts is not None
    await desk.reviews.sign("backups", {}, by=KEY)
    fakes.clock.move(lasts - DAY)
    assert await desk.reviews.is_signed("backups", looked_at={})
    fakes.clock.move(DAY)
    assert not await desk.reviews.is_signed("backups", looked_at={})


async def test_one_for_each_application_and_instance(desk: Desk) -> None:
    one, other = await application(desk), await application(desk)
    instance = (await desk.registry.add_instance(NewInstance(name="ERP"), by=SYSTEM)).instance.id
    await desk.reviews.sign("registration", VALUES, subject=one, by=KEY)
    await desk.reviews.sign("instance-webhooks", {}, subject=instance, by=KEY)
    assert await desk.reviews.is_signed("registration", one, looked_at=VALUES)
    assert not await desk.reviews.is_signed("registration", other, looked_at=VALUES)
    assert set(await desk.reviews.signed(by=SYSTEM)) == {
        f"registration/{one}",
        f"instance-webhooks/{instance}",
    }
    for item, subject in (
        ("registration", ""),
        ("registration", instance),
        ("instance-webhooks", one),
        ("backups", one),
        ("made-up", ""),
    ):
        with pytest.raises(NotFound):
            await desk.reviews.sign(item, {}, subject=subject, by=KEY)
    with pytest.raises(NotFound):
        await desk.reviews.withdraw("registration", subject=other, by=KEY)
    with pytest.raises(NotFound):
        await desk.reviews.is_signed("made-up", looked_at={})


async def test_what_the_machine_decides_is_not_signed(desk: Desk) -> None:
    one = await application(desk)
    with pytest.raises(Conflict):
        await desk.reviews.sign("integration-credentials", {}, subject=one, by=KEY)
    assert not await desk.reviews.is_signed("integration-credentials", one, looked_at={})


async def test_a_person_has_a_name_and_a_note_an_end(desk: Desk) -> None:
    with pytest.raises(InvalidInput) as caught:
        await desk.reviews.sign("backups", {}, by=SHELL, note="x" * 501)
    assert {flaw.field for flaw in caught.value.flaws} == {"name", "note"}
    assert "--name" in str(caught.value.hint)
    assert await desk.reviews.signed(by=SYSTEM) == {}


async def test_nothing_secret_is_written_down(desk: Desk, fakes: Fakes) -> None:
    secret = f"amzn1.oa2-cs.v1.{secrets.token_hex(16)}"
    with pytest.raises(TypeError):
        await desk.reviews.sign("backups", {"x": Secret(secret)}, by=KEY)
    await desk.reviews.sign("backups", {}, by=KEY, note=f"the new one is {secret}")
    assert secret not in str(fakes.store.rows)
    assert secret not in str(fakes.store.lines)


@pytest.mark.parametrize("rights", [{Right.READ}, {Right.WRITE}, set()])
async def test_only_who_may_manage_signs(desk: Desk, rights: set[Right]) -> None:
    by = Caller(kind=CallerKind.OPERATOR, id="opr_1", name="Eve", rights=frozenset(rights))
    with pytest.raises(NotAllowed):
        await desk.reviews.sign("backups", {}, by=by)
    await desk.reviews.sign("backups", {}, by=KEY)
    with pytest.raises(NotAllowed):
        await desk.reviews.withdraw("backups", by=by)
    if Right.READ in rights:
        assert set(await desk.reviews.signed(by=by)) == {"backups"}
    else:
        with pytest.raises(NotAllowed):
            await desk.reviews.signed(by=by)
