"""A key ring that is a passphrase: for exports that leave the house.

Answers for: one key derived by scrypt, with its parameters and a sample that tells a wrong
passphrase at once; parameters that are too weak, or so strong that they would fill the memory, are
refused when a file brings them. Does not answer for: what is sealed and under which name.

Sources: RFC 7914 (scrypt); OWASP's cheat sheet on password storage names N=2**17, r=8, p=1 as the
strength to use today.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from evergrant.adapters.keyring.ring import SETTING, Ring
from evergrant.errors import InvalidInput, Misconfigured, SealBroken
from evergrant.rules.secrecy import Secret

__all__ = ["SHORTEST_PASSPHRASE", "PassphraseKeyring"]

SHORTEST_PASSPHRASE = 12
_USUAL_N = 2**17
_WEAKEST_N = 2**15
#: With r=8 scrypt takes 1 KiB for each unit of N: a file may ask us for 1 GiB, and not for more.
_STRONGEST_N = 2**20
_R = 8
_MOST_P = 4
_SALT_BYTES = 16
_KDF = "scrypt"
_CIPHER = "AES-256-GCM"
_SAMPLE = b"evergrant"
_SAMPLE_CONTEXT = "passphrase/sample"


class PassphraseKeyring:
    """``ports.Keyring`` with one key. ``parameters`` go into the file beside what was sealed: with
    them and the passphrase ``opened`` makes the same key again."""

    def __init__(self, key: bytes, parameters: Mapping[str, object]) -> None:
        # The id tells two exports apart and is no help in guessing: the salt stands in the file.
        salt = str(parameters["salt"])
        self._ring = Ring({f"p{hashlib.sha256(salt.encode()).hexdigest()[:8]}": key})
        self._parameters = dict(parameters)

    @classmethod
    async def fresh(cls, passphrase: Secret, *, n: int = _USUAL_N) -> PassphraseKeyring:
        """A new key. Raises InvalidInput for a passphrase that is too short."""
        if len(_settled(passphrase)) < SHORTEST_PASSPHRASE:
            raise InvalidInput(
                f"The passphrase is shorter than {SHORTEST_PASSPHRASE} characters.",
                hint="Four or five words that nobody says together are easy to keep.",
            )
        salt = secrets.token_bytes(_SALT_BYTES)
        key = await asyncio.to_thread(_derived, passphrase, salt, n, _R, 1)
        parameters: dict[str, object] = {
            "kdf": _KDF, "n": n, "r": _R, "p": 1, "salt": _text(salt), "cipher": _CIPHER,
        }  # fmt: skip
        made = cls(key, parameters)
        _, sample = made._ring.seal(_SAMPLE, _SAMPLE_CONTEXT)
        made._parameters["sample"] = _text(sample)
        return made

    @classmethod
    async def opened(
        cls, passphrase: Secret, parameters: Mapping[str, object]
    ) -> PassphraseKeyring:
        """The key of a file. Raises InvalidInput: wrong passphrase, or parameters that are unknown,
        weak or excessive."""
        salt, n, p, sample = _checked(parameters)
        key = await asyncio.to_thread(_derived, passphrase, salt, n, _R, p)
        made = cls(key, parameters)
        try:
            found = made._ring.open(made._ring.current, sample, _SAMPLE_CONTEXT)
        except SealBroken:
            found = b""
        if found != _SAMPLE:
            raise InvalidInput(
                "The passphrase does not open this file.",
                hint="Mind capitals and the keyboard's language. Nothing was changed.",
            )
        return made

    @property
    def parameters(self) -> dict[str, object]:
        """Free of secrets."""
        return dict(self._parameters)

    async def seal(self, plaintext: bytes, context: str) -> tuple[str, bytes]:
        return self._ring.seal(plaintext, context)

    async def open(self, key_id: str, ciphertext: bytes, context: str) -> bytes:
        return self._ring.open(key_id, ciphertext, context)

    async def current_key_id(self) -> str:
        return self._ring.current

    async def key_ids(self) -> Sequence[str]:
        return self._ring.key_ids

    async def add_key(self) -> str:
        raise Misconfigured(
            SETTING, "a passphrase makes one key.", hint="Export again with another passphrase."
        )


def _settled(passphrase: Secret) -> bytes:
    """The same words typed on another machine give the same bytes."""
    return unicodedata.normalize("NFC", passphrase.reveal()).encode("utf-8", "surrogatepass")


def _derived(passphrase: Secret, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(_settled(passphrase))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _checked(parameters: Mapping[str, object]) -> tuple[bytes, int, int, bytes]:
    n, p = parameters.get("n"), parameters.get("p")
    if parameters.get("kdf") != _KDF or parameters.get("cipher") != _CIPHER:
        raise _unfit(f"they are not of {_KDF} and {_CIPHER}")
    if not _whole(n) or not _whole(p) or parameters.get("r") != _R or n & (n - 1):
        raise _unfit("they are malformed")
    if n < _WEAKEST_N or p < 1:
        raise _unfit("they are too weak: such a passphrase could be guessed")
    if n > _STRONGEST_N or p > _MOST_P:
        raise _unfit("they would take more memory or time than any export of ours")
    salt, sample = _raw(parameters.get("salt")), _raw(parameters.get("sample"))
    if len(salt) < _SALT_BYTES or not sample:
        raise _unfit("salt or sample is missing or too short")
    return salt, n, p, sample


def _whole(number: object) -> TypeGuard[int]:
    return isinstance(number, int) and not isinstance(number, bool)


def _raw(text: object) -> bytes:
    if not isinstance(text, str):
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _unfit(why: str) -> InvalidInput:
    return InvalidInput(
        f"The file's sealing parameters cannot be used: {why}.",
        hint="The file was changed or was not written by Evergrant.",
    )
