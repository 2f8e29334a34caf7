"""The queue of new client secrets: one contract, in memory, at moto over HTTP and at the emulator.

What only a real queue can do (long polls, roles, rights) is shown at both; what AWS's errors mean
stands in test_secrets_queue_refusals.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from amazon_emulator import Emulator
from evergrant.adapters.aws import SqsSecretsQueue
from evergrant.errors import Blame, Misconfigured, QueueRefused, QueueUnavailable
from evergrant.ports.secrets_queue import QueueAccess, QueueMessage, SecretsQueue
from evergrant.rules.secrecy import Secret
from evergrant.testing.clock import FakeClock
from evergrant.testing.secrets_queue import HIDDEN, MemorySecretsQueue
from tests.edges.moto_server import NEVER, MotoServer, User, access_to, until

AT_ONCE_S = 5.0  # of the twenty seconds of a long poll, on a machine that is busy


@dataclass(frozen=True)
class Ground:
    """One queue, and what the world does with it."""

    queue: SecretsQueue
    access: QueueAccess
    send: Callable[[str], Any]
    refuse: Callable[[], Any]  # from now on access is denied
    again: Callable[[], Awaitable[QueueMessage]]  # the one message there, when it is visible again


@pytest.fixture(scope="module")
def aws() -> Iterator[MotoServer]:
    with MotoServer() as running:
        yield running


@pytest.fixture(scope="module")
def reader(aws: MotoServer) -> User:
    return aws.user("sqs:*", "sts:AssumeRole")


@pytest.fixture(scope="module")
def amazon() -> Iterator[Emulator]:
    with Emulator(gentle=True) as running:
        yield running


def played(url: str, hidden_s: int = 1, timeout_s: float = 5.0) -> SqsSecretsQueue:
    return SqsSecretsQueue(
        aws_url=url, timeout_s=timeout_s, user_agent="Evergrant/test", hidden_s=hidden_s
    )


def emulated(amazon: Emulator, **wishes: Any) -> tuple[str, QueueAccess]:
    """A queue of the emulator's and a way to it: its ARN, and the access."""
    pull = amazon.levers.pull
    made = pull("POST", "/queues", {"name": f"q-{secrets.token_hex(4)}"})
    key = pull("POST", "/world/aws-keys", wishes)
    access = QueueAccess(
        application_id="app_emulated",
        queue_url=made["url"],
        role_arn="",
        access_key=Secret(key["access_key_id"]),
        secret_key=Secret(key["secret_access_key"]),
    )
    return str(made["arn"]), access


def the_only(found: Any) -> QueueMessage:
    [message] = found
    assert isinstance(message, QueueMessage)
    return message


@pytest.fixture(params=["memory", "moto", "emulator"])
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    if request.param == "memory":
        clock = FakeClock()
        memory = MemorySecretsQueue(clock)
        url = "https://sqs.eu-west-1.amazonaws.com/123456789012/secrets"

        async def moved() -> QueueMessage:
            clock.move(HIDDEN)
            return the_only(await memory.receive(access, wait_s=0))

        user = User(Secret("k"), Secret("s"), "")
        access = access_to(url, user)
        yield Ground(memory, access, lambda body: memory.put(url, body), memory.refuse, moved)
        return

    send: Callable[[str], Any]
    if request.param == "moto":
        aws: MotoServer = request.getfixturevalue("aws")
        queue = played(aws.url)
        access = access_to(aws.queue(), request.getfixturevalue("reader"))
        send = lambda body: aws.send(access.queue_url, body)  # noqa: E731
        refuse: Callable[[], Any] = aws.ask_for_rights
        access = replace(access, access_key=aws.user().access_key)
    else:
        amazon: Emulator = request.getfixturevalue("amazon")
        queue = played(amazon.addresses["aws"])
        arn, access = emulated(amazon)
        path = f"/queues/{arn}/messages"
        send = lambda body: amazon.levers.pull("POST", path, {"body": body})  # noqa: E731
        key = access.access_key.reveal()
        refuse = lambda: amazon.levers.pull("POST", f"/world/aws-keys/{key}/secret", {})  # noqa: E731

    async def waited() -> QueueMessage:
        # A long poll ends when the message is visible again.
        if request.param == "emulator":
            amazon.levers.advance(2)
        return the_only(await queue.receive(access, wait_s=10))

    yield Ground(queue, access, send, refuse, waited)
    await queue.close()
    if request.param == "moto":
        aws.ask_for_rights(NEVER)


