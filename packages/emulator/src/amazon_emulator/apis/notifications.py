"""Notifications API v1: destinations and subscriptions (Amazon's notifications v1 model).

Texts of 400 for an unknown destination, of 409, and of 403 for a destination in use are recorded
ones (threads of Amazon's public issue trackers); those of other refusals are the emulator's.
`sendTestNotification` exists at sandbox endpoints only. EventBridge destinations are taken and
kept; what they get can be seen in the history and nowhere else.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

from amazon_emulator.apis.operations import Call, Denied, Operation
from amazon_emulator.apis.paging import next_mark, read_mark
from amazon_emulator.trade.queues import queues
from amazon_emulator.trade.queues.filter_expressions import FilterExpression, WrongExpression
from amazon_emulator.trade.queues.notices import Notice, post
from amazon_emulator.trade.queues.notification_types import TYPES
from amazon_emulator.trade.queues.subscriptions import (
    Clash,
    Destination,
    Subscription,
    Subscriptions,
)
from amazon_emulator.world import ALL_ROLES, Kind

__all__ = [
    "OPERATIONS",
    "SANDBOX_OPERATIONS",
    "create_destination",
    "create_subscription",
    "delete_destination",
    "delete_subscription",
    "destination",
    "destinations",
    "send_test_notification",
    "subscription",
    "subscription_by_id",
    "subscriptions",
]

SCOPE = "sellingpartnerapi::notifications"
INVALID = "Request has missing or invalid parameters and cannot be parsed."
MISSING = "The specified resource does not exist."
FORBIDDEN = "The requested action is forbidden."
CONFLICT = "The requested resource conflict with a resource in the server."
STATE_CONFLICT = "The resource specified conflicts with the current state."
_ARN = re.compile(r"arn:aws:sqs:\S+:\S+:\S+")
_ACCOUNT = re.compile(r"\d{12}")
PAGE = 30
# What each kind of filter may hold, beside its own name.
_FILTERS: dict[str, tuple[str, ...]] = {
    "ANY_OFFER_CHANGED": ("marketplaceIds", "aggregationSettings"),
    "ORDER_CHANGE": ("marketplaceIds", "orderChangeTypes"),
    "SHIPMENT_TRACKING_MILESTONE_CHANGED": ("trackingIdentifier",),
}
_CHANGE_TYPES = ("BuyerRequestedChange", "DeliveryTipChange", "OrderStatusChange")
_PERIODS = ("FiveMinutes", "TenMinutes")
_TRACKING = ("id", "acsin", "aftn", "containerNumber", "houseBillOfLadingNumber", "carrierTracking")


def _invalid(details: str) -> Denied:
    return Denied.invalid(INVALID, details)


def _known(call: Call) -> Subscriptions:
    return call.stage.of(Subscriptions)


# --- destinations ---------------------------------------------------------------------------------


def create_destination(call: Call) -> dict[str, Any]:
    """Only for a standard queue that lets Amazon in. Raises Denied."""
    body = call.json()
    name = body.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= 256:
        raise _invalid("'name' must have 1 to 256 letters")
    asked = body.get("resourceSpecification")
    kinds = [kind for kind in ("sqs", "eventBridge") if isinstance(asked, dict) and asked.get(kind)]
    if not isinstance(asked, dict) or len(kinds) != 1 or not isinstance(asked[kinds[0]], dict):
        raise _invalid("'resourceSpecification' must hold one of sqs and eventBridge")
    application_id = call.application.application_id
    try:
        if kinds == ["sqs"]:
            arn = _queue_arn(call, asked["sqs"])
            made = _known(call).add_destination(application_id, call.region, name, queue_arn=arn)
        else:
            bridge = _event_bridge(application_id, asked["eventBridge"])
            made = _known(call).add_destination(
                application_id, call.region, name, event_bridge=bridge
            )
    except Clash as clash:
        raise Denied(409, "Conflict", CONFLICT, str(clash)) from None
    return {"payload": made.as_told()}


def _queue_arn(call: Call, asked: dict[str, Any]) -> str:
    arn = asked.get("arn")
    if not isinstance(arn, str) or len(arn) > 1000 or not _ARN.fullmatch(arn):
        raise _invalid("'arn' must be the ARN of an SQS queue")
    refusal = queues.why_not(call.stage, arn)
    if refusal is not None:
        raise _invalid(refusal)
    return arn


def _event_bridge(application_id: str, asked: dict[str, Any]) -> dict[str, str]:
    region, account_id = asked.get("region"), asked.get("accountId")
    if not isinstance(region, str) or not region:
        raise _invalid("'region' must be an AWS region")
    if not isinstance(account_id, str) or not _ACCOUNT.fullmatch(account_id):
        raise _invalid("'accountId' must be an AWS account of twelve digits")
    name = f"aws.partner/sellingpartnerapi.amazon.com/{account_id}/{application_id}"
    return {"name": name, "region": region, "accountId": account_id}


def destinations(call: Call) -> dict[str, Any]:
    found = _known(call).destinations_of(call.application.application_id, call.region)
    return {"payload": [one.as_told() for one in found]}


def destination(call: Call) -> dict[str, Any]:
    return {"payload": _destination(call, call.path["destinationId"]).as_told()}


def _destination(call: Call, destination_id: str) -> Destination:
    found = _own_destination(call, destination_id)
    if found is None:
        raise Denied.missing(MISSING, f"Destination {destination_id} does not exist")
    return found


def _own_destination(call: Call, destination_id: str) -> Destination | None:
    found = _known(call).destinations.get(destination_id)
    application_id = call.application.application_id
    if found is None or (found.application_id, found.region) != (application_id, call.region):
        return None
    return found


def delete_destination(call: Call) -> dict[str, Any]:
    found = _destination(call, call.path["destinationId"])
    if _known(call).subscribers(found.destination_id):
        raise Denied(403, "Unauthorized", FORBIDDEN, "Destination has subscriptions")
    del _known(call).destinations[found.destination_id]
    return {}


# --- subscriptions --------------------------------------------------------------------------------


def _type(call: Call) -> str:
    name = call.path["notificationType"]
    if name not in TYPES or not TYPES[name].subscribable:
        raise _invalid(f'Invalid value "{name}" for path parameter notificationType')
    return name


def create_subscription(call: Call) -> dict[str, Any]:
    notification_type = _type(call)
    body = call.json()
    version = body.get("payloadVersion")
    if not isinstance(version, str) or not TYPES[notification_type].takes(version):
        raise _invalid(f"{notification_type} has no payloadVersion {version!r}")
    destination_id = body.get("destinationId")
    if not isinstance(destination_id, str) or _own_destination(call, destination_id) is None:
        raise _invalid(
            f"No destination with id {destination_id!r} for applicationId "
            f"{call.application.application_id!r}"
        )
    made = Subscription(
        str(uuid.uuid4()),
        notification_type,
        call.application.application_id,
        call.partner.selling_partner_id,
        call.region,
        version,
        destination_id,
        _directive(notification_type, body.get("processingDirective")),
    )
    try:
        _known(call).add(made)
    except Clash as clash:
        raise Denied(409, "StateConflict", STATE_CONFLICT, str(clash)) from None
    return {"payload": made.as_told()}


def _directive(notification_type: str, asked: Any) -> dict[str, Any] | None:
    if asked is None:
        return None
    if not isinstance(asked, dict) or not set(asked) <= {"eventFilter", "filterExpression"}:
        raise _invalid("'processingDirective' may hold eventFilter or filterExpression")
    asked = {name: value for name, value in asked.items() if value is not None}
    if len(asked) > 1:
        raise _invalid("eventFilter and filterExpression are mutually exclusive")
    if "filterExpression" in asked:
        if not isinstance(asked["filterExpression"], str):
            raise _invalid("'filterExpression' must be a text")
        try:
            FilterExpression.read(asked["filterExpression"])
        except WrongExpression as wrong:
            raise _invalid(str(wrong)) from None
    if "eventFilter" in asked:
        _check_filter(notification_type, asked["eventFilter"])
    return asked or None


def _check_filter(notification_type: str, asked: Any) -> None:
    kind = asked.get("eventFilterType") if isinstance(asked, dict) else None
    if kind != notification_type or kind not in _FILTERS:
        raise _invalid(f"{notification_type} does not support the eventFilterType {kind!r}")
    foreign = sorted(set(asked) - {"eventFilterType", *_FILTERS[kind]})
    if foreign:
        raise _invalid(f"A filter for {kind} cannot hold {', '.join(foreign)}")
    _check_texts("marketplaceIds", asked.get("marketplaceIds"))
    _check_texts("orderChangeTypes", asked.get("orderChangeTypes"), _CHANGE_TYPES)
    settings = asked.get("aggregationSettings")
    if settings is not None and (
        not isinstance(settings, dict) or settings.get("aggregationTimePeriod") not in _PERIODS
    ):
        raise _invalid(f"'aggregationTimePeriod' must be one of {', '.join(_PERIODS)}")
    tracking = asked.get("trackingIdentifier")
    if tracking is not None and (
        not isinstance(tracking, dict) or len(tracking) != 1 or not set(tracking) <= set(_TRACKING)
    ):
        raise _invalid("'trackingIdentifier' must hold exactly one identifier")
    if tracking is not None:
        [(name, identifier)] = tracking.items()
        _check_tracking(name, identifier)


def _check_tracking(name: str, identifier: Any) -> None:
    """A text, but for a carrier's number: an object with the carrier's code beside it."""
    if name != "carrierTracking":
        if not isinstance(identifier, str) or not identifier:
            raise _invalid(f"'{name}' must be a text")
        return
    if (
        not isinstance(identifier, dict)
        or not {"trackingNumber"} <= set(identifier) <= {"trackingNumber", "carrierCode"}
        or not all(isinstance(one, str) and one for one in identifier.values())
    ):
        raise _invalid("'carrierTracking' must hold a trackingNumber, and may hold a carrierCode")


def _check_texts(name: str, asked: Any, choices: tuple[str, ...] = ()) -> None:
    if asked is None:
        return
    if not isinstance(asked, list) or not all(isinstance(one, str) for one in asked):
        raise _invalid(f"'{name}' must be a list of texts")
    if choices and not set(asked) <= set(choices):
        raise _invalid(f"'{name}' must hold some of {', '.join(choices)}")


def _own(call: Call, notification_type: str) -> list[Subscription]:
    version = call.query("payloadVersion")
    return [
        one
        for one in _known(call).to(
            notification_type,
            call.application.application_id,
            call.partner.selling_partner_id,
            call.region,
        )
        if version in (None, one.payload_version)
    ]


def subscription(call: Call) -> dict[str, Any]:
    """That of the latest payload version, where no version is asked for."""
    notification_type = _type(call)
    found = _own(call, notification_type)
    if not found:
        raise Denied.missing(MISSING, f"No subscription for {notification_type}")
    return {"payload": max(found, key=lambda one: one.payload_version).as_told()}


def subscriptions(call: Call) -> dict[str, Any]:
    types = call.queries("notificationTypes")
    if len(types) != 1 or types[0] not in TYPES:
        raise _invalid("'notificationTypes' must name exactly one notification type")
    size = call.number("pageSize", PAGE, PAGE, 100)
    # By id, so that what comes and goes between two pages moves nothing over their border.
    found = sorted(_own(call, types[0]), key=lambda one: one.subscription_id)
    asked = [call.application.application_id, types[0], call.query("payloadVersion") or ""]
    after = _after(call, asked)
    rest = [one for one in found if one.subscription_id > after]
    payload: dict[str, Any] = {"subscriptions": [one.as_told() for one in rest[:size]]}
    if len(rest) > size:
        facts = {"asked": asked, "after": rest[size - 1].subscription_id}
        payload["nextToken"] = next_mark(call, "getSubscriptions", facts)
    return {"payload": payload}


def _after(call: Call, asked: list[str]) -> str:
    """The last subscription of the page before. Raises Denied for a mark that another query
    made."""
    mark = call.query("nextToken")
    if mark is None:
        return ""
    facts = read_mark(call, "getSubscriptions", mark)
    if facts["asked"] != asked:
        raise _invalid("The nextToken is not valid for this request")
    return str(facts["after"])


def _by_id(call: Call) -> Subscription:
    """With a grantless token any of the application's, whoever it is for; with a partner's, its
    own alone."""
    notification_type, wanted = _type(call), call.path["subscriptionId"]
    found = _known(call).subscriptions.get(wanted)
    grant = call.token.grant
    if (
        found is None
        or (found.notification_type, found.application_id, found.region)
        != (notification_type, call.application.application_id, call.region)
        or (grant is not None and grant.partner.selling_partner_id != found.partner_id)
    ):
        words = f"Subscription {wanted} does not exist for {notification_type}"
        raise Denied.missing(MISSING, words)
    return found


def subscription_by_id(call: Call) -> dict[str, Any]:
    return {"payload": _by_id(call).as_told()}


def delete_subscription(call: Call) -> dict[str, Any]:
    del _known(call).subscriptions[_by_id(call).subscription_id]
    return {}


# --- test notifications ---------------------------------------------------------------------------


def _only_in_the_sandbox(call: Call) -> dict[str, Any]:
    raise Denied.access("")


def send_test_notification(call: Call) -> dict[str, Any]:
    """At a sandbox endpoint: a made-up notification for one destination. Raises Denied."""
    body = call.json()
    test = body.get("testNotification")
    version = test.get("payloadVersion") if isinstance(test, dict) else None
    scenario = test.get("testScenario") if isinstance(test, dict) else None
    if not isinstance(version, str) or not version:
        raise _invalid("'testNotification.payloadVersion' is missing")
    if not isinstance(scenario, str) or not scenario:
        raise _invalid("'testNotification.testScenario' is missing")
    found = _own_destination(call, str(body.get("destinationId")))
    if found is None:
        raise _invalid(
            f"No destination with id {body.get('destinationId')!r} for applicationId "
            f"{call.application.application_id!r}"
        )
    notice = Notice(
        _type(call),
        call.application.application_id,
        None,
        str(uuid.uuid4()),
        version,
        {"testScenario": scenario},
        call.now,
        found.queue_arn,
        (found.event_bridge or {}).get("name"),
    )
    post(call.stage, notice)
    return {}


BOTH: tuple[Kind, ...] = ("seller", "vendor")
DESTINATIONS = "/notifications/v1/destinations"
DESTINATION = f"{DESTINATIONS}/{{destinationId}}"
SUBSCRIPTIONS = "/notifications/v1/subscriptions"
OF_TYPE = f"{SUBSCRIPTIONS}/{{notificationType}}"
SUBSCRIPTION = f"{OF_TYPE}/{{subscriptionId}}"
TEST = f"{OF_TYPE}/testNotification"


def _grantless(name: str, method: str, path: str, answer: Callable[[Call], Any]) -> Operation:
    return Operation(name, method, path, (), (), answer, SCOPE)


OPERATIONS: tuple[Operation, ...] = (
    _grantless("createDestination", "POST", DESTINATIONS, create_destination),
    _grantless("getDestinations", "GET", DESTINATIONS, destinations),
    _grantless("getDestination", "GET", DESTINATION, destination),
    _grantless("deleteDestination", "DELETE", DESTINATION, delete_destination),
    Operation("getSubscriptions", "GET", SUBSCRIPTIONS, ALL_ROLES, BOTH, subscriptions),
    Operation("createSubscription", "POST", OF_TYPE, ALL_ROLES, BOTH, create_subscription),
    Operation("getSubscription", "GET", OF_TYPE, ALL_ROLES, BOTH, subscription),
    # Amazon's model calls these two grantless; programs of the field send a partner's token.
    Operation(
        "getSubscriptionById", "GET", SUBSCRIPTION, ALL_ROLES, BOTH, subscription_by_id, SCOPE
    ),
    Operation(
        "deleteSubscriptionById",
        "DELETE",
        SUBSCRIPTION,
        ALL_ROLES,
        BOTH,
        delete_subscription,
        SCOPE,
    ),
    _grantless("sendTestNotification", "POST", TEST, _only_in_the_sandbox),
)
# What is played at sandbox endpoints, where everything else is answered from the models.
SANDBOX_OPERATIONS: tuple[Operation, ...] = (
    _grantless("sendTestNotification", "POST", TEST, send_test_notification),
)
