"""What routes ask for: the desk, the caller, a page, an id; and which problems they may answer.

Answers for: the names and shapes that many routes share. Does not answer for: proving who asks
(the porter did that already).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Query, Request

from evergrant.desk import Desk
from evergrant.entrances import problems
from evergrant.rules.rights import Caller
from evergrant.settings import Settings

__all__ = [
    "AccountId",
    "ApiKeyId",
    "ApplicationId",
    "AsCaller",
    "AtDesk",
    "ConnectionKeyId",
    "InstanceId",
    "Paging",
    "WithSettings",
    "answers",
]

#: The longest page. The diary gives no more lines than this at once.
LONGEST_PAGE: Final = 500

_ID = "[0-9a-z]{26}$"


# The framework sends to another thread whatever is not async: twice to and fro for each request.
async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


AtDesk = Annotated[Desk, Depends(_desk)]
AsCaller = Annotated[Caller, Depends(_caller)]
WithSettings = Annotated[Settings, Depends(_settings)]

ApplicationId = Annotated[str, Path(pattern=f"^app_{_ID}", description="`app_…`")]
InstanceId = Annotated[str, Path(pattern=f"^ins_{_ID}", description="`ins_…`")]
AccountId = Annotated[str, Path(pattern=f"^acc_{_ID}", description="`acc_…`")]
ApiKeyId = Annotated[str, Path(pattern=f"^key_{_ID}", description="`key_…`")]
ConnectionKeyId = Annotated[str, Path(pattern=f"^con_{_ID}", description="`con_…`")]


@dataclass(frozen=True, slots=True)
class PageWished:
    """Which part of a list. Rooms are asked for one more than ``limit``, to know of a next page."""

    after: str | None
    limit: int

    @property
    def asked(self) -> int:
        return self.limit + 1


async def _paging(
    after: Annotated[
        str | None,
        Query(
            pattern="^[A-Za-z0-9_-]{1,64}$",
            description="`next` of the page before; leave it away for the first page",
        ),
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=LONGEST_PAGE, description="How many items a page has at most")
    ] = 100,
) -> PageWished:
    return PageWished(after, limit)


Paging = Annotated[PageWished, Depends(_paging)]

_WORDS: Final[Mapping[int, str]] = {
    400: "The body is not JSON",
    401: "No API key, or none that is known",
    403: "The key lacks the right",
    404: "Not there, or out of this key's reach",
    409: "Contradicts what is stored, or the selling partner has to act first",
    413: "The body is larger than this door takes",
    415: "The body is not sent as JSON",
    422: "The input is not valid; nothing was changed. `flaws` lists all that is wrong",
    429: "Amazon's limit is spent for the moment; try again after `Retry-After` seconds",
    502: "Amazon refuses the application's credentials, or the call",
    503: "Amazon or the database does not answer; try again after `Retry-After` seconds",
}
_ALWAYS = (401, 403, 422, 503)
_WITH_BODY = (400, 413, 415)


def answers(*statuses: int, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """The problems that an operation may answer, for its description."""
    wanted = {*_ALWAYS, *statuses, *(_WITH_BODY if body else ())}
    return {
        status: {
            "description": _WORDS[status],
            "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted(wanted)
    }
