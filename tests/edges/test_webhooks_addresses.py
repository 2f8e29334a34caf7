"""Where webhooks must not go, however the address is written, and where they may."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as some

from evergrant.adapters.webhooks import HttpWebhooks
from evergrant.errors import NotDelivered
from evergrant.rules.receivers import is_public
from tests.edges.test_webhooks import post

PUBLIC = "93.184.216.34"


class Names:
    """A name server that answers as told, and differently the second time."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Wire(httpx2.AsyncBaseTransport):
    """Takes every connection and remembers where it went."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return httpx2.Response(204)


def outside(*answers: Sequence[str], **options: Any) -> tuple[HttpWebhooks, Wire]:
    wire = Wire()
    return HttpWebhooks(transport=wire, resolve=Names(*answers), **options), wire


async def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    """A name that changes its mind after the judgement (DNS rebinding) gains nothing."""
    webhooks, wire = outside([PUBLIC], ["127.0.0.1"])
    await webhooks.deliver(post("https://erp.example:8443/hook"))
    (request,) = wire.requests
    assert request.url.host == PUBLIC
    assert request.url.port == 8443
    assert request.headers["host"] == "erp.example:8443"
    assert request.extensions["sni_hostname"] == "erp.example"


INTERNAL = [
    "127.0.0.1",
    "10.0.0.5",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001::1",
]


@pytest.mark.parametrize("address", INTERNAL)
async def test_the_house_itself_is_no_receiver(address: str) -> None:
    webhooks, wire = outside([address])
    with pytest.raises(NotDelivered) as caught:
        await webhooks.deliver(post())
    assert caught.value.permanent
    assert wire.requests == []
    assert address not in caught.value.message, "what is inside is told to nobody"


async def test_one_internal_address_among_public_ones_is_enough() -> None:
    webhooks, wire = outside([PUBLIC, "10.0.0.5"])
    with pytest.raises(NotDelivered):
        await webhooks.deliver(post())
    assert wire.requests == []


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:220:1:248:1893:25c8:1946"])
def test_public_addresses(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(some.ip_addresses(v=4))
def test_a_wrapped_address_is_judged_by_what_is_inside(inner: ipaddress.IPv4Address) -> None:
    for wrapped in (f"::ffff:{inner}", f"64:ff9b::{inner}"):
        assert is_public(ipaddress.ip_address(wrapped)) == is_public(inner)


@pytest.mark.parametrize(
    "url",
    [
        "http://erp.example/hook",
        "http://erp.example:8080/hook",
        "https://erp.example:22/hook",
        "https://erp.example:25/hook",
        "https://erp.example:1023/hook",
    ],
)
async def test_urls_that_are_not_for_the_internet(url: str) -> None:
    webhooks, wire = outside([PUBLIC])
    with pytest.raises(NotDelivered) as caught:
        await webhooks.deliver(post(url))
    assert caught.value.permanent
    assert wire.requests == []


@pytest.mark.parametrize("answer", [OSError("no such name"), UnicodeError("bad label"), []])
async def test_a_name_that_does_not_resolve_may_do_so_later(answer: Any) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    wire = Wire()
    webhooks = HttpWebhooks(transport=wire, resolve=resolve)
    with pytest.raises(NotDelivered) as caught:
        await webhooks.deliver(post())
    assert not caught.value.permanent
    assert wire.requests == []


@pytest.mark.parametrize("port", [80, 443, 1024, 8443, 65535])
async def test_ports_of_the_web_and_free_ones_are_fine(port: int) -> None:
    webhooks, wire = outside([PUBLIC])
    await webhooks.deliver(post(f"https://erp.example:{port}/hook"))
    assert wire.requests[0].url.host == PUBLIC


@pytest.mark.parametrize(
    "host",
    [
        *("2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1.", "localhost"),
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[::127.0.0.1]"),
        *("[::ffff:0:127.0.0.1]", "[2002:7f00:1::]", "0", "017700000001", "[fe80::1%25lo]"),
        *("\u2460\u2461\u2466.0.0.1", "\uff11\uff12\uff17.0.0.1"),
    ],
)
async def test_however_an_address_is_written_it_leads_not_inside(host: str) -> None:
    """With the machine's own resolver, which reads all of these."""
    wire = Wire()
    webhooks = HttpWebhooks(transport=wire)
    for url in (f"https://{host}/hook", f"https://{host}:8443/hook"):
        with pytest.raises(NotDelivered):
            await webhooks.deliver(post(url))
    assert wire.requests == []


