from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.faults import Fault
from evergrant.rules.urls import add_query, check_https_url, check_origin, is_loopback


@pytest.mark.parametrize("url", ["https://erp.example/callback", "https://a.example:8443/x?y=1"])
def test_https_is_fine(url: str) -> None:
    assert check_https_url(url, "url") == url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_http_on_loopback_only_where_allowed(host: str) -> None:
    url = f"http://{host}:8080/x"
    assert check_https_url(url, "url", allow_http_loopback=True) == url
    with pytest.raises(Fault, match="https"):
        check_https_url(url, "url")


BAD = {
    "http://erp.example/": "not_https",
    "http://localhost.evil.example/": "not_https",
    "http://127.0.0.1.evil.example/": "not_https",
    "ftp://erp.example/": "not_https",
    "javascript:alert(1)": "bad_url",
    "https://": "bad_url",
    "https:///path": "bad_url",
    "//erp.example/": "bad_url",
    "erp.example": "bad_url",
    "": "bad_url",
    "https://erp.example/#part": "has_fragment",
    "https://erp.example/#": "has_fragment",
    "https://user@erp.example/": "has_userinfo",
    "https://user:pw@erp.example/": "has_userinfo",
    "https://@erp.example/": "has_userinfo",
    "https://erp.example\\@evil.example/": "bad_url",
    "https://erp.example/a b": "bad_url",
    "https://erp.example/\n": "bad_url",
    "https://erp.example:99999/": "bad_url",
    "https://erp.example:0/": "bad_url",
    "https://erp.example:x/": "bad_url",
    "https://erp.exämple/": "bad_url",
    "https://[::1/": "bad_url",
    "https://erp.example/" + "a" * 2000: "bad_url",
}


@pytest.mark.parametrize(("url", "code"), BAD.items())
def test_bad_urls_say_what_is_wrong(url: str, code: str) -> None:
    with pytest.raises(Fault) as caught:
        check_https_url(url, "redirect_uri", allow_http_loopback=True)
    assert caught.value.code == code
    assert caught.value.field == "redirect_uri"


def test_an_origin_is_scheme_host_and_port() -> None:
    assert check_origin("https://Central.Example:443/", "o") == "https://central.example"
    assert check_origin("http://127.0.0.1:9001", "o") == "http://127.0.0.1:9001"
    assert check_origin("http://[::1]:9001", "o") == "http://[::1]:9001"
    for bad in ("https://central.example/path", "https://central.example/?x"):
        with pytest.raises(Fault, match="Only scheme"):
            check_origin(bad, "o")


def test_loopback_is_judged_by_name_alone() -> None:
    assert is_loopback("127.0.0.1")
    assert not is_loopback("localhost.example")
    assert not is_loopback("0.0.0.0")


raw = st.text("abcXYZ019%-_.~", min_size=0, max_size=40)


@given(raw=raw, plain=st.text(max_size=30))
def test_raw_pairs_go_through_byte_by_byte(raw: str, plain: str) -> None:
    url = add_query("https://a.example/x?b=%C3%A4+c", [("state", plain)], [("amazon_state", raw)])
    assert url.startswith(f"https://a.example/x?b=%C3%A4+c&amazon_state={raw}&state=")
    assert url.isascii()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/x", "https://a.example/x?s=1"),
        ("https://a.example/x?", "https://a.example/x?s=1"),
        ("https://a.example/x?a=1", "https://a.example/x?a=1&s=1"),
        ("https://a.example/x?a=1&", "https://a.example/x?a=1&s=1"),
    ],
)
def test_the_joint_fits(url: str, expected: str) -> None:
    assert add_query(url, [("s", "1")]) == expected


def test_nothing_to_add_changes_nothing() -> None:
    assert add_query("https://a.example/x?a", []) == "https://a.example/x?a"
