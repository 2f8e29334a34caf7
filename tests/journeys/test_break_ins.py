"""Break-ins at two real server processes on one real database: nobody gets another's access token,
nothing is spent twice, no secret stands where others can read it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from demo.house import link_in
from demo.partner import Browser
from demo.stage import wait_for
from tests.journeys.conftest import Town, own_town_at
from tests.journeys.nearby import nearby
from tests.journeys.test_attacks import at_amazon, callback_of

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("break_ins")]

T_S = 1.0  # so long a revoked key or a closed account may still be served


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Whose home Evergrant itself made."""
    with own_town_at(tmp_path_factory.mktemp("town"), furnished=False) as town:
        yield town


@pytest.fixture(scope="module")
def second(town: Town) -> str:
    """The address of a second server process on the same database."""
    return town.evergrant.another("second", "serve").url


@pytest.fixture
def direct(town: Town) -> Iterator[None]:
    """Amazon sends browsers straight to the callback."""
    town.lever("POST", "/login-leg", {"mode": "never"})
    yield
    town.lever("POST", "/lwa/clear")


def view_of(town: Town, account: Any) -> Any:
    return town.house.ask("GET", f"/v1/accounts/{account['id']}")


def visit(url: str, browser: Browser) -> httpx2.Response:
    """With the cookies of that browser, on a connection of its own, redirects followed."""
    with httpx2.Client(
        cookies=browser._http.cookies, follow_redirects=True, timeout=30, trust_env=False
    ) as http:
        return http.get(url)


def all_at_once(errands: Sequence[Callable[[], httpx2.Response]]) -> list[httpx2.Response]:
    start = threading.Barrier(len(errands))

    def run(errand: Callable[[], httpx2.Response]) -> httpx2.Response:
        start.wait(60)
        return errand()

    with ThreadPoolExecutor(len(errands)) as pool:
        return list(pool.map(run, errands))


def elsewhere(url: str, address: str) -> str:
    """The same page at another process."""
    parts = urlsplit(url)
    return f"{address}{parts.path}?{parts.query}"


# --- spent once -------------------------------------------------------------------------------


def test_one_callback_at_two_processes_is_one_exchange(
    town: Town, second: str, direct: None
) -> None:
    partner = town.partner()
    account = town.account(partner)
    browser = at_amazon(town, partner, town.invite(account))
    callback = callback_of(browser, town.evergrant.url)
    slow = {"mode": "slow", "ms": 300, "partner": partner["selling_partner_id"]}
    town.lever("POST", "/lwa/fail", slow)
    urls = [callback, elsewhere(callback, second)] * 4
    answers = all_at_once([partial(visit, url, browser) for url in urls])
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert 200 in {answer.status_code for answer in answers}
    assert all("spapi_oauth_code" not in str(answer.url) for answer in answers)
    assert town.lwa_calls(partner=partner["selling_partner_id"]) == 1
    assert view_of(town, account)["authorization"]["state"] == "active"


def test_two_accounts_race_for_one_shop_at_two_processes(
    town: Town, second: str, direct: None
) -> None:
    partner = town.partner()
    accounts = [
        town.account(
            partner, name=f"{partner['name']} {number}", client_email=f"{number}@shop.example"
        )
        for number in (1, 2)
    ]
    visits: list[Callable[[], httpx2.Response]] = []
    for account, address in zip(accounts, (town.evergrant.url, second), strict=True):
        browser = at_amazon(town, partner, town.invite(account))
        url = elsewhere(callback_of(browser, town.evergrant.url), address)
        visits.append(partial(visit, url, browser))
    slow = {"mode": "slow", "ms": 200, "partner": partner["selling_partner_id"]}
    town.lever("POST", "/lwa/fail", slow)
    answers = all_at_once(visits)
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    states = [view_of(town, account)["authorization"]["state"] for account in accounts]
    assert sorted(states) == ["active", "awaiting"]
    loser = accounts[states.index("awaiting")]
    refused = town.house.send("GET", f"/v1/accounts/{loser['id']}/access-token")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_yet_authorized")


