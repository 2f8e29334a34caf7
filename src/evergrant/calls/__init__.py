"""THE GATE. One call to the Selling Partner API in the name of an account.

Answers for: the right access token at the right region's endpoint, never another; one fresh token
and one repetition when Amazon calls the token expired and the call only reads. Does not answer for:
limits (whoever calls too fast hears Amazon's 429), or for what the answer means: errors of Amazon
pass through as they came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from evergrant.errors import Flaw, InvalidInput
from evergrant.ports.amazon import Answer, Call, SellingPartnerApi
from evergrant.rules.amazon_errors import TOKEN_TROUBLE
from evergrant.rules.marketplaces import Marketplaces
from evergrant.rules.rights import Caller
from evergrant.tokens import Tokens

__all__ = ["METHODS", "Calls", "is_token_trouble"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
#: What may be asked twice without doing anything twice.
_READING = frozenset({"GET", "HEAD"})

#: Set by us or by the connection; a caller that sets them is mistaken, or up to something.
_OURS = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "host",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amz-access-token",
        "x-amz-date",
        "x-amz-security-token",
    }
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")
_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_DOTS = re.compile(r"(?i)(?:^|/)(?:\.|%2e){1,2}(?:/|$)")


class Calls:
    """``marketplaces`` knows the endpoint of each region."""

    def __init__(
        self,
        *,
        tokens: Tokens,
        selling_partner_api: SellingPartnerApi,
        marketplaces: Marketplaces,
    ) -> None:
        self._tokens = tokens
        self._selling_partner_api = selling_partner_api
        self._marketplaces = marketplaces

    async def send(
        self,
        account_id: str,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        by: Caller,
    ) -> Answer:
        """Whatever Amazon answers is the answer, errors included. ``path`` begins with a slash, is
        already encoded and has no query. Right ACCESS_TOKENS.

        Raises InvalidInput, all that `Tokens.mint` raises, and AmazonUnavailable when no answer
        came; then a call that changes something may have been carried out.
        """
        method = method.upper()
        _check(method, path, headers or {})
        token = await self._tokens.mint(account_id, by=by)
        call = Call(
            endpoint=self._marketplaces.endpoint(token.region),
            method=method,
            path=path,
            query=tuple(query),
            headers=dict(headers or {}),
            body=body,
        )
        answer = await self._selling_partner_api.send(call, token.value)
        if method in _READING and is_token_trouble(answer):
            token = await self._tokens.mint(account_id, by=by, instead_of=token.value)
            answer = await self._selling_partner_api.send(call, token.value)
        return answer


def is_token_trouble(answer: Answer) -> bool:
    """Whether Amazon refused the access token itself, and nothing else."""
    if answer.status not in (401, 403):
        return False
    try:
        told = json.loads(answer.body)
    except ValueError:
        return False
    errors = told.get("errors") if isinstance(told, dict) else None
    return any(
        str(error.get(part, "")).startswith(TOKEN_TROUBLE)
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, dict)
        for part in ("details", "message")
    )


def _check(method: str, path: str, headers: Mapping[str, str]) -> None:
    flaws = []
    if method not in METHODS:
        flaws.append(Flaw(f"is none of {', '.join(sorted(METHODS))}.", field="method"))
    if not _PATH.fullmatch(path) or _DOTS.search(path):
        flaws.append(
            Flaw(
                "is no path of the API.",
                field="path",
                hint="It begins with one slash, is encoded, and has no query and no dot segments: "
                "/sellers/v1/marketplaceParticipations",
            )
        )
    for name, value in headers.items():
        if name.lower() in _OURS:
            flaws.append(Flaw("is set by Evergrant.", field=f"headers.{name}"))
        elif not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            flaws.append(Flaw("is no header.", field="headers"))
    if flaws:
        raise InvalidInput(flaws=flaws)
