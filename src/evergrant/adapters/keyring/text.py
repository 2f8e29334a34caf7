"""A key ring given as text, by a setting. It does not change while the process lives.

Answers for: the setting's ring as ``ports.Keyring``. Does not answer for: the form of the text, or
for sealing (``ring``).
"""

from __future__ import annotations

from collections.abc import Sequence

from evergrant.adapters.keyring.ring import SETTING, Ring
from evergrant.errors import Misconfigured
from evergrant.rules.secrecy import Secret

__all__ = ["TextKeyring"]


class TextKeyring:
    """``ports.Keyring`` over ``id:base64,id:base64``; the first key is current.

    Raises Misconfigured when the text is no key ring.
    """

    def __init__(self, text: Secret) -> None:
        self._ring = Ring.parse(text.reveal(), "the setting")

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
            SETTING,
            "the key ring is a setting, so a key cannot be added from here.",
            hint="Put a new 'id:base64' first in the setting, restart every process, then reseal.",
        )
