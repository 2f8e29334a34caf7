"""SQS's operations, as the fields of the JSON protocol have them (Amazon's SQS API reference).

Answers for: whose queue it is, who may do what with it, reading the fields, and the shape of
answers. Waiting for messages is done by the face; what a queue is, by `trade.queues`.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from amazon_emulator.faces.aws.refusals import Refused, of_queue
from amazon_emulator.faces.aws.speech import Spoken
from amazon_emulator.stage import Stage
from amazon_emulator.trade.queues import policies as queue_policies
from amazon_emulator.trade.queues import queues
from amazon_emulator.trade.queues import settings as queue_settings
from amazon_emulator.trade.queues.access import Principal
from amazon_emulator.trade.queues.queues import Message, Queue, QueueRefused, Queues

__all__ = ["OPERATIONS", "Errand", "md5_of", "md5_of_attributes"]

_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_ATTRIBUTE_TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
_HOST = re.compile(r"\A[A-Za-z]{1,10}://[^/?#]*")
MOST_IN_A_BATCH = 10
MOST_BYTES_IN_A_BATCH = 1_048_576
MOST_ATTRIBUTES = 10
PAGE = 1000


@dataclass(frozen=True)
class Errand:
    """One admitted call. ``url_path``: the path that was posted to, a queue's in the Query
    protocol."""

    stage: Stage
    spoken: Spoken
    who: Principal
    region: str
    url_path: str
    now: datetime

    @property
    def queues(self) -> Queues:
        return self.stage.of(Queues)

    @property
    def dice(self) -> random.Random | None:
        return None if self.stage.habits.gentle else self.stage.dice

    @property
    def gentle(self) -> bool:
        return self.stage.habits.gentle

    def queue(self) -> Queue:
        """The queue that the call is about. Raises Refused when it is not there or not for them."""
        given = self.spoken.fields.get("QueueUrl")
        path = _HOST.sub("", given, 1) if isinstance(given, str) and given else self.url_path
        account_id, _, name = path.strip("/").rpartition("/")
        account_id = account_id.rpartition("/")[2] or self.who.account_id
        return self.named(account_id, name)

    def named(self, account_id: str, name: str) -> Queue:
        queue = self.queues.all.get(f"arn:aws:sqs:{self.region}:{account_id}:{name}")
        if queue is None:
            raise of_queue(QueueRefused("QueueDoesNotExist", "The specified queue does not exist."))
        self.check(queue)
        return queue

    def check(self, queue: Queue) -> None:
        """Raises Refused when the principal may not do this with the queue."""
        verdict = queue_policies.verdict(
            queue.policy,
            account_id=self.who.account_id,
            arn=self.who.arn,
            action=self.spoken.action.removesuffix("Batch"),
            resource=queue.arn,
        )
        own = queue.account_id == self.who.account_id and self.who.may_use_queues
        if verdict == "Deny" or (verdict is None and not own):
            raise self.denied(queue.arn)

    def denied(self, resource: str) -> Refused:
        return Refused(
            "AccessDenied",
            f"User: {self.who.arn} is not authorized to perform: "
            f"sqs:{self.spoken.action.lower()} on resource: {resource}",
            403,
            "com.amazon.coral.service#AccessDeniedException",
        )

    def url(self, queue: Queue) -> str:
        return f"{self.stage.addresses['aws']}{queue.path}"

    def text(self, name: str) -> str:
        """Raises Refused when it is missing."""
        return _text(self.spoken.fields, name)

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        return _number(self.spoken.fields, name, default, lowest, highest)

    def attributes(self) -> dict[str, str]:
        given = self.spoken.fields.get("Attributes") or {}
        if not isinstance(given, dict):
            raise Refused("InvalidParameterValue", "Attributes must be a map.", 400)
        return {
            str(name): str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in given.items()
        }

    def names(self, name: str) -> list[str]:
        given = self.spoken.fields.get(name) or []
        if not isinstance(given, list):
            raise Refused("InvalidParameterValue", f"{name} must be a list.", 400)
        return [str(one) for one in given]


def _text(fields: Mapping[str, Any], name: str) -> str:
    given = fields.get(name)
    if not isinstance(given, str) or not given:
        words = f"The request must contain the parameter {name}."
        raise Refused("MissingParameter", words, 400)
    return given


def _number(fields: Mapping[str, Any], name: str, default: int, lowest: int, highest: int) -> int:
    given = fields.get(name)
    if given is None:
        return default
    text = str(given)
    if isinstance(given, bool) or not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise Refused("InvalidParameterValue", f"Value {text} for parameter {name} is invalid.")
    if not lowest <= int(text) <= highest:
        raise Refused(
            "InvalidParameterValue",
            f"Value {text} for parameter {name} is invalid. Reason: Must be >= {lowest} and <= "
            f"{highest}, if provided.",
        )
    return int(text)


def md5_of(body: str) -> str:
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def md5_of_attributes(attributes: Mapping[str, Mapping[str, str]]) -> str:
    """As 'Calculating the MD5 message digest for message attributes' of AWS's SQS guide has it."""
    whole = hashlib.md5(usedforsecurity=False)

    def add(part: bytes) -> None:
        whole.update(len(part).to_bytes(4, "big") + part)

    for name in sorted(attributes):
        value = attributes[name]
        add(name.encode())
        add(value["DataType"].encode())
        if "BinaryValue" in value:
            whole.update(b"\x02")
            add(base64.b64decode(value["BinaryValue"]))
        else:
            whole.update(b"\x01")
            add(value["StringValue"].encode())
    return whole.hexdigest()


