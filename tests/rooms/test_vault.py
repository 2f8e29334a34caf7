from __future__ import annotations

import dataclasses
import inspect
import secrets
from datetime import timedelta

import pytest

from evergrant import vault as names
from evergrant.errors import Misconfigured, SealBroken
from evergrant.rules.secrecy import Secret
from evergrant.testing.clock import FakeClock
from evergrant.testing.keyring import MemoryKeyring
from evergrant.testing.store import MemoryStore
from evergrant.vault import Vault


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def keyring() -> MemoryKeyring:
    return MemoryKeyring()


@pytest.fixture
def vault(keyring: MemoryKeyring) -> Vault:
    return Vault(keyring)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def secret() -> Secret:
    return Secret(secrets.token_urlsafe(32))


async def keep(vault: Vault, store: MemoryStore, clock: FakeClock, count: int) -> dict[str, Secret]:
    kept = {names.refresh_token(f"grt_{number:03}"): secret() for number in range(count)}
    async with store.transaction() as tx:
        for name, value in kept.items():
            await vault.put(tx, name, value, now=clock.now())
    return kept


async def test_what_is_put_away_is_found(
    vault: Vault, store: MemoryStore, clock: FakeClock
) -> None:
    first, second = secret(), Secret("zweites: ü 漢")
    name = names.client_secret("app_1")
    ends = clock.now() + timedelta(hours=1)
    async with store.transaction() as tx:
        assert await vault.open(tx, name) is None
        await vault.put(tx, name, first, now=clock.now(), expires_at=ends)
        await vault.put(tx, name, second, now=clock.now(), expires_at=ends)
        assert await vault.open(tx, name) == second
        row = await tx.safe.get(name)
    assert row is not None
    assert row.expires_at == ends
    assert row.sealed_at == clock.now()
    assert second.reveal().encode() not in row.ciphertext
    sealed = await store.quick.sealed(name)
    assert sealed is not None
    assert await vault.open_sealed(sealed) == second


async def test_drop(vault: Vault, store: MemoryStore, clock: FakeClock) -> None:
    (name,) = await keep(vault, store, clock, 1)
    async with store.transaction() as tx:
        assert await vault.drop(tx, name)
        assert not await vault.drop(tx, name)
        assert await vault.open(tx, name) is None


async def test_nothing_stays_when_the_transaction_fails(
    vault: Vault, store: MemoryStore, clock: FakeClock
) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with store.transaction() as tx:
            await vault.put(tx, "name", secret(), now=clock.now())
            raise ZeroDivisionError
    async with store.transaction() as tx:
        assert await vault.open(tx, "name") is None


async def test_a_row_that_was_moved_by_hand_does_not_open(
    vault: Vault, store: MemoryStore, clock: FakeClock
) -> None:
    mine, other = await keep(vault, store, clock, 2)
    async with store.transaction() as tx:
        row = await tx.safe.get(mine)
        assert row is not None
        await tx.safe.put(dataclasses.replace(row, id=other))
        with pytest.raises(SealBroken):
            await vault.open(tx, other)


async def test_what_no_row_keeps_opens_under_its_own_name_only(
    vault: Vault, keyring: MemoryKeyring
) -> None:
    key_id, ciphertext = await vault.seal_loose("one", b"content")
    assert b"content" not in ciphertext
    await keyring.add_key()
    assert await vault.open_loose("one", key_id, ciphertext) == b"content"
    for name, key, sealed in (
        ("other", key_id, ciphertext),
        ("one", await keyring.current_key_id(), ciphertext),
        ("one", "made-up", ciphertext),
        ("one", "", ciphertext),
        ("one", key_id, ciphertext[:-1]),
        ("one", key_id, b""),
    ):
        with pytest.raises(SealBroken):
            await vault.open_loose(name, key, sealed)


def test_names_are_all_different() -> None:
    makers = [
        maker
        for name, maker in inspect.getmembers(names, inspect.isfunction)
        if maker.__module__ == names.__name__
    ]
    assert len(makers) == 19
    made = [maker(*("x" for _ in inspect.signature(maker).parameters)) for maker in makers]
    assert len(set(made)) == len(made)


