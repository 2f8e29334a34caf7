"""Passes: what programs hold at the gateway in place of a token of Amazon's.

Answers for: sealing all that a pass says into its text, so that no row has to be kept and any
process can read it; for opening nothing that was forged, cut, swapped, made for another purpose or
by another house, or is over; and for saying the same words to all of these. Does not answer for:
whether the keys that it names are still good (the gateway asks that each time), or for what an
account may be asked (the gate).

``egp_`` and, in base64url without padding: one byte with the length of the key's name, the name of
the key in the ring, nonce and ciphertext. When the ring gets a new key, old passes stay good.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime

from evergrant import vault as safe
from evergrant.errors import NotAuthenticated, SealBroken
from evergrant.ports import Clock
from evergrant.rules.secrecy import Secret
from evergrant.tokens.values import Pass

__all__ = ["LONGEST_LIFE_S", "OVER", "PREFIX", "Passes"]

PREFIX = "egp_"
#: As long as Amazon's access tokens live.
LONGEST_LIFE_S = 3600
#: Fifty resources with long paths fit; no server takes a longer header.
_LONGEST = 16_384
#: The fact ``pass`` of a refusal that another pass would mend.
OVER = "over"
_TEXT = re.compile(r"egp_[A-Za-z0-9_-]{40,}")

Resources = tuple[tuple[str, str, tuple[str, ...]], ...]


class Passes:
    """One per process. ``most`` bounds the memory (under 1 KiB each)."""

    def __init__(self, *, vault: safe.Vault, clock: Clock, most: int = 10_000) -> None:
        self._vault = vault
        self._clock = clock
        self._most = most
        self._remembered: OrderedDict[bytes, Pass] = OrderedDict()

    def __len__(self) -> int:
        return len(self._remembered)

    async def hand(
        self,
        account_id: str,
        *,
        api_key_id: str,
        connection_key_id: str,
        resources: Sequence[tuple[str, str, Sequence[str]]] | None,
        scope: str | None = None,
        life_s: int,
    ) -> tuple[Secret, Pass]:
        if not 0 < life_s <= LONGEST_LIFE_S:
            raise ValueError(f"a pass lives for 1 to {LONGEST_LIFE_S} seconds, not {life_s}")
        now = self._clock.now()
        handed = Pass(
            account_id=account_id,
            api_key_id=api_key_id,
            connection_key_id=connection_key_id,
            resources=None if resources is None else _resources(resources),
            scope=scope,
            expires_at=datetime.fromtimestamp(int(now.timestamp()) + life_s, UTC),
        )
        key_id, ciphertext = await self._vault.seal_loose(safe.gateway_pass(), _written(handed))
        name = key_id.encode()
        return Secret(PREFIX + _encoded(bytes([len(name)]) + name + ciphertext)), handed

    def at_hand(self, text: Secret | str) -> Pass | None:
        """A pass that was read before and is not over. For hot doors: no await, and None says
        nothing: `read` does."""
        shown = self._remembered.get(_mark(text))
        if shown is None or shown.expires_at <= self._clock.now():
            return None
        return shown

    async def read(self, text: Secret | str) -> Pass:
        known = self.at_hand(text)
        if known is not None:
            return known
        shown = await self._opened(text.reveal() if isinstance(text, Secret) else text)
        if shown.expires_at <= self._clock.now():
            raise _refused()
        self._remembered[_mark(text)] = shown
        while len(self._remembered) > self._most:
            self._remembered.popitem(last=False)
        return shown

    async def _opened(self, text: str) -> Pass:
        if len(text) > _LONGEST or not _TEXT.fullmatch(text):
            raise _refused()
        body = text[len(PREFIX) :]
        try:
            sealed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        except ValueError:
            raise _refused() from None
        if _encoded(sealed) != body:
            raise _refused()
        name, ciphertext = sealed[1 : 1 + sealed[0]], sealed[1 + sealed[0] :]
        try:
            content = await self._vault.open_loose(
                safe.gateway_pass(), name.decode("ascii"), ciphertext
            )
        except (SealBroken, UnicodeDecodeError):
            raise _refused() from None
        try:
            return _read(content)
        except ValueError:
            # Sealed by a version that put something else into it; there are others to be had.
            raise _refused() from None


def _refused() -> NotAuthenticated:
    return NotAuthenticated(
        "This pass is none of ours, or it is over.",
        hint="Get a fresh one from the gateway's token endpoint.",
        facts={"pass": OVER},
    )


def _mark(text: Secret | str) -> bytes:
    plain = text.reveal() if isinstance(text, Secret) else text
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


# --- what is inside -------------------------------------------------------------------------


def _resources(resources: Sequence[tuple[str, str, Sequence[str]]]) -> Resources:
    return tuple((method, path, tuple(elements)) for method, path, elements in resources)


def _written(handed: Pass) -> bytes:
    content = [
        handed.account_id,
        handed.api_key_id,
        handed.connection_key_id,
        int(handed.expires_at.timestamp()),
        handed.resources,
        handed.scope,
    ]
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode())


def _read(content: bytes) -> Pass:
    """What `_written` wrote. Raises ValueError when it was that of another version."""
    account_id, api_key_id, connection_key_id, expires_at_s, resources, scope = json.loads(
        zlib.decompress(content)
    )
    return Pass(
        account_id=account_id,
        api_key_id=api_key_id,
        connection_key_id=connection_key_id,
        resources=None if resources is None else _resources(resources),
        scope=scope,
        expires_at=datetime.fromtimestamp(expires_at_s, UTC),
    )
