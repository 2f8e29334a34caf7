"""Opaque marks of the next page: sealed, and bound to the query that made them.

Answers for: that nobody can make or change a mark, or use it in another account or operation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from amazon_emulator.apis.operations import Call, Denied

__all__ = ["Seal", "next_mark", "read_mark"]


@dataclass
class Seal:
    """The key of one world."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def tag(self, body: bytes) -> bytes:
        return hmac.new(self.key, body, hashlib.sha256).digest()


def next_mark(call: Call, operation: str, facts: dict[str, Any]) -> str:
    """A mark that gives ``facts`` back to the same account at the same operation."""
    bound = [operation, call.partner.selling_partner_id, call.region, facts]
    body = json.dumps(bound, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(call.stage.of(Seal).tag(body) + body).decode()


def read_mark(call: Call, operation: str, mark: str, *, name: str = "nextToken") -> dict[str, Any]:
    """What the mark holds. Raises Denied, which tells ``name``, for any other text."""
    try:
        whole = base64.b64decode(mark.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(name) from None
    tag, body = whole[:32], whole[32:]
    if not hmac.compare_digest(tag, call.stage.of(Seal).tag(body)):
        raise _wrong(name)
    made_for, partner_id, region, facts = json.loads(body)
    if (made_for, partner_id, region) != (
        operation,
        call.partner.selling_partner_id,
        call.region,
    ):
        raise _wrong(name)
    known: dict[str, Any] = facts
    return known


def _wrong(name: str) -> Denied:
    return Denied.invalid(f"The {name} is not valid.")
