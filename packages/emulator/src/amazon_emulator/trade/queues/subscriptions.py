"""Destinations of applications, and who subscribed to what on whose behalf.

Answers for: what exists once (a name and an ARN per application and region; a subscription per
application, partner, region, type and version, unless filters tell them apart), and whether a
notification passes a subscription's filter. Delivery is done by `notices`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from amazon_emulator.marketplaces import REGIONS, Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade import given
from amazon_emulator.trade.queues.filter_expressions import FilterExpression, WrongExpression

__all__ = ["Clash", "Destination", "Subscription", "Subscriptions", "values_of"]


class Clash(Exception):
    """It is there already; the message is in Amazon's words."""


@dataclass(frozen=True)
class Destination:
    """Where notifications of an application go: a queue, or an EventBridge event source."""

    destination_id: str
    application_id: str
    region: Region
    name: str
    queue_arn: str | None = None
    event_bridge: dict[str, str] | None = None  # name, region, accountId

    def as_told(self) -> dict[str, Any]:
        """As the notifications v1 model has it."""
        resource: dict[str, Any] = (
            {"sqs": {"arn": self.queue_arn}}
            if self.queue_arn
            else {"eventBridge": dict(self.event_bridge or {})}
        )
        return {"destinationId": self.destination_id, "name": self.name, "resource": resource}


@dataclass(frozen=True)
class Subscription:
    """One subscription. ``directive``: the processingDirective as it was given."""

    subscription_id: str
    notification_type: str
    application_id: str
    partner_id: str
    region: Region
    payload_version: str
    destination_id: str
    directive: dict[str, Any] | None = None

    def as_told(self) -> dict[str, Any]:
        """As the notifications v1 model has it."""
        told: dict[str, Any] = {
            "subscriptionId": self.subscription_id,
            "payloadVersion": self.payload_version,
            "destinationId": self.destination_id,
        }
        if self.directive is not None:
            told["processingDirective"] = self.directive
        return told

    @property
    def event_filter(self) -> dict[str, Any]:
        return (self.directive or {}).get("eventFilter") or {}

    @property
    def key(self) -> tuple[str, ...]:
        """What no two subscriptions have in common."""
        apart = [
            (self.directive or {}).get("filterExpression"),
            self.event_filter.get("trackingIdentifier"),
        ]
        return (
            *(self.application_id, self.partner_id, self.region),
            *(self.notification_type, self.payload_version),
            json.dumps(apart, sort_keys=True),
        )

    def wants(self, payload: Any) -> bool:
        """Whether its filter lets a payload through."""
        expression = (self.directive or {}).get("filterExpression")
        if expression is not None:
            return FilterExpression.read(expression).holds(payload)
        return _passes(self.event_filter, payload)


def _passes(event_filter: dict[str, Any], payload: Any) -> bool:
    for name, fields in (
        ("marketplaceIds", ("MarketplaceId", "marketplaceId")),
        ("orderChangeTypes", ("OrderChangeType", "orderChangeType")),
    ):
        wanted = event_filter.get(name)
        if wanted and not set(values_of(payload, fields)) & set(wanted):
            return False
    tracking = event_filter.get("trackingIdentifier")
    return not tracking or _holds_all(payload, tracking)


def values_of(payload: Any, names: tuple[str, ...]) -> Iterator[str]:
    """All texts under these names, wherever and however deep they stand in a payload."""
    rest = [payload]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            yield from (value[name] for name in names if isinstance(value.get(name), str))
            rest += reversed(value.values())
        elif isinstance(value, list):
            rest += reversed(value)


def _holds_all(payload: Any, wanted: dict[str, Any]) -> bool:
    flat = {name: value for name, value in wanted.items() if name != "carrierTracking"}
    flat |= wanted.get("carrierTracking", {})
    return all(value in values_of(payload, (name,)) for name, value in flat.items())


@dataclass
class Subscriptions:
    """All destinations and subscriptions of this world, in the order of making."""

    destinations: dict[str, Destination] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)

    def destinations_of(self, application_id: str, region: Region) -> list[Destination]:
        return [
            one
            for one in self.destinations.values()
            if (one.application_id, one.region) == (application_id, region)
        ]

    def add_destination(
        self,
        application_id: str,
        region: Region,
        name: str,
        *,
        queue_arn: str | None = None,
        event_bridge: dict[str, str] | None = None,
    ) -> Destination:
        """Raises Clash."""
        made = Destination(str(uuid.uuid4()), application_id, region, name, queue_arn, event_bridge)
        for known in self.destinations_of(application_id, region):
            if queue_arn is not None and known.queue_arn == queue_arn:
                raise Clash(
                    f"A destination with arn {queue_arn} already exists for the application "
                    f"{application_id}"
                )
            if event_bridge is not None and known.event_bridge == event_bridge:
                raise Clash(
                    f"A destination with account {event_bridge['accountId']} already exists for "
                    f"the application {application_id}"
                )
            if known.name == name:
                raise Clash(
                    f"A destination with name {name} already exists for the application "
                    f"{application_id}"
                )
        self.destinations[made.destination_id] = made
        return made

    def subscribers(self, destination_id: str) -> int:
        return sum(1 for one in self.subscriptions.values() if one.destination_id == destination_id)

    def add(self, subscription: Subscription) -> None:
        """Raises Clash."""
        if any(known.key == subscription.key for known in self.subscriptions.values()):
            raise Clash(
                f"Subscription already exist for notification type {subscription.notification_type}"
            )
        self.subscriptions[subscription.subscription_id] = subscription

    def to(
        self,
        notification_type: str,
        application_id: str | None,
        partner_id: str,
        region: Region | None,
    ) -> list[Subscription]:
        """Those of a partner; None stands for every application, for every region."""
        return [
            one
            for one in self.subscriptions.values()
            if one.notification_type == notification_type
            and one.partner_id == partner_id
            and application_id in (None, one.application_id)
            and region in (None, one.region)
        ]

    def as_json(self) -> Any:
        return {
            "destinations": [asdict(one) for one in self.destinations.values()],
            "subscriptions": [asdict(one) for one in self.subscriptions.values()],
        }

    def load(self, stage: Stage, content: Any) -> None:
        """Raises ValueError that names the place."""
        whole = given.fields(content, "notifications", destinations=list, subscriptions=list)
        maybe_object = (dict, type(None))
        for number, row in enumerate(whole["destinations"]):
            place = f"notifications.destinations[{number}]"
            one = given.fields(
                row,
                place,
                destination_id=str,
                application_id=str,
                region=str,
                name=str,
                queue_arn=(str, type(None)),
                event_bridge=maybe_object,
            )
            _check_region(one["region"], place)
            self.destinations[one["destination_id"]] = Destination(**one)
        for number, row in enumerate(whole["subscriptions"]):
            place = f"notifications.subscriptions[{number}]"
            one = given.fields(
                row,
                place,
                subscription_id=str,
                notification_type=str,
                application_id=str,
                partner_id=str,
                region=str,
                payload_version=str,
                destination_id=str,
                directive=maybe_object,
            )
            _check_region(one["region"], place)
            if one["destination_id"] not in self.destinations:
                raise ValueError(f"{place}: no destination {one['destination_id']!r}")
            subscription = Subscription(**one)
            try:
                subscription.wants({})
                self.add(subscription)
            except (Clash, WrongExpression) as error:
                raise ValueError(f"{place}: {error}") from None


def _check_region(region: str, place: str) -> None:
    if region not in REGIONS:
        raise ValueError(f"{place}: 'region' must be one of {', '.join(REGIONS)}")
