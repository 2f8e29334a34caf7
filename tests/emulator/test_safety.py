"""Amazon's own hosts and credentials are refused; nothing is written to any disk."""

from __future__ import annotations

import base64
import json
import logging
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amazon_emulator import LeverError
from amazon_emulator.safety import checked_address, is_amazons, real_credentials, refusal
from tests.emulator.conftest import House

ACCOUNT = "/sellers/v1/account"
FACES = (
    *("lwa", "seller_central", "vendor_central", "na", "eu", "fe", "levers"),
    *("sandbox_na", "documents", "aws"),
)


def real_looking() -> dict[str, str]:
    """Of Amazon's shapes, made up here and now."""
    return {
        "access token": f"Atza|{secrets.token_urlsafe(60)}",
        "refresh token": f"Atzr|{secrets.token_urlsafe(60)}",
        "restricted data token": f"Atz.sprdt|{secrets.token_urlsafe(60)}",
        "client secret": f"amzn1.oa2-cs.v1.{secrets.token_hex(28)}",
        "client id": f"amzn1.application-oa2-client.{secrets.token_hex(16)}",
        "AWS key": "AKIA" + "".join(secrets.choice("ABCDEFGHIJ234567") for _ in range(16)),
    }


@pytest.mark.parametrize(
    "host",
    [
        "api.amazon.com",
        "api.amazon.co.jp",
        "amazon.de",
        "AMAZON.COM.",
        "sellercentral.amazon.co.uk",
        "vendorcentral.amazon.com.be",
        "sellingpartnerapi-eu.amazon.com:443",
        "sandbox.sellingpartnerapi-na.amazon.com",
        "sellingpartnerapi-fe",
        "sqs.eu-west-1.amazonaws.com",
        "sts.cn-north-1.amazonaws.com.cn",
        "tortuga-prod-eu.s3-eu-west-1.amazonaws.com",
        "m.media-amazon.com",
        "images-na.ssl-images-amazon.com",
    ],
)
def test_amazons_hosts(house: House, host: str) -> None:
    assert is_amazons(host)
    for face in FACES:
        answer = house.http.get(f"{house.amazon.addresses[face]}/", headers={"host": host})
        assert answer.status_code == 421, face
        said = answer.json()
        assert "This is the Amazon emulator" in said["error_description"]
        assert said["errors"][0]["message"] == said["error_description"]
    assert house.amazon.levers.count() == 0, "nothing was noted"
    for field in ("login_uri", "redirect_uris"):
        uri = f"https://{host}/back"
        with pytest.raises(LeverError, match=r"422 .*is Amazon's own"):
            house.amazon.levers.application(
                "x", **{field: [uri] if field == "redirect_uris" else uri}
            )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9100",
        "[::1]:9100",
        "localhost",
        "amazon",
        "amazon:9100",
        "amazon-emulator:9100",
        "amazon.default.svc.cluster.local",
        "amazon.test",
        "amazon.example",
        "notamazon.com",
        "my-amazon.com",
        "amazon.com.example",
    ],
)
def test_other_hosts(house: House, host: str) -> None:
    assert not is_amazons(host)
    answer = house.http.get(f"{house.amazon.addresses['levers']}/clock", headers={"host": host})
    assert answer.status_code == 200
    assert checked_address("login_uri", f"http://{host}/back") == f"http://{host}/back"


@pytest.mark.parametrize(
    "address", ["", "ftp://a.example", "https://", "https://[half", "http://a.example:0/", "/back"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ValueError, match=r"'login_uri': .* is not an http\(s\) address"):
        checked_address("login_uri", address)


def test_real_looking_credentials_are_refused_everywhere(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "amazon_emulator")
    eu, lwa = house.amazon.addresses["eu"], house.amazon.addresses["lwa"]
    for what, value in real_looking().items():
        basic = base64.b64encode(f"{value}:x".encode()).decode()
        answers = [
            house.http.get(f"{eu}{ACCOUNT}", headers={"authorization": f"Bearer {value}"}),
            house.http.get(f"{eu}{ACCOUNT}", headers={"x-amz-security-token": value}),
            house.http.get(f"{eu}{ACCOUNT}", headers={"cookie": f"session={value}"}),
            house.http.get(f"{eu}{ACCOUNT}", params={"key": value}),
            house.http.post(f"{lwa}/auth/o2/token", headers={"authorization": f"Basic {basic}"}),
            house.http.get(
                house.amazon.addresses["levers"] + "/history", params={"partner": value}
            ),
        ]
        for number, answer in enumerate(answers):
            assert answer.status_code == 400, (what, number)
            assert "looks like a real Amazon credential" in answer.text
            assert value not in answer.text
    assert house.amazon.levers.count() == 0, "nothing was noted"
    assert "looks like a real Amazon credential" in caplog.text
    assert not [one for one in real_looking().values() if one in caplog.text]


def test_signatures_with_amazons_keys_are_refused(house: House) -> None:
    key = real_looking()["AWS key"]
    signed = (
        f"AWS4-HMAC-SHA256 Credential={key}/20261121/eu-west-1/execute-api/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={secrets.token_hex(32)}"
    )
    for face in ("eu", "aws"):
        url = house.amazon.addresses[face]
        answer = house.http.get(f"{url}{ACCOUNT}", headers={"authorization": signed})
        assert answer.status_code == 400
        assert key not in answer.text
        in_query = {"X-Amz-Credential": f"{key}/20261121/eu-west-1/sqs/aws4_request"}
        assert house.http.get(url, params=in_query).status_code == 400
    # The emulator's own keys sign as well, and a signature is a bare number as old secrets were.
    own = signed.replace(key, "EMULATEDKEY012345678")
    token = house.access_token(house.seller())
    answer = house.http.get(
        f"{house.amazon.addresses['eu']}{ACCOUNT}",
        headers={"authorization": own, "x-amz-access-token": token},
    )
    assert answer.status_code == 200


def test_real_access_tokens_are_refused_in_amazons_shape(house: House) -> None:
    value = real_looking()["access token"]
    answer = house.call(ACCOUNT, value)
    assert answer.status_code == 403
    assert "looks like a real one" in answer.json()["errors"][0]["details"]
    assert value not in json.dumps(house.amazon.levers.history())


@pytest.mark.parametrize("field", ["client_id", "client_secret", "refresh_token"])
def test_real_credentials_in_bodies_of_lwa(house: House, field: str) -> None:
    value = real_looking()[field.replace("_", " ")]
    answer = house.lwa(
        **{"grant_type": "refresh_token", "refresh_token": "Atzr|emulated", field: value}
    )
    assert answer.status_code == 400
    assert "looks like a real Amazon credential" in answer.json()["error_description"]
    assert value not in json.dumps(house.amazon.levers.history())


def test_what_the_emulator_issues_is_let_in(house: House) -> None:
    seller = house.seller()
    token, refresh_token = house.access_token(seller), house.grant(seller)
    issued = [token, refresh_token, *house.client.values(), seller["password"]]
    assert not real_credentials(issued)
    assert not real_credentials([secrets.token_hex(32), ACCOUNT, "A1PA6795UKMFR9"])
    assert real_credentials([f"a=b&token={real_looking()['access token'].replace('|', '%7C')}"])
    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())]
    assert refusal({"type": "http", "headers": headers, "query_string": b"a=b"}) is None


