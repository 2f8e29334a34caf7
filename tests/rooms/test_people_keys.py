"""Keys that are bound to accounts, that end, and that are rotated; keys known by their ids."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from evergrant import journal
from evergrant.accounts import NewAccount
from evergrant.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    StoreUnavailable,
)
from evergrant.people import DEFAULT_OVERLAP, LONGEST_OVERLAP, MOST_ACCOUNTS, People
from evergrant.ports.things import JournalLine
from evergrant.registry import NewApplication, NewInstance
from evergrant.rules.rights import RIGHTS_OF_ROLE, SYSTEM, Caller, CallerKind, Right, Role
from evergrant.testing.desk import Fakes, desk

NOBODYS = "acc_" + "0" * 26


class Rack:
    """The key rack, with two client instances and an account of each."""

    def __init__(self) -> None:
        self.fakes = Fakes()
        self.desk = desk(self.fakes)
        self.people = self.desk.people
        self.clock = self.fakes.clock
        self.store = self.fakes.store
        self.instances: list[str] = []
        self.accounts: list[str] = []

    async def open(self) -> Rack:
        application = await self.desk.registry.add_application(
            NewApplication(
                name="Connect",
                kind="public",
                partner_kinds={"seller"},
                status="published",
                application_id="amzn1.sp.solution.00000000-0000-4000-8000-000000000001",
            ),
            by=SYSTEM,
        )
        for name in ("mine", "other"):
            added = await self.desk.registry.add_instance(NewInstance(name=name), by=SYSTEM)
            self.instances.append(added.instance.id)
            account = await self.desk.accounts.add(
                NewAccount(
                    name=name,
                    partner_kind="seller",
                    client_email="owner@shop.example",
                    application_id=application.id,
                    client_instance_id=added.instance.id,
                    region="eu",
                    home_marketplace="DE",
                ),
                by=SYSTEM,
            )
            self.accounts.append(account.id)
        return self

    def elsewhere(self) -> People:
        """Another process on the same database."""
        return People(self.store, self.clock)

    async def lines(self, verb: str) -> list[JournalLine]:
        return await journal.read(self.store, SYSTEM, verb=verb)


@pytest.fixture
async def rack() -> Rack:
    return await Rack().open()


def manager(*rights: Right, **reach: Any) -> Caller:
    held = frozenset({Right.MANAGE, *rights})
    return Caller(kind=CallerKind.API_KEY, id="key_m", name="m", rights=held, **reach)


def flaws(caught: pytest.ExceptionInfo[InvalidInput]) -> set[tuple[str | None, str]]:
    return {(flaw.field, flaw.code) for flaw in caught.value.flaws}


# --- reach and rights -----------------------------------------------------------------------------


async def test_a_caller_carries_the_accounts_of_its_key(rack: Rack) -> None:
    made = await rack.people.add_api_key(
        name="script",
        rights=["amazon_read", "personal_data"],
        client_instance_id=rack.instances[0],
        account_ids=[rack.accounts[0], rack.accounts[0]],
        by=SYSTEM,
    )
    caller = await rack.people.authenticate(made.secret.reveal())
    assert caller.account_ids == frozenset(rack.accounts[:1])
    assert caller.client_instance_id == rack.instances[0]
    assert caller.rights == {Right.AMAZON_READ, Right.PERSONAL_DATA}
    assert await rack.people.caller_of_key(made.key.id) == caller
    (line,) = await rack.lines("api_key.added")
    assert line.facts["account_ids"] == rack.accounts[:1]
    free = await rack.people.add_api_key(name="free", rights=["read"], by=SYSTEM)
    assert (await rack.people.authenticate(free.secret.reveal())).account_ids is None


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"account_ids": []}, ("account_ids", "missing")),
        ({"account_ids": "acc_1"}, ("account_ids", "wrong_type")),
        ({"account_ids": ["key_" + "0" * 26]}, ("account_ids", "not_an_id")),
        ({"account_ids": [7]}, ("account_ids", "wrong_type")),
        ({"account_ids": [NOBODYS]}, ("account_ids", "unknown")),
        ({"account_ids": [NOBODYS] * (MOST_ACCOUNTS + 1)}, ("account_ids", "too_many")),
        ({"account_ids": ["mine"], "rights": ["manage"]}, ("rights", "not_bound")),
        ({"account_ids": ["mine"], "rights": ["data_plane"]}, ("rights", "not_bound")),
        ({"client_instance_id": "mine", "rights": ["data_plane"]}, ("rights", "not_bound")),
        ({"rights": ["personal_data"]}, ("rights", "of_no_use")),
        ({"rights": ["personal_data", "access_tokens"]}, ("rights", "of_no_use")),
        (
            {"account_ids": ["other"], "client_instance_id": "mine"},
            ("account_ids", "out_of_reach"),
        ),
    ],
)
async def test_what_no_key_can_be(
    rack: Rack, wish: dict[str, Any], expected: tuple[str, str]
) -> None:
    known = {"mine": rack.accounts[0], "other": rack.accounts[1]}
    if isinstance(wish.get("account_ids"), list):
        wish = {**wish, "account_ids": [known.get(str(one), one) for one in wish["account_ids"]]}
    if "client_instance_id" in wish:
        wish = {**wish, "client_instance_id": rack.instances[0]}
    with pytest.raises(InvalidInput) as caught:
        await rack.people.add_api_key(**{"name": "x", "rights": ["read"], "by": SYSTEM, **wish})
    assert flaws(caught) == {expected}
    assert not rack.store.rows["api_keys"]


async def test_every_right_of_the_gateway_is_given_by_those_who_hold_it(rack: Rack) -> None:
    for right in ("amazon_read", "amazon_write", "data_plane"):
        with pytest.raises(InvalidInput) as caught:
            await rack.people.add_api_key(name="x", rights=[right], by=manager())
        assert flaws(caught) == {("rights", "more_than_own")}
        await rack.people.add_api_key(name="x", rights=[right], by=manager(Right(right)))
    admin = Caller(kind=CallerKind.OPERATOR, id="opr_a", rights=RIGHTS_OF_ROLE[Role.ADMIN])
    await rack.people.add_api_key(name="nginx", rights=["data_plane"], by=admin)


async def test_who_is_bound_makes_no_keys(rack: Rack) -> None:
    made = await rack.people.add_api_key(name="x", rights=["read"], by=SYSTEM)
    for reach in (
        {"client_instance_id": rack.instances[0]},
        {"account_ids": frozenset(rack.accounts[:1])},
    ):
        by = manager(*Right, **reach)
        for verb in (
            rack.people.add_api_key(name="y", rights=["read"], by=by),
            rack.people.rotate_api_key(made.key.id, by=by),
            rack.people.api_key(made.key.id, by=by),
        ):
            with pytest.raises(NotAllowed):
                await verb


# --- rotation: of both kinds of keys --------------------------------------------------------------


@dataclasses.dataclass
class Kind:
    """API keys or connection keys, by the same few verbs."""

    rack: Rack
    name: str

    @property
    def of_api(self) -> bool:
        return self.name == "api_key"

    async def add(self, **wishes: Any) -> Any:
        if self.of_api:
            wishes = {"name": "ERP", "rights": ["read", "amazon_read"], **wishes}
            return await self.rack.people.add_api_key(by=SYSTEM, **wishes)
        account_id = self.rack.accounts[0]
        return await self.rack.people.add_connection_key(
            account_id, name="ERP", by=SYSTEM, **wishes
        )

    async def rotate(self, id: str, by: Caller = SYSTEM, **wishes: Any) -> Any:
        rotate = (
            self.rack.people.rotate_api_key
            if self.of_api
            else self.rack.people.rotate_connection_key
        )
        return await rotate(id, by=by, **wishes)

    async def revoke(self, id: str) -> Any:
        revoke = (
            self.rack.people.revoke_api_key
            if self.of_api
            else self.rack.people.revoke_connection_key
        )
        return await revoke(id, by=SYSTEM)

    async def opens(self, made: Any, people: People | None = None) -> bool:
        """By text and by id, awaited and at hand: all say the same."""
        people, text = people or self.rack.people, made.secret.reveal()
        if self.of_api:
            ways: list[Callable[[], Awaitable[Any]]] = [
                lambda: people.authenticate(text),
                lambda: people.caller_of_key(made.key.id),
            ]
            at_hand: Any = (
                people.caller_at_hand(text),
                people.caller_of_key_at_hand(made.key.id),
            )
        else:
            ways = [
                lambda: people.account_of(text),
                lambda: people.account_of_connection(made.key.id),
            ]
            at_hand = (
                people.account_at_hand(text),
                people.account_of_connection_at_hand(made.key.id),
            )
        said = []
        for way in ways:
            try:
                said.append(await way() is not None)
            except NotAuthenticated:
                said.append(False)
        assert len(set(said)) == 1, said
        assert said[0] or at_hand == (None, None), "at hand opens what is refused"
        return said[0]

    def row(self, id: str) -> Any:
        return self.rack.store.rows[f"{self.name}s"][id]


@pytest.fixture(params=["api_key", "connection_key"])
def kind(request: pytest.FixtureRequest, rack: Rack) -> Kind:
    return Kind(rack, request.param)


async def test_the_old_key_works_on_beside_the_new_one(rack: Rack, kind: Kind) -> None:
    old = await kind.add()
    new = await kind.rotate(old.key.id)
    assert new.secret != old.secret
    assert new.key.id != old.key.id
    kept = ("name", "rights", "client_instance_id", "account_ids", "account_id")
    for field in kept:
        assert getattr(new.key, field, None) == getattr(old.key, field, None)
    row = kind.row(old.key.id)
    assert row.replaced_by == new.key.id
    assert row.expires_at == rack.clock.now() + DEFAULT_OVERLAP
    assert await kind.opens(old)
    assert await kind.opens(new)
    rack.clock.move(DEFAULT_OVERLAP - timedelta(seconds=1))
    assert await kind.opens(old)
    rack.clock.move(seconds=1)
    assert not await kind.opens(old)
    assert await kind.opens(new)
    (line,) = await rack.lines(f"{kind.name}.rotated")
    assert (line.subject, line.facts["replaced_by"]) == (old.key.id, new.key.id)
    added, _ = await rack.lines(f"{kind.name}.added")
    assert (added.subject, added.facts["replaces"]) == (new.key.id, old.key.id)
    assert old.secret.reveal() not in repr(rack.store.rows) + repr(rack.store.lines)
    assert new.secret.reveal() not in repr(rack.store.rows) + repr(rack.store.lines)


async def test_without_overlap_the_old_key_ends_at_once(rack: Rack, kind: Kind) -> None:
    old = await kind.add()
    elsewhere = rack.elsewhere()
    assert await kind.opens(old, elsewhere)
    new = await kind.rotate(old.key.id, overlap=timedelta(0))
    assert not await kind.opens(old)
    assert await kind.opens(new)
    rack.clock.move(seconds=0.8)
    assert not await kind.opens(old, elsewhere), "remembered for too long in another process"


async def test_a_rotated_key_ends_no_later_than_it_would_have(rack: Rack, kind: Kind) -> None:
    ends_at = rack.clock.now() + timedelta(days=2)
    old = await kind.add(expires_at=ends_at)
    rack.clock.move(days=1)
    new = await kind.rotate(old.key.id)
    assert kind.row(old.key.id).expires_at == ends_at
    # Made for two days, so the new one gets two days from now.
    assert new.key.expires_at == rack.clock.now() + timedelta(days=2)


async def test_the_end_of_the_new_key_can_be_wished_for(rack: Rack, kind: Kind) -> None:
    ends_at = rack.clock.now() + timedelta(days=400)
    old = await kind.add(expires_at=rack.clock.now() + timedelta(days=2))
    assert (await kind.rotate(old.key.id, expires_at=ends_at)).key.expires_at == ends_at
    endless = await kind.add()
    assert (await kind.rotate(endless.key.id)).key.expires_at is None


async def test_a_key_is_rotated_once(rack: Rack, kind: Kind) -> None:
    old = await kind.add()
    new = await kind.rotate(old.key.id)
    before = dict(rack.store.rows[f"{kind.name}s"])
    with pytest.raises(Conflict) as caught:
        await kind.rotate(old.key.id)
    assert caught.value.facts == {"replaced_by": new.key.id}
    assert rack.store.rows[f"{kind.name}s"] == before
    # Its answer got lost: the new one is rotated in its turn.
    third = await kind.rotate(new.key.id, overlap=timedelta(0))
    assert await kind.opens(third)
    assert not await kind.opens(new)


async def test_two_who_rotate_at_once_make_one_new_key(rack: Rack, kind: Kind) -> None:
    old = await kind.add()
    told = await asyncio.gather(
        *(kind.rotate(old.key.id) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(one, Conflict) for one in told) == 4, told
    assert len(rack.store.rows[f"{kind.name}s"]) == 2


async def test_what_has_ended_is_not_rotated(rack: Rack, kind: Kind) -> None:
    revoked = await kind.add()
    await kind.revoke(revoked.key.id)
    over = await kind.add(expires_at=rack.clock.now() + timedelta(hours=1))
    rack.clock.move(seconds=3600)
    for made in (revoked, over):
        with pytest.raises(Conflict, match="has ended"):
            await kind.rotate(made.key.id)
    with pytest.raises(NotFound):
        await kind.rotate(f"{'key' if kind.of_api else 'con'}_{'0' * 26}")
    assert len(rack.store.rows[f"{kind.name}s"]) == 2


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"overlap": timedelta(seconds=-1)}, "overlap"),
        ({"overlap": LONGEST_OVERLAP + timedelta(seconds=1)}, "overlap"),
        ({"expires_at": "past"}, "expires_at"),
    ],
)
async def test_flaws_of_a_rotation(
    rack: Rack, kind: Kind, wishes: dict[str, Any], field: str
) -> None:
    old = await kind.add()
    if wishes.get("expires_at") == "past":
        wishes = {"expires_at": rack.clock.now()}
    with pytest.raises(InvalidInput) as caught:
        await kind.rotate(old.key.id, **wishes)
    assert flaws(caught) == {(field, "out_of_range")}
    assert kind.row(old.key.id).replaced_by is None


async def test_a_rotated_key_can_still_be_revoked(rack: Rack, kind: Kind) -> None:
    old = await kind.add()
    new = await kind.rotate(old.key.id)
    await kind.revoke(old.key.id)
    assert not await kind.opens(old)
    assert await kind.opens(new)


async def test_nobody_gets_a_key_of_more_rights_by_rotating(rack: Rack) -> None:
    made = await rack.people.add_api_key(
        name="ERP", rights=["read", "amazon_read", "personal_data"], by=SYSTEM
    )
    with pytest.raises(NotAllowed, match="amazon_read, personal_data"):
        await rack.people.rotate_api_key(made.key.id, by=manager(Right.READ))
    assert len(rack.store.rows["api_keys"]) == 1
    by = manager(Right.READ, Right.AMAZON_READ, Right.PERSONAL_DATA)
    new = await rack.people.rotate_api_key(made.key.id, by=by)
    assert new.key.rights == made.key.rights


async def test_a_connection_key_is_named_with_its_own_account(rack: Rack) -> None:
    made = await rack.people.add_connection_key(rack.accounts[0], by=SYSTEM)
    for verb in (rack.people.rotate_connection_key, rack.people.revoke_connection_key):
        with pytest.raises(NotFound):
            await verb(made.key.id, account_id=rack.accounts[1], by=SYSTEM)
    new = await rack.people.rotate_connection_key(
        made.key.id, account_id=rack.accounts[0], by=SYSTEM
    )
    assert new.key.account_id == rack.accounts[0]
    with pytest.raises(NotAllowed):
        await rack.people.rotate_connection_key(new.key.id, by=manager(Right.READ))


# --- ending, and being known ----------------------------------------------------------------------


async def test_a_key_ends_at_its_instant_however_it_is_known(rack: Rack, kind: Kind) -> None:
    made = await kind.add(expires_at=rack.clock.now() + timedelta(milliseconds=500))
    assert await kind.opens(made)
    rack.clock.move(milliseconds=499)
    assert await kind.opens(made)
    rack.clock.move(milliseconds=1)
    assert not await kind.opens(made)


async def test_a_key_that_has_ended_is_not_made(rack: Rack, kind: Kind) -> None:
    with pytest.raises(InvalidInput) as caught:
        await kind.add(expires_at=rack.clock.now())
    assert flaws(caught) == {("expires_at", "out_of_range")}


async def test_revoked_keys_end_by_id_and_at_hand_within_a_second(rack: Rack, kind: Kind) -> None:
    made = await kind.add()
    elsewhere = rack.elsewhere()
    for people in (rack.people, elsewhere):
        assert await kind.opens(made, people)
    await kind.revoke(made.key.id)
    assert not await kind.opens(made)
    rack.clock.move(seconds=0.8)
    assert not await kind.opens(made, elsewhere)


async def test_text_and_id_share_one_memory(rack: Rack, kind: Kind) -> None:
    """Else a key would be remembered for twice the time by going back and forth."""
    made = await kind.add()
    people = rack.elsewhere()
    asked = rack.store.memory_quick.asked
    assert await kind.opens(made, people)
    assert rack.store.memory_quick.asked == asked + 1
    await kind.revoke(made.key.id)
    moments = 0
    while await kind.opens(made, people):
        rack.clock.move(milliseconds=50)
        moments += 1
    assert moments <= 16


async def test_remembering_too_many_prolongs_nothing(
    rack: Rack, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.people.memory.MOST_REMEMBERED", 2)
    people = rack.elsewhere()
    made, others = await kind.add(), [await kind.add() for _ in range(5)]
    assert await kind.opens(made, people)
    await kind.revoke(made.key.id)
    for step in range(20):
        rack.clock.move(milliseconds=50)
        for other in others[: step % 3]:
            if kind.of_api:
                await people.caller_of_key(other.key.id)
            elif step % 2:
                await people.account_of_connection(other.key.id)
            else:
                await people.account_of(other.secret.reveal())
        opened = await kind.opens(made, people)
    assert not opened


async def test_at_hand_knows_only_what_was_looked_up_just_now(rack: Rack) -> None:
    people = rack.people
    made = await people.add_api_key(name="x", rights=["read"], by=SYSTEM)
    connection = await people.add_connection_key(rack.accounts[0], by=SYSTEM)
    text, other = made.secret.reveal(), connection.secret.reveal()

    def at_hand() -> list[Any]:
        return [
            people.caller_at_hand(text),
            people.caller_of_key_at_hand(made.key.id),
            people.account_at_hand(other),
            people.connection_at_hand(other),
            people.account_of_connection_at_hand(connection.key.id),
        ]

    assert at_hand() == [None] * 5
    caller = await people.authenticate(text)
    key = await people.connection_of(other)
    assert key is not None
    asked = rack.store.memory_quick.asked
    assert at_hand() == [caller, caller, rack.accounts[0], key, rack.accounts[0]]
    assert rack.store.memory_quick.asked == asked
    rack.clock.move(seconds=0.8)
    assert at_hand() == [None] * 5


def mangled(text: str) -> Iterator[str]:
    yield ""
    yield text[:-1]
    yield f"{text}\n"
    yield f" {text}"
    yield text.upper()
    yield text[:-1] + ("A" if text[-1] != "A" else "B")
    yield "\ud800" + text


async def test_what_is_no_key_is_none_at_hand_either(rack: Rack) -> None:
    people = rack.people
    made = await people.add_api_key(name="x", rights=["read"], by=SYSTEM)
    connection = await people.add_connection_key(rack.accounts[0], by=SYSTEM)
    await people.authenticate(made.secret.reveal())
    await people.account_of(connection.secret.reveal())
    for text in mangled(made.secret.reveal()):
        assert people.caller_at_hand(text) is None
        with pytest.raises(NotAuthenticated):
            await people.authenticate(text)
    for text in mangled(connection.secret.reveal()):
        assert people.account_at_hand(text) is None
        assert await people.account_of(text) is None
    for text in mangled(made.key.id):
        assert people.caller_of_key_at_hand(text) is None
        with pytest.raises(NotAuthenticated):
            await people.caller_of_key(text)
    for text in mangled(connection.key.id):
        assert people.account_of_connection_at_hand(text) is None
        with pytest.raises(NotAuthenticated):
            await people.account_of_connection(text)


async def test_the_digest_is_no_id(rack: Rack) -> None:
    """Both lie in one memory; whoever saw a digest must not come in with it."""
    made = await rack.people.add_connection_key(rack.accounts[0], by=SYSTEM)
    await rack.people.account_of(made.secret.reveal())
    assert rack.people.account_of_connection_at_hand(made.key.digest) is None
    with pytest.raises(NotAuthenticated):
        await rack.people.account_of_connection(made.key.digest)


async def test_use_by_id_is_noted_at_most_once_a_minute(rack: Rack, kind: Kind) -> None:
    made = await kind.add()
    by_id = rack.people.caller_of_key if kind.of_api else rack.people.account_of_connection
    first = rack.clock.now()
    written = []
    for _ in range(130):
        await by_id(made.key.id)
        written.append(kind.row(made.key.id).last_used_at)
        rack.clock.move(seconds=1)
    assert sorted(set(written)) == [first + timedelta(minutes=minute) for minute in range(3)]


async def test_a_thousand_uses_at_once_are_written_once(
    rack: Rack, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await kind.add()
    transactions = 0
    transaction = rack.store.transaction

    def counted() -> Any:
        nonlocal transactions
        transactions += 1
        return transaction()

    monkeypatch.setattr(rack.store, "transaction", counted)
    assert all(await asyncio.gather(*(kind.opens(made) for _ in range(100))))
    assert transactions == 1


async def test_nobody_is_kept_out_because_a_use_cannot_be_written(
    rack: Rack, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await kind.add()

    def refuse() -> Any:
        raise StoreUnavailable

    monkeypatch.setattr(rack.store, "transaction", refuse)
    assert await kind.opens(made)


async def test_what_was_noted_does_not_grow_for_ever(
    rack: Rack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergrant.people.memory.MOST_REMEMBERED", 3)
    for _ in range(8):
        made = await rack.people.add_api_key(name=secrets.token_hex(3), rights=["read"], by=SYSTEM)
        await rack.people.authenticate(made.secret.reveal())
    assert len(rack.people._api_keys) <= 3
    assert len(rack.people._api_key_uses._noted) <= 3
