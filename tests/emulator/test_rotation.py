"""Client secrets: rotation by queue, seven days of two, 180 days, notices before the end."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from amazon_emulator import issuing
from amazon_emulator.stage import Stage
from amazon_emulator.trade.queues.notices import Post
from amazon_emulator.trade.queues.rotation import Enrolments
from tests.emulator.aws_desk import bodies, program, receive
from tests.emulator.conftest import House

PATH = "/applications/2023-11-30/clientSecret"
SCOPE = "sellingpartnerapi::client_credential:rotation"
NOT_ENROLLED = (
    "Application is not enrolled for rotation notification. Please update application notification "
    "preference in Developer console."
)
DAY_S = 86_400


@pytest.fixture
def arns(house: House) -> dict[str, str]:
    """Two queues, and the application enrolled for both."""
    pull = house.amazon.levers.pull
    made = {
        "new_secret_queue_arn": pull("POST", "/queues", {"name": "new-secret"})["arn"],
        "expiry_queue_arn": pull("POST", "/queues", {"name": "expiry"})["arn"],
    }
    enrol(house, **made)
    return made


def enrol(house: House, **arns: str | None) -> Any:
    path = f"/world/applications/{house.application_id}/rotation-queues"
    return house.amazon.levers.pull("PUT", path, arns)


def grantless(house: House, **fields: str) -> str:
    answer = house.lwa(grant_type="client_credentials", scope=SCOPE, **fields)
    return str(answer.json()["access_token"])


def rotate(house: House, token: str | None = None) -> httpx2.Response:
    # More than the minute that the usage plan asks for.
    house.amazon.levers.advance(120)
    return house.http.post(
        f"{house.amazon.addresses['eu']}{PATH}",
        headers={"x-amz-access-token": token or grantless(house)},
        json={},
    )


def message(answer: httpx2.Response) -> str:
    assert answer.status_code == 400, answer.text
    [error] = answer.json()["errors"]
    assert error["code"] == "InvalidInput"
    return str(error["message"])


def works(house: House, secret: str) -> bool:
    answer = house.lwa(grant_type="client_credentials", scope=SCOPE, client_secret=secret)
    return answer.status_code == 200


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def notices(house: House, name: str = "expiry") -> list[Any]:
    """What is in a queue that keeps everything for the test's months."""
    return [body["payload"] for body in bodies(house.amazon, name)]


def told_days(house: House) -> list[int]:
    """On which days before the end the notices of expiry were sent, from the history."""
    application = house.amazon.stage.world.applications[house.application_id]
    end = application.secrets[0].ends_at
    kind = "notification.APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY"
    history = house.amazon.levers.history(kind=kind)
    return [round((end - instant(asked["at"])) / timedelta(days=1)) for asked in history]


# --- rotation -------------------------------------------------------------------------------------


def test_the_new_secret_comes_by_queue_only(house: House, arns: dict[str, str]) -> None:
    before = house.client["client_secret"]
    answer = rotate(house)
    assert (answer.status_code, answer.content) == (204, b"")
    [body] = bodies(house.amazon, "new-secret")
    assert set(body) == {
        *("notificationVersion", "notificationType", "payloadVersion", "eventTime", "payload"),
        "notificationMetadata",
    }
    assert body["notificationType"] == "APPLICATION_OAUTH_CLIENT_NEW_SECRET"
    assert (body["notificationVersion"], body["payloadVersion"]) == ("1.0", "2023-11-30")
    assert set(body["notificationMetadata"]) == {
        *("applicationId", "subscriptionId", "publishTime", "notificationId"),
    }
    assert body["notificationMetadata"]["applicationId"] == house.application_id
    [(name, payload)] = body["payload"].items()
    assert name == "applicationOAuthClientNewSecret"
    assert payload["clientId"] == house.client["client_id"]
    fresh = payload["newClientSecret"]
    assert fresh.startswith("amzn1.oa2-cs.v1.emulated")
    happened_at = instant(body["eventTime"])
    new_end = instant(payload["newClientSecretExpiryTime"])
    old_end = instant(payload["oldClientSecretExpiryTime"])
    assert new_end - happened_at == timedelta(days=180)
    assert old_end - happened_at == timedelta(days=7)
    assert works(house, before)
    assert works(house, fresh)
    house.amazon.levers.advance(7 * DAY_S)
    assert not works(house, before)
    assert works(house, fresh)
    everything = json.dumps(house.amazon.levers.history())
    assert fresh not in everything
    assert before not in everything


