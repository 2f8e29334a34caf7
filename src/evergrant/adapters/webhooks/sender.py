"""The webhook pipe: one signed POST to a client instance.

Answers for: the signature (Standard Webhooks: ``webhook-id``, ``webhook-timestamp``,
``webhook-signature``), for not being led into the house's own network, and for telling whether a
refusal is for good. Does not answer for: what the event says, or when to try again.

The URL of a webhook is data that somebody typed. Therefore the name is resolved here, every
address is judged, and the connection goes to the very address that was judged, so that a name
which answers differently the second time (DNS rebinding) gains nothing. However an address is
written (decimal, octal, hexadecimal, inside an IPv6 one), it is judged as the system reads it.
Redirects are not followed, and no more of an answer is read than a person needs to recognise it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

import httpx2
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from evergrant.errors import NotDelivered
from evergrant.ports import WebhookPost
from evergrant.rules.receivers import IPAddress, IPNetwork, Receivers
from evergrant.rules.secrecy import Secret, scrub

__all__ = ["EXCERPT", "HttpWebhooks"]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

#: So many addresses of one name are tried until one takes the connection.
_MOST_ADDRESSES = 3
#: How much of a refusal is read and kept, in bytes: enough for a person to recognise it.
EXCERPT = 300


class HttpWebhooks:
    """``ports.Webhooks`` over HTTP(S).

    ``networks`` may be reached although they are internal, over plain http as well: for houses
    whose instances live beside Evergrant. ``allow_local`` lets every internal address pass, for
    development. ``transport`` and ``resolve`` are for tests.
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
        self._receivers = Receivers(networks, anywhere=allow_local)
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
        headers = _signature(post)
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = await self._judged_addresses(url, port)
        answer = await self._reached(url, addresses, headers, post.body)
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

    async def _reached(
        self, url: httpx2.URL, addresses: Sequence[IPAddress], headers: dict[str, str], body: bytes
    ) -> httpx2.Response:
        """The answer's head, of the first address that takes a connection: until then, nothing was
        sent."""
        for address in addresses[:-1]:
            with contextlib.suppress(httpx2.ConnectError):
                return await self._asked(url, address, headers, body)
        return await self._asked(url, addresses[-1], headers, body)

    async def _asked(
        self, url: httpx2.URL, address: IPAddress, headers: dict[str, str], body: bytes
    ) -> httpx2.Response:
        request = self._client.build_request(
            "POST",
            url.copy_with(host=str(address)),
            headers={
                "host": url.netloc.decode("ascii"),
                "content-type": "application/json",
                **headers,
            },
            content=body,
            extensions={"sni_hostname": url.host},
        )
        return await self._client.send(request, stream=True)

    async def _judged_addresses(self, url: httpx2.URL, port: int) -> Sequence[IPAddress]:
        """Of all that the name stands for, none may be out of bounds."""
        try:
            found = await self._resolve(url.host, port)
            addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
        except (OSError, ValueError):
            addresses = []
        if not addresses:
            raise NotDelivered("The name of the receiver does not resolve.", permanent=False)
        if url.scheme != "https" and not all(map(self._receivers.are_ours, addresses)):
            raise NotDelivered(
                "The webhook URL is not https. Plain http goes to EVERGRANT_WEBHOOK_NETWORKS only.",
                permanent=True,
            )
        if not all(self._receivers.may_take(address, port) for address in addresses):
            raise NotDelivered(
                "The receiver is an internal address, or its port is not one of the web; webhooks "
                "only go to public ones. EVERGRANT_WEBHOOK_NETWORKS names others that they may go "
                "to.",
                permanent=True,
            )
        return addresses[:_MOST_ADDRESSES]


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
    body = post.body.decode("utf-8")
    hooks = [_signer(post.signing_secret)]
    for former in post.also_signed_with:
        # One that was replaced because it is unusable must not keep its successor from signing.
        with contextlib.suppress(NotDelivered):
            hooks.append(_signer(former))
    return {
        "webhook-id": post.id,
        "webhook-timestamp": str(int(post.at.timestamp())),
        "webhook-signature": " ".join(hook.sign(post.id, post.at, body) for hook in hooks),
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
