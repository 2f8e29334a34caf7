"""The pipe to Login with Amazon: ``POST /auth/o2/token``, one request per verb.

Answers for: the form that LWA wants, and for telling apart whose fault a refusal is. Does not
answer for: trying again. Sources: Amazon's pages "connecting-to-the-selling-partner-api" and
"authorization-errors"; the error codes that the official Java SDK knows.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from urllib.parse import urlencode

import httpx2

from evergrant.adapters.amazon.reading import client_with, fetch, parsed, retry_after_s, words
from evergrant.errors import (
    AmazonUnavailable,
    ApplicationRefused,
    CodeRefused,
    EvergrantError,
    GrantRefused,
    Throttled,
    UnreadableAnswer,
)
from evergrant.ports.amazon import Answer, LwaClient, TokenAnswer
from evergrant.rules.secrecy import Secret

__all__ = ["HttpLWA"]

#: An answer of LWA has at most some 5 KB (two tokens of 2048 bytes).
MOST_BYTES = 1024 * 1024
#: Amazon promises at most 2048 bytes (developer guide); servers stop at some 8 KB of headers.
_LONGEST_TOKEN = 8192
#: A number of seconds has no more digits than that.
_MOST_DIGITS = 12
WHO = "Login with Amazon"

#: About the application, never about the account.
_APPLICATION = frozenset({"invalid_client", "unauthorized_client", "invalid_scope"})
_WEATHER = frozenset({"server_error", "temporarily_unavailable"})


class HttpLWA:
    """``ports.amazon.LWA``. ``transport`` is for tests."""

    def __init__(
        self,
        *,
        user_agent: str,
        timeout_s: float = 10.0,
        verify: ssl.SSLContext | bool = True,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._client = client_with(user_agent, timeout_s, verify, transport)

    async def close(self) -> None:
        await self._client.aclose()

    async def exchange_code(
        self, client: LwaClient, code: Secret, redirect_uri: str
    ) -> TokenAnswer:
        answer = await self._post(
            client,
            {"grant_type": "authorization_code", "redirect_uri": redirect_uri},
            {"code": code},
        )
        if (failure := _failure(answer, client.lwa_client_secret, code)) is not None:
            raise CodeRefused(failure.reason) if isinstance(failure, GrantRefused) else failure
        return _tokens(answer, client.lwa_client_secret, code, with_refresh_token=True)

    async def refresh(self, client: LwaClient, refresh_token: Secret) -> TokenAnswer:
        answer = await self._post(
            client, {"grant_type": "refresh_token"}, {"refresh_token": refresh_token}
        )
        if (failure := _failure(answer, client.lwa_client_secret, refresh_token)) is not None:
            raise failure
        return _tokens(answer, client.lwa_client_secret, refresh_token)

    async def grantless(self, client: LwaClient, scope: str) -> TokenAnswer:
        answer = await self._post(client, {"grant_type": "client_credentials", "scope": scope}, {})
        if (failure := _failure(answer, client.lwa_client_secret)) is not None:
            if isinstance(failure, GrantRefused):
                raise ApplicationRefused("invalid_grant", failure.reason)
            raise failure
        return _tokens(answer, client.lwa_client_secret)

    async def _post(
        self, client: LwaClient, fields: Mapping[str, str], secret_fields: Mapping[str, Secret]
    ) -> Answer:
        request = self._client.build_request(
            "POST",
            client.lwa_url,
            headers={"content-type": "application/x-www-form-urlencoded;charset=UTF-8"},
            content=_form(client, fields, secret_fields),
        )
        return await fetch(
            self._client, request, who=WHO, timeout_s=self._timeout_s, most_bytes=MOST_BYTES
        )


def _form(
    client: LwaClient, fields: Mapping[str, str], secret_fields: Mapping[str, Secret]
) -> bytes:
    """A frame of its own, gone before anything can fail: the secrets are bare in here."""
    return urlencode(
        {
            **fields,
            **{name: secret.reveal() for name, secret in secret_fields.items()},
            "client_id": client.lwa_client_id,
            "client_secret": client.lwa_client_secret.reveal(),
        }
    ).encode("ascii")


def _tokens(answer: Answer, *sent: Secret, with_refresh_token: bool = False) -> TokenAnswer:
    """``sent``: what LWA was told. It never comes back as an access token, which is for others."""
    told = parsed(answer)
    if not isinstance(told, dict):
        raise UnreadableAnswer(f"{WHO} answered 200, but not with a JSON object.")
    access_token = told.get("access_token")
    expires_in = told.get("expires_in")
    refresh_token = told.get("refresh_token")
    if not isinstance(access_token, str) or not _is_token(access_token):
        raise UnreadableAnswer(f"{WHO} answered 200, but without an access token.")
    if Secret(access_token) in sent or access_token == refresh_token:
        raise UnreadableAnswer(f"{WHO} answered 200, but its access token is something else.")
    if isinstance(expires_in, str) and expires_in.isdecimal() and len(expires_in) <= _MOST_DIGITS:
        expires_in = int(expires_in)
    if not isinstance(expires_in, int) or isinstance(expires_in, bool) or expires_in <= 0:
        raise UnreadableAnswer(f"{WHO} does not say how long its access token lives.")
    if not isinstance(refresh_token, str) or not _is_token(refresh_token):
        if with_refresh_token:
            raise UnreadableAnswer(f"{WHO} answered 200, but without a refresh token.")
        refresh_token = None
    return TokenAnswer(
        access_token=Secret(access_token),
        expires_in_s=min(expires_in, 86_400),
        refresh_token=None if refresh_token is None else Secret(refresh_token),
    )


def _failure(answer: Answer, *known: Secret) -> EvergrantError | None:
    """What a refusal means. The body decides where it can be read, the status where not."""
    status = answer.status
    if status == 200:
        return None
    if status == 429:
        return Throttled(f"{WHO} asks us to slow down.", retry_after_s=retry_after_s(answer))
    if status >= 500:
        return AmazonUnavailable(f"{WHO} answered {status}.", facts={"status": status})
    error, reason = _said(parsed(answer), known)
    request_id = words(answer.headers.get("x-amzn-requestid", ""))
    facts: dict[str, object] = {"status": status, "amazon_request_id": request_id}
    if error == "invalid_grant":
        return GrantRefused(reason, facts=facts)
    if error in _APPLICATION:
        return ApplicationRefused(error, reason, facts=facts)
    if error in _WEATHER:
        return AmazonUnavailable(f"{WHO} answered {error}.", facts=facts)
    what = f"{error}: {reason}" if error and reason else error or "nothing that we understand"
    return UnreadableAnswer(f"{WHO} answered {status} and said {what}.", facts=facts)


def _said(told: object, known: tuple[Secret, ...]) -> tuple[str, str]:
    """LWA's code and description. A dead client secret has also been seen in SP-API's shape, a
    list of errors whose details speak of the "LWA secret token"."""
    if not isinstance(told, dict):
        return "", ""
    error = told.get("error")
    if isinstance(error, str):
        return words(error, *known)[:80], words(told.get("error_description"), *known)
    errors = told.get("errors")
    for row in errors if isinstance(errors, list) else []:
        if isinstance(row, dict):
            reason = words(row.get("details"), *known) or words(row.get("message"), *known)
            if "lwa secret" in reason.lower():
                return "invalid_client", reason
            return words(row.get("code"), *known)[:80], reason
    return "", ""


def _is_token(text: str) -> bool:
    """Fit to travel in a header: RFC 6750's b64token is a part of this, Amazon's ``|`` is not."""
    fits = 0 < len(text) <= _LONGEST_TOKEN
    return fits and text.isascii() and text.isprintable() and " " not in text
