"""URLs that no webhook could go to, told without looking a name up."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from evergrant.rules.faults import Fault
from evergrant.rules.receivers import Receivers

PUBLIC = Receivers()
ANYWHERE = Receivers(anywhere=True)
TWENTY = Receivers([ip_network("10.20.0.0/16"), ip_network("fd00:20::/32")])


@pytest.mark.parametrize(
    ("receivers", "url"),
    [
        (PUBLIC, "https://erp.example/hook"),
        (PUBLIC, "https://erp.example:8443/hook"),
        (PUBLIC, "https://93.184.216.34/hook"),
        (TWENTY, "https://erp.example/hook"),
        (TWENTY, "http://erp.internal:81/hook"),  # the name may stand for an address of ours
        (TWENTY, "http://10.20.3.4:81/hook"),
        (TWENTY, "http://[fd00:20::7]/hook"),
        (ANYWHERE, "http://erp.internal/hook"),
        (ANYWHERE, "http://127.0.0.1:9/hook"),
        (ANYWHERE, "http://localhost:9/hook"),
    ],
)
def test_urls_that_a_webhook_may_go_to(receivers: Receivers, url: str) -> None:
    assert receivers.check_url(url, "webhook_url") == url


@pytest.mark.parametrize(
    ("receivers", "url", "code"),
    [
        (PUBLIC, "http://erp.example/hook", "not_https"),
        (PUBLIC, "http://93.184.216.34/hook", "not_https"),
        (PUBLIC, "https://10.20.3.4/hook", "internal_address"),
        (PUBLIC, "https://localhost/hook", "internal_address"),
        (PUBLIC, "https://[::ffff:10.0.0.1]/hook", "internal_address"),
        (PUBLIC, "https://erp.example:22/hook", "port_of_the_system"),
        (TWENTY, "http://10.21.3.4/hook", "internal_address"),
        (TWENTY, "http://93.184.216.34/hook", "not_https"),
        (TWENTY, "https://93.184.216.34:22/hook", "port_of_the_system"),
        (ANYWHERE, "http://169.254.169.254/latest", "internal_address"),
        (ANYWHERE, "ftp://erp.example/hook", "not_https"),
        (ANYWHERE, "http://erp.example/hook#here", "has_fragment"),
        (ANYWHERE, "http://me@erp.example/hook", "has_userinfo"),
    ],
)
def test_urls_that_nothing_could_go_to(receivers: Receivers, url: str, code: str) -> None:
    with pytest.raises(Fault) as caught:
        receivers.check_url(url, "webhook_url")
    assert (caught.value.code, caught.value.field) == (code, "webhook_url")
