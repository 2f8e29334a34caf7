"""The pipe to the Selling Partner API.

Answers for: headers that Amazon wants, bounds on time and size, and reading the three answers that
Evergrant itself needs. Does not answer for: trying again, access tokens, limits. Sources: Amazon's
sellers v1, vendor orders v1 and tokens 2021-03-01 models; developer guide, "connecting to the API".
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from evergrant.adapters.amazon.reading import (
    TooLate,
    client_with,
    fetch,
    parsed,
    retry_after_s,
    words,
)
from evergrant.errors import AmazonUnavailable, CallDenied, Throttled, UnreadableAnswer
from evergrant.ports import Clock
from evergrant.ports.amazon import (
    Answer,
    Call,
    Hears,
    ReportedParticipation,
    RestrictedAnswer,
    RestrictedResource,
)
from evergrant.rules.secrecy import Secret

__all__ = ["HttpSellingPartnerApi"]

WHO = "The Selling Partner API"
#: Bodies of SP-API itself stay far below; reports and feeds travel by other addresses.
MOST_BYTES = 32 * 1024 * 1024
#: How far back a vendor's purchase orders are looked for when all we want is an answer.
PROBE_SPAN = timedelta(days=7)
#: It travels in a header: no blanks, no line ends, nothing beyond ASCII.
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")


class HttpSellingPartnerApi:
    """``ports.amazon.SellingPartnerApi``. ``transport`` is for tests."""

    def __init__(
        self,
        *,
        user_agent: str,
        clock: Clock,
        timeout_s: float = 30.0,
        verify: ssl.SSLContext | bool = True,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._client = client_with(user_agent, timeout_s, verify, transport)

    async def close(self) -> None:
        await self._client.aclose()

    async def participations(
        self, endpoint: str, access_token: Secret, hears: Hears | None = None
    ) -> list[ReportedParticipation]:
        """``getMarketplaceParticipations``. Rows of marketplaces that nobody knows are kept; a row
        without a marketplace id is left out."""
        answer = await self.send(
            Call(endpoint=endpoint, method="GET", path="/sellers/v1/marketplaceParticipations"),
            access_token,
        )
        _tell(hears, answer)
        told = _understood(answer, access_token)
        rows = told.get("payload")
        if not isinstance(rows, list):
            raise UnreadableAnswer(f"{WHO} lists no marketplace participations.")
        found = [_participation(row) for row in rows]
        return [row for row in found if row is not None]

    async def probe_vendor(
        self, endpoint: str, access_token: Secret, now: datetime, hears: Hears | None = None
    ) -> None:
        """``getPurchaseOrdersStatus``, one row at most."""
        answer = await self.send(
            Call(
                endpoint=endpoint,
                method="GET",
                path="/vendor/orders/v1/purchaseOrdersStatus",
                query=(
                    ("limit", "1"),
                    ("createdAfter", _iso(now - PROBE_SPAN)),
                    ("createdBefore", _iso(now)),
                ),
            ),
            access_token,
        )
        _tell(hears, answer)
        _understood(answer, access_token)

    async def restricted_data_token(
        self,
        endpoint: str,
        access_token: Secret,
        resources: Sequence[RestrictedResource],
        hears: Hears | None = None,
    ) -> RestrictedAnswer:
        """``createRestrictedDataToken`` of the tokens 2021-03-01 model. Its answer is flat in the
        model, and lay in a ``payload`` in an older guide; both are read."""
        wanted = [
            {"method": one.method, "path": one.path}
            | ({"dataElements": list(one.data_elements)} if one.data_elements else {})
            for one in resources
        ]
        answer = await self.send(
            Call(
                endpoint=endpoint,
                method="POST",
                path="/tokens/2021-03-01/restrictedDataToken",
                body=json.dumps({"restrictedResources": wanted}).encode(),
            ),
            access_token,
        )
        _tell(hears, answer)
        told = _understood(answer, access_token)
        inner = told.get("payload", told)
        return _restricted_answer(inner if isinstance(inner, dict) else {}, access_token)

    async def send(self, call: Call, access_token: Secret) -> Answer:
        headers = {name.lower(): value for name, value in call.headers.items()}
        if call.body is not None:
            headers.setdefault("content-type", "application/json")
        headers["x-amz-date"] = self._clock.now().astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        headers["x-amz-access-token"] = access_token.reveal()
        try:
            request = self._client.build_request(
                call.method,
                call.endpoint + call.path,
                params=list(call.query) or None,
                headers=headers,
                content=call.body,
                extensions={} if call.begin_before is None else self._begun(call.begin_before),
            )
        finally:
            # Frames are kept by tracebacks, and this one stays open while Amazon thinks.
            headers.clear()
        return await fetch(
            self._client, request, who=WHO, timeout_s=self._timeout_s, most_bytes=MOST_BYTES
        )

    def _begun(self, until: datetime) -> dict[str, Any]:
        """Looks at the clock when the connection stands and the first byte is about to leave."""

        async def trace(event: str, facts: Mapping[str, Any]) -> None:
            if event.endswith(".send_request_headers.started") and self._clock.now() > until:
                raise TooLate

        return {"trace": trace}


def _tell(hears: Hears | None, answer: Answer) -> None:
    if hears is not None:
        hears(answer)


def _understood(answer: Answer, access_token: Secret) -> dict[str, object]:
    """A 200 as a JSON object; anything else as the error that it is."""
    if answer.status == 429:
        raise Throttled(f"{WHO} asks us to slow down.", retry_after_s=retry_after_s(answer))
    if answer.status >= 500:
        raise AmazonUnavailable(f"{WHO} answered {answer.status}.", facts={"status": answer.status})
    told = parsed(answer)
    if answer.status == 200:
        if not isinstance(told, dict):
            raise UnreadableAnswer(f"{WHO} answered 200, but not with a JSON object.")
        return told
    if answer.status < 400:
        raise UnreadableAnswer(f"{WHO} answered {answer.status}.")
    row = _first_error(told)
    raise CallDenied(
        answer.status,
        words(row.get("code"), access_token)[:80],
        words(row.get("message"), access_token),
        words(row.get("details"), access_token),
        words(answer.headers.get("x-amzn-requestid", ""), access_token)[:80],
    )


def _restricted_answer(told: dict[str, object], access_token: Secret) -> RestrictedAnswer:
    value, life_s = told.get("restrictedDataToken"), told.get("expiresIn")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise UnreadableAnswer(f"{WHO} answered 200, but without a restricted data token.")
    if Secret(value) == access_token:
        raise UnreadableAnswer(f"{WHO} answered 200, but gave our own access token back.")
    if isinstance(life_s, bool) or not isinstance(life_s, int) or life_s <= 0:
        raise UnreadableAnswer(f"{WHO} does not say how long its restricted data token lives.")
    return RestrictedAnswer(restricted_data_token=Secret(value), expires_in_s=min(life_s, 86_400))


def _first_error(told: object) -> dict[str, object]:
    """Errors come as ``{"errors": [...]}``, and from a few operations as the bare list."""
    rows = told.get("errors") if isinstance(told, dict) else told
    row = rows[0] if isinstance(rows, list) and rows else None
    return row if isinstance(row, dict) else {}


def _participation(row: object) -> ReportedParticipation | None:
    marketplace = row.get("marketplace") if isinstance(row, dict) else None
    participation = row.get("participation") if isinstance(row, dict) else None
    if not isinstance(row, dict) or not isinstance(marketplace, dict):
        return None
    marketplace_id = words(marketplace.get("id"))
    if not marketplace_id:
        return None
    takes_part = participation if isinstance(participation, dict) else {}
    return ReportedParticipation(
        marketplace_id=marketplace_id,
        country_code=words(marketplace.get("countryCode")),
        name=words(marketplace.get("name")),
        store_name=words(row.get("storeName")),
        domain_name=words(marketplace.get("domainName")),
        currency=words(marketplace.get("defaultCurrencyCode")),
        participating=takes_part.get("isParticipating") is True,
        suspended=takes_part.get("hasSuspendedListings") is True,
    )


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