def create_queue(errand: Errand) -> dict[str, Any]:
    if not errand.who.may_use_queues:
        raise errand.denied("*")
    queue = errand.queues.make(
        errand.who.account_id,
        errand.region,
        errand.text("QueueName"),
        errand.attributes(),
        errand.now,
        gentle=errand.gentle,
    )
    return {"QueueUrl": errand.url(queue)}


def get_queue_url(errand: Errand) -> dict[str, Any]:
    owner = errand.spoken.fields.get("QueueOwnerAWSAccountId") or errand.who.account_id
    return {"QueueUrl": errand.url(errand.named(str(owner), errand.text("QueueName")))}


def list_queues(errand: Errand) -> dict[str, Any]:
    if not errand.who.may_use_queues:
        raise errand.denied("*")
    prefix = str(errand.spoken.fields.get("QueueNamePrefix") or "")
    found = [
        queue
        for queue in errand.queues.of(errand.who.account_id, errand.region)
        if queue.name.startswith(prefix)
    ]
    found.sort(key=lambda queue: queue.name)
    most = errand.number("MaxResults", PAGE, 1, PAGE)
    after = str(errand.spoken.fields.get("NextToken") or "")
    rest = [queue for queue in found if queue.name > after]
    said: dict[str, Any] = {"QueueUrls": [errand.url(queue) for queue in rest[:most]]}
    if len(rest) > most:
        said["NextToken"] = rest[most - 1].name
    return said


def get_queue_attributes(errand: Errand) -> dict[str, Any]:
    queue = errand.queue()
    wanted = errand.names("AttributeNames")
    for name in wanted:
        if name != "All" and name not in queue_settings.READABLE:
            raise of_queue(QueueRefused("InvalidAttributeName", f"Unknown Attribute {name}."))
    told = queue.attributes(errand.now)
    return {
        "Attributes": {
            name: value for name, value in told.items() if "All" in wanted or name in wanted
        }
    }


def set_queue_attributes(errand: Errand) -> None:
    errand.queues.change(errand.queue(), errand.attributes(), errand.now)


def delete_queue(errand: Errand) -> None:
    errand.queues.drop(errand.queue(), errand.now)


def purge_queue(errand: Errand) -> None:
    errand.queues.purge(errand.queue(), errand.now, gentle=errand.gentle)


def send_message(errand: Errand) -> dict[str, Any]:
    return _send(errand, errand.queue(), errand.spoken.fields)


def _send(errand: Errand, queue: Queue, fields: Mapping[str, Any]) -> dict[str, Any]:
    body = _text(fields, "MessageBody")
    delay = None
    if fields.get("DelaySeconds") is not None:
        delay = _number(fields, "DelaySeconds", 0, 0, 900)
    attributes = _message_attributes(fields.get("MessageAttributes") or {})
    sent = errand.queues.send(
        queue, body, errand.now, delay=delay, attributes=attributes, sender_id=errand.who.account_id
    )
    said = {"MD5OfMessageBody": md5_of(body), "MessageId": sent.message_id}
    if attributes:
        said["MD5OfMessageAttributes"] = md5_of_attributes(attributes)
    return said