METADATA = [
    *("169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192"),
    *("fd00:ec2::254", "fd20:ce::254", "fe80::a9fe:a9fe", "::ffff:169.254.169.254"),
    *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"),
]


@pytest.mark.parametrize("address", METADATA)
async def test_a_clouds_metadata_is_reached_in_no_broad_way(address: str) -> None:
    """Neither by a network that it lies in, nor where everything internal may be reached."""
    broad = [ipaddress.ip_network(text) for text in ("0.0.0.0/0", "::/0", "169.254.0.0/16")]
    for options in ({"networks": broad}, {"allow_local": True}, {}):
        webhooks, wire = outside([address], **options)
        for url in ("http://erp.internal/hook", "https://erp.internal/hook"):
            with pytest.raises(NotDelivered) as caught:
                await webhooks.deliver(post(url))
            assert caught.value.permanent
        assert wire.requests == []


async def test_metadata_that_is_named_exactly_was_meant() -> None:
    named = [ipaddress.ip_network("169.254.169.254/32")]
    webhooks, wire = outside(["169.254.169.254"], networks=named)
    await webhooks.deliver(post("http://mock.internal/hook"))
    assert len(wire.requests) == 1
    webhooks, wire = outside(["::ffff:169.254.169.254"], networks=named)
    with pytest.raises(NotDelivered):
        await webhooks.deliver(post("http://mock.internal/hook"))


NETWORKS = [ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd00:20::/32")]


@pytest.mark.parametrize("address", ["10.20.0.1", "10.20.255.254", "fd00:20::7"])
@pytest.mark.parametrize("url", ["http://erp.internal/hook", "https://erp.internal:81/hook"])
async def test_an_allowed_network_is_reached_over_http_too(address: str, url: str) -> None:
    webhooks, wire = outside([address], networks=NETWORKS)
    await webhooks.deliver(post(url))
    assert wire.requests[0].url.host == address
    assert wire.requests[0].headers["host"].startswith("erp.internal")


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.21.0.1"],
        ["127.0.0.1"],
        ["fd00:21::1"],
        ["::ffff:10.20.0.1"],
        ["10.20.0.1", "10.21.0.1"],
        ["10.20.0.1", "127.0.0.1"],
    ],
)
async def test_what_lies_beside_an_allowed_network_is_not_reached(addresses: list[str]) -> None:
    webhooks, wire = outside(addresses, networks=NETWORKS)
    for url in ("http://erp.internal/hook", "https://erp.internal/hook"):
        with pytest.raises(NotDelivered) as caught:
            await webhooks.deliver(post(url))
        assert caught.value.permanent
    assert wire.requests == []


async def test_plain_http_goes_to_no_public_address_whatever_is_allowed() -> None:
    for addresses in ([PUBLIC], ["10.20.0.1", PUBLIC]):
        webhooks, wire = outside(addresses, networks=NETWORKS)
        with pytest.raises(NotDelivered, match="not https"):
            await webhooks.deliver(post("http://erp.example/hook"))
        assert wire.requests == []
    webhooks, wire = outside(["10.20.0.1", PUBLIC], networks=NETWORKS)
    await webhooks.deliver(post("https://erp.example/hook"))
    assert len(wire.requests) == 1


async def test_an_address_that_takes_no_connection_leaves_it_to_the_next() -> None:
    class Picky(Wire):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            answer = await super().handle_async_request(request)
            if len(self.requests) == 1:
                raise httpx2.ConnectError("network is unreachable")
            return answer

    wire = Picky()
    second = "93.184.216.35"
    webhooks = HttpWebhooks(transport=wire, resolve=Names([PUBLIC, second]))
    await webhooks.deliver(post())
    assert [one.url.host for one in wire.requests] == [PUBLIC, second]


async def test_what_was_sent_is_not_sent_to_the_next_address() -> None:
    class Breaks(Wire):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            await super().handle_async_request(request)
            raise httpx2.ReadError("the connection was reset")

    wire = Breaks()
    webhooks = HttpWebhooks(transport=wire, resolve=Names([PUBLIC, "93.184.216.35"]))
    with pytest.raises(NotDelivered):
        await webhooks.deliver(post())
    assert len(wire.requests) == 1


async def test_a_house_may_allow_receivers_beside_it() -> None:
    webhooks, wire = outside(["10.0.0.5"], allow_local=True)
    await webhooks.deliver(post("http://erp.internal/hook"))
    assert wire.requests[0].url.host == "10.0.0.5"
