"""From which address a browser comes, with proxies on the way.

Answers for: what of ``X-Forwarded-For`` is believed. Does not answer for: which proxies there are
(a setting), or for what an address is good for.

A proxy writes the address it heard from behind those that stand there already. So the list is read
from its end, as long as those who wrote it are known; anything before that may be made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

__all__ = ["browser_address"]

_MOST_HOPS = 20


def browser_address(
    peer: str, forwarded_for: Sequence[str], proxies: Sequence[IPv4Network | IPv6Network]
) -> str:
    """The browser's address as far as it is known. ``peer``: who is at the other end of the
    connection; ``forwarded_for``: the headers of that name, in their order.

    "" when it cannot be known: a proxy stands before us which nobody named, so that all browsers
    would look like one.
    """
    at = _read(peer)
    hops = [hop for header in forwarded_for for hop in header.split(",")][-_MOST_HOPS:]
    if at is None:
        return peer
    if not _is_named(at, proxies):
        # Somebody on the internet may write the header too; a neighbour who does is a proxy.
        return "" if hops and not at.is_global else peer
    for hop in reversed(hops):
        before = _read(hop)
        if before is None:
            return str(at)
        at = before
        if not _is_named(at, proxies):
            break
    return str(at)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: with a port, in brackets, mapped."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        known = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = known.ipv4_mapped if isinstance(known, IPv6Address) else None
    return mapped or known


def _is_named(
    address: IPv4Address | IPv6Address, proxies: Sequence[IPv4Network | IPv6Network]
) -> bool:
    return any(address.version == one.version and address in one for one in proxies)
