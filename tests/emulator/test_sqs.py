"""Queues and roles as programs meet them: both protocols, AWS's SDK, signatures, waiting."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.exceptions
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_emulator import Emulator
from amazon_emulator.faces.aws import speech
from amazon_emulator.faces.aws.refusals import Refused
from amazon_emulator.faces.aws.signing import Heard, signature_of
from amazon_emulator.trade.queues.access import ACCOUNT
from tests.emulator.aws_desk import Program, document, program, receive

DAY_S = 86_400


@pytest.fixture
def desk(amazon: Emulator, http: httpx2.Client) -> Program:
    return program(amazon, http, name="desk")


@pytest.fixture
def url(desk: Program) -> str:
    return str(desk.said("CreateQueue", QueueName="news")["QueueUrl"])


# --- both protocols -------------------------------------------------------------------------------


def test_a_message_by_json(amazon: Emulator, desk: Program) -> None:
    url = desk.said("CreateQueue", QueueName="a", Attributes={"VisibilityTimeout": "7"})["QueueUrl"]
    assert url == f"{amazon.addresses['aws']}/{ACCOUNT}/a"
    assert desk.said("GetQueueUrl", QueueName="a") == {"QueueUrl": url}
    assert desk.said("ListQueues") == {"QueueUrls": [url]}
    body = 'Grüße, "Welt" <&>\r\n\t🛒'
    sent = desk.said("SendMessage", QueueUrl=url, MessageBody=body)
    md5 = hashlib.md5(body.encode()).hexdigest()
    assert sent["MD5OfMessageBody"] == md5
    [message] = receive(desk, url)
    assert message["Body"] == body
    assert message["MD5OfBody"] == md5
    assert message["MessageId"] == sent["MessageId"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert message["Attributes"]["SenderId"] == ACCOUNT
    assert receive(desk, url) == []
    told = desk.said("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert told["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert told["ApproximateNumberOfMessages"] == "0"
    assert told["QueueArn"] == f"arn:aws:sqs:eu-west-1:{ACCOUNT}:a"
    assert told["VisibilityTimeout"] == "7"
    assert told["MessageRetentionPeriod"] == str(4 * DAY_S)
    assert desk.said("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]) is None
    amazon.levers.advance(60)
    assert receive(desk, url) == []


def test_a_message_by_query(amazon: Emulator, desk: Program) -> None:
    made = desk.xml(
        "CreateQueue",
        QueueName="a",
        **{"Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "7"},
    )
    assert made.tag == "CreateQueueResponse"
    assert made.findtext("ResponseMetadata/RequestId")
    url = made.findtext("CreateQueueResult/QueueUrl")
    assert [e.text for e in desk.xml("ListQueues").iter("QueueUrl")] == [url]
    body = 'Grüße, "Welt" <&>\r\n\t🛒'
    md5 = hashlib.md5(body.encode()).hexdigest()
    # In this protocol a call goes to the queue's own address.
    sent = desk.xml("SendMessage", url, MessageBody=body)
    assert sent.findtext("SendMessageResult/MD5OfMessageBody") == md5
    got = desk.xml("ReceiveMessage", url, **{"AttributeName.1": "All", "WaitTimeSeconds": "1"})
    message = got.find("ReceiveMessageResult/Message")
    assert message.findtext("Body") == body
    assert message.findtext("MD5OfBody") == md5
    attributes = {e.findtext("Name"): e.findtext("Value") for e in message.iter("Attribute")}
    assert attributes["ApproximateReceiveCount"] == "1"
    told = desk.xml("GetQueueAttributes", url, **{"AttributeName.1": "VisibilityTimeout"})
    assert [e.findtext("Value") for e in told.iter("Attribute")] == ["7"]
    handle = message.findtext("ReceiptHandle")
    done = desk.xml(
        "DeleteMessageBatch",
        url,
        **{
            "DeleteMessageBatchRequestEntry.1.Id": "x",
            "DeleteMessageBatchRequestEntry.1.ReceiptHandle": handle,
            "DeleteMessageBatchRequestEntry.2.Id": "y",
            "DeleteMessageBatchRequestEntry.2.ReceiptHandle": "nonsense",
        },
    )
    assert [e.findtext("Id") for e in done.iter("DeleteMessageBatchResultEntry")] == ["x"]
    failed = done.find("DeleteMessageBatchResult/BatchResultErrorEntry")
    assert failed.findtext("Id") == "y"
    assert failed.findtext("SenderFault") == "true"
    assert failed.findtext("Code") == "ReceiptHandleIsInvalid"
    amazon.levers.advance(60)
    assert desk.xml("ReceiveMessage", url).find("ReceiveMessageResult/Message") is None


def test_message_attributes_and_their_digest(desk: Program, url: str) -> None:
    given = {
        "kind": {"DataType": "String", "StringValue": "x"},
        "blob": {"DataType": "Binary", "BinaryValue": base64.b64encode(b"\x00\xff").decode()},
    }
    sent = desk.said("SendMessage", QueueUrl=url, MessageBody="b", MessageAttributes=given)
    whole = b""
    for name, kind, mark, value in (
        (b"blob", b"Binary", b"\x02", b"\x00\xff"),
        (b"kind", b"String", b"\x01", b"x"),
    ):
        for number, part in enumerate((name, kind, value)):
            whole += (mark if number == 2 else b"") + len(part).to_bytes(4, "big") + part
    assert sent["MD5OfMessageAttributes"] == hashlib.md5(whole).hexdigest()
    [message] = receive(desk, url, MessageAttributeNames=["ki.*"], VisibilityTimeout=0)
    assert message["MessageAttributes"] == {"kind": given["kind"]}
    got = desk.xml("ReceiveMessage", url, **{"MessageAttributeName.1": "All"})
    found = {e.findtext("Name"): e.find("Value") for e in got.iter("MessageAttribute")}
    assert found["kind"].findtext("StringValue") == "x"
    assert found["blob"].findtext("BinaryValue") == "AP8="
    sent = desk.xml(
        "SendMessage",
        url,
        MessageBody="b",
        **{
            "MessageAttribute.1.Name": "kind",
            "MessageAttribute.1.Value.DataType": "String",
            "MessageAttribute.1.Value.StringValue": "x",
        },
    )
    assert sent.findtext("SendMessageResult/MD5OfMessageAttributes")


@given(
    st.dictionaries(
        st.text(string.ascii_letters, min_size=1, max_size=8),
        st.text(st.characters(codec="utf-8"), max_size=12),
        max_size=5,
    )
)
def test_maps_come_through_the_query_protocol(attributes: dict[str, str]) -> None:
    pairs = {"Action": "SetQueueAttributes"}
    for number, (name, value) in enumerate(attributes.items(), 1):
        pairs |= {f"Attribute.{number}.Name": name, f"Attribute.{number}.Value": value}
    body = str(httpx2.QueryParams(pairs)).encode()
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    spoken = speech.heard_call(Heard("POST", "/", "", headers, body))
    assert (spoken.service, spoken.action) == ("sqs", "SetQueueAttributes")
    assert spoken.fields.get("Attributes", {}) == attributes


def test_refusals_in_both_protocols(desk: Program, url: str) -> None:
    name = "AWS.SimpleQueueService.NonExistentQueue"
    assert desk.refused("GetQueueUrl", QueueName="no") == (400, "QueueDoesNotExist", name)
    answer = desk.query("GetQueueUrl", QueueName="no")
    assert answer.status_code == 400
    error = document(answer).find("Error")
    assert error.findtext("Code") == name
    assert error.findtext("Type") == "Sender"
    assert error.findtext("Message") == "The specified queue does not exist."
    assert desk.refused("CreateQueue", QueueName="no spaces")[1] == "InvalidParameterValue"
    assert desk.refused("CreateQueue")[1] == "MissingParameter"
    assert desk.refused("Dance")[1] == "InvalidAction"
    wrong = {"QueueUrl": url, "Attributes": {"VisibilityTimeout": "43201"}}
    assert desk.refused("SetQueueAttributes", **wrong)[1] == "InvalidAttributeValue"
    wrong["Attributes"] = {"Colour": "red"}
    assert desk.refused("SetQueueAttributes", **wrong)[1] == "InvalidAttributeName"
    wrong["Attributes"] = {"Policy": "no policy"}
    assert desk.refused("SetQueueAttributes", **wrong)[1] == "InvalidAttributeValue"
    assert desk.refused("SendMessage", QueueUrl=url, MessageBody="")[1] == "MissingParameter"
    assert desk.refused("SendMessage", QueueUrl=url, MessageBody="\x00")[1] == (
        "InvalidMessageContents"
    )
    for field, value in (("MaxNumberOfMessages", 11), ("WaitTimeSeconds", 21)):
        assert desk.refused("ReceiveMessage", QueueUrl=url, **{field: value})[1] == (
            "InvalidParameterValue"
        )
    status, shape, _ = desk.refused("DeleteMessage", QueueUrl=url, ReceiptHandle="EMUx")
    assert (status, shape) == (404, "ReceiptHandleIsInvalid")
    batch = {"QueueUrl": url, "Entries": [{"Id": "a"}, {"Id": "a"}]}
    assert desk.refused("DeleteMessageBatch", **batch)[1] == "BatchEntryIdsNotDistinct"
    batch["Entries"] = []
    assert desk.refused("DeleteMessageBatch", **batch)[1] == "EmptyBatchRequest"
    batch["Entries"] = [{"Id": str(number)} for number in range(11)]
    assert desk.refused("DeleteMessageBatch", **batch)[1] == "TooManyEntriesInBatchRequest"
    answer = desk.post("sqs", f"{desk.address}/", {"x-amz-target": "AmazonSQS.ListQueues"}, b"[")
    assert answer.json()["__type"].endswith("#SerializationException")


def test_making_a_queue_twice(desk: Program, url: str) -> None:
    assert desk.said("CreateQueue", QueueName="news")["QueueUrl"] == url
    answer = desk.refused("CreateQueue", QueueName="news", Attributes={"DelaySeconds": "3"})
    assert answer == (400, "QueueNameExists", "QueueAlreadyExists")
    desk.said("CreateQueue", QueueName="old")
    assert len(desk.said("ListQueues", QueueNamePrefix="n")["QueueUrls"]) == 1
    page = desk.said("ListQueues", MaxResults=1)
    rest = desk.said("ListQueues", MaxResults=1, NextToken=page["NextToken"])
    assert page["QueueUrls"] == [url]
    assert rest["QueueUrls"][0].endswith("/old")
    assert "NextToken" not in rest
    assert "QueueUrls" not in rest or desk.but(region="us-east-1").said("ListQueues") == {
        "QueueUrls": []
    }
    desk.said("DeleteQueue", QueueUrl=url)
    assert desk.refused("SendMessage", QueueUrl=url, MessageBody="b")[1] == "QueueDoesNotExist"


# --- AWS's own SDK --------------------------------------------------------------------------------


class Sdk:
    """boto3 with nothing but the endpoint's address changed."""

    def __init__(self, desk: Program) -> None:
        self.desk = desk

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.desk.address,
            region_name="eu-west-1",
            aws_access_key_id=self.desk.key,
            aws_secret_access_key=self.desk.secret,
            aws_session_token=self.desk.token,
        )


