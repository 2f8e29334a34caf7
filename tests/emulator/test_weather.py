"""Failing modes of LWA and SP-API: what the caller sees, and whether the work was done."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import httpx2
import pytest

from amazon_emulator import LeverError
from tests.emulator.conftest import House

PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"


def code_of(house: House) -> str:
    house.amazon.levers.login_leg("never")
    return house.consented(house.seller()).brought["spapi_oauth_code"]


@contextmanager
def in_the_background(house: House, refresh_token: str) -> Iterator[list[Exception]]:
    """A refresh that hangs; gives how it ended once the block is left."""
    ended: list[Exception] = []

    def ask() -> None:
        with httpx2.Client(trust_env=False, timeout=30) as http:
            try:
                House(house.amazon, http, house.application).refresh(refresh_token)
            except httpx2.HTTPError as error:
                ended.append(error)

    before = house.amazon.levers.count(kind="lwa")
    thread = threading.Thread(target=ask)
    thread.start()
    deadline = time.monotonic() + 60
    while house.amazon.levers.count(kind="lwa") == before and time.monotonic() < deadline:
        time.sleep(0.01)
    yield ended
    thread.join(15)
    assert not thread.is_alive(), "it still hangs"


@pytest.mark.parametrize(
    ("mode", "status", "error"),
    [
        ("500", 500, "server_error"),
        (500, 500, "server_error"),
        ("503", 503, "temporarily_unavailable"),
        ("429", 429, "temporarily_unavailable"),
        ("invalid_client", 401, "invalid_client"),
        ("unauthorized_client", 400, "unauthorized_client"),
        ("500_after", 500, "server_error"),
        ("503_after", 503, "temporarily_unavailable"),
    ],
)
def test_lwa_answers_with_an_error(house: House, mode: str | int, status: int, error: str) -> None:
    code = code_of(house)
    house.amazon.levers.pull("POST", "/lwa/fail", {"mode": mode, "times": 1})
    answer = house.exchange(code)
    assert answer.status_code == status
    assert answer.json()["error"] == error
    [asked] = house.amazon.levers.history(kind="lwa")
    assert (asked["status"], asked["error"], asked["weather"]) == (status, error, str(mode))
    done = str(mode).endswith("_after")
    assert asked["work_done"] is done
    assert house.exchange(code).status_code == (400 if done else 200)


@pytest.mark.parametrize(("mode", "done"), [("drop", False), ("drop_after", True)])
def test_the_connection_drops(house: House, mode: str, done: bool) -> None:
    code = code_of(house)
    house.amazon.levers.fail_lwa(mode, times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        house.exchange(code)
    [asked] = house.amazon.levers.history(kind="lwa")
    assert asked["status"] == 0
    assert asked["work_done"] is done
    assert house.exchange(code).status_code == (400 if done else 200)


def test_the_answer_breaks_off(house: House) -> None:
    code = code_of(house)
    house.amazon.levers.fail_lwa("truncate", times=1)
    with pytest.raises(httpx2.RemoteProtocolError, match="without sending complete"):
        house.exchange(code)
    assert house.exchange(code).status_code == 400, "the work was done"


@pytest.mark.parametrize(("mode", "status"), [("garbage", 200), ("empty", 200), ("html", 503)])
def test_answers_that_are_no_json(house: House, mode: str, status: int) -> None:
    code = code_of(house)
    house.amazon.levers.fail_lwa(mode, times=1)
    answer = house.exchange(code)
    assert answer.status_code == status
    with pytest.raises(ValueError):
        answer.json()
    assert house.exchange(code).status_code == 200, "the work was not done"


@pytest.mark.parametrize("mode", ["hang", "hang_after"])
def test_a_hanging_request_blocks_nobody_and_ends_when_cleared(house: House, mode: str) -> None:
    refresh_token = house.grant(house.seller())
    house.amazon.levers.fail_lwa(mode, times=1)
    with in_the_background(house, refresh_token) as ended:
        assert house.refresh(refresh_token).status_code == 200
        [hanging, _] = house.amazon.levers.history(kind="lwa")
        assert hanging["work_done"] is (mode == "hang_after")
        assert hanging["status"] == (200 if mode == "hang_after" else None)
        assert not ended
        house.amazon.levers.clear()
    assert isinstance(ended[0], httpx2.RemoteProtocolError)
    assert [asked["status"] for asked in house.amazon.levers.history(kind="lwa")] == [0, 200]


def test_a_client_that_gives_up_on_a_hanging_request(house: House) -> None:
    refresh_token = house.grant(house.seller())
    house.amazon.levers.fail_lwa("hang", times=1)
    impatient = httpx2.Timeout(60, read=0.2)
    with (
        httpx2.Client(trust_env=False, timeout=impatient) as http,
        pytest.raises(httpx2.ReadTimeout),
    ):
        House(house.amazon, http, house.application).refresh(refresh_token)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        asked = house.amazon.levers.history(kind="lwa")
        if [one["status"] for one in asked] == [0]:
            break
        time.sleep(0.01)
    assert [one["status"] for one in asked] == [0], "it noticed"


def test_slow_answers_are_right_answers(house: House) -> None:
    refresh_token = house.grant(house.seller())
    house.amazon.levers.fail_lwa("slow", ms=150, times=1)
    began = time.monotonic()
    assert house.refresh(refresh_token).status_code == 200
    assert time.monotonic() - began >= 0.15
    house.amazon.levers.fail_lwa("503", ms=50, times=1)
    assert house.refresh(refresh_token).status_code == 503


def test_times_and_clearing(house: House) -> None:
    refresh_token = house.grant(house.seller())
    house.amazon.levers.fail_lwa("503", times=2)
    assert [house.refresh(refresh_token).status_code for _ in range(3)] == [503, 503, 200]
    house.amazon.levers.fail_lwa("503")
    assert [house.refresh(refresh_token).status_code for _ in range(3)] == [503] * 3
    assert len(house.amazon.levers.pull("GET", "/weather")["items"]) == 1
    assert house.amazon.levers.pull("POST", "/lwa/clear") == {"cleared": 1}
    assert house.refresh(refresh_token).status_code == 200


def test_trouble_can_be_narrowed(house: House) -> None:
    levers = house.amazon.levers
    one, other = house.seller(), house.seller()
    tokens = {name: house.grant(name_of) for name, name_of in (("one", one), ("other", other))}
    levers.fail_lwa("503", partner=one["selling_partner_id"])
    assert house.refresh(tokens["one"]).status_code == 503
    assert house.refresh(tokens["other"]).status_code == 200
    levers.clear()
    levers.fail_lwa("503", grant_type="client_credentials")
    scope = "sellingpartnerapi::notifications"
    assert house.refresh(tokens["one"]).status_code == 200
    assert house.lwa(grant_type="client_credentials", scope=scope).status_code == 503
    levers.clear()
    levers.fail_lwa("503", client_id="somebody else")
    assert house.refresh(tokens["one"]).status_code == 200


def test_a_share_of_the_requests_fails_the_same_way_every_time(house: House) -> None:
    def walk() -> list[int]:
        house.amazon.levers.reset()
        application = house.amazon.levers.application("Again")
        again = House(house.amazon, house.http, application)
        refresh_token = again.grant(again.seller())
        house.amazon.levers.fail_lwa("503", share=0.5)
        return [again.refresh(refresh_token).status_code for _ in range(30)]

    first, second = walk(), walk()
    assert first == second
    assert 5 <= first.count(503) <= 25


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [
        ("500", 500, "InternalFailure"),
        ("503", 503, "ServiceUnavailable"),
        ("429", 429, "QuotaExceeded"),
        ("denied", 403, "Unauthorized"),
        ("invalid_client", 403, "Unauthorized"),
        ("unauthorized_client", 403, "Unauthorized"),
        ("500_after", 500, "InternalFailure"),
    ],
)
def test_sp_api_fails_too(house: House, mode: str, status: int, code: str) -> None:
    token = house.access_token(house.seller())
    house.amazon.levers.fail_spapi(mode, times=1, operation="getMarketplaceParticipations")
    assert house.call("/sellers/v1/account", token).status_code == 200
    answer = house.call(PARTICIPATIONS, token)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["code"] == code
    assert "x-amzn-ratelimit-limit" not in answer.headers
    assert house.call(PARTICIPATIONS, token).status_code == 200


def test_an_expired_client_secret_as_sp_api_tells_it(house: House) -> None:
    token = house.access_token(house.seller())
    house.amazon.levers.fail_spapi("invalid_client")
    details = house.call(PARTICIPATIONS, token).json()["errors"][0]["details"]
    assert details == "The LWA secret token you provided has expired."


def test_sp_api_of_one_region_fails(house: House) -> None:
    token = house.access_token(house.seller())
    house.amazon.levers.fail_spapi("503", region="na")
    assert house.call(PARTICIPATIONS, token).status_code == 200
    house.amazon.levers.fail_spapi("drop", region="eu", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        house.call(PARTICIPATIONS, token)
    assert house.refresh(house.grant(house.seller())).status_code == 200, "LWA is another face"


@pytest.mark.parametrize(
    "wish",
    [
        {"mode": "sunshine"},
        {},
        {"mode": True},
        {"mode": ["503"]},
        {"mode": {}},
        {"mode": "503", "times": 0},
        {"mode": "503", "times": "two"},
        {"mode": "slow", "ms": -1},
        {"mode": "503", "share": 0},
        {"mode": "503", "operation": "getAccount"},
        {"mode": "503", "nonsense": 1},
    ],
    ids=str,
)
def test_wrong_wishes_change_nothing(house: House, wish: dict[str, object]) -> None:
    with pytest.raises(LeverError, match="422"):
        house.amazon.levers.pull("POST", "/lwa/fail", wish)
    assert house.amazon.levers.pull("GET", "/weather")["items"] == []


# --- any status, with any words -------------------------------------------------------------------

BY_TEMPLATE = f"GET {PARTICIPATIONS}"


@pytest.mark.parametrize("status", range(400, 600, 7))
def test_every_status_can_be_had(house: House, status: int) -> None:
    refresh_token = house.grant(house.seller())
    token = house.refresh(refresh_token).json()["access_token"]
    house.amazon.levers.fail_lwa(status, times=1)
    answer = house.refresh(refresh_token)
    assert answer.status_code == status
    assert answer.json()["error"]
    house.amazon.levers.pull("POST", "/spapi/fail", {"status": status, "times": 1})
    answer = house.call(PARTICIPATIONS, token)
    assert answer.status_code == status
    [error] = answer.json()["errors"]
    assert error["code"].isalnum()
    assert error["message"]
    assert house.call(PARTICIPATIONS, token).status_code == 200


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "NotFound", "The resource specified does not exist."),
        (413, "RequestTooLarge", "The request size exceeded the maximum accepted size."),
        (415, "UnsupportedMediaType", "The request payload is in an unsupported format."),
        (418, "ImATeapot", "I'm a Teapot."),
        (429, "QuotaExceeded", "You exceeded your quota for the requested resource."),
        (504, "GatewayTimeout", "Gateway Timeout."),
        (599, "ServerError", "Server Error."),
    ],
)
def test_statuses_have_amazons_words(house: House, status: int, code: str, message: str) -> None:
    token = house.access_token(house.seller())
    house.amazon.levers.fail_spapi(status)
    [error] = house.call(PARTICIPATIONS, token).json()["errors"]
    assert (error["code"], error["message"], error["details"]) == (code, message, "")


def test_words_can_be_wished(house: House) -> None:
    refresh_token = house.grant(house.seller())
    token = house.refresh(refresh_token).json()["access_token"]
    levers = house.amazon.levers
    levers.fail_spapi(403, code="Unauthorized", message="No.", details="Region mismatch", times=1)
    [error] = house.call(PARTICIPATIONS, token).json()["errors"]
    assert error == {"code": "Unauthorized", "message": "No.", "details": "Region mismatch"}
    [asked] = levers.history(operation="getMarketplaceParticipations")
    assert (asked["status"], asked["error"], asked["weather"]) == (403, "Region mismatch", "403")
    levers.fail_lwa(400, code="invalid_grant", message="Gone.")
    answer = house.refresh(refresh_token)
    assert answer.status_code == 400
    assert (answer.json()["error"], answer.json()["error_description"]) == (
        "invalid_grant",
        "Gone.",
    )


def test_any_status_after_the_work(house: House) -> None:
    code = code_of(house)
    house.amazon.levers.fail_lwa("504_after", times=1)
    assert house.exchange(code).status_code == 504
    [asked] = house.amazon.levers.history(kind="lwa")
    assert (asked["work_done"], asked["weather"]) == (True, "504_after")
    assert house.exchange(code).status_code == 400, "the code is spent"


def test_some_calls_pass_first(house: House) -> None:
    refresh_token = house.grant(house.seller())
    house.amazon.levers.fail_lwa(503, after_calls=2, times=2)
    statuses = [house.refresh(refresh_token).status_code for _ in range(6)]
    assert statuses == [200, 200, 503, 503, 200, 200]


def test_until_an_instant_of_the_emulators_clock(house: House) -> None:
    refresh_token = house.grant(house.seller())
    levers = house.amazon.levers
    levers.fail_lwa(503, until="+10 minutes")
    levers.advance(590)
    assert house.refresh(refresh_token).status_code == 503
    levers.advance(11)
    assert house.refresh(refresh_token).status_code == 200
    assert levers.pull("GET", "/weather")["items"] == []
    there = levers.now() + timedelta(hours=1)
    [item] = levers.fail_lwa(503, until=there.isoformat())["items"]
    assert datetime.fromisoformat(item["until"]) - there < timedelta(seconds=1)
    levers.advance(3601)
    assert house.refresh(refresh_token).status_code == 200


@pytest.mark.parametrize("operation", ["getMarketplaceParticipations", PARTICIPATIONS, BY_TEMPLATE])
def test_an_operation_has_an_id_and_a_template(house: House, operation: str) -> None:
    token = house.access_token(house.seller())
    house.amazon.levers.fail_spapi(503, operation=operation)
    assert house.call(PARTICIPATIONS, token).status_code == 503
    assert house.call("/sellers/v1/account", token).status_code == 200


def test_one_application_fails(house: House) -> None:
    refresh_token = house.grant(house.seller())
    other = house.amazon.levers.application("Other")
    house.amazon.levers.fail_lwa(503, application_id=other["application_id"])
    assert house.refresh(refresh_token).status_code == 200
    house.amazon.levers.fail_lwa(503, application_id=house.application_id)
    assert house.refresh(refresh_token).status_code == 503


def test_the_first_that_meets_is_used(house: House) -> None:
    seller, token = (one := house.seller()), house.access_token(one)
    levers = house.amazon.levers
    levers.fail_spapi(500, partner="nobody")
    levers.fail_spapi(502, partner=seller["selling_partner_id"], times=1)
    levers.fail_spapi(504)
    assert [house.call(PARTICIPATIONS, token).status_code for _ in range(2)] == [502, 504]
    levers.clear()
    assert house.call(PARTICIPATIONS, token).status_code == 200


# --- documents and queues -------------------------------------------------------------------------


def document_of(house: House, token: str) -> str:
    """The address of an upload."""
    answer = house.http.post(
        f"{house.amazon.addresses['eu']}/feeds/2021-06-30/documents",
        headers={"x-amz-access-token": token},
        json={"contentType": "text/plain"},
    )
    return str(answer.json()["url"])


def upload(house: House, url: str) -> httpx2.Response:
    return house.http.put(url, content=b"one,two", headers={"content-type": "text/plain"})


def test_uploads_fail(house: House) -> None:
    seller = house.seller()
    url = document_of(house, house.access_token(seller))
    levers = house.amazon.levers
    levers.fail("documents", 503, operation="download")
    assert upload(house, url).status_code == 200
    levers.fail("documents", 503, operation="upload", partner="nobody")
    assert upload(house, url).status_code == 200
    levers.fail("documents", 503, partner=seller["selling_partner_id"], times=1)
    answer = upload(house, url)
    assert answer.status_code == 503
    assert "<Code>SlowDown</Code>" in answer.text
    assert upload(house, url).status_code == 200
    levers.fail("documents", "drop_after", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        upload(house, url)
    levers.fail("documents", 500)
    assert levers.pull("POST", "/documents/clear") == {"cleared": 3}
    assert upload(house, url).status_code == 200


def ask_aws(house: House) -> httpx2.Response:
    return house.http.post(
        house.amazon.addresses["aws"],
        content=b"{}",
        headers={
            "x-amz-target": "AmazonSQS.ListQueues",
            "content-type": "application/x-amz-json-1.0",
        },
    )


def test_queues_fail(house: House) -> None:
    levers = house.amazon.levers
    usual = ask_aws(house).status_code
    assert usual == 403, "nobody has signed"
    levers.fail("aws", 503, operation="AssumeRole")
    assert ask_aws(house).status_code == usual
    levers.fail("aws", 503, operation="ListQueues", times=1, code="Busy", message="Later.")
    answer = ask_aws(house)
    assert answer.status_code == 503
    assert "Busy" in answer.text
    assert "Later." in answer.text
    levers.fail("aws", "garbage", times=1)
    with pytest.raises(ValueError):
        ask_aws(house).json()
    assert levers.pull("POST", "/aws/clear") == {"cleared": 1}
    assert ask_aws(house).status_code == usual


@pytest.mark.parametrize(
    ("face", "wish", "words"),
    [
        ("spapi", {"mode": 399}, "422"),
        ("spapi", {"mode": 600}, "422"),
        ("spapi", {"mode": "5000"}, "422"),
        ("spapi", {"mode": "²00"}, "422"),
        ("spapi", {"status": "drop"}, "422"),
        ("spapi", {"status": 503, "mode": 503}, "422 .*either"),
        ("spapi", {"mode": 503, "operation": "getAcount"}, "404 .*no operation"),
        ("spapi", {"mode": 503, "operation": "POST /sellers/v1/account"}, "404 .*no operation"),
        ("spapi", {"mode": 503, "application_id": "nobody"}, "404 .*no application"),
        ("spapi", {"mode": 503, "until": "yesterday"}, "422 .*'until'"),
        ("spapi", {"mode": 503, "until": "-1 hour"}, "422 .*is past"),
        ("spapi", {"mode": 503, "after_calls": 0}, "422"),
        ("spapi", {"mode": "drop", "code": "Busy"}, "422 .*has no words"),
        ("lwa", {"mode": 503, "details": "x"}, "422 .*details"),
        ("documents", {"mode": 503, "operation": "delete"}, "422 .*upload, download"),
        ("documents", {"mode": "invalid_client"}, "422"),
        ("documents", {"mode": 503, "client_id": "x"}, "422"),
        ("aws", {"mode": "unauthorized_client"}, "422"),
        ("aws", {"mode": 503, "region": "eu"}, "422"),
    ],
    ids=str,
)
def test_weather_that_cannot_be_is_told(
    house: House, face: str, wish: dict[str, object], words: str
) -> None:
    with pytest.raises(LeverError, match=words):
        house.amazon.levers.pull("POST", f"/{face}/fail", wish)
    assert house.amazon.levers.pull("GET", "/weather")["items"] == []
