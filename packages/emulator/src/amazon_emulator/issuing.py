"""Makes identifiers and credentials, all with a mark of their own, and tells real-looking ones.

Answers for: nothing that the emulator issues can be mistaken for Amazon's, and nothing that looks
like Amazon's own is ever accepted. Shapes follow Amazon's samples (`amzn1.application-oa2-client.`,
`amzn1.oa2-cs.v1.`, `Atza|`, `Atzr|`, `amzn1.sp.solution.`); after each prefix stands the mark.
"""

from __future__ import annotations

import re
import secrets
import string
import uuid

__all__ = [
    "MARK",
    "SHORTEST_REAL",
    "access_token",
    "application_id",
    "client_id",
    "client_secret",
    "code",
    "looks_real",
    "merchant_token",
    "password",
    "refresh_token",
    "request_id",
    "vendor_code",
    "vendor_group",
]

MARK = "emulated"

CLIENT_ID = "amzn1.application-oa2-client."
CLIENT_SECRET = "amzn1.oa2-cs.v1."  # noqa: S105  # a prefix
ACCESS_TOKEN = "Atza|"  # noqa: S105
REFRESH_TOKEN = "Atzr|"  # noqa: S105
RESTRICTED = "Atz.sprdt|"

SHORTEST_REAL = 20  # an AWS key
_REAL = (
    re.compile(r"^amzn1\.application-oa2-client\.(?!emulated)[0-9a-f]{16,}$"),
    re.compile(r"^amzn1\.oa2-cs\.v1\.(?!emulated)[0-9a-f]{16,}$"),
    re.compile(r"^[0-9a-f]{64}$"),
    re.compile(r"^(Atza|Atzr|Atz\.sprdt)\|(?!emulated)[\w\-|.+/=]{40,}$"),
    re.compile(r"^(AKIA|ASIA)[A-Z0-9]{16}$"),
)


def looks_real(value: str) -> bool:
    """Whether a credential has the shape of Amazon's own and not the emulator's mark."""
    return len(value) >= SHORTEST_REAL and any(shape.match(value) for shape in _REAL)


def application_id() -> str:
    return f"amzn1.sp.solution.{uuid.uuid4()}"


def client_id() -> str:
    return f"{CLIENT_ID}{MARK}{secrets.token_hex(12)}"


def client_secret() -> str:
    return f"{CLIENT_SECRET}{MARK}{secrets.token_hex(28)}"


def access_token() -> str:
    """About as long as real ones (they may have 2048 bytes; a column of 255 is a bug)."""
    return f"{ACCESS_TOKEN}{MARK}-{secrets.token_urlsafe(240)}"


def refresh_token() -> str:
    return f"{REFRESH_TOKEN}{MARK}-{secrets.token_urlsafe(240)}"


def code() -> str:
    alphabet = string.ascii_letters + string.digits
    return f"EMU{''.join(secrets.choice(alphabet) for _ in range(17))}"


def request_id() -> str:
    return str(uuid.uuid4())


def password() -> str:
    return f"pass-{secrets.token_hex(6)}"


_BASE36 = string.digits + string.ascii_uppercase


def _base36(number: int, width: int) -> str:
    digits = ""
    while number or len(digits) < width:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits


def merchant_token(number: int) -> str:
    """A seller's id: `A1EMULATED` and four or more letters and digits."""
    return f"A1EMULATED{_base36(number, 4)}"


def vendor_group(number: int) -> str:
    """A vendor group's code."""
    return f"V1EMULATED{_base36(number, 4)}"


def vendor_code(number: int) -> str:
    """Five letters and digits, as buyers know a vendor."""
    return f"EM{_base36(number, 3)[-3:]}"
