"""A small identity provider on loopback: OpenID Connect as a house might run it, and its lies."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

__all__ = ["IdentityProvider", "query_of", "running"]


@dataclass
class IdentityProvider:
    """``told`` is laid over each ID token; ``header`` over its header."""

    client_id: str = "evergrant"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24) + "+ /")
    port: int = 0
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    signs_with: Any = None
    alg: str = "RS256"
    now: int = 0
    told: dict[str, Any] = field(default_factory=dict)
    leaves_out: tuple[str, ...] = ()
    described: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=lambda: {"sub": "ada-1"})
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    access_tokens: set[str] = field(default_factory=set)
    published: list[RSAKey] = field(default_factory=list)
    auth_seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.published = [self.key]

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/house"

    # --- what a browser does there ---

    def came_back(self, location: str, **claims: Any) -> str:
        """Somebody proved who they are on the page at ``location``."""
        asked = dict(parse_qsl(urlsplit(location).query))
        assert asked["response_type"] == "code"
        assert asked["client_id"] == self.client_id
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**asked, "claims": json.dumps({"sub": "ada-1", **claims})}
        return urlencode({"code": code, "state": asked["state"], "iss": self.issuer})

    # --- what Evergrant asks ---

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        self.asked.append(f"{method} {path}")
        if path in self.answers:
            return self.answers[path]
        if path == "/house/.well-known/openid-configuration":
            return 200, json.dumps(self._description()).encode()
        if path == "/house/keys":
            listed = KeySet(list(self.published)).as_dict(private=False)
            return 200, json.dumps(listed).encode()
        if path == "/house/token" and method == "POST":
            return self._exchange(headers, dict(parse_qsl(body.decode())))
        if path == "/house/userinfo":
            shown = headers.get("authorization", "").removeprefix("Bearer ")
            if shown in self.access_tokens:
                return 200, json.dumps(self.userinfo).encode()
            return 401, b"{}"
        return 404, b"no such page"

    def _description(self) -> dict[str, Any]:
        plain = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "id_token_signing_alg_values_supported": ["RS256", "PS256", "HS256", "none"],
        }
        return {k: v for k, v in {**plain, **self.described}.items() if v is not None}

    def _exchange(self, headers: dict[str, str], form: dict[str, str]) -> tuple[int, bytes]:
        if not self._is_client(headers, form):
            return 401, b'{"error": "invalid_client"}'
        asked = self.codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "")
        made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        if (
            asked is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != asked["redirect_uri"]
            or made.decode().rstrip("=") != asked["code_challenge"]
        ):
            return 400, b'{"error": "invalid_grant"}'
        access_token = secrets.token_urlsafe(16)
        self.access_tokens.add(access_token)
        digest = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": self.now,
            "exp": self.now + 300,
            "nonce": asked["nonce"],
            "at_hash": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            **json.loads(asked["claims"]),
            **self.told,
        }
        claims = {name: one for name, one in claims.items() if name not in self.leaves_out}
        answer = {"access_token": access_token, "token_type": "Bearer"}
        return 200, json.dumps({**answer, "id_token": self._signed(claims)}).encode()

    def _is_client(self, headers: dict[str, str], form: dict[str, str]) -> bool:
        shown = headers.get("authorization", "")
        if shown.startswith("Basic "):
            self.auth_seen.append("basic")
            given = base64.b64decode(shown[6:]).decode()
            return given == f"{self.client_id}:{self.client_secret}"
        self.auth_seen.append("post" if "client_secret" in form else "none")
        if form.get("client_id") != self.client_id:
            return False
        return form.get("client_secret", self.client_secret) == self.client_secret

    def _signed(self, claims: dict[str, Any]) -> str:
        key = self.signs_with or self.key
        header = {"alg": self.alg, "kid": getattr(key, "kid", None) or self.key.kid}
        if isinstance(key, bytes) or self.alg == "none":
            # By hand: a good library refuses to sign with what everybody knows.
            told = ".".join(_packed(json.dumps(one).encode()) for one in (header, claims))
            mac = hmac.digest(key, told.encode(), "sha256") if isinstance(key, bytes) else b""
            return f"{told}.{_packed(mac)}"
        return jwt.encode(header, claims, key, algorithms=[self.alg])

    # --- the socket ---

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            status, told = self.answer(method, urlsplit(target).path, headers, body)
            writer.write(
                f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
                f"content-length: {len(told)}\r\nconnection: close\r\n\r\n".encode()
                + told
            )
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def running(**wishes: Any) -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider(**wishes)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()
        await server.wait_closed()


def _packed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def query_of(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
