"""Events, what became of them on their way, and the notice board."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, JsonValue

from evergrant.entrances.api.views.pages import View
from evergrant.ports.things import OutboxItem, OutboxState
from evergrant.ports.watched import EventRecord, Notice
from evergrant.post import Trial, payload
from evergrant.rules.notices import KINDS, Gravity, NoticeKind

__all__ = ["DeliveryView", "EventView", "NoticeView", "TrialView"]


class EventView(View):
    """One event for one client instance. It holds no secret."""

    id: str = Field(description="The `webhook-id` under which it is sent, at each attempt")
    position: int = Field(description="Grows with each event. Keep the last one, as `after`")
    topic: str = Field(description="For example `authorization.granted`")
    at: datetime
    client_instance_id: str
    account_id: str | None
    payload: dict[str, JsonValue] = Field(
        description="What a webhook's body has: `type`, `timestamp`, `data`"
    )

    @classmethod
    def of(cls, event: EventRecord) -> EventView:
        return cls(
            id=event.id,
            position=event.position,
            topic=event.topic,
            at=event.at,
            client_instance_id=event.client_instance_id,
            account_id=event.account_id,
            payload=payload(event),
        )


class DeliveryView(View):
    """One event on its way to a client instance."""

    id: str
    event_id: str | None
    topic: str
    account_id: str | None = Field(description="Also null of an event that is sent once more")
    client_instance_id: str
    state: OutboxState
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None = Field(description="Null: there will be none")
    ended_at: datetime | None
    last_error: str = Field(description="What the receiver, or the way to it, said last")

    @classmethod
    def of(cls, item: OutboxItem) -> DeliveryView:
        return cls(
            id=item.id,
            event_id=item.event_id,
            topic=item.topic,
            account_id=item.account_id,
            client_instance_id=item.to,
            state=item.state,
            attempts=item.attempts,
            created_at=item.created_at,
            next_attempt_at=item.next_at if item.state is OutboxState.WAITING else None,
            ended_at=item.ended_at,
            last_error=item.last_error,
        )


class TrialView(View):
    """What became of a test delivery."""

    delivered: bool
    at: datetime
    took_ms: int
    url: str
    status: int | None = Field(description="Of a refusal")
    error: str

    @classmethod
    def of(cls, trial: Trial) -> TrialView:
        return cls(
            delivered=trial.delivered,
            at=trial.at,
            took_ms=trial.took_ms,
            url=trial.url,
            status=trial.status,
            error=trial.error,
        )


class NoticeView(View):
    """Something that somebody of the house has to know or do."""

    id: str
    kind: NoticeKind
    gravity: Gravity
    title: str
    hint: str
    message: str
    subject: str = Field(description="Id of the thing that it is about")
    account_id: str | None
    application_id: str | None
    facts: dict[str, JsonValue]
    first_at: datetime
    last_at: datetime
    times: int = Field(description="How often it happened while it was open")
    settled_at: datetime | None
    settled_by: str = Field(description="The caller, or `system` when it settled by itself")

    @classmethod
    def of(cls, notice: Notice) -> NoticeView:
        kind = KINDS[notice.kind]
        return cls(
            id=notice.id,
            kind=notice.kind,
            gravity=kind.gravity,
            title=kind.title,
            hint=kind.hint,
            message=notice.message,
            subject=notice.subject,
            account_id=notice.account_id,
            application_id=notice.application_id,
            facts=dict(notice.facts),
            first_at=notice.first_at,
            last_at=notice.last_at,
            times=notice.times,
            settled_at=notice.settled_at,
            settled_by=notice.settled_by,
        )