async def test_a_message_as_it_was_sent(ground: Ground) -> None:
    text = json.dumps({"newClientSecret": secrets.token_hex(20), "words": "Grüße \n<&> 🛒"})
    ground.send(text)
    message = the_only(await ground.queue.receive(ground.access, wait_s=5))
    assert message.body.reveal() == text
    assert message.id
    assert message.times_received == 1
    assert text[:30] not in repr(message)
    assert message.receipt not in repr(message)


async def test_an_empty_queue_says_so(ground: Ground) -> None:
    started = time.monotonic()
    assert list(await ground.queue.receive(ground.access, wait_s=0)) == []
    assert time.monotonic() - started < AT_ONCE_S


async def test_received_is_invisible_and_comes_again(ground: Ground) -> None:
    ground.send("one")
    first = the_only(await ground.queue.receive(ground.access, wait_s=5))
    assert list(await ground.queue.receive(ground.access, wait_s=0)) == []
    second = await ground.again()
    assert second.id == first.id
    assert second.body == first.body
    assert second.times_received == 2
    assert second.receipt != first.receipt


async def test_deleted_is_gone_for_good(ground: Ground) -> None:
    ground.send("one")
    first = the_only(await ground.queue.receive(ground.access, wait_s=5))
    await ground.queue.delete(ground.access, first)
    await ground.queue.delete(ground.access, first)  # gone already: no error
    ground.send("two")
    left = the_only(await ground.queue.receive(ground.access, wait_s=5))
    assert left.body.reveal() == "two"
    again = await ground.again()
    assert again.id == left.id


async def test_no_more_than_wanted(ground: Ground) -> None:
    for number in range(12):
        ground.send(str(number))
    few = await ground.queue.receive(ground.access, wait_s=0, most=3)
    assert 1 <= len(few) <= 3
    rest = await ground.queue.receive(ground.access, wait_s=0, most=50)
    assert 1 <= len(rest) <= 10
    assert {one.id for one in few}.isdisjoint(one.id for one in rest)


async def test_refusals_blame_the_application_and_tell_nothing(ground: Ground) -> None:
    ground.refuse()
    with pytest.raises(QueueRefused) as caught:
        await ground.queue.receive(ground.access, wait_s=0)
    refused = caught.value
    assert refused.blame is Blame.APPLICATION
    assert refused.permanent
    assert refused.hint
    told = f"{refused} {refused.hint} {refused.facts}"
    for secret in (ground.access.access_key, ground.access.secret_key):
        assert len(secret.reveal()) < 8 or secret.reveal() not in told


async def test_closed_it_says_so(ground: Ground) -> None:
    await ground.queue.close()
    with pytest.raises(QueueUnavailable):
        await ground.queue.receive(ground.access, wait_s=20)


# --- what only a real queue does ------------------------------------------------------------------


async def test_a_message_ends_a_long_poll(aws: MotoServer, reader: User) -> None:
    queue, access = played(aws.url), access_to(aws.queue(), reader)
    await queue.receive(access, wait_s=0)  # the way is known from here on
    polling = asyncio.create_task(queue.receive(access, wait_s=20))
    started = time.monotonic()
    await asyncio.to_thread(aws.send, access.queue_url, "late")
    assert the_only(await polling).body.reveal() == "late"
    assert time.monotonic() - started < 10
    await queue.close()


