"""The two protocols of SQS (AWS JSON 1.0, and Query with XML), and that of STS (Query).

Answers for: turning either into one call with the fields of the JSON protocol, and one answer or
refusal back into the protocol that was spoken. It knows no operation's meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from starlette.responses import Response

from amazon_emulator import issuing, strict_json
from amazon_emulator.faces.aws.refusals import Refused
from amazon_emulator.faces.aws.signing import Heard

__all__ = ["Spoken", "answer", "heard_call", "refusal"]

TARGET = "AmazonSQS."
SQS_SPACE = "http://queue.amazonaws.com/doc/2012-11-05/"
STS_SPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
STS_VERSION = "2011-06-15"

DEEPEST = 8  # no operation of SQS nests its fields deeper than four times
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Query name -> JSON name of lists, and of maps that are written as Name (or Key) and Value.
_LISTS = {
    "AttributeName": "AttributeNames",
    "MessageAttributeName": "MessageAttributeNames",
    "MessageSystemAttributeName": "MessageSystemAttributeNames",
    "DeleteMessageBatchRequestEntry": "Entries",
    "SendMessageBatchRequestEntry": "Entries",
    "ChangeMessageVisibilityBatchRequestEntry": "Entries",
}
_MAPS = {
    "Attribute": "Attributes",
    "MessageAttribute": "MessageAttributes",
    "MessageSystemAttribute": "MessageSystemAttributes",
    "Tag": "tags",
}
# JSON name -> element of one entry.
_REPEATED = {"Messages": "Message", "QueueUrls": "QueueUrl", "Failed": "BatchResultErrorEntry"}
_MAPPED = {"Attributes": "Attribute", "MessageAttributes": "MessageAttribute"}


@dataclass(frozen=True)
class Spoken:
    """One call. ``fields`` as in the JSON protocol; numbers may be texts of digits."""

    protocol: str  # json | query
    service: str  # sqs | sts
    action: str
    fields: Mapping[str, Any]


def heard_call(heard: Heard) -> Spoken:
    """Raises Refused when it is no call in either protocol."""
    target = heard.header("x-amz-target")
    if target:
        return _json_call(heard, target)
    pairs = parse_qsl(heard.raw_query, keep_blank_values=True)
    if "x-www-form-urlencoded" in heard.header("content-type").lower():
        pairs += parse_qsl(heard.body.decode("latin-1"), keep_blank_values=True)
    given = dict(pairs)
    action = given.pop("Action", "")
    service = "sts" if given.pop("Version", "") == STS_VERSION else "sqs"
    return Spoken("query", service, action, _nested(given))


def _json_call(heard: Heard, target: str) -> Spoken:
    try:
        fields = strict_json.read(heard.body) if heard.body.strip() else {}
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise Refused("SerializationException", "The request body is no JSON object.", 400)
    return Spoken("json", "sqs", target.removeprefix(TARGET), fields)


def _nested(pairs: Mapping[str, str], depth: int = 0) -> dict[str, Any]:
    """`Attribute.1.Name=a&Attribute.1.Value=b` -> {"Attributes": {"a": "b"}}, and the like.

    Raises Refused."""
    if depth > DEEPEST:
        raise Refused("MalformedInput", "The parameters are nested too deeply.", 400)
    found: dict[str, Any] = {}
    entries: dict[str, dict[int, Any]] = {}
    for name, value in pairs.items():
        head, _, rest = name.partition(".")
        number, _, inner = rest.partition(".")
        if not number.isascii() or not number.isdigit():
            found[name] = value
        elif not inner:
            entries.setdefault(head, {})[int(number[:6])] = value
        else:
            row = entries.setdefault(head, {}).setdefault(int(number[:6]), {})
            if not isinstance(row, dict):
                raise Refused("MalformedInput", f"{name} is given in two ways.", 400)
            row[inner] = value
    for head, numbered in entries.items():
        rows = [numbered[number] for number in sorted(numbered)]
        rows = [_row(row, depth + 1) if isinstance(row, dict) else row for row in rows]
        if head in _MAPS:
            found[_MAPS[head]] = {
                row.get("Name", row.get("Key", "")): row.get("Value", "")
                for row in rows
                if isinstance(row, dict)
            }
        else:
            found[_LISTS.get(head, head)] = rows
    return found


def _row(given: Mapping[str, str], depth: int) -> dict[str, Any]:
    """One entry: deeper lists and maps, and `Value.StringValue` as an object."""
    row = _nested(given, depth)
    for name in [name for name in row if "." in name]:
        head, _, inner = name.partition(".")
        deeper = row.setdefault(head, {})
        if isinstance(deeper, dict):
            deeper[inner] = row.pop(name)
    return row


def answer(spoken: Spoken, said: Mapping[str, Any] | None) -> Response:
    """``said``: the fields of the answer; None where the operation has none."""
    request_id = issuing.request_id()
    headers = {"x-amzn-requestid": request_id}
    if spoken.protocol == "json":
        body = b"" if said is None else json.dumps(said).encode()
        return Response(body, 200, headers, media_type="application/x-amz-json-1.0")
    result = "" if said is None else _element(f"{spoken.action}Result", said, spoken.action)
    space = STS_SPACE if spoken.service == "sts" else SQS_SPACE
    page = (
        f'<?xml version="1.0"?><{spoken.action}Response xmlns="{space}">{result}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        f"</{spoken.action}Response>"
    )
    return Response(page.encode(), 200, headers, media_type="text/xml")


def refusal(refused: Refused, *, protocol: str, service: str = "sqs") -> Response:
    request_id = issuing.request_id()
    headers = {"x-amzn-requestid": request_id}
    if protocol == "json":
        headers["x-amzn-query-error"] = f"{refused.code};{refused.fault}"
        body = json.dumps({"__type": refused.shape, "message": str(refused)}).encode()
        return Response(body, refused.status, headers, media_type="application/x-amz-json-1.0")
    space = STS_SPACE if service == "sts" else SQS_SPACE
    page = (
        f'<?xml version="1.0"?><ErrorResponse xmlns="{space}"><Error><Type>{refused.fault}</Type>'
        f"<Code>{_text(refused.code)}</Code><Message>{_text(str(refused))}</Message><Detail/>"
        f"</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return Response(page.encode(), refused.status, headers, media_type="text/xml")


def _element(name: str, value: Any, action: str) -> str:
    if isinstance(value, Mapping):
        inner = "".join(_field(known, entry, action) for known, entry in value.items())
        return f"<{name}>{inner}</{name}>"
    if isinstance(value, bool):
        return f"<{name}>{str(value).lower()}</{name}>"
    return f"<{name}>{_text(str(value))}</{name}>"


def _field(name: str, value: Any, action: str) -> str:
    if name in _MAPPED and isinstance(value, Mapping):
        return "".join(
            f"<{_MAPPED[name]}><Name>{_text(known)}</Name>{_element('Value', entry, action)}"
            f"</{_MAPPED[name]}>"
            for known, entry in value.items()
        )
    if isinstance(value, list):
        one = _REPEATED.get(name, f"{action}ResultEntry")
        return "".join(_element(one, entry, action) for entry in value)
    return _element(name, value, action)


def _text(text: str) -> str:
    """A carriage return would not survive in XML as itself; control characters, that a refusal may
    repeat, not at all."""
    return escape(_NOT_IN_XML.sub("\ufffd", text), {"\r": "&#13;"})
