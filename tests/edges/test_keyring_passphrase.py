"""A passphrase as a key ring: opens with itself, with nothing else, and with no weak parameters."""

from __future__ import annotations

import base64
import json
import secrets
import unicodedata
from typing import Any

import pytest

from evergrant.adapters.keyring import PassphraseKeyring
from evergrant.errors import InvalidInput, Misconfigured, SealBroken
from evergrant.ports import Keyring
from evergrant.rules.secrecy import Secret

#: As weak as it may be: a test need not be slow.
N = 2**15


def passphrase() -> Secret:
    return Secret(f"café {secrets.token_hex(8)}")


@pytest.fixture(scope="module")
def words() -> Secret:
    return passphrase()


@pytest.fixture
async def ring(words: Secret) -> PassphraseKeyring:
    return await PassphraseKeyring.fresh(words, n=N)


async def test_the_same_words_open_it_elsewhere(words: Secret, ring: PassphraseKeyring) -> None:
    key_id, sealed = await ring.seal(b"inside", "row/1")
    written = json.loads(json.dumps(ring.parameters))
    # Another keyboard writes the accent as a character of its own.
    typed = Secret(unicodedata.normalize("NFD", words.reveal()))
    other: Keyring = await PassphraseKeyring.opened(typed, written)
    assert await other.open(key_id, sealed, "row/1") == b"inside"
    assert await other.current_key_id() == key_id
    assert await other.key_ids() == (key_id,)
    with pytest.raises(Misconfigured):
        await other.add_key()


async def test_what_was_moved_or_changed_does_not_open(ring: PassphraseKeyring) -> None:
    key_id, sealed = await ring.seal(b"inside", "row/1")
    with pytest.raises(SealBroken):
        await ring.open(key_id, sealed, "row/2")
    for place in (0, len(sealed) // 2, -1):
        broken = bytearray(sealed)
        broken[place] ^= 1
        with pytest.raises(SealBroken):
            await ring.open(key_id, bytes(broken), "row/1")
    with pytest.raises(Misconfigured):
        await ring.open("another", sealed, "row/1")


async def test_a_wrong_passphrase_is_told_at_once(ring: PassphraseKeyring) -> None:
    with pytest.raises(InvalidInput, match="does not open this file"):
        await PassphraseKeyring.opened(passphrase(), ring.parameters)


async def test_two_exports_have_two_keys(words: Secret, ring: PassphraseKeyring) -> None:
    other = await PassphraseKeyring.fresh(words, n=N)
    key_id, sealed = await ring.seal(b"inside", "row/1")
    assert await other.current_key_id() != key_id
    with pytest.raises(SealBroken):
        await other.open(await other.current_key_id(), sealed, "row/1")


async def test_short_ones_are_refused() -> None:
    with pytest.raises(InvalidInput, match="shorter than 12"):
        await PassphraseKeyring.fresh(Secret("elevenchars"), n=N)


async def test_the_usual_strength_is_that_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []

    def derived(passphrase: Secret, salt: bytes, *strength: int) -> bytes:
        asked.append(strength)
        return bytes(32)

    monkeypatch.setattr("evergrant.adapters.keyring.passphrase._derived", derived)
    parameters = (await PassphraseKeyring.fresh(passphrase())).parameters
    assert asked == [(2**17, 8, 1)]
    assert (parameters["n"], parameters["r"], parameters["p"]) == (2**17, 8, 1)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"n": 2**14}, "too weak"),
        ({"n": 2**15 + 1}, "malformed"),
        ({"n": 2**30}, "more memory"),
        ({"n": True}, "malformed"),
        ({"n": "32768"}, "malformed"),
        ({"p": 0}, "too weak"),
        ({"p": 1000}, "more memory"),
        ({"r": 1}, "malformed"),
        ({"kdf": "pbkdf2"}, "not of scrypt"),
        ({"cipher": "none"}, "not of scrypt"),
        ({"salt": base64.b64encode(b"short").decode()}, "too short"),
        ({"salt": 7}, "too short"),
        ({"sample": "%%"}, "too short"),
    ],
)
async def test_parameters_that_cannot_be_trusted(
    words: Secret, ring: PassphraseKeyring, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        await PassphraseKeyring.opened(words, {**ring.parameters, **changed})


async def test_it_shows_nothing(words: Secret, ring: PassphraseKeyring) -> None:
    assert words.reveal() not in repr(ring) + repr(ring.parameters) + repr(vars(ring))
