"""A client secret's whole life by clock jumps: notices, rotations, losses, overlap, the end."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from tests.emulator.aws_desk import Program, bodies, program, receive
from tests.emulator.conftest import House
from tests.emulator.test_rotation import DAY_S, enrol, grantless, instant, message, rotate, works


@pytest.fixture
def reader(house: House) -> Program:
    return program(house.amazon, house.http, name="keeper")


@pytest.fixture
def url(house: House, reader: Program) -> str:
    """A queue that keeps its messages for fourteen days, enrolled for both kinds of notice."""
    wish = {"name": "secrets", "attributes": {"MessageRetentionPeriod": "1209600"}}
    made = house.amazon.levers.pull("POST", "/queues", wish)
    enrol(house, new_secret_queue_arn=made["arn"], expiry_queue_arn=made["arn"])
    return str(made["url"])


def fresh_secret(messages: list[Any]) -> dict[str, str]:
    """What the one message about a new secret says."""
    payloads = [json.loads(one["Body"])["payload"] for one in messages]
    [found] = [one for one in payloads if "applicationOAuthClientNewSecret" in one]
    told: dict[str, str] = found["applicationOAuthClientNewSecret"]
    return told


def account(house: House, token: str) -> httpx2.Response:
    return house.call("/sellers/v1/account", token)


def test_two_rotations_and_what_survives_them(house: House, reader: Program, url: str) -> None:
    """Day 95: a first rotation; day 200: a second. Refresh tokens live through both."""
    refresh = house.grant(house.seller())
    known = [house.client["client_secret"]]
    for days in (95, 105):
        house.amazon.levers.advance(days * DAY_S)
        token = str(house.refresh(refresh).json()["access_token"])
        assert rotate(house).status_code == 204
        told = fresh_secret(receive(reader, url))
        known.append(told["newClientSecret"])
        # An access token of before goes on, and both secrets get new ones.
        assert account(house, token).status_code == 200
        for secret in known[-2:]:
            assert house.refresh(refresh, client_secret=secret).status_code == 200
        assert not any(works(house, secret) for secret in known[:-2])
        house.application["lwa_client_secret"] = known[-1]
        house.amazon.levers.advance(8 * DAY_S)
        assert [works(house, secret) for secret in known[-2:]] == [False, True]
        assert account(house, str(house.refresh(refresh).json()["access_token"])).status_code == 200
    assert len(set(known)) == 3
    everything = json.dumps(house.amazon.levers.history())
    assert not any(secret in everything for secret in known)


def test_the_old_secret_dies_to_the_second(house: House, reader: Program, url: str) -> None:
    old = house.client["client_secret"]
    assert rotate(house).status_code == 204
    told = fresh_secret(receive(reader, url))
    end = instant(told["oldClientSecretExpiryTime"])
    house.amazon.levers.advance((end - house.amazon.levers.now()).total_seconds() - 5)
    assert works(house, old)
    token = grantless(house)
    house.amazon.levers.advance(6)
    assert not works(house, old)
    # An access token that the old secret got lives out its hour.
    answer = rotate(house, token)
    assert "less than seven days" not in answer.text
    assert answer.status_code == 204


def test_the_new_secret_dies_to_the_second(house: House, reader: Program, url: str) -> None:
    assert rotate(house).status_code == 204
    told = fresh_secret(receive(reader, url))
    end = instant(told["newClientSecretExpiryTime"])
    fresh = told["newClientSecret"]
    house.amazon.levers.advance((end - house.amazon.levers.now()).total_seconds() - 5)
    assert works(house, fresh)
    house.amazon.levers.advance(6)
    assert not works(house, fresh)


def test_four_hundred_days_at_once_and_back(house: House, reader: Program, url: str) -> None:
    refresh = house.grant(house.seller())
    began = house.amazon.levers.now()
    house.amazon.levers.advance(400 * DAY_S)
    assert house.refresh(refresh).json()["error"] == "invalid_client"
    # Fourteen days is all that the queue keeps.
    assert bodies(house.amazon, "secrets") == []
    kind = "notification.APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY"
    assert house.amazon.levers.count(kind=kind) == 13
    # By hand at the portal everything goes on: a self-authorization has no end.
    house.application |= house.amazon.levers.rotate(house.application_id)
    assert house.refresh(refresh).status_code == 200
    house.amazon.levers.advance(-400 * DAY_S)
    assert abs((house.amazon.levers.now() - began).total_seconds()) < 60
    assert house.refresh(refresh).status_code == 200
    # What was told is not told again when the same days pass a second time.
    house.amazon.levers.advance(170 * DAY_S)
    assert house.amazon.levers.count(kind=kind) == 13


def test_a_crash_before_deleting(house: House, reader: Program, url: str) -> None:
    """Received, stored, and the program dies: the message comes again when visibility runs out, as
    often as it is not deleted, always with the same secret."""
    assert rotate(house).status_code == 204
    seen = []
    for count in range(1, 4):
        [told] = receive(reader, url)
        assert told["Attributes"]["ApproximateReceiveCount"] == str(count)
        seen.append(fresh_secret([told])["newClientSecret"])
        assert receive(reader, url) == []
        house.amazon.levers.advance(31)
    assert len(set(seen)) == 1
    assert works(house, seen[0])
    # Never deleted: it is gone after the queue's fourteen days, the secret is good all the same.
    house.amazon.levers.advance(14 * DAY_S)
    assert receive(reader, url) == []
    assert bodies(house.amazon, "secrets") == []
    assert works(house, seen[0])


def test_a_message_that_comes_twice_is_one_notification(
    house: House, reader: Program, url: str
) -> None:
    house.amazon.levers.pull("POST", "/queues/duplicate", {})
    assert rotate(house).status_code == 204
    one, other = receive(reader, url)
    assert one["MessageId"] != other["MessageId"]
    assert one["Body"] == other["Body"]
    assert len(house.amazon.stage.world.applications[house.application_id].secrets) == 2


def test_an_enrolment_taken_away_in_between(house: House, reader: Program, url: str) -> None:
    house.amazon.levers.pull("POST", "/queues/delay", {"seconds": 600})
    assert rotate(house).status_code == 204
    enrol(house)
    # What is on its way arrives; a further rotation is refused, and no notices are sent.
    house.amazon.levers.advance(601)
    fresh = fresh_secret(receive(reader, url))["newClientSecret"]
    house.application["lwa_client_secret"] = fresh
    house.amazon.levers.advance(10 * DAY_S)
    assert "not enrolled" in message(rotate(house))
    house.amazon.levers.advance(100 * DAY_S)
    kind = "notification.APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY"
    assert house.amazon.levers.count(kind=kind) == 0


def test_a_queue_that_is_gone_loses_the_secret(house: House, reader: Program, url: str) -> None:
    reader.said("DeleteQueue", QueueUrl=url)
    assert rotate(house).status_code == 204
    kind = "notification.APPLICATION_OAUTH_CLIENT_NEW_SECRET"
    [asked] = house.amazon.levers.history(kind=kind)
    assert asked["status"] == 403
    assert "no queue" in asked["error"]
    assert works(house, house.client["client_secret"])


def test_a_dropped_answer_is_a_rotation_all_the_same(
    house: House, reader: Program, url: str
) -> None:
    """The program sees no 204; asking again is refused, and the secret is in the queue."""
    house.amazon.levers.advance(120)
    token = grantless(house)
    wish = {"mode": "drop_after", "times": 1}
    house.amazon.levers.pull("POST", "/spapi/fail", wish)
    with pytest.raises(httpx2.HTTPError):
        rotate(house, token)
    assert "less than seven days" in message(rotate(house))
    assert works(house, fresh_secret(receive(reader, url))["newClientSecret"])


def test_no_lever_but_the_queues_content_tells_a_secret(
    house: House, reader: Program, url: str
) -> None:
    assert rotate(house).status_code == 204
    fresh = bodies(house.amazon, "secrets")[0]["payload"]["applicationOAuthClientNewSecret"][
        "newClientSecret"
    ]
    levers = house.amazon.addresses["levers"]
    for lever in house.http.get(levers).json()["levers"]:
        if lever["method"] == "GET" and "{" not in lever["path"]:
            text = house.http.get(f"{levers}{lever['path']}").text
            assert fresh not in text, lever["path"]
            assert house.client["client_secret"] not in text, lever["path"]


def test_applications_rotate_apart(house: House, reader: Program, url: str) -> None:
    other = house.amazon.levers.application("Other")
    theirs = House(house.amazon, house.http, other)
    arn = house.amazon.levers.pull("POST", "/queues", {"name": "theirs"})["arn"]
    enrol(theirs, new_secret_queue_arn=arn)
    assert rotate(theirs).status_code == 204
    assert receive(reader, url) == []
    [body] = bodies(house.amazon, "theirs")
    assert body["notificationMetadata"]["applicationId"] == other["application_id"]
    assert len(house.amazon.stage.world.applications[house.application_id].secrets) == 1
    fresh = body["payload"]["applicationOAuthClientNewSecret"]["newClientSecret"]
    assert not works(house, fresh)
    assert works(theirs, fresh)
