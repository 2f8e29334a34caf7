"""Amazon's notifications about client secrets, and everything that is none."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.rules.rotation_messages import NewSecret, SecretEnding, Unread, read
from evergrant.rules.secrecy import Secret

SECRET = f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}"
CLIENT = "amzn1.application-oa2-client.5f0c"


def envelope(kind: str, payload: Any) -> dict[str, Any]:
    return {
        "notificationVersion": "1.0",
        "notificationType": kind,
        "payloadVersion": "2023-11-30",
        "eventTime": "2024-01-10T22:09:17.456Z",
        "payload": payload,
        "notificationMetadata": {
            "applicationId": "amzn1.sp.solution.x",
            "subscriptionId": "7d78cc50-95c8-4641-add7-10af4b1fedc9",
            "publishTime": "2024-01-10T22:09:18.706Z",
            "notificationId": "d0e9e693-c3ad-4373-979f-ed4ec98dd746",
        },
    }


def new_secret(**changes: Any) -> dict[str, Any]:
    part = {
        "clientId": CLIENT,
        "newClientSecret": SECRET,
        "newClientSecretExpiryTime": "2024-07-08T22:09:17.198Z",
        "oldClientSecretExpiryTime": "2024-01-17T22:09:17.180Z",
        **changes,
    }
    return envelope(
        "APPLICATION_OAUTH_CLIENT_NEW_SECRET", {"applicationOAuthClientNewSecret": part}
    )


def ending(**changes: Any) -> dict[str, Any]:
    part = {
        "clientId": CLIENT,
        "clientSecretExpiryTime": "2024-03-03T22:06:39.224Z",
        "clientSecretExpiryReason": "PERIODIC_ROTATION",
        **changes,
    }
    return envelope(
        "APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY", {"applicationOAuthClientSecretExpiry": part}
    )


def recased(value: Any, how: Any) -> Any:
    if isinstance(value, dict):
        return {how(name): recased(inner, how) for name, inner in value.items()}
    return value


def of(body: Any) -> Any:
    return read(Secret(body if isinstance(body, str) else json.dumps(body)))


@pytest.mark.parametrize(
    "how", [str, str.lower, str.upper, lambda name: name[:1].upper() + name[1:], str.swapcase]
)
def test_both_are_read_whatever_the_case_of_their_keys(how: Any) -> None:
    told = of(recased({**new_secret(), "unknown": {"more": [1]}}, how))
    assert isinstance(told, NewSecret)
    assert told.lwa_client_id == CLIENT
    assert told.secret == Secret(SECRET)
    assert told.expires_at == datetime(2024, 7, 8, 22, 9, 17, 198000, UTC)
    assert told.previous_ends_at == datetime(2024, 1, 17, 22, 9, 17, 180000, UTC)
    assert told.at == datetime(2024, 1, 10, 22, 9, 17, 456000, UTC)
    assert told.notification_id == "d0e9e693-c3ad-4373-979f-ed4ec98dd746"
    end = of(recased(ending(), how))
    assert end == SecretEnding(
        lwa_client_id=CLIENT,
        expires_at=datetime(2024, 3, 3, 22, 6, 39, 224000, UTC),
        reason="PERIODIC_ROTATION",
        at=told.at,
        notification_id=told.notification_id,
    )


def test_a_secret_is_worth_more_than_its_dates() -> None:
    odd: list[Any] = [None, 7, "soon", "9999-99-99", "9999-12-31T23:59:59-14:00", {}, []]
    for nonsense in odd:
        told = of(
            new_secret(newClientSecretExpiryTime=nonsense, oldClientSecretExpiryTime=nonsense)
        )
        assert isinstance(told, NewSecret)
        assert (told.expires_at, told.previous_ends_at) == (None, None)
    bare = new_secret()
    del bare["eventTime"], bare["notificationMetadata"]
    told = of(bare)
    assert isinstance(told, NewSecret)
    assert (told.at, told.notification_id) == (None, "")


def test_an_end_that_no_secret_can_have_is_none() -> None:
    assert isinstance(of(ending(clientSecretExpiryTime="2099-01-01T00:00:00Z")), Unread)
    told = of(new_secret(newClientSecretExpiryTime="2099-01-01T00:00:00Z"))
    assert isinstance(told, NewSecret)
    assert told.expires_at is None


def test_a_forced_rotation_has_another_reason_and_an_odd_one_is_left_out() -> None:
    assert of(ending(clientSecretExpiryReason="COMPROMISED")).reason == "COMPROMISED"
    for odd in (None, 3, "with blanks in it", "x" * 200):
        assert of(ending(clientSecretExpiryReason=odd)).reason == ""


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "[" * 100_000,
        "9" * 10_000,
        "null",
        "[]",
        "7",
        "{}",
        {"notificationType": 3},
        {"notificationType": "ORDER_CHANGE", "payload": {}},
        {"notificationType": f"odd {SECRET}"},
        envelope("APPLICATION_OAUTH_CLIENT_NEW_SECRET", None),
        envelope("APPLICATION_OAUTH_CLIENT_NEW_SECRET", [SECRET]),
        envelope("APPLICATION_OAUTH_CLIENT_NEW_SECRET", {"newClientSecret": SECRET}),
        new_secret(newClientSecret=""),
        new_secret(newClientSecret=None),
        new_secret(newClientSecret=[SECRET]),
        new_secret(newClientSecret=f"{SECRET} {SECRET}"),
        new_secret(newClientSecret="x" * 600),
        new_secret(newclientsecret="amzn1.oa2-cs.v1.another"),
        new_secret(clientId=""),
        new_secret(clientId=None),
        new_secret(clientId="x" * 300),
        ending(clientSecretExpiryTime=None),
        ending(clientSecretExpiryTime="tomorrow"),
        ending(clientId=7),
        {**new_secret(), "padding": "x" * 300_000},
    ],
)
def test_whatever_else_it_is_says_what_is_wrong_and_nothing_of_its_content(body: Any) -> None:
    told = of(body)
    assert isinstance(told, Unread)
    assert told.why.endswith(".")
    assert SECRET not in told.why
    assert "amzn1" not in told.why


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.text() | json_values.map(json.dumps))
def test_nothing_makes_it_raise(text: str) -> None:
    told = read(Secret(text))
    assert isinstance(told, (NewSecret, SecretEnding, Unread))
    assert SECRET not in repr(told)


@given(st.data())
def test_a_message_with_any_part_replaced_is_read_or_refused(data: st.DataObject) -> None:
    body = data.draw(st.sampled_from([new_secret(), ending()]))
    target: Any = body
    for _ in range(data.draw(st.integers(0, 2))):
        below = [name for name, inner in target.items() if isinstance(inner, dict)]
        if not below:
            break
        target = target[data.draw(st.sampled_from(sorted(below)))]
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(json_values)
    told = of(body)
    assert isinstance(told, (NewSecret, SecretEnding, Unread))
    if isinstance(told, Unread):
        assert SECRET not in told.why
