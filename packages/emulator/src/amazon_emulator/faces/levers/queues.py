"""Levers of the AWS side: keys, roles, queues and what lies in them.

Answers for: reading the wish. What becomes of notifications on their way is in `notices`.
"""

from __future__ import annotations

from typing import Any

from amazon_emulator.clock import stamp
from amazon_emulator.faces.levers import notices
from amazon_emulator.faces.levers.wishes import Wish, WrongWish
from amazon_emulator.stage import Stage
from amazon_emulator.trade.queues import policies as queue_policies
from amazon_emulator.trade.queues.access import ACCOUNT, AccessKey, AwsAccess
from amazon_emulator.trade.queues.queues import Message, Queue, QueueRefused, Queues, why_not

__all__ = [
    "LEVERS",
    "add_key",
    "add_queue",
    "add_role",
    "change_queue",
    "keys",
    "peek",
    "put_message",
    "queues",
    "remove_key",
    "renew_key",
    "roles",
]

REGION = "eu-west-1"
PEEKED = 1000


# --- keys and roles -------------------------------------------------------------------------------


def add_key(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Issues an AWS access key {name?, account_id?, may_use_queues?}: id and secret, with the
    emulator's mark. One that may not use queues can only assume roles."""
    name = wish.text("name", f"user-{stage.world.next_number()}")
    account_id = wish.text("account_id", ACCOUNT)
    may_use_queues = wish.truth("may_use_queues", True)
    wish.done()
    try:
        key = stage.of(AwsAccess).new_key(name, account_id, may_use_queues=may_use_queues)
    except ValueError as error:
        raise WrongWish(str(error)) from None
    return {**_key_view(key), "secret_access_key": key.secret_access_key}


def keys(stage: Stage, wish: Wish) -> dict[str, Any]:
    """All AWS access keys, without secrets."""
    return {"items": [_key_view(key) for key in stage.of(AwsAccess).keys.values()]}


def renew_key(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Another secret for an AWS access key; the one before is dead at once."""
    wish.done()
    key = stage.of(AwsAccess).new_secret(_key(stage, wish).access_key_id)
    return {**_key_view(key), "secret_access_key": key.secret_access_key}


def remove_key(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Takes an AWS access key away."""
    key = _key(stage, wish)
    wish.done()
    del stage.of(AwsAccess).keys[key.access_key_id]
    return _key_view(key)


def _key(stage: Stage, wish: Wish) -> AccessKey:
    key = stage.of(AwsAccess).keys.get(wish.path["access_key_id"])
    if key is None:
        raise WrongWish("no AWS access key of the emulator has this id", 404)
    return key


def _key_view(key: AccessKey) -> dict[str, Any]:
    return {
        "access_key_id": key.access_key_id,
        "account_id": key.account_id,
        "name": key.name,
        "arn": key.principal.arn,
        "may_use_queues": key.may_use_queues,
    }


def add_role(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Makes a role {name, may_be_assumed_by: access key ids, account_id?} and gives its ARN."""
    name = wish.text("name")
    account_id = wish.text("account_id", ACCOUNT)
    assumed_by = tuple(wish.texts("may_be_assumed_by"))
    wish.done()
    try:
        role = stage.of(AwsAccess).new_role(name, account_id, assumed_by)
    except ValueError as error:
        raise WrongWish(str(error)) from None
    return {"arn": role.arn, "may_be_assumed_by": list(role.may_be_assumed_by)}


def roles(stage: Stage, wish: Wish) -> dict[str, Any]:
    """All roles, and the keys that may assume them."""
    return {
        "items": [
            {"arn": role.arn, "may_be_assumed_by": list(role.may_be_assumed_by)}
            for role in stage.of(AwsAccess).roles.values()
        ]
    }


# --- queues ---------------------------------------------------------------------------------------


def add_queue(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Makes a queue {name, region?, account_id?, open_to_amazon?, attributes?}; by default with the
    policy by which SP-API may send to it."""
    now = stage.clock.now()
    name = wish.text("name")
    region = wish.text("region", REGION)
    account_id = wish.text("account_id", ACCOUNT)
    open_to_amazon = wish.truth("open_to_amazon", True)
    attributes = _attributes(wish)
    wish.done()
    if name.endswith(".fifo"):
        attributes["FifoQueue"] = "true"
    try:
        queue = stage.of(Queues).make(account_id, region, name, attributes, now)
    except QueueRefused as refused:
        raise WrongWish(str(refused)) from None
    if open_to_amazon and "Policy" not in attributes:
        queue.settings["Policy"] = queue_policies.for_amazon(queue.arn)
    return _queue_view(stage, queue)


def queues(stage: Stage, wish: Wish) -> dict[str, Any]:
    """All queues: ARN, address, how many messages, and why SP-API cannot use it, if so."""
    return {"items": [_queue_view(stage, queue) for queue in stage.of(Queues).all.values()]}


def change_queue(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Changes a queue {attributes}, or takes all messages out of it {purge: true}."""
    queue = _queue(stage, wish)
    attributes = _attributes(wish)
    purge = wish.truth("purge", False)
    wish.done()
    now = stage.clock.now()
    try:
        stage.of(Queues).change(queue, attributes, now)
    except QueueRefused as refused:
        raise WrongWish(str(refused)) from None
    if purge:
        stage.of(Queues).purge(queue, now)
    return _queue_view(stage, queue)


def peek(stage: Stage, wish: Wish) -> dict[str, Any]:
    """The messages in a queue, oldest first, without receiving them; ?hidden=no leaves out those
    that somebody works on."""
    queue = _queue(stage, wish)
    now = stage.clock.now()
    queue.forget_old(now)
    shown = [
        message
        for message in queue.messages.values()
        if message.visible_at <= now or wish.query.get("hidden") != "no"
    ]
    return {
        "count": len(shown),
        "items": [_message_view(message) for message in shown[:PEEKED]],
    }


def put_message(stage: Stage, wish: Wish) -> dict[str, Any]:
    """Puts any text into a queue {body}, as a stranger might."""
    queue = _queue(stage, wish)
    body = wish.text("body")
    wish.done()
    try:
        sent = stage.of(Queues).send(queue, body, stage.clock.now(), sender_id=queue.account_id)
    except QueueRefused as refused:
        raise WrongWish(str(refused)) from None
    return _message_view(sent)


def _queue(stage: Stage, wish: Wish) -> Queue:
    """By ARN, or by name where only one queue has it."""
    wanted = wish.path["queue"]
    found = [queue for queue in stage.of(Queues).all.values() if wanted in (queue.arn, queue.name)]
    if len(found) != 1:
        raise WrongWish(
            f"{len(found) or 'no'} queue{'s have' if found else ' has'} the name or ARN {wanted!r}",
            409 if found else 404,
        )
    return found[0]


def _attributes(wish: Wish) -> dict[str, str]:
    given = wish.raw("attributes", {})
    if not isinstance(given, dict) or not all(isinstance(one, str) for one in given.values()):
        raise WrongWish("'attributes' must be an object of texts")
    return dict(given)


def _queue_view(stage: Stage, queue: Queue) -> dict[str, Any]:
    return {
        "name": queue.name,
        "arn": queue.arn,
        "url": f"{stage.addresses['aws']}{queue.path}",
        "region": queue.region,
        "account_id": queue.account_id,
        "messages": len(queue.messages),
        "closed_to_amazon": why_not(stage, queue.arn),
        "attributes": queue.settings,
    }


def _message_view(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "body": message.body,
        "sender_id": message.sender_id,
        "sent_at": stamp(message.sent_at),
        "visible_at": stamp(message.visible_at),
        "receives": message.receives,
    }


LEVERS = (
    *notices.LEVERS,
    ("POST", "/world/aws-keys", add_key),
    ("GET", "/world/aws-keys", keys),
    ("POST", "/world/aws-keys/{access_key_id}/secret", renew_key),
    ("DELETE", "/world/aws-keys/{access_key_id}", remove_key),
    ("POST", "/world/aws-roles", add_role),
    ("GET", "/world/aws-roles", roles),
    ("POST", "/queues", add_queue),
    ("GET", "/queues", queues),
    ("PATCH", "/queues/{queue}", change_queue),
    ("GET", "/queues/{queue}/messages", peek),
    ("POST", "/queues/{queue}/messages", put_message),
)
