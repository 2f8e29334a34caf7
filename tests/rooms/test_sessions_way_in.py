"""The porter's lodge: people are written to when what lets them in has changed."""

from __future__ import annotations

import secrets

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from evergrant.errors import (
    Conflict,
    NotAllowed,
    NotFound,
    SecondFactorRefused,
    SignInRefused,
    SingleSignOnRefused,
)
from evergrant.people import WAY_IN_LETTER, WayInChange
from evergrant.ports.things import OutboxState
from evergrant.rules.rights import command_line
from evergrant.rules.secrecy import Secret
from evergrant.sessions import Arrived, Browser
from evergrant.testing.desk import Fakes, desk
from tests.rooms.lodge import HERE, ROOT, THERE, Lodge, Person, password


@pytest.fixture
def lodge() -> Lodge:
    return Lodge()


async def told(lodge: Lodge, person: Person) -> list[tuple[str, str, str]]:
    """What the person was written: the change, by whom, from where. All of it was rung for."""
    letters = [
        one for one in await lodge.letters(WAY_IN_LETTER) if one.subject == person.operator.id
    ]
    assert {one.to for one in letters} <= {person.operator.email}
    assert {one.id for one in letters} <= set(lodge.fakes.bell.rung)
    lodge.clock.move(seconds=1)  # what comes next has a later instant, and so stands behind these
    return [(one.facts["change"], one.facts["changed_by"], one.facts["address"]) for one in letters]


async def arrive(lodge: Lodge, subject: str = "u-1", *, verified: bool = True) -> Arrived:
    assert lodge.provider is not None
    begun = await lodge.sessions.begin_single_sign_on("/console")
    query = lodge.provider.came_back(
        begun.location, email="ada@house.example", verified=verified, subject=subject
    )
    return await lodge.sessions.finish_single_sign_on(query, begun.state, HERE)


async def test_a_second_factor_that_is_set_up_and_removed(lodge: Lodge) -> None:
    ada = await lodge.person()
    assert await told(lodge, ada) == [("second_factor_set", "", HERE.address)]
    await lodge.sessions.remove_second_factor(ada.operator.id, by=ROOT)
    assert (await told(lodge, ada))[1:] == [("second_factor_removed", "root", "")]
    await lodge.sessions.remove_second_factor(ada.operator.id, by=ROOT)
    assert len(await told(lodge, ada)) == 2, "there was none any more"


async def test_a_password_that_is_changed(lodge: Lodge) -> None:
    ada, bea = await lodge.person(), await lodge.person("Bea", "support")
    signed_in = await lodge.come_in(bea)
    fresh = password()
    await lodge.sessions.change_password(signed_in.secret, bea.password, fresh, THERE)
    assert (await told(lodge, bea))[1:] == [("password_set", "", THERE.address)]
    again = password()
    await lodge.people.set_password(bea.operator.id, again, by=ada.by)
    written = await lodge.letters(WAY_IN_LETTER)
    assert (written[-1].subject, written[-1].facts["changed_by"]) == (bea.operator.id, "Ada")
    kept = lodge.kept()
    assert fresh.reveal() not in kept
    assert again.reveal() not in kept


async def test_recovery_codes_that_are_made_anew(lodge: Lodge) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    with pytest.raises(SecondFactorRefused):
        await lodge.sessions.new_recovery_codes(signed_in.secret, "000000")
    assert len(await told(lodge, ada)) == 1, "nothing was changed"
    lodge.clock.move(seconds=60)
    await lodge.sessions.new_recovery_codes(signed_in.secret, lodge.code(ada))
    assert (await told(lodge, ada))[1:] == [("recovery_codes_made", "", HERE.address)]


async def test_a_recovery_code_from_a_place_that_is_not_known(lodge: Lodge) -> None:
    ada = await lodge.person()

    async def recover(browser: Browser) -> None:
        half = await lodge.sign_in(ada, browser)
        code = ada.recovery_codes[0]
        ada.recovery_codes = ada.recovery_codes[1:]
        await lodge.sessions.prove(half.secret, code.reveal(), browser)

    await recover(HERE)
    assert len(await told(lodge, ada)) == 1, "she has come in from here before"
    await recover(THERE)
    await recover(THERE)
    assert (await told(lodge, ada))[1:] == [("recovery_code_used", "", THERE.address)]
    await lodge.come_in(ada, Browser("192.0.2.44"))
    assert len(await told(lodge, ada)) == 2, "a code of the clock is the usual way"
    await recover(Browser(""))
    assert (await told(lodge, ada))[2:] == [("recovery_code_used", "", "")]