async def test_closing_does_not_wait_for_a_long_poll(amazon: Emulator) -> None:
    _, access = emulated(amazon)
    queue = played(amazon.addresses["aws"])
    before = amazon.levers.count(kind="sqs.ReceiveMessage")
    polling = asyncio.create_task(queue.receive(access, wait_s=20))

    def is_under_way() -> bool:
        return amazon.levers.count(kind="sqs.ReceiveMessage") > before

    await asyncio.to_thread(until, is_under_way, "the poll")
    assert not polling.done()
    started = time.monotonic()
    await queue.close()
    with pytest.raises(QueueUnavailable, match="about to end"):
        await polling
    assert time.monotonic() - started < AT_ONCE_S
    # Nor does the end of the process wait for the thread.
    assert all(
        thread.daemon for thread in threading.enumerate() if thread.name.startswith("evergrant-aws")
    )


async def test_an_hour_long_role_at_moto(aws: MotoServer, reader: User) -> None:
    role = aws.role(reader, "sqs:*")
    url = aws.queue()
    aws.send(url, "for the role")
    aws.ask_for_rights()
    try:
        queue = played(aws.url)
        found = await queue.receive(access_to(url, reader, role), wait_s=5)
        assert the_only(found).body.reveal() == "for the role"
        await queue.delete(access_to(url, reader, role), the_only(found))
        nothing_allowed = aws.role  # made below, while everybody is admitted
        aws.ask_for_rights(NEVER)
        bare = nothing_allowed(reader)
        aws.ask_for_rights()
        with pytest.raises(QueueRefused, match="sqs:ReceiveMessage") as caught:
            await queue.receive(access_to(url, reader, bare), wait_s=0)
        assert "sqs:ReceiveMessage" in str(caught.value.hint)
        await queue.close()
    finally:
        aws.ask_for_rights(NEVER)
    assert aws.counts(url) == 0


@pytest.fixture
def role(amazon: Emulator) -> tuple[str, QueueAccess]:
    """The ARN of a queue, and access to it through a role alone."""
    arn, access = emulated(amazon, may_use_queues=False)
    wish = {
        "name": f"r-{secrets.token_hex(4)}",
        "may_be_assumed_by": [access.access_key.reveal()],
    }
    made = amazon.levers.pull("POST", "/world/aws-roles", wish)
    return arn, replace(access, role_arn=made["arn"])


async def test_a_role_is_assumed_once_and_again_when_it_is_over(
    amazon: Emulator, role: tuple[str, QueueAccess]
) -> None:
    arn, access = role
    levers = amazon.levers
    before = levers.count(kind="sts.AssumeRole")
    queue = played(amazon.addresses["aws"])
    for number in range(3):
        levers.pull("POST", f"/queues/{arn}/messages", {"body": str(number)})
        message = the_only(await queue.receive(access, wait_s=5))
        await queue.delete(access, message)
    assert levers.count(kind="sts.AssumeRole") == before + 1
    levers.advance(2 * 3600)  # AWS's hour is over, whatever our clock says
    assert list(await queue.receive(access, wait_s=0)) == []
    assert levers.count(kind="sts.AssumeRole") == before + 2
    # Other credentials of the same application: nothing of the former is used.
    other = replace(access, secret_key=Secret(secrets.token_hex(20)))
    with pytest.raises(QueueRefused, match="secret key"):
        await queue.receive(other, wait_s=0)
    await queue.close()


