"""AWS played by moto, as a process of its own, over HTTP: queues, users, roles, and their rights.

For whoever needs a queue that is not ours: ``with MotoServer() as aws`` ... ``aws.queue()``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
from botocore.config import Config

from amazon_emulator import Emulator
from evergrant.ports.secrets_queue import QueueAccess
from evergrant.rules.secrecy import Secret

REGION = "eu-west-1"
ACCOUNT = "123456789012"  # moto's own
DEADLINE_S = 60.0
#: moto admits everybody to so many actions, and asks for rights after them.
NEVER = 2**31


@dataclass(frozen=True, slots=True)
class User:
    access_key: Secret
    secret_key: Secret
    arn: str


class MotoServer:
    """Started by ``with``; ``url`` is where SQS, STS and IAM answer."""

    def __init__(self) -> None:
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> MotoServer:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                "PYTHONUNBUFFERED": "1",
            },
        )
        found: list[str] = []
        heard = threading.Event()

        def listen() -> None:
            assert self._process is not None
            assert self._process.stderr is not None
            for line in self._process.stderr:
                if hit := re.search(r"http://127\.0\.0\.1:\d+", line):
                    found.append(hit[0])
                    heard.set()
            heard.set()

        self._listener = threading.Thread(target=listen, daemon=True)
        self._listener.start()
        assert heard.wait(DEADLINE_S), "moto did not start"
        assert found, "moto ended before it listened"
        self.url = found[0]
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._listener.join(DEADLINE_S)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def client(self, service: str) -> Any:
        """As somebody who may do everything, while rights are not asked for."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="anybody",
            aws_secret_access_key=uuid.uuid4().hex,
            config=Config(proxies={}),
        )

    def queue(self, **attributes: str) -> str:
        """A fresh one; its URL as AWS writes it, which says the region."""
        name = f"secrets-{uuid.uuid4().hex[:8]}"
        sqs = self.client("sqs")
        sqs.create_queue(QueueName=name, Attributes=attributes)
        sqs.close()
        return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"

    def send(self, queue_url: str, body: str) -> str:
        sqs = self.client("sqs")
        answer = sqs.send_message(QueueUrl=queue_url, MessageBody=body)
        sqs.close()
        return str(answer["MessageId"])

    def carry(self, amazon: Emulator, arn: str, queue_url: str) -> int:
        """What Amazon put into its own queue since, into one of ours; gives how many. Amazon's
        emulator speaks to no AWS but its own."""
        path = f"/queues/{quote(arn, safe='')}"
        waiting = amazon.levers.pull("GET", f"{path}/messages")["items"]
        for message in waiting:
            self.send(queue_url, message["body"])
        if waiting:
            amazon.levers.pull("PATCH", path, {"purge": True})
        return len(waiting)

    def counts(self, queue_url: str) -> int:
        """How many messages lie there, whoever works on them."""
        sqs = self.client("sqs")
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=wanted)["Attributes"]
        sqs.close()
        return sum(int(told[name]) for name in wanted)

    def user(self, *actions: str) -> User:
        """A user with a key who may do these things, and nothing else."""
        iam = self.client("iam")
        name = f"user-{uuid.uuid4().hex[:8]}"
        arn = iam.create_user(UserName=name)["User"]["Arn"]
        key = iam.create_access_key(UserName=name)["AccessKey"]
        if actions:
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=_policy(*actions))
        iam.close()
        return User(Secret(key["AccessKeyId"]), Secret(key["SecretAccessKey"]), arn)

    def role(self, user: User, *actions: str) -> str:
        """A role that this user may assume; its ARN."""
        iam = self.client("iam")
        name = f"role-{uuid.uuid4().hex[:8]}"
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "sts:AssumeRole"}
            ],
        }
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        if actions:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_policy(*actions))
        iam.close()
        return str(made["Role"]["Arn"])

    def ask_for_rights(self, after: int = 0) -> None:
        """From now on keys and policies decide; ``NEVER``: nobody is asked."""
        request = urllib.request.Request(
            f"{self.url}/moto-api/reset-auth",
            data=str(after).encode(),
            headers={"content-type": "text/plain"},
            method="POST",
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            assert answer.status == 200


def _policy(*actions: str) -> str:
    statement = [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def access_to(queue_url: str, user: User, role_arn: str = "") -> QueueAccess:
    return QueueAccess(
        application_id="app_test",
        queue_url=queue_url,
        role_arn=role_arn,
        access_key=user.access_key,
        secret_key=user.secret_key,
    )


def until(look: Any, what: str) -> None:
    ends_at = time.monotonic() + DEADLINE_S
    while not look():
        assert time.monotonic() < ends_at, f"{what} did not happen within {DEADLINE_S:g} s"
        time.sleep(0.02)
