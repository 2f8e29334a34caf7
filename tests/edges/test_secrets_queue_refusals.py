"""What URLs of queues and errors of AWS mean, one by one; and the threads that polls wait in."""

from __future__ import annotations

import asyncio
import secrets
import threading
from typing import Any

import pytest
from botocore import exceptions
from hypothesis import given
from hypothesis import strategies as st

from evergrant.adapters.aws.address import EMULATED_REGION, address_of
from evergrant.adapters.aws.refusals import ASSUME, DELETE, RECEIVE, is_gone, is_over, meaning
from evergrant.adapters.aws.threads import Abandoned, Threads
from evergrant.errors import EvergrantError, QueueRefused, QueueUnavailable
from evergrant.ports.secrets_queue import QueueAccess
from evergrant.rules.secrecy import Secret

ACCESS = QueueAccess(
    application_id="app_1",
    queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/q",
    role_arn="arn:aws:iam::123456789012:role/reader",
    access_key=Secret(f"AKIA{secrets.token_hex(8).upper()}"),
    secret_key=Secret(secrets.token_hex(20)),
)


# --- where a queue is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "region", "sqs", "sts"),
    [
        ("sqs.eu-west-1.amazonaws.com", "eu-west-1", None, "sts.eu-west-1.amazonaws.com"),
        ("SQS.eu-west-1.amazonaws.com", "eu-west-1", None, "sts.eu-west-1.amazonaws.com"),
        (
            "eu-west-1.queue.amazonaws.com",
            "eu-west-1",
            "sqs.eu-west-1.amazonaws.com",
            "sts.eu-west-1.amazonaws.com",
        ),
        (
            "queue.amazonaws.com",
            "us-east-1",
            "sqs.us-east-1.amazonaws.com",
            "sts.us-east-1.amazonaws.com",
        ),
        ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1", None, "sts.cn-north-1.amazonaws.com.cn"),
        (
            "cn-northwest-1.queue.amazonaws.com.cn",
            "cn-northwest-1",
            "sqs.cn-northwest-1.amazonaws.com.cn",
            "sts.cn-northwest-1.amazonaws.com.cn",
        ),
        ("sqs-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", None, None),
        ("sqs.ap-southeast-5.api.aws", "ap-southeast-5", None, "sts.ap-southeast-5.amazonaws.com"),
        ("vpce-0a1-b2.sqs.eu-central-1.vpce.amazonaws.com", "eu-central-1", None, None),
        (
            "sqs.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", None,
            "sts.eusc-de-east-1.amazonaws.eu",
        ),
    ],
)  # fmt: skip
def test_where_a_queue_is(host: str, region: str, sqs: str | None, sts: str | None) -> None:
    found = address_of(f"https://{host}/123456789012/q", None)
    assert found.region == region
    assert found.sqs_url == f"https://{sqs or host.lower()}"
    if sts:
        assert found.sts_url == f"https://{sts}"
    emulated = address_of(f"https://{host}/123456789012/q", "http://127.0.0.1:1")
    assert emulated.region == region
    assert emulated.sqs_url == emulated.sts_url == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("http://127.0.0.1:9324/111122223333/q", EMULATED_REGION),
        ("http://localhost:4566/000000000000/q", EMULATED_REGION),
        ("http://sqs.ap-south-1.localhost.localstack.cloud:4566/000000000000/q", "ap-south-1"),
        ("http://us-west-2.queue.localhost.localstack.cloud:4566/000000000000/q", "us-west-2"),
    ],
)
def test_where_an_emulated_queue_is(url: str, region: str) -> None:
    assert address_of(url, "http://127.0.0.1:1").region == region
    with pytest.raises(QueueRefused) as caught:
        address_of(url, None)
    assert "EVERGRANT_AWS_URL" in str(caught.value.hint)