@pytest.mark.parametrize(
    ("change", "words", "hint"),
    [
        ({"role_arn": ""}, "sqs:ReceiveMessage", "sqs:DeleteMessage"),
        ({"role_arn": "arn:aws:iam::111122223333:role/nobody"}, "sts:AssumeRole", "trust policy"),
        ({"role_arn": "nonsense"}, "role ARN", "role ARN"),
        ({"access_key": Secret("nobody-at-all")}, "does not know the access key", "IAM"),
        ({"queue_url": "http://127.0.0.1/111122223333/gone"}, "no such queue", "queue URL"),
        (
            {"queue_url": "https://sqs.us-east-1.amazonaws.com/111122223333/gone"},
            "no such queue",
            "region",
        ),
        ({"access_key": Secret("")}, "no AWS keys", "access key"),
    ],
)
async def test_what_is_wrong_is_told(
    amazon: Emulator,
    role: tuple[str, QueueAccess],
    change: dict[str, Any],
    words: str,
    hint: str,
) -> None:
    _, access = role
    queue = played(amazon.addresses["aws"])
    with pytest.raises(QueueRefused, match=words) as caught:
        await queue.receive(replace(access, **change), wait_s=0)
    assert hint in str(caught.value.hint)
    told = f"{caught.value} {caught.value.hint} {caught.value.facts}"
    assert access.secret_key.reveal() not in told
    await queue.close()


async def test_nobody_there_is_the_weather(aws: MotoServer, reader: User) -> None:
    queue = played("http://127.0.0.1:9", timeout_s=0.5)
    with pytest.raises(QueueUnavailable) as caught:
        await queue.receive(access_to(aws.queue(), reader), wait_s=0)
    assert caught.value.blame is Blame.AMAZON
    assert not caught.value.permanent
    assert caught.value.hint
    await queue.close()


