"""Queues over time: visibility, retention, waiting for a message, and the levers that move them."""

from __future__ import annotations

import json
import socket
import time
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from amazon_emulator import Emulator
from amazon_emulator.trade.queues.access import ACCOUNT
from amazon_emulator.trade.queues.queues import Queues
from tests.emulator.aws_desk import Program, Waiting, program, receive, until

DAY_S = 86_400


@pytest.fixture
def desk(amazon: Emulator, http: httpx2.Client) -> Program:
    return program(amazon, http, name="desk")


@pytest.fixture
def url(desk: Program) -> str:
    return str(desk.said("CreateQueue", QueueName="news")["QueueUrl"])


# --- time -----------------------------------------------------------------------------------------


def test_visibility_by_the_emulators_clock(amazon: Emulator, desk: Program, url: str) -> None:
    desk.said("SendMessage", QueueUrl=url, MessageBody="b")
    [first] = receive(desk, url)
    amazon.levers.advance(29)
    assert receive(desk, url) == []
    amazon.levers.advance(2)
    [second] = receive(desk, url, VisibilityTimeout=600)
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    times = [m["Attributes"]["ApproximateFirstReceiveTimestamp"] for m in (first, second)]
    assert times[0] == times[1]
    # The handle of an earlier receive is taken and does nothing, as AWS's reference says.
    desk.said("DeleteMessage", QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    handle = second["ReceiptHandle"]
    amazon.levers.advance(500)
    hide = {"QueueUrl": url, "ReceiptHandle": handle}
    desk.said("ChangeMessageVisibility", **hide, VisibilityTimeout=600)
    amazon.levers.advance(500)
    assert receive(desk, url) == []
    desk.said("ChangeMessageVisibility", **hide, VisibilityTimeout=0)
    assert desk.refused("ChangeMessageVisibility", **hide, VisibilityTimeout=1)[2] == (
        "AWS.SimpleQueueService.MessageNotInflight"
    )
    assert desk.refused("ChangeMessageVisibility", **hide)[1] == "MissingParameter"
    [third] = receive(desk, url)
    desk.said("DeleteMessage", QueueUrl=url, ReceiptHandle=third["ReceiptHandle"])
    desk.said("DeleteMessage", QueueUrl=url, ReceiptHandle=third["ReceiptHandle"])
    amazon.levers.advance(1000)
    assert receive(desk, url) == []


def test_retention_and_delay(amazon: Emulator, desk: Program, url: str) -> None:
    long = desk.said(
        "CreateQueue", QueueName="long", Attributes={"MessageRetentionPeriod": str(14 * DAY_S)}
    )["QueueUrl"]
    for one in (url, long):
        desk.said("SendMessage", QueueUrl=one, MessageBody="b", DelaySeconds=900)
        assert receive(desk, one) == []
        told = desk.said("GetQueueAttributes", QueueUrl=one, AttributeNames=["All"])
        assert told["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"
    amazon.levers.advance(901)
    assert len(receive(desk, url, VisibilityTimeout=0)) == 1
    amazon.levers.advance(4 * DAY_S)
    assert receive(desk, url) == []
    assert len(receive(desk, long, VisibilityTimeout=0)) == 1
    amazon.levers.advance(10 * DAY_S)
    assert receive(desk, long) == []


def test_messages_received_too_often_go_aside(amazon: Emulator, desk: Program, url: str) -> None:
    dead = desk.said("CreateQueue", QueueName="dead")["QueueUrl"]
    policy = {
        "deadLetterTargetArn": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:dead",
        "maxReceiveCount": 2,
    }
    desk.said("SetQueueAttributes", QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
    sent = desk.said("SendMessage", QueueUrl=url, MessageBody="b")
    for _ in range(2):
        assert len(receive(desk, url, VisibilityTimeout=0)) == 1
    assert receive(desk, url) == []
    [message] = receive(desk, dead)
    assert message["MessageId"] == sent["MessageId"]


def test_purge_and_delete(amazon: Emulator, desk: Program, url: str) -> None:
    amazon.levers.habits(gentle=False)
    desk.said("SendMessage", QueueUrl=url, MessageBody="b")
    desk.said("PurgeQueue", QueueUrl=url)
    assert receive(desk, url) == []
    assert desk.refused("PurgeQueue", QueueUrl=url)[:2] == (403, "PurgeQueueInProgress")
    amazon.levers.advance(61)
    desk.said("PurgeQueue", QueueUrl=url)
    desk.said("DeleteQueue", QueueUrl=url)
    assert desk.refused("CreateQueue", QueueName="news")[1] == "QueueDeletedRecently"
    amazon.levers.advance(61)
    desk.said("CreateQueue", QueueName="news")


def test_fifo_queues_carry_nothing(desk: Program) -> None:
    assert desk.refused("CreateQueue", QueueName="a.fifo")[1] == "InvalidParameterValue"
    fifo = {"Attributes": {"FifoQueue": "true"}}
    assert desk.refused("CreateQueue", QueueName="a", **fifo)[1] == "InvalidParameterValue"
    url = desk.said("CreateQueue", QueueName="a.fifo", **fifo)["QueueUrl"]
    assert desk.refused("SendMessage", QueueUrl=url, MessageBody="b")[1] == "UnsupportedOperation"


# --- waiting --------------------------------------------------------------------------------------


def poll(amazon: Emulator, desk: Program, url: str) -> Waiting:
    return Waiting(amazon, lambda: receive(desk, url, WaitTimeSeconds=20))


def test_a_message_wakes_who_waits(amazon: Emulator, desk: Program, url: str) -> None:
    polls = [poll(amazon, desk, url) for _ in range(3)]
    # Nobody else is kept waiting meanwhile.
    for _ in range(20):
        desk.said("ListQueues")
    assert not any(one.is_over for one in polls)
    # One at a time: else the first to wake may well take two.
    for number, body in enumerate(("one", "two", "three"), 1):
        desk.said("SendMessage", QueueUrl=url, MessageBody=body)
        until(lambda: sum(one.is_over for one in polls) == number, "the waking of one")  # noqa: B023
    got = sorted(message["Body"] for one in polls for message in one.answer())
    assert got == ["one", "three", "two"]


def test_a_moved_clock_wakes_who_waits(amazon: Emulator, desk: Program, url: str) -> None:
    desk.said("SendMessage", QueueUrl=url, MessageBody="b")
    assert receive(desk, url, VisibilityTimeout=3600)
    waiting = poll(amazon, desk, url)
    amazon.levers.advance(3500)
    assert not waiting.is_over
    amazon.levers.advance(101)
    assert waiting.answer()[0]["Attributes"]["ApproximateReceiveCount"] == "2"


def test_visibility_given_back_wakes_who_waits(amazon: Emulator, desk: Program, url: str) -> None:
    desk.said("SendMessage", QueueUrl=url, MessageBody="b")
    [taken] = receive(desk, url, VisibilityTimeout=3600)
    waiting = poll(amazon, desk, url)
    hide = {"QueueUrl": url, "ReceiptHandle": taken["ReceiptHandle"], "VisibilityTimeout": 0}
    desk.said("ChangeMessageVisibility", **hide)
    assert waiting.answer()[0]["Body"] == "b"


def test_the_agenda_wakes_who_waits(amazon: Emulator, desk: Program, url: str) -> None:
    stage = amazon.stage
    waiting = poll(amazon, desk, url)

    def arrive(instant: datetime) -> None:
        queues = stage.of(Queues)
        [queue] = queues.all.values()
        queues.send(queue, "by the agenda", instant)

    # Nobody calls after this: who waits must look at the agenda himself.
    stage.agenda.at(stage.clock.now() + timedelta(milliseconds=200), arrive)
    assert waiting.answer()[0]["Body"] == "by the agenda"


def test_a_wait_ends_by_real_time(amazon: Emulator, desk: Program, url: str) -> None:
    began_at = time.monotonic()
    assert receive(desk, url, WaitTimeSeconds=1) == []
    assert time.monotonic() - began_at > 0.9
    desk.said(
        "SetQueueAttributes", QueueUrl=url, Attributes={"ReceiveMessageWaitTimeSeconds": "20"}
    )
    waiting = Waiting(amazon, lambda: receive(desk, url))
    desk.said("SendMessage", QueueUrl=url, MessageBody="b")
    assert len(waiting.answer()) == 1


def test_a_deleted_queue_and_a_reset_end_waits(amazon: Emulator, desk: Program, url: str) -> None:
    waiting = Waiting(amazon, lambda: desk.json("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20))
    desk.said("DeleteQueue", QueueUrl=url)
    assert waiting.answer().json()["__type"].endswith("#QueueDoesNotExist")
    url = desk.said("CreateQueue", QueueName="more")["QueueUrl"]
    waiting = poll(amazon, desk, url)
    amazon.levers.reset()
    assert waiting.answer() == []


def test_who_left_takes_no_message(amazon: Emulator, desk: Program, url: str) -> None:
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": "AmazonSQS.ReceiveMessage",
    }
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
    signed = desk.sign("sqs", f"{desk.address}/", headers, body)
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    host, port = signed["host"].split(":")
    with socket.create_connection((host, int(port)), timeout=60) as line:
        head = f"POST / HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        line.sendall(head.encode() + body)
        until(lambda: amazon.levers.count(kind="sqs.ReceiveMessage"), "the start of the poll")
    until(lambda: amazon.levers.history(kind="sqs.ReceiveMessage")[0]["status"], "the leaving")
    desk.said("SendMessage", QueueUrl=url, MessageBody="b")
    [message] = receive(desk, url)
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_the_emulator_ends_while_somebody_waits(http: httpx2.Client) -> None:
    with Emulator(gentle=True) as amazon:
        desk = program(amazon, http)
        url = desk.said("CreateQueue", QueueName="q")["QueueUrl"]
        waiting = poll(amazon, desk, url)
    assert waiting.answer() == []


# --- levers ---------------------------------------------------------------------------------------


def test_queues_by_lever(amazon: Emulator, desk: Program) -> None:
    pull = amazon.levers.pull
    made = pull("POST", "/queues", {"name": "q", "attributes": {"VisibilityTimeout": "5"}})
    assert made["closed_to_amazon"] is None
    assert desk.said("GetQueueUrl", QueueName="q")["QueueUrl"] == made["url"]
    shut = pull("POST", "/queues", {"name": "shut", "open_to_amazon": False})
    assert "does not allow 437568002678 sqs:SendMessage" in shut["closed_to_amazon"]
    pull("POST", "/queues/q/messages", {"body": "stranger"})
    found = pull("GET", "/queues/q/messages")
    assert [item["body"] for item in found["items"]] == ["stranger"]
    assert found["items"][0]["receives"] == 0
    assert [m["Body"] for m in receive(desk, made["url"])] == ["stranger"]
    assert pull("GET", "/queues/q/messages", hidden="no")["count"] == 0
    assert pull("PATCH", "/queues/q", {"purge": True})["messages"] == 0
    assert {item["name"] for item in pull("GET", "/queues")["items"]} == {"q", "shut"}
    keys = pull("GET", "/world/aws-keys")["items"]
    assert [key["access_key_id"] for key in keys] == [desk.key]
    assert desk.secret not in json.dumps([keys, amazon.levers.history()])


@pytest.mark.parametrize(
    ("method", "path", "wish", "words"),
    [
        ("POST", "/world/aws-keys", {"account_id": "12"}, "twelve digits"),
        ("POST", "/world/aws-roles", {"name": "r", "may_be_assumed_by": ["x"]}, "no key"),
        ("POST", "/queues", {"name": "a b"}, "alphanumeric"),
        ("POST", "/queues", {"name": "a", "attributes": {"DelaySeconds": "x"}}, "DelaySeconds"),
        ("POST", "/queues", {"name": "a", "attributes": {"DelaySeconds": 1}}, "object of texts"),
        ("GET", "/queues/none/messages", None, "no queue has"),
        ("PATCH", "/habits/services", {"second_rotation": "maybe"}, "refuse, allow"),
        ("POST", "/queues/delay", {"seconds": -1}, "a year"),
    ],
)
def test_wrong_wishes(amazon: Emulator, method: str, path: str, wish: Any, words: str) -> None:
    with pytest.raises(Exception, match=words):
        amazon.levers.pull(method, path, wish)


@pytest.mark.parametrize(
    ("mode", "status", "code", "sent"),
    [
        ("500", 500, "InternalFailure", 0),
        ("503_after", 503, "ServiceUnavailable", 1),
        ("429", 429, "ThrottlingException", 0),
        ("denied", 403, "AccessDenied", 0),
    ],
)
def test_failing_modes(
    amazon: Emulator, desk: Program, url: str, mode: str, status: int, code: str, sent: int
) -> None:
    wish = {"mode": mode, "times": 1, "operation": "SendMessage"}
    amazon.levers.pull("POST", "/aws/fail", wish)
    desk.said("ListQueues")
    refused = desk.refused("SendMessage", QueueUrl=url, MessageBody="b")
    assert (refused[0], refused[2]) == (status, code)
    assert len(receive(desk, url)) == sent


def test_a_dropped_answer_after_the_work(amazon: Emulator, desk: Program, url: str) -> None:
    amazon.levers.pull("POST", "/aws/fail", {"mode": "drop_after", "times": 1})
    with pytest.raises(httpx2.HTTPError):
        desk.json("SendMessage", QueueUrl=url, MessageBody="b")
    assert len(receive(desk, url)) == 1
    [asked] = amazon.levers.history(kind="sqs.SendMessage")
    assert (asked["status"], asked["work_done"], asked["path"]) == (0, True, f"/{ACCOUNT}/news")
    assert amazon.levers.pull("POST", "/aws/clear") == {"cleared": 0}
