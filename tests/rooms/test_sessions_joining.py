"""The porter's lodge: invitations of operators, roles, and the first start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from evergrant import vault
from evergrant.errors import (
    Conflict,
    FirstStartRefused,
    InvalidInput,
    InvitationRefused,
    LastAdmin,
    NotAllowed,
    NotFound,
)
from evergrant.rules.rights import Caller, CallerKind, Right, Role
from evergrant.rules.secrecy import Secret, digest
from evergrant.sessions import JOIN_PATH, OperatorInvitation, SignedIn, Step
from evergrant.testing.desk import HOUSE
from tests.rooms.lodge import HERE, ROOT, THERE, Lodge, password


@pytest.fixture
def lodge() -> Lodge:
    return Lodge()


async def invited(
    lodge: Lodge, email: str = "bea@house.example", by: Caller = ROOT
) -> tuple[OperatorInvitation, Secret]:
    invitation = await lodge.sessions.invite_operator(
        name="Bea", email=email, role="support", by=by
    )
    return invitation, (await lodge.sessions.invitation_link(invitation.id, by=by)).link


# --- invitations ------------------------------------------------------------------------------


async def test_an_invitation_makes_an_operator(lodge: Lodge) -> None:
    ada = await lodge.person()
    invitation, link = await invited(lodge, " BEA@House.example", ada.by)
    assert link.reveal().startswith(f"{HOUSE.public_url}{JOIN_PATH}egi_")
    assert await lodge.sessions.look_up_invitation(link) == invitation
    word = password()
    signed_in = await lodge.sessions.accept_invitation(link, word, THERE)
    assert signed_in.step is Step.ENROL
    assert signed_in.operator.email == "bea@house.example"
    assert signed_in.operator.role is Role.SUPPORT
    again = await lodge.sessions.sign_in("bea@house.example", word, THERE)
    assert again.operator.id == signed_in.operator.id
    (accepted,) = await lodge.sessions.invitations(by=ada.by)
    assert accepted.operator_id == signed_in.operator.id
    assert accepted.accepted_at == lodge.clock.now()
    (line,) = await lodge.lines("operator.invited")
    assert line.caller == str(ada.by)


async def test_the_letter_has_the_link_and_no_row_does(lodge: Lodge) -> None:
    invitation, link = await invited(lodge)
    secret_part = link.reveal().rpartition("/")[2]
    assert secret_part not in lodge.kept()
    assert invitation.link_digest == digest(secret_part)
    (item,) = await lodge.letters("operator_invitation")
    assert item.to == "bea@house.example"
    assert item.id in lodge.fakes.bell.rung
    known = await lodge.sessions.letter_facts(item)
    assert known is not None
    assert known.link == link
    assert known.facts == {
        "operator_name": "Bea",
        "invited_by": "root",
        "expires_at": invitation.expires_at,
    }
    await lodge.sessions.withdraw_invitation(invitation.id, by=ROOT)
    assert await lodge.sessions.letter_facts(item) is None, "pointless by now"


async def test_looking_spends_nothing_and_accepting_does(lodge: Lodge) -> None:
    _, link = await invited(lodge)
    for _ in range(5):
        await lodge.sessions.look_up_invitation(link)
    with pytest.raises(InvalidInput):
        await lodge.sessions.accept_invitation(link, Secret("short"), HERE)
    await lodge.sessions.accept_invitation(link, password(), HERE)
    for verb in (
        lodge.sessions.look_up_invitation(link),
        lodge.sessions.accept_invitation(link, password(), HERE),
    ):
        with pytest.raises(InvitationRefused) as refused:
            await verb
        assert refused.value.reason == "accepted"


async def test_two_who_accept_at_once_are_one(lodge: Lodge) -> None:
    _, link = await invited(lodge)
    outcomes = await asyncio.gather(
        *(lodge.sessions.accept_invitation(link, password(), HERE) for _ in range(4)),
        return_exceptions=True,
    )
    assert [type(one) for one in outcomes].count(SignedIn) == 1
    assert len(lodge.fakes.store.rows["operators"]) == 1
    others = [one for one in outcomes if not isinstance(one, SignedIn)]
    assert all(isinstance(one, (InvitationRefused, Conflict)) for one in others)


async def test_a_link_lives_seven_days(lodge: Lodge) -> None:
    invitation, link = await invited(lodge)
    lodge.clock.move(days=7, seconds=-1)
    await lodge.sessions.look_up_invitation(link)
    lodge.clock.move(seconds=1)
    with pytest.raises(InvitationRefused) as refused:
        await lodge.sessions.accept_invitation(link, password(), HERE)
    assert refused.value.reason == "expired"
    with pytest.raises(Conflict):
        await lodge.sessions.invitation_link(invitation.id, by=ROOT)
    fresh, newer = await invited(lodge)
    assert fresh.id != invitation.id
    await lodge.sessions.accept_invitation(newer, password(), HERE)


async def test_a_newer_invitation_takes_the_place_of_an_older_one(lodge: Lodge) -> None:
    older, link = await invited(lodge)
    _, newer = await invited(lodge)
    with pytest.raises(InvitationRefused) as refused:
        await lodge.sessions.look_up_invitation(link)
    assert refused.value.reason == "withdrawn"
    assert vault.operator_invitation_link(older.id) not in lodge.fakes.store.rows["safe"]
    await lodge.sessions.look_up_invitation(newer)


@pytest.mark.parametrize(
    "text", ["", "egi_x", "egi_" + "a" * 43, "x" * 9999, "/console/join/", "\0"]
)
async def test_a_link_that_is_none(lodge: Lodge, text: str) -> None:
    await invited(lodge)
    with pytest.raises(InvitationRefused) as refused:
        await lodge.sessions.look_up_invitation(Secret(text))
    assert refused.value.reason == "unknown"


async def test_withdrawing(lodge: Lodge) -> None:
    invitation, link = await invited(lodge)
    first = await lodge.sessions.withdraw_invitation(invitation.id, by=ROOT)
    assert await lodge.sessions.withdraw_invitation(invitation.id, by=ROOT) == first
    with pytest.raises(InvitationRefused):
        await lodge.sessions.accept_invitation(link, password(), HERE)
    other, link = await invited(lodge)
    await lodge.sessions.accept_invitation(link, password(), HERE)
    with pytest.raises(Conflict):
        await lodge.sessions.withdraw_invitation(other.id, by=ROOT)
    for verb in (
        lodge.sessions.withdraw_invitation("oin_none", by=ROOT),
        lodge.sessions.invitation_link("oin_none", by=ROOT),
    ):
        with pytest.raises(NotFound):
            await verb


async def test_who_may_invite_whom(lodge: Lodge) -> None:
    lead = await lodge.person("Lea", "team_lead")
    invitation, _ = await invited(lodge)
    for verb in (
        lodge.sessions.invite_operator(name="X", email="x@y.example", role="auditor", by=lead.by),
        lodge.sessions.invitation_link(invitation.id, by=lead.by),
        lodge.sessions.withdraw_invitation(invitation.id, by=lead.by),
    ):
        with pytest.raises(NotAllowed):
            await verb
    assert await lodge.sessions.invitations(by=lead.by) == [invitation]
    support = await lodge.person("Sue", "support")
    with pytest.raises(NotAllowed):
        await lodge.sessions.invitations(by=support.by)
    # A key that manages, and may nothing else, makes nobody who may more.
    key = Caller(kind=CallerKind.API_KEY, rights=frozenset({Right.MANAGE, Right.READ}))
    with pytest.raises(NotAllowed):
        await lodge.sessions.invite_operator(name="X", email="x@y.example", role="admin", by=key)
    with pytest.raises(NotAllowed):
        await lodge.sessions.change_role(support.operator.id, "team_lead", by=key)


async def test_what_is_wrong_with_an_invitation(lodge: Lodge) -> None:
    ada = await lodge.person()
    with pytest.raises(InvalidInput) as caught:
        await lodge.sessions.invite_operator(name="", email="x", role="boss", by=ada.by)
    assert {flaw.field for flaw in caught.value.flaws} == {"name", "email", "role"}
    with pytest.raises(Conflict):
        await lodge.sessions.invite_operator(
            name="Ada", email=ada.operator.email, role="support", by=ada.by
        )


async def test_who_became_an_operator_meanwhile_is_not_made_twice(lodge: Lodge) -> None:
    _, link = await invited(lodge)
    await lodge.people.add_operator(
        name="Bea", email="bea@house.example", role="auditor", password=password(), by=ROOT
    )
    with pytest.raises(Conflict):
        await lodge.sessions.accept_invitation(link, password(), HERE)


# --- roles ------------------------------------------------------------------------------------


async def test_the_last_admin_stays_one(lodge: Lodge) -> None:
    ada, bea = await lodge.person("Ada"), await lodge.person("Bea")
    outcomes = await asyncio.gather(
        lodge.sessions.change_role(ada.operator.id, "auditor", by=bea.by),
        lodge.sessions.change_role(bea.operator.id, "auditor", by=ada.by),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["LastAdmin", "Operator"]


async def test_roles_are_changed_by_who_may(lodge: Lodge) -> None:
    ada, bea = await lodge.person("Ada"), await lodge.person("Bea", "support")
    with pytest.raises(NotAllowed):
        await lodge.sessions.change_role(bea.operator.id, "admin", by=bea.by)
    with pytest.raises(InvalidInput):
        await lodge.sessions.change_role(bea.operator.id, "boss", by=ada.by)
    with pytest.raises(NotFound):
        await lodge.sessions.change_role("opr_none", "auditor", by=ada.by)
    changed = await lodge.sessions.change_role(bea.operator.id, "team-lead", by=ada.by)
    assert changed.role is Role.TEAM_LEAD
    assert await lodge.sessions.change_role(bea.operator.id, "team_lead", by=ada.by) == changed
    (line,) = await lodge.lines("operator.role_changed")
    assert (line.facts["role_before"], line.facts["role"]) == ("support", "team_lead")


async def test_enabling(lodge: Lodge) -> None:
    ada, bea = await lodge.person("Ada"), await lodge.person("Bea", "support")
    assert await lodge.sessions.enable(bea.operator.id, by=ada.by) == bea.operator
    await lodge.people.disable_operator(bea.operator.id, by=ada.by)
    enabled = await lodge.sessions.enable(bea.operator.id, by=ada.by)
    assert enabled.disabled_at is None
    assert len(await lodge.lines("operator.enabled")) == 1
    with pytest.raises(NotFound):
        await lodge.sessions.enable("opr_none", by=ada.by)
    with pytest.raises(NotAllowed):
        await lodge.sessions.enable(ada.operator.id, by=bea.by)


# --- the first start --------------------------------------------------------------------------


async def test_the_first_operator_of_a_house(lodge: Lodge) -> None:
    code = await lodge.sessions.first_start_code()
    assert code is not None
    assert await lodge.process().first_start_code() == code, "every process prints the same"
    assert code.reveal() not in lodge.kept()
    typed = Secret(f" {code.reveal().upper()} ")
    word = password()
    signed_in = await lodge.sessions.admit_first(typed, "Ada", "ada@house.example", word, HERE)
    assert signed_in.operator.role is Role.ADMIN
    assert signed_in.step is Step.ENROL
    assert await lodge.sessions.first_start_code() is None
    with pytest.raises(FirstStartRefused):
        await lodge.sessions.admit_first(code, "Eve", "eve@house.example", password(), THERE)
    assert len(lodge.fakes.store.rows["operators"]) == 1
    assert not lodge.fakes.store.rows["safe"]


@pytest.mark.parametrize("wrong", ["", "aaaaa-aaaaa-aaaaa-aaaaa-aaaaa", "x" * 999, "-"])
async def test_a_wrong_code_admits_nobody(lodge: Lodge, wrong: str) -> None:
    args = ("Eve", "eve@house.example", password(), THERE)
    with pytest.raises(FirstStartRefused):
        await lodge.sessions.admit_first(Secret(wrong), *args)
    await lodge.sessions.first_start_code()
    with pytest.raises(FirstStartRefused):
        await lodge.sessions.admit_first(Secret(wrong), *args)
    assert not lodge.fakes.store.rows["operators"]


async def test_what_is_wrong_with_the_first_operator_costs_no_code(lodge: Lodge) -> None:
    code = await lodge.sessions.first_start_code()
    assert code is not None
    with pytest.raises(InvalidInput):
        await lodge.sessions.admit_first(code, "", "x", Secret("short"), HERE)
    assert await lodge.sessions.first_start_code() == code


async def test_an_operator_made_elsewhere_ends_the_first_start(lodge: Lodge) -> None:
    code = await lodge.sessions.first_start_code()
    assert code is not None
    bea = await lodge.person("Bea", "admin", enrolled=False)
    assert await lodge.sessions.first_start_code() is None
    with pytest.raises(FirstStartRefused):
        await lodge.sessions.admit_first(code, "Eve", "eve@x.example", password(), HERE)
    with pytest.raises(LastAdmin):
        await lodge.people.disable_operator(bea.operator.id, by=ROOT)


async def first_race(lodge: Lodge) -> None:
    codes = await asyncio.gather(*(lodge.process().first_start_code() for _ in range(4)))
    assert len({code.reveal() for code in codes if code}) == 1
    code = codes[0]
    assert code is not None
    outcomes = await asyncio.gather(
        *(
            lodge.process().admit_first(
                code, f"Ada{number}", f"ada{number}@house.example", password(), HERE
            )
            for number in range(6)
        ),
        return_exceptions=True,
    )
    kinds = sorted(type(one).__name__ for one in outcomes)
    assert kinds == [*["FirstStartRefused"] * 5, "SignedIn"]
    assert len(await lodge.people.operators(by=ROOT)) == 1
    assert await lodge.sessions.first_start_code() is None


async def test_many_at_the_first_start_are_one(lodge: Lodge) -> None:
    await first_race(lodge)


# --- on PostgreSQL ----------------------------------------------------------------------------


@pytest.fixture
async def on_postgres(database_url: str) -> AsyncIterator[Lodge]:
    from evergrant.adapters.store import open_store

    store = await open_store(database_url)
    yield Lodge(store=store)
    await store.close()


async def test_races_on_postgres(on_postgres: Lodge) -> None:
    lodge = on_postgres
    await first_race(lodge)
    invitation, link = await invited(lodge)
    outcomes = await asyncio.gather(
        *(lodge.process().accept_invitation(link, password(), HERE) for _ in range(4)),
        return_exceptions=True,
    )
    assert [type(one) for one in outcomes].count(SignedIn) == 1
    people = sorted(await lodge.people.operators(by=ROOT), key=lambda one: one.email)
    assert [one.role for one in people] == [Role.ADMIN, Role.SUPPORT]
    ada, bea = people[0], people[1]
    await lodge.sessions.change_role(bea.id, "admin", by=ROOT)
    changes: list[object] = await asyncio.gather(
        *(
            verb
            for operator in (ada, bea)
            for verb in (
                lodge.sessions.change_role(operator.id, "auditor", by=ROOT),
                lodge.people.disable_operator(operator.id, by=ROOT),
            )
        ),
        return_exceptions=True,
    )
    assert any(isinstance(one, LastAdmin) for one in changes)
    left = [
        one
        for one in await lodge.people.operators(by=ROOT)
        if one.role is Role.ADMIN and one.disabled_at is None
    ]
    assert len(left) == 1
    invitations = await asyncio.gather(
        *(invited(lodge, "cai@house.example") for _ in range(3)), return_exceptions=True
    )
    assert any(isinstance(one, tuple) for one in invitations)
    open_ones = [
        one
        for one in await lodge.sessions.invitations(by=ROOT)
        if one.email == "cai@house.example" and one.is_open(lodge.clock.now())
    ]
    assert len(open_ones) == 1
    assert invitation.id not in {one.id for one in open_ones}