def _message_attributes(given: Any) -> dict[str, dict[str, str]]:
    if not isinstance(given, dict):
        raise Refused("InvalidParameterValue", "MessageAttributes must be a map.")
    if len(given) > MOST_ATTRIBUTES:
        raise Refused(
            "InvalidParameterValue",
            f"Number of message attributes [{len(given)}] exceeds the allowed maximum "
            f"[{MOST_ATTRIBUTES}].",
        )
    return {name: _message_attribute(name, value) for name, value in given.items()}


def _message_attribute(name: str, value: Any) -> dict[str, str]:
    if not _ATTRIBUTE_NAME.fullmatch(name) or len(name) > 256:
        raise Refused(
            "InvalidParameterValue",
            "Can only include alphanumeric characters, hyphens, underscores and single dots. "
            "1 to 256 in length",
        )
    kind = value.get("DataType") if isinstance(value, dict) else None
    field = "BinaryValue" if str(kind).startswith("Binary") else "StringValue"
    content = value.get(field) if isinstance(value, dict) else None
    if (
        not isinstance(kind, str)
        or not _ATTRIBUTE_TYPE.fullmatch(kind)
        or not isinstance(content, str)
        or not content
    ):
        raise Refused(
            "InvalidParameterValue",
            f"The message attribute '{name}' must contain a non-empty message attribute value "
            "of the type that it names.",
        )
    if queues.NOT_IN_A_MESSAGE.search(kind + content):
        raise of_queue(QueueRefused("InvalidMessageContents", queues.WRONG_CHARACTERS))
    if field == "BinaryValue":
        _check_base64(name, content)
    return {"DataType": kind, field: content}


def _check_base64(name: str, content: str) -> None:
    try:
        base64.b64decode(content, validate=True)
    except ValueError:
        raise Refused(
            "InvalidParameterValue", f"The message attribute '{name}' is not base64."
        ) from None


def receive_message(errand: Errand) -> dict[str, Any]:
    """What is there now; no field at all when there is nothing."""
    queue = errand.queue()
    if queue.is_fifo:
        raise of_queue(
            QueueRefused("UnsupportedOperation", "The emulator's FIFO queues carry no messages.")
        )
    at_most = errand.number("MaxNumberOfMessages", 1, 1, 10)
    hidden_s = errand.number("VisibilityTimeout", queue.number("VisibilityTimeout"), 0, 43_200)
    taken = errand.queues.receive(queue, errand.now, at_most, hidden_s, errand.dice)
    system = errand.names("AttributeNames") + errand.names("MessageSystemAttributeNames")
    wanted = errand.names("MessageAttributeNames")
    if not taken:
        return {}
    return {"Messages": [_shown(queue, message, system, wanted) for message in taken]}


def _shown(queue: Queue, message: Message, system: list[str], wanted: list[str]) -> dict[str, Any]:
    first = message.first_received_at or message.sent_at
    told = {
        "SenderId": message.sender_id,
        "SentTimestamp": str(int(message.sent_at.timestamp() * 1000)),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(int(first.timestamp() * 1000)),
    }
    shown: dict[str, Any] = {
        "MessageId": message.message_id,
        "ReceiptHandle": queue.receipt(message),
        "MD5OfBody": md5_of(message.body),
        "Body": message.body,
    }
    asked = {name: value for name, value in told.items() if "All" in system or name in system}
    if asked:
        shown["Attributes"] = asked
    attributes = {
        name: value
        for name, value in message.attributes.items()
        if any(_is_wanted(name, one) for one in wanted)
    }
    if attributes:
        shown["MessageAttributes"] = attributes
        shown["MD5OfMessageAttributes"] = md5_of_attributes(attributes)
    return shown


def _is_wanted(name: str, wanted: str) -> bool:
    if wanted in ("All", ".*"):
        return True
    return name.startswith(wanted[:-2]) if wanted.endswith(".*") else name == wanted


def delete_message(errand: Errand) -> None:
    errand.queues.delete(errand.queue(), errand.text("ReceiptHandle"), errand.dice)


