"""What an API module of the emulator is made of: operations, calls, answers, refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from amazon_emulator import answering, issuing
from amazon_emulator.asking import Asking
from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.world import AccessToken, Application, Grant, Kind, Partner

__all__ = ["Call", "Denied", "Operation", "Said", "error_answer"]


LONGEST_NUMBER = 18  # digits; far beyond what any operation takes


class Denied(Exception):
    """An error answer in the shape of the models: `{"errors": [{code, message, details}]}`."""

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
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

    @classmethod
    def missing(cls, message: str, details: str = "") -> Denied:
        return cls(404, "NotFound", message, details)

    @classmethod
    def quota(cls) -> Denied:
        words = "You exceeded your quota for the requested resource."
        return cls(429, "QuotaExceeded", words)


_ERROR_TYPES = {
    400: "InvalidInputException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    409: "ConflictException",
    413: "RequestEntityTooLargeException",
    415: "UnsupportedMediaTypeException",
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
class Said:
    """An answer that is not simply 200 with JSON. ``payload`` None: no body."""

    status: int = 200
    payload: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One admitted call. ``data_elements``: what its restricted data token opens here."""

    stage: Stage
    region: Region
    now: datetime
    token: AccessToken
    asking: Asking
    data_elements: frozenset[str] = frozenset()

    @property
    def application(self) -> Application:
        return self.token.application

    @property
    def grant(self) -> Grant:
        """The authorization. There is none in grantless operations, which never ask for it."""
        if self.token.grant is None:
            raise Denied.access("")
        return self.token.grant

    @property
    def partner(self) -> Partner:
        return self.grant.partner

    @property
    def path(self) -> Mapping[str, str]:
        """The values of the template's parameters, percent-decoded."""
        return self.asking.path

    @property
    def body(self) -> bytes:
        return self.asking.body

    @property
    def headers(self) -> Mapping[str, str]:
        return self.asking.headers

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises Denied when it is none."""
        try:
            given = self.asking.json
        except ValueError:
            raise Denied.invalid("The request body is not valid JSON.") from None
        if not isinstance(given, dict):
            raise Denied.invalid("The request body must be a JSON object.")
        return given

    def query(self, name: str) -> str | None:
        return self.asking.first(name)

    def queries(self, name: str) -> list[str]:
        """All values of a list parameter, repeated or joined by commas."""
        return self.asking.values(name)

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        """Raises Denied when the parameter is not a whole number in the range."""
        text = self.query(name)
        if text is None:
            return default
        whole = text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
        if not whole or not lowest <= int(text) <= highest:
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
        """In UTC; Amazon reads instants without an offset as UTC. Raises Denied for anything that
        is no instant of the calendar."""
        text = self.query(name)
        if text is None:
            return None
        try:
            instant = datetime.fromisoformat(text)
            return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise Denied.invalid(f"Invalid date-time at '{name}': {text!r}") from None


def _never(call: Call) -> bool:
    return False


@dataclass(frozen=True)
class Operation:
    """One operation of a model, played with state.

    ``path``: the model's template. ``roles``: any of them is enough. ``scope``: of grantless
    operations, which have neither roles nor partner kinds; one that has all of them takes an
    access token of either kind (`Call.token.grant` is None for a grantless one). ``restricted``:
    whether a call needs a restricted data token; a call that has one is admitted by what the token
    names, in any case.
    ``answer`` gives a JSON value (200), None (200 without a body) or `Said`; it may raise Denied.
    """

    name: str
    method: str
    path: str
    roles: tuple[str, ...]
    partner_kinds: tuple[Kind, ...]
    answer: Callable[[Call], Any]
    scope: str | None = None
    restricted: Callable[[Call], bool] = _never
