"""Letters to operators, from the fact to the mail box."""

from __future__ import annotations

import secrets

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from evergrant.errors import SignInRefused
from evergrant.ports.things import OutboxState
from evergrant.rules.rights import command_line
from evergrant.rules.secrecy import Secret
from evergrant.sessions import Browser
from evergrant.testing.desk import HOUSE, Fakes, desk

ROOT = command_line("root")


async def test_an_invitation_arrives_with_its_link() -> None:
    fakes = Fakes()
    house = desk(fakes)
    invitation = await house.sessions.invite_operator(
        name="Bea Moor", email="bea@house.example", role="support", by=ROOT
    )
    (item_id,) = fakes.bell.rung
    assert (await house.post.deliver(item_id)).state is OutboxState.SENT
    (letter,) = fakes.mail.letters
    link = (await house.sessions.invitation_link(invitation.id, by=ROOT)).link.reveal()
    assert letter.to == "bea@house.example"
    assert link in letter.text.splitlines()
    assert f'href="{link}"' in letter.html
    assert "Bea Moor" in letter.text
    assert HOUSE.name in letter.subject
    assert link not in repr(fakes.store.rows) + repr(fakes.store.lines)


async def test_an_invitation_that_was_withdrawn_is_not_sent() -> None:
    fakes = Fakes()
    house = desk(fakes)
    invitation = await house.sessions.invite_operator(
        name="Bea Moor", email="bea@house.example", role="support", by=ROOT
    )
    await house.sessions.withdraw_invitation(invitation.id, by=ROOT)
    (item_id,) = fakes.bell.rung
    assert (await house.post.deliver(item_id)).state is OutboxState.FAILED
    assert not fakes.mail.letters


@pytest.mark.parametrize("knows_password", [False, True])
async def test_word_of_a_lock_out_arrives(knows_password: bool) -> None:
    fakes = Fakes()
    house = desk(fakes)
    # As slow as it has to be for a password that is made up at run time.
    house.people._passwords = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=64)])
    word = Secret(secrets.token_urlsafe(18))
    await house.people.add_operator(
        name="Ada Field", email="ada@house.example", role="admin", password=word, by=ROOT
    )
    for number in range(10):
        stranger = Browser(f"203.0.113.{number}")
        with pytest.raises(SignInRefused):
            await house.sessions.sign_in(
                "ada@house.example", Secret(secrets.token_hex(9)), stranger
            )
    async with fakes.store.transaction() as tx:
        (item,) = await tx.outbox.all(topic="operator_locked")
        facts = {**item.facts, "knows_password": knows_password}
        await tx.outbox.change(item.id, facts=facts)
    assert (await house.post.deliver(item.id)).state is OutboxState.SENT
    (letter,) = fakes.mail.letters
    assert letter.to == "ada@house.example"
    assert "203.0.113.9" in letter.text
    assert ("knows your password" in letter.text) is knows_password
