"""Where forms may lead whose answer sends the browser to Amazon."""

from __future__ import annotations

import dataclasses
from urllib.parse import urlsplit

from evergrant.entrances.to_amazon import form_targets
from evergrant.rules.marketplaces import STANDARD


def _matches(source: str, host: str) -> bool:
    """As Content Security Policy Level 3 compares a host with a source of https."""
    name = source.removeprefix("https://")
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def test_every_central_of_every_region_and_the_sign_in_beside_it() -> None:
    targets = form_targets(STANDARD)
    hosts = {urlsplit(origin).hostname or "" for origin in STANDARD.central_origins(None)}
    hosts |= {"www.amazon.com", "www.amazon.co.jp", "www.amazon.com.mx", "www.amazon.de"}
    for host in hosts:
        assert any(_matches(one, host) for one in targets), host


def test_no_other_host() -> None:
    targets = form_targets(STANDARD)
    assert not {"https:", "http:", "*"} & set(targets)
    for host in (
        "evil.example",
        "amazon.com.evil.example",
        "notamazon.com",
        "amazonaws.com",
        "shop.s3.amazonaws.com",
        "amazon.evil",
    ):
        assert not any(_matches(one, host) for one in targets), host


def test_hosts_of_an_operator_as_they_are() -> None:
    own = "https://amazon.sandbox.example", "http://127.0.0.1:8099", "https://sc.amazon.de:8443"
    rows = [
        dataclasses.replace(row, seller_central=origin)
        for row, origin in zip(STANDARD.rows, own, strict=False)
    ]
    told = form_targets(dataclasses.replace(STANDARD, rows=(*rows, *STANDARD.rows[3:])))
    assert set(own) < set(told)
