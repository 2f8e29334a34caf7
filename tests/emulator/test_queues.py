"""Queues by themselves: at least once, about in order, policies, and the world's file."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_emulator.stage import Stage
from amazon_emulator.trade.queues import policies as queue_policies
from amazon_emulator.trade.queues.access import AwsAccess
from amazon_emulator.trade.queues.notices import Post
from amazon_emulator.trade.queues.queues import Queue, QueueRefused, Queues, hand_over, why_not

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def filled(count: int) -> tuple[Queues, Queue]:
    queues = Queues()
    queue = queues.make("111122223333", "eu-west-1", "q", {}, NOW)
    for number in range(count):
        queues.send(queue, str(number), NOW)
    return queues, queue


def drained(queues: Queues, queue: Queue, dice: random.Random | None) -> list[str]:
    """What somebody gets who deletes each message that it gets."""
    got, now = [], NOW
    for _ in range(200):
        for message in queues.receive(queue, now, 10, 30, dice):
            got.append(message.body)
            queues.delete(queue, queue.receipt(message), dice)
        now += timedelta(seconds=31)
    return got


def test_gently_each_message_comes_once_and_in_order() -> None:
    queues, queue = filled(300)
    assert drained(queues, queue, None) == [str(number) for number in range(300)]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_else_each_message_comes_at_least_once(seed: int) -> None:
    queues, queue = filled(300)
    got = drained(queues, queue, random.Random(seed))
    counts = Counter(got)
    assert set(counts) == {str(number) for number in range(300)}
    assert not queue.messages
    assert set(counts.values()) <= {1, 2}
    assert got != sorted(got, key=int)
    again, once_more = filled(300)
    assert drained(again, once_more, random.Random(seed)) == got


def test_some_do_come_twice() -> None:
    queues, queue = filled(300)
    counts = Counter(drained(queues, queue, random.Random(1)))
    assert 3 <= sum(1 for count in counts.values() if count == 2) <= 40


# --- policies -------------------------------------------------------------------------------------

ARN = "arn:aws:sqs:eu-west-1:111122223333:q"
ROOT = f"arn:aws:iam::{queue_policies.AMAZON}:root"


def policy(**changes: Any) -> str:
    statement = json.loads(queue_policies.for_amazon(ARN))["Statement"][0]
    return json.dumps({"Statement": {**statement, **changes}})


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        (queue_policies.for_amazon(ARN), True),
        (policy(Principal="*"), True),
        (policy(Principal={"AWS": queue_policies.AMAZON}), True),
        (policy(Principal={"AWS": ["111122223333", ROOT]}), True),
        (policy(Action="SQS:*"), True),
        (policy(Action=["sqs:sendmessage", "sqs:GetQueue*"]), True),
        (policy(Resource="*"), True),
        (policy(Resource="arn:aws:sqs:eu-west-1:*:q"), True),
        (policy(Condition={"Bool": {"aws:SecureTransport": "true"}}), True),
        ("", False),
        (policy(Principal={"AWS": "111122223333"}), False),
        (policy(Principal={"Service": "sns.amazonaws.com"}), False),
        (policy(Action="sqs:SendMessage"), False),
        (policy(Action="sqs:GetQueueAttributes"), False),
        (policy(Resource="arn:aws:sqs:eu-west-1:111122223333:other"), False),
        (policy(Effect="Deny"), False),
        (policy(Condition={"ArnEquals": {"aws:SourceArn": "arn:x"}}), False),
    ],
)
def test_whether_amazon_may_send(given: str, allowed: bool) -> None:
    stage = Stage.fresh(gentle=True, seed=0, start=None)
    queue = stage.of(Queues).make("111122223333", "eu-west-1", "q", {"Policy": given}, NOW)
    assert queue.arn == ARN
    assert (why_not(stage, ARN) is None) is allowed
    refusal = hand_over(stage, ARN, "body", NOW)
    assert (refusal is None) is allowed
    assert len(queue.messages) == int(allowed)


@given(st.text(max_size=60))
def test_any_text_is_a_policy_or_none(text: str) -> None:
    allowed = queue_policies.allows(text, account_id="1", arn=None, action="a", resource=ARN)
    assert not allowed or queue_policies.is_readable(text)


# --- the world's file -----------------------------------------------------------------------------


def test_queues_and_keys_survive_a_file() -> None:
    stage = Stage.fresh(gentle=True, seed=0, start=None)
    access, queues = stage.of(AwsAccess), stage.of(Queues)
    key = access.new_key("me", may_use_queues=False)
    role = access.new_role("r", may_be_assumed_by=(key.access_key_id,))
    queue = queues.make("111122223333", "eu-west-1", "q", {"DelaySeconds": "3"}, NOW)
    queues.send(queue, "plain", NOW)
    queues.send(queue, "with a client secret", NOW, secret=True)
    [taken] = queues.receive(queue, NOW + HOUR, 1, 7200, None)
    handle = queue.receipt(taken)

    def again(*, credentials: bool) -> Stage:
        other = Stage.fresh(gentle=True, seed=0, start=None)
        parts: tuple[tuple[type[AwsAccess | Queues], AwsAccess | Queues], ...] = (
            (AwsAccess, access),
            (Queues, queues),
        )
        for kind, part in parts:
            content = json.loads(json.dumps(part.as_json(credentials=credentials)))
            other.of(kind).load(other, content)
        return other

    whole = again(credentials=True)
    assert whole.of(Queues).as_json(credentials=True) == queues.as_json(credentials=True)
    assert whole.of(AwsAccess).keys == access.keys
    assert whole.of(AwsAccess).roles == {role.arn: role}
    whole.of(Queues).delete(whole.of(Queues).all[queue.arn], handle, None)
    left = [message.body for message in whole.of(Queues).all[queue.arn].messages.values()]
    assert left == ["with a client secret"]

    told = json.dumps([access.as_json(), queues.as_json()])
    assert key.secret_access_key not in told
    assert "client secret" not in told
    bare = again(credentials=False)
    [other] = bare.of(AwsAccess).keys.values()
    assert other.access_key_id == key.access_key_id
    assert other.secret_access_key not in (None, "", key.secret_access_key)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": 1}, r"queues\[0\]: unknown: colour"),
        ({"arn": "arn:q"}, "not the ARN"),
        ({"arn": "arn:aws:sqs:eu-west-1:1:a b"}, "alphanumeric"),
        ({"made_at": "yesterday"}, "not an ISO 8601 instant"),
        ({"settings": {"VisibilityTimeout": 5}}, r"queues\[0\]"),
        ({"messages": [{}]}, r"queues\[0\]\.messages\[0\]: 'message_id' is missing"),
        ({"messages": 1}, "'messages' must be a list"),
    ],
)
def test_wrong_files_are_told(change: dict[str, Any], words: str) -> None:
    queues, _ = filled(1)
    content = queues.as_json()
    content[0].update(change)
    stage = Stage.fresh(gentle=True, seed=0, start=None)
    with pytest.raises(ValueError, match=words):
        Queues().load(stage, content)


def test_a_handle_of_another_queue_is_none() -> None:
    queues, queue = filled(1)
    other = queues.make("111122223333", "eu-west-1", "other", {}, NOW)
    [message] = queues.receive(queue, NOW, 1, 30, None)
    with pytest.raises(QueueRefused, match="receipt handle"):
        queues.delete(other, queue.receipt(message), None)


def test_a_world_with_endless_delays_is_told() -> None:
    """NaN and infinity are no JSON, and Python reads them all the same."""
    for delay in (float("nan"), float("inf"), -1, 31_536_001):
        stage = Stage.fresh(gentle=True, seed=0, start=None)
        content: dict[str, Any] = {"delay_s": delay, "lose": 0, "double": 0, "under_way": []}
        with pytest.raises(ValueError, match="post"):
            stage.of(Post).load(stage, content)
