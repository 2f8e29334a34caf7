"""The porter's lodge: attempts that fail are counted, and after ten of them somebody waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from evergrant.errors import NotAllowed, NotFound, SecondFactorRefused, SignInRefused
from evergrant.rules.lockout import LADDER, MOST_FAILURES
from evergrant.rules.secrecy import Secret
from evergrant.sessions import Browser, SignedIn, Step
from tests.rooms.lodge import HERE, THERE, Lodge, Person, password


@pytest.fixture
def lodge() -> Lodge:
    return Lodge()


def strangers(number: int) -> Browser:
    """Each from an address of its own."""
    return Browser(f"203.0.{number // 250}.{number % 250}")


async def fail(lodge: Lodge, email: str, times: int = MOST_FAILURES, *, first: int = 0) -> None:
    for number in range(times):
        with pytest.raises(SignInRefused):
            await lodge.sessions.sign_in(email, password(), strangers(first + number))


async def is_let_in(lodge: Lodge, person: Person, browser: Browser) -> bool:
    try:
        await lodge.sign_in(person, browser)
    except SignInRefused:
        return False
    return True


async def test_after_ten_failures_the_right_password_has_to_wait(lodge: Lodge) -> None:
    ada = await lodge.person()
    await fail(lodge, ada.operator.email, 9)
    assert await is_let_in(lodge, ada, THERE), "nine are forgiven"
    await fail(lodge, ada.operator.email, 10, first=20)
    assert not await is_let_in(lodge, ada, THERE)
    lodge.clock.move(seconds=59)
    assert not await is_let_in(lodge, ada, THERE)
    lodge.clock.move(seconds=1)
    assert await is_let_in(lodge, ada, THERE)


async def test_the_pause_grows_and_has_an_end(lodge: Lodge) -> None:
    ada = await lodge.person()
    for number, pause in enumerate([*LADDER, LADDER[-1]]):
        await fail(lodge, ada.operator.email, 10, first=number * 20)
        lodge.clock.move(seconds=pause.total_seconds() - 1)
        assert not await is_let_in(lodge, ada, THERE), pause
        lodge.clock.move(seconds=1)
    # Attempts while it is locked count for nothing: nobody is kept out for good.
    await fail(lodge, ada.operator.email, 10, first=200)
    await fail(lodge, ada.operator.email, 30, first=300)
    lodge.clock.move(hours=1)
    assert await is_let_in(lodge, ada, THERE)


async def test_the_ladder_begins_anew_after_a_day(lodge: Lodge) -> None:
    ada = await lodge.person()
    for number in range(3):
        await fail(lodge, ada.operator.email, 10, first=number * 20)
        lodge.clock.move(hours=1)
    lodge.clock.move(hours=24)
    await fail(lodge, ada.operator.email, 10, first=100)
    lodge.clock.move(minutes=1)
    assert await is_let_in(lodge, ada, THERE)


async def test_one_address_may_fail_ten_times_too(lodge: Lodge) -> None:
    ada = await lodge.person()
    for number in range(10):
        with pytest.raises(SignInRefused):
            await lodge.sessions.sign_in(f"guess{number}@house.example", password(), THERE)
    assert not await is_let_in(lodge, ada, THERE)
    assert await is_let_in(lodge, ada, Browser("192.0.2.1")), "nobody else waits for that"
    lodge.clock.move(minutes=1)
    assert await is_let_in(lodge, ada, THERE)


async def test_behind_a_proxy_that_nobody_named_nobody_waits_for_others(lodge: Lodge) -> None:
    ada = await lodge.person()
    for number in range(30):
        with pytest.raises(SignInRefused):
            await lodge.sessions.sign_in(f"guess{number}@house.example", password(), Browser())
    assert await is_let_in(lodge, ada, Browser())
    for _ in range(10):
        with pytest.raises(SignInRefused):
            await lodge.sessions.sign_in(ada.operator.email, password(), Browser())
    assert not await is_let_in(lodge, ada, Browser())


async def test_ipv6_counts_by_the_household(lodge: Lodge) -> None:
    ada = await lodge.person()
    for number in range(10):
        browser = Browser(f"2001:db8:1:2:{number:x}::1")
        with pytest.raises(SignInRefused):
            await lodge.sessions.sign_in(f"guess{number}@house.example", password(), browser)
    assert not await is_let_in(lodge, ada, Browser("2001:db8:1:2::99"))
    assert await is_let_in(lodge, ada, Browser("2001:db8:1:3::99"))


async def test_a_right_password_does_not_wipe_out_what_an_address_tried(lodge: Lodge) -> None:
    """Who has one account of the house could guess at all others for ever otherwise."""
    ada = await lodge.person()
    for number in range(9):
        with pytest.raises(SignInRefused):
            await lodge.sessions.sign_in(f"guess{number}@house.example", password(), THERE)
    assert await is_let_in(lodge, ada, THERE)
    with pytest.raises(SignInRefused):
        await lodge.sessions.sign_in("guess@house.example", password(), THERE)
    assert not await is_let_in(lodge, ada, THERE)


async def test_a_stranger_locks_out_nobody_who_was_here_before(lodge: Lodge) -> None:
    ada = await lodge.person()
    inside = await lodge.come_in(ada, HERE)
    await fail(lodge, ada.operator.email, 10)
    present = await lodge.sessions.recognise(inside.secret)
    assert present is not None, "who is in stays in"
    assert not await is_let_in(lodge, ada, THERE)
    assert await is_let_in(lodge, ada, HERE), "and from there one comes in again"
    for _ in range(10):
        with pytest.raises(SignInRefused):
            await lodge.sessions.sign_in(ada.operator.email, password(), HERE)
    assert not await is_let_in(lodge, ada, HERE), "but guesses are counted there too"


async def test_half_a_sign_in_makes_no_address_known(lodge: Lodge) -> None:
    ada = await lodge.person()
    await lodge.sign_in(ada, THERE)
    await fail(lodge, ada.operator.email, 10)
    assert not await is_let_in(lodge, ada, THERE)


async def test_a_hundred_at_once_are_ten(lodge: Lodge) -> None:
    ada = await lodge.person()
    looked = 0
    begin = lodge.people.check_password

    async def counted(email: str, word: Secret) -> object:
        nonlocal looked
        looked += 1
        return await begin(email, word)

    lodge.people.check_password = counted  # type: ignore[method-assign, assignment]
    outcomes = await asyncio.gather(
        *(
            lodge.sessions.sign_in(ada.operator.email, password(), strangers(number))
            for number in range(100)
        ),
        return_exceptions=True,
    )
    assert {type(one) for one in outcomes} == {SignInRefused}
    assert looked == 100, "all cost the same"
    refused = await lodge.lines("operator.refused")
    assert len(refused) == 10, "and ten were let in to be looked at"
    assert len(await lodge.lines("operator.locked")) == 1


async def test_whoever_is_locked_out_is_told_once_a_day(lodge: Lodge) -> None:
    ada = await lodge.person()
    await fail(lodge, ada.operator.email, 10)
    (letter,) = await lodge.letters("operator_locked")
    assert letter.to == ada.operator.email
    assert letter.id in lodge.fakes.bell.rung
    known = await lodge.sessions.letter_facts(letter)
    assert known is not None
    assert known.link is None
    assert known.facts["operator_name"] == "Ada"
    assert known.facts["locked_until"] == lodge.clock.now() + timedelta(minutes=1)
    assert known.facts["knows_password"] is False
    lodge.clock.move(minutes=1)
    await fail(lodge, ada.operator.email, 10, first=50)
    assert len(await lodge.letters("operator_locked")) == 1
    lodge.clock.move(hours=25)
    await fail(lodge, ada.operator.email, 10, first=100)
    assert len(await lodge.letters("operator_locked")) == 2


async def test_nobody_is_written_to_at_an_address_that_is_none_of_ours(lodge: Lodge) -> None:
    await lodge.person()
    await fail(lodge, "eve@elsewhere.example", 10)
    assert not await lodge.letters("operator_locked")
    (line,) = await lodge.lines("sign_in.locked")
    assert "eve" not in repr(line)


# --- the second factor ------------------------------------------------------------------------


async def test_ten_wrong_codes_lock_the_second_factor(lodge: Lodge) -> None:
    ada = await lodge.person()
    half = await lodge.sign_in(ada)
    for _ in range(10):
        with pytest.raises(SecondFactorRefused):
            await lodge.sessions.prove(half.secret, "000000", THERE)
    for code in (lodge.code(ada), ada.recovery_codes[0].reveal()):
        with pytest.raises(SecondFactorRefused):
            await lodge.sessions.prove(half.secret, code, THERE)
    # Signing in again with the password gives no fresh attempts.
    other = await lodge.sign_in(ada)
    with pytest.raises(SecondFactorRefused):
        await lodge.sessions.prove(other.secret, lodge.code(ada), THERE)
    (letter,) = await lodge.letters("operator_locked")
    known = await lodge.sessions.letter_facts(letter)
    assert known is not None
    assert known.facts["knows_password"] is True
    assert await lodge.sessions.recovery_codes_left(ada.operator.id) == 10
    lodge.clock.move(minutes=1)
    proved = await lodge.sessions.prove(other.secret, lodge.code(ada), HERE)
    assert proved.step is Step.NOTHING


# --- unlocking --------------------------------------------------------------------------------


async def test_an_admin_unlocks_at_once(lodge: Lodge) -> None:
    ada, bea = await lodge.person("Ada"), await lodge.person("Bea", "support")
    await lodge.come_in(bea, HERE)
    await fail(lodge, bea.operator.email, 10)
    for _ in range(10):
        with pytest.raises(SignInRefused):
            await lodge.sessions.sign_in(bea.operator.email, password(), HERE)
    assert await lodge.sessions.locked(by=ada.by) == {
        bea.operator.id: lodge.clock.now() + timedelta(minutes=1)
    }
    with pytest.raises(NotAllowed):
        await lodge.sessions.unlock(bea.operator.id, by=bea.by)
    with pytest.raises(NotAllowed):
        await lodge.sessions.locked(by=bea.by)
    with pytest.raises(NotFound):
        await lodge.sessions.unlock("opr_none", by=ada.by)
    await lodge.sessions.unlock(bea.operator.id, by=ada.by)
    await lodge.sessions.unlock(bea.operator.id, by=ada.by)
    assert await lodge.sessions.locked(by=ada.by) == {}
    assert await is_let_in(lodge, bea, Browser("192.0.2.1"))
    assert len(await lodge.lines("operator.unlocked")) == 1


# --- on PostgreSQL ----------------------------------------------------------------------------


@pytest.fixture
async def on_postgres(database_url: str) -> AsyncIterator[Lodge]:
    from evergrant.adapters.store import open_store

    store = await open_store(database_url)
    yield Lodge(store=store)
    await store.close()


async def test_a_crowd_on_postgres_is_ten(on_postgres: Lodge) -> None:
    """By two processes, from few addresses and many, all at once."""
    lodge = on_postgres
    ada = await lodge.person()
    processes = [lodge.sessions, lodge.process()]
    outcomes = await asyncio.gather(
        *(
            processes[number % 2].sign_in(
                ada.operator.email, password(), strangers(number % 4 if number % 3 else number)
            )
            for number in range(40)
        ),
        return_exceptions=True,
    )
    assert {type(one) for one in outcomes} == {SignInRefused}
    assert len(await lodge.lines("operator.refused")) == 10
    assert len(await lodge.lines("operator.locked")) == 1
    assert not await is_let_in(lodge, ada, THERE)
    lodge.clock.move(minutes=1)
    assert isinstance(await lodge.sign_in(ada, THERE), SignedIn)