async def test_single_sign_on_that_is_bound_and_unbound(lodge: Lodge) -> None:
    ada = await lodge.person(enrolled=False)
    arrived = await arrive(lodge)
    await arrive(lodge)
    assert await told(lodge, ada) == [("single_sign_on_bound", "", HERE.address)]
    unbound = await lodge.sessions.unbind_single_sign_on(ada.operator.id, by=ROOT)
    assert unbound.sso_subject == ""
    assert (await told(lodge, ada))[1:] == [("single_sign_on_unbound", "root", "")]
    assert await lodge.sessions.recognise(arrived.signed_in.secret) is None
    (line,) = await lodge.lines("operator.single_sign_on_unbound")
    assert (line.subject, line.caller) == (ada.operator.id, "command_line:root")
    assert "u-1" not in repr(line.facts)
    await lodge.sessions.unbind_single_sign_on(ada.operator.id, by=ROOT)
    assert len(await lodge.lines("operator.single_sign_on_unbound")) == 1
    with pytest.raises(SingleSignOnRefused):
        await arrive(lodge, verified=False)
    assert (await lodge.sign_in(ada)).operator.id == ada.operator.id, "by password as before"
    again = await arrive(lodge, "u-2")
    assert again.signed_in.operator.id == ada.operator.id, "whoever has her address is bound anew"


async def test_who_has_no_password_keeps_the_only_way_in(lodge: Lodge) -> None:
    ada = await lodge.person(enrolled=False)
    arrived = await arrive(lodge)
    async with lodge.rows.transaction() as tx:
        await tx.operators.change(ada.operator.id, password_hash="")
    with pytest.raises(Conflict) as refused:
        await lodge.sessions.unbind_single_sign_on(ada.operator.id, by=ROOT)
    assert "no way in" in refused.value.message
    assert "password" in (refused.value.hint or "")
    assert await lodge.sessions.recognise(arrived.signed_in.secret) is not None
    for word in (ada.password, Secret("")):
        with pytest.raises(SignInRefused):
            await lodge.sessions.sign_in(ada.operator.email, word, HERE)
    await lodge.people.set_password(ada.operator.id, password(), by=ROOT)
    await lodge.sessions.unbind_single_sign_on(ada.operator.id, by=ROOT)


async def test_unbinding_is_for_admins(lodge: Lodge) -> None:
    ada, bea = await lodge.person(), await lodge.person("Bea", "support")
    with pytest.raises(NotAllowed):
        await lodge.sessions.unbind_single_sign_on(ada.operator.id, by=bea.by)
    with pytest.raises(NotFound):
        await lodge.sessions.unbind_single_sign_on("opr_none", by=ROOT)


async def test_who_is_disabled_is_not_written_to(lodge: Lodge) -> None:
    bea = await lodge.person("Bea", "support", enrolled=False)
    await lodge.people.disable_operator(bea.operator.id, by=ROOT)
    await lodge.people.set_password(bea.operator.id, password(), by=ROOT)
    assert not await lodge.letters(WAY_IN_LETTER)


async def test_the_letter_arrives() -> None:
    fakes = Fakes()
    house = desk(fakes)
    house.people._passwords = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=64)])
    by = command_line("root")
    ada = await house.people.add_operator(
        name="Ada Field",
        email="ada@house.example",
        role="admin",
        password=Secret(secrets.token_urlsafe(18)),
        by=by,
    )
    await house.people.set_password(ada.id, Secret(secrets.token_urlsafe(18)), by=by)
    (item_id,) = fakes.bell.rung
    assert (await house.post.deliver(item_id)).state is OutboxState.SENT
    (letter,) = fakes.mail.letters
    assert letter.to == "ada@house.example"
    assert "Your password was changed" in letter.subject
    assert "By whom: root" in letter.text
    assert "tell an admin at once" in " ".join(letter.html.split())


def test_each_change_is_one_that_somebody_is_told_of() -> None:
    assert {one.value for one in WayInChange} == {
        *("password_set", "second_factor_set", "second_factor_removed"),
        *("recovery_codes_made", "recovery_code_used"),
        *("single_sign_on_bound", "single_sign_on_unbound"),
    }
