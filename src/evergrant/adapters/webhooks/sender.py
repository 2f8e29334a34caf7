"""The webhook pipe: one signed POST to a client instance.

Answers for: the signature (Standard Webhooks: ``webhook-id``, ``webhook-timestamp``,
``webhook-signature``), for not being led into the house's own network, and for telling whether a
refusal is for good. Does not answer for: what the event says, or when to try again.

The URL of a webhook is data that somebody typed. Therefore the name is resolved here, every
address is judged, and the connection goes to the very address that was judged, so that a name
which answers differently the second time (DNS rebinding) gains nothing. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

import httpx2
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from evergrant.errors import NotDelivered
from evergrant.ports import WebhookPost
from evergrant.rules.secrecy import Secret, scrub

__all__ = ["EXCERPT", "HttpWebhooks", "is_public"]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: How much of a refusal is read and kept, in bytes: enough for a person to recognise it.
EXCERPT = 300


class HttpWebhooks:
    """``ports.Webhooks`` over HTTP(S).

    ``allow_local`` lets loopback and private addresses, and plain http, pass: for development and
    for houses whose instances live beside Evergrant. ``transport`` and ``resolve`` are for tests.
    """

    def __init__(
        self,
        *,
        allow_local: bool = False,
        networks: Sequence[IPNetwork] = (),
        timeout_s: float = 10.0,
        user_agent: str = "Evergrant-Webhooks/1",
        verify: ssl.SSLContext | bool = True,
        transport: httpx2.AsyncBaseTransport | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._allow_local = allow_local
        self._networks = tuple(networks)
        self._timeout_s = timeout_s
        self._resolve = resolve or _resolve
        self._client = httpx2.AsyncClient(
            headers={"user-agent": user_agent, "accept-encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
            timeout=timeout_s,
            verify=verify,
            transport=transport,
            # Connections are pooled by address, but certificates belong to names: keep none.
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def deliver(self, post: WebhookPost) -> None:
        """Any 2xx is delivered. Raises errors.NotDelivered; 410 Gone, an address that is not
        allowed and a URL that is none are permanent."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._deliver(post)
        except TimeoutError:
            raise NotDelivered(
                f"No answer within {self._timeout_s:g} seconds.", permanent=False
            ) from None
        except httpx2.HTTPError as error:
            raise NotDelivered(
                f"The receiver was not reached: {scrub(str(error)) or type(error).__name__}"[
                    :EXCERPT
                ],
                permanent=False,
            ) from None

    async def _deliver(self, post: WebhookPost) -> None:
        url = _parse(post.url)
        if url.scheme != "https" and not self._allow_local:
            raise NotDelivered(
                "The webhook URL is not https. EVERGRANT_WEBHOOK_TARGETS=any allows that.",
                permanent=True,
            )
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await self._judged_address(url.host, port)
        request = self._client.build_request(
            "POST",
            url.copy_with(host=str(address)),
            headers={
                "host": url.netloc.decode("ascii"),
                "content-type": "application/json",
                **_signature(post),
            },
            content=post.body,
            extensions={"sni_hostname": url.host},
        )
        answer = await self._client.send(request, stream=True)
        try:
            if answer.is_success:
                return
            said = await _excerpt(answer)
        finally:
            await answer.aclose()
        words = f"The receiver answered {answer.status_code}"
        if answer.is_redirect:
            words += " (redirects are not followed)"
        raise NotDelivered(
            f"{words}: {said}" if said else f"{words}.",
            permanent=answer.status_code == httpx2.codes.GONE,
            facts={"status": answer.status_code},
        )

    async def _judged_address(self, host: str, port: int) -> IPAddress:
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise NotDelivered(
                "The name of the receiver does not resolve.", permanent=False
            ) from None
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
        if not addresses:
            raise NotDelivered("The name of the receiver does not resolve.", permanent=False)
        if not self._allow_local and not all(is_public(address) for address in addresses):
            raise NotDelivered(
                "The receiver is an internal address; webhooks only go to public ones. "
                "EVERGRANT_WEBHOOK_TARGETS=any allows internal ones.",
                permanent=True,
            )
        return addresses[0]


def is_public(address: IPAddress) -> bool:
    """Reachable by everybody, and no way round to somewhere that is not."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            return False
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _parse(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        raise NotDelivered("The webhook URL is no URL.", permanent=True) from None
    if url.scheme not in ("https", "http") or not url.host or url.userinfo:
        raise NotDelivered(
            "The webhook URL has to be http(s)://host/... without a user.", permanent=True
        )
    return url


def _signature(post: WebhookPost) -> dict[str, str]:
    hook = _signer(post.signing_secret)
    return {
        "webhook-id": post.id,
        "webhook-timestamp": str(int(post.at.timestamp())),
        "webhook-signature": hook.sign(post.id, post.at, post.body.decode("utf-8")),
    }


def _signer(secret: Secret) -> Webhook:
    try:
        return Webhook(secret.reveal())
    except (ValueError, EmptyWebhookSecretError):
        raise NotDelivered(
            "The signing secret of the instance is unusable.", permanent=True
        ) from None


async def _excerpt(answer: httpx2.Response) -> str:
    """The first bytes of a refusal. Never the whole: the receiver decides how long it is."""
    read = b""
    async for chunk in answer.aiter_raw(EXCERPT):
        read += chunk
        if len(read) >= EXCERPT:
            break
    return scrub(" ".join(read[:EXCERPT].decode("utf-8", "replace").split()))


async def _resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]
