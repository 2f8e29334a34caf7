"""A key ring in memory, with real seals."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from evergrant.errors import Misconfigured, SealBroken

__all__ = ["MemoryKeyring"]


class MemoryKeyring:
    """``ports.Keyring``. Give the same object to two vaults and they share the ring."""

    def __init__(self) -> None:
        self._keys: dict[str, AESGCM] = {}
        self._current = ""
        self.seals = 0
        self._add()

    def _add(self) -> str:
        while (key_id := f"k{secrets.token_hex(3)}") in self._keys:
            pass
        self._keys[key_id] = AESGCM(AESGCM.generate_key(bit_length=256))
        self._current = key_id
        return key_id

    async def seal(self, plaintext: bytes, context: str) -> tuple[str, bytes]:
        self.seals += 1
        nonce = os.urandom(12)
        sealed = self._keys[self._current].encrypt(nonce, plaintext, context.encode())
        return self._current, nonce + sealed

    async def open(self, key_id: str, ciphertext: bytes, context: str) -> bytes:
        key = self._keys.get(key_id)
        if key is None:
            raise Misconfigured("EVERGRANT_KEYRING", f"the ring holds no key {key_id}.")
        try:
            return key.decrypt(ciphertext[:12], ciphertext[12:], context.encode())
        except (InvalidTag, ValueError):
            raise SealBroken(facts={"key_id": key_id, "context": context}) from None

    async def current_key_id(self) -> str:
        return self._current

    async def key_ids(self) -> Sequence[str]:
        return tuple(self._keys)

    async def add_key(self) -> str:
        return self._add()

    def lose(self, key_id: str) -> None:
        """The ring no longer holds that key."""
        del self._keys[key_id]