@pytest.fixture(params=[True, False], ids=["gentle", "varied"])
def any_amazon(amazon: Emulator, request: pytest.FixtureRequest) -> Emulator:
    amazon.levers.habits(gentle=request.param)
    return amazon


def test_boto3(any_amazon: Emulator, http: httpx2.Client) -> None:
    levers = any_amazon.levers
    desk = program(any_amazon, http, may_use_queues=False)
    wish = {"name": "reader", "may_be_assumed_by": [desk.key]}
    role = levers.pull("POST", "/world/aws-roles", wish)
    sts = Sdk(desk).client("sts")
    assert sts.get_caller_identity()["Account"] == ACCOUNT
    found = sts.assume_role(RoleArn=role["arn"], RoleSessionName="rotation")["Credentials"]
    assert found["Expiration"] - levers.now() > timedelta(minutes=59)
    reader = desk.but(
        key=found["AccessKeyId"], secret=found["SecretAccessKey"], token=found["SessionToken"]
    )
    assert Sdk(reader).client("sts").get_caller_identity()["Arn"] == (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/rotation"
    )
    sqs = Sdk(reader).client("sqs")
    url = sqs.create_queue(QueueName="q", Attributes={"MessageRetentionPeriod": "1209600"})[
        "QueueUrl"
    ]
    entries = [{"Id": str(number), "MessageBody": f"body {number}"} for number in range(10)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
    seen: set[str] = set()
    while len(seen) < 10:
        got = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5, MessageAttributeNames=["All"]
        )["Messages"]
        seen |= {message["Body"] for message in got}
        done = sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[{"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in got],
        )
        assert len(done["Successful"]) == len(got)
    assert seen == {f"body {number}" for number in range(10)}
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="none")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        Sdk(desk).client("sqs").list_queues()
    with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
        Sdk(reader.but(secret="wrong")).client("sqs").list_queues()
    levers.advance(3601)
    with pytest.raises(botocore.exceptions.ClientError, match="ExpiredToken"):
        sqs.receive_message(QueueUrl=url)


