"""The pipe to AWS: the queue in which Amazon leaves new client secrets.

Answers for: SQS and STS by boto3, which is an extra (``evergrant[aws]``); the role that is assumed
and remembered; and for ending at once, even in the middle of a long poll. Does not answer for: what
a message says, or for trying again.

Source: the SQS and STS API references (ReceiveMessage, DeleteMessage, AssumeRole).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from evergrant.adapters.aws import refusals
from evergrant.adapters.aws.address import address_of
from evergrant.adapters.aws.clients import Clients, Keys
from evergrant.adapters.aws.threads import Abandoned, Threads
from evergrant.errors import QueueRefused, QueueUnavailable
from evergrant.ports.secrets_queue import QueueAccess, QueueMessage
from evergrant.rules.secrecy import Secret

__all__ = ["SqsSecretsQueue"]

T = TypeVar("T")

LONGEST_WAIT_S = 20
MOST_MESSAGES = 10
#: So long a message is ours alone. Said with every call, as a queue's own setting may be anything
#: from nothing to twelve hours.
HIDDEN_S = 60
#: What AWS allows to every role.
_SESSION_S = 3600
#: So long before their end temporary credentials are not used any more.
_MARGIN_S = 300
_THREADS = 16
#: For making connections and clients, and for the pause between two tries.
_GRACE_S = 10.0
_SESSION_NAME = "evergrant-{}"


@dataclass(slots=True)
class _Way:
    """To one application's queue, kept while its access stays what it was."""

    access: QueueAccess
    lock: threading.Lock = field(default_factory=threading.Lock)
    client: Any = None
    ends_at_s: float | None = None  # by time.monotonic; None: keys that do not end


class SqsSecretsQueue:
    """``ports.SecretsQueue`` over HTTPS.

    ``aws_url``: where an emulated AWS answers, SQS and STS alike. ``hidden_s``: how long a received
    message is invisible to others."""

    def __init__(
        self, *, aws_url: str | None, timeout_s: float, user_agent: str, hidden_s: int = HIDDEN_S
    ) -> None:
        self._aws_url = aws_url
        self._timeout_s = timeout_s
        self._hidden_s = hidden_s
        self._clients = Clients(timeout_s=timeout_s, user_agent=user_agent)
        self._making = threading.Lock()
        self._ways: dict[str, _Way] = {}
        self._threads = Threads(_THREADS, "evergrant-aws")

    async def receive(
        self, access: QueueAccess, *, wait_s: float, most: int = MOST_MESSAGES
    ) -> Sequence[QueueMessage]:
        """As the port says. Raises Misconfigured where boto3 is not installed."""
        wait = max(0, min(LONGEST_WAIT_S, round(wait_s)))
        asked = {
            "QueueUrl": access.queue_url,
            "MaxNumberOfMessages": max(1, min(MOST_MESSAGES, most)),
            "WaitTimeSeconds": wait,
            "VisibilityTimeout": self._hidden_s,
            "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
        }
        return await self._run(
            lambda: self._do(
                access, refusals.RECEIVE, lambda sqs: _messages(sqs.receive_message(**asked))
            ),
            wait,
        )

    async def delete(self, access: QueueAccess, message: QueueMessage) -> None:
        """As the port says. Raises Misconfigured where boto3 is not installed."""
        asked = {"QueueUrl": access.queue_url, "ReceiptHandle": message.receipt}
        await self._run(
            lambda: self._do(access, refusals.DELETE, lambda sqs: _delete(sqs, asked)), 0
        )

    async def close(self) -> None:
        """Ends at once. A poll under way is given up; what it might still bring is visible again
        to others within ``hidden_s``."""
        self._threads.close()
        with self._making:
            ways, self._ways = self._ways, {}
        for way in ways.values():
            _close(way.client)

    async def _run(self, work: Callable[[], T], wait_s: int) -> T:
        # One try and its repetition; STS may have to be asked before.
        longest_s = 2 * self._timeout_s + wait_s + _GRACE_S
        try:
            return await self._threads.run(work, timeout_s=longest_s)
        except TimeoutError:
            raise QueueUnavailable(
                f"AWS did not answer within {longest_s:g} seconds.", hint=refusals.SILENT_HINT
            ) from None
        except Abandoned:
            raise QueueUnavailable("This process is about to end.") from None

    # --- in a thread ---

    def _do(self, access: QueueAccess, action: str, ask: Callable[[Any], T]) -> T:
        way = self._way(access)
        client = self._client(way)
        try:
            try:
                return ask(client)
            except _of_botocore() as error:
                if not (access.role_arn and refusals.is_over(error)):
                    failure = refusals.meaning(error, access, action)
                    raise failure from None
            # The role's credentials ended earlier than was said: once more with fresh ones.
            client = self._client(way, fresh=True)
            try:
                return ask(client)
            except _of_botocore() as error:
                failure = refusals.meaning(error, access, action)
                raise failure from None
        finally:
            if self._threads.closed:
                _close(client)

    def _way(self, access: QueueAccess) -> _Way:
        if not access.access_key or not access.secret_key:
            raise QueueRefused(
                "The application has no AWS keys.",
                hint="Set access key and secret key of its integration credentials.",
            )
        with self._making:
            way = self._ways.get(access.application_id)
            if way is None or way.access != access:
                if way is not None:
                    _close(way.client)
                way = self._ways[access.application_id] = _Way(access)
            return way

    def _client(self, way: _Way, *, fresh: bool = False) -> Any:
        """One whose credentials still last; ``fresh``: whatever is remembered is over."""
        with way.lock:
            over = way.ends_at_s is not None and time.monotonic() >= way.ends_at_s
            if way.client is None or fresh or over:
                _close(way.client)
                way.client = None
                way.client, way.ends_at_s = self._made(way.access)
            return way.client

    def _made(self, access: QueueAccess) -> tuple[Any, float | None]:
        address = address_of(access.queue_url, self._aws_url)
        keys = Keys(access_key=access.access_key, secret_key=access.secret_key)
        ends_at_s = None
        if access.role_arn:
            asked_at_s = time.monotonic()
            with self._making:
                sts = self._clients.make("sts", address.region, address.sts_url, keys, patience_s=0)
            try:
                keys = _assumed(sts, access)
            finally:
                _close(sts)
            ends_at_s = asked_at_s + _SESSION_S - _MARGIN_S
        with self._making:
            sqs = self._clients.make(
                "sqs", address.region, address.sqs_url, keys, patience_s=LONGEST_WAIT_S
            )
        return sqs, ends_at_s


