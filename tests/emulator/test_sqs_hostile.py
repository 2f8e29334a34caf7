"""Queues under attack: strange fields, forged signatures, many that wait at once."""

from __future__ import annotations

import json
import threading
from typing import Any

import boto3
import httpx2
import pytest

from amazon_emulator import Emulator
from amazon_emulator.trade.queues.access import ACCOUNT
from amazon_emulator.trade.queues.queues import Queues
from tests.emulator.aws_desk import Program, document, program, receive, until

STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 10**30, 1e308, "", "x" * 100_000, "\x00", "\u202e", "\ufffe"),
    *([], [[]], [{}], {}, {"a": {}}, "http://[", "//[::1", "http://[x]/1/news", "é"),
)


@pytest.fixture
def desk(amazon: Emulator, http: httpx2.Client) -> Program:
    return program(amazon, http, name="desk")


@pytest.fixture
def url(desk: Program) -> str:
    return str(desk.said("CreateQueue", QueueName="news")["QueueUrl"])


# --- strange fields -------------------------------------------------------------------------------


def calls(url: str) -> dict[str, dict[str, Any]]:
    entry = {"Id": "a", "MessageBody": "b", "ReceiptHandle": "c", "VisibilityTimeout": 1}
    attribute = {"n": {"DataType": "Binary", "BinaryValue": "eA=="}}
    return {
        "CreateQueue": {"QueueName": "other", "Attributes": {}},
        "GetQueueUrl": {"QueueName": "news", "QueueOwnerAWSAccountId": ACCOUNT},
        "ListQueues": {"QueueNamePrefix": "n", "MaxResults": 1, "NextToken": ""},
        "GetQueueAttributes": {"QueueUrl": url, "AttributeNames": ["All"]},
        "SetQueueAttributes": {"QueueUrl": url, "Attributes": {}},
        "SendMessage": {"QueueUrl": url, "MessageBody": "b", "MessageAttributes": attribute},
        "ReceiveMessage": {"QueueUrl": url, "VisibilityTimeout": 0, "AttributeNames": ["All"]},
        "DeleteMessage": {"QueueUrl": url, "ReceiptHandle": "c"},
        "ChangeMessageVisibility": {"QueueUrl": url, **entry},
        "SendMessageBatch": {"QueueUrl": url, "Entries": [entry]},
        "DeleteMessageBatch": {"QueueUrl": url, "Entries": [entry]},
    }


def test_strange_fields_are_refused_in_words(desk: Program, url: str) -> None:
    for action, fields in calls(url).items():
        for name in fields:
            for strange in STRANGE:
                answer = desk.json(action, **{**fields, name: strange})
                assert answer.status_code < 500, (action, name, strange)
    for name in ("DataType", "BinaryValue"):
        for strange in STRANGE:
            value = {"DataType": "Binary", "BinaryValue": "eA==", name: strange}
            answer = desk.json(
                "SendMessage", QueueUrl=url, MessageBody="b", MessageAttributes={"n": value}
            )
            assert answer.status_code < 500, (name, strange)


@pytest.mark.parametrize(
    "policy",
    [
        '{"deadLetterTargetArn":"x","maxReceiveCount":1e400}',
        '{"deadLetterTargetArn":"x","maxReceiveCount":Infinity}',
        '{"deadLetterTargetArn":"x","maxReceiveCount":0}',
        '{"deadLetterTargetArn":"x","maxReceiveCount":1001}',
        '{"deadLetterTargetArn":[],"maxReceiveCount":3}',
        "[" * 100_000,
    ],
)
def test_strange_redrive_policies(desk: Program, policy: str) -> None:
    attributes = {"RedrivePolicy": policy}
    refusal = desk.refused("CreateQueue", QueueName="q", Attributes=attributes)
    assert refusal[:2] == (400, "InvalidAttributeValue")