# --- who may --------------------------------------------------------------------------------------


def real_key(prefix: str = "AKIA") -> str:
    alphabet = string.ascii_uppercase + string.digits
    return prefix + "".join(secrets.choice(alphabet) for _ in range(16))


def test_signatures_are_verified(desk: Program, url: str) -> None:
    mismatch = (403, "SignatureDoesNotMatch", "SignatureDoesNotMatch")
    assert desk.but(secret="x" * 40).refused("ListQueues") == mismatch
    assert desk.but(tampered=b" ").refused("ListQueues") == mismatch
    assert desk.but(extra={"x-amz-target": "AmazonSQS.PurgeQueue"}).refused("ListQueues") == (
        mismatch
    )
    other_day = datetime.now(UTC) - timedelta(days=1)
    late = desk.sign("sqs", f"{desk.address}/", {}, b"{}")["authorization"]
    assert desk.but(at=other_day, extra={"authorization": late}).refused("ListQueues") == mismatch
    unknown = desk.but(key="EMULATEDKEYNOBODYS00")
    assert unknown.refused("ListQueues")[::2] == (403, "InvalidClientTokenId")
    error = document(unknown.query("ListQueues")).find("Error")
    assert error.findtext("Code") == "InvalidClientTokenId"
    wrong_service = desk.query("ListQueues", service="sts")
    assert wrong_service.status_code == 400  # no operation of STS
    nobody = desk.but(extra={"authorization": ""})
    assert nobody.refused("ListQueues")[2] == "MissingAuthenticationToken"
    odd = desk.but(extra={"authorization": "Basic abc"})
    assert odd.refused("ListQueues")[2] == "IncompleteSignature"
    assert desk.said("ListQueues") == {"QueueUrls": [url]}


