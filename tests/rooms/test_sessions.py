"""The porter's lodge: signing in, being recognised, second factors, leaving."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from evergrant.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    SecondFactorRefused,
    SessionOver,
    SignInRefused,
    StoreUnavailable,
)
from evergrant.ports.store import Store
from evergrant.rules.rights import RIGHTS_OF_ROLE, Role
from evergrant.rules.secrecy import Secret
from evergrant.sessions import Browser, SignedIn, Step
from evergrant.settings import SigningIn
from tests.rooms.lodge import HERE, ROOT, THERE, Lodge, Person, password


@pytest.fixture
def lodge() -> Lodge:
    return Lodge()


async def step_of(lodge: Lodge, secret: Secret) -> Step | None:
    present = await lodge.sessions.recognise(secret)
    return None if present is None else present.step


# --- coming in --------------------------------------------------------------------------------


async def test_a_password_alone_opens_nothing(lodge: Lodge) -> None:
    ada = await lodge.person(enrolled=False)
    signed_in = await lodge.sign_in(ada)
    assert signed_in.step is Step.ENROL
    present = await lodge.sessions.recognise(signed_in.secret)
    assert present is not None
    assert present.step is Step.ENROL
    assert present.caller.rights == frozenset(), "before all steps are done nothing is allowed"
    await lodge.enrol(ada, signed_in.secret)
    again = await lodge.sign_in(ada)
    assert again.step is Step.SECOND_FACTOR
    present = await lodge.sessions.recognise(again.secret)
    assert present is not None
    assert present.caller.rights == frozenset()


async def test_with_both_factors_somebody_is_in(lodge: Lodge) -> None:
    ada = await lodge.person("Ada", "support")
    signed_in = await lodge.come_in(ada)
    assert signed_in.step is Step.NOTHING
    present = await lodge.sessions.recognise(signed_in.secret)
    assert present is not None
    assert present.caller.rights == RIGHTS_OF_ROLE[Role.SUPPORT]
    assert str(present.caller) == f"operator:{ada.operator.id}"
    assert present.session == signed_in.session
    assert present.operator.signed_in_at == lodge.clock.now()


async def test_without_a_rule_for_second_factors_a_password_is_enough(lodge: Lodge) -> None:
    ada = await lodge.person(enrolled=False)
    lenient = lodge.process(SigningIn(second_factor_required=False))
    signed_in = await lenient.sign_in(ada.operator.email, ada.password, HERE)
    assert signed_in.step is Step.NOTHING
    # The rule counts from the moment on in which it is made, for open sessions too.
    assert await step_of(lodge, signed_in.secret) is Step.ENROL
    await lodge.enrol(ada, signed_in.secret)
    again = await lenient.sign_in(ada.operator.email, ada.password, HERE)
    assert again.step is Step.SECOND_FACTOR, "who has one needs it, rule or not"


async def test_the_address_is_read_kindly_and_the_password_exactly(lodge: Lodge) -> None:
    ada = await lodge.person(enrolled=False)
    shout = f"  {ada.operator.email.upper()} "
    assert (await lodge.sessions.sign_in(shout, ada.password, HERE)).step is Step.ENROL
    for wrong in (f"{ada.password.reveal()} ", ada.password.reveal()[:-1], ""):
        with pytest.raises(SignInRefused):
            await lodge.sessions.sign_in(ada.operator.email, Secret(wrong), HERE)


async def test_unknown_wrong_and_disabled_look_alike(lodge: Lodge) -> None:
    ada = await lodge.person("Ada", "support")
    await lodge.people.disable_operator(ada.operator.id, by=ROOT)
    bea = await lodge.person("Bea")
    told = []
    for email, word in (
        ("nobody@house.example", password()),
        (bea.operator.email, password()),
        (ada.operator.email, ada.password),
        ("", password()),
        ("x" * 5000, password()),
        ("a\0b@house.example", password()),
    ):
        with pytest.raises(SignInRefused) as refused:
            await lodge.sessions.sign_in(email, word, HERE)
        told.append((str(refused.value), refused.value.hint, refused.value.facts))
    assert len({repr(one) for one in told}) == 1


async def test_every_attempt_costs_one_look_at_a_hash(
    lodge: Lodge, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await lodge.person()
    await lodge.people._stand_in_hash()
    looks: list[str] = []
    verify = lodge.people._passwords.verify_and_update

    def counted(plain: str, known: str) -> tuple[bool, str | None]:
        looks.append(plain)
        return verify(plain, known)

    monkeypatch.setattr(lodge.people._passwords, "verify_and_update", counted)
    for number in range(12):  # the last ones are locked out
        for email in (ada.operator.email, "nobody@house.example"):
            browser = Browser(f"198.51.{number}.{1 if email == ada.operator.email else 2}")
            with pytest.raises(SignInRefused):
                await lodge.sessions.sign_in(email, password(), browser)
    assert len(looks) == 24


async def test_what_a_stranger_types_is_kept_nowhere(lodge: Lodge) -> None:
    await lodge.person()
    mistyped = password()
    with pytest.raises(SignInRefused):
        await lodge.sessions.sign_in(mistyped.reveal(), password(), HERE)
    with pytest.raises(SignInRefused):
        await lodge.sessions.sign_in("eve@elsewhere.example", mistyped, HERE)
    assert mistyped.reveal().lower() not in lodge.kept().lower()
    assert "eve@" not in lodge.kept()
    assert [line.subject for line in await lodge.lines("operator.refused")] == ["unknown"] * 2


# --- secrets ----------------------------------------------------------------------------------


async def test_each_step_has_a_secret_of_its_own(lodge: Lodge) -> None:
    """A secret that a stranger knew before is worth nothing after the step (fixation)."""
    ada = await lodge.person(enrolled=False)
    first = await lodge.sign_in(ada)
    enrolled = await lodge.enrol(ada, first.secret)
    assert await step_of(lodge, first.secret) is None
    half = await lodge.sign_in(ada)
    whole = await lodge.sessions.prove(half.secret, lodge.code(ada), HERE)
    assert await step_of(lodge, half.secret) is None
    assert await step_of(lodge, whole.secret) is Step.NOTHING
    made = [first, enrolled.signed_in, half, whole]
    assert len({one.secret.reveal() for one in made}) == 4
    assert len({one.session.id for one in made}) == 4


async def test_no_secret_is_kept(lodge: Lodge) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    enrolment = await lodge.sessions.begin_enrolment(
        signed_in.secret, ada.recovery_codes[0].reveal()
    )
    assert ada.clock_key is not None
    known = [signed_in.secret, ada.password, ada.clock_key, enrolment.key, *ada.recovery_codes]
    kept = lodge.kept() + repr(signed_in) + repr(enrolment) + repr(ada)
    for secret in known:
        assert secret.reveal() not in kept
        assert secret.reveal().replace("-", "") not in kept


@pytest.mark.parametrize(
    "text", ["", "egs_", "egs_" + "a" * 43, "egs_" + "ä" * 43, "x" * 10_000, "egs_\0" + "a" * 42]
)
async def test_a_secret_that_is_none(lodge: Lodge, text: str) -> None:
    secret = Secret(text)
    assert await lodge.sessions.recognise(secret) is None
    await lodge.sessions.sign_out(secret)
    for verb in (
        lodge.sessions.prove(secret, "000000", HERE),
        lodge.sessions.begin_enrolment(secret),
        lodge.sessions.confirm_enrolment(secret, "000000", HERE),
        lodge.sessions.new_recovery_codes(secret, "000000"),
        lodge.sessions.change_password(secret, password(), password(), HERE),
    ):
        with pytest.raises(SessionOver):
            await verb


async def test_a_browser_is_shown_in_brief() -> None:
    browser = Browser("198.51.100.7\n", "x" * 1000 + "\x1b[31m")
    assert browser.address == "198.51.100.7"
    assert browser.agent == "x" * 200


# --- the second factor ------------------------------------------------------------------------


async def test_a_code_of_the_clock_is_good_once(lodge: Lodge) -> None:
    ada = await lodge.person()
    first, second = await lodge.sign_in(ada), await lodge.sign_in(ada)
    code = lodge.code(ada)
    await lodge.sessions.prove(first.secret, code, HERE)
    with pytest.raises(SecondFactorRefused):
        await lodge.sessions.prove(second.secret, code, HERE)
    before = lodge.code(ada, steps=-1)
    with pytest.raises(SecondFactorRefused):
        await lodge.sessions.prove(second.secret, before, HERE)
    assert await step_of(lodge, second.secret) is Step.SECOND_FACTOR
    lodge.clock.move(seconds=30)
    await lodge.sessions.prove(second.secret, lodge.code(ada), HERE)


async def test_a_code_is_good_a_step_early_and_a_step_late(lodge: Lodge) -> None:
    ada = await lodge.person()
    for steps, good in ((2, False), (-2, False), (-1, True), (1, True)):
        signed_in = await lodge.sign_in(ada)
        code = lodge.code(ada, steps=steps)
        if good:
            await lodge.sessions.prove(signed_in.secret, f" {code[:3]} {code[3:]} ", HERE)
            lodge.clock.move(seconds=120)
        else:
            with pytest.raises(SecondFactorRefused):
                await lodge.sessions.prove(signed_in.secret, code, HERE)


async def test_two_at_once_with_one_code(lodge: Lodge) -> None:
    ada = await lodge.person()
    halves = [await lodge.sign_in(ada) for _ in range(4)]
    code = lodge.code(ada)
    outcomes = await asyncio.gather(
        *(lodge.sessions.prove(one.secret, code, HERE) for one in halves), return_exceptions=True
    )
    assert [type(one) for one in outcomes].count(SignedIn) == 1


async def test_a_recovery_code_stands_in_once(lodge: Lodge) -> None:
    ada = await lodge.person()
    code = ada.recovery_codes[3].reveal()
    first, second = await lodge.sign_in(ada), await lodge.sign_in(ada)
    await lodge.sessions.prove(first.secret, code.upper().replace("-", " "), HERE)
    with pytest.raises(SecondFactorRefused):
        await lodge.sessions.prove(second.secret, code, HERE)
    (line,) = await lodge.lines("operator.recovery_code_used")
    assert line.facts == {"left": 9}
    assert await lodge.sessions.recovery_codes_left(ada.operator.id) == 9


async def test_a_recovery_code_is_its_owner_s_alone(lodge: Lodge) -> None:
    ada, bea = await lodge.person("Ada"), await lodge.person("Bea")
    signed_in = await lodge.sign_in(bea)
    with pytest.raises(SecondFactorRefused):
        await lodge.sessions.prove(signed_in.secret, ada.recovery_codes[0].reveal(), HERE)
    assert await lodge.sessions.recovery_codes_left(ada.operator.id) == 10


async def test_new_recovery_codes_end_the_old_ones(lodge: Lodge) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    with pytest.raises(SecondFactorRefused):
        await lodge.sessions.new_recovery_codes(signed_in.secret, "000000")
    with pytest.raises(SecondFactorRefused):
        await lodge.sessions.new_recovery_codes(signed_in.secret, lodge.code(ada))
    lodge.clock.move(seconds=60)
    fresh = await lodge.sessions.new_recovery_codes(signed_in.secret, lodge.code(ada))
    assert len({one.reveal() for one in fresh}) == 10
    half = await lodge.sign_in(ada)
    with pytest.raises(SecondFactorRefused):
        await lodge.sessions.prove(half.secret, ada.recovery_codes[0].reveal(), HERE)
    await lodge.sessions.prove(half.secret, fresh[0].reveal(), HERE)


async def test_the_key_waits_for_its_first_code(lodge: Lodge) -> None:
    ada = await lodge.person(enrolled=False)
    signed_in = await lodge.sign_in(ada)
    with pytest.raises(Conflict):
        await lodge.sessions.confirm_enrolment(signed_in.secret, "000000", HERE)
    begun = await lodge.sessions.begin_enrolment(signed_in.secret)
    assert begun.uri.reveal().startswith("otpauth://totp/Northwind")
    assert begun.key.reveal() in begun.uri.reveal()
    for wrong in ("000000", "", "abcdef", "k7m2p-9xq4r-0vd3s-tt81b"):
        with pytest.raises(SecondFactorRefused):
            await lodge.sessions.confirm_enrolment(signed_in.secret, wrong, HERE)
    again = await lodge.sessions.begin_enrolment(signed_in.secret)
    assert again == begun, "what was scanned already stays good"
    assert (await lodge.sign_in(ada)).step is Step.ENROL, "nothing is set before that"


async def test_nobody_learns_a_key_that_somebody_else_sets_later(lodge: Lodge) -> None:
    """A thief of the password begins to enrol; the person enrols after that."""
    ada = await lodge.person(enrolled=False)
    thief, owner = await lodge.sign_in(ada, THERE), await lodge.sign_in(ada)
    stolen = await lodge.sessions.begin_enrolment(thief.secret)
    enrolled = await lodge.enrol(ada, owner.secret)
    assert ada.clock_key != stolen.key
    assert await step_of(lodge, thief.secret) is None, "and the thief is out"
    assert await step_of(lodge, enrolled.signed_in.secret) is Step.NOTHING


async def test_another_second_factor_takes_the_one_in_force(lodge: Lodge) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    other = await lodge.come_in(ada)
    for nothing in ("", "000000", lodge.code(ada)):
        with pytest.raises(SecondFactorRefused):
            await lodge.sessions.begin_enrolment(signed_in.secret, nothing)
    lodge.clock.move(seconds=60)
    old = lodge.code(ada)
    begun = await lodge.sessions.begin_enrolment(signed_in.secret, old)
    former, ada.clock_key = ada.clock_key, begun.key
    enrolled = await lodge.sessions.confirm_enrolment(signed_in.secret, lodge.code(ada), HERE)
    assert await step_of(lodge, enrolled.signed_in.secret) is Step.NOTHING
    assert await step_of(lodge, other.secret) is None, "others have to show the new one"
    lodge.clock.move(seconds=60)
    half = await lodge.sign_in(ada)
    stale = Person(ada.operator, ada.password, former)
    with pytest.raises(SecondFactorRefused):
        await lodge.sessions.prove(half.secret, lodge.code(stale), HERE)
    await lodge.sessions.prove(half.secret, lodge.code(ada), HERE)


async def test_an_admin_removes_a_second_factor_that_was_lost(lodge: Lodge) -> None:
    ada, bea = await lodge.person("Ada"), await lodge.person("Bea", "support")
    working = await lodge.come_in(bea)
    with pytest.raises(NotAllowed):
        await lodge.sessions.remove_second_factor(ada.operator.id, by=bea.by)
    with pytest.raises(NotFound):
        await lodge.sessions.remove_second_factor("opr_none", by=ada.by)
    await lodge.sessions.remove_second_factor(bea.operator.id, by=ada.by)
    assert await step_of(lodge, working.secret) is None
    half = await lodge.sign_in(bea)
    assert half.step is Step.ENROL
    with pytest.raises(NotAuthenticated):
        await lodge.sessions.prove(half.secret, bea.recovery_codes[0].reveal(), HERE)
    assert await lodge.sessions.recovery_codes_left(bea.operator.id) == 0
    assert lodge.fakes.store.rows["safe"].keys() == {
        f"operator/{ada.operator.id}/second_factor_key"
    }


async def test_halfway_is_no_place_to_stay(lodge: Lodge) -> None:
    ada = await lodge.person()
    half = await lodge.sign_in(ada)
    lodge.clock.move(minutes=15)
    assert await step_of(lodge, half.secret) is None
    with pytest.raises(SessionOver):
        await lodge.sessions.prove(half.secret, lodge.code(ada), HERE)


async def test_steps_are_taken_in_their_order(lodge: Lodge) -> None:
    ada = await lodge.person()
    half = await lodge.sign_in(ada)
    for verb in (
        lodge.sessions.begin_enrolment(half.secret),
        lodge.sessions.confirm_enrolment(half.secret, "000000", HERE),
        lodge.sessions.new_recovery_codes(half.secret, lodge.code(ada)),
        lodge.sessions.change_password(half.secret, ada.password, password(), HERE),
    ):
        with pytest.raises(NotAuthenticated):
            await verb
    whole = await lodge.sessions.prove(half.secret, lodge.code(ada), HERE)
    with pytest.raises(NotAuthenticated):
        await lodge.sessions.prove(whole.secret, lodge.code(ada), HERE)


# --- staying ----------------------------------------------------------------------------------


async def test_a_session_ends_when_nobody_uses_it(lodge: Lodge) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    for _ in range(3):
        lodge.clock.move(hours=11)
        assert await step_of(lodge, signed_in.secret) is Step.NOTHING
    lodge.clock.move(hours=12)
    assert await step_of(lodge, signed_in.secret) is None


async def test_a_session_ends_however_much_it_is_used(lodge: Lodge) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    for _ in range(27):
        lodge.clock.move(hours=6)
        assert await step_of(lodge, signed_in.secret) is Step.NOTHING
    lodge.clock.move(hours=6)
    assert await step_of(lodge, signed_in.secret) is None


async def test_a_page_that_asks_by_itself_is_no_use(lodge: Lodge) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    lodge.clock.move(hours=11)
    assert await lodge.sessions.recognise(signed_in.secret, quietly=True) is not None
    lodge.clock.move(hours=1)
    assert await lodge.sessions.recognise(signed_in.secret, quietly=True) is None


async def test_recognising_costs_one_read_and_a_write_a_minute(lodge: Lodge) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    quick = lodge.fakes.store.memory_quick
    asked = quick.asked
    for seconds in (10, 20, 29):
        lodge.clock.move(seconds=seconds)
        await lodge.sessions.recognise(signed_in.secret)
    assert quick.asked == asked + 3
    row = lodge.fakes.store.rows["operator_sessions"][signed_in.session.id]
    assert row.seen_at == signed_in.session.seen_at
    lodge.clock.move(seconds=1)
    await lodge.sessions.recognise(signed_in.secret)
    row = lodge.fakes.store.rows["operator_sessions"][signed_in.session.id]
    assert row.seen_at == lodge.clock.now()


async def test_nobody_is_sent_away_because_a_use_cannot_be_written_down(
    lodge: Lodge, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    lodge.clock.move(minutes=5)

    def away() -> None:
        raise StoreUnavailable

    monkeypatch.setattr(lodge.fakes.store, "transaction", away)
    assert await step_of(lodge, signed_in.secret) is Step.NOTHING


async def test_disabling_and_roles_count_at_once(lodge: Lodge) -> None:
    ada, bea = await lodge.person("Ada"), await lodge.person("Bea", "support")
    signed_in = await lodge.come_in(bea)
    await lodge.sessions.change_role(bea.operator.id, "auditor", by=ada.by)
    present = await lodge.sessions.recognise(signed_in.secret)
    assert present is not None
    assert present.caller.rights == RIGHTS_OF_ROLE[Role.AUDITOR]
    await lodge.people.disable_operator(bea.operator.id, by=ada.by)
    assert await step_of(lodge, signed_in.secret) is None
    await lodge.sessions.enable(bea.operator.id, by=ada.by)
    assert await step_of(lodge, signed_in.secret) is None, "what ended stays ended"
    assert (await lodge.sign_in(bea)).step is Step.SECOND_FACTOR


async def test_signing_out_ends_this_session_alone(lodge: Lodge) -> None:
    ada = await lodge.person()
    one, other = await lodge.come_in(ada), await lodge.come_in(ada)
    await lodge.sessions.sign_out(one.secret)
    await lodge.sessions.sign_out(one.secret)
    assert await step_of(lodge, one.secret) is None
    assert await step_of(lodge, other.secret) is Step.NOTHING
    assert len(await lodge.lines("operator.signed_out")) == 1


# --- a new password ---------------------------------------------------------------------------


async def test_a_new_password_ends_all_other_sessions(lodge: Lodge) -> None:
    ada = await lodge.person()
    one, other = await lodge.come_in(ada), await lodge.come_in(ada)
    new = password()
    fresh = await lodge.sessions.change_password(one.secret, ada.password, new, HERE)
    assert fresh.step is Step.NOTHING
    assert await step_of(lodge, fresh.secret) is Step.NOTHING
    assert await step_of(lodge, one.secret) is None
    assert await step_of(lodge, other.secret) is None
    with pytest.raises(SignInRefused):
        await lodge.sign_in(ada)
    ada.password = new
    assert (await lodge.sign_in(ada)).step is Step.SECOND_FACTOR


async def test_what_is_wrong_with_a_new_password(lodge: Lodge) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    for old, new, field in (
        (password(), password(), "old"),
        (ada.password, Secret("short"), "password"),
        (ada.password, Secret("ada@house.example!"), "password"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await lodge.sessions.change_password(signed_in.secret, old, new, HERE)
        assert [flaw.field for flaw in caught.value.flaws] == [field]
    assert await step_of(lodge, signed_in.secret) is Step.NOTHING


async def test_an_open_session_is_no_way_to_guess_the_password(lodge: Lodge) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    for _ in range(10):
        with pytest.raises(InvalidInput):
            await lodge.sessions.change_password(signed_in.secret, password(), password(), HERE)
    with pytest.raises(InvalidInput):
        await lodge.sessions.change_password(signed_in.secret, ada.password, password(), HERE)


async def test_a_password_set_by_an_admin_signs_out_everywhere(lodge: Lodge) -> None:
    ada, bea = await lodge.person("Ada"), await lodge.person("Bea")
    signed_in = await lodge.come_in(bea)
    await lodge.people.set_password(bea.operator.id, password(), by=ada.by)
    assert await step_of(lodge, signed_in.secret) is None


# --- lists ------------------------------------------------------------------------------------


async def test_sessions_are_listed_and_ended(lodge: Lodge) -> None:
    ada, bea = await lodge.person("Ada"), await lodge.person("Bea", "support")
    here, there = await lodge.come_in(bea, HERE), await lodge.come_in(bea, THERE)
    own = await lodge.sessions.sessions(by=bea.by, operator_id=bea.operator.id)
    assert {here.session.id, there.session.id} <= {one.id for one in own}
    assert {one.address for one in own} == {HERE.address, THERE.address}
    ended = await lodge.sessions.revoke(there.session.id, by=bea.by)
    assert ended.ended_by == str(bea.by)
    assert await step_of(lodge, there.secret) is None
    left = await lodge.sessions.revoke_all(bea.operator.id, by=bea.by, but=here.session.id)
    assert left == len(own) - 2
    assert await lodge.sessions.sessions(by=bea.by, operator_id=bea.operator.id) == [
        lodge.fakes.store.rows["operator_sessions"][here.session.id]
    ]
    assert await lodge.sessions.revoke_all(bea.operator.id, by=ada.by) == 1
    assert await step_of(lodge, here.secret) is None


async def test_other_people_s_sessions_need_the_right(lodge: Lodge) -> None:
    ada, bea = await lodge.person("Ada"), await lodge.person("Bea", "support")
    cai = await lodge.person("Cai", "auditor")
    signed_in = await lodge.come_in(ada)
    for verb in (
        lodge.sessions.sessions(by=bea.by),
        lodge.sessions.sessions(by=bea.by, operator_id=ada.operator.id),
        lodge.sessions.revoke(signed_in.session.id, by=bea.by),
        lodge.sessions.revoke("ses_unknown", by=bea.by),
        lodge.sessions.revoke_all(ada.operator.id, by=bea.by),
        lodge.sessions.revoke(signed_in.session.id, by=cai.by),
    ):
        with pytest.raises(NotAllowed):
            await verb
    seen = await lodge.sessions.sessions(by=cai.by)
    assert {one.operator_id for one in seen} == {person.operator.id for person in (ada, bea, cai)}
    for missing in (
        lodge.sessions.revoke("ses_unknown", by=ada.by),
        lodge.sessions.revoke_all("opr_unknown", by=ada.by),
    ):
        with pytest.raises(NotFound):
            await missing


async def test_old_sessions_are_forgotten(lodge: Lodge) -> None:
    ada = await lodge.person()
    signed_in = await lodge.come_in(ada)
    with pytest.raises(SignInRefused):
        await lodge.sessions.sign_in("x@y.example", password(), HERE)
    lodge.clock.move(days=36)
    await lodge.sessions.tidy()
    assert signed_in.session.id in lodge.fakes.store.rows["operator_sessions"]
    assert not lodge.fakes.store.rows["sign_in_counts"]
    lodge.clock.move(days=2)
    assert await lodge.sessions.tidy() > 0
    assert not lodge.fakes.store.rows["operator_sessions"]


# --- on PostgreSQL ----------------------------------------------------------------------------


@pytest.fixture
async def on_postgres(database_url: str) -> Store:
    from evergrant.adapters.store import open_store

    return await open_store(database_url)


async def test_the_same_on_postgres(on_postgres: Store) -> None:
    lodge = Lodge(store=on_postgres)
    try:
        ada = await lodge.person()
        halves = [await lodge.sign_in(ada) for _ in range(4)]
        code = lodge.code(ada)
        outcomes = await asyncio.gather(
            *(lodge.sessions.prove(one.secret, code, HERE) for one in halves),
            return_exceptions=True,
        )
        (whole,) = [one for one in outcomes if isinstance(one, SignedIn)]
        assert await step_of(lodge, whole.secret) is Step.NOTHING
        lodge.clock.move(minutes=2)
        assert await step_of(lodge, whole.secret) is Step.NOTHING
        signed_in = await lodge.sessions.sessions(by=ada.by, operator_id=ada.operator.id)
        assert max(one.seen_at for one in signed_in) == lodge.clock.now()
        recovery = ada.recovery_codes[0].reveal()
        half = await lodge.sign_in(ada)
        outcomes = await asyncio.gather(
            *(lodge.sessions.prove(half.secret, recovery, HERE) for _ in range(4)),
            return_exceptions=True,
        )
        assert [type(one) for one in outcomes].count(SignedIn) == 1
        assert await step_of(lodge, Secret(f"egs_{secrets.token_urlsafe(32)}")) is None
        await lodge.people.disable_operator((await lodge.person("Bea")).operator.id, by=ROOT)
        lodge.clock.move(days=40)
        assert await lodge.sessions.tidy() > 0
    finally:
        await on_postgres.close()
