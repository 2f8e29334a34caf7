"""Tells the subscribed that something happened.

Answers for: who gets a notification, its envelope, and its way into the queue: at once, later,
twice or never, as the levers wish. What arrives in an EventBridge event source is written into the
history and goes nowhere else; what arrives in a queue is written there too (`notification.<TYPE>`:
status 200, or what stood in its way). It does not know what happened; whoever plays that calls
`tell`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from amazon_emulator import marketplaces
from amazon_emulator.clock import stamp
from amazon_emulator.marketplaces import Region
from amazon_emulator.stage import Stage
from amazon_emulator.trade import given
from amazon_emulator.trade.queues import queues
from amazon_emulator.trade.queues.notification_types import TYPES, NotificationType, envelope
from amazon_emulator.trade.queues.subscriptions import Subscription, Subscriptions, values_of
from amazon_emulator.world import Application, Partner

__all__ = ["LONGEST_DELAY_S", "Notice", "Post", "post", "tell"]

LONGEST_DELAY_S = 31_536_000
QUIET_KEPT = 10_000
AGGREGATION: Mapping[str, timedelta] = {
    "FiveMinutes": timedelta(minutes=5),
    "TenMinutes": timedelta(minutes=10),
}


@dataclass(frozen=True)
class Notice:
    """One notification for one subscription. Either ``queue_arn`` or ``event_source`` is set.
    ``secret``: its payload holds a client secret."""

    notification_type: str
    application_id: str
    partner_id: str | None
    subscription_id: str
    payload_version: str
    payload: Any
    happened_at: datetime
    queue_arn: str | None = None
    event_source: str | None = None
    secret: bool = False
    notification_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def body(self, published_at: datetime) -> str:
        """The text of the message."""
        whole = envelope(
            self.notification_type,
            self.payload_version,
            self.payload,
            event_time=stamp(self.happened_at),
            metadata={
                "applicationId": self.application_id,
                "subscriptionId": self.subscription_id,
                "publishTime": stamp(published_at),
                "notificationId": self.notification_id,
            },
        )
        return json.dumps(whole, ensure_ascii=False)


@dataclass
class Post:
    """What the levers wish of notifications on their way, and those that are.

    ``delay_s``: seconds from the event to the queue. ``lose``, ``double``: how many of the next."""

    delay_s: float = 0
    lose: int = 0
    double: int = 0
    under_way: dict[int, tuple[datetime, Notice]] = field(default_factory=dict)
    quiet_until: dict[tuple[str, ...], datetime] = field(default_factory=dict)
    held: dict[tuple[str, ...], Notice] = field(default_factory=dict)
    _number: int = 0

    def add(self, stage: Stage, due_at: datetime, notice: Notice) -> None:
        """It will arrive at that instant."""
        self._number += 1
        number = self._number
        self.under_way[number] = due_at, notice

        def arrive(instant: datetime) -> None:
            if self.under_way.pop(number, None) is not None:
                _arrive(stage, notice, instant)

        stage.agenda.at(due_at, arrive)

    def begin_quiet(self, item: tuple[str, ...], ends_at: datetime, now: datetime) -> None:
        """Nothing about the item goes out until then; periods that are over are forgotten when
        there are many."""
        if len(self.quiet_until) >= QUIET_KEPT:
            self.quiet_until = {
                known: until for known, until in self.quiet_until.items() if until > now
            }
        self.quiet_until[item] = ends_at

    def as_json(self, *, credentials: bool = False) -> Any:
        """What is held back for an aggregation is left out: it lives for minutes."""
        return {
            "delay_s": self.delay_s,
            "lose": self.lose,
            "double": self.double,
            "under_way": [
                {
                    **vars(notice),
                    "due_at": stamp(due_at),
                    "happened_at": stamp(notice.happened_at),
                }
                for due_at, notice in self.under_way.values()
                if credentials or not notice.secret
            ],
        }

    def load(self, stage: Stage, content: Any) -> None:
        """Raises ValueError that names the place."""
        whole = given.fields(
            content, "post", delay_s=(int, float), lose=int, double=int, under_way=list
        )
        self.delay_s, self.lose, self.double = whole["delay_s"], whole["lose"], whole["double"]
        if min(self.lose, self.double) < 0 or not 0 <= self.delay_s <= LONGEST_DELAY_S:
            raise ValueError("post: no number may be negative, no delay longer than a year")
        for number, row in enumerate(whole["under_way"]):
            place = f"post.under_way[{number}]"
            maybe_text = (str, type(None))
            one = given.fields(
                row,
                place,
                due_at=str,
                notification_type=str,
                application_id=str,
                partner_id=maybe_text,
                subscription_id=str,
                payload_version=str,
                payload=(dict, list, str, int, float, bool, type(None)),
                happened_at=str,
                queue_arn=maybe_text,
                event_source=maybe_text,
                secret=bool,
                notification_id=str,
            )
            due_at = given.instant(one.pop("due_at"), f"{place}.due_at")
            one["happened_at"] = given.instant(one["happened_at"], f"{place}.happened_at")
            self.add(stage, due_at, Notice(**one))


def tell(
    stage: Stage,
    notification_type: str,
    partner: Partner,
    payload: Any,
    now: datetime,
    *,
    payload_version: str = "1.0",
    application: Application | None = None,
    region: Region | None = None,
) -> None:
    """Puts the notification into every subscribed queue.

    ``payload``: all that stands under `Payload`, the wrapping object included where the type has
    one. ``application``: only to subscriptions of this one (who made the feed, the report).
    ``region``: only to those made in it; left out, the payload's marketplace says it, if any.
    Nobody is told whose authorization has ended.
    """
    if region is None:
        region = _region_in(payload)
    subscriptions = stage.of(Subscriptions)
    for subscription in subscriptions.to(
        notification_type,
        application.application_id if application else None,
        partner.selling_partner_id,
        region,
    ):
        if _is_authorized(stage, subscription, partner, now) and _is_for(
            subscription, payload_version, payload
        ):
            notice = _notice(subscriptions, subscription, payload_version, payload, now)
            _gather(stage, subscription, notice)


def _region_in(payload: Any) -> Region | None:
    named = next(values_of(payload, ("MarketplaceId", "marketplaceId")), None)
    return marketplaces.region_of(named) if named else None


def _is_authorized(
    stage: Stage, subscription: Subscription, partner: Partner, now: datetime
) -> bool:
    application = stage.world.applications.get(subscription.application_id)
    return application is not None and any(
        grant.is_good(now) and grant.region == subscription.region
        for grant in stage.world.grants_of(partner, application)
    )


def _is_for(subscription: Subscription, payload_version: str, payload: Any) -> bool:
    name = subscription.notification_type
    kind = TYPES.get(name) or NotificationType(name)
    return kind.fits(subscription.payload_version, payload_version) and subscription.wants(payload)


def _notice(
    subscriptions: Subscriptions,
    subscription: Subscription,
    payload_version: str,
    payload: Any,
    now: datetime,
) -> Notice:
    destination = subscriptions.destinations[subscription.destination_id]
    return Notice(
        subscription.notification_type,
        subscription.application_id,
        subscription.partner_id,
        subscription.subscription_id,
        payload_version,
        payload,
        now,
        destination.queue_arn,
        (destination.event_bridge or {}).get("name"),
    )


def _gather(stage: Stage, subscription: Subscription, notice: Notice) -> None:
    """Where a period was chosen: the first of an item at once, then the last one at its end; those
    between are dropped."""
    settings = subscription.event_filter.get("aggregationSettings") or {}
    period = AGGREGATION.get(settings.get("aggregationTimePeriod", ""))
    if period is None:
        post(stage, notice)
        return
    waiting = stage.of(Post)
    item = (
        subscription.subscription_id,
        *sorted(set(values_of(notice.payload, ("MarketplaceId", "ASIN")))),
    )
    now = notice.happened_at
    ends_at = waiting.quiet_until.get(item)
    if ends_at is None or now >= ends_at:
        waiting.begin_quiet(item, now + period, now)
        post(stage, notice)
        return
    is_new = item not in waiting.held
    waiting.held[item] = notice
    if is_new:

        def release(instant: datetime) -> None:
            waiting.begin_quiet(item, instant + period, instant)
            last = waiting.held.pop(item)
            if last.subscription_id in stage.of(Subscriptions).subscriptions:
                post(stage, last, instant)

        stage.agenda.at(ends_at, release)


def post(stage: Stage, notice: Notice, now: datetime | None = None) -> None:
    """Sends one notification on its way, as the levers wish."""
    now = now or notice.happened_at
    wishes = stage.of(Post)
    if wishes.lose > 0:
        wishes.lose -= 1
        _note(stage, notice, now, 0, "lost")
        return
    copies = 1
    if wishes.double > 0:
        wishes.double -= 1
        copies = 2
    for _ in range(copies):
        if wishes.delay_s > 0:
            wishes.add(stage, now + timedelta(seconds=wishes.delay_s), notice)
        else:
            _arrive(stage, notice, now)


def _arrive(stage: Stage, notice: Notice, now: datetime) -> None:
    if notice.queue_arn is None:
        _note(stage, notice, now, 200, None)
        return
    refusal = queues.hand_over(stage, notice.queue_arn, notice.body(now), now, secret=notice.secret)
    _note(stage, notice, now, 403 if refusal else 200, refusal)


def _note(stage: Stage, notice: Notice, now: datetime, status: int, error: str | None) -> None:
    asked = stage.history.note(
        now,
        f"notification.{notice.notification_type}",
        "notifications",
        "PUT",
        notice.queue_arn or notice.event_source or "",
    )
    asked.application_id = notice.application_id
    asked.partner = notice.partner_id
    asked.status = status
    asked.error = error
    asked.work_done = status == 200