@pytest.mark.parametrize("prefix", ["AKIA", "ASIA"])
def test_a_real_looking_key_is_refused_and_kept_nowhere(
    amazon: Emulator, desk: Program, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = real_key(prefix)
    answer = desk.but(key=key).json("ListQueues")
    assert answer.status_code in (400, 403)
    assert "emulator" in answer.text
    assert key not in answer.text
    # The face refuses it too, should it ever be asked.
    headers = desk.but(key=key).sign("sqs", f"{desk.address}/", {}, b"")
    with pytest.raises(Refused, match="emulator") as refused:
        signature_of(Heard("POST", "/", "", tuple(headers.items()), b""))
    assert refused.value.code == "InvalidClientTokenId"
    assert key not in f"{refused.value}{caplog.text}"
    assert caplog.text.count("looks like a real") == 2
    assert key not in json.dumps(amazon.levers.history())


def test_roles_are_for_their_keys(amazon: Emulator, desk: Program, http: httpx2.Client) -> None:
    wish = {"name": "r", "may_be_assumed_by": [desk.key]}
    role = amazon.levers.pull("POST", "/world/aws-roles", wish)["arn"]
    stranger = program(amazon, http)
    fields = {"RoleArn": role, "RoleSessionName": "me"}
    answer = stranger.query("AssumeRole", service="sts", **fields)
    assert answer.status_code == 403
    assert document(answer).findtext("Error/Code") == "AccessDenied"
    for wrong in ({"RoleSessionName": "a b"}, {"DurationSeconds": "10"}, {"RoleArn": ""}):
        answer = desk.query("AssumeRole", service="sts", **{**fields, **wrong})
        assert (answer.status_code, document(answer).findtext("Error/Code")) == (
            400,
            "ValidationError",
        )
    session = desk.assume(role, DurationSeconds="900")
    assert session.key.startswith("EMULATED")
    assert session.said("ListQueues") == {"QueueUrls": []}
    assert session.but(token="other").refused("ListQueues")[2] == "InvalidClientTokenId"
    assert session.but(token=None).refused("ListQueues")[2] == "InvalidClientTokenId"
    answer = session.query("AssumeRole", service="sts", **fields)
    assert answer.status_code == 403  # no chains
    amazon.levers.advance(901)
    assert session.refused("ListQueues")[::2] == (403, "ExpiredToken")
    desk.assume(role)
    assert session.refused("ListQueues")[2] == "ExpiredToken"
    renewed = amazon.levers.pull("POST", f"/world/aws-keys/{desk.key}/secret")
    assert desk.refused("ListQueues")[2] == "SignatureDoesNotMatch"
    desk.but(secret=renewed["secret_access_key"]).said("ListQueues")
    amazon.levers.pull("DELETE", f"/world/aws-keys/{desk.key}")
    assert desk.refused("ListQueues")[2] == "InvalidClientTokenId"


def test_other_accounts_need_the_policy(
    amazon: Emulator, desk: Program, url: str, http: httpx2.Client
) -> None:
    guest = program(amazon, http, account_id="999988887777")
    assert guest.refused("SendMessage", QueueUrl=url, MessageBody="b")[2] == "AccessDenied"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "999988887777"},
        "Action": "SQS:SendM*",
        "Resource": "arn:aws:sqs:*:*:news",
    }

    def allow(*more: dict[str, Any]) -> None:
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement, *more]})
        desk.said("SetQueueAttributes", QueueUrl=url, Attributes={"Policy": policy})

    allow()
    guest.said("SendMessage", QueueUrl=url, MessageBody="b")
    assert guest.refused("ReceiveMessage", QueueUrl=url)[2] == "AccessDenied"
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    allow({**statement, "Effect": "Deny", "Principal": "*", "Condition": insecure})
    guest.said("SendMessage", QueueUrl=url, MessageBody="b")
    allow({**statement, "Effect": "Deny", "Principal": "*"})
    assert guest.refused("SendMessage", QueueUrl=url, MessageBody="b")[2] == "AccessDenied"


def test_the_clock_of_signatures(amazon: Emulator, desk: Program) -> None:
    amazon.levers.advance(3600)
    desk.said("ListQueues")
    amazon.levers.pull("PATCH", "/habits/services", {"aws_clock_checked": True})
    assert desk.refused("ListQueues")[2] == "SignatureDoesNotMatch"
    desk.but(at=amazon.levers.now() + timedelta(minutes=14)).said("ListQueues")
    ahead = desk.but(at=amazon.levers.now() + timedelta(minutes=16))
    assert ahead.refused("ListQueues")[2] == "SignatureDoesNotMatch"
