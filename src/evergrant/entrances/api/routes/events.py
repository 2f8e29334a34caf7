"""Events: what client instances are told, and what became of it on the way."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from evergrant.entrances.api.asking import AsCaller, AtDesk, InstanceId, Paging, answers
from evergrant.entrances.api.strictness import StrictRoute
from evergrant.entrances.api.views import Page, page
from evergrant.entrances.api.views.told import DeliveryView, EventView, TrialView
from evergrant.entrances.api.wishes import Instant
from evergrant.errors import Flaw, InvalidInput
from evergrant.ports.things import OutboxState
from evergrant.post import LONGEST_WAIT_S

__all__ = ["router"]

router = APIRouter(tags=["events"], route_class=StrictRoute)

EventId = Annotated[str, Path(pattern="^evt_[0-9a-z]{26}$", description="`evt_…`")]


@router.get("/events", operation_id="listEvents", responses=answers(404))
async def list_events(
    desk: AtDesk,
    caller: AsCaller,
    wished: Paging,
    account_id: Annotated[str | None, Query(pattern="^acc_[0-9a-z]{26}$")] = None,
    client_instance_id: Annotated[str | None, Query(pattern="^ins_[0-9a-z]{26}$")] = None,
    topic: Annotated[
        str | None,
        Query(pattern="^[a-z_]+\\.[a-z_]+$", description="For example `authorization.lapsed`"),
    ] = None,
    wait: Annotated[
        int,
        Query(
            ge=0,
            le=int(LONGEST_WAIT_S),
            description="When there is none: how many seconds to wait for the first one",
        ),
    ] = 0,
) -> Page[EventView]:
    """Read events in the order in which they happened. Needs the right `read`.

    For programs that webhooks cannot reach. Keep the `position` of the last event and send it as
    `after`: nothing is left out and nothing comes twice. A key that is narrowed to a client
    instance reads what that one is told, a key that is narrowed to accounts what is told of these.
    Events are kept for 90 days.
    """
    found = await desk.post.events(
        by=caller,
        after=_position(wished.after),
        limit=wished.asked,
        account_id=account_id,
        client_instance_id=client_instance_id,
        topic=topic,
        wait_s=float(wait),
    )
    return page(found, wished.limit, EventView.of, lambda one: one.position)


@router.get("/events/{event_id}", operation_id="getEvent", responses=answers(404))
async def get_event(desk: AtDesk, caller: AsCaller, event_id: EventId) -> EventView:
    """Show one event. Needs the right `read`."""
    return EventView.of(await desk.post.event(event_id, by=caller))


@router.post(
    "/events/{event_id}/resend",
    operation_id="resendEvent",
    status_code=202,
    responses=answers(404, 409),
)
async def resend_event(desk: AtDesk, caller: AsCaller, event_id: EventId) -> DeliveryView:
    """Send an event once more, under the same `webhook-id`. Needs the right `write`.

    It holds no other event up. One that still waits is tried at once instead. Repeating it sends it
    again.
    """
    return DeliveryView.of(await desk.post.resend(event_id, by=caller))


@router.get(
    "/instances/{instance_id}/deliveries", operation_id="listDeliveries", responses=answers(404)
)
async def list_deliveries(
    desk: AtDesk,
    caller: AsCaller,
    instance_id: InstanceId,
    wished: Paging,
    state: Annotated[OutboxState | None, Query(description="Only those")] = None,
    since: Annotated[
        Instant | None, Query(description="Only of events from this instant on")
    ] = None,
) -> Page[DeliveryView]:
    """List what was sent to an instance, or waits. Needs the right `read`.

    Oldest first. `since` is the way to the newest ones.
    """
    found = await desk.post.deliveries(
        instance_id,
        by=caller,
        state=state,
        since=since,
        after=wished.after,
        limit=wished.asked,
    )
    return page(found, wished.limit, DeliveryView.of, lambda one: one.id)


@router.post(
    "/instances/{instance_id}/test-delivery",
    operation_id="testDelivery",
    responses=answers(404, 409),
)
async def test_delivery(desk: AtDesk, caller: AsCaller, instance_id: InstanceId) -> TrialView:
    """Send a signed `webhook.test` to a client instance now. Needs the right `write`.

    The answer says whether it arrived, and if not, why. It is no event and is not tried again.
    """
    return TrialView.of(await desk.post.test_delivery(instance_id, by=caller))


def _position(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise InvalidInput(flaws=[Flaw("is no `position` of an event.", field="after")])
    return int(after)
