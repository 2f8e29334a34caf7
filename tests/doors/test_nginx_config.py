"""The lines that nginx is given: nothing in them that somebody could slip in, and no secret."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from evergrant.entrances import problems
from evergrant.entrances.cli import running
from evergrant.entrances.gateway import asking, headers, nginx, nginx_pages
from evergrant.entrances.gateway.data_plane import DataPlane, Decider
from evergrant.errors import InvalidInput
from evergrant.rules.marketplaces import STANDARD, Region

DECIDER = Decider(decide="127.0.0.1:8082", outcomes="127.0.0.1:8083")
PLANE = DataPlane(
    deciders=[DECIDER],
    gateway=["http://127.0.0.1:8080/gateway"],
    endpoints=dict(STANDARD.endpoints),
    key_file=Path("/etc/nginx/evergrant.key"),
)


def plane(**changes: Any) -> DataPlane:
    return dataclasses.replace(PLANE, **changes)


def test_amazon_is_spoken_to_by_name_and_with_its_certificate_checked() -> None:
    text = nginx.config(PLANE)
    for region in Region:
        assert f"server sellingpartnerapi-{region.value}.amazon.com:443;" in text
    for line in (
        "proxy_ssl_verify on;",
        "proxy_ssl_server_name on;",
        "proxy_ssl_name $evergrant_host;",
        'proxy_ssl_trusted_certificate "/etc/ssl/certs/ca-certificates.crt";',
        "proxy_next_upstream off;",
        "proxy_request_buffering off;",
        "client_max_body_size 0;",
        "merge_slashes off;",
    ):
        assert line in text


def test_what_ends_at_the_door_ends_at_nginx() -> None:
    text = nginx.config(PLANE)
    (location,) = re.findall(r"location / \{(.*?)\n    \}", text, re.DOTALL)
    emptied = set(re.findall(r'proxy_set_header (\S+) "";', location))
    ours = set(re.findall(r"proxy_set_header (\S+) \$evergrant", location))
    by_nginx = {"content-length", "transfer-encoding"}
    for name in headers._HOP_BY_HOP | headers._END_HERE | set(asking.HEADERS):
        assert name.decode() in emptied | ours | by_nginx, name


def test_every_status_of_a_refusal_has_its_page() -> None:
    text = nginx.config(PLANE)
    for status in {*problems.STATUS.values(), 400, 405, 429, 502, 504}:
        assert f"location @evergrant_refused_{status} {{ return {status} " in text
        assert f"    {status} @evergrant_refused_{status};" in text


def test_each_process_has_a_log_of_its_own() -> None:
    other = Decider(decide="[::1]:8092", outcomes="[::1]:8093")
    text = nginx.config(plane(deciders=[DECIDER, other]))
    (first, second) = re.findall(r'"~(\^.*\$)" 1;', text)
    mark = "0123456789abcdef"
    assert re.search(first, f"{mark} 127.0.0.1:8082")
    assert re.search(first, f"{mark} [::1]:8092, 127.0.0.1:8082")
    assert re.search(second, f"{mark} 127.0.0.1:8082, [::1]:8092")
    for pattern in (first, second):
        assert not re.search(pattern, f"{mark} 10.127.0.0.1:8082")
        assert not re.search(pattern, " 127.0.0.1:8082")
        assert not re.search(pattern, f"{mark} 127.0.0.1:80820")
        assert not re.search(pattern, f"{mark} 127.0.0.1:8082, 127.0.0.1:9999")
    assert "syslog:server=127.0.0.1:8083,tag=evergrant,nohostname" in text
    assert "syslog:server=[::1]:8093,tag=evergrant,nohostname" in text


def test_tls_and_a_name_server_are_options() -> None:
    text = nginx.config(PLANE)
    assert " ssl;" not in text
    assert "resolve" not in text
    text = nginx.config(
        plane(
            listen=["443", "[::]:443"],
            server_name="amazon.house.example",
            certificate=Path("/etc/ssl/house.pem"),
            certificate_key=Path("/etc/ssl/house.key"),
            resolver="127.0.0.53",
        )
    )
    assert "listen 443 ssl;" in text
    assert "listen [::]:443 ssl;" in text
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in text
    assert "server sellingpartnerapi-eu.amazon.com:443 resolve;" in text
    assert "resolver 127.0.0.53;" in text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"deciders": []}, "decide"),
        ({"deciders": [DECIDER, DECIDER]}, "decide"),
        ({"deciders": [Decider(decide="localhost:1", outcomes="127.0.0.1:1")]}, "decide"),
        ({"deciders": [Decider(decide="127.0.0.1", outcomes="127.0.0.1:1")]}, "decide"),
        ({"deciders": [Decider(decide="127.0.0.1:0", outcomes="127.0.0.1:1")]}, "decide"),
        ({"deciders": [Decider(decide="127.0.0.1:1", outcomes="127.0.0.1:1;}")]}, "outcomes"),
        ({"deciders": [Decider(decide="127.0.0.1:٣", outcomes="127.0.0.1:1")]}, "decide"),
        ({"gateway": []}, "gateway"),
        ({"gateway": ["https://127.0.0.1:1"]}, "gateway"),
        ({"gateway": ["http://a;b:1"]}, "gateway"),
        ({"gateway": ["http://127.0.0.1:1/$uri"]}, "gateway"),
        ({"gateway": ["http://127.0.0.1:1/a", "http://127.0.0.1:2/b"]}, "gateway"),
        ({"endpoints": {Region.EU: "https://user@evil.example"}}, "endpoints.eu"),
        ({"endpoints": {Region.EU: "https://a b"}}, "endpoints.eu"),
        ({"listen": ["443; include /etc/passwd"]}, "listen"),
        ({"listen": [""]}, "listen"),
        ({"listen": ["443 ssl"]}, "listen"),
        ({"server_name": "a b"}, "server_name"),
        ({"server_name": "a;}"}, "server_name"),
        ({"server_name": "$host"}, "server_name"),
        ({"certificate": Path("/a.pem")}, "cert"),
        (
            {"certificate": Path('/a"; b'), "certificate_key": Path("/a.key")},
            "cert",
        ),
        ({"resolver": "8.8.8.8; lua"}, "resolver"),
        ({"resolver": "ns.example"}, "resolver"),
        ({"ca_file": Path("/a\nb")}, "ca_file"),
        ({"key_file": Path("/$a")}, "key_file"),
        ({"error_log": "/a';"}, "error_log"),
        ({"user_agent": 'a"b'}, "user_agent"),
    ],
)
def test_what_is_not_one_value_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        nginx.config(plane(**changes))
    assert [flaw.field for flaw in refused.value.flaws] == [field]


@pytest.mark.parametrize("key", ["", "short", 'egk_a"; include x', "egk_a\nb", "egk_ü" * 5])
def test_a_key_that_is_none_is_not_written(key: str) -> None:
    with pytest.raises(InvalidInput):
        nginx.key_file(key)


def test_braces_are_closed_and_pages_hold_one_line() -> None:
    text = nginx.config(PLANE)
    bare = re.sub(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"", "", text)
    assert bare.count("{") == bare.count("}")
    for page in nginx_pages.locations():
        assert "\n" not in page


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVERGRANT_HOME", str(tmp_path))
    for name in ("EVERGRANT_DECIDE_PORT", "EVERGRANT_API_KEY", "EVERGRANT_GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("settings")
def test_nothing_decides_as_long_as_no_port_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert running.run(["gateway", "nginx-config"]) == 2
    assert "EVERGRANT_DECIDE_PORT" in capsys.readouterr().err


@pytest.mark.usefixtures("settings")
def test_without_a_file_the_configuration_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERGRANT_DECIDE_PORT", "8082")
    monkeypatch.setenv("EVERGRANT_API_KEY", "egk_of_somebody_else_altogether")
    assert running.run(["gateway", "nginx-config", "--listen", "127.0.0.1:9443"]) == 0
    printed = capsys.readouterr()
    assert "listen 127.0.0.1:9443;" in printed.out
    assert "server 127.0.0.1:8082 " in printed.out
    assert "server=127.0.0.1:8083," in printed.out
    assert "http://evergrant_gateway/gateway/auth/o2/token;" in printed.out
    assert "egk_of_somebody" not in printed.out + printed.err


@pytest.mark.usefixtures("settings")
def test_the_key_is_written_beside_it_for_nobody_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVERGRANT_DECIDE_PORT", "8082")
    monkeypatch.setenv("EVERGRANT_GATEWAY_PORT", "8081")
    out, given = tmp_path / "evergrant.conf", tmp_path / "given"
    assert running.run(["gateway", "nginx-config", "--out", str(out)]) == 2
    assert "--api-key-file" in capsys.readouterr().err
    assert not out.exists()
    given.write_text("egk_made_up_for_this_test\n")
    command = ["gateway", "nginx-config", "--out", str(out)]
    assert running.run([*command, "--api-key-file", str(given)]) == 0
    key = tmp_path / "evergrant.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text() == nginx.key_file("egk_made_up_for_this_test")
    assert f'include "{key}";' in out.read_text()
    assert "http://evergrant_gateway/auth/o2/token;" in out.read_text()
    assert "egk_made_up" not in out.read_text() + "".join(capsys.readouterr())
    # Again, and the key that is there stays, whatever key a program of this shell has.
    monkeypatch.setenv("EVERGRANT_API_KEY", "egk_of_some_program")
    assert running.run([*command, "--server-name", "other.example"]) == 0
    assert "egk_made_up" in key.read_text()
    assert "server_name other.example;" in out.read_text()


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    "options",
    [
        ["--check"],
        ["--decide", "127.0.0.1:1", "--decide", "127.0.0.1:2"],
        ["--decide", "127.0.0.1:1", "--outcomes", "127.0.0.1:1", "--outcomes", "127.0.0.1:2"],
        ["--decide", "evergrant.internal:8082"],
        ["--decide", "127.0.0.1:1", "--cert", "a.pem"],
        ["--decide", "127.0.0.1:1", "--out", "/no/such/folder/evergrant.conf"],
    ],
)
def test_options_that_do_not_fit_are_told(
    options: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = tmp_path / "given"
    given.write_text("egk_made_up_for_this_test\n")
    assert running.run(["gateway", "nginx-config", *options, "--api-key-file", str(given)]) == 2
    assert capsys.readouterr().err.startswith("error[")


@pytest.mark.usefixtures("settings")
def test_show_says_what_an_sdk_is_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert running.run(["gateway", "show"]) == 0
    told = capsys.readouterr().out
    assert "http://127.0.0.1:8080/gateway/auth/o2/token" in told
    monkeypatch.setenv("EVERGRANT_GATEWAY_PORT", "8081")
    monkeypatch.setenv("EVERGRANT_GATEWAY_HOSTS", "amazon.house.example")
    monkeypatch.setenv("EVERGRANT_PUBLIC_URL", "https://connect.house.example")
    monkeypatch.setenv("EVERGRANT_DECIDE_PORT", "8082")
    assert running.run(["gateway", "show", "--json"]) == 0
    assert '"endpoint": "https://amazon.house.example"' in capsys.readouterr().out
