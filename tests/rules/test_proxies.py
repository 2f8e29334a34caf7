from __future__ import annotations

from ipaddress import ip_network

import pytest

from evergrant.rules.proxies import browser_address

OURS = (ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        # Straight from the internet; what such a one writes is not believed.
        ("8.8.8.8", [], "8.8.8.8"),
        ("8.8.8.8", ["1.1.1.1"], "8.8.8.8"),
        # By our proxies, one or several.
        ("10.1.1.1", ["1.1.1.1"], "1.1.1.1"),
        ("10.1.1.1", ["1.1.1.1, 10.2.2.2"], "1.1.1.1"),
        ("10.1.1.1", ["1.1.1.1", "10.2.2.2"], "1.1.1.1"),
        ("127.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("::ffff:10.1.1.1", ["1.1.1.1"], "1.1.1.1"),
        ("fd00::1", ["2606:4700::1"], "2606:4700::1"),
        # Made up by the browser, in front of what our proxy wrote.
        ("10.1.1.1", ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        ("10.1.1.1", ["10.9.9.9, 1.1.1.1, 10.2.2.2"], "1.1.1.1"),
        # As some write it.
        ("10.1.1.1", ["1.1.1.1:443"], "1.1.1.1"),
        ("10.1.1.1", ['"[2606:4700::1]:443"'], "2606:4700::1"),
        # Nonsense goes no further.
        ("10.1.1.1", ["unknown"], "10.1.1.1"),
        ("10.1.1.1", ["1.1.1.1, _hidden, 10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1", [""], "10.1.1.1"),
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", [",".join(["10.1.1.1"] * 9999)], "10.1.1.1"),
        # A proxy that nobody named: all browsers would look like one.
        ("192.168.1.1", ["1.1.1.1"], ""),
        ("172.17.0.1", ["1.1.1.1"], ""),
        ("192.168.1.1", [], "192.168.1.1"),
        ("unix", ["1.1.1.1"], "unix"),
        ("", [], ""),
    ],
)
def test_from_where_a_browser_comes(peer: str, forwarded: list[str], found: str) -> None:
    assert browser_address(peer, forwarded, OURS) == found
