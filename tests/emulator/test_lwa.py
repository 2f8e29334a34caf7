"""Login with Amazon: every grant type, every error shape."""

from __future__ import annotations

import base64
import json
import logging
import secrets
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from tests.emulator.conftest import OTHER_REDIRECT_URI, REDIRECT_URI, House

DAY = 86400
REFRESH_REFUSED = (
    "The request has an invalid grant parameter : refresh_token. "
    "User may have revoked or didn't grant the permission."
)
CODE_REFUSED = "The request has an invalid grant parameter : code"


def code_of(house: House, **query: str | None) -> str:
    house.amazon.levers.login_leg("never")
    return house.consented(house.seller(), **query).brought["spapi_oauth_code"]


def refused(answer: httpx2.Response, status: int, error: str) -> str:
    """Checks the shape of an error answer; gives its description."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["error"] == error
    assert set(body) == {"error", "error_description", "error_index", "request_id"}
    assert answer.headers["x-amzn-requestid"] == body["request_id"]
    assert answer.headers["cache-control"] == "no-store"
    return str(body["error_description"])


def test_a_code_gives_a_token_pair(house: House) -> None:
    answer = house.exchange(code_of(house), redirect_uri=REDIRECT_URI)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    body = answer.json()
    assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert body["access_token"].startswith("Atza|emulated")
    assert body["refresh_token"].startswith("Atzr|emulated")
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 3600
    assert 255 < len(body["refresh_token"]) <= 2048


def test_the_redirect_uri_may_be_left_out_but_not_differ(house: House) -> None:
    code = code_of(house, redirect_uri=OTHER_REDIRECT_URI)
    wrong = house.exchange(code, redirect_uri=REDIRECT_URI)
    assert refused(wrong, 400, "invalid_grant") == CODE_REFUSED
    assert house.exchange(code).status_code == 200


def test_a_code_works_once(house: House) -> None:
    code = code_of(house)
    assert house.exchange(code).status_code == 200
    assert refused(house.exchange(code), 400, "invalid_grant") == CODE_REFUSED


@pytest.mark.parametrize(("seconds", "status"), [(295, 200), (301, 400)])
def test_a_code_lives_five_minutes(house: House, seconds: int, status: int) -> None:
    code = code_of(house)
    house.amazon.levers.advance(seconds)
    assert house.exchange(code).status_code == status


def test_a_code_belongs_to_its_client(house: House) -> None:
    code = code_of(house)
    other = house.amazon.levers.application("Other")
    answer = house.exchange(
        code, client_id=other["lwa_client_id"], client_secret=other["lwa_client_secret"]
    )
    assert refused(answer, 400, "invalid_grant") == CODE_REFUSED


def test_a_code_of_a_revoked_consent_is_dead(house: House) -> None:
    house.amazon.levers.login_leg("never")
    seller = house.seller()
    code = house.consented(seller).brought["spapi_oauth_code"]
    house.amazon.levers.revoke(seller["selling_partner_id"])
    assert refused(house.exchange(code), 400, "invalid_grant") == CODE_REFUSED


def test_a_made_up_code_is_refused(house: House) -> None:
    assert refused(house.exchange("ANmadeUp"), 400, "invalid_grant") == CODE_REFUSED


def test_a_refresh_gives_the_same_refresh_token_and_kills_no_access_token(house: House) -> None:
    refresh_token = house.grant(house.seller())
    first, second = house.refresh(refresh_token).json(), house.refresh(refresh_token).json()
    assert first["refresh_token"] == second["refresh_token"] == refresh_token
    assert first["access_token"] != second["access_token"]
    for body in (first, second):
        path = "/sellers/v1/marketplaceParticipations"
        assert house.call(path, body["access_token"]).status_code == 200


def test_dead_refresh_tokens_are_told_with_lwas_words(house: House) -> None:
    seller = house.seller()
    refresh_token = house.grant(seller)
    other = house.amazon.levers.application("Other")
    foreign = house.refresh(
        refresh_token, client_id=other["lwa_client_id"], client_secret=other["lwa_client_secret"]
    )
    unknown = house.refresh("Atzr|emulated-nothing")
    house.amazon.levers.revoke(seller["selling_partner_id"])
    revoked = house.refresh(refresh_token)
    for answer in (foreign, unknown, revoked):
        assert refused(answer, 400, "invalid_grant") == REFRESH_REFUSED


def test_a_grant_ends_after_365_days_and_a_self_authorization_does_not(house: House) -> None:
    house.amazon.levers.login_leg("never")
    seller = house.seller()
    code = house.consented(seller).brought["spapi_oauth_code"]
    granted = house.exchange(code).json()["refresh_token"]
    own = house.grant(house.seller())
    for _ in range(3):  # keep the client secret alive meanwhile
        house.amazon.levers.advance(121 * DAY)
        house.application = house.amazon.levers.rotate(house.application_id)
    assert house.refresh(granted).status_code == 200
    house.amazon.levers.advance(3 * DAY)
    assert refused(house.refresh(granted), 400, "invalid_grant") == REFRESH_REFUSED
    assert house.refresh(own).status_code == 200
    house.amazon.levers.pull(
        "POST", "/reinstate", {"selling_partner_id": seller["selling_partner_id"]}
    )
    assert house.refresh(granted).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "amzn1.application-oa2-client.emulated-nobody"},
        {"client_secret": "wrong"},
        {"client_secret": "amzn1.oa2-cs.v1.emulated00"},
        {"client_id": "ä", "client_secret": "ö"},
    ],
    ids=["client", "secret", "own shape", "not ascii"],
)
def test_a_wrong_client_is_told(house: House, wrong: dict[str, str]) -> None:
    answer = house.refresh(house.grant(house.seller()), **wrong)
    assert refused(answer, 401, "invalid_client") == "Client authentication failed"


def test_client_secrets_last_180_days_and_7_after_a_rotation(house: House) -> None:
    levers = house.amazon.levers
    refresh_token = house.grant(house.seller())
    levers.advance(179 * DAY)
    assert house.refresh(refresh_token).status_code == 200
    levers.advance(2 * DAY)
    refused(house.refresh(refresh_token), 401, "invalid_client")

    before = levers.rotate(house.application_id)["lwa_client_secret"]
    after = levers.rotate(house.application_id)["lwa_client_secret"]
    assert before != after
    levers.advance(6.9 * DAY)
    for secret in (before, after):
        assert house.refresh(refresh_token, client_secret=secret).status_code == 200
    levers.advance(0.2 * DAY)
    refused(house.refresh(refresh_token, client_secret=before), 401, "invalid_client")
    assert house.refresh(refresh_token, client_secret=after).status_code == 200
    levers.expire("secret", application_id=house.application_id)
    refused(house.refresh(refresh_token, client_secret=after), 401, "invalid_client")


def test_grantless_tokens_have_a_scope_and_no_refresh_token(house: House) -> None:
    scope = "sellingpartnerapi::notifications"
    answer = house.lwa(grant_type="client_credentials", scope=scope)
    assert answer.status_code == 200
    body = answer.json()
    assert "refresh_token" not in body
    assert body["scope"] == scope
    path = "/sellers/v1/marketplaceParticipations"
    assert house.call(path, body["access_token"]).status_code == 403


def test_scopes_are_checked(house: House) -> None:
    ask: dict[str, Any] = {"grant_type": "client_credentials"}
    refused(house.lwa(**ask, scope="sellingpartnerapi::everything"), 400, "invalid_scope")
    refused(house.lwa(**ask), 400, "invalid_request")
    both = house.lwa(**ask, scope="sellingpartnerapi::notifications", refresh_token="Atzr|emulated")
    refused(both, 400, "invalid_request")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "implicit", "client_id": None}, "unsupported_grant_type"),
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token", "client_id": None}, "invalid_request"),
        ({"grant_type": "refresh_token", "client_secret": None}, "invalid_request"),
    ],
)
def test_incomplete_requests(house: House, fields: dict[str, str | None], error: str) -> None:
    refused(house.lwa(**fields), 400, error)


def test_json_bodies_and_basic_authentication_work_too(house: House) -> None:
    url = f"{house.amazon.addresses['lwa']}/auth/o2/token"
    ask = {"grant_type": "refresh_token", "refresh_token": house.grant(house.seller())}
    as_json = house.http.post(url, json={**ask, **house.client})
    assert as_json.status_code == 200
    charset = {"content-type": "application/json; charset=utf-8"}
    spelled = house.http.post(url, content=json.dumps({**ask, **house.client}), headers=charset)
    assert spelled.status_code == 200
    basic = house.http.post(url, data=ask, auth=tuple(house.client.values()))  # type: ignore[arg-type]
    assert basic.status_code == 200
    wrong = house.http.post(url, data=ask, auth=(house.client["client_id"], "wrong"))
    refused(wrong, 401, "invalid_client")
    broken = base64.b64encode(b"no colon").decode()
    for header in (f"Basic {broken}", "Basic ***", "Basic /w=="):
        answer = house.http.post(url, data=ask, headers={"authorization": header})
        refused(answer, 401, "invalid_client")


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        ("application/json", b"{", "invalid_request"),
        ("application/json", b"[" * 50_000, "invalid_request"),
        ("application/json", b'{"grant_type": 7}', "invalid_request"),
        ("application/json", b'["grant_type"]', "invalid_request"),
        ("application/json", b'{"grant_type": "\\ud800"}', "invalid_request"),
        ("application/json", b'{"grant_type": ' + b"9" * 9999 + b"}", "invalid_request"),
        ("application/json", b"\xff\xfe", "invalid_request"),
        ("application/x-www-form-urlencoded", b"\xff\xfe", "invalid_request"),
        ("application/x-www-form-urlencoded", b"", "invalid_request"),
        ("application/x-www-form-urlencoded", b"grant_type=a&grant_type=b", "invalid_request"),
        ("application/x-www-form-urlencoded", b"a=b&" * 60, "invalid_request"),
        ("text/plain", b"grant_type=refresh_token", "unsupported_grant_type"),
        ("multipart/form-data; boundary=x", b"--x", "unsupported_grant_type"),
    ],
)
def test_broken_bodies(house: House, kind: str, body: bytes, error: str) -> None:
    url = f"{house.amazon.addresses['lwa']}/auth/o2/token"
    refused(house.http.post(url, content=body, headers={"content-type": kind}), 400, error)


def test_a_huge_body_is_refused(house: House) -> None:
    url = f"{house.amazon.addresses['lwa']}/auth/o2/token"
    answer = house.http.post(
        url, content=b"x" * 2_000_000, headers={"content-type": "application/json"}
    )
    refused(answer, 413, "invalid_request")


def test_only_post_only_there(house: House) -> None:
    lwa = house.amazon.addresses["lwa"]
    assert house.http.get(f"{lwa}/auth/o2/token").status_code == 405
    assert house.http.post(f"{lwa}/auth/o2/other").status_code == 404


def test_real_looking_credentials_are_refused_and_not_written_down(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    lookalikes = {
        "client_id": f"amzn1.application-oa2-client.{secrets.token_hex(16)}",
        "client_secret": f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}",
        "refresh_token": f"Atzr|{secrets.token_urlsafe(200)}",
    }
    with caplog.at_level(logging.ERROR, logger="amazon_emulator"):
        for name, value in lookalikes.items():
            fields = {"grant_type": "refresh_token", "refresh_token": "x", name: value}
            words = refused(house.lwa(**fields), 400, "invalid_request")
            assert name in words
            assert value not in words
    assert len(caplog.records) == len(lookalikes)
    everything = caplog.text + json.dumps(house.amazon.levers.history())
    assert not [value for value in lookalikes.values() if value in everything]


def test_history_counts_and_holds_no_secret(house: House) -> None:
    levers = house.amazon.levers
    seller = house.seller()
    levers.login_leg("never")
    code = house.consented(seller).brought["spapi_oauth_code"]
    pair = house.exchange(code).json()
    house.refresh(pair["refresh_token"])
    house.refresh(pair["refresh_token"], client_secret="wrong")
    house.lwa(grant_type="client_credentials", scope="sellingpartnerapi::notifications")
    house.lwa(grant_type="nonsense")
    partner_id = seller["selling_partner_id"]
    assert levers.count(kind="lwa") == 5
    assert levers.count(kind="lwa", partner=partner_id) == 3
    assert levers.count(kind="lwa.refresh", partner=partner_id) == 2
    assert levers.count(kind="lwa.refresh", status=200) == 1
    assert levers.count(kind="lwa", error="invalid_client") == 1
    assert levers.count(kind="lwa", grant_type="authorization_code") == 1
    first = levers.history(kind="lwa")[0]
    assert first["client_id"] == house.client["client_id"]
    assert first["work_done"] is True
    assert datetime.fromisoformat(first["at"]).tzinfo == UTC
    written = json.dumps(levers.history())
    secret = [code, pair["access_token"], pair["refresh_token"], house.client["client_secret"]]
    assert not [value for value in [*secret, seller["password"]] if value in written]
