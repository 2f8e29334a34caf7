"""The key rack: operators, API keys, connection keys."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from evergrant import journal
from evergrant.errors import (
    Conflict,
    InvalidInput,
    LastAdmin,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    StoreUnavailable,
)
from evergrant.people import People, caller_of
from evergrant.ports.things import (
    Account,
    Application,
    ClientInstance,
    JournalLine,
    Operator,
)
from evergrant.rules.applications import ApplicationKind, ApplicationStatus
from evergrant.rules.marketplaces import PartnerKind, Region
from evergrant.rules.rights import RIGHTS_OF_ROLE, Caller, CallerKind, Right, Role, command_line
from evergrant.rules.secrecy import Secret, digest
from evergrant.testing.clock import FakeClock
from evergrant.testing.store import MemoryStore

ROOT = command_line("root")
MINE, OTHER = "ins_" + "1" * 26, "ins_" + "2" * 26
ACCOUNT, FOREIGN = "acc_" + "1" * 26, "acc_" + "2" * 26


def password() -> Secret:
    return Secret(secrets.token_urlsafe(18))


def bound(*rights: Right) -> Caller:
    return Caller(
        kind=CallerKind.API_KEY,
        id="key_x",
        rights=frozenset(rights or Right),
        client_instance_id=MINE,
    )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(clock: FakeClock) -> MemoryStore:
    """Two client instances, an account of each."""
    store, at = MemoryStore(), clock.now()
    application = Application(
        id="app_" + "1" * 26,
        name="Connect",
        kind=ApplicationKind.PUBLIC,
        partner_kinds=frozenset({PartnerKind.SELLER}),
        status=ApplicationStatus.DRAFT,
        application_id="amzn1.sp.solution.x",
        created_at=at,
        changed_at=at,
    )
    async with store.transaction() as tx:
        await tx.applications.add(application)
        for instance_id, account_id in ((MINE, ACCOUNT), (OTHER, FOREIGN)):
            await tx.instances.add(
                ClientInstance(id=instance_id, name=instance_id, created_at=at, changed_at=at)
            )
            await tx.accounts.add(
                Account(
                    id=account_id,
                    name=account_id,
                    partner_kind=PartnerKind.SELLER,
                    client_email="a@shop.example",
                    application_id=application.id,
                    client_instance_id=instance_id,
                    region=Region.EU,
                    home_marketplace="DE",
                    created_at=at,
                    changed_at=at,
                )
            )
    return store


@pytest.fixture
def people(store: MemoryStore, clock: FakeClock) -> People:
    people = People(store, clock)
    # As slow as it has to be for passwords that are made up at run time.
    people._passwords = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=64)])
    return people


async def lines(store: MemoryStore, verb: str) -> list[JournalLine]:
    return await journal.read(store, ROOT, verb=verb)


def fields(caught: pytest.ExceptionInfo[InvalidInput]) -> dict[str | None, str]:
    return {flaw.field: flaw.code for flaw in caught.value.flaws}


async def ada(people: People, word: Secret, role: str = "admin") -> Operator:
    return await people.add_operator(
        name="Ada", email="Ada@House.example", role=role, password=word, by=ROOT
    )


# --- operators ------------------------------------------------------------------------------


async def test_an_operator_is_recognised_by_the_password(
    people: People, store: MemoryStore
) -> None:
    word = password()
    operator = await ada(people, word, "team-lead")
    assert operator.email == "ada@house.example"
    assert operator.role is Role.TEAM_LEAD
    assert await people.check_password(" ADA@house.example ", word) == operator
    assert await people.check_password("ada@house.example", password()) is None
    assert await people.check_password("eve@house.example", word) is None
    assert word.reveal() not in repr(store.rows) + repr(store.lines)
    assert operator.password_hash.startswith("$argon2")
    assert operator.password_hash not in repr(operator)
    (line,) = await lines(store, "operator.added")
    assert line.facts == {"name": "Ada", "email": "ada@house.example", "role": "team_lead"}


async def test_operators_as_callers_have_the_rights_of_their_role(people: People) -> None:
    operator = await ada(people, password(), "support")
    caller = caller_of(operator)
    assert str(caller) == f"operator:{operator.id}"
    assert caller.rights == RIGHTS_OF_ROLE[Role.SUPPORT]
    assert caller.client_instance_id is None


async def test_flaws_of_an_operator(people: People, store: MemoryStore) -> None:
    with pytest.raises(InvalidInput) as caught:
        await people.add_operator(name="", email="ada", role="boss", password=Secret("x"), by=ROOT)
    assert set(fields(caught)) == {"name", "email", "role", "password"}
    for weak in ("a" * 20, "ada@house.example", "x" * 257):
        with pytest.raises(InvalidInput) as caught:
            await ada(people, Secret(weak))
        assert fields(caught) == {"password": "bad_password"}
        assert weak not in str(caught.value)
    assert not store.rows["operators"]
    await ada(people, password())
    with pytest.raises(Conflict, match="e-mail"):
        await ada(people, password())


async def test_a_disabled_operator_comes_in_no_more(
    people: People, store: MemoryStore, clock: FakeClock
) -> None:
    word = password()
    operator = await ada(people, word, "support")
    disabled = await people.disable_operator("ada@house.example", by=ROOT)
    assert disabled.disabled_at == clock.now()
    assert await people.check_password(operator.email, word) is None
    clock.move(days=1)
    assert await people.disable_operator(operator.id, by=ROOT) == disabled
    assert len(await lines(store, "operator.disabled")) == 1
    assert await people.operators(by=ROOT) == [disabled]


async def test_the_last_admin_stays(people: People, store: MemoryStore) -> None:
    operator = await ada(people, password())
    with pytest.raises(LastAdmin):
        await people.disable_operator(operator.id, by=ROOT)
    bob = await people.add_operator(
        name="Bob", email="bob@house.example", role="admin", password=password(), by=ROOT
    )
    outcomes = await asyncio.gather(
        people.disable_operator(operator.id, by=ROOT),
        people.disable_operator(bob.id, by=ROOT),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["LastAdmin", "Operator"]


async def test_who_audits_sees_people_and_keys_and_changes_none(people: People) -> None:
    operator = await ada(people, password())
    made = await people.add_api_key(name="ERP", rights=["read"], by=ROOT)
    auditor = Caller(kind=CallerKind.OPERATOR, rights=RIGHTS_OF_ROLE[Role.AUDITOR])
    assert await people.operators(by=auditor) == [operator]
    assert await people.find_operator(operator.id, by=auditor) == operator
    assert await people.api_keys(by=auditor) == [made.key]
    assert await people.api_key(made.key.id, by=auditor) == made.key
    for verb in (
        people.disable_operator(operator.id, by=auditor),
        people.revoke_api_key(made.key.id, by=auditor),
    ):
        with pytest.raises(NotAllowed):
            await verb


async def test_a_new_password_replaces_the_old(people: People, store: MemoryStore) -> None:
    old, new = password(), password()
    operator = await ada(people, old)
    await people.set_password(operator.id, new, by=ROOT)
    assert await people.check_password(operator.email, old) is None
    assert await people.check_password(operator.email, new) is not None
    with pytest.raises(InvalidInput):
        await people.set_password(operator.id, Secret("short"), by=ROOT)
    assert len(await lines(store, "operator.password_set")) == 1
    with pytest.raises(NotFound):
        await people.set_password("opr_none", new, by=ROOT)


async def test_an_outdated_hash_is_renewed_at_the_next_log_in(
    store: MemoryStore, clock: FakeClock
) -> None:
    people, word = People(store, clock), password()
    operator = await ada(people, word)
    assert operator.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    old = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=8192)]).hash(word.reveal())
    async with store.transaction() as tx:
        await tx.operators.change(operator.id, password_hash=old)
    assert await people.check_password(operator.email, word) is not None
    assert store.rows["operators"][operator.id].password_hash != old
    assert await people.check_password(operator.email, word) is not None


# --- API keys -------------------------------------------------------------------------------


async def test_an_api_key_is_shown_once_and_recognised(
    people: People, store: MemoryStore, clock: FakeClock
) -> None:
    made = await people.add_api_key(
        name="ERP", rights=["read", "access-tokens"], client_instance_id=MINE, by=ROOT
    )
    text = made.secret.reveal()
    assert text.startswith(f"egk_{made.key.id.removeprefix('key_')}_")
    assert text not in repr(store.rows) + repr(store.lines) + repr(made)
    assert made.key.digest == digest(text)
    assert made.key.digest not in repr(made)
    caller = await people.authenticate(text)
    assert caller == Caller(
        kind=CallerKind.API_KEY,
        id=made.key.id,
        name="ERP",
        rights=frozenset({Right.READ, Right.ACCESS_TOKENS}),
        client_instance_id=MINE,
    )
    (line,) = await lines(store, "api_key.added")
    assert line.facts["rights"] == ["access_tokens", "read"]


def mangled(text: str) -> Iterator[str]:
    yield ""
    yield "egk_"
    yield text[:-1]
    yield f"{text} "
    yield f"{text}\n"
    yield f"Bearer {text}"
    yield text.upper()
    yield text[:-1] + ("A" if text[-1] != "A" else "B")
    yield ("egc_" if text.startswith("egk_") else "egk_") + text[4:]
    yield text[:4] + "0" * 26 + text[30:]
    yield "\ud800" + text
    yield "é" * 100


async def test_what_is_no_api_key_is_refused_with_the_same_words(people: People) -> None:
    made = await people.add_api_key(name="ERP", rights=["read"], by=ROOT)
    said = set()
    for text in mangled(made.secret.reveal()):
        with pytest.raises(NotAuthenticated) as caught:
            await people.authenticate(text)
        said.add(str(caught.value))
    assert len(said) == 1
    await people.authenticate(made.secret.reveal())


async def test_a_verified_key_is_remembered_for_a_moment(
    people: People, store: MemoryStore, clock: FakeClock
) -> None:
    text = (await people.add_api_key(name="ERP", rights=["read"], by=ROOT)).secret.reveal()
    for _ in range(50):
        await people.authenticate(text)
    assert store.memory_quick.asked == 1
    clock.move(seconds=0.799)
    store.down = True
    await people.authenticate(text)
    clock.move(seconds=0.001)
    with pytest.raises(StoreUnavailable):
        await people.authenticate(text)
    store.down = False
    clock.move(days=-1)
    asked = store.memory_quick.asked
    await people.authenticate(text)
    assert store.memory_quick.asked == asked + 1, "a clock that was set back remembers nothing"


async def test_a_revoked_key_ends_everywhere_within_a_second(
    people: People, store: MemoryStore, clock: FakeClock
) -> None:
    made = await people.add_api_key(name="ERP", rights=["read"], by=ROOT)
    text = made.secret.reveal()
    elsewhere = People(store, clock)
    for one in (people, elsewhere):
        await one.authenticate(text)
    revoked = await people.revoke_api_key(made.key.id, by=ROOT)
    assert revoked.revoked_at == clock.now()
    with pytest.raises(NotAuthenticated):
        await people.authenticate(text)
    clock.move(seconds=1)
    with pytest.raises(NotAuthenticated):
        await elsewhere.authenticate(text)
    again = await people.revoke_api_key(made.key.id, by=ROOT)
    assert again.revoked_at == revoked.revoked_at
    assert len(await lines(store, "api_key.revoked")) == 1
    with pytest.raises(NotFound):
        await people.revoke_api_key("key_none", by=ROOT)
    assert [key.id for key in await people.api_keys(by=ROOT)] == [made.key.id]


async def test_an_expired_key_is_refused_even_when_remembered(
    people: People, clock: FakeClock
) -> None:
    made = await people.add_api_key(
        name="ERP", rights=["read"], expires_at=clock.now() + timedelta(milliseconds=500), by=ROOT
    )
    await people.authenticate(made.secret.reveal())
    clock.move(milliseconds=500)
    with pytest.raises(NotAuthenticated):
        await people.authenticate(made.secret.reveal())


async def test_use_is_noted_at_most_once_a_minute(
    people: People, store: MemoryStore, clock: FakeClock
) -> None:
    made = await people.add_api_key(name="ERP", rights=["read"], by=ROOT)

    async def used_at() -> datetime:
        await people.authenticate(made.secret.reveal())
        at: datetime = store.rows["api_keys"][made.key.id].last_used_at
        return at

    first = clock.now()
    assert await used_at() == first
    clock.move(seconds=59)
    assert await used_at() == first
    second = clock.move(seconds=1)
    assert await used_at() == second


@pytest.mark.parametrize(
    ("wishes", "flaws"),
    [
        ({"name": " "}, {"name": "missing"}),
        ({"rights": []}, {"rights": "no_rights"}),
        ({"rights": ["read", "fly"]}, {"rights": "unknown_right"}),
        ({"rights": "readers"}, {"rights": "unknown_right"}),
        ({"rights": ["manage"], "client_instance_id": MINE}, {"rights": "not_bound"}),
        ({"client_instance_id": "ins_none"}, {"client_instance_id": "unknown"}),
        ({"expires_at": datetime(2026, 1, 1)}, {"expires_at": "naive_instant"}),  # noqa: DTZ001
    ],
)
async def test_flaws_of_an_api_key(
    people: People, store: MemoryStore, wishes: dict[str, Any], flaws: dict[str, str]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await people.add_api_key(**{"name": "ERP", "rights": ["read"], "by": ROOT, **wishes})
    assert fields(caught) == flaws
    assert not store.rows["api_keys"]
    assert not await lines(store, "api_key.added")


async def test_a_key_that_has_ended_is_not_made(people: People, clock: FakeClock) -> None:
    with pytest.raises(InvalidInput) as caught:
        await people.add_api_key(name="ERP", rights=["read"], expires_at=clock.now(), by=ROOT)
    assert fields(caught) == {"expires_at": "out_of_range"}


async def test_nobody_gives_rights_that_they_lack(people: People) -> None:
    by = Caller(kind=CallerKind.API_KEY, id="key_x", rights=frozenset({Right.MANAGE, Right.READ}))
    with pytest.raises(InvalidInput) as caught:
        await people.add_api_key(name="more", rights=["read", "access_tokens"], by=by)
    assert fields(caught) == {"rights": "more_than_own"}
    await people.add_api_key(name="same", rights=["read", "manage"], by=by)


async def test_managing_people_needs_the_right_and_the_whole_reach(people: People) -> None:
    without = frozenset({Right.MANAGE, Right.AUDIT})
    weak = Caller(kind=CallerKind.OPERATOR, rights=frozenset(Right) - without)
    eve: dict[str, Any] = {"name": "Eve", "email": "eve@x.example", "role": "admin"}
    for by in (weak, bound()):
        for verb in (
            people.add_operator(**eve, password=password(), by=by),
            people.operators(by=by),
            people.find_operator("ada@house.example", by=by),
            people.set_password("opr_x", password(), by=by),
            people.disable_operator("opr_x", by=by),
            people.add_api_key(name="E", rights=["read"], by=by),
            people.api_keys(by=by),
            people.revoke_api_key("key_x", by=by),
        ):
            with pytest.raises(NotAllowed):
                await verb


# --- connection keys ------------------------------------------------------------------------


async def test_a_connection_key_stands_for_one_account(
    people: People, store: MemoryStore, clock: FakeClock
) -> None:
    made = await people.add_connection_key(ACCOUNT, name="old SDK", by=bound(Right.WRITE))
    text = made.secret.reveal()
    assert text.startswith("egc_")
    assert text not in repr(store.rows) + repr(store.lines) + repr(made)
    assert made.key.digest not in repr(made)
    assert await people.account_of(text) == ACCOUNT
    for _ in range(10):
        assert await people.account_of(text) == ACCOUNT
    assert store.memory_quick.asked == 1
    for wrong in mangled(text):
        assert await people.account_of(wrong) is None
    used = dataclasses.replace(made.key, last_used_at=clock.now())
    assert await people.connection_keys(ACCOUNT, by=bound()) == [used]
    (line,) = await lines(store, "connection_key.added")
    assert (line.subject, line.account_id) == (made.key.id, ACCOUNT)


async def test_a_revoked_connection_key_ends_everywhere_within_a_second(
    people: People, store: MemoryStore, clock: FakeClock
) -> None:
    made = await people.add_connection_key(ACCOUNT, by=ROOT)
    text = made.secret.reveal()
    elsewhere = People(store, clock)
    assert await elsewhere.account_of(text) == await people.account_of(text) == ACCOUNT
    revoked = await people.revoke_connection_key(made.key.id, by=bound())
    assert await people.account_of(text) is None
    clock.move(seconds=1)
    assert await elsewhere.account_of(text) is None
    assert await people.revoke_connection_key(made.key.id, by=ROOT) == revoked
    assert len(await lines(store, "connection_key.revoked")) == 1
    with pytest.raises(NotFound):
        await people.revoke_connection_key("con_none", by=ROOT)


async def test_connection_keys_end_at_the_reach(people: People) -> None:
    foreign = await people.add_connection_key(FOREIGN, by=ROOT)
    for verb in (
        people.add_connection_key(FOREIGN, by=bound()),
        people.connection_keys(FOREIGN, by=bound()),
        people.revoke_connection_key(foreign.key.id, by=bound()),
        people.add_connection_key("acc_none", by=ROOT),
    ):
        with pytest.raises(NotFound):
            await verb
    for refused in (
        people.add_connection_key(ACCOUNT, by=bound(Right.READ)),
        people.connection_keys(ACCOUNT, by=bound(Right.WRITE)),
        people.revoke_connection_key(foreign.key.id, by=bound(Right.READ)),
    ):
        with pytest.raises(NotAllowed):
            await refused
    assert await people.account_of(foreign.secret.reveal()) == FOREIGN
    with pytest.raises(InvalidInput):
        await people.add_connection_key(ACCOUNT, name="x" * 201, by=ROOT)


async def test_what_is_remembered_does_not_grow_for_ever(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.people.memory.MOST_REMEMBERED", 3)
    keys = [await people.add_connection_key(ACCOUNT, by=ROOT) for _ in range(8)]
    for made in keys:
        assert await people.account_of(made.secret.reveal()) == ACCOUNT
    assert len(people._connection_keys) <= 3