@pytest.mark.parametrize(
    "fields",
    [
        {"A" + ".1.A" * 3000: "x"},
        {"A" + ".1" * 3000: "x"},
        {"MessageAttribute.1": "x", "MessageAttribute.1.Name": "x"},
        {"Attribute.1.Name": "\x02", "Attribute.1.Value": "x", "QueueName": "z"},
    ],
)
@pytest.mark.parametrize("action", ["SendMessage", "CreateQueue", "\x00", "x" * 50_000])
def test_strange_forms_get_a_document(
    amazon: Emulator, desk: Program, url: str, action: str, fields: dict[str, str]
) -> None:
    answer = desk.query(action, url, **fields)
    assert answer.status_code == 400
    assert document(answer).findtext("Error/Code")
    sts = desk.query(action, service="sts")
    assert document(sts).findtext("Error/Code") == "InvalidAction"
    assert all(len(asked["kind"]) < 40 for asked in amazon.levers.history())


def test_message_attributes_have_their_bounds(desk: Program, url: str) -> None:
    def send(attributes: dict[str, Any]) -> tuple[int, str, str]:
        return desk.refused(
            "SendMessage", QueueUrl=url, MessageBody="b", MessageAttributes=attributes
        )

    text = {"DataType": "String", "StringValue": "x"}
    for name in ("", "a b", ".a", "a..b", "x" * 257):
        assert send({name: text})[1] == "InvalidParameterValue", name
    assert send({f"n{number}": text for number in range(11)})[1] == "InvalidParameterValue"
    assert send({"n": {"DataType": "String", "StringValue": "\x01"}})[1] == "InvalidMessageContents"
    assert send({"n": {"DataType": "Stringy", "StringValue": "x"}})[1] == "InvalidParameterValue"


def test_a_batch_has_a_size(desk: Program, url: str) -> None:
    entries = [{"Id": str(number), "MessageBody": "x" * 300_000} for number in range(4)]
    refusal = desk.refused("SendMessageBatch", QueueUrl=url, Entries=entries)
    assert refusal == (400, "BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong")
    assert receive(desk, url) == []
    assert len(desk.said("SendMessageBatch", QueueUrl=url, Entries=entries[:3])["Successful"]) == 3


def test_a_stranger_cannot_put_what_no_queue_takes(amazon: Emulator, url: str) -> None:
    answer = httpx2.post(
        f"{amazon.addresses['levers']}/queues/news/messages", json={"body": "\x01"}, trust_env=False
    )
    assert answer.status_code == 422
    assert "Invalid characters" in answer.json()["error"]


# --- signatures -----------------------------------------------------------------------------------


def test_what_decides_must_be_signed(desk: Program, url: str) -> None:
    """A good signature over everything but the operation is good for nothing."""
    body = json.dumps({"QueueUrl": url}).encode()
    plain = {"content-type": "application/x-amz-json-1.0"}
    signed = desk.sign("sqs", f"{desk.address}/", plain, body)
    target = {"x-amz-target": "AmazonSQS.DeleteQueue"}
    answer = desk.http.post(f"{desk.address}/", content=body, headers={**signed, **target})
    assert answer.status_code == 403
    assert answer.json()["__type"].endswith("SignatureDoesNotMatch")
    assert desk.said("GetQueueUrl", QueueName="news")["QueueUrl"] == url


def test_a_scope_is_read_strictly(amazon: Emulator, desk: Program) -> None:
    for region in ("a:b", "..", "", "x" * 65, "EU-WEST-1", "*"):
        refusal = desk.but(region=region).refused("CreateQueue", QueueName="q")
        assert refusal[:2] == (400, "IncompleteSignature"), region
    assert amazon.levers.pull("GET", "/queues")["items"] == []


