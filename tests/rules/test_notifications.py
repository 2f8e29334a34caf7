"""What Amazon's notifications say, and what a subscription asks for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from evergrant.rules.marketplaces import PartnerKind
from evergrant.rules.notifications import (
    AboutSecrets,
    Notification,
    NotificationType,
    OfAnotherType,
    Unread,
    destination_body,
    destination_name,
    queue_arn,
    read,
    subscription_body,
    types_for,
)
from evergrant.rules.secrecy import Secret

SCHEMAS = {
    NotificationType.FEED_FINISHED: "FeedProcessingFinishedNotification",
    NotificationType.ORDER_CHANGE: "OrderChangeNotification",
    NotificationType.REPORT_FINISHED: "ReportProcessingFinishedNotification",
}


def models() -> Path:
    """Amazon's models: where the environment says, or beside this project."""
    named = os.environ.get("EVERGRANT_AMAZON_MODELS")
    places = [Path(named)] if named else []
    for folder in Path(__file__).resolve().parents:
        places += [folder / "amazon-models", *folder.glob("*/amazon-models")]
        if len(folder.parts) <= 2:
            break
    for place in places:
        if (place / "schemas" / "notifications").is_dir():
            return place
    pytest.skip("LOUD: Amazon's models are not here; EVERGRANT_AMAZON_MODELS names their folder")


def said(body: Any) -> Any:
    return read(Secret(body if isinstance(body, str) else json.dumps(body)))


@pytest.mark.parametrize("kind", list(NotificationType))
def test_amazons_own_examples_are_read(kind: NotificationType) -> None:
    schema = models() / "schemas" / "notifications" / f"{SCHEMAS[kind]}.json"
    examples = json.loads(schema.read_text("utf-8"))["examples"]
    assert examples
    for example in examples:
        heard = said(example)
        assert isinstance(heard, Notification)
        assert heard.type is kind
        assert heard.thing_id
        assert heard.partner_ids & {"A3TH9S8BH6GOGM", "amzn1.vg.6213651"}
        assert heard.subscription_id.startswith("subscription-id-")
        assert heard.at is not None


def order(**changes: Any) -> dict[str, Any]:
    facts = {"SellerId": "A1", "AmazonOrderId": "1-1-1", "Summary": {"MarketplaceId": "M"}}
    return {
        "NotificationType": "ORDER_CHANGE",
        "Payload": {"OrderChangeNotification": {**facts, **changes}},
    }


def test_an_order_and_its_marketplace() -> None:
    heard = said(order())
    assert (heard.thing_id, heard.partner_ids, heard.marketplace_id) == ("1-1-1", {"A1"}, "M")


def test_envelopes_are_taken_off() -> None:
    inner = json.dumps(order())
    for wrapped in (
        {"Type": "Notification", "Message": inner},
        {"detail-type": "ORDER_CHANGE", "detail": order()},
        {"body": json.dumps({"Message": inner})},
    ):
        assert said(wrapped) == said(order())
    deep: Any = order()
    for _ in range(6):
        deep = {"detail": deep}
    assert isinstance(said(deep), Unread)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        '"ORDER_CHANGE"',
        "{" * 5_000,
        "[" * 100_000,
        {"NotificationType": 7},
        {"NotificationType": "ORDER_CHANGE"},
        {"NotificationType": "ORDER_CHANGE", "Payload": []},
        order(AmazonOrderId="../x"),
        order(AmazonOrderId=""),
        order(AmazonOrderId=["1"]),
        order(SellerId="", sellerid="A2"),
        order(SellerId=None),
        "x" * 300_000,
    ],
)
def test_what_is_none_is_said_to_be_none(body: Any) -> None:
    heard = said(body)
    assert isinstance(heard, Unread)
    assert heard.why.endswith(".")


def test_other_types_and_client_secrets() -> None:
    assert said({"notificationType": "any_offer_changed"}) == OfAnotherType(
        type="ANY_OFFER_CHANGED"
    )
    kind = "APPLICATION_OAUTH_CLIENT_NEW_SECRET"
    assert said({"notificationType": kind, "payload": {}}) == AboutSecrets()
    assert said({"Message": json.dumps({"NotificationType": kind})}) == AboutSecrets()
    assert said('{"cut off": "' + kind) == AboutSecrets(), "in doubt it is kept"


_JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=20),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(
            some.sampled_from(["notificationType", "Payload", "detail", "Message", "x"]), inner
        )
    ),
    max_leaves=10,
)


@given(body=_JSON | some.text())
def test_nothing_raises(body: Any) -> None:
    said(body)


def test_what_is_subscribed_to() -> None:
    assert set(types_for(PartnerKind.SELLER)) == set(NotificationType)
    assert NotificationType.ORDER_CHANGE not in types_for(PartnerKind.VENDOR)
    for kind in NotificationType:
        body = subscription_body(kind, "d-1")
        assert body["destinationId"] == "d-1"
        assert ("processingDirective" in body) is (kind is NotificationType.ORDER_CHANGE)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/n", "eu-west-1"),
        ("https://eu-central-1.queue.amazonaws.com/123456789012/n", "eu-central-1"),
        ("https://queue.amazonaws.com/123456789012/n", "us-east-1"),
        ("https://sqs-fips.us-west-2.amazonaws.com/123456789012/n", "us-west-2"),
        ("https://vpce-0ab1c.sqs.ap-south-1.vpce.amazonaws.com/123456789012/n", "ap-south-1"),
        ("http://sqs.us-east-1.localhost.localstack.cloud:4566/123456789012/n", "us-east-1"),
        ("http://127.0.0.1:4566/123456789012/n", "eu-west-1"),
    ],
)  # fmt: skip
def test_the_arn_of_a_queue(url: str, region: str) -> None:
    arn = queue_arn(url)
    assert arn == f"arn:aws:sqs:{region}:123456789012:n"
    assert destination_body(arn)["resourceSpecification"] == {"sqs": {"arn": arn}}
    assert destination_name(arn) == destination_name(arn)
    assert destination_name(arn) != destination_name(f"{arn}x")