def postmaster_of(town: Town) -> int:
    return int((data_folder(town) / "postmaster.pid").read_text().split()[0])


def kill_a_backend(town: Town) -> None:
    postmaster = postmaster_of(town)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == postmaster and b"[local]" in words:
            with contextlib.suppress(ProcessLookupError):  # it went by itself meanwhile
                os.kill(int(process.name), signal.SIGKILL)
                return
    raise AssertionError("no backend of this town's server was found")


def data_folder(town: Town) -> Path:
    return (Path(town.evergrant.env["EVERGRANT_HOME"]) / "postgres").resolve() / "data"


# --- the neighbour ----------------------------------------------------------------------------


BODIES: dict[str, Any] = {
    "adoptRefreshToken": {"refresh_token": "Atzr|" + secrets.token_hex(32)},
    "adoptAmazonReport": {"amazon_report_id": "54517018502"},
    "requestAmazonReport": {"report_type": "GET_MERCHANT_LISTINGS_ALL_DATA"},
    "changeAccount": {"notes": "was here"},
    "addConnectionKey": {"name": "mine"},
    "changeInstance": {"name": "mine"},
    "noteGrantedAt": {"granted_at": "2026-03-01T00:00:00Z"},
    "rotateConnectionKey": {},
    "rotateApiKey": {},
    "handInChanges": {"changes": [{"kind": "stock", "sku": "MUG-1", "quantity": 0}]},
    "pauseFeeds": {"note": "was here"},
    "decideFeedRun": {"happened": True},
}


QUERIES = {"listReportsAtAmazon": "?report_type=GET_MERCHANT_LISTINGS_ALL_DATA"}


def made_up(known: str) -> str:
    kind, _, rest = known.partition("_")
    return f"{kind}_{rest[:10]}{'0' * 16}"


