"""A program at the emulated AWS without any SDK: a small signer of its own, and both protocols."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx2

from amazon_emulator import Emulator

DEADLINE_S = 60.0


def until(look: Callable[[], Any], what: str = "it") -> Any:
    """What ``look`` gives as soon as that is something; fails after a while."""
    ends_at = time.monotonic() + DEADLINE_S
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < ends_at, f"{what} did not happen within {DEADLINE_S} s"
        time.sleep(0.005)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Program:
    """Something with a key. Written from AWS's description of Signature Version 4."""

    address: str
    http: httpx2.Client
    key: str
    secret: str
    token: str | None = None
    region: str = "eu-west-1"
    at: datetime | None = None
    tampered: bytes = b""  # is added to the body after signing
    extra: dict[str, str] = field(default_factory=dict)

    def but(self, **changes: Any) -> Program:
        return replace(self, **changes)

    def sign(self, service: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        parts = urllib.parse.urlsplit(url)
        moment = (self.at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        headers = {**headers, "host": parts.netloc, "x-amz-date": moment}
        if self.token:
            headers["x-amz-security-token"] = self.token
        names = sorted(headers)
        query = "&".join(sorted(part for part in parts.query.split("&") if part))
        canonical = "\n".join(
            [
                "POST",
                parts.path or "/",
                query,
                "".join(f"{name}:{headers[name].strip()}\n" for name in names),
                ";".join(names),
                sha256(body),
            ]
        )
        scope = f"{moment[:8]}/{self.region}/{service}/aws4_request"
        signing = ("AWS4" + self.secret).encode()
        for part in scope.split("/"):
            signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{sha256(canonical.encode())}"
        value = hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={value}"
        )
        return headers

    def post(self, service: str, url: str, headers: dict[str, str], body: bytes) -> httpx2.Response:
        signed = {**self.sign(service, url, headers, body), **self.extra}
        return self.http.post(url, content=body + self.tampered, headers=signed, timeout=30)

    def json(self, action: str, **fields: Any) -> httpx2.Response:
        """SQS by AWS JSON 1.0."""
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"AmazonSQS.{action}",
        }
        return self.post("sqs", f"{self.address}/", headers, json.dumps(fields).encode())

    def said(self, action: str, **fields: Any) -> Any:
        """The answer's JSON; the call must succeed."""
        answer = self.json(action, **fields)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/x-amz-json-1.0"
        return answer.json() if answer.content else None

    def refused(self, action: str, **fields: Any) -> tuple[int, str, str]:
        """Status, name of the error in the JSON protocol, name in the Query protocol."""
        answer = self.json(action, **fields)
        assert answer.status_code >= 400, answer.text
        name = answer.json()["__type"].rpartition("#")[2]
        code, _, fault = answer.headers["x-amzn-query-error"].partition(";")
        assert fault == ("Sender" if answer.status_code < 500 else "Receiver")
        return answer.status_code, name, code

    def query(
        self, action: str, url: str | None = None, service: str = "sqs", **fields: Any
    ) -> httpx2.Response:
        """SQS or STS by the Query protocol."""
        version = "2012-11-05" if service == "sqs" else "2011-06-15"
        given = {"Action": action, "Version": version, **fields}
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        body = urllib.parse.urlencode(given).encode()
        return self.post(service, url or f"{self.address}/", headers, body)

    def xml(self, action: str, url: str | None = None, service: str = "sqs", **fields: Any) -> Any:
        """The answer's document without name spaces; the call must succeed."""
        answer = self.query(action, url, service, **fields)
        assert answer.status_code == 200, answer.text
        return document(answer)

    def assume(self, role_arn: str, **fields: Any) -> Program:
        """The same program with the temporary credentials of a role."""
        said = self.xml(
            "AssumeRole", service="sts", RoleArn=role_arn, RoleSessionName="desk", **fields
        )
        found = said.find("AssumeRoleResult/Credentials")
        return self.but(
            key=found.findtext("AccessKeyId"),
            secret=found.findtext("SecretAccessKey"),
            token=found.findtext("SessionToken"),
        )


def document(answer: httpx2.Response) -> Any:
    assert answer.headers["content-type"].startswith("text/xml")
    root = ET.fromstring(answer.text)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def program(amazon: Emulator, http: httpx2.Client, **wishes: Any) -> Program:
    """One with a fresh key."""
    key = amazon.levers.pull("POST", "/world/aws-keys", wishes)
    return Program(amazon.addresses["aws"], http, key["access_key_id"], key["secret_access_key"])


def receive(desk: Program, url: str, **fields: Any) -> list[Any]:
    """What a queue gives now, at most ten messages."""
    wanted = {"AttributeNames": ["All"], "MaxNumberOfMessages": 10, **fields}
    found: list[Any] = desk.said("ReceiveMessage", QueueUrl=url, **wanted).get("Messages", [])
    return found


def bodies(amazon: Emulator, queue: str) -> list[Any]:
    """What lies in a queue, read as JSON, without receiving it."""
    found = amazon.levers.pull("GET", f"/queues/{urllib.parse.quote(queue, safe='')}/messages")
    return [json.loads(item["body"]) for item in found["items"]]


class Waiting:
    """A long poll in a thread of its own."""

    def __init__(self, amazon: Emulator, receive: Callable[[], Any]) -> None:
        before = amazon.levers.count(kind="sqs.ReceiveMessage")
        self.found: list[Any] = []
        self.thread = threading.Thread(target=lambda: self.found.append(receive()))
        self.thread.start()
        until(
            lambda: amazon.levers.count(kind="sqs.ReceiveMessage") > before, "the start of the poll"
        )

    @property
    def is_over(self) -> bool:
        return not self.thread.is_alive()

    def answer(self) -> Any:
        """What it brought; fails when that takes longer than a few seconds."""
        self.thread.join(DEADLINE_S)
        assert self.is_over, "the long poll still waits"
        return self.found[0]