def test_bad_basic_authentication_is_no_error_of_ours(house: House) -> None:
    for wrong in ("Basic", "Basic ???", "Basic " + base64.b64encode(b"\xff\xfe").decode()):
        answer = house.http.post(
            f"{house.amazon.addresses['lwa']}/auth/o2/token", headers={"authorization": wrong}
        )
        assert 400 <= answer.status_code < 500


# --- nothing is written ---------------------------------------------------------------------------

# In a process of its own, since nobody takes an audit hook away again.
WATCHED = """
import json, sys, urllib.error, urllib.parse, urllib.request

WRITTEN = []
MAKING = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate", "tempfile.mkstemp",
          "tempfile.mkdtemp", "shutil.copyfile", "sqlite3.connect", "subprocess.Popen"}

def watch(event, given):
    if event == "open":
        path, mode, flags = given
        writing = any(one in mode for one in "wax+") if mode else flags & 3
        if writing and str(path) != "/dev/null":
            WRITTEN.append(f"{event} {path} {mode} {flags}")
    elif event in MAKING:
        WRITTEN.append(f"{event} {given}")
    elif event == "socket.connect" and given[1][0] != "127.0.0.1":
        WRITTEN.append(f"{event} {given[1]}")

def ask(url, method="GET", body=None, **headers):
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with OPENER.open(request, timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.read()

from amazon_emulator import Emulator, world_file

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
sys.addaudithook(watch)
with Emulator(gentle=False) as amazon:
    made = amazon.levers.load_world(world_file.small())
    application, grant = made["applications"][0], made["grants"][0]
    form = {"grant_type": "refresh_token", "refresh_token": grant["refresh_token"],
            "client_id": application["lwa_client_id"],
            "client_secret": application["lwa_client_secret"]}
    said = ask(amazon.addresses["lwa"] + "/auth/o2/token", "POST",
               urllib.parse.urlencode(form).encode())
    token = {"x-amz-access-token": json.loads(said)["access_token"],
             "content-type": "application/json"}
    for region in ("na", "eu", "fe"):
        ask(amazon.addresses[region] + "/sellers/v1/account", **token)
    document = json.loads(ask(amazon.addresses["eu"] + "/feeds/2021-06-30/documents", "POST",
                              b'{"contentType": "text/plain"}', **token))
    ask(document["url"], "PUT", b"x" * 3_000_000, **{"content-type": "text/plain"})
    feed = {"feedType": "POST_FLAT_FILE_FULFILLMENT_DATA", "marketplaceIds": ["A1PA6795UKMFR9"],
            "inputFeedDocumentId": document["feedDocumentId"]}
    ask(amazon.addresses["eu"] + "/feeds/2021-06-30/feeds", "POST", json.dumps(feed).encode(),
        **token)
    amazon.levers.advance(3600)
    ask(amazon.addresses["seller_central"] + "/")
    amazon.levers.fail_lwa("drop", times=1)
    amazon.levers.world(credentials=True)
    calls = amazon.levers.count()
    amazon.levers.reset()
print(json.dumps({"written": WRITTEN, "calls": calls}))
"""


def test_nothing_is_written_and_nobody_is_called(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-B", "-c", WATCHED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    assert told["written"] == []
    assert told["calls"] >= 7
    assert list(tmp_path.iterdir()) == []


def test_it_says_that_all_is_in_memory(house: House) -> None:
    assert "all state is in memory" in house.amazon.levers.pull("GET", "/")["what"]
