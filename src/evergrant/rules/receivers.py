"""Where a webhook may go, by the address that it would reach.

Answers for: judging addresses and ports, and URLs that no webhook could ever go to. Does not answer
for: names (the pipe resolves them), or for connecting to the very address that was judged (the pipe
does).

An IPv6 address may be a way of writing an IPv4 one, which some gateway translates; it is judged by
what is inside. Sources: RFC 4291 (mapped), RFC 3056 (6to4), RFC 6052 and RFC 8215 (NAT64), RFC 4380
(Teredo), RFC 6890 (what is not global). The metadata addresses are those of the clouds' own pages
on instance metadata, container credentials and virtual public addresses.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from evergrant.rules.faults import Fault
from evergrant.rules.urls import check_http_url

__all__ = ["IPAddress", "IPNetwork", "Receivers", "is_public"]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")

#: Who reaches one of these from inside a machine of a cloud is given that machine's credentials.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Google, Azure, DigitalOcean, Oracle, OpenStack
        "169.254.170.2",  # AWS: credentials of containers
        "169.254.170.23",  # AWS: identities of pods
        "168.63.129.16",  # Azure: the host's own agent, a public address by its looks
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS: identities of pods
        "fd20:ce::254",  # Google
        "fd00:42::42",  # Scaleway
        "fe80::a9fe:a9fe",  # OpenStack
    )
)
#: Of the ports that the system's own services have, those of the web.
_WEB_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024


class Receivers:
    """``anywhere``: internal addresses as well; ``networks``: those that may be reached although
    they are internal. An address of a cloud's metadata is reached in neither way, but only if a
    network names it and nothing besides."""

    def __init__(self, networks: Sequence[IPNetwork] = (), *, anywhere: bool = False) -> None:
        self._networks = tuple(networks)
        self._anywhere = anywhere

    def may_take(self, address: IPAddress, port: int) -> bool:
        """Whether a webhook may go there at all."""
        if self.are_ours(address):
            return True
        return is_public(address) and _is_of_the_web(port)

    def are_ours(self, address: IPAddress) -> bool:
        """Whether the operator allowed it although it need not be public: plain http and any port
        are fine then."""
        ways = [address, *_inside(address)]
        if any(one in _METADATA for one in ways):
            return any(
                network.num_addresses == 1 and address == network.network_address
                for network in self._networks
            )
        return self._anywhere or any(
            address.version == network.version and address in network for network in self._networks
        )

    def check_url(self, text: str, field: str) -> str:
        """A URL that a webhook may go to, as far as it shows without looking a name up. Raises
        Fault."""
        parts = urlsplit(check_http_url(text, field))
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = _address_of(parts.hostname or "")
        # A name may stand for an address of ours, if there can be any.
        may_be_ours = self._anywhere or bool(self._networks)
        if address is not None:
            may_be_ours = self.are_ours(address)
            if not may_be_ours and not is_public(address):
                raise Fault(
                    "internal_address",
                    f"{address} is an internal address, and no webhook may go there.",
                    field=field,
                    hint="EVERGRANT_WEBHOOK_NETWORKS names internal networks that they may go to.",
                )
        if parts.scheme != "https" and not may_be_ours:
            raise Fault(
                "not_https",
                "The URL must begin with https://.",
                field=field,
                hint="http is taken for internal networks alone, which EVERGRANT_WEBHOOK_NETWORKS "
                "names.",
            )
        if not _is_of_the_web(port) and not may_be_ours:
            raise Fault(
                "port_of_the_system",
                f"No webhook may go to port {port} of a public address.",
                field=field,
                hint="Ports 80 and 443 are fine, and those from 1024 on.",
            )
        return text


def is_public(address: IPAddress) -> bool:
    """Reachable by everybody, and no way round to somewhere that is not."""
    if address in _METADATA:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.teredo is not None or address in _NAT64_LOCAL or address.is_site_local:
            return False
        if inside := _inside(address):
            return all(is_public(one) for one in inside)
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _is_of_the_web(port: int) -> bool:
    return port in _WEB_PORTS or port >= _FIRST_FREE_PORT


def _address_of(host: str) -> IPAddress | None:
    """None: a name that has to be looked up."""
    if host == "localhost":
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _inside(address: IPAddress) -> list[ipaddress.IPv4Address]:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if not isinstance(address, ipaddress.IPv6Address):
        return []
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64 or address in _NAT64_LOCAL:
        return [last]
    return [one for one in (address.ipv4_mapped, address.sixtofour) if one is not None]