def test_a_key_of_another_instance_reaches_nothing_by_any_route(town: Town) -> None:
    """Whatever it tries, the answer is that for things which are not there."""
    account, partner = town.connected()
    key = town.house.ask("POST", f"/v1/accounts/{account['id']}/connection-keys", {"name": "SDK"})
    neighbour = town.house.ask("POST", "/v1/instances", {"name": f"Other {secrets.token_hex(3)}"})
    made = town.house.ask(
        "POST",
        "/v1/api-keys",
        {
            "name": "neighbour",
            "rights": [
                *("read", "write", "access_tokens", "amazon_read", "amazon_write"),
                "personal_data",
            ],
            "client_instance_id": neighbour["id"],
        },
    )
    # It waits for as long as the test needs it.
    town.house.ask("POST", f"/v1/accounts/{account['id']}/feeds/pause", {"note": "still"})
    line = {"kind": "stock", "sku": f"MUG-{secrets.token_hex(3)}", "quantity": 7}
    taken = town.house.ask("POST", f"/v1/accounts/{account['id']}/changes", {"changes": [line]})
    theirs = {
        "account_id": account["id"],
        "intake_id": taken["intake_id"],
        "change_id": taken["items"][0]["change_id"],
        "run_id": f"run_{'1' * 26}",
        "order_id": "302-1234567-1234567",
        "instance_id": town.instance["id"],
        "connection_key_id": key["id"],
        "api_key_id": town.house.ask("GET", "/v1/api-keys")["items"][0]["id"],
        "report_id": f"arp_{'1' * 26}",
    }
    told = [account["id"], account["name"], partner["email"], partner["selling_partner_id"]]
    told += [town.instance["id"], town.instance["name"], key["id"], key["secret"]]
    told += [theirs["intake_id"], theirs["change_id"], line["sku"]]

    def journal() -> list[Any]:
        """Without what Evergrant does by itself meanwhile."""
        lines = town.house.ask("GET", "/v1/journal", account_id=account["id"], limit=500)["items"]
        return [line for line in lines if line["caller"] != "system"]

    before = journal()
    routes = 0
    with httpx2.Client(
        base_url=town.evergrant.url,
        headers={"authorization": f"Bearer {made['secret']}"},
        trust_env=False,
        timeout=30,
    ) as http:

        def answer(method: str, path: str, body: Any) -> tuple[int, Any]:
            got = http.request(method, path, json=body)
            plain = re.sub(r'"request_id": ?"[^"]*"', "", got.text)
            assert not [one for one in told if one in plain], (method, path)
            return got.status_code, plain

        for path, methods in town.house.ask("GET", "/v1/openapi.json")["paths"].items():
            names = set(re.findall(r"{(\w+)}", path)) & set(theirs)
            for method, operation in methods.items():
                if not names:
                    continue
                routes += 1
                body = BODIES.get(operation["operationId"])
                asked = path + QUERIES.get(operation["operationId"], "")
                real = answer(method.upper(), asked.format_map(theirs), body)
                unknown = {name: made_up(one) for name, one in theirs.items()}
                unknown["order_id"] = "302-7654321-7654321"
                assert real[0] in (403, 404), (method, asked, real)
                assert real == answer(method.upper(), asked.format_map(unknown), body)
        assert routes >= 15
        for path in (
            "/v1/accounts",
            f"/v1/accounts?client_instance_id={town.instance['id']}",
            f"/v1/accounts?application_id={town.application['id']}",
            "/v1/accounts?state=active",
            "/v1/instances",
            "/v1/reports",
            f"/v1/reports?account_id={account['id']}",
            "/v1/journal",
            f"/v1/journal?account_id={account['id']}",
            f"/v1/journal?subject={account['id']}",
            f"/v1/journal?subject={account['authorization'].get('id') or town.instance['id']}",
            "/v1/api-keys",
        ):
            answer("GET", path, None)
        wish = {"client_instance_id": town.instance["id"]}
        mine = {
            "name": f"Mine {secrets.token_hex(3)}",
            "partner_kind": "seller",
            "client_email": "me@neighbour.example",
            "application_id": town.application["id"],
            "client_instance_id": neighbour["id"],
            "region": "eu",
            "home_marketplace": "DE",
        }
        assert http.post("/v1/accounts", json={**mine, **wish}).status_code == 422
        own = http.post("/v1/accounts", json=mine).json()
        moved = http.patch(f"/v1/accounts/{own['id']}", json=wish)
        assert moved.status_code == 422
        # The grant of the neighbour, pasted as one's own.
        pasted = {"refresh_token": town.refresh_token(partner), **seller_of(partner)}
        assert http.post(f"/v1/accounts/{own['id']}/adopt", json=pasted).status_code == 409
        form = {
            "grant_type": "refresh_token",
            "client_id": "me",
            "client_secret": made["secret"],
            "refresh_token": key["secret"],
        }
        refused = http.post("/auth/o2/token", data=form)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        assert "access_token" not in refused.json()
    control = town.house._http.post(
        "/auth/o2/token", data={**form, "client_secret": town.house.api_key}
    )
    assert control.status_code == 200, "the connection key itself works"
    assert journal() == before


def seller_of(partner: dict[str, Any]) -> dict[str, Any]:
    return {"selling_partner_id": partner["selling_partner_id"]}


# --- over, for every process ------------------------------------------------------------------