@pytest.mark.parametrize(
    "url",
    [
        "https://sqs.eu-west-1.amazonaws.com.evil.example/123456789012/q",
        "https://sqs.evil.example/123456789012/q",
        "https://evil.example?sqs.eu-west-1.amazonaws.com/123456789012/q",
        "https://sqs.eu-west-1.amazonaws.com@evil.example/123456789012/q",
        "https://sqs.eu-west-1.amazonaws.com:8443/123456789012/q",
        "http://sqs.eu-west-1.amazonaws.com/123456789012/q",
        "https://s3.eu-west-1.amazonaws.com/123456789012/q",
        "https://169.254.169.254/123456789012/q",
        "https://sqs.eu-west-1.amazonaws.com:99999/123456789012/q",
        "https://sqs.eu-west-1.amazonaws.com\\@evil.example/123456789012/q",
        "https://sqs.eu-west-1.amazonaws.com%2eevil.example/123456789012/q",
        "https://sqs.eu-west-1.amazonaws.com\u3002evil.example/123456789012/q",
        "https://sqs.eu-west-\u0661.amazonaws.com/123456789012/q",
        "https://sqs.eu-west-1.amazonaws.com\uff0eevil.example/123456789012/q",
        "https://evil.example\t.sqs.eu-west-1.amazonaws.com/123456789012/q",
        "https://vpce-1.evil.example/.sqs.eu-west-1.vpce.amazonaws.com/123456789012/q",
        "//sqs.eu-west-1.amazonaws.com/123456789012/q",
        "https://[::ffff:169.254.169.254]/123456789012/q",
    ],
)
def test_nothing_goes_to_hosts_that_are_not_amazons(url: str) -> None:
    with pytest.raises(QueueRefused):
        address_of(url, None)


@given(st.from_regex(r"https?://[A-Za-z0-9.\-]{1,60}(:\d{1,5})?/\d{12}/q", fullmatch=True))
def test_any_host_is_amazons_or_refused(url: str) -> None:
    try:
        found = address_of(url, None)
    except QueueRefused:
        return
    assert found.sqs_url.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".aws"))


# --- what AWS says --------------------------------------------------------------------------------


def said(code: str, message: str = "", status: int = 400) -> exceptions.ClientError:
    return exceptions.ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "ReceiveMessage",
    )


@pytest.mark.parametrize(
    ("error", "action", "kind", "hint"),
    [
        (said("AccessDenied", "not authorized", 403), RECEIVE, QueueRefused, "sqs:ReceiveMessage"),
        (said("AccessDeniedException", "", 400), DELETE, QueueRefused, "sqs:DeleteMessage"),
        (said("AccessDenied", "sts:AssumeRole", 403), ASSUME, QueueRefused, "trust policy"),
        (said("InvalidClientTokenId", "invalid", 403), ASSUME, QueueRefused, "access key"),
        (said("UnrecognizedClientException"), RECEIVE, QueueRefused, "access key"),
        (said("SignatureDoesNotMatch", "calculated", 403), ASSUME, QueueRefused, "secret key"),
        (said("SignatureDoesNotMatch", "Signature expired: 2026"), ASSUME, QueueRefused, "clock"),
        (said("RequestExpired"), RECEIVE, QueueRefused, "clock"),
        (said("AWS.SimpleQueueService.NonExistentQueue"), RECEIVE, QueueRefused, "queue URL"),
        (said("QueueDoesNotExist"), RECEIVE, QueueRefused, "queue URL"),
        (said("InvalidAddress", "", 404), RECEIVE, QueueRefused, "queue URL"),
        (said("KmsAccessDenied"), RECEIVE, QueueRefused, "kms:Decrypt"),
        (said("KMS.AccessDeniedException"), RECEIVE, QueueRefused, "kms:Decrypt"),
        (said("KmsDisabled"), RECEIVE, QueueRefused, "kms:Decrypt"),
        (said("AccessDenied", "not to perform: kms:Decrypt"), RECEIVE, QueueRefused, "kms:Decrypt"),
        (said("ValidationError", "arn is invalid"), ASSUME, QueueRefused, "role ARN"),
        (said("RegionDisabledException", "", 403), ASSUME, QueueRefused, "region"),
        (said("ExpiredToken", "", 403), RECEIVE, QueueRefused, "policy"),
        (said("SomethingNew", "", 418), RECEIVE, QueueRefused, "policy"),
        (said("Throttling"), RECEIVE, QueueUnavailable, None),
        (said("KmsThrottled"), RECEIVE, QueueUnavailable, None),
        (said("OverLimit", "", 403), RECEIVE, QueueUnavailable, None),
        (said("RequestThrottled", "", 403), RECEIVE, QueueUnavailable, None),
        (said("whatever", "", 429), RECEIVE, QueueUnavailable, None),
        (said("500", "", 500), RECEIVE, QueueUnavailable, None),
        (said("ServiceUnavailable", "", 503), ASSUME, QueueUnavailable, None),
        (
            exceptions.EndpointConnectionError(endpoint_url="https://x"),
            RECEIVE, QueueUnavailable, "HTTPS",
        ),
        (
            exceptions.ConnectTimeoutError(endpoint_url="https://x"),
            RECEIVE, QueueUnavailable, "HTTPS",
        ),
        (exceptions.ReadTimeoutError(endpoint_url="https://x"), RECEIVE, QueueUnavailable, "HTTPS"),
        (
            exceptions.ConnectionClosedError(endpoint_url="https://x"),
            RECEIVE, QueueUnavailable, "HTTPS",
        ),
        (
            exceptions.SSLError(endpoint_url="https://x", error="bad"),
            RECEIVE, QueueUnavailable, "clock",
        ),
        (exceptions.ParamValidationError(report="RoleArn"), ASSUME, QueueRefused, "role ARN"),
    ],
)  # fmt: skip
def test_what_an_error_means(
    error: Exception, action: str, kind: type[EvergrantError], hint: str | None
) -> None:
    meant = meaning(error, ACCESS, action)
    assert type(meant) is kind
    assert hint is None or hint in str(meant.hint)
    assert meant.permanent is (kind is QueueRefused)


