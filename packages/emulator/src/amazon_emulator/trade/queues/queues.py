"""Queues as SQS has them, by the emulator's clock: messages, visibility, receipts, retention.

Answers for: standard queues that deliver at least once and in about the order of sending. Where the
emulator is not gentle, a deleted message now and then comes once more (the copy on a server that
was away) and an answer is out of order; both by dice that fall the same for the same seed. FIFO
queues can be made, so that a program can learn that SP-API takes none, and carry nothing.

`hand_over` is the one way by which Amazon's notifications reach a queue, by its ARN.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import random
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.stage import Stage
from amazon_emulator.trade import given
from amazon_emulator.trade.queues import policies as queue_policies
from amazon_emulator.trade.queues import settings as queue_settings
from amazon_emulator.trade.queues.settings import NUMBERS, WrongAttribute

__all__ = [
    "NOT_IN_A_MESSAGE",
    "WRONG_CHARACTERS",
    "Message",
    "Queue",
    "QueueRefused",
    "Queues",
    "hand_over",
    "why_not",
]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
# What SQS takes in a message: the characters of XML 1.0.
NOT_IN_A_MESSAGE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
WRONG_CHARACTERS = "Invalid characters found in the message."
COMES_AGAIN = 0.05  # of deletions
OUT_OF_ORDER = 0.1  # of answers
LOOKED_AT = 50  # messages among which an answer may be shuffled
QUIET = timedelta(seconds=60)  # after a purge, after a deletion


class QueueRefused(Exception):
    """``kind``: the name of the error in Amazon's SQS model."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind


@dataclass
class Message:
    """One message in a queue. ``visible_at`` is in the future while somebody works on it."""

    message_id: str
    body: str
    sent_at: datetime
    visible_at: datetime
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    sender_id: str = ""
    receives: int = 0
    first_received_at: datetime | None = None
    came_again: bool = False
    secret: bool = False  # its body holds a client secret


