"""The keys themselves: parsed, printed, and used.

Answers for: the form ``id:base64`` (separated by commas or lines; the first one is current;
``#`` begins a comment line) and for AES-256-GCM with a random nonce of 96 bits before the
ciphertext. Does not answer for: where the text comes from.

One key is good for 2**32 seals (NIST SP 800-38D, random nonces), far more than a house makes.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from evergrant.errors import Misconfigured, SealBroken

__all__ = ["SETTING", "Ring"]

SETTING = "EVERGRANT_KEYRING"

_KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_HINT = (
    "A key ring is 'id:base64' entries, the current key first, each key 32 bytes. "
    "Make a key with: openssl rand -base64 32"
)


class Ring:
    """Frozen. Prints its key ids, never its keys."""

    __slots__ = ("_ciphers", "_keys")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}

    def __repr__(self) -> str:
        return f"Ring({', '.join(self._keys)})"

    @classmethod
    def fresh(cls) -> Ring:
        return cls({_new_id(()): secrets.token_bytes(_KEY_BYTES)})

    @classmethod
    def parse(cls, text: str, where: str) -> Ring:
        """``where`` names the source in errors. Raises Misconfigured; it never quotes a key."""
        keys: dict[str, bytes] = {}
        entries = [
            entry.strip()
            for line in text.splitlines()
            if not line.lstrip().startswith("#")
            for entry in line.split(",")
            if entry.strip()
        ]
        for number, entry in enumerate(entries, 1):
            key_id, colon, encoded = entry.partition(":")
            if not colon or not _KEY_ID.fullmatch(key_id):
                raise _refused(where, f"entry {number} is not of the form 'id:base64'.")
            if key_id in keys:
                raise _refused(where, f"key {key_id} stands there twice.")
            keys[key_id] = _decoded(encoded, key_id, where)
        if not keys:
            raise _refused(where, "there is no key.")
        return cls(keys)

    def text(self) -> str:
        """One entry per line, the current key first. Secret."""
        return "".join(
            f"{key_id}:{base64.b64encode(key).decode()}\n" for key_id, key in self._keys.items()
        )

    def with_new_key(self) -> Ring:
        key_id = _new_id(self._keys)
        return Ring({key_id: secrets.token_bytes(_KEY_BYTES), **self._keys})

    @property
    def current(self) -> str:
        return next(iter(self._keys))

    @property
    def key_ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._keys

    def seal(self, plaintext: bytes, context: str) -> tuple[str, bytes]:
        nonce = os.urandom(_NONCE_BYTES)
        current = self.current
        return current, nonce + self._ciphers[current].encrypt(nonce, plaintext, context.encode())

    def open(self, key_id: str, ciphertext: bytes, context: str) -> bytes:
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Misconfigured(
                SETTING,
                f"the ring holds no key {key_id}, and something is sealed with it.",
                hint="Put the old key back behind the current one, and reseal before it leaves.",
            )
        nonce, sealed = ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, sealed, context.encode())
        except (InvalidTag, ValueError):
            raise SealBroken(facts={"key_id": key_id, "name": context}) from None


def _decoded(encoded: str, key_id: str, where: str) -> bytes:
    standard = encoded.strip().translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _refused(where, f"key {key_id} is not base64.") from None
    if len(key) != _KEY_BYTES:
        raise _refused(where, f"key {key_id} has {len(key)} bytes, not {_KEY_BYTES}.")
    return key


def _new_id(taken: Mapping[str, bytes] | tuple[()]) -> str:
    while (key_id := f"k{secrets.token_hex(4)}") in taken:
        pass
    return key_id


def _refused(where: str, why: str) -> Misconfigured:
    return Misconfigured(SETTING, f"{where}: {why}", hint=_HINT)