def test_what_one_process_ends_is_over_at_the_other_within_a_second(
    town: Town, second: str
) -> None:
    account, _ = town.connected()
    made = town.house.ask("POST", "/v1/api-keys", {"name": "short", "rights": ["access_tokens"]})
    path = f"{second}/v1/accounts/{account['id']}/access-token"

    def last_success(api_key: str, act: Callable[[], object]) -> float:
        """Seconds after the end of ``act`` at which the last successful question was asked."""
        with httpx2.Client(
            headers={"authorization": f"Bearer {api_key}"}, trust_env=False, timeout=30
        ) as http:
            assert http.get(path).status_code == 200
            assert http.get(path).status_code == 200
            act()
            over_at = last = time.monotonic()
            while True:
                asked_at = time.monotonic()
                if http.get(path).status_code != 200:
                    return last - over_at
                last = asked_at
                time.sleep(0.01)  # often enough, and the machine for the others
                assert asked_at < over_at + 10, "it is served for ever"

    revoke = f"/v1/api-keys/{made['id']}"
    assert last_success(made["secret"], lambda: town.house.ask("DELETE", revoke)) <= T_S
    close = f"/v1/accounts/{account['id']}/close"
    # The door keeps a written answer for a tenth of a second more.
    late = last_success(town.house.api_key, lambda: town.house.ask("POST", close))
    assert late <= T_S + 0.1


# --- who says where we are --------------------------------------------------------------------


def test_links_come_from_the_public_url_alone(town: Town) -> None:
    account = town.account(town.partner())
    evil = {
        "host": "evil.example",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        "forwarded": "host=evil.example;proto=https",
        "x-original-url": "/evil",
    }
    newest = town.house.newest_letter()
    send = f"/v1/accounts/{account['id']}/invitation"
    assert town.house._http.post(send, headers=evil).status_code in (200, 201, 202)
    letter = town.house.wait_for_letter(account["client_email"], after=newest)
    assert "evil.example" not in letter["text"] + letter["html"]
    link = link_in(letter)
    assert link.startswith(f"{town.evergrant.url}/connect/")
    page = httpx2.get(link, headers=evil, trust_env=False)
    assert page.status_code == 200
    assert "evil.example" not in page.text
    shown = httpx2.get(f"{town.evergrant.url}/callback?state=x", headers=evil, trust_env=False)
    assert shown.headers["location"].startswith("/connect/refused/")


# --- odd requests -----------------------------------------------------------------------------