@dataclass
class Queue:
    """One queue. ``settings``: the attributes that were set."""

    account_id: str
    region: str
    name: str
    made_at: datetime
    settings: dict[str, str] = field(default_factory=dict)
    changed_at: datetime | None = None
    purged_at: datetime | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    messages: dict[str, Message] = field(default_factory=dict)
    # Who polls, the longest waiting first; a dict, as a set has no order.
    waiting: dict[asyncio.Event, None] = field(default_factory=dict)
    quiet_until: datetime | None = None  # nothing becomes visible before; None: not known

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{self.region}:{self.account_id}:{self.name}"

    @property
    def path(self) -> str:
        return f"/{self.account_id}/{self.name}"

    @property
    def is_fifo(self) -> bool:
        return self.name.endswith(".fifo")

    def number(self, name: str) -> int:
        return int(self.settings.get(name, NUMBERS[name][0]))

    @property
    def policy(self) -> str:
        return self.settings.get("Policy", "")

    def put(self, message: Message) -> None:
        """Adds it and wakes who waits."""
        self.messages[message.message_id] = message
        self.wake()

    def wake(self) -> None:
        """Something may be visible that was not."""
        self.quiet_until = None
        for waiter in self.waiting:
            waiter.set()

    def forget_old(self, now: datetime) -> None:
        """Lets go of what nobody fetched within the retention period."""
        oldest = now - timedelta(seconds=self.number("MessageRetentionPeriod"))
        while self.messages:
            first = next(iter(self.messages.values()))
            if first.sent_at > oldest:
                break
            del self.messages[first.message_id]

    def attributes(self, now: datetime) -> dict[str, str]:
        """All attributes, as SQS tells them."""
        self.forget_old(now)
        hidden = [message for message in self.messages.values() if message.visible_at > now]
        delayed = sum(1 for message in hidden if message.receives == 0)
        told = {
            **{name: str(default) for name, (default, _, _) in NUMBERS.items()},
            **self.settings,
            "QueueArn": self.arn,
            "CreatedTimestamp": str(int(self.made_at.timestamp())),
            "LastModifiedTimestamp": str(int((self.changed_at or self.made_at).timestamp())),
            "ApproximateNumberOfMessages": str(len(self.messages) - len(hidden)),
            "ApproximateNumberOfMessagesNotVisible": str(len(hidden) - delayed),
            "ApproximateNumberOfMessagesDelayed": str(delayed),
        }
        return {name: value for name, value in told.items() if value != ""}

    def receipt(self, message: Message) -> str:
        """The handle of the latest receive."""
        words = f"{self.id} {message.message_id} {message.receives}"
        return "EMU" + base64.urlsafe_b64encode(words.encode()).decode()

    def received(self, handle: str) -> tuple[Message | None, bool]:
        """The message of a handle, if still there, and whether it is of its latest receive.

        Raises QueueRefused for what is no handle of this queue."""
        try:
            words = base64.urlsafe_b64decode(handle.removeprefix("EMU").encode()).decode()
            queue_id, message_id, number = words.split(" ")
        except (ValueError, binascii.Error):
            queue_id = message_id = number = ""
        if queue_id != self.id or not handle.startswith("EMU"):
            raise QueueRefused("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
        message = self.messages.get(message_id)
        return message, message is not None and number == str(message.receives)


@dataclass
class Queues:
    """All queues of this world."""

    all: dict[str, Queue] = field(default_factory=dict)  # by ARN
    _gone: dict[str, datetime] = field(default_factory=dict)

    def make(
        self,
        account_id: str,
        region: str,
        name: str,
        attributes: dict[str, str],
        now: datetime,
        *,
        gentle: bool = True,
    ) -> Queue:
        """The queue of that name, made if it is not there. Raises QueueRefused."""
        if not _NAME.fullmatch(name):
            raise QueueRefused(
                "InvalidParameterValue",
                "Can only include alphanumeric characters, hyphens, or underscores. "
                "1 to 80 in length",
            )
        checked = _checked(attributes)
        if name.endswith(".fifo") != (checked.get("FifoQueue") == "true"):
            raise QueueRefused(
                "InvalidParameterValue",
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or "
                "underscores, must end with .fifo suffix and be 1 to 80 in length.",
            )
        queue = Queue(account_id, region, name, now, checked)
        known = self.all.get(queue.arn)
        if known is not None:
            for attribute, value in checked.items():
                if known.attributes(now).get(attribute) != value:
                    raise QueueRefused(
                        "QueueNameExists",
                        "A queue already exists with the same name and a different value for "
                        f"attribute {attribute}",
                    )
            return known
        gone_at = self._gone.get(queue.arn)
        if not gentle and gone_at is not None and gone_at <= now < gone_at + QUIET:
            raise QueueRefused(
                "QueueDeletedRecently",
                "You must wait 60 seconds after deleting a queue before you can create another "
                "with the same name.",
            )
        self.all[queue.arn] = queue
        return queue

    def of(self, account_id: str, region: str) -> Iterator[Queue]:
        return (
            queue
            for queue in self.all.values()
            if (queue.account_id, queue.region) == (account_id, region)
        )

    def change(self, queue: Queue, attributes: dict[str, str], now: datetime) -> None:
        """Raises QueueRefused."""
        changed = _checked(attributes)
        if "FifoQueue" in changed:
            raise QueueRefused("InvalidAttributeName", "Unknown Attribute FifoQueue.")
        queue.settings.update(changed)
        queue.changed_at = now

    def drop(self, queue: Queue, now: datetime) -> None:
        del self.all[queue.arn]
        self._gone[queue.arn] = now
        queue.wake()

    def purge(self, queue: Queue, now: datetime, *, gentle: bool = True) -> None:
        """Raises QueueRefused when that was done less than a minute ago."""
        if not gentle and queue.purged_at and queue.purged_at <= now < queue.purged_at + QUIET:
            raise QueueRefused(
                "PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds.",
            )
        queue.messages.clear()
        queue.purged_at = now

    def send(
        self,
        queue: Queue,
        body: str,
        now: datetime,
        *,
        delay: int | None = None,
        attributes: dict[str, dict[str, str]] | None = None,
        sender_id: str = "",
        secret: bool = False,
    ) -> Message:
        """Raises QueueRefused."""
        if queue.is_fifo:
            raise QueueRefused(
                "UnsupportedOperation", "The emulator's FIFO queues carry no messages."
            )
        if not body:
            raise QueueRefused(
                "MissingParameter", "The request must contain the parameter MessageBody."
            )
        if NOT_IN_A_MESSAGE.search(body):
            raise QueueRefused("InvalidMessageContents", WRONG_CHARACTERS)
        most = queue.number("MaximumMessageSize")
        if len(body.encode()) > most:
            raise QueueRefused(
                "InvalidParameterValue",
                f"One or more parameters are invalid. Reason: Message must be shorter than {most} "
                "bytes.",
            )
        after = timedelta(seconds=queue.number("DelaySeconds") if delay is None else delay)
        made = Message(
            str(uuid.uuid4()),
            body,
            now,
            now + after,
            attributes or {},
            sender_id,
            secret=secret,
        )
        queue.put(made)
        return made

    def receive(
        self, queue: Queue, now: datetime, at_most: int, hidden_s: int, dice: random.Random | None
    ) -> list[Message]:
        """What is visible now, hidden from then on. ``dice`` None: in order."""
        queue.forget_old(now)
        if queue.quiet_until is not None and now < queue.quiet_until:
            return []
        oldest = now - timedelta(seconds=queue.number("MessageRetentionPeriod"))
        visible: Iterator[Message] = (
            message
            for message in list(queue.messages.values())
            if message.visible_at <= now
            and message.sent_at > oldest
            and not self._is_dead(queue, message, now)
        )
        if dice is not None and dice.random() < OUT_OF_ORDER:
            some = list(islice(visible, LOOKED_AT))
            dice.shuffle(some)
            visible = iter(some)
        taken = list(islice(visible, at_most))
        for message in taken:
            message.receives += 1
            message.first_received_at = message.first_received_at or now
            message.visible_at = now + timedelta(seconds=hidden_s)
        if not taken:
            # Twenty polls that look for themselves must not each go through all that is hidden.
            known = (message.visible_at for message in queue.messages.values())
            queue.quiet_until = min(known, default=None)
        return taken

    def delete(self, queue: Queue, handle: str, dice: random.Random | None) -> None:
        """An older receive's handle is taken and does nothing. Raises QueueRefused."""
        message, latest = queue.received(handle)
        if message is None or not latest:
            return
        if dice is not None and not message.came_again and dice.random() < COMES_AGAIN:
            message.came_again = True
            return
        del queue.messages[message.message_id]

    def hide(self, queue: Queue, handle: str, seconds: int, now: datetime) -> None:
        """Changes how long a received message stays hidden. Raises QueueRefused."""
        message, latest = queue.received(handle)
        if message is None or not latest or message.visible_at <= now:
            raise QueueRefused(
                "MessageNotInflight",
                f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not "
                "exist or is not available for visibility timeout change.",
            )
        message.visible_at = now + timedelta(seconds=seconds)
        queue.wake()

    def _is_dead(self, queue: Queue, message: Message, now: datetime) -> bool:
        """Moves a message that was received too often to the dead-letter queue, if there is one."""
        policy = queue_settings.redrive(queue.settings.get("RedrivePolicy", ""))
        if policy is None or message.receives < policy[1] or policy[0] not in self.all:
            return False
        del queue.messages[message.message_id]
        message.visible_at = now
        self.all[policy[0]].put(message)
        return True

    def as_json(self, *, credentials: bool = False) -> Any:
        """Messages that hold a client secret only when asked for."""
        return [
            {
                "arn": queue.arn,
                "id": queue.id,
                "made_at": stamp(queue.made_at),
                "settings": dict(sorted(queue.settings.items())),
                "messages": [
                    _message_json(message)
                    for message in queue.messages.values()
                    if credentials or not message.secret
                ],
            }
            for queue in self.all.values()
        ]

    def load(self, stage: Stage, content: Any) -> None:
        """Raises ValueError that names the place."""
        for number, row in enumerate(given.rows(content, "queues")):
            place = f"queues[{number}]"
            one = given.fields(
                row, place, arn=str, id=str, made_at=str, settings=dict, messages=list
            )
            parts = one["arn"].split(":")
            if len(parts) != 6 or parts[:3] != ["arn", "aws", "sqs"]:
                raise ValueError(f"{place}: 'arn' is not the ARN of a queue")
            made_at = given.instant(one["made_at"], place)
            try:
                queue = self.make(parts[4], parts[3], parts[5], one["settings"], made_at)
            except (QueueRefused, AttributeError, TypeError) as error:
                raise ValueError(f"{place}: {error}") from None
            queue.id = one["id"]
            for index, message in enumerate(one["messages"]):
                queue.put(_message(message, f"{place}.messages[{index}]"))


def _message_json(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "body": message.body,
        "sent_at": stamp(message.sent_at),
        "visible_at": stamp(message.visible_at),
        "attributes": message.attributes,
        "sender_id": message.sender_id,
        "receives": message.receives,
        "first_received_at": stamp(message.first_received_at),
        "came_again": message.came_again,
        "secret": message.secret,
    }


def _message(row: Any, place: str) -> Message:
    one = given.fields(
        row,
        place,
        message_id=str,
        body=str,
        sent_at=str,
        visible_at=str,
        attributes=dict,
        sender_id=str,
        receives=int,
        first_received_at=(str, type(None)),
        came_again=bool,
        secret=bool,
    )
    for name in ("sent_at", "visible_at", "first_received_at"):
        if one[name] is not None:
            one[name] = given.instant(one[name], f"{place}.{name}")
    return Message(**one)


def _checked(attributes: dict[str, str]) -> dict[str, str]:
    try:
        return queue_settings.checked(attributes)
    except WrongAttribute as wrong:
        kind = "InvalidAttributeValue" if wrong.name_known else "InvalidAttributeName"
        raise QueueRefused(kind, str(wrong)) from None


def why_not(stage: Stage, arn: str) -> str | None:
    """Why SP-API cannot use this queue, in words; None when it can."""
    queue = stage.of(Queues).all.get(arn)
    if queue is None:
        return f"There is no queue {arn}"
    if queue.is_fifo:
        return f"{arn} is a FIFO queue; only standard queues are supported"
    for action in ("SendMessage", "GetQueueAttributes"):
        if not queue_policies.allows(
            queue.policy,
            account_id=queue_policies.AMAZON,
            arn=None,
            action=action,
            resource=arn,
        ):
            return f"The policy of {arn} does not allow {queue_policies.AMAZON} sqs:{action}"
    return None


def hand_over(
    stage: Stage, arn: str, body: str, now: datetime, *, secret: bool = False
) -> str | None:
    """Puts a message of Amazon's into a queue. Gives why it did not get there; None: it did."""
    refusal = why_not(stage, arn)
    if refusal is not None:
        return refusal
    queues = stage.of(Queues)
    try:
        queues.send(queues.all[arn], body, now, sender_id=queue_policies.AMAZON, secret=secret)
    except QueueRefused as refused:
        return str(refused)
    return None
