"""A queue's attributes: which there are, ranges, defaults (Amazon's SQS API reference).

Answers for: checking what a program sets. What the attributes do is known by `queues`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from amazon_emulator.trade.queues import policies as queue_policies

__all__ = ["NUMBERS", "READABLE", "WRITABLE", "WrongAttribute", "checked", "redrive"]

MOST_RECEIVES = 1000
_COUNT = re.compile(r"[1-9][0-9]{0,3}")

# default, lowest, highest; seconds and bytes
NUMBERS: Mapping[str, tuple[int, int, int]] = {
    "DelaySeconds": (0, 0, 900),
    "MaximumMessageSize": (1_048_576, 1_024, 1_048_576),
    "MessageRetentionPeriod": (345_600, 60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 0, 20),
    "VisibilityTimeout": (30, 0, 43_200),
}
_KEPT = (
    *("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"),
    *("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"),
    "RedriveAllowPolicy",
)
WRITABLE = (*NUMBERS, "Policy", "RedrivePolicy", "FifoQueue", *_KEPT)
_TOLD = (
    *("QueueArn", "CreatedTimestamp", "LastModifiedTimestamp", "ApproximateNumberOfMessages"),
    *("ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"),
)
READABLE = (*WRITABLE, *_TOLD)


class WrongAttribute(Exception):
    """An attribute that no queue has, or a value that it cannot have."""

    def __init__(self, words: str, *, name_known: bool) -> None:
        super().__init__(words)
        self.name_known = name_known


def checked(given: Mapping[str, str]) -> dict[str, str]:
    """Raises WrongAttribute."""
    for name, value in given.items():
        if name not in WRITABLE:
            raise WrongAttribute(f"Unknown Attribute {name}.", name_known=False)
        if not _is_good(name, value):
            raise WrongAttribute(f"Invalid value for the parameter {name}.", name_known=True)
    return dict(given)


def _is_good(name: str, value: str) -> bool:
    if name in NUMBERS:
        _, lowest, highest = NUMBERS[name]
        return value.isascii() and value.isdigit() and lowest <= int(value[:12]) <= highest
    if name == "Policy":
        return not value or queue_policies.is_readable(value)
    if name == "RedrivePolicy":
        return not value or redrive(value) is not None
    if name == "FifoQueue":
        return value in ("true", "false")
    return True


def redrive(policy: str) -> tuple[str, int] | None:
    """The ARN of the dead-letter queue, and after how many receives (1 to 1000, also as a text).
    None: it says neither."""
    try:
        given = json.loads(policy)
        arn, count = given["deadLetterTargetArn"], str(given["maxReceiveCount"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(arn, str) or not _COUNT.fullmatch(count) or int(count) > MOST_RECEIVES:
        return None
    return arn, int(count)