def test_regions_and_accounts_are_apart(
    amazon: Emulator, desk: Program, http: httpx2.Client
) -> None:
    url = desk.said("CreateQueue", QueueName="news")["QueueUrl"]
    desk.said("SendMessage", QueueUrl=url, MessageBody="mine")
    elsewhere = desk.but(region="us-east-1")
    assert elsewhere.refused("ReceiveMessage", QueueUrl=url)[1] == "QueueDoesNotExist"
    other = program(amazon, http, name="other", account_id="444455556666")
    for action, fields in calls(url).items():
        if "QueueUrl" in fields:
            assert other.refused(action, **fields)[0] == 403, action
    assert other.said("ListQueues") == {"QueueUrls": []}
    assert [message["Body"] for message in receive(desk, url)] == ["mine"]


def test_a_denial_in_the_policy_counts_within_the_account(desk: Program, url: str) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "sqs:ReceiveMessage"}
    arn = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:news"
    policy = json.dumps({"Statement": [{**statement, "Resource": arn}]})
    desk.said("SetQueueAttributes", QueueUrl=url, Attributes={"Policy": policy})
    assert desk.refused("ReceiveMessage", QueueUrl=url)[0] == 403
    desk.said("SendMessage", QueueUrl=url, MessageBody="b")
    brackets = policy.replace(arn, "arn:aws:sqs:eu-west-1:[0-9]*:news")
    desk.said("SetQueueAttributes", QueueUrl=url, Attributes={"Policy": brackets})
    assert len(receive(desk, url)) == 1


# --- many at once ---------------------------------------------------------------------------------


class Pollers:
    """Clients that wait at the same queue, started one after the other."""

    def __init__(self, amazon: Emulator, desk: Program, url: str, count: int, wait_s: int) -> None:
        self.got: dict[int, list[str]] = {}
        self.amazon, self.desk, self.url, self.wait_s = amazon, desk, url, wait_s
        self.threads: list[threading.Thread] = []
        for number in range(count):
            before = amazon.levers.count(kind="sqs.ReceiveMessage")
            thread = threading.Thread(target=self.poll, args=(number,))
            thread.start()
            self.threads.append(thread)
            until(lambda: amazon.levers.count(kind="sqs.ReceiveMessage") > before)  # noqa: B023

    def poll(self, number: int) -> None:
        with httpx2.Client(trust_env=False, timeout=30) as http:
            found = receive(
                self.desk.but(http=http),
                self.url,
                WaitTimeSeconds=self.wait_s,
                MaxNumberOfMessages=1,
            )
        self.got[number] = [message["Body"] for message in found]

    def join(self) -> None:
        for thread in self.threads:
            thread.join(15)
        assert not any(thread.is_alive() for thread in self.threads)


def test_twenty_that_wait_are_served_once_each_in_turn(
    amazon: Emulator, desk: Program, url: str
) -> None:
    pollers = Pollers(amazon, desk, url, 20, 20)
    for number in range(20):
        desk.said("SendMessage", QueueUrl=url, MessageBody=str(number))
        until(lambda: len(pollers.got) == number + 1, "the next answer")  # noqa: B023
        # The one that has waited longest.
        assert pollers.got[number] == [str(number)]
    pollers.join()
    [queue] = amazon.stage.of(Queues).all.values()
    assert queue.waiting == {}


def test_a_batch_goes_to_as_many_as_wait(amazon: Emulator, desk: Program, url: str) -> None:
    pollers = Pollers(amazon, desk, url, 10, 20)
    entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(10)]
    desk.said("SendMessageBatch", QueueUrl=url, Entries=entries)
    pollers.join()
    assert sorted(body for got in pollers.got.values() for body in got) == [
        str(number) for number in range(10)
    ]