async def test_surroundings_are_not_asked(
    aws: MotoServer, reader: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No variable, no file below home, no proxy: only what the application's access says."""
    nowhere = "http://127.0.0.1:9"
    config = tmp_path / ".aws" / "config"
    config.parent.mkdir()
    config.write_text(
        f"[default]\nregion = ap-south-1\nendpoint_url = {nowhere}\nmax_attempts = 0\n"
        f"ca_bundle = /none\n[profile x]\nrole_arn = arn:aws:iam::1:role/x\n"
    )
    for name, value in {
        "HOME": str(tmp_path),
        "AWS_PROFILE": "of-nobody",
        "AWS_CONFIG_FILE": str(config),
        "AWS_ACCESS_KEY_ID": "of-the-environment",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(8),
        "AWS_SESSION_TOKEN": secrets.token_hex(8),
        "AWS_REGION": "ap-south-1",
        "AWS_DEFAULT_REGION": "ap-south-1",
        "AWS_ENDPOINT_URL": nowhere,
        "AWS_ENDPOINT_URL_SQS": nowhere,
        "AWS_ENDPOINT_URL_STS": nowhere,
        "AWS_CA_BUNDLE": "/none",
        "AWS_DATA_PATH": str(tmp_path),
        "AWS_BEARER_TOKEN_SQS": secrets.token_hex(8),
        "HTTP_PROXY": nowhere,
        "http_proxy": nowhere,
        "HTTPS_PROXY": nowhere,
    }.items():
        monkeypatch.setenv(name, value)
    queue = played(aws.url)
    url = await asyncio.to_thread(_quietly, monkeypatch, aws)
    found = await queue.receive(access_to(url, reader), wait_s=5)
    assert the_only(found).body.reveal() == "here"
    await queue.close()


def _quietly(monkeypatch: pytest.MonkeyPatch, aws: MotoServer) -> str:
    """The test's own boto3 does read its surroundings: without them for a moment."""
    with monkeypatch.context() as plain:
        for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE", "AWS_BEARER_TOKEN_SQS"):
            plain.delenv(name)
        url = aws.queue()
        aws.send(url, "here")
        return url


async def test_nothing_of_it_reaches_the_logs(
    aws: MotoServer, reader: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = f"amzn1.oa2-cs.v1.{secrets.token_hex(16)}"
    queue, url = played(aws.url), aws.queue()
    aws.send(url, json.dumps({"newClientSecret": secret}))
    caplog.clear()
    message = the_only(await queue.receive(access_to(url, reader), wait_s=5))
    await queue.delete(access_to(url, reader), message)
    await queue.close()
    assert message.body.reveal().find(secret) > 0
    assert secret not in caplog.text
    assert reader.access_key.reveal() not in caplog.text
    assert message.receipt not in caplog.text


async def test_without_boto3_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    queue = played("http://127.0.0.1:9")
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/secrets"
    with pytest.raises(Misconfigured, match="boto3") as caught:
        await queue.receive(access_to(url, User(Secret("k"), Secret("s"), "")), wait_s=0)
    assert "pip install 'evergrant[aws]'" in str(caught.value.hint)
    await queue.close()


# --- Amazon's own messages ------------------------------------------------------------------------

SCOPE = "sellingpartnerapi::client_credential:rotation"
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"  # as in Amazon's samples
ROTATE = "/applications/2023-11-30/clientSecret"


async def test_a_new_secret_and_a_notice_of_its_end_arrive(
    amazon: Emulator, role: tuple[str, QueueAccess], aws: MotoServer, reader: User
) -> None:
    """As Amazon's deployment guide shows both messages; the emulator's own queue is read, and the
    same text over moto: a journey may use either."""
    import httpx2

    arn, access = role
    pull = amazon.levers.pull
    application = pull("POST", "/world/applications", {"name": "Northwind"})
    own = application["application_id"]
    pull(
        "PUT",
        f"/world/applications/{own}/rotation-queues",
        {"new_secret_queue_arn": arn, "expiry_queue_arn": arn},
    )
    with httpx2.Client(trust_env=False) as http:
        granted = http.post(
            f"{amazon.addresses['lwa']}/auth/o2/token",
            data={
                "grant_type": "client_credentials",
                "scope": SCOPE,
                "client_id": application["lwa_client_id"],
                "client_secret": application["lwa_client_secret"],
            },
        ).json()["access_token"]
        asked = http.post(
            f"{amazon.addresses['eu']}{ROTATE}", headers={"x-amz-access-token": granted}, json={}
        )
        assert asked.status_code == 204, asked.text
    queue = played(amazon.addresses["aws"])
    first = the_only(await queue.receive(access, wait_s=5))
    told = json.loads(first.body.reveal())
    assert told["notificationVersion"] == "1.0"
    assert told["notificationType"] == "APPLICATION_OAUTH_CLIENT_NEW_SECRET"
    assert told["payloadVersion"] == "2023-11-30"
    assert set(told) == {
        "notificationVersion",
        "notificationType",
        "payloadVersion",
        "eventTime",
        "payload",
        "notificationMetadata",
    }
    assert set(told["notificationMetadata"]) == {
        "applicationId",
        "subscriptionId",
        "publishTime",
        "notificationId",
    }
    assert told["notificationMetadata"]["applicationId"] == own
    [(name, payload)] = told["payload"].items()
    assert name == "applicationOAuthClientNewSecret"
    assert set(payload) == {
        "clientId",
        "newClientSecret",
        "newClientSecretExpiryTime",
        "oldClientSecretExpiryTime",
    }
    assert payload["clientId"] == application["lwa_client_id"]
    written = (told["eventTime"], told["notificationMetadata"]["publishTime"], *payload.values())
    assert sum(bool(re.fullmatch(INSTANT, text)) for text in written) == 4
    await queue.delete(access, first)

    amazon.levers.advance(91 * 86_400)
    ended = the_only(await queue.receive(access, wait_s=5))
    said = json.loads(ended.body.reveal())
    assert said["notificationType"] == "APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY"
    [(name, payload)] = said["payload"].items()
    assert name == "applicationOAuthClientSecretExpiry"
    assert set(payload) == {"clientId", "clientSecretExpiryTime", "clientSecretExpiryReason"}
    assert payload["clientSecretExpiryReason"] == "PERIODIC_ROTATION"
    await queue.close()

    url = aws.queue()
    assert aws.carry(amazon, arn, url) == 1
    assert aws.carry(amazon, arn, url) == 0
    other = played(aws.url)
    carried = the_only(await other.receive(access_to(url, reader), wait_s=5))
    assert carried.body == ended.body
    assert aws.counts(url) == 1, "the message is only hidden"
    await other.close()