def ask_raw(town: Town, data: bytes) -> bytes:
    """All that is answered to these bytes until the server closes the connection."""
    parts = urlsplit(town.evergrant.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as line:
        line.sendall(data)
        got = b""
        while chunk := line.recv(65536):
            got += chunk
    return got


LONE = b"\\ud800"  # JSON can say it, UTF-8 cannot
TARGETS = [
    b"GET /v1/accounts/%00/access-token",
    b"GET /v1/accounts/%ff%fe/access-token",
    b"GET /v1/accounts/%ed%a0%80/access-token?min_ttl=%ed%a0%80",
    b"GET /v1/accounts/" + b"a" * 60_000 + b"/access-token?" + b"b" * 60_000 + b"=1",
    b"GET /v1/accounts/ID%2f..%2fID/access-token",
    b"GET //v1/accounts/ID/access-token",
    b"GET /v1/accounts/../accounts/ID/link",
    b"GET /v1/%2e%2e/dev/mailbox",
    b"GET /v1/reports/%00",
    b"GET /v1/journal?after=9999999999999999999&subject=%00",
    b"GET /v1/accounts?limit=" + b"9" * 5000,
    b"GET /connect/%00",
    b"GET /connect/done/%00",
    b"GET /connect/done/%ed%a0%80",
    b"GET /connect/refused/code_refused/-?attempt=%00&spoken=%ff&lang=%0d%0aset-cookie:a=b",
    b"GET /connect/..%2f..%2f..%2fetc%2fpasswd",
    b"GET /static/..%2f..%2f__init__.py",
    b"GET /amazon/login?amazon_callback_uri=%00&selling_partner_id=%00&amazon_state=%00",
    b"GET /amazon/login?amazon_callback_uri=" + b"a" * 15_000,
    b"GET /callback?state=%00&spapi_oauth_code=%00&selling_partner_id=%00",
    b"GET /callback?state=x&error=%0d%0aset-cookie:a=b",
    b"BREW /v1/accounts",
    b"CONNECT evil.example:443",
    b"OPTIONS *",
    b"GET http://evil.example/v1/accounts",
]
NOTIFICATIONS = b'"client_secret":"KEY","scope":"sellingpartnerapi::notifications"}'
LWA_BODIES = [
    b'{"grant_type":"refresh_token","client_id":"x","client_secret":"KEY","refresh_token":"LONE"}',
    b'{"grant_type":"refresh_token","client_id":"x","client_secret":"LONE","refresh_token":"y"}',
    b'{"grant_type":"client_credentials","client_id":"app_LONE",' + NOTIFICATIONS,
    b'{"grant_type":"client_credentials","client_id":"app_\\u0000",' + NOTIFICATIONS,
    b'{"grant_type":"LONE","client_id":"LONE","client_secret":"KEY"}',
    b"[" * 16_000,
    b'{"a":' + b"9" * 15_000 + b"}",
]
FRAMES = [
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello",
    b"Content-Length: -1\r\n\r\nhello",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\nhello",
    b"Transfer-Encoding: chunked\r\n\r\n" + b"fffffffffffffffff\r\nx",
    b"Transfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"10000\r\n" + b"x" * 65536 + b"\r\n" for _ in range(20))
    + b"0\r\n\r\n",
]


def test_odd_requests_are_refused_and_break_nothing(town: Town) -> None:
    account, _ = town.connected()
    log = town.evergrant.running.log
    before = log.stat().st_size
    key = town.house.api_key.encode()
    head = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + key + b"\r\n"
    js = b"POST /auth/o2/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    js += b"Content-Type: application/json\r\n"
    basic = b"Authorization: Basic eDp5\r\n"
    requests = [one.replace(b"ID", account["id"].encode()) + head + b"\r\n" for one in TARGETS]
    for body in (one.replace(b"KEY", key).replace(b"LONE", LONE) for one in LWA_BODIES):
        framed = b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        requests += [js + framed, js + basic + framed]
    for door in (b"/auth/o2/token", b"/v1/accounts", b"/connect/abc"):
        requests += [b"POST " + door + head + frame for frame in FRAMES]
    for request in requests:
        answer = ask_raw(town, request)
        status = answer.split(b"\r\n", 1)[0].split(b" ")[1:2]
        assert status, (request[:200], "no answer")
        assert int(status[0]) < 500, (request[:200], answer[:600])
        assert b"set-cookie: a=b" not in answer.lower()
        assert b'"access_token"' not in answer or b"http://evil.example" in request
    written = log.read_bytes()[before:]
    assert b"Traceback" not in written, written.decode()
    assert key not in written


# --- in plain sight ---------------------------------------------------------------------------


def test_no_secret_in_the_process_list_and_no_open_file(town: Town, second: str) -> None:
    account, partner = town.connected()
    key = town.house.ask("POST", f"/v1/accounts/{account['id']}/connection-keys", {"name": "SDK"})
    marked = [town.house.api_key, key["secret"], town.refresh_token(partner)]
    marked += [town.application["amazon"]["lwa_client_secret"]]
    home = Path(town.evergrant.env["EVERGRANT_HOME"])
    ring = (home / "keyring").read_text().rpartition(":")[2].strip()
    stop = threading.Event()
    seen: set[str] = set()

    def watch() -> None:
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(process.read_bytes().decode("utf-8", "replace"))
                except OSError:
                    continue
            stop.wait(0.05)  # a command lives for much longer

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        nearby(town.evergrant).cli("token", account["id"])
        dump = town.stage.folder / "dump.sql"
        town.evergrant.cli("db", "dump", str(dump), "--plain")
    finally:
        stop.set()
        watching.join(60)
    words = "\n".join(seen)
    assert "evergrant" in words
    for secret in (*marked, ring):
        assert secret not in words
        assert secret not in dump.read_text()
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    assert not stat.S_IMODE((home / "keyring").stat().st_mode) & 0o077
    folder = data_folder(town).parent
    assert not stat.S_IMODE(folder.stat().st_mode) & 0o077
    assert not stat.S_IMODE(home.stat().st_mode) & 0o007, "others may not even look in"
    environment = Path(f"/proc/{postmaster_of(town)}/environ").read_bytes()
    assert b"EVERGRANT" not in environment
    for file in home.rglob("*"):
        if file.is_file() and not file.is_symlink() and folder not in file.parents:
            text = file.read_bytes()
            for secret in marked:
                assert secret.encode() not in text, file


# --- accidents, at the end, as they reach everybody ------------------------------------------


def test_a_database_that_crashes_during_the_exchange_loses_no_grant_and_breaks_no_door(
    town: Town, second: str, direct: None
) -> None:
    """One backend is killed, so PostgreSQL throws everybody out and recovers."""
    served, _ = town.connected()
    partner = town.partner()
    account = town.account(partner)
    browser = at_amazon(town, partner, town.invite(account))
    callback = callback_of(browser, town.evergrant.url)
    slow = {"mode": "slow", "ms": 700, "partner": partner["selling_partner_id"]}
    town.lever("POST", "/lwa/fail", slow)
    over = threading.Event()
    seen: set[tuple[str, int]] = set()

    def keep_asking(url: str, path: str) -> None:
        with httpx2.Client(headers=town.house._http.headers, timeout=30, trust_env=False) as http:
            while not over.is_set():
                seen.add((path, http.get(f"{url}{path}").status_code))
                over.wait(0.01)

    paths = (f"/v1/accounts/{served['id']}/access-token", "/v1/accounts", "/readyz")
    addresses = (town.evergrant.url, second)
    threads = [
        threading.Thread(target=keep_asking, args=(url, path))
        for url in addresses
        for path in paths
    ]
    with ThreadPoolExecutor(1) as pool:
        for thread in threads:
            thread.start()
        try:
            arriving = pool.submit(visit, callback, browser)
            calls = town.lwa_calls
            wait_for("the exchange", lambda: calls(partner=partner["selling_partner_id"]) == 1)
            kill_a_backend(town)
            arrived = arriving.result(60)
            for url in addresses:
                wait_for(
                    f"{url} to be ready again",
                    lambda url=url: httpx2.get(f"{url}/readyz").status_code == 200,  # type: ignore[misc]
                )
        finally:
            over.set()
            for thread in threads:
                thread.join(60)
    assert {status for _, status in seen} <= {200, 503}
    assert {path for path, status in seen if status == 200} == set(paths)
    if arrived.status_code != 200:
        # The page could not be looked up at that moment; the grant is stored all the same.
        assert arrived.status_code == 503
    assert view_of(town, account)["authorization"]["state"] == "active"
    assert town.lwa_calls(partner=partner["selling_partner_id"]) == 1
    town.evergrant.running.check()


def test_an_embedded_database_that_was_killed_is_brought_back(town: Town, second: str) -> None:
    """As the kernel kills the largest process when memory runs out. Nobody else minds it."""
    account, _ = town.connected()
    path = f"/v1/accounts/{account['id']}/access-token"
    before = postmaster_of(town)
    os.kill(before, signal.SIGKILL)
    for url in (town.evergrant.url, second):
        with httpx2.Client(
            base_url=url, headers=town.house._http.headers, timeout=30, trust_env=False
        ) as http:
            wait_for(f"{url} to serve again", lambda: http.get(path).status_code == 200)
            wait_for(f"{url} to be ready", lambda: http.get("/readyz").status_code == 200)
    assert postmaster_of(town) != before
    town.evergrant.running.check()
