"""The porter's lodge: operators who prove who they are at the house's identity provider."""

from __future__ import annotations

import re

import pytest

from evergrant.errors import (
    NotFound,
    ProviderUnavailable,
    SecondFactorRefused,
    SingleSignOnRefused,
)
from evergrant.rules.secrecy import Secret
from evergrant.sessions import Arrived, SignInMethod, Step
from tests.rooms.lodge import HERE, ROOT, Lodge


@pytest.fixture
def lodge() -> Lodge:
    return Lodge()


async def arrive(
    lodge: Lodge,
    email: str = "ada@house.example",
    *,
    subject: str = "",
    verified: bool = True,
    return_to: str = "/console",
) -> Arrived:
    assert lodge.provider is not None
    begun = await lodge.sessions.begin_single_sign_on(return_to)
    query = lodge.provider.came_back(
        begun.location, email=email, verified=verified, subject=subject
    )
    return await lodge.sessions.finish_single_sign_on(query, begun.state, HERE)


async def refused(lodge: Lodge, email: str = "ada@house.example", **how: object) -> str:
    with pytest.raises(SingleSignOnRefused) as caught:
        await arrive(lodge, email, **how)  # type: ignore[arg-type]
    return caught.value.reason


async def test_whom_the_provider_vouches_for_is_in(lodge: Lodge) -> None:
    ada = await lodge.person(enrolled=False)
    arrived = await arrive(lodge, " ADA@House.example")
    assert arrived.signed_in.step is Step.NOTHING, "the provider sees to the second factor"
    assert arrived.signed_in.operator.id == ada.operator.id
    present = await lodge.sessions.recognise(arrived.signed_in.secret)
    assert present is not None
    assert present.step is Step.NOTHING
    assert present.caller.rights
    assert present.session.method is SignInMethod.SINGLE_SIGN_ON
    (line,) = await lodge.lines("operator.single_sign_on_bound")
    assert line.subject == ada.operator.id


async def test_after_that_the_subject_counts_and_not_the_address(lodge: Lodge) -> None:
    ada = await lodge.person()
    bea = await lodge.person("Bea")
    await arrive(lodge, "ada@house.example", subject="u-1")
    again = await arrive(lodge, "bea@house.example", subject="u-1", verified=False)
    assert again.signed_in.operator.id == ada.operator.id, "she has another address there by now"
    # Somebody else got her old address.
    assert await refused(lodge, "ada@house.example", subject="u-2") == "another_subject"
    other = await arrive(lodge, "bea@house.example", subject="u-3")
    assert other.signed_in.operator.id == bea.operator.id
    assert len(await lodge.lines("operator.single_sign_on_bound")) == 2


async def test_strangers_stay_outside(lodge: Lodge) -> None:
    ada = await lodge.person("Ada", "support")
    assert await refused(lodge, "eve@elsewhere.example") == "unknown"
    assert await refused(lodge, "") == "unknown"
    assert await refused(lodge, verified=False) == "email_not_verified"
    await lodge.people.disable_operator(ada.operator.id, by=ROOT)
    assert await refused(lodge) == "disabled"
    assert len(lodge.fakes.store.rows["operators"]) == 1, "nobody becomes an operator by that"
    assert "eve@" not in lodge.kept()
    why = [line.facts["why"] for line in await lodge.lines("operator.refused")]
    assert why == [
        "single_sign_on:unknown",
        "single_sign_on:unknown",
        "single_sign_on:email_not_verified",
        "single_sign_on:disabled",
    ]


async def test_who_is_disabled_after_being_bound(lodge: Lodge) -> None:
    ada = await lodge.person("Ada", "support")
    arrived = await arrive(lodge, subject="u-1")
    await lodge.people.disable_operator(ada.operator.id, by=ROOT)
    assert await lodge.sessions.recognise(arrived.signed_in.secret) is None
    assert await refused(lodge, subject="u-1") == "disabled"


async def test_an_answer_works_in_the_browser_that_asked_for_it(lodge: Lodge) -> None:
    """Else a stranger could sign somebody in as the stranger."""
    await lodge.person()
    assert lodge.provider is not None
    theirs = await lodge.sessions.begin_single_sign_on("/console")
    query = lodge.provider.came_back(theirs.location, email="ada@house.example")
    mine = await lodge.sessions.begin_single_sign_on("/console")
    for state in (mine.state, Secret(""), Secret("x" * 43), Secret("ä")):
        with pytest.raises(SingleSignOnRefused) as caught:
            await lodge.sessions.finish_single_sign_on(query, state, HERE)
        assert caught.value.reason == "state"
    await lodge.sessions.finish_single_sign_on(query, theirs.state, HERE)
    with pytest.raises(SingleSignOnRefused):
        await lodge.sessions.finish_single_sign_on(query, theirs.state, HERE)


async def test_the_address_holds_nothing_of_what_the_browser_keeps(lodge: Lodge) -> None:
    begun = await lodge.sessions.begin_single_sign_on("/console/accounts")
    assert begun.state.reveal()[:20] not in begun.location
    assert re.fullmatch(r"[A-Za-z0-9_-]{43,128}", begun.state.reveal()), "it fits into a cookie"


@pytest.mark.parametrize(
    ("wish", "back"),
    [
        ("/console", "/console"),
        ("/console/accounts?q=häron&sort=name", "/console/accounts?q=häron&sort=name"),
        ("/console/accounts?" + "x" * 200, "/console/accounts"),
        ("/console/" + "x" * 200, ""),
        ("", ""),
    ],
)
async def test_people_go_on_to_where_they_wanted(lodge: Lodge, wish: str, back: str) -> None:
    await lodge.person()
    assert (await arrive(lodge, return_to=wish)).return_to == back


async def test_a_lock_out_does_not_concern_the_provider(lodge: Lodge) -> None:
    ada = await lodge.person()
    half = await lodge.sign_in(ada)
    for _ in range(10):
        with pytest.raises(SecondFactorRefused):
            await lodge.sessions.prove(half.secret, "000000", HERE)
    assert (await arrive(lodge)).signed_in.step is Step.NOTHING


async def test_a_provider_that_is_away(lodge: Lodge) -> None:
    assert lodge.provider is not None
    lodge.provider.down = True
    with pytest.raises(ProviderUnavailable):
        await lodge.sessions.begin_single_sign_on("/console")


async def test_a_house_without_one() -> None:
    lodge = Lodge(provider=None)
    assert lodge.sessions.single_sign_on_name is None
    with pytest.raises(NotFound):
        await lodge.sessions.begin_single_sign_on("/console")
    with pytest.raises(NotFound):
        await lodge.sessions.finish_single_sign_on("code=x", Secret("x" * 43), HERE)