def test_no_word_of_aws_carries_a_secret() -> None:
    key, secret = ACCESS.access_key.reveal(), ACCESS.secret_key.reveal()
    for code in ("SignatureDoesNotMatch", "InvalidClientTokenId", "AccessDenied", key):
        words = (
            f"for {key} with {secret}; {'x' * 500}\nThe canonical string:\n"
            f"x-amz-security-token:{secret}"
        )
        meant = meaning(said(code, words), ACCESS, RECEIVE)
        told = f"{meant} {meant.hint} {meant.facts}"
        assert key not in told
        assert secret not in told
        assert "canonical" not in told
        assert len(str(meant)) < 400


def test_what_is_over_and_what_is_gone() -> None:
    assert is_over(said("ExpiredToken"))
    assert is_over(said("ExpiredTokenException"))
    assert not is_over(said("AccessDenied"))
    assert not is_over(exceptions.ReadTimeoutError(endpoint_url="x"))
    assert is_gone(said("ReceiptHandleIsInvalid", "", 404))
    assert not is_gone(said("QueueDoesNotExist"))


# --- threads --------------------------------------------------------------------------------------


async def test_no_more_threads_than_allowed() -> None:
    threads = Threads(3, "some")
    lock, go = threading.Lock(), threading.Event()
    inside: list[int] = [0, 0]

    def work() -> int:
        with lock:
            inside[0] += 1
            inside[1] = max(inside)
            if inside[0] == 3:
                go.set()
        assert go.wait(10)
        with lock:
            inside[0] -= 1
        return 1

    assert await asyncio.gather(*(threads.run(work, timeout_s=10) for _ in range(9))) == [1] * 9
    assert inside == [0, 3]


async def test_a_thread_gives_up_and_its_slot_comes_back() -> None:
    threads = Threads(1, "some")
    release = threading.Event()
    with pytest.raises(TimeoutError):
        await threads.run(lambda: release.wait(10), timeout_s=0.01)
    release.set()
    assert await threads.run(lambda: 7, timeout_s=10) == 7

    def broken() -> Any:
        raise LookupError("in the thread")

    with pytest.raises(LookupError, match="in the thread"):
        await threads.run(broken, timeout_s=10)
    threads.close()
    with pytest.raises(Abandoned):
        await threads.run(lambda: 7, timeout_s=10)


async def test_closing_gives_up_on_all_who_wait() -> None:
    threads = Threads(1, "some")
    release = threading.Event()
    waiting = [
        asyncio.create_task(threads.run(lambda: release.wait(10), timeout_s=20)) for _ in range(3)
    ]
    await asyncio.sleep(0)
    threads.close()
    release.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, Abandoned) for one in found)
