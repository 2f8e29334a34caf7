"""What the client instance was told of one account, and whether it arrived.

Answers for: the newest events with their deliveries, and for sending one again. Does not answer
for: the client instance itself (its own page), or for what an event holds (the post room).
"""

from __future__ import annotations

from starlette.responses import Response

from evergrant.entrances.console.asking import Asked
from evergrant.entrances.console.doors import Door
from evergrant.entrances.console.pages.account_sheet import home_of, sheet
from evergrant.errors import Conflict, NotFound
from evergrant.ports.things import OutboxItem
from evergrant.ports.watched import EventRecord
from evergrant.rules.rights import Right

__all__ = ["DOORS"]

_OF = "/console/accounts/{account_id}/events"
_PAGE = 50


async def show(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    after = asked.query.get("after", "")
    events = await asked.desk.post.events(
        by=asked.caller,
        account_id=account_id,
        after=int(after) if after.isascii() and after.isdigit() and len(after) < 16 else 0,
        limit=_PAGE + 1,
        newest_first=True,
    )
    return await sheet(
        asked,
        "accounts/events.html",
        events=events[:_PAGE],
        deliveries=await _deliveries(asked, events),
        older=events[_PAGE - 1].position if len(events) > _PAGE else None,
    )


async def _deliveries(asked: Asked, events: list[EventRecord]) -> dict[str, OutboxItem]:
    """The newest of each event, by the event's id; one that was sent again has several."""
    if not events:
        return {}
    async with asked.desk.store.transaction() as tx:
        items = await tx.outbox.all(event_id=[one.id for one in events])
    return {one.event_id: one for one in items if one.event_id}


async def resend(asked: Asked) -> Response:
    account_id = asked.path["account_id"]
    event = await asked.desk.post.event(asked.path["event_id"], by=asked.caller)
    if event.account_id != account_id:
        raise NotFound("There is no such event.")
    try:
        await asked.desk.post.resend(event.id, by=asked.caller)
    except Conflict as error:
        return asked.back(
            f"{home_of(account_id)}/events", f"{error} {error.hint or ''}".strip(), "bad"
        )
    return asked.back(f"{home_of(account_id)}/events", f"{event.topic} is on its way once more.")


DOORS = (
    Door("GET", _OF, show, Right.READ),
    Door("POST", f"{_OF}/{{event_id}}/resend", resend, Right.WRITE),
)