# --- rotating the key ----------------------------------------------------------------------------


async def test_rotation_reseals_everything(
    vault: Vault, store: MemoryStore, keyring: MemoryKeyring, clock: FakeClock
) -> None:
    kept = await keep(vault, store, clock, 7)
    old = await keyring.current_key_id()
    told: list[tuple[int, int]] = []
    done = await vault.rotate_key(store, clock, lambda *counts: told.append(counts), batch=3)
    assert done.resealed == 7
    assert done.left == 0
    assert done.broken == ()
    assert done.new_key_id == await keyring.current_key_id() != old
    assert told == [(3, 7), (6, 7), (7, 7)]
    keyring.lose(old)
    async with store.transaction() as tx:
        for name, value in kept.items():
            assert await vault.open(tx, name) == value


async def test_resealing_when_nothing_is_old(
    vault: Vault, store: MemoryStore, clock: FakeClock
) -> None:
    await keep(vault, store, clock, 2)
    done = await vault.reseal(store, clock)
    assert (done.resealed, done.left) == (0, 0)


async def test_an_interrupted_rotation_goes_on(
    vault: Vault, store: MemoryStore, keyring: MemoryKeyring, clock: FakeClock
) -> None:
    kept = await keep(vault, store, clock, 6)

    def interrupt(resealed: int, total: int) -> None:
        if resealed == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await vault.rotate_key(store, clock, interrupt, batch=2)
    assert len(await keyring.key_ids()) == 2
    done = await vault.reseal(store, clock, batch=2)
    assert (done.resealed, done.left) == (2, 0)
    async with store.transaction() as tx:
        for name, value in kept.items():
            assert await vault.open(tx, name) == value


class BusyKeyring(MemoryKeyring):
    """While something is opened, somebody else puts a newer value into the same row."""

    def __init__(self, store: MemoryStore, clock: FakeClock) -> None:
        super().__init__()
        self.newer: dict[str, Secret] = {}
        self._store = store
        self._clock = clock

    async def open(self, key_id: str, ciphertext: bytes, context: str) -> bytes:
        if context in self.newer:
            newer = self.newer.pop(context)
            async with self._store.transaction() as tx:
                await Vault(self).put(tx, context, newer, now=self._clock.now())
        return await super().open(key_id, ciphertext, context)


async def test_a_row_that_changes_meanwhile_keeps_its_new_value(
    store: MemoryStore, clock: FakeClock
) -> None:
    keyring = BusyKeyring(store, clock)
    vault = Vault(keyring)
    kept = await keep(vault, store, clock, 3)
    changed = sorted(kept)[1]
    keyring.newer[changed] = kept[changed] = secret()
    done = await vault.rotate_key(store, clock)
    assert (done.resealed, done.left) == (2, 0)
    async with store.transaction() as tx:
        for name, value in kept.items():
            assert await vault.open(tx, name) == value


async def test_what_does_not_open_is_named_and_stops_nothing(
    vault: Vault, store: MemoryStore, clock: FakeClock
) -> None:
    kept = sorted(await keep(vault, store, clock, 3))
    async with store.transaction() as tx:
        await tx.safe.change(kept[1], ciphertext=secrets.token_bytes(40))
    done = await vault.rotate_key(store, clock, batch=1)
    assert (done.resealed, done.left, done.broken) == (2, 1, (kept[1],))


async def test_rows_of_a_lost_key_are_left(
    vault: Vault, store: MemoryStore, keyring: MemoryKeyring, clock: FakeClock
) -> None:
    (name,) = await keep(vault, store, clock, 1)
    old = await keyring.current_key_id()
    await keyring.add_key()
    keyring.lose(old)
    done = await vault.reseal(store, clock)
    assert (done.resealed, done.left) == (0, 1)
    async with store.transaction() as tx:
        with pytest.raises(Misconfigured):
            await vault.open(tx, name)
