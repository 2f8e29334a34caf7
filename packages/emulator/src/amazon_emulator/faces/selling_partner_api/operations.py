"""What an API module of the emulator is made of: operations, calls, refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from amazon_emulator import answering, issuing
from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.world import Grant, Kind, Partner

__all__ = ["Call", "Denied", "Operation", "error_answer"]


class Denied(Exception):
    """An error answer in the shape of the models: `{"errors": [{code, message, details}]}`."""

    def __init__(self, status: int, code: str, message: str, details: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    @classmethod
    def access(cls, details: str) -> Denied:
        return cls(403, "Unauthorized", "Access to requested resource is denied.", details)

    @classmethod
    def invalid(cls, message: str, details: str = "") -> Denied:
        return cls(400, "InvalidInput", message, details)


_ERROR_TYPES = {
    400: "InvalidInputException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    413: "RequestEntityTooLargeException",
    429: "QuotaExceededException",
    500: "InternalServerErrorException",
    503: "ServiceUnavailableException",
}


def error_answer(denied: Denied, headers: Mapping[str, str] | None = None) -> Response:
    error = {"code": denied.code, "message": denied.message, "details": denied.details}
    own = {"x-amzn-errortype": _ERROR_TYPES.get(denied.status, "UnknownError")}
    given = {"x-amzn-requestid": issuing.request_id(), **(headers or {})}
    return answering.as_json({"errors": [error]}, denied.status, {**given, **own})


@dataclass(frozen=True)
class Call:
    """One admitted call."""

    stage: Stage
    region: Region
    partner: Partner
    grant: Grant
    request: Request
    body: bytes

    def query(self, name: str) -> str | None:
        return self.request.query_params.get(name)

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        """Raises Denied when the parameter is not a whole number in the range."""
        text = self.query(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or not lowest <= int(text[:20]) <= highest:
            raise Denied.invalid(
                f"Value {text!r} at '{name}' failed to satisfy constraint: Member must be a whole "
                f"number from {lowest} to {highest}"
            )
        return int(text)

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        text = self.query(name)
        if text is not None and text not in choices:
            raise Denied.invalid(
                f"Value {text!r} at '{name}' failed to satisfy constraint: Member must satisfy "
                f"enum value set: [{', '.join(choices)}]"
            )
        return text

    def instant(self, name: str) -> datetime | None:
        """Amazon reads instants without an offset as UTC."""
        text = self.query(name)
        if text is None:
            return None
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise Denied.invalid(f"Invalid date-time at '{name}': {text!r}") from None
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Operation:
    """One operation of a model. ``roles``: any of them is enough. ``rate``: per second, as Amazon
    writes it in its header."""

    name: str
    method: str
    path: str
    roles: tuple[str, ...]
    partner_kinds: tuple[Kind, ...]
    rate: str
    answer: Callable[[Call], Any]