def change_message_visibility(errand: Errand) -> None:
    queue = errand.queue()
    _hide(errand, queue, errand.spoken.fields)


def _hide(errand: Errand, queue: Queue, fields: Mapping[str, Any]) -> None:
    handle = _text(fields, "ReceiptHandle")
    if fields.get("VisibilityTimeout") is None:
        words = "The request must contain the parameter VisibilityTimeout."
        raise Refused("MissingParameter", words)
    errand.queues.hide(
        queue, handle, _number(fields, "VisibilityTimeout", 0, 0, 43_200), errand.now
    )


def _batch(
    errand: Errand, do: Callable[[Queue, Mapping[str, Any]], Mapping[str, Any] | None]
) -> dict[str, Any]:
    """Does one thing to each entry; what is refused is told beside what was done."""
    queue = errand.queue()
    entries = errand.spoken.fields.get("Entries")
    if not isinstance(entries, list) or not entries:
        raise of_queue(QueueRefused("EmptyBatchRequest", "The batch request is empty."))
    if len(entries) > MOST_IN_A_BATCH:
        raise of_queue(
            QueueRefused(
                "TooManyEntriesInBatchRequest",
                f"Maximum number of entries per request are {MOST_IN_A_BATCH}. You have sent "
                f"{len(entries)}.",
            )
        )
    ids = [entry.get("Id") if isinstance(entry, dict) else None for entry in entries]
    if not all(isinstance(one, str) and _BATCH_ID.fullmatch(one) for one in ids):
        words = (
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
            "It can be at most 80 letters long."
        )
        raise of_queue(QueueRefused("InvalidBatchEntryId", words))
    if len(set(ids)) != len(ids):
        words = "Two or more batch entries in the request have the same Id."
        raise of_queue(QueueRefused("BatchEntryIdsNotDistinct", words))
    said: dict[str, list[dict[str, Any]]] = {"Successful": [], "Failed": []}
    for entry in entries:
        try:
            done = do(queue, entry)
        except (QueueRefused, Refused) as error:
            refused = of_queue(error) if isinstance(error, QueueRefused) else error
            said["Failed"].append(
                {
                    "Id": entry["Id"],
                    "SenderFault": True,
                    "Code": refused.code,
                    "Message": str(refused),
                }
            )
        else:
            said["Successful"].append({"Id": entry["Id"], **(done or {})})
    return {name: rows for name, rows in said.items() if rows}


def send_message_batch(errand: Errand) -> dict[str, Any]:
    entries = errand.spoken.fields.get("Entries")
    size = sum(
        len(entry["MessageBody"].encode())
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("MessageBody"), str)
    )
    if size > MOST_BYTES_IN_A_BATCH:
        words = (
            f"Batch requests cannot be longer than {MOST_BYTES_IN_A_BATCH} bytes. You have sent "
            f"{size} bytes."
        )
        raise of_queue(QueueRefused("BatchRequestTooLong", words))
    return _batch(errand, lambda queue, entry: _send(errand, queue, entry))


def delete_message_batch(errand: Errand) -> dict[str, Any]:
    def delete(queue: Queue, entry: Mapping[str, Any]) -> None:
        errand.queues.delete(queue, _text(entry, "ReceiptHandle"), errand.dice)

    return _batch(errand, delete)


def change_message_visibility_batch(errand: Errand) -> dict[str, Any]:
    def hide(queue: Queue, entry: Mapping[str, Any]) -> None:
        _hide(errand, queue, entry)

    return _batch(errand, hide)


OPERATIONS: Mapping[str, Callable[[Errand], dict[str, Any] | None]] = {
    "CreateQueue": create_queue,
    "GetQueueUrl": get_queue_url,
    "ListQueues": list_queues,
    "GetQueueAttributes": get_queue_attributes,
    "SetQueueAttributes": set_queue_attributes,
    "DeleteQueue": delete_queue,
    "PurgeQueue": purge_queue,
    "SendMessage": send_message,
    "SendMessageBatch": send_message_batch,
    "ReceiveMessage": receive_message,
    "DeleteMessage": delete_message,
    "DeleteMessageBatch": delete_message_batch,
    "ChangeMessageVisibility": change_message_visibility,
    "ChangeMessageVisibilityBatch": change_message_visibility_batch,
}