def test_a_program_takes_it_from_the_queue(house: House, arns: dict[str, str]) -> None:
    """As an operator would: a key that may only assume a role, a role that reads the queue."""
    amazon = house.amazon
    keeper = program(amazon, house.http, may_use_queues=False)
    wish = {"name": "rotation", "may_be_assumed_by": [keeper.key]}
    role = amazon.levers.pull("POST", "/world/aws-roles", wish)["arn"]
    assert rotate(house).status_code == 204
    reader = keeper.assume(role)
    url = f"{amazon.addresses['aws']}/111122223333/new-secret"
    [message] = receive(reader, url, WaitTimeSeconds=20)
    fresh = json.loads(message["Body"])["payload"]["applicationOAuthClientNewSecret"]
    assert works(house, fresh["newClientSecret"])
    reader.said("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert bodies(amazon, "new-secret") == []


def test_who_is_not_enrolled(house: House) -> None:
    assert message(rotate(house)) == NOT_ENROLLED
    arn = house.amazon.levers.pull("POST", "/queues", {"name": "expiry"})["arn"]
    enrol(house, expiry_queue_arn=arn)
    assert message(rotate(house)) == NOT_ENROLLED
    assert len(house.amazon.stage.world.applications[house.application_id].secrets) == 1
    shut = {"name": "shut", "open_to_amazon": False}
    shut_arn = house.amazon.levers.pull("POST", "/queues", shut)["arn"]
    for wrong in (shut_arn, "arn:aws:sqs:eu-west-1:1:none"):
        with pytest.raises(Exception, match=r"allow|no queue"):
            enrol(house, new_secret_queue_arn=wrong)
    enrol(house, new_secret_queue_arn=arn)
    assert rotate(house).status_code == 204


def test_the_scope_of_rotation_is_needed(house: House, arns: dict[str, str]) -> None:
    other = house.lwa(grant_type="client_credentials", scope="sellingpartnerapi::notifications")
    assert rotate(house, other.json()["access_token"]).status_code == 403
    assert rotate(house, house.access_token(house.seller())).status_code == 403
    assert bodies(house.amazon, "new-secret") == []


def test_a_second_rotation_within_seven_days(house: House, arns: dict[str, str]) -> None:
    assert rotate(house).status_code == 204
    house.amazon.levers.advance(6 * DAY_S)
    assert "less than seven days" in message(rotate(house))
    house.amazon.levers.pull("PATCH", "/habits/services", {"second_rotation": "allow"})
    assert rotate(house).status_code == 204
    house.amazon.levers.pull("PATCH", "/habits/services", {"second_rotation": "refuse"})
    known = house.amazon.stage.world.applications[house.application_id].secrets
    assert [works(house, secret.value) for secret in known] == [True, True]
    assert not works(house, house.client["client_secret"])  # the third is out
    house.amazon.levers.advance(7 * DAY_S + 60)
    assert [works(house, secret.value) for secret in known] == [True, False]
    token = grantless(house, client_secret=known[0].value)
    assert rotate(house, token).status_code == 204


def test_a_lost_message_is_a_lost_secret(house: House, arns: dict[str, str]) -> None:
    house.amazon.levers.pull("POST", "/queues/lose", {})
    assert rotate(house).status_code == 204
    assert bodies(house.amazon, "new-secret") == []
    assert len(house.amazon.stage.world.applications[house.application_id].secrets) == 2
    assert works(house, house.client["client_secret"])
    house.amazon.levers.advance(7 * DAY_S)
    assert not works(house, house.client["client_secret"])
    # By hand at the portal it can always be had.
    fresh = house.amazon.levers.rotate(house.application_id)["lwa_client_secret"]
    assert works(house, fresh)


def test_a_secret_on_its_way_is_in_no_plain_export(house: House, arns: dict[str, str]) -> None:
    house.amazon.levers.pull("POST", "/queues/delay", {"seconds": 600})
    assert rotate(house).status_code == 204
    post = house.amazon.stage.of(Post)
    assert post.as_json()["under_way"] == []
    [row] = post.as_json(credentials=True)["under_way"]
    assert row["payload"]["applicationOAuthClientNewSecret"]["newClientSecret"]


def test_answers_as_the_model_has_them(house: House, models: Path) -> None:
    model = json.loads(
        (models / "application-management-api-model" / "application_2023-11-30.json").read_text()
    )
    responses = model["paths"][PATH]["post"]["responses"]
    [case] = responses["400"]["x-amzn-api-sandbox"]["static"]
    [error] = case["response"]["errors"]
    assert (error["code"], error["message"]) == ("InvalidInput", message(rotate(house)))


# --- notices before the end -----------------------------------------------------------------------


def test_notices_from_ninety_days_before_the_end(house: House, arns: dict[str, str]) -> None:
    amazon = house.amazon
    amazon.levers.advance(89 * DAY_S)
    assert notices(house) == []
    amazon.levers.advance(1.01 * DAY_S)
    [payload] = notices(house)
    application = amazon.stage.world.applications[house.application_id]
    [(name, told)] = payload.items()
    assert name == "applicationOAuthClientSecretExpiry"
    assert told["clientId"] == house.client["client_id"]
    end = instant(told["clientSecretExpiryTime"])
    assert abs(end - application.secrets[0].ends_at) < timedelta(seconds=1)
    assert told["clientSecretExpiryReason"] == "PERIODIC_ROTATION"
    for _ in range(200):
        amazon.levers.advance(DAY_S)
    assert told_days(house) == [90, 83, 76, 69, 62, 55, 48, 41, 34, 27, 20, 13, 6]


def test_one_jump_brings_all_of_them(house: House, arns: dict[str, str]) -> None:
    house.amazon.levers.advance(400 * DAY_S)
    assert told_days(house) == [90, 83, 76, 69, 62, 55, 48, 41, 34, 27, 20, 13, 6]


def test_an_enrolment_late_in_the_term_is_told_at_once(house: House) -> None:
    house.amazon.levers.advance(150 * DAY_S)
    arn = house.amazon.levers.pull("POST", "/queues", {"name": "expiry"})["arn"]
    enrol(house, expiry_queue_arn=arn)
    assert told_days(house) == [30]
    # Once more: the clock of notices begins anew, and the one before is over.
    enrol(house, expiry_queue_arn=arn)
    house.amazon.levers.advance(8 * DAY_S)
    house.amazon.levers.now()
    assert told_days(house) == [30, 30, 23]


@pytest.mark.parametrize("by_hand", [False, True], ids=["by call", "by hand"])
def test_a_rotation_ends_the_notices(house: House, arns: dict[str, str], by_hand: bool) -> None:
    house.amazon.levers.advance(100 * DAY_S)
    assert told_days(house) == [90, 83]
    count = 2
    if by_hand:
        house.amazon.levers.rotate(house.application_id)
    else:
        assert rotate(house).status_code == 204
    house.amazon.levers.advance(89 * DAY_S)
    house.amazon.levers.now()
    assert len(told_days(house)) == count
    house.amazon.levers.advance(2 * DAY_S)
    house.amazon.levers.now()
    assert told_days(house)[count:] == [90]


def test_after_180_days_nothing_works(house: House, arns: dict[str, str]) -> None:
    refresh = house.grant(house.seller())
    house.amazon.levers.advance(180 * DAY_S - 1800)
    token = str(house.refresh(refresh).json()["access_token"])
    scoped = grantless(house)
    house.amazon.levers.advance(1801)
    assert house.refresh(refresh).json()["error"] == "invalid_client"
    words = "The LWA secret token you provided has expired."
    answer = house.call("/sellers/v1/account", token)
    assert (answer.status_code, answer.json()["errors"][0]["details"]) == (403, words)
    answer = rotate(house, scoped)
    assert (answer.status_code, answer.json()["errors"][0]["details"]) == (403, words)


def test_enrolments_survive_a_file(house: House, arns: dict[str, str]) -> None:
    stage = house.amazon.stage
    content = json.loads(json.dumps(stage.of(Enrolments).as_json()))
    other = Stage.fresh(gentle=True, seed=0, start=None)
    with pytest.raises(ValueError, match="no application"):
        other.of(Enrolments).load(other, content)
    other.world.add_application(stage.world.applications[house.application_id])
    other.of(Enrolments).load(other, content)
    assert other.of(Enrolments).as_json() == content
    assert other.agenda.next_at == instant(content[0]["next_notice_at"])


def test_nothing_real_looking_is_issued(house: House, arns: dict[str, str]) -> None:
    rotate(house)
    [body] = bodies(house.amazon, "new-secret")
    secret = body["payload"]["applicationOAuthClientNewSecret"]["newClientSecret"]
    assert issuing.looks_real(secret.replace(issuing.MARK, ""))
    assert not issuing.looks_real(secret)
