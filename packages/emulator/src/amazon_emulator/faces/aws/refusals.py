"""What AWS says when it refuses: the names of errors in both protocols, and their statuses.

Names and statuses follow Amazon's SQS and STS models.
"""

from __future__ import annotations

from amazon_emulator.trade.queues.queues import QueueRefused

__all__ = ["Refused", "of_queue"]

# Name in the SQS model -> the name that the Query protocol knows, where it differs, and the status.
_KINDS: dict[str, tuple[str | None, int]] = {
    "QueueDoesNotExist": ("AWS.SimpleQueueService.NonExistentQueue", 400),
    "QueueNameExists": ("QueueAlreadyExists", 400),
    "QueueDeletedRecently": ("AWS.SimpleQueueService.QueueDeletedRecently", 400),
    "PurgeQueueInProgress": ("AWS.SimpleQueueService.PurgeQueueInProgress", 403),
    "MessageNotInflight": ("AWS.SimpleQueueService.MessageNotInflight", 400),
    "UnsupportedOperation": ("AWS.SimpleQueueService.UnsupportedOperation", 400),
    "EmptyBatchRequest": ("AWS.SimpleQueueService.EmptyBatchRequest", 400),
    "BatchEntryIdsNotDistinct": ("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400),
    "TooManyEntriesInBatchRequest": ("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400),
    "BatchRequestTooLong": ("AWS.SimpleQueueService.BatchRequestTooLong", 400),
    "InvalidBatchEntryId": ("AWS.SimpleQueueService.InvalidBatchEntryId", 400),
    "ReceiptHandleIsInvalid": (None, 404),
}
_OF_SQS = frozenset({*_KINDS, "InvalidAttributeName", "InvalidAttributeValue"})


class Refused(Exception):
    """``code``: as the Query protocol writes it; ``shape``: the name in the JSON protocol."""

    def __init__(self, code: str, words: str, status: int = 400, shape: str | None = None) -> None:
        super().__init__(words)
        self.code = code
        self.status = status
        self.shape = shape or f"com.amazon.coral.service#{code}"

    @property
    def fault(self) -> str:
        return "Receiver" if self.status >= 500 else "Sender"


def of_queue(refused: QueueRefused) -> Refused:
    """A refusal of a queue as AWS writes it."""
    code, status = _KINDS.get(refused.kind, (None, 400))
    service = "com.amazonaws.sqs" if refused.kind in _OF_SQS else "com.amazon.coral.service"
    return Refused(code or refused.kind, str(refused), status, f"{service}#{refused.kind}")
