"""The pipe to the house's identity provider: OpenID Connect, authorization code with PKCE.

Answers for: the provider's own description and keys, the address that the browser is sent to, the
exchange of the code, and for believing an ID token only when its signature, issuer, audience, end
and nonce are right. Does not answer for: who is let in (the lodge). Sources: OpenID Connect Core
1.0 (3.1.2, 3.1.3.7), OpenID Connect Discovery 1.0, RFC 7636 (S256), RFC 9207 (``iss`` in the
answer).

Authlib builds what is sent and judges the claims, joserfc opens what is signed, our client carries
it. What was asked for is not chained to what is raised here: it knows codes and secrets.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2
from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from authlib.oidc.discovery import get_well_known_url  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from evergrant.errors import Misconfigured, ProviderUnavailable, SingleSignOnRefused
from evergrant.ports import Clock
from evergrant.ports.single_sign_on import Person, SignOnWay
from evergrant.rules.faults import Fault
from evergrant.rules.secrecy import Secret, scrub
from evergrant.rules.urls import check_https_url

__all__ = ["ALGORITHMS", "HttpSingleSignOn"]

#: Signed with a key that the provider alone has. Never with a shared one, never not at all.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
SCOPE = "openid email profile"
MOST_BYTES = 1024 * 1024
#: So long, in seconds, the provider's description and keys are believed.
KNOWN_FOR_S = 3600.0
#: A key that nobody knows is looked for anew, but not more often than that.
LOOK_AGAIN_S = 30.0
#: Clocks of two houses differ.
LEEWAY_S = 60
_MOST_WORDS = 200


@dataclass(frozen=True, slots=True)
class _Provider:
    """How it describes itself."""

    authorize: str
    exchange: str
    keys: str
    person: str
    auth_methods: tuple[str, ...]
    algorithms: tuple[str, ...]


@dataclass(slots=True)
class _Remembered:
    provider: _Provider | None = None
    keys: KeySet | None = None
    provider_at: float = float("-inf")
    keys_at: float = float("-inf")
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class HttpSingleSignOn:
    """``ports.single_sign_on.SingleSignOn``. ``trusts_email``: the provider gives out addresses
    itself and does not say that it verified them. ``transport`` and ``ticking`` are for tests."""

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: Secret | None,
        redirect_uri: str,
        clock: Clock,
        user_agent: str,
        trusts_email: bool = False,
        timeout_s: float = 10.0,
        verify: ssl.SSLContext | bool = True,
        transport: httpx2.AsyncBaseTransport | None = None,
        ticking: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._trusts_email = trusts_email
        self._timeout_s = timeout_s
        self._ticking = ticking
        self._known = _Remembered()
        self._client = httpx2.AsyncClient(
            headers={"user-agent": user_agent, "accept": "application/json"},
            follow_redirects=False,
            trust_env=False,
            timeout=timeout_s,
            verify=verify,
            transport=transport,
        )

    async def close(self) -> None:
        await self._client.aclose()

    # --- the port ---

    async def location(self, way: SignOnWay) -> str:
        provider = await self._provider()
        location: str = prepare_grant_uri(
            provider.authorize,
            self._client_id,
            "code",
            redirect_uri=self._redirect_uri,
            scope=SCOPE,
            state=way.state.reveal(),
            nonce=way.nonce.reveal(),
            code_challenge=create_s256_code_challenge(way.verifier.reveal()),
            code_challenge_method="S256",
        )
        return location

    async def person(self, query: str, way: SignOnWay) -> Person:
        code = self._code_in(query, way)
        provider = await self._provider()
        tokens = await self._exchange(provider, code, way)
        claims = await self._claims(provider, tokens, way)
        if not claims.get("email") and provider.person:
            claims = {**await self._told_of(provider, tokens, claims), **claims}
        return Person(
            issuer=self._issuer,
            subject=str(claims["sub"]),
            email=_text(claims.get("email")),
            email_verified=self._is_verified(claims.get("email_verified")),
            name=_text(claims.get("name")),
        )

    def _is_verified(self, told: object) -> bool:
        if told is None:
            return self._trusts_email
        return told is True or told == "true"

    # --- there and back ---

    def _code_in(self, query: str, way: SignOnWay) -> Secret:
        """Raises SingleSignOnRefused."""
        came: dict[str, str] = {}
        for name, value in parse_qsl(query[:10_000], keep_blank_values=True, errors="replace"):
            if name in came:
                raise SingleSignOnRefused("twice")
            came[name] = value
        if Secret(came.get("state", "")) != way.state:
            raise SingleSignOnRefused(
                "state",
                "This answer of the identity provider belongs to another attempt.",
                hint="Begin once more, in one window.",
            )
        if came.get("iss", self._issuer) != self._issuer:
            raise SingleSignOnRefused("issuer")
        if "error" in came:
            told = _words(came.get("error_description") or came["error"])
            raise SingleSignOnRefused("provider", f"The identity provider said: {told}")
        if not came.get("code"):
            raise SingleSignOnRefused("code")
        return Secret(came["code"])

    async def _exchange(
        self, provider: _Provider, code: Secret, way: SignOnWay
    ) -> Mapping[str, Any]:
        status, told = await self._asked(self._exchange_request(provider, code, way))
        if status == 200 and isinstance(told, dict) and isinstance(told.get("id_token"), str):
            return told
        error = _text(told.get("error")) if isinstance(told, dict) else ""
        if error in ("invalid_client", "unauthorized_client"):
            raise Misconfigured(
                "EVERGRANT_OIDC_CLIENT_SECRET",
                f"the identity provider refuses us: {_words(error)}.",
                hint="Compare client id, client secret and redirect URI with what it has.",
            )
        if error == "invalid_grant":
            raise SingleSignOnRefused(
                "code", "The identity provider takes this code no more.", hint="Begin once more."
            )
        raise ProviderUnavailable(
            f"The identity provider answered the exchange with {status} {_words(error)}.".strip()
        )

    def _exchange_request(
        self, provider: _Provider, code: Secret, way: SignOnWay
    ) -> httpx2.Request:
        """A frame of its own, gone before anything can fail: the secrets are bare in here."""
        method = "none"
        if self._client_secret is not None:
            asked_for = provider.auth_methods
            in_body = "client_secret_basic" not in asked_for and "client_secret_post" in asked_for
            method = "client_secret_post" if in_body else "client_secret_basic"
        body = prepare_token_request(
            "authorization_code",
            redirect_uri=self._redirect_uri,
            code=code.reveal(),
            code_verifier=way.verifier.reveal(),
        )
        auth = ClientAuth(
            self._client_id,
            self._client_secret.reveal() if self._client_secret else "",
            method,
        )
        headers = {"content-type": "application/x-www-form-urlencoded"}
        url, headers, body = auth.prepare("POST", provider.exchange, headers, body)
        if method == "none" and "client_id=" not in body:
            body += "&" + urlencode({"client_id": self._client_id})
        headers = {name: value for name, value in headers.items() if name != "Content-Length"}
        return self._client.build_request("POST", url, headers=headers, content=body.encode())

    # --- believing ---

    async def _claims(
        self, provider: _Provider, tokens: Mapping[str, Any], way: SignOnWay
    ) -> Mapping[str, Any]:
        """Raises SingleSignOnRefused."""
        claims = await self._opened(provider, tokens["id_token"])
        if claims is None:
            raise SingleSignOnRefused("signature", _NOT_BELIEVED)
        problem = ""
        try:
            CodeIDToken(
                dict(claims.claims),
                dict(claims.header),
                {
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._client_id},
                    "sub": {"essential": True},
                },
                {
                    "nonce": way.nonce.reveal(),
                    "client_id": self._client_id,
                    "access_token": tokens.get("access_token"),
                },
            ).validate(now=int(self._clock.now().timestamp()), leeway=LEEWAY_S)
        except JoseError as error:
            problem = _text(getattr(error, "claim", "")) or error.error
        except (ValueError, TypeError, KeyError):
            problem = "shape"
        if problem or not isinstance(claims.claims.get("sub"), str):
            raise SingleSignOnRefused(_words(problem) or "sub", _NOT_BELIEVED)
        return claims.claims

    async def _opened(self, provider: _Provider, id_token: str) -> jwt.Token | None:
        """None: signed by nobody whom we know, or in no way that we take."""
        algorithms = [one for one in ALGORITHMS if one in provider.algorithms]
        for anew in (False, True):
            keys = await self._keys(provider, anew=anew)
            try:
                return jwt.decode(id_token, keys, algorithms=algorithms)
            except (JoseError, ValueError, TypeError, KeyError):
                continue  # the provider may have changed its keys since
        return None

    async def _told_of(
        self, provider: _Provider, tokens: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What the provider tells of the person beyond the ID token; of that person and nobody
        else (OpenID Connect Core 5.3.2)."""
        access_token = tokens.get("access_token")
        if not isinstance(access_token, str) or not access_token.isprintable():
            return {}
        request = self._client.build_request(
            "GET", provider.person, headers={"authorization": f"Bearer {access_token}"}
        )
        status, told = await self._asked(request)
        if status != 200 or not isinstance(told, dict):
            return {}
        if told.get("sub") != claims["sub"]:
            raise SingleSignOnRefused("sub", _NOT_BELIEVED)
        return told

    # --- what the provider says of itself ---

    async def _provider(self) -> _Provider:
        known = self._known
        async with known.turn:
            fresh = self._ticking() - known.provider_at < KNOWN_FOR_S
            if known.provider is not None and fresh:
                return known.provider
            url = get_well_known_url(self._issuer, external=True)
            status, told = await self._asked(self._client.build_request("GET", url))
            known.provider = self._described(status, told)
            known.provider_at = self._ticking()
            return known.provider

    def _described(self, status: int, told: object) -> _Provider:
        if status != 200 or not isinstance(told, dict):
            raise ProviderUnavailable(
                f"The identity provider does not describe itself (it answered {status}).",
                hint="Is EVERGRANT_OIDC_ISSUER right? "
                "`/.well-known/openid-configuration` is read below it.",
            )
        if told.get("issuer") != self._issuer:
            raise Misconfigured(
                "EVERGRANT_OIDC_ISSUER",
                f"the provider there calls itself {_words(told.get('issuer'))!r}.",
                hint="Write it letter by letter as the provider does.",
            )
        return _Provider(
            authorize=self._endpoint(told, "authorization_endpoint"),
            exchange=self._endpoint(told, "token_endpoint"),
            keys=self._endpoint(told, "jwks_uri"),
            person=self._endpoint(told, "userinfo_endpoint", optional=True),
            auth_methods=_texts(told.get("token_endpoint_auth_methods_supported")),
            algorithms=_texts(told.get("id_token_signing_alg_values_supported")) or ("RS256",),
        )

    def _endpoint(self, told: Mapping[str, Any], name: str, *, optional: bool = False) -> str:
        url = _text(told.get(name))
        if not url and optional:
            return ""
        try:
            return check_https_url(url, name, allow_http_loopback=True)
        except Fault as fault:
            problem = fault.message
        raise ProviderUnavailable(f"The identity provider's {name} is of no use: {problem}")

    async def _keys(self, provider: _Provider, *, anew: bool) -> KeySet:
        known = self._known
        async with known.turn:
            age_s = self._ticking() - known.keys_at
            if known.keys is not None and age_s < (LOOK_AGAIN_S if anew else KNOWN_FOR_S):
                return known.keys
            status, told = await self._asked(self._client.build_request("GET", provider.keys))
            keys = _key_set(told) if status == 200 else None
            if keys is None:
                raise ProviderUnavailable("The identity provider's keys cannot be read.")
            known.keys, known.keys_at = keys, self._ticking()
            return keys

    # --- the wire ---

    async def _asked(self, request: httpx2.Request) -> tuple[int, object]:
        """Status and JSON (None when it is none). Raises ProviderUnavailable."""
        try:
            async with asyncio.timeout(self._timeout_s):
                status, body = await self._read(request)
        except (TimeoutError, httpx2.TimeoutException):
            problem = f"did not answer within {self._timeout_s:g} seconds."
        except httpx2.HTTPError as error:
            problem = f"was not reached ({type(error).__name__})."
        else:
            if body is not None:
                return status, _json(body)
            problem = f"answered with more than {MOST_BYTES} bytes."
        raise ProviderUnavailable(f"The identity provider {problem}")

    async def _read(self, request: httpx2.Request) -> tuple[int, bytes | None]:
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    return response.status_code, None
        finally:
            await response.aclose()
        return response.status_code, bytes(body)


_NOT_BELIEVED = "What the identity provider signed cannot be believed."


def _json(body: bytes) -> object:
    try:
        told: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told


def _key_set(told: object) -> KeySet | None:
    """Keys of kinds that nobody knows are left out: a provider may have newer ones too."""
    listed = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        return None
    keys = []
    for one in listed:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") == "oct":
            continue
        try:
            keys += KeySet.import_key_set({"keys": [one]}).keys
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return KeySet(keys) if keys else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _words(value: object) -> str:
    """What somebody else said, fit to be shown."""
    shown = "".join(one for one in _text(value) if one.isprintable())
    return scrub(shown.strip()[:_MOST_WORDS])