def _assumed(sts: Any, access: QueueAccess) -> Keys:
    try:
        answer = sts.assume_role(
            RoleArn=access.role_arn,
            # It stands in CloudTrail, beside what the role did.
            RoleSessionName=_SESSION_NAME.format(access.application_id)[:64],
            DurationSeconds=_SESSION_S,
        )
        found = answer["Credentials"]
        return Keys(
            access_key=Secret(found["AccessKeyId"]),
            secret_key=Secret(found["SecretAccessKey"]),
            session_token=Secret(found["SessionToken"]),
        )
    except _of_botocore() as error:
        failure = refusals.meaning(error, access, refusals.ASSUME)
        raise failure from None
    except (KeyError, TypeError):
        raise QueueUnavailable(
            f"AWS answered in no shape that we know ({refusals.ASSUME}).",
            hint="Something on the way answers instead of AWS.",
        ) from None


def _messages(answer: Any) -> Sequence[QueueMessage]:
    return tuple(
        QueueMessage(
            id=str(row.get("MessageId", "")),
            body=Secret(str(row.get("Body", ""))),
            receipt=str(row["ReceiptHandle"]),
            times_received=_number(row.get("Attributes", {}).get("ApproximateReceiveCount")),
        )
        for row in answer.get("Messages") or ()
        if row.get("ReceiptHandle")
    )


def _delete(sqs: Any, asked: Mapping[str, str]) -> None:
    try:
        sqs.delete_message(**asked)
    except _of_botocore() as error:
        if not refusals.is_gone(error):
            raise


def _number(text: object) -> int:
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 10 else 1


def _of_botocore() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError


def _close(client: Any) -> None:
    if client is not None:
        client.close()
