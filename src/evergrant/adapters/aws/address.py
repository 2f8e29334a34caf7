"""Where a queue is: what its URL says about the region, and which hosts to ask.

Answers for: every shape of URL that AWS gave to queues, and for sending nothing to hosts that are
not Amazon's. Does not answer for: whether there is such a queue (AWS does).

Sources: AWS's pages "Amazon SQS endpoints and quotas", "Amazon SQS queue URLs" (the legacy names
with `.queue.`), "AWS STS Regions and endpoints" and "AWS services in China".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from evergrant.errors import QueueRefused

__all__ = ["EMULATED_REGION", "QueueAddress", "address_of"]

#: Where an emulated queue is whose URL names no region.
EMULATED_REGION = "eu-west-1"

_REGION = r"(?P<region>[a-z]{2,5}(?:-[a-z]+)+-[0-9]{1,2})"
_SUFFIX = r"(?P<suffix>amazonaws\.com(?:\.cn)?|amazonaws\.eu)"
_SHAPES = tuple(
    re.compile(shape)
    for shape in (
        rf"sqs(?:-fips)?\.{_REGION}\.{_SUFFIX}",
        rf"{_REGION}\.queue\.{_SUFFIX}",
        rf"vpce-[a-z0-9\-]+\.sqs\.{_REGION}\.vpce\.{_SUFFIX}",
        rf"sqs(?:-fips)?\.{_REGION}\.api\.(?P<suffix>aws|amazonwebservices\.com\.cn)",
    )
)
#: Of the time before regions had names of their own.
_OLDEST = frozenset({"queue.amazonaws.com", "sqs.amazonaws.com"})
#: As emulators write it: sqs.eu-west-1.localhost.localstack.cloud.
_EMULATED = re.compile(rf"(?:sqs\.)?{_REGION}\.(?!amazonaws\.)[a-z0-9.\-]+")
_PLAIN_SUFFIX = {"aws": "amazonaws.com", "amazonwebservices.com.cn": "amazonaws.com.cn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueAddress:
    """The region of a queue, and the addresses of SQS and STS there."""

    region: str
    sqs_url: str
    sts_url: str


def address_of(queue_url: str, aws_url: str | None) -> QueueAddress:
    """``aws_url``: where an emulated AWS answers instead of AWS. Raises QueueRefused when the URL
    is not one of AWS's and none is emulated."""
    parts = urlsplit(queue_url)
    host = (parts.hostname or "").lower()
    _, colon, port = parts.netloc.rpartition(":")
    found = next((hit for shape in _SHAPES if (hit := shape.fullmatch(host))), None)
    if aws_url is not None:
        named = found or _EMULATED.fullmatch(host)
        region = "us-east-1" if host in _OLDEST else EMULATED_REGION
        return QueueAddress(
            region=named["region"] if named else region, sqs_url=aws_url, sts_url=aws_url
        )
    if parts.scheme != "https" or (colon and port != "443"):
        raise QueueRefused(
            "The queue's URL does not begin with https:// and a name of AWS's.", hint=_HINT
        )
    if host in _OLDEST:
        return _at("us-east-1", "amazonaws.com", "sqs.us-east-1.amazonaws.com")
    if found is None:
        raise QueueRefused(f"The queue's URL is not one of AWS's: {host[:100]}.", hint=_HINT)
    suffix = _PLAIN_SUFFIX.get(found["suffix"], found["suffix"])
    if ".queue." in host:
        host = f"sqs.{found['region']}.{suffix}"
    return _at(found["region"], suffix, host)


_HINT = (
    "Copy the URL from the queue's page in the Amazon SQS console; it looks like "
    "https://sqs.eu-west-1.amazonaws.com/123456789012/name. For an emulated AWS set "
    "EVERGRANT_AWS_URL."
)


def _at(region: str, suffix: str, host: str) -> QueueAddress:
    return QueueAddress(
        region=region, sqs_url=f"https://{host}", sts_url=f"https://sts.{region}.{suffix}"
    )