def test_a_purge_wakes_nobody_and_loses_nothing_that_comes_later(
    amazon: Emulator, desk: Program, url: str
) -> None:
    pollers = Pollers(amazon, desk, url, 3, 20)
    desk.said("PurgeQueue", QueueUrl=url)
    desk.said("SendMessageBatch", QueueUrl=url, Entries=[
        {"Id": "late", "MessageBody": "late", "DelaySeconds": 60},
        *({"Id": str(number), "MessageBody": str(number)} for number in range(2)),
    ])  # fmt: skip
    until(lambda: len(pollers.got) == 2, "the answers")
    amazon.levers.advance(61)
    pollers.join()
    assert sorted(body for got in pollers.got.values() for body in got) == ["0", "1", "late"]


def test_polls_at_a_full_queue_of_hidden_messages_end(
    amazon: Emulator, desk: Program, url: str
) -> None:
    """Twenty thousand messages that somebody works on; who waits does not go through them."""
    stage = amazon.stage
    [queue] = stage.of(Queues).all.values()
    now = stage.clock.now()
    for number in range(20_000):
        stage.of(Queues).send(queue, str(number), now, delay=900)
    pollers = Pollers(amazon, desk, url, 10, 1)
    pollers.join()
    amazon.levers.advance(901)
    assert len(receive(desk, url)) == 10


# --- AWS's own SDK --------------------------------------------------------------------------------


def test_boto3_has_a_class_for_every_refusal(
    amazon: Emulator, desk: Program, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    amazon.levers.habits(gentle=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    sqs = boto3.client(
        "sqs",
        endpoint_url=desk.address,
        region_name=desk.region,
        aws_access_key_id=desk.key,
        aws_secret_access_key=desk.secret,
    )
    entry = {"Id": "a", "MessageBody": "b"}
    large = [{"Id": str(number), "MessageBody": "x" * 600_000} for number in range(2)]
    sqs.purge_queue(QueueUrl=url)
    sqs.send_message(QueueUrl=url, MessageBody="b", MessageAttributes={
        "n": {"DataType": "Number", "StringValue": "1"},
        "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    })  # fmt: skip
    [message] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert message["MessageAttributes"]["b"]["BinaryValue"] == b"\x00\xff"
    handle = message["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    sqs.create_queue(QueueName="short")
    sqs.delete_queue(QueueUrl=url.replace("news", "short"))
    fifo = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    refusals: dict[str, Any] = {
        "PurgeQueueInProgress": lambda: sqs.purge_queue(QueueUrl=url),
        "QueueDeletedRecently": lambda: sqs.create_queue(QueueName="short"),
        "QueueNameExists": lambda: sqs.create_queue(
            QueueName="news", Attributes={"DelaySeconds": "7"}
        ),
        "QueueDoesNotExist": lambda: sqs.receive_message(QueueUrl=url + "x"),
        "InvalidAttributeName": lambda: sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["None"]
        ),
        "InvalidAttributeValue": lambda: sqs.set_queue_attributes(
            QueueUrl=url, Attributes={"DelaySeconds": "901"}
        ),
        "ReceiptHandleIsInvalid": lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="x"),
        "MessageNotInflight": lambda: sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=1
        ),
        "InvalidMessageContents": lambda: sqs.send_message(QueueUrl=url, MessageBody="\x01"),
        "UnsupportedOperation": lambda: sqs.receive_message(QueueUrl=fifo),
        "EmptyBatchRequest": lambda: sqs.send_message_batch(QueueUrl=url, Entries=[]),
        "TooManyEntriesInBatchRequest": lambda: sqs.send_message_batch(
            QueueUrl=url, Entries=[{**entry, "Id": str(number)} for number in range(11)]
        ),
        "BatchEntryIdsNotDistinct": lambda: sqs.send_message_batch(
            QueueUrl=url, Entries=[entry, entry]
        ),
        "InvalidBatchEntryId": lambda: sqs.send_message_batch(
            QueueUrl=url, Entries=[{**entry, "Id": "a b"}]
        ),
        "BatchRequestTooLong": lambda: sqs.send_message_batch(QueueUrl=url, Entries=large),
    }
    for name, refused in refusals.items():
        with pytest.raises(getattr(sqs.exceptions, name)):
            refused()
